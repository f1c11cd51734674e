// SPDX-License-Identifier: Apache-2.0
// Inspection and export with the n-th allocation failing: NO_MEMORY, nothing leaked, no file left
// behind, and the report as it was.
#include "tests/support/api_db.h"
#include "tests/support/check.h"
#include "vecstore/iceberg/record_scan.h"
#include "vecstore/iceberg/type_json.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TABLE "t.rows"
#define NESTED VS_SOURCE_DIR "/tests/golden/record"

static char folder[256];
static char warehouse[300], metadata_file[400], data_file[700], target[400];

typedef enum vs_status (*job_fn)(const struct vs_env *env,
                                 struct vs_buf *report,
                                 struct vs_error *err);

// ---- a table on disk ----

static void find_data(void)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/t/rows/data", warehouse);
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strstr(entry->d_name, ".parquet") != NULL) {
            (void)snprintf(data_file, sizeof data_file, "%s/%s", path, entry->d_name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

static void make_table(void)
{
    char rows[8192];
    struct vs_db *db = NULL;
    struct vs_error err = {0};
    struct vs_buf report;
    struct vs_db_options options = {.size = sizeof options, .warehouse = warehouse, .create = true};
    struct vs_str ids[1] = {VS_STR("5")};
    struct vs_delete_options del = {.size = sizeof del, .table = TABLE, .ids = ids, .id_count = 1};
    test_dir_make(folder, sizeof folder);
    (void)snprintf(warehouse, sizeof warehouse, "%s/w", folder);
    vs_buf_init(&report, vs_env_default(), SIZE_MAX);
    CHECK_OK(vs_db_open(vs_env_default(), &options, &db, &err), err);
    CHECK_OK(test_create(db, TABLE, &err), err);
    CHECK_OK(test_insert(db, TABLE, (struct vs_str){rows, test_rows(rows, sizeof rows, 0, 10)},
                         false, &report, &err),
             err);
    CHECK_OK(vs_db_delete(db, &del, &report, &err), err);
    vs_db_close(db);
    vs_buf_clear(&report);
    (void)snprintf(metadata_file, sizeof metadata_file, "%s/t/rows/metadata/v3.metadata.json",
                   warehouse);
    find_data();
}

static size_t count_files(void)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return count;
}

// ---- the loop ----

static void torture(const char *name, job_fn job)
{
    size_t files = count_files();
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_buf report;
        struct vs_error err = {0};
        test_env_init(&t);
        vs_buf_init(&report, vs_env_default(), SIZE_MAX);
        CHECK_OK(vs_buf_append_c(&report, "before", &err), err);
        t.fail_at = n;
        enum vs_status status = job(&t.env, &report, &err);
        // Past the last allocation, or one whose failure is no error (a cache that stays empty).
        bool is_fine = status == VS_OK || (t.failed && status == VS_NO_MEMORY);
        if (!is_fine || t.live != 0) {
            fprintf(stderr, "    %s, allocation %ld: %s (%s), %ld live\n", name, n,
                    vs_status_name(status), err.message, (long)t.live);
            check_report(__FILE__, __LINE__, "failed badly");
        }
        if (status != VS_OK) {
            CHECK(vs_str_equal_c(vs_buf_view(&report), "before"));
            CHECK_INT(count_files(), files);
        }
        vs_buf_clear(&report);
        (void)remove(target);
        if (!t.failed) {
            CHECK_OK(status, err);
            CHECK(n > 20);
            break;
        }
    }
}

static enum vs_status inspect(const struct vs_env *env,
                              const char *uri,
                              struct vs_buf *report,
                              struct vs_error *err)
{
    const struct vs_inspect_options options = {
        .size = sizeof options, .uri = uri, .digest = true, .rows = true};
    return vs_inspect(env, &options, report, err);
}

static enum vs_status inspect_table(const struct vs_env *env,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    return inspect(env, metadata_file, report, err);
}

static enum vs_status inspect_data(const struct vs_env *env,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    return inspect(env, data_file, report, err);
}

static enum vs_status export_to(const struct vs_env *env,
                                const char *name,
                                struct vs_buf *report,
                                struct vs_error *err)
{
    struct vs_db *db = NULL;
    struct vs_db_options open = {.size = sizeof open, .warehouse = warehouse, .thread_count = 1};
    const struct vs_export_options options = {.size = sizeof options,
                                              .table = TABLE,
                                              .filter = "id >= 2 AND tag LIKE 'e%'",
                                              .path = target};
    (void)snprintf(target, sizeof target, "%s/%s", folder, name);
    VS_TRY(vs_db_open(env, &open, &db, err));
    enum vs_status status = vs_db_export(db, &options, report, err);
    vs_db_close(db);
    return status;
}

static enum vs_status export_jsonl(const struct vs_env *env,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    return export_to(env, "out.jsonl", report, err);
}

static enum vs_status export_parquet(const struct vs_env *env,
                                     struct vs_buf *report,
                                     struct vs_error *err)
{
    return export_to(env, "out.parquet", report, err);
}

static enum vs_status export_npy(const struct vs_env *env,
                                 struct vs_buf *report,
                                 struct vs_error *err)
{
    return export_to(env, "out.npy", report, err);
}

// ---- nested rows: columns that are not in the file, with defaults at every level ----

static const char nested_schema[] =
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":901,\"name\":\"a\",\"required\":true,\"type\":\"int\",\"initial-default\":5},"
    "{\"id\":902,\"name\":\"s\",\"required\":false,\"initial-default\":{},\"type\":{\"type\":"
    "\"struct\",\"fields\":[{\"id\":903,\"name\":\"t\",\"required\":true,\"type\":\"string\","
    "\"initial-default\":\"x\"},{\"id\":904,\"name\":\"u\",\"required\":false,\"type\":\"uuid\"}]}}"
    ","
    "{\"id\":905,\"name\":\"l\",\"required\":false,\"initial-default\":[[1.5],null],\"type\":{"
    "\"type\":\"list\",\"element-id\":906,\"element-required\":false,\"element\":{\"type\":"
    "\"list\","
    "\"element-id\":907,\"element\":\"double\",\"element-required\":true}}},"
    "{\"id\":908,\"name\":\"m\",\"required\":false,\"initial-default\":{\"keys\":[\"k\"],"
    "\"values\":[\"2020-01-02\"]},\"type\":{\"type\":\"map\",\"key-id\":909,\"key\":\"string\","
    "\"value-id\":910,\"value\":\"date\",\"value-required\":false}}]}";

struct nested {
    struct vs_arena arena;
    struct vs_store *store;
    struct vs_record_scan *scan;
};

static enum vs_status read_nested(struct nested *nested,
                                  const struct vs_env *env,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    struct vs_table_metadata m = {0};
    struct vs_data_file data = {
        .format = VS_STR("PARQUET"), .spec_id = 0, .path = VS_STR("/g/nested_v1.parquet")};
    struct vs_type type;
    const struct vs_datum *rows = NULL;
    size_t count = 0;
    uint64_t first = 0;
    m.location = VS_STR("/g");
    m.moved_from = m.location;
    VS_TRY(vs_store_open(env, NESTED, false, &nested->store, err));
    m.moved_to = vs_str_from_c(nested->store->root_uri);
    data.record_count = 40;
    VS_TRY(vs_iceberg_type_parse(env, vs_str_from_c(nested_schema), "schema", &nested->arena, &type,
                                 err));
    VS_TRY(vs_record_scan_open(env, nested->store, &m, &data, &type, &nested->scan, err));
    VS_TRY(vs_record_scan_next(nested->scan, 3, &rows, &count, &first, err));
    CHECK_INT(count, 3);
    CHECK_INT(rows[2].as.items[0].as.scalar.as.integer, 5);
    CHECK(vs_str_equal_c(rows[2].as.items[1].as.items[0].as.scalar.as.text, "x"));
    CHECK_INT(rows[2].as.items[1].as.items[1].shape, VS_DATUM_NULL);
    CHECK(rows[2].as.items[2].as.items[0].as.items[0].as.scalar.as.real == 1.5);
    CHECK_INT(rows[2].as.items[3].as.items[1].as.scalar.as.integer, 18263);
    VS_TRY(vs_record_scan_seek(nested->scan, 39, err));
    VS_TRY(vs_record_scan_next(nested->scan, 3, &rows, &count, &first, err));
    CHECK_INT(count, 1);
    CHECK_INT(first, 39);
    vs_buf_reset(report);
    return VS_OK;
}

static enum vs_status scan_nested(const struct vs_env *env,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    struct nested nested = {0};
    vs_arena_init(&nested.arena, env, 0);
    enum vs_status status = read_nested(&nested, env, report, err);
    vs_record_scan_close(nested.scan);
    vs_store_free(nested.store);
    vs_arena_clear(&nested.arena);
    return status;
}

// Schemas that are refused, each for its reason.
static void bad_types(void)
{
    static const char *const bad[][2] = {
        {"{\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\"},{\"id\":2,"
         "\"name\":\"l\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":1,"
         "\"element\":\"int\",\"element-required\":true}}]}",
         "used twice"},
        {"{\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":{\"type\":\"tuple\"}}]}",
         "tuple"},
        {"{\"fields\":[{\"id\":-4,\"name\":\"a\",\"required\":true,\"type\":\"int\"}]}",
         "field id"},
        {"{\"fields\":[{\"id\":4,\"name\":\"a\",\"type\":\"int\"}]}", "required"},
        {"{\"fields\":7}", "fields"},
        {"[", "JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct vs_arena arena;
        struct vs_type type;
        struct vs_error err = {0};
        vs_arena_init(&arena, vs_env_default(), 0);
        CHECK(vs_iceberg_type_parse(vs_env_default(), vs_str_from_c(bad[i][0]), "schema", &arena,
                                    &type, &err) != VS_OK);
        if (strstr(err.message, bad[i][1]) == NULL) {
            check_report(__FILE__, __LINE__, err.message);
        }
        vs_arena_clear(&arena);
    }
}

static void tables(void)
{
    torture("inspect metadata", inspect_table);
    torture("inspect data", inspect_data);
}

static void exports(void)
{
    torture("export jsonl", export_jsonl);
    torture("export parquet", export_parquet);
    torture("export npy", export_npy);
}

static void nested_rows(void)
{
    torture("nested rows", scan_nested);
}

static void begin(void)
{
    make_table();
}

static void end(void)
{
    test_dir_remove(folder);
}

TEST_MAIN(TEST(begin), TEST(tables), TEST(exports), TEST(nested_rows), TEST(bad_types), TEST(end))
