// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/render_value.h"

#include "vecstore/base/bytes.h"

#include <inttypes.h>
#include <stdio.h>

#define FNV_PRIME UINT64_C(0x100000001b3)
#define MAX_DEPTH (2 * VS_TYPE_MAX_DEPTH + 2)
#define NAN_HALF 0x7e00u
#define NAN_FLOAT 0x7fc00000u
#define NAN_DOUBLE UINT64_C(0x7ff8000000000000)

uint64_t vs_digest_add(uint64_t digest, const void *bytes, size_t n)
{
    const uint8_t *at = (const uint8_t *)bytes;
    for (size_t i = 0; i < n; i++) {
        digest = (digest ^ at[i]) * FNV_PRIME;
    }
    return digest;
}

void vs_digest_format(uint64_t digest, char text_out[VS_DIGEST_TEXT_SIZE])
{
    (void)snprintf(text_out, VS_DIGEST_TEXT_SIZE, "%016" PRIx64, digest);
}

static enum vs_status render_integer(int64_t value, struct vs_buf *out, struct vs_error *err)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, value);
    return vs_buf_append(out, text, (size_t)n, err);
}

static enum vs_status render_hex(uint64_t bits,
                                 int digits,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    char text[20];
    int n = snprintf(text, sizeof text, "%0*" PRIx64, digits, bits);
    return vs_buf_append(out, text, (size_t)n, err);
}

static enum vs_status render_bytes(struct vs_str bytes, struct vs_buf *out, struct vs_error *err)
{
    VS_TRY(render_integer((int64_t)bytes.len, out, err));
    VS_TRY(vs_buf_append_byte(out, ':', err));
    return vs_buf_append_str(out, bytes, err);
}

static enum vs_status render_half(struct vs_str bytes, struct vs_buf *out, struct vs_error *err)
{
    unsigned bits =
        bytes.len == 2 ? (unsigned)((uint8_t)bytes.ptr[0] | (uint8_t)bytes.ptr[1] << 8) : NAN_HALF;
    bool is_nan = (bits & 0x7c00u) == 0x7c00u && (bits & 0x3ffu) != 0;
    return render_hex(is_nan ? NAN_HALF : bits, 4, out, err);
}

static enum vs_status render_float(uint32_t bits, struct vs_buf *out, struct vs_error *err)
{
    bool is_nan = (bits & 0x7f800000u) == 0x7f800000u && (bits & 0x7fffffu) != 0;
    return render_hex(is_nan ? NAN_FLOAT : bits, 8, out, err);
}

static enum vs_status render_double(uint64_t bits, struct vs_buf *out, struct vs_error *err)
{
    const uint64_t exponent = UINT64_C(0x7ff0000000000000);
    bool is_nan = (bits & exponent) == exponent && (bits & UINT64_C(0xfffffffffffff)) != 0;
    return render_hex(is_nan ? NAN_DOUBLE : bits, 16, out, err);
}

enum vs_status vs_render_value(const struct vs_value *value,
                               bool is_half,
                               struct vs_buf *out,
                               struct vs_error *err)
{
    char text[VS_DECIMAL_TEXT_SIZE];
    uint8_t bits[8];
    if (value->is_null) {
        return vs_buf_append_c(out, "\\N", err);
    }
    switch (value->kind) {
    case VS_KIND_BOOLEAN:
        return vs_buf_append_c(out, value->as.boolean ? "true" : "false", err);
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_DATE:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        return render_integer(value->as.integer, out, err);
    case VS_KIND_FLOAT:
        vs_store_f32le(bits, (float)value->as.real);
        return render_float(vs_load_u32le(bits), out, err);
    case VS_KIND_DOUBLE:
        vs_store_f64le(bits, value->as.real);
        return render_double(vs_load_u64le(bits), out, err);
    case VS_KIND_DECIMAL:
        vs_decimal_format(value->as.decimal, 0, text);
        return vs_buf_append_c(out, text, err);
    case VS_KIND_FIXED:
        return is_half ? render_half(value->as.text, out, err)
                       : render_bytes(value->as.text, out, err);
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_UUID:
        return render_bytes(value->as.text, out, err);
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return vs_fail(err, VS_INTERNAL, "a value of %s has no rendering", vs_kind_name(value->kind));
}

// NOLINTNEXTLINE(misc-no-recursion): ends at MAX_DEPTH
static enum vs_status render_datum(const struct vs_datum *datum,
                                   const struct vs_type *type,
                                   unsigned depth,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    static const char open[] = {
        [VS_DATUM_LIST] = '[', [VS_DATUM_MAP] = '{', [VS_DATUM_STRUCT] = '('};
    static const char close[] = {
        [VS_DATUM_LIST] = ']', [VS_DATUM_MAP] = '}', [VS_DATUM_STRUCT] = ')'};
    if (depth > MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT, "values are nested deeper than %d levels", MAX_DEPTH);
    }
    if (datum->shape == VS_DATUM_NULL) {
        return vs_buf_append_c(out, "\\N", err);
    }
    if (datum->shape == VS_DATUM_SCALAR) {
        return vs_render_value(&datum->as.scalar, type->is_half, out, err);
    }
    size_t step = datum->shape == VS_DATUM_MAP ? 2 : 1;
    VS_TRY(vs_buf_append_byte(out, (uint8_t)open[datum->shape], err));
    for (size_t i = 0; i < datum->count * step; i++) {
        size_t child = datum->shape == VS_DATUM_STRUCT ? i : i % step;
        if (i > 0) {
            VS_TRY(vs_buf_append_byte(out, step == 2 && i % 2 == 1 ? ':' : ',', err));
        }
        VS_TRY(render_datum(&datum->as.items[i], &type->children[child], depth + 1, out, err));
    }
    return vs_buf_append_byte(out, (uint8_t)close[datum->shape], err);
}

enum vs_status vs_render_datum(const struct vs_datum *datum,
                               const struct vs_type *type,
                               struct vs_buf *out,
                               struct vs_error *err)
{
    return render_datum(datum, type, 0, out, err);
}

static enum vs_status render_avro_scalar(const struct vs_avro_value *value,
                                         struct vs_buf *out,
                                         struct vs_error *err)
{
    switch (value->node->type) {
    case VS_AVRO_NULL:
        return vs_buf_append_c(out, "\\N", err);
    case VS_AVRO_BOOLEAN:
        return vs_buf_append_c(out, value->as.integer != 0 ? "true" : "false", err);
    case VS_AVRO_INT:
    case VS_AVRO_LONG:
    case VS_AVRO_ENUM:
        return render_integer(value->as.integer, out, err);
    case VS_AVRO_FLOAT:
        return render_float((uint32_t)value->as.bits, out, err);
    case VS_AVRO_DOUBLE:
        return render_double(value->as.bits, out, err);
    case VS_AVRO_BYTES:
    case VS_AVRO_STRING:
    case VS_AVRO_FIXED:
        return render_bytes(value->as.bytes, out, err);
    case VS_AVRO_RECORD:
    case VS_AVRO_ARRAY:
    case VS_AVRO_MAP:
    case VS_AVRO_UNION:
        break;
    }
    return vs_fail(err, VS_INTERNAL, "a value of %s has no rendering",
                   vs_avro_type_name(value->node->type));
}

// NOLINTNEXTLINE(misc-no-recursion): ends at MAX_DEPTH
static enum vs_status render_avro(const struct vs_avro_value *value,
                                  unsigned depth,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    enum vs_avro_type type = value->node->type;
    if (depth > MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT, "values are nested deeper than %d levels", MAX_DEPTH);
    }
    if (type != VS_AVRO_RECORD && type != VS_AVRO_ARRAY && type != VS_AVRO_MAP) {
        return render_avro_scalar(value, out, err);
    }
    size_t step = type == VS_AVRO_MAP ? 2 : 1;
    const char *brackets = type == VS_AVRO_RECORD ? "()" : type == VS_AVRO_MAP ? "{}" : "[]";
    VS_TRY(vs_buf_append_byte(out, (uint8_t)brackets[0], err));
    for (size_t i = 0; i < value->count * step; i++) {
        if (i > 0) {
            VS_TRY(vs_buf_append_byte(out, step == 2 && i % 2 == 1 ? ':' : ',', err));
        }
        VS_TRY(render_avro(&value->as.items[i], depth + 1, out, err));
    }
    return vs_buf_append_byte(out, (uint8_t)brackets[1], err);
}

enum vs_status vs_render_avro(const struct vs_avro_value *value,
                              struct vs_buf *out,
                              struct vs_error *err)
{
    return render_avro(value, 0, out, err);
}
