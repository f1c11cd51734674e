// SPDX-License-Identifier: Apache-2.0
// Plain C: the compiler keeps the 16 sums of a tile in registers.
#include "simd/tile_internal.h"

static void one_tile(const int8_t *query, const int8_t *tile, size_t quads, int32_t *out)
{
    int32_t sum[16] = {0};
    for (size_t q = 0; q < quads; q++) {
        const int8_t *from = tile + q * 64;
        const int8_t *four = query + 4 * q;
        for (size_t lane = 0; lane < 16; lane++) {
            sum[lane] += four[0] * from[4 * lane] + four[1] * from[4 * lane + 1] +
                         four[2] * from[4 * lane + 2] + four[3] * from[4 * lane + 3];
        }
    }
    for (size_t lane = 0; lane < 16; lane++) {
        out[lane] = sum[lane];
    }
}

void vs_dot_i8_tile_scalar(const int8_t *queries,
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
