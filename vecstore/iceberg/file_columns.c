// SPDX-License-Identifier: Apache-2.0
/*
 * Where the columns of a scan come from: the file, matched by field id or name mapping, or what
 * stands for a column that the file does not have (partition value, default, null).
 */
#include "vecstore/iceberg/file_scan_internal.h"

static enum vs_status no_memory(const struct vs_file_scan *s, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to read %.*s", VS_STR_ARG(s->data->path));
}

// ---- matching ----

static bool file_has_ids(const struct vs_schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].id >= 0 ||
            (schema->fields[i].kind == VS_KIND_LIST && schema->fields[i].element_id >= 0)) {
            return true;
        }
    }
    return false;
}

// The column that an entry of the name mapping gives to field `id`. Nested entries ("fields") name
// elements of lists, which have one form only, and members of types that are not read.
static size_t mapped_column(const struct vs_json *mapping,
                            const struct vs_schema *schema,
                            int32_t id)
{
    struct vs_json_iter iter, names;
    const struct vs_json *entry, *name;
    vs_json_iter_init(&iter, mapping);
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        int64_t entry_id;
        if (!vs_json_to_i64(vs_json_get(entry, "field-id"), &entry_id) || entry_id != id) {
            continue;
        }
        vs_json_iter_init(&names, vs_json_get(entry, "names"));
        while (vs_json_iter_next(&names, NULL, &name)) {
            struct vs_str text;
            size_t index = vs_json_to_str(name, &text) ? vs_schema_find(schema, text) : SIZE_MAX;
            if (index != SIZE_MAX) {
                return index;
            }
        }
    }
    return VS_COLUMN_ABSENT;
}

static enum vs_status parse_mapping(struct vs_file_scan *s, struct vs_error *err)
{
    struct vs_str text = vs_table_property(s->metadata, "schema.name-mapping.default");
    if (text.ptr == NULL) {
        return VS_OK;
    }
    struct vs_json_limits limits = {.max_depth = VS_JSON_MAX_DEPTH};
    struct vs_json_doc *doc = NULL;
    enum vs_status status =
        vs_json_parse(s->env, text, "property schema.name-mapping.default", &limits, &doc, err);
    if (status == VS_INVALID ||
        (status == VS_OK && !vs_json_is(vs_json_root(doc), VS_JSON_ARRAY))) {
        vs_json_free(doc);
        return vs_fail(err, VS_CORRUPT,
                       "property schema.name-mapping.default is not a list of mapped fields");
    }
    if (status == VS_OK) {
        s->mapping = doc;
    }
    return status;
}

size_t vs_file_column_of(const struct vs_file_scan *s, const struct vs_field *field)
{
    const struct vs_schema *schema = vs_parquet_schema(s->reader);
    if (s->by_id) {
        return vs_schema_find_id(schema, field->id);
    }
    if (vs_is_lineage_field(field->id)) {
        return VS_COLUMN_ABSENT; // a name alone does not make a column that one
    }
    return s->mapping != NULL ? mapped_column(vs_json_root(s->mapping), schema, field->id)
                              : vs_schema_find(schema, field->name);
}

// ---- columns that the file does not have ----

// The value of a partition field with the transform identity is that of the column.
static const struct vs_value *partition_value(const struct vs_file_scan *s, int32_t field_id)
{
    const struct vs_partition_spec *spec = vs_table_spec(s->metadata, s->data->spec_id);
    if (spec == NULL || s->data->partition_count != spec->field_count) {
        return NULL;
    }
    for (size_t i = 0; i < spec->field_count; i++) {
        if (spec->fields[i].source_id == field_id &&
            vs_str_equal_c(spec->fields[i].transform, "identity")) {
            return &s->data->partition[i];
        }
    }
    return NULL;
}

// The kinds that a partition value may have been promoted from since it was written.
static bool promote(const struct vs_value *from, enum vs_kind to, struct vs_value *out)
{
    bool is_wider = (from->kind == VS_KIND_INT && to == VS_KIND_LONG) ||
                    (from->kind == VS_KIND_FLOAT && to == VS_KIND_DOUBLE);
    *out = *from;
    out->kind = to;
    return from->kind == to || is_wider;
}

static enum vs_status partition_constant(struct vs_file_scan *s,
                                         const struct vs_field *field,
                                         const struct vs_value *value,
                                         struct vs_column *constant,
                                         struct vs_error *err)
{
    struct vs_value promoted;
    if (value->is_null) {
        return VS_OK;
    }
    if (!promote(value, field->kind, &promoted)) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "column '%.*s' of %.*s is stored as a partition value that cannot be read",
                       VS_STR_ARG(field->name), VS_STR_ARG(s->data->path));
    }
    return vs_column_append(constant, &promoted, err);
}

static struct vs_str default_of(const struct vs_file_scan *s, const struct vs_field *field)
{
    const struct vs_schema *schema = vs_table_current_schema(s->metadata);
    size_t at = schema != NULL ? vs_schema_find_id(schema, field->id) : SIZE_MAX;
    if (field->initial_default_json.len > 0 || at == SIZE_MAX) {
        return field->initial_default_json;
    }
    return schema->fields[at].initial_default_json;
}

static enum vs_status fill_absent(struct vs_file_scan *s,
                                  const struct vs_field *field,
                                  struct vs_scan_column *column,
                                  struct vs_error *err)
{
    const struct vs_value *value = partition_value(s, field->id);
    struct vs_str json = default_of(s, field);
    VS_TRY(vs_column_init_field(&column->constant, s->env, field, err));
    if (value != NULL) {
        VS_TRY(partition_constant(s, field, value, &column->constant, err));
    } else if (json.len > 0) {
        VS_TRY(vs_default_value_append(s->env, field, json, &column->constant, err));
    }
    bool is_null = column->constant.row_count == 0 || vs_column_is_null(&column->constant, 0);
    if (is_null && field->required) {
        return vs_fail(err, VS_CORRUPT, "%.*s has no column for the required field '%.*s' (id %d)",
                       VS_STR_ARG(s->data->path), VS_STR_ARG(field->name), field->id);
    }
    return VS_OK;
}

enum vs_status vs_file_columns_match(struct vs_file_scan *s, struct vs_error *err)
{
    s->by_id = file_has_ids(vs_parquet_schema(s->reader));
    s->columns = vs_arena_alloc_array(&s->arena, s->field_count, sizeof *s->columns);
    if (s->columns == NULL) {
        return no_memory(s, err);
    }
    if (!s->by_id) {
        VS_TRY(parse_mapping(s, err));
    }
    for (size_t i = 0; i < s->field_count; i++) {
        struct vs_scan_column *column = &s->columns[i];
        column->is_lineage = vs_is_lineage_field(s->fields[i].id);
        column->file_column = vs_file_column_of(s, &s->fields[i]);
        s->present_count += column->file_column != VS_COLUMN_ABSENT;
        if (column->file_column == VS_COLUMN_ABSENT && !column->is_lineage) {
            VS_TRY(fill_absent(s, &s->fields[i], column, err));
        }
    }
    return VS_OK;
}
