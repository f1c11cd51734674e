// SPDX-License-Identifier: Apache-2.0
/*
 * JSON: a strict reader (tree of borrowed views) and a small streaming writer. json.c is the only
 * includer of yyjson.
 *
 * Reader: RFC 8259, UTF-8, depth at most 32 unless stated, no duplicate keys in an object, no
 * NaN/Infinity, integers kept as 64-bit integers. Values borrow from the document. Threads: a
 * document is immutable. See docs/adr/0009-json-library.md.
 */
#ifndef VS_BASE_JSON_H
#define VS_BASE_JSON_H

#include "vecstore/base/buf.h"

struct vs_json_doc;
struct vs_json; // one value; borrowed from its document

enum vs_json_type {
    VS_JSON_NULL,
    VS_JSON_BOOL,
    VS_JSON_INT,
    VS_JSON_UINT,
    VS_JSON_REAL,
    VS_JSON_STRING,
    VS_JSON_ARRAY,
    VS_JSON_OBJECT
};

// VS_JSON_UINT only for integers above INT64_MAX.

struct vs_json_limits {
    size_t max_depth;  // 0: 32
    size_t max_values; // 0: 16 million
};

// `what` names the text in errors ("request body", "v3.metadata.json"); errors give the byte
// position. limits may be NULL.
enum vs_status vs_json_parse(const struct vs_env *env,
                             struct vs_str text,
                             const char *what,
                             const struct vs_json_limits *limits,
                             struct vs_json_doc **doc_out,
                             struct vs_error *err);
void vs_json_free(struct vs_json_doc *doc);
const struct vs_json *vs_json_root(const struct vs_json_doc *doc);

enum vs_json_type vs_json_type_of(const struct vs_json *value);
const char *vs_json_type_name(const struct vs_json *value);           // "object", "number", …
bool vs_json_is(const struct vs_json *value, enum vs_json_type type); // NULL-safe: false
const struct vs_json *vs_json_get(const struct vs_json *object,
                                  const char *key);    // NULL when absent or not an object
size_t vs_json_count(const struct vs_json *container); // elements or members; 0 for others

// Iterates arrays and objects in order: start with *state zeroed. key_out may be NULL (arrays:
// empty key). False at the end.
struct vs_json_iter {
    const void *next;
    size_t left;
    const struct vs_json *container;
};

void vs_json_iter_init(struct vs_json_iter *iter, const struct vs_json *container);
bool vs_json_iter_next(struct vs_json_iter *iter,
                       struct vs_str *key_out,
                       const struct vs_json **value_out);

// Typed reads; false when the type differs or the value does not fit. REAL values with an integral
// value are not integers.
bool vs_json_to_bool(const struct vs_json *value, bool *out);
bool vs_json_to_i64(const struct vs_json *value, int64_t *out);
bool vs_json_to_f64(const struct vs_json *value, double *out); // any number
bool vs_json_to_str(const struct vs_json *value, struct vs_str *out);

// Member access with a sentence on failure: "<what>: field 'x' is missing / is a string, expected
// an integer".
enum vs_status vs_json_need_i64(const struct vs_json *object,
                                const char *key,
                                const char *what,
                                int64_t *out,
                                struct vs_error *err);
enum vs_status vs_json_need_str(const struct vs_json *object,
                                const char *key,
                                const char *what,
                                struct vs_str *out,
                                struct vs_error *err);
enum vs_status vs_json_need(const struct vs_json *object,
                            const char *key,
                            enum vs_json_type type,
                            const char *what,
                            const struct vs_json **out,
                            struct vs_error *err);

// Appends the value as compact JSON text (used to carry parts that we do not interpret).
enum vs_status vs_json_write_value(const struct vs_json *value,
                                   struct vs_buf *out,
                                   struct vs_error *err);

// ---- writer: calls in document order; commas and colons are placed by it. Errors stick: check
// once with vs_json_writer_finish. ----
struct vs_json_writer {
    struct vs_buf *out;
    struct vs_error error; // first failure
    uint64_t has_items;    // bit per open container
    unsigned depth;        // at most 60
    bool after_key;
    bool pretty; // two-space indentation
};

void vs_json_writer_init(struct vs_json_writer *w, struct vs_buf *out, bool pretty);
void vs_jw_object_begin(struct vs_json_writer *w);
void vs_jw_object_end(struct vs_json_writer *w);
void vs_jw_array_begin(struct vs_json_writer *w);
void vs_jw_array_end(struct vs_json_writer *w);
void vs_jw_key(struct vs_json_writer *w, const char *key);
void vs_jw_key_str(struct vs_json_writer *w, struct vs_str key);
void vs_jw_str(struct vs_json_writer *w, struct vs_str text); // invalid UTF-8 is replaced by U+FFFD
void vs_jw_c(struct vs_json_writer *w, const char *text);
void vs_jw_i64(struct vs_json_writer *w, int64_t value);
void vs_jw_u64(struct vs_json_writer *w, uint64_t value);
void vs_jw_f64(struct vs_json_writer *w,
               double value); // shortest text that reads back equal; NaN and Inf become null
void vs_jw_f32(struct vs_json_writer *w, float value); // the same for float
void vs_jw_bool(struct vs_json_writer *w, bool value);
void vs_jw_null(struct vs_json_writer *w);
void vs_jw_raw(struct vs_json_writer *w, struct vs_str json); // already JSON
// Fails with the first error, or INTERNAL when containers are still open.
enum vs_status vs_json_writer_finish(struct vs_json_writer *w, struct vs_error *err);

#endif
