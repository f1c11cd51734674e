// SPDX-License-Identifier: Apache-2.0
/*
 * What an opened index is made of; shared by index_read.c, index_search.c, index_rows.c,
 * index_mask.c and index_verify.c, nobody else.
 *
 * Ownership: the index owns all memory here; lists and codebooks borrow from it. Threads: immutable
 * after open, except the parts behind `lock`.
 */
#ifndef VS_INDEX_INDEX_INTERNAL_H
#define VS_INDEX_INDEX_INTERNAL_H

#include "index/attrs.h"
#include "index/descriptor.h"
#include "index/index_ahead.h"
#include "index/index_format.h"
#include "index/list_summary.h"
#include "index/lists.h"
#include "index/loader_internal.h"
#include "vecstore/format/puffin.h"

#include <pthread.h>

// One column of one segment.
struct vs_index_part {
    bool has_lists;
    bool has_vectors; // f32 or binary16
    bool half;        // the vectors are binary16
    struct vs_lists lists;
    struct vs_list_record *records;
    struct vs_list_layout layout;
    uint8_t *rows; // aligned
    struct vs_row_fact *facts;
    uint64_t vectors_offset;  // of row 0 in the file
    float *vectors;           // aligned; NULL: read on demand
    float *inverse_norms;     // cosine with resident vectors
    uint32_t *row_crcs;       // [row_count]; all that vs_index_part_tables sets after opening, and
    atomic_bool tables_there; // this says that it is there
    uint64_t *presence;       // [(row_count + 63) / 64]
    struct vs_list_loader *loader;   // NULL: all is in memory
    struct vs_list_summary *summary; // behind the index's lock; NULL: none
    bool summary_read;
};

struct vs_index_open_segment {
    struct vs_index_part *parts; // [column_count]
    // behind the index's lock, made when first needed (ids: unless the index is lazy, at once):
    uint8_t *ids_bytes;
    struct vs_ids *ids; // NULL: no identifier
    struct vs_payload_reader *payload;
    struct vs_column *attrs; // [field_count]
    bool *attr_loaded;
};

struct vs_index {
    const struct vs_env *env;
    struct vs_file *file;   // while it is opened lazily: a view of `source`
    struct vs_file *source; // what the caller gave
    struct vs_arena arena;
    struct vs_descriptor descriptor;
    struct vs_codebook *codebooks; // [column_count]; zeroed where there are no lists
    struct vs_index_open_segment *segments;
    size_t opened_segments; // segments whose arrays exist (for closing half-open indexes)
    uint64_t memory_bytes;
    bool skipped_lists;
    struct vs_index_open_options options;
    pthread_mutex_t lock;
    bool lock_ready;
};

// Rows allowed in one segment column.
struct vs_index_mask {
    const struct vs_env *env;
    const struct vs_index *index;
    size_t segment, column;
    struct vs_lane_mask lanes; // list order; arrays below
    uint32_t *lane_words, *list_allowed, *slots;
    uint64_t *rows; // row order, rows without a vector are cleared
    uint64_t allowed_count;
    size_t memory_bytes;
};

// index_read.c; the lock is held where others may read
enum vs_status vs_index_load_ids(const struct vs_index *index,
                                 size_t segment,
                                 struct vs_error *err);

// index_read_part.c
enum vs_status vs_index_part_open(struct vs_index *index,
                                  size_t segment,
                                  size_t column,
                                  size_t thread_count,
                                  struct vs_error *err);
// What opening this part lazily will read, besides hot and codebook.
void vs_index_part_ahead(const struct vs_index *index,
                         size_t segment,
                         size_t column,
                         struct vs_ahead_part *part_out);
// CRCs of the vectors, which an index opened lazily reads when first asked (and checks their
// presence bits against the lists).
enum vs_status vs_index_part_tables(const struct vs_index *index,
                                    size_t segment,
                                    size_t column,
                                    struct vs_error *err);
void vs_index_part_clear(const struct vs_env *env, struct vs_index_part *part);

// Reads a whole blob and checks its CRC; free with vs_free.
enum vs_status vs_index_blob_read(const struct vs_env *env,
                                  struct vs_file *file,
                                  const struct vs_blob_entry *blob,
                                  uint8_t **bytes_out,
                                  struct vs_error *err);
// Footer and descriptor, and that they agree with each other.
enum vs_status vs_index_describe(const struct vs_env *env,
                                 struct vs_file *file,
                                 struct vs_arena *arena,
                                 struct vs_puffin *puffin_out,
                                 struct vs_descriptor *descriptor_out,
                                 struct vs_error *err);

// Rows in ascending order into out[count][dim], checked by their CRCs and widened where they are
// binary16; neighbours are read together.
enum vs_status vs_index_read_vectors(const struct vs_index *index,
                                     size_t segment,
                                     size_t column,
                                     const uint32_t *rows,
                                     size_t count,
                                     float *out,
                                     struct vs_error *err);
// index_exact.c: the best k of one segment by all its float vectors; the prepared query is in the
// scratch.
enum vs_status vs_index_search_exact(const struct vs_index *index,
                                     const struct vs_index_query *query,
                                     struct vs_index_scratch *scratch,
                                     struct vs_index_hit *hits_out,
                                     size_t *hit_count_out,
                                     struct vs_index_stats *stats,
                                     struct vs_error *err);
float vs_inverse_norm(const float *vector, size_t dim); // 0 for a zero vector
enum vs_status vs_index_check_target(const struct vs_index *index,
                                     size_t segment,
                                     size_t column,
                                     struct vs_error *err);

static inline bool vs_bit_get(const uint64_t *bits, size_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static inline void vs_bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}

#endif
