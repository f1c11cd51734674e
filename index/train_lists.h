// SPDX-License-Identifier: Apache-2.0
/*
 * Private to index/: the parts of list training that are plain arithmetic. Every sum has one order,
 * so that the result does not depend on the number of threads. See docs/internals/training.md.
 */
#ifndef VS_INDEX_TRAIN_LISTS_H
#define VS_INDEX_TRAIN_LISTS_H

#include "vecstore/base/cancel.h"
#include "vecstore/base/pool.h"

#include <stdint.h>

// Rows of dim floats.
struct vs_train_points {
    float *rows;
    size_t count, dim;
};

// Centroids with their super-cluster; sizes are those of the last assignment.
struct vs_train_lists {
    float *rows;
    size_t count, dim;
    uint32_t *super; // [count]
    uint32_t *size;  // [count]
};

// Stable counting sort: order[first[g] .. first[g + 1]) are the items with group[i] == g,
// ascending. first has group_count + 1 entries.
void vs_train_sort_groups(
    const uint32_t *group, size_t count, size_t group_count, uint32_t *first, uint32_t *order);
// Moves the rows so that row i becomes the old row order[i]. order is used up.
enum vs_status vs_train_permute(const struct vs_env *env,
                                struct vs_train_points *points,
                                uint32_t *order,
                                struct vs_error *err);
// Shares `total` children among groups in proportion to their sizes: at least one and at most size
// for a group that is not empty.
void vs_train_share(const uint32_t *first, size_t group_count, size_t total, uint32_t *children);
// Centroids become the means of their points (those without points stay), sizes are counted.
enum vs_status vs_train_update(const struct vs_env *env,
                               size_t thread_count,
                               const struct vs_train_points *points,
                               const uint32_t *label,
                               struct vs_train_lists *lists,
                               struct vs_error *err);
// Gives every empty list half of the largest one, by a small symmetric shift.
void vs_train_split_empty(struct vs_train_lists *lists);
// Between two passes: lists of more than three times the mean size, largest first, are cut in two
// by 2-means; the halves take the places of empty lists and of the smallest ones (below an eighth
// of the mean), whose points find other lists in the next pass. Other empty lists take halves of
// the largest.
enum vs_status vs_train_balance(const struct vs_env *env,
                                const struct vs_train_points *points,
                                const uint32_t *label,
                                struct vs_train_lists *lists,
                                struct vs_error *err);
// Removes lists without points. Returns how many are left.
size_t vs_train_drop_empty(struct vs_train_lists *lists);

struct vs_train_grouping {
    size_t thread_count;
    const struct vs_op *op;
    int rounds; // the last compares in f32, those before by int8
};
// Moves super-centroids to their lists and lists to their nearest super-centroid, a few rounds;
// drops super-clusters that end up empty and sorts the lists by super-cluster. super_rows:
// [*super_count][dim]; super_first: [*super_count + 1], filled.
enum vs_status vs_train_group(const struct vs_env *env,
                              const struct vs_train_grouping *grouping,
                              struct vs_train_lists *lists,
                              float *super_rows,
                              size_t *super_count,
                              uint32_t *super_first,
                              struct vs_error *err);
// Puts super-clusters and the lists of each in a chain, every one followed by the nearest that is
// left, so that what is near lies near in the file.
enum vs_status vs_train_order(const struct vs_env *env,
                              struct vs_train_lists *lists,
                              float *super_rows,
                              size_t super_count,
                              uint32_t *super_first,
                              struct vs_error *err);

// ---- train_kmeans.c ----

struct vs_train_kmeans {
    struct vs_train_points points; // as many as centroids or more
    size_t count;                  // centroids
    int rounds;                    // 0: labels by the centroids as they are, nothing moves
    uint64_t seed;
    size_t thread_count;
    const struct vs_op *op;       // may be NULL
    struct vs_progress *progress; // counts the points of every round; may be NULL
};
// centroids: [count][dim]; label: [points.count], the nearest before the last move (ties to the
// lower).
enum vs_status vs_train_kmeans(const struct vs_env *env,
                               const struct vs_train_kmeans *task,
                               float *centroids,
                               uint32_t *label,
                               struct vs_error *err);

#endif
