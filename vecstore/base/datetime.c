// SPDX-License-Identifier: Apache-2.0
/*
 * Calendar arithmetic runs on years that start in March, so that the leap day is the last of its
 * year, and on eras of 400 years (146,097 days), inside which all intermediate values are small and
 * not negative.
 */
#include "vecstore/base/datetime.h"

#include <inttypes.h>
#include <stdio.h>

#define DAYS_PER_ERA 146097
#define DAYS_BEFORE_1970 719468 // from 0000-03-01
#define MICROS_PER_SECOND INT64_C(1000000)
#define NANOS_PER_SECOND INT64_C(1000000000)
#define SECONDS_PER_DAY INT64_C(86400)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_1970;
}

static void civil_from_days(int64_t days, int64_t *year_out, int *month_out, int *day_out)
{
    int64_t z = days + DAYS_BEFORE_1970;
    int64_t era = floor_div(z, DAYS_PER_ERA);
    int64_t doe = z - era * DAYS_PER_ERA;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day_out = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month_out = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year_out = yoe + era * 400 + (*month_out <= 2 ? 1 : 0);
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

// A cursor over the text being read.
struct cursor {
    const char *at;
    const char *end;
};

static bool take_char(struct cursor *c, char wanted)
{
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

// Reads min..max digits; false (nothing taken) when there are fewer or the value is above `most`.
static bool take_number(struct cursor *c, int min, int max, int64_t most, int64_t *value_out)
{
    int64_t value = 0;
    int count = 0;
    const char *p = c->at;
    while (count < max && p < c->end && *p >= '0' && *p <= '9') {
        value = value * 10 + (*p++ - '0');
        count++;
    }
    if (count < min || value > most) {
        return false;
    }
    c->at = p;
    *value_out = value;
    return true;
}

// YYYY-MM-DD; years of more than four digits, and years before 0, carry a sign (ISO 8601, expanded
// form).
static bool take_date(struct cursor *c, int64_t *days_out)
{
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    bool negative = take_char(c, '-');
    bool expanded = negative || take_char(c, '+');
    if (!take_number(c, 4, expanded ? 7 : 4, 9999999, &year) || !take_char(c, '-') ||
        !take_number(c, 2, 2, 12, &month) || !take_char(c, '-') ||
        !take_number(c, 2, 2, 31, &day)) {
        return false;
    }
    year = negative ? -year : year;
    if (month < 1 || day < 1 || day > days_in_month(year, (int)month)) {
        return false;
    }
    *days_out = days_from_civil(year, (int)month, (int)day);
    return true;
}

enum vs_status vs_date_parse(struct vs_str text, int32_t *days_out, struct vs_error *err)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    int64_t days = 0;
    if (text.len == 0 || !take_date(&c, &days) || c.at != c.end || days < INT32_MIN ||
        days > INT32_MAX) {
        return vs_fail(err, VS_INVALID, "\"%.*s\" is not a date such as 2025-01-31",
                       VS_STR_SHORT(text));
    }
    *days_out = (int32_t)days;
    return VS_OK;
}

// HH:MM[:SS[.fraction]]; at most nanoseconds.
static bool take_time(struct cursor *c, int64_t *nanos_out)
{
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    int64_t fraction = 0;
    if (!take_number(c, 2, 2, 23, &hour) || !take_char(c, ':') ||
        !take_number(c, 2, 2, 59, &minute)) {
        return false;
    }
    if (take_char(c, ':') && !take_number(c, 2, 2, 59, &second)) {
        return false;
    }
    if (take_char(c, '.')) {
        const char *start = c->at;
        if (!take_number(c, 1, 9, 999999999, &fraction)) {
            return false;
        }
        for (int64_t digits = c->at - start; digits < 9; digits++) {
            fraction *= 10;
        }
    }
    *nanos_out = ((hour * 60 + minute) * 60 + second) * NANOS_PER_SECOND + fraction;
    return true;
}

// Z or ±HH[[:]MM]; *found_out is false when the text has ended.
static bool take_zone(struct cursor *c, int64_t *offset_minutes_out, bool *found_out)
{
    int64_t hours = 0;
    int64_t minutes = 0;
    *offset_minutes_out = 0;
    *found_out = c->at != c->end;
    if (!*found_out || take_char(c, 'Z') || take_char(c, 'z')) {
        return true;
    }
    bool negative = take_char(c, '-');
    if ((!negative && !take_char(c, '+')) || !take_number(c, 2, 2, 23, &hours)) {
        return false;
    }
    bool colon = take_char(c, ':');
    if ((colon || c->at != c->end) && !take_number(c, 2, 2, 59, &minutes)) {
        return false;
    }
    int64_t offset = hours * 60 + minutes;
    *offset_minutes_out = negative ? -offset : offset;
    return true;
}

// In units of 1 / per_second seconds; digits below a unit must be zero.
static bool parse_timestamp(struct vs_str text,
                            int64_t per_second,
                            int64_t *value_out,
                            bool *has_zone_out)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    int64_t days = 0;
    int64_t time = 0;
    int64_t offset_minutes = 0;
    bool has_zone = false;
    if (text.len == 0 || !take_date(&c, &days)) {
        return false;
    }
    if (c.at != c.end) {
        bool separated = take_char(&c, 'T') || take_char(&c, 't') || take_char(&c, ' ');
        if (!separated || !take_time(&c, &time)) {
            return false;
        }
        (void)take_char(&c, ' ');
        if (!take_zone(&c, &offset_minutes, &has_zone) || c.at != c.end) {
            return false;
        }
    }
    int64_t value = 0;
    int64_t nanos_per_unit = NANOS_PER_SECOND / per_second;
    int64_t of_day = time / nanos_per_unit - offset_minutes * 60 * per_second;
    if (days < 0) { // so that the product is inside of the range wherever the sum is
        days++;
        of_day -= SECONDS_PER_DAY * per_second;
    }
    if (time % nanos_per_unit != 0 ||
        __builtin_mul_overflow(days, SECONDS_PER_DAY * per_second, &value) ||
        __builtin_add_overflow(value, of_day, &value)) {
        return false;
    }
    *value_out = value;
    *has_zone_out = has_zone;
    return true;
}

enum vs_status vs_timestamp_parse(struct vs_str text,
                                  int64_t *micros_out,
                                  bool *has_zone_out,
                                  struct vs_error *err)
{
    bool has_zone = false;
    if (!parse_timestamp(text, MICROS_PER_SECOND, micros_out, &has_zone)) {
        return vs_fail(err, VS_INVALID,
                       "\"%.*s\" is not a timestamp such as 2025-01-31T10:20:30.123456Z (at most "
                       "microseconds)",
                       VS_STR_SHORT(text));
    }
    if (has_zone_out != NULL) {
        *has_zone_out = has_zone;
    }
    return VS_OK;
}

enum vs_status vs_timestamp_ns_parse(struct vs_str text,
                                     int64_t *nanos_out,
                                     bool *has_zone_out,
                                     struct vs_error *err)
{
    bool has_zone = false;
    if (!parse_timestamp(text, NANOS_PER_SECOND, nanos_out, &has_zone)) {
        return vs_fail(
            err, VS_INVALID,
            "\"%.*s\" is not a timestamp such as 2025-01-31T10:20:30.123456789Z (at most "
            "nanoseconds, years 1677 to 2262)",
            VS_STR_SHORT(text));
    }
    if (has_zone_out != NULL) {
        *has_zone_out = has_zone;
    }
    return VS_OK;
}

enum vs_status vs_time_parse(struct vs_str text, int64_t *micros_out, struct vs_error *err)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    int64_t nanos = 0;
    if (text.len == 0 || !take_time(&c, &nanos) || c.at != c.end || nanos % 1000 != 0) {
        return vs_fail(err, VS_INVALID,
                       "\"%.*s\" is not a time such as 10:20:30.123456 (at most microseconds)",
                       VS_STR_SHORT(text));
    }
    *micros_out = nanos / 1000;
    return VS_OK;
}

// Writes the date and returns its length.
static int format_date(int64_t days, char text_out[VS_DATETIME_TEXT_SIZE])
{
    int64_t year = 0;
    int month = 0;
    int day = 0;
    civil_from_days(days, &year, &month, &day);
    const char *sign = year < 0 ? "-" : (year > 9999 ? "+" : "");
    return snprintf(text_out, VS_DATETIME_TEXT_SIZE, "%s%04" PRId64 "-%02d-%02d", sign,
                    year < 0 ? -year : year, month, day);
}

void vs_date_format(int32_t days, char text_out[VS_DATETIME_TEXT_SIZE])
{
    (void)format_date(days, text_out);
}

static void format_timestamp(int64_t value,
                             int64_t per_second,
                             bool with_zone,
                             char text_out[VS_DATETIME_TEXT_SIZE])
{
    int64_t days = floor_div(value, SECONDS_PER_DAY * per_second);
    int64_t seconds = floor_div(value, per_second) - days * SECONDS_PER_DAY;
    int fraction = (int)(value % per_second + (value % per_second < 0 ? per_second : 0));
    size_t len = (size_t)format_date(days, text_out);
    len += (size_t)snprintf(text_out + len, VS_DATETIME_TEXT_SIZE - len, "T%02d:%02d:%02d",
                            (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
    if (fraction != 0) {
        len += (size_t)snprintf(text_out + len, VS_DATETIME_TEXT_SIZE - len, ".%0*d",
                                per_second == NANOS_PER_SECOND ? 9 : 6, fraction);
    }
    if (with_zone) {
        (void)snprintf(text_out + len, VS_DATETIME_TEXT_SIZE - len, "Z");
    }
}

void vs_timestamp_format(int64_t micros, bool with_zone, char text_out[VS_DATETIME_TEXT_SIZE])
{
    format_timestamp(micros, MICROS_PER_SECOND, with_zone, text_out);
}

void vs_timestamp_ns_format(int64_t nanos, bool with_zone, char text_out[VS_DATETIME_TEXT_SIZE])
{
    format_timestamp(nanos, NANOS_PER_SECOND, with_zone, text_out);
}

void vs_time_format(int64_t micros, char text_out[VS_DATETIME_TEXT_SIZE])
{
    const char *sign = micros < 0 ? "-" : "";
    uint64_t whole = micros < 0 ? 0 - (uint64_t)micros : (uint64_t)micros;
    uint64_t seconds = whole / MICROS_PER_SECOND;
    int fraction = (int)(whole % MICROS_PER_SECOND);
    int len = snprintf(text_out, VS_DATETIME_TEXT_SIZE, "%s%02" PRIu64 ":%02d:%02d", sign,
                       seconds / 3600, (int)(seconds / 60 % 60), (int)(seconds % 60));
    if (fraction != 0) {
        (void)snprintf(text_out + len, VS_DATETIME_TEXT_SIZE - (size_t)len, ".%06d", fraction);
    }
}
