// SPDX-License-Identifier: Apache-2.0
/*
 * Measuring recall while building: queries and their exact answers come with the second pass over
 * the rows, the curve once the lists stand.
 */
#include "index/build_internal.h"
#include "index/measure_curve.h"

#define EXCLUDED_ROWS 100 // before and after the row that a query was made from

static const uint32_t measured_k[] = {1, 10, 100};
static const uint32_t rerank_steps[] = {10,  14,  20,  28,  40,   56,   80,   110,  150, 200,
                                        280, 400, 560, 800, 1100, 1600, 2400, 3600, 5000};

// About the same work for all tables: fewer queries for many and long rows.
static size_t sensible_count(const struct vs_build_column *column)
{
    double values = (double)column->vector_count * (double)column->spec->dim;
    return values > 4e9 ? VS_MEASURE_QUERIES / 3
                        : (values > 5e8 ? VS_MEASURE_QUERIES * 2 / 3 : VS_MEASURE_QUERIES);
}

static enum vs_status take_given(struct vs_truth *truth, const float *given, struct vs_error *err)
{
    memcpy(truth->vectors, given, truth->query_count * truth->dim * sizeof(float));
    for (size_t i = 0; i < truth->query_count; i++) {
        if (!vs_build_prepare(vs_kernels_get(), truth->metric, truth->vectors + i * truth->dim,
                              truth->dim)) {
            return vs_fail(err, VS_INVALID,
                           "query %zu of the recall measurement is not finite or has length zero",
                           i);
        }
    }
    return VS_OK;
}

enum vs_status vs_measure_begin(struct vs_build *build,
                                struct vs_build_column *column,
                                const float *given,
                                size_t given_count,
                                struct vs_error *err)
{
    struct vs_measure *measure = &column->measure;
    size_t count = sensible_count(column);
    count = column->sample_count < count ? column->sample_count : count;
    measure->given = given_count > 0;
    measure->query_count = measure->given ? given_count : count;
    VS_TRY(vs_truth_make(build->env, column->spec->metric, column->spec->dim, measure->query_count,
                         &measure->truth, err));
    if (measure->given) {
        VS_TRY(take_given(&measure->truth, given, err));
    } else {
        measure->excluded = EXCLUDED_ROWS;
        measure->perturbation = VS_TRUTH_PERTURBATION;
        measure->truth.excluded = EXCLUDED_ROWS;
        struct vs_truth_sample sample = {column->sample, column->sample_rows, column->sample_count,
                                         VS_TRUTH_PERTURBATION, build->seed};
        vs_truth_from_rows(&measure->truth, &sample);
    }
    return vs_truth_ready(&measure->truth, err);
}

enum vs_status vs_measure_chunk(struct vs_build *build,
                                struct vs_build_column *column,
                                const struct vs_build_chunk *chunk,
                                struct vs_error *err)
{
    if (column->measure.query_count == 0) {
        return VS_OK; // nothing is measured
    }
    int64_t start = vs_monotonic_ns(build->env);
    struct vs_truth_chunk rows = {chunk->rows_i8, chunk->facts, chunk->count};
    VS_TRY(vs_truth_add(&column->measure.truth, &rows, build->thread_count, err));
    build->measure_ns += vs_monotonic_ns(build->env) - start;
    return VS_OK;
}

enum vs_status vs_measure_curve(struct vs_build *build,
                                struct vs_build_column *column,
                                struct vs_error *err)
{
    int64_t start = vs_monotonic_ns(build->env);
    struct vs_measure *measure = &column->measure;
    vs_truth_finish(&measure->truth);
    struct vs_curve_params params = {.lists = &column->lists,
                                     .truth = &measure->truth,
                                     .k = measured_k,
                                     .k_count = sizeof measured_k / sizeof measured_k[0],
                                     .rerank = rerank_steps,
                                     .rerank_count = sizeof rerank_steps / sizeof rerank_steps[0],
                                     .rescore = column->store_vectors,
                                     .thread_count = build->thread_count,
                                     .op = build->params->op};
    enum vs_status status =
        vs_curve_measure(build->env, &params, &measure->points, &measure->point_count, err);
    build->measure_ns += vs_monotonic_ns(build->env) - start;
    return status;
}

void vs_measure_clear(const struct vs_env *env, struct vs_measure *measure)
{
    vs_truth_clear(&measure->truth);
    vs_free(env, measure->points);
}
