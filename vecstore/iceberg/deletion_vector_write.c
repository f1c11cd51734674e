// SPDX-License-Identifier: Apache-2.0
/*
 * Writing deletion vectors: all of one commit in one Puffin file.
 */
#include "vecstore/format/puffin.h"
#include "vecstore/iceberg/delete_schema.h"
#include "vecstore/iceberg/deletion_vector.h"
#include "vecstore/iceberg/iceberg_internal.h"

#include <stdio.h>

#define ROW_POSITION_FIELD 2147483645 // _pos, as Java names the field of a vector

struct vector_writer {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_deletes_request *request;
    struct vs_arena *arena;
    size_t count; // of request->rows, duplicates gone
    size_t target_count;
    const struct vs_scan_file **targets; // data files in the order of the rows
    struct vs_deleted_rows former;       // of the targets, without equality deletes
    struct vs_str uri;
    struct vs_deletes_written written;
    uint64_t file_size;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to write deletion vectors");
}

// ---- what is there ----

static enum vs_status find_targets(struct vector_writer *w,
                                   const struct vs_scan_plan *plan,
                                   struct vs_error *err)
{
    const struct vs_position_delete *rows = w->request->rows;
    struct vs_plan_index index;
    VS_TRY(vs_plan_index_make(plan, w->arena, &index, err));
    w->targets = vs_arena_alloc_array(w->arena, plan->file_count, sizeof *w->targets);
    if (w->targets == NULL) {
        return no_memory(err);
    }
    for (size_t first = 0; first < w->count;) {
        size_t end = vs_position_deletes_end(rows, w->count, first);
        const struct vs_scan_file *file = vs_plan_index_find(&index, rows[first].path);
        if (file == NULL) {
            return vs_delete_target_gone(rows[first].path, err);
        }
        if (rows[end - 1].position >= (uint64_t)file->data.record_count) {
            return vs_fail(err, VS_INVALID, "row %llu of %.*s is to be deleted, which has %lld",
                           (unsigned long long)rows[end - 1].position, VS_STR_ARG(file->data.path),
                           (long long)file->data.record_count);
        }
        w->targets[w->target_count++] = file;
        first = end;
    }
    return VS_OK;
}

// Reads what position deletes and vectors say of the targets: the new vector is to say it too.
static enum vs_status read_former(struct vector_writer *w,
                                  const struct vs_scan_plan *plan,
                                  struct vs_error *err)
{
    struct vs_scan_plan part = {.snapshot_id = plan->snapshot_id,
                                .file_count = w->target_count,
                                .location = plan->location,
                                .moved_from = plan->moved_from,
                                .moved_to = plan->moved_to};
    part.files = vs_arena_alloc_array(w->arena, w->target_count, sizeof *part.files);
    if (part.files == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < w->target_count; i++) {
        const struct vs_scan_file *file = w->targets[i];
        const struct vs_data_file **kept =
            vs_arena_alloc_array(w->arena, file->delete_count, sizeof *kept);
        if (kept == NULL) {
            return no_memory(err);
        }
        part.files[i] = (struct vs_scan_file){.data = file->data, .deletes = kept};
        for (size_t j = 0; j < file->delete_count; j++) {
            if (file->deletes[j]->content == VS_CONTENT_POSITION_DELETES) {
                kept[part.files[i].delete_count++] = file->deletes[j];
            }
        }
    }
    return vs_deleted_rows_read(w->env, w->store, w->request->metadata, &part, &w->former, err);
}

// True when the entry speaks of this file alone, so that the new vector replaces it. Delete files
// of several data files stay; the vector makes them void for its own.
static bool is_superseded(const struct vs_data_file *entry, const struct vs_data_file *data)
{
    return entry->content == VS_CONTENT_POSITION_DELETES &&
           (vs_is_deletion_vector(entry) ||
            (entry->referenced_data_file.ptr != NULL &&
             vs_str_equal(entry->referenced_data_file, data->path)));
}

// The entry outlives the plan: what the commit looks at is copied.
static enum vs_status add_removed(struct vector_writer *w,
                                  const struct vs_data_file *entry,
                                  struct vs_error *err)
{
    struct vs_data_file copy = {.content = entry->content,
                                .record_count = entry->record_count,
                                .file_size = entry->file_size,
                                .sort_order_id = entry->sort_order_id,
                                .content_offset = entry->content_offset,
                                .content_size = entry->content_size,
                                .first_row_id = -1,
                                .status = VS_ENTRY_DELETED,
                                .snapshot_id = entry->snapshot_id,
                                .sequence_number = entry->sequence_number,
                                .file_sequence_number = entry->file_sequence_number};
    copy.path = vs_arena_copy_str(w->arena, entry->path);
    copy.format = vs_arena_copy_str(w->arena, entry->format);
    copy.referenced_data_file = vs_arena_copy_str(w->arena, entry->referenced_data_file);
    if (copy.path.ptr == NULL || copy.format.ptr == NULL || copy.referenced_data_file.ptr == NULL) {
        return no_memory(err);
    }
    VS_TRY(vs_delete_file_place(&copy, entry, w->arena, err));
    w->written.removed[w->written.removed_count++] = copy;
    return VS_OK;
}

static enum vs_status find_superseded(struct vector_writer *w, struct vs_error *err)
{
    size_t most = 0;
    for (size_t i = 0; i < w->target_count; i++) {
        most += w->targets[i]->delete_count;
    }
    w->written.removed = vs_arena_alloc_array(w->arena, most, sizeof *w->written.removed);
    if (w->written.removed == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < w->target_count; i++) {
        const struct vs_scan_file *file = w->targets[i];
        for (size_t j = 0; j < file->delete_count; j++) {
            if (is_superseded(file->deletes[j], &file->data)) {
                VS_TRY(add_removed(w, file->deletes[j], err));
            }
        }
    }
    return VS_OK;
}

// ---- writing ----

static enum vs_status fill_bitmap(struct vector_writer *w,
                                  size_t target,
                                  size_t first,
                                  size_t end,
                                  struct vs_bitmap *bitmap,
                                  struct vs_error *err)
{
    VS_TRY(vs_bitmap_add_many(bitmap, w->former.positions[target], w->former.counts[target], err));
    for (size_t i = first; i < end; i++) {
        VS_TRY(vs_bitmap_add(bitmap, w->request->rows[i].position, err));
    }
    vs_bitmap_optimize(bitmap);
    return VS_OK;
}

static enum vs_status write_blob(struct vs_puffin_writer *puffin,
                                 struct vs_str bytes,
                                 struct vs_data_file *entry,
                                 struct vs_error *err)
{
    char cardinality[24];
    int n = snprintf(cardinality, sizeof cardinality, "%lld", (long long)entry->record_count);
    int32_t field = ROW_POSITION_FIELD;
    struct vs_puffin_property properties[] = {
        {VS_STR("referenced-data-file"), entry->referenced_data_file},
        {VS_STR("cardinality"), {cardinality, (size_t)n}}};
    const struct vs_puffin_blob blob = {.type = VS_STR("deletion-vector-v1"),
                                        .field_count = 1,
                                        .fields = &field,
                                        .snapshot_id = -1,
                                        .sequence_number = -1,
                                        .property_count = 2,
                                        .properties = properties};
    uint64_t offset, length;
    VS_TRY(vs_puffin_writer_begin(puffin, &blob, 1, err));
    VS_TRY(vs_puffin_writer_write(puffin, bytes.ptr, bytes.len, err));
    VS_TRY(vs_puffin_writer_end(puffin, &offset, &length, err));
    entry->content_offset = (int64_t)offset;
    entry->content_size = (int64_t)length;
    return VS_OK;
}

static enum vs_status write_vector(struct vector_writer *w,
                                   struct vs_puffin_writer *puffin,
                                   size_t target,
                                   size_t first,
                                   size_t end,
                                   struct vs_error *err)
{
    struct vs_data_file *entry = &w->written.added[target];
    const struct vs_data_file *data = &w->targets[target]->data;
    struct vs_bitmap bitmap;
    struct vs_buf bytes;
    *entry = (struct vs_data_file){.content = VS_CONTENT_POSITION_DELETES,
                                   .path = w->uri,
                                   .format = VS_STR("PUFFIN"),
                                   .sort_order_id = -1,
                                   .first_row_id = -1,
                                   .status = VS_ENTRY_ADDED,
                                   .snapshot_id = VS_NO_SNAPSHOT};
    entry->referenced_data_file = vs_arena_copy_str(w->arena, data->path);
    if (entry->referenced_data_file.ptr == NULL) {
        return no_memory(err);
    }
    VS_TRY(vs_delete_file_place(entry, data, w->arena, err));
    vs_bitmap_init(&bitmap, w->env);
    vs_buf_init(&bytes, w->env, VS_DELETION_VECTOR_MAX_BYTES);
    enum vs_status status = fill_bitmap(w, target, first, end, &bitmap, err);
    if (status == VS_OK) {
        entry->record_count = (int64_t)vs_bitmap_cardinality(&bitmap);
        status = vs_deletion_vector_encode(&bitmap, &bytes, err);
    }
    if (status == VS_OK) {
        status = write_blob(puffin, vs_buf_view(&bytes), entry, err);
    }
    vs_buf_clear(&bytes);
    vs_bitmap_clear(&bitmap);
    return status;
}

static enum vs_status write_vectors(struct vector_writer *w,
                                    struct vs_puffin_writer *puffin,
                                    struct vs_error *err)
{
    for (size_t first = 0, target = 0; first < w->count; target++) {
        size_t end = vs_position_deletes_end(w->request->rows, w->count, first);
        VS_TRY(write_vector(w, puffin, target, first, end, err));
        first = end;
    }
    return VS_OK;
}

static enum vs_status write_object(struct vector_writer *w, const char *key, struct vs_error *err)
{
    struct vs_writer *out = NULL;
    struct vs_puffin_writer *puffin = NULL;
    enum vs_status status = vs_writer_open(w->store, key, &out, err);
    if (status == VS_OK) {
        status = vs_puffin_writer_open(w->env, out, &puffin, err);
    }
    if (status == VS_OK) {
        status = write_vectors(w, puffin, err);
    }
    if (status == VS_OK) {
        status = vs_puffin_writer_finish(puffin, NULL, 0, &w->file_size, NULL, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(out, VS_PUT_ANY, err);
    }
    vs_puffin_writer_free(puffin);
    vs_writer_free(out);
    return status;
}

static enum vs_status write_all(struct vector_writer *w,
                                const struct vs_scan_plan *plan,
                                struct vs_error *err)
{
    VS_TRY(find_targets(w, plan, err));
    VS_TRY(read_former(w, plan, err));
    VS_TRY(find_superseded(w, err));
    w->written.added = vs_arena_alloc_array(w->arena, w->target_count, sizeof *w->written.added);
    w->written.keys = vs_arena_alloc_array(w->arena, 1, sizeof *w->written.keys);
    if (w->written.added == NULL || w->written.keys == NULL) {
        return no_memory(err);
    }
    VS_TRY(vs_delete_object_name(w->request->metadata, w->store, "puffin", w->arena, &w->uri,
                                 &w->written.keys[0], err));
    VS_TRY(write_object(w, w->written.keys[0], err)); // the last step that can fail
    w->written.key_count = 1;
    w->written.added_count = w->target_count;
    for (size_t i = 0; i < w->target_count; i++) {
        w->written.added[i].file_size = (int64_t)w->file_size;
    }
    return VS_OK;
}

enum vs_status vs_deletion_vectors_write(struct vs_store *store,
                                         const struct vs_deletes_request *request,
                                         struct vs_arena *arena,
                                         struct vs_deletes_written *written_out,
                                         struct vs_error *err)
{
    struct vector_writer w = {
        .env = arena->env, .store = store, .request = request, .arena = arena};
    struct vs_scan_plan *plan = NULL;
    w.count = vs_position_deletes_sort(request->rows, request->row_count);
    if (w.count == 0) {
        *written_out = (struct vs_deletes_written){0};
        return VS_OK;
    }
    VS_TRY(vs_scan_plan_make(w.env, store, request->metadata, request->snapshot_id, &plan, err));
    enum vs_status status = write_all(&w, plan, err);
    vs_deleted_rows_clear(&w.former);
    vs_scan_plan_free(plan);
    if (status == VS_OK) {
        *written_out = w.written;
    }
    return status;
}
