// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of answers: values, vectors, get by id, match for deletes; recall and explain.
 */
#include "tests/support/engine_fixture.h"
#include "vecstore/base/json.h"

// A hit of the row `asked`, whose vector is `own`.
static void check_hit(const struct fixture *f,
                      const struct vs_hit *hit,
                      int64_t asked,
                      const float *own)
{
    int64_t other = strtoll(hit->id_json.ptr, NULL, 10);
    const struct made_row *row = live_row(&f->maker, f->maker.commits, other);
    char expected[64];
    float vector[DIM];
    int year;
    REQUIRE(row != NULL);
    CHECK(other != asked);
    made_vector(&f->maker, other, row->version, vector);
    CHECK(hit->vector != NULL && memcmp(hit->vector, vector, sizeof vector) == 0);
    CHECK_NEAR(hit->score, made_score(&f->maker, own, row), 2e-5);
    if (made_year(other, &year)) {
        snprintf(expected, sizeof expected,
                 "{\"year\":%d,\"body\":\"body of row %lld version %u: ", year, (long long)other,
                 row->version);
    } else {
        snprintf(expected, sizeof expected, "{\"year\":null,\"body\":\"body of row %lld version ",
                 (long long)other);
    }
    CHECK(vs_str_starts_with(hit->fields_json, vs_str_from_c(expected)));
}

// Fields, vectors and "like this row", from the index and from data files.
static void values_are_those_of_the_rows(void)
{
    for (int indexed = 0; indexed < 3; indexed++) { // no index, before the newest file, over all
        struct fixture f;
        struct vs_error err = {0};
        REQUIRE(set_up(&f, "l2"));
        REQUIRE_OK(table_maker_append(&f.maker, 0, 100, 0, &err), err);
        if (indexed == 1) {
            REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
        }
        REQUIRE_OK(table_maker_delete(&f.maker, 10, 10, 1, &err), err);
        REQUIRE_OK(table_maker_append(&f.maker, 10, 10, 1, &err), err);
        if (indexed == 2) {
            REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
        }
        for (int64_t id = 8; id < 22; id++) {
            char text[24];
            float own[DIM];
            struct vs_answer *answer = NULL;
            snprintf(text, sizeof text, "%lld", (long long)id);
            struct vs_query_options options = {.table = MADE_TABLE,
                                               .like_id = vs_str_from_c(text),
                                               .k = 100,
                                               .include_vector = true,
                                               .select = (const char *const[]){"year", "body"},
                                               .select_count = 2};
            CHECK_OK(vs_engine_query(f.engine, &options, &answer, &err), err);
            if (answer == NULL) {
                continue;
            }
            const struct made_row *row = live_row(&f.maker, f.maker.commits, id);
            const struct vs_result *result = vs_answer_result(answer, 0);
            made_vector(&f.maker, id, row->version, own);
            CHECK_INT(result->hit_count, 100 - 3 - 1); // 28, 57 and 86 have no vector
            for (size_t i = 0; i < result->hit_count; i++) {
                check_hit(&f, &result->hits[i], id, own);
            }
            vs_answer_free(answer);
        }
        tear_down(&f);
    }
}

static void get_returns_live_rows_in_order(void)
{
    for (int indexed = 0; indexed < 2; indexed++) {
        struct fixture f;
        struct vs_error err = {0};
        struct vs_buf report;
        REQUIRE(set_up(&f, "cosine"));
        REQUIRE_OK(table_maker_append(&f.maker, 0, 100, 0, &err), err);
        if (indexed == 1) {
            REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
        }
        REQUIRE_OK(table_maker_delete(&f.maker, 10, 10, 1, &err), err);
        REQUIRE_OK(table_maker_append(&f.maker, 15, 5, 1, &err), err);
        vs_buf_init(&report, &f.test.env, 1 << 20);
        const struct vs_str ids[] = {VS_STR("17"), VS_STR("500"), VS_STR("3"), VS_STR("11"),
                                     VS_STR("17")};
        struct vs_get_options options = {
            .size = sizeof options, .table = MADE_TABLE, .ids = ids, .id_count = 5};
        options.select = (const char *const[]){"body"};
        options.select_count = 1;
        CHECK_OK(vs_engine_get(f.engine, &options, &report, &err), err);
        const char *text = vs_buf_c_str(&report);
        CHECK(
            strstr(text, "\"rows\":[{\"id\":17,\"fields\":{\"body\":\"body of row 17 version 1") !=
            NULL);
        CHECK(strstr(text, "{\"id\":3,\"fields\":{\"body\":\"body of row 3 version 0") != NULL);
        CHECK(strstr(text, "\"not_found\":[500,11]}") != NULL);
        CHECK(strstr(text, "{\"id\":17,") < strstr(text, "{\"id\":3,"));
        vs_buf_reset(&report);
        options.at.snapshot_id = f.maker.snapshots[1];
        CHECK_OK(vs_engine_get(f.engine, &options, &report, &err), err);
        CHECK(strstr(vs_buf_c_str(&report), "body of row 17 version 0") != NULL);
        CHECK(strstr(vs_buf_c_str(&report), "body of row 11 version 0") != NULL);
        CHECK(strstr(vs_buf_c_str(&report), "\"not_found\":[500]}") != NULL);
        vs_buf_clear(&report);
        tear_down(&f);
    }
}

static void match_gives_positions_of_live_rows(void)
{
    struct fixture f;
    struct vs_error err = {0};
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 300, 0, &err), err);
    REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 300, 200, 0, &err), err);
    REQUIRE_OK(table_maker_delete(&f.maker, 0, 500, 4, &err), err);
    for (size_t p = 1; p < PREDICATE_COUNT; p++) {
        struct vs_table *table = NULL;
        struct vs_arena arena;
        struct vs_position_delete *positions = NULL;
        size_t count = 0, expected = 0;
        vs_arena_init(&arena, &f.test.env, 0);
        REQUIRE_OK(vs_catalog_load(f.maker.catalog, MADE_TABLE, &table, &err), err);
        const struct vs_match match = {.filter = predicates[p].text, .store = table->store};
        CHECK_OK(vs_engine_match(f.engine, table->metadata, &match, NULL, &arena, &positions,
                                 &count, &err),
                 err);
        for (size_t i = 0; i < f.maker.row_count;
             i++) { // rows of the model are in order of file and position
            const struct made_row *row = &f.maker.rows[i];
            if (made_is_live(row, f.maker.commits) && predicates[p].matches(row->id)) {
                CHECK(expected < count &&
                      vs_str_equal_c(positions[expected].path, f.maker.files[row->file]) &&
                      positions[expected].position == row->position);
                expected++;
            }
        }
        CHECK_INT(count, expected);
        vs_arena_clear(&arena);
        vs_table_release(table);
    }
    const struct vs_match nothing = {0};
    CHECK_STATUS(vs_engine_match(f.engine, NULL, &nothing, NULL, NULL, NULL, NULL, &err),
                 VS_INVALID);
    tear_down(&f);
}

static double member(struct fixture *f, const struct vs_buf *report, const char *key)
{
    struct vs_json_doc *doc = NULL;
    struct vs_error err = {0};
    double value = (double)NAN;
    CHECK_OK(vs_json_parse(&f->test.env, vs_buf_view(report), "report", NULL, &doc, &err), err);
    if (doc != NULL) {
        CHECK(vs_json_to_f64(vs_json_get(vs_json_root(doc), key), &value));
    }
    vs_json_free(doc);
    return value;
}

static void recall_is_measured(void)
{
    struct fixture f;
    struct vs_error err = {0};
    struct vs_buf report;
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 3000, 0, &err), err);
    vs_buf_init(&report, &f.test.env, 1 << 20);
    struct vs_recall_options options = {
        .size = sizeof options, .table = MADE_TABLE, .num = 40, .seed = 5};
    CHECK_OK(vs_engine_recall(f.engine, &options, NULL, &report, &err), err);
    CHECK_NEAR(member(&f, &report, "recall"), 1, 0); // without an index both are exact
    CHECK_NEAR(member(&f, &report, "queries"), 40, 0);
    enum vs_status status = table_maker_index(&f.maker, 100, false, &err);
    if (status == VS_OK) {
        vs_buf_reset(&report);
        options.nprobe = 1;
        options.rerank = 10;
        options.filter = "lang = 'en'";
        CHECK_OK(vs_engine_recall(f.engine, &options, NULL, &report, &err), err);
        double low = member(&f, &report, "recall");
        CHECK(low > 0 && low <= 1);
        vs_buf_reset(&report);
        options.nprobe = options.rerank = 0;
        options.filter = NULL;
        options.recall_target = 0.99F;
        CHECK_OK(vs_engine_recall(f.engine, &options, NULL, &report, &err), err);
        CHECK(member(&f, &report, "recall") >= 0.9);
        CHECK(member(&f, &report, "p5") <= member(&f, &report, "recall"));
        float query[DIM];
        make_query(&f.maker, 4, query);
        vs_buf_reset(&report);
        struct vs_recall_queries given = {query, 1, DIM};
        CHECK_OK(vs_engine_recall(f.engine, &options, &given, &report, &err), err);
        CHECK_NEAR(member(&f, &report, "queries"), 1, 0);
        given.dim = DIM - 1; // queries of another model
        CHECK_STATUS(vs_engine_recall(f.engine, &options, &given, &report, &err), VS_INVALID);
    } else {
        CHECK_STATUS(status, VS_UNSUPPORTED);
    }
    vs_buf_clear(&report);
    tear_down(&f);
}

static void explain_tells_the_plan(void)
{
    struct fixture f;
    struct vs_error err = {0};
    struct vs_answer *answer = NULL;
    struct vs_buf json;
    float query[DIM];
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 300, 0, &err), err);
    REQUIRE_OK(table_maker_index(&f.maker, 0, false, &err), err);
    REQUIRE_OK(table_maker_append(&f.maker, 300, 10, 0, &err), err);
    make_query(&f.maker, 1, query);
    const struct vs_query_options options = {.table = MADE_TABLE,
                                             .vectors = query,
                                             .vector_count = 1,
                                             .dim = DIM,
                                             .filter_json = VS_STR("{\"lang\":\"en\"}"),
                                             .explain = true,
                                             .select_none = true};
    REQUIRE_OK(vs_engine_query(f.engine, &options, &answer, &err), err);
    vs_buf_init(&json, &f.test.env, 1 << 20);
    CHECK_OK(vs_answer_write_json(answer, &json, &err), err);
    const char *text = vs_buf_c_str(&json);
    CHECK(strstr(text, "\"explain\":{\"snapshot_id\":") != NULL);
    CHECK(strstr(text, "\"files\":2,\"files_covered\":1,\"files_scanned\":1") != NULL);
    CHECK(strstr(text, "\"mask\":\"bitmap\"") != NULL);
    CHECK(strstr(text, "\"filter\":\"\\\"lang\\\" = 'en'\"") != NULL);
    CHECK(strstr(text, "\"fields\":{}") != NULL);
    struct vs_json_doc *doc = NULL;
    CHECK_OK(vs_json_parse(&f.test.env, vs_buf_view(&json), "answer", NULL, &doc, &err), err);
    vs_json_free(doc);
    vs_buf_clear(&json);
    vs_answer_free(answer);
    tear_down(&f);
}

TEST_MAIN(TEST(values_are_those_of_the_rows),
          TEST(get_returns_live_rows_in_order),
          TEST(match_gives_positions_of_live_rows),
          TEST(recall_is_measured),
          TEST(explain_tells_the_plan))
