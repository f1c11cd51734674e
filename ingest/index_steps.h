// SPDX-License-Identifier: Apache-2.0
/*
 * The steps of building an index, one by one, so that several machines can share the work: train a
 * model, encode some data files of the snapshot into a part, put the parts together.
 *
 * Nothing is published here: vs_index_job_run with a model and parts does that.
 */
#ifndef VS_INGEST_INDEX_STEPS_H
#define VS_INGEST_INDEX_STEPS_H

#include "ingest/index_job.h"

// The model's file into `out` (initialised by the caller).
enum vs_status vs_index_job_train(struct vs_catalog *catalog,
                                  const struct vs_index_job *job,
                                  struct vs_buf *out,
                                  struct vs_error *err);

// Which data files of the snapshot: those with these paths or names (the last part of a path), or
// the share number `share` (from 0) of `of`, by rows.
struct vs_index_share {
    const struct vs_str *names;
    size_t name_count; // 0: share and of
    size_t share, of;
};

struct vs_index_part_facts {
    uint64_t row_count, vector_count;
    size_t file_count;
};

// With job->model; `out` is finished by the caller.
enum vs_status vs_index_job_encode(struct vs_catalog *catalog,
                                   const struct vs_index_job *job,
                                   const struct vs_index_share *share,
                                   struct vs_writer *out,
                                   struct vs_index_part_facts *facts_out,
                                   struct vs_error *err);
// With job->model and job->parts: the index file, not published; `out` is finished by the caller.
enum vs_status vs_index_job_assemble(struct vs_catalog *catalog,
                                     const struct vs_index_job *job,
                                     struct vs_writer *out,
                                     struct vs_index_build_result *result_out,
                                     struct vs_error *err);

#endif
