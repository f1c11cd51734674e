// SPDX-License-Identifier: Apache-2.0
// Lists ranked for a batch are those that a single query ranks, with the same keys.
#include "index/batch_rank.h"
#include "index/topk.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>
#include <string.h>

#define QUERIES 11
#define DIM 40

static uint64_t state = 3;

static float random_f32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(uint32_t)(state >> 33) / 1073741824.0 - 1.0);
}

static void fill(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = random_f32();
    }
}

// Super-clusters of 32 lists; nothing is trained, which ranking does not mind.
static bool make_codebook(struct vs_codebook *codebook,
                          const struct vs_env *env,
                          uint32_t lists,
                          enum vs_metric metric)
{
    struct vs_error err;
    *codebook = (struct vs_codebook){.dim = DIM,
                                     .proj_dim = 36,
                                     .m = 18,
                                     .sub_dim = 2,
                                     .list_count = lists,
                                     .super_count = lists / 32,
                                     .metric = metric};
    if (vs_codebook_init(codebook, env, &err) != VS_OK) {
        return false;
    }
    fill(codebook->projection, (size_t)codebook->proj_dim * DIM);
    fill(codebook->projection_bias, codebook->proj_dim);
    fill(codebook->super_centroids, (size_t)codebook->super_count * codebook->proj_dim);
    fill(codebook->centroids, (size_t)lists * codebook->proj_dim);
    fill(codebook->pq, 16 * (size_t)codebook->proj_dim);
    for (uint32_t s = 0; s <= codebook->super_count; s++) {
        codebook->super_first[s] = s < codebook->super_count ? 32 * s : lists;
    }
    return vs_codebook_finish(codebook, &err) == VS_OK;
}

struct rooms {
    struct vs_scratch_block block;
    struct vs_coarse single, batch;
    uint16_t *sums, *spare;
};

static bool make_rooms(struct rooms *rooms,
                       const struct vs_env *env,
                       const struct vs_codebook *codebook)
{
    struct vs_error err;
    size_t room = vs_batch_rank_room(codebook), bytes = 2 * vs_coarse_bytes(codebook) +
                                                        VS_SCRATCH_ROUND(QUERIES * room, 2) +
                                                        VS_SCRATCH_ROUND(VS_SUMS_SPARE, 2);
    if (vs_scratch_reset(env, &rooms->block, bytes, &err) != VS_OK) {
        return false;
    }
    vs_coarse_init(&rooms->single, codebook, &rooms->block);
    vs_coarse_init(&rooms->batch, codebook, &rooms->block);
    rooms->sums = vs_scratch_take(&rooms->block, QUERIES * room, 2);
    rooms->spare = vs_scratch_take(&rooms->block, VS_SUMS_SPARE, 2);
    return true;
}

static void check_ranks(struct rooms *rooms,
                        const struct vs_codebook *codebook,
                        const float *vector,
                        const uint16_t *sums,
                        size_t want)
{
    float y[64], y_lists[64];
    size_t keep = vs_batch_rank_keep(codebook, want);
    vs_coarse_project(&rooms->single, codebook, vector, y, y_lists);
    size_t count = vs_coarse_rank(&rooms->single, codebook, want);
    memcpy(rooms->batch.y8, rooms->single.y8, codebook->proj_dim);
    rooms->batch.y_scale = rooms->single.y_scale;
    rooms->batch.scored = 0;
    CHECK_INT(vs_batch_rank(&rooms->batch, codebook, sums, keep, want, rooms->spare), count);
    CHECK(memcmp(rooms->batch.ids, rooms->single.ids, 4 * count) == 0);
    CHECK(memcmp(rooms->batch.keys, rooms->single.keys, 4 * count) == 0);
    CHECK_INT(rooms->batch.scored, rooms->single.scored);
}

static void check_codebook(uint32_t lists, enum vs_metric metric)
{
    static const size_t wants[] = {1, 40, 150};
    struct test_env test;
    struct vs_codebook codebook;
    struct rooms rooms = {0};
    float vectors[QUERIES][DIM], y[64], y_lists[64];
    uint8_t tables[QUERIES][16 * 18];
    const uint8_t *luts[QUERIES];
    uint16_t *sums[QUERIES];
    test_env_init(&test);
    REQUIRE(make_codebook(&codebook, &test.env, lists, metric));
    REQUIRE(make_rooms(&rooms, &test.env, &codebook));
    for (size_t q = 0; q < QUERIES; q++) {
        fill(vectors[q], DIM);
        vs_coarse_project(&rooms.single, &codebook, vectors[q], y, y_lists);
        memcpy(tables[q], rooms.single.table, sizeof tables[q]);
        luts[q] = tables[q];
        sums[q] = rooms.sums + q * vs_batch_rank_room(&codebook);
    }
    const struct vs_pq4_many many = {codebook.centroid_codes->codes, lists, codebook.m, luts,
                                     QUERIES};
    vs_kernels_get()->pq4_sums_many(&many, sums);
    for (size_t q = 0; q < QUERIES; q++) {
        for (size_t w = 0; w < sizeof wants / sizeof wants[0]; w++) {
            check_ranks(&rooms, &codebook, vectors[q], sums[q], wants[w]);
        }
    }
    vs_free_aligned(&test.env, rooms.block.memory);
    vs_codebook_clear(&codebook);
    CHECK_INT(test.live, 0);
}

static void ranks_are_those_of_single_queries(void)
{
    for (int metric = 0; metric < 3; metric++) {
        check_codebook(640, (enum vs_metric)metric);
        check_codebook(3003, (enum vs_metric)metric);
    }
}

static void other_ways_of_ranking_are_left_alone(void)
{
    struct vs_codebook codebook = {.list_count = 512};
    CHECK_INT(vs_batch_rank_keep(&codebook, 1), 0); // int8 at once
    codebook.list_count = 1000;
    CHECK_INT(vs_batch_rank_keep(&codebook, 40), 98);
    CHECK_INT(vs_batch_rank_keep(&codebook, 400), 0); // most of them
    codebook.open_lists = 500;
    CHECK_INT(vs_batch_rank_keep(&codebook, 40), 0); // some super-clusters
    codebook.open_lists = 0;
    codebook.list_count = 40000;
    CHECK_INT(vs_batch_rank_keep(&codebook, 40), 0);
}

TEST_MAIN(TEST(ranks_are_those_of_single_queries), TEST(other_ways_of_ranking_are_left_alone))
