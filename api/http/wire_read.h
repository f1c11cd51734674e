// SPDX-License-Identifier: Apache-2.0
/*
 * Typed reads of optional members for wire.c: absent and null leave the target untouched; a wrong
 * type is INVALID with the member's name; a number over its bound is LIMIT.
 */
#ifndef VS_HTTP_WIRE_READ_H
#define VS_HTTP_WIRE_READ_H

#include "api/vecstore.h"
#include "vecstore/base/arena.h"
#include "vecstore/base/json.h"

enum vs_status vs_read_bool(const struct vs_json *object,
                            const char *key,
                            bool *out,
                            struct vs_error *err);
// An integer of min to max.
enum vs_status vs_read_count(const struct vs_json *object,
                             const char *key,
                             int64_t min,
                             int64_t max,
                             int64_t *out,
                             struct vs_error *err);
// The same for an integer that is at hand.
enum vs_status vs_check_count(
    const char *key, int64_t value, int64_t min, int64_t max, struct vs_error *err);
enum vs_status vs_read_number(
    const struct vs_json *object, const char *key, bool *has_out, float *out, struct vs_error *err);
// NUL-terminated copy; a NUL inside is INVALID.
enum vs_status vs_read_text(struct vs_arena *arena,
                            const struct vs_json *object,
                            const char *key,
                            const char **out,
                            struct vs_error *err);
// Text, or an integer as its digits.
enum vs_status vs_read_id(struct vs_arena *arena,
                          const struct vs_json *value,
                          const char *what,
                          struct vs_str *out,
                          struct vs_error *err);
enum vs_status vs_read_ids(struct vs_arena *arena,
                           const struct vs_json *object,
                           const struct vs_str **out,
                           size_t *count_out,
                           struct vs_error *err);
// An array of texts.
enum vs_status vs_read_texts(struct vs_arena *arena,
                             const struct vs_json *object,
                             const char *key,
                             const char *const **out,
                             size_t *count_out,
                             struct vs_error *err);
// "filter": text, or the JSON form as its text.
enum vs_status vs_read_filter(struct vs_arena *arena,
                              const struct vs_json *object,
                              const char **text_out,
                              struct vs_str *json_out,
                              struct vs_error *err);
// "at": {"snapshot_id" | "as_of" | "ref"}
enum vs_status vs_read_at(struct vs_arena *arena,
                          const struct vs_json *object,
                          struct vs_at *out,
                          struct vs_error *err);
enum vs_status vs_check_at(const struct vs_at *at, struct vs_error *err);

#endif
