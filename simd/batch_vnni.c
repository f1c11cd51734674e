// SPDX-License-Identifier: Apache-2.0
/*
 * AVX-512 VBMI and VNNI: one block of quad codes (kernels_vnni.c) for up to four queries at once.
 * Taking the nibbles apart is done once for all of them, which leaves per query and register two
 * look-ups and two additions: 8 halves on three of the four vector ports of Zen 4.
 */
#include "simd/batch_internal.h"

#include <immintrin.h>

// Hardening zeroes automatic arrays; those written before they are read are spared that.
#if defined(__has_attribute)
#    if __has_attribute(uninitialized)
#        define NO_INIT __attribute__((uninitialized))
#    endif
#endif
#ifndef NO_INIT
#    define NO_INIT
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define QUERIES 4

static ALWAYS_INLINE __m512i in_register(__m512i x)
{
#ifndef __clang__
    __asm__("" : "+v"(x)); // gcc would load or compute it anew for each use
#endif
    return x;
}

static ALWAYS_INLINE __m512i load_table(const uint8_t *lut, size_t at, size_t bytes)
{
    size_t left = at < bytes ? bytes - at : 0;
    return left >= 64 ? _mm512_loadu_si512(lut + at)
                      : _mm512_maskz_loadu_epi8(((__mmask64)1 << left) - 1, lut + at);
}

// Eight sub-quantisers of one block each, for all queries.
static ALWAYS_INLINE void add_codes(__m512i sums[QUERIES][2],
                                    const uint8_t *codes,
                                    size_t block_bytes,
                                    __m512i tables[QUERIES][2],
                                    size_t queries,
                                    size_t blocks)
{
    const __m512i nibble = _mm512_set1_epi8(15), table_of_byte = _mm512_set1_epi32(0x30201000);
    const __m512i ones = _mm512_set1_epi8(1);
    for (size_t b = 0; b < blocks; b++) {
        __m512i both = in_register(_mm512_loadu_si512(codes + b * block_bytes));
        __m512i low = in_register(
            _mm512_ternarylogic_epi32(both, nibble, table_of_byte, 0xea)); // (a & b) | c
        __m512i high = in_register(
            _mm512_ternarylogic_epi32(_mm512_srli_epi16(both, 4), nibble, table_of_byte, 0xea));
        for (size_t q = 0; q < queries; q++) {
            sums[q][b] =
                _mm512_dpbusd_epi32(sums[q][b], _mm512_permutexvar_epi8(low, tables[q][0]), ones);
            sums[q][b] =
                _mm512_dpbusd_epi32(sums[q][b], _mm512_permutexvar_epi8(high, tables[q][1]), ones);
        }
    }
}

// `blocks` blocks for `queries` queries; both are constants where it is inlined.
static ALWAYS_INLINE void sum_blocks(const struct vs_pq4_many *many,
                                     const uint8_t *codes,
                                     const uint8_t *const *luts,
                                     size_t queries,
                                     size_t blocks,
                                     __m512i sums[QUERIES][2])
{
    size_t bytes = 16 * many->m, block_bytes = 64 * ((many->m + 7) / 8), at = 0;
    NO_INIT __m512i tables[QUERIES][2];
    for (size_t q = 0; q < queries; q++) {
        for (size_t b = 0; b < blocks; b++) {
            sums[q][b] = _mm512_setzero_si512();
        }
    }
    for (; at + 128 <= bytes; at += 128, codes += 64) {
        for (size_t q = 0; q < queries; q++) {
            tables[q][0] = _mm512_loadu_si512(luts[q] + at);
            tables[q][1] = _mm512_loadu_si512(luts[q] + at + 64);
        }
        add_codes(sums, codes, block_bytes, tables, queries, blocks);
    }
    if (at < bytes) {
        for (size_t q = 0; q < queries; q++) {
            tables[q][0] = load_table(luts[q], at, bytes);
            tables[q][1] = load_table(luts[q], at + 64, bytes);
        }
        add_codes(sums, codes, block_bytes, tables, queries, blocks);
    }
}

static ALWAYS_INLINE void store_sums(__m512i sums, size_t left, uint16_t *out)
{
    __mmask16 real = (__mmask16)(left < 16 ? (1u << left) - 1 : UINT16_MAX);
    _mm256_storeu_si256((__m256i *)(void *)out, _mm512_maskz_cvtepi32_epi16(real, sums));
}

static ALWAYS_INLINE void all_blocks(const struct vs_pq4_many *many,
                                     uint16_t *const *out,
                                     size_t first,
                                     size_t queries,
                                     size_t blocks)
{
    const uint8_t *codes = many->codes;
    size_t block_bytes = 64 * ((many->m + 7) / 8), at = 0;
    NO_INIT __m512i sums[QUERIES][2];
    for (; at + 16 * (blocks - 1) < many->count; at += 16 * blocks, codes += blocks * block_bytes) {
        sum_blocks(many, codes, many->luts + first, queries, blocks, sums);
        for (size_t q = 0; q < queries; q++) {
            for (size_t b = 0; b < blocks; b++) {
                store_sums(sums[q][b], many->count - at - 16 * b, out[first + q] + at + 16 * b);
            }
        }
    }
    if (blocks > 1 && at < many->count) {
        sum_blocks(many, codes, many->luts + first, queries, 1, sums);
        for (size_t q = 0; q < queries; q++) {
            store_sums(sums[q][0], many->count - at, out[first + q] + at);
        }
    }
}

void vs_pq4_sums_many_vnni(const struct vs_pq4_many *many, uint16_t *const *sums)
{
    size_t q = 0;
    for (; q + 4 <= many->query_count; q += 4) {
        all_blocks(many, sums, q, 4, 1);
    }
    switch (many->query_count - q) {
    case 3:
        all_blocks(many, sums, q, 3, 1);
        break;
    case 2:
        all_blocks(many, sums, q, 2, 1);
        break;
    case 1:
        all_blocks(many, sums, q, 1, 2);
        break;
    default:
        break;
    }
}

uint16_t vs_sums_bound_vnni(const uint16_t *sums, size_t count, size_t keep, uint16_t *spare)
{
    return bound_of_sums(sums, count, keep, spare);
}

// Without branches: whether a block holds one cannot be foreseen.
size_t vs_sums_keep_vnni(const uint16_t *sums,
                         size_t count,
                         uint16_t least,
                         uint32_t first,
                         uint32_t *sum_out,
                         uint32_t *index_out)
{
    const __m512i least_u32x16 = _mm512_set1_epi32(least);
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    size_t found = 0;
    for (size_t at = 0; at < count; at += 16) {
        size_t left = count - at;
        __mmask16 real = (__mmask16)(left < 16 ? (1u << left) - 1 : UINT16_MAX);
        __m512i block =
            _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(sums + at)));
        __mmask16 hits = _mm512_mask_cmpge_epu32_mask(real, block, least_u32x16);
        __m512i index = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)(first + (uint32_t)at)));
        _mm512_storeu_si512(sum_out + found, _mm512_maskz_compress_epi32(hits, block));
        _mm512_storeu_si512(index_out + found, _mm512_maskz_compress_epi32(hits, index));
        found += (size_t)__builtin_popcount(hits);
    }
    return found;
}
