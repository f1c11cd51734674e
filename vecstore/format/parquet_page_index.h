// SPDX-License-Identifier: Apache-2.0
/*
 * What the statistics of a Parquet file say of the values of a column: in a row group (footer) and
 * in its pages (column index and offset index).
 *
 * Bounds are inclusive and hold for values that are neither null nor NaN; a bound that was cut
 * short by its writer is still one. What cannot be trusted is "not known": bounds that are NaN,
 * INT96, the older min and max fields without a defined order. Ownership: texts of group ranges
 * borrow from the reader, of page ranges from the arena. Threads: a reader may be shared.
 */
#ifndef VS_FORMAT_PARQUET_PAGE_INDEX_H
#define VS_FORMAT_PARQUET_PAGE_INDEX_H

#include "vecstore/format/parquet_read.h"

struct vs_parquet_range {
    bool has_lower, has_upper;
    struct vs_value lower, upper; // of the kind in vs_parquet_schema
    bool may_be_null, may_be_nan, may_be_value;
};

struct vs_parquet_pages {
    size_t count;         // 0: the file has no page index for the column
    uint64_t *first_rows; // count + 1, counted from the start of the file
    struct vs_parquet_range *ranges;
};

// First row of a row group; of the one behind the last: the number of rows.
uint64_t vs_parquet_group_first_row(const struct vs_parquet_reader *reader, size_t group);
// Nothing is known of lists and of types that are not read.
void vs_parquet_group_range(const struct vs_parquet_reader *reader,
                            size_t group,
                            size_t column,
                            struct vs_parquet_range *range_out);
enum vs_status vs_parquet_pages_read(struct vs_parquet_reader *reader,
                                     size_t group,
                                     size_t column,
                                     struct vs_arena *arena,
                                     struct vs_parquet_pages *pages_out,
                                     struct vs_error *err);

#endif
