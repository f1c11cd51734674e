// SPDX-License-Identifier: Apache-2.0
/*
 * The one place where a path of table metadata becomes a key of the store.
 */
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/scan.h"

// Scheme without its aliases ("s3" for s3a and s3n, "" for file and plain paths) and what follows
// it.
static void split_location(struct vs_str uri, struct vs_str *scheme_out, struct vs_str *rest_out)
{
    struct vs_str scheme, rest;
    *scheme_out = VS_STR("");
    while (vs_str_starts_with(uri, VS_STR("./"))) {
        uri = (struct vs_str){uri.ptr + 2, uri.len - 2};
    }
    *rest_out = uri;
    if (!vs_str_split(uri, ':', &scheme, &rest) || scheme.len == 0 || rest.len == 0 ||
        rest.ptr[0] != '/') {
        return;
    }
    if (vs_str_equal_nocase(scheme, VS_STR("file"))) {
        if (vs_str_starts_with(rest, VS_STR("//"))) {
            rest = (struct vs_str){rest.ptr + 2, rest.len - 2};
        }
    } else if (vs_str_equal_nocase(scheme, VS_STR("s3a")) ||
               vs_str_equal_nocase(scheme, VS_STR("s3n"))) {
        *scheme_out = VS_STR("s3");
    } else {
        *scheme_out = scheme;
    }
    *rest_out = rest;
}

static struct vs_str strip_slashes(struct vs_str text)
{
    while (text.len > 1 && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    return text;
}

bool vs_location_equal(struct vs_str a, struct vs_str b)
{
    struct vs_str scheme_a, scheme_b, rest_a, rest_b;
    split_location(a, &scheme_a, &rest_a);
    split_location(b, &scheme_b, &rest_b);
    return vs_str_equal_nocase(scheme_a, scheme_b) &&
           vs_str_equal(strip_slashes(rest_a), strip_slashes(rest_b));
}

// What of `uri` follows `prefix` and a slash; false when it lies elsewhere.
static bool path_below(struct vs_str uri, struct vs_str prefix, struct vs_str *rest_out)
{
    struct vs_str scheme_u, scheme_p, rest_u, rest_p;
    split_location(uri, &scheme_u, &rest_u);
    split_location(prefix, &scheme_p, &rest_p);
    rest_p = strip_slashes(rest_p);
    if (!vs_str_equal_nocase(scheme_u, scheme_p) || !vs_str_starts_with(rest_u, rest_p) ||
        rest_u.len <= rest_p.len + 1 || rest_u.ptr[rest_p.len] != '/') {
        return false;
    }
    *rest_out = (struct vs_str){rest_u.ptr + rest_p.len + 1, rest_u.len - rest_p.len - 1};
    return true;
}

static bool climbs(struct vs_str path)
{
    struct vs_str part, rest = path;
    while (vs_str_split(rest, '/', &part, &rest)) {
        if (vs_str_equal_c(part, "..")) {
            return true;
        }
    }
    return vs_str_equal_c(rest, "..");
}

enum vs_status vs_table_path_key(const struct vs_table_metadata *metadata,
                                 const struct vs_store *store,
                                 struct vs_str uri,
                                 struct vs_buf *key_out,
                                 struct vs_error *err)
{
    struct vs_str below = {NULL, 0};
    bool is_moved = metadata->moved_from.len > 0 && path_below(uri, metadata->moved_from, &below);
    struct vs_str inside = below;
    bool is_inside =
        (is_moved && metadata->opens_moved) || path_below(uri, metadata->location, &inside);
    if (!is_inside || climbs(inside) || climbs(below)) {
        return vs_fail(
            err, VS_DENIED,
            "the table names %.*s, which lies outside of its location %.*s; it is not opened",
            VS_STR_ARG(uri), VS_STR_ARG(metadata->location));
    }
    if (!is_moved) {
        return vs_store_key(store, uri, key_out, err);
    }
    struct vs_buf moved;
    vs_buf_init(&moved, key_out->env, uri.len + metadata->moved_to.len + 2);
    enum vs_status status = vs_buf_append_str(&moved, metadata->moved_to, err);
    if (status == VS_OK) {
        status = vs_buf_append_byte(&moved, '/', err);
    }
    if (status == VS_OK) {
        status = vs_buf_append_str(&moved, below, err);
    }
    if (status == VS_OK) {
        status = vs_store_key(store, vs_buf_view(&moved), key_out, err);
    }
    vs_buf_clear(&moved);
    return status;
}

static enum vs_status key_text(const struct vs_table_metadata *metadata,
                               const struct vs_store *store,
                               struct vs_str uri,
                               struct vs_buf *key,
                               const char **text_out,
                               struct vs_error *err)
{
    VS_TRY(vs_table_path_key(metadata, store, uri, key, err));
    *text_out = vs_buf_c_str(key);
    return *text_out != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "no memory for a path");
}

enum vs_status vs_table_file_open(const struct vs_env *env,
                                  struct vs_store *store,
                                  const struct vs_table_metadata *metadata,
                                  struct vs_str uri,
                                  struct vs_file **file_out,
                                  struct vs_error *err)
{
    struct vs_buf key;
    const char *text = NULL;
    vs_buf_init(&key, env, VS_METADATA_MAX_BYTES);
    enum vs_status status = key_text(metadata, store, uri, &key, &text, err);
    if (status == VS_OK) {
        status = vs_file_open(store, text, file_out, err);
    }
    if (status == VS_NOT_FOUND) {
        status = vs_fail(err, VS_CORRUPT, "the file %.*s, which the table names, is missing",
                         VS_STR_ARG(uri));
    }
    vs_buf_clear(&key);
    return status;
}

enum vs_status vs_table_file_exists(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    struct vs_str uri,
                                    bool *exists_out,
                                    struct vs_error *err)
{
    struct vs_buf key;
    const char *text = NULL;
    vs_buf_init(&key, env, VS_METADATA_MAX_BYTES);
    enum vs_status status = key_text(metadata, store, uri, &key, &text, err);
    if (status == VS_OK) {
        status = vs_store_exists(store, text, exists_out, err);
    }
    vs_buf_clear(&key);
    return status;
}

enum vs_status vs_table_object_read(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    struct vs_str uri,
                                    const char *what,
                                    struct vs_buf *bytes_out,
                                    struct vs_error *err)
{
    struct vs_buf key;
    const char *text = NULL;
    vs_buf_init(&key, env, VS_METADATA_MAX_BYTES);
    enum vs_status status = key_text(metadata, store, uri, &key, &text, err);
    if (status == VS_OK) {
        status = vs_store_get(store, text, bytes_out, err);
    }
    if (status == VS_NOT_FOUND) {
        status = vs_fail(err, VS_CORRUPT, "the %s %.*s, which the table names, is missing", what,
                         VS_STR_ARG(uri));
    }
    vs_buf_clear(&key);
    return status;
}

struct vs_str vs_table_uri(const struct vs_table_metadata *metadata,
                           struct vs_arena *arena,
                           const char *folder,
                           const char *name)
{
    return vs_arena_printf(arena, "%.*s/%s/%s", VS_STR_ARG(metadata->location), folder, name);
}
