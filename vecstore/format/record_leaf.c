// SPDX-License-Identifier: Apache-2.0
// The entries of one leaf column: levels from the cursor's window, values decoded a few at a time.
#include "vecstore/format/record_internal.h"

#define BYTES_STEP 16 // values without a fixed width that are held at once

void vs_record_leaf_init(struct vs_record_leaf *leaf,
                         const struct vs_parquet_reader *reader,
                         const struct vs_record_leaf_info *info,
                         bool wants_values)
{
    bool is_fixed = vs_kind_width(info->kind) > 0;
    leaf->value_at = leaf->present_left = 0;
    leaf->value_step = is_fixed ? VS_PQ_LEVELS : BYTES_STEP;
    leaf->wants_values = wants_values;
    vs_pq_cursor_init_leaf(&leaf->cursor, reader, &info->leaf, info->kind);
    vs_column_init(&leaf->values, reader->env, info->kind);
}

void vs_record_leaf_clear(struct vs_record_leaf *leaf)
{
    vs_pq_cursor_clear(&leaf->cursor);
    vs_column_clear(&leaf->values);
}

enum vs_status vs_record_leaf_open(struct vs_record_leaf *leaf, size_t group, struct vs_error *err)
{
    leaf->value_at = leaf->present_left = 0;
    vs_column_reset(&leaf->values);
    return vs_pq_cursor_open(&leaf->cursor, group, err);
}

// Rows of a v2 page are whole, and as many as its header states.
static enum vs_status count_rows(struct vs_pq_cursor *c, bool is_first, struct vs_error *err)
{
    uint64_t rows = 0;
    if (c->page_rows_left == UINT64_MAX || c->leaf.max_rep == 0) {
        return VS_OK;
    }
    if (is_first && c->rep[0] != 0) {
        return vs_fail(err, VS_CORRUPT, "a version 2 page begins inside of a row");
    }
    for (size_t i = 0; i < c->level_count; i++) {
        rows += c->rep[i] == 0;
    }
    if (rows > c->page_rows_left || (c->page_left == 0 && rows != c->page_rows_left)) {
        return vs_fail(err, VS_CORRUPT,
                       "a page holds another number of rows than its header states");
    }
    c->page_rows_left -= rows;
    return VS_OK;
}

static enum vs_status fill(struct vs_record_leaf *leaf, struct vs_error *err)
{
    struct vs_pq_cursor *c = &leaf->cursor;
    bool is_first = c->page_left == 0;
    // Values of the window before that nobody took were passed when their entries were.
    VS_TRY(vs_pq_cursor_fill_levels(c, err));
    VS_TRY(count_rows(c, is_first, err));
    size_t present = c->level_count;
    if (!c->all_present) {
        present = 0;
        for (size_t i = 0; i < c->level_count; i++) {
            present += c->def[i] == c->leaf.max_def;
        }
    }
    leaf->present_left = present;
    leaf->value_at = 0;
    vs_column_reset(&leaf->values);
    return leaf->wants_values ? VS_OK : vs_pq_cursor_append(c, present, present, NULL, NULL, err);
}

enum vs_status vs_record_leaf_peek(struct vs_record_leaf *leaf,
                                   bool *more_out,
                                   struct vs_error *err)
{
    struct vs_pq_cursor *c = &leaf->cursor;
    if (c->level_at < c->level_count) {
        *more_out = true;
        return VS_OK;
    }
    if (c->page_left == 0 && c->entries_left == 0) {
        *more_out = false;
        return VS_OK;
    }
    VS_TRY(fill(leaf, err));
    *more_out = true;
    return VS_OK;
}

enum vs_status vs_record_leaf_take(struct vs_record_leaf *leaf,
                                   struct vs_value *value_out,
                                   struct vs_error *err)
{
    struct vs_pq_cursor *c = &leaf->cursor;
    bool is_present = vs_record_leaf_def(leaf) == c->leaf.max_def;
    *value_out = (struct vs_value){.kind = c->kind, .is_null = true};
    if (is_present && leaf->wants_values) {
        if (leaf->value_at == leaf->values.row_count) {
            size_t n =
                leaf->present_left < leaf->value_step ? leaf->present_left : leaf->value_step;
            vs_column_reset(&leaf->values);
            leaf->value_at = 0;
            VS_TRY(vs_pq_cursor_append(c, n, n, NULL, &leaf->values, err));
            leaf->present_left -= n;
        }
        *value_out = vs_column_get(&leaf->values, leaf->value_at++);
    }
    c->level_at++;
    return VS_OK;
}
