// SPDX-License-Identifier: Apache-2.0
/*
 * The index of a view: opened once per file through the cache, mapped onto the snapshot's data
 * files.
 */
#include "api/query/query_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAZY_LOCAL_BYTES ((uint64_t)64 << 20) // smaller local files are read at once
#define LOCAL_TAIL_BYTES ((size_t)64 << 10)   // a read more costs nothing there

struct opened_index { // value of the cache
    struct vs_file *file;
    struct vs_index *index; // NULL: cannot be used, see problem
    char problem[VS_ERROR_MESSAGE_SIZE];
};

struct open_request {
    const struct vs_view *view;
    const struct vs_statistics *found;
};

static void free_opened(const struct vs_env *env, void *value)
{
    struct opened_index *opened = (struct opened_index *)value;
    vs_index_close(opened->index);
    vs_file_close(opened->file);
    vs_free(env, opened);
}

// Failures that say nothing about the index file itself.
static bool is_fatal(enum vs_status status)
{
    return status == VS_NO_MEMORY || status == VS_TIMEOUT || status == VS_CANCELLED;
}

// The file's size is known from the table's metadata: a remote store is not asked for it.
static enum vs_status open_object(const struct vs_view *view,
                                  const struct vs_statistics *found,
                                  const char *key,
                                  struct vs_file **file_out,
                                  struct vs_error *err)
{
    if (found->file_size != 0 && vs_store_is_remote(view->store)) {
        return vs_file_open_sized(view->store, key, found->file_size, file_out, err);
    }
    struct vs_file *file = NULL;
    VS_TRY(vs_file_open(view->store, key, &file, err));
    if (found->file_size != 0 && file->size != found->file_size) {
        enum vs_status status =
            vs_fail(err, VS_CORRUPT, "index %.*s has %llu bytes, the table's metadata says %llu",
                    VS_STR_ARG(found->path), (unsigned long long)file->size,
                    (unsigned long long)found->file_size);
        vs_file_close(file);
        return status;
    }
    *file_out = file;
    return VS_OK;
}

// Through the directory of local copies, when there is one and the file is far away. Names of index
// files hold a uuid of their own and are never used twice.
static enum vs_status cache_locally(const struct vs_view *view,
                                    const struct vs_statistics *found,
                                    struct vs_file **file,
                                    struct vs_error *err)
{
    struct vs_engine *engine = view->engine;
    if (engine->chunks == NULL || !vs_store_is_remote(view->store)) {
        return VS_OK;
    }
    struct vs_buf identity;
    vs_buf_init(&identity, engine->env, 1 << 16);
    enum vs_status status = vs_buf_printf(&identity, err, "%.*s\n%llu", VS_STR_ARG(found->path),
                                          (unsigned long long)(*file)->size);
    if (status == VS_OK) {
        status = vs_chunk_cache_wrap(engine->chunks, *file, vs_buf_view(&identity), file, err);
    }
    vs_buf_clear(&identity);
    return status;
}

static enum vs_status open_file(const struct vs_view *view,
                                const struct vs_statistics *found,
                                struct opened_index *opened,
                                struct vs_error *err)
{
    struct vs_engine *engine = view->engine;
    struct vs_buf key;
    vs_buf_init(&key, engine->env, 1 << 16);
    enum vs_status status = vs_store_key(view->store, found->path, &key, err);
    if (status == VS_OK) {
        status = open_object(view, found, (const char *)key.data, &opened->file, err);
    }
    vs_buf_clear(&key);
    if (status == VS_OK) {
        status = cache_locally(view, found, &opened->file, err);
    }
    if (status == VS_OK) {
        const struct vs_index_open_options options = {
            .table_uuid = &view->metadata->uuid,
            .thread_count = engine->thread_count,
            .lazy = engine->rows_in_file ||
                    (!engine->preload &&
                     (vs_store_is_remote(view->store) || opened->file->size >= LAZY_LOCAL_BYTES)),
            .idle = engine->idle,
            .tail_bytes = vs_store_is_remote(view->store) ? 0 : LOCAL_TAIL_BYTES,
            .rows_in_file = engine->rows_in_file};
        status = vs_index_open(engine->env, opened->file, &options, &opened->index, err);
    }
    if (status == VS_OK && engine->preload) {
        status = vs_index_preload(opened->index, NULL, err);
    }
    return status;
}

// An unusable index is a value too: it is not tried again on each query. What may pass
// (UNAVAILABLE) fails and is tried again.
static enum vs_status make_opened(void *ctx,
                                  void **value_out,
                                  size_t *bytes_out,
                                  struct vs_error *err)
{
    const struct open_request *request = (const struct open_request *)ctx;
    const struct vs_env *env = request->view->engine->env;
    struct opened_index *opened = vs_alloc_zeroed(env, 1, sizeof *opened);
    if (opened == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "index: out of memory");
    }
    struct vs_error why = {0};
    enum vs_status status = open_file(request->view, request->found, opened, &why);
    if (is_fatal(status) || status == VS_UNAVAILABLE) {
        free_opened(env, opened);
        return vs_fail(err, status, "%s", why.message);
    }
    if (status != VS_OK) {
        snprintf(opened->problem, sizeof opened->problem, "%s", why.message);
        vs_log(env, VS_LOG_WARN, "query", "index_unusable",
               "path=%.*s status=%s reason=\"%s\" effect=\"exact scans\"",
               VS_STR_ARG(request->found->path), vs_status_name(status), why.message);
        vs_index_close(opened->index); // it may have opened and then failed to load
        opened->index = NULL;
        vs_file_close(opened->file);
        opened->file = NULL;
    }
    *value_out = opened;
    *bytes_out = sizeof *opened +
                 (opened->index != NULL ? (size_t)vs_index_info(opened->index)->memory_bytes : 0);
    return VS_OK;
}

static int compare_by_path(const void *a, const void *b)
{
    const struct vs_view_file *const *x = (const struct vs_view_file *const *)a;
    const struct vs_view_file *const *y = (const struct vs_view_file *const *)b;
    return vs_str_compare((*x)->data->path, (*y)->data->path);
}

static struct vs_view_file *find_path(struct vs_view_file **by_path,
                                      size_t count,
                                      struct vs_str path)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = vs_str_compare(by_path[middle]->data->path, path);
        if (order == 0) {
            return by_path[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static void map_segment_files(struct vs_view *view, size_t s, struct vs_view_file **by_path)
{
    const struct vs_index_segment *segment = &view->info->segments[s];
    for (size_t i = 0; i < segment->file_count; i++) {
        const struct vs_index_file_ref *ref = &segment->files[i];
        struct vs_view_file *file = find_path(by_path, view->file_count, ref->path);
        if (file == NULL || file->run_count > 0 || file->row_count != ref->row_count ||
            file->data->sequence_number != ref->sequence_number) {
            continue;
        }
        file->one = (struct vs_index_run){.segment = (uint32_t)s,
                                          .first_row = (uint32_t)ref->first_row,
                                          .count = (uint32_t)ref->row_count};
        file->runs = &file->one;
        file->run_count = 1;
    }
}

static void map_moved_files(struct vs_view *view, struct vs_view_file **by_path)
{
    for (size_t i = 0; i < view->info->moved_count; i++) {
        const struct vs_index_moved_file *ref = &view->info->moved[i];
        struct vs_view_file *file = find_path(by_path, view->file_count, ref->path);
        if (file == NULL || file->run_count > 0 || file->row_count != ref->row_count ||
            file->data->sequence_number != ref->sequence_number) {
            continue;
        }
        file->runs = ref->runs;
        file->run_count = ref->run_count;
    }
}

// Calls for counting (fill false) and then for filling the lists of the segments.
static void list_runs(struct vs_view *view, bool fill)
{
    for (size_t s = 0; s < view->segment_count; s++) {
        view->segments[s].file_count = view->segments[s].run_count = 0;
        view->segments[s].covered_rows = 0;
        view->segments[s].used = false;
    }
    for (size_t f = 0; f < view->file_count; f++) {
        const struct vs_view_file *file = &view->files[f];
        for (size_t r = 0; r < file->run_count; r++) {
            const struct vs_index_run *run = &file->runs[r];
            struct vs_view_segment *segment = &view->segments[run->segment];
            if (!segment->used || segment->last_file != f) {
                if (fill) {
                    segment->files[segment->file_count] = f;
                }
                segment->file_count++;
                segment->last_file = f;
                segment->used = true;
            }
            if (fill) {
                segment->runs[segment->run_count] =
                    (struct vs_segment_run){run->first_row, run->count, (uint32_t)f, run->position};
            }
            segment->run_count += run->count > 0;
            segment->covered_rows += run->count;
        }
    }
}

static int compare_runs(const void *a, const void *b)
{
    const struct vs_segment_run *x = (const struct vs_segment_run *)a;
    const struct vs_segment_run *y = (const struct vs_segment_run *)b;
    return (x->first_row > y->first_row) - (x->first_row < y->first_row);
}

// *apart_out: false when two files claim a row.
static enum vs_status make_runs(struct vs_view *view, bool *apart_out, struct vs_error *err)
{
    *apart_out = true;
    list_runs(view, false);
    for (size_t s = 0; s < view->segment_count; s++) {
        struct vs_view_segment *segment = &view->segments[s];
        segment->files =
            vs_arena_alloc_array(&view->arena, segment->file_count, sizeof *segment->files);
        segment->runs =
            vs_arena_alloc_array(&view->arena, segment->run_count + 1, sizeof *segment->runs);
        if (segment->files == NULL || segment->runs == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "query plan: out of memory");
        }
    }
    list_runs(view, true);
    for (size_t s = 0; s < view->segment_count; s++) {
        struct vs_view_segment *segment = &view->segments[s];
        qsort(segment->runs, segment->run_count, sizeof *segment->runs, compare_runs);
        for (size_t i = 1; i < segment->run_count && *apart_out; i++) {
            const struct vs_segment_run *before = &segment->runs[i - 1];
            *apart_out = segment->runs[i].first_row - before->first_row >= before->count;
        }
    }
    return VS_OK;
}

static enum vs_status map_files(struct vs_view *view, struct vs_error *err)
{
    struct vs_view_file **by_path =
        vs_arena_alloc_array(&view->arena, view->file_count, sizeof *by_path);
    view->segment_count = view->info->segment_count;
    view->segments =
        vs_arena_alloc_array(&view->arena, view->segment_count, sizeof *view->segments);
    if (by_path == NULL || view->segments == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query plan: out of memory");
    }
    for (size_t i = 0; i < view->file_count; i++) {
        by_path[i] = &view->files[i];
    }
    qsort(by_path, view->file_count, sizeof(by_path[0]), compare_by_path);
    for (size_t s = 0; s < view->segment_count; s++) {
        map_segment_files(view, s, by_path);
    }
    map_moved_files(view, by_path);
    bool apart = true;
    VS_TRY(make_runs(view, &apart, err));
    if (!apart) { // somebody put former files back beside those that replaced them
        for (size_t i = 0; i < view->file_count; i++) {
            struct vs_view_file *file = &view->files[i];
            file->run_count = file->runs == &file->one ? file->run_count : 0;
        }
        VS_TRY(make_runs(view, &apart, err));
    }
    for (size_t i = 0; i < view->file_count; i++) {
        view->covered_files += view->files[i].run_count > 0;
        view->covered_rows += view->files[i].run_count > 0 ? view->files[i].row_count : 0;
    }
    return VS_OK;
}

enum vs_status vs_view_map_index(struct vs_view *view, struct vs_error *err)
{
    return view->index != NULL ? map_files(view, err) : VS_OK;
}

enum vs_status vs_view_open_index(struct vs_view *view,
                                  const struct vs_op *op,
                                  struct vs_error *err)
{
    struct vs_statistics found;
    if (view->snapshot_id == VS_NO_SNAPSHOT ||
        !vs_stats_file_find(view->metadata, view->snapshot_id, &found)) {
        return VS_OK;
    }
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(view->metadata->uuid, uuid);
    struct vs_str key =
        vs_arena_printf(&view->arena, "index|%s|%.*s", uuid, VS_STR_ARG(found.path));
    if (key.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query plan: out of memory");
    }
    struct open_request request = {view, &found};
    const struct vs_cache_maker maker = {make_opened, free_opened, &request, op};
    struct vs_error why = {0};
    enum vs_status status =
        vs_query_cache_get(view->engine->cache, key, &maker, &view->index_ref, &why);
    if (is_fatal(status)) {
        return vs_fail(err, status, "%s", why.message);
    }
    if (status != VS_OK) {
        view->retry_index = true;
        snprintf(view->problem, sizeof view->problem, "%s", why.message);
        vs_log(view->engine->env, VS_LOG_WARN, "query", "index_unreachable",
               "path=%.*s status=%s reason=\"%s\" effect=\"exact scans\"", VS_STR_ARG(found.path),
               vs_status_name(status), why.message);
        return VS_OK;
    }
    const struct opened_index *opened = (const struct opened_index *)view->index_ref.value;
    if (opened->index == NULL) {
        snprintf(view->problem, sizeof view->problem, "%s", opened->problem);
        return VS_OK;
    }
    view->index = opened->index;
    view->info = vs_index_info(opened->index);
    vs_uuid_format(view->info->index_uuid, view->index_uuid);
    return VS_OK;
}

size_t vs_view_index_column(const struct vs_view *view,
                            const struct vs_vector_contract *contract,
                            const char **reason_out)
{
    *reason_out = "the table has no index";
    if (view->index == NULL) {
        *reason_out = view->problem[0] != '\0' ? view->problem : *reason_out;
        return SIZE_MAX;
    }
    *reason_out = "the index does not have this vector column";
    for (size_t i = 0; i < view->info->column_count; i++) {
        const struct vs_index_column *column = &view->info->columns[i];
        if (column->field_id != contract->field_id) {
            continue;
        }
        enum vs_metric metric;
        if (vs_metric_parse(contract->metric, &metric, NULL) != VS_OK || metric != column->metric ||
            column->dim != contract->dimension || column->normalized != contract->normalized) {
            *reason_out =
                "the index was built for another dimension or metric than the table has now";
            return SIZE_MAX;
        }
        *reason_out = "";
        return i;
    }
    return SIZE_MAX;
}

bool vs_view_stores_field(const struct vs_view *view, const struct vs_field *field)
{
    for (size_t i = 0; view->info != NULL && i < view->info->field_count; i++) {
        const struct vs_field *stored = &view->info->fields[i];
        if (stored->id == field->id) {
            return stored->kind == field->kind && stored->precision == field->precision &&
                   stored->scale == field->scale &&
                   (field->kind != VS_KIND_LIST || stored->element_kind == field->element_kind);
        }
    }
    return false;
}

bool vs_view_locate(const struct vs_view *view,
                    size_t segment,
                    uint64_t row,
                    size_t *file_out,
                    uint64_t *position_out)
{
    const struct vs_view_segment *source = &view->segments[segment];
    size_t low = 0, high = source->run_count;
    while (low < high) { // the last run that starts at or before row
        size_t middle = low + (high - low) / 2;
        if (source->runs[middle].first_row > row) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low == 0 || row - source->runs[low - 1].first_row >= source->runs[low - 1].count) {
        return false;
    }
    *file_out = source->runs[low - 1].file;
    *position_out = source->runs[low - 1].position + (row - source->runs[low - 1].first_row);
    return true;
}

const struct vs_index_run *vs_view_run(const struct vs_view_file *file, uint64_t position)
{
    size_t low = 0, high = file->run_count - 1;
    while (low < high) { // the last run that starts at or before position
        size_t middle = low + (high - low + 1) / 2;
        if (file->runs[middle].position > position) {
            high = middle - 1;
        } else {
            low = middle;
        }
    }
    return &file->runs[low];
}

bool vs_view_is_deleted(const struct vs_view_file *file, uint64_t position)
{
    size_t low = 0, high = file->deleted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (file->deleted[middle] < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < file->deleted_count && file->deleted[low] == position;
}
