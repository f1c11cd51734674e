// SPDX-License-Identifier: Apache-2.0
/*
 * JSON objects to rows: the keys are column names, a missing key is null, an unknown key is an
 * error (or left out).
 *
 * Texts carry what JSON has no type for: dates, timestamps, uuids, decimals; binary and, if one
 * likes, float vectors as base64 (little-endian float32). Ownership: borrows schema and renames.
 * Threads: single owner.
 */
#ifndef VS_INGEST_JSON_ROW_H
#define VS_INGEST_JSON_ROW_H

#include "ingest/source.h"
#include "vecstore/base/arena.h"
#include "vecstore/base/json.h"

struct vs_json_rows {
    const struct vs_env *env;
    const struct vs_schema *schema;
    const struct vs_source_options *options; // renames and skip_unknown
    bool *filled;                            // per field, of the row in progress
};

// options may be NULL.
enum vs_status vs_json_rows_init(struct vs_json_rows *rows,
                                 const struct vs_env *env,
                                 const struct vs_schema *schema,
                                 const struct vs_source_options *options,
                                 struct vs_error *err);
void vs_json_rows_clear(struct vs_json_rows *rows);
// Field of a key, SIZE_MAX when there is none. `hint` is where it probably stands.
size_t vs_json_rows_find(const struct vs_json_rows *rows, struct vs_str key, size_t hint);
void vs_json_rows_begin(struct vs_json_rows *rows);
// Appends one row, but for the fields that are marked filled: these got their value already. Does
// not count the row.
enum vs_status vs_json_rows_append(struct vs_json_rows *rows,
                                   const struct vs_json *object,
                                   struct vs_batch *batch,
                                   struct vs_error *err);

#endif
