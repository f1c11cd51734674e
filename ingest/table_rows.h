// SPDX-License-Identifier: Apache-2.0
/*
 * All rows of a plan's files one after the other, deleted ones included: the row order of an index
 * segment. Can be rewound.
 */
#ifndef VS_INGEST_TABLE_ROWS_H
#define VS_INGEST_TABLE_ROWS_H

#include "vecstore/iceberg/scan.h"

struct vs_table_rows;

// Everything is borrowed until close.
enum vs_status vs_table_rows_open(const struct vs_env *env,
                                  struct vs_store *store,
                                  const struct vs_table_metadata *metadata,
                                  const struct vs_scan_plan *plan,
                                  const struct vs_field *fields,
                                  size_t field_count,
                                  struct vs_table_rows **rows_out,
                                  struct vs_error *err);
void vs_table_rows_close(struct vs_table_rows *rows); // accepts NULL
// In the form of struct vs_index_row_source; ctx is the vs_table_rows.
enum vs_status vs_table_rows_next(void *ctx,
                                  size_t max_rows,
                                  struct vs_batch *batch,
                                  struct vs_error *err);
enum vs_status vs_table_rows_rewind(void *ctx, struct vs_error *err);

#endif
