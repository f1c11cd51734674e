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
#define VS_CODEBOOK_HEADER ((size_t)64)

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
// Its parts, for who has the trained arrays piece by piece. Room first; then everything but the
// lists; lists [first, first + count) from their float centroids, first being a multiple of
// VS_BLOCK_LANES (any may be derived side by side); at last their codes, which these have put into
// `section` (as a list in a lists blob).
enum vs_status vs_codebook_make_room(struct vs_codebook *codebook, struct vs_error *err);
void vs_codebook_derive_head(struct vs_codebook *codebook);
void vs_codebook_derive_lists(struct vs_codebook *codebook,
                              uint32_t first,
                              uint32_t count,
                              const float *centroids,
                              uint8_t *section);
size_t vs_codebook_section_len(const struct vs_codebook *codebook);
enum vs_status vs_codebook_take_section(struct vs_codebook *codebook,
                                        uint8_t *section,
                                        struct vs_error *err);

// codebook_blob.c: the header's counts and the CRC of what follows it.
enum vs_status vs_codebook_parse_header(const uint8_t *header,
                                        uint64_t blob_len,
                                        const char *what,
                                        struct vs_codebook *header_out,
                                        uint32_t *body_crc_out,
                                        struct vs_error *err);
// Little-endian floats; false when one is not finite or too large. `from` and `values` may be one.
bool vs_codebook_load_floats(const uint8_t *from, float *values, size_t count);
// super_first from its bytes, checked.
enum vs_status vs_codebook_load_supers(struct vs_codebook *codebook,
                                       const uint8_t *from,
                                       const char *what,
                                       struct vs_error *err);
enum vs_status vs_codebook_bad_value(const char *what, struct vs_error *err);
#endif
