// SPDX-License-Identifier: Apache-2.0
#include "index/list_layout.h"

#include "simd/kernels.h"

#include <string.h>

static bool make_offsets(struct vs_list_layout *layout,
                         const struct vs_list_record *records,
                         uint32_t list_count,
                         size_t lanes)
{
    uint64_t entries = 0;
    for (uint32_t l = 0; l < list_count; l++) {
        layout->first_entry[l] = (uint32_t)entries;
        layout->entry_count[l] = records[l].entry_count;
        layout->places[l] = (struct vs_list_place){(uint32_t)entries, records[l].entry_count,
                                                   records[l].first_slot, 0};
        entries += (records[l].entry_count + lanes - 1) / lanes * lanes;
        layout->first_block[l + 1] =
            layout->first_block[l] + vs_list_blocks(records[l].entry_count);
        if (entries > UINT32_MAX) {
            return false;
        }
    }
    layout->first_entry[list_count] = (uint32_t)entries;
    return true;
}

enum vs_status vs_list_layout_make(const struct vs_env *env,
                                   const struct vs_list_record *records,
                                   uint32_t list_count,
                                   uint32_t m,
                                   struct vs_list_layout *layout_out,
                                   struct vs_error *err)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t lanes = kernels->pq4_lanes;
    struct vs_list_layout layout = {.m = m, .entry_bytes = vs_pq4_bytes(kernels, lanes, m) / lanes};
    enum vs_status status = VS_OK;
    layout.places = vs_alloc_zeroed(env, list_count, sizeof *layout.places);
    layout.first_entry = vs_alloc_zeroed(env, (size_t)list_count + 1, sizeof(uint32_t));
    layout.first_block = vs_alloc_zeroed(env, (size_t)list_count + 1, sizeof(uint32_t));
    layout.entry_count = vs_alloc_zeroed(env, list_count, sizeof(uint32_t));
    if (layout.places == NULL || layout.first_entry == NULL || layout.first_block == NULL ||
        layout.entry_count == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory for the directory of lists");
    } else if (!make_offsets(&layout, records, list_count, lanes)) {
        status = vs_fail(err, VS_LIMIT, "a segment holds at most %u entries", UINT32_MAX);
    }
    if (status == VS_OK) {
        // One block more: kernels read slots in registers.
        size_t entries = layout.first_entry[list_count] + lanes;
        layout.codes = vs_alloc_aligned(env, entries * layout.entry_bytes);
        layout.slots = vs_alloc_aligned(env, entries * sizeof(uint32_t));
        layout.memory_bytes =
            entries * (layout.entry_bytes + sizeof(uint32_t)) + 28 * ((uint64_t)list_count + 1);
        if (layout.codes == NULL || layout.slots == NULL) {
            status = vs_fail(err, VS_NO_MEMORY, "out of memory for %zu entries of lists", entries);
        }
    }
    if (status != VS_OK) {
        vs_list_layout_clear(env, &layout);
        return status;
    }
    *layout_out = layout;
    return VS_OK;
}

void vs_list_layout_put(const struct vs_list_layout *layout,
                        uint32_t list,
                        uint32_t entry_count,
                        const uint8_t *section)
{
    size_t first = layout->first_entry[list], room = layout->first_entry[list + 1] - first;
    size_t code_bytes = (size_t)vs_list_blocks(entry_count) * 16 * layout->m;
    uint32_t *slots = layout->slots + first;
    vs_kernels_get()->pq4_arrange(section, entry_count, layout->m,
                                  layout->codes + first * layout->entry_bytes);
    memcpy(slots, section + code_bytes, entry_count * sizeof *slots);
    memset(slots + entry_count, 0, (room - entry_count) * sizeof *slots);
}

void vs_list_layout_clear(const struct vs_env *env, struct vs_list_layout *layout)
{
    vs_free(env, layout->places);
    vs_free(env, layout->first_entry);
    vs_free(env, layout->first_block);
    vs_free(env, layout->entry_count);
    vs_free_aligned(env, layout->codes);
    vs_free_aligned(env, layout->slots);
    memset(layout, 0, sizeof *layout);
}
