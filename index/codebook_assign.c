// SPDX-License-Identifier: Apache-2.0
/*
 * Projection, rounding and encoding of one vector: the same bits on every machine, since the f32
 * kernels have one order of accumulation and the rest is element by element. Lists are found in
 * codebook_nearest.c.
 */
#include "index/codebook.h"
#include "index/codebook_internal.h"
#include "simd/kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define LANES 16

void vs_codebook_project(const struct vs_codebook *codebook, const float *x, float *y)
{
    vs_kernels_get()->dot_f32(x, codebook->projection, codebook->dim, codebook->proj_dim, y);
    for (size_t p = 0; p < codebook->proj_dim; p++) {
        y[p] += codebook->projection_bias[p];
    }
}

static float greatest(const float *x, size_t dim)
{
    float most[LANES] = {0}, max = 0.0f;
    size_t j = 0;
    for (; j + LANES <= dim; j += LANES) {
        const float *from = x + j;
        for (size_t lane = 0; lane < LANES; lane++) {
            float magnitude = fabsf(from[lane]);
            most[lane] = most[lane] < magnitude ? magnitude : most[lane];
        }
    }
    for (size_t lane = 0; j + lane < dim; lane++) {
        float magnitude = fabsf(x[j + lane]);
        most[lane] = most[lane] < magnitude ? magnitude : most[lane];
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        max = most[lane] > max ? most[lane] : max;
    }
    return max;
}

float vs_quantize_i8(const float *restrict x, size_t dim, int8_t *restrict q)
{
    float scale = greatest(x, dim) / 127.0f;
    if (!(scale > 0.0f)) { // zero, or so small that the scale is: no direction left
        memset(q, 0, dim);
        return 0.0f;
    }
    // 1.5 * 2^23: adding it rounds to an integer, halves to even, which then is the low bits
    const float round_bias = 12582912.0f;
    if (scale >= FLT_MIN) {
        for (size_t i = 0; i < dim; i++) {
            float biased = x[i] / scale + round_bias;
            uint32_t bits;
            memcpy(&bits, &biased, sizeof bits);
            q[i] = (int8_t)bits;
        }
        return scale;
    }
    for (size_t i = 0; i < dim; i++) { // denormal scales are inexact
        float rounded = x[i] / scale + round_bias - round_bias;
        rounded = rounded > 127.0f ? 127.0f : rounded;
        rounded = rounded < -127.0f ? -127.0f : rounded;
        q[i] = (int8_t)(int)rounded;
    }
    return scale;
}

void vs_codebook_encode_vector(const struct vs_codebook *codebook,
                               const float *y,
                               uint8_t *codes_out)
{
    vs_kernels_get()->pq4_encode(y, codebook->pq_lanes, codebook->m, codebook->sub_dim, codes_out);
}
