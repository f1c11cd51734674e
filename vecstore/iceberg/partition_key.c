// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/partition_key.h"

#include "vecstore/base/bytes.h"

#include <math.h>

enum key_tag { TAG_NONE = 0, TAG_INT = 1, TAG_BITS32 = 2, TAG_BITS64 = 3, TAG_BYTES = 4 };

static enum vs_status append_u32(struct vs_buf *out, uint32_t value, struct vs_error *err)
{
    uint8_t bytes[4];
    vs_store_u32le(bytes, value);
    return vs_buf_append(out, bytes, sizeof bytes, err);
}

static enum vs_status append_u64(struct vs_buf *out, uint64_t value, struct vs_error *err)
{
    uint8_t bytes[8];
    vs_store_u64le(bytes, value);
    return vs_buf_append(out, bytes, sizeof bytes, err);
}

static enum vs_status append_bytes(struct vs_buf *out, struct vs_str bytes, struct vs_error *err)
{
    VS_TRY(vs_buf_append_byte(out, TAG_BYTES, err));
    VS_TRY(append_u32(out, (uint32_t)bytes.len, err));
    return vs_buf_append_str(out, bytes, err);
}

static enum vs_status append_value(struct vs_buf *out,
                                   const struct vs_value *value,
                                   struct vs_error *err)
{
    uint8_t bytes[16];
    if (value->is_null) {
        return vs_buf_append_byte(out, TAG_NONE, err);
    }
    switch (value->kind) {
    case VS_KIND_BOOLEAN:
        VS_TRY(vs_buf_append_byte(out, TAG_INT, err));
        return append_u64(out, value->as.boolean, err);
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_DATE:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        VS_TRY(vs_buf_append_byte(out, TAG_INT, err));
        return append_u64(out, (uint64_t)value->as.integer, err);
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
        vs_store_f64le(bytes, isnan(value->as.real) ? (double)NAN : value->as.real);
        VS_TRY(vs_buf_append_byte(out, TAG_BITS64, err));
        return vs_buf_append(out, bytes, 8, err);
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_UUID:
    case VS_KIND_FIXED:
        return append_bytes(out, value->as.text, err);
    case VS_KIND_DECIMAL: {
        size_t len = vs_decimal_store_be_minimal(value->as.decimal, bytes);
        return append_bytes(out, (struct vs_str){(const char *)bytes, len}, err);
    }
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return vs_fail(err, VS_INTERNAL, "a partition value is a %s", vs_kind_name(value->kind));
}

enum vs_status vs_partition_key_encode(struct vs_buf *out,
                                       const struct vs_field *fields,
                                       const struct vs_value *values,
                                       size_t count,
                                       struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        VS_TRY(append_u32(out, (uint32_t)fields[i].id, err));
        VS_TRY(append_value(out, &values[i], err));
    }
    return VS_OK;
}

struct key_field {
    int32_t id;
    uint8_t tag;
    uint64_t bits;
    struct vs_str bytes;
};

static enum vs_status read_field(struct vs_reader *r, struct key_field *out)
{
    uint32_t id, word;
    const uint8_t *bytes;
    *out = (struct key_field){0};
    VS_TRY(vs_read_u32le(r, &id, NULL));
    VS_TRY(vs_read_u8(r, &out->tag, NULL));
    out->id = (int32_t)id;
    if (out->tag == TAG_INT || out->tag == TAG_BITS64) {
        return vs_read_u64le(r, &out->bits, NULL);
    }
    if (out->tag == TAG_NONE) {
        return VS_OK;
    }
    VS_TRY(vs_read_u32le(r, &word, NULL));
    out->bits = word;
    if (out->tag == TAG_BYTES) {
        VS_TRY(vs_read_bytes(r, word, &bytes, NULL));
        out->bytes = (struct vs_str){(const char *)bytes, word};
    }
    return VS_OK;
}

static bool to_value(const struct key_field *f, const struct vs_field *field, struct vs_value *out)
{
    *out = (struct vs_value){.kind = field->kind, .is_null = f->tag == TAG_NONE};
    if (f->tag == TAG_NONE) {
        return true;
    }
    switch (field->kind) {
    case VS_KIND_BOOLEAN:
        out->as.boolean = f->bits != 0;
        return f->tag == TAG_INT;
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_DATE:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        out->as.integer = (int64_t)f->bits;
        return f->tag == TAG_INT;
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE: {
        uint8_t bytes[8];
        vs_store_u64le(bytes, f->bits);
        out->as.real = f->tag == TAG_BITS32 ? (double)vs_load_f32le(bytes) : vs_load_f64le(bytes);
        return f->tag == TAG_BITS32 || f->tag == TAG_BITS64;
    }
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
        out->as.text = f->bytes;
        return f->tag == TAG_BYTES;
    case VS_KIND_UUID:
        out->as.text = f->bytes;
        return f->tag == TAG_BYTES && f->bytes.len == 16;
    case VS_KIND_DECIMAL:
        if (f->tag != TAG_BYTES || f->bytes.len == 0 || f->bytes.len > 16) {
            return false;
        }
        out->as.decimal = vs_decimal_load_be((const uint8_t *)f->bytes.ptr, f->bytes.len);
        return true;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return false;
}

bool vs_partition_key_value(struct vs_str key,
                            int32_t field_id,
                            const struct vs_field *field,
                            struct vs_value *value_out)
{
    struct vs_reader reader;
    struct key_field f;
    vs_reader_init(&reader, key.ptr, key.len, "partition key");
    while (vs_reader_left(&reader) > 0) {
        if (read_field(&reader, &f) != VS_OK) {
            return false;
        }
        if (f.id == field_id) {
            return to_value(&f, field, value_out);
        }
    }
    return false;
}
