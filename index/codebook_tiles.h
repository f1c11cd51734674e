// SPDX-License-Identifier: Apache-2.0
/*
 * int8 rows in tiles for vs_kernels.dot_i8_tile: groups of 16 rows, four coordinates of one row
 * side by side, so that one instruction multiplies four coordinates of 16 rows.
 *
 * Derived from a codebook by vs_codebook_derive, owned by it. See docs/internals/training.md.
 */
#ifndef VS_INDEX_CODEBOOK_TILES_H
#define VS_INDEX_CODEBOOK_TILES_H

#include "index/codebook.h"

#define VS_TILE_ROWS 16

struct vs_codebook_tiles {
    size_t quads;    // of a centroid: ceil(proj_dim / 4)
    int8_t *supers;  // all super-centroids
    int8_t *lists;   // centroids; every super-cluster begins a new tile
    uint32_t *first; // [super_count + 1]: tiles of each super-cluster
    size_t projection_quads;
    int8_t *projection; // the rows of the projection
};

static inline size_t vs_tile_count(size_t rows)
{
    return (rows + VS_TILE_ROWS - 1) / VS_TILE_ROWS;
}

// count rows, stride bytes apart, to ceil(count / 16) tiles of 64 * ceil(dim / 4) bytes; missing
// rows and coordinates are zero.
void vs_tiles_fill(const int8_t *rows, size_t stride, size_t count, size_t dim, int8_t *tiles_out);
// From the int8 centroids; NULL: no memory.
struct vs_codebook_tiles *vs_codebook_tiles_make(const struct vs_codebook *codebook);
void vs_codebook_tiles_free(const struct vs_env *env, struct vs_codebook_tiles *tiles);

#endif
