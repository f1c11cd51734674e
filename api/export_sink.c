// SPDX-License-Identifier: Apache-2.0
#include "api/export_sink.h"

#include "api/file_uri.h"
#include "vecstore/base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FLUSH_BYTES ((size_t)1 << 20)
#define ROW_BYTES ((size_t)1 << 30) // of one row as JSON
#define MAX_DEPTH (VS_TYPE_MAX_DEPTH + 1)

enum vs_status vs_export_format_of(const char *path,
                                   enum vs_export_format *format_out,
                                   struct vs_error *err)
{
    struct vs_str text = vs_str_from_c(path);
    if (path == NULL || vs_str_equal_c(text, "-") || vs_str_ends_with(text, VS_STR(".jsonl"))) {
        *format_out = VS_EXPORT_JSONL;
        return VS_OK;
    }
    if (vs_str_ends_with(text, VS_STR(".parquet"))) {
        *format_out = VS_EXPORT_PARQUET;
        return VS_OK;
    }
    if (vs_str_ends_with(text, VS_STR(".npy"))) {
        *format_out = VS_EXPORT_NPY;
        return VS_OK;
    }
    return vs_fail(err, VS_INVALID,
                   "cannot tell the format of '%.300s': rows are written to .jsonl, .parquet or "
                   ".npy files, or to standard output as JSON lines with -",
                   path);
}

// ---- bytes ----

static enum vs_status flush(struct vs_export_sink *sink, struct vs_error *err)
{
    size_t n = sink->text.len;
    if (n == 0) {
        return VS_OK;
    }
    if (!sink->is_stdout) {
        VS_TRY(vs_writer_write(sink->writer, sink->text.data, n, err));
    } else if (fwrite(sink->text.data, 1, n, stdout) != n || fflush(stdout) != 0) {
        return vs_fail_errno(err, errno, "writing to standard output");
    }
    sink->bytes += n;
    vs_buf_reset(&sink->text);
    return VS_OK;
}

static enum vs_status open_writer(struct vs_export_sink *sink, struct vs_error *err)
{
    const char *name = NULL;
    struct vs_buf folder;
    vs_buf_init(&folder, sink->env, (size_t)64 << 10);
    enum vs_status status = vs_file_uri_split(sink->path, &folder, &name, err);
    if (status == VS_OK) {
        status = vs_store_open(sink->env, vs_buf_c_str(&folder), false, &sink->store, err);
        if (status == VS_NOT_FOUND) {
            status = vs_fail(err, status, "there is no folder %.*s to write %.300s into",
                             VS_STR_ARG(vs_buf_view(&folder)), name);
        }
    }
    if (status == VS_OK) {
        status = vs_writer_open(sink->store, name, &sink->writer, err);
    }
    vs_buf_clear(&folder);
    return status;
}

// ---- JSON lines ----

// NOLINTNEXTLINE(misc-no-recursion): ends at MAX_DEPTH
static enum vs_status write_datum(struct vs_json_writer *w,
                                  const struct vs_datum *datum,
                                  const struct vs_type *type,
                                  unsigned depth,
                                  struct vs_error *err)
{
    if (depth > MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT, "values are nested deeper than %d levels", MAX_DEPTH);
    }
    if (datum->shape == VS_DATUM_NULL) {
        vs_jw_null(w);
    } else if (datum->shape == VS_DATUM_SCALAR) {
        vs_value_write_json(w, &datum->as.scalar, type->scale);
    } else if (datum->shape == VS_DATUM_STRUCT) {
        vs_jw_object_begin(w);
        for (size_t i = 0; i < datum->count; i++) {
            vs_jw_key_str(w, type->children[i].name);
            VS_TRY(write_datum(w, &datum->as.items[i], &type->children[i], depth + 1, err));
        }
        vs_jw_object_end(w);
    } else {
        bool is_map = datum->shape == VS_DATUM_MAP;
        vs_jw_array_begin(w);
        for (size_t i = 0; i < datum->count; i++) {
            if (is_map) { // keys can be of any type, and come twice
                vs_jw_object_begin(w);
                vs_jw_key(w, "key");
                VS_TRY(write_datum(w, &datum->as.items[2 * i], &type->children[0], depth + 1, err));
                vs_jw_key(w, "value");
                VS_TRY(write_datum(w, &datum->as.items[2 * i + 1], &type->children[1], depth + 1,
                                   err));
                vs_jw_object_end(w);
            } else {
                VS_TRY(write_datum(w, &datum->as.items[i], &type->children[0], depth + 1, err));
            }
        }
        vs_jw_array_end(w);
    }
    return VS_OK;
}

static enum vs_status write_line(struct vs_export_sink *sink,
                                 const struct vs_export_rows *rows,
                                 uint32_t row,
                                 struct vs_error *err)
{
    const struct vs_datum *record = NULL;
    struct vs_json_writer w;
    if (rows->record != NULL) {
        VS_TRY(rows->record(rows->ctx, row, &record, err));
    }
    vs_json_writer_init(&w, &sink->text, false);
    vs_jw_object_begin(&w);
    for (size_t i = 0; i < sink->column_count; i++) {
        const struct vs_export_column *c = &sink->columns[i];
        vs_jw_key_str(&w, c->field.name);
        if (c->column != SIZE_MAX) {
            vs_column_write_json(&w, &rows->batch->columns[c->column], &c->field, row);
        } else if (record != NULL) {
            VS_TRY(write_datum(&w, &record->as.items[c->member], c->type, 0, err));
        }
    }
    vs_jw_object_end(&w);
    VS_TRY(vs_json_writer_finish(&w, err));
    return vs_buf_append_byte(&sink->text, '\n', err);
}

static enum vs_status write_lines(struct vs_export_sink *sink,
                                  const struct vs_export_rows *rows,
                                  struct vs_error *err)
{
    for (size_t i = 0; i < rows->count; i++) {
        VS_TRY(write_line(sink, rows, rows->rows[i], err));
        if (sink->text.len >= FLUSH_BYTES) {
            VS_TRY(flush(sink, err));
        }
    }
    return VS_OK;
}

// ---- Parquet ----

static enum vs_status open_parquet(struct vs_export_sink *sink, struct vs_error *err)
{
    sink->schema.fields = (struct vs_field *)vs_alloc_zeroed(sink->env, sink->column_count,
                                                             sizeof *sink->schema.fields);
    if (sink->schema.fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", sink->path);
    }
    for (size_t i = 0; i < sink->column_count; i++) {
        sink->schema.fields[sink->schema.field_count++] = sink->columns[i].field;
    }
    VS_TRY(
        vs_batch_init(&sink->batch, sink->env, sink->schema.fields, sink->schema.field_count, err));
    return vs_parquet_writer_open(sink->env, sink->writer, &sink->schema, NULL, &sink->parquet,
                                  err);
}

static enum vs_status write_batch(struct vs_export_sink *sink,
                                  const struct vs_export_rows *rows,
                                  struct vs_error *err)
{
    vs_batch_reset(&sink->batch);
    for (size_t i = 0; i < sink->column_count; i++) {
        VS_TRY(vs_column_gather(&sink->batch.columns[i],
                                &rows->batch->columns[sink->columns[i].column], rows->rows,
                                rows->count, err));
    }
    sink->batch.row_count = rows->count;
    return vs_parquet_writer_write(sink->parquet, &sink->batch, err);
}

static enum vs_status finish_parquet(struct vs_export_sink *sink, struct vs_error *err)
{
    struct vs_parquet_info info = {0};
    VS_TRY(vs_parquet_writer_finish(sink->parquet, &info, err));
    sink->bytes = info.file_size;
    vs_parquet_info_clear(&info);
    return VS_OK;
}

// ---- npy ----

// Version 1.0: the text is padded so that the array begins at a multiple of 64.
static enum vs_status write_header(struct vs_export_sink *sink, struct vs_error *err)
{
    static const char magic[] = "\x93NUMPY\x01\x00";
    char text[128];
    int n = snprintf(text, sizeof text,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %zu), }",
                     (unsigned long long)sink->row_total, sink->dim);
    size_t pad = 64 - (10 + (size_t)n + 1) % 64, len = (size_t)n + pad % 64 + 1;
    const uint8_t size[2] = {(uint8_t)(len & 255), (uint8_t)(len >> 8)};
    VS_TRY(vs_buf_append(&sink->text, magic, 8, err));
    VS_TRY(vs_buf_append(&sink->text, size, 2, err));
    VS_TRY(vs_buf_append(&sink->text, text, (size_t)n, err));
    for (size_t i = (size_t)n; i + 1 < len; i++) {
        VS_TRY(vs_buf_append_byte(&sink->text, ' ', err));
    }
    return vs_buf_append_byte(&sink->text, '\n', err);
}

static bool has_null(const struct vs_column *column, size_t row)
{
    size_t first = 0, count = 0;
    vs_column_get_list(column, row, &first, &count);
    for (size_t i = 0; column->child->valid.len != 0 && i < count; i++) {
        if (vs_column_is_null(column->child, first + i)) {
            return true;
        }
    }
    return count == 0;
}

static enum vs_status write_vectors(struct vs_export_sink *sink,
                                    const struct vs_export_rows *rows,
                                    struct vs_error *err)
{
    const struct vs_column *column = &rows->batch->columns[sink->columns[0].column];
    for (size_t i = 0; i < rows->count; i++) {
        size_t dim = 0;
        const float *vector = vs_column_get_floats(column, rows->rows[i], &dim);
        if (vector == NULL || has_null(column, rows->rows[i]) ||
            (sink->dim != 0 && dim != sink->dim)) {
            return vs_fail(err, VS_INVALID,
                           "row %llu of the export has %s in column '%.*s', which an .npy array "
                           "cannot hold; leave such rows out with a filter, or write .parquet",
                           (unsigned long long)(sink->rows + i),
                           vector == NULL || dim == sink->dim ? "no vector or one with nulls"
                                                              : "a vector of another length",
                           VS_STR_ARG(sink->columns[0].field.name));
        }
        if (sink->rows + i == 0) {
            sink->dim = dim;
            VS_TRY(write_header(sink, err));
        }
        VS_TRY(vs_buf_append(&sink->text, vector, dim * sizeof *vector, err));
        if (sink->text.len >= FLUSH_BYTES) {
            VS_TRY(flush(sink, err));
        }
    }
    return VS_OK;
}

// ---- all of them ----

enum vs_status vs_export_open(struct vs_export_sink *sink, struct vs_error *err)
{
    vs_buf_init(&sink->text, sink->env, ROW_BYTES);
    sink->is_stdout = sink->path == NULL || strcmp(sink->path, "-") == 0;
    if (!sink->is_stdout) {
        VS_TRY(open_writer(sink, err));
    }
    return sink->format == VS_EXPORT_PARQUET ? open_parquet(sink, err) : VS_OK;
}

enum vs_status vs_export_write(struct vs_export_sink *sink,
                               const struct vs_export_rows *rows,
                               struct vs_error *err)
{
    if (rows->count == 0) {
        return VS_OK;
    }
    VS_TRY(sink->format == VS_EXPORT_JSONL     ? write_lines(sink, rows, err)
           : sink->format == VS_EXPORT_PARQUET ? write_batch(sink, rows, err)
                                               : write_vectors(sink, rows, err));
    sink->rows += rows->count;
    return VS_OK;
}

enum vs_status vs_export_finish(struct vs_export_sink *sink, struct vs_error *err)
{
    if (sink->format == VS_EXPORT_PARQUET) {
        VS_TRY(finish_parquet(sink, err));
    } else {
        if (sink->format == VS_EXPORT_NPY && sink->rows == 0) {
            VS_TRY(write_header(sink, err));
        }
        VS_TRY(flush(sink, err));
    }
    return sink->is_stdout ? VS_OK : vs_writer_finish(sink->writer, VS_PUT_ANY, err);
}

void vs_export_clear(struct vs_export_sink *sink)
{
    vs_parquet_writer_free(sink->parquet);
    vs_writer_free(sink->writer);
    vs_store_free(sink->store);
    vs_batch_clear(&sink->batch);
    vs_buf_clear(&sink->text);
    if (sink->schema.fields != NULL) {
        vs_free(sink->env, sink->schema.fields);
    }
}
