// SPDX-License-Identifier: Apache-2.0
// Avro files of fastavro, pyarrow's codecs, Java and others (the conformance corpus), and hostile
// variants of them.
#include "tests/support/avro_render.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/base/json.h"

#define GOLDEN "tests/golden/iceberg/"
#define CORPUS "../shared/data/conform/"

static enum vs_status render_file(const struct vs_env *env,
                                  struct vs_str bytes,
                                  struct vs_buf *out,
                                  size_t *count,
                                  struct vs_error *err)
{
    struct vs_avro_file *file = NULL;
    const struct vs_avro_value *record = NULL;
    *count = 0;
    enum vs_status status = vs_avro_file_open(env, bytes, "x.avro", &file, err);
    while (status == VS_OK) {
        status = vs_avro_file_next(file, &record, err);
        if (status != VS_OK || record == NULL) {
            break;
        }
        avro_render(out, record);
        avro_put_text(out, "\n");
        (*count)++;
    }
    vs_avro_file_close(file);
    return status;
}

static void load(const char *path, struct vs_buf *buf)
{
    vs_buf_init(buf, vs_env_default(), (size_t)1 << 30);
    if (!test_file_read(path, buf)) {
        check_report(path, 0, "cannot be read");
    }
}

static void every_codec(void)
{
    static const char *const files[] = {"avro_null.avro", "avro_deflate.avro", "avro_snappy.avro",
                                        "avro_zstandard.avro"};
    struct vs_buf expected;
    load(GOLDEN "records.txt", &expected);
    for (size_t i = 0; i < 4; i++) {
        char path[256];
        struct vs_error err = {0};
        struct vs_buf bytes, text;
        size_t count;
        snprintf(path, sizeof path, GOLDEN "%s", files[i]);
        load(path, &bytes);
        vs_buf_init(&text, vs_env_default(), (size_t)1 << 30);
        CHECK_OK(render_file(vs_env_default(), vs_buf_view(&bytes), &text, &count, &err), err);
        CHECK_INT(count, 300);
        CHECK(vs_str_equal(vs_buf_view(&text), vs_buf_view(&expected)));
        vs_buf_clear(&bytes);
        vs_buf_clear(&text);
    }
    vs_buf_clear(&expected);
}

static void header_and_ids(void)
{
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_avro_file *file = NULL;
    load(GOLDEN "avro_null.avro", &bytes);
    REQUIRE_OK(vs_avro_file_open(vs_env_default(), vs_buf_view(&bytes), "x.avro", &file, &err),
               err);
    CHECK(vs_str_equal_c(vs_avro_file_header(file, "own-key"), "own value"));
    CHECK(vs_avro_file_header(file, "none").ptr == NULL);
    const struct vs_avro_node *root = vs_avro_file_schema(file);
    CHECK_INT(root->field_count, 12);
    CHECK_INT(root->fields[8].field_id, 9);
    CHECK_INT(root->fields[8].type->element_id, 10);
    CHECK_INT(root->fields[10].type->key_id, 15);
    CHECK_INT(root->fields[10].type->value_id, 16);
    CHECK(vs_str_equal_c(root->fields[9].type->branches[1]->logical_type, "map"));
    const struct vs_avro_value *record = NULL;
    REQUIRE_OK(vs_avro_file_next(file, &record, &err), err); // record 0: nulls
    CHECK(vs_avro_field(record, 3, "big") == NULL);
    CHECK(vs_avro_field(record, 99, "big") == NULL); // by id alone where there are ids
    REQUIRE_OK(vs_avro_file_next(file, &record, &err), err);
    int64_t big = 0;
    CHECK(vs_avro_to_i64(vs_avro_field(record, 3, "other name"), &big));
    CHECK(big == ((int64_t)1 << 62) - 1);
    vs_avro_file_close(file);
    vs_buf_clear(&bytes);
}

// Any cut and any changed byte gives an error or other records, never a crash, and memory stays
// bounded.
static void hostile_bytes(void)
{
    static const char *const files[] = {GOLDEN "avro_null.avro", GOLDEN "avro_snappy.avro"};
    for (size_t f = 0; f < 2; f++) {
        struct vs_buf bytes;
        size_t count, failed = 0;
        load(files[f], &bytes);
        size_t n = bytes.len < 6000 ? bytes.len : 6000;
        for (size_t i = 0; i < n; i++) {
            struct test_env t;
            struct vs_error err = {0};
            struct vs_buf text;
            test_env_init(&t);
            vs_buf_init(&text, vs_env_default(), (size_t)1 << 30);
            uint8_t old = bytes.data[i];
            bytes.data[i] = (uint8_t)(i % 2 ? old ^ 0x80 : old + 1);
            failed += render_file(&t.env, vs_buf_view(&bytes), &text, &count, &err) != VS_OK;
            bytes.data[i] = old;
            CHECK_INT(t.live, 0);
            if (i % 3 == 0) {
                vs_buf_reset(&text);
                enum vs_status status = render_file(
                    &t.env, (struct vs_str){(const char *)bytes.data, i}, &text, &count, &err);
                CHECK(status == VS_CORRUPT || status == VS_OK);
            }
            CHECK_INT(t.live, 0);
            vs_buf_clear(&text);
        }
        CHECK(failed > n / 20);
        vs_buf_clear(&bytes);
    }
}

static void expect_open(const char *bytes, size_t n, enum vs_status expected, const char *text)
{
    struct vs_error err = {0};
    struct vs_avro_file *file = NULL;
    const struct vs_avro_value *record = NULL;
    enum vs_status status =
        vs_avro_file_open(vs_env_default(), (struct vs_str){bytes, n}, "x.avro", &file, &err);
    while (status == VS_OK) {
        status = vs_avro_file_next(file, &record, &err);
        if (record == NULL) {
            break;
        }
    }
    vs_avro_file_close(file);
    CHECK_INT(status, expected);
    if (text != NULL && strstr(err.message, text) == NULL) {
        check_report(__FILE__, __LINE__, text);
        fprintf(stderr, "    %s\n", err.message);
    }
}

#define SYNC "0123456789abcdef"
#define EXPECT(bytes, status, text) expect_open(bytes, sizeof(bytes) - 1, status, text)

// A file of one schema, codec null, with the given blocks.
static void expect_blocks(struct vs_str schema,
                          struct vs_str blocks,
                          enum vs_status expected,
                          const char *text)
{
    struct vs_buf file;
    struct vs_error err = {0};
    vs_buf_init(&file, vs_env_default(), 1 << 20);
    CHECK_OK(vs_buf_append(&file, "Obj\1\2", 5, &err), err);
    CHECK_OK(vs_avro_put_bytes(&file, VS_STR("avro.schema"), &err), err);
    CHECK_OK(vs_avro_put_bytes(&file, schema, &err), err);
    CHECK_OK(vs_buf_append(&file, "\0" SYNC, 17, &err), err);
    CHECK_OK(vs_buf_append_str(&file, blocks, &err), err);
    expect_open((const char *)file.data, file.len, expected, text);
    vs_buf_clear(&file);
}

static void refusals(void)
{
    EXPECT("AGS1xxxxxxxxxxxx", VS_UNSUPPORTED, "encrypted");
    EXPECT("PAR1xxxxxxxxxxxx", VS_CORRUPT, "not an Avro file");
    EXPECT("Obj\1\2\x14"
           "avro.codec\x0a"
           "bzip2\0" SYNC,
           VS_UNSUPPORTED, "bzip2");
    EXPECT("Obj\1\2\x14"
           "avro.codec\x08"
           "null\0" SYNC,
           VS_CORRUPT, "no avro.schema");
    // an array that counts 2^62 items of no bytes each
    expect_blocks(VS_STR("{\"type\":\"array\",\"items\":\"null\"}"),
                  VS_STR("\2\x14\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\0" SYNC), VS_CORRUPT,
                  "more items");
    // a block that counts more records than bytes
    expect_blocks(VS_STR("\"long\""), VS_STR("\x80\x80\x80\x80\x10\2\2" SYNC), VS_CORRUPT,
                  "more records");
    // a wrong sync marker, left-over bytes
    expect_blocks(VS_STR("\"long\""),
                  VS_STR("\2\2\2"
                         "0123456789abcdeF"),
                  VS_CORRUPT, "sync");
    expect_blocks(VS_STR("\"long\""), VS_STR("\2\4\2\2" SYNC), VS_CORRUPT, "more bytes");
    expect_blocks(VS_STR("\"long\""), VS_STR("\2\2\2" SYNC), VS_OK, NULL);
    // a record that contains itself
    expect_blocks(
        VS_STR("{\"type\":\"record\",\"name\":\"x\",\"fields\":[{\"name\":\"a\",\"type\":\"x\"}]}"),
        VS_STR("\2\0" SYNC), VS_CORRUPT, "nested too deep");
}

static void schema_refusals(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "\"nothing\"",
        "{\"type\":\"record\",\"name\":\"x\"}",
        "[]",
        "{\"type\":\"array\"}",
        "{\"type\":\"fixed\",\"name\":\"x\",\"size\":-1}",
        "{\"type\":\"record\",\"fields\":[]}",
        "7",
        "[\"null\",[\"int\"]]",
        "{\"type\":\"record\",\"name\":\"x\",\"fields\":[{\"name\":\"a\"}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct vs_error err = {0};
        struct vs_arena arena;
        const struct vs_avro_node *root = NULL;
        vs_arena_init(&arena, vs_env_default(), 0);
        CHECK_STATUS(
            vs_avro_schema_parse(vs_env_default(), vs_str_from_c(bad[i]), "x", &arena, &root, &err),
            VS_CORRUPT);
        vs_arena_clear(&arena);
    }
    // nested too deep
    struct vs_buf deep;
    struct vs_error err = {0};
    struct vs_arena arena;
    const struct vs_avro_node *root = NULL;
    vs_buf_init(&deep, vs_env_default(), 1 << 20);
    for (int i = 0; i < 40; i++) {
        CHECK_OK(vs_buf_append_c(&deep, "{\"type\":\"array\",\"items\":", &err), err);
    }
    CHECK_OK(vs_buf_append_c(&deep, "\"int\"", &err), err);
    for (int i = 0; i < 40; i++) {
        CHECK_OK(vs_buf_append_c(&deep, "}", &err), err);
    }
    vs_arena_init(&arena, vs_env_default(), 0);
    CHECK_STATUS(
        vs_avro_schema_parse(vs_env_default(), vs_buf_view(&deep), "x", &arena, &root, &err),
        VS_CORRUPT);
    CHECK(strstr(err.message, "nested") != NULL);
    vs_arena_clear(&arena);
    vs_buf_clear(&deep);
}

static void writer_round_trip(void)
{
    struct vs_error err = {0};
    struct vs_buf out, text;
    struct vs_avro_writer writer;
    const struct vs_avro_header header[] = {{"k", VS_STR("v")}};
    vs_buf_init(&out, vs_env_default(), (size_t)1 << 30);
    vs_buf_init(&text, vs_env_default(), (size_t)1 << 30);
    struct vs_str schema = VS_STR("{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\","
                                  "\"type\":\"long\"},{\"name\":\"b\",\"type\":\"string\"}]}");
    REQUIRE_OK(vs_avro_writer_init(&writer, &out, schema, header, 1, &err), err);
    static const int64_t edges[] = {0, -1, 1, INT64_MIN, INT64_MAX, 63, 64, -64, -65};
    const size_t n = 20000; // several blocks
    for (size_t i = 0; i < n; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "row %zu", i);
        CHECK_OK(vs_avro_put_long(&writer.block, i < 9 ? edges[i] : (int64_t)i, &err), err);
        CHECK_OK(vs_avro_put_bytes(&writer.block, (struct vs_str){name, (size_t)len}, &err), err);
        CHECK_OK(vs_avro_writer_end_record(&writer, &err), err);
    }
    CHECK_OK(vs_avro_writer_finish(&writer, &err), err);
    vs_avro_writer_clear(&writer);
    size_t count;
    CHECK_OK(render_file(vs_env_default(), vs_buf_view(&out), &text, &count, &err), err);
    CHECK_INT(count, n);
    CHECK(vs_str_starts_with(
        vs_buf_view(&text),
        VS_STR("(0,5:row 0)\n(-1,5:row 1)\n(1,5:row 2)\n(-9223372036854775808,5:row 3)\n")));
    vs_buf_clear(&out);
    vs_buf_clear(&text);
}

static void check_corpus_file(const char *path, const struct vs_json *expected)
{
    char full[1200];
    struct vs_error err = {0};
    struct vs_buf bytes, text;
    size_t count = 0;
    snprintf(full, sizeof full, CORPUS "%s", path);
    load(full, &bytes);
    vs_buf_init(&text, vs_env_default(), (size_t)1 << 30);
    int before = check_failures;
    if (vs_json_get(expected, "records") == NULL) { // an encrypted stream
        CHECK_STATUS(render_file(vs_env_default(), vs_buf_view(&bytes), &text, &count, &err),
                     VS_UNSUPPORTED);
        vs_buf_clear(&bytes);
        vs_buf_clear(&text);
        return;
    }
    CHECK_OK(render_file(vs_env_default(), vs_buf_view(&bytes), &text, &count, &err), err);
    int64_t records = -1;
    struct vs_str digest = VS_STR("");
    char hex[24];
    CHECK(vs_json_to_i64(vs_json_get(expected, "records"), &records));
    CHECK(vs_json_to_str(vs_json_get(expected, "digest"), &digest));
    CHECK_INT(count, records);
    snprintf(hex, sizeof hex, "%016" PRIx64, avro_digest(text.data, text.len));
    CHECK(vs_str_equal_c(digest, hex));
    struct vs_avro_file *file = NULL;
    if (vs_avro_file_open(vs_env_default(), vs_buf_view(&bytes), path, &file, &err) == VS_OK) {
        struct vs_json_iter iter;
        const struct vs_json *key;
        vs_json_iter_init(&iter, vs_json_get(expected, "header_keys"));
        while (vs_json_iter_next(&iter, NULL, &key)) {
            struct vs_str name = VS_STR("");
            char text_key[64];
            (void)vs_json_to_str(key, &name);
            snprintf(text_key, sizeof text_key, "%.*s", VS_STR_ARG(name));
            CHECK(vs_avro_file_header(file, text_key).ptr != NULL);
        }
        vs_avro_file_close(file);
    }
    if (check_failures != before) {
        fprintf(stderr, "    in %s\n", path);
    }
    vs_buf_clear(&bytes);
    vs_buf_clear(&text);
}

static void corpus_digests(void)
{
    struct vs_buf json;
    struct vs_json_doc *doc = NULL;
    struct vs_error err = {0};
    struct vs_json_limits limits = {.max_depth = 64};
    vs_buf_init(&json, vs_env_default(), (size_t)1 << 30);
    if (!test_file_read(CORPUS "expected.json", &json)) {
        SKIP("the conformance corpus is not here");
    }
    REQUIRE_OK(
        vs_json_parse(vs_env_default(), vs_buf_view(&json), "expected.json", &limits, &doc, &err),
        err);
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *expected;
    size_t count = 0;
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(doc), "avro"));
    while (vs_json_iter_next(&iter, &key, &expected)) {
        char path[1024];
        snprintf(path, sizeof path, "%.*s", VS_STR_ARG(key));
        check_corpus_file(path, expected);
        count++;
    }
    CHECK_INT(count, 91);
    printf("%zu Avro files\n", count);
    vs_json_free(doc);
    vs_buf_clear(&json);
}

static void every_allocation_fails(void)
{
    struct vs_buf bytes;
    load(GOLDEN "avro_snappy.avro", &bytes);
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_error err = {0};
        struct vs_buf text;
        size_t count;
        test_env_init(&t);
        t.fail_at = n;
        vs_buf_init(&text, vs_env_default(), (size_t)1 << 30);
        enum vs_status status = render_file(&t.env, vs_buf_view(&bytes), &text, &count, &err);
        CHECK_INT(t.live, 0);
        vs_buf_clear(&text);
        if (!t.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK); // OK: a smaller request served
    }
    vs_buf_clear(&bytes);
}

TEST_MAIN(TEST(every_codec),
          TEST(header_and_ids),
          TEST(hostile_bytes),
          TEST(refusals),
          TEST(schema_refusals),
          TEST(writer_round_trip),
          TEST(corpus_digests),
          TEST(every_allocation_fails))
