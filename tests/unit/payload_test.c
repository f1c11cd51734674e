// SPDX-License-Identifier: Apache-2.0
// Payload blobs: rows in any order against the original batch, few bytes read for few rows, every
// flip and truncation refused.
#include "index/attrs.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>

#define FIELDS 3

static const struct vs_field FIELD[FIELDS] = {
    {.id = 7, .name = {"text", 4}, .kind = VS_KIND_STRING},
    {.id = 8, .name = {"n", 1}, .kind = VS_KIND_LONG},
    {.id = 9,
     .name = {"tags", 4},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_STRING,
     .element_id = 10},
};

static uint64_t state = 9;

static uint32_t next_random(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static enum vs_status fill(struct vs_batch *batch,
                           size_t rows,
                           size_t text_len,
                           struct vs_error *err)
{
    static char text[100000];
    for (size_t i = 0; i < rows; i++) {
        struct vs_value value = {.kind = VS_KIND_LONG, .as.integer = (int64_t)(i * i)};
        size_t len = i % 97 == 5 ? 60000 % sizeof text : next_random() % (text_len + 1);
        for (size_t j = 0; j < len; j++) {
            text[j] = (char)('a' + next_random() % 26);
        }
        VS_TRY(i % 7 == 3 ? vs_column_append_null(&batch->columns[0], err)
                          : vs_column_append_bytes(&batch->columns[0], text, len, err));
        VS_TRY(vs_column_append(&batch->columns[1], &value, err));
        for (size_t t = 0; t < i % 3; t++) {
            VS_TRY(vs_column_append_bytes(batch->columns[2].child, text, len % 9, err));
        }
        VS_TRY(vs_column_end_list(&batch->columns[2], err));
    }
    batch->row_count = rows;
    return VS_OK;
}

// Writes the batch in slices of `slice` rows.
static enum vs_status write_payload(const struct vs_env *env,
                                    const struct vs_batch *batch,
                                    size_t slice,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    struct vs_payload_writer *writer = NULL;
    struct vs_batch part = {0};
    VS_TRY(vs_payload_writer_open(env, FIELD, FIELDS, &writer, err));
    enum vs_status status = vs_batch_init(&part, env, FIELD, FIELDS, err);
    for (size_t first = 0; first < batch->row_count && status == VS_OK; first += slice) {
        size_t count = batch->row_count - first < slice ? batch->row_count - first : slice;
        vs_batch_reset(&part);
        for (size_t f = 0; f < FIELDS && status == VS_OK; f++) {
            status = vs_column_append_rows(&part.columns[f], &batch->columns[f], first, count, err);
        }
        part.row_count = count;
        if (status == VS_OK) {
            status = vs_payload_writer_add(writer, &part, out, err);
        }
    }
    if (status == VS_OK) {
        status = vs_payload_writer_finish(writer, out, err);
    }
    vs_batch_clear(&part);
    vs_payload_writer_free(writer);
    return status;
}

static bool same_row(const struct vs_batch *a, size_t row_a, const struct vs_batch *b, size_t row_b)
{
    struct vs_str text_a = vs_column_get_bytes(&a->columns[0], row_a),
                  text_b = vs_column_get_bytes(&b->columns[0], row_b);
    size_t first_a, count_a, first_b, count_b;
    vs_column_get_list(&a->columns[2], row_a, &first_a, &count_a);
    vs_column_get_list(&b->columns[2], row_b, &first_b, &count_b);
    bool same =
        vs_str_equal(text_a, text_b) && count_a == count_b &&
        vs_column_is_null(&a->columns[0], row_a) == vs_column_is_null(&b->columns[0], row_b) &&
        vs_column_get(&a->columns[1], row_a).as.integer ==
            vs_column_get(&b->columns[1], row_b).as.integer;
    for (size_t i = 0; i < count_a && same; i++) {
        same = vs_str_equal(vs_column_get_bytes(a->columns[2].child, first_a + i),
                            vs_column_get_bytes(b->columns[2].child, first_b + i));
    }
    return same;
}

static enum vs_status open_bytes(const struct vs_env *env,
                                 struct vs_str bytes,
                                 size_t rows,
                                 struct vs_file **file,
                                 struct vs_payload_reader **reader,
                                 struct vs_error *err)
{
    VS_TRY(vs_file_open_bytes(env, bytes, "t", file, err));
    const struct vs_payload_place place = {.file = *file,
                                           .length = bytes.len,
                                           .fields = FIELD,
                                           .field_count = FIELDS,
                                           .row_count = rows};
    return vs_payload_open(env, &place, reader, err);
}

static void check_fetch(struct vs_payload_reader *reader,
                        const struct vs_batch *batch,
                        const uint32_t *rows,
                        size_t count)
{
    struct vs_batch got = {0};
    struct vs_error err = {0};
    REQUIRE_OK(vs_batch_init(&got, vs_env_default(), FIELD, FIELDS, &err), err);
    CHECK_OK(vs_payload_fetch(reader, rows, count, NULL, &got, &err), err);
    CHECK_INT(got.row_count, count);
    for (size_t i = 0; i < count && got.row_count == count; i++) {
        CHECK(same_row(batch, rows[i], &got, i));
    }
    vs_batch_clear(&got);
}

static void check_payload(size_t rows, size_t text_len, size_t slice)
{
    struct vs_batch batch = {0};
    struct vs_error err = {0};
    struct vs_buf blob;
    struct vs_file *file = NULL;
    struct vs_payload_reader *reader = NULL;
    vs_buf_init(&blob, vs_env_default(), SIZE_MAX / 2);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), FIELD, FIELDS, &err), err);
    CHECK_OK(fill(&batch, rows, text_len, &err), err);
    CHECK_OK(write_payload(vs_env_default(), &batch, slice, &blob, &err), err);
    enum vs_status status =
        open_bytes(vs_env_default(), vs_buf_view(&blob), rows, &file, &reader, &err);
    CHECK_OK(status, err);
    if (status == VS_OK) {
        uint32_t picks[200], *all = malloc((rows + 1) * sizeof *all);
        for (size_t i = 0; i < rows; i++) {
            all[i] = (uint32_t)i;
        }
        check_fetch(reader, &batch, all, rows);
        check_fetch(reader, &batch, all, 0);
        for (size_t i = 0; i < 200 && rows > 0; i++) {
            picks[i] = next_random() % (uint32_t)rows; // any order, repeats
        }
        check_fetch(reader, &batch, picks, rows > 0 ? 200 : 0);
        struct vs_batch none = {0};
        CHECK_OK(vs_batch_init(&none, vs_env_default(), FIELD, FIELDS, &err), err);
        picks[0] = (uint32_t)rows;
        CHECK_STATUS(vs_payload_fetch(reader, picks, 1, NULL, &none, &err), VS_INVALID);
        vs_batch_clear(&none);
        free(all);
    }
    vs_payload_close(reader);
    vs_file_close(file);
    vs_batch_clear(&batch);
    vs_buf_clear(&blob);
}

static void case_round_trip(void)
{
    check_payload(0, 10, 10);
    check_payload(1, 10, 10);
    check_payload(1000, 30, 1000);
    check_payload(3000, 400, 170);
    check_payload(500, 3000, 1);
}

static void case_wanted(void)
{
    struct vs_batch batch = {0}, got = {0};
    struct vs_error err = {0};
    struct vs_buf blob;
    struct vs_file *file = NULL;
    struct vs_payload_reader *reader = NULL;
    static const bool wanted[FIELDS] = {false, true, false};
    uint32_t rows[3] = {90, 4, 55};
    vs_buf_init(&blob, vs_env_default(), SIZE_MAX / 2);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), FIELD, FIELDS, &err), err);
    REQUIRE_OK(fill(&batch, 100, 500, &err), err);
    REQUIRE_OK(write_payload(vs_env_default(), &batch, 64, &blob, &err), err);
    REQUIRE_OK(open_bytes(vs_env_default(), vs_buf_view(&blob), 100, &file, &reader, &err), err);
    REQUIRE_OK(vs_batch_init(&got, vs_env_default(), FIELD + 1, 1, &err), err);
    CHECK_OK(vs_payload_fetch(reader, rows, 3, wanted, &got, &err), err);
    CHECK_INT(got.row_count, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(vs_column_get(&got.columns[0], i).as.integer, rows[i] * rows[i]);
    }
    CHECK_STATUS(vs_payload_fetch(reader, rows, 3, NULL, &got, &err), VS_INTERNAL);
    vs_batch_clear(&got);
    vs_batch_clear(&batch);
    vs_payload_close(reader);
    vs_file_close(file);
    vs_buf_clear(&blob);
}

// A flip anywhere: opening or fetching all rows fails; never other values.
static void case_damage(void)
{
    struct vs_batch batch = {0};
    struct vs_error err = {0};
    struct vs_buf blob;
    uint32_t rows[20];
    vs_buf_init(&blob, vs_env_default(), SIZE_MAX / 2);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), FIELD, FIELDS, &err), err);
    REQUIRE_OK(fill(&batch, 5, 40, &err), err);
    REQUIRE_OK(write_payload(vs_env_default(), &batch, 3, &blob, &err), err);
    for (uint32_t i = 0; i < 5; i++) {
        rows[i] = i;
    }
    for (size_t i = 0; i < 2 * blob.len; i++) {
        bool cut = i >= blob.len;
        size_t at = i % blob.len;
        struct vs_str bytes = {(const char *)blob.data, cut ? at : blob.len};
        struct vs_file *file = NULL;
        struct vs_payload_reader *reader = NULL;
        blob.data[at] ^= cut ? 0 : 0x10;
        enum vs_status status = open_bytes(vs_env_default(), bytes, 5, &file, &reader, &err);
        if (status == VS_OK) {
            struct vs_batch got = {0};
            CHECK_OK(vs_batch_init(&got, vs_env_default(), FIELD, FIELDS, &err), err);
            status = vs_payload_fetch(reader, rows, 5, NULL, &got, &err);
            vs_batch_clear(&got);
        }
        CHECK_STATUS(status, VS_CORRUPT);
        blob.data[at] ^= cut ? 0 : 0x10;
        vs_payload_close(reader);
        vs_file_close(file);
    }
    vs_batch_clear(&batch);
    vs_buf_clear(&blob);
}

static enum vs_status write_and_read(const struct vs_env *env,
                                     const struct vs_batch *batch,
                                     struct vs_error *err)
{
    static const uint32_t rows[4] = {70, 3, 3, 99};
    struct vs_buf blob;
    struct vs_file *file = NULL;
    struct vs_payload_reader *reader = NULL;
    struct vs_batch got = {0};
    vs_buf_init(&blob, env, SIZE_MAX / 2);
    enum vs_status status = write_payload(env, batch, 60, &blob, err);
    if (status == VS_OK) {
        status = open_bytes(env, vs_buf_view(&blob), 100, &file, &reader, err);
    }
    if (status == VS_OK) {
        status = vs_batch_init(&got, env, FIELD, FIELDS, err);
    }
    if (status == VS_OK) {
        status = vs_payload_fetch(reader, rows, 4, NULL, &got, err);
    }
    if (got.columns != NULL) {
        vs_batch_clear(&got);
    }
    vs_payload_close(reader);
    vs_file_close(file);
    vs_buf_clear(&blob);
    return status;
}

static void case_no_memory(void)
{
    struct vs_batch batch = {0};
    struct vs_error err = {0};
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), FIELD, FIELDS, &err), err);
    REQUIRE_OK(fill(&batch, 100, 60, &err), err);
    int refused = 0;
    for (long n = 0;; n++) {
        struct test_env test;
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status = write_and_read(&test.env, &batch, &err);
        // A buffer that cannot grow generously grows exactly: not every failed allocation is one of
        // the operation.
        CHECK(status == VS_OK || (test.failed && status == VS_NO_MEMORY));
        refused += status == VS_NO_MEMORY;
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            break;
        }
    }
    CHECK(refused >= 20);
    vs_batch_clear(&batch);
}

TEST_MAIN(TEST(case_round_trip), TEST(case_wanted), TEST(case_damage), TEST(case_no_memory))
