// SPDX-License-Identifier: Apache-2.0
/*
 * The canonical rendering of column values and their FNV-1a digest, as the conformance corpus
 * defines it; file helpers for Parquet tests. Written from the corpus's README, independent of the
 * reader.
 */
#ifndef VS_TESTS_PARQUET_RENDER_H
#define VS_TESTS_PARQUET_RENDER_H

#include "vecstore/base/io.h"
#include "vecstore/format/column.h"
#include "vecstore/format/parquet_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FNV_BASIS 0xcbf29ce484222325ull

static inline uint64_t fnv_add(uint64_t digest, const void *bytes, size_t n)
{
    const uint8_t *at = (const uint8_t *)bytes;
    for (size_t i = 0; i < n; i++) {
        digest = (digest ^ at[i]) * 0x100000001b3ull;
    }
    return digest;
}

static inline uint64_t fnv_text(uint64_t digest, const char *text)
{
    return fnv_add(digest, text, strlen(text));
}

static inline uint64_t render_float(uint64_t digest, double value, bool is_float)
{
    char text[20];
    float narrow = (float)value;
    uint32_t bits32 = 0;
    uint64_t bits64 = 0;
    memcpy(&bits32, &narrow, sizeof bits32);
    memcpy(&bits64, &value, sizeof bits64);
    if (value != value) {
        bits32 = 0x7fc00000u;
        bits64 = 0x7ff8000000000000ull;
    }
    if (is_float) {
        snprintf(text, sizeof text, "%08" PRIx32, bits32);
    } else {
        snprintf(text, sizeof text, "%016" PRIx64, bits64);
    }
    return fnv_text(digest, text);
}

// `per_unit`: microseconds in the stored unit of a timestamp.
static inline uint64_t render_value(uint64_t digest, const struct vs_value *value, int64_t per_unit)
{
    char text[VS_DECIMAL_TEXT_SIZE + 24];
    if (value->is_null) {
        return fnv_text(digest, "\\N");
    }
    switch (value->kind) {
    case VS_KIND_BOOLEAN:
        return fnv_text(digest, value->as.boolean ? "true" : "false");
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_DATE:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        snprintf(text, sizeof text, "%" PRId64, value->as.integer / per_unit);
        return fnv_text(digest, text);
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
        return render_float(digest, value->as.real, value->kind == VS_KIND_FLOAT);
    case VS_KIND_DECIMAL:
        vs_decimal_format(value->as.decimal, 0, text);
        return fnv_text(digest, text);
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID:
        snprintf(text, sizeof text, "%zu:", value->as.text.len);
        return fnv_add(fnv_text(digest, text), value->as.text.ptr, value->as.text.len);
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return fnv_text(digest, "?");
}

static inline uint64_t render_row(uint64_t digest,
                                  const struct vs_column *column,
                                  size_t row,
                                  int64_t per_unit)
{
    if (column->kind != VS_KIND_LIST || vs_column_is_null(column, row)) {
        struct vs_value value = {.is_null = true};
        if (column->kind != VS_KIND_LIST) {
            value = vs_column_get(column, row);
        }
        return fnv_text(render_value(digest, &value, per_unit), "\n");
    }
    size_t first = 0, count = 0;
    vs_column_get_list(column, row, &first, &count);
    digest = fnv_text(digest, "[");
    for (size_t i = first; i < first + count; i++) {
        struct vs_value value = vs_column_get(column->child, i);
        digest = render_value(i == first ? digest : fnv_text(digest, ","), &value, per_unit);
    }
    return fnv_text(digest, "]\n");
}

// A whole file in memory; ptr is NULL when it cannot be read. Free with vs_free of the default
// environment.
static inline struct vs_str read_whole_file(const char *path)
{
    struct vs_str bytes = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return bytes;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *data = (char *)vs_alloc(vs_env_default(), size > 0 ? (size_t)size : 1);
    if (data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size) {
        bytes = (struct vs_str){data, (size_t)size};
    }
    fclose(file);
    return bytes;
}

static inline void free_whole_file(struct vs_str bytes)
{
    union {
        const char *in;
        void *out;
    } cast = {.in = bytes.ptr};

    vs_free(vs_env_default(), cast.out);
}

// Digest and nulls of one column from row `from` on, read in batches of `step` rows.
struct column_answer {
    uint64_t rows, nulls, digest;
};

static inline enum vs_status read_column_answer(struct vs_parquet_reader *reader,
                                                size_t column,
                                                uint64_t from,
                                                size_t step,
                                                int64_t per_unit,
                                                struct column_answer *answer_out,
                                                struct vs_error *err)
{
    struct column_answer answer = {.digest = FNV_BASIS};
    struct vs_parquet_scan *scan = NULL;
    struct vs_batch batch = {0};
    enum vs_status status = vs_parquet_scan_open(reader, &column, 1, NULL, &scan, err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, vs_env_default(), &vs_parquet_schema(reader)->fields[column],
                               1, err);
    }
    if (status == VS_OK && from > 0) {
        status = vs_parquet_scan_seek(scan, from, err);
    }
    while (status == VS_OK) {
        vs_batch_reset(&batch);
        status = vs_parquet_scan_next(scan, step, &batch, err);
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        for (size_t row = 0; row < batch.row_count; row++) {
            answer.nulls += vs_column_is_null(&batch.columns[0], row);
            answer.digest = render_row(answer.digest, &batch.columns[0], row, per_unit);
        }
        answer.rows += batch.row_count;
    }
    vs_batch_clear(&batch);
    vs_parquet_scan_close(scan);
    if (status == VS_OK) {
        *answer_out = answer;
    }
    return status;
}

#endif
