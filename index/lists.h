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
#include "simd/kernels.h"

struct vs_lists {
    const struct vs_codebook *codebook;
    const float *pq_columns; // the codebook's centroids as [m][sub_dim][16] (vs_pq_columns_make)
    uint32_t entry_count, slot_count;
    bool repeated; // slots may have several entries
    uint64_t row_count;
    size_t stride;                        // of an int8 row
    const struct vs_list_record *records; // [list_count]
    const uint32_t *first_block;          // [list_count + 1]: blocks of the lists before
    const uint8_t *sections;              // the lists blob; sections at records[i].offset
    const int8_t *rows;                   // slot order
    const struct vs_row_fact *facts;      // slot order
};

static inline const uint8_t *vs_lists_codes(const struct vs_lists *lists, uint32_t list)
{
    return lists->sections + lists->records[list].offset;
}

static inline const uint32_t *vs_lists_slots(const struct vs_lists *lists, uint32_t list)
{
    const struct vs_list_record *record = &lists->records[list];
    size_t code_bytes = (size_t)vs_list_blocks(record->entry_count) * 16 * lists->codebook->m;
    return (const uint32_t *)(const void *)(lists->sections + record->offset + code_bytes);
}

// Allowed rows in list order (vs_index_mask holds one).
struct vs_lane_mask {
    uint64_t allowed_count;       // allowed slots
    const uint32_t *lanes;        // a word per block, bit v: entry v is allowed
    const uint32_t *list_allowed; // allowed entries per list
    const uint32_t *slots;        // the allowed slots when there are few, else NULL
};

struct vs_lists_query {
    const float *vector; // prepared: unit length for cosine
    size_t keep;         // candidates wanted after re-ranking
    size_t k;            // no fewer than this while there are allowed rows
    uint32_t nprobe, rerank;
    const struct vs_lane_mask *mask; // NULL: all
    const struct vs_op *op;
};

// Memory that grows and is carved anew for each use.
struct vs_scratch_block {
    uint8_t *memory;
    size_t capacity, used;
};

struct vs_index_scratch {
    const struct vs_env *env;
    struct vs_scratch_block lists, final;
    float *query; // [query_capacity], the prepared vector
    size_t query_capacity;
    // Result of vs_lists_search, in `lists`: best first, scores from int8 rows (l2: minus the
    // squared distance), approximate.
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
                               const struct vs_lists *lists,
                               const struct vs_lists_query *query,
                               struct vs_index_scratch *scratch,
                               struct vs_index_stats *stats,
                               struct vs_error *err);

// ---- pieces, also used by the builder's measurement ----

// pq.c
float *vs_pq_columns_make(
    const struct vs_env *env,
    const struct vs_codebook *codebook); // NULL: no memory; free with vs_free_aligned
// One u8 table for the whole query out of projected values: y = P q for cosine and ip, P q + b for
// l2. values has room for 16 * m floats, table_out for 16 * m bytes.
void vs_pq_table(const struct vs_codebook *codebook,
                 const float *pq_columns,
                 const float *y,
                 float *values,
                 uint8_t *table_out);
// Packs up to 32 vectors' codes (m / 2 bytes each, sub-quantiser 2i in the low nibble of byte i)
// into a block of 16 * m bytes.
void vs_pq_pack_block(const uint8_t *const *codes, size_t count, size_t m, uint8_t *out);
// The table sum of one entry of a list.
uint32_t vs_pq_entry_sum(const uint8_t *codes, size_t entry, size_t m, const uint8_t *table);

// coarse.c
struct vs_coarse {
    const struct vs_kernels *kernels;
    int8_t *y8;           // [proj_dim]
    int32_t *dots;        // [max(list_count, super_count)]
    uint32_t *keys, *ids; // [list_count]
    uint32_t *spare_keys, *spare_ids;
};

size_t vs_coarse_bytes(const struct vs_codebook *codebook);
void vs_coarse_init(struct vs_coarse *coarse,
                    const struct vs_codebook *codebook,
                    struct vs_scratch_block *block);
// The projected query as the codebook's metric wants it for ranking lists and for the table:
// y[proj_dim].
void vs_coarse_project(const struct vs_codebook *codebook,
                       const float *vector,
                       float *y,
                       float *y_lists);
// Leaves the `want` best lists (or more than one would look at: all when everything is true), best
// first, in ids; returns how many.
size_t vs_coarse_rank(struct vs_coarse *coarse,
                      const struct vs_codebook *codebook,
                      const float *y_lists,
                      size_t want,
                      bool everything);

#endif
