// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/decimal.h"

#include <string.h>

#define DIGITS_MAX 38
#define BYTES_MAX 16

__extension__ typedef unsigned __int128 uint128; // file-local: C17 has no keyword for it

static uint128 power_of_ten(int exponent)
{
    uint128 power = 1;
    for (int i = 0; i < exponent; i++) {
        power *= 10;
    }
    return power;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Reads [+-]digits[.digits] at the scale; *reason_out says what is wrong.
static bool parse_digits(struct vs_str text,
                         int scale,
                         uint128 *magnitude_out,
                         const char **reason_out)
{
    uint128 magnitude = 0;
    uint128 bound = power_of_ten(DIGITS_MAX);
    int fraction_digits = -1; // -1: before the point
    size_t digit_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && fraction_digits < 0) {
            fraction_digits = 0;
            continue;
        }
        if (!is_digit(c)) {
            *reason_out = "is not a decimal number";
            return false;
        }
        digit_count++;
        if (fraction_digits >= 0 && fraction_digits == scale) {
            if (c != '0') {
                *reason_out = "has more digits behind the point than the scale allows";
                return false;
            }
            continue;
        }
        fraction_digits += fraction_digits >= 0;
        magnitude = magnitude * 10 + (unsigned)(c - '0');
        if (magnitude >= bound) {
            *reason_out = "has more digits than the precision allows";
            return false;
        }
    }
    if (digit_count == 0) {
        *reason_out = "is not a decimal number";
        return false;
    }
    for (int i = fraction_digits < 0 ? 0 : fraction_digits; i < scale; i++) {
        magnitude *= 10;
        if (magnitude >= bound) {
            *reason_out = "has more digits than the precision allows";
            return false;
        }
    }
    *magnitude_out = magnitude;
    return true;
}

enum vs_status vs_decimal_parse(
    struct vs_str text, int precision, int scale, vs_int128 *unscaled_out, struct vs_error *err)
{
    if (precision < 1 || precision > DIGITS_MAX || scale < 0 || scale > DIGITS_MAX) {
        return vs_fail(err, VS_INVALID,
                       "decimal(%d,%d) is not a type: precision is 1 to 38 and scale 0 to 38",
                       precision, scale);
    }
    bool negative = text.len > 0 && text.ptr[0] == '-';
    bool has_sign = negative || (text.len > 0 && text.ptr[0] == '+');
    struct vs_str digits = has_sign ? (struct vs_str){text.ptr + 1, text.len - 1} : text;
    const char *reason = "has more digits than the precision allows";
    uint128 magnitude = 0;
    if (!parse_digits(digits, scale, &magnitude, &reason) || magnitude >= power_of_ten(precision)) {
        return vs_fail(err, VS_INVALID, "\"%.*s\" %s, expected a decimal(%d,%d)",
                       VS_STR_SHORT(text), reason, precision, scale);
    }
    *unscaled_out = negative ? -(vs_int128)magnitude : (vs_int128)magnitude;
    return VS_OK;
}

void vs_decimal_format(vs_int128 unscaled, int scale, char text_out[VS_DECIMAL_TEXT_SIZE])
{
    char reversed[VS_DECIMAL_TEXT_SIZE];
    size_t len = 0;
    bool negative = unscaled < 0;
    uint128 rest = negative ? 0 - (uint128)unscaled : (uint128)unscaled;
    int point = scale < 0 ? 0 : (scale > DIGITS_MAX ? DIGITS_MAX : scale);
    int digit_count = 0;
    do {
        if (digit_count == point && point > 0) {
            reversed[len++] = '.';
        }
        reversed[len++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
        digit_count++;
    } while (rest != 0 || digit_count <= point);
    size_t at = 0;
    if (negative) {
        text_out[at++] = '-';
    }
    while (len > 0) {
        text_out[at++] = reversed[--len];
    }
    text_out[at] = '\0';
}

vs_int128 vs_decimal_load_be(const uint8_t *bytes, size_t n)
{
    if (n == 0 || n > BYTES_MAX) {
        return 0;
    }
    uint128 value = (bytes[0] & 0x80) != 0 ? ~(uint128)0 : 0;
    for (size_t i = 0; i < n; i++) {
        value = (value << 8) | bytes[i];
    }
    return (vs_int128)value;
}

void vs_decimal_store_be(vs_int128 value, uint8_t *bytes_out, size_t n)
{
    uint128 rest = (uint128)value;
    uint8_t fill = value < 0 ? 0xFF : 0;
    for (size_t i = 0; i < n; i++) {
        bytes_out[n - 1 - i] = i < BYTES_MAX ? (uint8_t)rest : fill;
        rest >>= 8;
    }
}

size_t vs_decimal_store_be_minimal(vs_int128 value, uint8_t bytes_out[16])
{
    uint8_t full[BYTES_MAX];
    vs_decimal_store_be(value, full, sizeof full);
    uint8_t fill = value < 0 ? 0xFF : 0;
    size_t skip = 0;
    // A leading byte is redundant while it only repeats the sign bit of the next one.
    while (skip < BYTES_MAX - 1 && full[skip] == fill && (full[skip + 1] & 0x80) == (fill & 0x80)) {
        skip++;
    }
    memcpy(bytes_out, full + skip, BYTES_MAX - skip);
    return BYTES_MAX - skip;
}
