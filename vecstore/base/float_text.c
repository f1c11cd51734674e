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
#define MAX_DIGITS 19 // fit uint64_t

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

// Eight digits at once (little-endian load): pairs, then fours, then all eight are joined by
// multiplication.
static bool eight_digits(const char *p, uint64_t *value_out)
{
    uint64_t v = vs_load_u64le(p);
    if (((v & 0xF0F0F0F0F0F0F0F0u) | (((v + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u) >> 4)) !=
        0x3333333333333333u) {
        return false;
    }
    v -= 0x3030303030303030u;
    v = v * 10 + (v >> 8);
    *value_out = (((v & 0x000000FF000000FFu) * 0x000F424000000064u) +
                  (((v >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u)) >>
                 32;
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
    uint64_t below = bits & 0x1FFFFFFF;          // the 29 bits that a float lacks
    bool exact = n->digits <= (uint64_t)1 << 53; // one rounding only: it is the nearest double
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

static enum vs_status parse_numbers(
    struct vs_str text, struct vs_buf *out, size_t *used_out, bool *good_out, struct vs_error *err)
{
    const char *end = text.ptr + text.len;
    const char *p = skip_space(text.ptr + 1, end);
    *good_out = false;
    if (p < end && *p == ']') {
        *used_out = (size_t)(p + 1 - text.ptr);
        *good_out = true;
        return VS_OK;
    }
    while (p < end) {
        struct number n;
        float value;
        const char *start = p;
        p = take_number(p, end, &n);
        if (p == NULL || (!convert_fast(&n, &value) && !convert_exact(start, p, &value))) {
            return VS_OK;
        }
        if (out->capacity - out->len < sizeof value) {
            VS_TRY(vs_buf_reserve(out, 4096, err));
        }
        memcpy(out->data + out->len, &value, sizeof value);
        out->len += sizeof value;
        p = skip_space(p, end);
        if (p < end && *p == ']') {
            *used_out = (size_t)(p + 1 - text.ptr);
            *good_out = true;
            return VS_OK;
        }
        if (p == end || *p != ',') {
            return VS_OK;
        }
        p = skip_space(p + 1, end);
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
