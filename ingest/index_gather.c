// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_gather.h"

#include "ingest/table_rows.h"
#include "vecstore/iceberg/contract.h"

#include <string.h>

// Readable fields of the schema and the identifier among them.
static enum vs_status gather_fields(const struct vs_schema *schema,
                                    struct vs_arena *arena,
                                    struct vs_index_build_params *params,
                                    struct vs_error *err)
{
    struct vs_field *fields = vs_arena_alloc_array(arena, schema->field_count + 1, sizeof *fields);
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu fields", schema->field_count);
    }
    size_t count = 0;
    params->id_field = SIZE_MAX;
    for (size_t i = 0; i < schema->field_count; i++) {
        if (vs_field_is_readable(&schema->fields[i])) {
            if (i == vs_schema_identifier(schema)) {
                params->id_field = count;
            }
            fields[count++] = schema->fields[i];
        }
    }
    params->fields = fields;
    params->field_count = count;
    return VS_OK;
}

static size_t field_by_id(const struct vs_index_build_params *params, int32_t id)
{
    size_t i = 0;
    while (i < params->field_count && params->fields[i].id != id) {
        i++;
    }
    return i;
}

enum vs_status vs_gather_vectors(const struct vs_table_metadata *metadata,
                                 const struct vs_schema *schema,
                                 struct vs_arena *arena,
                                 struct vs_index_build_params *params,
                                 struct vs_error *err)
{
    struct vs_vector_contract *contracts;
    size_t count;
    VS_TRY(vs_contracts_read(metadata, schema, arena, &contracts, &count, err));
    if (count == 0) {
        const struct vs_vector_contract *none;
        return vs_contract_find(contracts, 0, NULL, &none, err); // says what is missing
    }
    struct vs_index_build_column *columns = vs_arena_alloc_array(arena, count, sizeof *columns);
    if (columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu vector columns", count);
    }
    for (size_t i = 0; i < count; i++) {
        columns[i] = (struct vs_index_build_column){
            .field = field_by_id(params, contracts[i].field_id),
            .dim = contracts[i].dimension,
            .normalized = contracts[i].normalized,
            .model = contracts[i].model,
        };
        VS_TRY(vs_metric_parse(contracts[i].metric, &columns[i].metric, err));
    }
    params->columns = columns;
    params->column_count = count;
    return VS_OK;
}

enum vs_status vs_gather_files(const struct vs_scan_plan *plan,
                               struct vs_arena *arena,
                               struct vs_index_build_params *params,
                               struct vs_error *err)
{
    struct vs_index_file_ref *files = vs_arena_alloc_array(arena, plan->file_count, sizeof *files);
    if (files == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu data files", plan->file_count);
    }
    uint64_t first_row = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct vs_data_file *data = &plan->files[i].data;
        files[i] = (struct vs_index_file_ref){
            .path = data->path,
            .row_count = (uint64_t)data->record_count,
            .sequence_number = data->sequence_number,
            .first_row = first_row,
        };
        first_row += files[i].row_count;
    }
    params->files = files;
    params->file_count = plan->file_count;
    return VS_OK;
}

// ---- jobs ----

static void take_options(const struct vs_index_job *job, struct vs_index_build_params *params)
{
    *params = (struct vs_index_build_params){.index_uuid = job->index_uuid,
                                             .created_ms = job->created_ms,
                                             .list_count = job->list_count,
                                             .m = 2 * job->code_bytes,
                                             .projection = job->projection,
                                             .store_vectors = job->store_vectors,
                                             .second_assignment = job->second_assignment,
                                             .spill_dir = job->spill_dir,
                                             .resume_dir = job->resume_dir,
                                             .model = job->model,
                                             .parts = job->parts,
                                             .part_count = job->part_count,
                                             .min_recall = job->min_recall,
                                             .queries = job->queries,
                                             .query_count = job->query_count,
                                             .seed = job->seed,
                                             .thread_count = job->thread_count,
                                             .memory_bytes = job->memory_bytes,
                                             .op = job->op};
}

static enum vs_status choose_snapshot(const struct vs_gathered *g,
                                      const struct vs_snapshot **snapshot_out,
                                      struct vs_error *err)
{
    const struct vs_index_job *job = g->job;
    const struct vs_table_metadata *metadata = g->table->metadata;
    const struct vs_snapshot *snapshot =
        vs_table_snapshot(metadata, job->model != NULL ? vs_index_model_snapshot(job->model)
                                                       : metadata->current_snapshot_id);
    if (snapshot == NULL) {
        return vs_fail(err, VS_INVALID,
                       job->model != NULL
                           ? "table %s has no snapshot such as the model was trained for; train "
                             "again"
                           : "table %s has no rows yet, so there is nothing to index; ingest first",
                       job->table);
    }
    *snapshot_out = snapshot;
    return VS_OK;
}

static enum vs_status check_queries(const struct vs_gathered *g, struct vs_error *err)
{
    const struct vs_index_build_column *first = &g->params.columns[0];
    if (g->job->query_count > 0 && g->job->query_dim != first->dim) {
        return vs_fail(
            err, VS_INVALID, "the queries have %zu dimensions, vector column '%.*s' has %u",
            g->job->query_dim, VS_STR_ARG(g->params.fields[first->field].name), first->dim);
    }
    return VS_OK;
}

enum vs_status vs_gather_open(struct vs_catalog *catalog,
                              const struct vs_index_job *job,
                              struct vs_gathered *g,
                              struct vs_error *err)
{
    static const struct vs_uuid none;
    const struct vs_snapshot *snapshot = NULL;
    *g = (struct vs_gathered){.env = vs_catalog_env(catalog), .job = job};
    vs_arena_init(&g->arena, g->env, 0);
    VS_TRY(vs_catalog_load(catalog, job->table, &g->table, err));
    VS_TRY(choose_snapshot(g, &snapshot, err));
    const struct vs_table_metadata *metadata = g->table->metadata;
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    take_options(job, &g->params);
    if (memcmp(&job->index_uuid, &none, sizeof none) == 0) {
        g->params.index_uuid = vs_uuid_new_v4(g->env);
    }
    g->params.table_uuid = metadata->uuid;
    g->params.snapshot_id = snapshot->snapshot_id;
    g->params.sequence_number = snapshot->sequence_number;
    VS_TRY(gather_fields(schema, &g->arena, &g->params, err));
    VS_TRY(vs_gather_vectors(metadata, schema, &g->arena, &g->params, err));
    VS_TRY(check_queries(g, err));
    VS_TRY(
        vs_scan_plan_make(g->env, g->table->store, metadata, snapshot->snapshot_id, &g->plan, err));
    return vs_gather_files(g->plan, &g->arena, &g->params, err);
}

void vs_gather_close(struct vs_gathered *g)
{
    vs_scan_plan_free(g->plan);
    vs_arena_clear(&g->arena);
    if (g->table != NULL) {
        vs_table_release(g->table);
    }
}

enum vs_status vs_gather_rows(const struct vs_gathered *g,
                              const struct vs_scan_plan *plan,
                              struct vs_index_row_source *source_out,
                              struct vs_error *err)
{
    struct vs_table_rows *rows = NULL;
    VS_TRY(vs_table_rows_open(g->env, g->table->store, g->table->metadata, plan, g->params.fields,
                              g->params.field_count, &rows, err));
    *source_out = (struct vs_index_row_source){vs_table_rows_next, vs_table_rows_rewind, rows};
    return VS_OK;
}
