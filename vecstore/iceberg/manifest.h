// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests and manifest lists: Avro files whose record names, field ids and header keys follow
 * Java's (iceberg.md 1.4-1.7).
 *
 * Ownership: decoded entries live in the caller's arena. Threads: pure functions.
 */
#ifndef VS_ICEBERG_MANIFEST_H
#define VS_ICEBERG_MANIFEST_H

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
    bool has_partition;          // partition record has fields
    struct vs_str partition_key; // canonical bytes of the partition tuple, to compare partitions;
                                 // empty when unpartitioned
    // From the manifest entry, inheritance resolved:
    enum vs_entry_status status;
    int64_t snapshot_id, sequence_number, file_sequence_number;
};

struct vs_manifest_file { // one entry of a manifest list
    struct vs_str path;
    int64_t length;
    int32_t spec_id;
    int content; // 0 data, 1 deletes
    int64_t sequence_number, min_sequence_number, added_snapshot_id;
    int64_t added_files, existing_files, deleted_files, added_rows, existing_rows,
        deleted_rows;             // -1: null
    struct vs_str partitions_raw; // re-encoded as read when the entry is carried into the next
                                  // list; empty: null
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
// Live and deleted entries, sequence numbers inherited from `manifest`.
enum vs_status vs_manifest_read(const struct vs_env *env,
                                struct vs_str bytes,
                                const char *what,
                                const struct vs_manifest_file *manifest,
                                struct vs_arena *arena,
                                struct vs_data_file **entries_out,
                                size_t *count_out,
                                struct vs_error *err);

struct vs_manifest_write {
    const struct vs_table_metadata *metadata;
    int64_t snapshot_id;
    bool is_deletes;
    const struct vs_data_file *files; // all with status ADDED (sequence numbers written as null),
                                      // or explicit for EXISTING and DELETED
    size_t file_count;
};
enum vs_status vs_manifest_write_bytes(const struct vs_env *env,
                                       const struct vs_manifest_write *spec,
                                       struct vs_buf *out,
                                       struct vs_error *err);
enum vs_status vs_manifest_list_write_bytes(const struct vs_env *env,
                                            const struct vs_manifest_file *entries,
                                            size_t count,
                                            int64_t snapshot_id,
                                            int64_t parent_id,
                                            int64_t sequence_number,
                                            struct vs_buf *out,
                                            struct vs_error *err);

#endif
