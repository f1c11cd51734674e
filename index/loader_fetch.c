// SPDX-License-Identifier: Apache-2.0
// One round of range reads: which ranges share a request, and what comes back is what was written.
#include "index/loader_internal.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum vs_status no_memory(const struct vs_list_loader *loader,
                                uint64_t bytes,
                                struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: out of memory to read %" PRIu64 " bytes of lists",
                   loader->options.file->name, bytes);
}

static int by_offset(const void *a, const void *b)
{
    const struct vs_piece *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

// How many pieces from `first` on share one request, and its length.
static size_t share(
    const struct vs_piece *pieces, size_t first, size_t count, uint64_t gap, uint64_t *len_out)
{
    uint64_t start = pieces[first].offset, end = start + pieces[first].len;
    size_t n = 1;
    while (first + n < count) {
        const struct vs_piece *next = &pieces[first + n];
        uint64_t next_end = next->offset + next->len;
        // What lies within the range shares it, however long the range is.
        if (next_end > end && ((next->offset > end && next->offset - end > gap) ||
                               next_end - start > VS_LOADER_REQUEST)) {
            break;
        }
        end = next_end > end ? next_end : end;
        n++;
    }
    *len_out = end - start;
    return n;
}

void vs_loader_bytes_clear(const struct vs_env *env, struct vs_loader_bytes *bytes)
{
    vs_free_aligned(env, bytes->memory);
    vs_free(env, bytes->at);
    *bytes = (struct vs_loader_bytes){NULL, NULL};
}

enum vs_status vs_loader_read(struct vs_list_loader *loader,
                              struct vs_piece *pieces,
                              size_t count,
                              uint64_t gap,
                              bool background,
                              struct vs_loader_bytes *bytes_out,
                              struct vs_error *err)
{
    const struct vs_env *env = loader->env;
    qsort(pieces, count, sizeof *pieces, by_offset);
    uint64_t total = 0, len = 0;
    size_t range_count = 0;
    for (size_t i = 0; i < count; range_count++) {
        i += share(pieces, i, count, gap, &len);
        total += vs_align64(len);
    }
    struct vs_loader_bytes bytes = {vs_alloc_aligned(env, (size_t)total + 64),
                                    vs_alloc_zeroed(env, count + 1, sizeof *bytes.at)};
    struct vs_range *ranges = vs_alloc_zeroed(env, range_count + 1, sizeof *ranges);
    enum vs_status status = VS_OK;
    if (bytes.memory == NULL || bytes.at == NULL || ranges == NULL) {
        status = no_memory(loader, total, err);
    }
    uint8_t *to = bytes.memory;
    for (size_t i = 0, r = 0; status == VS_OK && i < count; r++) {
        size_t n = share(pieces, i, count, gap, &len);
        ranges[r] = (struct vs_range){pieces[i].offset, (size_t)len, to};
        for (size_t j = i; j < i + n; j++) {
            bytes.at[j] = to + (pieces[j].offset - pieces[i].offset);
        }
        to += vs_align64(len);
        i += n;
    }
    if (status == VS_OK) {
        status = vs_file_read_many(loader->options.file, ranges, range_count, err);
    }
    vs_free(env, ranges);
    if (status != VS_OK) {
        vs_loader_bytes_clear(env, &bytes);
        return status;
    }
    if (background) {
        atomic_fetch_add_explicit(&loader->background_bytes, total, memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&loader->ranges, range_count, memory_order_relaxed);
        atomic_fetch_add_explicit(&loader->rounds, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&loader->bytes, total, memory_order_relaxed);
    }
    *bytes_out = bytes;
    return VS_OK;
}

enum vs_status vs_loader_check_crc(const struct vs_list_loader *loader,
                                   const struct vs_piece *piece,
                                   uint8_t *bytes,
                                   struct vs_error *err)
{
    static const char *const names[VS_PIECE_KINDS] = {"codes", "row facts", "rows"};
    const struct vs_list_record *record = &loader->options.lists->records[piece->list];
    const uint32_t wanted[VS_PIECE_KINDS] = {record->list_crc, record->facts_crc, record->rows_crc};
    uint32_t crc = wanted[piece->kind];
    bool right = vs_crc32c(0, bytes, (size_t)piece->len) == crc;
    if (!right) {
        const struct vs_range range = {piece->offset, (size_t)piece->len, bytes};
        VS_TRY(vs_file_read_again(loader->options.file, &range, crc, &right, err));
    }
    if (!right) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: checksum of the %s of list %" PRIu32 " of column %" PRId32
                       " is wrong; rebuild the index",
                       loader->options.file->name, names[piece->kind], piece->list,
                       loader->options.field_id);
    }
    return VS_OK;
}

// The references of one list, which stand behind its codes.
enum vs_status vs_list_slots_check(const struct vs_lists *lists,
                                   uint32_t list,
                                   const uint8_t *section,
                                   const char *name,
                                   struct vs_error *err)
{
    const struct vs_list_record *record = &lists->records[list];
    uint32_t count = record->entry_count;
    const uint8_t *slots = section + (size_t)vs_list_blocks(count) * 16 * lists->codebook->m;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot;
        memcpy(&slot, slots + (size_t)i * 4, 4);
        bool is_own = i < record->slot_count; // scans number these without reading them
        if (slot >= lists->slot_count || (is_own && slot != record->first_slot + i)) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: entry %" PRIu32 " of list %" PRIu32 " refers to slot %" PRIu32
                           " of %" PRIu32,
                           name, i, list, slot, lists->slot_count);
        }
    }
    return VS_OK;
}

enum vs_status vs_row_facts_check(const struct vs_lists *lists,
                                  uint32_t list,
                                  const struct vs_row_fact *facts,
                                  const char *name,
                                  struct vs_error *err)
{
    const struct vs_list_record *record = &lists->records[list];
    for (uint32_t i = 0; i < record->slot_count; i++) {
        struct vs_row_fact fact;
        memcpy(&fact, (const uint8_t *)facts + (size_t)i * sizeof fact, sizeof fact);
        if (fact.row >= lists->row_count || !(fact.scale >= 0.0F && isfinite(fact.scale)) ||
            !(fact.norm >= 0.0F && isfinite(fact.norm))) {
            return vs_fail(err, VS_CORRUPT, "%s: facts of slot %" PRIu32 " are out of range", name,
                           record->first_slot + i);
        }
    }
    return VS_OK;
}

// The arrays of struct vs_lists are const for those who search; the loader fills them.
static void put_bytes(const void *place, const uint8_t *bytes, size_t n)
{
    union {
        const void *in;
        void *out;
    } to = {.in = place};

    memcpy(to.out, bytes, n);
}

static enum vs_status place(struct vs_list_loader *loader,
                            const struct vs_piece *piece,
                            uint8_t *bytes,
                            struct vs_error *err)
{
    const struct vs_lists *lists = loader->options.lists;
    const struct vs_list_record *record = &lists->records[piece->list];
    const char *name = loader->options.file->name;
    VS_TRY(vs_loader_check_crc(loader, piece, bytes, err));
    switch (piece->kind) {
    case VS_PIECE_CODES:
        VS_TRY(vs_list_slots_check(lists, piece->list, bytes, name, err));
        vs_list_layout_put(lists->layout, piece->list, record->entry_count, bytes);
        break;
    case VS_PIECE_FACTS:
        VS_TRY(vs_row_facts_check(lists, piece->list,
                                  (const struct vs_row_fact *)(const void *)bytes, name, err));
        put_bytes(lists->facts + record->first_slot, bytes, (size_t)piece->len);
        break;
    case VS_PIECE_ROWS:
        put_bytes(lists->rows + (size_t)record->first_slot * lists->stride, bytes,
                  (size_t)piece->len);
        break;
    }
    return VS_OK;
}

enum vs_status vs_loader_fetch(struct vs_list_loader *loader,
                               struct vs_piece *pieces,
                               size_t count,
                               bool background,
                               struct vs_error *err)
{
    struct vs_loader_bytes bytes = {NULL, NULL};
    VS_TRY(vs_loader_read(loader, pieces, count, VS_LOADER_GAP, background, &bytes, err));
    enum vs_status status = VS_OK;
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        status = place(loader, &pieces[i], bytes.at[i], err);
    }
    vs_loader_bytes_clear(loader->env, &bytes);
    return status;
}
