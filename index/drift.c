// SPDX-License-Identifier: Apache-2.0
#include "index/drift.h"

#include "simd/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATIO_UNIT 16777216.0F // 2^24
#define RATIO_MOST 16.0F
#define STEP_BITS 18      // of the mantissa's 23 bits are dropped: 32 steps an octave
#define FIRST_EXPONENT 87 // of the bins: 2^-40
#define FAR_SHARE 0.01
#define FAR_WARNING 0.03F
#define CHANGE_WARNING 0.15F

static uint64_t fixed(float part, float whole)
{
    float ratio = whole > 0.0F ? part / whole : 0.0F;
    if (!(ratio < RATIO_MOST)) {
        ratio = RATIO_MOST;
    }
    return (uint64_t)(ratio * RATIO_UNIT);
}

static size_t distance_bin(float squared)
{
    uint32_t bits;
    float least = ldexpf(1.0F, FIRST_EXPONENT - 127);
    if (!(squared > least)) {
        return 0;
    }
    memcpy(&bits, &squared, sizeof bits);
    size_t bin = (bits >> STEP_BITS) - ((size_t)FIRST_EXPONENT << (23 - STEP_BITS));
    return bin < VS_DRIFT_BINS ? bin : VS_DRIFT_BINS - 1;
}

// The squared distance at which a bin starts.
static float bin_start(size_t bin)
{
    uint32_t bits = (uint32_t)(bin + ((size_t)FIRST_EXPONENT << (23 - STEP_BITS))) << STEP_BITS;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void decode(const struct vs_codebook *codebook, const uint8_t *codes, float *out)
{
    size_t n = codebook->sub_dim;
    for (size_t s = 0; s < codebook->m; s++) {
        size_t code = codes[s / 2] >> (s % 2 * 4) & 15;
        memcpy(out + s * n, codebook->pq + (s * 16 + code) * n, n * sizeof *out);
    }
}

void vs_drift_add(struct vs_drift *drift,
                  const struct vs_codebook *codebook,
                  const struct vs_drift_batch *batch,
                  float *spare)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t dim = codebook->proj_dim;
    for (size_t i = 0; i < batch->count; i++) {
        const float *y = batch->y + i * dim;
        float error = 0.0F, norm = 0.0F;
        decode(codebook, batch->codes + i * (codebook->m / 2), spare);
        kernels->l2_f32(y, spare, dim, 1, &error);
        kernels->dot_f32(y, y, dim, 1, &norm);
        drift->error += fixed(error, norm);
        drift->energy += fixed(norm, batch->norms[i]);
        drift->distances[distance_bin(batch->distances[i])]++;
    }
    drift->count += batch->count;
}

void vs_drift_merge(struct vs_drift *into, const struct vs_drift *from)
{
    into->count += from->count;
    into->error += from->error;
    into->energy += from->energy;
    for (size_t b = 0; b < VS_DRIFT_BINS; b++) {
        into->distances[b] += from->distances[b];
    }
}

static float mean(uint64_t sum, uint64_t count)
{
    return count > 0 ? (float)((double)sum / (double)RATIO_UNIT / (double)count) : 0.0F;
}

void vs_drift_baseline_make(const struct vs_drift *drift, struct vs_drift_baseline *baseline_out)
{
    struct vs_drift_baseline baseline = {.count = drift->count,
                                         .error = mean(drift->error, drift->count),
                                         .energy = mean(drift->energy, drift->count)};
    uint64_t allowed = (uint64_t)(FAR_SHARE * (double)drift->count), far = 0;
    size_t bin = VS_DRIFT_BINS;
    while (bin > 0 && drift->count > 0 && far + drift->distances[bin - 1] <= allowed) {
        far += drift->distances[--bin];
    }
    if (drift->count > 0) {
        baseline.far_distance = sqrtf(bin_start(bin));
    }
    *baseline_out = baseline;
}

static int compare_sizes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void list_figures(uint32_t *sizes, size_t count, struct vs_drift_figures *figures)
{
    if (count == 0) {
        return;
    }
    double sum = 0.0, weighted = 0.0;
    qsort(sizes, count, sizeof *sizes, compare_sizes);
    for (size_t i = 0; i < count; i++) {
        sum += (double)sizes[i];
        weighted += (double)(i + 1) * (double)sizes[i];
    }
    if (sum > 0.0) {
        double n = (double)count;
        figures->gini = (float)(2.0 * weighted / (n * sum) - (n + 1.0) / n);
        figures->longest_to_mean = (float)((double)sizes[count - 1] * n / sum);
    }
}

void vs_drift_figures_make(const struct vs_drift *drift,
                           const struct vs_drift_baseline *baseline,
                           uint32_t *sizes,
                           size_t list_count,
                           struct vs_drift_figures *figures_out)
{
    struct vs_drift_figures figures = {.count = drift->count,
                                       .error = mean(drift->error, drift->count),
                                       .energy = mean(drift->energy, drift->count)};
    if (baseline->far_distance > 0.0F && drift->count > 0) {
        uint64_t far = 0;
        float limit = baseline->far_distance * baseline->far_distance * 0.9999F; // was rounded
        for (size_t b = 0; b < VS_DRIFT_BINS; b++) {
            far += bin_start(b) >= limit ? drift->distances[b] : 0;
        }
        figures.far_share = (float)((double)far / (double)drift->count);
    }
    list_figures(sizes, list_count, &figures);
    *figures_out = figures;
}

unsigned vs_drift_warnings(const struct vs_drift_figures *figures,
                           const struct vs_drift_baseline *baseline)
{
    unsigned warnings = 0;
    if (figures->count == 0) {
        return 0;
    }
    if (baseline->error > 0.0F && figures->error > baseline->error * (1.0F + CHANGE_WARNING)) {
        warnings |= VS_DRIFT_ERROR;
    }
    if (baseline->energy > 0.0F && figures->energy < baseline->energy * (1.0F - CHANGE_WARNING)) {
        warnings |= VS_DRIFT_ENERGY;
    }
    if (baseline->far_distance > 0.0F && figures->far_share > FAR_WARNING) {
        warnings |= VS_DRIFT_FAR;
    }
    return warnings;
}
