// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_page_index.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/format/parquet_seal.h"

#include <math.h>

#define MAX_INDEX_BYTES ((int32_t)64 << 20)

static const struct vs_parquet_range unknown = {
    .may_be_null = true, .may_be_nan = true, .may_be_value = true};

// ---- one bound ----

static size_t physical_width(const struct vs_pq_leaf *leaf)
{
    switch (leaf->type) {
    case VS_PQ_BOOLEAN:
        return 1;
    case VS_PQ_INT32:
    case VS_PQ_FLOAT:
        return 4;
    case VS_PQ_INT64:
    case VS_PQ_DOUBLE:
        return 8;
    case VS_PQ_FIXED:
        return leaf->width;
    default:
        return 0;
    }
}

// From the form in memory of vs_column.values.
static bool load_value(enum vs_kind kind, const uint8_t *bytes, struct vs_value *value)
{
    size_t width = vs_kind_width(kind);
    if (kind == VS_KIND_BOOLEAN) {
        value->as.boolean = bytes[0] != 0;
    } else if (kind == VS_KIND_FLOAT) {
        value->as.real = (double)vs_load_f32le(bytes);
    } else if (kind == VS_KIND_DOUBLE) {
        value->as.real = vs_load_f64le(bytes);
    } else if (kind == VS_KIND_DECIMAL) {
        memcpy(&value->as.decimal, bytes, sizeof value->as.decimal);
    } else if (width == 4) {
        value->as.integer = (int32_t)vs_load_u32le(bytes);
    } else if (width == 8) {
        value->as.integer = (int64_t)vs_load_u64le(bytes);
    } else {
        return false;
    }
    bool is_real = kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE;
    return !is_real || !isnan(value->as.real); // a bound that is NaN bounds nothing
}

// False when the bytes are no bound of the column.
static bool decode_bound(const struct vs_parquet_reader *reader,
                         size_t column,
                         struct vs_str bytes,
                         struct vs_value *value_out)
{
    const struct vs_pq_leaf *leaf = &reader->leaves[column];
    enum vs_kind kind = reader->schema.fields[column].kind;
    struct vs_value value = {.kind = kind};
    uint8_t converted[16] = {0};
    if (leaf->type == VS_PQ_INT96) {
        return false; // its statistics have no defined order
    }
    if (vs_kind_is_text(kind)) {
        value.as.text = bytes;
        *value_out = value;
        return leaf->convert == VS_PQ_SAME;
    }
    if (leaf->convert == VS_PQ_BYTES_TO_DECIMAL) {
        bool fits = vs_pq_bytes_to_decimal(bytes, &value.as.decimal, NULL) == VS_OK;
        *value_out = value;
        return fits;
    }
    size_t width = physical_width(leaf);
    if (width == 0 || bytes.len != width) {
        return false;
    }
    if (leaf->convert == VS_PQ_SAME) {
        if (width > sizeof converted || width != vs_kind_width(kind)) {
            return false;
        }
        memcpy(converted, bytes.ptr, width);
    } else if (vs_pq_convert(leaf, bytes.ptr, converted, 1, NULL) != VS_OK) {
        return false;
    }
    if (!load_value(kind, converted, &value)) {
        return false;
    }
    *value_out = value;
    return true;
}

static bool may_be_nan(const struct vs_parquet_reader *reader, size_t column)
{
    enum vs_kind kind = reader->schema.fields[column].kind;
    return kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE; // writers count them nowhere
}

static bool has_bounds(const struct vs_parquet_reader *reader, size_t column)
{
    enum vs_kind kind = reader->schema.fields[column].kind;
    return kind != VS_KIND_LIST && kind != VS_KIND_OTHER;
}

// ---- row groups ----

uint64_t vs_parquet_group_first_row(const struct vs_parquet_reader *reader, size_t group)
{
    return reader->group_first_row[group];
}

void vs_parquet_group_range(const struct vs_parquet_reader *reader,
                            size_t group,
                            size_t column,
                            struct vs_parquet_range *range_out)
{
    struct vs_parquet_range range = unknown;
    *range_out = unknown;
    if (!has_bounds(reader, column)) {
        return;
    }
    const struct vs_pq_column_chunk *chunk =
        &reader->meta.row_groups[group].columns[reader->leaves[column].chunk];
    const struct vs_pq_statistics *s = &chunk->statistics;
    range.may_be_nan = may_be_nan(reader, column);
    range.has_lower = s->has_min && decode_bound(reader, column, s->min, &range.lower);
    range.has_upper = s->has_max && decode_bound(reader, column, s->max, &range.upper);
    if (s->has_null_count) {
        range.may_be_null = s->null_count != 0;
        range.may_be_value = s->null_count < chunk->num_values;
    }
    *range_out = range;
}

// ---- pages ----

static enum vs_status read_bytes(struct vs_parquet_reader *reader,
                                 int64_t offset,
                                 int32_t length,
                                 struct vs_arena *arena,
                                 const uint8_t **bytes_out,
                                 struct vs_error *err)
{
    if (offset < 0 || length < 0 ||
        !vs_range_fits((uint64_t)offset, (uint64_t)length, reader->file->size)) {
        return vs_fail(err, VS_CORRUPT, "a page index of %s lies outside of the file",
                       reader->file->name);
    }
    if (length > MAX_INDEX_BYTES) {
        return vs_fail(err, VS_LIMIT, "a page index of %s has %d bytes", reader->file->name,
                       length);
    }
    VS_TRY(vs_pq_indexes_check(reader, err));
    uint8_t *bytes = vs_arena_alloc(arena, (size_t)length);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a page index of %s", reader->file->name);
    }
    VS_TRY(vs_file_read(reader->file, (uint64_t)offset, (size_t)length, bytes, err));
    *bytes_out = bytes;
    return VS_OK;
}

static struct vs_parquet_range page_range(const struct vs_parquet_reader *reader,
                                          size_t column,
                                          const struct vs_pq_column_index *index,
                                          size_t page)
{
    struct vs_parquet_range range = unknown;
    range.may_be_nan = may_be_nan(reader, column);
    if (index->null_pages[page]) {
        range.may_be_value = false;
        range.may_be_nan = false;
        return range;
    }
    range.has_lower = decode_bound(reader, column, index->min_values[page], &range.lower);
    range.has_upper = decode_bound(reader, column, index->max_values[page], &range.upper);
    if (index->null_counts != NULL) {
        range.may_be_null = index->null_counts[page] != 0;
    }
    return range;
}

static enum vs_status set_pages(const struct vs_parquet_reader *reader,
                                size_t group,
                                size_t column,
                                const struct vs_pq_column_index *index,
                                const struct vs_pq_offset_index *places,
                                struct vs_arena *arena,
                                struct vs_parquet_pages *pages)
{
    uint64_t start = reader->group_first_row[group], end = reader->group_first_row[group + 1];
    size_t n = places->page_count;
    pages->first_rows = vs_arena_alloc_array(arena, n + 1, sizeof *pages->first_rows);
    pages->ranges = vs_arena_alloc_array(arena, n, sizeof *pages->ranges);
    if (pages->first_rows == NULL || pages->ranges == NULL) {
        return VS_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t row = places->pages[i].first_row_index;
        if (row < 0 || (uint64_t)row >= end - start || (i == 0 && row != 0) ||
            (i > 0 && start + (uint64_t)row <= pages->first_rows[i - 1])) {
            return VS_CORRUPT;
        }
        pages->first_rows[i] = start + (uint64_t)row;
        pages->ranges[i] = page_range(reader, column, index, i);
    }
    pages->first_rows[n] = end;
    pages->count = n;
    return VS_OK;
}

enum vs_status vs_parquet_pages_read(struct vs_parquet_reader *reader,
                                     size_t group,
                                     size_t column,
                                     struct vs_arena *arena,
                                     struct vs_parquet_pages *pages_out,
                                     struct vs_error *err)
{
    struct vs_parquet_pages pages = {0};
    struct vs_pq_column_index index = {0};
    struct vs_pq_offset_index places = {0};
    const uint8_t *bytes;
    *pages_out = pages;
    if (!has_bounds(reader, column)) {
        return VS_OK;
    }
    const struct vs_pq_column_chunk *chunk =
        &reader->meta.row_groups[group].columns[reader->leaves[column].chunk];
    if (chunk->column_index_offset <= 0 || chunk->offset_index_offset <= 0) {
        return VS_OK;
    }
    VS_TRY(read_bytes(reader, chunk->column_index_offset, chunk->column_index_length, arena, &bytes,
                      err));
    VS_TRY(vs_pq_column_index_parse(bytes, (size_t)chunk->column_index_length, "column index",
                                    arena, &index, err));
    VS_TRY(read_bytes(reader, chunk->offset_index_offset, chunk->offset_index_length, arena, &bytes,
                      err));
    VS_TRY(vs_pq_offset_index_parse(bytes, (size_t)chunk->offset_index_length, "offset index",
                                    arena, &places, err));
    enum vs_status status = VS_CORRUPT;
    if (index.page_count == places.page_count) {
        status = set_pages(reader, group, column, &index, &places, arena, &pages);
    }
    if (status != VS_OK) {
        return status == VS_NO_MEMORY
                   ? vs_fail(err, VS_NO_MEMORY, "no memory for a page index of %s",
                             reader->file->name)
                   : vs_fail(err, VS_CORRUPT,
                             "the page index of column '%.*s' in %s does not fit its row group",
                             VS_STR_ARG(reader->schema.fields[column].name), reader->file->name);
    }
    *pages_out = pages;
    return VS_OK;
}
