// SPDX-License-Identifier: Apache-2.0
/*
 * Typed loops of the filter evaluator: values of one fixed-width column to one bit a row, 64 rows a
 * word, no call per row.
 *
 * The same C loops are compiled for several instruction sets; vs_filter_words_get picks what the
 * kernels of simd/ use, so VS_SIMD lowers both. Every function overwrites ceil(count / 64) words;
 * bits beyond count are 0. Private to api/query. See docs/internals/filters.md.
 */
#ifndef VS_QUERY_FILTER_WORDS_H
#define VS_QUERY_FILTER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// x is in the set: a sorted-out open hash table of 64-bit keys. An empty slot holds `absent`, which
// is a member and stands in no slot of its own.
struct vs_key_set {
    const int64_t *slots;
    int64_t absent;
    unsigned shift; // 64 - log2 of the slot count
};

// Members of [first, first + span], a byte each; table[span + 1] is 0.
struct vs_key_table {
    const uint8_t *bytes;
    int64_t first;
    uint64_t span;
};

struct vs_filter_words {
    const char *name;
    // low <= x <= high
    void (*range_u8)(
        const uint8_t *values, size_t count, int64_t low, int64_t high, uint64_t *words);
    void (*range_i32)(
        const int32_t *values, size_t count, int32_t low, int32_t high, uint64_t *words);
    void (*range_i64)(
        const int64_t *values, size_t count, int64_t low, int64_t high, uint64_t *words);
    // or x is NaN where nan is set
    void (*range_f32)(
        const float *values, size_t count, float low, float high, bool nan, uint64_t *words);
    void (*range_f64)(
        const double *values, size_t count, double low, double high, bool nan, uint64_t *words);
    // x is one of a few
    void (*points_i32)(const int32_t *values,
                       size_t count,
                       const int32_t *points,
                       size_t point_count,
                       uint64_t *words);
    void (*points_i64)(const int64_t *values,
                       size_t count,
                       const int64_t *points,
                       size_t point_count,
                       uint64_t *words);
    void (*table_i32)(const int32_t *values,
                      size_t count,
                      const struct vs_key_table *table,
                      uint64_t *words);
    void (*table_i64)(const int64_t *values,
                      size_t count,
                      const struct vs_key_table *table,
                      uint64_t *words);
    void (*set_i32)(const int32_t *values,
                    size_t count,
                    const struct vs_key_set *set,
                    uint64_t *words);
    void (*set_i64)(const int64_t *values,
                    size_t count,
                    const struct vs_key_set *set,
                    uint64_t *words);
    // table[code]: 0 or 1; entries and beyond: table[entries], which is 0
    void (*lookup)(const uint32_t *codes,
                   size_t count,
                   const uint8_t *table,
                   uint32_t entries,
                   uint64_t *words);
    // bytes[i] != 0
    void (*bytes)(const uint8_t *bytes, size_t count, uint64_t *words);
};

const struct vs_filter_words *vs_filter_words_get(void);
// "scalar", "avx2", "avx512"; NULL when unknown or not runnable here. For tests.
const struct vs_filter_words *vs_filter_words_find(const char *name);

static inline uint64_t vs_key_hash(int64_t key, unsigned shift)
{
    return ((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> shift;
}

static inline bool vs_key_set_has(const struct vs_key_set *set, int64_t key)
{
    uint64_t mask = UINT64_MAX >> set->shift, at = vs_key_hash(key, set->shift);
    while (set->slots[at] != key && set->slots[at] != set->absent) {
        at = (at + 1) & mask;
    }
    return set->slots[at] == key;
}

#endif
