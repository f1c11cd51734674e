// SPDX-License-Identifier: Apache-2.0
#include "api/query/file_column.h"

#define SCAN_ROWS 8192
#define SMALL_FILE_ROWS 16384
#define SMALL_FILE_BYTES ((int64_t)8 << 20)
#define CACHE_SHARE 16 // a small file may take this part of the cache

struct column_request {
    const struct vs_view *view;
    size_t file;
    const struct vs_field *field;
    const struct vs_op *op;
};

static enum vs_status read_batches(const struct column_request *request,
                                   struct vs_file_scan *scan,
                                   struct vs_batch *batch,
                                   struct vs_column *column,
                                   struct vs_error *err)
{
    const struct vs_view_file *file = &request->view->files[request->file];
    do {
        uint64_t position;
        vs_batch_reset(batch);
        VS_TRY(vs_op_check(request->view->engine->env, request->op, err));
        VS_TRY(vs_file_scan_next(scan, SCAN_ROWS, batch, &position, err));
        VS_TRY(vs_column_append_rows(column, &batch->columns[0], 0, batch->row_count, err));
    } while (batch->row_count > 0 && column->row_count <= file->row_count);
    if (column->row_count != file->row_count) {
        return vs_fail(
            err, VS_CORRUPT, "data file %.*s: has %zu rows or more, its manifest says %llu",
            VS_STR_ARG(file->data->path), column->row_count, (unsigned long long)file->row_count);
    }
    return VS_OK;
}

enum vs_status vs_file_column_read(const struct vs_view *view,
                                   size_t file,
                                   const struct vs_field *field,
                                   const struct vs_op *op,
                                   struct vs_column *column_out,
                                   struct vs_error *err)
{
    const struct vs_env *env = view->engine->env;
    const struct column_request request = {view, file, field, op};
    struct vs_batch batch = {0};
    struct vs_file_scan *scan = NULL;
    enum vs_status status = vs_column_init_field(column_out, env, field, err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, env, field, 1, err);
    }
    if (status == VS_OK) {
        status = vs_file_scan_open(env, view->store, view->metadata, view->files[file].data, field,
                                   1, &scan, err);
    }
    if (status == VS_OK) {
        status = read_batches(&request, scan, &batch, column_out, err);
    }
    vs_file_scan_close(scan);
    vs_batch_clear(&batch);
    return status;
}

static void free_column(const struct vs_env *env, void *value)
{
    vs_column_clear((struct vs_column *)value);
    vs_free(env, value);
}

static enum vs_status make_column(void *ctx,
                                  void **value_out,
                                  size_t *bytes_out,
                                  struct vs_error *err)
{
    const struct column_request *request = (const struct column_request *)ctx;
    const struct vs_env *env = request->view->engine->env;
    struct vs_column *column = vs_alloc_zeroed(env, 1, sizeof *column);
    if (column == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "scan: out of memory");
    }
    enum vs_status status =
        vs_file_column_read(request->view, request->file, request->field, request->op, column, err);
    if (status != VS_OK) {
        free_column(env, column);
        return status;
    }
    *value_out = column;
    *bytes_out = sizeof *column + vs_column_memory(column);
    return VS_OK;
}

bool vs_file_column_fits(const struct vs_view *view, size_t file)
{
    const struct vs_view_file *source = &view->files[file];
    return source->row_count <= SMALL_FILE_ROWS && source->data->file_size <= SMALL_FILE_BYTES &&
           (uint64_t)source->data->file_size <=
               vs_query_cache_limit(view->engine->cache) / CACHE_SHARE;
}

enum vs_status vs_file_column(const struct vs_view *view,
                              size_t file,
                              const struct vs_field *field,
                              const struct vs_op *op,
                              struct vs_cache_ref *ref_out,
                              struct vs_error *err)
{
    struct column_request request = {view, file, field, op};
    char uuid[VS_UUID_TEXT_SIZE];
    struct vs_buf key;
    vs_uuid_format(view->metadata->uuid, uuid);
    vs_buf_init(&key, view->engine->env, 1 << 20);
    enum vs_status status =
        vs_buf_printf(&key, err, "values|%s|%d|%d|%d|%d|%d|", uuid, field->id, (int)field->kind,
                      (int)field->element_kind, field->precision, field->scale);
    if (status == VS_OK) {
        status = vs_buf_append_str(&key, view->files[file].data->path, err);
    }
    if (status == VS_OK) {
        const struct vs_cache_maker maker = {make_column, free_column, &request, op};
        status = vs_query_cache_get(view->engine->cache, vs_buf_view(&key), &maker, ref_out, err);
    }
    vs_buf_clear(&key);
    return status;
}
