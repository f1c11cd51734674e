// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_refresh.h"

#include "ingest/index_gather.h"
#include "ingest/index_job.h"
#include "ingest/index_publish.h"
#include "ingest/refresh_internal.h"

#include <stdio.h>

#define KEY_LIMIT 8192

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the refresh of an index");
}

// ---- what is there ----

static enum vs_status open_current(struct vs_refresh *r, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->table->metadata;
    if (!vs_stats_file_find(metadata, metadata->current_snapshot_id, &r->current)) {
        return vs_fail(err, VS_NOT_FOUND,
                       "table %s has no index; make one with vecstore index build %s",
                       r->job->table, r->job->table);
    }
    struct vs_buf key;
    vs_buf_init(&key, r->env, KEY_LIMIT);
    enum vs_status status = vs_store_key(r->table->store, r->current.path, &key, err);
    if (status == VS_OK) {
        status = vs_file_open(r->table->store, vs_buf_c_str(&key), &r->file, err);
    }
    vs_buf_clear(&key);
    if (status == VS_OK) {
        const struct vs_index_open_options options = {.table_uuid = &metadata->uuid,
                                                      .skip_lists = true};
        status = vs_index_open(r->env, r->file, &options, &r->index, err);
    }
    if (status == VS_OK) {
        status = vs_index_map_read(r->env, r->file, &r->map, err);
    }
    return status == VS_OK
               ? VS_OK
               : vs_wrap(err, status,
                         "the index cannot be refreshed; vecstore index build %s makes a new one",
                         r->job->table);
}

static enum vs_status survey(struct vs_refresh *r, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->table->metadata;
    VS_TRY(open_current(r, err));
    VS_TRY(vs_scan_plan_make(r->env, r->table->store, metadata, metadata->current_snapshot_id,
                             &r->plan, err));
    VS_TRY(
        vs_refresh_plan_make(r->index, r->map, r->plan, r->job->merge, &r->arena, &r->todo, err));
    const struct vs_index_info *info = vs_index_info(r->index);
    r->result.snapshot_id = metadata->current_snapshot_id;
    r->result.index_uuid = info->index_uuid;
    r->result.segments_before = r->result.segments = info->segment_count;
    r->result.new_rows = r->todo.uncovered_rows;
    r->result.new_files = r->todo.uncovered_files;
    r->result.live_rows = r->todo.covered_rows + r->todo.uncovered_rows;
    r->result.file_size = r->file->size;
    for (size_t s = 0; s < info->segment_count; s++) {
        r->result.rows += info->segments[s].row_count;
    }
    return VS_OK;
}

// The worst column of the new segment.
static void note_drift(struct vs_refresh *r)
{
    const struct vs_descriptor *base = vs_index_descriptor(r->index),
                               *new = vs_index_descriptor(r->new_index);
    for (size_t c = 0; c < base->info.column_count; c++) {
        const struct vs_drift_figures *figures = &new->segments[0].columns[c].drift;
        if (figures->count == 0 || base->baselines == NULL) {
            continue;
        }
        unsigned warnings = vs_drift_warnings(figures, &base->baselines[c]);
        if (r->result.drift.count == 0 || warnings > r->result.warnings) {
            r->result.drift = *figures;
            r->result.baseline = base->baselines[c];
            r->result.warnings = warnings;
        }
    }
}

// ---- the new version ----

static enum vs_status write_version(struct vs_refresh *r,
                                    const struct vs_refresh_layout *layout,
                                    const char *key,
                                    struct vs_uuid uuid,
                                    struct vs_merge_result *merged,
                                    struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->table->metadata;
    const struct vs_snapshot *snapshot = vs_table_snapshot(metadata, metadata->current_snapshot_id);
    const struct vs_merge_source sources[] = {{r->file, r->index}, {r->new_file, r->new_index}};
    const struct vs_merge merge = {.index_uuid = uuid,
                                   .snapshot_id = snapshot->snapshot_id,
                                   .sequence_number = snapshot->sequence_number,
                                   .source_count = r->new_index != NULL ? 2 : 1,
                                   .sources = sources,
                                   .segment_count = layout->segment_count,
                                   .segments = layout->segments,
                                   .foreign_count = r->params.foreign_count,
                                   .foreign_blobs = r->params.foreign_blobs,
                                   .foreign_bytes = r->params.foreign_bytes,
                                   .op = r->job->op};
    struct vs_writer *out = NULL;
    VS_TRY(vs_writer_open(r->table->store, key, &out, err));
    enum vs_status status = vs_index_merge(r->env, &merge, out, merged, err);
    if (status == VS_OK) {
        status = vs_status_definite(vs_writer_finish(out, VS_PUT_ANY, err), err);
    }
    vs_writer_free(out);
    return status;
}

static enum vs_status publish_version(struct vs_refresh *r,
                                      const struct vs_refresh_layout *layout,
                                      struct vs_error *err)
{
    struct vs_buf uri, key, foreign;
    char uuid[VS_UUID_TEXT_SIZE], replaces[VS_UUID_TEXT_SIZE];
    struct vs_uuid id = vs_uuid_new_v4(r->env);
    struct vs_merge_result merged = {0};
    vs_buf_init(&uri, r->env, KEY_LIMIT);
    vs_buf_init(&key, r->env, KEY_LIMIT);
    vs_buf_init(&foreign, r->env, 1 << 20);
    vs_uuid_format(id, uuid);
    vs_uuid_format(vs_index_info(r->index)->index_uuid, replaces);
    enum vs_status status =
        vs_index_name(r->table->store, r->table->metadata, uuid, &uri, &key, err);
    if (status == VS_OK) {
        status = vs_foreign_blobs_read(r->env, r->table->store, r->table->metadata,
                                       r->result.snapshot_id, &r->arena, &r->params, &foreign, err);
    }
    if (status == VS_OK) {
        status = write_version(r, layout, vs_buf_c_str(&key), id, &merged, err);
    }
    if (status == VS_OK) {
        const struct vs_index_publish publish = {.table = r->job->table,
                                                 .table_uuid = r->table->metadata->uuid,
                                                 .uri = vs_buf_view(&uri),
                                                 .index_uuid = uuid,
                                                 .snapshot_id = r->result.snapshot_id,
                                                 .file_size = merged.file_size,
                                                 .footer_size = merged.footer_size,
                                                 .blob_metadata_json = vs_buf_view(&foreign),
                                                 .replaces = vs_str_from_c(replaces),
                                                 .op = r->job->op};
        status = vs_index_publish(r->catalog, &publish, &r->result.attempts, err);
        if (status != VS_OK && status != VS_UNKNOWN) { // an unknown outcome may have published it
            vs_ignore(vs_store_remove(r->table->store, vs_buf_c_str(&key), NULL));
        }
    }
    vs_buf_clear(&uri);
    vs_buf_clear(&key);
    vs_buf_clear(&foreign);
    r->result.kind =
        r->new_index != NULL && r->result.new_rows > 0 ? VS_REFRESH_EXTENDED : VS_REFRESH_JOINED;
    r->result.index_uuid = id;
    r->result.segments = layout->segment_count;
    r->result.joined = layout->joined;
    r->result.rows = merged.row_count;
    r->result.file_size = merged.file_size;
    r->result.copied_bytes = merged.copied_bytes;
    return status;
}

// Another engine's commit made a snapshot that does not know of the index: that engine's clean-up
// would take the file for its own.
static enum vs_status register_again(struct vs_refresh *r, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->table->metadata;
    struct vs_str named = vs_table_property(metadata, VS_PROPERTY_INDEX_PATH);
    char uuid[VS_UUID_TEXT_SIZE];
    bool is_named = vs_str_equal(named, r->current.path);
    if (is_named && vs_table_statistics(metadata, metadata->current_snapshot_id) != NULL) {
        return VS_OK; // by this version, or the place is taken by statistics of another engine
    }
    vs_uuid_format(vs_index_info(r->index)->index_uuid, uuid);
    const struct vs_index_publish publish = {.table = r->job->table,
                                             .table_uuid = metadata->uuid,
                                             .uri = r->current.path,
                                             .index_uuid = uuid,
                                             .snapshot_id = vs_index_info(r->index)->snapshot_id,
                                             .file_size = r->current.file_size,
                                             .footer_size = r->current.footer_size,
                                             .blob_metadata_json = r->current.blob_metadata_json,
                                             .replaces = vs_str_from_c(uuid),
                                             .op = r->job->op};
    VS_TRY(vs_index_publish(r->catalog, &publish, &r->result.attempts, err));
    r->result.kind = VS_REFRESH_REGISTERED;
    return VS_OK;
}

// ---- a table that outgrew the exact scan ----

static bool must_train(const struct vs_refresh *r)
{
    size_t small = r->job->small_rows > 0 ? r->job->small_rows : VS_INDEX_SMALL_ROWS;
    return !r->todo.has_codebook && r->todo.uncovered_files > 0 &&
           r->todo.uncovered_rows + r->todo.covered_rows >= small;
}

static enum vs_status rebuild(struct vs_refresh *r, struct vs_error *err)
{
    const struct vs_index_job job = {.table = r->job->table,
                                     .min_recall = r->job->min_recall,
                                     .memory_bytes = r->job->memory_bytes,
                                     .thread_count = r->job->thread_count,
                                     .spill_dir = r->job->spill_dir,
                                     .op = r->job->op};
    struct vs_index_job_result built;
    VS_TRY(vs_index_job_run(r->catalog, &job, &built, err));
    r->result.kind = VS_REFRESH_REBUILT;
    r->result.snapshot_id = built.snapshot_id;
    r->result.index_uuid = built.build.index_uuid;
    r->result.rows = r->result.live_rows = built.build.row_count;
    r->result.segments = 1;
    r->result.file_size = built.build.file_size;
    r->result.attempts = built.attempts;
    return VS_OK;
}

// ---- advice ----

static void advise(struct vs_refresh *r)
{
    const struct vs_descriptor *d = vs_index_descriptor(r->index);
    char *text = r->result.advice;
    size_t room = sizeof r->result.advice;
    for (size_t c = 0; d->baselines != NULL && c < d->info.column_count; c++) {
        uint64_t trained = d->baselines[c].count;
        r->result.outgrown =
            r->result.outgrown || (trained > 0 && r->result.live_rows > 4 * trained);
    }
    if (r->result.kind == VS_REFRESH_REBUILT) {
        return;
    }
    if (r->result.warnings != 0) {
        (void)snprintf(
            text, room,
            "the new vectors are unlike those that the codebook was trained on%s%s%s: "
            "measure recall, and build the index anew if it has fallen",
            (r->result.warnings & VS_DRIFT_ERROR) != 0 ? ", codes are less exact" : "",
            (r->result.warnings & VS_DRIFT_ENERGY) != 0 ? ", the projection loses more" : "",
            (r->result.warnings & VS_DRIFT_FAR) != 0 ? ", many are far from any list" : "");
    } else if (r->result.outgrown) {
        (void)snprintf(text, room,
                       "the table has more than four times the rows that the codebook was trained "
                       "for: build the index anew when there is time");
    } else if (vs_refresh_is_dead(r->result.live_rows, r->result.rows)) {
        // Not in files that are gone: those were dropped.
        (void)snprintf(text, room,
                       "more than %d %% of the index's rows were deleted and compacted away: build "
                       "the index anew when there is time",
                       VS_REFRESH_DEAD_PERCENT);
    }
}

static enum vs_status run(struct vs_refresh *r, struct vs_error *err)
{
    struct vs_refresh_layout layout = {0};
    VS_TRY(survey(r, err));
    if (must_train(r)) {
        return rebuild(r, err);
    }
    if (r->todo.reread_count > 0) {
        VS_TRY(vs_refresh_build_segment(r, err));
        note_drift(r);
    }
    VS_TRY(vs_refresh_lay_out(r, &layout, err));
    if (!layout.changes || layout.segment_count == 0) {
        return register_again(r, err);
    }
    return publish_version(r, &layout, err);
}

static void clear(struct vs_refresh *r)
{
    vs_refresh_remove_segment(r);
    for (size_t c = 0; r->codebooks != NULL && c < vs_index_info(r->index)->column_count; c++) {
        if (r->codebooks[c].env != NULL) {
            vs_codebook_clear(&r->codebooks[c]);
        }
    }
    vs_index_map_free(r->map);
    vs_index_close(r->index);
    vs_file_close(r->file);
    vs_scan_plan_free(r->plan);
    vs_arena_clear(&r->arena);
}

enum vs_status vs_refresh_job_run(struct vs_catalog *catalog,
                                  const struct vs_refresh_job *job,
                                  struct vs_refresh_result *result_out,
                                  struct vs_error *err)
{
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_load(catalog, job->table, &table, err));
    struct vs_refresh *r = vs_alloc_zeroed(vs_catalog_env(catalog), 1, sizeof *r);
    if (r == NULL) {
        vs_table_release(table);
        return no_memory(err);
    }
    r->env = vs_catalog_env(catalog);
    r->catalog = catalog;
    r->job = job;
    r->table = table;
    vs_arena_init(&r->arena, r->env, 0);
    enum vs_status status =
        table->metadata->current_snapshot_id == VS_NO_SNAPSHOT
            ? vs_fail(err, VS_INVALID, "table %s has no rows yet, so there is nothing to index",
                      job->table)
            : run(r, err);
    if (status == VS_OK) {
        advise(r);
        *result_out = r->result;
    }
    clear(r);
    vs_free(vs_catalog_env(catalog), r);
    vs_table_release(table);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "refreshing the index of %s", job->table);
}
