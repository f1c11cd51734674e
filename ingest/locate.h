// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the live rows of a snapshot that carry given ids: what upserts and deletes
 * by id remove, and what an insert must not repeat.
 *
 * Reads the id column only, and only of files whose id bounds meet the ids asked for. Threads: pure
 * over its arguments.
 */
#ifndef VS_INGEST_LOCATE_H
#define VS_INGEST_LOCATE_H

#include "ingest/id_set.h"
#include "vecstore/base/cancel.h"
#include "vecstore/iceberg/scan.h"

struct vs_located {
    struct vs_position_delete *rows; // by file, position ascending; in the arena that was given
    size_t *id_index;                // rows[i] has the id vs_id_set_get(ids, id_index[i])
    size_t row_count;
    size_t distinct_ids; // how many of the ids were found
};

struct vs_locate {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *base;
    int64_t snapshot_id; // in which the rows live; VS_NO_SNAPSHOT: none does
    const struct vs_id_set *ids;
    const struct vs_op *op;
    struct vs_scan_plan **plan_out; // NULL: the plan is not wanted; else the caller frees it
};

enum vs_status vs_locate_ids(const struct vs_locate *locate,
                             struct vs_arena *arena,
                             struct vs_located *located_out,
                             struct vs_error *err);

#endif
