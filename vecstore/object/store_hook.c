// SPDX-License-Identifier: Apache-2.0
// A store around another one that asks a hook before every operation; for fault and crash tests.
#include "vecstore/object/store_internal.h"

struct hook_store {
    struct vs_store base;
    struct vs_store *inner;
    vs_store_hook_fn hook;
    void *ctx;
};

struct hook_file {
    struct vs_file base;
    struct vs_store *store;
    struct vs_file *inner;
};

struct hook_writer {
    struct vs_writer base;
    struct vs_store *store;
    struct vs_writer *inner;
};

static enum vs_status ask(const struct vs_store *base,
                          const char *op,
                          const char *key,
                          struct vs_error *err)
{
    const struct hook_store *store = (const struct hook_store *)base;
    return store->hook(store->ctx, op, key, err);
}

static struct vs_store *inner_of(struct vs_store *base)
{
    return ((struct hook_store *)base)->inner;
}

// ---- files ----

static enum vs_status hook_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    struct hook_file *self = (struct hook_file *)file;
    vs_store_count_request(self->store);
    VS_TRY(ask(self->store, "read", file->name, err));
    VS_TRY(vs_file_read(self->inner, offset, len, dst, err));
    vs_store_count_read(self->store, len);
    return VS_OK;
}

static void hook_close(struct vs_file *file)
{
    struct hook_file *self = (struct hook_file *)file;
    vs_file_close(self->inner);
    vs_free(self->store->env, self);
}

static const struct vs_file_vtable hook_file_vtable = {.read = hook_read, .close = hook_close};

static enum vs_status hook_open(struct vs_store *base,
                                const char *key,
                                struct vs_file **file_out,
                                struct vs_error *err)
{
    VS_TRY(ask(base, "open", key, err));
    struct hook_file *file = (struct hook_file *)vs_alloc_zeroed(base->env, 1, sizeof *file);
    if (file == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening %s", key);
    }
    enum vs_status status = vs_file_open(inner_of(base), key, &file->inner, err);
    if (status != VS_OK) {
        vs_free(base->env, file);
        return status;
    }
    file->store = base;
    file->base = (struct vs_file){&hook_file_vtable, file->inner->size, file->inner->name};
    *file_out = &file->base;
    return VS_OK;
}

// ---- writers ----

static enum vs_status hook_write(struct vs_writer *writer,
                                 const void *bytes,
                                 size_t n,
                                 struct vs_error *err)
{
    struct hook_writer *self = (struct hook_writer *)writer;
    VS_TRY(ask(self->store, "write", writer->name, err));
    VS_TRY(vs_writer_write(self->inner, bytes, n, err));
    vs_store_count_written(self->store, n);
    return VS_OK;
}

static enum vs_status hook_finish(struct vs_writer *writer,
                                  enum vs_put_mode mode,
                                  struct vs_error *err)
{
    struct hook_writer *self = (struct hook_writer *)writer;
    vs_store_count_request(self->store);
    VS_TRY(ask(self->store, "finish", writer->name, err));
    return vs_writer_finish(self->inner, mode, err);
}

static void hook_writer_free(struct vs_writer *writer)
{
    struct hook_writer *self = (struct hook_writer *)writer;
    vs_writer_free(self->inner);
    vs_free(self->store->env, self);
}

static const struct vs_writer_vtable hook_writer_vtable = {
    .write = hook_write, .finish = hook_finish, .free = hook_writer_free};

static enum vs_status hook_create(struct vs_store *base,
                                  const char *key,
                                  struct vs_writer **writer_out,
                                  struct vs_error *err)
{
    VS_TRY(ask(base, "create", key, err));
    struct hook_writer *writer =
        (struct hook_writer *)vs_alloc_zeroed(base->env, 1, sizeof *writer);
    if (writer == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory creating %s", key);
    }
    enum vs_status status = vs_writer_open(inner_of(base), key, &writer->inner, err);
    if (status != VS_OK) {
        vs_free(base->env, writer);
        return status;
    }
    writer->store = base;
    writer->base = (struct vs_writer){&hook_writer_vtable, 0, writer->inner->name};
    *writer_out = &writer->base;
    return VS_OK;
}

// ---- the store ----

static enum vs_status hook_put(struct vs_store *base,
                               const char *key,
                               struct vs_str bytes,
                               enum vs_put_mode mode,
                               struct vs_error *err)
{
    VS_TRY(ask(base, "put", key, err));
    return vs_store_put(inner_of(base), key, bytes, mode, err);
}

static enum vs_status hook_list(
    struct vs_store *base, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err)
{
    VS_TRY(ask(base, "list", prefix, err));
    return vs_store_list(inner_of(base), prefix, visit, ctx, err);
}

static enum vs_status hook_list_folders(
    struct vs_store *base, const char *prefix, vs_folder_fn visit, void *ctx, struct vs_error *err)
{
    VS_TRY(ask(base, "list", prefix, err));
    return vs_store_list_folders(inner_of(base), prefix, visit, ctx, err);
}

static enum vs_status hook_remove(struct vs_store *base, const char *key, struct vs_error *err)
{
    VS_TRY(ask(base, "remove", key, err));
    return vs_store_remove(inner_of(base), key, err);
}

// As many as the hook lets pass are removed: a failure in the midst leaves the rest.
static enum vs_status hook_remove_many(struct vs_store *base,
                                       const char *const *keys,
                                       size_t count,
                                       struct vs_error *err)
{
    size_t allowed = 0;
    enum vs_status status = VS_OK;
    vs_store_count_request(base);
    while (allowed < count && status == VS_OK) {
        status = ask(base, "remove", keys[allowed], err);
        allowed += status == VS_OK;
    }
    if (status != VS_OK) { // of the two reasons, the hook's
        vs_ignore(vs_store_remove_many(inner_of(base), keys, allowed, NULL));
        return status;
    }
    return vs_store_remove_many(inner_of(base), keys, count, err);
}

// Opened and read, for a hook; as many requests as it is for the store inside.
static enum vs_status hook_get_tagged(struct vs_store *base,
                                      const char *key,
                                      struct vs_buf *buf,
                                      char etag_out[VS_ETAG_SIZE],
                                      struct vs_error *err)
{
    VS_TRY(ask(base, "open", key, err));
    VS_TRY(ask(base, "read", key, err));
    if (inner_of(base)->vtable->get_tagged == NULL) {
        vs_store_count_request(base);
    }
    VS_TRY(vs_store_get_tagged(inner_of(base), key, buf, etag_out, err));
    vs_store_count_read(base, buf->len);
    return VS_OK;
}

static enum vs_status hook_put_match(struct vs_store *base,
                                     const char *key,
                                     struct vs_str bytes,
                                     const char *etag,
                                     struct vs_error *err)
{
    VS_TRY(ask(base, "put", key, err));
    return vs_store_put_match(inner_of(base), key, bytes, etag, err);
}

static enum vs_status hook_exists(struct vs_store *base,
                                  const char *key,
                                  bool *exists_out,
                                  struct vs_error *err)
{
    VS_TRY(ask(base, "exists", key, err));
    return vs_store_exists(inner_of(base), key, exists_out, err);
}

static enum vs_status hook_copy(struct vs_store *base,
                                const char *from,
                                const char *to,
                                struct vs_error *err)
{
    vs_store_count_request(base);
    VS_TRY(ask(base, "copy", to, err));
    return vs_store_copy(inner_of(base), from, to, err);
}

static enum vs_status hook_check_writable(struct vs_store *base,
                                          const char *prefix,
                                          struct vs_error *err)
{
    VS_TRY(ask(base, "check", prefix, err));
    return vs_store_check_writable(inner_of(base), prefix, err);
}

static void hook_free(struct vs_store *base)
{
    vs_store_free(inner_of(base));
    vs_free(base->env, base);
}

static const struct vs_store_vtable hook_store_vtable = {
    .open = hook_open,
    .put = hook_put,
    .create = hook_create,
    .list = hook_list,
    .remove = hook_remove,
    .get_tagged = hook_get_tagged,
    .put_match = hook_put_match,
    .remove_many = hook_remove_many,
    .check_writable = hook_check_writable,
    .list_folders = hook_list_folders,
    .exists = hook_exists,
    .copy = hook_copy,
    .free = hook_free,
};

enum vs_status vs_store_wrap_hook(struct vs_store *inner,
                                  vs_store_hook_fn hook,
                                  void *ctx,
                                  struct vs_store **store_out,
                                  struct vs_error *err)
{
    struct hook_store *store = (struct hook_store *)vs_alloc_zeroed(inner->env, 1, sizeof *store);
    if (store == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory wrapping the store %s", inner->root_uri);
    }
    store->base.vtable = &hook_store_vtable;
    store->base.env = inner->env;
    store->base.root_uri = inner->root_uri; // inner lives as long as we do
    store->base.root_alias = inner->root_alias;
    store->inner = inner;
    store->hook = hook;
    store->ctx = ctx;
    *store_out = &store->base;
    return VS_OK;
}
