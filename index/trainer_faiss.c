// SPDX-License-Identifier: Apache-2.0
/*
 * The steps of training that FAISS does (PCA, OPQ), and the only includer of its C API.
 *
 * Threads: callers split the work into tasks of fixed size, and FAISS and BLAS run with one thread
 * inside each of them. So there is one level of threads, and the result does not depend on their
 * number. See docs/internals/training.md.
 */
#include "index/codebook_internal.h"
#include "index/train_steps.h"
#include "simd/cpu.h"

#include <faiss/c_api/VectorTransform_c.h>
#include <faiss/c_api/error_c.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define OPQ_ROUNDS 8
#define READ_ROWS 64 // of a projection, per call

// Of libgomp and OpenBLAS; weak, because another BLAS may stand in its place.
extern void omp_set_num_threads(int count) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int count) __attribute__((weak));
extern char *openblas_get_corename(void) __attribute__((weak));
extern char *openblas_get_config(void) __attribute__((weak));
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

static pthread_once_t core_once = PTHREAD_ONCE_INIT;

static enum vs_status faiss_failed(const char *step, struct vs_error *err)
{
    const char *reason = faiss_get_last_error();
    reason = reason != NULL ? reason : "no reason given";
    enum vs_status code = strstr(reason, "bad_alloc") != NULL ? VS_NO_MEMORY : VS_INTERNAL;
    return vs_fail(err, code, "training: %s failed in FAISS: %s", step, reason);
}

/*
 * OpenBLAS 0.3.21 takes new processors with AVX-512 for Haswell and runs at half speed. It reads
 * OPENBLAS_CORETYPE when it is loaded, which is before any code of ours; but its own initialisation
 * can be run again while no BLAS call is active. The variable is there for the length of that call
 * only, once in a process, before the first training; nothing of ours reads variables then.
 */
static void choose_core(void)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): see above
    const char *wish = getenv("OPENBLAS_CORETYPE");
    if (wish != NULL || !vs_cpu_get()->avx512bw || openblas_get_corename == NULL ||
        gotoblas_dynamic_init == NULL || gotoblas_dynamic_quit == NULL) {
        return;
    }
    const char *core = openblas_get_corename();
    if (strcmp(core, "Haswell") != 0 && strcmp(core, "Zen") != 0) {
        return;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): see above
    if (setenv("OPENBLAS_CORETYPE", "SkylakeX", 1) == 0) {
        gotoblas_dynamic_quit();
        gotoblas_dynamic_init();
        // NOLINTNEXTLINE(concurrency-mt-unsafe): see above
        unsetenv("OPENBLAS_CORETYPE");
    }
}

void vs_faiss_begin(void)
{
    pthread_once(&core_once, choose_core);
}

int vs_faiss_one_thread(void)
{
    int before = omp_get_max_threads != NULL ? omp_get_max_threads() : 1;
    if (omp_set_num_threads != NULL) {
        omp_set_num_threads(1);
    }
    if (openblas_set_num_threads != NULL) {
        openblas_set_num_threads(1);
    }
    return before;
}

void vs_faiss_restore_threads(int count)
{
    if (omp_set_num_threads != NULL) {
        omp_set_num_threads(count);
    }
}

// ---- projection ----

// Reads the matrix out of a trained transform T(x) = A x + b: its reverse A^T (y - b), applied to y
// = e_p + b, is row p of A.
static enum vs_status read_transform(const FaissVectorTransform *transform,
                                     size_t rows_out,
                                     struct vs_codebook *model,
                                     struct vs_error *err)
{
    const struct vs_env *env = model->env;
    float *zero = vs_alloc_zeroed(env, model->dim, sizeof *zero);
    float *unit = vs_alloc_zeroed(env, READ_ROWS * rows_out, sizeof *unit);
    enum vs_status status = VS_OK;
    if (zero == NULL || unit == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory while training");
    } else {
        faiss_VectorTransform_apply_noalloc(transform, 1, zero, model->projection_bias);
        for (size_t first = 0; first < rows_out; first += READ_ROWS) {
            size_t count = rows_out - first < READ_ROWS ? rows_out - first : READ_ROWS;
            for (size_t i = 0; i < count; i++) {
                memcpy(unit + i * rows_out, model->projection_bias, rows_out * sizeof *unit);
                unit[i * rows_out + first + i] += 1.0f;
            }
            faiss_LinearTransform_transform_transpose(transform, (idx_t)count, unit,
                                                      model->projection + first * model->dim);
        }
    }
    vs_free(env, zero);
    vs_free(env, unit);
    return status;
}

static enum vs_status new_transform(const struct vs_transform_task *task,
                                    const struct vs_codebook *model,
                                    FaissVectorTransform **transform_out,
                                    struct vs_error *err)
{
    int dim = (int)model->dim, rows_out = (int)task->rows_out, failed = 0;
    if (task->kind == VS_PROJECTION_OPQ) {
        failed = faiss_OPQMatrix_new_with(transform_out, dim, (int)model->m, rows_out);
        if (failed == 0) {
            faiss_OPQMatrix_set_niter(*transform_out, OPQ_ROUNDS);
        }
    } else if (task->kind == VS_PROJECTION_PCA) {
        failed = faiss_PCAMatrix_new_with(transform_out, dim, rows_out, 0.0f, 1);
    } else {
        failed = faiss_RandomRotationMatrix_new_with(transform_out, dim, rows_out);
    }
    return failed != 0 ? faiss_failed("making the projection", err) : VS_OK;
}

enum vs_status vs_faiss_transform(const struct vs_transform_task *task,
                                  struct vs_codebook *model,
                                  struct vs_error *err)
{
    FaissVectorTransform *transform = NULL;
    VS_TRY(new_transform(task, model, &transform, err));
    enum vs_status status = VS_OK;
    if (faiss_VectorTransform_train(transform, (idx_t)task->count, task->rows) != 0) {
        status = faiss_failed("training the projection", err);
    } else {
        status = read_transform(transform, task->rows_out, model, err);
    }
    faiss_VectorTransform_free(transform);
    return status;
}

// ---- facts ----

bool vs_trainer_available(void)
{
    return true;
}

// "OpenBLAS 0.3.21 …" up to the second space of its configuration.
static int config_name_len(const char *config)
{
    const char *space = strchr(config, ' ');
    space = space != NULL ? strchr(space + 1, ' ') : NULL;
    return space != NULL ? (int)(space - config) : (int)strlen(config);
}

enum vs_status vs_trainer_facts(struct vs_buf *json_out, struct vs_error *err)
{
    vs_faiss_begin();
    const char *config = openblas_get_config != NULL ? openblas_get_config() : "unknown";
    const char *core = openblas_get_corename != NULL ? openblas_get_corename() : "";
    return vs_buf_printf(json_out, err, "{\"library\":\"faiss %s\",\"blas\":\"%.*s %s\"}",
                         VECSTORE_FAISS_VERSION, config_name_len(config), config, core);
}
