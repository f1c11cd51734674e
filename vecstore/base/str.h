// SPDX-License-Identifier: Apache-2.0
/*
 * Text as a view (pointer, length), passed by value; it borrows. Not NUL-terminated unless a header
 * says so.
 */
#ifndef VS_BASE_STR_H
#define VS_BASE_STR_H

#include "vecstore/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct vs_str {
    const char *ptr;
    size_t len;
};

#define VS_STR(literal) ((struct vs_str){(literal), sizeof(literal) - 1})
#define VS_STR_ARG(s) (int)((s).len > 4096 ? 4096 : (s).len), ((s).len ? (s).ptr : "") // for "%.*s"

// The same for quoting a value in a message: at most 60 bytes, so that the reason behind it is not
// cut off.
#define VS_STR_SHORT(s) (int)((s).len > 60 ? 60 : (s).len), ((s).len ? (s).ptr : "")

struct vs_str vs_str_from_c(const char *text); // NULL gives the empty view
bool vs_str_equal(struct vs_str a, struct vs_str b);
bool vs_str_equal_c(struct vs_str a, const char *b);
bool vs_str_equal_nocase(struct vs_str a, struct vs_str b); // ASCII only
int vs_str_compare(struct vs_str a, struct vs_str b);       // bytewise, shorter first
bool vs_str_starts_with(struct vs_str text, struct vs_str prefix);
bool vs_str_ends_with(struct vs_str text, struct vs_str suffix);
struct vs_str vs_str_trim(struct vs_str text);
// Splits at the first `separator`: true with both halves, false when there is none.
bool vs_str_split(struct vs_str text,
                  char separator,
                  struct vs_str *left_out,
                  struct vs_str *right_out);

// Whole-text parsers: VS_INVALID with the text quoted when it is not exactly one number in range.
enum vs_status vs_parse_i64(struct vs_str text, int64_t *value_out, struct vs_error *err);
enum vs_status vs_parse_u64(struct vs_str text, uint64_t *value_out, struct vs_error *err);
enum vs_status vs_parse_f64(struct vs_str text, double *value_out, struct vs_error *err);
// "1536", "64KiB", "2GiB", "1.5GB": bytes.
enum vs_status vs_parse_size(struct vs_str text, uint64_t *bytes_out, struct vs_error *err);

// True when text is well-formed UTF-8.
bool vs_utf8_validate(struct vs_str text);

#endif
