// SPDX-License-Identifier: Apache-2.0
/*
 * Evaluation, CHUNK rows at a time. A result is two bitmaps: true and false; a row in neither is
 * unknown. AND: true = a & b, false = a | b of the falses; OR the other way round; NOT swaps. Which
 * rows are false matters only below a NOT; elsewhere that bitmap is left alone, and AND stops where
 * no row is left.
 */
#include "api/query/filter.h"
#include "api/query/filter_leaf.h"
#include "api/query/row_bits.h"

#include <string.h>

#define CHUNK 32768
#define CHUNK_WORDS (CHUNK / 64)

struct result {
    uint64_t *yes, *no;
    bool want_yes, want_no;
};

struct evaluator {
    const struct vs_env *env;
    const struct vs_column *const *columns;
    struct vs_leaf *leaves; // [leaf_count], prepared when needed
    uint64_t *stack;        // two bitmaps per level
    uint64_t *present;      // of a leaf
    size_t first, count;    // rows of this chunk
};

static uint64_t word_rows(const struct evaluator *e, size_t w)
{
    size_t left = e->count - w * 64;
    return left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
}

static void present_bits(const struct vs_column *column, size_t first, size_t count, uint64_t *bits)
{
    if (column->valid.len != 0) {
        vs_filter_words_get()->bytes(column->valid.data + first, count, bits);
        return;
    }
    memset(bits, 0xFF, count / 64 * sizeof *bits);
    if (count % 64 != 0) {
        bits[count / 64] = (UINT64_C(1) << (count % 64)) - 1;
    }
}

// ---- lists ----

// A list matches when one of its present elements does: elements first, then rows over their bits.
static enum vs_status fill_lists(struct evaluator *e,
                                 struct vs_leaf *leaf,
                                 const struct vs_column *column,
                                 uint64_t *yes,
                                 struct vs_error *err)
{
    const uint32_t *offsets = (const uint32_t *)(const void *)column->offsets.data + e->first;
    size_t first = offsets[0], count = offsets[e->count] - first, words = (count + 63) / 64;
    if (leaf->spare_words < 2 * words) {
        vs_free(e->env, leaf->spare);
        leaf->spare_words = 0;
        leaf->spare = vs_alloc(e->env, 2 * words * sizeof *leaf->spare);
        if (leaf->spare == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
        }
        leaf->spare_words = 2 * words;
    }
    uint64_t *matched = leaf->spare, *present = leaf->spare + words;
    if (count > 0) {
        vs_leaf_fill(leaf, column->child, first, count, matched);
        present_bits(column->child, first, count, present);
    }
    for (size_t w = 0; w < words; w++) {
        matched[w] &= present[w];
    }
    memset(yes, 0, (e->count + 63) / 64 * sizeof *yes);
    for (size_t i = 0; i < e->count; i++) {
        size_t end = offsets[i + 1] - first;
        uint64_t any = vs_bits_next(matched, offsets[i] - first, end) < end;
        yes[i / 64] |= any << (i % 64);
    }
    return VS_OK;
}

// ---- the tree ----

static enum vs_status eval_leaf(struct evaluator *e,
                                const struct vs_filter_node *node,
                                const struct result *out,
                                struct vs_error *err)
{
    const struct vs_column *column = e->columns[node->column_index];
    size_t words = (e->count + 63) / 64;
    present_bits(column, e->first, e->count, e->present);
    if (node->op == VS_FILTER_IS_NULL) {
        for (size_t w = 0; w < words; w++) {
            out->yes[w] = ~e->present[w] & word_rows(e, w);
            out->no[w] = e->present[w];
        }
        return VS_OK;
    }
    struct vs_leaf *leaf = &e->leaves[node->leaf_index];
    const struct vs_column *values = column->kind == VS_KIND_LIST ? column->child : column;
    if (leaf->form == VS_LEAF_UNPREPARED) {
        VS_TRY(vs_leaf_prepare(e->env, node, values, leaf, err));
    }
    if (column->kind == VS_KIND_LIST) {
        VS_TRY(fill_lists(e, leaf, column, out->yes, err));
    } else {
        vs_leaf_fill(leaf, column, e->first, e->count, out->yes);
    }
    for (size_t w = 0; w < words; w++) {
        uint64_t matched = out->yes[w] & e->present[w], rest = e->present[w] & ~matched;
        out->yes[w] = node->negated ? rest : matched;
        out->no[w] = node->negated ? matched : rest;
    }
    return VS_OK;
}

static bool is_zero(const uint64_t *words, size_t count)
{
    uint64_t any = 0;
    for (size_t w = 0; w < count; w++) {
        any |= words[w];
    }
    return any == 0;
}

// Nothing that comes later can change what is wanted.
static bool is_settled(const struct evaluator *e, const struct result *out, bool is_and)
{
    size_t words = (e->count + 63) / 64;
    if (is_and && !out->want_no) {
        return is_zero(out->yes, words);
    }
    return !is_and && !out->want_yes && is_zero(out->no, words);
}

// level, at most filter->depth, picks the bitmaps of this depth.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the parsers build, VS_FILTER_MAX_DEPTH
static enum vs_status eval_node(struct evaluator *e,
                                const struct vs_filter_node *node,
                                size_t level,
                                const struct result *out,
                                struct vs_error *err)
{
    if (node->op == VS_FILTER_NOT) {
        const struct result swapped = {out->no, out->yes, out->want_no, out->want_yes};
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
    const struct result next = {e->stack + level * 2 * CHUNK_WORDS,
                                e->stack + (level * 2 + 1) * CHUNK_WORDS, out->want_yes,
                                out->want_no};
    for (size_t i = 1; i < node->child_count && !is_settled(e, out, is_and); i++) {
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
    e.leaves = vs_alloc_zeroed(env, filter->leaf_count + 1, sizeof *e.leaves);
    e.stack = vs_alloc_zeroed(env, (levels * 2 + 1) * CHUNK_WORDS, sizeof *e.stack);
    if (e.leaves == NULL || e.stack == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
        goto done;
    }
    uint64_t *no = e.stack + (levels - 1) * 2 * CHUNK_WORDS, *yes = no + CHUNK_WORDS;
    e.present = yes + CHUNK_WORDS;
    const struct result out = {yes, no, true, false};
    for (e.first = 0; e.first < row_count && status == VS_OK; e.first += CHUNK) {
        e.count = row_count - e.first < CHUNK ? row_count - e.first : CHUNK;
        status = eval_node(&e, filter->root, 0, &out, err);
        memcpy(match + e.first / 64, yes, (e.count + 63) / 64 * sizeof *match);
    }
    if (status == VS_OK && row_count % 64 != 0) {
        match[row_count / 64] &= (UINT64_C(1) << (row_count % 64)) - 1;
    }
done:
    for (size_t i = 0; e.leaves != NULL && i < filter->leaf_count; i++) {
        vs_leaf_clear(env, &e.leaves[i]);
    }
    vs_free(env, e.leaves);
    vs_free(env, e.stack);
    return status;
}
