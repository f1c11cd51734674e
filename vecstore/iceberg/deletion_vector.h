// SPDX-License-Identifier: Apache-2.0
/*
 * Deletion vectors (Iceberg v3): the blob deletion-vector-v1, and reading one through a manifest
 * entry.
 *
 * Layout: uint32 big-endian length of what lies between it and the CRC, magic d1 d3 39 64, portable
 * 64-bit roaring bitmap, uint32 big-endian CRC-32 (zlib) of magic and bitmap. Reading uses
 * content_offset and content_size alone, so that a vector inside a Puffin file and the bare blob
 * that older DuckDB wrote are the same to it. Spec: iceberg.md 1.8. Threads: pure functions.
 */
#ifndef VS_ICEBERG_DELETION_VECTOR_H
#define VS_ICEBERG_DELETION_VECTOR_H

#include "vecstore/base/bitmap.h"
#include "vecstore/iceberg/scan.h"

#define VS_DELETION_VECTOR_MAX_BYTES ((size_t)INT32_MAX) // Java holds it in one array

// True for an entry that is a deletion vector, not a position delete file.
bool vs_is_deletion_vector(const struct vs_data_file *entry);

// CORRUPT names `what` and which check failed (length, magic, CRC, bitmap).
enum vs_status vs_deletion_vector_decode(const struct vs_env *env,
                                         struct vs_str blob,
                                         const char *what,
                                         struct vs_bitmap *bitmap_out,
                                         struct vs_error *err);
// Appends the blob.
enum vs_status vs_deletion_vector_encode(const struct vs_bitmap *bitmap,
                                         struct vs_buf *out,
                                         struct vs_error *err);

// Reads the vector of a manifest entry; its cardinality has to be the entry's record_count.
enum vs_status vs_deletion_vector_read(const struct vs_env *env,
                                       struct vs_store *store,
                                       const struct vs_table_metadata *metadata,
                                       const struct vs_data_file *entry,
                                       struct vs_bitmap *bitmap_out,
                                       struct vs_error *err);

// Writes vectors for the rows to delete (sorted here, duplicates dropped) in a v3 table: one Puffin
// file with one blob per data file, each the union of the file's former vector or position deletes
// and the new rows. The entries live in arena. On failure nothing is left behind.
enum vs_status vs_deletion_vectors_write(struct vs_store *store,
                                         const struct vs_deletes_request *request,
                                         struct vs_arena *arena,
                                         struct vs_deletes_written *written_out,
                                         struct vs_error *err);

#endif
