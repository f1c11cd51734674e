// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_job.h"

#include "ingest/index_publish.h"
#include "ingest/table_rows.h"
#include "vecstore/iceberg/contract.h"

#include <string.h>

// What one build needs of the table, gathered once; everything lives in the arena.
struct build {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    struct vs_store *store;
    const struct vs_index_job *job;
    const struct vs_table *table;
    struct vs_arena arena;
    struct vs_scan_plan *plan;
    struct vs_index_build_params params;
};

static enum vs_status gather_fields(struct build *build,
                                    const struct vs_schema *schema,
                                    struct vs_error *err)
{
    struct vs_field *fields =
        vs_arena_alloc_array(&build->arena, schema->field_count + 1, sizeof *fields);
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu fields", schema->field_count);
    }
    size_t count = 0;
    build->params.id_field = SIZE_MAX;
    for (size_t i = 0; i < schema->field_count; i++) {
        if (vs_field_is_readable(&schema->fields[i])) {
            if (i == vs_schema_identifier(schema)) {
                build->params.id_field = count;
            }
            fields[count++] = schema->fields[i];
        }
    }
    build->params.fields = fields;
    build->params.field_count = count;
    return VS_OK;
}

static size_t field_by_id(const struct build *build, int32_t id)
{
    size_t i = 0;
    while (i < build->params.field_count && build->params.fields[i].id != id) {
        i++;
    }
    return i;
}

static enum vs_status gather_vectors(struct build *build,
                                     const struct vs_schema *schema,
                                     struct vs_error *err)
{
    struct vs_vector_contract *contracts;
    size_t count;
    VS_TRY(
        vs_contracts_read(build->table->metadata, schema, &build->arena, &contracts, &count, err));
    if (count == 0) {
        const struct vs_vector_contract *none;
        return vs_contract_find(contracts, 0, NULL, &none, err); // says what is missing
    }
    if (build->job->query_count > 0 && build->job->query_dim != contracts[0].dimension) {
        return vs_fail(
            err, VS_INVALID, "the queries have %zu dimensions, vector column '%.*s' has %u",
            build->job->query_dim, VS_STR_ARG(contracts[0].column), contracts[0].dimension);
    }
    struct vs_index_build_column *columns =
        vs_arena_alloc_array(&build->arena, count, sizeof *columns);
    if (columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu vector columns", count);
    }
    for (size_t i = 0; i < count; i++) {
        columns[i] = (struct vs_index_build_column){
            .field = field_by_id(build, contracts[i].field_id),
            .dim = contracts[i].dimension,
            .normalized = contracts[i].normalized,
            .model = contracts[i].model,
        };
        VS_TRY(vs_metric_parse(contracts[i].metric, &columns[i].metric, err));
    }
    build->params.columns = columns;
    build->params.column_count = count;
    return VS_OK;
}

static enum vs_status gather_files(struct build *build, struct vs_error *err)
{
    struct vs_index_file_ref *files =
        vs_arena_alloc_array(&build->arena, build->plan->file_count, sizeof *files);
    if (files == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu data files",
                       build->plan->file_count);
    }
    uint64_t first_row = 0;
    for (size_t i = 0; i < build->plan->file_count; i++) {
        const struct vs_data_file *data = &build->plan->files[i].data;
        files[i] = (struct vs_index_file_ref){
            .path = data->path,
            .row_count = (uint64_t)data->record_count,
            .sequence_number = data->sequence_number,
            .first_row = first_row,
        };
        first_row += files[i].row_count;
    }
    build->params.files = files;
    build->params.file_count = build->plan->file_count;
    return VS_OK;
}

static enum vs_status gather(struct build *build, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = build->table->metadata;
    const struct vs_snapshot *snapshot = vs_table_snapshot(metadata, metadata->current_snapshot_id);
    if (snapshot == NULL) {
        return vs_fail(err, VS_INVALID,
                       "table %s has no rows yet, so there is nothing to index; ingest first",
                       build->job->table);
    }
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    build->params.table_uuid = metadata->uuid;
    build->params.index_uuid = vs_uuid_new_v4(build->env);
    build->params.snapshot_id = snapshot->snapshot_id;
    build->params.sequence_number = snapshot->sequence_number;
    build->params.list_count = build->job->list_count;
    build->params.projection = build->job->projection;
    build->params.no_exact_rows = build->job->no_exact_rows;
    build->params.min_recall = build->job->min_recall;
    build->params.queries = build->job->queries;
    build->params.query_count = build->job->query_count;
    build->params.seed = build->job->seed;
    build->params.thread_count = build->job->thread_count;
    build->params.memory_bytes = build->job->memory_bytes;
    build->params.op = build->job->op;
    VS_TRY(gather_fields(build, schema, err));
    VS_TRY(gather_vectors(build, schema, err));
    VS_TRY(vs_scan_plan_make(build->env, build->store, metadata, snapshot->snapshot_id,
                             &build->plan, err));
    return gather_files(build, err);
}

static enum vs_status write_file(struct build *build,
                                 const char *key,
                                 struct vs_index_build_result *result_out,
                                 struct vs_error *err)
{
    struct vs_table_rows *rows = NULL;
    struct vs_writer *out = NULL;
    enum vs_status status =
        vs_table_rows_open(build->env, build->store, build->table->metadata, build->plan,
                           build->params.fields, build->params.field_count, &rows, err);
    if (status == VS_OK) {
        status = vs_writer_open(build->store, key, &out, err);
    }
    if (status == VS_OK) {
        struct vs_index_row_source source = {
            .next = vs_table_rows_next, .rewind = vs_table_rows_rewind, .ctx = rows};
        status = vs_index_build(build->env, &build->params, &source, out, result_out, err);
    }
    if (status == VS_OK) {
        status = vs_status_definite(vs_writer_finish(out, VS_PUT_ANY, err), err);
    }
    vs_writer_free(out);
    vs_table_rows_close(rows);
    return status;
}

static enum vs_status build_and_publish(struct build *build,
                                        struct vs_index_job_result *result_out,
                                        struct vs_error *err)
{
    struct vs_buf uri, key, foreign_json;
    vs_buf_init(&uri, build->env, 8192);
    vs_buf_init(&key, build->env, 8192);
    vs_buf_init(&foreign_json, build->env, 1 << 20);
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(build->params.index_uuid, uuid);
    struct vs_index_job_result result = {.snapshot_id = build->params.snapshot_id};
    enum vs_status status = vs_buf_printf(&uri, err, "%.*s/metadata/%s" VS_INDEX_FILE_SUFFIX,
                                          VS_STR_ARG(build->table->metadata->location), uuid);
    if (status == VS_OK) {
        status = vs_store_key(build->store, vs_buf_view(&uri), &key, err);
    }
    if (status == VS_OK) {
        status = vs_foreign_blobs_read(build->env, build->store, build->table->metadata,
                                       build->params.snapshot_id, &build->arena, &build->params,
                                       &foreign_json, err);
    }
    if (status == VS_OK) {
        status = write_file(build, vs_buf_c_str(&key), &result.build, err);
    }
    if (status == VS_OK) {
        struct vs_index_publish publish = {
            .table = build->job->table,
            .table_uuid = build->table->metadata->uuid,
            .uri = vs_buf_view(&uri),
            .index_uuid = uuid,
            .snapshot_id = build->params.snapshot_id,
            .file_size = result.build.file_size,
            .footer_size = result.build.footer_size,
            .blob_metadata_json = vs_buf_view(&foreign_json),
            .op = build->job->op,
        };
        status = vs_index_publish(build->catalog, &publish, &result.attempts, err);
        if (status != VS_OK && status != VS_UNKNOWN) { // an unknown outcome may have published it
            vs_ignore(vs_store_remove(build->store, vs_buf_c_str(&key), NULL));
        }
    }
    if (status == VS_OK) {
        *result_out = result;
    }
    vs_buf_clear(&uri);
    vs_buf_clear(&key);
    vs_buf_clear(&foreign_json);
    return status;
}

enum vs_status vs_index_job_run(struct vs_catalog *catalog,
                                const struct vs_index_job *job,
                                struct vs_index_job_result *result_out,
                                struct vs_error *err)
{
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_load(catalog, job->table, &table, err));
    struct build build = {.env = vs_catalog_env(catalog),
                          .catalog = catalog,
                          .store = table->store,
                          .job = job,
                          .table = table};
    vs_arena_init(&build.arena, build.env, 0);
    enum vs_status status = gather(&build, err);
    if (status == VS_OK) {
        status = build_and_publish(&build, result_out, err);
    }
    vs_scan_plan_free(build.plan);
    vs_arena_clear(&build.arena);
    vs_table_release(table);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "building an index of %s", job->table);
}
