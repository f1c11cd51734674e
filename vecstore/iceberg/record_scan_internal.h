// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by record_scan.c (reading), record_match.c (which node of the file feeds which of the
 * table) and record_default.c (what stands for nodes that the file does not have) only.
 */
#ifndef VS_ICEBERG_RECORD_SCAN_INTERNAL_H
#define VS_ICEBERG_RECORD_SCAN_INTERNAL_H

#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/record_scan.h"

// Beside each node of the wish.
struct vs_record_fill {
    bool is_absent;           // not in the file: constant stands for it
    bool is_filled;           // this node or one below has a constant that is not null
    struct vs_datum constant; // null or a value
    struct vs_record_fill *children;
};

struct vs_record_scan {
    const struct vs_env *env;
    struct vs_arena arena; // as long as the scan
    struct vs_arena rows;  // of the current batch
    const struct vs_table_metadata *metadata;
    const struct vs_data_file *data;
    struct vs_file *file;
    struct vs_parquet_reader *reader;
    struct vs_record_reader *records;
    struct vs_type file_type, wish;
    struct vs_record_fill fill;
    uint64_t position;
};

// Fills scan->wish and scan->fill for the table's type.
enum vs_status vs_record_match(struct vs_record_scan *scan,
                               const struct vs_type *type,
                               struct vs_error *err);
// A default value as a datum of the type, in the arena.
enum vs_status vs_record_default(struct vs_record_scan *scan,
                                 const struct vs_type *type,
                                 struct vs_datum *datum_out,
                                 struct vs_error *err);
// Copies a value whose text lives elsewhere.
enum vs_status vs_record_constant(struct vs_arena *arena,
                                  const struct vs_value *value,
                                  struct vs_datum *datum_out,
                                  struct vs_error *err);

#endif
