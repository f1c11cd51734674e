// SPDX-License-Identifier: Apache-2.0
// Remapped index files: the same rows in other data files (docs/format/index-v1.md, section 9).
#include "index/index_internal.h"
#include "index/index_moved.h"
#include "index/index_remap.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"

#include <stdlib.h>

#define BASE "tests/golden/index/lists.puffin"      // 40 rows: a.parquet 13, b.parquet 27
#define GOLDEN "tests/golden/index/remapped.puffin" // what remap_base makes of it
#define MAX_FILE 65536
#define ROWS 40

static size_t load(const char *path, char *bytes)
{
    FILE *stream = fopen(path, "rb");
    size_t n = stream != NULL ? fread(bytes, 1, MAX_FILE, stream) : 0;
    if (stream != NULL) {
        fclose(stream);
    }
    return n;
}

struct part { // positions of an old data file
    struct vs_str file;
    uint64_t rows;
    int64_t sequence;
    size_t first, count;
};

// One new data file of these parts.
static enum vs_status remap(const struct vs_env *env,
                            struct vs_str bytes,
                            const struct part *parts,
                            size_t count,
                            const char *path,
                            struct vs_buf *out,
                            struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_index_map *map = NULL;
    struct vs_index_run_list runs;
    struct test_sink sink;
    struct vs_index_remap_result result;
    test_sink_init(&sink, env);
    vs_index_run_list_init(&runs, env);
    enum vs_status status = vs_file_open_bytes(env, bytes, "base", &file, err);
    if (status == VS_OK) {
        status = vs_index_map_read(env, file, &map, err);
    }
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        size_t run_count = 0;
        const struct vs_index_run *found =
            vs_index_map_find(map, parts[i].file, parts[i].rows, parts[i].sequence, &run_count);
        status = found == NULL ? VS_NOT_FOUND
                               : vs_index_run_list_add(&runs, found, run_count, parts[i].first,
                                                       parts[i].count, err);
    }
    if (status == VS_OK) {
        const struct vs_index_moved_file moved = {vs_str_from_c(path), runs.row_count, 9,
                                                  runs.count, runs.runs};
        struct vs_index_remap spec = {.index_uuid = {{7}}, .moved = &moved, .moved_count = 1};
        status = vs_index_remap_write(env, file, map, &spec, &sink.writer, &result, err);
    }
    if (status == VS_OK) {
        CHECK_INT(result.file_size, sink.bytes.len);
        status = vs_buf_append(out, sink.bytes.data, sink.bytes.len, err);
    }
    vs_buf_clear(&sink.bytes);
    vs_index_run_list_clear(&runs);
    vs_index_map_free(map);
    vs_file_close(file);
    return status;
}

// b.parquet first, without its rows 3 to 6; then rows 0 to 11 of a.parquet.
static enum vs_status remap_base(const struct vs_env *env, struct vs_buf *out, struct vs_error *err)
{
    static char bytes[MAX_FILE];
    size_t size = load(BASE, bytes);
    const struct part parts[] = {{VS_STR("b.parquet"), 27, 2, 0, 3},
                                 {VS_STR("b.parquet"), 27, 2, 7, 20},
                                 {VS_STR("a.parquet"), 13, 1, 0, 12}};
    return remap(env, (struct vs_str){bytes, size}, parts, 3, "new.parquet", out, err);
}

static void remapped_file_is_the_golden_one(void)
{
    static char golden[MAX_FILE];
    struct test_env test;
    struct vs_error err;
    struct vs_buf bytes;
    test_env_init(&test);
    vs_buf_init(&bytes, &test.env, MAX_FILE);
    REQUIRE_OK(remap_base(&test.env, &bytes, &err), err);
    const char *write_to = getenv("VECSTORE_WRITE_GOLDEN");
    if (write_to != NULL) {
        FILE *stream = fopen(write_to, "wb");
        REQUIRE(stream != NULL);
        CHECK(fwrite(bytes.data, 1, bytes.len, stream) == bytes.len);
        fclose(stream);
    }
    size_t size = load(GOLDEN, golden);
    CHECK_INT(size, bytes.len);
    CHECK(size == bytes.len && memcmp(golden, bytes.data, size) == 0);
    vs_buf_clear(&bytes);
    CHECK_INT(test.live, 0);
}

// ---- reading ----

struct opened {
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
};

static enum vs_status open_index(const struct vs_env *env,
                                 struct vs_str bytes,
                                 struct opened *o,
                                 struct vs_error *err)
{
    *o = (struct opened){NULL, NULL, NULL};
    VS_TRY(vs_file_open_bytes(env, bytes, "remapped", &o->file, err));
    VS_TRY(vs_index_open(env, o->file, NULL, &o->index, err));
    return vs_index_scratch_new(env, &o->scratch, err);
}

static void close_index(struct opened *o)
{
    vs_index_scratch_free(o->scratch);
    vs_index_close(o->index);
    vs_file_close(o->file);
}

static void check_runs(const struct vs_index_moved_file *file,
                       const struct vs_index_run *expected,
                       size_t count)
{
    CHECK_INT(file->run_count, count);
    for (size_t i = 0; i < count && i < file->run_count; i++) {
        CHECK_INT(file->runs[i].segment, expected[i].segment);
        CHECK_INT(file->runs[i].first_row, expected[i].first_row);
        CHECK_INT(file->runs[i].position, expected[i].position);
        CHECK_INT(file->runs[i].count, expected[i].count);
    }
}

// Both files answer alike: hits are rows of the segment, which did not change.
static void search_is_the_same(void)
{
    static char base[MAX_FILE], golden[MAX_FILE];
    const struct vs_index_run expected[] = {{0, 13, 0, 3}, {0, 20, 3, 20}, {0, 0, 23, 12}};
    struct test_env test;
    struct vs_error err;
    struct opened was, is;
    struct vs_buf report;
    test_env_init(&test);
    vs_buf_init(&report, &test.env, MAX_FILE);
    struct vs_str base_bytes = {base, load(BASE, base)}, bytes = {golden, load(GOLDEN, golden)};
    REQUIRE_OK(open_index(&test.env, base_bytes, &was, &err), err);
    REQUIRE_OK(open_index(&test.env, bytes, &is, &err), err);
    const struct vs_index_info *info = vs_index_info(is.index);
    CHECK_INT(vs_index_info(was.index)->format_version, 1);
    CHECK_INT(info->format_version, 2);
    CHECK_INT(info->segments[0].file_count, 2); // snapshots from before are still served
    REQUIRE(info->moved_count == 1);
    CHECK_INT(info->moved[0].row_count, 35);
    CHECK_INT(info->moved[0].sequence_number, 9);
    check_runs(&info->moved[0], expected, 3);
    for (uint32_t row = 0; row < ROWS; row++) {
        float vector[4];
        bool present = false;
        struct vs_index_hit before[5], after[5];
        size_t before_count = 0, after_count = 0;
        REQUIRE_OK(vs_index_fetch_vectors(was.index, 0, 0, &row, 1, vector, &present, &err), err);
        struct vs_index_query query = {.vector = vector, .k = 5, .nprobe = 2, .rerank = 20};
        REQUIRE_OK(
            vs_index_search(was.index, &query, was.scratch, before, &before_count, NULL, &err),
            err);
        REQUIRE_OK(vs_index_search(is.index, &query, is.scratch, after, &after_count, NULL, &err),
                   err);
        CHECK_INT(after_count, before_count);
        CHECK(memcmp(before, after, before_count * sizeof *before) == 0);
    }
    REQUIRE_OK(vs_index_verify(&test.env, is.file, NULL, &report, &err), err);
    vs_buf_clear(&report);
    close_index(&was);
    close_index(&is);
    CHECK_INT(test.live, 0);
}

static void runs_compose(void)
{
    static char golden[MAX_FILE];
    const struct vs_index_run expected[] = {{0, 0, 0, 5}, {0, 15, 5, 1}, {0, 20, 6, 3}};
    const struct part again[] = {{VS_STR("new.parquet"), 35, 9, 23, 5},
                                 {VS_STR("new.parquet"), 35, 9, 2, 4}};
    const struct part rest[] = {{VS_STR("b.parquet"), 27, 2, 3, 4}};
    const struct part wrong[] = {{VS_STR("b.parquet"), 27, 3, 3, 4}};
    struct test_env test;
    struct vs_error err;
    struct opened is;
    struct vs_buf bytes;
    test_env_init(&test);
    vs_buf_init(&bytes, &test.env, MAX_FILE);
    struct vs_str base = {golden, load(GOLDEN, golden)};
    REQUIRE_OK(remap(&test.env, base, again, 2, "newer.parquet", &bytes, &err), err);
    REQUIRE_OK(open_index(&test.env, vs_buf_view(&bytes), &is, &err), err);
    const struct vs_index_info *info = vs_index_info(is.index);
    REQUIRE(info->moved_count == 1); // new.parquet left the list
    CHECK(vs_str_equal_c(info->moved[0].path, "newer.parquet"));
    check_runs(&info->moved[0], expected, 3);
    close_index(&is);
    // Rows that did not move again: both stay.
    vs_buf_reset(&bytes);
    REQUIRE_OK(remap(&test.env, base, rest, 1, "rest.parquet", &bytes, &err), err);
    REQUIRE_OK(open_index(&test.env, vs_buf_view(&bytes), &is, &err), err);
    CHECK_INT(vs_index_info(is.index)->moved_count, 2);
    close_index(&is);
    // A file of other rows or another sequence number is not covered.
    CHECK_INT(remap(&test.env, base, wrong, 1, "x", &bytes, &err), VS_NOT_FOUND);
    vs_buf_clear(&bytes);
    CHECK_INT(test.live, 0);
}

static void another_reader_agrees(void)
{
    const char *python = test_python();
    if (python == NULL) {
        SKIP("no Python");
    }
    char program[512], script[] = "tools/read_index.py", path[] = GOLDEN;
    snprintf(program, sizeof program, "%s", python);
    char *const arguments[] = {program, script, path, NULL};
    CHECK_INT(test_run_program(arguments), 0);
}

// ---- hostile bytes ----

static enum vs_status decode(const struct vs_env *env,
                             const struct vs_index_moved_file *files,
                             size_t count,
                             struct vs_str blob,
                             struct vs_error *err)
{
    const struct vs_index_segment segments[] = {{.row_count = 40}, {.row_count = 10}};
    struct vs_index_info info = {
        .segment_count = 2, .segments = segments, .moved = files, .moved_count = count};
    struct vs_arena arena;
    vs_arena_init(&arena, env, 0);
    enum vs_status status = vs_moved_runs_decode(env, blob, "test", &arena, &info, err);
    vs_arena_clear(&arena);
    return status;
}

static void wrong_runs_are_rejected(void)
{
    static const struct {
        struct vs_index_run runs[3];
        uint64_t rows;
        enum vs_status expected;
    } cases[] = {
        {{{0, 5, 0, 3}, {1, 0, 3, 10}, {0, 0, 13, 5}}, 18, VS_OK},
        {{{0, 5, 0, 3}, {1, 0, 3, 10}, {0, 0, 13, 5}}, 19, VS_CORRUPT},  // too few
        {{{0, 5, 0, 3}, {1, 0, 3, 10}, {0, 0, 13, 5}}, 17, VS_CORRUPT},  // too many
        {{{0, 5, 0, 3}, {1, 0, 3, 10}, {0, 0, 13, 6}}, 19, VS_CORRUPT},  // row 5 twice
        {{{0, 5, 0, 3}, {1, 1, 3, 10}, {0, 0, 13, 5}}, 18, VS_CORRUPT},  // beyond segment 1
        {{{0, 38, 0, 3}, {1, 0, 3, 10}, {0, 0, 13, 5}}, 18, VS_CORRUPT}, // beyond segment 0
        {{{2, 5, 0, 3}, {1, 0, 3, 10}, {0, 0, 13, 5}}, 18, VS_CORRUPT},  // no such segment
        {{{0, 5, 0, 3}, {1, 0, 3, 10}, {0, 7, 13, 1}}, 14, VS_CORRUPT},  // row 7 twice
        {{{0, 5, 0, 3}, {1, 0, 3, 10}, {0, 8, 13, 0}}, 13, VS_CORRUPT},  // an empty run
        {{{0, 5, 0, 3}, {1, 0, 3, 10}, {0, 3000000000u, 13, 1}}, 14, VS_CORRUPT},
    };
    struct test_env test;
    test_env_init(&test);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vs_error err = {0};
        struct vs_buf blob;
        const struct vs_index_moved_file file = {VS_STR("x"), cases[i].rows, 1, 3, cases[i].runs};
        vs_buf_init(&blob, &test.env, 4096);
        REQUIRE_OK(vs_moved_runs_encode(&file, 1, &blob, &err), err);
        enum vs_status status = decode(&test.env, &file, 1, vs_buf_view(&blob), &err);
        if (status != cases[i].expected) {
            fprintf(stderr, "    case %zu: %s\n", i, status == VS_OK ? "accepted" : err.message);
        }
        CHECK_INT(status, cases[i].expected);
        vs_buf_clear(&blob);
        CHECK_INT(test.live, 0);
    }
}

// Any byte changed or cut: an answer or a reason, and never a row claimed twice (the decoder's own
// check is the last step, so VS_OK means it passed).
static void damaged_blobs_are_survived(void)
{
    static const struct vs_index_run runs[] = {{0, 5, 0, 3}, {1, 0, 3, 10}, {0, 0, 13, 5}};
    const struct vs_index_moved_file file = {VS_STR("x"), 18, 1, 3, runs};
    struct test_env test;
    struct vs_error err;
    struct vs_buf blob;
    size_t accepted = 0;
    test_env_init(&test);
    vs_buf_init(&blob, &test.env, 4096);
    REQUIRE_OK(vs_moved_runs_encode(&file, 1, &blob, &err), err);
    CHECK_INT(blob.len, 64 + 9); // three bytes a run
    for (size_t at = 0; at < blob.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            blob.data[at] ^= (uint8_t)(1 << bit);
            enum vs_status status = decode(&test.env, &file, 1, vs_buf_view(&blob), &err);
            CHECK(status != VS_OK || at >= 64);
            accepted += status == VS_OK;
            blob.data[at] ^= (uint8_t)(1 << bit);
        }
    }
    CHECK(accepted < 12); // other first rows that are free
    for (size_t n = 0; n < blob.len; n++) {
        struct vs_str cut = {(const char *)blob.data, n};
        CHECK(decode(&test.env, &file, 1, cut, &err) != VS_OK);
    }
    const struct vs_index_moved_file more = {VS_STR("x"), 18, 1, 4, runs};
    CHECK_INT(decode(&test.env, &more, 1, vs_buf_view(&blob), &err), VS_CORRUPT);
    vs_buf_clear(&blob);
    CHECK_INT(test.live, 0);
}

static void failing_allocations_are_survived(void)
{
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_error err;
        struct vs_buf bytes;
        struct opened is = {NULL, NULL, NULL};
        test_env_init(&test);
        test.fail_at = n;
        vs_buf_init(&bytes, &test.env, MAX_FILE);
        enum vs_status status = remap_base(&test.env, &bytes, &err);
        if (status == VS_OK) {
            status = open_index(&test.env, vs_buf_view(&bytes), &is, &err);
        }
        close_index(&is);
        vs_buf_clear(&bytes);
        CHECK_INT(test.live, 0);
        CHECK(status == VS_OK || status == VS_NO_MEMORY);
        if (!test.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
    }
}

TEST_MAIN(TEST(remapped_file_is_the_golden_one),
          TEST(search_is_the_same),
          TEST(runs_compose),
          TEST(another_reader_agrees),
          TEST(wrong_runs_are_rejected),
          TEST(damaged_blobs_are_survived),
          TEST(failing_allocations_are_survived))
