// SPDX-License-Identifier: Apache-2.0
#include "ingest/table_files.h"

#include "vecstore/iceberg/stats_file.h"

#include <stdio.h>
#include <string.h>

#define OBJECT_MAX_BYTES ((size_t)1 << 30) // manifest list or manifest
#define KEY_MAX_BYTES ((size_t)1 << 20)
#define JSON_DEPTH 32
#define REMOVE_CHUNK 1000

// ---- paths ----

// What follows the scheme, "//" and "/" alike.
static struct vs_str after_scheme(struct vs_str uri)
{
    struct vs_str scheme, rest;
    if (vs_str_split(uri, ':', &scheme, &rest) && rest.len > 0 && rest.ptr[0] == '/' &&
        memchr(scheme.ptr, '/', scheme.len) == NULL) {
        return rest;
    }
    return uri;
}

// Position behind a run of slashes.
static size_t skip_slashes(struct vs_str text, size_t at)
{
    while (at < text.len && text.ptr[at] == '/') {
        at++;
    }
    return at;
}

// Whether a path that has no key may mean something below the location, whatever its slashes.
static bool looks_inside(struct vs_str uri, struct vs_str location)
{
    struct vs_str a = after_scheme(uri), b = after_scheme(location);
    size_t i = skip_slashes(a, 0), j = skip_slashes(b, 0);
    while (j < b.len && i < a.len && a.ptr[i] == b.ptr[j]) {
        bool slash = a.ptr[i] == '/';
        i = slash ? skip_slashes(a, i) : i + 1;
        j = slash ? skip_slashes(b, j) : j + 1;
    }
    return j == b.len;
}

static enum vs_status key_of(const struct vs_table_files *files,
                             struct vs_str uri,
                             struct vs_buf *key,
                             bool *inside_out,
                             struct vs_error *err)
{
    struct vs_error reason = {0};
    *inside_out = false;
    enum vs_status status = vs_store_key(files->store, uri, key, &reason);
    if (status == VS_DENIED && !looks_inside(uri, files->location)) {
        return VS_OK;
    }
    if (status != VS_OK) {
        return vs_fail(err, status, "%s", reason.message);
    }
    *inside_out = vs_str_starts_with(vs_buf_view(key), files->prefix);
    return VS_OK;
}

// ---- the set ----

enum vs_status vs_table_files_init(struct vs_table_files *files,
                                   const struct vs_env *env,
                                   struct vs_store *store,
                                   struct vs_str location,
                                   struct vs_error *err)
{
    struct vs_buf key;
    *files = (struct vs_table_files){.env = env, .store = store, .location = location};
    vs_arena_init(&files->arena, env, 0);
    vs_buf_init(&files->items, env, SIZE_MAX / 2);
    vs_buf_init(&key, env, KEY_MAX_BYTES);
    enum vs_status status = vs_id_set_new(env, VS_KIND_STRING, &files->keys, err);
    if (status == VS_OK) {
        status = vs_store_key(store, location, &key, err);
    }
    if (status == VS_OK) {
        files->prefix = vs_arena_printf(&files->arena, "%s/", vs_buf_c_str(&key));
        status = files->prefix.ptr != NULL
                     ? VS_OK
                     : vs_fail(err, VS_NO_MEMORY, "no memory for the files of a table");
    }
    vs_buf_clear(&key);
    if (status != VS_OK) {
        vs_table_files_clear(files);
    }
    return status;
}

void vs_table_files_clear(struct vs_table_files *files)
{
    vs_id_set_free(files->keys);
    vs_buf_clear(&files->items);
    vs_arena_clear(&files->arena);
    memset(files, 0, sizeof *files);
}

size_t vs_table_files_count(const struct vs_table_files *files)
{
    return files->items.len / sizeof(struct vs_table_file);
}

const struct vs_table_file *vs_table_files_get(const struct vs_table_files *files, size_t index)
{
    return &((const struct vs_table_file *)(const void *)files->items.data)[index];
}

bool vs_table_files_has(const struct vs_table_files *files, struct vs_str key)
{
    const struct vs_value value = {.kind = VS_KIND_STRING, .as.text = key};
    return vs_id_set_find(files->keys, &value) != SIZE_MAX;
}

static enum vs_status add_key(struct vs_table_files *files,
                              struct vs_str key,
                              enum vs_table_file_kind kind,
                              uint64_t size,
                              bool *added_out,
                              struct vs_error *err)
{
    const struct vs_value value = {.kind = VS_KIND_STRING, .as.text = key};
    *added_out = false;
    if (vs_table_files_has(files, key)) {
        return VS_OK;
    }
    const struct vs_table_file item = {
        .key = vs_arena_copy_str(&files->arena, key), .kind = kind, .size = size};
    if (item.key.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for the files of a table");
    }
    VS_TRY(vs_buf_reserve(&files->items, sizeof item, err));
    VS_TRY(vs_id_set_add(files->keys, &value, added_out, err));
    return vs_buf_append(&files->items, &item, sizeof item, err);
}

static enum vs_status add_uri(struct vs_table_files *files,
                              struct vs_str uri,
                              enum vs_table_file_kind kind,
                              uint64_t size,
                              bool *added_out,
                              struct vs_error *err)
{
    struct vs_buf key;
    bool inside = false;
    *added_out = false;
    vs_buf_init(&key, files->env, KEY_MAX_BYTES);
    enum vs_status status = key_of(files, uri, &key, &inside, err);
    if (status == VS_OK && inside) {
        status = add_key(files, vs_buf_view(&key), kind, size, added_out, err);
    }
    vs_buf_clear(&key);
    return status;
}

enum vs_status vs_table_files_add(struct vs_table_files *files,
                                  struct vs_str uri,
                                  enum vs_table_file_kind kind,
                                  uint64_t size,
                                  struct vs_error *err)
{
    bool added;
    return uri.len > 0 ? add_uri(files, uri, kind, size, &added, err) : VS_OK;
}

// ---- what a document names ----

enum vs_status vs_partition_statistics_visit(const struct vs_env *env,
                                             const struct vs_table_metadata *metadata,
                                             vs_partition_statistics_fn visit,
                                             void *ctx,
                                             struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_iter iter;
    const struct vs_json *item;
    if (metadata->partition_statistics_json.len == 0) {
        return VS_OK;
    }
    VS_TRY(vs_json_parse(env, metadata->partition_statistics_json, "partition-statistics", NULL,
                         &doc, err));
    enum vs_status status = VS_OK;
    vs_json_iter_init(&iter, vs_json_root(doc));
    while (status == VS_OK && vs_json_iter_next(&iter, NULL, &item)) {
        struct vs_str path;
        int64_t id = VS_NO_SNAPSHOT, size = 0;
        (void)vs_json_to_i64(vs_json_get(item, "snapshot-id"), &id);
        (void)vs_json_to_i64(vs_json_get(item, "file-size-in-bytes"), &size);
        if (!vs_json_to_str(vs_json_get(item, "statistics-path"), &path)) {
            status =
                vs_fail(err, VS_CORRUPT, "a partition statistics entry names no statistics-path");
            break;
        }
        status = visit(ctx, id, path, size > 0 ? (uint64_t)size : 0, err);
    }
    vs_json_free(doc);
    return status;
}

static enum vs_status add_partition_statistics(
    void *ctx, int64_t snapshot_id, struct vs_str path, uint64_t size, struct vs_error *err)
{
    (void)snapshot_id;
    return vs_table_files_add(ctx, path, VS_TABLE_FILE_STATISTICS, size, err);
}

// Versions of the index that a rollback can publish again.
static enum vs_status add_previous_indexes(struct vs_table_files *files,
                                           const struct vs_table_metadata *metadata,
                                           struct vs_error *err)
{
    struct vs_str list = vs_table_property(metadata, VS_PROPERTY_INDEX_PREVIOUS), uuid;
    struct vs_buf uri;
    enum vs_status status = VS_OK;
    vs_buf_init(&uri, files->env, KEY_MAX_BYTES);
    while (status == VS_OK && vs_stats_file_previous(&list, &uuid)) {
        status = vs_stats_file_uri(metadata, uuid, &uri, err);
        if (status == VS_OK) {
            status = vs_table_files_add(files, vs_buf_view(&uri), VS_TABLE_FILE_STATISTICS, 0, err);
        }
    }
    vs_buf_clear(&uri);
    return status;
}

enum vs_status vs_table_files_add_named(struct vs_table_files *files,
                                        const struct vs_table_metadata *metadata,
                                        const char *metadata_uri,
                                        struct vs_error *err)
{
    for (size_t i = 0; i < metadata->statistics_count; i++) {
        VS_TRY(vs_table_files_add(files, metadata->statistics[i].path, VS_TABLE_FILE_STATISTICS,
                                  metadata->statistics[i].file_size, err));
    }
    VS_TRY(
        vs_partition_statistics_visit(files->env, metadata, add_partition_statistics, files, err));
    VS_TRY(vs_table_files_add(files, vs_table_property(metadata, VS_PROPERTY_INDEX_PATH),
                              VS_TABLE_FILE_STATISTICS, 0, err));
    VS_TRY(add_previous_indexes(files, metadata, err));
    for (size_t i = 0; i < metadata->metadata_log_count; i++) {
        VS_TRY(vs_table_files_add(files, metadata->metadata_log[i].metadata_file,
                                  VS_TABLE_FILE_METADATA, 0, err));
    }
    return vs_table_files_add(files, vs_str_from_c(metadata_uri), VS_TABLE_FILE_METADATA, 0, err);
}

// ---- what snapshots reach ----

struct walker {
    struct vs_table_files *files;
    const struct vs_table_files_walk *walk;
    struct vs_arena scratch; // of one manifest list
};

// *found_out is false for an object that is gone and may be.
static enum vs_status read_object(struct walker *w,
                                  struct vs_str uri,
                                  const char *what,
                                  struct vs_buf *bytes,
                                  bool *found_out,
                                  struct vs_error *err)
{
    struct vs_buf key;
    bool inside = false;
    *found_out = false;
    vs_buf_init(&key, w->files->env, KEY_MAX_BYTES);
    enum vs_status status = vs_op_check(w->files->env, w->walk->op, err);
    if (status == VS_OK) {
        status = key_of(w->files, uri, &key, &inside, err);
    }
    if (status == VS_OK && inside) {
        status = vs_store_get(w->files->store, vs_buf_c_str(&key), bytes, err);
        *found_out = status == VS_OK;
        if (status == VS_NOT_FOUND) {
            status = w->walk->may_miss ? VS_OK
                                       : vs_fail(err, VS_CORRUPT,
                                                 "the %s %.*s, which the table names, is missing",
                                                 what, VS_STR_ARG(uri));
        }
    } else if (status == VS_OK && !w->walk->may_miss) {
        status = vs_fail(err, VS_DENIED,
                         "the table names the %s %.*s, which lies outside of its location", what,
                         VS_STR_ARG(uri));
    }
    vs_buf_clear(&key);
    return status;
}

static enum vs_status add_entries(struct walker *w,
                                  const struct vs_manifest_file *manifest,
                                  struct vs_str bytes,
                                  struct vs_error *err)
{
    char what[256];
    struct vs_arena arena;
    struct vs_data_file *entries = NULL;
    size_t count = 0;
    (void)snprintf(what, sizeof what, "manifest %.*s", VS_STR_SHORT(manifest->path));
    vs_arena_init(&arena, w->files->env, 0);
    const struct vs_manifest_read read = {.env = w->files->env,
                                          .bytes = bytes,
                                          .what = what,
                                          .manifest = manifest,
                                          .live_only = true,
                                          .few_statistics = true};
    enum vs_status status = vs_manifest_read(&read, &arena, &entries, &count, err);
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        status = vs_table_files_add(
            w->files, entries[i].path,
            entries[i].content == VS_CONTENT_DATA ? VS_TABLE_FILE_DATA : VS_TABLE_FILE_DELETES,
            entries[i].file_size > 0 ? (uint64_t)entries[i].file_size : 0, err);
    }
    vs_arena_clear(&arena);
    return status;
}

// Gives whether the manifest has to be read: not when it was before, or is known.
static enum vs_status note_manifest(struct walker *w,
                                    const struct vs_manifest_file *manifest,
                                    bool *added_out,
                                    struct vs_error *err)
{
    struct vs_buf key;
    bool inside = false;
    *added_out = false;
    vs_buf_init(&key, w->files->env, KEY_MAX_BYTES);
    enum vs_status status = key_of(w->files, manifest->path, &key, &inside, err);
    struct vs_str text = vs_buf_view(&key);
    if (status == VS_OK && !inside && !w->walk->may_miss) {
        status = vs_fail(err, VS_DENIED,
                         "the table names the manifest %.*s, which lies outside of its location",
                         VS_STR_ARG(manifest->path));
    }
    if (status == VS_OK && inside &&
        (w->walk->known == NULL || !vs_table_files_has(w->walk->known, text))) {
        status = add_key(w->files, text, VS_TABLE_FILE_MANIFEST,
                         manifest->length > 0 ? (uint64_t)manifest->length : 0, added_out, err);
    }
    vs_buf_clear(&key);
    return status;
}

static enum vs_status walk_manifest(struct walker *w,
                                    const struct vs_manifest_file *manifest,
                                    struct vs_error *err)
{
    struct vs_buf bytes;
    bool added = false, found = false;
    VS_TRY(note_manifest(w, manifest, &added, err));
    if (!added) {
        return VS_OK;
    }
    vs_buf_init(&bytes, w->files->env, OBJECT_MAX_BYTES);
    enum vs_status status = read_object(w, manifest->path, "manifest", &bytes, &found, err);
    if (status == VS_OK && found) {
        status = add_entries(w, manifest, vs_buf_view(&bytes), err);
    }
    vs_buf_clear(&bytes);
    return status;
}

// Early version 1 tables name their manifests in the metadata file.
static enum vs_status walk_embedded(struct walker *w,
                                    const struct vs_snapshot *snapshot,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_iter iter;
    const struct vs_json *item;
    const struct vs_json_limits limits = {.max_depth = JSON_DEPTH};
    struct vs_str text =
        vs_arena_printf(&w->scratch, "{%.*s}", (int)snapshot->extra_json.len,
                        snapshot->extra_json.len > 0 ? snapshot->extra_json.ptr : "");
    if (text.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a snapshot");
    }
    VS_TRY(vs_json_parse(w->files->env, text, "a snapshot", &limits, &doc, err));
    enum vs_status status = VS_OK;
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(doc), "manifests"));
    while (status == VS_OK && vs_json_iter_next(&iter, NULL, &item)) {
        struct vs_manifest_file manifest = {
            .length = -1, .spec_id = -1, .added_snapshot_id = VS_NO_SNAPSHOT, .first_row_id = -1};
        status = vs_json_to_str(item, &manifest.path)
                     ? walk_manifest(w, &manifest, err)
                     : vs_fail(err, VS_CORRUPT, "a snapshot's list of manifests holds no path");
    }
    vs_json_free(doc);
    return status;
}

static enum vs_status walk_list(struct walker *w,
                                const struct vs_snapshot *snapshot,
                                struct vs_error *err)
{
    struct vs_buf bytes;
    struct vs_manifest_file *manifests = NULL;
    size_t count = 0;
    bool found = false, added;
    vs_buf_init(&bytes, w->files->env, OBJECT_MAX_BYTES);
    enum vs_status status =
        read_object(w, snapshot->manifest_list, "manifest list", &bytes, &found, err);
    if (status == VS_OK) {
        status = add_uri(w->files, snapshot->manifest_list, VS_TABLE_FILE_MANIFEST_LIST, bytes.len,
                         &added, err);
    }
    if (status == VS_OK && found) {
        status = vs_manifest_list_read(w->files->env, vs_buf_view(&bytes), "manifest list",
                                       &w->scratch, &manifests, &count, err);
    }
    vs_buf_clear(&bytes);
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        status = walk_manifest(w, &manifests[i], err);
    }
    return status;
}

enum vs_status vs_table_files_walk(struct vs_table_files *files,
                                   const struct vs_table_files_walk *walk,
                                   struct vs_error *err)
{
    struct walker w = {.files = files, .walk = walk};
    vs_arena_init(&w.scratch, files->env, 0);
    enum vs_status status = VS_OK;
    for (size_t i = 0; status == VS_OK && i < walk->snapshot_count; i++) {
        const struct vs_snapshot *snapshot = &walk->snapshots[i];
        vs_arena_clear(&w.scratch);
        status = snapshot->manifest_list.len > 0 ? walk_list(&w, snapshot, err)
                                                 : walk_embedded(&w, snapshot, err);
        vs_op_progress(walk->op, "reading manifests", i + 1, walk->snapshot_count, "snapshots");
    }
    vs_arena_clear(&w.scratch);
    return status;
}

// ---- removing ----

enum vs_status vs_table_files_remove(const struct vs_table_files *files,
                                     enum vs_table_file_kind kind,
                                     const struct vs_table_files *kept,
                                     const struct vs_op *op,
                                     struct vs_error *err)
{
    const char *keys[REMOVE_CHUNK];
    size_t n = 0, count = vs_table_files_count(files);
    for (size_t i = 0; i < count; i++) {
        const struct vs_table_file *file = vs_table_files_get(files, i);
        if (file->kind == kind && (kept == NULL || !vs_table_files_has(kept, file->key))) {
            keys[n++] = file->key.ptr;
        }
        if (n == REMOVE_CHUNK || (n > 0 && i + 1 == count)) {
            VS_TRY(vs_op_check(files->env, op, err));
            VS_TRY(vs_store_remove_many(files->store, keys, n, err));
            n = 0;
        }
    }
    return VS_OK;
}
