// SPDX-License-Identifier: Apache-2.0
/*
 * Shared inside vecstore/iceberg only: schema JSON, paths of a table, reading small objects, raw
 * JSON fragments.
 */
#ifndef VS_ICEBERG_ICEBERG_INTERNAL_H
#define VS_ICEBERG_ICEBERG_INTERNAL_H

#include "vecstore/format/avro_file.h"
#include "vecstore/iceberg/manifest.h"
#include "vecstore/iceberg/table_paths.h"
#include "vecstore/object/store.h"

#define VS_METADATA_MAX_BYTES ((size_t)1 << 30) // metadata, manifest list or manifest
#define VS_JSON_MAX_DEPTH 64                    // nested schemas

#define VS_DELETE_PATH_ID 2147483546 // reserved field ids of position delete files
#define VS_DELETE_POS_ID 2147483545

// ---- schema_json.c ----
enum vs_status vs_iceberg_schema_parse(const struct vs_json *json,
                                       const char *what,
                                       struct vs_arena *arena,
                                       struct vs_schema *schema_out,
                                       struct vs_error *err);
// False: a type that is carried, not read. Fills precision, scale and fixed_length of the field.
bool vs_iceberg_primitive_parse(struct vs_str text, enum vs_kind *kind, struct vs_field *field);
void vs_iceberg_schema_write(struct vs_json_writer *w, const struct vs_schema *schema);
// Highest field id of the schema, nested ones included.
int32_t vs_iceberg_schema_last_id(const struct vs_schema *schema);
// Gives ids breadth-first (top level first, then list elements) and renames the identifier ids with
// them.
enum vs_status vs_iceberg_schema_assign_ids(struct vs_schema *schema, struct vs_error *err);

// ---- table_paths.c ----
// Key of a path written in the table's metadata: it must lie inside the table's location
// (VS_DENIED), moved tables are followed.
enum vs_status vs_table_path_key(const struct vs_table_metadata *metadata,
                                 const struct vs_store *store,
                                 struct vs_str uri,
                                 struct vs_buf *key_out,
                                 struct vs_error *err);
// "<location>/<folder>/<name>" in the arena.
struct vs_str vs_table_uri(const struct vs_table_metadata *metadata,
                           struct vs_arena *arena,
                           const char *folder,
                           const char *name);
// Two spellings of one location: scheme case, file:/ and file:///, s3a and s3n, trailing slashes.
bool vs_location_equal(struct vs_str a, struct vs_str b);

// ---- table_metadata_write.c ----
// UNSUPPORTED with the way out for a table of a version that is only read.
enum vs_status vs_table_check_writable(const struct vs_table_metadata *metadata,
                                       struct vs_error *err);

// ---- metadata_new.c ----
// INVALID when a column has a type or a default that the format version does not have.
enum vs_status vs_table_check_types(const struct vs_schema *schema,
                                    int format_version,
                                    struct vs_error *err);

// ---- table_metadata.c ----
enum vs_status vs_json_raw(const struct vs_json *value,
                           const struct vs_env *env,
                           struct vs_arena *arena,
                           struct vs_str *out,
                           struct vs_error *err);

// The end of a metadata document as we store it: `,"vecstore-crc32c":"xxxxxxxx"}`, a seal over the
// document (vecstore/base/seal.h). A document that ends like that is verified; other writers drop
// the member. Compressed documents have gzip's checksum instead.
#define VS_METADATA_SEAL "vecstore-crc32c"
#define VS_METADATA_SEAL_HEAD ",\"" VS_METADATA_SEAL "\":\""

#endif
