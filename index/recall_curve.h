// SPDX-License-Identifier: Apache-2.0
/*
 * From a wanted recall to search settings, by the curve that the build measured.
 */
#ifndef VS_INDEX_RECALL_CURVE_H
#define VS_INDEX_RECALL_CURVE_H

#include "index/index.h"

#define VS_RECALL_TARGET 0.95F

// Estimated microseconds of a search with these settings, good enough to compare settings.
float vs_recall_cost(const struct vs_recall_point *point,
                     uint64_t entry_count,
                     uint32_t m,
                     uint32_t dim);

// The cheapest measured settings that reach the target, interpolated between measured k; the most
// thorough ones where none does. points are sorted by k; with none of them, settings that look at
// an eighth of the lists.
struct vs_recall_point vs_recall_choose(const struct vs_index_column *column,
                                        uint64_t entry_count,
                                        size_t k,
                                        float target);

#endif
