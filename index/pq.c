// SPDX-License-Identifier: Apache-2.0
#include "index/lists.h"

#include <string.h>

float *vs_pq_columns_make(const struct vs_env *env, const struct vs_codebook *codebook)
{
    size_t sub_dim = codebook->sub_dim;
    float *columns = vs_alloc_aligned(env, (size_t)codebook->m * 16 * sub_dim * sizeof(float));
    if (columns == NULL) {
        return NULL;
    }
    for (size_t s = 0; s < codebook->m; s++) {
        for (size_t j = 0; j < 16; j++) {
            for (size_t d = 0; d < sub_dim; d++) {
                columns[(s * sub_dim + d) * 16 + j] = codebook->pq[(s * 16 + j) * sub_dim + d];
            }
        }
    }
    return columns;
}

// values[16]: <y, c_j>, or 2 <y, c_j> - <c_j, c_j>; columns [sub_dim][16].
static void table_values(const float *y,
                         const float *restrict columns,
                         size_t sub_dim,
                         bool distance,
                         float *restrict values)
{
    for (size_t j = 0; j < 16; j++) {
        values[j] = 0.0F;
    }
    for (size_t d = 0; d < sub_dim; d++) {
        const float *column = columns + d * 16;
        float value = y[d];
        if (distance) {
            for (size_t j = 0; j < 16; j++) {
                values[j] += column[j] * (2.0F * value - column[j]);
            }
        } else {
            for (size_t j = 0; j < 16; j++) {
                values[j] += column[j] * value;
            }
        }
    }
}

// Shifts 16 values so that the least is 0; returns the greatest.
static float shift_values(float *values)
{
    float low = values[0], high = values[0];
    for (size_t j = 1; j < 16; j++) {
        low = values[j] < low ? values[j] : low;
        high = values[j] > high ? values[j] : high;
    }
    for (size_t j = 0; j < 16; j++) {
        values[j] -= low;
    }
    return high - low;
}

void vs_pq_table(const struct vs_codebook *codebook,
                 const float *pq_columns,
                 const float *y,
                 float *values,
                 uint8_t *table_out)
{
    size_t sub_dim = codebook->sub_dim, m = codebook->m;
    bool distance = codebook->metric == VS_METRIC_L2;
    float span = 0.0F;
    for (size_t s = 0; s < m; s++) {
        table_values(y + s * sub_dim, pq_columns + s * sub_dim * 16, sub_dim, distance,
                     values + 16 * s);
        float own = shift_values(values + 16 * s);
        span = own > span ? own : span;
    }
    float scale = span > 0.0F ? 255.0F / span : 0.0F;
    if (!(scale <
          3.0e38F)) { // overflow of the division, or a value that is not finite: no information
        scale = 0.0F;
    }
    for (size_t i = 0; i < 16 * m; i++) {
        float value = values[i] * scale + 0.5F;
        table_out[i] = value < 255.5F ? (uint8_t)value : 255; // false for NaN, too
    }
}

void vs_pq_pack_block(const uint8_t *const *codes, size_t count, size_t m, uint8_t *out)
{
    memset(out, 0, 16 * m);
    for (size_t v = 0; v < count; v++) {
        unsigned shift = v < 16 ? 0 : 4;
        uint8_t *column = out + (v & 15);
        for (size_t s = 0; s < m; s += 2) {
            unsigned pair = codes[v][s / 2];
            column[16 * s] = (uint8_t)(column[16 * s] | (pair & 15) << shift);
            column[16 * s + 16] = (uint8_t)(column[16 * s + 16] | (pair >> 4) << shift);
        }
    }
}

uint32_t vs_pq_entry_sum(const uint8_t *codes, size_t entry, size_t m, const uint8_t *table)
{
    const uint8_t *block = codes + entry / VS_BLOCK_LANES * 16 * m;
    size_t lane = entry % VS_BLOCK_LANES;
    unsigned shift = lane < 16 ? 0 : 4;
    uint32_t sum = 0;
    for (size_t s = 0; s < m; s++) {
        sum += table[16 * s + (block[16 * s + (lane & 15)] >> shift & 15)];
    }
    return sum;
}
