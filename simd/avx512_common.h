// SPDX-License-Identifier: Apache-2.0
/*
 * What the two AVX-512 tables share: float sums, binary16, encoding and keys (F, BW and VL only).
 * Included by kernels_avx512.c and kernels_vnni.c alone, whose compiler flags it needs; everything
 * is static.
 *
 * Floats: 16 partial sums are one register, multiplied and added separately; a masked load leaves
 * +0 behind the tail, which changes no bit of a sum that began at +0. VPCOMPRESSD goes to a
 * register and is then stored whole: its form that writes memory is microcode on Zen 4.
 */
#ifndef VS_SIMD_AVX512_COMMON_H
#define VS_SIMD_AVX512_COMMON_H

#include "simd/kernels_internal.h"

#include <immintrin.h>

static inline __mmask16 first_16(size_t n)
{
    return (__mmask16)((1u << n) - 1); // n < 16
}

static inline __mmask64 first_64(size_t n)
{
    return ((__mmask64)1 << n) - 1; // n < 64
}

static inline __m512 load_row_f32(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline __m512 load_tail_f32(const float *p, __mmask16 tail)
{
    return _mm512_maskz_loadu_ps(tail, p);
}

static inline __m512 load_row_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline __m512 load_tail_f16(const uint16_t *p, __mmask16 tail)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(tail, p));
}

static inline __m512 add_dot(__m512 sum, __m512 q, __m512 r)
{
    return _mm512_add_ps(sum, _mm512_mul_ps(q, r));
}

static inline __m512 add_l2(__m512 sum, __m512 q, __m512 r)
{
    __m512 diff = _mm512_sub_ps(q, r);
    return _mm512_add_ps(sum, _mm512_mul_ps(diff, diff));
}

static inline __m256 upper_half(__m512 x)
{
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
}

// 16 partial sums to 4.
static inline __m128 halve_twice(__m512 sum)
{
    __m256 sum_f32x8 = _mm256_add_ps(_mm512_castps512_ps256(sum), upper_half(sum));
    return _mm_add_ps(_mm256_castps256_ps128(sum_f32x8), _mm256_extractf128_ps(sum_f32x8, 1));
}

static inline float fold_one(__m512 sum)
{
    __m128 sum_f32x4 = halve_twice(sum);
    __m128 sum_f32x2 = _mm_add_ps(sum_f32x4, _mm_movehl_ps(sum_f32x4, sum_f32x4));
    return _mm_cvtss_f32(_mm_add_ss(sum_f32x2, _mm_shuffle_ps(sum_f32x2, sum_f32x2, 1)));
}

// The same fold for four rows at once: after the transpose, lane r of column i is partial sum i of
// row r.
static inline void fold_four(__m512 s0, __m512 s1, __m512 s2, __m512 s3, float *out)
{
    __m128 c0 = halve_twice(s0), c1 = halve_twice(s1);
    __m128 c2 = halve_twice(s2), c3 = halve_twice(s3);
    _MM_TRANSPOSE4_PS(c0, c1, c2, c3);
    _mm_storeu_ps(out, _mm_add_ps(_mm_add_ps(c0, c2), _mm_add_ps(c1, c3)));
}

// Rows are read one after the other, as memory likes it best: the next ones begin while this one
// waits for its additions. `add` and the loads are inlined.
#define DEFINE_F32_KERNEL(name, add, row_t, load_row, load_row_tail)                               \
    static inline __m512 name##_row(const float *query, const row_t *row, size_t dim)              \
    {                                                                                              \
        __m512 sum = _mm512_setzero_ps();                                                          \
        size_t j = 0;                                                                              \
        for (; j + 16 <= dim; j += 16) {                                                           \
            sum = add(sum, _mm512_loadu_ps(query + j), load_row(row + j));                         \
        }                                                                                          \
        if (j < dim) {                                                                             \
            __mmask16 tail = first_16(dim - j);                                                    \
            sum = add(sum, load_tail_f32(query + j, tail), load_row_tail(row + j, tail));          \
        }                                                                                          \
        return sum;                                                                                \
    }                                                                                              \
    static void name(const float *query, const row_t *rows, size_t dim, size_t row_count,          \
                     float *out)                                                                   \
    {                                                                                              \
        size_t r = 0;                                                                              \
        for (; r + 4 <= row_count; r += 4) {                                                       \
            const row_t *row = rows + r * dim;                                                     \
            __m512 s0 = name##_row(query, row, dim), s1 = name##_row(query, row + dim, dim);       \
            __m512 s2 = name##_row(query, row + 2 * dim, dim);                                     \
            __m512 s3 = name##_row(query, row + 3 * dim, dim);                                     \
            fold_four(s0, s1, s2, s3, out + r);                                                    \
        }                                                                                          \
        for (; r < row_count; r++) {                                                               \
            out[r] = fold_one(name##_row(query, rows + r * dim, dim));                             \
        }                                                                                          \
    }

DEFINE_F32_KERNEL(dot_f32, add_dot, float, load_row_f32, load_tail_f32)
DEFINE_F32_KERNEL(l2_f32, add_l2, float, load_row_f32, load_tail_f32)
DEFINE_F32_KERNEL(dot_f16, add_dot, uint16_t, load_row_f16, load_tail_f16)
DEFINE_F32_KERNEL(l2_f16, add_l2, uint16_t, load_row_f16, load_tail_f16)

static inline __m512i load_i8x64(const int8_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline __m512i load_tail_i8(const int8_t *p, __mmask64 tail)
{
    return _mm512_maskz_loadu_epi8(tail, p);
}

// What each table defines: the products of one row in 16 sums, and by how much their total exceeds
// the dot product.
static inline __m512i dot_i8_row(const int8_t *query, const int8_t *row, size_t dim);
static inline int32_t dot_i8_excess(const int8_t *query, size_t dim);

// Sums of four registers, one per lane.
static inline __m128i fold_four_i32(__m512i s0, __m512i s1, __m512i s2, __m512i s3)
{
    __m512i s01 = _mm512_add_epi32(_mm512_unpacklo_epi32(s0, s1), _mm512_unpackhi_epi32(s0, s1));
    __m512i s23 = _mm512_add_epi32(_mm512_unpacklo_epi32(s2, s3), _mm512_unpackhi_epi32(s2, s3));
    __m512i all =
        _mm512_add_epi32(_mm512_unpacklo_epi64(s01, s23), _mm512_unpackhi_epi64(s01, s23));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Rows of int8, eight ahead, every line, into the second-level cache: the first level has few
// misses under way at once (Zen 4: twice as fast from memory).
#define PREFETCH_ROWS 8

static inline void prefetch_row(const int8_t *row, size_t dim)
{
    for (size_t j = 0; j < dim; j += 64) {
        _mm_prefetch((const char *)row + j, _MM_HINT_T1);
    }
    _mm_prefetch((const char *)row + dim - (dim > 0), _MM_HINT_T1);
}

static inline int32_t dot_i8_one(const int8_t *query, const int8_t *row, size_t dim)
{
    return _mm512_reduce_add_epi32(dot_i8_row(query, row, dim));
}

static inline void dot_i8_four(
    const int8_t *query, const int8_t *const rows[4], size_t dim, int32_t excess, int32_t *out)
{
    __m512i s0 = dot_i8_row(query, rows[0], dim), s1 = dot_i8_row(query, rows[1], dim);
    __m512i s2 = dot_i8_row(query, rows[2], dim), s3 = dot_i8_row(query, rows[3], dim);
    __m128i sums = _mm_sub_epi32(fold_four_i32(s0, s1, s2, s3), _mm_set1_epi32(excess));
    _mm_storeu_si128((__m128i *)(void *)out, sums);
}

static void dot_i8(const int8_t *query,
                   const int8_t *rows,
                   size_t dim,
                   size_t stride,
                   size_t row_count,
                   int32_t *out)
{
    int32_t excess = dot_i8_excess(query, dim);
    size_t r = 0;
    for (; r + 4 <= row_count; r += 4) {
        const int8_t *row = rows + r * stride;
        const int8_t *const four[4] = {row, row + stride, row + 2 * stride, row + 3 * stride};
        dot_i8_four(query, four, dim, excess, out + r);
    }
    for (; r < row_count; r++) {
        out[r] = dot_i8_one(query, rows + r * stride, dim) - excess;
    }
}

static void dot_i8_rows(const int8_t *query,
                        const int8_t *rows,
                        size_t dim,
                        size_t stride,
                        const uint32_t *row_index,
                        size_t row_count,
                        int32_t *out)
{
    for (size_t r = 0; r < row_count && r < PREFETCH_ROWS; r++) {
        prefetch_row(rows + (size_t)row_index[r] * stride, dim);
    }
    int32_t excess = dot_i8_excess(query, dim);
    size_t r = 0;
    for (; r + 4 <= row_count; r += 4) {
        const int8_t *four[4];
        for (size_t i = 0; i < 4; i++) {
            four[i] = rows + (size_t)row_index[r + i] * stride;
            if (r + i + PREFETCH_ROWS < row_count) {
                prefetch_row(rows + (size_t)row_index[r + i + PREFETCH_ROWS] * stride, dim);
            }
        }
        dot_i8_four(query, four, dim, excess, out + r);
    }
    for (; r < row_count; r++) {
        out[r] = dot_i8_one(query, rows + (size_t)row_index[r] * stride, dim) - excess;
    }
}

// Stores 16 lanes, those of the set bits first; what lies behind them is of no meaning.
static inline size_t store_hits(
    __m512i sums, __m512i ids, __mmask16 hits, uint32_t *sum_out, uint32_t *id_out)
{
    _mm512_storeu_si512(sum_out, _mm512_maskz_compress_epi32(hits, sums));
    _mm512_storeu_si512(id_out, _mm512_maskz_compress_epi32(hits, ids));
    return (size_t)__builtin_popcount(hits);
}

// Of the entries at .. at + 15.
static inline __m512i entry_ids(const struct vs_pq4_scan *scan, size_t at)
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    if (scan->ids == NULL) {
        return _mm512_add_epi32(_mm512_set1_epi32((int)(scan->first_id + (uint32_t)at)), lane);
    }
    return _mm512_add_epi32(_mm512_set1_epi32((int)scan->first_id),
                            _mm512_loadu_si512(scan->ids + at));
}

// The stores may write over what was read already, never over what was not: kept <= i.
static size_t keep_keys(uint32_t *keys, uint32_t *ids, size_t count, uint32_t least)
{
    const __m512i least_u32x16 = _mm512_set1_epi32((int)least);
    size_t kept = 0, i = 0;
    for (; i + 16 <= count; i += 16) {
        __m512i key = _mm512_loadu_si512(keys + i), id = _mm512_loadu_si512(ids + i);
        __mmask16 hits = _mm512_cmpge_epu32_mask(key, least_u32x16);
        kept += store_hits(key, id, hits, keys + kept, ids + kept);
    }
    if (i < count) {
        __mmask16 tail = first_16(count - i);
        __m512i key = _mm512_maskz_loadu_epi32(tail, keys + i);
        __m512i id = _mm512_maskz_loadu_epi32(tail, ids + i);
        __mmask16 hits = _mm512_mask_cmpge_epu32_mask(tail, key, least_u32x16);
        __mmask16 stored = first_16((size_t)__builtin_popcount(hits));
        _mm512_mask_storeu_epi32(keys + kept, stored, _mm512_maskz_compress_epi32(hits, key));
        _mm512_mask_storeu_epi32(ids + kept, stored, _mm512_maskz_compress_epi32(hits, id));
        kept += (size_t)__builtin_popcount(hits);
    }
    return kept;
}

static size_t count_keys(const uint32_t *keys, size_t count, uint32_t least)
{
    const __m512i least_u32x16 = _mm512_set1_epi32((int)least), one = _mm512_set1_epi32(1);
    __m512i found = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __mmask16 hits = _mm512_cmpge_epu32_mask(_mm512_loadu_si512(keys + i), least_u32x16);
        found = _mm512_mask_add_epi32(found, hits, found, one);
    }
    if (i < count) {
        __mmask16 tail = first_16(count - i);
        __m512i key = _mm512_maskz_loadu_epi32(tail, keys + i);
        __mmask16 hits = _mm512_mask_cmpge_epu32_mask(tail, key, least_u32x16);
        found = _mm512_mask_add_epi32(found, hits, found, one);
    }
    return (size_t)_mm512_reduce_add_epi32(found);
}

static void pq4_table(const float *y,
                      const float *lanes,
                      size_t m,
                      size_t sub_dim,
                      int distance,
                      float *values,
                      uint8_t *table_out)
{
    __m512 span = _mm512_setzero_ps();
    for (size_t s = 0; s < m; s++) {
        __m512 sum = _mm512_setzero_ps();
        for (size_t j = s * sub_dim; j < (s + 1) * sub_dim; j++) {
            __m512 value = _mm512_set1_ps(y[j]), lane = _mm512_loadu_ps(lanes + j * 16);
            if (distance != 0) {
                value = _mm512_sub_ps(_mm512_mul_ps(_mm512_set1_ps(2.0F), value), lane);
            }
            sum = _mm512_add_ps(sum, _mm512_mul_ps(lane, value));
        }
        sum = _mm512_sub_ps(sum, _mm512_set1_ps(_mm512_reduce_min_ps(sum)));
        _mm512_storeu_ps(values + 16 * s, sum);
        span = _mm512_max_ps(span, sum);
    }
    __m512 scale = _mm512_set1_ps(vs_table_scale(_mm512_reduce_max_ps(span)));
    for (size_t s = 0; s < m; s++) {
        __m512 value = _mm512_mul_ps(_mm512_loadu_ps(values + 16 * s), scale);
        __m512i rounded = _mm512_cvttps_epi32(_mm512_add_ps(value, _mm512_set1_ps(0.5F)));
        rounded = _mm512_min_epu32(rounded, _mm512_set1_epi32(255)); // NaN: all bits but the sign
        _mm_storeu_si128((__m128i *)(void *)(table_out + 16 * s), _mm512_cvtepi32_epi8(rounded));
    }
}

static void pq4_encode(const float *y, const float *lanes, size_t m, size_t sub_dim, uint8_t *codes)
{
    for (size_t s = 0; s < m; s++) {
        __m512 distance = _mm512_setzero_ps();
        for (size_t j = s * sub_dim; j < (s + 1) * sub_dim; j++) {
            distance = add_l2(distance, _mm512_set1_ps(y[j]), _mm512_loadu_ps(lanes + j * 16));
        }
        __m256 least_f32x8 = _mm256_min_ps(_mm512_castps512_ps256(distance), upper_half(distance));
        __m128 least =
            _mm_min_ps(_mm256_castps256_ps128(least_f32x8), _mm256_extractf128_ps(least_f32x8, 1));
        least = _mm_min_ps(least, _mm_shuffle_ps(least, least, 0x4e));
        least = _mm_min_ps(least, _mm_shuffle_ps(least, least, 0xb1));
        uint32_t equal = _mm512_cmp_ps_mask(distance, _mm512_broadcastss_ps(least), _CMP_EQ_OQ);
        codes[s] = (uint8_t)(__builtin_ctz(equal | 1u << 16) & 15); // without numbers: code 0
    }
}

#endif
