// SPDX-License-Identifier: Apache-2.0
/*
 * Recall against exact answers: generated clustered tables with fixed seeds, and real embeddings
 * where the data folder is present.
 */
#include "index/index.h"
#include "index/recall_curve.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"

#include <stdlib.h>

#define K 10

struct world {
    struct fixture fixture;
    struct vs_buf bytes;
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
};

static bool world_make(struct world *w,
                       size_t dim,
                       enum vs_metric metric,
                       float spread,
                       size_t clusters,
                       bool stored,
                       struct vs_error *err)
{
    const struct fixture_build build = {
        .small_rows = 1000, .no_exact_rows = !stored, .half_rows = stored};
    const struct vs_env *env = vs_env_default();
    struct vs_index_build_result result;
    w->fixture = (struct fixture){.row_count = 30000,
                                  .dim = dim,
                                  .cluster_count = clusters,
                                  .metric = metric,
                                  .spread = spread,
                                  .seed = 21 + dim};
    fixture_make(&w->fixture, 300);
    return fixture_build_index(env, &w->fixture, &build, &w->bytes, &result, err) == VS_OK &&
           vs_file_open_bytes(env, vs_buf_view(&w->bytes), "recall.puffin", &w->file, err) ==
               VS_OK &&
           vs_index_open(env, w->file, NULL, &w->index, err) == VS_OK &&
           vs_index_scratch_new(env, &w->scratch, err) == VS_OK;
}

static void world_free(struct world *w)
{
    vs_index_scratch_free(w->scratch);
    vs_index_close(w->index);
    vs_file_close(w->file);
    vs_buf_clear(&w->bytes);
    fixture_free(&w->fixture);
}

// Mean recall@K of the world's queries under a mask (bits NULL: none). A hit as good as the K-th
// exact one counts (equal scores).
static double recall_of(struct world *w, const uint64_t *bits, float target)
{
    struct vs_error err;
    struct vs_index_mask *mask = NULL;
    size_t found = 0, wanted = 0;
    if (bits != NULL && vs_index_mask_make(w->index, 0, 0, bits, &mask, &err) != VS_OK) {
        return -1.0;
    }
    for (size_t q = 0; q < w->fixture.query_count; q++) {
        uint32_t exact[K];
        struct vs_index_hit hits[K];
        struct vs_index_query query = {.vector = w->fixture.queries + q * w->fixture.dim,
                                       .k = K,
                                       .recall_target = target,
                                       .mask = mask};
        size_t count = 0, expected = fixture_exact(&w->fixture, query.vector, bits, K, exact);
        if (vs_index_search(w->index, &query, w->scratch, hits, &count, NULL, &err) != VS_OK ||
            count != expected) {
            vs_index_mask_free(mask);
            return -1.0;
        }
        wanted += expected;
        for (size_t i = 0; i < count; i++) {
            found += fixture_score(&w->fixture, query.vector, hits[i].row) >=
                     fixture_score(&w->fixture, query.vector, exact[expected - 1]);
        }
    }
    vs_index_mask_free(mask);
    return wanted > 0 ? (double)found / (double)wanted : 1.0;
}

// Whether a search for this recall reads vectors.
static bool rescores_at(const struct world *w, float target)
{
    const struct vs_index_column *column = &vs_index_info(w->index)->columns[0];
    uint64_t entries = 0;
    uint32_t *sizes = calloc(column->list_count, sizeof *sizes);
    bool known = vs_index_list_sizes(w->index, 0, 0, sizes, NULL) == VS_OK;
    for (uint32_t i = 0; known && i < column->list_count; i++) {
        entries += sizes[i];
    }
    free(sizes);
    return known && vs_recall_choose(column, entries, K, target).rescore;
}

// stored: with float vectors, which a search may score the last few from.
static void reaches_target(size_t dim, enum vs_metric metric, bool stored)
{
    struct vs_error err = {0};
    struct world w = {0};
    bool made = world_make(&w, dim, metric, 0.5F, 300, stored, &err);
    if (!made) {
        fprintf(stderr, "    %s\n", err.message);
    }
    REQUIRE(made);
    double at_default = recall_of(&w, NULL, 0.0F), at_99 = recall_of(&w, NULL, 0.99F);
    printf("    dim %zu, metric %s%s: recall@10 %.4f at the default target, %.4f at 0.99\n", dim,
           vs_metric_name(metric), stored ? ", vectors stored" : "", at_default, at_99);
    if (stored) { // then 0.99 is had by re-scoring
        CHECK(rescores_at(&w, 0.99F));
        CHECK(at_99 >= 0.98);
    }
    // The build's own queries are the harder half of rows and rows with noise: 1,000 queries gave
    // 0.963 and more in every case. By int8 rows alone 0.99 is out of reach here, where the rows of
    // a cluster lie at random (0.967 to 0.986 with all lists): the most thorough settings are used.
    CHECK(at_default >= 0.95);
    CHECK(at_99 >= 0.96);
    world_free(&w);
}

static void cosine_64(void)
{
    reaches_target(64, VS_METRIC_COSINE, false);
}

static void ip_128(void)
{
    reaches_target(128, VS_METRIC_IP, false);
}

static void cosine_64_stored(void)
{
    reaches_target(64, VS_METRIC_COSINE, true);
}

static void l2_64_stored(void)
{
    reaches_target(64, VS_METRIC_L2, true);
}

static void l2_128(void)
{
    reaches_target(128, VS_METRIC_L2, false);
}

// Filters that have nothing to do with the vectors, and such that keep only whole far-away
// clusters.
static void masks_do_not_lower_recall(void)
{
    static const uint32_t per_mille[] = {900, 500, 100, 10, 1};
    struct vs_error err = {0};
    struct world w = {0};
    REQUIRE(world_make(&w, 64, VS_METRIC_COSINE, 0.5F, 300, true, &err));
    double without = recall_of(&w, NULL, 0.0F);
    uint64_t *bits = calloc(w.fixture.row_count / 64 + 1, sizeof *bits);
    for (size_t s = 0; s < sizeof per_mille / sizeof *per_mille; s++) {
        memset(bits, 0, (w.fixture.row_count / 64 + 1) * sizeof *bits);
        for (size_t row = 0; row < w.fixture.row_count; row++) {
            if ((row * 2654435761u >> 7) % 1000 < per_mille[s]) {
                bits[row / 64] |= (uint64_t)1 << (row % 64);
            }
        }
        double masked = recall_of(&w, bits, 0.0F);
        printf("    %.1f %% of the rows: recall@10 %.4f, without a filter %.4f\n",
               per_mille[s] / 10.0, masked, without);
        CHECK(masked >= without - 0.01);
    }
    for (size_t row = 0; row < w.fixture.row_count;
         row++) { // half of the space: the side away from the first query
        double score = fixture_score(&w.fixture, w.fixture.queries, row);
        bits[row / 64] &= ~((uint64_t)1 << (row % 64));
        bits[row / 64] |= (uint64_t)(score < 0.0) << (row % 64);
    }
    double far = recall_of(&w, bits, 0.0F);
    printf("    the half away from a query: recall@10 %.4f\n", far);
    CHECK(far >= 0.9);
    memset(bits, 0, (w.fixture.row_count / 64 + 1) * sizeof *bits);
    CHECK(recall_of(&w, bits, 0.0F) == 1.0); // nothing allowed, nothing found
    bits[3] = 0x15;
    CHECK(recall_of(&w, bits, 0.0F) == 1.0); // three rows allowed, three found
    free(bits);
    world_free(&w);
}

static void equal_vectors_fill_every_answer(void)
{
    static struct vs_index_hit hits[3000];
    struct vs_error err = {0};
    struct world w = {0};
    REQUIRE(world_make(&w, 64, VS_METRIC_L2, 0.0F, 1, true, &err));
    static const size_t ks[] = {1, 10, 3000};
    for (size_t i = 0; i < 3; i++) {
        struct vs_index_query query = {.vector = w.fixture.queries, .k = ks[i], .rescore = true};
        size_t count = 0;
        CHECK_OK(vs_index_search(w.index, &query, w.scratch, hits, &count, NULL, &err), err);
        CHECK_INT(count, ks[i]);
        CHECK_NEAR(hits[0].score, 0.0, 1e-4);
    }
    world_free(&w);
}

// ---- real embeddings ----

static float *read_floats(const char *path, size_t *count_out)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        return NULL;
    }
    fseek(stream, 0, SEEK_END);
    long size = ftell(stream);
    fseek(stream, 0, SEEK_SET);
    float *values = malloc((size_t)size + 1);
    *count_out = fread(values, sizeof(float), (size_t)size / sizeof(float), stream);
    fclose(stream);
    return values;
}

// bench/prepare.py turns the Parquet files into raw floats; the set is small, so lists are forced.
static void real_text_768(void)
{
    const char *python = test_python();
    char directory[256], path[512];
    FILE *base = fopen("../shared/data/bge768.parquet", "rb");
    if (base == NULL) {
        SKIP("../shared/data/bge768.parquet is not there");
    }
    fclose(base);
    if (python == NULL) {
        SKIP("no Python to read bge768.parquet");
    }
    test_dir_make(directory, sizeof directory);
    char program[512], script[] = "bench/prepare.py", set[300];
    char base_file[] = "../shared/data/bge768.parquet",
         query_file[] = "../shared/data/bge768_queries.parquet";
    snprintf(program, sizeof program, "%s", python);
    snprintf(set, sizeof set, "%s/set", directory);
    char *const arguments[] = {program, script, base_file, query_file, set, NULL};
    if (test_run_program(arguments) != 0) {
        test_dir_remove(directory);
        SKIP("bench/prepare.py does not run here (pyarrow, numpy)");
    }
    struct vs_error err = {0};
    struct world w = {0};
    size_t base_count = 0, query_count = 0;
    snprintf(path, sizeof path, "%s/set.base.f32", directory);
    w.fixture = (struct fixture){
        .dim = 768, .metric = VS_METRIC_COSINE, .field_count = 1, .cluster_count = 1};
    fixture_make(&w.fixture, 0);
    free(w.fixture.vectors);
    free(w.fixture.queries);
    w.fixture.vectors = read_floats(path, &base_count);
    snprintf(path, sizeof path, "%s/set.queries.f32", directory);
    w.fixture.queries = read_floats(path, &query_count);
    test_dir_remove(directory);
    w.fixture.row_count = base_count / 768;
    w.fixture.query_count = query_count / 768;
    REQUIRE(w.fixture.row_count == 10344 && w.fixture.query_count == 500);
    const struct fixture_build build = {.small_rows = 1000};
    struct vs_index_build_result result;
    REQUIRE_OK(fixture_build_index(vs_env_default(), &w.fixture, &build, &w.bytes, &result, &err),
               err);
    REQUIRE_OK(vs_file_open_bytes(vs_env_default(), vs_buf_view(&w.bytes), "bge", &w.file, &err),
               err);
    REQUIRE_OK(vs_index_open(vs_env_default(), w.file, NULL, &w.index, &err), err);
    REQUIRE_OK(vs_index_scratch_new(vs_env_default(), &w.scratch, &err), err);
    double recall = recall_of(&w, NULL, 0.0F);
    printf("    bge768: recall@10 %.4f, the build measured %.4f\n", recall,
           (double)result.recall_at_10);
    CHECK(recall >= 0.95);
    world_free(&w);
}

TEST_MAIN(TEST(cosine_64),
          TEST(cosine_64_stored),
          TEST(ip_128),
          TEST(l2_64_stored),
          TEST(l2_128),
          TEST(masks_do_not_lower_recall),
          TEST(equal_vectors_fill_every_answer),
          TEST(real_text_768))
