// SPDX-License-Identifier: Apache-2.0
/*
 * Where the columns of a scan come from: the file, matched by field id or name mapping, or what
 * stands for a column that the file does not have (partition value, default, null).
 */
#include "vecstore/format/type.h"
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

enum vs_status vs_name_mapping_parse(const struct vs_env *env,
                                     const struct vs_table_metadata *metadata,
                                     struct vs_json_doc **mapping_out,
                                     struct vs_error *err)
{
    struct vs_str text = vs_table_property(metadata, "schema.name-mapping.default");
    const struct vs_json_limits limits = {.max_depth = (size_t)4 * VS_TYPE_MAX_DEPTH};
    struct vs_json_doc *doc = NULL;
    enum vs_status status = VS_OK;
    if (text.ptr != NULL) {
        status =
            vs_json_parse(env, text, "property schema.name-mapping.default", &limits, &doc, err);
    }
    if (status == VS_INVALID || (doc != NULL && !vs_json_is(vs_json_root(doc), VS_JSON_ARRAY))) {
        vs_json_free(doc);
        return vs_fail(err, VS_CORRUPT,
                       "property schema.name-mapping.default is not a list of mapped fields");
    }
    if (status == VS_OK) {
        *mapping_out = doc;
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

const struct vs_value *vs_identity_value(const struct vs_table_metadata *metadata,
                                         const struct vs_data_file *data,
                                         int32_t field_id)
{
    const struct vs_partition_spec *spec = vs_table_spec(metadata, data->spec_id);
    if (spec == NULL || data->partition_count != spec->field_count) {
        return NULL;
    }
    for (size_t i = 0; i < spec->field_count; i++) {
        if (spec->fields[i].source_id == field_id &&
            vs_str_equal_c(spec->fields[i].transform, "identity")) {
            return &data->partition[i];
        }
    }
    return NULL;
}

bool vs_value_promote(struct vs_value *value, enum vs_kind to)
{
    bool fits = value->kind == to || (value->kind == VS_KIND_INT && to == VS_KIND_LONG) ||
                (value->kind == VS_KIND_FLOAT && to == VS_KIND_DOUBLE);
    value->kind = to;
    return fits;
}

static enum vs_status partition_constant(struct vs_file_scan *s,
                                         const struct vs_field *field,
                                         const struct vs_value *value,
                                         struct vs_column *constant,
                                         struct vs_error *err)
{
    struct vs_value promoted = *value;
    if (value->is_null) {
        return VS_OK;
    }
    if (!vs_value_promote(&promoted, field->kind)) {
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
    const struct vs_value *value = vs_identity_value(s->metadata, s->data, field->id);
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
        VS_TRY(vs_name_mapping_parse(s->env, s->metadata, &s->mapping, err));
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
