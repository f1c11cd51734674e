// SPDX-License-Identifier: Apache-2.0
/*
 * One query on its way through the lists: what vs_lists_search (one query at a time) and
 * vs_lists_search_batch (list after list for many queries) share. Private to index/.
 *
 * Everything lies in the scratch or is borrowed. Threads: a run has one owner.
 */
#ifndef VS_INDEX_LISTS_RUN_H
#define VS_INDEX_LISTS_RUN_H

#include "index/lists.h"
#include "index/topk.h"

struct vs_lists_run {
    const struct vs_lists_query *query;
    const struct vs_codebook *codebook;
    const struct vs_kernels *kernels;
    bool repeated; // slots may have several entries
    struct vs_coarse coarse;
    struct vs_reservoir scan, best;
    float *y, *y_lists;
    // Of the query, copied from `coarse` so that several queries can share that.
    int8_t *q8;
    float q_scale;
    uint8_t *table;
    float *rest; // [dim], what rounding the query left over, and the same as int8
    int8_t *rest8;
    int32_t *dots; // [VS_RERANK_CHUNK]
    uint32_t *spare_keys, *spare_ids;
    uint32_t *seen_slots; // hash of slots, seen_mask + 1 places
    uint32_t seen_mask;
    uint64_t *visited;         // a bit per list
    int8_t *rows;              // [VS_RERANK_CHUNK][stride]; NULL: all rows are in memory
    struct vs_row_fact *facts; // [VS_RERANK_CHUNK]
    float q_norm;
    struct vs_index_stats *stats;
};

#define VS_RERANK_CHUNK 256

// Projects the query and keeps what scanning and re-ranking need of it.
void vs_lists_run_project(struct vs_lists_run *run);
// Carves the scratch for one query.
enum vs_status vs_lists_run_begin(struct vs_lists_run *run,
                                  const struct vs_env *env,
                                  const struct vs_lists_query *query,
                                  struct vs_index_scratch *scratch,
                                  struct vs_index_stats *stats,
                                  struct vs_error *err);
// The lists to scan for one query (not masked): their numbers are left in run->coarse.ids, nearest
// first; returns how many.
size_t vs_lists_run_choose(struct vs_lists_run *run);
// No more than so many.
size_t vs_lists_run_reach(const struct vs_lists_run *run);
// Scans one list of one target and lets the codes of another come in meanwhile; returns the number
// of allowed entries.
uint64_t vs_lists_run_scan(struct vs_lists_run *run,
                           const struct vs_lists_target *target,
                           uint32_t list,
                           uint32_t ahead);
// Lets the codes of the first lists to scan come in.
void vs_lists_run_prime(const struct vs_lists_run *run, const uint32_t *ids, size_t count);
// Scores the candidates from their int8 rows: all with eight bits of the query, the best with
// sixteen.
enum vs_status vs_lists_run_rerank(struct vs_lists_run *run, struct vs_error *err);
// lists_fetch.c: brings lists of all targets that are not in memory, with the rows of the nearest,
// and the rows of the candidates.
enum vs_status vs_lists_run_need(const struct vs_lists_run *run,
                                 const uint32_t *ids,
                                 size_t count,
                                 size_t near_count,
                                 struct vs_error *err);
enum vs_status vs_lists_run_need_rows(const struct vs_lists_run *run, struct vs_error *err);
// Leaves the best in the scratch.
void vs_lists_run_publish(struct vs_lists_run *run, struct vs_index_scratch *scratch);

#endif
