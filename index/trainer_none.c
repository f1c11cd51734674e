// SPDX-License-Identifier: Apache-2.0
// Stands in for trainer_faiss.c and train_model.c in a build without FAISS.
#include "index/trainer.h"

bool vs_trainer_available(void)
{
    return false;
}

enum vs_status vs_train(const struct vs_env *env,
                        const struct vs_train_params *params,
                        const struct vs_train_rows *sample,
                        struct vs_codebook *codebook_out,
                        struct vs_error *err)
{
    (void)env;
    (void)params;
    (void)sample;
    (void)codebook_out;
    return vs_fail(
        err, VS_UNSUPPORTED,
        "this build has no FAISS and cannot train an index; build with VECSTORE_FAISS=ON, "
        "or build the index elsewhere: it is searched here all the same");
}

enum vs_status vs_trainer_facts(struct vs_buf *json_out, struct vs_error *err)
{
    (void)json_out;
    (void)err;
    return VS_OK; // nothing to say
}
