// SPDX-License-Identifier: Apache-2.0
#include "api/query/query_cache.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define BUCKETS 1024
#define WAIT_SLICE_NS 20000000 // how often a waiter looks at its deadline

struct vs_cache_entry {
    struct vs_cache_entry *chain; // of the bucket
    struct vs_cache_entry *newer, *older;
    struct vs_cache_entry *doomed;
    char *key;
    size_t key_len;
    uint64_t hash;
    void *value;
    void (*free_value)(const struct vs_env *env, void *value);
    uint64_t bytes;
    size_t refs;
    bool ready;  // else it is being made
    bool listed; // in its bucket (and in the order of use when ready)
};

struct vs_query_cache {
    const struct vs_env *env;
    uint64_t limit, bytes;
    pthread_mutex_t lock; // guards everything here and in the entries
    pthread_cond_t changed;
    struct vs_cache_entry *buckets[BUCKETS];
    struct vs_cache_entry *newest, *oldest;
};

// Eight bytes at a time; keys are compared as well, so this only has to spread them.
static uint64_t hash_of(struct vs_str key)
{
    uint64_t hash = key.len, word;
    for (size_t i = 0; i < key.len; i += sizeof word) {
        word = 0;
        memcpy(&word, key.ptr + i, key.len - i < sizeof word ? key.len - i : sizeof word);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 32;
    }
    return hash;
}

enum vs_status vs_query_cache_open(const struct vs_env *env,
                                   uint64_t limit_bytes,
                                   struct vs_query_cache **cache_out,
                                   struct vs_error *err)
{
    struct vs_query_cache *cache = vs_alloc_zeroed(env, 1, sizeof *cache);
    if (cache == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query cache: out of memory");
    }
    cache->env = env;
    cache->limit = limit_bytes;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    *cache_out = cache;
    return VS_OK;
}

uint64_t vs_query_cache_limit(const struct vs_query_cache *cache)
{
    return cache->limit;
}

uint64_t vs_query_cache_bytes(struct vs_query_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    uint64_t bytes = cache->bytes;
    pthread_mutex_unlock(&cache->lock);
    return bytes;
}

static struct vs_cache_entry *find(struct vs_query_cache *cache, struct vs_str key, uint64_t hash)
{
    struct vs_cache_entry *entry = cache->buckets[hash % BUCKETS];
    while (entry != NULL && !(entry->hash == hash && entry->key_len == key.len &&
                              memcmp(entry->key, key.ptr, key.len) == 0)) {
        entry = entry->chain;
    }
    return entry;
}

static void order_remove(struct vs_query_cache *cache, struct vs_cache_entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void order_add(struct vs_query_cache *cache, struct vs_cache_entry *entry)
{
    entry->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

// Takes the entry out of its bucket; it lives on while it has references.
static void unlist(struct vs_query_cache *cache, struct vs_cache_entry *entry)
{
    struct vs_cache_entry **link = &cache->buckets[entry->hash % BUCKETS];
    while (*link != entry) {
        link = &(*link)->chain;
    }
    *link = entry->chain;
    entry->listed = false;
    if (entry->ready) {
        order_remove(cache, entry);
        cache->bytes -= entry->bytes;
    }
}

// Without the lock: freeing a value may release references to other entries.
static void free_entry(struct vs_query_cache *cache, struct vs_cache_entry *entry)
{
    if (entry->value != NULL) {
        entry->free_value(cache->env, entry->value);
    }
    vs_free(cache->env, entry->key);
    vs_free(cache->env, entry);
}

static void free_doomed(struct vs_query_cache *cache, struct vs_cache_entry *doomed)
{
    while (doomed != NULL) {
        struct vs_cache_entry *next = doomed->doomed;
        free_entry(cache, doomed);
        doomed = next;
    }
}

// Entries to free once the lock is given back.
static struct vs_cache_entry *evict(struct vs_query_cache *cache)
{
    struct vs_cache_entry *doomed = NULL, *entry = cache->oldest;
    while (entry != NULL && cache->bytes > cache->limit) {
        struct vs_cache_entry *newer = entry->newer;
        if (entry->refs == 0) {
            unlist(cache, entry);
            entry->doomed = doomed;
            doomed = entry;
        }
        entry = newer;
    }
    return doomed;
}

static struct vs_cache_entry *new_entry(struct vs_query_cache *cache,
                                        struct vs_str key,
                                        uint64_t hash)
{
    struct vs_cache_entry *entry = vs_alloc_zeroed(cache->env, 1, sizeof *entry);
    char *copy = entry != NULL ? vs_alloc(cache->env, key.len + 1) : NULL;
    if (copy == NULL) {
        vs_free(cache->env, entry);
        return NULL;
    }
    memcpy(copy, key.ptr, key.len);
    entry->key = copy;
    entry->key_len = key.len;
    entry->hash = hash;
    entry->refs = 1;
    entry->listed = true;
    entry->chain = cache->buckets[hash % BUCKETS];
    cache->buckets[hash % BUCKETS] = entry;
    return entry;
}

// Called with the lock, which is given back.
static enum vs_status make_entry(struct vs_query_cache *cache,
                                 struct vs_str key,
                                 const struct vs_cache_maker *maker,
                                 struct vs_cache_ref *ref_out,
                                 struct vs_error *err)
{
    struct vs_cache_entry *entry = new_entry(cache, key, hash_of(key));
    pthread_mutex_unlock(&cache->lock);
    if (entry == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query cache: out of memory");
    }
    void *value = NULL;
    size_t bytes = 0;
    enum vs_status status = maker->make(maker->ctx, &value, &bytes, err);
    pthread_mutex_lock(&cache->lock);
    struct vs_cache_entry *doomed = NULL;
    if (status == VS_OK) {
        entry->value = value;
        entry->free_value = maker->free;
        entry->bytes = bytes + key.len + sizeof *entry;
        entry->ready = true;
        cache->bytes += entry->bytes;
        order_add(cache, entry);
        doomed = evict(cache);
        *ref_out = (struct vs_cache_ref){cache, entry, value};
    } else {
        unlist(cache, entry);
        doomed = entry;
    }
    pthread_cond_broadcast(&cache->changed);
    pthread_mutex_unlock(&cache->lock);
    free_doomed(cache, doomed);
    return status;
}

static void wait_a_slice(struct vs_query_cache *cache)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_SLICE_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&cache->changed, &cache->lock, &until);
}

enum vs_status vs_query_cache_get(struct vs_query_cache *cache,
                                  struct vs_str key,
                                  const struct vs_cache_maker *maker,
                                  struct vs_cache_ref *ref_out,
                                  struct vs_error *err)
{
    uint64_t hash = hash_of(key);
    pthread_mutex_lock(&cache->lock);
    for (;;) {
        struct vs_cache_entry *entry = find(cache, key, hash);
        if (entry == NULL) {
            return make_entry(cache, key, maker, ref_out, err);
        }
        if (entry->ready) {
            entry->refs++;
            if (entry != cache->newest) {
                order_remove(cache, entry);
                order_add(cache, entry);
            }
            pthread_mutex_unlock(&cache->lock);
            *ref_out = (struct vs_cache_ref){cache, entry, entry->value};
            return VS_OK;
        }
        wait_a_slice(cache);
        enum vs_status status = vs_op_check(cache->env, maker->op, err);
        if (status != VS_OK) {
            pthread_mutex_unlock(&cache->lock);
            return status;
        }
    }
}

void vs_cache_release(struct vs_cache_ref *ref)
{
    struct vs_query_cache *cache = ref->cache;
    struct vs_cache_entry *entry = ref->entry;
    *ref = (struct vs_cache_ref){NULL, NULL, NULL};
    if (entry == NULL) {
        return;
    }
    pthread_mutex_lock(&cache->lock);
    entry->refs--;
    struct vs_cache_entry *doomed = NULL;
    if (!entry->listed && entry->refs == 0) {
        doomed = entry;
    } else if (entry->refs == 0 && cache->bytes > cache->limit) {
        doomed = evict(cache);
    }
    pthread_mutex_unlock(&cache->lock);
    free_doomed(cache, doomed);
}

void vs_cache_forget(const struct vs_cache_ref *ref)
{
    if (ref->entry == NULL) {
        return;
    }
    pthread_mutex_lock(&ref->cache->lock);
    if (ref->entry->listed) {
        unlist(ref->cache, ref->entry);
    }
    pthread_mutex_unlock(&ref->cache->lock);
}

void vs_query_cache_close(struct vs_query_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    cache->limit = 0;
    for (bool freed = true; freed;) { // an entry that others refer to goes after them
        pthread_mutex_lock(&cache->lock);
        struct vs_cache_entry *doomed = evict(cache);
        pthread_mutex_unlock(&cache->lock);
        freed = doomed != NULL;
        free_doomed(cache, doomed);
    }
    pthread_cond_destroy(&cache->changed);
    pthread_mutex_destroy(&cache->lock);
    vs_free(cache->env, cache);
}
