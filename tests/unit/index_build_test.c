// SPDX-License-Identifier: Apache-2.0
#include "index/index_build.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "tests/support/train_floats.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct fixture_build lists = {
    .small_rows = 300, .list_count = 16, .second_assignment = VS_SECOND_ON};

static struct fixture make(enum vs_metric metric)
{
    struct fixture f = {.row_count = 900,
                        .dim = 20,
                        .cluster_count = 12,
                        .metric = metric,
                        .null_every = 7,
                        .spread = 0.4F,
                        .seed = 11,
                        .values = true};
    fixture_make(&f, 8);
    return f;
}

// The codebook of an index built from the fixture, so that other builds need no training.
static bool train(const struct fixture *f, struct vs_codebook *codebook, struct vs_error *err)
{
    struct vs_train_params params = {.dim = (uint32_t)f->dim,
                                     .metric = f->metric,
                                     .list_count = 16,
                                     .row_count = f->row_count,
                                     .seed = 4,
                                     .thread_count = 1};
    vs_train_defaults(&params);
    float *sample = calloc(f->row_count * f->dim, sizeof *sample);
    for (size_t row = 0; row < f->row_count; row++) {
        double norm = 0.0;
        for (size_t d = 0; d < f->dim; d++) {
            norm += (double)f->vectors[row * f->dim + d] * (double)f->vectors[row * f->dim + d];
        }
        for (size_t d = 0; d < f->dim; d++) {
            double scale = f->metric == VS_METRIC_COSINE ? 1.0 / sqrt(norm) : 1.0;
            sample[row * f->dim + d] = (float)((double)f->vectors[row * f->dim + d] * scale);
        }
    }
    enum vs_status status =
        train_floats(vs_env_default(), &params, sample, f->row_count, codebook, err);
    free(sample);
    return status == VS_OK;
}

static uint32_t build_crc(struct fixture *f, const struct fixture_build *build)
{
    struct test_env test; // seeded: the same UUID each time
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

static void thread_count_changes_no_byte(void)
{
    struct vs_error err;
    struct vs_codebook codebook;
    struct fixture f = make(VS_METRIC_L2);
    REQUIRE(train(&f, &codebook, &err));
    struct fixture_build build = lists;
    build.codebook = &codebook;
    build.thread_count = 1;
    uint32_t one = build_crc(&f, &build);
    build.thread_count = 3;
    CHECK(one != 0 && build_crc(&f, &build) == one);
    vs_codebook_clear(&codebook);
    fixture_free(&f);
}

// Runs in a child process, since the kernels are chosen once a process: writes CRCs of a build and
// of answers to the pipe.
static void digest_in_child(const char *simd, uint32_t digest_out[2])
{
    int ends[2];
    digest_out[0] = digest_out[1] = 0;
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct vs_error err;
        struct vs_codebook codebook;
        struct vs_buf bytes;
        struct vs_index_build_result result;
        struct test_env test;
        uint32_t digest[2] = {0, 0};
        setenv("VS_SIMD", simd, 1);
        test_env_init(&test);
        test.now_ms = 1700000000000;
        struct fixture f = make(VS_METRIC_COSINE);
        if (train(&f, &codebook, &err)) {
            // Training may use other arithmetic in other processes; what is promised is: same
            // codebook, same bytes.
            struct fixture_build build = lists;
            struct vs_file *file = NULL;
            struct vs_index *index = NULL;
            struct vs_index_scratch *scratch = NULL;
            build.codebook = &codebook;
            if (fixture_build_index(&test.env, &f, &build, &bytes, &result, &err) == VS_OK &&
                vs_file_open_bytes(&test.env, vs_buf_view(&bytes), "x", &file, &err) == VS_OK &&
                vs_index_open(&test.env, file, NULL, &index, &err) == VS_OK &&
                vs_index_scratch_new(&test.env, &scratch, &err) == VS_OK) {
                digest[0] = vs_crc32c(0, bytes.data, bytes.len);
                for (size_t q = 0; q < f.query_count; q++) {
                    struct vs_index_hit hits[10];
                    size_t count = 0;
                    struct vs_index_query query = {
                        .vector = f.queries + q * f.dim, .k = 10, .nprobe = 4, .rerank = 20};
                    if (vs_index_search(index, &query, scratch, hits, &count, NULL, &err) ==
                        VS_OK) {
                        digest[1] = vs_crc32c(digest[1], hits, count * sizeof *hits);
                    }
                }
            }
        }
        _exit(write(ends[1], digest, sizeof digest) == (ssize_t)sizeof digest ? 0 : 1);
    }
    close(ends[1]);
    CHECK(read(ends[0], digest_out, 2 * sizeof(uint32_t)) == 2 * (ssize_t)sizeof(uint32_t));
    close(ends[0]);
    int code = 0;
    CHECK(waitpid(child, &code, 0) == child && code == 0);
}

static void instruction_sets_change_no_byte_and_no_hit(void)
{
    uint32_t scalar[2], fast[2];
    digest_in_child("scalar", scalar);
    digest_in_child("avx2", fast);
    CHECK(scalar[0] != 0 && scalar[1] != 0);
    CHECK(scalar[0] == fast[0]);
    CHECK(scalar[1] == fast[1]);
}

static void facts_are_stored(void)
{
    struct test_env test;
    struct vs_error err;
    struct vs_buf bytes;
    struct vs_index_build_result result;
    struct vs_file *file = NULL;
    struct vs_index *index = NULL;
    struct fixture f = make(VS_METRIC_IP);
    test_env_init(&test);
    REQUIRE_OK(fixture_build_index(&test.env, &f, &lists, &bytes, &result, &err), err);
    CHECK_INT(result.row_count, 900);
    CHECK_INT(result.vector_count, 900 - 129); // rows 1, 8, 15, …
    CHECK_INT(result.file_size, bytes.len);
    CHECK(result.recall_at_10 > 0.5F && result.recall_at_10 <= 1.0F);
    REQUIRE_OK(vs_file_open_bytes(&test.env, vs_buf_view(&bytes), "x", &file, &err), err);
    REQUIRE_OK(vs_index_open(&test.env, file, NULL, &index, &err), err);
    const struct vs_index_info *info = vs_index_info(index);
    CHECK_INT(info->snapshot_id, 77);
    CHECK(memcmp(&info->index_uuid, &result.index_uuid, sizeof info->index_uuid) == 0);
    CHECK_INT(info->segments[0].file_count, 2);
    CHECK_INT(info->segments[0].files[1].first_row, 300);
    CHECK_INT(info->columns[0].list_count, 16);
    CHECK(info->columns[0].metric == VS_METRIC_IP && info->columns[0].recall_count > 0 &&
          info->columns[0].has_exact_rows);
    CHECK_INT(info->field_count, 4);
    CHECK_INT(info->id_field_id, 1);
    uint64_t bits[900 / 64 + 1] = {0};
    REQUIRE_OK(vs_index_vector_rows(index, 0, 0, bits, &err), err);
    for (size_t row = 0; row < 900; row++) {
        CHECK((bits[row / 64] >> (row % 64) & 1) == fixture_has_vector(&f, row));
    }
    vs_index_close(index);
    vs_file_close(file);
    vs_buf_clear(&bytes);
    fixture_free(&f);
    CHECK_INT(test.live, 0);
}

// tools/read_index.py knows the format by its document alone.
static void another_reader_agrees(void)
{
    const char *python = test_python();
    if (python == NULL) {
        SKIP("no Python");
    }
    char directory[256], path[512];
    test_dir_make(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/index.puffin", directory);
    char program[512], script[] = "tools/read_index.py";
    snprintf(program, sizeof program, "%s", python);
    char *const arguments[] = {program, script, path, NULL};
    for (int kind = 0; kind < 4; kind++) {
        struct vs_error err;
        struct vs_buf bytes;
        struct vs_index_build_result result;
        struct fixture f = make(kind == 1 ? VS_METRIC_L2 : VS_METRIC_COSINE);
        struct fixture_build build = lists;
        build.small_rows = kind == 2 ? 2000 : 300;
        build.no_exact_rows = kind == 3;
        build.second_assignment = kind == 1 ? VS_SECOND_OFF : VS_SECOND_ON;
        REQUIRE_OK(fixture_build_index(vs_env_default(), &f, &build, &bytes, &result, &err), err);
        for (int damaged = 0; damaged < 2; damaged++) {
            bytes.data[bytes.len / 2] ^= (uint8_t)damaged;
            FILE *stream = fopen(path, "wb");
            REQUIRE(stream != NULL);
            CHECK(fwrite(bytes.data, 1, bytes.len, stream) == bytes.len);
            fclose(stream);
            CHECK((test_run_program(arguments) == 0) == (damaged == 0));
        }
        vs_buf_clear(&bytes);
        fixture_free(&f);
    }
    test_dir_remove(directory);
}

// ---- two embedding columns, and a blob of another producer ----

struct pair_source {
    const struct fixture *fixture;
    size_t next;
};

static enum vs_status pair_next(void *ctx,
                                size_t max_rows,
                                struct vs_batch *batch,
                                struct vs_error *err)
{
    struct pair_source *source = ctx;
    const struct fixture *f = source->fixture;
    for (; batch->row_count < max_rows && source->next < f->row_count;
         source->next++, batch->row_count++) {
        const float *vector = f->vectors + source->next * f->dim;
        enum vs_status status = vs_column_append_floats(&batch->columns[0], vector, f->dim, err);
        if (status ==
            VS_OK) { // the second column has the first half of each vector, in every tenth row only
            status = source->next % 10 == 0
                         ? vs_column_append_floats(&batch->columns[1], vector, f->dim / 2, err)
                         : vs_column_append_null(&batch->columns[1], err);
        }
        if (status != VS_OK) {
            return status;
        }
    }
    return VS_OK;
}

static enum vs_status pair_rewind(void *ctx, struct vs_error *err)
{
    (void)err;
    ((struct pair_source *)ctx)->next = 0;
    return VS_OK;
}

struct buf_writer {
    struct vs_writer base;
    struct vs_buf *bytes;
};

static enum vs_status buf_write(struct vs_writer *writer,
                                const void *bytes,
                                size_t n,
                                struct vs_error *err)
{
    return vs_buf_append(((struct buf_writer *)writer)->bytes, bytes, n, err);
}

static void check_pair(const struct vs_env *env, const struct fixture *f, struct vs_str bytes)
{
    struct vs_error err;
    struct vs_file *file = NULL;
    struct vs_index *index = NULL;
    struct vs_index_scratch *scratch = NULL;
    REQUIRE_OK(vs_file_open_bytes(env, bytes, "pair", &file, &err), err);
    REQUIRE_OK(vs_index_open(env, file, NULL, &index, &err), err);
    REQUIRE_OK(vs_index_scratch_new(env, &scratch, &err), err);
    CHECK_INT(vs_index_info(index)->columns[0].list_count, 16);
    CHECK_INT(vs_index_info(index)->columns[1].list_count, 0); // too few vectors for lists
    for (uint32_t row = 0; row < 900; row += 90) {
        for (size_t column = 0; column < 2; column++) {
            struct vs_index_hit hit;
            size_t count = 0;
            struct vs_index_query query = {.column = column,
                                           .vector = f->vectors + row * f->dim,
                                           .k = 1,
                                           .nprobe = 16,
                                           .rerank = 100};
            REQUIRE_OK(vs_index_search(index, &query, scratch, &hit, &count, NULL, &err), err);
            CHECK(count == 1 && hit.row == row);
        }
    }
    vs_index_scratch_free(scratch);
    vs_index_close(index);
    vs_file_close(file);
}

static void several_columns_and_foreign_blobs(void)
{
    static const struct vs_writer_vtable vtable = {.write = buf_write};
    struct test_env test;
    struct vs_error err;
    struct vs_buf bytes;
    struct vs_index_build_result result;
    struct fixture f = make(VS_METRIC_L2);
    test_env_init(&test);
    const struct vs_field fields[2] = {{.id = 2,
                                        .name = VS_STR("whole"),
                                        .kind = VS_KIND_LIST,
                                        .element_kind = VS_KIND_FLOAT,
                                        .element_id = 3},
                                       {.id = 4,
                                        .name = VS_STR("half"),
                                        .kind = VS_KIND_LIST,
                                        .element_kind = VS_KIND_FLOAT,
                                        .element_id = 5}};
    const struct vs_index_build_column columns[2] = {
        {.field = 0, .dim = (uint32_t)f.dim, .metric = VS_METRIC_L2},
        {.field = 1, .dim = (uint32_t)f.dim / 2, .metric = VS_METRIC_L2}};
    const struct vs_index_file_ref file = {.path = VS_STR("a"), .row_count = f.row_count};
    int32_t sketch_fields[] = {4};
    const struct vs_puffin_blob foreign = {.type = VS_STR("apache-datasketches-theta-v1"),
                                           .field_count = 1,
                                           .fields = sketch_fields,
                                           .snapshot_id = 3};
    const struct vs_str sketch = VS_STR("sketch of another engine");
    struct vs_index_build_params params = {.fields = fields,
                                           .field_count = 2,
                                           .id_field = SIZE_MAX,
                                           .columns = columns,
                                           .column_count = 2,
                                           .files = &file,
                                           .file_count = 1,
                                           .small_rows = 300,
                                           .list_count = 16,
                                           .store_vectors = VS_STORE_NONE,
                                           .foreign_blobs = &foreign,
                                           .foreign_bytes = &sketch,
                                           .foreign_count = 1};
    struct pair_source state = {&f, 0};
    struct vs_index_row_source source = {pair_next, pair_rewind, &state};
    struct buf_writer writer = {.base = {.vtable = &vtable, .name = "pair"}, .bytes = &bytes};
    vs_buf_init(&bytes, &test.env, SIZE_MAX);
    REQUIRE_OK(vs_index_build(&test.env, &params, &source, &writer.base, &result, &err), err);
    check_pair(&test.env, &f, vs_buf_view(&bytes));
    struct vs_puffin puffin;
    size_t found = 0;
    REQUIRE_OK(vs_puffin_parse(&test.env, vs_buf_view(&bytes), "pair", &puffin, &err), err);
    for (size_t i = 0; i < puffin.blob_count; i++) {
        const struct vs_puffin_blob *blob = &puffin.blobs[i];
        if (vs_str_equal(blob->type, foreign.type)) {
            found++;
            CHECK(blob->length == sketch.len &&
                  memcmp(bytes.data + blob->offset, sketch.ptr, sketch.len) == 0 &&
                  blob->snapshot_id == 3);
        }
    }
    CHECK_INT(found, 1);
    vs_puffin_clear(&puffin);
    vs_buf_clear(&bytes);
    fixture_free(&f);
    CHECK_INT(test.live, 0);
}

static void refuse(struct fixture *f,
                   const struct fixture_build *build,
                   enum vs_status expected,
                   const char *word)
{
    struct test_env test;
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_index_build_result result;
    test_env_init(&test);
    CHECK_STATUS(fixture_build_index(&test.env, f, build, &bytes, &result, &err), expected);
    if (strstr(err.message, word) == NULL) {
        fprintf(stderr, "    message: %s\n", err.message);
    }
    CHECK(strstr(err.message, word) != NULL);
    vs_buf_clear(&bytes);
    CHECK_INT(test.live, 0);
}

static void bad_rows_and_limits_are_refused(void)
{
    struct fixture f = make(VS_METRIC_COSINE);
    struct fixture_build build = lists;
    build.memory_bytes = 1 << 20;
    refuse(&f, &build, VS_LIMIT, "MiB");
    build = lists;
    build.min_recall = 1.5F;
    refuse(&f, &build, VS_LIMIT, "recall@10");
    f.vectors[17 * f.dim + 3] = INFINITY;
    refuse(&f, &lists, VS_INVALID, "row 17");
    memset(f.vectors + 17 * f.dim, 0, f.dim * sizeof(float));
    refuse(&f, &lists, VS_INVALID, "row 17");
    fixture_free(&f);
}

static void empty_tables_and_missing_vectors_build(void)
{
    static const size_t counts[] = {0, 1, 2, 400};
    for (size_t i = 0; i < 4; i++) {
        struct test_env test;
        struct vs_error err;
        struct vs_buf bytes;
        struct vs_index_build_result result;
        struct vs_file *file = NULL;
        struct vs_index *index = NULL;
        struct vs_index_scratch *scratch = NULL;
        // null_every 1 never has i % 1 == 1; 2 leaves every second row
        struct fixture f = {.row_count = counts[i],
                            .dim = 5,
                            .cluster_count = 2,
                            .metric = VS_METRIC_L2,
                            .null_every = 2,
                            .spread = 0.2F,
                            .seed = 2,
                            .values = true};
        fixture_make(&f, 1);
        test_env_init(&test);
        REQUIRE_OK(fixture_build_index(&test.env, &f, &lists, &bytes, &result, &err), err);
        REQUIRE_OK(vs_file_open_bytes(&test.env, vs_buf_view(&bytes), "x", &file, &err), err);
        REQUIRE_OK(vs_index_open(&test.env, file, NULL, &index, &err), err);
        REQUIRE_OK(vs_index_scratch_new(&test.env, &scratch, &err), err);
        struct vs_index_hit hits[500];
        size_t count = 0;
        struct vs_index_query query = {.vector = f.queries, .k = 500};
        REQUIRE_OK(vs_index_search(index, &query, scratch, hits, &count, NULL, &err), err);
        CHECK_INT(count, (counts[i] + 1) / 2);
        vs_index_scratch_free(scratch);
        vs_index_close(index);
        vs_file_close(file);
        vs_buf_clear(&bytes);
        fixture_free(&f);
        CHECK_INT(test.live, 0);
    }
}

static void failing_allocations_leave_nothing_behind(void)
{
    struct vs_error err;
    struct vs_codebook codebook;
    struct fixture f = {.row_count = 80,
                        .dim = 12,
                        .cluster_count = 4,
                        .metric = VS_METRIC_COSINE,
                        .null_every = 7,
                        .spread = 0.4F,
                        .seed = 11,
                        .values = true};
    fixture_make(&f, 1);
    struct vs_train_params params = {.dim = 12,
                                     .metric = VS_METRIC_COSINE,
                                     .list_count = 4,
                                     .row_count = 80,
                                     .seed = 4,
                                     .thread_count = 1};
    REQUIRE_OK(train_floats(vs_env_default(), &params, f.vectors, 80, &codebook, &err), err);
    const struct fixture_build build = {.small_rows = 40,
                                        .list_count = 4,
                                        .thread_count = 1,
                                        .codebook = &codebook,
                                        .second_assignment = VS_SECOND_ON};
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_buf bytes;
        struct vs_index_build_result result;
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status = fixture_build_index(&test.env, &f, &build, &bytes, &result, &err);
        vs_buf_clear(&bytes);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK_OK(status, err);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK); // a buffer may do with less
    }
    vs_codebook_clear(&codebook);
    fixture_free(&f);
}

static size_t refused_size;

static void *refuse_one_size(void *ctx, void *ptr, size_t size)
{
    const struct vs_env *usual = vs_env_default();
    (void)ctx;
    return ptr == NULL && size == refused_size ? NULL : usual->resize(usual->ctx, ptr, size);
}

// Settings chosen without the queries that were given would be the wrong ones.
static void no_memory_for_queries_is_said(void)
{
    struct vs_error err;
    struct vs_buf bytes;
    struct vs_index_build_result result;
    struct vs_env env = *vs_env_default();
    struct fixture f = {.row_count = 900,
                        .dim = 17,
                        .cluster_count = 12,
                        .metric = VS_METRIC_COSINE,
                        .spread = 0.4F,
                        .seed = 3};
    fixture_make(&f, 11);
    const struct fixture_build build = {.small_rows = 300, .list_count = 16, .query_count = 11};
    env.resize = refuse_one_size;
    refused_size = sizeof(float[11][17]);
    CHECK_STATUS(fixture_build_index(&env, &f, &build, &bytes, &result, &err), VS_NO_MEMORY);
    vs_buf_clear(&bytes);
    refused_size = 0;
    CHECK_OK(fixture_build_index(&env, &f, &build, &bytes, &result, &err), err);
    vs_buf_clear(&bytes);
    fixture_free(&f);
}

TEST_MAIN(TEST(instruction_sets_change_no_byte_and_no_hit),
          TEST(thread_count_changes_no_byte),
          TEST(facts_are_stored),
          TEST(another_reader_agrees),
          TEST(several_columns_and_foreign_blobs),
          TEST(bad_rows_and_limits_are_refused),
          TEST(empty_tables_and_missing_vectors_build),
          TEST(failing_allocations_leave_nothing_behind),
          TEST(no_memory_for_queries_is_said))
