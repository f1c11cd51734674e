// SPDX-License-Identifier: Apache-2.0
// Blocks that pyarrow and Python's zlib and gzip made of "vecstore " * 8, and round trips.
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/format/codec.h"

#include <stdlib.h>

#define PLAIN "vecstore vecstore vecstore vecstore vecstore vecstore vecstore vecstore "
#define PLAIN_LEN 72

static const struct {
    enum vs_codec codec;
    const char *hex;
} vectors[] = {
    {VS_CODEC_SNAPPY, "482076656373746f726520fa0900"},
    {VS_CODEC_ZSTD, "28b52ffd20487d00004876656373746f7265200100a4548e"},
    {VS_CODEC_LZ4_RAW, "9f76656373746f72652009002750746f726520"},
    {VS_CODEC_BROTLI, "1b470000a441c6caecd427cf14a33af3a913"},
    // two members
    {VS_CODEC_GZIP, "1f8b08000000000002032b4b4d2e2ec92f4a5528c3cd00008d73da39240000001f8b0800000000"
                    "0002032b4b4d2e2ec92f4a5528c3cd00008d73da3924000000"},
    {VS_CODEC_DEFLATE_RAW, "2b4b4d2e2ec92f4a5528a38c0100"},
};

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[2 * n] != '\0'; n++) {
        const char digits[3] = {hex[2 * n], hex[2 * n + 1], '\0'};
        out[n] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return n;
}

static void case_vectors(void)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t bytes[200];
        char plain[PLAIN_LEN + 1] = "";
        struct vs_error err = {0};
        struct vs_buf out;
        enum vs_codec codec = vectors[i].codec;
        size_t n = from_hex(vectors[i].hex, bytes);
        CHECK_OK(vs_codec_decompress(vs_env_default(), codec, bytes, n, plain, PLAIN_LEN, &err),
                 err);
        CHECK_TEXT(plain, PLAIN);
        CHECK_STATUS(
            vs_codec_decompress(vs_env_default(), codec, bytes, n, plain, PLAIN_LEN - 1, &err),
            VS_CORRUPT);
        CHECK_STATUS(
            vs_codec_decompress(vs_env_default(), codec, bytes, n, plain, PLAIN_LEN + 1, &err),
            VS_CORRUPT);
        CHECK_STATUS(
            vs_codec_decompress(vs_env_default(), codec, bytes, n - 1, plain, PLAIN_LEN, &err),
            VS_CORRUPT);
        CHECK_STATUS(vs_codec_decompress(vs_env_default(), codec, bytes, 0, plain, PLAIN_LEN, &err),
                     VS_CORRUPT);
        CHECK(strstr(err.message, vs_codec_name(codec)) != NULL);
        vs_buf_init(&out, vs_env_default(), 1000);
        CHECK_OK(vs_buf_append(&out, "<", 1, &err), err);
        CHECK_OK(vs_codec_decompress_stream(codec, bytes, n, &out, &err), err);
        CHECK(out.len == PLAIN_LEN + 1 && memcmp(out.data, "<" PLAIN, out.len) == 0);
        enum vs_status cut = vs_codec_decompress_stream(codec, bytes, n - 1, &out, &err);
        CHECK(cut == VS_CORRUPT ||
              (cut == VS_LIMIT && codec == VS_CODEC_LZ4_RAW)); // a raw LZ4 block cannot tell
        CHECK_INT(out.len, PLAIN_LEN + 1);
        vs_buf_clear(&out);
        vs_buf_init(&out, vs_env_default(), 20);
        CHECK_STATUS(vs_codec_decompress_stream(codec, bytes, n, &out, &err), VS_LIMIT);
        CHECK_INT(out.len, 0);
        vs_buf_clear(&out);
    }
}

static enum vs_status round_trip(const struct vs_env *env,
                                 enum vs_codec codec,
                                 const uint8_t *bytes,
                                 size_t n)
{
    struct vs_buf packed, plain;
    vs_buf_init(&packed, env, 1 << 24);
    vs_buf_init(&plain, env, 1 << 24);
    enum vs_status status = vs_codec_compress(codec, 0, bytes, n, &packed, NULL);
    if (status == VS_OK) {
        status = vs_buf_reserve(&plain, n + 1, NULL);
    }
    if (status == VS_OK) {
        status = vs_codec_decompress(env, codec, packed.data, packed.len, plain.data, n, NULL);
        CHECK(status != VS_OK || n == 0 || memcmp(plain.data, bytes, n) == 0);
    }
    if (status == VS_OK) {
        status = vs_codec_decompress_stream(codec, packed.data, packed.len, &plain, NULL);
        CHECK(status != VS_OK || (plain.len == n && (n == 0 || memcmp(plain.data, bytes, n) == 0)));
    }
    vs_buf_clear(&packed);
    vs_buf_clear(&plain);
    return status;
}

static void case_round_trips(void)
{
    static uint8_t bytes[300000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * i / 7 >> (i % 5));
    }
    static const size_t sizes[] = {0, 1, 100, 65536, sizeof bytes};
    for (enum vs_codec codec = VS_CODEC_NONE; codec <= VS_CODEC_BROTLI; codec++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            CHECK_INT(round_trip(vs_env_default(), codec, bytes, sizes[i]), VS_OK);
        }
        for (long n = 0;; n++) {
            struct test_env test;
            test_env_init(&test);
            test.fail_at = n;
            test.fail_on = true;
            enum vs_status status = round_trip(&test.env, codec, bytes, 70000);
            CHECK_INT(test.live, 0);
            CHECK_INT(status, test.failed ? VS_NO_MEMORY : VS_OK);
            if (status != (test.failed ? VS_NO_MEMORY : VS_OK)) {
                fprintf(stderr, "    %s, allocation %ld\n", vs_codec_name(codec), n);
            }
            if (!test.failed) {
                break;
            }
        }
    }
}

// A few bytes that claim gigabytes must not get them.
static void case_bombs(void)
{
    static const uint8_t snappy[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00};
    static uint8_t zeros[1 << 20];
    struct vs_buf packed, out;
    vs_buf_init(&out, vs_env_default(), 100000);
    CHECK_STATUS(vs_codec_decompress_stream(VS_CODEC_SNAPPY, snappy, sizeof snappy, &out, NULL),
                 VS_CORRUPT);
    CHECK_INT(out.capacity, 0);
    for (enum vs_codec codec = VS_CODEC_SNAPPY; codec <= VS_CODEC_BROTLI; codec++) {
        vs_buf_init(&packed, vs_env_default(), 1 << 21);
        CHECK_INT(vs_codec_compress(codec, 0, zeros, sizeof zeros, &packed, NULL), VS_OK);
        CHECK_STATUS(vs_codec_decompress_stream(codec, packed.data, packed.len, &out, NULL),
                     VS_LIMIT);
        CHECK(out.capacity <= 100000);
        vs_buf_clear(&packed);
    }
    vs_buf_clear(&out);
}

static void case_crc32(void)
{
    CHECK_INT(vs_crc32_zlib(0, "123456789", 9), 0xcbf43926);
    CHECK_INT(vs_crc32_zlib(vs_crc32_zlib(0, "1234", 4), "56789", 5), 0xcbf43926);
    CHECK_INT(vs_crc32_zlib(0, NULL, 0), 0);
}

TEST_MAIN(TEST(case_vectors), TEST(case_round_trips), TEST(case_bombs), TEST(case_crc32))
