// SPDX-License-Identifier: Apache-2.0
/*
 * Ranks the rows of a view for one or many query vectors: covered segments through the index, the
 * rest by exact scans, merged by score.
 *
 * Coverage adds up (docs/internals/query.md): rows = indexed + scanned, and candidates = rows -
 * deleted - filtered - no_vector. When the index turns out to be damaged during a search, the
 * search is done again without it. Private to api/query.
 */
#ifndef VS_QUERY_SEARCH_RUN_H
#define VS_QUERY_SEARCH_RUN_H

#include "api/query/filter.h"
#include "api/query/query_view.h"
#include "api/query/ranking.h"

struct vs_search {
    // What is asked; kept by the caller until vs_search_clear.
    const struct vs_view *view;
    const struct vs_vector_contract *contract;
    const struct vs_filter *filter; // NULL: none
    const float *queries;           // [query_count][dim], checked by vs_query_vector_check
    size_t query_count;
    size_t k; // rows to rank per query
    uint32_t nprobe, rerank;
    float recall_target;
    bool exact;
    bool rescore;        // exact scores from the index's float vectors
    size_t thread_count; // for batches
    const struct vs_op *op;
    // The answer.
    struct vs_ranking *rankings; // per query, best first
    struct vs_ranked *items;     // theirs
    struct vs_coverage coverage;
    uint64_t candidates;
    struct vs_query_stats stats; // probe, scan, rerank, nprobe, rerank, codes_scanned
    bool used_index, is_exact;
    size_t index_segments, masked_segments, scanned_files, cached_files;
    char problem[VS_ERROR_MESSAGE_SIZE]; // why the index was not used; ""
};

enum vs_status vs_search_run(struct vs_search *search, struct vs_error *err);
void vs_search_clear(struct vs_search *search);
// Whether the index has the float vectors that search->rescore needs.
bool vs_search_stores_vectors(const struct vs_search *search);
// Gives the ranked rows of one query exact scores, vectors[i] being that of row i where present[i],
// and ranks them anew.
enum vs_status vs_search_rescore(struct vs_search *search,
                                 size_t q,
                                 const float *vectors,
                                 const bool *present,
                                 struct vs_error *err);
// Finite, of the right length, not zero under cosine. `what` names the vector ("vector 3").
enum vs_status vs_query_vector_check(const struct vs_vector_contract *contract,
                                     const float *vector,
                                     size_t dim,
                                     const char *what,
                                     struct vs_error *err);
// A failure that only says that stored bytes of the index cannot be used.
bool vs_is_damage(enum vs_status status);

#endif
