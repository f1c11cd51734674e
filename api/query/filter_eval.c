// SPDX-License-Identifier: Apache-2.0
/*
 * Evaluation, CHUNK rows at a time. A result is two bitmaps: true and false; a row in neither is
 * unknown. AND: true = a & b, false = a | b of the falses; OR the other way round; NOT swaps.
 * Leaves over dictionary columns look at each dictionary entry once per call.
 */
#include "api/query/filter.h"
#include "api/query/filter_key.h"
#include "vecstore/base/checked.h"

#define CHUNK 32768
#define CHUNK_WORDS (CHUNK / 64)

struct result {
    uint64_t *yes, *no;
};

struct evaluator {
    const struct vs_env *env;
    const struct vs_column *const *columns;
    uint64_t **dictionary; // per leaf: bit per entry that matches; NULL until needed
    uint64_t *stack;       // two bitmaps per level
    size_t first, count;   // rows of this chunk
};

bool vs_like_match(struct vs_str pattern, struct vs_str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;
    while (t < text.len) {
        bool matched = false;
        if (p < pattern.len && pattern.ptr[p] == '%') {
            star = ++p;
            star_text = t;
            continue;
        }
        if (p < pattern.len && pattern.ptr[p] == '_') {
            p++;
            do {
                t++;
            } while (t < text.len && ((unsigned char)text.ptr[t] & 0xC0) == 0x80);
            matched = true;
        } else if (p < pattern.len) {
            size_t literal = p + (pattern.ptr[p] == '\\' && p + 1 < pattern.len);
            if (pattern.ptr[literal] == text.ptr[t]) {
                p = literal + 1;
                t++;
                matched = true;
            }
        }
        if (!matched) {
            if (star == SIZE_MAX) {
                return false;
            }
            p = star; // the last % takes one byte more
            t = ++star_text;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '%') {
        p++;
    }
    return p == pattern.len;
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

static bool in_text_ranges(const struct vs_filter_node *node, struct vs_str text)
{
    size_t low = 0, high = node->range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct vs_filter_range *range = &node->ranges[middle];
        int order = range->has_low ? vs_str_compare(text, range->low_text) : 1;
        if (order < 0 || (order == 0 && range->low_open)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low == 0) {
        return false;
    }
    const struct vs_filter_range *range = &node->ranges[low - 1];
    int order = range->has_high ? vs_str_compare(text, range->high_text) : -1;
    return order < 0 || (order == 0 && !range->high_open);
}

static bool is_text_kind(enum vs_kind kind)
{
    return kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_FIXED ||
           kind == VS_KIND_UUID;
}

// One present value of a scalar column without dictionary.
static bool test_value(const struct vs_filter_node *node,
                       const struct vs_column *column,
                       size_t row)
{
    if (is_text_kind(column->kind)) {
        struct vs_str text = vs_column_get_bytes(column, row);
        return node->op == VS_FILTER_LIKE ? vs_like_match(node->literals[0].text, text)
                                          : in_text_ranges(node, text);
    }
    struct vs_value value = vs_column_get(column, row);
    if (column->kind == VS_KIND_DECIMAL) {
        return in_key_ranges(node, value.as.decimal);
    }
    if (column->kind == VS_KIND_FLOAT || column->kind == VS_KIND_DOUBLE) {
        return in_key_ranges(node, vs_key_of_f64(value.as.real));
    }
    return in_key_ranges(node, column->kind == VS_KIND_BOOLEAN ? (vs_int128)value.as.boolean
                                                               : value.as.integer);
}

static enum vs_status prepare_dictionary(struct evaluator *e,
                                         const struct vs_filter_node *node,
                                         const struct vs_column *column,
                                         struct vs_error *err)
{
    if (e->dictionary[node->leaf_index] != NULL) {
        return VS_OK;
    }
    size_t count = column->dictionary->row_count;
    uint64_t *bits = vs_alloc_zeroed(e->env, (count + 63) / 64 + 1, sizeof *bits);
    if (bits == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        if (test_value(node, column->dictionary, i)) {
            bits[i / 64] |= UINT64_C(1) << (i % 64);
        }
    }
    e->dictionary[node->leaf_index] = bits;
    return VS_OK;
}

// yes[word] gets bit i where EXPR holds for row x[i]; a loop that compilers vectorise.
#define FILL_BITS(TYPE, EXPR)                                                                      \
    do {                                                                                           \
        const TYPE *values = (const TYPE *)(const void *)column->values.data + e->first;           \
        for (size_t w = 0; w * 64 < e->count; w++) {                                               \
            size_t left = e->count - w * 64 < 64 ? e->count - w * 64 : 64;                         \
            uint64_t word = 0;                                                                     \
            for (size_t i = 0; i < left; i++) {                                                    \
                const TYPE x = values[w * 64 + i];                                                 \
                word |= (uint64_t)(EXPR) << i;                                                     \
            }                                                                                      \
            out->yes[w] = word;                                                                    \
        }                                                                                          \
    } while (0)

static int64_t clamp_key(vs_int128 key)
{
    return key < INT64_MIN ? INT64_MIN : (key > INT64_MAX ? INT64_MAX : (int64_t)key);
}

static void fill_codes(const struct evaluator *e,
                       const struct vs_filter_node *node,
                       const struct vs_column *column,
                       struct result *out)
{
    const uint64_t *bits = e->dictionary[node->leaf_index];
    size_t entries = column->dictionary->row_count;
    FILL_BITS(uint32_t, x < entries ? (bits[x / 64] >> (x % 64)) & 1 : 0);
}

// One range over integers and floats.
static bool fill_range(const struct evaluator *e,
                       const struct vs_filter_node *node,
                       const struct vs_column *column,
                       struct result *out)
{
    if (node->range_count != 1 || is_text_kind(column->kind) || column->kind == VS_KIND_DECIMAL ||
        column->kind == VS_KIND_LIST) {
        return false;
    }
    const struct vs_filter_range *range = &node->ranges[0];
    int64_t low = range->has_low ? clamp_key(range->low) : INT64_MIN;
    int64_t high = range->has_high ? clamp_key(range->high) : INT64_MAX;
    if ((range->has_low && range->low > INT64_MAX) ||
        (range->has_high && range->high < INT64_MIN)) {
        return false; // an empty range
    }
    switch (column->kind) {
    case VS_KIND_BOOLEAN:
        FILL_BITS(uint8_t, ((int64_t)(x != 0) >= low) & ((int64_t)(x != 0) <= high));
        return true;
    case VS_KIND_INT:
    case VS_KIND_DATE:
        FILL_BITS(int32_t, ((int64_t)x >= low) & ((int64_t)x <= high));
        return true;
    case VS_KIND_LONG:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        FILL_BITS(int64_t, (x >= low) & (x <= high));
        return true;
    case VS_KIND_FLOAT:
        FILL_BITS(float,
                  (int)(vs_key_of_f64((double)x) >= low) & (int)(vs_key_of_f64((double)x) <= high));
        return true;
    case VS_KIND_DOUBLE:
        FILL_BITS(double, (int)(vs_key_of_f64(x) >= low) & (int)(vs_key_of_f64(x) <= high));
        return true;
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID:
    case VS_KIND_DECIMAL:
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return false;
}

// A list matches when one of its present elements does.
static bool test_list(const struct vs_filter_node *node,
                      const struct vs_column *column,
                      size_t row,
                      const uint64_t *entry_bits)
{
    const struct vs_column *child = column->child;
    size_t first, count;
    vs_column_get_list(column, row, &first, &count);
    for (size_t i = first; i < first + count; i++) {
        if (vs_column_is_null(child, i)) {
            continue;
        }
        if (child->dictionary != NULL) {
            uint32_t code = ((const uint32_t *)(const void *)child->values.data)[i];
            if (code < child->dictionary->row_count &&
                ((entry_bits[code / 64] >> (code % 64)) & 1) != 0) {
                return true;
            }
        } else if (test_value(node, child, i)) {
            return true;
        }
    }
    return false;
}

static void fill_slowly(const struct evaluator *e,
                        const struct vs_filter_node *node,
                        const struct vs_column *column,
                        struct result *out)
{
    for (size_t i = 0; i < e->count; i++) {
        size_t row = e->first + i;
        bool yes = false;
        if (!vs_column_is_null(column, row)) {
            yes = column->kind == VS_KIND_LIST
                      ? test_list(node, column, row, e->dictionary[node->leaf_index])
                      : test_value(node, column, row);
        }
        out->yes[i / 64] = (i % 64 == 0 ? 0 : out->yes[i / 64]) | (uint64_t)yes << (i % 64);
    }
}

static void present_bits(const struct evaluator *e, const struct vs_column *column, uint64_t *bits)
{
    for (size_t w = 0; w * 64 < e->count; w++) {
        size_t left = e->count - w * 64 < 64 ? e->count - w * 64 : 64;
        uint64_t word = left == 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
        if (column->valid.len != 0) {
            const uint8_t *valid = column->valid.data + e->first + w * 64;
            word = 0;
            for (size_t i = 0; i < left; i++) {
                word |= (uint64_t)(valid[i] != 0) << i;
            }
        }
        bits[w] = word;
    }
}

static enum vs_status eval_leaf(struct evaluator *e,
                                const struct vs_filter_node *node,
                                struct result *out,
                                struct vs_error *err)
{
    const struct vs_column *column = e->columns[node->column_index];
    size_t words = (e->count + 63) / 64;
    present_bits(e, column, out->no);
    if (node->op == VS_FILTER_IS_NULL) {
        for (size_t w = 0; w < words; w++) {
            size_t left = e->count - w * 64;
            out->yes[w] = ~out->no[w] & (left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX);
        }
        return VS_OK;
    }
    const struct vs_column *coded = column->kind == VS_KIND_LIST ? column->child : column;
    if (coded->dictionary != NULL) {
        VS_TRY(prepare_dictionary(e, node, coded, err));
    }
    if (column->dictionary != NULL) {
        fill_codes(e, node, column, out);
    } else if (!fill_range(e, node, column, out)) {
        fill_slowly(e, node, column, out);
    }
    for (size_t w = 0; w < words; w++) {
        uint64_t present = out->no[w], matched = out->yes[w] & present;
        out->yes[w] = node->negated ? present & ~matched : matched;
        out->no[w] = node->negated ? matched : present & ~matched;
    }
    return VS_OK;
}

// level, at most filter->depth, picks the bitmaps of this depth.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the parsers build, VS_FILTER_MAX_DEPTH
static enum vs_status eval_node(struct evaluator *e,
                                const struct vs_filter_node *node,
                                size_t level,
                                struct result *out,
                                struct vs_error *err)
{
    if (node->op == VS_FILTER_NOT) {
        struct result swapped = {out->no, out->yes};
        return eval_node(e, node->children[0], level, &swapped, err);
    }
    if (node->op != VS_FILTER_AND && node->op != VS_FILTER_OR) {
        return eval_leaf(e, node, out, err);
    }
    bool is_and = node->op == VS_FILTER_AND;
    size_t words = (e->count + 63) / 64;
    if (node->child_count == 0) {
        memset(out->yes, 0xFF, words * sizeof *out->yes);
        memset(out->no, 0, words * sizeof *out->no);
        return VS_OK;
    }
    VS_TRY(eval_node(e, node->children[0], level + 1, out, err));
    struct result next = {e->stack + level * 2 * CHUNK_WORDS,
                          e->stack + (level * 2 + 1) * CHUNK_WORDS};
    for (size_t i = 1; i < node->child_count; i++) {
        VS_TRY(eval_node(e, node->children[i], level + 1, &next, err));
        for (size_t w = 0; w < words; w++) {
            out->yes[w] = is_and ? out->yes[w] & next.yes[w] : out->yes[w] | next.yes[w];
            out->no[w] = is_and ? out->no[w] | next.no[w] : out->no[w] & next.no[w];
        }
    }
    return VS_OK;
}

enum vs_status vs_filter_eval(const struct vs_env *env,
                              const struct vs_filter *filter,
                              const struct vs_column *const *columns,
                              size_t row_count,
                              uint64_t *match,
                              struct vs_error *err)
{
    struct evaluator e = {.env = env, .columns = columns};
    size_t levels = filter->depth + 2;
    enum vs_status status = VS_OK;
    e.dictionary = vs_alloc_zeroed(env, filter->leaf_count + 1, sizeof *e.dictionary);
    e.stack = vs_alloc_zeroed(env, levels * 2 * CHUNK_WORDS, sizeof *e.stack);
    if (e.dictionary == NULL || e.stack == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
        goto done;
    }
    uint64_t *no = e.stack + (levels - 1) * 2 * CHUNK_WORDS, *yes = no + CHUNK_WORDS;
    for (e.first = 0; e.first < row_count && status == VS_OK; e.first += CHUNK) {
        e.count = row_count - e.first < CHUNK ? row_count - e.first : CHUNK;
        struct result out = {yes, no};
        status = eval_node(&e, filter->root, 0, &out, err);
        memcpy(match + e.first / 64, yes, (e.count + 63) / 64 * sizeof *match);
    }
    if (status == VS_OK && row_count % 64 != 0) {
        match[row_count / 64] &= (UINT64_C(1) << (row_count % 64)) - 1;
    }
done:
    for (size_t i = 0; e.dictionary != NULL && i < filter->leaf_count; i++) {
        vs_free(env, e.dictionary[i]);
    }
    vs_free(env, e.dictionary);
    vs_free(env, e.stack);
    return status;
}
