// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by file_scan.c (reading), file_columns.c (where each column comes from), default_value.c,
 * file_filter.c (rows that cannot match), row_lineage.c and the record_*.c beside them only.
 */
#ifndef VS_ICEBERG_FILE_SCAN_INTERNAL_H
#define VS_ICEBERG_FILE_SCAN_INTERNAL_H

#include "vecstore/format/parquet_read.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/scan.h"

#define VS_COLUMN_ABSENT SIZE_MAX

struct vs_scan_column {
    size_t file_column;        // VS_COLUMN_ABSENT: not in the file
    bool is_lineage;           // one of the two fields above
    struct vs_column constant; // one row: what an absent column holds; no row: null
};

struct vs_row_range {
    uint64_t first, end;
};

struct vs_file_scan {
    const struct vs_env *env;
    struct vs_arena arena;
    const struct vs_table_metadata *metadata; // borrowed
    const struct vs_data_file *data;          // borrowed
    struct vs_file *file;
    struct vs_parquet_reader *reader;
    struct vs_parquet_scan *scan; // NULL when no asked column is in the file
    struct vs_json_doc *mapping;  // of the name mapping; NULL: none, or the file has field ids
    bool by_id;
    const struct vs_field *fields;
    size_t field_count;
    struct vs_scan_column *columns;
    size_t present_count;
    struct vs_column *window; // columns lent by the caller's batch during a read
    uint64_t row_count;
    uint64_t position;
    bool is_filtered;
    size_t range_count, range; // rows to read, and the one at or behind position
    struct vs_row_range *ranges;
};

// ---- file_scan.c ----
// Opens a data file as Parquet, with as many rows as the manifest says.
enum vs_status vs_data_file_open(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 const struct vs_data_file *data,
                                 struct vs_file **file_out,
                                 struct vs_parquet_reader **reader_out,
                                 struct vs_error *err);

// ---- file_columns.c ----
// The table's name mapping, a JSON array; NULL: it has none.
enum vs_status vs_name_mapping_parse(const struct vs_env *env,
                                     const struct vs_table_metadata *metadata,
                                     struct vs_json_doc **mapping_out,
                                     struct vs_error *err);
// The value of a column of which the file's partition has one (transform identity); NULL: none.
const struct vs_value *vs_identity_value(const struct vs_table_metadata *metadata,
                                         const struct vs_data_file *data,
                                         int32_t field_id);
// Makes the value one of a kind to which its column may have been promoted since it was written
// (those promotions that keep the number); false: it may not.
bool vs_value_promote(struct vs_value *value, enum vs_kind to);
enum vs_status vs_file_columns_match(struct vs_file_scan *scan, struct vs_error *err);
// Column of the file that holds a field, or VS_COLUMN_ABSENT.
size_t vs_file_column_of(const struct vs_file_scan *scan, const struct vs_field *field);

// ---- default_value.c ----
// Appends a default value as Iceberg writes it in JSON (Appendix D, "JSON single-value
// serialization") to a column of the field's kind; CORRUPT names the field.
enum vs_status vs_default_value_append(const struct vs_env *env,
                                       const struct vs_field *field,
                                       struct vs_str json,
                                       struct vs_column *column,
                                       struct vs_error *err);

// ---- row_lineage.c ----
bool vs_is_lineage_field(int32_t field_id);
// Fills rows [first, first + count) of a column whose file rows begin at `position`: those that the
// file left null, or all when it does not store the column (nothing appended yet).
enum vs_status vs_row_lineage_fill(const struct vs_data_file *data,
                                   const struct vs_scan_column *source,
                                   int32_t field_id,
                                   uint64_t position,
                                   size_t first,
                                   size_t count,
                                   struct vs_column *column,
                                   struct vs_error *err);

#endif
