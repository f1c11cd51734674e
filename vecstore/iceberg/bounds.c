// SPDX-License-Identifier: Apache-2.0
/*
 * Single-value serialisation (Iceberg spec Appendix D): the bytes of bounds in manifests and
 * manifest lists.
 */
#include "vecstore/base/bytes.h"
#include "vecstore/iceberg/transform.h"

#include <math.h>

#define DAY_MICROS (INT64_C(86400) * 1000000)
#define DAY_NANOS (DAY_MICROS * 1000)

enum form {
    FORM_NONE,
    FORM_BOOLEAN,
    FORM_INT32,
    FORM_INT64,
    FORM_REAL32,
    FORM_REAL64,
    FORM_TEXT,
    FORM_DECIMAL
};

static enum form form_of(enum vs_kind kind)
{
    static const enum form forms[VS_KIND_COUNT] = {
        [VS_KIND_BOOLEAN] = FORM_BOOLEAN,    [VS_KIND_INT] = FORM_INT32,
        [VS_KIND_LONG] = FORM_INT64,         [VS_KIND_FLOAT] = FORM_REAL32,
        [VS_KIND_DOUBLE] = FORM_REAL64,      [VS_KIND_STRING] = FORM_TEXT,
        [VS_KIND_DATE] = FORM_INT32,         [VS_KIND_TIMESTAMP] = FORM_INT64,
        [VS_KIND_TIMESTAMPTZ] = FORM_INT64,  [VS_KIND_BINARY] = FORM_TEXT,
        [VS_KIND_UUID] = FORM_TEXT,          [VS_KIND_DECIMAL] = FORM_DECIMAL,
        [VS_KIND_TIME] = FORM_INT64,         [VS_KIND_FIXED] = FORM_TEXT,
        [VS_KIND_TIMESTAMP_NS] = FORM_INT64, [VS_KIND_TIMESTAMPTZ_NS] = FORM_INT64,
    };

    return (unsigned)kind < VS_KIND_COUNT ? forms[kind] : FORM_NONE;
}

// A file written before the column was widened keeps the narrow bounds: int to long, and date to
// timestamp (version 3).
static bool decode_int64(struct vs_str bytes, enum vs_kind kind, int64_t *out)
{
    if (bytes.len == 8) {
        *out = (int64_t)vs_load_u64le(bytes.ptr);
        return true;
    }
    if (bytes.len != 4 || kind == VS_KIND_TIME) {
        return false;
    }
    int64_t narrow = (int32_t)vs_load_u32le(bytes.ptr);
    if (kind == VS_KIND_LONG) {
        *out = narrow;
        return true;
    }
    bool nanos = kind == VS_KIND_TIMESTAMP_NS || kind == VS_KIND_TIMESTAMPTZ_NS;
    return !__builtin_mul_overflow(narrow, nanos ? DAY_NANOS : DAY_MICROS, out);
}

static bool decode_real(struct vs_str bytes, enum form form, double *out)
{
    if (bytes.len == 4) {
        *out = (double)vs_load_f32le(bytes.ptr);
    } else if (bytes.len == 8 && form == FORM_REAL64) {
        *out = vs_load_f64le(bytes.ptr);
    } else {
        return false;
    }
    return !isnan(*out); // some writers leave NaN in bounds: it bounds nothing
}

bool vs_bound_decode(struct vs_str bytes, const struct vs_field *field, struct vs_value *value_out)
{
    struct vs_value value = {.kind = field->kind};
    bool good = bytes.ptr != NULL;
    enum form form = form_of(field->kind);
    if (!good) {
        return false;
    }
    switch (form) {
    case FORM_NONE:
        return false;
    case FORM_BOOLEAN:
        good = bytes.len == 1;
        value.as.boolean = good && bytes.ptr[0] != 0;
        break;
    case FORM_INT32:
        good = bytes.len == 4;
        value.as.integer = good ? (int32_t)vs_load_u32le(bytes.ptr) : 0;
        break;
    case FORM_INT64:
        good = decode_int64(bytes, field->kind, &value.as.integer);
        break;
    case FORM_REAL32:
    case FORM_REAL64:
        good = decode_real(bytes, form, &value.as.real);
        break;
    case FORM_TEXT:
        good = field->kind != VS_KIND_UUID || bytes.len == 16;
        value.as.text = bytes;
        break;
    case FORM_DECIMAL:
        good = bytes.len >= 1 && bytes.len <= 16;
        value.as.decimal = good ? vs_decimal_load_be((const uint8_t *)bytes.ptr, bytes.len) : 0;
        break;
    }
    if (good) {
        *value_out = value;
    }
    return good;
}

bool vs_bound_encode(const struct vs_value *value,
                     const struct vs_field *field,
                     struct vs_arena *arena,
                     struct vs_str *bytes_out)
{
    uint8_t bytes[16];
    struct vs_str text = {(const char *)bytes, 0};
    switch (form_of(field->kind)) {
    case FORM_NONE:
        return false;
    case FORM_BOOLEAN:
        bytes[0] = value->as.boolean;
        text.len = 1;
        break;
    case FORM_INT32:
        vs_store_u32le(bytes, (uint32_t)value->as.integer);
        text.len = 4;
        break;
    case FORM_INT64:
        vs_store_u64le(bytes, (uint64_t)value->as.integer);
        text.len = 8;
        break;
    case FORM_REAL32:
        vs_store_f32le(bytes, (float)value->as.real);
        text.len = 4;
        break;
    case FORM_REAL64:
        vs_store_f64le(bytes, value->as.real);
        text.len = 8;
        break;
    case FORM_TEXT:
        text = value->as.text;
        break;
    case FORM_DECIMAL:
        text.len = vs_decimal_store_be_minimal(value->as.decimal, bytes);
        break;
    }
    text = vs_arena_copy_str(arena, text);
    if (text.ptr == NULL) {
        return false;
    }
    *bytes_out = text;
    return true;
}
