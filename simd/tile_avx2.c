// SPDX-License-Identifier: Apache-2.0
/*
 * AVX2 (VPSIGNB, VPMADDUBSW, VPMADDWD): |tile| times the query with the tile's sign; a pair of
 * products stays below 2^15 because values are -127..127. Four queries share the loads of a tile.
 */
#include "simd/tile_internal.h"

#include <immintrin.h>

static inline __m256i add_quad(__m256i sum, __m256i query, __m256i tile, __m256i magnitude)
{
    __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(query, tile));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline __m256i load_quad(const int8_t *query)
{
    int32_t quad;
    __builtin_memcpy(&quad, query, sizeof quad);
    return _mm256_set1_epi32(quad);
}

static inline __m256i load_i8x32(const int8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void store_i32x8(int32_t *p, __m256i value)
{
    _mm256_storeu_si256((__m256i *)(void *)p, value);
}

static inline void four_queries(const int8_t *const query[4],
                                const int8_t *tile,
                                size_t quads,
                                int32_t *const out[4])
{
    __m256i lo0 = _mm256_setzero_si256(), lo1 = lo0, lo2 = lo0, lo3 = lo0;
    __m256i hi0 = lo0, hi1 = lo0, hi2 = lo0, hi3 = lo0;
    for (size_t q = 0; q < quads; q++) {
        __m256i lo = load_i8x32(tile + q * 64), hi = load_i8x32(tile + q * 64 + 32);
        __m256i lo_abs = _mm256_abs_epi8(lo), hi_abs = _mm256_abs_epi8(hi);
        __m256i quad = load_quad(query[0] + 4 * q);
        lo0 = add_quad(lo0, quad, lo, lo_abs);
        hi0 = add_quad(hi0, quad, hi, hi_abs);
        quad = load_quad(query[1] + 4 * q);
        lo1 = add_quad(lo1, quad, lo, lo_abs);
        hi1 = add_quad(hi1, quad, hi, hi_abs);
        quad = load_quad(query[2] + 4 * q);
        lo2 = add_quad(lo2, quad, lo, lo_abs);
        hi2 = add_quad(hi2, quad, hi, hi_abs);
        quad = load_quad(query[3] + 4 * q);
        lo3 = add_quad(lo3, quad, lo, lo_abs);
        hi3 = add_quad(hi3, quad, hi, hi_abs);
    }
    store_i32x8(out[0], lo0);
    store_i32x8(out[0] + 8, hi0);
    store_i32x8(out[1], lo1);
    store_i32x8(out[1] + 8, hi1);
    store_i32x8(out[2], lo2);
    store_i32x8(out[2] + 8, hi2);
    store_i32x8(out[3], lo3);
    store_i32x8(out[3] + 8, hi3);
}

static inline void one_query(const int8_t *query, const int8_t *tile, size_t quads, int32_t *out)
{
    __m256i sum_lo = _mm256_setzero_si256(), sum_hi = sum_lo;
    for (size_t q = 0; q < quads; q++) {
        __m256i lo = load_i8x32(tile + q * 64), hi = load_i8x32(tile + q * 64 + 32);
        __m256i quad = load_quad(query + 4 * q);
        sum_lo = add_quad(sum_lo, quad, lo, _mm256_abs_epi8(lo));
        sum_hi = add_quad(sum_hi, quad, hi, _mm256_abs_epi8(hi));
    }
    store_i32x8(out, sum_lo);
    store_i32x8(out + 8, sum_hi);
}

void vs_dot_i8_tile_avx2(const int8_t *queries,
                         size_t stride,
                         const uint32_t *index,
                         size_t query_count,
                         const struct vs_i8_tiles *tiles,
                         int32_t *out)
{
    size_t out_stride = 16 * tiles->count;
    for (size_t t = 0; t < tiles->count; t++) {
        const int8_t *tile = tiles->tiles + t * tiles->quads * 64;
        size_t r = 0;
        for (; r + 4 <= query_count; r += 4) {
            const int8_t *const query[4] = {
                queries + index[r] * stride, queries + index[r + 1] * stride,
                queries + index[r + 2] * stride, queries + index[r + 3] * stride};
            int32_t *first = out + r * out_stride + 16 * t;
            int32_t *const rows[4] = {first, first + out_stride, first + 2 * out_stride,
                                      first + 3 * out_stride};
            four_queries(query, tile, tiles->quads, rows);
        }
        for (; r < query_count; r++) {
            one_query(queries + index[r] * stride, tile, tiles->quads,
                      out + r * out_stride + 16 * t);
        }
    }
}
