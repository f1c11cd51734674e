// SPDX-License-Identifier: Apache-2.0
/*
 * Which lists of a segment may hold a row for which a filter is true, by their summaries
 * (index/list_summary.h). Wrong in one direction only: a list that is left out has no such row.
 * Private to api/query.
 */
#ifndef VS_QUERY_FILTER_LISTS_H
#define VS_QUERY_FILTER_LISTS_H

#include "api/query/filter.h"
#include "index/list_summary.h"

// list_bits: (summary->list_count + 63) / 64 words, overwritten; *count_out: bits set.
enum vs_status vs_filter_lists(const struct vs_env *env,
                               const struct vs_filter *filter,
                               const struct vs_list_summary *summary,
                               uint64_t *list_bits,
                               uint64_t *count_out,
                               struct vs_error *err);

#endif
