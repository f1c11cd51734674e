// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by the files that read and write deletes: the two columns of position delete files with
 * their reserved field ids (iceberg.md 1.8), files of a plan by path, equality deletes as
 * positions. Not for other folders.
 */
#ifndef VS_ICEBERG_DELETE_SCHEMA_H
#define VS_ICEBERG_DELETE_SCHEMA_H

#include "vecstore/format/schema.h"
#include "vecstore/iceberg/scan.h"

#define VS_DELETE_FIELD_COUNT 2

// file_path string, pos long; both required.
extern const struct vs_field vs_delete_fields[VS_DELETE_FIELD_COUNT];

// ---- deletes.c ----
struct vs_plan_index { // files of a plan by path
    size_t count;
    const struct vs_scan_file **files;
};
enum vs_status vs_plan_index_make(const struct vs_scan_plan *plan,
                                  struct vs_arena *arena,
                                  struct vs_plan_index *index_out,
                                  struct vs_error *err);
const struct vs_scan_file *vs_plan_index_find(const struct vs_plan_index *index,
                                              struct vs_str path); // NULL: none

// ---- scan_deletes.c ----
// An equality delete file of an unpartitioned spec applies to all partitions. Java counts a spec
// whose transforms are all void as unpartitioned.
bool vs_delete_is_global(const struct vs_table_metadata *metadata, const struct vs_data_file *d);

// ---- equality_deletes.c ----
// Called for each deleted row, in no promised order, perhaps more than once.
typedef enum vs_status (*vs_deleted_fn)(void *ctx,
                                        size_t file,
                                        uint64_t position,
                                        struct vs_error *err);

struct vs_equality_reader {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    const struct vs_scan_plan *plan;
    size_t max_bytes; // of the values to delete by, in memory
    vs_deleted_fn deleted;
    void *ctx;
};
// Turns the equality deletes of a plan into positions.
enum vs_status vs_equality_deletes_apply(const struct vs_equality_reader *reader,
                                         struct vs_error *err);

// ---- deletes_write.c ----
// Sorts by path and position and drops duplicates; returns the number left.
size_t vs_position_deletes_sort(struct vs_position_delete *deletes, size_t count);
// End of the rows that name the same file as deletes[first].
size_t vs_position_deletes_end(const struct vs_position_delete *deletes,
                               size_t count,
                               size_t first);
// Gives a delete file the partition of the data file that it belongs to, copied into arena.
enum vs_status vs_delete_file_place(struct vs_data_file *file,
                                    const struct vs_data_file *data,
                                    struct vs_arena *arena,
                                    struct vs_error *err);
// URI and store key of a new object "<uuid>-deletes.<suffix>" in the table's data folder.
enum vs_status vs_delete_object_name(const struct vs_table_metadata *metadata,
                                     struct vs_store *store,
                                     const char *suffix,
                                     struct vs_arena *arena,
                                     struct vs_str *uri_out,
                                     const char **key_out,
                                     struct vs_error *err);
// CONFLICT: the file is not in the snapshot.
enum vs_status vs_delete_target_gone(struct vs_str path, struct vs_error *err);

#endif
