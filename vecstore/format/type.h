// SPDX-License-Identifier: Apache-2.0
/*
 * Types of any depth: what vs_field (flat columns and lists of primitives) cannot say.
 *
 * A tree describes a schema (its root is a struct), an Iceberg type or the columns of a Parquet
 * file. Trees of a file carry where each node lies in the file; trees of a reader's wish carry, per
 * node, the node of the file that feeds it. Ownership: nodes and names live in the arena of whoever
 * made the tree. Threads: immutable once made.
 */
#ifndef VS_FORMAT_TYPE_H
#define VS_FORMAT_TYPE_H

#include "vecstore/format/schema.h"

#define VS_TYPE_MAX_DEPTH 64 // groups inside of each other; deeper trees are refused

enum vs_type_shape { VS_TYPE_PRIMITIVE, VS_TYPE_STRUCT, VS_TYPE_LIST, VS_TYPE_MAP };

struct vs_type {
    enum vs_type_shape shape;
    int32_t id; // Iceberg field id; -1 when there is none
    struct vs_str name;
    bool required;
    // PRIMITIVE
    enum vs_kind kind; // never LIST or OTHER
    uint8_t precision, scale;
    uint32_t fixed_length;
    bool is_half; // FIXED of two bytes that is an IEEE binary16 (trees of stored values)
    // STRUCT: the fields in order; LIST: the element; MAP: key and value
    size_t child_count;
    struct vs_type *children;
    // Iceberg v3 default values as raw JSON; empty: none
    struct vs_str initial_default_json, write_default_json;
    // Trees of a file
    size_t first_leaf, leaf_count; // its leaf columns; a PRIMITIVE has one
    uint8_t def;                   // from this definition level on the node is not null
    uint8_t slot_def;              // LIST, MAP: from this one on it has an element
    uint8_t rep;                   // LIST, MAP: of its elements; others: of the list around
    int convert;                   // PRIMITIVE: from the stored value to the kind
    // Trees of a wish: the node of the file that gives the values; NULL: absent, reads as null.
    const struct vs_type *source;
};

// Appends the type without the name: "long", "list<struct<a: int, b: map<string, double>>>".
enum vs_status vs_type_tree_format(const struct vs_type *type,
                                   struct vs_buf *out,
                                   struct vs_error *err);
// Deep copy with every source set to the node it was copied from: the wish for everything.
enum vs_status vs_type_wish_all(const struct vs_type *file,
                                struct vs_arena *arena,
                                struct vs_type *wish_out,
                                struct vs_error *err);

#endif
