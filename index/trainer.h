// SPDX-License-Identifier: Apache-2.0
/*
 * Training: projection (PCA or OPQ by FAISS), lists, product-quantiser codebooks. trainer_faiss.c
 * is the only includer of FAISS; without it (VECSTORE_FAISS=OFF) trainer_none.c says so when asked
 * to train.
 *
 * Same sample, seed, library and BLAS core type give the same codebook, whatever the number of
 * threads; vs_trainer_facts names library and core.
 */
#ifndef VS_INDEX_TRAINER_H
#define VS_INDEX_TRAINER_H

#include "index/codebook.h"
#include "index/index_format.h"
#include "vecstore/base/cancel.h"

enum vs_projection { VS_PROJECTION_PCA = 0, VS_PROJECTION_OPQ = 1, VS_PROJECTION_NONE = 2 };

struct vs_train_params {
    uint32_t dim;
    enum vs_metric metric;
    enum vs_projection projection; // PCA: to proj_dim, followed by a random rotation
    uint32_t proj_dim, m;          // 0: chosen by vs_train_defaults
    uint32_t list_count;           // 0: chosen by vs_train_defaults from row_count
    uint64_t row_count;            // rows the index will hold
    uint64_t seed;
    size_t thread_count;
    const struct vs_op *op; // may be NULL
    // NULL, or a codebook trained in the same way, whose projection is taken over if it fits.
    const struct vs_codebook *like;
};

// Prepared vectors as the index keeps them: int8 rows (vs_quantize_i8), zeros behind dim.
struct vs_train_rows {
    const int8_t *values; // `stride` bytes each, a multiple of 64
    const struct vs_row_fact *facts;
    const uint32_t *places; // [count]: which of values and facts; NULL: 0, 1, …
    size_t stride, count;
};

static inline size_t vs_train_place(const struct vs_train_rows *rows, size_t i)
{
    return rows->places != NULL ? rows->places[i] : i;
}

// Row i as floats; returns its number in the table.
static inline uint32_t vs_train_row(const struct vs_train_rows *rows,
                                    size_t i,
                                    size_t dim,
                                    float *row_out)
{
    size_t at = vs_train_place(rows, i);
    const int8_t *values = rows->values + at * rows->stride;
    for (size_t d = 0; d < dim; d++) {
        row_out[d] = (float)values[d] * rows->facts[at].scale;
    }
    return rows->facts[at].row;
}

// Fills the zero fields: about 48 bytes a vector (m = 96 where dim allows), proj_dim about dim / 2,
// list_count about 16 * sqrt(rows) with 16 to 64 rows a list, all within bounds.
void vs_train_defaults(struct vs_train_params *params);
// How many sample rows training can use (more are not read).
size_t vs_train_sample_size(const struct vs_train_params *params);
// codebook_out is finished.
enum vs_status vs_train(const struct vs_env *env,
                        const struct vs_train_params *params,
                        const struct vs_train_rows *sample,
                        struct vs_codebook *codebook_out,
                        struct vs_error *err);
// {"library":"faiss 1.7.3","blas":"OpenBLAS … SkylakeX","threads":2} for the descriptor. "" without
// FAISS.
enum vs_status vs_trainer_facts(struct vs_buf *json_out, struct vs_error *err);
bool vs_trainer_available(void);

#endif
