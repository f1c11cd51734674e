// SPDX-License-Identifier: Apache-2.0
/*
 * Iceberg table metadata (the JSON document): parse, check, change, format.
 *
 * Reads format versions 1, 2 and 3 (others are UNSUPPORTED by name); writes 2 and 3. What this
 * program does not interpret (partition statistics, encryption keys, types of schemas that it does
 * not know) is carried as JSON text. Spec: iceberg.md sections 1.1-1.3. Ownership: everything lives
 * in metadata->arena. Threads: immutable once parsed.
 */
#ifndef VS_ICEBERG_TABLE_METADATA_H
#define VS_ICEBERG_TABLE_METADATA_H

#include "vecstore/base/json.h"
#include "vecstore/base/settings.h"
#include "vecstore/base/uuid.h"
#include "vecstore/format/schema.h"

#define VS_NO_SNAPSHOT (-1)
#define VS_FORMAT_VERSION_MAX 3 // that is read and written

struct vs_snapshot {
    int64_t snapshot_id;
    int64_t parent_id; // VS_NO_SNAPSHOT: none
    int64_t sequence_number;
    int64_t timestamp_ms;
    struct vs_str manifest_list;      // URI
    int32_t schema_id;                // -1 when absent
    int64_t first_row_id, added_rows; // v3; -1: absent
    size_t summary_count;
    struct vs_pair *summary; // includes "operation"
    struct vs_str
        extra_json; // members that we do not interpret, as text `"key":value,...`; empty: none
};

struct vs_ref {
    struct vs_str name;
    int64_t snapshot_id;
    bool is_branch;
    struct vs_str json; // the whole object, to keep retention settings
};

struct vs_statistics {
    int64_t snapshot_id;
    struct vs_str path; // URI
    uint64_t file_size, footer_size;
    struct vs_str blob_metadata_json; // "[]" when ours
    struct vs_str key_metadata;       // empty: none
};

struct vs_log_entry {
    int64_t timestamp_ms;
    int64_t snapshot_id;         // snapshot-log
    struct vs_str metadata_file; // metadata-log
};

struct vs_partition_field {
    int32_t source_id, field_id;
    struct vs_str name, transform; // "bucket[16]"; unknown ones are carried (transform.h parses)
};

struct vs_partition_spec {
    int32_t spec_id;
    size_t field_count; // 0: unpartitioned
    struct vs_partition_field *fields;
};

struct vs_sort_field {
    int32_t source_id;
    struct vs_str transform;
    bool descending, nulls_last;
};

struct vs_sort_order {
    int32_t order_id;
    size_t field_count; // 0: unsorted
    struct vs_sort_field *fields;
};

struct vs_table_metadata {
    struct vs_arena arena;
    int format_version;
    struct vs_uuid uuid;
    struct vs_str location; // URI without trailing slash
    int64_t last_sequence_number, last_updated_ms;
    int32_t last_column_id, current_schema_id, default_spec_id, last_partition_id,
        default_sort_order_id;
    size_t schema_count;
    struct vs_schema *schemas;
    struct vs_str *schema_json;                           // per schema, as read or as written
    struct vs_str partition_specs_json, sort_orders_json; // arrays, as read or as written
    size_t spec_count, sort_order_count;
    struct vs_partition_spec *specs; // of partition_specs_json
    struct vs_sort_order *sort_orders;
    bool is_partitioned; // the default spec has fields
    int64_t next_row_id; // v3; -1: absent
    size_t property_count;
    struct vs_pair *properties;
    int64_t current_snapshot_id;
    size_t snapshot_count;
    struct vs_snapshot *snapshots;
    size_t snapshot_log_count;
    struct vs_log_entry *snapshot_log;
    size_t metadata_log_count;
    struct vs_log_entry *metadata_log;
    size_t ref_count;
    struct vs_ref *refs;
    size_t statistics_count;
    struct vs_statistics *statistics;
    struct vs_str partition_statistics_json; // array or empty
    struct vs_str
        extra_json; // other members of the document, as text `"key":value,...`; empty: none
    // Not part of the document: paths that begin with moved_from are opened at moved_to instead (a
    // table that was copied). Empty: none.
    struct vs_str moved_from, moved_to;
    // Paths below moved_from are opened even outside of the location: somebody named that prefix.
    bool opens_moved;
};

// text may be gzip-compressed (magic 1f 8b). `what` names the file in errors. Checks what Java
// checks on load (iceberg.md 1.1).
enum vs_status vs_table_metadata_parse(const struct vs_env *env,
                                       struct vs_str text,
                                       const char *what,
                                       struct vs_table_metadata **metadata_out,
                                       struct vs_error *err);
enum vs_status vs_table_metadata_format(const struct vs_table_metadata *metadata,
                                        struct vs_buf *json_out,
                                        struct vs_error *err);
// The bytes to store: the JSON, gzip-compressed when property write.metadata.compression-codec says
// so (is_gzip).
enum vs_status vs_table_metadata_encode(const struct vs_table_metadata *metadata,
                                        struct vs_buf *bytes_out,
                                        struct vs_error *err);
// The same in the form that the name of the file promises.
enum vs_status vs_table_metadata_encode_as(const struct vs_table_metadata *metadata,
                                           bool gzip,
                                           struct vs_buf *bytes_out,
                                           struct vs_error *err);
bool vs_table_metadata_is_gzip(const struct vs_table_metadata *metadata);
void vs_table_metadata_free(struct vs_table_metadata *metadata); // accepts NULL

const struct vs_schema *vs_table_current_schema(const struct vs_table_metadata *metadata);
const struct vs_schema *vs_table_schema_of(
    const struct vs_table_metadata *metadata,
    const struct vs_snapshot *snapshot); // its schema-id or the current one
const struct vs_snapshot *vs_table_snapshot(const struct vs_table_metadata *metadata,
                                            int64_t snapshot_id); // NULL when unknown
// The snapshot that was current at wall_ms (snapshot-log): NOT_FOUND tells the first one.
enum vs_status vs_table_snapshot_as_of(const struct vs_table_metadata *metadata,
                                       int64_t wall_ms,
                                       const struct vs_snapshot **snapshot_out,
                                       struct vs_error *err);
// The id as text: decimal, unsigned (ids above INT64_MAX are held as negative numbers).
#define VS_SNAPSHOT_ID_SIZE 24
void vs_snapshot_id_format(int64_t snapshot_id, char text_out[VS_SNAPSHOT_ID_SIZE]);
const struct vs_ref *vs_table_ref(const struct vs_table_metadata *metadata, struct vs_str name);
struct vs_str vs_table_property(const struct vs_table_metadata *metadata,
                                const char *key); // ptr == NULL when absent
// NULL when unknown.
const struct vs_partition_spec *vs_table_spec(const struct vs_table_metadata *metadata,
                                              int32_t spec_id);
const struct vs_statistics *vs_table_statistics(const struct vs_table_metadata *metadata,
                                                int64_t snapshot_id);

struct vs_table_create {
    struct vs_str location; // URI
    const struct vs_schema
        *schema; // ids are assigned here, breadth-first (iceberg.md 1.3); names must be unique
    const struct vs_pair *properties;
    size_t property_count;
    int format_version; // 0: 2; 3 on request
    // source_id are ids of *schema as given (before ids are assigned anew); field ids are assigned
    // here. NULL: unpartitioned, unsorted.
    const struct vs_partition_spec *spec;
    const struct vs_sort_order *sort_order;
};
// Metadata of a new, empty table.
enum vs_status vs_table_metadata_new(const struct vs_env *env,
                                     const struct vs_table_create *create,
                                     struct vs_table_metadata **metadata_out,
                                     struct vs_error *err);

#endif
