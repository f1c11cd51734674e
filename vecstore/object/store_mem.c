// SPDX-License-Identifier: Apache-2.0
/*
 * Objects in memory, in an array sorted by key. An object is immutable and counted: open files keep
 * theirs alive when the key is replaced or removed. One lock guards the array and the counts.
 */
#include "vecstore/base/checked.h"
#include "vecstore/object/store_internal.h"

#include <pthread.h>
#include <string.h>

struct mem_object {
    size_t references; // guarded by the store's lock
    char *key;
    uint8_t *bytes;
    size_t size;
    int64_t modified_ms;
};

struct mem_store {
    struct vs_store base;
    pthread_mutex_t lock;
    struct mem_object **objects; // guarded by lock; ascending keys
    size_t count;                // guarded by lock
    size_t capacity;             // guarded by lock
};

struct mem_file {
    struct vs_file base;
    struct mem_store *store;
    struct mem_object *object;
};

struct mem_writer {
    struct vs_writer base;
    struct mem_store *store;
    char *key; // owned
    struct vs_buf bytes;
    bool finished;
};

// ---- objects and the array ----

static void object_free(const struct vs_env *env, struct mem_object *object)
{
    vs_free(env, object->bytes);
    vs_free(env, object->key);
    vs_free(env, object);
}

// Lock held.
static void object_release(const struct vs_env *env, struct mem_object *object)
{
    if (--object->references == 0) {
        object_free(env, object);
    }
}

// Takes bytes on success.
static struct mem_object *object_new(const struct vs_env *env,
                                     const char *key,
                                     uint8_t *bytes,
                                     size_t size)
{
    struct mem_object *object = (struct mem_object *)vs_alloc_zeroed(env, 1, sizeof *object);
    char *key_copy = vs_text_clone(env, vs_str_from_c(key));
    if (object == NULL || key_copy == NULL) {
        vs_free(env, object);
        vs_free(env, key_copy);
        return NULL;
    }
    *object = (struct mem_object){1, key_copy, bytes, size, vs_wall_ms(env)};
    return object;
}

// Lock held. Index of the first object whose key is not below `key`; found_out tells whether it is
// equal.
static size_t find_slot(const struct mem_store *store, const char *key, bool *found_out)
{
    size_t low = 0;
    size_t high = store->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(store->objects[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found_out = low < store->count && strcmp(store->objects[low]->key, key) == 0;
    return low;
}

// Lock held.
static bool reserve_slot(struct mem_store *store)
{
    if (store->count < store->capacity) {
        return true;
    }
    size_t capacity = store->capacity == 0 ? 16 : store->capacity * 2;
    void *grown =
        vs_realloc(store->base.env, store->objects, capacity * sizeof(struct mem_object *));
    if (grown == NULL) {
        return false;
    }
    store->objects = (struct mem_object **)grown;
    store->capacity = capacity;
    return true;
}

// Lock held. Takes the object on success.
static enum vs_status insert(struct mem_store *store,
                             struct mem_object *object,
                             enum vs_put_mode mode,
                             struct vs_error *err)
{
    bool found = false;
    size_t slot = find_slot(store, object->key, &found);
    if (found && mode == VS_PUT_IF_ABSENT) {
        return vs_fail(err, VS_EXISTS, "%s/%s exists already", store->base.root_uri, object->key);
    }
    if (found) {
        object_release(store->base.env, store->objects[slot]);
        store->objects[slot] = object;
        return VS_OK;
    }
    if (!reserve_slot(store)) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory storing %s", object->key);
    }
    memmove(store->objects + slot + 1, store->objects + slot,
            (store->count - slot) * sizeof(struct mem_object *));
    store->objects[slot] = object;
    store->count++;
    return VS_OK;
}

// Takes bytes on success.
static enum vs_status publish(struct mem_store *store,
                              const char *key,
                              uint8_t *bytes,
                              size_t size,
                              enum vs_put_mode mode,
                              struct vs_error *err)
{
    struct mem_object *object = object_new(store->base.env, key, bytes, size);
    if (object == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory storing %s", key);
    }
    (void)pthread_mutex_lock(&store->lock);
    enum vs_status status = insert(store, object, mode, err);
    (void)pthread_mutex_unlock(&store->lock);
    if (status != VS_OK) {
        object->bytes = NULL; // still the caller's
        object_free(store->base.env, object);
    }
    return status;
}

// ---- files ----

static enum vs_status mem_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    (void)err;
    const struct mem_file *self = (const struct mem_file *)file;
    vs_store_count_request(&self->store->base);
    vs_store_count_read(&self->store->base, len);
    memcpy(dst, self->object->bytes + offset, len);
    return VS_OK;
}

static void mem_close(struct vs_file *file)
{
    struct mem_file *self = (struct mem_file *)file;
    struct mem_store *store = self->store;
    (void)pthread_mutex_lock(&store->lock);
    object_release(store->base.env, self->object);
    (void)pthread_mutex_unlock(&store->lock);
    vs_free(store->base.env, self);
}

static const struct vs_file_vtable mem_file_vtable = {.read = mem_read, .close = mem_close};

static enum vs_status mem_open(struct vs_store *base,
                               const char *key,
                               struct vs_file **file_out,
                               struct vs_error *err)
{
    struct mem_store *store = (struct mem_store *)base;
    struct mem_file *file = (struct mem_file *)vs_alloc_zeroed(base->env, 1, sizeof *file);
    if (file == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening %s/%s", base->root_uri, key);
    }
    bool found = false;
    (void)pthread_mutex_lock(&store->lock);
    size_t slot = find_slot(store, key, &found);
    if (found) {
        file->object = store->objects[slot];
        file->object->references++;
    }
    (void)pthread_mutex_unlock(&store->lock);
    if (!found) {
        vs_free(base->env, file);
        return vs_fail(err, VS_NOT_FOUND, "%s/%s does not exist", base->root_uri, key);
    }
    file->store = store;
    file->base = (struct vs_file){&mem_file_vtable, file->object->size, file->object->key};
    *file_out = &file->base;
    return VS_OK;
}

// ---- writers ----

static enum vs_status mem_write(struct vs_writer *writer,
                                const void *bytes,
                                size_t n,
                                struct vs_error *err)
{
    struct mem_writer *self = (struct mem_writer *)writer;
    if (self->finished) {
        return vs_fail(err, VS_INTERNAL, "%s is finished: nothing can be added", writer->name);
    }
    VS_TRY(vs_buf_append(&self->bytes, bytes, n, err));
    vs_store_count_written(&self->store->base, n);
    return VS_OK;
}

static enum vs_status mem_finish(struct vs_writer *writer,
                                 enum vs_put_mode mode,
                                 struct vs_error *err)
{
    struct mem_writer *self = (struct mem_writer *)writer;
    struct mem_store *store = self->store;
    vs_store_count_request(&store->base);
    if (self->finished) {
        return vs_fail(err, VS_INTERNAL, "%s is finished already", writer->name);
    }
    self->finished = true;
    size_t size = 0;
    uint8_t *bytes = vs_buf_take(&self->bytes, &size);
    enum vs_status status = publish(store, writer->name, bytes, size, mode, err);
    if (status != VS_OK) {
        vs_free(store->base.env, bytes);
    }
    return status;
}

static void mem_writer_free(struct vs_writer *writer)
{
    struct mem_writer *self = (struct mem_writer *)writer;
    const struct vs_env *env = self->store->base.env;
    vs_buf_clear(&self->bytes);
    vs_free(env, self->key);
    vs_free(env, self);
}

static const struct vs_writer_vtable mem_writer_vtable = {
    .write = mem_write, .finish = mem_finish, .free = mem_writer_free};

static enum vs_status mem_create(struct vs_store *store,
                                 const char *key,
                                 struct vs_writer **writer_out,
                                 struct vs_error *err)
{
    struct mem_writer *writer = (struct mem_writer *)vs_alloc_zeroed(store->env, 1, sizeof *writer);
    char *key_copy = vs_text_clone(store->env, vs_str_from_c(key));
    if (writer == NULL || key_copy == NULL) {
        vs_free(store->env, writer);
        vs_free(store->env, key_copy);
        return vs_fail(err, VS_NO_MEMORY, "out of memory creating %s/%s", store->root_uri, key);
    }
    writer->base = (struct vs_writer){&mem_writer_vtable, 0, key_copy};
    writer->store = (struct mem_store *)store;
    writer->key = key_copy;
    vs_buf_init(&writer->bytes, store->env, SIZE_MAX / 2);
    *writer_out = &writer->base;
    return VS_OK;
}

// ---- the store ----

static enum vs_status mem_put(struct vs_store *base,
                              const char *key,
                              struct vs_str bytes,
                              enum vs_put_mode mode,
                              struct vs_error *err)
{
    uint8_t *copy = (uint8_t *)vs_alloc(base->env, bytes.len);
    if (copy == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory storing %s/%s", base->root_uri, key);
    }
    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
    }
    enum vs_status status = publish((struct mem_store *)base, key, copy, bytes.len, mode, err);
    if (status != VS_OK) {
        vs_free(base->env, copy);
    }
    return status;
}

// Copies the first object from `from` on (or behind it) into info and key. False at the end of the
// prefix.
static bool next_object(struct mem_store *store,
                        const char *from,
                        bool behind,
                        const char *prefix,
                        char *key_out,
                        struct vs_object_info *info_out)
{
    bool found = false;
    (void)pthread_mutex_lock(&store->lock);
    size_t slot = find_slot(store, from, &found);
    slot += found && behind;
    bool more =
        slot < store->count && strncmp(store->objects[slot]->key, prefix, strlen(prefix)) == 0;
    if (more) {
        const struct mem_object *object = store->objects[slot];
        size_t len = strlen(object->key);
        memmove(key_out, object->key, len + 1);
        *info_out = (struct vs_object_info){{key_out, len}, object->size, object->modified_ms};
    }
    (void)pthread_mutex_unlock(&store->lock);
    return more;
}

// The lock is not held during a visit, so visitors may use the store.
static enum vs_status mem_list(
    struct vs_store *base, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err)
{
    struct mem_store *store = (struct mem_store *)base;
    char key[VS_KEY_SIZE_MAX + 1];
    struct vs_object_info info = {0};
    bool more = next_object(store, prefix, false, prefix, key, &info);
    while (more) {
        VS_TRY(visit(ctx, &info, err));
        more = next_object(store, key, true, prefix, key, &info);
    }
    return VS_OK;
}

static enum vs_status mem_remove(struct vs_store *base, const char *key, struct vs_error *err)
{
    (void)err;
    struct mem_store *store = (struct mem_store *)base;
    bool found = false;
    (void)pthread_mutex_lock(&store->lock);
    size_t slot = find_slot(store, key, &found);
    if (found) {
        object_release(base->env, store->objects[slot]);
        store->count--;
        memmove(store->objects + slot, store->objects + slot + 1,
                (store->count - slot) * sizeof(struct mem_object *));
    }
    (void)pthread_mutex_unlock(&store->lock);
    return VS_OK;
}

static void mem_free(struct vs_store *base)
{
    struct mem_store *store = (struct mem_store *)base;
    const struct vs_env *env = base->env;
    for (size_t i = 0; i < store->count; i++) {
        object_release(env, store->objects[i]);
    }
    vs_free(env, store->objects);
    (void)pthread_mutex_destroy(&store->lock);
    vs_free(env, (void *)(uintptr_t)base->root_uri);
    vs_free(env, store);
}

static const struct vs_store_vtable mem_store_vtable = {
    .open = mem_open,
    .put = mem_put,
    .create = mem_create,
    .list = mem_list,
    .remove = mem_remove,
    .free = mem_free,
};

enum vs_status vs_store_open_mem(const struct vs_env *env,
                                 const char *name,
                                 struct vs_store **store_out,
                                 struct vs_error *err)
{
    VS_TRY(vs_key_validate(name, err));
    struct vs_buf uri;
    size_t len = 0;
    vs_buf_init(&uri, env, SIZE_MAX / 2);
    enum vs_status status = vs_buf_printf(&uri, err, "mem://%s", name);
    struct mem_store *store = (struct mem_store *)vs_alloc_zeroed(env, 1, sizeof *store);
    if (status != VS_OK || store == NULL || vs_buf_c_str(&uri) == NULL) {
        vs_buf_clear(&uri);
        vs_free(env, store);
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening the store mem://%s", name);
    }
    store->base.vtable = &mem_store_vtable;
    store->base.env = env;
    store->base.root_uri = (const char *)vs_buf_take(&uri, &len);
    (void)pthread_mutex_init(&store->lock, NULL); // cannot fail on Linux with default attributes
    *store_out = &store->base;
    return VS_OK;
}
