// SPDX-License-Identifier: Apache-2.0
/*
 * Exact answers: every float vector of a segment, from memory (flat segments) or from the file.
 */
#include "index/index_internal.h"
#include "index/topk.h"

#include <math.h>

#define EXACT_CHUNK 512

struct exact_stage {
    uint32_t *rows, *keys, *spare_rows, *spare_keys;
    float *vectors; // room for EXACT_CHUNK rows
    size_t candidates;
};

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

float vs_inverse_norm(const float *vector, size_t dim)
{
    float norm = 0.0F;
    vs_kernels_get()->dot_f32(vector, vector, dim, 1, &norm);
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
                                         struct exact_stage *stage,
                                         struct vs_error *err)
{
    size_t dim = scan->column->dim;
    for (size_t i = 0; i < count; i++) {
        stage->spare_rows[i] = (uint32_t)(first + i);
    }
    VS_TRY(vs_index_read_vectors(index, query->segment, query->column, stage->spare_rows, count,
                                 stage->vectors, err));
    for (size_t i = 0; i < count; i++) {
        scan->norms[i] = vs_inverse_norm(stage->vectors + i * dim, dim);
    }
    score_run(scan, stage->vectors, scan->norms, first, count);
    return vs_op_check(index->env, query->op, err);
}

static enum vs_status search_exact(const struct vs_index *index,
                                   const struct vs_index_query *query,
                                   struct vs_index_scratch *scratch,
                                   struct exact_stage *stage,
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

enum vs_status vs_index_search_exact(const struct vs_index *index,
                                     const struct vs_index_query *query,
                                     struct vs_index_scratch *scratch,
                                     struct vs_index_hit *hits_out,
                                     size_t *hit_count_out,
                                     struct vs_index_stats *stats,
                                     struct vs_error *err)
{
    struct exact_stage stage = {0};
    if (index->segments[query->segment].parts[query->column].half) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s holds half-precision vectors, so it cannot answer exactly; rebuild the "
                       "index with f32 vectors, or scan the table",
                       index->file->name);
    }
    int64_t start = vs_monotonic_ns(index->env);
    struct exact_scan scan = {.column = &index->descriptor.info.columns[query->column],
                              .kernels = vs_kernels_get(),
                              .query = scratch->query,
                              .stats = stats};
    VS_TRY(search_exact(index, query, scratch, &stage, &scan, err));
    vs_topk_sort(stage.keys, stage.rows, stage.spare_keys, stage.spare_rows, stage.candidates);
    size_t count = stage.candidates < query->k ? stage.candidates : query->k;
    for (size_t i = 0; i < count; i++) {
        hits_out[i] = (struct vs_index_hit){.row = stage.rows[i],
                                            .score = vs_topk_score(stage.keys[i]),
                                            .segment = (uint32_t)query->segment};
    }
    *hit_count_out = count;
    stats->scan_ns = vs_monotonic_ns(index->env) - start;
    return VS_OK;
}
