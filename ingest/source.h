// SPDX-License-Identifier: Apache-2.0
/*
 * Where rows come from: one interface over .parquet, .npy (with metadata beside it) and JSON lines,
 * files or standard input.
 *
 * A source has a schema: the table's when options.schema is given (columns in its order, absent
 * ones are null), else its own (Parquet: the file's; npy: the metadata's columns and the vectors;
 * JSON lines: inferred from the first 1,000 lines). A column that the schema does not have is an
 * error that names it, never dropped, unless options.skip_unknown. Rows come in batches of at most
 * 8,192 rows or about 8 MiB. Sources check shape and types; what a row may hold (dimension, NaN,
 * ids) is the gate's matter. Ownership: a source owns what it opens; options and the table's schema
 * must outlive it. Threads: single owner.
 */
#ifndef VS_INGEST_SOURCE_H
#define VS_INGEST_SOURCE_H

#include "vecstore/base/io.h"
#include "vecstore/format/column.h"

#define VS_SOURCE_BATCH_ROWS 8192
#define VS_SOURCE_BATCH_BYTES ((size_t)8 * 1024 * 1024)
#define VS_SOURCE_ROWS_UNKNOWN UINT64_MAX

struct vs_source;

struct vs_source_vtable {
    // Appends rows to the batch (reset by vs_source_next) and sets its row_count; none: the end.
    // *first_row_out: number of the first row.
    enum vs_status (*next)(struct vs_source *source,
                           struct vs_batch *batch,
                           uint64_t *first_row_out,
                           struct vs_error *err);
    void (*close)(struct vs_source *source);
};

// Implementations embed this as their first member.
struct vs_source {
    const struct vs_source_vtable *vtable;
    const struct vs_env *env;
    const char *name;     // for messages: the path, or "standard input"
    const char *row_word; // what row numbers count: "row" from 0, "line" from 1
    struct vs_schema schema;
    uint64_t row_total; // VS_SOURCE_ROWS_UNKNOWN when only reading tells
    uint64_t rows_read;
    uint64_t bytes_total; // 0: unknown
    uint64_t bytes_read;  // for progress
    size_t max_rows;      // of a batch; set at open to VS_SOURCE_BATCH_ROWS, may be lowered
};

// The source's column `from` is the schema's column `to` (with options.schema only).
struct vs_source_rename {
    struct vs_str from, to;
};

struct vs_source_options {
    const struct vs_schema *schema; // NULL: the source's own
    struct vs_str vector_column; // where npy's vectors go; which JSON array is a vector when types
                                 // are inferred. Empty: "embedding"
    struct vs_str
        row_number_column; // npy without metadata: this long column counts the rows; empty: none
    const char
        *metadata; // for npy: path of a .jsonl or .parquet with the other columns; NULL: none
    const struct vs_source_rename *renames;
    size_t rename_count;
    bool skip_unknown; // leave out columns that the schema lacks or whose type cannot be read
};

// By the path's ending: .parquet, .npy, .jsonl or .ndjson; "-" reads JSON lines from standard
// input. options may be NULL.
enum vs_status vs_source_open(const struct vs_env *env,
                              const char *path,
                              const struct vs_source_options *options,
                              struct vs_source **source_out,
                              struct vs_error *err);
// Over a file that is open already (taken, also on failure); `name` is its path or what to call it.
enum vs_status vs_source_open_file(const struct vs_env *env,
                                   struct vs_file *file,
                                   const char *name,
                                   const struct vs_source_options *options,
                                   struct vs_source **source_out,
                                   struct vs_error *err);
void vs_source_close(struct vs_source *source); // accepts NULL

// Columns of the batches; make one with vs_batch_init(&batch, env, schema->fields,
// schema->field_count).
const struct vs_schema *vs_source_schema(const struct vs_source *source);
// Resets the batch and fills it; row_count 0 is the end. *first_row_out (may be NULL): the number
// of its first row, counted as row_word says; the rows of one batch have consecutive numbers.
enum vs_status vs_source_next(struct vs_source *source,
                              struct vs_batch *batch,
                              uint64_t *first_row_out,
                              struct vs_error *err);

#endif
