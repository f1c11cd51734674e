// SPDX-License-Identifier: Apache-2.0
// The filesystem catalog as a whole: which tables there are, making one of a version that was read,
// and dropping one.
#include "vecstore/catalog/catalog_internal.h"

#include <stdio.h>
#include <string.h>

#define DROP_ROUNDS 16

// ---- list ----

struct dir_listing {
    struct vs_catalog *catalog;
    struct name_list folders; // of one level
    struct name_list tables;
};

static enum vs_status visit_folder(void *ctx, struct vs_str name, struct vs_error *err)
{
    struct dir_listing *l = ctx;
    return vs_name_part_is(name) ? vs_name_list_add(&l->folders, name, err) : VS_OK;
}

struct metadata_search {
    bool found;
};

static enum vs_status visit_object(void *ctx,
                                   const struct vs_object_info *object,
                                   struct vs_error *err)
{
    struct metadata_search *search = ctx;
    if (!vs_metadata_name_is(object->key)) {
        return VS_OK;
    }
    search->found = true;
    return vs_fail(err, VS_CANCELLED, "found"); // ends the listing
}

// A folder is a table when it holds a metadata file; vN is looked for first, since its names are
// few.
static enum vs_status has_metadata(struct vs_catalog *catalog,
                                   const char *folder,
                                   bool *has_out,
                                   struct vs_error *err)
{
    static const char *const prefixes[] = {"metadata/v", "metadata/"};
    struct metadata_search search = {.found = false};
    for (size_t i = 0; i < 2 && !search.found; i++) {
        char prefix[300];
        (void)snprintf(prefix, sizeof prefix, "%s/%s", folder, prefixes[i]);
        enum vs_status status = vs_store_list(catalog->store, prefix, visit_object, &search, err);
        if (status != VS_OK && !search.found) {
            return status;
        }
    }
    *has_out = search.found;
    return VS_OK;
}

static enum vs_status list_namespace(struct dir_listing *l, struct vs_str ns, struct vs_error *err)
{
    char prefix[160];
    (void)snprintf(prefix, sizeof prefix, "%.*s/", VS_STR_ARG(ns));
    vs_name_list_clear(&l->folders);
    vs_name_list_init(&l->folders, l->catalog->env);
    VS_TRY(vs_store_list_folders(l->catalog->store, prefix, visit_folder, l, err));
    for (size_t i = 0; i < l->folders.count; i++) {
        char folder[264], name[264];
        bool is_table = false;
        (void)snprintf(folder, sizeof folder, "%.*s/%.*s", VS_STR_ARG(ns),
                       VS_STR_ARG(l->folders.items[i]));
        (void)snprintf(name, sizeof name, "%.*s.%.*s", VS_STR_ARG(ns),
                       VS_STR_ARG(l->folders.items[i]));
        VS_TRY(has_metadata(l->catalog, folder, &is_table, err));
        if (is_table) {
            VS_TRY(vs_name_list_add(&l->tables, vs_str_from_c(name), err));
        }
    }
    return VS_OK;
}

enum vs_status vs_dir_tables_list(struct vs_catalog *catalog,
                                  enum vs_status (*visit)(void *ctx,
                                                          const char *name,
                                                          struct vs_error *err),
                                  void *ctx,
                                  struct vs_error *err)
{
    struct dir_listing listing = {.catalog = catalog};
    vs_name_list_init(&listing.folders, catalog->env);
    vs_name_list_init(&listing.tables, catalog->env);
    enum vs_status status = vs_store_list_folders(catalog->store, "", visit_folder, &listing, err);
    struct name_list namespaces = listing.folders;
    vs_name_list_init(&listing.folders, catalog->env);
    for (size_t i = 0; status == VS_OK && i < namespaces.count; i++) {
        status = list_namespace(&listing, namespaces.items[i], err);
    }
    vs_name_list_sort(&listing.tables);
    for (size_t i = 0; status == VS_OK && i < listing.tables.count; i++) {
        status = visit(ctx, listing.tables.items[i].ptr, err);
    }
    vs_name_list_clear(&namespaces);
    vs_name_list_clear(&listing.folders);
    vs_name_list_clear(&listing.tables);
    return status;
}

// ---- a table of a version ----

enum vs_status vs_dir_place_check(struct vs_catalog *catalog,
                                  const struct table_place *place,
                                  const struct vs_table_metadata *metadata,
                                  struct vs_error *err)
{
    struct vs_buf key;
    vs_buf_init(&key, catalog->env, VS_TABLE_METADATA_MAX_BYTES);
    enum vs_status status = vs_store_key(catalog->store, metadata->location, &key, NULL);
    if (status != VS_NO_MEMORY) {
        if (status != VS_OK || !vs_str_equal_c(vs_buf_view(&key), place->folder)) {
            status = vs_fail(
                err, VS_DENIED,
                "table '%s' was found in %s/%s, but its metadata says that it lives in %.*s: it "
                "was moved or copied, and "
                "its paths point to the old place; register it where it is, or move it back",
                place->full_name, catalog->store->root_uri, place->folder,
                VS_STR_ARG(metadata->location));
        }
    } else {
        status = vs_fail(err, VS_NO_MEMORY, "no memory to load table '%s'", place->full_name);
    }
    vs_buf_clear(&key);
    return status;
}

enum vs_status vs_dir_table_new(struct vs_catalog *catalog,
                                const struct table_place *place,
                                const struct metadata_version *version,
                                struct vs_table_metadata *metadata,
                                struct vs_table **table_out,
                                struct vs_error *err)
{
    char key[600];
    struct vs_buf uri;
    (void)snprintf(key, sizeof key, "%s/metadata/%s", place->folder, version->name);
    vs_buf_init(&uri, catalog->env, 1 << 16);
    enum vs_status status = vs_store_uri(catalog->store, key, &uri, err);
    const char *text = status == VS_OK ? vs_buf_c_str(&uri) : NULL;
    if (status == VS_OK && text == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "no memory for table '%s'", place->full_name);
    }
    if (status == VS_OK) {
        const struct vs_table_state state = {.name = place->full_name,
                                             .metadata_uri = text,
                                             .version = version->number,
                                             .store = catalog->store,
                                             .metadata = metadata};
        status = vs_table_state_new(catalog, &state, table_out, err);
    }
    vs_buf_clear(&uri);
    return status;
}

// ---- drop ----

static enum vs_status visit_key(void *ctx,
                                const struct vs_object_info *object,
                                struct vs_error *err)
{
    return vs_name_list_add(ctx, object->key, err);
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

// Hint and older versions first, so that readers see the newest until it goes; then everything
// else. What goes after the newest version must not be a name that a new table could have taken
// meanwhile.
static enum vs_status remove_keys(struct vs_catalog *catalog,
                                  const struct name_list *list,
                                  int64_t newest,
                                  const char **keys,
                                  struct vs_error *err)
{
    for (int pass = 0; pass < 3; pass++) {
        size_t n = 0;
        for (size_t i = 0; i < list->count; i++) {
            struct vs_str key = list->items[i];
            bool is_metadata = vs_metadata_name_is(key);
            bool is_early = is_metadata || vs_str_ends_with(key, VS_STR("/version-hint.text"));
            bool is_newest = is_metadata && is_version_key(key, newest);
            int when = is_newest ? 1 : (is_early ? 0 : 2);
            if (when == pass) {
                keys[n++] = key.ptr;
            }
        }
        VS_TRY(vs_store_remove_many(catalog->store, keys, n, err));
    }
    return VS_OK;
}

static enum vs_status remove_round(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   int64_t newest,
                                   struct vs_error *err)
{
    char prefix[300];
    struct name_list list;
    vs_name_list_init(&list, catalog->env);
    (void)snprintf(prefix, sizeof prefix, "%s/", place->folder);
    enum vs_status status = vs_store_list(catalog->store, prefix, visit_key, &list, err);
    const char **keys = vs_arena_alloc_array(&list.arena, list.count, sizeof *keys);
    if (status == VS_OK) {
        status = keys != NULL
                     ? remove_keys(catalog, &list, newest, keys, err)
                     : vs_fail(err, VS_NO_MEMORY, "no memory to drop table '%s'", place->full_name);
    }
    vs_name_list_clear(&list);
    return status;
}

// The other half of the drop fence: versions of the dropped table (by uuid) that a writer in
// mid-commit created meanwhile.
static enum vs_status remove_late(struct vs_catalog *catalog,
                                  const struct table_place *place,
                                  struct vs_uuid uuid,
                                  struct vs_error *err)
{
    for (int i = 0; i < DROP_ROUNDS; i++) {
        struct metadata_version version;
        bool is_ours = false;
        enum vs_status status = vs_dir_version_find(catalog, place, false, &version, err);
        if (status == VS_NOT_FOUND) {
            return VS_OK;
        }
        VS_TRY(status);
        VS_TRY(vs_dir_version_is_of(catalog, place, &version, uuid, &is_ours, err));
        if (!is_ours) {
            return VS_OK; // a new table of that name
        }
        VS_TRY(remove_round(catalog, place, version.number, err));
    }
    return vs_fail(err, VS_CONFLICT,
                   "table '%s' is being written while it is dropped: stop its writers and drop it "
                   "again",
                   place->full_name);
}

enum vs_status vs_dir_table_drop(struct vs_catalog *catalog, const char *name, struct vs_error *err)
{
    struct table_place place;
    struct metadata_version version;
    struct vs_table *table = NULL;
    VS_TRY(vs_table_place_find(name, &place, err));
    VS_TRY(vs_dir_version_find(catalog, &place, false, &version, err));
    bool is_known = vs_dir_version_read(catalog, &place, &version, &table, NULL) == VS_OK;
    struct vs_uuid uuid = is_known ? table->metadata->uuid : (struct vs_uuid){{0}};
    vs_table_release(table);
    VS_TRY(remove_round(catalog, &place, version.number, err));
    return is_known ? remove_late(catalog, &place, uuid, err) : VS_OK;
}
