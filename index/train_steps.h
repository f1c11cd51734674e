// SPDX-License-Identifier: Apache-2.0
/*
 * Private to index/: what training asks of its library (implemented by trainer_faiss.c) and how its
 * stages hand over to each other.
 */
#ifndef VS_INDEX_TRAIN_STEPS_H
#define VS_INDEX_TRAIN_STEPS_H

#include "index/train_lists.h"
#include "index/trainer.h"

// ---- trainer_faiss.c; may be called by several threads at once ----

// Chooses the BLAS core type where its own detection is known to be wrong; once per process, before
// the first BLAS call of a training.
void vs_faiss_begin(void);
// The calling thread (OpenMP) and the process (BLAS) use one thread from now on; returns what the
// thread had.
int vs_faiss_one_thread(void);
void vs_faiss_restore_threads(int count);

// A transform to `rows_out` coordinates, trained on rows: PCA with a random rotation, OPQ, or
// (NONE) a random rotation alone. Fills the first rows_out rows of model->projection and of
// projection_bias.
struct vs_transform_task {
    enum vs_projection kind;
    size_t rows_out;
    const float *rows; // [count][model->dim]
    size_t count;
};

enum vs_status vs_faiss_transform(const struct vs_transform_task *task,
                                  struct vs_codebook *model,
                                  struct vs_error *err);

// ---- the stages ----

struct vs_training {
    const struct vs_env *env;
    const struct vs_train_params *params;
    const struct vs_train_rows *sample;
    struct vs_codebook model; // counts, projection, pq; the lists are put in last
    struct vs_train_points
        points; // the sample projected; grouped by super-cluster from train_hierarchy on
    struct vs_train_lists lists;
    float *super_rows;
    size_t super_count;
    uint32_t *super_first; // [super_count + 1]: points of each super-cluster
    uint32_t *label;       // of points
};

// Lists and super-clusters of training->points, at most list_count.
enum vs_status vs_train_hierarchy(struct vs_training *training,
                                  size_t list_count,
                                  struct vs_error *err);
// A codebook of the present lists, with room for the rest and a projection from `dim`; not
// finished.
enum vs_status vs_training_make_codebook(const struct vs_training *training,
                                         uint32_t dim,
                                         struct vs_codebook *codebook_out,
                                         struct vs_error *err);
// Every (count / wanted)-th row, so that a sample in table order is covered evenly. Free with
// vs_free_aligned; NULL: no memory.
float *vs_train_pick_rows(
    const struct vs_env *env, const float *rows, size_t count, size_t dim, size_t wanted);
void vs_training_clear(struct vs_training *training);

#endif
