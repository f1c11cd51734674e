// SPDX-License-Identifier: Apache-2.0
/*
 * Nearest rows of many queries, found while the int8 forms of the rows pass by.
 *
 * What int8 rounding does to the order of neighbours has to count against the recall, but the f32
 * vectors are not always at hand (parts encoded elsewhere). So the order is that of the int8 scores
 * with pseudo-random errors as large as those of the rounding: on the mean as many neighbours
 * differ as between int8 and exact scores. Same rows and queries give the same answers however they
 * are cut into chunks. Ownership: the truth owns copies of the queries and its answers. Threads:
 * one owner; vs_truth_add uses a pool inside. See docs/internals/index-build.md.
 */
#ifndef VS_INDEX_MEASURE_TRUTH_H
#define VS_INDEX_MEASURE_TRUTH_H

#include "index/codebook.h"
#include "index/index_format.h"
#include "vecstore/base/env.h"

// Rows known of each query: more than the 100 that count, since int8 scores may put the next ones
// before them.
#define VS_TRUTH_DEPTH 128
// Noise on half of the queries made of rows. Rows as they are are too easy where questions are
// unlike rows, perturbed ones where rows lie in clusters: half of the queries are of either kind,
// and what is promised is what the harder half finds.
#define VS_TRUTH_PERTURBATION 1.5F
#define VS_TRUTH_GROUPS 2

struct vs_truth_query {
    uint32_t own_row;          // the row it was made from; UINT32_MAX: none
    uint32_t group;            // recall is that of the group that finds least
    float scale, norm, length; // of the int8 form; squared length; length
    // Best rows: by true score, descending, once vs_truth_finish has run.
    uint32_t keys[2 * VS_TRUTH_DEPTH], rows[2 * VS_TRUTH_DEPTH];
    float estimates[2 * VS_TRUTH_DEPTH]; // scores from int8 rows, as the search computes them
    size_t count;
    uint32_t threshold; // smaller keys do not matter
    float least;        // about the same as a score
};

struct vs_truth {
    const struct vs_env *env;
    enum vs_metric metric;
    size_t dim, stride;
    size_t query_count;
    uint32_t excluded; // rows before and after own_row that do not count
    float *vectors;    // [query_count][dim], prepared
    int8_t *tiles;     // their int8 forms: codebook_tiles.h
    struct vs_truth_query *queries;
};

// Rows in row order. rows_i8: stride align64(dim), zeros behind dim; facts: scale, norm and row.
struct vs_truth_chunk {
    const int8_t *rows_i8;
    const struct vs_row_fact *facts;
    size_t count;
};

// Room for query_count queries, all zero; the caller fills vectors and own_row and calls
// vs_truth_ready. Clear it also after a failure.
enum vs_status vs_truth_make(const struct vs_env *env,
                             enum vs_metric metric,
                             size_t dim,
                             size_t query_count,
                             struct vs_truth *truth_out,
                             struct vs_error *err);
enum vs_status vs_truth_ready(struct vs_truth *truth, struct vs_error *err);
enum vs_status vs_truth_add(struct vs_truth *truth,
                            const struct vs_truth_chunk *chunk,
                            size_t thread_count,
                            struct vs_error *err);
void vs_truth_finish(struct vs_truth *truth);
void vs_truth_clear(struct vs_truth *truth); // accepts a zeroed one

// Queries made of rows, in two groups by turns: rows as they are, and rows with noise of
// `perturbation` times the rows' distance from their mean. rows: [count][dim] prepared.
struct vs_truth_sample {
    const float *rows;
    const uint32_t *row_numbers; // NULL: 0, 1, 2, …
    size_t count;
    float perturbation;
    uint64_t seed;
};

void vs_truth_from_rows(struct vs_truth *truth, const struct vs_truth_sample *sample);

#endif
