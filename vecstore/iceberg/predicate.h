// SPDX-License-Identifier: Apache-2.0
/*
 * A condition on rows as planning understands it: whether a manifest, a data file, a row group or a
 * page can hold a row that matches. Three-valued SQL logic: a row matches when the condition is
 * true; comparisons with null are unknown.
 *
 * The filter language is api/query's; this is the part of it that bounds can decide. What a
 * predicate cannot say (LIKE in the middle of a text, lists) is VS_PREDICATE_TRUE: pruning then
 * keeps more, never less. Ownership: nodes and values live in the caller's arena. Threads:
 * immutable.
 */
#ifndef VS_ICEBERG_PREDICATE_H
#define VS_ICEBERG_PREDICATE_H

#include "vecstore/format/column.h"

enum vs_predicate_op {
    VS_PREDICATE_TRUE,
    VS_PREDICATE_FALSE,
    VS_PREDICATE_AND,
    VS_PREDICATE_OR,
    VS_PREDICATE_NOT,
    VS_PREDICATE_EQ,
    VS_PREDICATE_NE,
    VS_PREDICATE_LT,
    VS_PREDICATE_LE,
    VS_PREDICATE_GT,
    VS_PREDICATE_GE,
    VS_PREDICATE_IN,
    VS_PREDICATE_STARTS_WITH, // strings
    VS_PREDICATE_IS_NULL,
    VS_PREDICATE_IS_NAN,
};

struct vs_predicate {
    enum vs_predicate_op op;
    size_t child_count; // AND, OR: any number; NOT: 1
    const struct vs_predicate *const *children;
    int32_t field_id;              // comparisons: an Iceberg field id (never a list)
    size_t value_count;            // comparisons: 1; IN: any number
    const struct vs_value *values; // of the field's kind in the current schema
};

// What is known of the values of one field in a set of rows; the widest "not known" is all zero but
// may_* true.
struct vs_value_range {
    bool has_lower, has_upper;
    struct vs_value lower, upper; // inclusive bounds of the values that are neither null nor NaN
    bool may_be_null, may_be_nan, may_be_value; // may_be_value: some value that is neither
};

// Gives the range of a field in the rows asked about.
typedef struct vs_value_range (*vs_range_fn)(void *ctx, int32_t field_id);
// False only when no row with such values can match.
bool vs_predicate_may_match(const struct vs_predicate *predicate, vs_range_fn range, void *ctx);

#endif
