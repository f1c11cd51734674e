// SPDX-License-Identifier: Apache-2.0
/*
 * The rows of a SQL catalog in an SQLite file (catalog_sql.c is the only file that includes
 * sqlite3.h). The schema is that of PyIceberg's SqlCatalog and Java's JdbcCatalog, with or without
 * the column iceberg_type (V1, V0).
 *
 * Statuses of changes: VS_OK, a definite failure (nothing changed), or VS_UNKNOWN when the commit
 * of the transaction failed in a way that leaves its outcome open; read the row to learn it.
 * Ownership: the handle owns its connection. Threads: a handle may be shared; it locks itself. Not
 * to be carried over a fork.
 */
#ifndef VS_CATALOG_SQL_ROWS_H
#define VS_CATALOG_SQL_ROWS_H

#include "vecstore/base/buf.h"

struct vs_sql_db;

struct vs_sql_key {
    struct vs_str catalog_name, ns, table;
};

// Opens the file; makes it and its tables when missing and `create`, else NOT_FOUND.
enum vs_status vs_sql_open(const struct vs_env *env,
                           const char *path,
                           bool create,
                           struct vs_sql_db **db_out,
                           struct vs_error *err);
void vs_sql_free(struct vs_sql_db *db); // accepts NULL

// metadata_location of a table (not of a view) into buf (reset first). NOT_FOUND without a row.
enum vs_status vs_sql_row_find(struct vs_sql_db *db,
                               const struct vs_sql_key *key,
                               struct vs_buf *location_out,
                               struct vs_error *err);
// Adds the row, and the namespace when it has no row. EXISTS when the name is taken.
enum vs_status vs_sql_row_add(struct vs_sql_db *db,
                              const struct vs_sql_key *key,
                              struct vs_str location,
                              struct vs_error *err);
// The compare-and-swap: *won_out is false when the row does not (any more) hold `before`.
enum vs_status vs_sql_row_swap(struct vs_sql_db *db,
                               const struct vs_sql_key *key,
                               struct vs_str before,
                               struct vs_str after,
                               bool *won_out,
                               struct vs_error *err);
enum vs_status vs_sql_row_remove(struct vs_sql_db *db,
                                 const struct vs_sql_key *key,
                                 struct vs_str before,
                                 bool *won_out,
                                 struct vs_error *err);
// All tables of a catalog_name ({NULL, 0}: of every one); namespaces of several levels are joined
// by '.'.
typedef enum vs_status (*vs_sql_visit_fn)(
    void *ctx, struct vs_str ns, struct vs_str table, struct vs_str location, struct vs_error *err);
enum vs_status vs_sql_row_each(struct vs_sql_db *db,
                               struct vs_str catalog_name,
                               vs_sql_visit_fn visit,
                               void *ctx,
                               struct vs_error *err);

#endif
