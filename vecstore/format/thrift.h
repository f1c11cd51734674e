// SPDX-License-Identifier: Apache-2.0
/*
 * Thrift compact protocol, both directions, as far as Parquet uses it.
 *
 * Reader: bounds-checked, containers are at most VS_THRIFT_MAX_DEPTH deep, a count of elements is
 * refused when it exceeds the bytes left (every element takes at least one byte), unknown fields
 * are skipped. Writer: appends to a buffer, the first error sticks. Ownership: borrows its bytes or
 * buffer. Threads: single owner. Spec: apache/thrift doc/specs/thrift-compact-protocol.md.
 */
#ifndef VS_FORMAT_THRIFT_H
#define VS_FORMAT_THRIFT_H

#include "vecstore/base/buf.h"
#include "vecstore/base/bytes.h"

#define VS_THRIFT_MAX_DEPTH 24

enum vs_thrift_type {
    VS_THRIFT_STOP = 0,
    VS_THRIFT_TRUE = 1, // also the element type of a list of booleans
    VS_THRIFT_FALSE = 2,
    VS_THRIFT_I8 = 3,
    VS_THRIFT_I16 = 4,
    VS_THRIFT_I32 = 5,
    VS_THRIFT_I64 = 6,
    VS_THRIFT_DOUBLE = 7,
    VS_THRIFT_BINARY = 8,
    VS_THRIFT_LIST = 9,
    VS_THRIFT_SET = 10,
    VS_THRIFT_MAP = 11,
    VS_THRIFT_STRUCT = 12,
    VS_THRIFT_UUID = 13,
};

// ---- reader ----
// for each struct:  VS_TRY(vs_thrift_begin(r, &field, err));
//                   for (;;) { VS_TRY(vs_thrift_next(r, &field, err)); if (field.type ==
//                   VS_THRIFT_STOP) break;
//                              switch (field.id) { case 1: VS_TRY(vs_thrift_read_i32(r, &field, &x,
//                              err)); break;
//                                                  default: VS_TRY(vs_thrift_skip(r, &field, err));
//                                                  } }
struct vs_thrift_reader {
    struct vs_reader in;
    unsigned depth;
};

struct vs_thrift_field {
    int16_t id;
    uint8_t type; // enum vs_thrift_type
};

void vs_thrift_reader_init(struct vs_thrift_reader *r,
                           const void *bytes,
                           size_t n,
                           const char *what);
// Enters a struct (LIMIT beyond the depth); vs_thrift_next leaves it when it returns STOP.
enum vs_status vs_thrift_begin(struct vs_thrift_reader *r,
                               struct vs_thrift_field *field,
                               struct vs_error *err);
enum vs_status vs_thrift_next(struct vs_thrift_reader *r,
                              struct vs_thrift_field *field,
                              struct vs_error *err);
enum vs_status vs_thrift_skip(struct vs_thrift_reader *r,
                              const struct vs_thrift_field *field,
                              struct vs_error *err);
// Values of a field; CORRUPT when the wire type is another one. i32 also accepts I8 and I16, i64
// all integers.
enum vs_status vs_thrift_read_bool(struct vs_thrift_reader *r,
                                   const struct vs_thrift_field *field,
                                   bool *value_out,
                                   struct vs_error *err);
enum vs_status vs_thrift_read_i32(struct vs_thrift_reader *r,
                                  const struct vs_thrift_field *field,
                                  int32_t *value_out,
                                  struct vs_error *err);
enum vs_status vs_thrift_read_i64(struct vs_thrift_reader *r,
                                  const struct vs_thrift_field *field,
                                  int64_t *value_out,
                                  struct vs_error *err);
// Borrows from the bytes.
enum vs_status vs_thrift_read_binary(struct vs_thrift_reader *r,
                                     const struct vs_thrift_field *field,
                                     struct vs_str *value_out,
                                     struct vs_error *err);
// Checks that the field is a struct (then call vs_thrift_begin for its fields).
enum vs_status vs_thrift_need_struct(struct vs_thrift_reader *r,
                                     const struct vs_thrift_field *field,
                                     struct vs_error *err);
// Reads a list header; every element is then read with a field of this type: `struct
// vs_thrift_field e = {0, type}`. Booleans in lists: vs_thrift_read_bool_element.
enum vs_status vs_thrift_read_list(struct vs_thrift_reader *r,
                                   const struct vs_thrift_field *field,
                                   struct vs_thrift_field *element_out,
                                   size_t *count_out,
                                   struct vs_error *err);
enum vs_status vs_thrift_read_bool_element(struct vs_thrift_reader *r,
                                           bool *value_out,
                                           struct vs_error *err);

// ---- writer ----
struct vs_thrift_writer {
    struct vs_buf *out;
    int16_t last_id[VS_THRIFT_MAX_DEPTH];
    unsigned depth;
    struct vs_error error;
};

void vs_thrift_writer_init(struct vs_thrift_writer *w, struct vs_buf *out);
void vs_tw_begin(struct vs_thrift_writer *w); // a struct: top level or list element
void vs_tw_end(struct vs_thrift_writer *w);
void vs_tw_field_begin(struct vs_thrift_writer *w,
                       int16_t id); // a field that is a struct; close with vs_tw_end
void vs_tw_field_bool(struct vs_thrift_writer *w, int16_t id, bool value);
void vs_tw_field_i8(struct vs_thrift_writer *w, int16_t id, int8_t value);
void vs_tw_field_i16(struct vs_thrift_writer *w, int16_t id, int16_t value);
void vs_tw_field_i32(struct vs_thrift_writer *w, int16_t id, int32_t value);
void vs_tw_field_i64(struct vs_thrift_writer *w, int16_t id, int64_t value);
void vs_tw_field_binary(struct vs_thrift_writer *w, int16_t id, struct vs_str value);
void vs_tw_field_list(struct vs_thrift_writer *w,
                      int16_t id,
                      enum vs_thrift_type element,
                      size_t count);                     // then `count` elements
void vs_tw_bool(struct vs_thrift_writer *w, bool value); // list elements
void vs_tw_i32(struct vs_thrift_writer *w, int32_t value);
void vs_tw_i64(struct vs_thrift_writer *w, int64_t value);
void vs_tw_binary(struct vs_thrift_writer *w, struct vs_str value);
// The first error, or INTERNAL when structs are still open.
enum vs_status vs_thrift_writer_finish(struct vs_thrift_writer *w, struct vs_error *err);

#endif
