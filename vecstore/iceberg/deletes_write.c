// SPDX-License-Identifier: Apache-2.0
/*
 * Writing deletes: position delete files, one per data file, sorted by position, with
 * referenced_data_file and whole-path bounds; or deletion vectors (deletion_vector_write.c).
 */
#include "vecstore/format/parquet_write.h"
#include "vecstore/iceberg/delete_schema.h"
#include "vecstore/iceberg/deletion_vector.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/scan.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_ROWS 8192

struct delete_writer {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    struct vs_arena *arena;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to write position deletes");
}

static int compare_deletes(const void *a, const void *b)
{
    const struct vs_position_delete *x = a, *y = b;
    int order = vs_str_compare(x->path, y->path);
    if (order != 0) {
        return order;
    }
    return x->position < y->position ? -1 : x->position > y->position;
}

size_t vs_position_deletes_sort(struct vs_position_delete *deletes, size_t count)
{
    size_t kept = 0;
    if (count > 1) {
        qsort(deletes, count, sizeof *deletes, compare_deletes);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_deletes(&deletes[i], &deletes[kept - 1]) != 0) {
            deletes[kept++] = deletes[i];
        }
    }
    return kept;
}

size_t vs_position_deletes_end(const struct vs_position_delete *deletes, size_t count, size_t first)
{
    size_t end = first + 1;
    while (end < count && vs_str_equal(deletes[end].path, deletes[first].path)) {
        end++;
    }
    return end;
}

// ---- the partition of a delete file is that of its data file ----

static bool copy_text(struct vs_str *text, struct vs_arena *arena)
{
    if (text->ptr == NULL) {
        return true;
    }
    *text = vs_arena_copy_str(arena, *text);
    return text->ptr != NULL;
}

static bool holds_text(const struct vs_value *value)
{
    return !value->is_null && (value->kind == VS_KIND_STRING || value->kind == VS_KIND_BINARY ||
                               value->kind == VS_KIND_UUID || value->kind == VS_KIND_FIXED);
}

enum vs_status vs_delete_file_place(struct vs_data_file *file,
                                    const struct vs_data_file *data,
                                    struct vs_arena *arena,
                                    struct vs_error *err)
{
    size_t n = data->partition_count;
    struct vs_value *values = vs_arena_alloc_array(arena, n, sizeof *values);
    struct vs_str key = data->partition_key;
    bool copied = values != NULL && copy_text(&key, arena);
    for (size_t i = 0; copied && i < n; i++) {
        values[i] = data->partition[i];
        copied = !holds_text(&values[i]) || copy_text(&values[i].as.text, arena);
    }
    if (!copied) {
        return no_memory(err);
    }
    file->spec_id = data->spec_id;
    file->has_partition = data->has_partition;
    file->partition_count = n;
    file->partition = values;
    file->partition_key = key;
    return VS_OK;
}

// ---- position delete files ----

static enum vs_status write_rows(struct delete_writer *w,
                                 struct vs_parquet_writer *parquet,
                                 const struct vs_position_delete *deletes,
                                 size_t count,
                                 struct vs_error *err)
{
    struct vs_batch batch = {0};
    enum vs_status status =
        vs_batch_init(&batch, w->env, vs_delete_fields, VS_DELETE_FIELD_COUNT, err);
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        struct vs_value position = {.kind = VS_KIND_LONG,
                                    .as.integer = (int64_t)deletes[i].position};
        status = vs_column_append_bytes(&batch.columns[0], deletes[i].path.ptr, deletes[i].path.len,
                                        err);
        if (status == VS_OK) {
            status = vs_column_append(&batch.columns[1], &position, err);
        }
        batch.row_count++;
        if (status == VS_OK && (batch.row_count == BATCH_ROWS || i + 1 == count)) {
            status = vs_parquet_writer_write(parquet, &batch, err);
            vs_batch_reset(&batch);
        }
    }
    vs_batch_clear(&batch);
    return status;
}

static enum vs_status write_object(struct delete_writer *w,
                                   const char *key,
                                   const struct vs_position_delete *deletes,
                                   size_t count,
                                   struct vs_parquet_info *info,
                                   struct vs_error *err)
{
    struct vs_field fields[VS_DELETE_FIELD_COUNT] = {vs_delete_fields[0], vs_delete_fields[1]};
    const struct vs_schema schema = {.field_count = VS_DELETE_FIELD_COUNT, .fields = fields};
    const struct vs_parquet_write_options options = {0};
    struct vs_writer *out = NULL;
    struct vs_parquet_writer *parquet = NULL;
    enum vs_status status = vs_writer_open(w->store, key, &out, err);
    if (status == VS_OK) {
        status = vs_parquet_writer_open(w->env, out, &schema, &options, &parquet, err);
    }
    if (status == VS_OK) {
        status = write_rows(w, parquet, deletes, count, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_finish(parquet, info, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(out, VS_PUT_ANY, err);
    }
    vs_parquet_writer_free(parquet);
    vs_writer_free(out);
    return status;
}

// The path column's bounds are the whole path (Java: MetricsConfig.forPositionDelete), so that
// readers see the one target.
static enum vs_status set_target(struct delete_writer *w,
                                 struct vs_str path,
                                 struct vs_data_file *file,
                                 struct vs_error *err)
{
    file->referenced_data_file = vs_arena_copy_str(w->arena, path);
    struct vs_int_bytes *lower =
        vs_arena_alloc_array(w->arena, file->lower_count + 1, sizeof *lower);
    struct vs_int_bytes *upper =
        vs_arena_alloc_array(w->arena, file->upper_count + 1, sizeof *upper);
    if (file->referenced_data_file.ptr == NULL || lower == NULL || upper == NULL) {
        return no_memory(err);
    }
    size_t n = 0;
    for (size_t i = 0; i < file->lower_count; i++) {
        if (file->lower_bounds[i].key != VS_DELETE_PATH_ID) {
            lower[n++] = file->lower_bounds[i];
        }
    }
    lower[n++] = (struct vs_int_bytes){VS_DELETE_PATH_ID, file->referenced_data_file};
    file->lower_bounds = lower;
    file->lower_count = n;
    n = 0;
    for (size_t i = 0; i < file->upper_count; i++) {
        if (file->upper_bounds[i].key != VS_DELETE_PATH_ID) {
            upper[n++] = file->upper_bounds[i];
        }
    }
    upper[n++] = (struct vs_int_bytes){VS_DELETE_PATH_ID, file->referenced_data_file};
    file->upper_bounds = upper;
    file->upper_count = n;
    return VS_OK;
}

// The object is at the key once this succeeded, and gone when a later step failed.
static enum vs_status write_file(struct delete_writer *w,
                                 struct vs_str uri,
                                 const char *key,
                                 const struct vs_position_delete *deletes,
                                 size_t count,
                                 struct vs_data_file *file_out,
                                 struct vs_error *err)
{
    struct vs_parquet_info info = {0};
    enum vs_status status = write_object(w, key, deletes, count, &info, err);
    if (status == VS_OK) {
        status = vs_data_file_from_parquet(w->arena, VS_CONTENT_POSITION_DELETES, uri, &info,
                                           file_out, err);
        if (status == VS_OK) {
            status = set_target(w, deletes[0].path, file_out, err);
        }
        if (status != VS_OK) {
            vs_ignore(vs_store_remove(w->store, key, NULL));
        }
    }
    vs_parquet_info_clear(&info);
    return status;
}

static enum vs_status write_one(struct delete_writer *w,
                                const struct vs_position_delete *deletes,
                                size_t count,
                                struct vs_data_file *file_out,
                                const char **key_out,
                                struct vs_error *err)
{
    struct vs_str uri;
    struct vs_data_file file = {0};
    const char *key = NULL;
    VS_TRY(vs_delete_object_name(w->metadata, w->store, "parquet", w->arena, &uri, &key, err));
    VS_TRY(write_file(w, uri, key, deletes, count, &file, err));
    *key_out = key;
    file.first_row_id = -1;
    *file_out = file;
    return VS_OK;
}

enum vs_status vs_delete_object_name(const struct vs_table_metadata *metadata,
                                     struct vs_store *store,
                                     const char *suffix,
                                     struct vs_arena *arena,
                                     struct vs_str *uri_out,
                                     const char **key_out,
                                     struct vs_error *err)
{
    char uuid[VS_UUID_TEXT_SIZE], name[64];
    vs_uuid_format(vs_uuid_new_v4(arena->env), uuid);
    (void)snprintf(name, sizeof name, "%s-deletes.%s", uuid, suffix);
    struct vs_str uri = vs_table_uri(metadata, arena, "data", name);
    if (uri.ptr == NULL) {
        return no_memory(err);
    }
    struct vs_buf key;
    vs_buf_init(&key, arena->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_path_key(metadata, store, uri, &key, err);
    struct vs_str copy = {NULL, 0};
    if (status == VS_OK) {
        copy = vs_arena_copy_str(arena, vs_buf_view(&key));
        status = copy.ptr != NULL ? VS_OK : no_memory(err);
    }
    vs_buf_clear(&key);
    if (status == VS_OK) {
        *uri_out = uri;
        *key_out = copy.ptr;
    }
    return status;
}

void vs_deletes_discard(struct vs_store *store, const struct vs_deletes_written *written)
{
    for (size_t i = 0; i < written->key_count; i++) {
        vs_ignore(vs_store_remove(store, written->keys[i], NULL)); // an orphan at worst
    }
}

static enum vs_status count_targets(const struct vs_position_delete *deletes,
                                    size_t count,
                                    size_t *targets_out,
                                    struct vs_error *err)
{
    size_t targets = 0;
    for (size_t i = 0; i < count; i++) {
        if (deletes[i].position > INT64_MAX) {
            return vs_fail(err, VS_INVALID, "row position %llu is out of range",
                           (unsigned long long)deletes[i].position);
        }
        targets += i == 0 || !vs_str_equal(deletes[i].path, deletes[i - 1].path);
    }
    *targets_out = targets;
    return VS_OK;
}

// index: files of the snapshot, for their partitions; NULL: the table has none.
static enum vs_status write_all(struct delete_writer *w,
                                const struct vs_position_delete *deletes,
                                size_t count,
                                const struct vs_plan_index *index,
                                struct vs_deletes_written *written,
                                struct vs_error *err)
{
    for (size_t first = 0; first < count;) {
        size_t end = vs_position_deletes_end(deletes, count, first);
        struct vs_data_file *file = &written->added[written->added_count];
        struct vs_data_file place = {0};
        if (index != NULL) {
            const struct vs_scan_file *target = vs_plan_index_find(index, deletes[first].path);
            if (target == NULL) {
                return vs_delete_target_gone(deletes[first].path, err);
            }
            VS_TRY(vs_delete_file_place(&place, &target->data, w->arena, err));
        }
        VS_TRY(write_one(w, &deletes[first], end - first, file, &written->keys[written->key_count],
                         err));
        written->added_count++;
        written->key_count++;
        file->spec_id = index != NULL ? place.spec_id : w->metadata->default_spec_id;
        file->has_partition = place.has_partition;
        file->partition_count = place.partition_count;
        file->partition = place.partition;
        file->partition_key = place.partition_key;
        first = end;
    }
    return VS_OK;
}

enum vs_status vs_delete_target_gone(struct vs_str path, struct vs_error *err)
{
    return vs_fail(err, VS_CONFLICT,
                   "%.*s, of which rows are to be deleted, is not in the table's current snapshot",
                   VS_STR_ARG(path));
}

static enum vs_status write_position_files(struct delete_writer *w,
                                           struct vs_position_delete *deletes,
                                           size_t count,
                                           const struct vs_plan_index *index,
                                           struct vs_deletes_written *written_out,
                                           struct vs_error *err)
{
    struct vs_deletes_written written = {0};
    size_t targets;
    count = vs_position_deletes_sort(deletes, count);
    VS_TRY(count_targets(deletes, count, &targets, err));
    written.added = vs_arena_alloc_array(w->arena, targets, sizeof *written.added);
    written.keys = vs_arena_alloc_array(w->arena, targets, sizeof *written.keys);
    if (written.added == NULL || written.keys == NULL) {
        return no_memory(err);
    }
    enum vs_status status = write_all(w, deletes, count, index, &written, err);
    if (status != VS_OK) {
        vs_deletes_discard(w->store, &written);
        return status;
    }
    *written_out = written;
    return VS_OK;
}

enum vs_status vs_position_deletes_write(struct vs_store *store,
                                         const struct vs_table_metadata *metadata,
                                         struct vs_position_delete *deletes,
                                         size_t count,
                                         struct vs_arena *arena,
                                         struct vs_data_file **files_out,
                                         size_t *file_count_out,
                                         struct vs_error *err)
{
    struct delete_writer writer = {
        .env = arena->env, .store = store, .metadata = metadata, .arena = arena};
    struct vs_deletes_written written;
    VS_TRY(write_position_files(&writer, deletes, count, NULL, &written, err));
    *files_out = written.added;
    *file_count_out = written.added_count;
    return VS_OK;
}

// True when all files have the same, empty partition: then planning is spared.
static bool is_unpartitioned(const struct vs_table_metadata *metadata)
{
    return metadata->spec_count == 1 && metadata->specs[0].field_count == 0;
}

enum vs_status vs_deletes_write(struct vs_store *store,
                                const struct vs_deletes_request *request,
                                struct vs_arena *arena,
                                struct vs_deletes_written *written_out,
                                struct vs_error *err)
{
    const struct vs_table_metadata *metadata = request->metadata;
    struct delete_writer writer = {
        .env = arena->env, .store = store, .metadata = metadata, .arena = arena};
    if (metadata->format_version >= 3) {
        return vs_deletion_vectors_write(store, request, arena, written_out, err);
    }
    if (is_unpartitioned(metadata)) {
        return write_position_files(&writer, request->rows, request->row_count, NULL, written_out,
                                    err);
    }
    struct vs_scan_plan *plan = NULL;
    struct vs_plan_index index;
    VS_TRY(vs_scan_plan_make(arena->env, store, metadata, request->snapshot_id, &plan, err));
    enum vs_status status = vs_plan_index_make(plan, arena, &index, err);
    if (status == VS_OK) {
        status = write_position_files(&writer, request->rows, request->row_count, &index,
                                      written_out, err);
    }
    vs_scan_plan_free(plan);
    return status;
}
