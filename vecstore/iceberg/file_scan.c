// SPDX-License-Identifier: Apache-2.0
/*
 * One data file read as the table's columns.
 */
#include "vecstore/iceberg/file_scan_internal.h"

#include <string.h>

static enum vs_status no_memory(const struct vs_data_file *data, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to read %.*s", VS_STR_ARG(data->path));
}

// ---- opening ----

static enum vs_status open_scan(struct vs_file_scan *s, struct vs_error *err)
{
    size_t *columns = vs_arena_alloc_array(&s->arena, s->present_count, sizeof *columns);
    struct vs_field *as = vs_arena_alloc_array(&s->arena, s->present_count, sizeof *as);
    s->window = vs_arena_alloc_array(&s->arena, s->present_count, sizeof *s->window);
    if (columns == NULL || as == NULL || s->window == NULL) {
        return no_memory(s->data, err);
    }
    size_t n = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->columns[i].file_column != VS_COLUMN_ABSENT) {
            columns[n] = s->columns[i].file_column;
            as[n++] = s->fields[i];
        }
    }
    return n > 0 ? vs_parquet_scan_open(s->reader, columns, n, as, &s->scan, err) : VS_OK;
}

enum vs_status vs_data_file_open(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 const struct vs_data_file *data,
                                 struct vs_file **file_out,
                                 struct vs_parquet_reader **reader_out,
                                 struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_parquet_reader *reader = NULL;
    if (!vs_str_equal_nocase(data->format, VS_STR("PARQUET"))) {
        return vs_fail(err, VS_UNSUPPORTED, "%.*s has format %.*s; only Parquet files can be read",
                       VS_STR_ARG(data->path), VS_STR_ARG(data->format));
    }
    VS_TRY(vs_table_file_open(env, store, metadata, data->path, &file, err));
    enum vs_status status = vs_parquet_open(env, file, &reader, err);
    if (status == VS_OK && vs_parquet_row_count(reader) != (uint64_t)data->record_count) {
        status = vs_fail(err, VS_CORRUPT, "%.*s has %llu rows, but the manifest says %lld",
                         VS_STR_ARG(data->path), (unsigned long long)vs_parquet_row_count(reader),
                         (long long)data->record_count);
    }
    if (status != VS_OK) {
        vs_parquet_close(reader);
        vs_file_close(file);
        return status;
    }
    *file_out = file;
    *reader_out = reader;
    return VS_OK;
}

static enum vs_status check_fields(const struct vs_field *fields,
                                   size_t count,
                                   struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind == VS_KIND_OTHER) {
            return vs_fail(err, VS_UNSUPPORTED, "column '%.*s' has type %.*s, which cannot be read",
                           VS_STR_ARG(fields[i].name), VS_STR_ARG(fields[i].other_type));
        }
    }
    return VS_OK;
}

static enum vs_status open_inner(struct vs_file_scan *s,
                                 struct vs_store *store,
                                 struct vs_error *err)
{
    VS_TRY(check_fields(s->fields, s->field_count, err));
    VS_TRY(vs_data_file_open(s->env, store, s->metadata, s->data, &s->file, &s->reader, err));
    s->row_count = vs_parquet_row_count(s->reader);
    VS_TRY(vs_file_columns_match(s, err));
    return open_scan(s, err);
}

enum vs_status vs_file_scan_open(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 const struct vs_data_file *data,
                                 const struct vs_field *fields,
                                 size_t field_count,
                                 struct vs_file_scan **scan_out,
                                 struct vs_error *err)
{
    struct vs_file_scan *scan = vs_alloc_zeroed(env, 1, sizeof *scan);
    if (scan == NULL) {
        return no_memory(data, err);
    }
    scan->env = env;
    vs_arena_init(&scan->arena, env, 0);
    struct vs_field *copy = vs_arena_alloc_array(&scan->arena, field_count, sizeof *copy);
    enum vs_status status = VS_OK;
    if (copy == NULL) {
        status = no_memory(data, err);
    } else {
        if (field_count > 0) {
            memcpy(copy, fields, field_count * sizeof *copy);
        }
        scan->fields = copy;
        scan->field_count = field_count;
        scan->metadata = metadata;
        scan->data = data;
        status = open_inner(scan, store, err);
    }
    if (status != VS_OK) {
        vs_file_scan_close(scan);
        return status;
    }
    *scan_out = scan;
    return VS_OK;
}

void vs_file_scan_close(struct vs_file_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    const struct vs_env *env = scan->env;
    vs_parquet_scan_close(scan->scan);
    vs_parquet_close(scan->reader);
    vs_file_close(scan->file);
    vs_json_free(scan->mapping);
    for (size_t i = 0; i < scan->field_count && scan->columns != NULL; i++) {
        vs_column_clear(&scan->columns[i].constant);
    }
    vs_arena_clear(&scan->arena);
    vs_free(env, scan);
}

// ---- reading ----

// Lends the batch's columns to the Parquet scan, in the scan's order, and takes them back.
static enum vs_status read_present(struct vs_file_scan *s,
                                   size_t max_rows,
                                   struct vs_batch *batch,
                                   size_t *rows_out,
                                   struct vs_error *err)
{
    struct vs_batch window = {
        .row_count = batch->row_count, .column_count = s->present_count, .columns = s->window};
    size_t n = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->columns[i].file_column != VS_COLUMN_ABSENT) {
            s->window[n++] = batch->columns[i];
        }
    }
    enum vs_status status = vs_parquet_scan_next(s->scan, max_rows, &window, err);
    n = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->columns[i].file_column != VS_COLUMN_ABSENT) {
            batch->columns[i] = s->window[n++];
        }
    }
    *rows_out = window.row_count - batch->row_count;
    return status;
}

// The columns that the file does not have, or not for every row.
static enum vs_status fill_columns(struct vs_file_scan *s,
                                   size_t rows,
                                   struct vs_batch *batch,
                                   struct vs_error *err)
{
    for (size_t i = 0; i < s->field_count; i++) {
        const struct vs_scan_column *source = &s->columns[i];
        struct vs_column *column = &batch->columns[i];
        if (source->is_lineage) {
            VS_TRY(vs_row_lineage_fill(s->data, source, s->fields[i].id, s->position,
                                       batch->row_count, rows, column, err));
        }
        for (size_t row = 0;
             row < rows && source->file_column == VS_COLUMN_ABSENT && !source->is_lineage; row++) {
            if (source->constant.row_count == 0) {
                VS_TRY(vs_column_append_null(column, err));
            } else {
                VS_TRY(vs_column_append_rows(column, &source->constant, 0, 1, err));
            }
        }
    }
    return VS_OK;
}

// Passes over rows that the filter has ruled out; gives the end of the rows to read from there on.
static enum vs_status skip_filtered(struct vs_file_scan *s, uint64_t *end_out, struct vs_error *err)
{
    *end_out = s->row_count;
    if (!s->is_filtered) {
        return VS_OK;
    }
    while (s->range < s->range_count && s->ranges[s->range].end <= s->position) {
        s->range++;
    }
    if (s->range == s->range_count) {
        s->position = s->row_count;
        return VS_OK;
    }
    *end_out = s->ranges[s->range].end;
    return s->ranges[s->range].first > s->position
               ? vs_file_scan_seek(s, s->ranges[s->range].first, err)
               : VS_OK;
}

enum vs_status vs_file_scan_next(struct vs_file_scan *scan,
                                 size_t max_rows,
                                 struct vs_batch *batch,
                                 uint64_t *first_position_out,
                                 struct vs_error *err)
{
    uint64_t end;
    if (batch->column_count != scan->field_count) {
        return vs_fail(err, VS_INTERNAL, "a batch of %zu columns for a scan of %zu",
                       batch->column_count, scan->field_count);
    }
    VS_TRY(skip_filtered(scan, &end, err));
    uint64_t left = end - scan->position;
    size_t rows = left < max_rows ? (size_t)left : max_rows;
    if (scan->scan != NULL && rows > 0) {
        VS_TRY(read_present(scan, rows, batch, &rows, err));
        if (rows == 0) {
            return vs_fail(err, VS_CORRUPT, "%s ends before row %llu of %llu", scan->file->name,
                           (unsigned long long)scan->position, (unsigned long long)scan->row_count);
        }
    }
    VS_TRY(fill_columns(scan, rows, batch, err));
    batch->row_count += rows;
    *first_position_out = scan->position;
    scan->position += rows;
    return VS_OK;
}

enum vs_status vs_file_scan_seek(struct vs_file_scan *scan, uint64_t position, struct vs_error *err)
{
    if (position > scan->row_count) {
        return vs_fail(err, VS_INVALID, "position %llu lies behind the %llu rows of %s",
                       (unsigned long long)position, (unsigned long long)scan->row_count,
                       scan->file->name);
    }
    if (scan->scan != NULL && position < scan->row_count) {
        VS_TRY(vs_parquet_scan_seek(scan->scan, position, err));
    }
    if (position < scan->position) {
        scan->range = 0;
    }
    scan->position = position;
    return VS_OK;
}
