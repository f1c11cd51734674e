// SPDX-License-Identifier: Apache-2.0
/*
 * Texts, binary and uuids. Most comparisons are settled by the first eight bytes as one big-endian
 * number: texts whose numbers differ are ordered as the numbers are.
 */
#include "api/query/filter_leaf.h"

#include <string.h>

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

// The first eight bytes, zeros behind the end; `room` bytes may be read from ptr on.
static inline uint64_t text_key(const char *ptr, size_t len, size_t room)
{
    uint64_t key = 0;
    if (room >= 8) {
        memcpy(&key, ptr, 8);
        key = __builtin_bswap64(key);
        return len >= 8 ? key : (len > 0 ? key >> (64 - 8 * len) << (64 - 8 * len) : 0);
    }
    for (size_t i = 0; i < len && i < 8; i++) {
        key |= (uint64_t)(unsigned char)ptr[i] << (56 - 8 * i);
    }
    return key;
}

// Tells values of a set apart before they are compared: by their start and length.
static inline int64_t set_key(uint64_t key, size_t len)
{
    return (int64_t)(key ^ (uint64_t)len * UINT64_C(0xff51afd7ed558ccd));
}

// ---- preparing ----

static void take_range(const struct vs_filter_range *range, struct vs_leaf *leaf)
{
    leaf->form = VS_LEAF_TEXT_RANGE;
    leaf->has_low = range->has_low;
    leaf->has_high = range->has_high;
    leaf->low_text = range->low_text;
    leaf->high_text = range->high_text;
    leaf->low_key = range->has_low ? text_key(range->low_text.ptr, range->low_text.len, 0) : 0;
    leaf->high_key = range->has_high ? text_key(range->high_text.ptr, range->high_text.len, 0) : 0;
}

static void take_prefix(struct vs_str prefix, struct vs_leaf *leaf)
{
    leaf->prefix = prefix;
    leaf->low_key = text_key(prefix.ptr, prefix.len, 0);
    if (prefix.len >= 8) {
        memcpy(&leaf->tail, prefix.ptr + prefix.len - 8, sizeof leaf->tail);
    }
}

// A literal between two %: unescaped to `text`, which has room for the pattern. False for others.
static bool take_part(struct vs_str pattern, char *text, struct vs_leaf *leaf)
{
    size_t p = 0, len = 0;
    while (p < pattern.len && pattern.ptr[p] == '%') {
        p++;
    }
    bool starts = p > 0;
    while (p < pattern.len && pattern.ptr[p] != '%' && pattern.ptr[p] != '_') {
        p += pattern.ptr[p] == '\\' && p + 1 < pattern.len;
        text[len++] = pattern.ptr[p++];
    }
    bool ends = p < pattern.len;
    while (p < pattern.len && pattern.ptr[p] == '%') {
        p++;
    }
    if (!starts || !ends || p < pattern.len) {
        return false;
    }
    leaf->prefix = (struct vs_str){text, len};
    return true;
}

// Patterns without wildcards are points; those with one % at the end are prefixes.
static enum vs_status prepare_like(const struct vs_env *env,
                                   struct vs_str pattern,
                                   struct vs_leaf *leaf,
                                   struct vs_error *err)
{
    char *text = vs_alloc(env, pattern.len + 1);
    if (text == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    leaf->memory = text;
    size_t p = 0, len = 0;
    while (p < pattern.len && pattern.ptr[p] != '%' && pattern.ptr[p] != '_') {
        p += pattern.ptr[p] == '\\' && p + 1 < pattern.len;
        text[len++] = pattern.ptr[p++];
    }
    take_prefix((struct vs_str){text, len}, leaf);
    leaf->form = p == pattern.len ? VS_LEAF_TEXT_EQUAL : VS_LEAF_TEXT_LIKE;
    if (p == pattern.len) {
        return VS_OK;
    }
    while (p < pattern.len && pattern.ptr[p] == '%') {
        p++;
    }
    if (p == pattern.len) {
        leaf->form = VS_LEAF_TEXT_PREFIX;
    } else if (len == 0 && take_part(pattern, text, leaf)) {
        leaf->form = VS_LEAF_TEXT_PART;
    }
    return VS_OK;
}

static enum vs_status prepare_set(const struct vs_env *env,
                                  const struct vs_filter_node *node,
                                  struct vs_leaf *leaf,
                                  struct vs_error *err)
{
    int64_t *keys = vs_alloc(env, node->range_count * sizeof *keys);
    if (keys == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    for (size_t i = 0; i < node->range_count; i++) {
        struct vs_str text = node->ranges[i].low_text;
        keys[i] = set_key(text_key(text.ptr, text.len, 0), text.len);
    }
    leaf->form = VS_LEAF_TEXT_SET;
    enum vs_status status =
        vs_key_set_make(env, keys, node->range_count, &leaf->memory, &leaf->set, err);
    vs_free(env, keys);
    return status;
}

enum vs_status vs_leaf_prepare_text(const struct vs_env *env,
                                    const struct vs_filter_node *node,
                                    struct vs_leaf *leaf,
                                    struct vs_error *err)
{
    if (node->op == VS_FILTER_LIKE) {
        return prepare_like(env, node->literals[0].text, leaf, err);
    }
    const struct vs_filter_range *range = node->ranges;
    if (node->range_count == 1) {
        bool is_point = range->has_low && range->has_high && !range->low_open &&
                        !range->high_open && vs_str_equal(range->low_text, range->high_text);
        if (is_point) {
            take_prefix(range->low_text, leaf);
            leaf->form = VS_LEAF_TEXT_EQUAL;
        } else {
            take_range(range, leaf);
        }
        return VS_OK;
    }
    if (node->range_count > 1) {
        return prepare_set(env, node, leaf, err);
    }
    leaf->form = VS_LEAF_NOTHING;
    return VS_OK;
}

// ---- filling ----

static inline bool in_range(const struct vs_leaf *leaf, struct vs_str text, uint64_t key)
{
    const struct vs_filter_range *range = leaf->node->ranges;
    bool above = !leaf->has_low || key > leaf->low_key,
         below = !leaf->has_high || key < leaf->high_key;
    if (!above && key == leaf->low_key) {
        int order = vs_str_compare(text, leaf->low_text);
        above = order > 0 || (order == 0 && !range->low_open);
    }
    if (above && !below && key == leaf->high_key) {
        int order = vs_str_compare(text, leaf->high_text);
        below = order < 0 || (order == 0 && !range->high_open);
    }
    return above && below;
}

// The first eight bytes and the last eight of the prefix, which may overlap; only of longer ones
// something is left.
static inline bool has_prefix(const struct vs_leaf *leaf, struct vs_str text, uint64_t key)
{
    size_t len = leaf->prefix.len;
    uint64_t tail;
    if (text.len < len) {
        return false;
    }
    if (len < 8) {
        return len == 0 || (key ^ leaf->low_key) >> (64 - 8 * len) == 0;
    }
    memcpy(&tail, text.ptr + len - 8, sizeof tail);
    return key == leaf->low_key && tail == leaf->tail &&
           (len <= 16 || memcmp(text.ptr + 8, leaf->prefix.ptr + 8, len - 16) == 0);
}

static bool in_set(const struct vs_leaf *leaf, struct vs_str text, uint64_t key)
{
    if (!vs_key_set_has(&leaf->set, set_key(key, text.len))) {
        return false;
    }
    size_t low = 0, high = leaf->node->range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = vs_str_compare(text, leaf->node->ranges[middle].low_text);
        if (order == 0) {
            return true;
        }
        low = order > 0 ? middle + 1 : low;
        high = order > 0 ? high : middle;
    }
    return false;
}

// Looks through all values at once; what begins in one and ends in another is passed over.
static void fill_part(const struct vs_leaf *leaf,
                      const char *data,
                      const uint32_t *offsets, // of the first value
                      size_t count,
                      uint64_t *words)
{
    const struct vs_str part = leaf->prefix;
    size_t at = offsets[0], end = offsets[count], row = 0;
    memset(words, 0, (count + 63) / 64 * sizeof *words);
    while (at < end) {
        const char *hit = memmem(data + at, end - at, part.ptr, part.len);
        if (hit == NULL) {
            break;
        }
        at = (size_t)(hit - data);
        while (offsets[row + 1] <= at) {
            row++;
        }
        bool inside = at + part.len <= offsets[row + 1];
        words[row / 64] |= (uint64_t)inside << (row % 64);
        at = inside ? offsets[row + 1] : at + 1;
    }
}

// TEST over text and key of each value.
#define FILL_TEXTS(TEST)                                                                           \
    for (size_t at = 0; at < count; at += 64) {                                                    \
        size_t left = count - at < 64 ? count - at : 64;                                           \
        uint64_t word = 0;                                                                         \
        for (size_t i = 0; i < left; i++) {                                                        \
            size_t row = first + at + i, begin = is_uuid ? row * 16 : offsets[row],                \
                   end = is_uuid ? begin + 16 : offsets[row + 1];                                  \
            const struct vs_str text = {data + begin, end - begin};                                \
            const uint64_t key = text_key(text.ptr, text.len, column->values.len - begin);         \
            word |= (uint64_t)(TEST) << i;                                                         \
        }                                                                                          \
        words[at / 64] = word;                                                                     \
    }

void vs_leaf_fill_text(const struct vs_leaf *leaf,
                       const struct vs_column *column,
                       size_t first,
                       size_t count,
                       uint64_t *words)
{
    bool is_uuid = column->kind == VS_KIND_UUID;
    const uint32_t *offsets = (const uint32_t *)(const void *)column->offsets.data;
    const char *data = column->values.len > 0 ? (const char *)column->values.data : "";
    switch (leaf->form) {
    case VS_LEAF_TEXT_RANGE:
        FILL_TEXTS(in_range(leaf, text, key));
        break;
    case VS_LEAF_TEXT_EQUAL:
        FILL_TEXTS(text.len == leaf->prefix.len && has_prefix(leaf, text, key));
        break;
    case VS_LEAF_TEXT_PREFIX:
        FILL_TEXTS(has_prefix(leaf, text, key));
        break;
    case VS_LEAF_TEXT_SET:
        FILL_TEXTS(in_set(leaf, text, key));
        break;
    case VS_LEAF_TEXT_PART:
        fill_part(leaf, data, offsets + first, count, words);
        break;
    case VS_LEAF_TEXT_LIKE:
        FILL_TEXTS(has_prefix(leaf, text, key) &&
                   vs_like_match(leaf->node->literals[0].text, text));
        break;
    case VS_LEAF_UNPREPARED:
    case VS_LEAF_NOTHING:
    case VS_LEAF_RANGE:
    case VS_LEAF_POINTS:
    case VS_LEAF_TABLE:
    case VS_LEAF_SET:
    case VS_LEAF_REAL:
    case VS_LEAF_REALS:
    case VS_LEAF_DECIMAL:
        memset(words, 0, (count + 63) / 64 * sizeof *words);
        break;
    }
}
