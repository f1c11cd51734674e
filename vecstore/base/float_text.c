// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/float_text.h"

#include "vecstore/base/bytes.h"

#include <math.h>
#include <string.h>

// 10^0 .. 10^22 are exact doubles.
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define MAX_POWER 22
#define MAX_DIGITS 19                 // fit uint64_t
#define EXACT_MAX ((uint64_t)1 << 53) // whole numbers up to it are exact doubles

struct number {
    uint64_t digits;
    int digit_count; // significant ones
    int exponent;
    bool negative, exact; // all digits are in `digits`
};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }
    return p;
}

// Eight bytes of which each is a digit's value, the first the most significant (little-endian
// load): pairs, then fours, then all eight are joined by multiplication.
static uint64_t join_eight(uint64_t v)
{
    v = v * 10 + (v >> 8);
    return (((v & 0x000000FF000000FFu) * 0x000F424000000064u) +
            (((v >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u)) >>
           32;
}

#define ZEROS 0x3030303030303030u

// How many of the eight bytes, from the first on, are digits. values: text ^ ZEROS, less than 10
// for a digit; a carry only reaches bytes behind one that is none.
static size_t count_digits(uint64_t values)
{
    uint64_t others = ((values + 0x7676767676767676u) | values) & 0x8080808080808080u;
    return others != 0 ? (size_t)__builtin_ctzll(others) / 8 : 8;
}

// The first n of eight digits as a number; n may be 0.
static uint64_t join_first(uint64_t values, size_t n)
{
    size_t half = 4 * (8 - n); // in two steps: a shift by 64 is undefined
    return join_eight(values << half << half);
}

static bool eight_digits(const char *p, uint64_t *value_out)
{
    uint64_t values = vs_load_u64le(p) ^ ZEROS;
    if (count_digits(values) < 8) {
        return false;
    }
    *value_out = join_eight(values);
    return true;
}

static const char *take_digits(const char *p, const char *end, struct number *n, int step)
{
    uint64_t digits = n->digits, eight;
    int count = n->digit_count;
    const char *start = p;
    while (end - p >= 8 && count + 8 <= MAX_DIGITS && eight_digits(p, &eight)) {
        digits = digits * 100000000 + eight;
        count += 8;
        p += 8;
    }
    for (; p < end && (unsigned)(*p - '0') < 10 && count < MAX_DIGITS; p++) {
        digits = digits * 10 + (uint64_t)(*p - '0');
        count += digits != 0;
    }
    n->exponent += step * (int)(p - start);
    for (; p < end && (unsigned)(*p - '0') < 10; p++) {
        n->exact = false;
    }
    n->digits = digits;
    n->digit_count = count;
    return p;
}

// The exponent part behind 'e'; NULL when it has no digit.
static const char *take_exponent(const char *p, const char *end, struct number *n)
{
    bool negative = p < end && *p == '-';
    int value = 0;
    if (p < end && (*p == '-' || *p == '+')) {
        p++;
    }
    const char *start = p;
    while (p < end && (unsigned)(*p - '0') < 10) {
        value = value < 100000 ? value * 10 + (*p - '0') : value;
        p++;
    }
    n->exponent += negative ? -value : value;
    return p > start ? p : NULL;
}

// One number as RFC 8259 has it; NULL when it is none.
static const char *take_number(const char *p, const char *end, struct number *n)
{
    *n = (struct number){.exact = true};
    if (p < end && *p == '-') {
        n->negative = true;
        p++;
    }
    const char *start = p;
    p = take_digits(p, end, n, 0);
    if (p == start || (*start == '0' && p > start + 1)) {
        return NULL;
    }
    if (p < end && *p == '.') {
        start = ++p;
        p = take_digits(p, end, n, -1);
        if (p == start) {
            return NULL;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        return take_exponent(p + 1, end, n);
    }
    return p;
}

// Digits and a power of ten, both within one rounding of the true value: the product or quotient is
// off by less than two units in the last place. Unless it lies that close to the middle between two
// floats, its float is that of the exact value.
static bool convert_fast(const struct number *n, float *value_out)
{
    uint64_t bits;
    if (!n->exact || n->exponent < -MAX_POWER || n->exponent > MAX_POWER) {
        return false;
    }
    double value = (double)n->digits;
    value = n->exponent < 0 ? value / powers[-n->exponent] : value * powers[n->exponent];
    memcpy(&bits, &value, sizeof bits);
    uint64_t below = bits & 0x1FFFFFFF;  // the 29 bits that a float lacks
    bool exact = n->digits <= EXACT_MAX; // one rounding only: it is the nearest double
    if (!exact && below >= 0x10000000 - 4 && below <= 0x10000000 + 4) {
        return false;
    }
    if (n->digits != 0 && (value < 0x1p-126 || value > 0x1.fffffep127)) {
        return false;
    }
    *value_out = n->negative ? -(float)value : (float)value;
    return true;
}

static bool convert_exact(const char *start, const char *end, float *value_out)
{
    double value;
    struct vs_str text = {start, (size_t)(end - start)};
    if (vs_parse_f64(text, &value, NULL) != VS_OK) {
        return false;
    }
    // Beyond float's range the conversion is not defined in C; the gate refuses infinities.
    if (fabs(value) > 0x1.ffffffp127) {
        *value_out = value > 0 ? INFINITY : -INFINITY;
    } else {
        *value_out = (float)value;
    }
    return true;
}

#define SHORT_ROOM 40 // bytes that take_short may read

// 10^0 .. 10^8, and how large 16 digits may be so that that many more fit uint64_t.
static const uint64_t whole_powers[9] = {1,      10,      100,      1000,     10000,
                                         100000, 1000000, 10000000, 100000000};
static const uint64_t room_below[7] = {
    UINT64_MAX,        1000000000000000000u, 100000000000000000u, 10000000000000000u,
    1000000000000000u, 100000000000000u,     10000000000000u};

// The usual number: perhaps a sign, one digit, a point and 1 to 22 digits, perhaps an exponent.
// Sign and number of digits change from one number to the next, so they cost no branches. Returns
// where it ends; NULL: it is not of that form, or too close to the middle between two floats.
static inline const char *take_short(const char *p, const char *end, float *value_out)
{
    uint32_t is_negative = *p == '-', bits;
    p += is_negative;
    uint64_t digit = (uint64_t)(unsigned char)*p - '0';
    uint64_t first = vs_load_u64le(p + 2) ^ ZEROS, second = vs_load_u64le(p + 10) ^ ZEROS;
    size_t n1 = count_digits(first), n2 = n1 == 8 ? count_digits(second) : 0, n = n1 + n2;
    if (digit > 9 || p[1] != '.' || n1 == 0) {
        return NULL;
    }
    uint64_t digits = (digit * whole_powers[n1] + join_first(first, n1)) * whole_powers[n2] +
                      join_first(second, n2);
    if (n == 16) { // clients that print doubles have about 17 digits in all their numbers
        uint64_t third = vs_load_u64le(p + 18) ^ ZEROS;
        size_t n3 = count_digits(third);
        if (n3 > 6 || digits >= room_below[n3]) {
            return NULL;
        }
        digits = digits * whole_powers[n3] + join_first(third, n3);
        n += n3;
    }
    p += n + 2;
    float value;
    bool has_exponent = *p == 'e' || *p == 'E';
    if (digits <= EXACT_MAX && !has_exponent) {
        value = (float)((double)(int64_t)digits / powers[n]); // the nearest double, as below
    } else {
        struct number number = {.digits = digits, .exponent = -(int)n, .exact = true};
        p = has_exponent ? take_exponent(p + 1, end, &number) : p;
        if (p == NULL || !convert_fast(&number, &value)) {
            return NULL;
        }
    }
    memcpy(&bits, &value, sizeof bits);
    bits |= is_negative << 31;
    memcpy(value_out, &bits, sizeof bits);
    return p;
}

// Usual numbers as long as they come with nothing but a comma, or a comma and a blank, between
// them. *at is left behind the last one taken. Returns how many.
static size_t take_run(const char **at, const char *end, float *out, size_t room)
{
    const char *p = *at, *behind;
    size_t n = 0;
    while (n < room && end - p > SHORT_ROOM && (behind = take_short(p, end, &out[n])) != NULL) {
        n++;
        *at = behind;
        if (behind == end || *behind != ',') {
            break;
        }
        p = behind + 1;
        // A branch that is foreseen: the next number need not wait for this byte.
        while (p < end && *p == ' ') {
            p++;
        }
    }
    return n;
}

// Any number, and its value; NULL when it is none.
static const char *take_value(const char *start, const char *end, float *value_out)
{
    struct number n;
    const char *p = take_number(start, end, &n);
    if (p == NULL || (!convert_fast(&n, value_out) && !convert_exact(start, p, value_out))) {
        return NULL;
    }
    return p;
}

// Room for at least one more; the buffer's bytes are aligned as malloc aligns.
static enum vs_status reserve(struct vs_buf *out, struct vs_error *err)
{
    return out->capacity - out->len < sizeof(float) ? vs_buf_reserve(out, 4096, err) : VS_OK;
}

static enum vs_status parse_numbers(
    struct vs_str text, struct vs_buf *out, size_t *used_out, bool *good_out, struct vs_error *err)
{
    const char *end = text.ptr + text.len;
    const char *p = skip_space(text.ptr + 1, end);
    *good_out = false;
    bool is_empty = p < end && *p == ']';
    while (p < end && !is_empty) {
        VS_TRY(reserve(out, err));
        float *to = (float *)(void *)(out->data + out->len);
        size_t n = take_run(&p, end, to, (out->capacity - out->len) / sizeof *to);
        if (n == 0) {
            p = take_value(p, end, to);
            n = 1;
        }
        if (p == NULL) {
            return VS_OK;
        }
        out->len += n * sizeof *to;
        p = skip_space(p, end);
        if (p == end || *p != ',') {
            break;
        }
        p = skip_space(p + 1, end);
    }
    if (p < end && *p == ']') {
        *used_out = (size_t)(p + 1 - text.ptr);
        *good_out = true;
    }
    return VS_OK;
}

bool vs_float_array_parse(struct vs_str text,
                          struct vs_buf *out,
                          size_t *used_out,
                          enum vs_status *status_out,
                          struct vs_error *err)
{
    size_t before = out->len;
    bool good = false;
    *status_out = VS_OK;
    if (text.len == 0 || text.ptr[0] != '[') {
        return false;
    }
    *status_out = parse_numbers(text, out, used_out, &good, err);
    if (!good) {
        out->len = before;
    }
    return good;
}
