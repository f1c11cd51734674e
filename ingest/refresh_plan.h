// SPDX-License-Identifier: Apache-2.0
/*
 * What a refresh does, decided without reading a row: which data files go into a new segment and
 * which segments are put together (docs/internals/index-life.md).
 *
 * Ownership: everything lives in the arena given. Threads: pure functions.
 */
#ifndef VS_INGEST_REFRESH_PLAN_H
#define VS_INGEST_REFRESH_PLAN_H

#include "index/index_facts.h"
#include "index/index_remap.h"
#include "vecstore/iceberg/scan.h"

#define VS_REFRESH_SEGMENTS_MOST 8 // more are put together, the smallest first
#define VS_REFRESH_TIER_SEGMENTS 4 // so many of one size are put together
#define VS_REFRESH_TIER_FACTOR 4   // sizes that count as one
#define VS_REFRESH_DEAD_PERCENT 30 // of a segment's rows, in data files that are gone
// Rows from which a new segment gets lists when there is a codebook. Below, scanning its float
// vectors exactly costs a query less than a fifth of a millisecond, and lists would be mostly
// padding.
#define VS_REFRESH_LIST_ROWS 2000

struct vs_refresh_segment {
    uint64_t live_rows; // in data files of the snapshot
    bool *live_files;   // [file_count of the segment]: with such rows
    // What is left when the other files go: only whole ones can be dropped, so that rows of a file
    // that was rewritten without them stay.
    uint64_t kept_rows;
    size_t kept_files;
    uint64_t lists; // bit per column: organised in lists
    bool is_reread; // flat: its rows go into the new segment
};

struct vs_refresh_plan {
    bool has_codebook;
    size_t segment_count;
    struct vs_refresh_segment *segments;
    bool *reread_files;  // [plan->file_count]: rows of the new segment
    size_t reread_count; // data files
    uint64_t reread_rows;
    uint64_t uncovered_rows, covered_rows; // of the snapshot's data files
    size_t uncovered_files;
};

// merge_all: flat segments are put together even when nothing is new.
enum vs_status vs_refresh_plan_make(const struct vs_index *index,
                                    const struct vs_index_map *map,
                                    const struct vs_scan_plan *plan,
                                    bool merge_all,
                                    struct vs_arena *arena,
                                    struct vs_refresh_plan *plan_out,
                                    struct vs_error *err);

// Segments of the new file, before they are put together; group tells who belongs together: the
// number of the first of each group. No group has more rows or files than a segment may have.
struct vs_refresh_item {
    uint64_t rows, files;
    uint64_t lists; // bit per column
    size_t group;
};

void vs_refresh_group(struct vs_refresh_item *items, size_t count, bool merge_all);

// So many rows are not among the first that writing them anew pays.
static inline bool vs_refresh_is_dead(uint64_t rows, uint64_t row_count)
{
    return rows < row_count && (row_count - rows) * 100 > row_count * VS_REFRESH_DEAD_PERCENT;
}

#endif
