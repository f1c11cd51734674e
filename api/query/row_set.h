// SPDX-License-Identifier: Apache-2.0
/*
 * Which rows may be answers: rows of the snapshot, minus deleted rows, minus what the filter
 * removes, minus rows without a vector.
 *
 * For a segment in its row order (and turned into an index mask), for a file that is scanned in
 * position order. What depends on immutable things only (a file's matches, a segment's columns, a
 * segment's set in one snapshot) is kept in the engine's cache. Private to api/query.
 */
#ifndef VS_QUERY_ROW_SET_H
#define VS_QUERY_ROW_SET_H

#include "api/query/filter.h"
#include "api/query/query_view.h"

struct vs_row_set { // of one segment
    uint64_t row_count;
    uint64_t *bits;             // rows that may be answers
    uint64_t live;              // rows of the snapshot that are not deleted
    uint64_t matched;           // of them the filter keeps
    uint64_t with_vector;       // of them with a vector: bits set
    struct vs_index_mask *mask; // NULL: every row with a vector may
};

// filter NULL: every row. index_column SIZE_MAX: vectors do not matter. ref_out->value is a struct
// vs_row_set.
enum vs_status vs_row_set_get(const struct vs_view *view,
                              const struct vs_filter *filter,
                              size_t segment,
                              size_t index_column,
                              const struct vs_op *op,
                              struct vs_cache_ref *ref_out,
                              struct vs_error *err);
// Rows of one file that are live and match, covered or not. bits: vs_bits_words(row_count) words,
// overwritten.
enum vs_status vs_file_rows(const struct vs_view *view,
                            const struct vs_filter *filter,
                            size_t file,
                            const struct vs_op *op,
                            uint64_t *bits,
                            struct vs_error *err);
// A whole column of a segment, from the index; ref_out->value is a struct vs_column.
enum vs_status vs_segment_column(const struct vs_view *view,
                                 size_t segment,
                                 const struct vs_field *field,
                                 const struct vs_op *op,
                                 struct vs_cache_ref *ref_out,
                                 struct vs_error *err);

#endif
