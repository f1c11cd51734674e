// SPDX-License-Identifier: Apache-2.0
#include "index/index_internal.h"
#include "index/index_rescore.h"
#include "index/mask_budget.h"
#include "index/recall_curve.h"
#include "index/topk.h"

#include <inttypes.h>
#include <math.h>

// The candidates of a search through lists.
struct final_stage {
    uint32_t *rows, *keys, *segments, *order;
    float *scales; // of the int8 row
    size_t candidates;
};

enum vs_status vs_index_scratch_new(const struct vs_env *env,
                                    struct vs_index_scratch **scratch_out,
                                    struct vs_error *err)
{
    struct vs_index_scratch *scratch = vs_alloc_zeroed(env, 1, sizeof *scratch);
    if (scratch == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a search");
    }
    scratch->env = env;
    *scratch_out = scratch;
    return VS_OK;
}

void vs_index_scratch_free(struct vs_index_scratch *scratch)
{
    if (scratch == NULL) {
        return;
    }
    vs_free_aligned(scratch->env, scratch->lists.memory);
    vs_free_aligned(scratch->env, scratch->final.memory);
    vs_free_aligned(scratch->env, scratch->targets.memory);
    vs_free_aligned(scratch->env, scratch->batch.memory);
    vs_free_aligned(scratch->env, scratch->query);
    vs_free(scratch->env, scratch);
}

enum vs_status vs_index_check_target(const struct vs_index *index,
                                     size_t segment,
                                     size_t column,
                                     struct vs_error *err)
{
    const struct vs_index_info *info = &index->descriptor.info;
    if (segment >= info->segment_count || column >= info->column_count) {
        return vs_fail(err, VS_INVALID,
                       "%s has %zu segments and %zu columns; segment %zu, column %zu was asked for",
                       index->file->name, info->segment_count, info->column_count, segment, column);
    }
    if (index->skipped_lists) {
        return vs_fail(err, VS_INVALID, "%s was opened without its vectors", index->file->name);
    }
    return VS_OK;
}

// Copies the query, checks it and gives it unit length for cosine.
static enum vs_status prepare_vector(const struct vs_index_column *column,
                                     const float *vector,
                                     struct vs_index_scratch *scratch,
                                     struct vs_error *err)
{
    size_t dim = column->dim;
    if (scratch->query_capacity < dim) {
        vs_free_aligned(scratch->env, scratch->query);
        scratch->query_capacity = 0;
        scratch->query = vs_alloc_aligned(scratch->env, dim * sizeof(float));
        if (scratch->query == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for a search");
        }
        scratch->query_capacity = dim;
    }
    float norm = 0.0F;
    vs_kernels_get()->dot_f32(vector, vector, dim, 1, &norm);
    if (!isfinite(norm)) {
        return vs_fail(err, VS_INVALID, "the query vector is not finite or too long");
    }
    float scale = 1.0F;
    if (column->metric == VS_METRIC_COSINE) {
        if (!(norm > 0.0F)) {
            return vs_fail(err, VS_INVALID,
                           "the query vector has length zero; cosine is not defined for it");
        }
        scale = 1.0F / sqrtf(norm);
    }
    for (size_t i = 0; i < dim; i++) {
        scratch->query[i] = vector[i] * scale;
    }
    return VS_OK;
}

// ---- lists ----

#define MAX_TARGETS 1024 // as many as a file has segments

// What a search through lists works on.
#define FAR_RERANK_MOST 8 // under masks, times the rows of a query without, where rows are read

struct list_search {
    const struct vs_index *index;
    const struct vs_index_query *query;
    const struct vs_index_column *column;
    struct vs_lists_target *targets;
    struct vs_lists_query inner;
    bool rescore; // asked for, or by the settings
    struct vs_index_stats *stats;
};

static size_t query_segment(const struct vs_index_query *query, size_t t)
{
    return query->target_count > 0 ? query->targets[t].segment : query->segment;
}

static const struct vs_index_mask *query_mask(const struct vs_index_query *query, size_t t)
{
    return query->target_count > 0 ? query->targets[t].mask : query->mask;
}

static size_t query_targets(const struct vs_index_query *query)
{
    return query->target_count > 0 ? query->target_count : 1;
}

static enum vs_status set_targets(struct list_search *search, struct vs_error *err)
{
    uint32_t slots = 0;
    size_t count = query_targets(search->query);
    for (size_t t = 0; t < count; t++) {
        size_t segment = query_segment(search->query, t);
        const struct vs_index_part *part =
            &search->index->segments[segment].parts[search->query->column];
        const struct vs_index_mask *mask = query_mask(search->query, t);
        if (part->lists.slot_count > UINT32_MAX - slots) {
            return vs_fail(err, VS_LIMIT, "a search takes at most %u rows at once", UINT32_MAX);
        }
        search->targets[t] = (struct vs_lists_target){
            .lists = &part->lists, .mask = mask != NULL ? &mask->lanes : NULL, .first_slot = slots};
        slots += part->lists.slot_count;
    }
    search->inner.targets = search->targets;
    search->inner.target_count = count;
    return VS_OK;
}

// Settings for this k and recall, as long as the same is asked for again.
static struct vs_recall_point choose_settings(const struct list_search *search,
                                              struct vs_index_scratch *scratch,
                                              uint64_t entries)
{
    const struct vs_index_query *query = search->query;
    float target = query->recall_target > 0.0F ? query->recall_target : VS_RECALL_TARGET;
    struct vs_settings_memo *memo = &scratch->memo;
    const struct vs_uuid *uuid = &search->index->descriptor.info.index_uuid;
    bool lazy = search->index->options.lazy;
    bool same = memcmp(&memo->index, uuid, sizeof *uuid) == 0 && memo->column == query->column &&
                memo->k == query->k && memo->lazy == lazy && !(memo->target < target) &&
                !(memo->target > target) && memo->entries == entries;
    if (!same) {
        struct vs_index_column column = *search->column;
        // Where the file is far away, vectors cost round trips: only when they are asked for.
        column.has_exact_rows = column.has_exact_rows && !lazy;
        column.has_half_rows = column.has_half_rows && !lazy;
        *memo = (struct vs_settings_memo){.index = *uuid,
                                          .column = query->column,
                                          .k = query->k,
                                          .lazy = lazy,
                                          .target = target,
                                          .entries = entries,
                                          .settings =
                                              vs_recall_choose(&column, entries, query->k, target)};
    }
    return memo->settings;
}

static bool has_rows(const struct list_search *search)
{
    for (size_t t = 0; t < search->inner.target_count; t++) {
        const struct vs_list_loader *loader = search->targets[t].lists->loader;
        if (loader != NULL && !vs_list_loader_has_rows(loader)) {
            return false;
        }
    }
    return true;
}

static void set_settings(struct list_search *search, struct vs_index_scratch *scratch)
{
    const struct vs_index_query *query = search->query;
    uint64_t entries = 0, slots = 0, allowed = 0;
    for (size_t t = 0; t < search->inner.target_count; t++) {
        const struct vs_lists_target *target = &search->targets[t];
        entries += target->lists->entry_count;
        slots += target->lists->slot_count;
        allowed += target->mask != NULL ? target->mask->allowed_count : target->lists->slot_count;
    }
    slots = slots > 0 ? slots : 1;
    struct vs_recall_point settings = {0};
    if (query->nprobe == 0 || query->rerank == 0) {
        settings = choose_settings(search, scratch, entries);
    }
    struct vs_lists_query *inner = &search->inner;
    inner->k = query->k < slots ? query->k : (size_t)slots;
    // A filter, not a few deleted rows: the answers may lie where int8 tells less.
    bool is_filtered = allowed * 10 < slots * 9,
         has_vectors = (search->column->has_exact_rows || search->column->has_half_rows) &&
                       !search->index->options.lazy;
    search->rescore = query->rescore ||
                      (query->nprobe == 0 && (settings.rescore || (is_filtered && has_vectors)));
    size_t keep = vs_recall_kept(inner->k, search->rescore);
    inner->keep = keep < slots ? keep : (size_t)slots;
    inner->nprobe = query->nprobe > 0 ? query->nprobe : settings.nprobe;
    inner->gap = query->nprobe > 0 ? query->gap : settings.gap;
    inner->rerank = query->rerank > 0 ? query->rerank : settings.rerank;
    if (query->rerank == 0 && is_filtered) {
        const struct vs_codebook *codebook = search->targets[0].lists->codebook;
        const struct vs_recall_shape shape = {.entry_count = entries,
                                              .list_count = codebook->list_count,
                                              .m = codebook->m,
                                              .dim = codebook->dim};
        // Rows that have to be read first are too dear for that.
        inner->rerank_most = has_rows(search) ? vs_mask_rerank_most(&shape, inner->rerank)
                                              : FAR_RERANK_MOST * inner->rerank;
    }
    inner->op = query->op;
    search->stats->rerank = inner->rerank;
}

static void candidate_rows(const struct list_search *search,
                           const struct vs_index_scratch *scratch,
                           struct final_stage *stage)
{
    for (size_t i = 0; i < scratch->count; i++) {
        size_t t = search->inner.target_count - 1;
        while (scratch->slots[i] < search->targets[t].first_slot) {
            t--;
        }
        const struct vs_lists_target *target = &search->targets[t];
        const struct vs_row_fact *fact =
            &target->lists->facts[scratch->slots[i] - target->first_slot];
        stage->rows[i] = fact->row;
        stage->segments[i] = (uint32_t)query_segment(search->query, t);
        stage->scales[i] = fact->scale;
    }
}

// Exact scores for those whose int8 score can still reach the best k; the others are dropped.
static enum vs_status rescore(const struct list_search *search,
                              struct vs_index_scratch *scratch,
                              struct final_stage *stage,
                              struct vs_error *err)
{
    const struct vs_rescore_query query = {.index = search->index,
                                           .column = search->query->column,
                                           .vector = scratch->query,
                                           .k = search->inner.k};
    const struct vs_rescore_rows rows = {.count = scratch->count,
                                         .rows = stage->rows,
                                         .segments = stage->segments,
                                         .scales = stage->scales,
                                         .scores = scratch->scores,
                                         .keys = stage->keys};
    size_t count = 0;
    VS_TRY(vs_rescore(&query, &rows, &scratch->final, &count, err));
    stage->candidates = count;
    search->stats->reranked += count;
    return VS_OK;
}

static bool comes_before(const struct final_stage *stage, uint32_t a, uint32_t b)
{
    if (stage->keys[a] != stage->keys[b]) {
        return stage->keys[a] > stage->keys[b];
    }
    return stage->segments[a] != stage->segments[b] ? stage->segments[a] < stage->segments[b]
                                                    : stage->rows[a] < stage->rows[b];
}

// Best first, ties to the lower row; nearly in order already.
static void order_candidates(struct final_stage *stage)
{
    for (size_t i = 0; i < stage->candidates; i++) {
        uint32_t own = (uint32_t)i;
        size_t j = i;
        for (; j > 0 && comes_before(stage, own, stage->order[j - 1]); j--) {
            stage->order[j] = stage->order[j - 1];
        }
        stage->order[j] = own;
    }
}

static enum vs_status make_stage(const struct list_search *search,
                                 struct vs_index_scratch *scratch,
                                 struct final_stage *stage,
                                 struct vs_error *err)
{
    size_t room = scratch->count > 0 ? scratch->count : 1;
    struct vs_scratch_block *block = &scratch->final;
    size_t bytes = 5 * VS_SCRATCH_ROUND(room, 4) +
                   (search->rescore ? vs_rescore_bytes(room, search->column->dim) : 0);
    VS_TRY(vs_scratch_reset(search->index->env, block, bytes, err));
    stage->keys = vs_scratch_take(block, room, 4);
    stage->rows = vs_scratch_take(block, room, 4);
    stage->segments = vs_scratch_take(block, room, 4);
    stage->order = vs_scratch_take(block, room, 4);
    stage->scales = vs_scratch_take(block, room, 4);
    stage->candidates = scratch->count;
    for (size_t i = 0; i < scratch->count; i++) {
        stage->keys[i] = vs_topk_key(scratch->scores[i]);
    }
    return VS_OK;
}

// The best candidates of a run over lists, as hits.
static enum vs_status finish_lists(struct list_search *search,
                                   struct vs_index_scratch *scratch,
                                   struct vs_index_hit *hits_out,
                                   size_t *hit_count_out,
                                   struct vs_error *err)
{
    struct final_stage stage = {0};
    int64_t start = vs_monotonic_ns(search->index->env);
    VS_TRY(make_stage(search, scratch, &stage, err));
    candidate_rows(search, scratch, &stage);
    if (search->rescore && scratch->count > 0) {
        VS_TRY(rescore(search, scratch, &stage, err));
    }
    order_candidates(&stage);
    size_t count = stage.candidates < search->query->k ? stage.candidates : search->query->k;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = stage.order[i];
        hits_out[i] = (struct vs_index_hit){.row = stage.rows[c],
                                            .score = vs_topk_score(stage.keys[c]),
                                            .segment = stage.segments[c]};
    }
    *hit_count_out = count;
    search->stats->rerank_ns += vs_monotonic_ns(search->index->env) - start;
    return VS_OK;
}

static enum vs_status begin_lists(struct list_search *search,
                                  struct vs_lists_target *few,
                                  struct vs_index_scratch *scratch,
                                  struct vs_error *err)
{
    size_t count = query_targets(search->query);
    search->targets = few;
    if (count > 1) {
        size_t bytes = VS_SCRATCH_ROUND(count, sizeof *few);
        VS_TRY(vs_scratch_reset(search->index->env, &scratch->targets, bytes, err));
        search->targets = vs_scratch_take(&scratch->targets, count, sizeof *few);
    }
    VS_TRY(set_targets(search, err));
    set_settings(search, scratch);
    return VS_OK;
}

static enum vs_status search_lists(const struct vs_index *index,
                                   const struct vs_index_query *query,
                                   struct vs_index_scratch *scratch,
                                   struct vs_index_hit *hits_out,
                                   size_t *hit_count_out,
                                   struct vs_index_stats *stats,
                                   struct vs_error *err)
{
    struct vs_lists_target one;
    struct list_search search = {.index = index,
                                 .query = query,
                                 .column = &index->descriptor.info.columns[query->column],
                                 .stats = stats};
    VS_TRY(begin_lists(&search, &one, scratch, err));
    search.inner.vector = scratch->query;
    VS_TRY(vs_lists_search(index->env, &search.inner, scratch, stats, err));
    return finish_lists(&search, scratch, hits_out, hit_count_out, err);
}

// ---- entry ----

bool vs_index_has_lists(const struct vs_index *index, size_t segment, size_t column)
{
    return index->segments[segment].parts[column].has_lists;
}

static enum vs_status check_target(const struct vs_index *index,
                                   const struct vs_index_query *query,
                                   size_t t,
                                   struct vs_error *err)
{
    size_t segment = query_segment(query, t);
    const struct vs_index_mask *mask = query_mask(query, t);
    VS_TRY(vs_index_check_target(index, segment, query->column, err));
    const struct vs_index_part *part = &index->segments[segment].parts[query->column];
    if (mask != NULL &&
        (mask->index != index || mask->segment != segment || mask->column != query->column)) {
        return vs_fail(err, VS_INVALID, "the mask was made for another segment or column");
    }
    if (query->target_count > 0 && (!part->has_lists || query->exact)) {
        return vs_fail(err, VS_INVALID,
                       "only segments with lists can be searched together, and not exactly");
    }
    if ((query->exact || query->rescore) && !part->has_vectors) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s holds no float vectors, so it cannot answer exactly; rebuild the index "
                       "with them, or scan the table",
                       index->file->name);
    }
    return VS_OK;
}

static enum vs_status check_query(const struct vs_index *index,
                                  const struct vs_index_query *query,
                                  struct vs_error *err)
{
    if (query->target_count > MAX_TARGETS) {
        return vs_fail(err, VS_LIMIT, "a search takes at most %d segments", MAX_TARGETS);
    }
    for (size_t t = 0; t < query_targets(query); t++) {
        VS_TRY(check_target(index, query, t, err));
    }
    if (query->k == 0 || query->k > VS_INDEX_MAX_ROWS) {
        return vs_fail(err, VS_INVALID, "k is %zu; it must be from 1 to %u", query->k,
                       VS_INDEX_MAX_ROWS);
    }
    if (!(query->recall_target >= 0.0F && query->recall_target <= 1.0F)) {
        return vs_fail(err, VS_INVALID, "the recall target must be from 0 to 1");
    }
    return vs_op_check(index->env, query->op, err);
}

enum vs_status vs_index_search(const struct vs_index *index,
                               const struct vs_index_query *query,
                               struct vs_index_scratch *scratch,
                               struct vs_index_hit *hits_out,
                               size_t *hit_count_out,
                               struct vs_index_stats *stats_out,
                               struct vs_error *err)
{
    VS_TRY(check_query(index, query, err));
    const struct vs_index_part *part =
        &index->segments[query_segment(query, 0)].parts[query->column];
    VS_TRY(prepare_vector(&index->descriptor.info.columns[query->column], query->vector, scratch,
                          err));
    struct vs_index_stats stats = {0};
    VS_TRY((part->has_lists && !query->exact ? search_lists : vs_index_search_exact)(
        index, query, scratch, hits_out, hit_count_out, &stats, err));
    if (stats_out != NULL) {
        *stats_out = stats;
    }
    return VS_OK;
}

// ---- many queries ----

struct batch_sink {
    struct list_search *search;
    struct vs_index_scratch *scratch;
    const float *queries; // [count][dim], prepared
    struct vs_index_hit *hits;
    size_t *hit_counts;
};

static enum vs_status take_hits(void *ctx, size_t q, struct vs_error *err)
{
    const struct batch_sink *sink = ctx;
    size_t dim = sink->search->column->dim;
    memcpy(sink->scratch->query, sink->queries + q * dim, dim * sizeof(float));
    return finish_lists(sink->search, sink->scratch, sink->hits + q * sink->search->query->k,
                        &sink->hit_counts[q], err);
}

// Masks, and lists that are still to be read, go by query.
static bool fits_batch(const struct vs_index *index, const struct vs_index_query *query)
{
    for (size_t t = 0; t < query_targets(query); t++) {
        const struct vs_index_part *part =
            &index->segments[query_segment(query, t)].parts[query->column];
        if (!part->has_lists || query->exact || query_mask(query, t) != NULL ||
            (part->lists.loader != NULL && !vs_list_loader_has_codes(part->lists.loader))) {
            return false;
        }
    }
    return true;
}

static enum vs_status search_together(const struct vs_index *index,
                                      const struct vs_index_query *query,
                                      size_t count,
                                      struct batch_sink *sink,
                                      struct vs_index_stats *stats,
                                      struct vs_error *err)
{
    struct vs_lists_target one;
    struct list_search search = {.index = index,
                                 .query = query,
                                 .column = &index->descriptor.info.columns[query->column],
                                 .stats = stats};
    size_t dim = search.column->dim;
    float *prepared = vs_alloc_aligned(index->env, count * dim * sizeof *prepared);
    if (prepared == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a search");
    }
    enum vs_status status = VS_OK;
    for (size_t q = 0; status == VS_OK && q < count; q++) {
        status = prepare_vector(search.column, query->vector + q * dim, sink->scratch, err);
        if (status == VS_OK) {
            memcpy(prepared + q * dim, sink->scratch->query, dim * sizeof *prepared);
        }
    }
    if (status == VS_OK) {
        status = begin_lists(&search, &one, sink->scratch, err);
    }
    if (status == VS_OK) {
        sink->search = &search;
        sink->queries = prepared;
        const struct vs_lists_sink inner = {take_hits, sink};
        status = vs_lists_search_batch(index->env, &search.inner, prepared, count, sink->scratch,
                                       &inner, stats, err);
    }
    vs_free_aligned(index->env, prepared);
    return status;
}

static void add_stats(struct vs_index_stats *sum, const struct vs_index_stats *stats)
{
    sum->scanned += stats->scanned;
    sum->reranked += stats->reranked;
    sum->centroids += stats->centroids;
    sum->nprobe += stats->nprobe;
    sum->rerank = stats->rerank;
    sum->probe_ns += stats->probe_ns;
    sum->scan_ns += stats->scan_ns;
    sum->rerank_ns += stats->rerank_ns;
    sum->exact = stats->exact;
}

enum vs_status vs_index_search_batch(const struct vs_index *index,
                                     const struct vs_index_query *query,
                                     size_t count,
                                     struct vs_index_scratch *scratch,
                                     struct vs_index_hit *hits_out,
                                     size_t *hit_counts_out,
                                     struct vs_index_stats *stats_out,
                                     struct vs_error *err)
{
    struct vs_index_stats sum = {0};
    VS_TRY(check_query(index, query, err));
    if (count > 1 && fits_batch(index, query)) {
        struct batch_sink sink = {
            .scratch = scratch, .hits = hits_out, .hit_counts = hit_counts_out};
        VS_TRY(search_together(index, query, count, &sink, &sum, err));
    } else {
        size_t dim = index->descriptor.info.columns[query->column].dim;
        for (size_t q = 0; q < count; q++) {
            struct vs_index_query one = *query;
            struct vs_index_stats stats = {0};
            one.vector = query->vector + q * dim;
            VS_TRY(vs_index_search(index, &one, scratch, hits_out + q * query->k,
                                   &hit_counts_out[q], &stats, err));
            add_stats(&sum, &stats);
        }
    }
    sum.nprobe = count > 0 ? sum.nprobe / (uint32_t)count : 0;
    if (stats_out != NULL) {
        *stats_out = sum;
    }
    return VS_OK;
}
