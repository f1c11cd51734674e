// SPDX-License-Identifier: Apache-2.0
#include "index/index_internal.h"

// Up to this many allowed rows are scored one by one from their int8 rows: cheaper than scanning
// lists, and nothing is missed.
#define GATHER_ROWS 20000

static enum vs_status make_lanes(struct vs_index_mask *mask,
                                 const struct vs_index_part *part,
                                 struct vs_error *err)
{
    const struct vs_lists *lists = &part->lists;
    uint32_t list_count = lists->codebook->list_count;
    mask->lane_words = vs_alloc_zeroed(mask->env, part->first_block[list_count], sizeof(uint32_t));
    mask->list_allowed = vs_alloc_zeroed(mask->env, list_count, sizeof(uint32_t));
    if (mask->lane_words == NULL || mask->list_allowed == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    for (uint32_t list = 0; list < list_count; list++) {
        const uint32_t *slots = vs_lists_slots(lists, list);
        uint32_t *words = mask->lane_words + part->first_block[list], allowed = 0;
        for (uint32_t i = 0; i < lists->records[list].entry_count; i++) {
            uint32_t bit = vs_bit_get(mask->rows, lists->facts[slots[i]].row);
            words[i / VS_BLOCK_LANES] |= bit << (i % VS_BLOCK_LANES);
            allowed += bit;
        }
        mask->list_allowed[list] = allowed;
    }
    return VS_OK;
}

static enum vs_status make_slots(struct vs_index_mask *mask,
                                 const struct vs_index_part *part,
                                 struct vs_error *err)
{
    mask->slots = vs_alloc_zeroed(mask->env, (size_t)mask->allowed_count, sizeof(uint32_t));
    if (mask->slots == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    size_t count = 0;
    for (uint32_t slot = 0; slot < part->lists.slot_count; slot++) {
        if (vs_bit_get(mask->rows, part->lists.facts[slot].row)) {
            mask->slots[count++] = slot;
        }
    }
    return VS_OK;
}

static enum vs_status fill(struct vs_index_mask *mask,
                           const uint64_t *row_bits,
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
    if (part->has_lists) {
        VS_TRY(mask->allowed_count <= GATHER_ROWS ? make_slots(mask, part, err)
                                                  : make_lanes(mask, part, err));
    }
    mask->lanes = (struct vs_lane_mask){mask->allowed_count, mask->lane_words, mask->list_allowed,
                                        mask->slots};
    return VS_OK;
}

enum vs_status vs_index_mask_make(const struct vs_index *index,
                                  size_t segment,
                                  size_t column,
                                  const uint64_t *row_bits,
                                  struct vs_index_mask **mask_out,
                                  struct vs_error *err)
{
    VS_TRY(vs_index_check_target(index, segment, column, err));
    struct vs_index_mask *mask = vs_alloc_zeroed(index->env, 1, sizeof *mask);
    if (mask == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a row mask");
    }
    mask->env = index->env;
    mask->index = index;
    mask->segment = segment;
    mask->column = column;
    enum vs_status status = fill(mask, row_bits, err);
    if (status != VS_OK) {
        vs_index_mask_free(mask);
        return status;
    }
    *mask_out = mask;
    return VS_OK;
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
