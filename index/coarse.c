// SPDX-License-Identifier: Apache-2.0
#include "index/lists.h"
#include "index/topk.h"

// Below this many lists one pass over all centroids is faster than choosing super-clusters first
// (bench/bench_search.c).
#define FLAT_LISTS 1024
// Super-clusters are opened until they hold this many times the wanted lists; measured: no list of
// the true best is lost at 0.95.
#define OPEN_FACTOR 8

size_t vs_coarse_bytes(const struct vs_codebook *codebook)
{
    size_t lists = codebook->list_count;
    size_t most = codebook->super_count > lists ? codebook->super_count : lists;
    return VS_SCRATCH_ROUND(codebook->proj_dim, 1) + 5 * VS_SCRATCH_ROUND(most, 4);
}

void vs_coarse_init(struct vs_coarse *coarse,
                    const struct vs_codebook *codebook,
                    struct vs_scratch_block *block)
{
    size_t lists = codebook->list_count;
    size_t most = codebook->super_count > lists ? codebook->super_count : lists;
    coarse->kernels = vs_kernels_get();
    coarse->y8 = vs_scratch_take(block, codebook->proj_dim, 1);
    coarse->dots = vs_scratch_take(block, most, 4);
    coarse->keys = vs_scratch_take(block, most, 4);
    coarse->ids = vs_scratch_take(block, most, 4);
    coarse->spare_keys = vs_scratch_take(block, most, 4);
    coarse->spare_ids = vs_scratch_take(block, most, 4);
}

void vs_coarse_project(const struct vs_codebook *codebook,
                       const float *vector,
                       float *y,
                       float *y_lists)
{
    vs_codebook_project(codebook, vector, y_lists);
    memcpy(y, y_lists, codebook->proj_dim * sizeof(float));
    if (codebook->metric == VS_METRIC_L2) {
        return;
    }
    for (size_t i = 0; i < codebook->proj_dim; i++) {
        y[i] -= codebook->projection_bias[i];
    }
    if (codebook->metric == VS_METRIC_IP) { // ranked by inner product, so the mean plays no part
        memcpy(y_lists, y, codebook->proj_dim * sizeof(float));
    }
}

// keys[i] for rows of a centroid table: 2 <y, c> - <c, c>, or <y, c> for inner product.
struct centroid_rows {
    const int8_t *values;
    const float *scales, *norms;
    size_t dim;
    bool inner_product;
};

static void score_rows(struct vs_coarse *coarse,
                       const struct centroid_rows *rows,
                       float query_scale,
                       size_t first,
                       size_t count,
                       uint32_t *keys)
{
    coarse->kernels->dot_i8(coarse->y8, rows->values + first * rows->dim, rows->dim, rows->dim,
                            count, coarse->dots);
    const float *scales = rows->scales + first, *norms = rows->norms + first;
    float weight = rows->inner_product ? 0.0F : 1.0F;
    for (size_t i = 0; i < count; i++) {
        keys[i] = vs_topk_key((float)coarse->dots[i] * (2.0F * query_scale * scales[i]) -
                              weight * norms[i]);
    }
}

static struct centroid_rows list_rows(const struct vs_codebook *codebook)
{
    return (struct centroid_rows){codebook->centroids_i8, codebook->centroid_scale,
                                  codebook->centroid_norm, codebook->proj_dim,
                                  codebook->metric == VS_METRIC_IP};
}

// Scores the lists of the best super-clusters, at least `enough` lists; returns how many keys and
// ids were written.
static size_t score_best_supers(struct vs_coarse *coarse,
                                const struct vs_codebook *codebook,
                                float query_scale,
                                size_t enough)
{
    struct centroid_rows supers = {codebook->super_i8, codebook->super_scale, codebook->super_norm,
                                   codebook->proj_dim, codebook->metric == VS_METRIC_IP};
    size_t super_count = codebook->super_count;
    uint32_t *super_keys = coarse->spare_keys, *super_ids = coarse->spare_ids;
    score_rows(coarse, &supers, query_scale, 0, super_count, super_keys);
    for (size_t s = 0; s < super_count; s++) {
        super_ids[s] = (uint32_t)s;
    }
    vs_topk_sort(super_keys, super_ids, coarse->keys, coarse->ids, super_count);
    struct centroid_rows lists = list_rows(codebook);
    size_t count = 0;
    for (size_t i = 0; i < super_count && count < enough; i++) {
        uint32_t first = codebook->super_first[super_ids[i]],
                 end = codebook->super_first[super_ids[i] + 1];
        score_rows(coarse, &lists, query_scale, first, end - first, coarse->keys + count);
        for (uint32_t l = first; l < end; l++) {
            coarse->ids[count++] = l;
        }
    }
    return count;
}

size_t vs_coarse_rank(struct vs_coarse *coarse,
                      const struct vs_codebook *codebook,
                      const float *y_lists,
                      size_t want,
                      bool everything)
{
    float query_scale = vs_quantize_i8(y_lists, codebook->proj_dim, coarse->y8);
    size_t count = codebook->list_count;
    size_t enough = want * OPEN_FACTOR;
    if (everything || count <= FLAT_LISTS || enough >= count / 2 || codebook->super_count < 2) {
        struct centroid_rows lists = list_rows(codebook);
        score_rows(coarse, &lists, query_scale, 0, count, coarse->keys);
        for (size_t l = 0; l < count; l++) {
            coarse->ids[l] = (uint32_t)l;
        }
    } else {
        count = score_best_supers(coarse, codebook, query_scale, enough);
    }
    if (!everything && want < count) {
        vs_topk_cut(coarse->keys, coarse->ids, count, want);
        count = want;
    }
    vs_topk_sort(coarse->keys, coarse->ids, coarse->spare_keys, coarse->spare_ids, count);
    return count;
}
