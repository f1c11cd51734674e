// SPDX-License-Identifier: Apache-2.0
/*
 * Partition transforms (Iceberg spec "Partition Transforms", Appendix B).
 */
#include "vecstore/iceberg/transform.h"

#include "vecstore/base/bytes.h"

#include <math.h>

#define DAY_MICROS (INT64_C(86400) * 1000000)
#define HOUR_MICROS (INT64_C(3600) * 1000000)

// ---- parsing ----

static bool parse_width(struct vs_str text, const char *name, struct vs_str *width_out)
{
    size_t len = strlen(name);
    if (text.len < len + 2 ||
        !vs_str_equal_nocase((struct vs_str){text.ptr, len}, (struct vs_str){name, len}) ||
        text.ptr[len] != '[' || text.ptr[text.len - 1] != ']') {
        return false;
    }
    *width_out = (struct vs_str){text.ptr + len + 1, text.len - len - 2};
    return true;
}

enum vs_status vs_transform_parse(struct vs_str text,
                                  struct vs_transform *transform_out,
                                  struct vs_error *err)
{
    static const struct {
        const char *name;
        enum vs_transform_kind kind;
    } plain[] = {{"identity", VS_TRANSFORM_IDENTITY}, {"year", VS_TRANSFORM_YEAR},
                 {"month", VS_TRANSFORM_MONTH},       {"day", VS_TRANSFORM_DAY},
                 {"hour", VS_TRANSFORM_HOUR},         {"void", VS_TRANSFORM_VOID}};

    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (vs_str_equal_nocase(text, vs_str_from_c(plain[i].name))) {
            *transform_out = (struct vs_transform){.kind = plain[i].kind};
            return VS_OK;
        }
    }
    struct vs_str width;
    bool is_bucket = parse_width(text, "bucket", &width);
    if (!is_bucket && !parse_width(text, "truncate", &width)) {
        *transform_out = (struct vs_transform){.kind = VS_TRANSFORM_UNKNOWN};
        return VS_OK;
    }
    uint64_t number = 0;
    if (vs_parse_u64(width, &number, NULL) != VS_OK || number < 1 || number > INT32_MAX) {
        return vs_fail(err, VS_INVALID,
                       "the width of partition transform '%.*s' is not a number from 1 to "
                       "2147483647",
                       VS_STR_SHORT(text));
    }
    *transform_out = (struct vs_transform){
        .kind = is_bucket ? VS_TRANSFORM_BUCKET : VS_TRANSFORM_TRUNCATE, .width = (int32_t)number};
    return VS_OK;
}

// ---- types ----

static bool is_timestamp(enum vs_kind kind)
{
    return kind == VS_KIND_TIMESTAMP || kind == VS_KIND_TIMESTAMPTZ ||
           kind == VS_KIND_TIMESTAMP_NS || kind == VS_KIND_TIMESTAMPTZ_NS;
}

static bool is_nanos(enum vs_kind kind)
{
    return kind == VS_KIND_TIMESTAMP_NS || kind == VS_KIND_TIMESTAMPTZ_NS;
}

static bool is_primitive(enum vs_kind kind)
{
    return kind != VS_KIND_LIST && kind != VS_KIND_OTHER;
}

static bool accepts(enum vs_transform_kind transform, enum vs_kind kind)
{
    switch (transform) {
    case VS_TRANSFORM_IDENTITY:
        return is_primitive(kind);
    case VS_TRANSFORM_VOID:
        return true;
    case VS_TRANSFORM_BUCKET:
        return is_primitive(kind) && kind != VS_KIND_BOOLEAN && kind != VS_KIND_FLOAT &&
               kind != VS_KIND_DOUBLE;
    case VS_TRANSFORM_TRUNCATE:
        return kind == VS_KIND_INT || kind == VS_KIND_LONG || kind == VS_KIND_DECIMAL ||
               kind == VS_KIND_STRING || kind == VS_KIND_BINARY;
    case VS_TRANSFORM_YEAR:
    case VS_TRANSFORM_MONTH:
    case VS_TRANSFORM_DAY:
        return kind == VS_KIND_DATE || is_timestamp(kind);
    case VS_TRANSFORM_HOUR:
        return is_timestamp(kind);
    case VS_TRANSFORM_UNKNOWN:
        break;
    }
    return false;
}

static const char *transform_name(enum vs_transform_kind kind)
{
    static const char *const names[] = {
        [VS_TRANSFORM_IDENTITY] = "identity", [VS_TRANSFORM_BUCKET] = "bucket",
        [VS_TRANSFORM_TRUNCATE] = "truncate", [VS_TRANSFORM_YEAR] = "year",
        [VS_TRANSFORM_MONTH] = "month",       [VS_TRANSFORM_DAY] = "day",
        [VS_TRANSFORM_HOUR] = "hour",         [VS_TRANSFORM_VOID] = "void",
        [VS_TRANSFORM_UNKNOWN] = "unknown"};
    return names[kind];
}

enum vs_status vs_transform_result(const struct vs_transform *transform,
                                   const struct vs_field *source,
                                   struct vs_field *result_out,
                                   struct vs_error *err)
{
    if (transform->kind == VS_TRANSFORM_UNKNOWN) {
        return vs_fail(err, VS_INVALID,
                       "a partition transform of column %.*s is not known; known are identity, "
                       "bucket[N], truncate[W], year, month, day, hour and void",
                       VS_STR_SHORT(source->name));
    }
    if (!accepts(transform->kind, source->kind)) {
        return vs_fail(err, VS_INVALID,
                       "partition transform %s does not take column %.*s of type %s",
                       transform_name(transform->kind), VS_STR_SHORT(source->name),
                       vs_kind_name(source->kind));
    }
    struct vs_field result = *source;
    result.required = false;
    switch (transform->kind) {
    case VS_TRANSFORM_BUCKET:
    case VS_TRANSFORM_YEAR:
    case VS_TRANSFORM_MONTH:
    case VS_TRANSFORM_HOUR:
        result.kind = VS_KIND_INT;
        break;
    case VS_TRANSFORM_DAY:
        result.kind = VS_KIND_DATE;
        break;
    case VS_TRANSFORM_IDENTITY:
    case VS_TRANSFORM_TRUNCATE:
    case VS_TRANSFORM_VOID:
    case VS_TRANSFORM_UNKNOWN:
        break;
    }
    *result_out = result;
    return VS_OK;
}

// ---- bucket ----

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static uint32_t mix(uint32_t k)
{
    return rotate(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

// MurmurHash3, x86 variant of 32 bits, seed 0.
static uint32_t murmur3(const uint8_t *bytes, size_t len)
{
    uint32_t h = 0;
    size_t i = 0;
    for (; i + 4 <= len; i += 4) {
        h = rotate(h ^ mix(vs_load_u32le(bytes + i)), 13) * 5 + 0xe6546b64u;
    }
    uint32_t tail = 0;
    for (size_t k = len; k > i; k--) {
        tail = tail << 8 | bytes[k - 1];
    }
    if (len > i) {
        h ^= mix(tail);
    }
    h ^= (uint32_t)len;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static uint32_t hash_value(const struct vs_value *value, enum vs_kind kind)
{
    uint8_t bytes[16];
    if (vs_kind_is_text(kind)) {
        return murmur3((const uint8_t *)value->as.text.ptr, value->as.text.len);
    }
    if (kind == VS_KIND_DECIMAL) {
        return murmur3(bytes, vs_decimal_store_be_minimal(value->as.decimal, bytes));
    }
    int64_t number = is_nanos(kind) ? floor_div(value->as.integer, 1000) : value->as.integer;
    vs_store_u64le(bytes, (uint64_t)number); // an int hashes as the long of the same value
    return murmur3(bytes, 8);
}

// ---- truncate ----

static size_t truncate_text(struct vs_str text, size_t width)
{
    size_t points = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool starts = ((uint8_t)text.ptr[i] & 0xc0) != 0x80;
        if (starts && points++ == width) {
            return i;
        }
    }
    return text.len;
}

// v - floorMod(v, width), wrapping where the type's range ends, as Java computes it.
static void truncate_number(struct vs_value *value, enum vs_kind kind, int32_t width)
{
    if (kind == VS_KIND_DECIMAL) {
        vs_int128 rest = value->as.decimal % width;
        value->as.decimal -= rest < 0 ? rest + width : rest;
        return;
    }
    int64_t rest = value->as.integer % width;
    rest += rest < 0 ? width : 0;
    uint64_t cut = (uint64_t)value->as.integer - (uint64_t)rest;
    value->as.integer = kind == VS_KIND_INT ? (int64_t)(int32_t)(uint32_t)cut : (int64_t)cut;
}

static void truncate_value(struct vs_value *value, enum vs_kind kind, int32_t width)
{
    if (kind == VS_KIND_STRING) {
        value->as.text.len = truncate_text(value->as.text, (size_t)width);
    } else if (kind == VS_KIND_BINARY) {
        value->as.text.len =
            value->as.text.len < (size_t)width ? value->as.text.len : (size_t)width;
    } else {
        truncate_number(value, kind, width);
    }
}

// ---- time ----

// Months since 1970-01 of a day (proleptic Gregorian calendar; Hinnant's civil_from_days).
static int64_t months_of_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 2 : mp - 10; // January is 0
    int64_t year = yoe + era * 400 + (month <= 1);
    return (year - 1970) * 12 + month;
}

static int64_t time_units(enum vs_transform_kind transform, enum vs_kind kind, int64_t value)
{
    int64_t micros = is_nanos(kind) ? floor_div(value, 1000) : value;
    if (transform == VS_TRANSFORM_HOUR) {
        return floor_div(micros, HOUR_MICROS);
    }
    int64_t days = kind == VS_KIND_DATE ? value : floor_div(micros, DAY_MICROS);
    if (transform == VS_TRANSFORM_DAY) {
        return days;
    }
    int64_t months = months_of_days(days);
    return transform == VS_TRANSFORM_MONTH ? months : floor_div(months, 12);
}

enum vs_status vs_transform_apply(const struct vs_transform *transform,
                                  const struct vs_field *source,
                                  const struct vs_value *value,
                                  struct vs_value *result_out,
                                  struct vs_error *err)
{
    struct vs_field result_field;
    VS_TRY(vs_transform_result(transform, source, &result_field, err));
    struct vs_value result = *value;
    result.kind = result_field.kind;
    if (value->is_null || transform->kind == VS_TRANSFORM_VOID) {
        *result_out = (struct vs_value){.kind = result_field.kind, .is_null = true};
        return VS_OK;
    }
    switch (transform->kind) {
    case VS_TRANSFORM_BUCKET: {
        uint32_t hash = hash_value(value, source->kind) & INT32_MAX;
        result.as.integer = (int64_t)(hash % (uint32_t)transform->width);
        break;
    }
    case VS_TRANSFORM_TRUNCATE:
        truncate_value(&result, source->kind, transform->width);
        break;
    case VS_TRANSFORM_YEAR:
    case VS_TRANSFORM_MONTH:
    case VS_TRANSFORM_DAY:
    case VS_TRANSFORM_HOUR: {
        int64_t units = time_units(transform->kind, source->kind, value->as.integer);
        if (units < INT32_MIN || units > INT32_MAX) {
            return vs_fail(err, VS_INVALID,
                           "a value of column %.*s lies too far from 1970 for partition transform "
                           "%s",
                           VS_STR_SHORT(source->name), transform_name(transform->kind));
        }
        result.as.integer = units;
        break;
    }
    case VS_TRANSFORM_IDENTITY:
    case VS_TRANSFORM_VOID:
    case VS_TRANSFORM_UNKNOWN:
        break;
    }
    *result_out = result;
    return VS_OK;
}
