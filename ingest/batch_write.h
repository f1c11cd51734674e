// SPDX-License-Identifier: Apache-2.0
/*
 * Writes batches as data files of a table: Parquet, rolled at a target size, one open file per
 * partition of the table's default spec, under <table>/data/<partition>/.
 *
 * Table properties write.data.path (below the table's location) and write.object-storage.enabled
 * place the files elsewhere. At most 64 files are open: beyond that the one that was written to
 * longest ago is ended, so that rows sorted by partition make the fewest files.
 *
 * Nothing is visible in the table before a commit names the files. free without finish removes what
 * was written. Ownership: borrows store, metadata. Threads: single owner.
 */
#ifndef VS_INGEST_BATCH_WRITE_H
#define VS_INGEST_BATCH_WRITE_H

#include "vecstore/format/column.h"
#include "vecstore/iceberg/manifest.h"
#include "vecstore/object/store.h"

struct vs_batch_writer;

// Told after rows of the batch at hand were written to the file `uri` (the same pointer in every
// call for a file), in this order; rows NULL: all of the batch.
typedef enum vs_status (*vs_rows_placed_fn)(
    void *ctx, struct vs_str uri, const uint32_t *rows, size_t count, struct vs_error *err);

struct vs_batch_write_options {
    uint64_t target_file_bytes; // 0: table property write.target-file-size-bytes, else 512 MiB
    size_t thread_count;
    bool row_lineage; // batches have two more columns (vs_row_lineage_fields), stored in the files
    vs_rows_placed_fn placed; // may be NULL
    void *placed_ctx;
};

// _row_id and _last_updated_sequence_number.
void vs_row_lineage_fields(struct vs_field fields_out[2]);
// target_file_bytes, else what the table's properties say, else 512 MiB.
uint64_t vs_batch_target_bytes(const struct vs_table_metadata *metadata,
                               uint64_t target_file_bytes);

enum vs_status vs_batch_writer_open(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    const struct vs_batch_write_options *options,
                                    struct vs_batch_writer **writer_out,
                                    struct vs_error *err);
// Columns in the order of the table's current schema.
enum vs_status vs_batch_writer_write(struct vs_batch_writer *writer,
                                     const struct vs_batch *batch,
                                     struct vs_error *err);
// Ends the open files. The entries live in the writer until free. Without partitions file order is
// row order. UNAVAILABLE when a file may not be safely stored: nothing refers to it.
enum vs_status vs_batch_writer_finish(struct vs_batch_writer *writer,
                                      const struct vs_data_file **files_out,
                                      size_t *count_out,
                                      struct vs_error *err);
// After finish: keep says that a commit refers to the files (or may), so that they are not removed.
void vs_batch_writer_free(struct vs_batch_writer *writer, bool keep);
uint64_t vs_batch_writer_bytes(const struct vs_batch_writer *writer);

#endif
