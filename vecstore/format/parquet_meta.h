// SPDX-License-Identifier: Apache-2.0
/*
 * The structs of parquet.thrift that we read and write: footer, page headers, page indexes. One
 * family for both directions.
 *
 * Parsers borrow texts from the bytes and put arrays into the arena given; they check shape
 * (required fields, types, counts against the bytes left), not meaning (parquet_schema.c,
 * parquet_chunk.c do). Encoders append to a buffer. A zeroed struct is "nothing set". Threads:
 * values. Spec: apache/parquet-format src/main/thrift/parquet.thrift.
 */
#ifndef VS_FORMAT_PARQUET_META_H
#define VS_FORMAT_PARQUET_META_H

#include "vecstore/base/arena.h"
#include "vecstore/base/buf.h"

enum vs_pq_type {
    VS_PQ_BOOLEAN = 0,
    VS_PQ_INT32 = 1,
    VS_PQ_INT64 = 2,
    VS_PQ_INT96 = 3,
    VS_PQ_FLOAT = 4,
    VS_PQ_DOUBLE = 5,
    VS_PQ_BYTE_ARRAY = 6,
    VS_PQ_FIXED = 7,
};

enum vs_pq_repetition { VS_PQ_REQUIRED = 0, VS_PQ_OPTIONAL = 1, VS_PQ_REPEATED = 2 };

enum vs_pq_converted {
    VS_PQ_CONVERTED_NONE = -1,
    VS_PQ_CONVERTED_UTF8 = 0,
    VS_PQ_CONVERTED_MAP = 1,
    VS_PQ_CONVERTED_MAP_KEY_VALUE = 2,
    VS_PQ_CONVERTED_LIST = 3,
    VS_PQ_CONVERTED_ENUM = 4,
    VS_PQ_CONVERTED_DECIMAL = 5,
    VS_PQ_CONVERTED_DATE = 6,
    VS_PQ_CONVERTED_TIME_MILLIS = 7,
    VS_PQ_CONVERTED_TIME_MICROS = 8,
    VS_PQ_CONVERTED_TIMESTAMP_MILLIS = 9,
    VS_PQ_CONVERTED_TIMESTAMP_MICROS = 10,
    VS_PQ_CONVERTED_UINT_8 = 11,
    VS_PQ_CONVERTED_UINT_16 = 12,
    VS_PQ_CONVERTED_UINT_32 = 13,
    VS_PQ_CONVERTED_UINT_64 = 14,
    VS_PQ_CONVERTED_INT_8 = 15,
    VS_PQ_CONVERTED_INT_16 = 16,
    VS_PQ_CONVERTED_INT_32 = 17,
    VS_PQ_CONVERTED_INT_64 = 18,
    VS_PQ_CONVERTED_JSON = 19,
    VS_PQ_CONVERTED_BSON = 20,
    VS_PQ_CONVERTED_INTERVAL = 21,
};

// The numbers are the field ids of the union LogicalType.
enum vs_pq_logical_kind {
    VS_PQ_LOGICAL_NONE = 0,
    VS_PQ_LOGICAL_STRING = 1,
    VS_PQ_LOGICAL_MAP = 2,
    VS_PQ_LOGICAL_LIST = 3,
    VS_PQ_LOGICAL_ENUM = 4,
    VS_PQ_LOGICAL_DECIMAL = 5,
    VS_PQ_LOGICAL_DATE = 6,
    VS_PQ_LOGICAL_TIME = 7,
    VS_PQ_LOGICAL_TIMESTAMP = 8,
    VS_PQ_LOGICAL_INTEGER = 10,
    VS_PQ_LOGICAL_UNKNOWN = 11, // always null
    VS_PQ_LOGICAL_JSON = 12,
    VS_PQ_LOGICAL_BSON = 13,
    VS_PQ_LOGICAL_UUID = 14,
    VS_PQ_LOGICAL_FLOAT16 = 15,
    VS_PQ_LOGICAL_VARIANT = 16,
    VS_PQ_LOGICAL_GEOMETRY = 17,
    VS_PQ_LOGICAL_GEOGRAPHY = 18,
    VS_PQ_LOGICAL_UNDEFINED = 99, // a member that we do not know
};

enum vs_pq_unit { VS_PQ_MILLIS = 1, VS_PQ_MICROS = 2, VS_PQ_NANOS = 3 };

struct vs_pq_logical {
    enum vs_pq_logical_kind kind;
    int32_t scale, precision; // DECIMAL
    bool utc;                 // TIME, TIMESTAMP
    enum vs_pq_unit unit;     // TIME, TIMESTAMP
    int8_t bit_width;         // INTEGER
    bool is_signed;           // INTEGER
};

enum vs_pq_encoding {
    VS_PQ_PLAIN = 0,
    VS_PQ_PLAIN_DICTIONARY = 2,
    VS_PQ_RLE = 3,
    VS_PQ_BIT_PACKED = 4,
    VS_PQ_DELTA_BINARY_PACKED = 5,
    VS_PQ_DELTA_LENGTH_BYTE_ARRAY = 6,
    VS_PQ_DELTA_BYTE_ARRAY = 7,
    VS_PQ_RLE_DICTIONARY = 8,
    VS_PQ_BYTE_STREAM_SPLIT = 9,
};

enum vs_pq_codec {
    VS_PQ_UNCOMPRESSED = 0,
    VS_PQ_SNAPPY = 1,
    VS_PQ_GZIP = 2,
    VS_PQ_LZO = 3,
    VS_PQ_BROTLI = 4,
    VS_PQ_LZ4_HADOOP = 5, // deprecated framing
    VS_PQ_ZSTD = 6,
    VS_PQ_LZ4_RAW = 7,
};

enum vs_pq_page_type {
    VS_PQ_DATA_PAGE = 0,
    VS_PQ_INDEX_PAGE = 1,
    VS_PQ_DICTIONARY_PAGE = 2,
    VS_PQ_DATA_PAGE_V2 = 3
};

enum vs_pq_order { VS_PQ_UNORDERED = 0, VS_PQ_ASCENDING = 1, VS_PQ_DESCENDING = 2 };

struct vs_pq_schema_element {
    bool has_type; // false for groups
    int32_t type;  // enum vs_pq_type
    int32_t type_length;
    bool has_repetition; // false for the root
    int32_t repetition;  // enum vs_pq_repetition
    struct vs_str name;
    int32_t child_count;
    int32_t converted; // enum vs_pq_converted; the parser sets NONE when absent. Encoding:
                       // has_converted decides
    bool has_converted;
    int32_t scale, precision; // of the older converted DECIMAL
    bool has_field_id;
    int32_t field_id;
    struct vs_pq_logical logical; // NONE: absent
};

struct vs_pq_statistics {
    bool present; // encode: whether to write the struct at all
    bool has_null_count;
    int64_t null_count;
    bool has_min, has_max;
    struct vs_str min, max; // min_value, max_value (the deprecated pair is not read)
    bool has_exact;         // write / seen is_min_value_exact, is_max_value_exact
    bool min_exact, max_exact;
};

struct vs_pq_column_chunk {
    struct vs_str file_path; // not empty: data in another file
    int64_t file_offset;
    bool has_meta;
    int32_t type; // enum vs_pq_type
    size_t encoding_count;
    int32_t *encodings;
    size_t path_count;
    struct vs_str *path;
    int32_t codec; // enum vs_pq_codec
    int64_t num_values;
    int64_t total_uncompressed_size, total_compressed_size;
    int64_t data_page_offset;
    bool has_dictionary_page_offset;
    int64_t dictionary_page_offset;
    struct vs_pq_statistics statistics;
    int64_t offset_index_offset; // 0: none
    int32_t offset_index_length;
    int64_t column_index_offset;
    int32_t column_index_length;
    bool is_encrypted;
};

struct vs_pq_row_group {
    size_t column_count;
    struct vs_pq_column_chunk *columns;
    int64_t total_byte_size;
    int64_t num_rows;
    bool has_file_offset;
    int64_t file_offset;
    bool has_total_compressed_size;
    int64_t total_compressed_size;
    bool has_ordinal;
    int16_t ordinal;
};

struct vs_pq_key_value {
    struct vs_str key, value;
};

struct vs_pq_file_meta {
    int32_t version;
    size_t schema_count;
    struct vs_pq_schema_element *schema; // depth first, [0] is the root
    int64_t num_rows;
    size_t row_group_count;
    struct vs_pq_row_group *row_groups;
    size_t key_value_count;
    struct vs_pq_key_value *key_values;
    struct vs_str created_by;
    size_t column_order_count; // encode: so many TYPE_ORDER entries
    bool is_encrypted;         // encryption_algorithm is set
};

struct vs_pq_page_header {
    int32_t type; // enum vs_pq_page_type
    int32_t uncompressed_size, compressed_size;
    bool has_crc;
    uint32_t crc;
    int32_t num_values; // of the data or dictionary page
    int32_t encoding;
    // v1
    int32_t definition_encoding, repetition_encoding;
    // v2
    int32_t num_nulls, num_rows;
    int32_t definition_length, repetition_length;
    bool is_compressed;                 // v2; the parser sets true by default
    struct vs_pq_statistics statistics; // data pages; encoded when present, not parsed
};

struct vs_pq_page_location {
    int64_t offset;
    int32_t compressed_size; // with the page header
    int64_t first_row_index; // within the row group
};

struct vs_pq_offset_index {
    size_t page_count;
    struct vs_pq_page_location *pages;
};

struct vs_pq_column_index {
    size_t page_count;
    bool *null_pages;
    struct vs_str *min_values, *max_values;
    int32_t boundary_order; // enum vs_pq_order
    int64_t *null_counts;   // NULL: absent
};

// `what` names the bytes in errors.
enum vs_status vs_pq_file_meta_parse(const void *bytes,
                                     size_t n,
                                     const char *what,
                                     struct vs_arena *arena,
                                     struct vs_pq_file_meta *meta_out,
                                     struct vs_error *err);
// *used_out: bytes that the header took.
enum vs_status vs_pq_page_header_parse(const void *bytes,
                                       size_t n,
                                       const char *what,
                                       struct vs_pq_page_header *header_out,
                                       size_t *used_out,
                                       struct vs_error *err);
enum vs_status vs_pq_offset_index_parse(const void *bytes,
                                        size_t n,
                                        const char *what,
                                        struct vs_arena *arena,
                                        struct vs_pq_offset_index *index_out,
                                        struct vs_error *err);
enum vs_status vs_pq_column_index_parse(const void *bytes,
                                        size_t n,
                                        const char *what,
                                        struct vs_arena *arena,
                                        struct vs_pq_column_index *index_out,
                                        struct vs_error *err);

// Each appends one Thrift struct. The footer's caller adds its length and "PAR1".
enum vs_status vs_pq_file_meta_encode(const struct vs_pq_file_meta *meta,
                                      struct vs_buf *out,
                                      struct vs_error *err);
enum vs_status vs_pq_page_header_encode(const struct vs_pq_page_header *header,
                                        struct vs_buf *out,
                                        struct vs_error *err);
enum vs_status vs_pq_offset_index_encode(const struct vs_pq_offset_index *index,
                                         struct vs_buf *out,
                                         struct vs_error *err);
enum vs_status vs_pq_column_index_encode(const struct vs_pq_column_index *index,
                                         struct vs_buf *out,
                                         struct vs_error *err);

const char *vs_pq_type_name(int32_t type);
const char *vs_pq_encoding_name(int32_t encoding);
const char *vs_pq_codec_name(int32_t codec);

#endif
