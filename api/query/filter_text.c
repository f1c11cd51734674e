// SPDX-License-Identifier: Apache-2.0
/*
 * The SQL-like form, by recursive descent: or -> and -> not -> predicate. parser.depth bounds the
 * recursion (VS_FILTER_MAX_DEPTH); every cycle of calls passes through enter().
 */
#include "api/query/filter.h"
#include "api/query/filter_lex.h"

#include <string.h>

struct parser {
    struct vs_lexer lexer;
    struct vs_filter_builder builder;
    unsigned depth;
};

// Children or literals as they are read; copied into a node when their number is known.
struct node_list {
    struct vs_filter_node *node;
    struct node_list *next;
};

struct literal_list {
    struct vs_literal literal;
    struct literal_list *next;
};

static enum vs_status parse_or(struct parser *p,
                               struct vs_filter_node **node_out,
                               struct vs_error *err);

static enum vs_status next(struct parser *p, struct vs_error *err)
{
    return vs_lexer_next(&p->lexer, err);
}

static bool at_word(const struct parser *p, const char *word)
{
    return vs_token_is_word(&p->lexer.token, word);
}

static bool at_sign(const struct parser *p, const char *sign)
{
    return vs_token_is_sign(&p->lexer.token, sign);
}

static enum vs_status need_sign(struct parser *p,
                                const char *sign,
                                const char *expected,
                                struct vs_error *err)
{
    if (!at_sign(p, sign)) {
        return vs_lexer_fail(&p->lexer, err, expected);
    }
    return next(p, err);
}

static enum vs_status enter(struct parser *p, struct vs_error *err)
{
    if (++p->depth > VS_FILTER_MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT, "filter: nested deeper than %d levels", VS_FILTER_MAX_DEPTH);
    }
    return VS_OK;
}

static bool is_reserved(const struct vs_token *token)
{
    static const char *const words[] = {"and", "or",   "not",  "in",    "like",  "between",
                                        "is",  "null", "true", "false", "escape"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (vs_token_is_word(token, words[i])) {
            return true;
        }
    }
    return false;
}

// DATE '…', TIMESTAMP '…': the word is the type only when a string follows.
static enum vs_status parse_typed_literal(struct parser *p,
                                          enum vs_literal_type type,
                                          struct vs_literal *literal_out,
                                          struct vs_error *err)
{
    VS_TRY(next(p, err));
    if (p->lexer.token.type != VS_TOKEN_STRING) {
        return vs_lexer_fail(&p->lexer, err,
                             type == VS_LITERAL_DATE ? "a date such as '2025-01-31'"
                                                     : "a timestamp such as '2025-01-31 10:20:30'");
    }
    *literal_out = (struct vs_literal){type, p->lexer.token.text};
    return next(p, err);
}

static enum vs_status parse_literal(struct parser *p,
                                    struct vs_literal *literal_out,
                                    struct vs_error *err)
{
    const struct vs_token token = p->lexer.token;
    if (token.type == VS_TOKEN_NUMBER || token.type == VS_TOKEN_STRING) {
        *literal_out = (struct vs_literal){
            token.type == VS_TOKEN_NUMBER ? VS_LITERAL_NUMBER : VS_LITERAL_TEXT, token.text};
        return next(p, err);
    }
    if (vs_token_is_word(&token, "true") || vs_token_is_word(&token, "false")) {
        *literal_out = (struct vs_literal){VS_LITERAL_BOOLEAN, vs_token_is_word(&token, "true")
                                                                   ? VS_STR("true")
                                                                   : VS_STR("false")};
        return next(p, err);
    }
    if (vs_token_is_word(&token, "date")) {
        return parse_typed_literal(p, VS_LITERAL_DATE, literal_out, err);
    }
    if (vs_token_is_word(&token, "timestamp") || vs_token_is_word(&token, "timestamptz")) {
        return parse_typed_literal(p, VS_LITERAL_TIMESTAMP, literal_out, err);
    }
    if (vs_token_is_word(&token, "null")) {
        return vs_lexer_fail(
            &p->lexer, err,
            "a value (a comparison with NULL is never true: write IS NULL or IS NOT NULL)");
    }
    return vs_lexer_fail(&p->lexer, err,
                         "a value: a number, 'text', TRUE, FALSE, DATE '…' or TIMESTAMP '…'");
}

static enum vs_status parse_in_list(struct parser *p,
                                    struct vs_str column,
                                    struct vs_filter_node **node_out,
                                    struct vs_error *err)
{
    VS_TRY(need_sign(p, "(", "( and a list of values", err));
    struct literal_list *first = NULL, **last = &first;
    size_t count = 0;
    while (!at_sign(p, ")")) {
        if (count > 0) {
            VS_TRY(need_sign(p, ",", ", or )", err));
        }
        struct literal_list *entry = vs_arena_alloc(p->builder.arena, sizeof *entry);
        if (entry == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
        }
        VS_TRY(parse_literal(p, &entry->literal, err));
        *last = entry;
        last = &entry->next;
        count++;
    }
    VS_TRY(next(p, err));
    VS_TRY(vs_filter_build(&p->builder, VS_FILTER_IN, 0, count, node_out, err));
    for (struct literal_list *entry = first; entry != NULL; entry = entry->next) {
        (*node_out)->literals[(*node_out)->literal_count++] = entry->literal;
    }
    (*node_out)->column = column;
    return VS_OK;
}

// Rewrites the pattern so that the escape character is a backslash: \%, \_ and \\ .
static enum vs_status normalise_pattern(struct parser *p,
                                        struct vs_str pattern,
                                        struct vs_str escape,
                                        struct vs_str *pattern_out,
                                        struct vs_error *err)
{
    char *copy = vs_arena_alloc_array(p->builder.arena, pattern.len + 1, 2);
    if (copy == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    size_t n = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (escape.len > 0 && c == escape.ptr[0]) {
            if (i + 1 == pattern.len) {
                return vs_fail(err, VS_INVALID,
                               "filter: the pattern '%.*s' ends with its escape character %c",
                               VS_STR_ARG(pattern), c);
            }
            c = pattern.ptr[++i];
            if (c == '%' || c == '_' || c == '\\') {
                copy[n++] = '\\';
            }
        } else if (c == '\\') {
            copy[n++] = '\\';
        }
        copy[n++] = c;
    }
    *pattern_out = (struct vs_str){copy, n};
    return VS_OK;
}

static enum vs_status parse_like(struct parser *p,
                                 struct vs_str column,
                                 struct vs_filter_node **node_out,
                                 struct vs_error *err)
{
    if (p->lexer.token.type != VS_TOKEN_STRING) {
        return vs_lexer_fail(&p->lexer, err, "a pattern such as 'abc%'");
    }
    struct vs_str pattern = p->lexer.token.text, escape = VS_STR("\\");
    VS_TRY(next(p, err));
    if (at_word(p, "escape")) {
        VS_TRY(next(p, err));
        escape = p->lexer.token.text;
        if (p->lexer.token.type != VS_TOKEN_STRING || escape.len > 1 ||
            (escape.len == 1 && (unsigned char)escape.ptr[0] >= 0x80)) {
            return vs_lexer_fail(&p->lexer, err, "one ASCII character as the escape, such as '!'");
        }
        VS_TRY(next(p, err));
    }
    VS_TRY(vs_filter_build(&p->builder, VS_FILTER_LIKE, 0, 1, node_out, err));
    struct vs_literal *literal = &(*node_out)->literals[(*node_out)->literal_count++];
    literal->type = VS_LITERAL_TEXT;
    (*node_out)->column = column;
    return normalise_pattern(p, pattern, escape, &literal->text, err);
}

static enum vs_status parse_between(struct parser *p,
                                    struct vs_str column,
                                    struct vs_filter_node **node_out,
                                    struct vs_error *err)
{
    VS_TRY(vs_filter_build(&p->builder, VS_FILTER_BETWEEN, 0, 2, node_out, err));
    (*node_out)->column = column;
    (*node_out)->literal_count = 2;
    VS_TRY(parse_literal(p, &(*node_out)->literals[0], err));
    if (!at_word(p, "and")) {
        return vs_lexer_fail(&p->lexer, err, "AND and the upper end of BETWEEN");
    }
    VS_TRY(next(p, err));
    return parse_literal(p, &(*node_out)->literals[1], err);
}

static enum vs_status parse_is_null(struct parser *p,
                                    struct vs_str column,
                                    struct vs_filter_node **node_out,
                                    struct vs_error *err)
{
    bool negated = at_word(p, "not");
    if (negated) {
        VS_TRY(next(p, err));
    }
    if (!at_word(p, "null")) {
        return vs_lexer_fail(&p->lexer, err, negated ? "NULL" : "NULL or NOT NULL");
    }
    VS_TRY(next(p, err));
    VS_TRY(vs_filter_build(&p->builder, VS_FILTER_IS_NULL, 0, 0, node_out, err));
    (*node_out)->column = column;
    return negated ? vs_filter_build_not(&p->builder, *node_out, node_out, err) : VS_OK;
}

static bool comparison_of(const struct vs_token *token, enum vs_filter_op *op_out)
{
    static const struct {
        const char *sign;
        enum vs_filter_op op;
    } table[] = {{"=", VS_FILTER_EQ},  {"==", VS_FILTER_EQ}, {"!=", VS_FILTER_NE},
                 {"<>", VS_FILTER_NE}, {"<", VS_FILTER_LT},  {"<=", VS_FILTER_LE},
                 {">", VS_FILTER_GT},  {">=", VS_FILTER_GE}};

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (vs_token_is_sign(token, table[i].sign)) {
            *op_out = table[i].op;
            return true;
        }
    }
    return false;
}

static enum vs_status parse_comparison(struct parser *p,
                                       enum vs_filter_op op,
                                       struct vs_str column,
                                       struct vs_filter_node **node_out,
                                       struct vs_error *err)
{
    VS_TRY(vs_filter_build(&p->builder, op, 0, 1, node_out, err));
    (*node_out)->column = column;
    (*node_out)->literal_count = 1;
    return parse_literal(p, &(*node_out)->literals[0], err);
}

// What stands behind a column name. Nothing: a boolean column, as in "NOT archived".
static enum vs_status parse_condition(struct parser *p,
                                      struct vs_str column,
                                      struct vs_filter_node **node_out,
                                      struct vs_error *err)
{
    enum vs_filter_op op;
    if (comparison_of(&p->lexer.token, &op)) {
        VS_TRY(next(p, err));
        return parse_comparison(p, op, column, node_out, err);
    }
    if (at_word(p, "is")) {
        VS_TRY(next(p, err));
        return parse_is_null(p, column, node_out, err);
    }
    bool negated = at_word(p, "not");
    if (negated) {
        VS_TRY(next(p, err));
    }
    if (at_word(p, "in")) {
        VS_TRY(next(p, err));
        VS_TRY(parse_in_list(p, column, node_out, err));
    } else if (at_word(p, "like")) {
        VS_TRY(next(p, err));
        VS_TRY(parse_like(p, column, node_out, err));
    } else if (at_word(p, "between")) {
        VS_TRY(next(p, err));
        VS_TRY(parse_between(p, column, node_out, err));
    } else if (negated) {
        return vs_lexer_fail(&p->lexer, err, "IN, LIKE or BETWEEN after NOT");
    } else if (p->lexer.token.type == VS_TOKEN_END || at_word(p, "and") || at_word(p, "or") ||
               at_sign(p, ")")) {
        VS_TRY(vs_filter_build(&p->builder, VS_FILTER_EQ, 0, 1, node_out, err));
        (*node_out)->column = column;
        (*node_out)->literals[(*node_out)->literal_count++] =
            (struct vs_literal){VS_LITERAL_BOOLEAN, VS_STR("true")};
    } else {
        return vs_lexer_fail(&p->lexer, err,
                             "an operator (= != < <= > >= IN LIKE BETWEEN IS NULL)");
    }
    return negated ? vs_filter_build_not(&p->builder, *node_out, node_out, err) : VS_OK;
}

static enum vs_status parse_predicate(struct parser *p,
                                      struct vs_filter_node **node_out,
                                      struct vs_error *err)
{
    const struct vs_token token = p->lexer.token;
    if (at_sign(p, "(")) {
        VS_TRY(next(p, err));
        VS_TRY(parse_or(p, node_out, err));
        return need_sign(p, ")", "AND, OR or )", err);
    }
    if (at_word(p, "true") || at_word(p, "false")) {
        VS_TRY(next(p, err));
        VS_TRY(vs_filter_build(&p->builder, VS_FILTER_AND, 0, 0, node_out, err));
        return vs_token_is_word(&token, "false")
                   ? vs_filter_build_not(&p->builder, *node_out, node_out, err)
                   : VS_OK;
    }
    if (token.type != VS_TOKEN_NAME && (token.type != VS_TOKEN_WORD || is_reserved(&token))) {
        return vs_lexer_fail(&p->lexer, err, "a column name, NOT or (");
    }
    VS_TRY(next(p, err));
    return parse_condition(p, token.text, node_out, err);
}

// NOLINTNEXTLINE(misc-no-recursion): enter() ends at VS_FILTER_MAX_DEPTH
static enum vs_status parse_not(struct parser *p,
                                struct vs_filter_node **node_out,
                                struct vs_error *err)
{
    VS_TRY(enter(p, err));
    if (at_word(p, "not")) {
        VS_TRY(next(p, err));
        VS_TRY(parse_not(p, node_out, err));
        VS_TRY(vs_filter_build_not(&p->builder, *node_out, node_out, err));
    } else {
        VS_TRY(parse_predicate(p, node_out, err));
    }
    p->depth--;
    return VS_OK;
}

typedef enum vs_status (*parse_fn)(struct parser *p,
                                   struct vs_filter_node **node_out,
                                   struct vs_error *err);

// operand { word operand }: one node with all operands, or the only operand itself.
static enum vs_status parse_chain(struct parser *p,
                                  const char *word,
                                  enum vs_filter_op op,
                                  parse_fn operand,
                                  struct vs_filter_node **node_out,
                                  struct vs_error *err)
{
    struct node_list first = {NULL, NULL}, *last = &first;
    size_t count = 1;
    VS_TRY(operand(p, &first.node, err));
    while (at_word(p, word)) {
        VS_TRY(next(p, err));
        last->next = vs_arena_alloc(p->builder.arena, sizeof *last->next);
        if (last->next == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
        }
        last = last->next;
        VS_TRY(operand(p, &last->node, err));
        count++;
    }
    if (count == 1) {
        *node_out = first.node;
        return VS_OK;
    }
    VS_TRY(vs_filter_build(&p->builder, op, count, 0, node_out, err));
    for (struct node_list *entry = &first; entry != NULL; entry = entry->next) {
        (*node_out)->children[(*node_out)->child_count++] = entry->node;
    }
    return VS_OK;
}

static enum vs_status parse_and(struct parser *p,
                                struct vs_filter_node **node_out,
                                struct vs_error *err)
{
    return parse_chain(p, "and", VS_FILTER_AND, parse_not, node_out, err);
}

static enum vs_status parse_or(struct parser *p,
                               struct vs_filter_node **node_out,
                               struct vs_error *err)
{
    return parse_chain(p, "or", VS_FILTER_OR, parse_and, node_out, err);
}

enum vs_status vs_filter_parse_text(struct vs_str text,
                                    struct vs_arena *arena,
                                    struct vs_filter_node **root_out,
                                    struct vs_error *err)
{
    if (!vs_utf8_validate(text)) {
        return vs_fail(err, VS_INVALID, "filter: the text is not UTF-8");
    }
    struct vs_str own = vs_arena_copy_str(arena, text); // tokens borrow from it
    if (own.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    struct parser p = {.lexer = {.text = own, .arena = arena}, .builder = {.arena = arena}};
    VS_TRY(next(&p, err));
    struct vs_filter_node *root = NULL;
    VS_TRY(parse_or(&p, &root, err));
    if (p.lexer.token.type != VS_TOKEN_END) {
        return vs_lexer_fail(&p.lexer, err, "AND, OR or the end of the filter");
    }
    *root_out = root;
    return VS_OK;
}
