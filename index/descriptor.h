// SPDX-License-Identifier: Apache-2.0
/*
 * The descriptor blob: JSON that says what all other blobs of an index file are
 * (docs/format/index-v1.md, section 2).
 *
 * Decoded parts live in the arena given. The decoder checks every number against the format's
 * limits and that the parts agree with each other; blobs are compared with the container's footer
 * by the reader.
 */
#ifndef VS_INDEX_DESCRIPTOR_H
#define VS_INDEX_DESCRIPTOR_H

#include "index/drift.h"
#include "index/index.h"

enum vs_field_place { VS_PLACE_ATTRS = 0, VS_PLACE_PAYLOAD = 1, VS_PLACE_VECTORS = 2 };

struct vs_attr_part {
    int32_t field_id;
    uint64_t offset, length; // in the attrs blob of the segment
};

struct vs_segment_column {
    uint64_t vector_count;
    bool has_lists;
    struct vs_drift_figures drift; // count 0: not known
};

struct vs_segment_parts {
    struct vs_segment_column *columns; // [info.column_count]
    size_t attr_count;
    struct vs_attr_part *attrs;
};

struct vs_blob_entry {
    struct vs_str type;
    int32_t segment;  // -1: codebook
    int32_t field_id; // -1: attrs, payload, ids
    uint64_t offset, length;
    uint32_t crc;
};

// How a column's recall was measured.
struct vs_measure_facts {
    bool given; // queries came from the caller
    uint32_t query_count, excluded_neighbours;
    float perturbation;
};

struct vs_descriptor {
    struct vs_index_info info; // file_size and memory_bytes are left 0
    int64_t sequence_number;
    enum vs_field_place *places;         // [info.field_count]
    struct vs_measure_facts *measured;   // [info.column_count]
    struct vs_drift_baseline *baselines; // [info.column_count]; NULL: not known
    struct vs_segment_parts *segments;   // [info.segment_count]
    size_t blob_count;
    struct vs_blob_entry *blobs;
};

enum vs_status vs_descriptor_encode(const struct vs_descriptor *descriptor,
                                    struct vs_buf *out,
                                    struct vs_error *err);
enum vs_status vs_descriptor_decode(const struct vs_env *env,
                                    struct vs_str text,
                                    const char *what,
                                    struct vs_arena *arena,
                                    struct vs_descriptor *descriptor_out,
                                    struct vs_error *err);

// The runs of moved files are in a blob of their own (index_moved.h): decode leaves them NULL.

// NULL when absent.
const struct vs_blob_entry *vs_descriptor_blob(const struct vs_descriptor *descriptor,
                                               const char *type,
                                               int32_t segment,
                                               int32_t field_id);
// Index of the field or column, SIZE_MAX when there is none.
size_t vs_descriptor_field(const struct vs_descriptor *descriptor, int32_t field_id);
size_t vs_descriptor_column(const struct vs_descriptor *descriptor, int32_t field_id);

#endif
