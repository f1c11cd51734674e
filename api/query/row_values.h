// SPDX-License-Identifier: Apache-2.0
/*
 * Values and places of single rows: fields of ranked rows, their vectors, and the row that has an
 * id.
 *
 * Fields come from the index where it stores them, else from Parquet (a seek per row). Private to
 * api/query.
 */
#ifndef VS_QUERY_ROW_VALUES_H
#define VS_QUERY_ROW_VALUES_H

#include "api/query/query_view.h"

struct vs_row_ref {
    size_t file; // of the view
    uint64_t position;
};

struct vs_row_fetch {
    const struct vs_view *view;
    const struct vs_field *fields;
    size_t field_count;
    const struct vs_row_ref *rows;
    size_t row_count;
    const struct vs_op *op;
};

// batch (initialised here, cleared by the caller) gets every row once, in some order; place_out[i],
// room for row_count, is where rows[i] stands.
enum vs_status vs_rows_fetch(const struct vs_row_fetch *fetch,
                             struct vs_batch *batch,
                             uint32_t *place_out,
                             struct vs_error *err);
// Lets what vs_rows_fetch needs of the fields, whatever the rows will be, travel while they are
// looked for. A failure shows when they are fetched.
void vs_rows_prefetch(const struct vs_view *view,
                      const struct vs_field *fields,
                      size_t field_count,
                      const struct vs_op *op);
// vectors_out[row_count][dim] of fetch->rows (fields are not looked at); present_out[i] false where
// the row has none of this dimension.
enum vs_status vs_rows_fetch_vectors(const struct vs_row_fetch *fetch,
                                     const struct vs_vector_contract *contract,
                                     float *vectors_out,
                                     bool *present_out,
                                     struct vs_error *err);

// The live row with this id (kind of the id field); the newest when there are several.
enum vs_status vs_row_find(const struct vs_view *view,
                           const struct vs_value *id,
                           const struct vs_op *op,
                           struct vs_row_ref *row_out,
                           bool *found_out,
                           struct vs_error *err);
// Text of an id as the table's id column has it. INVALID when the table has no id column.
enum vs_status vs_row_id_parse(const struct vs_view *view,
                               struct vs_str text,
                               struct vs_arena *arena,
                               struct vs_value *id_out,
                               struct vs_error *err);

#endif
