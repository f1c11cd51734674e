// SPDX-License-Identifier: Apache-2.0
/*
 * Many queries at once, list after list: the codes of a list come from memory once and are scanned
 * for every query that wants the list. Projection, ranking and re-ranking stay by query.
 */
#include "index/lists_run.h"

#define BATCH_QUERIES 256 // their tables stay in the second-level cache

// What is kept of each query while the lists are scanned.
struct state {
    int8_t *q8;
    float q_scale, q_norm;
    uint8_t *table;
    struct vs_reservoir scan;
    uint64_t seen;
};

struct batch {
    struct vs_lists_run run;
    struct vs_lists_query query; // with the vector of the query at hand
    struct state *states;
    size_t count;
    uint32_t *lists;  // of all queries, one after the other
    uint16_t *owners; // of each of them
    size_t pair_count, pair_room;
    uint32_t *first;   // [list_count + 1]: where the owners of a list start
    uint16_t *by_list; // owners in the order of lists
};

static size_t batch_bytes(const struct batch *b)
{
    const struct vs_codebook *codebook = b->run.codebook;
    size_t own = VS_SCRATCH_ROUND(codebook->dim, 1) +
                 VS_SCRATCH_ROUND(16 * (size_t)codebook->m, 1) +
                 2 * VS_SCRATCH_ROUND(b->run.scan.capacity, 4);
    return b->count * own + VS_SCRATCH_ROUND(b->count, sizeof *b->states) +
           VS_SCRATCH_ROUND(b->pair_room, 4) + 2 * VS_SCRATCH_ROUND(b->pair_room, 2) +
           VS_SCRATCH_ROUND((size_t)codebook->list_count + 1, 4);
}

static enum vs_status take_states(struct batch *b,
                                  const struct vs_env *env,
                                  struct vs_scratch_block *block,
                                  struct vs_error *err)
{
    const struct vs_codebook *codebook = b->run.codebook;
    size_t reach = vs_lists_run_reach(&b->run);
    b->pair_room = b->count * reach;
    VS_TRY(vs_scratch_reset(env, block, batch_bytes(b), err));
    b->states = vs_scratch_take(block, b->count, sizeof *b->states);
    for (size_t q = 0; q < b->count; q++) {
        struct state *state = &b->states[q];
        state->q8 = vs_scratch_take(block, codebook->dim, 1);
        state->table = vs_scratch_take(block, 16 * (size_t)codebook->m, 1);
        uint32_t *keys = vs_scratch_take(block, b->run.scan.capacity, 4),
                 *ids = vs_scratch_take(block, b->run.scan.capacity, 4);
        vs_reservoir_init(&state->scan, keys, ids, b->run.scan.keep, b->run.scan.capacity);
        state->seen = 0;
    }
    b->lists = vs_scratch_take(block, b->pair_room, 4);
    b->owners = vs_scratch_take(block, b->pair_room, 2);
    b->by_list = vs_scratch_take(block, b->pair_room, 2);
    b->first = vs_scratch_take(block, (size_t)codebook->list_count + 1, 4);
    return VS_OK;
}

// Projects every query and notes the lists that it wants.
static void choose_lists(struct batch *b, const float *vectors)
{
    struct vs_lists_run *run = &b->run;
    size_t dim = run->codebook->dim;
    for (size_t q = 0; q < b->count; q++) {
        struct state *state = &b->states[q];
        b->query.vector = vectors + q * dim;
        run->q8 = state->q8;
        run->table = state->table;
        vs_lists_run_project(run);
        state->q_scale = run->q_scale;
        run->kernels->dot_f32(b->query.vector, b->query.vector, dim, 1, &state->q_norm);
        size_t count = vs_lists_run_choose(run);
        for (size_t i = 0; i < count; i++) {
            b->lists[b->pair_count] = run->coarse.ids[i];
            b->owners[b->pair_count++] = (uint16_t)q;
        }
        run->stats->nprobe += (uint32_t)count;
        run->stats->centroids += run->coarse.scored;
    }
}

// Counting sort of the owners by list.
static void sort_by_list(struct batch *b)
{
    size_t lists = b->run.codebook->list_count;
    memset(b->first, 0, (lists + 1) * sizeof *b->first);
    for (size_t i = 0; i < b->pair_count; i++) {
        b->first[b->lists[i] + 1]++;
    }
    for (size_t l = 0; l < lists; l++) {
        b->first[l + 1] += b->first[l];
    }
    for (size_t i = 0; i < b->pair_count; i++) {
        b->by_list[b->first[b->lists[i]]++] = b->owners[i];
    }
    for (size_t l = lists; l > 0; l--) { // back to where each list starts
        b->first[l] = b->first[l - 1];
    }
    b->first[0] = 0;
}

static enum vs_status scan_lists(struct batch *b, const struct vs_env *env, struct vs_error *err)
{
    struct vs_lists_run *run = &b->run;
    for (uint32_t list = 0; list < run->codebook->list_count; list++) {
        if (list % 1024 == 0) {
            VS_TRY(vs_op_check(env, b->query.op, err));
        }
        for (size_t t = 0; t < b->query.target_count; t++) {
            for (uint32_t i = b->first[list]; i < b->first[list + 1]; i++) {
                struct state *state = &b->states[b->by_list[i]];
                run->table = state->table;
                run->scan = state->scan;
                // Lists are scanned in the order of memory, which needs no help.
                state->seen += vs_lists_run_scan(run, &b->query.targets[t], list, list);
                state->scan = run->scan;
            }
        }
    }
    return VS_OK;
}

static enum vs_status rerank(struct batch *b,
                             struct vs_index_scratch *scratch,
                             size_t q,
                             struct vs_error *err)
{
    struct vs_lists_run *run = &b->run;
    struct state *state = &b->states[q];
    run->q8 = state->q8;
    run->q_scale = state->q_scale;
    run->q_norm = state->q_norm;
    run->scan = state->scan;
    run->best.count = 0;
    run->best.threshold = 0;
    VS_TRY(vs_lists_run_rerank(run, err));
    vs_lists_run_publish(run, scratch);
    return VS_OK;
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
    size_t dim = b->run.codebook->dim, need = b->run.repeated ? 2 * b->query.k : b->query.k;
    int64_t start = vs_monotonic_ns(env);
    VS_TRY(take_states(b, env, &scratch->batch, err));
    choose_lists(b, vectors);
    sort_by_list(b);
    int64_t scan_start = vs_monotonic_ns(env);
    VS_TRY(scan_lists(b, env, err));
    int64_t rerank_start = vs_monotonic_ns(env);
    stats->probe_ns += scan_start - start;
    stats->scan_ns += rerank_start - scan_start;
    for (size_t q = 0; q < b->count; q++) {
        b->query.vector = vectors + q * dim;
        if (b->states[q].seen < need) { // too few entries in these lists: go on alone
            VS_TRY(vs_lists_search(env, &b->query, scratch, stats, err));
        } else {
            VS_TRY(rerank(b, scratch, q, err));
        }
        VS_TRY(sink->take(sink->ctx, first + q, err));
    }
    stats->rerank_ns += vs_monotonic_ns(env) - rerank_start;
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
