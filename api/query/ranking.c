// SPDX-License-Identifier: Apache-2.0
#include "api/query/ranking.h"

bool vs_ranked_before(const struct vs_ranked *a, const struct vs_ranked *b)
{
    if (a->score != b->score) {
        return a->score > b->score;
    }
    return a->file != b->file ? a->file < b->file : a->position < b->position;
}

static void sift_down(struct vs_ranked *items, size_t count, size_t at)
{
    const struct vs_ranked item = items[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && vs_ranked_before(&items[child], &items[child + 1])) {
            child++; // the worse of the two
        }
        if (!vs_ranked_before(&item, &items[child])) {
            break;
        }
        items[at] = items[child];
        at = child;
    }
    items[at] = item;
}

void vs_ranking_push(struct vs_ranking *ranking, const struct vs_ranked *item)
{
    struct vs_ranked *items = ranking->items;
    if (ranking->count == ranking->room) {
        if (ranking->room > 0 && vs_ranked_before(item, &items[0])) {
            items[0] = *item;
            sift_down(items, ranking->count, 0);
        }
        return;
    }
    size_t at = ranking->count++;
    while (at > 0 && vs_ranked_before(&items[(at - 1) / 2], item)) {
        items[at] = items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    items[at] = *item;
}

void vs_ranking_finish(struct vs_ranking *ranking)
{
    for (size_t left = ranking->count; left > 1; left--) {
        struct vs_ranked worst = ranking->items[0];
        ranking->items[0] = ranking->items[left - 1];
        ranking->items[left - 1] = worst;
        sift_down(ranking->items, left - 1, 0);
    }
}
