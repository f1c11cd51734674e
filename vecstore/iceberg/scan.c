// SPDX-License-Identifier: Apache-2.0
/*
 * Planning: which data files a snapshot has, and which position delete files may apply to each.
 */
#include "vecstore/iceberg/scan.h"

#include "vecstore/base/checked.h"
#include "vecstore/iceberg/iceberg_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PLAN_BYTES ((size_t)8 << 30)

struct entry_list {
    struct vs_data_file *items;
    size_t count;
    size_t capacity;
};

struct planner {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    struct vs_scan_plan *plan;
    struct entry_list data, deletes;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to plan the scan of a snapshot");
}

static enum vs_status add_entry(struct planner *p,
                                struct entry_list *list,
                                const struct vs_data_file *entry,
                                struct vs_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct vs_data_file *items = vs_arena_alloc_array(&p->plan->arena, capacity, sizeof *items);
        if (items == NULL) {
            return no_memory(err);
        }
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *entry;
    return VS_OK;
}

static bool is_parquet(struct vs_str format)
{
    return vs_str_equal_nocase(format, VS_STR("PARQUET"));
}

// Fails closed: what cannot be applied is named, not skipped.
static enum vs_status check_entry(const struct vs_data_file *entry, struct vs_error *err)
{
    if (entry->content == VS_CONTENT_EQUALITY_DELETES) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the snapshot has equality deletes (%.*s), which cannot be applied yet; "
                       "compact the table with the engine "
                       "that wrote them",
                       VS_STR_ARG(entry->path));
    }
    if (entry->content == VS_CONTENT_POSITION_DELETES &&
        (entry->content_offset >= 0 || vs_str_equal_nocase(entry->format, VS_STR("PUFFIN")))) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the snapshot has deletion vectors (%.*s), which cannot be applied yet",
                       VS_STR_ARG(entry->path));
    }
    if (!is_parquet(entry->format)) {
        return vs_fail(err, VS_UNSUPPORTED, "%.*s has format %.*s; only Parquet files can be read",
                       VS_STR_ARG(entry->path), VS_STR_ARG(entry->format));
    }
    return VS_OK;
}

static enum vs_status add_manifest(struct planner *p,
                                   const struct vs_manifest_file *manifest,
                                   struct vs_error *err)
{
    struct vs_data_file *entries = NULL;
    size_t count = 0;
    struct vs_buf bytes;
    char what[256];
    (void)snprintf(what, sizeof what, "manifest %.*s", VS_STR_ARG(manifest->path));
    vs_buf_init(&bytes, p->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_object_read(p->env, p->store, p->metadata, manifest->path,
                                                 "manifest", &bytes, err);
    if (status == VS_OK) {
        status = vs_manifest_read(p->env, vs_buf_view(&bytes), what, manifest, &p->plan->arena,
                                  &entries, &count, err);
    }
    vs_buf_clear(&bytes);
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        const struct vs_data_file *entry = &entries[i];
        if (entry->status == VS_ENTRY_DELETED) {
            continue;
        }
        status = check_entry(entry, err);
        if (status == VS_OK) {
            status = add_entry(p, entry->content == VS_CONTENT_DATA ? &p->data : &p->deletes, entry,
                               err);
        }
    }
    return status;
}

static enum vs_status add_manifests(struct planner *p,
                                    const struct vs_snapshot *snapshot,
                                    struct vs_error *err)
{
    if (snapshot->manifest_list.len == 0) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "snapshot %lld lists its manifests inside the metadata file (an early "
                       "version 1 form), which cannot be read; "
                       "rewrite the table with a current engine",
                       (long long)snapshot->snapshot_id);
    }
    struct vs_manifest_file *manifests = NULL;
    size_t count = 0;
    struct vs_buf bytes;
    char what[256];
    (void)snprintf(what, sizeof what, "manifest list %.*s", VS_STR_ARG(snapshot->manifest_list));
    vs_buf_init(&bytes, p->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_object_read(
        p->env, p->store, p->metadata, snapshot->manifest_list, "manifest list", &bytes, err);
    if (status == VS_OK) {
        status = vs_manifest_list_read(p->env, vs_buf_view(&bytes), what, &p->plan->arena,
                                       &manifests, &count, err);
    }
    vs_buf_clear(&bytes);
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        if (manifests[i].added_files == 0 && manifests[i].existing_files == 0) {
            continue; // only deleted entries
        }
        status = add_manifest(p, &manifests[i], err);
    }
    return status;
}

static int compare_data(const void *a, const void *b)
{
    const struct vs_data_file *x = a, *y = b;
    if (x->sequence_number != y->sequence_number) {
        return x->sequence_number < y->sequence_number ? -1 : 1;
    }
    return vs_str_compare(x->path, y->path);
}

static int compare_path(const void *a, const void *b)
{
    const struct vs_data_file *const *x = a, *const *y = b;
    return vs_str_compare((*x)->path, (*y)->path);
}

// The only data file that a position delete file can apply to; ptr == NULL: any.
static struct vs_str delete_target(const struct vs_data_file *d)
{
    if (d->referenced_data_file.ptr != NULL) {
        return d->referenced_data_file;
    }
    for (size_t i = 0; i < d->lower_count; i++) {
        for (size_t j = 0; j < d->upper_count && d->lower_bounds[i].key == VS_DELETE_PATH_ID; j++) {
            if (d->upper_bounds[j].key == VS_DELETE_PATH_ID &&
                vs_str_equal(d->lower_bounds[i].value, d->upper_bounds[j].value)) {
                return d->lower_bounds[i].value;
            }
        }
    }
    return (struct vs_str){NULL, 0};
}

static bool applies(const struct vs_data_file *d, const struct vs_data_file *data)
{
    return data->sequence_number <= d->sequence_number && data->spec_id == d->spec_id &&
           vs_str_equal(data->partition_key, d->partition_key);
}

// Files by path, to find the target of a delete file.
static struct vs_scan_file *find_file(const struct vs_data_file *const *by_path,
                                      size_t count,
                                      struct vs_str path)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = vs_str_compare(by_path[middle]->path, path);
        if (order == 0) {
            // data is the first member of vs_scan_file
            union {
                const struct vs_data_file *in;
                struct vs_scan_file *out;
            } cast = {by_path[middle]};

            return cast.out;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

// Two passes over the delete files: count, then fill.
static enum vs_status match_deletes(struct planner *p,
                                    const struct vs_data_file *const *by_path,
                                    bool fill,
                                    struct vs_error *err)
{
    struct vs_scan_plan *plan = p->plan;
    for (size_t i = 0; i < plan->file_count && fill; i++) {
        plan->files[i].deletes = vs_arena_alloc_array(&plan->arena, plan->files[i].delete_count,
                                                      sizeof *plan->files[i].deletes);
        if (plan->files[i].deletes == NULL) {
            return no_memory(err);
        }
        plan->files[i].delete_count = 0;
    }
    for (size_t i = 0; i < p->deletes.count; i++) {
        const struct vs_data_file *d = &p->deletes.items[i];
        struct vs_str target = delete_target(d);
        struct vs_scan_file *only =
            target.ptr != NULL ? find_file(by_path, plan->file_count, target) : NULL;
        size_t first = only != NULL ? (size_t)(only - plan->files) : 0;
        size_t end = target.ptr == NULL ? plan->file_count : (only != NULL ? first + 1 : 0);
        for (size_t f = first; f < end; f++) {
            struct vs_scan_file *file = &plan->files[f];
            if (!applies(d, &file->data)) {
                continue;
            }
            if (fill) {
                file->deletes[file->delete_count] = d;
            }
            file->delete_count++;
        }
    }
    return VS_OK;
}

static enum vs_status make_files(struct planner *p, struct vs_error *err)
{
    struct vs_scan_plan *plan = p->plan;
    if (p->data.count > 1) {
        qsort(p->data.items, p->data.count, sizeof *p->data.items, compare_data);
    }
    plan->files = vs_arena_alloc_array(&plan->arena, p->data.count, sizeof *plan->files);
    const struct vs_data_file **by_path =
        vs_arena_alloc_array(&plan->arena, p->data.count, sizeof *by_path);
    if (plan->files == NULL || by_path == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < p->data.count; i++) {
        plan->files[i].data = p->data.items[i];
        by_path[i] = &plan->files[i].data;
        if (!vs_add_u64(plan->record_count, (uint64_t)p->data.items[i].record_count,
                        &plan->record_count)) {
            return vs_fail(err, VS_CORRUPT, "the record counts of the snapshot's files overflow");
        }
    }
    plan->file_count = p->data.count;
    if (p->data.count > 1) {
        qsort(by_path, p->data.count, sizeof *by_path, compare_path);
    }
    for (size_t i = 1; i < p->data.count; i++) {
        if (vs_str_equal(by_path[i]->path, by_path[i - 1]->path)) {
            return vs_fail(err, VS_CORRUPT, "the snapshot lists data file %.*s twice",
                           VS_STR_ARG(by_path[i]->path));
        }
    }
    VS_TRY(match_deletes(p, by_path, false, err));
    return match_deletes(p, by_path, true, err);
}

static enum vs_status make_plan(struct planner *p, int64_t snapshot_id, struct vs_error *err)
{
    struct vs_scan_plan *plan = p->plan;
    plan->snapshot_id = snapshot_id;
    plan->location = vs_arena_copy_str(&plan->arena, p->metadata->location);
    plan->moved_from = vs_arena_copy_str(&plan->arena, p->metadata->moved_from);
    plan->moved_to = vs_arena_copy_str(&plan->arena, p->metadata->moved_to);
    if (plan->location.ptr == NULL || plan->moved_from.ptr == NULL || plan->moved_to.ptr == NULL) {
        return no_memory(err);
    }
    if (snapshot_id == VS_NO_SNAPSHOT) {
        return VS_OK;
    }
    const struct vs_snapshot *snapshot = vs_table_snapshot(p->metadata, snapshot_id);
    if (snapshot == NULL) {
        return vs_fail(err, VS_NOT_FOUND,
                       "the table has no snapshot %lld (it may have been expired)",
                       (long long)snapshot_id);
    }
    VS_TRY(add_manifests(p, snapshot, err));
    return make_files(p, err);
}

enum vs_status vs_scan_plan_make(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 int64_t snapshot_id,
                                 struct vs_scan_plan **plan_out,
                                 struct vs_error *err)
{
    struct vs_scan_plan *plan = vs_alloc_zeroed(env, 1, sizeof *plan);
    if (plan == NULL) {
        return no_memory(err);
    }
    vs_arena_init(&plan->arena, env, MAX_PLAN_BYTES);
    struct planner planner = {.env = env, .store = store, .metadata = metadata, .plan = plan};
    enum vs_status status = make_plan(&planner, snapshot_id, err);
    if (status != VS_OK) {
        vs_scan_plan_free(plan);
        return status;
    }
    *plan_out = plan;
    return VS_OK;
}

void vs_scan_plan_free(struct vs_scan_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    const struct vs_env *env = plan->arena.env;
    vs_arena_clear(&plan->arena);
    vs_free(env, plan);
}
