// SPDX-License-Identifier: Apache-2.0
/*
 * Avro schemas as a tree that keeps the attributes Iceberg needs: field-id, element-id, key-id,
 * value-id, logicalType.
 *
 * Role: what avro_file.c decodes by. Named types may be referred to, so the tree can be cyclic:
 * walkers bound their depth. Ownership: nodes live in the caller's arena. Threads: immutable. Spec:
 * Apache Avro 1.11, "Schema Declaration"; Iceberg, appendix A.
 */
#ifndef VS_FORMAT_AVRO_SCHEMA_H
#define VS_FORMAT_AVRO_SCHEMA_H

#include "vecstore/base/arena.h"

#define VS_AVRO_MAX_DEPTH 32

enum vs_avro_type {
    VS_AVRO_NULL = 0,
    VS_AVRO_BOOLEAN = 1,
    VS_AVRO_INT = 2,
    VS_AVRO_LONG = 3,
    VS_AVRO_FLOAT = 4,
    VS_AVRO_DOUBLE = 5,
    VS_AVRO_BYTES = 6,
    VS_AVRO_STRING = 7,
    VS_AVRO_RECORD = 8,
    VS_AVRO_ENUM = 9,
    VS_AVRO_ARRAY = 10,
    VS_AVRO_MAP = 11,
    VS_AVRO_UNION = 12,
    VS_AVRO_FIXED = 13,
};

struct vs_avro_node;

struct vs_avro_field {
    struct vs_str name;
    int32_t field_id; // -1: none
    const struct vs_avro_node *type;
};

struct vs_avro_node {
    enum vs_avro_type type;
    struct vs_str name;                   // RECORD, ENUM, FIXED
    struct vs_str logical_type;           // empty: none
    int32_t element_id, key_id, value_id; // ARRAY and MAP; -1: none
    size_t field_count;
    struct vs_avro_field *fields; // RECORD
    size_t branch_count;
    const struct vs_avro_node **branches; // UNION
    const struct vs_avro_node *items;     // elements of an ARRAY, values of a MAP
    size_t fixed_size;
    size_t symbol_count; // ENUM
    size_t min_bytes;    // no value of this type is encoded in fewer bytes
};

// `what` names the file in errors. VS_CORRUPT when the text is not an Avro schema or is nested
// deeper than VS_AVRO_MAX_DEPTH.
enum vs_status vs_avro_schema_parse(const struct vs_env *env,
                                    struct vs_str json,
                                    const char *what,
                                    struct vs_arena *arena,
                                    const struct vs_avro_node **root_out,
                                    struct vs_error *err);
const char *vs_avro_type_name(enum vs_avro_type type);

#endif
