// SPDX-License-Identifier: Apache-2.0
/*
 * From a wanted recall to search settings, by the curve that the build measured; and what the
 * settings mean for the choice of lists.
 */
#ifndef VS_INDEX_RECALL_CURVE_H
#define VS_INDEX_RECALL_CURVE_H

#include "index/index.h"

#define VS_RECALL_TARGET 0.95F

// What a search costs, in microseconds of one core; the only place where these numbers stand (for
// masks: mask_budget.h). Measured by bench/bench_query.c on Zen 4: docs/internals/index-build.md
// has the figures. Of pairs, [0] is what lies in the last-level cache, [1] what lies in memory.
struct vs_recall_rates {
    float cache_bytes;          // of the last-level cache: codes are taken to come first, then rows
    float code_byte[2];         // each byte of codes scanned, padding included
    float list;                 // each probed list: choosing it, its first lines, its last block
    float padding;              // entries a list is padded with, on the mean
    float project;              // each product of the projection
    float centroid_code_byte;   // of the centroids' codes that are looked at
    float centroid;             // each that goes on to its int8 form, and ...
    float centroid_byte;        // ... each byte of that, or of super-clusters, or of all
    float row[2], row_byte[2];  // each re-ranked row, and each byte of it
    float stored, stored_value; // each stored vector read to re-score, and each value of it
};
extern const struct vs_recall_rates vs_recall_rates;

// What is searched.
struct vs_recall_shape {
    uint64_t entry_count;
    uint32_t list_count, m, proj_dim, dim;
    uint32_t open_lists; // looked at when lists are ranked; 0: as coarse.c has it
};

// Candidates that the re-ranking of int8 rows leaves for k answers: some more, so that ties at the
// end go to the lower row; twice as many where those that can matter are re-scored.
#define VS_RECALL_TIE_ROOM 16

static inline size_t vs_recall_kept(size_t k, bool rescore)
{
    return (rescore ? 2 * k : k) + VS_RECALL_TIE_ROOM;
}

// Estimated microseconds of a search with these settings, good enough to compare settings.
float vs_recall_cost(const struct vs_recall_point *point, const struct vs_recall_shape *shape);

// The cheapest measured settings that reach the target: between two settings of the curve where
// both lists and re-ranked rows grow, interpolated between measured k; the most thorough ones where
// none does. points are sorted by k; with none of them, settings that look at an eighth of the
// lists. Points that re-score count only while the column has its vectors.
struct vs_recall_point vs_recall_choose(const struct vs_index_column *column,
                                        uint64_t entry_count,
                                        size_t k,
                                        float target);

// How many of the ranked lists have to be known before vs_recall_lists can choose among them.
static inline size_t vs_recall_reach(size_t nprobe, float gap)
{
    return gap > 0.0F ? nprobe + nprobe / 2 : nprobe;
}

// How many of the best lists are probed. keys: of the vs_recall_reach best lists, in any order.
// Without a gap: nprobe. With one, the list at rank i >= 1 is taken while i < 1.5 nprobe and
// (best list's score - list's)^2 (i + 1) <= gap^2 nprobe: fewer than nprobe where the best lists
// stand out, more where many are about as good. gap: in the units of the keys' scores
// (vs_coarse_gap).
size_t vs_recall_lists(const uint32_t *keys, size_t count, size_t nprobe, float gap);

#endif
