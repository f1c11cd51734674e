// SPDX-License-Identifier: Apache-2.0
/*
 * The values of one data page as a stream: every encoding that the reader supports, one interface.
 *
 * Values come out in their physical form (little-endian, BOOLEAN as one byte). Nothing is allocated
 * by a count of the file; only DELTA_BYTE_ARRAY keeps a buffer, as long as its longest value.
 * Borrows the page's bytes. Threads: single owner. Spec: apache/parquet-format Encodings.md.
 */
#ifndef VS_FORMAT_PARQUET_PAGE_H
#define VS_FORMAT_PARQUET_PAGE_H

#include "vecstore/base/buf.h"
#include "vecstore/format/parquet_bits.h"
#include "vecstore/format/parquet_meta.h"

// Bytes of a fixed-width physical value: BOOLEAN 1, FIXED its length; 0 for BYTE_ARRAY.
size_t vs_pq_type_width(int32_t type, int32_t type_length);

struct vs_pq_values {
    int32_t type, encoding;
    size_t width;
    bool is_dictionary;  // values are codes: only vs_pq_values_codes
    const uint8_t *next; // PLAIN, and the bytes of the delta length encodings
    const uint8_t *end;
    uint64_t bit;                 // PLAIN booleans
    size_t split_count, split_at; // BYTE_STREAM_SPLIT
    struct vs_hybrid codes;       // dictionary codes, RLE booleans
    struct vs_delta delta;        // integers, or lengths
    struct vs_delta prefixes;     // DELTA_BYTE_ARRAY
    struct vs_buf previous;       // DELTA_BYTE_ARRAY: the last value
};

void vs_pq_values_init(struct vs_pq_values *values, const struct vs_env *env);
void vs_pq_values_clear(struct vs_pq_values *values);
// Starts on the value section of a page. UNSUPPORTED names an encoding that is unknown or not meant
// for the type.
enum vs_status vs_pq_values_start(struct vs_pq_values *values,
                                  int32_t type,
                                  size_t width,
                                  int32_t encoding,
                                  struct vs_str bytes,
                                  struct vs_error *err);
// The next n values of a fixed-width type, n * width bytes.
enum vs_status vs_pq_values_fixed(struct vs_pq_values *values,
                                  void *out,
                                  size_t n,
                                  struct vs_error *err);
// The next value of a BYTE_ARRAY; valid until the next call.
enum vs_status vs_pq_values_bytes(struct vs_pq_values *values,
                                  struct vs_str *bytes_out,
                                  struct vs_error *err);
enum vs_status vs_pq_values_codes(struct vs_pq_values *values,
                                  uint32_t *out,
                                  size_t n,
                                  struct vs_error *err);
// Passes over n values of a fixed-width type without decoding, where the encoding allows: true when
// done.
bool vs_pq_values_skip(struct vs_pq_values *values, size_t n);

#endif
