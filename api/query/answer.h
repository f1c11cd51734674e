// SPDX-License-Identifier: Apache-2.0
/*
 * The answer of a query, behind the opaque struct vs_answer of vecstore.h. Private to api/query;
 * owns all that it shows.
 */
#ifndef VS_QUERY_ANSWER_H
#define VS_QUERY_ANSWER_H

#include "api/vecstore.h"
#include "vecstore/base/arena.h"
#include "vecstore/base/uuid.h"

struct vs_answer {
    const struct vs_env *env;
    struct vs_arena arena;
    int64_t snapshot_id;
    char index_uuid[VS_UUID_TEXT_SIZE];
    const char *metric;
    bool exact;
    size_t dim;
    size_t result_count;
    struct vs_result *results;
    struct vs_coverage coverage;
    struct vs_query_stats stats;
    struct vs_str explain_json; // empty: not asked
};

enum vs_status vs_answer_new(const struct vs_env *env,
                             size_t result_count,
                             struct vs_answer **answer_out,
                             struct vs_error *err);

#endif
