// SPDX-License-Identifier: Apache-2.0
/*
 * Private to simd/: what scans of one list for many queries need (vs_kernels.pq4_sums_many and the
 * two that read its sums).
 *
 * Included by batch_*.c alone, each compiled for one instruction set; everything is static. Plain
 * loops that compilers vectorise; all is integers, so tables agree bit for bit.
 */
#ifndef VS_SIMD_BATCH_INTERNAL_H
#define VS_SIMD_BATCH_INTERNAL_H

#include "simd/kernels_internal.h"

#include <string.h>

// Query after query, for tables that gain nothing by sharing the codes: the sums are zero from
// count on.
static inline void sums_by_query(const struct vs_kernels *table,
                                 const struct vs_pq4_many *many,
                                 uint16_t *const *sums)
{
    size_t room = (many->count + 31) / 32 * 32;
    for (size_t q = 0; q < many->query_count; q++) {
        table->pq4_sums(many->codes, many->count, many->m, many->luts[q], sums[q]);
        memset(sums[q] + many->count, 0, (room - many->count) * sizeof **sums);
    }
}

static inline size_t count_reaching(const uint16_t *sums, size_t count, uint16_t least)
{
    size_t all = 0;
    while (count > 0) {
        uint16_t part = count < 32768 ? (uint16_t)count : 32768, found = 0;
        for (uint16_t i = 0; i < part; i++) {
            found = (uint16_t)(found + (sums[i] >= least));
        }
        all += found;
        sums += part;
        count -= part;
    }
    return all;
}

// A value that `keep` sums reach and, unless sums are equal, hardly more; keep <= count.
static inline uint16_t nth_greatest(const uint16_t *sums, size_t count, size_t keep)
{
    uint32_t low = 0, high = 0;
    size_t above = count, most = keep + keep / 8;
    for (size_t i = 0; i < count; i++) {
        high = sums[i] > high ? sums[i] : high;
    }
    while (low < high && above > most) {
        uint32_t middle = low + (high - low) / 2 + 1;
        size_t reach = count_reaching(sums, count, (uint16_t)middle);
        if (reach >= keep) {
            low = middle;
            above = reach;
        } else {
            high = middle - 1;
        }
    }
    return (uint16_t)low;
}

#define LEAST_GROUPS ((size_t)1024)

static inline uint16_t bound_of_sums(const uint16_t *sums,
                                     size_t count,
                                     size_t keep,
                                     uint16_t *spare)
{
    // The greatest of each group stand for all: with four groups for each one wanted, a seventh
    // more than wanted reach what that many of them reach.
    size_t groups = 4 * keep > LEAST_GROUPS ? 4 * keep : LEAST_GROUPS;
    if (keep == 0 || keep > count) {
        return 0;
    }
    if (groups > VS_SUMS_SPARE || groups >= count) {
        return nth_greatest(sums, count, keep);
    }
    memcpy(spare, sums, groups * sizeof *spare);
    for (size_t at = groups; at < count; at += groups) {
        const uint16_t *from = sums + at;
        size_t part = count - at < groups ? count - at : groups;
        for (size_t i = 0; i < part; i++) {
            spare[i] = spare[i] > from[i] ? spare[i] : from[i];
        }
    }
    return nth_greatest(spare, groups, keep);
}

static inline size_t keep_each(const uint16_t *sums,
                               size_t count,
                               uint16_t least,
                               uint32_t first,
                               uint32_t *sum_out,
                               uint32_t *index_out)
{
    size_t found = 0;
    for (size_t at = 0; at < count; at += 16) {
        const uint16_t *block = sums + at;
        size_t left = count - at < 16 ? count - at : 16;
        uint16_t most = 0;
        for (size_t i = 0; i < 16; i++) {
            most = block[i] > most ? block[i] : most;
        }
        for (size_t i = 0; most >= least && i < left; i++) {
            sum_out[found] = block[i];
            index_out[found] = first + (uint32_t)(at + i);
            found += block[i] >= least;
        }
    }
    return found;
}

// For tables with nothing of their own.
#define VS_DEFINE_BATCH(isa)                                                                       \
    void vs_pq4_sums_many_##isa(const struct vs_pq4_many *many, uint16_t *const *sums)             \
    {                                                                                              \
        sums_by_query(&vs_kernels_##isa, many, sums);                                              \
    }                                                                                              \
    uint16_t vs_sums_bound_##isa(const uint16_t *sums, size_t count, size_t keep, uint16_t *spare) \
    {                                                                                              \
        return bound_of_sums(sums, count, keep, spare);                                            \
    }                                                                                              \
    size_t vs_sums_keep_##isa(const uint16_t *sums, size_t count, uint16_t least, uint32_t first,  \
                              uint32_t *sum_out, uint32_t *index_out)                              \
    {                                                                                              \
        return keep_each(sums, count, least, first, sum_out, index_out);                           \
    }

#endif
