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

// What became of an attempt to publish new metadata (DESIGN.md invariant 5).
enum vs_outcome { VS_OUTCOME_DONE, VS_OUTCOME_CONFLICT, VS_OUTCOME_UNKNOWN, VS_OUTCOME_FAILED };

struct vs_publish {
    const char *name;
    const struct vs_table *base;
    const struct vs_table_metadata *next; // what the table becomes
    // *taken is `next`: who makes a table of it sets *taken to NULL.
    struct vs_table_metadata **taken;
    struct vs_uuid commit_id;  // R1: also Idempotency-Key, S3 user metadata
    struct vs_uuid publish_id; // new for each publish, the same for its resends (R7: names)
    bool is_resend; // an earlier send had an unknown outcome: a conflict may be with ourselves
    const struct vs_op *op;
};

// One kind of catalog. Names are checked before. The commit loop, retain/release and the name rules
// are common (commit_loop.c, catalog.c).
struct vs_catalog_vtable {
    enum vs_status (*list)(struct vs_catalog *catalog,
                           enum vs_status (*visit)(void *ctx,
                                                   const char *name,
                                                   struct vs_error *err),
                           void *ctx,
                           struct vs_error *err);
    enum vs_status (*load)(struct vs_catalog *catalog,
                           const char *name,
                           struct vs_table **table_out,
                           struct vs_error *err);
    enum vs_status (*is_current)(struct vs_catalog *catalog,
                                 const struct vs_table *table,
                                 bool *current_out,
                                 struct vs_error *err);
    enum vs_status (*create)(struct vs_catalog *catalog,
                             const char *name,
                             const struct vs_table_create *create,
                             struct vs_table **table_out,
                             struct vs_error *err);
    // One conditional request (R2: at most one send that may take effect, unless it is the very
    // same one and the store or service cannot apply it twice), then its outcome. DONE gives the
    // table after it, when it is known (else NULL: the loop loads it). FAILED and UNKNOWN fill err.
    enum vs_outcome (*publish)(struct vs_catalog *catalog,
                               const struct vs_publish *publish,
                               struct vs_table **table_out,
                               enum vs_status *status_out,
                               struct vs_error *err);
    // After a send of unknown outcome: `now` is the newest state; it is not the base's any more and
    // does not hold our id. DONE: the send took effect nevertheless; CONFLICT: it did not and no
    // longer can (the loop rebases); UNKNOWN: nobody can tell. May be NULL: always UNKNOWN.
    enum vs_outcome (*resolve)(struct vs_catalog *catalog,
                               const struct vs_publish *publish,
                               const struct vs_table *now);
    // Before anything is written for a commit: can this table be committed to here? May be NULL.
    enum vs_status (*check_writable)(struct vs_catalog *catalog,
                                     const struct vs_table *table,
                                     struct vs_error *err);
    enum vs_status (*drop)(struct vs_catalog *catalog, const char *name, struct vs_error *err);
    // May be NULL: UNSUPPORTED by name.
    enum vs_status (*register_table)(struct vs_catalog *catalog,
                                     const char *name,
                                     const char *metadata_uri,
                                     struct vs_table **table_out,
                                     struct vs_error *err);
    void (*free)(struct vs_catalog *catalog);
};

struct vs_catalog { // implementations embed it as their first member
    const struct vs_catalog_vtable *vtable;
    const struct vs_env *env;
    struct vs_store *store; // of the warehouse; NULL: the catalog has none (REST)
    // Of files opened by URI; set by vs_catalog_open where the kind leaves it NULL, freed after it.
    struct vs_store_pool *pool;
    // The state that vs_catalog_load gave last: the next commit may build on it (commit_loop.c).
    _Atomic(struct vs_table *) recent;
    _Atomic int64_t recent_ns; // when it was loaded
    _Atomic(size_t) spelling;  // filesystem: of the version loaded last (dir_versions.c)
};

// ---- catalog.c: the state loaded last ----
// Takes it out of the catalog; NULL when there is none, or it is of another table or old.
struct vs_table *vs_catalog_take_recent(struct vs_catalog *catalog, const char *name);

// ---- table_state.c: making a vs_table of what a catalog found; metadata is taken on success ----
struct vs_table_state {
    const char *name;
    const char *metadata_uri;
    int64_t version; // -1: the catalog has no vN
    struct vs_store *store;
    struct vs_table_metadata *metadata;
};
enum vs_status vs_table_state_new(struct vs_catalog *catalog,
                                  const struct vs_table_state *state,
                                  struct vs_table **table_out,
                                  struct vs_error *err);

// ---- store_pool.c: stores of tables that live anywhere, one per bucket or file system root ----
// The store (owned by the pool) whose root is the bucket ("s3://bucket") or "file:///" of uri.
struct vs_store_pool;
enum vs_status vs_store_pool_new(const struct vs_env *env,
                                 const struct vs_settings *settings,
                                 struct vs_store_pool **pool_out,
                                 struct vs_error *err);
void vs_store_pool_free(struct vs_store_pool *pool); // accepts NULL
// settings: more of them, for this table only (vended credentials, which win); NULL: none. scope
// tells stores with different settings apart: a table's name, or "".
enum vs_status vs_store_pool_get(struct vs_store_pool *pool,
                                 struct vs_str uri,
                                 const char *scope,
                                 const struct vs_settings *settings,
                                 struct vs_store **store_out,
                                 struct vs_error *err);
// Reads and parses a metadata file at a URI.
enum vs_status vs_metadata_read_uri(const struct vs_env *env,
                                    struct vs_store *store,
                                    const char *uri,
                                    struct vs_table_metadata **metadata_out,
                                    struct vs_error *err);
// Writes "<location>/metadata/<NNNNN>-<uuid>.metadata.json" (a new name each time), as SQL catalogs
// and createTable need; NNNNN is one more than that of base_uri (NULL: 00000).
enum vs_status vs_metadata_write_new(const struct vs_env *env,
                                     struct vs_store *store,
                                     const struct vs_table_metadata *metadata,
                                     const char *base_uri,
                                     struct vs_buf *uri_out,
                                     struct vs_error *err);

// Its parts: the name (uuid: new for each publish), and the write, which may be repeated with the
// same name and bytes. A failure is definite: nothing names the object yet.
enum vs_status vs_metadata_uri_make(const struct vs_table_metadata *metadata,
                                    const char *base_uri,
                                    struct vs_uuid uuid,
                                    struct vs_buf *uri_out,
                                    struct vs_error *err);
enum vs_status vs_metadata_write(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 const char *uri,
                                 struct vs_error *err);
void vs_metadata_remove(const struct vs_env *env, struct vs_store *store, const char *uri);
// DENIED by name when a property moves data or metadata out of the table's location.
enum vs_status vs_table_paths_check(const struct vs_table *table, struct vs_error *err);
// The store of a table's files or of a metadata file (two folders up): the catalog's own when the
// URI lies below it, else one of the pool.
enum vs_status vs_catalog_store_of(struct vs_catalog *catalog,
                                   struct vs_str location,
                                   struct vs_store **store_out,
                                   struct vs_error *err);
enum vs_status vs_catalog_store_of_file(struct vs_catalog *catalog,
                                        const char *uri,
                                        struct vs_store **store_out,
                                        struct vs_error *err);

// ---- the kinds ----
enum vs_status vs_catalog_open_dir(const struct vs_env *env,
                                   struct vs_store *store,
                                   struct vs_catalog **catalog_out,
                                   struct vs_error *err);
enum vs_status vs_catalog_open_sql(const struct vs_env *env,
                                   const struct vs_catalog_options *options,
                                   struct vs_catalog **catalog_out,
                                   struct vs_error *err);
enum vs_status vs_catalog_open_rest(const struct vs_env *env,
                                    const struct vs_catalog_options *options,
                                    struct vs_catalog **catalog_out,
                                    struct vs_error *err);

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

// ---- dir_versions.c: versions of a table in the file system layout ----
// Finds the current metadata file. `repair` rewrites a hint that is behind. NOT_FOUND when there is
// no table.
enum vs_status vs_dir_version_find(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   bool repair,
                                   struct metadata_version *version_out,
                                   struct vs_error *err);
// Name of version `number` when it exists in any of its spellings; *found_out tells.
enum vs_status vs_dir_version_probe(struct vs_catalog *catalog,
                                    const struct table_place *place,
                                    int64_t number,
                                    struct metadata_version *version_out,
                                    bool *found_out,
                                    struct vs_error *err);
// Brings the hint up to `number` or what newer versions there are; never backwards. Best effort.
void vs_dir_version_hint(struct vs_catalog *catalog,
                         const struct table_place *place,
                         int64_t number);
enum vs_status vs_dir_version_read(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   const struct metadata_version *version,
                                   struct vs_table **table_out,
                                   struct vs_error *err);
// The newest state. The hint is brought up to it.
enum vs_status vs_dir_version_load(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   struct vs_table **table_out,
                                   struct vs_error *err);
// The newest version by listing the folder, whatever the hint says.
enum vs_status vs_dir_version_newest(struct vs_catalog *catalog,
                                     const struct table_place *place,
                                     struct metadata_version *version_out,
                                     struct vs_error *err);
// Creates version `number` if it is absent. gzip decides about bytes and file name: it is the same
// for all writers of one version, since it comes from what they build on.
enum vs_status vs_dir_version_put(struct vs_catalog *catalog,
                                  const struct table_place *place,
                                  int64_t number,
                                  bool gzip,
                                  const struct vs_table_metadata *metadata,
                                  struct metadata_version *version_out,
                                  struct vs_error *err);
// False when the version cannot be read, or is that of another table (by uuid).
enum vs_status vs_dir_version_is_of(struct vs_catalog *catalog,
                                    const struct table_place *place,
                                    const struct metadata_version *version,
                                    struct vs_uuid uuid,
                                    bool *is_out,
                                    struct vs_error *err);

// ---- dir_tables.c: tables of versions, and two entries of the vtable ----
// The metadata must say that it lives where it was found.
enum vs_status vs_dir_place_check(struct vs_catalog *catalog,
                                  const struct table_place *place,
                                  const struct vs_table_metadata *metadata,
                                  struct vs_error *err);
// A table of metadata at hand, which is taken on success.
enum vs_status vs_dir_table_new(struct vs_catalog *catalog,
                                const struct table_place *place,
                                const struct metadata_version *version,
                                struct vs_table_metadata *metadata,
                                struct vs_table **table_out,
                                struct vs_error *err);
enum vs_status vs_dir_tables_list(struct vs_catalog *catalog,
                                  enum vs_status (*visit)(void *ctx,
                                                          const char *name,
                                                          struct vs_error *err),
                                  void *ctx,
                                  struct vs_error *err);
enum vs_status vs_dir_table_drop(struct vs_catalog *catalog,
                                 const char *name,
                                 struct vs_error *err);

// True for "….metadata.json" in all its spellings.
bool vs_metadata_name_is(struct vs_str name);

// ---- name_list.c: names that are gathered, sorted and visited once each ----
struct name_list {
    struct vs_arena arena;
    struct vs_str *items; // NUL-terminated
    size_t count, capacity;
};

void vs_name_list_init(struct name_list *list, const struct vs_env *env);
void vs_name_list_clear(struct name_list *list);
enum vs_status vs_name_list_add(struct name_list *list, struct vs_str text, struct vs_error *err);
void vs_name_list_sort(struct name_list *list); // equal ones are kept once
bool vs_name_part_is(struct vs_str part);       // one half of "namespace.table"

#endif
