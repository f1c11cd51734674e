// SPDX-License-Identifier: Apache-2.0
#include "index/tune_trial.h"

#include "index/build_internal.h"
#include "index/codebook_assign.h"
#include "index/measure_curve.h"
#include "vecstore/base/pool.h"

#include <math.h>

#define QUERIES 320
#define EXCLUDED_ROWS 100
#define TASK_ROWS 1024
#define PROBE_GROWTH 0.5
#define PROBE_BY_K 0.25
#define K_LEAST 4        // fewer neighbours a query say too little
#define SECOND_TAX 0.4   // of the share of memory that it adds a second assignment must save
#define OPEN_LISTS 4096  // that the whole index looks at when it ranks lists, or ...
#define OPEN_SHARE 8     // ... one in so many, whichever is more: see measure_open.c
#define SHORTFALL_TAX 20 // for each 0.05 of recall that is missing even with all lists

static const float goals[VS_TUNE_GOALS] = {0.95F, 0.99F, 0.95F};
static const double wanted[VS_TUNE_GOALS] = {10.0, 10.0, 100.0};
// A sample tells least of the highest recall.
static const double weights[VS_TUNE_GOALS] = {0.4, 0.2, 0.4};
static const uint32_t goal_k[VS_TUNE_GOALS] = {0, 0, 1}; // index into vs_tune_sample.k
static const uint32_t rerank_steps[] = {2,  3,  4,  5,  6,   8,   10,  13,  16,  20,  26,  32,
                                        40, 50, 64, 80, 100, 130, 160, 200, 260, 320, 400, 500};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory while settings are tried");
}

// ---- sample ----

// Queries are made of some of the sample.
static enum vs_status queries_of_rows(struct vs_truth *truth,
                                      const struct vs_tune_params *params,
                                      const struct vs_env *env,
                                      struct vs_error *err)
{
    size_t dim = params->dim, all = params->sample.count;
    size_t count = all < VS_MEASURE_SAMPLE ? all : VS_MEASURE_SAMPLE;
    float *rows = vs_alloc_aligned(env, count * dim * sizeof *rows);
    uint32_t *numbers = vs_alloc(env, count * sizeof *numbers);
    if (rows != NULL && numbers != NULL) {
        for (size_t i = 0; i < count; i++) {
            numbers[i] = vs_train_row(&params->sample, i * all / count, dim, rows + i * dim);
        }
        const struct vs_truth_sample sample = {rows, numbers, count, VS_TRUTH_PERTURBATION,
                                               params->seed};
        vs_truth_from_rows(truth, &sample);
    }
    bool made = rows != NULL && numbers != NULL;
    vs_free_aligned(env, rows);
    vs_free(env, numbers);
    return made ? VS_OK : no_memory(err);
}

static enum vs_status find_truth(struct vs_tune_sample *sample, struct vs_error *err)
{
    const struct vs_tune_params *params = sample->params;
    struct vs_truth *truth = &sample->truth;
    size_t count = params->query_count > 0 ? params->query_count : sample->count;
    count = count < QUERIES ? count : QUERIES;
    VS_TRY(vs_truth_make(sample->env, params->metric, params->dim, count, truth, err));
    if (params->query_count > 0) {
        for (size_t q = 0; q < count; q++) {
            memcpy(truth->vectors + q * params->dim,
                   params->queries + q * params->query_count / count * params->dim,
                   params->dim * sizeof(float));
        }
    } else {
        truth->excluded = EXCLUDED_ROWS;
        VS_TRY(queries_of_rows(truth, params, sample->env, err));
    }
    VS_TRY(vs_truth_ready(truth, err));
    struct vs_truth_chunk chunk = {sample->rows_i8, sample->facts, sample->count};
    VS_TRY(vs_truth_add(truth, &chunk, params->thread_count, err));
    vs_truth_finish(truth);
    return VS_OK;
}

enum vs_status vs_tune_sample_make(const struct vs_env *env,
                                   const struct vs_tune_params *params,
                                   size_t count,
                                   struct vs_tune_sample *sample_out,
                                   struct vs_error *err)
{
    struct vs_tune_sample *sample = sample_out;
    *sample = (struct vs_tune_sample){.env = env,
                                      .params = params,
                                      .count = count,
                                      .stride = (size_t)vs_align64(params->dim),
                                      .share = (double)count / (double)params->row_count};
    sample->rows_i8 = vs_alloc_aligned(env, count * sample->stride + 64);
    sample->scales = vs_alloc(env, count * sizeof(float));
    sample->facts = vs_alloc_zeroed(env, count, sizeof *sample->facts);
    if (sample->rows_i8 == NULL || sample->scales == NULL || sample->facts == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < 2; i++) {
        long k = lround((i == 0 ? 10.0 : 100.0) * sample->share);
        sample->k[i] = k > K_LEAST ? (uint32_t)k : K_LEAST;
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = vs_train_place(&params->sample, i * params->sample.count / count);
        memcpy(sample->rows_i8 + i * sample->stride, params->sample.values + at * sample->stride,
               sample->stride);
        sample->facts[i] = params->sample.facts[at];
        sample->scales[i] = sample->facts[i].scale;
        uint64_t end = (uint64_t)sample->facts[i].row + 1;
        sample->row_space = end > sample->row_space ? end : sample->row_space;
    }
    return find_truth(sample, err);
}

void vs_tune_sample_clear(struct vs_tune_sample *sample)
{
    if (sample->env == NULL) {
        return;
    }
    vs_free_aligned(sample->env, sample->rows_i8);
    vs_free(sample->env, sample->scales);
    vs_free(sample->env, sample->facts);
    vs_truth_clear(&sample->truth);
    *sample = (struct vs_tune_sample){0};
}

uint32_t vs_tune_lists(const struct vs_tune_sample *sample, uint32_t list_count)
{
    double lists = (double)list_count * sample->share;
    return lists < 2.0 ? 2 : (uint32_t)lists;
}

// ---- a small index ----

struct small_index {
    const struct vs_tune_sample *sample;
    const struct vs_codebook *codebook;
    bool second;
    struct vs_assignment *assigned;
    uint8_t *codes; // [count][m / 2]
    struct vs_list_record *records;
    uint32_t *slot_of, *at; // of a sample row; of a list: entries placed
    uint32_t *entries;      // sample rows, list after list: first assignments, then second
    struct vs_row_fact *facts;
    struct vs_list_layout layout;
};

static enum vs_status encode_task(void *ctx, size_t task, struct vs_error *err)
{
    struct small_index *x = ctx;
    const struct vs_tune_sample *sample = x->sample;
    const struct vs_codebook *codebook = x->codebook;
    size_t first = task * TASK_ROWS, left = sample->count - first,
           count = left < TASK_ROWS ? left : TASK_ROWS, m = codebook->m;
    VS_TRY(vs_op_check(sample->env, sample->params->op, err));
    float *y = vs_alloc_aligned(sample->env, count * codebook->proj_dim * sizeof *y);
    if (y == NULL) {
        return no_memory(err);
    }
    vs_codebook_project_rows(codebook, sample->rows_i8 + first * sample->stride, sample->stride,
                             sample->scales + first, count, y);
    vs_codebook_assign_batch(codebook, y, count, x->second ? VS_TUNE_LAMBDA : 0.0F,
                             x->assigned + first);
    for (size_t i = 0; i < count; i++) {
        uint8_t codes[256], *out = x->codes + (first + i) * (m / 2);
        vs_codebook_encode_vector(codebook, y + i * codebook->proj_dim, codes);
        for (size_t s = 0; s < m; s += 2) {
            out[s / 2] = (uint8_t)(codes[s] | codes[s + 1] << 4);
        }
    }
    vs_free_aligned(sample->env, y);
    return VS_OK;
}

// Where every row's entries go; returns the number of entries.
static uint32_t place_entries(struct small_index *x)
{
    uint32_t lists = x->codebook->list_count, slot = 0, entry = 0;
    size_t count = x->sample->count;
    for (size_t i = 0; i < count; i++) {
        x->records[x->assigned[i].list].slot_count++;
        x->records[x->assigned[i].list].entry_count++;
        if (x->assigned[i].second != VS_ASSIGN_NO_LIST) {
            x->records[x->assigned[i].second].entry_count++;
        }
    }
    for (uint32_t l = 0; l < lists; l++) {
        x->records[l].first_slot = slot;
        x->at[l] = entry;
        slot += x->records[l].slot_count;
        entry += x->records[l].entry_count;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t list = x->assigned[i].list;
        uint32_t before = x->at[list]++;
        x->entries[before] = (uint32_t)i;
    }
    for (size_t i = 0; i < count; i++) {
        if (x->assigned[i].second != VS_ASSIGN_NO_LIST) {
            x->entries[x->at[x->assigned[i].second]++] = (uint32_t)i;
        }
    }
    entry = 0;
    for (uint32_t l = 0; l < lists; l++) {
        const struct vs_list_record *record = &x->records[l];
        for (uint32_t i = 0; i < record->slot_count; i++) {
            x->slot_of[x->entries[entry + i]] = record->first_slot + i;
            x->facts[record->first_slot + i] = x->sample->facts[x->entries[entry + i]];
        }
        entry += record->entry_count;
    }
    return entry;
}

// Brings one list into the layout by way of its section on disk.
static void put_list(const struct small_index *x, uint32_t list, uint32_t first, uint8_t *section)
{
    const struct vs_list_record *record = &x->records[list];
    size_t m = x->codebook->m;
    uint8_t *block = section;
    memset(section, 0, (size_t)vs_list_bytes(record->entry_count, x->codebook->m));
    for (uint32_t done = 0; done < record->entry_count; done += VS_BLOCK_LANES, block += 16 * m) {
        const uint8_t *codes[VS_BLOCK_LANES];
        uint32_t left = record->entry_count - done,
                 count = left < VS_BLOCK_LANES ? left : VS_BLOCK_LANES;
        for (uint32_t v = 0; v < count; v++) {
            codes[v] = x->codes + x->entries[first + done + v] * (m / 2);
        }
        vs_pq_pack_block(codes, count, m, block);
    }
    for (uint32_t i = 0; i < record->entry_count; i++) {
        memcpy(block + 4 * (size_t)i, &x->slot_of[x->entries[first + i]], 4);
    }
    vs_list_layout_put(&x->layout, list, record->entry_count, section);
}

static enum vs_status arrange(struct small_index *x,
                              uint32_t *entry_count_out,
                              struct vs_error *err)
{
    const struct vs_env *env = x->sample->env;
    uint32_t lists = x->codebook->list_count, first = 0, largest = 0;
    *entry_count_out = place_entries(x);
    for (uint32_t l = 0; l < lists; l++) {
        largest = x->records[l].entry_count > largest ? x->records[l].entry_count : largest;
    }
    VS_TRY(vs_list_layout_make(env, x->records, lists, x->codebook->m, &x->layout, err));
    uint8_t *section = vs_alloc_aligned(env, (size_t)vs_list_bytes(largest, x->codebook->m) + 64);
    if (section == NULL) {
        return no_memory(err);
    }
    for (uint32_t l = 0; l < lists; l++) {
        put_list(x, l, first, section);
        first += x->records[l].entry_count;
    }
    vs_free_aligned(env, section);
    return VS_OK;
}

// ---- cost ----

// A measured point of the sample as a setting of the whole index.
static double whole_cost(const struct vs_tune_sample *sample,
                         const struct vs_codebook *codebook,
                         const struct vs_recall_point *point,
                         const struct vs_tune_trial *trial,
                         double wanted_k,
                         struct vs_recall_point *whole_out)
{
    uint64_t rows = sample->params->row_count, entries = trial->second ? 2 * rows : rows;
    uint32_t open = trial->list_count / OPEN_SHARE;
    struct vs_recall_shape shape = {.entry_count = entries,
                                    .list_count = trial->list_count,
                                    .m = codebook->m,
                                    .proj_dim = codebook->proj_dim,
                                    .dim = codebook->dim,
                                    .open_lists = open > OPEN_LISTS ? open : OPEN_LISTS};
    double small_lists = codebook->list_count, lists = trial->list_count,
           more = pow(lists / small_lists, PROBE_GROWTH);
    // k here may stand for more neighbours than are wanted: depth grows with them, lists less.
    double part = wanted_k * sample->share / point->k;
    part = part < 1.0 ? part : 1.0;
    more *= pow(part, PROBE_BY_K);
    struct vs_recall_point whole = *point;
    whole.k = (uint32_t)wanted_k;
    double nprobe = (double)point->nprobe * more;
    whole.nprobe = nprobe < lists ? (uint32_t)ceil(nprobe) : trial->list_count;
    whole.rerank = (uint32_t)ceil((double)point->rerank * part / sample->share);
    double scanned = (double)point->scanned_fraction * more * small_lists / lists;
    whole.scanned_fraction = (float)(scanned < 1.0 ? scanned : 1.0);
    *whole_out = whole;
    return (double)vs_recall_cost(&whole, &shape);
}

// The least cost at which a goal is reached, between the points of the curve.
static void reach_goal(const struct vs_tune_sample *sample,
                       const struct vs_codebook *codebook,
                       const struct vs_recall_point *points,
                       size_t count,
                       size_t goal,
                       struct vs_tune_trial *trial)
{
    double best = HUGE_VAL, most = 0.0, most_cost = HUGE_VAL, under = 0.0, under_cost = 0.0;
    float best_recall = 1.0F;
    struct vs_recall_point whole;
    uint32_t k = sample->k[goal_k[goal]];
    for (size_t i = 0; i < count; i++) {
        if (points[i].k != k) {
            continue;
        }
        double cost = whole_cost(sample, codebook, &points[i], trial, wanted[goal], &whole),
               recall = (double)points[i].recall;
        if (points[i].recall >= goals[goal] && cost < best) {
            best = cost;
            best_recall = points[i].recall;
            trial->nprobe[goal] = whole.nprobe;
            trial->rerank[goal] = whole.rerank;
        }
        if (recall > most || (recall >= most && cost < most_cost)) {
            most = recall;
            most_cost = cost;
        }
    }
    if (isinf(best)) { // not even with everything
        trial->us[goal] = most_cost * (1.0 + SHORTFALL_TAX * ((double)goals[goal] - most));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double cost = whole_cost(sample, codebook, &points[i], trial, wanted[goal], &whole);
        if (points[i].k == k && cost < best && (double)points[i].recall > under) {
            under = (double)points[i].recall;
            under_cost = cost;
        }
    }
    double weight =
        under > 0.0 ? ((double)goals[goal] - under) / ((double)best_recall - under) : 1.0;
    trial->us[goal] = under > 0.0 ? under_cost * pow(best / under_cost, weight) : best;
}

static enum vs_status measure_small(struct small_index *x,
                                    struct vs_tune_trial *trial,
                                    struct vs_error *err)
{
    const struct vs_tune_sample *sample = x->sample;
    uint32_t entry_count = 0;
    VS_TRY(vs_pool_run(sample->env, sample->params->thread_count,
                       (sample->count + TASK_ROWS - 1) / TASK_ROWS, encode_task, x, err));
    VS_TRY(arrange(x, &entry_count, err));
    struct vs_lists lists = {.codebook = x->codebook,
                             .entry_count = entry_count,
                             .slot_count = (uint32_t)sample->count,
                             .repeated = x->second,
                             .row_count = sample->row_space,
                             .stride = sample->stride,
                             .records = x->records,
                             .layout = &x->layout,
                             .facts = x->facts};
    struct vs_curve_params curve = {.lists = &lists,
                                    .truth = &sample->truth,
                                    .k = sample->k,
                                    .k_count = sample->k[0] < sample->k[1] ? 2 : 1,
                                    .rerank = rerank_steps,
                                    .rerank_count = sizeof rerank_steps / sizeof rerank_steps[0],
                                    .rescore = sample->params->stored,
                                    .keep_all = true,
                                    .thread_count = sample->params->thread_count,
                                    .op = sample->params->op};
    struct vs_recall_point *points = NULL;
    size_t count = 0;
    VS_TRY(vs_curve_measure(sample->env, &curve, &points, &count, err));
    trial->m = x->codebook->m;
    trial->proj_dim = x->codebook->proj_dim;
    trial->score = 0.0;
    for (size_t goal = 0; goal < VS_TUNE_GOALS; goal++) {
        reach_goal(sample, x->codebook, points, count, goal, trial);
        trial->score += weights[goal] * log(trial->us[goal]);
    }
    if (trial->second) {
        double entry = 0.5 * trial->m + sizeof(uint32_t);
        trial->score += log1p(SECOND_TAX * entry / (entry + x->codebook->dim));
    }
    vs_free(sample->env, points);
    return VS_OK;
}

enum vs_status vs_tune_measure(const struct vs_tune_sample *sample,
                               const struct vs_codebook *codebook,
                               struct vs_tune_trial *trial,
                               struct vs_error *err)
{
    const struct vs_env *env = sample->env;
    size_t count = sample->count, lists = codebook->list_count;
    struct small_index x = {.sample = sample, .codebook = codebook, .second = trial->second};
    x.assigned = vs_alloc_zeroed(env, count, sizeof *x.assigned);
    x.codes = vs_alloc(env, count * (codebook->m / 2));
    x.records = vs_alloc_zeroed(env, lists, sizeof *x.records);
    x.slot_of = vs_alloc(env, count * sizeof *x.slot_of);
    x.at = vs_alloc(env, lists * sizeof *x.at);
    x.entries = vs_alloc(env, 2 * count * sizeof *x.entries);
    x.facts = vs_alloc_zeroed(env, count, sizeof *x.facts);
    bool made = x.assigned != NULL && x.codes != NULL && x.records != NULL && x.slot_of != NULL &&
                x.at != NULL && x.entries != NULL && x.facts != NULL;
    enum vs_status status = made ? measure_small(&x, trial, err) : no_memory(err);
    vs_list_layout_clear(env, &x.layout);
    vs_free(env, x.assigned);
    vs_free(env, x.codes);
    vs_free(env, x.records);
    vs_free(env, x.slot_of);
    vs_free(env, x.at);
    vs_free(env, x.entries);
    vs_free(env, x.facts);
    return status;
}
