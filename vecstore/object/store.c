// SPDX-License-Identifier: Apache-2.0
// What every store does the same way: check the key, count, hand on.
#include "vecstore/object/store.h"

#include "vecstore/base/checked.h"
#include "vecstore/base/pool.h"
#include "vecstore/object/store_internal.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

static void add_to(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void vs_store_count_request(struct vs_store *store)
{
    add_to(&store->requests, 1);
}

void vs_store_count_read(struct vs_store *store, size_t n)
{
    add_to(&store->bytes_read, n);
}

void vs_store_count_written(struct vs_store *store, size_t n)
{
    add_to(&store->bytes_written, n);
}

static void count_call(struct vs_store *store)
{
    if (!store->counts_itself) {
        vs_store_count_request(store);
    }
}

static void count_put(struct vs_store *store, size_t n)
{
    if (!store->counts_itself) {
        vs_store_count_written(store, n);
    }
}

void vs_store_free(struct vs_store *store)
{
    if (store != NULL) {
        store->vtable->free(store);
    }
}

enum vs_status vs_file_open(struct vs_store *store,
                            const char *key,
                            struct vs_file **file_out,
                            struct vs_error *err)
{
    VS_TRY(vs_key_validate(key, err));
    count_call(store);
    return store->vtable->open(store, key, file_out, err);
}

enum vs_status vs_file_open_sized(struct vs_store *store,
                                  const char *key,
                                  uint64_t size,
                                  struct vs_file **file_out,
                                  struct vs_error *err)
{
    if (store->vtable->open_sized != NULL) { // makes no request yet
        VS_TRY(vs_key_validate(key, err));
        return store->vtable->open_sized(store, key, size, file_out, err);
    }
    struct vs_file *file = NULL;
    VS_TRY(vs_file_open(store, key, &file, err));
    if (file->size != size) {
        enum vs_status status =
            vs_fail(err, VS_CORRUPT, "%s has %" PRIu64 " bytes instead of %" PRIu64, file->name,
                    file->size, size);
        vs_file_close(file);
        return status;
    }
    *file_out = file;
    return VS_OK;
}

// Reads the open file into the empty buffer.
static enum vs_status read_whole(struct vs_file *file, struct vs_buf *buf, struct vs_error *err)
{
    if (file->size > buf->limit) {
        return vs_fail(err, VS_LIMIT, "%s has %" PRIu64 " bytes, at most %zu are allowed here",
                       file->name, file->size, buf->limit);
    }
    size_t size = (size_t)file->size;
    VS_TRY(vs_buf_reserve(buf, size, err));
    VS_TRY(vs_file_read(file, 0, size, buf->data, err));
    buf->len = size;
    return VS_OK;
}

bool vs_store_stamp(struct vs_store *store, const char *key, struct vs_object_stamp *stamp_out)
{
    return store->vtable->stamp != NULL && vs_key_validate(key, NULL) == VS_OK &&
           store->vtable->stamp(store, key, stamp_out);
}

bool vs_object_stamp_is(const struct vs_object_stamp *a, const struct vs_object_stamp *b)
{
    return a->device == b->device && a->number == b->number && a->size == b->size &&
           a->changed_s == b->changed_s && a->changed_ns == b->changed_ns &&
           a->modified_s == b->modified_s && a->modified_ns == b->modified_ns;
}

enum vs_status vs_store_exists(struct vs_store *store,
                               const char *key,
                               bool *exists_out,
                               struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_error reason;
    if (store->vtable->exists != NULL) {
        VS_TRY(vs_key_validate(key, err));
        count_call(store);
        return store->vtable->exists(store, key, exists_out, err);
    }
    vs_error_clear(&reason);
    enum vs_status status = vs_file_open(store, key, &file, &reason);
    if (status != VS_OK && status != VS_NOT_FOUND) {
        if (err != NULL) {
            *err = reason;
        }
        return status;
    }
    vs_file_close(file);
    *exists_out = status == VS_OK;
    return VS_OK;
}

bool vs_store_is_remote(const struct vs_store *store)
{
    return store->counts_itself;
}

struct search {
    struct vs_store *store;
    const char *const *keys;
    bool found[VS_FIND_KEYS_MAX];
};

static enum vs_status look_for(void *ctx, size_t index, struct vs_error *err)
{
    struct search *search = ctx;
    return vs_store_exists(search->store, search->keys[index], &search->found[index], err);
}

enum vs_status vs_store_find_first(struct vs_store *store,
                                   const char *const *keys,
                                   size_t count,
                                   size_t *first_out,
                                   struct vs_error *err)
{
    struct search search = {.store = store, .keys = keys};
    size_t first = 0;
    if (count > VS_FIND_KEYS_MAX) {
        return vs_fail(err, VS_INTERNAL, "too many keys to look for at once");
    }
    if (vs_store_is_remote(store)) {
        VS_TRY(vs_pool_run(store->env, count, count, look_for, &search, err));
    }
    while (first < count && !search.found[first]) {
        if (!vs_store_is_remote(store)) {
            VS_TRY(look_for(&search, first, err));
        }
        first += !search.found[first];
    }
    *first_out = first;
    return VS_OK;
}

enum vs_status vs_store_put(struct vs_store *store,
                            const char *key,
                            struct vs_str bytes,
                            enum vs_put_mode mode,
                            struct vs_error *err)
{
    VS_TRY(vs_key_validate(key, err));
    count_call(store);
    VS_TRY(store->vtable->put(store, key, bytes, mode, err));
    count_put(store, bytes.len);
    return VS_OK;
}

enum vs_status vs_writer_open(struct vs_store *store,
                              const char *key,
                              struct vs_writer **writer_out,
                              struct vs_error *err)
{
    VS_TRY(vs_key_validate(key, err));
    count_call(store);
    return store->vtable->create(store, key, writer_out, err);
}

enum vs_status vs_store_list(
    struct vs_store *store, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err)
{
    VS_TRY(vs_key_prefix_validate(prefix, err));
    count_call(store);
    return store->vtable->list(store, prefix, visit, ctx, err);
}

enum vs_status vs_store_remove(struct vs_store *store, const char *key, struct vs_error *err)
{
    VS_TRY(vs_key_validate(key, err));
    count_call(store);
    return store->vtable->remove(store, key, err);
}

enum vs_status vs_store_remove_many(struct vs_store *store,
                                    const char *const *keys,
                                    size_t count,
                                    struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_key_validate(keys[i], err));
    }
    if (store->vtable->remove_many != NULL) {
        return store->vtable->remove_many(store, keys, count, err); // counts its own requests
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_store_remove(store, keys[i], err));
    }
    return VS_OK;
}

enum vs_status vs_store_get_tagged(struct vs_store *store,
                                   const char *key,
                                   struct vs_buf *buf,
                                   char etag_out[VS_ETAG_SIZE],
                                   struct vs_error *err)
{
    struct vs_file *file = NULL;
    etag_out[0] = '\0';
    if (store->vtable->get_tagged != NULL) { // in one request
        VS_TRY(vs_key_validate(key, err));
        count_call(store);
        vs_buf_reset(buf);
        return store->vtable->get_tagged(store, key, buf, etag_out, err);
    }
    VS_TRY(vs_file_open(store, key, &file, err));
    vs_buf_reset(buf);
    enum vs_status status = read_whole(file, buf, err);
    vs_file_close(file);
    return status;
}

enum vs_status vs_store_get(struct vs_store *store,
                            const char *key,
                            struct vs_buf *buf,
                            struct vs_error *err)
{
    char etag[VS_ETAG_SIZE];
    return vs_store_get_tagged(store, key, buf, etag, err);
}

enum vs_status vs_store_put_match(struct vs_store *store,
                                  const char *key,
                                  struct vs_str bytes,
                                  const char *etag,
                                  struct vs_error *err)
{
    if (store->vtable->put_match == NULL) {
        return vs_store_put(store, key, bytes, VS_PUT_ANY, err);
    }
    VS_TRY(vs_key_validate(key, err));
    count_call(store);
    VS_TRY(store->vtable->put_match(store, key, bytes, etag, err));
    count_put(store, bytes.len);
    return VS_OK;
}

enum vs_status vs_store_check_writable(struct vs_store *store,
                                       const char *prefix,
                                       struct vs_error *err)
{
    if (store->vtable->check_writable == NULL ||
        atomic_load_explicit(&store->writable, memory_order_relaxed) != 0) {
        return VS_OK;
    }
    VS_TRY(store->vtable->check_writable(store, prefix, err));
    atomic_store_explicit(&store->writable, 1, memory_order_relaxed);
    return VS_OK;
}

struct vs_store_counters vs_store_count(const struct vs_store *store)
{
    return (struct vs_store_counters){
        .requests = atomic_load_explicit(&store->requests, memory_order_relaxed),
        .bytes_read = atomic_load_explicit(&store->bytes_read, memory_order_relaxed),
        .bytes_written = atomic_load_explicit(&store->bytes_written, memory_order_relaxed),
        .usd = (double)atomic_load_explicit(&store->nano_usd, memory_order_relaxed) / 1e9,
    };
}
