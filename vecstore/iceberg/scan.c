// SPDX-License-Identifier: Apache-2.0
/*
 * Planning: which data files a snapshot has, and which delete files may apply to each.
 *
 * Manifests are read side by side, each into an arena of its own; what the predicate leaves is
 * copied into the plan. The plan's order does not depend on the order of reading.
 */
#include "vecstore/iceberg/scan.h"

#include "vecstore/base/checked.h"
#include "vecstore/base/pool.h"
#include "vecstore/iceberg/contract.h"
#include "vecstore/iceberg/scan_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PLAN_BYTES ((size_t)8 << 30)
#define MAX_JSON_DEPTH 16
#define MAX_PREDICATE_DEPTH 100

struct planner {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    const struct vs_predicate *predicate; // NULL: none
    size_t thread_count;
    int32_t *statistics_ids; // of data files
    size_t statistics_id_count;
    struct vs_scan_plan *plan;
    struct vs_arena scratch; // as long as planning
    struct vs_manifest_file *manifests;
    size_t manifest_count;
    const struct vs_manifest_file **chosen;
    size_t chosen_count;
    pthread_mutex_t lock; // of what follows, and of the plan's arena
    struct vs_entry_list data, deletes;
    struct vs_scan_counts counts;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to plan the scan of a snapshot");
}

// ---- entries ----

static bool copy_text(struct vs_arena *arena, struct vs_str *text)
{
    if (text->ptr == NULL) {
        return true;
    }
    *text = vs_arena_copy_str(arena, *text);
    return text->ptr != NULL;
}

static bool copy_bounds(struct vs_arena *arena, struct vs_int_bytes **items, size_t count)
{
    if (count == 0) {
        *items = NULL;
        return true;
    }
    struct vs_int_bytes *copy = vs_arena_alloc_array(arena, count, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = (*items)[i];
        if (!copy_text(arena, &copy[i].value)) {
            return false;
        }
    }
    *items = copy;
    return copy != NULL;
}

// Plain bytes; NULL for none.
static bool copy_array(struct vs_arena *arena, void *items, size_t count, size_t size)
{
    void *copy = NULL;
    const void *from;
    memcpy(&from, items, sizeof from);
    if (count > 0) {
        copy = vs_arena_alloc_array(arena, count, size);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, from, count * size);
    }
    memcpy(items, &copy, sizeof copy);
    return true;
}

static bool copy_tuple(struct vs_arena *arena,
                       struct vs_data_file *copy,
                       const struct vs_data_file *last)
{
    if (last != NULL && last->partition_count == copy->partition_count &&
        last->spec_id == copy->spec_id && vs_str_equal(last->partition_key, copy->partition_key)) {
        copy->partition = last->partition;
        copy->partition_key = last->partition_key;
        return true;
    }
    if (!copy_array(arena, &copy->partition, copy->partition_count, sizeof *copy->partition) ||
        !copy_text(arena, &copy->partition_key)) {
        return false;
    }
    for (size_t i = 0; i < copy->partition_count; i++) {
        if (!vs_value_keep(&copy->partition[i], arena)) {
            return false;
        }
    }
    return true;
}

// Into the plan's arena; partitions that follow each other share their tuple.
static bool copy_entry(struct vs_arena *arena,
                       struct vs_data_file *copy,
                       const struct vs_data_file *last)
{
    copy->column_size_count = copy->split_count = 0;
    copy->column_sizes = NULL;
    copy->split_offsets = NULL;
    if (vs_str_equal_c(copy->format, "PARQUET")) {
        copy->format = VS_STR("PARQUET");
    } else if (!copy_text(arena, &copy->format)) {
        return false;
    }
    return copy_text(arena, &copy->path) && copy_text(arena, &copy->referenced_data_file) &&
           copy_tuple(arena, copy, last) &&
           copy_array(arena, &copy->value_counts, copy->value_count_count,
                      sizeof *copy->value_counts) &&
           copy_array(arena, &copy->null_counts, copy->null_count_count,
                      sizeof *copy->null_counts) &&
           copy_array(arena, &copy->nan_counts, copy->nan_count_count, sizeof *copy->nan_counts) &&
           copy_array(arena, &copy->equality_ids, copy->equality_count,
                      sizeof *copy->equality_ids) &&
           copy_bounds(arena, &copy->lower_bounds, copy->lower_count) &&
           copy_bounds(arena, &copy->upper_bounds, copy->upper_count);
}

static enum vs_status add_entry(struct planner *p,
                                const struct vs_data_file *entry,
                                struct vs_error *err)
{
    struct vs_entry_list *list = entry->content == VS_CONTENT_DATA ? &p->data : &p->deletes;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity + list->capacity / 2;
        size_t bytes;
        struct vs_data_file *items = vs_mul_size(capacity, sizeof *items, &bytes)
                                         ? vs_realloc(p->env, list->items, bytes)
                                         : NULL;
        if (items == NULL) {
            return no_memory(err);
        }
        list->items = items;
        list->capacity = capacity;
    }
    struct vs_data_file *copy = &list->items[list->count];
    *copy = *entry;
    if (!copy_entry(&p->plan->arena, copy, list->count > 0 ? copy - 1 : NULL)) {
        return no_memory(err);
    }
    list->count++;
    return VS_OK;
}

// Fails closed: what cannot be read is named, not skipped.
static enum vs_status check_entry(const struct vs_data_file *entry, struct vs_error *err)
{
    bool is_puffin = vs_str_equal_nocase(entry->format, VS_STR("PUFFIN"));
    if (entry->content == VS_CONTENT_POSITION_DELETES && is_puffin) {
        return entry->content_offset >= 0 && entry->content_size > 0
                   ? VS_OK
                   : vs_fail(err, VS_CORRUPT,
                             "deletion vector %.*s has no content_offset or content_size_in_bytes",
                             VS_STR_ARG(entry->path));
    }
    if (entry->content == VS_CONTENT_EQUALITY_DELETES && entry->equality_count == 0) {
        return vs_fail(err, VS_CORRUPT, "equality delete file %.*s names no equality_ids",
                       VS_STR_ARG(entry->path));
    }
    if (!vs_str_equal_nocase(entry->format, VS_STR("PARQUET"))) {
        return vs_fail(err, VS_UNSUPPORTED, "%.*s has format %.*s; only Parquet files can be read",
                       VS_STR_ARG(entry->path), VS_STR_ARG(entry->format));
    }
    return VS_OK;
}

// ---- manifests ----

static const int32_t delete_statistics[] = {VS_DELETE_PATH_ID};

static enum vs_status read_entries(struct planner *p,
                                   const struct vs_manifest_file *manifest,
                                   struct vs_arena *arena,
                                   struct vs_data_file **entries,
                                   size_t *count,
                                   struct vs_error *err)
{
    struct vs_buf bytes;
    char what[256];
    (void)snprintf(what, sizeof what, "manifest %.*s", VS_STR_ARG(manifest->path));
    vs_buf_init(&bytes, p->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_object_read(p->env, p->store, p->metadata, manifest->path,
                                                 "manifest", &bytes, err);
    if (status == VS_OK) {
        bool is_data = manifest->content == 0;
        const struct vs_manifest_read read = {
            .env = p->env,
            .bytes = vs_buf_view(&bytes),
            .what = what,
            .manifest = manifest,
            .metadata = p->metadata,
            .live_only = true,
            .few_statistics = true,
            .statistics_ids = is_data ? p->statistics_ids : delete_statistics,
            .statistics_id_count = is_data ? p->statistics_id_count : 1};
        status = vs_manifest_read(&read, arena, entries, count, err);
    }
    vs_buf_clear(&bytes);
    return status;
}

// Keeps the entries that the predicate leaves, at the front.
static enum vs_status prune_entries(const struct planner *p,
                                    struct vs_arena *arena,
                                    struct vs_data_file *entries,
                                    size_t *count,
                                    struct vs_error *err)
{
    struct vs_pruner pruner;
    size_t kept = 0;
    if (p->predicate == NULL || *count == 0) {
        return VS_OK;
    }
    VS_TRY(vs_pruner_init(&pruner, p->metadata, p->predicate, entries[0].spec_id, arena, err));
    for (size_t i = 0; i < *count; i++) {
        if (vs_prune_entry(&pruner, &entries[i])) {
            entries[kept++] = entries[i];
        }
    }
    *count = kept;
    return VS_OK;
}

static enum vs_status read_manifest(void *ctx, size_t index, struct vs_error *err)
{
    struct planner *p = ctx;
    struct vs_data_file *entries = NULL;
    size_t count = 0;
    struct vs_arena arena;
    vs_arena_init(&arena, p->env, MAX_PLAN_BYTES);
    enum vs_status status = read_entries(p, p->chosen[index], &arena, &entries, &count, err);
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        status = check_entry(&entries[i], err);
    }
    size_t before = count;
    if (status == VS_OK) {
        status = prune_entries(p, &arena, entries, &count, err);
    }
    if (status == VS_OK) {
        (void)pthread_mutex_lock(&p->lock);
        p->counts.files_skipped += before - count;
        for (size_t i = 0; status == VS_OK && i < count; i++) {
            status = add_entry(p, &entries[i], err);
        }
        (void)pthread_mutex_unlock(&p->lock);
    }
    vs_arena_clear(&arena);
    return status;
}

// ---- manifest lists ----

// Early version 1 tables name their manifests in the metadata file.
static enum vs_status embedded_manifests(struct planner *p,
                                         const struct vs_json *list,
                                         struct vs_error *err)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    size_t count = vs_json_count(list);
    p->manifests = vs_arena_alloc_array(&p->scratch, count, sizeof *p->manifests);
    if (p->manifests == NULL) {
        return no_memory(err);
    }
    vs_json_iter_init(&iter, list);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        struct vs_str path;
        if (!vs_json_to_str(item, &path) || path.len == 0) {
            return vs_fail(err, VS_CORRUPT, "a snapshot's list of manifests holds no path");
        }
        struct vs_manifest_file *m = &p->manifests[p->manifest_count++];
        *m = (struct vs_manifest_file){.path = vs_arena_copy_str(&p->scratch, path),
                                       .length = -1,
                                       .spec_id = -1, // as its header says
                                       .added_snapshot_id = VS_NO_SNAPSHOT,
                                       .added_files = -1,
                                       .existing_files = -1,
                                       .deleted_files = -1,
                                       .added_rows = -1,
                                       .existing_rows = -1,
                                       .deleted_rows = -1,
                                       .first_row_id = -1};
        if (m->path.ptr == NULL) {
            return no_memory(err);
        }
    }
    return VS_OK;
}

static enum vs_status read_embedded(struct planner *p,
                                    const struct vs_snapshot *snapshot,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    // (VS_STR_ARG is for messages: it cuts long text)
    struct vs_str text =
        vs_arena_printf(&p->scratch, "{%.*s}", (int)snapshot->extra_json.len,
                        snapshot->extra_json.len > 0 ? snapshot->extra_json.ptr : "");
    if (text.ptr == NULL) {
        return no_memory(err);
    }
    const struct vs_json_limits limits = {.max_depth = MAX_JSON_DEPTH};
    VS_TRY(vs_json_parse(p->env, text, "a snapshot", &limits, &doc, err));
    const struct vs_json *list = vs_json_get(vs_json_root(doc), "manifests");
    enum vs_status status =
        vs_json_is(list, VS_JSON_ARRAY)
            ? embedded_manifests(p, list, err)
            : vs_fail(err, VS_CORRUPT, "snapshot %lld names neither a manifest list nor manifests",
                      (long long)snapshot->snapshot_id);
    vs_json_free(doc);
    return status;
}

static enum vs_status read_list(struct planner *p,
                                const struct vs_snapshot *snapshot,
                                struct vs_error *err)
{
    if (snapshot->manifest_list.len == 0) {
        return read_embedded(p, snapshot, err);
    }
    struct vs_buf bytes;
    char what[256];
    (void)snprintf(what, sizeof what, "manifest list %.*s", VS_STR_ARG(snapshot->manifest_list));
    vs_buf_init(&bytes, p->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_object_read(
        p->env, p->store, p->metadata, snapshot->manifest_list, "manifest list", &bytes, err);
    if (status == VS_OK) {
        status = vs_manifest_list_read(p->env, vs_buf_view(&bytes), what, &p->scratch,
                                       &p->manifests, &p->manifest_count, err);
    }
    vs_buf_clear(&bytes);
    return status;
}

static enum vs_status choose_manifests(struct planner *p, struct vs_error *err)
{
    p->chosen = vs_arena_alloc_array(&p->scratch, p->manifest_count, sizeof *p->chosen);
    if (p->chosen == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < p->manifest_count; i++) {
        const struct vs_manifest_file *m = &p->manifests[i];
        if (m->added_files == 0 && m->existing_files == 0) {
            continue; // only deleted entries
        }
        p->counts.manifests++;
        if (p->predicate != NULL && !vs_prune_manifest(p->metadata, p->predicate, m, &p->scratch)) {
            p->counts.manifests_skipped++;
            continue;
        }
        p->chosen[p->chosen_count++] = m;
    }
    return VS_OK;
}

// ---- the plan ----

static int compare_entries(const void *a, const void *b)
{
    const struct vs_data_file *x = a, *y = b;
    if (x->sequence_number != y->sequence_number) {
        return x->sequence_number < y->sequence_number ? -1 : 1;
    }
    int order = vs_str_compare(x->path, y->path);
    return order != 0
               ? order
               : (x->content_offset > y->content_offset) - (x->content_offset < y->content_offset);
}

static void sort_entries(struct vs_entry_list *list)
{
    if (list->count > 1) {
        qsort(list->items, list->count, sizeof *list->items, compare_entries);
    }
}

static enum vs_status attach_deletes(struct planner *p,
                                     const struct vs_plan_index *by_path,
                                     struct vs_error *err)
{
    struct vs_scan_plan *plan = p->plan;
    sort_entries(&p->deletes);
    if (p->deletes.count == 0 || plan->file_count == 0) {
        return VS_OK;
    }
    struct vs_data_file *deletes =
        vs_arena_alloc_array(&plan->arena, p->deletes.count, sizeof *deletes);
    if (deletes == NULL) {
        return no_memory(err);
    }
    memcpy(deletes, p->deletes.items, p->deletes.count * sizeof *deletes);
    return vs_match_deletes(plan, p->metadata, by_path, deletes, p->deletes.count, err);
}

static enum vs_status make_files(struct planner *p, struct vs_error *err)
{
    struct vs_scan_plan *plan = p->plan;
    struct vs_plan_index by_path;
    sort_entries(&p->data);
    plan->files = vs_arena_alloc_array(&plan->arena, p->data.count, sizeof *plan->files);
    if (plan->files == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < p->data.count; i++) {
        plan->files[i].data = p->data.items[i];
        if (!vs_add_u64(plan->record_count, (uint64_t)p->data.items[i].record_count,
                        &plan->record_count)) {
            return vs_fail(err, VS_CORRUPT, "the record counts of the snapshot's files overflow");
        }
    }
    plan->file_count = p->data.count;
    plan->delete_file_count = p->deletes.count;
    VS_TRY(vs_plan_index_make(plan, &p->scratch, &by_path, err));
    for (size_t i = 1; i < by_path.count; i++) {
        if (vs_str_equal(by_path.files[i]->data.path, by_path.files[i - 1]->data.path)) {
            return vs_fail(err, VS_CORRUPT, "the snapshot lists data file %.*s twice",
                           VS_STR_ARG(by_path.files[i]->data.path));
        }
    }
    return attach_deletes(p, &by_path, err);
}

// NOLINTNEXTLINE(misc-no-recursion): ends at MAX_PREDICATE_DEPTH
static size_t count_leaves(const struct vs_predicate *predicate, unsigned depth)
{
    size_t count = 1;
    for (size_t i = 0; depth < MAX_PREDICATE_DEPTH && i < predicate->child_count; i++) {
        count += count_leaves(predicate->children[i], depth + 1);
    }
    return count;
}

static void add_id(struct planner *p, int32_t id)
{
    for (size_t i = 0; i < p->statistics_id_count; i++) {
        if (p->statistics_ids[i] == id) {
            return;
        }
    }
    p->statistics_ids[p->statistics_id_count++] = id;
}

// NOLINTNEXTLINE(misc-no-recursion): ends at MAX_PREDICATE_DEPTH
static void add_ids(struct planner *p, const struct vs_predicate *predicate, unsigned depth)
{
    if (predicate->field_id > 0) {
        add_id(p, predicate->field_id);
    }
    for (size_t i = 0; depth < MAX_PREDICATE_DEPTH && i < predicate->child_count; i++) {
        add_ids(p, predicate->children[i], depth + 1);
    }
}

static enum vs_status choose_statistics(struct planner *p,
                                        const struct vs_scan_options *options,
                                        struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(p->metadata);
    size_t count = 1 + options->statistics_id_count +
                   (p->predicate != NULL ? count_leaves(p->predicate, 0) : 0);
    p->statistics_ids = vs_arena_alloc_array(&p->scratch, count, sizeof *p->statistics_ids);
    if (p->statistics_ids == NULL) {
        return no_memory(err);
    }
    size_t identifier = schema != NULL ? vs_schema_identifier(schema) : SIZE_MAX;
    if (identifier != SIZE_MAX) {
        add_id(p, schema->fields[identifier].id);
    }
    for (size_t i = 0; i < options->statistics_id_count; i++) {
        add_id(p, options->statistics_ids[i]);
    }
    if (p->predicate != NULL) {
        add_ids(p, p->predicate, 0);
    }
    return VS_OK;
}

static enum vs_status make_plan(struct planner *p,
                                int64_t snapshot_id,
                                const struct vs_scan_options *options,
                                struct vs_error *err)
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
    VS_TRY(choose_statistics(p, options, err));
    VS_TRY(read_list(p, snapshot, err));
    VS_TRY(choose_manifests(p, err));
    VS_TRY(vs_pool_run(p->env, p->thread_count, p->chosen_count, read_manifest, p, err));
    return make_files(p, err);
}

enum vs_status vs_scan_plan_make_with(const struct vs_env *env,
                                      struct vs_store *store,
                                      const struct vs_table_metadata *metadata,
                                      int64_t snapshot_id,
                                      const struct vs_scan_options *options,
                                      struct vs_scan_plan **plan_out,
                                      struct vs_scan_counts *counts_out,
                                      struct vs_error *err)
{
    const struct vs_scan_options none = {0};
    const struct vs_scan_options *chosen = options != NULL ? options : &none;
    struct vs_scan_plan *plan = vs_alloc_zeroed(env, 1, sizeof *plan);
    if (plan == NULL) {
        return no_memory(err);
    }
    vs_arena_init(&plan->arena, env, MAX_PLAN_BYTES);
    struct planner planner = {.env = env,
                              .store = store,
                              .metadata = metadata,
                              .predicate = chosen->predicate,
                              .thread_count = chosen->thread_count > 0 ? chosen->thread_count : 1,
                              .plan = plan,
                              .lock = PTHREAD_MUTEX_INITIALIZER};
    vs_arena_init(&planner.scratch, env, MAX_PLAN_BYTES);
    enum vs_status status = make_plan(&planner, snapshot_id, chosen, err);
    vs_free(env, planner.data.items);
    vs_free(env, planner.deletes.items);
    vs_arena_clear(&planner.scratch);
    (void)pthread_mutex_destroy(&planner.lock);
    if (status != VS_OK) {
        vs_scan_plan_free(plan);
        return status;
    }
    *plan_out = plan;
    if (counts_out != NULL) {
        *counts_out = planner.counts;
    }
    return VS_OK;
}

enum vs_status vs_scan_plan_make(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 int64_t snapshot_id,
                                 struct vs_scan_plan **plan_out,
                                 struct vs_error *err)
{
    return vs_scan_plan_make_with(env, store, metadata, snapshot_id, NULL, plan_out, NULL, err);
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
