// SPDX-License-Identifier: Apache-2.0
/*
 * One trial of tune.c: a small index over the sample rows, measured, and its cost carried over to
 * the whole table.
 *
 * The rows of the sample are a share s of all. The k nearest of all rows have about k s among them,
 * and what stands at rank R of all by its code stands at R s here: so small ranks of a small index
 * tell of large ones of the whole. Lists of as many rows are probed in greater numbers there:
 * s^(-1/2) times as many (docs/internals/index-build.md). Ownership: the sample owns everything in
 * it. Threads: one owner; pools inside.
 */
#ifndef VS_INDEX_TUNE_TRIAL_H
#define VS_INDEX_TUNE_TRIAL_H

#include "index/measure_truth.h"
#include "index/recall_curve.h"
#include "index/tune.h"

#define VS_TUNE_GOALS 3 // recall@10 of 0.95 and 0.99, recall@100 of 0.95

struct vs_tune_sample {
    const struct vs_env *env;
    const struct vs_tune_params *params;
    size_t count, stride;
    double share;              // of all rows
    int8_t *rows_i8;           // [count][stride]
    float *scales;             // of the rows
    struct vs_row_fact *facts; // in the order of rows
    uint64_t row_space;        // row numbers are below
    struct vs_truth truth;
    uint32_t k[2]; // what 10 and 100 of all rows are here
};

struct vs_tune_trial {
    uint32_t list_count, m, proj_dim; // of the whole index
    bool second;
    double us[VS_TUNE_GOALS]; // estimated microseconds a search
    uint32_t nprobe[VS_TUNE_GOALS], rerank[VS_TUNE_GOALS];
    double score; // smaller is better: weighted mean logarithm of us
};

// count rows, evenly out of params->sample. Clear it also after a failure.
enum vs_status vs_tune_sample_make(const struct vs_env *env,
                                   const struct vs_tune_params *params,
                                   size_t count,
                                   struct vs_tune_sample *sample_out,
                                   struct vs_error *err);
void vs_tune_sample_clear(struct vs_tune_sample *sample);
// How many lists stand for list_count lists of the whole index.
uint32_t vs_tune_lists(const struct vs_tune_sample *sample, uint32_t list_count);
// trial: list_count and second are set by the caller; the codebook has the sample's lists.
enum vs_status vs_tune_measure(const struct vs_tune_sample *sample,
                               const struct vs_codebook *codebook,
                               struct vs_tune_trial *trial,
                               struct vs_error *err);

#endif
