// SPDX-License-Identifier: Apache-2.0
#include "ingest/row_change.h"
#include "tests/support/id_table.h"
#include "vecstore/iceberg/metadata_edit.h"

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
        REQUIRE_OK(id_table_append(&f.t, "c", VS_KIND_LONG, 100, 2, &err), err);
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

// ---- whole files, overwrites, branches ----

struct chosen { // what a find function gives: rows [first, first + count) of a file
    const char *file;
    uint64_t first, count;
    int64_t asked; // the snapshot that it was asked for
};

static enum vs_status find_chosen(void *ctx,
                                  const struct vs_table_metadata *base,
                                  int64_t snapshot_id,
                                  struct vs_arena *arena,
                                  struct vs_position_delete **rows_out,
                                  size_t *count_out,
                                  struct vs_error *err)
{
    struct chosen *chosen = ctx;
    struct vs_str path =
        vs_arena_printf(arena, "%.*s/data/%s.parquet", VS_STR_ARG(base->location), chosen->file);
    struct vs_position_delete *rows = vs_arena_alloc_array(arena, chosen->count, sizeof *rows);
    chosen->asked = snapshot_id;
    if (path.ptr == NULL || rows == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory");
    }
    for (uint64_t i = 0; i < chosen->count; i++) { // backwards: no order is promised
        rows[i] = (struct vs_position_delete){path, chosen->first + chosen->count - 1 - i};
    }
    *rows_out = rows;
    *count_out = chosen->count;
    return VS_OK;
}

static enum vs_status upgrade(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    (void)ctx;
    return vs_edit_upgrade(edit, 3, err);
}

static bool to_version_3(struct fixture *f)
{
    const struct vs_intent intent = {.edit = upgrade};
    struct vs_commit_result result = {0};
    struct vs_error err = {0};
    bool done = vs_catalog_commit(f->t.catalog, ID_TABLE, &intent, NULL, &result, &err) == VS_OK;
    vs_table_release(result.table);
    return done && id_table_reload(&f->t, &err) == VS_OK;
}

static enum vs_status delete_chosen(struct fixture *f,
                                    struct chosen *chosen,
                                    struct vs_delete_result *result,
                                    struct vs_error *err)
{
    const struct vs_delete_job job = {.table = ID_TABLE, .find = find_chosen, .find_ctx = chosen};
    VS_TRY(vs_delete_job_run(f->t.catalog, &job, result, err));
    return id_table_reload(&f->t, err);
}

// Data files and delete entries of the newest snapshot, and live rows by a plan.
static void count_live(struct fixture *f, size_t *files, size_t *deletes, uint64_t *rows)
{
    struct vs_scan_plan *plan = NULL;
    struct vs_deleted_rows deleted = {0};
    struct vs_error err = {0};
    const struct vs_table_metadata *m = f->t.table->metadata;
    REQUIRE_OK(vs_scan_plan_make(f->t.env, f->t.store, m, m->current_snapshot_id, &plan, &err),
               err);
    CHECK_OK(vs_deleted_rows_read(f->t.env, f->t.store, m, plan, &deleted, &err), err);
    *files = plan->file_count;
    *deletes = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        *deletes += plan->files[i].delete_count;
    }
    *rows = plan->record_count - deleted.total;
    vs_deleted_rows_clear(&deleted);
    vs_scan_plan_free(plan);
}

static struct vs_str summary_of(const struct fixture *f, const char *key)
{
    const struct vs_table_metadata *m = f->t.table->metadata;
    const struct vs_snapshot *s = vs_table_snapshot(m, m->current_snapshot_id);
    for (size_t i = 0; s != NULL && i < s->summary_count; i++) {
        if (vs_str_equal_c(s->summary[i].key, key)) {
            return s->summary[i].value;
        }
    }
    return VS_STR("");
}

// A file leaves as a file when no row of it is left, be it by earlier deletes and this one.
static void files_without_rows_leave(void)
{
    for (int v3 = 0; v3 < 2; v3++) {
        struct fixture f;
        struct vs_delete_result result;
        struct vs_error err = {0};
        size_t files = 0, deletes = 0;
        uint64_t rows = 0;
        struct chosen first = {"a", 10, 5, 0}, second = {"a", 0, 10, 0}, third = {"a", 15, 34, 0},
                      last = {"a", 49, 1, 0}, all = {"b", 0, 50, 0};
        REQUIRE(set_up(&f, VS_KIND_LONG, NULL, 0));
        REQUIRE(!v3 || to_version_3(&f));
        REQUIRE_OK(delete_chosen(&f, &first, &result, &err), err);
        REQUIRE_OK(delete_chosen(&f, &second, &result, &err), err);
        REQUIRE_OK(delete_chosen(&f, &third, &result, &err), err);
        count_live(&f, &files, &deletes, &rows);
        CHECK_INT(files, 2);
        CHECK_INT(rows, 51);
        CHECK_INT(deletes, v3 ? 1 : 3); // one vector, or three files
        size_t objects = count_data(&f);
        REQUIRE_OK(delete_chosen(&f, &last, &result, &err), err);
        CHECK_INT(result.deleted, 1);
        CHECK_INT(count_data(&f), objects); // nothing was written
        count_live(&f, &files, &deletes, &rows);
        CHECK(files == 1 && deletes == 0 && rows == 50);
        CHECK(vs_str_equal_c(summary_of(&f, "operation"), "delete"));
        CHECK(vs_str_equal_c(summary_of(&f, "deleted-data-files"), "1"));
        CHECK(vs_str_equal_c(summary_of(&f, "removed-delete-files"), v3 ? "1" : "3"));
        CHECK(vs_str_equal_c(summary_of(&f, "total-delete-files"), "0"));
        CHECK(vs_str_equal_c(summary_of(&f, "total-records"), "50"));
        REQUIRE_OK(delete_chosen(&f, &all, &result, &err), err);
        count_live(&f, &files, &deletes, &rows);
        CHECK(files == 0 && rows == 0 && result.deleted == 50);
        CHECK_INT(count_data(&f), objects);
        tear_down(&f);
    }
}

static void overwriting(void)
{
    static const int64_t ids[] = {3, 70};
    struct fixture f;
    struct vs_row_change change;
    struct vs_error err = {0};
    const struct vs_data_file added = {.path = VS_STR("x")};
    struct vs_intent intent = {.added_data = &added, .added_data_count = 1};
    struct chosen chosen = {"a", 0, 50, 0};
    REQUIRE(set_up(&f, VS_KIND_LONG, ids, 2));
    const struct vs_table_metadata *m = f.t.table->metadata;
    vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_INSERT);
    change.ids = f.set;
    change.find = find_chosen;
    change.find_ctx = &chosen;
    // id 3 goes, id 70 stays
    CHECK_STATUS(vs_row_change_rebase(&change, m, &intent, &err), VS_EXISTS);
    CHECK(strstr(err.message, "1 of the ids") != NULL && strstr(err.message, "is 70;") != NULL);
    change.kind = VS_ROW_CHANGE_UPSERT; // then it goes too, as a row
    REQUIRE_OK(vs_row_change_rebase(&change, m, &intent, &err), err);
    CHECK_TEXT(intent.operation, "overwrite");
    CHECK_INT(change.deleted_rows, 51);
    CHECK_INT(intent.removed_data_count, 1);
    CHECK(id_file_is(intent.removed_data[0].path, "a"));
    CHECK_INT(intent.added_delete_count, 1);
    CHECK_INT(chosen.asked, m->current_snapshot_id);
    change.everything = true;
    REQUIRE_OK(vs_row_change_rebase(&change, m, &intent, &err), err);
    CHECK_INT(change.deleted_rows, 100);
    CHECK(intent.removed_data_count == 2 && intent.added_delete_count == 0);
    intent.added_data_count = 0;
    REQUIRE_OK(vs_row_change_rebase(&change, m, &intent, &err), err);
    CHECK_TEXT(intent.operation, "delete");
    change.everything = false;
    change.ids = NULL;
    chosen.count = 0;
    CHECK_STATUS(vs_row_change_rebase(&change, m, &intent, &err), VS_NOT_FOUND);
    CHECK(change.nothing_left);
    vs_row_change_clear(&change, VS_NOT_FOUND);
    CHECK_INT(count_data(&f), 2);
    tear_down(&f);
}

struct new_ref {
    const char *name;
    bool is_branch;
    int64_t snapshot_id;
};

static enum vs_status set_ref(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    const struct new_ref *ref = ctx;
    const struct vs_ref_retention retention = {0};
    return vs_edit_set_ref(edit, vs_str_from_c(ref->name), ref->is_branch, ref->snapshot_id,
                           &retention, err);
}

static bool make_ref(struct fixture *f, const char *name, bool is_branch, int64_t snapshot_id)
{
    struct new_ref ref = {name, is_branch, snapshot_id};
    const struct vs_intent intent = {.edit = set_ref, .edit_ctx = &ref};
    struct vs_commit_result result = {0};
    struct vs_error err = {0};
    bool done = vs_catalog_commit(f->t.catalog, ID_TABLE, &intent, NULL, &result, &err) == VS_OK;
    vs_table_release(result.table);
    return done && id_table_reload(&f->t, &err) == VS_OK;
}

// The branch stands before file b: its rows are looked for there.
static void on_a_branch(void)
{
    static const int64_t ids[] = {3, 70};
    struct fixture f;
    struct vs_delete_result result;
    struct vs_error err = {0};
    struct vs_row_change change;
    struct vs_intent intent = {.operation = "append"};
    REQUIRE(set_up(&f, VS_KIND_LONG, ids, 2));
    int64_t old = f.t.table->metadata->snapshots[0].snapshot_id;
    REQUIRE(make_ref(&f, "dev", true, old) && make_ref(&f, "fixed", false, old));
    int64_t main_id = f.t.table->metadata->current_snapshot_id;
    vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_UPSERT);
    change.ids = f.set;
    change.branch = "dev";
    REQUIRE_OK(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), err);
    CHECK_INT(change.deleted_rows, 1); // 70 is not in the branch
    CHECK_TEXT(intent.branch, "dev");
    change.branch = "fixed";
    CHECK_STATUS(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), VS_INVALID);
    change.branch = "none";
    CHECK_STATUS(vs_row_change_rebase(&change, f.t.table->metadata, &intent, &err), VS_NOT_FOUND);
    CHECK(!change.nothing_left && strstr(err.message, "none") != NULL);
    vs_row_change_clear(&change, VS_NOT_FOUND);
    const struct vs_delete_job job = {.table = ID_TABLE, .ids = f.set, .branch = "dev"};
    REQUIRE_OK(vs_delete_job_run(f.t.catalog, &job, &result, &err), err);
    CHECK(result.deleted == 1 && result.not_found == 1);
    REQUIRE_OK(id_table_reload(&f.t, &err), err);
    const struct vs_table_metadata *m = f.t.table->metadata;
    CHECK_INT(m->current_snapshot_id, main_id);
    CHECK_INT(vs_table_ref(m, VS_STR("dev"))->snapshot_id, result.snapshot_id);
    CHECK_INT(vs_table_snapshot(m, result.snapshot_id)->parent_id, old);
    tear_down(&f);
}

static void whole_files_out_of_memory(void)
{
    for (int v3 = 0; v3 < 2; v3++) {
        struct fixture f;
        struct vs_delete_result result;
        struct vs_error err = {0};
        struct chosen first = {"a", 10, 5, 0}, rest = {"a", 0, 50, 0};
        REQUIRE(set_up(&f, VS_KIND_LONG, NULL, 0));
        REQUIRE(!v3 || to_version_3(&f));
        REQUIRE_OK(delete_chosen(&f, &first, &result, &err), err);
        rest.count = 10; // 0 to 9: a part, so that both ways are gone
        size_t before = count_data(&f);
        for (long n = 0;; n++) {
            struct vs_row_change change;
            struct vs_intent intent = {.operation = "delete"};
            vs_row_change_init(&change, &f.env.env, f.t.store, VS_ROW_CHANGE_DELETE);
            change.find = find_chosen;
            change.find_ctx = &rest;
            f.env.fail_at = f.env.calls + n;
            f.env.failed = false;
            enum vs_status status =
                vs_row_change_rebase(&change, f.t.table->metadata, &intent, NULL);
            bool failed = f.env.failed;
            f.env.fail_at = -1;
            CHECK(status == VS_OK || (failed && status == VS_NO_MEMORY));
            vs_row_change_clear(&change, VS_NO_MEMORY);
            CHECK_INT(count_data(&f), before);
            if (!failed) {
                CHECK(n > 20);
                break;
            }
        }
        tear_down(&f);
    }
}

TEST_MAIN(TEST(insert_refuses_known_ids),
          TEST(rebases),
          TEST(a_table_made_anew_is_refused),
          TEST(nothing_to_delete),
          TEST(out_of_memory),
          TEST(files_without_rows_leave),
          TEST(overwriting),
          TEST(on_a_branch),
          TEST(whole_files_out_of_memory))
