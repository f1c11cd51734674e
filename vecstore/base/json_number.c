// SPDX-License-Identifier: Apache-2.0
/*
 * Most numbers in answers are short decimals, so a candidate m / 10^k is made first and checked by
 * one division: with m below 2^53 and k at most 22 both operands are exact, and the quotient is
 * what a correct reader would give. All other numbers go through printf and strtod with rising
 * precision.
 */
#include "vecstore/base/json_number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXED_MIN 1e-5 // below this, and from the limits below on, text has an exponent
#define F64_DIGITS 15
#define F64_DIGITS_MAX 17
#define F32_DIGITS_MIN 6
#define F32_DIGITS_MAX 9

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static size_t count_digits(uint64_t value)
{
    size_t digits = 1;
    for (; value >= 10000; value /= 10000) {
        digits += 4;
    }
    return digits + (value >= 10) + (value >= 100) + (value >= 1000);
}

// Two digits at a time, from the end.
static size_t put_digits(uint64_t value, char *text_out)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    size_t len = count_digits(value), at = len;
    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(text_out + at, pairs + 2 * (value % 100), 2);
    }
    if (value >= 10) {
        memcpy(text_out, pairs + 2 * value, 2);
    } else {
        text_out[0] = (char)('0' + (int)value);
    }
    return len;
}

size_t vs_number_format_u64(uint64_t value, char text_out[VS_INTEGER_TEXT_SIZE])
{
    return put_digits(value, text_out);
}

size_t vs_number_format_i64(int64_t value, char text_out[VS_INTEGER_TEXT_SIZE])
{
    text_out[0] = '-';
    return value >= 0 ? put_digits((uint64_t)value, text_out)
                      : 1 + put_digits(0 - (uint64_t)value, text_out + 1);
}

// m / 10^k in fixed notation, without trailing zeros behind the point.
static size_t format_fixed(bool negative, uint64_t m, int k, char text_out[VS_NUMBER_TEXT_SIZE])
{
    char reversed[VS_NUMBER_TEXT_SIZE];
    size_t len = 0;
    size_t at = 0;
    while (k > 0 && m % 10 == 0) {
        m /= 10;
        k--;
    }
    int digits = 0;
    do {
        if (digits == k && k > 0) {
            reversed[len++] = '.';
        }
        reversed[len++] = (char)('0' + (int)(m % 10));
        m /= 10;
        digits++;
    } while (m != 0 || digits <= k);
    if (negative) {
        text_out[at++] = '-';
    }
    while (len > 0) {
        text_out[at++] = reversed[--len];
    }
    text_out[at] = '\0';
    return at;
}

static size_t copy_text(const char *text, char text_out[VS_NUMBER_TEXT_SIZE])
{
    size_t len = strlen(text);
    memcpy(text_out, text, len + 1);
    return len;
}

// Behind the leading digits of a magnitude >= FIXED_MIN: the k that leaves `digits` digits before
// the point of m.
static int scale_for_digits(double magnitude, int digits)
{
    int k = digits;
    while (k > 0 && magnitude * powers[k] >= powers[digits]) {
        k--;
    }
    while (k < 20 && magnitude * powers[k + 1] < powers[digits]) {
        k++;
    }
    return k;
}

// True when the decimal m / 10^k rounds to `wanted`. Its double may lie exactly between two floats
// while the decimal does not: those cases are left to the slow path.
static bool reads_back_f32(double quotient, float wanted)
{
    uint64_t bits = 0;
    memcpy(&bits, &quotient, sizeof bits);
    bool is_tie = (bits & 0x1FFFFFFFu) == 0x10000000u;
    return !is_tie && (float)quotient == wanted;
}

// printf and strtod, both in the C locale of this thread for the moment.
static size_t format_slow(double value,
                          float value_f32,
                          bool is_f32,
                          char text_out[VS_NUMBER_TEXT_SIZE])
{
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); // a static object: no allocation
    locale_t before = uselocale(c_locale);
    int len = 0;
    int last = is_f32 ? F32_DIGITS_MAX : F64_DIGITS_MAX;
    int first = is_f32 ? F32_DIGITS_MIN : F64_DIGITS;
    if (fabs(value) < (is_f32 ? (double)FLT_MIN : DBL_MIN)) {
        first = 1; // subnormal: fewer digits may do
    }
    for (int digits = first; digits <= last; digits++) {
        len = snprintf(text_out, VS_NUMBER_TEXT_SIZE, "%.*g", digits, value);
        if (is_f32 ? strtof(text_out, NULL) == value_f32 : strtod(text_out, NULL) == value) {
            break;
        }
    }
    (void)uselocale(before);
    freelocale(c_locale);
    return (size_t)len;
}

size_t vs_number_format_f64(double value, char text_out[VS_NUMBER_TEXT_SIZE])
{
    double magnitude = fabs(value);
    if (!isfinite(value)) {
        return copy_text("null", text_out);
    }
    if (magnitude == 0) {
        return copy_text(signbit(value) ? "-0.0" : "0", text_out);
    }
    if (magnitude >= FIXED_MIN && magnitude < powers[F64_DIGITS]) {
        int k = scale_for_digits(magnitude, F64_DIGITS);
        double m = nearbyint(magnitude * powers[k]);
        if (m / powers[k] == magnitude) {
            return format_fixed(value < 0, (uint64_t)m, k, text_out);
        }
    }
    size_t len = vs_json_format_real(value, text_out);
    return len > 0 ? len : format_slow(value, 0, false, text_out);
}

size_t vs_number_format_f32(float value, char text_out[VS_NUMBER_TEXT_SIZE])
{
    double magnitude = fabs((double)value);
    if (!isfinite(value)) {
        return copy_text("null", text_out);
    }
    if (magnitude == 0) {
        return copy_text(signbit(value) ? "-0.0" : "0", text_out);
    }
    if (magnitude >= FIXED_MIN && magnitude < powers[F32_DIGITS_MIN]) {
        int k = scale_for_digits(magnitude, F32_DIGITS_MIN);
        for (int digits = F32_DIGITS_MIN; digits <= F32_DIGITS_MAX; digits++, k++) {
            double m = nearbyint(magnitude * powers[k]);
            if (reads_back_f32(m / powers[k], (float)magnitude)) {
                return format_fixed(value < 0, (uint64_t)m, k, text_out);
            }
        }
    }
    return format_slow((double)value, value, true, text_out);
}
