// SPDX-License-Identifier: Apache-2.0
// One row of a column as JSON.
#include "vecstore/base/crypto.h"
#include "vecstore/base/datetime.h"
#include "vecstore/base/json.h"
#include "vecstore/base/uuid.h"
#include "vecstore/format/column.h"

#include <string.h>

static void write_binary(struct vs_json_writer *w, struct vs_str bytes)
{
    struct vs_buf text;
    vs_buf_init(&text, w->out->env, SIZE_MAX / 2);
    struct vs_error error = {0};
    if (vs_buf_reserve(&text, VS_BASE64_LEN(bytes.len) + 1, &error) == VS_OK) {
        vs_base64_format((const uint8_t *)bytes.ptr, bytes.len, (char *)text.data);
        vs_jw_str(w, (struct vs_str){(const char *)text.data, VS_BASE64_LEN(bytes.len)});
    } else if (w->error.code == VS_OK) {
        w->error = error;
    }
    vs_buf_clear(&text);
}

static void write_uuid(struct vs_json_writer *w, struct vs_str bytes)
{
    struct vs_uuid uuid;
    char text[VS_UUID_TEXT_SIZE];
    memcpy(uuid.bytes, bytes.ptr, sizeof uuid.bytes);
    vs_uuid_format(uuid, text);
    vs_jw_c(w, text);
}

static void write_datetime(struct vs_json_writer *w, const struct vs_value *value)
{
    char text[VS_DATETIME_TEXT_SIZE];
    bool is_zoned = value->kind == VS_KIND_TIMESTAMPTZ || value->kind == VS_KIND_TIMESTAMPTZ_NS;
    if (value->kind == VS_KIND_DATE) {
        vs_date_format((int32_t)value->as.integer, text);
    } else if (value->kind == VS_KIND_TIME) {
        vs_time_format(value->as.integer, text);
    } else if (value->kind == VS_KIND_TIMESTAMP_NS || value->kind == VS_KIND_TIMESTAMPTZ_NS) {
        vs_timestamp_ns_format(value->as.integer, is_zoned, text);
    } else {
        vs_timestamp_format(value->as.integer, is_zoned, text);
    }
    vs_jw_c(w, text);
}

void vs_value_write_json(struct vs_json_writer *w, const struct vs_value *value, uint8_t scale)
{
    char text[VS_DECIMAL_TEXT_SIZE];
    if (value->is_null) {
        vs_jw_null(w);
        return;
    }
    switch (value->kind) {
    case VS_KIND_BOOLEAN:
        vs_jw_bool(w, value->as.boolean);
        break;
    case VS_KIND_INT:
    case VS_KIND_LONG:
        vs_jw_i64(w, value->as.integer);
        break;
    case VS_KIND_FLOAT:
        vs_jw_f32(w, (float)value->as.real);
        break;
    case VS_KIND_DOUBLE:
        vs_jw_f64(w, value->as.real);
        break;
    case VS_KIND_STRING:
        vs_jw_str(w, value->as.text);
        break;
    case VS_KIND_DATE:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        write_datetime(w, value);
        break;
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
        write_binary(w, value->as.text);
        break;
    case VS_KIND_UUID:
        write_uuid(w, value->as.text);
        break;
    case VS_KIND_DECIMAL:
        vs_decimal_format(value->as.decimal, scale, text);
        vs_jw_c(w, text);
        break;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        vs_jw_null(w);
        break;
    }
}

void vs_column_write_json(struct vs_json_writer *w,
                          const struct vs_column *column,
                          const struct vs_field *field,
                          size_t row)
{
    if (column->kind != VS_KIND_LIST || vs_column_is_null(column, row)) {
        struct vs_value value = vs_column_get(column, row);
        vs_value_write_json(w, &value, field->scale);
        return;
    }
    size_t first = 0, count = 0;
    vs_column_get_list(column, row, &first, &count);
    vs_jw_array_begin(w);
    for (size_t i = first; i < first + count; i++) {
        struct vs_value value = vs_column_get(column->child, i);
        vs_value_write_json(w, &value, field->scale);
    }
    vs_jw_array_end(w);
}
