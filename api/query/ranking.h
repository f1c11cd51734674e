// SPDX-License-Identifier: Apache-2.0
/*
 * The best k rows of one query. Rows that come best first, as an index gives them, are only kept;
 * from the first one that does not on they are a bounded heap with the worst row on top.
 *
 * Order: higher score first; equal scores by file (older files, as the plan orders them, first),
 * then position: the same answer whatever order rows come in. Ownership: items are the caller's.
 * Private to api/query.
 */
#ifndef VS_QUERY_RANKING_H
#define VS_QUERY_RANKING_H

#include <math.h>
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
    bool is_heap; // else best first
};

static inline bool vs_ranked_before(const struct vs_ranked *a, const struct vs_ranked *b)
{
    if (a->score != b->score) {
        return a->score > b->score;
    }
    return a->file != b->file ? a->file < b->file : a->position < b->position;
}

// The score below which a row is not taken any more; -INFINITY while there is room.
static inline float vs_ranking_least(const struct vs_ranking *ranking)
{
    if (ranking->count < ranking->room || ranking->count == 0) {
        return -INFINITY;
    }
    return ranking->items[ranking->is_heap ? 0 : ranking->count - 1].score;
}

void vs_ranking_push(struct vs_ranking *ranking, const struct vs_ranked *item);
// Puts the items into order, best first; no push may follow.
void vs_ranking_finish(struct vs_ranking *ranking);

#endif
