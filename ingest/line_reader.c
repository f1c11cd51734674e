// SPDX-License-Identifier: Apache-2.0
#include "ingest/line_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define READ_STEP ((size_t)1024 * 1024)
#define KEEP_MAX ((size_t)256 * 1024 * 1024)

void vs_line_reader_init(struct vs_line_reader *reader,
                         const struct vs_env *env,
                         struct vs_file *file,
                         const char *name)
{
    *reader = (struct vs_line_reader){.file = file, .name = name};
    vs_buf_init(&reader->bytes, env, KEEP_MAX);
}

void vs_line_reader_clear(struct vs_line_reader *reader)
{
    vs_buf_clear(&reader->bytes);
}

void vs_line_reader_rewind(struct vs_line_reader *reader)
{
    reader->next = 0;
    reader->line = 0;
    reader->keep = false;
}

static enum vs_status read_stdin(const struct vs_line_reader *reader,
                                 uint8_t *dst,
                                 size_t n,
                                 size_t *got_out,
                                 struct vs_error *err)
{
    for (;;) {
        ssize_t got = read(STDIN_FILENO, dst, n);
        if (got >= 0) {
            *got_out = (size_t)got;
            return VS_OK;
        }
        if (errno != EINTR) {
            return vs_fail_errno(err, errno, "cannot read %s", reader->name);
        }
    }
}

static enum vs_status fill(struct vs_line_reader *reader, struct vs_error *err)
{
    struct vs_buf *bytes = &reader->bytes;
    if (!reader->keep && bytes->data != NULL && reader->next > 0) {
        memmove(bytes->data, bytes->data + reader->next, bytes->len - reader->next);
        bytes->len -= reader->next;
        reader->next = 0;
    }
    size_t got = READ_STEP;
    if (reader->file != NULL) {
        uint64_t left = reader->file->size - reader->offset;
        got = left < READ_STEP ? (size_t)left : READ_STEP;
    }
    if (got > 0) {
        VS_TRY(vs_buf_reserve(bytes, got, err));
        uint8_t *dst = bytes->data + bytes->len;
        VS_TRY(reader->file != NULL ? vs_file_read(reader->file, reader->offset, got, dst, err)
                                    : read_stdin(reader, dst, got, &got, err));
    }
    bytes->len += got;
    reader->offset += got;
    reader->at_end = got == 0;
    return VS_OK;
}

enum vs_status vs_line_reader_next(struct vs_line_reader *reader,
                                   struct vs_str *line_out,
                                   bool *has_line_out,
                                   struct vs_error *err)
{
    size_t searched = 0; // bytes of the line that hold no end
    for (;;) {
        size_t held = reader->bytes.len - reader->next;
        const uint8_t *start = held == 0 ? NULL : reader->bytes.data + reader->next;
        const uint8_t *end = start != NULL && held > searched
                                 ? memchr(start + searched, '\n', held - searched)
                                 : NULL;
        size_t len = end != NULL ? (size_t)(end - start) : held;
        if (len > VS_LINE_MAX_BYTES) {
            return vs_fail(err, VS_LIMIT,
                           "%s: line %" PRIu64 " is longer than %zu MiB; is it JSON lines, one "
                           "object a line?",
                           reader->name, reader->line + 1, VS_LINE_MAX_BYTES / 1024 / 1024);
        }
        if (end != NULL || (reader->at_end && held > 0)) {
            reader->next += len + (end != NULL ? 1 : 0);
            reader->line++;
            len -= start != NULL && len > 0 && start[len - 1] == '\r' ? 1 : 0;
            *line_out = (struct vs_str){(const char *)start, len};
            *has_line_out = true;
            return VS_OK;
        }
        if (reader->at_end) {
            *has_line_out = false;
            return VS_OK;
        }
        searched = held;
        VS_TRY(fill(reader, err));
    }
}
