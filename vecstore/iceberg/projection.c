// SPDX-License-Identifier: Apache-2.0
/*
 * Predicates on columns, decided by the values of partition fields: the inclusive projection of
 * each comparison through the field's transform (Java: Transforms.project).
 */
#include "vecstore/iceberg/predicate_internal.h"
#include "vecstore/iceberg/transform.h"

#include <math.h>

struct projection {
    const struct vs_partition_spec *spec;
    const struct vs_schema *schema;
    const struct vs_value_range *ranges;
};

// One comparison through one transform.
struct step {
    struct vs_transform transform;
    const struct vs_field *source;
    const struct vs_value_range *range; // of the transformed values
};

static bool is_time(enum vs_transform_kind kind)
{
    return kind == VS_TRANSFORM_YEAR || kind == VS_TRANSFORM_MONTH || kind == VS_TRANSFORM_DAY ||
           kind == VS_TRANSFORM_HOUR;
}

static bool transform_literal(const struct step *s,
                              const struct vs_value *value,
                              struct vs_value *out)
{
    return value->kind == s->source->kind &&
           vs_transform_apply(&s->transform, s->source, value, out, NULL) == VS_OK;
}

// Some files were written by versions that rounded times before 1970 towards zero: their values
// are one too high.
static void allow_rounding(const struct step *s, struct vs_value *high)
{
    if (is_time(s->transform.kind) && high->as.integer < 0) {
        high->as.integer++;
    }
}

static bool may_hold(const struct vs_value_range *r,
                     const struct vs_value *low,
                     const struct vs_value *high)
{
    if (!r->may_be_value) {
        return false;
    }
    if (low != NULL && r->has_upper && r->upper.kind == low->kind &&
        vs_value_compare(&r->upper, low) < 0) {
        return false;
    }
    return high == NULL || !r->has_lower || r->lower.kind != high->kind ||
           vs_value_compare(&r->lower, high) <= 0;
}

static bool may_equal(const struct step *s, const struct vs_value *value)
{
    struct vs_value low, high;
    if (!transform_literal(s, value, &low)) {
        return true;
    }
    high = low;
    allow_rounding(s, &high);
    return may_hold(s->range, &low, &high);
}

// The next value below (step -1) or above; false at the end of the range and for text.
static bool neighbour(struct vs_value *value, int step)
{
    switch (value->kind) {
    case VS_KIND_DECIMAL:
        value->as.decimal += step; // 38 digits are far from the end of 128 bits
        return true;
    case VS_KIND_INT:
    case VS_KIND_DATE:
    case VS_KIND_LONG:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        return !__builtin_add_overflow(value->as.integer, (int64_t)step, &value->as.integer);
    case VS_KIND_BOOLEAN:
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_UUID:
    case VS_KIND_FIXED:
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return false;
}

// Cutting the lowest values of int and long wraps around to the highest.
static bool may_wrap(const struct step *s, const struct vs_value *at, const struct vs_value *cut)
{
    if (s->transform.kind != VS_TRANSFORM_TRUNCATE ||
        (at->kind != VS_KIND_INT && at->kind != VS_KIND_LONG)) {
        return false;
    }
    int64_t highest = at->kind == VS_KIND_INT ? INT32_MAX : INT64_MAX;
    return cut->as.integer > at->as.integer || !s->range->has_upper ||
           s->range->upper.as.integer > highest - s->transform.width;
}

// Truncate and the time transforms never fall where their argument rises.
static bool may_order(const struct step *s,
                      enum vs_predicate_op op,
                      bool negated,
                      const struct vs_value *value)
{
    struct vs_value at = *value, bound;
    bool below = op == VS_PREDICATE_LT || op == VS_PREDICATE_LE;
    bool strict = op == VS_PREDICATE_LT || op == VS_PREDICATE_GT;
    if (negated) {
        below = !below;
        strict = !strict;
    }
    if (strict) {
        struct vs_value next = at;
        at = neighbour(&next, below ? -1 : 1) ? next : at;
    }
    if (!transform_literal(s, &at, &bound)) {
        return true;
    }
    if (may_wrap(s, &at, &bound)) {
        return s->range->may_be_value;
    }
    if (below) {
        allow_rounding(s, &bound);
        return may_hold(s->range, NULL, &bound);
    }
    return may_hold(s->range, &bound, NULL);
}

static size_t count_points(struct vs_str text)
{
    size_t points = 0;
    for (size_t i = 0; i < text.len; i++) {
        points += ((uint8_t)text.ptr[i] & 0xc0) != 0x80;
    }
    return points;
}

static bool may_start(const struct step *s, const struct vs_predicate *leaf, bool negated)
{
    if (s->transform.kind != VS_TRANSFORM_TRUNCATE || s->source->kind != VS_KIND_STRING ||
        leaf->values[0].kind != VS_KIND_STRING) {
        return s->range->may_be_value;
    }
    size_t points = count_points(leaf->values[0].as.text);
    if (negated && points > (size_t)s->transform.width) {
        return s->range->may_be_value; // the cut text does not tell
    }
    struct vs_value cut;
    if (!transform_literal(s, &leaf->values[0], &cut)) {
        return true;
    }
    struct vs_predicate shorter = *leaf;
    shorter.values = &cut;
    return vs_predicate_leaf_may_match(&shorter, negated, s->range);
}

static bool transformed_may_match(const struct step *s,
                                  const struct vs_predicate *leaf,
                                  bool negated)
{
    const struct vs_value_range *r = s->range;
    if (leaf->op == VS_PREDICATE_IS_NULL) {
        return negated ? r->may_be_value || r->may_be_nan : r->may_be_null;
    }
    if (leaf->op == VS_PREDICATE_IS_NAN) {
        return true;
    }
    if (!r->may_be_value) {
        return false; // only nulls
    }
    bool is_in =
        leaf->op == VS_PREDICATE_IN || leaf->op == VS_PREDICATE_EQ || leaf->op == VS_PREDICATE_NE;
    if (is_in && negated != (leaf->op == VS_PREDICATE_NE)) {
        return true;
    }
    for (size_t i = 0; is_in && i < leaf->value_count; i++) {
        if (!leaf->values[i].is_null && may_equal(s, &leaf->values[i])) {
            return true;
        }
    }
    if (is_in || leaf->value_count == 0 || leaf->values[0].is_null) {
        return false;
    }
    if (leaf->op == VS_PREDICATE_STARTS_WITH) {
        return may_start(s, leaf, negated);
    }
    return s->transform.kind == VS_TRANSFORM_BUCKET ||
           may_order(s, leaf->op, negated, &leaf->values[0]);
}

// Identity values are not cut, unlike bounds: what differs from the only value cannot be it.
static bool identity_may_match(const struct vs_predicate *leaf,
                               bool negated,
                               const struct vs_value_range *r)
{
    bool differs = (leaf->op == VS_PREDICATE_NE && !negated) ||
                   (leaf->op == VS_PREDICATE_EQ && negated) ||
                   (leaf->op == VS_PREDICATE_IN && negated);
    if (differs && r->has_lower && r->has_upper && !r->may_be_nan &&
        r->lower.kind == r->upper.kind && vs_value_compare(&r->lower, &r->upper) == 0) {
        for (size_t i = 0; i < leaf->value_count; i++) {
            if (leaf->values[i].kind == r->lower.kind && !leaf->values[i].is_null &&
                vs_value_compare(&leaf->values[i], &r->lower) == 0) {
                return false;
            }
        }
    }
    return vs_predicate_leaf_may_match(leaf, negated, r);
}

static bool leaf_may_match(void *ctx, const struct vs_predicate *leaf, bool negated)
{
    const struct projection *p = ctx;
    size_t at = vs_schema_find_id(p->schema, leaf->field_id);
    if (at == SIZE_MAX) {
        return true;
    }
    for (size_t i = 0; i < p->spec->field_count; i++) {
        struct step step = {.source = &p->schema->fields[at], .range = &p->ranges[i]};
        if (p->spec->fields[i].source_id != leaf->field_id ||
            vs_transform_parse(p->spec->fields[i].transform, &step.transform, NULL) != VS_OK ||
            step.transform.kind == VS_TRANSFORM_UNKNOWN ||
            step.transform.kind == VS_TRANSFORM_VOID) {
            continue;
        }
        bool may = step.transform.kind == VS_TRANSFORM_IDENTITY
                       ? identity_may_match(leaf, negated, step.range)
                       : transformed_may_match(&step, leaf, negated);
        if (!may) {
            return false;
        }
    }
    return true;
}

bool vs_partition_may_match(const struct vs_partition_spec *spec,
                            const struct vs_schema *schema,
                            const struct vs_predicate *predicate,
                            const struct vs_value_range *ranges)
{
    struct projection projection = {spec, schema, ranges};
    return vs_predicate_walk(predicate, leaf_may_match, &projection);
}
