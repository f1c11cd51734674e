// SPDX-License-Identifier: Apache-2.0
#include "ingest/row_change.h"
#include "tests/support/id_table.h"

struct fixture {
    struct test_env env;
    struct id_table t;
    struct vs_id_set *set;
};

static bool set_up(struct fixture *f, enum vs_kind kind, const int64_t *ids, size_t count)
{
    struct vs_error err = {0};
    test_env_init(&f->env);
    f->set = NULL;
    CHECK_OK(id_table_open(&f->t, &f->env.env, kind, &err), err);
    CHECK_OK(id_table_append(&f->t, "a", kind, 0, 50, &err), err);
    CHECK_OK(id_table_append(&f->t, "b", kind, 50, 50, &err), err);
    CHECK_OK(vs_id_set_new(&f->env.env, kind, &f->set, &err), err);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        bool added;
        struct vs_value id = id_value(kind, ids[i], text);
        CHECK_OK(vs_id_set_add(f->set, &id, &added, &err), err);
    }
    return check_failures == 0;
}

static void tear_down(struct fixture *f)
{
    vs_id_set_free(f->set);
    id_table_close(&f->t);
    CHECK_INT(f->env.live, 0);
}

static enum vs_status count_key(void *ctx, const struct vs_object_info *info, struct vs_error *err)
{
    (void)info;
    (void)err;
    ++*(size_t *)ctx;
    return VS_OK;
}

static size_t count_data(struct fixture *f)
{
    size_t count = 0;
    struct vs_error err = {0};
    CHECK_OK(vs_store_list(f->t.store, "t/ids/data/", count_key, &count, &err), err);
    return count;
}

static void insert_refuses_known_ids(void)
{
    static const int64_t known[] = {1000, 70, 3}, fresh[] = {100, 101};
    for (int k = 0; k < 2; k++) {
        struct fixture f;
        struct vs_row_change change;
        struct vs_intent intent = {.operation = "append"};
        struct vs_error err = {0};
        enum vs_kind kind = k == 0 ? VS_KIND_LONG : VS_KIND_STRING;
        REQUIRE(set_up(&f, kind, known, 3));
        vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_INSERT);
        change.ids = f.set;
        CHECK_STATUS(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), VS_EXISTS);
        CHECK(strstr(err.message, "2 of the ids") != NULL);
        CHECK(strstr(err.message, k == 0 ? "first is 3;" : "'id-000003'") != NULL);
        CHECK(strstr(err.message, "--upsert") != NULL);
        vs_row_change_clear(&change, VS_EXISTS);
        tear_down(&f);
        REQUIRE(set_up(&f, kind, fresh, 2));
        vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_INSERT);
        change.ids = f.set;
        CHECK_OK(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), err);
        CHECK_TEXT(intent.operation, "append");
        CHECK_INT(intent.added_delete_count, 0);
        CHECK(intent.statistics == NULL);
        vs_row_change_clear(&change, VS_OK);
        CHECK_INT(count_data(&f), 2);
        tear_down(&f);
    }
}

// Each base gets position deletes of its own; which of them are removed depends on the outcome.
static void rebases(void)
{
    static const int64_t ids[] = {0, 49, 50, 100};

    static const struct {
        enum vs_status outcome;
        size_t left; // delete files
    } cases[] = {{VS_OK, 3}, {VS_CONFLICT, 0}, {VS_UNKNOWN, 5}};

    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        struct vs_row_change change;
        struct vs_intent intent = {.operation = "append"};
        struct vs_error err = {0};
        REQUIRE(set_up(&f, VS_KIND_LONG, ids, 4));
        vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_UPSERT);
        change.ids = f.set;
        REQUIRE_OK(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), err);
        CHECK_TEXT(intent.operation, "overwrite");
        CHECK_INT(change.deleted_rows, 3);
        CHECK_INT(intent.added_delete_count, 2); // one per data file
        CHECK_INT(intent.added_deletes[0].record_count + intent.added_deletes[1].record_count, 3);
        // someone else appends id 100: the next base has a fourth row to delete
        REQUIRE_OK(id_table_append(&f.t, "c", VS_KIND_LONG, 100, 1, &err), err);
        REQUIRE_OK(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), err);
        CHECK_INT(change.deleted_rows, 4);
        CHECK_INT(change.distinct_ids, 4);
        CHECK_INT(intent.added_delete_count, 3);
        CHECK_INT(count_data(&f), 3 + 2 + 3);
        vs_row_change_clear(&change, cases[i].outcome);
        CHECK_INT(count_data(&f), 3 + cases[i].left);
        tear_down(&f);
    }
}

// The same name, another table: rows written for the first must not land in the second.
static void a_table_made_anew_is_refused(void)
{
    static const int64_t ids[] = {500};
    struct fixture f;
    struct vs_row_change change;
    struct vs_intent intent = {.operation = "append"};
    struct vs_error err = {0};
    struct vs_table_metadata other = {.current_snapshot_id = VS_NO_SNAPSHOT};
    REQUIRE(set_up(&f, VS_KIND_LONG, ids, 1));
    vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_INSERT);
    change.ids = f.set;
    change.loaded = f.t.table->metadata;
    CHECK_OK(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), err);
    CHECK_STATUS(vs_row_change_rebase(&change, &other, &intent, &err), VS_CONFLICT);
    vs_row_change_clear(&change, VS_CONFLICT);
    tear_down(&f);
}

static void nothing_to_delete(void)
{
    static const int64_t ids[] = {700};
    struct fixture f;
    struct vs_row_change change;
    struct vs_intent intent = {.operation = "delete"};
    struct vs_delete_result result = {0};
    struct vs_error err = {0};
    REQUIRE(set_up(&f, VS_KIND_LONG, ids, 1));
    vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_DELETE);
    change.ids = f.set;
    CHECK_STATUS(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), VS_NOT_FOUND);
    CHECK(change.nothing_left);
    vs_row_change_clear(&change, VS_NOT_FOUND);
    const struct vs_delete_job job = {.table = ID_TABLE, .ids = f.set};
    CHECK_OK(vs_delete_job_run(f.t.catalog, &job, &result, &err), err); // no error, no snapshot
    CHECK(result.snapshot_id == VS_NO_SNAPSHOT && result.deleted == 0 && result.not_found == 1);
    CHECK_INT(f.t.table->metadata->snapshot_count, 2);
    CHECK_INT(count_data(&f), 2);
    const struct vs_delete_job missing = {.table = "t.none", .ids = f.set};
    CHECK_STATUS(vs_delete_job_run(f.t.catalog, &missing, &result, &err), VS_NOT_FOUND);
    tear_down(&f);
}

static void out_of_memory(void)
{
    static const int64_t ids[] = {0, 60};
    struct fixture f;
    REQUIRE(set_up(&f, VS_KIND_LONG, ids, 2));
    for (long n = 0;; n++) {
        struct vs_row_change change;
        struct vs_intent intent = {.operation = "append"};
        vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_UPSERT);
        change.ids = f.set;
        f.env.fail_at = f.env.calls + n;
        f.env.failed = false;
        enum vs_status status = vs_row_change_rebase(&change, f.t.table->metadata, &intent, NULL);
        bool failed = f.env.failed;
        f.env.fail_at = -1;
        CHECK(status == VS_OK || (failed && status == VS_NO_MEMORY));
        vs_row_change_clear(&change, VS_NO_MEMORY);
        CHECK_INT(count_data(&f), 2); // no delete file stays behind
        if (!failed) {
            CHECK(n > 50);
            break;
        }
    }
    tear_down(&f);
}

TEST_MAIN(TEST(insert_refuses_known_ids),
          TEST(rebases),
          TEST(a_table_made_anew_is_refused),
          TEST(nothing_to_delete),
          TEST(out_of_memory))
