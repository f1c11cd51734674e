// SPDX-License-Identifier: Apache-2.0
// Assignment and projection of many rows: against double precision, in batches of every size, and
// against one recorded checksum that holds for every kernel table.
#include "index/codebook_assign.h"
#include "simd/kernels.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>

static uint64_t state = 11;

static float random_f32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 40) / 8388608.0 - 1.0);
}

struct shape {
    uint32_t dim, m, sub_dim, supers, lists;
};

// Super-clusters of unlike sizes; lists lie near their super-centroids.
static void make_codebook(struct shape shape, struct vs_codebook *out)
{
    struct vs_codebook book = {.dim = shape.dim,
                               .proj_dim = shape.m * shape.sub_dim,
                               .m = shape.m,
                               .sub_dim = shape.sub_dim,
                               .super_count = shape.supers,
                               .list_count = shape.lists};
    struct vs_error err;
    size_t proj = book.proj_dim;
    *out = (struct vs_codebook){.dim = 0};
    REQUIRE_OK(vs_codebook_init(&book, vs_env_default(), &err), err);
    for (size_t i = 0; i < proj * book.dim; i++) {
        book.projection[i] = random_f32();
    }
    for (size_t i = 0; i < proj; i++) {
        book.projection_bias[i] = random_f32();
    }
    for (size_t i = 0; i < 16 * proj; i++) {
        book.pq[i] = random_f32();
    }
    uint32_t spare = shape.lists - shape.supers;
    for (size_t s = 0; s < shape.supers; s++) {
        uint32_t extra = s + 1 == shape.supers ? spare : spare / 3;
        spare -= extra;
        book.super_first[s + 1] = book.super_first[s] + 1 + extra;
        for (size_t j = 0; j < proj; j++) {
            float center = book.super_centroids[s * proj + j] = 2.0f * random_f32();
            for (size_t l = book.super_first[s]; l < book.super_first[s + 1]; l++) {
                book.centroids[l * proj + j] = center + 1.5f * random_f32();
            }
        }
    }
    REQUIRE_OK(vs_codebook_finish(&book, &err), err);
    *out = book;
}

static float *make_rows(const struct vs_codebook *book, size_t count)
{
    float *rows = calloc(count * book->proj_dim + 1, sizeof *rows);
    for (size_t i = 0; i < count * book->proj_dim; i++) {
        size_t row = i / book->proj_dim, list = row * 7919 % book->list_count;
        rows[i] = book->centroids[list * book->proj_dim + i % book->proj_dim] + 0.9f * random_f32();
    }
    return rows;
}

static double square_distance(const float *a, const float *b, size_t dim)
{
    double sum = 0.0;
    for (size_t j = 0; j < dim; j++) {
        sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    }
    return sum;
}

struct reference {
    double distance[400], loss[400];
    uint32_t first, second;
};

// Everything in double precision over all lists: nearest, then least loss of the next 24.
static void find_reference(const struct vs_codebook *book,
                           const float *y,
                           double lambda,
                           struct reference *ref)
{
    size_t dim = book->proj_dim, lists = book->list_count;
    ref->first = ref->second = 0;
    for (uint32_t l = 0; l < lists; l++) {
        ref->distance[l] = square_distance(y, book->centroids + l * dim, dim);
        ref->first = ref->distance[l] < ref->distance[ref->first] ? l : ref->first;
    }
    const float *c1 = book->centroids + ref->first * dim;
    double least = (double)INFINITY;
    for (uint32_t l = 0; l < lists; l++) {
        size_t nearer = 0;
        double dot = 0.0;
        for (uint32_t o = 0; o < lists; o++) {
            nearer += o != ref->first && ref->distance[o] < ref->distance[l];
        }
        for (size_t j = 0; j < dim; j++) {
            dot += ((double)y[j] - (double)c1[j]) *
                   ((double)y[j] - (double)book->centroids[l * dim + j]);
        }
        ref->loss[l] = ref->distance[l] + lambda * dot * dot / ref->distance[ref->first];
        if (l != ref->first && nearer < 24 && ref->loss[l] < least) {
            least = ref->loss[l];
            ref->second = l;
        }
    }
}

// At most ten super-clusters: all lists are looked at, and only rounding can make a difference.
static void case_soar(void)
{
    static const struct shape shapes[] = {
        {20, 16, 3, 9, 300}, {9, 4, 2, 3, 40}, {40, 32, 6, 10, 77}};
    static const float lambdas[] = {0.5f, 1.0f, 3.0f};
    size_t count = 400;
    for (size_t s = 0; s < 3; s++) {
        struct vs_codebook book;
        static struct reference ref;
        size_t firsts = 0, seconds = 0, plain = 0;
        make_codebook(shapes[s], &book);
        float *rows = make_rows(&book, count);
        struct vs_assignment *found = malloc(count * sizeof *found);
        vs_codebook_assign_batch(&book, rows, count, lambdas[s], found);
        for (size_t i = 0; i < count; i++) {
            const float *y = rows + i * book.proj_dim;
            find_reference(&book, y, (double)lambdas[s], &ref);
            firsts += found[i].list == ref.first;
            seconds += found[i].second == ref.second;
            CHECK(found[i].second != found[i].list && found[i].second < book.list_count);
            CHECK_NEAR((double)found[i].distance / ref.distance[found[i].list], 1.0, 1e-4);
            if (found[i].list == ref.first) {
                CHECK(ref.loss[found[i].second] <= 1.05 * ref.loss[ref.second]);
                uint32_t next = ref.first == 0 ? 1 : 0;
                for (uint32_t l = 0; l < book.list_count; l++) {
                    next = l != ref.first && ref.distance[l] < ref.distance[next] ? l : next;
                }
                plain += next == found[i].second;
            }
        }
        CHECK(firsts * 1000 >= count * 998);
        CHECK(seconds * 100 >= count * 98);
        CHECK(plain < count * 9 / 10); // it is not just the next nearest
        free(rows);
        free(found);
        vs_codebook_clear(&book);
    }
}

// Many super-clusters: only the nearest are looked into.
static void case_levels(void)
{
    struct vs_codebook book;
    make_codebook((struct shape){30, 24, 1, 60, 390}, &book);
    size_t count = 1500, agree = 0;
    float *rows = make_rows(&book, count);
    struct vs_assignment *found = malloc(count * sizeof *found);
    vs_codebook_assign_batch(&book, rows, count, 0.0f, found);
    for (size_t i = 0; i < count; i++) {
        double least = (double)INFINITY;
        for (uint32_t l = 0; l < book.list_count; l++) {
            double distance = square_distance(rows + i * 24, book.centroids + (size_t)l * 24, 24);
            least = distance < least ? distance : least;
        }
        agree += (double)found[i].distance <= least * 1.0001;
        CHECK_INT(found[i].second, VS_ASSIGN_NO_LIST);
    }
    CHECK(agree * 100 >= count * 97);
    free(rows);
    free(found);
    vs_codebook_clear(&book);
}

static bool same(const struct vs_assignment *a, const struct vs_assignment *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].list != b[i].list || a[i].second != b[i].second ||
            memcmp(&a[i].distance, &b[i].distance, sizeof a[i].distance) != 0) {
            return false;
        }
    }
    return true;
}

// Cutting the rows differently changes nothing; the shapes cross the limits of a batch.
static void case_batches(void)
{
    static const struct shape shapes[] = {
        {7, 6, 1, 50, 390}, {30, 10, 1, 1, 300}, {8, 256, 9, 3, 30}, {8, 2, 1, 2, 3}};
    for (size_t s = 0; s < 4; s++) {
        struct vs_codebook book;
        make_codebook(shapes[s], &book);
        size_t count = 700;
        float *rows = make_rows(&book, count);
        struct vs_assignment *whole = malloc(count * sizeof *whole),
                             *parts = malloc(count * sizeof *parts);
        vs_codebook_assign_batch(&book, rows, count, 1.0f, whole);
        size_t step = 1;
        for (size_t first = 0; first < count; first += step) {
            step = first % 97 + 1 < count - first ? first % 97 + 1 : count - first;
            vs_codebook_assign_batch(&book, rows + first * book.proj_dim, step, 1.0f,
                                     parts + first);
        }
        CHECK(same(whole, parts, count));
        vs_codebook_assign_batch(&book, rows, count, 0.0f, parts);
        for (size_t i = 0; i < count; i++) {
            CHECK_INT(parts[i].list, whole[i].list);
            CHECK_INT(vs_codebook_assign(&book, rows + i * book.proj_dim, NULL), whole[i].list);
        }
        free(rows);
        free(whole);
        free(parts);
        vs_codebook_clear(&book);
    }
}

static void case_odd_rows(void)
{
    struct vs_codebook book;
    struct vs_error err;
    struct vs_assignment found[4];
    float rows[4 * 12] = {0};
    make_codebook((struct shape){5, 12, 1, 1, 1}, &book);
    vs_codebook_assign_batch(&book, rows, 1, 1.0f, found);
    CHECK(found[0].list == 0 && found[0].second == VS_ASSIGN_NO_LIST);
    vs_codebook_clear(&book);
    make_codebook((struct shape){5, 12, 1, 4, 200}, &book);
    vs_codebook_assign_batch(&book, rows, 0, 1.0f, NULL);
    memcpy(rows, book.centroids + (size_t)12 * 17, 12 * sizeof *rows); // no residual
    rows[12] = NAN;
    rows[24] = INFINITY;
    rows[36] = 3e38f;
    vs_codebook_assign_batch(&book, rows, 4, 1.0f, found);
    CHECK(found[0].list == 17 && found[0].distance == 0.0f && found[0].second < 200);
    for (size_t i = 1; i < 4; i++) {
        CHECK(found[i].list == 0 && found[i].second == VS_ASSIGN_NO_LIST);
    }
    for (size_t i = 0; i < (size_t)200 * 12; i++) { // all lists equal: the lowest numbers
        book.centroids[i] = 1.0f;
    }
    for (size_t i = 0; i < (size_t)4 * 12; i++) {
        book.super_centroids[i] = 1.0f;
    }
    REQUIRE_OK(vs_codebook_finish(&book, &err), err);
    vs_codebook_assign_batch(&book, rows, 1, 1.0f, found);
    CHECK(found[0].list == 0 && found[0].second == 1);
    vs_codebook_clear(&book);
}

static void case_project_rows(void)
{
    static const struct shape shapes[] = {{1, 2, 1, 1, 1}, {50, 24, 3, 2, 9}, {67, 130, 1, 2, 5}};
    for (size_t s = 0; s < 3; s++) {
        struct vs_codebook book;
        make_codebook(shapes[s], &book);
        size_t count = 75, dim = book.dim, proj = book.proj_dim, stride = (dim + 63) / 64 * 64;
        float *x = malloc(count * dim * sizeof *x), *y = malloc(count * proj * sizeof *y);
        float *exact = malloc(proj * sizeof *exact), *single = malloc(proj * sizeof *single);
        int32_t *dots = malloc(proj * sizeof *dots);
        int8_t *rows = calloc(count, stride);
        float scale[75];
        for (size_t i = 0; i < count * dim; i++) {
            x[i] = random_f32();
        }
        for (size_t i = 0; i < count; i++) {
            scale[i] = vs_quantize_i8(x + i * dim, dim, rows + i * stride);
        }
        vs_codebook_project_rows(&book, rows, stride, scale, count, y);
        for (size_t i = 0; i < count; i++) {
            double error = 0.0, energy = 0.0;
            vs_codebook_project(&book, x + i * dim, exact);
            vs_codebook_project_i8(&book, rows + i * stride, scale[i], dots, single);
            for (size_t p = 0; p < proj; p++) {
                double bias = (double)book.projection_bias[p];
                single[p] += book.projection_bias[p];
                error += pow((double)y[i * proj + p] - (double)exact[p], 2);
                energy += pow((double)exact[p] - bias, 2);
            }
            CHECK(memcmp(single, y + i * proj, proj * sizeof *y) == 0);
            CHECK(error <= 4e-4 * energy + 1e-9);
        }
        free(x);
        free(y);
        free(exact);
        free(single);
        free(dots);
        free(rows);
        vs_codebook_clear(&book);
    }
}

// The bytes that an index is built from are the same for every table: VS_SIMD chooses another one
// in the other runs of this test.
static void case_checksum(void)
{
    struct vs_codebook book;
    state = 99;
    make_codebook((struct shape){33, 48, 4, 30, 390}, &book);
    size_t count = 1000;
    float *rows = make_rows(&book, count);
    struct vs_assignment *found = malloc(count * sizeof *found);
    vs_codebook_assign_batch(&book, rows, count, 1.0f, found);
    uint32_t crc = vs_crc32c(0, (const uint8_t *)found, count * sizeof *found);
    printf("table %s: %08x\n", vs_kernels_get()->name, (unsigned)crc);
    CHECK_INT(crc, 0xa386e6f8u);
    free(rows);
    free(found);
    vs_codebook_clear(&book);
}

TEST_MAIN(TEST(case_soar),
          TEST(case_levels),
          TEST(case_batches),
          TEST(case_odd_rows),
          TEST(case_project_rows),
          TEST(case_checksum))
