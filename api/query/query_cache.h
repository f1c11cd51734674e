// SPDX-License-Identifier: Apache-2.0
/*
 * What queries leave behind for the next ones: values under keys of bytes, bounded in bytes, least
 * recently used first out.
 *
 * A key is made once: threads that ask for a key being made wait for it (and for their own
 * deadline). A failure is not kept: the next caller makes it again. Values are immutable and
 * shared; a value that is in use is never freed, so the bound may be exceeded by what running
 * queries hold. Values may hold references to other entries of the same cache. Threads: any number.
 */
#ifndef VS_QUERY_QUERY_CACHE_H
#define VS_QUERY_QUERY_CACHE_H

#include "vecstore/base/cancel.h"
#include "vecstore/base/str.h"

struct vs_query_cache;
struct vs_cache_entry;

struct vs_cache_ref { // zeroed: none
    struct vs_query_cache *cache;
    struct vs_cache_entry *entry;
    void *value;
};

struct vs_cache_maker {
    enum vs_status (*make)(void *ctx, void **value_out, size_t *bytes_out, struct vs_error *err);
    void (*free)(const struct vs_env *env, void *value);
    void *ctx;
    const struct vs_op *op;
};

enum vs_status vs_query_cache_open(const struct vs_env *env,
                                   uint64_t limit_bytes,
                                   struct vs_query_cache **cache_out,
                                   struct vs_error *err);
void vs_query_cache_close(struct vs_query_cache *cache); // accepts NULL; no reference may be out
uint64_t vs_query_cache_limit(const struct vs_query_cache *cache);
uint64_t vs_query_cache_bytes(struct vs_query_cache *cache);

// key is copied.
enum vs_status vs_query_cache_get(struct vs_query_cache *cache,
                                  struct vs_str key,
                                  const struct vs_cache_maker *maker,
                                  struct vs_cache_ref *ref_out,
                                  struct vs_error *err);
void vs_cache_release(struct vs_cache_ref *ref); // leaves it zeroed; accepts a zeroed one
// The next get makes this entry again; present holders keep it.
void vs_cache_forget(const struct vs_cache_ref *ref);

#endif
