// SPDX-License-Identifier: Apache-2.0
#include "index/measure_truth.h"

#include "index/build_internal.h"
#include "index/codebook_tiles.h"
#include "index/topk.h"
#include "simd/kernels.h"
#include "vecstore/base/pool.h"

#include <math.h>

#define TASK_TILES 2
#define TASK_QUERIES ((size_t)TASK_TILES * VS_TILE_ROWS)
#define BLOCK_ROWS 64
// Rounding errors are taken for uniform in a step: a product is wrong by about length of the query
// * scale of the row / sqrt(12). The noise made here is a sum of four uniform numbers, at
// most 3.4642 of its standard deviations.
#define NOISE_STEPS 37837.2F // its standard deviation before scaling
#define NOISE_MOST 1.0002F   // 3.4642 / sqrt(12), and what float arithmetic may add

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the recall measurement");
}

enum vs_status vs_truth_make(const struct vs_env *env,
                             enum vs_metric metric,
                             size_t dim,
                             size_t query_count,
                             struct vs_truth *truth_out,
                             struct vs_error *err)
{
    size_t stride = (size_t)vs_align64(dim);
    struct vs_truth truth = {
        .env = env, .metric = metric, .dim = dim, .stride = stride, .query_count = query_count};
    truth.vectors = vs_alloc_aligned(env, query_count * dim * sizeof(float) + 64);
    truth.queries = vs_alloc_zeroed(env, query_count, sizeof *truth.queries);
    *truth_out = truth;
    if (truth.vectors == NULL || truth.queries == NULL) {
        return no_memory(err);
    }
    memset(truth.vectors, 0, query_count * dim * sizeof(float));
    for (size_t q = 0; q < query_count; q++) {
        truth.queries[q].own_row = UINT32_MAX;
        truth.queries[q].least = -INFINITY;
    }
    return VS_OK;
}

enum vs_status vs_truth_ready(struct vs_truth *truth, struct vs_error *err)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t quads = truth->stride / 4, tile = quads * 64,
           padded = (truth->query_count + TASK_QUERIES - 1) / TASK_QUERIES * TASK_QUERIES;
    int8_t *rows = vs_alloc_aligned(truth->env, VS_TILE_ROWS * truth->stride);
    truth->tiles = vs_alloc_aligned(truth->env, padded / VS_TILE_ROWS * tile + 64);
    if (rows == NULL || truth->tiles == NULL) {
        vs_free_aligned(truth->env, rows);
        return no_memory(err);
    }
    memset(truth->tiles, 0, padded / VS_TILE_ROWS * tile);
    for (size_t first = 0; first < truth->query_count; first += VS_TILE_ROWS) {
        size_t left = truth->query_count - first, count = left < VS_TILE_ROWS ? left : VS_TILE_ROWS;
        memset(rows, 0, VS_TILE_ROWS * truth->stride);
        for (size_t q = 0; q < count; q++) {
            struct vs_truth_query *query = &truth->queries[first + q];
            const float *vector = truth->vectors + (first + q) * truth->dim;
            query->scale = vs_quantize_i8(vector, truth->dim, rows + q * truth->stride);
            kernels->dot_f32(vector, vector, truth->dim, 1, &query->norm);
            query->length = sqrtf(query->norm);
        }
        vs_tiles_fill(rows, truth->stride, count, truth->stride,
                      truth->tiles + first / VS_TILE_ROWS * tile);
    }
    vs_free_aligned(truth->env, rows);
    return VS_OK;
}

void vs_truth_clear(struct vs_truth *truth)
{
    if (truth->env == NULL) {
        return;
    }
    vs_free_aligned(truth->env, truth->vectors);
    vs_free_aligned(truth->env, truth->tiles);
    vs_free(truth->env, truth->queries);
    *truth = (struct vs_truth){0};
}

// ---- queries out of rows ----

// Adds noise to a row: a random direction, `length` times as long as rows are away from their
// mean. Passages of the same document as its origin (rows around it) do not count.
static void perturb(
    const float *row, const float *other, size_t dim, float length, uint64_t *random, float *query)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    float apart = 0.0F, norm = 0.0F;
    kernels->l2_f32(row, other, dim, 1, &apart);
    for (size_t d = 0; d < dim;
         d++) { // sums of four uniform numbers: near enough to normal, and the same everywhere
        uint64_t bits = vs_build_random(random);
        int32_t sum = (int32_t)(bits & 0xffff) + (int32_t)(bits >> 16 & 0xffff) +
                      (int32_t)(bits >> 32 & 0xffff) + (int32_t)(bits >> 48);
        query[d] = (float)(sum - 131070);
    }
    kernels->dot_f32(query, query, dim, 1, &norm);
    float scale = norm > 0.0F ? length * sqrtf(0.5F * apart) / sqrtf(norm) : 0.0F;
    for (size_t d = 0; d < dim; d++) {
        query[d] = row[d] + scale * query[d];
    }
}

void vs_truth_from_rows(struct vs_truth *truth, const struct vs_truth_sample *sample)
{
    size_t dim = truth->dim, count = truth->query_count;
    uint64_t random = sample->seed ^ 0x71756572696573u;
    for (size_t i = 0; i < count; i++) {
        size_t at = i * sample->count / count;
        size_t other = (size_t)(vs_build_random(&random) % sample->count);
        bool noisy = i % VS_TRUTH_GROUPS == 1;
        const float *row = sample->rows + at * dim;
        float *query = truth->vectors + i * dim;
        truth->queries[i].own_row =
            sample->row_numbers != NULL ? sample->row_numbers[at] : (uint32_t)at;
        truth->queries[i].group = noisy;
        perturb(row, sample->rows + other * dim, dim, noisy ? sample->perturbation : 0.0F, &random,
                query);
        if (!vs_build_prepare(vs_kernels_get(), truth->metric, query, dim)) {
            memcpy(query, row, dim * sizeof(float));
        }
    }
}

// ---- answers ----

// Keeps the best VS_TRUTH_DEPTH. The ids of the cut are places, so that the other facts can follow.
static void shrink(struct vs_truth_query *query)
{
    uint32_t places[2 * VS_TRUTH_DEPTH];
    if (query->count <= VS_TRUTH_DEPTH) {
        return;
    }
    for (size_t i = 0; i < query->count; i++) {
        places[i] = (uint32_t)i;
    }
    uint32_t cut = vs_topk_cut(query->keys, places, query->count, VS_TRUTH_DEPTH);
    query->count = VS_TRUTH_DEPTH;
    query->threshold = cut == UINT32_MAX ? cut : cut + 1;
    query->least = vs_topk_score(cut);
    for (size_t i = 0; i < VS_TRUTH_DEPTH; i++) { // places[i] >= i: in their order
        query->rows[i] = query->rows[places[i]];
        query->estimates[i] = query->estimates[places[i]];
    }
}

static bool is_excluded(const struct vs_truth *truth,
                        const struct vs_truth_query *query,
                        uint32_t row)
{
    uint32_t own = query->own_row, distance = row > own ? row - own : own - row;
    return own != UINT32_MAX && distance <= truth->excluded;
}

// The error of a score, as large as that of rounding and the same for this query and row whenever
// they meet.
static float rounding(const struct vs_truth *truth, size_t q, const struct vs_row_fact *fact)
{
    const struct vs_truth_query *query = &truth->queries[q];
    uint64_t state = (uint64_t)q << 32 | fact->row, bits = vs_build_random(&state);
    int32_t sum = (int32_t)(bits & 0xffff) + (int32_t)(bits >> 16 & 0xffff) +
                  (int32_t)(bits >> 32 & 0xffff) + (int32_t)(bits >> 48);
    // The query has sixteen bits in the end (lists_run.c): only the row's rounding counts.
    float deviation = query->length * fact->scale / sqrtf(12.0F);
    return deviation * ((float)(sum - 131070) / NOISE_STEPS);
}

// One row that may be among the best.
static void offer(struct vs_truth *truth, size_t q, const struct vs_row_fact *fact, float estimate)
{
    struct vs_truth_query *query = &truth->queries[q];
    float error = rounding(truth, q, fact);
    uint32_t key = vs_topk_key(estimate + (truth->metric == VS_METRIC_L2 ? 2.0F * error : error));
    if (key < query->threshold || is_excluded(truth, query, fact->row)) {
        return;
    }
    if (query->count == (size_t)2 * VS_TRUTH_DEPTH) {
        shrink(query);
        if (key < query->threshold) {
            return;
        }
    }
    query->keys[query->count] = key;
    query->rows[query->count] = fact->row;
    query->estimates[query->count++] = estimate;
}

struct add_task {
    struct vs_truth *truth;
    const struct vs_truth_chunk *chunk;
};

// What a row is compared with: the queries of one task, side by side.
struct lanes {
    float scale[TASK_QUERIES], length[TASK_QUERIES], norm[TASK_QUERIES], least[TASK_QUERIES];
    float estimate[TASK_QUERIES], highest[TASK_QUERIES];
};

static void fill_lanes(const struct vs_truth *truth,
                       size_t first,
                       size_t count,
                       struct lanes *lanes)
{
    for (size_t q = 0; q < TASK_QUERIES; q++) {
        const struct vs_truth_query *query = &truth->queries[first + (q < count ? q : 0)];
        lanes->scale[q] = query->scale;
        lanes->length[q] = query->length;
        lanes->norm[q] = query->norm;
        lanes->least[q] = q < count ? query->least : INFINITY;
    }
}

// Scores of one row for all queries of the task; true when one of them may want it.
static bool score_row(const struct vs_row_fact *fact,
                      bool distance,
                      const int32_t *dots,
                      struct lanes *lanes)
{
    float row_scale = fact->scale, most = NOISE_MOST * row_scale, weight = distance ? 2.0F : 1.0F;
    float row_norm = distance ? fact->norm : 0.0F, query_weight = distance ? 1.0F : 0.0F;
    unsigned wanted = 0;
    for (size_t q = 0; q < TASK_QUERIES; q++) { // the same operations as in the search
        float dot = (float)dots[q] * (lanes->scale[q] * row_scale);
        float error = lanes->length[q] * most;
        lanes->estimate[q] = weight * dot - row_norm - query_weight * lanes->norm[q];
        lanes->highest[q] = lanes->estimate[q] + weight * error;
        wanted |= (unsigned)(lanes->highest[q] >= lanes->least[q]);
    }
    return wanted != 0;
}

static enum vs_status add_queries(void *ctx, size_t task, struct vs_error *err)
{
    (void)err;
    const struct add_task *add = ctx;
    struct vs_truth *truth = add->truth;
    size_t first = task * TASK_QUERIES, left = truth->query_count - first,
           count = left < TASK_QUERIES ? left : TASK_QUERIES;
    bool distance = truth->metric == VS_METRIC_L2;
    struct vs_i8_tiles tiles = {truth->tiles + first * truth->stride, truth->stride / 4,
                                TASK_TILES};
    const struct vs_kernels *kernels = vs_kernels_get();
    struct lanes lanes;
    int32_t dots[BLOCK_ROWS * TASK_QUERIES];
    uint32_t index[BLOCK_ROWS];
    for (size_t row = 0; row < add->chunk->count; row += BLOCK_ROWS) {
        size_t rows = add->chunk->count - row < BLOCK_ROWS ? add->chunk->count - row : BLOCK_ROWS;
        for (size_t i = 0; i < rows; i++) {
            index[i] = (uint32_t)i;
        }
        kernels->dot_i8_tile(add->chunk->rows_i8 + row * truth->stride, truth->stride, index, rows,
                             &tiles, dots);
        fill_lanes(truth, first, count, &lanes);
        for (size_t i = 0; i < rows; i++) {
            const struct vs_row_fact *fact = &add->chunk->facts[row + i];
            if (!score_row(fact, distance, dots + i * TASK_QUERIES, &lanes)) {
                continue;
            }
            for (size_t q = 0; q < count; q++) {
                if (lanes.highest[q] >= lanes.least[q]) {
                    offer(truth, first + q, fact, lanes.estimate[q]);
                }
            }
        }
    }
    return VS_OK;
}

enum vs_status vs_truth_add(struct vs_truth *truth,
                            const struct vs_truth_chunk *chunk,
                            size_t thread_count,
                            struct vs_error *err)
{
    if (chunk->count == 0 || truth->query_count == 0) {
        return VS_OK;
    }
    struct add_task add = {truth, chunk};
    size_t tasks = (truth->query_count + TASK_QUERIES - 1) / TASK_QUERIES;
    return vs_pool_run(truth->env, thread_count, tasks, add_queries, &add, err);
}

void vs_truth_finish(struct vs_truth *truth)
{
    for (size_t q = 0; q < truth->query_count; q++) {
        struct vs_truth_query *query = &truth->queries[q];
        uint32_t places[VS_TRUTH_DEPTH], spare_keys[VS_TRUTH_DEPTH], spare_places[VS_TRUTH_DEPTH];
        uint32_t rows[VS_TRUTH_DEPTH];
        float estimates[VS_TRUTH_DEPTH];
        shrink(query);
        for (size_t i = 0; i < query->count; i++) {
            places[i] = (uint32_t)i;
        }
        vs_topk_sort(query->keys, places, spare_keys, spare_places, query->count);
        for (size_t i = 0; i < query->count; i++) {
            rows[i] = query->rows[places[i]];
            estimates[i] = query->estimates[places[i]];
        }
        memcpy(query->rows, rows, query->count * sizeof *rows);
        memcpy(query->estimates, estimates, query->count * sizeof *estimates);
    }
}
