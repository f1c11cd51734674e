// SPDX-License-Identifier: Apache-2.0
/*
 * Reading from the S3 store: what is asked of the server, what is refused of its answers.
 */
#include "tests/support/store_s3_fixture.h"

#include <pthread.h>
#include <stdlib.h>

#define BIG (20 * MIB + 12345)

static uint8_t *big_bytes(void)
{
    static uint8_t *bytes;
    if (bytes == NULL) {
        bytes = (uint8_t *)malloc(BIG);
        s3_fill(bytes, BIG);
    }
    return bytes;
}

static void begin_with_big(struct s3_fixture *f, const struct vs_pair *more)
{
    struct vs_error err;
    s3_begin_with(f, (struct mock_s3_options){0}, more);
    struct vs_str bytes = {(const char *)big_bytes(), BIG};
    CHECK_OK(vs_store_put(f->store, "big", bytes, VS_PUT_ANY, &err), err);
}

static void check_read(struct vs_file *file, uint64_t offset, size_t len)
{
    struct vs_error err;
    uint8_t *dst = (uint8_t *)malloc(len + 1);
    dst[len] = 0xA5;
    CHECK_OK(vs_file_read(file, offset, len, dst, &err), err);
    CHECK(memcmp(dst, big_bytes() + offset, len) == 0);
    CHECK_INT(dst[len], 0xA5);
    free(dst);
}

static void case_tail_comes_with_opening(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    begin_with_big(&f, NULL);
    REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
    CHECK_INT(file->size, BIG);
    check_read(file, BIG - 8, 8);
    check_read(file, BIG - 65536, 65536);
    CHECK_INT(mock_s3_count(f.mock, "GET"), 1);
    check_read(file, BIG - 65537, 2);
    CHECK_INT(mock_s3_count(f.mock, "GET"), 2);
    char headers[4000];
    mock_s3_last_headers(f.mock, "GET", headers, sizeof headers);
    CHECK(strstr(headers, "\nif-match:\"") != NULL && strstr(headers, "range:bytes=") != NULL);
    vs_file_close(file);
    s3_end(&f);
}

// Of a size that is known: nothing is asked before the first read.
static void case_opening_by_size(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    begin_with_big(&f, NULL);
    REQUIRE_OK(vs_file_open_sized(f.store, "big", BIG, &file, &err), err);
    CHECK_INT(mock_s3_count(f.mock, "GET"), 0);
    CHECK_INT(file->size, BIG);
    check_read(file, BIG - 9, 9);
    CHECK_INT(mock_s3_count(f.mock, "GET"), 1);
    uint8_t *dst = (uint8_t *)malloc(4 * MIB);
    struct vs_range long_ones[4]; // each with a stream of its own
    for (size_t i = 0; i < 4; i++) {
        long_ones[i] = (struct vs_range){MIB + i * MIB, MIB, dst + i * MIB};
    }
    REQUIRE_OK(vs_file_read_many(file, long_ones, 4, &err), err);
    CHECK(memcmp(dst, big_bytes() + MIB, 4 * MIB) == 0);
    CHECK_INT(mock_s3_count(f.mock, "GET"), 5);
    vs_file_close(file);
    uint8_t byte;
    REQUIRE_OK(vs_file_open_sized(f.store, "big", BIG - 1, &file, &err), err);
    CHECK_STATUS(vs_file_read(file, 70, 1, &byte, &err), VS_CORRUPT);
    vs_file_close(file);
    REQUIRE_OK(vs_file_open_sized(f.store, "none", 10, &file, &err), err);
    CHECK_STATUS(vs_file_read(file, 0, 1, &byte, &err), VS_NOT_FOUND);
    vs_file_close(file);
    free(dst);
    s3_end(&f);
}

static void case_sizes_around_the_tail(void)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537};
    for (int strict = 0; strict < 2; strict++) {
        struct s3_fixture f;
        struct vs_error err;
        s3_begin_with(&f, (struct mock_s3_options){.no_suffix = strict == 1}, NULL);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct vs_file *file = NULL;
            struct vs_str bytes = {(const char *)big_bytes(), sizes[i]};
            CHECK_OK(vs_store_put(f.store, "x", bytes, VS_PUT_ANY, &err), err);
            REQUIRE_OK(vs_file_open(f.store, "x", &file, &err), err);
            CHECK_INT(file->size, sizes[i]);
            check_read(file, 0, sizes[i]);
            vs_file_close(file);
        }
        s3_end(&f);
    }
}

static void case_sequential_reads_ahead(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    begin_with_big(&f, NULL);
    REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
    for (uint64_t at = 0; at + 10000 <= BIG; at += 10000) {
        check_read(file, at, 10000);
    }
    size_t gets = mock_s3_count(f.mock, "GET");
    CHECK(gets >= 4 && gets <= 9); // 1, 2, 4, 8, 8 MiB, and the ends
    struct vs_store_counters counters = vs_store_count(f.store);
    CHECK(counters.bytes_read < BIG + 4 * MIB);
    vs_file_close(file);
    // Two columns side by side are two runs.
    REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
    gets = mock_s3_count(f.mock, "GET");
    for (uint64_t at = 0; at < 3 * MIB; at += 30000) {
        check_read(file, at, 30000);
        check_read(file, 10 * MIB + at, 30000);
    }
    CHECK(mock_s3_count(f.mock, "GET") - gets <= 8);
    vs_file_close(file);
    s3_end(&f);
}

static void case_random_reads_fetch_what_is_asked(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    begin_with_big(&f, NULL);
    REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
    uint64_t before = vs_store_count(f.store).bytes_read;
    for (size_t i = 0; i < 30; i++) {
        check_read(file, (uint64_t)((i * 7919) % 19) * MIB + i, 100);
    }
    CHECK(vs_store_count(f.store).bytes_read - before <= 3000);
    check_read(file, 5, 19 * MIB); // split and fetched side by side
    CHECK_INT(mock_s3_count(f.mock, "GET"), 1 + 30 + 3);
    vs_file_close(file);
    s3_end(&f);
}

static void case_many_ranges(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    struct vs_range ranges[64];
    size_t used = 0;
    size_t count = 0;
    begin_with_big(&f, NULL);
    REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
    uint8_t *dst = (uint8_t *)malloc(BIG * 2);
    REQUIRE(dst != NULL);
    // 40 near ones in disorder and overlapping, one empty, one of the tail, one large.
    for (size_t i = 0; i < 40; i++) {
        ranges[count++] = (struct vs_range){((i * 17) % 40) * 1000, 1500, NULL};
    }
    ranges[count++] = (struct vs_range){5 * MIB, 0, NULL};
    ranges[count++] = (struct vs_range){BIG - 100, 100, NULL};
    ranges[count++] = (struct vs_range){2 * MIB, 17 * MIB, NULL};
    ranges[count++] = (struct vs_range){MIB, 10, NULL};
    for (size_t i = 0; i < count; i++) {
        ranges[i].dst = dst + used;
        used += ranges[i].len;
    }
    CHECK_OK(vs_file_read_many(file, ranges, count, &err), err);
    for (size_t i = 0; i < count; i++) {
        CHECK(memcmp(ranges[i].dst, big_bytes() + ranges[i].offset, ranges[i].len) == 0);
    }
    CHECK_INT(mock_s3_count(f.mock, "GET"), 1 + 1 + 1 + 3);
    // One of them fails at first, another one for good.
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_CUT_BODY, .times = 2});
    CHECK_OK(vs_file_read_many(file, ranges, count, &err), err);
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_STATUS, .status = 403, .times = 1000});
    CHECK_STATUS(vs_file_read_many(file, ranges, count, &err), VS_DENIED);
    mock_s3_fault(f.mock, (struct mock_fault){0});
    ranges[0].offset = BIG;
    CHECK_STATUS(vs_file_read_many(file, ranges, count, &err), VS_CORRUPT);
    free(dst);
    vs_file_close(file);
    s3_end(&f);
}

static void case_changed_while_read(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    uint8_t byte[2000];
    begin_with_big(&f, NULL);
    REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
    mock_s3_put(f.mock, "w/big", "other");
    CHECK_STATUS(vs_file_read(file, 100, 10, byte, &err), VS_CORRUPT);
    CHECK(strstr(err.message, "changed while it was read") != NULL);
    struct vs_range ranges[2] = {{0, 10, byte}, {MIB, 10, byte + 10}};
    CHECK_STATUS(vs_file_read_many(file, ranges, 2, &err), VS_CORRUPT);
    mock_s3_put(f.mock, "w/big", NULL);
    CHECK_STATUS(vs_file_read(file, 100, 10, byte, &err), VS_NOT_FOUND);
    vs_file_close(file);
    s3_end(&f);
}

static void case_wrong_answers(void)
{
    static const struct {
        struct mock_fault fault;
        enum vs_status expected;
        const char *needle;
    } rows[] = {
        {{.kind = MOCK_CUT_BODY, .times = 3}, VS_OK, ""},
        {{.kind = MOCK_DROP_AFTER, .times = 3}, VS_OK, ""},
        {{.kind = MOCK_NO_RANGE, .times = 1000}, VS_UNSUPPORTED, "read of a part"},
        {{.kind = MOCK_OTHER_RANGE, .times = 1000}, VS_CORRUPT, "were asked for, but"},
        {{.kind = MOCK_CUT_BODY, .times = 1000}, VS_UNAVAILABLE, "after 8 attempts"},
        {{.kind = MOCK_STATUS, .status = 200, .times = 1000}, VS_UNSUPPORTED, "read of a part"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s3_fixture f;
        struct vs_error err;
        struct vs_file *file = NULL;
        uint8_t bytes[1000];
        begin_with_big(&f, NULL);
        REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
        mock_s3_fault(f.mock, rows[i].fault);
        enum vs_status status = vs_file_read(file, 5000, 1000, bytes, &err);
        CHECK_INT(status, rows[i].expected);
        if (status == VS_OK) {
            CHECK(memcmp(bytes, big_bytes() + 5000, 1000) == 0);
        } else if (strstr(err.message, rows[i].needle) == NULL) {
            CHECK_TEXT(err.message, rows[i].needle);
        }
        vs_file_close(file);
        s3_end(&f);
    }
}

static void case_opening_against_a_store_without_ranges(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    begin_with_big(&f, NULL);
    mock_s3_put(f.mock, "w/small", "whole");
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_NO_RANGE, .times = 1000});
    CHECK_STATUS(vs_file_open(f.store, "big", &file, &err), VS_UNSUPPORTED);
    REQUIRE_OK(vs_file_open(f.store, "small", &file, &err), err);
    CHECK_INT(file->size, 5); // a whole object is as good
    vs_file_close(file);
    s3_end(&f);
}

// A refusal of the suffix range that does not tell the size does not mean an empty object.
static void case_refused_suffix(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    const struct mock_fault refuse = {
        .method = "GET", .kind = MOCK_STATUS, .status = 416, .code = "InvalidRange", .times = 1};
    char bytes[8] = "";
    begin_with_big(&f, NULL);
    mock_s3_put(f.mock, "w/small", "whole");
    mock_s3_put(f.mock, "w/empty", "");
    mock_s3_fault(f.mock, refuse);
    REQUIRE_OK(vs_file_open(f.store, "small", &file, &err), err);
    CHECK_INT(file->size, 5);
    CHECK_OK(vs_file_read(file, 0, 5, bytes, &err), err);
    CHECK_TEXT(bytes, "whole");
    vs_file_close(file);
    mock_s3_fault(f.mock, refuse);
    REQUIRE_OK(vs_file_open(f.store, "empty", &file, &err), err);
    CHECK_INT(file->size, 0);
    vs_file_close(file);
    mock_s3_fault(f.mock, refuse);
    CHECK_STATUS(vs_file_open(f.store, "big", &file, &err), VS_UNSUPPORTED);
    s3_end(&f);
}

static void case_checksums(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    struct vs_buf buf;
    char headers[4000];
    struct vs_pair more[] = {{VS_STR("s3.checksum"), VS_STR("crc32c")}, {{NULL, 0}, {NULL, 0}}};
    s3_begin_with(&f, (struct mock_s3_options){.send_crc = true}, more);
    vs_buf_init(&buf, &f.test.env, MIB);
    CHECK_OK(vs_store_put(f.store, "a", VS_STR("123456789"), VS_PUT_ANY, &err), err);
    mock_s3_last_headers(f.mock, "PUT", headers, sizeof headers);
    // CRC-32C of "123456789" is E3069283 (RFC 3720).
    CHECK(strstr(headers, "x-amz-checksum-crc32c:4waSgw==\n") != NULL);
    s3_check_content(&f, "a", "123456789");
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_FLIP_BIT, .times = 1});
    CHECK_STATUS(vs_store_get(f.store, "a", &buf, &err), VS_CORRUPT);
    CHECK(strstr(err.message, "CRC-32C 4waSgw==") != NULL);
    REQUIRE_OK(vs_file_open(f.store, "a", &file, &err), err);
    vs_file_close(file);
    vs_buf_clear(&buf);
    s3_end(&f);
}

static void case_hedged_reads(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    uint8_t bytes[2000];
    struct vs_pair more[] = {{VS_STR("s3.hedge-ms"), VS_STR("20")}, {{NULL, 0}, {NULL, 0}}};
    begin_with_big(&f, more);
    REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
    int64_t start = vs_monotonic_ns(&f.test.env);
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_DELAY, .delay_ms = 600, .times = 1});
    CHECK_OK(vs_file_read(file, 5000, 1000, bytes, &err), err);
    CHECK(vs_monotonic_ns(&f.test.env) - start < 400 * 1000000LL);
    CHECK(memcmp(bytes, big_bytes() + 5000, 1000) == 0);
    CHECK_INT(mock_s3_count(f.mock, "GET"), 3); // opening, the read, the same again
    struct vs_range ranges[2] = {{0, 1000, bytes}, {MIB, 1000, bytes + 1000}};
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_DELAY, .delay_ms = 300, .times = 2});
    CHECK_OK(vs_file_read_many(file, ranges, 2, &err), err);
    CHECK(memcmp(bytes + 1000, big_bytes() + MIB, 1000) == 0);
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_STATUS, .status = 403, .times = 9});
    CHECK_STATUS(vs_file_read(file, 9000, 1000, bytes, &err), VS_DENIED);
    vs_file_close(file);
    s3_end(&f);
}

struct reader {
    struct vs_file *file;
    unsigned seed;
    bool ok;
};

static void *run_reader(void *arg)
{
    struct reader *reader = (struct reader *)arg;
    uint8_t bytes[5000];
    reader->ok = true;
    for (size_t i = 0; i < 200; i++) {
        reader->seed = reader->seed * 1103515245u + 12345u;
        uint64_t offset = i % 3 == 0 ? (reader->seed >> 3) % (BIG - 5000) : i * 5000;
        reader->ok = reader->ok && vs_file_read(reader->file, offset, 5000, bytes, NULL) == VS_OK &&
                     memcmp(bytes, big_bytes() + offset, 5000) == 0;
    }
    return NULL;
}

static void case_one_file_many_threads(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    struct reader readers[6];
    pthread_t threads[6];
    begin_with_big(&f, NULL);
    REQUIRE_OK(vs_file_open(f.store, "big", &file, &err), err);
    for (unsigned i = 0; i < 6; i++) {
        readers[i] = (struct reader){file, i + 1, false};
        CHECK_INT(pthread_create(&threads[i], NULL, run_reader, &readers[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        (void)pthread_join(threads[i], NULL);
        CHECK(readers[i].ok);
    }
    vs_file_close(file);
    s3_end(&f);
}

static void case_price(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_buf buf;
    struct vs_pair more[] = {{VS_STR("s3.price.put-usd-per-1000"), VS_STR("5")},
                             {VS_STR("s3.price.get-usd-per-1000"), VS_STR("0.5")},
                             {{NULL, 0}, {NULL, 0}}};
    s3_begin_with(&f, (struct mock_s3_options){0}, more);
    vs_buf_init(&buf, &f.test.env, MIB);
    CHECK_OK(vs_store_put(f.store, "a", VS_STR("12345"), VS_PUT_ANY, &err), err);
    CHECK_OK(vs_store_get(f.store, "a", &buf, &err), err);
    CHECK_OK(vs_store_get(f.store, "a", &buf, &err), err);
    CHECK_OK(vs_store_remove(f.store, "a", &err), err);
    struct vs_store_counters counters = vs_store_count(f.store);
    CHECK_INT(counters.requests, 4);
    CHECK_INT(counters.bytes_read, 10);
    CHECK_INT(counters.bytes_written, 5);
    CHECK_NEAR(counters.usd, 0.005 + 2 * 0.0005, 1e-9);
    vs_buf_clear(&buf);
    s3_end(&f);
}

TEST_MAIN(TEST(case_tail_comes_with_opening),
          TEST(case_opening_by_size),
          TEST(case_sizes_around_the_tail),
          TEST(case_sequential_reads_ahead),
          TEST(case_random_reads_fetch_what_is_asked),
          TEST(case_many_ranges),
          TEST(case_changed_while_read),
          TEST(case_wrong_answers),
          TEST(case_opening_against_a_store_without_ranges),
          TEST(case_refused_suffix),
          TEST(case_checksums),
          TEST(case_hedged_reads),
          TEST(case_one_file_many_threads),
          TEST(case_price))
