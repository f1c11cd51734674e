// SPDX-License-Identifier: Apache-2.0
#include "api/query/filter_leaf.h"

#include "api/query/filter_key.h"

#include <math.h>
#include <string.h>

#define TABLE_SPAN 65535 // integers of IN that lie this close together get a table
#define PIECE 4096       // rows between two looks at another range
#define PIECE_WORDS (PIECE / 64)

// ---- preparing ----

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
}

enum vs_status vs_key_set_make(const struct vs_env *env,
                               const int64_t *keys,
                               size_t count,
                               void **memory_out,
                               struct vs_key_set *set_out,
                               struct vs_error *err)
{
    unsigned bits = 6;
    while (((size_t)1 << bits) < count * 4) {
        bits++;
    }
    size_t slots = (size_t)1 << bits;
    int64_t *table = vs_alloc(env, slots * sizeof *table);
    if (table == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < slots; i++) {
        table[i] = keys[0];
    }
    unsigned shift = 64 - bits;
    for (size_t i = 1; i < count; i++) {
        uint64_t at = vs_key_hash(keys[i], shift);
        while (table[at] != keys[0] && table[at] != keys[i]) {
            at = (at + 1) & (slots - 1);
        }
        table[at] = keys[i];
    }
    *memory_out = table;
    *set_out = (struct vs_key_set){table, keys[0], shift};
    return VS_OK;
}

static enum vs_status make_table(const struct vs_env *env,
                                 const struct vs_filter_node *node,
                                 struct vs_leaf *leaf,
                                 struct vs_error *err)
{
    uint64_t span = (uint64_t)leaf->high - (uint64_t)leaf->low;
    uint8_t *bytes = vs_alloc_zeroed(env, (size_t)span + 2, 1);
    if (bytes == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < node->range_count; i++) {
        bytes[(uint64_t)node->ranges[i].low - (uint64_t)leaf->low] = 1;
    }
    leaf->form = VS_LEAF_TABLE;
    leaf->memory = bytes;
    leaf->table = (struct vs_key_table){bytes, leaf->low, span};
    return VS_OK;
}

// Several points of an integer column (IN), ascending and distinct.
static enum vs_status prepare_points(const struct vs_env *env,
                                     const struct vs_filter_node *node,
                                     struct vs_leaf *leaf,
                                     struct vs_error *err)
{
    size_t count = node->range_count;
    leaf->low = (int64_t)node->ranges[0].low;
    leaf->high = (int64_t)node->ranges[count - 1].low;
    if (count <= VS_LEAF_FEW) {
        leaf->form = VS_LEAF_POINTS;
        leaf->point_count = count;
        for (size_t i = 0; i < count; i++) {
            leaf->points[i] = (int64_t)node->ranges[i].low;
            leaf->points_i32[i] = (int32_t)leaf->points[i]; // of INT columns they fit
        }
        return VS_OK;
    }
    if ((uint64_t)leaf->high - (uint64_t)leaf->low <= TABLE_SPAN) {
        return make_table(env, node, leaf, err);
    }
    int64_t *keys = vs_alloc(env, count * sizeof *keys);
    if (keys == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = (int64_t)node->ranges[i].low;
    }
    leaf->form = VS_LEAF_SET;
    enum vs_status status = vs_key_set_make(env, keys, count, &leaf->memory, &leaf->set, err);
    vs_free(env, keys);
    return status;
}

// The only range as one of 64-bit integers; false: nothing is in it.
static bool narrow_range(const struct vs_filter_range *range,
                         int64_t least,
                         int64_t most,
                         int64_t *low_out,
                         int64_t *high_out)
{
    vs_int128 low = range->has_low ? range->low : least,
              high = range->has_high ? range->high : most;
    low = low > least ? low : least;
    high = high < most ? high : most;
    if (low > high) {
        return false;
    }
    *low_out = (int64_t)low;
    *high_out = (int64_t)high;
    return true;
}

static double real_of_key(int64_t key)
{
    double value;
    int64_t bits = key ^ (int64_t)((uint64_t)(key >> 63) >> 1);
    memcpy(&value, &bits, sizeof value);
    return value;
}

// A range of keys as one of floats. Key -1 is of no value (-0 has key 0); keys beyond that of
// infinity are NaN's alone.
static void prepare_real(const struct vs_filter_range *range,
                         enum vs_kind kind,
                         struct vs_leaf *leaf)
{
    const int64_t least = vs_key_of_f64(-HUGE_VAL), most = vs_key_of_f64(HUGE_VAL);
    vs_int128 low = range->has_low ? range->low : least,
              high = range->has_high ? range->high : INT64_MAX;
    leaf->form = VS_LEAF_REAL;
    leaf->nan = low <= INT64_MAX && high >= INT64_MAX;
    low = low > least ? low : least;
    high = high < most ? high : most;
    if (low > high) { // NaN or nothing
        leaf->real_low = HUGE_VAL;
        leaf->real_high = -HUGE_VAL;
        return;
    }
    leaf->real_low = real_of_key(low == -1 ? 0 : (int64_t)low);
    leaf->real_high = real_of_key(high == -1 ? -2 : (int64_t)high);
    if (kind == VS_KIND_FLOAT) { // inwards to floats
        float a = (float)leaf->real_low, b = (float)leaf->real_high;
        leaf->real_low = (double)((double)a < leaf->real_low ? nextafterf(a, HUGE_VALF) : a);
        leaf->real_high = (double)((double)b > leaf->real_high ? nextafterf(b, -HUGE_VALF) : b);
    }
}

static enum vs_status prepare_number(const struct vs_env *env,
                                     const struct vs_filter_node *node,
                                     enum vs_kind kind,
                                     struct vs_leaf *leaf,
                                     struct vs_error *err)
{
    leaf->form = VS_LEAF_NOTHING;
    if (node->range_count == 0) {
        return VS_OK;
    }
    const struct vs_filter_range *range = &node->ranges[0];
    if (kind == VS_KIND_DECIMAL) {
        leaf->form = VS_LEAF_DECIMAL;
        return VS_OK;
    }
    if (kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE) {
        leaf->form = VS_LEAF_REALS;
        if (node->range_count == 1) {
            prepare_real(range, kind, leaf);
        }
        return VS_OK;
    }
    if (node->range_count > 1 && kind != VS_KIND_BOOLEAN) {
        return prepare_points(env, node, leaf, err);
    }
    if (node->range_count > 1) { // TRUE and FALSE
        leaf->form = VS_LEAF_RANGE;
        leaf->low = 0;
        leaf->high = 1;
        return VS_OK;
    }
    bool is_int = kind == VS_KIND_INT || kind == VS_KIND_DATE;
    if (narrow_range(range, is_int ? INT32_MIN : INT64_MIN, is_int ? INT32_MAX : INT64_MAX,
                     &leaf->low, &leaf->high)) {
        leaf->form = VS_LEAF_RANGE;
    }
    return VS_OK;
}

// Looks at each entry once; then codes are looked up.
static enum vs_status prepare_entries(const struct vs_env *env,
                                      const struct vs_column *entries,
                                      struct vs_leaf *leaf,
                                      struct vs_error *err)
{
    uint64_t words[PIECE_WORDS];
    size_t count = entries->row_count;
    leaf->entries = vs_alloc_zeroed(env, count + 1, 1);
    if (leaf->entries == NULL) {
        return no_memory(err);
    }
    leaf->entry_count = count;
    for (size_t first = 0; first < count; first += PIECE) {
        size_t n = count - first < PIECE ? count - first : PIECE;
        vs_leaf_fill_text(leaf, entries, first, n, words);
        for (size_t i = 0; i < n; i++) {
            leaf->entries[first + i] = (words[i / 64] >> (i % 64)) & 1;
        }
    }
    return VS_OK;
}

enum vs_status vs_leaf_prepare(const struct vs_env *env,
                               const struct vs_filter_node *node,
                               const struct vs_column *column,
                               struct vs_leaf *leaf,
                               struct vs_error *err)
{
    leaf->node = node;
    if (!vs_leaf_is_text(column->kind)) {
        return prepare_number(env, node, column->kind, leaf, err);
    }
    VS_TRY(vs_leaf_prepare_text(env, node, leaf, err));
    return column->dictionary != NULL ? prepare_entries(env, column->dictionary, leaf, err) : VS_OK;
}

void vs_leaf_clear(const struct vs_env *env, struct vs_leaf *leaf)
{
    vs_free(env, leaf->memory);
    vs_free(env, leaf->entries);
    vs_free(env, leaf->spare);
}

// ---- filling ----

static const void *values_at(const struct vs_column *column, size_t first, size_t width)
{
    return column->values.data + first * width;
}

static bool in_key_ranges(const struct vs_filter_node *node, vs_int128 key)
{
    size_t low = 0, high = node->range_count;
    while (low < high) { // the last range that does not start behind key
        size_t middle = low + (high - low) / 2;
        const struct vs_filter_range *range = &node->ranges[middle];
        if (range->has_low && range->low > key) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low > 0 && (!node->ranges[low - 1].has_high || key <= node->ranges[low - 1].high);
}

// EXPR is the key of x.
#define FILL_KEYS(TYPE, EXPR)                                                                      \
    do {                                                                                           \
        const TYPE *values = values_at(column, first, sizeof(TYPE));                               \
        for (size_t at = 0; at < count; at += 64) {                                                \
            size_t left = count - at < 64 ? count - at : 64;                                       \
            uint64_t word = 0;                                                                     \
            for (size_t i = 0; i < left; i++) {                                                    \
                const TYPE x = values[at + i];                                                     \
                word |= (uint64_t)in_key_ranges(leaf->node, EXPR) << i;                            \
            }                                                                                      \
            words[at / 64] = word;                                                                 \
        }                                                                                          \
    } while (0)

static void fill_i32(const struct vs_filter_words *loops,
                     const struct vs_leaf *leaf,
                     const int32_t *values,
                     size_t count,
                     uint64_t *words)
{
    if (leaf->form == VS_LEAF_RANGE) {
        loops->range_i32(values, count, (int32_t)leaf->low, (int32_t)leaf->high, words);
    } else if (leaf->form == VS_LEAF_POINTS) {
        loops->points_i32(values, count, leaf->points_i32, leaf->point_count, words);
    } else if (leaf->form == VS_LEAF_TABLE) {
        loops->table_i32(values, count, &leaf->table, words);
    } else {
        loops->set_i32(values, count, &leaf->set, words);
    }
}

static void fill_i64(const struct vs_filter_words *loops,
                     const struct vs_leaf *leaf,
                     const int64_t *values,
                     size_t count,
                     uint64_t *words)
{
    if (leaf->form == VS_LEAF_RANGE) {
        loops->range_i64(values, count, leaf->low, leaf->high, words);
    } else if (leaf->form == VS_LEAF_POINTS) {
        loops->points_i64(values, count, leaf->points, leaf->point_count, words);
    } else if (leaf->form == VS_LEAF_TABLE) {
        loops->table_i64(values, count, &leaf->table, words);
    } else {
        loops->set_i64(values, count, &leaf->set, words);
    }
}

static void fill_real(const struct vs_filter_words *loops,
                      const struct vs_leaf *leaf,
                      const struct vs_column *column,
                      size_t first,
                      size_t count,
                      uint64_t *words)
{
    if (leaf->form == VS_LEAF_REAL && column->kind == VS_KIND_FLOAT) {
        loops->range_f32(values_at(column, first, 4), count, (float)leaf->real_low,
                         (float)leaf->real_high, leaf->nan, words);
    } else if (leaf->form == VS_LEAF_REAL) {
        loops->range_f64(values_at(column, first, 8), count, leaf->real_low, leaf->real_high,
                         leaf->nan, words);
    } else if (column->kind == VS_KIND_FLOAT) {
        FILL_KEYS(float, vs_key_of_f64((double)x));
    } else {
        FILL_KEYS(double, vs_key_of_f64(x));
    }
}

void vs_leaf_fill(const struct vs_leaf *leaf,
                  const struct vs_column *column,
                  size_t first,
                  size_t count,
                  uint64_t *words)
{
    const struct vs_filter_words *loops = vs_filter_words_get();
    if (leaf->form == VS_LEAF_NOTHING || count == 0) {
        memset(words, 0, (count + 63) / 64 * sizeof *words);
        return;
    }
    if (column->dictionary != NULL) {
        loops->lookup(values_at(column, first, 4), count, leaf->entries,
                      (uint32_t)leaf->entry_count, words);
        return;
    }
    switch (column->kind) {
    case VS_KIND_BOOLEAN:
        loops->range_u8(values_at(column, first, 1), count, leaf->low, leaf->high, words);
        break;
    case VS_KIND_INT:
    case VS_KIND_DATE:
        fill_i32(loops, leaf, values_at(column, first, 4), count, words);
        break;
    case VS_KIND_LONG:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        fill_i64(loops, leaf, values_at(column, first, 8), count, words);
        break;
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
        fill_real(loops, leaf, column, first, count, words);
        break;
    case VS_KIND_DECIMAL:
        FILL_KEYS(vs_int128, x);
        break;
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID:
        vs_leaf_fill_text(leaf, column, first, count, words);
        break;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        memset(words, 0, (count + 63) / 64 * sizeof *words);
        break;
    }
}
