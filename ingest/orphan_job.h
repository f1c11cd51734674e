// SPDX-License-Identifier: Apache-2.0
/*
 * Files below a table's location that nothing names: left behind by crashes, refused commits and
 * commits of unknown outcome.
 *
 * The folder is listed first; then the table is read anew, so that what was committed meanwhile is
 * kept. Kept in any case: what is younger than the limit, versions of the metadata and the hint,
 * rows set aside (quarantine/), names that begin with '.' or '_' (as Java does), and folders that
 * hold another table. Nothing outside of the location is looked at.
 */
#ifndef VS_INGEST_ORPHAN_JOB_H
#define VS_INGEST_ORPHAN_JOB_H

#include "ingest/table_files.h"
#include "vecstore/catalog/catalog.h"

struct vs_orphan_job {
    const char *table;
    int64_t older_than_ms; // wall clock: files changed at that time or later stay
    bool remove;
    const struct vs_op *op;
};

struct vs_orphan {
    const char *key;
    uint64_t bytes;
    int64_t modified_ms;
};

struct vs_orphan_result {
    struct vs_arena arena;
    const struct vs_orphan *orphans; // in arena, by key
    size_t count, removed;
    uint64_t bytes;
    const char *root_uri; // a key below it is an object's URI; in arena
};

// result_out is cleared by the caller on success.
enum vs_status vs_orphan_job_run(struct vs_catalog *catalog,
                                 const struct vs_orphan_job *job,
                                 struct vs_orphan_result *result_out,
                                 struct vs_error *err);
void vs_orphan_result_clear(struct vs_orphan_result *result);

#endif
