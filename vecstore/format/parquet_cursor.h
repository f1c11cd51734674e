// SPDX-License-Identifier: Apache-2.0
/*
 * One column of a scan: walks the pages of the current row group's chunk and appends rows to a
 * column.
 *
 * Levels are decoded in windows of VS_PQ_LEVELS entries, values straight into the column where the
 * layout is the same. Rows of lists end where the next entry has repetition level 0, so that a
 * cursor looks one entry ahead. Memory: the chunk's window and page, a dictionary (its page plus 16
 * bytes a value), 8 KiB of levels, scratch of VS_PQ_LEVELS values. Threads: single owner.
 */
#ifndef VS_FORMAT_PARQUET_CURSOR_H
#define VS_FORMAT_PARQUET_CURSOR_H

#include "vecstore/format/parquet_chunk.h"
#include "vecstore/format/parquet_internal.h"
#include "vecstore/format/parquet_page.h"

#define VS_PQ_LEVELS 4096
#define VS_PQ_CALL_LIMIT (1ull << 30) // bytes that one call may add to one column

struct vs_pq_cursor {
    const struct vs_parquet_reader *reader;
    struct vs_pq_leaf leaf;
    enum vs_kind kind; // of the values in memory (lists: of the element)
    size_t column;     // index of the top-level column, for messages
    struct vs_pq_chunk chunk;
    const struct vs_pq_column_chunk *meta;
    uint64_t group_rows;
    bool counts_entries; // false after a jump inside a list column: only the chunk's bytes tell its
                         // end
    uint64_t entries_left;   // of the chunk, not yet in a page
    uint64_t page_left;      // of the page, levels not yet decoded
    bool page_ends_row;      // v2 pages and chunks with an offset index: no row crosses pages
    uint64_t page_rows_left; // v2: rows that the page still owes; UINT64_MAX: not stated
    bool row_open;           // a list row was begun and not ended
    bool row_sealed;         // … and is null or empty
    struct vs_hybrid definition, repetition;
    struct vs_pq_values values;
    uint8_t def[VS_PQ_LEVELS], rep[VS_PQ_LEVELS], flags[VS_PQ_LEVELS];
    size_t level_at, level_count;
    bool all_present; // every definition level in the window is the highest
    // the dictionary of the chunk
    bool has_dictionary;
    size_t dictionary_count;
    struct vs_buf dictionary_page; // bytes that the views point into
    struct vs_buf dictionary;      // struct vs_str or values in memory form
    struct vs_buf scratch;         // physical values before conversion
    struct vs_buf index_bytes;
    bool index_tried;
    struct vs_arena index_arena;
    struct vs_pq_offset_index index; // page_count 0: none
};

void vs_pq_cursor_init(struct vs_pq_cursor *cursor,
                       const struct vs_parquet_reader *reader,
                       size_t column);
// A leaf of any depth: only open, fill_levels, append and finish may be used.
void vs_pq_cursor_init_leaf(struct vs_pq_cursor *cursor,
                            const struct vs_parquet_reader *reader,
                            const struct vs_pq_leaf *leaf,
                            enum vs_kind kind);
void vs_pq_cursor_clear(struct vs_pq_cursor *cursor);
// Goes to the first row of a row group.
enum vs_status vs_pq_cursor_open(struct vs_pq_cursor *cursor, size_t group, struct vs_error *err);
// Appends exactly `rows` rows of the group to dst; NULL passes over them.
enum vs_status vs_pq_cursor_read(struct vs_pq_cursor *cursor,
                                 uint64_t rows,
                                 struct vs_column *dst,
                                 struct vs_error *err);
// Passes from row `at` of the group to row `to` (to >= at), by the offset index or by page headers
// where possible.
enum vs_status vs_pq_cursor_skip(struct vs_pq_cursor *cursor,
                                 uint64_t at,
                                 uint64_t to,
                                 struct vs_error *err);
// After the last row of the group: CORRUPT when the chunk holds more.
enum vs_status vs_pq_cursor_finish(struct vs_pq_cursor *cursor, struct vs_error *err);

// Decodes the next levels (at most VS_PQ_LEVELS, of one page) after the window was used up; def is
// not filled when all_present.
enum vs_status vs_pq_cursor_fill_levels(struct vs_pq_cursor *cursor, struct vs_error *err);

// parquet_append.c: `slots` values of which those with flags (NULL: all) are present, from the page
// to the end of dst (NULL: nowhere).
enum vs_status vs_pq_cursor_append(struct vs_pq_cursor *cursor,
                                   size_t slots,
                                   size_t present,
                                   const uint8_t *flags,
                                   struct vs_column *dst,
                                   struct vs_error *err);
enum vs_status vs_pq_cursor_load_dictionary(struct vs_pq_cursor *cursor,
                                            const struct vs_pq_page *page,
                                            struct vs_error *err);

#endif
