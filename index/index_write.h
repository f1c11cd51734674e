// SPDX-License-Identifier: Apache-2.0
/*
 * Writing an index file front to back: blobs with their checksums, and at the end the descriptor
 * and the footer.
 *
 * Ownership: borrows the object writer; owns the list of blobs. Threads: single owner. Layout:
 * docs/format/index-v1.md.
 */
#ifndef VS_INDEX_INDEX_WRITE_H
#define VS_INDEX_INDEX_WRITE_H

#include "index/descriptor.h"
#include "vecstore/format/puffin.h"

struct vs_index_writer {
    const struct vs_env *env;
    struct vs_puffin_writer *puffin;
    int64_t snapshot_id, sequence_number;
    const int32_t *all_fields; // field ids of blobs that belong to no single column
    size_t all_field_count;
    struct vs_blob_entry *blobs;
    size_t blob_count, blob_capacity;
    uint32_t crc; // of the open blob
};

enum vs_status vs_index_writer_open(struct vs_index_writer *writer,
                                    const struct vs_env *env,
                                    struct vs_writer *out,
                                    int64_t snapshot_id,
                                    int64_t sequence_number,
                                    struct vs_error *err);
void vs_index_writer_clear(struct vs_index_writer *writer);

// type is a string constant. field_id -1: the blob belongs to all fields.
enum vs_status vs_index_blob_begin(struct vs_index_writer *writer,
                                   const char *type,
                                   int32_t segment,
                                   int32_t field_id,
                                   struct vs_error *err);
enum vs_status vs_index_blob_write(struct vs_index_writer *writer,
                                   const void *bytes,
                                   size_t n,
                                   struct vs_error *err);
// All bytes of a blob that was begun from that of another index file, unread where the storage can
// copy it. Its checksum goes along, so that damage shows in the copy as it does in the original;
// where the bytes came through here after all, damage is VS_CORRUPT.
enum vs_status vs_index_blob_copy(struct vs_index_writer *writer,
                                  struct vs_file *file,
                                  const struct vs_blob_entry *blob,
                                  const struct vs_op *op,
                                  struct vs_error *err);
enum vs_status vs_index_blob_end(struct vs_index_writer *writer, struct vs_error *err);
// All three for bytes in memory.
enum vs_status vs_index_blob_put(struct vs_index_writer *writer,
                                 const char *type,
                                 int32_t segment,
                                 int32_t field_id,
                                 const void *bytes,
                                 size_t n,
                                 struct vs_error *err);
// A blob of another producer; not listed in the descriptor.
enum vs_status vs_index_blob_carry(struct vs_index_writer *writer,
                                   const struct vs_puffin_blob *blob,
                                   struct vs_str bytes,
                                   struct vs_error *err);
// Fills descriptor->blobs, writes it and the footer.
enum vs_status vs_index_writer_finish(struct vs_index_writer *writer,
                                      struct vs_descriptor *descriptor,
                                      uint64_t *file_size_out,
                                      uint64_t *footer_size_out,
                                      struct vs_error *err);

#endif
