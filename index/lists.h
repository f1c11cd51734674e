// SPDX-License-Identifier: Apache-2.0
/*
 * The lists of one segment column, ready to be searched: a view over bytes that the reader loaded
 * or the builder made.
 *
 * vs_lists_search runs projection, coarse ranking, table, scan and int8 re-ranking, and leaves the
 * best candidates in the scratch. Everything is borrowed. Threads: views are immutable; a scratch
 * has one owner. See docs/internals/index-search.md.
 */
#ifndef VS_INDEX_LISTS_H
#define VS_INDEX_LISTS_H

#include "index/index.h"
#include "index/index_format.h"
#include "index/list_layout.h"
#include "index/list_loader.h"
#include "simd/kernels.h"

struct vs_lists {
    const struct vs_codebook *codebook;
    uint32_t entry_count, slot_count;
    bool repeated; // slots may have several entries
    uint64_t row_count;
    size_t stride;                        // of an int8 row
    const struct vs_list_record *records; // [list_count]
    const struct vs_list_layout *layout;  // codes and slot references
    const int8_t *rows;                   // slot order; NULL: through the loader only
    const struct vs_row_fact *facts;      // slot order; NULL: through the loader only
    struct vs_list_loader *loader;        // NULL: everything is in memory
};

static inline const uint8_t *vs_lists_codes(const struct vs_lists *lists, uint32_t list)
{
    const struct vs_list_layout *layout = lists->layout;
    return layout->codes + (size_t)layout->first_entry[list] * layout->entry_bytes;
}

static inline const uint32_t *vs_lists_slots(const struct vs_lists *lists, uint32_t list)
{
    return lists->layout->slots + lists->layout->first_entry[list];
}

// Allowed rows in list order (vs_index_mask holds one).
struct vs_lane_mask {
    uint64_t allowed_count;       // allowed slots
    const uint32_t *lanes;        // a word per block, bit v: entry v is allowed
    const uint32_t *list_allowed; // allowed entries per list
    const uint32_t *slots;        // the allowed slots when there are few, else NULL
};

// One segment in a search over several with the same codebook. Slots of all targets are numbered
// through: first_slot is the number of slots in the targets before.
struct vs_lists_target {
    const struct vs_lists *lists;
    const struct vs_lane_mask *mask; // NULL: all
    uint32_t first_slot;
};

struct vs_lists_query {
    const struct vs_lists_target *targets;
    size_t target_count; // at least one
    const float *vector; // prepared: unit length for cosine
    size_t keep;         // candidates wanted after re-ranking
    size_t k;            // no fewer than this while there are allowed rows
    uint32_t nprobe, rerank;
    uint32_t rerank_most; // under masks up to so many where they tell less (index/mask_budget.h)
    float gap;            // see struct vs_recall_point
    const struct vs_op *op;
};

// Memory that grows and is carved anew for each use.
struct vs_scratch_block {
    uint8_t *memory;
    size_t capacity, used;
};

// Settings that the last query of a kind had. A scratch outlives indexes, so an index is known by
// its UUID, not by where it lay in memory.
struct vs_settings_memo {
    struct vs_uuid index;
    size_t column, k; // k 0: nothing yet
    bool lazy;
    float target;
    uint64_t entries;
    struct vs_recall_point settings;
};

struct vs_index_scratch {
    const struct vs_env *env;
    struct vs_scratch_block lists, final, targets, batch;
    struct vs_settings_memo memo;
    float *query; // [query_capacity], the prepared vector
    size_t query_capacity;
    // Result of vs_lists_search, in `lists`: best first, numbered through the targets, scores from
    // int8 rows (l2: minus the squared distance).
    uint32_t *slots;
    float *scores;
    size_t count;
};

// Makes room for all pieces together; then each piece is taken, 64-byte aligned.
enum vs_status vs_scratch_reset(const struct vs_env *env,
                                struct vs_scratch_block *block,
                                size_t bytes,
                                struct vs_error *err);
void *vs_scratch_take(struct vs_scratch_block *block, size_t count, size_t size);
#define VS_SCRATCH_ROUND(count, size) (((size_t)(count) * (size) + 63) & ~(size_t)63)

enum vs_status vs_lists_search(const struct vs_env *env,
                               const struct vs_lists_query *query,
                               struct vs_index_scratch *scratch,
                               struct vs_index_stats *stats,
                               struct vs_error *err);

// Gets the result of query q of a batch, left in the scratch as by vs_lists_search.
struct vs_lists_sink {
    enum vs_status (*take)(void *ctx, size_t q, struct vs_error *err);
    void *ctx;
};

// The same for vectors[count][dim] (query->vector is not looked at), without masks and with all
// codes in memory.
enum vs_status vs_lists_search_batch(const struct vs_env *env,
                                     const struct vs_lists_query *query,
                                     const float *vectors,
                                     size_t count,
                                     struct vs_index_scratch *scratch,
                                     const struct vs_lists_sink *sink,
                                     struct vs_index_stats *stats,
                                     struct vs_error *err);

// ---- pieces, also used by the builder's measurement ----

// pq.c
// One u8 table for the whole query out of projected values: y = P q for cosine and ip, P q + b for
// l2. values has room for 16 * m floats, table_out for 16 * m bytes.
void vs_pq_table(const struct vs_codebook *codebook,
                 const float *y,
                 float *values,
                 uint8_t *table_out);
// Packs up to 32 vectors' codes (m / 2 bytes each, sub-quantiser 2i in the low nibble of byte i)
// into a block of 16 * m bytes.
void vs_pq_pack_block(const uint8_t *const *codes, size_t count, size_t m, uint8_t *out);

// coarse.c
struct vs_coarse {
    const struct vs_kernels *kernels;
    int8_t *q8; // [dim], the query
    int8_t *y8; // [proj_dim], as lists are ranked with it
    float q_scale, y_scale;
    int32_t *dots;
    uint32_t *keys, *ids; // [list_count]
    uint32_t *spare_keys, *spare_ids;
    float *values;   // [16 * m]
    uint8_t *table;  // [16 * m], of the last projected query
    uint64_t scored; // int8 centroids since the last projection
};

size_t vs_coarse_bytes(const struct vs_codebook *codebook);
void vs_coarse_init(struct vs_coarse *coarse,
                    const struct vs_codebook *codebook,
                    struct vs_scratch_block *block);
// Quantises and projects the query and makes its table: y[proj_dim] for the table,
// y_lists[proj_dim] for ranking lists, each as the codebook's metric wants it.
void vs_coarse_project(struct vs_coarse *coarse,
                       const struct vs_codebook *codebook,
                       const float *vector,
                       float *y,
                       float *y_lists);
// Leaves the `want` best lists in keys and ids, in no order; returns how many. Up to a certain
// share only the lists of the nearest super-clusters are looked at.
size_t vs_coarse_rank(struct vs_coarse *coarse, const struct vs_codebook *codebook, size_t want);
// Its parts, for batches. How many lists go on from their codes to int8 centroids; 0: all do, codes
// are not looked at.
size_t vs_coarse_shortlist(const struct vs_codebook *codebook, size_t want);
// How many lists have their codes looked at, at least, to find `keep`.
size_t vs_coarse_opened(const struct vs_codebook *codebook, size_t keep);
// Scores the lists coarse->ids[count] from their int8 centroids and leaves the `want` best.
size_t vs_coarse_best(struct vs_coarse *coarse,
                      const struct vs_codebook *codebook,
                      size_t count,
                      size_t want);
// A gap (struct vs_recall_point) in the units of the keys' scores.
float vs_coarse_gap(const struct vs_codebook *codebook, const float *y_lists, float gap);

#endif
