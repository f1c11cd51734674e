// SPDX-License-Identifier: Apache-2.0
/*
 * Binding: column names to fields, literals to keys of the column's order. After this every
 * comparison is "the key lies in a range": = is one point, IN a set of points, < a range to key
 * - 1. What a column's type cannot hold exactly is refused with a sentence; only float and double
 * columns round (to the nearest value of the column's type).
 */
#include "api/query/filter.h"
#include "api/query/filter_key.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_COMPARED 64

struct binder {
    const struct vs_schema *schema;
    struct vs_arena *arena;
    struct vs_filter *filter;
};

// A literal in the column's order. Between two keys (3.5 in a long column): floor, not exact.
struct bound_literal {
    vs_int128 key;
    struct vs_str text;
    bool exact;
};

static size_t edit_distance(struct vs_str a, struct vs_str b)
{
    size_t row[NAME_MAX_COMPARED + 1];
    if (a.len > NAME_MAX_COMPARED || b.len > NAME_MAX_COMPARED) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = a.ptr[i - 1], y = b.ptr[j - 1];
            bool same =
                (x | 0x20) == (y | 0x20) && ((x == y) || ((x | 0x20) >= 'a' && (x | 0x20) <= 'z'));
            size_t replaced = diagonal + !same;
            diagonal = row[j];
            size_t moved = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = replaced < moved ? replaced : moved;
        }
    }
    return row[b.len];
}

enum vs_status vs_unknown_column(const struct vs_schema *schema,
                                 struct vs_str name,
                                 const char *where,
                                 struct vs_error *err)
{
    size_t best = SIZE_MAX, best_distance = name.len < 4 ? 2 : 3;
    char list[320];
    size_t used = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        struct vs_str field = schema->fields[i].name;
        size_t distance = edit_distance(name, field);
        if (distance < best_distance) {
            best = i;
            best_distance = distance;
        }
        if (used + field.len + 8 < sizeof list) {
            memcpy(list + used, i == 0 ? "  " : ", ", 2);
            memcpy(list + used + 2, field.ptr, field.len);
            used += field.len + 2;
        } else if (used > 0 && list[used - 1] != '.') {
            memcpy(list + used, " ...", 4);
            used += 4;
            break;
        }
    }
    struct vs_str names = {used > 2 ? list + 2 : "none", used > 2 ? used - 2 : 4};
    if (best != SIZE_MAX) {
        return vs_fail(
            err, VS_INVALID, "%s: unknown column '%.*s', did you mean '%.*s'? The columns are %.*s",
            where, VS_STR_ARG(name), VS_STR_ARG(schema->fields[best].name), VS_STR_ARG(names));
    }
    return vs_fail(err, VS_INVALID, "%s: unknown column '%.*s'. The columns are %.*s", where,
                   VS_STR_ARG(name), VS_STR_ARG(names));
}

static const char *literal_name(enum vs_literal_type type)
{
    switch (type) {
    case VS_LITERAL_NUMBER:
        return "a number";
    case VS_LITERAL_TEXT:
        return "a text";
    case VS_LITERAL_BOOLEAN:
        return "a truth value";
    case VS_LITERAL_DATE:
        return "a date";
    case VS_LITERAL_TIMESTAMP:
        return "a timestamp";
    }
    return "";
}

static enum vs_status wrong_type(const struct vs_field *field,
                                 const struct vs_literal *literal,
                                 struct vs_error *err)
{
    enum vs_kind kind = field->kind == VS_KIND_LIST ? field->element_kind : field->kind;
    const char *advice = "";
    if (kind == VS_KIND_STRING) {
        advice = "; write it in single quotes";
    } else if (kind == VS_KIND_BOOLEAN) {
        advice = "; write TRUE or FALSE";
    } else if (literal->type == VS_LITERAL_TEXT && vs_kind_width(kind) > 0) {
        advice = "; write it without quotes";
    }
    return vs_fail(err, VS_INVALID, "filter: column '%.*s' %s %s, but '%.*s' is %s%s",
                   VS_STR_ARG(field->name), field->kind == VS_KIND_LIST ? "is a list of" : "is",
                   vs_kind_name(kind), VS_STR_ARG(literal->text), literal_name(literal->type),
                   advice);
}

static bool is_integer_text(struct vs_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.' || text.ptr[i] == 'e' || text.ptr[i] == 'E') {
            return false;
        }
    }
    return true;
}

static enum vs_status bind_integer(const struct vs_field *field,
                                   enum vs_kind kind,
                                   const struct vs_literal *literal,
                                   struct bound_literal *bound,
                                   struct vs_error *err)
{
    int64_t value = 0;
    bool fits = true;
    bound->exact = true;
    if (is_integer_text(literal->text)) {
        struct vs_str text = literal->text;
        if (text.len > 0 && text.ptr[0] == '+') {
            text = (struct vs_str){text.ptr + 1, text.len - 1};
        }
        fits = vs_parse_i64(text, &value, NULL) == VS_OK;
    } else {
        double real = 0;
        fits = vs_parse_f64(literal->text, &real, NULL) == VS_OK &&
               real >= -9223372036854775808.0 && real < 9223372036854775808.0;
        value = fits ? (int64_t)floor(real) : 0;
        bound->exact = fits && floor(real) == real;
    }
    if (!fits || (kind == VS_KIND_INT && (value < INT32_MIN || value > INT32_MAX))) {
        return vs_fail(err, VS_INVALID,
                       "filter: %.*s is out of the range of column '%.*s', which is %s",
                       VS_STR_ARG(literal->text), VS_STR_ARG(field->name), vs_kind_name(kind));
    }
    bound->key = value;
    return VS_OK;
}

static enum vs_status bind_real(const struct vs_field *field,
                                enum vs_kind kind,
                                const struct vs_literal *literal,
                                struct bound_literal *bound,
                                struct vs_error *err)
{
    double value;
    if (vs_parse_f64(literal->text, &value, NULL) != VS_OK || !isfinite(value)) {
        return vs_fail(err, VS_INVALID,
                       "filter: %.*s is out of the range of column '%.*s', which is %s",
                       VS_STR_ARG(literal->text), VS_STR_ARG(field->name), vs_kind_name(kind));
    }
    bound->key = vs_key_of_f64(kind == VS_KIND_FLOAT ? (double)(float)value : value);
    return VS_OK;
}

// The kinds whose text form is the literal: dates, timestamps, decimals, uuids, binary, strings.
static enum vs_status bind_parsed(struct binder *b,
                                  const struct vs_field *field,
                                  enum vs_kind kind,
                                  const struct vs_literal *literal,
                                  struct bound_literal *bound,
                                  struct vs_error *err)
{
    struct vs_field element = *field;
    element.kind = kind;
    struct vs_value value;
    enum vs_status status = vs_value_parse(literal->text, &element, b->arena, &value, err);
    if (status != VS_OK) {
        return vs_wrap(err, status, "filter: column '%.*s'", VS_STR_ARG(field->name));
    }
    if (kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_FIXED ||
        kind == VS_KIND_UUID) {
        bound->text = value.as.text;
    } else {
        bound->key = kind == VS_KIND_DECIMAL ? value.as.decimal : value.as.integer;
    }
    return VS_OK;
}

static bool takes_literal(enum vs_kind kind, enum vs_literal_type type)
{
    switch (kind) {
    case VS_KIND_BOOLEAN:
        return type == VS_LITERAL_BOOLEAN;
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
        return type == VS_LITERAL_NUMBER;
    case VS_KIND_DECIMAL:
        return type == VS_LITERAL_NUMBER || type == VS_LITERAL_TEXT;
    case VS_KIND_DATE:
        return type == VS_LITERAL_TEXT || type == VS_LITERAL_DATE;
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        return type == VS_LITERAL_TEXT || type == VS_LITERAL_DATE || type == VS_LITERAL_TIMESTAMP;
    case VS_KIND_TIME:
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID:
        return type == VS_LITERAL_TEXT;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return false;
}

static enum vs_status bind_literal(struct binder *b,
                                   const struct vs_field *field,
                                   const struct vs_literal *literal,
                                   struct bound_literal *bound_out,
                                   struct vs_error *err)
{
    enum vs_kind kind = field->kind == VS_KIND_LIST ? field->element_kind : field->kind;
    *bound_out = (struct bound_literal){.exact = true};
    if (!takes_literal(kind, literal->type)) {
        return wrong_type(field, literal, err);
    }
    if (kind == VS_KIND_BOOLEAN) {
        bound_out->key = vs_str_equal_c(literal->text, "true");
        return VS_OK;
    }
    if (kind == VS_KIND_INT || kind == VS_KIND_LONG) {
        return bind_integer(field, kind, literal, bound_out, err);
    }
    if (kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE) {
        return bind_real(field, kind, literal, bound_out, err);
    }
    return bind_parsed(b, field, kind, literal, bound_out, err);
}

static void set_low(struct vs_filter_range *range, const struct bound_literal *bound, bool open)
{
    range->has_low = true;
    range->low = bound->key + (open || !bound->exact ? 1 : 0);
    range->low_text = bound->text;
    range->low_open = open;
}

static void set_high(struct vs_filter_range *range, const struct bound_literal *bound, bool open)
{
    range->has_high = true;
    range->high = bound->key - (open && bound->exact ? 1 : 0);
    range->high_text = bound->text;
    range->high_open = open;
}

static enum vs_status need_exact(const struct vs_field *field,
                                 const struct vs_literal *literal,
                                 const struct bound_literal *bound,
                                 struct vs_error *err)
{
    if (bound->exact) {
        return VS_OK;
    }
    return vs_fail(
        err, VS_INVALID,
        "filter: column '%.*s' is %s and can never equal %.*s; write a whole number, or use < or >",
        VS_STR_ARG(field->name),
        vs_kind_name(field->kind == VS_KIND_LIST ? field->element_kind : field->kind),
        VS_STR_ARG(literal->text));
}

static int compare_points(const void *a, const void *b)
{
    const struct vs_filter_range *x = (const struct vs_filter_range *)a;
    const struct vs_filter_range *y = (const struct vs_filter_range *)b;
    if (x->low != y->low) {
        return x->low < y->low ? -1 : 1;
    }
    return vs_str_compare(x->low_text, y->low_text);
}

static enum vs_status bind_points(struct binder *b,
                                  const struct vs_field *field,
                                  struct vs_filter_node *node,
                                  struct vs_error *err)
{
    for (size_t i = 0; i < node->literal_count; i++) {
        struct bound_literal bound;
        VS_TRY(bind_literal(b, field, &node->literals[i], &bound, err));
        VS_TRY(need_exact(field, &node->literals[i], &bound, err));
        set_low(&node->ranges[i], &bound, false);
        set_high(&node->ranges[i], &bound, false);
    }
    qsort(node->ranges, node->literal_count, sizeof node->ranges[0], compare_points);
    for (size_t i = 0; i < node->literal_count; i++) {
        if (node->range_count == 0 ||
            compare_points(&node->ranges[node->range_count - 1], &node->ranges[i]) != 0) {
            node->ranges[node->range_count++] = node->ranges[i];
        }
    }
    return VS_OK;
}

static enum vs_status bind_range(struct binder *b,
                                 const struct vs_field *field,
                                 struct vs_filter_node *node,
                                 struct vs_error *err)
{
    struct bound_literal bound;
    enum vs_kind kind = field->kind;
    if (kind == VS_KIND_LIST || kind == VS_KIND_BOOLEAN) {
        return vs_fail(err, VS_INVALID,
                       "filter: column '%.*s' is %s, which has no order; use =, !=, IN or IS NULL",
                       VS_STR_ARG(field->name), vs_kind_name(kind));
    }
    VS_TRY(bind_literal(b, field, &node->literals[0], &bound, err));
    struct vs_filter_range *range = node->ranges;
    node->range_count = 1;
    if (node->op == VS_FILTER_LT || node->op == VS_FILTER_LE) {
        set_high(range, &bound, node->op == VS_FILTER_LT);
        return VS_OK;
    }
    set_low(range, &bound, node->op == VS_FILTER_GT);
    if (node->op == VS_FILTER_BETWEEN) {
        VS_TRY(bind_literal(b, field, &node->literals[1], &bound, err));
        set_high(range, &bound, false);
    }
    return VS_OK;
}

static enum vs_status bind_leaf(struct binder *b,
                                const struct vs_field *field,
                                struct vs_filter_node *node,
                                struct vs_error *err)
{
    if (field->kind == VS_KIND_OTHER) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "filter: column '%.*s' has a type that cannot be filtered (%.*s)",
                       VS_STR_ARG(field->name), VS_STR_ARG(field->other_type));
    }
    node->range_count = 0;
    node->negated = node->op == VS_FILTER_NE;
    if (node->op == VS_FILTER_IS_NULL) {
        return VS_OK;
    }
    if (node->op == VS_FILTER_LIKE) {
        return field->kind == VS_KIND_STRING
                   ? VS_OK
                   : vs_fail(err, VS_INVALID, "filter: LIKE needs a string column; '%.*s' is %s",
                             VS_STR_ARG(field->name), vs_kind_name(field->kind));
    }
    node->ranges = vs_arena_alloc_array(b->arena, node->literal_count, sizeof *node->ranges);
    if (node->ranges == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    bool points = node->op == VS_FILTER_EQ || node->op == VS_FILTER_NE || node->op == VS_FILTER_IN;
    return points ? bind_points(b, field, node, err) : bind_range(b, field, node, err);
}

static size_t column_slot(struct vs_filter *filter, const struct vs_field *field)
{
    for (size_t i = 0; i < filter->column_count; i++) {
        if (filter->columns[i] == field) {
            return i;
        }
    }
    filter->columns[filter->column_count] = field;
    return filter->column_count++;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the parsers build, VS_FILTER_MAX_DEPTH
static enum vs_status bind_node(struct binder *b,
                                struct vs_filter_node *node,
                                size_t depth,
                                struct vs_error *err)
{
    if (depth > b->filter->depth) {
        b->filter->depth = depth;
    }
    for (size_t i = 0; i < node->child_count; i++) {
        VS_TRY(bind_node(b, node->children[i], depth + 1, err));
    }
    if (node->op == VS_FILTER_AND || node->op == VS_FILTER_OR || node->op == VS_FILTER_NOT) {
        return VS_OK;
    }
    size_t at = vs_schema_find(b->schema, node->column);
    if (at == SIZE_MAX) {
        return vs_unknown_column(b->schema, node->column, "filter", err);
    }
    const struct vs_field *field = &b->schema->fields[at];
    node->column_index = column_slot(b->filter, field);
    node->leaf_index = b->filter->leaf_count++;
    return bind_leaf(b, field, node, err);
}

enum vs_status vs_filter_bind(struct vs_filter_node *root,
                              const struct vs_schema *schema,
                              struct vs_arena *arena,
                              struct vs_filter **filter_out,
                              struct vs_error *err)
{
    struct vs_filter *filter = vs_arena_alloc(arena, sizeof *filter);
    const struct vs_field **columns =
        vs_arena_alloc_array(arena, schema->field_count, sizeof *columns);
    if (filter == NULL || columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    filter->root = root;
    filter->columns = columns;
    struct binder binder = {schema, arena, filter};
    VS_TRY(bind_node(&binder, root, 1, err));
    struct vs_buf text;
    vs_buf_init(&text, arena->env, 1 << 24);
    enum vs_status status = vs_filter_write(root, &text, err);
    if (status == VS_OK) {
        filter->text = vs_arena_copy_str(arena, vs_buf_view(&text));
        status =
            filter->text.ptr == NULL ? vs_fail(err, VS_NO_MEMORY, "filter: out of memory") : VS_OK;
    }
    vs_buf_clear(&text);
    if (status == VS_OK) {
        *filter_out = filter;
    }
    return status;
}
