// SPDX-License-Identifier: Apache-2.0
/*
 * A region of memory freed at once: parsed metadata and per-query state live in one.
 *
 * Ownership: the arena owns all it hands out; pointers die at vs_arena_clear. Threads: single
 * owner.
 */
#ifndef VS_BASE_ARENA_H
#define VS_BASE_ARENA_H

#include "vecstore/base/env.h"
#include "vecstore/base/str.h"

struct vs_arena_block;

struct vs_arena {
    const struct vs_env *env;
    struct vs_arena_block *head;
    size_t used_bytes;
    size_t limit_bytes;
};

// limit_bytes bounds the sum of all allocations (0: no bound).
void vs_arena_init(struct vs_arena *arena, const struct vs_env *env, size_t limit_bytes);
void vs_arena_clear(
    struct vs_arena *arena); // frees everything, leaves it usable; accepts a zeroed arena

// 16-byte aligned, zeroed; NULL when out of memory or over the limit. Size 0 gives a valid pointer.
void *vs_arena_alloc(struct vs_arena *arena, size_t size);
void *vs_arena_alloc_array(struct vs_arena *arena, size_t count, size_t size); // overflow-checked
char *vs_arena_copy_c(struct vs_arena *arena, const char *text); // NUL-terminated copy
// Copy with a terminating NUL behind it (not counted in len). ptr == NULL in the result means out
// of memory.
struct vs_str vs_arena_copy_str(struct vs_arena *arena, struct vs_str text);
struct vs_str vs_arena_printf(struct vs_arena *arena, const char *format, ...) VS_PRINTF(2, 3);

#endif
