// SPDX-License-Identifier: Apache-2.0
// Segments put together: equal to a build in one pass over the same rows with the same codebook.
#include "index/index_merge.h"
#include "index/list_summary.h"
#include "tests/support/check.h"
#include "tests/support/index_parts.h"
#include "tests/support/test_env.h"

#include <stdlib.h>

#define ROWS 3000
#define FIELD 2
#define SMALL 100

static const struct part_range ranges[] = {
    {"a", 0, 700}, {"b", 700, 500}, {"c", 1200, 1100}, {"d", 2300, 700}};

struct world {
    struct test_env test;
    struct fixture f;
    struct test_sink trained_bytes;
    struct part_index trained;
};

// Vectors stored in the indexes.
enum stored { NONE, HALF, EXACT };

static bool world_open(struct world *w, bool values, enum stored stored, enum vs_metric metric)
{
    struct vs_error err = {0};
    *w = (struct world){.f = {.row_count = ROWS,
                              .dim = 32,
                              .cluster_count = 12,
                              .metric = metric,
                              .null_every = 7,
                              .spread = 0.4F,
                              .seed = 5,
                              .values = values}};
    test_env_init(&w->test);
    fixture_make(&w->f, 20);
    const struct part_build build = {.small_rows = SMALL,
                                     .list_count = 16,
                                     .second = VS_SECOND_OFF,
                                     .exact_rows = stored != NONE,
                                     .half_rows = stored == HALF,
                                     .snapshot_id = 1};
    CHECK_OK(parts_build(&w->test.env, &w->f, &build, ranges, 4, &w->trained_bytes, &err), err);
    CHECK_OK(part_open(&w->test.env, &w->trained_bytes, "trained", &w->trained, &err), err);
    return w->trained.index != NULL;
}

static void world_close(struct world *w)
{
    part_close(&w->trained);
    vs_buf_clear(&w->trained_bytes.bytes);
    fixture_free(&w->f);
    CHECK_INT(w->test.live, 0);
}

struct made {
    struct test_sink sink;
    struct part_index part;
};

static void made_clear(struct made *m)
{
    part_close(&m->part);
    vs_buf_clear(&m->sink.bytes);
}

// Built with the trained codebook.
static bool make(struct world *w,
                 const struct part_range *files,
                 size_t count,
                 enum stored stored,
                 bool second,
                 struct made *out)
{
    struct vs_error err = {0};
    const struct part_build build = {.codebook = &w->trained.index->codebooks[0],
                                     .small_rows = SMALL,
                                     .list_count = 16,
                                     .second = second ? VS_SECOND_ON : VS_SECOND_OFF,
                                     .exact_rows = stored != NONE,
                                     .half_rows = stored == HALF,
                                     .snapshot_id = 7};
    *out = (struct made){0};
    CHECK_OK(parts_build(&w->test.env, &w->f, &build, files, count, &out->sink, &err), err);
    CHECK_OK(part_open(&w->test.env, &out->sink, "part", &out->part, &err), err);
    return out->part.index != NULL;
}

// A sink that moves ranges as a kernel or store does, unseen by who copies.
static bool sink_moves;

static enum vs_status sink_copy(struct vs_writer *writer,
                                struct vs_file *file,
                                uint64_t offset,
                                uint64_t len,
                                uint64_t *copied_out,
                                struct vs_error *err)
{
    struct vs_buf *bytes = &((struct test_sink *)writer)->bytes;
    VS_TRY(vs_buf_reserve(bytes, (size_t)len, err));
    VS_TRY(vs_file_read(file, offset, (size_t)len, bytes->data + bytes->len, err));
    bytes->len += (size_t)len;
    *copied_out = len;
    return VS_OK;
}

static const struct vs_writer_vtable moving_sink = {.write = test_sink_write,
                                                    .finish = test_sink_finish,
                                                    .free = test_sink_free,
                                                    .copy = sink_copy};

static enum vs_status merge_parts(const struct vs_env *env,
                                  const struct vs_merge_source *sources,
                                  size_t source_count,
                                  const struct vs_merge_segment *segments,
                                  size_t segment_count,
                                  struct made *out,
                                  struct vs_error *err)
{
    const struct vs_merge merge = {.index_uuid = {{8}},
                                   .snapshot_id = 7,
                                   .sequence_number = 5,
                                   .source_count = source_count,
                                   .sources = sources,
                                   .segment_count = segment_count,
                                   .segments = segments};
    struct vs_merge_result result;
    *out = (struct made){0};
    test_sink_init(&out->sink, env);
    out->sink.writer.vtable = sink_moves ? &moving_sink : out->sink.writer.vtable;
    VS_TRY(vs_index_merge(env, &merge, &out->sink.writer, &result, err));
    CHECK_INT(result.file_size, out->sink.bytes.len);
    return part_open(env, &out->sink, "merged", &out->part, err);
}

static void same_blob(const struct made *a, const struct made *b, const char *type, int32_t field)
{
    struct vs_str x = part_blob(&a->part, &a->sink, type, 0, field),
                  y = part_blob(&b->part, &b->sink, type, 0, field);
    if (x.len != y.len || (x.len > 0 && memcmp(x.ptr, y.ptr, x.len) != 0)) {
        fprintf(stderr, "    blob %s differs: %zu and %zu bytes\n", type, x.len, y.len);
        CHECK(false);
    }
}

static void same_rows(const struct made *a, const struct made *b)
{
    static const int32_t fields[] = {1, 4, 5};
    for (size_t i = 0; i < 3; i++) {
        struct vs_column x = {0}, y = {0};
        struct vs_error err;
        REQUIRE_OK(vs_index_load_column(a->part.index, 0, fields[i], &x, &err), err);
        REQUIRE_OK(vs_index_load_column(b->part.index, 0, fields[i], &y, &err), err);
        CHECK_INT(x.row_count, y.row_count);
        for (size_t r = 0; r < x.row_count && r < y.row_count; r++) {
            struct vs_value u = vs_column_get(&x, r), v = vs_column_get(&y, r);
            if (u.kind == VS_KIND_LONG ? u.as.integer != v.as.integer
                                       : !vs_str_equal(u.as.text, v.as.text)) {
                fprintf(stderr, "    field %d, row %zu differs\n", (int)fields[i], r);
                CHECK(false);
                break;
            }
        }
        vs_column_clear(&x);
        vs_column_clear(&y);
    }
}

static void verifies(const struct world *w, const struct made *m)
{
    struct vs_buf report;
    struct vs_error err = {0};
    vs_buf_init(&report, &w->test.env, 1 << 20);
    CHECK_OK(vs_index_verify(&w->test.env, m->part.file, NULL, &report, &err), err);
    vs_buf_clear(&report);
}

static void join_equals_one_pass_for(bool values,
                                     enum stored stored,
                                     bool second,
                                     enum vs_metric metric)
{
    struct world w;
    struct made a, b, one, merged;
    struct vs_error err = {0};
    REQUIRE(world_open(&w, values, stored, metric));
    REQUIRE(make(&w, ranges, 2, stored, second, &a));
    REQUIRE(make(&w, ranges + 2, 2, stored, second, &b));
    REQUIRE(make(&w, ranges, 4, stored, second, &one));
    const struct vs_merge_source sources[] = {{a.part.file, a.part.index},
                                              {b.part.file, b.part.index}};
    const struct vs_merge_part parts[] = {{0, 0, NULL}, {1, 0, NULL}};
    const struct vs_merge_segment segment = {2, parts};
    REQUIRE_OK(merge_parts(&w.test.env, sources, 2, &segment, 1, &merged, &err), err);
    same_blob(&one, &merged, VS_BLOB_HOT, FIELD);
    same_blob(&one, &merged, VS_BLOB_LISTS, FIELD);
    same_blob(&one, &merged, VS_BLOB_ROWS, FIELD);
    same_blob(&one, &merged, VS_BLOB_SUMMARY, FIELD);
    same_blob(&one, &merged, VS_BLOB_VECTORS, FIELD);
    same_blob(&one, &merged, VS_BLOB_VECTORS16, FIELD);
    CHECK((part_blob(&merged.part, &merged.sink, VS_BLOB_VECTORS, 0, FIELD).len > 0) ==
          (stored == EXACT));
    CHECK((part_blob(&merged.part, &merged.sink, VS_BLOB_VECTORS16, 0, FIELD).len > 0) ==
          (stored == HALF));
    CHECK(vs_index_info(merged.part.index)->columns[0].has_half_rows == (stored == HALF));
    CHECK(vs_index_info(merged.part.index)->columns[0].has_exact_rows == (stored == EXACT));
    same_blob(&one, &merged, VS_BLOB_ATTRS, -1);
    same_blob(&one, &merged, VS_BLOB_IDS, -1);
    if (values) {
        same_rows(&one, &merged);
    }
    const struct vs_index_info *info = vs_index_info(merged.part.index);
    CHECK_INT(info->segments[0].file_count, 4);
    CHECK_INT(info->segments[0].files[3].first_row, 2300);
    CHECK_INT(merged.part.index->descriptor.segments[0].columns[0].vector_count,
              one.part.index->descriptor.segments[0].columns[0].vector_count);
    verifies(&w, &merged);
    made_clear(&a);
    made_clear(&b);
    made_clear(&one);
    made_clear(&merged);
    world_close(&w);
}

static void join_equals_one_pass(void)
{
    join_equals_one_pass_for(true, EXACT, false, VS_METRIC_COSINE);
    join_equals_one_pass_for(false, NONE, false, VS_METRIC_L2);
    join_equals_one_pass_for(true, HALF, false, VS_METRIC_L2);
}

static void join_of_second_assignments_equals_one_pass(void)
{
    join_equals_one_pass_for(true, NONE, true, VS_METRIC_COSINE);
    join_equals_one_pass_for(true, EXACT, true, VS_METRIC_IP);
    join_equals_one_pass_for(false, HALF, true, VS_METRIC_IP);
}

// Rows of files that are left out are as if they had never been there.
static void dropped_files_leave_no_trace(bool second)
{
    struct world w;
    struct made a, b, one, merged;
    struct vs_error err = {0};
    const struct part_range kept[] = {ranges[0], ranges[2], ranges[3]};
    const bool keep_first[] = {true, false};
    REQUIRE(world_open(&w, true, EXACT, VS_METRIC_COSINE));
    REQUIRE(make(&w, ranges, 2, EXACT, second, &a));
    REQUIRE(make(&w, ranges + 2, 2, EXACT, second, &b));
    REQUIRE(make(&w, kept, 3, EXACT, second, &one));
    const struct vs_merge_source sources[] = {{a.part.file, a.part.index},
                                              {b.part.file, b.part.index}};
    const struct vs_merge_part parts[] = {{0, 0, keep_first}, {1, 0, NULL}};
    const struct vs_merge_segment segment = {2, parts};
    REQUIRE_OK(merge_parts(&w.test.env, sources, 2, &segment, 1, &merged, &err), err);
    same_blob(&one, &merged, VS_BLOB_LISTS, FIELD);
    same_blob(&one, &merged, VS_BLOB_ROWS, FIELD);
    same_blob(&one, &merged, VS_BLOB_VECTORS, FIELD);
    same_blob(&one, &merged, VS_BLOB_IDS, -1);
    same_rows(&one, &merged);
    verifies(&w, &merged);
    made_clear(&a);
    made_clear(&b);
    made_clear(&one);
    made_clear(&merged);
    world_close(&w);
}

static void dropped_files(void)
{
    dropped_files_leave_no_trace(false);
    dropped_files_leave_no_trace(true);
}

// What refresh does: old segments as they are, a new one beside them.
static void segments_are_carried_byte_for_byte(void)
{
    struct world w;
    struct made a, b, merged;
    struct vs_error err = {0};
    REQUIRE(world_open(&w, true, NONE, VS_METRIC_COSINE));
    REQUIRE(make(&w, ranges, 3, NONE, false, &a));
    REQUIRE(make(&w, ranges + 3, 1, NONE, false, &b));
    const struct vs_merge_source sources[] = {{a.part.file, a.part.index},
                                              {b.part.file, b.part.index}};
    const struct vs_merge_part parts[] = {{0, 0, NULL}, {1, 0, NULL}};
    const struct vs_merge_segment segments[] = {{1, &parts[0]}, {1, &parts[1]}};
    REQUIRE_OK(merge_parts(&w.test.env, sources, 2, segments, 2, &merged, &err), err);
    static const char *const types[] = {VS_BLOB_HOT,   VS_BLOB_LISTS,   VS_BLOB_ROWS,
                                        VS_BLOB_ATTRS, VS_BLOB_PAYLOAD, VS_BLOB_IDS};
    for (int32_t s = 0; s < 2; s++) {
        const struct made *from = s == 0 ? &a : &b;
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            int32_t field = t < 3 ? FIELD : -1;
            struct vs_str x = part_blob(&from->part, &from->sink, types[t], 0, field),
                          y = part_blob(&merged.part, &merged.sink, types[t], s, field);
            CHECK(x.len > 0 && vs_str_equal(x, y));
        }
    }
    verifies(&w, &merged);
    // Both answer: every row is found by its own vector.
    struct vs_index_scratch *scratch = NULL;
    REQUIRE_OK(vs_index_scratch_new(&w.test.env, &scratch, &err), err);
    for (size_t row = 2300; row < 2310; row++) {
        struct vs_index_hit hit;
        struct vs_index_stats stats;
        size_t count = 0;
        const struct vs_index_query query = {.segment = 1,
                                             .vector = w.f.vectors + row * w.f.dim,
                                             .k = 1,
                                             .nprobe = 16,
                                             .rerank = 100};
        if (!fixture_has_vector(&w.f, row)) {
            continue;
        }
        REQUIRE_OK(vs_index_search(merged.part.index, &query, scratch, &hit, &count, &stats, &err),
                   err);
        CHECK(count == 1 && hit.row == row - 2300);
    }
    vs_index_scratch_free(scratch);
    made_clear(&a);
    made_clear(&b);
    made_clear(&merged);
    world_close(&w);
}

// Flat segments: their vectors follow each other.
static void flat_segments_join(void)
{
    struct test_env test;
    struct fixture f = {.row_count = 90,
                        .dim = 10,
                        .cluster_count = 3,
                        .metric = VS_METRIC_L2,
                        .null_every = 5,
                        .spread = 0.3F,
                        .seed = 9,
                        .values = true};
    const struct part_range small[] = {{"a", 0, 41}, {"b", 41, 20}, {"c", 61, 29}};
    struct made a = {0}, b = {0}, one = {0}, merged = {0};
    struct vs_error err = {0};
    test_env_init(&test);
    fixture_make(&f, 1);
    const struct part_build build = {.small_rows = 1000, .snapshot_id = 7};
    REQUIRE_OK(parts_build(&test.env, &f, &build, small, 1, &a.sink, &err), err);
    REQUIRE_OK(parts_build(&test.env, &f, &build, small + 1, 2, &b.sink, &err), err);
    REQUIRE_OK(parts_build(&test.env, &f, &build, small, 3, &one.sink, &err), err);
    REQUIRE_OK(part_open(&test.env, &a.sink, "a", &a.part, &err), err);
    REQUIRE_OK(part_open(&test.env, &b.sink, "b", &b.part, &err), err);
    REQUIRE_OK(part_open(&test.env, &one.sink, "one", &one.part, &err), err);
    const struct vs_merge_source sources[] = {{a.part.file, a.part.index},
                                              {b.part.file, b.part.index}};
    const struct vs_merge_part parts[] = {{0, 0, NULL}, {1, 0, NULL}};
    const struct vs_merge_segment segment = {2, parts};
    REQUIRE_OK(merge_parts(&test.env, sources, 2, &segment, 1, &merged, &err), err);
    same_blob(&one, &merged, VS_BLOB_VECTORS, FIELD);
    same_blob(&one, &merged, VS_BLOB_IDS, -1);
    same_rows(&one, &merged);
    made_clear(&a);
    made_clear(&b);
    made_clear(&one);
    made_clear(&merged);
    fixture_free(&f);
    CHECK_INT(test.live, 0);
}

// The blob of segment 1 does not have the checksum that the descriptor gives, and verify says so.
static void damage_shows(struct world *w, struct made *merged, const char *type)
{
    struct vs_file *file = NULL;
    struct vs_buf report;
    struct vs_error err = {0};
    vs_buf_init(&report, &w->test.env, 1 << 20);
    REQUIRE_OK(
        vs_file_open_bytes(&w->test.env, vs_buf_view(&merged->sink.bytes), "copy", &file, &err),
        err);
    CHECK_STATUS(vs_index_verify(&w->test.env, file, NULL, &report, &err), VS_CORRUPT);
    CHECK(vs_buf_c_str(&report) != NULL && strstr((const char *)report.data, type) != NULL);
    vs_buf_clear(&report);
    vs_file_close(file);
}

// A damaged source is named, and every failed allocation and write leaves nothing behind.
static void failures_are_reported_with(enum stored stored)
{
    struct world w;
    struct made a, b, merged = {0};
    struct vs_error err = {0};
    REQUIRE(world_open(&w, true, stored, VS_METRIC_COSINE));
    REQUIRE(make(&w, ranges, 2, stored, true, &a));
    REQUIRE(make(&w, ranges + 2, 2, stored, true, &b));
    const struct vs_merge_source sources[] = {{a.part.file, a.part.index},
                                              {b.part.file, b.part.index}};
    const struct vs_merge_part parts[] = {{0, 0, NULL}, {1, 0, NULL}};
    const struct vs_merge_segment joined = {2, parts};
    const struct vs_merge_segment carried[] = {{1, &parts[0]}, {1, &parts[1]}};
    const char *const types[] = {VS_BLOB_HOT, VS_BLOB_LISTS, VS_BLOB_ROWS,
                                 vs_vectors_blob(stored == HALF)};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        const struct vs_blob_entry *blob =
            vs_descriptor_blob(&b.part.index->descriptor, types[t], 0, FIELD);
        REQUIRE(blob != NULL);
        uint8_t *byte = b.sink.bytes.data + blob->offset + blob->length / 3;
        *byte ^= 4;
        CHECK_STATUS(merge_parts(&w.test.env, sources, 2, &joined, 1, &merged, &err), VS_CORRUPT);
        made_clear(&merged);
        for (int moves = 0; moves < 2; moves++) {
            sink_moves = moves == 1;
            enum vs_status status = merge_parts(&w.test.env, sources, 2, carried, 2, &merged, &err);
            sink_moves = false;
            if (moves == 1 && t > 0) { // unread: the checksums that came along tell it as before
                CHECK(status == VS_OK || strstr(err.message, "merged: ") != NULL); // when opened
                damage_shows(&w, &merged, types[t]);
            } else {
                CHECK_STATUS(status, VS_CORRUPT);
                CHECK(strstr(err.message, types[t]) != NULL);
            }
            made_clear(&merged);
        }
        *byte ^= 4;
    }
    long live = w.test.live;
    for (long n = 0; n < 3000; n += n < 100 ? 1 : 37) {
        w.test.fail_at = w.test.calls + n;
        w.test.failed = false;
        enum vs_status status = merge_parts(&w.test.env, sources, 2, &joined, 1, &merged, &err);
        bool failed = w.test.failed;
        w.test.fail_at = -1;
        made_clear(&merged);
        CHECK_INT(w.test.live, live);
        if (!failed) {
            CHECK_STATUS(status, VS_OK);
            break;
        }
        CHECK(status == VS_OK || status == VS_NO_MEMORY); // buffers may do with less
    }
    made_clear(&a);
    made_clear(&b);
    world_close(&w);
}

// A refresh adds a flat segment (f32) to lists with half vectors, and lists without any.
static void flat_segments_stand_beside_half_ones(void)
{
    struct world w;
    struct made half, flat = {0}, none, merged;
    struct vs_error err = {0};
    REQUIRE(world_open(&w, true, HALF, VS_METRIC_L2));
    REQUIRE(make(&w, ranges, 2, HALF, false, &half));
    REQUIRE(make(&w, ranges + 2, 1, NONE, false, &none));
    const struct part_build build = {
        .small_rows = 10000, .exact_rows = true, .half_rows = true, .snapshot_id = 7};
    REQUIRE_OK(parts_build(&w.test.env, &w.f, &build, ranges + 3, 1, &flat.sink, &err), err);
    REQUIRE_OK(part_open(&w.test.env, &flat.sink, "flat", &flat.part, &err), err);
    const struct vs_merge_source sources[] = {{half.part.file, half.part.index},
                                              {flat.part.file, flat.part.index},
                                              {none.part.file, none.part.index}};
    const struct vs_merge_part parts[] = {{0, 0, NULL}, {1, 0, NULL}, {2, 0, NULL}};
    const struct vs_merge_segment apart[] = {{1, &parts[0]}, {1, &parts[1]}};
    REQUIRE_OK(merge_parts(&w.test.env, sources, 2, apart, 2, &merged, &err), err);
    CHECK(vs_index_info(merged.part.index)->columns[0].has_half_rows);
    CHECK(!vs_index_info(merged.part.index)->columns[0].has_exact_rows);
    CHECK(merged.part.index->segments[0].parts[0].half);
    CHECK(!merged.part.index->segments[1].parts[0].half);
    for (size_t s = 0; s < 2; s++) {
        const struct made *from = s == 0 ? &half : &flat;
        uint32_t row = 0;
        float a[32], b[32];
        REQUIRE_OK(vs_index_read_vectors(merged.part.index, s, 0, &row, 1, a, &err), err);
        REQUIRE_OK(vs_index_read_vectors(from->part.index, 0, 0, &row, 1, b, &err), err);
        CHECK(a[0] != 0.0F && memcmp(a, b, sizeof a) == 0);
    }
    verifies(&w, &merged);
    made_clear(&merged);
    const struct vs_merge_part mixed[] = {parts[0], parts[2]};
    const struct vs_merge_segment together = {2, mixed};
    REQUIRE_OK(merge_parts(&w.test.env, sources, 3, &together, 1, &merged, &err), err);
    CHECK(!vs_index_info(merged.part.index)->columns[0].has_half_rows &&
          !vs_index_info(merged.part.index)->columns[0].has_exact_rows);
    CHECK(part_blob(&merged.part, &merged.sink, VS_BLOB_VECTORS16, 0, FIELD).len == 0);
    verifies(&w, &merged);
    made_clear(&merged);
    made_clear(&half);
    made_clear(&flat);
    made_clear(&none);
    world_close(&w);
}

static void failures_are_reported(void)
{
    failures_are_reported_with(EXACT);
    failures_are_reported_with(HALF);
}

// Both files are named.
static void strangers_do_not_join(void)
{
    struct world w;
    struct made a, merged = {0};
    struct vs_error err = {0};
    REQUIRE(world_open(&w, true, EXACT, VS_METRIC_COSINE));
    REQUIRE(make(&w, ranges, 2, EXACT, false, &a));
    const struct vs_merge_source sources[] = {{w.trained.file, w.trained.index},
                                              {a.part.file, a.part.index}};
    const struct vs_merge_part parts[] = {{0, 0, NULL}, {1, 0, NULL}};
    const struct vs_merge_segment joined = {2, parts};
    a.part.index->descriptor.info.table_uuid.bytes[3] ^= 1;
    CHECK_STATUS(merge_parts(&w.test.env, sources, 2, &joined, 1, &merged, &err), VS_INVALID);
    CHECK(strstr(err.message, "part and trained belong to different tables") != NULL);
    made_clear(&merged);
    made_clear(&a);
    world_close(&w);
}

TEST_MAIN(TEST(strangers_do_not_join),
          TEST(join_equals_one_pass),
          TEST(join_of_second_assignments_equals_one_pass),
          TEST(dropped_files),
          TEST(segments_are_carried_byte_for_byte),
          TEST(flat_segments_join),
          TEST(flat_segments_stand_beside_half_ones),
          TEST(failures_are_reported))
