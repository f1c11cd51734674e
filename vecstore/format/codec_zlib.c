// SPDX-License-Identifier: Apache-2.0
// gzip and raw deflate: the only includer of zlib. It allocates through the environment.
#include "vecstore/format/codec_internal.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

static void *env_zalloc(void *env, uInt count, uInt size)
{
    return vs_alloc_zeroed((const struct vs_env *)env, count, size);
}

enum vs_status vs_zlib_compress(enum vs_codec codec,
                                int level,
                                const void *bytes,
                                size_t n,
                                struct vs_buf *out,
                                struct vs_error *err)
{
    z_stream z = {
        .zalloc = env_zalloc, .zfree = vs_codec_free, .opaque = vs_codec_opaque(out->env)};
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
                   : vs_codec_no_memory(codec, err);
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

// Inflates one or more members into [dst, dst + dst_len); *len_out is what came out.
enum vs_status vs_zlib_decompress(const struct vs_env *env,
                                  enum vs_codec codec,
                                  const void *bytes,
                                  size_t n,
                                  void *dst,
                                  size_t dst_len,
                                  struct vs_error *err)
{
    z_stream z = {.zalloc = env_zalloc, .zfree = vs_codec_free, .opaque = vs_codec_opaque(env)};
    if (n > UINT_MAX || dst_len > UINT_MAX) {
        return vs_fail(err, VS_LIMIT, "a %s block of %zu bytes is too large", vs_codec_name(codec),
                       n > dst_len ? n : dst_len);
    }
    // 15 + 32: gzip or zlib header, whichever is there.
    if (inflateInit2(&z, codec == VS_CODEC_GZIP ? 15 + 32 : -15) != Z_OK) {
        return vs_codec_no_memory(codec, err);
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
        status = vs_codec_no_memory(codec, err);
    } else if (rc != Z_STREAM_END) {
        status = vs_codec_corrupt(
            codec, z.msg != NULL ? z.msg : "it ends early or is longer than stated", err);
    } else if (z.avail_out != 0) {
        status = vs_codec_corrupt(codec, "it is shorter than stated", err);
    }
    inflateEnd(&z);
    return status;
}

static enum vs_status inflate_loop(z_stream *z,
                                   enum vs_codec codec,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    for (;;) {
        size_t room = 0;
        VS_TRY(vs_codec_grow(out, &room, err));
        z->next_out = out->data + out->len;
        z->avail_out = (uInt)room;
        int rc = inflate(z, Z_NO_FLUSH);
        out->len += room - z->avail_out;
        if (rc == Z_STREAM_END) {
            if (z->avail_in == 0 || codec != VS_CODEC_GZIP) {
                // Python's Avro writers cut zlib's Adler-32 off only in part: up to 4 bytes remain
                uInt spare = codec == VS_CODEC_DEFLATE_RAW ? 4 : 0;
                return z->avail_in <= spare ? VS_OK
                                            : vs_codec_corrupt(codec, "bytes follow its end", err);
            }
            if (inflateReset(z) != Z_OK) {
                return vs_codec_corrupt(codec, "its next member cannot be read", err);
            }
        } else if (rc == Z_MEM_ERROR) {
            return vs_codec_no_memory(codec, err);
        } else if (rc != Z_OK || (z->avail_in == 0 && z->avail_out > 0)) {
            return vs_codec_corrupt(codec, z->msg != NULL ? z->msg : "it ends early", err);
        }
    }
}

enum vs_status vs_zlib_stream(
    enum vs_codec codec, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err)
{
    z_stream z = {
        .zalloc = env_zalloc, .zfree = vs_codec_free, .opaque = vs_codec_opaque(out->env)};
    if (n > UINT_MAX) {
        return vs_fail(err, VS_LIMIT, "a %s block of %zu bytes is too large", vs_codec_name(codec),
                       n);
    }
    if (inflateInit2(&z, codec == VS_CODEC_GZIP ? 15 + 32 : -15) != Z_OK) {
        return vs_codec_no_memory(codec, err);
    }
    memcpy(&z.next_in, &bytes, sizeof z.next_in);
    z.avail_in = (uInt)n;
    enum vs_status status = inflate_loop(&z, codec, out, err);
    inflateEnd(&z);
    return status;
}

uint32_t vs_crc32_zlib(uint32_t crc, const void *bytes, size_t n)
{
    return n > 0 ? (uint32_t)crc32_z(crc, (const Bytef *)bytes, n) : crc;
}
