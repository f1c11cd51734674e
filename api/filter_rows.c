// SPDX-License-Identifier: Apache-2.0
#include "api/filter_rows.h"

enum vs_status vs_filter_rows_find(void *ctx,
                                   const struct vs_table_metadata *base,
                                   int64_t snapshot_id,
                                   struct vs_arena *arena,
                                   struct vs_position_delete **rows_out,
                                   size_t *count_out,
                                   struct vs_error *err)
{
    struct vs_filter_rows *rows = ctx;
    rows->match.snapshot_id = snapshot_id;
    return vs_engine_match(rows->engine, base, &rows->match, rows->op, arena, rows_out, count_out,
                           err);
}
