// SPDX-License-Identifier: Apache-2.0
/*
 * Inspection of table metadata: what inspect_open.c, inspect_table.c (the document) and
 * inspect_rows.c (a snapshot's rows) share. Not for other files.
 */
#ifndef VS_API_INSPECT_TABLE_H
#define VS_API_INSPECT_TABLE_H

#include "api/db.h"
#include "vecstore/iceberg/type_json.h"

#define VS_INSPECT_SORT_BYTES ((size_t)1 << 30) // of rendered rows that are held to be sorted

struct vs_table_inspect {
    const struct vs_env *env;
    const struct vs_inspect_options *options;
    const char *name; // of the metadata file
    struct vs_table_metadata *metadata;
    struct vs_json_writer *w;
};

// The members of the report that say what the document says.
enum vs_status vs_inspect_metadata(const struct vs_table_inspect *t, struct vs_error *err);
// The members that need the snapshot's files: plan, columns, rows, digest, values.
enum vs_status vs_inspect_snapshot(const struct vs_table_inspect *t, struct vs_error *err);
// The columns of a type as an array; extra (may be NULL) adds members to each.
typedef void (*vs_inspect_column_fn)(void *ctx, struct vs_json_writer *w, size_t column);
enum vs_status vs_inspect_type(const struct vs_table_inspect *t,
                               const struct vs_schema *schema,
                               const struct vs_type *type,
                               vs_inspect_column_fn extra,
                               void *ctx,
                               struct vs_error *err);

#endif
