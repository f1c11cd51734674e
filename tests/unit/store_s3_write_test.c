// SPDX-License-Identifier: Apache-2.0
/*
 * Writing to the S3 store: multipart uploads, copies, lists of many pages, removal of many.
 */
#include "tests/support/store_s3_fixture.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/object/s3_internal.h"

#include <stdlib.h>

#define BIG (23 * MIB + 777)

static uint8_t *big_bytes(void)
{
    static uint8_t *bytes;
    if (bytes == NULL) {
        bytes = (uint8_t *)malloc(BIG);
        s3_fill(bytes, BIG);
    }
    return bytes;
}

static void check_big(struct s3_fixture *f, const char *key, size_t n)
{
    struct vs_error err;
    struct vs_buf buf;
    vs_buf_init(&buf, &f->test.env, BIG);
    CHECK_OK(vs_store_get(f->store, key, &buf, &err), err);
    CHECK(buf.len == n && memcmp(buf.data, big_bytes(), n) == 0);
    vs_buf_clear(&buf);
}

static enum vs_status write_big(
    struct s3_fixture *f, const char *key, size_t n, enum vs_put_mode mode, struct vs_error *err)
{
    struct vs_writer *writer = NULL;
    VS_TRY(vs_writer_open(f->store, key, &writer, err));
    enum vs_status status = VS_OK;
    for (size_t at = 0; at < n && status == VS_OK; at += 700001) {
        size_t piece = n - at < 700001 ? n - at : 700001;
        status = vs_writer_write(writer, big_bytes() + at, piece, err);
    }
    status = status == VS_OK ? vs_writer_finish(writer, mode, err) : status;
    vs_writer_free(writer);
    return status;
}

static const struct vs_pair small_parts[] = {
    {{"s3.part-size-bytes", 18}, {"5242880", 7}},
    {{"s3.multipart-threshold-bytes", 28}, {"6000000", 7}},
    {{"s3.copy-part-size-bytes", 23}, {"5242880", 7}},
    {{NULL, 0}, {NULL, 0}},
};

static void case_multipart(void)
{
    struct s3_fixture f;
    struct vs_error err;
    s3_begin_with(&f, (struct mock_s3_options){0}, small_parts);
    CHECK_OK(write_big(&f, "one", 6000000, VS_PUT_ANY, &err), err);
    CHECK_INT(mock_s3_count(f.mock, "POST"), 0); // up to the threshold one PUT
    check_big(&f, "one", 6000000);
    CHECK_OK(write_big(&f, "b/parts", BIG, VS_PUT_ANY, &err), err);
    CHECK_INT(mock_s3_count(f.mock, "PUT /bucket/w/b/parts?partNumber="), 5);
    check_big(&f, "b/parts", BIG);
    CHECK_INT(mock_s3_uploads(f.mock), 0);
    // The condition is kept at the completion.
    CHECK_STATUS(write_big(&f, "b/parts", BIG, VS_PUT_IF_ABSENT, &err), VS_EXISTS);
    CHECK_INT(mock_s3_uploads(f.mock), 0); // abandoned
    CHECK_OK(write_big(&f, "new", BIG, VS_PUT_IF_ABSENT, &err), err);
    check_big(&f, "new", BIG);
    CHECK_OK(write_big(&f, "exact", (size_t)2 * 5242880, VS_PUT_ANY, &err), err);
    check_big(&f, "exact", (size_t)2 * 5242880);
    s3_end(&f);
}

// With checksums every part has one, and the completion names them all: AWS refuses it otherwise.
static void case_multipart_checksums(void)
{
    struct s3_fixture f;
    struct vs_error err;
    char headers[4000];
    struct vs_pair more[] = {small_parts[0],
                             small_parts[1],
                             small_parts[2],
                             {VS_STR("s3.checksum"), VS_STR("crc32c")},
                             {{NULL, 0}, {NULL, 0}}};
    s3_begin_with(&f, (struct mock_s3_options){0}, more);
    CHECK_OK(write_big(&f, "parts", BIG, VS_PUT_IF_ABSENT, &err), err);
    mock_s3_last_headers(f.mock, "POST /bucket/w/parts?uploads=", headers, sizeof headers);
    CHECK(strstr(headers, "x-amz-checksum-algorithm:CRC32C\n") != NULL);
    mock_s3_last_headers(f.mock, "partNumber=5", headers, sizeof headers);
    CHECK(strstr(headers, "x-amz-checksum-crc32c:") != NULL);
    check_big(&f, "parts", BIG);
    CHECK_OK(vs_store_copy(f.store, "parts", "copy", &err), err);
    check_big(&f, "copy", BIG);
    CHECK_INT(mock_s3_uploads(f.mock), 0);
    s3_end(&f);
}

static void case_abandoned_upload(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_writer *writer = NULL;
    s3_begin_with(&f, (struct mock_s3_options){0}, small_parts);
    REQUIRE_OK(vs_writer_open(f.store, "x", &writer, &err), err);
    CHECK_OK(vs_writer_write(writer, big_bytes(), BIG, &err), err);
    CHECK_INT(mock_s3_uploads(f.mock), 1);
    vs_writer_free(writer);
    CHECK_INT(mock_s3_uploads(f.mock), 0);
    CHECK_INT(mock_s3_objects(f.mock), 0);
    s3_end(&f);
}

static const struct multipart_fault {
    struct mock_fault fault;
    enum vs_put_mode mode;
    enum vs_status expected;
    size_t uploads; // left behind
    bool applied;
} multipart_faults[] = {
    // Parts and the beginning are repeated.
    {{.method = "PUT", .kind = MOCK_DROP_AFTER, .times = 3}, VS_PUT_IF_ABSENT, VS_OK, 0, true},
    {{.method = "PUT", .kind = MOCK_STATUS, .status = 503, .times = 3}, VS_PUT_ANY, VS_OK, 0, true},
    {{.needle = "uploads=", .kind = MOCK_STATUS, .status = 500, .times = 2},
     VS_PUT_ANY,
     VS_OK,
     0,
     true},
    {{.method = "PUT", .kind = MOCK_STATUS, .status = 403, .skip = 2, .times = 99},
     VS_PUT_ANY,
     VS_DENIED,
     0,
     false},
    // Completion of a plain upload is repeated; a lost answer is looked for.
    {{.method = "POST", .needle = "?uploadId", .kind = MOCK_STATUS, .status = 500, .times = 2},
     VS_PUT_ANY,
     VS_OK,
     0,
     true},
    {{.method = "POST", .needle = "?uploadId", .kind = MOCK_DROP_AFTER, .times = 1},
     VS_PUT_ANY,
     VS_OK,
     0,
     true},
    // An error in an answer with status 200.
    {{.method = "POST",
      .needle = "?uploadId",
      .kind = MOCK_STATUS,
      .status = 200,
      .code = "InternalError",
      .times = 2},
     VS_PUT_ANY,
     VS_OK,
     0,
     true},
    {{.method = "POST",
      .needle = "?uploadId",
      .kind = MOCK_STATUS,
      .status = 200,
      .code = "InternalError",
      .times = 1},
     VS_PUT_IF_ABSENT,
     VS_UNKNOWN,
     1,
     false},
    // A conditional completion is sent once.
    {{.method = "POST", .needle = "?uploadId", .kind = MOCK_DROP_AFTER, .times = 1},
     VS_PUT_IF_ABSENT,
     VS_UNKNOWN,
     0,
     true},
    {{.method = "POST", .needle = "?uploadId", .kind = MOCK_DROP_BEFORE, .times = 1},
     VS_PUT_IF_ABSENT,
     VS_UNKNOWN,
     1,
     false},
};

static void case_multipart_faults(void)
{
    const struct multipart_fault *rows = multipart_faults;
    for (size_t i = 0; i < sizeof multipart_faults / sizeof multipart_faults[0]; i++) {
        struct s3_fixture f;
        struct vs_error err;
        int before = check_failures;
        s3_begin_with(&f, (struct mock_s3_options){0}, small_parts);
        mock_s3_fault(f.mock, rows[i].fault);
        CHECK_STATUS(write_big(&f, "x", BIG, rows[i].mode, &err), rows[i].expected);
        CHECK_INT(mock_s3_uploads(f.mock), rows[i].uploads);
        CHECK_INT(mock_s3_objects(f.mock), rows[i].applied);
        s3_end(&f);
        if (check_failures != before) {
            fprintf(stderr, "    row %zu\n", i);
        }
    }
}

static void case_copy(void)
{
    struct s3_fixture f;
    struct vs_error err;
    s3_begin_with(&f, (struct mock_s3_options){0}, small_parts);
    CHECK_OK(vs_store_put(f.store, "a b/%41", VS_STR("small"), VS_PUT_ANY, &err), err);
    CHECK_OK(vs_store_copy(f.store, "a b/%41", "c+d", &err), err);
    s3_check_content(&f, "c+d", "small");
    CHECK_OK(write_big(&f, "big", BIG, VS_PUT_ANY, &err), err);
    uint64_t before = vs_store_count(f.store).bytes_read;
    CHECK_OK(vs_store_copy(f.store, "big", "copy", &err), err);
    CHECK_INT(mock_s3_count(f.mock, "PUT /bucket/w/copy?partNumber="), 5);
    CHECK(vs_store_count(f.store).bytes_read - before < 10000); // not through here
    check_big(&f, "copy", BIG);
    CHECK_STATUS(vs_store_copy(f.store, "absent", "y", &err), VS_NOT_FOUND);
    mock_s3_fault(f.mock, (struct mock_fault){.method = "PUT",
                                              .kind = MOCK_STATUS,
                                              .status = 200,
                                              .code = "InternalError",
                                              .times = 2});
    CHECK_OK(vs_store_copy(f.store, "c+d", "again", &err), err);
    s3_check_content(&f, "again", "small");
    mock_s3_fault(f.mock,
                  (struct mock_fault){
                      .needle = "partNumber=3", .kind = MOCK_STATUS, .status = 403, .times = 99});
    CHECK_STATUS(vs_store_copy(f.store, "big", "denied", &err), VS_DENIED);
    CHECK_INT(mock_s3_uploads(f.mock), 0);
    s3_end(&f);
}

static enum vs_status write_ranges(struct s3_fixture *f,
                                   const char *key,
                                   struct vs_copied *copied,
                                   struct vs_error *err)
{
    struct vs_writer *writer = NULL;
    struct vs_file *file = NULL;
    VS_TRY(vs_file_open(f->store, "big", &file, err));
    enum vs_status status = vs_writer_open(f->store, key, &writer, err);
    if (status == VS_OK) {
        status = vs_writer_write(writer, big_bytes(), 10, err);
    }
    if (status == VS_OK) {
        status = vs_writer_copy(&f->test.env, writer, file, 10, BIG - 10, copied, err);
        if (status != VS_OK) {
            CHECK_STATUS(vs_writer_finish(writer, VS_PUT_ANY, NULL), VS_INTERNAL);
        }
    }
    if (status == VS_OK) {
        status = vs_writer_finish(writer, VS_PUT_ANY, err);
    }
    vs_writer_free(writer);
    vs_file_close(file);
    return status;
}

// Ranges of another object become parts of the new one; a store that refuses gets the bytes.
static void case_copied_ranges(void)
{
    struct s3_fixture f;
    struct vs_error err;
    char headers[4000];
    s3_begin_with(&f, (struct mock_s3_options){0}, small_parts);
    CHECK_OK(write_big(&f, "big", BIG, VS_PUT_ANY, &err), err);
    uint64_t before = vs_store_count(f.store).bytes_read;
    CHECK_OK(write_ranges(&f, "new", NULL, &err), err);
    CHECK(vs_store_count(f.store).bytes_read - before < (size_t)9 * MIB); // what fills a part up
    mock_s3_last_headers(f.mock, "PUT /bucket/w/new?partNumber=2", headers, sizeof headers);
    CHECK(strstr(headers, "x-amz-copy-source:/bucket/w/big\n") != NULL);
    CHECK(strstr(headers, "x-amz-copy-source-if-match:") != NULL);
    check_big(&f, "new", BIG);
    for (int skip = 0; skip < 2; skip++) {
        mock_s3_fault(f.mock, (struct mock_fault){.needle = "refused?partNumber=",
                                                  .skip = 1 + skip,
                                                  .kind = MOCK_STATUS,
                                                  .status = 501,
                                                  .code = "NotImplemented",
                                                  .times = 1});
        CHECK_OK(write_ranges(&f, "refused", NULL, &err), err);
        mock_s3_last_headers(f.mock, "PUT /bucket/w/refused?partNumber=2", headers, sizeof headers);
        CHECK(strstr(headers, "x-amz-copy-source") == NULL);
        check_big(&f, "refused", BIG);
    }
    // A source that was replaced meanwhile is never mixed with what it was.
    struct vs_writer *writer = NULL;
    struct vs_file *file = NULL;
    CHECK_OK(vs_file_open(f.store, "big", &file, &err), err);
    CHECK_OK(vs_writer_open(f.store, "mixed", &writer, &err), err);
    CHECK_OK(write_big(&f, "big", BIG - 1, VS_PUT_ANY, &err), err);
    CHECK(vs_writer_copy(&f.test.env, writer, file, 0, BIG, NULL, &err) != VS_OK);
    vs_writer_free(writer);
    vs_file_close(file);
    CHECK_INT(mock_s3_uploads(f.mock), 0);
    s3_end(&f);
}

// Where all parts have to be of one size, ranges are read and written.
static void case_ranges_are_not_copied(void)
{
    struct s3_fixture f;
    struct vs_error err;
    char headers[4000], needle[64];
    struct vs_copied copied = {.all_read = true};
    struct vs_store *store = NULL;
    struct vs_pair more[] = {small_parts[0],
                             small_parts[1],
                             {VS_STR("s3.copy-ranges"), VS_STR("false")},
                             {{NULL, 0}, {NULL, 0}}};
    s3_begin_with(&f, (struct mock_s3_options){0}, more);
    CHECK_OK(write_big(&f, "big", BIG, VS_PUT_ANY, &err), err);
    CHECK_OK(write_ranges(&f, "new", &copied, &err), err);
    CHECK_INT(mock_s3_count(f.mock, "PUT /bucket/w/new?partNumber="), 5);
    for (int i = 1; i <= 5; i++) {
        (void)snprintf(needle, sizeof needle, "PUT /bucket/w/new?partNumber=%d", i);
        mock_s3_last_headers(f.mock, needle, headers, sizeof headers);
        CHECK(strstr(headers, "x-amz-copy-source") == NULL);
        CHECK(i == 5 || strstr(headers, "content-length:5242880\n") != NULL);
    }
    check_big(&f, "new", BIG);
    CHECK(copied.all_read && copied.crc == vs_crc32c(0, big_bytes() + 10, BIG - 10));
    CHECK(!vs_s3_of(f.store)->config.copy_ranges);

    static const struct {
        const char *endpoint;
        bool copied;
    } hosts[] = {
        {"https://a.r2.cloudflarestorage.com", false},
        {"https://a.eu.R2.cloudflarestorage.com:8443/x", false},
        {"https://r2.cloudflarestorage.com.b:80", true},
        {"http://b", true},
    };

    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct vs_pair endpoint[] = {{VS_STR("s3.endpoint"), vs_str_from_c(hosts[i].endpoint)},
                                     {{NULL, 0}, {NULL, 0}}};
        REQUIRE_OK(s3_open_with(&f, "s3://bucket/w", endpoint, &store, &err), err);
        CHECK_INT(vs_s3_of(store)->config.copy_ranges, hosts[i].copied);
        vs_store_free(store);
    }
    s3_end(&f);
}

// A copy that may still be under way keeps its number: nothing else is written under it.
static void case_copy_in_doubt(void)
{
    static const struct mock_fault faults[] = {
        {.kind = MOCK_DROP_BEFORE, .times = 99},
        {.kind = MOCK_DROP_AFTER, .times = 99},
        {.kind = MOCK_STATUS, .status = 503, .times = 99},
    };
    struct s3_fixture f;
    struct vs_error err;
    char headers[4000];
    s3_begin_with(&f, (struct mock_s3_options){0}, small_parts);
    CHECK_OK(write_big(&f, "big", BIG, VS_PUT_ANY, &err), err);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct mock_fault fault = faults[i];
        fault.needle = "late?partNumber=2";
        mock_s3_fault(f.mock, fault);
        CHECK_STATUS(write_ranges(&f, "late", NULL, &err), VS_UNAVAILABLE);
        CHECK(strstr(err.message, "cannot copy to s3://bucket/w/late") != NULL);
        mock_s3_last_headers(f.mock, "PUT /bucket/w/late?partNumber=2", headers, sizeof headers);
        CHECK(strstr(headers, "x-amz-copy-source:") != NULL);
        CHECK_INT(mock_s3_uploads(f.mock), 0);
        CHECK_INT(mock_s3_objects(f.mock), 1); // "big" alone
    }
    s3_end(&f);
}

static void case_copy_elsewhere(void)
{
    struct test_env test;
    struct vs_error err;
    struct vs_store *store = NULL;
    struct vs_buf buf;
    char dir[256];
    test_env_init(&test);
    test_dir_make(dir, sizeof dir);
    for (int kind = 0; kind < 2; kind++) {
        REQUIRE_OK(kind == 0 ? vs_store_open_mem(&test.env, "m", &store, &err)
                             : vs_store_open(&test.env, dir, false, &store, &err),
                   err);
        vs_buf_init(&buf, &test.env, 3 * MIB);
        struct vs_str bytes = {(const char *)big_bytes(), 2 * MIB + 3};
        CHECK_OK(vs_store_put(store, "a", bytes, VS_PUT_ANY, &err), err);
        CHECK_OK(vs_store_copy(store, "a", "x/b", &err), err);
        CHECK_OK(vs_store_get(store, "x/b", &buf, &err), err);
        CHECK(vs_str_equal(vs_buf_view(&buf), bytes));
        CHECK_STATUS(vs_store_copy(store, "absent", "y", &err), VS_NOT_FOUND);
        CHECK_STATUS(vs_store_copy(store, "a", "../y", &err), VS_INVALID);
        vs_buf_clear(&buf);
        vs_store_free(store);
    }
    test_dir_remove(dir);
    CHECK_INT(test.live, 0);
}

static enum vs_status count_keys(void *ctx, const struct vs_object_info *info, struct vs_error *err)
{
    (void)err;
    char expected[64];
    int *count = (int *)ctx;
    (void)snprintf(expected, sizeof expected, "many/k %04d&<>\"+", *count);
    CHECK(vs_str_equal_c(info->key, expected));
    CHECK_INT(info->size, 1);
    CHECK_INT(info->modified_ms, INT64_C(1795256430123));
    ++*count;
    return VS_OK;
}

static enum vs_status join_folders(void *ctx, struct vs_str name, struct vs_error *err)
{
    (void)err;
    char *text = (char *)ctx;
    size_t len = strlen(text);
    (void)snprintf(text + len, 200 - len, "%.*s;", VS_STR_ARG(name));
    return VS_OK;
}

static void case_pages_and_batches(void)
{
    struct s3_fixture f;
    struct vs_error err;
    static char keys[1203][40];
    const char *names[1203];
    int count = 0;
    s3_begin_with(
        &f, (struct mock_s3_options){.page_size = 50, .undeletable = "w/many/k 1100&<>\"+"}, NULL);
    for (int i = 0; i < 1203; i++) {
        char key[64];
        (void)snprintf(keys[i], sizeof keys[i], "many/k %04d&<>\"+", i);
        (void)snprintf(key, sizeof key, "w/%s", keys[i]);
        names[i] = keys[i];
        mock_s3_put(f.mock, key, "1");
    }
    mock_s3_put(f.mock, "w/many/", ""); // a folder's marker, and what is no key of ours
    mock_s3_put(f.mock, "w/many//x", "");
    mock_s3_put(f.mock, "w2/many/k", "");
    CHECK_OK(vs_store_list(f.store, "many/k", count_keys, &count, &err), err);
    CHECK_INT(count, 1203);
    CHECK_INT(mock_s3_count(f.mock, "GET /bucket?"), 25);
    count = 0;
    CHECK_OK(vs_store_list(f.store, "", count_keys, &count, &err), err);
    CHECK_INT(count, 1203);
    char folders[200] = "";
    mock_s3_put(f.mock, "w/z a/x", "");
    CHECK_OK(vs_store_list_folders(f.store, "", join_folders, folders, &err), err);
    CHECK_TEXT(folders, "many;z a;");
    size_t posts = mock_s3_count(f.mock, "POST");
    CHECK_STATUS(vs_store_remove_many(f.store, names, 1203, &err), VS_DENIED);
    CHECK(strstr(err.message, "w/many/k 1100&<>\"+") != NULL &&
          strstr(err.message, "AccessDenied") != NULL);
    CHECK_INT(mock_s3_count(f.mock, "POST") - posts, 2);
    CHECK_INT(mock_s3_objects(f.mock), 1 + 4);
    mock_s3_set(f.mock, (struct mock_s3_options){0});
    CHECK_OK(vs_store_remove_many(f.store, names, 1203, &err), err); // most are gone already
    CHECK_INT(mock_s3_objects(f.mock), 4);
    mock_s3_set(f.mock, (struct mock_s3_options){.no_batch_delete = true});
    mock_s3_put(f.mock, "w/many/k 0000&<>\"+", "1");
    CHECK_OK(vs_store_remove_many(f.store, names, 3, &err), err); // one by one
    CHECK_INT(mock_s3_objects(f.mock), 4);
    s3_end(&f);
}

static void case_broken_lists(void)
{
    struct s3_fixture f;
    struct vs_error err;
    int count = 0;
    s3_begin(&f);
    mock_s3_put(f.mock, "w/many/k 0000&<>\"+", "1");
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_STATUS, .status = 200, .times = 1});
    CHECK_STATUS(vs_store_list(f.store, "", count_keys, &count, &err), VS_CORRUPT);
    CHECK(strstr(err.message, "cannot list s3://bucket/w: malformed XML") != NULL);
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_CUT_BODY, .times = 1});
    CHECK_OK(vs_store_list(f.store, "", count_keys, &count, &err), err);
    CHECK_INT(count, 1);
    s3_end(&f);
}

static enum vs_status ignore_object(void *ctx,
                                    const struct vs_object_info *info,
                                    struct vs_error *err)
{
    (void)ctx;
    (void)info;
    (void)err;
    return VS_OK;
}

// Everything that allocates, each once.
static enum vs_status do_everything(struct vs_store *store, struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_writer *writer = NULL;
    uint8_t bytes[100];
    const char *const names[] = {"big", "copy"};
    VS_TRY(vs_writer_open(store, "big", &writer, err));
    enum vs_status status = vs_writer_write(writer, big_bytes(), 12 * MIB, err);
    status = status == VS_OK ? vs_writer_finish(writer, VS_PUT_ANY, err) : status;
    vs_writer_free(writer);
    VS_TRY(status);
    VS_TRY(vs_store_copy(store, "big", "copy", err));
    VS_TRY(vs_store_list(store, "", ignore_object, NULL, err));
    VS_TRY(vs_file_open(store, "copy", &file, err));
    struct vs_range ranges[3] = {{0, 10, bytes}, {100, 10, bytes + 10}, {5 * MIB, 10, bytes + 20}};
    status = vs_file_read_many(file, ranges, 3, err);
    status = status == VS_OK ? vs_file_read(file, MIB, 50, bytes, err) : status;
    status = status == VS_OK ? vs_file_read(file, MIB + 50, 50, bytes, err) : status;
    if (status == VS_OK) {
        status = vs_writer_open(store, "ranges", &writer, err);
    }
    if (status == VS_OK) {
        status = vs_writer_copy(store->env, writer, file, 0, 6 * MIB, NULL, err);
        status = status == VS_OK ? vs_writer_finish(writer, VS_PUT_ANY, err) : status;
        vs_writer_free(writer);
    }
    vs_file_close(file);
    VS_TRY(status);
    VS_TRY(vs_store_remove_many(store, names, 2, err));
    return vs_store_check_writable(store, "p", err);
}

static void case_every_allocation_may_fail(void)
{
    struct s3_fixture f;
    long n = 0;
    long failures = 0;
    bool done = false;
    s3_begin(&f);
    vs_store_free(f.store);
    f.store = NULL;
    // Steps that grow keep the test short; the first hundred are all tried.
    for (; !done && n < 5000; n += n < 60 ? 1 : 7) {
        struct vs_error err = {0};
        struct vs_store *store = NULL;
        test_env_init(&f.test); // the fixture's own store was freed: nothing lives
        f.test.fail_at = n;
        enum vs_status status = s3_open_with(&f, "s3://bucket/w", small_parts, &store, &err);
        status = status == VS_OK ? do_everything(store, &err) : status;
        vs_store_free(store);
        // A conditional create whose answer cannot be kept may have been applied.
        CHECK(status == VS_OK || status == VS_NO_MEMORY || status == VS_UNAVAILABLE ||
              status == VS_UNKNOWN);
        CHECK(status == VS_OK || atomic_load(&f.test.failed));
        CHECK_INT(f.test.live, 0);
        failures += status != VS_OK;
        done = !atomic_load(&f.test.failed);
        mock_s3_reset(f.mock);
    }
    CHECK(done);
    CHECK(failures > 25); // a buffer that cannot grow twofold asks for less
    s3_end(&f);
}

TEST_MAIN(TEST(case_multipart),
          TEST(case_multipart_checksums),
          TEST(case_abandoned_upload),
          TEST(case_multipart_faults),
          TEST(case_copy),
          TEST(case_copied_ranges),
          TEST(case_ranges_are_not_copied),
          TEST(case_copy_in_doubt),
          TEST(case_copy_elsewhere),
          TEST(case_pages_and_batches),
          TEST(case_broken_lists),
          TEST(case_every_allocation_may_fail))
