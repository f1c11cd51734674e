// SPDX-License-Identifier: Apache-2.0
/*
 * Canonical text of a tree. The recursion is bounded by the depth that the parsers allow.
 */
#include "api/query/filter.h"

static enum vs_status write_quoted(struct vs_str text,
                                   char quote,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    VS_TRY(vs_buf_append_byte(out, (uint8_t)quote, err));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote) {
            VS_TRY(vs_buf_append_byte(out, (uint8_t)quote, err));
        }
        VS_TRY(vs_buf_append_byte(out, (uint8_t)text.ptr[i], err));
    }
    return vs_buf_append_byte(out, (uint8_t)quote, err);
}

static enum vs_status write_literal(const struct vs_literal *literal,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    switch (literal->type) {
    case VS_LITERAL_NUMBER:
        return vs_buf_append_str(out, literal->text, err);
    case VS_LITERAL_BOOLEAN:
        return vs_buf_append_c(out, vs_str_equal_c(literal->text, "true") ? "TRUE" : "FALSE", err);
    case VS_LITERAL_DATE:
        VS_TRY(vs_buf_append_c(out, "DATE ", err));
        break;
    case VS_LITERAL_TIMESTAMP:
        VS_TRY(vs_buf_append_c(out, "TIMESTAMP ", err));
        break;
    case VS_LITERAL_TEXT:
        break;
    }
    return write_quoted(literal->text, '\'', out, err);
}

static const char *sign_of(enum vs_filter_op op)
{
    switch (op) {
    case VS_FILTER_EQ:
        return " = ";
    case VS_FILTER_NE:
        return " != ";
    case VS_FILTER_LT:
        return " < ";
    case VS_FILTER_LE:
        return " <= ";
    case VS_FILTER_GT:
        return " > ";
    case VS_FILTER_GE:
        return " >= ";
    case VS_FILTER_IN:
        return " IN (";
    case VS_FILTER_LIKE:
        return " LIKE ";
    case VS_FILTER_BETWEEN:
        return " BETWEEN ";
    case VS_FILTER_IS_NULL:
        return " IS NULL";
    case VS_FILTER_AND:
    case VS_FILTER_OR:
    case VS_FILTER_NOT:
        break;
    }
    return "";
}

static enum vs_status write_leaf(const struct vs_filter_node *node,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    VS_TRY(write_quoted(node->column, '"', out, err));
    VS_TRY(vs_buf_append_c(out, sign_of(node->op), err));
    for (size_t i = 0; i < node->literal_count; i++) {
        if (i > 0) {
            VS_TRY(vs_buf_append_c(out, node->op == VS_FILTER_BETWEEN ? " AND " : ", ", err));
        }
        VS_TRY(write_literal(&node->literals[i], out, err));
    }
    return node->op == VS_FILTER_IN ? vs_buf_append_byte(out, ')', err) : VS_OK;
}

static bool is_chain(const struct vs_filter_node *node)
{
    return (node->op == VS_FILTER_AND || node->op == VS_FILTER_OR) && node->child_count > 0;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the parsers build, VS_FILTER_MAX_DEPTH
static enum vs_status write_node(const struct vs_filter_node *node,
                                 bool nested,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    if (node->op == VS_FILTER_NOT) {
        VS_TRY(vs_buf_append_c(out, "NOT ", err));
        return write_node(node->children[0], true, out, err);
    }
    if (node->op == VS_FILTER_AND && node->child_count == 0) {
        return vs_buf_append_c(out, "TRUE", err);
    }
    if (!is_chain(node)) {
        return write_leaf(node, out, err);
    }
    if (nested) {
        VS_TRY(vs_buf_append_byte(out, '(', err));
    }
    for (size_t i = 0; i < node->child_count; i++) {
        if (i > 0) {
            VS_TRY(vs_buf_append_c(out, node->op == VS_FILTER_AND ? " AND " : " OR ", err));
        }
        VS_TRY(write_node(node->children[i], true, out, err));
    }
    return nested ? vs_buf_append_byte(out, ')', err) : VS_OK;
}

enum vs_status vs_filter_write(const struct vs_filter_node *root,
                               struct vs_buf *out,
                               struct vs_error *err)
{
    return write_node(root, false, out, err);
}
