// SPDX-License-Identifier: Apache-2.0
// Text of a kind to a value.
#include "vecstore/base/datetime.h"
#include "vecstore/base/uuid.h"
#include "vecstore/format/column.h"

#include <float.h>
#include <math.h>
#include <string.h>

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Standard alphabet, padding required, unused bits zero (RFC 4648, section 4).
static enum vs_status parse_base64(struct vs_str text,
                                   struct vs_arena *arena,
                                   struct vs_str *bytes_out,
                                   struct vs_error *err)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=') {
        padding++;
    }
    char *bytes = (char *)vs_arena_alloc(arena, text.len / 4 * 3 + 1);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to decode %zu characters of base64", text.len);
    }
    size_t n = 0;
    uint32_t group = 0;
    bool good = text.len % 4 == 0;
    for (size_t i = 0; good && i < text.len; i++) {
        bool is_padding = i >= text.len - padding;
        int digit = is_padding ? 0 : base64_digit(text.ptr[i]);
        good = digit >= 0;
        group = group << 6 | ((uint32_t)digit & 63);
        if (i % 4 == 3) {
            size_t keep = i + 1 == text.len ? 3 - padding : 3;
            good = good && (keep == 3 || (group & ((1u << (8 * (3 - keep))) - 1)) == 0);
            for (size_t k = 0; k < keep; k++) {
                bytes[n++] = (char)(group >> (16 - 8 * k) & 0xff);
            }
            group = 0;
        }
    }
    if (!good) {
        return vs_fail(err, VS_INVALID, "'%.*s' is not base64 (standard alphabet with padding)",
                       VS_STR_SHORT(text));
    }
    *bytes_out = (struct vs_str){bytes, n};
    return VS_OK;
}

static enum vs_status parse_fixed(struct vs_str text,
                                  const struct vs_field *field,
                                  struct vs_arena *arena,
                                  struct vs_str *bytes_out,
                                  struct vs_error *err)
{
    VS_TRY(parse_base64(text, arena, bytes_out, err));
    if (bytes_out->len != field->fixed_length) {
        return vs_fail(err, VS_INVALID, "%zu bytes where fixed[%u] needs %u", bytes_out->len,
                       (unsigned)field->fixed_length, (unsigned)field->fixed_length);
    }
    return VS_OK;
}

static enum vs_status parse_integer(struct vs_str text,
                                    enum vs_kind kind,
                                    int64_t *value_out,
                                    struct vs_error *err)
{
    int64_t value = 0;
    VS_TRY(vs_parse_i64(text, &value, err));
    if (kind == VS_KIND_INT && (value < INT32_MIN || value > INT32_MAX)) {
        return vs_fail(err, VS_INVALID,
                       "'%.*s' does not fit into an int (-2147483648 to 2147483647)",
                       VS_STR_SHORT(text));
    }
    *value_out = value;
    return VS_OK;
}

static enum vs_status parse_float(struct vs_str text, double *value_out, struct vs_error *err)
{
    double value = 0;
    VS_TRY(vs_parse_f64(text, &value, err));
    if (isfinite(value) && !isfinite((float)value)) {
        return vs_fail(err, VS_INVALID, "'%.*s' does not fit into a float", VS_STR_SHORT(text));
    }
    *value_out =
        (double)(float)value; // as a float column holds it, so that equality means the same
    return VS_OK;
}

static enum vs_status parse_boolean(struct vs_str text, bool *value_out, struct vs_error *err)
{
    bool is_true = vs_str_equal_nocase(text, VS_STR("true"));
    if (!is_true && !vs_str_equal_nocase(text, VS_STR("false"))) {
        return vs_fail(err, VS_INVALID, "'%.*s' is not a boolean; write true or false",
                       VS_STR_SHORT(text));
    }
    *value_out = is_true;
    return VS_OK;
}

static enum vs_status parse_date(struct vs_str text, int64_t *value_out, struct vs_error *err)
{
    int32_t days = 0;
    VS_TRY(vs_date_parse(text, &days, err));
    *value_out = days;
    return VS_OK;
}

static enum vs_status parse_timestamp(struct vs_str text,
                                      enum vs_kind kind,
                                      int64_t *value_out,
                                      struct vs_error *err)
{
    int64_t value = 0;
    bool has_zone = false;
    bool is_nanos = kind == VS_KIND_TIMESTAMP_NS || kind == VS_KIND_TIMESTAMPTZ_NS;
    VS_TRY(is_nanos ? vs_timestamp_ns_parse(text, &value, &has_zone, err)
                    : vs_timestamp_parse(text, &value, &has_zone, err));
    if (has_zone && (kind == VS_KIND_TIMESTAMP || kind == VS_KIND_TIMESTAMP_NS)) {
        return vs_fail(
            err, VS_INVALID,
            "'%.*s' has a zone, but the column's type is timestamp without zone; drop the zone",
            VS_STR_SHORT(text));
    }
    *value_out = value;
    return VS_OK;
}

static enum vs_status parse_uuid(struct vs_str text,
                                 struct vs_arena *arena,
                                 struct vs_str *bytes_out,
                                 struct vs_error *err)
{
    struct vs_uuid uuid;
    VS_TRY(vs_uuid_parse(text, &uuid, err));
    char *bytes = (char *)vs_arena_alloc(arena, sizeof uuid.bytes);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a uuid");
    }
    memcpy(bytes, uuid.bytes, sizeof uuid.bytes);
    *bytes_out = (struct vs_str){bytes, sizeof uuid.bytes};
    return VS_OK;
}

enum vs_status vs_value_parse(struct vs_str text,
                              const struct vs_field *field,
                              struct vs_arena *arena,
                              struct vs_value *value_out,
                              struct vs_error *err)
{
    struct vs_value value = {.kind = field->kind};
    switch (field->kind) {
    case VS_KIND_BOOLEAN:
        VS_TRY(parse_boolean(text, &value.as.boolean, err));
        break;
    case VS_KIND_INT:
    case VS_KIND_LONG:
        VS_TRY(parse_integer(text, field->kind, &value.as.integer, err));
        break;
    case VS_KIND_FLOAT:
        VS_TRY(parse_float(text, &value.as.real, err));
        break;
    case VS_KIND_DOUBLE:
        VS_TRY(vs_parse_f64(text, &value.as.real, err));
        break;
    case VS_KIND_STRING:
        value.as.text = text;
        break;
    case VS_KIND_DATE:
        VS_TRY(parse_date(text, &value.as.integer, err));
        break;
    case VS_KIND_TIME:
        VS_TRY(vs_time_parse(text, &value.as.integer, err));
        break;
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        VS_TRY(parse_timestamp(text, field->kind, &value.as.integer, err));
        break;
    case VS_KIND_BINARY:
        VS_TRY(parse_base64(text, arena, &value.as.text, err));
        break;
    case VS_KIND_FIXED:
        VS_TRY(parse_fixed(text, field, arena, &value.as.text, err));
        break;
    case VS_KIND_UUID:
        VS_TRY(parse_uuid(text, arena, &value.as.text, err));
        break;
    case VS_KIND_DECIMAL:
        VS_TRY(vs_decimal_parse(text, field->precision, field->scale, &value.as.decimal, err));
        break;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        return vs_fail(err, VS_INVALID, "a value of type %s cannot be written as text",
                       vs_kind_name(field->kind));
    }
    *value_out = value;
    return VS_OK;
}
