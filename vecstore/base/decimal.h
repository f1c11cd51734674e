// SPDX-License-Identifier: Apache-2.0
/*
 * Decimals of up to 38 digits as unscaled 128-bit integers with an outside scale (Iceberg, Parquet,
 * Avro).
 */
#ifndef VS_BASE_DECIMAL_H
#define VS_BASE_DECIMAL_H

#include "vecstore/base/str.h"

__extension__ typedef __int128 vs_int128; // the one typedef: C17 has no keyword for it

#define VS_DECIMAL_TEXT_SIZE 48

// "12.5" at scale 2 -> 1250. INVALID when digits would be lost or precision is exceeded.
enum vs_status vs_decimal_parse(
    struct vs_str text, int precision, int scale, vs_int128 *unscaled_out, struct vs_error *err);
void vs_decimal_format(vs_int128 unscaled, int scale, char text_out[VS_DECIMAL_TEXT_SIZE]);
// Big-endian two's complement: n (1..16) bytes in; and the minimal form out (Iceberg single-value
// serialisation), returns its length.
vs_int128 vs_decimal_load_be(const uint8_t *bytes, size_t n);
size_t vs_decimal_store_be_minimal(vs_int128 value, uint8_t bytes_out[16]);
void vs_decimal_store_be(vs_int128 value, uint8_t *bytes_out, size_t n); // sign-extended to n bytes

#endif
