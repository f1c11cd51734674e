// SPDX-License-Identifier: Apache-2.0
#include "index/lists.h"
#include "index/topk.h"

#include <math.h>

// Below this many lists one pass over all int8 centroids is faster than looking at codes first.
#define FLAT_LISTS 512
// From codes, this many times the wanted lists go on to int8; measured: nothing is lost by it.
#define SHORTLIST_FACTOR 1.25
#define SHORTLIST_MORE 48
// Where nothing else was measured, beyond this many lists only those of the nearest super-clusters
// are looked at.
#define OPEN_LISTS 32768
#define SPAN_PIECE 256 // lists between two looks at the threshold

size_t vs_coarse_bytes(const struct vs_codebook *codebook)
{
    size_t lists = codebook->list_count, m = codebook->m;
    size_t most = (codebook->super_count > lists ? codebook->super_count : lists) + SPAN_PIECE + 64;
    size_t dots = most > codebook->proj_dim ? most : codebook->proj_dim;
    return VS_SCRATCH_ROUND(codebook->dim, 1) + VS_SCRATCH_ROUND(codebook->proj_dim, 1) +
           VS_SCRATCH_ROUND(dots, 4) + 4 * VS_SCRATCH_ROUND(most, 4) + VS_SCRATCH_ROUND(16 * m, 4) +
           VS_SCRATCH_ROUND(16 * m, 1);
}

void vs_coarse_init(struct vs_coarse *coarse,
                    const struct vs_codebook *codebook,
                    struct vs_scratch_block *block)
{
    size_t lists = codebook->list_count, m = codebook->m;
    size_t most = (codebook->super_count > lists ? codebook->super_count : lists) + SPAN_PIECE + 64;
    size_t dots = most > codebook->proj_dim ? most : codebook->proj_dim;
    coarse->kernels = vs_kernels_get();
    coarse->q8 = vs_scratch_take(block, codebook->dim, 1);
    coarse->y8 = vs_scratch_take(block, codebook->proj_dim, 1);
    coarse->dots = vs_scratch_take(block, dots, 4);
    coarse->keys = vs_scratch_take(block, most, 4);
    coarse->ids = vs_scratch_take(block, most, 4);
    coarse->spare_keys = vs_scratch_take(block, most, 4);
    coarse->spare_ids = vs_scratch_take(block, most, 4);
    coarse->values = vs_scratch_take(block, 16 * m, 4);
    coarse->table = vs_scratch_take(block, 16 * m, 1);
}

void vs_coarse_project(struct vs_coarse *coarse,
                       const struct vs_codebook *codebook,
                       const float *vector,
                       float *y,
                       float *y_lists)
{
    size_t proj_dim = codebook->proj_dim;
    coarse->scored = 0;
    coarse->q_scale = vs_quantize_i8(vector, codebook->dim, coarse->q8);
    vs_codebook_project_i8(codebook, coarse->q8, coarse->q_scale, coarse->dots, y);
    if (codebook->metric == VS_METRIC_IP) { // ranked by inner product, so the mean plays no part
        memcpy(y_lists, y, proj_dim * sizeof(float));
    } else {
        for (size_t i = 0; i < proj_dim; i++) {
            y_lists[i] = y[i] + codebook->projection_bias[i];
        }
    }
    if (codebook->metric == VS_METRIC_L2) {
        memcpy(y, y_lists, proj_dim * sizeof(float));
    }
    coarse->y_scale = vs_quantize_i8(y_lists, proj_dim, coarse->y8);
    vs_pq_table(codebook, y, coarse->values, coarse->table);
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
                       size_t first,
                       size_t count,
                       uint32_t *keys)
{
    coarse->scored += count;
    coarse->kernels->dot_i8(coarse->y8, rows->values + first * rows->dim, rows->dim, rows->dim,
                            count, coarse->dots);
    const float *scales = rows->scales + first, *norms = rows->norms + first;
    float weight = rows->inner_product ? 0.0F : 1.0F, factor = 2.0F * coarse->y_scale;
    for (size_t i = 0; i < count; i++) {
        keys[i] = vs_topk_key((float)coarse->dots[i] * (factor * scales[i]) - weight * norms[i]);
    }
}

// The same for rows named by ids.
static void score_some(struct vs_coarse *coarse,
                       const struct centroid_rows *rows,
                       const uint32_t *ids,
                       size_t count,
                       uint32_t *keys)
{
    coarse->scored += count;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&rows->scales[ids[i]], 0, 2);
        __builtin_prefetch(&rows->norms[ids[i]], 0, 2);
    }
    coarse->kernels->dot_i8_rows(coarse->y8, rows->values, rows->dim, rows->dim, ids, count,
                                 coarse->dots);
    float weight = rows->inner_product ? 0.0F : 1.0F, factor = 2.0F * coarse->y_scale;
    for (size_t i = 0; i < count; i++) {
        keys[i] = vs_topk_key((float)coarse->dots[i] * (factor * rows->scales[ids[i]]) -
                              weight * rows->norms[ids[i]]);
    }
}

static struct centroid_rows list_rows(const struct vs_codebook *codebook)
{
    return (struct centroid_rows){codebook->centroids_i8, codebook->centroid_scale,
                                  codebook->centroid_norm, codebook->proj_dim,
                                  codebook->metric == VS_METRIC_IP};
}

static void number_from(uint32_t first, size_t count, uint32_t *ids)
{
    for (size_t i = 0; i < count; i++) {
        ids[i] = first + (uint32_t)i;
    }
}

// The nearest super-clusters that hold `enough` lists together, as spans of blocks of lanes
// in ascending order: first blocks in spare_keys, ends in spare_ids; returns how many spans.
static size_t choose_spans(struct vs_coarse *coarse,
                           const struct vs_codebook *codebook,
                           size_t enough,
                           size_t lanes)
{
    struct centroid_rows supers = {codebook->super_i8, codebook->super_scale, codebook->super_norm,
                                   codebook->proj_dim, codebook->metric == VS_METRIC_IP};
    const uint32_t *first_list = codebook->super_first;
    size_t count = codebook->super_count, lists = 0, spans = 0;
    uint32_t *firsts = coarse->spare_keys, *ends = coarse->spare_ids, *open = coarse->keys;
    score_rows(coarse, &supers, 0, count, coarse->keys);
    number_from(0, count, coarse->ids);
    vs_topk_order(coarse->keys, coarse->ids, firsts, ends, count);
    memset(open, 0, count * sizeof *open);
    for (size_t i = 0; i < count && lists < enough; i++) {
        uint32_t super = coarse->ids[i];
        open[super] = 1;
        lists += first_list[super + 1] - first_list[super];
    }
    for (size_t super = 0; super < count; super++) {
        uint32_t first = first_list[super] / (uint32_t)lanes,
                 end = (first_list[super + 1] + (uint32_t)lanes - 1) / (uint32_t)lanes;
        if (open[super] == 0) {
            continue;
        }
        if (spans > 0 && first <= ends[spans - 1]) {
            ends[spans - 1] = end > ends[spans - 1] ? end : ends[spans - 1];
        } else {
            firsts[spans] = first;
            ends[spans++] = end;
        }
    }
    return spans;
}

// Lists whose codes lie side by side.
struct list_span {
    const uint8_t *codes;
    size_t first, count;
};

static struct list_span span_of(const struct vs_coarse *coarse,
                                const struct vs_codebook *codebook,
                                size_t run)
{
    const struct vs_list_layout *layout = codebook->centroid_codes;
    size_t lanes = coarse->kernels->pq4_lanes, first = coarse->spare_keys[run] * lanes,
           end = coarse->spare_ids[run] * lanes;
    end = end < codebook->list_count ? end : codebook->list_count;
    return (struct list_span){layout->codes + first * layout->entry_bytes, first, end - first};
}

// Offers the lists of a span by their codes, and lets the codes of the next one come in.
static void scan_span(struct vs_coarse *coarse,
                      const struct vs_list_layout *layout,
                      const struct list_span *span,
                      const struct list_span *next,
                      struct vs_reservoir *best)
{
    struct vs_pq4_scan scan = {.m = layout->m,
                               .lut = coarse->table,
                               .ahead = next != NULL ? next->codes : NULL,
                               .ahead_bytes = next != NULL ? next->count * layout->entry_bytes : 0};
    for (size_t at = 0; at < span->count; at += scan.count) {
        scan.codes = span->codes + at * layout->entry_bytes;
        scan.count = span->count - at < SPAN_PIECE ? span->count - at : SPAN_PIECE;
        scan.first_id = (uint32_t)(span->first + at);
        scan.threshold = best->threshold;
        best->count +=
            coarse->kernels->pq4_select(&scan, best->keys + best->count, best->ids + best->count);
        if (best->count > 2 * best->keep) {
            vs_reservoir_thin(best);
        }
        scan.ahead = NULL;
        scan.ahead_bytes = 0;
    }
}

// Leaves the `keep` best lists by their codes in ids; returns how many.
static size_t shortlist(struct vs_coarse *coarse, const struct vs_codebook *codebook, size_t keep)
{
    size_t lanes = coarse->kernels->pq4_lanes, lists = codebook->list_count, spans = 1;
    size_t open = vs_coarse_opened(codebook, keep);
    if (open < lists) {
        spans = choose_spans(coarse, codebook, open, lanes);
    } else {
        coarse->spare_keys[0] = 0;
        coarse->spare_ids[0] = (uint32_t)((lists + lanes - 1) / lanes);
    }
    struct vs_reservoir best;
    vs_reservoir_init(&best, coarse->keys, coarse->ids, keep, lists);
    struct list_span next = span_of(coarse, codebook, 0);
    for (size_t i = 0; i < spans; i++) {
        struct list_span span = next;
        bool is_last = i + 1 == spans;
        next = is_last ? span : span_of(coarse, codebook, i + 1);
        scan_span(coarse, codebook->centroid_codes, &span, is_last ? NULL : &next, &best);
    }
    vs_reservoir_shrink(&best);
    return best.count;
}

size_t vs_coarse_shortlist(const struct vs_codebook *codebook, size_t want)
{
    size_t keep = (size_t)((double)want * SHORTLIST_FACTOR) + SHORTLIST_MORE;
    return codebook->list_count <= FLAT_LISTS || keep >= codebook->list_count / 2 ? 0 : keep;
}

size_t vs_coarse_opened(const struct vs_codebook *codebook, size_t keep)
{
    size_t open = codebook->open_lists > 0 ? codebook->open_lists : OPEN_LISTS;
    open = open > keep * 4 ? open : keep * 4;
    return open < codebook->list_count ? open : codebook->list_count;
}

size_t vs_coarse_best(struct vs_coarse *coarse,
                      const struct vs_codebook *codebook,
                      size_t count,
                      size_t want)
{
    struct centroid_rows lists = list_rows(codebook);
    score_some(coarse, &lists, coarse->ids, count, coarse->keys);
    if (want < count) {
        vs_topk_cut(coarse->keys, coarse->ids, count, want);
    }
    return want < count ? want : count;
}

size_t vs_coarse_rank(struct vs_coarse *coarse, const struct vs_codebook *codebook, size_t want)
{
    size_t count = codebook->list_count, keep = vs_coarse_shortlist(codebook, want);
    if (keep > 0) {
        return vs_coarse_best(coarse, codebook, shortlist(coarse, codebook, keep), want);
    }
    struct centroid_rows lists = list_rows(codebook);
    score_rows(coarse, &lists, 0, count, coarse->keys);
    number_from(0, count, coarse->ids);
    if (want < count) {
        vs_topk_cut(coarse->keys, coarse->ids, count, want);
    }
    return want < count ? want : count;
}

float vs_coarse_gap(const struct vs_codebook *codebook, const float *y_lists, float gap)
{
    if (codebook->metric != VS_METRIC_IP) {
        return gap;
    }
    float norm = 0.0F; // inner products grow with the query
    vs_kernels_get()->dot_f32(y_lists, y_lists, codebook->proj_dim, 1, &norm);
    return 2.0F * gap * sqrtf(norm);
}
