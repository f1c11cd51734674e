// SPDX-License-Identifier: Apache-2.0
/*
 * What the builder of an index wants to know of a table: fields, vector columns and data files.
 *
 * Everything filled in lives in the arena or is borrowed from metadata and plan.
 */
#ifndef VS_INGEST_INDEX_GATHER_H
#define VS_INGEST_INDEX_GATHER_H

#include "index/index_build.h"
#include "vecstore/iceberg/scan.h"

// Readable fields of the schema and the identifier among them.
enum vs_status vs_gather_fields(const struct vs_schema *schema,
                                struct vs_arena *arena,
                                struct vs_index_build_params *params,
                                struct vs_error *err);
// Vector columns by the table's contracts; params->fields have been set. INVALID when there is
// none.
enum vs_status vs_gather_vectors(const struct vs_table_metadata *metadata,
                                 const struct vs_schema *schema,
                                 struct vs_arena *arena,
                                 struct vs_index_build_params *params,
                                 struct vs_error *err);
// Data files of the plan, one after the other.
enum vs_status vs_gather_files(const struct vs_scan_plan *plan,
                               struct vs_arena *arena,
                               struct vs_index_build_params *params,
                               struct vs_error *err);

#endif
