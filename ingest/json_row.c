// SPDX-License-Identifier: Apache-2.0
#include "ingest/json_row.h"

#include "vecstore/base/bytes.h"

#include <string.h>

enum vs_status vs_json_rows_init(struct vs_json_rows *rows,
                                 const struct vs_env *env,
                                 const struct vs_schema *schema,
                                 const struct vs_source_options *options,
                                 struct vs_error *err)
{
    static const struct vs_source_options none;
    bool *filled = vs_alloc_zeroed(env, schema->field_count, sizeof *filled);
    if (filled == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu columns", schema->field_count);
    }
    *rows = (struct vs_json_rows){
        .env = env, .schema = schema, .options = options ? options : &none, .filled = filled};
    return VS_OK;
}

void vs_json_rows_clear(struct vs_json_rows *rows)
{
    if (rows->env != NULL) {
        vs_free(rows->env, rows->filled);
    }
    *rows = (struct vs_json_rows){0};
}

void vs_json_rows_begin(struct vs_json_rows *rows)
{
    memset(rows->filled, 0, rows->schema->field_count * sizeof *rows->filled);
}

size_t vs_json_rows_find(const struct vs_json_rows *rows, struct vs_str key, size_t hint)
{
    for (size_t i = 0; i < rows->options->rename_count; i++) {
        if (vs_str_equal(rows->options->renames[i].from, key)) {
            return vs_schema_find(rows->schema, rows->options->renames[i].to);
        }
    }
    if (hint < rows->schema->field_count && vs_str_equal(rows->schema->fields[hint].name, key)) {
        return hint;
    }
    return vs_schema_find(rows->schema, key);
}

static enum vs_status wrong_type(const struct vs_json *value,
                                 const char *expected,
                                 struct vs_error *err)
{
    return vs_fail(err, VS_INVALID, "a %s where %s is expected", vs_json_type_name(value),
                   expected);
}

static const char *text_form(enum vs_kind kind)
{
    switch (kind) {
    case VS_KIND_DATE:
        return "a date as text (\"2025-01-31\")";
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        return "a timestamp as text (\"2025-01-31T10:20:30Z\")";
    case VS_KIND_TIME:
        return "a time as text (\"10:20:30\")";
    case VS_KIND_UUID:
        return "a uuid as text";
    case VS_KIND_DECIMAL:
        return "a decimal as text (\"12.50\")";
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
        return "bytes as base64 text";
    case VS_KIND_BOOLEAN:
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
    case VS_KIND_STRING:
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return "a text";
}

static enum vs_status append_parsed(const struct vs_env *env,
                                    const struct vs_field *field,
                                    struct vs_column *column,
                                    const struct vs_json *json,
                                    struct vs_error *err)
{
    struct vs_str text;
    struct vs_value value;
    struct vs_arena arena;
    if (!vs_json_to_str(json, &text)) {
        return wrong_type(json, text_form(field->kind), err);
    }
    vs_arena_init(&arena, env, 0);
    enum vs_status status = vs_value_parse(text, field, &arena, &value, err);
    if (status == VS_OK) {
        status = vs_column_append(column, &value, err);
    }
    vs_arena_clear(&arena);
    return status;
}

static enum vs_status append_integer(struct vs_column *column,
                                     const struct vs_field *field,
                                     const struct vs_json *json,
                                     struct vs_error *err)
{
    struct vs_value value = {.kind = field->kind};
    if (!vs_json_to_i64(json, &value.as.integer)) {
        if (vs_json_is(json, VS_JSON_UINT)) {
            return vs_fail(err, VS_INVALID, "the integer does not fit a long");
        }
        return wrong_type(json, "an integer", err);
    }
    return vs_column_append(column, &value, err);
}

static enum vs_status append_scalar(const struct vs_env *env,
                                    const struct vs_field *field,
                                    struct vs_column *column,
                                    const struct vs_json *json,
                                    struct vs_error *err)
{
    struct vs_value value = {.kind = field->kind};
    struct vs_str text;
    if (vs_json_is(json, VS_JSON_NULL)) {
        return vs_column_append_null(column, err);
    }
    switch (field->kind) {
    case VS_KIND_BOOLEAN:
        return vs_json_to_bool(json, &value.as.boolean) ? vs_column_append(column, &value, err)
                                                        : wrong_type(json, "true or false", err);
    case VS_KIND_INT:
    case VS_KIND_LONG:
        return append_integer(column, field, json, err);
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
        return vs_json_to_f64(json, &value.as.real) ? vs_column_append(column, &value, err)
                                                    : wrong_type(json, "a number", err);
    case VS_KIND_STRING:
        return vs_json_to_str(json, &text) ? vs_column_append_bytes(column, text.ptr, text.len, err)
                                           : wrong_type(json, "a text", err);
    case VS_KIND_DATE:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID:
    case VS_KIND_DECIMAL:
        return append_parsed(env, field, column, json, err);
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return vs_fail(err, VS_UNSUPPORTED, "values of type %s are not read from JSON",
                   vs_kind_name(field->kind));
}

// A vector as base64 of little-endian float32.
static enum vs_status append_base64(const struct vs_env *env,
                                    struct vs_column *column,
                                    struct vs_str text,
                                    struct vs_error *err)
{
    static const struct vs_field binary = {.kind = VS_KIND_BINARY};
    struct vs_arena arena;
    struct vs_value value = {0};
    vs_arena_init(&arena, env, 0);
    enum vs_status status = vs_value_parse(text, &binary, &arena, &value, err);
    if (status == VS_OK && value.as.text.len % 4 != 0) {
        status = vs_fail(err, VS_INVALID,
                         "%zu bytes of base64 are no float32 vector (not a multiple of 4)",
                         value.as.text.len);
    }
    size_t count = value.as.text.len / 4;
    float *floats = status == VS_OK ? vs_arena_alloc_array(&arena, count, sizeof *floats) : NULL;
    if (status == VS_OK && floats == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory for a vector");
    }
    if (status == VS_OK) {
        for (size_t i = 0; i < count; i++) {
            floats[i] = vs_load_f32le(value.as.text.ptr + 4 * i);
        }
        status = vs_column_append_floats(column, floats, count, err);
    }
    vs_arena_clear(&arena);
    return status;
}

static enum vs_status append_list(const struct vs_env *env,
                                  const struct vs_field *field,
                                  struct vs_column *column,
                                  const struct vs_json *json,
                                  struct vs_error *err)
{
    struct vs_str text;
    if (vs_json_is(json, VS_JSON_NULL)) {
        return vs_column_append_null(column, err);
    }
    if (field->element_kind == VS_KIND_FLOAT && vs_json_to_str(json, &text)) {
        return append_base64(env, column, text, err);
    }
    if (!vs_json_is(json, VS_JSON_ARRAY)) {
        return wrong_type(json,
                          field->element_kind == VS_KIND_FLOAT
                              ? "an array of numbers, or base64 of float32,"
                              : "an array",
                          err);
    }
    struct vs_field element = {.kind = field->element_kind,
                               .precision = field->precision,
                               .scale = field->scale,
                               .fixed_length = field->fixed_length};
    struct vs_json_iter iter;
    const struct vs_json *value;
    size_t at = 0;
    vs_json_iter_init(&iter, json);
    for (; vs_json_iter_next(&iter, NULL, &value); at++) {
        enum vs_status status = append_scalar(env, &element, column->child, value, err);
        if (status != VS_OK) {
            return vs_wrap(err, status, "element %zu", at);
        }
    }
    return vs_column_end_list(column, err);
}

static enum vs_status append_key(struct vs_json_rows *rows,
                                 struct vs_str key,
                                 const struct vs_json *value,
                                 size_t *at,
                                 struct vs_batch *batch,
                                 struct vs_error *err)
{
    size_t position = vs_json_rows_find(rows, key, *at);
    if (position == SIZE_MAX) {
        if (rows->options->skip_unknown) {
            return VS_OK;
        }
        return vs_fail(err, VS_INVALID,
                       "key '%.*s' is no column of the table; add the column or leave the key out",
                       VS_STR_ARG(key));
    }
    *at = position + 1;
    if (rows->filled[position]) {
        return vs_json_is(value, VS_JSON_NULL)
                   ? VS_OK
                   : vs_fail(err, VS_INVALID, "column '%.*s' is given twice",
                             VS_STR_ARG(rows->schema->fields[position].name));
    }
    const struct vs_field *field = &rows->schema->fields[position];
    struct vs_column *column = &batch->columns[position];
    rows->filled[position] = true;
    enum vs_status status = field->kind == VS_KIND_LIST
                                ? append_list(rows->env, field, column, value, err)
                                : append_scalar(rows->env, field, column, value, err);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "key '%.*s'", VS_STR_ARG(key));
}

enum vs_status vs_json_rows_append(struct vs_json_rows *rows,
                                   const struct vs_json *object,
                                   struct vs_batch *batch,
                                   struct vs_error *err)
{
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value;
    size_t at = 0;
    if (!vs_json_is(object, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_INVALID, "%s, but a row is an object: {\"column\": value, …}",
                       vs_json_type_name(object));
    }
    vs_json_iter_init(&iter, object);
    while (vs_json_iter_next(&iter, &key, &value)) {
        VS_TRY(append_key(rows, key, value, &at, batch, err));
    }
    for (size_t i = 0; i < rows->schema->field_count; i++) {
        if (!rows->filled[i]) {
            VS_TRY(vs_column_append_null(&batch->columns[i], err));
        }
    }
    return VS_OK;
}
