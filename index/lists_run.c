// SPDX-License-Identifier: Apache-2.0
#include "index/lists_run.h"

#include <math.h>

#define PIECE_ENTRIES ((size_t)256) // of a list, between two looks at the threshold

enum vs_status vs_scratch_reset(const struct vs_env *env,
                                struct vs_scratch_block *block,
                                size_t bytes,
                                struct vs_error *err)
{
    if (bytes > block->capacity) {
        vs_free_aligned(env, block->memory);
        block->capacity = 0;
        block->memory = vs_alloc_aligned(env, bytes + bytes / 4);
        if (block->memory == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for a search (%zu bytes)", bytes);
        }
        block->capacity = bytes + bytes / 4;
    }
    block->used = 0;
    return VS_OK;
}

void *vs_scratch_take(struct vs_scratch_block *block, size_t count, size_t size)
{
    uint8_t *piece = block->memory + block->used;
    block->used += VS_SCRATCH_ROUND(count, size);
    return piece;
}

// What the scratch has to hold.
struct rooms {
    size_t keep, scan, best, seen;
    size_t rows; // bytes of rows read through a loader
};

static struct rooms plan_rooms(const struct vs_lists_run *run)
{
    const struct vs_lists_query *query = run->query;
    size_t slots = 0, stride = 0;
    bool loads = false;
    for (size_t t = 0; t < query->target_count; t++) {
        const struct vs_lists *lists = query->targets[t].lists;
        slots += lists->slot_count;
        stride = lists->stride;
        loads = loads || lists->loader != NULL;
    }
    size_t keep = query->rerank > query->k ? query->rerank : query->k;
    keep = query->rerank_most > keep ? query->rerank_most : keep;
    keep = keep < slots ? keep : slots;
    keep = keep > 0 ? keep : 1;
    keep = run->repeated ? 2 * keep : keep;
    size_t best = query->keep > 0 ? query->keep : 1, seen = 64;
    while (run->repeated && seen < 2 * keep) {
        seen *= 2;
    }
    return (struct rooms){.keep = keep,
                          .scan = 2 * keep + 2 * PIECE_ENTRIES + 64,
                          .best = 2 * best + VS_RERANK_CHUNK,
                          .seen = seen,
                          .rows = loads ? VS_RERANK_CHUNK * stride : 0};
}

static size_t room_bytes(const struct vs_lists_run *run, const struct rooms *rooms)
{
    const struct vs_codebook *codebook = run->codebook;
    size_t proj = codebook->proj_dim;
    return vs_coarse_bytes(codebook) + 2 * VS_SCRATCH_ROUND(proj, 4) +
           2 * VS_SCRATCH_ROUND(codebook->dim, 1) + VS_SCRATCH_ROUND(codebook->dim, 4) +
           VS_SCRATCH_ROUND(16 * (size_t)codebook->m, 1) + 2 * VS_SCRATCH_ROUND(rooms->scan, 4) +
           5 * VS_SCRATCH_ROUND(rooms->best, 4) + VS_SCRATCH_ROUND(VS_RERANK_CHUNK, 4) +
           VS_SCRATCH_ROUND(rooms->seen, 4) +
           VS_SCRATCH_ROUND((codebook->list_count + 63) / 64, 8) +
           VS_SCRATCH_ROUND(rooms->rows, 1) +
           VS_SCRATCH_ROUND(VS_RERANK_CHUNK, sizeof(struct vs_row_fact));
}

static void take_rooms(struct vs_lists_run *run,
                       const struct rooms *rooms,
                       struct vs_scratch_block *block)
{
    const struct vs_codebook *codebook = run->codebook;
    size_t best = run->query->keep > 0 ? run->query->keep : 1;
    vs_coarse_init(&run->coarse, codebook, block);
    run->q8 = vs_scratch_take(block, codebook->dim, 1);
    run->rest8 = vs_scratch_take(block, codebook->dim, 1);
    run->rest = vs_scratch_take(block, codebook->dim, 4);
    run->table = vs_scratch_take(block, 16 * (size_t)codebook->m, 1);
    run->y = vs_scratch_take(block, codebook->proj_dim, 4);
    run->y_lists = vs_scratch_take(block, codebook->proj_dim, 4);
    uint32_t *keys = vs_scratch_take(block, rooms->scan, 4),
             *ids = vs_scratch_take(block, rooms->scan, 4);
    vs_reservoir_init(&run->scan, keys, ids, rooms->keep, rooms->scan);
    keys = vs_scratch_take(block, rooms->best, 4);
    ids = vs_scratch_take(block, rooms->best, 4);
    vs_reservoir_init(&run->best, keys, ids, best, rooms->best);
    run->spare_keys = vs_scratch_take(block, rooms->best, 4);
    run->spare_ids = vs_scratch_take(block, rooms->best, 4);
    run->dots = vs_scratch_take(block, VS_RERANK_CHUNK, 4);
    run->seen_slots = vs_scratch_take(block, rooms->seen, 4);
    run->seen_mask = (uint32_t)rooms->seen - 1;
    run->visited = vs_scratch_take(block, (codebook->list_count + 63) / 64, 8);
    run->rows = vs_scratch_take(block, rooms->rows, 1);
    run->facts = vs_scratch_take(block, VS_RERANK_CHUNK, sizeof *run->facts);
}

enum vs_status vs_lists_run_begin(struct vs_lists_run *run,
                                  const struct vs_env *env,
                                  const struct vs_lists_query *query,
                                  struct vs_index_scratch *scratch,
                                  struct vs_index_stats *stats,
                                  struct vs_error *err)
{
    *run = (struct vs_lists_run){.query = query,
                                 .codebook = query->targets[0].lists->codebook,
                                 .kernels = vs_kernels_get(),
                                 .stats = stats};
    for (size_t t = 0; t < query->target_count; t++) {
        run->repeated = run->repeated || query->targets[t].lists->repeated;
    }
    struct rooms rooms = plan_rooms(run);
    struct vs_scratch_block *block = &scratch->lists;
    size_t bytes = room_bytes(run, &rooms);
    VS_TRY(vs_scratch_reset(env, block, bytes + VS_SCRATCH_ROUND(rooms.best, 4), err));
    take_rooms(run, &rooms, block);
    scratch->scores = vs_scratch_take(block, rooms.best, 4);
    run->kernels->dot_f32(query->vector, query->vector, run->codebook->dim, 1, &run->q_norm);
    return VS_OK;
}

void vs_lists_run_project(struct vs_lists_run *run)
{
    const struct vs_codebook *codebook = run->codebook;
    vs_coarse_project(&run->coarse, codebook, run->query->vector, run->y, run->y_lists);
    run->q_scale = run->coarse.q_scale;
    memcpy(run->q8, run->coarse.q8, codebook->dim);
    memcpy(run->table, run->coarse.table, 16 * (size_t)codebook->m);
}

// ---- scan ----

uint64_t vs_lists_run_scan(struct vs_lists_run *run,
                           const struct vs_lists_target *target,
                           uint32_t list,
                           uint32_t ahead)
{
    const struct vs_lists *lists = target->lists;
    const struct vs_list_layout *layout = lists->layout;
    const struct vs_list_place place = layout->places[list], next = layout->places[ahead];
    const struct vs_lane_mask *mask = target->mask;
    struct vs_reservoir *r = &run->scan;
    size_t left = place.entry_count;
    uint64_t allowed = mask == NULL                 ? left
                       : mask->list_allowed != NULL ? mask->list_allowed[list]
                                                    : 0;
    if (allowed == 0) {
        return 0;
    }
    struct vs_pq4_scan scan = {.codes = layout->codes + place.first_entry * layout->entry_bytes,
                               .m = run->codebook->m,
                               .lut = run->table,
                               .first_id = target->first_slot,
                               .ahead = layout->codes + next.first_entry * layout->entry_bytes,
                               .ahead_bytes = next.entry_count * layout->entry_bytes};
    if (lists->repeated) {
        scan.ids = layout->slots + place.first_entry;
        __builtin_prefetch(layout->slots + next.first_entry, 0, 2);
    } else { // a list's entries are its own rows, in their order
        scan.first_id += place.first_slot;
    }
    run->stats->scanned += left;
    scan.lane_mask = mask != NULL ? mask->lanes + layout->first_block[list] : NULL;
    while (left > 0) {
        scan.count = left < PIECE_ENTRIES ? left : PIECE_ENTRIES;
        if (r->count > 2 * r->keep) {
            vs_reservoir_thin(r);
        }
        scan.threshold = r->threshold;
        r->count += run->kernels->pq4_select(&scan, r->keys + r->count, r->ids + r->count);
        left -= scan.count;
        scan.codes += scan.count * layout->entry_bytes;
        if (scan.ids != NULL) {
            scan.ids += scan.count;
        } else {
            scan.first_id += (uint32_t)scan.count;
        }
        scan.lane_mask =
            scan.lane_mask != NULL ? scan.lane_mask + scan.count / VS_BLOCK_LANES : NULL;
        scan.ahead = NULL;
        scan.ahead_bytes = 0;
    }
    return allowed;
}

void vs_lists_run_prime(const struct vs_lists_run *run, const uint32_t *ids, size_t count)
{
    for (size_t t = 0; t < run->query->target_count; t++) {
        const struct vs_list_layout *layout = run->query->targets[t].lists->layout;
        for (size_t i = 0; i < count; i++) {
            const struct vs_list_place place = layout->places[ids[i]];
            const uint8_t *codes = layout->codes + place.first_entry * layout->entry_bytes;
            for (size_t at = 0; at < place.entry_count * layout->entry_bytes; at += 64) {
                __builtin_prefetch(codes + at, 0, 2);
            }
        }
    }
}

// ---- re-rank ----

// Drops all but the first entry of each slot: second assignments have the same codes and sums.
static void drop_repeats(struct vs_lists_run *run)
{
    struct vs_reservoir *r = &run->scan;
    size_t out = 0;
    memset(run->seen_slots, 0xff, ((size_t)run->seen_mask + 1) * sizeof *run->seen_slots);
    for (size_t i = 0; i < r->count; i++) {
        uint32_t slot = r->ids[i], at = slot * 0x9e3779b1u >> 7 & run->seen_mask;
        while (run->seen_slots[at] != UINT32_MAX && run->seen_slots[at] != slot) {
            at = (at + 1) & run->seen_mask;
        }
        if (run->seen_slots[at] == slot) {
            continue;
        }
        run->seen_slots[at] = slot;
        r->keys[out] = r->keys[i];
        r->ids[out++] = slot;
    }
    r->count = out;
    if (r->count > r->keep / 2) {
        vs_topk_cut(r->keys, r->ids, r->count, r->keep / 2);
        r->count = r->keep / 2;
    }
}

// Where the int8 rows of some slots and their facts lie: row i at rows[index[i]], or, without
// index, at rows[i].
struct row_view {
    const int8_t *rows;
    const struct vs_row_fact *facts;
    const uint32_t *index;
};

// Finds rows of one target (at most VS_RERANK_CHUNK slots of its own) in memory, or has the loader
// bring them.
static enum vs_status view_rows(struct vs_lists_run *run,
                                const struct vs_lists *lists,
                                const uint32_t *slots,
                                size_t count,
                                struct row_view *view_out,
                                struct vs_error *err)
{
    if (lists->loader == NULL || vs_list_loader_has_rows(lists->loader)) {
        for (size_t i = 0; i < count; i++) {
            __builtin_prefetch(&lists->facts[slots[i]], 0, 2);
        }
        *view_out = (struct row_view){lists->rows, lists->facts, slots};
        return VS_OK;
    }
    VS_TRY(vs_list_loader_rows(lists->loader, slots, count, run->query->op, run->rows, run->facts,
                               err));
    *view_out = (struct row_view){run->rows, run->facts, NULL};
    return VS_OK;
}

// run->dots[i] = query * row i
static void multiply(struct vs_lists_run *run,
                     const struct row_view *view,
                     size_t stride,
                     const int8_t *query,
                     size_t count)
{
    size_t dim = run->codebook->dim;
    if (view->index != NULL) {
        run->kernels->dot_i8_rows(query, view->rows, dim, stride, view->index, count, run->dots);
    } else {
        run->kernels->dot_i8(query, view->rows, dim, stride, count, run->dots);
    }
}

static const struct vs_row_fact *fact_of(const struct row_view *view, size_t i)
{
    return &view->facts[view->index != NULL ? view->index[i] : i];
}

static void offer_scores(struct vs_lists_run *run,
                         const struct row_view *view,
                         const uint32_t *slots,
                         size_t count)
{
    struct vs_reservoir *best = &run->best;
    bool distance = run->codebook->metric == VS_METRIC_L2;
    if (best->count + count > best->capacity) {
        vs_reservoir_shrink(best);
    }
    size_t at = best->count;
    for (size_t i = 0; i < count; i++) {
        const struct vs_row_fact *fact = fact_of(view, i);
        float dot = (float)run->dots[i] * (run->q_scale * fact->scale);
        uint32_t key = vs_topk_key(distance ? 2.0F * dot - fact->norm - run->q_norm : dot);
        best->keys[at] = key;
        best->ids[at] = slots[i];
        at += key >= best->threshold;
    }
    best->count = at;
}

// Scores at most VS_RERANK_CHUNK slots of one target; slots: own, numbered: through all targets.
static enum vs_status score_chunk(struct vs_lists_run *run,
                                  const struct vs_lists *lists,
                                  const uint32_t *slots,
                                  const uint32_t *numbered,
                                  size_t count,
                                  struct vs_error *err)
{
    struct row_view view;
    VS_TRY(view_rows(run, lists, slots, count, &view, err));
    multiply(run, &view, lists->stride, run->q8, count);
    offer_scores(run, &view, numbered, count);
    return VS_OK;
}

// Slots of one target among the candidates.
static enum vs_status score_target(struct vs_lists_run *run,
                                   const struct vs_lists_target *target,
                                   const uint32_t *candidates,
                                   size_t count,
                                   struct vs_error *err)
{
    uint32_t slots[VS_RERANK_CHUNK], numbered[VS_RERANK_CHUNK], own = target->lists->slot_count;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        slots[n] = candidates[i] - target->first_slot;
        numbered[n] = candidates[i];
        n += slots[n] < own;
        if (n == VS_RERANK_CHUNK || (i + 1 == count && n > 0)) {
            VS_TRY(score_chunk(run, target->lists, slots, numbered, n, err));
            n = 0;
        }
    }
    return VS_OK;
}

// The allowed slots of a mask that names them.
static enum vs_status score_named(struct vs_lists_run *run,
                                  const struct vs_lists_target *target,
                                  struct vs_error *err)
{
    const struct vs_lane_mask *mask = target->mask;
    uint32_t numbered[VS_RERANK_CHUNK];
    for (size_t at = 0; at < mask->allowed_count; at += VS_RERANK_CHUNK) {
        size_t left = (size_t)mask->allowed_count - at,
               n = left < VS_RERANK_CHUNK ? left : VS_RERANK_CHUNK;
        for (size_t i = 0; i < n; i++) {
            numbered[i] = mask->slots[at + i] + target->first_slot;
        }
        VS_TRY(score_chunk(run, target->lists, mask->slots + at, numbered, n, err));
    }
    run->stats->reranked += mask->allowed_count;
    return VS_OK;
}

// ---- the query's rest ----

// What rounding the query to int8 left over, as int8 once more: together sixteen bits.
static float round_rest(struct vs_lists_run *run)
{
    for (size_t i = 0; i < run->codebook->dim; i++) {
        run->rest[i] = run->query->vector[i] - run->q_scale * (float)run->q8[i];
    }
    return vs_quantize_i8(run->rest, run->codebook->dim, run->rest8);
}

// Adds the rest's products to the scores of best[at[0..count)], slots of one target.
static enum vs_status add_rest(struct vs_lists_run *run,
                               const struct vs_lists *lists,
                               const uint32_t *slots,
                               const uint32_t *at,
                               size_t count,
                               float rest_scale,
                               struct vs_error *err)
{
    struct row_view view;
    float scale = run->codebook->metric == VS_METRIC_L2 ? 2.0F * rest_scale : rest_scale;
    VS_TRY(view_rows(run, lists, slots, count, &view, err));
    multiply(run, &view, lists->stride, run->rest8, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t *key = &run->best.keys[at[i]];
        *key = vs_topk_key(vs_topk_score(*key) +
                           (float)run->dots[i] * (scale * fact_of(&view, i)->scale));
    }
    return VS_OK;
}

// The best candidates once more, with sixteen bits of the query: rounding rows is then all that is
// lost. Their rows were read a moment ago.
static enum vs_status refine_best(struct vs_lists_run *run, struct vs_error *err)
{
    struct vs_reservoir *best = &run->best;
    float rest_scale = round_rest(run);
    vs_reservoir_shrink(best);
    for (size_t t = 0; t < run->query->target_count && rest_scale > 0.0F; t++) {
        const struct vs_lists_target *target = &run->query->targets[t];
        uint32_t slots[VS_RERANK_CHUNK], at[VS_RERANK_CHUNK], own = target->lists->slot_count;
        size_t n = 0;
        for (size_t i = 0; i < best->count; i++) {
            slots[n] = best->ids[i] - target->first_slot;
            at[n] = (uint32_t)i;
            n += slots[n] < own;
            if (n == VS_RERANK_CHUNK || (i + 1 == best->count && n > 0)) {
                VS_TRY(add_rest(run, target->lists, slots, at, n, rest_scale, err));
                n = 0;
            }
        }
    }
    return VS_OK;
}

enum vs_status vs_lists_run_rerank(struct vs_lists_run *run, struct vs_error *err)
{
    const struct vs_lists_query *query = run->query;
    vs_reservoir_shrink(&run->scan);
    if (run->repeated) {
        drop_repeats(run);
    }
    run->stats->reranked += run->scan.count;
    VS_TRY(vs_lists_run_need_rows(run, err));
    for (size_t t = 0; t < query->target_count; t++) {
        const struct vs_lists_target *target = &query->targets[t];
        if (target->mask != NULL && target->mask->slots != NULL) {
            VS_TRY(score_named(run, target, err));
        } else {
            VS_TRY(score_target(run, target, run->scan.ids, run->scan.count, err));
        }
    }
    return refine_best(run, err);
}

void vs_lists_run_publish(struct vs_lists_run *run, struct vs_index_scratch *scratch)
{
    vs_reservoir_shrink(&run->best);
    vs_topk_sort(run->best.keys, run->best.ids, run->spare_keys, run->spare_ids, run->best.count);
    for (size_t i = 0; i < run->best.count; i++) {
        scratch->scores[i] = vs_topk_score(run->best.keys[i]);
    }
    scratch->slots = run->best.ids;
    scratch->count = run->best.count;
}
