// SPDX-License-Identifier: Apache-2.0
/*
 * The blobs that belong to rows, not to vectors, in row order: attrs (short columns for filters),
 * payload (long text in small compressed blocks) and ids (sorted id -> row). Pure encoders and
 * decoders over bytes; layouts in docs/format/index-v1.md.
 *
 * Decoders validate everything (CRC32C per part, counts against the bytes given) and return a
 * reason.
 */
#ifndef VS_INDEX_ATTRS_H
#define VS_INDEX_ATTRS_H

#include "vecstore/base/io.h"
#include "vecstore/format/column.h"

// ---- attrs: one part per column; STRING and BINARY dictionary-coded when that is smaller; lists
// as offsets + child ----
enum vs_status vs_attr_encode(const struct vs_column *column,
                              const struct vs_field *field,
                              struct vs_buf *out,
                              struct vs_error *err);
// kind and row count must be as expected. Strings come back dictionary-coded where stored so.
enum vs_status vs_attr_decode(const struct vs_env *env,
                              struct vs_str bytes,
                              const char *what,
                              const struct vs_field *field,
                              size_t row_count,
                              struct vs_column *column_out,
                              struct vs_error *err);

// ---- payload: rows are appended in row order; blocks of about 16 KiB are compressed with zstd; a
// directory says where each block starts ----
struct vs_payload_writer;
enum vs_status vs_payload_writer_open(const struct vs_env *env,
                                      const struct vs_field *fields,
                                      size_t field_count,
                                      struct vs_payload_writer **writer_out,
                                      struct vs_error *err);
// batch has the payload fields as columns, in order. Finished blocks are appended to `out`, to be
// written to the blob by the caller.
enum vs_status vs_payload_writer_add(struct vs_payload_writer *writer,
                                     const struct vs_batch *batch,
                                     struct vs_buf *out,
                                     struct vs_error *err);
// Last block and directory (+ its length, so that the end of the blob finds it).
enum vs_status vs_payload_writer_finish(struct vs_payload_writer *writer,
                                        struct vs_buf *out,
                                        struct vs_error *err);
void vs_payload_writer_free(struct vs_payload_writer *writer);

struct vs_payload_reader; // keeps the directory in memory, reads blocks on demand

// Where a payload lies and what it holds.
struct vs_payload_place {
    struct vs_file *file; // borrowed until the reader is closed
    uint64_t offset, length;
    const struct vs_field *fields; // copied
    size_t field_count, row_count;
};
enum vs_status vs_payload_open(const struct vs_env *env,
                               const struct vs_payload_place *place,
                               struct vs_payload_reader **reader_out,
                               struct vs_error *err);
void vs_payload_close(struct vs_payload_reader *reader);
// Appends the values of the rows (any order) to the columns of batch (all payload fields, or only
// those with wanted[i]).
enum vs_status vs_payload_fetch(struct vs_payload_reader *reader,
                                const uint32_t *rows,
                                size_t count,
                                const bool *wanted,
                                struct vs_batch *batch,
                                struct vs_error *err);

// ---- ids: LONG or STRING ids sorted, each with its row; duplicates (old versions of an upserted
// row) are kept, by row ascending ----
enum vs_status vs_ids_encode(const struct vs_column *ids, struct vs_buf *out, struct vs_error *err);
struct vs_ids; // decoded view over bytes that the caller keeps
enum vs_status vs_ids_open(const struct vs_env *env,
                           struct vs_str bytes,
                           const char *what,
                           enum vs_kind kind,
                           size_t row_count,
                           struct vs_ids **ids_out,
                           struct vs_error *err);
void vs_ids_close(struct vs_ids *ids);
// Rows with this id: *first_out points at *count_out ascending row numbers (0 when absent);
// borrowed.
void vs_ids_find(const struct vs_ids *ids,
                 const struct vs_value *id,
                 const uint32_t **first_out,
                 size_t *count_out);

#endif
