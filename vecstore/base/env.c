// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/env.h"

#include "vecstore/base/checked.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define CACHE_LINE 64u
#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_BLOCK_MIN ((size_t)4 << 20)

static void *default_resize(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, size);
}

static int64_t default_wall_ms(void *ctx)
{
    (void)ctx;
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t default_monotonic_ns(void *ctx)
{
    (void)ctx;
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// Only for kernels without getrandom: clocks, process and address, mixed.
static void fill_from_clock(uint8_t *dst, size_t n)
{
    uint64_t state = (uint64_t)default_wall_ms(NULL) * 0x9E3779B97F4A7C15u;
    state ^= (uint64_t)default_monotonic_ns(NULL) ^ ((uint64_t)getpid() << 32);
    state ^= (uint64_t)(uintptr_t)dst;
    for (size_t i = 0; i < n; i++) {
        state += 0x9E3779B97F4A7C15u;
        uint64_t z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        dst[i] = (uint8_t)(z >> 56);
    }
}

static void default_random_bytes(void *ctx, void *dst, size_t n)
{
    (void)ctx;
    uint8_t *bytes = (uint8_t *)dst;
    while (n > 0) {
        ssize_t got = getrandom(bytes, n, 0);
        if (got > 0) {
            bytes += got;
            n -= (size_t)got;
        } else if (got < 0 && errno != EINTR) {
            fill_from_clock(bytes, n);
            return;
        }
    }
}

static const struct vs_env default_env = {
    .resize = default_resize,
    .log = NULL,
    .wall_ms = default_wall_ms,
    .monotonic_ns = default_monotonic_ns,
    .random_bytes = default_random_bytes,
    .ctx = NULL,
    .log_level = VS_LOG_INFO,
};

const struct vs_env *vs_env_default(void)
{
    return &default_env;
}

void *vs_alloc(const struct vs_env *env, size_t size)
{
    return env->resize(env->ctx, NULL, size > 0 ? size : 1);
}

void *vs_alloc_zeroed(const struct vs_env *env, size_t count, size_t size)
{
    size_t total = 0;
    if (!vs_mul_size(count, size, &total)) {
        return NULL;
    }
    void *ptr = vs_alloc(env, total);
    if (ptr != NULL) {
        memset(ptr, 0, total > 0 ? total : 1);
    }
    return ptr;
}

void *vs_realloc(const struct vs_env *env, void *ptr, size_t size)
{
    return env->resize(env->ctx, ptr, size > 0 ? size : 1);
}

void vs_free(const struct vs_env *env, void *ptr)
{
    if (ptr != NULL) {
        (void)env->resize(env->ctx, ptr, 0);
    }
}

// The block from resize() is larger than asked; its own address stands just before the aligned one.
void *vs_alloc_aligned(const struct vs_env *env, size_t size)
{
    bool huge = size >= HUGE_BLOCK_MIN;
    size_t alignment = huge ? HUGE_PAGE : CACHE_LINE;
    size_t total = 0;
    if (!vs_add_size(size, alignment + sizeof(void *), &total)) {
        return NULL;
    }
    uint8_t *block = (uint8_t *)env->resize(env->ctx, NULL, total);
    if (block == NULL) {
        return NULL;
    }
    uintptr_t first = (uintptr_t)block + sizeof(void *);
    size_t skip = (size_t)((alignment - first % alignment) % alignment);
    uint8_t *aligned = block + sizeof(void *) + skip;
    memcpy(aligned - sizeof(void *), &block, sizeof block);
    if (huge) {
        (void)madvise(aligned, size & ~(HUGE_PAGE - 1), MADV_HUGEPAGE); // advice only
    }
    return aligned;
}

void vs_free_aligned(const struct vs_env *env, void *ptr)
{
    if (ptr != NULL) {
        void *block = NULL;
        memcpy(&block, (uint8_t *)ptr - sizeof(void *), sizeof block);
        vs_free(env, block);
    }
}

int64_t vs_wall_ms(const struct vs_env *env)
{
    return env->wall_ms(env->ctx);
}

int64_t vs_monotonic_ns(const struct vs_env *env)
{
    return env->monotonic_ns(env->ctx);
}

uint64_t vs_random_u64(const struct vs_env *env)
{
    uint64_t value = 0;
    env->random_bytes(env->ctx, &value, sizeof value);
    return value;
}

void vs_log(const struct vs_env *env,
            enum vs_log_level level,
            const char *subject,
            const char *event,
            const char *format,
            ...)
{
    if (env == NULL || env->log == NULL || level > env->log_level) {
        return;
    }
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    env->log(env->ctx, level, subject, event, len < 0 ? "" : text);
}
