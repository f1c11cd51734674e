// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of the Parquet writer: columns that collect rows and cut them into pages, and the
 * footer.
 *
 * Private to parquet_write.c, parquet_column_write.c and parquet_footer.c.
 *
 * Rows are collected per column until enough for a round of pages stand there; then all full pages
 * of all columns are encoded and compressed, one page a task. At the end of a row group the rest
 * follows, and the chunks are written column after column.
 */
#ifndef VS_FORMAT_PARQUET_WRITER_H
#define VS_FORMAT_PARQUET_WRITER_H

#include "vecstore/base/arena.h"
#include "vecstore/format/codec.h"
#include "vecstore/format/parquet_encode.h"
#include "vecstore/format/parquet_meta.h"
#include "vecstore/format/parquet_stats.h"
#include "vecstore/format/parquet_write.h"

#include <stdatomic.h>

#define VS_PAGE_MAX_ROWS 20000
#define VS_PAGE_MAX_THREADS 64

// What one task needs beside the page: reused through a small stock, since a zstd context is large.
struct vs_page_scratch {
    struct vs_codec_zstd *zstd;
    struct vs_buf body;
    size_t part_ends[5]; // of the body's parts of different nature: levels, byte streams
    size_t part_count;
    struct vs_buf packed;
};

struct vs_page {
    size_t first, row_count; // rows of the pending column; row_count stays valid
    bool dictionary;         // the values are codes
    uint32_t code_limit;     // largest possible code + 1
    int32_t encoding;
    uint64_t value_count;
    uint8_t *bytes; // header and compressed body
    size_t len;
    size_t uncompressed_len;    // with header
    struct vs_leaf_stats stats; // scalar columns
};

struct vs_column_writer {
    const struct vs_field *field;
    enum vs_kind leaf_kind;
    struct vs_column pending, spare;
    size_t pending_cut;  // rows already in pages of this round
    struct vs_buf codes; // uint32 per row in [0, pending_cut), dictionary columns
    struct vs_string_dictionary dictionary;
    bool dictionary_open; // still worth it
    uint64_t dictionary_rows;
    struct vs_page *pages; // of the row group
    size_t page_count, page_capacity, page_done;
    struct vs_leaf_stats stats; // of the file
    uint64_t column_size;       // compressed bytes of the file
};

// A page as the indexes need it.
struct vs_page_fact {
    uint64_t offset;
    uint32_t size;
    uint64_t first_row;
    bool is_null_page;
    struct vs_leaf_stats stats;
};

struct vs_chunk_fact {
    uint64_t offset; // of the first page, be it a dictionary
    uint64_t data_offset;
    bool has_dictionary;
    bool has_plain, has_codes, has_split;
    uint64_t value_count, uncompressed_size, compressed_size;
    struct vs_leaf_stats stats;
    size_t page_count;
    struct vs_page_fact *pages;
};

struct vs_group_fact {
    uint64_t row_count, offset, uncompressed_size, compressed_size;
    struct vs_chunk_fact *chunks;
    struct vs_group_fact *next;
};

struct vs_parquet_writer {
    const struct vs_env *env;
    struct vs_writer *out;
    const struct vs_schema *schema;
    struct vs_parquet_write_options options; // defaults filled in
    uint64_t base;                           // offset in the object at which the file starts
    struct vs_column_writer *columns;
    _Atomic(struct vs_page_scratch *) scratch[VS_PAGE_MAX_THREADS];
    struct vs_arena arena; // facts
    struct vs_group_fact *first_group, *last_group;
    size_t group_count;
    uint64_t group_rows, group_bytes; // of the open row group, uncompressed
    uint64_t group_compressed;        // its pages made so far
    uint64_t round_bytes;             // since the last round of pages
    uint64_t row_count;
    bool failed, finished;
};

// parquet_column_write.c
enum vs_status vs_column_writer_init(struct vs_column_writer *column,
                                     const struct vs_env *env,
                                     const struct vs_field *field,
                                     struct vs_error *err);
void vs_column_writer_clear(struct vs_column_writer *column, const struct vs_env *env);
// Encodes the full pages of every column, all of them when `all`.
enum vs_status vs_parquet_encode_round(struct vs_parquet_writer *writer,
                                       bool all,
                                       struct vs_error *err);
enum vs_status vs_parquet_encode_dictionary(struct vs_parquet_writer *writer,
                                            struct vs_column_writer *column,
                                            struct vs_buf *out,
                                            size_t *uncompressed_out,
                                            struct vs_error *err);
// Uncompressed bytes of rows [first, first + count).
size_t vs_parquet_span_bytes(const struct vs_column *column, size_t first, size_t count);
void vs_page_scratch_free(const struct vs_env *env, struct vs_page_scratch *scratch);

// parquet_footer.c
enum vs_status vs_parquet_write_footer(struct vs_parquet_writer *writer, struct vs_error *err);

#endif
