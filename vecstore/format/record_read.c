// SPDX-License-Identifier: Apache-2.0
// Batches of assembled rows, row group by row group.
#include "vecstore/format/record_read.h"

#include "vecstore/format/record_internal.h"

#define STACK_LIMIT VS_RECORD_ROW_BYTES

static enum vs_status open_inner(struct vs_record_reader *records, struct vs_error *err)
{
    if (records->wish->shape != VS_TYPE_STRUCT) {
        return vs_fail(err, VS_INVALID, "%s: rows are structs; another type was wished",
                       records->parquet->file->name);
    }
    return vs_record_plan(records, err);
}

enum vs_status vs_record_open(struct vs_parquet_reader *reader,
                              const struct vs_type *wish,
                              struct vs_record_reader **records_out,
                              struct vs_error *err)
{
    struct vs_record_reader *records =
        (struct vs_record_reader *)vs_alloc_zeroed(reader->env, 1, sizeof *records);
    if (records == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory to read rows", reader->file->name);
    }
    records->env = reader->env;
    records->parquet = reader;
    records->wish = wish;
    vs_arena_init(&records->plan, reader->env, 0);
    vs_arena_init(&records->rows, reader->env, VS_RECORD_BATCH_BYTES + VS_RECORD_ROW_BYTES);
    vs_buf_init(&records->stack, reader->env, STACK_LIMIT);
    enum vs_status status = open_inner(records, err);
    if (status != VS_OK) {
        vs_record_close(records);
        return status;
    }
    *records_out = records;
    return VS_OK;
}

void vs_record_close(struct vs_record_reader *records)
{
    if (records == NULL) {
        return;
    }
    for (size_t i = 0; i < records->leaf_count; i++) {
        vs_record_leaf_clear(&records->leaves[i]);
    }
    vs_free(records->env, records->leaves);
    vs_buf_clear(&records->stack);
    vs_arena_clear(&records->rows);
    vs_arena_clear(&records->plan);
    vs_free(records->env, records);
}

static uint64_t group_rows(const struct vs_record_reader *records)
{
    const uint64_t *first = records->parquet->group_first_row;
    return first[records->group + 1] - first[records->group];
}

static enum vs_status end_group(struct vs_record_reader *records, struct vs_error *err)
{
    for (size_t i = 0; records->is_open && i < records->leaf_count; i++) {
        VS_TRY(vs_pq_cursor_finish(&records->leaves[i].cursor, err));
    }
    records->is_open = false;
    return VS_OK;
}

// Makes the leaves stand before a row; false in *more_out: the end.
static enum vs_status need_group(struct vs_record_reader *records,
                                 bool *more_out,
                                 struct vs_error *err)
{
    size_t count = records->parquet->meta.row_group_count;
    while (records->group < count && records->row == group_rows(records)) {
        VS_TRY(end_group(records, err));
        records->group++;
        records->row = 0;
    }
    *more_out = records->group < count;
    if (*more_out && !records->is_open) {
        for (size_t i = 0; i < records->leaf_count; i++) {
            VS_TRY(vs_record_leaf_open(&records->leaves[i], records->group, err));
        }
        records->is_open = true;
    }
    return VS_OK;
}

static enum vs_status next_row(struct vs_record_reader *records,
                               struct vs_datum *row_out,
                               struct vs_error *err)
{
    VS_TRY(vs_record_assemble(records, row_out, err));
    records->row++;
    // The last row of a group is handed out only when nothing is left over behind it.
    return records->row == group_rows(records) ? end_group(records, err) : VS_OK;
}

static enum vs_status fill(struct vs_record_reader *records,
                           size_t max_rows,
                           struct vs_datum *rows,
                           size_t *count_out,
                           struct vs_error *err)
{
    size_t count = 0;
    while (count < max_rows && records->rows.used_bytes < VS_RECORD_BATCH_BYTES) {
        bool more = false;
        VS_TRY(need_group(records, &more, err));
        if (!more) {
            break;
        }
        VS_TRY(next_row(records, &rows[count], err));
        count++;
    }
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_record_next(struct vs_record_reader *records,
                              size_t max_rows,
                              const struct vs_datum **rows_out,
                              size_t *count_out,
                              struct vs_error *err)
{
    size_t most = VS_RECORD_BATCH_BYTES / 4 / sizeof(struct vs_datum);
    size_t want = max_rows < most ? max_rows : most;
    vs_arena_clear(&records->rows);
    struct vs_datum *rows =
        (struct vs_datum *)vs_arena_alloc_array(&records->rows, want, sizeof *rows);
    if (rows == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for %zu rows",
                       records->parquet->file->name, want);
    }
    enum vs_status status = fill(records, want, rows, count_out, err);
    if (status != VS_OK) {
        return vs_wrap(err, status, "%s, row group %zu", records->parquet->file->name,
                       records->group);
    }
    *rows_out = rows;
    return VS_OK;
}

enum vs_status vs_record_seek(struct vs_record_reader *records, uint64_t row, struct vs_error *err)
{
    const uint64_t *first = records->parquet->group_first_row;
    size_t count = records->parquet->meta.row_group_count, group = 0;
    if (row > first[count]) {
        return vs_fail(err, VS_INVALID, "%s has %llu rows; there is no row %llu",
                       records->parquet->file->name, (unsigned long long)first[count],
                       (unsigned long long)row);
    }
    while (group < count && first[group + 1] <= row) {
        group++;
    }
    records->group = group;
    records->row = 0;
    records->is_open = false;
    while (group < count && records->row < row - first[group]) {
        struct vs_datum passed;
        bool more = false;
        enum vs_status status = need_group(records, &more, err);
        vs_arena_clear(&records->rows);
        if (status == VS_OK) {
            status = next_row(records, &passed, err);
        }
        if (status != VS_OK) {
            return vs_wrap(err, status, "%s, row group %zu", records->parquet->file->name, group);
        }
    }
    return VS_OK;
}
