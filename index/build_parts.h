// SPDX-License-Identifier: Apache-2.0
/*
 * Part files: encoded vectors of some data files, written front to back. See
 * docs/format/index-parts.md section 2.
 *
 * One form for parts made on other machines and for the log of a build that can be resumed.
 * Encoders and decoders are pure; bytes read are checked before they are used. Ownership: a part
 * borrows its file. Threads: single owner.
 */
#ifndef VS_INDEX_BUILD_PARTS_H
#define VS_INDEX_BUILD_PARTS_H

#include "index/codebook_assign.h"
#include "index/drift.h"
#include "index/index.h"
#include "index/index_format.h"
#include "vecstore/base/arena.h"
#include "vecstore/base/crypto.h"
#include "vecstore/base/io.h"

#define VS_PART_HEADER_SIZE 128
#define VS_PART_BLOCK_SIZE 64
#define VS_PART_END UINT32_MAX // column of the end block
#define VS_PART_VECTORS_MAX 65536

struct vs_part_column {
    int32_t field_id;
    uint32_t dim, m, list_count;
};

struct vs_part_head {
    uint8_t model[VS_SHA256_SIZE];
    struct vs_uuid table_uuid;
    int64_t snapshot_id;
    size_t column_count;
    const struct vs_part_column *columns;
    size_t file_count;
    const struct vs_index_file_ref *files; // first_row: counted within the part
};

struct vs_part_block {
    uint32_t column, file; // by the head's tables
    uint32_t count, first, rows, bins;
    uint64_t length; // of the payload
    uint32_t crc;
    uint64_t error, energy;
};

// Arrays of one block; those of a decoded one lead into its payload, which is 64-byte aligned.
struct vs_part_vectors {
    const uint32_t *position;
    const uint32_t *list, *second;
    const float *distance, *scale, *norm;
    const uint8_t *codes;  // [count][m / 2]
    const int8_t *rows_i8; // [count][stride]
    const uint32_t *bins;  // pairs
};

// Header and tables.
enum vs_status vs_part_head_encode(const struct vs_part_head *head,
                                   struct vs_buf *out,
                                   struct vs_error *err);
// bytes: header and tables; names lead into them.
enum vs_status vs_part_head_decode(struct vs_str bytes,
                                   const char *what,
                                   struct vs_arena *arena,
                                   struct vs_part_head *head_out,
                                   struct vs_error *err);
// How many bytes header and tables have, by the first VS_PART_HEADER_SIZE bytes.
enum vs_status vs_part_head_length(const uint8_t *bytes,
                                   const char *what,
                                   size_t *length_out,
                                   struct vs_error *err);

// Bytes of the payload of a block.
uint64_t vs_part_payload_length(const struct vs_part_column *column, uint32_t count, uint32_t bins);
void vs_part_block_encode(const struct vs_part_block *block, uint8_t bytes_out[VS_PART_BLOCK_SIZE]);
enum vs_status vs_part_block_decode(const uint8_t bytes[VS_PART_BLOCK_SIZE],
                                    const struct vs_part_head *head,
                                    const char *what,
                                    struct vs_part_block *block_out,
                                    struct vs_error *err);
// payload: 64-byte aligned, block->length bytes.
enum vs_status vs_part_payload_decode(const struct vs_part_head *head,
                                      const struct vs_part_block *block,
                                      const uint8_t *payload,
                                      const char *what,
                                      struct vs_part_vectors *vectors_out,
                                      struct vs_error *err);
// Appends header and payload of a block; the arrays of `vectors` are as the block says, drift is
// what its vectors add (its bins are counted here).
enum vs_status vs_part_block_append(const struct vs_part_column *column,
                                    struct vs_part_block *block,
                                    const struct vs_part_vectors *vectors,
                                    const struct vs_drift *drift,
                                    struct vs_buf *out,
                                    struct vs_error *err);

#endif
