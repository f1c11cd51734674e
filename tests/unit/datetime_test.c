// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/datetime.h"

#include <stdio.h>
#include <time.h>

static void case_known_dates(void)
{
    static const struct {
        const char *text;
        int32_t days;
    } rows[] = {
        {"1970-01-01", 0},
        {"1969-12-31", -1},
        {"2000-02-29", 11016},
        {"2024-02-29", 19782},
        {"1900-03-01", -25508},
        {"0001-01-01", -719162},
        {"9999-12-31", 2932896},
        {"2025-01-31", 20119},
        {"0000-03-01", -719468},
        {"+10000-01-01", 2932897},
        {"-0001-12-31", -719529},
        {"+5881580-07-11", INT32_MAX},
        {"-5877641-06-23", INT32_MIN},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err;
        int32_t days = 1;
        char text[VS_DATETIME_TEXT_SIZE];
        CHECK_OK(vs_date_parse(vs_str_from_c(rows[i].text), &days, &err), err);
        CHECK_INT(days, rows[i].days);
        vs_date_format(rows[i].days, text);
        CHECK_TEXT(text, rows[i].text);
    }
}

// The C library's calendar is the other implementation.
static void case_every_day_like_libc(void)
{
    for (int64_t days = -719162; days <= 2932896; days += 1 + (days % 3 == 0) * 12) {
        struct vs_error err;
        time_t seconds = (time_t)days * 86400;
        struct tm tm;
        char expected[VS_DATETIME_TEXT_SIZE];
        char text[VS_DATETIME_TEXT_SIZE];
        int32_t back = 0;
        REQUIRE(gmtime_r(&seconds, &tm) != NULL);
        (void)snprintf(expected, sizeof expected, "%04d-%02d-%02d", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday);
        vs_date_format((int32_t)days, text);
        REQUIRE(strcmp(text, expected) == 0);
        REQUIRE_OK(vs_date_parse(vs_str_from_c(text), &back, &err), err);
        REQUIRE(back == days);
    }
}

static void case_bad_dates(void)
{
    static const char *const bad[] = {
        "",
        "2025",
        "2025-1-01",
        "2025-01-1",
        "2025-00-01",
        "2025-13-01",
        "2025-01-00",
        "2025-01-32",
        "2025-02-29",
        "1900-02-29",
        "2025-04-31",
        "2025/01/01",
        "2025-01-01 ",
        " 2025-01-01",
        "20250101",
        "10000-01-01",
        "2025-01-01T",
        "+5881580-07-12",
        "-5877641-06-22",
        "+9999999-01-01",
        "x",
        "-",
        "--2025-01-01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct vs_error err;
        int32_t days = 99;
        if (vs_date_parse(vs_str_from_c(bad[i]), &days, &err) != VS_INVALID || days != 99) {
            fprintf(stderr, "accepted \"%s\"\n", bad[i]);
            CHECK(false);
        }
    }
}

static void case_timestamps(void)
{
    static const struct {
        const char *text;
        int64_t micros;
        bool zone;
        const char *formatted; // with the zone when it had one
    } rows[] = {
        {"1970-01-01", 0, false, "1970-01-01T00:00:00"},
        {"1970-01-01T00:00:00Z", 0, true, "1970-01-01T00:00:00Z"},
        {"2025-01-31T10:20:30", 1738318830000000, false, "2025-01-31T10:20:30"},
        {"2025-01-31 10:20:30.123456", 1738318830123456, false, "2025-01-31T10:20:30.123456"},
        {"2025-01-31t10:20:30.5z", 1738318830500000, true, "2025-01-31T10:20:30.500000Z"},
        {"2025-01-31T10:20", 1738318800000000, false, "2025-01-31T10:20:00"},
        {"2025-01-31T10:20:30+02:00", 1738311630000000, true, "2025-01-31T08:20:30Z"},
        {"2025-01-31T10:20:30-0530", 1738338630000000, true, "2025-01-31T15:50:30Z"},
        {"2025-01-31 10:20:30 +02", 1738311630000000, true, "2025-01-31T08:20:30Z"},
        {"1969-12-31T23:59:59.999999", -1, false, "1969-12-31T23:59:59.999999"},
        {"0001-01-01T00:00:00", -62135596800000000, false, "0001-01-01T00:00:00"},
        {"9999-12-31T23:59:59.999999Z", 253402300799999999, true, "9999-12-31T23:59:59.999999Z"},
        {"2025-01-31T10:20:30.123456000", 1738318830123456, false, "2025-01-31T10:20:30.123456"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err;
        int64_t micros = 1;
        bool zone = !rows[i].zone;
        char text[VS_DATETIME_TEXT_SIZE];
        CHECK_OK(vs_timestamp_parse(vs_str_from_c(rows[i].text), &micros, &zone, &err), err);
        CHECK_INT(micros, rows[i].micros);
        CHECK_INT(zone, rows[i].zone);
        CHECK_OK(vs_timestamp_parse(vs_str_from_c(rows[i].text), &micros, NULL, &err), err);
        vs_timestamp_format(rows[i].micros, rows[i].zone, text);
        CHECK_TEXT(text, rows[i].formatted);
    }
}

static void case_bad_timestamps(void)
{
    static const char *const bad[] = {
        "",
        "2025-01-31T",
        "2025-01-31T10",
        "2025-01-31T24:00:00",
        "2025-01-31T10:60:00",
        "2025-01-31T10:20:60",
        "2025-01-31T10:20:30.",
        "2025-01-31T10:20:30.1234567",
        "2025-01-31T10:20:30.1234567890",
        "2025-01-31T10:20:30+2",
        "2025-01-31T10:20:30+24:00",
        "2025-01-31T10:20:30+02:60",
        "2025-01-31T10:20:30+02:",
        "2025-01-31T10:20:30ZZ",
        "2025-01-31Z",
        "2025-01-31X10:20:30",
        "2025-02-30T10:20:30",
        "+9999999-01-01T00:00:00",
        "-5877641-06-23T00:00:00",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct vs_error err;
        int64_t micros = 99;
        if (vs_timestamp_parse(vs_str_from_c(bad[i]), &micros, NULL, &err) != VS_INVALID ||
            micros != 99) {
            fprintf(stderr, "accepted \"%s\"\n", bad[i]);
            CHECK(false);
        }
    }
}

static void case_extremes_of_micros(void)
{
    static const int64_t values[] = {INT64_MIN,   INT64_MIN + 1, -86400000001, -86400000000,
                                     86399999999, INT64_MAX - 1, INT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct vs_error err;
        int64_t micros = 0;
        char text[VS_DATETIME_TEXT_SIZE];
        vs_timestamp_format(values[i], true, text);
        CHECK(strlen(text) < VS_DATETIME_TEXT_SIZE - 1);
        if (values[i] > INT64_MIN + 86400000000) { // the day before the first full one overflows
            CHECK_OK(vs_timestamp_parse(vs_str_from_c(text), &micros, NULL, &err), err);
            CHECK_INT(micros, values[i]);
        }
    }
}

static void case_nanoseconds(void)
{
    static const struct {
        const char *text;
        int64_t nanos;
        const char *formatted;
    } rows[] = {
        {"1970-01-01", 0, "1970-01-01T00:00:00"},
        {"2025-01-31T10:20:30.123456789", 1738318830123456789, "2025-01-31T10:20:30.123456789"},
        {"1969-12-31T23:59:59.999999999", -1, "1969-12-31T23:59:59.999999999"},
        {"2262-04-11T23:47:16.854775807", INT64_MAX, "2262-04-11T23:47:16.854775807"},
        {"1677-09-21T00:12:43.145224193", -INT64_MAX, "1677-09-21T00:12:43.145224193"},
    };

    char text[VS_DATETIME_TEXT_SIZE];
    struct vs_error err = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t nanos = 5;
        bool has_zone = true;
        CHECK_OK(vs_timestamp_ns_parse(vs_str_from_c(rows[i].text), &nanos, &has_zone, &err), err);
        CHECK_INT(nanos, rows[i].nanos);
        CHECK(!has_zone);
        vs_timestamp_ns_format(nanos, false, text);
        CHECK_TEXT(text, rows[i].formatted);
    }
    vs_timestamp_ns_format(INT64_MIN, true, text);
    CHECK_TEXT(text, "1677-09-21T00:12:43.145224192Z");
    CHECK_STATUS(
        vs_timestamp_ns_parse(VS_STR("2262-04-11T23:47:16.854775808"), &(int64_t){0}, NULL, &err),
        VS_INVALID);
    CHECK_STATUS(vs_timestamp_ns_parse(VS_STR("1600-01-01"), &(int64_t){0}, NULL, &err),
                 VS_INVALID);
}

static void case_times(void)
{
    static const struct {
        int64_t micros;
        const char *text;
    } rows[] = {{0, "00:00:00"},
                {1, "00:00:00.000001"},
                {37230000000, "10:20:30"},
                {86399999999, "23:59:59.999999"}};

    static const char *const bad[] = {"",          "10",       "10:2",        "24:00:00",
                                      "10:60:00",  "10:20:61", "10:20:30.",   "10:20:30.1234567",
                                      "10:20:30Z", "-1:00:00", "10:20:30 +02"};
    char text[VS_DATETIME_TEXT_SIZE];
    struct vs_error err = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t micros = -1;
        vs_time_format(rows[i].micros, text);
        CHECK_TEXT(text, rows[i].text);
        CHECK_OK(vs_time_parse(vs_str_from_c(text), &micros, &err), err);
        CHECK_INT(micros, rows[i].micros);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_STATUS(vs_time_parse(vs_str_from_c(bad[i]), &(int64_t){0}, &err), VS_INVALID);
    }
    vs_time_format(INT64_MIN, text); // no time of a day, but a text of bounded length
    CHECK_TEXT(text, "-2562047788:00:54.775808");
}

TEST_MAIN(TEST(case_known_dates),
          TEST(case_every_day_like_libc),
          TEST(case_bad_dates),
          TEST(case_timestamps),
          TEST(case_bad_timestamps),
          TEST(case_extremes_of_micros),
          TEST(case_nanoseconds),
          TEST(case_times))
