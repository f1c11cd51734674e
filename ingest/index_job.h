// SPDX-License-Identifier: Apache-2.0
/*
 * Builds an index of a table's newest snapshot (with a model: of the model's) and publishes it: one
 * Puffin file, then one metadata commit that points at it.
 *
 * Readers see the old index until the commit, the new one after it; a failed or stopped build
 * leaves the table as it was. Order of publication (R8): file finished and durable, then the commit
 * bound to its snapshot.
 */
#ifndef VS_INGEST_INDEX_JOB_H
#define VS_INGEST_INDEX_JOB_H

#include "index/index_build.h"
#include "vecstore/catalog/catalog.h"

struct vs_index_job {
    const char *table;
    uint32_t list_count;
    uint32_t code_bytes; // of a vector: half the sub-quantisers; 0: automatic
    enum vs_projection projection;
    enum vs_store_vectors store_vectors;
    enum vs_tune_second second_assignment;
    const char *spill_dir;  // NULL: $TMPDIR, or /tmp
    const char *resume_dir; // see index_build.h; NULL: none
    const struct vs_index_model *model;
    struct vs_file *const *parts;
    size_t part_count;
    struct vs_uuid index_uuid; // all zero: random
    int64_t created_ms;        // 0: now
    float min_recall;          // 0: no gate
    const float *queries;      // [query_count][dim of the first vector column]
    size_t query_count, query_dim;
    uint64_t seed, memory_bytes;
    size_t thread_count;
    const struct vs_op *op;
};

struct vs_index_job_result {
    struct vs_index_build_result build;
    int64_t snapshot_id; // that was indexed
    unsigned attempts;
};

enum vs_status vs_index_job_run(struct vs_catalog *catalog,
                                const struct vs_index_job *job,
                                struct vs_index_job_result *result_out,
                                struct vs_error *err);

#endif
