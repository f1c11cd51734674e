// SPDX-License-Identifier: Apache-2.0
/*
 * From what the index library says about an index and a search to what limit.h reckons with.
 *
 * Ownership: nothing is kept. Threads: pure functions.
 */
#ifndef VS_BENCH_BENCH_INDEX_H
#define VS_BENCH_BENCH_INDEX_H

#include "bench/limit.h"
#include "index/index.h"

// Codes in all lists of the first vector column; second assignments counted.
double bench_index_entries(const struct vs_index *index);
// The sets that a query of the first vector column reads from.
void bench_index_sets(const struct vs_index *index, struct bench_sets *sets_out);
// Adds the sums of `queries` searches.
void bench_index_count(const struct vs_index *index,
                       const struct vs_index_stats *stats,
                       double queries,
                       struct bench_work *work);

#endif
