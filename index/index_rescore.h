// SPDX-License-Identifier: Apache-2.0
/*
 * Scores from stored vectors for the few candidates of a search that can still be among the best.
 *
 * Vectors are read by position, neighbours together and all of a query in one go, checked by their
 * CRCs and scored as an exact scan scores them. Nothing is allocated: the caller's scratch block
 * has vs_rescore_bytes left. Threads: the block has one owner. Private to index/. See
 * docs/internals/index-search.md.
 */
#ifndef VS_INDEX_INDEX_RESCORE_H
#define VS_INDEX_INDEX_RESCORE_H

#include "index/index_internal.h"

struct vs_rescore_query {
    const struct vs_index *index;
    size_t column;
    const float *vector; // prepared
    size_t k;
};

// Candidates, best first by their int8 scores.
struct vs_rescore_rows {
    size_t count;
    const uint32_t *rows, *segments;
    const float *scales; // of the int8 rows
    const float *scores; // from int8 rows
    uint32_t *keys;      // out: vs_topk_key of the new scores
};

// Of a block for up to so many candidates.
size_t vs_rescore_bytes(size_t count, size_t dim);
// count_out: so many of the first rows were scored anew; the others cannot be among the best k.
enum vs_status vs_rescore(const struct vs_rescore_query *query,
                          const struct vs_rescore_rows *rows,
                          struct vs_scratch_block *block,
                          size_t *count_out,
                          struct vs_error *err);

#endif
