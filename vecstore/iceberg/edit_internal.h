// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by the edit_*.c files (metadata_edit.h) and commit.c only.
 */
#ifndef VS_ICEBERG_EDIT_INTERNAL_H
#define VS_ICEBERG_EDIT_INTERNAL_H

#include "vecstore/iceberg/metadata_edit.h"
#include "vecstore/iceberg/metadata_text.h"

enum vs_status vs_edit_no_memory(struct vs_error *err);
enum vs_status vs_edit_copy(struct vs_metadata_edit *edit,
                            struct vs_str text,
                            struct vs_str *out,
                            struct vs_error *err);
// A copy of `count` items with room for `extra` more, zeroed; stores the pointer at out.
enum vs_status vs_edit_grow(struct vs_metadata_edit *edit,
                            const void *items,
                            size_t count,
                            size_t extra,
                            size_t size,
                            void *out,
                            struct vs_error *err);

// ---- edit_properties.c ----
// Without the checks of the public function.
enum vs_status vs_edit_put_property(struct vs_metadata_edit *edit,
                                    struct vs_str key,
                                    struct vs_str value,
                                    struct vs_error *err);
enum vs_status vs_edit_take_property(struct vs_metadata_edit *edit,
                                     struct vs_str key,
                                     struct vs_error *err);

// ---- edit_columns.c: what names a column outside the schema ----
// The contract and the per-column settings of `name` become those of `new_name`; new_name empty:
// they go.
enum vs_status vs_edit_follow_properties(struct vs_metadata_edit *edit,
                                         struct vs_str name,
                                         struct vs_str new_name,
                                         struct vs_error *err);
// The name mapping (where the table has one) gets `name` as a further name of the field, and no
// other field keeps it. A field that it does not list is added, with its list element.
enum vs_status vs_edit_follow_mapping(struct vs_metadata_edit *edit,
                                      const struct vs_field *field,
                                      struct vs_str name,
                                      struct vs_error *err);

// ---- edit_refs.c ----
// Moves branch or tag `name` (makes it if need be); its other settings stay. main also moves the
// current snapshot and the snapshot log.
enum vs_status vs_edit_move_ref(struct vs_metadata_edit *edit,
                                struct vs_str name,
                                bool is_branch,
                                int64_t snapshot_id,
                                const struct vs_ref_retention *retention,
                                struct vs_error *err);
// A ref's retention settings; 0 where not set.
enum vs_status vs_ref_retention_read(const struct vs_env *env,
                                     const struct vs_ref *ref,
                                     struct vs_ref_retention *retention_out,
                                     struct vs_error *err);

#endif
