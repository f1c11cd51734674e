// SPDX-License-Identifier: Apache-2.0
// The sizes of the lists between two passes, and their order at the end.
#include "index/train_lists.h"
#include "simd/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPLIT_ABOVE 3 // times the mean
#define GIVE_BELOW 8  // the mean is more than as many times a list that gives up its place
#define SPLIT_ROUNDS 4

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory while training");
}

// ---- balance ----

struct balance {
    const struct vs_env *env;
    const struct vs_train_points *points;
    struct vs_train_lists *lists;
    uint32_t *first, *order;   // points of each list
    uint64_t *by_size;         // size << 32 | list, ascending
    size_t giver, empty_count; // by_size[giver] gives up its place next
};

static int compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static enum vs_status balance_init(struct balance *b, const uint32_t *label, struct vs_error *err)
{
    size_t lists = b->lists->count;
    b->first = vs_alloc_zeroed(b->env, lists + 1, sizeof *b->first);
    b->order = vs_alloc_zeroed(b->env, b->points->count, sizeof *b->order);
    b->by_size = vs_alloc_zeroed(b->env, lists, sizeof *b->by_size);
    if (b->first == NULL || b->order == NULL || b->by_size == NULL) {
        return no_memory(err);
    }
    vs_train_sort_groups(label, b->points->count, lists, b->first, b->order);
    for (size_t i = 0; i < lists; i++) {
        b->by_size[i] = (uint64_t)b->lists->size[i] << 32 | i;
        b->empty_count += b->lists->size[i] == 0;
    }
    qsort(b->by_size, lists, sizeof *b->by_size, compare_u64);
    return VS_OK;
}

// Cuts a list in two by 2-means; `into` gets one half. Nothing happens to a list of equal points.
static enum vs_status split_list(
    struct balance *b, uint32_t list, uint32_t into, bool *split_out, struct vs_error *err)
{
    size_t dim = b->points->dim, count = b->first[list + 1] - b->first[list];
    float *rows = vs_alloc_aligned(b->env, (count + 2) * dim * sizeof *rows);
    uint32_t *label = vs_alloc_zeroed(b->env, count, sizeof *label);
    if (rows == NULL || label == NULL) {
        vs_free_aligned(b->env, rows);
        vs_free(b->env, label);
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(rows + i * dim, b->points->rows + (size_t)b->order[b->first[list] + i] * dim,
               dim * sizeof *rows);
    }
    float *halves = rows + count * dim;
    struct vs_train_kmeans task = {.points = {rows, count, dim},
                                   .count = 2,
                                   .rounds = SPLIT_ROUNDS,
                                   .seed = list,
                                   .thread_count = 1};
    enum vs_status status = vs_train_kmeans(b->env, &task, halves, label, err);
    uint32_t moved = 0;
    for (size_t i = 0; i < count; i++) {
        moved += label[i];
    }
    if (status == VS_OK && moved != 0 && moved != count) {
        memcpy(b->lists->rows + list * dim, halves, dim * sizeof *rows);
        memcpy(b->lists->rows + into * dim, halves + dim, dim * sizeof *rows);
        b->lists->super[into] = b->lists->super[list];
        b->lists->size[list] = (uint32_t)count - moved;
        b->lists->size[into] = moved;
        *split_out = true;
    }
    vs_free_aligned(b->env, rows);
    vs_free(b->env, label);
    return status;
}

static enum vs_status balance_lists(struct balance *b, struct vs_error *err)
{
    size_t lists = b->lists->count, mean = b->points->count / lists + 1;
    for (size_t at = lists; at-- > b->giver + 1;) {
        uint32_t size = (uint32_t)(b->by_size[at] >> 32);
        size_t giver_size = (size_t)(b->by_size[b->giver] >> 32);
        bool too_large = size > SPLIT_ABOVE * mean;
        bool worth = b->giver < b->empty_count || (too_large && giver_size * GIVE_BELOW < mean);
        if (!worth || size < 2) {
            break;
        }
        bool split = false;
        VS_TRY(
            split_list(b, (uint32_t)b->by_size[at], (uint32_t)b->by_size[b->giver], &split, err));
        b->giver += split;
    }
    return VS_OK;
}

enum vs_status vs_train_balance(const struct vs_env *env,
                                const struct vs_train_points *points,
                                const uint32_t *label,
                                struct vs_train_lists *lists,
                                struct vs_error *err)
{
    struct balance b = {.env = env, .points = points, .lists = lists};
    enum vs_status status = balance_init(&b, label, err);
    if (status == VS_OK) {
        status = balance_lists(&b, err);
    }
    vs_free(env, b.first);
    vs_free(env, b.order);
    vs_free(env, b.by_size);
    return status;
}

// ---- order ----

// Chains rows[0 .. count): order[0] is the nearest to `from`, each next the nearest to the one
// before among those left. distances: room for count.
static void chain(const float *rows,
                  size_t count,
                  size_t dim,
                  const float *from,
                  uint32_t *order,
                  float *distances)
{
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
    }
    for (size_t done = 0; done < count; done++) {
        vs_kernels_get()->l2_f32(from, rows, dim, count, distances);
        size_t best = done;
        for (size_t i = done + 1; i < count; i++) {
            float distance = distances[order[i]], least = distances[order[best]];
            if (distance < least || (distance == least && order[i] < order[best])) {
                best = i;
            }
        }
        uint32_t chosen = order[best];
        order[best] = order[done];
        order[done] = chosen;
        from = rows + (size_t)chosen * dim;
    }
}

// The places of the lists when super-clusters follow super_order.
static void chain_lists(const struct vs_train_lists *lists,
                        size_t super_count,
                        const uint32_t *super_order,
                        const uint32_t *super_first,
                        uint32_t *order,
                        float *distances)
{
    const float *from = lists->rows;
    size_t placed = 0;
    for (size_t i = 0; i < super_count; i++) {
        size_t first = super_first[super_order[i]];
        size_t count = super_first[super_order[i] + 1] - first;
        chain(lists->rows + first * lists->dim, count, lists->dim, from, order + placed, distances);
        for (size_t l = 0; l < count; l++) {
            order[placed + l] += (uint32_t)first;
        }
        placed += count;
        from = lists->rows + (size_t)order[placed - 1] * lists->dim;
    }
}

// super_first and the super-clusters of the lists after both were moved; sizes: room for the
// counts.
static void renumber(struct vs_train_lists *lists,
                     size_t super_count,
                     const uint32_t *super_order,
                     uint32_t *super_first,
                     uint32_t *sizes)
{
    for (size_t s = 0; s < super_count; s++) {
        sizes[s] = super_first[super_order[s] + 1] - super_first[super_order[s]];
    }
    for (size_t s = 0; s < super_count; s++) {
        super_first[s + 1] = super_first[s] + sizes[s];
        for (size_t l = super_first[s]; l < super_first[s + 1]; l++) {
            lists->super[l] = (uint32_t)s;
        }
    }
}

// Sizes follow their lists.
static void move_sizes(struct vs_train_lists *lists, const uint32_t *order, uint32_t *spare)
{
    memcpy(spare, lists->size, lists->count * sizeof *spare);
    for (size_t i = 0; i < lists->count; i++) {
        lists->size[i] = spare[order[i]];
    }
}

enum vs_status vs_train_order(const struct vs_env *env,
                              struct vs_train_lists *lists,
                              float *super_rows,
                              size_t super_count,
                              uint32_t *super_first,
                              struct vs_error *err)
{
    size_t count = lists->count;
    uint32_t *order = vs_alloc_zeroed(env, count, sizeof *order);
    uint32_t *super_order = vs_alloc_zeroed(env, super_count, sizeof *super_order);
    uint32_t *spare = vs_alloc_zeroed(env, count, sizeof *spare);
    float *distances = vs_alloc_zeroed(env, count, sizeof *distances);
    enum vs_status status = VS_OK;
    if (order == NULL || super_order == NULL || spare == NULL || distances == NULL) {
        status = no_memory(err);
    } else {
        chain(super_rows, super_count, lists->dim, super_rows, super_order, distances);
        chain_lists(lists, super_count, super_order, super_first, order, distances);
        move_sizes(lists, order, spare);
        renumber(lists, super_count, super_order, super_first, spare);
        struct vs_train_points rows = {lists->rows, count, lists->dim};
        status = vs_train_permute(env, &rows, order, err);
        struct vs_train_points supers = {super_rows, super_count, lists->dim};
        status = status == VS_OK ? vs_train_permute(env, &supers, super_order, err) : status;
    }
    vs_free(env, order);
    vs_free(env, super_order);
    vs_free(env, spare);
    vs_free(env, distances);
    return status;
}
