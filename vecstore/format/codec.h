// SPDX-License-Identifier: Apache-2.0
/*
 * Block compression. codec.c is the only includer of zstd, zlib, lz4, snappy and brotli.
 */
#ifndef VS_FORMAT_CODEC_H
#define VS_FORMAT_CODEC_H

#include "vecstore/base/buf.h"

enum vs_codec {
    VS_CODEC_NONE,
    VS_CODEC_SNAPPY,
    VS_CODEC_GZIP,
    VS_CODEC_DEFLATE_RAW,
    VS_CODEC_ZSTD,
    VS_CODEC_LZ4_RAW,
    VS_CODEC_BROTLI
};

// Appends the compressed form (SNAPPY raw block, GZIP with header, ZSTD one frame with content
// size).
enum vs_status vs_codec_compress(enum vs_codec codec,
                                 int level,
                                 const void *bytes,
                                 size_t n,
                                 struct vs_buf *out,
                                 struct vs_error *err);
// Decompresses to exactly dst_len bytes (the size that the container states); anything else is
// VS_CORRUPT. Concatenated gzip members are read.
enum vs_status vs_codec_decompress(const struct vs_env *env,
                                   enum vs_codec codec,
                                   const void *bytes,
                                   size_t n,
                                   void *dst,
                                   size_t dst_len,
                                   struct vs_error *err);
// Where the container states no size (Avro): appends to out, whose limit bounds it.
enum vs_status vs_codec_decompress_stream(
    enum vs_codec codec, const void *bytes, size_t n, struct vs_buf *out, struct vs_error *err);
// A reusable zstd compressor (its context is large) that starts a new block at each part, so that
// parts of different nature (levels, the streams of BYTE_STREAM_SPLIT) get tables of their own: on
// float32 embeddings in 128 KiB pages that is 10-20 % smaller and twice as fast to read.
struct vs_codec_zstd;
enum vs_status vs_codec_zstd_open(const struct vs_env *env,
                                  int level,
                                  struct vs_codec_zstd **zstd_out,
                                  struct vs_error *err);
void vs_codec_zstd_close(struct vs_codec_zstd *zstd); // accepts NULL
// Appends one frame with content size.
enum vs_status vs_codec_zstd_compress(struct vs_codec_zstd *zstd,
                                      const struct vs_str *parts,
                                      size_t part_count,
                                      struct vs_buf *out,
                                      struct vs_error *err);
uint32_t vs_crc32_zlib(uint32_t crc,
                       const void *bytes,
                       size_t n); // CRC-32 (ISO-HDLC) as in Parquet pages and Avro snappy blocks
const char *vs_codec_name(enum vs_codec codec);

#endif
