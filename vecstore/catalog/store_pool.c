// SPDX-License-Identifier: Apache-2.0
/*
 * Stores of tables that live anywhere: one per bucket, or per folder of the local file system, and
 * scope. They live as long as the pool, since tables borrow them.
 */
#include "vecstore/base/text.h"
#include "vecstore/catalog/catalog_internal.h"

#include <pthread.h>
#include <string.h>

#define URI_MAX 4096

struct pooled_store {
    struct pooled_store *next;
    char *root; // "s3://bucket" or the folder's URI, without trailing slash
    char *scope;
    struct vs_store *store;
};

struct vs_store_pool {
    const struct vs_env *env;
    pthread_mutex_t lock;
    struct vs_arena arena; // copies of the settings
    struct vs_settings settings;
    struct pooled_store *first;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to open a store");
}

static enum vs_status copy_settings(struct vs_store_pool *pool,
                                    const struct vs_settings *settings,
                                    struct vs_error *err)
{
    if (settings == NULL || settings->count == 0) {
        return VS_OK;
    }
    struct vs_pair *pairs = vs_arena_alloc_array(&pool->arena, settings->count, sizeof *pairs);
    if (pairs == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < settings->count; i++) {
        pairs[i].key = vs_arena_copy_str(&pool->arena, settings->items[i].key);
        pairs[i].value = vs_arena_copy_str(&pool->arena, settings->items[i].value);
        if (pairs[i].key.ptr == NULL || pairs[i].value.ptr == NULL) {
            return no_memory(err);
        }
    }
    pool->settings = (struct vs_settings){pairs, settings->count};
    return VS_OK;
}

enum vs_status vs_store_pool_new(const struct vs_env *env,
                                 const struct vs_settings *settings,
                                 struct vs_store_pool **pool_out,
                                 struct vs_error *err)
{
    struct vs_store_pool *pool = vs_alloc_zeroed(env, 1, sizeof *pool);
    if (pool == NULL) {
        return no_memory(err);
    }
    pool->env = env;
    vs_arena_init(&pool->arena, env, 0);
    (void)pthread_mutex_init(&pool->lock, NULL);
    enum vs_status status = copy_settings(pool, settings, err);
    if (status != VS_OK) {
        vs_store_pool_free(pool);
        return status;
    }
    *pool_out = pool;
    return VS_OK;
}

static void pooled_free(const struct vs_env *env, struct pooled_store *entry)
{
    vs_store_free(entry->store);
    vs_free(env, entry->root);
    vs_free(env, entry->scope);
    vs_free(env, entry);
}

void vs_store_pool_free(struct vs_store_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    const struct vs_env *env = pool->env;
    while (pool->first != NULL) {
        struct pooled_store *entry = pool->first;
        pool->first = entry->next;
        pooled_free(env, entry);
    }
    (void)pthread_mutex_destroy(&pool->lock);
    vs_arena_clear(&pool->arena);
    vs_free(env, pool);
}

// ---- roots ----

static bool scheme_is(struct vs_str uri, const char *scheme)
{
    size_t len = strlen(scheme);
    return uri.len > len && uri.ptr[len] == ':' &&
           vs_str_equal_nocase((struct vs_str){uri.ptr, len}, vs_str_from_c(scheme));
}

static bool is_s3(struct vs_str uri)
{
    return scheme_is(uri, "s3") || scheme_is(uri, "s3a") || scheme_is(uri, "s3n");
}

// "s3://bucket" of an object's URI; other URIs are folders and stay whole.
static enum vs_status root_of(struct vs_str uri, struct vs_buf *root, struct vs_error *err)
{
    struct vs_str scheme, rest, bucket, key;
    if (!is_s3(uri)) {
        while (uri.len > 1 && uri.ptr[uri.len - 1] == '/') {
            uri.len--;
        }
        return vs_buf_append_str(root, uri, err);
    }
    (void)vs_str_split(uri, ':', &scheme, &rest);
    if (!vs_str_starts_with(rest, VS_STR("//")) || rest.len < 3) {
        return vs_fail(err, VS_INVALID, "%.*s names no bucket; expected s3://bucket/…",
                       VS_STR_SHORT(uri));
    }
    bucket = (struct vs_str){rest.ptr + 2, rest.len - 2};
    (void)vs_str_split(bucket, '/', &bucket, &key);
    VS_TRY(vs_buf_append_c(root, "s3://", err));
    return vs_buf_append_str(root, bucket, err);
}

// ---- finding and opening ----

static struct vs_store *find(const struct vs_store_pool *pool,
                             struct vs_str root,
                             const char *scope)
{
    for (struct pooled_store *entry = pool->first; entry != NULL; entry = entry->next) {
        if (vs_str_equal_c(root, entry->root) && strcmp(entry->scope, scope) == 0) {
            return entry->store;
        }
    }
    return NULL;
}

// A folder may not be there yet: then the nearest one above it that is. NUL-terminated text.
static enum vs_status open_nearest(const struct vs_env *env,
                                   char *root,
                                   const struct vs_settings *settings,
                                   struct vs_store **store_out,
                                   struct vs_error *err)
{
    bool is_folder = !is_s3(vs_str_from_c(root));
    enum vs_status status = vs_store_open_with(env, root, settings, false, store_out, err);
    while (is_folder && status == VS_NOT_FOUND) {
        char *slash = strrchr(root, '/');
        if (slash == NULL || slash == root || slash[-1] == '/' || slash[-1] == ':') {
            return status;
        }
        *slash = '\0';
        status = vs_store_open_with(env, root, settings, false, store_out, err);
    }
    return status;
}

// The base settings, then those of this table, which win.
static enum vs_status open_merged(struct vs_store_pool *pool,
                                  char *root,
                                  const struct vs_settings *more,
                                  struct vs_store **store_out,
                                  struct vs_error *err)
{
    if (more == NULL || more->count == 0) {
        return open_nearest(pool->env, root, &pool->settings, store_out, err);
    }
    size_t count = pool->settings.count + more->count;
    struct vs_pair *pairs = vs_alloc_zeroed(pool->env, count, sizeof *pairs);
    if (pairs == NULL) {
        return no_memory(err);
    }
    if (pool->settings.count > 0) {
        memcpy(pairs, pool->settings.items, pool->settings.count * sizeof *pairs);
    }
    memcpy(pairs + pool->settings.count, more->items, more->count * sizeof *pairs);
    struct vs_settings all = {pairs, count};
    enum vs_status status = open_nearest(pool->env, root, &all, store_out, err);
    vs_free(pool->env, pairs);
    return status;
}

static enum vs_status add(struct vs_store_pool *pool,
                          const char *root,
                          const char *scope,
                          const struct vs_settings *settings,
                          struct vs_store **store_out,
                          struct vs_error *err)
{
    struct pooled_store *entry = vs_alloc_zeroed(pool->env, 1, sizeof *entry);
    char *nearest = vs_text_clone(pool->env, vs_str_from_c(root));
    enum vs_status status = entry != NULL && nearest != NULL ? VS_OK : no_memory(err);
    if (status == VS_OK) {
        entry->root = vs_text_clone(pool->env, vs_str_from_c(root));
        entry->scope = vs_text_clone(pool->env, vs_str_from_c(scope));
        status = entry->root != NULL && entry->scope != NULL
                     ? open_merged(pool, nearest, settings, &entry->store, err)
                     : no_memory(err);
    }
    vs_free(pool->env, nearest);
    if (status != VS_OK) {
        if (entry != NULL) {
            pooled_free(pool->env, entry);
        }
        return status;
    }
    entry->next = pool->first;
    pool->first = entry;
    *store_out = entry->store;
    return VS_OK;
}

enum vs_status vs_store_pool_get(struct vs_store_pool *pool,
                                 struct vs_str uri,
                                 const char *scope,
                                 const struct vs_settings *settings,
                                 struct vs_store **store_out,
                                 struct vs_error *err)
{
    struct vs_buf root;
    vs_buf_init(&root, pool->env, URI_MAX);
    enum vs_status status = root_of(uri, &root, err);
    const char *text = status == VS_OK ? vs_buf_c_str(&root) : NULL;
    if (status == VS_OK && text == NULL) {
        status = no_memory(err);
    }
    if (status == VS_OK) {
        (void)pthread_mutex_lock(&pool->lock);
        struct vs_store *store = find(pool, vs_buf_view(&root), scope);
        if (store == NULL) {
            status = add(pool, text, scope, settings, &store, err);
        }
        (void)pthread_mutex_unlock(&pool->lock);
        if (status == VS_OK) {
            *store_out = store;
        }
    }
    vs_buf_clear(&root);
    return status;
}
