// SPDX-License-Identifier: Apache-2.0
// Rows of single slots, from memory or from the file, and several segments at once.
#include "index/loader_internal.h"
#include "vecstore/base/pool.h"

#include <stdlib.h>
#include <string.h>

#define SIDE_BY_SIDE ((size_t)16) // segments that are read at once

static enum vs_status no_memory(const struct vs_list_loader *loader, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: out of memory to read lists",
                   loader->options.file->name);
}

// ---- rows ----

// The list whose own slot it is.
static uint32_t list_of_slot(const struct vs_list_loader *loader, uint32_t slot)
{
    const struct vs_list_record *records = loader->options.lists->records;
    uint32_t low = 0, high = loader->list_count; // the last list that starts at or before slot
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (records[middle].first_slot > slot) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low - 1; // empty lists in front of it start there too, and come earlier
}

static void copy_from_memory(const struct vs_list_loader *loader,
                             const uint32_t *slots,
                             size_t count,
                             int8_t *rows_out,
                             struct vs_row_fact *facts_out)
{
    const struct vs_lists *lists = loader->options.lists;
    for (size_t i = 0; i < count; i++) {
        facts_out[i] = lists->facts[slots[i]];
        if (!loader->options.rows_in_file) {
            memcpy(rows_out + i * lists->stride, lists->rows + slots[i] * lists->stride,
                   lists->stride);
        }
    }
}

static void copy_rows(const struct vs_list_loader *loader,
                      const struct vs_piece *pieces,
                      const struct vs_loader_bytes *bytes,
                      size_t piece_count,
                      const uint32_t *slots,
                      size_t count,
                      int8_t *rows_out)
{
    size_t stride = loader->options.lists->stride;
    for (size_t i = 0; i < count; i++) {
        uint64_t at = loader->rows_at + (uint64_t)slots[i] * stride;
        size_t low = 0, high = piece_count; // the last piece that starts at or before the row
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (pieces[middle].offset > at) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        memcpy(rows_out + i * stride, bytes->at[low - 1] + (at - pieces[low - 1].offset), stride);
    }
}

static int by_list(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// The lists of these slots, each once, ascending.
static size_t lists_of(const struct vs_list_loader *loader,
                       const uint32_t *slots,
                       size_t count,
                       uint32_t *lists)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        lists[i] = list_of_slot(loader, slots[i]);
    }
    qsort(lists, count, sizeof *lists, by_list);
    for (size_t i = 0; i < count; i++) {
        if (n == 0 || lists[n - 1] != lists[i]) {
            lists[n++] = lists[i];
        }
    }
    return n;
}

// Rows that stay in the file: lists met for the first time are read whole and checked, of the
// others the rows alone.
static enum vs_status read_from_file(struct vs_list_loader *loader,
                                     const uint32_t *slots,
                                     size_t count,
                                     struct vs_piece *pieces,
                                     int8_t *rows_out,
                                     struct vs_error *err)
{
    size_t stride = loader->options.lists->stride, piece_count = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t list = list_of_slot(loader, slots[i]);
        if (!vs_loader_is_there(loader, VS_PIECE_ROWS, list)) {
            pieces[piece_count] = vs_loader_piece(loader, VS_PIECE_ROWS, list);
        } else {
            pieces[piece_count] =
                (struct vs_piece){.offset = loader->rows_at + (uint64_t)slots[i] * stride,
                                  .len = stride,
                                  .list = UINT32_MAX,
                                  .kind = VS_PIECE_ROWS};
        }
        piece_count++;
    }
    struct vs_loader_bytes bytes = {NULL, NULL};
    VS_TRY(vs_loader_read(loader, pieces, piece_count, VS_LOADER_ROW_GAP, false, &bytes, err));
    enum vs_status status = VS_OK;
    for (size_t i = 0; i < piece_count && status == VS_OK; i++) {
        bool again = i > 0 && pieces[i - 1].offset == pieces[i].offset &&
                     pieces[i - 1].list == pieces[i].list; // a single row can stand there, too
        if (pieces[i].list != UINT32_MAX && !again) {
            status = vs_loader_check_crc(loader, &pieces[i], bytes.at[i], err);
        }
        if (status == VS_OK && pieces[i].list != UINT32_MAX) {
            atomic_store_explicit(&loader->states[VS_PIECE_ROWS][pieces[i].list], VS_PIECE_THERE,
                                  memory_order_release);
        }
    }
    if (status == VS_OK) {
        copy_rows(loader, pieces, &bytes, piece_count, slots, count, rows_out);
    }
    vs_loader_bytes_clear(loader->env, &bytes);
    return status;
}

// Facts of the slots' lists, and their rows where they are kept in memory.
static enum vs_status bring_rows(struct vs_list_loader *loader,
                                 const uint32_t *slots,
                                 size_t count,
                                 const struct vs_op *op,
                                 struct vs_error *err)
{
    VS_TRY(vs_op_check(loader->env, op, err));
    uint32_t *lists = vs_alloc_zeroed(loader->env, count + 1, sizeof *lists);
    struct vs_piece *pieces = vs_alloc_zeroed(loader->env, 2 * count + 1, sizeof *pieces);
    if (lists == NULL || pieces == NULL) {
        vs_free(loader->env, lists);
        vs_free(loader->env, pieces);
        return no_memory(loader, err);
    }
    size_t list_count = lists_of(loader, slots, count, lists), missing = 0;
    for (size_t i = 0; i < list_count; i++) {
        vs_loader_add_missing(loader, VS_PIECE_FACTS, lists[i], pieces, &missing);
        if (!loader->options.rows_in_file) {
            vs_loader_add_missing(loader, VS_PIECE_ROWS, lists[i], pieces, &missing);
        }
    }
    enum vs_status status = vs_loader_bring(loader, pieces, missing, false, op, err);
    vs_free(loader->env, lists);
    vs_free(loader->env, pieces);
    return status;
}

enum vs_status vs_list_loader_rows(struct vs_list_loader *loader,
                                   const uint32_t *slots,
                                   size_t count,
                                   const struct vs_op *op,
                                   int8_t *rows_out,
                                   struct vs_row_fact *facts_out,
                                   struct vs_error *err)
{
    VS_TRY(bring_rows(loader, slots, count, op, err));
    if (loader->options.rows_in_file && count > 0) {
        struct vs_piece *pieces = vs_alloc_zeroed(loader->env, count, sizeof *pieces);
        enum vs_status status = pieces == NULL
                                    ? no_memory(loader, err)
                                    : read_from_file(loader, slots, count, pieces, rows_out, err);
        vs_free(loader->env, pieces);
        VS_TRY(status);
    }
    copy_from_memory(loader, slots, count, rows_out, facts_out);
    return VS_OK;
}

// ---- several at once ----

struct wanted {
    const struct vs_list_want *wants;
    const struct vs_op *op;
};

static enum vs_status bring_want(void *ctx, size_t task, struct vs_error *err)
{
    const struct wanted *wanted = ctx;
    const struct vs_list_want *want = &wanted->wants[task];
    if (want->list_count > 0) {
        VS_TRY(vs_list_loader_need(want->loader, want->lists, want->list_count, want->near_count,
                                   wanted->op, err));
    }
    return want->slot_count > 0
               ? bring_rows(want->loader, want->slots, want->slot_count, wanted->op, err)
               : VS_OK;
}

enum vs_status vs_list_loaders_bring(const struct vs_list_want *wants,
                                     size_t count,
                                     const struct vs_op *op,
                                     struct vs_error *err)
{
    struct wanted wanted = {wants, op};
    if (count == 0) {
        return VS_OK;
    }
    return vs_pool_run(wants[0].loader->env, count < SIDE_BY_SIDE ? count : SIDE_BY_SIDE, count,
                       bring_want, &wanted, err);
}

const struct vs_env *vs_list_loader_env(const struct vs_list_loader *loader)
{
    return loader->env;
}
