// SPDX-License-Identifier: Apache-2.0
#include "ingest/change_files.h"

#include "vecstore/iceberg/deletion_vector.h"

#include <stdlib.h>
#include <string.h>

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for the files that leave a table");
}

// ---- rows ----

static int compare_rows(const void *a, const void *b)
{
    const struct vs_position_delete *x = a, *y = b;
    int order = vs_str_compare(x->path, y->path);
    return order != 0 ? order : (x->position > y->position) - (x->position < y->position);
}

size_t vs_change_rows_sort(struct vs_position_delete *rows, size_t count)
{
    size_t kept = 0;
    if (count > 1) {
        qsort(rows, count, sizeof *rows, compare_rows);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_rows(&rows[i], &rows[kept - 1]) != 0) {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

bool vs_change_rows_has(const struct vs_position_delete *rows,
                        size_t count,
                        const struct vs_position_delete *row)
{
    return count > 0 && bsearch(row, rows, count, sizeof *rows, compare_rows) != NULL;
}

// ---- files of the plan by path ----

static int compare_files(const void *a, const void *b)
{
    const struct vs_scan_file *const *x = a, *const *y = b;
    return vs_str_compare((*x)->data.path, (*y)->data.path);
}

static int compare_path(const void *key, const void *item)
{
    const struct vs_str *path = key;
    const struct vs_scan_file *const *file = item;
    return vs_str_compare(*path, (*file)->data.path);
}

static const struct vs_scan_file **sort_files(const struct vs_change_files *files)
{
    size_t count = files->plan->file_count;
    const struct vs_scan_file **sorted =
        vs_arena_alloc_array(files->arena, count, sizeof(const struct vs_scan_file *));
    for (size_t i = 0; sorted != NULL && i < count; i++) {
        sorted[i] = &files->plan->files[i];
    }
    if (sorted != NULL && count > 1) {
        qsort(sorted, count, sizeof(const struct vs_scan_file *), compare_files);
    }
    return sorted;
}

// ---- whole files ----

// Rows that former deletes may hide at most; UINT64_MAX when that is not told by counts.
static uint64_t hidden_at_most(const struct vs_scan_file *file)
{
    uint64_t total = 0;
    for (size_t i = 0; i < file->delete_count; i++) {
        const struct vs_data_file *entry = file->deletes[i];
        if (entry->content != VS_CONTENT_POSITION_DELETES || entry->record_count < 0) {
            return UINT64_MAX;
        }
        total += (uint64_t)entry->record_count;
    }
    return total;
}

// Those that name this data file alone: nothing is left that they could speak of.
static bool is_own_delete(const struct vs_scan_file *file, const struct vs_data_file *entry)
{
    return entry->content == VS_CONTENT_POSITION_DELETES &&
           entry->referenced_data_file.ptr != NULL &&
           vs_str_equal(entry->referenced_data_file, file->data.path);
}

static void take_file(struct vs_change_files *files, const struct vs_scan_file *file)
{
    files->data[files->data_count++] = file->data;
    for (size_t i = 0; i < file->delete_count; i++) {
        if (is_own_delete(file, file->deletes[i])) {
            files->deletes[files->delete_count++] = *file->deletes[i];
        }
    }
}

static enum vs_status make_room(struct vs_change_files *files, struct vs_error *err)
{
    size_t deletes = 0, count = files->plan->file_count;
    for (size_t i = 0; i < count; i++) {
        deletes += files->plan->files[i].delete_count;
    }
    files->data_count = files->delete_count = 0;
    files->data = vs_arena_alloc_array(files->arena, count, sizeof *files->data);
    files->deletes = vs_arena_alloc_array(files->arena, deletes, sizeof *files->deletes);
    return files->data != NULL && files->deletes != NULL ? VS_OK : no_memory(err);
}

struct taking {
    struct vs_change_files *files;
    const struct vs_scan_file **by_path;
    struct vs_deleted_rows deleted; // read when it is asked for
    bool has_deleted;
};

static enum vs_status is_whole(struct taking *t,
                               const struct vs_scan_file *file,
                               uint64_t rows,
                               bool *whole_out,
                               struct vs_error *err)
{
    struct vs_change_files *files = t->files;
    uint64_t records = (uint64_t)file->data.record_count, hidden = hidden_at_most(file);
    *whole_out = rows == records;
    if (*whole_out || rows > records || (hidden != UINT64_MAX && records - rows > hidden)) {
        return VS_OK; // most files end here, without reading a delete file
    }
    if (!t->has_deleted) {
        VS_TRY(vs_deleted_rows_read(files->env, files->store, files->base, files->plan, &t->deleted,
                                    err));
        t->has_deleted = true;
    }
    *whole_out = rows + t->deleted.counts[file - files->plan->files] == records;
    return VS_OK;
}

static size_t end_of_file(const struct vs_position_delete *rows, size_t count, size_t first)
{
    size_t end = first + 1;
    while (end < count && vs_str_equal(rows[end].path, rows[first].path)) {
        end++;
    }
    return end;
}

static enum vs_status take_files(struct taking *t,
                                 struct vs_position_delete *rows,
                                 size_t *count_io,
                                 struct vs_error *err)
{
    size_t kept = 0, count = *count_io;
    for (size_t first = 0, end; first < count; first = end) {
        bool whole = false;
        end = end_of_file(rows, count, first);
        const struct vs_scan_file *const *file = bsearch(
            &rows[first].path, t->by_path, t->files->plan->file_count, sizeof *file, compare_path);
        if (file != NULL) {
            VS_TRY(is_whole(t, *file, end - first, &whole, err));
        }
        if (whole) {
            take_file(t->files, *file);
        } else {
            memmove(&rows[kept], &rows[first], (end - first) * sizeof *rows);
            kept += end - first;
        }
    }
    *count_io = kept;
    return VS_OK;
}

enum vs_status vs_change_files_take(struct vs_change_files *files,
                                    struct vs_position_delete *rows,
                                    size_t *count_io,
                                    struct vs_error *err)
{
    struct taking t = {.files = files};
    VS_TRY(make_room(files, err));
    t.by_path = sort_files(files);
    if (t.by_path == NULL) {
        return no_memory(err);
    }
    enum vs_status status = VS_OK;
    if (files->plan->file_count > 0) {
        status = take_files(&t, rows, count_io, err);
    }
    if (t.has_deleted) {
        vs_deleted_rows_clear(&t.deleted);
    }
    return status;
}

// ---- everything ----

static int compare_deletes(const void *a, const void *b)
{
    const struct vs_data_file *x = a, *y = b;
    int order = vs_str_compare(x->path, y->path);
    return order != 0
               ? order
               : (x->content_offset > y->content_offset) - (x->content_offset < y->content_offset);
}

enum vs_status vs_change_files_all(struct vs_change_files *files, struct vs_error *err)
{
    struct vs_deleted_rows deleted = {0};
    const struct vs_scan_plan *plan = files->plan;
    VS_TRY(make_room(files, err));
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        files->data[i] = plan->files[i].data;
        for (size_t j = 0; j < plan->files[i].delete_count; j++) {
            files->deletes[n++] = *plan->files[i].deletes[j];
        }
    }
    files->data_count = plan->file_count;
    files->row_count = plan->record_count;
    if (n > 0) { // a delete file may speak of several data files
        VS_TRY(vs_deleted_rows_read(files->env, files->store, files->base, plan, &deleted, err));
        files->row_count -= deleted.total;
        vs_deleted_rows_clear(&deleted);
        qsort(files->deletes, n, sizeof *files->deletes, compare_deletes);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || compare_deletes(&files->deletes[i], &files->deletes[kept - 1]) != 0) {
            files->deletes[kept++] = files->deletes[i];
        }
    }
    files->delete_count = kept;
    return VS_OK;
}
