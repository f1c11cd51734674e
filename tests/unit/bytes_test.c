// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"

static void case_loads_and_stores(void)
{
    uint8_t bytes[9] = {0};
    vs_store_u64le(bytes + 1, 0x1122334455667788u);
    CHECK_INT(bytes[1], 0x88);
    CHECK_INT(bytes[8], 0x11);
    CHECK_INT(vs_load_u16le(bytes + 1), 0x7788);
    CHECK_INT(vs_load_u32le(bytes + 1), 0x55667788);
    CHECK(vs_load_u64le(bytes + 1) == 0x1122334455667788u);
    vs_store_f32le(bytes + 1, 1.0F);
    CHECK_INT(vs_load_u32le(bytes + 1), 0x3F800000);
    CHECK(vs_load_f32le(bytes + 1) == 1.0F);
    vs_store_f64le(bytes + 1, -2.0);
    CHECK(vs_load_u64le(bytes + 1) == 0xC000000000000000u);
    CHECK(vs_load_f64le(bytes + 1) == -2.0);
    vs_store_u16le(bytes, 0xBEEF);
    CHECK_INT(bytes[0], 0xEF);
}

static void case_reader_stops_at_the_end(void)
{
    static const uint8_t bytes[] = {1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9, 9};
    struct vs_error err;
    struct vs_reader reader;
    uint8_t a = 0;
    uint16_t b = 0;
    uint32_t c = 0;
    uint64_t d = 77;
    const uint8_t *rest = NULL;
    vs_reader_init(&reader, bytes, sizeof bytes, "test object");
    CHECK_OK(vs_read_u8(&reader, &a, &err), err);
    CHECK_OK(vs_read_u16le(&reader, &b, &err), err);
    CHECK_OK(vs_read_u32le(&reader, &c, &err), err);
    CHECK_OK(vs_read_u64le(&reader, &d, &err), err);
    CHECK(a == 1 && b == 2 && c == 3 && d == 4);
    CHECK_INT(vs_reader_left(&reader), 2);
    d = 77;
    CHECK_STATUS(vs_read_u64le(&reader, &d, &err), VS_CORRUPT);
    CHECK_TEXT(err.message, "test object: needs 8 more bytes at byte 15, but only 2 are left");
    CHECK_STATUS(vs_read_u32le(&reader, &c, NULL), VS_CORRUPT);
    CHECK_STATUS(vs_read_bytes(&reader, SIZE_MAX, &rest, &err), VS_CORRUPT);
    CHECK_STATUS(vs_read_skip(&reader, 3, &err), VS_CORRUPT);
    CHECK(d == 77 && rest == NULL && vs_reader_offset(&reader) == 15);
    CHECK_OK(vs_read_bytes(&reader, 1, &rest, &err), err);
    CHECK_INT(rest[0], 9);
    CHECK_OK(vs_read_skip(&reader, 1, &err), err);
    CHECK_STATUS(vs_read_u8(&reader, &a, &err), VS_CORRUPT);
    CHECK_STATUS(vs_read_u16le(&reader, &b, &err), VS_CORRUPT);
    CHECK_STATUS(vs_reader_fail(&reader, &err, "bad magic"), VS_CORRUPT);
    CHECK_TEXT(err.message, "test object: bad magic at byte 17");
    vs_reader_init(&reader, NULL, 0, "nothing");
    CHECK_INT(vs_reader_left(&reader), 0);
    CHECK_STATUS(vs_read_u8(&reader, &a, &err), VS_CORRUPT);
}

static void case_varints(void)
{
    static const struct {
        uint8_t bytes[12];
        size_t len;
        bool good;
        uint64_t value;
        int64_t zigzag;
    } rows[] = {
        {{0}, 1, true, 0, 0},
        {{1}, 1, true, 1, -1},
        {{2}, 1, true, 2, 1},
        {{0x7F}, 1, true, 127, -64},
        {{0xAC, 0x02}, 2, true, 300, 150},
        {{0x80, 0x00}, 2, true, 0, 0}, // not minimal, but one value
        {{255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 10, true, UINT64_MAX, INT64_MIN},
        {{254, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 10, true, UINT64_MAX - 1, INT64_MAX},
        {{255, 255, 255, 255, 255, 255, 255, 255, 255, 2}, 10, false, 0, 0},
        {{255, 255, 255, 255, 255, 255, 255, 255, 255, 129, 0}, 11, false, 0, 0},
        {{0x80}, 1, false, 0, 0},
        {{0}, 0, false, 0, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err;
        struct vs_reader reader;
        uint64_t value = 1234;
        int64_t zigzag = 1234;
        vs_reader_init(&reader, rows[i].bytes, rows[i].len, "varint");
        enum vs_status status = vs_read_varint(&reader, &value, &err);
        CHECK_INT(status, rows[i].good ? VS_OK : VS_CORRUPT);
        CHECK(value == (rows[i].good ? rows[i].value : 1234));
        CHECK_INT(vs_reader_offset(&reader), rows[i].good ? rows[i].len : 0);
        vs_reader_init(&reader, rows[i].bytes, rows[i].len, "varint");
        vs_ignore(vs_read_zigzag(&reader, &zigzag, &err));
        CHECK(zigzag == (rows[i].good ? rows[i].zigzag : 1234));
    }
}

static void case_checked_arithmetic(void)
{
    size_t size = 0;
    int64_t sum = 0;
    CHECK(vs_add_size(SIZE_MAX - 1, 1, &size) && size == SIZE_MAX);
    CHECK(!vs_add_size(SIZE_MAX, 1, &size));
    CHECK(!vs_mul_size(SIZE_MAX / 2 + 1, 2, &size));
    CHECK(!vs_add_i64(INT64_MAX, 1, &sum) && vs_add_i64(INT64_MIN, INT64_MAX, &sum) && sum == -1);
    CHECK(vs_range_fits(10, 0, 10) && !vs_range_fits(11, 0, 10) &&
          !vs_range_fits(1, UINT64_MAX, 10));
}

TEST_MAIN(TEST(case_loads_and_stores),
          TEST(case_reader_stops_at_the_end),
          TEST(case_varints),
          TEST(case_checked_arithmetic))
