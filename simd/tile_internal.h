// SPDX-License-Identifier: Apache-2.0
/*
 * Private to simd/: vs_kernels.dot_i8_tile, one function per instruction set. Sums are exact, so
 * all agree bit for bit. The layout of tiles stands in kernels.h.
 */
#ifndef VS_SIMD_TILE_INTERNAL_H
#define VS_SIMD_TILE_INTERNAL_H

#include "simd/kernels.h"

void vs_dot_i8_tile_scalar(const int8_t *queries,
                           size_t stride,
                           const uint32_t *index,
                           size_t query_count,
                           const struct vs_i8_tiles *tiles,
                           int32_t *out);
void vs_dot_i8_tile_avx2(const int8_t *queries,
                         size_t stride,
                         const uint32_t *index,
                         size_t query_count,
                         const struct vs_i8_tiles *tiles,
                         int32_t *out);
void vs_dot_i8_tile_vnni(const int8_t *queries,
                         size_t stride,
                         const uint32_t *index,
                         size_t query_count,
                         const struct vs_i8_tiles *tiles,
                         int32_t *out);
void vs_dot_i8_tile_neon(const int8_t *queries,
                         size_t stride,
                         const uint32_t *index,
                         size_t query_count,
                         const struct vs_i8_tiles *tiles,
                         int32_t *out);

#endif
