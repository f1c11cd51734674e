// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_page.h"

#define DELTA_STEP 256 // values decoded at once on the stack

size_t vs_pq_type_width(int32_t type, int32_t type_length)
{
    switch (type) {
    case VS_PQ_BOOLEAN:
        return 1;
    case VS_PQ_INT32:
    case VS_PQ_FLOAT:
        return 4;
    case VS_PQ_INT64:
    case VS_PQ_DOUBLE:
        return 8;
    case VS_PQ_INT96:
        return 12;
    case VS_PQ_FIXED:
        return type_length > 0 ? (size_t)type_length : 0;
    default:
        return 0;
    }
}

void vs_pq_values_init(struct vs_pq_values *values, const struct vs_env *env)
{
    *values = (struct vs_pq_values){0};
    vs_buf_init(&values->previous, env, INT32_MAX);
}

void vs_pq_values_clear(struct vs_pq_values *values)
{
    vs_buf_clear(&values->previous);
}

static enum vs_status unsupported(int32_t type, int32_t encoding, struct vs_error *err)
{
    return vs_fail(err, VS_UNSUPPORTED, "encoding %s (%d) of %s values cannot be read",
                   vs_pq_encoding_name(encoding), (int)encoding, vs_pq_type_name(type));
}

static enum vs_status ends_early(struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "a page ends before its last value");
}

static enum vs_status start_codes(struct vs_pq_values *v, struct vs_error *err)
{
    if (v->next == v->end) { // a page of nulls alone may have no bytes at all
        vs_hybrid_init(&v->codes, v->next, 0, 0);
        return VS_OK;
    }
    unsigned width = *v->next++;
    if (width > 32) {
        return vs_fail(err, VS_CORRUPT, "dictionary codes have a width of %u bits, more than 32",
                       width);
    }
    vs_hybrid_init(&v->codes, v->next, (size_t)(v->end - v->next), width);
    return VS_OK;
}

// Booleans as RLE: a length of 4 bytes, then the hybrid.
static enum vs_status start_rle(struct vs_pq_values *v, struct vs_error *err)
{
    size_t n = (size_t)(v->end - v->next);
    if (n == 0) {
        vs_hybrid_init(&v->codes, v->next, 0, 1);
        return VS_OK;
    }
    if (n < 4 || vs_load_u32le(v->next) > n - 4) {
        return ends_early(err);
    }
    vs_hybrid_init(&v->codes, v->next + 4, vs_load_u32le(v->next), 1);
    return VS_OK;
}

static enum vs_status start_delta(struct vs_pq_values *v,
                                  struct vs_delta *delta,
                                  bool is_32,
                                  bool is_followed,
                                  struct vs_error *err)
{
    size_t n = (size_t)(v->end - v->next), used = 0;
    if (n == 0) {
        *delta = (struct vs_delta){0};
        vs_reader_init(&delta->in, v->next, 0, "a delta encoding");
        return VS_OK;
    }
    VS_TRY(vs_delta_init(delta, v->next, n, is_32, "a delta encoding", err));
    if (is_followed) {
        VS_TRY(vs_delta_size(delta, &used, err));
        v->next += used;
    }
    return VS_OK;
}

static enum vs_status start_split(struct vs_pq_values *v, struct vs_error *err)
{
    size_t n = (size_t)(v->end - v->next);
    if (v->width == 0 || n % v->width != 0) {
        return vs_fail(
            err, VS_CORRUPT,
            "a BYTE_STREAM_SPLIT page of %zu bytes does not hold whole values of %zu bytes", n,
            v->width);
    }
    v->split_count = n / v->width;
    v->split_at = 0;
    return VS_OK;
}

enum vs_status vs_pq_values_start(struct vs_pq_values *v,
                                  int32_t type,
                                  size_t width,
                                  int32_t encoding,
                                  struct vs_str bytes,
                                  struct vs_error *err)
{
    bool is_bytes = type == VS_PQ_BYTE_ARRAY, is_int = type == VS_PQ_INT32 || type == VS_PQ_INT64;
    v->type = type;
    v->width = width;
    v->encoding = encoding;
    v->next = (const uint8_t *)bytes.ptr;
    v->end = v->next + bytes.len;
    v->bit = 0;
    v->is_dictionary = false;
    vs_buf_reset(&v->previous);
    switch (encoding) {
    case VS_PQ_PLAIN:
        return VS_OK;
    case VS_PQ_PLAIN_DICTIONARY:
    case VS_PQ_RLE_DICTIONARY:
        v->is_dictionary = true;
        return type == VS_PQ_BOOLEAN ? unsupported(type, encoding, err) : start_codes(v, err);
    case VS_PQ_RLE:
        return type == VS_PQ_BOOLEAN ? start_rle(v, err) : unsupported(type, encoding, err);
    case VS_PQ_DELTA_BINARY_PACKED:
        return is_int ? start_delta(v, &v->delta, type == VS_PQ_INT32, false, err)
                      : unsupported(type, encoding, err);
    case VS_PQ_DELTA_LENGTH_BYTE_ARRAY:
        return is_bytes ? start_delta(v, &v->delta, true, true, err)
                        : unsupported(type, encoding, err);
    case VS_PQ_DELTA_BYTE_ARRAY:
        if (!is_bytes && type != VS_PQ_FIXED) {
            return unsupported(type, encoding, err);
        }
        VS_TRY(start_delta(v, &v->prefixes, true, true, err));
        return start_delta(v, &v->delta, true, true, err);
    case VS_PQ_BYTE_STREAM_SPLIT:
        return is_bytes || type == VS_PQ_BOOLEAN || type == VS_PQ_INT96
                   ? unsupported(type, encoding, err)
                   : start_split(v, err);
    default:
        return unsupported(type, encoding, err);
    }
}

static enum vs_status plain_booleans(struct vs_pq_values *v,
                                     uint8_t *out,
                                     size_t n,
                                     struct vs_error *err)
{
    uint64_t bits = (uint64_t)(v->end - v->next) * 8;
    if (n > bits - v->bit) {
        return ends_early(err);
    }
    for (size_t i = 0; i < n; i++, v->bit++) {
        out[i] = v->next[v->bit / 8] >> (v->bit % 8) & 1;
    }
    return VS_OK;
}

static enum vs_status plain_fixed(struct vs_pq_values *v, void *out, size_t n, struct vs_error *err)
{
    if (v->type == VS_PQ_BOOLEAN) {
        return plain_booleans(v, (uint8_t *)out, n, err);
    }
    if (v->width == 0 || n > (size_t)(v->end - v->next) / v->width) {
        return ends_early(err);
    }
    memcpy(out, v->next, n * v->width);
    v->next += n * v->width;
    return VS_OK;
}

static enum vs_status delta_fixed(struct vs_pq_values *v,
                                  uint8_t *out,
                                  size_t n,
                                  struct vs_error *err)
{
    int64_t step[DELTA_STEP];
    for (size_t done = 0; done < n;) {
        size_t take = n - done < DELTA_STEP ? n - done : DELTA_STEP;
        VS_TRY(vs_delta_read(&v->delta, step, take, err));
        if (v->width == 8) {
            memcpy(out + done * 8, step, take * 8);
        } else {
            for (size_t i = 0; i < take; i++) {
                vs_store_u32le(out + (done + i) * 4, (uint32_t)step[i]);
            }
        }
        done += take;
    }
    return VS_OK;
}

static enum vs_status split_fixed(struct vs_pq_values *v,
                                  uint8_t *out,
                                  size_t n,
                                  struct vs_error *err)
{
    size_t stride = v->split_count;
    if (n > stride - v->split_at) {
        return ends_early(err);
    }
    const uint8_t *in = v->next + v->split_at;
    if (v->width == 4) {
        const uint8_t *b = in + stride, *c = in + 2 * stride, *d = in + 3 * stride;
        for (size_t i = 0; i < n; i++) {
            vs_store_u32le(out + 4 * i, (uint32_t)in[i] | (uint32_t)b[i] << 8 |
                                            (uint32_t)c[i] << 16 | (uint32_t)d[i] << 24);
        }
    } else {
        for (size_t k = 0; k < v->width; k++) {
            for (size_t i = 0; i < n; i++) {
                out[i * v->width + k] = in[k * stride + i];
            }
        }
    }
    v->split_at += n;
    return VS_OK;
}

static enum vs_status bytes_fixed(struct vs_pq_values *v,
                                  uint8_t *out,
                                  size_t n,
                                  struct vs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct vs_str bytes = {NULL, 0};
        VS_TRY(vs_pq_values_bytes(v, &bytes, err));
        if (bytes.len != v->width) {
            return vs_fail(err, VS_CORRUPT, "a fixed-length value has %zu bytes instead of %zu",
                           bytes.len, v->width);
        }
        memcpy(out + i * v->width, bytes.ptr, v->width);
    }
    return VS_OK;
}

enum vs_status vs_pq_values_fixed(struct vs_pq_values *v, void *out, size_t n, struct vs_error *err)
{
    if (n == 0) {
        return VS_OK;
    }
    switch (v->encoding) {
    case VS_PQ_PLAIN:
        return plain_fixed(v, out, n, err);
    case VS_PQ_RLE:
        return vs_hybrid_read_u8(&v->codes, (uint8_t *)out, n, err);
    case VS_PQ_DELTA_BINARY_PACKED:
        return delta_fixed(v, (uint8_t *)out, n, err);
    case VS_PQ_BYTE_STREAM_SPLIT:
        return split_fixed(v, (uint8_t *)out, n, err);
    case VS_PQ_DELTA_BYTE_ARRAY:
        return bytes_fixed(v, (uint8_t *)out, n, err);
    default:
        return unsupported(v->type, v->encoding, err);
    }
}

static enum vs_status take_bytes(struct vs_pq_values *v,
                                 int64_t len,
                                 struct vs_str *bytes_out,
                                 struct vs_error *err)
{
    if (len < 0 || len > v->end - v->next) {
        return vs_fail(err, VS_CORRUPT,
                       "a value of %lld bytes is longer than what is left of its page",
                       (long long)len);
    }
    *bytes_out = (struct vs_str){(const char *)v->next, (size_t)len};
    v->next += len;
    return VS_OK;
}

static enum vs_status plain_bytes(struct vs_pq_values *v,
                                  struct vs_str *bytes_out,
                                  struct vs_error *err)
{
    if (v->end - v->next < 4) {
        return ends_early(err);
    }
    int64_t len = vs_load_u32le(v->next);
    v->next += 4;
    return take_bytes(v, len, bytes_out, err);
}

static enum vs_status prefixed_bytes(struct vs_pq_values *v,
                                     struct vs_str *bytes_out,
                                     struct vs_error *err)
{
    int64_t prefix = 0, len = 0;
    struct vs_str suffix = {NULL, 0};
    VS_TRY(vs_delta_read(&v->prefixes, &prefix, 1, err));
    VS_TRY(vs_delta_read(&v->delta, &len, 1, err));
    VS_TRY(take_bytes(v, len, &suffix, err));
    if (prefix < 0 || (uint64_t)prefix > v->previous.len) {
        return vs_fail(err, VS_CORRUPT, "a value repeats more bytes than the value before it has");
    }
    v->previous.len = (size_t)prefix;
    VS_TRY(vs_buf_append(&v->previous, suffix.ptr, suffix.len, err));
    *bytes_out = vs_buf_view(&v->previous);
    return VS_OK;
}

enum vs_status vs_pq_values_bytes(struct vs_pq_values *v,
                                  struct vs_str *bytes_out,
                                  struct vs_error *err)
{
    int64_t len = 0;
    switch (v->encoding) {
    case VS_PQ_PLAIN:
        return plain_bytes(v, bytes_out, err);
    case VS_PQ_DELTA_LENGTH_BYTE_ARRAY:
        VS_TRY(vs_delta_read(&v->delta, &len, 1, err));
        return take_bytes(v, len, bytes_out, err);
    case VS_PQ_DELTA_BYTE_ARRAY:
        return prefixed_bytes(v, bytes_out, err);
    default:
        return unsupported(v->type, v->encoding, err);
    }
}

enum vs_status vs_pq_values_codes(struct vs_pq_values *v,
                                  uint32_t *out,
                                  size_t n,
                                  struct vs_error *err)
{
    return vs_hybrid_read_u32(&v->codes, out, n, err);
}

bool vs_pq_values_skip(struct vs_pq_values *v, size_t n)
{
    if (v->encoding == VS_PQ_PLAIN && v->width > 0 && v->type != VS_PQ_BOOLEAN &&
        n <= (size_t)(v->end - v->next) / v->width) {
        v->next += n * v->width;
        return true;
    }
    if (v->encoding == VS_PQ_BYTE_STREAM_SPLIT && n <= v->split_count - v->split_at) {
        v->split_at += n;
        return true;
    }
    return false;
}
