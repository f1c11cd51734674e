// SPDX-License-Identifier: Apache-2.0
// Queries of a table on a store that is far away: how many rounds of requests the first one takes,
// and what the next ones still ask. A round more fails this test.
#include "tests/support/engine_fixture.h"
#include "tests/support/slow_store.h"
#include "tests/support/test_env.h"

#include <math.h>
#include <time.h>

#define ROWS 3000

struct far {
    struct test_env test;
    struct slow_link link;
    struct table_maker maker;
    char cache_dir[256];
};

static bool begin(struct far *f, bool deletes)
{
    struct vs_error err = {0};
    struct vs_store *inner = NULL, *store = NULL;
    memset(f, 0, sizeof *f);
    test_env_init(&f->test);
    test_dir_make(f->cache_dir, sizeof f->cache_dir);
    slow_link_init(&f->link, &(struct slow_options){.fail_at = -1});
    enum vs_status status = vs_store_open_mem(&f->test.env, "far", &inner, &err);
    if (status == VS_OK) {
        status = slow_store_wrap(&f->link, inner, &store, &err);
    }
    if (status == VS_OK) {
        status = table_maker_open(&f->maker, &f->test.env, store, "cosine", DIM, &err);
    }
    for (int64_t i = 0; i < 3 && status == VS_OK; i++) {
        status = table_maker_append(&f->maker, i * (ROWS / 3), ROWS / 3, 0, &err);
    }
    if (status == VS_OK) {
        status = table_maker_index(&f->maker, 100, true, &err);
    }
    if (status == VS_OK && deletes) {
        status = table_maker_delete(&f->maker, 0, ROWS, 7, &err);
    }
    CHECK_OK(status, err);
    f->link.options.p50_ms = 20; // so that what travels side by side is seen to
    return status == VS_OK;
}

static void end(struct far *f)
{
    table_maker_close(&f->maker);
    slow_link_clear(&f->link);
    test_dir_remove(f->cache_dir);
    CHECK_INT(f->test.live, 0);
}

static struct vs_engine *open_engine(struct far *f, bool cached, bool idle)
{
    struct vs_error err;
    struct vs_engine *engine = NULL;
    const struct vs_engine_options options = {.thread_count = 2,
                                              .cache_bytes = 64 << 20,
                                              .cache_dir = cached ? f->cache_dir : NULL,
                                              .idle = idle};
    enum vs_status status = vs_engine_open(f->maker.catalog, &options, &engine, &err);
    CHECK_OK(status, err);
    return engine;
}

static enum vs_status query(
    struct far *f, struct vs_engine *engine, int64_t seed, bool by_index, struct vs_error *err)
{
    float vector[DIM];
    struct vs_answer *answer = NULL;
    static double expected[ROWS];
    make_query(&f->maker, seed, vector);
    struct vs_query_options options = {.size = sizeof options,
                                       .table = MADE_TABLE,
                                       .vectors = vector,
                                       .vector_count = 1,
                                       .dim = DIM,
                                       .k = 5,
                                       .nprobe = 6,
                                       .rerank = 100};
    VS_TRY(vs_engine_query(engine, &options, &answer, err));
    size_t count = expected_scores(&f->maker, f->maker.commits, &predicates[0], vector, expected);
    const struct vs_result *result = vs_answer_result(answer, 0);
    CHECK(result->hit_count == 5 && count > 5);
    for (size_t i = 0; i < result->hit_count; i++) {
        CHECK((double)result->hits[i].score <= expected[i] + 0.02);
        CHECK(by_index || fabs((double)result->hits[i].score - expected[i]) < 1e-5);
        CHECK(result->hits[i].id_json.len > 0);
    }
    CHECK((vs_answer_index_uuid(answer)[0] != '\0') == by_index);
    vs_answer_free(answer);
    return VS_OK;
}

// Requests and rounds of one query.
static struct slow_counts ask(struct far *f, struct vs_engine *engine, int64_t seed)
{
    struct vs_error err = {0};
    slow_link_reset(&f->link);
    enum vs_status status = query(f, engine, seed, true, &err);
    CHECK_OK(status, err);
    return slow_link_count(&f->link);
}

static void wait_quiet(struct far *f)
{
    for (uint64_t before = UINT64_MAX, now = 0; before != now;) {
        before = slow_link_count(&f->link).requests;
        nanosleep(&(struct timespec){0, 60000000}, NULL);
        now = slow_link_count(&f->link).requests;
    }
}

// Requests that are made together count as one round only while they overlap: on a busy machine
// they have to last a while for that.
static void take_time(struct far *f)
{
    f->link.options.p50_ms = 25;
    f->link.options.p99_ms = 26;
}

// ---- cases ----

// The hint; metadata and the next version; manifest list and the end of the index; manifests; lists
// and columns of the answer; rows; the texts of the hits.
static void rounds_of_a_first_query(void)
{
    struct far f;
    REQUIRE(begin(&f, false));
    take_time(&f);
    struct vs_engine *engine = open_engine(&f, false, true);
    struct slow_counts counts = ask(&f, engine, 1);
    CHECK(counts.rounds <= 7);
    CHECK(counts.requests <= 18);
    // What is known stays: currency of the table, lists, rows.
    counts = ask(&f, engine, 2);
    CHECK(counts.rounds <= 3);
    CHECK(counts.requests <= 9);
    counts = ask(&f, engine, 2); // currency, and the texts of the hits
    CHECK(counts.rounds <= 2);
    CHECK(counts.requests <= 6);
    vs_engine_close(engine);
    end(&f);
}

static void deleted_rows_cost_one_round(void)
{
    struct far f;
    REQUIRE(begin(&f, true));
    take_time(&f);
    struct vs_engine *engine = open_engine(&f, false, true);
    struct slow_counts counts = ask(&f, engine, 1);
    CHECK(counts.rounds <= 9);
    CHECK(counts.requests <= 30);
    counts = ask(&f, engine, 1);
    CHECK(counts.rounds <= 2);
    vs_engine_close(engine);
    end(&f);
}

static void the_rest_of_the_index_follows(void)
{
    struct far f;
    REQUIRE(begin(&f, false));
    struct vs_engine *engine = open_engine(&f, false, false);
    int64_t seed = 1, few = 0; // queries in a row that take no round for lists and rows
    for (; few < 8 && seed < 100; seed++) {
        few = ask(&f, engine, seed).rounds <= 2 ? few + 1 : 0;
    }
    CHECK(few == 8);
    vs_engine_close(engine);
    end(&f);
}

static void a_second_process_finds_it_in_the_cache(void)
{
    struct far f;
    REQUIRE(begin(&f, false));
    struct vs_engine *engine = open_engine(&f, true, false);
    (void)ask(&f, engine, 1);
    wait_quiet(&f);
    vs_engine_close(engine);
    engine = open_engine(&f, true, true);
    CHECK(ask(&f, engine, 7).rounds <= 4); // of the table alone
    CHECK(ask(&f, engine, 8).rounds <= 1);
    vs_engine_close(engine);
    end(&f);
}

// Each request in turn fails: an answer, by the index or without it, or a reason; then all is well.
static void a_store_that_fails_gives_no_wrong_answer(void)
{
    struct far f;
    size_t failed = 0;
    REQUIRE(begin(&f, true));
    f.link.options.p50_ms = 0;
    for (long n = 0; n < 40; n++) {
        struct vs_error err = {0};
        struct vs_engine *engine = open_engine(&f, false, true);
        slow_link_reset(&f.link);
        f.link.options.fail_at = n;
        for (int64_t seed = 1; seed < 4; seed++) {
            float vector[DIM];
            struct vs_answer *answer = NULL;
            make_query(&f.maker, seed, vector);
            struct vs_query_options options = {.size = sizeof options,
                                               .table = MADE_TABLE,
                                               .vectors = vector,
                                               .vector_count = 1,
                                               .dim = DIM,
                                               .k = 5};
            enum vs_status status = vs_engine_query(engine, &options, &answer, &err);
            CHECK(status == VS_OK || status == VS_UNAVAILABLE);
            CHECK(status != VS_OK || vs_answer_result(answer, 0)->hit_count == 5);
            failed += slow_link_count(&f.link).failed > 0;
            vs_answer_free(answer);
        }
        f.link.options.fail_at = -1;
        enum vs_status status = query(&f, engine, 9, true, &err);
        CHECK_OK(status, err);
        vs_engine_close(engine);
    }
    CHECK(failed > 40);
    end(&f);
}

// The index file replaced by something else of the same size, as a whole or in its lists, while it
// is open or before: the table answers, exactly.
static void a_replaced_index_is_not_believed(void)
{
    struct far f;
    struct vs_buf good, bad;
    struct vs_error err = {0};
    REQUIRE(begin(&f, false));
    f.link.options.p50_ms = 0;
    struct vs_store *store = vs_catalog_store(f.maker.catalog);
    vs_buf_init(&good, &f.test.env, 1 << 30);
    vs_buf_init(&bad, &f.test.env, 1 << 30);
    REQUIRE_OK(vs_store_get(store, f.maker.index_key, &good, &err), err);
    for (int round = 0; round < 3; round++) {
        struct vs_engine *engine = open_engine(&f, false, true);
        if (round == 2) { // opened from the good one
            CHECK_OK(query(&f, engine, 1, true, &err), err);
        }
        vs_buf_reset(&bad);
        REQUIRE_OK(vs_buf_append(&bad, good.data, good.len, &err), err);
        // All of it; or all but the end, which opening reads.
        size_t len = round == 0 ? bad.len : bad.len / 2;
        for (size_t i = 0; i < len; i++) {
            bad.data[i] ^= 0x5a;
        }
        REQUIRE_OK(vs_store_put(store, f.maker.index_key, vs_buf_view(&bad), VS_PUT_ANY, &err),
                   err);
        if (round < 2) {
            CHECK_OK(query(&f, engine, 2, false, &err), err);
            CHECK_OK(query(&f, engine, 3, false, &err), err);
        } else { // an open object stays what it was in this store
            CHECK_OK(query(&f, engine, 4, true, &err), err);
        }
        vs_engine_close(engine);
        REQUIRE_OK(vs_store_put(store, f.maker.index_key, vs_buf_view(&good), VS_PUT_ANY, &err),
                   err);
    }
    vs_buf_clear(&good);
    vs_buf_clear(&bad);
    end(&f);
}

TEST_MAIN(TEST(rounds_of_a_first_query),
          TEST(deleted_rows_cost_one_round),
          TEST(the_rest_of_the_index_follows),
          TEST(a_second_process_finds_it_in_the_cache),
          TEST(a_store_that_fails_gives_no_wrong_answer),
          TEST(a_replaced_index_is_not_believed))
