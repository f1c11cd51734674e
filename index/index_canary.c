// SPDX-License-Identifier: Apache-2.0
#include "index/index_canary.h"

#include "index/index_internal.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define CANARY_GIVEN 1u
#define MOST_QUERIES 65536

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

enum vs_status vs_canary_encode(const struct vs_canary *canary,
                                struct vs_buf *out,
                                struct vs_error *err)
{
    size_t body = (size_t)canary->count * canary->dim * sizeof(float);
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    const struct vs_section_header header = {
        .length = VS_SECTION_HEADER_SIZE + body,
        .values = {canary->count, canary->dim, canary->k, float_bits(canary->recall),
                   float_bits(canary->target), canary->given ? CANARY_GIVEN : 0,
                   vs_crc32c(0, canary->queries, body)}};
    vs_section_header_encode(VS_SECTION_CANARY, &header, bytes);
    VS_TRY(vs_buf_append(out, bytes, sizeof bytes, err));
    return vs_buf_append(out, canary->queries, body, err);
}

static bool is_share(float value)
{
    return value >= 0.0F && value <= 1.0F;
}

enum vs_status vs_canary_decode(struct vs_str bytes,
                                const char *what,
                                struct vs_canary *canary_out,
                                struct vs_error *err)
{
    struct vs_section_header header;
    const uint8_t *start = (const uint8_t *)bytes.ptr;
    if (bytes.len < VS_SECTION_HEADER_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s: canary blob of %zu bytes has no header", what,
                       bytes.len);
    }
    VS_TRY(vs_section_header_decode(VS_SECTION_CANARY, start, bytes.len, what, &header, err));
    struct vs_canary canary = {.count = header.values[0],
                               .dim = header.values[1],
                               .k = header.values[2],
                               .recall = bits_float(header.values[3]),
                               .target = bits_float(header.values[4]),
                               .given = (header.values[5] & CANARY_GIVEN) != 0};
    size_t body = bytes.len - VS_SECTION_HEADER_SIZE;
    if (canary.count > MOST_QUERIES || canary.dim == 0 || canary.dim > VS_INDEX_MAX_DIM ||
        canary.k == 0 || !is_share(canary.recall) || !is_share(canary.target) ||
        body != (uint64_t)canary.count * canary.dim * sizeof(float)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: canary of %" PRIu32 " queries of dimension %" PRIu32
                       " does not fit %zu bytes",
                       what, canary.count, canary.dim, body);
    }
    if (vs_crc32c(0, start + VS_SECTION_HEADER_SIZE, body) != header.values[6]) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of the canary queries is wrong", what);
    }
    canary.queries = (const float *)(const void *)(start + VS_SECTION_HEADER_SIZE);
    for (size_t i = 0; i < (size_t)canary.count * canary.dim; i++) {
        if (!isfinite(canary.queries[i])) {
            return vs_fail(err, VS_CORRUPT, "%s: a canary query is not finite", what);
        }
    }
    *canary_out = canary;
    return VS_OK;
}

enum vs_status vs_index_read_canary(const struct vs_index *index,
                                    size_t column,
                                    struct vs_canary *canary_out,
                                    uint8_t **bytes_out,
                                    struct vs_error *err)
{
    const struct vs_index_column *info = &index->descriptor.info.columns[column];
    const struct vs_blob_entry *blob =
        vs_descriptor_blob(&index->descriptor, VS_BLOB_CANARY, -1, info->field_id);
    uint8_t *bytes = NULL;
    if (blob == NULL) {
        return vs_fail(err, VS_NOT_FOUND,
                       "%s has no canary queries for column '%.*s'; indexes with lists get them "
                       "when they are built",
                       index->file->name, VS_STR_ARG(info->name));
    }
    VS_TRY(vs_index_blob_read(index->env, index->file, blob, &bytes, err));
    enum vs_status status =
        vs_canary_decode((struct vs_str){(const char *)bytes, (size_t)blob->length},
                         index->file->name, canary_out, err);
    if (status == VS_OK && canary_out->dim != info->dim) {
        status =
            vs_fail(err, VS_CORRUPT, "%s: canary queries have %" PRIu32 " dimensions, not %" PRIu32,
                    index->file->name, canary_out->dim, info->dim);
    }
    if (status != VS_OK) {
        vs_free(index->env, bytes);
        return status;
    }
    *bytes_out = bytes;
    return VS_OK;
}
