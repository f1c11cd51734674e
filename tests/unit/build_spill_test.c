// SPDX-License-Identifier: Apache-2.0
// Builds in little memory: encoded vectors go through a spill file, and not a byte changes.
#include "index/index_build.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "tests/support/train_floats.h"
#include "vecstore/base/crc32c.h"

#include <dirent.h>
#include <stdlib.h>

#define ROWS 12000
#define LISTS 120

static bool logged_spill;

static void take_log(
    void *ctx, enum vs_log_level level, const char *subject, const char *event, const char *text)
{
    (void)ctx;
    (void)level;
    (void)subject;
    (void)text;
    logged_spill = logged_spill || strcmp(event, "build_spills") == 0;
}

static struct fixture make(void)
{
    struct fixture f = {.row_count = ROWS,
                        .dim = 48,
                        .cluster_count = 100,
                        .metric = VS_METRIC_COSINE,
                        .null_every = 11,
                        .spread = 0.4F,
                        .seed = 5,
                        .values = true};
    fixture_make(&f, 4);
    return f;
}

static bool train(struct fixture *f, struct vs_codebook *codebook)
{
    struct vs_error err;
    struct vs_train_params params = {.dim = (uint32_t)f->dim,
                                     .metric = VS_METRIC_L2, // rows as they are
                                     .list_count = LISTS,
                                     .row_count = f->row_count,
                                     .seed = 4,
                                     .thread_count = 1};
    vs_train_defaults(&params);
    f->metric = VS_METRIC_L2;
    enum vs_status status =
        train_floats(vs_env_default(), &params, f->vectors, f->row_count, codebook, &err);
    CHECK_OK(status, err);
    return status == VS_OK;
}

static uint32_t build_crc(struct fixture *f, const struct fixture_build *build, bool *spilled_out)
{
    struct test_env test;
    struct vs_error err;
    struct vs_buf bytes;
    struct vs_index_build_result result;
    test_env_init(&test);
    test.now_ms = 1700000000000;
    test.env.log = take_log;
    test.env.log_level = VS_LOG_INFO;
    logged_spill = false;
    enum vs_status status = fixture_build_index(&test.env, f, build, &bytes, &result, &err);
    CHECK_OK(status, err);
    uint32_t crc = vs_crc32c(0, bytes.data, bytes.len);
    vs_buf_clear(&bytes);
    CHECK_INT(test.live, 0);
    *spilled_out = logged_spill;
    return status == VS_OK ? crc : 0;
}

static size_t files_in(const char *directory)
{
    size_t count = 0;
    DIR *dir = opendir(directory);
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL;
         entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

static void spilling_changes_no_byte(void)
{
    static const uint64_t limits[] = {(uint64_t)1 << 30, 9 << 19, 9 << 19, 4 << 20};
    struct fixture f = make();
    struct vs_codebook codebook;
    char directory[256];
    test_dir_make(directory, sizeof directory);
    REQUIRE(train(&f, &codebook));
    for (int second = 0; second < 2; second++) {
        uint32_t first = 0;
        size_t spilled_count = 0;
        for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
            bool spilled = false;
            struct fixture_build build = {.small_rows = 300,
                                          .no_exact_rows = true,
                                          .second_assignment =
                                              second ? VS_SECOND_ON : VS_SECOND_OFF,
                                          .memory_bytes = limits[i],
                                          .thread_count = i % 2 + 1,
                                          .spill_dir = directory,
                                          .codebook = &codebook};
            uint32_t crc = build_crc(&f, &build, &spilled);
            first = i == 0 ? crc : first;
            CHECK(crc != 0 && crc == first);
            spilled_count += spilled;
        }
        CHECK(spilled_count >= 1);
    }
    CHECK_INT(files_in(directory), 0);
    test_dir_remove(directory);
    vs_codebook_clear(&codebook);
    fixture_free(&f);
}

static void refuse(struct fixture *f, const struct fixture_build *build, const char *word)
{
    struct test_env test;
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_index_build_result result;
    test_env_init(&test);
    CHECK(fixture_build_index(&test.env, f, build, &bytes, &result, &err) != VS_OK);
    if (strstr(err.message, word) == NULL) {
        fprintf(stderr, "    message: %s\n", err.message);
    }
    CHECK(strstr(err.message, word) != NULL);
    vs_buf_clear(&bytes);
    CHECK_INT(test.live, 0);
}

static void too_little_memory_and_bad_directories_are_refused(void)
{
    struct fixture f = make();
    struct vs_codebook codebook;
    REQUIRE(train(&f, &codebook));
    struct fixture_build build = {.small_rows = 300,
                                  .no_exact_rows = true,
                                  .second_assignment = VS_SECOND_ON,
                                  .memory_bytes = 3 << 20,
                                  .codebook = &codebook};
    refuse(&f, &build, "--memory");
    build.memory_bytes = 9 << 19;
    build.spill_dir = "/nonexistent/directory";
    refuse(&f, &build, "/nonexistent/directory");
    vs_codebook_clear(&codebook);
    fixture_free(&f);
}

TEST_MAIN(TEST(spilling_changes_no_byte), TEST(too_little_memory_and_bad_directories_are_refused))
