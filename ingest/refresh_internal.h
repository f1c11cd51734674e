// SPDX-License-Identifier: Apache-2.0
/*
 * State of one refresh, shared by index_refresh.c, refresh_segment.c and refresh_layout.c, nobody
 * else. Ownership: index_refresh.c clears everything. Threads: single owner.
 */
#ifndef VS_INGEST_REFRESH_INTERNAL_H
#define VS_INGEST_REFRESH_INTERNAL_H

#include "index/index_merge.h"
#include "ingest/index_refresh.h"
#include "ingest/refresh_plan.h"

// One refresh; what is small lives in the arena.
struct vs_refresh {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    const struct vs_refresh_job *job;
    const struct vs_table *table;
    struct vs_arena arena;
    struct vs_scan_plan *plan;
    struct vs_statistics current; // entry of the version that is there
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_map *map;
    struct vs_refresh_plan todo;
    // the new segment, in a file of its own
    struct vs_store *temporary;
    char directory[4096]; // "" in memory
    struct vs_index_build_params params;
    struct vs_codebook *codebooks; // [column_count]
    struct vs_file *new_file;
    struct vs_index *new_index;
    struct vs_refresh_result result;
};

struct vs_refresh_layout {
    size_t item_count;
    struct vs_refresh_item *items;
    struct vs_merge_part *parts; // of each item
    bool *rewrites;              // rows of files that are gone are dropped
    struct vs_merge_segment *segments;
    size_t segment_count, joined;
    bool changes; // more than what is there already
};

// refresh_segment.c: builds the new segment (r->new_file, r->new_index) of the files to be read.
enum vs_status vs_refresh_build_segment(struct vs_refresh *r, struct vs_error *err);
void vs_refresh_remove_segment(struct vs_refresh *r);

// refresh_layout.c: which segments the new file has.
enum vs_status vs_refresh_lay_out(struct vs_refresh *r,
                                  struct vs_refresh_layout *layout,
                                  struct vs_error *err);

#endif
