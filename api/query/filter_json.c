// SPDX-License-Identifier: Apache-2.0
/*
 * The JSON form: an object of columns and of $and, $or, $not. Several members of one object are
 * joined by AND.
 *
 * Recursion: parse_object and parse_condition count levels in builder.depth, at most MAX_LEVELS, so
 * that the tree can also be written as text within VS_FILTER_MAX_DEPTH.
 */
#include "api/query/filter.h"

#include <stdio.h>
#include <string.h>

#define MAX_LEVELS 14

struct json_builder {
    struct vs_filter_builder base;
    const struct vs_env *env;
    unsigned depth;
};

static const struct {
    const char *name;
    enum vs_filter_op op;
    bool negated, is_list;
} operators[] = {
    {"$eq", VS_FILTER_EQ, false, false}, {"$ne", VS_FILTER_NE, false, false},
    {"$gt", VS_FILTER_GT, false, false}, {"$gte", VS_FILTER_GE, false, false},
    {"$lt", VS_FILTER_LT, false, false}, {"$lte", VS_FILTER_LE, false, false},
    {"$in", VS_FILTER_IN, false, true},  {"$nin", VS_FILTER_IN, true, true},
};

#define OPERATOR_NAMES "$eq $ne $gt $gte $lt $lte $in $nin $exists $not"

static enum vs_status parse_object(struct json_builder *b,
                                   const struct vs_json *object,
                                   struct vs_filter_node **node_out,
                                   struct vs_error *err);

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
}

static enum vs_status enter(struct json_builder *b, struct vs_error *err)
{
    if (++b->depth > MAX_LEVELS) {
        return vs_fail(err, VS_LIMIT, "filter: nested deeper than %d objects", MAX_LEVELS);
    }
    return VS_OK;
}

// A number as the text that reads back equal.
static enum vs_status number_text(struct json_builder *b,
                                  const struct vs_json *value,
                                  struct vs_str *text_out,
                                  struct vs_error *err)
{
    struct vs_buf buf;
    vs_buf_init(&buf, b->env, 4096);
    enum vs_status status = vs_json_write_value(value, &buf, err);
    struct vs_str copy = {NULL, 0};
    if (status == VS_OK) {
        copy = vs_arena_copy_str(b->base.arena, vs_buf_view(&buf));
        status = copy.ptr == NULL ? no_memory(err) : VS_OK;
    }
    vs_buf_clear(&buf);
    if (status == VS_OK) {
        *text_out = copy;
    }
    return status;
}

static enum vs_status parse_literal(struct json_builder *b,
                                    struct vs_str column,
                                    const struct vs_json *value,
                                    struct vs_literal *literal_out,
                                    struct vs_error *err)
{
    struct vs_str text;
    bool boolean;
    switch (vs_json_type_of(value)) {
    case VS_JSON_INT:
    case VS_JSON_UINT:
    case VS_JSON_REAL:
        literal_out->type = VS_LITERAL_NUMBER;
        return number_text(b, value, &literal_out->text, err);
    case VS_JSON_STRING:
        vs_json_to_str(value, &text);
        literal_out->type = VS_LITERAL_TEXT;
        literal_out->text = vs_arena_copy_str(b->base.arena, text);
        return literal_out->text.ptr == NULL ? no_memory(err) : VS_OK;
    case VS_JSON_BOOL:
        vs_json_to_bool(value, &boolean);
        literal_out->type = VS_LITERAL_BOOLEAN;
        literal_out->text = boolean ? VS_STR("true") : VS_STR("false");
        return VS_OK;
    case VS_JSON_NULL:
        return vs_fail(err, VS_INVALID,
                       "filter: column '%.*s' is compared with null, which never is true; write "
                       "{\"$exists\": false}",
                       VS_STR_ARG(column));
    case VS_JSON_ARRAY:
    case VS_JSON_OBJECT:
        break;
    }
    return vs_fail(
        err, VS_INVALID,
        "filter: column '%.*s' is compared with an %s; expected a number, a string, true or false",
        VS_STR_ARG(column), vs_json_type_name(value));
}

static enum vs_status parse_list(struct json_builder *b,
                                 const char *name,
                                 struct vs_str column,
                                 const struct vs_json *value,
                                 struct vs_filter_node **node_out,
                                 struct vs_error *err)
{
    if (!vs_json_is(value, VS_JSON_ARRAY)) {
        return vs_fail(err, VS_INVALID,
                       "filter: %s of column '%.*s' is %s; expected an array of values", name,
                       VS_STR_ARG(column), vs_json_type_name(value));
    }
    VS_TRY(vs_filter_build(&b->base, VS_FILTER_IN, 0, vs_json_count(value), node_out, err));
    struct vs_json_iter iter;
    const struct vs_json *item;
    vs_json_iter_init(&iter, value);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(parse_literal(b, column, item, &(*node_out)->literals[(*node_out)->literal_count],
                             err));
        (*node_out)->literal_count++;
    }
    return VS_OK;
}

static enum vs_status parse_comparison(struct json_builder *b,
                                       enum vs_filter_op op,
                                       struct vs_str column,
                                       const struct vs_json *value,
                                       struct vs_filter_node **node_out,
                                       struct vs_error *err)
{
    VS_TRY(vs_filter_build(&b->base, op, 0, 1, node_out, err));
    VS_TRY(parse_literal(b, column, value, &(*node_out)->literals[0], err));
    (*node_out)->literal_count = 1;
    (*node_out)->column = column;
    return VS_OK;
}

static enum vs_status parse_exists(struct json_builder *b,
                                   struct vs_str column,
                                   const struct vs_json *value,
                                   struct vs_filter_node **node_out,
                                   struct vs_error *err)
{
    bool exists;
    if (!vs_json_to_bool(value, &exists)) {
        return vs_fail(err, VS_INVALID,
                       "filter: $exists of column '%.*s' is %s; expected true or false",
                       VS_STR_ARG(column), vs_json_type_name(value));
    }
    VS_TRY(vs_filter_build(&b->base, VS_FILTER_IS_NULL, 0, 0, node_out, err));
    (*node_out)->column = column;
    return exists ? vs_filter_build_not(&b->base, *node_out, node_out, err) : VS_OK;
}

static enum vs_status parse_condition(struct json_builder *b,
                                      struct vs_str column,
                                      const struct vs_json *condition,
                                      struct vs_filter_node **node_out,
                                      struct vs_error *err);

// Recursion: through parse_condition, which counts levels.
// NOLINTNEXTLINE(misc-no-recursion): b->depth ends at MAX_LEVELS
static enum vs_status parse_operator(struct json_builder *b,
                                     struct vs_str name,
                                     struct vs_str column,
                                     const struct vs_json *value,
                                     struct vs_filter_node **node_out,
                                     struct vs_error *err)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (!vs_str_equal_c(name, operators[i].name)) {
            continue;
        }
        if (!operators[i].is_list) {
            return parse_comparison(b, operators[i].op, column, value, node_out, err);
        }
        VS_TRY(parse_list(b, operators[i].name, column, value, node_out, err));
        (*node_out)->column = column;
        return operators[i].negated ? vs_filter_build_not(&b->base, *node_out, node_out, err)
                                    : VS_OK;
    }
    if (vs_str_equal_c(name, "$exists")) {
        return parse_exists(b, column, value, node_out, err);
    }
    if (vs_str_equal_c(name, "$not")) {
        if (!vs_json_is(value, VS_JSON_OBJECT)) {
            return vs_fail(
                err, VS_INVALID,
                "filter: $not of column '%.*s' is %s; expected an object such as {\"$eq\": 1}",
                VS_STR_ARG(column), vs_json_type_name(value));
        }
        VS_TRY(parse_condition(b, column, value, node_out, err));
        return vs_filter_build_not(&b->base, *node_out, node_out, err);
    }
    return vs_fail(err, VS_INVALID,
                   "filter: unknown operator '%.*s' of column '%.*s'; known are " OPERATOR_NAMES,
                   VS_STR_ARG(name), VS_STR_ARG(column));
}

// An AND node for `count` members, or nothing when one member stands for itself.
static enum vs_status begin_all(struct json_builder *b,
                                size_t count,
                                struct vs_filter_node **all_out,
                                struct vs_error *err)
{
    *all_out = NULL;
    return count == 1 ? VS_OK : vs_filter_build(&b->base, VS_FILTER_AND, count, 0, all_out, err);
}

// NOLINTNEXTLINE(misc-no-recursion): b->depth ends at MAX_LEVELS
static enum vs_status parse_condition(struct json_builder *b,
                                      struct vs_str column,
                                      const struct vs_json *condition,
                                      struct vs_filter_node **node_out,
                                      struct vs_error *err)
{
    if (!vs_json_is(condition, VS_JSON_OBJECT)) {
        return parse_comparison(b, VS_FILTER_EQ, column, condition, node_out, err);
    }
    size_t count = vs_json_count(condition);
    if (count == 0) {
        return vs_fail(
            err, VS_INVALID,
            "filter: column '%.*s' has an empty object; expected operators: " OPERATOR_NAMES,
            VS_STR_ARG(column));
    }
    VS_TRY(enter(b, err));
    struct vs_filter_node *all = NULL, *node = NULL;
    VS_TRY(begin_all(b, count, &all, err));
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value;
    vs_json_iter_init(&iter, condition);
    while (vs_json_iter_next(&iter, &key, &value)) {
        VS_TRY(parse_operator(b, key, column, value, &node, err));
        if (all != NULL) {
            all->children[all->child_count++] = node;
        }
    }
    b->depth--;
    *node_out = all != NULL ? all : node;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): b->depth ends at MAX_LEVELS
static enum vs_status parse_group(struct json_builder *b,
                                  const char *name,
                                  const struct vs_json *value,
                                  struct vs_filter_node **node_out,
                                  struct vs_error *err)
{
    bool is_or = strcmp(name, "$or") == 0;
    size_t count = vs_json_count(value);
    if (!vs_json_is(value, VS_JSON_ARRAY) || (is_or && count == 0)) {
        return vs_fail(err, VS_INVALID, "filter: %s is %s; expected an array of filters", name,
                       vs_json_is(value, VS_JSON_ARRAY) ? "empty" : vs_json_type_name(value));
    }
    struct vs_filter_node *group = NULL, *node = NULL;
    if (count != 1) {
        VS_TRY(
            vs_filter_build(&b->base, is_or ? VS_FILTER_OR : VS_FILTER_AND, count, 0, &group, err));
    }
    struct vs_json_iter iter;
    const struct vs_json *item;
    vs_json_iter_init(&iter, value);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(parse_object(b, item, &node, err));
        if (group != NULL) {
            group->children[group->child_count++] = node;
        }
    }
    *node_out = group != NULL ? group : node;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): b->depth ends at MAX_LEVELS
static enum vs_status parse_member(struct json_builder *b,
                                   struct vs_str key,
                                   const struct vs_json *value,
                                   struct vs_filter_node **node_out,
                                   struct vs_error *err)
{
    if (vs_str_equal_c(key, "$and")) {
        return parse_group(b, "$and", value, node_out, err);
    }
    if (vs_str_equal_c(key, "$or")) {
        return parse_group(b, "$or", value, node_out, err);
    }
    if (vs_str_equal_c(key, "$not")) {
        VS_TRY(parse_object(b, value, node_out, err));
        return vs_filter_build_not(&b->base, *node_out, node_out, err);
    }
    if (key.len > 0 && key.ptr[0] == '$') {
        return vs_fail(err, VS_INVALID,
                       "filter: unknown operator '%.*s'; known are $and $or $not, and column names",
                       VS_STR_ARG(key));
    }
    struct vs_str column = vs_arena_copy_str(b->base.arena, key);
    return column.ptr == NULL ? no_memory(err) : parse_condition(b, column, value, node_out, err);
}

// Recursion: at most MAX_LEVELS deep, counted by enter().
// NOLINTNEXTLINE(misc-no-recursion): b->depth ends at MAX_LEVELS
static enum vs_status parse_object(struct json_builder *b,
                                   const struct vs_json *object,
                                   struct vs_filter_node **node_out,
                                   struct vs_error *err)
{
    if (!vs_json_is(object, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_INVALID,
                       "filter: found %s; expected an object such as {\"lang\": {\"$eq\": \"en\"}}",
                       vs_json_type_name(object));
    }
    VS_TRY(enter(b, err));
    struct vs_filter_node *all = NULL, *node = NULL;
    VS_TRY(begin_all(b, vs_json_count(object), &all, err));
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value;
    vs_json_iter_init(&iter, object);
    while (vs_json_iter_next(&iter, &key, &value)) {
        VS_TRY(parse_member(b, key, value, &node, err));
        if (all != NULL) {
            all->children[all->child_count++] = node;
        }
    }
    b->depth--;
    *node_out = all != NULL ? all : node;
    return VS_OK;
}

enum vs_status vs_filter_parse_json(const struct vs_env *env,
                                    struct vs_str json,
                                    struct vs_arena *arena,
                                    struct vs_filter_node **root_out,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    VS_TRY(vs_json_parse(env, json, "filter", NULL, &doc, err));
    struct json_builder builder = {.base = {.arena = arena}, .env = env};
    struct vs_filter_node *root = NULL;
    enum vs_status status = parse_object(&builder, vs_json_root(doc), &root, err);
    vs_json_free(doc);
    if (status == VS_OK) {
        *root_out = root;
    }
    return status;
}
