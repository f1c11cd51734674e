// SPDX-License-Identifier: Apache-2.0
/*
 * The canonical rendering of values as bytes, and its digest: how answers of different readers are
 * compared exactly (docs/internals/inspect.md has the table).
 *
 * null is `\N`, integers are decimal, floats their IEEE bits in hexadecimal (one NaN), decimals the
 * unscaled integer, bytes and texts `length:bytes`, lists `[a,b]`, maps `{k:v}`, structs `(a,b)`.
 * The digest is FNV-1a 64 over each value's bytes and one newline. Threads: values.
 */
#ifndef VS_FORMAT_RENDER_VALUE_H
#define VS_FORMAT_RENDER_VALUE_H

#include "vecstore/format/avro_file.h"
#include "vecstore/format/record_read.h"

#define VS_DIGEST_START UINT64_C(0xcbf29ce484222325)
#define VS_DIGEST_TEXT_SIZE 17 // 16 hexadecimal digits and a NUL

uint64_t vs_digest_add(uint64_t digest, const void *bytes, size_t n);
void vs_digest_format(uint64_t digest, char text_out[VS_DIGEST_TEXT_SIZE]);

// Each appends one value. is_half: FIXED of two bytes that is a binary16.
enum vs_status vs_render_value(const struct vs_value *value,
                               bool is_half,
                               struct vs_buf *out,
                               struct vs_error *err);
enum vs_status vs_render_datum(const struct vs_datum *datum,
                               const struct vs_type *type,
                               struct vs_buf *out,
                               struct vs_error *err);
// Avro values by their writer's schema, logical types ignored.
enum vs_status vs_render_avro(const struct vs_avro_value *value,
                              struct vs_buf *out,
                              struct vs_error *err);

#endif
