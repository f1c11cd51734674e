// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/str.h"

#include <locale.h>

static struct vs_str text_of(const char *text)
{
    return vs_str_from_c(text);
}

static void case_compare_and_search(void)
{
    CHECK(vs_str_equal(text_of("abc"), VS_STR("abc")) &&
          !vs_str_equal(text_of("abc"), VS_STR("abd")));
    CHECK(vs_str_equal_c((struct vs_str){NULL, 0}, "") && vs_str_from_c(NULL).len == 0);
    CHECK(vs_str_equal_nocase(VS_STR("AbC-\xC3\x84"), VS_STR("aBc-\xC3\x84")));
    CHECK(!vs_str_equal_nocase(VS_STR("@"), VS_STR("`")));
    CHECK(vs_str_compare(VS_STR("a"), VS_STR("ab")) < 0);
    CHECK(vs_str_compare(VS_STR("b"), VS_STR("ab")) > 0);
    CHECK(vs_str_compare(VS_STR("\xFF"), VS_STR("a")) > 0);
    CHECK(vs_str_compare(VS_STR(""), (struct vs_str){NULL, 0}) == 0);
    CHECK(vs_str_starts_with(VS_STR("abc"), VS_STR("ab")) &&
          !vs_str_starts_with(VS_STR("a"), VS_STR("ab")));
    CHECK(vs_str_ends_with(VS_STR("abc"), VS_STR("bc")) &&
          vs_str_ends_with(VS_STR(""), VS_STR("")));
    CHECK(!vs_str_ends_with(VS_STR("abc"), VS_STR("b")));
    CHECK(vs_str_equal_c(vs_str_trim(VS_STR(" \t\r\n a b \v\f")), "a b"));
    CHECK_INT(vs_str_trim(VS_STR("   ")).len, 0);
    struct vs_str left = VS_STR("kept");
    struct vs_str right = VS_STR("kept");
    CHECK(!vs_str_split(VS_STR("abc"), ',', &left, &right) && vs_str_equal_c(left, "kept"));
    CHECK(vs_str_split(VS_STR("a,b,c"), ',', &left, &right));
    CHECK(vs_str_equal_c(left, "a") && vs_str_equal_c(right, "b,c"));
    CHECK(vs_str_split(VS_STR(","), ',', &left, &right) && left.len == 0 && right.len == 0);
}

static void case_integers(void)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"+7", true, 7},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x10", false, 0},
        {"--1", false, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err;
        int64_t value = 55;
        CHECK_STATUS(vs_parse_i64(text_of(rows[i].text), &value, &err),
                     rows[i].good ? VS_OK : VS_INVALID);
        CHECK_INT(value, rows[i].good ? rows[i].value : 55);
    }
    uint64_t value = 55;
    struct vs_error err;
    CHECK_OK(vs_parse_u64(VS_STR("18446744073709551615"), &value, &err), err);
    CHECK(value == UINT64_MAX);
    CHECK_STATUS(vs_parse_u64(VS_STR("18446744073709551616"), &value, &err), VS_INVALID);
    CHECK_STATUS(vs_parse_u64(VS_STR("-1"), &value, &err), VS_INVALID);
    CHECK_TEXT(err.message, "\"-1\" is not an unsigned 64-bit integer");
}

static void check_reals(void)
{
    static const struct {
        const char *text;
        bool good;
        double value;
    } rows[] = {
        {"1.5", true, 1.5},  {"-0.25", true, -0.25}, {"1e3", true, 1000},
        {".5", true, 0.5},   {"5.", true, 5},        {"+2E-1", true, 0.2},
        {"1e-400", true, 0}, {"1e400", false, 0},    {"", false, 0},
        {".", false, 0},     {"1e", false, 0},       {"nan", false, 0},
        {"inf", false, 0},   {"0x1p3", false, 0},    {"1,5", false, 0},
        {"1.5x", false, 0},  {" 1", false, 0},       {"4.9e-324", true, 4.9e-324},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err;
        double value = 55;
        CHECK_STATUS(vs_parse_f64(text_of(rows[i].text), &value, &err),
                     rows[i].good ? VS_OK : VS_INVALID);
        CHECK(value == (rows[i].good ? rows[i].value : 55));
    }
}

static void case_reals_in_any_locale(void)
{
    check_reals();
    if (setlocale(LC_ALL, "de_DE.UTF-8") !=
        NULL) { // a locale with a decimal comma, where installed
        check_reals();
        (void)setlocale(LC_ALL, "C");
    }
}

static void case_sizes(void)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t bytes;
    } rows[] = {
        {"1536", true, 1536},
        {"64KiB", true, 65536},
        {"2GiB", true, 2147483648u},
        {"1.5GB", true, 1500000000u},
        {"1.5GiB", true, 1610612736u},
        {" 8 mib ", true, 8388608},
        {"4k", true, 4096},
        {"0", true, 0},
        {"16777215TiB", true, 16777215ull << 40},
        {"16777216TiB", false, 0},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"GiB", false, 0},
        {"1.GiB", false, 0},
        {".5GiB", false, 0},
        {"1.2.3k", false, 0},
        {"-1", false, 0},
        {"1XB", false, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err;
        uint64_t bytes = 55;
        CHECK_STATUS(vs_parse_size(text_of(rows[i].text), &bytes, &err),
                     rows[i].good ? VS_OK : VS_INVALID);
        CHECK(bytes == (rows[i].good ? rows[i].bytes : 55));
    }
}

// Independent decoder: every code point is encoded by hand and must be taken; the classic malformed
// forms must not.
static void case_utf8(void)
{
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC2",
        "\xC2\x41",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xE2\x82",
        "\xE2\x82\x41",
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF0\x9F\x98",
        "\xFE",
        "\xFF",
        "12345678\xFF",
        "abcdefg\xE2\x82",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(!vs_utf8_validate(text_of(bad[i])));
    }
    for (uint32_t c = 1; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 7) {
        char text[8] = {0};
        size_t len = 0;
        if (c < 0x80) {
            text[len++] = (char)c;
        } else if (c < 0x800) {
            text[len++] = (char)(0xC0 | c >> 6);
        } else if (c < 0x10000) {
            text[len++] = (char)(0xE0 | c >> 12);
            text[len++] = (char)(0x80 | (c >> 6 & 0x3F));
        } else {
            text[len++] = (char)(0xF0 | c >> 18);
            text[len++] = (char)(0x80 | (c >> 12 & 0x3F));
            text[len++] = (char)(0x80 | (c >> 6 & 0x3F));
        }
        if (c >= 0x80) {
            text[len++] = (char)(0x80 | (c & 0x3F));
        }
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        CHECK_INT(vs_utf8_validate((struct vs_str){text, len}), !surrogate);
    }
    CHECK(vs_utf8_validate(VS_STR("")) && vs_utf8_validate((struct vs_str){"a\0b", 3}));
}

TEST_MAIN(TEST(case_compare_and_search),
          TEST(case_integers),
          TEST(case_reals_in_any_locale),
          TEST(case_sizes),
          TEST(case_utf8))
