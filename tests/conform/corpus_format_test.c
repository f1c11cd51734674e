// SPDX-License-Identifier: Apache-2.0
// Inspects every file of the conformance corpus (outside of the repository: $VECSTORE_SHARED, or
// ../shared beside the source tree) and compares with the answers in its expected.json, which other
// implementations gave.
#include "tests/support/check.h"
#include "tests/support/parquet_render.h"
#include "vecstore/base/json.h"
#include "vecstore/format/inspect.h"

#include <stdlib.h>

#define MEMORY_LIMIT ((size_t)1 << 30)
#define HEADER 16 // before each block: its size

// An environment that meters memory and refuses more than the limit.
struct meter {
    struct vs_env env;
    size_t live, peak;
};

static void *meter_resize(void *ctx, void *ptr, size_t size)
{
    struct meter *meter = (struct meter *)ctx;
    char *block = ptr == NULL ? NULL : (char *)ptr - HEADER;
    size_t before = 0;
    if (block != NULL) {
        memcpy(&before, block, sizeof before);
    }
    if (size == 0) {
        meter->live -= before;
        free(block);
        return NULL;
    }
    if (size > MEMORY_LIMIT || meter->live - before + size > MEMORY_LIMIT) {
        return NULL;
    }
    char *made = (char *)realloc(block, size + HEADER);
    if (made == NULL) {
        return NULL;
    }
    memcpy(made, &size, sizeof size);
    meter->live += size - before;
    meter->peak = meter->live > meter->peak ? meter->live : meter->peak;
    return made + HEADER;
}

static char root[4096];
static struct vs_str corpus_text;
static struct vs_json_doc *corpus;

static bool load_corpus(void)
{
    struct vs_error err = {0};
    struct vs_json_limits limits = {.max_depth = 64, .max_values = 0};
    const char *shared = getenv("VECSTORE_SHARED");
    char path[4200];
    if (corpus != NULL) {
        return true;
    }
    snprintf(root, sizeof root, "%s/data/conform/", shared != NULL ? shared : "../shared");
    snprintf(path, sizeof path, "%sexpected.json", root);
    corpus_text = read_whole_file(path);
    if (corpus_text.ptr == NULL) {
        return false;
    }
    CHECK_OK(vs_json_parse(vs_env_default(), corpus_text, "expected.json", &limits, &corpus, &err),
             err);
    return corpus != NULL;
}

// What the corpus says about other readers, or in words.
static bool is_remark(struct vs_str key)
{
    static const char *const remarks[] = {"features",    "pyarrow",
                                          "duckdb",      "duckdb_columns",
                                          "duckdb_rows", "note",
                                          "expect",      "reason",
                                          "csv",         "pyarrow_without_crc_check",
                                          "override",    "shape_error",
                                          "source",      "metadata_only",
                                          "must_fail"};
    for (size_t i = 0; i < sizeof remarks / sizeof remarks[0]; i++) {
        if (vs_str_equal_c(key, remarks[i])) {
            return true;
        }
    }
    return false;
}

static bool same_scalar(const struct vs_json *expected, const struct vs_json *actual)
{
    struct vs_str a = {0}, b = {0};
    int64_t x = 0, y = 0;
    bool p = false, q = false;
    if (vs_json_to_str(expected, &a)) {
        return vs_json_to_str(actual, &b) && vs_str_equal(a, b);
    }
    if (vs_json_to_bool(expected, &p)) {
        return vs_json_to_bool(actual, &q) && p == q;
    }
    if (vs_json_is(expected, VS_JSON_NULL)) {
        return vs_json_is(actual, VS_JSON_NULL);
    }
    return vs_json_to_i64(expected, &x) && vs_json_to_i64(actual, &y) && x == y;
}

// Everything that is expected has to be there; more may be. False was reported.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the parser lets a document be
static bool same(const struct vs_json *expected, const struct vs_json *actual, const char *at)
{
    char path[512];
    struct vs_json_iter iter, other;
    struct vs_str key;
    const struct vs_json *value = NULL, *mine = NULL;
    bool good = true;
    vs_json_iter_init(&iter, expected);
    if (vs_json_is(expected, VS_JSON_OBJECT)) {
        while (vs_json_iter_next(&iter, &key, &value)) {
            char name[128];
            if (!is_remark(key)) {
                snprintf(name, sizeof name, "%.*s", (int)key.len, key.ptr);
                snprintf(path, sizeof path, "%s.%s", at, name);
                good &= same(value, vs_json_get(actual, name), path);
            }
        }
        return good;
    }
    if (vs_json_is(expected, VS_JSON_ARRAY)) {
        size_t index = 0;
        good =
            vs_json_is(actual, VS_JSON_ARRAY) && vs_json_count(actual) == vs_json_count(expected);
        if (!good) {
            fprintf(stderr, "    %s: another number of elements\n", at);
            return false;
        }
        vs_json_iter_init(&other, actual);
        while (vs_json_iter_next(&iter, NULL, &value) && vs_json_iter_next(&other, NULL, &mine)) {
            snprintf(path, sizeof path, "%s[%zu]", at, index++);
            good &= same(value, mine, path);
        }
        return good;
    }
    good = actual != NULL && same_scalar(expected, actual);
    if (!good) {
        fprintf(stderr, "    %s differs\n", at);
    }
    return good;
}

// The report of one file. The memory that it may take is limited.
static enum vs_status inspect(struct meter *t,
                              const char *key,
                              struct vs_buf *report,
                              struct vs_error *err)
{
    char path[8192];
    struct vs_file *file = NULL;
    struct vs_json_writer w;
    struct vs_inspect_request options = {.digest = true};
    snprintf(path, sizeof path, "%s%s", root, key);
    struct vs_str bytes = read_whole_file(path);
    if (bytes.ptr == NULL) {
        return vs_fail(err, VS_NOT_FOUND, "%s cannot be read", path);
    }
    enum vs_status status = vs_file_open_bytes(&t->env, bytes, key, &file, err);
    vs_json_writer_init(&w, report, false);
    if (status == VS_OK) {
        status = vs_inspect_file(&t->env, file, &options, &w, err);
    }
    if (status == VS_OK) {
        status = vs_json_writer_finish(&w, err);
    }
    vs_file_close(file);
    free_whole_file(bytes);
    return status;
}

static size_t files, answered, refused;

static void check_refusal(const char *key, enum vs_status status, const struct vs_error *err)
{
    if (status == VS_OK || strlen(err->message) < 20 || status == VS_INTERNAL ||
        status == VS_NO_MEMORY) {
        check_report(__FILE__, __LINE__, "a bad file must be refused with a reason");
        fprintf(stderr, "    %s: %s %s\n", key, vs_status_name(status), err->message);
    }
    refused++;
}

static void check_report_of(struct meter *t,
                            const char *key,
                            const struct vs_json *expected,
                            const struct vs_buf *report)
{
    struct vs_error err = {0};
    struct vs_json_doc *doc = NULL;
    struct vs_json_limits limits = {.max_depth = 64, .max_values = 0};
    CHECK_OK(vs_json_parse(&t->env, vs_buf_view(report), key, &limits, &doc, &err), err);
    if (doc != NULL && !same(expected, vs_json_root(doc), key)) {
        check_report(__FILE__, __LINE__, "the answer differs");
        fprintf(stderr, "    %s\n", key);
    }
    vs_json_free(doc);
    answered++;
}

static void check_file(struct vs_str name, const struct vs_json *expected)
{
    char key[4096];
    struct meter t = {.env = *vs_env_default()};
    struct vs_buf report;
    struct vs_error err = {0};
    struct vs_str expect = {"", 0};
    bool must_fail = false;
    snprintf(key, sizeof key, "%.*s", (int)name.len, name.ptr);
    if (vs_str_ends_with(name, VS_STR(".json"))) {
        return; // table metadata: another test's
    }
    t.env.resize = meter_resize;
    t.env.ctx = &t;
    vs_buf_init(&report, &t.env, SIZE_MAX / 2);
    vs_json_to_str(vs_json_get(expected, "expect"), &expect);
    vs_json_to_bool(vs_json_get(expected, "must_fail"), &must_fail);
    must_fail |= vs_str_starts_with(expect, VS_STR("error")) &&
                 !vs_str_equal_c(expect, "error or the given rows");
    enum vs_status status = inspect(&t, key, &report, &err);
    if (getenv("VECSTORE_TEST_VERBOSE") != NULL) {
        printf("     %s: %s %s, %zu KiB\n", key, vs_status_name(status),
               status == VS_OK ? "" : err.message, t.peak >> 10);
    }
    // 2 GiB from 4 KiB: the right answer and a refusal by a limit are both right.
    bool is_bomb = vs_str_ends_with(name, VS_STR("large_string_map.brotli.parquet"));
    if (must_fail || (is_bomb && status == VS_LIMIT)) {
        check_refusal(key, status, &err);
    } else {
        CHECK_OK(status, err);
        if (status == VS_OK) {
            check_report_of(&t, key, expected, &report);
        }
    }
    vs_buf_clear(&report);
    CHECK_INT(t.live, 0);
    files++;
}

static void check_group(const char *group, size_t least)
{
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *file = NULL;
    files = answered = refused = 0;
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(corpus), group));
    while (vs_json_iter_next(&iter, &key, &file)) {
        check_file(key, file);
    }
    printf("     %s: %zu files, %zu answers, %zu refused\n", group, files, answered, refused);
    CHECK(files >= least);
}

static void case_parquet(void)
{
    if (!load_corpus()) {
        SKIP("no data/conform in $VECSTORE_SHARED or ../shared");
    }
    check_group("parquet", 49);
}

static void case_bad(void)
{
    if (!load_corpus()) {
        SKIP("no data/conform in $VECSTORE_SHARED or ../shared");
    }
    check_group("bad", 9);
}

static void case_avro(void)
{
    if (!load_corpus()) {
        SKIP("no data/conform in $VECSTORE_SHARED or ../shared");
    }
    check_group("avro", 91);
}

static void case_puffin(void)
{
    if (!load_corpus()) {
        SKIP("no data/conform in $VECSTORE_SHARED or ../shared");
    }
    check_group("puffin", 2);
}

static void case_deletes(void)
{
    if (!load_corpus()) {
        SKIP("no data/conform in $VECSTORE_SHARED or ../shared");
    }
    check_group("deletes", 5);
}

TEST_MAIN(
    TEST(case_parquet), TEST(case_bad), TEST(case_avro), TEST(case_puffin), TEST(case_deletes))
