// SPDX-License-Identifier: Apache-2.0
/*
 * aarch64 Advanced SIMD, its base level (TBL, SMULL, SADALP, FCVTL); nothing optional is used.
 *
 * Floats: 16 partial sums are four registers; multiplied and added separately, never FMLA. int8:
 * two products of values -127..127 stay below 2^15. pq4: the pair layout; TBL looks up one
 * sub-quantiser of 16 entries.
 */
#include "simd/kernels_internal.h"
#include "simd/tile_internal.h"

#include <arm_neon.h>
#include <string.h>

struct f32x16 {
    float32x4_t part[4];
};

static inline struct f32x16 zero_f32x16(void)
{
    float32x4_t zero = vdupq_n_f32(0.0f);
    return (struct f32x16){{zero, zero, zero, zero}};
}

static inline struct f32x16 load_f32x16(const float *p)
{
    return (struct f32x16){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}

static inline struct f32x16 load_tail_f32x16(const float *p, size_t tail)
{
    float padded[16] = {0};
    memcpy(padded, p, tail * sizeof *p);
    return load_f32x16(padded);
}

static inline struct f32x16 load_f16x16(const uint16_t *p)
{
    float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(p));
    float16x8_t high = vreinterpretq_f16_u16(vld1q_u16(p + 8));
    return (struct f32x16){{vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low),
                            vcvt_f32_f16(vget_low_f16(high)), vcvt_high_f32_f16(high)}};
}

static inline struct f32x16 load_tail_f16x16(const uint16_t *p, size_t tail)
{
    uint16_t padded[16] = {0};
    memcpy(padded, p, tail * sizeof *p);
    return load_f16x16(padded);
}

static inline void add_dot(struct f32x16 *sum, struct f32x16 q, struct f32x16 r)
{
    for (size_t i = 0; i < 4; i++) {
        sum->part[i] = vaddq_f32(sum->part[i], vmulq_f32(q.part[i], r.part[i]));
    }
}

static inline void add_l2(struct f32x16 *sum, struct f32x16 q, struct f32x16 r)
{
    for (size_t i = 0; i < 4; i++) {
        float32x4_t diff = vsubq_f32(q.part[i], r.part[i]);
        sum->part[i] = vaddq_f32(sum->part[i], vmulq_f32(diff, diff));
    }
}

static inline float fold_f32x16(struct f32x16 sum)
{
    float32x4_t low = vaddq_f32(sum.part[0], sum.part[2]); // lanes i and i + 8
    float32x4_t high = vaddq_f32(sum.part[1], sum.part[3]);
    float32x4_t sum_f32x4 = vaddq_f32(low, high); // i and i + 4
    float32x2_t sum_f32x2 = vadd_f32(vget_low_f32(sum_f32x4), vget_high_f32(sum_f32x4));
    return vget_lane_f32(sum_f32x2, 0) + vget_lane_f32(sum_f32x2, 1);
}

// `add` and the loads are inlined.
#define DEFINE_F32_KERNEL(name, add, row_t, load_row, load_row_tail)                               \
    static void name(const float *query, const row_t *rows, size_t dim, size_t row_count,          \
                     float *out)                                                                   \
    {                                                                                              \
        for (size_t r = 0; r < row_count; r++) {                                                   \
            const row_t *row = rows + r * dim;                                                     \
            struct f32x16 sum = zero_f32x16();                                                     \
            size_t j = 0;                                                                          \
            for (; j + 16 <= dim; j += 16) {                                                       \
                add(&sum, load_f32x16(query + j), load_row(row + j));                              \
            }                                                                                      \
            if (j < dim) {                                                                         \
                add(&sum, load_tail_f32x16(query + j, dim - j), load_row_tail(row + j, dim - j));  \
            }                                                                                      \
            out[r] = fold_f32x16(sum);                                                             \
        }                                                                                          \
    }

DEFINE_F32_KERNEL(dot_f32, add_dot, float, load_f32x16, load_tail_f32x16)
DEFINE_F32_KERNEL(l2_f32, add_l2, float, load_f32x16, load_tail_f32x16)
DEFINE_F32_KERNEL(dot_f16, add_dot, uint16_t, load_f16x16, load_tail_f16x16)
DEFINE_F32_KERNEL(l2_f16, add_l2, uint16_t, load_f16x16, load_tail_f16x16)

static inline int32x4_t add_products(int32x4_t sum, int8x16_t q, int8x16_t r)
{
    int16x8_t pairs = vmull_s8(vget_low_s8(q), vget_low_s8(r));
    return vpadalq_s16(sum, vmlal_high_s8(pairs, q, r));
}

static inline int32_t dot_i8_one(const int8_t *query, const int8_t *row, size_t dim)
{
    int32x4_t s0 = vdupq_n_s32(0), s1 = s0;
    size_t j = 0;
    for (; j + 32 <= dim; j += 32) {
        s0 = add_products(s0, vld1q_s8(query + j), vld1q_s8(row + j));
        s1 = add_products(s1, vld1q_s8(query + j + 16), vld1q_s8(row + j + 16));
    }
    if (j + 16 <= dim) {
        s0 = add_products(s0, vld1q_s8(query + j), vld1q_s8(row + j));
        j += 16;
    }
    int32_t sum = vaddvq_s32(vaddq_s32(s0, s1));
    for (; j < dim; j++) {
        sum += query[j] * row[j];
    }
    return sum;
}

static void dot_i8(const int8_t *query,
                   const int8_t *rows,
                   size_t dim,
                   size_t stride,
                   size_t row_count,
                   int32_t *out)
{
    for (size_t r = 0; r < row_count; r++) {
        out[r] = dot_i8_one(query, rows + r * stride, dim);
    }
}

#define PREFETCH_ROWS 8 // every line, into the second-level cache

static inline void prefetch_row(const int8_t *row, size_t dim)
{
    for (size_t j = 0; j < dim; j += 64) {
        __builtin_prefetch(row + j, 0, 2);
    }
    __builtin_prefetch(row + dim - (dim > 0), 0, 2);
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
    for (size_t r = 0; r < row_count; r++) {
        if (r + PREFETCH_ROWS < row_count) {
            prefetch_row(rows + (size_t)row_index[r + PREFETCH_ROWS] * stride, dim);
        }
        out[r] = dot_i8_one(query, rows + (size_t)row_index[r] * stride, dim);
    }
}

// Sums of the 32 entries of a block, 8 a register, in order.
struct u16x32 {
    uint16x8_t part[4];
};

static inline struct u16x32 block_sums(const uint8_t *codes,
                                       size_t m,
                                       const uint8_t *lut,
                                       struct vs_pq4_ahead *ahead)
{
    uint16x8_t zero = vdupq_n_u16(0);
    struct u16x32 sums = {{zero, zero, zero, zero}};
    for (size_t s = 0; s < m; s++) {
        if (s % 4 == 0) {
            vs_pq4_ahead_line(ahead);
        }
        uint8x16_t both = vld1q_u8(codes + 16 * s), table = vld1q_u8(lut + 16 * s);
        uint8x16_t low = vqtbl1q_u8(table, vandq_u8(both, vdupq_n_u8(15)));
        uint8x16_t high = vqtbl1q_u8(table, vshrq_n_u8(both, 4));
        sums.part[0] = vaddw_u8(sums.part[0], vget_low_u8(low));
        sums.part[1] = vaddw_high_u8(sums.part[1], low);
        sums.part[2] = vaddw_u8(sums.part[2], vget_low_u8(high));
        sums.part[3] = vaddw_high_u8(sums.part[3], high);
    }
    return sums;
}

static inline void store_sums(uint16_t *out, struct u16x32 sums)
{
    for (size_t i = 0; i < 4; i++) {
        vst1q_u16(out + 8 * i, sums.part[i]);
    }
}

static void pq4_sums(
    const uint8_t *codes, size_t count, size_t m, const uint8_t *lut, uint16_t *sums)
{
    struct vs_pq4_ahead none = {NULL, 0};
    for (size_t at = 0; at < count; at += 32, codes += 16 * m) {
        store_sums(sums + at, block_sums(codes, m, lut, &none));
    }
}

// Bit v: sum v reaches the threshold.
static inline uint32_t reaches(struct u16x32 sums, uint16x8_t threshold)
{
    const uint16x8_t bit = {1, 2, 4, 8, 16, 32, 64, 128};
    uint32_t hits = 0;
    for (size_t i = 0; i < 4; i++) {
        uint16x8_t ge = vandq_u16(vcgeq_u16(sums.part[i], threshold), bit);
        hits |= (uint32_t)vaddvq_u16(ge) << 8 * i;
    }
    return hits;
}

static size_t pq4_select(const struct vs_pq4_scan *scan, uint32_t *sum_out, uint32_t *id_out)
{
    struct vs_pq4_ahead ahead = vs_pq4_ahead_begin(scan);
    const uint16x8_t threshold = vdupq_n_u16((uint16_t)scan->threshold);
    const uint8_t *codes = scan->codes;
    size_t found = 0, count = scan->threshold <= UINT16_MAX ? scan->count : 0;
    for (size_t at = 0; at < count; at += 32, codes += 16 * scan->m) {
        uint32_t allowed = scan->lane_mask != NULL ? scan->lane_mask[at / 32] : UINT32_MAX;
        allowed &= count - at < 32 ? (1u << (count - at)) - 1 : UINT32_MAX;
        if (allowed == 0) {
            continue;
        }
        struct u16x32 block = block_sums(codes, scan->m, scan->lut, &ahead);
        uint32_t hits = reaches(block, threshold) & allowed;
        if (hits == 0) {
            continue;
        }
        uint16_t sums[32];
        store_sums(sums, block);
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
    const uint32x4_t least_u32x4 = vdupq_n_u32(least), bit = {1, 2, 4, 8};
    size_t kept = 0, i = 0;
    for (; i + 4 <= count; i += 4) {
        uint32x4_t key = vld1q_u32(keys + i), id = vld1q_u32(ids + i);
        uint32_t hits = vaddvq_u32(vandq_u32(vcgeq_u32(key, least_u32x4), bit));
        uint8x16_t order = vld1q_u8(vs_compress_lanes[hits]);
        vst1q_u32(keys + kept, vreinterpretq_u32_u8(vqtbl1q_u8(vreinterpretq_u8_u32(key), order)));
        vst1q_u32(ids + kept, vreinterpretq_u32_u8(vqtbl1q_u8(vreinterpretq_u8_u32(id), order)));
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
    size_t found = 0, i = 0;
    while (i + 4 <= count) { // in pieces whose 32-bit counts cannot overflow
        uint32x4_t hits = vdupq_n_u32(0);
        size_t end = count - i < (size_t)1 << 30 ? count : i + ((size_t)1 << 30);
        for (; i + 4 <= end; i += 4) {
            hits = vsubq_u32(hits, vcgeq_u32(vld1q_u32(keys + i), vdupq_n_u32(least)));
        }
        found += vaddvq_u32(hits);
    }
    for (; i < count; i++) {
        found += keys[i] >= least;
    }
    return found;
}

static void pq4_encode(const float *y, const float *lanes, size_t m, size_t sub_dim, uint8_t *codes)
{
    static const uint32_t CODE[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (size_t s = 0; s < m; s++) {
        struct f32x16 distance = zero_f32x16();
        for (size_t j = s * sub_dim; j < (s + 1) * sub_dim; j++) {
            float32x4_t value = vdupq_n_f32(y[j]);
            struct f32x16 q = {{value, value, value, value}};
            add_l2(&distance, q, load_f32x16(lanes + j * 16));
        }
        float32x4_t least_f32x4 = vminq_f32(vminq_f32(distance.part[0], distance.part[1]),
                                            vminq_f32(distance.part[2], distance.part[3]));
        float32x4_t least = vdupq_n_f32(vminvq_f32(least_f32x4));
        uint32x4_t best = vdupq_n_u32(16); // without numbers: code 0
        for (size_t i = 0; i < 4; i++) {
            uint32x4_t equal = vceqq_f32(distance.part[i], least);
            best = vminq_u32(best, vbslq_u32(equal, vld1q_u32(CODE + 4 * i), vdupq_n_u32(16)));
        }
        codes[s] = (uint8_t)(vminvq_u32(best) & 15);
    }
}

static inline uint8x16x4_t load_64(const uint8_t *p)
{
    return (uint8x16x4_t){{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}};
}

// 64 characters to 48 bytes: LD4 takes every fourth character apart, ST3 puts the bytes together.
static size_t base64_decode(const char *text, size_t len, uint8_t *out)
{
    const uint8x16x4_t low = load_64(vs_base64_values), high = load_64(vs_base64_values + 64);
    uint8x16_t seen = vdupq_n_u8(0);
    size_t i = 0, n = 0;
    for (; len - i > 64; i += 64, n += 48) { // the last four are never done here
        uint8x16x4_t in = vld4q_u8((const uint8_t *)text + i);
        uint8x16_t value[4];
        for (size_t j = 0; j < 4; j++) {
            uint8x16_t c = in.val[j];
            value[j] = vqtbx4q_u8(vqtbl4q_u8(low, c), high, veorq_u8(c, vdupq_n_u8(64)));
            seen = vorrq_u8(seen, vorrq_u8(value[j], c));
        }
        uint8x16x3_t bytes = {
            {vorrq_u8(vshlq_n_u8(value[0], 2), vshrq_n_u8(value[1], 4)),
             vorrq_u8(vshlq_n_u8(value[1], 4), vshrq_n_u8(value[2], 2)),
             vorrq_u8(vshlq_n_u8(value[2], 6), value[3])},
        };
        vst3q_u8(out + n, bytes);
    }
    size_t rest = vs_scalar_base64_decode(text + i, len - i, out + n);
    return rest == SIZE_MAX || vmaxvq_u8(seen) > 127 ? SIZE_MAX : n + rest;
}

const struct vs_kernels vs_kernels_neon = {
    .name = "neon",
    .dot_f32 = dot_f32,
    .l2_f32 = l2_f32,
    .dot_f16 = dot_f16,
    .l2_f16 = l2_f16,
    .dot_i8 = dot_i8,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_tile = vs_dot_i8_tile_neon,
    .pq4_lanes = 32,
    .pq4_arrange = vs_pair_arrange,
    .pq4_sums = pq4_sums,
    .pq4_select = pq4_select,
    VS_BATCH_KERNELS(neon),
    .keep_keys = keep_keys,
    .count_keys = count_keys,
    .pq4_table = vs_scalar_pq4_table,
    .pq4_encode = pq4_encode,
    .base64_decode = base64_decode,
};
