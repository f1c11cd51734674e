// SPDX-License-Identifier: Apache-2.0
#include "index/index_internal.h"
#include "index/recall_curve.h"
#include "index/topk.h"

#include <inttypes.h>
#include <math.h>

#define EXACT_CHUNK 512

struct final_stage {
    uint32_t *rows, *keys, *spare_rows, *spare_keys;
    float *vectors; // room for `candidates` rows
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

// ---- exact: all f32 vectors ----

struct exact_scan {
    const struct vs_index_column *column;
    const struct vs_kernels *kernels;
    const float *query;
    struct vs_reservoir best;
    struct vs_index_stats *stats;
    float scores[EXACT_CHUNK], norms[EXACT_CHUNK];
};

static void score_run(struct exact_scan *scan,
                      const float *vectors,
                      const float *inverse_norms,
                      size_t first_row,
                      size_t count)
{
    size_t dim = scan->column->dim;
    if (scan->column->metric == VS_METRIC_L2) {
        scan->kernels->l2_f32(scan->query, vectors, dim, count, scan->scores);
    } else {
        scan->kernels->dot_f32(scan->query, vectors, dim, count, scan->scores);
    }
    for (size_t i = 0; i < count; i++) {
        float score = scan->scores[i];
        if (scan->column->metric == VS_METRIC_L2) {
            score = -score;
        } else if (scan->column->metric == VS_METRIC_COSINE) {
            score *= inverse_norms[i];
        }
        vs_reservoir_push(&scan->best, vs_topk_key(score), (uint32_t)(first_row + i));
    }
    scan->stats->scanned += count;
}

static float inverse_norm(const struct vs_kernels *kernels, const float *vector, size_t dim)
{
    float norm = 0.0F;
    kernels->dot_f32(vector, vector, dim, 1, &norm);
    return norm > 0.0F ? 1.0F / sqrtf(norm) : 0.0F;
}

// Runs of allowed rows in [first, end), at most EXACT_CHUNK long.
static bool next_run(const uint64_t *rows, size_t end, size_t *first, size_t *count_out)
{
    size_t at = *first;
    while (at < end && !vs_bit_get(rows, at)) {
        at = rows[at / 64] >> (at % 64) == 0 ? (at / 64 + 1) * 64 : at + 1;
    }
    size_t stop = at;
    while (stop < end && stop - at < EXACT_CHUNK && vs_bit_get(rows, stop)) {
        stop++;
    }
    *first = at;
    *count_out = at < end ? stop - at : 0;
    return *count_out > 0;
}

static enum vs_status scan_run_from_file(struct exact_scan *scan,
                                         const struct vs_index *index,
                                         const struct vs_index_query *query,
                                         size_t first,
                                         size_t count,
                                         struct final_stage *stage,
                                         struct vs_error *err)
{
    size_t dim = scan->column->dim;
    for (size_t i = 0; i < count; i++) {
        stage->spare_rows[i] = (uint32_t)(first + i);
    }
    VS_TRY(vs_index_read_vectors(index, query->segment, query->column, stage->spare_rows, count,
                                 stage->vectors, err));
    for (size_t i = 0; i < count; i++) {
        scan->norms[i] = inverse_norm(scan->kernels, stage->vectors + i * dim, dim);
    }
    score_run(scan, stage->vectors, scan->norms, first, count);
    return vs_op_check(index->env, query->op, err);
}

static enum vs_status search_exact(const struct vs_index *index,
                                   const struct vs_index_query *query,
                                   struct vs_index_scratch *scratch,
                                   struct final_stage *stage,
                                   struct exact_scan *scan,
                                   struct vs_error *err)
{
    const struct vs_index_part *part = &index->segments[query->segment].parts[query->column];
    const uint64_t *rows = query->mask != NULL ? query->mask->rows : part->presence;
    size_t row_count = (size_t)index->descriptor.info.segments[query->segment].row_count,
           dim = scan->column->dim;
    size_t keep = query->k < row_count ? query->k : (row_count > 0 ? row_count : 1),
           room = 2 * keep + EXACT_CHUNK;
    size_t bytes =
        4 * VS_SCRATCH_ROUND(room, 4) + VS_SCRATCH_ROUND(EXACT_CHUNK * dim, sizeof(float));
    VS_TRY(vs_scratch_reset(index->env, &scratch->final, bytes, err));
    stage->keys = vs_scratch_take(&scratch->final, room, 4);
    stage->rows = vs_scratch_take(&scratch->final, room, 4);
    stage->spare_keys = vs_scratch_take(&scratch->final, room, 4);
    stage->spare_rows = vs_scratch_take(&scratch->final, room, 4);
    stage->vectors = vs_scratch_take(&scratch->final, EXACT_CHUNK * dim, sizeof(float));
    vs_reservoir_init(&scan->best, stage->keys, stage->rows, keep, room);
    size_t count = 0;
    for (size_t first = 0; next_run(rows, row_count, &first, &count); first += count) {
        if (part->vectors != NULL) {
            score_run(scan, part->vectors + first * dim, part->inverse_norms + first, first, count);
        } else {
            VS_TRY(scan_run_from_file(scan, index, query, first, count, stage, err));
        }
    }
    vs_reservoir_shrink(&scan->best); // rows come in ascending order, so ties go to the lower one
    stage->candidates = scan->best.count;
    scan->stats->exact = true;
    return VS_OK;
}

// ---- lists ----

// How many of the candidates (best first) can still belong to the best k, given what int8 rounding
// may have done to the scores.
static size_t contenders(const struct vs_lists *lists,
                         const struct vs_index_scratch *scratch,
                         size_t k,
                         size_t dim)
{
    if (scratch->count <= k) {
        return scratch->count;
    }
    bool distance = lists->codebook->metric == VS_METRIC_L2;
    float longest = 0.0F, norm = 0.0F;
    for (size_t i = 0; i < dim; i++) {
        float value = fabsf(scratch->query[i]);
        longest = value > longest ? value : longest;
        norm += value * value;
    }
    float q_step = longest / 127.0F, cut = 0.0F;
    size_t count = k;
    for (size_t i = k - 1; i < scratch->count; i++) {
        const struct vs_row_fact *fact = &lists->facts[scratch->slots[i]];
        // Rounding errors are uniform in a step and independent: variance step^2 / 12 a dimension.
        // Three standard deviations on either side.
        float margin =
            3.0F * sqrtf((fact->scale * fact->scale * norm + q_step * q_step * fact->norm) / 12.0F);
        margin = distance ? 2.0F * margin : margin;
        if (i == k - 1) {
            cut = scratch->scores[i] - margin;
        } else if (scratch->scores[i] + margin >= cut) {
            count = i + 1;
        }
    }
    return count;
}

// Rows of the contenders in ascending order, with keys of their int8 scores or, where the file has
// them, of their f32 vectors.
static enum vs_status rescore(const struct vs_index *index,
                              const struct vs_index_query *query,
                              struct vs_index_scratch *scratch,
                              struct final_stage *stage,
                              struct vs_index_stats *stats,
                              struct vs_error *err)
{
    const struct vs_index_part *part = &index->segments[query->segment].parts[query->column];
    const struct vs_index_column *column = &index->descriptor.info.columns[query->column];
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t dim = column->dim;
    size_t count =
        part->has_vectors ? contenders(&part->lists, scratch, query->k, dim) : scratch->count;
    size_t room = count > 0 ? count : 1, vector_room = part->has_vectors ? room * dim : 0;
    VS_TRY(vs_scratch_reset(index->env, &scratch->final,
                            4 * VS_SCRATCH_ROUND(room, 4) + VS_SCRATCH_ROUND(vector_room, 4), err));
    stage->keys = vs_scratch_take(&scratch->final, room, 4);
    stage->rows = vs_scratch_take(&scratch->final, room, 4);
    stage->spare_keys = vs_scratch_take(&scratch->final, room, 4);
    stage->spare_rows = vs_scratch_take(&scratch->final, room, 4);
    stage->vectors = vs_scratch_take(&scratch->final, vector_room, 4);
    stage->candidates = count;
    for (size_t i = 0; i < count; i++) {
        stage->rows[i] =
            ~part->lists.facts[scratch->slots[i]].row; // descending complement: ascending rows
        stage->keys[i] = vs_topk_key(scratch->scores[i]);
    }
    vs_topk_sort(stage->rows, stage->keys, stage->spare_rows, stage->spare_keys, count);
    for (size_t i = 0; i < count; i++) {
        stage->rows[i] = ~stage->rows[i];
    }
    if (!part->has_vectors) {
        return VS_OK;
    }
    VS_TRY(vs_index_read_vectors(index, query->segment, query->column, stage->rows, count,
                                 stage->vectors, err));
    for (size_t i = 0; i < count; i++) {
        const float *vector = stage->vectors + i * dim;
        float score = 0.0F;
        if (column->metric == VS_METRIC_L2) {
            kernels->l2_f32(scratch->query, vector, dim, 1, &score);
            score = -score;
        } else {
            kernels->dot_f32(scratch->query, vector, dim, 1, &score);
            score *= column->metric == VS_METRIC_COSINE ? inverse_norm(kernels, vector, dim) : 1.0F;
        }
        stage->keys[i] = vs_topk_key(score);
    }
    stats->reranked += count;
    return VS_OK;
}

static enum vs_status search_lists(const struct vs_index *index,
                                   const struct vs_index_query *query,
                                   struct vs_index_scratch *scratch,
                                   struct final_stage *stage,
                                   struct vs_index_stats *stats,
                                   struct vs_error *err)
{
    const struct vs_index_part *part = &index->segments[query->segment].parts[query->column];
    const struct vs_index_column *column = &index->descriptor.info.columns[query->column];
    float target = query->recall_target > 0.0F ? query->recall_target : VS_RECALL_TARGET;
    struct vs_recall_point settings = {0};
    if (query->nprobe == 0 || query->rerank == 0) {
        settings = vs_recall_choose(column, part->lists.entry_count, query->k, target);
    }
    size_t slots = part->lists.slot_count > 0 ? part->lists.slot_count : 1,
           k = query->k < slots ? query->k : slots;
    size_t keep = 2 * k + 16 < slots ? 2 * k + 16 : slots;
    uint32_t rerank = query->rerank > 0 ? query->rerank : settings.rerank;
    struct vs_lists_query inner = {.vector = scratch->query,
                                   .keep = keep,
                                   .k = k,
                                   .nprobe = query->nprobe > 0 ? query->nprobe : settings.nprobe,
                                   .rerank = rerank,
                                   .mask = query->mask != NULL ? &query->mask->lanes : NULL,
                                   .op = query->op};
    VS_TRY(vs_lists_search(index->env, &part->lists, &inner, scratch, stats, err));
    stats->rerank = rerank;
    int64_t start = vs_monotonic_ns(index->env);
    VS_TRY(rescore(index, query, scratch, stage, stats, err));
    stats->rerank_ns += vs_monotonic_ns(index->env) - start;
    return VS_OK;
}

static enum vs_status check_query(const struct vs_index *index,
                                  const struct vs_index_query *query,
                                  struct vs_error *err)
{
    VS_TRY(vs_index_check_target(index, query->segment, query->column, err));
    const struct vs_index_part *part = &index->segments[query->segment].parts[query->column];
    if (query->k == 0 || query->k > VS_INDEX_MAX_ROWS) {
        return vs_fail(err, VS_INVALID, "k is %zu; it must be from 1 to %u", query->k,
                       VS_INDEX_MAX_ROWS);
    }
    if (!(query->recall_target >= 0.0F && query->recall_target <= 1.0F)) {
        return vs_fail(err, VS_INVALID, "the recall target must be from 0 to 1");
    }
    if (query->mask != NULL &&
        (query->mask->index != index || query->mask->segment != query->segment ||
         query->mask->column != query->column)) {
        return vs_fail(err, VS_INVALID, "the mask was made for another segment or column");
    }
    if (query->exact && !part->has_vectors) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s holds no float vectors, so it cannot answer exactly; rebuild the index "
                       "with them, or scan the table",
                       index->file->name);
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
    const struct vs_index_part *part = &index->segments[query->segment].parts[query->column];
    const struct vs_index_column *column = &index->descriptor.info.columns[query->column];
    VS_TRY(prepare_vector(column, query->vector, scratch, err));
    struct vs_index_stats stats = {0};
    struct final_stage stage = {0};
    if (part->has_lists && !query->exact) {
        VS_TRY(search_lists(index, query, scratch, &stage, &stats, err));
    } else {
        int64_t start = vs_monotonic_ns(index->env);
        struct exact_scan scan = {.column = column,
                                  .kernels = vs_kernels_get(),
                                  .query = scratch->query,
                                  .stats = &stats};
        VS_TRY(search_exact(index, query, scratch, &stage, &scan, err));
        stats.scan_ns = vs_monotonic_ns(index->env) - start;
    }
    vs_topk_sort(stage.keys, stage.rows, stage.spare_keys, stage.spare_rows, stage.candidates);
    size_t count = stage.candidates < query->k ? stage.candidates : query->k;
    for (size_t i = 0; i < count; i++) {
        hits_out[i] = (struct vs_index_hit){stage.rows[i], vs_topk_score(stage.keys[i])};
    }
    *hit_count_out = count;
    if (stats_out != NULL) {
        *stats_out = stats;
    }
    return VS_OK;
}
