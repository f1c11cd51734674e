// SPDX-License-Identifier: Apache-2.0
// Copying rows between columns: vs_column_append_rows and vs_column_gather.
#include "vecstore/base/checked.h"
#include "vecstore/format/column.h"

#include <string.h>

static uint32_t offset_at(const struct vs_column *column, size_t index)
{
    uint32_t value = 0;
    if (column->offsets.len > 0) {
        memcpy(&value, column->offsets.data + index * sizeof value, sizeof value);
    }
    return value;
}

static enum vs_status check_kinds(const struct vs_column *dst,
                                  const struct vs_column *src,
                                  struct vs_error *err)
{
    if (dst->kind != src->kind ||
        (dst->child != NULL && (src->child == NULL || dst->child->kind != src->child->kind))) {
        return vs_fail(err, VS_INTERNAL, "rows of %s cannot be copied to a column of %s",
                       vs_kind_name(src->kind), vs_kind_name(dst->kind));
    }
    if (dst->kind == VS_KIND_OTHER || dst->dictionary != NULL || dst == src) {
        return vs_fail(err, VS_INTERNAL, "a column of %s cannot take copied rows",
                       vs_kind_name(dst->kind));
    }
    return VS_OK;
}

// Adds the validity of rows [first, first + count) of src for rows that are not yet counted in dst.
static enum vs_status append_valid(struct vs_column *dst,
                                   const struct vs_column *src,
                                   size_t first,
                                   size_t count,
                                   struct vs_error *err)
{
    if (dst->valid.len == 0 && src->valid.len == 0) {
        return VS_OK;
    }
    size_t missing = dst->row_count - dst->valid.len;
    VS_TRY(vs_buf_reserve(&dst->valid, missing + count, err));
    memset(dst->valid.data + dst->valid.len, 1, missing);
    dst->valid.len += missing;
    if (src->valid.len == 0) {
        memset(dst->valid.data + dst->valid.len, 1, count);
    } else {
        memcpy(dst->valid.data + dst->valid.len, src->valid.data + first, count);
    }
    dst->valid.len += count;
    return VS_OK;
}

// The end offsets of count rows of src, moved so that the first starts at `base`.
static enum vs_status append_offsets(struct vs_column *dst,
                                     const struct vs_column *src,
                                     size_t first,
                                     size_t count,
                                     uint32_t base,
                                     struct vs_error *err)
{
    VS_TRY(vs_buf_reserve(&dst->offsets, (count + 1) * sizeof(uint32_t), err));
    if (dst->offsets.len == 0) {
        memset(dst->offsets.data, 0, sizeof(uint32_t));
        dst->offsets.len = sizeof(uint32_t);
    }
    uint32_t start = offset_at(src, first);
    for (size_t i = 0; i < count; i++) {
        uint32_t end = offset_at(src, first + i + 1) - start + base;
        memcpy(dst->offsets.data + dst->offsets.len, &end, sizeof end);
        dst->offsets.len += sizeof end;
    }
    return VS_OK;
}

static enum vs_status append_bytes_rows(struct vs_column *dst,
                                        const struct vs_column *src,
                                        size_t first,
                                        size_t count,
                                        struct vs_error *err)
{
    uint32_t start = offset_at(src, first), end = offset_at(src, first + count);
    uint32_t base = (uint32_t)dst->values.len; // the buffer's limit is UINT32_MAX
    VS_TRY(vs_buf_reserve(&dst->values, end - start, err));
    VS_TRY(vs_buf_reserve(&dst->offsets, (count + 1) * sizeof(uint32_t), err));
    VS_TRY(append_valid(dst, src, first, count, err));
    VS_TRY(append_offsets(dst, src, first, count, base, err));
    VS_TRY(vs_buf_append(&dst->values, src->values.data != NULL ? src->values.data + start : NULL,
                         end - start, err));
    dst->row_count += count;
    return VS_OK;
}

static enum vs_status append_fixed_rows(struct vs_column *dst,
                                        const struct vs_column *src,
                                        size_t first,
                                        size_t count,
                                        struct vs_error *err)
{
    size_t width = vs_kind_width(src->kind);
    VS_TRY(vs_buf_reserve(&dst->values, count * width, err));
    VS_TRY(append_valid(dst, src, first, count, err));
    VS_TRY(vs_buf_append(&dst->values, src->values.data + first * width, count * width, err));
    dst->row_count += count;
    return VS_OK;
}

static enum vs_status append_resolved_rows(struct vs_column *dst,
                                           const struct vs_column *src,
                                           size_t first,
                                           size_t count,
                                           struct vs_error *err)
{
    for (size_t row = first; row < first + count; row++) {
        if (vs_column_is_null(src, row)) {
            VS_TRY(vs_column_append_null(dst, err));
        } else {
            struct vs_str bytes = vs_column_get_bytes(src, row);
            VS_TRY(vs_column_append_bytes(dst, bytes.ptr, bytes.len, err));
        }
    }
    return VS_OK;
}

static enum vs_status append_flat_rows(struct vs_column *dst,
                                       const struct vs_column *src,
                                       size_t first,
                                       size_t count,
                                       struct vs_error *err)
{
    if (count == 0) {
        return VS_OK;
    }
    if (src->dictionary != NULL) {
        return append_resolved_rows(dst, src, first, count, err);
    }
    return vs_kind_width(src->kind) > 0 ? append_fixed_rows(dst, src, first, count, err)
                                        : append_bytes_rows(dst, src, first, count, err);
}

enum vs_status vs_column_append_rows(struct vs_column *dst,
                                     const struct vs_column *src,
                                     size_t first,
                                     size_t count,
                                     struct vs_error *err)
{
    VS_TRY(check_kinds(dst, src, err));
    if (!vs_range_fits(first, count, src->row_count)) {
        return vs_fail(err, VS_INTERNAL, "rows %zu to %zu do not exist in a column of %zu rows",
                       first, first + count, src->row_count);
    }
    if (count == 0 || dst->kind != VS_KIND_LIST) {
        return append_flat_rows(dst, src, first, count, err);
    }
    uint32_t start = offset_at(src, first), end = offset_at(src, first + count);
    if (end - start > UINT32_MAX - dst->child->row_count) {
        return vs_fail(
            err, VS_LIMIT,
            "a batch holds more than 4294967295 list elements in one column; use smaller batches");
    }
    VS_TRY(vs_buf_reserve(&dst->offsets, (count + 1) * sizeof(uint32_t), err));
    VS_TRY(vs_buf_reserve(&dst->valid, dst->row_count + count, err));
    uint32_t base = (uint32_t)dst->child->row_count;
    VS_TRY(append_flat_rows(dst->child, src->child, start, end - start, err));
    VS_TRY(append_offsets(dst, src, first, count, base, err));
    VS_TRY(append_valid(dst, src, first, count, err));
    dst->row_count += count;
    return VS_OK;
}

// Rows of a fixed width out of a column where every row is present, to one of which that holds too.
static void gather_plain(struct vs_column *dst,
                         const struct vs_column *src,
                         const uint32_t *rows,
                         size_t count)
{
    size_t width = vs_kind_width(src->kind);
    uint8_t *to = dst->values.data + dst->values.len;
    for (size_t i = 0; i < count; i++, to += width) {
        const uint8_t *from = src->values.data + (size_t)rows[i] * width;
        if (width == sizeof(uint64_t)) {
            memcpy(to, from, sizeof(uint64_t));
        } else {
            memcpy(to, from, width);
        }
    }
    dst->values.len += count * width;
    dst->row_count += count;
}

static bool are_plain(const struct vs_column *dst,
                      const struct vs_column *src,
                      const uint32_t *rows,
                      size_t count)
{
    if (vs_kind_width(src->kind) == 0 || src->dictionary != NULL || src->valid.len > 0 ||
        dst->valid.len > 0) {
        return false;
    }
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        last = rows[i] > last ? rows[i] : last;
    }
    return last < src->row_count;
}

enum vs_status vs_column_gather(struct vs_column *dst,
                                const struct vs_column *src,
                                const uint32_t *rows,
                                size_t count,
                                struct vs_error *err)
{
    if (are_plain(dst, src, rows, count)) {
        VS_TRY(check_kinds(dst, src, err));
        VS_TRY(vs_buf_reserve(&dst->values, count * vs_kind_width(src->kind), err));
        gather_plain(dst, src, rows, count);
        return VS_OK;
    }
    // Runs of neighbours are copied at once; a gather of single rows costs one call a row.
    for (size_t i = 0; i < count;) {
        size_t run = 1;
        while (i + run < count && rows[i + run] == rows[i] + run) {
            run++;
        }
        VS_TRY(vs_column_append_rows(dst, src, rows[i], run, err));
        i += run;
    }
    return VS_OK;
}
