// SPDX-License-Identifier: Apache-2.0
/*
 * The recall curve of lists: what share of the true neighbours each setting finds, by doing for
 * every query what the search does, with all settings at once.
 *
 * Threads: one caller; a pool inside. See docs/internals/index-build.md.
 */
#ifndef VS_INDEX_MEASURE_CURVE_H
#define VS_INDEX_MEASURE_CURVE_H

#include "index/lists.h"
#include "index/measure_truth.h"
#include "index/recall_curve.h"

#define VS_CURVE_K_MAX 3
#define VS_CURVE_RERANK_MAX 24

struct vs_curve_params {
    const struct vs_lists *lists; // codes, slots and facts in memory
    const struct vs_truth *truth; // finished
    const uint32_t *k;            // ascending, up to 100
    size_t k_count;
    const uint32_t *rerank; // depths to try, ascending
    size_t rerank_count;
    bool rescore;  // also settings that re-score from stored vectors
    bool keep_all; // also settings that are dearer than another that does as well
    size_t thread_count;
    const struct vs_op *op;
};

// points_out: by k, then by cost; to be freed with vs_free.
enum vs_status vs_curve_measure(const struct vs_env *env,
                                const struct vs_curve_params *params,
                                struct vs_recall_point **points_out,
                                size_t *point_count_out,
                                struct vs_error *err);

#endif
