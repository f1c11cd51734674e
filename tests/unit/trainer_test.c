// SPDX-License-Identifier: Apache-2.0
// Training: quality against a plain k-means written here, the same result for any number of
// threads, and odd inputs.
#include "index/trainer.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/train_floats.h"

#include <stdlib.h>

static uint64_t state = 3;

static float random_f32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 40) / 8388608.0 - 1.0);
}

// Points around `centers` centres.
static float *make_points(size_t count, size_t dim, size_t centers, float spread)
{
    float *points = malloc(count * dim * sizeof *points),
          *center = malloc(centers * dim * sizeof *center);
    for (size_t i = 0; i < centers * dim; i++) {
        center[i] = random_f32();
    }
    for (size_t i = 0; i < count; i++) {
        const float *from = center + (i * 7919 % centers) * dim;
        for (size_t j = 0; j < dim; j++) {
            points[i * dim + j] = from[j] + spread * random_f32();
        }
    }
    free(center);
    return points;
}

static struct vs_train_params params_of(uint32_t dim, uint64_t rows, uint32_t lists)
{
    struct vs_train_params params = {.dim = dim,
                                     .metric = VS_METRIC_L2,
                                     .row_count = rows,
                                     .list_count = lists,
                                     .seed = 5,
                                     .thread_count = 2};
    vs_train_defaults(&params);
    return params;
}

static void project_all(const struct vs_codebook *book, const float *x, size_t count, float *y)
{
    for (size_t i = 0; i < count; i++) {
        vs_codebook_project(book, x + i * book->dim, y + i * book->proj_dim);
    }
}

static double nearest_distance(
    const float *y, const float *centroids, size_t count, size_t dim, size_t *best_out)
{
    double least = (double)INFINITY;
    for (size_t c = 0; c < count; c++) {
        double sum = 0.0;
        for (size_t j = 0; j < dim && sum < least; j++) {
            double diff = (double)y[j] - (double)centroids[c * dim + j];
            sum += diff * diff;
        }
        if (sum < least) {
            least = sum;
            *best_out = c;
        }
    }
    return least;
}

// Mean squared distance to the nearest centroid.
static double objective(
    const float *points, size_t count, const float *centroids, size_t k, size_t dim)
{
    double sum = 0.0;
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        sum += nearest_distance(points + i * dim, centroids, k, dim, &best);
    }
    return sum / (double)count;
}

// Plain k-means from k random points, as an independent yardstick.
static double plain_kmeans(const float *points, size_t count, size_t k, size_t dim, int rounds)
{
    float *centroids = malloc(k * dim * sizeof *centroids);
    double *sums = malloc(k * dim * sizeof *sums);
    size_t *sizes = malloc(k * sizeof *sizes);
    for (size_t c = 0; c < k; c++) {
        size_t row = (size_t)(((double)random_f32() + 1.0) / 2.0 * (double)count) % count;
        memcpy(centroids + c * dim, points + row * dim, dim * sizeof *centroids);
    }
    for (int round = 0; round < rounds; round++) {
        memset(sums, 0, k * dim * sizeof *sums);
        memset(sizes, 0, k * sizeof *sizes);
        for (size_t i = 0; i < count; i++) {
            size_t best = 0;
            nearest_distance(points + i * dim, centroids, k, dim, &best);
            sizes[best]++;
            for (size_t j = 0; j < dim; j++) {
                sums[best * dim + j] += (double)points[i * dim + j];
            }
        }
        for (size_t c = 0; c < k; c++) {
            for (size_t j = 0; j < dim && sizes[c] > 0; j++) {
                centroids[c * dim + j] = (float)(sums[c * dim + j] / (double)sizes[c]);
            }
        }
    }
    double result = objective(points, count, centroids, k, dim);
    free(centroids);
    free(sums);
    free(sizes);
    return result;
}

static void case_defaults(void)
{
    static const struct {
        uint32_t dim, m, proj;
    } want[] = {{1, 2, 2},       {2, 2, 2},        {3, 4, 4},        {64, 64, 64},
                {128, 96, 96},   {384, 96, 192},   {768, 96, 384},   {1024, 96, 480},
                {1536, 96, 768}, {3072, 96, 1536}, {16384, 96, 1536}};

    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct vs_train_params params = params_of(want[i].dim, 1000000, 0);
        CHECK_INT(params.m, want[i].m);
        CHECK_INT(params.proj_dim, want[i].proj);
        CHECK_INT(params.list_count, 16384);
    }
    CHECK_INT(params_of(8, 20000, 0).list_count, 1024);
    CHECK_INT(params_of(8, 132767, 0).list_count, 8192);
    CHECK_INT(params_of(8, 10000000, 0).list_count, 131072);
    CHECK_INT(params_of(8, 1, 0).list_count, 1);
    struct vs_train_params params = params_of(384, 100000, 2048);
    CHECK_INT(vs_train_sample_size(&params), 100000);
    params.row_count = 1000000;
    CHECK_INT(vs_train_sample_size(&params), 131072); // 64 rows a list while that is little
    params.list_count = 16384;
    CHECK_INT(vs_train_sample_size(&params), 393216);
    params.list_count = 131072;
    params.row_count = 10000000;
    CHECK_INT(vs_train_sample_size(&params), 2796202); // 4 GiB
    params.row_count = 500;
    CHECK_INT(vs_train_sample_size(&params), 500);
    params =
        (struct vs_train_params){.dim = 100, .projection = VS_PROJECTION_NONE, .row_count = 10};
    vs_train_defaults(&params);
    CHECK_INT(params.proj_dim, 192); // 96 * 2 >= 100
}

static void check_levels(const struct vs_codebook *book)
{
    CHECK_INT(book->super_first[0], 0);
    CHECK_INT(book->super_first[book->super_count], book->list_count);
    for (size_t s = 0; s < book->super_count; s++) {
        CHECK(book->super_first[s + 1] > book->super_first[s]);
        for (size_t l = book->super_first[s]; l < book->super_first[s + 1]; l++) {
            size_t best = 0;
            const float *row = book->centroids + l * book->proj_dim;
            double least = nearest_distance(row, book->super_centroids, book->super_count,
                                            book->proj_dim, &best);
            size_t own = s;
            double mine = nearest_distance(row, book->super_centroids + s * book->proj_dim, 1,
                                           book->proj_dim, &own);
            CHECK(mine <= least * 1.0001 + 1e-9);
        }
    }
}

static void case_quality(void)
{
    size_t count = 6000, dim = 24;
    float *points = make_points(count, dim, 90, 0.35f);
    struct vs_train_params params = params_of((uint32_t)dim, count, 150);
    struct vs_codebook book = {0};
    struct vs_error err;
    REQUIRE_OK(train_floats(vs_env_default(), &params, points, count, &book, &err), err);
    CHECK_INT(book.list_count, 150);
    CHECK_INT(book.proj_dim, 24);
    check_levels(&book);
    float *y = malloc(count * book.proj_dim * sizeof *y);
    project_all(&book, points, count, y);
    double plain = plain_kmeans(y, count, book.list_count, book.proj_dim, 15);
    double ours = objective(y, count, book.centroids, book.list_count, book.proj_dim);
    CHECK(ours <= plain);
    // The projection keeps all directions here: distances stay.
    double original = 0.0, projected = 0.0;
    for (size_t j = 0; j < dim; j++) {
        original += pow((double)points[j] - (double)points[dim + j], 2);
        projected += pow((double)y[j] - (double)y[dim + j], 2);
    }
    CHECK_NEAR(projected / original, 1.0, 1e-3);
    // Quantiser: 16 codes for one coordinate leave about 1/256 of a uniform variance, less than 2 %
    // of any compact one.
    double error = 0.0, energy = 0.0;
    for (size_t i = 0; i < count; i++) {
        uint8_t codes[VS_METRIC_L2 + 254];
        vs_codebook_encode_vector(&book, y + i * book.proj_dim, codes);
        for (size_t s = 0; s < book.m; s++) {
            double value = (double)y[i * book.proj_dim + s];
            error += pow(value - (double)book.pq[s * 16 + codes[s]], 2);
            energy += value * value;
        }
    }
    CHECK(error < 0.02 * energy);
    free(y);
    free(points);
    vs_codebook_clear(&book);
}

// Clusters of very unlike sizes: no list holds much more than its share of the sample, and lists
// that follow each other are near each other.
static void case_balance_and_order(void)
{
    size_t count = 16000, dim = 16, lists = 256;
    float *points = make_points(count, dim, 3, 0.9f), *few = make_points(3000, dim, 40, 0.2f);
    memcpy(points, few, 3000 * dim * sizeof *few);
    for (size_t i = 0; i < count; i++) { // a dense heap of half the points
        for (size_t j = 0; j < dim && i % 2 == 0; j++) {
            points[i * dim + j] = 0.5f + points[i * dim + j] / 8;
        }
    }
    struct vs_train_params params = params_of((uint32_t)dim, count, (uint32_t)lists);
    struct vs_codebook book = {0};
    struct vs_error err;
    REQUIRE_OK(train_floats(vs_env_default(), &params, points, count, &book, &err), err);
    CHECK(book.list_count >= lists - 8);
    float *y = malloc(count * book.proj_dim * sizeof *y);
    size_t size[256] = {0}, most = 0, best = 0;
    project_all(&book, points, count, y);
    for (size_t i = 0; i < count; i++) {
        size[vs_codebook_assign(&book, y + i * book.proj_dim, NULL)]++;
    }
    double near = 0.0, far = 0.0;
    for (size_t l = 0; l < book.list_count; l++) {
        const float *row = book.centroids + l * book.proj_dim;
        size_t other = (l + book.list_count / 2) % book.list_count;
        size_t next = (l + 1) % book.list_count;
        most = size[l] > most ? size[l] : most;
        near +=
            nearest_distance(row, book.centroids + next * book.proj_dim, 1, book.proj_dim, &best);
        far +=
            nearest_distance(row, book.centroids + other * book.proj_dim, 1, book.proj_dim, &best);
    }
    CHECK(most <= 4 * count / book.list_count);
    CHECK(near < 0.6 * far);
    free(y);
    free(points);
    free(few);
    vs_codebook_clear(&book);
}

static void case_threads(void)
{
    size_t count = 5000, dim = 40;
    float *points = make_points(count, dim, 50, 0.4f);
    char id[65] = "";
    for (size_t threads = 1; threads <= 4; threads++) {
        struct vs_train_params params = params_of((uint32_t)dim, count, 64);
        struct vs_codebook book = {0};
        struct vs_error err;
        params.thread_count = threads;
        REQUIRE_OK(train_floats(vs_env_default(), &params, points, count, &book, &err), err);
        if (threads == 1) {
            memcpy(id, book.model_id, sizeof id);
        }
        CHECK_TEXT(book.model_id, id);
        vs_codebook_clear(&book);
    }
    struct vs_train_params params = params_of((uint32_t)dim, count, 64);
    struct vs_codebook book = {0};
    params.seed = 6;
    REQUIRE_OK(train_floats(vs_env_default(), &params, points, count, &book, NULL),
               (struct vs_error){0});
    CHECK(strcmp(book.model_id, id) != 0);
    vs_codebook_clear(&book);
    free(points);
}

// Trains on odd input; every row must be assignable afterwards.
static void train_odd(struct vs_train_params params,
                      const float *points,
                      size_t count,
                      uint32_t *lists_out)
{
    struct vs_codebook book = {0};
    struct vs_error err;
    REQUIRE_OK(train_floats(vs_env_default(), &params, points, count, &book, &err), err);
    CHECK(book.list_count >= 1 && book.list_count <= params.list_count);
    check_levels(&book);
    float *y = malloc(book.proj_dim * sizeof *y);
    for (size_t i = 0; i < count; i += count / 50 + 1) {
        uint8_t codes[256];
        vs_codebook_project(&book, points + i * book.dim, y);
        CHECK(vs_codebook_assign(&book, y, NULL) < book.list_count);
        vs_codebook_encode_vector(&book, y, codes);
        for (size_t s = 0; s < book.m; s++) {
            CHECK(codes[s] < 16);
        }
    }
    *lists_out = book.list_count;
    free(y);
    vs_codebook_clear(&book);
}

static void case_odd_data(void)
{
    uint32_t lists = 0;
    size_t count = 2000;
    float *equal = malloc(count * 8 * sizeof *equal), *flat = make_points(count, 30, 10, 0.2f);
    for (size_t i = 0; i < count * 8; i++) {
        equal[i] = 0.25f + (float)(i % 8);
    }
    train_odd(params_of(8, count, 32), equal, count, &lists); // all rows equal
    CHECK_INT(lists, 1);
    for (size_t i = 0; i < count; i++) { // dimensions without variance, and zeros
        flat[i * 30] = 3.0f;
        flat[i * 30 + 7] = 0.0f;
    }
    train_odd(params_of(30, count, 64), flat, count, &lists);
    CHECK(lists >= 60);
    train_odd(params_of(30, count, 64), flat, 40,
              &lists); // fewer rows than lists: one list for 8 rows
    CHECK(lists >= 1 && lists <= 5);
    for (size_t rows = 1; rows <= 20; rows++) {
        train_odd(params_of(30, rows, 64), flat, rows, &lists);
    }
    free(equal);
    free(flat);
}

static void case_odd_dims(void)
{
    static const uint32_t dims[] = {1, 2, 3, 5, 7, 15, 33, 97, 129, 250, 1000};
    for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++) {
        float *points = make_points(700, dims[d], 20, 0.3f);
        uint32_t lists = 0;
        for (int projection = VS_PROJECTION_PCA; projection <= VS_PROJECTION_NONE;
             projection += 2) {
            struct vs_train_params params = {.dim = dims[d],
                                             .row_count = 700,
                                             .list_count = 16,
                                             .projection = (enum vs_projection)projection};
            vs_train_defaults(&params);
            train_odd(params, points, 700, &lists);
        }
        free(points);
    }
    float *wide = make_points(60, 16384, 5, 0.3f);
    uint32_t lists = 0;
    struct vs_train_params params = {
        .dim = 16384, .row_count = 60, .list_count = 4, .m = 4, .proj_dim = 16};
    vs_train_defaults(&params);
    train_odd(params, wide, 60, &lists);
    free(wide);
}

static void case_opq(void)
{
    size_t count = 10000;
    float *points = make_points(count, 16, 60, 0.3f);
    struct vs_train_params params = {.dim = 16,
                                     .row_count = count,
                                     .list_count = 32,
                                     .m = 4,
                                     .proj_dim = 8,
                                     .projection = VS_PROJECTION_OPQ,
                                     .thread_count = 2};
    uint32_t lists = 0;
    vs_train_defaults(&params);
    train_odd(params, points, count, &lists);
    CHECK_INT(lists, 32);
    free(points);
}

static void case_invalid(void)
{
    float *points = calloc((size_t)8 * 20000, sizeof *points);
    struct vs_codebook book = {0};
    struct vs_error err;
    struct vs_train_params params = params_of(8, 8, 1);
    CHECK_STATUS(train_floats(vs_env_default(), &params, points, 0, &book, &err), VS_INVALID);
    params.proj_dim = 7;
    CHECK_STATUS(train_floats(vs_env_default(), &params, points, 8, &book, &err), VS_INVALID);
    params = params_of(8, 8, 1);
    params.dim = 20000;
    CHECK_STATUS(train_floats(vs_env_default(), &params, points, 8, &book, &err), VS_INVALID);
    params = params_of(8, 8, 1);
    for (size_t i = 0; i < 64; i++) {
        points[i] = 1e18f * (float)(1 + i % 5);
    }
    CHECK_STATUS(train_floats(vs_env_default(), &params, points, 8, &book, &err), VS_INVALID);
    CHECK(book.projection == NULL);
    free(points);
}

static void case_cancel(void)
{
    atomic_bool cancelled = true;
    struct vs_op op = {.cancelled = &cancelled};
    float *points = make_points(1000, 8, 4, 0.2f);
    struct vs_train_params params = params_of(8, 1000, 8);
    struct vs_codebook book = {0};
    params.op = &op;
    CHECK_STATUS(train_floats(vs_env_default(), &params, points, 1000, &book, NULL), VS_CANCELLED);
    free(points);
}

static void case_no_memory(void)
{
    float *points = make_points(400, 6, 8, 0.2f);
    struct vs_train_params params = params_of(6, 400, 20);
    params.thread_count = 1;
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_codebook book = {0};
        struct vs_error err;
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status = train_floats(&test.env, &params, points, 400, &book, &err);
        CHECK_INT(status, test.failed ? VS_NO_MEMORY : VS_OK);
        vs_codebook_clear(&book);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            break;
        }
    }
    free(points);
}

static void case_facts(void)
{
    struct vs_buf json;
    struct vs_error err;
    vs_buf_init(&json, vs_env_default(), 1000);
    REQUIRE_OK(vs_trainer_facts(&json, &err), err);
    CHECK(strstr(vs_buf_c_str(&json), "\"library\":\"faiss ") != NULL);
    vs_buf_clear(&json);
}

TEST_MAIN(TEST(case_defaults),
          TEST(case_quality),
          TEST(case_balance_and_order),
          TEST(case_threads),
          TEST(case_odd_data),
          TEST(case_odd_dims),
          TEST(case_opq),
          TEST(case_invalid),
          TEST(case_cancel),
          TEST(case_no_memory),
          TEST(case_facts))
