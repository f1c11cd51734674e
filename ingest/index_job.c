// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_job.h"

#include "ingest/index_gather.h"
#include "ingest/index_publish.h"
#include "ingest/table_rows.h"

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

static enum vs_status check_queries(const struct build *build, struct vs_error *err)
{
    const struct vs_index_build_column *first = &build->params.columns[0];
    if (build->job->query_count > 0 && build->job->query_dim != first->dim) {
        return vs_fail(
            err, VS_INVALID, "the queries have %zu dimensions, vector column '%.*s' has %u",
            build->job->query_dim, VS_STR_ARG(build->params.fields[first->field].name), first->dim);
    }
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
    static const struct vs_uuid none;
    bool given = memcmp(&build->job->index_uuid, &none, sizeof none) != 0;
    build->params.index_uuid = given ? build->job->index_uuid : vs_uuid_new_v4(build->env);
    build->params.created_ms = build->job->created_ms;
    build->params.resume_dir = build->job->resume_dir;
    build->params.model = build->job->model;
    build->params.parts = build->job->parts;
    build->params.part_count = build->job->part_count;
    build->params.snapshot_id = snapshot->snapshot_id;
    build->params.sequence_number = snapshot->sequence_number;
    build->params.list_count = build->job->list_count;
    build->params.m = 2 * build->job->code_bytes;
    build->params.projection = build->job->projection;
    build->params.store_vectors = build->job->store_vectors;
    build->params.second_assignment = build->job->second_assignment;
    build->params.spill_dir = build->job->spill_dir;
    build->params.min_recall = build->job->min_recall;
    build->params.queries = build->job->queries;
    build->params.query_count = build->job->query_count;
    build->params.seed = build->job->seed;
    build->params.thread_count = build->job->thread_count;
    build->params.memory_bytes = build->job->memory_bytes;
    build->params.op = build->job->op;
    VS_TRY(vs_gather_fields(schema, &build->arena, &build->params, err));
    VS_TRY(vs_gather_vectors(metadata, schema, &build->arena, &build->params, err));
    VS_TRY(check_queries(build, err));
    VS_TRY(vs_scan_plan_make(build->env, build->store, metadata, snapshot->snapshot_id,
                             &build->plan, err));
    return vs_gather_files(build->plan, &build->arena, &build->params, err);
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
    enum vs_status status =
        vs_index_name(build->store, build->table->metadata, uuid, &uri, &key, err);
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
