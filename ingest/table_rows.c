// SPDX-License-Identifier: Apache-2.0
#include "ingest/table_rows.h"

struct vs_table_rows {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    const struct vs_scan_plan *plan;
    const struct vs_field *fields;
    size_t field_count;
    size_t file;               // the next one to open
    uint64_t rows_of_file;     // read from the open one
    struct vs_file_scan *scan; // of file - 1
};

enum vs_status vs_table_rows_open(const struct vs_env *env,
                                  struct vs_store *store,
                                  const struct vs_table_metadata *metadata,
                                  const struct vs_scan_plan *plan,
                                  const struct vs_field *fields,
                                  size_t field_count,
                                  struct vs_table_rows **rows_out,
                                  struct vs_error *err)
{
    struct vs_table_rows *rows = vs_alloc_zeroed(env, 1, sizeof *rows);
    if (rows == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for reading %zu data files",
                       plan->file_count);
    }
    rows->env = env;
    rows->store = store;
    rows->metadata = metadata;
    rows->plan = plan;
    rows->fields = fields;
    rows->field_count = field_count;
    *rows_out = rows;
    return VS_OK;
}

void vs_table_rows_close(struct vs_table_rows *rows)
{
    if (rows == NULL) {
        return;
    }
    vs_file_scan_close(rows->scan);
    vs_free(rows->env, rows);
}

// Row numbers of an index rest on the counts in the manifests: a file that disagrees is refused,
// not shifted.
static enum vs_status end_file(struct vs_table_rows *rows, struct vs_error *err)
{
    const struct vs_data_file *data = &rows->plan->files[rows->file - 1].data;
    vs_file_scan_close(rows->scan);
    rows->scan = NULL;
    if (rows->rows_of_file != (uint64_t)data->record_count) {
        return vs_fail(err, VS_CORRUPT, "data file %.*s holds %llu rows, its manifest says %lld",
                       VS_STR_ARG(data->path), (unsigned long long)rows->rows_of_file,
                       (long long)data->record_count);
    }
    return VS_OK;
}

static enum vs_status begin_file(struct vs_table_rows *rows, struct vs_error *err)
{
    const struct vs_data_file *data = &rows->plan->files[rows->file].data;
    VS_TRY(vs_file_scan_open(rows->env, rows->store, rows->metadata, data, rows->fields,
                             rows->field_count, &rows->scan, err));
    rows->rows_of_file = 0;
    rows->file++;
    return VS_OK;
}

enum vs_status vs_table_rows_next(void *ctx,
                                  size_t max_rows,
                                  struct vs_batch *batch,
                                  struct vs_error *err)
{
    struct vs_table_rows *rows = ctx;
    for (;;) {
        if (rows->scan == NULL) {
            if (rows->file == rows->plan->file_count) {
                return VS_OK;
            }
            VS_TRY(begin_file(rows, err));
        }
        uint64_t first = 0;
        size_t before = batch->row_count;
        VS_TRY(vs_file_scan_next(rows->scan, max_rows, batch, &first, err));
        if (batch->row_count > before) {
            rows->rows_of_file += batch->row_count - before;
            return VS_OK;
        }
        VS_TRY(end_file(rows, err));
    }
}

enum vs_status vs_table_rows_rewind(void *ctx, struct vs_error *err)
{
    (void)err;
    struct vs_table_rows *rows = ctx;
    vs_file_scan_close(rows->scan);
    rows->scan = NULL;
    rows->file = 0;
    return VS_OK;
}
