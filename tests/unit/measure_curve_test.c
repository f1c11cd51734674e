// SPDX-License-Identifier: Apache-2.0
/*
 * What the build measures, against what searches of the built index really do: same queries, same
 * settings, same rows called true.
 */
#include "index/index_internal.h"
#include "index/measure_curve.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"

#include <math.h>
#include <stdlib.h>

#define QUERIES 64
static const uint32_t measured_k[] = {1, 10, 100};
static const uint32_t rerank_steps[] = {4, 10, 20, 40, 100, 200};
#define STEPS (sizeof rerank_steps / sizeof rerank_steps[0])

struct opened {
    struct fixture f;
    struct vs_buf bytes;
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
    struct vs_lists *lists;
};

static uint32_t list_count = 64; // of the indexes that follow

static void open_stored(
    enum vs_metric metric, size_t rows, bool second, bool half, struct opened *o)
{
    struct vs_error err;
    struct vs_index_build_result result;
    *o = (struct opened){.f = {.row_count = rows,
                               .dim = 24,
                               .cluster_count = 60,
                               .metric = metric,
                               .null_every = 9,
                               .spread = 0.6F,
                               .seed = 21}};
    fixture_make(&o->f, QUERIES);
    struct fixture_build build = {.small_rows = 300,
                                  .list_count = list_count,
                                  .half_rows = half,
                                  .second_assignment = second ? VS_SECOND_ON : VS_SECOND_OFF};
    const struct vs_env *env = vs_env_default();
    REQUIRE_OK(fixture_build_index(env, &o->f, &build, &o->bytes, &result, &err), err);
    REQUIRE_OK(vs_file_open_bytes(env, vs_buf_view(&o->bytes), "x", &o->file, &err), err);
    REQUIRE_OK(vs_index_open(env, o->file, NULL, &o->index, &err), err);
    REQUIRE_OK(vs_index_scratch_new(env, &o->scratch, &err), err);
    o->lists = &o->index->segments[0].parts[0].lists;
}

static void open_fixture(enum vs_metric metric, size_t rows, bool second, struct opened *o)
{
    open_stored(metric, rows, second, false, o);
}

static void close_fixture(struct opened *o)
{
    vs_index_scratch_free(o->scratch);
    vs_index_close(o->index);
    vs_file_close(o->file);
    vs_buf_clear(&o->bytes);
    fixture_free(&o->f);
}

// The truth for the fixture's queries from the int8 rows of the index, `chunk` rows at a time.
static enum vs_status make_truth(const struct vs_env *env,
                                 const struct opened *o,
                                 size_t chunk,
                                 size_t threads,
                                 struct vs_truth *truth,
                                 struct vs_error *err)
{
    const struct vs_lists *lists = o->lists;
    VS_TRY(vs_truth_make(env, o->f.metric, o->f.dim, QUERIES, truth, err));
    for (size_t q = 0; q < QUERIES; q++) {
        double norm = 0.0;
        for (size_t d = 0; d < o->f.dim; d++) {
            double value = (double)o->f.queries[q * o->f.dim + d];
            norm += value * value;
        }
        double scale = o->f.metric == VS_METRIC_COSINE ? 1.0 / sqrt(norm) : 1.0;
        for (size_t d = 0; d < o->f.dim; d++) {
            truth->vectors[q * o->f.dim + d] =
                (float)((double)o->f.queries[q * o->f.dim + d] * scale);
        }
    }
    VS_TRY(vs_truth_ready(truth, err));
    for (size_t at = 0; at < lists->slot_count; at += chunk) {
        size_t left = lists->slot_count - at;
        struct vs_truth_chunk rows = {lists->rows + at * lists->stride, lists->facts + at,
                                      left < chunk ? left : chunk};
        VS_TRY(vs_truth_add(truth, &rows, threads, err));
    }
    vs_truth_finish(truth);
    return VS_OK;
}

static struct vs_curve_params curve_params(const struct opened *o, const struct vs_truth *truth)
{
    return (struct vs_curve_params){.lists = o->lists,
                                    .truth = truth,
                                    .k = measured_k,
                                    .k_count = 3,
                                    .rerank = rerank_steps,
                                    .rerank_count = STEPS,
                                    .keep_all = true,
                                    .thread_count = 2};
}

// The true neighbours by exact scores instead of scores with errors made up: then settings that
// re-score are promised exactly what searches find.
static void use_exact_scores(const struct opened *o, struct vs_truth *truth)
{
    for (size_t q = 0; q < QUERIES; q++) {
        struct vs_truth_query *query = &truth->queries[q];
        for (size_t i = 0; i < query->count; i++) {
            uint32_t row = query->rows[i];
            float estimate = query->estimates[i];
            double score = fixture_score(&o->f, o->f.queries + q * o->f.dim, row);
            size_t j = i;
            for (; j > 0 &&
                   fixture_score(&o->f, o->f.queries + q * o->f.dim, query->rows[j - 1]) < score;
                 j--) {
                query->rows[j] = query->rows[j - 1];
                query->estimates[j] = query->estimates[j - 1];
            }
            query->rows[j] = row;
            query->estimates[j] = estimate;
        }
    }
}

// Hits of real searches with the settings of a point, and the entries that they scanned.
static size_t search_with(const struct opened *o,
                          const struct vs_truth *truth,
                          const struct vs_recall_point *point,
                          uint64_t *scanned_out)
{
    struct vs_error err;
    size_t hits = 0;
    *scanned_out = 0;
    for (size_t q = 0; q < QUERIES; q++) {
        struct vs_index_hit found[100];
        struct vs_index_stats stats = {0};
        size_t count = 0;
        struct vs_index_query query = {.vector = o->f.queries + q * o->f.dim,
                                       .k = point->k,
                                       .nprobe = point->nprobe,
                                       .rerank = point->rerank,
                                       .gap = point->gap,
                                       .rescore = point->rescore};
        CHECK_OK(vs_index_search(o->index, &query, o->scratch, found, &count, &stats, &err), err);
        *scanned_out += stats.scanned;
        for (size_t i = 0; i < count; i++) {
            for (size_t t = 0; t < point->k && t < truth->queries[q].count; t++) {
                hits += found[i].row == truth->queries[q].rows[t];
            }
        }
    }
    return hits;
}

// Every setting of the curve is searched. Ties at the last re-ranked place count against the curve,
// so the search may find a little more. open: lists that the ranking looks at; 0: all.
static void check_curve(enum vs_metric metric, bool second, bool rescore, uint32_t open)
{
    struct vs_error err;
    struct opened o;
    struct vs_truth truth;
    struct vs_recall_point *points = NULL;
    size_t count = 0, compared = 0, with_gap = 0, rescored = 0;
    double most_over = 0.0, most_under = 0.0, sum_over = 0.0;
    open_fixture(metric, 6000, second, &o);
    CHECK(o.lists->repeated == second);
    ((struct vs_codebook *)(uintptr_t)o.lists->codebook)->open_lists = open;
    REQUIRE_OK(make_truth(vs_env_default(), &o, 512, 2, &truth, &err), err);
    struct vs_curve_params params = curve_params(&o, &truth);
    params.rescore = rescore;
    if (rescore) {
        use_exact_scores(&o, &truth);
    }
    REQUIRE_OK(vs_curve_measure(vs_env_default(), &params, &points, &count, &err), err);
    for (size_t i = 0; i < count; i += 3) {
        const struct vs_recall_point *point = &points[i];
        uint64_t scanned = 0;
        size_t hits = search_with(&o, &truth, point, &scanned);
        double recall = (double)hits / (double)(QUERIES * point->k);
        double expected = (double)point->scanned_fraction * QUERIES * o.lists->entry_count;
        if (expected < (double)QUERIES * 16 * point->k) {
            continue; // few entries: searches go on to more lists where they have not seen k
        }
        CHECK_NEAR((double)scanned, expected, 0.5);
        // The truth made here goes by eight bits of the query, searches by sixteen: that is one
        // answer more or less.
        double over = (double)point->recall - recall;
        CHECK(over < 1.01 / QUERIES);
        if (point->k > 1) {
            most_over = fmax(most_over, over);
            sum_over += over;
        }
        most_under = fmax(most_under, recall - (double)point->recall);
        compared++;
        with_gap += point->gap > 0.0F;
        rescored += point->rescore;
    }
    CHECK(compared > 50 && with_gap > 20 && (rescored > 20) == rescore);
    CHECK(most_over < 0.0095); // six of 640 at k = 10
    CHECK(fabs(sum_over) < 0.0032 * (double)compared);
    CHECK(most_under < 0.0160); // one of 64 at k = 1: ties
    vs_free(vs_env_default(), points);
    vs_truth_clear(&truth);
    close_fixture(&o);
}

static void curve_is_what_searches_find_cosine(void)
{
    check_curve(VS_METRIC_COSINE, true, false, 0);
}

static void curve_is_what_searches_find_l2(void)
{
    check_curve(VS_METRIC_L2, false, false, 0);
}

static void curve_is_what_searches_find_ip(void)
{
    check_curve(VS_METRIC_IP, true, false, 0);
}

// Where lists are ranked by their centroids' codes, and not all of them are looked at, near ones go
// unseen: the curve has to know.
static void curve_knows_of_lists_that_ranking_misses(void)
{
    list_count = 1024;
    check_curve(VS_METRIC_L2, false, false, 0);
    check_curve(VS_METRIC_L2, true, false, 64);
    list_count = 64;
}

static void curve_is_what_re_scored_searches_find(void)
{
    check_curve(VS_METRIC_COSINE, true, true, 0);
    check_curve(VS_METRIC_L2, false, true, 0);
}

// The built index: its settings for a target are what a search without settings does.
static void check_settings(bool half)
{
    struct vs_error err;
    struct opened o;
    size_t rescored = 0, found = 0;
    open_stored(VS_METRIC_COSINE, 6000, true, half, &o);
    const struct vs_index_column *column = &vs_index_info(o.index)->columns[0];
    for (size_t i = 0; i < column->recall_count; i++) {
        rescored += column->recall[i].rescore;
    }
    CHECK(rescored > 0 && rescored < column->recall_count);
    struct vs_recall_point point = vs_recall_choose(column, o.lists->entry_count, 10, 0.995F);
    CHECK(point.rescore); // 24 dimensions: int8 alone does not get there
    for (size_t q = 0; q < QUERIES; q++) {
        struct vs_index_hit own[10], same[10];
        struct vs_index_stats stats;
        uint32_t exact[10];
        size_t count = 0, same_count = 0;
        struct vs_index_query query = {
            .vector = o.f.queries + q * o.f.dim, .k = 10, .recall_target = 0.995F};
        REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, own, &count, &stats, &err), err);
        CHECK(stats.reranked > point.rerank); // and some of them once more
        query.nprobe = point.nprobe;
        query.rerank = point.rerank;
        query.gap = point.gap;
        query.rescore = true;
        REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, same, &same_count, NULL, &err), err);
        CHECK(count == 10 && same_count == 10 && memcmp(own, same, sizeof own) == 0);
        REQUIRE(fixture_exact(&o.f, query.vector, NULL, 10, exact) == 10);
        for (size_t i = 0; i < 10; i++) {
            CHECK_NEAR((double)own[i].score, fixture_score(&o.f, query.vector, own[i].row),
                       half ? 5e-4 : 1e-5);
            for (size_t j = 0; j < 10; j++) {
                found += own[i].row == exact[j];
            }
        }
    }
    CHECK(found >= QUERIES * 10 * 98 / 100);
    close_fixture(&o);
}

static void settings_of_the_index_re_score(void)
{
    check_settings(false);
    check_settings(true);
}

// Nearly the exact neighbours, the same however they come; rows near a query's own are left out.
static void truth_is_nearly_exact(void)
{
    struct vs_error err;
    struct opened o;
    struct vs_truth truth, parts;
    size_t same = 0, ordered = 0;
    open_fixture(VS_METRIC_L2, 3000, false, &o);
    REQUIRE_OK(make_truth(vs_env_default(), &o, 4096, 1, &truth, &err), err);
    REQUIRE_OK(make_truth(vs_env_default(), &o, 7, 3, &parts, &err), err);
    for (size_t q = 0; q < QUERIES; q++) {
        uint32_t exact[10];
        const struct vs_truth_query *query = &truth.queries[q];
        REQUIRE(fixture_exact(&o.f, o.f.queries + q * o.f.dim, NULL, 10, exact) == 10);
        CHECK_INT(query->count, VS_TRUTH_DEPTH);
        for (size_t i = 0; i < 10; i++) {
            for (size_t j = 0; j < 10; j++) {
                same += query->rows[i] == exact[j];
            }
            ordered += i > 0 && query->keys[i] <= query->keys[i - 1];
        }
        CHECK(memcmp(query->rows, parts.queries[q].rows, VS_TRUTH_DEPTH * sizeof(uint32_t)) == 0);
        CHECK(memcmp(query->estimates, parts.queries[q].estimates,
                     VS_TRUTH_DEPTH * sizeof(float)) == 0);
    }
    CHECK_INT(ordered, QUERIES * 9);
    CHECK(same > (size_t)QUERIES * 10 * 95 / 100 &&
          same < (size_t)QUERIES * 10); // rounding does show
    vs_truth_clear(&parts);
    vs_truth_clear(&truth);
    close_fixture(&o);
}

static void made_up_queries_leave_their_rows_out(void)
{
    struct vs_error err;
    struct opened o;
    struct vs_truth truth;
    open_fixture(VS_METRIC_COSINE, 3000, false, &o);
    REQUIRE_OK(vs_truth_make(vs_env_default(), VS_METRIC_COSINE, o.f.dim, 40, &truth, &err), err);
    truth.excluded = 25;
    struct vs_truth_sample sample = {o.f.vectors, NULL, o.f.row_count, 1.0F, 3};
    vs_truth_from_rows(&truth, &sample);
    REQUIRE_OK(vs_truth_ready(&truth, &err), err);
    struct vs_truth_chunk rows = {o.lists->rows, o.lists->facts, o.lists->slot_count};
    REQUIRE_OK(vs_truth_add(&truth, &rows, 2, &err), err);
    vs_truth_finish(&truth);
    for (size_t q = 0; q < 40; q++) {
        const struct vs_truth_query *query = &truth.queries[q];
        CHECK(query->own_row == q * o.f.row_count / 40);
        CHECK_NEAR((double)query->norm, 1.0, 1e-4);
        for (size_t i = 0; i < query->count; i++) {
            long apart = labs((long)query->rows[i] - (long)query->own_row);
            CHECK(apart > 25);
        }
    }
    // The same on any number of threads.
    struct vs_curve_params params = curve_params(&o, &truth);
    struct vs_recall_point *one = NULL, *three = NULL;
    size_t one_count = 0, three_count = 0;
    params.keep_all = false;
    params.thread_count = 1;
    REQUIRE_OK(vs_curve_measure(vs_env_default(), &params, &one, &one_count, &err), err);
    params.thread_count = 3;
    REQUIRE_OK(vs_curve_measure(vs_env_default(), &params, &three, &three_count, &err), err);
    CHECK(one_count == three_count && one_count > 10);
    for (size_t i = 0; i < one_count && i < three_count; i++) {
        CHECK(one[i].k == three[i].k && one[i].nprobe == three[i].nprobe &&
              one[i].rerank == three[i].rerank && one[i].rescore == three[i].rescore);
        CHECK(!(one[i].recall < three[i].recall) && !(one[i].recall > three[i].recall));
        CHECK(!(one[i].gap < three[i].gap) && !(one[i].gap > three[i].gap));
    }
    // Only settings that no cheaper one equals.
    for (size_t i = 1; i < one_count; i++) {
        CHECK(one[i].k > one[i - 1].k || one[i].recall > one[i - 1].recall);
    }
    vs_free(vs_env_default(), one);
    vs_free(vs_env_default(), three);
    vs_truth_clear(&truth);
    close_fixture(&o);
}

static void failing_allocations_leave_nothing_behind(void)
{
    struct opened o;
    open_fixture(VS_METRIC_COSINE, 1500, true, &o);
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_error err;
        struct vs_truth truth = {0};
        struct vs_recall_point *points = NULL;
        size_t count = 0;
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status = make_truth(&test.env, &o, 4096, 1, &truth, &err);
        if (status == VS_OK) {
            struct vs_curve_params params = curve_params(&o, &truth);
            params.thread_count = 1;
            status = vs_curve_measure(&test.env, &params, &points, &count, &err);
        }
        CHECK(status == VS_OK || status == VS_NO_MEMORY);
        CHECK((status == VS_OK) == (points != NULL));
        vs_free(&test.env, points);
        vs_truth_clear(&truth);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK(status == VS_OK && n > 5);
            break;
        }
    }
    close_fixture(&o);
}

TEST_MAIN(TEST(curve_is_what_searches_find_cosine),
          TEST(curve_is_what_searches_find_l2),
          TEST(curve_is_what_searches_find_ip),
          TEST(curve_knows_of_lists_that_ranking_misses),
          TEST(curve_is_what_re_scored_searches_find),
          TEST(settings_of_the_index_re_score),
          TEST(truth_is_nearly_exact),
          TEST(made_up_queries_leave_their_rows_out),
          TEST(failing_allocations_leave_nothing_behind))
