// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests and manifest lists: Avro files whose record names, field ids and header keys follow
 * Java's (iceberg.md 1.4-1.7).
 *
 * Ownership: decoded entries live in the caller's arena. Threads: pure functions.
 */
#ifndef VS_ICEBERG_MANIFEST_H
#define VS_ICEBERG_MANIFEST_H

#include "vecstore/format/column.h"
#include "vecstore/format/parquet_write.h"
#include "vecstore/iceberg/table_metadata.h"

enum vs_file_content {
    VS_CONTENT_DATA = 0,
    VS_CONTENT_POSITION_DELETES = 1,
    VS_CONTENT_EQUALITY_DELETES = 2
};

enum vs_entry_status { VS_ENTRY_EXISTING = 0, VS_ENTRY_ADDED = 1, VS_ENTRY_DELETED = 2 };

struct vs_int_long {
    int32_t key;
    int64_t value;
};

struct vs_int_bytes {
    int32_t key;
    struct vs_str value;
};

struct vs_data_file {
    enum vs_file_content content;
    struct vs_str path;   // URI, unchanged from the table
    struct vs_str format; // "PARQUET"
    int64_t record_count, file_size;
    size_t column_size_count, value_count_count, null_count_count, nan_count_count, lower_count,
        upper_count, split_count, equality_count;
    struct vs_int_long *column_sizes, *value_counts, *null_counts, *nan_counts;
    struct vs_int_bytes *lower_bounds, *upper_bounds;
    int64_t *split_offsets;
    int32_t *equality_ids;
    int32_t sort_order_id;                // -1: null
    struct vs_str referenced_data_file;   // ptr == NULL: null
    int64_t content_offset, content_size; // -1: null (deletion vectors)
    int32_t spec_id;
    int64_t first_row_id;       // v3; -1: null
    bool has_partition;         // partition record has fields
    size_t partition_count;     // values in the order of the spec's fields, typed by its transforms
    struct vs_value *partition; // (is_null where null)
    struct vs_str partition_key; // canonical bytes of the partition tuple, to compare partitions;
                                 // empty when unpartitioned
    // From the manifest entry, inheritance resolved:
    enum vs_entry_status status;
    int64_t snapshot_id, sequence_number, file_sequence_number;
};

struct vs_partition_summary {
    bool contains_null;
    int contains_nan;                       // -1: not known
    struct vs_str lower_bound, upper_bound; // single-value bytes (iceberg.md 1.7); ptr NULL: none
};

struct vs_manifest_file { // one entry of a manifest list
    struct vs_str path;
    int64_t length;
    int32_t spec_id;
    int content; // 0 data, 1 deletes
    int64_t sequence_number, min_sequence_number, added_snapshot_id;
    int64_t added_files, existing_files, deleted_files, added_rows, existing_rows,
        deleted_rows;       // -1: null
    int64_t first_row_id;   // v3; -1: null
    size_t partition_count; // summaries in the order of the spec's fields; 0: null
    struct vs_partition_summary *partitions;
};

// Facts of a Parquet file just written -> an ADDED data file; copies into arena.
enum vs_status vs_data_file_from_parquet(struct vs_arena *arena,
                                         enum vs_file_content content,
                                         struct vs_str uri,
                                         const struct vs_parquet_info *info,
                                         struct vs_data_file *file_out,
                                         struct vs_error *err);

enum vs_status vs_manifest_list_read(const struct vs_env *env,
                                     struct vs_str bytes,
                                     const char *what,
                                     struct vs_arena *arena,
                                     struct vs_manifest_file **entries_out,
                                     size_t *count_out,
                                     struct vs_error *err);

struct vs_manifest_read {
    const struct vs_env *env;
    struct vs_str bytes;
    const char *what;                        // names the file in errors
    const struct vs_manifest_file *manifest; // spec_id < 0: as the manifest's header says
    const struct vs_table_metadata
        *metadata;  // gives partition values their types; NULL: as in Avro
    bool live_only; // no DELETED entries
    // Planning: no column sizes and split offsets, counts and bounds of these columns only.
    bool few_statistics;
    const int32_t *statistics_ids;
    size_t statistics_id_count;
};
// Live and deleted entries; sequence numbers and first row ids inherited from the manifest list.
enum vs_status vs_manifest_read(const struct vs_manifest_read *read,
                                struct vs_arena *arena,
                                struct vs_data_file **entries_out,
                                size_t *count_out,
                                struct vs_error *err);

struct vs_manifest_write {
    const struct vs_table_metadata *metadata; // format version 1 is written as 2
    int64_t snapshot_id;
    int32_t spec_id; // of all files
    bool is_deletes;
    const struct vs_data_file *files; // all with status ADDED (sequence numbers written as null),
                                      // or explicit for EXISTING and DELETED
    size_t file_count;
    int64_t data_sequence_number; // of the ADDED files (rewrites); 0: inherited
};
enum vs_status vs_manifest_write_bytes(const struct vs_env *env,
                                       const struct vs_manifest_write *spec,
                                       struct vs_buf *out,
                                       struct vs_error *err);
// The partition summaries of a manifest with these files: fills manifest->partitions, in
// arena.
enum vs_status vs_manifest_summarize(const struct vs_manifest_write *spec,
                                     struct vs_arena *arena,
                                     struct vs_manifest_file *manifest,
                                     struct vs_error *err);

struct vs_manifest_list_write {
    const struct vs_manifest_file *entries;
    size_t count;
    int64_t snapshot_id, parent_id, sequence_number;
    int format_version;   // 3 writes first_row_id; others: 2
    int64_t first_row_id; // v3: of the snapshot, for the header
};
enum vs_status vs_manifest_list_write_bytes(const struct vs_env *env,
                                            const struct vs_manifest_list_write *list,
                                            struct vs_buf *out,
                                            struct vs_error *err);
// v3, "First Row ID Assignment": data manifests without a first row id get one each, counted from
// first_row_id; added_rows_out is how many ids were assigned.
enum vs_status vs_manifest_list_assign_rows(struct vs_manifest_file *entries,
                                            size_t count,
                                            int64_t first_row_id,
                                            int64_t *added_rows_out,
                                            struct vs_error *err);

#endif
