// SPDX-License-Identifier: Apache-2.0
/*
 * Compaction: rewrites small data files and files with many deleted rows, in one commit that brings
 * the index along.
 *
 * The rows of the table are the same before and after. New files keep the highest sequence number
 * of the snapshot that was read, so that deletes committed meanwhile still apply; a group of files
 * to which somebody has added position deletes meanwhile, or which somebody has rewritten, is left
 * out. The job starts anew when no group is left, three times, then CONFLICT. A failed or stopped
 * job leaves the table as it was. docs/operations/upkeep.md.
 */
#ifndef VS_INGEST_COMPACT_JOB_H
#define VS_INGEST_COMPACT_JOB_H

#include "vecstore/catalog/catalog.h"

struct vs_compact_job {
    const char *table;
    uint64_t target_bytes; // 0: write.target-file-size-bytes, else 512 MiB
    uint64_t min_bytes;    // 0: 3/4 of the target
    uint32_t min_files;    // 0: 2
    // Binds a predicate to the newest metadata: only files that may hold a matching row. NULL: all.
    enum vs_status (*bind)(void *ctx,
                           const struct vs_table_metadata *metadata,
                           const struct vs_predicate **predicate_out,
                           struct vs_error *err);
    void *bind_ctx;
    bool dry_run;
    size_t thread_count;
    const struct vs_op *op;
};

struct vs_compact_result {
    int64_t snapshot_id; // the new one, else the newest
    uint64_t rewritten_files, added_files, removed_delete_files, rows;
    uint64_t bytes_before, bytes_after; // dry_run: as many as before
    const char *index;                  // "remapped", "none", "kept"
};

enum vs_status vs_compact_job_run(struct vs_catalog *catalog,
                                  const struct vs_compact_job *job,
                                  struct vs_compact_result *result_out,
                                  struct vs_error *err);

#endif
