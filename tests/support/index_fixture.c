// SPDX-License-Identifier: Apache-2.0
#include "tests/support/index_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory_writer {
    struct vs_writer base;
    struct vs_buf *bytes;
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * 0x2545f4914f6cdd1du;
}

// Near enough to normal: sum of six uniform numbers.
static float next_normal(uint64_t *state)
{
    float sum = -3.0F;
    for (int i = 0; i < 6; i++) {
        sum += (float)(next_random(state) >> 40) / 16777216.0F;
    }
    return sum * 1.41421356F;
}

static void fill_vectors(
    const struct fixture *f, const float *centres, uint64_t *state, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float *centre = centres + (next_random(state) >> 20) % f->cluster_count * f->dim;
        for (size_t d = 0; d < f->dim; d++) {
            out[i * f->dim + d] = centre[d] + f->spread * next_normal(state);
        }
    }
}

void fixture_make(struct fixture *f, size_t query_count)
{
    uint64_t state = f->seed * 0x9e3779b97f4a7c15u + 1;
    float *centres = calloc(f->cluster_count * f->dim, sizeof(float));
    f->vectors = calloc(f->row_count * f->dim + 1, sizeof(float));
    f->queries = calloc(query_count * f->dim + 1, sizeof(float));
    f->query_count = query_count;
    for (size_t i = 0; i < f->cluster_count * f->dim; i++) {
        centres[i] = next_normal(&state);
    }
    fill_vectors(f, centres, &state, f->vectors, f->row_count);
    fill_vectors(f, centres, &state, f->queries, query_count);
    free(centres);
    f->field_count = f->values ? 4 : 1;
    f->fields[0] = (struct vs_field){.id = 2,
                                     .name = VS_STR("embedding"),
                                     .kind = VS_KIND_LIST,
                                     .element_kind = VS_KIND_FLOAT,
                                     .element_id = 3};
    f->fields[1] = (struct vs_field){
        .id = 1, .name = VS_STR("id"), .kind = VS_KIND_LONG, .required = true, .element_id = -1};
    f->fields[2] =
        (struct vs_field){.id = 4, .name = VS_STR("tag"), .kind = VS_KIND_STRING, .element_id = -1};
    f->fields[3] = (struct vs_field){
        .id = 5, .name = VS_STR("text"), .kind = VS_KIND_STRING, .element_id = -1};
}

void fixture_free(struct fixture *f)
{
    free(f->vectors);
    free(f->queries);
    f->vectors = f->queries = NULL;
}

bool fixture_has_vector(const struct fixture *f, size_t row)
{
    return f->null_every == 0 || row % f->null_every != 1;
}

static enum vs_status append_values(struct vs_batch *batch, size_t row, struct vs_error *err)
{
    char text[160];
    struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = (int64_t)row * 3 + 7};
    VS_TRY(vs_column_append(&batch->columns[1], &id, err));
    int n = snprintf(text, sizeof text, "tag-%zu", row % 5);
    VS_TRY(vs_column_append_bytes(&batch->columns[2], text, (size_t)n, err));
    n = snprintf(text, sizeof text,
                 "row %zu: a text that is long enough to be kept in compressed blocks, with its "
                 "number %zu once more at the end",
                 row, row);
    return vs_column_append_bytes(&batch->columns[3], text, (size_t)n, err);
}

static enum vs_status source_next(void *ctx,
                                  size_t max_rows,
                                  struct vs_batch *batch,
                                  struct vs_error *err)
{
    struct fixture *f = ctx;
    size_t count = f->end - f->next < max_rows ? f->end - f->next : max_rows;
    for (size_t i = 0; i < count; i++, f->next++) {
        enum vs_status status =
            fixture_has_vector(f, f->next)
                ? vs_column_append_floats(&batch->columns[0], f->vectors + f->next * f->dim, f->dim,
                                          err)
                : vs_column_append_null(&batch->columns[0], err);
        if (status == VS_OK && f->values) {
            status = append_values(batch, f->next, err);
        }
        if (status != VS_OK) {
            return status;
        }
    }
    batch->row_count = count;
    return VS_OK;
}

static enum vs_status source_rewind(void *ctx, struct vs_error *err)
{
    (void)err;
    ((struct fixture *)ctx)->next = ((struct fixture *)ctx)->first;
    return VS_OK;
}

static enum vs_status memory_write(struct vs_writer *writer,
                                   const void *bytes,
                                   size_t n,
                                   struct vs_error *err)
{
    return vs_buf_append(((struct memory_writer *)writer)->bytes, bytes, n, err);
}

static enum vs_status memory_finish(struct vs_writer *writer,
                                    enum vs_put_mode mode,
                                    struct vs_error *err)
{
    (void)writer;
    (void)mode;
    (void)err;
    return VS_OK;
}

static void memory_free(struct vs_writer *writer)
{
    (void)writer;
}

// What a build is asked for, with all that it names.
struct request {
    struct vs_index_build_column column;
    struct vs_index_file_ref files[2];
    struct vs_index_build_params params;
    struct vs_index_row_source source;
    struct memory_writer writer;
};

static void make_request(struct fixture *f,
                         const struct fixture_build *build,
                         struct vs_buf *bytes,
                         struct request *r)
{
    static const struct vs_writer_vtable vtable = {
        .write = memory_write, .finish = memory_finish, .free = memory_free};
    r->column = (struct vs_index_build_column){
        .field = 0, .dim = (uint32_t)f->dim, .metric = f->metric, .model = VS_STR("fixture")};
    r->files[0] = (struct vs_index_file_ref){VS_STR("a.parquet"), f->row_count / 3, 1, 0};
    r->files[1] = (struct vs_index_file_ref){VS_STR("b.parquet"), f->row_count - f->row_count / 3,
                                             2, f->row_count / 3};
    r->params = (struct vs_index_build_params){
        .table_uuid = {{1, 2, 3}},
        .snapshot_id = 77,
        .sequence_number = 5,
        .fields = f->fields,
        .field_count = f->field_count,
        .id_field = f->values ? 1 : SIZE_MAX,
        .columns = &r->column,
        .column_count = 1,
        .files = r->files,
        .file_count = 2,
        .list_count = build->list_count,
        .store_vectors = build->no_exact_rows ? VS_STORE_NONE
                         : build->half_rows   ? VS_STORE_F16
                                              : VS_STORE_F32,
        .second_assignment = build->second_assignment,
        .spill_dir = build->spill_dir,
        .resume_dir = build->resume_dir,
        .model = build->model,
        .parts = build->parts,
        .part_count = build->part_count,
        .small_rows = build->small_rows,
        .min_recall = build->min_recall,
        .thread_count = build->thread_count > 0 ? build->thread_count : 2,
        .memory_bytes = build->memory_bytes,
        .codebooks = &build->codebook,
        .baselines = build->baseline,
        .queries = f->queries,
        .query_count = build->query_count,
        .op = build->op};
    r->source = (struct vs_index_row_source){source_next, source_rewind, f};
    r->writer =
        (struct memory_writer){.base = {.vtable = &vtable, .name = "fixture"}, .bytes = bytes};
    f->next = 0;
    f->end = f->row_count;
}

enum vs_status fixture_build_index(const struct vs_env *env,
                                   struct fixture *f,
                                   const struct fixture_build *build,
                                   struct vs_buf *bytes,
                                   struct vs_index_build_result *result_out,
                                   struct vs_error *err)
{
    struct request r;
    vs_buf_init(bytes, env, SIZE_MAX);
    make_request(f, build, bytes, &r);
    return vs_index_build(env, &r.params, &r.source, &r.writer.base, result_out, err);
}

enum vs_status fixture_train_model(const struct vs_env *env,
                                   struct fixture *f,
                                   const struct fixture_build *build,
                                   struct vs_buf *bytes,
                                   struct vs_error *err)
{
    struct request r;
    vs_buf_init(bytes, env, SIZE_MAX);
    make_request(f, build, bytes, &r);
    return vs_index_train(env, &r.params, &r.source, bytes, err);
}

enum vs_status fixture_encode_part(const struct vs_env *env,
                                   struct fixture *f,
                                   const struct fixture_build *build,
                                   size_t file,
                                   struct vs_buf *bytes,
                                   struct vs_error *err)
{
    struct request r;
    uint64_t vectors = 0;
    vs_buf_init(bytes, env, SIZE_MAX);
    make_request(f, build, bytes, &r);
    f->next = f->first = (size_t)r.files[file].first_row;
    f->end = f->first + (size_t)r.files[file].row_count;
    r.files[file].first_row = 0;
    r.params.files = &r.files[file];
    r.params.file_count = 1;
    enum vs_status status =
        vs_index_encode_part(env, &r.params, &r.source, &r.writer.base, &vectors, err);
    f->first = 0;
    return status;
}

double fixture_score(const struct fixture *f, const float *query, size_t row)
{
    const float *x = f->vectors + row * f->dim;
    double dot = 0.0, distance = 0.0, qq = 0.0, xx = 0.0;
    for (size_t d = 0; d < f->dim; d++) {
        double a = (double)query[d], b = (double)x[d];
        dot += a * b;
        distance += (a - b) * (a - b);
        qq += a * a;
        xx += b * b;
    }
    return f->metric == VS_METRIC_L2 ? -distance
                                     : (f->metric == VS_METRIC_IP ? dot : dot / sqrt(qq * xx));
}

size_t fixture_exact(const struct fixture *f,
                     const float *query,
                     const uint64_t *row_bits,
                     size_t k,
                     uint32_t *rows_out)
{
    double *best = calloc(k + 1, sizeof *best);
    size_t count = 0;
    for (size_t row = 0; row < f->row_count; row++) {
        if (!fixture_has_vector(f, row) ||
            (row_bits != NULL && (row_bits[row / 64] >> (row % 64) & 1) == 0)) {
            continue;
        }
        double score = fixture_score(f, query, row);
        if (count == k && score <= best[k - 1]) {
            continue;
        }
        size_t at = count < k ? count++ : k - 1;
        for (; at > 0 && best[at - 1] < score; at--) {
            best[at] = best[at - 1];
            rows_out[at] = rows_out[at - 1];
        }
        best[at] = score;
        rows_out[at] = (uint32_t)row;
    }
    free(best);
    return count;
}
