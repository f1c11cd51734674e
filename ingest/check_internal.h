// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by check_job.c (files and rows), check_metadata.c (what snapshots name) and
 * check_deletes.c only.
 */
#ifndef VS_INGEST_CHECK_INTERNAL_H
#define VS_INGEST_CHECK_INTERNAL_H

#include "ingest/check_job.h"
#include "ingest/id_set.h"
#include "vecstore/iceberg/contract.h"

struct vs_check {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table *table;
    const struct vs_op *op;
    struct vs_json_writer *w;
    struct vs_arena arena;
    struct vs_scan_plan *plan; // NULL: the current snapshot cannot be planned
    struct vs_deleted_rows deleted;
    struct vs_vector_contract *contracts;
    size_t contract_count;
    struct vs_id_set *seen;    // paths of objects that were looked at
    struct vs_id_set *damaged; // those of them that are missing or have a wrong length
    struct vs_id_set *live;    // data files of the current snapshot
    struct vs_buf files;       // struct vs_data_file: the same
    struct vs_id_set *ids;     // of live rows; NULL: the table has no identifier
    struct vs_check_result result;
};

// Adds a problem of `object`.
void vs_check_report(struct vs_check *check, struct vs_str object, const char *problem);
// A failure that says nothing about the table (no memory, stopped) ends the check; any other is a
// finding about `object`.
enum vs_status vs_check_finding(struct vs_check *check,
                                struct vs_str object,
                                enum vs_status status,
                                const struct vs_error *problem,
                                struct vs_error *err);
// True: the path was in the set already.
enum vs_status vs_check_note(struct vs_id_set *set,
                             struct vs_str path,
                             bool *known_out,
                             struct vs_error *err);
bool vs_check_is_damaged(const struct vs_check *check, struct vs_str path);

// ---- check_metadata.c ----
// Manifest lists and manifests of all snapshots, and whether the files that they name are there in
// their full length. Fills files and live.
enum vs_status vs_check_snapshots(struct vs_check *check, struct vs_error *err);

// ---- check_deletes.c ----
// Each delete file of the plan on its own; then fills check->deleted if all can be read.
enum vs_status vs_check_deletes(struct vs_check *check, struct vs_error *err);

#endif
