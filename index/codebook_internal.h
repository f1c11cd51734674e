// SPDX-License-Identifier: Apache-2.0
/*
 * Private to index/: bounds of a codebook (docs/format/index-v1-blobs.md section 1) and what its
 * files share.
 */
#ifndef VS_INDEX_CODEBOOK_INTERNAL_H
#define VS_INDEX_CODEBOOK_INTERNAL_H

#include "index/codebook.h"

#define VS_DIM_MAX 16384
#define VS_PROJ_DIM_MAX 16640
#define VS_M_MAX 256
#define VS_LIST_MAX (1u << 22)
#define VS_CODEBOOK_ABS_MAX 1e15f // so that squared norms stay finite
#define VS_PQ_CODES 16

// VS_OK when all counts are within bounds and agree; `code` is what a violation returns (VS_INVALID
// or VS_CORRUPT).
enum vs_status vs_codebook_validate_counts(const struct vs_codebook *codebook,
                                           enum vs_status code,
                                           const char *what,
                                           struct vs_error *err);

// Elements of the float arrays, in file order.
size_t vs_codebook_projection_len(const struct vs_codebook *codebook);
size_t vs_codebook_super_len(const struct vs_codebook *codebook);
size_t vs_codebook_centroid_len(const struct vs_codebook *codebook);
size_t vs_codebook_pq_len(const struct vs_codebook *codebook);

// The derived arrays without the model id.
enum vs_status vs_codebook_derive(struct vs_codebook *codebook, struct vs_error *err);
#endif
