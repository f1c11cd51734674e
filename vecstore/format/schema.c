// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/schema.h"

static const struct {
    const char *name;
    size_t width;
} kinds[VS_KIND_COUNT] = {
    [VS_KIND_BOOLEAN] = {"boolean", 1},
    [VS_KIND_INT] = {"int", 4},
    [VS_KIND_LONG] = {"long", 8},
    [VS_KIND_FLOAT] = {"float", 4},
    [VS_KIND_DOUBLE] = {"double", 8},
    [VS_KIND_STRING] = {"string", 0},
    [VS_KIND_DATE] = {"date", 4},
    [VS_KIND_TIMESTAMP] = {"timestamp", 8},
    [VS_KIND_TIMESTAMPTZ] = {"timestamptz", 8},
    [VS_KIND_BINARY] = {"binary", 0},
    [VS_KIND_UUID] = {"uuid", 16},
    [VS_KIND_DECIMAL] = {"decimal", 16},
    [VS_KIND_LIST] = {"list", 0},
    [VS_KIND_OTHER] = {"other", 0},
    [VS_KIND_TIME] = {"time", 8},
    [VS_KIND_FIXED] = {"fixed", 0},
    [VS_KIND_TIMESTAMP_NS] = {"timestamp_ns", 8},
    [VS_KIND_TIMESTAMPTZ_NS] = {"timestamptz_ns", 8},
};

size_t vs_schema_find(const struct vs_schema *schema, struct vs_str name)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (vs_str_equal(schema->fields[i].name, name)) {
            return i;
        }
    }
    return SIZE_MAX;
}

size_t vs_schema_find_id(const struct vs_schema *schema, int32_t id)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].id == id) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool vs_kind_is_text(enum vs_kind kind)
{
    return kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_FIXED ||
           kind == VS_KIND_UUID;
}

size_t vs_kind_width(enum vs_kind kind)
{
    return (unsigned)kind < VS_KIND_COUNT ? kinds[kind].width : 0;
}

bool vs_field_is_readable(const struct vs_field *field)
{
    return field->kind != VS_KIND_OTHER &&
           (field->kind != VS_KIND_LIST || field->element_kind != VS_KIND_OTHER);
}

const char *vs_kind_name(enum vs_kind kind)
{
    return (unsigned)kind < VS_KIND_COUNT ? kinds[kind].name : "unknown";
}

static enum vs_status format_primitive(const struct vs_field *field,
                                       enum vs_kind kind,
                                       struct vs_buf *out,
                                       struct vs_error *err)
{
    if (kind == VS_KIND_DECIMAL) {
        return vs_buf_printf(out, err, "decimal(%d,%d)", field->precision, field->scale);
    }
    if (kind == VS_KIND_FIXED) {
        return vs_buf_printf(out, err, "fixed[%u]", (unsigned)field->fixed_length);
    }
    return vs_buf_append_c(out, vs_kind_name(kind), err);
}

enum vs_status vs_type_format(const struct vs_field *field,
                              struct vs_buf *out,
                              struct vs_error *err)
{
    if (field->kind == VS_KIND_LIST) {
        VS_TRY(vs_buf_append_c(out, "list<", err));
        VS_TRY(format_primitive(field, field->element_kind, out, err));
        return vs_buf_append_byte(out, '>', err);
    }
    if (field->kind == VS_KIND_OTHER && field->other_type.len > 0) {
        return vs_buf_append_str(out, field->other_type, err);
    }
    return format_primitive(field, field->kind, out, err);
}

static enum vs_status unknown_type(struct vs_str text, struct vs_error *err)
{
    return vs_fail(
        err, VS_INVALID,
        "unknown type '%.*s'; known types: boolean, int, long, float, double, string, date, "
        "time, timestamp, timestamptz, timestamp_ns, timestamptz_ns, binary, fixed[length], "
        "uuid, decimal(precision,scale) with precision 1 to 38, and list<type> of one of these",
        VS_STR_ARG(text));
}

static bool parse_decimal(struct vs_str text, struct vs_field *field)
{
    struct vs_str inside = text, left, right;
    uint64_t precision = 0, scale = 0;
    if (!vs_str_starts_with(text, VS_STR("decimal(")) || !vs_str_ends_with(text, VS_STR(")"))) {
        return false;
    }
    inside.ptr += 8;
    inside.len -= 9;
    if (!vs_str_split(inside, ',', &left, &right) ||
        vs_parse_u64(vs_str_trim(left), &precision, NULL) != VS_OK ||
        vs_parse_u64(vs_str_trim(right), &scale, NULL) != VS_OK) {
        return false;
    }
    if (precision < 1 || precision > 38 || scale > precision) {
        return false;
    }
    field->precision = (uint8_t)precision;
    field->scale = (uint8_t)scale;
    return true;
}

static bool parse_fixed(struct vs_str text, struct vs_field *field)
{
    uint64_t length = 0;
    if (!vs_str_starts_with(text, VS_STR("fixed[")) || !vs_str_ends_with(text, VS_STR("]"))) {
        return false;
    }
    struct vs_str inside = {text.ptr + 6, text.len - 7};
    if (vs_parse_u64(vs_str_trim(inside), &length, NULL) != VS_OK || length < 1 ||
        length > INT32_MAX) {
        return false;
    }
    field->fixed_length = (uint32_t)length;
    return true;
}

static bool parse_primitive(struct vs_str text, struct vs_field *field, enum vs_kind *kind_out)
{
    for (int kind = 0; kind < VS_KIND_COUNT; kind++) {
        if (kind == VS_KIND_DECIMAL || kind == VS_KIND_FIXED || kind == VS_KIND_LIST ||
            kind == VS_KIND_OTHER) {
            continue;
        }
        if (vs_str_equal_c(text, kinds[kind].name)) {
            *kind_out = (enum vs_kind)kind;
            return true;
        }
    }
    if (parse_decimal(text, field)) {
        *kind_out = VS_KIND_DECIMAL;
        return true;
    }
    if (parse_fixed(text, field)) {
        *kind_out = VS_KIND_FIXED;
        return true;
    }
    return false;
}

enum vs_status vs_type_parse(struct vs_str text, struct vs_field *field, struct vs_error *err)
{
    struct vs_str type = vs_str_trim(text);
    struct vs_field parsed = *field;
    if (vs_str_starts_with(type, VS_STR("list<")) && vs_str_ends_with(type, VS_STR(">"))) {
        struct vs_str element = vs_str_trim((struct vs_str){type.ptr + 5, type.len - 6});
        if (!parse_primitive(element, &parsed, &parsed.element_kind)) {
            return unknown_type(text, err);
        }
        parsed.kind = VS_KIND_LIST;
    } else if (!parse_primitive(type, &parsed, &parsed.kind)) {
        return unknown_type(text, err);
    }
    *field = parsed;
    return VS_OK;
}

static bool copy_text(struct vs_arena *arena, struct vs_str *text)
{
    *text = vs_arena_copy_str(arena, *text);
    return text->ptr != NULL;
}

enum vs_status vs_schema_clone(const struct vs_schema *schema,
                               struct vs_arena *arena,
                               struct vs_schema *copy_out,
                               struct vs_error *err)
{
    struct vs_schema copy = *schema;
    copy.fields =
        (struct vs_field *)vs_arena_alloc_array(arena, schema->field_count, sizeof *copy.fields);
    copy.identifier_ids = (int32_t *)vs_arena_alloc_array(arena, schema->identifier_count,
                                                          sizeof *copy.identifier_ids);
    if (copy.fields == NULL || copy.identifier_ids == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to copy a schema of %zu fields",
                       schema->field_count);
    }
    for (size_t i = 0; i < schema->identifier_count; i++) {
        copy.identifier_ids[i] = schema->identifier_ids[i];
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        struct vs_field *field = &copy.fields[i];
        *field = schema->fields[i];
        if (!copy_text(arena, &field->name) || !copy_text(arena, &field->other_type) ||
            !copy_text(arena, &field->doc) || !copy_text(arena, &field->initial_default_json) ||
            !copy_text(arena, &field->write_default_json)) {
            return vs_fail(err, VS_NO_MEMORY, "no memory to copy a schema of %zu fields",
                           schema->field_count);
        }
    }
    *copy_out = copy;
    return VS_OK;
}
