// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/iceberg_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_RESERVED_ID 2147483447 // ids above are Iceberg's own (metadata columns)

static bool read_number(struct vs_str *text, char end, int most, uint8_t *out)
{
    struct vs_str digits, rest;
    int64_t value;
    if (!vs_str_split(*text, end, &digits, &rest) ||
        vs_parse_i64(vs_str_trim(digits), &value, NULL) != VS_OK || value < 0 || value > most) {
        return false;
    }
    *out = (uint8_t)value;
    *text = rest;
    return true;
}

static bool has_plain_name(int kind)
{
    return kind != VS_KIND_DECIMAL && kind != VS_KIND_FIXED && kind != VS_KIND_LIST &&
           kind != VS_KIND_OTHER;
}

bool vs_iceberg_primitive_parse(struct vs_str text, enum vs_kind *kind, struct vs_field *field)
{
    for (int k = 0; k < VS_KIND_COUNT; k++) {
        if (has_plain_name(k) && vs_str_equal_c(text, vs_kind_name((enum vs_kind)k))) {
            *kind = (enum vs_kind)k;
            return true;
        }
    }
    uint64_t length = 0;
    if (vs_str_starts_with(text, VS_STR("fixed[")) && vs_str_ends_with(text, VS_STR("]")) &&
        vs_parse_u64(vs_str_trim((struct vs_str){text.ptr + 6, text.len - 7}), &length, NULL) ==
            VS_OK &&
        length > 0 && length <= INT32_MAX) {
        field->fixed_length = (uint32_t)length;
        *kind = VS_KIND_FIXED;
        return true;
    }
    if (vs_str_starts_with(text, VS_STR("decimal("))) {
        struct vs_str rest = {text.ptr + 8, text.len - 8};
        if (read_number(&rest, ',', 38, &field->precision) &&
            read_number(&rest, ')', 38, &field->scale) && rest.len == 0 && field->precision > 0) {
            *kind = VS_KIND_DECIMAL;
            return true;
        }
    }
    return false;
}

static enum vs_status other_type(const struct vs_json *type,
                                 struct vs_arena *arena,
                                 struct vs_field *field,
                                 struct vs_error *err)
{
    struct vs_str text;
    field->kind = VS_KIND_OTHER;
    if (!vs_json_to_str(type, &text)) {
        return vs_json_raw(type, arena->env, arena, &field->other_type, err);
    }
    field->other_type = vs_arena_copy_str(arena, text);
    return field->other_type.ptr != NULL ? VS_OK
                                         : vs_fail(err, VS_NO_MEMORY, "no memory for a schema");
}

static enum vs_status parse_id(const struct vs_json *object,
                               const char *key,
                               const char *what,
                               int32_t *out,
                               struct vs_error *err)
{
    int64_t id;
    VS_TRY(vs_json_need_i64(object, key, what, &id, err));
    if (id < 0 || id > INT32_MAX) {
        return vs_fail(err, VS_CORRUPT, "%s: '%s' is %lld, which is no field id", what, key,
                       (long long)id);
    }
    *out = (int32_t)id;
    return VS_OK;
}

static enum vs_status parse_type(const struct vs_json *type,
                                 const char *what,
                                 struct vs_arena *arena,
                                 struct vs_field *field,
                                 struct vs_error *err)
{
    struct vs_str text;
    if (vs_json_to_str(type, &text)) {
        if (vs_iceberg_primitive_parse(text, &field->kind, field)) {
            return VS_OK;
        }
        return other_type(type, arena, field, err);
    }
    if (!vs_json_is(type, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_CORRUPT, "%s: field '%.*s' has no type", what,
                       VS_STR_ARG(field->name));
    }
    struct vs_str element;
    if (vs_json_to_str(vs_json_get(type, "type"), &text) && vs_str_equal_c(text, "list") &&
        vs_json_to_str(vs_json_get(type, "element"), &element) &&
        vs_iceberg_primitive_parse(element, &field->element_kind, field)) {
        field->kind = VS_KIND_LIST;
        VS_TRY(parse_id(type, "element-id", what, &field->element_id, err));
        if (!vs_json_to_bool(vs_json_get(type, "element-required"), &field->element_required)) {
            return vs_fail(err, VS_CORRUPT, "%s: list '%.*s' has no element-required", what,
                           VS_STR_ARG(field->name));
        }
        return VS_OK;
    }
    return other_type(type, arena, field, err);
}

// A default value as it stands; absent and null are none.
static enum vs_status parse_default(const struct vs_json *value,
                                    struct vs_arena *arena,
                                    struct vs_str *raw_out,
                                    struct vs_error *err)
{
    if (value == NULL || vs_json_is(value, VS_JSON_NULL)) {
        return VS_OK;
    }
    return vs_json_raw(value, arena->env, arena, raw_out, err);
}

static enum vs_status parse_field(const struct vs_json *json,
                                  const char *what,
                                  struct vs_arena *arena,
                                  struct vs_field *field,
                                  struct vs_error *err)
{
    struct vs_str text;
    *field = (struct vs_field){.id = -1, .element_id = -1};
    VS_TRY(parse_id(json, "id", what, &field->id, err));
    VS_TRY(vs_json_need_str(json, "name", what, &text, err));
    field->name = vs_arena_copy_str(arena, text);
    if (field->name.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the schema", what);
    }
    if (!vs_json_to_bool(vs_json_get(json, "required"), &field->required)) {
        return vs_fail(err, VS_CORRUPT, "%s: field '%.*s' has no 'required'", what,
                       VS_STR_ARG(text));
    }
    if (vs_json_to_str(vs_json_get(json, "doc"), &text)) {
        field->doc = vs_arena_copy_str(arena, text);
        if (field->doc.ptr == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the schema", what);
        }
    }
    VS_TRY(parse_default(vs_json_get(json, "initial-default"), arena, &field->initial_default_json,
                         err));
    VS_TRY(
        parse_default(vs_json_get(json, "write-default"), arena, &field->write_default_json, err));
    return parse_type(vs_json_get(json, "type"), what, arena, field, err);
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

// No id may stand for two fields. Schemas can be wide, so ids are sorted.
static enum vs_status check_ids(const struct vs_schema *schema,
                                const char *what,
                                struct vs_arena *arena,
                                struct vs_error *err)
{
    int32_t *ids = vs_arena_alloc_array(arena, schema->field_count, 2 * sizeof *ids);
    if (ids == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the schema", what);
    }
    size_t n = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        ids[n++] = schema->fields[i].id;
        if (schema->fields[i].kind == VS_KIND_LIST) {
            ids[n++] = schema->fields[i].element_id;
        }
    }
    if (n > 1) {
        qsort(ids, n, sizeof *ids, compare_ids);
    }
    for (size_t i = 1; i < n; i++) {
        if (ids[i] == ids[i - 1]) {
            return vs_fail(err, VS_CORRUPT, "%s: field id %d is used twice in schema %d", what,
                           ids[i], schema->schema_id);
        }
    }
    return VS_OK;
}

static enum vs_status parse_identifiers(const struct vs_json *json,
                                        const char *what,
                                        struct vs_arena *arena,
                                        struct vs_schema *schema,
                                        struct vs_error *err)
{
    const struct vs_json *ids = vs_json_get(json, "identifier-field-ids");
    size_t count = vs_json_count(ids);
    if (!vs_json_is(ids, VS_JSON_ARRAY) || count == 0) {
        return VS_OK;
    }
    schema->identifier_ids = vs_arena_alloc_array(arena, count, sizeof *schema->identifier_ids);
    if (schema->identifier_ids == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the schema", what);
    }
    struct vs_json_iter iter;
    const struct vs_json *item;
    vs_json_iter_init(&iter, ids);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        int64_t id;
        if (!vs_json_to_i64(item, &id) || id < 0 || id > INT32_MAX) {
            return vs_fail(err, VS_CORRUPT, "%s: an identifier-field-id is not a field id", what);
        }
        schema->identifier_ids[schema->identifier_count++] = (int32_t)id;
    }
    return VS_OK;
}

enum vs_status vs_iceberg_schema_parse(const struct vs_json *json,
                                       const char *what,
                                       struct vs_arena *arena,
                                       struct vs_schema *schema_out,
                                       struct vs_error *err)
{
    struct vs_schema schema = {0};
    int64_t id = 0;
    if (vs_json_to_i64(vs_json_get(json, "schema-id"), &id) && (id < 0 || id > INT32_MAX)) {
        return vs_fail(err, VS_CORRUPT, "%s: schema-id %lld is out of range", what, (long long)id);
    }
    schema.schema_id = (int32_t)id;
    const struct vs_json *fields;
    VS_TRY(vs_json_need(json, "fields", VS_JSON_ARRAY, what, &fields, err));
    schema.fields = vs_arena_alloc_array(arena, vs_json_count(fields), sizeof *schema.fields);
    if (schema.fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the schema", what);
    }
    struct vs_json_iter iter;
    const struct vs_json *field;
    vs_json_iter_init(&iter, fields);
    while (vs_json_iter_next(&iter, NULL, &field)) {
        VS_TRY(parse_field(field, what, arena, &schema.fields[schema.field_count], err));
        schema.field_count++;
    }
    VS_TRY(parse_identifiers(json, what, arena, &schema, err));
    VS_TRY(check_ids(&schema, what, arena, err));
    *schema_out = schema;
    return VS_OK;
}

static void write_primitive(struct vs_json_writer *w,
                            enum vs_kind kind,
                            const struct vs_field *field)
{
    if (kind != VS_KIND_DECIMAL && kind != VS_KIND_FIXED) {
        vs_jw_c(w, vs_kind_name(kind));
        return;
    }
    char text[32];
    int len = kind == VS_KIND_FIXED
                  ? snprintf(text, sizeof text, "fixed[%u]", (unsigned)field->fixed_length)
                  : snprintf(text, sizeof text, "decimal(%d, %d)", field->precision, field->scale);
    vs_jw_str(w, (struct vs_str){text, (size_t)len});
}

static void write_type(struct vs_json_writer *w, const struct vs_field *field)
{
    if (field->kind == VS_KIND_OTHER) {
        if (field->other_type.len > 0 && field->other_type.ptr[0] == '{') {
            vs_jw_raw(w, field->other_type);
        } else {
            vs_jw_str(w, field->other_type);
        }
        return;
    }
    if (field->kind != VS_KIND_LIST) {
        write_primitive(w, field->kind, field);
        return;
    }
    vs_jw_object_begin(w);
    vs_jw_key(w, "type");
    vs_jw_c(w, "list");
    vs_jw_key(w, "element-id");
    vs_jw_i64(w, field->element_id);
    vs_jw_key(w, "element");
    write_primitive(w, field->element_kind, field);
    vs_jw_key(w, "element-required");
    vs_jw_bool(w, field->element_required);
    vs_jw_object_end(w);
}

void vs_iceberg_schema_write(struct vs_json_writer *w, const struct vs_schema *schema)
{
    vs_jw_object_begin(w);
    vs_jw_key(w, "type");
    vs_jw_c(w, "struct");
    vs_jw_key(w, "schema-id");
    vs_jw_i64(w, schema->schema_id);
    if (schema->identifier_count > 0) {
        vs_jw_key(w, "identifier-field-ids");
        vs_jw_array_begin(w);
        for (size_t i = 0; i < schema->identifier_count; i++) {
            vs_jw_i64(w, schema->identifier_ids[i]);
        }
        vs_jw_array_end(w);
    }
    vs_jw_key(w, "fields");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct vs_field *field = &schema->fields[i];
        vs_jw_object_begin(w);
        vs_jw_key(w, "id");
        vs_jw_i64(w, field->id);
        vs_jw_key(w, "name");
        vs_jw_str(w, field->name);
        vs_jw_key(w, "required");
        vs_jw_bool(w, field->required);
        vs_jw_key(w, "type");
        write_type(w, field);
        if (field->doc.len > 0) {
            vs_jw_key(w, "doc");
            vs_jw_str(w, field->doc);
        }
        if (field->initial_default_json.len > 0) {
            vs_jw_key(w, "initial-default");
            vs_jw_raw(w, field->initial_default_json);
        }
        if (field->write_default_json.len > 0) {
            vs_jw_key(w, "write-default");
            vs_jw_raw(w, field->write_default_json);
        }
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_jw_object_end(w);
}

int32_t vs_iceberg_schema_last_id(const struct vs_schema *schema)
{
    int32_t last = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct vs_field *field = &schema->fields[i];
        last = field->id > last ? field->id : last;
        if (field->kind == VS_KIND_LIST && field->element_id > last) {
            last = field->element_id;
        }
    }
    return last;
}

// The caller's identifier ids name fields by the caller's ids, or by position (1-based) when those
// are not set.
static size_t identifier_index(const struct vs_schema *schema, int32_t id)
{
    size_t index = vs_schema_find_id(schema, id);
    if (index == SIZE_MAX && id >= 1 && (size_t)id <= schema->field_count) {
        index = (size_t)id - 1;
    }
    return index;
}

enum vs_status vs_iceberg_schema_assign_ids(struct vs_schema *schema, struct vs_error *err)
{
    if (schema->field_count == 0 || schema->field_count > FIRST_RESERVED_ID / 2) {
        return vs_fail(err, VS_INVALID, "a table needs at least one column");
    }
    for (size_t i = 0; i < schema->identifier_count; i++) {
        size_t index = identifier_index(schema, schema->identifier_ids[i]);
        if (index == SIZE_MAX) {
            return vs_fail(err, VS_INVALID, "identifier field id %d names no column",
                           schema->identifier_ids[i]);
        }
        const struct vs_field *field = &schema->fields[index];
        if (!field->required || field->kind == VS_KIND_FLOAT || field->kind == VS_KIND_DOUBLE ||
            field->kind == VS_KIND_LIST) {
            return vs_fail(err, VS_INVALID,
                           "column '%.*s' cannot identify rows: it has to be required and neither "
                           "floating-point nor a list",
                           VS_STR_ARG(field->name));
        }
        schema->identifier_ids[i] = (int32_t)index + 1;
    }
    int32_t next = (int32_t)schema->field_count + 1;
    for (size_t i = 0; i < schema->field_count; i++) {
        struct vs_field *field = &schema->fields[i];
        if (field->name.len == 0) {
            return vs_fail(err, VS_INVALID, "column %zu has no name", i + 1);
        }
        if (field->kind == VS_KIND_OTHER) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "column '%.*s' has type %.*s, which cannot be written",
                           VS_STR_ARG(field->name), VS_STR_ARG(field->other_type));
        }
        if (vs_schema_find(schema, field->name) != i) {
            return vs_fail(err, VS_INVALID, "two columns are named '%.*s'",
                           VS_STR_ARG(field->name));
        }
        field->id = (int32_t)i + 1;
        field->element_id = field->kind == VS_KIND_LIST ? next++ : -1;
    }
    return VS_OK;
}
