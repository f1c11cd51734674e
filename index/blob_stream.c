// SPDX-License-Identifier: Apache-2.0
#include "index/blob_stream.h"

#include <string.h>

#define CHUNK_BYTES (1u << 20)

enum vs_status vs_blob_stream_open(struct vs_blob_stream *stream,
                                   const struct vs_env *env,
                                   struct vs_file *file,
                                   uint64_t offset,
                                   uint64_t length,
                                   struct vs_error *err)
{
    *stream =
        (struct vs_blob_stream){.env = env, .file = file, .at = offset, .end = offset + length};
    stream->capacity = length < CHUNK_BYTES ? (size_t)length + 1 : CHUNK_BYTES;
    stream->bytes = vs_alloc(env, stream->capacity);
    return stream->bytes != NULL
               ? VS_OK
               : vs_fail(err, VS_NO_MEMORY, "%s: out of memory for its blobs", file->name);
}

static enum vs_status make_room(struct vs_blob_stream *stream, size_t n, struct vs_error *err)
{
    size_t left = stream->have - stream->used;
    if (left > 0) {
        memmove(stream->bytes, stream->bytes + stream->used, left);
    }
    stream->used = 0;
    stream->have = left;
    if (n <= stream->capacity) {
        return VS_OK;
    }
    uint8_t *bytes = vs_realloc(stream->env, stream->bytes, n);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for %zu bytes", stream->file->name, n);
    }
    stream->bytes = bytes;
    stream->capacity = n;
    return VS_OK;
}

enum vs_status vs_blob_stream_take(struct vs_blob_stream *stream,
                                   size_t n,
                                   const uint8_t **bytes_out,
                                   struct vs_error *err)
{
    if (stream->have - stream->used < n) {
        uint64_t left = stream->end - stream->at;
        if (n - (stream->have - stream->used) > left) {
            return vs_fail(err, VS_CORRUPT, "%s: a blob ends before its directory says",
                           stream->file->name);
        }
        VS_TRY(make_room(stream, n, err));
        size_t room = stream->capacity - stream->have, more = left < room ? (size_t)left : room;
        VS_TRY(vs_file_read(stream->file, stream->at, more, stream->bytes + stream->have, err));
        stream->at += more;
        stream->have += more;
    }
    *bytes_out = stream->bytes + stream->used;
    stream->used += n;
    return VS_OK;
}

void vs_blob_stream_clear(struct vs_blob_stream *stream)
{
    if (stream->env != NULL) {
        vs_free(stream->env, stream->bytes);
    }
    *stream = (struct vs_blob_stream){.env = stream->env};
}
