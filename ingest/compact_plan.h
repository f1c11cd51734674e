// SPDX-License-Identifier: Apache-2.0
/*
 * Which data files compaction rewrites together: small ones of a partition, those with many deleted
 * rows, and those of former partition specs.
 *
 * Files that the index covers are never grouped with others (docs/adr/0019-index-remap.md).
 * Ownership: groups live in the arena. Threads: pure functions.
 */
#ifndef VS_INGEST_COMPACT_PLAN_H
#define VS_INGEST_COMPACT_PLAN_H

#include "index/index_remap.h"
#include "vecstore/iceberg/scan.h"

struct vs_compact_rules {
    uint64_t target_bytes, min_bytes;
    uint32_t min_files;
};

struct vs_compact_group {
    size_t file_count;
    size_t *files; // of the plan, ascending
    uint64_t bytes, rows;
    bool is_covered; // by the index
};

struct vs_compact_choice {
    const struct vs_table_metadata *metadata;
    const struct vs_scan_plan *plan;
    const struct vs_scan_plan *among; // only files of this one too; NULL: all
    const struct vs_index_map *map;   // NULL: no index
    struct vs_compact_rules rules;
};

enum vs_status vs_compact_plan_make(const struct vs_compact_choice *choice,
                                    struct vs_arena *arena,
                                    struct vs_compact_group **groups_out,
                                    size_t *count_out,
                                    struct vs_error *err);

#endif
