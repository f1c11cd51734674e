// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/base/bytes.h"
#include "vecstore/format/puffin.h"

#define CONFORM "../shared/data/conform/puffin/"

// The layout of puffin-spec.md around a footer's JSON, with one blob of eight bytes in front.
static void make_file(struct vs_buf *out, const char *json)
{
    uint8_t tail[12] = {0};
    vs_buf_reset(out);
    CHECK(vs_buf_append_c(out, "PFA1abcdefghPFA1", NULL) == VS_OK);
    CHECK(vs_buf_append_c(out, json, NULL) == VS_OK);
    vs_store_u32le(tail, (uint32_t)strlen(json));
    memcpy(tail + 8, "PFA1", 4);
    CHECK(vs_buf_append(out, tail, sizeof tail, NULL) == VS_OK);
}

static enum vs_status write_sample(const struct vs_env *env,
                                   struct test_sink *sink,
                                   uint64_t sizes_out[2],
                                   struct vs_error *err)
{
    int32_t fields[] = {1, 7};
    struct vs_puffin_property properties[] = {{VS_STR("k"), VS_STR("v \"quoted\"")}};
    struct vs_puffin_blob first = {.type = VS_STR("vecstore-test"),
                                   .field_count = 2,
                                   .fields = fields,
                                   .snapshot_id = 9007199254740993,
                                   .sequence_number = 5,
                                   .codec = VS_STR("zstd"),
                                   .property_count = 1,
                                   .properties = properties};
    struct vs_puffin_blob second = {
        .type = VS_STR("empty"), .snapshot_id = -1, .sequence_number = -1};
    struct vs_puffin_writer *writer = NULL;
    VS_TRY(vs_puffin_writer_open(env, &sink->writer, &writer, err));
    enum vs_status status = vs_puffin_writer_begin(writer, &first, 64, err);
    if (status == VS_OK) {
        status = vs_puffin_writer_write(writer, "hello", 5, err);
    }
    if (status == VS_OK) {
        status = vs_puffin_writer_write(writer, " world", 6, err);
    }
    if (status == VS_OK) {
        status = vs_puffin_writer_end(writer, NULL, NULL, err);
    }
    if (status == VS_OK) {
        status = vs_puffin_writer_begin(writer, &second, 4096, err);
    }
    if (status == VS_OK) {
        status = vs_puffin_writer_end(writer, NULL, NULL, err);
    }
    if (status == VS_OK) {
        status = vs_puffin_writer_finish(writer, properties, 1, &sizes_out[0], &sizes_out[1], err);
    }
    vs_puffin_writer_free(writer);
    return status;
}

static void check_sample(const struct vs_puffin *puffin, struct vs_str file)
{
    REQUIRE(puffin->blob_count == 2);
    const struct vs_puffin_blob *blob = &puffin->blobs[0];
    CHECK(vs_str_equal_c(blob->type, "vecstore-test"));
    CHECK_INT(blob->snapshot_id, 9007199254740993);
    CHECK_INT(blob->sequence_number, 5);
    CHECK(vs_str_equal_c(blob->codec, "zstd"));
    CHECK_INT(blob->offset, 64);
    CHECK_INT(blob->length, 11);
    CHECK(memcmp(file.ptr + blob->offset, "hello world", 11) == 0);
    REQUIRE(blob->field_count == 2 && blob->property_count == 1);
    CHECK_INT(blob->fields[1], 7);
    CHECK(vs_str_equal_c(blob->properties[0].value, "v \"quoted\""));
    CHECK_INT(puffin->blobs[1].offset, 4096);
    CHECK_INT(puffin->blobs[1].length, 0);
    CHECK_INT(puffin->blobs[1].snapshot_id, -1);
    CHECK_INT(puffin->blobs[1].codec.len, 0);
    REQUIRE(puffin->property_count == 2);
    CHECK(vs_str_equal_c(puffin->properties[0].key, "created-by"));
    CHECK(vs_str_equal_c(puffin->properties[0].value, "vecstore version " VECSTORE_VERSION));
}

static void round_trip(void)
{
    struct test_env t;
    struct test_sink sink;
    struct vs_error err = {0};
    struct vs_puffin puffin;
    struct vs_file *file = NULL;
    uint64_t sizes[2] = {0};
    test_env_init(&t);
    test_sink_init(&sink, &t.env);
    REQUIRE_OK(write_sample(&t.env, &sink, sizes, &err), err);
    CHECK_INT(sizes[0], sink.bytes.len);
    CHECK(vs_load_u32le(sink.bytes.data + sink.bytes.len - 12) + 16 == sizes[1]);
    REQUIRE_OK(vs_puffin_parse(&t.env, vs_buf_view(&sink.bytes), "sample", &puffin, &err), err);
    check_sample(&puffin, vs_buf_view(&sink.bytes));
    CHECK_INT(puffin.footer_size, sizes[1]);
    vs_puffin_clear(&puffin);
    REQUIRE_OK(vs_file_open_bytes(&t.env, vs_buf_view(&sink.bytes), "sample", &file, &err), err);
    REQUIRE_OK(vs_puffin_read(&t.env, file, &puffin, &err), err);
    check_sample(&puffin, vs_buf_view(&sink.bytes));
    vs_puffin_clear(&puffin);
    vs_puffin_clear(&puffin);
    vs_file_close(file);
    vs_buf_clear(&sink.bytes);
    CHECK_INT(t.live, 0);
}

// A footer larger than the first read, in a file larger than it.
static void large_footer(void)
{
    struct test_env t;
    struct test_sink sink;
    struct vs_error err = {0};
    struct vs_puffin_writer *writer = NULL;
    struct vs_puffin puffin;
    struct vs_file *file = NULL;
    uint8_t piece[1000] = {7};
    test_env_init(&t);
    test_sink_init(&sink, &t.env);
    REQUIRE_OK(vs_puffin_writer_open(&t.env, &sink.writer, &writer, &err), err);
    for (int i = 0; i < 1000; i++) {
        struct vs_puffin_blob blob = {.type = VS_STR("a-blob-of-some-type"), .snapshot_id = i};
        REQUIRE_OK(vs_puffin_writer_begin(writer, &blob, 1, &err), err);
        REQUIRE_OK(vs_puffin_writer_write(writer, piece, sizeof piece, &err), err);
        REQUIRE_OK(vs_puffin_writer_end(writer, NULL, NULL, &err), err);
    }
    REQUIRE_OK(vs_puffin_writer_finish(writer, NULL, 0, NULL, NULL, &err), err);
    vs_puffin_writer_free(writer);
    REQUIRE_OK(vs_file_open_bytes(&t.env, vs_buf_view(&sink.bytes), "large", &file, &err), err);
    REQUIRE_OK(vs_puffin_read(&t.env, file, &puffin, &err), err);
    CHECK_INT(puffin.blob_count, 1000);
    CHECK_INT(puffin.blobs[999].offset, 4 + 999 * 1000);
    CHECK_INT(puffin.blobs[999].snapshot_id, 999);
    vs_puffin_clear(&puffin);
    vs_file_close(file);
    vs_buf_clear(&sink.bytes);
    CHECK_INT(t.live, 0);
}

// The sample files of Iceberg's Java implementation (PuffinReader tests give the same numbers).
static void java_files(void)
{
    struct vs_buf bytes;
    struct vs_error err = {0};
    struct vs_puffin puffin;
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    if (!test_file_read(CONFORM "sample-metric-data-compressed-zstd.bin", &bytes)) {
        vs_buf_clear(&bytes);
        SKIP("no " CONFORM);
    }
    REQUIRE_OK(vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "java", &puffin, &err), err);
    CHECK_INT(puffin.blob_count, 2);
    CHECK(vs_str_equal_c(puffin.blobs[0].type, "some-blob"));
    CHECK_INT(puffin.blobs[0].fields[0], 1);
    CHECK_INT(puffin.blobs[0].snapshot_id, 2);
    CHECK_INT(puffin.blobs[0].offset, 4);
    CHECK_INT(puffin.blobs[0].length, 22);
    CHECK(vs_str_equal_c(puffin.blobs[1].type, "some-other-blob"));
    CHECK(vs_str_equal_c(puffin.blobs[1].codec, "zstd"));
    CHECK_INT(puffin.blobs[1].offset, 26);
    CHECK_INT(puffin.blobs[1].length, 77);
    CHECK(vs_str_equal_c(puffin.properties[0].value, "Test 1234"));
    CHECK_INT(puffin.footer_size, 0x12a + 16);
    vs_puffin_clear(&puffin);
    vs_buf_reset(&bytes);
    CHECK(test_file_read(CONFORM "empty-puffin-uncompressed.bin", &bytes));
    REQUIRE_OK(vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "java", &puffin, &err), err);
    CHECK_INT(puffin.blob_count, 0);
    CHECK_INT(puffin.footer_size, 28);
    vs_puffin_clear(&puffin);
    vs_buf_clear(&bytes);
}

// A file written by a few lines of Python after puffin-spec.md.
static void golden_file(void)
{
    struct vs_buf bytes;
    struct vs_error err = {0};
    struct vs_puffin puffin;
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    CHECK(test_file_read("tests/golden/format/two_blobs.puffin", &bytes));
    REQUIRE_OK(vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "golden", &puffin, &err),
               err);
    REQUIRE(puffin.blob_count == 2);
    CHECK_INT(puffin.blobs[0].fields[1], 2);
    CHECK_INT(puffin.blobs[1].snapshot_id, INT64_MAX);
    CHECK(memcmp(bytes.data + puffin.blobs[1].offset, "second", puffin.blobs[1].length) == 0);
    CHECK(vs_str_equal_c(puffin.blobs[1].properties[0].value, "b"));
    vs_puffin_clear(&puffin);
    vs_buf_clear(&bytes);
}

static void bad_files(void)
{
    static const struct {
        const char *json, *reason;
    } cases[] = {
        {"[]", "not a JSON object"},
        {"{", "byte"},
        {"{}", "blobs"},
        {"{\"blobs\":[1]}", "not an object"},
        {"{\"blobs\":[{}]}", "type"},
        {"{\"blobs\":[{\"type\":\"a\",\"fields\":[4294967296],\"snapshot-id\":1,\"sequence-"
         "number\":"
         "1,\"offset\":4,\"length\":8}]}",
         "32-bit"},
        {"{\"blobs\":[{\"type\":\"a\",\"fields\":[],\"snapshot-id\":1,\"sequence-number\":1,"
         "\"offset\":4,\"length\":9}]}",
         "outside the blob area"},
        {"{\"blobs\":[{\"type\":\"a\",\"fields\":[],\"snapshot-id\":1,\"sequence-number\":1,"
         "\"offset\":3,\"length\":1}]}",
         "outside the blob area"},
        {"{\"blobs\":[{\"type\":\"a\",\"fields\":[],\"snapshot-id\":1,\"sequence-number\":1,"
         "\"offset\":4,\"length\":-1}]}",
         "outside the blob area"},
        {"{\"blobs\":[{\"type\":\"a\",\"fields\":[],\"snapshot-id\":1,\"sequence-number\":1,"
         "\"offset\":9223372036854775807,\"length\":9223372036854775807}]}",
         "outside the blob area"},
        {"{\"blobs\":[],\"properties\":{\"a\":1}}", "not a string"},
        {"{\"blobs\":[],\"properties\":[]}", "not an object"},
    };
    struct vs_buf bytes;
    struct vs_puffin puffin;
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vs_error err = {0};
        make_file(&bytes, cases[i].json);
        CHECK_STATUS(
            vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "bad.puffin", &puffin, &err),
            VS_CORRUPT);
        CHECK(strstr(err.message, "bad.puffin") != NULL);
        if (strstr(err.message, cases[i].reason) == NULL) {
            CHECK_TEXT(err.message, cases[i].reason);
        }
    }
    make_file(&bytes, "{\"blobs\":[]}");
    CHECK_STATUS(vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "x", &puffin, NULL), VS_OK);
    vs_puffin_clear(&puffin);
    for (size_t n = 0; n < bytes.len; n++) { // every truncation
        struct vs_str cut = {(const char *)bytes.data, n};
        CHECK_STATUS(vs_puffin_parse(vs_env_default(), cut, "x", &puffin, NULL), VS_CORRUPT);
    }
    bytes.data[bytes.len - 8] = 1;
    CHECK_STATUS(vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "x", &puffin, NULL),
                 VS_UNSUPPORTED);
    bytes.data[bytes.len - 8] = 2;
    CHECK_STATUS(vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "x", &puffin, NULL),
                 VS_UNSUPPORTED);
    bytes.data[bytes.len - 8] = 0;
    bytes.data[0] = 'X';
    CHECK_STATUS(vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "x", &puffin, NULL),
                 VS_CORRUPT);
    vs_buf_clear(&bytes);
}

static void misuse(void)
{
    struct test_sink sink;
    struct vs_puffin_writer *writer = NULL;
    struct vs_puffin_blob blob = {.type = VS_STR("a")};
    test_sink_init(&sink, vs_env_default());
    REQUIRE(vs_puffin_writer_open(vs_env_default(), &sink.writer, &writer, NULL) == VS_OK);
    CHECK_STATUS(vs_puffin_writer_write(writer, "x", 1, NULL), VS_INTERNAL);
    CHECK_STATUS(vs_puffin_writer_end(writer, NULL, NULL, NULL), VS_INTERNAL);
    CHECK_STATUS(vs_puffin_writer_begin(writer, &blob, 3, NULL), VS_INVALID);
    CHECK_STATUS(vs_puffin_writer_begin(writer, &blob, 1, NULL), VS_OK);
    CHECK_STATUS(vs_puffin_writer_begin(writer, &blob, 1, NULL), VS_INTERNAL);
    CHECK_STATUS(vs_puffin_writer_finish(writer, NULL, 0, NULL, NULL, NULL), VS_INTERNAL);
    vs_puffin_writer_free(writer);
    vs_buf_clear(&sink.bytes);
}

static void failures(void)
{
    uint64_t sizes[2];
    for (long n = 0;; n++) { // the n-th allocation, writing and reading
        struct test_env t;
        struct test_sink sink;
        struct vs_puffin puffin = {0};
        struct vs_error err = {0};
        test_env_init(&t);
        t.fail_at = n;
        test_sink_init(&sink, vs_env_default());
        enum vs_status status = write_sample(&t.env, &sink, sizes, &err);
        if (status == VS_OK) {
            status = vs_puffin_parse(&t.env, vs_buf_view(&sink.bytes), "x", &puffin, &err);
        }
        CHECK(status == VS_OK || (t.failed && status == VS_NO_MEMORY)); // buffers try twice
        vs_puffin_clear(&puffin);
        vs_buf_clear(&sink.bytes);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK(n > 5);
            break;
        }
    }
    for (long n = 0; n < 100; n++) { // the n-th write
        struct test_env t;
        struct test_sink sink;
        test_env_init(&t);
        test_sink_init(&sink, vs_env_default());
        sink.writes_left = n;
        enum vs_status status = write_sample(&t.env, &sink, sizes, NULL);
        vs_buf_clear(&sink.bytes);
        CHECK_INT(t.live, 0);
        if (status == VS_OK) {
            break;
        }
        CHECK_INT(status, VS_UNAVAILABLE);
    }
}

TEST_MAIN(TEST(round_trip),
          TEST(large_footer),
          TEST(java_files),
          TEST(golden_file),
          TEST(bad_files),
          TEST(misuse),
          TEST(failures))
