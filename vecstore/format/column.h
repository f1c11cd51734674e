// SPDX-License-Identifier: Apache-2.0
/*
 * Rows in memory, column by column: what sources, Parquet, filters and the index exchange.
 *
 * Layout of a column of n rows:
 *   valid    one byte a row, 1 = present; empty buffer: every row is present
 *   values   fixed kinds: n * width bytes (null rows hold zeros); STRING, BINARY: all bytes one
 * after the other; dictionary: n uint32 codes offsets  STRING, BINARY, LIST: n + 1 uint32, first is
 * 0; null rows are empty child    LIST: the elements (offsets count elements) dictionary  when not
 * NULL this column's values are uint32 codes into it (STRING or BINARY only) Ownership: the column
 * owns its buffers and children. Threads: single owner while filling, then immutable.
 */
#ifndef VS_FORMAT_COLUMN_H
#define VS_FORMAT_COLUMN_H

#include "vecstore/base/decimal.h"
#include "vecstore/format/schema.h"

struct vs_column {
    enum vs_kind kind;
    size_t row_count;
    struct vs_buf valid;
    struct vs_buf values;
    struct vs_buf offsets;
    struct vs_column *child;
    struct vs_column *dictionary;
};

// A scalar read out of a column or a literal of a filter; text and bytes borrow.
struct vs_value {
    enum vs_kind kind;
    bool is_null;

    union {
        bool boolean;
        int64_t integer;    // INT, LONG, DATE, TIME, TIMESTAMP*
        double real;        // FLOAT, DOUBLE
        struct vs_str text; // STRING, BINARY, FIXED, UUID (16 bytes)
        vs_int128 decimal;
    } as;
};

struct vs_batch {
    size_t row_count;
    size_t column_count;
    struct vs_column *columns; // in the order of the schema or projection that was asked for
};

void vs_column_init(struct vs_column *column, const struct vs_env *env, enum vs_kind kind);
// LIST columns: also makes the child of element_kind.
enum vs_status vs_column_init_field(struct vs_column *column,
                                    const struct vs_env *env,
                                    const struct vs_field *field,
                                    struct vs_error *err);
void vs_column_clear(struct vs_column *column); // frees all; accepts a zeroed column
void vs_column_reset(struct vs_column *column); // no rows, keeps the memory

enum vs_status vs_batch_init(struct vs_batch *batch,
                             const struct vs_env *env,
                             const struct vs_field *fields,
                             size_t field_count,
                             struct vs_error *err);
void vs_batch_clear(struct vs_batch *batch);
void vs_batch_reset(struct vs_batch *batch);

// Appending one row. value.kind must be the column's (INTEGER kinds are range-checked); LIST uses
// the list functions.
enum vs_status vs_column_append(struct vs_column *column,
                                const struct vs_value *value,
                                struct vs_error *err);
enum vs_status vs_column_append_null(struct vs_column *column, struct vs_error *err);
enum vs_status vs_column_append_bytes(struct vs_column *column,
                                      const void *bytes,
                                      size_t n,
                                      struct vs_error *err); // STRING, BINARY, FIXED, UUID
enum vs_status vs_column_append_floats(struct vs_column *column,
                                       const float *values,
                                       size_t n,
                                       struct vs_error *err); // one row of LIST<FLOAT>
// Ends one row of a LIST after its elements were appended to column->child.
enum vs_status vs_column_end_list(struct vs_column *column, struct vs_error *err);
// Appends rows [first, first + count) of src (same kind) to dst; dictionaries are resolved.
enum vs_status vs_column_append_rows(struct vs_column *dst,
                                     const struct vs_column *src,
                                     size_t first,
                                     size_t count,
                                     struct vs_error *err);
// Appends the rows named by index.
enum vs_status vs_column_gather(struct vs_column *dst,
                                const struct vs_column *src,
                                const uint32_t *rows,
                                size_t count,
                                struct vs_error *err);

// Reading.
static inline bool vs_column_is_null(const struct vs_column *column, size_t row)
{
    return column->valid.len != 0 && column->valid.data[row] == 0;
}
struct vs_value vs_column_get(const struct vs_column *column, size_t row); // not for LIST
struct vs_str vs_column_get_bytes(const struct vs_column *column,
                                  size_t row); // STRING, BINARY, UUID
// Elements of a list row: [*first_out, *first_out + *count_out) of column->child; 0 elements for
// null.
void vs_column_get_list(const struct vs_column *column,
                        size_t row,
                        size_t *first_out,
                        size_t *count_out);
// The floats of a LIST<FLOAT> row; NULL with *count_out = 0 for null or empty.
const float *vs_column_get_floats(const struct vs_column *column, size_t row, size_t *count_out);
size_t vs_column_memory(const struct vs_column *column); // bytes held

// Makes the value own what it borrows, in the arena; false: out of memory.
bool vs_value_keep(struct vs_value *value, struct vs_arena *arena);
// Compares two non-null values of one kind: -1, 0, 1. NaN sorts above everything.
int vs_value_compare(const struct vs_value *a, const struct vs_value *b);
// Appends one row as JSON (dates, timestamps, uuids, decimals and binary (base64) as strings).
struct vs_json_writer;
void vs_column_write_json(struct vs_json_writer *w,
                          const struct vs_column *column,
                          const struct vs_field *field,
                          size_t row);
// One value; scale: of decimals.
void vs_value_write_json(struct vs_json_writer *w, const struct vs_value *value, uint8_t scale);
// Parses text of a kind ("2025-01-31", "12.5", "true"); used by filters, JSONL and the command
// line. STRING borrows the text; BINARY (base64) and UUID decode into arena.
enum vs_status vs_value_parse(struct vs_str text,
                              const struct vs_field *field,
                              struct vs_arena *arena,
                              struct vs_value *value_out,
                              struct vs_error *err);

#endif
