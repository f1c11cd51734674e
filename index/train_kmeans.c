// SPDX-License-Identifier: Apache-2.0
/*
 * k-means with integer products: points and centroids are rounded to int8 for the comparisons, the
 * means are taken over the points themselves. Lloyd passes over all lists follow
 * (train_hierarchy.c), so what rounding puts on the wrong side of a border does not matter.
 */
#include "index/codebook_tiles.h"
#include "index/train_lists.h"
#include "simd/kernels.h"

#include <math.h>
#include <string.h>

#define TASK_ROWS 1024
#define CHUNK_ROWS 32
#define CHUNK_TILES 8
#define CHUNK_LISTS ((size_t)CHUNK_TILES * VS_TILE_ROWS)

struct kmeans {
    const struct vs_env *env;
    const struct vs_train_kmeans *task;
    size_t stride;
    int8_t *rows; // of the points, `stride` bytes each
    float *scale;
    struct vs_train_lists lists; // rows: the caller's
    int8_t *centroid_rows, *tiles;
    float *centroid_scale, *centroid_norm;
    uint32_t *label;
};

static void kmeans_clear(struct kmeans *k)
{
    vs_free_aligned(k->env, k->rows);
    vs_free(k->env, k->scale);
    vs_free(k->env, k->lists.size);
    vs_free(k->env, k->lists.super);
    vs_free_aligned(k->env, k->centroid_rows);
    vs_free_aligned(k->env, k->tiles);
    vs_free(k->env, k->centroid_scale);
    vs_free(k->env, k->centroid_norm);
}

static enum vs_status kmeans_init(struct kmeans *k, struct vs_error *err)
{
    const struct vs_env *env = k->env;
    size_t points = k->task->points.count, lists = k->task->count;
    k->stride = (k->task->points.dim + 3) / 4 * 4;
    k->rows = vs_alloc_aligned(env, points * k->stride);
    k->scale = vs_alloc_zeroed(env, points, sizeof *k->scale);
    k->lists.size = vs_alloc_zeroed(env, lists, sizeof *k->lists.size);
    k->lists.super = vs_alloc_zeroed(env, lists, sizeof *k->lists.super);
    k->centroid_rows = vs_alloc_aligned(env, lists * k->stride);
    k->tiles = vs_alloc_aligned(env, vs_tile_count(lists) * VS_TILE_ROWS * k->stride);
    k->centroid_scale = vs_alloc_zeroed(env, lists, sizeof *k->centroid_scale);
    k->centroid_norm = vs_alloc_zeroed(env, lists, sizeof *k->centroid_norm);
    bool made = k->rows != NULL && k->scale != NULL && k->lists.size != NULL &&
                k->lists.super != NULL && k->centroid_rows != NULL && k->tiles != NULL &&
                k->centroid_scale != NULL && k->centroid_norm != NULL;
    return made ? VS_OK : vs_fail(err, VS_NO_MEMORY, "out of memory while training");
}

static float round_row(const float *row, size_t dim, size_t stride, int8_t *to)
{
    memset(to + dim, 0, stride - dim);
    return vs_quantize_i8(row, dim, to);
}

static enum vs_status round_points(void *ctx, size_t index, struct vs_error *err)
{
    struct kmeans *k = ctx;
    const struct vs_train_points *points = &k->task->points;
    VS_TRY(vs_op_check(k->env, k->task->op, err));
    size_t end = (index + 1) * TASK_ROWS < points->count ? (index + 1) * TASK_ROWS : points->count;
    for (size_t i = index * TASK_ROWS; i < end; i++) {
        k->scale[i] = round_row(points->rows + i * points->dim, points->dim, k->stride,
                                k->rows + i * k->stride);
    }
    return VS_OK;
}

static void round_centroids(struct kmeans *k)
{
    size_t dim = k->lists.dim;
    for (size_t i = 0; i < k->lists.count; i++) {
        const float *row = k->lists.rows + i * dim;
        k->centroid_scale[i] = round_row(row, dim, k->stride, k->centroid_rows + i * k->stride);
        vs_kernels_get()->dot_f32(row, row, dim, 1, &k->centroid_norm[i]);
    }
    vs_tiles_fill(k->centroid_rows, k->stride, k->lists.count, k->stride, k->tiles);
}

// Places the least of `count` distances, first of equal ones.
static size_t find_least(const float *distances, size_t count, float *least_out)
{
    float least[VS_TILE_ROWS];
    size_t i = 0;
    for (size_t lane = 0; lane < VS_TILE_ROWS; lane++) {
        least[lane] = INFINITY;
    }
    for (; i + VS_TILE_ROWS <= count; i += VS_TILE_ROWS) {
        for (size_t lane = 0; lane < VS_TILE_ROWS; lane++) {
            float distance = distances[i + lane];
            least[lane] = distance < least[lane] ? distance : least[lane];
        }
    }
    float best = INFINITY;
    for (size_t lane = 0; lane < VS_TILE_ROWS; lane++) {
        best = least[lane] < best ? least[lane] : best;
    }
    for (; i < count; i++) {
        best = distances[i] < best ? distances[i] : best;
    }
    *least_out = best;
    for (i = 0; i + 1 < count && distances[i] > best; i++) {
    }
    return i;
}

static void label_chunk(struct kmeans *k, size_t first, size_t count)
{
    uint32_t rows[CHUNK_ROWS];
    float least[CHUNK_ROWS];
    for (size_t r = 0; r < count; r++) {
        rows[r] = (uint32_t)(first + r);
        least[r] = INFINITY;
        k->label[first + r] = 0;
    }
    for (size_t l = 0; l < k->lists.count; l += CHUNK_LISTS) {
        int32_t dots[CHUNK_ROWS * CHUNK_LISTS];
        float distances[CHUNK_LISTS];
        size_t left = k->lists.count - l < CHUNK_LISTS ? k->lists.count - l : CHUNK_LISTS;
        struct vs_i8_tiles tiles = {k->tiles + l * k->stride, k->stride / 4, vs_tile_count(left)};
        vs_kernels_get()->dot_i8_tile(k->rows, k->stride, rows, count, &tiles, dots);
        for (size_t r = 0; r < count; r++) {
            const int32_t *from = dots + r * tiles.count * VS_TILE_ROWS;
            float scale = 2.0f * k->scale[first + r], nearest;
            for (size_t i = 0; i < left; i++) {
                distances[i] =
                    k->centroid_norm[l + i] - (float)from[i] * (scale * k->centroid_scale[l + i]);
            }
            size_t at = find_least(distances, left, &nearest);
            if (nearest < least[r]) {
                least[r] = nearest;
                k->label[first + r] = (uint32_t)(l + at);
            }
        }
    }
}

static enum vs_status label_points(void *ctx, size_t index, struct vs_error *err)
{
    struct kmeans *k = ctx;
    VS_TRY(vs_op_check(k->env, k->task->op, err));
    size_t count = k->task->points.count;
    size_t end = (index + 1) * TASK_ROWS < count ? (index + 1) * TASK_ROWS : count;
    for (size_t first = index * TASK_ROWS; first < end; first += CHUNK_ROWS) {
        label_chunk(k, first, end - first < CHUNK_ROWS ? end - first : CHUNK_ROWS);
    }
    vs_progress_add(k->task->progress, end - index * TASK_ROWS);
    return VS_OK;
}

static uint64_t next_random(uint64_t *state) // splitmix64
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

// One point of each of `count` equal stretches.
static void choose_start(struct kmeans *k)
{
    const struct vs_train_points *points = &k->task->points;
    uint64_t state = k->task->seed;
    for (size_t i = 0; i < k->lists.count; i++) {
        size_t first = points->count * i / k->lists.count;
        size_t end = points->count * (i + 1) / k->lists.count;
        size_t chosen = first + (size_t)(next_random(&state) % (end - first));
        memcpy(k->lists.rows + i * k->lists.dim, points->rows + chosen * points->dim,
               points->dim * sizeof(float));
    }
}

static enum vs_status run_rounds(struct kmeans *k, struct vs_error *err)
{
    const struct vs_train_kmeans *task = k->task;
    size_t tasks = (task->points.count + TASK_ROWS - 1) / TASK_ROWS;
    VS_TRY(vs_pool_run(k->env, task->thread_count, tasks, round_points, k, err));
    if (task->rounds > 0) {
        choose_start(k);
    }
    for (int round = 0; round < task->rounds; round++) {
        if (round > 0) {
            vs_train_split_empty(&k->lists);
        }
        round_centroids(k);
        VS_TRY(vs_pool_run(k->env, task->thread_count, tasks, label_points, k, err));
        VS_TRY(
            vs_train_update(k->env, task->thread_count, &task->points, k->label, &k->lists, err));
    }
    if (task->rounds == 0) {
        round_centroids(k);
        VS_TRY(vs_pool_run(k->env, task->thread_count, tasks, label_points, k, err));
    }
    return VS_OK;
}

enum vs_status vs_train_kmeans(const struct vs_env *env,
                               const struct vs_train_kmeans *task,
                               float *centroids,
                               uint32_t *label,
                               struct vs_error *err)
{
    struct kmeans k = {.env = env,
                       .task = task,
                       .lists = {.rows = centroids, .count = task->count, .dim = task->points.dim},
                       .label = label};
    enum vs_status status = kmeans_init(&k, err);
    if (status == VS_OK) {
        status = run_rounds(&k, err);
    }
    kmeans_clear(&k);
    return status;
}
