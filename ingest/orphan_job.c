// SPDX-License-Identifier: Apache-2.0
#include "ingest/orphan_job.h"

#include "ingest/old_metadata.h"

#include <string.h>

#define REMOVE_CHUNK 1000

struct orphan_search {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    const struct vs_orphan_job *job;
    struct vs_orphan_result *result;
    struct vs_table_files kept; // what the table named before the listing or names after it
    struct vs_buf found;        // struct vs_orphan
    struct vs_buf foreign;      // struct vs_str: folders of other tables, with a slash behind
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for the files of a table");
}

// ---- what a table names ----

static enum vs_status keep_named(struct orphan_search *search,
                                 const struct vs_table *table,
                                 struct vs_error *err)
{
    const struct vs_table_files_walk walk = {.snapshots = table->metadata->snapshots,
                                             .snapshot_count = table->metadata->snapshot_count,
                                             .op = search->job->op};
    VS_TRY(vs_table_files_add_named(&search->kept, table->metadata, table->metadata_uri, err));
    return vs_table_files_walk(&search->kept, &walk, err);
}

// ---- names that stay whatever names them ----

// Java's rule: names with '.' or '_' in front are hidden, unless they are a partition's.
static bool is_hidden(struct vs_str below)
{
    bool more = true;
    while (more) {
        struct vs_str part = below, rest = {NULL, 0};
        more = vs_str_split(below, '/', &part, &rest);
        part = more ? part : below;
        below = rest;
        if (part.len > 0 && (part.ptr[0] == '.' || part.ptr[0] == '_') &&
            memchr(part.ptr, '=', part.len) == NULL) {
            return true;
        }
    }
    return false;
}

static bool is_reserved(struct vs_str below)
{
    int64_t number;
    bool is_version = false;
    return vs_str_starts_with(below, VS_STR("quarantine/")) ||
           vs_str_equal_c(below, "metadata/version-hint.text") || is_hidden(below) ||
           (vs_metadata_file_number(below, &number, &is_version) && is_version);
}

// ---- the listing ----

// Another table below this one ("<folder>/metadata/….metadata.json"): its folder is its own.
static enum vs_status note_foreign(struct orphan_search *search,
                                   struct vs_str key,
                                   struct vs_error *err)
{
    static const char middle[] = "/metadata/";
    size_t name = key.len, n = sizeof middle - 1;
    while (name > 0 && key.ptr[name - 1] != '/') {
        name--;
    }
    if (name < search->kept.prefix.len + n || memcmp(key.ptr + name - n, middle, n) != 0) {
        return VS_OK;
    }
    struct vs_str folder =
        vs_arena_copy_str(&search->result->arena, (struct vs_str){key.ptr, name - n + 1});
    return folder.ptr != NULL ? vs_buf_append(&search->foreign, &folder, sizeof folder, err)
                              : no_memory(err);
}

static bool is_metadata_name(struct vs_str key)
{
    return vs_str_ends_with(key, VS_STR(".metadata.json")) ||
           vs_str_ends_with(key, VS_STR(".metadata.json.gz"));
}

static enum vs_status visit(void *ctx, const struct vs_object_info *object, struct vs_error *err)
{
    struct orphan_search *search = ctx;
    struct vs_str prefix = search->kept.prefix;
    struct vs_str below = {object->key.ptr + prefix.len, object->key.len - prefix.len};
    VS_TRY(vs_op_check(search->env, search->job->op, err));
    if (is_metadata_name(object->key)) {
        VS_TRY(note_foreign(search, object->key, err));
    }
    if (object->modified_ms >= search->job->older_than_ms || is_reserved(below) ||
        vs_table_files_has(&search->kept, object->key)) {
        return VS_OK;
    }
    struct vs_str key = vs_arena_copy_str(&search->result->arena, object->key);
    if (key.ptr == NULL) {
        return no_memory(err);
    }
    const struct vs_orphan orphan = {
        .key = key.ptr, .bytes = object->size, .modified_ms = object->modified_ms};
    return vs_buf_append(&search->found, &orphan, sizeof orphan, err);
}

static bool is_foreign(const struct orphan_search *search, struct vs_str key)
{
    const struct vs_str *folders = (const struct vs_str *)(const void *)search->foreign.data;
    for (size_t i = 0; i < search->foreign.len / sizeof *folders; i++) {
        if (vs_str_starts_with(key, folders[i])) {
            return true;
        }
    }
    return false;
}

static enum vs_status choose(struct orphan_search *search, struct vs_error *err)
{
    const struct vs_orphan *found = (const struct vs_orphan *)(const void *)search->found.data;
    size_t count = search->found.len / sizeof *found;
    struct vs_orphan_result *result = search->result;
    struct vs_orphan *orphans = vs_arena_alloc_array(&result->arena, count, sizeof *orphans);
    if (orphans == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        struct vs_str key = vs_str_from_c(found[i].key);
        if (!vs_table_files_has(&search->kept, key) && !is_foreign(search, key)) {
            orphans[result->count++] = found[i];
            result->bytes += found[i].bytes;
        }
    }
    result->orphans = orphans;
    return VS_OK;
}

static enum vs_status remove_orphans(struct orphan_search *search,
                                     struct vs_store *store,
                                     struct vs_error *err)
{
    const char *keys[REMOVE_CHUNK];
    struct vs_orphan_result *result = search->result;
    while (result->removed < result->count) {
        size_t n = 0;
        while (n < REMOVE_CHUNK && result->removed + n < result->count) {
            keys[n] = result->orphans[result->removed + n].key;
            n++;
        }
        VS_TRY(vs_op_check(search->env, search->job->op, err));
        VS_TRY(vs_store_remove_many(store, keys, n, err));
        result->removed += n;
        vs_op_progress(search->job->op, "removing", result->removed, result->count, "files");
    }
    return VS_OK;
}

// ---- the job ----

static enum vs_status check_table(const struct vs_table *table, struct vs_error *err)
{
    if (vs_str_equal_nocase(vs_table_property(table->metadata, "gc.enabled"), VS_STR("false"))) {
        return vs_fail(err, VS_INVALID,
                       "table property gc.enabled is false: another table may use this one's "
                       "files, so none is an orphan for certain");
    }
    return VS_OK;
}

static enum vs_status list_files(struct orphan_search *search,
                                 const struct vs_table *table,
                                 struct vs_error *err)
{
    VS_TRY(check_table(table, err));
    VS_TRY(vs_table_files_init(&search->kept, search->env, table->store, table->metadata->location,
                               err));
    VS_TRY(keep_named(search, table, err));
    return vs_store_list(table->store, search->kept.prefix.ptr, visit, search, err);
}

static enum vs_status keep_newest(struct orphan_search *search,
                                  const struct vs_table *before,
                                  struct vs_error *err)
{
    struct vs_table *newest = NULL;
    VS_TRY(vs_catalog_load(search->catalog, search->job->table, &newest, err));
    bool is_same = memcmp(&newest->metadata->uuid, &before->metadata->uuid,
                          sizeof newest->metadata->uuid) == 0 &&
                   newest->store == before->store &&
                   vs_str_equal(newest->metadata->location, before->metadata->location);
    enum vs_status status =
        is_same
            ? keep_named(search, newest, err)
            : vs_fail(err, VS_CONFLICT, "the table was made anew or moved meanwhile; try again");
    vs_table_release(newest);
    return status;
}

static enum vs_status search_table(struct orphan_search *search,
                                   const struct vs_table *table,
                                   struct vs_error *err)
{
    VS_TRY(list_files(search, table, err));
    VS_TRY(keep_newest(search, table, err));
    VS_TRY(choose(search, err));
    search->result->root_uri = vs_arena_copy_c(&search->result->arena, table->store->root_uri);
    if (search->result->root_uri == NULL) {
        return no_memory(err);
    }
    return search->job->remove ? remove_orphans(search, table->store, err) : VS_OK;
}

enum vs_status vs_orphan_job_run(struct vs_catalog *catalog,
                                 const struct vs_orphan_job *job,
                                 struct vs_orphan_result *result_out,
                                 struct vs_error *err)
{
    struct vs_orphan_result result = {0};
    struct orphan_search search = {
        .env = vs_catalog_env(catalog), .catalog = catalog, .job = job, .result = &result};
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_load(catalog, job->table, &table, err));
    vs_arena_init(&result.arena, search.env, 0);
    vs_buf_init(&search.found, search.env, SIZE_MAX / 2);
    vs_buf_init(&search.foreign, search.env, SIZE_MAX / 2);
    enum vs_status status = search_table(&search, table, err);
    vs_table_files_clear(&search.kept);
    vs_buf_clear(&search.found);
    vs_buf_clear(&search.foreign);
    vs_table_release(table);
    if (status != VS_OK) {
        vs_orphan_result_clear(&result);
        return vs_wrap(err, status, "looking for orphans of table %s", job->table);
    }
    *result_out = result;
    return VS_OK;
}

void vs_orphan_result_clear(struct vs_orphan_result *result)
{
    vs_arena_clear(&result->arena);
    memset(result, 0, sizeof *result);
}
