// SPDX-License-Identifier: Apache-2.0
/*
 * How far a search under masks goes, and how many rows it re-ranks.
 *
 * Where the allowed rows have nothing to do with the query, or lie near it, it has seen enough
 * after as many allowed entries as a query without masks looks at. Where they lie far from it, the
 * first lists hold fewer of them than lists in general do; the lists that hold the answers are all
 * about equally far, so their order says little, and so do the codes within them. How thin the
 * allowed entries were in the lists that had to be passed, against their share of all, tells the
 * two cases apart before anything is scanned. The bound stays one pass over the entries, and half
 * the time of one for re-ranking.
 */
#ifndef VS_INDEX_MASK_BUDGET_H
#define VS_INDEX_MASK_BUDGET_H

#include "index/recall_curve.h"

struct vs_mask_budget {
    uint64_t target;     // allowed entries to look at
    double rerank_times; // rows to re-rank, against a query without masks
};

// Of `passed` entries in the lists nearest to the query `seen` were allowed, and they are what a
// query without masks would want (or all lists that were ranked); `share` of all entries is
// allowed.
static inline struct vs_mask_budget vs_mask_budget_plan(uint64_t target,
                                                        double share,
                                                        uint64_t passed,
                                                        uint64_t seen)
{
    double thin = share * (double)passed / (double)(seen > 0 ? seen : 1), wanted, times = 2.0;
    if (thin < 1.0) { // answers lie where the rows are, a little further out
        wanted = (double)target * (thin > 0.5 ? 1.0 / thin : 2.0);
    } else {
        thin = thin < 1000.0 ? thin : 1000.0;
        wanted = (double)target * thin * thin * thin;
        times = thin < 4.0 ? 2.0 * thin : 0.5 * thin * thin;
    }
    return (struct vs_mask_budget){wanted < 1e15 ? (uint64_t)wanted : (uint64_t)1e15, times};
}

// Most rows to re-rank under masks: as many as take half the time of a pass over the codes, and a
// few times `rerank`, the number without masks, in any case.
static inline uint32_t vs_mask_rerank_most(const struct vs_recall_shape *shape, uint32_t rerank)
{
    // Microseconds: to keep one candidate among many, of a byte of codes, of a list, of a row.
    const double candidate = 0.04, code_byte = 1.0 / 28000.0, list = 0.08, row = 0.015,
                 row_byte = 0.0001;
    double pass =
               (double)shape->entry_count * 0.5 * shape->m * code_byte + list * shape->list_count,
           most = 0.5 * pass / (candidate + row + row_byte * shape->dim), least = 8.0 * rerank;
    most = most > least ? most : least;
    return most < 1e9 ? (uint32_t)most : (uint32_t)1e9;
}

#endif
