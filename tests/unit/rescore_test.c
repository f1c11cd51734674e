// SPDX-License-Identifier: Apache-2.0
// Scores from stored vectors: how they are read, and what happens when reading fails.
#include "index/index.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_env.h"

#include <math.h>

#define ROWS 1500
#define DIM 24
#define QUERIES 20

// A file that counts what is read of it, and can fail.
struct counted {
    struct vs_file base;
    struct vs_file *inner;
    size_t rounds, ranges;
    bool fail;
};

static enum vs_status counted_read_many(struct vs_file *file,
                                        const struct vs_range *ranges,
                                        size_t count,
                                        struct vs_error *err)
{
    struct counted *self = (struct counted *)file;
    self->rounds++;
    self->ranges += count;
    if (self->fail) {
        return vs_fail(err, VS_UNAVAILABLE, "%s: not now (test)", file->name);
    }
    return vs_file_read_many(self->inner, ranges, count, err);
}

static enum vs_status counted_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct vs_range range = {offset, len, dst};
    return counted_read_many(file, &range, 1, err);
}

static void counted_close(struct vs_file *file)
{
    (void)file;
}

static const struct vs_file_vtable counted_vtable = {
    .read = counted_read, .read_many = counted_read_many, .close = counted_close};

struct opened {
    struct test_env test;
    struct fixture fixture;
    struct vs_buf bytes;
    struct counted file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
};

static bool open_fixture(struct opened *o, enum vs_metric metric, bool half, struct vs_error *err)
{
    const struct fixture_build build = {.small_rows = 500, .list_count = 32, .half_rows = half};
    struct vs_index_build_result result;
    *o = (struct opened){.fixture = {.row_count = ROWS,
                                     .dim = DIM,
                                     .cluster_count = 30,
                                     .metric = metric,
                                     .null_every = 10,
                                     .spread = 0.4F,
                                     .seed = 3}};
    test_env_init(&o->test);
    fixture_make(&o->fixture, QUERIES);
    const struct vs_env *env = &o->test.env;
    if (fixture_build_index(env, &o->fixture, &build, &o->bytes, &result, err) != VS_OK ||
        vs_file_open_bytes(env, vs_buf_view(&o->bytes), "x", &o->file.inner, err) != VS_OK) {
        return false;
    }
    o->file.base = *o->file.inner;
    o->file.base.vtable = &counted_vtable;
    return vs_index_open(env, &o->file.base, NULL, &o->index, err) == VS_OK &&
           vs_index_scratch_new(env, &o->scratch, err) == VS_OK;
}

static void close_fixture(struct opened *o)
{
    vs_index_scratch_free(o->scratch);
    vs_index_close(o->index);
    vs_file_close(o->file.inner);
    vs_buf_clear(&o->bytes);
    fixture_free(&o->fixture);
    CHECK_INT(o->test.live, 0);
}

static struct vs_index_query question(const struct opened *o, size_t q, size_t k)
{
    return (struct vs_index_query){.vector = o->fixture.queries + q * DIM,
                                   .k = k,
                                   .nprobe = 32,
                                   .rerank = 500,
                                   .rescore = true};
}

// One round a query, of hardly more rows than are wanted; no memory is asked for.
static void check_rounds(bool half)
{
    static const size_t ks[] = {1, 10, 100};
    struct vs_error err;
    struct opened o;
    static struct vs_index_hit hits[100];
    REQUIRE(open_fixture(&o, VS_METRIC_COSINE, half, &err));
    for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
        struct vs_index_query query = question(&o, 0, ks[i]);
        size_t count = 0;
        REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, hits, &count, NULL, &err), err);
        long calls = o.test.calls;
        o.file.rounds = o.file.ranges = 0;
        uint64_t rescored = 0;
        for (size_t q = 0; q < QUERIES; q++) {
            struct vs_index_stats with, without;
            query = question(&o, q, ks[i]);
            REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, hits, &count, &with, &err), err);
            query.rescore = false;
            REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, hits, &count, &without, &err),
                       err);
            rescored += with.reranked - without.reranked;
        }
        CHECK_INT(o.file.rounds, QUERIES);
        CHECK(o.file.ranges <= rescored);
        CHECK(rescored >= QUERIES * ks[i] && rescored <= QUERIES * (ks[i] + ks[i] / 2 + 8));
        CHECK_INT(o.test.calls, calls);
    }
    close_fixture(&o);
}

static void few_vectors_are_read_in_one_round(void)
{
    check_rounds(false);
    check_rounds(true);
}

// Of neighbouring rows one range is made: every tenth row has no vector. Many go in several rounds.
static void neighbours_are_read_together(void)
{
    static const enum vs_metric metrics[] = {VS_METRIC_COSINE, VS_METRIC_IP, VS_METRIC_L2};
    static struct vs_index_hit hits[ROWS], exact[ROWS];
    for (size_t m = 0; m < 3; m++) {
        struct vs_error err;
        struct opened o;
        size_t count = 0, exact_count = 0;
        REQUIRE(open_fixture(&o, metrics[m], false, &err));
        struct vs_index_query query = question(&o, 0, ROWS);
        query.rerank = ROWS;
        o.file.rounds = o.file.ranges = 0;
        REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, hits, &count, NULL, &err), err);
        CHECK_INT(count, ROWS - ROWS / 10);
        CHECK(o.file.ranges >= ROWS / 10 && o.file.ranges <= ROWS / 10 + o.file.rounds);
        CHECK(o.file.rounds > 1 && o.file.rounds < 10);
        query.exact = true;
        REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, exact, &exact_count, NULL, &err),
                   err);
        CHECK(count == exact_count && memcmp(hits, exact, count * sizeof hits[0]) == 0);
        close_fixture(&o);
    }
}

// Half-width vectors: scores as exact ones but for the rounding of 11 bits, in that order.
static void half_rows_are_nearly_exact(void)
{
    static const enum vs_metric metrics[] = {VS_METRIC_COSINE, VS_METRIC_IP, VS_METRIC_L2};
    static struct vs_index_hit hits[100];
    for (size_t m = 0; m < 3; m++) {
        struct vs_error err;
        struct opened o;
        size_t same = 0, rounded = 0;
        REQUIRE(open_fixture(&o, metrics[m], true, &err));
        for (size_t q = 0; q < QUERIES; q++) {
            uint32_t exact[100];
            size_t count = 0;
            struct vs_index_query query = question(&o, q, 100);
            REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, hits, &count, NULL, &err), err);
            REQUIRE(count == 100 &&
                    fixture_exact(&o.fixture, query.vector, NULL, 100, exact) == 100);
            double length = 0.0; // of the query
            for (size_t d = 0; d < DIM; d++) {
                length += (double)query.vector[d] * (double)query.vector[d];
            }
            for (size_t h = 0; h < count; h++) {
                double score = fixture_score(&o.fixture, query.vector, hits[h].row),
                       most = 0x1p-10 * (1.0 + length); // 2^-11 a value
                CHECK_NEAR((double)hits[h].score, score, most);
                rounded += fabs((double)hits[h].score - score) > 1e-7;
                CHECK(h == 0 || hits[h].score <= hits[h - 1].score);
                same += hits[h].row == exact[h];
            }
        }
        CHECK(same > (size_t)QUERIES * 100 * 97 / 100);
        CHECK(rounded > (size_t)QUERIES * 50);
        close_fixture(&o);
    }
}

static void failing_reads_fail_the_query_alone(void)
{
    struct vs_error err;
    struct opened o;
    struct vs_index_hit hits[10], again[10];
    size_t count = 77;
    REQUIRE(open_fixture(&o, VS_METRIC_L2, false, &err));
    struct vs_index_query query = question(&o, 1, 10);
    o.file.fail = true;
    CHECK_STATUS(vs_index_search(o.index, &query, o.scratch, hits, &count, NULL, &err),
                 VS_UNAVAILABLE);
    CHECK_INT(count, 77);
    o.file.fail = false;
    CHECK_OK(vs_index_search(o.index, &query, o.scratch, hits, &count, NULL, &err), err);
    CHECK_INT(count, 10);
    CHECK_OK(vs_index_search(o.index, &query, o.scratch, again, &count, NULL, &err), err);
    CHECK(memcmp(hits, again, sizeof hits) == 0);
    // A damaged vector is never scored.
    float wanted[DIM];
    bool present = false;
    size_t damaged = 0;
    REQUIRE_OK(vs_index_fetch_vectors(o.index, 0, 0, &hits[4].row, 1, wanted, &present, &err), err);
    for (size_t at = 0; at + sizeof wanted <= o.bytes.len; at += sizeof(float)) {
        if (memcmp(o.bytes.data + at, wanted, sizeof wanted) == 0) {
            o.bytes.data[at + 5] ^= 1;
            damaged++;
        }
    }
    CHECK_INT(damaged, 1);
    CHECK_STATUS(vs_index_search(o.index, &query, o.scratch, again, &count, NULL, &err),
                 VS_CORRUPT);
    query.rescore = false;
    CHECK_OK(vs_index_search(o.index, &query, o.scratch, again, &count, NULL, &err), err);
    close_fixture(&o);
}

TEST_MAIN(TEST(few_vectors_are_read_in_one_round),
          TEST(neighbours_are_read_together),
          TEST(half_rows_are_nearly_exact),
          TEST(failing_reads_fail_the_query_alone))
