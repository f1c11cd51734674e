// SPDX-License-Identifier: Apache-2.0
/*
 * Passes over the rows: values into attrs, payload and ids; vectors into their blob; samples for
 * training; vectors on to the encoder. While one batch is worked on, the pool reads the next.
 */
#include "index/build_internal.h"
#include "index/build_replay.h"
#include "vecstore/base/pool.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PAYLOAD_AVERAGE_BYTES 64 // text columns of longer values go to the payload

bool vs_build_prepare(const struct vs_kernels *kernels,
                      enum vs_metric metric,
                      float *vector,
                      size_t dim)
{
    float norm = 0.0F;
    kernels->dot_f32(vector, vector, dim, 1, &norm);
    if (!isfinite(norm)) {
        return false;
    }
    if (metric != VS_METRIC_COSINE) {
        return true;
    }
    if (!(norm > 0.0F)) {
        return false;
    }
    float scale = 1.0F / sqrtf(norm);
    for (size_t i = 0; i < dim; i++) {
        vector[i] *= scale;
    }
    return true;
}

// ---- places of fields ----

static bool is_vector_field(const struct vs_build *build, size_t field)
{
    for (size_t c = 0; c < build->params->column_count; c++) {
        if (build->params->columns[c].field == field) {
            return true;
        }
    }
    return false;
}

static bool is_long(const struct vs_column *column)
{
    size_t present = 0;
    for (size_t row = 0; row < column->row_count; row++) {
        present += !vs_column_is_null(column, row);
    }
    const struct vs_column *bytes = column->dictionary != NULL
                                        ? column->dictionary
                                        : (column->child != NULL ? column->child : column);
    return present > 0 && bytes->values.len / present > PAYLOAD_AVERAGE_BYTES;
}

// Decides by the first batch where each field goes, and makes what the passes fill.
static enum vs_status place_fields(struct vs_build *build,
                                   const struct vs_batch *batch,
                                   struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    for (size_t f = 0; f < params->field_count; f++) {
        const struct vs_field *field = &params->fields[f];
        enum vs_kind kind = field->kind;
        // Kinds that the attribute format does not know stay out: such fields come from the table.
        build->stored[f] =
            kind < VS_KIND_OTHER && (kind != VS_KIND_LIST || field->element_kind < VS_KIND_LIST);
        build->places[f] = VS_PLACE_ATTRS;
        if (is_vector_field(build, f)) {
            build->places[f] = VS_PLACE_VECTORS;
        } else if (f != params->id_field &&
                   (kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_LIST) &&
                   is_long(&batch->columns[f])) {
            build->places[f] = VS_PLACE_PAYLOAD;
            build->payload_fields[build->payload_field_count++] = *field;
        }
        if (build->stored[f] && build->places[f] == VS_PLACE_ATTRS) {
            VS_TRY(vs_column_init_field(&build->attrs[f], build->env, field, err));
        }
    }
    build->has_payload = build->payload_field_count > 0;
    if (build->has_payload) {
        VS_TRY(vs_payload_writer_open(build->env, build->payload_fields, build->payload_field_count,
                                      &build->payload_writer, err));
        VS_TRY(vs_batch_init(&build->payload_batch, build->env, build->payload_fields,
                             build->payload_field_count, err));
    }
    return VS_OK;
}

// ---- vectors of a batch ----

static enum vs_status check_vector(const struct vs_build_column *column,
                                   const struct vs_column *values,
                                   size_t row,
                                   uint64_t table_row,
                                   size_t count,
                                   struct vs_error *err)
{
    if (count != column->spec->dim) {
        return vs_fail(err, VS_INVALID,
                       "row %" PRIu64
                       ": column '%.*s' has %zu values, the table's contract says %" PRIu32
                       "; mend the row and build again",
                       table_row, VS_STR_ARG(column->field->name), count, column->spec->dim);
    }
    size_t first = 0, n = 0;
    vs_column_get_list(values, row, &first, &n);
    for (size_t i = first; values->child->valid.len != 0 && i < first + n; i++) {
        if (vs_column_is_null(values->child, i)) {
            return vs_fail(
                err, VS_INVALID,
                "row %" PRIu64
                ": column '%.*s' has a null among its values; mend the row and build again",
                table_row, VS_STR_ARG(column->field->name));
        }
    }
    return VS_OK;
}

enum vs_status vs_build_take_vector(const struct vs_build_column *column,
                                    const struct vs_column *values,
                                    size_t at,
                                    uint64_t row,
                                    float *vector_out,
                                    struct vs_error *err)
{
    size_t count = 0;
    const float *vector = vs_column_get_floats(values, at, &count);
    VS_TRY(check_vector(column, values, at, row, count, err));
    memcpy(vector_out, vector, count * sizeof(float));
    if (!vs_build_prepare(vs_kernels_get(), column->spec->metric, vector_out, count)) {
        return vs_fail(err, VS_INVALID,
                       "row %" PRIu64
                       ": the vector in column '%.*s' is not finite, too long, or of length "
                       "zero with cosine; mend the row and build again",
                       row, VS_STR_ARG(column->field->name));
    }
    return VS_OK;
}

// ---- values of a batch ----

static enum vs_status keep_attrs(struct vs_build *build,
                                 const struct vs_batch *batch,
                                 struct vs_error *err)
{
    for (size_t f = 0; f < build->params->field_count; f++) {
        if (build->stored[f] && build->places[f] == VS_PLACE_ATTRS) {
            VS_TRY(vs_column_append_rows(&build->attrs[f], &batch->columns[f], 0, batch->row_count,
                                         err));
        }
    }
    return VS_OK;
}

static enum vs_status keep_payload(struct vs_build *build,
                                   const struct vs_batch *batch,
                                   struct vs_error *err)
{
    if (!build->has_payload) {
        return VS_OK;
    }
    vs_batch_reset(&build->payload_batch);
    size_t p = 0;
    for (size_t f = 0; f < build->params->field_count; f++) {
        if (build->places[f] == VS_PLACE_PAYLOAD) {
            VS_TRY(vs_column_append_rows(&build->payload_batch.columns[p++], &batch->columns[f], 0,
                                         batch->row_count, err));
        }
    }
    build->payload_batch.row_count = batch->row_count;
    return vs_payload_writer_add(build->payload_writer, &build->payload_batch, &build->payload,
                                 err);
}

static enum vs_status flush_payload(struct vs_build *build, struct vs_error *err)
{
    VS_TRY(vs_index_blob_write(&build->writer, build->payload.data, build->payload.len, err));
    vs_buf_reset(&build->payload);
    return VS_OK;
}

static enum vs_status end_payload(struct vs_build *build, struct vs_error *err)
{
    VS_TRY(vs_payload_writer_finish(build->payload_writer, &build->payload, err));
    VS_TRY(flush_payload(build, err));
    return vs_index_blob_end(&build->writer, err);
}

enum vs_status vs_build_put_attrs(struct vs_build *build,
                                  struct vs_arena *arena,
                                  struct vs_segment_parts *parts,
                                  struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    parts->attrs = vs_arena_alloc_array(arena, params->field_count, sizeof *parts->attrs);
    if (parts->attrs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    bool begun = false;
    uint64_t offset = 0;
    for (size_t f = 0; f < params->field_count; f++) {
        if (!build->stored[f] || build->places[f] != VS_PLACE_ATTRS) {
            continue;
        }
        if (!begun) {
            VS_TRY(vs_index_blob_begin(&build->writer, VS_BLOB_ATTRS, 0, -1, err));
            begun = true;
        }
        vs_buf_reset(&build->payload);
        VS_TRY(vs_attr_encode(&build->attrs[f], &params->fields[f], &build->payload, err));
        parts->attrs[parts->attr_count++] =
            (struct vs_attr_part){params->fields[f].id, offset, build->payload.len};
        VS_TRY(vs_buf_append_zeros(
            &build->payload, (size_t)(vs_align64(build->payload.len) - build->payload.len), err));
        offset += build->payload.len;
        VS_TRY(vs_index_blob_write(&build->writer, build->payload.data, build->payload.len, err));
    }
    if (begun) {
        VS_TRY(vs_index_blob_end(&build->writer, err));
    }
    if (params->id_field == SIZE_MAX) {
        return VS_OK;
    }
    vs_buf_reset(&build->payload);
    VS_TRY(vs_ids_encode(&build->attrs[params->id_field], &build->payload, err));
    return vs_index_blob_put(&build->writer, VS_BLOB_IDS, 0, -1, build->payload.data,
                             build->payload.len, err);
}

// ---- passes ----

// What the pool does with one batch, beside reading the next.
enum work { WORK_READ, WORK_ATTRS, WORK_PAYLOAD, WORK_VECTORS };

struct step {
    struct vs_build *build;
    unsigned pass;
    size_t vector_column;
    const struct vs_batch *batch;
    struct vs_batch *next;
    uint64_t first_row;
    enum work fixed[4];
    size_t fixed_count;
};

// All rows that come next, up to a batch; 0: the end.
static enum vs_status read_batch(struct vs_build *build,
                                 struct vs_batch *batch,
                                 uint64_t first_row,
                                 struct vs_error *err)
{
    vs_batch_reset(batch);
    size_t rows = vs_build_log_rows(build, first_row, build->batch_rows);
    VS_TRY(build->source->next(build->source->ctx, rows, batch, err));
    return batch->row_count <= build->batch_rows
               ? VS_OK
               : vs_fail(err, VS_INTERNAL, "a source of rows gave more rows than it was asked for");
}

// Slices of the batch's vectors of one column: to be sampled or to be encoded.
static size_t slice_count(const struct step *step, const struct vs_build_column *column)
{
    size_t count = (step->pass & VS_PASS_SAMPLE) != 0 ? column->present_count : 0;
    count = (step->pass & VS_PASS_ENCODE) != 0 && column->has_lists ? column->chunk.count : count;
    return (count + VS_BUILD_SLICE - 1) / VS_BUILD_SLICE;
}

static enum vs_status slice_task(const struct step *step, size_t task, struct vs_error *err)
{
    for (size_t c = 0; c < step->build->params->column_count; c++) {
        struct vs_build_column *column = &step->build->columns[c];
        size_t slices = slice_count(step, column);
        if (task < slices) {
            return (step->pass & VS_PASS_SAMPLE) != 0
                       ? vs_build_sample_slice(step->build, column, step->batch, step->first_row,
                                               task, err)
                       : vs_build_encode_slice(step->build, column, step->batch, step->first_row,
                                               task, err);
        }
        task -= slices;
    }
    return VS_OK;
}

static enum vs_status run_task(void *ctx, size_t task, struct vs_error *err)
{
    const struct step *step = ctx;
    struct vs_build *build = step->build;
    if (task >= step->fixed_count) {
        return slice_task(step, task - step->fixed_count, err);
    }
    switch (step->fixed[task]) {
    case WORK_READ:
        return read_batch(build, step->next, step->first_row + step->batch->row_count, err);
    case WORK_ATTRS:
        return keep_attrs(build, step->batch, err);
    case WORK_VECTORS:
        return vs_build_vectors_write(build, &build->columns[step->vector_column], step->batch,
                                      step->first_row, err);
    case WORK_PAYLOAD:
        VS_TRY(keep_payload(build, step->batch, err));
        return build->is_large ? flush_payload(build, err) : VS_OK; // else written at the end
    }
    return VS_OK;
}

static enum vs_status begin_slices(const struct step *step,
                                   size_t *slices_out,
                                   struct vs_error *err)
{
    size_t slices = 0;
    for (size_t c = 0; c < step->build->params->column_count; c++) {
        struct vs_build_column *column = &step->build->columns[c];
        if ((step->pass & VS_PASS_SAMPLE) != 0) {
            vs_build_sample_begin(column, step->batch);
        } else if ((step->pass & VS_PASS_ENCODE) != 0 && column->has_lists) {
            VS_TRY(vs_build_chunk_begin(step->build, column, step->batch, step->first_row, err));
        }
        slices += slice_count(step, column);
    }
    *slices_out = slices;
    return VS_OK;
}

static enum vs_status end_slices(const struct step *step, struct vs_error *err)
{
    for (size_t c = 0; c < step->build->params->column_count; c++) {
        struct vs_build_column *column = &step->build->columns[c];
        if ((step->pass & VS_PASS_SAMPLE) != 0) {
            vs_build_sample_end(column);
        } else if ((step->pass & VS_PASS_ENCODE) != 0 && column->has_lists) {
            VS_TRY(vs_build_chunk_end(step->build, column, step->first_row + step->batch->row_count,
                                      err));
        }
    }
    return VS_OK;
}

// Everything that is to be done with one batch; the next one is read meanwhile.
static enum vs_status run_step(struct step *step, struct vs_error *err)
{
    struct vs_build *build = step->build;
    size_t slices = 0;
    step->fixed[0] = WORK_READ;
    step->fixed_count = 1;
    if ((step->pass & VS_PASS_PAYLOAD) != 0 && build->has_payload) {
        step->fixed[step->fixed_count++] = WORK_PAYLOAD;
    }
    if ((step->pass & VS_PASS_VECTORS) != 0) {
        step->fixed[step->fixed_count++] = WORK_VECTORS;
    }
    if ((step->pass & VS_PASS_ROWS) != 0) {
        step->fixed[step->fixed_count++] = WORK_ATTRS;
    }
    VS_TRY(begin_slices(step, &slices, err));
    int64_t start = vs_monotonic_ns(build->env);
    VS_TRY(vs_pool_run(build->env, build->thread_count, step->fixed_count + slices, run_task, step,
                       err));
    build->encode_ns +=
        (step->pass & VS_PASS_ENCODE) != 0 ? vs_monotonic_ns(build->env) - start : 0;
    return end_slices(step, err);
}

static enum vs_status check_count(const struct vs_build *build, uint64_t rows, struct vs_error *err)
{
    if (rows > build->row_count) {
        return vs_fail(err, VS_INVALID,
                       "the data files have more rows than the %" PRIu64 " that the table says",
                       build->row_count);
    }
    return VS_OK;
}

// Opens what can be opened only when the first batch has shown where fields go.
static enum vs_status begin_pass(struct vs_build *build, unsigned pass, struct vs_error *err)
{
    if ((pass & VS_PASS_ROWS) != 0) {
        VS_TRY(place_fields(build, &build->batches[0], err));
    }
    bool open = (pass & VS_PASS_PAYLOAD) != 0 && build->has_payload && build->is_large;
    return open ? vs_index_blob_begin(&build->writer, VS_BLOB_PAYLOAD, 0, -1, err) : VS_OK;
}

static enum vs_status read_all(struct vs_build *build,
                               unsigned pass,
                               size_t vector_column,
                               struct vs_error *err)
{
    const char *phase = (pass & VS_PASS_ENCODE) != 0 ? "encoding" : "reading";
    VS_TRY(read_batch(build, &build->batches[0], 0, err));
    VS_TRY(begin_pass(build, pass, err));
    uint64_t row = 0;
    for (size_t turn = 0; build->batches[turn & 1].row_count > 0; turn++) {
        struct vs_batch *batch = &build->batches[turn & 1];
        struct step step = {.build = build,
                            .pass = pass,
                            .vector_column = vector_column,
                            .batch = batch,
                            .next = &build->batches[~turn & 1],
                            .first_row = row};
        VS_TRY(vs_op_check(build->env, build->params->op, err));
        VS_TRY(check_count(build, row + batch->row_count, err));
        VS_TRY(run_step(&step, err));
        row += batch->row_count;
        vs_op_progress(build->params->op, phase, row, build->row_count, "rows");
    }
    if (row != build->row_count) {
        return vs_fail(err, VS_INVALID,
                       "the data files have %" PRIu64 " rows, the table says %" PRIu64, row,
                       build->row_count);
    }
    return VS_OK;
}

enum vs_status vs_build_run_pass(struct vs_build *build,
                                 unsigned pass,
                                 size_t vector_column,
                                 struct vs_error *err)
{
    if ((pass & (VS_PASS_ROWS | VS_PASS_SAMPLE)) == 0) {
        VS_TRY(build->source->rewind(build->source->ctx, err));
    }
    if ((pass & VS_PASS_VECTORS) != 0) {
        VS_TRY(vs_build_vectors_begin(build, &build->columns[vector_column], err));
    }
    VS_TRY(read_all(build, pass, vector_column, err));
    bool payload = (pass & VS_PASS_PAYLOAD) != 0 && build->has_payload;
    if (payload && build->is_large) {
        VS_TRY(end_payload(build, err));
        build->payload_done = true;
    }
    if ((pass & VS_PASS_VECTORS) != 0) {
        VS_TRY(vs_build_vectors_end(build, &build->columns[vector_column], err));
    }
    if (payload && !build->is_large) { // was kept in memory
        VS_TRY(vs_index_blob_begin(&build->writer, VS_BLOB_PAYLOAD, 0, -1, err));
        VS_TRY(end_payload(build, err));
    }
    return VS_OK;
}

struct kept_task {
    struct vs_build *build;
    struct vs_build_column *column;
};

static enum vs_status encode_kept_slice(void *ctx, size_t slice, struct vs_error *err)
{
    const struct kept_task *task = ctx;
    return vs_build_encode_slice(task->build, task->column, NULL, 0, slice, err);
}

enum vs_status vs_build_encode_kept(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err)
{
    struct kept_task task = {build, column};
    while (column->encoded < column->vector_count) {
        size_t left = (size_t)column->vector_count - column->encoded;
        size_t count = left < build->batch_rows ? left : build->batch_rows;
        const struct vs_row_fact *facts =
            (column->kept.facts != NULL ? column->kept.facts : column->set.facts) + column->encoded;
        count = vs_build_log_cut(build, facts, count); // within one data file
        uint64_t end = count < left ? facts[count].row : build->row_count;
        VS_TRY(vs_op_check(build->env, build->params->op, err));
        VS_TRY(vs_build_chunk_room(build, column, count, err));
        int64_t start = vs_monotonic_ns(build->env);
        VS_TRY(vs_pool_run(build->env, build->thread_count,
                           (count + VS_BUILD_SLICE - 1) / VS_BUILD_SLICE, encode_kept_slice, &task,
                           err));
        build->encode_ns += vs_monotonic_ns(build->env) - start;
        VS_TRY(vs_build_chunk_end(build, column, end, err));
        vs_op_progress(build->params->op, "encoding", column->encoded, column->vector_count,
                       "vectors");
    }
    return VS_OK;
}

void vs_build_rows_clear(struct vs_build *build)
{
    for (size_t f = 0; f < build->params->field_count && build->attrs != NULL; f++) {
        vs_column_clear(&build->attrs[f]);
    }
    vs_free(build->env, build->attrs);
    vs_free(build->env, build->places);
    vs_free(build->env, build->stored);
    vs_free(build->env, build->payload_fields);
    if (build->payload_writer != NULL) {
        vs_payload_writer_free(build->payload_writer);
    }
    vs_buf_clear(&build->payload);
    vs_batch_clear(&build->batches[0]);
    vs_batch_clear(&build->batches[1]);
    vs_batch_clear(&build->payload_batch);
    vs_free_aligned(build->env, build->raw);
}
