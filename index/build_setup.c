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

// The sample and what training makes of it, then the encoded vectors beside those kept: whichever
// is more.
static uint64_t column_bytes(const struct vs_build *build, size_t c)
{
    const struct vs_build_column *column = &build->columns[c];
    struct vs_train_params train;
    vs_build_train_params(build, c, &train);
    uint64_t dim = column->spec->dim, code = train.m / 2;
    uint64_t encoded = vs_align64(dim) + 24 + 3 * code + 2 * (code + 12),
             sample = 3 * column->sample_room * dim * sizeof(float);
    uint64_t rows = build->row_count * encoded;
    return build->row_count * (dim * sizeof(float) + 4) + (rows > sample ? rows : sample);
}

static enum vs_status plan_memory(struct vs_build *build, struct vs_error *err)
{
    uint64_t base = vs_build_base_bytes(build), limit = build->memory_limit, need = base;
    for (size_t c = 0; c < build->params->column_count && build->is_large; c++) {
        struct vs_build_column *column = &build->columns[c];
        uint64_t row = column->spec->dim * sizeof(float) + 4;
        // A smaller sample trains a little worse; nothing else depends on memory.
        uint64_t most = limit > base ? (limit - base) / 3 / build->params->column_count / row : 0;
        uint64_t least =
            VS_MEASURE_SAMPLE < build->row_count ? VS_MEASURE_SAMPLE : build->row_count;
        if (column->sample_room > most) {
            column->sample_room = (size_t)(most > least ? most : least);
            vs_log(build->env, VS_LOG_WARN, "index", "sample_cut", "rows=%zu memory_mib=%" PRIu64,
                   column->sample_room, limit >> 20);
        }
        base += column->sample_room * row;
        need += column_bytes(build, c);
    }
    if (base > limit) {
        return vs_fail(err, VS_LIMIT,
                       "the build needs about %" PRIu64 " MiB, the memory limit is %" PRIu64
                       " MiB; raise it (--memory)",
                       (base >> 20) + 1, limit >> 20);
    }
    build->keep_vectors = build->is_large && !build->only_part && !build->only_train &&
                          build->params->part_count == 0 && need + build->row_count * 64 <= limit;
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
        size_t row = column->spec->dim * sizeof(float), all = (size_t)build->row_count;
        column->spare = vs_alloc(env, row);
        bool made = column->spare != NULL;
        if (column->sample_room > 0) {
            column->sample = vs_alloc_aligned(env, column->sample_room * row);
            column->sample_rows = vs_alloc_zeroed(env, column->sample_room, sizeof(uint32_t));
            made = made && column->sample != NULL && column->sample_rows != NULL;
        }
        if (build->keep_vectors) {
            column->kept = vs_alloc_aligned(env, all * row + 64);
            column->kept_rows = vs_alloc(env, all * sizeof(uint32_t));
            made = made && column->kept != NULL && column->kept_rows != NULL;
        }
        if (!made) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for the training sample");
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
