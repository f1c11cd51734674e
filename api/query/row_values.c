// SPDX-License-Identifier: Apache-2.0
#include "api/query/row_values.h"

#include "api/query/file_column.h"
#include "api/query/search_run.h"

#include <stdlib.h>
#include <string.h>

struct wanted {     // one row, with what it is grouped by
    size_t source;  // segment, or segment count + file
    uint64_t row;   // in the source
    uint32_t index; // into fetch->rows
};

struct fetcher {
    const struct vs_row_fetch *fetch;
    struct wanted *wanted;
    struct vs_batch part; // of one source; made when there are several
    uint32_t *rows;
    int32_t *field_ids;
};

static int compare_wanted(const void *a, const void *b)
{
    const struct wanted *x = (const struct wanted *)a, *y = (const struct wanted *)b;
    if (x->source != y->source) {
        return x->source < y->source ? -1 : 1;
    }
    if (x->row != y->row) {
        return x->row < y->row ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

static enum vs_status check_part(const struct vs_batch *part,
                                 size_t count,
                                 const char *name,
                                 struct vs_error *err)
{
    for (size_t c = 0; c < part->column_count; c++) {
        if (part->columns[c].row_count != count) {
            return vs_fail(err, VS_CORRUPT, "%s: gave %zu of %zu rows asked for", name,
                           part->columns[c].row_count, count);
        }
    }
    return VS_OK;
}

// Rows in any order.
static enum vs_status fetch_from_index(struct fetcher *f,
                                       const struct wanted *first,
                                       size_t count,
                                       struct vs_batch *into,
                                       struct vs_error *err)
{
    const struct vs_row_fetch *fetch = f->fetch;
    for (size_t i = 0; i < count; i++) {
        f->rows[i] = (uint32_t)first[i].row;
    }
    VS_TRY(vs_index_fetch(fetch->view->index, first->source, f->field_ids, fetch->field_count,
                          f->rows, count, into, err));
    return check_part(into, count, "index", err);
}

static enum vs_status scan_positions(struct vs_file_scan *scan,
                                     const struct fetcher *f,
                                     const struct wanted *first,
                                     size_t count,
                                     struct vs_batch *part,
                                     struct vs_error *err)
{
    const struct vs_row_fetch *fetch = f->fetch;
    for (size_t i = 0; i < count; i++) {
        uint64_t position = fetch->rows[first[i].index].position, found = 0;
        VS_TRY(vs_op_check(fetch->view->engine->env, fetch->op, err));
        VS_TRY(vs_file_scan_seek(scan, position, err));
        VS_TRY(vs_file_scan_next(scan, 1, part, &found, err));
        if (found != position) {
            return vs_fail(err, VS_CORRUPT, "a data file gave row %llu for row %llu",
                           (unsigned long long)found, (unsigned long long)position);
        }
    }
    return check_part(part, count, "data file", err);
}

static enum vs_status seek_in_file(struct fetcher *f,
                                   const struct wanted *first,
                                   size_t count,
                                   struct vs_error *err)
{
    const struct vs_row_fetch *fetch = f->fetch;
    const struct vs_view *view = fetch->view;
    const struct vs_data_file *data = view->files[fetch->rows[first->index].file].data;
    struct vs_file_scan *scan = NULL;
    enum vs_status status = vs_file_scan_open(view->engine->env, view->store, view->metadata, data,
                                              fetch->fields, fetch->field_count, &scan, err);
    if (status == VS_OK) {
        status = scan_positions(scan, f, first, count, &f->part, err);
    }
    vs_file_scan_close(scan);
    return status;
}

// first..count: rows of one file, ascending. Small files (fresh inserts) are decoded once and kept,
// column by column.
static enum vs_status fetch_from_file(struct fetcher *f,
                                      const struct wanted *first,
                                      size_t count,
                                      struct vs_error *err)
{
    const struct vs_row_fetch *fetch = f->fetch;
    size_t file = fetch->rows[first->index].file;
    if (!vs_file_column_fits(fetch->view, file)) {
        return seek_in_file(f, first, count, err);
    }
    for (size_t i = 0; i < count; i++) {
        f->rows[i] = (uint32_t)fetch->rows[first[i].index].position;
    }
    for (size_t c = 0; c < fetch->field_count; c++) {
        struct vs_cache_ref ref = {0};
        VS_TRY(vs_file_column(fetch->view, file, &fetch->fields[c], fetch->op, &ref, err));
        enum vs_status status = vs_column_gather(
            &f->part.columns[c], (const struct vs_column *)ref.value, f->rows, count, err);
        vs_cache_release(&ref);
        VS_TRY(status);
    }
    return check_part(&f->part, count, "data file", err);
}

static enum vs_status append_part(struct fetcher *f,
                                  const struct wanted *first,
                                  size_t count,
                                  struct vs_batch *batch,
                                  uint32_t *place_out,
                                  struct vs_error *err)
{
    for (size_t c = 0; c < batch->column_count; c++) {
        VS_TRY(vs_column_append_rows(&batch->columns[c], &f->part.columns[c], 0, count, err));
    }
    for (size_t i = 0; i < count; i++) {
        place_out[first[i].index] = (uint32_t)(batch->row_count + i);
    }
    batch->row_count += count;
    return VS_OK;
}

// An empty part.
static enum vs_status begin_part(struct fetcher *f, struct vs_error *err)
{
    const struct vs_row_fetch *fetch = f->fetch;
    if (f->part.columns != NULL) {
        vs_batch_reset(&f->part);
        return VS_OK;
    }
    return vs_batch_init(&f->part, fetch->view->engine->env, fetch->fields, fetch->field_count,
                         err);
}

// Rows of one file, or of a segment whose index part is damaged, file by file: sorted, a file's
// rows stand together.
static enum vs_status fetch_by_files(struct fetcher *f,
                                     struct wanted *first,
                                     size_t count,
                                     struct vs_batch *batch,
                                     uint32_t *place_out,
                                     struct vs_error *err)
{
    qsort(first, count, sizeof *first, compare_wanted);
    for (size_t start = 0; start < count;) {
        size_t end = start + 1, file = f->fetch->rows[first[start].index].file;
        while (end < count && f->fetch->rows[first[end].index].file == file) {
            end++;
        }
        VS_TRY(begin_part(f, err));
        VS_TRY(fetch_from_file(f, first + start, end - start, err));
        VS_TRY(append_part(f, first + start, end - start, batch, place_out, err));
        start = end;
    }
    return VS_OK;
}

// All of them at once, which are all rows of the fetch.
static enum vs_status fetch_whole(struct fetcher *f,
                                  struct vs_batch *batch,
                                  uint32_t *place_out,
                                  struct vs_error *err)
{
    size_t count = f->fetch->row_count;
    enum vs_status status = fetch_from_index(f, f->wanted, count, batch, err);
    if (status != VS_OK) {
        vs_batch_reset(batch);
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        place_out[f->wanted[i].index] = (uint32_t)i;
    }
    return VS_OK;
}

static enum vs_status fetch_group(struct fetcher *f,
                                  struct wanted *first,
                                  size_t count,
                                  struct vs_batch *batch,
                                  uint32_t *place_out,
                                  struct vs_error *err)
{
    const struct vs_view *view = f->fetch->view;
    if (first->source >= view->segment_count) {
        return fetch_by_files(f, first, count, batch, place_out, err);
    }
    struct vs_error why = {0};
    enum vs_status status;
    if (count == f->fetch->row_count) {
        status = fetch_whole(f, batch, place_out, &why);
    } else {
        VS_TRY(begin_part(f, err));
        status = fetch_from_index(f, first, count, &f->part, &why);
        if (status == VS_OK) {
            return append_part(f, first, count, batch, place_out, err);
        }
    }
    if (!vs_is_damage(status)) {
        return status == VS_OK ? VS_OK : vs_fail(err, status, "%s", why.message);
    }
    vs_log(view->engine->env, VS_LOG_WARN, "query", "index_values_unusable",
           "index=%s reason=\"%s\" effect=\"values from data files\"", view->index_uuid,
           why.message);
    return fetch_by_files(f, first, count, batch, place_out, err);
}

// The rows of a source stand together; a single source is left as it is.
static void group_rows(struct fetcher *f, bool stored)
{
    const struct vs_row_fetch *fetch = f->fetch;
    bool is_single = true;
    for (size_t i = 0; i < fetch->row_count; i++) {
        const struct vs_view_file *file = &fetch->view->files[fetch->rows[i].file];
        f->wanted[i].source = fetch->view->segment_count + fetch->rows[i].file;
        f->wanted[i].row = fetch->rows[i].position;
        if (stored && file->run_count > 0) {
            const struct vs_index_run *run = vs_view_run(file, fetch->rows[i].position);
            f->wanted[i].source = run->segment;
            f->wanted[i].row = run->first_row + (fetch->rows[i].position - run->position);
        }
        f->wanted[i].index = (uint32_t)i;
        is_single = is_single && f->wanted[i].source == f->wanted[0].source;
    }
    if (!is_single) {
        qsort(f->wanted, fetch->row_count, sizeof *f->wanted, compare_wanted);
    }
}

static enum vs_status fetch_groups(struct fetcher *f,
                                   struct vs_batch *batch,
                                   uint32_t *place_out,
                                   struct vs_error *err)
{
    const struct vs_row_fetch *fetch = f->fetch;
    bool stored = true;
    for (size_t c = 0; c < fetch->field_count; c++) {
        f->field_ids[c] = fetch->fields[c].id;
        stored = stored && vs_view_stores_field(fetch->view, &fetch->fields[c]);
    }
    group_rows(f, stored);
    for (size_t start = 0; start < fetch->row_count;) {
        size_t end = start + 1;
        while (end < fetch->row_count && f->wanted[end].source == f->wanted[start].source) {
            end++;
        }
        VS_TRY(vs_op_check(fetch->view->engine->env, fetch->op, err));
        VS_TRY(fetch_group(f, f->wanted + start, end - start, batch, place_out, err));
        start = end;
    }
    return VS_OK;
}

void vs_rows_prefetch(const struct vs_view *view,
                      const struct vs_field *fields,
                      size_t field_count,
                      const struct vs_op *op)
{
    const struct vs_env *env = view->engine->env;
    bool stored = view->index != NULL && field_count > 0;
    for (size_t c = 0; c < field_count && stored; c++) {
        stored = vs_view_stores_field(view, &fields[c]);
    }
    int32_t *ids = stored ? vs_alloc_zeroed(env, field_count, sizeof *ids) : NULL;
    for (size_t c = 0; c < field_count && ids != NULL; c++) {
        ids[c] = fields[c].id;
    }
    for (size_t s = 0; s < view->segment_count && ids != NULL; s++) {
        if (view->segments[s].used) {
            vs_ignore(vs_index_prefetch(view->index, s, ids, field_count, op, NULL));
        }
    }
    vs_free(env, ids);
}

enum vs_status vs_rows_fetch(const struct vs_row_fetch *fetch,
                             struct vs_batch *batch,
                             uint32_t *place_out,
                             struct vs_error *err)
{
    const struct vs_env *env = fetch->view->engine->env;
    VS_TRY(vs_batch_init(batch, env, fetch->fields, fetch->field_count, err));
    if (fetch->row_count == 0 || fetch->field_count == 0) {
        memset(place_out, 0, fetch->row_count * sizeof *place_out);
        return VS_OK;
    }
    struct fetcher f = {.fetch = fetch};
    size_t row_bytes = sizeof *f.wanted + sizeof *f.rows; // counts of things in memory
    f.wanted = vs_alloc(env, fetch->row_count * row_bytes + fetch->field_count * sizeof(int32_t));
    if (f.wanted == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query: out of memory");
    }
    f.rows = (uint32_t *)(f.wanted + fetch->row_count);
    f.field_ids = (int32_t *)(f.rows + fetch->row_count);
    enum vs_status status = fetch_groups(&f, batch, place_out, err);
    vs_batch_clear(&f.part);
    vs_free(env, f.wanted);
    return status;
}

// ---- vectors ----

// True when the index gave it (or knows that the row has none).
static enum vs_status vector_from_index(const struct vs_view *view,
                                        size_t column,
                                        const struct vs_row_ref *row,
                                        float *vector,
                                        bool *present,
                                        bool *done_out,
                                        struct vs_error *err)
{
    const struct vs_view_file *file = &view->files[row->file];
    *done_out = false;
    if (column == SIZE_MAX || file->run_count == 0) {
        return VS_OK;
    }
    const struct vs_index_run *run = vs_view_run(file, row->position);
    uint32_t at = (uint32_t)(run->first_row + (row->position - run->position));
    struct vs_error why = {0};
    enum vs_status status =
        vs_index_fetch_vectors(view->index, run->segment, column, &at, 1, vector, present, &why);
    if (status != VS_OK && !vs_is_damage(status)) {
        return vs_fail(err, status, "%s", why.message);
    }
    *done_out = status == VS_OK;
    return VS_OK;
}

static enum vs_status vectors_from_files(const struct vs_row_fetch *fetch,
                                         const struct vs_vector_contract *contract,
                                         const bool *done,
                                         float *vectors_out,
                                         bool *present_out,
                                         struct vs_error *err)
{
    const struct vs_env *env = fetch->view->engine->env;
    struct vs_row_fetch rest = {.view = fetch->view,
                                .fields = &fetch->view->schema->fields[contract->field],
                                .field_count = 1,
                                .op = fetch->op};
    struct vs_row_ref *rows = vs_alloc_zeroed(env, fetch->row_count + 1, sizeof *rows);
    uint32_t *place = vs_alloc_zeroed(env, fetch->row_count + 1, sizeof *place);
    struct vs_batch batch = {0};
    enum vs_status status =
        rows == NULL || place == NULL ? vs_fail(err, VS_NO_MEMORY, "query: out of memory") : VS_OK;
    if (status == VS_OK) {
        rest.rows = rows;
        for (size_t i = 0; i < fetch->row_count; i++) {
            if (!done[i]) {
                rows[rest.row_count++] = fetch->rows[i];
            }
        }
        status = rest.row_count > 0 ? vs_rows_fetch(&rest, &batch, place, err) : VS_OK;
    }
    size_t next = 0;
    for (size_t i = 0; i < fetch->row_count && status == VS_OK; i++) {
        if (done[i]) {
            continue;
        }
        size_t length = 0;
        const float *x = vs_column_get_floats(&batch.columns[0], place[next++], &length);
        present_out[i] = x != NULL && length == contract->dimension;
        if (present_out[i]) {
            memcpy(vectors_out + i * contract->dimension, x, length * sizeof *x);
        }
    }
    vs_batch_clear(&batch);
    vs_free(env, rows);
    vs_free(env, place);
    return status;
}

enum vs_status vs_rows_fetch_vectors(const struct vs_row_fetch *fetch,
                                     const struct vs_vector_contract *contract,
                                     float *vectors_out,
                                     bool *present_out,
                                     struct vs_error *err)
{
    const struct vs_view *view = fetch->view;
    const char *reason;
    size_t column = vs_view_index_column(view, contract, &reason);
    bool *done = vs_alloc_zeroed(view->engine->env, fetch->row_count + 1, sizeof *done);
    if (done == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query: out of memory");
    }
    enum vs_status status = VS_OK;
    for (size_t i = 0; i < fetch->row_count && status == VS_OK; i++) {
        status =
            vector_from_index(view, column, &fetch->rows[i], vectors_out + i * contract->dimension,
                              &present_out[i], &done[i], err);
    }
    if (status == VS_OK) {
        status = vectors_from_files(fetch, contract, done, vectors_out, present_out, err);
    }
    vs_free(view->engine->env, done);
    return status;
}
