// SPDX-License-Identifier: Apache-2.0
#include "index/index_rescore.h"

#include "index/topk.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <math.h>

#define READ_TOGETHER 256 // vectors

struct rescorer {
    const struct vs_rescore_query *query;
    const struct vs_rescore_rows *rows;
    const struct vs_index_column *column;
    const struct vs_kernels *kernels;
    uint32_t *keys, *order, *spare_keys, *spare; // [candidates]: in the order of the file
    struct vs_range *ranges;                     // [READ_TOGETHER]
    uint8_t *vectors;                            // [READ_TOGETHER], as they are stored
    float *scores, *norms;                       // [READ_TOGETHER]
    float *zeros;                                // [dim]
    size_t row_bytes;
    bool half; // the same in all segments with lists
};

static size_t together(size_t count)
{
    return count < READ_TOGETHER ? count : READ_TOGETHER;
}

size_t vs_rescore_bytes(size_t count, size_t dim)
{
    return 4 * VS_SCRATCH_ROUND(count, sizeof(uint32_t)) +
           VS_SCRATCH_ROUND(together(count), sizeof(struct vs_range)) +
           VS_SCRATCH_ROUND(together(count) * dim, sizeof(float)) +
           2 * VS_SCRATCH_ROUND(together(count), sizeof(float)) +
           VS_SCRATCH_ROUND(dim, sizeof(float));
}

// How many of the candidates can still belong to the best k, given what int8 rounding may have done
// to the scores.
static size_t contenders(const struct rescorer *x)
{
    const struct vs_rescore_rows *rows = x->rows;
    size_t k = x->query->k, dim = x->column->dim, count = k;
    bool distance = x->column->metric == VS_METRIC_L2;
    float norm = 0.0F, cut = 0.0F;
    for (size_t i = 0; i < dim; i++) {
        norm += x->query->vector[i] * x->query->vector[i];
    }
    for (size_t i = k - 1; i < rows->count; i++) {
        // Rounding errors of a row are uniform in a step and independent: variance step^2 / 12 a
        // dimension; those of the query, which has sixteen bits, are nothing beside them. Three
        // standard deviations on either side.
        float variance = rows->scales[i] * rows->scales[i] * norm / 12.0F;
        float margin = (distance ? 6.0F : 3.0F) * sqrtf(variance);
        if (i == k - 1) {
            cut = rows->scores[i] - margin;
        } else if (rows->scores[i] + margin >= cut) {
            count = i + 1;
        }
    }
    return count < rows->count ? count : rows->count;
}

// Candidates by segment, then by row.
static void order_by_place(const struct rescorer *x, size_t count)
{
    bool several = false;
    for (size_t i = 0; i < count; i++) {
        x->keys[i] = ~x->rows->rows[i];
        x->order[i] = (uint32_t)i;
        several = several || x->rows->segments[i] != x->rows->segments[0];
    }
    vs_topk_sort(x->keys, x->order, x->spare_keys, x->spare, count);
    for (size_t i = 0; several && i < count; i++) {
        x->keys[i] = ~x->rows->segments[x->order[i]];
    }
    if (several) { // equal keys stay in their order
        vs_topk_sort(x->keys, x->order, x->spare_keys, x->spare, count);
    }
}

static const struct vs_index_part *part_of(const struct rescorer *x, uint32_t candidate)
{
    return &x->query->index->segments[x->rows->segments[candidate]].parts[x->query->column];
}

// Reads the vectors of some candidates; those that follow each other in the file in one range.
static enum vs_status read_vectors(const struct rescorer *x,
                                   const uint32_t *order,
                                   size_t count,
                                   struct vs_error *err)
{
    const struct vs_index *index = x->query->index;
    size_t row_bytes = x->row_bytes, range_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct vs_index_part *part = part_of(x, order[i]);
        if (i == 0 || x->rows->segments[order[i]] != x->rows->segments[order[i - 1]]) {
            VS_TRY(vs_index_part_tables(index, x->rows->segments[order[i]], x->query->column, err));
        }
        uint64_t offset = part->vectors_offset + x->rows->rows[order[i]] * (uint64_t)row_bytes;
        struct vs_range *last = range_count > 0 ? &x->ranges[range_count - 1] : NULL;
        if (last != NULL && last->offset + last->len == offset) {
            last->len += row_bytes;
        } else {
            x->ranges[range_count++] =
                (struct vs_range){offset, row_bytes, x->vectors + i * row_bytes};
        }
    }
    VS_TRY(vs_file_read_many(index->file, x->ranges, range_count, err));
    for (size_t i = 0; i < count; i++) {
        uint32_t row = x->rows->rows[order[i]];
        uint32_t crc = part_of(x, order[i])->row_crcs[row];
        const struct vs_range range = {part_of(x, order[i])->vectors_offset +
                                           row * (uint64_t)row_bytes,
                                       row_bytes, x->vectors + i * row_bytes};
        bool right = vs_crc32c(0, range.dst, row_bytes) == crc;
        if (!right) {
            VS_TRY(vs_file_read_again(index->file, &range, crc, &right, err));
        }
        if (!right) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: checksum of the vector of row %" PRIu32
                           " is wrong; rebuild the index",
                           index->file->name, row);
        }
    }
    return VS_OK;
}

// Bit for bit as the exact scan does it: squares of 0 - v are those of v.
static void score_vectors(const struct rescorer *x, const uint32_t *order, size_t count)
{
    const struct vs_kernels *kernels = x->kernels;
    const float *query = x->query->vector;
    size_t dim = x->column->dim;
    bool distance = x->column->metric == VS_METRIC_L2,
         cosine = x->column->metric == VS_METRIC_COSINE;
    if (x->half) {
        const uint16_t *vectors = (const uint16_t *)(const void *)x->vectors;
        (distance ? kernels->l2_f16 : kernels->dot_f16)(query, vectors, dim, count, x->scores);
        kernels->l2_f16(x->zeros, vectors, dim, cosine ? count : 0, x->norms);
    } else {
        const float *vectors = (const float *)(const void *)x->vectors;
        (distance ? kernels->l2_f32 : kernels->dot_f32)(query, vectors, dim, count, x->scores);
        kernels->l2_f32(x->zeros, vectors, dim, cosine ? count : 0, x->norms);
    }
    for (size_t i = 0; i < count; i++) {
        float score = distance ? -x->scores[i] : x->scores[i];
        if (cosine) {
            score *= x->norms[i] > 0.0F ? 1.0F / sqrtf(x->norms[i]) : 0.0F;
        }
        x->rows->keys[order[i]] = vs_topk_key(score);
    }
}

enum vs_status vs_rescore(const struct vs_rescore_query *query,
                          const struct vs_rescore_rows *rows,
                          struct vs_scratch_block *block,
                          size_t *count_out,
                          struct vs_error *err)
{
    const struct vs_index_column *column = &query->index->descriptor.info.columns[query->column];
    struct rescorer x = {
        .query = query, .rows = rows, .column = column, .kernels = vs_kernels_get()};
    size_t room = together(rows->count);
    x.keys = vs_scratch_take(block, rows->count, sizeof *x.keys);
    x.order = vs_scratch_take(block, rows->count, sizeof *x.order);
    x.spare_keys = vs_scratch_take(block, rows->count, sizeof *x.spare_keys);
    x.spare = vs_scratch_take(block, rows->count, sizeof *x.spare);
    x.ranges = vs_scratch_take(block, room, sizeof *x.ranges);
    x.vectors = vs_scratch_take(block, room * column->dim, sizeof(float));
    x.scores = vs_scratch_take(block, room, sizeof *x.scores);
    x.norms = vs_scratch_take(block, room, sizeof *x.norms);
    x.zeros = vs_scratch_take(block, column->dim, sizeof *x.zeros);
    memset(x.zeros, 0, column->dim * sizeof *x.zeros);
    x.half = part_of(&x, 0)->half;
    x.row_bytes = (size_t)column->dim * vs_vectors_width(x.half);
    size_t count = rows->count > query->k ? contenders(&x) : rows->count;
    order_by_place(&x, count);
    for (size_t at = 0; at < count; at += READ_TOGETHER) {
        size_t n = together(count - at);
        VS_TRY(read_vectors(&x, x.order + at, n, err));
        score_vectors(&x, x.order + at, n);
    }
    *count_out = count;
    return VS_OK;
}
