// SPDX-License-Identifier: Apache-2.0
// What scans of one list for many queries need, of every table that runs here: sums against the
// definition of the codes, and choosing among sums against plain loops.
#include "simd/kernels.h"
#include "tests/support/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES 160
#define MOST_M 256
#define QUERIES 9
#define SUMS 9000

static uint64_t state = 7;

static uint32_t next_random(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static uint8_t pair[ENTRIES / 32 * 16 * MOST_M];
static _Alignas(64) uint8_t arranged[ENTRIES / 16 * 64 * MOST_M / 8];
static uint8_t lut_space[QUERIES][16 * MOST_M];
static uint16_t sum_space[QUERIES][ENTRIES + 32];

// The pair layout, as docs/format/index-v1.md has it.
static unsigned code_of(size_t m, size_t entry, size_t s)
{
    uint8_t byte = pair[entry / 32 * 16 * m + 16 * s + entry % 16];
    return entry % 32 < 16 ? byte & 15 : byte >> 4;
}

static void check_sums(const struct vs_kernels *table, size_t count, size_t m, size_t queries)
{
    const uint8_t *luts[QUERIES];
    uint16_t *sums[QUERIES];
    size_t room = (count + table->pq4_lanes - 1) / table->pq4_lanes * table->pq4_lanes;
    for (size_t q = 0; q < QUERIES; q++) {
        luts[q] = lut_space[(q * 5) % QUERIES];
        sums[q] = sum_space[q];
    }
    memset(sum_space, 0xab, sizeof sum_space);
    table->pq4_arrange(pair, count, m, arranged);
    const struct vs_pq4_many many = {arranged, count, m, luts, queries};
    table->pq4_sums_many(&many, sums);
    for (size_t q = 0; q < QUERIES; q++) {
        for (size_t i = 0; i < ENTRIES + 32; i++) {
            unsigned want = q < queries && i < room ? 0 : 0xabab;
            for (size_t s = 0; q < queries && i < count && s < m; s++) {
                want += luts[q][16 * s + code_of(m, i, s)];
            }
            if (sums[q][i] != want) {
                printf("%s: m %zu, entry %zu of %zu, query %zu of %zu\n", table->name, m, i, count,
                       q, queries);
                CHECK_INT(sums[q][i], want);
                return;
            }
        }
    }
}

static void sums_of_many_queries_follow_the_definition(void)
{
    static const size_t ms[] = {2, 4, 6, 8, 10, 14, 16, 18, 30, 96, 130, 192, 256};
    static const size_t counts[] = {0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65, 100, 160};
    for (size_t i = 0; i < sizeof pair; i++) {
        pair[i] = (uint8_t)next_random();
    }
    for (size_t i = 0; i < sizeof lut_space; i++) {
        (&lut_space[0][0])[i] = (uint8_t)(next_random() % 8 == 0 ? 255 : next_random());
    }
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++) {
            for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
                check_sums(*table, counts[c], ms[i], (i + c) % (QUERIES + 1));
            }
        }
        for (size_t queries = 0; queries <= QUERIES; queries++) {
            check_sums(*table, 75, 96, queries);
        }
    }
}

static uint16_t values[SUMS + 16], spare[VS_SUMS_SPARE];

static size_t count_reaching(size_t count, uint16_t least)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += values[i] >= least;
    }
    return n;
}

static void check_bound(const struct vs_kernels *table, size_t count, size_t keep, size_t most)
{
    uint16_t bound = table->sums_bound(values, count, keep, spare);
    size_t reach = count_reaching(count, bound);
    CHECK_INT(bound, vs_kernels_find("scalar")->sums_bound(values, count, keep, spare));
    if (keep > count) {
        CHECK_INT(bound, 0);
    } else if (reach < keep || reach > most) {
        printf("%s: %zu of %zu reach the bound for %zu\n", table->name, reach, count, keep);
        CHECK(false);
    }
}

static void bounds_are_reached_by_enough_and_few_more(void)
{
    static const size_t counts[] = {1, 15, 16, 40, 700, 1024, 1025, 3130, 8288, SUMS};
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            for (size_t i = 0; i < SUMS; i++) {
                values[i] = (uint16_t)next_random();
            }
            static const size_t keeps[] = {1, 10, 139, 160, 256, 257, 1000, 2048, 2049, 20000};
            for (size_t k = 0; k < sizeof keeps / sizeof keeps[0]; k++) {
                check_bound(*table, counts[c], keeps[k], keeps[k] + keeps[k] / 2 + 8);
            }
            check_bound(*table, counts[c], 0, counts[c]);
            check_bound(*table, counts[c], counts[c], counts[c]);
        }
        static const uint16_t same[] = {0, 1, 0x7fff, 0x8000, 0xffff};
        for (size_t v = 0; v < sizeof same / sizeof same[0]; v++) { // ties: all of them
            for (size_t i = 0; i < SUMS; i++) {
                values[i] = same[v];
            }
            check_bound(*table, SUMS, 100, SUMS);
            CHECK_INT((*table)->sums_bound(values, SUMS, 100, spare), same[v]);
        }
    }
}

static void check_keep(const struct vs_kernels *table, size_t count, uint16_t least)
{
    static uint32_t sums[SUMS + 32], places[SUMS + 32];
    size_t found = table->sums_keep(values, count, least, 5000, sums, places), n = 0;
    CHECK_INT(found, count_reaching(count, least));
    for (size_t i = 0; i < count && n < found; i++) {
        if (values[i] >= least) {
            CHECK_INT(sums[n], values[i]);
            CHECK_INT(places[n], 5000 + i);
            n++;
        }
    }
}

static void kept_are_those_that_reach_the_bound_in_their_order(void)
{
    static const uint16_t leasts[] = {0, 1, 300, 0x7fff, 0x8000, 64000, 0xffff};
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        for (size_t i = 0; i < SUMS; i++) { // small ones, large ones and the bounds themselves
            uint32_t r = next_random();
            values[i] = (uint16_t)(r % 5 == 0 ? leasts[r / 5 % 7] : r >> r % 3 * 4);
        }
        for (size_t l = 0; l < sizeof leasts / sizeof leasts[0]; l++) {
            for (size_t count = 0; count < 70; count++) {
                check_keep(*table, count, leasts[l]);
            }
            check_keep(*table, SUMS, leasts[l]);
        }
    }
}

TEST_MAIN(TEST(sums_of_many_queries_follow_the_definition),
          TEST(bounds_are_reached_by_enough_and_few_more),
          TEST(kept_are_those_that_reach_the_bound_in_their_order))
