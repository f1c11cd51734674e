// SPDX-License-Identifier: Apache-2.0
/*
 * Writes batches as data files of a table: Parquet, rolled at a target size, under <table>/data/.
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

struct vs_batch_write_options {
    uint64_t target_file_bytes; // 0: table property write.target-file-size-bytes, else 512 MiB
    size_t thread_count;
};

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
// Ends the last file. The entries live in the writer until free. File order is row order.
enum vs_status vs_batch_writer_finish(struct vs_batch_writer *writer,
                                      const struct vs_data_file **files_out,
                                      size_t *count_out,
                                      struct vs_error *err);
// After finish: keep says that a commit refers to the files (or may), so that they are not removed.
void vs_batch_writer_free(struct vs_batch_writer *writer, bool keep);
uint64_t vs_batch_writer_bytes(const struct vs_batch_writer *writer);

#endif
