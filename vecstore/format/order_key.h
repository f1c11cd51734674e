// SPDX-License-Identifier: Apache-2.0
/*
 * 64-bit integers ordered like the floats they stand for: -0 equals +0, NaN equals NaN and stands
 * above everything. Filters compare with them, and list summaries hold them
 * (docs/format/index-v1-blobs.md, section 5).
 */
#ifndef VS_FORMAT_ORDER_KEY_H
#define VS_FORMAT_ORDER_KEY_H

#include <stdint.h>
#include <string.h>

static inline int64_t vs_key_of_f64(double value)
{
    if (value != value) {
        return INT64_MAX;
    }
    int64_t bits;
    value += 0.0; // -0 becomes +0
    memcpy(&bits, &value, sizeof bits);
    return bits ^ (int64_t)((uint64_t)(bits >> 63) >> 1);
}

#endif
