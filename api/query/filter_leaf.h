// SPDX-License-Identifier: Apache-2.0
/*
 * One comparison of a filter, prepared for one column: which loop answers it, and its constants,
 * tables and sets.
 *
 * Ownership: a leaf owns `memory` and `spare`; vs_leaf_clear frees them. Threads: filled by one
 * thread. Private to api/query, used by filter_eval.c alone. See docs/internals/filters.md.
 */
#ifndef VS_QUERY_FILTER_LEAF_H
#define VS_QUERY_FILTER_LEAF_H

#include "api/query/filter.h"
#include "api/query/filter_words.h"

#define VS_LEAF_FEW 16 // up to so many values of IN are compared one after the other

enum vs_leaf_form {
    VS_LEAF_UNPREPARED,
    VS_LEAF_NOTHING,
    VS_LEAF_RANGE,  // integers, booleans: low..high
    VS_LEAF_POINTS, // integers: a few
    VS_LEAF_TABLE,  // integers close to each other
    VS_LEAF_SET,    // integers
    VS_LEAF_REAL,   // floats: real_low..real_high, NaN or not
    VS_LEAF_REALS,  // floats: several ranges of keys
    VS_LEAF_DECIMAL,
    VS_LEAF_TEXT_RANGE,
    VS_LEAF_TEXT_EQUAL, // prefix, and nothing more
    VS_LEAF_TEXT_PREFIX,
    VS_LEAF_TEXT_SET,  // several values
    VS_LEAF_TEXT_PART, // holds the prefix anywhere
    VS_LEAF_TEXT_LIKE, // any pattern
};

struct vs_leaf {
    enum vs_leaf_form form;
    const struct vs_filter_node *node;
    int64_t low, high;
    double real_low, real_high;
    bool nan;
    size_t point_count;
    int64_t points[VS_LEAF_FEW];
    int32_t points_i32[VS_LEAF_FEW];
    struct vs_key_set set;
    struct vs_key_table table;
    struct vs_str low_text, high_text, prefix;
    uint64_t low_key, high_key; // the first eight bytes of low_text (or prefix) and high_text
    uint64_t tail;              // the last eight bytes of a prefix of eight or more
    bool has_low, has_high;
    void *memory;
    uint8_t *entries; // dictionary columns: a byte per entry, one more at the end
    size_t entry_count;
    uint64_t *spare; // list columns: bits of elements
    size_t spare_words;
};

// column: the one whose values are compared (of a list: its child).
enum vs_status vs_leaf_prepare(const struct vs_env *env,
                               const struct vs_filter_node *node,
                               const struct vs_column *column,
                               struct vs_leaf *leaf,
                               struct vs_error *err);
void vs_leaf_clear(const struct vs_env *env, struct vs_leaf *leaf);
// Bits of values [first, first + count): equal, in the range, like the pattern; nulls give any bit.
void vs_leaf_fill(const struct vs_leaf *leaf,
                  const struct vs_column *column,
                  size_t first,
                  size_t count,
                  uint64_t *words);

// ---- filter_leaf_text.c ----
enum vs_status vs_leaf_prepare_text(const struct vs_env *env,
                                    const struct vs_filter_node *node,
                                    struct vs_leaf *leaf,
                                    struct vs_error *err);
void vs_leaf_fill_text(const struct vs_leaf *leaf,
                       const struct vs_column *column,
                       size_t first,
                       size_t count,
                       uint64_t *words);
// A set of keys with room for count of them; keys[0] becomes set.absent.
enum vs_status vs_key_set_make(const struct vs_env *env,
                               const int64_t *keys,
                               size_t count,
                               void **memory_out,
                               struct vs_key_set *set_out,
                               struct vs_error *err);

static inline bool vs_leaf_is_text(enum vs_kind kind)
{
    return kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_FIXED ||
           kind == VS_KIND_UUID;
}

#endif
