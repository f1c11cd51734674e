// SPDX-License-Identifier: Apache-2.0
// Block compression: the only includer of zstd, zlib, lz4, snappy and brotli.
#include "vecstore/format/codec.h"

#include "vecstore/base/bytes.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <limits.h>
#include <lz4.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#define STREAM_STEP 65536 // growth where the size is not known

static enum vs_status corrupt(enum vs_codec codec, const char *reason, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "a %s block is damaged: %s", vs_codec_name(codec), reason);
}

static enum vs_status no_memory(enum vs_codec codec, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for %s", vs_codec_name(codec));
}

// zlib and brotli allocate through the environment; zstd's and lz4's block functions allocate
// little and only their own contexts.
static void *env_zalloc(void *env, uInt count, uInt size)
{
    return vs_alloc_zeroed((const struct vs_env *)env, count, size);
}

static void env_zfree(void *env, void *ptr)
{
    vs_free((const struct vs_env *)env, ptr);
}

static void *env_alloc(void *env, size_t size)
{
    return vs_alloc((const struct vs_env *)env, size);
}

static void *env_opaque(const struct vs_env *env)
{
    union {
        const struct vs_env *in;
        void *out;
    } cast = {.in = env}; // the libraries' callback context is not const

    return cast.out;
}

// ---- compress ----

static enum vs_status compress_zlib(enum vs_codec codec,
                                    int level,
                                    const void *bytes,
                                    size_t n,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    z_stream z = {.zalloc = env_zalloc, .zfree = env_zfree, .opaque = env_opaque(out->env)};
    if (n > UINT_MAX / 2) {
        return vs_fail(err, VS_LIMIT, "a block of %zu bytes is too large for %s", n,
                       vs_codec_name(codec));
    }
    int window = codec == VS_CODEC_GZIP ? 15 + 16 : -15;
    int rc = deflateInit2(&z, level > 0 ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED, window, 8,
                          Z_DEFAULT_STRATEGY);
    if (rc != Z_OK) {
        return rc == Z_STREAM_ERROR
                   ? vs_fail(err, VS_INVALID, "%s has no level %d", vs_codec_name(codec), level)
                   : no_memory(codec, err);
    }
    size_t bound = deflateBound(&z, n);
    enum vs_status status = vs_buf_reserve(out, bound, err);
    if (status == VS_OK) {
        Bytef dummy = 0;
        memcpy(&z.next_in, n > 0 ? (const void *)&bytes : (const void *)&(const Bytef *){&dummy},
               sizeof z.next_in);
        z.avail_in = (uInt)n;
        z.next_out = out->data + out->len;
        z.avail_out = (uInt)bound;
        rc = deflate(&z, Z_FINISH);
        if (rc == Z_STREAM_END) {
            out->len += z.total_out;
        } else {
            status = vs_fail(err, VS_INTERNAL, "%s did not finish a block", vs_codec_name(codec));
        }
    }
    deflateEnd(&z);
    return status;
}

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

static enum vs_status compress_zstd(
    int level, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err)
{
    size_t bound = ZSTD_compressBound(n);
    VS_TRY(vs_buf_reserve(out, bound, err));
    size_t len = ZSTD_compress(out->data + out->len, bound, bytes, n, level != 0 ? level : 1);
    if (ZSTD_isError(len)) {
        return vs_fail(err, VS_NO_MEMORY, "zstd did not compress a block of %zu bytes: %s", n,
                       ZSTD_getErrorName(len));
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

static enum vs_status compress_brotli(
    int level, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err)
{
    size_t len = BrotliEncoderMaxCompressedSize(n);
    if (len == 0) {
        return vs_fail(err, VS_LIMIT, "a block of %zu bytes is too large for brotli", n);
    }
    VS_TRY(vs_buf_reserve(out, len, err));
    if (!BrotliEncoderCompress(level > 0 ? level : 5, BROTLI_DEFAULT_WINDOW, BROTLI_DEFAULT_MODE, n,
                               (const uint8_t *)bytes, &len, out->data + out->len)) {
        return no_memory(VS_CODEC_BROTLI, err);
    }
    out->len += len;
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
        return compress_zlib(codec, level, bytes, n, out, err);
    case VS_CODEC_ZSTD:
        return compress_zstd(level, bytes, n, out, err);
    case VS_CODEC_LZ4_RAW:
        return compress_lz4(bytes, n, out, err);
    case VS_CODEC_BROTLI:
        return compress_brotli(level, bytes, n, out, err);
    }
    return vs_fail(err, VS_INTERNAL, "unknown codec %d", (int)codec);
}

// ---- compress in parts ----

#define MIN_BLOCK 1024 // a block of its own costs some hundred bytes

struct vs_codec_zstd {
    const struct vs_env *env;
    ZSTD_CCtx *context;
};

enum vs_status vs_codec_zstd_open(const struct vs_env *env,
                                  int level,
                                  struct vs_codec_zstd **zstd_out,
                                  struct vs_error *err)
{
    struct vs_codec_zstd *zstd = vs_alloc_zeroed(env, 1, sizeof *zstd);
    if (zstd == NULL) {
        return no_memory(VS_CODEC_ZSTD, err);
    }
    zstd->env = env;
    zstd->context = ZSTD_createCCtx();
    if (zstd->context == NULL) {
        vs_free(env, zstd);
        return no_memory(VS_CODEC_ZSTD, err);
    }
    size_t rc = ZSTD_CCtx_setParameter(zstd->context, ZSTD_c_compressionLevel, level);
    if (ZSTD_isError(rc)) {
        vs_codec_zstd_close(zstd);
        return vs_fail(err, VS_INVALID, "zstd has no level %d", level);
    }
    *zstd_out = zstd;
    return VS_OK;
}

void vs_codec_zstd_close(struct vs_codec_zstd *zstd)
{
    if (zstd != NULL) {
        ZSTD_freeCCtx(zstd->context);
        vs_free(zstd->env, zstd);
    }
}

static enum vs_status zstd_fail(size_t rc, size_t n, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "zstd did not compress a block of %zu bytes: %s", n,
                   ZSTD_getErrorName(rc));
}

enum vs_status vs_codec_zstd_compress(struct vs_codec_zstd *zstd,
                                      const struct vs_str *parts,
                                      size_t part_count,
                                      struct vs_buf *out,
                                      struct vs_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < part_count; i++) {
        total += parts[i].len;
    }
    size_t bound = ZSTD_compressBound(total) + 32 * part_count;
    VS_TRY(vs_buf_reserve(out, bound, err));
    ZSTD_outBuffer to = {out->data + out->len, bound, 0};
    ZSTD_CCtx_reset(zstd->context, ZSTD_reset_session_only);
    size_t rc = ZSTD_CCtx_setPledgedSrcSize(zstd->context, total);
    for (size_t i = 0; i < part_count && !ZSTD_isError(rc); i++) {
        ZSTD_inBuffer in = {parts[i].ptr, parts[i].len, 0};
        bool last = i + 1 == part_count;
        ZSTD_EndDirective how = parts[i].len >= MIN_BLOCK ? ZSTD_e_flush : ZSTD_e_continue;
        do {
            rc = ZSTD_compressStream2(zstd->context, &to, &in, last ? ZSTD_e_end : how);
        } while (!ZSTD_isError(rc) && to.pos < to.size &&
                 (in.pos < in.size || (rc > 0 && (last || how == ZSTD_e_flush))));
    }
    if (!ZSTD_isError(rc) && to.pos == to.size) {
        return vs_fail(err, VS_INTERNAL, "zstd outgrew its bound for %zu bytes", total);
    }
    if (ZSTD_isError(rc)) {
        return zstd_fail(rc, total, err);
    }
    out->len += to.pos;
    return VS_OK;
}

// ---- decompress to a known size ----

// Inflates one or more members into [dst, dst + dst_len); *len_out is what came out.
static enum vs_status inflate_exact(const struct vs_env *env,
                                    enum vs_codec codec,
                                    const void *bytes,
                                    size_t n,
                                    void *dst,
                                    size_t dst_len,
                                    struct vs_error *err)
{
    z_stream z = {.zalloc = env_zalloc, .zfree = env_zfree, .opaque = env_opaque(env)};
    if (n > UINT_MAX || dst_len > UINT_MAX) {
        return vs_fail(err, VS_LIMIT, "a %s block of %zu bytes is too large", vs_codec_name(codec),
                       n > dst_len ? n : dst_len);
    }
    // 15 + 32: gzip or zlib header, whichever is there.
    if (inflateInit2(&z, codec == VS_CODEC_GZIP ? 15 + 32 : -15) != Z_OK) {
        return no_memory(codec, err);
    }
    uint8_t spare = 0;
    memcpy(&z.next_in, &bytes, sizeof z.next_in);
    z.avail_in = (uInt)n;
    z.next_out = dst_len > 0 ? (Bytef *)dst : &spare;
    z.avail_out = (uInt)dst_len;
    enum vs_status status = VS_OK;
    int rc = inflate(&z, Z_FINISH);
    while (rc == Z_STREAM_END && z.avail_in > 0 && codec == VS_CODEC_GZIP &&
           inflateReset(&z) == Z_OK) {
        rc = inflate(&z, Z_FINISH); // the next member
    }
    if (rc == Z_MEM_ERROR) {
        status = no_memory(codec, err);
    } else if (rc != Z_STREAM_END) {
        status =
            corrupt(codec, z.msg != NULL ? z.msg : "it ends early or is longer than stated", err);
    } else if (z.avail_out != 0) {
        status = corrupt(codec, "it is shorter than stated", err);
    }
    inflateEnd(&z);
    return status;
}

static enum vs_status decompress_snappy(
    const void *bytes, size_t n, void *dst, size_t dst_len, struct vs_error *err)
{
    size_t len = 0;
    if (snappy_uncompressed_length((const char *)bytes, n, &len) != SNAPPY_OK || len != dst_len) {
        return corrupt(VS_CODEC_SNAPPY, "its length is not the one stated", err);
    }
    char spare = 0;
    if (snappy_uncompress((const char *)bytes, n, dst_len > 0 ? (char *)dst : &spare, &len) !=
        SNAPPY_OK) {
        return corrupt(VS_CODEC_SNAPPY, "a copy points outside of the block", err);
    }
    return VS_OK;
}

static enum vs_status decompress_zstd(
    const void *bytes, size_t n, void *dst, size_t dst_len, struct vs_error *err)
{
    size_t len = ZSTD_decompress(dst, dst_len, bytes, n);
    if (ZSTD_isError(len)) {
        return corrupt(VS_CODEC_ZSTD, ZSTD_getErrorName(len), err);
    }
    return len == dst_len ? VS_OK : corrupt(VS_CODEC_ZSTD, "it is shorter than stated", err);
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
               : corrupt(VS_CODEC_LZ4_RAW, "it does not give the length stated", err);
}

static enum vs_status brotli_error(const BrotliDecoderState *state, struct vs_error *err)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state);
    bool is_memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                     code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
    return is_memory ? no_memory(VS_CODEC_BROTLI, err)
                     : corrupt(VS_CODEC_BROTLI, BrotliDecoderErrorString(code), err);
}

static enum vs_status decompress_brotli(const struct vs_env *env,
                                        const void *bytes,
                                        size_t n,
                                        void *dst,
                                        size_t dst_len,
                                        struct vs_error *err)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(env_alloc, env_zfree, env_opaque(env));
    if (state == NULL) {
        return no_memory(VS_CODEC_BROTLI, err);
    }
    uint8_t spare = 0;
    const uint8_t *in = (const uint8_t *)bytes;
    uint8_t *out = dst_len > 0 ? (uint8_t *)dst : &spare;
    size_t in_left = n, out_left = dst_len;
    BrotliDecoderResult rc =
        BrotliDecoderDecompressStream(state, &in_left, &in, &out_left, &out, NULL);
    enum vs_status status = VS_OK;
    if (rc == BROTLI_DECODER_RESULT_ERROR) {
        status = brotli_error(state, err);
    } else if (rc != BROTLI_DECODER_RESULT_SUCCESS || out_left != 0) {
        status = corrupt(VS_CODEC_BROTLI, "it does not give the length stated", err);
    }
    BrotliDecoderDestroyInstance(state);
    return status;
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
            return corrupt(codec, "it does not have the length stated", err);
        }
        if (n > 0) {
            memcpy(dst, bytes, n);
        }
        return VS_OK;
    case VS_CODEC_SNAPPY:
        return decompress_snappy(bytes, n, dst, dst_len, err);
    case VS_CODEC_GZIP:
    case VS_CODEC_DEFLATE_RAW:
        return inflate_exact(env, codec, bytes, n, dst, dst_len, err);
    case VS_CODEC_ZSTD:
        return decompress_zstd(bytes, n, dst, dst_len, err);
    case VS_CODEC_LZ4_RAW:
        return decompress_lz4(bytes, n, dst, dst_len, err);
    case VS_CODEC_BROTLI:
        return decompress_brotli(env, bytes, n, dst, dst_len, err);
    }
    return vs_fail(err, VS_INTERNAL, "unknown codec %d", (int)codec);
}

// ---- decompress to an unknown size ----

// Room for the next step, as much as the limit allows; LIMIT when there is none.
static enum vs_status grow(struct vs_buf *out, size_t *room_out, struct vs_error *err)
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

static enum vs_status inflate_loop(z_stream *z,
                                   enum vs_codec codec,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    for (;;) {
        size_t room = 0;
        VS_TRY(grow(out, &room, err));
        z->next_out = out->data + out->len;
        z->avail_out = (uInt)room;
        int rc = inflate(z, Z_NO_FLUSH);
        out->len += room - z->avail_out;
        if (rc == Z_STREAM_END) {
            if (z->avail_in == 0 || codec != VS_CODEC_GZIP) {
                // Python's Avro writers cut zlib's Adler-32 off only in part: up to 4 bytes remain
                uInt spare = codec == VS_CODEC_DEFLATE_RAW ? 4 : 0;
                return z->avail_in <= spare ? VS_OK : corrupt(codec, "bytes follow its end", err);
            }
            if (inflateReset(z) != Z_OK) {
                return corrupt(codec, "its next member cannot be read", err);
            }
        } else if (rc == Z_MEM_ERROR) {
            return no_memory(codec, err);
        } else if (rc != Z_OK || (z->avail_in == 0 && z->avail_out > 0)) {
            return corrupt(codec, z->msg != NULL ? z->msg : "it ends early", err);
        }
    }
}

static enum vs_status stream_zlib(
    enum vs_codec codec, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err)
{
    z_stream z = {.zalloc = env_zalloc, .zfree = env_zfree, .opaque = env_opaque(out->env)};
    if (n > UINT_MAX) {
        return vs_fail(err, VS_LIMIT, "a %s block of %zu bytes is too large", vs_codec_name(codec),
                       n);
    }
    if (inflateInit2(&z, codec == VS_CODEC_GZIP ? 15 + 32 : -15) != Z_OK) {
        return no_memory(codec, err);
    }
    memcpy(&z.next_in, &bytes, sizeof z.next_in);
    z.avail_in = (uInt)n;
    enum vs_status status = inflate_loop(&z, codec, out, err);
    inflateEnd(&z);
    return status;
}

static enum vs_status zstd_loop(ZSTD_DCtx *context,
                                ZSTD_inBuffer *in,
                                struct vs_buf *out,
                                struct vs_error *err)
{
    for (;;) {
        size_t room = 0;
        VS_TRY(grow(out, &room, err));
        ZSTD_outBuffer to = {out->data + out->len, room, 0};
        size_t rc = ZSTD_decompressStream(context, &to, in);
        out->len += to.pos;
        if (ZSTD_isError(rc)) {
            return corrupt(VS_CODEC_ZSTD, ZSTD_getErrorName(rc), err);
        }
        if (rc == 0 && in->pos == in->size) {
            return VS_OK;
        }
        if (rc != 0 && in->pos == in->size && to.pos < to.size) {
            return corrupt(VS_CODEC_ZSTD, "it ends early", err);
        }
    }
}

static enum vs_status stream_zstd(const void *bytes,
                                  size_t n,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) {
        return no_memory(VS_CODEC_ZSTD, err);
    }
    ZSTD_inBuffer in = {bytes, n, 0};
    enum vs_status status =
        n == 0 ? corrupt(VS_CODEC_ZSTD, "it is empty", err) : zstd_loop(context, &in, out, err);
    ZSTD_freeDCtx(context);
    return status;
}

static enum vs_status stream_brotli(const void *bytes,
                                    size_t n,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    BrotliDecoderState *state =
        BrotliDecoderCreateInstance(env_alloc, env_zfree, env_opaque(out->env));
    if (state == NULL) {
        return no_memory(VS_CODEC_BROTLI, err);
    }
    const uint8_t *in = (const uint8_t *)bytes;
    size_t in_left = n;
    enum vs_status status = VS_OK;
    BrotliDecoderResult rc = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    while (status == VS_OK && rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        size_t room = 0;
        status = grow(out, &room, err);
        if (status == VS_OK) {
            uint8_t *to = out->data + out->len;
            size_t left = room;
            rc = BrotliDecoderDecompressStream(state, &in_left, &in, &left, &to, NULL);
            out->len += room - left;
        }
    }
    if (status == VS_OK && rc == BROTLI_DECODER_RESULT_ERROR) {
        status = brotli_error(state, err);
    } else if (status == VS_OK && (rc != BROTLI_DECODER_RESULT_SUCCESS || in_left > 0)) {
        status = corrupt(VS_CODEC_BROTLI, "it ends early or bytes follow its end", err);
    }
    BrotliDecoderDestroyInstance(state);
    return status;
}

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
                       : corrupt(VS_CODEC_LZ4_RAW, "its sequences do not fit together", err);
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
        return corrupt(VS_CODEC_SNAPPY, "its stated length is wrong", err);
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
        status = stream_zlib(codec, bytes, n, out, err);
        break;
    case VS_CODEC_ZSTD:
        status = stream_zstd(bytes, n, out, err);
        break;
    case VS_CODEC_LZ4_RAW:
        status = stream_lz4(bytes, n, out, err);
        break;
    case VS_CODEC_BROTLI:
        status = stream_brotli(bytes, n, out, err);
        break;
    }
    if (status != VS_OK) {
        out->len = before;
    }
    return status;
}

uint32_t vs_crc32_zlib(uint32_t crc, const void *bytes, size_t n)
{
    return n > 0 ? (uint32_t)crc32_z(crc, (const Bytef *)bytes, n) : crc;
}

const char *vs_codec_name(enum vs_codec codec)
{
    static const char *const names[] = {"uncompressed", "snappy", "gzip",  "deflate",
                                        "zstd",         "lz4",    "brotli"};
    return (unsigned)codec < sizeof names / sizeof names[0] ? names[codec] : "unknown codec";
}
