// SPDX-License-Identifier: Apache-2.0
/*
 * Tables made up for index tests: clustered vectors with fixed seeds, a row source over them,
 * builds into memory, and exact answers by brute force.
 */
#ifndef VS_TESTS_INDEX_FIXTURE_H
#define VS_TESTS_INDEX_FIXTURE_H

#include "index/index.h"
#include "index/index_build.h"

struct fixture {
    size_t row_count, dim, cluster_count;
    enum vs_metric metric;
    size_t null_every; // 0: no nulls; else rows i with i % null_every == 1 have no vector
    float spread;      // of a cluster, against a distance of about 1 between clusters
    uint64_t seed;
    bool values;    // also id, tag and text columns
    float *vectors; // [row_count][dim]
    float *queries; // [query_count][dim], drawn like rows
    size_t query_count;
    // row source: rows [first, end)
    size_t next, first, end;
    struct vs_field fields[4];
    size_t field_count;
};

// Fields row_count … values are set by the caller before.
void fixture_make(struct fixture *fixture, size_t query_count);
void fixture_free(struct fixture *fixture);
bool fixture_has_vector(const struct fixture *fixture, size_t row);

struct fixture_build {
    size_t small_rows, thread_count;
    uint32_t list_count;
    bool no_exact_rows, half_rows;
    enum vs_tune_second second_assignment;
    const char *spill_dir, *resume_dir;
    const struct vs_index_model *model;
    struct vs_file *const *parts;
    size_t part_count;
    const struct vs_op *op;
    uint64_t memory_bytes;
    float min_recall;
    const struct vs_codebook *codebook;
    const struct vs_drift_baseline *baseline; // of the codebook
    size_t query_count;                       // of the fixture's, for the measurement
};

// Builds into bytes (initialised by this function; clear it also after a failure).
enum vs_status fixture_build_index(const struct vs_env *env,
                                   struct fixture *fixture,
                                   const struct fixture_build *build,
                                   struct vs_buf *bytes,
                                   struct vs_index_build_result *result_out,
                                   struct vs_error *err);

// The same up to training: a model file, into bytes (initialised by this function).
enum vs_status fixture_train_model(const struct vs_env *env,
                                   struct fixture *fixture,
                                   const struct fixture_build *build,
                                   struct vs_buf *bytes,
                                   struct vs_error *err);
// One of the two data files as a part, with build->model.
enum vs_status fixture_encode_part(const struct vs_env *env,
                                   struct fixture *fixture,
                                   const struct fixture_build *build,
                                   size_t file,
                                   struct vs_buf *bytes,
                                   struct vs_error *err);

// The k best rows among those allowed (row_bits NULL: all), by double-precision scores; returns how
// many.
size_t fixture_exact(const struct fixture *fixture,
                     const float *query,
                     const uint64_t *row_bits,
                     size_t k,
                     uint32_t *rows_out);
double fixture_score(const struct fixture *fixture, const float *query, size_t row);

#endif
