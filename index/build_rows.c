// SPDX-License-Identifier: Apache-2.0
/*
 * Passes over the rows: values into attrs, payload and ids; f32 vectors into their blob; samples
 * for training; vectors on to the encoder.
 */
#include "index/build_internal.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <math.h>

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
static enum vs_status place_fields(struct vs_build *build, struct vs_error *err)
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
                   is_long(&build->batch.columns[f])) {
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

// Copies the vectors that are present into the chunk, prepared.
static enum vs_status fill_chunk(struct vs_build *build,
                                 const struct vs_build_column *column,
                                 uint64_t first_row,
                                 struct vs_error *err)
{
    const struct vs_column *values = &build->batch.columns[column->spec->field];
    const struct vs_kernels *kernels = vs_kernels_get();
    struct vs_build_chunk *chunk = &build->chunk;
    size_t dim = column->spec->dim;
    chunk->count = 0;
    for (size_t i = 0; i < build->batch.row_count; i++) {
        size_t count = 0;
        const float *vector = vs_column_get_floats(values, i, &count);
        if (count == 0) {
            continue;
        }
        VS_TRY(check_vector(column, values, i, first_row + i, count, err));
        float *copy = chunk->vectors + chunk->count * dim;
        memcpy(copy, vector, dim * sizeof(float));
        if (!vs_build_prepare(kernels, column->spec->metric, copy, dim)) {
            return vs_fail(err, VS_INVALID,
                           "row %" PRIu64
                           ": the vector in column '%.*s' is not finite, too long, or of length "
                           "zero with cosine; mend the row and build again",
                           first_row + i, VS_STR_ARG(column->field->name));
        }
        chunk->rows[chunk->count++] = (uint32_t)(first_row + i);
    }
    return VS_OK;
}

// Uniform sample of the vectors in order of arrival (reservoir sampling).
static void sample_chunk(const struct vs_build *build, struct vs_build_column *column)
{
    size_t dim = column->spec->dim;
    for (size_t i = 0; i < build->chunk.count; i++) {
        uint64_t seen = column->vector_count + i, at = column->sample_count;
        if (column->sample_count < column->sample_room) {
            column->sample_count++;
        } else {
            at = vs_build_random(&column->random) % (seen + 1);
        }
        if (at < column->sample_room) {
            memcpy(column->sample + at * dim, build->chunk.vectors + i * dim, dim * sizeof(float));
            column->sample_rows[at] = build->chunk.rows[i];
        }
    }
    column->vector_count += build->chunk.count;
}

// Writes the raw vectors of the batch, zeros where there is none, and notes presence and checksums.
static enum vs_status write_vectors(struct vs_build *build,
                                    struct vs_build_column *column,
                                    uint64_t first_row,
                                    struct vs_error *err)
{
    const struct vs_column *values = &build->batch.columns[column->spec->field];
    size_t dim = column->spec->dim, bytes = dim * sizeof(float);
    float *raw = build->chunk.vectors;
    for (size_t i = 0; i < build->batch.row_count; i++) {
        size_t count = 0, row = (size_t)first_row + i;
        const float *vector = vs_column_get_floats(values, i, &count);
        if (count == dim) {
            memcpy(raw + i * dim, vector, bytes);
            column->presence[row / 64] |= (uint64_t)1 << (row % 64);
        } else {
            memset(raw + i * dim, 0, bytes);
        }
        column->row_crcs[row] = vs_crc32c(0, raw + i * dim, bytes);
    }
    return vs_index_blob_write(&build->writer, raw, build->batch.row_count * bytes, err);
}

static enum vs_status begin_vectors(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err)
{
    struct vs_vectors_layout layout;
    if (!vs_vectors_layout(build->row_count, column->spec->dim, &layout)) {
        return vs_fail(err, VS_LIMIT, "column '%.*s': too many rows or dimensions",
                       VS_STR_ARG(column->field->name));
    }
    column->presence = vs_alloc_zeroed(build->env, (size_t)(build->row_count / 512 + 1) * 8,
                                       sizeof(uint64_t)); // a multiple of 64 bytes
    column->row_crcs = vs_alloc_zeroed(build->env, (size_t)build->row_count, sizeof(uint32_t));
    if (column->presence == NULL || column->row_crcs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the vector tables");
    }
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    struct vs_section_header header = {.length = layout.length,
                                       .values = {(uint32_t)build->row_count, column->spec->dim}};
    vs_section_header_encode(VS_SECTION_VECTORS, &header, bytes);
    VS_TRY(vs_index_blob_begin(&build->writer, VS_BLOB_VECTORS, 0, column->field->id, err));
    return vs_index_blob_write(&build->writer, bytes, sizeof bytes, err);
}

static enum vs_status end_vectors(struct vs_build *build,
                                  struct vs_build_column *column,
                                  struct vs_error *err)
{
    static const uint8_t zeros[64] = {0};
    struct vs_vectors_layout layout;
    vs_vectors_layout(build->row_count, column->spec->dim, &layout); // checked at the beginning
    uint64_t end = VS_SECTION_HEADER_SIZE + build->row_count * column->spec->dim * sizeof(float);
    size_t presence_bytes = (size_t)(layout.row_crcs - layout.presence),
           crc_bytes = (size_t)build->row_count * 4;
    uint32_t crc =
        vs_crc32c(vs_crc32c(0, column->presence, presence_bytes), column->row_crcs, crc_bytes);
    VS_TRY(vs_index_blob_write(&build->writer, zeros, (size_t)(layout.presence - end), err));
    VS_TRY(vs_index_blob_write(&build->writer, column->presence, presence_bytes, err));
    VS_TRY(vs_index_blob_write(&build->writer, column->row_crcs, crc_bytes, err));
    VS_TRY(vs_index_blob_write(&build->writer, &crc, 4, err));
    VS_TRY(vs_index_blob_end(&build->writer, err));
    vs_free(build->env, column->presence);
    vs_free(build->env, column->row_crcs);
    column->presence = NULL;
    column->row_crcs = NULL;
    return VS_OK;
}

// ---- values of a batch ----

static enum vs_status keep_attrs(struct vs_build *build, struct vs_error *err)
{
    for (size_t f = 0; f < build->params->field_count; f++) {
        if (build->stored[f] && build->places[f] == VS_PLACE_ATTRS) {
            VS_TRY(vs_column_append_rows(&build->attrs[f], &build->batch.columns[f], 0,
                                         build->batch.row_count, err));
        }
    }
    return VS_OK;
}

static enum vs_status keep_payload(struct vs_build *build, struct vs_error *err)
{
    if (!build->has_payload) {
        return VS_OK;
    }
    vs_batch_reset(&build->payload_batch);
    size_t p = 0;
    for (size_t f = 0; f < build->params->field_count; f++) {
        if (build->places[f] == VS_PLACE_PAYLOAD) {
            VS_TRY(vs_column_append_rows(&build->payload_batch.columns[p++],
                                         &build->batch.columns[f], 0, build->batch.row_count, err));
        }
    }
    build->payload_batch.row_count = build->batch.row_count;
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

static enum vs_status encode_columns(struct vs_build *build,
                                     uint64_t first_row,
                                     struct vs_error *err)
{
    for (size_t c = 0; c < build->params->column_count; c++) {
        struct vs_build_column *column = &build->columns[c];
        if (column->has_lists) {
            VS_TRY(fill_chunk(build, column, first_row, err));
            VS_TRY(vs_build_encode_chunk(build, column, &build->chunk, err));
            VS_TRY(vs_measure_chunk(build, column, &build->chunk, err));
        }
    }
    return VS_OK;
}

static enum vs_status handle_batch(struct vs_build *build,
                                   unsigned pass,
                                   size_t vector_column,
                                   uint64_t first_row,
                                   struct vs_error *err)
{
    if ((pass & VS_PASS_ROWS) != 0) {
        if (first_row == 0) {
            VS_TRY(place_fields(build, err));
        }
        VS_TRY(keep_attrs(build, err));
        for (size_t c = 0; c < build->params->column_count; c++) {
            VS_TRY(fill_chunk(build, &build->columns[c], first_row, err));
            sample_chunk(build, &build->columns[c]);
        }
        if (!build->is_large) {
            VS_TRY(keep_payload(build, err));
        }
    }
    if ((pass & VS_PASS_VECTORS) != 0) {
        VS_TRY(write_vectors(build, &build->columns[vector_column], first_row, err));
    }
    if ((pass & VS_PASS_PAYLOAD) != 0) {
        VS_TRY(keep_payload(build, err));
        VS_TRY(flush_payload(build, err));
    }
    return (pass & VS_PASS_ENCODE) != 0 ? encode_columns(build, first_row, err) : VS_OK;
}

static enum vs_status read_all(struct vs_build *build,
                               unsigned pass,
                               size_t vector_column,
                               struct vs_error *err)
{
    const char *phase = (pass & VS_PASS_ENCODE) != 0 ? "encoding" : "reading";
    uint64_t row = 0;
    for (;;) {
        VS_TRY(vs_op_check(build->env, build->params->op, err));
        vs_batch_reset(&build->batch);
        VS_TRY(build->source->next(build->source->ctx, build->batch_rows, &build->batch, err));
        size_t count = build->batch.row_count;
        if (count == 0 && row > 0) {
            break;
        }
        if (count > build->batch_rows || row + count > build->row_count) {
            return vs_fail(err, VS_INVALID,
                           "the data files have more rows than the %" PRIu64 " that the table says",
                           build->row_count);
        }
        VS_TRY(handle_batch(build, pass, vector_column, row, err));
        if (count == 0) {
            break;
        }
        row += count;
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
    if ((pass & VS_PASS_ROWS) == 0) {
        VS_TRY(build->source->rewind(build->source->ctx, err));
    }
    bool payload = (pass & VS_PASS_PAYLOAD) != 0;
    if ((pass & VS_PASS_VECTORS) != 0) {
        VS_TRY(begin_vectors(build, &build->columns[vector_column], err));
    }
    if (payload) {
        VS_TRY(vs_index_blob_begin(&build->writer, VS_BLOB_PAYLOAD, 0, -1, err));
    }
    VS_TRY(read_all(build, pass, vector_column, err));
    if (payload) {
        VS_TRY(end_payload(build, err));
    }
    if ((pass & VS_PASS_VECTORS) != 0) {
        VS_TRY(end_vectors(build, &build->columns[vector_column], err));
    }
    if ((pass & VS_PASS_ROWS) != 0 && !build->is_large &&
        build->has_payload) { // was kept in memory
        VS_TRY(vs_index_blob_begin(&build->writer, VS_BLOB_PAYLOAD, 0, -1, err));
        VS_TRY(end_payload(build, err));
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
    vs_batch_clear(&build->batch);
    vs_batch_clear(&build->payload_batch);
    vs_free_aligned(build->env, build->chunk.vectors);
    vs_free(build->env, build->chunk.rows);
}
