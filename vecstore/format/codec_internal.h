// SPDX-License-Identifier: Apache-2.0
/*
 * What the codecs of one library each (codec_zlib.c, codec_zstd.c, codec_brotli.c) and the choice
 * between them (codec.c) share; included by these only. The functions of a library do what
 * vs_codec_compress, vs_codec_decompress and vs_codec_decompress_stream promise for its codecs.
 */
#ifndef VS_FORMAT_CODEC_INTERNAL_H
#define VS_FORMAT_CODEC_INTERNAL_H

#include "vecstore/format/codec.h"

enum vs_status vs_codec_corrupt(enum vs_codec codec, const char *reason, struct vs_error *err);
enum vs_status vs_codec_no_memory(enum vs_codec codec, struct vs_error *err);
// The environment as the context of callbacks, which is not const there.
void *vs_codec_opaque(const struct vs_env *env);
// A callback that frees through the environment.
void vs_codec_free(void *env, void *ptr);
// Room for the next step, as much as the limit allows; LIMIT when there is none.
enum vs_status vs_codec_grow(struct vs_buf *out, size_t *room_out, struct vs_error *err);

enum vs_status vs_zlib_compress(enum vs_codec codec,
                                int level,
                                const void *bytes,
                                size_t n,
                                struct vs_buf *out,
                                struct vs_error *err);
enum vs_status vs_zlib_decompress(const struct vs_env *env,
                                  enum vs_codec codec,
                                  const void *bytes,
                                  size_t n,
                                  void *dst,
                                  size_t dst_len,
                                  struct vs_error *err);
enum vs_status vs_zlib_stream(
    enum vs_codec codec, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err);

enum vs_status vs_zstd_compress(
    int level, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err);
enum vs_status vs_zstd_decompress(
    const void *bytes, size_t n, void *dst, size_t dst_len, struct vs_error *err);
enum vs_status vs_zstd_stream(const void *bytes,
                              size_t n,
                              struct vs_buf *out,
                              struct vs_error *err);

enum vs_status vs_brotli_compress(
    int level, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err);
enum vs_status vs_brotli_decompress(const struct vs_env *env,
                                    const void *bytes,
                                    size_t n,
                                    void *dst,
                                    size_t dst_len,
                                    struct vs_error *err);
enum vs_status vs_brotli_stream(const void *bytes,
                                size_t n,
                                struct vs_buf *out,
                                struct vs_error *err);

#endif
