// SPDX-License-Identifier: Apache-2.0
/*
 * A part of a file read front to back in large pieces. Private to index/.
 *
 * Ownership: the stream owns its buffer and borrows the file. Threads: single owner.
 */
#ifndef VS_INDEX_BLOB_STREAM_H
#define VS_INDEX_BLOB_STREAM_H

#include "vecstore/base/io.h"

struct vs_blob_stream {
    const struct vs_env *env;
    struct vs_file *file;
    uint64_t at, end; // not yet read
    uint8_t *bytes;
    size_t capacity, used, have;
};

enum vs_status vs_blob_stream_open(struct vs_blob_stream *stream,
                                   const struct vs_env *env,
                                   struct vs_file *file,
                                   uint64_t offset,
                                   uint64_t length,
                                   struct vs_error *err);
// The next n bytes, valid until the next call.
enum vs_status vs_blob_stream_take(struct vs_blob_stream *stream,
                                   size_t n,
                                   const uint8_t **bytes_out,
                                   struct vs_error *err);
void vs_blob_stream_clear(struct vs_blob_stream *stream); // accepts a zeroed stream

#endif
