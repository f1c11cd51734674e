// SPDX-License-Identifier: Apache-2.0
/*
 * The rows that match a filter, as the write jobs ask for them: deletes and overwrites by filter.
 */
#ifndef VS_API_FILTER_ROWS_H
#define VS_API_FILTER_ROWS_H

#include "api/db.h"
#include "ingest/write_job.h"

struct vs_filter_rows {
    struct vs_engine *engine;
    struct vs_match match; // filter or filter_json, and the table's store
    const struct vs_op *op;
};

// A vs_delete_find_fn; ctx is a vs_filter_rows.
enum vs_status vs_filter_rows_find(void *ctx,
                                   const struct vs_table_metadata *base,
                                   int64_t snapshot_id,
                                   struct vs_arena *arena,
                                   struct vs_position_delete **rows_out,
                                   size_t *count_out,
                                   struct vs_error *err);

#endif
