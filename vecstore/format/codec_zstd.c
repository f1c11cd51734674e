// SPDX-License-Identifier: Apache-2.0
// zstd: its only includer. Its functions allocate little and only their own contexts.
#include "vecstore/format/codec_internal.h"

#include <zstd.h>

enum vs_status vs_zstd_compress(
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
        return vs_codec_no_memory(VS_CODEC_ZSTD, err);
    }
    zstd->env = env;
    zstd->context = ZSTD_createCCtx();
    if (zstd->context == NULL) {
        vs_free(env, zstd);
        return vs_codec_no_memory(VS_CODEC_ZSTD, err);
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

enum vs_status vs_zstd_decompress(
    const void *bytes, size_t n, void *dst, size_t dst_len, struct vs_error *err)
{
    size_t len = ZSTD_decompress(dst, dst_len, bytes, n);
    if (ZSTD_isError(len)) {
        return vs_codec_corrupt(VS_CODEC_ZSTD, ZSTD_getErrorName(len), err);
    }
    return len == dst_len ? VS_OK
                          : vs_codec_corrupt(VS_CODEC_ZSTD, "it is shorter than stated", err);
}

static enum vs_status zstd_loop(ZSTD_DCtx *context,
                                ZSTD_inBuffer *in,
                                struct vs_buf *out,
                                struct vs_error *err)
{
    for (;;) {
        size_t room = 0;
        VS_TRY(vs_codec_grow(out, &room, err));
        ZSTD_outBuffer to = {out->data + out->len, room, 0};
        size_t rc = ZSTD_decompressStream(context, &to, in);
        out->len += to.pos;
        if (ZSTD_isError(rc)) {
            return vs_codec_corrupt(VS_CODEC_ZSTD, ZSTD_getErrorName(rc), err);
        }
        if (rc == 0 && in->pos == in->size) {
            return VS_OK;
        }
        if (rc != 0 && in->pos == in->size && to.pos < to.size) {
            return vs_codec_corrupt(VS_CODEC_ZSTD, "it ends early", err);
        }
    }
}

enum vs_status vs_zstd_stream(const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) {
        return vs_codec_no_memory(VS_CODEC_ZSTD, err);
    }
    ZSTD_inBuffer in = {bytes, n, 0};
    enum vs_status status = n == 0 ? vs_codec_corrupt(VS_CODEC_ZSTD, "it is empty", err)
                                   : zstd_loop(context, &in, out, err);
    ZSTD_freeDCtx(context);
    return status;
}
