// SPDX-License-Identifier: Apache-2.0
/*
 * Row filters: one tree behind the SQL-like text and the JSON form, bound to a schema and evaluated
 * over columns with SQL's three-valued logic.
 *
 * parse (text or JSON) -> tree; bind (checks columns and types, coerces literals exactly) ->
 * vs_filter; eval -> one bit per row that matches. A row matches only where the filter is true:
 * unknown (a null was compared) is no match, and NOT unknown is unknown. Ownership: trees and bound
 * filters live in the caller's arena and borrow nothing else. Threads: immutable once bound.
 * Grammar and semantics: docs/internals/filters.md.
 */
#ifndef VS_QUERY_FILTER_H
#define VS_QUERY_FILTER_H

#include "vecstore/base/json.h"
#include "vecstore/format/column.h"

#define VS_FILTER_MAX_DEPTH 32
#define VS_FILTER_MAX_VALUES 4096 // literals in all lists of one filter

enum vs_filter_op {
    VS_FILTER_AND, // no children: TRUE
    VS_FILTER_OR,
    VS_FILTER_NOT,
    VS_FILTER_EQ,
    VS_FILTER_NE,
    VS_FILTER_LT,
    VS_FILTER_LE,
    VS_FILTER_GT,
    VS_FILTER_GE,
    VS_FILTER_IN,
    VS_FILTER_LIKE,    // literals[0]: the pattern, escapes written with a backslash
    VS_FILTER_BETWEEN, // both ends included
    VS_FILTER_IS_NULL,
};

enum vs_literal_type {
    VS_LITERAL_NUMBER,
    VS_LITERAL_TEXT,
    VS_LITERAL_BOOLEAN,
    VS_LITERAL_DATE,
    VS_LITERAL_TIMESTAMP,
};

struct vs_literal {
    enum vs_literal_type type;
    struct vs_str text; // as written, without quotes; "true" or "false"
};

// Keys are ordered like the column's values: integers as they are, floats through their bits,
// decimals unscaled.
struct vs_filter_range {
    vs_int128 low, high;               // both included; low > high: nothing
    struct vs_str low_text, high_text; // STRING, BINARY, UUID
    bool has_low, has_high, low_open, high_open;
};

struct vs_filter_node {
    enum vs_filter_op op;
    size_t child_count;
    struct vs_filter_node **children; // AND, OR, NOT
    struct vs_str column;             // all others
    size_t literal_count;
    struct vs_literal *literals;
    // Filled in by vs_filter_bind:
    size_t column_index; // into vs_filter.columns
    size_t leaf_index;
    bool negated; // NE: the range is of the equal rows
    size_t range_count;
    struct vs_filter_range *ranges; // ascending, disjoint
};

struct vs_filter {
    const struct vs_filter_node *root;
    size_t column_count; // distinct columns that it reads
    const struct vs_field **columns;
    size_t leaf_count;
    size_t depth;
    struct vs_str text; // canonical: equal texts mean equal filters
};

// INVALID gives the place (in characters from 1) and what is expected there; LIMIT beyond the
// bounds on terms, values or depth.
enum vs_status vs_filter_parse_text(struct vs_str text,
                                    struct vs_arena *arena,
                                    struct vs_filter_node **root_out,
                                    struct vs_error *err);
enum vs_status vs_filter_parse_json(const struct vs_env *env,
                                    struct vs_str json,
                                    struct vs_arena *arena,
                                    struct vs_filter_node **root_out,
                                    struct vs_error *err);
// Keeps pointers into schema. INVALID names an unknown column (and the one that was probably
// meant), or a literal that the column's type cannot hold.
enum vs_status vs_filter_bind(struct vs_filter_node *root,
                              const struct vs_schema *schema,
                              struct vs_arena *arena,
                              struct vs_filter **filter_out,
                              struct vs_error *err);
// Canonical text; vs_filter_parse_text reads it back to the same tree.
enum vs_status vs_filter_write(const struct vs_filter_node *root,
                               struct vs_buf *out,
                               struct vs_error *err);
// columns[i] holds filter->columns[i]; match has (row_count + 63) / 64 words, overwritten; bits
// beyond row_count are 0.
enum vs_status vs_filter_eval(const struct vs_env *env,
                              const struct vs_filter *filter,
                              const struct vs_column *const *columns,
                              size_t row_count,
                              uint64_t *match,
                              struct vs_error *err);

// Whether text matches a LIKE pattern with backslash escapes; both UTF-8.
bool vs_like_match(struct vs_str pattern, struct vs_str text);

// ---- shared by the two parsers ----
struct vs_filter_builder {
    struct vs_arena *arena;
    size_t leaf_count, value_count;
};
// A node with room for the given children or literals; counts them against the bounds.
enum vs_status vs_filter_build(struct vs_filter_builder *builder,
                               enum vs_filter_op op,
                               size_t child_room,
                               size_t literal_room,
                               struct vs_filter_node **node_out,
                               struct vs_error *err);
enum vs_status vs_filter_build_not(struct vs_filter_builder *builder,
                                   struct vs_filter_node *child,
                                   struct vs_filter_node **node_out,
                                   struct vs_error *err);

#endif
