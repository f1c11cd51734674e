// SPDX-License-Identifier: Apache-2.0
#include "api/http/body_scan.h"

#include "vecstore/base/bytes.h"

#include <string.h>

void vs_body_scan_init(struct vs_body_scan *scan, struct vs_str text)
{
    *scan = (struct vs_body_scan){.at = text.ptr, .end = text.ptr + text.len};
}

static void skip_space(struct vs_body_scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r' || *scan->at == '\n')) {
        scan->at++;
    }
}

static bool take(struct vs_body_scan *scan, char c)
{
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != c) {
        return false;
    }
    scan->at++;
    return true;
}

// From behind the opening quote to behind the closing one; NULL when there is none.
static const char *skip_string(const char *at, const char *end)
{
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL) {
            return NULL;
        }
        size_t slashes = 0;
        while (quote - slashes > at && quote[-1 - (ptrdiff_t)slashes] == '\\') {
            slashes++;
        }
        if (slashes % 2 == 0) {
            return quote + 1;
        }
        at = quote + 1;
    }
    return NULL;
}

// Over words of eight bytes without a quote or a bracket: a vector is nothing else. Brackets have
// bits 4 and 6 set, which nothing in a number has.
static const char *skip_plain(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t text = vs_load_u64le((const uint8_t *)at), quotes = text ^ 0x2222222222222222u;
        uint64_t brackets = text & text << 2 & 0x4040404040404040u;
        quotes = (quotes - 0x0101010101010101u) & ~quotes & 0x8080808080808080u;
        if ((brackets | quotes) != 0) {
            break;
        }
    }
    return at;
}

// Behind the bracket that closes the one at `at`.
static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        char c = *at++;
        if (c == ',') {
            at = skip_plain(at, end);
        } else if (c == '"') {
            at = skip_string(at, end);
            if (at == NULL) {
                return NULL;
            }
        } else if (c == '[' || c == '{') {
            depth++;
        } else if ((c == ']' || c == '}') && --depth == 0) {
            return at;
        }
    }
    return NULL;
}

static const char *skip_word(const char *at, const char *end)
{
    while (at < end && *at != ',' && *at != '}' && *at != ']' && *at != ' ' && *at != '\t' &&
           *at != '\r' && *at != '\n') {
        at++;
    }
    return at;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at == end) {
        return NULL;
    }
    if (*at == '"') {
        return skip_string(at + 1, end);
    }
    if (*at == '[' || *at == '{') {
        return skip_container(at, end);
    }
    const char *behind = skip_word(at, end);
    return behind > at ? behind : NULL;
}

bool vs_body_scan_next(struct vs_body_scan *scan, struct vs_body_member *member_out)
{
    if (scan->finished) {
        return false;
    }
    bool first = !scan->started;
    if (first && !take(scan, '{')) {
        return false;
    }
    scan->started = true;
    if (take(scan, '}')) {
        skip_space(scan);
        scan->finished = scan->at == scan->end;
        return false;
    }
    if (!first && !take(scan, ',')) {
        return false;
    }
    if (!take(scan, '"')) {
        return false;
    }
    const char *key = scan->at, *behind = skip_string(key, scan->end);
    if (behind == NULL) {
        return false;
    }
    scan->at = behind;
    if (!take(scan, ':')) {
        return false;
    }
    skip_space(scan);
    const char *value = scan->at, *value_end = skip_value(value, scan->end);
    if (value_end == NULL) {
        return false;
    }
    scan->at = value_end;
    member_out->key = (struct vs_str){key, (size_t)(behind - 1 - key)};
    member_out->value = (struct vs_str){value, (size_t)(value_end - value)};
    return true;
}
