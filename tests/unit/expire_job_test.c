// SPDX-License-Identifier: Apache-2.0
#include "ingest/expire_job.h"
#include "tests/support/upkeep_table.h"

static enum vs_status expire(struct upkeep *u,
                             const struct vs_expire_job *how,
                             struct vs_expire_result *result,
                             struct vs_error *err)
{
    struct vs_expire_job job = *how;
    job.table = ID_TABLE;
    job.older_than_ms = job.older_than_ms != 0 ? job.older_than_ms : u->env.now_ms;
    return vs_expire_job_run(u->t.catalog, &job, result, err);
}

// Files a (0..49), b (50..99); rows 1 and 2 deleted and tagged; the rest of a deleted; c appended.
static bool make_history(struct upkeep *u, bool v3)
{
    struct vs_error err = {0};
    struct upkeep_ref tag = {.name = "keep"};
    bool made = upkeep_open(u, &err) &&
                (!v3 || upkeep_edit(u, upkeep_upgrade, NULL, &err) == VS_OK) &&
                id_table_append(&u->t, "a", VS_KIND_LONG, 0, 50, &err) == VS_OK &&
                id_table_append(&u->t, "b", VS_KIND_LONG, 50, 50, &err) == VS_OK &&
                upkeep_delete(u, 1, 2, NULL, &err) == VS_OK &&
                upkeep_edit(u, upkeep_change_ref, &tag, &err) == VS_OK &&
                upkeep_delete(u, 60, 3, NULL, &err) == VS_OK &&
                upkeep_delete(u, 0, 50, NULL, &err) == VS_OK &&
                id_table_append(&u->t, "c", VS_KIND_LONG, 100, 10, &err) == VS_OK;
    if (!made) {
        fprintf(stderr, "%s\n", err.message);
    }
    return made;
}

static void only_what_nobody_reaches(void)
{
    for (int v3 = 0; v3 < 2; v3++) {
        struct upkeep u;
        struct vs_expire_result result, dry;
        struct vs_error err = {0};
        struct upkeep_ref tag = {.name = "keep", .remove = true};
        const struct vs_expire_job plain = {0}, look = {.dry_run = true};
        REQUIRE(make_history(&u, v3));
        CHECK_INT(u.t.table->metadata->snapshot_count, 6);
        upkeep_check(&u, true);
        CHECK(upkeep_exists(&u, "t/ids/data/a.parquet"));
        u.env.now_ms += 10 * UPKEEP_DAY;
        size_t before = upkeep_count(&u, "t/ids/");
        REQUIRE_OK(expire(&u, &look, &dry, &err), err);
        CHECK_INT(upkeep_count(&u, "t/ids/"), before);
        REQUIRE_OK(expire(&u, &plain, &result, &err), err);
        CHECK_INT(result.expired_count, 4); // the tagged and the newest stay
        CHECK_INT(dry.expired_count, 4);
        size_t removed = 0;
        for (int k = 0; k < VS_TABLE_FILE_KINDS; k++) {
            CHECK_INT(result.removed[k], dry.removed[k]);
            removed += result.removed[k];
        }
        CHECK_INT(upkeep_count(&u, "t/ids/"), before - removed + 1); // and the new metadata
        CHECK_INT(result.removed[VS_TABLE_FILE_MANIFEST_LIST], 4);
        CHECK_INT(result.removed[VS_TABLE_FILE_DATA], 0);
        upkeep_check(&u, true);
        vs_expire_result_clear(&result);
        vs_expire_result_clear(&dry);
        // without the tag, a and the deletes in it go
        REQUIRE_OK(upkeep_edit(&u, upkeep_change_ref, &tag, &err), err);
        REQUIRE_OK(expire(&u, &plain, &result, &err), err);
        CHECK_INT(result.expired_count, 1);
        CHECK_INT(result.removed[VS_TABLE_FILE_DATA], 1);
        CHECK(!upkeep_exists(&u, "t/ids/data/a.parquet"));
        CHECK(upkeep_exists(&u, "t/ids/data/b.parquet"));
        upkeep_check(&u, true);
        vs_expire_result_clear(&result);
        // nothing more: no commit
        int64_t version = u.t.table->version;
        REQUIRE_OK(expire(&u, &plain, &result, &err), err);
        CHECK_INT(result.expired_count, 0);
        REQUIRE_OK(id_table_reload(&u.t, &err), err);
        CHECK_INT(u.t.table->version, version);
        vs_expire_result_clear(&result);
        upkeep_close(&u);
    }
}

static void branches_keep_their_files(void)
{
    struct upkeep u;
    struct vs_expire_result result;
    struct vs_error err = {0};
    struct upkeep_ref dev = {.name = "dev", .is_branch = true};
    const struct vs_expire_job plain = {0};
    REQUIRE(upkeep_open(&u, &err));
    REQUIRE_OK(id_table_append(&u.t, "a", VS_KIND_LONG, 0, 50, &err), err);
    REQUIRE_OK(upkeep_edit(&u, upkeep_change_ref, &dev, &err), err);
    REQUIRE_OK(upkeep_delete(&u, 0, 10, "dev", &err), err); // dev: 40 rows
    REQUIRE_OK(upkeep_delete(&u, 0, 50, NULL, &err), err);  // main: none
    u.env.now_ms += 10 * UPKEEP_DAY;
    REQUIRE_OK(expire(&u, &plain, &result, &err), err);
    CHECK_INT(result.expired_count, 1);
    CHECK(upkeep_exists(&u, "t/ids/data/a.parquet"));
    upkeep_check(&u, true);
    vs_expire_result_clear(&result);
    upkeep_close(&u);
}

// Rule R6: a commit in flight may still look for young lineage.
static void young_lineage_stays(void)
{
    struct upkeep u;
    struct vs_expire_result result;
    struct vs_error err = {0};
    REQUIRE(make_history(&u, false));
    const int64_t old = u.t.table->metadata->snapshots[0].snapshot_id;
    const int64_t current = u.t.table->metadata->current_snapshot_id;
    const struct vs_expire_job plain = {0}, named = {.snapshot_ids = &old, .snapshot_id_count = 1},
                               newest = {.snapshot_ids = &current, .snapshot_id_count = 1};
    u.env.now_ms += 3599 * INT64_C(1000);
    REQUIRE_OK(expire(&u, &plain, &result, &err), err);
    CHECK_INT(result.expired_count, 0);
    vs_expire_result_clear(&result);
    CHECK_STATUS(expire(&u, &named, &result, &err), VS_INVALID);
    u.env.now_ms += 2000;
    CHECK_STATUS(expire(&u, &newest, &result, &err), VS_INVALID);
    CHECK(strstr(err.message, ID_TABLE) != NULL);
    const int64_t unknown = 12345;
    const struct vs_expire_job none = {.snapshot_ids = &unknown, .snapshot_id_count = 1};
    CHECK_STATUS(expire(&u, &none, &result, &err), VS_NOT_FOUND);
    REQUIRE_OK(expire(&u, &named, &result, &err), err);
    CHECK(result.expired_count > 0);
    vs_expire_result_clear(&result);
    upkeep_check(&u, true);
    upkeep_close(&u);
}

static enum vs_status unknown_put(struct upkeep *u,
                                  const char *op,
                                  const char *key,
                                  struct vs_error *err)
{
    (void)u;
    if (strcmp(op, "put") == 0 && strstr(key, "/metadata/v") != NULL) {
        return vs_fail(err, VS_UNKNOWN, "nobody knows");
    }
    return strcmp(op, "remove") == 0 ? vs_fail(err, VS_INTERNAL, "%s is removed", key) : VS_OK;
}

static void nothing_goes_when_the_outcome_is_unknown(void)
{
    struct upkeep u;
    struct vs_expire_result result;
    struct vs_error err = {0};
    const struct vs_expire_job plain = {0};
    REQUIRE(make_history(&u, false));
    u.env.now_ms += 10 * UPKEEP_DAY;
    size_t before = upkeep_count(&u, "t/ids/");
    u.on_io = unknown_put;
    CHECK_STATUS(expire(&u, &plain, &result, &err), VS_UNKNOWN);
    u.on_io = NULL;
    CHECK_INT(upkeep_count(&u, "t/ids/"), before);
    upkeep_check(&u, true);
    upkeep_close(&u);
}

static void missing_files_are_no_error(void)
{
    struct upkeep u;
    struct vs_expire_result result;
    struct vs_error err = {0};
    struct vs_buf key;
    const struct vs_expire_job plain = {0};
    struct upkeep_ref tag = {.name = "keep", .remove = true};
    REQUIRE(make_history(&u, false));
    REQUIRE_OK(upkeep_edit(&u, upkeep_change_ref, &tag, &err), err);
    vs_buf_init(&key, u.t.env, 4096);
    REQUIRE_OK(vs_store_key(u.t.store, u.t.table->metadata->snapshots[1].manifest_list, &key, &err),
               err);
    REQUIRE_OK(vs_store_remove(u.t.store, vs_buf_c_str(&key), &err), err);
    REQUIRE_OK(vs_store_remove(u.t.store, "t/ids/data/a.parquet", &err), err);
    vs_buf_clear(&key);
    u.env.now_ms += 10 * UPKEEP_DAY;
    REQUIRE_OK(expire(&u, &plain, &result, &err), err);
    CHECK_INT(result.expired_count, 5);
    vs_expire_result_clear(&result);
    upkeep_check(&u, true);
    upkeep_close(&u);
}

// ---- statistics ----

static enum vs_status add_statistics(struct upkeep *u,
                                     int64_t snapshot_id,
                                     const char *name,
                                     struct vs_error *err)
{
    char key[128], uri[512];
    snprintf(key, sizeof key, "t/ids/metadata/%s", name);
    snprintf(uri, sizeof uri, "%.*s/metadata/%s", VS_STR_ARG(u->t.table->metadata->location), name);
    VS_TRY(vs_store_put(u->t.store, key, VS_STR("statistics"), VS_PUT_ANY, err));
    const struct vs_statistics statistics = {.snapshot_id = snapshot_id,
                                             .path = vs_str_from_c(uri),
                                             .file_size = 10,
                                             .footer_size = 4,
                                             .blob_metadata_json = VS_STR("[]")};
    const struct vs_intent intent = {.statistics = &statistics};
    struct vs_commit_result result = {0};
    VS_TRY(vs_catalog_commit(u->t.catalog, ID_TABLE, &intent, NULL, &result, err));
    vs_table_release(result.table);
    return id_table_reload(&u->t, err);
}

static void statistics_go_but_not_the_index(void)
{
    struct upkeep u;
    struct vs_expire_result result;
    struct vs_error err = {0};
    char uri[512];
    const struct vs_expire_job plain = {0};
    REQUIRE(make_history(&u, false));
    const struct vs_table_metadata *m = u.t.table->metadata;
    int64_t first = m->snapshots[0].snapshot_id, second = m->snapshots[1].snapshot_id;
    int64_t current = m->current_snapshot_id;
    snprintf(uri, sizeof uri, "%.*s/metadata/two.puffin", VS_STR_ARG(m->location));
    REQUIRE_OK(add_statistics(&u, first, "one.puffin", &err), err);
    REQUIRE_OK(add_statistics(&u, second, "two.puffin", &err), err);
    REQUIRE_OK(add_statistics(&u, current, "now.puffin", &err), err);
    REQUIRE_OK(upkeep_property(&u, "vecstore.index.path", uri, &err), err);
    u.env.now_ms += 10 * UPKEEP_DAY;
    REQUIRE_OK(expire(&u, &plain, &result, &err), err);
    CHECK_INT(result.removed[VS_TABLE_FILE_STATISTICS], 1);
    CHECK(!upkeep_exists(&u, "t/ids/metadata/one.puffin"));
    CHECK(upkeep_exists(&u, "t/ids/metadata/two.puffin")); // named by the property
    CHECK(upkeep_exists(&u, "t/ids/metadata/now.puffin"));
    vs_expire_result_clear(&result);
    upkeep_close(&u);
}

// ---- old metadata ----

static void old_metadata_goes_oldest_first(void)
{
    struct upkeep u;
    struct vs_expire_result result;
    struct vs_error err = {0};
    const struct vs_expire_job plain = {0};
    REQUIRE(make_history(&u, false));
    REQUIRE_OK(upkeep_property(&u, "write.metadata.previous-versions-max", "3", &err), err);
    u.env.now_ms += 10 * UPKEEP_DAY;
    int64_t version = u.t.table->version;
    REQUIRE_OK(expire(&u, &plain, &result, &err), err); // not asked for
    vs_expire_result_clear(&result);
    CHECK_INT(upkeep_count(&u, "t/ids/metadata/v"), (size_t)version + 2); // and the hint
    REQUIRE_OK(upkeep_property(&u, "write.metadata.delete-after-commit.enabled", "true", &err),
               err);
    version = u.t.table->version;
    REQUIRE_OK(expire(&u, &plain, &result, &err), err);
    CHECK_INT(result.removed[VS_TABLE_FILE_METADATA], version - 4); // the log names three more
    vs_expire_result_clear(&result);
    CHECK(!upkeep_exists(&u, "t/ids/metadata/v1.metadata.json"));
    CHECK_INT(upkeep_count(&u, "t/ids/metadata/v"), 4 + 1);
    upkeep_check(&u, true);
    // younger than an hour: they stay, whatever the log says
    for (int i = 0; i < 5; i++) {
        REQUIRE_OK(upkeep_property(&u, "x", i % 2 == 0 ? "1" : "2", &err), err);
    }
    u.env.now_ms += 1000;
    size_t count = upkeep_count(&u, "t/ids/metadata/v");
    REQUIRE_OK(expire(&u, &plain, &result, &err), err);
    size_t removed = (size_t)result.removed[VS_TABLE_FILE_METADATA];
    vs_expire_result_clear(&result);
    CHECK_INT(upkeep_count(&u, "t/ids/metadata/v"), count - removed);
    CHECK(removed <= 4); // those made ten days ago
    char key[64];
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "t/ids/metadata/v%lld.metadata.json",
                 (long long)u.t.table->version - i);
        CHECK(upkeep_exists(&u, key));
    }
    upkeep_close(&u);
}

// ---- failures ----

// No manifest that is there names a data or delete file that is not: orphans, never dangling names.
static void check_no_dangling(struct upkeep *u)
{
    struct upkeep_keys keys;
    u->in_hook = true;
    upkeep_list(u, "t/ids/metadata/", &keys);
    for (size_t i = 0; i < keys.count; i++) {
        struct vs_arena arena;
        struct vs_buf bytes, key;
        struct vs_data_file *files = NULL;
        size_t count = 0;
        struct vs_error err = {0};
        const struct vs_manifest_file manifest = {
            .path = vs_str_from_c(keys.items[i]), .spec_id = -1, .first_row_id = -1};
        if (strstr(keys.items[i], "/snap-") != NULL || strstr(keys.items[i], ".avro") == NULL) {
            continue;
        }
        vs_arena_init(&arena, u->t.env, 0);
        vs_buf_init(&bytes, u->t.env, 1 << 20);
        vs_buf_init(&key, u->t.env, 4096);
        CHECK_OK(vs_store_get(u->t.store, keys.items[i], &bytes, &err), err);
        const struct vs_manifest_read read = {.env = u->t.env,
                                              .bytes = vs_buf_view(&bytes),
                                              .what = keys.items[i],
                                              .manifest = &manifest,
                                              .live_only = true};
        CHECK_OK(vs_manifest_read(&read, &arena, &files, &count, &err), err);
        for (size_t f = 0; f < count; f++) {
            CHECK_OK(vs_store_key(u->t.store, files[f].path, &key, &err), err);
            CHECK(upkeep_exists(u, vs_buf_c_str(&key)));
        }
        vs_buf_clear(&bytes);
        vs_buf_clear(&key);
        vs_arena_clear(&arena);
    }
    upkeep_keys_clear(&keys);
    u->in_hook = false;
}

static enum vs_status stop_at(struct upkeep *u,
                              const char *op,
                              const char *key,
                              struct vs_error *err)
{
    // from that operation on nothing works any more, as after a crash
    return u->io_calls++ >= u->io_fail_at
               ? vs_fail(err, VS_UNAVAILABLE, "stopped before %s %s", op, key)
               : VS_OK;
}

static void stopped_at_every_operation(void)
{
    long n = 0;
    for (bool done = false; !done && check_failures == 0; n++) {
        struct upkeep u;
        struct vs_expire_result result;
        struct vs_error err = {0};
        const struct vs_expire_job plain = {0};
        struct upkeep_ref tag = {.name = "keep", .remove = true};
        REQUIRE(make_history(&u, n % 2 == 1));
        REQUIRE_OK(upkeep_edit(&u, upkeep_change_ref, &tag, &err), err);
        u.env.now_ms += 10 * UPKEEP_DAY;
        // the hook looks at the clock alone, so that retries end soon
        u.io_fail_at = n;
        u.on_io = stop_at;
        enum vs_status status = expire(&u, &plain, &result, &err);
        u.on_io = NULL;
        done = status == VS_OK && u.io_calls <= n;
        if (status == VS_OK) {
            vs_expire_result_clear(&result);
        }
        upkeep_check(&u, done);
        check_no_dangling(&u);
        upkeep_close(&u);
    }
    CHECK(n > 20 && n < 1000);
}

static void every_allocation(void)
{
    long n = 0;
    for (bool done = false; !done && check_failures == 0; n++) {
        struct upkeep u;
        struct vs_expire_result result;
        struct vs_error err = {0};
        const struct vs_expire_job plain = {0};
        struct upkeep_ref tag = {.name = "keep", .remove = true};
        REQUIRE(make_history(&u, n % 2 == 1));
        REQUIRE_OK(upkeep_edit(&u, upkeep_change_ref, &tag, &err), err);
        u.env.now_ms += 10 * UPKEEP_DAY;
        u.env.fail_at = u.env.calls + n;
        u.env.failed = false;
        enum vs_status status = expire(&u, &plain, &result, &err);
        done = !u.env.failed;
        u.env.fail_at = -1;
        CHECK(status == VS_OK || (!done && (status == VS_NO_MEMORY || status == VS_UNKNOWN)));
        if (status == VS_OK) {
            vs_expire_result_clear(&result);
        }
        upkeep_check(&u, false);
        upkeep_close(&u);
    }
    CHECK(n > 100);
}

TEST_MAIN(TEST(only_what_nobody_reaches),
          TEST(branches_keep_their_files),
          TEST(young_lineage_stays),
          TEST(nothing_goes_when_the_outcome_is_unknown),
          TEST(missing_files_are_no_error),
          TEST(statistics_go_but_not_the_index),
          TEST(old_metadata_goes_oldest_first),
          TEST(stopped_at_every_operation),
          TEST(every_allocation))
