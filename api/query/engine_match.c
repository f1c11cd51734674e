// SPDX-License-Identifier: Apache-2.0
/*
 * Positions of rows that match a filter (for deletes), and how much of a table the index covers.
 */
#include "api/query/request.h"
#include "api/query/row_bits.h"
#include "api/query/row_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct match_job {
    const struct vs_view *view;
    const struct vs_filter *filter;
    const struct vs_op *op;
    struct vs_buf found; // struct vs_position_delete
};

static enum vs_status match_file(struct match_job *job, size_t f, struct vs_error *err)
{
    const struct vs_env *env = job->view->engine->env;
    const struct vs_view_file *file = &job->view->files[f];
    uint64_t *bits = vs_alloc_zeroed(env, vs_bits_words(file->row_count) + 1, sizeof *bits);
    enum vs_status status =
        bits == NULL ? vs_fail(err, VS_NO_MEMORY, "filter: out of memory") : VS_OK;
    if (status == VS_OK) {
        status = vs_file_rows(job->view, job->filter, f, job->op, bits, err);
    }
    uint64_t at = status == VS_OK ? vs_bits_next(bits, 0, file->row_count) : file->row_count;
    while (status == VS_OK && at < file->row_count) {
        const struct vs_position_delete position = {file->data->path, at};
        status = vs_buf_append(&job->found, &position, sizeof position, err);
        at = vs_bits_next(bits, at + 1, file->row_count);
    }
    vs_free(env, bits);
    return status;
}

static int compare_positions(const void *a, const void *b)
{
    const struct vs_position_delete *x = (const struct vs_position_delete *)a,
                                    *y = (const struct vs_position_delete *)b;
    int order = vs_str_compare(x->path, y->path);
    return order != 0 ? order : (x->position < y->position ? -1 : x->position > y->position);
}

// Paths borrow from the view, which dies: they are copied once per file.
static enum vs_status move_positions(struct match_job *job,
                                     struct vs_arena *arena,
                                     struct vs_position_delete **positions_out,
                                     size_t *count_out,
                                     struct vs_error *err)
{
    size_t count = job->found.len / sizeof(struct vs_position_delete);
    struct vs_position_delete *positions = vs_arena_alloc_array(arena, count, sizeof *positions);
    if (positions == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    if (count > 0) {
        memcpy(positions, job->found.data, job->found.len);
    }
    qsort(positions, count, sizeof *positions, compare_positions);
    struct vs_str from = {NULL, 0}, copy = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        if (from.ptr != positions[i].path.ptr) {
            from = positions[i].path;
            copy = vs_arena_copy_str(arena, from);
            if (copy.ptr == NULL) {
                return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
            }
        }
        positions[i].path = copy;
    }
    *positions_out = positions;
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_engine_match(struct vs_engine *engine,
                               const struct vs_table_metadata *base,
                               const struct vs_match *match,
                               const struct vs_op *op,
                               struct vs_arena *arena,
                               struct vs_position_delete **positions_out,
                               size_t *count_out,
                               struct vs_error *err)
{
    struct vs_view *view = NULL;
    struct vs_filter *filter = NULL;
    struct match_job job = {.op = op};
    struct vs_arena scratch;
    if (match->filter == NULL && match->filter_json.len == 0) {
        return vs_fail(err, VS_INVALID, "no filter is given; to match every row write TRUE");
    }
    int64_t snapshot_id = match->snapshot_id != 0 ? match->snapshot_id : base->current_snapshot_id;
    VS_TRY(vs_view_make(engine, match->store, base, snapshot_id, vs_table_current_schema(base), op,
                        &view, err));
    vs_arena_init(&scratch, engine->env, 0);
    vs_buf_init(&job.found, engine->env, SIZE_MAX / 2);
    enum vs_status status =
        vs_request_filter(view, match->filter, match->filter_json, &scratch, &filter, err);
    job.view = view;
    job.filter = filter;
    for (size_t f = 0; f < view->file_count && status == VS_OK; f++) {
        status = match_file(&job, f, err);
    }
    if (status == VS_OK) {
        status = move_positions(&job, arena, positions_out, count_out, err);
    }
    vs_buf_clear(&job.found);
    vs_arena_clear(&scratch);
    vs_view_free(view);
    return status;
}

enum vs_status vs_engine_coverage(struct vs_engine *engine,
                                  const char *table,
                                  struct vs_index_coverage *coverage_out,
                                  struct vs_error *err)
{
    struct vs_cache_ref ref = {0};
    const struct vs_at newest = {0};
    VS_TRY(vs_view_get(engine, table, &newest, NULL, &ref, err));
    const struct vs_view *view = (const struct vs_view *)ref.value;
    struct vs_index_coverage coverage = {.has_index = view->index != NULL,
                                         .index_snapshot_id = VS_NO_SNAPSHOT};
    coverage.covered_files = view->covered_files;
    coverage.covered_rows = view->covered_rows;
    coverage.uncovered_files = view->file_count - view->covered_files;
    coverage.uncovered_rows = view->row_count - view->covered_rows;
    coverage.deleted_rows = view->deleted_rows;
    snprintf(coverage.problem, sizeof coverage.problem, "%s", view->problem);
    if (view->index != NULL) {
        memcpy(coverage.index_uuid, view->index_uuid, sizeof coverage.index_uuid);
        coverage.index_snapshot_id = view->info->snapshot_id;
        for (size_t s = 0; s < view->info->segment_count; s++) {
            coverage.index_rows += view->info->segments[s].row_count;
        }
    }
    vs_cache_release(&ref);
    *coverage_out = coverage;
    return VS_OK;
}
