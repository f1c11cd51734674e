// SPDX-License-Identifier: Apache-2.0
/*
 * How far a search under masks goes, and how many rows it re-ranks.
 *
 * Where the allowed rows have nothing to do with the query, or lie near it, it has seen enough
 * after as many allowed entries as a query without masks looks at. Where they lie far from it, the
 * first lists hold fewer of them than lists in general do; the lists that hold the answers are all
 * about equally far, so their order says little, and so do the codes within them. How thin the
 * allowed entries were in the lists that had to be passed, against their share of all, tells the
 * two cases apart before anything is scanned. The bound stays one pass over the entries.
 */
#ifndef VS_INDEX_MASK_BUDGET_H
#define VS_INDEX_MASK_BUDGET_H

#include <stdint.h>

#define VS_MASK_RERANK_MOST 8 // times the rows of a query without masks

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
    double thin = share * (double)passed / (double)(seen > 0 ? seen : 1);
    thin = thin > 1.0 ? (thin < 1000.0 ? thin : 1000.0) : 1.0;
    double wanted = (double)target * thin * thin * thin, times = 2.0 * thin;
    return (struct vs_mask_budget){wanted < 1e15 ? (uint64_t)wanted : (uint64_t)1e15,
                                   times < VS_MASK_RERANK_MOST ? times : VS_MASK_RERANK_MOST};
}

#endif
