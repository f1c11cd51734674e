// SPDX-License-Identifier: Apache-2.0
#include "index/recall_curve.h"

#include "index/topk.h"
#include "simd/kernels.h"

#include <math.h>

// What coarse.c does: lists by their centroids' codes, a quarter more than wanted and some by int8.
#define SHORTLIST_FACTOR 1.25
#define SHORTLIST_MORE 48.0
#define FLAT_LISTS 512   // so few are all scored by int8
#define OPEN_LISTS 32768 // looked at where nothing else was measured, and ...
#define OPEN_TIMES 4     // of the shortlist are looked at in any case

const struct vs_recall_rates vs_recall_rates = {.cache_bytes = 16777216.0F,
                                                .code_byte = {0.000016F, 0.00007F},
                                                .list = 0.12F,
                                                .padding = 7.5F,
                                                .project = 0.000015F,
                                                .centroid_code_byte = 0.000031F,
                                                .centroid = 0.014F,
                                                .centroid_byte = 0.000029F,
                                                .row = {0.015F, 0.038F},
                                                .row_byte = {0.00004F, 0.00006F},
                                                .stored = 1.1F,
                                                .stored_value = 0.0012F};

// Vectors read to re-score: the best k and those that int8 rounding may have put behind them.
// Measured at 384 dimensions: 1.1, 10.8 and 107.5 for k = 1, 10 and 100.
#define STORED_PER_K 1.08

// A rate for `bytes` of which the cache has room for `room`.
static double mixed(const float rate[2], double bytes, double room)
{
    double cached = room >= bytes ? 1.0 : (room > 0.0 ? room / bytes : 0.0);
    return (double)rate[0] * cached + (double)rate[1] * (1.0 - cached);
}

static double code_bytes(const struct vs_recall_shape *shape)
{
    return 0.5 * shape->m * (double)shape->entry_count;
}

static double code_us(const struct vs_recall_shape *shape)
{
    const struct vs_recall_rates *rates = &vs_recall_rates;
    return 0.5 * shape->m * mixed(rates->code_byte, code_bytes(shape), (double)rates->cache_bytes);
}

static double row_us(const struct vs_recall_shape *shape)
{
    const struct vs_recall_rates *rates = &vs_recall_rates;
    double bytes = (double)shape->dim * (double)shape->entry_count,
           room = (double)rates->cache_bytes - code_bytes(shape);
    return mixed(rates->row, bytes, room) + mixed(rates->row_byte, bytes, room) * shape->dim;
}

// Choosing the lists: the projection, super-clusters where only some lists are looked at, codes of
// centroids, int8 centroids.
static double ranking_us(const struct vs_recall_point *point, const struct vs_recall_shape *shape)
{
    const struct vs_recall_rates *rates = &vs_recall_rates;
    double lists = shape->list_count, centroid = (double)rates->centroid_byte * shape->proj_dim,
           us = (double)rates->project * shape->dim * shape->proj_dim;
    double keep =
        (double)vs_recall_reach(point->nprobe, point->gap) * SHORTLIST_FACTOR + SHORTLIST_MORE;
    if (shape->list_count <= FLAT_LISTS || keep >= lists / 2) {
        return us + lists * centroid;
    }
    double open = shape->open_lists > 0 ? shape->open_lists : OPEN_LISTS;
    open = open > keep * OPEN_TIMES ? open : keep * OPEN_TIMES;
    if (open < lists) {
        us += sqrt(2.0 * lists) * centroid;
    } else {
        open = lists;
    }
    return us + open * 0.5 * shape->m * (double)rates->centroid_code_byte +
           keep * ((double)rates->centroid + centroid);
}

float vs_recall_cost(const struct vs_recall_point *point, const struct vs_recall_shape *shape)
{
    const struct vs_recall_rates *rates = &vs_recall_rates;
    double scanned = (double)point->scanned_fraction * (double)shape->entry_count +
                     point->nprobe * (double)rates->padding;
    double stored =
        !point->rescore
            ? 0.0
            : STORED_PER_K * point->k *
                  ((double)rates->stored + (double)rates->stored_value * (double)shape->dim);
    return (float)(ranking_us(point, shape) + scanned * code_us(shape) +
                   point->nprobe * (double)rates->list + point->rerank * row_us(shape) + stored);
}

static float mix(float low, float high, double weight)
{
    return low > 0.0F && high > 0.0F
               ? (float)((double)low * pow((double)high / (double)low, weight))
               : high;
}

static uint32_t scale_count(uint32_t count, double factor)
{
    double scaled = ceil((double)count * factor);
    return scaled < 2147483647.0 ? (uint32_t)scaled : 2147483647u;
}

// Settings between two of one k, the first of which falls short of the target.
static struct vs_recall_point towards(const struct vs_recall_point *low,
                                      const struct vs_recall_point *high,
                                      float target)
{
    struct vs_recall_point point = *high;
    bool grows = low->nprobe <= high->nprobe && low->rerank <= high->rerank &&
                 low->rescore == high->rescore && (low->gap > 0.0F) == (high->gap > 0.0F) &&
                 low->gap <= high->gap;
    if (!grows || !(low->recall < target)) {
        return point;
    }
    double weight = (double)(target - low->recall) / (double)(high->recall - low->recall);
    point.nprobe = scale_count(low->nprobe, pow((double)high->nprobe / low->nprobe, weight));
    point.rerank = scale_count(low->rerank, pow((double)high->rerank / low->rerank, weight));
    point.gap = mix(low->gap, high->gap, weight);
    point.scanned_fraction = mix(low->scanned_fraction, high->scanned_fraction, weight);
    point.recall = target;
    return point;
}

static bool usable(const struct vs_index_column *column, const struct vs_recall_point *point)
{
    return !point->rescore || column->has_exact_rows || column->has_half_rows;
}

// The best settings by the points of one k; k 0: there are none.
static struct vs_recall_point choose_among(const struct vs_index_column *column,
                                           const struct vs_recall_shape *shape,
                                           size_t first,
                                           size_t end,
                                           float target)
{
    const struct vs_recall_point *best = NULL, *short_of = NULL, *fallback = NULL;
    float best_cost = 0.0F;
    for (size_t i = first; i < end; i++) {
        const struct vs_recall_point *point = &column->recall[i];
        float cost = vs_recall_cost(point, shape);
        if (!usable(column, point)) {
            continue;
        }
        if (point->recall >= target && (best == NULL || cost < best_cost)) {
            best = point;
            best_cost = cost;
        }
        fallback = fallback == NULL || point->recall > fallback->recall ? point : fallback;
    }
    if (best == NULL) {
        return fallback != NULL ? *fallback : (struct vs_recall_point){.k = 0};
    }
    for (size_t i = first; i < end; i++) { // the best of those of its kind that cost less
        const struct vs_recall_point *point = &column->recall[i];
        if (point->rescore == best->rescore && vs_recall_cost(point, shape) < best_cost &&
            (short_of == NULL || point->recall > short_of->recall)) {
            short_of = point;
        }
    }
    return short_of != NULL ? towards(short_of, best, target) : *best;
}

static struct vs_recall_point between(const struct vs_recall_point *low,
                                      const struct vs_recall_point *high,
                                      size_t k)
{
    double t = log((double)k / low->k) / log((double)high->k / low->k);
    struct vs_recall_point point = *high;
    point.k = (uint32_t)k;
    point.nprobe = scale_count(low->nprobe, pow((double)high->nprobe / low->nprobe, t));
    point.rerank = scale_count(low->rerank, pow((double)high->rerank / low->rerank, t));
    point.rerank = point.rerank > point.k ? point.rerank : point.k;
    point.gap = low->gap > 0.0F ? mix(low->gap, high->gap, t) : high->gap;
    point.scanned_fraction = mix(low->scanned_fraction, high->scanned_fraction, t);
    point.rescore = low->rescore || high->rescore;
    return point;
}

// Without a curve.
static struct vs_recall_point guess(const struct vs_index_column *column, uint32_t k)
{
    return (struct vs_recall_point){.k = k,
                                    .nprobe = column->list_count / 8 + 1,
                                    .rerank = scale_count(k, 10.0),
                                    .scanned_fraction = 0.125F};
}

struct vs_recall_point vs_recall_choose(const struct vs_index_column *column,
                                        uint64_t entry_count,
                                        size_t k,
                                        float target)
{
    uint32_t wanted = k < 2147483647u ? (uint32_t)k : 2147483647u;
    struct vs_recall_shape shape = {entry_count,      column->list_count, column->m,
                                    column->proj_dim, column->dim,        column->open_lists};
    struct vs_recall_point low = {0}, high = {0}; // of the measured k around the wanted one
    for (size_t first = 0; first < column->recall_count && high.k == 0;) {
        size_t end = first;
        while (end < column->recall_count && column->recall[end].k == column->recall[first].k) {
            end++;
        }
        struct vs_recall_point point = choose_among(column, &shape, first, end, target);
        low = point.k > 0 && point.k <= k ? point : low;
        high = point.k >= k ? point : high;
        first = end;
    }
    if (low.k == 0 || high.k == low.k) {
        return high.k > 0 ? high : guess(column, wanted);
    }
    if (high.k != 0) {
        return between(&low, &high, k);
    }
    double factor = (double)k / low.k; // beyond the largest measured k
    low.k = wanted;
    low.rerank = scale_count(low.rerank, factor);
    low.nprobe = scale_count(low.nprobe, sqrt(factor));
    return low;
}

size_t vs_recall_lists(const uint32_t *keys, size_t count, size_t nprobe, float gap)
{
    size_t reach = vs_recall_reach(nprobe > 0 ? nprobe : 1, gap);
    reach = reach < count ? reach : count;
    if (!(gap > 0.0F) || reach < 2) {
        return reach;
    }
    const struct vs_kernels *kernels = vs_kernels_get();
    uint32_t best = keys[0];
    for (size_t i = 1; i < reach; i++) {
        best = keys[i] > best ? keys[i] : best;
    }
    float score = vs_topk_score(best), limit = gap * gap * (float)nprobe;
    // The least key that may be taken: both sides of the rule grow as it falls.
    uint32_t low = vs_topk_key(score - gap * sqrtf((float)nprobe)), high = best;
    size_t taken = 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        float behind = score - vs_topk_score(middle);
        size_t reached = kernels->count_keys(keys, reach, middle);
        if (behind * behind * (float)reached <= limit) {
            high = middle;
            taken = reached;
        } else {
            low = middle + 1;
        }
    }
    return taken;
}
