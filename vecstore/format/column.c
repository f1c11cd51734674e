// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/column.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"

#include <math.h>

static bool has_bytes(enum vs_kind kind)
{
    return kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_FIXED;
}

void vs_column_init(struct vs_column *column, const struct vs_env *env, enum vs_kind kind)
{
    *column = (struct vs_column){.kind = kind};
    vs_buf_init(&column->valid, env, SIZE_MAX / 2);
    // Offsets are uint32, so that the bytes of one column of one batch end at 4 GiB.
    vs_buf_init(&column->values, env, has_bytes(kind) ? UINT32_MAX : SIZE_MAX / 2);
    vs_buf_init(&column->offsets, env, SIZE_MAX / 2);
}

enum vs_status vs_column_init_field(struct vs_column *column,
                                    const struct vs_env *env,
                                    const struct vs_field *field,
                                    struct vs_error *err)
{
    struct vs_column made;
    vs_column_init(&made, env, field->kind);
    if (field->kind == VS_KIND_LIST) {
        made.child = (struct vs_column *)vs_alloc(env, sizeof *made.child);
        if (made.child == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "no memory for column '%.*s'",
                           VS_STR_ARG(field->name));
        }
        vs_column_init(made.child, env, field->element_kind);
    }
    *column = made;
    return VS_OK;
}

// Children and dictionaries hold no further children: the depth is 2.
static void clear_flat(struct vs_column *column)
{
    vs_buf_clear(&column->valid);
    vs_buf_clear(&column->values);
    vs_buf_clear(&column->offsets);
}

static void clear_owned(struct vs_column **owned)
{
    if (*owned != NULL) {
        const struct vs_env *env = (*owned)->valid.env;
        clear_flat(*owned);
        vs_free(env, *owned);
        *owned = NULL;
    }
}

void vs_column_clear(struct vs_column *column)
{
    if (column->child != NULL) {
        clear_owned(&column->child->dictionary);
    }
    clear_owned(&column->child);
    clear_owned(&column->dictionary);
    clear_flat(column);
    column->row_count = 0;
}

static void reset_flat(struct vs_column *column)
{
    column->row_count = 0;
    vs_buf_reset(&column->valid);
    vs_buf_reset(&column->values);
    vs_buf_reset(&column->offsets);
    clear_owned(&column->dictionary);
}

void vs_column_reset(struct vs_column *column)
{
    reset_flat(column);
    if (column->child != NULL) {
        reset_flat(column->child);
    }
}

enum vs_status vs_batch_init(struct vs_batch *batch,
                             const struct vs_env *env,
                             const struct vs_field *fields,
                             size_t field_count,
                             struct vs_error *err)
{
    struct vs_batch made = {0};
    made.columns = (struct vs_column *)vs_alloc_zeroed(env, field_count > 0 ? field_count : 1,
                                                       sizeof *made.columns);
    if (made.columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a batch of %zu columns", field_count);
    }
    vs_column_init(&made.columns[0], env,
                   VS_KIND_OTHER); // keeps the environment for vs_batch_clear, also without fields
    for (size_t i = 0; i < field_count; i++) {
        enum vs_status status = vs_column_init_field(&made.columns[i], env, &fields[i], err);
        if (status != VS_OK) {
            if (i == 0) {
                vs_column_init(&made.columns[0], env, VS_KIND_OTHER);
            }
            vs_batch_clear(&made);
            return status;
        }
        made.column_count = i + 1;
    }
    *batch = made;
    return VS_OK;
}

void vs_batch_clear(struct vs_batch *batch)
{
    if (batch->columns == NULL) {
        return;
    }
    const struct vs_env *env = batch->columns[0].valid.env;
    for (size_t i = 0; i < batch->column_count; i++) {
        vs_column_clear(&batch->columns[i]);
    }
    vs_free(env, batch->columns);
    *batch = (struct vs_batch){0};
}

void vs_batch_reset(struct vs_batch *batch)
{
    batch->row_count = 0;
    for (size_t i = 0; i < batch->column_count; i++) {
        vs_column_reset(&batch->columns[i]);
    }
}

// ---- appending ----

// Reserves for one more row of `bytes` value bytes; afterwards nothing can fail.
static enum vs_status reserve_row(struct vs_column *column,
                                  size_t bytes,
                                  bool null,
                                  struct vs_error *err)
{
    if (column->kind == VS_KIND_OTHER) {
        return vs_fail(err, VS_UNSUPPORTED, "a column of an unsupported type cannot hold rows");
    }
    if (column->dictionary != NULL) {
        return vs_fail(err, VS_INTERNAL, "rows cannot be appended to a dictionary column");
    }
    if (column->valid.len != 0) {
        VS_TRY(vs_buf_reserve(&column->valid, 1, err));
    } else if (null) {
        VS_TRY(vs_buf_reserve(&column->valid, column->row_count + 1, err));
    }
    if (has_bytes(column->kind) || column->kind == VS_KIND_LIST) {
        VS_TRY(vs_buf_reserve(&column->offsets,
                              (column->offsets.len == 0 ? 2 : 1) * sizeof(uint32_t), err));
    }
    return vs_buf_reserve(&column->values, bytes, err);
}

static void push_valid(struct vs_column *column, bool null)
{
    if (column->valid.len == 0 && null) {
        memset(column->valid.data, 1, column->row_count);
        column->valid.len = column->row_count;
    }
    if (column->valid.len != 0 || null) {
        column->valid.data[column->valid.len++] = null ? 0 : 1;
    }
    column->row_count++;
}

static void push_offset(struct vs_column *column, uint32_t end)
{
    if (column->offsets.len == 0) {
        memset(column->offsets.data, 0, sizeof end);
        column->offsets.len = sizeof end;
    }
    memcpy(column->offsets.data + column->offsets.len, &end, sizeof end);
    column->offsets.len += sizeof end;
}

static void push_value(struct vs_column *column, const void *bytes, size_t n)
{
    if (n > 0) {
        memcpy(column->values.data + column->values.len, bytes, n);
        column->values.len += n;
    }
}

static enum vs_status append_fixed(struct vs_column *column,
                                   const void *bytes,
                                   size_t n,
                                   struct vs_error *err)
{
    VS_TRY(reserve_row(column, n, false, err));
    push_value(column, bytes, n);
    push_valid(column, false);
    return VS_OK;
}

static uint32_t list_end(const struct vs_column *column)
{
    uint32_t end = 0;
    if (column->offsets.len > 0) {
        memcpy(&end, column->offsets.data + column->offsets.len - sizeof end, sizeof end);
    }
    return end;
}

enum vs_status vs_column_append_null(struct vs_column *column, struct vs_error *err)
{
    size_t width = vs_kind_width(column->kind);
    VS_TRY(reserve_row(column, width, true, err));
    if (width > 0) {
        memset(column->values.data + column->values.len, 0, width);
        column->values.len += width;
    } else {
        push_offset(column,
                    column->kind == VS_KIND_LIST ? list_end(column) : (uint32_t)column->values.len);
    }
    push_valid(column, true);
    return VS_OK;
}

enum vs_status vs_column_append_bytes(struct vs_column *column,
                                      const void *bytes,
                                      size_t n,
                                      struct vs_error *err)
{
    if (column->kind == VS_KIND_UUID) {
        if (n != 16) {
            return vs_fail(err, VS_INVALID, "a uuid has 16 bytes, not %zu", n);
        }
        return append_fixed(column, bytes, n, err);
    }
    if (!has_bytes(column->kind)) {
        return vs_fail(err, VS_INTERNAL, "bytes cannot be appended to a column of %s",
                       vs_kind_name(column->kind));
    }
    VS_TRY(reserve_row(column, n, false, err));
    push_value(column, bytes, n);
    push_offset(column, (uint32_t)column->values.len);
    push_valid(column, false);
    return VS_OK;
}

static enum vs_status append_int32(struct vs_column *column, int64_t integer, struct vs_error *err)
{
    if (integer < INT32_MIN || integer > INT32_MAX) {
        return vs_fail(err, VS_INVALID, "%lld does not fit into a column of %s", (long long)integer,
                       vs_kind_name(column->kind));
    }
    int32_t value = (int32_t)integer;
    return append_fixed(column, &value, sizeof value, err);
}

enum vs_status vs_column_append(struct vs_column *column,
                                const struct vs_value *value,
                                struct vs_error *err)
{
    if (value->is_null) {
        return vs_column_append_null(column, err);
    }
    if (value->kind != column->kind) {
        return vs_fail(err, VS_INVALID, "a value of %s cannot be appended to a column of %s",
                       vs_kind_name(value->kind), vs_kind_name(column->kind));
    }
    switch (column->kind) {
    case VS_KIND_BOOLEAN:
        return append_fixed(column, &(uint8_t){value->as.boolean ? 1 : 0}, 1, err);
    case VS_KIND_INT:
    case VS_KIND_DATE:
        return append_int32(column, value->as.integer, err);
    case VS_KIND_LONG:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        return append_fixed(column, &value->as.integer, sizeof value->as.integer, err);
    case VS_KIND_FLOAT:
        return append_fixed(column, &(float){(float)value->as.real}, sizeof(float), err);
    case VS_KIND_DOUBLE:
        return append_fixed(column, &value->as.real, sizeof value->as.real, err);
    case VS_KIND_DECIMAL:
        return append_fixed(column, &value->as.decimal, sizeof value->as.decimal, err);
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID:
        return vs_column_append_bytes(column, value->as.text.ptr, value->as.text.len, err);
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return vs_fail(err, VS_INVALID, "a single value cannot be appended to a column of %s",
                   vs_kind_name(column->kind));
}

enum vs_status vs_column_end_list(struct vs_column *column, struct vs_error *err)
{
    if (column->kind != VS_KIND_LIST || column->child == NULL) {
        return vs_fail(err, VS_INTERNAL, "a column of %s has no list to end",
                       vs_kind_name(column->kind));
    }
    if (column->child->row_count > UINT32_MAX) {
        return vs_fail(
            err, VS_LIMIT,
            "a batch holds more than 4294967295 list elements in one column; use smaller batches");
    }
    VS_TRY(reserve_row(column, 0, false, err));
    push_offset(column, (uint32_t)column->child->row_count);
    push_valid(column, false);
    return VS_OK;
}

enum vs_status vs_column_append_floats(struct vs_column *column,
                                       const float *values,
                                       size_t n,
                                       struct vs_error *err)
{
    struct vs_column *child = column->child;
    size_t bytes = 0;
    if (column->kind != VS_KIND_LIST || child == NULL || child->kind != VS_KIND_FLOAT) {
        return vs_fail(err, VS_INTERNAL, "floats cannot be appended to a column of %s",
                       vs_kind_name(column->kind));
    }
    if (!vs_mul_size(n, sizeof *values, &bytes) || n > UINT32_MAX - child->row_count) {
        return vs_fail(
            err, VS_LIMIT,
            "a batch holds more than 4294967295 list elements in one column; use smaller batches");
    }
    VS_TRY(vs_buf_reserve(&child->values, bytes, err));
    if (child->valid.len != 0) {
        VS_TRY(vs_buf_reserve(&child->valid, n, err));
    }
    VS_TRY(reserve_row(column, 0, false, err));
    push_value(child, values, bytes);
    if (child->valid.len != 0) {
        memset(child->valid.data + child->valid.len, 1, n);
        child->valid.len += n;
    }
    child->row_count += n;
    push_offset(column, (uint32_t)child->row_count);
    push_valid(column, false);
    return VS_OK;
}

// ---- reading ----

static void offsets_at(const struct vs_column *column,
                       size_t row,
                       uint32_t *first_out,
                       uint32_t *end_out)
{
    memcpy(first_out, column->offsets.data + row * sizeof(uint32_t), sizeof(uint32_t));
    memcpy(end_out, column->offsets.data + (row + 1) * sizeof(uint32_t), sizeof(uint32_t));
}

struct vs_str vs_column_get_bytes(const struct vs_column *column, size_t row)
{
    uint32_t first = 0, end = 0, code = 0;
    if (column->kind == VS_KIND_UUID) {
        return (struct vs_str){(const char *)column->values.data + row * 16, 16};
    }
    if (column->dictionary != NULL) {
        if (vs_column_is_null(column, row)) {
            return (struct vs_str){"", 0};
        }
        memcpy(&code, column->values.data + row * sizeof code, sizeof code);
        column = column->dictionary;
        row = code;
    }
    offsets_at(column, row, &first, &end);
    return (struct vs_str){column->values.len > 0 ? (const char *)column->values.data + first : "",
                           end - first};
}

struct vs_value vs_column_get(const struct vs_column *column, size_t row)
{
    struct vs_value value = {.kind = column->kind, .is_null = vs_column_is_null(column, row)};
    if (value.is_null) {
        return value;
    }
    const uint8_t *at = column->values.data + row * vs_kind_width(column->kind);
    int32_t i32 = 0;
    float f32 = 0;
    switch (column->kind) {
    case VS_KIND_BOOLEAN:
        value.as.boolean = *at != 0;
        break;
    case VS_KIND_INT:
    case VS_KIND_DATE:
        memcpy(&i32, at, sizeof i32);
        value.as.integer = i32;
        break;
    case VS_KIND_LONG:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        memcpy(&value.as.integer, at, sizeof value.as.integer);
        break;
    case VS_KIND_FLOAT:
        memcpy(&f32, at, sizeof f32);
        value.as.real = (double)f32;
        break;
    case VS_KIND_DOUBLE:
        memcpy(&value.as.real, at, sizeof value.as.real);
        break;
    case VS_KIND_DECIMAL:
        memcpy(&value.as.decimal, at, sizeof value.as.decimal);
        break;
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID:
        value.as.text = vs_column_get_bytes(column, row);
        break;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        value.is_null = true;
        break;
    }
    return value;
}

void vs_column_get_list(const struct vs_column *column,
                        size_t row,
                        size_t *first_out,
                        size_t *count_out)
{
    uint32_t first = 0, end = 0;
    offsets_at(column, row, &first, &end);
    *first_out = first;
    *count_out = end - first;
}

const float *vs_column_get_floats(const struct vs_column *column, size_t row, size_t *count_out)
{
    size_t first = 0, count = 0;
    vs_column_get_list(column, row, &first, &count);
    *count_out = count;
    // Buffers come from the allocator, so that element 0 is aligned for any type.
    return count == 0 ? NULL : (const float *)(const void *)column->child->values.data + first;
}

static size_t memory_flat(const struct vs_column *column)
{
    return column == NULL
               ? 0
               : column->valid.capacity + column->values.capacity + column->offsets.capacity;
}

size_t vs_column_memory(const struct vs_column *column)
{
    return memory_flat(column) + memory_flat(column->child) + memory_flat(column->dictionary);
}

static int compare_real(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
    }
    return (a > b) - (a < b);
}

bool vs_value_keep(struct vs_value *value, struct vs_arena *arena)
{
    if (value->is_null || !vs_kind_is_text(value->kind)) {
        return true;
    }
    struct vs_str copy = vs_arena_copy_str(arena, value->as.text);
    if (copy.ptr == NULL) {
        return false;
    }
    value->as.text = copy;
    return true;
}

int vs_value_compare(const struct vs_value *a, const struct vs_value *b)
{
    switch (a->kind) {
    case VS_KIND_BOOLEAN:
        return (int)a->as.boolean - (int)b->as.boolean;
    case VS_KIND_INT:
    case VS_KIND_DATE:
    case VS_KIND_LONG:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
        return compare_real(a->as.real, b->as.real);
    case VS_KIND_DECIMAL:
        return (a->as.decimal > b->as.decimal) - (a->as.decimal < b->as.decimal);
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID: {
        int order = vs_str_compare(a->as.text, b->as.text);
        return (order > 0) - (order < 0);
    }
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return 0;
}
