// SPDX-License-Identifier: Apache-2.0
// What a build is asked for: checked, and shared out over the memory that it may have.
#include "index/build_internal.h"
#include "index/build_model.h"
#include "index/build_resume.h"
#include "index/build_spill.h"
#include "vecstore/base/pool.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BATCH_BYTES_MAX ((uint64_t)16 << 20)
#define BATCH_BYTES_MIN ((uint64_t)256 << 10)

// ---- checks ----

static enum vs_status check_columns(const struct vs_index_build_params *params,
                                    struct vs_error *err)
{
    if (params->column_count == 0 || params->column_count > VS_INDEX_MAX_COLUMNS ||
        params->field_count > VS_INDEX_MAX_FIELDS) {
        return vs_fail(err, VS_LIMIT,
                       "an index has 1 to %d embedding columns and at most %d fields",
                       VS_INDEX_MAX_COLUMNS, VS_INDEX_MAX_FIELDS);
    }
    for (size_t c = 0; c < params->column_count; c++) {
        const struct vs_index_build_column *column = &params->columns[c];
        if (column->field >= params->field_count || column->dim == 0 ||
            column->dim > VS_INDEX_MAX_DIM) {
            return vs_fail(err, VS_INVALID,
                           "embedding column %zu: dimension %" PRIu32 " is not from 1 to %d", c,
                           column->dim, VS_INDEX_MAX_DIM);
        }
        const struct vs_field *field = &params->fields[column->field];
        if (field->kind != VS_KIND_LIST || field->element_kind != VS_KIND_FLOAT || field->id < 0) {
            return vs_fail(err, VS_INVALID, "column '%.*s' is not a list of floats with a field id",
                           VS_STR_ARG(field->name));
        }
        for (size_t other = 0; other < c; other++) {
            if (params->columns[other].field == column->field) {
                return vs_fail(err, VS_INVALID, "column '%.*s' is named twice",
                               VS_STR_ARG(field->name));
            }
        }
    }
    if (params->id_field != SIZE_MAX &&
        (params->id_field >= params->field_count || params->fields[params->id_field].id < 0)) {
        return vs_fail(err, VS_INVALID, "the identifier is not among the fields");
    }
    return VS_OK;
}

static enum vs_status count_rows(const struct vs_index_build_params *params,
                                 uint64_t *rows_out,
                                 struct vs_error *err)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < params->file_count; i++) {
        if (params->files[i].first_row != rows) {
            return vs_fail(err, VS_INVALID,
                           "data file '%.*s' does not start where the one before ends",
                           VS_STR_ARG(params->files[i].path));
        }
        if (params->files[i].row_count > VS_INDEX_MAX_ROWS - rows) {
            return vs_fail(err, VS_LIMIT,
                           "a segment holds at most %u rows; index fewer data files at a time",
                           VS_INDEX_MAX_ROWS);
        }
        rows += params->files[i].row_count;
    }
    if (params->file_count > VS_INDEX_MAX_FILES) {
        return vs_fail(err, VS_LIMIT,
                       "a segment covers at most %u data files; compact the table first",
                       VS_INDEX_MAX_FILES);
    }
    *rows_out = rows;
    return VS_OK;
}

// Vectors are not looked at when parts bring them and none is stored as it is.
static bool skips_vectors(const struct vs_build *build)
{
    const struct vs_index_build_params *params = build->params;
    bool skips = params->part_count > 0 && build->model != NULL &&
                 params->store_vectors == VS_STORE_NONE && build->is_large;
    for (size_t c = 0; c < params->column_count && skips; c++) {
        skips = build->model->columns[c].has_lists || build->model->columns[c].vector_count == 0;
    }
    return skips;
}

static uint64_t half_of_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 2 : UINT64_MAX;
}

void vs_build_train_params(const struct vs_build *build, size_t c, struct vs_train_params *train)
{
    const struct vs_index_build_params *params = build->params;
    const struct vs_index_build_column *column = &params->columns[c];
    *train = (struct vs_train_params){.dim = column->dim,
                                      .metric = column->metric,
                                      .projection = params->projection,
                                      .m = params->m,
                                      .list_count = params->list_count,
                                      .row_count = build->row_count,
                                      .seed = build->seed,
                                      .thread_count = build->thread_count,
                                      .op = params->op};
    vs_train_defaults(train);
}

// ---- memory ----

// Batches shrink with the limit, so that small limits are kept too.
static void share_memory(struct vs_build *build, size_t widest)
{
    uint64_t limit = build->memory_limit, bytes = limit / 64;
    bytes = bytes < BATCH_BYTES_MAX ? bytes : BATCH_BYTES_MAX;
    build->batch_bytes = (size_t)(bytes > BATCH_BYTES_MIN ? bytes : BATCH_BYTES_MIN);
    size_t rows = build->batch_bytes / (widest * sizeof(float));
    build->batch_rows = rows < VS_BUILD_SLICE ? VS_BUILD_SLICE : (rows > 8192 ? 8192 : rows);
}

// What training takes: the sample projected, as floats and as int8, with labels and their order;
// and the lists, in the forms that a pass over the sample needs.
static uint64_t training_bytes(const struct vs_build *build, size_t c, uint64_t *row_bytes_out)
{
    struct vs_train_params train;
    vs_build_train_params(build, c, &train);
    *row_bytes_out = (uint64_t)train.proj_dim * 5 + 24;
    return (uint64_t)train.list_count * train.proj_dim * 12;
}

static enum vs_status plan_memory(struct vs_build *build, struct vs_error *err)
{
    size_t columns = build->params->column_count;
    uint64_t base = vs_build_base_bytes(build), limit = build->memory_limit;
    uint64_t sampled = base, kept = base, training = 0; // columns are trained one after another
    for (size_t c = 0; c < columns && build->is_large; c++) {
        struct vs_build_column *column = &build->columns[c];
        uint64_t row = column->stride + sizeof(struct vs_row_fact) + sizeof(uint32_t), point = 0;
        uint64_t lists = training_bytes(build, c, &point);
        // A smaller sample trains a little worse; nothing else depends on memory.
        uint64_t most =
            limit > base + lists ? (limit - base - lists) / 4 * 3 / (row * columns + point) : 0;
        uint64_t least =
            VS_MEASURE_SAMPLE < build->row_count ? VS_MEASURE_SAMPLE : build->row_count;
        if (column->sample_room > most) {
            column->sample_room = (size_t)(most > least ? most : least);
            vs_log(build->env, VS_LOG_WARN, "index", "sample_cut", "rows=%zu memory_mib=%" PRIu64,
                   column->sample_room, limit >> 20);
        }
        uint64_t points = lists + column->sample_room * point;
        training = points > training ? points : training;
        sampled += column->sample_room * row;
        kept += build->row_count * row;
    }
    if (sampled > limit) {
        return vs_fail(err, VS_LIMIT,
                       "the build needs about %" PRIu64 " MiB, the memory limit is %" PRIu64
                       " MiB; raise it (--memory)",
                       (sampled >> 20) + 1, limit >> 20);
    }
    build->keep_vectors = build->is_large && !build->only_part && !build->only_train &&
                          build->params->part_count == 0 &&
                          kept + training + build->row_count * 64 <= limit;
    return VS_OK;
}

// ---- set-up ----

static void set_up_column(struct vs_build *build, size_t c)
{
    const struct vs_index_build_params *params = build->params;
    struct vs_build_column *column = &build->columns[c];
    column->spec = &params->columns[c];
    column->field = &params->fields[column->spec->field];
    column->random = build->seed + c;
    column->store_vectors = params->store_vectors != VS_STORE_NONE || !build->is_large;
    column->stride = (size_t)vs_align64(column->spec->dim);
    if (params->codebooks != NULL) {
        column->codebook = params->codebooks[c];
    }
    if (!build->is_large || build->only_part || params->model != NULL) {
        return;
    }
    struct vs_train_params train;
    vs_build_train_params(build, c, &train);
    uint64_t room = column->codebook != NULL ? VS_MEASURE_SAMPLE : vs_train_sample_size(&train);
    column->sample_room = (size_t)(room < build->row_count ? room : build->row_count);
}

static enum vs_status set_up_samples(struct vs_build *build, struct vs_error *err)
{
    const struct vs_env *env = build->env;
    for (size_t c = 0; c < build->params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        size_t room = column->sample_room;
        column->present = vs_alloc_zeroed(env, build->batch_rows, sizeof(uint32_t));
        column->place = vs_alloc_zeroed(env, build->batch_rows, sizeof(uint32_t));
        column->sample_at = room > 0 ? vs_alloc_zeroed(env, room, sizeof(uint32_t)) : NULL;
        if (column->present == NULL || column->place == NULL ||
            (room > 0 && column->sample_at == NULL)) {
            return vs_build_no_memory(column, err);
        }
        if (build->keep_vectors) {
            VS_TRY(vs_build_rows_make(env, (size_t)build->row_count, column->stride, &column->kept,
                                      err));
        } else if (room > 0) {
            VS_TRY(vs_build_rows_make(env, room, column->stride, &column->sampled, err));
        }
    }
    return VS_OK;
}

static enum vs_status set_up_arrays(struct vs_build *build, struct vs_error *err)
{
    const struct vs_env *env = build->env;
    const struct vs_index_build_params *params = build->params;
    vs_buf_init(&build->payload, env, SIZE_MAX);
    build->columns = vs_alloc_zeroed(env, params->column_count, sizeof *build->columns);
    build->places = vs_alloc_zeroed(env, params->field_count, sizeof *build->places);
    build->stored = vs_alloc_zeroed(env, params->field_count, sizeof *build->stored);
    build->attrs = vs_alloc_zeroed(env, params->field_count, sizeof *build->attrs);
    build->payload_fields =
        vs_alloc_zeroed(env, params->field_count, sizeof *build->payload_fields);
    bool made = build->columns != NULL && build->places != NULL && build->stored != NULL &&
                build->attrs != NULL && build->payload_fields != NULL;
    return made ? VS_OK : vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
}

enum vs_status vs_build_set_up(struct vs_build *build, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    VS_TRY(check_columns(params, err));
    VS_TRY(count_rows(params, &build->row_count, err));
    size_t small = params->small_rows > 0 ? params->small_rows : VS_INDEX_SMALL_ROWS;
    build->is_large = build->row_count >= small || build->only_part;
    build->seed = params->seed > 0 ? params->seed : 1;
    build->thread_count = params->thread_count > 0 ? params->thread_count : vs_cpu_count();
    build->memory_limit = params->memory_bytes > 0 ? params->memory_bytes : half_of_memory();
    build->model = params->model;
    VS_TRY(set_up_arrays(build, err));
    size_t widest = 1;
    for (size_t c = 0; c < params->column_count; c++) {
        set_up_column(build, c);
        widest = params->columns[c].dim > widest ? params->columns[c].dim : widest;
    }
    share_memory(build, widest);
    VS_TRY(plan_memory(build, err));
    VS_TRY(build->only_part ? VS_OK : vs_build_resume_open(build, err));
    VS_TRY(build->model != NULL ? vs_build_take_model(build, err) : VS_OK);
    VS_TRY(set_up_samples(build, err));
    build->skip_vectors = skips_vectors(build);
    bool raw = false;
    for (size_t c = 0; c < params->column_count; c++) {
        raw = raw || build->columns[c].store_vectors || params->column_count > 1;
    }
    if (raw) {
        build->raw = vs_alloc_aligned(build->env, build->batch_rows * widest * sizeof(float));
        if (build->raw == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for a batch of rows");
        }
    }
    VS_TRY(vs_batch_init(&build->batches[0], build->env, params->fields, params->field_count, err));
    return vs_batch_init(&build->batches[1], build->env, params->fields, params->field_count, err);
}
