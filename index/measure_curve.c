// SPDX-License-Identifier: Apache-2.0
#include "index/measure_curve.h"

#include "index/topk.h"
#include "vecstore/base/pool.h"

#include <math.h>

#define TASK_QUERIES 16
#define SCAN_SHARE_LISTS 4     // settings go up to a quarter of the lists ...
#define SCAN_MIN_ENTRIES 65536 // ... or to lists of so many entries
#define SETTINGS_MAX 96
#define EXCLUDED_MARK 0x80
#define LEAST_RECALL 0.5F
#define MORE_PLACES 12
#define KINDS 2 // of settings: scores from int8 rows, or from stored vectors
#define NEARLY_AS_GOOD 0.005F

struct setting {
    uint32_t nprobe;
    float gap;
};

// Counts of the queries of one task.
struct tally {
    struct tally_group {
        uint32_t hits[KINDS][VS_CURVE_K_MAX][SETTINGS_MAX][VS_CURVE_RERANK_MAX];
        uint32_t wanted[VS_CURVE_K_MAX];
    } groups[VS_TRUTH_GROUPS]; // of queries

    uint64_t scanned[SETTINGS_MAX];
};

struct curve {
    const struct vs_env *env;
    const struct vs_curve_params *params;
    const struct vs_codebook *codebook;
    struct setting settings[SETTINGS_MAX];
    size_t setting_count, step_count; // steps: settings without a gap
    float *gaps;                      // [query_count][step_count]
    uint32_t *slot_of_row;            // UINT32_MAX: no vector
    struct tally *tallies;            // one per task
    size_t largest;                   // entries of a list
    size_t reach;                     // lists of all settings together
    struct vs_progress *progress;     // of the queries; NULL: gaps are measured
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the recall measurement");
}

// ---- working memory of one task ----

struct workspace {
    struct vs_scratch_block block;
    struct vs_coarse coarse;
    float *y, *y_lists, *values;
    uint8_t *table;
    uint16_t *sums;
    uint8_t *bucket; // [255 m + 1]: of a sum, the first true neighbour, by sum, that it reaches
    uint32_t counts[VS_TRUTH_DEPTH + 1]; // slots in the probed lists, by bucket
    uint8_t *present;                    // [slot_count]: entries in the probed lists
    uint32_t *lists;                     // those of each setting, one after the other
    uint32_t *probed;                    // lists counted so far
    uint8_t *is_probed;
};

// A true neighbour of the query at hand.
struct place {
    uint32_t slot, sum;
    uint32_t rank; // among the slots of the probed lists; UINT32_MAX: not one of them
};

struct places {
    size_t count;
    struct place place[VS_TRUTH_DEPTH]; // in true order
    uint32_t by_score[VS_TRUTH_DEPTH];  // in the order of the scores of int8 rows
    uint32_t by_sum[VS_TRUTH_DEPTH];    // in the order of table sums
};

static enum vs_status workspace_make(const struct curve *curve,
                                     struct workspace *work,
                                     struct vs_error *err)
{
    const struct vs_codebook *codebook = curve->codebook;
    size_t m = codebook->m, proj = codebook->proj_dim, slots = curve->params->lists->slot_count,
           lists = codebook->list_count;
    size_t bytes = vs_coarse_bytes(codebook) + 2 * VS_SCRATCH_ROUND(proj, 4) +
                   VS_SCRATCH_ROUND(16 * m, 4) + VS_SCRATCH_ROUND(16 * m, 1) +
                   VS_SCRATCH_ROUND(curve->largest + 32, 2) + VS_SCRATCH_ROUND(255 * m + 1, 1) +
                   VS_SCRATCH_ROUND(slots, 1) + VS_SCRATCH_ROUND(curve->reach, 4) +
                   VS_SCRATCH_ROUND(lists, 4) + VS_SCRATCH_ROUND(lists, 1);
    VS_TRY(vs_scratch_reset(curve->env, &work->block, bytes, err));
    struct vs_scratch_block *block = &work->block;
    vs_coarse_init(&work->coarse, codebook, block);
    work->y = vs_scratch_take(block, proj, 4);
    work->y_lists = vs_scratch_take(block, proj, 4);
    work->values = vs_scratch_take(block, 16 * m, 4);
    work->table = vs_scratch_take(block, 16 * m, 1);
    work->sums = vs_scratch_take(block, curve->largest + 32, 2);
    work->bucket = vs_scratch_take(block, 255 * m + 1, 1);
    work->present = vs_scratch_take(block, slots, 1);
    work->lists = vs_scratch_take(block, curve->reach, 4);
    work->probed = vs_scratch_take(block, lists, 4);
    work->is_probed = vs_scratch_take(block, lists, 1);
    memset(work->present, 0, slots);
    memset(work->is_probed, 0, lists);
    return VS_OK;
}

// ---- choice of settings ----

static void choose_steps(struct curve *curve)
{
    uint32_t lists = curve->codebook->list_count, most = lists / SCAN_SHARE_LISTS;
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a codebook without lists is refused when read
    uint64_t mean = curve->params->lists->entry_count / lists + 1, few = SCAN_MIN_ENTRIES / mean;
    most = most > few ? most : (few < lists ? (uint32_t)few : lists);
    most = most > 0 ? most : 1;
    for (uint32_t n = 1; n < most && curve->step_count < SETTINGS_MAX / 2 - 1;
         n += n < 4 ? 1 : n / 4) {
        curve->settings[curve->step_count++].nprobe = n;
    }
    curve->settings[curve->step_count++].nprobe = most;
    curve->setting_count = curve->step_count;
}

static void begin_query(const struct curve *curve, struct workspace *work, size_t q)
{
    vs_coarse_project(&work->coarse, curve->codebook,
                      curve->params->truth->vectors + q * curve->codebook->dim, work->y,
                      work->y_lists);
}

// How far the list at each step is behind the best one.
static void measure_gaps(const struct curve *curve, struct workspace *work, size_t q)
{
    struct vs_coarse *coarse = &work->coarse;
    begin_query(curve, work, q);
    size_t count = vs_coarse_rank(coarse, curve->codebook, curve->codebook->list_count);
    vs_topk_sort(coarse->keys, coarse->ids, coarse->spare_keys, coarse->spare_ids, count);
    const uint32_t *keys = coarse->keys;
    float unit = vs_coarse_gap(curve->codebook, work->y_lists, 1.0F), best = vs_topk_score(keys[0]);
    for (size_t s = 0; s < curve->step_count; s++) {
        float behind = best - vs_topk_score(keys[curve->settings[s].nprobe - 1]);
        curve->gaps[q * curve->step_count + s] = unit > 0.0F ? behind / unit : 0.0F;
    }
}

// To each step a setting with the gap that a typical query has there: it probes about as many lists
// on the mean, fewer for easy queries and more for hard ones.
static enum vs_status add_gaps(struct curve *curve, struct vs_error *err)
{
    size_t count = curve->params->truth->query_count;
    uint32_t *keys = vs_alloc(curve->env, 4 * count * sizeof *keys);
    if (keys == NULL) {
        return no_memory(err);
    }
    for (size_t s = 1; s < curve->step_count; s++) {
        for (size_t i = 0; i < count; i++) {
            keys[i] = vs_topk_key(curve->gaps[i * curve->step_count + s]);
            keys[count + i] = 0;
        }
        vs_topk_sort(keys, keys + count, keys + 2 * count, keys + 3 * count, count);
        float gap = vs_topk_score(keys[count / 2]);
        if (gap > 0.0F && isfinite(gap)) {
            curve->settings[curve->setting_count++] =
                (struct setting){curve->settings[s].nprobe, gap};
        }
    }
    vs_free(curve->env, keys);
    return VS_OK;
}

// ---- one query ----

static uint32_t list_of_slot(const struct vs_lists *lists, uint32_t slot)
{
    uint32_t low = 0,
             high = lists->codebook->list_count; // the last list whose first slot is not behind
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (lists->records[middle].first_slot <= slot) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// The table sum of a slot, by its entry in its own list.
static uint32_t sum_of_slot(const struct curve *curve, const struct workspace *work, uint32_t slot)
{
    const struct vs_lists *lists = curve->params->lists;
    const struct vs_kernels *kernels = work->coarse.kernels;
    uint32_t list = list_of_slot(lists, slot), entry = slot - lists->records[list].first_slot;
    size_t lanes = kernels->pq4_lanes, base = entry / lanes * lanes;
    uint16_t sums[64];
    kernels->pq4_sums(vs_lists_codes(lists, list) + base * lists->layout->entry_bytes, lanes,
                      curve->codebook->m, work->table, sums);
    return sums[entry - base];
}

static void sort_order(const uint32_t *values, size_t count, uint32_t *order)
{
    uint32_t keys[VS_TRUTH_DEPTH], spare_keys[VS_TRUTH_DEPTH], spare[VS_TRUTH_DEPTH];
    for (size_t i = 0; i < count; i++) {
        keys[i] = values[i];
        order[i] = (uint32_t)i;
    }
    vs_topk_sort(keys, order, spare_keys, spare, count);
}

static void find_places(const struct curve *curve,
                        const struct workspace *work,
                        const struct vs_truth_query *query,
                        struct places *places)
{
    const struct vs_curve_params *params = curve->params;
    uint32_t keys[VS_TRUTH_DEPTH], most = params->k[params->k_count - 1];
    size_t enough = most + most / 4 + MORE_PLACES; // int8 scores put no others before the best
    places->count = query->count < enough ? query->count : enough;
    for (size_t t = 0; t < places->count; t++) {
        uint32_t slot = curve->slot_of_row[query->rows[t]];
        places->place[t] = (struct place){slot, sum_of_slot(curve, work, slot), UINT32_MAX};
        keys[t] = vs_topk_key(query->estimates[t]);
    }
    sort_order(keys, places->count, places->by_score);
    for (size_t t = 0; t < places->count; t++) {
        keys[t] = places->place[t].sum;
    }
    sort_order(keys, places->count, places->by_sum);
}

// Marks the rows around the query's own, so that they never count, or takes the marks away.
static void mark_excluded(const struct curve *curve,
                          struct workspace *work,
                          const struct vs_truth_query *query,
                          uint8_t mark)
{
    uint64_t own = query->own_row, excluded = curve->params->truth->excluded;
    if (query->own_row == UINT32_MAX) {
        return;
    }
    uint64_t first = own > excluded ? own - excluded : 0, end = own + excluded + 1;
    end = end < curve->params->lists->row_count ? end : curve->params->lists->row_count;
    for (uint64_t row = first; row < end; row++) {
        if (curve->slot_of_row[row] != UINT32_MAX) {
            work->present[curve->slot_of_row[row]] = mark;
        }
    }
}

// Counts a list's entries; a slot counts once.
static void count_list(const struct curve *curve, struct workspace *work, uint32_t list)
{
    const struct vs_lists *lists = curve->params->lists;
    uint32_t entries = lists->records[list].entry_count;
    const uint32_t *slots = vs_lists_slots(lists, list);
    work->coarse.kernels->pq4_sums(vs_lists_codes(lists, list), entries, curve->codebook->m,
                                   work->table, work->sums);
    for (uint32_t i = 0; i < entries; i++) {
        work->counts[work->bucket[work->sums[i]]] += work->present[slots[i]]++ == 0;
    }
}

static void forget_list(const struct curve *curve, struct workspace *work, uint32_t list)
{
    const struct vs_lists *lists = curve->params->lists;
    const uint32_t *slots = vs_lists_slots(lists, list);
    for (uint32_t i = 0; i < lists->records[list].entry_count; i++) {
        work->present[slots[i]] = 0;
    }
}

// Sums fall into buckets between those of the true neighbours, so that few counts tell their ranks.
static void set_buckets(const struct curve *curve,
                        struct workspace *work,
                        const struct places *places)
{
    size_t end = 255 * (size_t)curve->codebook->m + 1, first = end;
    for (size_t i = 0; i < places->count; i++) {
        uint32_t sum = places->place[places->by_sum[i]].sum;
        if (sum < first) {
            memset(work->bucket + sum, (int)i, first - sum);
            first = sum;
        }
    }
    memset(work->bucket, VS_TRUTH_DEPTH, first);
    memset(work->counts, 0, sizeof work->counts);
}

// The ranks of the true neighbours among the slots of the probed lists, by their codes. Others with
// the same sum are taken to come first.
static void rank_places(const struct workspace *work, struct places *places)
{
    uint32_t above = 0;
    for (size_t i = 0; i < places->count; i++) {
        struct place *place = &places->place[places->by_sum[i]];
        bool found = (work->present[place->slot] & ~EXCLUDED_MARK) != 0;
        above += work->counts[i];
        place->rank = found && above > 0 ? above - 1 : UINT32_MAX;
    }
}

// Of those re-ranked, the best k by the scores of int8 rows are the answer; where they are
// re-scored, the true best k among more of them are.
static void add_hits(const struct vs_curve_params *params,
                     const struct places *places,
                     size_t setting,
                     struct tally_group *tally)
{
    uint32_t most = params->k[params->k_count - 1];
    most = params->rescore ? (uint32_t)vs_recall_kept(most, true) : most;
    for (size_t r = 0; r < params->rerank_count; r++) {
        uint32_t before = 0;
        for (size_t i = 0; i < places->count && before < most; i++) {
            uint32_t t = places->by_score[i];
            if (places->place[t].rank >= params->rerank[r]) {
                continue;
            }
            for (size_t k = 0; k < params->k_count; k++) {
                bool wanted = t < params->k[k];
                tally->hits[0][k][setting][r] += wanted && before < params->k[k];
                tally->hits[1][k][setting][r] +=
                    wanted && before < vs_recall_kept(params->k[k], true);
            }
            before++;
        }
    }
}

// Which lists a setting probes, by asking as the search does: centroids' codes and super-clusters
// may keep a list from being seen. first: where the setting's lists begin; one more than settings.
static void choose_lists(const struct curve *curve, struct workspace *work, uint32_t *first)
{
    struct vs_coarse *coarse = &work->coarse;
    size_t lists = curve->codebook->list_count;
    first[0] = 0;
    for (size_t s = 0; s < curve->setting_count; s++) {
        const struct setting *setting = &curve->settings[s];
        size_t reach = vs_recall_reach(setting->nprobe, setting->gap);
        size_t count = vs_coarse_rank(coarse, curve->codebook, reach < lists ? reach : lists);
        float gap = vs_coarse_gap(curve->codebook, work->y_lists, setting->gap);
        size_t taken = vs_recall_lists(coarse->keys, count, setting->nprobe, gap);
        if (taken < count) {
            vs_topk_cut(coarse->keys, coarse->ids, count, taken);
        }
        memcpy(work->lists + first[s], coarse->ids, taken * sizeof *work->lists);
        first[s + 1] = first[s] + (uint32_t)taken;
    }
}

// The settings by the number of lists that they probe: those of one are nearly all among those of
// the next.
static void order_settings(const struct curve *curve, const uint32_t *first, uint32_t *order)
{
    uint32_t keys[SETTINGS_MAX], spare_keys[SETTINGS_MAX], spare[SETTINGS_MAX];
    for (size_t s = 0; s < curve->setting_count; s++) {
        keys[s] = UINT32_MAX - (first[s + 1] - first[s]);
        order[s] = (uint32_t)s;
    }
    vs_topk_sort(keys, order, spare_keys, spare, curve->setting_count);
}

// Counts those lists of a setting that no setting before had; returns how many are counted now.
static size_t probe_lists(const struct curve *curve,
                          struct workspace *work,
                          const uint32_t *ids,
                          size_t count,
                          size_t probed,
                          uint64_t *scanned)
{
    for (size_t i = 0; i < count; i++) {
        *scanned += curve->params->lists->records[ids[i]].entry_count;
        if (!work->is_probed[ids[i]]) {
            work->is_probed[ids[i]] = 1;
            work->probed[probed++] = ids[i];
            count_list(curve, work, ids[i]);
        }
    }
    return probed;
}

static void measure_query(const struct curve *curve,
                          struct workspace *work,
                          size_t q,
                          struct tally *tally)
{
    const struct vs_curve_params *params = curve->params;
    const struct vs_truth_query *query = &params->truth->queries[q];
    struct tally_group *group = &tally->groups[query->group];
    struct places places;
    uint32_t order[SETTINGS_MAX], first[SETTINGS_MAX + 1];
    size_t probed = 0;
    begin_query(curve, work, q);
    choose_lists(curve, work, first);
    order_settings(curve, first, order);
    vs_pq_table(curve->codebook, work->y, work->values, work->table);
    find_places(curve, work, query, &places);
    set_buckets(curve, work, &places);
    mark_excluded(curve, work, query, EXCLUDED_MARK);
    for (size_t k = 0; k < params->k_count; k++) {
        group->wanted[k] += (uint32_t)(query->count < params->k[k] ? query->count : params->k[k]);
    }
    for (size_t i = 0; i < curve->setting_count; i++) {
        size_t s = order[i];
        probed = probe_lists(curve, work, work->lists + first[s], first[s + 1] - first[s], probed,
                             &tally->scanned[s]);
        rank_places(work, &places);
        add_hits(params, &places, s, group);
    }
    for (size_t i = 0; i < probed; i++) {
        forget_list(curve, work, work->probed[i]);
        work->is_probed[work->probed[i]] = 0;
    }
    mark_excluded(curve, work, query, 0);
}

// First how far lists are behind, then, with the settings made of that, what these find.
static enum vs_status query_task(void *ctx, size_t task, struct vs_error *err)
{
    const struct curve *curve = ctx;
    struct workspace work = {.y = NULL};
    size_t first = task * TASK_QUERIES, end = first + TASK_QUERIES;
    end = end < curve->params->truth->query_count ? end : curve->params->truth->query_count;
    VS_TRY(vs_op_check(curve->env, curve->params->op, err));
    VS_TRY(workspace_make(curve, &work, err));
    for (size_t q = first; q < end; q++) {
        if (curve->progress == NULL) {
            measure_gaps(curve, &work, q);
        } else {
            measure_query(curve, &work, q, &curve->tallies[task]);
            vs_progress_add(curve->progress, 1);
        }
    }
    vs_free_aligned(curve->env, work.block.memory);
    return VS_OK;
}

// ---- points ----

static void add_tally(struct tally *sum, const struct tally *more)
{
    uint32_t *counts = (uint32_t *)(void *)sum->groups; // they hold nothing else
    const uint32_t *others = (const uint32_t *)(const void *)more->groups;
    for (size_t i = 0; i < sizeof sum->groups / (sizeof *counts); i++) {
        counts[i] += others[i];
    }
    for (size_t s = 0; s < SETTINGS_MAX; s++) {
        sum->scanned[s] += more->scanned[s];
    }
}

// That of the group of queries that finds least.
static float recall_of(const struct tally *tally, size_t kind, size_t k, size_t setting, size_t r)
{
    float least = 1.0F;
    bool any = false; // a k that nobody has so many rows for is not promised
    for (size_t g = 0; g < VS_TRUTH_GROUPS; g++) {
        const struct tally_group *group = &tally->groups[g];
        if (group->wanted[k] > 0) {
            float hits = (float)group->hits[kind][k][setting][r];
            least = fminf(least, hits / (float)group->wanted[k]);
            any = true;
        }
    }
    return any ? least : 0.0F;
}

#define POINTS_MAX ((size_t)KINDS * SETTINGS_MAX * VS_CURVE_RERANK_MAX)

// Room to sort the settings of one k.
struct sorting {
    struct vs_recall_point points[POINTS_MAX];
    uint32_t keys[POINTS_MAX], order[POINTS_MAX], spare_keys[POINTS_MAX], spare[POINTS_MAX];
    size_t count;
};

static void add_points(const struct curve *curve, size_t k, size_t kind, struct sorting *sorting)
{
    const struct vs_curve_params *params = curve->params;
    const struct tally *tally = &curve->tallies[0];
    struct vs_recall_shape shape = {params->lists->entry_count, curve->codebook->list_count,
                                    curve->codebook->m,         curve->codebook->proj_dim,
                                    curve->codebook->dim,       curve->codebook->open_lists};
    float entries = (float)params->truth->query_count * (float)params->lists->entry_count;
    for (size_t s = 0; s < curve->setting_count; s++) {
        for (size_t r = 0; r < params->rerank_count; r++) {
            struct vs_recall_point point = {.k = params->k[k],
                                            .nprobe = curve->settings[s].nprobe,
                                            .rerank = params->rerank[r],
                                            .recall = recall_of(tally, kind, k, s, r),
                                            .scanned_fraction = (float)tally->scanned[s] / entries,
                                            .gap = curve->settings[s].gap,
                                            .rescore = kind == 1};
            if (point.rerank < point.k || !(point.recall >= LEAST_RECALL)) {
                continue;
            }
            sorting->order[sorting->count] = (uint32_t)sorting->count;
            sorting->keys[sorting->count] = ~vs_topk_key(vs_recall_cost(&point, &shape));
            sorting->points[sorting->count++] = point;
        }
    }
}

// All settings of one k, by cost; then those that no cheaper one of their kind equals. Settings
// that re-score count where none without it is as good: an index may lose its vectors by a merge,
// not the other way round.
static size_t put_points(const struct curve *curve,
                         size_t k,
                         struct sorting *sorting,
                         struct vs_recall_point *points)
{
    const struct vs_curve_params *params = curve->params;
    float best[KINDS] = {-1.0F, -1.0F};
    size_t kept = 0;
    sorting->count = 0;
    for (size_t kind = 0; kind < (params->rescore ? KINDS : 1); kind++) {
        add_points(curve, k, kind, sorting);
    }
    vs_topk_sort(sorting->keys, sorting->order, sorting->spare_keys, sorting->spare,
                 sorting->count);
    for (size_t i = 0; i < sorting->count; i++) {
        const struct vs_recall_point *point = &sorting->points[sorting->order[i]];
        bool better = point->recall > best[point->rescore] &&
                      (!point->rescore || point->recall > best[0] - NEARLY_AS_GOOD);
        if (params->keep_all || better) {
            points[kept++] = *point;
        }
        best[point->rescore] = fmaxf(best[point->rescore], point->recall);
    }
    return kept;
}

static enum vs_status run_curve(struct curve *curve, size_t tasks, struct vs_error *err)
{
    const struct vs_curve_params *params = curve->params;
    const struct vs_lists *lists = params->lists;
    memset(curve->slot_of_row, 0xff, (size_t)lists->row_count * sizeof(uint32_t));
    for (uint32_t slot = 0; slot < lists->slot_count; slot++) {
        curve->slot_of_row[lists->facts[slot].row] = slot;
    }
    VS_TRY(vs_pool_run(curve->env, params->thread_count, tasks, query_task, curve, err));
    VS_TRY(add_gaps(curve, err));
    for (size_t i = 0; i < curve->setting_count; i++) {
        curve->reach += vs_recall_reach(curve->settings[i].nprobe, curve->settings[i].gap);
    }
    struct vs_progress progress;
    vs_progress_begin(&progress, params->op, "measuring", params->truth->query_count, "queries");
    curve->progress = &progress;
    VS_TRY(vs_pool_run(curve->env, params->thread_count, tasks, query_task, curve, err));
    for (size_t t = 1; t < tasks; t++) {
        add_tally(&curve->tallies[0], &curve->tallies[t]);
    }
    return VS_OK;
}

enum vs_status vs_curve_measure(const struct vs_env *env,
                                const struct vs_curve_params *params,
                                struct vs_recall_point **points_out,
                                size_t *point_count_out,
                                struct vs_error *err)
{
    struct curve curve = {.env = env, .params = params, .codebook = params->lists->codebook};
    size_t queries = params->truth->query_count, count = 0,
           tasks = (queries + TASK_QUERIES - 1) / TASK_QUERIES, room = POINTS_MAX * params->k_count;
    for (uint32_t l = 0; l < curve.codebook->list_count; l++) {
        size_t own = params->lists->records[l].entry_count;
        curve.largest = own > curve.largest ? own : curve.largest;
    }
    choose_steps(&curve);
    curve.gaps = vs_alloc(env, (queries * curve.step_count + 1) * sizeof *curve.gaps);
    size_t slots = (size_t)params->lists->row_count + 1;
    curve.slot_of_row = vs_alloc_zeroed(env, slots, sizeof *curve.slot_of_row);
    curve.tallies = vs_alloc_zeroed(env, tasks + 1, sizeof *curve.tallies);
    struct vs_recall_point *points = vs_alloc_zeroed(env, room, sizeof *points);
    struct sorting *sorting = vs_alloc(env, sizeof *sorting);
    bool made = curve.gaps != NULL && curve.slot_of_row != NULL && curve.tallies != NULL &&
                points != NULL && sorting != NULL;
    enum vs_status status = made ? VS_OK : no_memory(err);
    if (status == VS_OK && queries > 0 && params->lists->slot_count > 0) {
        status = run_curve(&curve, tasks, err);
        for (size_t k = 0; k < params->k_count && status == VS_OK; k++) {
            count += put_points(&curve, k, sorting, points + count);
        }
    }
    vs_free(env, curve.gaps);
    vs_free(env, curve.slot_of_row);
    vs_free(env, curve.tallies);
    vs_free(env, sorting);
    if (status == VS_OK) {
        *points_out = points;
        *point_count_out = count;
    } else {
        vs_free(env, points);
    }
    return status;
}
