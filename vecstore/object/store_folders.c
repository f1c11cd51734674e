// SPDX-License-Identifier: Apache-2.0
// The folders right below a prefix, for every store: by its own operation, or out of all keys.
#include "vecstore/object/store_internal.h"

#include <stdatomic.h>
#include <string.h>

struct folder_walk {
    size_t prefix_len;
    char last[VS_KEY_SIZE_MAX + 1]; // keys are sorted, so equal folders stand together
    size_t last_len;
    vs_folder_fn visit;
    void *ctx;
};

static enum vs_status visit_key(void *ctx,
                                const struct vs_object_info *object,
                                struct vs_error *err)
{
    struct folder_walk *walk = ctx;
    struct vs_str name, rest;
    if (object->key.len <= walk->prefix_len) {
        return VS_OK;
    }
    rest = (struct vs_str){object->key.ptr + walk->prefix_len, object->key.len - walk->prefix_len};
    if (!vs_str_split(rest, '/', &name, &rest) || name.len >= sizeof walk->last ||
        vs_str_equal(name, (struct vs_str){walk->last, walk->last_len})) {
        return VS_OK;
    }
    memcpy(walk->last, name.ptr, name.len);
    walk->last_len = name.len;
    return walk->visit(walk->ctx, name, err);
}

enum vs_status vs_store_list_folders(
    struct vs_store *store, const char *prefix, vs_folder_fn visit, void *ctx, struct vs_error *err)
{
    struct folder_walk walk = {.visit = visit, .ctx = ctx, .prefix_len = strlen(prefix)};
    VS_TRY(vs_key_prefix_validate(prefix, err));
    if (walk.prefix_len > 0 && prefix[walk.prefix_len - 1] != '/') {
        return vs_fail(err, VS_INVALID, "a prefix of folders ends in '/', \"%.300s\" does not",
                       prefix);
    }
    if (store->vtable->list_folders == NULL) {
        return vs_store_list(store, prefix, visit_key, &walk, err);
    }
    vs_store_count_request(store);
    return store->vtable->list_folders(store, prefix, visit, ctx, err);
}
