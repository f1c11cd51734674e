// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by predicate.c (bounds of columns) and projection.c (partition values) only.
 */
#ifndef VS_ICEBERG_PREDICATE_INTERNAL_H
#define VS_ICEBERG_PREDICATE_INTERNAL_H

#include "vecstore/iceberg/predicate.h"

// Decides a leaf (no AND, OR, NOT, TRUE, FALSE); negated: whether NOT leaf can be true.
typedef bool (*vs_leaf_fn)(void *ctx, const struct vs_predicate *leaf, bool negated);
// Walks AND, OR and NOT (pushed down to the leaves); nested too deep: true.
bool vs_predicate_walk(const struct vs_predicate *predicate, vs_leaf_fn leaf, void *ctx);
// A leaf over values of its own kind.
bool vs_predicate_leaf_may_match(const struct vs_predicate *leaf,
                                 bool negated,
                                 const struct vs_value_range *range);

#endif
