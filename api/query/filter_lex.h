// SPDX-License-Identifier: Apache-2.0
/*
 * Tokens of the filter text. Private to api/query. The lexer borrows the text; unescaped names and
 * strings live in the arena.
 */
#ifndef VS_QUERY_FILTER_LEX_H
#define VS_QUERY_FILTER_LEX_H

#include "vecstore/base/arena.h"

enum vs_token_type {
    VS_TOKEN_END,
    VS_TOKEN_WORD, // a keyword or a plain column name
    VS_TOKEN_NAME, // "quoted"
    VS_TOKEN_NUMBER,
    VS_TOKEN_STRING, // 'quoted'
    VS_TOKEN_SIGN,   // = != <> < <= > >= ( ) ,
};

struct vs_token {
    enum vs_token_type type;
    struct vs_str text;   // without quotes, escapes resolved
    struct vs_str source; // as written
};

struct vs_lexer {
    struct vs_str text;
    size_t next; // byte
    struct vs_arena *arena;
    struct vs_token token; // the current one
};

// Reads the next token into lexer->token; INVALID gives the place.
enum vs_status vs_lexer_next(struct vs_lexer *lexer, struct vs_error *err);
// "filter, character N: expected <expected>, found <token>"
enum vs_status vs_lexer_fail(const struct vs_lexer *lexer,
                             struct vs_error *err,
                             const char *expected);
bool vs_token_is_word(const struct vs_token *token,
                      const char *keyword); // ASCII letters in any case
bool vs_token_is_sign(const struct vs_token *token, const char *sign);

#endif
