// SPDX-License-Identifier: Apache-2.0
// Drift figures against plain computation in double precision.
#include "index/drift.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>

#define DIM 8
#define M 4
#define PQ_FLOATS ((size_t)M * 16 * (DIM / M))
#define ROWS 5000

static uint64_t state = 7;

static float uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(state >> 40) / 16777216.0F;
}

struct made {
    struct vs_codebook codebook;
    float y[ROWS][DIM], distances[ROWS], norms[ROWS];
    uint8_t codes[ROWS][M / 2];
};

static struct made *make(float scale)
{
    struct made *m = calloc(1, sizeof *m);
    float *pq = calloc(PQ_FLOATS, sizeof *pq);
    m->codebook = (struct vs_codebook){.dim = DIM, .proj_dim = DIM, .m = M, .sub_dim = DIM / M};
    for (size_t i = 0; i < PQ_FLOATS; i++) {
        pq[i] = uniform() - 0.5F;
    }
    m->codebook.pq = pq;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t d = 0; d < DIM; d++) {
            m->y[r][d] = uniform() - 0.5F;
        }
        m->distances[r] = scale * uniform();
        m->norms[r] = 2.0F + uniform();
        for (size_t s = 0; s < M / 2; s++) {
            m->codes[r][s] = (uint8_t)(uniform() * 256);
        }
    }
    return m;
}

static void clear(struct made *m)
{
    free(m->codebook.pq);
    free(m);
}

static void add(struct vs_drift *drift, const struct made *m, size_t first, size_t count)
{
    float spare[DIM];
    const struct vs_drift_batch batch = {count, m->y[first], m->codes[first], m->distances + first,
                                         m->norms + first};
    vs_drift_add(drift, &m->codebook, &batch, spare);
}

static double error_of(const struct made *m, size_t row, double *energy)
{
    double error = 0, norm = 0;
    for (size_t s = 0; s < M; s++) {
        size_t code = m->codes[row][s / 2] >> (s % 2 * 4) & 15;
        for (size_t j = 0; j < DIM / M; j++) {
            double y = (double)m->y[row][s * (DIM / M) + j],
                   c = (double)m->codebook.pq[(s * 16 + code) * (DIM / M) + j];
            error += (y - c) * (y - c);
            norm += y * y;
        }
    }
    *energy = norm / (double)m->norms[row];
    return error / norm < 16.0 ? error / norm : 16.0;
}

static void figures_are_the_means(void)
{
    struct made *m = make(1.0F);
    static struct vs_drift drift;
    struct vs_drift_baseline baseline;
    double error = 0, energy = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double e = 0;
        error += error_of(m, r, &e);
        energy += e;
    }
    drift = (struct vs_drift){0};
    add(&drift, m, 0, ROWS);
    vs_drift_baseline_make(&drift, &baseline);
    CHECK_INT(baseline.count, ROWS);
    CHECK_NEAR(baseline.error, error / ROWS, 1e-4 * error / ROWS);
    CHECK_NEAR(baseline.energy, energy / ROWS, 1e-4);
    // Distances are uniform squares up to 1: 99 % lie below sqrt(0.99), up to a step of the bins.
    CHECK_NEAR(baseline.far_distance, 0.995, 0.02);
    clear(m);
}

// Any cut and any order of merging give the same numbers.
static void order_does_not_show(void)
{
    struct made *m = make(1.0F);
    static struct vs_drift whole, parts[7], sum;
    whole = sum = (struct vs_drift){0};
    memset(parts, 0, sizeof parts);
    add(&whole, m, 0, ROWS);
    for (size_t first = 0, n = 1; first < ROWS; first += n, n = n * 7 % 613 + 1) {
        add(&parts[first % 7], m, first, ROWS - first < n ? ROWS - first : n);
    }
    for (size_t p = 7; p > 0; p--) {
        vs_drift_merge(&sum, &parts[p - 1]);
    }
    CHECK(memcmp(&whole, &sum, sizeof sum) == 0);
    clear(m);
}

static void far_rows_are_counted(void)
{
    struct made *near_rows = make(1.0F), *far_rows = make(2.0F);
    static struct vs_drift drift;
    struct vs_drift_baseline baseline;
    struct vs_drift_figures figures;
    uint32_t sizes[4] = {10, 10, 10, 10};
    drift = (struct vs_drift){0};
    add(&drift, near_rows, 0, ROWS);
    vs_drift_baseline_make(&drift, &baseline);
    vs_drift_figures_make(&drift, &baseline, sizes, 4, &figures);
    CHECK(figures.far_share <= 0.011F);
    CHECK_INT(vs_drift_warnings(&figures, &baseline), 0);
    CHECK_NEAR(figures.gini, 0.0, 1e-6);
    CHECK_NEAR(figures.longest_to_mean, 1.0, 1e-6);
    drift = (struct vs_drift){0};
    add(&drift, far_rows, 0, ROWS); // half of the squares are beyond 1
    uint32_t one[4] = {0, 0, 0, 8};
    vs_drift_figures_make(&drift, &baseline, one, 4, &figures);
    CHECK_NEAR(figures.far_share, 0.5, 0.03);
    CHECK_INT(vs_drift_warnings(&figures, &baseline), VS_DRIFT_FAR);
    CHECK_NEAR(figures.gini, 0.75, 1e-6);
    CHECK_NEAR(figures.longest_to_mean, 4.0, 1e-6);
    clear(near_rows);
    clear(far_rows);
}

static void warnings_have_their_limits(void)
{
    const struct vs_drift_baseline baseline = {100, 0.10F, 0.80F, 1.0F}, none = {0};
    struct vs_drift_figures f = {.count = 10, .error = 0.114F, .energy = 0.70F, .far_share = 0.03F};
    CHECK_INT(vs_drift_warnings(&f, &baseline), 0);
    f.error = 0.116F;
    CHECK_INT(vs_drift_warnings(&f, &baseline), VS_DRIFT_ERROR);
    f.energy = 0.67F;
    CHECK_INT(vs_drift_warnings(&f, &baseline), VS_DRIFT_ERROR | VS_DRIFT_ENERGY);
    CHECK_INT(vs_drift_warnings(&f, &none), 0);
    f.count = 0;
    CHECK_INT(vs_drift_warnings(&f, &baseline), 0);
}

// Values that no sound vector has do no harm.
static void odd_values_are_bounded(void)
{
    struct made *m = make(1.0F);
    static struct vs_drift drift;
    struct vs_drift_baseline baseline;
    m->distances[0] = INFINITY;
    m->distances[1] = NAN;
    m->distances[2] = 0.0F;
    m->distances[3] = -1.0F;
    m->norms[4] = 0.0F;
    memset(m->y[5], 0, sizeof m->y[5]);
    m->y[6][0] = 1e30F;
    drift = (struct vs_drift){0};
    add(&drift, m, 0, 100);
    vs_drift_baseline_make(&drift, &baseline);
    CHECK(isfinite(baseline.error) && isfinite(baseline.energy) && isfinite(baseline.far_distance));
    clear(m);
}

TEST_MAIN(TEST(figures_are_the_means),
          TEST(order_does_not_show),
          TEST(far_rows_are_counted),
          TEST(warnings_have_their_limits),
          TEST(odd_values_are_bounded))
