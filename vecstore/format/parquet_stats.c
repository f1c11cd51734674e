// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_stats.h"

#include "vecstore/base/bytes.h"
#include "vecstore/format/parquet_encode.h"

#include <math.h>

#define ICEBERG_TRUNCATE 16 // code points of a string, bytes of a binary

static bool is_real(enum vs_kind kind)
{
    return kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE;
}

static vs_int128 load_integer(const struct vs_column *column, size_t row)
{
    const uint8_t *values = column->values.data;
    vs_int128 decimal;
    if (column->kind == VS_KIND_BOOLEAN) {
        return values[row] != 0;
    }
    if (column->kind == VS_KIND_INT || column->kind == VS_KIND_DATE) {
        return (int32_t)vs_load_u32le(values + 4 * row);
    }
    if (column->kind == VS_KIND_DECIMAL) {
        memcpy(&decimal, values + sizeof decimal * row, sizeof decimal);
        return decimal;
    }
    return (int64_t)vs_load_u64le(values + 8 * row);
}

static double load_real(const struct vs_column *column, size_t row)
{
    return column->kind == VS_KIND_FLOAT ? (double)vs_load_f32le(column->values.data + 4 * row)
                                         : vs_load_f64le(column->values.data + 8 * row);
}

static void scan_integers(const struct vs_column *column,
                          size_t first,
                          size_t count,
                          struct vs_leaf_stats *stats)
{
    for (size_t row = first; row < first + count; row++) {
        if (vs_column_is_null(column, row)) {
            stats->null_count++;
            continue;
        }
        vs_int128 value = load_integer(column, row);
        if (!stats->has_range || value < stats->min.integer) {
            stats->min.integer = value;
        }
        if (!stats->has_range || value > stats->max.integer) {
            stats->max.integer = value;
        }
        stats->has_range = true;
    }
}

static void scan_reals(const struct vs_column *column,
                       size_t first,
                       size_t count,
                       struct vs_leaf_stats *stats)
{
    for (size_t row = first; row < first + count; row++) {
        if (vs_column_is_null(column, row)) {
            stats->null_count++;
            continue;
        }
        double value = load_real(column, row);
        if (isnan(value)) {
            stats->nan_count++;
            continue;
        }
        if (!stats->has_range || value < stats->min.real) {
            stats->min.real = value;
        }
        if (!stats->has_range || value > stats->max.real) {
            stats->max.real = value;
        }
        stats->has_range = true;
    }
}

static void set_prefix(struct vs_bound *bound, struct vs_str text)
{
    bound->cut = text.len > VS_BOUND_PREFIX;
    bound->len = (uint8_t)(bound->cut ? VS_BOUND_PREFIX : text.len);
    if (bound->len > 0) {
        memcpy(bound->bytes, text.ptr, bound->len);
    }
}

static void scan_bytes(const struct vs_column *column,
                       size_t first,
                       size_t count,
                       struct vs_leaf_stats *stats)
{
    struct vs_str min = {0}, max = {0};
    for (size_t row = first; row < first + count; row++) {
        if (vs_column_is_null(column, row)) {
            stats->null_count++;
            continue;
        }
        struct vs_str text = vs_column_get_bytes(column, row);
        if (!stats->has_range || vs_str_compare(text, min) < 0) {
            min = text;
        }
        if (!stats->has_range || vs_str_compare(text, max) > 0) {
            max = text;
        }
        stats->has_range = true;
    }
    if (stats->has_range) {
        set_prefix(&stats->min, min);
        set_prefix(&stats->max, max);
    }
}

void vs_leaf_stats_scan(const struct vs_column *column,
                        size_t first,
                        size_t count,
                        struct vs_leaf_stats *stats_out)
{
    struct vs_leaf_stats stats = {.value_count = count};
    if (vs_kind_is_text(column->kind)) {
        scan_bytes(column, first, count, &stats);
    } else if (is_real(column->kind)) {
        scan_reals(column, first, count, &stats);
    } else {
        scan_integers(column, first, count, &stats);
    }
    *stats_out = stats;
}

int vs_bound_compare(enum vs_kind kind, const struct vs_bound *a, const struct vs_bound *b)
{
    if (vs_kind_is_text(kind)) {
        int order = vs_str_compare((struct vs_str){(const char *)a->bytes, a->len},
                                   (struct vs_str){(const char *)b->bytes, b->len});
        return order != 0 ? order : (int)a->cut - (int)b->cut;
    }
    if (is_real(kind)) {
        return (a->real > b->real) - (a->real < b->real);
    }
    return (a->integer > b->integer) - (a->integer < b->integer);
}

void vs_leaf_stats_merge(enum vs_kind kind,
                         struct vs_leaf_stats *into,
                         const struct vs_leaf_stats *from)
{
    into->value_count += from->value_count;
    into->null_count += from->null_count;
    into->nan_count += from->nan_count;
    if (!from->has_range) {
        return;
    }
    if (!into->has_range || vs_bound_compare(kind, &from->min, &into->min) < 0) {
        into->min = from->min;
    }
    if (!into->has_range || vs_bound_compare(kind, &from->max, &into->max) > 0) {
        into->max = from->max;
    }
    into->has_range = true;
}

// ---- texts ----

// Bytes of the code point that starts with this byte; 1 for bytes that cannot start one.
static size_t code_point_size(uint8_t first)
{
    if (first >= 0xF0) {
        return 4;
    }
    if (first >= 0xE0) {
        return 3;
    }
    return first >= 0xC0 ? 2 : 1;
}

// The longest prefix of at most `units` whole characters.
static size_t cut_text(const uint8_t *bytes, size_t len, size_t units, bool is_text)
{
    if (!is_text) {
        return len < units ? len : units;
    }
    size_t at = 0;
    while (units-- > 0 && at < len && at + code_point_size(bytes[at]) <= len) {
        at += code_point_size(bytes[at]);
    }
    return at;
}

static size_t encode_code_point(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | (code >> 6));
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | (code >> 12));
        out[1] = (uint8_t)(0x80 | ((code >> 6) & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | (code >> 18));
    out[1] = (uint8_t)(0x80 | ((code >> 12) & 0x3F));
    out[2] = (uint8_t)(0x80 | ((code >> 6) & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

static uint32_t decode_code_point(const uint8_t *bytes, size_t size)
{
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = bytes[0] & masks[size];
    for (size_t i = 1; i < size; i++) {
        code = (code << 6) | (bytes[i] & 0x3F);
    }
    return code;
}

// Raises a cut text to an upper bound of all texts that begin with it; 0: there is none.
static size_t raise_text(uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t start = len - 1;
        while (start > 0 && (bytes[start] & 0xC0) == 0x80) {
            start--;
        }
        uint32_t code = decode_code_point(bytes + start, len - start <= 4 ? len - start : 4) + 1;
        if (code == 0xD800) {
            code = 0xE000; // surrogates are no characters
        }
        if (code <= 0x10FFFF) {
            return start + encode_code_point(code, bytes + start);
        }
        len = start;
    }
    return 0;
}

static size_t raise_bytes(uint8_t *bytes, size_t len)
{
    for (; len > 0; len--) {
        if (bytes[len - 1] != 0xFF) {
            bytes[len - 1]++;
            return len;
        }
    }
    return 0;
}

static bool store_bytes(const struct vs_bound_type *type,
                        bool upper,
                        const struct vs_bound *bound,
                        struct vs_bound_bytes *out)
{
    bool is_text = type->kind == VS_KIND_STRING;
    size_t units = type->form == VS_BOUND_ICEBERG ? ICEBERG_TRUNCATE : VS_BOUND_PREFIX;
    size_t len = cut_text(bound->bytes, bound->len, units, is_text);
    bool cut = bound->cut || len < bound->len;
    memcpy(out->bytes, bound->bytes, len);
    if (cut && upper) {
        len = is_text ? raise_text(out->bytes, len) : raise_bytes(out->bytes, len);
        if (len == 0) {
            return false;
        }
    }
    out->len = len;
    out->exact = !cut;
    return true;
}

static size_t store_real(enum vs_kind kind, bool upper, double value, uint8_t *bytes_out)
{
    if (value == 0.0) {
        value = upper ? 0.0 : -0.0;
    }
    if (kind == VS_KIND_FLOAT) {
        vs_store_f32le(bytes_out, (float)value);
        return 4;
    }
    vs_store_f64le(bytes_out, value);
    return 8;
}

static size_t store_integer(const struct vs_bound_type *type, vs_int128 value, uint8_t *bytes_out)
{
    enum vs_kind kind = type->kind;
    if (kind == VS_KIND_BOOLEAN) {
        bytes_out[0] = value != 0;
        return 1;
    }
    if (kind == VS_KIND_DECIMAL) {
        if (type->form == VS_BOUND_ICEBERG) {
            return vs_decimal_store_be_minimal(value, bytes_out);
        }
        if (type->precision > 18) {
            size_t width = vs_decimal_byte_width(type->precision);
            vs_decimal_store_be(value, bytes_out, width);
            return width;
        }
    }
    bool narrow = kind == VS_KIND_INT || kind == VS_KIND_DATE ||
                  (kind == VS_KIND_DECIMAL && type->precision <= 9);
    if (narrow) {
        vs_store_u32le(bytes_out, (uint32_t)(int32_t)value);
        return 4;
    }
    vs_store_u64le(bytes_out, (uint64_t)(int64_t)value);
    return 8;
}

bool vs_bound_store(const struct vs_bound_type *type,
                    bool upper,
                    const struct vs_bound *bound,
                    struct vs_bound_bytes *bytes_out)
{
    if (type->kind == VS_KIND_FIXED && type->form == VS_BOUND_PARQUET && bound->cut) {
        return false; // readers take bounds of fixed-length values for whole values
    }
    if (type->kind == VS_KIND_STRING || type->kind == VS_KIND_BINARY ||
        type->kind == VS_KIND_FIXED) {
        return store_bytes(type, upper, bound, bytes_out);
    }
    bytes_out->exact = true;
    if (type->kind == VS_KIND_UUID) {
        memcpy(bytes_out->bytes, bound->bytes, 16);
        bytes_out->len = 16;
    } else if (is_real(type->kind)) {
        bytes_out->len = store_real(type->kind, upper, bound->real, bytes_out->bytes);
    } else {
        bytes_out->len = store_integer(type, bound->integer, bytes_out->bytes);
    }
    return true;
}
