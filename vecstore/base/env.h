// SPDX-License-Identifier: Apache-2.0
/*
 * The environment handed to every constructor: allocator, log sink, clock, randomness.
 *
 * Role: the only way to memory, time and random bits, so that tests can inject failures and
 * determinism. Ownership: borrowed; must outlive every object made with it. Threads: immutable
 * after vs_env_default(); its functions may be called from any thread. See
 * docs/adr/0002-env-and-arena.md.
 */
#ifndef VS_BASE_ENV_H
#define VS_BASE_ENV_H

#include "vecstore/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum vs_log_level { VS_LOG_ERROR = 0, VS_LOG_WARN = 1, VS_LOG_INFO = 2, VS_LOG_DEBUG = 3 };

struct vs_env {
    // realloc semantics; size 0 frees and returns NULL. Returns NULL when out of memory (ptr stays
    // valid).
    void *(*resize)(void *ctx, void *ptr, size_t size);
    // One event: subject is the folder ("object", "index"), event a short name, text "key=value …".
    // NULL: no log.
    void (*log)(void *ctx,
                enum vs_log_level level,
                const char *subject,
                const char *event,
                const char *text);
    int64_t (*wall_ms)(void *ctx);                        // milliseconds since 1970-01-01 UTC
    int64_t (*monotonic_ns)(void *ctx);                   // never goes back
    void (*random_bytes)(void *ctx, void *dst, size_t n); // good enough for UUIDs and snapshot ids
    void *ctx;
    enum vs_log_level log_level;
};

// The process's environment: malloc, no log, system clocks, getrandom.
const struct vs_env *vs_env_default(void);

void *vs_alloc(const struct vs_env *env,
               size_t size); // NULL when out of memory; size 0 gives a unique pointer
void *vs_alloc_zeroed(const struct vs_env *env, size_t count, size_t size); // overflow-checked
void *vs_realloc(const struct vs_env *env, void *ptr, size_t size);         // size > 0
void vs_free(const struct vs_env *env, void *ptr);                          // accepts NULL

// 64-byte aligned memory for vectors; huge-page advice for blocks of 4 MiB and more. Free with
// vs_free_aligned.
void *vs_alloc_aligned(const struct vs_env *env, size_t size);
void vs_free_aligned(const struct vs_env *env, void *ptr);

int64_t vs_wall_ms(const struct vs_env *env);
int64_t vs_monotonic_ns(const struct vs_env *env);
uint64_t vs_random_u64(const struct vs_env *env);
void vs_log(const struct vs_env *env,
            enum vs_log_level level,
            const char *subject,
            const char *event,
            const char *format,
            ...) VS_PRINTF(5, 6);

#endif
