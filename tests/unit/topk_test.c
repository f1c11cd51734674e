// SPDX-License-Identifier: Apache-2.0
#include "index/topk.h"
#include "tests/support/check.h"

#include <stdlib.h>

#define COUNT 3000

static uint64_t state = 99;

static uint32_t next_key(uint32_t range)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return range == 0 ? (uint32_t)(state >> 32) : (uint32_t)((state >> 33) % range);
}

struct pair {
    uint32_t key, id;
};

static int by_key_then_arrival(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? 1 : -1;
    }
    return x->id < y->id ? -1 : x->id > y->id;
}

static void fill(uint32_t *keys, uint32_t *ids, struct pair *pairs, size_t count, uint32_t range)
{
    for (size_t i = 0; i < count; i++) {
        keys[i] = next_key(range);
        ids[i] = (uint32_t)i;
        pairs[i] = (struct pair){keys[i], ids[i]};
    }
    qsort(pairs, count, sizeof *pairs, by_key_then_arrival);
}

// The same set, in order of arrival.
static void check_same_set(const uint32_t *keys,
                           const uint32_t *ids,
                           const struct pair *pairs,
                           size_t count)
{
    uint64_t wanted = 0, got = 0;
    for (size_t i = 0; i < count; i++) {
        wanted += (uint64_t)pairs[i].id * 2654435761u + pairs[i].key;
        got += (uint64_t)ids[i] * 2654435761u + keys[i];
        CHECK(i == 0 || ids[i - 1] < ids[i]);
    }
    CHECK(wanted == got);
}

static void cut_agrees_with_sorting(void)
{
    static uint32_t keys[COUNT], ids[COUNT];
    static struct pair pairs[COUNT];
    static const uint32_t ranges[] = {0, 1, 2, 7, 300, 65536};
    static const size_t sizes[] = {1, 2, 49, 257, COUNT};
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            for (size_t keep = 1; keep <= sizes[s]; keep += 1 + sizes[s] / 5) {
                fill(keys, ids, pairs, sizes[s], ranges[r]);
                CHECK_INT(vs_topk_cut(keys, ids, sizes[s], keep), pairs[keep - 1].key);
                check_same_set(keys, ids, pairs, keep);
            }
        }
    }
}

static void sort_is_stable_and_descending(void)
{
    static uint32_t keys[COUNT], ids[COUNT], spare_keys[COUNT], spare_ids[COUNT];
    static struct pair pairs[COUNT];
    static const size_t sizes[] = {0, 1, 48, 49, 1000, COUNT};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (uint32_t range = 0; range < 2000; range += 999) {
            fill(keys, ids, pairs, sizes[s], range);
            vs_topk_sort(keys, ids, spare_keys, spare_ids, sizes[s]);
            for (size_t i = 0; i < sizes[s]; i++) {
                CHECK_INT(keys[i], pairs[i].key);
                CHECK_INT(ids[i], pairs[i].id);
            }
        }
    }
}

static void reservoir_keeps_the_best(void)
{
    static uint32_t keys[COUNT], ids[COUNT], kept_keys[120], kept_ids[120], spare_keys[120],
        spare_ids[120];
    static struct pair pairs[COUNT];
    fill(keys, ids, pairs, COUNT, 500);
    struct vs_reservoir r;
    vs_reservoir_init(&r, kept_keys, kept_ids, 40, 120);
    for (size_t i = 0; i < COUNT; i++) {
        vs_reservoir_push(&r, keys[i], ids[i]);
    }
    vs_reservoir_shrink(&r);
    CHECK_INT(r.count, 40);
    vs_topk_sort(r.keys, r.ids, spare_keys, spare_ids, r.count);
    for (size_t i = 0; i < r.count; i++) {
        CHECK_INT(r.keys[i], pairs[i].key);
        CHECK_INT(r.ids[i], pairs[i].id);
    }
}

static void keys_order_like_scores(void)
{
    static const float scores[] = {-INFINITY, -3.5F, -1e-30F, 0.0F, 1e-30F, 0.25F, 7.0F, INFINITY};
    for (size_t i = 0; i + 1 < sizeof scores / sizeof *scores; i++) {
        CHECK(vs_topk_key(scores[i]) < vs_topk_key(scores[i + 1]));
        CHECK(vs_topk_score(vs_topk_key(scores[i])) == scores[i]);
    }
    CHECK_INT(vs_topk_key(NAN), 0);
}

TEST_MAIN(TEST(cut_agrees_with_sorting),
          TEST(sort_is_stable_and_descending),
          TEST(reservoir_keeps_the_best),
          TEST(keys_order_like_scores))
