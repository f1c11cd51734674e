// SPDX-License-Identifier: Apache-2.0
/*
 * Lists that are not all in memory: what a search needs of them is read when it is needed, in one
 * round of range reads, and verified list by list before it is used. After the first need a thread
 * brings the rest, when the index was opened so.
 *
 * The arrays of struct vs_lists (layout, rows, facts) are there from the start and do not move;
 * only their parts that were asked for hold something. rows is NULL when rows stay in the file.
 *
 * Ownership: a loader belongs to its opened index. Threads: any number may ask at once; a list is
 * read once. See docs/internals/index-cold.md.
 */
#ifndef VS_INDEX_LIST_LOADER_H
#define VS_INDEX_LIST_LOADER_H

#include "index/index_format.h"
#include "vecstore/base/cancel.h"

struct vs_list_loader;

// True once codes and slot references of every list are in memory; cheap.
bool vs_list_loader_has_codes(const struct vs_list_loader *loader);
// True once rows and facts of every slot are in memory (struct vs_lists.rows, .facts); cheap. Until
// then they are had through vs_list_loader_rows. Never true when rows stay in the file.
bool vs_list_loader_has_rows(const struct vs_list_loader *loader);
// Brings codes and slot references of these lists into the layout, and in the same round the facts
// of the first near_count of them (or of a few more), with their int8 rows when
// rows are kept in memory.
enum vs_status vs_list_loader_need(struct vs_list_loader *loader,
                                   const uint32_t *lists,
                                   size_t count,
                                   size_t near_count,
                                   const struct vs_op *op,
                                   struct vs_error *err);
// Codes, slot references and facts of every list, for whoever turns rows into slots.
enum vs_status vs_list_loader_need_all(struct vs_list_loader *loader,
                                       const struct vs_op *op,
                                       struct vs_error *err);
// int8 rows and facts of slots, in their order: rows_out[count][stride], facts_out[count].
// Afterwards struct vs_lists.facts of these slots may be read too.
enum vs_status vs_list_loader_rows(struct vs_list_loader *loader,
                                   const uint32_t *slots,
                                   size_t count,
                                   const struct vs_op *op,
                                   int8_t *rows_out,
                                   struct vs_row_fact *facts_out,
                                   struct vs_error *err);

// The same for several segments: lists and rows of all of them travel side by side.
struct vs_list_want {
    struct vs_list_loader *loader;
    const uint32_t *lists; // as for vs_list_loader_need
    size_t list_count, near_count;
    const uint32_t *slots; // whose rows will be asked for
    size_t slot_count;
};
enum vs_status vs_list_loaders_bring(const struct vs_list_want *wants,
                                     size_t count,
                                     const struct vs_op *op,
                                     struct vs_error *err);
// Memory for a list of them, from the same environment.
const struct vs_env *vs_list_loader_env(const struct vs_list_loader *loader);

#endif
