// SPDX-License-Identifier: Apache-2.0
/*
 * The SQL catalog: a row points to the current metadata file, a commit writes a new file and moves
 * the pointer if it still is where it was (rows: sql_rows.h; docs/adr/0015-catalog-kinds.md).
 *
 * A pointer that moved away from our base cannot be moved by an earlier send of ours any more, so
 * here an unknown outcome can always be found out while the metadata log reaches back to the base.
 */
#include "vecstore/catalog/catalog_internal.h"
#include "vecstore/catalog/sql_internal.h"

#include <stdio.h>
#include <string.h>

#define URI_MAX VS_SQL_URI_MAX
#define CREATE_TRIES 3

struct sql_catalog *vs_sql_catalog_of(struct vs_catalog *catalog)
{
    return (struct sql_catalog *)catalog;
}

enum vs_status vs_sql_key_of(struct vs_catalog *catalog,
                             const char *name,
                             struct table_place *place,
                             struct vs_sql_key *key_out,
                             struct vs_error *err)
{
    VS_TRY(vs_table_place_find(name, place, err));
    *key_out =
        (struct vs_sql_key){.catalog_name = vs_str_from_c(vs_sql_catalog_of(catalog)->catalog_name),
                            .ns = place->ns,
                            .table = place->table};
    return VS_OK;
}

enum vs_status vs_sql_table_find(struct vs_catalog *catalog,
                                 const char *name,
                                 struct vs_buf *location_out,
                                 struct vs_error *err)
{
    struct table_place place;
    struct vs_sql_key key;
    VS_TRY(vs_sql_key_of(catalog, name, &place, &key, err));
    VS_TRY(vs_sql_row_find(vs_sql_catalog_of(catalog)->db, &key, location_out, err));
    return vs_buf_c_str(location_out) != NULL
               ? VS_OK
               : vs_fail(err, VS_NO_MEMORY, "no memory to load table '%s'", name);
}

// ---- load ----

enum vs_status vs_sql_table_load_at(struct vs_catalog *catalog,
                                    const char *name,
                                    const char *uri,
                                    struct vs_table **table_out,
                                    struct vs_error *err)
{
    struct vs_store *store = NULL;
    struct vs_table_metadata *metadata = NULL;
    VS_TRY(vs_catalog_store_of_file(catalog, uri, &store, err));
    VS_TRY(vs_metadata_read_uri(catalog->env, store, uri, &metadata, err));
    enum vs_status status = vs_catalog_store_of(catalog, metadata->location, &store, err);
    if (status == VS_OK) {
        const struct vs_table_state state = {
            .name = name, .metadata_uri = uri, .version = -1, .store = store, .metadata = metadata};
        status = vs_table_state_new(catalog, &state, table_out, err);
    }
    if (status != VS_OK) {
        vs_table_metadata_free(metadata);
    }
    return status;
}

// A file that is missing may have gone with its table, or with an old state of it: the row tells.
static enum vs_status sql_load(struct vs_catalog *catalog,
                               const char *name,
                               struct vs_table **table_out,
                               struct vs_error *err)
{
    struct vs_buf uri, missing;
    enum vs_status status = VS_NOT_FOUND;
    vs_buf_init(&uri, catalog->env, URI_MAX);
    vs_buf_init(&missing, catalog->env, URI_MAX);
    for (bool again = true; again;) {
        again = false;
        status = vs_sql_table_find(catalog, name, &uri, err);
        if (status != VS_OK) {
            break;
        }
        status = vs_sql_table_load_at(catalog, name, vs_buf_c_str(&uri), table_out, err);
        if (status == VS_NOT_FOUND && vs_str_equal(vs_buf_view(&uri), vs_buf_view(&missing))) {
            status = vs_fail(err, VS_CORRUPT,
                             "the catalog says that table '%s' is %.*s, but there is no such file",
                             name, VS_STR_ARG(vs_buf_view(&uri)));
        } else if (status == VS_NOT_FOUND) {
            vs_buf_reset(&missing);
            status = vs_buf_append_str(&missing, vs_buf_view(&uri), err);
            again = status == VS_OK;
        }
    }
    vs_buf_clear(&missing);
    vs_buf_clear(&uri);
    return status;
}

static enum vs_status sql_is_current(struct vs_catalog *catalog,
                                     const struct vs_table *table,
                                     bool *current_out,
                                     struct vs_error *err)
{
    struct vs_buf uri;
    vs_buf_init(&uri, catalog->env, URI_MAX);
    enum vs_status status = vs_sql_table_find(catalog, table->name, &uri, err);
    if (status == VS_OK) {
        *current_out = vs_str_equal_c(vs_buf_view(&uri), table->metadata_uri);
    } else if (status == VS_NOT_FOUND) {
        *current_out = false;
        status = VS_OK;
    }
    vs_buf_clear(&uri);
    return status;
}

static enum vs_status sql_check_writable(struct vs_catalog *catalog,
                                         const struct vs_table *table,
                                         struct vs_error *err)
{
    (void)catalog;
    return vs_table_paths_check(table, err);
}

// ---- create and register ----

// Adds the row. An outcome that is unknown is looked up, and the same row is sent again while there
// is none.
static enum vs_status add_row(struct vs_catalog *catalog,
                              const char *name,
                              const char *uri,
                              struct vs_error *err)
{
    struct table_place place;
    struct vs_sql_key key;
    struct vs_buf found;
    VS_TRY(vs_sql_key_of(catalog, name, &place, &key, err));
    vs_buf_init(&found, catalog->env, URI_MAX);
    enum vs_status status = VS_UNKNOWN;
    for (int i = 0; i < CREATE_TRIES && status == VS_UNKNOWN; i++) {
        status = vs_sql_row_add(vs_sql_catalog_of(catalog)->db, &key, vs_str_from_c(uri), err);
        if (status != VS_UNKNOWN && status != VS_EXISTS) {
            break;
        }
        enum vs_status seen = vs_sql_table_find(catalog, name, &found, NULL);
        if (seen == VS_OK) {
            bool is_ours = vs_str_equal_c(vs_buf_view(&found), uri);
            status = is_ours ? VS_OK : vs_fail(err, VS_EXISTS, "table '%s' exists already", name);
        } else if (status == VS_EXISTS) {
            status = vs_fail(err, VS_EXISTS,
                             "the name '%s' is taken in the catalog, maybe by a view", name);
        }
    }
    vs_buf_clear(&found);
    if (status == VS_UNKNOWN) {
        status = vs_fail(
            err, VS_UNKNOWN,
            "it is not known whether table '%s' was created; look for it before trying again",
            name);
    }
    return status;
}

static enum vs_status new_metadata(struct vs_catalog *catalog,
                                   const char *name,
                                   const struct vs_table_create *create,
                                   struct vs_table_metadata **metadata_out,
                                   struct vs_error *err)
{
    struct table_place place;
    struct vs_table_create own = *create;
    struct vs_buf uri;
    VS_TRY(vs_table_place_find(name, &place, err));
    if (create->location.len == 0 && catalog->store == NULL) {
        return vs_fail(err, VS_INVALID,
                       "table '%s' needs a location: the catalog was opened without a warehouse",
                       name);
    }
    vs_buf_init(&uri, catalog->env, URI_MAX);
    enum vs_status status = VS_OK;
    if (create->location.len == 0) {
        status = vs_store_uri(catalog->store, place.folder, &uri, err);
        own.location = vs_buf_view(&uri);
    }
    if (status == VS_OK) {
        status = vs_table_metadata_new(catalog->env, &own, metadata_out, err);
    }
    vs_buf_clear(&uri);
    return status;
}

static enum vs_status check_absent(struct vs_catalog *catalog,
                                   const char *name,
                                   struct vs_error *err)
{
    struct vs_buf uri;
    struct vs_error reason = {0};
    vs_buf_init(&uri, catalog->env, URI_MAX);
    enum vs_status status = vs_sql_table_find(catalog, name, &uri, &reason);
    vs_buf_clear(&uri);
    if (status == VS_OK) {
        return vs_fail(err, VS_EXISTS, "table '%s' exists already", name);
    }
    if (status == VS_NOT_FOUND) {
        return VS_OK;
    }
    if (err != NULL) {
        *err = reason;
    }
    return status;
}

static enum vs_status sql_create(struct vs_catalog *catalog,
                                 const char *name,
                                 const struct vs_table_create *create,
                                 struct vs_table **table_out,
                                 struct vs_error *err)
{
    struct vs_table_metadata *metadata = NULL;
    struct vs_store *store = NULL;
    struct vs_buf uri;
    VS_TRY(check_absent(catalog, name, err));
    VS_TRY(new_metadata(catalog, name, create, &metadata, err));
    vs_buf_init(&uri, catalog->env, URI_MAX);
    enum vs_status status = vs_catalog_store_of(catalog, metadata->location, &store, err);
    if (status == VS_OK) {
        status = vs_metadata_write_new(catalog->env, store, metadata, NULL, &uri, err);
    }
    if (status == VS_OK) {
        status = add_row(catalog, name, vs_buf_c_str(&uri), err);
        if (status != VS_OK && status != VS_UNKNOWN) {
            vs_metadata_remove(catalog->env, store, vs_buf_c_str(&uri));
        }
    }
    if (status == VS_OK) {
        const struct vs_table_state state = {.name = name,
                                             .metadata_uri = vs_buf_c_str(&uri),
                                             .version = -1,
                                             .store = store,
                                             .metadata = metadata};
        status = vs_table_state_new(catalog, &state, table_out, err);
    }
    if (status != VS_OK) {
        vs_table_metadata_free(metadata);
    }
    vs_buf_clear(&uri);
    return status;
}

static enum vs_status sql_register(struct vs_catalog *catalog,
                                   const char *name,
                                   const char *metadata_uri,
                                   struct vs_table **table_out,
                                   struct vs_error *err)
{
    struct vs_table *table = NULL;
    VS_TRY(check_absent(catalog, name, err));
    VS_TRY(vs_sql_table_load_at(catalog, name, metadata_uri, &table, err));
    enum vs_status status = add_row(catalog, name, metadata_uri, err);
    if (status != VS_OK) {
        vs_table_release(table);
        return status;
    }
    *table_out = table;
    return VS_OK;
}

// ---- commit ----

static enum vs_outcome finish_publish(struct vs_catalog *catalog,
                                      const struct vs_publish *publish,
                                      const char *uri,
                                      struct vs_table **table_out)
{
    const struct vs_table_state state = {.name = publish->name,
                                         .metadata_uri = uri,
                                         .version = -1,
                                         .store = publish->base->store,
                                         .metadata = *publish->taken};
    if (vs_table_state_new(catalog, &state, table_out, NULL) == VS_OK) {
        *publish->taken = NULL;
    }
    return VS_OUTCOME_DONE;
}

// What a pointer that is not the base's any more means: others moved it, or the table is gone.
static enum vs_outcome lost(struct vs_catalog *catalog,
                            const struct vs_publish *publish,
                            enum vs_status *status_out,
                            struct vs_error *err)
{
    struct vs_buf now;
    vs_buf_init(&now, catalog->env, URI_MAX);
    enum vs_status status = vs_sql_table_find(catalog, publish->name, &now, NULL);
    vs_buf_clear(&now);
    if (status != VS_NOT_FOUND) {
        return VS_OUTCOME_CONFLICT;
    }
    *status_out = vs_fail(err, VS_NOT_FOUND,
                          "table '%s' was dropped while this commit was made; nothing was "
                          "committed",
                          publish->name);
    return VS_OUTCOME_FAILED;
}

static enum vs_outcome move_pointer(struct vs_catalog *catalog,
                                    const struct vs_publish *publish,
                                    const char *uri,
                                    enum vs_status *status_out,
                                    struct vs_error *err)
{
    struct table_place place;
    struct vs_sql_key key;
    bool won = false;
    *status_out = vs_sql_key_of(catalog, publish->name, &place, &key, err);
    if (*status_out == VS_OK) {
        *status_out = vs_sql_row_swap(vs_sql_catalog_of(catalog)->db, &key,
                                      vs_str_from_c(publish->base->metadata_uri),
                                      vs_str_from_c(uri), &won, err);
    }
    if (*status_out != VS_OK) {
        return *status_out == VS_UNKNOWN ? VS_OUTCOME_UNKNOWN : VS_OUTCOME_FAILED;
    }
    return won ? VS_OUTCOME_DONE : lost(catalog, publish, status_out, err);
}

static enum vs_outcome sql_publish(struct vs_catalog *catalog,
                                   const struct vs_publish *publish,
                                   struct vs_table **table_out,
                                   enum vs_status *status_out,
                                   struct vs_error *err)
{
    struct vs_buf uri;
    const char *text = NULL;
    enum vs_outcome outcome = VS_OUTCOME_FAILED;
    vs_buf_init(&uri, catalog->env, URI_MAX);
    *status_out = vs_metadata_uri_make(publish->next, publish->base->metadata_uri,
                                       publish->publish_id, &uri, err);
    if (*status_out == VS_OK) {
        text = vs_buf_c_str(&uri);
        *status_out =
            vs_metadata_write(catalog->env, publish->base->store, publish->next, text, err);
        if (*status_out == VS_OK) {
            outcome = move_pointer(catalog, publish, text, status_out, err);
        }
        bool is_lost = outcome == VS_OUTCOME_CONFLICT || outcome == VS_OUTCOME_FAILED;
        if (is_lost && !publish->is_resend) { // an earlier send may have made the file the table's
            vs_metadata_remove(catalog->env, publish->base->store, text);
        }
    }
    if (outcome == VS_OUTCOME_DONE) {
        outcome = finish_publish(catalog, publish, text, table_out);
    }
    vs_buf_clear(&uri);
    return outcome;
}

static bool log_has(const struct vs_table_metadata *metadata, struct vs_str uri)
{
    for (size_t i = metadata->metadata_log_count; i > 0; i--) {
        if (vs_str_equal(metadata->metadata_log[i - 1].metadata_file, uri)) {
            return true;
        }
    }
    return false;
}

// The metadata log names every file that the pointer went through: ours, or the base without ours.
static enum vs_outcome sql_resolve(struct vs_catalog *catalog,
                                   const struct vs_publish *publish,
                                   const struct vs_table *now)
{
    struct vs_buf uri;
    enum vs_outcome outcome = VS_OUTCOME_UNKNOWN;
    vs_buf_init(&uri, catalog->env, URI_MAX);
    if (vs_metadata_uri_make(publish->next, publish->base->metadata_uri, publish->publish_id, &uri,
                             NULL) == VS_OK) {
        if (vs_str_equal_c(vs_buf_view(&uri), now->metadata_uri) ||
            log_has(now->metadata, vs_buf_view(&uri))) {
            outcome = VS_OUTCOME_DONE;
        } else if (log_has(now->metadata, vs_str_from_c(publish->base->metadata_uri))) {
            outcome = VS_OUTCOME_CONFLICT;
            vs_metadata_remove(catalog->env, publish->base->store, vs_buf_c_str(&uri));
        }
    }
    vs_buf_clear(&uri);
    return outcome;
}

// ---- the kind ----

static void sql_free(struct vs_catalog *catalog)
{
    struct sql_catalog *sql = vs_sql_catalog_of(catalog);
    const struct vs_env *env = catalog->env;
    vs_sql_free(sql->db);
    vs_store_free(catalog->store);
    vs_free(env, sql->catalog_name);
    vs_free(env, sql);
}

static const struct vs_catalog_vtable sql_vtable = {
    .list = vs_sql_tables_list,
    .load = sql_load,
    .is_current = sql_is_current,
    .create = sql_create,
    .publish = sql_publish,
    .resolve = sql_resolve,
    .check_writable = sql_check_writable,
    .drop = vs_sql_table_drop,
    .register_table = sql_register,
    .free = sql_free,
};

// The file of "sqlite:///rel", "sqlite:////abs", "jdbc:sqlite:path" or a plain path; without any,
// catalog.db in the warehouse.
static enum vs_status db_path(const struct vs_catalog_options *options,
                              const struct vs_store *warehouse,
                              struct vs_buf *path_out,
                              struct vs_error *err)
{
    static const char *const starts[] = {"sqlite:///", "jdbc:sqlite:", "file://"};
    struct vs_str uri = vs_str_from_c(options->uri);
    if (uri.len == 0) {
        uri = vs_str_from_c(warehouse != NULL ? warehouse->root_uri : NULL);
        if (!vs_str_starts_with(uri, VS_STR("file://"))) {
            return vs_fail(err, VS_INVALID,
                           "a sql catalog needs the path of its SQLite file (the catalog's uri); "
                           "only a warehouse that is a local folder has one of its own");
        }
    }
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct vs_str start = vs_str_from_c(starts[i]);
        if (vs_str_starts_with(uri, start)) {
            uri = (struct vs_str){uri.ptr + start.len, uri.len - start.len};
            break;
        }
    }
    for (size_t i = 0; i < uri.len; i++) {
        if (uri.ptr[i] == ':' && i + 2 < uri.len && uri.ptr[i + 1] == '/' &&
            uri.ptr[i + 2] == '/') {
            return vs_fail(err, VS_UNSUPPORTED,
                           "a sql catalog lives in an SQLite file here; %.*s names another "
                           "database",
                           VS_STR_ARG(uri));
        }
    }
    VS_TRY(vs_buf_append_str(path_out, uri, err));
    if (options->uri == NULL || options->uri[0] == '\0') {
        VS_TRY(vs_buf_append_c(path_out, "/catalog.db", err));
    }
    return vs_buf_c_str(path_out) != NULL ? VS_OK
                                          : vs_fail(err, VS_NO_MEMORY, "no memory for a path");
}

static enum vs_status open_parts(struct sql_catalog *sql,
                                 const struct vs_catalog_options *options,
                                 struct vs_error *err)
{
    const struct vs_env *env = sql->base.env;
    const char *name = options->name != NULL ? options->name : "default";
    struct vs_buf path;
    if (options->warehouse != NULL && options->warehouse[0] != '\0') {
        VS_TRY(vs_store_open_with(env, options->warehouse, options->settings,
                                  options->create_warehouse, &sql->base.store, err));
    }
    VS_TRY(vs_store_pool_new(env, options->settings, &sql->base.pool, err));
    sql->catalog_name = vs_alloc(env, strlen(name) + 1);
    if (sql->catalog_name == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to open the catalog");
    }
    memcpy(sql->catalog_name, name, strlen(name) + 1);
    vs_buf_init(&path, env, URI_MAX);
    enum vs_status status = db_path(options, sql->base.store, &path, err);
    if (status == VS_OK) {
        status = vs_sql_open(env, vs_buf_c_str(&path), options->create_warehouse, &sql->db, err);
    }
    vs_buf_clear(&path);
    return status;
}

enum vs_status vs_catalog_open_sql(const struct vs_env *env,
                                   const struct vs_catalog_options *options,
                                   struct vs_catalog **catalog_out,
                                   struct vs_error *err)
{
    struct sql_catalog *sql = vs_alloc_zeroed(env, 1, sizeof *sql);
    if (sql == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to open the catalog");
    }
    sql->base.vtable = &sql_vtable;
    sql->base.env = env;
    enum vs_status status = open_parts(sql, options, err);
    if (status != VS_OK) {
        vs_catalog_free(&sql->base);
        return status;
    }
    *catalog_out = &sql->base;
    return VS_OK;
}
