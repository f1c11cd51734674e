// SPDX-License-Identifier: Apache-2.0
/*
 * Keeping the best of many (key, id) pairs without comparing pairs: keys are unsigned integers,
 * larger is better, and a cut is found by counting digits. Ties go to the pair that came first, so
 * a fixed order of arrival gives a fixed result on every machine.
 *
 * Pure functions and one plain struct over memory of the caller. See
 * docs/internals/index-search.md.
 */
#ifndef VS_INDEX_TOPK_H
#define VS_INDEX_TOPK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Order-preserving map of finite floats and infinities; NaN becomes the lowest key.
static inline uint32_t vs_topk_key(float score)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    uint32_t key = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
    return score != score ? 0 : key;
}

static inline float vs_topk_score(uint32_t key)
{
    uint32_t bits = (key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

// Keeps the `keep` largest of count >= 1 pairs in their order (0 < keep <= count); returns the
// smallest key kept. Of equal keys the first are kept.
uint32_t vs_topk_cut(uint32_t *keys, uint32_t *ids, size_t count, size_t keep);
// Nearly sorts by descending key: one pass over 256 equal spans of keys. For orders of work, where
// a neighbour out of place costs nothing.
void vs_topk_order(
    uint32_t *keys, uint32_t *ids, uint32_t *spare_keys, uint32_t *spare_ids, size_t count);
// Sorts by descending key, equal keys in their order. The spare arrays have room for count.
void vs_topk_sort(
    uint32_t *keys, uint32_t *ids, uint32_t *spare_keys, uint32_t *spare_ids, size_t count);

// The best `keep` of a stream; capacity > keep. Pairs with key < threshold need not be offered.
struct vs_reservoir {
    uint32_t *keys, *ids;
    size_t count, keep, capacity;
    uint32_t threshold;
};

static inline void vs_reservoir_init(
    struct vs_reservoir *r, uint32_t *keys, uint32_t *ids, size_t keep, size_t capacity)
{
    *r = (struct vs_reservoir){.keys = keys, .ids = ids, .keep = keep, .capacity = capacity};
}

// Cuts down to `keep`; from then on only greater keys matter.
void vs_reservoir_shrink(struct vs_reservoir *r);
// Makes room (count > keep): leaves at least `keep` and at most half as many more, faster than an
// exact cut.
void vs_reservoir_thin(struct vs_reservoir *r);

static inline void vs_reservoir_push(struct vs_reservoir *r, uint32_t key, uint32_t id)
{
    if (key < r->threshold) {
        return;
    }
    if (r->count == r->capacity) {
        vs_reservoir_shrink(r);
        if (key < r->threshold) {
            return;
        }
    }
    r->keys[r->count] = key;
    r->ids[r->count++] = id;
}

#endif
