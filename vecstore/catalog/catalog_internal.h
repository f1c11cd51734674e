// SPDX-License-Identifier: Apache-2.0
/*
 * Shared inside vecstore/catalog only.
 */
#ifndef VS_CATALOG_CATALOG_INTERNAL_H
#define VS_CATALOG_CATALOG_INTERNAL_H

#include "vecstore/catalog/catalog.h"
#include "vecstore/object/store.h"

#define VS_HINT_MAX_BYTES 4096
#define VS_TABLE_METADATA_MAX_BYTES ((size_t)1 << 30)

struct vs_catalog {
    const struct vs_env *env;
    struct vs_store *store;
};

// Where a name lives: keys are below "<namespace>/<table>".
struct table_place {
    struct vs_str ns, table;
    char full_name[264]; // "namespace.table"
    char folder[264];    // "namespace/table"
};

enum vs_status vs_table_place_find(const char *name,
                                   struct table_place *place_out,
                                   struct vs_error *err);

// A version of a table's metadata: file name within metadata/, and N of vN (-1 in other layouts).
struct metadata_version {
    char name[256];
    int64_t number;
};

// ---- catalog_dir.c ----
// Finds the current metadata file. `repair` rewrites a hint that is behind. NOT_FOUND when there is
// no table.
enum vs_status vs_catalog_dir_find(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   bool repair,
                                   struct metadata_version *version_out,
                                   struct vs_error *err);
// Name of version `number` when it exists in any of its spellings; *found_out tells.
enum vs_status vs_catalog_dir_probe(struct vs_catalog *catalog,
                                    const struct table_place *place,
                                    int64_t number,
                                    struct metadata_version *version_out,
                                    bool *found_out,
                                    struct vs_error *err);
// Brings the hint up to `number` or what newer versions there are; never backwards. Best effort.
void vs_catalog_dir_hint(struct vs_catalog *catalog,
                         const struct table_place *place,
                         int64_t number);
enum vs_status vs_catalog_dir_read(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   const struct metadata_version *version,
                                   struct vs_table **table_out,
                                   struct vs_error *err);
// The same with metadata at hand; takes it on success.
enum vs_status vs_table_new(struct vs_catalog *catalog,
                            const struct table_place *place,
                            const struct metadata_version *version,
                            struct vs_table_metadata *metadata,
                            struct vs_table **table_out,
                            struct vs_error *err);
// Creates version `number` if it is absent: bytes and file name follow the table's compression
// property.
enum vs_status vs_catalog_dir_put(struct vs_catalog *catalog,
                                  const struct table_place *place,
                                  int64_t number,
                                  const struct vs_table_metadata *metadata,
                                  struct metadata_version *version_out,
                                  struct vs_error *err);
// The metadata must say that it lives where it was found.
enum vs_status vs_catalog_dir_check_place(struct vs_catalog *catalog,
                                          const struct table_place *place,
                                          const struct vs_table_metadata *metadata,
                                          struct vs_error *err);

#endif
