// SPDX-License-Identifier: Apache-2.0
/*
 * vs_engine_get: rows by id, deleted rows hidden.
 */
#include "api/query/request.h"

#include <stdio.h>
#include <string.h>

#define MAX_IDS 10000

struct get_job {
    struct vs_engine *engine;
    struct vs_get_options options;
    struct vs_arena arena;
    struct vs_cache_ref view_ref;
    const struct vs_view *view;
    struct vs_selection selection;
    struct vs_row_ref *rows; // found, in the order asked
    size_t row_count;
    size_t *missing; // indexes of ids
    size_t missing_count;
    struct vs_batch batch;
    uint32_t *place;
    const struct vs_vector_contract *contract;
    float *vectors;
    bool *present;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "get: out of memory");
}

static enum vs_status find_rows(struct get_job *job, struct vs_error *err)
{
    size_t count = job->options.id_count;
    job->rows = vs_arena_alloc_array(&job->arena, count, sizeof *job->rows);
    job->missing = vs_arena_alloc_array(&job->arena, count, sizeof *job->missing);
    job->place = vs_arena_alloc_array(&job->arena, count, sizeof *job->place);
    if (job->rows == NULL || job->missing == NULL || job->place == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        struct vs_value id;
        bool found = false;
        VS_TRY(vs_row_id_parse(job->view, job->options.ids[i], &job->arena, &id, err));
        VS_TRY(
            vs_row_find(job->view, &id, job->options.op, &job->rows[job->row_count], &found, err));
        if (found) {
            job->row_count++;
        } else {
            job->missing[job->missing_count++] = i;
        }
    }
    return VS_OK;
}

static enum vs_status fetch_rows(struct get_job *job, struct vs_error *err)
{
    const struct vs_row_fetch fetch = {.view = job->view,
                                       .fields = job->selection.fields,
                                       .field_count = job->selection.field_count,
                                       .rows = job->rows,
                                       .row_count = job->row_count};
    VS_TRY(vs_rows_fetch(&fetch, &job->batch, job->place, err));
    if (!job->options.include_vector) {
        return VS_OK;
    }
    VS_TRY(vs_contract_find(job->view->contracts, job->view->contract_count, NULL, &job->contract,
                            err));
    job->vectors =
        vs_arena_alloc_array(&job->arena, job->row_count * job->contract->dimension, sizeof(float));
    job->present = vs_arena_alloc_array(&job->arena, job->row_count, sizeof *job->present);
    if (job->vectors == NULL || job->present == NULL) {
        return no_memory(err);
    }
    return vs_rows_fetch_vectors(&fetch, job->contract, job->vectors, job->present, err);
}

static void write_vector(struct vs_json_writer *w, const struct get_job *job, size_t row)
{
    vs_jw_key(w, "vector");
    if (!job->present[row]) {
        vs_jw_null(w);
        return;
    }
    vs_jw_array_begin(w);
    for (size_t i = 0; i < job->contract->dimension; i++) {
        vs_jw_f32(w, job->vectors[row * job->contract->dimension + i]);
    }
    vs_jw_array_end(w);
}

static enum vs_status write_rows(struct get_job *job,
                                 struct vs_json_writer *w,
                                 struct vs_error *err)
{
    struct vs_row_json *json = vs_arena_alloc_array(&job->arena, job->row_count, sizeof *json);
    if (json == NULL) {
        return no_memory(err);
    }
    VS_TRY(vs_rows_write(&job->selection, &job->batch, job->place, job->row_count, &job->arena,
                         json, err));
    vs_jw_key(w, "rows");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < job->row_count; i++) {
        vs_jw_object_begin(w);
        vs_jw_key(w, "id");
        vs_jw_raw(w, json[i].id);
        vs_jw_key(w, "fields");
        vs_jw_raw(w, json[i].fields);
        if (job->vectors != NULL) {
            write_vector(w, job, i);
        }
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    return VS_OK;
}

// An id that is not there, as the kind of the column has it.
static void write_missing(struct vs_json_writer *w, const struct get_job *job)
{
    bool is_text = job->view->schema->fields[job->view->id_field].kind == VS_KIND_STRING;
    vs_jw_key(w, "not_found");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < job->missing_count; i++) {
        struct vs_str text = job->options.ids[job->missing[i]];
        int64_t number;
        if (!is_text && vs_parse_i64(vs_str_trim(text), &number, NULL) == VS_OK) {
            vs_jw_i64(w, number);
        } else {
            vs_jw_str(w, text);
        }
    }
    vs_jw_array_end(w);
}

static enum vs_status run_get(struct get_job *job, struct vs_buf *report, struct vs_error *err)
{
    const struct vs_get_options *o = &job->options;
    if (o->id_count == 0 || o->id_count > MAX_IDS) {
        return vs_fail(err, o->id_count == 0 ? VS_INVALID : VS_LIMIT,
                       "get: %zu ids are given; give 1 to %d", o->id_count, MAX_IDS);
    }
    VS_TRY(vs_view_get(job->engine, o->table, &o->at, o->op, &job->view_ref, err));
    job->view = (const struct vs_view *)job->view_ref.value;
    VS_TRY(vs_request_selection(job->view, o->select, o->select_count, o->select_none, &job->arena,
                                &job->selection, err));
    VS_TRY(find_rows(job, err));
    VS_TRY(fetch_rows(job, err));
    struct vs_json_writer w;
    char snapshot[24];
    snprintf(snapshot, sizeof snapshot, "%lld", (long long)job->view->snapshot_id);
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "snapshot_id");
    if (job->view->snapshot_id < 0) {
        vs_jw_null(&w);
    } else {
        vs_jw_c(&w, snapshot);
    }
    VS_TRY(write_rows(job, &w, err));
    write_missing(&w, job);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_engine_get(struct vs_engine *engine,
                             const struct vs_get_options *options,
                             struct vs_buf *report,
                             struct vs_error *err)
{
    struct get_job job = {.engine = engine};
    memcpy(&job.options, options,
           options->size > 0 && options->size < sizeof job.options ? options->size
                                                                   : sizeof job.options);
    vs_arena_init(&job.arena, engine->env, 0);
    enum vs_status status = run_get(&job, report, err);
    vs_batch_clear(&job.batch);
    vs_arena_clear(&job.arena);
    vs_cache_release(&job.view_ref);
    return status;
}
