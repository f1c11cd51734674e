// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/json.h"

#include <locale.h>
#include <stdlib.h>

static void write_sample(struct vs_json_writer *w)
{
    vs_jw_object_begin(w);
    vs_jw_key(w, "n");
    vs_jw_i64(w, INT64_MIN);
    vs_jw_key(w, "u");
    vs_jw_u64(w, UINT64_MAX);
    vs_jw_key(w, "list");
    vs_jw_array_begin(w);
    vs_jw_bool(w, true);
    vs_jw_null(w);
    vs_jw_c(w, "x");
    vs_jw_object_begin(w);
    vs_jw_object_end(w);
    vs_jw_array_begin(w);
    vs_jw_array_end(w);
    vs_jw_array_end(w);
    vs_jw_key_str(w, VS_STR("raw"));
    vs_jw_raw(w, VS_STR("[1,2]"));
    vs_jw_object_end(w);
}

static void case_documents(void)
{
    struct vs_error err;
    struct vs_buf out;
    struct vs_json_writer w;
    vs_buf_init(&out, vs_env_default(), 10000);
    vs_json_writer_init(&w, &out, false);
    write_sample(&w);
    CHECK_OK(vs_json_writer_finish(&w, &err), err);
    CHECK_TEXT(vs_buf_c_str(&out), "{\"n\":-9223372036854775808,\"u\":18446744073709551615,"
                                   "\"list\":[true,null,\"x\",{},[]],\"raw\":[1,2]}");
    vs_buf_reset(&out);
    vs_json_writer_init(&w, &out, true);
    write_sample(&w);
    CHECK_OK(vs_json_writer_finish(&w, &err), err);
    CHECK_TEXT(vs_buf_c_str(&out),
               "{\n  \"n\": -9223372036854775808,\n  \"u\": 18446744073709551615,\n  \"list\": [\n"
               "    true,\n    null,\n    \"x\",\n    {},\n    []\n  ],\n  \"raw\": [1,2]\n}");
    vs_buf_clear(&out);
}

static void check_string(struct vs_str text, const char *expected)
{
    struct vs_error err;
    struct vs_buf out;
    struct vs_json_writer w;
    vs_buf_init(&out, vs_env_default(), 10000);
    vs_json_writer_init(&w, &out, false);
    vs_jw_str(&w, text);
    CHECK_OK(vs_json_writer_finish(&w, &err), err);
    CHECK_TEXT(vs_buf_c_str(&out), expected);
    vs_buf_clear(&out);
}

static void case_strings(void)
{
    check_string(VS_STR(""), "\"\"");
    check_string(VS_STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    check_string(VS_STR("\b\f\n\r\t\x01\x1F\x7F"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\"");
    check_string((struct vs_str){"a\0b", 3}, "\"a\\u0000b\"");
    check_string(VS_STR("\xC3\xA9\xF0\x9F\x98\x80"), "\"\xC3\xA9\xF0\x9F\x98\x80\"");
    check_string(VS_STR("a\xFF"
                        "b\xE2\x82"),
                 "\"a\xEF\xBF\xBD"
                 "b\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

// Every ASCII character at every place of a string that is longer than what is looked at at once.
static void case_every_character_everywhere(void)
{
    static const char escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (int c = 0; c < 128; c++) {
        for (size_t at = 0; at < 19; at++) {
            char text[] = "abcdefghi klmnop~rs";
            char expected[40];
            const char *pair = c != 0 ? memchr(escapes, c, sizeof escapes - 1) : NULL;
            bool is_short = pair != NULL && (pair - escapes) % 2 == 0;
            text[at] = (char)c;
            int len = snprintf(expected, sizeof expected, "\"%.*s", (int)at, text);
            if (is_short) {
                len += snprintf(expected + len, sizeof expected - (size_t)len, "\\%c", pair[1]);
            } else if (c < 0x20) {
                len += snprintf(expected + len, sizeof expected - (size_t)len, "\\u%04x", c);
            } else {
                expected[len++] = (char)c;
            }
            (void)snprintf(expected + len, sizeof expected - (size_t)len, "%s\"", text + at + 1);
            check_string((struct vs_str){text, sizeof text - 1}, expected);
        }
    }
}

static void check_integer(uint64_t value)
{
    char text[80], expected[80];
    struct vs_buf out;
    struct vs_json_writer w;
    vs_buf_init(&out, vs_env_default(), sizeof text);
    vs_json_writer_init(&w, &out, false);
    vs_jw_array_begin(&w);
    vs_jw_u64(&w, value);
    vs_jw_i64(&w, (int64_t)value);
    vs_jw_i64(&w, (int64_t)(0 - value));
    vs_jw_array_end(&w);
    CHECK_STATUS(vs_json_writer_finish(&w, NULL), VS_OK);
    snprintf(text, sizeof text, "%.*s", VS_STR_ARG(vs_buf_view(&out)));
    snprintf(expected, sizeof expected, "[%llu,%lld,%lld]", (unsigned long long)value,
             (long long)value, (long long)(0 - value));
    CHECK_TEXT(text, expected);
    vs_buf_clear(&out);
}

static void case_integers(void)
{
    uint64_t power = 1, state = 1;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        check_integer(power - 1);
        check_integer(power);
        check_integer(power + 1);
        check_integer(0 - power);
    }
    for (int i = 0; i < 2000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        check_integer(state >> (i % 64));
    }
}

static void number_text(double f64, float f32, bool is_f32, char out_text[64])
{
    struct vs_error err;
    struct vs_buf out;
    struct vs_json_writer w;
    vs_buf_init(&out, vs_env_default(), 1000);
    vs_json_writer_init(&w, &out, false);
    if (is_f32) {
        vs_jw_f32(&w, f32);
    } else {
        vs_jw_f64(&w, f64);
    }
    CHECK_OK(vs_json_writer_finish(&w, &err), err);
    (void)snprintf(out_text, 64, "%s", vs_buf_c_str(&out));
    vs_buf_clear(&out);
}

static size_t count_digits(const char *text)
{
    size_t count = 0;
    size_t zeros = 0; // trailing
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (count > 0 || *text != '0')) {
            count++;
            zeros = *text == '0' ? zeros + 1 : 0;
        }
    }
    return count - zeros;
}

// Reads back equal, is valid JSON, and has no more digits than the shortest of printf.
static void check_f64(double value)
{
    char text[64];
    char shortest[64];
    struct vs_json_doc *doc = NULL;
    struct vs_error err;
    double back = 0;
    number_text(value, 0, false, text);
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(shortest, sizeof shortest, "%.*e", digits - 1, value);
        if (strtod(shortest, NULL) == value) {
            break;
        }
    }
    REQUIRE_OK(vs_json_parse(vs_env_default(), vs_str_from_c(text), "n", NULL, &doc, &err), err);
    CHECK(vs_json_to_f64(vs_json_root(doc), &back) && memcmp(&back, &value, sizeof back) == 0);
    vs_json_free(doc);
    if (strtod(text, NULL) != value || count_digits(text) > count_digits(shortest)) {
        fprintf(stderr, "%s against %s\n", text, shortest);
        CHECK(false);
    }
}

static void check_f32(float value)
{
    char text[64];
    char shortest[64];
    number_text(0, value, true, text);
    for (int digits = 1; digits <= 9; digits++) {
        (void)snprintf(shortest, sizeof shortest, "%.*e", digits - 1, (double)value);
        if (strtof(shortest, NULL) == value) {
            break;
        }
    }
    if (strtof(text, NULL) != value || count_digits(text) > count_digits(shortest)) {
        fprintf(stderr, "%s against %s\n", text, shortest);
        CHECK(false);
    }
}

static void case_known_numbers(void)
{
    static const struct {
        double value;
        const char *f64;
        const char *f32;
    } rows[] = {
        {0, "0", "0"},
        {-0.0, "-0.0", "-0.0"},
        {1, "1", "1"},
        {-1.5, "-1.5", "-1.5"},
        {0.1, "0.1", "0.1"},
        {0.873, "0.873", "0.873"},
        {100000, "100000", "100000"},
        {123456.75, "123456.75", "123456.75"},
        {1e15, "1000000000000000.0", "1e+15"},
        {0.00001, "0.00001", "1e-05"},
        {1e-6, "0.000001", "1e-06"},
        {1.0 / 3, "0.3333333333333333", "0.33333334"},
        {16777216, "16777216", "16777216"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        number_text(rows[i].value, 0, false, text);
        CHECK_TEXT(text, rows[i].f64);
        number_text(0, (float)rows[i].value, true, text);
        CHECK_TEXT(text, rows[i].f32);
    }
    char text[64];
    number_text((double)NAN, 0, false, text);
    CHECK_TEXT(text, "null");
    number_text(0, -INFINITY, true, text);
    CHECK_TEXT(text, "null");
}

static void check_many_numbers(uint64_t seed, int count)
{
    for (int i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        double f64;
        float f32;
        uint64_t bits = seed ^ (seed >> 29);
        uint32_t low = (uint32_t)(seed >> 32);
        memcpy(&f64, &bits, sizeof f64);
        memcpy(&f32, &low, sizeof f32);
        if (isfinite(f64)) {
            check_f64(f64);
        }
        if (isfinite(f32)) {
            check_f32(f32);
        }
        double unit = (double)(seed >> 11) / 9007199254740992.0;
        check_f64(unit);
        check_f32((float)unit);
        check_f32((float)(unit * 2 - 1));
        check_f64((double)(int64_t)(unit * 100000) / 100);
        check_f64((double)(int64_t)(unit * 1e17));
        check_f32((float)(int64_t)(unit * 1e9));
    }
}

static void case_many_numbers(void)
{
    static const double edges[] = {4.9e-324,
                                   2.2250738585072014e-308,
                                   1.7976931348623157e308,
                                   9007199254740991.0,
                                   9007199254740993.0,
                                   1e22,
                                   1e23,
                                   5e-5,
                                   999999999999999.0,
                                   0.1 + 0.2,
                                   9.999999999999999e-6};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        check_f64(edges[i]);
        check_f64(-edges[i]);
        if (isfinite((float)edges[i])) {
            check_f32((float)edges[i]);
        }
    }
    check_many_numbers(42, 5000);
}

static void case_locale_does_not_matter(void)
{
    char text[64];
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        SKIP("no locale with a decimal comma is installed");
    }
    number_text(1.0 / 3 * 1e-9, 0, false, text);
    (void)setlocale(LC_ALL, "C");
    CHECK(strchr(text, ',') == NULL && strchr(text, '.') != NULL);
}

static void case_misuse_is_reported(void)
{
    struct vs_error err;
    struct vs_buf out;
    struct vs_json_writer w;
    vs_buf_init(&out, vs_env_default(), 1000);
    vs_json_writer_init(&w, &out, false);
    vs_jw_array_begin(&w);
    CHECK_STATUS(vs_json_writer_finish(&w, &err), VS_INTERNAL);
    vs_json_writer_init(&w, &out, false);
    vs_jw_array_end(&w);
    CHECK_STATUS(vs_json_writer_finish(&w, &err), VS_INTERNAL);
    vs_json_writer_init(&w, &out, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "a");
    vs_jw_object_end(&w);
    CHECK_STATUS(vs_json_writer_finish(&w, &err), VS_INTERNAL);
    vs_json_writer_init(&w, &out, false);
    for (int i = 0; i < 60; i++) {
        vs_jw_array_begin(&w);
    }
    for (int i = 0; i < 60; i++) {
        vs_jw_array_end(&w);
    }
    CHECK_OK(vs_json_writer_finish(&w, &err), err);
    for (int i = 0; i < 61; i++) {
        vs_jw_array_begin(&w);
    }
    CHECK_STATUS(vs_json_writer_finish(&w, &err), VS_LIMIT);
    vs_buf_clear(&out);
    vs_buf_init(&out, vs_env_default(), 10);
    vs_json_writer_init(&w, &out, false);
    write_sample(&w);
    CHECK_STATUS(vs_json_writer_finish(&w, NULL), VS_LIMIT); // of the buffer
    vs_buf_clear(&out);
}

TEST_MAIN(TEST(case_documents),
          TEST(case_strings),
          TEST(case_every_character_everywhere),
          TEST(case_integers),
          TEST(case_known_numbers),
          TEST(case_many_numbers),
          TEST(case_locale_does_not_matter),
          TEST(case_misuse_is_reported))
