// SPDX-License-Identifier: Apache-2.0
/*
 * Where exported rows go: JSON lines, Parquet or npy, in a file that becomes visible at once when
 * it is whole, or on standard output. Private to api/export*.c.
 *
 * Memory: one Parquet row group, or a megabyte of text. Threads: single owner.
 */
#ifndef VS_API_EXPORT_SINK_H
#define VS_API_EXPORT_SINK_H

#include "vecstore/format/parquet_write.h"
#include "vecstore/format/record_read.h"
#include "vecstore/object/store.h"

enum vs_export_format { VS_EXPORT_JSONL, VS_EXPORT_PARQUET, VS_EXPORT_NPY };

// A chosen column: of the batch, or, when it is nested, of the row's record.
struct vs_export_column {
    struct vs_field field;
    size_t column;              // of the batch; SIZE_MAX: nested
    size_t member;              // nested: of the record
    const struct vs_type *type; // nested
};

struct vs_export_rows { // rows of one batch that are to be written
    const struct vs_batch *batch;
    const uint32_t *rows;
    size_t count;
    // Gives the record of a row; NULL when no column is nested.
    enum vs_status (*record)(void *ctx,
                             uint32_t row,
                             const struct vs_datum **datum_out,
                             struct vs_error *err);
    void *ctx;
};

struct vs_export_sink {
    const struct vs_env *env;
    const char *path;
    enum vs_export_format format;
    const struct vs_export_column *columns;
    size_t column_count;
    bool is_stdout;
    struct vs_store *store;
    struct vs_writer *writer;
    struct vs_buf text; // not yet written
    struct vs_schema schema;
    struct vs_parquet_writer *parquet;
    struct vs_batch batch; // of the Parquet file
    uint64_t rows, bytes;
    uint64_t row_total; // npy: known before
    size_t dim;         // npy: of the first row when it is 0
};

// INVALID names the known endings.
enum vs_status vs_export_format_of(const char *path,
                                   enum vs_export_format *format_out,
                                   struct vs_error *err);
// The sink is zeroed but for env, path, format, columns, column_count, row_total and dim; clear it
// in any case.
enum vs_status vs_export_open(struct vs_export_sink *sink, struct vs_error *err);
enum vs_status vs_export_write(struct vs_export_sink *sink,
                               const struct vs_export_rows *rows,
                               struct vs_error *err);
enum vs_status vs_export_finish(struct vs_export_sink *sink, struct vs_error *err);
void vs_export_clear(struct vs_export_sink *sink); // an unfinished file is removed

#endif
