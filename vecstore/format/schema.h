// SPDX-License-Identifier: Apache-2.0
/*
 * Column types and schemas shared by Parquet, Iceberg, the index and the sources.
 *
 * A schema is a flat list of fields; the only nested type is a list of a primitive (DESIGN.md
 * section 5). Kinds follow Iceberg's primitive types. Ownership: names live in the arena of whoever
 * made the schema. Threads: immutable once made.
 */
#ifndef VS_FORMAT_SCHEMA_H
#define VS_FORMAT_SCHEMA_H

#include "vecstore/base/arena.h"
#include "vecstore/base/buf.h"

enum vs_kind {
    VS_KIND_BOOLEAN = 0,
    VS_KIND_INT = 1,         // int32
    VS_KIND_LONG = 2,        // int64
    VS_KIND_FLOAT = 3,       // IEEE binary32
    VS_KIND_DOUBLE = 4,      // IEEE binary64
    VS_KIND_STRING = 5,      // UTF-8
    VS_KIND_DATE = 6,        // int32 days since 1970-01-01
    VS_KIND_TIMESTAMP = 7,   // int64 microseconds, no zone
    VS_KIND_TIMESTAMPTZ = 8, // int64 microseconds UTC
    VS_KIND_BINARY = 9,
    VS_KIND_UUID = 10,    // 16 bytes, network order
    VS_KIND_DECIMAL = 11, // vs_int128 unscaled, native order; precision 1..38
    VS_KIND_LIST = 12,
    VS_KIND_OTHER = 13, // a type that flat columns cannot hold (struct, map, nested list): never
                        // silently dropped
    // The index stores the kinds below OTHER only; the numbers above are part of its format.
    VS_KIND_TIME = 14,           // int64 microseconds since midnight
    VS_KIND_FIXED = 15,          // bytes, all of vs_field.fixed_length; in memory as BINARY
    VS_KIND_TIMESTAMP_NS = 16,   // int64 nanoseconds, no zone (Iceberg v3)
    VS_KIND_TIMESTAMPTZ_NS = 17, // int64 nanoseconds UTC (Iceberg v3)
};

#define VS_KIND_COUNT 18

struct vs_field {
    int32_t id; // Iceberg field id; -1 when the file has none
    struct vs_str name;
    enum vs_kind kind;
    bool required;
    uint8_t precision, scale; // DECIMAL (for a list of decimals: of the element)
    uint32_t fixed_length;    // FIXED (for a list of fixed: of the element)
    // LIST only
    enum vs_kind element_kind;
    int32_t element_id;
    bool element_required;
    struct vs_str
        other_type; // VS_KIND_OTHER: its name or JSON, for messages and for writing the schema back
    struct vs_str doc; // may be empty
    // Iceberg v3 default values as raw JSON; empty: none.
    struct vs_str initial_default_json, write_default_json;
};

struct vs_schema {
    int32_t schema_id;
    size_t field_count;
    struct vs_field *fields;
    size_t identifier_count;
    int32_t *identifier_ids;
};

// Index of the field, or SIZE_MAX.
size_t vs_schema_find(const struct vs_schema *schema, struct vs_str name);
size_t vs_schema_find_id(const struct vs_schema *schema, int32_t id);
// Bytes per value of a fixed-width kind (BOOLEAN 1, INT/DATE/FLOAT 4, LONG/DOUBLE/TIME/TIMESTAMP*
// 8, UUID 16, DECIMAL 16); 0 for the others.
size_t vs_kind_width(enum vs_kind kind);
// STRING, BINARY, FIXED and UUID: values are vs_value.as.text.
bool vs_kind_is_text(enum vs_kind kind);
// False for types that a table may have but this program cannot read (VS_KIND_OTHER, lists of it).
bool vs_field_is_readable(const struct vs_field *field);
const char *vs_kind_name(enum vs_kind kind); // Iceberg's name: "long", "timestamptz", …
// Text of a field's type: "long", "decimal(10,2)", "fixed[16]", "list<float>".
enum vs_status vs_type_format(const struct vs_field *field,
                              struct vs_buf *out,
                              struct vs_error *err);
// The inverse: fills kind, precision, scale, fixed_length and element_kind of *field. INVALID lists
// the known types.
enum vs_status vs_type_parse(struct vs_str text, struct vs_field *field, struct vs_error *err);
// Deep copy into an arena.
enum vs_status vs_schema_clone(const struct vs_schema *schema,
                               struct vs_arena *arena,
                               struct vs_schema *copy_out,
                               struct vs_error *err);

#endif
