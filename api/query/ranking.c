// SPDX-License-Identifier: Apache-2.0
#include "api/query/ranking.h"

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

static void sift_up(struct vs_ranked *items, size_t at)
{
    const struct vs_ranked item = items[at];
    while (at > 0 && vs_ranked_before(&items[(at - 1) / 2], &item)) {
        items[at] = items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    items[at] = item;
}

// Worst first is a heap.
static void make_heap(struct vs_ranking *ranking)
{
    struct vs_ranked *items = ranking->items;
    for (size_t i = 0, j = ranking->count; i + 1 < j; i++) {
        const struct vs_ranked item = items[--j];
        items[j] = items[i];
        items[i] = item;
    }
    ranking->is_heap = true;
}

void vs_ranking_push(struct vs_ranking *ranking, const struct vs_ranked *item)
{
    struct vs_ranked *items = ranking->items;
    size_t count = ranking->count;
    bool is_full = count == ranking->room;
    if (!ranking->is_heap && (count == 0 || vs_ranked_before(&items[count - 1], item))) {
        if (!is_full) {
            items[count] = *item;
            ranking->count++;
        }
        return;
    }
    if (!ranking->is_heap) {
        make_heap(ranking);
    }
    if (!is_full) {
        items[count] = *item;
        sift_up(items, count);
        ranking->count++;
    } else if (vs_ranked_before(item, &items[0])) {
        items[0] = *item;
        sift_down(items, count, 0);
    }
}

void vs_ranking_finish(struct vs_ranking *ranking)
{
    for (size_t left = ranking->is_heap ? ranking->count : 0; left > 1; left--) {
        struct vs_ranked worst = ranking->items[0];
        ranking->items[0] = ranking->items[left - 1];
        ranking->items[left - 1] = worst;
        sift_down(ranking->items, left - 1, 0);
    }
}
