// SPDX-License-Identifier: Apache-2.0
// The choice of settings on tables whose best settings are known.
#include "index/tune.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/train_floats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS ((size_t)131072)
#define SAMPLE ((size_t)8192)

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static float next_normal(uint64_t *state)
{
    float sum = -3.0F;
    for (int i = 0; i < 6; i++) {
        sum += (float)(next_random(state) >> 40) / 16777216.0F;
    }
    return sum * 1.41421356F;
}

// `clusters` far from each other with a little noise; 0: noise alone. Only `rank` coordinates carry
// something.
static void fill(size_t dim, size_t rank, size_t clusters, float *rows, size_t count, uint64_t seed)
{
    memset(rows, 0, count * dim * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        float *row = rows + i * dim;
        uint64_t centre = clusters > 0 ? (i * 7919 % clusters + 1) * 1000003u : 1;
        double norm = 0.0;
        for (size_t d = 0; d < rank; d++) {
            row[d] = clusters > 0 ? next_normal(&centre) + 0.05F * next_normal(&seed)
                                  : next_normal(&seed);
            norm += (double)row[d] * (double)row[d];
        }
        for (size_t d = 0; d < rank; d++) {
            row[d] = (float)((double)row[d] / sqrt(norm));
        }
    }
}

struct table {
    float *rows, *queries;
    struct vs_tune_params params;
};

static struct table make(uint32_t dim, size_t rank, size_t clusters)
{
    struct table t = {calloc(SAMPLE * dim, sizeof(float)),
                      calloc(256 * (size_t)dim, sizeof(float)),
                      {.dim = dim,
                       .metric = VS_METRIC_COSINE,
                       .query_count = 256,
                       .row_count = ROWS,
                       .seed = 3,
                       .thread_count = 2}};
    fill(dim, rank, clusters, t.rows, SAMPLE, 17);
    fill(dim, rank, clusters, t.queries, 256, 99);
    t.params.sample = train_rows_make(t.rows, SAMPLE, dim);
    t.params.queries = t.queries;
    return t;
}

static void drop(struct table *t)
{
    free(t->rows);
    train_rows_free(&t->params.sample);
    free(t->queries);
}

// Each query's neighbours are those of one list: looking into a second entry can only cost.
static void separate_clusters_need_no_second_assignment(void)
{
    struct vs_error err;
    struct vs_tune_choice choice;
    struct table t = make(32, 32, 512);
    t.params.list_count = 512;
    t.params.m = 32;
    REQUIRE_OK(vs_tune(vs_env_default(), &t.params, &choice, &err), err);
    CHECK(!choice.second_assignment);
    CHECK_INT(choice.list_count, 512);
    CHECK_INT(choice.m, 32);
    CHECK_INT(choice.tried, 2);
    drop(&t);
}

// Without any clusters neighbours lie across many borders: a second entry halves the lists.
static void noise_needs_second_assignment(void)
{
    struct vs_error err;
    struct vs_tune_choice choice;
    struct table t = make(16, 16, 0);
    t.params.list_count = 1024;
    t.params.m = 16;
    REQUIRE_OK(vs_tune(vs_env_default(), &t.params, &choice, &err), err);
    CHECK(choice.second_assignment);
    drop(&t);
}

// Eight coordinates hold everything: codes may be shorter than usual.
static void short_codes_for_simple_vectors(void)
{
    struct vs_error err;
    struct vs_tune_choice choice;
    struct table t = make(96, 8, 0);
    t.params.list_count = 1024;
    t.params.second = VS_SECOND_OFF;
    REQUIRE_OK(vs_tune(vs_env_default(), &t.params, &choice, &err), err);
    CHECK(choice.m < 96); // which is the default
    CHECK(choice.tried >= 3);
    CHECK(!choice.second_assignment);
    drop(&t);
}

static void same_choice_on_any_number_of_threads(void)
{
    struct vs_error err;
    static struct vs_tune_choice one, three;
    struct table t = make(32, 32, 700);
    t.params.query_count = 0; // made of rows
    t.params.queries = NULL;
    t.params.m = 32;
    t.params.thread_count = 1;
    REQUIRE_OK(vs_tune(vs_env_default(), &t.params, &one, &err), err);
    t.params.thread_count = 3;
    REQUIRE_OK(vs_tune(vs_env_default(), &t.params, &three, &err), err);
    CHECK(one.list_count == three.list_count && one.m == three.m &&
          one.second_assignment == three.second_assignment);
    CHECK_TEXT(one.table_json, three.table_json);
    CHECK_INT(one.tried, 6);
    CHECK(one.list_count == 2048 || one.list_count == 4096 || one.list_count == 8192);
    drop(&t);
}

static void little_is_not_tried(void)
{
    struct vs_error err;
    struct vs_tune_choice choice;
    struct table t = make(32, 32, 100);
    t.params.row_count = 60000;
    REQUIRE_OK(vs_tune(vs_env_default(), &t.params, &choice, &err), err);
    CHECK(choice.tried == 0 && choice.list_count > 1 && choice.m == 32 &&
          choice.table_json[0] == 0);
    t.params.row_count = ROWS;
    t.params.list_count = 300;
    t.params.m = 32;
    t.params.second = VS_SECOND_ON;
    REQUIRE_OK(vs_tune(vs_env_default(), &t.params, &choice, &err), err);
    CHECK(choice.tried == 0 && choice.list_count == 300 && choice.second_assignment);
    drop(&t);
}

// Every fifth allocation fails in its turn.
static void failing_allocations_leave_nothing_behind(void)
{
    struct table t = make(8, 8, 200);
    t.params.list_count = 256;
    t.params.m = 8;
    t.params.thread_count = 1;
    for (long n = 0;; n += 5) {
        struct test_env test;
        struct vs_error err;
        static struct vs_tune_choice choice;
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status = vs_tune(&test.env, &t.params, &choice, &err);
        CHECK(status == VS_OK || status == VS_NO_MEMORY);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK(status == VS_OK && n > 20);
            break;
        }
    }
    drop(&t);
}

TEST_MAIN(TEST(separate_clusters_need_no_second_assignment),
          TEST(noise_needs_second_assignment),
          TEST(short_codes_for_simple_vectors),
          TEST(same_choice_on_any_number_of_threads),
          TEST(little_is_not_tried),
          TEST(failing_allocations_leave_nothing_behind))
