// SPDX-License-Identifier: Apache-2.0
// Id tables: found against a linear search, duplicates, nulls; every flip and truncation is
// refused; hostile order.
#include "index/attrs.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>

static uint64_t state = 5;

static uint32_t next_random(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

// Ids out of a small set, so that many repeat; some rows are null.
static struct vs_column make_ids(enum vs_kind kind, size_t rows)
{
    struct vs_column column;
    struct vs_error err = {0};
    char text[40];
    vs_column_init(&column, vs_env_default(), kind);
    for (size_t i = 0; i < rows; i++) {
        struct vs_value value = {.kind = kind};
        uint32_t pick = next_random() % (uint32_t)(rows + 1);
        snprintf(text, sizeof text, pick % 3 ? "%u" : "document/long/%010u", pick);
        text[pick % 17 == 0 ? 0 : strlen(text)] = '\0';
        value.as.integer = (int64_t)pick * (pick % 2 ? -1 : 1) * (pick % 7 == 0 ? 4294967296 : 1);
        if (kind == VS_KIND_STRING) {
            value.as.text = vs_str_from_c(text);
        }
        CHECK_OK(i % 11 == 3 ? vs_column_append_null(&column, &err)
                             : vs_column_append(&column, &value, &err),
                 err);
    }
    return column;
}

// All rows with the id of row `row`, and a miss near it.
static void check_find(const struct vs_ids *ids, const struct vs_column *column, size_t row)
{
    if (vs_column_is_null(column, row)) {
        return;
    }
    struct vs_value id = vs_column_get(column, row);
    const uint32_t *found;
    size_t count, at = 0;
    vs_ids_find(ids, &id, &found, &count);
    for (size_t r = 0; r < column->row_count; r++) {
        struct vs_value other = vs_column_is_null(column, r) ? (struct vs_value){.is_null = true}
                                                             : vs_column_get(column, r);
        if (!other.is_null && vs_value_compare(&id, &other) == 0) {
            CHECK(at < count && found[at] == r);
            at++;
        }
    }
    CHECK_INT(at, count);
}

static void check_misses(const struct vs_ids *ids, enum vs_kind kind)
{
    const uint32_t *found;
    size_t count = 1;
    struct vs_value absent = {.kind = kind};
    absent.as.integer = INT64_MAX;
    if (kind == VS_KIND_STRING) {
        absent.as.text = VS_STR("no such id");
    }
    vs_ids_find(ids, &absent, &found, &count);
    CHECK_INT(count, 0);
    absent.is_null = true;
    vs_ids_find(ids, &absent, &found, &count);
    CHECK_INT(count, 0);
    absent = (struct vs_value){.kind = VS_KIND_DOUBLE};
    vs_ids_find(ids, &absent, &found, &count);
    CHECK_INT(count, 0);
}

static void check_damage(const struct vs_buf *blob, enum vs_kind kind, size_t rows)
{
    struct vs_ids *ids = NULL;
    for (size_t len = 0; len < blob->len; len++) {
        struct vs_str cut = {(const char *)blob->data, len};
        CHECK_STATUS(vs_ids_open(vs_env_default(), cut, "t", kind, rows, &ids, NULL), VS_CORRUPT);
    }
    for (size_t i = 0; i < blob->len; i++) {
        blob->data[i] ^= (uint8_t)(1u << (i % 8));
        CHECK_STATUS(vs_ids_open(vs_env_default(), vs_buf_view(blob), "t", kind, rows, &ids, NULL),
                     VS_CORRUPT);
        blob->data[i] ^= (uint8_t)(1u << (i % 8));
    }
    CHECK_STATUS(vs_ids_open(vs_env_default(), vs_buf_view(blob), "t", kind, rows + 1, &ids, NULL),
                 VS_CORRUPT);
    enum vs_kind other = kind == VS_KIND_LONG ? VS_KIND_STRING : VS_KIND_LONG;
    CHECK_STATUS(vs_ids_open(vs_env_default(), vs_buf_view(blob), "t", other, rows, &ids, NULL),
                 VS_CORRUPT);
    CHECK_STATUS(
        vs_ids_open(vs_env_default(), vs_buf_view(blob), "t", VS_KIND_DATE, rows, &ids, NULL),
        VS_UNSUPPORTED);
}

static void check_table(enum vs_kind kind, size_t rows, size_t shift)
{
    struct vs_column column = make_ids(kind, rows);
    struct vs_ids *ids = NULL;
    struct vs_error err = {0};
    struct vs_buf blob;
    vs_buf_init(&blob, vs_env_default(), SIZE_MAX / 2);
    CHECK_OK(vs_buf_append_zeros(&blob, shift, &err), err); // rows that are not aligned are copied
    CHECK_OK(vs_ids_encode(&column, &blob, &err), err);
    struct vs_str bytes = {(const char *)blob.data + shift, blob.len - shift};
    enum vs_status status = vs_ids_open(vs_env_default(), bytes, "t", kind, rows, &ids, &err);
    CHECK_OK(status, err);
    if (status == VS_OK) {
        for (size_t row = 0; row < rows; row += rows / 60 + 1) {
            check_find(ids, &column, row);
        }
        check_misses(ids, kind);
        vs_ids_close(ids);
    }
    if (shift == 0 && rows < 100) {
        check_damage(&blob, kind, rows);
    }
    vs_column_clear(&column);
    vs_buf_clear(&blob);
}

static void case_find(void)
{
    static const size_t counts[] = {0, 1, 2, 3, 50, 5000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (size_t shift = 0; shift < 4; shift++) {
            check_table(VS_KIND_LONG, counts[i], shift);
            check_table(VS_KIND_STRING, counts[i], shift);
        }
    }
}

// Order, rows and offsets are checked even when the checksums are right.
static void case_hostile(void)
{
    struct vs_column column;
    struct vs_ids *ids = NULL;
    struct vs_error err = {0};
    struct vs_buf blob;
    vs_column_init(&column, vs_env_default(), VS_KIND_LONG);
    vs_buf_init(&blob, vs_env_default(), 1000);
    for (int64_t i = 0; i < 4; i++) {
        struct vs_value value = {.kind = VS_KIND_LONG, .as.integer = i / 2};
        CHECK_OK(vs_column_append(&column, &value, &err), err);
    }
    REQUIRE_OK(vs_ids_encode(&column, &blob, &err), err);

    static const struct {
        size_t at;
        uint32_t value;
    } edits[] = {{64, 4}, {64, 1}, {64, 3}, {68, 2}, {80, 5}, {104, 0},
                 {24, 5}, {24, 3}, {32, 1}, {12, 1}, {52, 1}, {16, 5}};

    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        uint32_t before = vs_load_u32le(blob.data + edits[i].at);
        vs_store_u32le(blob.data + edits[i].at, edits[i].value);
        vs_store_u32le(blob.data + 48, vs_crc32c(0, blob.data + 64, blob.len - 64));
        vs_store_u32le(blob.data + 60, vs_crc32c(0, blob.data, 60));
        CHECK_STATUS(
            vs_ids_open(vs_env_default(), vs_buf_view(&blob), "t", VS_KIND_LONG, 4, &ids, &err),
            VS_CORRUPT);
        vs_store_u32le(blob.data + edits[i].at, before);
    }
    vs_column_clear(&column);
    vs_buf_clear(&blob);
}

static void case_no_memory(void)
{
    struct vs_column column = make_ids(VS_KIND_STRING, 40);
    int refused = 0;
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_error err = {0};
        struct vs_buf blob;
        struct vs_ids *ids = NULL;
        test_env_init(&test);
        test.fail_at = n;
        vs_buf_init(&blob, &test.env, SIZE_MAX / 2);
        enum vs_status status = vs_buf_append_zeros(&blob, 1, &err);
        if (status == VS_OK) {
            status = vs_ids_encode(&column, &blob, &err);
        }
        if (status == VS_OK) {
            struct vs_str bytes = {(const char *)blob.data + 1, blob.len - 1};
            status = vs_ids_open(&test.env, bytes, "t", VS_KIND_STRING, 40, &ids, &err);
        }
        // A buffer that cannot grow generously grows exactly: not every failed allocation is one of
        // the operation.
        CHECK(status == VS_OK || (test.failed && status == VS_NO_MEMORY));
        refused += status == VS_NO_MEMORY;
        vs_ids_close(ids);
        vs_buf_clear(&blob);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            break;
        }
    }
    CHECK(refused >= 5);
    vs_column_clear(&column);
}

static void case_unsupported(void)
{
    struct vs_column column;
    struct vs_error err;
    struct vs_buf blob;
    vs_column_init(&column, vs_env_default(), VS_KIND_INT);
    vs_buf_init(&blob, vs_env_default(), 1000);
    CHECK_STATUS(vs_ids_encode(&column, &blob, &err), VS_UNSUPPORTED);
}

TEST_MAIN(TEST(case_find), TEST(case_hostile), TEST(case_no_memory), TEST(case_unsupported))
