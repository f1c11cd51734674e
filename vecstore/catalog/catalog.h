// SPDX-License-Identifier: Apache-2.0
/*
 * Catalogs: names to tables, and the compare-and-swap that makes a commit.
 *
 * A name is "namespace.table" (or "table", in namespace "default"); each part matches
 * [A-Za-z0-9_][A-Za-z0-9_-]{0,127}. REST and SQL catalogs also have namespaces of several levels,
 * "a.b.table" (257 bytes at most). Filesystem catalog (catalog_dir.c):
 * <warehouse>/<namespace>/<table>/metadata/vN.metadata.json with version-hint.text, made safe by a
 * conditional create of vN+1 (iceberg.md 2.1): the hint is never trusted alone, readers probe
 * forward and repair it. Threads: a catalog may be shared; a vs_table is immutable and
 * reference-counted.
 */
#ifndef VS_CATALOG_CATALOG_H
#define VS_CATALOG_CATALOG_H

#include "vecstore/base/cancel.h"
#include "vecstore/iceberg/commit.h"

struct vs_catalog;

#define VS_TABLE_HEAD 512

struct vs_table { // one loaded state of a table
    const struct vs_table_metadata *metadata;
    struct vs_store *store;   // where its files are; lives as long as the catalog
    const char *name;         // "docs.passages"
    const char *metadata_uri; // URI of the metadata file
    int64_t version;          // N of vN.metadata.json; -1 for other catalogs
    // First bytes of the metadata file, where a version has a number: they hold the table's uuid,
    // so they tell a table from one that was dropped and made anew. 0 bytes: not known.
    uint8_t head[VS_TABLE_HEAD];
    size_t head_len;
};

struct vs_catalog_options {
    const char *kind;      // "filesystem" (NULL: the same), "rest", "sql"; others are UNSUPPORTED
    const char *warehouse; // URI or path; REST: what the server calls a warehouse (may be NULL)
    const char *uri;       // REST: base of the service; SQL: path of the SQLite file (also
                           // "sqlite:///path"), NULL: <warehouse>/catalog.db
    const char *name;      // SQL: catalog_name of the rows (NULL: "default")
    const struct vs_settings *settings; // of the store and of the service; may be NULL
    bool create_warehouse;
};

// INVALID names a setting of ours (s3., client., http., rest.) that does not exist, and the nearest
// one that does. vs_catalog_open checks its settings so.
enum vs_status vs_settings_check_known(const struct vs_settings *settings, struct vs_error *err);
enum vs_status vs_catalog_open(const struct vs_env *env,
                               const struct vs_catalog_options *options,
                               struct vs_catalog **catalog_out,
                               struct vs_error *err);
// The same over a store made by the caller (tests: hook stores); takes the store on success.
enum vs_status vs_catalog_open_store(const struct vs_env *env,
                                     struct vs_store *store,
                                     struct vs_catalog **catalog_out,
                                     struct vs_error *err);
void vs_catalog_free(struct vs_catalog *catalog);
// The warehouse's store; tables may have others: use vs_table.store for what belongs to a table.
struct vs_store *vs_catalog_store(struct vs_catalog *catalog); // borrowed
const struct vs_env *vs_catalog_env(const struct vs_catalog *catalog);

enum vs_status vs_table_name_check(const char *name, struct vs_error *err);
// Calls visit with full names in ascending order.
enum vs_status vs_catalog_list(struct vs_catalog *catalog,
                               enum vs_status (*visit)(void *ctx,
                                                       const char *name,
                                                       struct vs_error *err),
                               void *ctx,
                               struct vs_error *err);

// VS_EXISTS when there is one. create->location may be empty: the catalog's own choice.
enum vs_status vs_catalog_create(struct vs_catalog *catalog,
                                 const char *name,
                                 const struct vs_table_create *create,
                                 struct vs_table **table_out,
                                 struct vs_error *err);
enum vs_status vs_catalog_load(struct vs_catalog *catalog,
                               const char *name,
                               struct vs_table **table_out,
                               struct vs_error *err);
// Whether a newer state exists (filesystem: one probe for vN+1).
enum vs_status vs_catalog_is_current(struct vs_catalog *catalog,
                                     const struct vs_table *table,
                                     bool *current_out,
                                     struct vs_error *err);
// Removes the table and its files; NOT_FOUND when there is none. A REST service decides about the
// files itself (setting rest.drop-purge asks it to remove them).
enum vs_status vs_catalog_drop(struct vs_catalog *catalog, const char *name, struct vs_error *err);

// Adopts an existing table by its metadata file ("…/v3.metadata.json"). Filesystem catalogs find
// tables by their place, so there it is only checked that it stands where its name says.
enum vs_status vs_catalog_register(struct vs_catalog *catalog,
                                   const char *name,
                                   const char *metadata_uri,
                                   struct vs_table **table_out,
                                   struct vs_error *err);
// A table from one metadata file, without a catalog: read only (any scheme that vs_store_open_with
// knows).
enum vs_status vs_table_open_file(struct vs_catalog *catalog,
                                  const char *metadata_uri,
                                  struct vs_table **table_out,
                                  struct vs_error *err);
// The same for a table that was copied: moved_from/moved_to as in vs_table_metadata.
enum vs_status vs_table_open_moved(struct vs_catalog *catalog,
                                   const char *metadata_uri,
                                   struct vs_str moved_from,
                                   struct vs_str moved_to,
                                   struct vs_table **table_out,
                                   struct vs_error *err);

struct vs_table *vs_table_retain(const struct vs_table *table);
void vs_table_release(struct vs_table *table); // accepts NULL

struct vs_commit_result {
    struct vs_table *table; // the state after the commit; the caller releases it
    int64_t snapshot_id;
    unsigned attempts;
};
// Applies the intent by rules R1-R4: VS_OK (it is in, exactly once), VS_CONFLICT (retries spent;
// nothing was changed), VS_UNKNOWN (message names the snapshot id; no file was deleted), or another
// status (definitely not done). op bounds time; retries back off with full jitter.
enum vs_status vs_catalog_commit(struct vs_catalog *catalog,
                                 const char *name,
                                 const struct vs_intent *intent,
                                 const struct vs_op *op,
                                 struct vs_commit_result *result_out,
                                 struct vs_error *err);

#endif
