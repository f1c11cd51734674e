// SPDX-License-Identifier: Apache-2.0
#include "index/recall_curve.h"

#include <math.h>

// Rates of one core: code bytes a microsecond, microseconds a list, and microseconds a re-ranked
// row of 1,024 dimensions.
#define SCAN_BYTES_PER_US 25000.0F
#define LIST_US 0.04F
#define ROW_US 0.05F

float vs_recall_cost(const struct vs_recall_point *point,
                     uint64_t entry_count,
                     uint32_t m,
                     uint32_t dim)
{
    float scanned =
        point->scanned_fraction * (float)entry_count * (float)m * 0.5F / SCAN_BYTES_PER_US;
    return scanned + (float)point->nprobe * LIST_US +
           (float)point->rerank * ROW_US * (0.25F + (float)dim / 1024.0F);
}

// Best point among those of one k.
static const struct vs_recall_point *choose_among(const struct vs_index_column *column,
                                                  uint64_t entry_count,
                                                  size_t first,
                                                  size_t end,
                                                  float target)
{
    const struct vs_recall_point *best = NULL, *fallback = &column->recall[first];
    float best_cost = 0.0F;
    for (size_t i = first; i < end; i++) {
        const struct vs_recall_point *point = &column->recall[i];
        float cost = vs_recall_cost(point, entry_count, column->m, column->dim);
        if (point->recall >= target && (best == NULL || cost < best_cost)) {
            best = point;
            best_cost = cost;
        }
        if (point->recall > fallback->recall) {
            fallback = point;
        }
    }
    return best != NULL ? best : fallback;
}

static uint32_t scale_count(uint32_t count, double factor)
{
    double scaled = ceil((double)count * factor);
    return scaled < 2147483647.0 ? (uint32_t)scaled : 2147483647u;
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
    return point;
}

struct vs_recall_point vs_recall_choose(const struct vs_index_column *column,
                                        uint64_t entry_count,
                                        size_t k,
                                        float target)
{
    uint32_t wanted = k < 2147483647u ? (uint32_t)k : 2147483647u;
    if (column->recall_count == 0) {
        return (struct vs_recall_point){wanted, column->list_count / 8 + 1,
                                        scale_count(wanted, 10.0), 0.0F, 0.125F};
    }
    const struct vs_recall_point *low = NULL, *high = NULL;
    for (size_t first = 0; first < column->recall_count && high == NULL;) {
        size_t end = first;
        while (end < column->recall_count && column->recall[end].k == column->recall[first].k) {
            end++;
        }
        const struct vs_recall_point *point = choose_among(column, entry_count, first, end, target);
        if (point->k <= k) {
            low = point;
        }
        if (point->k >= k) {
            high = point;
        }
        first = end;
    }
    if (low == NULL || (high != NULL && high->k == low->k)) {
        return high != NULL ? *high : *low;
    }
    if (high != NULL) {
        return between(low, high, k);
    }
    struct vs_recall_point point = *low; // beyond the largest measured k
    double factor = (double)k / low->k;
    point.k = wanted;
    point.rerank = scale_count(low->rerank, factor);
    point.nprobe = scale_count(low->nprobe, sqrt(factor));
    return point;
}
