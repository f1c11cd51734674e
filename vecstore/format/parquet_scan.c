// SPDX-License-Identifier: Apache-2.0
// Rows of several columns side by side. Columns advance in slices, so that a batch stays bounded in
// bytes as well as in rows.
#include "vecstore/format/parquet_cursor.h"

#define SLICE_ROWS 1024
#define BATCH_BYTES ((size_t)256 << 20) // a batch ends early behind this, whatever max_rows says

struct vs_parquet_scan {
    const struct vs_parquet_reader *reader;
    size_t cursor_count;
    struct vs_pq_cursor *cursors;
    size_t group;          // current row group; row_group_count: at the end
    uint64_t row;          // within the group
    bool is_open;          // the cursors stand in `group`
    enum vs_status failed; // of an earlier call
};

static enum vs_status name_column(const struct vs_parquet_scan *scan,
                                  const struct vs_pq_cursor *cursor,
                                  enum vs_status status,
                                  struct vs_error *err)
{
    return vs_wrap(err, status, "%s, column '%.*s', row group %zu", scan->reader->file->name,
                   VS_STR_ARG(scan->reader->schema.fields[cursor->column].name), scan->group);
}

static enum vs_status open_cursor(struct vs_parquet_scan *scan,
                                  size_t column,
                                  const struct vs_field *as,
                                  struct vs_error *err)
{
    const struct vs_parquet_reader *reader = scan->reader;
    if (column >= reader->schema.field_count) {
        return vs_fail(err, VS_INVALID, "%s has %zu columns; there is no column %zu",
                       reader->file->name, reader->schema.field_count, column);
    }
    const struct vs_field *field = &reader->schema.fields[column];
    if (field->kind == VS_KIND_OTHER) {
        return vs_fail(
            err, VS_UNSUPPORTED,
            "%s: column '%.*s' has type %.*s, which cannot be read; leave the column out",
            reader->file->name, VS_STR_ARG(field->name), VS_STR_ARG(field->other_type));
    }
    struct vs_pq_cursor *cursor = &scan->cursors[scan->cursor_count];
    vs_pq_cursor_init(cursor, reader, column);
    scan->cursor_count++;
    if (as != NULL) {
        VS_TRY(vs_pq_promote(field, as, &cursor->leaf, err));
        cursor->kind = as->kind == VS_KIND_LIST ? as->element_kind : as->kind;
    }
    return VS_OK;
}

enum vs_status vs_parquet_scan_open(struct vs_parquet_reader *reader,
                                    const size_t *columns,
                                    size_t column_count,
                                    const struct vs_field *as,
                                    struct vs_parquet_scan **scan_out,
                                    struct vs_error *err)
{
    struct vs_parquet_scan *scan =
        (struct vs_parquet_scan *)vs_alloc_zeroed(reader->env, 1, sizeof *scan);
    if (scan == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a scan of '%s'", reader->file->name);
    }
    scan->reader = reader;
    scan->cursors = (struct vs_pq_cursor *)vs_alloc_zeroed(
        reader->env, column_count > 0 ? column_count : 1, sizeof *scan->cursors);
    enum vs_status status = VS_OK;
    if (scan->cursors == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "no memory for a scan of '%s'", reader->file->name);
    }
    for (size_t i = 0; status == VS_OK && i < column_count; i++) {
        status = open_cursor(scan, columns[i], as == NULL ? NULL : &as[i], err);
    }
    if (status != VS_OK) {
        vs_parquet_scan_close(scan);
        return status;
    }
    *scan_out = scan;
    return VS_OK;
}

void vs_parquet_scan_close(struct vs_parquet_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    for (size_t i = 0; i < scan->cursor_count; i++) {
        vs_pq_cursor_clear(&scan->cursors[i]);
    }
    vs_free(scan->reader->env, scan->cursors);
    vs_free(scan->reader->env, scan);
}

static uint64_t group_rows(const struct vs_parquet_scan *scan)
{
    return scan->reader->group_first_row[scan->group + 1] -
           scan->reader->group_first_row[scan->group];
}

// Makes the cursors stand in the current group, or in a later one when it has no rows left. False
// in *more_out: the end.
static enum vs_status need_group(struct vs_parquet_scan *scan, bool *more_out, struct vs_error *err)
{
    while (scan->group < scan->reader->meta.row_group_count) {
        if (scan->row < group_rows(scan)) {
            break;
        }
        for (size_t i = 0; scan->is_open && i < scan->cursor_count; i++) {
            enum vs_status status = vs_pq_cursor_finish(&scan->cursors[i], err);
            if (status != VS_OK) {
                return name_column(scan, &scan->cursors[i], status, err);
            }
        }
        scan->group++;
        scan->row = 0;
        scan->is_open = false;
    }
    *more_out = scan->group < scan->reader->meta.row_group_count;
    for (size_t i = 0; *more_out && !scan->is_open && i < scan->cursor_count; i++) {
        enum vs_status status = vs_pq_cursor_open(&scan->cursors[i], scan->group, err);
        if (status != VS_OK) {
            return name_column(scan, &scan->cursors[i], status, err);
        }
    }
    scan->is_open = *more_out;
    return VS_OK;
}

static size_t batch_memory(const struct vs_batch *batch)
{
    size_t bytes = 0;
    for (size_t i = 0; i < batch->column_count; i++) {
        const struct vs_column *c = &batch->columns[i];
        bytes += c->values.len + c->offsets.len +
                 (c->child == NULL ? 0 : c->child->values.len + c->child->offsets.len);
    }
    return bytes;
}

static enum vs_status read_rows(struct vs_parquet_scan *scan,
                                size_t max_rows,
                                struct vs_batch *batch,
                                struct vs_error *err)
{
    size_t done = 0;
    while (done < max_rows && batch_memory(batch) < BATCH_BYTES) {
        bool more = false;
        VS_TRY(need_group(scan, &more, err));
        if (!more) {
            break;
        }
        uint64_t left = group_rows(scan) - scan->row;
        size_t n = max_rows - done < SLICE_ROWS ? max_rows - done : SLICE_ROWS;
        n = left < n ? (size_t)left : n;
        for (size_t i = 0; i < scan->cursor_count; i++) {
            enum vs_status status =
                vs_pq_cursor_read(&scan->cursors[i], n, &batch->columns[i], err);
            if (status != VS_OK) {
                return name_column(scan, &scan->cursors[i], status, err);
            }
        }
        scan->row += n;
        done += n;
    }
    // The last group is checked for leftovers before its rows are handed out.
    bool more = false;
    if (done > 0 && scan->group < scan->reader->meta.row_group_count &&
        scan->row == group_rows(scan)) {
        VS_TRY(need_group(scan, &more, err));
    }
    batch->row_count += done;
    return VS_OK;
}

static enum vs_status check_batch(const struct vs_parquet_scan *scan,
                                  const struct vs_batch *batch,
                                  struct vs_error *err)
{
    if (batch->column_count != scan->cursor_count) {
        return vs_fail(err, VS_INTERNAL, "a batch of %zu columns was given to a scan of %zu",
                       batch->column_count, scan->cursor_count);
    }
    for (size_t i = 0; i < scan->cursor_count; i++) {
        const struct vs_column *column = &batch->columns[i];
        bool is_list = scan->cursors[i].leaf.max_rep > 0;
        enum vs_kind kind = is_list && column->child != NULL ? column->child->kind : column->kind;
        if ((column->kind == VS_KIND_LIST) != is_list || kind != scan->cursors[i].kind ||
            column->row_count != batch->row_count || column->dictionary != NULL) {
            return vs_fail(err, VS_INTERNAL, "column %zu of the batch does not fit the scan", i);
        }
    }
    return VS_OK;
}

enum vs_status vs_parquet_scan_next(struct vs_parquet_scan *scan,
                                    size_t max_rows,
                                    struct vs_batch *batch,
                                    struct vs_error *err)
{
    VS_TRY(check_batch(scan, batch, err));
    if (scan->failed != VS_OK) {
        return vs_fail(err, scan->failed, "%s: the scan failed before; seek or open a new one",
                       scan->reader->file->name);
    }
    scan->failed = read_rows(scan, max_rows, batch, err);
    return scan->failed;
}

static enum vs_status seek_in_group(struct vs_parquet_scan *scan,
                                    size_t group,
                                    uint64_t row,
                                    struct vs_error *err)
{
    bool is_ahead =
        scan->failed == VS_OK && scan->is_open && scan->group == group && scan->row <= row;
    bool more = false;
    if (!is_ahead) {
        scan->group = group;
        scan->row = 0;
        scan->is_open = false;
    }
    VS_TRY(need_group(scan, &more, err));
    for (size_t i = 0; i < scan->cursor_count; i++) {
        enum vs_status status = vs_pq_cursor_skip(&scan->cursors[i], scan->row, row, err);
        if (status != VS_OK) {
            return name_column(scan, &scan->cursors[i], status, err);
        }
    }
    scan->row = row;
    return VS_OK;
}

enum vs_status vs_parquet_scan_seek(struct vs_parquet_scan *scan,
                                    uint64_t row,
                                    struct vs_error *err)
{
    const uint64_t *first = scan->reader->group_first_row;
    size_t low = 0, high = scan->reader->meta.row_group_count;
    if (row > first[high]) {
        return vs_fail(err, VS_INVALID, "%s has %llu rows; there is no row %llu",
                       scan->reader->file->name, (unsigned long long)first[high],
                       (unsigned long long)row);
    }
    if (row == first[high]) {
        scan->group = high;
        scan->row = 0;
        scan->is_open = false;
        scan->failed = VS_OK;
        return VS_OK;
    }
    while (high - low > 1) { // first[low] <= row < first[high]
        size_t middle = low + (high - low) / 2;
        if (first[middle] <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    scan->failed = seek_in_group(scan, low, row - first[low], err);
    return scan->failed;
}
