// SPDX-License-Identifier: Apache-2.0
#include "bench/bench_index.h"

#include <stdlib.h>

// Rows of int8 matrices are padded to whole cache lines.
static size_t padded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

// A query is projected by the int8 form of the matrix.
static size_t projection_bytes(const struct vs_index_column *column)
{
    return column->proj_dim * padded(column->dim);
}

double bench_index_entries(const struct vs_index *index)
{
    const struct vs_index_info *info = vs_index_info(index);
    uint32_t list_count = info->columns[0].list_count;
    uint32_t *sizes = calloc(list_count > 0 ? list_count : 1, sizeof *sizes);
    double sum = 0.0;
    for (size_t segment = 0; sizes != NULL && segment < info->segment_count; segment++) {
        if (!info->segments[segment].is_small &&
            vs_index_list_sizes(index, segment, 0, sizes, NULL) == VS_OK) {
            for (uint32_t list = 0; list < list_count; list++) {
                sum += sizes[list];
            }
        }
    }
    free(sizes);
    return sum;
}

void bench_index_sets(const struct vs_index *index, struct bench_sets *sets_out)
{
    const struct vs_index_info *info = vs_index_info(index);
    const struct vs_index_column *column = &info->columns[0];
    uint64_t rows = 0;
    for (size_t i = 0; i < info->segment_count; i++) {
        rows += info->segments[i].row_count;
    }
    *sets_out = (struct bench_sets){
        .projection = projection_bytes(column),
        .centroids = (size_t)column->list_count * column->proj_dim,
        .codes = (size_t)(bench_index_entries(index) * column->m / 2.0),
        .rows = rows * padded(column->dim),
        .row_bytes = padded(column->dim),
    };
}

void bench_index_count(const struct vs_index *index,
                       const struct vs_index_stats *stats,
                       double queries,
                       struct bench_work *work)
{
    const struct vs_index_column *column = &vs_index_info(index)->columns[0];
    work->queries += queries;
    work->projection_bytes += queries * (double)projection_bytes(column);
    work->centroid_bytes += (double)stats->centroids * column->proj_dim;
    work->code_bytes += (double)stats->scanned * column->m / 2.0;
    work->rows += (double)stats->reranked;
    work->stage_ns[BENCH_STAGE_PROBE] += (double)stats->probe_ns;
    work->stage_ns[BENCH_STAGE_SCAN] += (double)stats->scan_ns;
    work->stage_ns[BENCH_STAGE_RERANK] += (double)stats->rerank_ns;
}
