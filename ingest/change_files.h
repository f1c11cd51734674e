// SPDX-License-Identifier: Apache-2.0
/*
 * From rows to delete to what a commit removes: data files of which no row is left leave as files,
 * with the deletes that speak of them alone; the rows of the others get delete files.
 */
#ifndef VS_INGEST_CHANGE_FILES_H
#define VS_INGEST_CHANGE_FILES_H

#include "vecstore/iceberg/commit.h"

struct vs_change_files {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *base;
    const struct vs_scan_plan *plan; // of the snapshot; outlives the intent
    struct vs_arena *arena;
    // what leaves as files
    size_t data_count, delete_count;
    struct vs_data_file *data, *deletes;
    uint64_t row_count; // live rows of everything (vs_change_files_all)
};

// Ascending by file and position, without duplicates; returns how many are left.
size_t vs_change_rows_sort(struct vs_position_delete *rows, size_t count);
// Whether sorted rows hold this one.
bool vs_change_rows_has(const struct vs_position_delete *rows,
                        size_t count,
                        const struct vs_position_delete *row);

// Takes the files whose every live row is among the sorted rows; *count_io is what is left for
// delete files.
enum vs_status vs_change_files_take(struct vs_change_files *files,
                                    struct vs_position_delete *rows,
                                    size_t *count_io,
                                    struct vs_error *err);
// Takes every file of the plan.
enum vs_status vs_change_files_all(struct vs_change_files *files, struct vs_error *err);

#endif
