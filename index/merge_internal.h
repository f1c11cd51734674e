// SPDX-License-Identifier: Apache-2.0
/*
 * State of one merge, shared by index_merge.c, merge_facts.c, merge_lists.c and merge_values.c,
 * nobody else. Ownership: the merge owns everything until vs_index_merge returns.
 */
#ifndef VS_INDEX_MERGE_INTERNAL_H
#define VS_INDEX_MERGE_INTERNAL_H

#include "index/blob_stream.h"
#include "index/index_internal.h"
#include "index/index_merge.h"
#include "index/index_write.h"
#include "index/list_summary.h"

// Rows that stay, with their place in the new segment.
struct vs_merge_run {
    uint32_t first_row, count, new_row;
};

struct vs_merge_piece {
    struct vs_file *file;
    const struct vs_index *index;
    size_t segment;
    size_t run_count;
    struct vs_merge_run *runs; // ascending
    bool keeps_all;
};

// Lists of one column of a joined segment, from writing them to writing their directory.
struct vs_merged_lists {
    uint32_t entry_count, slot_count;
    bool repeated;
    struct vs_list_record *records; // [list_count]; NULL: flat
    struct vs_row_fact *facts;      // [slot_count], for the summary; NULL: none is made
};

struct vs_merge_target {
    bool is_copy;
    size_t piece_count;
    struct vs_merge_piece *pieces;
    struct vs_index_segment info;
    struct vs_merged_lists *lists; // [column_count]
    bool has_summary;              // some part has one
    struct vs_column *attrs;       // [field_count of the base], kept for the summary
};

struct vs_merge_job {
    const struct vs_env *env;
    const struct vs_merge *merge;
    const struct vs_descriptor *base;
    const struct vs_index_column *columns; // of the new descriptor
    struct vs_arena arena;
    struct vs_index_writer writer;
    size_t target_count;
    struct vs_merge_target *targets;
    struct vs_segment_parts *parts; // [target_count], for the descriptor
    uint8_t *chunk;                 // [VS_MERGE_CHUNK]
    uint64_t copied_bytes;
};

#define VS_MERGE_CHUNK (1u << 20)

static inline const struct vs_descriptor *vs_merge_descriptor(const struct vs_merge_piece *piece)
{
    return &piece->index->descriptor;
}

static inline const char *vs_merge_name(const struct vs_merge_piece *piece)
{
    return piece->file->name;
}

// The new number of a row; false: it is dropped.
static inline bool vs_merge_row(const struct vs_merge_piece *piece,
                                uint32_t row,
                                uint32_t *new_row_out)
{
    size_t low = 0, high = piece->run_count; // the first run that starts behind the row
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (piece->runs[middle].first_row > row) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low == 0 || row - piece->runs[low - 1].first_row >= piece->runs[low - 1].count) {
        return false;
    }
    *new_row_out = piece->runs[low - 1].new_row + (row - piece->runs[low - 1].first_row);
    return true;
}

// merge_values.c
// The blob of a segment of a source, VS_CORRUPT when there is none.
enum vs_status vs_merge_blob(const struct vs_merge_piece *piece,
                             const char *type,
                             int32_t field_id,
                             const struct vs_blob_entry **blob_out,
                             struct vs_error *err);
// Its section header.
enum vs_status vs_merge_header(const struct vs_merge_piece *piece,
                               const struct vs_blob_entry *blob,
                               enum vs_section section,
                               struct vs_section_header *header_out,
                               struct vs_error *err);

// merge_facts.c: moved files whose rows are all kept, with their new places; figures of joined
// segments.
enum vs_status vs_merge_map_moved(struct vs_merge_job *job,
                                  struct vs_index_info *info,
                                  struct vs_error *err);
enum vs_status vs_merge_put_moved(struct vs_merge_job *job,
                                  const struct vs_index_info *info,
                                  struct vs_error *err);
enum vs_status vs_merge_join_drift(struct vs_merge_job *job, size_t target, struct vs_error *err);

// merge_lists.c
enum vs_status vs_merge_put_lists(struct vs_merge_job *job,
                                  size_t target,
                                  size_t column,
                                  struct vs_error *err);
// What a filter knows of the lists; nothing when no part had it.
enum vs_status vs_merge_put_summary(struct vs_merge_job *job,
                                    size_t target,
                                    size_t column,
                                    struct vs_error *err);
enum vs_status vs_merge_put_hot(struct vs_merge_job *job,
                                size_t target,
                                size_t column,
                                struct vs_error *err);

// merge_values.c
enum vs_status vs_merge_put_vectors(struct vs_merge_job *job,
                                    size_t target,
                                    size_t column,
                                    struct vs_error *err);
enum vs_status vs_merge_put_values(struct vs_merge_job *job, size_t target, struct vs_error *err);
void vs_merge_target_clear(struct vs_merge_job *job, size_t target);

#endif
