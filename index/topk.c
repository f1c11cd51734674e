// SPDX-License-Identifier: Apache-2.0
#include "index/topk.h"

#include "simd/kernels.h"

#include <stdbool.h>

// The least and the greatest of count >= 1 keys.
static void find_range(const uint32_t *keys, size_t count, uint32_t *low_out, uint32_t *high_out)
{
    uint32_t low = keys[0], high = keys[0];
    for (size_t i = 1; i < count; i++) {
        low = keys[i] < low ? keys[i] : low;
        high = keys[i] > high ? keys[i] : high;
    }
    *low_out = low;
    *high_out = high;
}

// A key that at least `keep` and, unless keys are equal, at most `most` keys reach; *above_out: how
// many reach it. Every other guess takes keys as evenly spread between the bounds; the ones between
// halve, so that no spread is slow.
static uint32_t find_cut(
    const uint32_t *keys, size_t count, size_t keep, size_t most, size_t *above_out)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    uint32_t low, high; // enough keys reach low, too few any key above high
    size_t above = count, below = 0, goal = keep + (most - keep) / 2;
    find_range(keys, count, &low, &high);
    for (bool halve = false; low < high && above > most; halve = !halve) {
        uint64_t span = high - low,
                 step = halve ? span / 2 : span * (above - goal) / (above - below);
        uint32_t middle = low + (uint32_t)(step < span ? step : span - 1) + 1;
        size_t reach = kernels->count_keys(keys, count, middle);
        if (reach >= keep) {
            low = middle;
            above = reach;
        } else {
            high = middle - 1;
            below = reach;
        }
    }
    *above_out = above;
    return low;
}

// Drops all but `ties` of the pairs whose key is the least of all.
static size_t drop_ties(uint32_t *keys, uint32_t *ids, size_t count, uint32_t least, size_t ties)
{
    size_t out = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_tie = keys[i] == least;
        keys[out] = keys[i];
        ids[out] = ids[i];
        out += !is_tie || ties > 0;
        ties -= is_tie && ties > 0;
    }
    return out;
}

uint32_t vs_topk_cut(uint32_t *keys, uint32_t *ids, size_t count, size_t keep)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t above = 0;
    uint32_t cut = find_cut(keys, count, keep, keep, &above);
    kernels->keep_keys(keys, ids, count, cut);
    if (above > keep) { // the least of them are equal
        size_t greater = cut < UINT32_MAX ? kernels->count_keys(keys, above, cut + 1) : 0;
        drop_ties(keys, ids, above, cut, keep - greater);
        return cut;
    }
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < keep; i++) {
        least = keys[i] < least ? keys[i] : least;
    }
    return least;
}

void vs_topk_order(
    uint32_t *keys, uint32_t *ids, uint32_t *spare_keys, uint32_t *spare_ids, size_t count)
{
    uint32_t low, high, start[257] = {0};
    if (count < 2) {
        return;
    }
    find_range(keys, count, &low, &high);
    if (low == high) {
        return;
    }
    unsigned bits = 32 - (unsigned)__builtin_clz(high - low), shift = bits > 8 ? bits - 8 : 0;
    for (size_t i = 0; i < count; i++) {
        start[(high - keys[i]) >> shift]++;
    }
    uint32_t sum = 0;
    for (size_t d = 0; d < 257; d++) {
        uint32_t n = start[d];
        start[d] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t at = start[(high - keys[i]) >> shift]++;
        spare_keys[at] = keys[i];
        spare_ids[at] = ids[i];
    }
    memcpy(keys, spare_keys, count * sizeof *keys);
    memcpy(ids, spare_ids, count * sizeof *ids);
}

void vs_topk_sort(
    uint32_t *keys, uint32_t *ids, uint32_t *spare_keys, uint32_t *spare_ids, size_t count)
{
    if (count <= 48) { // insertion sort, stable
        for (size_t i = 1; i < count; i++) {
            uint32_t key = keys[i], id = ids[i];
            size_t j = i;
            for (; j > 0 && keys[j - 1] < key; j--) {
                keys[j] = keys[j - 1];
                ids[j] = ids[j - 1];
            }
            keys[j] = key;
            ids[j] = id;
        }
        return;
    }
    uint32_t *from_keys = keys, *from_ids = ids, *to_keys = spare_keys, *to_ids = spare_ids;
    for (unsigned shift = 0; shift < 32;
         shift += 8) { // least significant digit first: stable, four passes end in place
        size_t start[256] = {0};
        for (size_t i = 0; i < count; i++) {
            start[255 - (from_keys[i] >> shift & 255)]++;
        }
        size_t sum = 0;
        for (size_t d = 0; d < 256; d++) {
            size_t n = start[d];
            start[d] = sum;
            sum += n;
        }
        for (size_t i = 0; i < count; i++) {
            size_t at = start[255 - (from_keys[i] >> shift & 255)]++;
            to_keys[at] = from_keys[i];
            to_ids[at] = from_ids[i];
        }
        uint32_t *swap_keys = from_keys, *swap_ids = from_ids;
        from_keys = to_keys;
        from_ids = to_ids;
        to_keys = swap_keys;
        to_ids = swap_ids;
    }
}

void vs_reservoir_shrink(struct vs_reservoir *r)
{
    if (r->count <= r->keep) {
        return;
    }
    uint32_t cut = vs_topk_cut(r->keys, r->ids, r->count, r->keep);
    r->count = r->keep;
    r->threshold = cut == UINT32_MAX ? cut : cut + 1;
}

void vs_reservoir_thin(struct vs_reservoir *r)
{
    size_t above = 0;
    uint32_t cut = find_cut(r->keys, r->count, r->keep, r->keep + r->keep / 4, &above);
    r->count = vs_kernels_get()->keep_keys(r->keys, r->ids, r->count, cut);
    r->threshold = cut;                     // equal keys may still belong to the best
    if (r->count > r->keep + r->keep / 2) { // many equal ones: of these the first
        vs_reservoir_shrink(r);
    }
}
