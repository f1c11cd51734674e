// SPDX-License-Identifier: Apache-2.0
// NEON (SMULL, SADALP): products of eight values as 16-bit words, added in pairs to 32 bits; the
// two halves of a row's four products are added at the end.
#include "simd/tile_internal.h"

#include <arm_neon.h>
#include <string.h>

static void one_tile(const int8_t *query, const int8_t *tile, size_t quads, int32_t *out)
{
    int32x4_t sum[8]; // two sums for each of 16 rows
    for (size_t i = 0; i < 8; i++) {
        sum[i] = vdupq_n_s32(0);
    }
    for (size_t q = 0; q < quads; q++) {
        int32_t four;
        memcpy(&four, query + 4 * q, sizeof four);
        int8x8_t values = vreinterpret_s8_s32(vdup_n_s32(four));
        for (size_t i = 0; i < 8; i++) {
            sum[i] = vpadalq_s16(sum[i], vmull_s8(values, vld1_s8(tile + q * 64 + i * 8)));
        }
    }
    for (size_t i = 0; i < 4; i++) {
        vst1q_s32(out + 4 * i, vpaddq_s32(sum[2 * i], sum[2 * i + 1]));
    }
}

void vs_dot_i8_tile_neon(const int8_t *queries,
                         size_t stride,
                         const uint32_t *index,
                         size_t query_count,
                         const struct vs_i8_tiles *tiles,
                         int32_t *out)
{
    for (size_t t = 0; t < tiles->count; t++) {
        for (size_t r = 0; r < query_count; r++) {
            one_tile(queries + index[r] * stride, tiles->tiles + t * tiles->quads * 64,
                     tiles->quads, out + (r * tiles->count + t) * 16);
        }
    }
}
