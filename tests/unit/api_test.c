// SPDX-License-Identifier: Apache-2.0
// The public interface end to end on a directory: what a user does, and what a user does wrong.
#include "tests/support/api_db.h"
#include "tests/support/check.h"

#define TABLE "docs.rows"

struct fixture {
    struct test_env env;
    char folder[256];
    struct vs_db *db;
    struct vs_buf report;
    struct vs_error err;
};

static bool open_db(struct fixture *f)
{
    struct vs_db_options options = {
        .size = sizeof options, .warehouse = f->folder, .create = true, .thread_count = 2};
    return vs_db_open(&f->env.env, &options, &f->db, &f->err) == VS_OK;
}

static bool setup(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    test_env_init(&f->env);
    test_dir_make(f->folder, sizeof f->folder);
    vs_buf_init(&f->report, &f->env.env, SIZE_MAX);
    return open_db(f) && test_create(f->db, TABLE, &f->err) == VS_OK;
}

static void teardown(struct fixture *f)
{
    vs_db_close(f->db);
    vs_buf_clear(&f->report);
    test_dir_remove(f->folder);
    CHECK_INT(f->env.live, 0);
}

static enum vs_status insert(struct fixture *f, int first, int count, bool upsert)
{
    static char rows[1 << 20];
    size_t len = test_rows(rows, sizeof rows, first, count);
    vs_buf_reset(&f->report);
    return test_insert(f->db, TABLE, (struct vs_str){rows, len}, upsert, &f->report, &f->err);
}

// A member of the last report as a number; -1 when absent.
static int64_t reported(struct fixture *f, const char *key)
{
    struct vs_json_doc *doc = NULL;
    int64_t value = -1;
    if (vs_json_parse(&f->env.env, vs_buf_view(&f->report), "report", NULL, &doc, NULL) == VS_OK) {
        vs_json_to_i64(vs_json_get(vs_json_root(doc), key), &value);
    }
    vs_json_free(doc);
    return value;
}

static bool report_has(struct fixture *f, const char *text)
{
    const char *all = vs_buf_c_str(&f->report);
    return all != NULL && strstr(all, text) != NULL;
}

// Ids of the k nearest to row `id`'s own vector, as "a,b,c".
static const char *nearest(
    struct fixture *f, int id, size_t k, const char *filter, int64_t snapshot)
{
    static char ids[512];
    float vector[4] = {(float)cos(id * 0.1), (float)sin(id * 0.1), (float)(id * 0.01), 1};
    struct vs_query_options options = {.size = sizeof options,
                                       .table = TABLE,
                                       .vectors = vector,
                                       .vector_count = 1,
                                       .dim = 4,
                                       .k = k,
                                       .filter = filter,
                                       .select_none = true,
                                       .at = {.snapshot_id = snapshot}};
    struct vs_answer *answer = NULL;
    ids[0] = '\0';
    if (vs_db_query(f->db, &options, &answer, &f->err) != VS_OK) {
        return f->err.message;
    }
    const struct vs_result *result = vs_answer_result(answer, 0);
    size_t used = 0;
    for (size_t i = 0; i < result->hit_count; i++) {
        int n = snprintf(ids + used, sizeof ids - used, "%s%.*s", i > 0 ? "," : "",
                         VS_STR_ARG(result->hits[i].id_json));
        used += n > 0 ? (size_t)n : 0;
    }
    vs_answer_free(answer);
    return ids;
}

static int64_t current_snapshot(struct fixture *f)
{
    struct vs_table *table = NULL;
    int64_t id = -1;
    if (vs_catalog_load(f->db->catalog, TABLE, &table, &f->err) == VS_OK) {
        id = table->metadata->current_snapshot_id;
    }
    vs_table_release(table);
    return id;
}

static void insert_query_delete_and_time_travel(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    CHECK_OK(insert(&f, 0, 40, false), f.err);
    CHECK_INT(reported(&f, "rows"), 40);
    CHECK_TEXT(nearest(&f, 20, 3, NULL, 0), "20,21,19");
    int64_t before = current_snapshot(&f);
    struct vs_str ids[2] = {VS_STR("20"), VS_STR("777")};
    struct vs_delete_options del = {.size = sizeof del, .table = TABLE, .ids = ids, .id_count = 2};
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_delete(f.db, &del, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "deleted"), 1);
    CHECK_INT(reported(&f, "not_found"), 1);
    CHECK_TEXT(nearest(&f, 20, 3, NULL, 0), "21,19,22");
    CHECK_TEXT(nearest(&f, 20, 3, NULL, before), "20,21,19");
    CHECK_TEXT(nearest(&f, 20, 3, "tag = 'even'", 0), "22,18,24");
    teardown(&f);
}

static void delete_by_filter_and_of_nothing(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    CHECK_OK(insert(&f, 0, 10, false), f.err);
    int64_t before = current_snapshot(&f);
    struct vs_delete_options none = {.size = sizeof none, .table = TABLE, .filter = "id > 1000"};
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_delete(f.db, &none, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "deleted"), 0);
    CHECK(current_snapshot(&f) == before);
    struct vs_delete_options odd = {
        .size = sizeof odd, .table = TABLE, .filter = "tag = 'odd' AND id < 6"};
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_delete(f.db, &odd, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "deleted"), 3);
    CHECK_TEXT(nearest(&f, 3, 4, NULL, 0), "4,2,6,0");
    struct vs_delete_options both = {.size = sizeof both, .table = TABLE};
    CHECK_STATUS(vs_db_delete(f.db, &both, &f.report, &f.err), VS_INVALID);
    teardown(&f);
}

static void insert_refuses_known_ids_and_upsert_replaces(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    CHECK_OK(insert(&f, 0, 10, false), f.err);
    CHECK_STATUS(insert(&f, 5, 10, false), VS_EXISTS);
    CHECK(strstr(f.err.message, "the first is 5") != NULL &&
          strstr(f.err.message, "--upsert") != NULL);
    CHECK_TEXT(nearest(&f, 12, 2, NULL, 0), "9,8"); // nothing of the refused rows is there
    CHECK_OK(insert(&f, 5, 10, true), f.err);
    CHECK_INT(reported(&f, "replaced"), 5);
    CHECK_TEXT(nearest(&f, 12, 3, NULL, 0), "12,13,11");
    struct vs_str ids[1] = {VS_STR("7")};
    struct vs_get_options get = {.size = sizeof get, .table = TABLE, .ids = ids, .id_count = 1};
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_get(f.db, &get, &f.report, &f.err), f.err);
    CHECK(report_has(&f, "\"row 7\""));
    teardown(&f);
}

static void bad_rows_are_named_and_nothing_is_written(void)
{
    static const struct {
        const char *rows, *expected;
        enum vs_status status;
    } cases[] = {
        {"{\"id\":1,\"embedding\":[1,2,3]}\n", "has 3 values, the table's contract says 4",
         VS_INVALID},
        {"{\"id\":1,\"embedding\":[0,0,0,0]}\n", "zero vector", VS_INVALID},
        {"{\"id\":null,\"embedding\":[1,2,3,4]}\n", "the id column id is null", VS_INVALID},
        {"{\"embedding\":[1,2,3,4]}\n", "the id column id is null", VS_INVALID},
        {"{\"id\":1,\"embedding\":[1,2,3,4]}\n{\"id\":1,\"embedding\":[1,2,3,4]}\n",
         "line 2: id 1 occurs more than once", VS_INVALID},
        {"{\"id\":1,\"embedding\":[1,null,3,4]}\n", "null", VS_INVALID},
        {"{\"id\":1,\"colour\":\"red\",\"embedding\":[1,2,3,4]}\n", "colour", VS_INVALID},
        {"{\"id\":\"x\",\"embedding\":[1,2,3,4]}\n", "id", VS_INVALID},
        {"{\"id\":1,\"embedding\":[1,2,3,1e39]}\n", "", VS_INVALID},
        {"{\"id\":1,\"embedding\":[1,2", "", VS_INVALID},
        {"", "no rows", VS_INVALID},
    };
    struct fixture f;
    REQUIRE(setup(&f));
    int64_t before = current_snapshot(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vs_error_clear(&f.err);
        CHECK_STATUS(
            test_insert(f.db, TABLE, vs_str_from_c(cases[i].rows), false, &f.report, &f.err),
            cases[i].status);
        if (strstr(f.err.message, cases[i].expected) == NULL) {
            fprintf(stderr, "case %zu: \"%s\" lacks \"%s\"\n", i, f.err.message, cases[i].expected);
            check_failures++;
        }
    }
    CHECK(current_snapshot(&f) == before);
    teardown(&f);
}

static void quarantine_keeps_the_good_rows(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    struct vs_insert_options options = {.size = sizeof options, .table = TABLE, .quarantine = true};
    options.rows = VS_STR("{\"id\":1,\"embedding\":[1,2,3,4]}\n{\"id\":2,\"embedding\":[1,2]}\n{"
                          "\"id\":3,\"embedding\":[4,3,2,1]}\n");
    CHECK_OK(vs_db_insert(f.db, &options, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "rows"), 2);
    CHECK_INT(reported(&f, "rejected"), 1);
    CHECK(report_has(&f, "/quarantine/"));
    CHECK_TEXT(nearest(&f, 0, 5, NULL, 0), "1,3");
    teardown(&f);
}

// Builds the index of a small table; queries then go through it, fresh rows are found at once, and
// a damaged file changes no answer.
static void index_life(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    CHECK_OK(insert(&f, 0, 200, false), f.err);
    struct vs_index_options build = {.size = sizeof build, .table = TABLE};
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_build_index(f.db, &build, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "rows"), 200);
    CHECK_TEXT(nearest(&f, 50, 3, NULL, 0), "50,51,49");
    CHECK_OK(insert(&f, 200, 5, false), f.err);
    CHECK_TEXT(nearest(&f, 202, 3, NULL, 0), "202,203,201");
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_show_index(f.db, TABLE, &f.report, &f.err), f.err);
    CHECK(report_has(&f, "\"uncovered_rows\":5"));
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_verify_index(f.db, TABLE, NULL, &f.report, &f.err), f.err);
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_build_index(f.db, &build, &f.report, &f.err), f.err);
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_list_indexes(f.db, TABLE, &f.report, &f.err), f.err);
    CHECK(report_has(&f, "\"rows\":205") && report_has(&f, "\"rows\":200"));
    vs_buf_reset(&f.report);
    CHECK_OK(vs_db_check_table(f.db, TABLE, NULL, &f.report, &f.err), f.err);
    CHECK(report_has(&f, "\"ok\":true"));
    teardown(&f);
}

struct victim {
    const char *suffix;
    char key[512];
};

static enum vs_status pick(void *ctx, const struct vs_object_info *object, struct vs_error *err)
{
    struct victim *victim = ctx;
    (void)err;
    if (vs_str_ends_with(object->key, vs_str_from_c(victim->suffix))) {
        snprintf(victim->key, sizeof victim->key, "%.*s", VS_STR_ARG(object->key));
    }
    return VS_OK;
}

// Flips a byte in the middle of the object whose name ends with `suffix`.
static bool damage(struct fixture *f, const char *suffix)
{
    struct victim victim = {.suffix = suffix};
    struct vs_store *store = NULL;
    struct vs_buf bytes;
    vs_buf_init(&bytes, &f->env.env, SIZE_MAX);
    bool done = vs_store_open(&f->env.env, f->folder, false, &store, &f->err) == VS_OK &&
                vs_store_list(store, "", pick, &victim, &f->err) == VS_OK &&
                vs_store_get(store, victim.key, &bytes, &f->err) == VS_OK;
    if (done && bytes.len > 0) {
        bytes.data[bytes.len / 2] ^= 1;
        done = vs_store_put(store, victim.key, vs_buf_view(&bytes), VS_PUT_ANY, &f->err) == VS_OK;
    }
    vs_buf_clear(&bytes);
    vs_store_free(store);
    return done;
}

static void a_damaged_index_changes_no_answer(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    CHECK_OK(insert(&f, 0, 200, false), f.err);
    struct vs_index_options build = {.size = sizeof build, .table = TABLE};
    CHECK_OK(vs_db_build_index(f.db, &build, &f.report, &f.err), f.err);
    vs_db_close(f.db); // nothing cached
    REQUIRE(damage(&f, "-vecstore.puffin"));
    REQUIRE(open_db(&f));
    CHECK_TEXT(nearest(&f, 50, 3, NULL, 0), "50,51,49");
    vs_buf_reset(&f.report);
    CHECK_STATUS(vs_db_verify_index(f.db, TABLE, NULL, &f.report, &f.err), VS_CORRUPT);
    vs_buf_reset(&f.report);
    CHECK_STATUS(vs_db_check_table(f.db, TABLE, NULL, &f.report, &f.err), VS_CORRUPT);
    CHECK(report_has(&f, "vecstore.puffin") && report_has(&f, "\"ok\":false"));
    teardown(&f);
}

static void a_damaged_data_file_is_reported_by_name(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    CHECK_OK(insert(&f, 0, 200, false), f.err);
    REQUIRE(damage(&f, ".parquet"));
    vs_buf_reset(&f.report);
    CHECK_STATUS(vs_db_check_table(f.db, TABLE, NULL, &f.report, &f.err), VS_CORRUPT);
    CHECK(report_has(&f, ".parquet"));
    teardown(&f);
}

static void unknown_things_are_named(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    CHECK_OK(insert(&f, 0, 5, false), f.err);
    struct vs_str id = VS_STR("3"), bad_id = VS_STR("three");
    struct vs_query_options missing = {
        .size = sizeof missing, .table = "docs.nothing", .like_id = id};
    struct vs_answer *answer = NULL;
    CHECK_STATUS(vs_db_query(f.db, &missing, &answer, &f.err), VS_NOT_FOUND);
    CHECK(strstr(f.err.message, "docs.nothing") != NULL);
    struct vs_query_options filter = {
        .size = sizeof filter, .table = TABLE, .like_id = id, .filter = "titel = 'x'"};
    CHECK_STATUS(vs_db_query(f.db, &filter, &answer, &f.err), VS_INVALID);
    CHECK(strstr(f.err.message, "title") != NULL); // did you mean
    struct vs_query_options bad = {.size = sizeof bad, .table = TABLE, .like_id = bad_id};
    CHECK_STATUS(vs_db_query(f.db, &bad, &answer, &f.err), VS_INVALID);
    struct vs_query_options snapshot = {
        .size = sizeof snapshot, .table = TABLE, .like_id = id, .at = {.snapshot_id = 12345}};
    CHECK_STATUS(vs_db_query(f.db, &snapshot, &answer, &f.err), VS_NOT_FOUND);
    float wrong[3] = {1, 2, 3};
    struct vs_query_options dim = {
        .size = sizeof dim, .table = TABLE, .vectors = wrong, .vector_count = 1, .dim = 3};
    CHECK_STATUS(vs_db_query(f.db, &dim, &answer, &f.err), VS_INVALID);
    CHECK(strstr(f.err.message, "3") != NULL && strstr(f.err.message, "4") != NULL);
    CHECK_STATUS(test_create(f.db, TABLE, &f.err), VS_EXISTS);
    CHECK_STATUS(test_create(f.db, "../outside", &f.err), VS_INVALID);
    CHECK_STATUS(vs_db_build_index(f.db,
                                   &(struct vs_index_options){.size = 1, .table = "docs.nothing"},
                                   &f.report, &f.err),
                 VS_NOT_FOUND);
    CHECK(answer == NULL);
    teardown(&f);
}

static void rows_come_in_three_forms(void)
{
    struct fixture f;
    REQUIRE(setup(&f));
    CHECK_OK(test_insert(f.db, TABLE,
                         VS_STR("{\"rows\":[{\"id\":1,\"embedding\":[1,0,0,0]},{\"id\":2,"
                                "\"embedding\":[0,1,0,0]}]}"),
                         false, &f.report, &f.err),
             f.err);
    CHECK_OK(test_insert(f.db, TABLE, VS_STR("[{\"id\":3,\n\"embedding\":[0,0,1,0]}]"), false,
                         &f.report, &f.err),
             f.err);
    CHECK_OK(test_insert(f.db, TABLE, VS_STR("{\"id\":4,\"title\":null,\"embedding\":[0,0,0,1]}"),
                         false, &f.report, &f.err),
             f.err);
    float vector[4] = {0, 0, 0.9F, 0.1F};
    struct vs_query_options options = {.size = sizeof options,
                                       .table = TABLE,
                                       .vectors = vector,
                                       .vector_count = 1,
                                       .dim = 4,
                                       .k = 4};
    struct vs_answer *answer = NULL;
    REQUIRE_OK(vs_db_query(f.db, &options, &answer, &f.err), f.err);
    CHECK_INT(vs_answer_result(answer, 0)->hit_count, 4);
    CHECK(vs_str_equal_c(vs_answer_result(answer, 0)->hits[0].id_json, "3"));
    CHECK(vs_str_equal_c(vs_answer_result(answer, 0)->hits[1].id_json, "4"));
    CHECK(vs_answer_is_exact(answer));
    vs_answer_free(answer);
    teardown(&f);
}

TEST_MAIN(TEST(insert_query_delete_and_time_travel),
          TEST(delete_by_filter_and_of_nothing),
          TEST(insert_refuses_known_ids_and_upsert_replaces),
          TEST(bad_rows_are_named_and_nothing_is_written),
          TEST(quarantine_keeps_the_good_rows),
          TEST(index_life),
          TEST(a_damaged_index_changes_no_answer),
          TEST(a_damaged_data_file_is_reported_by_name),
          TEST(unknown_things_are_named),
          TEST(rows_come_in_three_forms))
