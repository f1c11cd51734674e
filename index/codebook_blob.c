// SPDX-License-Identifier: Apache-2.0
// The codebook blob: docs/format/index-v1-blobs.md section 1.
#include "index/codebook_internal.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/crypto.h"

#include <math.h>

#define MAGIC "VSCB"

// Bytes of the whole blob; the counts have been validated, so nothing overflows 64 bits.
static uint64_t total_len(const struct vs_codebook *codebook)
{
    uint64_t floats = (uint64_t)vs_codebook_projection_len(codebook) + codebook->proj_dim +
                      vs_codebook_super_len(codebook) + vs_codebook_centroid_len(codebook) +
                      vs_codebook_pq_len(codebook);
    return VS_CODEBOOK_HEADER + 4 * (floats + codebook->super_count + 1);
}

static uint8_t *store_floats(uint8_t *next, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vs_store_f32le(next + 4 * i, values[i]);
    }
    return next + 4 * count;
}

static void store_body(const struct vs_codebook *codebook, uint8_t *next)
{
    next = store_floats(next, codebook->projection, vs_codebook_projection_len(codebook));
    next = store_floats(next, codebook->projection_bias, codebook->proj_dim);
    next = store_floats(next, codebook->super_centroids, vs_codebook_super_len(codebook));
    for (size_t i = 0; i <= codebook->super_count; i++) {
        vs_store_u32le(next, codebook->super_first[i]);
        next += 4;
    }
    next = store_floats(next, codebook->centroids, vs_codebook_centroid_len(codebook));
    store_floats(next, codebook->pq, vs_codebook_pq_len(codebook));
}

static bool all_bounded(const float *values, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good &= fabsf(values[i]) <= VS_CODEBOOK_ABS_MAX; // false for NaN
    }
    return good;
}

static enum vs_status check_values(const struct vs_codebook *codebook, struct vs_error *err)
{
    if (!all_bounded(codebook->projection, vs_codebook_projection_len(codebook)) ||
        !all_bounded(codebook->projection_bias, codebook->proj_dim) ||
        !all_bounded(codebook->super_centroids, vs_codebook_super_len(codebook)) ||
        !all_bounded(codebook->centroids, vs_codebook_centroid_len(codebook)) ||
        !all_bounded(codebook->pq, vs_codebook_pq_len(codebook))) {
        return vs_fail(err, VS_INVALID,
                       "the trained codebook has values that are not finite or above 1e15; scale "
                       "the vectors down");
    }
    return VS_OK;
}

enum vs_status vs_codebook_encode(const struct vs_codebook *codebook,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    VS_TRY(vs_codebook_validate_counts(codebook, VS_INVALID, "codebook", err));
    VS_TRY(check_values(codebook, err));
    size_t len = (size_t)total_len(codebook);
    VS_TRY(vs_buf_reserve(out, len, err));
    uint8_t *blob = out->data + out->len;
    memset(blob, 0, VS_CODEBOOK_HEADER);
    memcpy(blob, MAGIC, 4);
    vs_store_u16le(blob + 4, 1);
    vs_store_u16le(blob + 6, VS_CODEBOOK_HEADER);
    vs_store_u32le(blob + 8, codebook->dim);
    vs_store_u32le(blob + 12, codebook->proj_dim);
    vs_store_u32le(blob + 16, codebook->m);
    vs_store_u32le(blob + 20, codebook->sub_dim);
    vs_store_u32le(blob + 24, codebook->super_count);
    vs_store_u32le(blob + 28, codebook->list_count);
    vs_store_u32le(blob + 32, (uint32_t)codebook->metric);
    vs_store_u64le(blob + 40, len);
    store_body(codebook, blob + VS_CODEBOOK_HEADER);
    vs_store_u32le(blob + 48, vs_crc32c(0, blob + VS_CODEBOOK_HEADER, len - VS_CODEBOOK_HEADER));
    vs_store_u32le(blob + 60, vs_crc32c(0, blob, 60));
    out->len += len;
    return VS_OK;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

enum vs_status vs_codebook_parse_header(const uint8_t *h,
                                        uint64_t blob_len,
                                        const char *what,
                                        struct vs_codebook *header_out,
                                        uint32_t *body_crc_out,
                                        struct vs_error *err)
{
    if (memcmp(h, MAGIC, 4) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: not a codebook (%llu bytes)", what,
                       (unsigned long long)blob_len);
    }
    if (vs_load_u32le(h + 60) != vs_crc32c(0, h, 60)) {
        return vs_fail(err, VS_CORRUPT, "%s: the header's checksum is wrong", what);
    }
    if (vs_load_u16le(h + 4) != 1 || vs_load_u16le(h + 6) != VS_CODEBOOK_HEADER) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: codebook version %u is not known; 1 is", what,
                       vs_load_u16le(h + 4));
    }
    if (!all_zero(h + 36, 4) || !all_zero(h + 52, 8)) {
        return vs_fail(err, VS_CORRUPT, "%s: a reserved field is not zero", what);
    }
    struct vs_codebook header = {
        .dim = vs_load_u32le(h + 8),
        .proj_dim = vs_load_u32le(h + 12),
        .m = vs_load_u32le(h + 16),
        .sub_dim = vs_load_u32le(h + 20),
        .super_count = vs_load_u32le(h + 24),
        .list_count = vs_load_u32le(h + 28),
    };
    uint32_t metric = vs_load_u32le(h + 32);
    if (metric > VS_METRIC_L2) {
        return vs_fail(err, VS_CORRUPT, "%s: metric %u is not known", what, metric);
    }
    header.metric = (enum vs_metric)metric;
    VS_TRY(vs_codebook_validate_counts(&header, VS_CORRUPT, what, err));
    if (vs_load_u64le(h + 40) != blob_len || total_len(&header) != blob_len) {
        return vs_fail(err, VS_CORRUPT, "%s: has %llu bytes, its counts need %llu", what,
                       (unsigned long long)blob_len, (unsigned long long)total_len(&header));
    }
    *header_out = header;
    *body_crc_out = vs_load_u32le(h + 48);
    return VS_OK;
}

bool vs_codebook_load_floats(const uint8_t *from, float *values, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        values[i] = vs_load_f32le(from + 4 * i);
        good &= fabsf(values[i]) <= VS_CODEBOOK_ABS_MAX; // false for NaN
    }
    return good;
}

// Advances *next.
static bool take_floats(const uint8_t **next, float *values, size_t count)
{
    const uint8_t *from = *next;
    *next += 4 * count;
    return vs_codebook_load_floats(from, values, count);
}

enum vs_status vs_codebook_load_supers(struct vs_codebook *codebook,
                                       const uint8_t *from,
                                       const char *what,
                                       struct vs_error *err)
{
    uint32_t *first = codebook->super_first;
    for (size_t i = 0; i <= codebook->super_count; i++) {
        first[i] = vs_load_u32le(from + 4 * i);
        if (i == 0 ? first[0] != 0 : first[i] <= first[i - 1]) {
            return vs_fail(err, VS_CORRUPT, "%s: super-cluster %zu has no lists", what, i);
        }
    }
    if (first[codebook->super_count] != codebook->list_count) {
        return vs_fail(err, VS_CORRUPT, "%s: super-clusters hold %u lists, not %u", what,
                       first[codebook->super_count], codebook->list_count);
    }
    return VS_OK;
}

enum vs_status vs_codebook_bad_value(const char *what, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: a value is not finite or above 1e15", what);
}

static enum vs_status load_body(struct vs_codebook *codebook,
                                const uint8_t *next,
                                const char *what,
                                struct vs_error *err)
{
    bool good = take_floats(&next, codebook->projection, vs_codebook_projection_len(codebook));
    good &= take_floats(&next, codebook->projection_bias, codebook->proj_dim);
    good &= take_floats(&next, codebook->super_centroids, vs_codebook_super_len(codebook));
    VS_TRY(vs_codebook_load_supers(codebook, next, what, err));
    next += 4 * ((size_t)codebook->super_count + 1);
    good &= take_floats(&next, codebook->centroids, vs_codebook_centroid_len(codebook));
    good &= take_floats(&next, codebook->pq, vs_codebook_pq_len(codebook));
    return good ? VS_OK : vs_codebook_bad_value(what, err);
}

enum vs_status vs_codebook_decode(const struct vs_env *env,
                                  struct vs_str bytes,
                                  const char *what,
                                  struct vs_codebook *codebook_out,
                                  struct vs_error *err)
{
    struct vs_codebook codebook = {0};
    const uint8_t *blob = (const uint8_t *)bytes.ptr;
    uint8_t digest[VS_SHA256_SIZE];
    uint32_t crc = 0;
    if (bytes.len < VS_CODEBOOK_HEADER) {
        return vs_fail(err, VS_CORRUPT, "%s: not a codebook (%zu bytes)", what, bytes.len);
    }
    VS_TRY(vs_codebook_parse_header(blob, bytes.len, what, &codebook, &crc, err));
    if (crc != vs_crc32c(0, blob + VS_CODEBOOK_HEADER, bytes.len - VS_CODEBOOK_HEADER)) {
        return vs_fail(err, VS_CORRUPT, "%s: the checksum is wrong", what);
    }
    enum vs_status status = vs_codebook_init(&codebook, env, err);
    if (status == VS_OK) {
        status = load_body(&codebook, blob + VS_CODEBOOK_HEADER, what, err);
    }
    if (status == VS_OK) {
        status = vs_codebook_derive(&codebook, err);
    }
    if (status == VS_OK) { // encoding would give these bytes again
        status = vs_sha256(blob, bytes.len, digest, err);
    }
    if (status == VS_OK) {
        vs_hex_format(digest, sizeof digest, codebook.model_id);
    }
    if (status == VS_OK) {
        *codebook_out = codebook;
    } else {
        vs_codebook_clear(&codebook);
    }
    return status;
}
