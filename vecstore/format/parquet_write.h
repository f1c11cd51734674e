// SPDX-License-Identifier: Apache-2.0
/*
 * Parquet writer as Iceberg readers like it best: data pages v1, zstd, field ids, small pages,
 * column and offset index, no statistics for list leaves.
 *
 * Strings are dictionary-coded while the dictionary pays (RLE_DICTIONARY, fall back to PLAIN);
 * everything else is PLAIN, list<float> optionally BYTE_STREAM_SPLIT. Levels are RLE. Details and
 * reasons: iceberg.md 1.7, 4.1-4.4. Memory: one row group's compressed pages. Ownership: borrows
 * writer and schema until finish or free. Threads: single owner.
 */
#ifndef VS_FORMAT_PARQUET_WRITE_H
#define VS_FORMAT_PARQUET_WRITE_H

#include "vecstore/base/io.h"
#include "vecstore/format/column.h"

struct vs_parquet_writer;

struct vs_parquet_write_options {
    size_t row_group_bytes;    // uncompressed; 0: 64 MiB
    size_t page_bytes;         // uncompressed; 0: 128 KiB
    int zstd_level;            // 0: 1
    bool byte_stream_split;    // for list<float> leaves: smaller and faster to read than PLAIN;
                               // vs_parquet_write_defaults sets it
    size_t thread_count;       // threads that encode and compress; 0: 1
    struct vs_str schema_json; // written as footer key "iceberg.schema" when not empty
};

// All defaults, with byte_stream_split on; the same as options NULL.
struct vs_parquet_write_options vs_parquet_write_defaults(void);

// Facts for the manifest entry, by field id (leaf ids: list columns by element id and column_size
// only).
struct vs_parquet_column_stats {
    int32_t field_id;
    uint64_t column_size; // compressed bytes including page headers
    bool has_counts;      // false for list leaves
    uint64_t value_count, null_count, nan_count;
    bool has_nan_count; // FLOAT and DOUBLE
    bool has_bounds;
    struct vs_buf lower,
        upper; // Iceberg single-value serialisation, truncate(16) for strings and binary
};

struct vs_parquet_info {
    uint64_t row_count;
    uint64_t file_size;
    size_t split_count;
    int64_t *split_offsets;
    size_t column_count;
    struct vs_parquet_column_stats *columns;
    const struct vs_env *env;
};

enum vs_status vs_parquet_writer_open(const struct vs_env *env,
                                      struct vs_writer *out,
                                      const struct vs_schema *schema,
                                      const struct vs_parquet_write_options *options,
                                      struct vs_parquet_writer **writer_out,
                                      struct vs_error *err);
// Columns in schema order. A required column must have no nulls (VS_INVALID names row and column).
enum vs_status vs_parquet_writer_write(struct vs_parquet_writer *writer,
                                       const struct vs_batch *batch,
                                       struct vs_error *err);
// Writes the last row group, indexes and footer into `out` (does not finish `out`) and moves the
// facts to *info_out.
enum vs_status vs_parquet_writer_finish(struct vs_parquet_writer *writer,
                                        struct vs_parquet_info *info_out,
                                        struct vs_error *err);
void vs_parquet_writer_free(struct vs_parquet_writer *writer);
uint64_t vs_parquet_writer_bytes(
    const struct vs_parquet_writer *writer); // written and pending, to roll files
void vs_parquet_info_clear(struct vs_parquet_info *info);

#endif
