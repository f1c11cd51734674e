// SPDX-License-Identifier: Apache-2.0
// Commits on a real directory, read back by ourselves and by PyIceberg, DuckDB and fastavro
// (tests/conform/verify_iceberg.py).
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"

static struct vs_catalog *open_catalog(const struct vs_env *env, const char *dir)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    const struct vs_catalog_options options = {.warehouse = dir, .create_warehouse = true};
    CHECK_OK(vs_catalog_open(env, &options, &catalog, &err), err);
    return catalog;
}

static void check_python(const char *dir, const char *table, const char *expectation)
{
    const char *python = test_python();
    if (python == NULL) {
        printf("SKIP: verify_iceberg.py does not read table %s back, no Python (VECSTORE_PYTHON)\n",
               table);
        return;
    }
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, table);

    union {
        const char *in;
        char *out;
    } args[] = {{python}, {"tests/conform/verify_iceberg.py"}, {path}, {expectation}};

    char *argv[] = {args[0].out, args[1].out, args[2].out, args[3].out, NULL};
    CHECK_INT(test_run_program(argv), 0);
}

static void check_rows(struct vs_catalog *catalog,
                       const char *name,
                       size_t count,
                       int64_t first,
                       int64_t last,
                       uint64_t deleted)
{
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    REQUIRE_OK(vs_catalog_load(catalog, name, &table, &err), err);
    CHECK_OK(test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id, &rows,
                             &err),
             err);
    CHECK_INT(rows.count, count);
    CHECK_INT(rows.deleted, deleted);
    if (rows.count > 0) {
        CHECK_INT(rows.ids[0], first);
        CHECK_INT(rows.ids[rows.count - 1], last);
    }
    free(rows.ids);
    vs_table_release(table);
}

// Interop failures 1-9, 12, 14-16: every kind of commit, each state checked by the other readers.
static void every_kind_of_commit(void)
{
    char dir[256];
    struct test_env t;
    struct vs_error err = {0};
    struct vs_commit_result result = {0};
    test_dir_make(dir, sizeof dir);
    test_env_init(&t);
    struct vs_catalog *catalog = open_catalog(&t.env, dir);
    REQUIRE(catalog != NULL);
    REQUIRE_OK(test_table_create(catalog, "docs.passages", &err), err);
    check_python(dir, "docs/passages", "{\"ids\": [], \"snapshots\": 0}");
    REQUIRE_OK(test_table_append(catalog, "docs.passages", 1, 30, NULL, &result, &err), err);
    CHECK_INT(result.attempts, 1);
    vs_table_release(result.table);
    check_rows(catalog, "docs.passages", 30, 1, 30, 0);
    check_python(dir, "docs/passages", "{\"ids\": [[1, 31]], \"snapshots\": 1}");
    const struct vs_statistics statistics = {.path = VS_STR("file:///nowhere/x.puffin"),
                                             .file_size = 1000,
                                             .footer_size = 100,
                                             .blob_metadata_json = VS_STR("[]")};
    REQUIRE_OK(test_table_append(catalog, "docs.passages", 31, 20, &statistics, &result, &err),
               err);
    const struct vs_statistics *found =
        vs_table_statistics(result.table->metadata, result.snapshot_id);
    REQUIRE(found != NULL);
    CHECK_INT(found->file_size, 1000);
    vs_table_release(result.table);
    check_python(dir, "docs/passages", "{\"ids\": [[1, 51]], \"snapshots\": 2, \"statistics\": 1}");
    const int64_t ids[] = {2, 3, 50, 3};
    REQUIRE_OK(test_table_delete(catalog, "docs.passages", ids, 4, &result, &err), err);
    vs_table_release(result.table);
    check_rows(catalog, "docs.passages", 47, 1, 49, 3);
    check_python(
        dir, "docs/passages",
        "{\"ids\": [[1, 2], [4, 50]], \"snapshots\": 3, \"statistics\": 1, \"deletes\": 3}");
    const struct vs_pair properties[] = {{VS_STR("vecstore.index"), VS_STR("x")}};
    const char *const removed[] = {"vecstore.vector.embedding.dimension"};
    const struct vs_intent change = {.set_properties = properties,
                                     .set_property_count = 1,
                                     .removed_properties = removed,
                                     .removed_property_count = 1};
    REQUIRE_OK(vs_catalog_commit(catalog, "docs.passages", &change, NULL, &result, &err), err);
    CHECK(vs_str_equal_c(vs_table_property(result.table->metadata, "vecstore.index"), "x"));
    CHECK(vs_table_property(result.table->metadata, "vecstore.vector.embedding.dimension").ptr ==
          NULL);
    CHECK_INT(result.table->version, 5);
    vs_table_release(result.table);
    REQUIRE_OK(test_table_append(catalog, "docs.passages", 51, 1, NULL, &result, &err), err);
    vs_table_release(result.table);
    check_rows(catalog, "docs.passages", 48, 1, 51, 3);
    check_python(dir, "docs/passages",
                 "{\"ids\": [[1, 2], [4, 50], [51, 52]], \"snapshots\": 4, \"statistics\": 1, "
                 "\"deletes\": 3, "
                 "\"properties\": {\"vecstore.index\": \"x\"}}");
    vs_catalog_free(catalog);
    CHECK_INT(t.live, 0);
    test_dir_remove(dir);
}

TEST_MAIN(TEST(every_kind_of_commit))
