// SPDX-License-Identifier: Apache-2.0
/*
 * A bound filter as planning understands it (vecstore/iceberg/predicate.h), to pass over files, row
 * groups and pages that cannot hold a matching row.
 *
 * Conservative: every row that the filter matches, the predicate matches; what it cannot say (LIKE
 * beyond its first letters, elements of lists) is TRUE, also below a NOT. Threads: pure.
 */
#ifndef VS_QUERY_FILTER_PREDICATE_H
#define VS_QUERY_FILTER_PREDICATE_H

#include "api/query/filter.h"
#include "vecstore/iceberg/predicate.h"

// In the arena; borrows texts of the filter.
enum vs_status vs_filter_predicate(const struct vs_filter *filter,
                                   struct vs_arena *arena,
                                   const struct vs_predicate **predicate_out,
                                   struct vs_error *err);
// Whether the filter's columns mean the same in another schema (by id and type): predicates are
// judged by the table's current schema.
bool vs_filter_fits(const struct vs_filter *filter, const struct vs_schema *schema);

#endif
