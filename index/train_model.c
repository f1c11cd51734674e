// SPDX-License-Identifier: Apache-2.0
// vs_train: projection, product-quantiser codebooks, lists. The stages and what they cost:
// docs/internals/training.md.
#include "index/codebook_assign.h"
#include "index/codebook_internal.h"
#include "index/train_steps.h"
#include "simd/kernels.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define PROJECT_ROWS 256
#define ROWS_PER_LIST_MIN 8 // fewer sample rows make fewer lists
#define PQ_ROUNDS 13
#define PQ_SAMPLE 16384
#define PROJECTION_SAMPLE_MIN 16384 // or 32 rows for each dimension
#define OPQ_SAMPLE 16384
#define OPQ_SAMPLE_MIN 9984 // 39 for each of the 256 centroids of the quantiser inside FAISS's OPQ
#define PCA_ROWS_MAX 2048   // above this dimension PCA uses the Gram matrix of this many rows

// FAISS and BLAS keep their number of threads per process: trainings take turns.
static pthread_mutex_t training_lock = PTHREAD_MUTEX_INITIALIZER;

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory while training");
}

void vs_training_clear(struct vs_training *t)
{
    vs_codebook_clear(&t->model);
    vs_free_aligned(t->env, t->points.rows);
    vs_free_aligned(t->env, t->lists.rows);
    vs_free(t->env, t->lists.super);
    vs_free(t->env, t->lists.size);
    vs_free_aligned(t->env, t->super_rows);
    vs_free(t->env, t->super_first);
    vs_free(t->env, t->label);
    *t = (struct vs_training){.env = t->env};
}

float *vs_train_pick_rows(
    const struct vs_env *env, const float *rows, size_t count, size_t dim, size_t wanted)
{
    float *picked = vs_alloc_aligned(env, wanted * dim * sizeof *picked);
    for (size_t i = 0; picked != NULL && i < wanted; i++) {
        memcpy(picked + i * dim, rows + (count * i / wanted) * dim, dim * sizeof *picked);
    }
    return picked;
}

// ---- projection ----

static bool all_bounded(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(values[i]) <= VS_CODEBOOK_ABS_MAX)) {
            return false;
        }
    }
    return true;
}

// PCA needs more rows than coordinates and OPQ enough for the k-means inside it; a random rotation
// always works.
static enum vs_projection possible_projection(const struct vs_training *t, size_t rows_out)
{
    enum vs_projection wish = t->params->projection;
    if (wish == VS_PROJECTION_OPQ &&
        (t->sample->count < OPQ_SAMPLE_MIN || rows_out < t->model.proj_dim)) {
        wish = VS_PROJECTION_PCA;
    }
    return wish == VS_PROJECTION_PCA && t->sample->count < 2 * rows_out ? VS_PROJECTION_NONE : wish;
}

static size_t projection_sample(const struct vs_training *t, enum vs_projection kind)
{
    size_t wanted = 32 * (size_t)t->model.dim;
    wanted = wanted < PROJECTION_SAMPLE_MIN ? PROJECTION_SAMPLE_MIN : wanted;
    wanted = kind == VS_PROJECTION_OPQ ? OPQ_SAMPLE : wanted;
    if (kind == VS_PROJECTION_PCA && t->model.dim > PCA_ROWS_MAX) {
        wanted = PCA_ROWS_MAX;
    }
    return wanted < t->sample->count ? wanted : t->sample->count;
}

// A projection depends on nothing but the rows and its width; that of OPQ also on the codes.
static bool takes_over(const struct vs_training *t)
{
    const struct vs_codebook *like = t->params->like;
    return like != NULL && like->dim == t->model.dim && like->proj_dim == t->model.proj_dim &&
           (t->params->projection != VS_PROJECTION_OPQ || like->m == t->model.m);
}

static enum vs_status train_projection(struct vs_training *t, struct vs_error *err)
{
    struct vs_codebook *model = &t->model;
    size_t dim = model->dim;
    size_t rows_out = model->proj_dim < dim ? model->proj_dim : dim; // further rows stay zero
    if (t->params->projection == VS_PROJECTION_NONE && rows_out == dim) {
        for (size_t p = 0; p < dim; p++) {
            model->projection[p * dim + p] = 1.0f;
        }
        return VS_OK;
    }
    if (takes_over(t)) {
        const struct vs_codebook *like = t->params->like;
        memcpy(model->projection, like->projection,
               vs_codebook_projection_len(model) * sizeof(float));
        memcpy(model->projection_bias, like->projection_bias, model->proj_dim * sizeof(float));
        return VS_OK;
    }
    struct vs_transform_task task = {.kind = possible_projection(t, rows_out),
                                     .rows_out = rows_out};
    task.count = projection_sample(t, task.kind);
    float *rows = vs_alloc_aligned(t->env, task.count * dim * sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < task.count; i++) { // evenly chosen
        (void)vs_train_row(t->sample, t->sample->count * i / task.count, dim, rows + i * dim);
    }
    task.rows = rows;
    enum vs_status status = vs_faiss_transform(&task, model, err);
    if (status == VS_OK && task.kind != VS_PROJECTION_NONE &&
        !(all_bounded(model->projection, vs_codebook_projection_len(model)) &&
          all_bounded(model->projection_bias, model->proj_dim))) {
        memset(model->projection_bias, 0, model->proj_dim * sizeof(float));
        task.kind = VS_PROJECTION_NONE;
        status = vs_faiss_transform(&task, model, err);
    }
    vs_free_aligned(t->env, rows);
    return status;
}

struct project_task {
    struct vs_training *t;
    struct vs_progress *progress;
};

static enum vs_status project_rows(void *ctx, size_t index, struct vs_error *err)
{
    const struct project_task *task = ctx;
    struct vs_training *t = task->t;
    VS_TRY(vs_op_check(t->env, t->params->op, err));
    size_t first = index * PROJECT_ROWS, stride = t->sample->stride;
    size_t count =
        t->sample->count - first < PROJECT_ROWS ? t->sample->count - first : PROJECT_ROWS;
    float scale[PROJECT_ROWS];
    int8_t *rows = vs_alloc(t->env, count * stride);
    if (rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = vs_train_place(t->sample, first + i);
        memcpy(rows + i * stride, t->sample->values + at * stride, stride);
        scale[i] = t->sample->facts[at].scale;
    }
    vs_codebook_project_rows(&t->model, rows, stride, scale, count,
                             t->points.rows + first * t->points.dim);
    vs_free(t->env, rows);
    vs_progress_add(task->progress, count);
    return VS_OK;
}

static enum vs_status project_sample(struct vs_training *t, struct vs_error *err)
{
    VS_TRY(vs_codebook_derive(&t->model, err)); // the projection in int8
    t->points.dim = t->model.proj_dim;
    t->points.count = t->sample->count;
    t->points.rows = vs_alloc_aligned(t->env, t->sample->count * t->points.dim * sizeof(float));
    if (t->points.rows == NULL) {
        return no_memory(err);
    }
    size_t task_count = (t->sample->count + PROJECT_ROWS - 1) / PROJECT_ROWS;
    struct vs_progress progress;
    vs_progress_begin(&progress, t->params->op, "training: projection", t->sample->count,
                      "vectors");
    struct project_task task = {t, &progress};
    return vs_pool_run(t->env, t->params->thread_count, task_count, project_rows, &task, err);
}

// ---- product quantiser ----

struct pq_task {
    struct vs_training *t;
    const float *rows; // [count][proj_dim]
    size_t count;
    struct vs_progress progress;
};

// Puts the codes of a table side by side.
static void spread_lanes(const float *table, size_t sub_dim, float *lanes)
{
    for (size_t code = 0; code < VS_PQ_CODES; code++) {
        for (size_t j = 0; j < sub_dim; j++) {
            lanes[j * VS_PQ_CODES + code] = table[code * sub_dim + j];
        }
    }
}

// One Lloyd round over all rows; codes without points stay. scratch: 2 * 16 * sub_dim floats.
static void pq_round(const float *rows, size_t count, size_t sub_dim, float *table, float *scratch)
{
    float *lanes = scratch, *sum = scratch + VS_PQ_CODES * sub_dim;
    uint32_t size[VS_PQ_CODES] = {0};
    spread_lanes(table, sub_dim, lanes);
    memset(sum, 0, VS_PQ_CODES * sub_dim * sizeof *sum);
    for (size_t i = 0; i < count; i++) {
        const float *row = rows + i * sub_dim;
        uint8_t code;
        vs_kernels_get()->pq4_encode(row, lanes, 1, sub_dim, &code);
        size[code]++;
        for (size_t j = 0; j < sub_dim; j++) {
            sum[code * sub_dim + j] += row[j];
        }
    }
    for (size_t code = 0; code < VS_PQ_CODES; code++) {
        for (size_t j = 0; j < sub_dim && size[code] != 0; j++) {
            table[code * sub_dim + j] = sum[code * sub_dim + j] / (float)size[code];
        }
    }
}

// Lloyd rounds by the encoder's own loop, from rows that lie evenly in the sample.
static enum vs_status train_table(const struct vs_training *t,
                                  size_t index,
                                  const float *rows,
                                  size_t count,
                                  struct vs_error *err)
{
    size_t sub_dim = t->model.sub_dim;
    float *table = t->model.pq + index * VS_PQ_CODES * sub_dim;
    float *scratch = vs_alloc(t->env, (size_t)2 * VS_PQ_CODES * sub_dim * sizeof *scratch);
    if (scratch == NULL) {
        return no_memory(err);
    }
    for (size_t code = 0; code < VS_PQ_CODES; code++) {
        memcpy(table + code * sub_dim, rows + count * code / VS_PQ_CODES * sub_dim,
               sub_dim * sizeof *table);
    }
    for (int round = 0; round < PQ_ROUNDS; round++) {
        pq_round(rows, count, sub_dim, table, scratch);
    }
    vs_free(t->env, scratch);
    return VS_OK;
}

static enum vs_status train_sub_quantiser(void *ctx, size_t index, struct vs_error *err)
{
    struct pq_task *pq = ctx;
    struct vs_training *t = pq->t;
    VS_TRY(vs_op_check(t->env, t->params->op, err));
    size_t sub_dim = t->model.sub_dim, proj_dim = t->model.proj_dim;
    float *sub = vs_alloc(t->env, pq->count * sub_dim * sizeof *sub);
    if (sub == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < pq->count; i++) {
        memcpy(sub + i * sub_dim, pq->rows + i * proj_dim + index * sub_dim, sub_dim * sizeof *sub);
    }
    enum vs_status status = train_table(t, index, sub, pq->count, err);
    vs_free(t->env, sub);
    vs_progress_add(&pq->progress, 1);
    return status;
}

static enum vs_status train_pq(struct vs_training *t, struct vs_error *err)
{
    size_t count = t->points.count < PQ_SAMPLE ? t->points.count : PQ_SAMPLE;
    float *rows = vs_train_pick_rows(t->env, t->points.rows, t->points.count, t->points.dim, count);
    if (rows == NULL) {
        return no_memory(err);
    }
    struct pq_task task = {.t = t, .rows = rows, .count = count};
    vs_progress_begin(&task.progress, t->params->op, "training: codes", t->model.m, "tables");
    enum vs_status status =
        vs_pool_run(t->env, t->params->thread_count, t->model.m, train_sub_quantiser, &task, err);
    vs_free_aligned(t->env, rows);
    return status;
}

// ---- the whole ----

static enum vs_status check_params(const struct vs_train_params *params,
                                   size_t sample_count,
                                   struct vs_error *err)
{
    if (sample_count == 0 || sample_count > UINT32_MAX) {
        return vs_fail(err, VS_INVALID, "training needs 1 to 4294967295 sample rows, not %zu",
                       sample_count);
    }
    if ((unsigned)params->projection > VS_PROJECTION_NONE) {
        return vs_fail(err, VS_INVALID, "projection %u is not known", (unsigned)params->projection);
    }
    if (params->m == 0 || params->proj_dim % params->m != 0) {
        return vs_fail(err, VS_INVALID,
                       "projected dimension %u is not a multiple of %u sub-quantisers",
                       params->proj_dim, params->m);
    }
    return VS_OK;
}

enum vs_status vs_training_make_codebook(const struct vs_training *t,
                                         uint32_t dim,
                                         struct vs_codebook *codebook_out,
                                         struct vs_error *err)
{
    struct vs_codebook made = {.dim = dim,
                               .proj_dim = t->model.proj_dim,
                               .m = t->model.m,
                               .sub_dim = t->model.sub_dim,
                               .super_count = (uint32_t)t->super_count,
                               .list_count = (uint32_t)t->lists.count,
                               .metric = t->model.metric};
    VS_TRY(vs_codebook_init(&made, t->env, err));
    memcpy(made.super_centroids, t->super_rows, vs_codebook_super_len(&made) * sizeof(float));
    memcpy(made.super_first, t->super_first, (t->super_count + 1) * sizeof(uint32_t));
    memcpy(made.centroids, t->lists.rows, vs_codebook_centroid_len(&made) * sizeof(float));
    *codebook_out = made;
    return VS_OK;
}

// A codebook of the final counts; the projection and the quantiser are taken over.
static enum vs_status finish_model(struct vs_training *t,
                                   struct vs_codebook *codebook_out,
                                   struct vs_error *err)
{
    struct vs_codebook made = {0};
    VS_TRY(vs_training_make_codebook(t, t->model.dim, &made, err));
    memcpy(made.projection, t->model.projection, vs_codebook_projection_len(&made) * sizeof(float));
    memcpy(made.projection_bias, t->model.projection_bias, made.proj_dim * sizeof(float));
    memcpy(made.pq, t->model.pq, vs_codebook_pq_len(&made) * sizeof(float));
    enum vs_status status = vs_codebook_finish(&made, err);
    if (status == VS_OK) {
        *codebook_out = made;
    } else {
        vs_codebook_clear(&made);
    }
    return status;
}

static enum vs_status run_training(struct vs_training *t,
                                   struct vs_codebook *codebook,
                                   struct vs_error *err)
{
    const struct vs_train_params *params = t->params;
    VS_TRY(vs_op_check(t->env, params->op, err));
    VS_TRY(vs_codebook_init(&t->model, t->env, err));
    vs_op_progress(params->op, "training: projection", 0, t->sample->count, "vectors");
    VS_TRY(train_projection(t, err));
    VS_TRY(project_sample(t, err));
    VS_TRY(train_pq(t, err));
    size_t list_max = t->sample->count / ROWS_PER_LIST_MIN;
    list_max = list_max == 0 ? 1 : list_max;
    size_t list_count = params->list_count < list_max ? params->list_count : list_max;
    VS_TRY(vs_train_hierarchy(t, list_count, err));
    return finish_model(t, codebook, err);
}

enum vs_status vs_train(const struct vs_env *env,
                        const struct vs_train_params *params,
                        const struct vs_train_rows *sample,
                        struct vs_codebook *codebook_out,
                        struct vs_error *err)
{
    struct vs_train_params full = *params;
    vs_train_defaults(&full);
    VS_TRY(check_params(&full, sample->count, err));
    struct vs_training training = {
        .env = env,
        .params = &full,
        .sample = sample,
        .model = {.dim = full.dim,
                  .proj_dim = full.proj_dim,
                  .m = full.m,
                  .sub_dim = full.proj_dim / full.m,
                  .super_count = 1, // until the lists are trained
                  .list_count = 1,
                  .metric = full.metric},
    };
    pthread_mutex_lock(&training_lock);
    vs_faiss_begin();
    int thread_count = vs_faiss_one_thread();
    enum vs_status status = run_training(&training, codebook_out, err);
    vs_faiss_restore_threads(thread_count);
    vs_training_clear(&training);
    pthread_mutex_unlock(&training_lock);
    return status;
}
