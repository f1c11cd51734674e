// SPDX-License-Identifier: Apache-2.0
/*
 * Lists in memory: codes in the layout of the chosen kernel table and slot references, list after
 * list in one array each.
 *
 * Disk holds the pair layout (docs/format/index-v1.md section 4); vs_list_layout_put brings one
 * list into place. Each list starts at a multiple of the table's pq4_lanes, padded with code 0 and
 * slot 0. Ownership: the layout owns its arrays. Threads: lists may be put side by side.
 */
#ifndef VS_INDEX_LIST_LAYOUT_H
#define VS_INDEX_LIST_LAYOUT_H

#include "index/index_format.h"
#include "vecstore/base/env.h"

// What a scan has to know of a list, together in one line of memory.
struct vs_list_place {
    uint32_t first_entry, entry_count;
    uint32_t first_slot; // of its own rows
    uint32_t reserved;
};

struct vs_list_layout {
    struct vs_list_place *places; // [list_count]
    uint32_t *first_entry;        // [list_count + 1], of the lists before, padded
    uint32_t *first_block;        // [list_count + 1], words of a lane mask: 32 entries each
    uint32_t *entry_count;        // [list_count], without padding
    uint8_t *codes;               // first_entry[list] * entry_bytes: where a list's codes start
    uint32_t *slots;
    size_t entry_bytes; // of one entry's codes
    uint32_t m;
    uint64_t memory_bytes;
};

// Makes room for all lists; VS_LIMIT when padded entries exceed 2^32 - 1.
enum vs_status vs_list_layout_make(const struct vs_env *env,
                                   const struct vs_list_record *records,
                                   uint32_t list_count,
                                   uint32_t m,
                                   struct vs_list_layout *layout_out,
                                   struct vs_error *err);
// Brings one list into place from its section in a lists blob.
void vs_list_layout_put(const struct vs_list_layout *layout,
                        uint32_t list,
                        uint32_t entry_count,
                        const uint8_t *section);
void vs_list_layout_clear(const struct vs_env *env, struct vs_list_layout *layout);

#endif
