// SPDX-License-Identifier: Apache-2.0
#include "ingest/compact_job.h"

#include "ingest/compact_index.h"

#include <stdlib.h>
#include <string.h>

#define MAX_STARTS 3

struct job {
    const struct vs_env *env;
    const struct vs_compact_job *spec;
    struct vs_table *table;
    struct vs_arena arena, attempt; // attempt: of the commit attempt at hand
    struct vs_scan_plan *plan, *among, *base_plan;
    int64_t sequence_number; // of the snapshot planned; 0: the table has none (version 1)
    struct vs_compact_rules rules;
    struct vs_compact_group *groups;
    size_t group_count;
    struct vs_compact_rewrite *rewrites; // per group
    bool *alive;                         // per group: still takes part
    bool is_stale;                       // no group is left
    struct vs_compact_index index;
    bool index_tried, index_written;
    struct vs_str index_uri; // that the written one was made of
    int64_t index_sequence;
    struct vs_statistics kept; // the index as it is, for the new snapshot
    uint64_t removed_files, removed_deletes, added_files;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for a compaction");
}

// ---- what is still as it was ----

static int compare_paths(const void *a, const void *b)
{
    const struct vs_scan_file *const *x = a, *const *y = b;
    return vs_str_compare((*x)->data.path, (*y)->data.path);
}

static bool has_delete(const struct vs_scan_file *file, const struct vs_data_file *wanted)
{
    for (size_t i = 0; i < file->delete_count; i++) {
        if (vs_str_equal(file->deletes[i]->path, wanted->path) &&
            file->deletes[i]->content_offset == wanted->content_offset) {
            return true;
        }
    }
    return false;
}

// Equality deletes apply to the new files by their sequence numbers; positions are lost with the
// file that they speak of.
static bool same_positions(const struct vs_scan_file *was, const struct vs_scan_file *is)
{
    for (size_t i = 0; i < is->delete_count; i++) {
        if (is->deletes[i]->content != VS_CONTENT_EQUALITY_DELETES &&
            !has_delete(was, is->deletes[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < was->delete_count; i++) {
        if (was->deletes[i]->content != VS_CONTENT_EQUALITY_DELETES &&
            !has_delete(is, was->deletes[i])) {
            return false;
        }
    }
    return true;
}

static bool group_is_alive(const struct job *job,
                           const struct vs_compact_group *group,
                           const struct vs_scan_file **by_path,
                           size_t count,
                           const struct vs_scan_file **found)
{
    for (size_t i = 0; i < group->file_count; i++) {
        const struct vs_scan_file *was = &job->plan->files[group->files[i]];
        const struct vs_scan_file **is =
            count == 0 ? NULL : bsearch(&was, by_path, count, sizeof(by_path[0]), compare_paths);
        if (is == NULL || (*is)->data.sequence_number != was->data.sequence_number ||
            (*is)->data.record_count != was->data.record_count || !same_positions(was, *is)) {
            return false;
        }
        found[i] = *is;
    }
    return true;
}

// Per file of the base's plan: it leaves the table.
static enum vs_status find_live(struct job *job,
                                const struct vs_scan_plan *plan,
                                bool *leaves,
                                struct vs_error *err)
{
    size_t alive = 0, count = plan->file_count;
    const struct vs_scan_file **by_path =
        vs_arena_alloc_array(&job->attempt, count, sizeof(by_path[0]));
    const struct vs_scan_file **found =
        vs_arena_alloc_array(&job->attempt, job->plan->file_count, sizeof(found[0]));
    if (by_path == NULL || found == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        by_path[i] = &plan->files[i];
    }
    if (count > 1) {
        qsort(by_path, count, sizeof(by_path[0]), compare_paths);
    }
    for (size_t g = 0; g < job->group_count; g++) {
        const struct vs_compact_group *group = &job->groups[g];
        job->alive[g] = job->alive[g] && group_is_alive(job, group, by_path, count, found);
        for (size_t i = 0; job->alive[g] && i < group->file_count; i++) {
            leaves[found[i] - plan->files] = true;
        }
        alive += job->alive[g];
    }
    job->is_stale = alive == 0;
    return alive > 0 ? VS_OK
                     : vs_fail(err, VS_CONFLICT,
                               "every file to compact was rewritten or got deletes meanwhile; try "
                               "again when fewer writers are at work");
}

// ---- the intent ----

struct delete_use {
    const struct vs_data_file *entry;
    bool leaves; // the data file to which it applies
};

static int compare_uses(const void *a, const void *b)
{
    const struct vs_data_file *x = ((const struct delete_use *)a)->entry;
    const struct vs_data_file *y = ((const struct delete_use *)b)->entry;
    int order = vs_str_compare(x->path, y->path);
    return order != 0
               ? order
               : (x->content_offset > y->content_offset) - (x->content_offset < y->content_offset);
}

// Delete files whose every target leaves: nothing that they say applies to what is left, since the
// new files are younger.
static enum vs_status collect_deletes(struct job *job,
                                      const struct vs_scan_plan *plan,
                                      const bool *leaves,
                                      struct vs_intent *intent,
                                      struct vs_error *err)
{
    size_t count = 0, n = 0, removed = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        count += plan->files[i].delete_count;
    }
    struct delete_use *uses = vs_arena_alloc_array(&job->attempt, count, sizeof *uses);
    struct vs_data_file *files = vs_arena_alloc_array(&job->attempt, count, sizeof *files);
    if (uses == NULL || files == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < plan->file_count; i++) {
        for (size_t d = 0; d < plan->files[i].delete_count; d++) {
            uses[n++] = (struct delete_use){plan->files[i].deletes[d], leaves[i]};
        }
    }
    if (n > 1) {
        qsort(uses, n, sizeof *uses, compare_uses);
    }
    for (size_t i = 0; i < n;) {
        size_t end = i;
        bool all = true;
        while (end < n && compare_uses(&uses[i], &uses[end]) == 0) {
            all = all && uses[end++].leaves;
        }
        if (all) {
            files[removed++] = *uses[i].entry;
        }
        i = end;
    }
    intent->removed_deletes = files;
    intent->removed_delete_count = removed;
    job->removed_deletes = removed;
    return VS_OK;
}

static enum vs_status collect_data(struct job *job,
                                   const struct vs_scan_plan *plan,
                                   const bool *leaves,
                                   struct vs_intent *intent,
                                   struct vs_error *err)
{
    size_t added_count = 0, removed_count = 0, n = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        removed_count += leaves[i];
    }
    for (size_t g = 0; g < job->group_count; g++) {
        added_count += job->alive[g] ? job->rewrites[g].output_count : 0;
    }
    struct vs_data_file *removed =
        vs_arena_alloc_array(&job->attempt, removed_count, sizeof *removed);
    struct vs_data_file *added = vs_arena_alloc_array(&job->attempt, added_count, sizeof *added);
    if (removed == NULL || added == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < plan->file_count; i++) {
        if (leaves[i]) {
            removed[n++] = plan->files[i].data;
        }
    }
    n = 0;
    for (size_t g = 0; g < job->group_count; g++) {
        for (size_t o = 0; job->alive[g] && o < job->rewrites[g].output_count; o++) {
            added[n++] = *job->rewrites[g].outputs[o].data;
        }
    }
    intent->removed_data = removed;
    intent->removed_data_count = job->removed_files = removed_count;
    intent->added_data = added;
    intent->added_data_count = job->added_files = added_count;
    return VS_OK;
}

static enum vs_status bring_index(struct job *job,
                                  const struct vs_table_metadata *base,
                                  struct vs_intent *intent,
                                  struct vs_error *err)
{
    int64_t sequence =
        job->sequence_number > 0 ? job->sequence_number : base->last_sequence_number + 1;
    VS_TRY(vs_compact_index_open(&job->index, base, err));
    if (!job->index_tried || job->index_sequence != sequence ||
        !vs_str_equal(job->index_uri, job->index.uri)) {
        const struct vs_compact_moved moved = {.metadata = base,
                                               .plan = job->plan,
                                               .rewrites = job->rewrites,
                                               .takes_part = job->alive,
                                               .rewrite_count = job->group_count,
                                               .sequence_number = sequence};
        VS_TRY(vs_compact_index_write(&job->index, &moved, &job->index_written, err));
        job->index_tried = true;
        job->index_sequence = sequence;
        job->index_uri = job->index.uri;
    }
    intent->statistics = NULL;
    intent->set_property_count = 0;
    if (job->index_written) {
        intent->statistics = &job->index.pointer.statistics;
        intent->set_properties = job->index.pointer.properties;
        intent->set_property_count = 4;
    } else if (vs_stats_file_find(base, base->current_snapshot_id, &job->kept)) {
        job->kept.blob_metadata_json = VS_STR("[]");
        intent->statistics = &job->kept;
    }
    return VS_OK;
}

static enum vs_status rebase(void *ctx,
                             const struct vs_table_metadata *base,
                             struct vs_intent *intent,
                             struct vs_error *err)
{
    struct job *job = ctx;
    const struct vs_table_metadata *loaded = job->table->metadata;
    if (memcmp(&loaded->uuid, &base->uuid, sizeof base->uuid) != 0 ||
        loaded->format_version != base->format_version) {
        return vs_fail(
            err, VS_CONFLICT,
            "the table was made anew or upgraded meanwhile; nothing was changed, compact "
            "again");
    }
    vs_arena_clear(&job->attempt);
    const struct vs_scan_plan *plan = job->plan;
    if (base->current_snapshot_id != plan->snapshot_id) {
        vs_scan_plan_free(job->base_plan);
        job->base_plan = NULL;
        VS_TRY(vs_scan_plan_make(job->env, job->table->store, base, base->current_snapshot_id,
                                 &job->base_plan, err));
        plan = job->base_plan;
    }
    bool *leaves = vs_arena_alloc_array(&job->attempt, plan->file_count, sizeof *leaves);
    if (leaves == NULL) {
        return no_memory(err);
    }
    VS_TRY(find_live(job, plan, leaves, err));
    VS_TRY(collect_data(job, plan, leaves, intent, err));
    VS_TRY(collect_deletes(job, plan, leaves, intent, err));
    return bring_index(job, base, intent, err);
}

// ---- the job ----

static enum vs_status make_groups(struct job *job, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = job->table->metadata;
    struct vs_compact_choice choice = {.metadata = metadata, .rules = job->rules};
    VS_TRY(vs_scan_plan_make(job->env, job->table->store, metadata, metadata->current_snapshot_id,
                             &job->plan, err));
    const struct vs_snapshot *snapshot = vs_table_snapshot(metadata, metadata->current_snapshot_id);
    job->sequence_number = snapshot != NULL ? snapshot->sequence_number : 0;
    if (job->spec->bind != NULL) {
        struct vs_scan_options options = {.thread_count = job->spec->thread_count};
        VS_TRY(job->spec->bind(job->spec->bind_ctx, metadata, &options.predicate, err));
        VS_TRY(vs_scan_plan_make_with(job->env, job->table->store, metadata,
                                      metadata->current_snapshot_id, &options, &job->among, NULL,
                                      err));
    }
    VS_TRY(vs_compact_index_open(&job->index, metadata, err));
    choice.plan = job->plan;
    choice.among = job->among;
    choice.map = job->index.map;
    return vs_compact_plan_make(&choice, &job->arena, &job->groups, &job->group_count, err);
}

static enum vs_status rewrite_groups(struct job *job, struct vs_error *err)
{
    const struct vs_compact_source source = {.env = job->env,
                                             .store = job->table->store,
                                             .metadata = job->table->metadata,
                                             .plan = job->plan,
                                             .target_bytes = job->rules.target_bytes,
                                             .thread_count = job->spec->thread_count,
                                             .op = job->spec->op};
    job->rewrites = vs_arena_alloc_array(&job->arena, job->group_count, sizeof *job->rewrites);
    job->alive = vs_arena_alloc_array(&job->arena, job->group_count, sizeof *job->alive);
    if (job->rewrites == NULL || job->alive == NULL) {
        job->rewrites = NULL;
        return no_memory(err);
    }
    for (size_t g = 0; g < job->group_count; g++) {
        job->alive[g] = true;
        VS_TRY(vs_compact_rewrite_run(&source, &job->groups[g], &job->rewrites[g], err));
    }
    return VS_OK;
}

static const char *index_word(const struct job *job, bool is_plan)
{
    bool any_covered = false;
    for (size_t g = 0; g < job->group_count; g++) {
        any_covered = any_covered || (job->groups[g].is_covered && (is_plan || job->alive[g]));
    }
    if (job->index.map == NULL) {
        return "none";
    }
    if (!any_covered) {
        return "kept";
    }
    return is_plan || job->index_written ? "remapped" : "none";
}

static void report_plan(const struct job *job, struct vs_compact_result *result)
{
    for (size_t g = 0; g < job->group_count; g++) {
        const struct vs_compact_group *group = &job->groups[g];
        result->rewritten_files += group->file_count;
        result->added_files += (group->bytes + job->rules.target_bytes - 1) /
                               (job->rules.target_bytes > 0 ? job->rules.target_bytes : 1);
        result->rows += group->rows;
        result->bytes_before += group->bytes;
    }
    result->bytes_after = result->bytes_before;
    result->index = index_word(job, true);
}

static void report_done(const struct job *job, struct vs_compact_result *result)
{
    result->rewritten_files = job->removed_files;
    result->added_files = job->added_files;
    result->removed_delete_files = job->removed_deletes;
    for (size_t g = 0; g < job->group_count; g++) {
        if (job->alive[g]) {
            result->rows += job->rewrites[g].rows;
            result->bytes_before += job->groups[g].bytes;
            result->bytes_after += vs_batch_writer_bytes(job->rewrites[g].writer);
        }
    }
    result->index = index_word(job, false);
}

static enum vs_status commit(struct job *job,
                             struct vs_catalog *catalog,
                             struct vs_compact_result *result,
                             struct vs_error *err)
{
    struct vs_intent intent = {.operation = "replace",
                               .data_sequence_number = job->sequence_number,
                               .rebase = rebase,
                               .rebase_ctx = job};
    struct vs_commit_result committed = {0};
    VS_TRY(vs_catalog_commit(catalog, job->spec->table, &intent, job->spec->op, &committed, err));
    result->snapshot_id = committed.snapshot_id;
    report_done(job, result);
    vs_table_release(committed.table);
    return VS_OK;
}

// An unknown outcome keeps everything: a later reader may need it.
static void clear_job(struct job *job, enum vs_status outcome, bool committed)
{
    for (size_t g = 0; job->rewrites != NULL && g < job->group_count; g++) {
        if (job->rewrites[g].env != NULL) {
            vs_compact_rewrite_clear(&job->rewrites[g],
                                     outcome == VS_UNKNOWN || (committed && job->alive[g]));
        }
    }
    if (outcome != VS_UNKNOWN) {
        vs_compact_index_discard(&job->index, committed && job->index_written);
    }
    vs_compact_index_clear(&job->index);
    vs_scan_plan_free(job->plan);
    vs_scan_plan_free(job->among);
    vs_scan_plan_free(job->base_plan);
    vs_arena_clear(&job->attempt);
    vs_arena_clear(&job->arena);
}

static enum vs_status run_loaded(struct job *job,
                                 struct vs_catalog *catalog,
                                 struct vs_compact_result *result,
                                 bool *committed_out,
                                 struct vs_error *err)
{
    const struct vs_table_metadata *metadata = job->table->metadata;
    result->snapshot_id = metadata->current_snapshot_id;
    result->index = "none";
    job->rules.target_bytes = vs_batch_target_bytes(metadata, job->spec->target_bytes);
    job->rules.min_bytes =
        job->spec->min_bytes > 0 ? job->spec->min_bytes : job->rules.target_bytes / 4 * 3;
    job->rules.min_files = job->spec->min_files > 0 ? job->spec->min_files : 2;
    if (metadata->current_snapshot_id == VS_NO_SNAPSHOT) {
        return VS_OK;
    }
    VS_TRY(make_groups(job, err));
    if (job->spec->dry_run || job->group_count == 0) {
        report_plan(job, result);
        return VS_OK;
    }
    VS_TRY(rewrite_groups(job, err));
    VS_TRY(commit(job, catalog, result, err));
    *committed_out = true;
    return VS_OK;
}

static enum vs_status run_once(struct vs_catalog *catalog,
                               const struct vs_compact_job *spec,
                               struct vs_compact_result *result_out,
                               bool *is_stale_out,
                               struct vs_error *err)
{
    struct job job = {.env = vs_catalog_env(catalog), .spec = spec};
    struct vs_compact_result result = {0};
    bool committed = false;
    VS_TRY(vs_catalog_load(catalog, spec->table, &job.table, err));
    vs_arena_init(&job.arena, job.env, 0);
    vs_arena_init(&job.attempt, job.env, 0);
    vs_compact_index_init(&job.index, job.env, job.table->store, spec->op);
    enum vs_status status = run_loaded(&job, catalog, &result, &committed, err);
    *is_stale_out = job.is_stale;
    clear_job(&job, status, committed);
    vs_table_release(job.table);
    if (status == VS_OK) {
        *result_out = result;
    }
    return status;
}

enum vs_status vs_compact_job_run(struct vs_catalog *catalog,
                                  const struct vs_compact_job *job,
                                  struct vs_compact_result *result_out,
                                  struct vs_error *err)
{
    enum vs_status status = VS_OK;
    for (unsigned start = 0; start < MAX_STARTS; start++) {
        bool is_stale = false;
        vs_error_clear(err);
        status = run_once(catalog, job, result_out, &is_stale, err);
        if (status != VS_CONFLICT || !is_stale) {
            break;
        }
    }
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "compacting table %s", job->table);
}
