// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers as the shortest JSON text that reads back equal. Independent of the locale. NaN and
 * infinities give "null".
 */
#ifndef VS_BASE_JSON_NUMBER_H
#define VS_BASE_JSON_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#define VS_NUMBER_TEXT_SIZE 40

// Both return the length of the text; it is NUL-terminated too.
size_t vs_number_format_f64(double value, char text_out[VS_NUMBER_TEXT_SIZE]);
size_t vs_number_format_f32(float value, char text_out[VS_NUMBER_TEXT_SIZE]);

// Integers in decimal; the length, without a NUL.
#define VS_INTEGER_TEXT_SIZE 20
size_t vs_number_format_u64(uint64_t value, char text_out[VS_INTEGER_TEXT_SIZE]);
size_t vs_number_format_i64(int64_t value, char text_out[VS_INTEGER_TEXT_SIZE]);

// In json.c, by yyjson's own shortest form of a finite double; 0 when that is not to be had.
size_t vs_json_format_real(double value, char text_out[VS_NUMBER_TEXT_SIZE]);

#endif
