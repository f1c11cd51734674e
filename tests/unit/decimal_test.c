// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/decimal.h"

#define NINES "99999999999999999999999999999999999999" // 38

static void check_round_trip(const char *text, int precision, int scale, const char *formatted)
{
    struct vs_error err;
    vs_int128 value = 0;
    char out[VS_DECIMAL_TEXT_SIZE];
    CHECK_OK(vs_decimal_parse(vs_str_from_c(text), precision, scale, &value, &err), err);
    vs_decimal_format(value, scale, out);
    CHECK_TEXT(out, formatted);
    uint8_t bytes[16];
    size_t n = vs_decimal_store_be_minimal(value, bytes);
    CHECK(n >= 1 && n <= 16 && vs_decimal_load_be(bytes, n) == value);
    vs_decimal_store_be(value, bytes, 16);
    CHECK(vs_decimal_load_be(bytes, 16) == value);
}

static void case_texts(void)
{
    check_round_trip("12.5", 9, 2, "12.50");
    check_round_trip("-12.5", 9, 2, "-12.50");
    check_round_trip("+0.05", 9, 2, "0.05");
    check_round_trip("-0.05", 9, 2, "-0.05");
    check_round_trip("0", 1, 0, "0");
    check_round_trip("-0", 9, 3, "0.000");
    check_round_trip(".5", 9, 1, "0.5");
    check_round_trip("7.", 9, 0, "7");
    check_round_trip("0012.500", 3, 1, "12.5"); // zeros at both ends carry no digits
    check_round_trip(NINES, 38, 0, NINES);
    check_round_trip("-" NINES, 38, 0, "-" NINES);
    check_round_trip("0." NINES, 38, 38, "0." NINES);
    check_round_trip("-0." NINES, 38, 38, "-0." NINES);
    struct vs_error err;
    vs_int128 value = 0;
    CHECK_OK(vs_decimal_parse(VS_STR("12.5"), 9, 2, &value, &err), err);
    CHECK(value == 1250);
}

static void case_bad_texts(void)
{
    static const struct {
        const char *text;
        int precision, scale;
    } rows[] = {
        {"", 9, 2},         {"-", 9, 2},
        {".", 9, 2},        {"1.2.3", 9, 2},
        {"1e3", 9, 2},      {"1.005", 9, 2},
        {"1000", 3, 0},     {"10", 2, 1},
        {"abc", 9, 2},      {"1 ", 9, 2},
        {"9" NINES, 38, 0}, {NINES "9", 38, 0},
        {"1", 38, 38},      {"0." NINES "9", 38, 38},
        {"1", 0, 0},        {"1", 39, 0},
        {"1", 9, -1},       {"1", 9, 39},
        {"--1", 9, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err;
        vs_int128 value = 77;
        CHECK_STATUS(vs_decimal_parse(vs_str_from_c(rows[i].text), rows[i].precision, rows[i].scale,
                                      &value, &err),
                     VS_INVALID);
        CHECK(value == 77);
    }
}

// Iceberg, appendix D: minimal two's complement, big-endian.
static void case_minimal_bytes(void)
{
    static const struct {
        long long value;
        size_t n;
        uint8_t bytes[9];
    } rows[] = {
        {0, 1, {0}},
        {1, 1, {1}},
        {-1, 1, {0xFF}},
        {127, 1, {0x7F}},
        {128, 2, {0, 0x80}},
        {-128, 1, {0x80}},
        {-129, 2, {0xFF, 0x7F}},
        {1420, 2, {0x05, 0x8C}}, // 14.20
        {-32768, 2, {0x80, 0}},
        {INT64_MAX, 8, {0x7F, 255, 255, 255, 255, 255, 255, 255}},
        {INT64_MIN, 8, {0x80, 0, 0, 0, 0, 0, 0, 0}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[16];
        size_t n = vs_decimal_store_be_minimal(rows[i].value, bytes);
        CHECK_INT(n, rows[i].n);
        CHECK(memcmp(bytes, rows[i].bytes, rows[i].n) == 0);
        CHECK(vs_decimal_load_be(rows[i].bytes, rows[i].n) == rows[i].value);
    }
    vs_int128 least = (vs_int128)1 << 126;
    least = -least - least;
    uint8_t bytes[20];
    CHECK_INT(vs_decimal_store_be_minimal(least, bytes), 16);
    CHECK(bytes[0] == 0x80 && vs_decimal_load_be(bytes, 16) == least);
    char text[VS_DECIMAL_TEXT_SIZE];
    vs_decimal_format(least, 0, text);
    CHECK_TEXT(text, "-170141183460469231731687303715884105728");
    vs_decimal_format(least, 38, text);
    CHECK_TEXT(text, "-1.70141183460469231731687303715884105728");
    vs_decimal_store_be(-2, bytes, 20); // wider than 128 bits: the sign is carried on
    CHECK(bytes[0] == 0xFF && bytes[18] == 0xFF && bytes[19] == 0xFE);
    vs_decimal_store_be(-2, bytes, 1);
    CHECK_INT(bytes[0], 0xFE);
    CHECK(vs_decimal_load_be(bytes, 0) == 0 && vs_decimal_load_be(bytes, 17) == 0);
}

TEST_MAIN(TEST(case_texts), TEST(case_bad_texts), TEST(case_minimal_bytes))
