// SPDX-License-Identifier: Apache-2.0
// Plain C: the definition of every kernel's result, and what runs where no faster table does.
#include "simd/kernels_internal.h"

#include <stdbool.h>

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

static void pq4_scan(
    const uint8_t *codes, size_t block_count, size_t m, const uint8_t *lut, uint16_t *sums)
{
    for (size_t b = 0; b < block_count; b++) {
        block_sums(codes + b * 16 * m, m, lut, sums + 32 * b);
    }
}

static size_t pq4_select(const uint8_t *codes,
                         size_t block_count,
                         size_t m,
                         const uint8_t *lut,
                         uint16_t threshold,
                         const uint32_t *lane_mask,
                         uint32_t *index_out,
                         uint16_t *sum_out)
{
    size_t count = 0;
    for (size_t b = 0; b < block_count; b++) {
        uint32_t allowed = lane_mask != NULL ? lane_mask[b] : UINT32_MAX;
        if (allowed == 0) {
            continue;
        }
        uint16_t sums[32];
        block_sums(codes + b * 16 * m, m, lut, sums);
        for (uint32_t v = 0; v < 32; v++) {
            if ((allowed >> v & 1u) != 0 && sums[v] >= threshold) {
                index_out[count] = (uint32_t)(32 * b) + v;
                sum_out[count] = sums[v];
                count++;
            }
        }
    }
    return count;
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

const struct vs_kernels vs_kernels_scalar = {
    .name = "scalar",
    .dot_f32 = dot_f32,
    .l2_f32 = l2_f32,
    .dot_i8 = dot_i8,
    .dot_i8_rows = dot_i8_rows,
    .pq4_scan = pq4_scan,
    .pq4_select = pq4_select,
    .pq4_encode = pq4_encode,
};
