// SPDX-License-Identifier: Apache-2.0
/*
 * Tests of the query engine: a made table with an engine over it, and checks of answers against the
 * model of its rows.
 */
#ifndef VS_TESTS_ENGINE_FIXTURE_H
#define VS_TESTS_ENGINE_FIXTURE_H

#include "api/query/engine.h"
#include "tests/support/check.h"
#include "tests/support/table_maker.h"

#include <stdlib.h>

#define DIM 16

struct predicate {
    const char *text;
    bool (*matches)(int64_t id);
};

static inline bool is_en(int64_t id)
{
    return made_lang(id) != NULL && strcmp(made_lang(id), "en") == 0;
}

static inline bool is_recent_or_cheap(int64_t id)
{
    int year;
    bool known = made_year(id, &year);
    return (known && year >= 2015) || made_price(id) < 20;
}

static inline bool is_tagged(int64_t id)
{
    return made_has_tag(id, "third") && !made_has_tag(id, "even");
}

static inline bool is_one(int64_t id)
{
    return id == 77;
}

static inline bool is_none(int64_t id)
{
    (void)id;
    return false;
}

#define PREDICATE_COUNT 6
static const struct predicate predicates[PREDICATE_COUNT] = {
    {NULL, NULL},
    {"lang = 'en'", is_en},
    {"year >= 2015 OR price < 20", is_recent_or_cheap},
    {"tags = 'third' AND tags != 'even'", is_tagged},
    {"id = 77", is_one},
    {"body = 'nothing'", is_none},
};

struct fixture {
    struct test_env test;
    struct table_maker maker;
    struct vs_engine *engine;
};

static inline bool set_up(struct fixture *f, const char *metric)
{
    struct vs_error err = {0};
    memset(f, 0, sizeof *f);
    test_env_init(&f->test);
    enum vs_status status = table_maker_open(&f->maker, &f->test.env, NULL, metric, DIM, &err);
    if (status == VS_OK) {
        const struct vs_engine_options options = {.thread_count = 2, .cache_bytes = 64 << 20};
        status = vs_engine_open(f->maker.catalog, &options, &f->engine, &err);
    }
    CHECK_OK(status, err);
    return status == VS_OK;
}

static inline void tear_down(struct fixture *f)
{
    vs_engine_close(f->engine);
    table_maker_close(&f->maker);
    CHECK_INT(f->test.live, 0);
}

static inline void make_query(const struct table_maker *maker, int64_t seed, float *query)
{
    made_vector(maker, seed * 13 + 100000, 3, query);
}

static inline bool is_candidate(const struct made_row *row,
                                int64_t commit,
                                const struct predicate *predicate)
{
    return made_is_live(row, commit) && made_has_vector(row->id) &&
           (predicate->matches == NULL || predicate->matches(row->id));
}

static inline int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

// Best scores of the model; returns how many candidates there are.
static inline size_t expected_scores(const struct table_maker *maker,
                                     int64_t commit,
                                     const struct predicate *predicate,
                                     const float *query,
                                     double *scores)
{
    size_t n = 0;
    for (size_t i = 0; i < maker->row_count; i++) {
        if (is_candidate(&maker->rows[i], commit, predicate)) {
            scores[n++] = made_score(maker, query, &maker->rows[i]);
        }
    }
    qsort(scores, n, sizeof *scores, descending);
    return n;
}

static inline const struct made_row *live_row(const struct table_maker *maker,
                                              int64_t commit,
                                              int64_t id)
{
    for (size_t i = 0; i < maker->row_count; i++) {
        if (maker->rows[i].id == id && made_is_live(&maker->rows[i], commit)) {
            return &maker->rows[i];
        }
    }
    return NULL;
}

static inline void check_coverage(const struct table_maker *maker,
                                  int64_t commit,
                                  const struct predicate *predicate,
                                  const struct vs_coverage *c)
{
    struct vs_coverage expected = {0};
    for (size_t i = 0; i < maker->row_count; i++) {
        const struct made_row *row = &maker->rows[i];
        if (row->added_at > commit) {
            continue;
        }
        bool live = made_is_live(row, commit),
             matches = predicate->matches == NULL || predicate->matches(row->id);
        expected.rows++;
        expected.deleted += !live;
        expected.filtered += live && !matches;
        expected.no_vector += live && matches && !made_has_vector(row->id);
    }
    CHECK_INT(c->rows, expected.rows);
    CHECK_INT(c->indexed + c->scanned, expected.rows);
    CHECK_INT(c->deleted, expected.deleted);
    CHECK_INT(c->filtered, expected.filtered);
    CHECK_INT(c->no_vector, expected.no_vector);
}

// The answer is the exact one (up to the order of equal scores).
static inline void check_exact(const struct table_maker *maker,
                               int64_t commit,
                               const struct predicate *predicate,
                               const float *query,
                               size_t k,
                               const struct vs_result *result)
{
    double *scores = calloc(maker->row_count + 1, sizeof *scores);
    size_t candidates = expected_scores(maker, commit, predicate, query, scores);
    CHECK_INT(result->hit_count, candidates < k ? candidates : k);
    CHECK_INT(result->complete, candidates >= k);
    CHECK((result->reason.len == 0) == result->complete);
    for (size_t i = 0; i < result->hit_count && i < candidates; i++) {
        int64_t id = strtoll(result->hits[i].id_json.ptr, NULL, 10);
        const struct made_row *row = live_row(maker, commit, id);
        CHECK_NEAR(result->hits[i].score, scores[i], 2e-5);
        CHECK(row != NULL && is_candidate(row, commit, predicate));
        if (row != NULL) {
            CHECK_NEAR(result->hits[i].score, made_score(maker, query, row), 2e-5);
        }
        for (size_t j = 0; j < i; j++) {
            CHECK(strtoll(result->hits[j].id_json.ptr, NULL, 10) != id);
        }
    }
    free(scores);
}

struct ask {
    int64_t commit; // 0: the newest
    const struct predicate *predicate;
    size_t k;
    bool exact;
};

// Asks for two vectors and checks the answer; returns the coverage.
static inline struct vs_coverage ask_and_check(struct fixture *f, const struct ask *ask)
{
    struct vs_error err = {0};
    struct vs_answer *answer = NULL;
    float queries[2 * DIM];
    struct vs_coverage coverage = {0};
    int64_t commit = ask->commit != 0 ? ask->commit : f->maker.commits;
    make_query(&f->maker, 1, queries);
    make_query(&f->maker, 2, queries + DIM);
    const struct vs_query_options options = {
        .size = sizeof options,
        .table = MADE_TABLE,
        .vectors = queries,
        .vector_count = 2,
        .dim = DIM,
        .k = ask->k,
        .filter = ask->predicate->text,
        .exact = ask->exact,
        .at.snapshot_id = ask->commit != 0 ? f->maker.snapshots[ask->commit] : 0};
    enum vs_status status = vs_engine_query(f->engine, &options, &answer, &err);
    CHECK_OK(status, err);
    if (status != VS_OK) {
        return coverage;
    }
    CHECK_INT(vs_answer_result_count(answer), 2);
    CHECK_INT(vs_answer_snapshot_id(answer), f->maker.snapshots[commit]);
    CHECK(vs_answer_is_exact(answer));
    check_exact(&f->maker, commit, ask->predicate, queries, ask->k, vs_answer_result(answer, 0));
    check_exact(&f->maker, commit, ask->predicate, queries + DIM, ask->k,
                vs_answer_result(answer, 1));
    coverage = *vs_answer_coverage(answer);
    check_coverage(&f->maker, commit, ask->predicate, &coverage);
    vs_answer_free(answer);
    return coverage;
}

static inline void ask_all(struct fixture *f, int64_t commit, bool exact, uint64_t indexed)
{
    for (size_t i = 0; i < PREDICATE_COUNT; i++) {
        const struct ask ask = {commit, &predicates[i], 10, exact};
        struct vs_coverage coverage = ask_and_check(f, &ask);
        CHECK_INT(coverage.indexed, indexed);
    }
}

#endif
