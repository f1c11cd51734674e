// SPDX-License-Identifier: Apache-2.0
#include "index/codebook_tiles.h"

#include "vecstore/base/checked.h"

#include <string.h>

void vs_tiles_fill(const int8_t *rows, size_t stride, size_t count, size_t dim, int8_t *tiles_out)
{
    size_t quads = (dim + 3) / 4, tile_bytes = quads * 4 * VS_TILE_ROWS;
    memset(tiles_out, 0, vs_tile_count(count) * tile_bytes);
    for (size_t r = 0; r < count; r++) {
        const int8_t *row = rows + r * stride;
        int8_t *to = tiles_out + r / VS_TILE_ROWS * tile_bytes + r % VS_TILE_ROWS * 4;
        for (size_t j = 0; j < dim; j += 4) {
            memcpy(to + j * VS_TILE_ROWS, row + j, dim - j < 4 ? dim - j : 4);
        }
    }
}

static int8_t *alloc_tiles(const struct vs_env *env, size_t count, size_t quads)
{
    size_t bytes;
    return vs_mul_size(count, quads * 4 * VS_TILE_ROWS, &bytes) ? vs_alloc_aligned(env, bytes)
                                                                : NULL;
}

struct vs_codebook_tiles *vs_codebook_tiles_make(const struct vs_codebook *codebook)
{
    const struct vs_env *env = codebook->env;
    size_t dim = codebook->proj_dim, supers = codebook->super_count;
    struct vs_codebook_tiles *tiles = vs_alloc_zeroed(env, 1, sizeof *tiles);
    if (tiles == NULL) {
        return NULL;
    }
    tiles->quads = (dim + 3) / 4;
    tiles->projection_quads = ((size_t)codebook->dim + 3) / 4;
    tiles->first = vs_alloc_zeroed(env, supers + 1, sizeof *tiles->first);
    if (tiles->first != NULL) {
        for (size_t s = 0; s < supers; s++) {
            size_t count = codebook->super_first[s + 1] - codebook->super_first[s];
            tiles->first[s + 1] = tiles->first[s] + (uint32_t)vs_tile_count(count);
        }
        tiles->supers = alloc_tiles(env, vs_tile_count(supers), tiles->quads);
        tiles->lists = alloc_tiles(env, tiles->first[supers], tiles->quads);
        tiles->projection = alloc_tiles(env, vs_tile_count(dim), tiles->projection_quads);
    }
    if (tiles->first == NULL || tiles->supers == NULL || tiles->lists == NULL ||
        tiles->projection == NULL) {
        vs_codebook_tiles_free(env, tiles);
        return NULL;
    }
    vs_tiles_fill(codebook->projection_i8, codebook->projection_stride, dim, codebook->dim,
                  tiles->projection);
    vs_tiles_fill(codebook->super_i8, dim, supers, dim, tiles->supers);
    for (size_t s = 0; s < supers; s++) {
        size_t first = codebook->super_first[s];
        vs_tiles_fill(codebook->centroids_i8 + first * dim, dim,
                      codebook->super_first[s + 1] - first, dim,
                      tiles->lists + tiles->first[s] * tiles->quads * 4 * VS_TILE_ROWS);
    }
    return tiles;
}

void vs_codebook_tiles_free(const struct vs_env *env, struct vs_codebook_tiles *tiles)
{
    if (tiles != NULL) {
        vs_free_aligned(env, tiles->supers);
        vs_free_aligned(env, tiles->lists);
        vs_free_aligned(env, tiles->projection);
        vs_free(env, tiles->first);
        vs_free(env, tiles);
    }
}
