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
};

// Fills the zero fields: about 48 bytes a vector (m = 96 where dim allows), proj_dim about dim / 2,
// list_count about 16 * sqrt(rows) with 16 to 64 rows a list, all within bounds.
void vs_train_defaults(struct vs_train_params *params);
// How many sample rows training can use (more are not read).
size_t vs_train_sample_size(const struct vs_train_params *params);
// sample: [sample_count][dim] prepared rows. codebook_out is finished.
enum vs_status vs_train(const struct vs_env *env,
                        const struct vs_train_params *params,
                        const float *sample,
                        size_t sample_count,
                        struct vs_codebook *codebook_out,
                        struct vs_error *err);
// {"library":"faiss 1.7.3","blas":"OpenBLAS … SkylakeX","threads":2} for the descriptor. "" without
// FAISS.
enum vs_status vs_trainer_facts(struct vs_buf *json_out, struct vs_error *err);
bool vs_trainer_available(void);

#endif
