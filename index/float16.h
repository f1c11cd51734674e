// SPDX-License-Identifier: Apache-2.0
/*
 * IEEE 754 binary16, as stored vectors of half width are (docs/format/index-v1.md section 6).
 * Pure; the same bits on every processor.
 */
#ifndef VS_INDEX_FLOAT16_H
#define VS_INDEX_FLOAT16_H

#include <stddef.h>
#include <stdint.h>

#define VS_F16_MAX 65504.0F

// Rounds to nearest, ties to even. Returns how many were taken: less than count where values[that]
// is beyond VS_F16_MAX either way, or not a number. half_out has room for count.
size_t vs_f16_narrow(const float *values, size_t count, uint16_t *half_out);
// Exact. `half`, of any alignment, may be the last 2 * count bytes of out.
void vs_f16_widen(const void *half, size_t count, float *out);

#endif
