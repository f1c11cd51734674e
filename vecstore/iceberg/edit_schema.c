// SPDX-License-Identifier: Apache-2.0
/*
 * Schema evolution (Spec "Schema Evolution"): every change works on a copy of the current schema,
 * which then becomes a new schema of the table, or the one that is equal to it already.
 */
#include "vecstore/format/column.h"
#include "vecstore/iceberg/edit_internal.h"

#include <string.h>

// ---- publishing ----

// Equal but for the id: compared as they would be written.
static enum vs_status is_equal(struct vs_metadata_edit *edit,
                               struct vs_schema a,
                               struct vs_schema b,
                               bool *out,
                               struct vs_error *err)
{
    struct vs_str a_text, b_text;
    a.schema_id = b.schema_id = 0;
    *out = false;
    if (a.field_count != b.field_count) {
        return VS_OK;
    }
    VS_TRY(vs_metadata_schema_text(edit->arena, &a, &a_text, err));
    VS_TRY(vs_metadata_schema_text(edit->arena, &b, &b_text, err));
    *out = vs_str_equal(a_text, b_text);
    return VS_OK;
}

// Makes `schema` current. A schema made earlier in this edit is replaced: one edit, one schema.
static enum vs_status publish(struct vs_metadata_edit *edit,
                              struct vs_schema *schema,
                              struct vs_error *err)
{
    const struct vs_table_metadata *base = edit->base;
    struct vs_table_metadata *next = &edit->next;
    int32_t id = -1;
    for (size_t i = 0; i < base->schema_count; i++) {
        bool equal;
        VS_TRY(is_equal(edit, base->schemas[i], *schema, &equal, err));
        if (equal) {
            next->schemas = base->schemas;
            next->schema_json = base->schema_json;
            next->schema_count = base->schema_count;
            next->current_schema_id = base->schemas[i].schema_id;
            return VS_OK;
        }
        id = base->schemas[i].schema_id > id ? base->schemas[i].schema_id : id;
    }
    if (id == INT32_MAX) {
        return vs_fail(err, VS_LIMIT, "the table has no schema id left");
    }
    struct vs_schema *schemas;
    struct vs_str *texts;
    size_t n = base->schema_count;
    VS_TRY(vs_edit_grow(edit, base->schemas, n, 1, sizeof *schemas, &schemas, err));
    VS_TRY(vs_edit_grow(edit, base->schema_json, n, 1, sizeof *texts, &texts, err));
    schema->schema_id = id + 1;
    schemas[n] = *schema;
    VS_TRY(vs_metadata_schema_text(edit->arena, schema, &texts[n], err));
    next->schemas = schemas;
    next->schema_json = texts;
    next->schema_count = n + 1;
    next->current_schema_id = schema->schema_id;
    return VS_OK;
}

// A copy of the current schema with room for one more field.
static enum vs_status copy_schema(struct vs_metadata_edit *edit,
                                  struct vs_schema *schema_out,
                                  struct vs_error *err)
{
    const struct vs_schema *current = vs_table_current_schema(&edit->next);
    if (current == NULL) {
        return vs_fail(err, VS_CORRUPT, "the table has no current schema");
    }
    struct vs_schema copy;
    VS_TRY(vs_schema_clone(current, edit->arena, &copy, err));
    VS_TRY(vs_edit_grow(edit, copy.fields, copy.field_count, 1, sizeof *copy.fields, &copy.fields,
                        err));
    *schema_out = copy;
    return VS_OK;
}

static enum vs_status find_column(const struct vs_schema *schema,
                                  struct vs_str name,
                                  size_t *index_out,
                                  struct vs_error *err)
{
    *index_out = vs_schema_find(schema, name);
    return *index_out != SIZE_MAX
               ? VS_OK
               : vs_fail(err, VS_NOT_FOUND, "the table has no column '%.*s'", VS_STR_ARG(name));
}

static bool is_identifier(const struct vs_schema *schema, int32_t id)
{
    for (size_t i = 0; i < schema->identifier_count; i++) {
        if (schema->identifier_ids[i] == id) {
            return true;
        }
    }
    return false;
}

static bool has_contract(const struct vs_table_metadata *m, struct vs_str name)
{
    static const char prefix[] = "vecstore.vector.";
    size_t n = sizeof prefix - 1;
    for (size_t i = 0; i < m->property_count; i++) {
        struct vs_str key = m->properties[i].key;
        if (vs_str_starts_with(key, VS_STR("vecstore.vector.")) && key.len > n + name.len + 1 &&
            memcmp(key.ptr + n, name.ptr, name.len) == 0 && key.ptr[n + name.len] == '.' &&
            memchr(key.ptr + n + name.len + 1, '.', key.len - n - name.len - 1) == NULL) {
            return true;
        }
    }
    return false;
}

// A name that a column may get.
static enum vs_status check_new_name(const struct vs_metadata_edit *edit,
                                     const struct vs_schema *schema,
                                     struct vs_str name,
                                     int32_t field_id,
                                     struct vs_error *err)
{
    if (name.len == 0 || !vs_utf8_validate(name)) {
        return vs_fail(err, VS_INVALID, "a column needs a name in UTF-8");
    }
    if (vs_schema_find(schema, name) != SIZE_MAX) {
        return vs_fail(err, VS_EXISTS, "the table has a column '%.*s' already", VS_STR_ARG(name));
    }
    for (size_t i = 0; i < edit->next.spec_count; i++) {
        const struct vs_partition_spec *spec = &edit->next.specs[i];
        for (size_t j = 0; j < spec->field_count; j++) {
            const struct vs_partition_field *field = &spec->fields[j];
            if (vs_str_equal(field->name, name) &&
                !(vs_str_equal_c(field->transform, "identity") && field->source_id == field_id)) {
                return vs_fail(err, VS_EXISTS,
                               "a partition field of spec %d is named '%.*s' already; choose "
                               "another name",
                               spec->spec_id, VS_STR_ARG(name));
            }
        }
    }
    return VS_OK;
}

// ---- order of columns ----

// Moves the field at `from` behind the one at `after` (SIZE_MAX: to the front).
static void move_field(struct vs_schema *schema, size_t from, size_t after)
{
    struct vs_field field = schema->fields[from];
    size_t to = after == SIZE_MAX ? 0 : after > from ? after : after + 1;
    if (to > from) {
        memmove(&schema->fields[from], &schema->fields[from + 1], (to - from) * sizeof field);
    } else {
        memmove(&schema->fields[to + 1], &schema->fields[to], (from - to) * sizeof field);
    }
    schema->fields[to] = field;
}

enum vs_status vs_edit_move_column(struct vs_metadata_edit *edit,
                                   struct vs_str name,
                                   struct vs_str after,
                                   struct vs_error *err)
{
    struct vs_schema schema;
    size_t index, behind = SIZE_MAX;
    VS_TRY(copy_schema(edit, &schema, err));
    VS_TRY(find_column(&schema, name, &index, err));
    if (after.len > 0) {
        VS_TRY(find_column(&schema, after, &behind, err));
        if (behind == index) {
            return vs_fail(err, VS_INVALID, "column '%.*s' cannot follow itself", VS_STR_ARG(name));
        }
    }
    move_field(&schema, index, behind);
    return publish(edit, &schema, err);
}

// ---- adding ----

// The default as the kind's text form, so that it can be checked like any other value.
static enum vs_status check_default(struct vs_metadata_edit *edit,
                                    const struct vs_field *field,
                                    struct vs_str json,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_str text = json;
    struct vs_value value;
    VS_TRY(vs_json_parse(edit->env, json, "default value", NULL, &doc, err));
    bool is_text = vs_json_to_str(vs_json_root(doc), &text);
    bool is_plain = field->kind == VS_KIND_BOOLEAN || field->kind == VS_KIND_INT ||
                    field->kind == VS_KIND_LONG || field->kind == VS_KIND_FLOAT ||
                    field->kind == VS_KIND_DOUBLE;
    enum vs_status status = VS_OK;
    if (field->kind == VS_KIND_LIST || field->kind == VS_KIND_OTHER || is_text == is_plain) {
        status = vs_fail(err, VS_INVALID, "%.*s is no default for column '%.*s' of type %s",
                         VS_STR_ARG(json), VS_STR_ARG(field->name), vs_kind_name(field->kind));
    } else if (field->kind == VS_KIND_BINARY || field->kind == VS_KIND_FIXED) {
        bool is_hex = text.len % 2 == 0; // Appendix D: hexadecimal
        for (size_t i = 0; i < text.len; i++) {
            is_hex = is_hex && memchr("0123456789abcdefABCDEF", text.ptr[i], 22) != NULL;
        }
        if (!is_hex || (field->kind == VS_KIND_FIXED && text.len / 2 != field->fixed_length)) {
            status = vs_fail(err, VS_INVALID,
                             "the default of column '%.*s' has to be hexadecimal digits, two a "
                             "byte",
                             VS_STR_ARG(field->name));
        }
    } else {
        status = vs_value_parse(text, field, edit->arena, &value, err);
        status = status == VS_OK
                     ? VS_OK
                     : vs_wrap(err, status, "default of column '%.*s'", VS_STR_ARG(field->name));
    }
    vs_json_free(doc);
    return status;
}

static enum vs_status set_default(struct vs_metadata_edit *edit,
                                  const struct vs_column_add *add,
                                  struct vs_field *field,
                                  struct vs_error *err)
{
    if (add->default_json.len == 0) {
        return VS_OK;
    }
    if (edit->next.format_version < 3) {
        return vs_fail(err, VS_INVALID,
                       "column '%.*s': default values exist since Iceberg format version 3; this "
                       "table has version %d",
                       VS_STR_ARG(add->name), edit->next.format_version);
    }
    VS_TRY(check_default(edit, field, add->default_json, err));
    VS_TRY(vs_edit_copy(edit, add->default_json, &field->initial_default_json, err));
    field->write_default_json = field->initial_default_json;
    return VS_OK;
}

enum vs_status vs_edit_add_column(struct vs_metadata_edit *edit,
                                  const struct vs_column_add *add,
                                  struct vs_error *err)
{
    struct vs_schema schema;
    size_t behind = SIZE_MAX;
    VS_TRY(copy_schema(edit, &schema, err));
    VS_TRY(check_new_name(edit, &schema, add->name, -1, err));
    struct vs_field *field = &schema.fields[schema.field_count];
    *field = (struct vs_field){.element_id = -1};
    VS_TRY(vs_type_parse(add->type, field, err));
    bool is_list = field->kind == VS_KIND_LIST;
    if (edit->next.last_column_id > VS_LAST_COLUMN_ID - 2) {
        return vs_fail(err, VS_LIMIT, "the table has no column id left");
    }
    field->id = ++edit->next.last_column_id;
    field->element_id = is_list ? ++edit->next.last_column_id : -1;
    VS_TRY(vs_edit_copy(edit, add->name, &field->name, err));
    VS_TRY(vs_edit_copy(edit, add->doc, &field->doc, err));
    VS_TRY(set_default(edit, add, field, err));
    schema.field_count++;
    VS_TRY(vs_table_check_types(&schema, edit->next.format_version, err));
    struct vs_field added = *field;
    if (add->after.len > 0) {
        VS_TRY(find_column(&schema, add->after, &behind, err));
        move_field(&schema, schema.field_count - 1, behind);
    }
    VS_TRY(publish(edit, &schema, err));
    return vs_edit_follow_mapping(edit, &added, added.name, err);
}

// ---- dropping ----

static enum vs_status check_unused(const struct vs_metadata_edit *edit,
                                   const struct vs_field *field,
                                   struct vs_error *err)
{
    const struct vs_table_metadata *m = &edit->next;
    for (size_t i = 0; i < m->spec_count; i++) {
        for (size_t j = 0; j < m->specs[i].field_count; j++) {
            if (m->specs[i].fields[j].source_id == field->id) {
                return vs_fail(err, VS_INVALID,
                               "column '%.*s' cannot be dropped: partition spec %d is made of it, "
                               "and files written with that spec are read by it",
                               VS_STR_ARG(field->name), m->specs[i].spec_id);
            }
        }
    }
    for (size_t i = 0; i < m->sort_order_count; i++) {
        for (size_t j = 0; j < m->sort_orders[i].field_count; j++) {
            if (m->sort_orders[i].fields[j].source_id == field->id) {
                return vs_fail(err, VS_INVALID,
                               "column '%.*s' cannot be dropped: sort order %d uses it",
                               VS_STR_ARG(field->name), m->sort_orders[i].order_id);
            }
        }
    }
    return VS_OK;
}

enum vs_status vs_edit_drop_column(struct vs_metadata_edit *edit,
                                   struct vs_str name,
                                   struct vs_error *err)
{
    struct vs_schema schema;
    size_t index;
    VS_TRY(copy_schema(edit, &schema, err));
    VS_TRY(find_column(&schema, name, &index, err));
    struct vs_field *field = &schema.fields[index];
    if (schema.field_count == 1) {
        return vs_fail(err, VS_INVALID, "column '%.*s' is the table's last one", VS_STR_ARG(name));
    }
    if (is_identifier(&schema, field->id)) {
        return vs_fail(err, VS_INVALID,
                       "column '%.*s' cannot be dropped: it identifies the table's rows",
                       VS_STR_ARG(name));
    }
    VS_TRY(check_unused(edit, field, err));
    memmove(field, field + 1, (schema.field_count - index - 1) * sizeof *field);
    schema.field_count--;
    VS_TRY(publish(edit, &schema, err));
    return vs_edit_follow_properties(edit, name, (struct vs_str){NULL, 0}, err);
}

// ---- changing ----

enum vs_status vs_edit_rename_column(struct vs_metadata_edit *edit,
                                     struct vs_str name,
                                     struct vs_str new_name,
                                     struct vs_error *err)
{
    struct vs_schema schema;
    size_t index;
    VS_TRY(copy_schema(edit, &schema, err));
    VS_TRY(find_column(&schema, name, &index, err));
    if (vs_str_equal(name, new_name)) {
        return VS_OK;
    }
    struct vs_field *field = &schema.fields[index];
    VS_TRY(check_new_name(edit, &schema, new_name, field->id, err));
    VS_TRY(vs_edit_copy(edit, new_name, &field->name, err));
    struct vs_field renamed = *field;
    VS_TRY(publish(edit, &schema, err));
    VS_TRY(vs_edit_follow_properties(edit, name, renamed.name, err));
    return vs_edit_follow_mapping(edit, &renamed, renamed.name, err);
}

static bool can_widen(enum vs_kind from_kind,
                      const struct vs_field *from,
                      enum vs_kind to_kind,
                      const struct vs_field *to)
{
    if (from_kind == VS_KIND_DECIMAL && to_kind == VS_KIND_DECIMAL) {
        return to->scale == from->scale && to->precision >= from->precision;
    }
    return (from_kind == VS_KIND_INT && to_kind == VS_KIND_LONG) ||
           (from_kind == VS_KIND_FLOAT && to_kind == VS_KIND_DOUBLE);
}

enum vs_status vs_edit_widen_column(struct vs_metadata_edit *edit,
                                    struct vs_str name,
                                    struct vs_str type,
                                    struct vs_error *err)
{
    struct vs_schema schema;
    struct vs_field to = {0};
    size_t index;
    VS_TRY(copy_schema(edit, &schema, err));
    VS_TRY(find_column(&schema, name, &index, err));
    VS_TRY(vs_type_parse(type, &to, err));
    struct vs_field *field = &schema.fields[index];
    bool is_list = field->kind == VS_KIND_LIST && to.kind == VS_KIND_LIST;
    if (is_list && has_contract(&edit->next, name)) {
        return vs_fail(err, VS_INVALID, "column '%.*s' holds vectors, which are list<float>",
                       VS_STR_ARG(name));
    }
    if (is_list ? !can_widen(field->element_kind, field, to.element_kind, &to)
                : !can_widen(field->kind, field, to.kind, &to)) {
        return vs_fail(err, VS_INVALID,
                       "column '%.*s' of type %s cannot become %.*s; int can become long, float "
                       "double, and decimal(P,S) a decimal of more digits with the same scale",
                       VS_STR_ARG(name), vs_kind_name(field->kind), VS_STR_ARG(type));
    }
    if (is_identifier(&schema, field->id) && to.kind == VS_KIND_DOUBLE) {
        return vs_fail(err, VS_INVALID, "column '%.*s' identifies rows and cannot be double",
                       VS_STR_ARG(name));
    }
    field->kind = to.kind;
    field->element_kind = to.element_kind;
    field->precision = to.precision;
    field->scale = to.scale;
    return publish(edit, &schema, err);
}

enum vs_status vs_edit_make_optional(struct vs_metadata_edit *edit,
                                     struct vs_str name,
                                     struct vs_error *err)
{
    struct vs_schema schema;
    size_t index;
    VS_TRY(copy_schema(edit, &schema, err));
    VS_TRY(find_column(&schema, name, &index, err));
    if (is_identifier(&schema, schema.fields[index].id)) {
        return vs_fail(err, VS_INVALID,
                       "column '%.*s' identifies the table's rows and has to stay required",
                       VS_STR_ARG(name));
    }
    schema.fields[index].required = false;
    return publish(edit, &schema, err);
}

enum vs_status vs_edit_set_doc(struct vs_metadata_edit *edit,
                               struct vs_str name,
                               struct vs_str doc,
                               struct vs_error *err)
{
    struct vs_schema schema;
    size_t index;
    VS_TRY(copy_schema(edit, &schema, err));
    VS_TRY(find_column(&schema, name, &index, err));
    VS_TRY(vs_edit_copy(edit, doc, &schema.fields[index].doc, err));
    return publish(edit, &schema, err);
}
