// SPDX-License-Identifier: Apache-2.0
/*
 * Lists in three steps. Start: k-means of a few cells, then of the lists inside each, as many as
 * its share of the points. Levels: k-means of the list centroids into super-clusters, which is what
 * searching uses. Lloyd passes over all lists, where a point finds its list through the levels as
 * every later row will; they remove what the borders of the cells left. docs/internals/training.md.
 */
#include "index/codebook_assign.h"
#include "index/codebook_internal.h"
#include "index/train_steps.h"

#include <string.h>

#define ASSIGN_ROWS 2048 // points per assignment task
#define CELL_LISTS 256   // lists per cell of the start
#define CELL_ROUNDS 8
#define CELL_POINTS 256 // sample rows per cell centroid
#define LIST_ROUNDS 4
#define SUPER_ROUNDS 8
#define GROUP_ROUNDS 3
#define LLOYD_PASSES 3

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory while training");
}

// ---- start: cells and the lists inside them ----

struct cells {
    struct vs_training *t;
    size_t count;
    float *rows;
    uint32_t *point_first; // [count + 1] points of each cell
    uint32_t *list_first;  // [count + 1] lists of each cell
    struct vs_progress progress;
};

// Points from which the cells' centroids are made.
static size_t cell_points(const struct vs_training *t, size_t cells)
{
    size_t used = cells * CELL_POINTS;
    return used < t->points.count ? used : t->points.count;
}

// Labels the points with their cells and puts them in the order of the cells.
static enum vs_status group_points(struct cells *cells, struct vs_error *err)
{
    struct vs_training *t = cells->t;
    struct vs_train_kmeans task = {.points = t->points,
                                   .count = cells->count,
                                   .thread_count = t->params->thread_count,
                                   .op = t->params->op};
    VS_TRY(vs_train_kmeans(t->env, &task, cells->rows, t->label, err));
    uint32_t *order = vs_alloc(t->env, t->points.count * sizeof *order);
    if (order == NULL) {
        return no_memory(err);
    }
    vs_train_sort_groups(t->label, t->points.count, cells->count, cells->point_first, order);
    enum vs_status status = vs_train_permute(t->env, &t->points, order, err);
    vs_free(t->env, order);
    return status;
}

static enum vs_status train_cell_centroids(struct cells *cells, struct vs_error *err)
{
    struct vs_training *t = cells->t;
    size_t used = cell_points(t, cells->count);
    float *rows = vs_train_pick_rows(t->env, t->points.rows, t->points.count, t->points.dim, used);
    if (rows == NULL) {
        return no_memory(err);
    }
    struct vs_train_kmeans task = {.points = {rows, used, t->points.dim},
                                   .count = cells->count,
                                   .rounds = CELL_ROUNDS,
                                   .seed = t->params->seed,
                                   .thread_count = t->params->thread_count,
                                   .op = t->params->op,
                                   .progress = &cells->progress};
    enum vs_status status = vs_train_kmeans(t->env, &task, cells->rows, t->label, err);
    vs_free_aligned(t->env, rows);
    return status;
}

static enum vs_status train_lists_of_cell(void *ctx, size_t cell, struct vs_error *err)
{
    struct cells *cells = ctx;
    struct vs_training *t = cells->t;
    size_t dim = t->points.dim, list = cells->list_first[cell], point = cells->point_first[cell];
    struct vs_train_kmeans task = {
        .points = {t->points.rows + point * dim, cells->point_first[cell + 1] - point, dim},
        .count = cells->list_first[cell + 1] - list,
        .rounds = LIST_ROUNDS,
        .seed = t->params->seed + cell,
        .thread_count = 1,
        .op = t->params->op,
        .progress = &cells->progress};
    return task.count == 0
               ? VS_OK
               : vs_train_kmeans(t->env, &task, t->lists.rows + list * dim, t->label + point, err);
}

static enum vs_status alloc_lists(struct vs_training *t, size_t count, struct vs_error *err)
{
    t->lists.dim = t->points.dim;
    t->lists.count = count;
    t->lists.rows = vs_alloc_aligned(t->env, count * t->lists.dim * sizeof(float));
    t->lists.super = vs_alloc_zeroed(t->env, count, sizeof *t->lists.super);
    t->lists.size = vs_alloc_zeroed(t->env, count, sizeof *t->lists.size);
    bool failed = t->lists.rows == NULL || t->lists.super == NULL || t->lists.size == NULL;
    return failed ? no_memory(err) : VS_OK;
}

static enum vs_status start_in_cells(struct cells *cells, size_t list_count, struct vs_error *err)
{
    struct vs_training *t = cells->t;
    if (cells->rows == NULL || cells->point_first == NULL || cells->list_first == NULL) {
        return no_memory(err);
    }
    VS_TRY(train_cell_centroids(cells, err));
    VS_TRY(group_points(cells, err));
    vs_train_share(cells->point_first, cells->count, list_count, cells->list_first + 1);
    for (size_t i = 0; i < cells->count; i++) {
        cells->list_first[i + 1] += cells->list_first[i];
    }
    VS_TRY(alloc_lists(t, cells->list_first[cells->count], err));
    return vs_pool_run(t->env, t->params->thread_count, cells->count, train_lists_of_cell, cells,
                       err);
}

static enum vs_status start_lists(struct vs_training *t, size_t list_count, struct vs_error *err)
{
    struct cells cells = {.t = t, .count = (list_count + CELL_LISTS - 1) / CELL_LISTS};
    cells.rows = vs_alloc_aligned(t->env, cells.count * t->points.dim * sizeof(float));
    cells.point_first = vs_alloc_zeroed(t->env, cells.count + 1, sizeof(uint32_t));
    cells.list_first = vs_alloc_zeroed(t->env, cells.count + 1, sizeof(uint32_t));
    uint64_t work = (uint64_t)CELL_ROUNDS * cell_points(t, cells.count);
    work += (uint64_t)LIST_ROUNDS * t->points.count;
    vs_progress_begin(&cells.progress, t->params->op, "training: first lists", work, "vectors");
    enum vs_status status = start_in_cells(&cells, list_count, err);
    vs_free_aligned(t->env, cells.rows);
    vs_free(t->env, cells.point_first);
    vs_free(t->env, cells.list_first);
    return status;
}

// ---- levels ----

// About sqrt(2 * lists): searching the two levels then costs about the same.
static size_t choose_super_count(size_t list_count)
{
    size_t count = 1;
    while (count * count < 2 * list_count) {
        count++;
    }
    return count < list_count ? count : list_count;
}

static enum vs_status group_lists(struct vs_training *t, struct vs_error *err)
{
    struct vs_train_grouping grouping = {t->params->thread_count, t->params->op, GROUP_ROUNDS};
    return vs_train_group(t->env, &grouping, &t->lists, t->super_rows, &t->super_count,
                          t->super_first, err);
}

static enum vs_status start_supers(struct vs_training *t, struct vs_error *err)
{
    t->super_count = choose_super_count(t->lists.count);
    t->super_rows = vs_alloc_aligned(t->env, t->super_count * t->points.dim * sizeof(float));
    t->super_first = vs_alloc_zeroed(t->env, t->super_count + 1, sizeof *t->super_first);
    if (t->super_rows == NULL || t->super_first == NULL) {
        return no_memory(err);
    }
    struct vs_train_kmeans task = {.points = {t->lists.rows, t->lists.count, t->points.dim},
                                   .count = t->super_count,
                                   .rounds = SUPER_ROUNDS,
                                   .seed = t->params->seed,
                                   .thread_count = t->params->thread_count,
                                   .op = t->params->op};
    VS_TRY(vs_train_kmeans(t->env, &task, t->super_rows, t->lists.super, err));
    return group_lists(t, err);
}

// ---- Lloyd passes ----

struct pass_task {
    struct vs_training *t;
    const struct vs_codebook *codebook;
    struct vs_progress *progress; // of all passes
};

static enum vs_status pass_rows(void *ctx, size_t index, struct vs_error *err)
{
    const struct pass_task *task = ctx;
    struct vs_training *t = task->t;
    VS_TRY(vs_op_check(t->env, t->params->op, err));
    size_t end = (index + 1) * ASSIGN_ROWS;
    end = end < t->points.count ? end : t->points.count;
    size_t first = index * ASSIGN_ROWS;
    struct vs_assignment found[ASSIGN_ROWS];
    vs_codebook_assign_batch(task->codebook, t->points.rows + first * t->points.dim, end - first,
                             0.0f, found);
    for (size_t i = first; i < end; i++) {
        t->label[i] = found[i - first].list;
    }
    vs_progress_add(task->progress, end - first);
    return VS_OK;
}

static size_t task_count(const struct vs_training *t)
{
    return (t->points.count + ASSIGN_ROWS - 1) / ASSIGN_ROWS;
}

static enum vs_status lloyd_pass(struct vs_training *t,
                                 struct vs_progress *progress,
                                 struct vs_error *err)
{
    struct vs_codebook codebook = {0};
    VS_TRY(vs_training_make_codebook(t, 1, &codebook, err));
    enum vs_status status = vs_codebook_derive(&codebook, err);
    if (status == VS_OK) {
        struct pass_task task = {t, &codebook, progress};
        status = vs_pool_run(t->env, t->params->thread_count, task_count(t), pass_rows, &task, err);
    }
    vs_codebook_clear(&codebook);
    if (status == VS_OK) {
        status =
            vs_train_update(t->env, t->params->thread_count, &t->points, t->label, &t->lists, err);
    }
    return status;
}

enum vs_status vs_train_hierarchy(struct vs_training *t, size_t list_count, struct vs_error *err)
{
    t->label = vs_alloc(t->env, t->points.count * sizeof *t->label);
    if (t->label == NULL) {
        return no_memory(err);
    }
    VS_TRY(start_lists(t, list_count, err));
    VS_TRY(start_supers(t, err));
    struct vs_progress progress;
    vs_progress_begin(&progress, t->params->op, "training: lists",
                      (uint64_t)LLOYD_PASSES * t->points.count, "vectors");
    for (uint64_t pass = 1; pass <= LLOYD_PASSES; pass++) {
        VS_TRY(lloyd_pass(t, &progress, err));
        if (pass < LLOYD_PASSES) {
            VS_TRY(vs_train_balance(t->env, &t->points, t->label, &t->lists, err));
        } else {
            vs_train_drop_empty(&t->lists);
        }
        VS_TRY(group_lists(t, err));
    }
    return vs_train_order(t->env, &t->lists, t->super_rows, t->super_count, t->super_first, err);
}
