// SPDX-License-Identifier: Apache-2.0
/*
 * The order in which filters compare floats, and the shared sentence about unknown columns. Private
 * to api/query.
 */
#ifndef VS_QUERY_FILTER_KEY_H
#define VS_QUERY_FILTER_KEY_H

#include "vecstore/format/schema.h"

#include <string.h>

// Integers ordered like the floats; -0 equals +0, NaN equals NaN and stands above everything.
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

// INVALID: "<where>: unknown column 'lnag', did you mean 'lang'? The columns are …"
enum vs_status vs_unknown_column(const struct vs_schema *schema,
                                 struct vs_str name,
                                 const char *where,
                                 struct vs_error *err);

#endif
