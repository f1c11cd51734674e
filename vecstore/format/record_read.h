// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of any Parquet file as trees of values: structs, maps, lists of anything, the list shapes of
 * older writers, repeated fields without annotation.
 *
 * This is the path for inspection, export and tables with nested columns; flat columns and lists of
 * primitives are read faster by parquet_read.h. Rows come in batches; the values of a batch live in
 * an arena that the next call resets. Memory: one page a leaf, 4096 levels a leaf and the rows of
 * one batch (it ends early at VS_RECORD_BATCH_BYTES; one row may take VS_RECORD_ROW_BYTES).
 * Ownership: borrows the Parquet reader and the wish. Threads: single owner.
 * Spec: apache/parquet-format LogicalTypes.md "Lists", "Maps"; record assembly after "Dremel".
 */
#ifndef VS_FORMAT_RECORD_READ_H
#define VS_FORMAT_RECORD_READ_H

#include "vecstore/format/column.h"
#include "vecstore/format/parquet_read.h"
#include "vecstore/format/type.h"

#define VS_RECORD_BATCH_BYTES ((size_t)16 << 20)
#define VS_RECORD_ROW_BYTES ((size_t)256 << 20)

enum vs_datum_shape {
    VS_DATUM_NULL,
    VS_DATUM_SCALAR,
    VS_DATUM_LIST,
    VS_DATUM_MAP,
    VS_DATUM_STRUCT
};

struct vs_datum {
    enum vs_datum_shape shape;
    size_t count; // LIST: elements; MAP: pairs; STRUCT: fields

    union {
        struct vs_value scalar;
        struct vs_datum *items; // MAP: key, value, key, value
    } as;
};

// The columns of the file as a tree (a struct, its children are the top-level columns), in the
// arena. is_stored: values as they are stored, for digests (times and timestamps as INT or LONG in
// their stored unit, INT96 as LONG of microseconds, float16 as two bytes); otherwise the kinds that
// vs_parquet_schema uses.
enum vs_status vs_record_file_type(struct vs_parquet_reader *reader,
                                   bool is_stored,
                                   struct vs_arena *arena,
                                   struct vs_type *type_out,
                                   struct vs_error *err);

struct vs_record_reader;

// The wish is a tree of struct vs_type whose sources point into a tree of vs_record_file_type; the
// root is a STRUCT. A node without source reads as null (a struct whose source is there but whose
// children are all absent still tells null from present). Kinds may be wider than the file's as
// schema evolution allows; INVALID names what does not fit.
enum vs_status vs_record_open(struct vs_parquet_reader *reader,
                              const struct vs_type *wish,
                              struct vs_record_reader **records_out,
                              struct vs_error *err);
void vs_record_close(struct vs_record_reader *records); // accepts NULL
// The next rows, at most max_rows, each a STRUCT of the wish's fields; *count_out = 0: the end.
// Valid until the next call. After a failure only close.
enum vs_status vs_record_next(struct vs_record_reader *records,
                              size_t max_rows,
                              const struct vs_datum **rows_out,
                              size_t *count_out,
                              struct vs_error *err);
// Goes to a row of the file. Whole row groups are passed over, rows inside of one are read.
enum vs_status vs_record_seek(struct vs_record_reader *records, uint64_t row, struct vs_error *err);

#endif
