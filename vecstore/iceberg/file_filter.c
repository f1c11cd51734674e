// SPDX-License-Identifier: Apache-2.0
/*
 * Which rows of a data file a filter leaves: row groups by the statistics of the footer, within
 * them pages by the page index.
 */
#include "vecstore/format/parquet_page_index.h"
#include "vecstore/iceberg/file_scan_internal.h"

#include <string.h>

#define MAX_FIELDS 64 // of a predicate that are looked at; more: not known
#define MAX_DEPTH 200 // of a predicate; deeper parts: not known

struct filter_field {
    const struct vs_field *field; // in the table's schema; NULL: unknown
    size_t file_column;
    bool has_no_nan; // the manifest counts none in the whole file; Parquet does not count them
    size_t asked;    // index of the scan's column; SIZE_MAX: not asked for
    struct vs_parquet_range range; // of the rows at hand
    struct vs_parquet_pages pages; // of the row group at hand
};

struct filter {
    struct vs_file_scan *scan;
    const struct vs_predicate *predicate;
    struct vs_arena arena; // of the row group at hand
    size_t field_count;
    int32_t ids[MAX_FIELDS];
    struct filter_field fields[MAX_FIELDS];
    struct vs_buf ranges; // struct vs_row_range
};

static void add_field(struct filter *f, int32_t id)
{
    for (size_t i = 0; i < f->field_count; i++) {
        if (f->ids[i] == id) {
            return;
        }
    }
    if (f->field_count < MAX_FIELDS) {
        f->ids[f->field_count++] = id;
    }
}

// NOLINTNEXTLINE(misc-no-recursion): ends at MAX_DEPTH
static void collect_fields(struct filter *f, const struct vs_predicate *p, size_t depth)
{
    if (p->op == VS_PREDICATE_AND || p->op == VS_PREDICATE_OR || p->op == VS_PREDICATE_NOT) {
        for (size_t i = 0; i < p->child_count && depth < MAX_DEPTH; i++) {
            collect_fields(f, p->children[i], depth + 1);
        }
    } else if (p->op != VS_PREDICATE_TRUE && p->op != VS_PREDICATE_FALSE) {
        add_field(f, p->field_id);
    }
}

static bool counts_no_nan(const struct vs_data_file *data, int32_t id)
{
    for (size_t i = 0; i < data->nan_count_count; i++) {
        if (data->nan_counts[i].key == id) {
            return data->nan_counts[i].value == 0;
        }
    }
    return false;
}

static void find_fields(struct filter *f)
{
    const struct vs_file_scan *s = f->scan;
    const struct vs_schema *schema = vs_table_current_schema(s->metadata);
    for (size_t i = 0; i < f->field_count; i++) {
        struct filter_field *field = &f->fields[i];
        size_t at = schema != NULL ? vs_schema_find_id(schema, f->ids[i]) : SIZE_MAX;
        *field = (struct filter_field){.file_column = VS_COLUMN_ABSENT, .asked = SIZE_MAX};
        if (at == SIZE_MAX) {
            continue;
        }
        field->field = &schema->fields[at];
        field->file_column = vs_file_column_of(s, field->field);
        field->has_no_nan = counts_no_nan(s->data, f->ids[i]);
        for (size_t j = 0; j < s->field_count; j++) {
            if (s->fields[j].id == f->ids[i]) {
                field->asked = j;
            }
        }
    }
}

// ---- ranges as the predicate wants them ----

static const struct vs_value_range not_known = {
    .may_be_null = true, .may_be_nan = true, .may_be_value = true};

static struct vs_value_range from_parquet(const struct filter_field *field)
{
    const struct vs_parquet_range *range = &field->range;
    enum vs_kind kind = field->field->kind;
    struct vs_value_range out = {.has_lower = range->has_lower,
                                 .has_upper = range->has_upper,
                                 .lower = range->lower,
                                 .upper = range->upper,
                                 .may_be_null = range->may_be_null,
                                 .may_be_nan = range->may_be_nan && !field->has_no_nan,
                                 .may_be_value = range->may_be_value};
    out.has_lower = out.has_lower && vs_value_promote(&out.lower, kind);
    out.has_upper = out.has_upper && vs_value_promote(&out.upper, kind);
    return out;
}

// What stands for a column that the file does not have is the same in every row.
static struct vs_value_range of_constant(const struct vs_scan_column *column)
{
    const struct vs_column *constant = &column->constant;
    if (column->is_lineage || constant->kind == VS_KIND_LIST) {
        return not_known;
    }
    if (constant->row_count == 0 || vs_column_is_null(constant, 0)) {
        return (struct vs_value_range){.may_be_null = true};
    }
    struct vs_value value = vs_column_get(constant, 0);
    if (value.kind == VS_KIND_FLOAT || value.kind == VS_KIND_DOUBLE) {
        return not_known;
    }
    return (struct vs_value_range){
        .has_lower = true, .has_upper = true, .lower = value, .upper = value, .may_be_value = true};
}

static struct vs_value_range range_of(void *ctx, int32_t field_id)
{
    const struct filter *f = ctx;
    for (size_t i = 0; i < f->field_count; i++) {
        const struct filter_field *field = &f->fields[i];
        if (f->ids[i] != field_id || field->field == NULL) {
            continue;
        }
        if (field->file_column != VS_COLUMN_ABSENT) {
            return from_parquet(field);
        }
        if (field->asked != SIZE_MAX) {
            return of_constant(&f->scan->columns[field->asked]);
        }
    }
    return not_known;
}

// ---- rows ----

static enum vs_status keep_rows(struct filter *f,
                                uint64_t first,
                                uint64_t end,
                                struct vs_error *err)
{
    struct vs_row_range *last = (struct vs_row_range *)(void *)f->ranges.data;
    size_t n = f->ranges.len / sizeof *last;
    if (n > 0 && last[n - 1].end == first) {
        last[n - 1].end = end;
        return VS_OK;
    }
    const struct vs_row_range range = {first, end};
    return first < end ? vs_buf_append(&f->ranges, &range, sizeof range, err) : VS_OK;
}

// First page boundary of any column behind `row`; sets the ranges of the pages that hold it.
static uint64_t enter_pages(struct filter *f, uint64_t row, uint64_t end)
{
    for (size_t i = 0; i < f->field_count; i++) {
        struct filter_field *field = &f->fields[i];
        struct vs_parquet_pages *pages = &field->pages;
        size_t low = 0, high = pages->count; // the last page that begins at or before row
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            if (pages->first_rows[middle] <= row) {
                low = middle;
            } else {
                high = middle;
            }
        }
        if (pages->count > 0) {
            field->range = pages->ranges[low];
            end = pages->first_rows[low + 1] < end ? pages->first_rows[low + 1] : end;
        }
    }
    return end;
}

static enum vs_status filter_pages(struct filter *f, size_t group, struct vs_error *err)
{
    uint64_t row = vs_parquet_group_first_row(f->scan->reader, group);
    uint64_t end = vs_parquet_group_first_row(f->scan->reader, group + 1);
    bool has_pages = false;
    for (size_t i = 0; i < f->field_count; i++) {
        struct filter_field *field = &f->fields[i];
        field->pages = (struct vs_parquet_pages){0};
        if (field->file_column != VS_COLUMN_ABSENT) {
            VS_TRY(vs_parquet_pages_read(f->scan->reader, group, field->file_column, &f->arena,
                                         &field->pages, err));
            has_pages = has_pages || field->pages.count > 1;
        }
    }
    if (!has_pages) {
        return keep_rows(f, row, end, err);
    }
    while (row < end) {
        uint64_t next = enter_pages(f, row, end);
        if (vs_predicate_may_match(f->predicate, range_of, f)) {
            VS_TRY(keep_rows(f, row, next, err));
        }
        row = next;
    }
    return VS_OK;
}

static enum vs_status filter_groups(struct filter *f, struct vs_error *err)
{
    struct vs_parquet_reader *reader = f->scan->reader;
    for (size_t group = 0; group < vs_parquet_row_group_count(reader); group++) {
        for (size_t i = 0; i < f->field_count; i++) {
            struct filter_field *field = &f->fields[i];
            if (field->file_column != VS_COLUMN_ABSENT) {
                vs_parquet_group_range(reader, group, field->file_column, &field->range);
            }
        }
        if (vs_predicate_may_match(f->predicate, range_of, f)) {
            vs_arena_clear(&f->arena);
            VS_TRY(filter_pages(f, group, err));
        }
    }
    return VS_OK;
}

enum vs_status vs_file_scan_filter(struct vs_file_scan *scan,
                                   const struct vs_predicate *predicate,
                                   struct vs_error *err)
{
    struct filter *f = vs_alloc_zeroed(scan->env, 1, sizeof *f);
    if (f == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to filter a data file");
    }
    f->scan = scan;
    f->predicate = predicate;
    vs_arena_init(&f->arena, scan->env, 0);
    vs_buf_init(&f->ranges, scan->env, SIZE_MAX);
    collect_fields(f, predicate, 0);
    find_fields(f);
    enum vs_status status = filter_groups(f, err);
    size_t count = f->ranges.len / sizeof(struct vs_row_range);
    struct vs_row_range *ranges = NULL;
    if (status == VS_OK) {
        ranges = vs_arena_alloc_array(&scan->arena, count, sizeof *ranges);
        status =
            ranges != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "no memory to filter a data file");
    }
    if (status == VS_OK) {
        if (count > 0) {
            memcpy(ranges, f->ranges.data, f->ranges.len);
        }
        scan->ranges = ranges;
        scan->range_count = count;
        scan->range = 0;
        scan->is_filtered = true;
    }
    vs_buf_clear(&f->ranges);
    vs_arena_clear(&f->arena);
    vs_free(scan->env, f);
    return status;
}
