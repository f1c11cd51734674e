// SPDX-License-Identifier: Apache-2.0
// Builds in steps: models, parts, and builds that are stopped and taken up again give the bytes of
// a build in one go.
#include "index/build_parts.h"
#include "index/index_build.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "tests/support/train_floats.h"
#include "vecstore/base/crc32c.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdlib.h>

static const struct fixture_build build_options = {
    .small_rows = 300, .list_count = 24, .no_exact_rows = true, .second_assignment = VS_SECOND_ON};

static struct fixture make(size_t rows)
{
    struct fixture f = {.row_count = rows,
                        .dim = 20,
                        .cluster_count = 12,
                        .metric = VS_METRIC_COSINE,
                        .null_every = 7,
                        .spread = 0.4F,
                        .seed = 11,
                        .values = true};
    fixture_make(&f, 8);
    return f;
}

// ---- models and parts ----

struct steps {
    struct fixture f;
    struct vs_buf model_bytes, parts[2];
    struct vs_index_model *model;
    struct vs_file *files[2];
};

static bool make_steps(struct steps *s, size_t rows)
{
    struct vs_error err;
    *s = (struct steps){.f = make(rows)};
    struct fixture_build build = build_options;
    enum vs_status status =
        fixture_train_model(vs_env_default(), &s->f, &build, &s->model_bytes, &err);
    CHECK_OK(status, err);
    if (status == VS_OK) {
        status = vs_index_model_decode(vs_env_default(), vs_buf_view(&s->model_bytes), "model",
                                       &s->model, &err);
        CHECK_OK(status, err);
    }
    build.model = s->model;
    for (size_t p = 0; p < 2 && status == VS_OK; p++) {
        status = fixture_encode_part(vs_env_default(), &s->f, &build, p, &s->parts[p], &err);
        CHECK_OK(status, err);
        if (status == VS_OK) {
            status = vs_file_open_bytes(vs_env_default(), vs_buf_view(&s->parts[p]), "part",
                                        &s->files[p], &err);
        }
    }
    return status == VS_OK;
}

static void free_steps(struct steps *s)
{
    vs_buf_clear(&s->model_bytes);
    for (size_t p = 0; p < 2; p++) {
        vs_file_close(s->files[p]);
        vs_buf_clear(&s->parts[p]);
    }
    vs_index_model_free(s->model);
    fixture_free(&s->f);
}

static uint32_t crc_of(struct fixture *f, const struct fixture_build *build)
{
    struct test_env test;
    struct vs_error err;
    struct vs_buf bytes;
    struct vs_index_build_result result;
    test_env_init(&test);
    test.now_ms = 1700000000000;
    enum vs_status status = fixture_build_index(&test.env, f, build, &bytes, &result, &err);
    CHECK_OK(status, err);
    uint32_t crc = vs_crc32c(0, bytes.data, bytes.len);
    vs_buf_clear(&bytes);
    CHECK_INT(test.live, 0);
    return status == VS_OK ? crc : 0;
}

static void parts_give_the_bytes_of_one_build(void)
{
    struct steps s;
    REQUIRE(make_steps(&s, 2000));
    struct fixture_build build = build_options;
    uint32_t in_one = crc_of(&s.f, &build); // trains by itself
    build.model = s.model;
    build.list_count = 3; // the model says otherwise
    uint32_t with_model = crc_of(&s.f, &build);
    struct vs_file *turned[2] = {s.files[1], s.files[0]};
    build.parts = turned;
    build.part_count = 2;
    uint32_t from_parts = crc_of(&s.f, &build);
    CHECK(in_one != 0 && in_one == with_model);
    CHECK(in_one == from_parts);
    free_steps(&s);
}

static void refuse(struct steps *s,
                   const struct fixture_build *build,
                   enum vs_status expected,
                   const char *word)
{
    struct test_env test;
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_index_build_result result;
    test_env_init(&test);
    CHECK_STATUS(fixture_build_index(&test.env, &s->f, build, &bytes, &result, &err), expected);
    if (strstr(err.message, word) == NULL) {
        fprintf(stderr, "    message: %s\n", err.message);
    }
    CHECK(strstr(err.message, word) != NULL);
    vs_buf_clear(&bytes);
    CHECK_INT(test.live, 0);
}

static void what_does_not_fit_is_refused(void)
{
    struct steps s, other;
    REQUIRE(make_steps(&s, 2000));
    REQUIRE(make_steps(&other, 2001));
    struct fixture_build build = build_options;
    build.model = s.model;
    build.parts = s.files;
    build.part_count = 1;
    refuse(&s, &build, VS_INVALID, "b.parquet"); // no part has it
    struct vs_file *twice[2] = {s.files[0], s.files[0]};
    build.parts = twice;
    build.part_count = 2;
    refuse(&s, &build, VS_CORRUPT, "twice");
    build.parts = other.files;
    refuse(&s, &build, VS_INVALID, "another model");
    build.model = other.model;
    refuse(&s, &build, VS_INVALID, "train again");
    struct vs_file *cut = NULL;
    struct vs_error err;
    struct vs_str bytes = vs_buf_view(&s.parts[1]);
    bytes.len -= VS_PART_BLOCK_SIZE;
    REQUIRE_OK(vs_file_open_bytes(vs_env_default(), bytes, "cut", &cut, &err), err);
    struct vs_file *unfinished[2] = {s.files[0], cut};
    build.model = s.model;
    build.parts = unfinished;
    refuse(&s, &build, VS_CORRUPT, "not finished");
    vs_file_close(cut);
    free_steps(&s);
    free_steps(&other);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void damage_is_found(void)
{
    struct steps s;
    struct vs_error err;
    uint64_t random = 99;
    REQUIRE(make_steps(&s, 700));
    for (int turn = 0; turn < 120; turn++) {
        struct vs_buf *target = turn % 2 == 0 ? &s.model_bytes : &s.parts[0];
        size_t at = next_random(&random) % target->len;
        uint8_t bit = (uint8_t)(1u << (next_random(&random) & 7));
        target->data[at] ^= bit;
        if (turn % 2 == 0) {
            struct vs_index_model *model = NULL;
            enum vs_status status =
                vs_index_model_decode(vs_env_default(), vs_buf_view(target), "model", &model, &err);
            // Padding and reserved bytes may be anything; the name of the model then differs.
            CHECK(status == VS_CORRUPT || status == VS_UNSUPPORTED || status == VS_OK);
            vs_index_model_free(model);
        } else {
            struct fixture_build build = build_options;
            struct vs_index_build_result result;
            struct vs_buf bytes;
            build.model = s.model;
            build.parts = s.files;
            build.part_count = 2;
            enum vs_status status =
                fixture_build_index(vs_env_default(), &s.f, &build, &bytes, &result, &err);
            CHECK(status == VS_CORRUPT || status == VS_UNSUPPORTED || status == VS_INVALID);
            vs_buf_clear(&bytes);
        }
        target->data[at] ^= bit;
    }
    free_steps(&s);
}

// Every third allocation; with VECSTORE_TORTURE_ALL every one.
static void failing_allocations_leave_nothing_behind(void)
{
    long stride = getenv("VECSTORE_TORTURE_ALL") != NULL ? 1 : 3;
    struct steps s;
    struct vs_error err;
    REQUIRE(make_steps(&s, 400));
    for (int step = 0; step < 3; step++) {
        for (long n = 0;; n += stride) {
            struct test_env test;
            struct vs_buf bytes;
            struct vs_index_build_result result;
            struct vs_index_model *model = NULL;
            struct fixture_build build = build_options;
            test_env_init(&test);
            test.fail_at = n;
            build.thread_count = 1;
            build.model = s.model;
            enum vs_status status;
            if (step == 0) {
                vs_buf_init(&bytes, &test.env, SIZE_MAX);
                status = vs_index_model_decode(&test.env, vs_buf_view(&s.model_bytes), "model",
                                               &model, &err);
                vs_index_model_free(model);
            } else if (step == 1) {
                status = fixture_encode_part(&test.env, &s.f, &build, 1, &bytes, &err);
            } else {
                build.parts = s.files;
                build.part_count = 2;
                status = fixture_build_index(&test.env, &s.f, &build, &bytes, &result, &err);
            }
            vs_buf_clear(&bytes);
            CHECK_INT(test.live, 0);
            if (!test.failed) {
                CHECK_OK(status, err);
                break;
            }
            CHECK(status == VS_NO_MEMORY || status == VS_OK || step == 0);
        }
    }
    free_steps(&s);
}

// ---- resuming ----

static atomic_bool stopped;
static long ticks_left;

// The clock is looked at for every batch: a place to stop at.
static int64_t tick(void *ctx)
{
    (void)ctx;
    if (--ticks_left == 0) {
        atomic_store(&stopped, true);
    }
    return 1;
}

static size_t files_in(const char *directory, char *name, size_t room)
{
    size_t count = 0;
    DIR *dir = opendir(directory);
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL;
         entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            count++;
            if (strstr(entry->d_name, ".vsp") != NULL) {
                snprintf(name, room, "%s/%s", directory, entry->d_name);
            }
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

// Cuts the log, or flips a bit of it.
static void damage_log(const char *directory, uint64_t *random)
{
    char path[600] = "";
    files_in(directory, path, sizeof path);
    FILE *stream = path[0] != '\0' ? fopen(path, "r+b") : NULL;
    if (stream == NULL) {
        return;
    }
    CHECK(fseek(stream, 0, SEEK_END) == 0);
    long size = ftell(stream);
    if (size > 0) {
        long at = (long)(next_random(random) % (uint64_t)size);
        CHECK(fseek(stream, at, SEEK_SET) == 0);
        int byte = fgetc(stream);
        CHECK(fseek(stream, at, SEEK_SET) == 0 && fputc(byte ^ 4, stream) != EOF);
    }
    fclose(stream);
}

// Runs a build again and again, each time a little longer, until it gets through.
static void stop_and_resume(
    struct fixture *f, const char *directory, uint64_t memory, bool damage, uint32_t expected)
{
    uint64_t random = 7;
    size_t stops = 0;
    char name[600];
    bool written = false; // once; then again as if the file had been lost
    struct vs_op op = {.cancelled = &stopped};
    for (long ticks = 2;; ticks += written ? 1000000 : 1) {
        struct test_env test;
        struct vs_error err;
        struct vs_buf bytes;
        struct vs_index_build_result result;
        struct fixture_build build = build_options;
        build.resume_dir = directory;
        build.spill_dir = directory;
        build.memory_bytes = memory;
        build.op = &op;
        build.thread_count = 1;
        test_env_init(&test);
        test.now_ms = 1700000000000;
        test.env.monotonic_ns = tick;
        atomic_store(&stopped, false);
        ticks_left = ticks;
        enum vs_status status = fixture_build_index(&test.env, f, &build, &bytes, &result, &err);
        uint32_t crc = vs_crc32c(0, bytes.data, bytes.len);
        vs_buf_clear(&bytes);
        CHECK_INT(test.live, 0);
        if (status == VS_OK) {
            CHECK(crc == expected);
            CHECK_INT(files_in(directory, name, sizeof name), 2); // the file may yet get lost
            if (!written) {
                written = true;
                continue;
            }
            CHECK(result.resumed_model);
            CHECK_INT(result.resumed_vectors, result.vector_count);
            vs_index_build_forget(&result);
            break;
        }
        CHECK_STATUS(status, VS_CANCELLED);
        stops++;
        if (damage) {
            damage_log(directory, &random);
        }
        REQUIRE(stops < 500);
    }
    CHECK(stops > 3);
    CHECK_INT(files_in(directory, name, sizeof name), 0);
}

static void stopped_builds_go_on(void)
{
    char directory[256];
    struct fixture f = make(9000);
    test_dir_make(directory, sizeof directory);
    struct fixture_build build = build_options;
    build.thread_count = 1;
    uint32_t expected = crc_of(&f, &build);
    stop_and_resume(&f, directory, 0, false, expected); // vectors kept in memory
    stop_and_resume(&f, directory, 0, true, expected);
    build.memory_bytes = 7 << 19; // spilled; the sample for training is smaller too
    build.spill_dir = directory;
    stop_and_resume(&f, directory, build.memory_bytes, false, crc_of(&f, &build));
    test_dir_remove(directory);
    fixture_free(&f);
}

// Where a codebook is given, its baseline stays, with and without a model file.
static void resumed_builds_keep_the_given_baseline(void)
{
    char directory[256];
    struct vs_error err;
    struct vs_codebook codebook;
    const struct vs_drift_baseline baseline = {4000, 0.25F, 0.75F, 1.5F};
    struct fixture f = make(2000);
    struct vs_train_params params = {
        .dim = (uint32_t)f.dim, .metric = f.metric, .list_count = 24, .row_count = f.row_count};
    REQUIRE_OK(train_floats(vs_env_default(), &params, f.vectors, f.row_count, &codebook, &err),
               err);
    struct fixture_build build = build_options;
    build.codebook = &codebook;
    build.baseline = &baseline;
    build.thread_count = 1;
    uint32_t expected = crc_of(&f, &build);
    test_dir_make(directory, sizeof directory);
    build.resume_dir = directory;
    CHECK(crc_of(&f, &build) == expected);
    test_dir_remove(directory);
    vs_codebook_clear(&codebook);
    fixture_free(&f);
}

TEST_MAIN(TEST(parts_give_the_bytes_of_one_build),
          TEST(what_does_not_fit_is_refused),
          TEST(damage_is_found),
          TEST(failing_allocations_leave_nothing_behind),
          TEST(stopped_builds_go_on),
          TEST(resumed_builds_keep_the_given_baseline))
