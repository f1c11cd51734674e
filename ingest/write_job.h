// SPDX-License-Identifier: Apache-2.0
/*
 * Rows into a table: read -> gate -> write data files -> one commit. Deletes by id or by positions:
 * find -> delete files -> one commit.
 *
 * Upsert = the live rows with the same ids are deleted in the commit that appends the new ones.
 * Without upsert an id that the table has already is VS_EXISTS. A data file of which no row is left
 * leaves the table as a file. Positions are found anew in every base that the commit is applied to,
 * so concurrent writers cannot make two live rows of one id. All or nothing: on any failure the
 * files written are removed and the table is as before (VS_UNKNOWN: nothing is removed, R5).
 */
#ifndef VS_INGEST_WRITE_JOB_H
#define VS_INGEST_WRITE_JOB_H

#include "ingest/id_set.h"
#include "vecstore/catalog/catalog.h"
#include "vecstore/iceberg/contract.h"

// Rows to write, as batches in the order of the table's schema.
struct vs_row_feed {
    // Appends rows to batch (reset by the caller); *first_row_out is the number of the first one
    // for messages; 0 rows: end.
    enum vs_status (*next)(void *ctx,
                           struct vs_batch *batch,
                           uint64_t *first_row_out,
                           struct vs_error *err);
    void *ctx;
    const char *name;     // of the source, for messages ("docs.parquet")
    const char *row_word; // "row" or "line"
    uint64_t total_rows;  // 0: unknown; for progress
};

// Finds what to delete in a snapshot (VS_NO_SNAPSHOT: none) of a base; called again when the commit
// has to be rebased.
typedef enum vs_status (*vs_delete_find_fn)(void *ctx,
                                            const struct vs_table_metadata *base,
                                            int64_t snapshot_id,
                                            struct vs_arena *arena,
                                            struct vs_position_delete **rows_out,
                                            size_t *count_out,
                                            struct vs_error *err);

struct vs_write_job {
    const char *table;
    const struct vs_table *loaded; // the state whose schema the feed follows
    struct vs_row_feed *feeds;
    size_t feed_count;
    bool upsert, quarantine;
    size_t thread_count;
    const struct vs_op *op;
    // Overwriting: the commit also deletes the rows that find gives, or every row. Then also a job
    // without rows commits, when there is something to delete.
    vs_delete_find_fn find;
    void *find_ctx;
    bool everything;
    const char *branch; // that gets the snapshot; NULL: main
};

struct vs_write_result {
    int64_t snapshot_id; // VS_NO_SNAPSHOT: nothing was written
    uint64_t rows, replaced, rejected, bytes;
    size_t file_count;
    char quarantine_uri[1024]; // "" when nothing was set aside
};

enum vs_status vs_write_job_run(struct vs_catalog *catalog,
                                const struct vs_write_job *job,
                                struct vs_write_result *result_out,
                                struct vs_error *err);

struct vs_delete_job {
    const char *table;
    const struct vs_id_set *ids; // or
    vs_delete_find_fn find;
    void *find_ctx;
    const struct vs_op *op;
    const char *branch; // that gets the snapshot; NULL: main
};

struct vs_delete_result {
    int64_t snapshot_id; // VS_NO_SNAPSHOT: nothing was deleted
    uint64_t deleted;
    uint64_t not_found; // of the ids
};

enum vs_status vs_delete_job_run(struct vs_catalog *catalog,
                                 const struct vs_delete_job *job,
                                 struct vs_delete_result *result_out,
                                 struct vs_error *err);

#endif
