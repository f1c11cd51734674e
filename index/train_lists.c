// SPDX-License-Identifier: Apache-2.0
#include "index/train_lists.h"

#include "simd/kernels.h"

#include <string.h>

#define GROUP_LISTS 256 // per task

void vs_train_sort_groups(
    const uint32_t *group, size_t count, size_t group_count, uint32_t *first, uint32_t *order)
{
    memset(first, 0, (group_count + 1) * sizeof *first);
    for (size_t i = 0; i < count; i++) {
        first[group[i] + 1]++;
    }
    for (size_t g = 0; g < group_count; g++) {
        first[g + 1] += first[g];
    }
    for (size_t i = 0; i < count; i++) {
        order[first[group[i]]++] = (uint32_t)i;
    }
    for (size_t g = group_count; g > 0; g--) {
        first[g] = first[g - 1];
    }
    first[0] = 0;
}

enum vs_status vs_train_permute(const struct vs_env *env,
                                struct vs_train_points *points,
                                uint32_t *order,
                                struct vs_error *err)
{
    size_t row_bytes = points->dim * sizeof(float);
    float *spare = vs_alloc(env, row_bytes);
    if (spare == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory while training");
    }
    for (size_t start = 0; start < points->count; start++) {
        if (order[start] == start) {
            continue;
        }
        // Follows the cycle through start; places that are done point at themselves.
        memcpy(spare, points->rows + start * points->dim, row_bytes);
        size_t at = start;
        while (order[at] != start) {
            size_t from = order[at];
            memcpy(points->rows + at * points->dim, points->rows + from * points->dim, row_bytes);
            order[at] = (uint32_t)at;
            at = from;
        }
        memcpy(points->rows + at * points->dim, spare, row_bytes);
        order[at] = (uint32_t)at;
    }
    vs_free(env, spare);
    return VS_OK;
}

// The group with the most points per child that can have one more, or with the fewest that can give
// one back; group_count when there is none.
static size_t group_to_change(const uint32_t *first,
                              size_t group_count,
                              const uint32_t *children,
                              bool more)
{
    size_t best = group_count;
    double best_load = 0.0;
    for (size_t g = 0; g < group_count; g++) {
        uint32_t size = first[g + 1] - first[g];
        if (more ? children[g] >= size : children[g] <= 1) {
            continue;
        }
        double load = (double)size / (double)children[g];
        load = more ? load : 1.0 / load;
        if (best == group_count || load > best_load) {
            best = g;
            best_load = load;
        }
    }
    return best;
}

void vs_train_share(const uint32_t *first, size_t group_count, size_t total, uint32_t *children)
{
    uint64_t points = first[group_count];
    size_t given = 0;
    for (size_t g = 0; g < group_count; g++) {
        uint32_t size = first[g + 1] - first[g];
        uint32_t share = (uint32_t)(points == 0 ? 0 : (uint64_t)total * size / points);
        share = share == 0 && size > 0 ? 1 : share;
        children[g] = share < size ? share : size;
        given += children[g];
    }
    // What rounding left over goes to the groups with the most points per child, one at a time.
    while (given != total) {
        bool more = given < total;
        size_t group = group_to_change(first, group_count, children, more);
        if (group == group_count) {
            return; // fewer points than children, or more groups than children
        }
        children[group] += more ? 1u : UINT32_MAX;
        given += more ? 1u : SIZE_MAX;
    }
}

struct update_task {
    const struct vs_train_points *points;
    struct vs_train_lists *lists;
    const uint32_t *first, *order;
    size_t task_count;
};

static void mean_of_list(const struct update_task *task, size_t list)
{
    size_t dim = task->points->dim, from = task->first[list], end = task->first[list + 1];
    float *centroid = task->lists->rows + list * dim;
    task->lists->size[list] = (uint32_t)(end - from);
    if (from == end) {
        return;
    }
    memset(centroid, 0, dim * sizeof *centroid);
    for (size_t i = from; i < end; i++) {
        const float *row = task->points->rows + (size_t)task->order[i] * dim;
        for (size_t j = 0; j < dim; j++) {
            centroid[j] += row[j];
        }
    }
    float count = (float)(end - from);
    for (size_t j = 0; j < dim; j++) {
        centroid[j] /= count;
    }
}

static enum vs_status update_range(void *ctx, size_t index, struct vs_error *err)
{
    const struct update_task *task = ctx;
    (void)err;
    size_t count = task->lists->count;
    size_t begin = count * index / task->task_count, end = count * (index + 1) / task->task_count;
    for (size_t list = begin; list < end; list++) {
        mean_of_list(task, list);
    }
    return VS_OK;
}

enum vs_status vs_train_update(const struct vs_env *env,
                               size_t thread_count,
                               const struct vs_train_points *points,
                               const uint32_t *label,
                               struct vs_train_lists *lists,
                               struct vs_error *err)
{
    enum vs_status status = VS_NO_MEMORY;
    uint32_t *first = vs_alloc(env, (lists->count + 1) * sizeof *first);
    uint32_t *order = vs_alloc(env, points->count * sizeof *order);
    if (first == NULL || order == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory while training");
    } else {
        vs_train_sort_groups(label, points->count, lists->count, first, order);
        struct update_task task = {points, lists, first, order, 4 * thread_count + 1};
        status = vs_pool_run(env, thread_count, task.task_count, update_range, &task, err);
    }
    vs_free(env, first);
    vs_free(env, order);
    return status;
}

void vs_train_split_empty(struct vs_train_lists *lists)
{
    for (size_t empty = 0; empty < lists->count; empty++) {
        if (lists->size[empty] != 0) {
            continue;
        }
        size_t largest = 0;
        for (size_t i = 1; i < lists->count; i++) {
            largest = lists->size[i] > lists->size[largest] ? i : largest;
        }
        if (lists->size[largest] < 2) {
            return;
        }
        float *to = lists->rows + empty * lists->dim, *from = lists->rows + largest * lists->dim;
        for (size_t j = 0; j < lists->dim; j++) {
            float shift = from[j] * (j % 2 == 0 ? 1.0f / 1024 : -1.0f / 1024);
            to[j] = from[j] + shift;
            from[j] -= shift;
        }
        lists->super[empty] = lists->super[largest];
        lists->size[empty] = lists->size[largest] / 2;
        lists->size[largest] -= lists->size[empty];
    }
}

size_t vs_train_drop_empty(struct vs_train_lists *lists)
{
    size_t kept = 0;
    for (size_t i = 0; i < lists->count; i++) {
        if (lists->size[i] == 0) {
            continue;
        }
        if (kept != i) {
            memcpy(lists->rows + kept * lists->dim, lists->rows + i * lists->dim,
                   lists->dim * sizeof(float));
            lists->super[kept] = lists->super[i];
            lists->size[kept] = lists->size[i];
        }
        kept++;
    }
    lists->count = kept;
    return kept;
}

struct group_task {
    const struct vs_env *env;
    const struct vs_train_grouping *grouping;
    struct vs_train_lists *lists;
    const float *super_rows;
    size_t super_count;
};

// Nearest super-centroid of GROUP_LISTS lists, exactly; ties to the lower.
static enum vs_status nearest_supers(void *ctx, size_t index, struct vs_error *err)
{
    const struct group_task *task = ctx;
    struct vs_train_lists *lists = task->lists;
    VS_TRY(vs_op_check(task->env, task->grouping->op, err));
    float *distances = vs_alloc(task->env, task->super_count * sizeof *distances);
    if (distances == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory while training");
    }
    size_t end =
        (index + 1) * GROUP_LISTS < lists->count ? (index + 1) * GROUP_LISTS : lists->count;
    for (size_t i = index * GROUP_LISTS; i < end; i++) {
        vs_kernels_get()->l2_f32(lists->rows + i * lists->dim, task->super_rows, lists->dim,
                                 task->super_count, distances);
        size_t best = 0;
        for (size_t s = 1; s < task->super_count; s++) {
            best = distances[s] < distances[best] ? s : best;
        }
        lists->super[i] = (uint32_t)best;
    }
    vs_free(task->env, distances);
    return VS_OK;
}

static enum vs_status find_supers(struct group_task *task, bool exact, struct vs_error *err)
{
    struct vs_train_lists *lists = task->lists;
    const struct vs_train_grouping *grouping = task->grouping;
    if (exact) {
        return vs_pool_run(task->env, grouping->thread_count,
                           (lists->count + GROUP_LISTS - 1) / GROUP_LISTS, nearest_supers, task,
                           err);
    }
    struct vs_train_kmeans labels = {.points = {lists->rows, lists->count, lists->dim},
                                     .count = task->super_count,
                                     .thread_count = grouping->thread_count,
                                     .op = grouping->op};
    float *rows = (float *)(uintptr_t)task->super_rows; // nothing moves without rounds
    return vs_train_kmeans(task->env, &labels, rows, lists->super, err);
}

static void move_supers(const struct vs_train_lists *lists,
                        float *super_rows,
                        const uint32_t *first)
{
    uint32_t super = 0;
    for (size_t begin = 0; begin < lists->count; super++) {
        size_t end = first[super + 1];
        float *mean = super_rows + (size_t)super * lists->dim;
        for (size_t j = 0; j < lists->dim && begin < end; j++) {
            float sum = 0.0f;
            for (size_t i = begin; i < end; i++) {
                sum += lists->rows[i * lists->dim + j];
            }
            mean[j] = sum / (float)(end - begin);
        }
        begin = end;
    }
}

static size_t drop_empty_supers(float *super_rows, size_t super_count, size_t dim, uint32_t *first)
{
    size_t kept = 0;
    for (size_t s = 0; s < super_count; s++) {
        if (first[s + 1] == first[s]) {
            continue;
        }
        memmove(super_rows + kept * dim, super_rows + s * dim, dim * sizeof(float));
        first[++kept] = first[s + 1];
    }
    return kept;
}

// Sorts the lists by super-cluster, keeping the order within one.
static enum vs_status sort_by_super(const struct vs_env *env,
                                    struct vs_train_lists *lists,
                                    size_t super_count,
                                    uint32_t *first,
                                    struct vs_error *err)
{
    uint32_t *order = vs_alloc(env, lists->count * sizeof *order);
    if (order == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory while training");
    }
    vs_train_sort_groups(lists->super, lists->count, super_count, first, order);
    struct vs_train_points rows = {lists->rows, lists->count, lists->dim};
    enum vs_status status = vs_train_permute(env, &rows, order, err);
    vs_free(env, order);
    return status;
}

enum vs_status vs_train_group(const struct vs_env *env,
                              const struct vs_train_grouping *grouping,
                              struct vs_train_lists *lists,
                              float *super_rows,
                              size_t *super_count,
                              uint32_t *super_first,
                              struct vs_error *err)
{
    struct group_task task = {env, grouping, lists, super_rows, *super_count};
    for (int round = 1; round <= grouping->rounds; round++) {
        bool last = round == grouping->rounds;
        VS_TRY(find_supers(&task, last, err));
        VS_TRY(sort_by_super(env, lists, *super_count, super_first, err));
        // The last round leaves the lists where the super-centroids that they were compared with
        // stand.
        if (!last) {
            move_supers(lists, super_rows, super_first);
        }
    }
    *super_count = drop_empty_supers(super_rows, *super_count, lists->dim, super_first);
    for (size_t s = 0; s < *super_count; s++) {
        for (size_t i = super_first[s]; i < super_first[s + 1]; i++) {
            lists->super[i] = (uint32_t)s;
        }
    }
    return VS_OK;
}
