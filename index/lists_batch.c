// SPDX-License-Identifier: Apache-2.0
/*
 * Many queries at once. Lists are ranked for a few queries together; then the lists are gone
 * through in the order of memory: a list's codes come from memory once and are summed up for every
 * query that wants it. A query's sums lie one after the other, so that its best are found in one go
 * with a threshold that is known, and no reservoirs grow meanwhile. Re-ranking stays by query.
 */
#include "index/batch_rank.h"
#include "index/lists_run.h"
#include "index/recall_curve.h"

#define BATCH_QUERIES 256                   // their tables stay in the second-level cache
#ifndef VS_BATCH_SUMS                       // a test builds with few
#    define VS_BATCH_SUMS ((size_t)8 << 20) // entries whose sums are kept at a time
#endif
#define PIECE_ENTRIES ((size_t)256) // of a list, between two looks at the threshold
#define AHEAD_LISTS 2               // codes are fetched for the list after next

// What is kept of each query.
struct state {
    int8_t *q8, *y8;
    float q_scale, q_norm, y_scale, gap;
    uint8_t *table;
    uint32_t *lists; // in the order in which a single query scans them
    size_t list_count, planned;
    uint64_t seen;  // entries in them
    size_t entries; // with the padding of lists
    uint16_t *sums; // [entries], list after list, in each list target after target
};

// A query that wants a list.
struct owner {
    uint32_t state;
    uint32_t sums; // where in batch.sums those of this list belong
};

struct batch {
    struct vs_lists_run run;
    struct vs_lists_query query; // with the vector of the query at hand
    struct state *states;
    size_t count, pair_room, sum_room;
    uint32_t *lists; // of all queries
    uint16_t *sums, *spare;
    uint16_t *rank_sums; // [VS_RANK_TOGETHER][vs_batch_rank_room]
    // Queries of a wave by list
    uint32_t *first; // [list_count + 1]: where the owners of a list start
    struct owner *owners;
    const uint8_t **luts;    // [count], of the list at hand
    const uint32_t **places; // [capacity of the reservoir]
    uint16_t **sums_of;      // [count]
};

// Entries in all lists of all targets, with their padding.
static size_t all_entries(const struct batch *b)
{
    size_t entries = 0;
    for (size_t t = 0; t < b->query.target_count; t++) {
        entries += b->query.targets[t].lists->layout->first_entry[b->run.codebook->list_count];
    }
    return entries;
}

static size_t batch_bytes(const struct batch *b)
{
    const struct vs_codebook *codebook = b->run.codebook;
    size_t own = VS_SCRATCH_ROUND(codebook->dim, 1) + VS_SCRATCH_ROUND(codebook->proj_dim, 1) +
                 VS_SCRATCH_ROUND(16 * (size_t)codebook->m, 1);
    return b->count * own + VS_SCRATCH_ROUND(b->count, sizeof *b->states) +
           VS_SCRATCH_ROUND(b->pair_room, 4) + VS_SCRATCH_ROUND(b->sum_room, 2) +
           VS_SCRATCH_ROUND(VS_SUMS_SPARE, 2) +
           VS_SCRATCH_ROUND(VS_RANK_TOGETHER * vs_batch_rank_room(codebook), 2) +
           VS_SCRATCH_ROUND((size_t)codebook->list_count + 1, 4) +
           VS_SCRATCH_ROUND(b->pair_room, sizeof *b->owners) +
           2 * VS_SCRATCH_ROUND(b->count, sizeof(void *)) +
           VS_SCRATCH_ROUND(b->run.scan.capacity, sizeof(void *));
}

static enum vs_status take_states(struct batch *b,
                                  const struct vs_env *env,
                                  struct vs_scratch_block *block,
                                  struct vs_error *err)
{
    const struct vs_codebook *codebook = b->run.codebook;
    size_t reach = vs_lists_run_reach(&b->run), entries = all_entries(b);
    b->pair_room = b->count * reach;
    b->sum_room = entries < VS_BATCH_SUMS / b->count ? entries * b->count : VS_BATCH_SUMS;
    VS_TRY(vs_scratch_reset(env, block, batch_bytes(b), err));
    b->states = vs_scratch_take(block, b->count, sizeof *b->states);
    b->lists = vs_scratch_take(block, b->pair_room, 4);
    for (size_t q = 0; q < b->count; q++) {
        b->states[q] = (struct state){.q8 = vs_scratch_take(block, codebook->dim, 1),
                                      .y8 = vs_scratch_take(block, codebook->proj_dim, 1),
                                      .table = vs_scratch_take(block, 16 * (size_t)codebook->m, 1),
                                      .lists = b->lists + q * reach};
    }
    b->sums = vs_scratch_take(block, b->sum_room, 2);
    b->spare = vs_scratch_take(block, VS_SUMS_SPARE, 2);
    b->rank_sums = vs_scratch_take(block, VS_RANK_TOGETHER * vs_batch_rank_room(codebook), 2);
    b->first = vs_scratch_take(block, (size_t)codebook->list_count + 1, 4);
    b->owners = vs_scratch_take(block, b->pair_room, sizeof *b->owners);
    b->luts = vs_scratch_take(block, b->count, sizeof *b->luts);
    b->places = vs_scratch_take(block, b->run.scan.capacity, sizeof *b->places);
    b->sums_of = vs_scratch_take(block, b->count, sizeof *b->sums_of);
    return VS_OK;
}

// ---- which lists ----

static void project(struct batch *b, struct state *state, const float *vector)
{
    struct vs_lists_run *run = &b->run;
    size_t dim = run->codebook->dim;
    b->query.vector = vector;
    run->q8 = state->q8;
    run->table = state->table;
    run->coarse.y8 = state->y8;
    vs_lists_run_project(run);
    state->q_scale = run->q_scale;
    state->y_scale = run->coarse.y_scale;
    run->kernels->dot_f32(vector, vector, dim, 1, &state->q_norm);
    state->gap =
        b->query.gap > 0.0F ? vs_coarse_gap(run->codebook, run->y_lists, b->query.gap) : 0.0F;
}

// The ranked lists of a query that it wants, as vs_lists_run_choose leaves them.
static void take_lists(struct batch *b, struct state *state, size_t count)
{
    struct vs_coarse *coarse = &b->run.coarse;
    size_t nprobe = b->query.nprobe > 0 ? b->query.nprobe : 1;
    size_t planned = vs_recall_lists(coarse->keys, count, nprobe, state->gap);
    if (planned < count) {
        vs_topk_cut(coarse->keys, coarse->ids, count, planned);
    }
    vs_topk_order(coarse->keys, coarse->ids, coarse->spare_keys, coarse->spare_ids, planned);
    memcpy(state->lists, coarse->ids, planned * sizeof *state->lists);
    state->list_count = state->planned = planned;
    for (size_t t = 0; t < b->query.target_count; t++) {
        const struct vs_list_layout *layout = b->query.targets[t].lists->layout;
        for (size_t i = 0; i < planned; i++) {
            uint32_t list = state->lists[i];
            state->seen += layout->entry_count[list];
            state->entries += layout->first_entry[list + 1] - layout->first_entry[list];
        }
    }
    b->run.stats->nprobe += (uint32_t)planned;
    b->run.stats->centroids += coarse->scored;
}

static void rank_together(
    struct batch *b, const float *vectors, struct state *states, size_t count, size_t keep)
{
    struct vs_lists_run *run = &b->run;
    const struct vs_codebook *codebook = run->codebook;
    const struct vs_list_layout *codes = codebook->centroid_codes;
    uint16_t *sums[VS_RANK_TOGETHER];
    const uint8_t *luts[VS_RANK_TOGETHER];
    for (size_t q = 0; q < count; q++) {
        project(b, &states[q], vectors + q * codebook->dim);
        luts[q] = states[q].table;
        sums[q] = b->rank_sums + q * vs_batch_rank_room(codebook);
    }
    const struct vs_pq4_many many = {.codes = codes->codes,
                                     .count = codebook->list_count,
                                     .m = codes->m,
                                     .luts = luts,
                                     .query_count = count};
    run->kernels->pq4_sums_many(&many, sums);
    size_t want = vs_lists_run_reach(run);
    for (size_t q = 0; q < count; q++) {
        run->coarse.y8 = states[q].y8;
        run->coarse.y_scale = states[q].y_scale;
        run->coarse.scored = 0;
        take_lists(b, &states[q],
                   vs_batch_rank(&run->coarse, codebook, sums[q], keep, want, b->spare));
    }
}

static void choose_lists(struct batch *b, const float *vectors)
{
    struct vs_lists_run *run = &b->run;
    size_t dim = run->codebook->dim, want = vs_lists_run_reach(run),
           keep = vs_batch_rank_keep(run->codebook, want), step = keep > 0 ? VS_RANK_TOGETHER : 1;
    for (size_t q = 0; q < b->count; q += step) {
        size_t count = b->count - q < step ? b->count - q : step;
        if (keep > 0) {
            rank_together(b, vectors + q * dim, &b->states[q], count, keep);
        } else {
            project(b, &b->states[q], vectors + q * dim);
            take_lists(b, &b->states[q], vs_coarse_rank(&run->coarse, run->codebook, want));
        }
    }
}

// ---- scan ----

// Entries of a list in all targets, with their padding.
static size_t padded_entries(const struct batch *b, uint32_t list)
{
    size_t entries = 0;
    for (size_t t = 0; t < b->query.target_count; t++) {
        const uint32_t *first = b->query.targets[t].lists->layout->first_entry;
        entries += first[list + 1] - first[list];
    }
    return entries;
}

// Counting sort of the states [begin, end) by list.
static void sort_by_list(struct batch *b, size_t begin, size_t end)
{
    size_t lists = b->run.codebook->list_count;
    memset(b->first, 0, (lists + 1) * sizeof *b->first);
    for (size_t q = begin; q < end; q++) {
        for (size_t i = 0; i < b->states[q].list_count; i++) {
            b->first[b->states[q].lists[i]]++;
        }
    }
    uint32_t sum = 0;
    for (size_t l = 0; l <= lists; l++) { // to where each list ends
        sum += b->first[l];
        b->first[l] = sum;
    }
    for (size_t q = begin; q < end; q++) { // and back to where it starts
        uint32_t at = (uint32_t)(b->states[q].sums - b->sums);
        for (size_t i = 0; i < b->states[q].list_count; i++) {
            uint32_t list = b->states[q].lists[i];
            b->owners[--b->first[list]] = (struct owner){(uint32_t)q, at};
            at += (uint32_t)padded_entries(b, list);
        }
    }
}

static void prefetch_lines(const uint8_t *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch(from + at, 0, 3);
    }
}

// Tables of those that want a list come from the second-level cache.
static void prefetch_tables(const struct batch *b, uint32_t list)
{
    for (uint32_t i = b->first[list]; i < b->first[list + 1] && i < b->first[list] + 8; i++) {
        prefetch_lines(b->states[b->owners[i].state].table, 16 * (size_t)b->run.codebook->m);
    }
}

static void prefetch_codes(const struct batch *b, uint32_t list)
{
    for (size_t t = 0; t < b->query.target_count; t++) {
        const struct vs_list_layout *layout = b->query.targets[t].lists->layout;
        const uint8_t *codes = layout->codes + layout->first_entry[list] * layout->entry_bytes,
                      *end = layout->codes + layout->first_entry[list + 1] * layout->entry_bytes;
        for (; codes < end; codes += 64) {
            __builtin_prefetch(codes, 0, 2);
        }
    }
}

// Sums of one list for all that want it.
static void scan_list(struct batch *b, uint32_t list)
{
    struct vs_lists_run *run = &b->run;
    const struct owner *owners = b->owners + b->first[list];
    size_t count = b->first[list + 1] - b->first[list];
    for (size_t i = 0; i < count; i++) {
        b->luts[i] = b->states[owners[i].state].table;
        b->sums_of[i] = b->sums + owners[i].sums;
    }
    for (size_t t = 0; t < b->query.target_count; t++) {
        const struct vs_lists *lists = b->query.targets[t].lists;
        const struct vs_list_layout *layout = lists->layout;
        const struct vs_pq4_many many = {.codes = vs_lists_codes(lists, list),
                                         .count = layout->entry_count[list],
                                         .m = run->codebook->m,
                                         .luts = b->luts,
                                         .query_count = count};
        run->stats->scanned += count * many.count;
        run->kernels->pq4_sums_many(&many, b->sums_of);
        for (size_t i = 0; i < count; i++) {
            b->sums_of[i] += layout->first_entry[list + 1] - layout->first_entry[list];
        }
    }
}

static enum vs_status scan_lists(struct batch *b, const struct vs_env *env, struct vs_error *err)
{
    uint32_t lists = b->run.codebook->list_count;
    for (uint32_t list = 0; list < lists; list++) {
        if (list % 1024 == 0) {
            VS_TRY(vs_op_check(env, b->query.op, err));
        }
        if (list + AHEAD_LISTS < lists &&
            b->first[list + AHEAD_LISTS] < b->first[list + AHEAD_LISTS + 1]) {
            prefetch_codes(b, list + AHEAD_LISTS);
        }
        if (list + 1 < lists) {
            prefetch_tables(b, list + 1);
        }
        if (b->first[list] < b->first[list + 1]) {
            scan_list(b, list);
        }
    }
    return VS_OK;
}

// ---- the best of each ----

// The best sums of a query go to the reservoir, with their places in state->sums for ids. False
// where nothing tells them from the padding of lists, which has the sum 0.
static bool keep_best(struct batch *b, const struct state *state)
{
    struct vs_reservoir *r = &b->run.scan;
    const struct vs_kernels *kernels = b->run.kernels;
    r->count = 0;
    r->threshold = kernels->sums_bound(state->sums, state->entries, r->keep, b->spare);
    if (r->threshold == 0 && state->entries > 2 * r->keep) {
        return false;
    }
    for (size_t at = 0; at < state->entries && r->threshold <= UINT16_MAX; at += PIECE_ENTRIES) {
        size_t left = state->entries - at;
        if (r->count > 2 * r->keep) { // many sums are equal
            vs_reservoir_thin(r);
        }
        r->count += kernels->sums_keep(
            state->sums + at, left < PIECE_ENTRIES ? left : PIECE_ENTRIES, (uint16_t)r->threshold,
            (uint32_t)at, r->keys + r->count, r->ids + r->count);
    }
    return true;
}

// From places, which ascend, to slots; the padding of lists is dropped. Entries of lists without
// second assignments are their own rows, in their order.
static void find_slots(struct batch *b, const struct state *state)
{
    static const uint32_t none = 0;
    struct vs_reservoir *r = &b->run.scan;
    size_t done = 0, out = 0;
    uint32_t begin = 0;
    for (size_t i = 0; i < state->list_count && done < r->count; i++) {
        for (size_t t = 0; t < b->query.target_count; t++) {
            const struct vs_lists_target *target = &b->query.targets[t];
            const struct vs_lists *lists = target->lists;
            const struct vs_list_layout *layout = lists->layout;
            uint32_t list = state->lists[i], first = layout->first_entry[list],
                     end = begin + layout->first_entry[list + 1] - first;
            for (; done < r->count && r->ids[done] < end; done++) {
                uint32_t at = r->ids[done] - begin;
                r->keys[out] = r->keys[done];
                r->ids[out] = target->first_slot +
                              (lists->repeated ? 0 : lists->records[list].first_slot + at);
                b->places[out] = lists->repeated ? layout->slots + first + at : &none;
                out += at < layout->entry_count[list];
            }
            begin = end;
        }
    }
    r->count = out;
    for (size_t i = 0; i < out; i++) { // many of them come from memory: side by side
        r->ids[i] += *b->places[i];
    }
}

static enum vs_status rerank(struct batch *b,
                             struct vs_index_scratch *scratch,
                             struct state *state,
                             struct vs_error *err)
{
    struct vs_lists_run *run = &b->run;
    run->q8 = state->q8;
    run->q_scale = state->q_scale;
    run->q_norm = state->q_norm;
    find_slots(b, state);
    run->best.count = 0;
    run->best.threshold = 0;
    VS_TRY(vs_lists_run_rerank(run, err));
    vs_lists_run_publish(run, scratch);
    return VS_OK;
}

// ---- the whole ----

// States from `begin` whose sums have room together, at least one; returns the first beyond.
static size_t plan_wave(struct batch *b, size_t begin)
{
    size_t end = begin, used = 0;
    while (end < b->count && b->states[end].entries <= b->sum_room - used) {
        b->states[end].sums = b->sums + used;
        used += b->states[end++].entries;
    }
    if (end == begin) { // no room at all: it goes alone
        b->states[end].list_count = 0;
        b->states[end++].seen = 0;
    }
    return end;
}

static enum vs_status answer(struct batch *b,
                             const struct vs_env *env,
                             struct state *state,
                             struct vs_index_scratch *scratch,
                             struct vs_error *err)
{
    size_t need = b->run.repeated ? 2 * b->query.k : b->query.k;
    if (state->seen >= need && keep_best(b, state)) {
        return rerank(b, scratch, state, err);
    }
    b->run.stats->nprobe -= (uint32_t)state->planned; // too few entries in these lists: alone
    return vs_lists_search(env, &b->query, scratch, b->run.stats, err);
}

static enum vs_status run_batch(struct batch *b,
                                const struct vs_env *env,
                                const float *vectors,
                                size_t first,
                                struct vs_index_scratch *scratch,
                                const struct vs_lists_sink *sink,
                                struct vs_error *err)
{
    struct vs_index_stats *stats = b->run.stats;
    int64_t start = vs_monotonic_ns(env);
    VS_TRY(take_states(b, env, &scratch->batch, err));
    choose_lists(b, vectors);
    stats->probe_ns += vs_monotonic_ns(env) - start;
    for (size_t begin = 0, end; begin < b->count; begin = end) {
        int64_t scan_start = vs_monotonic_ns(env);
        end = plan_wave(b, begin);
        sort_by_list(b, begin, end);
        VS_TRY(scan_lists(b, env, err));
        int64_t rerank_start = vs_monotonic_ns(env);
        stats->scan_ns += rerank_start - scan_start;
        for (size_t q = begin; q < end; q++) {
            b->query.vector = vectors + q * b->run.codebook->dim;
            VS_TRY(answer(b, env, &b->states[q], scratch, err));
            VS_TRY(sink->take(sink->ctx, first + q, err));
        }
        stats->rerank_ns += vs_monotonic_ns(env) - rerank_start;
    }
    return VS_OK;
}

enum vs_status vs_lists_search_batch(const struct vs_env *env,
                                     const struct vs_lists_query *query,
                                     const float *vectors,
                                     size_t count,
                                     struct vs_index_scratch *scratch,
                                     const struct vs_lists_sink *sink,
                                     struct vs_index_stats *stats,
                                     struct vs_error *err)
{
    size_t dim = query->targets[0].lists->codebook->dim;
    for (size_t first = 0; first < count; first += BATCH_QUERIES) {
        struct batch b = {.query = *query,
                          .count = count - first < BATCH_QUERIES ? count - first : BATCH_QUERIES};
        b.query.vector = vectors + first * dim;
        VS_TRY(vs_lists_run_begin(&b.run, env, &b.query, scratch, stats, err));
        VS_TRY(run_batch(&b, env, vectors + first * dim, first, scratch, sink, err));
    }
    return VS_OK;
}
