// SPDX-License-Identifier: Apache-2.0
#include "api/table_create.h"

#include "api/schema_text.h"
#include "index/codebook.h"
#include "vecstore/iceberg/metadata_edit.h"

#include <stdio.h>
#include <string.h>

#define OWN_PROPERTIES 8

static struct vs_field *find_field(const struct vs_new_table *spec, struct vs_str name)
{
    for (size_t i = 0; i < spec->field_count; i++) {
        if (vs_str_equal(spec->fields[i].name, name)) {
            return &spec->fields[i];
        }
    }
    return NULL;
}

static enum vs_status check_id(const struct vs_new_table *spec, struct vs_error *err)
{
    struct vs_field *field = find_field(spec, spec->id_column);
    if (field == NULL) {
        return vs_fail(err, VS_INVALID,
                       "table %s needs an id column, but its schema has none named '%.*s'; add it, "
                       "as in \"id long\", or name another one",
                       spec->name, VS_STR_ARG(spec->id_column));
    }
    if (field->kind != VS_KIND_LONG && field->kind != VS_KIND_STRING) {
        return vs_fail(err, VS_INVALID, "id column '%.*s' is %s; ids are long or string",
                       VS_STR_ARG(field->name), vs_kind_name(field->kind));
    }
    field->required = true;
    return VS_OK;
}

static enum vs_status check_vector(const struct vs_new_table *spec, struct vs_error *err)
{
    const struct vs_field *field = find_field(spec, spec->vector_column);
    if (field == NULL || field->kind != VS_KIND_LIST || field->element_kind != VS_KIND_FLOAT) {
        return vs_fail(err, VS_INVALID, "vector column '%.*s' must be list<float>",
                       VS_STR_ARG(spec->vector_column));
    }
    if (spec->dim < 1 || spec->dim > VS_MAX_DIM) {
        return vs_fail(err, VS_INVALID,
                       "dimension %u is outside 1 to %d; give the length of the vectors", spec->dim,
                       VS_MAX_DIM);
    }
    enum vs_metric metric;
    return vs_metric_parse(vs_str_from_c(spec->metric), &metric, err);
}

static enum vs_status add_property(struct vs_arena *arena,
                                   const struct vs_new_table *spec,
                                   const char *part,
                                   struct vs_str value,
                                   struct vs_pair *pair_out,
                                   struct vs_error *err)
{
    pair_out->key =
        vs_arena_printf(arena, "vecstore.vector.%.*s.%s", VS_STR_ARG(spec->vector_column), part);
    pair_out->value = value;
    return pair_out->key.ptr != NULL
               ? VS_OK
               : vs_fail(err, VS_NO_MEMORY, "out of memory for table properties");
}

static enum vs_status make_properties(struct vs_arena *arena,
                                      const struct vs_new_table *spec,
                                      struct vs_pair *pairs,
                                      size_t *count_out,
                                      struct vs_error *err)
{
    size_t count = 0;
    struct vs_str dimension = vs_arena_printf(arena, "%u", spec->dim);
    if (dimension.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for table properties");
    }
    VS_TRY(add_property(arena, spec, "dimension", dimension, &pairs[count++], err));
    VS_TRY(add_property(arena, spec, "metric", vs_str_from_c(spec->metric), &pairs[count++], err));
    VS_TRY(add_property(arena, spec, "normalized",
                        spec->normalized ? VS_STR("true") : VS_STR("false"), &pairs[count++], err));
    if (spec->model != NULL) {
        VS_TRY(
            add_property(arena, spec, "model", vs_str_from_c(spec->model), &pairs[count++], err));
    }
    pairs[count++] = (struct vs_pair){VS_STR("write.parquet.compression-codec"), VS_STR("zstd")};
    for (size_t i = 0; i < spec->property_count; i++) {
        pairs[count++] = spec->properties[i];
    }
    *count_out = count;
    return VS_OK;
}

static enum vs_status create(struct vs_db *db,
                             const struct vs_new_table *spec,
                             struct vs_arena *arena,
                             struct vs_table **table_out,
                             struct vs_error *err)
{
    size_t pair_count;
    struct vs_pair *pairs =
        vs_arena_alloc_array(arena, OWN_PROPERTIES + spec->property_count, sizeof *pairs);
    if (pairs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for table properties");
    }
    VS_TRY(make_properties(arena, spec, pairs, &pair_count, err));
    // The catalog gives real ids; here position + 1 stands for a field, so that the identifier can
    // be named.
    int32_t identifier = 0;
    for (size_t i = 0; i < spec->field_count; i++) {
        spec->fields[i].id = (int32_t)i + 1;
        if (vs_str_equal(spec->fields[i].name, spec->id_column)) {
            identifier = (int32_t)i + 1;
        }
    }
    struct vs_schema schema = {
        .fields = spec->fields,
        .field_count = spec->field_count,
        .identifier_ids = &identifier,
        .identifier_count = identifier != 0,
    };
    struct vs_partition_spec partitions = {0};
    struct vs_sort_order order = {0};
    struct vs_table_create request = {.schema = &schema,
                                      .properties = pairs,
                                      .property_count = pair_count,
                                      .format_version = spec->format_version};
    if (spec->partition_by != NULL) {
        VS_TRY(vs_partition_spec_parse(vs_str_from_c(spec->partition_by), &schema, arena,
                                       &partitions, err));
        request.spec = &partitions;
    }
    if (spec->sort_order != NULL) {
        VS_TRY(vs_sort_order_parse(vs_str_from_c(spec->sort_order), &schema, arena, &order, err));
        request.sort_order = &order;
    }
    return vs_catalog_create(db->catalog, spec->name, &request, table_out, err);
}

enum vs_status vs_new_table_create(struct vs_db *db,
                                   const struct vs_new_table *spec,
                                   struct vs_table **table_out,
                                   struct vs_error *err)
{
    VS_TRY(vs_table_name_check(spec->name, err));
    VS_TRY(check_id(spec, err));
    VS_TRY(check_vector(spec, err));
    struct vs_arena arena;
    vs_arena_init(&arena, db->env, 0);
    enum vs_status status = create(db, spec, &arena, table_out, err);
    vs_arena_clear(&arena);
    return status;
}

static enum vs_status parse_and_create(struct vs_db *db,
                                       const struct vs_create_options *options,
                                       struct vs_arena *arena,
                                       struct vs_table **table_out,
                                       struct vs_error *err)
{
    struct vs_new_table spec = {
        .name = options->table,
        .id_column = vs_str_from_c(options->id_column != NULL ? options->id_column : "id"),
        .vector_column =
            vs_str_from_c(options->vector_column != NULL ? options->vector_column : "embedding"),
        .dim = options->dim,
        .metric = options->metric != NULL ? options->metric : "cosine",
        .model = options->model,
        .normalized = options->normalized,
        .partition_by = options->partition_by,
        .sort_order = options->sort_order,
        .format_version = options->format_version,
        .properties = options->properties,
        .property_count = options->property_count,
    };
    VS_TRY(
        vs_schema_text_parse(vs_str_from_c(options->schema != NULL ? options->schema : "id long"),
                             arena, &spec.fields, &spec.field_count, err));
    if (find_field(&spec, spec.vector_column) == NULL) {
        spec.fields[spec.field_count++] = (struct vs_field){.id = -1,
                                                            .name = spec.vector_column,
                                                            .kind = VS_KIND_LIST,
                                                            .element_kind = VS_KIND_FLOAT,
                                                            .element_id = -1};
    }
    return vs_new_table_create(db, &spec, table_out, err);
}

enum vs_status vs_db_create_table(struct vs_db *db,
                                  const struct vs_create_options *options,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    struct vs_arena arena;
    struct vs_table *table = NULL;
    vs_arena_init(&arena, db->env, 0);
    enum vs_status status = parse_and_create(db, options, &arena, &table, err);
    vs_arena_clear(&arena);
    vs_table_release(table);
    return status == VS_OK ? vs_db_describe_table(db, options->table, report, err) : status;
}
