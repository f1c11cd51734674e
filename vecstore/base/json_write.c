// SPDX-License-Identifier: Apache-2.0
/*
 * The streaming writer. Bit d of has_items tells whether the container at depth d already holds
 * something, which is all that commas need.
 */
#include "vecstore/base/json.h"
#include "vecstore/base/json_number.h"
#include "vecstore/base/str_internal.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 60

void vs_json_writer_init(struct vs_json_writer *w, struct vs_buf *out, bool pretty)
{
    vs_error_clear(&w->error); // not all of its message: some answers have a writer for each value
    w->out = out;
    w->has_items = 0;
    w->depth = 0;
    w->after_key = false;
    w->pretty = pretty;
}

static bool is_good(const struct vs_json_writer *w)
{
    return w->error.code == VS_OK;
}

static void put(struct vs_json_writer *w, const char *bytes, size_t n)
{
    if (is_good(w)) {
        vs_ignore(vs_buf_append(w->out, bytes, n, &w->error)); // kept in w->error
    }
}

static void put_line(struct vs_json_writer *w)
{
    if (w->pretty) {
        put(w, "\n", 1);
        for (unsigned i = 0; i < w->depth; i++) {
            put(w, "  ", 2);
        }
    }
}

static uint64_t depth_bit(const struct vs_json_writer *w)
{
    return (uint64_t)1 << w->depth;
}

// Comma and line break in front of a key, or of a value that no key announced.
static void begin_item(struct vs_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0) {
        return;
    }
    if ((w->has_items & depth_bit(w)) != 0) {
        put(w, ",", 1);
    }
    w->has_items |= depth_bit(w);
    put_line(w);
}

static void open_container(struct vs_json_writer *w, const char *bracket)
{
    begin_item(w);
    if (is_good(w) && w->depth >= DEPTH_MAX) {
        vs_ignore(
            vs_fail(&w->error, VS_LIMIT, "JSON output is nested deeper than %d levels", DEPTH_MAX));
    }
    if (!is_good(w)) {
        return;
    }
    put(w, bracket, 1);
    w->depth++;
    w->has_items &= ~depth_bit(w);
}

static void close_container(struct vs_json_writer *w, const char *bracket)
{
    if (is_good(w) && (w->depth == 0 || w->after_key)) {
        vs_ignore(vs_fail(&w->error, VS_INTERNAL,
                          "JSON output closes a container that is not open or lacks a value"));
    }
    if (!is_good(w)) {
        return;
    }
    bool had_items = (w->has_items & depth_bit(w)) != 0;
    w->depth--;
    if (had_items) {
        put_line(w);
    }
    put(w, bracket, 1);
}

void vs_jw_object_begin(struct vs_json_writer *w)
{
    open_container(w, "{");
}

void vs_jw_object_end(struct vs_json_writer *w)
{
    close_container(w, "}");
}

void vs_jw_array_begin(struct vs_json_writer *w)
{
    open_container(w, "[");
}

void vs_jw_array_end(struct vs_json_writer *w)
{
    close_container(w, "]");
}

static void put_escape(struct vs_json_writer *w, uint8_t c)
{
    static const char plain[] =
        "\"\"\\\\\bb\ff\nn\rr\tt"; // pairs: character, letter behind the '\'
    char text[8];
    for (size_t i = 0; i + 1 < sizeof plain; i += 2) {
        if ((uint8_t)plain[i] == c) {
            text[0] = '\\';
            text[1] = plain[i + 1];
            put(w, text, 2);
            return;
        }
    }
    int len = snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    put(w, text, (size_t)len);
}

// Whether one of eight bytes is a control character, '"', '\\' or not ASCII.
static bool is_special(const uint8_t *bytes)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t word, quote, slash;
    memcpy(&word, bytes, sizeof word);
    quote = word ^ (ones * '"');
    slash = word ^ (ones * '\\');
    // A byte below n borrows from its top bit; where nothing is above 0x7f, no byte is missed.
    return (((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) & tops) != 0;
}

static void put_string(struct vs_json_writer *w, struct vs_str text)
{
    const uint8_t *p = (const uint8_t *)text.ptr;
    size_t run = 0; // start of the bytes that go out unchanged
    size_t at = 0;
    put(w, "\"", 1);
    while (at < text.len && is_good(w)) {
        if (text.len - at >= 8 && !is_special(p + at)) {
            at += 8;
            continue;
        }
        uint8_t c = p[at];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            at++;
            continue;
        }
        size_t len = c < 0x80 ? 0 : vs_utf8_sequence(p + at, text.len - at);
        if (len > 0) {
            at += len;
            continue;
        }
        put(w, text.ptr + run, at - run);
        if (c < 0x80) {
            put_escape(w, c);
        } else {
            put(w, "\xEF\xBF\xBD", 3); // U+FFFD
        }
        run = ++at;
    }
    put(w, text.ptr + run, text.len - run);
    put(w, "\"", 1);
}

void vs_jw_key_str(struct vs_json_writer *w, struct vs_str key)
{
    if (is_good(w) && w->after_key) {
        vs_ignore(vs_fail(&w->error, VS_INTERNAL, "JSON output has two keys in a row"));
    }
    begin_item(w);
    put_string(w, key);
    put(w, w->pretty ? ": " : ":", w->pretty ? 2 : 1);
    w->after_key = true;
}

void vs_jw_key(struct vs_json_writer *w, const char *key)
{
    vs_jw_key_str(w, vs_str_from_c(key));
}

void vs_jw_str(struct vs_json_writer *w, struct vs_str text)
{
    begin_item(w);
    put_string(w, text);
}

void vs_jw_c(struct vs_json_writer *w, const char *text)
{
    vs_jw_str(w, vs_str_from_c(text));
}

void vs_jw_raw(struct vs_json_writer *w, struct vs_str json)
{
    begin_item(w);
    put(w, json.ptr, json.len);
}

void vs_jw_i64(struct vs_json_writer *w, int64_t value)
{
    char text[VS_INTEGER_TEXT_SIZE];
    size_t len = vs_number_format_i64(value, text);
    vs_jw_raw(w, (struct vs_str){text, len});
}

void vs_jw_u64(struct vs_json_writer *w, uint64_t value)
{
    char text[VS_INTEGER_TEXT_SIZE];
    size_t len = vs_number_format_u64(value, text);
    vs_jw_raw(w, (struct vs_str){text, len});
}

void vs_jw_f64(struct vs_json_writer *w, double value)
{
    char text[VS_NUMBER_TEXT_SIZE];
    size_t len = vs_number_format_f64(value, text);
    vs_jw_raw(w, (struct vs_str){text, len});
}

void vs_jw_f32(struct vs_json_writer *w, float value)
{
    char text[VS_NUMBER_TEXT_SIZE];
    size_t len = vs_number_format_f32(value, text);
    vs_jw_raw(w, (struct vs_str){text, len});
}

void vs_jw_bool(struct vs_json_writer *w, bool value)
{
    vs_jw_raw(w, value ? VS_STR("true") : VS_STR("false"));
}

void vs_jw_null(struct vs_json_writer *w)
{
    vs_jw_raw(w, VS_STR("null"));
}

enum vs_status vs_json_writer_finish(struct vs_json_writer *w, struct vs_error *err)
{
    if (is_good(w) && (w->depth != 0 || w->after_key)) {
        vs_ignore(vs_fail(&w->error, VS_INTERNAL,
                          "JSON output ends with %u open containers or without a value", w->depth));
    }
    if (!is_good(w) && err != NULL) {
        *err = w->error;
    }
    return w->error.code;
}
