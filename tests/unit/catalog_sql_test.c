// SPDX-License-Identifier: Apache-2.0
// The SQL catalog: create, list, load, commit, drop, register; who moves the pointer first wins.
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"

#include <glob.h>
#include <sys/stat.h>

struct fixture {
    char dir[256];
    struct test_env t;
    struct vs_catalog *catalog;
    struct vs_error err;
};

static struct vs_catalog *open_sql(const struct vs_env *env, const char *dir, struct vs_error *err)
{
    struct vs_catalog *catalog = NULL;
    const struct vs_catalog_options options = {
        .kind = "sql", .warehouse = dir, .create_warehouse = true};
    CHECK_OK(vs_catalog_open(env, &options, &catalog, err), *err);
    return catalog;
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){0};
    test_dir_make(f->dir, sizeof f->dir);
    test_env_init(&f->t);
    f->catalog = open_sql(&f->t.env, f->dir, &f->err);
}

static void tear_down(struct fixture *f)
{
    vs_catalog_free(f->catalog);
    CHECK_INT(f->t.live, 0);
    test_dir_remove(f->dir);
}

static size_t count_files(const struct fixture *f, const char *pattern)
{
    char path[512];
    glob_t found;
    snprintf(path, sizeof path, "%s/%s", f->dir, pattern);
    size_t count = glob(path, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static void append(struct fixture *f, struct vs_catalog *catalog, int64_t first, size_t count)
{
    struct vs_commit_result result = {0};
    CHECK_OK(test_table_append(catalog, "n.t", first, count, NULL, &result, &f->err), f->err);
    vs_table_release(result.table);
}

static size_t rows_of(struct fixture *f, struct vs_catalog *catalog)
{
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    CHECK_OK(vs_catalog_load(catalog, "n.t", &table, &f->err), f->err);
    if (table == NULL) {
        return 0;
    }
    CHECK_OK(test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id, &rows,
                             &f->err),
             f->err);
    for (size_t i = 0; i < rows.count; i++) {
        CHECK_INT(rows.ids[i], (int64_t)i);
    }
    free(rows.ids);
    vs_table_release(table);
    return rows.count;
}

static enum vs_status collect(void *ctx, const char *name, struct vs_error *err)
{
    (void)err;
    char *all = ctx;
    size_t len = strlen(all);
    snprintf(all + len, 512 - len, "%s;", name);
    return VS_OK;
}

static void a_table_lives(void)
{
    struct fixture f;
    char all[512] = "";
    struct vs_table *table = NULL;
    bool current = false;
    set_up(&f);
    CHECK_STATUS(vs_catalog_load(f.catalog, "n.t", &table, &f.err), VS_NOT_FOUND);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    CHECK_STATUS(test_table_create(f.catalog, "n.t", &f.err), VS_EXISTS);
    CHECK_INT(count_files(&f, "n/t/metadata/00000-*.metadata.json"), 1); // the loser wrote none
    CHECK_OK(test_table_create(f.catalog, "plain", &f.err), f.err);
    CHECK_OK(test_table_create(f.catalog, "n.a-b", &f.err), f.err);
    CHECK_OK(vs_catalog_list(f.catalog, collect, all, &f.err), f.err);
    CHECK_TEXT(all, "default.plain;n.a-b;n.t;");
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &table, &f.err), f.err);
    CHECK_INT(table->version, -1);
    CHECK_TEXT(table->name, "n.t");
    CHECK_OK(vs_catalog_is_current(f.catalog, table, &current, &f.err), f.err);
    CHECK(current);
    append(&f, f.catalog, 0, 3);
    append(&f, f.catalog, 3, 4);
    CHECK_OK(vs_catalog_is_current(f.catalog, table, &current, &f.err), f.err);
    CHECK(!current);
    vs_table_release(table);
    CHECK_INT(rows_of(&f, f.catalog), 7);
    CHECK_INT(count_files(&f, "n/t/metadata/00001-*.metadata.json"), 1);
    CHECK_INT(count_files(&f, "n/t/metadata/00002-*.metadata.json"), 1);
    // another process opens the same file
    struct vs_catalog *other = open_sql(&f.t.env, f.dir, &f.err);
    CHECK_INT(rows_of(&f, other), 7);
    append(&f, other, 7, 1);
    CHECK_INT(rows_of(&f, f.catalog), 8);
    vs_catalog_free(other);
    CHECK_OK(vs_catalog_drop(f.catalog, "n.t", &f.err), f.err);
    CHECK_STATUS(vs_catalog_drop(f.catalog, "n.t", &f.err), VS_NOT_FOUND);
    CHECK_INT(count_files(&f, "n/t/*/*"), 0);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err); // the name is free again
    CHECK_INT(rows_of(&f, f.catalog), 0);
    tear_down(&f);
}

// ---- others come between load and publish ----

struct meddler {
    struct fixture *f;
    int calls;
    void (*act)(struct fixture *f);
};

static enum vs_status meddle(void *ctx,
                             const struct vs_table_metadata *base,
                             struct vs_intent *intent,
                             struct vs_error *err)
{
    struct meddler *m = ctx;
    (void)base;
    (void)intent;
    (void)err;
    if (m->calls++ == 0) {
        m->act(m->f);
    }
    return VS_OK;
}

static enum vs_status commit_meddled(struct fixture *f,
                                     void (*act)(struct fixture *f),
                                     struct vs_commit_result *result)
{
    struct meddler m = {f, 0, act};
    const struct vs_pair pair = {VS_STR("a"), VS_STR("b")};
    const struct vs_intent intent = {
        .set_properties = &pair, .set_property_count = 1, .rebase = meddle, .rebase_ctx = &m};
    return vs_catalog_commit(f->catalog, "n.t", &intent, NULL, result, &f->err);
}

static void append_one(struct fixture *f)
{
    struct vs_catalog *other = open_sql(&f->t.env, f->dir, &f->err);
    append(f, other, 0, 1);
    vs_catalog_free(other);
}

static void drop_it(struct fixture *f)
{
    CHECK_OK(vs_catalog_drop(f->catalog, "n.t", &f->err), f->err);
}

static void replace_it(struct fixture *f)
{
    drop_it(f);
    CHECK_OK(test_table_create(f->catalog, "n.t", &f->err), f->err);
}

static void losers_leave_nothing(void)
{
    struct fixture f;
    struct vs_commit_result result = {0};
    set_up(&f);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    REQUIRE_OK(commit_meddled(&f, append_one, &result), f.err);
    CHECK_INT(result.attempts, 2);
    CHECK(vs_str_equal_c(vs_table_property(result.table->metadata, "a"), "b"));
    CHECK_INT(result.table->metadata->snapshot_count, 1);
    CHECK_INT(result.table->metadata->metadata_log_count, 2);
    vs_table_release(result.table);
    CHECK_INT(count_files(&f, "n/t/metadata/*.metadata.json"), 3);
    CHECK_INT(rows_of(&f, f.catalog), 1);
    // dropped in mid-commit: nothing comes back
    CHECK_STATUS(commit_meddled(&f, drop_it, &result), VS_NOT_FOUND);
    CHECK_INT(count_files(&f, "n/t/metadata/*"), 0);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    CHECK_STATUS(commit_meddled(&f, replace_it, &result), VS_NOT_FOUND);
    CHECK(strstr(f.err.message, "made anew") != NULL);
    CHECK_INT(count_files(&f, "n/t/metadata/*.metadata.json"), 1);
    tear_down(&f);
}

static void adopting_tables(void)
{
    struct fixture f;
    struct vs_table *table = NULL, *again = NULL;
    char other_dir[256];
    set_up(&f);
    test_dir_make(other_dir, sizeof other_dir);
    struct vs_catalog *files = NULL;
    const struct vs_catalog_options options = {.warehouse = other_dir, .create_warehouse = true};
    REQUIRE_OK(vs_catalog_open(&f.t.env, &options, &files, &f.err), f.err);
    CHECK_OK(test_table_create(files, "x.y", &f.err), f.err);
    REQUIRE_OK(vs_catalog_load(files, "x.y", &table, &f.err), f.err);
    // adopted outside of the warehouse, then written on by this catalog
    REQUIRE_OK(vs_catalog_register(f.catalog, "n.t", table->metadata_uri, &again, &f.err), f.err);
    vs_table_release(again);
    CHECK_STATUS(vs_catalog_register(f.catalog, "n.t", table->metadata_uri, &again, &f.err),
                 VS_EXISTS);
    append(&f, f.catalog, 0, 2);
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &again, &f.err), f.err);
    CHECK(strstr(again->metadata_uri, "/x/y/metadata/00002-") != NULL); // one more than v1
    CHECK(strstr(again->store->root_uri, other_dir) != NULL);
    struct vs_table *by_file = NULL;
    REQUIRE_OK(vs_table_open_file(f.catalog, again->metadata_uri, &by_file, &f.err), f.err);
    CHECK_INT(by_file->metadata->snapshot_count, 1);
    vs_table_release(by_file);
    CHECK_STATUS(
        vs_table_open_file(f.catalog, "/nowhere/metadata/v1.metadata.json", &by_file, &f.err),
        VS_NOT_FOUND);
    vs_table_release(again);
    CHECK_STATUS(
        vs_catalog_register(f.catalog, "n.u", "/nowhere/metadata/v1.metadata.json", &again, &f.err),
        VS_NOT_FOUND);
    // the filesystem catalog checks the place only
    REQUIRE_OK(vs_catalog_register(files, "x.y", table->metadata_uri, &again, &f.err), f.err);
    vs_table_release(again);
    CHECK_STATUS(vs_catalog_register(files, "x.z", table->metadata_uri, &again, &f.err),
                 VS_INVALID);
    CHECK(strstr(f.err.message, "by its place") != NULL);
    vs_table_release(table);
    vs_catalog_free(files);
    test_dir_remove(other_dir);
    tear_down(&f);
}

static void paths_stay_inside(void)
{
    struct fixture f;
    struct vs_commit_result result = {0};
    set_up(&f);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    char inside[400];
    snprintf(inside, sizeof inside, "file://%s/n/t/other", f.dir);
    const struct vs_pair in = {VS_STR("write.metadata.path"), vs_str_from_c(inside)};
    const struct vs_intent move = {.set_properties = &in, .set_property_count = 1};
    REQUIRE_OK(vs_catalog_commit(f.catalog, "n.t", &move, NULL, &result, &f.err), f.err);
    vs_table_release(result.table);
    append(&f, f.catalog, 0, 2);
    CHECK_INT(count_files(&f, "n/t/other/00002-*.metadata.json"), 1);
    CHECK_INT(rows_of(&f, f.catalog), 2);
    const struct vs_pair out = {VS_STR("write.metadata.path"), VS_STR("file:///elsewhere")};
    const struct vs_intent leave = {.set_properties = &out, .set_property_count = 1};
    // the change itself would be written there
    CHECK(vs_catalog_commit(f.catalog, "n.t", &leave, NULL, &result, &f.err) != VS_OK);
    CHECK_INT(rows_of(&f, f.catalog), 2);
    tear_down(&f);
}

// A row whose file is gone is no missing table.
static void missing_metadata(void)
{
    struct fixture f;
    struct vs_table *table = NULL;
    set_up(&f);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &table, &f.err), f.err);
    CHECK_INT(remove(table->metadata_uri + strlen("file://")), 0);
    vs_table_release(table);
    CHECK_STATUS(vs_catalog_load(f.catalog, "n.t", &table, &f.err), VS_CORRUPT);
    CHECK(strstr(f.err.message, "no such file") != NULL);
    CHECK_OK(vs_catalog_drop(f.catalog, "n.t", &f.err), f.err);
    CHECK_STATUS(vs_catalog_load(f.catalog, "n.t", &table, &f.err), VS_NOT_FOUND);
    tear_down(&f);
}

static void bad_files(void)
{
    struct fixture f;
    struct vs_catalog *catalog = NULL;
    char path[300];
    set_up(&f);
    snprintf(path, sizeof path, "%s/no.db", f.dir);
    struct vs_catalog_options options = {.kind = "sql", .warehouse = f.dir, .uri = path};
    CHECK_STATUS(vs_catalog_open(&f.t.env, &options, &catalog, &f.err), VS_NOT_FOUND);
    CHECK(test_file_write(path, "this is not a database, but longer than a header", 48));
    CHECK_STATUS(vs_catalog_open(&f.t.env, &options, &catalog, &f.err), VS_CORRUPT);
    CHECK(test_file_write(path, "", 0)); // an empty file is an empty database
    CHECK_STATUS(vs_catalog_open(&f.t.env, &options, &catalog, &f.err), VS_NOT_FOUND);
    options.uri = "postgresql://localhost/x";
    CHECK_STATUS(vs_catalog_open(&f.t.env, &options, &catalog, &f.err), VS_UNSUPPORTED);
    options.uri = NULL;
    options.warehouse = NULL;
    CHECK_STATUS(vs_catalog_open(&f.t.env, &options, &catalog, &f.err), VS_INVALID);
    // other names in the same file are other catalogs
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    const struct vs_catalog_options named = {.kind = "sql", .warehouse = f.dir, .name = "other"};
    struct vs_table *table = NULL;
    REQUIRE_OK(vs_catalog_open(&f.t.env, &named, &catalog, &f.err), f.err);
    CHECK_STATUS(vs_catalog_load(catalog, "n.t", &table, &f.err), VS_NOT_FOUND);
    vs_catalog_free(catalog);
    const struct vs_catalog_options odd = {.kind = "hive", .warehouse = f.dir};
    CHECK_STATUS(vs_catalog_open(&f.t.env, &odd, &catalog, &f.err), VS_UNSUPPORTED);
    tear_down(&f);
}

static enum vs_status count_name(void *ctx, const char *name, struct vs_error *err)
{
    size_t *count = ctx;
    (void)err;
    *count += strcmp(name, "a.b.deep") == 0 || strcmp(name, "n.t") == 0;
    return VS_OK;
}

// Namespaces of several levels are listed too; a table that another catalog of the same database
// names keeps its files.
static void names_and_neighbours(void)
{
    struct fixture f;
    struct vs_catalog *other = NULL;
    struct vs_table *table = NULL, *seen = NULL;
    size_t count = 0;
    set_up(&f);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    CHECK_OK(test_table_create(f.catalog, "a.b.deep", &f.err), f.err);
    CHECK_OK(vs_catalog_list(f.catalog, count_name, &count, &f.err), f.err);
    CHECK_INT(count, 2);
    append(&f, f.catalog, 0, 3);
    const struct vs_catalog_options options = {
        .kind = "sql", .warehouse = f.dir, .name = "second", .create_warehouse = true};
    REQUIRE_OK(vs_catalog_open(&f.t.env, &options, &other, &f.err), f.err);
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &table, &f.err), f.err);
    REQUIRE_OK(vs_catalog_register(other, "n.t", table->metadata_uri, &seen, &f.err), f.err);
    vs_table_release(seen);
    vs_table_release(table);
    CHECK_OK(vs_catalog_drop(f.catalog, "n.t", &f.err), f.err);
    CHECK_INT(rows_of(&f, other), 3);
    CHECK_OK(vs_catalog_drop(other, "n.t", &f.err), f.err);
    CHECK_INT(count_files(&f, "n/t/metadata/*"), 0);
    vs_catalog_free(other);
    tear_down(&f);
}

TEST_MAIN(TEST(a_table_lives),
          TEST(names_and_neighbours),
          TEST(losers_leave_nothing),
          TEST(adopting_tables),
          TEST(paths_stay_inside),
          TEST(missing_metadata),
          TEST(bad_files))
