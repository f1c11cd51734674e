// SPDX-License-Identifier: Apache-2.0
// Reports about tables: list, describe, snapshots. Shapes are documented in vecstore.h.
#include "api/db.h"
#include "vecstore/iceberg/contract.h"

static struct vs_str summary_value(const struct vs_snapshot *snapshot, const char *key)
{
    for (size_t i = 0; snapshot != NULL && i < snapshot->summary_count; i++) {
        if (vs_str_equal_c(snapshot->summary[i].key, key)) {
            return snapshot->summary[i].value;
        }
    }
    return (struct vs_str){0};
}

// Totals are text in a snapshot's summary; an engine may have left them out.
static void report_summary(struct vs_json_writer *w,
                           const char *name,
                           const struct vs_snapshot *snapshot,
                           const char *key)
{
    uint64_t value;
    struct vs_str text = summary_value(snapshot, key);
    vs_jw_key(w, name);
    if (text.ptr != NULL && vs_parse_u64(text, &value, NULL) == VS_OK) {
        vs_jw_u64(w, value);
    } else if (snapshot == NULL) {
        vs_jw_u64(w, 0);
    } else {
        vs_jw_null(w);
    }
}

static uint64_t summary_number(const struct vs_snapshot *snapshot, const char *key)
{
    uint64_t value = 0;
    struct vs_str text = summary_value(snapshot, key);
    return text.ptr != NULL && vs_parse_u64(text, &value, NULL) == VS_OK ? value : 0;
}

// Rows of files that left, and rows newly hidden in files that stay. A rewrite deletes none.
static uint64_t deleted_rows(const struct vs_snapshot *snapshot)
{
    uint64_t gone = summary_number(snapshot, "deleted-records") +
                    summary_number(snapshot, "added-position-deletes");
    uint64_t before = summary_number(snapshot, "removed-position-deletes");
    bool rewrites = vs_str_equal_c(summary_value(snapshot, "operation"), "replace");
    return rewrites || gone < before ? 0 : gone - before;
}

static const struct vs_snapshot *current_snapshot(const struct vs_table *table)
{
    return vs_table_snapshot(table->metadata, table->metadata->current_snapshot_id);
}

// ---- list ----

struct list {
    struct vs_db *db;
    struct vs_json_writer w;
};

static void report_list_entry(struct list *list, const char *name, const struct vs_table *table)
{
    const struct vs_snapshot *snapshot = current_snapshot(table);
    struct vs_index_coverage coverage;
    vs_jw_object_begin(&list->w);
    vs_report_c(&list->w, "name", name);
    report_summary(&list->w, "rows", snapshot, "total-records");
    vs_report_id(&list->w, "snapshot_id", table->metadata->current_snapshot_id);
    bool indexed =
        vs_engine_coverage(list->db->engine, name, &coverage, NULL) == VS_OK && coverage.has_index;
    vs_report_bool(&list->w, "indexed", indexed);
    vs_jw_object_end(&list->w);
}

// A table that cannot be loaded is listed with its problem: one broken table must not hide the
// others.
static enum vs_status list_one(void *ctx, const char *name, struct vs_error *err)
{
    struct list *list = ctx;
    struct vs_table *table = NULL;
    struct vs_error problem = {0};
    enum vs_status status = vs_catalog_load(list->db->catalog, name, &table, &problem);
    if (status == VS_NO_MEMORY) {
        return vs_fail(err, status, "%s", problem.message);
    }
    if (status == VS_OK) {
        report_list_entry(list, name, table);
    } else {
        vs_jw_object_begin(&list->w);
        vs_report_c(&list->w, "name", name);
        vs_report_c(&list->w, "problem", problem.message);
        vs_jw_object_end(&list->w);
    }
    vs_table_release(table);
    return VS_OK;
}

enum vs_status vs_db_list_tables(struct vs_db *db, struct vs_buf *report, struct vs_error *err)
{
    struct list list = {.db = db};
    vs_json_writer_init(&list.w, report, false);
    vs_jw_object_begin(&list.w);
    vs_jw_key(&list.w, "tables");
    vs_jw_array_begin(&list.w);
    VS_TRY(vs_catalog_list(db->catalog, list_one, &list, err));
    vs_jw_array_end(&list.w);
    vs_jw_object_end(&list.w);
    return vs_json_writer_finish(&list.w, err);
}

// ---- describe ----

static enum vs_status report_schema(struct vs_json_writer *w,
                                    const struct vs_env *env,
                                    const struct vs_schema *schema,
                                    struct vs_error *err)
{
    struct vs_buf type;
    enum vs_status status = VS_OK;
    vs_buf_init(&type, env, 1 << 16);
    vs_jw_key(w, "schema");
    vs_jw_array_begin(w);
    for (size_t i = 0; status == VS_OK && i < schema->field_count; i++) {
        const struct vs_field *field = &schema->fields[i];
        vs_buf_reset(&type);
        status = vs_type_format(field, &type, err);
        vs_jw_object_begin(w);
        vs_jw_key(w, "id");
        vs_jw_i64(w, field->id);
        vs_report_str(w, "name", field->name);
        vs_report_str(w, "type", vs_buf_view(&type));
        vs_report_bool(w, "required", field->required);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_buf_clear(&type);
    return status;
}

static enum vs_status report_vectors(struct vs_json_writer *w,
                                     const struct vs_table *table,
                                     const struct vs_schema *schema,
                                     struct vs_arena *arena,
                                     struct vs_error *err)
{
    struct vs_vector_contract *contracts;
    size_t count;
    VS_TRY(vs_contracts_read(table->metadata, schema, arena, &contracts, &count, err));
    vs_jw_key(w, "vectors");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        vs_jw_object_begin(w);
        vs_report_str(w, "column", contracts[i].column);
        vs_report_u64(w, "dimension", contracts[i].dimension);
        vs_report_str(w, "metric", contracts[i].metric);
        vs_report_bool(w, "normalized", contracts[i].normalized);
        vs_report_str(w, "model", contracts[i].model);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    return VS_OK;
}

static void report_coverage(struct vs_json_writer *w, const struct vs_index_coverage *coverage)
{
    vs_jw_key(w, "index");
    if (!coverage->has_index && coverage->problem[0] == '\0') {
        vs_jw_null(w);
        return;
    }
    vs_jw_object_begin(w);
    if (coverage->has_index) {
        vs_report_c(w, "uuid", coverage->index_uuid);
        vs_report_id(w, "snapshot_id", coverage->index_snapshot_id);
        vs_report_u64(w, "rows", coverage->index_rows);
        vs_report_u64(w, "covered_files", coverage->covered_files);
        vs_report_u64(w, "covered_rows", coverage->covered_rows);
    }
    vs_report_u64(w, "uncovered_files", coverage->uncovered_files);
    vs_report_u64(w, "uncovered_rows", coverage->uncovered_rows);
    if (coverage->problem[0] != '\0') {
        vs_report_c(w, "problem", coverage->problem);
    }
    vs_jw_object_end(w);
}

static void report_properties(struct vs_json_writer *w, const struct vs_table_metadata *metadata)
{
    vs_jw_key(w, "properties");
    vs_jw_object_begin(w);
    for (size_t i = 0; i < metadata->property_count; i++) {
        vs_jw_key_str(w, metadata->properties[i].key);
        vs_jw_str(w, metadata->properties[i].value);
    }
    vs_jw_object_end(w);
}

static enum vs_status report_table(struct vs_db *db,
                                   const struct vs_table *table,
                                   struct vs_arena *arena,
                                   struct vs_json_writer *w,
                                   struct vs_error *err)
{
    const struct vs_table_metadata *metadata = table->metadata;
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    const struct vs_snapshot *snapshot = current_snapshot(table);
    struct vs_index_coverage coverage = {0};
    VS_TRY(vs_engine_coverage(db->engine, table->name, &coverage, err));
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(metadata->uuid, uuid);
    vs_jw_object_begin(w);
    vs_report_c(w, "name", table->name);
    vs_report_c(w, "uuid", uuid);
    vs_report_str(w, "location", metadata->location);
    vs_report_u64(w, "format_version", (uint64_t)metadata->format_version);
    VS_TRY(report_schema(w, db->env, schema, err));
    size_t id_field = vs_schema_identifier(schema);
    vs_jw_key(w, "id_column");
    if (id_field == SIZE_MAX) {
        vs_jw_null(w);
    } else {
        vs_jw_str(w, schema->fields[id_field].name);
    }
    VS_TRY(report_vectors(w, table, schema, arena, err));
    report_summary(w, "rows", snapshot, "total-records");
    vs_report_u64(w, "deleted", coverage.deleted_rows);
    report_summary(w, "files", snapshot, "total-data-files");
    report_summary(w, "bytes", snapshot, "total-files-size");
    vs_report_id(w, "snapshot_id", metadata->current_snapshot_id);
    vs_report_u64(w, "snapshots", metadata->snapshot_count);
    vs_report_c(w, "metadata", table->metadata_uri);
    report_coverage(w, &coverage);
    report_properties(w, metadata);
    vs_jw_object_end(w);
    return vs_json_writer_finish(w, err);
}

enum vs_status vs_db_describe_table(struct vs_db *db,
                                    const char *table_name,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct vs_arena arena;
    struct vs_json_writer w;
    VS_TRY(vs_catalog_load(db->catalog, table_name, &table, err));
    vs_arena_init(&arena, db->env, 0);
    vs_json_writer_init(&w, report, false);
    enum vs_status status = report_table(db, table, &arena, &w, err);
    vs_arena_clear(&arena);
    vs_table_release(table);
    return status;
}

// ---- snapshots ----

static void report_snapshot(struct vs_json_writer *w,
                            const struct vs_snapshot *snapshot,
                            bool current)
{
    struct vs_str operation = summary_value(snapshot, "operation");
    vs_jw_object_begin(w);
    vs_report_id(w, "snapshot_id", snapshot->snapshot_id);
    vs_report_id(w, "parent_id", snapshot->parent_id);
    vs_report_u64(w, "sequence_number", (uint64_t)snapshot->sequence_number);
    vs_report_time(w, "timestamp", snapshot->timestamp_ms);
    vs_report_str(w, "operation", operation.ptr != NULL ? operation : VS_STR("unknown"));
    report_summary(w, "added_rows", snapshot, "added-records");
    vs_report_u64(w, "deleted_rows", deleted_rows(snapshot));
    report_summary(w, "total_rows", snapshot, "total-records");
    vs_report_bool(w, "current", current);
    vs_jw_object_end(w);
}

enum vs_status vs_db_list_snapshots(struct vs_db *db,
                                    const char *table_name,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct vs_json_writer w;
    VS_TRY(vs_catalog_load(db->catalog, table_name, &table, err));
    const struct vs_table_metadata *metadata = table->metadata;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "snapshots");
    vs_jw_array_begin(&w);
    for (size_t i = metadata->snapshot_count; i > 0; i--) {
        const struct vs_snapshot *snapshot = &metadata->snapshots[i - 1];
        report_snapshot(&w, snapshot, snapshot->snapshot_id == metadata->current_snapshot_id);
    }
    vs_jw_array_end(&w);
    vs_jw_object_end(&w);
    enum vs_status status = vs_json_writer_finish(&w, err);
    vs_table_release(table);
    return status;
}

enum vs_status vs_db_drop_table(struct vs_db *db, const char *table, struct vs_error *err)
{
    return vs_catalog_drop(db->catalog, table, err);
}
