// SPDX-License-Identifier: Apache-2.0
// What a table metadata file says, without opening anything else.
#include "api/inspect_table.h"

static void report_i64(struct vs_json_writer *w, const char *key, int64_t value)
{
    vs_jw_key(w, key);
    vs_jw_i64(w, value);
}

static void report_id(struct vs_json_writer *w, const char *key, int64_t id)
{
    char text[VS_SNAPSHOT_ID_SIZE];
    vs_snapshot_id_format(id, text);
    vs_report_c(w, key, id == VS_NO_SNAPSHOT ? NULL : text);
}

static enum vs_status report_type(struct vs_json_writer *w,
                                  const struct vs_env *env,
                                  const struct vs_schema *schema,
                                  const struct vs_type *type,
                                  struct vs_error *err)
{
    struct vs_buf text;
    enum vs_status status;
    size_t at = vs_schema_find_id(schema, type->id);
    vs_buf_init(&text, env, SIZE_MAX / 2);
    if (type->shape == VS_TYPE_PRIMITIVE && at != SIZE_MAX &&
        schema->fields[at].kind == VS_KIND_OTHER) {
        status = vs_buf_append_str(&text, schema->fields[at].other_type, err);
    } else {
        status = vs_type_tree_format(type, &text, err);
    }
    vs_report_str(w, "type", vs_buf_view(&text));
    vs_buf_clear(&text);
    return status;
}

enum vs_status vs_inspect_type(const struct vs_table_inspect *t,
                               const struct vs_schema *schema,
                               const struct vs_type *type,
                               vs_inspect_column_fn extra,
                               void *ctx,
                               struct vs_error *err)
{
    struct vs_json_writer *w = t->w;
    vs_jw_array_begin(w);
    for (size_t i = 0; i < type->child_count; i++) {
        const struct vs_type *column = &type->children[i];
        vs_jw_object_begin(w);
        report_i64(w, "id", column->id);
        vs_report_str(w, "name", column->name);
        VS_TRY(report_type(w, t->env, schema, column, err));
        vs_report_bool(w, "required", column->required);
        if (column->initial_default_json.len > 0) {
            vs_jw_key(w, "initial_default");
            vs_jw_raw(w, column->initial_default_json);
        }
        if (extra != NULL) {
            extra(ctx, w, i);
        }
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    return VS_OK;
}

static enum vs_status report_schemas(const struct vs_table_inspect *t, struct vs_error *err)
{
    const struct vs_table_metadata *m = t->metadata;
    struct vs_arena arena;
    enum vs_status status = VS_OK;
    vs_arena_init(&arena, t->env, 0);
    report_i64(t->w, "current_schema_id", m->current_schema_id);
    vs_jw_key(t->w, "schemas");
    vs_jw_array_begin(t->w);
    for (size_t i = 0; status == VS_OK && i < m->schema_count; i++) {
        struct vs_type type;
        status = vs_iceberg_type_parse(t->env, m->schema_json[i], t->name, &arena, &type, err);
        if (status == VS_OK) {
            vs_jw_object_begin(t->w);
            report_i64(t->w, "schema_id", m->schemas[i].schema_id);
            vs_jw_key(t->w, "columns");
            status = vs_inspect_type(t, &m->schemas[i], &type, NULL, NULL, err);
            vs_jw_object_end(t->w);
        }
    }
    vs_jw_array_end(t->w);
    vs_arena_clear(&arena);
    return status;
}

static void report_specs(struct vs_json_writer *w, const struct vs_table_metadata *m)
{
    report_i64(w, "default_spec_id", m->default_spec_id);
    vs_jw_key(w, "partition_specs");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->spec_count; i++) {
        vs_jw_object_begin(w);
        report_i64(w, "spec_id", m->specs[i].spec_id);
        vs_jw_key(w, "fields");
        vs_jw_array_begin(w);
        for (size_t j = 0; j < m->specs[i].field_count; j++) {
            const struct vs_partition_field *field = &m->specs[i].fields[j];
            vs_jw_object_begin(w);
            report_i64(w, "id", field->field_id);
            report_i64(w, "source_id", field->source_id);
            vs_report_str(w, "name", field->name);
            vs_report_str(w, "transform", field->transform);
            vs_jw_object_end(w);
        }
        vs_jw_array_end(w);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void report_orders(struct vs_json_writer *w, const struct vs_table_metadata *m)
{
    report_i64(w, "default_sort_order_id", m->default_sort_order_id);
    vs_jw_key(w, "sort_orders");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->sort_order_count; i++) {
        vs_jw_object_begin(w);
        report_i64(w, "order_id", m->sort_orders[i].order_id);
        vs_jw_key(w, "fields");
        vs_jw_array_begin(w);
        for (size_t j = 0; j < m->sort_orders[i].field_count; j++) {
            const struct vs_sort_field *field = &m->sort_orders[i].fields[j];
            vs_jw_object_begin(w);
            report_i64(w, "source_id", field->source_id);
            vs_report_str(w, "transform", field->transform);
            vs_report_bool(w, "descending", field->descending);
            vs_report_bool(w, "nulls_last", field->nulls_last);
            vs_jw_object_end(w);
        }
        vs_jw_array_end(w);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void report_pairs(struct vs_json_writer *w,
                         const char *key,
                         const struct vs_pair *pairs,
                         size_t count)
{
    vs_jw_key(w, key);
    vs_jw_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        vs_jw_key_str(w, pairs[i].key);
        vs_jw_str(w, pairs[i].value);
    }
    vs_jw_object_end(w);
}

static void report_snapshots(struct vs_json_writer *w, const struct vs_table_metadata *m)
{
    report_id(w, "current_snapshot_id", m->current_snapshot_id);
    vs_jw_key(w, "snapshots");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->snapshot_count; i++) {
        const struct vs_snapshot *s = &m->snapshots[i];
        vs_jw_object_begin(w);
        report_id(w, "snapshot_id", s->snapshot_id);
        report_id(w, "parent_id", s->parent_id);
        report_i64(w, "sequence_number", s->sequence_number);
        vs_report_time(w, "timestamp", s->timestamp_ms);
        if (s->schema_id >= 0) {
            report_i64(w, "schema_id", s->schema_id);
        }
        vs_report_str(w, "manifest_list", s->manifest_list);
        report_pairs(w, "summary", s->summary, s->summary_count);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_jw_key(w, "refs");
    vs_jw_object_begin(w);
    for (size_t i = 0; i < m->ref_count; i++) {
        vs_jw_key_str(w, m->refs[i].name);
        vs_jw_object_begin(w);
        vs_report_c(w, "type", m->refs[i].is_branch ? "branch" : "tag");
        report_id(w, "snapshot_id", m->refs[i].snapshot_id);
        vs_jw_object_end(w);
    }
    vs_jw_object_end(w);
}

static enum vs_status report_statistics(const struct vs_table_inspect *t, struct vs_error *err)
{
    struct vs_json_writer *w = t->w;
    const struct vs_table_metadata *m = t->metadata;
    size_t partition_files = 0;
    vs_jw_key(w, "statistics");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->statistics_count; i++) {
        vs_jw_object_begin(w);
        report_id(w, "snapshot_id", m->statistics[i].snapshot_id);
        vs_report_str(w, "path", m->statistics[i].path);
        vs_report_u64(w, "size", m->statistics[i].file_size);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    if (m->partition_statistics_json.len > 0) {
        struct vs_json_doc *doc = NULL;
        VS_TRY(vs_json_parse(t->env, m->partition_statistics_json, t->name, NULL, &doc, err));
        partition_files = vs_json_count(vs_json_root(doc));
        vs_json_free(doc);
    }
    vs_report_u64(w, "partition_statistics", partition_files);
    return VS_OK;
}

enum vs_status vs_inspect_metadata(const struct vs_table_inspect *t, struct vs_error *err)
{
    const struct vs_table_metadata *m = t->metadata;
    struct vs_json_writer *w = t->w;
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(m->uuid, uuid);
    report_i64(w, "format_version", m->format_version);
    vs_report_c(w, "table_uuid", uuid);
    vs_report_str(w, "location", m->location);
    report_i64(w, "last_sequence_number", m->last_sequence_number);
    vs_report_time(w, "last_updated", m->last_updated_ms);
    report_i64(w, "last_column_id", m->last_column_id);
    if (m->next_row_id >= 0) {
        report_i64(w, "next_row_id", m->next_row_id);
    }
    VS_TRY(report_schemas(t, err));
    report_specs(w, m);
    report_orders(w, m);
    report_pairs(w, "properties", m->properties, m->property_count);
    report_snapshots(w, m);
    return report_statistics(t, err);
}
