// SPDX-License-Identifier: Apache-2.0
// The blob of vectors in row order: docs/format/index-v1.md section 6.
#include "index/build_internal.h"
#include "index/float16.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <string.h>

static enum vs_status too_great(const struct vs_build_column *column,
                                uint64_t row,
                                float value,
                                struct vs_error *err)
{
    return vs_fail(err, VS_INVALID,
                   "row %" PRIu64 " of column '%.*s' has a value (%g) beyond what half-precision "
                   "vectors hold (-65504 to 65504); store them as f32 (--store-vectors f32)",
                   row, VS_STR_ARG(column->field->name), (double)value);
}

// Writes the vectors of the batch, zeros where there is none, and notes presence and checksums.
enum vs_status vs_build_vectors_write(struct vs_build *build,
                                      struct vs_build_column *column,
                                      const struct vs_batch *batch,
                                      uint64_t first_row,
                                      struct vs_error *err)
{
    const struct vs_column *values = &batch->columns[column->spec->field];
    size_t dim = column->spec->dim, bytes = dim * vs_vectors_width(column->half);
    uint8_t *raw = (uint8_t *)build->raw;
    for (size_t i = 0; i < batch->row_count; i++) {
        size_t count = 0, row = (size_t)first_row + i;
        const float *vector = vs_column_get_floats(values, i, &count);
        uint8_t *out = raw + i * bytes;
        if (count != dim) {
            memset(out, 0, bytes);
        } else if (column->half) {
            size_t taken = vs_f16_narrow(vector, dim, (uint16_t *)(void *)out);
            if (taken < dim) {
                return too_great(column, row, vector[taken], err);
            }
        } else {
            memcpy(out, vector, bytes);
        }
        column->presence[row / 64] |= (uint64_t)(count == dim) << (row % 64);
        column->row_crcs[row] = vs_crc32c(0, out, bytes);
    }
    return vs_index_blob_write(&build->writer, raw, batch->row_count * bytes, err);
}

enum vs_status vs_build_vectors_begin(struct vs_build *build,
                                      struct vs_build_column *column,
                                      struct vs_error *err)
{
    struct vs_vectors_layout layout;
    // Flat columns keep f32, which makes their answers exact.
    column->half =
        build->params->store_vectors == VS_STORE_F16 && build->is_large && !column->is_flat;
    if (!vs_vectors_layout(build->row_count, column->spec->dim, vs_vectors_width(column->half),
                           &layout)) {
        return vs_fail(err, VS_LIMIT, "column '%.*s': too many rows or dimensions",
                       VS_STR_ARG(column->field->name));
    }
    column->presence = vs_alloc_zeroed(build->env, (size_t)(build->row_count / 512 + 1) * 8,
                                       sizeof(uint64_t)); // a multiple of 64 bytes
    column->row_crcs = vs_alloc_zeroed(build->env, (size_t)build->row_count, sizeof(uint32_t));
    if (build->raw == NULL) { // the only column has fewer vectors than lists need
        build->raw =
            vs_alloc_aligned(build->env, build->batch_rows * column->spec->dim * sizeof(float));
    }
    if (column->presence == NULL || column->row_crcs == NULL || build->raw == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the vector tables");
    }
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    struct vs_section_header header = {.length = layout.length,
                                       .values = {(uint32_t)build->row_count, column->spec->dim}};
    vs_section_header_encode(vs_vectors_section(column->half), &header, bytes);
    VS_TRY(vs_index_blob_begin(&build->writer, vs_vectors_blob(column->half), 0, column->field->id,
                               err));
    return vs_index_blob_write(&build->writer, bytes, sizeof bytes, err);
}

enum vs_status vs_build_vectors_end(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err)
{
    static const uint8_t zeros[64] = {0};
    struct vs_vectors_layout layout;
    uint32_t width = vs_vectors_width(column->half);
    vs_vectors_layout(build->row_count, column->spec->dim, width,
                      &layout); // checked at the beginning
    uint64_t end = VS_SECTION_HEADER_SIZE + build->row_count * column->spec->dim * width;
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
