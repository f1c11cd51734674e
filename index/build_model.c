// SPDX-License-Identifier: Apache-2.0
#include "index/build_model.h"

#include "index/index_format.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/json.h"

#include <inttypes.h>
#include <math.h>

#define VERSION 1
#define HEADER_SIZE 128
#define RECORD_SIZE 64
#define TEXT_MAX 65536
#define SAMPLE_MAX 65536
#define QUERIES_MAX (1u << 20)
#define HAS_LISTS 1u
#define SECOND 2u

static const char magic[8] = "VSMODEL";

// ---- encoding ----

static enum vs_status pad(struct vs_buf *out, struct vs_error *err)
{
    return vs_buf_append_zeros(out, (size_t)(vs_align64(out->len) - out->len), err);
}

static enum vs_status append_column(const struct vs_model_column *column,
                                    size_t record_at,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    uint8_t record[RECORD_SIZE] = {0};
    size_t start = out->len, blob = 0, sample = 0;
    if (column->has_lists) {
        struct vs_buf bytes;
        vs_buf_init(&bytes, out->env, SIZE_MAX);
        enum vs_status status = vs_codebook_encode(column->codebook, &bytes, err);
        status = status == VS_OK ? vs_buf_append_str(out, vs_buf_view(&bytes), err) : status;
        vs_buf_clear(&bytes);
        VS_TRY(status);
        blob = out->len - start;
        VS_TRY(pad(out, err));
        sample = out->len;
        VS_TRY(
            vs_buf_append(out, column->sample_rows, column->sample_count * sizeof(uint32_t), err));
        VS_TRY(pad(out, err));
        VS_TRY(vs_buf_append(out, column->sample,
                             column->sample_count * column->dim * sizeof(float), err));
        VS_TRY(pad(out, err));
        vs_store_u32le(record + 44, vs_crc32c(0, out->data + sample, out->len - sample));
    }
    vs_store_u32le(record, (uint32_t)column->field_id);
    vs_store_u32le(record + 4, column->dim);
    vs_store_u32le(record + 8, (uint32_t)column->metric);
    vs_store_u32le(record + 12,
                   (column->has_lists ? HAS_LISTS : 0) | (column->second_assignment ? SECOND : 0));
    vs_store_u64le(record + 16, column->vector_count);
    vs_store_u32le(record + 24, column->has_lists ? (uint32_t)column->sample_count : 0);
    vs_store_u32le(record + 28, (uint32_t)column->tuning.len);
    vs_store_u64le(record + 32, blob);
    vs_store_u32le(record + 40, vs_crc32c(0, out->data + start, blob));
    vs_store_u32le(record + 48, vs_crc32c(0, column->tuning.ptr, column->tuning.len));
    VS_TRY(vs_buf_append_str(out, column->tuning, err));
    memcpy(out->data + record_at, record, sizeof record);
    return pad(out, err);
}

enum vs_status vs_index_model_encode(const struct vs_index_model *model,
                                     struct vs_buf *out,
                                     struct vs_error *err)
{
    size_t dim = model->column_count > 0 ? model->columns[0].dim : 0;
    size_t tables = model->column_count * RECORD_SIZE;
    if (model->query_count > QUERIES_MAX) {
        return vs_fail(err, VS_LIMIT, "a model holds at most %u queries, %zu were given",
                       QUERIES_MAX, (size_t)model->query_count);
    }
    vs_buf_reset(out);
    VS_TRY(vs_buf_append_zeros(out, HEADER_SIZE + tables, err));
    VS_TRY(vs_buf_append_str(out, model->trainer, err));
    VS_TRY(pad(out, err));
    for (size_t c = 0; c < model->column_count; c++) {
        VS_TRY(append_column(&model->columns[c], HEADER_SIZE + c * RECORD_SIZE, out, err));
    }
    size_t queries = model->query_count * dim * sizeof(float);
    VS_TRY(vs_buf_append(out, model->queries, queries, err));
    VS_TRY(pad(out, err));
    uint8_t *bytes = out->data;
    memcpy(bytes, magic, sizeof magic);
    vs_store_u32le(bytes + 8, VERSION);
    vs_store_u32le(bytes + 12, HEADER_SIZE);
    vs_store_u64le(bytes + 16, out->len);
    vs_store_u64le(bytes + 24, model->seed);
    vs_store_u32le(bytes + 32, (uint32_t)model->column_count);
    vs_store_u32le(bytes + 36, (uint32_t)model->projection);
    vs_store_u32le(bytes + 40, (uint32_t)model->trainer.len);
    vs_store_u32le(bytes + 44, (uint32_t)model->query_count);
    vs_store_u32le(bytes + 48, vs_crc32c(0, model->queries, queries));
    vs_store_u32le(bytes + 52, vs_crc32c(0, bytes + HEADER_SIZE, tables + model->trainer.len));
    vs_store_u64le(bytes + 56, model->row_count);
    memcpy(bytes + 64, model->table_uuid.bytes, 16);
    vs_store_u64le(bytes + 80, (uint64_t)model->snapshot_id);
    vs_store_u32le(bytes + 124, vs_crc32c(0, bytes, 124));
    return VS_OK;
}

// ---- decoding ----

// Bytes of a model that are still to be read.
struct rest {
    const uint8_t *at;
    uint64_t left;
    const char *what;
};

// The next `n` bytes, padded to 64.
static enum vs_status take(struct rest *rest,
                           uint64_t n,
                           const uint8_t **bytes_out,
                           struct vs_error *err)
{
    if (n > rest->left || vs_align64(n) > rest->left) {
        return vs_fail(err, VS_CORRUPT, "%s ends early", rest->what);
    }
    *bytes_out = rest->at;
    rest->at += vs_align64(n);
    rest->left -= vs_align64(n);
    return VS_OK;
}

static bool are_finite(const float *values, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good = good && isfinite(values[i]);
    }
    return good;
}

// Texts go into the descriptor as they are: they have to be JSON.
static enum vs_status check_json(const struct vs_env *env,
                                 struct vs_str text,
                                 const char *what,
                                 struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    if (text.len == 0) {
        return VS_OK;
    }
    if (vs_json_parse(env, text, what, NULL, &doc, NULL) != VS_OK) {
        return vs_fail(err, VS_CORRUPT, "%s: a report in it is not JSON", what);
    }
    vs_json_free(doc);
    return VS_OK;
}

static enum vs_status decode_codebook(struct vs_index_model *model,
                                      struct vs_model_column *column,
                                      const uint8_t *record,
                                      struct rest *rest,
                                      struct vs_error *err)
{
    const uint8_t *blob, *rows, *values;
    uint64_t length = vs_load_u64le(record + 32),
             rows_bytes = column->sample_count * sizeof(uint32_t);
    uint64_t values_bytes = column->sample_count * (uint64_t)column->dim * sizeof(float);
    VS_TRY(take(rest, length, &blob, err));
    VS_TRY(take(rest, rows_bytes, &rows, err));
    VS_TRY(take(rest, values_bytes, &values, err));
    uint64_t sample = vs_align64(rows_bytes) + vs_align64(values_bytes);
    if (vs_crc32c(0, blob, (size_t)length) != vs_load_u32le(record + 40) ||
        vs_crc32c(0, rows, (size_t)sample) != vs_load_u32le(record + 44)) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of a codebook or sample is wrong",
                       rest->what);
    }
    column->sample_rows = (const uint32_t *)(const void *)rows;
    column->sample = (const float *)(const void *)values;
    bool good = are_finite(column->sample, column->sample_count * column->dim);
    for (size_t i = 0; i < column->sample_count; i++) {
        good = good && column->sample_rows[i] < model->row_count;
    }
    if (!good) {
        return vs_fail(err, VS_CORRUPT, "%s: the sample has rows that cannot be", rest->what);
    }
    struct vs_codebook *codebook = vs_arena_alloc_array(&model->arena, 1, sizeof *codebook);
    if (codebook == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %s", rest->what);
    }
    VS_TRY(vs_codebook_decode(model->env, (struct vs_str){(const char *)blob, (size_t)length},
                              rest->what, codebook, err));
    column->codebook = codebook;
    return codebook->dim == column->dim && codebook->metric == column->metric
               ? VS_OK
               : vs_fail(err, VS_CORRUPT, "%s: a codebook is for other vectors", rest->what);
}

static enum vs_status decode_column(struct vs_index_model *model,
                                    struct vs_model_column *column,
                                    const uint8_t *record,
                                    struct rest *rest,
                                    struct vs_error *err)
{
    uint32_t metric = vs_load_u32le(record + 8), flags = vs_load_u32le(record + 12);
    uint32_t tuning = vs_load_u32le(record + 28);
    *column = (struct vs_model_column){.field_id = (int32_t)vs_load_u32le(record),
                                       .dim = vs_load_u32le(record + 4),
                                       .has_lists = (flags & HAS_LISTS) != 0,
                                       .second_assignment = (flags & SECOND) != 0,
                                       .vector_count = vs_load_u64le(record + 16),
                                       .sample_count = vs_load_u32le(record + 24)};
    if (column->dim == 0 || column->dim > VS_INDEX_MAX_DIM || metric > VS_METRIC_L2 ||
        (flags & ~(HAS_LISTS | SECOND)) != 0 || column->vector_count > model->row_count ||
        column->sample_count > SAMPLE_MAX || tuning > TEXT_MAX ||
        (column->sample_count > 0) != column->has_lists) {
        return vs_fail(err, VS_CORRUPT, "%s: field %" PRId32 " with counts that cannot be",
                       rest->what, column->field_id);
    }
    column->metric = (enum vs_metric)metric;
    VS_TRY(column->has_lists ? decode_codebook(model, column, record, rest, err) : VS_OK);
    const uint8_t *text;
    VS_TRY(take(rest, tuning, &text, err));
    column->tuning = (struct vs_str){(const char *)text, tuning};
    if (vs_crc32c(0, text, tuning) != vs_load_u32le(record + 48)) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of a tuning report is wrong", rest->what);
    }
    return check_json(model->env, column->tuning, rest->what, err);
}

static enum vs_status decode_queries(struct vs_index_model *model,
                                     const uint8_t *bytes,
                                     struct rest *rest,
                                     struct vs_error *err)
{
    const uint8_t *values;
    uint64_t count = vs_load_u32le(bytes + 44), size = model->columns[0].dim * sizeof(float);
    VS_TRY(take(rest, count * size, &values, err));
    if (vs_crc32c(0, values, (size_t)(count * size)) != vs_load_u32le(bytes + 48)) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of the given queries is wrong", rest->what);
    }
    model->query_count = (size_t)count;
    model->queries = (const float *)(const void *)values;
    return rest->left == 0 ? VS_OK
                           : vs_fail(err, VS_CORRUPT, "%s: bytes are left over", rest->what);
}

static enum vs_status check_header(const uint8_t *bytes,
                                   size_t length,
                                   const char *what,
                                   struct vs_error *err)
{
    if (length < HEADER_SIZE || memcmp(bytes, magic, sizeof magic) != 0) {
        return vs_fail(err, VS_CORRUPT,
                       "%s is not a model of an index: it does not start with VSMODEL", what);
    }
    if (vs_load_u32le(bytes + 124) != vs_crc32c(0, bytes, 124)) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of the header is wrong", what);
    }
    if (vs_load_u32le(bytes + 8) != VERSION || vs_load_u32le(bytes + 12) != HEADER_SIZE) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: model of version %" PRIu32 ", this program reads %d", what,
                       vs_load_u32le(bytes + 8), VERSION);
    }
    uint32_t columns = vs_load_u32le(bytes + 32), trainer = vs_load_u32le(bytes + 40);
    if (vs_load_u64le(bytes + 16) != length || columns == 0 || columns > VS_INDEX_MAX_COLUMNS ||
        vs_load_u32le(bytes + 36) > VS_PROJECTION_NONE || trainer > TEXT_MAX ||
        vs_load_u32le(bytes + 44) > QUERIES_MAX || vs_load_u64le(bytes + 56) > VS_INDEX_MAX_ROWS ||
        HEADER_SIZE + columns * (uint64_t)RECORD_SIZE + vs_align64(trainer) > length) {
        return vs_fail(err, VS_CORRUPT, "%s: its header has counts that cannot be", what);
    }
    if (vs_crc32c(0, bytes + HEADER_SIZE, columns * (size_t)RECORD_SIZE + trainer) !=
        vs_load_u32le(bytes + 52)) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of its tables is wrong", what);
    }
    return VS_OK;
}

static enum vs_status decode(struct vs_index_model *model,
                             const uint8_t *bytes,
                             size_t length,
                             const char *what,
                             struct vs_error *err)
{
    uint32_t columns = vs_load_u32le(bytes + 32), trainer = vs_load_u32le(bytes + 40);
    size_t tables = HEADER_SIZE + columns * (size_t)RECORD_SIZE;
    struct rest rest = {bytes + tables, length - tables, what};
    const uint8_t *text;
    model->seed = vs_load_u64le(bytes + 24);
    model->projection = (enum vs_projection)vs_load_u32le(bytes + 36);
    model->row_count = vs_load_u64le(bytes + 56);
    model->snapshot_id = (int64_t)vs_load_u64le(bytes + 80);
    memcpy(model->table_uuid.bytes, bytes + 64, 16);
    VS_TRY(vs_sha256(bytes, length, model->name, err));
    VS_TRY(take(&rest, trainer, &text, err));
    model->trainer = (struct vs_str){(const char *)text, trainer};
    VS_TRY(check_json(model->env, model->trainer, what, err));
    model->columns = vs_arena_alloc_array(&model->arena, columns, sizeof *model->columns);
    if (model->columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %s", what);
    }
    for (uint32_t c = 0; c < columns; c++) {
        model->columns[c].codebook = NULL;
        model->column_count++;
        VS_TRY(decode_column(model, &model->columns[c],
                             bytes + HEADER_SIZE + c * (size_t)RECORD_SIZE, &rest, err));
    }
    return decode_queries(model, bytes, &rest, err);
}

enum vs_status vs_index_model_decode(const struct vs_env *env,
                                     struct vs_str bytes,
                                     const char *what,
                                     struct vs_index_model **model_out,
                                     struct vs_error *err)
{
    VS_TRY(check_header((const uint8_t *)bytes.ptr, bytes.len, what, err));
    struct vs_index_model *model = vs_alloc_zeroed(env, 1, sizeof *model);
    if (model == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %s", what);
    }
    model->env = env;
    vs_arena_init(&model->arena, env, 0);
    // 64-byte aligned, so that samples are used in place; the length of the header is part of it.
    uint8_t *copy = vs_arena_alloc(&model->arena, bytes.len + 64);
    enum vs_status status =
        copy != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "out of memory for %s", what);
    if (status == VS_OK) {
        copy += (64 - (uintptr_t)copy % 64) % 64;
        memcpy(copy, bytes.ptr, bytes.len);
        status = decode(model, copy, bytes.len, what, err);
    }
    if (status != VS_OK) {
        vs_index_model_free(model);
        return status;
    }
    *model_out = model;
    return VS_OK;
}

void vs_index_model_free(struct vs_index_model *model)
{
    if (model == NULL) {
        return;
    }
    for (size_t c = 0; c < model->column_count; c++) {
        if (model->columns[c].codebook != NULL) {
            vs_codebook_clear(model->columns[c].codebook);
        }
    }
    vs_arena_clear(&model->arena);
    vs_free(model->env, model);
}

int64_t vs_index_model_snapshot(const struct vs_index_model *model)
{
    return model->snapshot_id;
}
