// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by parquet_read.c (open), parquet_schema.c (types) and parquet_scan.c, parquet_cursor.c
 * (rows). Not for other folders.
 */
#ifndef VS_FORMAT_PARQUET_INTERNAL_H
#define VS_FORMAT_PARQUET_INTERNAL_H

#include "vecstore/format/parquet_meta.h"
#include "vecstore/format/parquet_read.h"

#include <stdatomic.h>

// From the physical value to the one in memory.
enum vs_pq_convert {
    VS_PQ_SAME, // the bytes are the same (FIXED in memory: with offsets)
    VS_PQ_I32_TO_I64,
    VS_PQ_U32_TO_I64,
    VS_PQ_F32_TO_F64,
    VS_PQ_F64_TO_F32,
    VS_PQ_MILLIS_TO_MICROS,
    VS_PQ_NANOS_TO_MICROS,
    VS_PQ_MICROS_TO_NANOS,
    VS_PQ_MILLIS_TO_NANOS,
    VS_PQ_I32_MILLIS_TO_MICROS, // times
    VS_PQ_I96_TO_MICROS,
    VS_PQ_F16_TO_F32,
    VS_PQ_F16_TO_F64,
    VS_PQ_U64_TO_DECIMAL,
    VS_PQ_DATE_TO_MICROS,
    VS_PQ_DATE_TO_NANOS,
    VS_PQ_I32_TO_DECIMAL,
    VS_PQ_I64_TO_DECIMAL,
    VS_PQ_FIXED_TO_DECIMAL,
    VS_PQ_BYTES_TO_DECIMAL,
};

// How one readable top-level column is stored: one leaf, at most one repetition.
struct vs_pq_leaf {
    size_t chunk; // index in every row group; meaningless when the field is VS_KIND_OTHER
    int32_t type; // enum vs_pq_type
    size_t width; // bytes of a fixed physical value
    uint8_t max_def, max_rep;
    uint8_t def_list; // lists: present from this definition level on,
    uint8_t def_slot; // with an element (that may be null) from this one on
    enum vs_pq_convert convert;
};

struct vs_parquet_reader {
    const struct vs_env *env;
    struct vs_file *file;
    struct vs_arena arena;
    struct vs_pq_file_meta meta;
    uint64_t data_end; // offset of the footer
    // ---- parquet_seal.c ----
    uint64_t index_start;
    char index_crc[8];
    atomic_bool *indexes_unchecked; // NULL: no checksum
    struct vs_schema schema;
    struct vs_pq_leaf *leaves; // by top-level column
    uint64_t *group_first_row; // row_group_count + 1
    const char *created_by;
};

// What a physical and a logical type are in memory.
struct vs_pq_primitive {
    enum vs_kind kind;
    enum vs_pq_convert convert;
    uint8_t precision, scale;
    uint32_t fixed_length;
    char other[64]; // OTHER: its name
};

struct vs_pq_primitive vs_pq_primitive_of(const struct vs_pq_schema_element *element);
// The logical type, taken from the older converted type where there is none.
struct vs_pq_logical vs_pq_logical_of(const struct vs_pq_schema_element *element);
// Fills schema and leaves from meta.schema.
enum vs_status vs_pq_schema_build(struct vs_parquet_reader *reader, struct vs_error *err);
// The conversion that also promotes from `field` (element: its element) to the kind wanted; INVALID
// when there is none.
enum vs_status vs_pq_promote(const struct vs_field *field,
                             const struct vs_field *as,
                             struct vs_pq_leaf *leaf,
                             struct vs_error *err);
// n physical values to n values of vs_kind_width(kind) bytes. Not for VS_PQ_SAME and
// VS_PQ_BYTES_TO_DECIMAL.
enum vs_status vs_pq_convert(
    const struct vs_pq_leaf *leaf, const void *from, void *to, size_t n, struct vs_error *err);
// Microseconds since 1970 of an INT96 timestamp; arithmetic wraps around.
int64_t vs_pq_int96_micros(const uint8_t bytes[12]);
uint32_t vs_pq_f16_bits(uint16_t half); // the same value as IEEE binary32
enum vs_status vs_pq_bytes_to_decimal(struct vs_str bytes,
                                      vs_int128 *value_out,
                                      struct vs_error *err);

#endif
