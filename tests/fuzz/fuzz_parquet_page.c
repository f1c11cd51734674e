// SPDX-License-Identifier: Apache-2.0
// A whole Parquet file: open, scan every readable column, seek. Bounded in batches, since a few
// bytes may stand for many nulls.
#include "vecstore/base/io.h"
#include "vecstore/format/parquet_read.h"

#define MAX_COLUMNS 16
#define MAX_BATCHES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_column(const struct vs_column *column)
{
    for (size_t row = 0; row < column->row_count; row++) {
        if (column->kind == VS_KIND_LIST) {
            size_t first = 0, count = 0;
            vs_column_get_list(column, row, &first, &count);
            if (first + count > column->child->row_count) {
                __builtin_trap();
            }
        } else {
            struct vs_value value = vs_column_get(column, row);
            if (vs_value_compare(&value, &value) != 0) {
                __builtin_trap();
            }
        }
    }
}

static void scan_columns(struct vs_parquet_reader *reader,
                         const size_t *columns,
                         size_t count,
                         const struct vs_field *fields)
{
    struct vs_parquet_scan *scan = NULL;
    struct vs_batch batch = {0};
    if (vs_parquet_scan_open(reader, columns, count, NULL, &scan, NULL) == VS_OK &&
        vs_batch_init(&batch, vs_env_default(), fields, count, NULL) == VS_OK) {
        for (int i = 0; i < MAX_BATCHES; i++) {
            vs_batch_reset(&batch);
            if (i == MAX_BATCHES / 2 &&
                vs_parquet_scan_seek(scan, vs_parquet_row_count(reader) / 2, NULL) != VS_OK) {
                break;
            }
            if (vs_parquet_scan_next(scan, 300, &batch, NULL) != VS_OK || batch.row_count == 0) {
                break;
            }
            for (size_t k = 0; k < count; k++) {
                check_column(&batch.columns[k]);
            }
        }
    }
    vs_batch_clear(&batch);
    vs_parquet_scan_close(scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_file *file = NULL;
    struct vs_parquet_reader *reader = NULL;
    struct vs_str bytes = {(const char *)data, size};
    if (size == 0 || vs_file_open_bytes(vs_env_default(), bytes, "fuzz", &file, NULL) != VS_OK) {
        return 0;
    }
    if (vs_parquet_open(vs_env_default(), file, &reader, NULL) == VS_OK) {
        const struct vs_schema *schema = vs_parquet_schema(reader);
        for (size_t i = 0; i < schema->field_count && i < MAX_COLUMNS; i++) {
            scan_columns(reader, &i, 1, &schema->fields[i]);
        }
    }
    vs_parquet_close(reader);
    vs_file_close(file);
    return 0;
}
