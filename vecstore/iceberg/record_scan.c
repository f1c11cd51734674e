// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/file_scan_internal.h"
#include "vecstore/iceberg/record_scan_internal.h"

static enum vs_status no_memory(const struct vs_data_file *data, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to read %.*s", VS_STR_ARG(data->path));
}

static enum vs_status open_inner(struct vs_record_scan *scan,
                                 struct vs_store *store,
                                 const struct vs_type *type,
                                 struct vs_error *err)
{
    VS_TRY(vs_data_file_open(scan->env, store, scan->metadata, scan->data, &scan->file,
                             &scan->reader, err));
    VS_TRY(vs_record_match(scan, type, err));
    return vs_record_open(scan->reader, &scan->wish, &scan->records, err);
}

enum vs_status vs_record_scan_open(const struct vs_env *env,
                                   struct vs_store *store,
                                   const struct vs_table_metadata *metadata,
                                   const struct vs_data_file *data,
                                   const struct vs_type *type,
                                   struct vs_record_scan **scan_out,
                                   struct vs_error *err)
{
    struct vs_record_scan *scan = (struct vs_record_scan *)vs_alloc_zeroed(env, 1, sizeof *scan);
    if (scan == NULL) {
        return no_memory(data, err);
    }
    scan->env = env;
    scan->metadata = metadata;
    scan->data = data;
    vs_arena_init(&scan->arena, env, 0);
    vs_arena_init(&scan->rows, env, VS_RECORD_BATCH_BYTES + VS_RECORD_ROW_BYTES);
    enum vs_status status = open_inner(scan, store, type, err);
    if (status != VS_OK) {
        vs_record_scan_close(scan);
        return status;
    }
    *scan_out = scan;
    return VS_OK;
}

void vs_record_scan_close(struct vs_record_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    const struct vs_env *env = scan->env;
    vs_record_close(scan->records);
    vs_parquet_close(scan->reader);
    vs_file_close(scan->file);
    vs_arena_clear(&scan->rows);
    vs_arena_clear(&scan->arena);
    vs_free(env, scan);
}

// Puts the constants into a value; what has none is shared with the reader's batch.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the wish, VS_TYPE_MAX_DEPTH
static enum vs_status fill_datum(struct vs_record_scan *scan,
                                 const struct vs_record_fill *fill,
                                 const struct vs_datum *datum,
                                 struct vs_datum *out,
                                 struct vs_error *err)
{
    *out = fill->is_absent ? fill->constant : *datum;
    bool is_plain = datum->shape == VS_DATUM_NULL || datum->shape == VS_DATUM_SCALAR;
    if (fill->is_absent || !fill->is_filled || is_plain) {
        return VS_OK;
    }
    size_t step = datum->shape == VS_DATUM_MAP ? 2 : 1, count = datum->count * step;
    struct vs_datum *items =
        (struct vs_datum *)vs_arena_alloc_array(&scan->rows, count, sizeof *items);
    if (items == NULL) {
        return no_memory(scan->data, err);
    }
    for (size_t i = 0; i < count; i++) {
        size_t child = datum->shape == VS_DATUM_STRUCT ? i : i % step;
        VS_TRY(fill_datum(scan, &fill->children[child], &datum->as.items[i], &items[i], err));
    }
    out->as.items = items;
    return VS_OK;
}

enum vs_status vs_record_scan_next(struct vs_record_scan *scan,
                                   size_t max_rows,
                                   const struct vs_datum **rows_out,
                                   size_t *count_out,
                                   uint64_t *first_position_out,
                                   struct vs_error *err)
{
    const struct vs_datum *rows = NULL;
    size_t count = 0;
    VS_TRY(vs_record_next(scan->records, max_rows, &rows, &count, err));
    vs_arena_clear(&scan->rows);
    if (scan->fill.is_filled && count > 0) {
        struct vs_datum *filled =
            (struct vs_datum *)vs_arena_alloc_array(&scan->rows, count, sizeof *filled);
        if (filled == NULL) {
            return no_memory(scan->data, err);
        }
        for (size_t i = 0; i < count; i++) {
            VS_TRY(fill_datum(scan, &scan->fill, &rows[i], &filled[i], err));
        }
        rows = filled;
    }
    *first_position_out = scan->position;
    scan->position += count;
    *rows_out = rows;
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_record_scan_seek(struct vs_record_scan *scan,
                                   uint64_t position,
                                   struct vs_error *err)
{
    VS_TRY(vs_record_seek(scan->records, position, err));
    scan->position = position;
    return VS_OK;
}
