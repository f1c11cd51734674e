// SPDX-License-Identifier: Apache-2.0
/*
 * Default values of columns, from their JSON form.
 */
#include "vecstore/base/text.h"
#include "vecstore/iceberg/file_scan_internal.h"

static enum vs_status malformed(const struct vs_field *field, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "the default value of column '%.*s' is no %s",
                   VS_STR_ARG(field->name), vs_kind_name(field->kind));
}

// Binary and fixed values are written in hexadecimal.
static enum vs_status append_hex(const struct vs_field *field,
                                 struct vs_str text,
                                 struct vs_arena *arena,
                                 struct vs_column *column,
                                 struct vs_error *err)
{
    size_t n = text.len / 2;
    uint8_t *bytes = vs_arena_alloc(arena, n + 1);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a default value");
    }
    for (size_t i = 0; i < n; i++) {
        int high = vs_hex_value(text.ptr[2 * i]), low = vs_hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return malformed(field, err);
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (text.len % 2 != 0 || (field->kind == VS_KIND_FIXED && n != field->fixed_length)) {
        return malformed(field, err);
    }
    return vs_column_append_bytes(column, bytes, n, err);
}

static bool is_number_or_bool(enum vs_kind kind)
{
    return kind == VS_KIND_BOOLEAN || kind == VS_KIND_INT || kind == VS_KIND_LONG ||
           kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE;
}

static enum vs_status append_scalar(const struct vs_field *field,
                                    const struct vs_json *json,
                                    struct vs_arena *arena,
                                    struct vs_column *column,
                                    struct vs_error *err)
{
    struct vs_str text;
    struct vs_value value;
    bool is_text = vs_json_to_str(json, &text);
    if (vs_json_is(json, VS_JSON_NULL)) {
        return vs_column_append_null(column, err);
    }
    if (is_text == is_number_or_bool(field->kind)) {
        return malformed(field, err);
    }
    if (field->kind == VS_KIND_BINARY || field->kind == VS_KIND_FIXED) {
        return append_hex(field, text, arena, column, err);
    }
    if (!is_text) {
        VS_TRY(vs_json_raw(json, arena->env, arena, &text, err));
    }
    enum vs_status status = vs_value_parse(text, field, arena, &value, err);
    return status == VS_OK        ? vs_column_append(column, &value, err)
           : status == VS_INVALID ? malformed(field, err)
                                  : status;
}

static enum vs_status append_list(const struct vs_field *field,
                                  const struct vs_json *json,
                                  struct vs_arena *arena,
                                  struct vs_column *column,
                                  struct vs_error *err)
{
    struct vs_field element = {.id = field->element_id,
                               .name = field->name,
                               .kind = field->element_kind,
                               .precision = field->precision,
                               .scale = field->scale,
                               .fixed_length = field->fixed_length};
    struct vs_json_iter iter;
    const struct vs_json *item;
    if (!vs_json_is(json, VS_JSON_ARRAY)) {
        return malformed(field, err);
    }
    vs_json_iter_init(&iter, json);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(append_scalar(&element, item, arena, column->child, err));
    }
    return vs_column_end_list(column, err);
}

enum vs_status vs_default_value_append(const struct vs_env *env,
                                       const struct vs_field *field,
                                       struct vs_str json,
                                       struct vs_column *column,
                                       struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_limits limits = {.max_depth = VS_JSON_MAX_DEPTH};
    struct vs_arena arena;
    enum vs_status status = vs_json_parse(env, json, "default value", &limits, &doc, err);
    if (status != VS_OK) {
        return status == VS_INVALID ? malformed(field, err) : status;
    }
    vs_arena_init(&arena, env, 0);
    status = field->kind == VS_KIND_LIST
                 ? append_list(field, vs_json_root(doc), &arena, column, err)
                 : append_scalar(field, vs_json_root(doc), &arena, column, err);
    vs_arena_clear(&arena);
    vs_json_free(doc);
    return status;
}
