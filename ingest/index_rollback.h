// SPDX-License-Identifier: Apache-2.0
/*
 * Publishes a former version of a table's index again: one atomic commit, no byte of an index file
 * changes. Any snapshot stays searchable: data files that the version does not cover are scanned.
 */
#ifndef VS_INGEST_INDEX_ROLLBACK_H
#define VS_INGEST_INDEX_ROLLBACK_H

#include "vecstore/base/uuid.h"
#include "vecstore/catalog/catalog.h"

struct vs_rollback_job {
    const char *table;
    const char *to; // UUID of a version; NULL: the one before the current one
    const struct vs_op *op;
};

struct vs_rollback_result {
    struct vs_uuid index_uuid, former_uuid;
    int64_t index_snapshot_id; // of the version's build
    uint64_t rows, file_size;
    unsigned attempts;
};

enum vs_status vs_rollback_job_run(struct vs_catalog *catalog,
                                   const struct vs_rollback_job *job,
                                   struct vs_rollback_result *result_out,
                                   struct vs_error *err);

#endif
