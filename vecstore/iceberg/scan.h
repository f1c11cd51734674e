// SPDX-License-Identifier: Apache-2.0
/*
 * From a snapshot to the rows to read: planning, delete files, reading one data file.
 *
 * Fails closed: unknown formats or contents and encrypted files are VS_UNSUPPORTED by name, never
 * ignored. Every path is checked to lie inside the table's location. Ownership: a
 * plan owns its arena. Threads: a plan is immutable.
 */
#ifndef VS_ICEBERG_SCAN_H
#define VS_ICEBERG_SCAN_H

#include "vecstore/format/column.h"
#include "vecstore/iceberg/manifest.h"
#include "vecstore/iceberg/predicate.h"
#include "vecstore/iceberg/table_paths.h"
#include "vecstore/object/store.h"

struct vs_scan_file {
    struct vs_data_file data;
    size_t delete_count;
    const struct vs_data_file *
        *deletes; // delete files that may apply to it: position deletes, equality deletes, at most
                  // one deletion vector (scope rules already applied)
};

struct vs_scan_plan {
    struct vs_arena arena;
    int64_t snapshot_id; // VS_NO_SNAPSHOT: an empty table, no files
    size_t file_count;
    struct vs_scan_file *files;                   // in a fixed order: by sequence number, then path
    uint64_t record_count;                        // before deletes
    size_t delete_file_count;                     // live ones, whether they apply to a file or not
    struct vs_str location, moved_from, moved_to; // of the table, to open delete files
};

enum vs_status vs_scan_plan_make(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 int64_t snapshot_id,
                                 struct vs_scan_plan **plan_out,
                                 struct vs_error *err);

// The same without files in which no row can match the predicate (NULL: none), told by partition
// summaries, partition values and column bounds; delete files only of those that are left.
// Manifests are fetched in parallel by the pool's threads (NULL: one after the other).
struct vs_scan_options {
    const struct vs_predicate *predicate; // bound to the table's current schema
    bool case_insensitive;                // of names; the predicate has ids: no part in planning
    size_t thread_count;                  // 0 and 1: the caller alone
    // Statistics of the entries: bounds and counts of the predicate's and of the identifier columns
    // are kept, and of these.
    const int32_t *statistics_ids;
    size_t statistics_id_count;
};

struct vs_scan_counts { // of planning
    uint64_t manifests, manifests_skipped, files_skipped;
};
enum vs_status vs_scan_plan_make_with(const struct vs_env *env,
                                      struct vs_store *store,
                                      const struct vs_table_metadata *metadata,
                                      int64_t snapshot_id,
                                      const struct vs_scan_options *options,
                                      struct vs_scan_plan **plan_out,
                                      struct vs_scan_counts *counts_out,
                                      struct vs_error *err);
void vs_scan_plan_free(struct vs_scan_plan *plan);

// Deleted positions of each file of the plan, ascending, without duplicates.
struct vs_deleted_rows {
    const struct vs_env *env;
    size_t file_count;
    uint64_t **positions; // per file; NULL when none
    size_t *counts;
    uint64_t total;
};
// Position deletes, deletion vectors and equality deletes, which are turned into positions by
// reading the key columns of the files that they may apply to.
enum vs_status vs_deleted_rows_read(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    const struct vs_scan_plan *plan,
                                    struct vs_deleted_rows *rows_out,
                                    struct vs_error *err);
void vs_deleted_rows_clear(struct vs_deleted_rows *rows);

// One position to delete, in a data file of the table.
struct vs_position_delete {
    struct vs_str path; // URI as in the manifest
    uint64_t position;
};
// Writes position delete files below the table's data folder (sorted by path and position,
// duplicates dropped), one per data file so that field 143 (referenced_data_file) can be set. The
// entries live in arena. On failure the files already written are removed.
enum vs_status vs_position_deletes_write(struct vs_store *store,
                                         const struct vs_table_metadata *metadata,
                                         struct vs_position_delete *deletes,
                                         size_t count,
                                         struct vs_arena *arena,
                                         struct vs_data_file **files_out,
                                         size_t *file_count_out,
                                         struct vs_error *err);

// What a commit needs to delete rows, in the form that the table's format version asks for: version
// 1 and 2 position delete files, version 3 deletion vectors that take in what the files' former
// deletes say.
struct vs_deletes_request {
    const struct vs_table_metadata *metadata; // the base of the commit
    int64_t snapshot_id;                      // in which the rows live
    struct vs_position_delete *rows;          // sorted in place
    size_t row_count;
};

struct vs_deletes_written {
    size_t added_count, removed_count;
    struct vs_data_file *added, *removed; // vs_intent.added_deletes, .removed_deletes
    size_t key_count;
    const char **keys; // of the objects written
};
// Everything lives in arena. CONFLICT when a row's file is not in the snapshot. On failure nothing
// is left behind.
enum vs_status vs_deletes_write(struct vs_store *store,
                                const struct vs_deletes_request *request,
                                struct vs_arena *arena,
                                struct vs_deletes_written *written_out,
                                struct vs_error *err);
// Removes what was written, for a commit that is not tried.
void vs_deletes_discard(struct vs_store *store, const struct vs_deletes_written *written);

// Reserved field ids of row lineage (format version 3).
#define VS_ROW_ID_FIELD 2147483540       // _row_id
#define VS_ROW_SEQUENCE_FIELD 2147483539 // _last_updated_sequence_number

// Reads one data file as the table's fields, matched by field id (by schema.name-mapping.default or
// name when the file has no ids): absent optional columns are null, promotions applied. Rows
// deleted in the snapshot are NOT removed here: positions stay true.
// Fields with the reserved ids of _row_id and _last_updated_sequence_number (v3 row lineage) are
// computed when the file does not store them. metadata and data are borrowed until close.
struct vs_file_scan;
enum vs_status vs_file_scan_open(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 const struct vs_data_file *data,
                                 const struct vs_field *fields,
                                 size_t field_count,
                                 struct vs_file_scan **scan_out,
                                 struct vs_error *err);
void vs_file_scan_close(struct vs_file_scan *scan);
// Appends up to max_rows rows to batch (columns as `fields`); first_position_out is the position of
// the first appended row; 0 rows: end.
enum vs_status vs_file_scan_next(struct vs_file_scan *scan,
                                 size_t max_rows,
                                 struct vs_batch *batch,
                                 uint64_t *first_position_out,
                                 struct vs_error *err);
// From now on rows of row groups and pages in which no row can match are passed over (by
// statistics, column index and, for equality, bloom filter): next() then gives matching and other
// rows, in order, with gaps. Bind the predicate to the table's schema first. Borrowed until close.
enum vs_status vs_file_scan_filter(struct vs_file_scan *scan,
                                   const struct vs_predicate *predicate,
                                   struct vs_error *err);
enum vs_status vs_file_scan_seek(struct vs_file_scan *scan,
                                 uint64_t position,
                                 struct vs_error *err);

#endif
