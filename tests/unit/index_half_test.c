// SPDX-License-Identifier: Apache-2.0
// Stored vectors of half precision (binary16), from the conversion to an index that has them.
#include "index/float16.h"
#include "index/index_build.h"
#include "index/index_internal.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>

static const struct fixture_build lists = {
    .small_rows = 300, .list_count = 16, .second_assignment = VS_SECOND_ON, .half_rows = true};

static struct fixture make(enum vs_metric metric, size_t null_every)
{
    struct fixture f = {.row_count = 900,
                        .dim = 20,
                        .cluster_count = 12,
                        .metric = metric,
                        .null_every = null_every,
                        .spread = 0.4F,
                        .seed = 11,
                        .values = true};
    fixture_make(&f, 8);
    return f;
}

// ---- the conversion ----

static float widened(uint16_t half)
{
    float value = 0.0F;
    vs_f16_widen(&half, 1, &value);
    return value;
}

static uint16_t narrowed(float value)
{
    uint16_t half = 0xdead;
    CHECK_INT(vs_f16_narrow(&value, 1, &half), 1);
    return half;
}

static void widening_is_exact(void)
{
    for (uint32_t h = 0; h < 65536; h++) {
        int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        double sign = h >> 15 != 0 ? -1.0 : 1.0;
        float value = widened((uint16_t)h);
        if (exponent == 31) {
            CHECK(fraction == 0 ? isinf(value) : isnan(value));
        } else {
            double expected =
                exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
            CHECK((double)value == sign * expected);
        }
        CHECK(isnan(value) || (signbit(value) != 0) == (h >> 15 != 0));
    }
}

static void narrowing_rounds_to_nearest_even(void)
{
    for (uint16_t h = 0; h < 0x7bff; h++) {
        float low = widened(h), high = widened((uint16_t)(h + 1)),
              middle = (float)(((double)low + (double)high) / 2.0); // exact
        CHECK_INT(narrowed(low), h);
        CHECK_INT(narrowed(-low), h | 0x8000);
        CHECK_INT(narrowed(middle), h % 2 == 0 ? h : h + 1);
        CHECK_INT(narrowed(-middle), (h % 2 == 0 ? h : h + 1) | 0x8000);
        CHECK_INT(narrowed(nextafterf(middle, 0.0F)), h);
        CHECK_INT(narrowed(nextafterf(middle, INFINITY)), h + 1);
    }
    CHECK_INT(narrowed(VS_F16_MAX), 0x7bff);
}

static void what_does_not_fit_is_refused(void)
{
    const float bad[] = {nextafterf(VS_F16_MAX, INFINITY), -65505.0F, 1e30F, INFINITY, NAN};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        float values[4] = {1.0F, -VS_F16_MAX, bad[i], 2.0F};
        uint16_t half[4];
        CHECK_INT(vs_f16_narrow(values, 4, half), 2);
    }
}

// Widened in place, as readers do it.
static void the_end_of_the_room_is_enough(void)
{
    for (size_t n = 0; n < 300; n++) {
        float *room = malloc(n * sizeof *room + 1);
        uint8_t *half = (uint8_t *)room + 2 * n;
        for (size_t i = 0; i < n; i++) {
            uint16_t value = (uint16_t)(i * 211 % 0x7c00);
            memcpy(half + 2 * i, &value, 2);
        }
        vs_f16_widen(half, n, room);
        for (size_t i = 0; i < n; i++) {
            CHECK(room[i] == widened((uint16_t)(i * 211 % 0x7c00)));
        }
        free(room);
    }
}

// ---- an index ----

struct opened {
    struct vs_buf bytes;
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
};

static enum vs_status open_index(const struct vs_env *env,
                                 bool lazy,
                                 struct opened *o,
                                 struct vs_error *err)
{
    const struct vs_index_open_options options = {.thread_count = 1, .lazy = lazy, .idle = true};
    VS_TRY(vs_file_open_bytes(env, vs_buf_view(&o->bytes), "half", &o->file, err));
    VS_TRY(vs_index_open(env, o->file, &options, &o->index, err));
    return vs_index_scratch_new(env, &o->scratch, err);
}

static void close_index(struct opened *o)
{
    vs_index_scratch_free(o->scratch);
    vs_index_close(o->index);
    vs_file_close(o->file);
    o->scratch = NULL;
    o->index = NULL;
    o->file = NULL;
}

static const struct vs_blob_entry *find(const struct opened *o, const char *type)
{
    return vs_descriptor_blob(&o->index->descriptor, type, 0, 2);
}

// What the index holds is the table's vectors, rounded.
static void check_vectors(const struct fixture *f, const struct opened *o)
{
    struct vs_error err;
    for (uint32_t row = 0; row + 3 < f->row_count; row += 5) {
        const uint32_t rows[3] = {row, row + 1, row + 3};
        float found[3 * 20];
        bool present[3];
        CHECK_STATUS(vs_index_fetch_vectors(o->index, 0, 0, rows, 3, found, present, &err),
                     VS_UNSUPPORTED); // they are not the table's
        REQUIRE_OK(vs_index_read_vectors(o->index, 0, 0, rows, 3, found, &err), err);
        for (size_t i = 0; i < 3; i++) {
            bool there = fixture_has_vector(f, rows[i]);
            CHECK(vs_bit_get(o->index->segments[0].parts[0].presence, rows[i]) == there);
            for (size_t d = 0; d < f->dim; d++) {
                float expected = there ? widened(narrowed(f->vectors[rows[i] * f->dim + d])) : 0.0F;
                CHECK(found[i * f->dim + d] == expected);
            }
        }
    }
}

// Scores from half vectors are nearer to the truth than the rounding of binary16 can take them away
// from it.
static void check_scores(const struct fixture *f, const struct opened *o)
{
    struct vs_error err;
    for (size_t q = 0; q < f->query_count; q++) {
        const float *vector = f->queries + q * f->dim;
        struct vs_index_hit hits[10];
        size_t count = 0;
        uint32_t best[10];
        const struct vs_index_query query = {
            .vector = vector, .k = 10, .nprobe = 16, .rerank = 200, .rescore = true};
        REQUIRE_OK(vs_index_search(o->index, &query, o->scratch, hits, &count, NULL, &err), err);
        REQUIRE(count == 10 && fixture_exact(f, vector, NULL, 10, best) == 10);
        for (size_t i = 0; i < count; i++) {
            double truth = fixture_score(f, vector, hits[i].row), error = 0.0;
            for (size_t d = 0; d < f->dim; d++) {
                double x = fabs((double)f->vectors[hits[i].row * f->dim + d]);
                error += f->metric == VS_METRIC_L2
                             ? 2.0 * (x + fabs((double)vector[d])) * x / 2048.0
                             : fabs((double)vector[d]) * x / 1024.0;
            }
            CHECK_NEAR(hits[i].score, truth, error + 1e-3);
            CHECK(fixture_score(f, vector, best[i]) <= truth + 2.0 * error + 2e-3);
        }
    }
}

static void vectors_come_back_rounded(void)
{
    static const enum vs_metric metrics[] = {VS_METRIC_COSINE, VS_METRIC_L2, VS_METRIC_IP};

    for (size_t m = 0; m < 6; m++) {
        struct test_env test;
        struct vs_error err;
        struct opened o = {0};
        struct vs_index_build_result result;
        struct fixture f = make(metrics[m / 2], 7);
        test_env_init(&test);
        REQUIRE_OK(fixture_build_index(&test.env, &f, &lists, &o.bytes, &result, &err), err);
        REQUIRE_OK(open_index(&test.env, m % 2 == 1, &o, &err), err);
        const struct vs_index_column *column = &vs_index_info(o.index)->columns[0];
        CHECK(column->has_half_rows && !column->has_exact_rows);
        CHECK(o.index->segments[0].parts[0].has_vectors);
        CHECK(find(&o, VS_BLOB_VECTORS) == NULL && find(&o, VS_BLOB_VECTORS16) != NULL);
        check_vectors(&f, &o);
        check_scores(&f, &o);
        struct vs_index_hit hit;
        size_t count = 0;
        const struct vs_index_query exact = {.vector = f.queries, .k = 1, .exact = true};
        CHECK_STATUS(vs_index_search(o.index, &exact, o.scratch, &hit, &count, NULL, &err),
                     VS_UNSUPPORTED); // rounded vectors do not answer exactly
        close_index(&o);
        vs_buf_clear(&o.bytes);
        fixture_free(&f);
        CHECK_INT(test.live, 0);
    }
}

// Segments that are scanned keep f32, also where the table is large and only its vectors are few.
static void flat_segments_keep_f32(void)
{
    for (int few = 0; few < 2; few++) {
        struct test_env test;
        struct vs_error err;
        struct opened o = {0};
        struct vs_index_build_result result;
        struct fixture f = make(VS_METRIC_L2, few == 1 ? 2 : 7);
        struct fixture_build build = lists;
        build.small_rows = few == 1 ? 800 : 2000; // 450 of 900 rows have a vector
        test_env_init(&test);
        REQUIRE_OK(fixture_build_index(&test.env, &f, &build, &o.bytes, &result, &err), err);
        REQUIRE_OK(open_index(&test.env, false, &o, &err), err);
        const struct vs_index_column *column = &vs_index_info(o.index)->columns[0];
        CHECK(!column->has_half_rows && column->has_exact_rows && column->list_count == 0);
        CHECK(find(&o, VS_BLOB_VECTORS) != NULL && find(&o, VS_BLOB_VECTORS16) == NULL);
        for (size_t q = 0; q < f.query_count; q++) {
            struct vs_index_hit hits[10];
            size_t count = 0;
            uint32_t best[10];
            struct vs_index_query query = {.vector = f.queries + q * f.dim, .k = 10, .exact = true};
            REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, hits, &count, NULL, &err), err);
            fixture_exact(&f, query.vector, NULL, 10, best);
            CHECK(count == 10 && hits[0].row == best[0] && hits[9].row == best[9]);
        }
        struct vs_buf report;
        vs_buf_init(&report, &test.env, 1 << 20);
        CHECK_OK(vs_index_verify(&test.env, o.file, NULL, &report, &err), err);
        vs_buf_clear(&report);
        close_index(&o);
        vs_buf_clear(&o.bytes);
        fixture_free(&f);
        CHECK_INT(test.live, 0);
    }
}

static void values_beyond_the_range_are_refused(void)
{
    static const float bad[] = {70000.0F, -65504.5F};
    for (size_t i = 0; i < 2; i++) {
        struct test_env test;
        struct vs_error err = {0};
        struct vs_buf bytes;
        struct vs_index_build_result result;
        struct fixture f = make(VS_METRIC_L2, 7);
        struct fixture_build build = lists;
        test_env_init(&test);
        f.vectors[17 * f.dim + 3] = bad[i];
        CHECK_STATUS(fixture_build_index(&test.env, &f, &build, &bytes, &result, &err), VS_INVALID);
        CHECK(strstr(err.message, "row 17") != NULL && strstr(err.message, "'embedding'") != NULL &&
              strstr(err.message, "f32") != NULL);
        vs_buf_clear(&bytes);
        build.half_rows = false; // the way out
        CHECK_OK(fixture_build_index(&test.env, &f, &build, &bytes, &result, &err), err);
        vs_buf_clear(&bytes);
        fixture_free(&f);
        CHECK_INT(test.live, 0);
    }
}

// The codebook of one build makes two others the same, whatever the number of threads and memory.
static void builds_are_reproducible(void)
{
    struct test_env test;
    struct vs_error err;
    struct opened o = {0};
    struct vs_index_build_result result;
    struct fixture f = make(VS_METRIC_COSINE, 7);
    uint32_t crcs[3] = {0};
    test_env_init(&test);
    REQUIRE_OK(fixture_build_index(&test.env, &f, &lists, &o.bytes, &result, &err), err);
    REQUIRE_OK(open_index(&test.env, false, &o, &err), err);
    for (size_t i = 0; i < 3; i++) {
        struct test_env seeded; // the same UUID each time
        struct vs_buf bytes;
        struct fixture_build build = lists;
        test_env_init(&seeded);
        seeded.now_ms = 1700000000000;
        build.codebook = &o.index->codebooks[0];
        build.thread_count = 1 + i;
        REQUIRE_OK(fixture_build_index(&seeded.env, &f, &build, &bytes, &result, &err), err);
        crcs[i] = vs_crc32c(0, bytes.data, bytes.len);
        vs_buf_clear(&bytes);
        CHECK_INT(seeded.live, 0);
    }
    CHECK(crcs[0] == crcs[1] && crcs[0] == crcs[2]);
    close_index(&o);
    vs_buf_clear(&o.bytes);
    fixture_free(&f);
    CHECK_INT(test.live, 0);
}

// ---- damage ----

static void check_verify(const struct test_env *test, const struct opened *o, const char *word)
{
    struct vs_error err = {0};
    struct vs_buf report;
    vs_buf_init(&report, &test->env, 1 << 20);
    CHECK_STATUS(vs_index_verify(&test->env, o->file, NULL, &report, &err), VS_CORRUPT);
    CHECK_OK(vs_buf_append(&report, "", 1, &err), err);
    CHECK(strstr((const char *)report.data, word) != NULL);
    vs_buf_clear(&report);
}

// Row 0 has a vector, row 1 has none.
static void put_value(struct opened *o, uint32_t row, uint16_t value)
{
    const struct vs_blob_entry *blob = find(o, VS_BLOB_VECTORS16);
    const struct vs_index_column *column = &vs_index_info(o->index)->columns[0];
    struct vs_vectors_layout at;
    uint8_t *bytes = o->bytes.data + blob->offset;
    size_t row_bytes = (size_t)column->dim * 2;
    REQUIRE(vs_vectors_layout(900, column->dim, 2, &at) && at.length == blob->length);
    vs_store_u16le(bytes + 64 + row * row_bytes + 6, value);
    vs_store_u32le(bytes + at.row_crcs + (size_t)4 * row,
                   vs_crc32c(0, bytes + 64 + row * row_bytes, row_bytes));
    vs_store_u32le(bytes + at.crc,
                   vs_crc32c(0, bytes + at.presence, (size_t)(at.crc - at.presence)));
}

static void damage_is_named(void)
{
    struct test_env test;
    struct vs_error err;
    struct opened o = {0};
    struct vs_index_build_result result;
    struct fixture f = make(VS_METRIC_COSINE, 7);
    float vector[20];
    test_env_init(&test);
    REQUIRE_OK(fixture_build_index(&test.env, &f, &lists, &o.bytes, &result, &err), err);
    REQUIRE_OK(open_index(&test.env, false, &o, &err), err);
    uint8_t *byte = o.bytes.data + find(&o, VS_BLOB_VECTORS16)->offset + 64 + (size_t)40 * 8 + 5;
    *byte ^= 0x20; // in row 8
    CHECK_STATUS(vs_index_read_vectors(o.index, 0, 0, (const uint32_t[]){8}, 1, vector, &err),
                 VS_CORRUPT);
    CHECK(strstr(err.message, "row 8 ") != NULL);
    check_verify(&test, &o, "checksum of blob " VS_BLOB_VECTORS16);
    check_verify(&test, &o, "checksum of the vector of row 8 ");
    *byte ^= 0x20;
    put_value(&o, 0, 0x7c00);
    check_verify(&test, &o, "the vector of row 0 of segment 0, column 2 is not finite");
    put_value(&o, 0, 0);
    put_value(&o, 1, 0x3c00);
    check_verify(&test, &o, "the vector of row 1 of segment 0, column 2 is not there");
    close_index(&o);
    vs_buf_clear(&o.bytes);
    fixture_free(&f);
    CHECK_INT(test.live, 0);
}

static void every_failed_allocation_leaves_nothing(void)
{
    struct test_env test;
    struct vs_error err;
    struct opened o = {0};
    struct vs_index_build_result result;
    struct fixture f = make(VS_METRIC_L2, 7);
    test_env_init(&test);
    REQUIRE_OK(fixture_build_index(vs_env_default(), &f, &lists, &o.bytes, &result, &err), err);
    for (long n = 0; n < 5000; n++) {
        float vector[20];
        struct vs_index_hit hits[5];
        size_t count = 0;
        const struct vs_index_query query = {
            .vector = f.queries, .k = 5, .nprobe = 8, .rerank = 50, .rescore = true};
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status = open_index(&test.env, n % 2 == 1, &o, &err);
        if (status == VS_OK) {
            status = vs_index_read_vectors(o.index, 0, 0, (const uint32_t[]){8}, 1, vector, &err);
        }
        if (status == VS_OK) {
            status = vs_index_search(o.index, &query, o.scratch, hits, &count, NULL, &err);
        }
        close_index(&o);
        CHECK_INT(test.live, 0);
        CHECK(status == VS_OK || status == VS_NO_MEMORY);
        if (!test.failed && n % 2 == 1) {
            CHECK_STATUS(status, VS_OK);
            break;
        }
    }
    vs_buf_clear(&o.bytes);
    fixture_free(&f);
}

// ---- other readers, and files of earlier builds ----

// Reads the file by its format document, and rounds the table's vectors with numpy where there is
// one, else with the standard library.
static const char program[] =
    "import struct, sys\n"
    "sys.path.insert(0, 'tools')\n"
    "import read_index as r\n"
    "data, raw = open(sys.argv[1], 'rb').read(), open(sys.argv[2], 'rb').read()\n"
    "dim, rows = int(sys.argv[3]), int(sys.argv[4])\n"
    "print(r.check(data))\n"
    "footer = r.read_footer(data)\n"
    "blob = r.Blobs(data, footer, r.read_descriptor(data, footer)).get('vectors16', 0, 2)\n"
    "try:\n"
    "    import numpy\n"
    "    want = numpy.frombuffer(raw, '<f4').astype('<f2').tobytes()\n"
    "except ImportError:\n"
    "    n = len(raw) // 4\n"
    "    want = struct.pack(f'<{n}e', *struct.unpack(f'<{n}f', raw))\n"
    "wide = 2 * dim\n"
    "for i in range(rows):\n"
    "    there = want[i * wide:(i + 1) * wide] if i % 7 != 1 else bytes(wide)\n"
    "    assert blob[64 + i * wide:64 + (i + 1) * wide] == there, i\n";

static void another_reader_agrees(void)
{
    const char *python = test_python();
    if (python == NULL) {
        SKIP("no Python");
    }
    struct vs_error err;
    struct vs_buf bytes;
    struct vs_index_build_result result;
    struct fixture f = make(VS_METRIC_IP, 7);
    char directory[256], path[512], raw[512], interpreter[512], script[sizeof program];
    char option[] = "-c", dim[] = "20", rows[] = "900";
    test_dir_make(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/half.puffin", directory);
    snprintf(raw, sizeof raw, "%s/raw", directory);
    snprintf(interpreter, sizeof interpreter, "%s", python);
    memcpy(script, program, sizeof program);
    for (size_t i = 0; i < f.row_count * f.dim; i += 3) { // small ones, too
        f.vectors[i] = ldexpf(f.vectors[i], -(int)(i % 30));
    }
    REQUIRE_OK(fixture_build_index(vs_env_default(), &f, &lists, &bytes, &result, &err), err);
    CHECK(test_file_write(path, bytes.data, bytes.len));
    CHECK(test_file_write(raw, f.vectors, f.row_count * f.dim * sizeof *f.vectors));
    char *const arguments[] = {interpreter, option, script, path, raw, dim, rows, NULL};
    CHECK_INT(test_run_program(arguments), 0);
    bytes.data[bytes.len / 2] ^= 1;
    CHECK(test_file_write(path, bytes.data, bytes.len));
    CHECK(test_run_program(arguments) != 0);
    vs_buf_clear(&bytes);
    fixture_free(&f);
    test_dir_remove(directory);
}

static void golden_file_stays_readable(void)
{
    struct test_env test;
    struct vs_error err;
    struct opened o = {0};
    test_env_init(&test);
    vs_buf_init(&o.bytes, &test.env, 1 << 20);
    REQUIRE(test_file_read("tests/golden/index/half.puffin", &o.bytes));
    REQUIRE_OK(open_index(&test.env, false, &o, &err), err);
    CHECK(vs_index_info(o.index)->columns[0].has_half_rows);
    CHECK_INT(vs_index_info(o.index)->segments[0].row_count, 40);
    for (uint32_t row = 0; row < 40; row++) { // each row is nearest to itself
        float vector[4];
        struct vs_index_hit hit;
        size_t count = 0;
        REQUIRE_OK(vs_index_read_vectors(o.index, 0, 0, &row, 1, vector, &err), err);
        const struct vs_index_query query = {
            .vector = vector, .k = 1, .nprobe = 2, .rerank = 40, .rescore = true};
        REQUIRE_OK(vs_index_search(o.index, &query, o.scratch, &hit, &count, NULL, &err), err);
        CHECK(count == 1 && hit.row == row);
        CHECK_NEAR(hit.score, 1.0, 1e-5);
    }
    close_index(&o);
    vs_buf_clear(&o.bytes);
    CHECK_INT(test.live, 0);
}

TEST_MAIN(TEST(widening_is_exact),
          TEST(narrowing_rounds_to_nearest_even),
          TEST(what_does_not_fit_is_refused),
          TEST(the_end_of_the_room_is_enough),
          TEST(vectors_come_back_rounded),
          TEST(flat_segments_keep_f32),
          TEST(values_beyond_the_range_are_refused),
          TEST(builds_are_reproducible),
          TEST(damage_is_named),
          TEST(every_failed_allocation_leaves_nothing),
          TEST(another_reader_agrees),
          TEST(golden_file_stays_readable))
