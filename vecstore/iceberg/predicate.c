// SPDX-License-Identifier: Apache-2.0
/*
 * Whether rows with given bounds can match a predicate.
 */
#include "vecstore/iceberg/predicate_internal.h"

#include <math.h>

#define MAX_DEPTH 100

// ---- leaves ----

static bool is_real(enum vs_kind kind)
{
    return kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE;
}

// Bounds that can be compared with the value; others say nothing.
static bool comparable(const struct vs_value *bound, const struct vs_value *value)
{
    return bound->kind == value->kind || (is_real(bound->kind) && is_real(value->kind));
}

// -1: all values lie below `value` or at most ... ; see the callers.
static bool all_below(const struct vs_value_range *r, const struct vs_value *value, bool or_equal)
{
    if (!r->has_upper || !comparable(&r->upper, value)) {
        return false;
    }
    int order = vs_value_compare(&r->upper, value);
    return order < 0 || (or_equal && order == 0);
}

static bool all_above(const struct vs_value_range *r, const struct vs_value *value, bool or_equal)
{
    if (!r->has_lower || !comparable(&r->lower, value)) {
        return false;
    }
    int order = vs_value_compare(&r->lower, value);
    return order > 0 || (or_equal && order == 0);
}

static bool may_equal(const struct vs_value_range *r, const struct vs_value *value)
{
    if (is_real(value->kind) && isnan(value->as.real)) {
        return r->may_be_nan;
    }
    return r->may_be_value && !all_below(r, value, false) && !all_above(r, value, false);
}

// Only where both bounds are the value itself: text and bytes may have been cut.
static bool all_equal(const struct vs_value_range *r, const struct vs_value *value)
{
    enum vs_kind kind = value->kind;
    return kind != VS_KIND_STRING && kind != VS_KIND_BINARY && kind != VS_KIND_FIXED &&
           all_below(r, value, true) && all_above(r, value, true);
}

// A NaN is above every number in our order and unordered elsewhere: it is kept wherever one of the
// two readings of the comparison holds.
static bool may_order(const struct vs_value_range *r,
                      enum vs_predicate_op op,
                      bool negated,
                      const struct vs_value *value)
{
    bool below = op == VS_PREDICATE_LT || op == VS_PREDICATE_LE;
    if (is_real(value->kind) && isnan(value->as.real)) {
        return r->may_be_nan || r->may_be_value;
    }
    if (r->may_be_nan && (negated || !below)) {
        return true;
    }
    bool strict = op == VS_PREDICATE_LT || op == VS_PREDICATE_GT;
    if (negated) {
        below = !below;
        strict = !strict;
    }
    if (!r->may_be_value) {
        return false;
    }
    return below ? !all_above(r, value, strict) : !all_below(r, value, strict);
}

static bool starts_with(struct vs_str text, struct vs_str prefix)
{
    return text.len >= prefix.len && vs_str_starts_with(text, prefix);
}

static bool may_start(const struct vs_value_range *r, bool negated, const struct vs_value *value)
{
    struct vs_str prefix = value->as.text;
    if (!r->may_be_value) {
        return false;
    }
    bool has_lower = r->has_lower && comparable(&r->lower, value);
    bool has_upper = r->has_upper && comparable(&r->upper, value);
    if (negated) {
        // Everything between two texts with the prefix has it.
        return !(has_lower && has_upper && starts_with(r->lower.as.text, prefix) &&
                 starts_with(r->upper.as.text, prefix));
    }
    if (has_upper && vs_str_compare(r->upper.as.text, prefix) < 0) {
        return false;
    }
    return !(has_lower && vs_str_compare(r->lower.as.text, prefix) > 0 &&
             !starts_with(r->lower.as.text, prefix));
}

static bool may_be_in(const struct vs_predicate *leaf,
                      bool negated,
                      const struct vs_value_range *range)
{
    if (negated) {
        if (!range->may_be_value && !range->may_be_nan) {
            return false;
        }
        for (size_t i = 0; i < leaf->value_count && !range->may_be_nan; i++) {
            if (!leaf->values[i].is_null && all_equal(range, &leaf->values[i])) {
                return false;
            }
        }
        return true;
    }
    for (size_t i = 0; i < leaf->value_count; i++) {
        if (!leaf->values[i].is_null && may_equal(range, &leaf->values[i])) {
            return true;
        }
    }
    return false;
}

// Bounds that cross were made in another order than ours (Java compares the halves of UUIDs as
// signed numbers): they say nothing.
static struct vs_value_range without_crossed_bounds(const struct vs_value_range *range)
{
    struct vs_value_range known = *range;
    if (known.has_lower && known.has_upper && known.lower.kind == known.upper.kind &&
        vs_value_compare(&known.lower, &known.upper) > 0) {
        known.has_lower = known.has_upper = false;
    }
    return known;
}

bool vs_predicate_leaf_may_match(const struct vs_predicate *leaf,
                                 bool negated,
                                 const struct vs_value_range *as_written)
{
    const struct vs_value_range known = without_crossed_bounds(as_written), *range = &known;
    if (leaf->op == VS_PREDICATE_IS_NULL) {
        return negated ? range->may_be_value || range->may_be_nan : range->may_be_null;
    }
    if (leaf->op == VS_PREDICATE_IS_NAN) {
        return negated ? range->may_be_value || range->may_be_null : range->may_be_nan;
    }
    bool is_in =
        leaf->op == VS_PREDICATE_IN || leaf->op == VS_PREDICATE_EQ || leaf->op == VS_PREDICATE_NE;
    if (is_in) {
        return may_be_in(leaf, negated != (leaf->op == VS_PREDICATE_NE), range);
    }
    if (leaf->value_count == 0 || leaf->values[0].is_null) {
        return false; // unknown for every row
    }
    if (leaf->op == VS_PREDICATE_STARTS_WITH) {
        return may_start(range, negated, &leaf->values[0]);
    }
    return may_order(range, leaf->op, negated, &leaf->values[0]);
}

// ---- trees ----

// NOLINTNEXTLINE(misc-no-recursion): ends at MAX_DEPTH
static bool walk(
    const struct vs_predicate *p, bool negated, unsigned depth, vs_leaf_fn leaf, void *ctx)
{
    if (depth > MAX_DEPTH) {
        return true;
    }
    if (p->op == VS_PREDICATE_TRUE || p->op == VS_PREDICATE_FALSE) {
        return (p->op == VS_PREDICATE_TRUE) != negated;
    }
    if (p->op == VS_PREDICATE_NOT) {
        return p->child_count == 0 || walk(p->children[0], !negated, depth + 1, leaf, ctx);
    }
    if (p->op != VS_PREDICATE_AND && p->op != VS_PREDICATE_OR) {
        return leaf(ctx, p, negated);
    }
    bool all = (p->op == VS_PREDICATE_AND) != negated; // De Morgan
    for (size_t i = 0; i < p->child_count; i++) {
        if (walk(p->children[i], negated, depth + 1, leaf, ctx) != all) {
            return !all;
        }
    }
    return all;
}

bool vs_predicate_walk(const struct vs_predicate *predicate, vs_leaf_fn leaf, void *ctx)
{
    return walk(predicate, false, 0, leaf, ctx);
}

struct range_source {
    vs_range_fn range;
    void *ctx;
};

static bool leaf_of_range(void *ctx, const struct vs_predicate *leaf, bool negated)
{
    const struct range_source *source = ctx;
    struct vs_value_range range = source->range(source->ctx, leaf->field_id);
    return vs_predicate_leaf_may_match(leaf, negated, &range);
}

bool vs_predicate_may_match(const struct vs_predicate *predicate, vs_range_fn range, void *ctx)
{
    struct range_source source = {range, ctx};
    return vs_predicate_walk(predicate, leaf_of_range, &source);
}
