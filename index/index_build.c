// SPDX-License-Identifier: Apache-2.0
#include "index/index_build.h"

#include "index/build_internal.h"
#include "index/build_model.h"
#include "index/build_replay.h"
#include "index/build_resume.h"
#include "index/index_canary.h"
#include "index/recall_curve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_MIN_LISTS 1024

// ---- steps ----

// For a codebook that is given.
static bool chosen_second(const struct vs_build *build, const struct vs_build_column *column)
{
    enum vs_tune_second second = build->params->second_assignment;
    uint32_t lists = column->codebook->list_count;
    return lists > 1 &&
           (second == VS_SECOND_ON || (second == VS_SECOND_CHOOSE && lists >= SECOND_MIN_LISTS));
}

// Real queries prepared for the trainer's choice; NULL: none, or unfit ones, which the measurement
// will name.
static enum vs_status prepare_queries(const struct vs_build *build,
                                      size_t c,
                                      float **queries_out,
                                      struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    const struct vs_index_build_column *column = &params->columns[c];
    size_t dim = column->dim, count = c == 0 ? params->query_count : 0;
    *queries_out = NULL;
    if (count == 0) {
        return VS_OK;
    }
    float *queries = vs_alloc(build->env, count * dim * sizeof *queries);
    if (queries == NULL) {
        return vs_build_no_memory(&build->columns[c], err);
    }
    memcpy(queries, params->queries, count * dim * sizeof *queries);
    for (size_t i = 0; i < count; i++) {
        if (!vs_build_prepare(vs_kernels_get(), column->metric, queries + i * dim, dim)) {
            vs_free(build->env, queries);
            return VS_OK;
        }
    }
    *queries_out = queries;
    return VS_OK;
}

static enum vs_status choose_and_train(struct vs_build *build, size_t c, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    struct vs_build_column *column = &build->columns[c];
    const struct vs_train_rows sample = vs_build_sample_rows(column);
    float *queries = NULL;
    VS_TRY(prepare_queries(build, c, &queries, err));
    const struct vs_tune_params tune = {.dim = column->spec->dim,
                                        .metric = column->spec->metric,
                                        .projection = params->projection,
                                        .sample = sample,
                                        .queries = queries,
                                        .query_count = queries != NULL ? params->query_count : 0,
                                        .row_count = column->vector_count,
                                        .list_count = params->list_count,
                                        .m = params->m,
                                        .second = params->second_assignment,
                                        .stored = column->store_vectors,
                                        .seed = build->seed,
                                        .thread_count = build->thread_count,
                                        .op = params->op};
    enum vs_status status = vs_tune(build->env, &tune, &column->choice, err);
    vs_free(build->env, queries);
    VS_TRY(status);
    struct vs_train_params train;
    vs_build_train_params(build, c, &train);
    train.list_count = column->choice.list_count;
    train.m = column->choice.m;
    train.proj_dim = column->choice.proj_dim;
    VS_TRY(vs_train(build->env, &train, &sample, &column->trained, err));
    column->second_assignment = column->choice.second_assignment;
    return VS_OK;
}

enum vs_status vs_build_train_column(struct vs_build *build, size_t c, struct vs_error *err)
{
    struct vs_build_column *column = &build->columns[c];
    int64_t start = vs_monotonic_ns(build->env);
    if (column->codebook == NULL) {
        VS_TRY(choose_and_train(build, c, err));
        column->codebook = &column->trained;
    } else if (build->model == NULL) {
        column->second_assignment = chosen_second(build, column);
    }
    build->train_ns += vs_monotonic_ns(build->env) - start;
    if (column->codebook->dim != column->spec->dim ||
        column->codebook->metric != column->spec->metric) {
        return vs_fail(err, VS_INVALID,
                       "column '%.*s': the codebook is for dimension %" PRIu32 " and metric %s",
                       VS_STR_ARG(column->field->name), column->codebook->dim,
                       vs_metric_name(column->codebook->metric));
    }
    return build->model == NULL ? vs_build_sample_thin(build, column, err) : VS_OK;
}

static enum vs_status begin_column(struct vs_build *build, size_t c, struct vs_error *err)
{
    struct vs_build_column *column = &build->columns[c];
    const struct vs_index_build_params *params = build->params;
    const float *queries = params->model != NULL ? params->model->queries : params->queries;
    size_t query_count = params->model != NULL ? params->model->query_count : params->query_count;
    bool given = c == 0 && query_count > 0;
    if (!params->no_measure) {
        VS_TRY(
            vs_measure_begin(build, column, given ? queries : NULL, given ? query_count : 0, err));
    }
    return vs_build_encode_begin(build, column, err);
}

static void drop_samples(struct vs_build *build)
{
    for (size_t c = 0; c < build->params->column_count; c++) {
        vs_free_aligned(build->env, build->columns[c].sample);
        build->columns[c].sample = NULL;
    }
}

// The first pass writes the vectors of the first column, unless their width depends on whether it
// gets lists.
static bool writes_first(const struct vs_build *build)
{
    return build->columns[0].store_vectors &&
           !(build->is_large && build->params->store_vectors == VS_STORE_F16);
}

// Which pass writes what: a file is written front to back, so vectors and payload need a pass each.
static enum vs_status first_pass(struct vs_build *build, struct vs_error *err)
{
    unsigned pass = VS_PASS_ROWS | (build->skip_vectors ? 0 : VS_PASS_SAMPLE);
    if (writes_first(build)) {
        pass |= VS_PASS_VECTORS;
    }
    if (!writes_first(build) || !build->is_large) {
        pass |= VS_PASS_PAYLOAD;
    }
    int64_t start = vs_monotonic_ns(build->env);
    enum vs_status status = vs_build_run_pass(build, pass, 0, err);
    build->rows_ns = vs_monotonic_ns(build->env) - start;
    return status;
}

// Lists or not; further columns' vectors go into their blobs.
static enum vs_status place_columns(struct vs_build *build, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    size_t small = params->small_rows > 0 ? params->small_rows : VS_INDEX_SMALL_ROWS;
    for (size_t c = 0; c < params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        if (build->skip_vectors) {
            column->vector_count = build->model->columns[c].vector_count;
        }
        column->has_lists = build->is_large && column->vector_count >= small;
        if (build->model != NULL &&
            (build->model->columns[c].has_lists != column->has_lists ||
             build->model->columns[c].vector_count != column->vector_count)) {
            return vs_fail(err, VS_INVALID,
                           "column '%.*s' has %" PRIu64 " vectors, the model is for %" PRIu64,
                           VS_STR_ARG(column->field->name), column->vector_count,
                           build->model->columns[c].vector_count);
        }
        column->is_flat = !column->has_lists;
        bool written = c == 0 && writes_first(build);
        column->store_vectors = column->store_vectors || column->is_flat; // whatever was asked
        if (column->store_vectors && !written) {
            VS_TRY(vs_build_run_pass(build, VS_PASS_VECTORS, c, err));
        }
    }
    return VS_OK;
}

// Everything that has lists is trained and ready for vectors; `has_lists_out`: anything has.
static enum vs_status begin_columns(struct vs_build *build,
                                    bool *has_lists_out,
                                    struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    *has_lists_out = false;
    for (size_t c = 0; c < params->column_count; c++) {
        if (build->columns[c].has_lists) {
            VS_TRY(vs_build_train_column(build, c, err));
            *has_lists_out = true;
        }
    }
    if (*has_lists_out && build->resume != NULL) {
        VS_TRY(vs_build_resume_model(build, err));
    }
    for (size_t c = 0; c < params->column_count; c++) {
        VS_TRY(build->columns[c].has_lists ? begin_column(build, c, err) : VS_OK);
    }
    drop_samples(build);
    if (*has_lists_out && build->resume != NULL) {
        VS_TRY(vs_build_resume_encode(build, err));
    }
    return VS_OK;
}

static enum vs_status take_parts(struct vs_build *build, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    VS_TRY(vs_build_replay_open(build, params->parts, params->part_count, true, err));
    for (size_t c = 0; c < params->column_count; c++) {
        VS_TRY(build->columns[c].has_lists ? vs_build_replay_run(build, c, err) : VS_OK);
    }
    return VS_OK;
}

static enum vs_status read_and_encode(struct vs_build *build, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    bool lists = false, parts = params->part_count > 0;
    VS_TRY(first_pass(build, err));
    unsigned second =
        build->is_large && build->has_payload && !build->payload_done ? VS_PASS_PAYLOAD : 0;
    VS_TRY(place_columns(build, err));
    VS_TRY(begin_columns(build, &lists, err));
    if (lists && parts) {
        VS_TRY(take_parts(build, err));
    }
    second |= lists && !parts && !build->keep_vectors ? VS_PASS_ENCODE : 0;
    VS_TRY(second != 0 ? vs_build_run_pass(build, second, 0, err) : VS_OK);
    for (size_t c = 0; c < params->column_count && build->keep_vectors; c++) {
        if (build->columns[c].has_lists) {
            VS_TRY(vs_build_encode_kept(build, &build->columns[c], err));
        }
    }
    return VS_OK;
}

static enum vs_status put_codebooks(struct vs_build *build, struct vs_error *err)
{
    struct vs_buf blob;
    vs_buf_init(&blob, build->env, SIZE_MAX);
    enum vs_status status = VS_OK;
    for (size_t c = 0; c < build->params->column_count && status == VS_OK; c++) {
        struct vs_build_column *column = &build->columns[c];
        vs_buf_reset(&blob);
        status = column->has_lists ? vs_codebook_encode(column->codebook, &blob, err) : VS_OK;
        if (status == VS_OK && column->has_lists) {
            status = vs_index_blob_put(&build->writer, VS_BLOB_CODEBOOK, -1, column->field->id,
                                       blob.data, blob.len, err);
        }
    }
    vs_buf_clear(&blob);
    return status;
}

// Some of the queries, evenly chosen, to measure recall with again later. Of made-up ones the
// noisy: the curve promises what the harder kind gets.
static enum vs_status put_canary(struct vs_build *build,
                                 const struct vs_build_column *column,
                                 struct vs_error *err)
{
    const struct vs_measure *measure = &column->measure;
    size_t dim = column->spec->dim, groups = measure->given ? 1 : VS_TRUTH_GROUPS,
           own = measure->query_count / groups,
           count = own < VS_CANARY_QUERIES ? own : VS_CANARY_QUERIES;
    const struct vs_index_column curve = {.dim = column->spec->dim,
                                          .list_count = column->codebook->list_count,
                                          .m = column->codebook->m,
                                          .proj_dim = column->codebook->proj_dim,
                                          .has_exact_rows = column->store_vectors && !column->half,
                                          .has_half_rows = column->half,
                                          .recall = measure->points,
                                          .recall_count = measure->point_count};
    if (count == 0 || measure->point_count == 0) {
        return VS_OK;
    }
    float *queries = vs_alloc_zeroed(build->env, count * dim, sizeof *queries);
    if (queries == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = i * own / count * groups + (groups - 1);
        memcpy(queries + i * dim, measure->truth.vectors + at * dim, dim * sizeof *queries);
    }
    const struct vs_canary canary = {
        .count = (uint32_t)count,
        .dim = column->spec->dim,
        .k = 10,
        .recall = vs_recall_choose(&curve, column->entry_count, 10, VS_RECALL_TARGET).recall,
        .target = VS_RECALL_TARGET,
        .given = measure->given,
        .queries = queries};
    struct vs_buf blob;
    vs_buf_init(&blob, build->env, SIZE_MAX);
    enum vs_status status = vs_canary_encode(&canary, &blob, err);
    if (status == VS_OK) {
        status = vs_index_blob_put(&build->writer, VS_BLOB_CANARY, -1, column->field->id, blob.data,
                                   blob.len, err);
    }
    vs_buf_clear(&blob);
    vs_free(build->env, queries);
    return status;
}

static enum vs_status arrange_and_write(struct vs_build *build, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    for (size_t c = 0; c < params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        if (column->has_lists) {
            VS_TRY(vs_build_put_rows(build, column, err));
            VS_TRY(params->no_measure ? VS_OK : vs_measure_open(build, column, err));
            VS_TRY(params->no_measure ? VS_OK : vs_measure_curve(build, column, err));
            VS_TRY(vs_build_put_lists(build, column, err));
            VS_TRY(vs_build_put_summary(build, column, err));
        }
    }
    for (size_t i = 0; i < params->foreign_count; i++) {
        VS_TRY(vs_index_blob_carry(&build->writer, &params->foreign_blobs[i],
                                   params->foreign_bytes[i], err));
    }
    VS_TRY(put_codebooks(build, err));
    for (size_t c = 0; c < params->column_count; c++) {
        if (build->columns[c].has_lists) {
            VS_TRY(vs_build_put_hot(build, &build->columns[c], err));
            VS_TRY(put_canary(build, &build->columns[c], err));
        }
    }
    return VS_OK;
}

// ---- result ----

static enum vs_status check_recall(const struct vs_build *build,
                                   const struct vs_descriptor *d,
                                   float *recall_out,
                                   struct vs_error *err)
{
    float least = 1.0F;
    for (size_t c = 0; c < build->params->column_count; c++) {
        const struct vs_build_column *column = &build->columns[c];
        if (column->has_lists && column->measure.point_count > 0) {
            float recall =
                vs_recall_choose(&d->info.columns[c], column->entry_count, 10, VS_RECALL_TARGET)
                    .recall;
            least = recall < least ? recall : least;
        }
    }
    if (least < build->params->min_recall) {
        return vs_fail(err, VS_LIMIT,
                       "measured recall@10 is %.4f, below the required %.4f; nothing is published: "
                       "use more lists or more codes, or lower the requirement",
                       (double)least, (double)build->params->min_recall);
    }
    *recall_out = least;
    return VS_OK;
}

static void summarise(const struct vs_build *build,
                      const struct vs_descriptor *d,
                      struct vs_index_build_result *result)
{
    const struct vs_index_column *column = &d->info.columns[0];
    snprintf(result->summary_json, sizeof result->summary_json,
             "{\"read_ms\":%" PRId64 ",\"train_ms\":%" PRId64 ",\"encode_ms\":%" PRId64
             ",\"arrange_ms\":%" PRId64 ",\"measure_ms\":%" PRId64 ",\"lists\":%" PRIu32
             ",\"m\":%" PRIu32 ",\"projected_dimension\":%" PRIu32
             ",\"recall\":%.4f,\"rows\":%" PRIu64 "}",
             build->rows_ns / 1000000, build->train_ns / 1000000, build->encode_ns / 1000000,
             build->arrange_ns / 1000000, build->measure_ns / 1000000, column->list_count,
             column->m, column->proj_dim, (double)result->recall_at_10, build->row_count);
}

static enum vs_status build_all(struct vs_build *build,
                                struct vs_arena *arena,
                                struct vs_writer *out,
                                struct vs_index_build_result *result,
                                struct vs_error *err)
{
    struct vs_descriptor d = {.sequence_number = 0};
    d.segments = vs_arena_alloc_array(arena, 1, sizeof *d.segments);
    int32_t *all = vs_arena_alloc_array(arena, build->params->field_count, sizeof *all);
    if (d.segments == NULL || all == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    VS_TRY(vs_build_set_up(build, err));
    VS_TRY(vs_index_writer_open(&build->writer, build->env, out, build->params->snapshot_id,
                                build->params->sequence_number, err));
    for (size_t c = 0; c < build->params->column_count; c++) {
        all[c] = build->columns[c].field->id;
    }
    build->writer.all_fields = all;
    build->writer.all_field_count = build->params->column_count;
    VS_TRY(read_and_encode(build, err));
    VS_TRY(vs_build_put_attrs(build, arena, &d.segments[0], err));
    VS_TRY(arrange_and_write(build, err));
    VS_TRY(vs_build_describe(build, arena, &d, err));
    VS_TRY(check_recall(build, &d, &result->recall_at_10, err));
    VS_TRY(
        vs_index_writer_finish(&build->writer, &d, &result->file_size, &result->footer_size, err));
    result->index_uuid = d.info.index_uuid;
    result->row_count = build->row_count;
    result->resumed_model = build->resumed_model;
    result->resumed_vectors = build->resumed_vectors;
    result->list_count = d.info.columns[0].list_count;
    result->m = d.info.columns[0].m;
    for (size_t c = 0; c < build->params->column_count; c++) {
        result->vector_count += build->columns[c].vector_count;
    }
    summarise(build, &d, result);
    return VS_OK;
}

void vs_build_clear(struct vs_build *build)
{
    for (size_t c = 0; c < build->params->column_count && build->columns != NULL; c++) {
        vs_build_column_clear(build, &build->columns[c]);
    }
    vs_free(build->env, build->columns);
    vs_build_log_close(build);
    vs_build_replay_close(build->replay);
    vs_build_resume_close(build);
    vs_index_model_free(build->own_model);
    vs_build_rows_clear(build);
    vs_index_writer_clear(&build->writer);
}

enum vs_status vs_index_build(const struct vs_env *env,
                              const struct vs_index_build_params *params,
                              const struct vs_index_row_source *source,
                              struct vs_writer *out,
                              struct vs_index_build_result *result_out,
                              struct vs_error *err)
{
    struct vs_build build = {.env = env, .params = params, .source = source};
    build.writer.env = env;
    struct vs_arena arena;
    vs_arena_init(&arena, env, 0);
    struct vs_index_build_result result = {.file_size = 0};
    enum vs_status status = build_all(&build, &arena, out, &result, err);
    if (status == VS_OK) {
        vs_build_resume_finish(&build, &result);
    }
    vs_build_clear(&build);
    vs_arena_clear(&arena);
    if (status == VS_OK) {
        *result_out = result;
    }
    return status;
}
