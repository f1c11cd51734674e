// SPDX-License-Identifier: Apache-2.0
#include "api/query/filter_predicate.h"

#include <string.h>

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
}

static bool is_text(enum vs_kind kind)
{
    return kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_FIXED ||
           kind == VS_KIND_UUID;
}

// ---- values ----

// The inverse of vs_key_of_f64.
static double f64_of_key(int64_t key)
{
    int64_t bits = key ^ (int64_t)((uint64_t)(key >> 63) >> 1);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// False: no value of the kind has this key.
static bool value_of_key(enum vs_kind kind, vs_int128 key, struct vs_value *value)
{
    *value = (struct vs_value){.kind = kind};
    if (kind == VS_KIND_DECIMAL) {
        value->as.decimal = key;
        return true;
    }
    if (key < INT64_MIN || key > INT64_MAX) {
        return false;
    }
    if (kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE) {
        value->as.real = f64_of_key((int64_t)key);
        return value->as.real == value->as.real;
    }
    if (kind == VS_KIND_BOOLEAN) {
        value->as.boolean = key != 0;
        return true;
    }
    value->as.integer = (int64_t)key;
    return kind != VS_KIND_INT || (key >= INT32_MIN && key <= INT32_MAX);
}

static bool bound_value(enum vs_kind kind,
                        const struct vs_filter_range *range,
                        bool is_low,
                        struct vs_value *value)
{
    if (is_text(kind)) {
        *value =
            (struct vs_value){.kind = kind, .as.text = is_low ? range->low_text : range->high_text};
        return true;
    }
    return value_of_key(kind, is_low ? range->low : range->high, value);
}

// ---- nodes ----

static struct vs_predicate *new_node(struct vs_arena *arena, enum vs_predicate_op op)
{
    struct vs_predicate *node = (struct vs_predicate *)vs_arena_alloc(arena, sizeof *node);
    if (node != NULL) {
        node->op = op;
    }
    return node;
}

// One comparison with values that the caller fills in.
static struct vs_predicate *new_leaf(struct vs_arena *arena,
                                     enum vs_predicate_op op,
                                     int32_t field_id,
                                     const struct vs_value *values,
                                     size_t count)
{
    struct vs_predicate *node = new_node(arena, op);
    struct vs_value *copy = (struct vs_value *)vs_arena_alloc_array(arena, count, sizeof *copy);
    if (node == NULL || copy == NULL) {
        return NULL;
    }
    if (count > 0) {
        memcpy(copy, values, count * sizeof *copy);
    }
    node->field_id = field_id;
    node->value_count = count;
    node->values = copy;
    return node;
}

static struct vs_predicate *new_pair(struct vs_arena *arena,
                                     enum vs_predicate_op op,
                                     const struct vs_predicate *a,
                                     const struct vs_predicate *b)
{
    struct vs_predicate *node = new_node(arena, op);
    const struct vs_predicate **children =
        (const struct vs_predicate **)vs_arena_alloc_array(arena, 2, sizeof *children);
    if (node == NULL || children == NULL) {
        return NULL;
    }
    children[0] = a;
    children[1] = b;
    node->child_count = b != NULL ? 2 : 1;
    node->children = children;
    return node;
}

// ---- leaves ----

static enum vs_status convert_points(const struct vs_filter_node *node,
                                     const struct vs_field *field,
                                     struct vs_arena *arena,
                                     struct vs_predicate **out,
                                     struct vs_error *err)
{
    struct vs_value *values =
        (struct vs_value *)vs_arena_alloc_array(arena, node->range_count, sizeof *values);
    if (values == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < node->range_count; i++) {
        if (!bound_value(field->kind, &node->ranges[i], true, &values[i])) {
            *out = NULL; // not known
            return VS_OK;
        }
    }
    *out = new_leaf(arena, node->range_count == 1 ? VS_PREDICATE_EQ : VS_PREDICATE_IN, field->id,
                    values, node->range_count);
    return *out != NULL ? VS_OK : no_memory(err);
}

static enum vs_status convert_range(const struct vs_filter_node *node,
                                    const struct vs_field *field,
                                    struct vs_arena *arena,
                                    struct vs_predicate **out,
                                    struct vs_error *err)
{
    const struct vs_filter_range *range = &node->ranges[0];
    struct vs_predicate *low = NULL, *high = NULL;
    struct vs_value value;
    *out = NULL;
    if (range->has_low) {
        if (!bound_value(field->kind, range, true, &value)) {
            return VS_OK;
        }
        low = new_leaf(arena, VS_PREDICATE_GE, field->id, &value, 1);
    }
    if (range->has_high) {
        if (!bound_value(field->kind, range, false, &value)) {
            return VS_OK;
        }
        high = new_leaf(arena, VS_PREDICATE_LE, field->id, &value, 1);
    }
    if ((range->has_low && low == NULL) || (range->has_high && high == NULL)) {
        return no_memory(err);
    }
    // Keys already leave out an open end; texts do it here.
    if (low != NULL && is_text(field->kind) && range->low_open) {
        low->op = VS_PREDICATE_GT;
    }
    if (high != NULL && is_text(field->kind) && range->high_open) {
        high->op = VS_PREDICATE_LT;
    }
    if (low != NULL && high != NULL) {
        *out = new_pair(arena, VS_PREDICATE_AND, low, high);
        return *out != NULL ? VS_OK : no_memory(err);
    }
    *out = low != NULL ? low : high;
    return VS_OK;
}

// What every match begins with.
static enum vs_status convert_like(const struct vs_filter_node *node,
                                   const struct vs_field *field,
                                   struct vs_arena *arena,
                                   struct vs_predicate **out,
                                   struct vs_error *err)
{
    struct vs_str pattern = node->literals[0].text;
    char *prefix = (char *)vs_arena_alloc(arena, pattern.len + 1);
    size_t n = 0;
    if (prefix == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < pattern.len && pattern.ptr[i] != '%' && pattern.ptr[i] != '_'; i++) {
        if (pattern.ptr[i] == '\\' && i + 1 < pattern.len) {
            i++;
        }
        prefix[n++] = pattern.ptr[i];
    }
    *out = NULL;
    if (n == 0) {
        return VS_OK;
    }
    const struct vs_value value = {.kind = VS_KIND_STRING, .as.text = {prefix, n}};
    *out = new_leaf(arena, VS_PREDICATE_STARTS_WITH, field->id, &value, 1);
    return *out != NULL ? VS_OK : no_memory(err);
}

static enum vs_status convert_leaf(const struct vs_filter *filter,
                                   const struct vs_filter_node *node,
                                   bool negated,
                                   struct vs_arena *arena,
                                   const struct vs_predicate **out,
                                   struct vs_error *err)
{
    const struct vs_field *field = filter->columns[node->column_index];
    struct vs_predicate *leaf = NULL;
    bool is_point =
        node->op == VS_FILTER_EQ || node->op == VS_FILTER_NE || node->op == VS_FILTER_IN;
    negated = negated != node->negated;
    if (node->op == VS_FILTER_IS_NULL) {
        leaf = new_leaf(arena, VS_PREDICATE_IS_NULL, field->id, NULL, 0);
        if (leaf == NULL) {
            return no_memory(err);
        }
    } else if (field->kind != VS_KIND_LIST && field->kind != VS_KIND_OTHER && field->id >= 0) {
        if (node->op == VS_FILTER_LIKE) { // without its letters nothing is known
            VS_TRY(negated ? VS_OK : convert_like(node, field, arena, &leaf, err));
        } else if (node->range_count > 0) {
            VS_TRY(is_point ? convert_points(node, field, arena, &leaf, err)
                            : convert_range(node, field, arena, &leaf, err));
        }
    }
    *out = leaf == NULL ? new_node(arena, VS_PREDICATE_TRUE)
           : negated    ? new_pair(arena, VS_PREDICATE_NOT, leaf, NULL)
                        : leaf;
    return *out != NULL ? VS_OK : no_memory(err);
}

// Negations are moved down to the leaves, so that "not known" stays TRUE.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the parsers build, VS_FILTER_MAX_DEPTH
static enum vs_status convert(const struct vs_filter *filter,
                              const struct vs_filter_node *node,
                              bool negated,
                              struct vs_arena *arena,
                              const struct vs_predicate **out,
                              struct vs_error *err)
{
    if (node->op == VS_FILTER_NOT) {
        return convert(filter, node->children[0], !negated, arena, out, err);
    }
    if (node->op != VS_FILTER_AND && node->op != VS_FILTER_OR) {
        return convert_leaf(filter, node, negated, arena, out, err);
    }
    bool is_and = (node->op == VS_FILTER_AND) != negated;
    struct vs_predicate *made = new_node(arena, is_and ? VS_PREDICATE_AND : VS_PREDICATE_OR);
    const struct vs_predicate **children = (const struct vs_predicate **)vs_arena_alloc_array(
        arena, node->child_count, sizeof *children);
    if (made == NULL || children == NULL) {
        return no_memory(err);
    }
    if (node->child_count == 0) { // TRUE in both operators
        made->op = negated ? VS_PREDICATE_FALSE : VS_PREDICATE_TRUE;
    }
    for (size_t i = 0; i < node->child_count; i++) {
        VS_TRY(convert(filter, node->children[i], negated, arena, &children[i], err));
    }
    made->child_count = node->child_count;
    made->children = children;
    *out = made;
    return VS_OK;
}

enum vs_status vs_filter_predicate(const struct vs_filter *filter,
                                   struct vs_arena *arena,
                                   const struct vs_predicate **predicate_out,
                                   struct vs_error *err)
{
    return convert(filter, filter->root, false, arena, predicate_out, err);
}

bool vs_filter_fits(const struct vs_filter *filter, const struct vs_schema *schema)
{
    for (size_t i = 0; i < filter->column_count; i++) {
        const struct vs_field *field = filter->columns[i];
        size_t at = schema != NULL ? vs_schema_find_id(schema, field->id) : SIZE_MAX;
        if (at == SIZE_MAX || schema->fields[at].kind != field->kind ||
            schema->fields[at].scale != field->scale) {
            return false;
        }
    }
    return true;
}
