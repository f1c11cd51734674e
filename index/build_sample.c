// SPDX-License-Identifier: Apache-2.0
/*
 * First look at the vectors: they are counted, checked and rounded to int8, the form in which the
 * index keeps them and training samples them. All of them are kept where memory allows, so that the
 * rows need not be read again.
 */
#include "index/build_internal.h"

#include <inttypes.h>

#define NOWHERE UINT32_MAX

float vs_build_round(
    const float *vector, size_t dim, size_t stride, int8_t *values_out, float *norm_out)
{
    memset(values_out + dim, 0, stride - dim);
    vs_kernels_get()->dot_f32(vector, vector, dim, 1, norm_out);
    return vs_quantize_i8(vector, dim, values_out);
}

// Where vector `number` goes in the sample: uniform reservoir sampling in order of arrival.
static uint32_t sample_place(struct vs_build_column *column, uint64_t number)
{
    uint64_t at = column->sample_count;
    if (column->sample_count < column->sample_room) {
        column->sample_count++;
    } else if (column->sample_room > 0) {
        at = vs_build_random(&column->random) % (number + 1);
    }
    if (at >= column->sample_room) {
        return NOWHERE;
    }
    column->sample_at[at] = (uint32_t)number;
    return (uint32_t)at;
}

void vs_build_sample_begin(struct vs_build_column *column, const struct vs_batch *batch)
{
    const struct vs_column *values = &batch->columns[column->spec->field];
    size_t count = 0;
    for (size_t i = 0; i < batch->row_count; i++) {
        size_t floats = 0;
        (void)vs_column_get_floats(values, i, &floats);
        if (floats > 0) {
            column->place[count] = sample_place(column, column->vector_count + count);
            column->present[count++] = (uint32_t)i;
        }
    }
    column->present_count = count;
}

// Of two vectors of a batch with one place the later one has it.
static void put_vector(struct vs_build_column *column, size_t i, uint32_t row, const float *vector)
{
    size_t dim = column->spec->dim, stride = column->stride;
    uint32_t place = column->place[i];
    uint64_t number = column->vector_count + i;
    struct vs_build_rows *rows = &column->kept;
    size_t at = (size_t)number;
    if (rows->values == NULL) {
        if (place == NOWHERE || column->sample_at[place] != number) {
            return;
        }
        rows = &column->sampled;
        at = place;
    }
    struct vs_row_fact fact = {.row = row};
    fact.scale = vs_build_round(vector, dim, stride, rows->values + at * stride, &fact.norm);
    rows->facts[at] = fact;
}

enum vs_status vs_build_sample_slice(const struct vs_build *build,
                                     struct vs_build_column *column,
                                     const struct vs_batch *batch,
                                     uint64_t first_row,
                                     size_t slice,
                                     struct vs_error *err)
{
    const struct vs_column *values = &batch->columns[column->spec->field];
    size_t first = slice * VS_BUILD_SLICE, end = first + VS_BUILD_SLICE;
    end = end < column->present_count ? end : column->present_count;
    float *vector = vs_alloc(build->env, column->spec->dim * sizeof *vector);
    enum vs_status status = vector != NULL ? VS_OK : vs_build_no_memory(column, err);
    for (size_t i = first; i < end && status == VS_OK; i++) {
        uint64_t row = first_row + column->present[i];
        status = vs_build_take_vector(column, values, column->present[i], row, vector, err);
        if (status == VS_OK) {
            put_vector(column, i, (uint32_t)row, vector);
        }
    }
    vs_free(build->env, vector);
    return status;
}

void vs_build_sample_end(struct vs_build_column *column)
{
    column->vector_count += column->present_count;
}

struct vs_train_rows vs_build_sample_rows(const struct vs_build_column *column)
{
    bool kept = column->kept.values != NULL;
    const struct vs_build_rows *rows = kept ? &column->kept : &column->sampled;
    return (struct vs_train_rows){.values = rows->values,
                                  .facts = rows->facts,
                                  .places = kept ? column->sample_at : NULL,
                                  .stride = column->stride,
                                  .count = column->sample_count};
}

// As many rows as a model file holds, evenly chosen.
enum vs_status vs_build_sample_thin(const struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err)
{
    const struct vs_train_rows rows = vs_build_sample_rows(column);
    size_t dim = column->spec->dim,
           count = rows.count < VS_MEASURE_SAMPLE ? rows.count : VS_MEASURE_SAMPLE;
    column->sample = vs_alloc_aligned(build->env, count * dim * sizeof(float) + 64);
    column->sample_rows = vs_alloc(build->env, count * sizeof(uint32_t) + 4);
    if (column->sample == NULL || column->sample_rows == NULL) {
        return vs_build_no_memory(column, err);
    }
    for (size_t i = 0; i < count; i++) {
        column->sample_rows[i] =
            vs_train_row(&rows, i * rows.count / count, dim, column->sample + i * dim);
    }
    column->sample_count = count;
    vs_build_rows_free(build->env, &column->sampled);
    vs_free(build->env, column->sample_at);
    column->sample_at = NULL;
    return VS_OK;
}

enum vs_status vs_build_rows_make(const struct vs_env *env,
                                  size_t count,
                                  size_t stride,
                                  struct vs_build_rows *rows,
                                  struct vs_error *err)
{
    rows->values = vs_alloc_aligned(env, count * stride + 64);
    rows->facts = vs_alloc_aligned(env, count * sizeof *rows->facts + 64);
    return rows->values != NULL && rows->facts != NULL
               ? VS_OK
               : vs_fail(err, VS_NO_MEMORY, "out of memory for the vectors of an index");
}

void vs_build_rows_free(const struct vs_env *env, struct vs_build_rows *rows)
{
    vs_free_aligned(env, rows->values);
    vs_free_aligned(env, rows->facts);
    *rows = (struct vs_build_rows){0};
}
