// SPDX-License-Identifier: Apache-2.0
#include "index/index_canary.h"
#include "index/index_internal.h"
#include "index/verify_lists.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_BYTES (1u << 20)
#define CHUNK_ROWS 256
#define PROBLEMS_SHOWN 100

struct verifier {
    const struct vs_env *env;
    struct vs_file *file;
    const struct vs_op *op;
    struct vs_json_writer *w; // inside the list "problems" after the blobs
    struct vs_error first;
    size_t problem_count;
};

// Counts a problem: not a failure of the verification itself. Out of memory, a deadline or an
// unreadable store are.
static enum vs_status note(struct verifier *v, const struct vs_error *problem)
{
    if (problem->code == VS_NO_MEMORY || problem->code == VS_TIMEOUT ||
        problem->code == VS_CANCELLED || problem->code == VS_UNAVAILABLE) {
        v->first = *problem;
        return problem->code;
    }
    if (v->problem_count == 0) {
        v->first = *problem;
    }
    if (v->problem_count++ < PROBLEMS_SHOWN) {
        vs_jw_c(v->w, problem->message);
    }
    return VS_OK;
}

// ---- every byte: checksums of the blobs ----

static enum vs_status blob_crc(struct verifier *v,
                               const struct vs_blob_entry *blob,
                               uint8_t *chunk,
                               uint32_t *crc_out,
                               struct vs_error *err)
{
    uint32_t crc = 0;
    for (uint64_t at = 0; at < blob->length; at += CHUNK_BYTES) {
        VS_TRY(vs_op_check(v->env, v->op, err));
        size_t n = blob->length - at < CHUNK_BYTES ? (size_t)(blob->length - at) : CHUNK_BYTES;
        VS_TRY(vs_file_read(v->file, blob->offset + at, n, chunk, err));
        crc = vs_crc32c(crc, chunk, n);
    }
    *crc_out = crc;
    return VS_OK;
}

static enum vs_status check_blob(struct verifier *v,
                                 const struct vs_blob_entry *blob,
                                 uint8_t *chunk,
                                 bool *ok_out,
                                 struct vs_error *err)
{
    uint32_t crc = 0;
    VS_TRY(blob_crc(v, blob, chunk, &crc, err));
    *ok_out = crc == blob->crc;
    return VS_OK;
}

// Writes the list of blobs; wrong ones are noted later, when the list of problems is open.
static enum vs_status report_blobs(struct verifier *v,
                                   const struct vs_descriptor *d,
                                   bool *ok,
                                   struct vs_error *err)
{
    uint8_t *chunk = vs_alloc(v->env, CHUNK_BYTES);
    if (chunk == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the verification");
    }
    enum vs_status status = VS_OK;
    vs_jw_key(v->w, "blobs");
    vs_jw_array_begin(v->w);
    for (size_t i = 0; i < d->blob_count && status == VS_OK; i++) {
        status = check_blob(v, &d->blobs[i], chunk, &ok[i], err);
        vs_jw_object_begin(v->w);
        vs_jw_key(v->w, "type");
        vs_jw_str(v->w, d->blobs[i].type);
        vs_jw_key(v->w, "segment");
        vs_jw_i64(v->w, d->blobs[i].segment);
        vs_jw_key(v->w, "field-id");
        vs_jw_i64(v->w, d->blobs[i].field_id);
        vs_jw_key(v->w, "bytes");
        vs_jw_u64(v->w, d->blobs[i].length);
        vs_jw_key(v->w, "crc_ok");
        vs_jw_bool(v->w, ok[i]);
        vs_jw_object_end(v->w);
    }
    vs_jw_array_end(v->w);
    vs_free(v->env, chunk);
    return status;
}

// ---- contents ----

// Finite, and zero where the row has none.
static enum vs_status check_vector(const struct vs_index *index,
                                   size_t segment,
                                   size_t column,
                                   uint32_t row,
                                   const float *vector,
                                   struct vs_error *err)
{
    bool present = vs_bit_get(index->segments[segment].parts[column].presence, row);
    for (size_t d = 0; d < index->descriptor.info.columns[column].dim; d++) {
        if (!isfinite(vector[d]) || (!present && vector[d] != 0.0F)) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: the vector of row %" PRIu32 " of segment %zu, column %" PRId32
                           " %s; rebuild the index",
                           index->file->name, row, segment,
                           index->descriptor.info.columns[column].field_id,
                           present ? "is not finite" : "is not there, but has values");
        }
    }
    return VS_OK;
}

static enum vs_status check_vectors(struct verifier *v,
                                    const struct vs_index *index,
                                    size_t segment,
                                    size_t column,
                                    struct vs_error *err)
{
    size_t dim = index->descriptor.info.columns[column].dim;
    uint64_t rows = index->descriptor.info.segments[segment].row_count;
    float *vectors = vs_alloc(v->env, CHUNK_ROWS * dim * sizeof(float));
    if (vectors == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the verification");
    }
    enum vs_status status = VS_OK;
    for (uint64_t at = 0; at < rows && status == VS_OK; at += CHUNK_ROWS) {
        uint32_t wanted[CHUNK_ROWS];
        size_t n = rows - at < CHUNK_ROWS ? (size_t)(rows - at) : CHUNK_ROWS;
        for (size_t i = 0; i < n; i++) {
            wanted[i] = (uint32_t)(at + i);
        }
        status = vs_op_check(v->env, v->op, err);
        if (status == VS_OK) {
            status = vs_index_read_vectors(index, segment, column, wanted, n, vectors, err);
        }
        for (size_t i = 0; i < n && status == VS_OK; i++) {
            status = check_vector(index, segment, column, wanted[i], vectors + i * dim, err);
        }
    }
    vs_free(v->env, vectors);
    return status;
}

static enum vs_status check_field(struct verifier *v,
                                  const struct vs_index *index,
                                  size_t segment,
                                  size_t field,
                                  struct vs_error *err)
{
    if (index->descriptor.places[field] == VS_PLACE_VECTORS) {
        return VS_OK;
    }
    VS_TRY(vs_op_check(v->env, v->op, err));
    struct vs_column column;
    VS_TRY(vs_index_load_column(index, segment, index->descriptor.info.fields[field].id, &column,
                                err));
    vs_column_clear(&column);
    return VS_OK;
}

static enum vs_status check_canaries(struct verifier *v, const struct vs_index *index)
{
    struct vs_error problem;
    for (size_t c = 0; c < index->descriptor.info.column_count; c++) {
        struct vs_canary canary;
        uint8_t *bytes = NULL;
        enum vs_status status = vs_index_read_canary(index, c, &canary, &bytes, &problem);
        vs_free(v->env, bytes);
        if (status != VS_OK && status != VS_NOT_FOUND) {
            VS_TRY(note(v, &problem));
        }
    }
    return VS_OK;
}

static enum vs_status check_contents(struct verifier *v, const struct vs_index *index)
{
    const struct vs_index_info *info = &index->descriptor.info;
    struct vs_error problem;
    for (size_t s = 0; s < info->segment_count; s++) {
        for (size_t c = 0; c < info->column_count; c++) {
            const struct vs_index_part *part = &index->segments[s].parts[c];
            if (part->has_lists && vs_verify_lists(v->env, v->file, &index->descriptor, s, c, v->op,
                                                   &problem) != VS_OK) {
                VS_TRY(note(v, &problem));
            }
            if (part->has_vectors && check_vectors(v, index, s, c, &problem) != VS_OK) {
                VS_TRY(note(v, &problem));
            }
        }
        for (size_t f = 0; f < info->field_count; f++) {
            if (check_field(v, index, s, f, &problem) != VS_OK) {
                VS_TRY(note(v, &problem));
            }
        }
    }
    return VS_OK;
}

static enum vs_status check_opened(struct verifier *v)
{
    struct vs_index *index = NULL;
    struct vs_error problem;
    struct vs_index_open_options options = {.thread_count = 1};
    if (vs_index_open(v->env, v->file, &options, &index, &problem) != VS_OK) {
        return note(v, &problem);
    }
    enum vs_status status = check_contents(v, index);
    if (status == VS_OK) {
        status = check_canaries(v, index);
    }
    vs_index_close(index);
    return status;
}

// ---- report ----

static enum vs_status check_all(struct verifier *v,
                                const struct vs_descriptor *d,
                                bool *ok,
                                struct vs_error *err)
{
    uint64_t rows = 0;
    for (size_t s = 0; s < d->info.segment_count; s++) {
        rows += d->info.segments[s].row_count;
    }
    VS_TRY(report_blobs(v, d, ok, err));
    vs_jw_key(v->w, "rows");
    vs_jw_u64(v->w, rows);
    vs_jw_key(v->w, "problems");
    vs_jw_array_begin(v->w);
    for (size_t i = 0; i < d->blob_count; i++) {
        if (!ok[i]) {
            struct vs_error problem;
            vs_fail(&problem, VS_CORRUPT,
                    "%s: checksum of blob %.*s at offset %" PRIu64 " is wrong; rebuild the index",
                    v->file->name, VS_STR_ARG(d->blobs[i].type), d->blobs[i].offset);
            VS_TRY(note(v, &problem));
        }
    }
    enum vs_status status = check_opened(v);
    vs_jw_array_end(v->w);
    if (status != VS_OK && err != NULL) {
        *err = v->first;
    }
    return status;
}

static enum vs_status describe_and_check(struct verifier *v,
                                         struct vs_arena *arena,
                                         struct vs_error *err)
{
    struct vs_puffin puffin;
    struct vs_descriptor d;
    struct vs_error problem;
    if (vs_index_describe(v->env, v->file, arena, &puffin, &d, &problem) != VS_OK) {
        vs_jw_key(v->w, "blobs");
        vs_jw_array_begin(v->w);
        vs_jw_array_end(v->w);
        vs_jw_key(v->w, "problems");
        vs_jw_array_begin(v->w);
        enum vs_status status = note(v, &problem);
        vs_jw_array_end(v->w);
        if (status != VS_OK && err != NULL) {
            *err = problem;
        }
        return status;
    }
    vs_puffin_clear(&puffin);
    bool *ok = vs_alloc_zeroed(v->env, d.blob_count, sizeof *ok);
    if (ok == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the verification");
    }
    enum vs_status status = check_all(v, &d, ok, err);
    vs_free(v->env, ok);
    return status;
}

enum vs_status vs_index_verify(const struct vs_env *env,
                               struct vs_file *file,
                               const struct vs_op *op,
                               struct vs_buf *report_out,
                               struct vs_error *err)
{
    struct vs_json_writer writer;
    struct vs_arena arena;
    vs_arena_init(&arena, env, 0);
    vs_json_writer_init(&writer, report_out, false);
    struct verifier v = {.env = env, .file = file, .op = op, .w = &writer};
    vs_jw_object_begin(&writer);
    enum vs_status status = describe_and_check(&v, &arena, err);
    vs_arena_clear(&arena);
    if (status != VS_OK) {
        return status;
    }
    vs_jw_object_end(&writer);
    VS_TRY(vs_json_writer_finish(&writer, err));
    if (v.problem_count > 0) {
        return vs_fail(err, VS_CORRUPT, "%s (%zu problem%s)", v.first.message, v.problem_count,
                       v.problem_count == 1 ? "" : "s");
    }
    return VS_OK;
}
