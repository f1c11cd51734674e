// SPDX-License-Identifier: Apache-2.0
/*
 * Second pass: lists, codes and int8 rows of every vector, batch by batch, in order of arrival.
 */
#include "index/build_internal.h"
#include "index/build_replay.h"
#include "index/build_spill.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum vs_status vs_build_no_memory(const struct vs_build_column *column, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the index of column '%.*s'",
                   VS_STR_ARG(column->field->name));
}

// ---- begin ----

static enum vs_status make_chunk(struct vs_build *build,
                                 struct vs_build_column *column,
                                 struct vs_error *err)
{
    const struct vs_env *env = build->env;
    size_t rows = build->batch_rows;
    column->chunk.assigned = vs_alloc_zeroed(env, rows, sizeof *column->chunk.assigned);
    column->drift_count = (rows + VS_BUILD_SLICE - 1) / VS_BUILD_SLICE;
    column->drifts = vs_alloc_zeroed(env, column->drift_count, sizeof *column->drifts);
    bool made = column->chunk.assigned != NULL && column->drifts != NULL;
    return made ? VS_OK : vs_build_no_memory(column, err);
}

enum vs_status vs_build_set_make(const struct vs_env *env,
                                 const struct vs_build_column *column,
                                 size_t room,
                                 size_t second_room,
                                 struct vs_build_set *set,
                                 struct vs_error *err)
{
    size_t code_bytes = column->codebook->m / 2;
    set->room = room;
    set->second_room = second_room;
    set->list_of = vs_alloc(env, room * sizeof(uint32_t) + 64);
    set->codes = vs_alloc_aligned(env, room * code_bytes + 64);
    if (set->values == NULL) {
        set->values = vs_alloc_aligned(env, room * column->stride + 64);
        set->facts = vs_alloc_aligned(env, room * sizeof *set->facts + 64);
    }
    set->seconds = vs_alloc(env, second_room * sizeof *set->seconds + 64);
    set->second_codes = vs_alloc(env, second_room * code_bytes + 64);
    bool made = set->list_of != NULL && set->codes != NULL && set->values != NULL &&
                set->facts != NULL && set->seconds != NULL && set->second_codes != NULL;
    return made ? VS_OK : vs_build_no_memory(column, err);
}

void vs_build_set_clear(const struct vs_env *env, struct vs_build_set *set)
{
    vs_free(env, set->list_of);
    vs_free_aligned(env, set->codes);
    vs_free_aligned(env, set->values);
    vs_free_aligned(env, set->facts);
    vs_free(env, set->seconds);
    vs_free(env, set->second_codes);
    *set = (struct vs_build_set){.count = 0};
}

enum vs_status vs_build_encode_begin(struct vs_build *build,
                                     struct vs_build_column *column,
                                     struct vs_error *err)
{
    const struct vs_env *env = build->env;
    size_t lists = column->codebook->list_count;
    column->records = vs_alloc_zeroed(env, lists, sizeof *column->records);
    column->second_counts = vs_alloc_zeroed(env, lists, sizeof *column->second_counts);
    if (column->records == NULL || column->second_counts == NULL) {
        return vs_build_no_memory(column, err);
    }
    VS_TRY(make_chunk(build, column, err));
    size_t n = (size_t)column->vector_count;
    if (build->only_part) {
        n = build->batch_rows; // of one batch at a time
    } else if (vs_build_spills(build, column)) {
        VS_TRY(vs_build_spill_open(build, column, err));
        n = build->batch_rows;
    } else { // the vectors that were kept, if any, are encoded where they lie
        column->set.values = column->kept.values;
        column->set.facts = column->kept.facts;
        column->kept = (struct vs_build_rows){0};
    }
    return vs_build_set_make(env, column, n, column->second_assignment ? n : 0, &column->set, err);
}

// ---- one batch ----

enum vs_status vs_build_chunk_room(const struct vs_build *build,
                                   struct vs_build_column *column,
                                   size_t count,
                                   struct vs_error *err)
{
    if (count > column->vector_count - column->encoded) {
        return vs_fail(err, VS_INVALID, "column '%.*s' has more vectors when it is read again",
                       VS_STR_ARG(column->field->name));
    }
    struct vs_build_set *set = &column->set;
    struct vs_build_chunk *chunk = &column->chunk;
    bool batchwise = column->spill != NULL || build->only_part;
    size_t at = batchwise ? 0 : column->encoded;
    set->count = at;
    set->second_count = batchwise ? 0 : set->second_count;
    chunk->count = count;
    chunk->codes = set->codes + at * (column->codebook->m / 2);
    chunk->rows_i8 = set->values + at * column->stride;
    chunk->facts = set->facts + at;
    return VS_OK;
}

enum vs_status vs_build_chunk_begin(const struct vs_build *build,
                                    struct vs_build_column *column,
                                    const struct vs_batch *batch,
                                    uint64_t first_row,
                                    struct vs_error *err)
{
    const struct vs_column *values = &batch->columns[column->spec->field];
    size_t count = 0;
    for (size_t i = 0; i < batch->row_count; i++) {
        size_t floats = 0;
        (void)vs_column_get_floats(values, i, &floats);
        column->present[count] = (uint32_t)i;
        count += floats > 0 && first_row + i >= column->done_row;
    }
    return vs_build_chunk_room(build, column, count, err);
}

// Working memory of one slice.
struct slice {
    float *y; // [VS_BUILD_SLICE][proj_dim]
    float *spare;
    float scale[VS_BUILD_SLICE], distance[VS_BUILD_SLICE], norm[VS_BUILD_SLICE];
    uint8_t codes[VS_INDEX_MAX_M];
};

// The vectors of a slice as int8 rows, out of the batch.
static enum vs_status round_rows(const struct vs_build *build,
                                 struct vs_build_column *column,
                                 const struct vs_batch *batch,
                                 uint64_t first_row,
                                 size_t first,
                                 size_t count,
                                 struct vs_error *err)
{
    size_t dim = column->spec->dim, stride = column->stride;
    enum vs_status status = VS_OK;
    float *vector = vs_alloc(build->env, dim * sizeof *vector);
    if (vector == NULL) {
        return vs_build_no_memory(column, err);
    }
    for (size_t i = first; i < first + count && status == VS_OK; i++) {
        uint64_t row = first_row + column->present[i];
        struct vs_row_fact fact = {.row = (uint32_t)row};
        status = vs_build_take_vector(column, &batch->columns[column->spec->field],
                                      column->present[i], row, vector, err);
        if (status == VS_OK) {
            fact.scale =
                vs_build_round(vector, dim, stride, column->chunk.rows_i8 + i * stride, &fact.norm);
            column->chunk.facts[i] = fact;
        }
    }
    vs_free(build->env, vector);
    return status;
}

static void encode_rows(struct vs_build_column *column,
                        size_t first,
                        size_t count,
                        struct slice *work,
                        struct vs_drift *drift)
{
    const struct vs_codebook *codebook = column->codebook;
    struct vs_build_chunk *chunk = &column->chunk;
    size_t m = codebook->m, stride = column->stride;
    for (size_t i = 0; i < count; i++) {
        work->scale[i] = chunk->facts[first + i].scale;
        work->norm[i] = chunk->facts[first + i].norm;
    }
    vs_codebook_project_rows(codebook, chunk->rows_i8 + first * stride, stride, work->scale, count,
                             work->y);
    vs_codebook_assign_batch(codebook, work->y, count,
                             column->second_assignment ? VS_TUNE_LAMBDA : 0.0F,
                             chunk->assigned + first);
    for (size_t i = 0; i < count; i++) {
        vs_codebook_encode_vector(codebook, work->y + i * codebook->proj_dim, work->codes);
        uint8_t *packed = chunk->codes + (first + i) * (m / 2);
        for (size_t s = 0; s < m; s += 2) {
            packed[s / 2] = (uint8_t)(work->codes[s] | work->codes[s + 1] << 4);
        }
        work->distance[i] = chunk->assigned[first + i].distance;
    }
    const struct vs_drift_batch batch = {count, work->y, chunk->codes + first * (m / 2),
                                         work->distance, work->norm};
    vs_drift_add(drift, codebook, &batch, work->spare);
}

// Those of the kept vectors that come next, unless they lie there already.
static void take_kept(struct vs_build_column *column, size_t first, size_t count)
{
    const struct vs_build_rows *kept = &column->kept;
    size_t stride = column->stride, at = column->encoded + first;
    if (kept->values != NULL) {
        memcpy(column->chunk.rows_i8 + first * stride, kept->values + at * stride, count * stride);
        memcpy(column->chunk.facts + first, kept->facts + at, count * sizeof *kept->facts);
    }
}

enum vs_status vs_build_encode_slice(struct vs_build *build,
                                     struct vs_build_column *column,
                                     const struct vs_batch *batch,
                                     uint64_t first_row,
                                     size_t slice,
                                     struct vs_error *err)
{
    size_t first = slice * VS_BUILD_SLICE, left = column->chunk.count - first;
    size_t count = left < VS_BUILD_SLICE ? left : VS_BUILD_SLICE;
    size_t proj = column->codebook->proj_dim;
    struct slice *work = vs_alloc(build->env, sizeof *work);
    float *floats = vs_alloc_aligned(build->env, (VS_BUILD_SLICE + 1) * proj * sizeof(float));
    enum vs_status status =
        work != NULL && floats != NULL ? VS_OK : vs_build_no_memory(column, err);
    if (status == VS_OK && batch != NULL) {
        status = round_rows(build, column, batch, first_row, first, count, err);
    } else if (status == VS_OK) {
        take_kept(column, first, count);
    }
    if (status == VS_OK) {
        work->y = floats;
        work->spare = floats + VS_BUILD_SLICE * proj;
        encode_rows(column, first, count, work, &column->drifts[slice]);
    }
    vs_free_aligned(build->env, floats);
    vs_free(build->env, work);
    return status;
}

// Counts of the lists, and the second entries with the rank that the vector has in its first list.
static void count_chunk(struct vs_build_column *column)
{
    const struct vs_build_chunk *chunk = &column->chunk;
    struct vs_build_set *set = &column->set;
    size_t code_bytes = column->codebook->m / 2;
    for (size_t i = 0; i < chunk->count; i++) {
        const struct vs_assignment *assigned = &chunk->assigned[i];
        struct vs_list_record *record = &column->records[assigned->list];
        float radius = sqrtf(assigned->distance) * 1.0001F;
        record->radius = radius > record->radius ? radius : record->radius;
        set->list_of[set->count++] = assigned->list;
        if (column->second_assignment && assigned->second != VS_ASSIGN_NO_LIST) {
            set->seconds[set->second_count] =
                (struct vs_build_second){assigned->second, assigned->list, record->slot_count};
            memcpy(set->second_codes + set->second_count++ * code_bytes,
                   chunk->codes + i * code_bytes, code_bytes);
            column->second_counts[assigned->second]++;
        }
        record->slot_count++;
    }
    column->encoded += chunk->count;
}

enum vs_status vs_build_chunk_end(struct vs_build *build,
                                  struct vs_build_column *column,
                                  uint64_t end_row,
                                  struct vs_error *err)
{
    size_t slices = (column->chunk.count + VS_BUILD_SLICE - 1) / VS_BUILD_SLICE;
    struct vs_drift drift = {.count = 0};
    for (size_t s = 0; s < slices; s++) {
        vs_drift_merge(&drift, &column->drifts[s]);
        memset(&column->drifts[s], 0, sizeof column->drifts[s]);
    }
    vs_drift_merge(&column->drift, &drift);
    if (build->log != NULL && end_row > 0) {
        VS_TRY(vs_build_log_put(build, column, end_row, &drift, err));
    }
    count_chunk(column);
    if (build->only_part) {
        return VS_OK;
    }
    if (column->spill != NULL) {
        VS_TRY(vs_build_spill_write(build, column, err));
    }
    return vs_measure_chunk(build, column, &column->chunk, err);
}

void vs_build_chunk_free(const struct vs_env *env, struct vs_build_column *column)
{
    vs_build_rows_free(env, &column->kept);
    vs_free(env, column->chunk.assigned);
    vs_free(env, column->drifts);
    column->drifts = NULL;
    column->chunk = (struct vs_build_chunk){.count = 0};
}

void vs_build_column_clear(struct vs_build *build, struct vs_build_column *column)
{
    const struct vs_env *env = build->env;
    vs_free(env, column->presence);
    vs_free(env, column->row_crcs);
    vs_free_aligned(env, column->sample);
    vs_free(env, column->sample_rows);
    vs_build_rows_free(env, &column->sampled);
    vs_free(env, column->sample_at);
    vs_free(env, column->present);
    vs_free(env, column->place);
    vs_build_chunk_free(env, column);
    vs_build_set_clear(env, &column->set);
    vs_free(env, column->records);
    vs_free(env, column->second_counts);
    vs_free_aligned(env, column->facts);
    vs_list_layout_clear(env, &column->layout);
    if (column->spill != NULL) {
        vs_build_spill_close(column->spill); // the sections are a map of its
    } else {
        vs_free_aligned(env, (void *)(uintptr_t)column->sections);
    }
    vs_measure_clear(env, &column->measure);
    if (column->trained.env != NULL) {
        vs_codebook_clear(&column->trained);
    }
}
