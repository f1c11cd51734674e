// SPDX-License-Identifier: Apache-2.0
// Choosing the library, and those of a few calls: the only includer of lz4 and snappy.
#include "vecstore/format/codec.h"

#include "vecstore/format/codec_internal.h"

#include <limits.h>
#include <lz4.h>
#include <snappy-c.h>
#include <string.h>

#define STREAM_STEP 65536 // growth where the size is not known

// ---- what the libraries share ----

enum vs_status vs_codec_corrupt(enum vs_codec codec, const char *reason, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "a %s block is damaged: %s", vs_codec_name(codec), reason);
}

enum vs_status vs_codec_no_memory(enum vs_codec codec, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for %s", vs_codec_name(codec));
}

void *vs_codec_opaque(const struct vs_env *env)
{
    union {
        const struct vs_env *in;
        void *out;
    } cast = {.in = env}; // the libraries' callback context is not const

    return cast.out;
}

void vs_codec_free(void *env, void *ptr)
{
    vs_free((const struct vs_env *)env, ptr);
}

// Room for the next step, as much as the limit allows; LIMIT when there is none.
enum vs_status vs_codec_grow(struct vs_buf *out, size_t *room_out, struct vs_error *err)
{
    size_t room = out->capacity - out->len;
    if (room == 0) {
        size_t step = out->len / 2 > STREAM_STEP ? out->len / 2 : STREAM_STEP;
        size_t allowed = out->limit - out->len;
        step = step < allowed ? step : allowed;
        VS_TRY(vs_buf_reserve(out, step > 0 ? step : 1, err));
        room = out->capacity - out->len;
    }
    size_t allowed = out->limit - out->len;
    room = room < allowed ? room : allowed;
    *room_out = room < UINT_MAX / 2 ? room : UINT_MAX / 2;
    return VS_OK;
}

// ---- compress ----

static enum vs_status compress_snappy(const void *bytes,
                                      size_t n,
                                      struct vs_buf *out,
                                      struct vs_error *err)
{
    size_t len = snappy_max_compressed_length(n);
    VS_TRY(vs_buf_reserve(out, len, err));
    if (snappy_compress((const char *)bytes, n, (char *)out->data + out->len, &len) != SNAPPY_OK) {
        return vs_fail(err, VS_INTERNAL, "snappy did not compress a block of %zu bytes", n);
    }
    out->len += len;
    return VS_OK;
}

static enum vs_status compress_lz4(const void *bytes,
                                   size_t n,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    if (n > LZ4_MAX_INPUT_SIZE) {
        return vs_fail(err, VS_LIMIT, "a block of %zu bytes is too large for lz4", n);
    }
    int bound = LZ4_compressBound((int)n);
    VS_TRY(vs_buf_reserve(out, (size_t)bound, err));
    int len =
        LZ4_compress_default((const char *)bytes, (char *)out->data + out->len, (int)n, bound);
    if (len <= 0) {
        return vs_fail(err, VS_INTERNAL, "lz4 did not compress a block of %zu bytes", n);
    }
    out->len += (size_t)len;
    return VS_OK;
}

enum vs_status vs_codec_compress(enum vs_codec codec,
                                 int level,
                                 const void *bytes,
                                 size_t n,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    switch (codec) {
    case VS_CODEC_NONE:
        return vs_buf_append(out, bytes, n, err);
    case VS_CODEC_SNAPPY:
        return compress_snappy(bytes, n, out, err);
    case VS_CODEC_GZIP:
    case VS_CODEC_DEFLATE_RAW:
        return vs_zlib_compress(codec, level, bytes, n, out, err);
    case VS_CODEC_ZSTD:
        return vs_zstd_compress(level, bytes, n, out, err);
    case VS_CODEC_LZ4_RAW:
        return compress_lz4(bytes, n, out, err);
    case VS_CODEC_BROTLI:
        return vs_brotli_compress(level, bytes, n, out, err);
    }
    return vs_fail(err, VS_INTERNAL, "unknown codec %d", (int)codec);
}

// ---- decompress to a known size ----

static enum vs_status decompress_snappy(
    const void *bytes, size_t n, void *dst, size_t dst_len, struct vs_error *err)
{
    size_t len = 0;
    if (snappy_uncompressed_length((const char *)bytes, n, &len) != SNAPPY_OK || len != dst_len) {
        return vs_codec_corrupt(VS_CODEC_SNAPPY, "its length is not the one stated", err);
    }
    char spare = 0;
    if (snappy_uncompress((const char *)bytes, n, dst_len > 0 ? (char *)dst : &spare, &len) !=
        SNAPPY_OK) {
        return vs_codec_corrupt(VS_CODEC_SNAPPY, "a copy points outside of the block", err);
    }
    return VS_OK;
}

static enum vs_status decompress_lz4(
    const void *bytes, size_t n, void *dst, size_t dst_len, struct vs_error *err)
{
    char spare = 0;
    if (n > INT_MAX || dst_len > INT_MAX) {
        return vs_fail(err, VS_LIMIT, "an lz4 block of %zu bytes is too large",
                       n > dst_len ? n : dst_len);
    }
    int len = LZ4_decompress_safe((const char *)bytes, dst_len > 0 ? (char *)dst : &spare, (int)n,
                                  (int)dst_len);
    return len >= 0 && (size_t)len == dst_len
               ? VS_OK
               : vs_codec_corrupt(VS_CODEC_LZ4_RAW, "it does not give the length stated", err);
}

enum vs_status vs_codec_decompress(const struct vs_env *env,
                                   enum vs_codec codec,
                                   const void *bytes,
                                   size_t n,
                                   void *dst,
                                   size_t dst_len,
                                   struct vs_error *err)
{
    switch (codec) {
    case VS_CODEC_NONE:
        if (n != dst_len) {
            return vs_codec_corrupt(codec, "it does not have the length stated", err);
        }
        if (n > 0) {
            memcpy(dst, bytes, n);
        }
        return VS_OK;
    case VS_CODEC_SNAPPY:
        return decompress_snappy(bytes, n, dst, dst_len, err);
    case VS_CODEC_GZIP:
    case VS_CODEC_DEFLATE_RAW:
        return vs_zlib_decompress(env, codec, bytes, n, dst, dst_len, err);
    case VS_CODEC_ZSTD:
        return vs_zstd_decompress(bytes, n, dst, dst_len, err);
    case VS_CODEC_LZ4_RAW:
        return decompress_lz4(bytes, n, dst, dst_len, err);
    case VS_CODEC_BROTLI:
        return vs_brotli_decompress(env, bytes, n, dst, dst_len, err);
    }
    return vs_fail(err, VS_INTERNAL, "unknown codec %d", (int)codec);
}

// ---- decompress to an unknown size ----

// A raw LZ4 block states no size: try growing sizes up to the format's ratio of 255.
static enum vs_status stream_lz4(const void *bytes,
                                 size_t n,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    if (n > INT_MAX / 256) {
        return vs_fail(err, VS_LIMIT, "an lz4 block of %zu bytes is too large", n);
    }
    for (size_t size = n * 4 + 64;; size *= 4) {
        size_t most = n * 255 + 64, allowed = out->limit - out->len;
        bool last = size >= most || size >= allowed;
        size = size < most ? size : most;
        size = size < allowed ? size : allowed;
        VS_TRY(vs_buf_reserve(out, size > 0 ? size : 1, err));
        int len = LZ4_decompress_safe((const char *)bytes, (char *)out->data + out->len, (int)n,
                                      (int)size);
        if (len >= 0) {
            out->len += (size_t)len;
            return VS_OK;
        }
        if (last) {
            return size == allowed && size < most
                       ? vs_fail(err, VS_LIMIT, "an lz4 block is damaged or larger than %zu bytes",
                                 allowed)
                       : vs_codec_corrupt(VS_CODEC_LZ4_RAW, "its sequences do not fit together",
                                          err);
        }
    }
}

static enum vs_status stream_snappy(const void *bytes,
                                    size_t n,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    size_t len = 0;
    // A copy of 3 bytes gives at most 64: a stated size beyond that ratio is not worth an
    // allocation.
    if (snappy_uncompressed_length((const char *)bytes, n, &len) != SNAPPY_OK || len / 32 > n) {
        return vs_codec_corrupt(VS_CODEC_SNAPPY, "its stated length is wrong", err);
    }
    VS_TRY(vs_buf_reserve(out, len > 0 ? len : 1, err));
    VS_TRY(decompress_snappy(bytes, n, out->data + out->len, len, err));
    out->len += len;
    return VS_OK;
}

enum vs_status vs_codec_decompress_stream(
    enum vs_codec codec, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err)
{
    size_t before = out->len;
    enum vs_status status = VS_INTERNAL;
    switch (codec) {
    case VS_CODEC_NONE:
        status = vs_buf_append(out, bytes, n, err);
        break;
    case VS_CODEC_SNAPPY:
        status = stream_snappy(bytes, n, out, err);
        break;
    case VS_CODEC_GZIP:
    case VS_CODEC_DEFLATE_RAW:
        status = vs_zlib_stream(codec, bytes, n, out, err);
        break;
    case VS_CODEC_ZSTD:
        status = vs_zstd_stream(bytes, n, out, err);
        break;
    case VS_CODEC_LZ4_RAW:
        status = stream_lz4(bytes, n, out, err);
        break;
    case VS_CODEC_BROTLI:
        status = vs_brotli_stream(bytes, n, out, err);
        break;
    }
    if (status != VS_OK) {
        out->len = before;
    }
    return status;
}

const char *vs_codec_name(enum vs_codec codec)
{
    static const char *const names[] = {"uncompressed", "snappy", "gzip",  "deflate",
                                        "zstd",         "lz4",    "brotli"};
    return (unsigned)codec < sizeof names / sizeof names[0] ? names[codec] : "unknown codec";
}
