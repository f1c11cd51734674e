// SPDX-License-Identifier: Apache-2.0
#include "index/lists_run.h"
#include "index/mask_budget.h"
#include "index/recall_curve.h"

#define PREFETCH_LISTS 2
// Nearest lists whose rows are fetched with the codes where they are not in memory.
#define NEAR_LISTS 16
#define CHECK_LISTS 256 // lists between two looks at the clock

// ---- which lists ----

// Share of the slots that the masks allow; 1 without masks.
static double allowed_share(const struct vs_lists_query *query)
{
    double slots = 0, allowed = 0;
    for (size_t t = 0; t < query->target_count; t++) {
        const struct vs_lists_target *target = &query->targets[t];
        slots += target->lists->slot_count;
        allowed += target->mask != NULL ? (double)target->mask->allowed_count
                                        : (double)target->lists->slot_count;
    }
    return slots > 0 ? allowed / slots : 1;
}

static bool is_masked(const struct vs_lists_query *query)
{
    for (size_t t = 0; t < query->target_count; t++) {
        if (query->targets[t].mask != NULL) {
            return true;
        }
    }
    return false;
}

// Ranks and leaves the lists to look at, nearest first; *planned_out: so many of them a query
// without masks would scan.
static size_t choose_lists(struct vs_lists_run *run, size_t *planned_out)
{
    const struct vs_lists_query *query = run->query;
    struct vs_coarse *coarse = &run->coarse;
    size_t lists = run->codebook->list_count;
    size_t nprobe = query->nprobe > 0 ? query->nprobe : 1, want = vs_lists_run_reach(run);
    if (is_masked(query)) {
        double share = allowed_share(query), wider = (double)want / (share > 0 ? share : 1);
        want = wider < (double)lists ? (size_t)wider + 1 : lists;
    }
    size_t count = vs_coarse_rank(coarse, run->codebook, want < lists ? want : lists);
    float gap = query->gap > 0.0F ? vs_coarse_gap(run->codebook, run->y_lists, query->gap) : 0.0F;
    *planned_out = vs_recall_lists(coarse->keys, count, nprobe, gap);
    if (gap > 0.0F && !is_masked(query) && *planned_out < count) { // exactly these
        vs_topk_cut(coarse->keys, coarse->ids, count, *planned_out);
        count = *planned_out;
    }
    if (is_masked(query)) { // where it ends depends on the order
        vs_topk_sort(coarse->keys, coarse->ids, coarse->spare_keys, coarse->spare_ids, count);
    } else {
        vs_topk_order(coarse->keys, coarse->ids, coarse->spare_keys, coarse->spare_ids, count);
    }
    return count;
}

size_t vs_lists_run_choose(struct vs_lists_run *run)
{
    size_t planned = 0;
    choose_lists(run, &planned);
    return planned;
}

size_t vs_lists_run_reach(const struct vs_lists_run *run)
{
    size_t lists = run->codebook->list_count, nprobe = run->query->nprobe;
    nprobe = nprobe > 0 ? nprobe : 1;
    size_t reach = vs_recall_reach(nprobe < lists ? nprobe : lists, run->query->gap);
    return reach < lists ? reach : lists;
}

// After a first wave: all lists that were not among the first `done`, nearest first.
static size_t choose_others(struct vs_lists_run *run, size_t done)
{
    struct vs_coarse *coarse = &run->coarse;
    size_t lists = run->codebook->list_count, count = 0;
    memset(run->visited, 0, (lists + 63) / 64 * sizeof *run->visited);
    for (size_t i = 0; i < done; i++) {
        run->visited[coarse->ids[i] / 64] |= (uint64_t)1 << (coarse->ids[i] % 64);
    }
    size_t ranked = vs_coarse_rank(coarse, run->codebook, lists);
    for (size_t i = 0; i < ranked; i++) {
        uint32_t list = coarse->ids[i];
        coarse->keys[count] = coarse->keys[i];
        coarse->ids[count] = list;
        count += (run->visited[list / 64] >> (list % 64) & 1) == 0;
    }
    vs_topk_sort(coarse->keys, coarse->ids, coarse->spare_keys, coarse->spare_ids, count);
    return count;
}

// ---- scanning ----

static uint64_t entries_in(const struct vs_lists_query *query, const uint32_t *ids, size_t count)
{
    uint64_t entries = 0;
    for (size_t t = 0; t < query->target_count; t++) {
        const uint32_t *counts = query->targets[t].lists->layout->entry_count;
        for (size_t i = 0; i < count; i++) {
            entries += counts[ids[i]];
        }
    }
    return entries;
}

// Looks ahead over the ranked lists, without scanning: how many allowed entries to look at. Sets
// how many candidates are kept.
static uint64_t plan_masks(struct vs_lists_run *run, size_t count, uint64_t target)
{
    const struct vs_lists_query *query = run->query;
    uint64_t passed = 0, seen = 0;
    for (size_t i = 0; i < count && seen < target; i++) {
        for (size_t t = 0; t < query->target_count; t++) {
            const struct vs_lane_mask *mask = query->targets[t].mask;
            uint32_t list = run->coarse.ids[i],
                     entries = query->targets[t].lists->layout->entry_count[list];
            bool named = mask != NULL && mask->list_allowed == NULL; // its rows need no lists
            passed += named ? 0 : entries;
            seen += mask == NULL ? entries : named ? 0 : mask->list_allowed[list];
        }
    }
    struct vs_mask_budget budget = vs_mask_budget_plan(target, allowed_share(query), passed, seen);
    if (query->rerank_most > query->rerank) {
        size_t keep = (size_t)((double)query->rerank * budget.rerank_times);
        keep = keep > query->k ? keep : query->k;
        keep = run->repeated ? 2 * keep : keep;
        run->scan.keep = keep < run->scan.keep ? keep : run->scan.keep;
    }
    return budget.target;
}

// Scans lists in their order until `target` allowed entries were seen (at least `least` lists);
// returns how many lists were looked at. *seen counts allowed entries.
static enum vs_status scan_lists(struct vs_lists_run *run,
                                 const struct vs_env *env,
                                 size_t count,
                                 size_t least,
                                 uint64_t target,
                                 uint64_t *seen,
                                 size_t *visited_out,
                                 struct vs_error *err)
{
    const struct vs_lists_query *query = run->query;
    const uint32_t *ids = run->coarse.ids;
    size_t i = 0;
    for (; i < count && (i < least || *seen < target); i++) {
        if (i % CHECK_LISTS == 0) {
            // What will be scanned in any case is fetched in one round.
            size_t next = i == 0 && least > CHECK_LISTS ? least : CHECK_LISTS;
            next = next < count - i ? next : count - i;
            VS_TRY(vs_op_check(env, query->op, err));
            VS_TRY(vs_lists_run_need(run, ids + i, next, i == 0 ? NEAR_LISTS : 0, err));
            if (i == 0) {
                vs_lists_run_prime(run, ids, next < PREFETCH_LISTS ? next : PREFETCH_LISTS);
            }
        }
        uint32_t ahead = ids[i + PREFETCH_LISTS < count ? i + PREFETCH_LISTS : i];
        for (size_t t = 0; t < query->target_count; t++) {
            *seen += vs_lists_run_scan(run, &query->targets[t], ids[i], ahead);
        }
    }
    *visited_out = i;
    return VS_OK;
}

static enum vs_status probe_and_scan(struct vs_lists_run *run,
                                     const struct vs_env *env,
                                     struct vs_error *err)
{
    const struct vs_lists_query *query = run->query;
    int64_t start = vs_monotonic_ns(env);
    vs_lists_run_project(run);
    size_t planned = 0, count = choose_lists(run, &planned), visited = 0, more = 0;
    int64_t scan_start = vs_monotonic_ns(env);
    run->stats->probe_ns += scan_start - start;
    // As many allowed entries as a query without masks would see, and k at least.
    uint64_t need = run->repeated ? 2 * query->k : query->k;
    bool masked = is_masked(query);
    uint64_t target = masked ? entries_in(query, run->coarse.ids, planned) : 0;
    uint64_t seen = 0;
    target = target > need ? target : need;
    target = masked ? plan_masks(run, count, target) : target;
    VS_TRY(scan_lists(run, env, count, masked ? 0 : planned, target, &seen, &visited, err));
    if (seen < target && visited < run->codebook->list_count) {
        count = choose_others(run, visited);
        VS_TRY(scan_lists(run, env, count, 0, target, &seen, &more, err));
    }
    run->stats->nprobe += (uint32_t)(visited + more);
    run->stats->centroids += run->coarse.scored;
    run->stats->scan_ns += vs_monotonic_ns(env) - scan_start;
    return VS_OK;
}

// ---- the whole ----

// Few allowed rows in every target: their slots are named, lists are not needed.
static bool has_slots_only(const struct vs_lists_query *query)
{
    for (size_t t = 0; t < query->target_count; t++) {
        const struct vs_lane_mask *mask = query->targets[t].mask;
        if (mask == NULL || (mask->slots == NULL && mask->allowed_count > 0)) {
            return false;
        }
    }
    return true;
}

enum vs_status vs_lists_search(const struct vs_env *env,
                               const struct vs_lists_query *query,
                               struct vs_index_scratch *scratch,
                               struct vs_index_stats *stats,
                               struct vs_error *err)
{
    struct vs_lists_run run;
    VS_TRY(vs_lists_run_begin(&run, env, query, scratch, stats, err));
    if (has_slots_only(query)) {
        run.q_scale = vs_quantize_i8(query->vector, run.codebook->dim, run.q8);
    } else {
        VS_TRY(probe_and_scan(&run, env, err));
    }
    int64_t start = vs_monotonic_ns(env);
    VS_TRY(vs_lists_run_rerank(&run, err));
    vs_lists_run_publish(&run, scratch);
    stats->rerank_ns += vs_monotonic_ns(env) - start;
    return VS_OK;
}
