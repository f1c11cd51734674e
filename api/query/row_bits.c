// SPDX-License-Identifier: Apache-2.0
#include "api/query/row_bits.h"

void vs_bits_set_range(uint64_t *bits, uint64_t first, uint64_t count)
{
    uint64_t at = first, end = first + count;
    while (at < end) {
        uint64_t in_word = 64 - at % 64;
        uint64_t n = end - at < in_word ? end - at : in_word;
        uint64_t ones = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
        bits[at / 64] |= ones << (at % 64);
        at += n;
    }
}

uint64_t vs_bits_count(const uint64_t *bits, uint64_t count)
{
    uint64_t sum = 0;
    for (size_t w = 0; w < vs_bits_words(count); w++) {
        sum += (uint64_t)__builtin_popcountll(bits[w]);
    }
    return sum;
}

void vs_bits_and(uint64_t *bits, const uint64_t *other, uint64_t count)
{
    for (size_t w = 0; w < vs_bits_words(count); w++) {
        bits[w] &= other[w];
    }
}

void vs_bits_put(uint64_t *dst, uint64_t first, const uint64_t *src, uint64_t count)
{
    unsigned shift = first % 64;
    uint64_t *at = dst + first / 64;
    for (size_t w = 0; w < vs_bits_words(count); w++) {
        at[w] |= src[w] << shift;
        if (shift != 0 && src[w] >> (64 - shift) != 0) {
            at[w + 1] |= src[w] >> (64 - shift);
        }
    }
}

void vs_bits_copy(
    uint64_t *dst, uint64_t first, const uint64_t *src, uint64_t src_first, uint64_t count)
{
    while (count > 0) {
        uint64_t in_dst = 64 - first % 64, in_src = 64 - src_first % 64;
        uint64_t n = in_dst < in_src ? in_dst : in_src;
        n = n < count ? n : count;
        uint64_t ones = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
        dst[first / 64] |= (src[src_first / 64] >> (src_first % 64) & ones) << (first % 64);
        first += n;
        src_first += n;
        count -= n;
    }
}

void vs_bits_take(uint64_t *dst, const uint64_t *src, uint64_t first, uint64_t count)
{
    unsigned shift = first % 64;
    const uint64_t *at = src + first / 64;
    size_t words = vs_bits_words(count);
    for (size_t w = 0; w < words; w++) {
        uint64_t left = count - (uint64_t)w * 64;
        uint64_t word = at[w] >> shift;
        if (shift != 0 && left > 64 - shift) {
            word |= at[w + 1] << (64 - shift);
        }
        dst[w] = left < 64 ? word & ((UINT64_C(1) << left) - 1) : word;
    }
}
