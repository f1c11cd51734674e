// SPDX-License-Identifier: Apache-2.0
/*
 * Forgets old snapshots in one commit, then removes the files that only they reached.
 *
 * What stays is told by the newest state after the commit, read anew: all its snapshots and refs,
 * statistics, the index of its properties, its metadata log. Nothing is removed when the commit
 * failed or its outcome is unknown. Lists go first, then manifests, then data and delete files, so
 * that a crash leaves orphans and never a manifest that names what is gone. With table property
 * write.metadata.delete-after-commit.enabled metadata files older than the metadata log and than
 * one hour go too, oldest first.
 */
#ifndef VS_INGEST_EXPIRE_JOB_H
#define VS_INGEST_EXPIRE_JOB_H

#include "ingest/table_files.h"
#include "vecstore/catalog/catalog.h"

struct vs_expire_job {
    const char *table;
    int64_t older_than_ms; // wall clock; 0: as the table's properties say
    uint32_t retain_last;  // 0: as the table's properties say
    const int64_t *snapshot_ids;
    size_t snapshot_id_count;
    bool dry_run;
    const struct vs_op *op;
};

struct vs_expire_result {
    struct vs_arena arena;
    const int64_t *expired; // in arena
    size_t expired_count, dropped_refs;
    uint64_t removed[VS_TABLE_FILE_KINDS]; // files, by enum vs_table_file_kind
    uint64_t bytes;                        // of files whose size is known
};

// result_out is cleared by the caller on success.
enum vs_status vs_expire_job_run(struct vs_catalog *catalog,
                                 const struct vs_expire_job *job,
                                 struct vs_expire_result *result_out,
                                 struct vs_error *err);
void vs_expire_result_clear(struct vs_expire_result *result);

#endif
