// SPDX-License-Identifier: Apache-2.0
/*
 * A chain of blocks; the head is the one being filled. Blocks double from 4 KiB to 1 MiB. A request
 * that is large against the block size gets a block of its own behind the head, so that the head's
 * free space is not lost.
 */
#include "vecstore/base/arena.h"

#include "vecstore/base/checked.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ALIGNMENT 16u
#define BLOCK_MIN ((size_t)4096)
#define BLOCK_MAX ((size_t)1 << 20)

struct vs_arena_block {
    struct vs_arena_block *next;
    size_t size; // bytes of payload
    size_t used;
    size_t padding; // keeps the payload 16-byte aligned
};

_Static_assert(sizeof(struct vs_arena_block) % ALIGNMENT == 0, "payload must stay aligned");

static uint8_t *block_payload(struct vs_arena_block *block)
{
    return (uint8_t *)block + sizeof *block;
}

void vs_arena_init(struct vs_arena *arena, const struct vs_env *env, size_t limit_bytes)
{
    *arena = (struct vs_arena){.env = env, .limit_bytes = limit_bytes};
}

void vs_arena_clear(struct vs_arena *arena)
{
    struct vs_arena_block *block = arena->head;
    while (block != NULL) {
        struct vs_arena_block *next = block->next;
        vs_free(arena->env, block);
        block = next;
    }
    arena->head = NULL;
    arena->used_bytes = 0;
}

static struct vs_arena_block *block_new(const struct vs_env *env, size_t size)
{
    size_t total = 0;
    if (!vs_add_size(size, sizeof(struct vs_arena_block), &total)) {
        return NULL;
    }
    struct vs_arena_block *block = (struct vs_arena_block *)vs_alloc(env, total);
    if (block != NULL) {
        *block = (struct vs_arena_block){.size = size};
    }
    return block;
}

// Returns a block with room for size bytes, linked into the arena.
static struct vs_arena_block *block_with_room(struct vs_arena *arena, size_t size)
{
    struct vs_arena_block *head = arena->head;
    if (head != NULL && head->size - head->used >= size) {
        return head;
    }
    size_t next_size = head == NULL ? BLOCK_MIN : head->size * 2;
    if (next_size > BLOCK_MAX) {
        next_size = BLOCK_MAX;
    }
    if (next_size < BLOCK_MIN) {
        next_size = BLOCK_MIN;
    }
    bool own = size > next_size / 4;
    struct vs_arena_block *block = block_new(arena->env, own ? size : next_size);
    if (block == NULL) {
        return NULL;
    }
    if (own && head != NULL) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        arena->head = block;
    }
    return block;
}

void *vs_arena_alloc(struct vs_arena *arena, size_t size)
{
    size_t padded = 0;
    if (!vs_add_size(size > 0 ? size : 1, ALIGNMENT - 1, &padded)) {
        return NULL;
    }
    padded &= ~(size_t)(ALIGNMENT - 1);
    size_t used_bytes = 0;
    if (!vs_add_size(arena->used_bytes, padded, &used_bytes)) {
        return NULL;
    }
    if (arena->limit_bytes != 0 && used_bytes > arena->limit_bytes) {
        return NULL;
    }
    struct vs_arena_block *block = block_with_room(arena, padded);
    if (block == NULL) {
        return NULL;
    }
    void *ptr = block_payload(block) + block->used;
    block->used += padded;
    arena->used_bytes = used_bytes;
    memset(ptr, 0, padded);
    return ptr;
}

void *vs_arena_alloc_array(struct vs_arena *arena, size_t count, size_t size)
{
    size_t total = 0;
    return vs_mul_size(count, size, &total) ? vs_arena_alloc(arena, total) : NULL;
}

char *vs_arena_copy_c(struct vs_arena *arena, const char *text)
{
    struct vs_str copy = vs_arena_copy_str(arena, vs_str_from_c(text));
    return (char *)(uintptr_t)copy.ptr; // the arena's own, writable memory
}

struct vs_str vs_arena_copy_str(struct vs_arena *arena, struct vs_str text)
{
    size_t total = 0;
    char *copy = vs_add_size(text.len, 1, &total) ? (char *)vs_arena_alloc(arena, total) : NULL;
    if (copy == NULL) {
        return (struct vs_str){NULL, 0};
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return (struct vs_str){copy, text.len};
}

struct vs_str vs_arena_printf(struct vs_arena *arena, const char *format, ...)
{
    struct vs_str text = {NULL, 0};
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *copy = len < 0 ? NULL : (char *)vs_arena_alloc(arena, (size_t)len + 1);
    if (copy != NULL) {
        va_start(args, format);
        (void)vsnprintf(copy, (size_t)len + 1, format, args);
        va_end(args);
        text = (struct vs_str){copy, (size_t)len};
    }
    return text;
}
