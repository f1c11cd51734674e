// SPDX-License-Identifier: Apache-2.0
/*
 * Reads and verifies what a table refers to; changes nothing: manifest lists and manifests of all
 * snapshots and the length of all files that they name; data files, delete files and index of the
 * newest snapshot in full, and that no id stands in two live rows (of the first 2^26). Problems are
 * reported by object, the first 100 in full.
 */
#ifndef VS_INGEST_CHECK_JOB_H
#define VS_INGEST_CHECK_JOB_H

#include "vecstore/base/json.h"
#include "vecstore/catalog/catalog.h"

struct vs_check_result {
    uint64_t files, rows, deleted, bytes, problems;
};

// Writes the members "problems":[…], "files", "rows", "deleted", "bytes" and "problem_count" into
// an object that the caller has open. VS_OK also when there are problems.
enum vs_status vs_check_job_run(struct vs_catalog *catalog,
                                const struct vs_table *table,
                                const struct vs_op *op,
                                struct vs_json_writer *w,
                                struct vs_check_result *result_out,
                                struct vs_error *err);

#endif
