// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of a request that several operations share: filter, selected columns, rows as JSON.
 * Private to api/query.
 */
#ifndef VS_QUERY_REQUEST_H
#define VS_QUERY_REQUEST_H

#include "api/query/filter.h"
#include "api/query/query_view.h"
#include "api/query/row_values.h"

// One of text and json, or neither (filter NULL). Bound to the view's schema, in arena.
enum vs_status vs_request_filter(const struct vs_view *view,
                                 const char *text,
                                 struct vs_str json,
                                 struct vs_arena *arena,
                                 struct vs_filter **filter_out,
                                 struct vs_error *err);

// Columns to read for an answer: fields[0] is the id when the table has one, then the selected
// columns.
struct vs_selection {
    struct vs_field *fields;
    size_t field_count;
    bool has_id;
    size_t first; // of the selected columns
};
// select NULL or {"*"}: every readable column but the id and the vectors of the table's contracts;
// none: no columns.
enum vs_status vs_request_selection(const struct vs_view *view,
                                    const char *const *select,
                                    size_t select_count,
                                    bool none,
                                    struct vs_arena *arena,
                                    struct vs_selection *selection_out,
                                    struct vs_error *err);

// {"title":…} of one row of a batch with selection->fields as columns; and its id (null without an
// id column). Followed by a NUL.
struct vs_row_json {
    struct vs_str id, fields;
};
// Of rows places[0..count) of the batch, in arena.
enum vs_status vs_rows_write(const struct vs_selection *selection,
                             const struct vs_batch *batch,
                             const uint32_t *places,
                             size_t count,
                             struct vs_arena *arena,
                             struct vs_row_json *json_out,
                             struct vs_error *err);

#endif
