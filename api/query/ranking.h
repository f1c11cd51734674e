// SPDX-License-Identifier: Apache-2.0
/*
 * The best k rows of one query: a bounded heap with the worst row on top.
 *
 * Order: higher score first; equal scores by file (older files, as the plan orders them, first),
 * then position: the same answer whatever order rows come in. Ownership: items are the caller's.
 * Private to api/query.
 */
#ifndef VS_QUERY_RANKING_H
#define VS_QUERY_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vs_ranked {
    float score;
    uint32_t file; // index into view->files
    uint32_t position;
};

struct vs_ranking {
    struct vs_ranked *items;
    size_t count, room;
};

bool vs_ranked_before(const struct vs_ranked *a, const struct vs_ranked *b);
void vs_ranking_push(struct vs_ranking *ranking, const struct vs_ranked *item);
// Puts the items into order, best first; no push may follow.
void vs_ranking_finish(struct vs_ranking *ranking);

#endif
