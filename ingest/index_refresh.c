// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_refresh.h"

#include "index/index_merge.h"
#include "ingest/index_gather.h"
#include "ingest/index_job.h"
#include "ingest/index_publish.h"
#include "ingest/refresh_plan.h"
#include "ingest/table_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LIMIT 8192
#define IN_MEMORY_BYTES (UINT64_C(256) << 20) // of a new segment before it is joined to the others
#define TEMPORARY_NAME "segment-vecstore.puffin"

// One refresh; what is small lives in the arena.
struct refresh {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    const struct vs_refresh_job *job;
    const struct vs_table *table;
    struct vs_arena arena;
    struct vs_scan_plan *plan;
    struct vs_statistics current; // entry of the version that is there
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_map *map;
    struct vs_refresh_plan todo;
    // the new segment, in a file of its own
    struct vs_store *temporary;
    char directory[4096]; // "" in memory
    struct vs_index_build_params params;
    struct vs_codebook *codebooks; // [column_count]
    struct vs_file *new_file;
    struct vs_index *new_index;
    struct vs_refresh_result result;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the refresh of an index");
}

// ---- what is there ----

static enum vs_status open_current(struct refresh *r, struct vs_error *err)
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

static enum vs_status survey(struct refresh *r, struct vs_error *err)
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

// ---- the table's columns as the index has them ----

static enum vs_status other_contract(const struct refresh *r,
                                     struct vs_str column,
                                     struct vs_error *err)
{
    return vs_fail(err, VS_INVALID,
                   "column '%.*s' is not what the index was built for; build it anew with vecstore "
                   "index build %s",
                   VS_STR_ARG(column), r->job->table);
}

// Fields of the index in its order; those that left the table come as nulls.
static enum vs_status gather_fields(struct refresh *r,
                                    const struct vs_schema *schema,
                                    struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(r->index);
    struct vs_field *fields = vs_arena_alloc_array(&r->arena, info->field_count, sizeof *fields);
    if (fields == NULL) {
        return no_memory(err);
    }
    r->params.id_field = SIZE_MAX;
    for (size_t f = 0; f < info->field_count; f++) {
        const struct vs_field *known = &info->fields[f];
        size_t at = 0;
        while (at < schema->field_count && schema->fields[at].id != known->id) {
            at++;
        }
        fields[f] = at < schema->field_count ? schema->fields[at] : *known;
        fields[f].required = fields[f].required && at < schema->field_count;
        if (fields[f].kind != known->kind || fields[f].element_kind != known->element_kind) {
            return other_contract(r, known->name, err);
        }
        if (known->id == info->id_field_id) {
            r->params.id_field = f;
        }
    }
    r->params.fields = fields;
    r->params.field_count = info->field_count;
    return VS_OK;
}

// Vector columns in the order of the index.
static enum vs_status gather_columns(struct refresh *r,
                                     const struct vs_schema *schema,
                                     struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(r->index);
    VS_TRY(vs_gather_vectors(r->table->metadata, schema, &r->arena, &r->params, err));
    struct vs_index_build_column *columns =
        vs_arena_alloc_array(&r->arena, info->column_count, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (size_t c = 0; c < info->column_count; c++) {
        const struct vs_index_column *known = &info->columns[c];
        size_t at = 0;
        while (at < r->params.column_count &&
               (r->params.columns[at].field >= r->params.field_count ||
                r->params.fields[r->params.columns[at].field].id != known->field_id)) {
            at++;
        }
        if (at == r->params.column_count || r->params.columns[at].dim != known->dim ||
            r->params.columns[at].metric != known->metric) {
            return other_contract(r, known->name, err);
        }
        columns[c] = r->params.columns[at];
    }
    for (size_t i = 0; i < r->params.column_count; i++) {
        if (r->params.columns[i].field >= r->params.field_count ||
            r->params.column_count != info->column_count) {
            return vs_fail(err, VS_INVALID,
                           "the table has a vector column that the index does not know; build it "
                           "anew with vecstore index build %s",
                           r->job->table);
        }
    }
    r->params.columns = columns;
    return VS_OK;
}

static enum vs_status read_codebooks(struct refresh *r, struct vs_error *err)
{
    const struct vs_descriptor *d = vs_index_descriptor(r->index);
    size_t count = d->info.column_count;
    const struct vs_codebook **given = vs_arena_alloc_array(&r->arena, count, sizeof *given);
    r->codebooks = vs_arena_alloc_array(&r->arena, count, sizeof *r->codebooks);
    if (given == NULL || r->codebooks == NULL) {
        return no_memory(err);
    }
    bool all = true, second = false;
    for (size_t c = 0; c < count; c++) {
        bool found = false;
        VS_TRY(vs_index_read_codebook(r->index, c, &r->codebooks[c], &found, err));
        given[c] = found ? &r->codebooks[c] : NULL;
        all = all && found;
        bool of_column = false;
        VS_TRY(vs_index_read_second(r->index, c, &of_column, err));
        second = second || of_column;
    }
    size_t list_rows = r->job->list_rows > 0 ? r->job->list_rows : VS_REFRESH_LIST_ROWS,
           small_rows = r->job->small_rows > 0 ? r->job->small_rows : VS_INDEX_SMALL_ROWS;
    r->params.small_rows = all ? list_rows : small_rows;
    r->params.codebooks = given;
    r->params.baselines = d->baselines;
    r->params.second_assignment = second ? VS_SECOND_ON : VS_SECOND_OFF;
    r->params.store_vectors = d->info.columns[0].has_exact_rows  ? VS_STORE_F32
                              : d->info.columns[0].has_half_rows ? VS_STORE_F16
                                                                 : VS_STORE_NONE;
    if (!all && r->todo.reread_rows >= small_rows) {
        return vs_fail(err, VS_INVALID,
                       "a vector column without lists has become large; build the index anew with "
                       "vecstore index build %s",
                       r->job->table);
    }
    return VS_OK;
}

// ---- the new segment, in a file of its own ----

static uint64_t estimate_bytes(const struct refresh *r)
{
    uint64_t bytes = 0, row = 256;
    for (size_t c = 0; c < r->params.column_count; c++) {
        row += r->params.columns[c].dim * (uint64_t)5;
    }
    for (size_t f = 0; f < r->plan->file_count; f++) {
        const struct vs_data_file *data = &r->plan->files[f].data;
        bytes += r->todo.reread_files[f] ? (uint64_t)data->file_size : 0;
    }
    return bytes + r->todo.reread_rows * row;
}

static enum vs_status open_temporary(struct refresh *r, struct vs_error *err)
{
    uint64_t most = IN_MEMORY_BYTES;
    if (r->job->memory_bytes > 0 && r->job->memory_bytes / 4 < most) {
        most = r->job->memory_bytes / 4;
    }
    if (estimate_bytes(r) <= most) {
        return vs_store_open_mem(r->env, "refresh", &r->temporary, err);
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the library changes the environment
    const char *parent = r->job->spill_dir != NULL ? r->job->spill_dir : getenv("TMPDIR");
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(vs_uuid_new_v4(r->env), uuid);
    int n = snprintf(r->directory, sizeof r->directory, "%s/vecstore-%s",
                     parent != NULL && parent[0] != '\0' ? parent : "/tmp", uuid);
    if (n < 0 || (size_t)n >= sizeof r->directory) {
        r->directory[0] = '\0';
        return vs_fail(err, VS_INVALID,
                       "the name of the directory for temporary files is too long");
    }
    return vs_store_open(r->env, r->directory, true, &r->temporary, err);
}

static void remove_temporary(struct refresh *r)
{
    vs_index_close(r->new_index);
    vs_file_close(r->new_file);
    r->new_index = NULL;
    r->new_file = NULL;
    if (r->temporary != NULL) {
        vs_ignore(vs_store_remove(r->temporary, TEMPORARY_NAME, NULL));
    }
    vs_store_free(r->temporary);
    r->temporary = NULL;
    if (r->directory[0] != '\0') {
        (void)remove(r->directory); // it is empty
    }
}

static enum vs_status write_segment(struct refresh *r,
                                    const struct vs_scan_plan *files,
                                    struct vs_error *err)
{
    struct vs_table_rows *rows = NULL;
    struct vs_writer *out = NULL;
    struct vs_index_build_result built;
    enum vs_status status = vs_table_rows_open(r->env, r->table->store, r->table->metadata, files,
                                               r->params.fields, r->params.field_count, &rows, err);
    if (status == VS_OK) {
        status = vs_writer_open(r->temporary, TEMPORARY_NAME, &out, err);
    }
    if (status == VS_OK) {
        const struct vs_index_row_source source = {
            .next = vs_table_rows_next, .rewind = vs_table_rows_rewind, .ctx = rows};
        status = vs_index_build(r->env, &r->params, &source, out, &built, err);
    }
    if (status == VS_OK) {
        status = vs_status_definite(vs_writer_finish(out, VS_PUT_ANY, err), err);
    }
    vs_writer_free(out);
    vs_table_rows_close(rows);
    return status;
}

static enum vs_status build_segment(struct refresh *r, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->table->metadata;
    const struct vs_snapshot *snapshot = vs_table_snapshot(metadata, metadata->current_snapshot_id);
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    struct vs_scan_plan files = *r->plan;
    files.files = vs_arena_alloc_array(&r->arena, r->todo.reread_count, sizeof *files.files);
    files.file_count = 0;
    if (files.files == NULL) {
        return no_memory(err);
    }
    for (size_t f = 0; f < r->plan->file_count; f++) {
        if (r->todo.reread_files[f]) {
            files.files[files.file_count++] = r->plan->files[f];
        }
    }
    r->params.table_uuid = metadata->uuid;
    r->params.snapshot_id = snapshot->snapshot_id;
    r->params.sequence_number = snapshot->sequence_number;
    r->params.memory_bytes = r->job->memory_bytes;
    r->params.thread_count = r->job->thread_count;
    r->params.spill_dir = r->job->spill_dir;
    r->params.op = r->job->op;
    r->params.no_measure = true;
    VS_TRY(gather_fields(r, schema, err));
    VS_TRY(gather_columns(r, schema, err));
    VS_TRY(read_codebooks(r, err));
    VS_TRY(vs_gather_files(&files, &r->arena, &r->params, err));
    VS_TRY(open_temporary(r, err));
    VS_TRY(write_segment(r, &files, err));
    const struct vs_index_open_options options = {.table_uuid = &metadata->uuid,
                                                  .skip_lists = true};
    VS_TRY(vs_file_open(r->temporary, TEMPORARY_NAME, &r->new_file, err));
    return vs_index_open(r->env, r->new_file, &options, &r->new_index, err);
}

// The worst column of the new segment.
static void note_drift(struct refresh *r)
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

// ---- which segments the new file has ----

struct layout {
    size_t item_count;
    struct vs_refresh_item *items;
    struct vs_merge_part *parts; // of each item
    bool *rewrites;              // rows of files that are gone are dropped
    struct vs_merge_segment *segments;
    size_t segment_count, joined;
    bool changes; // more than what is there already
};

static bool add_item(struct layout *layout, uint64_t rows, uint64_t lists, size_t source, size_t s)
{
    size_t i = layout->item_count;
    if (rows == 0) {
        return false; // nothing of it is left
    }
    layout->items[i] = (struct vs_refresh_item){.rows = rows, .lists = lists};
    layout->parts[i] = (struct vs_merge_part){.source = source, .segment = s};
    layout->item_count++;
    return true;
}

static void add_items(struct refresh *r, struct layout *layout)
{
    const struct vs_index_info *info = vs_index_info(r->index);
    for (size_t s = 0; s < r->todo.segment_count; s++) {
        const struct vs_refresh_segment *segment = &r->todo.segments[s];
        size_t i = layout->item_count;
        if (segment->is_reread || !add_item(layout, segment->live_rows, segment->lists, 0, s)) {
            layout->changes = true;
            continue;
        }
        layout->rewrites[i] = vs_refresh_is_dead(segment->live_rows, info->segments[s].row_count);
        layout->changes = layout->changes || layout->rewrites[i];
    }
    if (r->new_index != NULL) {
        const struct vs_descriptor *d = vs_index_descriptor(r->new_index);
        uint64_t lists = 0;
        for (size_t c = 0; c < d->info.column_count; c++) {
            lists |= (uint64_t)d->segments[0].columns[c].has_lists << c;
        }
        (void)add_item(layout, d->info.segments[0].row_count, lists, 1, 0);
        layout->changes = true;
    }
}

// One segment of the new file for each group; members stand together in `parts`.
static enum vs_status make_segments(struct refresh *r, struct layout *layout, struct vs_error *err)
{
    size_t n = layout->item_count, used = 0;
    struct vs_merge_part *ordered = vs_arena_alloc_array(&r->arena, n + 1, sizeof *ordered);
    layout->segments = vs_arena_alloc_array(&r->arena, n + 1, sizeof *layout->segments);
    if (ordered == NULL || layout->segments == NULL) {
        return no_memory(err);
    }
    for (size_t g = 0; g < n; g++) {
        size_t first = used;
        for (size_t i = 0; i < n; i++) {
            if (layout->items[i].group == g) {
                ordered[used++] = layout->parts[i];
            }
        }
        size_t members = used - first;
        for (size_t p = first; p < used; p++) {
            bool drops = members > 1 || layout->rewrites[g];
            if (drops && ordered[p].source == 0) {
                ordered[p].keep_files = r->todo.segments[ordered[p].segment].live_files;
            }
        }
        if (members > 0) {
            layout->segments[layout->segment_count++] =
                (struct vs_merge_segment){members, &ordered[first]};
        }
        layout->joined += members > 1 ? members : 0;
    }
    layout->changes = layout->changes || layout->joined > 0;
    return VS_OK;
}

static enum vs_status lay_out(struct refresh *r, struct layout *layout, struct vs_error *err)
{
    size_t room = r->todo.segment_count + 1;
    layout->items = vs_arena_alloc_array(&r->arena, room, sizeof *layout->items);
    layout->parts = vs_arena_alloc_array(&r->arena, room, sizeof *layout->parts);
    layout->rewrites = vs_arena_alloc_array(&r->arena, room, sizeof *layout->rewrites);
    if (layout->items == NULL || layout->parts == NULL || layout->rewrites == NULL) {
        return no_memory(err);
    }
    add_items(r, layout);
    vs_refresh_group(layout->items, layout->item_count, r->job->merge);
    return make_segments(r, layout, err);
}

// ---- the new version ----

static enum vs_status write_version(struct refresh *r,
                                    const struct layout *layout,
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

static enum vs_status publish_version(struct refresh *r,
                                      const struct layout *layout,
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
static enum vs_status register_again(struct refresh *r, struct vs_error *err)
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

static bool must_train(const struct refresh *r)
{
    size_t small = r->job->small_rows > 0 ? r->job->small_rows : VS_INDEX_SMALL_ROWS;
    return !r->todo.has_codebook && r->todo.uncovered_files > 0 &&
           r->todo.uncovered_rows + r->todo.covered_rows >= small;
}

static enum vs_status rebuild(struct refresh *r, struct vs_error *err)
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

static void advise(struct refresh *r)
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
    } else if (r->result.rows > 0 &&
               vs_refresh_is_dead(r->result.live_rows < r->result.rows ? r->result.live_rows
                                                                       : r->result.rows,
                                  r->result.rows)) {
        (void)snprintf(text, room,
                       "more than %d %% of the index's rows are in data files that are gone: "
                       "vecstore index merge drops them",
                       VS_REFRESH_DEAD_PERCENT);
    }
}

static enum vs_status run(struct refresh *r, struct vs_error *err)
{
    struct layout layout = {0};
    VS_TRY(survey(r, err));
    if (must_train(r)) {
        return rebuild(r, err);
    }
    if (r->todo.reread_count > 0) {
        VS_TRY(build_segment(r, err));
        note_drift(r);
    }
    VS_TRY(lay_out(r, &layout, err));
    if (!layout.changes || layout.segment_count == 0) {
        return register_again(r, err);
    }
    return publish_version(r, &layout, err);
}

static void clear(struct refresh *r)
{
    remove_temporary(r);
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
    struct refresh *r = vs_alloc_zeroed(vs_catalog_env(catalog), 1, sizeof *r);
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
