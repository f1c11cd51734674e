// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/str.h"

#include "vecstore/base/checked.h"
#include "vecstore/base/str_internal.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT_MAX 400

struct vs_str vs_str_from_c(const char *text)
{
    return (struct vs_str){text == NULL ? "" : text, text == NULL ? 0 : strlen(text)};
}

bool vs_str_equal(struct vs_str a, struct vs_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool vs_str_equal_c(struct vs_str a, const char *b)
{
    return vs_str_equal(a, vs_str_from_c(b));
}

static char lower_ascii(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    return c;
}

bool vs_str_equal_nocase(struct vs_str a, struct vs_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower_ascii(a.ptr[i]) != lower_ascii(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

int vs_str_compare(struct vs_str a, struct vs_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool vs_str_starts_with(struct vs_str text, struct vs_str prefix)
{
    return text.len >= prefix.len && vs_str_equal((struct vs_str){text.ptr, prefix.len}, prefix);
}

bool vs_str_ends_with(struct vs_str text, struct vs_str suffix)
{
    if (text.len < suffix.len) {
        return false;
    }
    return suffix.len == 0 ||
           memcmp(text.ptr + (text.len - suffix.len), suffix.ptr, suffix.len) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct vs_str vs_str_trim(struct vs_str text)
{
    while (text.len > 0 && is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

bool vs_str_split(struct vs_str text,
                  char separator,
                  struct vs_str *left_out,
                  struct vs_str *right_out)
{
    const char *at = text.len == 0 ? NULL : (const char *)memchr(text.ptr, separator, text.len);
    if (at == NULL) {
        return false;
    }
    size_t left_len = (size_t)(at - text.ptr);
    *left_out = (struct vs_str){text.ptr, left_len};
    *right_out = (struct vs_str){at + 1, text.len - left_len - 1};
    return true;
}

// ---- numbers ----

static enum vs_status fail_number(struct vs_str text, const char *expected, struct vs_error *err)
{
    return vs_fail(err, VS_INVALID, "\"%.*s\" is not %s", VS_STR_SHORT(text), expected);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_digits(struct vs_str text, uint64_t *value_out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i]) || !vs_mul_u64(value, 10, &value) ||
            !vs_add_u64(value, (uint64_t)(text.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    *value_out = value;
    return text.len > 0;
}

enum vs_status vs_parse_i64(struct vs_str text, int64_t *value_out, struct vs_error *err)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    bool signed_text = negative || (text.len > 0 && text.ptr[0] == '+');
    struct vs_str digits = signed_text ? (struct vs_str){text.ptr + 1, text.len - 1} : text;
    uint64_t magnitude = 0;
    uint64_t bound = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (!parse_digits(digits, &magnitude) || magnitude > bound) {
        return fail_number(text, "a 64-bit integer", err);
    }
    uint64_t bits = negative ? 0 - magnitude : magnitude;
    memcpy(value_out, &bits, sizeof bits);
    return VS_OK;
}

enum vs_status vs_parse_u64(struct vs_str text, uint64_t *value_out, struct vs_error *err)
{
    uint64_t value = 0;
    if (!parse_digits(text, &value)) {
        return fail_number(text, "an unsigned 64-bit integer", err);
    }
    *value_out = value;
    return VS_OK;
}

static size_t skip_digits(struct vs_str text, size_t at)
{
    while (at < text.len && is_digit(text.ptr[at])) {
        at++;
    }
    return at;
}

// [+-] digits [. digits] [e [+-] digits], with a digit before or after the point.
static bool is_decimal_number(struct vs_str text)
{
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    size_t start = at;
    at = skip_digits(text, at);
    size_t digits = at - start;
    if (at < text.len && text.ptr[at] == '.') {
        start = ++at;
        at = skip_digits(text, at);
        digits += at - start;
    }
    if (digits == 0) {
        return false;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+')) {
            at++;
        }
        start = at;
        at = skip_digits(text, at);
        if (at == start) {
            return false;
        }
    }
    return at == text.len;
}

enum vs_status vs_parse_f64(struct vs_str text, double *value_out, struct vs_error *err)
{
    if (text.len > NUMBER_TEXT_MAX || !is_decimal_number(text)) {
        return fail_number(text, "a number", err);
    }
    char copy[NUMBER_TEXT_MAX + 1];
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    // The C locale is a static object: this neither allocates nor depends on setlocale.
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory reading a number");
    }
    double value = strtod_l(copy, NULL, c_locale);
    freelocale(c_locale);
    if (isinf(value)) {
        return fail_number(text, "a number in the range of a double", err);
    }
    *value_out = value;
    return VS_OK;
}

struct size_unit {
    const char *name;
    uint64_t bytes;
};

static bool find_size_unit(struct vs_str name, uint64_t *bytes_out)
{
    static const struct size_unit units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1ull << 10},
        {"kib", 1ull << 10},
        {"kb", 1000ull},
        {"m", 1ull << 20},
        {"mib", 1ull << 20},
        {"mb", 1000000ull},
        {"g", 1ull << 30},
        {"gib", 1ull << 30},
        {"gb", 1000000000ull},
        {"t", 1ull << 40},
        {"tib", 1ull << 40},
        {"tb", 1000000000000ull},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (vs_str_equal_nocase(name, vs_str_from_c(units[i].name))) {
            *bytes_out = units[i].bytes;
            return true;
        }
    }
    return false;
}

// Bytes of "0.<digits>" units, rounded down. Six digits keep the product inside 64 bits for every
// unit.
static bool parse_size_fraction(struct vs_str digits, uint64_t unit, uint64_t *bytes_out)
{
    uint64_t value = 0;
    uint64_t power = 1;
    if (digits.len == 0 || digits.len > 6 || !parse_digits(digits, &value)) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        power *= 10;
    }
    *bytes_out = value * unit / power;
    return true;
}

enum vs_status vs_parse_size(struct vs_str text, uint64_t *bytes_out, struct vs_error *err)
{
    static const char expected[] = "a size such as 1536, 64KiB, 2GiB or 1.5GB";
    struct vs_str trimmed = vs_str_trim(text);
    size_t number_len = 0;
    while (number_len < trimmed.len &&
           (is_digit(trimmed.ptr[number_len]) || trimmed.ptr[number_len] == '.')) {
        number_len++;
    }
    struct vs_str number = {trimmed.ptr, number_len};
    struct vs_str unit_name =
        vs_str_trim((struct vs_str){trimmed.ptr + number_len, trimmed.len - number_len});
    uint64_t unit = 0;
    uint64_t whole = 0;
    uint64_t part = 0;
    struct vs_str whole_digits = number;
    struct vs_str part_digits = {"0", 1};
    (void)vs_str_split(number, '.', &whole_digits, &part_digits);
    if (!find_size_unit(unit_name, &unit) || !parse_digits(whole_digits, &whole) ||
        !parse_size_fraction(part_digits, unit, &part) || !vs_mul_u64(whole, unit, &whole) ||
        !vs_add_u64(whole, part, &whole)) {
        return fail_number(text, expected, err);
    }
    *bytes_out = whole;
    return VS_OK;
}

// ---- UTF-8 ----

size_t vs_utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t len = lead >= 0xF0 ? 4 : (lead >= 0xE0 ? 3 : 2);
    if (lead < 0xC2 || lead > 0xF4 || left < len) {
        return 0;
    }
    uint8_t low = lead == 0xE0 ? 0xA0 : (lead == 0xF0 ? 0x90 : 0x80);
    uint8_t high = lead == 0xED ? 0x9F : (lead == 0xF4 ? 0x8F : 0xBF);
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool vs_utf8_validate(struct vs_str text)
{
    const uint8_t *p = (const uint8_t *)text.ptr;
    size_t at = 0;
    while (at < text.len) {
        uint64_t eight = 0;
        if (text.len - at >= sizeof eight) {
            memcpy(&eight, p + at, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        size_t len = vs_utf8_sequence(p + at, text.len - at);
        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}
