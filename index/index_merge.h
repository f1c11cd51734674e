// SPDX-License-Identifier: Apache-2.0
/*
 * A new index file out of segments of others: segments are carried over byte for byte, or several
 * are joined into one by putting their lists together (docs/internals/index-life.md).
 *
 * Nothing is trained or encoded: all segments of a column share its codebook. What is joined is
 * streamed and its checksums checked on the way; memory stays small (4 bytes a slot, one stored
 * column at a time). Of a segment that is carried over, what grows with its rows is copied unread,
 * with its checksums. Ownership: everything is borrowed. Threads: one caller.
 */
#ifndef VS_INDEX_INDEX_MERGE_H
#define VS_INDEX_INDEX_MERGE_H

#include "index/index.h"
#include "vecstore/format/puffin.h"

// Opened with skip_lists or without; file is the one that it was opened from.
struct vs_merge_source {
    struct vs_file *file;
    const struct vs_index *index;
};

// A segment of a source, or the rows of some of its data files.
struct vs_merge_part {
    size_t source, segment;
    const bool *keep_files; // [file_count of the segment]; NULL: all
};

// One segment of the new file: rows follow each other in the order of the parts.
struct vs_merge_segment {
    size_t part_count;
    const struct vs_merge_part *parts;
};

struct vs_merge {
    struct vs_uuid index_uuid; // of the new file; all zero: random
    int64_t snapshot_id, sequence_number;
    // The first is the base: columns, stored fields, recall curves, build facts and moved files
    // whose rows are all kept are its.
    size_t source_count;
    const struct vs_merge_source *sources;
    size_t segment_count;
    const struct vs_merge_segment *segments;
    // Blobs of other producers, as in struct vs_index_build_params.
    size_t foreign_count;
    const struct vs_puffin_blob *foreign_blobs;
    const struct vs_str *foreign_bytes;
    const struct vs_op *op;
};

struct vs_merge_result {
    struct vs_uuid index_uuid;
    uint64_t file_size, footer_size, row_count;
    uint64_t copied_bytes, joined_segments; // carried over as they were; put together
};

// Segments can be joined when each column is organised alike in all of them.
bool vs_merge_can_join(const struct vs_index *a,
                       size_t segment_of_a,
                       const struct vs_index *b,
                       size_t segment_of_b);

// Writes the file into `out` (finished by the caller). VS_INVALID when the sources do not fit each
// other; VS_CORRUPT names a damaged blob.
enum vs_status vs_index_merge(const struct vs_env *env,
                              const struct vs_merge *merge,
                              struct vs_writer *out,
                              struct vs_merge_result *result_out,
                              struct vs_error *err);

#endif
