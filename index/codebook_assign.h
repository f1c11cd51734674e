// SPDX-License-Identifier: Apache-2.0
/*
 * Many rows at once: projection from int8 rows, and the nearest list of each row with, on request,
 * a second one after SOAR.
 *
 * Thread-safe, pure, allocates nothing (about 512 KiB of stack), and gives the same bits for every
 * instruction set and for every way of cutting the rows into batches. Batches of 256 rows or more
 * are fastest. See docs/internals/training.md.
 */
#ifndef VS_INDEX_CODEBOOK_ASSIGN_H
#define VS_INDEX_CODEBOOK_ASSIGN_H

#include "index/codebook.h"

#define VS_ASSIGN_NO_LIST UINT32_MAX

struct vs_assignment {
    uint32_t list;   // the nearest: L2 in the projected space; int8 shortlist, exact check in f32
    uint32_t second; // VS_ASSIGN_NO_LIST: not asked for, or there is only one list
    float distance;  // squared, to the centroid of the first list
};

// y: [count][proj_dim]. soar_lambda > 0: second is, of the 24 nearest lists besides the first, the
// one with least |r'|^2 + soar_lambda * (r . r' / |r|)^2, where r and r' are the residuals to the
// first and to that list; 0: none. Rows that are not finite go to list 0.
void vs_codebook_assign_batch(const struct vs_codebook *codebook,
                              const float *y,
                              size_t count,
                              float soar_lambda,
                              struct vs_assignment *out);

// y[r][p] = projection of row r, from int8 rows (vs_quantize_i8) that lie `stride` bytes apart,
// zero beyond dim; stride is a multiple of 64. Exact integer sums: the same bits everywhere, ten
// times faster than vs_codebook_project; its error is far below that of the codes. This is
// what building an index and training use.
void vs_codebook_project_rows(const struct vs_codebook *codebook,
                              const int8_t *rows,
                              size_t stride,
                              const float *scale,
                              size_t count,
                              float *y);

#endif
