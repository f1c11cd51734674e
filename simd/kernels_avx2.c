// SPDX-License-Identifier: Apache-2.0
/*
 * AVX2 (VADDPS, VMULPS, VPMASKMOV, VPSHUFB, VPSIGNB, VPMADDUBSW, VPMADDWD); no FMA, so that float
 * sums round as everywhere.
 *
 * Floats: 16 partial sums are two 8-lane registers; adding a masked-off +0 to a sum that began at
 * +0 changes no bit. int8: |query| * (row with the query's sign); a pair of products stays below
 * 2^15 because values are -127..127. pq4: one 32-byte load holds two sub-quantisers; VPSHUFB looks
 * both up. Bytes are summed as 16-bit words: `all` takes even + 256 * odd, `odd` takes odd alone;
 * all - 256 * odd gives even exactly, modulo 2^16, and sums stay below 2^16 for m <= 256.
 */
#include "simd/kernels_internal.h"
#include "simd/tile_internal.h"

#include <immintrin.h>
#include <string.h>

static const int32_t TAIL_MASK[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                      -1, -1, -1, -1, -1, 0,  0,  0,  0,  0,  0,
                                      0,  0,  0,  0,  0,  0,  0,  0,  0,  0};

struct f32x16 {
    __m256 lo, hi;
};

static inline __m256i tail_lo(size_t tail)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)(TAIL_MASK + 16 - tail));
}

static inline __m256i tail_hi(size_t tail)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)(TAIL_MASK + 24 - tail));
}

static inline struct f32x16 load_f32x16(const float *p)
{
    return (struct f32x16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

static inline struct f32x16 load_tail_f32x16(const float *p, size_t tail)
{
    return (struct f32x16){_mm256_maskload_ps(p, tail_lo(tail)),
                           _mm256_maskload_ps(p + 8, tail_hi(tail))};
}

static inline struct f32x16 load_f16x16(const uint16_t *p)
{
    return (struct f32x16){
        _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
        _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
}

static inline struct f32x16 load_tail_f16x16(const uint16_t *p, size_t tail)
{
    uint16_t padded[16] = {0};
    memcpy(padded, p, tail * sizeof *p);
    return load_f16x16(padded);
}

static inline float fold_f32x16(struct f32x16 sum)
{
    __m256 sum_f32x8 = _mm256_add_ps(sum.lo, sum.hi);
    __m128 sum_f32x4 =
        _mm_add_ps(_mm256_castps256_ps128(sum_f32x8), _mm256_extractf128_ps(sum_f32x8, 1));
    __m128 sum_f32x2 = _mm_add_ps(sum_f32x4, _mm_movehl_ps(sum_f32x4, sum_f32x4));
    return _mm_cvtss_f32(_mm_add_ss(sum_f32x2, _mm_shuffle_ps(sum_f32x2, sum_f32x2, 1)));
}

static inline __m128 halve_f32x16(struct f32x16 sum)
{
    __m256 sum_f32x8 = _mm256_add_ps(sum.lo, sum.hi);
    return _mm_add_ps(_mm256_castps256_ps128(sum_f32x8), _mm256_extractf128_ps(sum_f32x8, 1));
}

// The same fold for four rows at once: after the transpose, lane r of column i is partial sum i of
// row r.
static inline void fold_four(
    struct f32x16 s0, struct f32x16 s1, struct f32x16 s2, struct f32x16 s3, float *out)
{
    __m128 c0 = halve_f32x16(s0), c1 = halve_f32x16(s1);
    __m128 c2 = halve_f32x16(s2), c3 = halve_f32x16(s3);
    _MM_TRANSPOSE4_PS(c0, c1, c2, c3);
    _mm_storeu_ps(out, _mm_add_ps(_mm_add_ps(c0, c2), _mm_add_ps(c1, c3)));
}

static inline void add_dot(struct f32x16 *sum, struct f32x16 q, struct f32x16 r)
{
    sum->lo = _mm256_add_ps(sum->lo, _mm256_mul_ps(q.lo, r.lo));
    sum->hi = _mm256_add_ps(sum->hi, _mm256_mul_ps(q.hi, r.hi));
}

static inline void add_l2(struct f32x16 *sum, struct f32x16 q, struct f32x16 r)
{
    __m256 diff_lo = _mm256_sub_ps(q.lo, r.lo), diff_hi = _mm256_sub_ps(q.hi, r.hi);
    sum->lo = _mm256_add_ps(sum->lo, _mm256_mul_ps(diff_lo, diff_lo));
    sum->hi = _mm256_add_ps(sum->hi, _mm256_mul_ps(diff_hi, diff_hi));
}

// Rows are read one after the other, as memory likes it best: the next ones begin while this one
// waits for its additions. `add` and the loads are inlined.
#define DEFINE_F32_KERNEL(name, add, row_t, load_row, load_row_tail)                               \
    static inline struct f32x16 name##_row(const float *query, const row_t *row, size_t dim)       \
    {                                                                                              \
        struct f32x16 sum = {_mm256_setzero_ps(), _mm256_setzero_ps()};                            \
        size_t j = 0;                                                                              \
        for (; j + 16 <= dim; j += 16) {                                                           \
            add(&sum, load_f32x16(query + j), load_row(row + j));                                  \
        }                                                                                          \
        if (j < dim) {                                                                             \
            add(&sum, load_tail_f32x16(query + j, dim - j), load_row_tail(row + j, dim - j));      \
        }                                                                                          \
        return sum;                                                                                \
    }                                                                                              \
    static void name(const float *query, const row_t *rows, size_t dim, size_t row_count,          \
                     float *out)                                                                   \
    {                                                                                              \
        size_t r = 0;                                                                              \
        for (; r + 4 <= row_count; r += 4) {                                                       \
            const row_t *row = rows + r * dim;                                                     \
            struct f32x16 s0 = name##_row(query, row, dim);                                        \
            struct f32x16 s1 = name##_row(query, row + dim, dim);                                  \
            struct f32x16 s2 = name##_row(query, row + 2 * dim, dim);                              \
            struct f32x16 s3 = name##_row(query, row + 3 * dim, dim);                              \
            fold_four(s0, s1, s2, s3, out + r);                                                    \
        }                                                                                          \
        for (; r < row_count; r++) {                                                               \
            out[r] = fold_f32x16(name##_row(query, rows + r * dim, dim));                          \
        }                                                                                          \
    }

DEFINE_F32_KERNEL(dot_f32, add_dot, float, load_f32x16, load_tail_f32x16)
DEFINE_F32_KERNEL(l2_f32, add_l2, float, load_f32x16, load_tail_f32x16)
DEFINE_F32_KERNEL(dot_f16, add_dot, uint16_t, load_f16x16, load_tail_f16x16)
DEFINE_F32_KERNEL(l2_f16, add_l2, uint16_t, load_f16x16, load_tail_f16x16)

static inline __m256i load_i8x32(const int8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline __m256i mul_i8x32(__m256i query, __m256i abs_query, __m256i row)
{
    __m256i pair_i16x16 = _mm256_maddubs_epi16(abs_query, _mm256_sign_epi8(row, query));
    return _mm256_madd_epi16(pair_i16x16, _mm256_set1_epi16(1));
}

static inline int32_t fold_i32x8(__m256i sum_i32x8)
{
    __m128i sum_i32x4 =
        _mm_add_epi32(_mm256_castsi256_si128(sum_i32x8), _mm256_extracti128_si256(sum_i32x8, 1));
    sum_i32x4 = _mm_add_epi32(sum_i32x4, _mm_shuffle_epi32(sum_i32x4, 0x4e));
    sum_i32x4 = _mm_add_epi32(sum_i32x4, _mm_shuffle_epi32(sum_i32x4, 0xb1));
    return _mm_cvtsi128_si32(sum_i32x4);
}

static inline int32_t tail_i8(const int8_t *query, const int8_t *row, size_t from, size_t dim)
{
    int32_t sum = 0;
    for (size_t j = from; j < dim; j++) {
        sum += query[j] * row[j];
    }
    return sum;
}

// One row without its tail, not yet folded.
static inline __m256i dot_i8_row(const int8_t *query, const int8_t *row, size_t dim)
{
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    size_t j = 0;
    for (; j + 64 <= dim; j += 64) {
        __m256i q0 = load_i8x32(query + j), q1 = load_i8x32(query + j + 32);
        s0 = _mm256_add_epi32(s0, mul_i8x32(q0, _mm256_abs_epi8(q0), load_i8x32(row + j)));
        s1 = _mm256_add_epi32(s1, mul_i8x32(q1, _mm256_abs_epi8(q1), load_i8x32(row + j + 32)));
    }
    if (j + 32 <= dim) {
        __m256i q = load_i8x32(query + j);
        s0 = _mm256_add_epi32(s0, mul_i8x32(q, _mm256_abs_epi8(q), load_i8x32(row + j)));
    }
    return _mm256_add_epi32(s0, s1);
}

static inline int32_t dot_i8_one(const int8_t *query, const int8_t *row, size_t dim)
{
    return fold_i32x8(dot_i8_row(query, row, dim)) + tail_i8(query, row, dim / 32 * 32, dim);
}

static inline void dot_i8_four(const int8_t *query,
                               const int8_t *const rows[4],
                               size_t dim,
                               int32_t *out)
{
    __m256i s0 = dot_i8_row(query, rows[0], dim), s1 = dot_i8_row(query, rows[1], dim);
    __m256i s2 = dot_i8_row(query, rows[2], dim), s3 = dot_i8_row(query, rows[3], dim);
    // Pairwise additions in both 128-bit lanes leave one row per element.
    __m256i sum_i32x8 = _mm256_hadd_epi32(_mm256_hadd_epi32(s0, s1), _mm256_hadd_epi32(s2, s3));
    __m128i sum_i32x4 =
        _mm_add_epi32(_mm256_castsi256_si128(sum_i32x8), _mm256_extracti128_si256(sum_i32x8, 1));
    _mm_storeu_si128((__m128i *)(void *)out, sum_i32x4);
    for (size_t r = 0; r < 4 && dim % 32 != 0; r++) {
        out[r] += tail_i8(query, rows[r], dim / 32 * 32, dim);
    }
}

static void dot_i8(const int8_t *query,
                   const int8_t *rows,
                   size_t dim,
                   size_t stride,
                   size_t row_count,
                   int32_t *out)
{
    size_t r = 0;
    for (; r + 4 <= row_count; r += 4) {
        const int8_t *row = rows + r * stride;
        const int8_t *const four[4] = {row, row + stride, row + 2 * stride, row + 3 * stride};
        dot_i8_four(query, four, dim, out + r);
    }
    for (; r < row_count; r++) {
        out[r] = dot_i8_one(query, rows + r * stride, dim);
    }
}

#define PREFETCH_ROWS 8 // every line, into the second-level cache

static inline void prefetch_row(const int8_t *row, size_t dim)
{
    for (size_t j = 0; j < dim; j += 64) {
        _mm_prefetch((const char *)row + j, _MM_HINT_T1);
    }
    _mm_prefetch((const char *)row + dim - (dim > 0), _MM_HINT_T1);
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
    size_t r = 0;
    for (; r + 4 <= row_count; r += 4) {
        const int8_t *four[4];
        for (size_t i = 0; i < 4; i++) {
            four[i] = rows + (size_t)row_index[r + i] * stride;
            if (r + i + PREFETCH_ROWS < row_count) {
                prefetch_row(rows + (size_t)row_index[r + i + PREFETCH_ROWS] * stride, dim);
            }
        }
        dot_i8_four(query, four, dim, out + r);
    }
    for (; r < row_count; r++) {
        out[r] = dot_i8_one(query, rows + (size_t)row_index[r] * stride, dim);
    }
}

struct u16x32 {
    __m256i low, high; // entries 0..15 and 16..31 of a block
};

struct pair_sums {
    __m256i all_low, odd_low, all_high, odd_high;
};

// Two sub-quantisers, 32 bytes.
static inline void add_pair(struct pair_sums *sums, const uint8_t *codes, const uint8_t *lut)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)codes);
    __m256i table = _mm256_loadu_si256((const __m256i *)(const void *)lut);
    __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(both, nibble));
    __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble));
    sums->all_low = _mm256_add_epi16(sums->all_low, low);
    sums->all_high = _mm256_add_epi16(sums->all_high, high);
    sums->odd_low = _mm256_add_epi16(sums->odd_low, _mm256_srli_epi16(low, 8));
    sums->odd_high = _mm256_add_epi16(sums->odd_high, _mm256_srli_epi16(high, 8));
}

static inline struct u16x32 block_sums(const uint8_t *block,
                                       size_t m,
                                       const uint8_t *lut,
                                       struct vs_pq4_ahead *ahead)
{
    __m256i zero = _mm256_setzero_si256();
    struct pair_sums sums = {zero, zero, zero, zero};
    size_t s = 0;
    for (; s + 4 <= m; s += 4) {
        vs_pq4_ahead_line(ahead);
        add_pair(&sums, block + 16 * s, lut + 16 * s);
        add_pair(&sums, block + 16 * s + 32, lut + 16 * s + 32);
    }
    if (s < m) {
        add_pair(&sums, block + 16 * s, lut + 16 * s);
    }
    __m256i even_low = _mm256_sub_epi16(sums.all_low, _mm256_slli_epi16(sums.odd_low, 8));
    __m256i even_high = _mm256_sub_epi16(sums.all_high, _mm256_slli_epi16(sums.odd_high, 8));
    // 128-bit lanes hold the even and the odd sub-quantisers: add them, lane 0 for entries 0..15,
    // lane 1 for 16..31.
    __m256i even = _mm256_add_epi16(_mm256_permute2x128_si256(even_low, even_high, 0x20),
                                    _mm256_permute2x128_si256(even_low, even_high, 0x31));
    __m256i odd = _mm256_add_epi16(_mm256_permute2x128_si256(sums.odd_low, sums.odd_high, 0x20),
                                   _mm256_permute2x128_si256(sums.odd_low, sums.odd_high, 0x31));
    __m256i first = _mm256_unpacklo_epi16(even, odd);  // 0..7 and 16..23
    __m256i second = _mm256_unpackhi_epi16(even, odd); // 8..15 and 24..31
    return (struct u16x32){_mm256_permute2x128_si256(first, second, 0x20),
                           _mm256_permute2x128_si256(first, second, 0x31)};
}

static void pq4_sums(
    const uint8_t *codes, size_t count, size_t m, const uint8_t *lut, uint16_t *sums)
{
    struct vs_pq4_ahead none = {NULL, 0};
    for (size_t at = 0; at < count; at += 32) {
        struct u16x32 block = block_sums(codes + at / 2 * m, m, lut, &none);
        _mm256_storeu_si256((__m256i *)(void *)(sums + at), block.low);
        _mm256_storeu_si256((__m256i *)(void *)(sums + at + 16), block.high);
    }
}

// Bit v: sum v reaches the threshold.
static inline uint32_t reaches(struct u16x32 sums, __m256i threshold)
{
    __m256i low = _mm256_cmpeq_epi16(_mm256_max_epu16(sums.low, threshold), sums.low);
    __m256i high = _mm256_cmpeq_epi16(_mm256_max_epu16(sums.high, threshold), sums.high);
    __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8);
    return (uint32_t)_mm256_movemask_epi8(both);
}

static size_t pq4_select(const struct vs_pq4_scan *scan, uint32_t *sum_out, uint32_t *id_out)
{
    struct vs_pq4_ahead ahead = vs_pq4_ahead_begin(scan);
    const __m256i threshold = _mm256_set1_epi16((short)(uint16_t)scan->threshold);
    size_t found = 0, count = scan->threshold <= UINT16_MAX ? scan->count : 0;
    for (size_t at = 0; at < count; at += 32) {
        uint32_t allowed = scan->lane_mask != NULL ? scan->lane_mask[at / 32] : UINT32_MAX;
        allowed &= count - at < 32 ? (1u << (count - at)) - 1 : UINT32_MAX;
        if (allowed == 0) {
            continue;
        }
        struct u16x32 block =
            block_sums(scan->codes + at / 2 * scan->m, scan->m, scan->lut, &ahead);
        uint32_t hits = reaches(block, threshold) & allowed;
        if (hits == 0) {
            continue;
        }
        uint16_t sums[32];
        _mm256_storeu_si256((__m256i *)(void *)sums, block.low);
        _mm256_storeu_si256((__m256i *)(void *)(sums + 16), block.high);
        for (; hits != 0; hits &= hits - 1) {
            uint32_t v = (uint32_t)__builtin_ctz(hits);
            sum_out[found] = sums[v];
            id_out[found] = vs_pq4_entry_id(scan, at + v);
            found++;
        }
    }
    vs_pq4_ahead_rest(&ahead);
    return found;
}

// Stores all four lanes, kept ones first: what lies behind `kept` was read already.
static size_t keep_keys(uint32_t *keys, uint32_t *ids, size_t count, uint32_t least)
{
    const __m128i least_u32x4 = _mm_set1_epi32((int)least);
    size_t kept = 0, i = 0;
    for (; i + 4 <= count; i += 4) {
        __m128i key = _mm_loadu_si128((const __m128i *)(const void *)(keys + i));
        __m128i id = _mm_loadu_si128((const __m128i *)(const void *)(ids + i));
        __m128i ge = _mm_cmpeq_epi32(_mm_max_epu32(key, least_u32x4), key);
        uint32_t hits = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(ge));
        __m128i order = _mm_loadu_si128((const __m128i *)(const void *)vs_compress_lanes[hits]);
        _mm_storeu_si128((__m128i *)(void *)(keys + kept), _mm_shuffle_epi8(key, order));
        _mm_storeu_si128((__m128i *)(void *)(ids + kept), _mm_shuffle_epi8(id, order));
        kept += (size_t)__builtin_popcount(hits);
    }
    for (; i < count; i++) {
        uint32_t key = keys[i];
        keys[kept] = key;
        ids[kept] = ids[i];
        kept += key >= least;
    }
    return kept;
}

static size_t count_keys(const uint32_t *keys, size_t count, uint32_t least)
{
    const __m256i least_u32x8 = _mm256_set1_epi32((int)least);
    size_t found = 0, i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i key = _mm256_loadu_si256((const __m256i *)(const void *)(keys + i));
        __m256i ge = _mm256_cmpeq_epi32(_mm256_max_epu32(key, least_u32x8), key);
        found += (size_t)__builtin_popcount((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(ge)));
    }
    for (; i < count; i++) {
        found += keys[i] >= least;
    }
    return found;
}

static void pq4_encode(const float *y, const float *lanes, size_t m, size_t sub_dim, uint8_t *codes)
{
    for (size_t s = 0; s < m; s++) {
        struct f32x16 distance = {_mm256_setzero_ps(), _mm256_setzero_ps()};
        for (size_t j = 0; j < sub_dim; j++) {
            __m256 value = _mm256_set1_ps(y[s * sub_dim + j]);
            struct f32x16 q = {value, value};
            add_l2(&distance, q, load_f32x16(lanes + (s * sub_dim + j) * 16));
        }
        __m256 least = _mm256_min_ps(distance.lo, distance.hi);
        least = _mm256_min_ps(least, _mm256_permute2f128_ps(least, least, 1));
        least = _mm256_min_ps(least, _mm256_shuffle_ps(least, least, 0x4e));
        least = _mm256_min_ps(least, _mm256_shuffle_ps(least, least, 0xb1));
        uint32_t low = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(distance.lo, least, _CMP_EQ_OQ));
        uint32_t high = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(distance.hi, least, _CMP_EQ_OQ));
        uint32_t equal = low | high << 8 | 1u << 16; // without numbers: code 0
        codes[s] = (uint8_t)(__builtin_ctz(equal) & 15);
    }
}

// 16 bytes for each 128-bit lane.
static inline __m256i both_lanes(const uint8_t bytes[16])
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)bytes));
}

// 32 characters to 24 bytes (Mula and Lemire, "Faster Base64 Encoding and Decoding Using AVX2
// Instructions"): by the high nibble h and the low nibble l of a character, CLASS_OF_HIGH[h] &
// CLASS_OF_LOW[l] is not 0 when no alphabet has it, and OFFSET[h] (h - 1 for '/') makes it its
// value.
static const uint8_t CLASS_OF_LOW[16] = {0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                         0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a};
static const uint8_t CLASS_OF_HIGH[16] = {0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
                                          0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10};
static const uint8_t OFFSET[16] = {0, 16, 19, 4, 191, 191, 185, 185, 0, 0, 0, 0, 0, 0, 0, 0};
static const uint8_t PACK[16] = {2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 128, 128, 128, 128};

size_t vs_avx2_base64_decode(const char *text, size_t len, uint8_t *out)
{
    const __m256i slash = _mm256_set1_epi8('/'), halves = _mm256_set_epi32(0, 0, 6, 5, 4, 2, 1, 0);
    __m256i bad = _mm256_setzero_si256();
    size_t i = 0, n = 0;
    // 32 bytes are stored for 24: 44 characters must be left, and the last four are never done
    // here.
    for (; len - i >= 48 && len >= 48; i += 32, n += 24) {
        __m256i in = _mm256_loadu_si256((const __m256i *)(const void *)(text + i));
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(in, 4), slash);
        __m256i low = _mm256_and_si256(in, slash);
        bad = _mm256_or_si256(
            bad, _mm256_and_si256(_mm256_shuffle_epi8(both_lanes(CLASS_OF_LOW), low),
                                  _mm256_shuffle_epi8(both_lanes(CLASS_OF_HIGH), high)));
        __m256i row = _mm256_add_epi8(_mm256_cmpeq_epi8(in, slash), high);
        __m256i value = _mm256_add_epi8(in, _mm256_shuffle_epi8(both_lanes(OFFSET), row));
        __m256i twelve = _mm256_maddubs_epi16(value, _mm256_set1_epi32(0x01400140));
        __m256i bits = _mm256_madd_epi16(twelve, _mm256_set1_epi32(0x00011000));
        __m256i packed = _mm256_shuffle_epi8(bits, both_lanes(PACK));
        _mm256_storeu_si256((__m256i *)(void *)(out + n),
                            _mm256_permutevar8x32_epi32(packed, halves));
    }
    size_t rest = vs_scalar_base64_decode(text + i, len - i, out + n);
    return rest == SIZE_MAX || !_mm256_testz_si256(bad, bad) ? SIZE_MAX : n + rest;
}

const struct vs_kernels vs_kernels_avx2 = {
    .name = "avx2",
    .dot_f32 = dot_f32,
    .l2_f32 = l2_f32,
    .dot_f16 = dot_f16,
    .l2_f16 = l2_f16,
    .dot_i8 = dot_i8,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_tile = vs_dot_i8_tile_avx2,
    .pq4_lanes = 32,
    .pq4_arrange = vs_pair_arrange,
    .pq4_sums = pq4_sums,
    .pq4_select = pq4_select,
    VS_BATCH_KERNELS(avx2),
    .keep_keys = keep_keys,
    .count_keys = count_keys,
    .pq4_table = vs_scalar_pq4_table,
    .pq4_encode = pq4_encode,
    .base64_decode = vs_avx2_base64_decode,
};
