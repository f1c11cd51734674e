// SPDX-License-Identifier: Apache-2.0
/*
 * Lists ranked for several queries of a batch at once: codes of the centroids are scanned for all
 * of them together. Ranks are those of vs_coarse_rank, bit for bit. Private to index/.
 *
 * Everything is borrowed. Threads: pure functions over memory of the caller. See
 * docs/internals/index-search.md.
 */
#ifndef VS_INDEX_BATCH_RANK_H
#define VS_INDEX_BATCH_RANK_H

#include "index/lists.h"

#define VS_RANK_TOGETHER 8 // queries ranked at once

// How many lists go on to int8 of those that vs_coarse_rank would find by the codes of all
// centroids; 0: it would do something else for so many wanted lists, so call it.
size_t vs_batch_rank_keep(const struct vs_codebook *codebook, size_t want);

// Room for the sums of one query.
static inline size_t vs_batch_rank_room(const struct vs_codebook *codebook)
{
    return ((size_t)codebook->list_count + 31) / 32 * 32;
}

// As vs_coarse_rank, from the query's sums over codebook->centroid_codes; coarse holds its y8 and
// y_scale. spare: VS_SUMS_SPARE of room.
size_t vs_batch_rank(struct vs_coarse *coarse,
                     const struct vs_codebook *codebook,
                     const uint16_t *sums,
                     size_t keep,
                     size_t want,
                     uint16_t *spare);

#endif
