// SPDX-License-Identifier: Apache-2.0
#include "index/index_build.h"

#include "index/build_internal.h"
#include "index/recall_curve.h"
#include "vecstore/base/json.h"
#include "vecstore/base/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define BATCH_BYTES (16u << 20)

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

static uint64_t half_of_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 2 : UINT64_MAX;
}

static void train_params(const struct vs_build *build, size_t c, struct vs_train_params *train)
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

// What a large segment keeps in memory at once: sample, codes twice (by arrival and by list), int8
// rows.
static enum vs_status check_memory(const struct vs_build *build, struct vs_error *err)
{
    uint64_t need = 4 * (uint64_t)BATCH_BYTES, limit = build->params->memory_bytes > 0
                                                           ? build->params->memory_bytes
                                                           : half_of_memory();
    for (size_t c = 0; c < build->params->column_count && build->is_large; c++) {
        const struct vs_build_column *column = &build->columns[c];
        struct vs_train_params train;
        train_params(build, c, &train);
        uint64_t dim = column->spec->dim, row = train.m + 8 + vs_align64(dim) + 16 + 8 + 64;
        need += column->sample_room * dim * sizeof(float) + build->row_count * row +
                (uint64_t)train.list_count * (32 * train.m / 2 + 64);
    }
    if (need > limit) {
        return vs_fail(err, VS_LIMIT,
                       "the build needs about %" PRIu64 " MiB, the memory limit is %" PRIu64
                       " MiB; raise it (--memory) or index fewer rows at a time",
                       (need >> 20) + 1, limit >> 20);
    }
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
    column->store_vectors = !params->no_exact_rows || !build->is_large;
    if (params->codebooks != NULL) {
        column->codebook = params->codebooks[c];
    }
    if (!build->is_large) {
        return;
    }
    struct vs_train_params train;
    train_params(build, c, &train);
    uint64_t room =
        column->codebook != NULL ? (uint64_t)4 * VS_MEASURE_QUERIES : vs_train_sample_size(&train);
    column->sample_room = (size_t)(room < build->row_count ? room : build->row_count);
}

static enum vs_status set_up_samples(struct vs_build *build, struct vs_error *err)
{
    for (size_t c = 0; c < build->params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        if (column->sample_room > 0) {
            column->sample = vs_alloc_aligned(build->env, column->sample_room * column->spec->dim *
                                                              sizeof(float));
            column->sample_rows =
                vs_alloc_zeroed(build->env, column->sample_room, sizeof(uint32_t));
            if (column->sample == NULL || column->sample_rows == NULL) {
                return vs_fail(err, VS_NO_MEMORY, "out of memory for the training sample");
            }
        }
    }
    return VS_OK;
}

static enum vs_status set_up(struct vs_build *build, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    VS_TRY(check_columns(params, err));
    VS_TRY(count_rows(params, &build->row_count, err));
    size_t small = params->small_rows > 0 ? params->small_rows : VS_INDEX_SMALL_ROWS;
    build->is_large = build->row_count >= small;
    build->seed = params->seed > 0 ? params->seed : 1;
    build->thread_count = params->thread_count > 0 ? params->thread_count : vs_cpu_count();
    build->columns = vs_alloc_zeroed(build->env, params->column_count, sizeof *build->columns);
    build->places = vs_alloc_zeroed(build->env, params->field_count, sizeof *build->places);
    build->stored = vs_alloc_zeroed(build->env, params->field_count, sizeof *build->stored);
    build->attrs = vs_alloc_zeroed(build->env, params->field_count, sizeof *build->attrs);
    build->payload_fields =
        vs_alloc_zeroed(build->env, params->field_count, sizeof *build->payload_fields);
    vs_buf_init(&build->payload, build->env, SIZE_MAX);
    if (build->columns == NULL || build->places == NULL || build->stored == NULL ||
        build->attrs == NULL || build->payload_fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    size_t widest = 1;
    for (size_t c = 0; c < params->column_count; c++) {
        set_up_column(build, c);
        widest = params->columns[c].dim > widest ? params->columns[c].dim : widest;
    }
    VS_TRY(check_memory(build, err));
    VS_TRY(set_up_samples(build, err));
    size_t rows = BATCH_BYTES / (widest * sizeof(float));
    build->batch_rows = rows < 256 ? 256 : (rows > 8192 ? 8192 : rows);
    build->chunk.vectors = vs_alloc_aligned(build->env, build->batch_rows * widest * sizeof(float));
    build->chunk.rows = vs_alloc_zeroed(build->env, build->batch_rows, sizeof(uint32_t));
    if (build->chunk.vectors == NULL || build->chunk.rows == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a batch of rows");
    }
    return vs_batch_init(&build->batch, build->env, params->fields, params->field_count, err);
}

// ---- steps ----

static enum vs_status train_column(struct vs_build *build, size_t c, struct vs_error *err)
{
    struct vs_build_column *column = &build->columns[c];
    int64_t start = vs_monotonic_ns(build->env);
    if (column->codebook == NULL) {
        struct vs_train_params train;
        train_params(build, c, &train);
        vs_op_progress(build->params->op, "training", 0, column->sample_count, "vectors");
        VS_TRY(vs_train(build->env, &train, column->sample, column->sample_count, &column->trained,
                        err));
        column->codebook = &column->trained;
    }
    build->train_ns += vs_monotonic_ns(build->env) - start;
    if (column->codebook->dim != column->spec->dim ||
        column->codebook->metric != column->spec->metric) {
        return vs_fail(err, VS_INVALID,
                       "column '%.*s': the codebook is for dimension %" PRIu32 " and metric %s",
                       VS_STR_ARG(column->field->name), column->codebook->dim,
                       vs_metric_name(column->codebook->metric));
    }
    bool given = c == 0 && build->params->query_count > 0;
    VS_TRY(vs_measure_begin(build, column, given ? build->params->queries : NULL,
                            given ? build->params->query_count : 0, err));
    vs_free_aligned(build->env, column->sample);
    column->sample = NULL;
    return vs_build_encode_begin(build, column, err);
}

static enum vs_status read_and_encode(struct vs_build *build, struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    size_t small = params->small_rows > 0 ? params->small_rows : VS_INDEX_SMALL_ROWS;
    unsigned first =
        build->columns[0].store_vectors ? VS_PASS_ROWS | VS_PASS_VECTORS : VS_PASS_ROWS;
    int64_t start = vs_monotonic_ns(build->env);
    VS_TRY(vs_build_run_pass(build, first, 0, err));
    build->rows_ns = vs_monotonic_ns(build->env) - start;
    unsigned second = build->is_large && build->has_payload ? VS_PASS_PAYLOAD : 0;
    for (size_t c = 0; c < params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        column->has_lists = build->is_large && column->vector_count >= small;
        bool flat_without =
            !column->has_lists && !column->store_vectors; // few vectors: kept whatever was asked
        if ((c > 0 && column->store_vectors) || flat_without) {
            column->store_vectors = true;
            VS_TRY(vs_build_run_pass(build, VS_PASS_VECTORS, c, err));
        }
        if (column->has_lists) {
            VS_TRY(train_column(build, c, err));
            second |= VS_PASS_ENCODE;
        }
    }
    return second != 0 ? vs_build_run_pass(build, second, 0, err) : VS_OK;
}

static enum vs_status arrange_and_write(struct vs_build *build, struct vs_error *err)
{
    for (size_t c = 0; c < build->params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        if (column->has_lists) {
            vs_op_progress(build->params->op, "measuring", 0, column->measure.query_count,
                           "queries");
            VS_TRY(vs_build_arrange(build, column, err));
            VS_TRY(vs_measure_curve(build, column, err));
            VS_TRY(vs_build_put_lists(build, column, err));
        }
    }
    for (size_t i = 0; i < build->params->foreign_count; i++) {
        VS_TRY(vs_index_blob_carry(&build->writer, &build->params->foreign_blobs[i],
                                   build->params->foreign_bytes[i], err));
    }
    struct vs_buf blob;
    vs_buf_init(&blob, build->env, SIZE_MAX);
    enum vs_status status = VS_OK;
    for (size_t c = 0; c < build->params->column_count && status == VS_OK; c++) {
        struct vs_build_column *column = &build->columns[c];
        vs_buf_reset(&blob);
        status = column->has_lists ? vs_codebook_encode(column->codebook, &blob, err) : VS_OK;
        if (status == VS_OK && column->has_lists) {
            status = vs_index_blob_put(&build->writer, VS_BLOB_CODEBOOK, -1, column->field->id,
                                       blob.data, blob.len, err);
        }
    }
    vs_buf_clear(&blob);
    for (size_t c = 0; c < build->params->column_count && status == VS_OK; c++) {
        status =
            build->columns[c].has_lists ? vs_build_put_hot(build, &build->columns[c], err) : VS_OK;
    }
    return status;
}

// ---- descriptor and result ----

static void describe_column(const struct vs_build_column *column,
                            struct vs_index_column *info,
                            struct vs_segment_column *part,
                            struct vs_measure_facts *measured)
{
    *info = (struct vs_index_column){.field_id = column->field->id,
                                     .name = column->field->name,
                                     .dim = column->spec->dim,
                                     .metric = column->spec->metric,
                                     .normalized = column->spec->normalized,
                                     .model = column->spec->model,
                                     .model_id = vs_str_from_c(""),
                                     .has_exact_rows = column->store_vectors};
    *part = (struct vs_segment_column){column->vector_count, column->has_lists};
    *measured =
        (struct vs_measure_facts){column->measure.given, (uint32_t)column->measure.query_count,
                                  (uint32_t)column->measure.excluded, column->measure.perturbation};
    if (column->has_lists) {
        info->model_id = vs_str_from_c(column->codebook->model_id);
        info->list_count = column->codebook->list_count;
        info->m = column->codebook->m;
        info->proj_dim = column->codebook->proj_dim;
        info->recall = column->measure.points;
        info->recall_count = column->measure.point_count;
    }
}

static enum vs_status build_facts(const struct vs_build *build,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    static const char *const projections[] = {"pca", "opq", "none"};
    struct vs_buf trainer;
    vs_buf_init(&trainer, build->env, 65536);
    bool trained = false;
    for (size_t c = 0; c < build->params->column_count; c++) {
        trained = trained || build->columns[c].trained.env != NULL;
    }
    enum vs_status status = trained ? vs_trainer_facts(&trainer, err) : VS_OK;
    if (status == VS_OK) {
        struct vs_json_writer w;
        vs_json_writer_init(&w, out, false);
        vs_jw_object_begin(&w);
        vs_jw_key(&w, "seed");
        vs_jw_u64(&w, build->seed);
        vs_jw_key(&w, "projection");
        vs_jw_c(&w, projections[build->params->projection]);
        if (trainer.len > 0) {
            vs_jw_key(&w, "trainer");
            vs_jw_raw(&w, vs_buf_view(&trainer));
        }
        vs_jw_object_end(&w);
        status = vs_json_writer_finish(&w, err);
    }
    vs_buf_clear(&trainer);
    return status;
}

// Fields that are stored, in the order of the table.
static enum vs_status describe_fields(const struct vs_build *build,
                                      struct vs_arena *arena,
                                      struct vs_descriptor *d,
                                      struct vs_error *err)
{
    struct vs_field *fields =
        vs_arena_alloc_array(arena, build->params->field_count, sizeof *fields);
    d->places = vs_arena_alloc_array(arena, build->params->field_count, sizeof *d->places);
    if (fields == NULL || d->places == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    for (size_t f = 0; f < build->params->field_count; f++) {
        if (build->stored[f]) {
            fields[d->info.field_count] = build->params->fields[f];
            d->places[d->info.field_count++] = build->places[f];
        }
    }
    d->info.fields = fields;
    return VS_OK;
}

static enum vs_status describe(struct vs_build *build,
                               struct vs_arena *arena,
                               struct vs_descriptor *d,
                               struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    size_t count = params->column_count;
    struct vs_index_column *columns = vs_arena_alloc_array(arena, count, sizeof *columns);
    struct vs_index_segment *segment = vs_arena_alloc_array(arena, 1, sizeof *segment);
    d->measured = vs_arena_alloc_array(arena, count, sizeof *d->measured);
    d->segments[0].columns = vs_arena_alloc_array(arena, count, sizeof *d->segments[0].columns);
    if (columns == NULL || segment == NULL || d->measured == NULL ||
        d->segments[0].columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    *segment = (struct vs_index_segment){build->row_count, true, params->file_count, params->files};
    for (size_t c = 0; c < count; c++) {
        describe_column(&build->columns[c], &columns[c], &d->segments[0].columns[c],
                        &d->measured[c]);
        segment->is_small = segment->is_small && !build->columns[c].has_lists;
    }
    d->sequence_number = params->sequence_number;
    static const struct vs_uuid none;
    bool given = memcmp(&params->index_uuid, &none, sizeof none) != 0;
    d->info.index_uuid = given ? params->index_uuid : vs_uuid_new_v4(build->env);
    d->info.table_uuid = params->table_uuid;
    d->info.snapshot_id = params->snapshot_id;
    d->info.created_ms = vs_wall_ms(build->env);
    d->info.segment_count = 1;
    d->info.segments = segment;
    d->info.column_count = count;
    d->info.columns = columns;
    d->info.id_field_id = params->id_field != SIZE_MAX ? params->fields[params->id_field].id : -1;
    VS_TRY(describe_fields(build, arena, d, err));
    struct vs_buf facts;
    vs_buf_init(&facts, build->env, 1u << 20);
    enum vs_status status = build_facts(build, &facts, err);
    if (status == VS_OK) {
        d->info.build_json = vs_arena_copy_str(arena, vs_buf_view(&facts));
        status = d->info.build_json.ptr != NULL
                     ? VS_OK
                     : vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    vs_buf_clear(&facts);
    return status;
}

static enum vs_status check_recall(const struct vs_build *build,
                                   const struct vs_descriptor *d,
                                   float *recall_out,
                                   struct vs_error *err)
{
    float least = 1.0F;
    for (size_t c = 0; c < build->params->column_count; c++) {
        const struct vs_build_column *column = &build->columns[c];
        if (column->has_lists && column->measure.point_count > 0) {
            float recall =
                vs_recall_choose(&d->info.columns[c], column->encoded, 10, VS_RECALL_TARGET).recall;
            least = recall < least ? recall : least;
        }
    }
    if (least < build->params->min_recall) {
        return vs_fail(err, VS_LIMIT,
                       "measured recall@10 is %.4f, below the required %.4f; nothing is published: "
                       "use more lists or more codes, or lower the requirement",
                       (double)least, (double)build->params->min_recall);
    }
    *recall_out = least;
    return VS_OK;
}

static void summarise(const struct vs_build *build,
                      const struct vs_descriptor *d,
                      struct vs_index_build_result *result)
{
    const struct vs_index_column *column = &d->info.columns[0];
    snprintf(result->summary_json, sizeof result->summary_json,
             "{\"read_ms\":%" PRId64 ",\"train_ms\":%" PRId64 ",\"encode_ms\":%" PRId64
             ",\"measure_ms\":%" PRId64 ",\"lists\":%" PRIu32 ",\"m\":%" PRIu32
             ",\"projected_dimension\":%" PRIu32 ",\"recall\":%.4f,\"rows\":%" PRIu64 "}",
             build->rows_ns / 1000000, build->train_ns / 1000000, build->encode_ns / 1000000,
             build->measure_ns / 1000000, column->list_count, column->m, column->proj_dim,
             (double)result->recall_at_10, build->row_count);
}

static enum vs_status build_all(struct vs_build *build,
                                struct vs_arena *arena,
                                struct vs_writer *out,
                                struct vs_index_build_result *result,
                                struct vs_error *err)
{
    struct vs_descriptor d = {.sequence_number = 0};
    d.segments = vs_arena_alloc_array(arena, 1, sizeof *d.segments);
    int32_t *all = vs_arena_alloc_array(arena, build->params->field_count, sizeof *all);
    if (d.segments == NULL || all == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    VS_TRY(set_up(build, err));
    VS_TRY(vs_index_writer_open(&build->writer, build->env, out, build->params->snapshot_id,
                                build->params->sequence_number, err));
    for (size_t c = 0; c < build->params->column_count; c++) {
        all[c] = build->columns[c].field->id;
    }
    build->writer.all_fields = all;
    build->writer.all_field_count = build->params->column_count;
    VS_TRY(read_and_encode(build, err));
    VS_TRY(vs_build_put_attrs(build, arena, &d.segments[0], err));
    VS_TRY(arrange_and_write(build, err));
    VS_TRY(describe(build, arena, &d, err));
    VS_TRY(check_recall(build, &d, &result->recall_at_10, err));
    VS_TRY(
        vs_index_writer_finish(&build->writer, &d, &result->file_size, &result->footer_size, err));
    result->index_uuid = d.info.index_uuid;
    result->row_count = build->row_count;
    result->list_count = d.info.columns[0].list_count;
    result->m = d.info.columns[0].m;
    for (size_t c = 0; c < build->params->column_count; c++) {
        result->vector_count += build->columns[c].vector_count;
    }
    summarise(build, &d, result);
    return VS_OK;
}

enum vs_status vs_index_build(const struct vs_env *env,
                              const struct vs_index_build_params *params,
                              const struct vs_index_row_source *source,
                              struct vs_writer *out,
                              struct vs_index_build_result *result_out,
                              struct vs_error *err)
{
    struct vs_build build = {.env = env, .params = params, .source = source};
    build.writer.env = env;
    struct vs_arena arena;
    vs_arena_init(&arena, env, 0);
    struct vs_index_build_result result = {.file_size = 0};
    enum vs_status status = build_all(&build, &arena, out, &result, err);
    for (size_t c = 0; c < params->column_count && build.columns != NULL; c++) {
        vs_build_column_clear(&build, &build.columns[c]);
    }
    vs_free(env, build.columns);
    vs_build_rows_clear(&build);
    vs_index_writer_clear(&build.writer);
    vs_arena_clear(&arena);
    if (status == VS_OK) {
        *result_out = result;
    }
    return status;
}
