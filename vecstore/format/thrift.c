// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/thrift.h"

#include <limits.h>

// ---- reader ----

void vs_thrift_reader_init(struct vs_thrift_reader *r,
                           const void *bytes,
                           size_t n,
                           const char *what)
{
    vs_reader_init(&r->in, bytes, n, what);
    r->depth = 0;
}

static enum vs_status enter(struct vs_thrift_reader *r, struct vs_error *err)
{
    if (r->depth >= VS_THRIFT_MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT,
                       "%s: Thrift structs are nested deeper than %d levels at byte %zu",
                       r->in.what, VS_THRIFT_MAX_DEPTH, vs_reader_offset(&r->in));
    }
    r->depth++;
    return VS_OK;
}

enum vs_status vs_thrift_begin(struct vs_thrift_reader *r,
                               struct vs_thrift_field *field,
                               struct vs_error *err)
{
    VS_TRY(enter(r, err));
    field->id = 0;
    field->type = VS_THRIFT_STOP;
    return VS_OK;
}

static enum vs_status read_i64_raw(
    struct vs_thrift_reader *r, int64_t min, int64_t max, int64_t *value_out, struct vs_error *err)
{
    int64_t value = 0;
    VS_TRY(vs_read_zigzag(&r->in, &value, err));
    if (value < min || value > max) {
        return vs_reader_fail(&r->in, err, "an integer is out of the range of its type");
    }
    *value_out = value;
    return VS_OK;
}

enum vs_status vs_thrift_next(struct vs_thrift_reader *r,
                              struct vs_thrift_field *field,
                              struct vs_error *err)
{
    uint8_t head = 0;
    VS_TRY(vs_read_u8(&r->in, &head, err));
    uint8_t type = head & 0x0f, delta = head >> 4;
    if (type == VS_THRIFT_STOP) {
        field->type = VS_THRIFT_STOP;
        r->depth--;
        return VS_OK;
    }
    if (type > VS_THRIFT_UUID) {
        return vs_reader_fail(&r->in, err, "a Thrift field has an unknown wire type");
    }
    int64_t id = 0;
    if (delta != 0) {
        id = field->id + delta;
        if (id > INT16_MAX) {
            return vs_reader_fail(&r->in, err, "a Thrift field id is out of range");
        }
    } else {
        VS_TRY(read_i64_raw(r, INT16_MIN, INT16_MAX, &id, err));
    }
    field->id = (int16_t)id;
    field->type = type;
    return VS_OK;
}

static enum vs_status skip_value(struct vs_thrift_reader *r,
                                 uint8_t type,
                                 bool is_element,
                                 struct vs_error *err);

static enum vs_status read_count(struct vs_thrift_reader *r,
                                 size_t min_element_size,
                                 size_t *count_out,
                                 struct vs_error *err)
{
    uint64_t count = 0;
    VS_TRY(vs_read_varint(&r->in, &count, err));
    if (count > INT32_MAX || count * min_element_size > vs_reader_left(&r->in)) {
        return vs_reader_fail(&r->in, err, "a count is larger than the bytes left");
    }
    *count_out = (size_t)count;
    return VS_OK;
}

static enum vs_status read_list_header(struct vs_thrift_reader *r,
                                       uint8_t *type_out,
                                       size_t *count_out,
                                       struct vs_error *err)
{
    uint8_t head = 0;
    VS_TRY(vs_read_u8(&r->in, &head, err));
    size_t count = head >> 4;
    if (count == 15) {
        VS_TRY(read_count(r, 1, &count, err));
    } else if (count > vs_reader_left(&r->in)) {
        return vs_reader_fail(&r->in, err, "a list has more elements than bytes are left");
    }
    uint8_t type = head & 0x0f;
    if ((type == VS_THRIFT_STOP && count != 0) || type > VS_THRIFT_UUID) {
        return vs_reader_fail(&r->in, err, "a Thrift list has an unknown element type");
    }
    *type_out = type;
    *count_out = count;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): enter() ends at VS_THRIFT_MAX_DEPTH
static enum vs_status skip_list(struct vs_thrift_reader *r, struct vs_error *err)
{
    uint8_t type = 0;
    size_t count = 0;
    VS_TRY(read_list_header(r, &type, &count, err));
    VS_TRY(enter(r, err));
    for (size_t i = 0; i < count; i++) {
        VS_TRY(skip_value(r, type, true, err));
    }
    r->depth--;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): enter() ends at VS_THRIFT_MAX_DEPTH
static enum vs_status skip_map(struct vs_thrift_reader *r, struct vs_error *err)
{
    size_t count = 0;
    VS_TRY(read_count(r, 0, &count, err));
    if (count == 0) {
        return VS_OK;
    }
    uint8_t types = 0;
    VS_TRY(vs_read_u8(&r->in, &types, err));
    uint8_t key = types >> 4, value = types & 0x0f;
    if (count > vs_reader_left(&r->in) / 2 || key == VS_THRIFT_STOP || key > VS_THRIFT_UUID ||
        value == VS_THRIFT_STOP || value > VS_THRIFT_UUID) {
        return vs_reader_fail(&r->in, err, "a Thrift map has a wrong header");
    }
    VS_TRY(enter(r, err));
    for (size_t i = 0; i < count; i++) {
        VS_TRY(skip_value(r, key, true, err));
        VS_TRY(skip_value(r, value, true, err));
    }
    r->depth--;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): enter() ends at VS_THRIFT_MAX_DEPTH
static enum vs_status skip_struct(struct vs_thrift_reader *r, struct vs_error *err)
{
    struct vs_thrift_field field;
    VS_TRY(vs_thrift_begin(r, &field, err));
    for (;;) {
        VS_TRY(vs_thrift_next(r, &field, err));
        if (field.type == VS_THRIFT_STOP) {
            return VS_OK;
        }
        VS_TRY(skip_value(r, field.type, false, err));
    }
}

// NOLINTNEXTLINE(misc-no-recursion): enter() ends at VS_THRIFT_MAX_DEPTH
static enum vs_status skip_value(struct vs_thrift_reader *r,
                                 uint8_t type,
                                 bool is_element,
                                 struct vs_error *err)
{
    uint64_t number = 0;
    size_t len = 0;
    switch (type) {
    case VS_THRIFT_TRUE:
    case VS_THRIFT_FALSE:
        return is_element ? vs_read_skip(&r->in, 1, err) : VS_OK;
    case VS_THRIFT_I8:
        return vs_read_skip(&r->in, 1, err);
    case VS_THRIFT_I16:
    case VS_THRIFT_I32:
    case VS_THRIFT_I64:
        return vs_read_varint(&r->in, &number, err);
    case VS_THRIFT_DOUBLE:
        return vs_read_skip(&r->in, 8, err);
    case VS_THRIFT_UUID:
        return vs_read_skip(&r->in, 16, err);
    case VS_THRIFT_BINARY:
        VS_TRY(read_count(r, 1, &len, err));
        return vs_read_skip(&r->in, len, err);
    case VS_THRIFT_LIST:
    case VS_THRIFT_SET:
        return skip_list(r, err);
    case VS_THRIFT_MAP:
        return skip_map(r, err);
    case VS_THRIFT_STRUCT:
        return skip_struct(r, err);
    default:
        return vs_reader_fail(&r->in, err, "a Thrift value has an unknown wire type");
    }
}

enum vs_status vs_thrift_skip(struct vs_thrift_reader *r,
                              const struct vs_thrift_field *field,
                              struct vs_error *err)
{
    return skip_value(r, field->type, false, err);
}

static enum vs_status wrong_type(struct vs_thrift_reader *r,
                                 const struct vs_thrift_field *field,
                                 const char *wanted,
                                 struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: Thrift field %d at byte %zu has wire type %d, expected %s",
                   r->in.what, field->id, vs_reader_offset(&r->in), field->type, wanted);
}

enum vs_status vs_thrift_read_bool(struct vs_thrift_reader *r,
                                   const struct vs_thrift_field *field,
                                   bool *value_out,
                                   struct vs_error *err)
{
    if (field->type != VS_THRIFT_TRUE && field->type != VS_THRIFT_FALSE) {
        return wrong_type(r, field, "a boolean", err);
    }
    *value_out = field->type == VS_THRIFT_TRUE;
    return VS_OK;
}

static enum vs_status read_integer(struct vs_thrift_reader *r,
                                   const struct vs_thrift_field *field,
                                   uint8_t widest,
                                   int64_t *value_out,
                                   struct vs_error *err)
{
    if (field->type < VS_THRIFT_I8 || field->type > widest) {
        return wrong_type(r, field, "an integer", err);
    }
    if (field->type == VS_THRIFT_I8) {
        uint8_t byte = 0;
        VS_TRY(vs_read_u8(&r->in, &byte, err));
        *value_out = byte < 0x80 ? (int64_t)byte : (int64_t)byte - 0x100;
        return VS_OK;
    }
    bool is_32 = field->type != VS_THRIFT_I64;
    return read_i64_raw(r, is_32 ? INT32_MIN : INT64_MIN, is_32 ? INT32_MAX : INT64_MAX, value_out,
                        err);
}

enum vs_status vs_thrift_read_i32(struct vs_thrift_reader *r,
                                  const struct vs_thrift_field *field,
                                  int32_t *value_out,
                                  struct vs_error *err)
{
    int64_t value = 0;
    VS_TRY(read_integer(r, field, VS_THRIFT_I32, &value, err));
    *value_out = (int32_t)value;
    return VS_OK;
}

enum vs_status vs_thrift_read_i64(struct vs_thrift_reader *r,
                                  const struct vs_thrift_field *field,
                                  int64_t *value_out,
                                  struct vs_error *err)
{
    return read_integer(r, field, VS_THRIFT_I64, value_out, err);
}

enum vs_status vs_thrift_read_binary(struct vs_thrift_reader *r,
                                     const struct vs_thrift_field *field,
                                     struct vs_str *value_out,
                                     struct vs_error *err)
{
    if (field->type != VS_THRIFT_BINARY) {
        return wrong_type(r, field, "a string", err);
    }
    size_t len = 0;
    const uint8_t *bytes = NULL;
    VS_TRY(read_count(r, 1, &len, err));
    VS_TRY(vs_read_bytes(&r->in, len, &bytes, err));
    *value_out = (struct vs_str){(const char *)bytes, len};
    return VS_OK;
}

enum vs_status vs_thrift_need_struct(struct vs_thrift_reader *r,
                                     const struct vs_thrift_field *field,
                                     struct vs_error *err)
{
    return field->type == VS_THRIFT_STRUCT ? VS_OK : wrong_type(r, field, "a struct", err);
}

enum vs_status vs_thrift_read_list(struct vs_thrift_reader *r,
                                   const struct vs_thrift_field *field,
                                   struct vs_thrift_field *element_out,
                                   size_t *count_out,
                                   struct vs_error *err)
{
    if (field->type != VS_THRIFT_LIST && field->type != VS_THRIFT_SET) {
        return wrong_type(r, field, "a list", err);
    }
    uint8_t type = 0;
    size_t count = 0;
    VS_TRY(read_list_header(r, &type, &count, err));
    *element_out = (struct vs_thrift_field){field->id, type};
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_thrift_read_bool_element(struct vs_thrift_reader *r,
                                           bool *value_out,
                                           struct vs_error *err)
{
    uint8_t byte = 0;
    VS_TRY(vs_read_u8(&r->in, &byte, err));
    if (byte > 2) {
        return vs_reader_fail(&r->in, err, "a boolean list element is neither true nor false");
    }
    *value_out = byte == VS_THRIFT_TRUE; // 2 is false; old writers use 0
    return VS_OK;
}

// ---- writer ----

void vs_thrift_writer_init(struct vs_thrift_writer *w, struct vs_buf *out)
{
    *w = (struct vs_thrift_writer){.out = out};
}

static void put(struct vs_thrift_writer *w, const void *bytes, size_t n)
{
    if (w->error.code == VS_OK) {
        vs_ignore(vs_buf_append(w->out, bytes, n, &w->error)); // kept in w->error
    }
}

static void put_byte(struct vs_thrift_writer *w, uint8_t byte)
{
    put(w, &byte, 1);
}

static void put_varint(struct vs_thrift_writer *w, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    while (value >= 0x80) {
        bytes[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (uint8_t)value;
    put(w, bytes, n);
}

static void put_zigzag(struct vs_thrift_writer *w, int64_t value)
{
    put_varint(w, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void vs_tw_begin(struct vs_thrift_writer *w)
{
    if (w->depth >= VS_THRIFT_MAX_DEPTH) {
        if (w->error.code == VS_OK) {
            vs_ignore(vs_fail(&w->error, VS_INTERNAL,
                              "Thrift structs are nested deeper than %d levels",
                              VS_THRIFT_MAX_DEPTH));
        }
        return;
    }
    w->last_id[w->depth++] = 0;
}

void vs_tw_end(struct vs_thrift_writer *w)
{
    put_byte(w, VS_THRIFT_STOP);
    if (w->depth > 0) {
        w->depth--;
    }
}

static void put_field(struct vs_thrift_writer *w, int16_t id, enum vs_thrift_type type)
{
    if (w->error.code != VS_OK) {
        return;
    }
    if (w->depth == 0) {
        vs_ignore(
            vs_fail(&w->error, VS_INTERNAL, "a Thrift field was written outside of a struct"));
        return;
    }
    int delta = id - w->last_id[w->depth - 1];
    if (delta > 0 && delta <= 15) {
        put_byte(w, (uint8_t)((unsigned)delta << 4 | (unsigned)type));
    } else {
        put_byte(w, (uint8_t)type);
        put_zigzag(w, id);
    }
    w->last_id[w->depth - 1] = id;
}

void vs_tw_field_begin(struct vs_thrift_writer *w, int16_t id)
{
    put_field(w, id, VS_THRIFT_STRUCT);
    vs_tw_begin(w);
}

void vs_tw_field_bool(struct vs_thrift_writer *w, int16_t id, bool value)
{
    put_field(w, id, value ? VS_THRIFT_TRUE : VS_THRIFT_FALSE);
}

void vs_tw_field_i8(struct vs_thrift_writer *w, int16_t id, int8_t value)
{
    put_field(w, id, VS_THRIFT_I8);
    put_byte(w, (uint8_t)value);
}

void vs_tw_field_i16(struct vs_thrift_writer *w, int16_t id, int16_t value)
{
    put_field(w, id, VS_THRIFT_I16);
    put_zigzag(w, value);
}

void vs_tw_field_i32(struct vs_thrift_writer *w, int16_t id, int32_t value)
{
    put_field(w, id, VS_THRIFT_I32);
    put_zigzag(w, value);
}

void vs_tw_field_i64(struct vs_thrift_writer *w, int16_t id, int64_t value)
{
    put_field(w, id, VS_THRIFT_I64);
    put_zigzag(w, value);
}

void vs_tw_field_binary(struct vs_thrift_writer *w, int16_t id, struct vs_str value)
{
    put_field(w, id, VS_THRIFT_BINARY);
    vs_tw_binary(w, value);
}

void vs_tw_field_list(struct vs_thrift_writer *w,
                      int16_t id,
                      enum vs_thrift_type element,
                      size_t count)
{
    put_field(w, id, VS_THRIFT_LIST);
    if (count < 15) {
        put_byte(w, (uint8_t)((unsigned)count << 4 | (unsigned)element));
    } else {
        put_byte(w, (uint8_t)(0xf0u | (unsigned)element));
        put_varint(w, count);
    }
}

void vs_tw_bool(struct vs_thrift_writer *w, bool value)
{
    put_byte(w, value ? VS_THRIFT_TRUE : VS_THRIFT_FALSE);
}

void vs_tw_i32(struct vs_thrift_writer *w, int32_t value)
{
    put_zigzag(w, value);
}

void vs_tw_i64(struct vs_thrift_writer *w, int64_t value)
{
    put_zigzag(w, value);
}

void vs_tw_binary(struct vs_thrift_writer *w, struct vs_str value)
{
    put_varint(w, value.len);
    if (value.len > 0) {
        put(w, value.ptr, value.len);
    }
}

enum vs_status vs_thrift_writer_finish(struct vs_thrift_writer *w, struct vs_error *err)
{
    if (w->error.code != VS_OK) {
        if (err != NULL) {
            *err = w->error;
        }
        return w->error.code;
    }
    if (w->depth != 0) {
        return vs_fail(err, VS_INTERNAL, "%u Thrift structs were not closed", w->depth);
    }
    return VS_OK;
}
