// SPDX-License-Identifier: Apache-2.0
/*
 * Allowed rows of a segment into list order, once for all queries: bits of rows, then of slots
 * (facts say whose row a slot is), then a word of lanes for each 32 entries. A list's own slots
 * follow each other, so their lanes are a piece of the slots' bits; only entries of second
 * assignments are looked up one by one.
 */
#include "index/index_internal.h"

#include <math.h>
#include <string.h>

#define LEAST_GATHER 1000
#define USUAL_SCAN 20000.0 // entries that a query without a filter scans, about

// Up to so many allowed rows are scored one by one from their int8 rows: nothing is missed then,
// and it costs less than the lists would. Scanning reads m / 2 bytes an entry, and as many entries
// as hold USUAL_SCAN allowed ones, but never more than there are; a row is dim bytes from anywhere
// in memory, which come at 5/8 of the speed.
static uint64_t gather_limit(const struct vs_lists *lists)
{
    double entries = lists->entry_count,
           rows_per_entry = 0.3125 * lists->codebook->m / lists->codebook->dim;
    double all = entries * rows_per_entry, some = sqrt(USUAL_SCAN * entries * rows_per_entry);
    double limit = all < some ? all : some;
    return limit > LEAST_GATHER ? (uint64_t)limit : LEAST_GATHER;
}

static bool may_hold(const uint64_t *list_bits, uint32_t list)
{
    return list_bits == NULL || vs_bit_get(list_bits, list);
}

// Bits of slots first .. first + count - 1 whose rows are allowed.
static void mark_slots(const struct vs_index_mask *mask,
                       const struct vs_row_fact *facts,
                       size_t first,
                       size_t count,
                       uint64_t *slot_bits)
{
    size_t at = first, end = first + count;
    while (at < end) {
        size_t stop = (at / 64 + 1) * 64;
        stop = stop < end ? stop : end;
        uint64_t word = 0;
        for (size_t slot = at; slot < stop; slot++) {
            word |= (uint64_t)vs_bit_get(mask->rows, facts[slot].row) << (slot % 64);
        }
        slot_bits[at / 64] |= word;
        at = stop;
    }
}

// A list's own entries: bits [first, first + count) to lane words, 32 at a time.
static uint32_t put_own(const uint64_t *slot_bits, size_t first, uint32_t count, uint32_t *words)
{
    uint32_t allowed = 0;
    for (uint32_t at = 0; at < count; at += VS_BLOCK_LANES) {
        size_t from = first + at, shift = from % 64;
        uint64_t bits = slot_bits[from / 64] >> shift;
        if (shift > 64 - VS_BLOCK_LANES) {
            bits |= slot_bits[from / 64 + 1] << (64 - shift);
        }
        uint32_t left = count - at;
        uint32_t word = (uint32_t)bits & (left < 32 ? (UINT32_C(1) << left) - 1 : UINT32_MAX);
        words[at / VS_BLOCK_LANES] = word;
        allowed += (uint32_t)__builtin_popcount(word);
    }
    return allowed;
}

static uint32_t put_list(const struct vs_lists *lists,
                         const uint64_t *slot_bits,
                         uint32_t list,
                         uint32_t *words)
{
    const struct vs_list_record *record = &lists->records[list];
    const uint32_t *slots = vs_lists_slots(lists, list);
    uint32_t entries = record->entry_count, own = record->slot_count; // these come first
    uint32_t allowed = put_own(slot_bits, record->first_slot, own, words);
    for (uint32_t i = own; i < entries;) {
        uint32_t stop = (i / VS_BLOCK_LANES + 1) * VS_BLOCK_LANES, word = 0,
                 *out = &words[i / VS_BLOCK_LANES];
        for (stop = stop < entries ? stop : entries; i < stop; i++) {
            word |= (uint32_t)vs_bit_get(slot_bits, slots[i]) << (i % VS_BLOCK_LANES);
        }
        *out |= word;
        allowed += (uint32_t)__builtin_popcount(word);
    }
    return allowed;
}

static enum vs_status make_lanes(struct vs_index_mask *mask,
                                 const struct vs_index_part *part,
                                 const uint64_t *slot_bits,
                                 const uint64_t *list_bits,
                                 struct vs_error *err)
{
    const struct vs_lists *lists = &part->lists;
    uint32_t list_count = lists->codebook->list_count;
    const uint32_t *first_block = part->layout.first_block;
    mask->lane_words =
        vs_alloc_zeroed(mask->env, (size_t)first_block[list_count] + 1, sizeof(uint32_t));
    mask->list_allowed = vs_alloc_zeroed(mask->env, list_count, sizeof(uint32_t));
    if (mask->lane_words == NULL || mask->list_allowed == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    for (uint32_t list = 0; list < list_count; list++) {
        if (may_hold(list_bits, list)) {
            mask->list_allowed[list] =
                put_list(lists, slot_bits, list, mask->lane_words + first_block[list]);
        }
    }
    mask->memory_bytes += ((size_t)first_block[list_count] + list_count) * sizeof(uint32_t);
    return VS_OK;
}

static enum vs_status make_slots(struct vs_index_mask *mask,
                                 const struct vs_index_part *part,
                                 const uint64_t *slot_bits,
                                 struct vs_error *err)
{
    size_t room = (size_t)mask->allowed_count + 1, count = 0;
    mask->slots = vs_alloc_zeroed(mask->env, room, sizeof(uint32_t));
    if (mask->slots == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    for (size_t w = 0; w * 64 < part->lists.slot_count; w++) {
        for (uint64_t word = slot_bits[w]; word != 0 && count < room; word &= word - 1) {
            mask->slots[count++] = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(word));
        }
    }
    mask->allowed_count = count;
    mask->memory_bytes += room * sizeof(uint32_t);
    return VS_OK;
}

static uint64_t count_bits(const uint64_t *bits, size_t words)
{
    uint64_t count = 0;
    for (size_t w = 0; w < words; w++) {
        count += (uint64_t)__builtin_popcountll(bits[w]);
    }
    return count;
}

static enum vs_status fill_list_order(struct vs_index_mask *mask,
                                      const struct vs_index_part *part,
                                      const uint64_t *list_bits,
                                      struct vs_error *err)
{
    const struct vs_lists *lists = &part->lists;
    size_t words = (size_t)lists->slot_count / 64 + 2;
    uint64_t *slot_bits = vs_alloc_zeroed(mask->env, words, sizeof *slot_bits);
    if (slot_bits == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    if (list_bits == NULL) {
        mark_slots(mask, lists->facts, 0, lists->slot_count, slot_bits);
    }
    for (uint32_t list = 0; list_bits != NULL && list < lists->codebook->list_count; list++) {
        if (may_hold(list_bits, list)) {
            mark_slots(mask, lists->facts, lists->records[list].first_slot,
                       lists->records[list].slot_count, slot_bits);
        }
    }
    if (list_bits != NULL && count_bits(slot_bits, words) != mask->allowed_count) {
        vs_free(mask->env, slot_bits);
        return vs_fail(err, VS_CORRUPT,
                       "%s: rows that are allowed lie in other lists than the named ones",
                       mask->index->file->name);
    }
    enum vs_status status = mask->allowed_count <= gather_limit(lists)
                                ? make_slots(mask, part, slot_bits, err)
                                : make_lanes(mask, part, slot_bits, list_bits, err);
    vs_free(mask->env, slot_bits);
    return status;
}

static enum vs_status fill(struct vs_index_mask *mask,
                           const uint64_t *row_bits,
                           const uint64_t *list_bits,
                           struct vs_error *err)
{
    const struct vs_index_part *part = &mask->index->segments[mask->segment].parts[mask->column];
    size_t words =
        (size_t)((mask->index->descriptor.info.segments[mask->segment].row_count + 63) / 64);
    mask->rows = vs_alloc_zeroed(mask->env, words, sizeof(uint64_t));
    if (mask->rows == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    for (size_t w = 0; w < words; w++) {
        mask->rows[w] = row_bits[w] & part->presence[w];
        mask->allowed_count += (uint64_t)__builtin_popcountll(mask->rows[w]);
    }
    mask->memory_bytes = sizeof *mask + words * sizeof(uint64_t);
    if (part->has_lists) {
        VS_TRY(fill_list_order(mask, part, list_bits, err));
    }
    mask->lanes = (struct vs_lane_mask){mask->allowed_count, mask->lane_words, mask->list_allowed,
                                        mask->slots};
    return VS_OK;
}

// What is not in memory yet: lists that may hold allowed rows, or all.
static enum vs_status bring_lists(const struct vs_index_part *part,
                                  const struct vs_env *env,
                                  const uint64_t *list_bits,
                                  const struct vs_op *op,
                                  struct vs_error *err)
{
    struct vs_list_loader *loader = part->has_lists ? part->lists.loader : NULL;
    if (loader == NULL || vs_list_loader_has_rows(loader)) {
        return VS_OK;
    }
    if (list_bits == NULL) {
        return vs_list_loader_need_all(loader, op, err);
    }
    uint32_t list_count = part->lists.codebook->list_count;
    uint32_t *lists = vs_alloc_zeroed(env, (size_t)list_count + 1, sizeof *lists);
    if (lists == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    size_t count = 0;
    for (uint32_t list = 0; list < list_count; list++) {
        lists[count] = list;
        count += vs_bit_get(list_bits, list);
    }
    enum vs_status status =
        count > 0 ? vs_list_loader_need(loader, lists, count, count, op, err) : VS_OK;
    vs_free(env, lists);
    return status;
}

enum vs_status vs_index_mask_make_in(const struct vs_index *index,
                                     const struct vs_index_allowed *allowed,
                                     struct vs_index_mask **mask_out,
                                     struct vs_error *err)
{
    size_t segment = allowed->segment, column = allowed->column;
    VS_TRY(vs_index_check_target(index, segment, column, err));
    VS_TRY(bring_lists(&index->segments[segment].parts[column], index->env, allowed->list_bits,
                       allowed->op, err));
    struct vs_index_mask *mask = vs_alloc_zeroed(index->env, 1, sizeof *mask);
    if (mask == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    mask->env = index->env;
    mask->index = index;
    mask->segment = segment;
    mask->column = column;
    enum vs_status status = fill(mask, allowed->row_bits, allowed->list_bits, err);
    if (status != VS_OK) {
        vs_index_mask_free(mask);
        return status;
    }
    *mask_out = mask;
    return VS_OK;
}

enum vs_status vs_index_mask_make(const struct vs_index *index,
                                  size_t segment,
                                  size_t column,
                                  const uint64_t *row_bits,
                                  struct vs_index_mask **mask_out,
                                  struct vs_error *err)
{
    const struct vs_index_allowed allowed = {
        .segment = segment, .column = column, .row_bits = row_bits};
    return vs_index_mask_make_in(index, &allowed, mask_out, err);
}

size_t vs_index_mask_memory(const struct vs_index_mask *mask)
{
    return mask != NULL ? mask->memory_bytes : 0;
}

void vs_index_mask_free(struct vs_index_mask *mask)
{
    if (mask == NULL) {
        return;
    }
    vs_free(mask->env, mask->lane_words);
    vs_free(mask->env, mask->list_allowed);
    vs_free(mask->env, mask->slots);
    vs_free(mask->env, mask->rows);
    vs_free(mask->env, mask);
}
