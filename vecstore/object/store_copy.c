// SPDX-License-Identifier: Apache-2.0
// Copies within a store that has no such operation of its own: by reading and writing.
#include "vecstore/object/store_internal.h"

#define CHUNK ((size_t)1 << 20)

static enum vs_status copy_chunks(struct vs_file *file,
                                  struct vs_writer *writer,
                                  void *chunk,
                                  struct vs_error *err)
{
    for (uint64_t at = 0; at < file->size; at += CHUNK) {
        size_t n = file->size - at < CHUNK ? (size_t)(file->size - at) : CHUNK;
        VS_TRY(vs_file_read(file, at, n, chunk, err));
        VS_TRY(vs_writer_write(writer, chunk, n, err));
    }
    return vs_writer_finish(writer, VS_PUT_ANY, err);
}

enum vs_status vs_store_copy(struct vs_store *store,
                             const char *from,
                             const char *to,
                             struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_writer *writer = NULL;
    VS_TRY(vs_key_validate(from, err));
    VS_TRY(vs_key_validate(to, err));
    if (store->vtable->copy != NULL) {
        return store->vtable->copy(store, from, to, err); // counts its own requests
    }
    VS_TRY(vs_file_open(store, from, &file, err));
    enum vs_status status = vs_writer_open(store, to, &writer, err);
    if (status == VS_OK) {
        void *chunk = vs_alloc(store->env, CHUNK);
        status = chunk == NULL ? vs_fail(err, VS_NO_MEMORY, "out of memory copying %s", from)
                               : copy_chunks(file, writer, chunk, err);
        vs_free(store->env, chunk);
        vs_writer_free(writer);
    }
    vs_file_close(file);
    return status;
}
