// SPDX-License-Identifier: Apache-2.0
/*
 * The filesystem catalog: tables by their place below the warehouse, commits by the conditional
 * create of the next version file (iceberg.md 2.1; docs/adr/0007-commit-by-conditional-create.md).
 *
 * The version file itself tells what became of a send: ours, another's, or not there. Fence: a name
 * that was free may be one that a drop or the removal of old versions has freed. So a writer looks
 * after its create whether the version it built on is still there, and a dropper looks after its
 * last removal for versions that came meanwhile; whoever comes second sees the other.
 */
#include "vecstore/catalog/catalog_internal.h"

#include <stdio.h>
#include <string.h>

#define RESEND_TRIES 3

static enum vs_status place_of(const char *name, struct table_place *place, struct vs_error *err)
{
    VS_TRY(vs_table_place_find(name, place, err));
    if (memchr(place->ns.ptr, '.', place->ns.len) != NULL) {
        return vs_fail(err, VS_INVALID,
                       "'%s' has a namespace of several levels; a filesystem catalog has one",
                       place->full_name);
    }
    return VS_OK;
}

// ---- load ----

static enum vs_status dir_load(struct vs_catalog *catalog,
                               const char *name,
                               struct vs_table **table_out,
                               struct vs_error *err)
{
    struct table_place place;
    VS_TRY(place_of(name, &place, err));
    return vs_dir_version_load(catalog, &place, table_out, err);
}

// The file name at the end of a metadata URI.
static const char *file_name(const char *uri)
{
    const char *slash = strrchr(uri, '/');
    return slash != NULL ? slash + 1 : uri;
}

static enum vs_status dir_is_current(struct vs_catalog *catalog,
                                     const struct vs_table *table,
                                     bool *current_out,
                                     struct vs_error *err)
{
    struct table_place place;
    struct metadata_version version;
    VS_TRY(place_of(table->name, &place, err));
    if (table->version >= 0) {
        bool newer = false;
        VS_TRY(vs_dir_version_probe(catalog, &place, table->version + 1, &version, &newer, err));
        *current_out = !newer;
        return VS_OK;
    }
    VS_TRY(vs_dir_version_find(catalog, &place, false, &version, err));
    *current_out = strcmp(version.name, file_name(table->metadata_uri)) == 0;
    return VS_OK;
}

// ---- may this table be written? ----

static enum vs_status check_store(struct vs_catalog *catalog,
                                  const struct table_place *place,
                                  struct vs_error *err)
{
    char prefix[300];
    (void)snprintf(prefix, sizeof prefix, "%s/metadata", place->folder);
    return vs_store_check_writable(catalog->store, prefix, err);
}

static enum vs_status dir_check_writable(struct vs_catalog *catalog,
                                         const struct vs_table *table,
                                         struct vs_error *err)
{
    struct table_place place;
    VS_TRY(place_of(table->name, &place, err));
    if (table->version < 0) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "table '%s' is managed by another catalog (its metadata files are named "
                       "<number>-<uuid>, not vN); it can be read here, "
                       "but changes have to go through that catalog",
                       table->name);
    }
    if (vs_table_property(table->metadata, "write.metadata.path").len > 0) {
        return vs_fail(err, VS_DENIED,
                       "table '%s' has property write.metadata.path; in a filesystem catalog the "
                       "metadata has to stay in the table's folder: remove the property",
                       table->name);
    }
    return check_store(catalog, &place, err);
}

// A put that failed in a way that leaves open whether it took effect.
static bool is_ambiguous(enum vs_status status)
{
    return status == VS_UNKNOWN || status == VS_UNAVAILABLE || status == VS_TIMEOUT ||
           status == VS_INTERNAL;
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
        status = vs_dir_place_check(catalog, place, *metadata_out, NULL);
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
    enum vs_status status = vs_dir_version_probe(catalog, place, 1, &version, &exists, err);
    if (status == VS_OK && exists) {
        status = vs_dir_version_read(catalog, place, &version, &found, err);
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

static enum vs_status dir_create(struct vs_catalog *catalog,
                                 const char *name,
                                 const struct vs_table_create *create,
                                 struct vs_table **table_out,
                                 struct vs_error *err)
{
    struct table_place place;
    struct metadata_version version;
    struct vs_table_metadata *metadata = NULL;
    VS_TRY(place_of(name, &place, err));
    enum vs_status status = vs_dir_version_find(catalog, &place, false, &version, err);
    if (status == VS_OK) {
        return vs_fail(err, VS_EXISTS, "table '%s' exists already", place.full_name);
    }
    if (status != VS_NOT_FOUND) {
        return vs_wrap(err, status, "cannot tell whether table '%s' exists", place.full_name);
    }
    vs_error_clear(err);
    VS_TRY(check_store(catalog, &place, err));
    status = create_new(catalog, &place, create, &metadata, err);
    if (status == VS_OK) {
        status = vs_dir_version_put(catalog, &place, 1, vs_table_metadata_is_gzip(metadata),
                                    metadata, &version, err);
        if (status == VS_EXISTS) {
            status = vs_fail(err, VS_EXISTS, "table '%s' exists already", place.full_name);
        } else if (is_ambiguous(status)) {
            status = resolve_create(catalog, &place, metadata, err);
        }
    }
    if (status == VS_OK) {
        vs_dir_version_hint(catalog, &place, 1);
        status = vs_dir_table_new(catalog, &place, &version, metadata, table_out, err);
    }
    if (status != VS_OK) {
        vs_table_metadata_free(metadata);
    }
    return status;
}

// ---- commit ----

// Reads version `number` back (R3): DONE when it holds our id, CONFLICT when it is another's.
static enum vs_outcome read_back(struct vs_catalog *catalog,
                                 const struct vs_publish *publish,
                                 struct metadata_version *version_out,
                                 bool *absent_out)
{
    struct table_place place;
    struct vs_table *table = NULL;
    int64_t snapshot_id;
    int64_t number = publish->base->version + 1;
    bool found = false;
    *absent_out = false;
    if (place_of(publish->name, &place, NULL) != VS_OK ||
        vs_dir_version_probe(catalog, &place, number, version_out, &found, NULL) != VS_OK) {
        return VS_OUTCOME_UNKNOWN;
    }
    if (!found) {
        *absent_out = true;
        return VS_OUTCOME_UNKNOWN;
    }
    if (vs_dir_version_read(catalog, &place, version_out, &table, NULL) != VS_OK) {
        return VS_OUTCOME_UNKNOWN;
    }
    bool is_ours = vs_commit_find(table->metadata, publish->commit_id, &snapshot_id);
    vs_table_release(table);
    return is_ours ? VS_OUTCOME_DONE : VS_OUTCOME_CONFLICT;
}

// The conditional create, with ambiguous answers resolved as far as possible (R4: the same request
// again, never another one).
static enum vs_outcome put_version(struct vs_catalog *catalog,
                                   const struct vs_publish *publish,
                                   const struct table_place *place,
                                   struct metadata_version *version,
                                   enum vs_status *status_out,
                                   struct vs_error *err)
{
    bool was_ambiguous = publish->is_resend;
    for (int i = 0; i < RESEND_TRIES; i++) {
        bool absent = false;
        enum vs_status status = vs_dir_version_put(
            catalog, place, publish->base->version + 1,
            vs_table_metadata_is_gzip(publish->base->metadata), publish->next, version, err);
        *status_out = status;
        if (status == VS_OK) {
            return VS_OUTCOME_DONE;
        }
        if (status == VS_EXISTS && !was_ambiguous) {
            return VS_OUTCOME_CONFLICT;
        }
        if (status != VS_EXISTS && !is_ambiguous(status)) {
            // Refused for certain; but an earlier send of the same request may still be on its way.
            return was_ambiguous ? VS_OUTCOME_UNKNOWN : VS_OUTCOME_FAILED;
        }
        was_ambiguous = true;
        enum vs_outcome outcome = read_back(catalog, publish, version, &absent);
        if (outcome != VS_OUTCOME_UNKNOWN || !absent) {
            return outcome;
        }
    }
    return VS_OUTCOME_UNKNOWN;
}

// ---- the fence: is what we built on still there? ----

static enum vs_outcome is_dropped(const struct table_place *place,
                                  enum vs_status *status_out,
                                  struct vs_error *err)
{
    *status_out = vs_fail(err, VS_NOT_FOUND,
                          "table '%s' was dropped while this commit was made; nothing was "
                          "committed",
                          place->full_name);
    return VS_OUTCOME_FAILED;
}

// Removes our version where it stands outside of the table's history. Whoever loaded it before may
// have built on it, seeing it still there; then it has become part of a history after all.
static enum vs_outcome take_back(struct vs_catalog *catalog,
                                 const struct vs_publish *publish,
                                 const struct table_place *place,
                                 const struct metadata_version *version)
{
    char key[600];
    struct metadata_version later;
    struct vs_table *table = NULL;
    int64_t snapshot_id;
    bool has_later = false;
    (void)snprintf(key, sizeof key, "%s/metadata/%s", place->folder, version->name);
    if (vs_store_remove(catalog->store, key, NULL) != VS_OK ||
        vs_dir_version_probe(catalog, place, version->number + 1, &later, &has_later, NULL) !=
            VS_OK) {
        return VS_OUTCOME_UNKNOWN;
    }
    if (!has_later) {
        return VS_OUTCOME_CONFLICT;
    }
    if (vs_dir_version_read(catalog, place, &later, &table, NULL) != VS_OK) {
        return VS_OUTCOME_UNKNOWN;
    }
    bool is_ours = vs_commit_find(table->metadata, publish->commit_id, &snapshot_id);
    vs_table_release(table);
    return is_ours ? VS_OUTCOME_DONE : VS_OUTCOME_CONFLICT;
}

// The version that we built on is gone. Either the table was dropped, and ours stands alone; or old
// versions were removed while we were stalled, so that the name that we created was free again
// although others had used it; or somebody built on ours, and both have become old.
static enum vs_outcome judge_without_base(struct vs_catalog *catalog,
                                          const struct vs_publish *publish,
                                          const struct table_place *place,
                                          const struct metadata_version *version,
                                          enum vs_status *status_out,
                                          struct vs_error *err)
{
    struct metadata_version later, newest;
    struct vs_table *table = NULL;
    int64_t snapshot_id;
    bool has_later = false, has_own = false;
    if (vs_dir_version_probe(catalog, place, version->number + 1, &later, &has_later, NULL) !=
        VS_OK) {
        return VS_OUTCOME_UNKNOWN;
    }
    if (has_later) {
        if (vs_dir_version_read(catalog, place, &later, &table, NULL) != VS_OK) {
            return VS_OUTCOME_UNKNOWN;
        }
        bool is_built_on = vs_commit_find(table->metadata, publish->commit_id, &snapshot_id);
        vs_table_release(table);
        return is_built_on ? VS_OUTCOME_DONE : take_back(catalog, publish, place, version);
    }
    enum vs_status status = vs_dir_version_newest(catalog, place, &newest, NULL);
    if (status != VS_OK && status != VS_NOT_FOUND) {
        return VS_OUTCOME_UNKNOWN;
    }
    if (status == VS_NOT_FOUND || newest.number <= version->number) {
        enum vs_outcome outcome = take_back(catalog, publish, place, version);
        return outcome == VS_OUTCOME_CONFLICT ? is_dropped(place, status_out, err) : outcome;
    }
    // Old versions go in ascending order: without the next one, ours is new here, or gone as well.
    if (vs_dir_version_probe(catalog, place, version->number, &later, &has_own, NULL) != VS_OK ||
        !has_own) {
        return VS_OUTCOME_UNKNOWN;
    }
    return take_back(catalog, publish, place, version);
}

// Whether the version that we created is part of the table's history.
static enum vs_outcome check_fence(struct vs_catalog *catalog,
                                   const struct vs_publish *publish,
                                   const struct table_place *place,
                                   const struct metadata_version *version,
                                   enum vs_status *status_out,
                                   struct vs_error *err)
{
    struct metadata_version base = {.number = publish->base->version};
    bool is_there = true;
    (void)snprintf(base.name, sizeof base.name, "%s", file_name(publish->base->metadata_uri));
    if (vs_dir_version_is_of(catalog, place, &base, publish->base->metadata->uuid, &is_there,
                             NULL) != VS_OK ||
        is_there) {
        return VS_OUTCOME_DONE; // what cannot be asked is taken for the common case
    }
    return judge_without_base(catalog, publish, place, version, status_out, err);
}

static enum vs_outcome dir_publish(struct vs_catalog *catalog,
                                   const struct vs_publish *publish,
                                   struct vs_table **table_out,
                                   enum vs_status *status_out,
                                   struct vs_error *err)
{
    struct table_place place;
    struct metadata_version version;
    *status_out = place_of(publish->name, &place, err);
    if (*status_out != VS_OK) {
        return VS_OUTCOME_FAILED;
    }
    enum vs_outcome outcome = put_version(catalog, publish, &place, &version, status_out, err);
    if (outcome == VS_OUTCOME_DONE) {
        outcome = check_fence(catalog, publish, &place, &version, status_out, err);
    }
    if (outcome != VS_OUTCOME_DONE) {
        return outcome;
    }
    vs_dir_version_hint(catalog, &place, version.number);
    if (vs_dir_table_new(catalog, &place, &version, *publish->taken, table_out, NULL) == VS_OK) {
        *publish->taken = NULL;
    }
    return VS_OUTCOME_DONE;
}

static enum vs_outcome dir_resolve(struct vs_catalog *catalog,
                                   const struct vs_publish *publish,
                                   const struct vs_table *now)
{
    struct table_place place;
    struct metadata_version version;
    enum vs_status status;
    bool absent = false;
    (void)now;
    enum vs_outcome outcome = read_back(catalog, publish, &version, &absent);
    if (outcome == VS_OUTCOME_DONE && place_of(publish->name, &place, NULL) == VS_OK) {
        outcome = check_fence(catalog, publish, &place, &version, &status, NULL);
    }
    return outcome == VS_OUTCOME_FAILED ? VS_OUTCOME_CONFLICT : outcome;
}

// ---- register ----

// Tables are found by their place, so there is nothing to write: only whether the file is what the
// catalog finds under that name is checked.
static enum vs_status dir_register(struct vs_catalog *catalog,
                                   const char *name,
                                   const char *metadata_uri,
                                   struct vs_table **table_out,
                                   struct vs_error *err)
{
    struct table_place place;
    struct vs_buf key;
    char start[300];
    VS_TRY(place_of(name, &place, err));
    (void)snprintf(start, sizeof start, "%s/metadata/", place.folder);
    vs_buf_init(&key, catalog->env, 1 << 16);
    enum vs_status status = vs_store_key(catalog->store, vs_str_from_c(metadata_uri), &key, err);
    bool is_there = status == VS_OK && vs_str_starts_with(vs_buf_view(&key), vs_str_from_c(start));
    vs_buf_clear(&key);
    if (status == VS_NO_MEMORY) {
        return status;
    }
    if (!is_there) {
        return vs_fail(
            err, VS_INVALID,
            "%s cannot be table '%s' here: a filesystem catalog finds a table by its "
            "place, %s/%smetadata files; copy nothing, open the warehouse that it stands "
            "in, or use a rest or sql catalog",
            metadata_uri, place.full_name, catalog->store->root_uri, start);
    }
    struct vs_table *table = NULL;
    VS_TRY(dir_load(catalog, name, &table, err));
    if (strcmp(file_name(table->metadata_uri), file_name(metadata_uri)) != 0) {
        status = vs_fail(err, VS_INVALID,
                         "%s is not the current state of table '%s', which is %s; in a filesystem "
                         "catalog the newest file is the table",
                         metadata_uri, place.full_name, table->metadata_uri);
        vs_table_release(table);
        return status;
    }
    *table_out = table;
    return VS_OK;
}

// ---- the kind ----

static void dir_free(struct vs_catalog *catalog)
{
    vs_store_free(catalog->store);
    vs_free(catalog->env, catalog);
}

static const struct vs_catalog_vtable dir_vtable = {
    .list = vs_dir_tables_list,
    .load = dir_load,
    .is_current = dir_is_current,
    .create = dir_create,
    .publish = dir_publish,
    .resolve = dir_resolve,
    .check_writable = dir_check_writable,
    .drop = vs_dir_table_drop,
    .register_table = dir_register,
    .free = dir_free,
};

enum vs_status vs_catalog_open_dir(const struct vs_env *env,
                                   struct vs_store *store,
                                   struct vs_catalog **catalog_out,
                                   struct vs_error *err)
{
    struct vs_catalog *catalog = vs_alloc_zeroed(env, 1, sizeof *catalog);
    if (catalog == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to open the catalog");
    }
    catalog->vtable = &dir_vtable;
    catalog->env = env;
    catalog->store = store;
    *catalog_out = catalog;
    return VS_OK;
}
