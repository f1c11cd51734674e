// SPDX-License-Identifier: Apache-2.0
/*
 * Changes to table metadata other than a new snapshot: schemas, specs, orders, properties, refs,
 * expiry, format version. Each checks what Java and PyIceberg check, and refuses with a reason.
 *
 * An edit starts as a copy of a base; the commit makes a new document of it. The result is a plain
 * difference of documents, so that every catalog can publish it (REST: metadata_diff.h). Ownership:
 * what is set is copied into the edit's arena. Threads: single owner.
 */
#ifndef VS_ICEBERG_METADATA_EDIT_H
#define VS_ICEBERG_METADATA_EDIT_H

#include "vecstore/iceberg/table_metadata.h"

struct vs_metadata_edit {
    const struct vs_env *env;
    struct vs_arena *arena; // of everything new; lives as long as next
    const struct vs_table_metadata *base;
    struct vs_table_metadata next; // starts as a shallow copy of base
    int64_t now_ms;
};

// now_ms is raised to the base's last-updated-ms; next gets it.
void vs_metadata_edit_begin(struct vs_metadata_edit *edit,
                            const struct vs_env *env,
                            struct vs_arena *arena,
                            const struct vs_table_metadata *base,
                            int64_t now_ms);

// ---- schema ---- (each makes one new schema, or finds an equal one, and makes it current; several
// calls in one edit make one schema)
struct vs_column_add {
    struct vs_str name;         // top level
    struct vs_str type;         // "string", "list<float>", "decimal(10,2)"; vs_type_parse
    struct vs_str doc;          // may be empty
    struct vs_str after;        // column that it follows; "" at the end
    struct vs_str default_json; // initial and write default (v3 only, else INVALID); empty: none
};
enum vs_status vs_edit_add_column(struct vs_metadata_edit *edit,
                                  const struct vs_column_add *add,
                                  struct vs_error *err);
// Refused: identifier and partition source columns, sort columns, the last column. The contract of
// a vector column goes with it.
enum vs_status vs_edit_drop_column(struct vs_metadata_edit *edit,
                                   struct vs_str name,
                                   struct vs_error *err);
// Follows in contract properties and the name mapping.
enum vs_status vs_edit_rename_column(struct vs_metadata_edit *edit,
                                     struct vs_str name,
                                     struct vs_str new_name,
                                     struct vs_error *err);
// int->long, float->double, decimal(P,S)->decimal(P2>P,S).
enum vs_status vs_edit_widen_column(struct vs_metadata_edit *edit,
                                    struct vs_str name,
                                    struct vs_str type,
                                    struct vs_error *err);
// Required becomes optional (never the other way).
enum vs_status vs_edit_make_optional(struct vs_metadata_edit *edit,
                                     struct vs_str name,
                                     struct vs_error *err);
enum vs_status vs_edit_set_doc(struct vs_metadata_edit *edit,
                               struct vs_str name,
                               struct vs_str doc,
                               struct vs_error *err);
// `after` empty: first.
enum vs_status vs_edit_move_column(struct vs_metadata_edit *edit,
                                   struct vs_str name,
                                   struct vs_str after,
                                   struct vs_error *err);

// ---- partitioning and order ----
// "lang, bucket(16, id), day(created)"; "" or "none": unpartitioned. Finds an equal spec, or adds
// one; field ids of the same source and transform are reused (v2 rule).
enum vs_status vs_edit_set_spec(struct vs_metadata_edit *edit,
                                struct vs_str text,
                                struct vs_error *err);
// "lang asc nulls first, created desc"; "" or "none": unsorted.
enum vs_status vs_edit_set_sort_order(struct vs_metadata_edit *edit,
                                      struct vs_str text,
                                      struct vs_error *err);
// The same texts against a schema that is to be created (ids as in the schema given).
enum vs_status vs_partition_spec_parse(struct vs_str text,
                                       const struct vs_schema *schema,
                                       struct vs_arena *arena,
                                       struct vs_partition_spec *spec_out,
                                       struct vs_error *err);
enum vs_status vs_sort_order_parse(struct vs_str text,
                                   const struct vs_schema *schema,
                                   struct vs_arena *arena,
                                   struct vs_sort_order *order_out,
                                   struct vs_error *err);

// ---- properties, version ----
enum vs_status vs_edit_set_property(struct vs_metadata_edit *edit,
                                    struct vs_str key,
                                    struct vs_str value,
                                    struct vs_error *err);
enum vs_status vs_edit_remove_property(struct vs_metadata_edit *edit,
                                       struct vs_str key,
                                       struct vs_error *err);
// Upwards only: 1 -> 2 -> 3.
enum vs_status vs_edit_upgrade(struct vs_metadata_edit *edit,
                               int format_version,
                               struct vs_error *err);

// ---- refs ----
struct vs_ref_retention { // 0: not set
    int64_t max_ref_age_ms, max_snapshot_age_ms,
        min_snapshots_to_keep; // the last two: branches only
};
// Creates or moves; "main" cannot be a tag.
enum vs_status vs_edit_set_ref(struct vs_metadata_edit *edit,
                               struct vs_str name,
                               bool is_branch,
                               int64_t snapshot_id,
                               const struct vs_ref_retention *retention,
                               struct vs_error *err);
enum vs_status vs_edit_remove_ref(struct vs_metadata_edit *edit,
                                  struct vs_str name,
                                  struct vs_error *err);
// main becomes this snapshot, which has to be an ancestor of the current one unless `any`.
enum vs_status vs_edit_rollback(struct vs_metadata_edit *edit,
                                int64_t snapshot_id,
                                bool any,
                                struct vs_error *err);

// ---- expiry ----
struct vs_expire {
    int64_t older_than_ms;       // wall clock; snapshots made before it go
    int64_t retain_last;         // at least this many of each branch stay; 0: 1
    const int64_t *snapshot_ids; // these go in any case (never a ref's own snapshot)
    size_t snapshot_id_count;
};
// Removes snapshots (never the current one, one that a ref keeps, or lineage younger than R6
// allows), expired refs, their statistics and log entries. removed_out: ids in the edit's arena.
enum vs_status vs_edit_expire(struct vs_metadata_edit *edit,
                              const struct vs_expire *expire,
                              int64_t **removed_out,
                              size_t *removed_count_out,
                              struct vs_error *err);

#endif
