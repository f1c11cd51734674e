// SPDX-License-Identifier: Apache-2.0
#include "index/index.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_env.h"
#include "vecstore/base/bytes.h"

#include <stdlib.h>

#define ROWS 1500
#define DIM 24
#define K_MAX 2000

struct opened {
    struct fixture fixture;
    struct vs_buf bytes;
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
};

static bool open_fixture(struct opened *o,
                         const struct vs_env *env,
                         enum vs_metric metric,
                         const struct fixture_build *build,
                         struct vs_error *err)
{
    struct vs_index_build_result result;
    o->fixture = (struct fixture){.row_count = ROWS,
                                  .dim = DIM,
                                  .cluster_count = 30,
                                  .metric = metric,
                                  .null_every = 10,
                                  .spread = 0.4F,
                                  .seed = 3,
                                  .values = true};
    fixture_make(&o->fixture, 20);
    return fixture_build_index(env, &o->fixture, build, &o->bytes, &result, err) == VS_OK &&
           vs_file_open_bytes(env, vs_buf_view(&o->bytes), "fixture.puffin", &o->file, err) ==
               VS_OK &&
           vs_index_open(env, o->file, NULL, &o->index, err) == VS_OK &&
           vs_index_scratch_new(env, &o->scratch, err) == VS_OK;
}

static void close_fixture(struct opened *o)
{
    vs_index_scratch_free(o->scratch);
    vs_index_close(o->index);
    vs_file_close(o->file);
    vs_buf_clear(&o->bytes);
    fixture_free(&o->fixture);
}

static enum vs_status search(struct opened *o,
                             const struct vs_index_query *query,
                             struct vs_index_hit *hits,
                             size_t *count,
                             struct vs_index_stats *stats,
                             struct vs_error *err)
{
    return vs_index_search(o->index, query, o->scratch, hits, count, stats, err);
}

static const struct fixture_build flat = {.small_rows = 0};
static const struct fixture_build with_lists = {.small_rows = 500, .list_count = 32};

static void flat_segment_answers_exactly(void)
{
    static const enum vs_metric metrics[] = {VS_METRIC_COSINE, VS_METRIC_IP, VS_METRIC_L2};

    for (size_t i = 0; i < 3; i++) {
        struct test_env test;
        struct vs_error err;
        struct opened o = {0};
        test_env_init(&test);
        REQUIRE(open_fixture(&o, &test.env, metrics[i], &flat, &err));
        CHECK(vs_index_info(o.index)->segments[0].is_small);
        for (size_t q = 0; q < o.fixture.query_count; q++) {
            struct vs_index_hit hits[10];
            struct vs_index_stats stats;
            uint32_t expected[10];
            size_t count = 0;
            struct vs_index_query query = {.vector = o.fixture.queries + q * DIM, .k = 10};
            REQUIRE_OK(search(&o, &query, hits, &count, &stats, &err), err);
            CHECK_INT(count, fixture_exact(&o.fixture, query.vector, NULL, 10, expected));
            CHECK(stats.exact);
            for (size_t h = 0; h < count; h++) {
                CHECK_INT(hits[h].row, expected[h]);
                CHECK_NEAR(hits[h].score, fixture_score(&o.fixture, query.vector, hits[h].row),
                           1e-3);
            }
        }
        close_fixture(&o);
        CHECK_INT(test.live, 0);
    }
}

// With all lists and a deep re-rank the answer of a list-organised segment is the exact one, bit
// for bit as `exact` gives it.
static void lists_agree_with_exact(void)
{
    static const enum vs_metric metrics[] = {VS_METRIC_COSINE, VS_METRIC_IP, VS_METRIC_L2};

    for (size_t i = 0; i < 3; i++) {
        struct test_env test;
        struct vs_error err;
        struct opened o = {0};
        test_env_init(&test);
        REQUIRE(open_fixture(&o, &test.env, metrics[i], &with_lists, &err));
        CHECK(!vs_index_info(o.index)->segments[0].is_small);
        for (size_t q = 0; q < o.fixture.query_count; q++) {
            struct vs_index_hit hits[10], exact[10];
            struct vs_index_stats stats;
            size_t count = 0, exact_count = 0;
            struct vs_index_query query = {.vector = o.fixture.queries + q * DIM,
                                           .k = 10,
                                           .nprobe = 32,
                                           .rerank = 500,
                                           .rescore = true};
            REQUIRE_OK(search(&o, &query, hits, &count, &stats, &err), err);
            CHECK(!stats.exact);
            query.exact = true;
            REQUIRE_OK(search(&o, &query, exact, &exact_count, &stats, &err), err);
            CHECK(stats.exact);
            CHECK_INT(count, exact_count);
            for (size_t h = 0; h < count; h++) {
                CHECK_INT(hits[h].row, exact[h].row);
                CHECK(memcmp(&hits[h].score, &exact[h].score, sizeof(float)) == 0);
            }
        }
        close_fixture(&o);
        CHECK_INT(test.live, 0);
    }
}

// Many queries at once give what each gives alone, whatever the number of queries and the settings.
static void check_batch(struct opened *o, struct vs_index_query query, size_t count)
{
    static struct vs_index_hit together[20 * K_MAX], alone[K_MAX];
    struct vs_error err;
    size_t counts[20] = {0}, one = 0;
    query.vector = o->fixture.queries;
    REQUIRE_OK(
        vs_index_search_batch(o->index, &query, count, o->scratch, together, counts, NULL, &err),
        err);
    for (size_t q = 0; q < count; q++) {
        query.vector = o->fixture.queries + q * DIM;
        REQUIRE_OK(search(o, &query, alone, &one, NULL, &err), err);
        CHECK_INT(counts[q], one);
        for (size_t h = 0; h < one; h++) {
            CHECK_INT(together[q * query.k + h].row, alone[h].row);
            CHECK(memcmp(&together[q * query.k + h].score, &alone[h].score, 4) == 0);
        }
    }
}

static void batches_agree_with_single_queries(void)
{
    static const struct vs_index_query settings[] = {
        {.k = 10, .nprobe = 4, .rerank = 40},
        {.k = 100, .nprobe = 32, .rerank = 300},
        {.k = 7, .nprobe = 6, .gap = 0.2F, .rerank = 20},
        {.k = 10, .nprobe = 1, .rerank = 10, .rescore = true},
        {.k = K_MAX, .nprobe = 1, .rerank = 10}, // more than the lists hold
        // Of equal sums at the cut the first are taken, in the order of a single query.
        {.k = 5, .nprobe = 32, .rerank = 5},
        {.k = 20, .nprobe = 32, .rerank = 20},
        {.k = 60, .nprobe = 32, .rerank = 60},
        {.k = 100, .nprobe = 32, .rerank = 100},
    };
    for (int metric = 0; metric < 3; metric++) {
        struct test_env test;
        struct vs_error err;
        struct opened o = {0};
        test_env_init(&test);
        REQUIRE(open_fixture(&o, &test.env, (enum vs_metric)metric, &with_lists, &err));
        for (size_t s = 0; s < sizeof settings / sizeof settings[0]; s++) {
            check_batch(&o, settings[s], 1);
            check_batch(&o, settings[s], 20);
        }
        if (metric != VS_METRIC_COSINE) { // says nothing: all sums are 0, as those of padding
            memset(o.fixture.queries + (size_t)3 * DIM, 0, DIM * sizeof(float));
            for (size_t s = 0; s < sizeof settings / sizeof settings[0]; s++) {
                check_batch(&o, settings[s], 20);
            }
        }
        close_fixture(&o);
        CHECK_INT(test.live, 0);
    }
}

// A scratch goes from index to index, also where the next one lies in the memory of the last.
static void settings_are_those_of_the_index_at_hand(void)
{
    static const struct fixture_build fewer = {.small_rows = 500, .list_count = 4};
    struct vs_error err;
    struct vs_index_scratch *used = NULL;
    const struct fixture_build *builds[] = {&with_lists, &fewer};
    REQUIRE_OK(vs_index_scratch_new(vs_env_default(), &used, &err), err);
    for (size_t i = 0; i < 2; i++) {
        struct opened o = {0};
        struct vs_index_hit hits[10];
        struct vs_index_stats with_used, with_new;
        size_t count = 0;
        REQUIRE(open_fixture(&o, vs_env_default(), VS_METRIC_COSINE, builds[i], &err));
        const struct vs_index_query query = {.vector = o.fixture.queries, .k = 10};
        REQUIRE_OK(vs_index_search(o.index, &query, used, hits, &count, &with_used, &err), err);
        REQUIRE_OK(search(&o, &query, hits, &count, &with_new, &err), err);
        CHECK_INT(with_used.nprobe, with_new.nprobe);
        CHECK_INT(with_used.rerank, with_new.rerank);
        CHECK_INT(with_used.scanned, with_new.scanned);
        close_fixture(&o);
    }
    vs_index_scratch_free(used);
}

// A new scratch for each attempt, so that every allocation of a batch gets its turn.
static void failing_batches_leave_nothing_behind(void)
{
    struct vs_index_hit hits[4 * 10];
    size_t counts[4];
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_error err;
        struct opened o = {0};
        test_env_init(&test);
        REQUIRE(open_fixture(&o, &test.env, VS_METRIC_COSINE, &with_lists, &err));
        const struct vs_index_query query = {
            .vector = o.fixture.queries, .k = 10, .nprobe = 4, .rerank = 40};
        test.fail_at = test.calls + n;
        enum vs_status status =
            vs_index_search_batch(o.index, &query, 4, o.scratch, hits, counts, NULL, &err);
        bool failed = test.failed;
        close_fixture(&o);
        CHECK_INT(test.live, 0);
        CHECK_INT(status, failed ? VS_NO_MEMORY : VS_OK);
        if (!failed) {
            CHECK(n > 2);
            break;
        }
    }
}

static void check_masked(struct opened *o, const uint64_t *bits, size_t allowed)
{
    struct vs_error err;
    struct vs_index_mask *mask = NULL;
    static struct vs_index_hit hits[K_MAX];
    REQUIRE_OK(vs_index_mask_make(o->index, 0, 0, bits, &mask, &err), err);
    static const size_t ks[] = {1, 10, K_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct vs_index_query query = {
            .vector = o->fixture.queries, .k = ks[i], .mask = mask, .nprobe = 2, .rerank = 10};
        size_t count = 0;
        struct vs_index_stats stats;
        CHECK_OK(search(o, &query, hits, &count, &stats, &err), err);
        CHECK_INT(count, allowed < ks[i] ? allowed : ks[i]);
        uint64_t seen[ROWS / 64 + 1] = {0};
        for (size_t h = 0; h < count; h++) {
            CHECK((bits[hits[h].row / 64] >> (hits[h].row % 64) & 1) != 0 &&
                  fixture_has_vector(&o->fixture, hits[h].row));
            CHECK((seen[hits[h].row / 64] >> (hits[h].row % 64) & 1) == 0);
            seen[hits[h].row / 64] |= (uint64_t)1 << (hits[h].row % 64);
            CHECK(h == 0 || hits[h - 1].score >= hits[h].score);
        }
    }
    vs_index_mask_free(mask);
}

static void masks_hide_rows_and_never_shorten_answers(void)
{
    const struct fixture_build *builds[] = {&flat, &with_lists};
    for (size_t b = 0; b < 2; b++) {
        struct test_env test;
        struct vs_error err;
        struct opened o = {0};
        test_env_init(&test);
        REQUIRE(open_fixture(&o, &test.env, VS_METRIC_COSINE, builds[b], &err));
        static const size_t steps[] = {1, 2, 10, 100, ROWS + 1};
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
            uint64_t bits[ROWS / 64 + 1] = {0};
            size_t allowed = 0;
            for (size_t row = 3; row < ROWS; row += steps[s]) {
                if (steps[s] <= ROWS) {
                    bits[row / 64] |= (uint64_t)1 << (row % 64);
                    allowed += fixture_has_vector(&o.fixture, row);
                }
            }
            check_masked(&o, bits, allowed);
        }
        close_fixture(&o);
        CHECK_INT(test.live, 0);
    }
}

static void values_come_back(void)
{
    const struct fixture_build *builds[] = {&flat, &with_lists};
    for (size_t b = 0; b < 2; b++) {
        struct test_env test;
        struct vs_error err;
        struct opened o = {0};
        test_env_init(&test);
        REQUIRE(open_fixture(&o, &test.env, VS_METRIC_COSINE, builds[b], &err));
        const int32_t ids[] = {5, 1, 4};
        const struct vs_field fields[] = {o.fixture.fields[3], o.fixture.fields[1],
                                          o.fixture.fields[2]};
        const uint32_t rows[] = {7, 1499, 0, 7};
        struct vs_batch batch = {0};
        REQUIRE_OK(vs_batch_init(&batch, &test.env, fields, 3, &err), err);
        REQUIRE_OK(vs_index_fetch(o.index, 0, ids, 3, rows, 4, &batch, &err), err);
        CHECK_INT(batch.row_count, 4);
        for (size_t i = 0; i < 4; i++) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "row %u: a text", (unsigned)rows[i]);
            CHECK(vs_str_starts_with(vs_column_get_bytes(&batch.columns[0], i),
                                     vs_str_from_c(prefix)));
            CHECK_INT(vs_column_get(&batch.columns[1], i).as.integer, rows[i] * 3 + 7);
            snprintf(prefix, sizeof prefix, "tag-%u", (unsigned)(rows[i] % 5));
            CHECK(vs_str_equal_c(vs_column_get_bytes(&batch.columns[2], i), prefix));
        }
        vs_batch_clear(&batch);
        for (size_t f = 0; f < 3; f++) {
            struct vs_column column;
            REQUIRE_OK(vs_index_load_column(o.index, 0, ids[f], &column, &err), err);
            CHECK_INT(column.row_count, ROWS);
            vs_column_clear(&column);
        }
        float vectors[2 * DIM];
        bool present[2];
        const uint32_t pair[] = {20, 21}; // 21 % 10 == 1: no vector
        REQUIRE_OK(vs_index_fetch_vectors(o.index, 0, 0, pair, 2, vectors, present, &err), err);
        CHECK(present[0] && !present[1]);
        CHECK(memcmp(vectors, o.fixture.vectors + (size_t)20 * DIM, DIM * sizeof(float)) == 0);
        struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = 3 * 100 + 7};
        const uint32_t *found = NULL;
        size_t count = 0;
        REQUIRE_OK(vs_index_find_id(o.index, 0, &id, &found, &count, &err), err);
        CHECK(count == 1 && found[0] == 100);
        CHECK_STATUS(vs_index_fetch(o.index, 0, ids, 1, (const uint32_t[]){ROWS}, 1, &batch, &err),
                     VS_INVALID);
        CHECK_STATUS(vs_index_fetch(o.index, 1, ids, 1, rows, 1, &batch, &err), VS_INVALID);
        close_fixture(&o);
        CHECK_INT(test.live, 0);
    }
}

static void wrong_questions_are_refused(void)
{
    struct test_env test;
    struct vs_error err;
    struct opened o = {0};
    test_env_init(&test);
    struct fixture_build without = with_lists;
    without.no_exact_rows = true;
    REQUIRE(open_fixture(&o, &test.env, VS_METRIC_COSINE, &without, &err));
    float vector[DIM] = {0};
    struct vs_index_hit hits[10];
    size_t count = 99;
    struct vs_index_query query = {.vector = vector, .k = 10};
    CHECK_STATUS(search(&o, &query, hits, &count, NULL, &err), VS_INVALID); // length zero
    vector[3] = NAN;
    CHECK_STATUS(search(&o, &query, hits, &count, NULL, &err), VS_INVALID);
    vector[3] = 1.0F;
    query.k = 0;
    CHECK_STATUS(search(&o, &query, hits, &count, NULL, &err), VS_INVALID);
    query.k = 10;
    query.column = 1;
    CHECK_STATUS(search(&o, &query, hits, &count, NULL, &err), VS_INVALID);
    query.column = 0;
    query.exact = true;
    CHECK_STATUS(search(&o, &query, hits, &count, NULL, &err), VS_UNSUPPORTED);
    CHECK_INT(count, 99);
    query.exact = false;
    CHECK_OK(search(&o, &query, hits, &count, NULL, &err), err);
    CHECK_INT(count, 10);
    bool present = false;
    CHECK_STATUS(
        vs_index_fetch_vectors(o.index, 0, 0, (const uint32_t[]){0}, 1, vector, &present, &err),
        VS_UNSUPPORTED);
    struct vs_index *other = NULL;
    const struct vs_uuid uuid = {{9}};
    struct vs_index_open_options options = {.table_uuid = &uuid};
    CHECK_STATUS(vs_index_open(&test.env, o.file, &options, &other, &err), VS_INVALID);
    close_fixture(&o);
    CHECK_INT(test.live, 0);
}

// Files of an earlier build: readable for as long as any table may hold them.
static void golden_files_stay_readable(void)
{
    static const char *const paths[] = {"tests/golden/index/smallest.puffin",
                                        "tests/golden/index/lists.puffin"};
    static const size_t rows[] = {1, 40};
    static const size_t dims[] = {2, 4};
    for (size_t i = 0; i < 2; i++) {
        static char bytes[65536];
        struct test_env test;
        struct vs_error err;
        struct vs_file *file = NULL;
        struct vs_index *index = NULL;
        struct vs_index_scratch *scratch = NULL;
        FILE *stream = fopen(paths[i], "rb");
        REQUIRE(stream != NULL);
        size_t size = fread(bytes, 1, sizeof bytes, stream);
        fclose(stream);
        test_env_init(&test);
        REQUIRE_OK(
            vs_file_open_bytes(&test.env, (struct vs_str){bytes, size}, paths[i], &file, &err),
            err);
        REQUIRE_OK(vs_index_open(&test.env, file, NULL, &index, &err), err);
        REQUIRE_OK(vs_index_scratch_new(&test.env, &scratch, &err), err);
        CHECK_INT(vs_index_info(index)->segments[0].row_count, rows[i]);
        for (uint32_t row = 0; row < rows[i]; row++) { // each row is nearest to itself
            float vector[4];
            bool present = false;
            struct vs_index_hit hit;
            size_t count = 0;
            REQUIRE_OK(vs_index_fetch_vectors(index, 0, 0, &row, 1, vector, &present, &err), err);
            struct vs_index_query query = {
                .vector = vector, .k = 1, .nprobe = 2, .rerank = 40, .rescore = true};
            REQUIRE_OK(vs_index_search(index, &query, scratch, &hit, &count, NULL, &err), err);
            CHECK(present && count == 1);
            CHECK_INT(hit.row, row);
            CHECK_NEAR(hit.score, 1.0, 1e-5);
        }
        CHECK_INT(vs_index_info(index)->columns[0].dim, dims[i]);
        vs_index_scratch_free(scratch);
        vs_index_close(index);
        vs_file_close(file);
        CHECK_INT(test.live, 0);
    }
}

// ---- damage ----

// Opens, searches, fetches and verifies; the answer as bytes, or no success. Never a crash.
struct answer {
    struct vs_index_hit hits[3][8];
    size_t counts[3];
};

static enum vs_status ask(const struct vs_env *env,
                          struct vs_str bytes,
                          const float *queries,
                          struct answer *answer,
                          struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_index *index = NULL;
    struct vs_index_scratch *scratch = NULL;
    enum vs_status status = vs_file_open_bytes(env, bytes, "damaged.puffin", &file, err);
    memset(answer, 0, sizeof *answer);
    if (status == VS_OK) {
        status = vs_index_open(env, file, &(struct vs_index_open_options){.thread_count = 1},
                               &index, err);
    }
    if (status == VS_OK) {
        status = vs_index_scratch_new(env, &scratch, err);
    }
    for (size_t q = 0; q < 3 && status == VS_OK; q++) {
        struct vs_index_query query = {.vector = queries + q * DIM, .k = 8, .rescore = q == 2};
        status =
            vs_index_search(index, &query, scratch, answer->hits[q], &answer->counts[q], NULL, err);
    }
    vs_index_scratch_free(scratch);
    vs_index_close(index);
    vs_file_close(file);
    return status;
}

static enum vs_status verify(const struct vs_env *env, struct vs_str bytes, struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_buf report;
    vs_buf_init(&report, env, 1u << 20);
    enum vs_status status = vs_file_open_bytes(env, bytes, "damaged.puffin", &file, err);
    if (status == VS_OK) {
        status = vs_index_verify(env, file, NULL, &report, err);
    }
    vs_file_close(file);
    vs_buf_clear(&report);
    return status;
}

static void flipped_bytes_change_no_answer(void)
{
    struct fixture f = {.row_count = 70,
                        .dim = DIM,
                        .cluster_count = 4,
                        .metric = VS_METRIC_COSINE,
                        .null_every = 9,
                        .spread = 0.4F,
                        .seed = 5,
                        .values = true};
    fixture_make(&f, 3);
    const struct fixture_build small = {.small_rows = 0},
                               lists = {.small_rows = 40, .list_count = 4};
    const struct fixture_build *builds[] = {&small, &lists};
    for (size_t b = 0; b < 2; b++) {
        struct test_env test;
        struct vs_error err;
        struct vs_buf bytes;
        struct vs_index_build_result result;
        static struct answer good, got;
        size_t refused = 0, verify_missed = 0;
        test_env_init(&test);
        REQUIRE_OK(fixture_build_index(&test.env, &f, builds[b], &bytes, &result, &err), err);
        REQUIRE_OK(ask(&test.env, vs_buf_view(&bytes), f.queries, &good, &err), err);
        REQUIRE_OK(verify(&test.env, vs_buf_view(&bytes), &err), err);
        for (size_t i = 0; i < bytes.len; i++) {
            uint8_t old = bytes.data[i];
            bytes.data[i] = (uint8_t)(old ^ (i % 3 == 0 ? 0xff : 1u << (i % 8)));
            enum vs_status status = ask(&test.env, vs_buf_view(&bytes), f.queries, &got, &err);
            if (status == VS_OK) {
                CHECK(memcmp(&good, &got, sizeof good) == 0);
                verify_missed += verify(&test.env, vs_buf_view(&bytes), &err) == VS_OK;
            } else {
                CHECK(err.message[0] != 0);
                refused++;
            }
            bytes.data[i] = old;
        }
        CHECK(refused > bytes.len / 3);
        CHECK(verify_missed <
              2048); // gaps between blobs and texts of the footer that mean nothing to us
        for (size_t n = 0; n < bytes.len; n += 64) {
            struct vs_str cut = {(const char *)bytes.data, n};
            CHECK(ask(&test.env, cut, f.queries, &got, &err) != VS_OK);
            CHECK(verify(&test.env, cut, &err) != VS_OK);
        }
        vs_buf_clear(&bytes);
        CHECK_INT(test.live, 0);
    }
    fixture_free(&f);
}

static void failing_allocations_leave_nothing_behind(void)
{
    struct fixture f = {.row_count = 70,
                        .dim = DIM,
                        .cluster_count = 4,
                        .metric = VS_METRIC_L2,
                        .spread = 0.4F,
                        .seed = 5,
                        .values = true};
    fixture_make(&f, 3);
    const struct fixture_build lists = {.small_rows = 40, .list_count = 4};
    struct vs_error err;
    struct vs_buf bytes;
    struct vs_index_build_result result;
    static struct answer got;
    REQUIRE_OK(fixture_build_index(vs_env_default(), &f, &lists, &bytes, &result, &err), err);
    for (int what = 0; what < 2; what++) {
        for (long n = 0;; n++) {
            struct test_env test;
            test_env_init(&test);
            test.fail_at = n;
            enum vs_status status = what == 0
                                        ? ask(&test.env, vs_buf_view(&bytes), f.queries, &got, &err)
                                        : verify(&test.env, vs_buf_view(&bytes), &err);
            CHECK_INT(test.live, 0);
            if (!test.failed) {
                CHECK_INT(status, VS_OK);
                break;
            }
            CHECK(status == VS_NO_MEMORY || status == VS_OK); // a buffer may do with less
        }
    }
    vs_buf_clear(&bytes);
    fixture_free(&f);
}

TEST_MAIN(TEST(flat_segment_answers_exactly),
          TEST(lists_agree_with_exact),
          TEST(batches_agree_with_single_queries),
          TEST(settings_are_those_of_the_index_at_hand),
          TEST(failing_batches_leave_nothing_behind),
          TEST(masks_hide_rows_and_never_shorten_answers),
          TEST(values_come_back),
          TEST(wrong_questions_are_refused),
          TEST(golden_files_stay_readable),
          TEST(flipped_bytes_change_no_answer),
          TEST(failing_allocations_leave_nothing_behind))
