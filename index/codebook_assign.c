// SPDX-License-Identifier: Apache-2.0
/*
 * Projection, assignment and encoding of one vector: the same bits on every machine.
 *
 * Integer dot products are exact and f32 kernels have one order of accumulation; the rest is
 * element by element. Assignment looks in the nearest super-clusters only (int8), keeps the best
 * lists by int8 distance and decides among them in f32.
 */
#include "index/codebook.h"
#include "index/codebook_internal.h"
#include "simd/kernels.h"

#include <math.h>
#include <string.h>

// Hardening zeroes automatic arrays; those written before they are read are spared that.
#if defined(__has_attribute)
#    if __has_attribute(uninitialized)
#        define NO_INIT __attribute__((uninitialized))
#    endif
#endif
#ifndef NO_INIT
#    define NO_INIT
#endif

#define PROJECT_ROWS                                                                               \
    16                // rows of x per pass over the projection: they stay in the first-level cache
#define CHUNK 256     // centroids per kernel call
#define SHORTLIST 8   // lists compared exactly
#define SUPERS_MIN 10 // super-clusters looked into: at least these
#define SUPERS_MAX 64 // … and at most these; a tenth of them in between

void vs_codebook_project_batch(const struct vs_codebook *codebook,
                               const float *x,
                               size_t count,
                               float *y)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t dim = codebook->dim, proj_dim = codebook->proj_dim;
    for (size_t first = 0; first < count; first += PROJECT_ROWS) {
        size_t rows = count - first < PROJECT_ROWS ? count - first : PROJECT_ROWS;
        for (size_t p = 0; p < proj_dim; p++) {
            NO_INIT float dots[PROJECT_ROWS];
            kernels->dot_f32(codebook->projection + p * dim, x + first * dim, dim, rows, dots);
            for (size_t r = 0; r < rows; r++) {
                y[(first + r) * proj_dim + p] = dots[r] + codebook->projection_bias[p];
            }
        }
    }
}

void vs_codebook_project(const struct vs_codebook *codebook, const float *x, float *y)
{
    vs_kernels_get()->dot_f32(x, codebook->projection, codebook->dim, codebook->proj_dim, y);
    for (size_t p = 0; p < codebook->proj_dim; p++) {
        y[p] += codebook->projection_bias[p];
    }
}

float vs_quantize_i8(const float *x, size_t dim, int8_t *q)
{
    float max_f32x8[8] = {0};
    size_t j = 0;
    for (; j + 8 <= dim; j += 8) {
        for (size_t lane = 0; lane < 8; lane++) {
            float magnitude = fabsf(x[j + lane]);
            max_f32x8[lane] = magnitude > max_f32x8[lane] ? magnitude : max_f32x8[lane];
        }
    }
    for (size_t lane = 0; j + lane < dim; lane++) {
        float magnitude = fabsf(x[j + lane]);
        max_f32x8[lane] = magnitude > max_f32x8[lane] ? magnitude : max_f32x8[lane];
    }
    float max = 0.0f;
    for (size_t lane = 0; lane < 8; lane++) {
        max = max_f32x8[lane] > max ? max_f32x8[lane] : max;
    }
    float scale = max / 127.0f;
    if (!(scale > 0.0f)) { // zero, or so small that the scale is: no direction left
        memset(q, 0, dim);
        return 0.0f;
    }
    const float round_bias =
        12582912.0f; // 1.5 * 2^23: adding it rounds to an integer, halves to even
    for (size_t i = 0; i < dim; i++) {
        float rounded = x[i] / scale + round_bias - round_bias;
        rounded = rounded > 127.0f ? 127.0f : rounded; // denormal scales are inexact
        rounded = rounded < -127.0f ? -127.0f : rounded;
        q[i] = (int8_t)(int)rounded;
    }
    return scale;
}

// The best few by ascending distance, ties to the lower id because ids arrive in ascending order
// per call.
struct shortlist {
    size_t count, capacity;
    float distance[SUPERS_MAX];
    uint32_t id[SUPERS_MAX];
};

static inline void shortlist_offer(struct shortlist *list, float distance, uint32_t id)
{
    if (list->count == list->capacity) {
        size_t last = list->count - 1;
        if (distance > list->distance[last] ||
            (distance == list->distance[last] && id > list->id[last])) {
            return;
        }
    } else {
        list->count++;
    }
    size_t at = list->count - 1;
    while (at > 0 && (list->distance[at - 1] > distance ||
                      (list->distance[at - 1] == distance && list->id[at - 1] > id))) {
        list->distance[at] = list->distance[at - 1];
        list->id[at] = list->id[at - 1];
        at--;
    }
    list->distance[at] = distance;
    list->id[at] = id;
}

struct level { // int8 centroids of one level
    const int8_t *rows;
    const float *scale, *norm;
    size_t dim;
};

// Offers the centroids [first, end): squared distance less |y|^2, by int8.
static void offer_range(const struct level *level,
                        const int8_t *query,
                        float query_scale,
                        size_t first,
                        size_t end,
                        struct shortlist *best)
{
    for (; first < end; first += CHUNK) {
        size_t count = end - first < CHUNK ? end - first : CHUNK;
        NO_INIT int32_t dots[CHUNK];
        NO_INIT float distances[CHUNK];
        vs_kernels_get()->dot_i8(query, level->rows + first * level->dim, level->dim, level->dim,
                                 count, dots);
        for (size_t i = 0; i < count; i++) {
            float dot = (float)dots[i] * (query_scale * level->scale[first + i]);
            distances[i] = level->norm[first + i] - 2.0f * dot;
        }
        float worst = best->count < best->capacity ? INFINITY : best->distance[best->count - 1];
        for (size_t i = 0; i < count; i++) {
            if (distances[i] <= worst) {
                shortlist_offer(best, distances[i], (uint32_t)(first + i));
                worst = best->count < best->capacity ? INFINITY : best->distance[best->count - 1];
            }
        }
    }
}

static size_t supers_to_visit(size_t super_count)
{
    size_t wanted = super_count / 10;
    wanted = wanted < SUPERS_MIN ? SUPERS_MIN : wanted > SUPERS_MAX ? SUPERS_MAX : wanted;
    return wanted < super_count ? wanted : super_count;
}

uint32_t vs_codebook_assign(const struct vs_codebook *codebook,
                            const float *y,
                            uint32_t *second_out)
{
    size_t proj_dim = codebook->proj_dim;
    NO_INIT int8_t query[VS_PROJ_DIM_MAX];
    float scale = vs_quantize_i8(y, proj_dim, query);
    struct shortlist supers = {.capacity = supers_to_visit(codebook->super_count)};
    struct shortlist lists = {.capacity = SHORTLIST}, exact = {.capacity = SHORTLIST};
    struct level level1 = {codebook->super_i8, codebook->super_scale, codebook->super_norm,
                           proj_dim};
    struct level level2 = {codebook->centroids_i8, codebook->centroid_scale,
                           codebook->centroid_norm, proj_dim};
    offer_range(&level1, query, scale, 0, codebook->super_count, &supers);
    for (size_t i = 0; i < supers.count; i++) {
        uint32_t s = supers.id[i];
        offer_range(&level2, query, scale, codebook->super_first[s], codebook->super_first[s + 1],
                    &lists);
    }
    for (size_t i = 0; i < lists.count; i++) {
        float distance;
        vs_kernels_get()->l2_f32(y, codebook->centroids + (size_t)lists.id[i] * proj_dim, proj_dim,
                                 1, &distance);
        shortlist_offer(&exact, distance, lists.id[i]);
    }
    if (exact.count == 0) { // y is not finite: no distance is a number
        exact.count = 1;
        exact.id[0] = 0;
    }
    if (second_out != NULL) {
        *second_out = exact.count > 1 ? exact.id[1] : exact.id[0];
    }
    return exact.id[0];
}

void vs_codebook_encode_vector(const struct vs_codebook *codebook,
                               const float *y,
                               uint8_t *codes_out)
{
    vs_kernels_get()->pq4_encode(y, codebook->pq_lanes, codebook->m, codebook->sub_dim, codes_out);
}
