// SPDX-License-Identifier: Apache-2.0
#include "ingest/orphan_job.h"
#include "tests/support/upkeep_table.h"

static enum vs_status search(struct upkeep *u,
                             int64_t age_ms,
                             bool remove,
                             struct vs_orphan_result *result,
                             struct vs_error *err)
{
    const struct vs_orphan_job job = {
        .table = ID_TABLE, .older_than_ms = u->env.now_ms - age_ms, .remove = remove};
    return vs_orphan_job_run(u->t.catalog, &job, result, err);
}

static bool found(const struct vs_orphan_result *result, const char *key)
{
    for (size_t i = 0; i < result->count; i++) {
        if (strcmp(result->orphans[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static void put(struct upkeep *u, const char *key)
{
    struct vs_error err = {0};
    CHECK_OK(vs_store_put(u->t.store, key, VS_STR("junk"), VS_PUT_ANY, &err), err);
}

static bool make_table(struct upkeep *u)
{
    struct vs_error err = {0};
    struct upkeep_ref tag = {.name = "keep"};
    return upkeep_open(u, &err) &&
           id_table_append(&u->t, "a", VS_KIND_LONG, 0, 50, &err) == VS_OK &&
           upkeep_delete(u, 1, 2, NULL, &err) == VS_OK &&
           upkeep_edit(u, upkeep_change_ref, &tag, &err) == VS_OK &&
           upkeep_delete(u, 0, 50, NULL, &err) == VS_OK &&
           id_table_append(&u->t, "b", VS_KIND_LONG, 100, 10, &err) == VS_OK;
}

static void what_nothing_names(void)
{
    static const char *const orphans[] = {
        "t/ids/data/_x=1/part.parquet", // a partition's folder
        "t/ids/data/lost.parquet",
        "t/ids/data/quarantine/x.jsonl", // not the folder that it looks like
        "t/ids/metadata/00001-0d4e.metadata.json",
        "t/ids/metadata/lost.avro",
        "t/ids/metadata/old-vecstore.puffin",
        "t/ids/stray",
    };
    static const char *const kept[] = {
        "t/ids/quarantine/rows.jsonl",
        "t/ids/_temporary/x.parquet",
        "t/ids/.hidden",
        "t/ids/inner/metadata/v1.metadata.json",
        "t/ids/inner/data/x.parquet",
        "t/ids2/data/x.parquet",
        "t/other/data/x.parquet",
    };
    struct upkeep u;
    struct vs_orphan_result result;
    struct vs_error err = {0};
    size_t count = sizeof orphans / sizeof orphans[0];
    REQUIRE(make_table(&u));
    for (size_t i = 0; i < count; i++) {
        put(&u, orphans[i]);
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        put(&u, kept[i]);
    }
    size_t before = upkeep_count(&u, "");
    u.env.now_ms += 2 * UPKEEP_DAY;
    REQUIRE_OK(search(&u, 3 * UPKEEP_DAY, true, &result, &err), err); // too young
    CHECK_INT(result.count, 0);
    vs_orphan_result_clear(&result);
    u.env.now_ms += 2 * UPKEEP_DAY;
    put(&u, "t/ids/data/young.parquet");
    REQUIRE_OK(search(&u, 3 * UPKEEP_DAY, false, &result, &err), err);
    CHECK_INT(result.count, count);
    CHECK_INT(result.bytes, 4 * count);
    CHECK_INT(result.removed, 0);
    for (size_t i = 0; i < count; i++) {
        CHECK(found(&result, orphans[i]));
    }
    vs_orphan_result_clear(&result);
    CHECK_INT(upkeep_count(&u, ""), before + 1);
    REQUIRE_OK(search(&u, 3 * UPKEEP_DAY, true, &result, &err), err);
    CHECK_INT(result.removed, count);
    vs_orphan_result_clear(&result);
    CHECK_INT(upkeep_count(&u, ""), before + 1 - count);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        CHECK(upkeep_exists(&u, kept[i]));
    }
    CHECK(upkeep_exists(&u, "t/ids/metadata/v1.metadata.json"));
    CHECK(upkeep_exists(&u, "t/ids/metadata/version-hint.text"));
    upkeep_check(&u, false);
    upkeep_close(&u);
}

// What a commit of unknown outcome wrote is found later; what it needs when it is in is not.
static enum vs_status lose_put(struct upkeep *u,
                               const char *op,
                               const char *key,
                               struct vs_error *err)
{
    (void)u;
    return strcmp(op, "put") == 0 && strstr(key, "/metadata/v") != NULL
               ? vs_fail(err, VS_UNKNOWN, "nobody knows")
               : VS_OK;
}

static void leftovers_of_an_unknown_commit(void)
{
    struct upkeep u;
    struct vs_orphan_result result;
    struct vs_error err = {0};
    REQUIRE(make_table(&u));
    size_t before = upkeep_count(&u, "t/ids/");
    u.on_io = lose_put;
    CHECK_STATUS(upkeep_delete(&u, 100, 2, NULL, &err), VS_UNKNOWN);
    u.on_io = NULL;
    size_t left = upkeep_count(&u, "t/ids/") - before; // delete file, manifest, list
    CHECK(left >= 3);
    u.env.now_ms += 10 * UPKEEP_DAY;
    REQUIRE_OK(search(&u, 3 * UPKEEP_DAY, true, &result, &err), err);
    CHECK_INT(result.removed, left);
    vs_orphan_result_clear(&result);
    upkeep_check(&u, true);
    upkeep_close(&u);
}

// While the folder is listed somebody commits a file that is older than the limit.
static enum vs_status commit_meanwhile(struct upkeep *u,
                                       const char *op,
                                       const char *key,
                                       struct vs_error *err)
{
    (void)key;
    (void)err;
    if (strcmp(op, "list") == 0 && u->io_calls++ == 0) {
        int64_t now = u->env.now_ms;
        struct id_table t = u->t;
        struct vs_error reason = {0};
        t.table = vs_table_retain(u->t.table);
        u->env.now_ms = UPKEEP_T0;
        CHECK_OK(id_table_append(&t, "late", VS_KIND_LONG, 500, 5, &reason), reason);
        u->env.now_ms = now;
        vs_table_release(t.table);
    }
    return VS_OK;
}

static void committed_during_the_listing(void)
{
    struct upkeep u;
    struct vs_orphan_result result;
    struct vs_error err = {0};
    REQUIRE(make_table(&u));
    put(&u, "t/ids/data/lost.parquet");
    u.env.now_ms += 10 * UPKEEP_DAY;
    u.on_io = commit_meanwhile;
    REQUIRE_OK(search(&u, 3 * UPKEEP_DAY, true, &result, &err), err);
    u.on_io = NULL;
    CHECK_INT(u.io_calls > 0, 1);
    CHECK_INT(result.count, 1);
    vs_orphan_result_clear(&result);
    CHECK(upkeep_exists(&u, "t/ids/data/late.parquet"));
    upkeep_check(&u, true);
    upkeep_close(&u);
}

static void refusals(void)
{
    struct upkeep u;
    struct vs_orphan_result result;
    struct vs_error err = {0};
    char uri[512];
    REQUIRE(make_table(&u));
    put(&u, "t/ids/data/lost.parquet");
    u.env.now_ms += 10 * UPKEEP_DAY;
    REQUIRE_OK(upkeep_property(&u, "gc.enabled", "false", &err), err);
    CHECK_STATUS(search(&u, UPKEEP_DAY, true, &result, &err), VS_INVALID);
    CHECK(strstr(err.message, "gc.enabled") != NULL);
    REQUIRE_OK(upkeep_property(&u, "gc.enabled", "true", &err), err);
    // a path that cannot be compared with keys: nothing is certain
    snprintf(uri, sizeof uri, "%.*s//metadata//i.puffin",
             VS_STR_ARG(u.t.table->metadata->location));
    REQUIRE_OK(upkeep_property(&u, "vecstore.index.path", uri, &err), err);
    CHECK_STATUS(search(&u, UPKEEP_DAY, true, &result, &err), VS_DENIED);
    CHECK(upkeep_exists(&u, "t/ids/data/lost.parquet"));
    // one of another place is nobody's business here
    REQUIRE_OK(upkeep_property(&u, "vecstore.index.path", "s3://elsewhere//i.puffin", &err), err);
    REQUIRE_OK(search(&u, UPKEEP_DAY, true, &result, &err), err);
    CHECK_INT(result.removed, 1);
    vs_orphan_result_clear(&result);
    const struct vs_orphan_job missing = {.table = "t.none"};
    CHECK_STATUS(vs_orphan_job_run(u.t.catalog, &missing, &result, &err), VS_NOT_FOUND);
    upkeep_close(&u);
}

static enum vs_status fail_once(struct upkeep *u,
                                const char *op,
                                const char *key,
                                struct vs_error *err)
{
    return u->io_calls++ == u->io_fail_at ? vs_fail(err, VS_UNAVAILABLE, "no %s %s", op, key)
                                          : VS_OK;
}

static void every_failure(void)
{
    for (int memory = 0; memory < 2; memory++) {
        long n = 0;
        for (bool done = false; !done && check_failures == 0; n++) {
            struct upkeep u;
            struct vs_orphan_result result;
            struct vs_error err = {0};
            REQUIRE(make_table(&u));
            put(&u, "t/ids/data/lost.parquet");
            u.env.now_ms += 10 * UPKEEP_DAY;
            u.env.fail_at = memory ? u.env.calls + n : -1;
            u.env.failed = false;
            u.io_fail_at = memory ? -1 : n;
            u.on_io = fail_once;
            enum vs_status status = search(&u, UPKEEP_DAY, true, &result, &err);
            u.on_io = NULL;
            done = memory ? !u.env.failed : u.io_calls <= n;
            u.env.fail_at = -1;
            CHECK(!done || status == VS_OK);
            if (status == VS_OK) {
                vs_orphan_result_clear(&result);
            }
            upkeep_check(&u, done);
            upkeep_close(&u);
        }
        CHECK(n > 5);
    }
}

TEST_MAIN(TEST(what_nothing_names),
          TEST(leftovers_of_an_unknown_commit),
          TEST(committed_during_the_listing),
          TEST(refusals),
          TEST(every_failure))
