// SPDX-License-Identifier: Apache-2.0
#include "api/query/filter_lex.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Characters (not bytes) before `offset`, counted from 1.
static size_t character_at(struct vs_str text, size_t offset)
{
    size_t count = 1;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

enum vs_status vs_lexer_fail(const struct vs_lexer *lexer,
                             struct vs_error *err,
                             const char *expected)
{
    const struct vs_token *token = &lexer->token;
    struct vs_str shown = token->source;
    if (token->type == VS_TOKEN_END) {
        return vs_fail(err, VS_INVALID, "filter: at the end, expected %s", expected);
    }
    size_t at = character_at(lexer->text, (size_t)(shown.ptr - lexer->text.ptr));
    bool cut = shown.len > 40;
    while (cut && shown.len > 36 &&
           (shown.len > 40 || ((unsigned char)shown.ptr[shown.len] & 0xC0) == 0x80)) {
        shown.len = shown.len > 40 ? 40 : shown.len - 1;
    }
    return vs_fail(err, VS_INVALID, "filter: at character %zu, expected %s, found %.*s%s", at,
                   expected, VS_STR_ARG(shown), cut ? "…" : "");
}

bool vs_token_is_word(const struct vs_token *token, const char *keyword)
{
    return token->type == VS_TOKEN_WORD && vs_str_equal_nocase(token->text, vs_str_from_c(keyword));
}

bool vs_token_is_sign(const struct vs_token *token, const char *sign)
{
    return token->type == VS_TOKEN_SIGN && vs_str_equal_c(token->text, sign);
}

// Text between quotes; a doubled quote stands for one.
static enum vs_status read_quoted(struct vs_lexer *lexer,
                                  enum vs_token_type type,
                                  struct vs_error *err)
{
    struct vs_str text = lexer->text;
    size_t start = lexer->next;
    char quote = text.ptr[start];
    char *copy = vs_arena_alloc(lexer->arena, text.len - start);
    if (copy == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    size_t n = 0;
    for (size_t i = start + 1; i < text.len; i++) {
        if (text.ptr[i] == quote) {
            if (i + 1 < text.len && text.ptr[i + 1] == quote) {
                i++;
            } else {
                lexer->next = i + 1;
                lexer->token =
                    (struct vs_token){type, {copy, n}, {text.ptr + start, i + 1 - start}};
                return VS_OK;
            }
        }
        copy[n++] = text.ptr[i];
    }
    return vs_fail(err, VS_INVALID, "filter: the %c opened at character %zu is never closed", quote,
                   character_at(text, start));
}

static size_t skip_digits(struct vs_str text, size_t at)
{
    while (at < text.len && is_digit(text.ptr[at])) {
        at++;
    }
    return at;
}

// [+-]digits[.digits][e[+-]digits]; false when there is none at `start`.
static bool read_number(struct vs_lexer *lexer)
{
    struct vs_str text = lexer->text;
    size_t start = lexer->next, at = start;
    at += text.ptr[at] == '-' || text.ptr[at] == '+';
    size_t whole = at;
    at = skip_digits(text, at);
    size_t digits = at - whole;
    if (at < text.len && text.ptr[at] == '.') {
        size_t fraction = skip_digits(text, at + 1);
        digits += fraction - at - 1;
        at = fraction;
    }
    if (digits == 0) {
        return false;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        size_t sign =
            at + 1 + (at + 1 < text.len && (text.ptr[at + 1] == '-' || text.ptr[at + 1] == '+'));
        size_t end = skip_digits(text, sign);
        at = end > sign ? end : at;
    }
    if (at < text.len && is_word_start(text.ptr[at])) {
        return false; // 12abc
    }
    lexer->next = at;
    lexer->token = (struct vs_token){
        VS_TOKEN_NUMBER, {text.ptr + start, at - start}, {text.ptr + start, at - start}};
    return true;
}

static bool read_sign(struct vs_lexer *lexer)
{
    static const char *const signs[] = {"!=", "<>", "<=", ">=", "==", "=", "<", ">", "(", ")", ","};
    struct vs_str rest = {lexer->text.ptr + lexer->next, lexer->text.len - lexer->next};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        struct vs_str sign = vs_str_from_c(signs[i]);
        if (vs_str_starts_with(rest, sign)) {
            lexer->token =
                (struct vs_token){VS_TOKEN_SIGN, {rest.ptr, sign.len}, {rest.ptr, sign.len}};
            lexer->next += sign.len;
            return true;
        }
    }
    return false;
}

enum vs_status vs_lexer_next(struct vs_lexer *lexer, struct vs_error *err)
{
    struct vs_str text = lexer->text;
    while (lexer->next < text.len && is_space(text.ptr[lexer->next])) {
        lexer->next++;
    }
    if (lexer->next == text.len) {
        lexer->token = (struct vs_token){VS_TOKEN_END, {NULL, 0}, {NULL, 0}};
        return VS_OK;
    }
    size_t start = lexer->next;
    char c = text.ptr[start];
    if (c == '\'' || c == '"') {
        return read_quoted(lexer, c == '"' ? VS_TOKEN_NAME : VS_TOKEN_STRING, err);
    }
    if (is_word_start(c)) {
        size_t end = start + 1;
        while (end < text.len && (is_word_start(text.ptr[end]) || is_digit(text.ptr[end]))) {
            end++;
        }
        lexer->next = end;
        lexer->token = (struct vs_token){
            VS_TOKEN_WORD, {text.ptr + start, end - start}, {text.ptr + start, end - start}};
        return VS_OK;
    }
    if ((is_digit(c) || c == '-' || c == '+' || c == '.') && read_number(lexer)) {
        return VS_OK;
    }
    if (read_sign(lexer)) {
        return VS_OK;
    }
    lexer->token = (struct vs_token){VS_TOKEN_SIGN, {text.ptr + start, 1}, {text.ptr + start, 1}};
    while (lexer->token.source.len < text.len - start && lexer->token.source.len < 16 &&
           !is_space(text.ptr[start + lexer->token.source.len])) {
        lexer->token.source.len++;
    }
    return vs_lexer_fail(lexer, err, "a column name, a value or an operator");
}
