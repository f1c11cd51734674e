// SPDX-License-Identifier: Apache-2.0
#include "index/index_ahead.h"

#include "vecstore/base/checked.h"

#include <inttypes.h>
#include <string.h>

#define CUT_BYTES ((uint64_t)1 << 20) // long parts travel as several requests

static const struct vs_ahead_part *find(const struct vs_ahead *ahead, uint64_t offset, uint64_t len)
{
    for (size_t i = 0; i < ahead->count; i++) {
        const struct vs_ahead_part *part = &ahead->parts[i];
        if (offset >= part->offset && vs_range_fits(offset - part->offset, len, part->len)) {
            return part;
        }
    }
    return NULL;
}

static enum vs_status ahead_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct vs_ahead *ahead = (const struct vs_ahead *)file;
    const struct vs_ahead_part *part = find(ahead, offset, len);
    if (part == NULL) {
        return vs_file_read(ahead->file, offset, len, dst, err);
    }
    memcpy(dst, part->bytes + (offset - part->offset), len);
    return VS_OK;
}

static enum vs_status ahead_read_many(struct vs_file *file,
                                      const struct vs_range *ranges,
                                      size_t count,
                                      struct vs_error *err)
{
    const struct vs_ahead *ahead = (const struct vs_ahead *)file;
    bool here = true;
    for (size_t i = 0; i < count; i++) {
        here = here && find(ahead, ranges[i].offset, ranges[i].len) != NULL;
    }
    if (!here) {
        return vs_file_read_many(ahead->file, ranges, count, err);
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(ahead_read(file, ranges[i].offset, ranges[i].len, ranges[i].dst, err));
    }
    return VS_OK;
}

static void ahead_close(struct vs_file *file)
{
    (void)file; // a view inside its owner
}

static const struct vs_file_vtable ahead_vtable = {
    .read = ahead_read, .read_many = ahead_read_many, .close = ahead_close};

void vs_ahead_init(struct vs_ahead *ahead, const struct vs_env *env, struct vs_file *file)
{
    *ahead = (struct vs_ahead){
        .base = {&ahead_vtable, file->size, file->name}, .env = env, .file = file};
}

// Room for the part; the caller counts it.
static enum vs_status make_part(struct vs_ahead *ahead,
                                uint64_t offset,
                                uint64_t len,
                                struct vs_error *err)
{
    if (ahead->count == ahead->capacity) {
        size_t capacity = ahead->capacity * 2 + 8;
        struct vs_ahead_part *parts =
            vs_realloc(ahead->env, ahead->parts, capacity * sizeof *parts);
        if (parts == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", ahead->base.name);
        }
        ahead->parts = parts;
        ahead->capacity = capacity;
    }
    uint8_t *bytes = vs_alloc_aligned(ahead->env, (size_t)len + 64);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory to read %" PRIu64 " bytes",
                       ahead->base.name, len);
    }
    ahead->parts[ahead->count] = (struct vs_ahead_part){offset, len, bytes};
    return VS_OK;
}

static enum vs_status read_parts(struct vs_ahead *ahead, size_t first, struct vs_error *err)
{
    size_t range_count = 0, at = 0;
    for (size_t i = first; i < ahead->count; i++) {
        range_count += (size_t)((ahead->parts[i].len + CUT_BYTES - 1) / CUT_BYTES);
    }
    struct vs_range *ranges = vs_alloc_zeroed(ahead->env, range_count + 1, sizeof *ranges);
    if (ranges == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", ahead->base.name);
    }
    for (size_t i = first; i < ahead->count; i++) {
        const struct vs_ahead_part *part = &ahead->parts[i];
        for (uint64_t done = 0; done < part->len; done += CUT_BYTES) {
            uint64_t n = part->len - done < CUT_BYTES ? part->len - done : CUT_BYTES;
            ranges[at++] = (struct vs_range){part->offset + done, (size_t)n, part->bytes + done};
        }
    }
    enum vs_status status = vs_file_read_many(ahead->file, ranges, range_count, err);
    vs_free(ahead->env, ranges);
    return status;
}

enum vs_status vs_ahead_read(struct vs_ahead *ahead,
                             const struct vs_ahead_part *parts,
                             size_t count,
                             struct vs_error *err)
{
    size_t first = ahead->count;
    enum vs_status status = VS_OK;
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        if (parts[i].len > 0 && vs_range_fits(parts[i].offset, parts[i].len, ahead->base.size) &&
            find(ahead, parts[i].offset, parts[i].len) == NULL) {
            status = make_part(ahead, parts[i].offset, parts[i].len, err);
            ahead->count += status == VS_OK;
        }
    }
    if (status == VS_OK && ahead->count > first) {
        status = read_parts(ahead, first, err);
    }
    while (status != VS_OK && ahead->count > first) { // half read is not there
        vs_free_aligned(ahead->env, ahead->parts[--ahead->count].bytes);
    }
    return status;
}

void vs_ahead_clear(struct vs_ahead *ahead)
{
    for (size_t i = 0; i < ahead->count; i++) {
        vs_free_aligned(ahead->env, ahead->parts[i].bytes);
    }
    vs_free(ahead->env, ahead->parts);
    ahead->parts = NULL;
    ahead->count = ahead->capacity = 0;
}
