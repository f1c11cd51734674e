// SPDX-License-Identifier: Apache-2.0
/*
 * Drift: how well a codebook still fits the vectors that it encodes (docs/internals/index-life.md).
 *
 * Everything is counted in integers, so that the order of batches and of threads does not show:
 * give each task (or thread) its own vs_drift and merge them at the end, in any order. Threads: one
 * owner per accumulator. Ownership: none; plain values.
 */
#ifndef VS_INDEX_DRIFT_H
#define VS_INDEX_DRIFT_H

#include "index/codebook.h"

#define VS_DRIFT_BINS 2560 // of squared distances: 80 octaves in 32 steps

struct vs_drift {
    uint64_t count;         // vectors
    uint64_t error, energy; // sums of ratios, 2^-24 each
    uint64_t distances[VS_DRIFT_BINS];
};

// Vectors as the encoder has them.
struct vs_drift_batch {
    size_t count;
    const float *y;         // [count][proj_dim], projected
    const uint8_t *codes;   // [count][m / 2], packed as in vs_pq_pack_block
    const float *distances; // [count], squared, to the centroid of the first list
    const float *norms;     // [count], squared length of the prepared vector (vs_row_fact.norm)
};

// spare has room for proj_dim floats.
void vs_drift_add(struct vs_drift *drift,
                  const struct vs_codebook *codebook,
                  const struct vs_drift_batch *batch,
                  float *spare);
void vs_drift_merge(struct vs_drift *into, const struct vs_drift *from);

// What a training left for later comparison; all zero: not known.
struct vs_drift_baseline {
    uint64_t count;     // vectors that there were
    float error;        // mean |y - decoded y|^2 / |y|^2
    float energy;       // mean |y|^2 / |x|^2
    float far_distance; // 99 % of the vectors are nearer to their centroid
};

// Of one segment column; count 0: not known.
struct vs_drift_figures {
    uint64_t count;
    float error, energy;
    float far_share;       // of vectors farther than the baseline's far_distance
    float gini;            // of the sizes of lists: 0 all alike, towards 1 all in one
    float longest_to_mean; // greatest list to the mean
};

// Of the vectors that trained the codebook (or all that were encoded with it at once).
void vs_drift_baseline_make(const struct vs_drift *drift, struct vs_drift_baseline *baseline_out);
// sizes are those of the lists (first assignments); they are sorted in place.
void vs_drift_figures_make(const struct vs_drift *drift,
                           const struct vs_drift_baseline *baseline,
                           uint32_t *sizes,
                           size_t list_count,
                           struct vs_drift_figures *figures_out);

// What is worth a warning: one bit each.
enum {
    VS_DRIFT_ERROR = 1,  // reconstruction error 15 % above the baseline's
    VS_DRIFT_ENERGY = 2, // energy kept 15 % below it
    VS_DRIFT_FAR = 4     // more than 3 % of the vectors are far
};

unsigned vs_drift_warnings(const struct vs_drift_figures *figures,
                           const struct vs_drift_baseline *baseline);

#endif
