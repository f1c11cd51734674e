// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/io.h"

#include "vecstore/base/checked.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <string.h>

#define COPY_BYTES ((size_t)1 << 20)

struct bytes_file {
    struct vs_file base;
    const struct vs_env *env;
    struct vs_str bytes;
    char name[]; // NUL-terminated
};

enum vs_status vs_file_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    if (!vs_range_fits(offset, len, file->size)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s ends at byte %" PRIu64 ", but %zu bytes at byte %" PRIu64
                       " were asked for",
                       file->name, file->size, len, offset);
    }
    return len == 0 ? VS_OK : file->vtable->read(file, offset, len, dst, err);
}

enum vs_status vs_file_read_many(struct vs_file *file,
                                 const struct vs_range *ranges,
                                 size_t count,
                                 struct vs_error *err)
{
    for (size_t i = 0; i < count && file->vtable->read_many != NULL; i++) {
        if (ranges[i].offset > file->size || ranges[i].len > file->size - ranges[i].offset) {
            // the plain read knows how to say it
            return vs_file_read(file, ranges[i].offset, ranges[i].len, ranges[i].dst, err);
        }
    }
    if (file->vtable->read_many != NULL) {
        return file->vtable->read_many(file, ranges, count, err);
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_file_read(file, ranges[i].offset, ranges[i].len, ranges[i].dst, err));
    }
    return VS_OK;
}

void vs_file_close(struct vs_file *file)
{
    if (file != NULL) {
        file->vtable->close(file);
    }
}

bool vs_file_forget(struct vs_file *file, uint64_t offset, uint64_t len)
{
    if (file->vtable->forget == NULL || len == 0 || !vs_range_fits(offset, len, file->size)) {
        return false;
    }
    file->vtable->forget(file, offset, len);
    return true;
}

enum vs_status vs_file_read_again(struct vs_file *file,
                                  const struct vs_range *range,
                                  uint32_t crc,
                                  bool *right_out,
                                  struct vs_error *err)
{
    bool right = false;
    for (int attempt = 0; attempt < 2 && file->vtable->forget != NULL && !right; attempt++) {
        if (attempt > 0 && !vs_file_forget(file, range->offset, range->len)) {
            break;
        }
        VS_TRY(vs_file_read(file, range->offset, range->len, range->dst, err));
        right = vs_crc32c(0, range->dst, range->len) == crc;
    }
    *right_out = right;
    return VS_OK;
}

static enum vs_status bytes_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    (void)err;
    const struct bytes_file *self = (const struct bytes_file *)file;
    memcpy(dst, self->bytes.ptr + offset, len);
    return VS_OK;
}

static void bytes_close(struct vs_file *file)
{
    struct bytes_file *self = (struct bytes_file *)file;
    vs_free(self->env, self);
}

static const struct vs_file_vtable bytes_vtable = {.read = bytes_read, .close = bytes_close};

enum vs_status vs_file_open_bytes(const struct vs_env *env,
                                  struct vs_str bytes,
                                  const char *name,
                                  struct vs_file **file_out,
                                  struct vs_error *err)
{
    size_t name_size = strlen(name) + 1;
    struct bytes_file *file = (struct bytes_file *)vs_alloc(env, sizeof *file + name_size);
    if (file == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening %s", name);
    }
    memcpy(file->name, name, name_size);
    file->base = (struct vs_file){&bytes_vtable, bytes.len, file->name};
    file->env = env;
    file->bytes = bytes;
    *file_out = &file->base;
    return VS_OK;
}

enum vs_status vs_writer_write(struct vs_writer *writer,
                               const void *bytes,
                               size_t n,
                               struct vs_error *err)
{
    if (n == 0) {
        return VS_OK;
    }
    VS_TRY(writer->vtable->write(writer, bytes, n, err));
    writer->written += n;
    return VS_OK;
}

// By reading and writing.
static enum vs_status copy_chunks(const struct vs_env *env,
                                  struct vs_writer *writer,
                                  struct vs_file *file,
                                  uint64_t offset,
                                  uint64_t len,
                                  uint32_t *crc,
                                  struct vs_error *err)
{
    enum vs_status status = VS_OK;
    void *chunk = vs_alloc(env, len < COPY_BYTES ? (size_t)len : COPY_BYTES);
    if (chunk == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory copying from %s", file->name);
    }
    for (uint64_t at = 0; at < len && status == VS_OK; at += COPY_BYTES) {
        size_t n = len - at < COPY_BYTES ? (size_t)(len - at) : COPY_BYTES;
        status = vs_file_read(file, offset + at, n, chunk, err);
        if (status == VS_OK) {
            *crc = vs_crc32c(*crc, chunk, n);
            status = vs_writer_write(writer, chunk, n, err);
        }
    }
    vs_free(env, chunk);
    return status;
}

enum vs_status vs_writer_copy(const struct vs_env *env,
                              struct vs_writer *writer,
                              struct vs_file *file,
                              uint64_t offset,
                              uint64_t len,
                              struct vs_copied *copied,
                              struct vs_error *err)
{
    uint64_t moved = 0;
    struct vs_copied ignored = {0};
    copied = copied != NULL ? copied : &ignored;
    if (offset > file->size || len > file->size - offset) {
        return vs_fail(err, VS_CORRUPT,
                       "%s ends at byte %" PRIu64 ", but %" PRIu64 " bytes at byte %" PRIu64
                       " were asked for",
                       file->name, file->size, len, offset);
    }
    if (len > 0 && writer->vtable->copy != NULL) {
        VS_TRY(writer->vtable->copy(writer, file, offset, len, &moved, err));
        writer->written += moved;
        copied->all_read = copied->all_read && moved == 0;
    }
    return moved == len
               ? VS_OK
               : copy_chunks(env, writer, file, offset + moved, len - moved, &copied->crc, err);
}

enum vs_status vs_writer_finish(struct vs_writer *writer,
                                enum vs_put_mode mode,
                                struct vs_error *err)
{
    return writer->vtable->finish(writer, mode, err);
}

void vs_writer_free(struct vs_writer *writer)
{
    if (writer != NULL) {
        writer->vtable->free(writer);
    }
}
