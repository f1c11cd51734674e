// SPDX-License-Identifier: Apache-2.0
// From physical values to values in memory, and the promotions of schema evolution.
#include "vecstore/base/bytes.h"
#include "vecstore/format/parquet_internal.h"

#define MICROS_PER_MILLI 1000
#define NANOS_PER_MILLI 1000000
#define NANOS_PER_MICRO 1000
#define MICROS_PER_DAY INT64_C(86400000000)
#define UNIX_JULIAN_DAY INT64_C(2440588)

// What may be read as another kind: the promotions of Iceberg, and what older or other writers
// stored for a type (any unit of timestamps; INT96 and unzoned for either kind of timestamp; fixed
// for binary).
struct promotion {
    enum vs_kind from;
    enum vs_pq_convert stored; // the conversion to `from`
    enum vs_kind to;
    enum vs_pq_convert convert; // the one to `to`
};

static const struct promotion promotions[] = {
    {VS_KIND_INT, VS_PQ_SAME, VS_KIND_LONG, VS_PQ_I32_TO_I64},
    {VS_KIND_FLOAT, VS_PQ_SAME, VS_KIND_DOUBLE, VS_PQ_F32_TO_F64},
    {VS_KIND_FLOAT, VS_PQ_F16_TO_F32, VS_KIND_DOUBLE, VS_PQ_F16_TO_F64},
    {VS_KIND_DATE, VS_PQ_SAME, VS_KIND_TIMESTAMP, VS_PQ_DATE_TO_MICROS},
    {VS_KIND_DATE, VS_PQ_SAME, VS_KIND_TIMESTAMP_NS, VS_PQ_DATE_TO_NANOS},
    {VS_KIND_TIMESTAMPTZ, VS_PQ_I96_TO_MICROS, VS_KIND_TIMESTAMP, VS_PQ_I96_TO_MICROS},
    {VS_KIND_TIMESTAMP, VS_PQ_SAME, VS_KIND_TIMESTAMP_NS, VS_PQ_MICROS_TO_NANOS},
    {VS_KIND_TIMESTAMPTZ, VS_PQ_SAME, VS_KIND_TIMESTAMPTZ_NS, VS_PQ_MICROS_TO_NANOS},
    {VS_KIND_TIMESTAMP, VS_PQ_MILLIS_TO_MICROS, VS_KIND_TIMESTAMP_NS, VS_PQ_MILLIS_TO_NANOS},
    {VS_KIND_TIMESTAMPTZ, VS_PQ_MILLIS_TO_MICROS, VS_KIND_TIMESTAMPTZ_NS, VS_PQ_MILLIS_TO_NANOS},
    {VS_KIND_TIMESTAMP_NS, VS_PQ_SAME, VS_KIND_TIMESTAMP, VS_PQ_NANOS_TO_MICROS},
    {VS_KIND_TIMESTAMPTZ_NS, VS_PQ_SAME, VS_KIND_TIMESTAMPTZ, VS_PQ_NANOS_TO_MICROS},
    {VS_KIND_FIXED, VS_PQ_SAME, VS_KIND_BINARY, VS_PQ_SAME},
    {VS_KIND_FIXED, VS_PQ_SAME, VS_KIND_UUID, VS_PQ_SAME},    // writers without UUID annotation
    {VS_KIND_BINARY, VS_PQ_SAME, VS_KIND_STRING, VS_PQ_SAME}, // writers without UTF8 annotation
    {VS_KIND_STRING, VS_PQ_SAME, VS_KIND_BINARY, VS_PQ_SAME},
};

static bool promotes(enum vs_kind from, enum vs_kind to, bool is_element, struct vs_pq_leaf *leaf)
{
    if (from == to) {
        return true;
    }
    for (size_t i = 0; i < sizeof promotions / sizeof promotions[0]; i++) {
        const struct promotion *p = &promotions[i];
        if (p->from == from && p->to == to && p->stored == leaf->convert) {
            leaf->convert = p->convert;
            return true;
        }
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
    if (fits && to == VS_KIND_FIXED) {
        fits = as->fixed_length == field->fixed_length;
    }
    if (fits && from == VS_KIND_FIXED && to == VS_KIND_UUID) {
        fits = field->fixed_length == vs_kind_width(VS_KIND_UUID);
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

static enum vs_status multiply(
    const uint8_t *in, uint8_t *out, size_t n, int64_t factor, struct vs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value = (int64_t)vs_load_u64le(in + 8 * i), product = 0;
        if (__builtin_mul_overflow(value, factor, &product)) {
            return vs_fail(
                err, VS_UNSUPPORTED,
                "the timestamp %lld is outside of the range of 64 bits in a unit that is "
                "%lld times finer",
                (long long)value, (long long)factor);
        }
        vs_store_u64le(out + 8 * i, (uint64_t)product);
    }
    return VS_OK;
}

static enum vs_status days_to(
    const uint8_t *in, uint8_t *out, size_t n, int64_t per_micro, struct vs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        int64_t day = (int32_t)vs_load_u32le(in + 4 * i), product = 0;
        if (__builtin_mul_overflow(day, MICROS_PER_DAY * per_micro, &product)) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "the date of day %lld is outside of the range of %s", (long long)day,
                           per_micro > 1 ? "nanoseconds" : "timestamps");
        }
        vs_store_u64le(out + 8 * i, (uint64_t)product);
    }
    return VS_OK;
}

uint32_t vs_pq_f16_bits(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 0x1fu,
             fraction = half & 0x3ffu;
    if (exponent == 0x1f) {
        return sign | 0x7f800000u | fraction << 13;
    }
    if (exponent != 0) {
        return sign | (exponent + 112) << 23 | fraction << 13;
    }
    if (fraction == 0) {
        return sign;
    }
    unsigned shift = (unsigned)__builtin_clz(fraction) - 21; // to the implicit bit
    return sign | (113 - shift) << 23 | ((fraction << shift) & 0x3ffu) << 13;
}

static float load_f16(const uint8_t *at)
{
    uint32_t bits = vs_pq_f16_bits((uint16_t)(at[0] | at[1] << 8));
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// The other conversions of one value at a time; values of `width` bytes each.
static void convert_value(enum vs_pq_convert convert, const uint8_t *in, uint8_t *out)
{
    vs_int128 wide;
    switch ((int)convert) {
    case VS_PQ_I32_MILLIS_TO_MICROS:
        vs_store_u64le(out, (uint64_t)((int64_t)(int32_t)vs_load_u32le(in) * MICROS_PER_MILLI));
        break;
    case VS_PQ_I96_TO_MICROS:
        vs_store_u64le(out, (uint64_t)vs_pq_int96_micros(in));
        break;
    case VS_PQ_F16_TO_F32:
        vs_store_f32le(out, load_f16(in));
        break;
    case VS_PQ_F16_TO_F64:
        vs_store_f64le(out, (double)load_f16(in));
        break;
    default: // VS_PQ_U64_TO_DECIMAL
        wide = vs_load_u64le(in);
        memcpy(out, &wide, sizeof wide);
        break;
    }
}

static int64_t floor_divide(int64_t value, int64_t by)
{
    int64_t quotient = value / by;
    return value % by < 0 ? quotient - 1 : quotient;
}

int64_t vs_pq_int96_micros(const uint8_t bytes[12])
{
    uint64_t day = (uint64_t)((int64_t)(int32_t)vs_load_u32le(bytes + 8) - UNIX_JULIAN_DAY);
    int64_t nanos = (int64_t)vs_load_u64le(bytes);
    return (int64_t)(day * (uint64_t)MICROS_PER_DAY +
                     (uint64_t)floor_divide(nanos, NANOS_PER_MICRO));
}

static enum vs_status convert_each(
    const struct vs_pq_leaf *leaf, const uint8_t *in, uint8_t *out, size_t n, size_t out_width)
{
    size_t in_width = leaf->width;
    for (size_t i = 0; i < n; i++) {
        convert_value(leaf->convert, in + i * in_width, out + i * out_width);
    }
    return VS_OK;
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
        return multiply(in, out, n, MICROS_PER_MILLI, err);
    case VS_PQ_MILLIS_TO_NANOS:
        return multiply(in, out, n, NANOS_PER_MILLI, err);
    case VS_PQ_MICROS_TO_NANOS:
        return multiply(in, out, n, NANOS_PER_MICRO, err);
    case VS_PQ_DATE_TO_MICROS:
        return days_to(in, out, n, 1, err);
    case VS_PQ_DATE_TO_NANOS:
        return days_to(in, out, n, NANOS_PER_MICRO, err);
    case VS_PQ_I32_MILLIS_TO_MICROS:
    case VS_PQ_F16_TO_F64:
    case VS_PQ_I96_TO_MICROS:
        return convert_each(leaf, in, out, n, 8);
    case VS_PQ_F16_TO_F32:
        return convert_each(leaf, in, out, n, 4);
    case VS_PQ_U64_TO_DECIMAL:
        return convert_each(leaf, in, out, n, 16);
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
