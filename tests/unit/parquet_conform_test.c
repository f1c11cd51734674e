// SPDX-License-Identifier: Apache-2.0
// Reads files that other implementations wrote (../shared/data/conform, outside of the repository)
// and compares with their answers.
#include "tests/support/check.h"
#include "tests/support/parquet_render.h"
#include "vecstore/base/json.h"

#include <ftw.h>
#include <stdlib.h>

#define CORPUS "../shared/data/conform/"

static struct vs_str corpus_text;
static struct vs_json_doc *corpus;

static bool load_corpus(void)
{
    struct vs_error err = {0};
    struct vs_json_limits limits = {.max_depth = 64, .max_values = 0};
    if (corpus != NULL) {
        return true;
    }
    corpus_text = read_whole_file(CORPUS "expected.json");
    if (corpus_text.ptr == NULL) {
        return false;
    }
    CHECK_OK(vs_json_parse(vs_env_default(), corpus_text, "expected.json", &limits, &corpus, &err),
             err);
    return corpus != NULL;
}

static uint64_t json_u64(const struct vs_json *object, const char *key)
{
    int64_t value = -1;
    vs_json_to_i64(vs_json_get(object, key), &value);
    return (uint64_t)value;
}

static uint64_t json_digest(const struct vs_json *object)
{
    struct vs_str text = {0};
    char digits[17] = "";
    if (vs_json_to_str(vs_json_get(object, "digest"), &text) && text.len == 16) {
        memcpy(digits, text.ptr, 16);
    }
    return strtoull(digits, NULL, 16);
}

// Microseconds per stored unit, from the leaf whose path is the column's name; 0: float16, which is
// given as float (corpus_format_test compares its bits).
static int64_t unit_of(const struct vs_json *file, struct vs_str name)
{
    struct vs_json_iter iter;
    const struct vs_json *leaf = NULL;
    vs_json_iter_init(&iter, vs_json_get(file, "leaves"));
    while (vs_json_iter_next(&iter, NULL, &leaf)) {
        struct vs_str path = {0}, logical = {0};
        vs_json_to_str(vs_json_get(leaf, "path"), &path);
        vs_json_to_str(vs_json_get(leaf, "logical"), &logical);
        if (vs_str_equal(path, name) && vs_str_starts_with(logical, VS_STR("TIMESTAMP(MILLIS"))) {
            return 1000;
        }
        if (vs_str_equal(path, name) && vs_str_equal(logical, VS_STR("FLOAT16"))) {
            return 0;
        }
    }
    return 1;
}

static size_t columns_read, columns_unsupported;

static void check_column(struct vs_parquet_reader *reader,
                         size_t column,
                         const struct vs_json *file,
                         const struct vs_json *expected,
                         const char *path)
{
    const struct vs_field *field = &vs_parquet_schema(reader)->fields[column];
    struct column_answer full = {0}, small = {0}, tail = {0};
    struct vs_error err = {0};
    enum vs_status status = read_column_answer(reader, column, 0, 5000, 1, &full, &err);
    if (field->kind == VS_KIND_OTHER) {
        CHECK_INT(status, VS_UNSUPPORTED);
        CHECK(strstr(err.message, "cannot be read") != NULL);
        columns_unsupported++;
        return;
    }
    int64_t unit = unit_of(file, field->name);
    int before = check_failures;
    CHECK_OK(status, err);
    if (unit > 0) {
        CHECK_OK(read_column_answer(reader, column, 0, 5000, unit, &full, &err), err);
        CHECK_INT(full.digest, json_digest(expected));
    }
    CHECK_INT(full.rows, json_u64(file, "rows"));
    CHECK_INT(full.nulls, json_u64(expected, "nulls"));
    // The same in small batches, and after seeks.
    CHECK_OK(read_column_answer(reader, column, 0, 7, unit > 0 ? unit : 1, &small, &err), err);
    CHECK_INT(small.digest, full.digest);
    for (uint64_t from = full.rows / 3; from < full.rows; from += full.rows / 3 + 1) {
        struct column_answer again = {0};
        CHECK_OK(read_column_answer(reader, column, from, 100, 1, &tail, &err), err);
        CHECK_OK(read_column_answer(reader, column, from, 3, 1, &again, &err), err);
        CHECK_INT(tail.rows, full.rows - from);
        CHECK_INT(tail.digest, again.digest);
    }
    columns_read++;
    if (check_failures != before) {
        fprintf(stderr, "    in %s, column %.*s\n", path, VS_STR_ARG(field->name));
    }
}

static void check_file(struct vs_str key, const struct vs_json *file)
{
    char path[512];
    struct vs_error err = {0};
    snprintf(path, sizeof path, CORPUS "%.*s", VS_STR_ARG(key));
    struct vs_str bytes = read_whole_file(path);
    REQUIRE(bytes.ptr != NULL);
    struct vs_file *opened = NULL;
    struct vs_parquet_reader *reader = NULL;
    REQUIRE_OK(vs_file_open_bytes(vs_env_default(), bytes, path, &opened, &err), err);
    CHECK_OK(vs_parquet_open(vs_env_default(), opened, &reader, &err), err);
    if (reader != NULL) {
        CHECK_INT(vs_parquet_row_count(reader), json_u64(file, "rows"));
        struct vs_json_iter iter;
        const struct vs_json *column = NULL;
        size_t index = 0;
        vs_json_iter_init(&iter, vs_json_get(file, "columns"));
        CHECK_INT(vs_json_count(vs_json_get(file, "columns")),
                  vs_parquet_schema(reader)->field_count);
        while (vs_json_iter_next(&iter, NULL, &column)) {
            check_column(reader, index++, file, column, path);
        }
    } else {
        fprintf(stderr, "    in %s\n", path);
    }
    vs_parquet_close(reader);
    vs_file_close(opened);
    free_whole_file(bytes);
}

static void case_parquet_of_others(void)
{
    if (!load_corpus()) {
        SKIP("no ../shared/data/conform beside the source tree");
    }
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *file = NULL;
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(corpus), "parquet"));
    while (vs_json_iter_next(&iter, &key, &file)) {
        check_file(key, file);
    }
    printf("     %zu columns read, %zu unsupported\n", columns_read, columns_unsupported);
    CHECK(columns_read >= 189);
}

// Everything that can be asked of a file: the worst of its errors, or OK.
static enum vs_status read_all(struct vs_str bytes, const char *name, struct vs_error *err)
{
    struct vs_file *opened = NULL;
    struct vs_parquet_reader *reader = NULL;
    enum vs_status status = vs_file_open_bytes(vs_env_default(), bytes, name, &opened, err);
    if (status == VS_OK) {
        status = vs_parquet_open(vs_env_default(), opened, &reader, err);
    }
    for (size_t i = 0;
         reader != NULL && i < vs_parquet_schema(reader)->field_count && status != VS_CORRUPT;
         i++) {
        struct column_answer answer;
        struct vs_error one = {0};
        if (read_column_answer(reader, i, 0, 1000, 1, &answer, &one) != VS_OK) {
            *err = one;
            status = one.code;
        }
    }
    vs_parquet_close(reader);
    vs_file_close(opened);
    return status;
}

static void case_bad_files(void)
{
    if (!load_corpus()) {
        SKIP("no ../shared/data/conform beside the source tree");
    }
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *file = NULL;
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(corpus), "bad"));
    while (vs_json_iter_next(&iter, &key, &file)) {
        char path[512];
        struct vs_error err = {0};
        struct vs_str expect = {0};
        if (!vs_str_ends_with(key, VS_STR(".parquet"))) {
            continue;
        }
        snprintf(path, sizeof path, CORPUS "%.*s", VS_STR_ARG(key));
        struct vs_str bytes = read_whole_file(path);
        REQUIRE(bytes.ptr != NULL);
        vs_json_to_str(vs_json_get(file, "expect"), &expect);
        enum vs_status status = read_all(bytes, path, &err);
        if (getenv("VECSTORE_TEST_VERBOSE") != NULL) {
            printf("     %.*s: %s %s\n", VS_STR_ARG(key), vs_status_name(status),
                   status == VS_OK ? "" : err.message);
        }
        bool may_pass = vs_str_equal(expect, VS_STR("error or the given rows"));
        if (status == VS_OK && !may_pass) {
            check_report(__FILE__, __LINE__, "a bad file must give an error");
            fprintf(stderr, "    %s\n", path);
        }
        free_whole_file(bytes);
    }
}

static size_t table_files;

// A data or delete file of a table: every readable column gives as many rows as the footer says.
static int check_table_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)walk;
    struct vs_error err = {0};
    if (type != FTW_F || !vs_str_ends_with(vs_str_from_c(path), VS_STR(".parquet"))) {
        return 0;
    }
    struct vs_str bytes = read_whole_file(path);
    struct vs_file *file = NULL;
    struct vs_parquet_reader *reader = NULL;
    int before = check_failures;
    CHECK(bytes.ptr != NULL);
    CHECK_OK(vs_file_open_bytes(vs_env_default(), bytes, path, &file, &err), err);
    CHECK_OK(vs_parquet_open(vs_env_default(), file, &reader, &err), err);
    for (size_t i = 0; reader != NULL && i < vs_parquet_schema(reader)->field_count; i++) {
        struct column_answer answer = {0};
        if (vs_parquet_schema(reader)->fields[i].kind != VS_KIND_OTHER) {
            CHECK_OK(read_column_answer(reader, i, 0, 1000, 1, &answer, &err), err);
            CHECK_INT(answer.rows, vs_parquet_row_count(reader));
        }
    }
    if (check_failures != before) {
        fprintf(stderr, "    in %s\n", path);
    }
    table_files++;
    vs_parquet_close(reader);
    vs_file_close(file);
    free_whole_file(bytes);
    return 0;
}

static void case_files_of_tables(void)
{
    if (!load_corpus()) {
        SKIP("no ../shared/data/conform beside the source tree");
    }
    CHECK_INT(nftw(CORPUS "iceberg", check_table_file, 16, FTW_PHYS), 0);
    printf("     %zu files\n", table_files);
    CHECK(table_files >= 50);
}

// Real embeddings, bit for bit the same as in the .npy file beside them.
static void case_docs_small(void)
{
    struct vs_str bytes = read_whole_file("../shared/data/docs_small.parquet");
    struct vs_str raw = read_whole_file("../shared/data/docs_small.npy");
    struct vs_error err = {0};
    if (bytes.ptr == NULL || raw.ptr == NULL) {
        SKIP("no ../shared/data beside the source tree");
    }
    struct vs_file *file = NULL;
    struct vs_parquet_reader *reader = NULL;
    struct vs_parquet_scan *scan = NULL;
    struct vs_batch batch = {0};
    REQUIRE_OK(vs_file_open_bytes(vs_env_default(), bytes, "docs_small.parquet", &file, &err), err);
    REQUIRE_OK(vs_parquet_open(vs_env_default(), file, &reader, &err), err);
    CHECK_INT(vs_parquet_row_count(reader), 1000);
    size_t column = vs_schema_find(vs_parquet_schema(reader), VS_STR("embedding"));
    REQUIRE(column != SIZE_MAX);
    REQUIRE_OK(vs_parquet_scan_open(reader, &column, 1, NULL, &scan, &err), err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), &vs_parquet_schema(reader)->fields[column],
                             1, &err),
               err);
    REQUIRE_OK(vs_parquet_scan_next(scan, 2000, &batch, &err), err);
    CHECK_INT(batch.row_count, 1000);
    size_t floats = (size_t)1000 * 384 * sizeof(float); // the .npy's data are its last bytes
    CHECK_INT(batch.columns[0].child->values.len, floats);
    CHECK(raw.len > floats &&
          memcmp(batch.columns[0].child->values.data, raw.ptr + raw.len - floats, floats) == 0);
    for (size_t row = 0; row < batch.row_count; row++) {
        size_t count = 0;
        vs_column_get_floats(&batch.columns[0], row, &count);
        CHECK_INT(count, 384);
    }
    vs_batch_clear(&batch);
    vs_parquet_scan_close(scan);
    vs_parquet_close(reader);
    vs_file_close(file);
    free_whole_file(bytes);
    free_whole_file(raw);
}

static void case_close(void)
{
    vs_json_free(corpus);
    free_whole_file(corpus_text);
}

TEST_MAIN(TEST(case_parquet_of_others),
          TEST(case_bad_files),
          TEST(case_files_of_tables),
          TEST(case_docs_small),
          TEST(case_close))
