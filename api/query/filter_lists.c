// SPDX-License-Identifier: Apache-2.0
/*
 * The tree once more, over groups of lists instead of rows: two bitmaps per node, some row may be
 * true and some row may be false. AND: both may be true; either may be false. OR the other way
 * round, NOT swaps. A comparison whose field has no summary may be anything.
 */
#include "api/query/filter_lists.h"

#include "api/query/filter_leaf.h"

#include <string.h>

struct verdict {
    uint64_t *yes, *no; // may be true, may be false
};

struct judge {
    const struct vs_env *env;
    const struct vs_filter *filter;
    const struct vs_list_summary *summary;
    size_t words;    // of a bitmap
    uint64_t *stack; // two bitmaps per level
};

static void set_to(uint64_t *bits, uint32_t at, bool value)
{
    bits[at / 64] |= (uint64_t)value << (at % 64);
}

static bool is_present(const struct vs_summary_field *field, uint32_t group)
{
    return (field->present[group / 64] >> (group % 64) & 1) != 0;
}

// Keys [low, high] of a group against the ranges of the comparison.
static void judge_range(
    const struct vs_filter_node *node, int64_t low, int64_t high, bool *some_in, bool *some_out)
{
    bool inside = false, covered = false;
    for (size_t i = 0; i < node->range_count; i++) {
        const struct vs_filter_range *range = &node->ranges[i];
        bool from = !range->has_low || range->low <= high,
             to = !range->has_high || range->high >= low;
        bool empty = range->has_low && range->has_high && range->low > range->high;
        inside = inside || (from && to && !empty);
        covered = covered || (!empty && (!range->has_low || range->low <= low) &&
                              (!range->has_high || range->high >= high));
    }
    *some_in = inside;
    *some_out = !covered;
}

static void judge_ranges(const struct judge *j,
                         const struct vs_filter_node *node,
                         const struct vs_summary_field *field,
                         const struct verdict *out)
{
    for (uint32_t g = 0; g < j->summary->group_count; g++) {
        bool some_in = false, some_out = false;
        if (is_present(field, g)) {
            judge_range(node, field->low[g], field->high[g], &some_in, &some_out);
        }
        set_to(out->yes, g, some_in);
        set_to(out->no, g, some_out);
    }
}

// Texts that occur, against the comparison asked of each of them once.
static enum vs_status judge_bits(const struct judge *j,
                                 const struct vs_filter_node *node,
                                 const struct vs_summary_field *field,
                                 const struct verdict *out,
                                 struct vs_error *err)
{
    uint64_t match[VS_SUMMARY_ENTRIES / 64] = {0};
    struct vs_leaf leaf = {.form = VS_LEAF_UNPREPARED};
    enum vs_status status = vs_leaf_prepare(j->env, node, &field->entries, &leaf, err);
    if (status == VS_OK) {
        vs_leaf_fill(&leaf, &field->entries, 0, field->entries.row_count, match);
    }
    vs_leaf_clear(j->env, &leaf);
    for (uint32_t g = 0; status == VS_OK && g < j->summary->group_count; g++) {
        const uint64_t *words = field->words + (size_t)g * field->word_count;
        uint64_t in = 0, others = 0;
        for (size_t w = 0; w < field->word_count; w++) {
            in |= words[w] & match[w];
            others |= words[w] & ~match[w];
        }
        set_to(out->yes, g, in != 0);
        set_to(out->no, g, others != 0);
    }
    return status;
}

// Points only; anything else may hold wherever a text is.
static void judge_bloom(const struct judge *j,
                        const struct vs_filter_node *node,
                        const struct vs_summary_field *field,
                        const struct verdict *out)
{
    bool points = node->op == VS_FILTER_EQ || node->op == VS_FILTER_NE || node->op == VS_FILTER_IN;
    memcpy(out->yes, field->present, j->words * sizeof *out->yes);
    memcpy(out->no, field->present, j->words * sizeof *out->no);
    if (!points) {
        return;
    }
    memset(out->yes, 0, j->words * sizeof *out->yes);
    for (size_t i = 0; i < node->range_count; i++) {
        uint64_t bits[VS_SUMMARY_BLOOM_WORDS] = {0};
        vs_summary_bloom(node->ranges[i].low_text, bits);
        for (uint32_t g = 0; g < j->summary->group_count; g++) {
            const uint64_t *words = field->words + (size_t)g * VS_SUMMARY_BLOOM_WORDS;
            uint64_t missing = 0;
            for (size_t w = 0; w < VS_SUMMARY_BLOOM_WORDS; w++) {
                missing |= bits[w] & ~words[w];
            }
            set_to(out->yes, g, missing == 0 && is_present(field, g));
        }
    }
}

static enum vs_status judge_leaf(const struct judge *j,
                                 const struct vs_filter_node *node,
                                 const struct verdict *out,
                                 struct vs_error *err)
{
    const struct vs_field *column = j->filter->columns[node->column_index];
    const struct vs_summary_field *field =
        vs_list_summary_field(j->summary, column->id, column->kind);
    if (field == NULL) {
        memset(out->yes, 0xFF, j->words * sizeof *out->yes);
        memset(out->no, 0xFF, j->words * sizeof *out->no);
        return VS_OK;
    }
    if (node->op == VS_FILTER_IS_NULL) {
        memcpy(out->yes, field->nulls, j->words * sizeof *out->yes);
        memcpy(out->no, field->present, j->words * sizeof *out->no);
        return VS_OK;
    }
    const struct verdict side = {node->negated ? out->no : out->yes,
                                 node->negated ? out->yes : out->no};
    memset(out->yes, 0, j->words * sizeof *out->yes);
    memset(out->no, 0, j->words * sizeof *out->no);
    if (field->form == VS_SUMMARY_BITS) {
        return judge_bits(j, node, field, &side, err);
    }
    if (field->form == VS_SUMMARY_RANGE) {
        judge_ranges(j, node, field, &side);
    } else {
        judge_bloom(j, node, field, &side);
    }
    return VS_OK;
}

// level, at most filter->depth, picks the bitmaps of this depth.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the parsers build, VS_FILTER_MAX_DEPTH
static enum vs_status judge_node(const struct judge *j,
                                 const struct vs_filter_node *node,
                                 size_t level,
                                 const struct verdict *out,
                                 struct vs_error *err)
{
    if (node->op == VS_FILTER_NOT) {
        const struct verdict swapped = {out->no, out->yes};
        return judge_node(j, node->children[0], level, &swapped, err);
    }
    if (node->op != VS_FILTER_AND && node->op != VS_FILTER_OR) {
        return judge_leaf(j, node, out, err);
    }
    bool is_and = node->op == VS_FILTER_AND;
    if (node->child_count == 0) {
        memset(out->yes, 0xFF, j->words * sizeof *out->yes);
        memset(out->no, 0, j->words * sizeof *out->no);
        return VS_OK;
    }
    VS_TRY(judge_node(j, node->children[0], level + 1, out, err));
    const struct verdict next = {j->stack + level * 2 * j->words,
                                 j->stack + (level * 2 + 1) * j->words};
    for (size_t i = 1; i < node->child_count; i++) {
        VS_TRY(judge_node(j, node->children[i], level + 1, &next, err));
        for (size_t w = 0; w < j->words; w++) {
            out->yes[w] = is_and ? out->yes[w] & next.yes[w] : out->yes[w] | next.yes[w];
            out->no[w] = is_and ? out->no[w] | next.no[w] : out->no[w] & next.no[w];
        }
    }
    return VS_OK;
}

enum vs_status vs_filter_lists(const struct vs_env *env,
                               const struct vs_filter *filter,
                               const struct vs_list_summary *summary,
                               uint64_t *list_bits,
                               uint64_t *count_out,
                               struct vs_error *err)
{
    struct judge j = {env, filter, summary, ((size_t)summary->group_count + 63) / 64, NULL};
    size_t levels = filter->depth + 2;
    j.stack = vs_alloc_zeroed(env, levels * 2 * j.words, sizeof *j.stack);
    if (j.stack == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    uint64_t *no = j.stack + (levels - 1) * 2 * j.words, *yes = no + j.words, count = 0;
    const struct verdict out = {yes, no};
    enum vs_status status = judge_node(&j, filter->root, 0, &out, err);
    memset(list_bits, 0, ((size_t)summary->list_count + 63) / 64 * sizeof *list_bits);
    for (uint32_t list = 0; list < summary->list_count; list++) {
        uint32_t group = list / summary->group_lists;
        bool may = (yes[group / 64] >> (group % 64) & 1) != 0;
        set_to(list_bits, list, may);
        count += may;
    }
    vs_free(env, j.stack);
    if (status == VS_OK) {
        *count_out = count;
    }
    return status;
}
