// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by table_metadata.c (the document), metadata_specs.c (specs, orders) and
 * metadata_parts.c (snapshots, logs, refs, statistics) only.
 */
#ifndef VS_ICEBERG_METADATA_PARSER_H
#define VS_ICEBERG_METADATA_PARSER_H

#include "vecstore/iceberg/iceberg_internal.h"

struct metadata_parser {
    const struct vs_env *env;
    const char *what;
    const struct vs_json *root;
    struct vs_table_metadata *m;
};

enum vs_status vs_metadata_no_memory(const struct metadata_parser *p, struct vs_error *err);
// Into the arena of the metadata.
enum vs_status vs_metadata_copy_str(const struct metadata_parser *p,
                                    struct vs_str text,
                                    struct vs_str *out,
                                    struct vs_error *err);
// The value as JSON text.
enum vs_status vs_metadata_raw(const struct metadata_parser *p,
                               const struct vs_json *value,
                               struct vs_str *out,
                               struct vs_error *err);
// Neither absent nor null.
bool vs_metadata_is_present(const struct vs_json *value);
// A member that may be missing or null (NULL then), else has to be an array.
enum vs_status vs_metadata_array(const struct metadata_parser *p,
                                 const struct vs_json *object,
                                 const char *key,
                                 const struct vs_json **out,
                                 struct vs_error *err);
// Zeroed items, one per element of json; stores the pointer at out.
enum vs_status vs_metadata_new_array(const struct metadata_parser *p,
                                     const struct vs_json *json,
                                     size_t size,
                                     void *out,
                                     struct vs_error *err);
// Members whose keys are not in `known`, as the inner text of an object.
enum vs_status vs_metadata_extra(const struct metadata_parser *p,
                                 const struct vs_json *object,
                                 const char *const *known,
                                 size_t known_count,
                                 struct vs_str *out,
                                 struct vs_error *err);
// An object of strings.
enum vs_status vs_metadata_pairs(const struct metadata_parser *p,
                                 const struct vs_json *object,
                                 const char *key,
                                 struct vs_pair **pairs,
                                 size_t *count,
                                 struct vs_error *err);
// Leaves *out alone when the member is missing or null.
enum vs_status vs_metadata_i64(const struct metadata_parser *p,
                               const struct vs_json *object,
                               const char *key,
                               int64_t *out,
                               struct vs_error *err);

// A member that has to be there.
enum vs_status vs_metadata_i32(const struct metadata_parser *p,
                               const struct vs_json *object,
                               const char *key,
                               int32_t *out,
                               struct vs_error *err);

// ---- parts of the document ----
enum vs_status vs_metadata_specs(const struct metadata_parser *p, struct vs_error *err);
enum vs_status vs_metadata_orders(const struct metadata_parser *p, struct vs_error *err);
enum vs_status vs_metadata_snapshots(const struct metadata_parser *p, struct vs_error *err);
enum vs_status vs_metadata_log(const struct metadata_parser *p,
                               const char *key,
                               struct vs_log_entry **entries,
                               size_t *count,
                               struct vs_error *err);
enum vs_status vs_metadata_refs(const struct metadata_parser *p, struct vs_error *err);
enum vs_status vs_metadata_statistics(const struct metadata_parser *p, struct vs_error *err);
enum vs_status vs_metadata_check_current(const struct metadata_parser *p, struct vs_error *err);

#endif
