// SPDX-License-Identifier: Apache-2.0
/*
 * The small parts under the query engine: row bits, rankings, the cache.
 */
#include "api/query/query_cache.h"
#include "api/query/ranking.h"
#include "api/query/row_bits.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t state = 5;

static uint64_t draw(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 9) % n;
}

static void bits_agree_with_bytes(void)
{
    for (int round = 0; round < 2000; round++) {
        uint64_t bits[8] = {0}, piece[4] = {0}, taken[4];
        bool expected[512] = {0};
        uint64_t first = draw(250), count = draw(200) + 1, base = draw(100);
        vs_bits_set_range(bits, base, 40);
        memset(expected + base, 1, 40);
        for (uint64_t i = 0; i < count; i++) {
            if (draw(2) == 0) {
                piece[i / 64] |= UINT64_C(1) << (i % 64);
                expected[first + i] = true;
            }
        }
        vs_bits_put(bits, first, piece, count);
        uint64_t total = 0, next = 512;
        for (uint64_t i = 512; i-- > 0;) {
            CHECK(vs_bits_test(bits, i) == expected[i]);
            total += expected[i];
            next = expected[i] ? i : next;
            if (i == first) {
                CHECK_INT(vs_bits_next(bits, first, 512), next);
            }
        }
        CHECK_INT(vs_bits_count(bits, 512), total);
        vs_bits_take(taken, bits, first, count);
        for (uint64_t i = 0; i < vs_bits_words(count) * 64; i++) {
            CHECK(vs_bits_test(taken, i) == (i < count && expected[first + i]));
        }
    }
}

static int in_order(const void *a, const void *b)
{
    const struct vs_ranked *x = (const struct vs_ranked *)a, *y = (const struct vs_ranked *)b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    if (x->file != y->file) {
        return x->file < y->file ? -1 : 1;
    }
    return x->position < y->position ? -1 : x->position > y->position;
}

static void ranking_is_the_head_of_the_sorted_rows(void)
{
    for (int round = 0; round < 500; round++) {
        struct vs_ranked all[200], kept[50];
        size_t count = (size_t)draw(200), k = (size_t)draw(50);
        struct vs_ranking ranking = {.items = kept, .room = k};
        for (size_t i = 0; i < count; i++) {
            all[i] = (struct vs_ranked){(float)draw(20), (uint32_t)draw(4), (uint32_t)i};
        }
        qsort(all, (size_t)draw(count + 1), sizeof all[0], in_order); // best first, then not
        for (size_t i = 0; i < count; i++) {
            float least = vs_ranking_least(&ranking);
            CHECK(ranking.count < k || k == 0 ? least < -1e30F : least >= 0);
            vs_ranking_push(&ranking, &all[i]);
        }
        vs_ranking_finish(&ranking);
        qsort(all, count, sizeof all[0], in_order);
        CHECK_INT(ranking.count, count < k ? count : k);
        for (size_t i = 0; i < ranking.count; i++) {
            CHECK(in_order(&kept[i], &all[i]) == 0);
        }
    }
}

struct made {
    struct test_env *test;
    atomic_int calls;
    enum vs_status status;
    size_t bytes;
    bool slow;
};

static enum vs_status make_value(void *ctx,
                                 void **value_out,
                                 size_t *bytes_out,
                                 struct vs_error *err)
{
    struct made *made = (struct made *)ctx;
    atomic_fetch_add(&made->calls, 1);
    if (made->slow) {
        usleep(30000);
    }
    if (made->status != VS_OK) {
        return vs_fail(err, made->status, "cannot be made");
    }
    *value_out = vs_alloc(&made->test->env, 8);
    *bytes_out = made->bytes;
    return *value_out != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "no memory");
}

static void free_value(const struct vs_env *env, void *value)
{
    vs_free(env, value);
}

static void cache_keeps_what_was_used_last(void)
{
    struct test_env t;
    struct vs_error err = {0};
    struct vs_query_cache *cache = NULL;
    struct vs_cache_ref a = {0}, b = {0}, c = {0};
    test_env_init(&t);
    REQUIRE_OK(vs_query_cache_open(&t.env, 2500, &cache, &err), err);
    struct made made = {.test = &t, .bytes = 1000};
    const struct vs_cache_maker maker = {make_value, free_value, &made, NULL};
    CHECK_OK(vs_query_cache_get(cache, VS_STR("a"), &maker, &a, &err), err);
    CHECK_OK(vs_query_cache_get(cache, VS_STR("b"), &maker, &b, &err), err);
    vs_cache_release(&b);
    CHECK_OK(vs_query_cache_get(cache, VS_STR("c"), &maker, &c, &err), err); // b goes: a is in use
    vs_cache_release(&c);
    CHECK_INT(made.calls, 3);
    CHECK_OK(vs_query_cache_get(cache, VS_STR("c"), &maker, &c, &err), err);
    CHECK_INT(made.calls, 3);
    CHECK_OK(vs_query_cache_get(cache, VS_STR("b"), &maker, &b, &err), err);
    CHECK_INT(made.calls, 4);
    CHECK(vs_query_cache_bytes(cache) > 2500); // all three are in use
    vs_cache_release(&c);
    CHECK(vs_query_cache_bytes(cache) <= 2500);
    vs_cache_forget(&a);
    struct vs_cache_ref again = {0};
    CHECK_OK(vs_query_cache_get(cache, VS_STR("a"), &maker, &again, &err), err);
    CHECK(again.value != a.value);
    vs_cache_release(&again);
    vs_cache_release(&a);
    vs_cache_release(&b);
    made.status = VS_CORRUPT;
    CHECK_STATUS(vs_query_cache_get(cache, VS_STR("d"), &maker, &a, &err), VS_CORRUPT);
    made.status = VS_OK; // a failure is not kept
    CHECK_OK(vs_query_cache_get(cache, VS_STR("d"), &maker, &a, &err), err);
    vs_cache_release(&a);
    vs_query_cache_close(cache);
    CHECK_INT(t.live, 0);
}

struct getter {
    struct vs_query_cache *cache;
    struct made *made;
    void *value;
};

static void *get_value(void *ctx)
{
    struct getter *getter = (struct getter *)ctx;
    struct vs_cache_ref ref = {0};
    const struct vs_cache_maker maker = {make_value, free_value, getter->made, NULL};
    if (vs_query_cache_get(getter->cache, VS_STR("x"), &maker, &ref, NULL) == VS_OK) {
        getter->value = ref.value;
    }
    vs_cache_release(&ref);
    return NULL;
}

static void a_key_is_made_once(void)
{
    struct test_env t;
    struct vs_error err = {0};
    struct getter getters[4];
    pthread_t threads[4];
    struct vs_query_cache *cache = NULL;
    test_env_init(&t);
    REQUIRE_OK(vs_query_cache_open(&t.env, 1 << 20, &cache, &err), err);
    struct made made = {.test = &t, .slow = true};
    for (size_t i = 0; i < 4; i++) {
        getters[i] = (struct getter){cache, &made, NULL};
        REQUIRE(pthread_create(&threads[i], NULL, get_value, &getters[i]) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK(getters[i].value != NULL && getters[i].value == getters[0].value);
    }
    CHECK_INT(made.calls, 1);
    vs_query_cache_close(cache);
    CHECK_INT(t.live, 0);
}

TEST_MAIN(TEST(bits_agree_with_bytes),
          TEST(ranking_is_the_head_of_the_sorted_rows),
          TEST(cache_keeps_what_was_used_last),
          TEST(a_key_is_made_once))
