// SPDX-License-Identifier: Apache-2.0
// vs_train for tests that have their vectors as floats.
#ifndef VS_TESTS_SUPPORT_TRAIN_FLOATS_H
#define VS_TESTS_SUPPORT_TRAIN_FLOATS_H

#include "index/trainer.h"
#include "simd/kernels.h"

#include <stdlib.h>

// Row numbers are 0, 1, …; the caller frees values and facts.
static inline struct vs_train_rows train_rows_make(const float *rows, size_t count, size_t dim)
{
    size_t stride = (dim + 63) / 64 * 64;
    int8_t *values = calloc(count * stride + 64, 1);
    struct vs_row_fact *facts = calloc(count + 1, sizeof *facts);
    for (size_t i = 0; i < count; i++) {
        facts[i].scale = vs_quantize_i8(rows + i * dim, dim, values + i * stride);
        facts[i].row = (uint32_t)i;
        vs_kernels_get()->dot_f32(rows + i * dim, rows + i * dim, dim, 1, &facts[i].norm);
    }
    return (struct vs_train_rows){values, facts, NULL, stride, count};
}

static inline void train_rows_free(const struct vs_train_rows *rows)
{
    free((void *)(uintptr_t)rows->values);
    free((void *)(uintptr_t)rows->facts);
}

static inline enum vs_status train_floats(const struct vs_env *env,
                                          const struct vs_train_params *params,
                                          const float *sample,
                                          size_t count,
                                          struct vs_codebook *codebook_out,
                                          struct vs_error *err)
{
    struct vs_train_rows rows = train_rows_make(sample, count, params->dim);
    enum vs_status status = vs_train(env, params, &rows, codebook_out, err);
    train_rows_free(&rows);
    return status;
}

#endif
