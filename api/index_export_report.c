// SPDX-License-Identifier: Apache-2.0
// vs_db_export_index: which rows are live in the newest snapshot, and their ids, for the writer of
// FAISS files.
#include "api/file_uri.h"
#include "api/index_current.h"
#include "index/index_export.h"
#include "index/index_facts.h"
#include "index/index_remap.h"
#include "vecstore/iceberg/scan.h"

#define FOLDER_MAX ((size_t)64 << 10)

struct export
{
    struct vs_db *db;
    const struct vs_index_export_options *options;
    struct vs_arena arena;
    struct vs_index_current current;
    size_t column;
    uint64_t **live;              // [segment_count]
    struct vs_column *id_columns; // [segment_count]
    const int64_t **ids;          // NULL: the table's ids are not numbers
    uint64_t uncovered_rows;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the export of an index");
}

// ---- live rows ----

static void set_live(struct export *x,
                     const struct vs_index_run *runs,
                     size_t run_count,
                     const uint64_t *deleted,
                     size_t deleted_count)
{
    size_t d = 0;
    for (size_t r = 0; r < run_count; r++) {
        uint64_t *bits = x->live[runs[r].segment];
        for (uint32_t i = 0; i < runs[r].count; i++) {
            uint64_t position = (uint64_t)runs[r].position + i,
                     row = (uint64_t)runs[r].first_row + i;
            while (d < deleted_count && deleted[d] < position) {
                d++;
            }
            if (d == deleted_count || deleted[d] != position) {
                bits[row / 64] |= UINT64_C(1) << (row % 64);
            }
        }
    }
}

static void mark_files(struct export *x,
                       const struct vs_index_map *map,
                       const struct vs_scan_plan *plan,
                       const struct vs_deleted_rows *deleted)
{
    for (size_t f = 0; f < plan->file_count; f++) {
        const struct vs_data_file *data = &plan->files[f].data;
        size_t count = 0;
        const struct vs_index_run *runs = vs_index_map_find(
            map, data->path, (uint64_t)data->record_count, data->sequence_number, &count);
        if (runs == NULL) {
            x->uncovered_rows += (uint64_t)data->record_count;
        } else {
            set_live(x, runs, count, deleted->positions[f], deleted->counts[f]);
        }
    }
}

static enum vs_status find_live(struct export *x, struct vs_error *err)
{
    const struct vs_table *table = x->current.table;
    const struct vs_index_info *info = vs_index_info(x->current.index);
    struct vs_index_map *map = NULL;
    struct vs_scan_plan *plan = NULL;
    struct vs_deleted_rows deleted = {0};
    x->live = vs_arena_alloc_array(&x->arena, info->segment_count, sizeof *x->live);
    for (size_t s = 0; x->live != NULL && s < info->segment_count; s++) {
        x->live[s] = vs_arena_alloc_array(&x->arena, (size_t)info->segments[s].row_count / 64 + 1,
                                          sizeof(uint64_t));
        if (x->live[s] == NULL) {
            return no_memory(err);
        }
    }
    if (x->live == NULL) {
        return no_memory(err);
    }
    enum vs_status status = vs_index_map_read(x->db->env, x->current.file, &map, err);
    if (status == VS_OK) {
        status = vs_scan_plan_make(x->db->env, table->store, table->metadata,
                                   table->metadata->current_snapshot_id, &plan, err);
    }
    if (status == VS_OK) {
        status =
            vs_deleted_rows_read(x->db->env, table->store, table->metadata, plan, &deleted, err);
    }
    if (status == VS_OK) {
        mark_files(x, map, plan, &deleted);
        vs_deleted_rows_clear(&deleted);
    }
    vs_scan_plan_free(plan);
    vs_index_map_free(map);
    return status;
}

// ---- ids ----

static enum vs_status load_ids(struct export *x, struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(x->current.index);
    size_t field = vs_descriptor_field(vs_index_descriptor(x->current.index), info->id_field_id);
    if (info->id_field_id < 0 || field == SIZE_MAX || info->fields[field].kind != VS_KIND_LONG) {
        return VS_OK;
    }
    x->id_columns = vs_arena_alloc_array(&x->arena, info->segment_count, sizeof *x->id_columns);
    const int64_t **ids = vs_arena_alloc_array(&x->arena, info->segment_count, sizeof *ids);
    if (x->id_columns == NULL || ids == NULL) {
        return no_memory(err);
    }
    for (size_t s = 0; s < info->segment_count; s++) {
        VS_TRY(
            vs_index_load_column(x->current.index, s, info->id_field_id, &x->id_columns[s], err));
        ids[s] = (const int64_t *)(const void *)x->id_columns[s].values.data;
    }
    x->ids = ids;
    return VS_OK;
}

// ---- the file ----

static enum vs_status write_file(struct export *x,
                                 struct vs_index_export_result *result,
                                 struct vs_error *err)
{
    const struct vs_index_export what = {.file = x->current.file,
                                         .index = x->current.index,
                                         .column = x->column,
                                         .live = (const uint64_t *const *)x->live,
                                         .ids = x->ids,
                                         .op = x->options->op};
    const char *name = NULL;
    struct vs_buf folder;
    struct vs_store *store = NULL;
    struct vs_writer *out = NULL;
    vs_buf_init(&folder, x->db->env, FOLDER_MAX);
    enum vs_status status = vs_file_uri_split(x->options->path, &folder, &name, err);
    if (status == VS_OK) {
        status = vs_store_open(x->db->env, vs_buf_c_str(&folder), false, &store, err);
    }
    if (status == VS_OK) {
        status = vs_writer_open(store, name, &out, err);
    }
    if (status == VS_OK) {
        status = vs_index_export(x->db->env, &what, out, result, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(out, VS_PUT_ANY, err);
    }
    vs_writer_free(out);
    vs_store_free(store);
    vs_buf_clear(&folder);
    return status;
}

static enum vs_status write_report(const struct export *x,
                                   const struct vs_index_export_result *result,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(x->current.index);
    struct vs_json_writer w;
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(info->index_uuid, uuid);
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", x->options->table);
    vs_report_c(&w, "index", uuid);
    vs_report_str(&w, "column", info->columns[x->column].name);
    vs_report_c(&w, "path", x->options->path);
    vs_report_u64(&w, "bytes", result->file_size);
    vs_report_u64(&w, "vectors", result->vector_count);
    vs_report_u64(&w, "lists", result->list_count);
    vs_report_u64(&w, "m", result->m);
    vs_report_c(&w, "ids", x->ids != NULL ? "id" : "row");
    vs_report_u64(&w, "rows_not_indexed", x->uncovered_rows);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

// Flat segments are encoded from their float vectors, which only a full opening has.
static enum vs_status open_current(struct export *x, struct vs_error *err)
{
    VS_TRY(vs_index_current_open(x->db, x->options->table, true, &x->current, err));
    VS_TRY(vs_index_current_column(&x->current, x->options->vector_column, &x->column, err));
    const struct vs_descriptor *d = vs_index_descriptor(x->current.index);
    bool has_flat = false;
    for (size_t s = 0; s < d->info.segment_count; s++) {
        has_flat = has_flat || !d->segments[s].columns[x->column].has_lists;
    }
    if (!has_flat) {
        return VS_OK;
    }
    vs_index_current_close(&x->current);
    return vs_index_current_open(x->db, x->options->table, false, &x->current, err);
}

enum vs_status vs_db_export_index(struct vs_db *db,
                                  const struct vs_index_export_options *options,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    struct export x = {.db = db, .options = options};
    struct vs_index_export_result result;
    vs_arena_init(&x.arena, db->env, 0);
    enum vs_status status = open_current(&x, err);
    if (status == VS_OK) {
        status = find_live(&x, err);
    }
    if (status == VS_OK) {
        status = load_ids(&x, err);
    }
    if (status == VS_OK) {
        status = write_file(&x, &result, err);
    }
    if (status == VS_OK) {
        status = write_report(&x, &result, report, err);
    }
    for (size_t s = 0; x.id_columns != NULL && s < vs_index_info(x.current.index)->segment_count;
         s++) {
        vs_column_clear(&x.id_columns[s]);
    }
    vs_index_current_close(&x.current);
    vs_arena_clear(&x.arena);
    return status == VS_OK ? VS_OK
                           : vs_wrap(err, status, "exporting the index of %s", options->table);
}
