// SPDX-License-Identifier: Apache-2.0
#include "index/topk.h"

// The keep-th largest key; *ties_out: how many keys equal to it belong to the best `keep`.
static uint32_t find_cut(const uint32_t *keys, size_t count, size_t keep, size_t *ties_out)
{
    uint32_t low = keys[0], high = keys[0];
    for (size_t i = 1; i < count; i++) {
        low = keys[i] < low ? keys[i] : low;
        high = keys[i] > high ? keys[i] : high;
    }
    // The cut is among the keys in [low, low + span]; each round narrows it to one of 256 digits.
    uint32_t span = high - low;
    size_t left = keep;
    while (span > 0) {
        unsigned bits = 32 - (unsigned)__builtin_clz(span);
        unsigned shift = bits > 8 ? bits - 8 : 0;
        uint32_t histogram[256] = {0};
        for (size_t i = 0; i < count; i++) {
            uint32_t distance = keys[i] - low; // keys below wrap around to beyond the span
            if (distance <= span) {
                histogram[distance >> shift]++;
            }
        }
        uint32_t digit = span >> shift;
        while (histogram[digit] < left) {
            left -= histogram[digit--];
        }
        low += digit << shift;
        span = (1u << shift) - 1;
    }
    *ties_out = left;
    return low;
}

uint32_t vs_topk_cut(uint32_t *keys, uint32_t *ids, size_t count, size_t keep)
{
    size_t ties = 0;
    uint32_t cut = find_cut(keys, count, keep, &ties);
    size_t out = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t key = keys[i];
        size_t tie = key == cut && ties > 0;
        keys[out] = key;
        ids[out] = ids[i];
        out += key > cut || tie;
        ties -= tie;
    }
    return cut;
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
