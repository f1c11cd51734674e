// SPDX-License-Identifier: Apache-2.0
// Builds in steps and builds that fail at the end, over a table in memory.
#include "ingest/index_job.h"
#include "ingest/index_publish.h"
#include "ingest/index_steps.h"
#include "tests/support/check.h"
#include "tests/support/table_maker.h"

#include <dirent.h>

#define DIM 16
#define ROWS 22000 // of which enough have a vector for lists

// Fails one operation on keys that end in a text.
struct fault {
    const char *op, *suffix; // op NULL: none
};

static enum vs_status fail_some(void *ctx, const char *op, const char *key, struct vs_error *err)
{
    const struct fault *fault = ctx;
    return fault->op != NULL && strcmp(op, fault->op) == 0 &&
                   vs_str_ends_with(vs_str_from_c(key), vs_str_from_c(fault->suffix))
               ? vs_fail(err, VS_UNAVAILABLE, "cannot %s %s", op, key)
               : VS_OK;
}

struct world {
    struct test_env test;
    struct fault fault;
    struct table_maker maker;
};

static bool world_open(struct world *w)
{
    struct vs_error err = {0};
    struct vs_store *inner = NULL, *store = NULL;
    *w = (struct world){.fault = {NULL, ""}};
    test_env_init(&w->test);
    enum vs_status status = vs_store_open_mem(&w->test.env, "steps", &inner, &err);
    if (status == VS_OK) {
        status = vs_store_wrap_hook(inner, fail_some, &w->fault, &store, &err);
    }
    if (status == VS_OK) {
        status = table_maker_open(&w->maker, &w->test.env, store, "cosine", DIM, &err);
    }
    if (status == VS_OK) {
        status = table_maker_append(&w->maker, 0, ROWS / 2, 0, &err);
    }
    if (status == VS_OK) {
        status = table_maker_append(&w->maker, ROWS / 2, ROWS / 2, 0, &err);
    }
    CHECK_OK(status, err);
    return status == VS_OK;
}

static void world_close(struct world *w)
{
    table_maker_close(&w->maker);
    CHECK_INT(w->test.live, 0);
}

static struct vs_index_job job_of(const struct vs_index_model *model)
{
    return (struct vs_index_job){.table = MADE_TABLE,
                                 .model = model,
                                 .list_count = 16,
                                 .code_bytes = 4,
                                 .second_assignment = VS_SECOND_OFF,
                                 .thread_count = 2};
}

static enum vs_status encode_all(struct world *w,
                                 const struct vs_index_job *job,
                                 const char *key,
                                 struct vs_error *err)
{
    const struct vs_index_share share = {.of = 1};
    struct vs_index_part_facts facts;
    struct vs_writer *out = NULL;
    VS_TRY(vs_writer_open(vs_catalog_store(w->maker.catalog), key, &out, err));
    enum vs_status status = vs_index_job_encode(w->maker.catalog, job, &share, out, &facts, err);
    if (status == VS_OK) {
        CHECK_INT(facts.row_count, ROWS);
        status = vs_writer_finish(out, VS_PUT_ANY, err);
    }
    vs_writer_free(out);
    return status;
}

// The table grows between training and publication: the index is of the snapshot that was trained
// for, and says so.
static void parts_are_of_the_models_snapshot(void)
{
    struct world w;
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_index_model *model = NULL;
    struct vs_file *part = NULL;
    struct vs_index_job_result result;
    REQUIRE(world_open(&w));
    int64_t trained = w.maker.snapshots[w.maker.commits];
    struct vs_index_job job = job_of(NULL);
    vs_buf_init(&bytes, &w.test.env, SIZE_MAX);
    REQUIRE_OK(vs_index_job_train(w.maker.catalog, &job, &bytes, &err), err);
    REQUIRE_OK(vs_index_model_decode(&w.test.env, vs_buf_view(&bytes), "model", &model, &err), err);
    job = job_of(model);
    REQUIRE_OK(table_maker_append(&w.maker, 50000, 700, 0, &err), err);
    REQUIRE_OK(encode_all(&w, &job, "part", &err), err);
    REQUIRE_OK(vs_file_open(vs_catalog_store(w.maker.catalog), "part", &part, &err), err);
    job.parts = &part;
    job.part_count = 1;
    REQUIRE_OK(vs_index_job_run(w.maker.catalog, &job, &result, &err), err);
    CHECK_INT(result.snapshot_id, trained);
    CHECK_INT(result.build.row_count, ROWS);
    CHECK_INT(result.build.list_count, 16);
    CHECK_INT(result.build.m, 8); // the training's code bytes
    vs_file_close(part);
    vs_index_model_free(model);
    vs_buf_clear(&bytes);
    world_close(&w);
}

static size_t files_in(const char *directory)
{
    size_t count = 0;
    DIR *dir = opendir(directory);
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL;
         entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

// What was trained and encoded outlives a failure to store or to publish the file.
static void a_lost_file_is_not_lost_work(void)
{
    static const struct fault faults[] = {{"finish", "-vecstore.puffin"},
                                          {"put", ".metadata.json"}};
    struct world w;
    struct vs_error err = {0};
    struct vs_index_job_result result;
    char directory[256];
    REQUIRE(world_open(&w));
    test_dir_make(directory, sizeof directory);
    struct vs_index_job job = job_of(NULL);
    job.resume_dir = directory;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        w.fault = faults[i];
        CHECK(vs_index_job_run(w.maker.catalog, &job, &result, &err) != VS_OK);
        CHECK_INT(files_in(directory), 2);
    }
    w.fault.op = NULL;
    REQUIRE_OK(vs_index_job_run(w.maker.catalog, &job, &result, &err), err);
    CHECK(result.build.resumed_model);
    CHECK_INT(result.build.resumed_vectors, result.build.vector_count);
    CHECK_INT(files_in(directory), 0);
    test_dir_remove(directory);
    world_close(&w);
}

// Names are made at any allocation or not at all.
static void names_without_memory(void)
{
    struct world w;
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    long failures = 0;
    w = (struct world){.fault = {NULL, ""}};
    test_env_init(&w.test);
    REQUIRE_OK(table_maker_open(&w.maker, &w.test.env, NULL, "cosine", DIM, &err), err);
    REQUIRE_OK(vs_catalog_load(w.maker.catalog, MADE_TABLE, &table, &err), err);
    for (bool done = false; !done; failures++) {
        struct vs_buf uri, key;
        vs_buf_init(&uri, &w.test.env, 8192);
        vs_buf_init(&key, &w.test.env, 8192);
        w.test.fail_at = w.test.calls + failures;
        w.test.failed = false;
        enum vs_status status =
            vs_index_name(table->store, table->metadata, "0f0e0d0c-0b0a-4908-8706-050403020100",
                          &uri, &key, &err);
        done = !w.test.failed;
        w.test.fail_at = -1;
        CHECK(status == (done ? VS_OK : VS_NO_MEMORY) || (status == VS_OK && !done));
        if (status == VS_OK) { // a buffer may do with less
            CHECK(key.len == strlen((const char *)key.data));
            CHECK(vs_str_ends_with(vs_buf_view(&uri), vs_buf_view(&key)));
        }
        vs_buf_clear(&uri);
        vs_buf_clear(&key);
    }
    CHECK(failures > 2);
    vs_table_release(table);
    world_close(&w);
}

TEST_MAIN(TEST(parts_are_of_the_models_snapshot),
          TEST(a_lost_file_is_not_lost_work),
          TEST(names_without_memory))
