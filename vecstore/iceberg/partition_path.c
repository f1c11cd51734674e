// SPDX-License-Identifier: Apache-2.0
/*
 * Partition tuples as folders: "lang=en/day=2025-01-31" (Java: PartitionSpec.partitionToPath).
 */
#include "vecstore/base/crypto.h"
#include "vecstore/base/datetime.h"
#include "vecstore/base/uuid.h"
#include "vecstore/iceberg/transform.h"

#include <inttypes.h>
#include <stdio.h>

#define BASE64_PIECE ((size_t)48) // whole groups of three

// Form encoding of Java's URLEncoder: a blank is '+'.
static enum vs_status append_encoded(struct vs_buf *out, struct vs_str text, struct vs_error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '*' || c == '_';
        if (is_plain || c == ' ') {
            VS_TRY(vs_buf_append_byte(out, c == ' ' ? '+' : c, err));
        } else {
            VS_TRY(vs_buf_printf(out, err, "%%%02X", c));
        }
    }
    return VS_OK;
}

static enum vs_status append_base64(struct vs_buf *out, struct vs_str bytes, struct vs_error *err)
{
    char text[VS_BASE64_LEN(BASE64_PIECE) + 1];
    for (size_t i = 0; i < bytes.len; i += BASE64_PIECE) {
        size_t n = bytes.len - i < BASE64_PIECE ? bytes.len - i : BASE64_PIECE;
        vs_base64_format((const uint8_t *)bytes.ptr + i, n, text);
        VS_TRY(append_encoded(out, (struct vs_str){text, VS_BASE64_LEN(n)}, err));
    }
    return VS_OK;
}

static struct vs_str months_text(int64_t months, char *text, size_t size)
{
    int64_t year = months / 12 - (months % 12 < 0);
    int len =
        snprintf(text, size, "%04" PRId64 "-%02d", 1970 + year, (int)(months - year * 12) + 1);
    return (struct vs_str){text, (size_t)len};
}

static struct vs_str time_text(enum vs_transform_kind transform,
                               const struct vs_value *value,
                               char text[VS_DATETIME_TEXT_SIZE])
{
    int64_t number = value->as.integer;
    int len = 0;
    if (transform == VS_TRANSFORM_YEAR) {
        len = snprintf(text, VS_DATETIME_TEXT_SIZE, "%04" PRId64, 1970 + number);
        return (struct vs_str){text, (size_t)len};
    }
    if (transform == VS_TRANSFORM_MONTH) {
        return months_text(number, text, VS_DATETIME_TEXT_SIZE);
    }
    if (transform == VS_TRANSFORM_HOUR) {
        char day[VS_DATETIME_TEXT_SIZE];
        int64_t days = number / 24 - (number % 24 < 0);
        vs_date_format((int32_t)days, day);
        len = snprintf(text, VS_DATETIME_TEXT_SIZE, "%.30s-%02d", day, (int)(number - days * 24));
        return (struct vs_str){text, (size_t)len};
    }
    vs_date_format((int32_t)number, text);
    return vs_str_from_c(text);
}

static struct vs_str stamp_text(const struct vs_value *value, char text[VS_DATETIME_TEXT_SIZE])
{
    if (value->kind == VS_KIND_DATE) {
        vs_date_format((int32_t)value->as.integer, text);
    } else if (value->kind == VS_KIND_TIME) {
        vs_time_format(value->as.integer, text);
    } else if (value->kind == VS_KIND_TIMESTAMP_NS || value->kind == VS_KIND_TIMESTAMPTZ_NS) {
        vs_timestamp_ns_format(value->as.integer, value->kind == VS_KIND_TIMESTAMPTZ_NS, text);
    } else {
        vs_timestamp_format(value->as.integer, value->kind == VS_KIND_TIMESTAMPTZ, text);
    }
    return vs_str_from_c(text);
}

static enum vs_status append_value(struct vs_buf *out,
                                   const struct vs_value *value,
                                   int scale,
                                   struct vs_error *err)
{
    char text[VS_DECIMAL_TEXT_SIZE + VS_DATETIME_TEXT_SIZE];
    switch (value->kind) {
    case VS_KIND_BOOLEAN:
        return vs_buf_append_c(out, value->as.boolean ? "true" : "false", err);
    case VS_KIND_INT:
    case VS_KIND_LONG:
        return vs_buf_printf(out, err, "%lld", (long long)value->as.integer);
    case VS_KIND_FLOAT:
        (void)snprintf(text, sizeof text, "%.9g", value->as.real);
        return append_encoded(out, vs_str_from_c(text), err);
    case VS_KIND_DOUBLE:
        (void)snprintf(text, sizeof text, "%.17g", value->as.real);
        return append_encoded(out, vs_str_from_c(text), err);
    case VS_KIND_STRING:
        return append_encoded(out, value->as.text, err);
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
        return append_base64(out, value->as.text, err);
    case VS_KIND_UUID: {
        struct vs_uuid uuid;
        for (size_t i = 0; i < sizeof uuid.bytes; i++) {
            uuid.bytes[i] = i < value->as.text.len ? (uint8_t)value->as.text.ptr[i] : 0;
        }
        vs_uuid_format(uuid, text);
        return vs_buf_append_c(out, text, err);
    }
    case VS_KIND_DECIMAL:
        vs_decimal_format(value->as.decimal, scale, text);
        return append_encoded(out, vs_str_from_c(text), err);
    case VS_KIND_DATE:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        return append_encoded(out, stamp_text(value, text), err);
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return vs_fail(err, VS_INTERNAL, "a partition value cannot be a %s", vs_kind_name(value->kind));
}

enum vs_status vs_partition_path(const struct vs_partition_spec *spec,
                                 const struct vs_schema *schema,
                                 const struct vs_value *values,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    for (size_t i = 0; i < spec->field_count; i++) {
        struct vs_transform transform;
        char text[VS_DATETIME_TEXT_SIZE];
        VS_TRY(vs_transform_parse(spec->fields[i].transform, &transform, err));
        if (i > 0) {
            VS_TRY(vs_buf_append_byte(out, '/', err));
        }
        VS_TRY(append_encoded(out, spec->fields[i].name, err));
        VS_TRY(vs_buf_append_byte(out, '=', err));
        bool is_time = transform.kind == VS_TRANSFORM_YEAR ||
                       transform.kind == VS_TRANSFORM_MONTH || transform.kind == VS_TRANSFORM_DAY ||
                       transform.kind == VS_TRANSFORM_HOUR;
        if (values[i].is_null) {
            VS_TRY(vs_buf_append_c(out, "null", err));
        } else if (is_time) {
            VS_TRY(append_encoded(out, time_text(transform.kind, &values[i], text), err));
        } else {
            size_t at = vs_schema_find_id(schema, spec->fields[i].source_id);
            int scale = at != SIZE_MAX ? schema->fields[at].scale : 0;
            VS_TRY(append_value(out, &values[i], scale, err));
        }
    }
    return VS_OK;
}
