// SPDX-License-Identifier: Apache-2.0
#include "api/query/vector_scan.h"

#include "simd/kernels.h"
#include "vecstore/base/checked.h"

#include <math.h>
#include <string.h>

#define BLOCK_ROWS 512
#define CACHE_SHARE 4 // one file may take this part of the cache

struct stream {
    const struct vs_vector_scan *scan;
    bool is_cosine, needs_scale;
    float *rows;
    uint32_t positions[BLOCK_ROWS];
    float scales[BLOCK_ROWS];
    size_t count;
};

// 1 / norm; 0 when the vector cannot be used.
static float usable_scale(const struct stream *stream, const float *x)
{
    size_t dim = stream->scan->contract->dimension;
    float square = 0;
    vs_kernels_get()->dot_f32(x, x, dim, 1, &square);
    if (isfinite(square) && square >= 1e-30F) {
        return 1.0F / sqrtf(square);
    }
    double sum = 0;
    for (size_t i = 0; i < dim; i++) {
        if (!isfinite(x[i])) {
            return 0;
        }
        sum += (double)x[i] * (double)x[i];
    }
    if (sum == 0) {
        return stream->is_cosine ? 0 : 1;
    }
    double scale = 1 / sqrt(sum);
    return scale > 3e38 ? 3e38F : (float)scale;
}

static void take_row(struct stream *stream,
                     const struct vs_column *column,
                     size_t row,
                     uint64_t position)
{
    size_t dim = stream->scan->contract->dimension, length = 0, first = 0;
    const float *x = vs_column_get_floats(column, row, &length);
    if (x == NULL || length != dim) {
        return;
    }
    vs_column_get_list(column, row, &first, &length);
    for (size_t i = 0; column->child->valid.len != 0 && i < dim; i++) {
        if (vs_column_is_null(column->child, first + i)) {
            return;
        }
    }
    float scale = usable_scale(stream, x);
    if (scale == 0) {
        return;
    }
    memcpy(stream->rows + stream->count * dim, x, dim * sizeof *x);
    stream->positions[stream->count] = (uint32_t)position;
    stream->scales[stream->count] = scale;
    stream->count++;
}

static enum vs_status stream_batches(struct stream *stream,
                                     struct vs_file_scan *file_scan,
                                     struct vs_batch *batch,
                                     vs_vector_fn visit,
                                     void *ctx,
                                     struct vs_error *err)
{
    const struct vs_view *view = stream->scan->view;
    const struct vs_view_file *file = &view->files[stream->scan->file];
    uint64_t next = 0;
    for (;;) {
        uint64_t position = 0;
        vs_batch_reset(batch);
        VS_TRY(vs_op_check(view->engine->env, stream->scan->op, err));
        VS_TRY(vs_file_scan_next(file_scan, BLOCK_ROWS, batch, &position, err));
        if (batch->row_count == 0 || batch->row_count > BLOCK_ROWS ||
            batch->row_count > file->row_count - next) {
            break;
        }
        stream->count = 0;
        for (size_t i = 0; i < batch->row_count; i++) {
            take_row(stream, &batch->columns[0], i, position + i);
        }
        next += batch->row_count;
        const struct vs_vector_block block = {stream->count, stream->rows, stream->positions,
                                              stream->needs_scale ? stream->scales : NULL};
        if (block.count > 0) {
            VS_TRY(visit(ctx, &block, err));
        }
    }
    if (batch->row_count != 0 || next != file->row_count) {
        return vs_fail(err, VS_CORRUPT,
                       "data file %.*s: does not have the %llu rows that its manifest says",
                       VS_STR_ARG(file->data->path), (unsigned long long)file->row_count);
    }
    return VS_OK;
}

enum vs_status vs_vectors_stream(const struct vs_vector_scan *scan,
                                 vs_vector_fn visit,
                                 void *ctx,
                                 struct vs_error *err)
{
    const struct vs_view *view = scan->view;
    const struct vs_env *env = view->engine->env;
    const struct vs_field *field = &view->schema->fields[scan->contract->field];
    struct vs_batch batch = {0};
    struct vs_file_scan *file_scan = NULL;
    struct stream *stream = vs_alloc_zeroed(env, 1, sizeof *stream);
    enum vs_status status = VS_OK;
    if (stream != NULL) {
        stream->scan = scan;
        stream->is_cosine = vs_str_equal_c(scan->contract->metric, "cosine");
        stream->needs_scale = stream->is_cosine && !scan->contract->normalized;
        stream->rows =
            vs_alloc_aligned(env, (size_t)BLOCK_ROWS * scan->contract->dimension * sizeof(float));
    }
    if (stream == NULL || stream->rows == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "scan: out of memory");
        goto done;
    }
    status = vs_batch_init(&batch, env, field, 1, err);
    if (status == VS_OK) {
        status = vs_file_scan_open(env, view->store, view->metadata, view->files[scan->file].data,
                                   field, 1, &file_scan, err);
    }
    if (status == VS_OK) {
        status = stream_batches(stream, file_scan, &batch, visit, ctx, err);
    }
done:
    vs_file_scan_close(file_scan);
    vs_batch_clear(&batch);
    if (stream != NULL) {
        vs_free_aligned(env, stream->rows);
        vs_free(env, stream);
    }
    return status;
}

// ---- the whole file in memory ----

struct tail {
    struct vs_vector_block block; // what users see; first
    float *rows;
    uint32_t *positions;
    float *scales;
    size_t dim;
};

static void free_tail(const struct vs_env *env, void *value)
{
    struct tail *tail = (struct tail *)value;
    vs_free_aligned(env, tail->rows);
    vs_free(env, tail->positions);
    vs_free(env, tail->scales);
    vs_free(env, tail);
}

static enum vs_status keep_block(void *ctx,
                                 const struct vs_vector_block *block,
                                 struct vs_error *err)
{
    struct tail *tail = (struct tail *)ctx;
    (void)err;
    memcpy(tail->rows + tail->block.count * tail->dim, block->rows,
           block->count * tail->dim * sizeof(float));
    memcpy(tail->positions + tail->block.count, block->positions,
           block->count * sizeof *tail->positions);
    if (block->scales != NULL) {
        memcpy(tail->scales + tail->block.count, block->scales,
               block->count * sizeof *tail->scales);
        tail->block.scales = tail->scales;
    }
    tail->block.count += block->count;
    return VS_OK;
}

static enum vs_status make_tail(void *ctx,
                                void **value_out,
                                size_t *bytes_out,
                                struct vs_error *err)
{
    const struct vs_vector_scan *scan = (const struct vs_vector_scan *)ctx;
    const struct vs_env *env = scan->view->engine->env;
    size_t rows = (size_t)scan->view->files[scan->file].row_count, dim = scan->contract->dimension;
    struct tail *tail = vs_alloc_zeroed(env, 1, sizeof *tail);
    if (tail == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "scan: out of memory");
    }
    tail->dim = dim;
    tail->rows = vs_alloc_aligned(env, rows * dim * sizeof(float) + 1); // bounded by vs_vectors_fit
    tail->positions = vs_alloc_zeroed(env, rows + 1, sizeof *tail->positions);
    tail->scales = vs_alloc_zeroed(env, rows + 1, sizeof *tail->scales);
    enum vs_status status;
    if (tail->rows == NULL || tail->positions == NULL || tail->scales == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "scan: out of memory");
    } else {
        status = vs_vectors_stream(scan, keep_block, tail, err);
    }
    if (status != VS_OK) {
        free_tail(env, tail);
        return status;
    }
    tail->block.rows = tail->rows;
    tail->block.positions = tail->positions;
    *value_out = tail;
    *bytes_out = sizeof *tail + rows * (dim * sizeof(float) + sizeof(uint32_t) + sizeof(float));
    return VS_OK;
}

bool vs_vectors_fit(const struct vs_vector_scan *scan)
{
    uint64_t bytes;
    uint64_t row =
        (uint64_t)scan->contract->dimension * sizeof(float) + sizeof(uint32_t) + sizeof(float);
    return vs_mul_u64(scan->view->files[scan->file].row_count, row, &bytes) &&
           bytes <= vs_query_cache_limit(scan->view->engine->cache) / CACHE_SHARE;
}

enum vs_status vs_vectors_get(const struct vs_vector_scan *scan,
                              struct vs_cache_ref *ref_out,
                              struct vs_error *err)
{
    const struct vs_view *view = scan->view;
    const struct vs_vector_contract *contract = scan->contract;
    char uuid[VS_UUID_TEXT_SIZE];
    struct vs_buf key;
    vs_uuid_format(view->metadata->uuid, uuid);
    vs_buf_init(&key, view->engine->env, 1 << 20);
    enum vs_status status =
        vs_buf_printf(&key, err, "vectors|%s|%d|%u|%.*s|%d|", uuid, contract->field_id,
                      contract->dimension, VS_STR_ARG(contract->metric), contract->normalized);
    if (status == VS_OK) {
        status = vs_buf_append_str(&key, view->files[scan->file].data->path, err);
    }
    if (status == VS_OK) {
        struct vs_vector_scan request = *scan;
        const struct vs_cache_maker maker = {make_tail, free_tail, &request, scan->op};
        status = vs_query_cache_get(view->engine->cache, vs_buf_view(&key), &maker, ref_out, err);
    }
    vs_buf_clear(&key);
    return status;
}
