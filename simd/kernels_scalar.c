// SPDX-License-Identifier: Apache-2.0
// Plain C: the definition of every kernel's result, and what runs where no faster table does.
#include "simd/kernels_internal.h"
#include "simd/tile_internal.h"

#include <stdbool.h>
#include <string.h>

#define F32_LANES 16

// Folds the 16 partial sums in the order that kernels.h fixes.
static float fold_f32x16(float *lanes)
{
    for (size_t half = F32_LANES / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++) {
            lanes[i] += lanes[i + half];
        }
    }
    return lanes[0];
}

static void dot_f32(const float *query, const float *rows, size_t dim, size_t row_count, float *out)
{
    for (size_t r = 0; r < row_count; r++) {
        const float *row = rows + r * dim;
        float sum_f32x16[F32_LANES] = {0};
        size_t j = 0;
        for (; j + F32_LANES <= dim; j += F32_LANES) {
            for (size_t lane = 0; lane < F32_LANES; lane++) {
                sum_f32x16[lane] += query[j + lane] * row[j + lane];
            }
        }
        for (size_t lane = 0; j + lane < dim; lane++) {
            sum_f32x16[lane] += query[j + lane] * row[j + lane];
        }
        out[r] = fold_f32x16(sum_f32x16);
    }
}

static void l2_f32(const float *query, const float *rows, size_t dim, size_t row_count, float *out)
{
    for (size_t r = 0; r < row_count; r++) {
        const float *row = rows + r * dim;
        float sum_f32x16[F32_LANES] = {0};
        size_t j = 0;
        for (; j + F32_LANES <= dim; j += F32_LANES) {
            for (size_t lane = 0; lane < F32_LANES; lane++) {
                float diff = query[j + lane] - row[j + lane];
                sum_f32x16[lane] += diff * diff;
            }
        }
        for (size_t lane = 0; j + lane < dim; lane++) {
            float diff = query[j + lane] - row[j + lane];
            sum_f32x16[lane] += diff * diff;
        }
        out[r] = fold_f32x16(sum_f32x16);
    }
}

// IEEE 754 binary16 to binary32, exact and without branches: read with the exponent of binary32 a
// value is 2^-112 times too small, subnormal ones included; infinities and NaNs keep their
// exponent.
static inline float widen_f16(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, bits;
    float value;
    memcpy(&value, &magnitude, sizeof value);
    value *= 0x1p112f;
    memcpy(&bits, &value, sizeof bits);
    bits = magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : bits;
    bits |= (uint32_t)(half & 0x8000) << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void add_f16(
    float *sum_f32x16, const float *query, const uint16_t *row, size_t lanes, bool squared)
{
    for (size_t lane = 0; lane < lanes; lane++) {
        float wide = widen_f16(row[lane]), diff = query[lane] - wide;
        sum_f32x16[lane] += squared ? diff * diff : query[lane] * wide;
    }
}

static inline float sum_f16_one(const float *query, const uint16_t *row, size_t dim, bool squared)
{
    float sum_f32x16[F32_LANES] = {0};
    size_t j = 0;
    for (; j + F32_LANES <= dim; j += F32_LANES) {
        add_f16(sum_f32x16, query + j, row + j, F32_LANES, squared);
    }
    add_f16(sum_f32x16, query + j, row + j, dim - j, squared);
    return fold_f32x16(sum_f32x16);
}

static void dot_f16(
    const float *query, const uint16_t *rows, size_t dim, size_t row_count, float *out)
{
    for (size_t r = 0; r < row_count; r++) {
        out[r] = sum_f16_one(query, rows + r * dim, dim, false);
    }
}

static void l2_f16(
    const float *query, const uint16_t *rows, size_t dim, size_t row_count, float *out)
{
    for (size_t r = 0; r < row_count; r++) {
        out[r] = sum_f16_one(query, rows + r * dim, dim, true);
    }
}

static int32_t dot_i8_one(const int8_t *query, const int8_t *row, size_t dim)
{
    int32_t sum = 0;
    for (size_t j = 0; j < dim; j++) {
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

static void dot_i8_rows(const int8_t *query,
                        const int8_t *rows,
                        size_t dim,
                        size_t stride,
                        const uint32_t *row_index,
                        size_t row_count,
                        int32_t *out)
{
    for (size_t r = 0; r < row_count; r++) {
        out[r] = dot_i8_one(query, rows + (size_t)row_index[r] * stride, dim);
    }
}

// Sums of the 32 vectors of one block.
static void block_sums(const uint8_t *block, size_t m, const uint8_t *lut, uint16_t *sums)
{
    for (size_t j = 0; j < 16; j++) {
        uint32_t low = 0, high = 0;
        for (size_t s = 0; s < m; s++) {
            uint8_t byte = block[16 * s + j];
            low += lut[16 * s + (byte & 15)];
            high += lut[16 * s + (byte >> 4)];
        }
        sums[j] = (uint16_t)low;
        sums[j + 16] = (uint16_t)high;
    }
}

void vs_pair_arrange(const uint8_t *pair, size_t count, size_t m, uint8_t *out)
{
    memcpy(out, pair, (count + 31) / 32 * 16 * m);
}

static void pq4_sums(
    const uint8_t *codes, size_t count, size_t m, const uint8_t *lut, uint16_t *sums)
{
    for (size_t b = 0; 32 * b < count; b++) {
        block_sums(codes + b * 16 * m, m, lut, sums + 32 * b);
    }
}

// Nothing to prefetch for: the loop is bound by its additions.
static size_t pq4_select(const struct vs_pq4_scan *scan, uint32_t *sum_out, uint32_t *id_out)
{
    size_t found = 0;
    for (size_t b = 0; 32 * b < scan->count; b++) {
        uint32_t allowed = scan->lane_mask != NULL ? scan->lane_mask[b] : UINT32_MAX;
        if (allowed == 0) {
            continue;
        }
        size_t left = scan->count - 32 * b;
        uint16_t sums[32];
        block_sums(scan->codes + b * 16 * scan->m, scan->m, scan->lut, sums);
        for (size_t v = 0; v < 32 && v < left; v++) {
            if ((allowed >> v & 1u) != 0 && sums[v] >= scan->threshold) {
                sum_out[found] = sums[v];
                id_out[found] = vs_pq4_entry_id(scan, 32 * b + v);
                found++;
            }
        }
    }
    return found;
}

static size_t keep_keys(uint32_t *keys, uint32_t *ids, size_t count, uint32_t least)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) { // without branches
        uint32_t key = keys[i];
        keys[kept] = key;
        ids[kept] = ids[i];
        kept += key >= least;
    }
    return kept;
}

static size_t count_keys(const uint32_t *keys, size_t count, uint32_t least)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += keys[i] >= least;
    }
    return found;
}

static void pq4_encode(const float *y, const float *lanes, size_t m, size_t sub_dim, uint8_t *codes)
{
    for (size_t s = 0; s < m; s++) {
        float distance_f32x16[16] = {0};
        for (size_t j = 0; j < sub_dim; j++) {
            for (size_t c = 0; c < 16; c++) {
                float diff = y[s * sub_dim + j] - lanes[(s * sub_dim + j) * 16 + c];
                distance_f32x16[c] += diff * diff;
            }
        }
        float best = distance_f32x16[0];
        uint32_t best_code = 0;
        for (uint32_t c = 1; c < 16; c++) { // without branches
            bool nearer = distance_f32x16[c] < best;
            best = nearer ? distance_f32x16[c] : best;
            best_code = nearer ? c : best_code;
        }
        codes[s] = (uint8_t)best_code;
    }
}

#define LANE_0 0, 1, 2, 3
#define LANE_1 4, 5, 6, 7
#define LANE_2 8, 9, 10, 11
#define LANE_3 12, 13, 14, 15
#define NO_LANE 128, 128, 128, 128
const uint8_t vs_compress_lanes[16][16] = {
    {NO_LANE, NO_LANE, NO_LANE, NO_LANE}, {LANE_0, NO_LANE, NO_LANE, NO_LANE},
    {LANE_1, NO_LANE, NO_LANE, NO_LANE},  {LANE_0, LANE_1, NO_LANE, NO_LANE},
    {LANE_2, NO_LANE, NO_LANE, NO_LANE},  {LANE_0, LANE_2, NO_LANE, NO_LANE},
    {LANE_1, LANE_2, NO_LANE, NO_LANE},   {LANE_0, LANE_1, LANE_2, NO_LANE},
    {LANE_3, NO_LANE, NO_LANE, NO_LANE},  {LANE_0, LANE_3, NO_LANE, NO_LANE},
    {LANE_1, LANE_3, NO_LANE, NO_LANE},   {LANE_0, LANE_1, LANE_3, NO_LANE},
    {LANE_2, LANE_3, NO_LANE, NO_LANE},   {LANE_0, LANE_2, LANE_3, NO_LANE},
    {LANE_1, LANE_2, LANE_3, NO_LANE},    {LANE_0, LANE_1, LANE_2, LANE_3},
};

#define BAD 0xff
const uint8_t vs_base64_values[256] = {
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, 62,  BAD, BAD, BAD, 63,  52,  53,  54,  55,  56,  57,  58,  59,  60,
    61,  BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,
    11,  12,  13,  14,  15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  BAD, BAD, BAD, BAD,
    BAD, BAD, 26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,  41,  42,
    43,  44,  45,  46,  47,  48,  49,  50,  51,  BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
};
#undef BAD

// The last four characters, with one or two '=' or none.
static size_t decode_last(const uint8_t *text, uint8_t *out)
{
    size_t chars = text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
    uint32_t bits = 0, seen = 0;
    for (size_t j = 0; j < 4; j++) {
        uint32_t value = j < chars ? vs_base64_values[text[j]] : 0;
        bits = bits << 6 | (value & 63);
        seen |= value;
    }
    uint32_t unused = chars == 2 ? 0xffff : chars == 3 ? 0xff : 0;
    if (seen > 63 || (bits & unused) != 0) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j + 1 < chars; j++) {
        out[j] = (uint8_t)(bits >> (16 - 8 * j));
    }
    return chars - 1;
}

size_t vs_scalar_base64_decode(const char *text, size_t len, uint8_t *out)
{
    const uint8_t *in = (const uint8_t *)text;
    if (len % 4 != 0 || len == 0) {
        return len == 0 ? 0 : SIZE_MAX;
    }
    uint32_t seen = 0;
    uint8_t *to = out;
    for (const uint8_t *end = in + len - 4; in < end; in += 4, to += 3) {
        uint32_t a = vs_base64_values[in[0]], b = vs_base64_values[in[1]];
        uint32_t c = vs_base64_values[in[2]], d = vs_base64_values[in[3]];
        seen |= a | b | c | d;
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        to[0] = (uint8_t)(bits >> 16);
        to[1] = (uint8_t)(bits >> 8);
        to[2] = (uint8_t)bits;
    }
    size_t last = decode_last(in, to);
    return seen > 63 || last == SIZE_MAX ? SIZE_MAX : (size_t)(to - out) + last;
}

// values[16] of one sub-quantiser.
static void table_values(const float *y,
                         const float *restrict lanes,
                         size_t sub_dim,
                         int distance,
                         float *restrict values)
{
    for (size_t c = 0; c < 16; c++) {
        values[c] = 0.0F;
    }
    for (size_t j = 0; j < sub_dim; j++) {
        const float *lane = lanes + j * 16;
        for (size_t c = 0; c < 16; c++) {
            values[c] += lane[c] * (distance != 0 ? 2.0F * y[j] - lane[c] : y[j]);
        }
    }
}

void vs_scalar_pq4_table(const float *y,
                         const float *lanes,
                         size_t m,
                         size_t sub_dim,
                         int distance,
                         float *values,
                         uint8_t *table_out)
{
    float span = 0.0F;
    for (size_t s = 0; s < m; s++) {
        float *own = values + 16 * s, low;
        table_values(y + s * sub_dim, lanes + s * sub_dim * 16, sub_dim, distance, own);
        low = own[0];
        for (size_t c = 1; c < 16; c++) {
            low = own[c] < low ? own[c] : low;
        }
        for (size_t c = 0; c < 16; c++) {
            own[c] -= low;
            span = own[c] > span ? own[c] : span;
        }
    }
    float scale = vs_table_scale(span);
    for (size_t i = 0; i < 16 * m; i++) {
        float value = values[i] * scale + 0.5F;
        table_out[i] = value < 255.5F ? (uint8_t)value : 255; // false for NaN, too
    }
}

const struct vs_kernels vs_kernels_scalar = {
    .name = "scalar",
    .dot_f32 = dot_f32,
    .l2_f32 = l2_f32,
    .dot_f16 = dot_f16,
    .l2_f16 = l2_f16,
    .dot_i8 = dot_i8,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_tile = vs_dot_i8_tile_scalar,
    .pq4_lanes = 32,
    .pq4_arrange = vs_pair_arrange,
    .pq4_sums = pq4_sums,
    .pq4_select = pq4_select,
    VS_BATCH_KERNELS(scalar),
    .keep_keys = keep_keys,
    .count_keys = count_keys,
    .pq4_table = vs_scalar_pq4_table,
    .pq4_encode = pq4_encode,
    .base64_decode = vs_scalar_base64_decode,
};
