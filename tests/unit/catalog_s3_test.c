// SPDX-License-Identifier: Apache-2.0
// The filesystem catalog on S3: how many requests its operations take, with what each of them sees.
#include "tests/support/iceberg_table.h"
#include "tests/support/store_s3_fixture.h"

struct fixture {
    struct s3_fixture s3;
    struct vs_catalog *catalog, *other; // of two processes, as it were
    struct vs_error err;
};

static void set_up(struct fixture *f)
{
    struct vs_store *store = NULL;
    memset(f, 0, sizeof *f);
    s3_begin(&f->s3);
    REQUIRE_OK(s3_open_with(&f->s3, "s3://bucket/w", NULL, &store, &f->err), f->err);
    REQUIRE_OK(vs_catalog_open_store(&f->s3.test.env, f->s3.store, &f->catalog, &f->err), f->err);
    REQUIRE_OK(vs_catalog_open_store(&f->s3.test.env, store, &f->other, &f->err), f->err);
    f->s3.store = NULL; // the catalog's
}

static void tear_down(struct fixture *f)
{
    vs_catalog_free(f->catalog);
    vs_catalog_free(f->other);
    s3_end(&f->s3);
}

static void append(struct fixture *f, struct vs_catalog *catalog, int64_t first)
{
    struct vs_commit_result result = {0};
    CHECK_OK(test_table_append(catalog, "n.t", first, 1, NULL, &result, &f->err), f->err);
    vs_table_release(result.table);
}

static void set_property(struct fixture *f, struct vs_str key, struct vs_str value)
{
    struct vs_commit_result result = {0};
    const struct vs_pair pair = {key, value};
    const struct vs_intent intent = {.set_properties = &pair, .set_property_count = 1};
    CHECK_OK(vs_catalog_commit(f->catalog, "n.t", &intent, NULL, &result, &f->err), f->err);
    vs_table_release(result.table);
}

// Loads and returns the requests that this took.
static size_t load(struct fixture *f, struct vs_catalog *catalog, int64_t version)
{
    struct vs_table *table = NULL;
    size_t before = mock_s3_count(f->s3.mock, "");
    CHECK_OK(vs_catalog_load(catalog, "n.t", &table, &f->err), f->err);
    CHECK_INT(table != NULL ? table->version : -1, version);
    vs_table_release(table);
    return mock_s3_count(f->s3.mock, "") - before;
}

// The hint, the version that it names, and three names that the next one may have.
static void loading(void)
{
    struct fixture f;
    set_up(&f);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    CHECK_INT(load(&f, f.catalog, 1), 5);
    append(&f, f.catalog, 0);
    append(&f, f.catalog, 1);
    CHECK_INT(load(&f, f.catalog, 3), 5);
    mock_s3_put(f.s3.mock, "w/n/t/metadata/version-hint.text", "1"); // versions on, and a repair
    CHECK(load(&f, f.catalog, 3) > 5);
    CHECK_INT(load(&f, f.catalog, 3), 5);
    mock_s3_put(f.s3.mock, "w/n/t/metadata/version-hint.text", "99");
    (void)load(&f, f.catalog, 3);
    CHECK_INT(load(&f, f.catalog, 3), 5);
    mock_s3_put(f.s3.mock, "w/n/t/metadata/version-hint.text", NULL);
    (void)load(&f, f.catalog, 3);
    CHECK_INT(load(&f, f.catalog, 3), 5);
    set_property(&f, VS_STR("write.metadata.compression-codec"), VS_STR("gzip"));
    append(&f, f.catalog, 2); // v5.gz.metadata.json
    (void)load(&f, f.other, 5);
    CHECK_INT(load(&f, f.other, 5), 5); // the spelling is remembered
    tear_down(&f);
}

// A commit builds on what was just loaded, unless somebody came between.
static void committing(void)
{
    struct fixture f;
    set_up(&f);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    append(&f, f.catalog, 0); // proves the store
    (void)load(&f, f.catalog, 2);
    size_t loads = mock_s3_count(f.s3.mock, "GET /bucket/w/n/t/metadata/v2.metadata.json");
    size_t before = mock_s3_count(f.s3.mock, "");
    append(&f, f.catalog, 1);
    // A load (5) and the data file by the test; then whether it is still the newest (3), the base's
    // manifest list, a manifest, a list, the version, the fence, and the hint twice.
    CHECK_INT(mock_s3_count(f.s3.mock, "") - before, 5 + 1 + 10);
    CHECK_INT(mock_s3_count(f.s3.mock, "GET /bucket/w/n/t/metadata/v2.metadata.json"), loads + 2);
    (void)load(&f, f.catalog, 3);
    append(&f, f.other, 2); // somebody comes between
    append(&f, f.catalog, 3);
    (void)load(&f, f.catalog, 5);
    (void)load(&f, f.other, 5);
    tear_down(&f);
}

// What was loaded is no base for a table of the same name that came after it.
static void dropped_between(void)
{
    struct fixture f;
    struct vs_commit_result result = {0};
    const struct vs_pair pair = {VS_STR("a"), VS_STR("b")};
    const struct vs_intent intent = {.set_properties = &pair, .set_property_count = 1};
    set_up(&f);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    (void)load(&f, f.catalog, 1);
    CHECK_OK(vs_catalog_drop(f.catalog, "n.t", &f.err), f.err);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err);
    set_property(&f, VS_STR("a"), VS_STR("b"));
    (void)load(&f, f.catalog, 2);
    CHECK_OK(vs_catalog_drop(f.other, "n.t", &f.err), f.err); // by another process
    CHECK_STATUS(vs_catalog_commit(f.catalog, "n.t", &intent, NULL, &result, &f.err), VS_NOT_FOUND);
    CHECK_INT(mock_s3_objects(f.s3.mock), 0);
    tear_down(&f);
}

TEST_MAIN(TEST(loading), TEST(committing), TEST(dropped_between))
