// SPDX-License-Identifier: Apache-2.0
/*
 * Metadata of a new, empty table.
 */
#include "vecstore/iceberg/metadata_text.h"

#include <string.h>

#define DEFAULT_VERSION 2

static enum vs_status copy_properties(struct vs_table_metadata *m,
                                      const struct vs_table_create *create,
                                      struct vs_error *err)
{
    m->properties = vs_arena_alloc_array(&m->arena, create->property_count, sizeof *m->properties);
    if (m->properties == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
    }
    for (size_t i = 0; i < create->property_count; i++) {
        if (vs_str_equal_c(create->properties[i].key, "format-version")) {
            continue; // a reserved property: it says how to create, it is not stored
        }
        struct vs_pair *pair = &m->properties[m->property_count++];
        pair->key = vs_arena_copy_str(&m->arena, create->properties[i].key);
        pair->value = vs_arena_copy_str(&m->arena, create->properties[i].value);
        if (pair->key.ptr == NULL || pair->value.ptr == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
        }
        for (size_t j = 0; j + 1 < m->property_count; j++) {
            if (vs_str_equal(m->properties[j].key, pair->key)) {
                return vs_fail(err, VS_INVALID, "property '%.*s' is given twice",
                               VS_STR_ARG(pair->key));
            }
        }
    }
    return VS_OK;
}

static enum vs_status make_schema(struct vs_table_metadata *m,
                                  const struct vs_schema *schema,
                                  struct vs_error *err)
{
    m->schemas = vs_arena_alloc(&m->arena, sizeof *m->schemas);
    m->schema_json = vs_arena_alloc(&m->arena, sizeof *m->schema_json);
    if (m->schemas == NULL || m->schema_json == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
    }
    VS_TRY(vs_schema_clone(schema, &m->arena, &m->schemas[0], err));
    m->schemas[0].schema_id = 0;
    VS_TRY(vs_iceberg_schema_assign_ids(&m->schemas[0], err));
    VS_TRY(vs_table_check_types(&m->schemas[0], m->format_version, err));
    m->schema_count = 1;
    m->last_column_id = vs_iceberg_schema_last_id(&m->schemas[0]);
    return vs_metadata_schema_text(&m->arena, &m->schemas[0], &m->schema_json[0], err);
}

enum vs_status vs_table_check_types(const struct vs_schema *schema,
                                    int format_version,
                                    struct vs_error *err)
{
    for (size_t i = 0; i < schema->field_count && format_version < 3; i++) {
        const struct vs_field *field = &schema->fields[i];
        enum vs_kind kind = field->kind == VS_KIND_LIST ? field->element_kind : field->kind;
        struct vs_str name = vs_str_from_c(vs_kind_name(kind));
        if (field->initial_default_json.len > 0 || field->write_default_json.len > 0) {
            return vs_fail(err, VS_INVALID,
                           "column '%.*s' has a default value, which Iceberg has since format "
                           "version 3; this table has version %d",
                           VS_STR_ARG(field->name), format_version);
        }
        if (vs_str_ends_with(name, VS_STR("_ns"))) {
            return vs_fail(err, VS_INVALID,
                           "column '%.*s' has type %.*s, which Iceberg has since format version 3; "
                           "this table has version %d",
                           VS_STR_ARG(field->name), VS_STR_ARG(name), format_version);
        }
    }
    return VS_OK;
}

// The column's new id: columns are named by the ids of the schema given, or by position when it
// has none, and get the ids 1, 2, ….
static enum vs_status map_source(const struct vs_schema *given,
                                 int32_t id,
                                 int32_t *id_out,
                                 struct vs_error *err)
{
    size_t index = vs_schema_find_id(given, id);
    if (index == SIZE_MAX && id >= 1 && (size_t)id <= given->field_count) {
        index = (size_t)id - 1;
    }
    if (index == SIZE_MAX) {
        return vs_fail(err, VS_INVALID,
                       "field id %d of the partition spec or sort order names no "
                       "column",
                       id);
    }
    *id_out = (int32_t)index + 1;
    return VS_OK;
}

static enum vs_status make_spec(struct vs_table_metadata *m,
                                const struct vs_table_create *create,
                                struct vs_error *err)
{
    size_t count = create->spec != NULL ? create->spec->field_count : 0;
    m->specs = vs_arena_alloc(&m->arena, sizeof *m->specs);
    struct vs_partition_field *fields = vs_arena_alloc_array(&m->arena, count, sizeof *fields);
    if (m->specs == NULL || fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
    }
    for (size_t i = 0; i < count; i++) {
        const struct vs_partition_field *from = &create->spec->fields[i];
        fields[i].field_id = ++m->last_partition_id;
        fields[i].name = vs_arena_copy_str(&m->arena, from->name);
        fields[i].transform = vs_arena_copy_str(&m->arena, from->transform);
        if (fields[i].name.ptr == NULL || fields[i].transform.ptr == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
        }
        VS_TRY(map_source(create->schema, from->source_id, &fields[i].source_id, err));
    }
    m->specs[0] = (struct vs_partition_spec){.field_count = count, .fields = fields};
    m->spec_count = 1;
    m->is_partitioned = count > 0;
    return vs_metadata_specs_text(&m->arena, m->specs, 1, &m->partition_specs_json, err);
}

static enum vs_status make_order(struct vs_table_metadata *m,
                                 const struct vs_table_create *create,
                                 struct vs_error *err)
{
    size_t count = create->sort_order != NULL ? create->sort_order->field_count : 0;
    m->sort_orders = vs_arena_alloc(&m->arena, sizeof *m->sort_orders);
    struct vs_sort_field *fields = vs_arena_alloc_array(&m->arena, count, sizeof *fields);
    if (m->sort_orders == NULL || fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
    }
    for (size_t i = 0; i < count; i++) {
        const struct vs_sort_field *from = &create->sort_order->fields[i];
        fields[i] = *from;
        fields[i].transform = vs_arena_copy_str(&m->arena, from->transform);
        if (fields[i].transform.ptr == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
        }
        VS_TRY(map_source(create->schema, from->source_id, &fields[i].source_id, err));
    }
    // order 0 is the unsorted one by definition
    m->sort_orders[0] = (struct vs_sort_order){
        .order_id = count > 0 ? 1 : 0, .field_count = count, .fields = fields};
    m->sort_order_count = 1;
    m->default_sort_order_id = m->sort_orders[0].order_id;
    return vs_metadata_orders_text(&m->arena, m->sort_orders, 1, &m->sort_orders_json, err);
}

// The version asked for: by the option, else by the property of that name, else 2.
static enum vs_status choose_version(const struct vs_table_create *create,
                                     int *version_out,
                                     struct vs_error *err)
{
    int64_t version = create->format_version;
    for (size_t i = 0; i < create->property_count && version == 0; i++) {
        if (vs_str_equal_c(create->properties[i].key, "format-version")) {
            VS_TRY(vs_parse_i64(create->properties[i].value, &version, err));
        }
    }
    version = version == 0 ? DEFAULT_VERSION : version;
    if (version < 2 || version > VS_FORMAT_VERSION_MAX) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "tables are created with Iceberg format version 2 or 3, not %lld",
                       (long long)version);
    }
    *version_out = (int)version;
    return VS_OK;
}

static enum vs_status fill_new(struct vs_table_metadata *m,
                               const struct vs_table_create *create,
                               struct vs_error *err)
{
    struct vs_str location = create->location;
    while (location.len > 1 && location.ptr[location.len - 1] == '/') {
        location.len--;
    }
    if (location.len == 0 || location.len > 2048) {
        return vs_fail(err, VS_INVALID, "a table needs a location of at most 2048 bytes");
    }
    VS_TRY(choose_version(create, &m->format_version, err));
    m->next_row_id = m->format_version >= 3 ? 0 : -1;
    m->uuid = vs_uuid_new_v4(m->arena.env);
    m->location = vs_arena_copy_str(&m->arena, location);
    m->last_updated_ms = vs_wall_ms(m->arena.env);
    m->last_partition_id = VS_FIRST_PARTITION_ID - 1;
    m->current_snapshot_id = VS_NO_SNAPSHOT;
    if (m->location.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
    }
    VS_TRY(make_schema(m, create->schema, err));
    VS_TRY(make_spec(m, create, err));
    VS_TRY(make_order(m, create, err));
    return copy_properties(m, create, err);
}

enum vs_status vs_table_metadata_new(const struct vs_env *env,
                                     const struct vs_table_create *create,
                                     struct vs_table_metadata **metadata_out,
                                     struct vs_error *err)
{
    struct vs_table_metadata *m = vs_alloc_zeroed(env, 1, sizeof *m);
    if (m == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a new table");
    }
    vs_arena_init(&m->arena, env, 0);
    enum vs_status status = fill_new(m, create, err);
    if (status != VS_OK) {
        vs_table_metadata_free(m);
        return status;
    }
    *metadata_out = m;
    return VS_OK;
}
