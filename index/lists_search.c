// SPDX-License-Identifier: Apache-2.0
#include "index/lists.h"
#include "index/topk.h"

#define CHUNK_BLOCKS 64 // scanned between two looks at the threshold
#define CHUNK_ENTRIES ((size_t)CHUNK_BLOCKS * VS_BLOCK_LANES)
#define RERANK_CHUNK 256
#define PREFETCH_LISTS 2
#define CHECK_LISTS 256 // lists between two looks at the clock

struct search {
    const struct vs_lists *lists;
    const struct vs_lists_query *query;
    const struct vs_codebook *codebook;
    const struct vs_kernels *kernels;
    struct vs_coarse coarse;
    struct vs_reservoir scan, best;
    float *y, *y_lists, *values;
    uint8_t *table;
    int8_t *q8;
    float q_scale, q_norm;
    uint32_t *chunk_index; // [CHUNK_ENTRIES]
    uint16_t *chunk_sums;
    int32_t *dots; // [RERANK_CHUNK]
    uint32_t *spare_keys, *spare_ids;
    struct vs_index_stats *stats;
};

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

static size_t scan_keep(const struct vs_lists *lists, const struct vs_lists_query *query)
{
    size_t keep = query->rerank > query->k ? query->rerank : query->k;
    keep = keep > lists->slot_count ? lists->slot_count : keep;
    keep = keep > 0 ? keep : 1;
    return lists->repeated ? 2 * keep : keep;
}

// Carves the scratch; the two reservoirs are sized so that a whole chunk always fits after a cut.
static enum vs_status prepare(struct search *s,
                              struct vs_index_scratch *scratch,
                              struct vs_error *err)
{
    struct vs_scratch_block *block = &scratch->lists;
    const struct vs_codebook *codebook = s->codebook;
    size_t dim = codebook->dim, proj = codebook->proj_dim, m = codebook->m;
    size_t keep = scan_keep(s->lists, s->query), scan_room = 3 * keep + CHUNK_ENTRIES;
    size_t best = s->query->keep > 0 ? s->query->keep : 1, best_room = 2 * best + RERANK_CHUNK;
    size_t bytes = vs_coarse_bytes(codebook) + 2 * VS_SCRATCH_ROUND(proj, 4) +
                   VS_SCRATCH_ROUND(16 * m, 4) + VS_SCRATCH_ROUND(16 * m, 1) +
                   VS_SCRATCH_ROUND(dim, 1) + 2 * VS_SCRATCH_ROUND(scan_room, 4) +
                   5 * VS_SCRATCH_ROUND(best_room, 4) + VS_SCRATCH_ROUND(CHUNK_ENTRIES, 4) +
                   VS_SCRATCH_ROUND(CHUNK_ENTRIES, 2) + VS_SCRATCH_ROUND(RERANK_CHUNK, 4);
    VS_TRY(vs_scratch_reset(scratch->env, block, bytes, err));
    vs_coarse_init(&s->coarse, codebook, block);
    s->y = vs_scratch_take(block, proj, 4);
    s->y_lists = vs_scratch_take(block, proj, 4);
    s->values = vs_scratch_take(block, 16 * m, 4);
    s->table = vs_scratch_take(block, 16 * m, 1);
    s->q8 = vs_scratch_take(block, dim, 1);
    uint32_t *scan_keys = vs_scratch_take(block, scan_room, 4),
             *scan_ids = vs_scratch_take(block, scan_room, 4);
    vs_reservoir_init(&s->scan, scan_keys, scan_ids, keep, scan_room);
    uint32_t *best_keys = vs_scratch_take(block, best_room, 4),
             *best_ids = vs_scratch_take(block, best_room, 4);
    vs_reservoir_init(&s->best, best_keys, best_ids, best, best_room);
    s->spare_keys = vs_scratch_take(block, best_room, 4);
    s->spare_ids = vs_scratch_take(block, best_room, 4);
    scratch->scores = vs_scratch_take(block, best_room, 4);
    s->chunk_index = vs_scratch_take(block, CHUNK_ENTRIES, 4);
    s->chunk_sums = vs_scratch_take(block, CHUNK_ENTRIES, 2);
    s->dots = vs_scratch_take(block, RERANK_CHUNK, 4);
    s->q_scale = vs_quantize_i8(s->query->vector, dim, s->q8);
    s->kernels->dot_f32(s->query->vector, s->query->vector, dim, 1, &s->q_norm);
    return VS_OK;
}

static void prefetch_list(const struct vs_lists *lists, uint32_t list)
{
    uint32_t entries = lists->records[list].entry_count;
    size_t bytes = (size_t)vs_list_bytes(entries, lists->codebook->m);
    bytes = bytes < 16384 ? bytes : 16384;
    const uint8_t *codes = vs_lists_codes(lists, list);
    for (size_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch(codes + at, 0, 2);
    }
}

// Offers the selected entries of one chunk to the reservoir.
static void collect(struct search *s, const uint32_t *slots, size_t count)
{
    struct vs_reservoir *r = &s->scan;
    if (r->count + count > r->capacity) {
        vs_reservoir_shrink(r);
    }
    uint32_t threshold = r->threshold;
    size_t at = r->count;
    for (size_t i = 0; i < count; i++) {
        r->keys[at] = s->chunk_sums[i];
        r->ids[at] = slots[s->chunk_index[i]];
        at += s->chunk_sums[i] >= threshold;
    }
    r->count = at;
    if (r->count > 2 * r->keep + 64) {
        vs_reservoir_shrink(r);
    }
}

static void scan_list(struct search *s, uint32_t list)
{
    const struct vs_lists *lists = s->lists;
    uint32_t entries = lists->records[list].entry_count, blocks = vs_list_blocks(entries);
    size_t m = s->codebook->m;
    const uint8_t *codes = vs_lists_codes(lists, list);
    const uint32_t *slots = vs_lists_slots(lists, list);
    const uint32_t *lanes =
        s->query->mask != NULL ? s->query->mask->lanes + lists->first_block[list] : NULL;
    for (uint32_t block = 0; block < blocks; block += CHUNK_BLOCKS) {
        size_t n = blocks - block < CHUNK_BLOCKS ? blocks - block : CHUNK_BLOCKS;
        uint16_t threshold =
            s->scan.threshold < UINT16_MAX ? (uint16_t)s->scan.threshold : UINT16_MAX;
        size_t found = s->kernels->pq4_select(codes + (size_t)block * 16 * m, n, m, s->table,
                                              threshold, lanes != NULL ? lanes + block : NULL,
                                              s->chunk_index, s->chunk_sums);
        size_t valid = entries - (size_t)block * VS_BLOCK_LANES;
        while (found > 0 && s->chunk_index[found - 1] >= valid) { // padding of the last block
            found--;
        }
        collect(s, slots + (size_t)block * VS_BLOCK_LANES, found);
    }
    s->stats->scanned += entries;
}

// Scans ranked lists until enough entries were seen; `enough_out`: at least k candidates, or
// nothing is left.
static enum vs_status scan_lists(struct search *s,
                                 const struct vs_env *env,
                                 size_t list_count,
                                 bool *enough_out,
                                 struct vs_error *err)
{
    const struct vs_lane_mask *mask = s->query->mask;
    const struct vs_list_record *records = s->lists->records;
    const uint32_t *ids = s->coarse.ids;
    size_t need = s->lists->repeated ? 2 * s->query->k : s->query->k;
    uint64_t target = 0,
             seen = 0; // entries that pass the mask: as many as a query without one would see
    for (size_t i = 0; i < list_count && i < s->query->nprobe; i++) {
        target += records[ids[i]].entry_count;
    }
    target = target > need ? target : need;
    size_t visited = 0;
    for (size_t i = 0;
         i < list_count && (seen < target || (mask == NULL && visited < s->query->nprobe)); i++) {
        uint32_t list = ids[i];
        uint32_t allowed = mask != NULL ? mask->list_allowed[list] : records[list].entry_count;
        if (i + PREFETCH_LISTS < list_count) {
            prefetch_list(s->lists, ids[i + PREFETCH_LISTS]);
        }
        visited++;
        if (allowed == 0) {
            continue;
        }
        scan_list(s, list);
        seen += allowed;
        if (visited % CHECK_LISTS == 0) {
            VS_TRY(vs_op_check(env, s->query->op, err));
        }
    }
    s->stats->nprobe = (uint32_t)visited;
    *enough_out = seen >= need || list_count == s->codebook->list_count;
    return VS_OK;
}

// Drops all but the best-placed entry of each slot (second assignments); ids end up sorted by slot.
static void drop_repeats(struct search *s, uint32_t *spare_keys, uint32_t *spare_ids)
{
    struct vs_reservoir *r = &s->scan;
    // Sorting by slot through the key sort: keys and ids change roles.
    vs_topk_sort(r->ids, r->keys, spare_keys, spare_ids, r->count);
    size_t out = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (out == 0 || r->ids[out - 1] != r->ids[i]) {
            r->ids[out++] = r->ids[i];
        }
    }
    r->count = out;
}

// Scores slots from their int8 rows and keeps the best.
static void score_slots(struct search *s, const uint32_t *slots, size_t count)
{
    const struct vs_lists *lists = s->lists;
    const struct vs_row_fact *facts = lists->facts;
    bool distance = s->codebook->metric == VS_METRIC_L2;
    for (size_t at = 0; at < count; at += RERANK_CHUNK) {
        size_t n = count - at < RERANK_CHUNK ? count - at : RERANK_CHUNK;
        for (size_t i = 0; i < n; i++) {
            __builtin_prefetch(&facts[slots[at + i]], 0, 2);
        }
        s->kernels->dot_i8_rows(s->q8, lists->rows, s->codebook->dim, lists->stride, slots + at, n,
                                s->dots);
        for (size_t i = 0; i < n; i++) {
            const struct vs_row_fact *fact = &facts[slots[at + i]];
            float dot = (float)s->dots[i] * (s->q_scale * fact->scale);
            float score = distance ? 2.0F * dot - fact->norm - s->q_norm : dot;
            vs_reservoir_push(&s->best, vs_topk_key(score), slots[at + i]);
        }
    }
    s->stats->reranked += count;
}

static void publish(struct search *s, struct vs_index_scratch *scratch)
{
    vs_reservoir_shrink(&s->best);
    vs_topk_sort(s->best.keys, s->best.ids, s->spare_keys, s->spare_ids, s->best.count);
    for (size_t i = 0; i < s->best.count; i++) {
        scratch->scores[i] = vs_topk_score(s->best.keys[i]);
    }
    scratch->slots = s->best.ids;
    scratch->count = s->best.count;
}

static enum vs_status probe_and_scan(struct search *s,
                                     const struct vs_env *env,
                                     struct vs_error *err)
{
    int64_t start = vs_monotonic_ns(env);
    vs_coarse_project(s->codebook, s->query->vector, s->y, s->y_lists);
    bool everything = s->query->mask != NULL, enough = false;
    size_t want = s->query->nprobe > 0 ? s->query->nprobe : 1;
    size_t ranked = vs_coarse_rank(&s->coarse, s->codebook, s->y_lists, want, everything);
    vs_pq_table(s->codebook, s->lists->pq_columns, s->y, s->values, s->table);
    int64_t scan_start = vs_monotonic_ns(env);
    s->stats->probe_ns += scan_start - start;
    VS_TRY(scan_lists(s, env, ranked, &enough, err));
    if (!enough) { // fewer than k entries in all these lists: rank all and go on until there are
        s->scan.count = 0;
        s->scan.threshold = 0;
        s->stats->scanned = 0;
        ranked = vs_coarse_rank(&s->coarse, s->codebook, s->y_lists, want, true);
        VS_TRY(scan_lists(s, env, ranked, &enough, err));
    }
    vs_reservoir_shrink(&s->scan);
    s->stats->scan_ns += vs_monotonic_ns(env) - scan_start;
    return VS_OK;
}

enum vs_status vs_lists_search(const struct vs_env *env,
                               const struct vs_lists *lists,
                               const struct vs_lists_query *query,
                               struct vs_index_scratch *scratch,
                               struct vs_index_stats *stats,
                               struct vs_error *err)
{
    struct search s = {.lists = lists,
                       .query = query,
                       .codebook = lists->codebook,
                       .kernels = vs_kernels_get(),
                       .stats = stats};
    const struct vs_lane_mask *mask = query->mask;
    VS_TRY(prepare(&s, scratch, err));
    if (mask != NULL && mask->slots != NULL) { // few rows: no need of lists
        int64_t start = vs_monotonic_ns(env);
        score_slots(&s, mask->slots, (size_t)mask->allowed_count);
        publish(&s, scratch);
        stats->rerank_ns += vs_monotonic_ns(env) - start;
        return VS_OK;
    }
    VS_TRY(probe_and_scan(&s, env, err));
    int64_t start = vs_monotonic_ns(env);
    if (lists->repeated) {
        uint32_t *unused_keys = s.scan.keys + s.scan.count,
                 *unused_ids = s.scan.ids + s.scan.count; // capacity is 3 * keep
        drop_repeats(&s, unused_keys, unused_ids);
    }
    score_slots(&s, s.scan.ids, s.scan.count);
    publish(&s, scratch);
    stats->rerank_ns += vs_monotonic_ns(env) - start;
    return VS_OK;
}
