// SPDX-License-Identifier: Apache-2.0
/*
 * What the builder of an index wants to know of a table: fields, vector columns and data files.
 *
 * Everything filled in lives in the arena or is borrowed from metadata and plan. Threads: single
 * owner.
 */
#ifndef VS_INGEST_INDEX_GATHER_H
#define VS_INGEST_INDEX_GATHER_H

#include "ingest/index_job.h"
#include "vecstore/iceberg/scan.h"

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

// A job and what it needs of its table; owns table, arena and plan.
struct vs_gathered {
    const struct vs_env *env;
    const struct vs_index_job *job;
    struct vs_table *table;
    struct vs_arena arena;
    struct vs_scan_plan *plan;
    struct vs_index_build_params params;
};

// Of the model's snapshot where the job has a model, which says of which one the parts are, also
// when there are newer ones; else of the newest. Cleared by the caller whatever the outcome.
enum vs_status vs_gather_open(struct vs_catalog *catalog,
                              const struct vs_index_job *job,
                              struct vs_gathered *g,
                              struct vs_error *err);
void vs_gather_close(struct vs_gathered *g);
// The rows of the plan (g->plan or some of its files), to be closed with vs_table_rows_close(ctx).
enum vs_status vs_gather_rows(const struct vs_gathered *g,
                              const struct vs_scan_plan *plan,
                              struct vs_index_row_source *source_out,
                              struct vs_error *err);

#endif
