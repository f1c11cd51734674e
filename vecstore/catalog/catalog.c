// SPDX-License-Identifier: Apache-2.0
// What is common to all catalogs: the rules of names, opening by kind, and handing on.
#include "vecstore/catalog/catalog.h"

#include "vecstore/catalog/catalog_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define RECENT_NS (10LL * 1000 * 1000 * 1000)
#define NAME_PART_MAX 128
#define NAME_MAX_BYTES (2 * NAME_PART_MAX + 1)

// ---- names ----

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool vs_name_part_is(struct vs_str part)
{
    if (part.len == 0 || part.len > NAME_PART_MAX || !is_word(part.ptr[0])) {
        return false;
    }
    for (size_t i = 1; i < part.len; i++) {
        if (!is_word(part.ptr[i]) && part.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

// One or more name parts with '.' between them.
static bool is_namespace(struct vs_str ns)
{
    struct vs_str rest = ns, level;
    bool more = true, good = true;
    while (more && good) {
        level = rest;
        more = vs_str_split(rest, '.', &level, &rest);
        good = vs_name_part_is(level);
    }
    return good;
}

// The last part is the table's, what stands before it the namespace.
static void split_name(struct vs_str whole, struct table_place *place)
{
    for (size_t i = whole.len; i > 0; i--) {
        if (whole.ptr[i - 1] == '.') {
            place->ns = (struct vs_str){whole.ptr, i - 1};
            place->table = (struct vs_str){whole.ptr + i, whole.len - i};
            return;
        }
    }
}

enum vs_status vs_table_place_find(const char *name,
                                   struct table_place *place_out,
                                   struct vs_error *err)
{
    struct table_place place = {.ns = VS_STR("default"), .table = vs_str_from_c(name)};
    struct vs_str whole = place.table;
    split_name(whole, &place);
    if (whole.len > NAME_MAX_BYTES || !is_namespace(place.ns) || !vs_name_part_is(place.table)) {
        return vs_fail(err, VS_INVALID,
                       "'%.*s' is not a table name; expected 'table' or 'namespace.table', each "
                       "part of letters, digits, '_' and '-', "
                       "not beginning with '-', at most %d characters",
                       VS_STR_ARG(whole), NAME_PART_MAX);
    }
    (void)snprintf(place.full_name, sizeof place.full_name, "%.*s.%.*s", VS_STR_ARG(place.ns),
                   VS_STR_ARG(place.table));
    (void)snprintf(place.folder, sizeof place.folder, "%.*s/%.*s", VS_STR_ARG(place.ns),
                   VS_STR_ARG(place.table));
    *place_out = place;
    return VS_OK;
}

enum vs_status vs_table_name_check(const char *name, struct vs_error *err)
{
    struct table_place place;
    return vs_table_place_find(name, &place, err);
}

// ---- opening ----

static enum vs_status open_filesystem(const struct vs_env *env,
                                      const struct vs_catalog_options *options,
                                      struct vs_catalog **catalog_out,
                                      struct vs_error *err)
{
    struct vs_store *store = NULL;
    if (options->warehouse == NULL) {
        return vs_fail(err, VS_INVALID, "a filesystem catalog needs a warehouse: a folder or URI");
    }
    VS_TRY(vs_store_open_with(env, options->warehouse, options->settings, options->create_warehouse,
                              &store, err));
    enum vs_status status = vs_catalog_open_dir(env, store, catalog_out, err);
    if (status != VS_OK) {
        vs_store_free(store);
    }
    return status;
}

// Every catalog has a pool of stores for files that are opened by URI.
static enum vs_status add_pool(struct vs_catalog *catalog,
                               const struct vs_settings *settings,
                               struct vs_error *err)
{
    if (catalog->pool != NULL) {
        return VS_OK;
    }
    return vs_store_pool_new(catalog->env, settings, &catalog->pool, err);
}

enum vs_status vs_catalog_open(const struct vs_env *env,
                               const struct vs_catalog_options *options,
                               struct vs_catalog **catalog_out,
                               struct vs_error *err)
{
    const char *kind = options->kind != NULL ? options->kind : "filesystem";
    struct vs_catalog *catalog = NULL;
    VS_TRY(vs_settings_check_known(options->settings, err));
    if (strcmp(kind, "filesystem") == 0) {
        VS_TRY(open_filesystem(env, options, &catalog, err));
    } else if (strcmp(kind, "sql") == 0) {
        VS_TRY(vs_catalog_open_sql(env, options, &catalog, err));
    } else if (strcmp(kind, "rest") == 0) {
        VS_TRY(vs_catalog_open_rest(env, options, &catalog, err));
    } else {
        return vs_fail(err, VS_UNSUPPORTED,
                       "there is no catalog kind '%s'; known are 'filesystem', 'sql' and 'rest'",
                       kind);
    }
    enum vs_status status = add_pool(catalog, options->settings, err);
    if (status != VS_OK) {
        vs_catalog_free(catalog);
        return status;
    }
    *catalog_out = catalog;
    return VS_OK;
}

enum vs_status vs_catalog_open_store(const struct vs_env *env,
                                     struct vs_store *store,
                                     struct vs_catalog **catalog_out,
                                     struct vs_error *err)
{
    struct vs_catalog *catalog = NULL;
    struct vs_store_pool *pool = NULL;
    VS_TRY(vs_store_pool_new(env, NULL, &pool, err));
    enum vs_status status = vs_catalog_open_dir(env, store, &catalog, err);
    if (status != VS_OK) {
        vs_store_pool_free(pool);
        return status;
    }
    catalog->pool = pool;
    *catalog_out = catalog;
    return VS_OK;
}

// ---- the state loaded last ----

static void set_recent(struct vs_catalog *catalog, struct vs_table *table)
{
    atomic_store(&catalog->recent_ns, table != NULL ? vs_monotonic_ns(catalog->env) : 0);
    vs_table_release(atomic_exchange(&catalog->recent, table));
}

struct vs_table *vs_catalog_take_recent(struct vs_catalog *catalog, const char *name)
{
    struct vs_table *table = atomic_exchange(&catalog->recent, NULL);
    int64_t age_ns = vs_monotonic_ns(catalog->env) - atomic_load(&catalog->recent_ns);
    if (table != NULL && (strcmp(table->name, name) != 0 || age_ns > RECENT_NS)) {
        vs_table_release(table);
        return NULL;
    }
    return table;
}

void vs_catalog_free(struct vs_catalog *catalog)
{
    if (catalog == NULL) {
        return;
    }
    struct vs_store_pool *pool = catalog->pool;
    set_recent(catalog, NULL);
    catalog->vtable->free(catalog);
    vs_store_pool_free(pool);
}

struct vs_store *vs_catalog_store(struct vs_catalog *catalog)
{
    return catalog->store;
}

const struct vs_env *vs_catalog_env(const struct vs_catalog *catalog)
{
    return catalog->env;
}

// ---- handing on ----

enum vs_status vs_catalog_list(struct vs_catalog *catalog,
                               enum vs_status (*visit)(void *ctx,
                                                       const char *name,
                                                       struct vs_error *err),
                               void *ctx,
                               struct vs_error *err)
{
    return catalog->vtable->list(catalog, visit, ctx, err);
}

enum vs_status vs_catalog_create(struct vs_catalog *catalog,
                                 const char *name,
                                 const struct vs_table_create *create,
                                 struct vs_table **table_out,
                                 struct vs_error *err)
{
    struct table_place place;
    VS_TRY(vs_table_place_find(name, &place, err));
    set_recent(catalog, NULL);
    return catalog->vtable->create(catalog, place.full_name, create, table_out, err);
}

enum vs_status vs_catalog_load(struct vs_catalog *catalog,
                               const char *name,
                               struct vs_table **table_out,
                               struct vs_error *err)
{
    struct table_place place;
    VS_TRY(vs_table_place_find(name, &place, err));
    VS_TRY(catalog->vtable->load(catalog, place.full_name, table_out, err));
    if (catalog->vtable->is_current != NULL) {
        set_recent(catalog, vs_table_retain(*table_out));
    }
    return VS_OK;
}

enum vs_status vs_catalog_is_current(struct vs_catalog *catalog,
                                     const struct vs_table *table,
                                     bool *current_out,
                                     struct vs_error *err)
{
    return catalog->vtable->is_current(catalog, table, current_out, err);
}

enum vs_status vs_catalog_drop(struct vs_catalog *catalog, const char *name, struct vs_error *err)
{
    struct table_place place;
    VS_TRY(vs_table_place_find(name, &place, err));
    set_recent(catalog, NULL);
    return catalog->vtable->drop(catalog, place.full_name, err);
}

enum vs_status vs_catalog_register(struct vs_catalog *catalog,
                                   const char *name,
                                   const char *metadata_uri,
                                   struct vs_table **table_out,
                                   struct vs_error *err)
{
    struct table_place place;
    VS_TRY(vs_table_place_find(name, &place, err));
    if (catalog->vtable->register_table == NULL) {
        return vs_fail(err, VS_UNSUPPORTED, "this catalog cannot adopt table '%s'",
                       place.full_name);
    }
    return catalog->vtable->register_table(catalog, place.full_name, metadata_uri, table_out, err);
}
