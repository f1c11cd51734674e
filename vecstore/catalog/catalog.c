// SPDX-License-Identifier: Apache-2.0
#include "vecstore/catalog/catalog.h"

#include "vecstore/base/checked.h"
#include "vecstore/catalog/catalog_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_PART_MAX 128

struct counted_table {
    struct vs_table table; // first: the public view
    const struct vs_env *env;
    struct vs_table_metadata *metadata;
    char *name;
    char *metadata_uri;
    atomic_size_t references;
};

// ---- names ----

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_name_part(struct vs_str part)
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

enum vs_status vs_table_place_find(const char *name,
                                   struct table_place *place_out,
                                   struct vs_error *err)
{
    struct table_place place = {.ns = VS_STR("default"), .table = vs_str_from_c(name)};
    struct vs_str whole = place.table;
    (void)vs_str_split(whole, '.', &place.ns, &place.table);
    if (!is_name_part(place.ns) || !is_name_part(place.table)) {
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

// ---- catalog ----

enum vs_status vs_catalog_open_store(const struct vs_env *env,
                                     struct vs_store *store,
                                     struct vs_catalog **catalog_out,
                                     struct vs_error *err)
{
    struct vs_catalog *catalog = vs_alloc_zeroed(env, 1, sizeof *catalog);
    if (catalog == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to open the catalog");
    }
    catalog->env = env;
    catalog->store = store;
    *catalog_out = catalog;
    return VS_OK;
}

enum vs_status vs_catalog_open(const struct vs_env *env,
                               const struct vs_catalog_options *options,
                               struct vs_catalog **catalog_out,
                               struct vs_error *err)
{
    if (options->kind != NULL && strcmp(options->kind, "filesystem") != 0) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "catalog kind '%s' is not supported yet; known is 'filesystem'",
                       options->kind);
    }
    struct vs_store *store = NULL;
    VS_TRY(vs_store_open(env, options->warehouse, options->create_warehouse, &store, err));
    enum vs_status status = vs_catalog_open_store(env, store, catalog_out, err);
    if (status != VS_OK) {
        vs_store_free(store);
    }
    return status;
}

void vs_catalog_free(struct vs_catalog *catalog)
{
    if (catalog == NULL) {
        return;
    }
    const struct vs_env *env = catalog->env;
    vs_store_free(catalog->store);
    vs_free(env, catalog);
}

struct vs_store *vs_catalog_store(struct vs_catalog *catalog)
{
    return catalog->store;
}

const struct vs_env *vs_catalog_env(const struct vs_catalog *catalog)
{
    return catalog->env;
}

// ---- tables ----

static char *copy_text(const struct vs_env *env, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = vs_alloc(env, size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

static enum vs_status metadata_uri(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   const char *name,
                                   char **out,
                                   struct vs_error *err)
{
    char key[600];
    struct vs_buf uri;
    (void)snprintf(key, sizeof key, "%s/metadata/%s", place->folder, name);
    vs_buf_init(&uri, catalog->env, 1 << 16);
    enum vs_status status = vs_store_uri(catalog->store, key, &uri, err);
    if (status == VS_OK) {
        const char *text = vs_buf_c_str(&uri);
        *out = text != NULL ? copy_text(catalog->env, text) : NULL;
        status = *out != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "no memory for a table");
    }
    vs_buf_clear(&uri);
    return status;
}

enum vs_status vs_table_new(struct vs_catalog *catalog,
                            const struct table_place *place,
                            const struct metadata_version *version,
                            struct vs_table_metadata *metadata,
                            struct vs_table **table_out,
                            struct vs_error *err)
{
    struct counted_table *t = vs_alloc_zeroed(catalog->env, 1, sizeof *t);
    if (t == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a table");
    }
    t->env = catalog->env;
    t->name = copy_text(catalog->env, place->full_name);
    enum vs_status status =
        t->name != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "no memory for a table");
    if (status == VS_OK) {
        status = metadata_uri(catalog, place, version->name, &t->metadata_uri, err);
    }
    if (status != VS_OK) {
        vs_free(catalog->env, t->name);
        vs_free(catalog->env, t);
        return status;
    }
    t->metadata = metadata;
    t->table = (struct vs_table){.metadata = metadata,
                                 .name = t->name,
                                 .metadata_uri = t->metadata_uri,
                                 .version = version->number};
    atomic_init(&t->references, 1);
    *table_out = &t->table;
    return VS_OK;
}

static struct counted_table *counted(const struct vs_table *table)
{
    union {
        const struct vs_table *in;
        struct counted_table *out;
    } cast = {table};

    return cast.out;
}

struct vs_table *vs_table_retain(const struct vs_table *table)
{
    struct counted_table *t = counted(table);
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return &t->table;
}

void vs_table_release(struct vs_table *table)
{
    if (table == NULL) {
        return;
    }
    struct counted_table *t = counted(table);
    if (atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    vs_table_metadata_free(t->metadata);
    vs_free(t->env, t->name);
    vs_free(t->env, t->metadata_uri);
    vs_free(t->env, t);
}

enum vs_status vs_catalog_load(struct vs_catalog *catalog,
                               const char *name,
                               struct vs_table **table_out,
                               struct vs_error *err)
{
    struct table_place place;
    struct metadata_version version;
    VS_TRY(vs_table_place_find(name, &place, err));
    VS_TRY(vs_catalog_dir_find(catalog, &place, true, &version, err));
    return vs_catalog_dir_read(catalog, &place, &version, table_out, err);
}

enum vs_status vs_catalog_is_current(struct vs_catalog *catalog,
                                     const struct vs_table *table,
                                     bool *current_out,
                                     struct vs_error *err)
{
    struct table_place place;
    struct metadata_version version;
    VS_TRY(vs_table_place_find(table->name, &place, err));
    if (table->version >= 0) {
        bool newer = false;
        VS_TRY(vs_catalog_dir_probe(catalog, &place, table->version + 1, &version, &newer, err));
        *current_out = !newer;
        return VS_OK;
    }
    VS_TRY(vs_catalog_dir_find(catalog, &place, false, &version, err));
    char *uri = NULL;
    VS_TRY(metadata_uri(catalog, &place, version.name, &uri, err));
    *current_out = strcmp(uri, table->metadata_uri) == 0;
    vs_free(catalog->env, uri);
    return VS_OK;
}

// ---- create ----

static enum vs_status create_new(struct vs_catalog *catalog,
                                 const struct table_place *place,
                                 const struct vs_table_create *create,
                                 struct vs_table_metadata **metadata_out,
                                 struct vs_error *err)
{
    struct vs_table_create own = *create;
    struct vs_buf uri;
    vs_buf_init(&uri, catalog->env, 1 << 16);
    enum vs_status status = vs_store_uri(catalog->store, place->folder, &uri, err);
    if (status == VS_OK && create->location.len == 0) {
        own.location = vs_buf_view(&uri);
    }
    if (status == VS_OK) {
        status = vs_table_metadata_new(catalog->env, &own, metadata_out, err);
    }
    if (status == VS_OK) {
        status = vs_catalog_dir_check_place(catalog, place, *metadata_out, NULL);
        if (status == VS_DENIED) {
            status = vs_fail(err, VS_INVALID,
                             "table '%s' has to live in %s/%s; another location (%.*s) is not "
                             "possible in a filesystem catalog",
                             place->full_name, catalog->store->root_uri, place->folder,
                             VS_STR_ARG(own.location));
        }
    }
    vs_buf_clear(&uri);
    return status;
}

// What stands at v1 after a put of unknown outcome: ours (by uuid), another's, or nothing.
static enum vs_status resolve_create(struct vs_catalog *catalog,
                                     const struct table_place *place,
                                     const struct vs_table_metadata *metadata,
                                     struct vs_error *err)
{
    struct vs_table *found = NULL;
    struct metadata_version version;
    bool exists = false;
    enum vs_status status = vs_catalog_dir_probe(catalog, place, 1, &version, &exists, err);
    if (status == VS_OK && exists) {
        status = vs_catalog_dir_read(catalog, place, &version, &found, err);
    }
    if (status != VS_OK || !exists) {
        return vs_fail(
            err, VS_UNKNOWN,
            "it is not known whether table '%s' was created; look for it before trying again",
            place->full_name);
    }
    bool is_ours =
        memcmp(found->metadata->uuid.bytes, metadata->uuid.bytes, sizeof metadata->uuid.bytes) == 0;
    vs_table_release(found);
    return is_ours ? VS_OK : vs_fail(err, VS_EXISTS, "table '%s' exists already", place->full_name);
}

enum vs_status vs_catalog_create(struct vs_catalog *catalog,
                                 const char *name,
                                 const struct vs_table_create *create,
                                 struct vs_table **table_out,
                                 struct vs_error *err)
{
    struct table_place place;
    struct metadata_version version;
    struct vs_table_metadata *metadata = NULL;
    VS_TRY(vs_table_place_find(name, &place, err));
    enum vs_status status = vs_catalog_dir_find(catalog, &place, false, &version, NULL);
    if (status == VS_OK) {
        return vs_fail(err, VS_EXISTS, "table '%s' exists already", place.full_name);
    }
    if (status != VS_NOT_FOUND) {
        return vs_fail(err, status, "cannot tell whether table '%s' exists", place.full_name);
    }
    status = create_new(catalog, &place, create, &metadata, err);
    if (status == VS_OK) {
        status = vs_catalog_dir_put(catalog, &place, 1, metadata, &version, err);
        if (status == VS_EXISTS) {
            status = vs_fail(err, VS_EXISTS, "table '%s' exists already", place.full_name);
        } else if (status == VS_UNKNOWN || status == VS_UNAVAILABLE || status == VS_TIMEOUT) {
            status = resolve_create(catalog, &place, metadata, err);
        }
    }
    if (status == VS_OK) {
        vs_catalog_dir_hint(catalog, &place, 1);
        status = vs_table_new(catalog, &place, &version, metadata, table_out, err);
    }
    if (status != VS_OK) {
        vs_table_metadata_free(metadata);
    }
    return status;
}

// ---- list and drop ----

struct key_list {
    struct vs_arena arena;
    struct vs_str *items;
    size_t count, capacity;
    struct vs_str prefix; // drop: keys are kept as they are; list: unused
};

static enum vs_status add_key(struct key_list *list, struct vs_str text, struct vs_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct vs_str *items = vs_arena_alloc_array(&list->arena, capacity, sizeof *items);
        if (items == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "no memory to list the catalog");
        }
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
        list->capacity = capacity;
    }
    struct vs_str copy = vs_arena_copy_str(&list->arena, text);
    if (copy.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to list the catalog");
    }
    list->items[list->count++] = copy;
    return VS_OK;
}

static bool is_metadata_name(struct vs_str name)
{
    return vs_str_ends_with(name, VS_STR(".metadata.json")) ||
           vs_str_ends_with(name, VS_STR(".metadata.json.gz"));
}

// "<namespace>/<table>/metadata/<x>.metadata.json" names a table.
static enum vs_status visit_table(void *ctx,
                                  const struct vs_object_info *object,
                                  struct vs_error *err)
{
    struct key_list *list = ctx;
    struct vs_str ns, table, folder, rest, name;
    char full[264];
    if (!vs_str_split(object->key, '/', &ns, &rest) || !vs_str_split(rest, '/', &table, &rest) ||
        !vs_str_split(rest, '/', &folder, &name) || !vs_str_equal_c(folder, "metadata") ||
        !is_metadata_name(name) || !is_name_part(ns) || !is_name_part(table)) {
        return VS_OK;
    }
    int len = snprintf(full, sizeof full, "%.*s.%.*s", VS_STR_ARG(ns), VS_STR_ARG(table));
    struct vs_str text = {full, (size_t)len};
    if (list->count > 0 && vs_str_equal(list->items[list->count - 1], text)) {
        return VS_OK;
    }
    return add_key(list, text, err);
}

static int compare_text(const void *a, const void *b)
{
    return vs_str_compare(*(const struct vs_str *)a, *(const struct vs_str *)b);
}

enum vs_status vs_catalog_list(struct vs_catalog *catalog,
                               enum vs_status (*visit)(void *ctx,
                                                       const char *name,
                                                       struct vs_error *err),
                               void *ctx,
                               struct vs_error *err)
{
    struct key_list list = {0};
    vs_arena_init(&list.arena, catalog->env, 0);
    enum vs_status status = vs_store_list(catalog->store, "", visit_table, &list, err);
    if (list.count > 1) {
        qsort(list.items, list.count, sizeof *list.items, compare_text);
    }
    for (size_t i = 0; status == VS_OK && i < list.count; i++) {
        if (i == 0 || !vs_str_equal(list.items[i], list.items[i - 1])) {
            status = visit(ctx, list.items[i].ptr, err);
        }
    }
    vs_arena_clear(&list.arena);
    return status;
}

static enum vs_status visit_key(void *ctx,
                                const struct vs_object_info *object,
                                struct vs_error *err)
{
    return add_key(ctx, object->key, err);
}

static bool is_version_key(struct vs_str key, int64_t number)
{
    char name[48];
    int len = snprintf(name, sizeof name, "/metadata/v%lld.", (long long)number);
    for (size_t i = 0; i + (size_t)len <= key.len; i++) {
        if (memcmp(key.ptr + i, name, (size_t)len) == 0) {
            return true;
        }
    }
    return false;
}

// Older versions first, so that readers see the newest until it goes; then everything else.
static enum vs_status remove_keys(struct vs_catalog *catalog,
                                  const struct key_list *list,
                                  int64_t newest,
                                  struct vs_error *err)
{
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < list->count; i++) {
            bool is_metadata = is_metadata_name(list->items[i]);
            bool is_newest = is_metadata && is_version_key(list->items[i], newest);
            int when = is_newest ? 1 : (is_metadata ? 0 : 2);
            if (when == pass) {
                VS_TRY(vs_store_remove(catalog->store, list->items[i].ptr, err));
            }
        }
    }
    return VS_OK;
}

enum vs_status vs_catalog_drop(struct vs_catalog *catalog, const char *name, struct vs_error *err)
{
    struct table_place place;
    struct metadata_version version;
    char prefix[300];
    VS_TRY(vs_table_place_find(name, &place, err));
    VS_TRY(vs_catalog_dir_find(catalog, &place, false, &version, err));
    struct key_list list = {0};
    vs_arena_init(&list.arena, catalog->env, 0);
    (void)snprintf(prefix, sizeof prefix, "%s/", place.folder);
    enum vs_status status = vs_store_list(catalog->store, prefix, visit_key, &list, err);
    if (status == VS_OK) {
        status = remove_keys(catalog, &list, version.number, err);
    }
    vs_arena_clear(&list.arena);
    return status;
}
