// SPDX-License-Identifier: Apache-2.0
/*
 * One data file read as rows of the table's whole type: structs, lists and maps of any depth.
 *
 * Columns are matched by field id at every level (by schema.name-mapping.default, else by name,
 * when the file has no ids): renamed, reordered, added and dropped members, promoted leaves,
 * initial defaults, partition values of columns that are not in the file. The way for inspection
 * and export; flat columns are read faster by vs_file_scan (scan.h). Rows deleted in the snapshot
 * are NOT removed here: positions stay true. Ownership: borrows type, metadata and data until
 * close. Threads: single owner. Spec: Iceberg table specification, "Column Projection".
 */
#ifndef VS_ICEBERG_RECORD_SCAN_H
#define VS_ICEBERG_RECORD_SCAN_H

#include "vecstore/format/record_read.h"
#include "vecstore/iceberg/manifest.h"
#include "vecstore/object/store.h"

struct vs_record_scan;

// type: a STRUCT of the wanted columns, nodes of a vs_iceberg_type_parse tree.
enum vs_status vs_record_scan_open(const struct vs_env *env,
                                   struct vs_store *store,
                                   const struct vs_table_metadata *metadata,
                                   const struct vs_data_file *data,
                                   const struct vs_type *type,
                                   struct vs_record_scan **scan_out,
                                   struct vs_error *err);
void vs_record_scan_close(struct vs_record_scan *scan); // accepts NULL
// The next rows, at most max_rows; *count_out = 0: the end. The first one stands at
// *first_position_out. Valid until the next call. After a failure only close.
enum vs_status vs_record_scan_next(struct vs_record_scan *scan,
                                   size_t max_rows,
                                   const struct vs_datum **rows_out,
                                   size_t *count_out,
                                   uint64_t *first_position_out,
                                   struct vs_error *err);
enum vs_status vs_record_scan_seek(struct vs_record_scan *scan,
                                   uint64_t position,
                                   struct vs_error *err);

#endif
