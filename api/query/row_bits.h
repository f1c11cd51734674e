// SPDX-License-Identifier: Apache-2.0
/*
 * Sets of rows as words of 64 bits. Private to api/query. Callers give words that are large enough.
 */
#ifndef VS_QUERY_ROW_BITS_H
#define VS_QUERY_ROW_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t vs_bits_words(uint64_t count)
{
    return (size_t)((count + 63) / 64);
}

static inline bool vs_bits_test(const uint64_t *bits, uint64_t at)
{
    return ((bits[at / 64] >> (at % 64)) & 1) != 0;
}

static inline void vs_bits_unset(uint64_t *bits, uint64_t at)
{
    bits[at / 64] &= ~(UINT64_C(1) << (at % 64));
}

void vs_bits_set_range(uint64_t *bits, uint64_t first, uint64_t count);
uint64_t vs_bits_count(const uint64_t *bits, uint64_t count);
void vs_bits_and(uint64_t *bits, const uint64_t *other, uint64_t count);
// ORs bits [0, count) of src into dst from `first` on. src has no bits set beyond count.
void vs_bits_put(uint64_t *dst, uint64_t first, const uint64_t *src, uint64_t count);
// ORs bits [src_first, src_first + count) of src into dst from `first` on.
void vs_bits_copy(
    uint64_t *dst, uint64_t first, const uint64_t *src, uint64_t src_first, uint64_t count);
// Copies bits [first, first + count) of src to [0, count) of dst, whose other bits in the last word
// become 0.
void vs_bits_take(uint64_t *dst, const uint64_t *src, uint64_t first, uint64_t count);

// The first set bit at or after `from`; `count` when there is none.
static inline uint64_t vs_bits_next(const uint64_t *bits, uint64_t from, uint64_t count)
{
    while (from < count) {
        uint64_t word = bits[from / 64] >> (from % 64);
        if (word != 0) {
            uint64_t at = from + (uint64_t)__builtin_ctzll(word);
            return at < count ? at : count;
        }
        from = (from / 64 + 1) * 64;
    }
    return count;
}

#endif
