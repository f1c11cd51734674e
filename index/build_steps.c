// SPDX-License-Identifier: Apache-2.0
/*
 * The steps of a build by themselves, for builds that are spread over machines: training into a
 * model file, encoding some data files into a part. Putting parts together is vs_index_build with
 * parts instead of encoding.
 */
#include "index/build_internal.h"
#include "index/build_model.h"
#include "index/build_replay.h"

#include <inttypes.h>
#include <string.h>

// ---- models ----

static enum vs_status take_column(struct vs_build *build, size_t c, struct vs_error *err)
{
    const struct vs_model_column *own = &build->model->columns[c];
    struct vs_build_column *column = &build->columns[c];
    if (own->field_id != column->field->id || own->dim != column->spec->dim ||
        own->metric != column->spec->metric) {
        return vs_fail(err, VS_INVALID,
                       "the model is for other vector columns than '%.*s' of dimension %" PRIu32
                       " and metric %s",
                       VS_STR_ARG(column->field->name), column->spec->dim,
                       vs_metric_name(column->spec->metric));
    }
    column->codebook = own->codebook;
    column->second_assignment = own->second_assignment;
    column->sample_room = 0;
    if (own->tuning.len < sizeof column->choice.table_json) {
        memcpy(column->choice.table_json, own->tuning.ptr, own->tuning.len);
        column->choice.table_json[own->tuning.len] = '\0';
    }
    if (!own->has_lists || build->only_part) {
        return VS_OK;
    }
    size_t values = own->sample_count * own->dim * sizeof(float);
    column->sample = vs_alloc_aligned(build->env, values + 64);
    column->sample_rows = vs_alloc(build->env, own->sample_count * sizeof(uint32_t) + 4);
    if (column->sample == NULL || column->sample_rows == NULL) {
        return vs_build_no_memory(column, err);
    }
    memcpy(column->sample, own->sample, values);
    memcpy(column->sample_rows, own->sample_rows, own->sample_count * sizeof(uint32_t));
    column->sample_count = own->sample_count;
    return VS_OK;
}

enum vs_status vs_build_take_model(struct vs_build *build, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    const struct vs_index_model *model = build->model;
    if (memcmp(&model->table_uuid, &params->table_uuid, sizeof model->table_uuid) != 0 ||
        model->snapshot_id != params->snapshot_id) {
        return vs_fail(err, VS_INVALID,
                       "the model was trained for snapshot %" PRId64 ", this is snapshot %" PRId64
                       " or another table; train again",
                       model->snapshot_id, params->snapshot_id);
    }
    if (model->column_count != params->column_count ||
        (!build->only_part && model->row_count != build->row_count)) {
        return vs_fail(err, VS_INVALID,
                       "the model is for %" PRIu64 " rows with %zu vector columns; train again",
                       model->row_count, model->column_count);
    }
    build->seed = model->seed;
    for (size_t c = 0; c < model->column_count; c++) {
        VS_TRY(take_column(build, c, err));
    }
    return VS_OK;
}

static void describe_column(const struct vs_build *build, size_t c, struct vs_model_column *out)
{
    const struct vs_build_column *column = &build->columns[c];
    *out = (struct vs_model_column){.field_id = column->field->id,
                                    .dim = column->spec->dim,
                                    .metric = column->spec->metric,
                                    .has_lists = column->has_lists,
                                    .second_assignment = column->second_assignment,
                                    .vector_count = column->vector_count,
                                    .sample_count = column->has_lists ? column->sample_count : 0,
                                    .sample_rows = column->sample_rows,
                                    .sample = column->sample,
                                    .tuning = vs_str_from_c(column->choice.table_json),
                                    // Only read: the model does not own it.
                                    .codebook = (struct vs_codebook *)(uintptr_t)column->codebook};
}

enum vs_status vs_build_model_bytes(const struct vs_build *build,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    struct vs_buf trainer;
    vs_buf_init(&trainer, build->env, 65536);
    bool trained = false;
    for (size_t c = 0; c < params->column_count; c++) {
        trained = trained || build->columns[c].trained.env != NULL;
    }
    struct vs_model_column *columns =
        vs_alloc_zeroed(build->env, params->column_count, sizeof *columns);
    enum vs_status status =
        columns != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "out of memory for a model");
    if (status == VS_OK && trained) {
        status = vs_trainer_facts(&trainer, err);
    }
    if (status == VS_OK) {
        for (size_t c = 0; c < params->column_count; c++) {
            describe_column(build, c, &columns[c]);
        }
        const struct vs_index_model model = {.env = build->env,
                                             .table_uuid = params->table_uuid,
                                             .snapshot_id = params->snapshot_id,
                                             .seed = build->seed,
                                             .row_count = build->row_count,
                                             .projection = params->projection,
                                             .trainer = vs_buf_view(&trainer),
                                             .column_count = params->column_count,
                                             .columns = columns,
                                             .query_count = params->query_count,
                                             .queries = params->queries};
        status = vs_index_model_encode(&model, out, err);
    }
    vs_free(build->env, columns);
    vs_buf_clear(&trainer);
    return status;
}

// ---- steps ----

static enum vs_status train(struct vs_build *build, struct vs_buf *out, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    size_t small = params->small_rows > 0 ? params->small_rows : VS_INDEX_SMALL_ROWS;
    VS_TRY(vs_build_set_up(build, err));
    if (!build->is_large) {
        return vs_fail(err, VS_INVALID,
                       "the snapshot has %" PRIu64
                       " rows; below %zu nothing is trained: build the index in one step",
                       build->row_count, small);
    }
    VS_TRY(vs_build_run_pass(build, VS_PASS_SAMPLE, 0, err));
    for (size_t c = 0; c < params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        column->has_lists = column->vector_count >= small;
        VS_TRY(column->has_lists ? vs_build_train_column(build, c, err) : VS_OK);
    }
    return vs_build_model_bytes(build, out, err);
}

enum vs_status vs_index_train(const struct vs_env *env,
                              const struct vs_index_build_params *params,
                              const struct vs_index_row_source *source,
                              struct vs_buf *out,
                              struct vs_error *err)
{
    struct vs_index_build_params own = *params;
    own.resume_dir = NULL;
    own.model = NULL;
    own.part_count = 0;
    own.store_vectors = VS_STORE_NONE;
    own.memory_bytes = params->memory_bytes;
    struct vs_build build = {.env = env, .params = &own, .source = source, .only_train = true};
    build.writer.env = env;
    enum vs_status status = train(&build, out, err);
    vs_build_clear(&build);
    return status;
}

static enum vs_status write_part(void *ctx, const void *bytes, size_t n, struct vs_error *err)
{
    return vs_writer_write(ctx, bytes, n, err);
}

static enum vs_status encode_part(struct vs_build *build,
                                  struct vs_writer *out,
                                  uint64_t *vectors_out,
                                  struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    bool lists = false;
    VS_TRY(vs_build_set_up(build, err));
    for (size_t c = 0; c < params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        column->has_lists = build->model->columns[c].has_lists;
        column->vector_count = build->row_count; // at most
        if (column->has_lists) {
            lists = true;
            VS_TRY(vs_build_encode_begin(build, column, err));
        }
    }
    if (!lists || params->file_count == 0) {
        return vs_fail(err, VS_INVALID, "there is nothing to encode: %s",
                       lists ? "no data files are given"
                             : "the model has no lists; build the index in one step");
    }
    const struct vs_build_log_sink sink = {write_part, NULL, out};
    VS_TRY(vs_build_log_open(build, &sink, false, err));
    VS_TRY(vs_build_run_pass(build, VS_PASS_ENCODE, 0, err));
    uint64_t vectors = 0;
    for (size_t c = 0; c < params->column_count; c++) {
        vectors += build->columns[c].encoded;
    }
    *vectors_out = vectors;
    return vs_build_log_end(build, err);
}

enum vs_status vs_index_encode_part(const struct vs_env *env,
                                    const struct vs_index_build_params *params,
                                    const struct vs_index_row_source *source,
                                    struct vs_writer *out,
                                    uint64_t *vector_count_out,
                                    struct vs_error *err)
{
    if (params->model == NULL) {
        return vs_fail(err, VS_INVALID, "a part of an index is encoded with a model; give one");
    }
    struct vs_build build = {.env = env, .params = params, .source = source, .only_part = true};
    build.writer.env = env;
    enum vs_status status = encode_part(&build, out, vector_count_out, err);
    vs_build_clear(&build);
    return status;
}
