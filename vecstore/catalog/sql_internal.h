// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by the files of the SQL catalog (sql_tables.c, sql_drop.c). docs/adr/0015-catalog-kinds.md
 */
#ifndef VS_CATALOG_SQL_INTERNAL_H
#define VS_CATALOG_SQL_INTERNAL_H

#include "vecstore/catalog/catalog_internal.h"
#include "vecstore/catalog/sql_rows.h"

#define VS_SQL_URI_MAX 8192

struct sql_catalog {
    struct vs_catalog base;
    struct vs_sql_db *db;
    char *catalog_name;
};

struct sql_catalog *vs_sql_catalog_of(struct vs_catalog *catalog);
// The row of a table; the key borrows from place and catalog.
enum vs_status vs_sql_key_of(struct vs_catalog *catalog,
                             const char *name,
                             struct table_place *place,
                             struct vs_sql_key *key_out,
                             struct vs_error *err);
// The row's pointer, NUL-terminated.
enum vs_status vs_sql_table_find(struct vs_catalog *catalog,
                                 const char *name,
                                 struct vs_buf *location_out,
                                 struct vs_error *err);
// The state at a metadata file; NOT_FOUND when there is no such file.
enum vs_status vs_sql_table_load_at(struct vs_catalog *catalog,
                                    const char *name,
                                    const char *uri,
                                    struct vs_table **table_out,
                                    struct vs_error *err);

// Two entries of the vtable (sql_drop.c).
enum vs_status vs_sql_tables_list(struct vs_catalog *catalog,
                                  enum vs_status (*visit)(void *ctx,
                                                          const char *name,
                                                          struct vs_error *err),
                                  void *ctx,
                                  struct vs_error *err);
enum vs_status vs_sql_table_drop(struct vs_catalog *catalog,
                                 const char *name,
                                 struct vs_error *err);

#endif
