// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by scan.c (manifests to entries), scan_prune.c (what a predicate leaves) and
 * scan_deletes.c (which delete files apply to which data file) only.
 */
#ifndef VS_ICEBERG_SCAN_INTERNAL_H
#define VS_ICEBERG_SCAN_INTERNAL_H

#include "vecstore/iceberg/delete_schema.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/scan.h"

struct vs_entry_list {
    struct vs_data_file *items; // of the environment, not of an arena: it grows
    size_t count, capacity;
};

// ---- scan_prune.c ----
// False when no row of the manifest's files can match, by its partition summaries.
bool vs_prune_manifest(const struct vs_table_metadata *metadata,
                       const struct vs_predicate *predicate,
                       const struct vs_manifest_file *manifest,
                       struct vs_arena *scratch);

// Of one manifest: what its entries have in common.
struct vs_pruner {
    const struct vs_schema *schema; // current
    const struct vs_predicate *predicate;
    const struct vs_partition_spec *spec; // NULL: not known
    struct vs_value_range *ranges;        // one per field of the spec
};
enum vs_status vs_pruner_init(struct vs_pruner *pruner,
                              const struct vs_table_metadata *metadata,
                              const struct vs_predicate *predicate,
                              int32_t spec_id,
                              struct vs_arena *scratch,
                              struct vs_error *err);
// By partition values and, for data files, by column bounds.
bool vs_prune_entry(const struct vs_pruner *pruner, const struct vs_data_file *entry);

// ---- scan_deletes.c ----
// Fills deletes of the plan's files, which are sorted by sequence number and path; `by_path` are
// the same files by path. The entries have to live as long as the plan.
enum vs_status vs_match_deletes(struct vs_scan_plan *plan,
                                const struct vs_table_metadata *metadata,
                                const struct vs_plan_index *by_path,
                                const struct vs_data_file *deletes,
                                size_t delete_count,
                                struct vs_error *err);

#endif
