// SPDX-License-Identifier: Apache-2.0
// The steps of training by themselves: k-means against plain Lloyd rounds in double precision,
// balance, order.
#include "index/train_lists.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>

static uint64_t state = 5;

static float random_f32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 40) / 8388608.0 - 1.0);
}

static float *make_points(size_t count, size_t dim, size_t centers, float spread)
{
    float *points = malloc(count * dim * sizeof *points);
    float *center = malloc(centers * dim * sizeof *center);
    for (size_t i = 0; i < centers * dim; i++) {
        center[i] = random_f32();
    }
    for (size_t i = 0; i < count * dim; i++) {
        points[i] = center[i / dim * 7919 % centers * dim + i % dim] + spread * random_f32();
    }
    free(center);
    return points;
}

static double square_distance(const float *a, const float *b, size_t dim)
{
    double sum = 0.0;
    for (size_t j = 0; j < dim; j++) {
        sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    }
    return sum;
}

static size_t nearest(const float *row, const float *rows, size_t count, size_t dim)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        best =
            square_distance(row, rows + i * dim, dim) < square_distance(row, rows + best * dim, dim)
                ? i
                : best;
    }
    return best;
}

static double objective(const struct vs_train_points *points, const float *centroids, size_t k)
{
    double sum = 0.0;
    for (size_t i = 0; i < points->count; i++) {
        const float *row = points->rows + i * points->dim;
        sum += square_distance(
            row, centroids + nearest(row, centroids, k, points->dim) * points->dim, points->dim);
    }
    return sum / (double)points->count;
}

// Lloyd rounds from evenly spaced points.
static double plain_kmeans(const struct vs_train_points *points, size_t k, int rounds)
{
    size_t dim = points->dim;
    float *centroids = malloc(k * dim * sizeof *centroids);
    double *sums = malloc(k * dim * sizeof *sums);
    size_t *sizes = malloc(k * sizeof *sizes);
    for (size_t c = 0; c < k; c++) {
        memcpy(centroids + c * dim, points->rows + points->count * c / k * dim,
               dim * sizeof(float));
    }
    for (int round = 0; round < rounds; round++) {
        memset(sums, 0, k * dim * sizeof *sums);
        memset(sizes, 0, k * sizeof *sizes);
        for (size_t i = 0; i < points->count; i++) {
            size_t best = nearest(points->rows + i * dim, centroids, k, dim);
            sizes[best]++;
            for (size_t j = 0; j < dim; j++) {
                sums[best * dim + j] += (double)points->rows[i * dim + j];
            }
        }
        for (size_t i = 0; i < k * dim; i++) {
            size_t size = sizes[i / dim];
            centroids[i] = size > 0 ? (float)(sums[i] / (double)size) : centroids[i];
        }
    }
    double result = objective(points, centroids, k);
    free(centroids);
    free(sums);
    free(sizes);
    return result;
}

static void case_kmeans(void)
{
    static const struct {
        size_t count, dim, k;
    } sizes[] = {{3000, 10, 40}, {2000, 33, 150}, {500, 3, 500}, {64, 5, 1}};

    for (size_t s = 0; s < 4; s++) {
        size_t count = sizes[s].count, dim = sizes[s].dim, k = sizes[s].k;
        struct vs_train_points points = {make_points(count, dim, 60, 0.5f), count, dim};
        struct vs_train_kmeans task = {
            .points = points, .count = k, .rounds = 8, .seed = 3, .thread_count = 1};
        float *centroids = malloc(k * dim * sizeof *centroids);
        static float again[150 * 33]; // the largest of `sizes`
        uint32_t *label = malloc(count * sizeof *label);
        struct vs_error err;
        REQUIRE_OK(vs_train_kmeans(vs_env_default(), &task, centroids, label, &err), err);
        CHECK(objective(&points, centroids, k) <= 1.06 * plain_kmeans(&points, k, 8) + 1e-3);
        task.thread_count = 3;
        REQUIRE_OK(vs_train_kmeans(vs_env_default(), &task, again, label, &err), err);
        CHECK(memcmp(again, centroids, k * dim * sizeof *again) == 0);
        task.rounds = 0; // labels alone
        REQUIRE_OK(vs_train_kmeans(vs_env_default(), &task, again, label, &err), err);
        CHECK(memcmp(again, centroids, k * dim * sizeof *again) == 0);
        size_t agree = 0;
        for (size_t i = 0; i < count; i++) {
            agree += label[i] == nearest(points.rows + i * dim, centroids, k, dim);
        }
        CHECK(agree * 100 >= count * 96); // int8 decides
        free(points.rows);
        free(centroids);
        free(label);
    }
}

struct lists_case {
    struct vs_train_points points;
    struct vs_train_lists lists;
    uint32_t *label;
};

// Points 0 .. crowd-1 belong to list 0, the others to the lists 2 .. by turns; list 1 is empty.
static struct lists_case make_lists(size_t count, size_t crowd, size_t list_count)
{
    size_t dim = 6;
    struct lists_case c = {.points = {make_points(count, dim, 20, 0.4f), count, dim},
                           .lists = {.count = list_count, .dim = dim}};
    c.label = calloc(count, sizeof *c.label);
    c.lists.rows = calloc(list_count * dim, sizeof(float));
    c.lists.super = calloc(list_count, sizeof *c.lists.super);
    c.lists.size = calloc(list_count, sizeof *c.lists.size);
    for (size_t i = crowd; i < count; i++) {
        c.label[i] = (uint32_t)(2 + i % (list_count - 2));
    }
    return c;
}

static void free_lists(struct lists_case *c)
{
    free(c->points.rows);
    free(c->lists.rows);
    free(c->lists.super);
    free(c->lists.size);
    free(c->label);
}

static void case_balance(void)
{
    struct vs_error err;
    struct lists_case c = make_lists(2000, 1500, 27);
    REQUIRE_OK(vs_train_update(vs_env_default(), 2, &c.points, c.label, &c.lists, &err), err);
    CHECK_INT(c.lists.size[0], 1500);
    CHECK_INT(c.lists.size[1], 0);
    REQUIRE_OK(vs_train_balance(vs_env_default(), &c.points, c.label, &c.lists, &err), err);
    CHECK_INT(c.lists.size[0] + c.lists.size[1], 1500);
    CHECK(c.lists.size[0] >= 100 && c.lists.size[1] >= 100);
    // The halves are what 2-means finds: nearer to the points than their common mean.
    struct vs_train_points crowd = {c.points.rows, 1500, 6};
    double before = 0.0, after = objective(&crowd, c.lists.rows, 2);
    float mean[6] = {0};
    for (size_t i = 0; i < (size_t)1500 * 6; i++) {
        mean[i % 6] += c.points.rows[i] / 1500.0f;
    }
    before = objective(&crowd, mean, 1);
    CHECK(after < 0.95 * before);
    for (size_t l = 2; l < 27; l++) {
        CHECK_INT(c.lists.size[l], 20);
    }
    free_lists(&c);
    // No list is empty, but one is below an eighth of the mean: it gives way.
    c = make_lists(2000, 1500, 27);
    c.label[7] = 1;
    REQUIRE_OK(vs_train_update(vs_env_default(), 1, &c.points, c.label, &c.lists, &err), err);
    REQUIRE_OK(vs_train_balance(vs_env_default(), &c.points, c.label, &c.lists, &err), err);
    CHECK_INT(c.lists.size[0] + c.lists.size[1], 1499);
    CHECK(c.lists.size[1] >= 100);
    free_lists(&c);
    // Equal points cannot be split; the next largest is.
    c = make_lists(400, 300, 7);
    for (size_t i = 0; i < 1800; i++) {
        c.points.rows[i] = 1.5f;
    }
    REQUIRE_OK(vs_train_update(vs_env_default(), 1, &c.points, c.label, &c.lists, &err), err);
    REQUIRE_OK(vs_train_balance(vs_env_default(), &c.points, c.label, &c.lists, &err), err);
    CHECK_INT(c.lists.size[0], 300);
    CHECK(c.lists.size[1] >= 1 && c.lists.size[1] < 20);
    free_lists(&c);
}

// Every row of the chain is the nearest to the one before among those that follow.
static void check_chain(const float *rows, size_t from, size_t begin, size_t end, size_t dim)
{
    const float *at = rows + from * dim;
    for (size_t i = begin; i < end; i++) {
        double own = square_distance(at, rows + i * dim, dim);
        for (size_t o = i + 1; o < end; o++) {
            CHECK(own <= 1.0001 * square_distance(at, rows + o * dim, dim) + 1e-9);
        }
        at = rows + i * dim;
    }
}

static void case_order(void)
{
    enum { LISTS = 300, SUPERS = 17, DIM = 9 };

    float *rows = make_points(LISTS, DIM, 30, 0.3f), *supers = make_points(SUPERS, DIM, 17, 0.0f);
    static float old[LISTS * DIM];
    uint32_t super[LISTS], size[LISTS], first[SUPERS + 1];
    size_t count = SUPERS;
    struct vs_train_lists lists = {rows, LISTS, DIM, super, size};
    struct vs_train_grouping grouping = {.thread_count = 2, .rounds = 3};
    struct vs_error err;
    REQUIRE_OK(vs_train_group(vs_env_default(), &grouping, &lists, supers, &count, first, &err),
               err);
    for (size_t l = 0; l < LISTS; l++) {
        CHECK_INT(super[l], nearest(rows + l * DIM, supers, count, DIM));
        CHECK(l >= first[super[l]] && l < first[super[l] + 1]);
        size[l] = (uint32_t)(1000 + l);
    }
    memcpy(old, rows, sizeof(float) * LISTS * DIM);
    REQUIRE_OK(vs_train_order(vs_env_default(), &lists, supers, count, first, &err), err);
    bool seen[LISTS] = {false};
    for (size_t l = 0; l < LISTS; l++) {
        size_t was = size[l] - 1000;
        CHECK(!seen[was]);
        seen[was] = true;
        CHECK(memcmp(rows + l * DIM, old + was * DIM, sizeof(float) * DIM) == 0);
        CHECK_INT(super[l], nearest(rows + l * DIM, supers, count, DIM));
        CHECK(l >= first[super[l]] && l < first[super[l] + 1]);
    }
    CHECK_INT(first[0], 0);
    CHECK_INT(first[count], LISTS);
    check_chain(supers, 0, 1, count, DIM);
    for (size_t s = 0; s < count; s++) {
        check_chain(rows, s == 0 ? 0 : first[s] - 1, first[s] + (s == 0), first[s + 1], DIM);
    }
    free(rows);
    free(supers);
}

static void case_share(void)
{
    static const uint32_t first[] = {0, 100, 100, 101, 400, 405};
    uint32_t children[5];
    vs_train_share(first, 5, 40, children);
    CHECK_INT(children[1], 0);
    CHECK(children[0] >= 9 && children[0] <= 11 && children[3] >= 27 && children[3] <= 31);
    CHECK(children[2] == 1 && children[4] >= 1 && children[4] <= 5);
    CHECK_INT(children[0] + children[1] + children[2] + children[3] + children[4], 40);
}

static enum vs_status all_steps(const struct vs_env *env,
                                struct lists_case *c,
                                struct vs_error *err)
{
    struct vs_train_grouping grouping = {.thread_count = 1, .rounds = 2};
    float supers[4 * 6];
    uint32_t first[5];
    size_t count = 4;
    struct vs_train_kmeans task = {.points = {c->lists.rows, c->lists.count, c->lists.dim},
                                   .count = 4,
                                   .rounds = 2,
                                   .thread_count = 1};
    VS_TRY(vs_train_update(env, 1, &c->points, c->label, &c->lists, err));
    VS_TRY(vs_train_balance(env, &c->points, c->label, &c->lists, err));
    VS_TRY(vs_train_kmeans(env, &task, supers, c->lists.super, err));
    VS_TRY(vs_train_group(env, &grouping, &c->lists, supers, &count, first, err));
    return vs_train_order(env, &c->lists, supers, count, first, err);
}

static void case_no_memory(void)
{
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_error err;
        struct lists_case c = make_lists(300, 200, 12);
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status = all_steps(&test.env, &c, &err);
        CHECK_INT(status, test.failed ? VS_NO_MEMORY : VS_OK);
        CHECK_INT(test.live, 0);
        free_lists(&c);
        if (!test.failed) {
            CHECK(n > 20);
            break;
        }
    }
}

TEST_MAIN(
    TEST(case_kmeans), TEST(case_balance), TEST(case_order), TEST(case_share), TEST(case_no_memory))
