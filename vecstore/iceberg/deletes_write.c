// SPDX-License-Identifier: Apache-2.0
/*
 * Writing position delete files: one per data file, sorted by position, with referenced_data_file
 * and whole-path bounds.
 */
#include "vecstore/format/parquet_write.h"
#include "vecstore/iceberg/delete_schema.h"
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

// Sorts and drops duplicates; returns the number left.
static size_t sort_deletes(struct vs_position_delete *deletes, size_t count)
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
        status = vs_writer_finish(out, VS_PUT_IF_ABSENT, err);
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

static enum vs_status write_one(struct delete_writer *w,
                                const struct vs_position_delete *deletes,
                                size_t count,
                                struct vs_data_file *file_out,
                                struct vs_error *err)
{
    char uuid[VS_UUID_TEXT_SIZE], name[64];
    vs_uuid_format(vs_uuid_new_v4(w->env), uuid);
    (void)snprintf(name, sizeof name, "%s-deletes.parquet", uuid);
    struct vs_str uri = vs_table_uri(w->metadata, w->arena, "data", name);
    if (uri.ptr == NULL) {
        return no_memory(err);
    }
    struct vs_parquet_info info = {0};
    struct vs_buf key;
    vs_buf_init(&key, w->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_path_key(w->metadata, w->store, uri, &key, err);
    const char *key_text = status == VS_OK ? vs_buf_c_str(&key) : NULL;
    if (status == VS_OK && key_text == NULL) {
        status = no_memory(err);
    }
    if (status == VS_OK) {
        status = write_object(w, key_text, deletes, count, &info, err);
        if (status == VS_OK) {
            status = vs_data_file_from_parquet(w->arena, VS_CONTENT_POSITION_DELETES, uri, &info,
                                               file_out, err);
            if (status == VS_OK) {
                status = set_target(w, deletes[0].path, file_out, err);
            }
            if (status != VS_OK) {
                vs_ignore(vs_store_remove(w->store, key_text, NULL));
            }
        }
    }
    vs_parquet_info_clear(&info);
    vs_buf_clear(&key);
    return status;
}

static void remove_files(struct delete_writer *w, const struct vs_data_file *files, size_t count)
{
    struct vs_buf key;
    vs_buf_init(&key, w->env, VS_METADATA_MAX_BYTES);
    for (size_t i = 0; i < count; i++) {
        if (vs_table_path_key(w->metadata, w->store, files[i].path, &key, NULL) == VS_OK &&
            vs_buf_c_str(&key) != NULL) {
            vs_ignore(vs_store_remove(w->store, vs_buf_c_str(&key), NULL)); // an orphan at worst
        }
    }
    vs_buf_clear(&key);
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
    count = sort_deletes(deletes, count);
    size_t targets = 0;
    for (size_t i = 0; i < count; i++) {
        if (deletes[i].position > INT64_MAX) {
            return vs_fail(err, VS_INVALID, "row position %llu is out of range",
                           (unsigned long long)deletes[i].position);
        }
        targets += i == 0 || !vs_str_equal(deletes[i].path, deletes[i - 1].path);
    }
    struct vs_data_file *files = vs_arena_alloc_array(arena, targets, sizeof *files);
    if (files == NULL) {
        return no_memory(err);
    }
    size_t written = 0;
    for (size_t first = 0; first < count;) {
        size_t end = first + 1;
        while (end < count && vs_str_equal(deletes[end].path, deletes[first].path)) {
            end++;
        }
        enum vs_status status =
            write_one(&writer, &deletes[first], end - first, &files[written], err);
        if (status != VS_OK) {
            remove_files(&writer, files, written);
            return status;
        }
        written++;
        first = end;
    }
    *files_out = files;
    *file_count_out = written;
    return VS_OK;
}
