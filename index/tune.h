// SPDX-License-Identifier: Apache-2.0
/*
 * Chooses what a new index should look like by trying: small models are trained on a sample, and
 * the cheapest that reaches recall@10 of 0.95 and 0.99 and recall@100 of 0.95 is taken, by the
 * costs of recall_curve.h.
 *
 * Same sample, queries and seed give the same choice for any number of threads. Owns nothing that
 * it returns. Threads: may be called from several at once (training takes turns). See
 * docs/internals/index-build.md.
 */
#ifndef VS_INDEX_TUNE_H
#define VS_INDEX_TUNE_H

#include "index/trainer.h"

#define VS_TUNE_TABLE 8192  // bytes of the report, with its NUL
#define VS_TUNE_LAMBDA 1.0F // weight of the second assignment: see codebook_assign.h

enum vs_tune_second { VS_SECOND_CHOOSE = 0, VS_SECOND_OFF = 1, VS_SECOND_ON = 2 };

struct vs_tune_params {
    uint32_t dim;
    enum vs_metric metric;
    enum vs_projection projection;
    struct vs_train_rows sample; // rows near a query's own do not count
    const float *queries;        // [query_count][dim], prepared; NULL: made of sample rows
    size_t query_count;
    uint64_t row_count; // rows the index will hold
    // Fixed by the user; 0: to be chosen.
    uint32_t list_count, m, proj_dim;
    enum vs_tune_second second;
    bool stored; // float vectors are stored: searches may re-score from them
    uint64_t seed;
    size_t thread_count;
    const struct vs_op *op; // may be NULL
};

struct vs_tune_choice {
    uint32_t list_count, m, proj_dim; // never 0
    bool second_assignment;
    uint32_t rerank; // expected depth for recall@10 of 0.95; 0: nothing was tried
    size_t tried;    // settings compared; 0: the defaults of trainer.h and what was fixed
    // {"rows":…,"queries":…,"tried":[{"lists":…,"m":…,"projected":…,"second":…,"us":[…]}]}, for the
    // descriptor's build.tuning; "" when nothing was tried.
    char table_json[VS_TUNE_TABLE];
};

// choice_out always gets something that can be trained when VS_OK is returned. Does nothing but
// fill in defaults when all is fixed, when the sample is too small to learn from, or without a
// trainer. VS_CANCELLED as params->op says.
enum vs_status vs_tune(const struct vs_env *env,
                       const struct vs_tune_params *params,
                       struct vs_tune_choice *choice_out,
                       struct vs_error *err);

#endif
