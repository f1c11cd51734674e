// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by record_schema.c (types), record_leaf.c (the entries of one leaf column),
 * record_assemble.c (trees), record_read.c (batches) and inspect_digest.c. Not for other files.
 */
#ifndef VS_FORMAT_RECORD_INTERNAL_H
#define VS_FORMAT_RECORD_INTERNAL_H

#include "vecstore/format/parquet_cursor.h"
#include "vecstore/format/record_read.h"

// What a tree of the file says of one leaf, in schema order.
struct vs_record_leaf_info {
    struct vs_pq_leaf leaf; // chunk, physical type, levels, conversion to the kind below
    enum vs_kind kind;
    uint8_t precision, scale;
    uint32_t fixed_length;
    bool is_half;
    const struct vs_pq_schema_element *element;
    struct vs_str path; // dotted; empty unless asked for
};

// Builds the tree and the leaves; either out may be NULL. With paths: also their dotted names.
enum vs_status vs_record_schema(const struct vs_parquet_reader *reader,
                                bool is_stored,
                                struct vs_arena *arena,
                                struct vs_type *type_out,
                                struct vs_record_leaf_info **leaves_out,
                                size_t *leaf_count_out,
                                struct vs_error *err);

// The entries (levels and values) of one leaf, one after the other.
struct vs_record_leaf {
    struct vs_pq_cursor cursor;
    struct vs_column values; // decoded and not yet taken
    size_t value_at;
    size_t present_left; // values of the window that are not decoded yet
    size_t value_step;   // how many are decoded at once
    bool wants_values;   // false: levels only
};

void vs_record_leaf_init(struct vs_record_leaf *leaf,
                         const struct vs_parquet_reader *reader,
                         const struct vs_record_leaf_info *info,
                         bool wants_values);
void vs_record_leaf_clear(struct vs_record_leaf *leaf);
enum vs_status vs_record_leaf_open(struct vs_record_leaf *leaf, size_t group, struct vs_error *err);
// Makes an entry current; *more_out false: the row group has no more.
enum vs_status vs_record_leaf_peek(struct vs_record_leaf *leaf,
                                   bool *more_out,
                                   struct vs_error *err);

// Of the current entry.
static inline uint8_t vs_record_leaf_def(const struct vs_record_leaf *leaf)
{
    const struct vs_pq_cursor *c = &leaf->cursor;
    return c->all_present ? c->leaf.max_def : c->def[c->level_at];
}

static inline uint8_t vs_record_leaf_rep(const struct vs_record_leaf *leaf)
{
    const struct vs_pq_cursor *c = &leaf->cursor;
    return c->leaf.max_rep == 0 ? 0 : c->rep[c->level_at];
}

// Passes the current entry; its value, borrowed until the next call, when it is present.
enum vs_status vs_record_leaf_take(struct vs_record_leaf *leaf,
                                   struct vs_value *value_out,
                                   struct vs_error *err);

struct vs_record_node; // a node of the wish, prepared

struct vs_record_reader {
    const struct vs_env *env;
    struct vs_parquet_reader *parquet;
    struct vs_arena plan; // what lives as long as the reader
    struct vs_arena rows; // values of the current batch
    struct vs_buf stack;  // elements of open lists
    size_t leaf_count;
    struct vs_record_leaf *leaves;
    struct vs_record_node *root;
    const struct vs_type *wish;
    size_t group;
    uint64_t row; // within the group
    bool is_open; // the leaves stand in `group`
};

// record_assemble.c: prepares the wish (fills leaves and root), and reads one row.
enum vs_status vs_record_plan(struct vs_record_reader *records, struct vs_error *err);
enum vs_status vs_record_assemble(struct vs_record_reader *records,
                                  struct vs_datum *row_out,
                                  struct vs_error *err);

#endif
