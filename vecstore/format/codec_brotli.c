// SPDX-License-Identifier: Apache-2.0
// Brotli: its only includer. It allocates through the environment.
#include "vecstore/format/codec_internal.h"

#include <brotli/decode.h>
#include <brotli/encode.h>

static void *env_alloc(void *env, size_t size)
{
    return vs_alloc((const struct vs_env *)env, size);
}

enum vs_status vs_brotli_compress(
    int level, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err)
{
    size_t len = BrotliEncoderMaxCompressedSize(n);
    if (len == 0) {
        return vs_fail(err, VS_LIMIT, "a block of %zu bytes is too large for brotli", n);
    }
    VS_TRY(vs_buf_reserve(out, len, err));
    if (!BrotliEncoderCompress(level > 0 ? level : 5, BROTLI_DEFAULT_WINDOW, BROTLI_DEFAULT_MODE, n,
                               (const uint8_t *)bytes, &len, out->data + out->len)) {
        return vs_codec_no_memory(VS_CODEC_BROTLI, err);
    }
    out->len += len;
    return VS_OK;
}

static enum vs_status brotli_error(const BrotliDecoderState *state, struct vs_error *err)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state);
    bool is_memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                     code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
    return is_memory ? vs_codec_no_memory(VS_CODEC_BROTLI, err)
                     : vs_codec_corrupt(VS_CODEC_BROTLI, BrotliDecoderErrorString(code), err);
}

enum vs_status vs_brotli_decompress(const struct vs_env *env,
                                    const void *bytes,
                                    size_t n,
                                    void *dst,
                                    size_t dst_len,
                                    struct vs_error *err)
{
    BrotliDecoderState *state =
        BrotliDecoderCreateInstance(env_alloc, vs_codec_free, vs_codec_opaque(env));
    if (state == NULL) {
        return vs_codec_no_memory(VS_CODEC_BROTLI, err);
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
        status = vs_codec_corrupt(VS_CODEC_BROTLI, "it does not give the length stated", err);
    }
    BrotliDecoderDestroyInstance(state);
    return status;
}

enum vs_status vs_brotli_stream(const void *bytes,
                                size_t n,
                                struct vs_buf *out,
                                struct vs_error *err)
{
    BrotliDecoderState *state =
        BrotliDecoderCreateInstance(env_alloc, vs_codec_free, vs_codec_opaque(out->env));
    if (state == NULL) {
        return vs_codec_no_memory(VS_CODEC_BROTLI, err);
    }
    const uint8_t *in = (const uint8_t *)bytes;
    size_t in_left = n;
    enum vs_status status = VS_OK;
    BrotliDecoderResult rc = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    while (status == VS_OK && rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        size_t room = 0;
        status = vs_codec_grow(out, &room, err);
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
        status = vs_codec_corrupt(VS_CODEC_BROTLI, "it ends early or bytes follow its end", err);
    }
    BrotliDecoderDestroyInstance(state);
    return status;
}
