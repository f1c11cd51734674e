// SPDX-License-Identifier: Apache-2.0
#include "index/tune.h"

#include "index/codebook_internal.h"
#include "index/tune_trial.h"
#include "vecstore/base/json.h"

#include <math.h>
#include <string.h>

#define ROWS_MIN 4096 // of the sample; fewer say too little
#define ROWS_MAX 65536
#define SHARE 16               // at most one row in so many: trying must stay cheap
#define VALUES_MAX (24u << 20) // of the sample
#define LISTS_MAX 131072
#define TRIALS_MAX 16
#define BYTES_MAX 48    // codes of an entry
#define USUAL_LENGTHS 3 // code lengths tried besides the first
#define NOTABLE 0.02    // a later trial must be better by this, on the logarithmic scale

// Rows a list that are tried, and code lengths (4 bits each).
static const uint32_t rows_per_list[] = {64, 32, 16};
static const uint32_t lengths[] = {48, 64, 96};
#define LENGTH_COUNT (sizeof lengths / sizeof lengths[0])

struct tuning {
    const struct vs_env *env;
    const struct vs_tune_params *params;
    const struct vs_op *op; // to report to; params->op is silent
    struct vs_tune_sample sample;
    struct vs_codebook lists; // with the best lists so far
    struct vs_tune_trial trials[TRIALS_MAX];
    size_t trial_count, best; // index of the best trial
};

// ---- models ----

static void train_params(const struct tuning *t,
                         uint32_t list_count,
                         uint32_t m,
                         struct vs_train_params *train)
{
    const struct vs_tune_params *params = t->params;
    *train = (struct vs_train_params){.dim = params->dim,
                                      .metric = params->metric,
                                      .projection = params->projection,
                                      .proj_dim = params->proj_dim,
                                      .m = m,
                                      .list_count = list_count,
                                      .row_count = t->sample.count,
                                      .seed = params->seed,
                                      .thread_count = params->thread_count,
                                      .op = params->op,
                                      .like = t->trial_count > 0 ? &t->lists : NULL};
    vs_train_defaults(train);
}

static enum vs_status train_model(const struct tuning *t,
                                  uint32_t list_count,
                                  uint32_t m,
                                  struct vs_codebook *codebook_out,
                                  struct vs_error *err)
{
    struct vs_train_params train;
    train_params(t, list_count, m, &train);
    const struct vs_train_rows rows = {t->sample.rows_i8, t->sample.facts, NULL, t->sample.stride,
                                       t->sample.count};
    return vs_train(t->env, &train, &rows, codebook_out, err);
}

static bool same_projection(const struct vs_codebook *a, const struct vs_codebook *b)
{
    return a->proj_dim == b->proj_dim &&
           memcmp(a->projection, b->projection, vs_codebook_projection_len(a) * sizeof(float)) ==
               0 &&
           memcmp(a->projection_bias, b->projection_bias, a->proj_dim * sizeof(float)) == 0;
}

// The lists of one model with the codes of another that has the same projection.
static enum vs_status join_models(const struct tuning *t,
                                  const struct vs_codebook *lists,
                                  const struct vs_codebook *codes,
                                  struct vs_codebook *codebook_out,
                                  struct vs_error *err)
{
    struct vs_codebook made = {.dim = lists->dim,
                               .proj_dim = lists->proj_dim,
                               .m = codes->m,
                               .sub_dim = codes->sub_dim,
                               .super_count = lists->super_count,
                               .list_count = lists->list_count,
                               .metric = lists->metric};
    VS_TRY(vs_codebook_init(&made, t->env, err));
    memcpy(made.projection, lists->projection, vs_codebook_projection_len(&made) * sizeof(float));
    memcpy(made.projection_bias, lists->projection_bias, made.proj_dim * sizeof(float));
    memcpy(made.super_centroids, lists->super_centroids,
           vs_codebook_super_len(&made) * sizeof(float));
    memcpy(made.super_first, lists->super_first, (made.super_count + 1) * sizeof(uint32_t));
    memcpy(made.centroids, lists->centroids, vs_codebook_centroid_len(&made) * sizeof(float));
    memcpy(made.pq, codes->pq, vs_codebook_pq_len(&made) * sizeof(float));
    enum vs_status status = vs_codebook_finish(&made, err);
    if (status == VS_OK) {
        *codebook_out = made;
    } else {
        vs_codebook_clear(&made);
    }
    return status;
}

// ---- trials ----

// How many trials there will be is known only in the end.
static void tell(const struct tuning *t)
{
    const struct vs_tune_params *params = t->params;
    uint64_t shapes = params->list_count > 0 ? 1 : sizeof rows_per_list / sizeof rows_per_list[0];
    uint64_t total = shapes * (params->second == VS_SECOND_CHOOSE ? 2 : 1);
    total += params->m == 0 ? USUAL_LENGTHS : 0;
    total = total > t->trial_count ? total : t->trial_count + 1;
    vs_op_progress(t->op, "choosing", t->trial_count, total, "settings");
}

// Measures one combination; *better_out: it is the best so far.
static enum vs_status try_model(struct tuning *t,
                                const struct vs_codebook *codebook,
                                uint32_t list_count,
                                bool second,
                                bool *better_out,
                                struct vs_error *err)
{
    *better_out = false;
    if (t->trial_count == TRIALS_MAX) {
        return VS_OK;
    }
    struct vs_tune_trial *trial = &t->trials[t->trial_count];
    *trial = (struct vs_tune_trial){.list_count = list_count, .second = second};
    VS_TRY(vs_tune_measure(&t->sample, codebook, trial, err));
    *better_out = t->trial_count == 0 || trial->score < t->trials[t->best].score - NOTABLE;
    t->best = *better_out ? t->trial_count : t->best;
    t->trial_count++;
    tell(t);
    return VS_OK;
}

static enum vs_status try_lists(struct tuning *t, uint32_t list_count, struct vs_error *err)
{
    enum vs_tune_second second = t->params->second;
    struct vs_codebook codebook = {0};
    bool better = false, any = false;
    VS_TRY(train_model(t, vs_tune_lists(&t->sample, list_count), t->params->m, &codebook, err));
    enum vs_status status = VS_OK;
    if (second != VS_SECOND_ON) {
        status = try_model(t, &codebook, list_count, false, &better, err);
        any = any || better;
    }
    if (status == VS_OK && second != VS_SECOND_OFF) {
        status = try_model(t, &codebook, list_count, true, &better, err);
        any = any || better;
    }
    if (status == VS_OK && any) {
        vs_codebook_clear(&t->lists);
        t->lists = codebook;
    } else {
        vs_codebook_clear(&codebook);
    }
    return status;
}

static enum vs_status try_all_lists(struct tuning *t, struct vs_error *err)
{
    if (t->params->list_count > 0) {
        return try_lists(t, t->params->list_count, err);
    }
    uint32_t before = 0;
    for (size_t i = 0; i < sizeof rows_per_list / sizeof rows_per_list[0]; i++) {
        uint64_t wanted = t->params->row_count / rows_per_list[i];
        uint32_t lists = wanted < LISTS_MAX ? (uint32_t)wanted / 16 * 16 : LISTS_MAX;
        if (lists == before) { // the limit, once more
            break;
        }
        before = lists;
        VS_TRY(try_lists(t, lists, err));
    }
    return VS_OK;
}

static bool is_possible(const struct tuning *t, uint32_t m)
{
    uint32_t proj_dim = t->params->proj_dim;
    return m <= t->params->dim && m / 2 <= BYTES_MAX && (proj_dim == 0 || proj_dim % m == 0);
}

static enum vs_status try_length(struct tuning *t,
                                 uint32_t m,
                                 bool *better_out,
                                 struct vs_error *err)
{
    struct vs_codebook codes = {0}, joined = {0};
    struct vs_tune_trial best = t->trials[t->best];
    VS_TRY(train_model(t, 1, m, &codes, err));
    enum vs_status status;
    if (same_projection(&codes, &t->lists)) {
        status = join_models(t, &t->lists, &codes, &joined, err);
    } else { // another projection needs lists of its own
        status = train_model(t, t->lists.list_count, m, &joined, err);
    }
    if (status == VS_OK) {
        status = try_model(t, &joined, best.list_count, best.second, better_out, err);
    }
    vs_codebook_clear(&codes);
    vs_codebook_clear(&joined);
    return status;
}

// Shorter codes for as long as they are better; if none was, longer ones.
static enum vs_status try_lengths(struct tuning *t, struct vs_error *err)
{
    uint32_t start = t->trials[t->best].m;
    bool better = false, any = false;
    for (size_t i = LENGTH_COUNT; i-- > 0;) {
        if (lengths[i] < start && is_possible(t, lengths[i])) {
            VS_TRY(try_length(t, lengths[i], &better, err));
            any = any || better;
            if (!better) {
                break;
            }
        }
    }
    for (size_t i = 0; i < LENGTH_COUNT && !any; i++) {
        if (lengths[i] > start && is_possible(t, lengths[i])) {
            VS_TRY(try_length(t, lengths[i], &better, err));
            if (!better) {
                break;
            }
        }
    }
    return VS_OK;
}

// ---- report ----

static void write_trial(struct vs_json_writer *w, const struct vs_tune_trial *trial)
{
    vs_jw_object_begin(w);
    vs_jw_key(w, "lists");
    vs_jw_u64(w, trial->list_count);
    vs_jw_key(w, "m");
    vs_jw_u64(w, trial->m);
    vs_jw_key(w, "projected");
    vs_jw_u64(w, trial->proj_dim);
    vs_jw_key(w, "second");
    vs_jw_bool(w, trial->second);
    vs_jw_key(w, "us");
    vs_jw_array_begin(w);
    for (size_t goal = 0; goal < VS_TUNE_GOALS; goal++) {
        double us = trial->us[goal];
        vs_jw_f32(w, us < 1e9 ? (float)(rint(us * 10.0) / 10.0) : 1e9F);
    }
    vs_jw_array_end(w);
    vs_jw_object_end(w);
}

static enum vs_status report(const struct tuning *t,
                             struct vs_tune_choice *choice,
                             struct vs_error *err)
{
    struct vs_buf text;
    struct vs_json_writer w;
    vs_buf_init(&text, t->env, VS_TUNE_TABLE - 1);
    vs_json_writer_init(&w, &text, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "rows");
    vs_jw_u64(&w, t->sample.count);
    vs_jw_key(&w, "queries");
    vs_jw_u64(&w, t->sample.truth.query_count);
    vs_jw_key(&w, "given");
    vs_jw_bool(&w, t->params->query_count > 0);
    vs_jw_key(&w, "goals");
    vs_jw_raw(&w, VS_STR("[\"recall@10 0.95\",\"recall@10 0.99\",\"recall@100 0.95\"]"));
    vs_jw_key(&w, "tried");
    vs_jw_array_begin(&w);
    for (size_t i = 0; i < t->trial_count; i++) {
        write_trial(&w, &t->trials[i]);
    }
    vs_jw_array_end(&w);
    vs_jw_object_end(&w);
    enum vs_status status = vs_json_writer_finish(&w, err);
    if (status == VS_OK) {
        memcpy(choice->table_json, text.data, text.len);
        choice->table_json[text.len] = '\0';
    }
    vs_buf_clear(&text);
    return status;
}

// ---- the whole ----

static void choose_defaults(const struct vs_tune_params *params, struct vs_tune_choice *choice)
{
    struct vs_train_params train = {.dim = params->dim,
                                    .metric = params->metric,
                                    .projection = params->projection,
                                    .proj_dim = params->proj_dim,
                                    .m = params->m,
                                    .list_count = params->list_count,
                                    .row_count = params->row_count,
                                    .seed = params->seed,
                                    .thread_count = params->thread_count};
    vs_train_defaults(&train);
    choice->list_count = train.list_count;
    choice->m = train.m;
    choice->proj_dim = train.proj_dim;
    choice->second_assignment = params->second == VS_SECOND_ON && train.list_count > 1;
}

static size_t sample_rows(const struct vs_tune_params *params)
{
    uint64_t rows = params->row_count / SHARE;
    rows = rows < ROWS_MAX ? rows : ROWS_MAX;
    rows = rows < VALUES_MAX / params->dim ? rows : VALUES_MAX / params->dim;
    return (size_t)(rows < params->sample.count ? rows : params->sample.count);
}

static enum vs_status try_everything(struct tuning *t, size_t rows, struct vs_error *err)
{
    VS_TRY(vs_tune_sample_make(t->env, t->params, rows, &t->sample, err));
    VS_TRY(try_all_lists(t, err));
    return t->params->m == 0 ? try_lengths(t, err) : VS_OK;
}

enum vs_status vs_tune(const struct vs_env *env,
                       const struct vs_tune_params *params,
                       struct vs_tune_choice *choice_out,
                       struct vs_error *err)
{
    struct vs_tune_choice choice = {.rerank = 0};
    size_t rows = sample_rows(params);
    bool open = params->list_count == 0 || params->m == 0 || params->second == VS_SECOND_CHOOSE;
    choose_defaults(params, &choice);
    if (!open || rows < ROWS_MIN || params->list_count == 1 || !vs_trainer_available()) {
        *choice_out = choice;
        return VS_OK;
    }
    struct vs_op silent = {.progress = NULL};
    struct vs_tune_params own = *params;
    if (params->op != NULL) {
        silent.cancelled = params->op->cancelled;
        silent.deadline_ns = params->op->deadline_ns;
    }
    own.op = &silent;
    struct tuning tuning = {.env = env, .params = &own, .op = params->op};
    tell(&tuning);
    enum vs_status status = try_everything(&tuning, rows, err);
    if (status == VS_OK) {
        const struct vs_tune_trial *best = &tuning.trials[tuning.best];
        choice.list_count = best->list_count;
        choice.m = best->m;
        choice.proj_dim = best->proj_dim;
        choice.second_assignment = best->second;
        choice.rerank = best->rerank[0];
        choice.tried = tuning.trial_count;
        status = report(&tuning, &choice, err);
    }
    vs_codebook_clear(&tuning.lists);
    vs_tune_sample_clear(&tuning.sample);
    if (status == VS_OK) {
        *choice_out = choice;
    }
    return status;
}
