// SPDX-License-Identifier: Apache-2.0
// Every kernel table against exact integers or double precision, and every table bit for bit
// against scalar; unaligned starts.
#include "simd/cpu.h"
#include "simd/kernels.h"
#include "tests/support/check.h"

#include <stdlib.h>

#define DIM_MAX 3072
#define ROWS 7

static uint64_t state = 1;

static uint32_t next_random(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static float random_f32(void)
{
    return (float)((double)next_random() / 1073741824.0 - 1.0);
}

static const size_t BIG_DIMS[] = {384, 768, 1000, 1024, 1536, 3072};

// Dimensions 0..130, then the usual ones.
static size_t dim_at(size_t i)
{
    return i <= 130 ? i : BIG_DIMS[i - 131];
}

#define DIM_COUNT (131 + sizeof BIG_DIMS / sizeof BIG_DIMS[0])

static float f32_space[(ROWS + 1) * DIM_MAX + 8];
static int8_t i8_space[(ROWS + 1) * (DIM_MAX + 5) + 64];

static void check_f32(const struct vs_kernels *table,
                      const float *query,
                      const float *rows,
                      size_t dim)
{
    const struct vs_kernels *scalar = vs_kernels_find("scalar");
    float dots[ROWS], l2s[ROWS], scalar_dots[ROWS], scalar_l2s[ROWS];
    table->dot_f32(query, rows, dim, ROWS, dots);
    table->l2_f32(query, rows, dim, ROWS, l2s);
    scalar->dot_f32(query, rows, dim, ROWS, scalar_dots);
    scalar->l2_f32(query, rows, dim, ROWS, scalar_l2s);
    CHECK(memcmp(dots, scalar_dots, sizeof dots) == 0);
    CHECK(memcmp(l2s, scalar_l2s, sizeof l2s) == 0);
    for (size_t r = 0; r < ROWS; r++) {
        double dot = 0.0, l2 = 0.0, magnitude = 0.0;
        for (size_t j = 0; j < dim; j++) {
            double q = (double)query[j], x = (double)rows[r * dim + j];
            dot += q * x;
            l2 += (q - x) * (q - x);
            magnitude += fabs(q * x);
        }
        double bound = 1e-6 * ((double)dim / 16 + 8);
        CHECK_NEAR(dots[r], dot, bound * magnitude);
        CHECK_NEAR(l2s[r], l2, bound * l2);
    }
}

static void case_f32(void)
{
    for (size_t i = 0; i < sizeof f32_space / sizeof f32_space[0]; i++) {
        f32_space[i] = random_f32();
    }
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        for (size_t i = 0; i < DIM_COUNT; i++) {
            size_t dim = dim_at(i);
            const float *query = f32_space + i % 3;
            check_f32(*table, query, query + dim + i % 2, dim);
        }
    }
}

// The order of accumulation is part of the contract: a case where any other order gives another
// result.
static void case_f32_order(void)
{
    float query[33], row[33];
    for (size_t j = 0; j < 33; j++) {
        query[j] = 1.0f;
        row[j] = 1.0f;
    }
    row[0] = 16777216.0f; // 2^24: adding 1 is lost
    // lane 0: 2^24 + row[16] + row[32] = 2^24; others 2; pairs: lane 0 + 2 = 2^24 + 2, the rest
    // sums up exactly to 28
    float expected = 16777216.0f + 2.0f + 4.0f + 8.0f + 16.0f, got;
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        (*table)->dot_f32(query, row, 33, 1, &got);
        CHECK_INT(got, expected);
    }
}

static void case_f32_specials(void)
{
    float query[20] = {0}, row[20] = {0}, got;
    query[19] = 1.0f;
    row[19] = INFINITY;
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        (*table)->dot_f32(query, row, 20, 1, &got);
        CHECK(isinf(got) && got > 0.0f);
        (*table)->dot_f32(row, query, 19, 1, &got);
        CHECK(got == 0.0f && !signbit(got));
        row[3] = NAN;
        (*table)->l2_f32(query, row, 20, 1, &got);
        CHECK(isnan(got));
        row[3] = 0.0f;
    }
}

static int32_t exact_dot(const int8_t *query, const int8_t *row, size_t dim)
{
    int32_t sum = 0;
    for (size_t j = 0; j < dim; j++) {
        sum += query[j] * row[j];
    }
    return sum;
}

static void check_i8(const struct vs_kernels *table,
                     const int8_t *query,
                     const int8_t *rows,
                     size_t dim,
                     size_t stride)
{
    static const uint32_t index[ROWS] = {3, 0, 6, 6, 1, 5, 2};
    int32_t dots[ROWS], picked[ROWS];
    table->dot_i8(query, rows, dim, stride, ROWS, dots);
    table->dot_i8_rows(query, rows, dim, stride, index, ROWS, picked);
    for (size_t r = 0; r < ROWS; r++) {
        CHECK_INT(dots[r], exact_dot(query, rows + r * stride, dim));
        CHECK_INT(picked[r], exact_dot(query, rows + index[r] * stride, dim));
    }
}

static void case_i8(void)
{
    for (int extreme = 0; extreme < 2; extreme++) {
        for (size_t i = 0; i < sizeof i8_space; i++) {
            i8_space[i] = (int8_t)(extreme ? (next_random() & 1 ? 127 : -127)
                                           : (int)(next_random() % 255) - 127);
        }
        for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
            for (size_t i = 0; i < DIM_COUNT; i++) {
                size_t dim = dim_at(i);
                check_i8(*table, i8_space + i % 7, i8_space + dim + i % 5 + 7, dim, dim + i % 6);
            }
        }
    }
}

#define BLOCKS 5

static void check_pq4(const struct vs_kernels *table,
                      const uint8_t *codes,
                      const uint8_t *lut,
                      size_t m)
{
    uint16_t sums[32 * BLOCKS], expected[32 * BLOCKS];
    table->pq4_scan(codes, BLOCKS, m, lut, sums);
    for (size_t b = 0; b < BLOCKS; b++) {
        for (size_t v = 0; v < 32; v++) {
            unsigned sum = 0;
            for (size_t s = 0; s < m; s++) {
                uint8_t byte = codes[(b * m + s) * 16 + v % 16];
                sum += lut[16 * s + (v < 16 ? byte & 15u : byte >> 4)];
            }
            expected[32 * b + v] = (uint16_t)sum;
            CHECK_INT(sums[32 * b + v], sum);
        }
    }
    static const uint32_t lane_mask[BLOCKS] = {UINT32_MAX, 0, 0x80000001u, 0x0f0f00ffu, 1u << 16};
    for (unsigned step = 0; step < 6; step++) {
        uint16_t threshold = step == 0   ? 0
                             : step == 5 ? 65535
                                         : expected[next_random() % (32 * BLOCKS)];
        uint32_t index[32 * BLOCKS];
        uint16_t found[32 * BLOCKS];
        const uint32_t *mask = step % 2 != 0 ? lane_mask : NULL;
        size_t count = table->pq4_select(codes, BLOCKS, m, lut, threshold, mask, index, found),
               at = 0;
        for (uint32_t v = 0; v < 32 * BLOCKS; v++) {
            if (expected[v] >= threshold && (mask == NULL || (mask[v / 32] >> (v % 32) & 1) != 0)) {
                CHECK(at < count && index[at] == v && found[at] == expected[v]);
                at++;
            }
        }
        CHECK_INT(count, at);
    }
}

static void case_pq4(void)
{
    static uint8_t codes[BLOCKS * 16 * 256 + 16], lut[16 * 256 + 16];
    for (int extreme = 0; extreme < 2; extreme++) {
        for (size_t i = 0; i < sizeof codes; i++) {
            codes[i] = (uint8_t)next_random();
        }
        for (size_t i = 0; i < sizeof lut; i++) {
            lut[i] = extreme ? 255 : (uint8_t)next_random();
        }
        for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
            for (size_t m = 2; m <= 256; m += m < 100 ? 2 : 26) {
                check_pq4(*table, codes + m % 7, lut + m % 5, m);
            }
        }
    }
}

static void check_encode(const struct vs_kernels *table, size_t m, size_t sub_dim)
{
    const float *y = f32_space + 1, *lanes = f32_space + 1 + m * sub_dim;
    uint8_t codes[64];
    table->pq4_encode(y, lanes, m, sub_dim, codes);
    for (size_t s = 0; s < m; s++) {
        float best = 0.0f;
        unsigned best_code = 0;
        for (unsigned c = 0; c < 16; c++) {
            float sum = 0.0f;
            for (size_t j = 0; j < sub_dim; j++) {
                float diff = y[s * sub_dim + j] - lanes[(s * sub_dim + j) * 16 + c];
                sum += diff * diff;
            }
            if (c == 0 || sum < best) {
                best = sum;
                best_code = c;
            }
        }
        CHECK_INT(codes[s], best_code);
    }
}

static void case_pq4_encode(void)
{
    for (size_t i = 0; i < sizeof f32_space / sizeof f32_space[0]; i++) {
        f32_space[i] = (float)(next_random() % 8); // many ties
    }
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        for (size_t sub_dim = 1; sub_dim <= 20; sub_dim++) {
            check_encode(*table, 64, sub_dim);
        }
        float nan[1] = {NAN}, lanes[16] = {0};
        uint8_t code = 99;
        (*table)->pq4_encode(nan, lanes, 1, 1, &code);
        CHECK_INT(code, 0);
    }
}

static void case_dispatch(void)
{
    const struct vs_kernels *const *all = vs_kernels_all();
    size_t count = 0;
    while (all[count] != NULL) {
        CHECK(vs_kernels_find(all[count]->name) == all[count]);
        count++;
    }
    REQUIRE(count >= 1);
    CHECK_TEXT(all[count - 1]->name, "scalar");
    CHECK_INT(vs_kernels_find("avx2") != NULL, vs_cpu_get()->avx2);
    CHECK(vs_kernels_find("mmx") == NULL);
    CHECK(vs_kernels_find(NULL) == NULL);
    const char *wish = getenv("VS_SIMD");
    const struct vs_kernels *expected = wish != NULL ? vs_kernels_find(wish) : NULL;
    CHECK(vs_kernels_get() == (expected != NULL ? expected : all[0]));
}

TEST_MAIN(TEST(case_f32),
          TEST(case_f32_order),
          TEST(case_f32_specials),
          TEST(case_i8),
          TEST(case_pq4),
          TEST(case_pq4_encode),
          TEST(case_dispatch))
