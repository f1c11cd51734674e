// SPDX-License-Identifier: Apache-2.0
/*
 * Which files a table's metadata reaches: manifest lists, manifests, data and delete files,
 * statistics, metadata files. What upkeep may remove and what it has to keep is told by such sets.
 *
 * Files are compared by their keys in the table's store, so that several spellings of a path are
 * one file. What lies outside of the table's location is never in a set; a path inside of it that
 * has no key (a doubled slash, "..") is an error, since it could not be compared. Ownership: a set
 * owns its keys. Threads: single owner.
 */
#ifndef VS_INGEST_TABLE_FILES_H
#define VS_INGEST_TABLE_FILES_H

#include "ingest/id_set.h"
#include "vecstore/base/cancel.h"
#include "vecstore/iceberg/manifest.h"
#include "vecstore/object/store.h"

// In the order in which files may be removed: what names others goes before what it names.
enum vs_table_file_kind {
    VS_TABLE_FILE_MANIFEST_LIST,
    VS_TABLE_FILE_MANIFEST,
    VS_TABLE_FILE_DATA,
    VS_TABLE_FILE_DELETES,
    VS_TABLE_FILE_STATISTICS,
    VS_TABLE_FILE_METADATA,
};

#define VS_TABLE_FILE_KINDS 6

struct vs_table_file {
    struct vs_str key; // NUL-terminated
    enum vs_table_file_kind kind;
    uint64_t size; // 0: not known
};

struct vs_table_files {
    const struct vs_env *env;
    struct vs_store *store;
    struct vs_str location; // URI, borrowed
    struct vs_arena arena;
    struct vs_str prefix; // key of the location with a slash behind it
    struct vs_id_set *keys;
    struct vs_buf items; // struct vs_table_file, in the order of keys
};

enum vs_status vs_table_files_init(struct vs_table_files *files,
                                   const struct vs_env *env,
                                   struct vs_store *store,
                                   struct vs_str location,
                                   struct vs_error *err);
void vs_table_files_clear(struct vs_table_files *files); // accepts a zeroed set

size_t vs_table_files_count(const struct vs_table_files *files);
const struct vs_table_file *vs_table_files_get(const struct vs_table_files *files, size_t index);
bool vs_table_files_has(const struct vs_table_files *files, struct vs_str key);

enum vs_status vs_table_files_add(struct vs_table_files *files,
                                  struct vs_str uri,
                                  enum vs_table_file_kind kind,
                                  uint64_t size,
                                  struct vs_error *err);
// What the document names itself: statistics, partition statistics, the index of its properties,
// the metadata log, and metadata_uri (NULL: none).
enum vs_status vs_table_files_add_named(struct vs_table_files *files,
                                        const struct vs_table_metadata *metadata,
                                        const char *metadata_uri,
                                        struct vs_error *err);

// The partition statistics of a document: visit is called with snapshot id, path and size.
typedef enum vs_status (*vs_partition_statistics_fn)(
    void *ctx, int64_t snapshot_id, struct vs_str path, uint64_t size, struct vs_error *err);
enum vs_status vs_partition_statistics_visit(const struct vs_env *env,
                                             const struct vs_table_metadata *metadata,
                                             vs_partition_statistics_fn visit,
                                             void *ctx,
                                             struct vs_error *err);

struct vs_table_files_walk {
    const struct vs_snapshot *snapshots;
    size_t snapshot_count;
    const struct vs_table_files *known; // manifests in it are left out and not read; NULL: none
    bool may_miss; // lists and manifests that are gone are passed over, else CORRUPT
    const struct vs_op *op;
};
// What snapshots reach: lists, manifests, and the files of their live entries.
enum vs_status vs_table_files_walk(struct vs_table_files *files,
                                   const struct vs_table_files_walk *walk,
                                   struct vs_error *err);

// Removes all files of a kind that `kept` does not have (NULL: all); missing ones are no error.
enum vs_status vs_table_files_remove(const struct vs_table_files *files,
                                     enum vs_table_file_kind kind,
                                     const struct vs_table_files *kept,
                                     const struct vs_op *op,
                                     struct vs_error *err);

#endif
