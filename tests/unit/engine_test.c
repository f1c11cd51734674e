// SPDX-License-Identifier: Apache-2.0
/*
 * Ranked answers of the query engine over tables made in memory, against the model of their rows
 * in double precision.
 */
#include "tests/support/engine_fixture.h"
#include "vecstore/base/json.h"

#include <pthread.h>

static void exact_answers_of_every_metric(void)
{
    static const char *const metrics[] = {"cosine", "ip", "l2"};
    for (size_t m = 0; m < 3; m++) {
        struct fixture f;
        struct vs_error err = {0};
        REQUIRE(set_up(&f, metrics[m]));
        REQUIRE_OK(table_maker_append(&f.maker, 0, 700, 0, &err), err);
        REQUIRE_OK(table_maker_append(&f.maker, 700, 300, 0, &err), err);
        REQUIRE_OK(table_maker_delete(&f.maker, 0, 1000, 7, &err), err);
        ask_all(&f, 0, false, 0);
        ask_all(&f, 0, true, 0); // from the tail cache
        REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
        ask_all(&f, 0, false, 1000);
        ask_all(&f, 0, true, 1000);
        tear_down(&f);
    }
}

static void normalized_vectors_need_no_norms(void)
{
    struct fixture f;
    struct vs_error err = {0};
    memset(&f, 0, sizeof f);
    test_env_init(&f.test);
    f.maker.normalized = true;
    REQUIRE_OK(table_maker_open(&f.maker, &f.test.env, NULL, "cosine", DIM, &err), err);
    REQUIRE_OK(vs_engine_open(f.maker.catalog, NULL, &f.engine, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 0, 500, 0, &err), err);
    ask_all(&f, 0, false, 0);
    REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
    ask_all(&f, 0, false, 500);
    tear_down(&f);
}

static void every_snapshot_answers_as_it_was(void)
{
    struct fixture f;
    struct vs_error err = {0};
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 400, 0, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 400, 200, 0, &err), err);
    REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
    REQUIRE_OK(table_maker_delete(&f.maker, 100, 50, 1, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 100, 50, 1, &err), err); // new versions of deleted rows
    REQUIRE_OK(table_maker_append(&f.maker, 600, 100, 0, &err), err);
    REQUIRE_OK(table_maker_delete(&f.maker, 0, 700, 5, &err), err);
    static const uint64_t indexed[] = {0, 400, 600, 600, 600, 600, 600};
    for (int round = 0; round < 2; round++) {
        for (int64_t commit = 1; commit <= f.maker.commits; commit++) {
            ask_all(&f, commit, round == 1, indexed[commit]);
        }
    }
    ask_all(&f, 0, false, 600);
    struct vs_index_coverage coverage;
    CHECK_OK(vs_engine_coverage(f.engine, MADE_TABLE, &coverage, &err), err);
    CHECK(coverage.has_index);
    CHECK_INT(coverage.index_rows, 600);
    CHECK_INT(coverage.covered_files, 2);
    CHECK_INT(coverage.covered_rows, 600);
    CHECK_INT(coverage.uncovered_files, 2);
    CHECK_INT(coverage.uncovered_rows, 150);
    CHECK_TEXT(coverage.problem, "");
    tear_down(&f);
}

static double recall_of(struct fixture *f, const struct predicate *predicate)
{
    double found = 0, wanted = 0;
    double *scores = calloc(f->maker.row_count, sizeof *scores);
    for (int64_t seed = 0; seed < 30; seed++) {
        float query[DIM];
        struct vs_error err = {0};
        struct vs_answer *answer = NULL;
        make_query(&f->maker, seed, query);
        size_t candidates = expected_scores(&f->maker, f->maker.commits, predicate, query, scores);
        size_t k = candidates < 10 ? candidates : 10;
        const struct vs_query_options options = {.table = MADE_TABLE,
                                                 .vectors = query,
                                                 .vector_count = 1,
                                                 .dim = DIM,
                                                 .k = 10,
                                                 .filter = predicate->text};
        CHECK_OK(vs_engine_query(f->engine, &options, &answer, &err), err);
        const struct vs_result *result = answer != NULL ? vs_answer_result(answer, 0) : NULL;
        CHECK(result != NULL && result->hit_count == k);
        for (size_t i = 0; result != NULL && i < result->hit_count; i++) {
            int64_t id = strtoll(result->hits[i].id_json.ptr, NULL, 10);
            const struct made_row *row = live_row(&f->maker, f->maker.commits, id);
            CHECK(row != NULL && is_candidate(row, f->maker.commits, predicate));
            found += row != NULL && made_score(&f->maker, query, row) >= scores[k - 1] - 1e-6;
        }
        if (answer != NULL) {
            CHECK(vs_answer_index_uuid(answer)[0] != '\0');
            check_coverage(&f->maker, f->maker.commits, predicate, vs_answer_coverage(answer));
        }
        wanted += (double)k;
        vs_answer_free(answer);
    }
    free(scores);
    return wanted > 0 ? found / wanted : 1;
}

static void large_index_approximates(void)
{
    for (int kind = 0; kind < 3; kind++) { // vectors of f32, none, vectors of f16
        struct fixture f;
        struct vs_error err = {0};
        REQUIRE(set_up(&f, "cosine"));
        REQUIRE_OK(table_maker_append(&f.maker, 0, 3000, 0, &err), err);
        REQUIRE_OK(table_maker_append(&f.maker, 3000, 2000, 0, &err), err);
        f.maker.half_rows = kind == 2;
        enum vs_status status = table_maker_index(&f.maker, 100, kind == 1, &err);
        if (status == VS_UNSUPPORTED) { // built without FAISS
            tear_down(&f);
            SKIP(err.message);
        }
        REQUIRE_OK(status, err);
        REQUIRE_OK(table_maker_delete(&f.maker, 0, 5000, 3, &err), err);
        REQUIRE_OK(table_maker_append(&f.maker, 5000, 500, 0, &err), err);
        for (size_t i = 0; i < PREDICATE_COUNT; i++) {
            double recall = recall_of(&f, &predicates[i]);
            if (recall < 0.85) {
                fprintf(stderr, "    recall %g with filter %s\n", recall,
                        predicates[i].text != NULL ? predicates[i].text : "none");
            }
            CHECK(recall >= 0.85);
        }
        ask_all(&f, 0, true,
                kind > 0 ? 0 : 5000); // exact without f32 vectors in the index: from the data files
        tear_down(&f);
    }
}

static void damage_index(struct fixture *f, int how)
{
    struct vs_store *store = vs_catalog_store(f->maker.catalog);
    struct vs_error err = {0};
    struct vs_buf bytes;
    vs_buf_init(&bytes, &f->test.env, 1 << 28);
    CHECK_OK(vs_store_get(store, f->maker.index_key, &bytes, &err), err);
    if (how == 0) {
        CHECK_OK(vs_store_remove(store, f->maker.index_key, &err), err);
    } else if (how == 1) {
        CHECK_OK(vs_store_put(store, f->maker.index_key,
                              (struct vs_str){(const char *)bytes.data, bytes.len / 2}, VS_PUT_ANY,
                              &err),
                 err);
    } else {
        for (size_t i = 100; i < bytes.len; i += how == 2 ? 997 : 64) {
            bytes.data[i] ^= 0x40;
        }
        CHECK_OK(vs_store_put(store, f->maker.index_key, vs_buf_view(&bytes), VS_PUT_ANY, &err),
                 err);
    }
    vs_buf_clear(&bytes);
}

static void index_is_only_a_cache(void)
{
    for (int how = 0; how < 4; how++) {
        struct fixture f;
        struct vs_error err = {0};
        struct vs_index_coverage coverage;
        REQUIRE(set_up(&f, "cosine"));
        REQUIRE_OK(table_maker_append(&f.maker, 0, 600, 0, &err), err);
        REQUIRE_OK(table_maker_delete(&f.maker, 0, 600, 9, &err), err);
        REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
        damage_index(&f, how);
        for (size_t i = 0; i < PREDICATE_COUNT; i++) {
            const struct ask ask = {0, &predicates[i], 10, false};
            ask_and_check(&f, &ask);
        }
        CHECK_OK(vs_engine_coverage(f.engine, MADE_TABLE, &coverage, &err), err);
        CHECK(!coverage.has_index && coverage.problem[0] != '\0');
        tear_down(&f);
    }
}

// Changes bytes of the file in place, below the opened handle.
static void damage_in_place(const char *folder, const char *key)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, key);
    FILE *file = fopen(path, "r+b");
    REQUIRE(file != NULL);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    for (long at = 100; at < size; at += 64) {
        fseek(file, at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ 0x40, file);
    }
    fclose(file);
}

struct log_count {
    const char *event;
    int count;
};

static struct log_count logged[] = {
    {"index_attributes_unusable", 0}, {"index_values_unusable", 0}, {"index_search_failed", 0}};

static void count_log(
    void *ctx, enum vs_log_level level, const char *subject, const char *event, const char *text)
{
    (void)ctx;
    (void)level;
    (void)subject;
    (void)text;
    for (size_t i = 0; i < 3; i++) {
        logged[i].count += strcmp(logged[i].event, event) == 0;
    }
}

// Attributes, payload and exact rows are read on demand: damage that comes after opening is found
// then, and answers stay the same.
static void damage_after_opening_changes_nothing(void)
{
    struct fixture f;
    struct vs_error err = {0};
    struct vs_store *store = NULL;
    struct vs_index_coverage coverage;
    char folder[256];
    memset(&f, 0, sizeof f);
    test_env_init(&f.test);
    f.test.env.log = count_log;
    f.test.env.log_level = VS_LOG_WARN;
    test_dir_make(folder, sizeof folder);
    REQUIRE_OK(vs_store_open(&f.test.env, folder, false, &store, &err), err);
    REQUIRE_OK(table_maker_open(&f.maker, &f.test.env, store, "cosine", DIM, &err), err);
    REQUIRE_OK(vs_engine_open(f.maker.catalog, NULL, &f.engine, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 0, 1703, 0, &err), err); // not a multiple of 64
    REQUIRE_OK(table_maker_append(&f.maker, 1703, 1297, 0, &err), err);
    enum vs_status status = table_maker_index(&f.maker, 100, false, &err);
    if (status == VS_OK) {
        CHECK_OK(vs_engine_coverage(f.engine, MADE_TABLE, &coverage, &err), err); // opens it
        CHECK(coverage.has_index);
        damage_in_place(folder, f.maker.index_key);
        for (size_t i = 0; i < PREDICATE_COUNT; i++) {
            const struct ask ask = {0, &predicates[i], 10, true};
            ask_and_check(&f, &ask);
        }
        CHECK(logged[0].count > 0 && logged[1].count > 0 && logged[2].count > 0);
    } else {
        CHECK_STATUS(status, VS_UNSUPPORTED); // built without FAISS
    }
    tear_down(&f);
    test_dir_remove(folder);
}

static void fewer_than_k_says_why(void)
{
    struct fixture f;
    struct vs_error err = {0};
    struct vs_answer *answer = NULL;
    float query[DIM];
    REQUIRE(set_up(&f, "cosine"));
    make_query(&f.maker, 1, query);
    struct vs_query_options options = {.size = sizeof options,
                                       .table = MADE_TABLE,
                                       .vectors = query,
                                       .vector_count = 1,
                                       .dim = DIM,
                                       .k = 50};
    REQUIRE_OK(vs_engine_query(f.engine, &options, &answer, &err), err);
    CHECK_INT(vs_answer_result(answer, 0)->hit_count, 0);
    CHECK_INT(vs_answer_snapshot_id(answer), -1);
    CHECK(vs_str_equal_c(vs_answer_result(answer, 0)->reason,
                         "the table has no rows at this snapshot"));
    struct vs_buf json;
    vs_buf_init(&json, &f.test.env, 1 << 20);
    CHECK_OK(vs_answer_write_json(answer, &json, &err), err);
    CHECK(strstr(vs_buf_c_str(&json),
                 "\"snapshot_id\":null,\"index\":\"\",\"metric\":\"cosine\",\"exact\":true,"
                 "\"results\":[{\"hits\":[],\"complete\":false") != NULL);
    vs_buf_clear(&json);
    vs_answer_free(answer);
    answer = NULL;
    REQUIRE_OK(table_maker_append(&f.maker, 0, 29, 0, &err), err); // 28 has no vector
    REQUIRE_OK(vs_engine_query(f.engine, &options, &answer, &err), err);
    CHECK_INT(vs_answer_result(answer, 0)->hit_count, 28);
    CHECK(vs_str_equal_c(vs_answer_result(answer, 0)->reason,
                         "the table has only 28 rows with a vector in column 'embedding'"));
    vs_answer_free(answer);
    options.filter = "id < 3";
    REQUIRE_OK(vs_engine_query(f.engine, &options, &answer, &err), err);
    CHECK(vs_str_equal_c(vs_answer_result(answer, 0)->reason, "only 3 rows match the filter"));
    float least = vs_answer_result(answer, 0)->hits[1].score;
    vs_answer_free(answer);
    options.has_min_score = true;
    options.min_score = least;
    REQUIRE_OK(vs_engine_query(f.engine, &options, &answer, &err), err);
    CHECK_INT(vs_answer_result(answer, 0)->hit_count, 2);
    CHECK(vs_str_starts_with(vs_answer_result(answer, 0)->reason,
                             VS_STR("only 2 rows have a score of at least ")));
    vs_answer_free(answer);
    tear_down(&f);
}

static void check_refused(struct fixture *f,
                          const struct vs_query_options *options,
                          enum vs_status expected,
                          const char *sentence)
{
    struct vs_answer *answer = NULL;
    struct vs_error err = {0};
    CHECK_STATUS(vs_engine_query(f->engine, options, &answer, &err), expected);
    CHECK(answer == NULL);
    if (strstr(err.message, sentence) == NULL) {
        CHECK_TEXT(err.message, sentence);
    }
    vs_answer_free(answer);
}

static void bad_questions_are_refused(void)
{
    struct fixture f;
    struct vs_error err = {0};
    float query[DIM], bad[DIM] = {0};
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 40, 0, &err), err);
    make_query(&f.maker, 1, query);
    const struct vs_query_options good = {
        .size = sizeof good, .table = MADE_TABLE, .vectors = query, .vector_count = 1, .dim = DIM};
    struct vs_query_options o = good;
    o.dim = DIM - 1;
    check_refused(&f, &o, VS_INVALID, "the vector has 15 dimensions, column 'embedding' has 16");
    o = good;
    o.vectors = bad;
    check_refused(&f, &o, VS_INVALID, "the vector is zero, which has no direction");
    bad[3] = (float)NAN;
    check_refused(&f, &o, VS_INVALID, "the vector: element 3 is NaN");
    bad[3] = (float)INFINITY;
    check_refused(&f, &o, VS_INVALID, "the vector: element 3 is infinite");
    o = good;
    o.k = 1001;
    check_refused(&f, &o, VS_LIMIT, "k is 1001; at most 1000");
    o = good;
    o.vectors = NULL;
    check_refused(&f, &o, VS_INVALID, "nothing to search for");
    o = good;
    o.filter = "lnag = 'x'";
    check_refused(&f, &o, VS_INVALID, "did you mean 'lang'?");
    o = good;
    o.select = (const char *const[]){"tilte"};
    o.select_count = 1;
    check_refused(&f, &o, VS_INVALID, "select: unknown column 'tilte'. The columns are id, lang");
    o = good;
    o.vector_column = "body";
    check_refused(&f, &o, VS_INVALID, "embedding");
    o = good;
    o.at.snapshot_id = 12;
    check_refused(&f, &o, VS_NOT_FOUND, "the table has no snapshot 12; it has 1: ");
    o.at = (struct vs_at){.ref = "prod"};
    check_refused(&f, &o, VS_NOT_FOUND, "the table has no branch or tag 'prod'; it has: main");
    o.at = (struct vs_at){.as_of = "1999-01-01"};
    check_refused(&f, &o, VS_NOT_FOUND, "");
    o.at = (struct vs_at){.as_of = "now"};
    check_refused(&f, &o, VS_INVALID, "now");
    o.at = (struct vs_at){.as_of = "2024-01-01", .ref = "main"};
    check_refused(&f, &o, VS_INVALID, "a snapshot is named in 2 ways");
    o = good;
    o.table = "docs.nothing";
    check_refused(&f, &o, VS_NOT_FOUND, "nothing");
    o = good;
    o.vectors = NULL;
    o.like_id = VS_STR("99");
    check_refused(&f, &o, VS_NOT_FOUND, "has no row with id '99'");
    o.like_id = VS_STR("28");
    check_refused(&f, &o, VS_NOT_FOUND, "row '28' of table 'docs.made' has no vector");
    o.like_id = VS_STR("x");
    check_refused(&f, &o, VS_INVALID, "id 'x'");
    const struct vs_op late = {.deadline_ns = 1};
    o = good;
    o.op = &late;
    check_refused(&f, &o, VS_TIMEOUT, "");
    tear_down(&f);
}

struct reader {
    struct fixture *fixture;
    atomic_bool *stop;
    long asked;
    int failures;
};

// Each answer belongs to one snapshot: its rows are what that snapshot has.
static void *read_while_writing(void *ctx)
{
    struct reader *reader = (struct reader *)ctx;
    float query[DIM];
    made_vector(&reader->fixture->maker, 100013, 3, query);
    // Once at least: on a busy machine the commits may be done before this thread first runs.
    while (reader->asked + reader->failures == 0 || !atomic_load(reader->stop)) {
        struct vs_answer *answer = NULL;
        const struct vs_query_options options = {.table = MADE_TABLE,
                                                 .vectors = query,
                                                 .vector_count = 1,
                                                 .dim = DIM,
                                                 .k = 5,
                                                 .filter =
                                                     reader->asked % 2 == 0 ? "id >= 0" : NULL};
        if (vs_engine_query(reader->fixture->engine, &options, &answer, NULL) != VS_OK) {
            reader->failures++;
            continue;
        }
        const struct vs_coverage *c = vs_answer_coverage(answer);
        bool sums = c->indexed + c->scanned == c->rows && c->rows >= 100 && c->rows % 20 == 0 &&
                    vs_answer_result(answer, 0)->hit_count == 5;
        reader->failures += !sums;
        reader->asked++;
        vs_answer_free(answer);
    }
    return NULL;
}

static void queries_run_while_commits_happen(void)
{
    struct fixture f;
    struct vs_error err = {0};
    struct reader readers[3];
    pthread_t threads[3];
    atomic_bool stop = false;
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 100, 0, &err), err);
    for (size_t i = 0; i < 3; i++) {
        readers[i] = (struct reader){.fixture = &f, .stop = &stop};
        REQUIRE(pthread_create(&threads[i], NULL, read_while_writing, &readers[i]) == 0);
    }
    for (int64_t i = 0; i < 12; i++) {
        CHECK_OK(table_maker_append(&f.maker, 100 + i * 20, 20, 0, &err), err);
        if (i % 4 == 1) {
            CHECK_OK(table_maker_delete(&f.maker, 0, 60, i + 2, &err), err);
        }
        if (i % 5 == 2) {
            CHECK_OK(table_maker_index(&f.maker, 0, false, &err), err);
        }
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(readers[i].failures, 0);
        CHECK(readers[i].asked > 0);
    }
    ask_all(&f, 0, false, (uint64_t)f.maker.index_rows);
    tear_down(&f);
}

static void a_small_cache_only_costs_time(void)
{
    struct fixture f;
    struct vs_error err = {0};
    REQUIRE(set_up(&f, "ip"));
    vs_engine_close(f.engine);
    const struct vs_engine_options options = {.thread_count = 2, .cache_bytes = 1000};
    REQUIRE_OK(vs_engine_open(f.maker.catalog, &options, &f.engine, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 0, 900, 0, &err), err);
    REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 900, 300, 0, &err), err);
    REQUIRE_OK(table_maker_delete(&f.maker, 0, 1200, 6, &err), err);
    ask_all(&f, 0, false, 900);
    ask_all(&f, 0, true, 900);
    tear_down(&f);
}

// Path and record count are not enough: a file is covered only when its sequence number agrees too.
static void files_of_another_history_are_not_covered(void)
{
    struct fixture f;
    struct vs_error err = {0};
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 200, 0, &err), err);
    f.maker.sequence_shift = 1;
    REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
    ask_all(&f, 0, false, 0);
    tear_down(&f);
}

// The new table has the version number, the file names and the file sizes of the dropped one.
static void a_table_made_anew_is_another_table(void)
{
    struct fixture f;
    struct vs_error err = {0};
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 100, 0, &err), err);
    ask_all(&f, 0, false, 0);
    REQUIRE_OK(table_maker_recreate(&f.maker, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 500, 100, 0, &err), err);
    ask_all(&f, 0, false, 0);
    REQUIRE_OK(vs_catalog_drop(f.maker.catalog, MADE_TABLE, &err), err);
    struct vs_index_coverage coverage;
    CHECK_STATUS(vs_engine_coverage(f.engine, MADE_TABLE, &coverage, &err), VS_NOT_FOUND);
    tear_down(&f);
}

// A store in which some metadata file cannot be read.
static char unreadable[300];

static enum vs_status refuse(void *ctx, const char *op, const char *key, struct vs_error *err)
{
    (void)ctx;
    bool away = unreadable[0] != '\0' && strcmp(op, "open") == 0 && strstr(key, unreadable) != NULL;
    return away ? vs_fail(err, VS_UNAVAILABLE, "%s: away (test)", key) : VS_OK;
}

static void file_name_of_newest(const struct fixture *f)
{
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    REQUIRE_OK(vs_catalog_load(f->maker.catalog, MADE_TABLE, &table, &err), err);
    snprintf(unreadable, sizeof unreadable, "%s", strrchr(table->metadata_uri, '/'));
    vs_table_release(table);
}

// Whether a newer version exists is known without the old one's file; that nothing changed is not.
static void an_unreadable_head_is_not_current(void)
{
    struct fixture f = {0};
    struct vs_error err = {0};
    struct vs_store *inner = NULL, *store = NULL;
    struct vs_index_coverage coverage;
    test_env_init(&f.test);
    unreadable[0] = '\0';
    REQUIRE_OK(vs_store_open_mem(&f.test.env, "made", &inner, &err), err);
    REQUIRE_OK(vs_store_wrap_hook(inner, refuse, NULL, &store, &err), err);
    REQUIRE_OK(table_maker_open(&f.maker, &f.test.env, store, "cosine", DIM, &err), err);
    const struct vs_engine_options options = {.thread_count = 2, .cache_bytes = 64 << 20};
    REQUIRE_OK(vs_engine_open(f.maker.catalog, &options, &f.engine, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 0, 100, 0, &err), err);
    ask_all(&f, 0, false, 0);
    file_name_of_newest(&f);
    CHECK_STATUS(vs_engine_coverage(f.engine, MADE_TABLE, &coverage, &err), VS_UNAVAILABLE);
    CHECK(strstr(err.message, "away (test)") != NULL);
    char old[sizeof unreadable];
    memcpy(old, unreadable, sizeof old);
    unreadable[0] = '\0';
    REQUIRE_OK(table_maker_append(&f.maker, 100, 100, 0, &err), err);
    memcpy(unreadable, old, sizeof old);
    ask_all(&f, 0, false, 0);
    CHECK_OK(vs_engine_coverage(f.engine, MADE_TABLE, &coverage, &err), err);
    CHECK_INT(coverage.uncovered_rows, 200);
    tear_down(&f);
}

static enum vs_status torture_once(struct fixture *f)
{
    struct vs_answer *answer = NULL;
    float query[DIM];
    make_query(&f->maker, 1, query);
    const struct vs_query_options options = {.table = MADE_TABLE,
                                             .vectors = query,
                                             .vector_count = 1,
                                             .dim = DIM,
                                             .k = 3,
                                             .filter = "lang = 'en' AND year > 2001",
                                             .include_vector = true,
                                             .explain = true};
    enum vs_status status = vs_engine_query(f->engine, &options, &answer, NULL);
    if (status == VS_OK) {
        struct vs_buf json;
        vs_buf_init(&json, &f->test.env, 1 << 20);
        status = vs_answer_write_json(answer, &json, NULL);
        vs_buf_clear(&json);
        CHECK_INT(vs_answer_result(answer, 0)->hit_count, 3);
    }
    vs_answer_free(answer);
    return status;
}

static void every_allocation_may_fail(void)
{
    struct fixture f;
    struct vs_error err = {0};
    REQUIRE(set_up(&f, "cosine"));
    vs_engine_close(f.engine);
    f.engine = NULL;
    REQUIRE_OK(table_maker_append(&f.maker, 0, 60, 0, &err), err);
    REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 60, 30, 0, &err), err);
    REQUIRE_OK(table_maker_delete(&f.maker, 0, 90, 8, &err), err);
    struct vs_table *table = NULL; // the catalog holds the state that was loaded last
    REQUIRE_OK(vs_catalog_load(f.maker.catalog, MADE_TABLE, &table, &err), err);
    vs_table_release(table);
    bool failed = true;
    long n = 0;
    for (; n < 100000 && failed; n += 1 + n / 200) {
        long live = f.test.live;
        f.test.calls = 0;
        f.test.failed = false;
        f.test.fail_on = true;
        f.test.fail_at = n;
        const struct vs_engine_options options = {.thread_count = 1, .cache_bytes = 1 << 20};
        enum vs_status status = vs_engine_open(f.maker.catalog, &options, &f.engine, NULL);
        if (status == VS_OK) {
            status = torture_once(&f);
        }
        failed = f.test.failed;
        CHECK_INT(status, failed ? VS_NO_MEMORY : VS_OK);
        f.test.fail_at = -1;
        vs_engine_close(f.engine);
        f.engine = NULL;
        CHECK_INT(f.test.live, live);
    }
    CHECK(!failed && n > 100);
    tear_down(&f);
}

TEST_MAIN(TEST(exact_answers_of_every_metric),
          TEST(normalized_vectors_need_no_norms),
          TEST(every_snapshot_answers_as_it_was),
          TEST(large_index_approximates),
          TEST(index_is_only_a_cache),
          TEST(damage_after_opening_changes_nothing),
          TEST(fewer_than_k_says_why),
          TEST(bad_questions_are_refused),
          TEST(queries_run_while_commits_happen),
          TEST(a_small_cache_only_costs_time),
          TEST(files_of_another_history_are_not_covered),
          TEST(a_table_made_anew_is_another_table),
          TEST(an_unreadable_head_is_not_current),
          TEST(every_allocation_may_fail))
