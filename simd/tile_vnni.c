// SPDX-License-Identifier: Apache-2.0
/*
 * AVX-512 VNNI (VPDPBUSD): the tile as unsigned bytes, 128 added, times four signed bytes of the
 * query; so each sum holds 128 times the sum of the query too much. Blocks of two tiles by eight
 * queries keep 16 sums of 16 lanes in registers.
 */
#include "simd/tile_internal.h"

#include <immintrin.h>

#define QUERIES 8
#define ALWAYS_INLINE inline __attribute__((always_inline))

static ALWAYS_INLINE __m512i load_quad(const int8_t *query)
{
    int32_t quad;
    __builtin_memcpy(&quad, query, sizeof quad);
    return _mm512_set1_epi32(quad);
}

// 128 times the sum of a query of 4 * quads values, by the instruction itself.
static int32_t excess(const int8_t *query, size_t quads)
{
    __m512i sum = _mm512_setzero_si512(), ones = _mm512_set1_epi8(1);
    size_t bytes = 4 * quads, j = 0;
    for (; j + 64 <= bytes; j += 64) {
        sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(query + j));
    }
    if (j < bytes) {
        __mmask64 mask = ((__mmask64)1 << (bytes - j)) - 1;
        sum = _mm512_dpbusd_epi32(sum, ones, _mm512_maskz_loadu_epi8(mask, query + j));
    }
    return 128 * _mm512_reduce_add_epi32(sum);
}

// `queries` by `tiles` products; both counts are constants where it is inlined.
static ALWAYS_INLINE void block(const int8_t *const *query,
                                const int8_t *tile,
                                size_t quads,
                                const int32_t *less,
                                int32_t *const *out,
                                size_t queries,
                                size_t tiles)
{
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    __m512i sum[QUERIES][2];
    for (size_t r = 0; r < queries; r++) {
        for (size_t t = 0; t < tiles; t++) {
            sum[r][t] = _mm512_set1_epi32(-less[r]);
        }
    }
    for (size_t q = 0; q < quads; q++) {
        __m512i rows[2];
        for (size_t t = 0; t < tiles; t++) {
            rows[t] = _mm512_xor_si512(_mm512_loadu_si512(tile + (t * quads + q) * 64), flip);
        }
        for (size_t r = 0; r < queries; r++) {
            __m512i quad = load_quad(query[r] + 4 * q);
            for (size_t t = 0; t < tiles; t++) {
                sum[r][t] = _mm512_dpbusd_epi32(sum[r][t], rows[t], quad);
            }
        }
    }
    for (size_t r = 0; r < queries; r++) {
        for (size_t t = 0; t < tiles; t++) {
            _mm512_storeu_si512(out[r] + 16 * t, sum[r][t]);
        }
    }
}

struct span { // up to QUERIES queries
    const int8_t *query[QUERIES];
    int32_t less[QUERIES];
    int32_t *out[QUERIES];
    size_t count;
};

static ALWAYS_INLINE void all_tiles(struct span *span,
                                    const struct vs_i8_tiles *tiles,
                                    size_t queries,
                                    size_t first)
{
    int32_t *out[QUERIES];
    size_t t = 0;
    for (; t + 2 <= tiles->count; t += 2) {
        for (size_t r = 0; r < queries; r++) {
            out[r] = span->out[first + r] + 16 * t;
        }
        block(span->query + first, tiles->tiles + t * tiles->quads * 64, tiles->quads,
              span->less + first, out, queries, 2);
    }
    if (t < tiles->count) {
        for (size_t r = 0; r < queries; r++) {
            out[r] = span->out[first + r] + 16 * t;
        }
        block(span->query + first, tiles->tiles + t * tiles->quads * 64, tiles->quads,
              span->less + first, out, queries, 1);
    }
}

void vs_dot_i8_tile_vnni(const int8_t *queries,
                         size_t stride,
                         const uint32_t *index,
                         size_t query_count,
                         const struct vs_i8_tiles *tiles,
                         int32_t *out)
{
    for (size_t begin = 0; begin < query_count; begin += QUERIES) {
        struct span span;
        span.count = query_count - begin < QUERIES ? query_count - begin : QUERIES;
        for (size_t r = 0; r < span.count; r++) {
            span.query[r] = queries + index[begin + r] * stride;
            span.less[r] = excess(span.query[r], tiles->quads);
            span.out[r] = out + (begin + r) * 16 * tiles->count;
        }
        if (span.count == QUERIES) {
            all_tiles(&span, tiles, QUERIES, 0);
            continue;
        }
        size_t r = 0;
        if (span.count - r >= 4) {
            all_tiles(&span, tiles, 4, r);
            r += 4;
        }
        if (span.count - r >= 2) {
            all_tiles(&span, tiles, 2, r);
            r += 2;
        }
        if (span.count - r >= 1) {
            all_tiles(&span, tiles, 1, r);
        }
    }
}
