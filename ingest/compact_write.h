// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the rows of a group of data files into new ones: without deleted rows, in order, and
 * keeping account of where each row went.
 *
 * Memory: one batch and one row group, and twelve bytes per piece (rows that stayed together).
 * Ownership: a rewrite owns its files until clear. Threads: single owner.
 */
#ifndef VS_INGEST_COMPACT_WRITE_H
#define VS_INGEST_COMPACT_WRITE_H

#include "ingest/batch_write.h"
#include "ingest/compact_plan.h"

struct vs_compact_piece {        // rows of a new file, one after the other
    uint32_t file, first, count; // of the plan; position
};

struct vs_compact_output {
    struct vs_str uri;
    const struct vs_data_file *data; // after the rewrite
    struct vs_compact_piece *pieces;
    size_t piece_count, piece_capacity;
};

struct vs_compact_rewrite {
    const struct vs_env *env;
    struct vs_batch_writer *writer;
    struct vs_compact_output *outputs;
    size_t output_count, output_capacity;
    size_t piece_total;
    bool is_untraced; // too many pieces: the index cannot follow
    uint64_t rows;
};

struct vs_compact_source {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    const struct vs_scan_plan *plan;
    uint64_t target_bytes;
    size_t thread_count;
    const struct vs_op *op;
};

// Clear in every case.
enum vs_status vs_compact_rewrite_run(const struct vs_compact_source *source,
                                      const struct vs_compact_group *group,
                                      struct vs_compact_rewrite *rewrite,
                                      struct vs_error *err);
// keep: a commit refers to the files, or may.
void vs_compact_rewrite_clear(struct vs_compact_rewrite *rewrite, bool keep);

#endif
