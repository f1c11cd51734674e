// SPDX-License-Identifier: Apache-2.0
/*
 * A known table on a file system is current for as long as the folder of its metadata files has the
 * same stamp: what other handles of the warehouse commit, drop and make anew is seen all the same.
 */
#include "api/query/engine_internal.h"
#include "tests/support/engine_fixture.h"

#include <unistd.h>

#define SECOND INT64_C(1000000000)

static int64_t now_ns = SECOND;

static int64_t given_ns(void *ctx)
{
    (void)ctx;
    return now_ns;
}

struct place {
    char path[300];
    struct vs_store *store; // the maker's catalog owns it
};

// An engine and a maker of tables that have nothing in common but the directory.
static bool set_up_at(struct fixture *f, struct vs_catalog **reader_out, struct place *place)
{
    struct vs_error err = {0};
    struct vs_store *reader_store = NULL;
    memset(f, 0, sizeof *f);
    test_env_init(&f->test);
    f->test.env.monotonic_ns = given_ns;
    test_dir_make(place->path, sizeof place->path);
    enum vs_status status = vs_store_open(&f->test.env, place->path, true, &place->store, &err);
    if (status == VS_OK) {
        status = table_maker_open(&f->maker, &f->test.env, place->store, "cosine", DIM, &err);
    }
    if (status == VS_OK) {
        status = vs_store_open(&f->test.env, place->path, false, &reader_store, &err);
    }
    if (status == VS_OK) {
        status = vs_catalog_open_store(&f->test.env, reader_store, reader_out, &err);
    }
    if (status == VS_OK) {
        const struct vs_engine_options options = {.thread_count = 2, .cache_bytes = 64 << 20};
        status = vs_engine_open(*reader_out, &options, &f->engine, &err);
    }
    CHECK_OK(status, err);
    return status == VS_OK;
}

static void tear_down_at(struct fixture *f, struct vs_catalog *reader, const struct place *place)
{
    vs_engine_close(f->engine);
    f->engine = NULL;
    vs_catalog_free(reader);
    tear_down(f);
    test_dir_remove(place->path);
}

static bool folder_stamp(const struct place *place, struct vs_object_stamp *stamp_out)
{
    return vs_store_stamp(place->store, "docs/made/metadata", stamp_out);
}

// Requests that finding the table's newest state took.
static uint64_t look(struct fixture *f, struct vs_catalog *reader)
{
    struct vs_error err = {0};
    struct vs_index_coverage coverage;
    uint64_t before = vs_store_count(vs_catalog_store(reader)).requests;
    CHECK_OK(vs_engine_coverage(f->engine, MADE_TABLE, &coverage, &err), err);
    return vs_store_count(vs_catalog_store(reader)).requests - before;
}

static void settle(struct fixture *f, struct vs_catalog *reader)
{
    nanosleep(&(struct timespec){0, 50000000}, NULL); // the file system's clock ticks meanwhile
    (void)look(f, reader);
    (void)look(f, reader);
    now_ns += 4 * SECOND;
    (void)look(f, reader);
    CHECK_INT(look(f, reader), 0);
}

static void changes_are_seen_at_once(void)
{
    struct fixture f;
    struct place place = {0};
    struct vs_catalog *reader = NULL;
    struct vs_object_stamp stamp;
    struct vs_error err = {0};
    REQUIRE(set_up_at(&f, &reader, &place));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 100, 0, &err), err);
    bool has_stamps = folder_stamp(&place, &stamp);
    if (has_stamps) {
        (void)look(&f, reader);
        CHECK(look(&f, reader) > 0); // the stamp is too young
        now_ns += SECOND;
        CHECK(look(&f, reader) > 0);
        CHECK(look(&f, reader) > 0);
        for (int64_t round = 1; round < 4; round++) {
            settle(&f, reader);
            ask_all(&f, 0, false, 0);
            REQUIRE_OK(table_maker_append(&f.maker, 100 * round, 100, 0, &err), err);
            ask_all(&f, 0, false, 0);
            REQUIRE_OK(table_maker_delete(&f.maker, 0, (size_t)(100 * round), 9, &err), err);
            ask_all(&f, 0, false, 0);
        }
        settle(&f, reader);
        REQUIRE_OK(table_maker_recreate(&f.maker, &err), err);
        for (int i = 0; i < 7; i++) { // as many versions as before
            REQUIRE_OK(table_maker_append(&f.maker, 1000 + 50 * i, 50, 0, &err), err);
        }
        ask_all(&f, 0, false, 0);
        settle(&f, reader);
        struct vs_index_coverage coverage;
        REQUIRE_OK(vs_catalog_drop(f.maker.catalog, MADE_TABLE, &err), err);
        CHECK_STATUS(vs_engine_coverage(f.engine, MADE_TABLE, &coverage, &err), VS_NOT_FOUND);
    }
    tear_down_at(&f, reader, &place);
    if (!has_stamps) {
        SKIP("this file system is not known to date folders anew");
    }
}

static void a_folder_is_dated_anew_with_each_name(void)
{
    struct fixture f;
    struct place place = {0};
    struct vs_catalog *reader = NULL;
    struct vs_object_stamp before, after;
    struct vs_error err = {0};
    REQUIRE(set_up_at(&f, &reader, &place));
    bool has_stamps = folder_stamp(&place, &before);
    if (has_stamps) {
        CHECK(folder_stamp(&place, &after) && vs_object_stamp_is(&before, &after));
        usleep(50000); // longer than a tick of the file system's clock
        const char *key = "docs/made/metadata/x.txt";
        REQUIRE_OK(vs_store_put(place.store, key, VS_STR("1"), VS_PUT_IF_ABSENT, &err), err);
        CHECK(folder_stamp(&place, &after) && !vs_object_stamp_is(&before, &after));
        usleep(50000);
        REQUIRE_OK(vs_store_put(place.store, key, VS_STR("2"), VS_PUT_ANY, &err), err);
        CHECK(folder_stamp(&place, &before) && !vs_object_stamp_is(&before, &after));
        usleep(50000);
        REQUIRE_OK(vs_store_remove(place.store, key, &err), err);
        CHECK(folder_stamp(&place, &after) && !vs_object_stamp_is(&before, &after));
    }
    tear_down_at(&f, reader, &place);
    if (!has_stamps) {
        SKIP("this file system is not known to date folders anew");
    }
}

static void a_query_that_names_no_table_is_refused(void)
{
    struct fixture f;
    struct vs_error err = {0};
    struct vs_answer *answer = NULL;
    float query[DIM];
    REQUIRE(set_up(&f, "cosine"));
    REQUIRE_OK(table_maker_append(&f.maker, 0, 100, 0, &err), err);
    ask_all(&f, 0, false, 0); // the engine knows a table
    make_query(&f.maker, 1, query);
    const struct vs_query_options options = {
        .size = sizeof options, .vectors = query, .vector_count = 1, .dim = DIM};
    CHECK_STATUS(vs_engine_query(f.engine, &options, &answer, &err), VS_INVALID);
    tear_down(&f);
}

// Two changes within one tick of a coarse clock leave the same stamp.
static void a_young_stamp_proves_nothing(void)
{
    struct vs_engine_table entry = {0};
    struct vs_folder_look one = {
        .has_stamp = true, .stamp.number = 7, .begin_ns = 10 * SECOND, .end_ns = 11 * SECOND};
    vs_table_folder_remember(&entry, &one);
    one.begin_ns = one.end_ns = 11 * SECOND + VS_STAMP_SETTLE_NS - 1;
    vs_table_folder_remember(&entry, &one);
    CHECK(!entry.folder.is_settled);
    one.begin_ns = one.end_ns = 11 * SECOND + VS_STAMP_SETTLE_NS;
    vs_table_folder_remember(&entry, &one);
    CHECK(entry.folder.is_settled);
    one.stamp.modified_ns = 1;
    vs_table_folder_remember(&entry, &one);
    CHECK(!entry.folder.is_settled);
    one.has_stamp = false;
    vs_table_folder_remember(&entry, &one);
    CHECK_INT(entry.folder.stamp.modified_ns, 1);
}

TEST_MAIN(TEST(changes_are_seen_at_once),
          TEST(a_folder_is_dated_anew_with_each_name),
          TEST(a_query_that_names_no_table_is_refused),
          TEST(a_young_stamp_proves_nothing))
