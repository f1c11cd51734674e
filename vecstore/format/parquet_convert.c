// SPDX-License-Identifier: Apache-2.0
// From physical values to values in memory, and the promotions of schema evolution.
#include "vecstore/base/bytes.h"
#include "vecstore/format/parquet_internal.h"

#define MICROS_PER_MILLI 1000
#define NANOS_PER_MICRO 1000

static bool promotes(enum vs_kind from, enum vs_kind to, bool is_element, struct vs_pq_leaf *leaf)
{
    if (from == to) {
        return true;
    }
    if (from == VS_KIND_INT && to == VS_KIND_LONG) {
        leaf->convert = VS_PQ_I32_TO_I64;
        return true;
    }
    if (from == VS_KIND_FLOAT && to == VS_KIND_DOUBLE) {
        leaf->convert = VS_PQ_F32_TO_F64;
        return true;
    }
    if (is_element && from == VS_KIND_DOUBLE && to == VS_KIND_FLOAT) {
        leaf->convert = VS_PQ_F64_TO_F32;
        return true;
    }
    return false;
}

enum vs_status vs_pq_promote(const struct vs_field *field,
                             const struct vs_field *as,
                             struct vs_pq_leaf *leaf,
                             struct vs_error *err)
{
    bool is_list = field->kind == VS_KIND_LIST;
    enum vs_kind from = is_list ? field->element_kind : field->kind;
    enum vs_kind to = is_list ? as->element_kind : as->kind;
    bool fits = (as->kind == VS_KIND_LIST) == is_list && promotes(from, to, is_list, leaf);
    if (fits && to == VS_KIND_DECIMAL) {
        fits = as->scale == field->scale && as->precision >= field->precision;
    }
    if (!fits) {
        return vs_fail(err, VS_INVALID,
                       "column '%.*s' is stored as %s%s and cannot be read as %s%s",
                       VS_STR_ARG(field->name), is_list ? "list of " : "", vs_kind_name(from),
                       as->kind == VS_KIND_LIST ? "list of " : "",
                       vs_kind_name(as->kind == VS_KIND_LIST ? as->element_kind : as->kind));
    }
    return VS_OK;
}

static enum vs_status millis_to_micros(const uint8_t *in,
                                       uint8_t *out,
                                       size_t n,
                                       struct vs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        int64_t millis = (int64_t)vs_load_u64le(in + 8 * i), micros = 0;
        if (__builtin_mul_overflow(millis, MICROS_PER_MILLI, &micros)) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "the timestamp %lld ms is outside of the range of microseconds",
                           (long long)millis);
        }
        vs_store_u64le(out + 8 * i, (uint64_t)micros);
    }
    return VS_OK;
}

static int64_t floor_divide(int64_t value, int64_t by)
{
    int64_t quotient = value / by;
    return value % by < 0 ? quotient - 1 : quotient;
}

static void put_decimal(uint8_t *out, size_t i, vs_int128 value)
{
    memcpy(out + i * sizeof value, &value, sizeof value);
}

enum vs_status vs_pq_convert(
    const struct vs_pq_leaf *leaf, const void *from, void *to, size_t n, struct vs_error *err)
{
    const uint8_t *in = (const uint8_t *)from;
    uint8_t *out = (uint8_t *)to;
    switch (leaf->convert) {
    case VS_PQ_MILLIS_TO_MICROS:
        return millis_to_micros(in, out, n, err);
    case VS_PQ_I32_TO_I64:
        for (size_t i = 0; i < n; i++) {
            vs_store_u64le(out + 8 * i, (uint64_t)(int64_t)(int32_t)vs_load_u32le(in + 4 * i));
        }
        return VS_OK;
    case VS_PQ_U32_TO_I64:
        for (size_t i = 0; i < n; i++) {
            vs_store_u64le(out + 8 * i, vs_load_u32le(in + 4 * i));
        }
        return VS_OK;
    case VS_PQ_F32_TO_F64:
        for (size_t i = 0; i < n; i++) {
            vs_store_f64le(out + 8 * i, (double)vs_load_f32le(in + 4 * i));
        }
        return VS_OK;
    case VS_PQ_F64_TO_F32:
        for (size_t i = 0; i < n; i++) {
            vs_store_f32le(out + 4 * i, (float)vs_load_f64le(in + 8 * i));
        }
        return VS_OK;
    case VS_PQ_NANOS_TO_MICROS:
        for (size_t i = 0; i < n; i++) {
            vs_store_u64le(out + 8 * i, (uint64_t)floor_divide((int64_t)vs_load_u64le(in + 8 * i),
                                                               NANOS_PER_MICRO));
        }
        return VS_OK;
    case VS_PQ_I32_TO_DECIMAL:
        for (size_t i = 0; i < n; i++) {
            put_decimal(out, i, (int32_t)vs_load_u32le(in + 4 * i));
        }
        return VS_OK;
    case VS_PQ_I64_TO_DECIMAL:
        for (size_t i = 0; i < n; i++) {
            put_decimal(out, i, (int64_t)vs_load_u64le(in + 8 * i));
        }
        return VS_OK;
    case VS_PQ_FIXED_TO_DECIMAL:
        for (size_t i = 0; i < n; i++) {
            put_decimal(out, i, vs_decimal_load_be(in + leaf->width * i, leaf->width));
        }
        return VS_OK;
    case VS_PQ_SAME:
    case VS_PQ_BYTES_TO_DECIMAL:
        break;
    }
    return vs_fail(err, VS_INTERNAL, "values of this type are not converted");
}

enum vs_status vs_pq_bytes_to_decimal(struct vs_str bytes,
                                      vs_int128 *value_out,
                                      struct vs_error *err)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    size_t n = bytes.len;
    // Longer than 16 bytes is fine as long as the first bytes only repeat the sign.
    while (n > 16 && ((at[0] == 0 && at[1] < 0x80) || (at[0] == 0xff && at[1] >= 0x80))) {
        at++;
        n--;
    }
    if (n == 0 || n > 16) {
        return vs_fail(err, VS_CORRUPT, "a decimal of %zu bytes does not fit into 38 digits",
                       bytes.len);
    }
    *value_out = vs_decimal_load_be(at, n);
    return VS_OK;
}
