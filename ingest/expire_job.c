// SPDX-License-Identifier: Apache-2.0
#include "ingest/expire_job.h"

#include "ingest/old_metadata.h"
#include "vecstore/iceberg/metadata_edit.h"

#include <string.h>

struct expiry {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    const struct vs_expire_job *job;
    // of the last attempt
    struct vs_arena *arena;
    struct vs_snapshot *gone; // manifest_list and extra_json are copies
    size_t gone_count;
    struct vs_table_file *statistics; // key holds the URI
    size_t statistics_count, statistics_capacity;
    size_t dropped_refs;
    int64_t *ids;
    bool nothing;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to expire snapshots");
}

// ---- the commit, and what it takes out of the metadata ----

static bool is_gone(const struct expiry *x, int64_t snapshot_id)
{
    for (size_t i = 0; i < x->gone_count; i++) {
        if (x->gone[i].snapshot_id == snapshot_id) {
            return true;
        }
    }
    return false;
}

static enum vs_status keep_statistics(
    struct expiry *x, int64_t snapshot_id, struct vs_str path, uint64_t size, struct vs_error *err)
{
    if (!is_gone(x, snapshot_id)) {
        return VS_OK;
    }
    if (x->statistics_count == x->statistics_capacity) {
        size_t capacity = x->statistics_capacity * 2 + 16;
        struct vs_table_file *grown = vs_arena_alloc_array(x->arena, capacity, sizeof *grown);
        if (grown == NULL) {
            return no_memory(err);
        }
        if (x->statistics_count > 0) {
            memcpy(grown, x->statistics, x->statistics_count * sizeof *grown);
        }
        x->statistics = grown;
        x->statistics_capacity = capacity;
    }
    struct vs_table_file *item = &x->statistics[x->statistics_count];
    *item = (struct vs_table_file){.key = vs_arena_copy_str(x->arena, path), .size = size};
    x->statistics_count++;
    return item->key.ptr != NULL ? VS_OK : no_memory(err);
}

static enum vs_status visit_partition_statistics(
    void *ctx, int64_t snapshot_id, struct vs_str path, uint64_t size, struct vs_error *err)
{
    return keep_statistics(ctx, snapshot_id, path, size, err);
}

// The base's metadata dies with the attempt: what the removal needs of it is copied.
static enum vs_status capture(struct expiry *x,
                              const struct vs_table_metadata *base,
                              const int64_t *ids,
                              size_t count,
                              struct vs_error *err)
{
    x->gone = vs_arena_alloc_array(x->arena, count, sizeof *x->gone);
    x->ids = vs_arena_alloc_array(x->arena, count, sizeof *x->ids);
    if (x->gone == NULL || x->ids == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct vs_snapshot *snapshot = vs_table_snapshot(base, ids[i]);
        struct vs_snapshot *copy = &x->gone[x->gone_count++];
        *copy = (struct vs_snapshot){.snapshot_id = ids[i]};
        x->ids[i] = ids[i];
        copy->manifest_list = vs_arena_copy_str(x->arena, snapshot->manifest_list);
        copy->extra_json = vs_arena_copy_str(x->arena, snapshot->extra_json);
        if (copy->manifest_list.ptr == NULL || copy->extra_json.ptr == NULL) {
            return no_memory(err);
        }
    }
    for (size_t i = 0; i < base->statistics_count; i++) {
        const struct vs_statistics *s = &base->statistics[i];
        VS_TRY(keep_statistics(x, s->snapshot_id, s->path, s->file_size, err));
    }
    return vs_partition_statistics_visit(x->env, base, visit_partition_statistics, x, err);
}

static enum vs_status expire(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    struct expiry *x = ctx;
    const struct vs_expire ask = {.older_than_ms = x->job->older_than_ms,
                                  .retain_last = x->job->retain_last,
                                  .snapshot_ids = x->job->snapshot_ids,
                                  .snapshot_id_count = x->job->snapshot_id_count};
    int64_t *removed = NULL;
    size_t count = 0;
    vs_arena_clear(x->arena);
    x->gone_count = x->statistics_count = x->statistics_capacity = 0;
    VS_TRY(vs_edit_expire(edit, &ask, &removed, &count, err));
    x->dropped_refs = edit->base->ref_count - edit->next.ref_count;
    x->nothing = count == 0 && x->dropped_refs == 0;
    if (x->nothing) {
        return vs_fail(err, VS_NOT_FOUND, "no snapshot is to be expired"); // no empty commit
    }
    return capture(x, edit->base, removed, count, err);
}

// ---- the files ----

static enum vs_status find_kept(struct expiry *x,
                                const struct vs_table *table,
                                const struct vs_table_metadata *metadata,
                                struct vs_table_files *kept,
                                struct vs_error *err)
{
    const struct vs_table_files_walk walk = {.snapshots = metadata->snapshots,
                                             .snapshot_count = metadata->snapshot_count,
                                             .op = x->job->op};
    VS_TRY(vs_table_files_add_named(kept, metadata, table->metadata_uri, err));
    return x->gone_count > 0 ? vs_table_files_walk(kept, &walk, err) : VS_OK;
}

static enum vs_status find_gone(struct expiry *x,
                                const struct vs_table_files *kept,
                                struct vs_table_files *gone,
                                struct vs_error *err)
{
    const struct vs_table_files_walk walk = {.snapshots = x->gone,
                                             .snapshot_count = x->gone_count,
                                             .known = kept,
                                             .may_miss = true,
                                             .op = x->job->op};
    VS_TRY(vs_table_files_walk(gone, &walk, err));
    for (size_t i = 0; i < x->statistics_count; i++) {
        VS_TRY(vs_table_files_add(gone, x->statistics[i].key, VS_TABLE_FILE_STATISTICS,
                                  x->statistics[i].size, err));
    }
    return VS_OK;
}

static void count_removed(const struct vs_table_files *gone,
                          const struct vs_table_files *kept,
                          struct vs_expire_result *result)
{
    for (size_t i = 0; i < vs_table_files_count(gone); i++) {
        const struct vs_table_file *file = vs_table_files_get(gone, i);
        if (!vs_table_files_has(kept, file->key)) {
            result->removed[file->kind]++;
            result->bytes += file->size;
        }
    }
}

static enum vs_status remove_files(struct expiry *x,
                                   const struct vs_table *table,
                                   const struct vs_table_metadata *metadata,
                                   struct vs_expire_result *result,
                                   struct vs_error *err)
{
    struct vs_table_files kept = {0}, gone = {0};
    enum vs_status status =
        vs_table_files_init(&kept, x->env, table->store, metadata->location, err);
    if (status == VS_OK) {
        status = vs_table_files_init(&gone, x->env, table->store, metadata->location, err);
    }
    if (status == VS_OK) {
        status = find_kept(x, table, metadata, &kept, err);
    }
    if (status == VS_OK) {
        status = find_gone(x, &kept, &gone, err);
    }
    if (status == VS_OK) {
        count_removed(&gone, &kept, result);
    }
    for (int kind = 0; status == VS_OK && !x->job->dry_run && kind < VS_TABLE_FILE_KINDS; kind++) {
        status =
            vs_table_files_remove(&gone, (enum vs_table_file_kind)kind, &kept, x->job->op, err);
    }
    if (status == VS_OK) {
        status =
            vs_old_metadata_remove(table, &kept, x->job->dry_run,
                                   &result->removed[VS_TABLE_FILE_METADATA], &result->bytes, err);
    }
    vs_table_files_clear(&kept);
    vs_table_files_clear(&gone);
    return status;
}

// ---- the job ----

static enum vs_status dry_run(struct expiry *x,
                              struct vs_expire_result *result,
                              struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct vs_metadata_edit edit;
    struct vs_arena arena;
    VS_TRY(vs_catalog_load(x->catalog, x->job->table, &table, err));
    vs_arena_init(&arena, x->env, 0);
    vs_metadata_edit_begin(&edit, x->env, &arena, table->metadata, vs_wall_ms(x->env));
    enum vs_status status = expire(x, &edit, err);
    if (status == VS_OK || x->nothing) {
        status = remove_files(x, table, &edit.next, result, err);
    }
    vs_arena_clear(&arena);
    vs_table_release(table);
    return status;
}

// The newest state decides, not the commit's own: others may have come after it.
static enum vs_status remove_from_newest(struct expiry *x,
                                         struct vs_expire_result *result,
                                         struct vs_error *err)
{
    struct vs_table *table = NULL;
    enum vs_status status = vs_catalog_load(x->catalog, x->job->table, &table, err);
    if (status == VS_OK) {
        status = remove_files(x, table, table->metadata, result, err);
    }
    vs_table_release(table);
    if (status == VS_OK || x->nothing) {
        return status;
    }
    return vs_wrap(err, status,
                   "%zu snapshots were expired, but not all of their files removed (vecstore table "
                   "orphans finds them later)",
                   x->gone_count);
}

static enum vs_status expire_and_remove(struct expiry *x,
                                        struct vs_expire_result *result,
                                        struct vs_error *err)
{
    const struct vs_intent intent = {.edit = expire, .edit_ctx = x};
    struct vs_commit_result committed = {0};
    enum vs_status status =
        vs_catalog_commit(x->catalog, x->job->table, &intent, x->job->op, &committed, err);
    vs_table_release(committed.table);
    return status == VS_OK || (status == VS_NOT_FOUND && x->nothing)
               ? remove_from_newest(x, result, err)
               : status;
}

enum vs_status vs_expire_job_run(struct vs_catalog *catalog,
                                 const struct vs_expire_job *job,
                                 struct vs_expire_result *result_out,
                                 struct vs_error *err)
{
    struct vs_expire_result result = {0};
    struct expiry x = {.env = vs_catalog_env(catalog), .catalog = catalog, .job = job};
    vs_arena_init(&result.arena, x.env, 0);
    x.arena = &result.arena;
    enum vs_status status =
        job->dry_run ? dry_run(&x, &result, err) : expire_and_remove(&x, &result, err);
    if (status != VS_OK) {
        vs_expire_result_clear(&result);
        return vs_wrap(err, status, "expiring snapshots of table %s", job->table);
    }
    result.expired = x.ids;
    result.expired_count = x.gone_count;
    result.dropped_refs = x.dropped_refs;
    *result_out = result;
    return VS_OK;
}

void vs_expire_result_clear(struct vs_expire_result *result)
{
    vs_arena_clear(&result->arena);
    memset(result, 0, sizeof *result);
}
