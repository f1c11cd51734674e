// SPDX-License-Identifier: Apache-2.0
/*
 * The "explain" document of an answer: what was planned and what it cost. Private to api/query.
 */
#ifndef VS_QUERY_EXPLAIN_H
#define VS_QUERY_EXPLAIN_H

#include "api/query/search_run.h"

// JSON in arena.
enum vs_status vs_explain_write(const struct vs_search *search,
                                const struct vs_query_stats *stats,
                                struct vs_arena *arena,
                                struct vs_str *json_out,
                                struct vs_error *err);

#endif
