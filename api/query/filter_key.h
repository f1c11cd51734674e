// SPDX-License-Identifier: Apache-2.0
/*
 * The order in which filters compare floats, and the shared sentence about unknown columns. Private
 * to api/query.
 */
#ifndef VS_QUERY_FILTER_KEY_H
#define VS_QUERY_FILTER_KEY_H

#include "vecstore/format/order_key.h"
#include "vecstore/format/schema.h"

// INVALID: "<where>: unknown column 'lnag', did you mean 'lang'? The columns are …"
enum vs_status vs_unknown_column(const struct vs_schema *schema,
                                 struct vs_str name,
                                 const char *where,
                                 struct vs_error *err);

#endif
