// SPDX-License-Identifier: Apache-2.0
// The examples of Encodings.md, and every width against a packing done here bit by bit.
#include "tests/support/check.h"
#include "vecstore/format/parquet_bits.h"
#include "vecstore/format/parquet_page.h"

static void case_spec_examples(void)
{
    static const uint8_t low_first[] = {0x03, 0x88, 0xc6, 0xfa}, high_first[] = {0x05, 0x39, 0x77},
                         run[] = {0x14, 0x05, 0x00};
    uint8_t out[8] = {0};
    uint32_t wide[10] = {0};
    struct vs_hybrid h;
    vs_hybrid_init(&h, low_first, sizeof low_first, 3); // 0 to 7, least significant bit first
    CHECK_INT(vs_hybrid_read_u8(&h, out, 8, NULL), VS_OK);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_INT(out[i], i);
    }
    CHECK_STATUS(vs_hybrid_read_u8(&h, out, 1, NULL), VS_CORRUPT);
    vs_hybrid_init_packed(&h, high_first, sizeof high_first, 3,
                          8); // the same, most significant bit first
    CHECK_INT(vs_hybrid_read_u8(&h, out, 8, NULL), VS_OK);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_INT(out[i], i);
    }
    vs_hybrid_init(&h, run, 2, 8);
    CHECK_INT(vs_hybrid_take_run(&h, 4, 3), 0);
    CHECK_INT(vs_hybrid_take_run(&h, 5, 3), 3);
    CHECK_INT(vs_hybrid_read_u32(&h, wide, 7, NULL), VS_OK);
    CHECK_INT(wide[6], 5);
    CHECK_STATUS(vs_hybrid_read_u32(&h, wide, 1, NULL), VS_CORRUPT);
    vs_hybrid_init(&h, run, 2, 16); // the run's value is cut off
    CHECK_STATUS(vs_hybrid_read_u32(&h, wide, 1, NULL), VS_CORRUPT);
    vs_hybrid_init(&h, run, 2, 2); // 5 does not fit into 2 bits
    CHECK_STATUS(vs_hybrid_read_u32(&h, wide, 1, NULL), VS_CORRUPT);
}

static uint32_t value_at(size_t i, unsigned width)
{
    uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15ull;
    return width == 0 ? 0 : (uint32_t)(mixed >> (64 - width));
}

enum { GROUPS = 5, COUNT = GROUPS * 8, ALL = COUNT + 3 };

// COUNT values of value_at() bit-packed, then a run of 3 zeros; returns the length.
static size_t pack(unsigned width, uint8_t *bytes)
{
    bytes[0] = (GROUPS << 1) | 1;
    for (size_t i = 0; i < COUNT; i++) {
        for (unsigned bit = 0; bit < width; bit++) {
            size_t at = i * width + bit;
            bytes[1 + at / 8] |= (uint8_t)((value_at(i, width) >> bit & 1) << (at % 8));
        }
    }
    size_t n = 1 + (size_t)GROUPS * width;
    bytes[n++] = 3 << 1;
    return n + (width + 7) / 8;
}

static void check_u32(const uint8_t *bytes, size_t n, unsigned width, size_t step)
{
    struct vs_hybrid h;
    uint32_t out[ALL];
    vs_hybrid_init(&h, bytes, n, width);
    for (size_t i = 0; i < ALL;) {
        size_t take = step < ALL - i ? step : ALL - i;
        CHECK_INT(vs_hybrid_read_u32(&h, out, take, NULL), VS_OK);
        for (size_t k = 0; k < take; k++, i++) {
            CHECK_INT(out[k], i < COUNT ? value_at(i, width) : 0);
        }
    }
    CHECK_STATUS(vs_hybrid_read_u32(&h, out, 1, NULL), VS_CORRUPT);
}

static void check_u8(const uint8_t *bytes, size_t n, unsigned width, size_t step)
{
    struct vs_hybrid h;
    uint8_t out[COUNT];
    vs_hybrid_init(&h, bytes, n, width);
    for (size_t i = 0; i < COUNT;) {
        size_t take = step < COUNT - i ? step : COUNT - i;
        CHECK_INT(vs_hybrid_read_u8(&h, out, take, NULL), VS_OK);
        for (size_t k = 0; k < take; k++, i++) {
            CHECK_INT(out[k], value_at(i, width));
        }
    }
}

static void case_all_widths(void)
{
    for (unsigned width = 0; width <= 32; width++) {
        uint8_t bytes[1 + GROUPS * 32 + 6] = {0};
        size_t n = pack(width, bytes);
        for (size_t step = 1; step <= ALL; step += 6) {
            check_u32(bytes, n, width, step);
            if (width <= 8) {
                check_u8(bytes, n, width, step);
            }
        }
    }
}

static void case_hostile_runs(void)
{
    static const uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00},
                         empty_runs[] = {0x00, 0x00, 0x00, 0x00};
    struct vs_hybrid h;
    uint8_t out[4];
    vs_hybrid_init(&h, endless, sizeof endless, 1);
    CHECK_STATUS(vs_hybrid_read_u8(&h, out, 1, NULL), VS_CORRUPT);
    vs_hybrid_init(&h, empty_runs, sizeof empty_runs, 1);
    CHECK_STATUS(vs_hybrid_read_u8(&h, out, 1, NULL), VS_CORRUPT);
    vs_hybrid_init(&h, out, 0, 0);
    CHECK_STATUS(vs_hybrid_read_u8(&h, out, 1, NULL), VS_CORRUPT);
}

// 7, 5, 3, 1, 2, 3, 4, 5 of Encodings.md, with one miniblock of 8.
static void case_delta(void)
{
    static const uint8_t bytes[] = {0x08, 0x01, 0x08, 0x0e, 0x03, 0x02, 0xc0, 0x3f, 0xaa};
    static const int64_t expected[] = {7, 5, 3, 1, 2, 3, 4, 5};
    struct vs_delta d;
    struct vs_error err = {0};
    int64_t out[9];
    size_t size = 0;
    REQUIRE_OK(vs_delta_init(&d, bytes, sizeof bytes, false, "example", &err), err);
    CHECK_INT(d.total, 8);
    CHECK_OK(vs_delta_size(&d, &size, &err), err);
    CHECK_INT(size, sizeof bytes - 1);
    CHECK_OK(vs_delta_read(&d, out, 3, &err), err);
    CHECK_OK(vs_delta_size(&d, &size, &err), err);
    CHECK_INT(size, sizeof bytes - 1);
    CHECK_OK(vs_delta_read(&d, out + 3, 5, &err), err);
    for (size_t i = 0; i < 8; i++) {
        CHECK_INT(out[i], expected[i]);
    }
    CHECK_STATUS(vs_delta_read(&d, out, 1, NULL), VS_CORRUPT);
    for (size_t cut = 0; cut < 4; cut++) {
        CHECK_STATUS(vs_delta_init(&d, bytes, cut, false, "cut", NULL), VS_CORRUPT);
    }
    for (size_t cut = 4; cut < 8; cut++) {
        CHECK_OK(vs_delta_init(&d, bytes, cut, false, "cut", &err), err);
        CHECK_STATUS(vs_delta_read(&d, out, 8, NULL), VS_CORRUPT);
    }
    static const uint8_t bad_blocks[][4] = {{0x00, 0x01, 0x01, 0x00},
                                            {0x08, 0x00, 0x01, 0x00},
                                            {0x08, 0x03, 0x01, 0x00},
                                            {0x04, 0x01, 0x01, 0x00}};
    for (size_t i = 0; i < 4; i++) {
        CHECK_STATUS(vs_delta_init(&d, bad_blocks[i], 4, false, "bad", NULL), VS_CORRUPT);
    }
}

static void case_page_values(void)
{
    struct vs_pq_values v;
    struct vs_str text = {NULL, 0};
    uint32_t split[2] = {0};
    vs_pq_values_init(&v, vs_env_default());
    // BYTE_STREAM_SPLIT of the Encodings.md example: AA BB CC DD, 00 11 22 33, A3 B4 C5 D6
    static const char streams[] = "\xaa\x00\xa3\xbb\x11\xb4\xcc\x22\xc5\xdd\x33\xd6";
    CHECK_INT(vs_pq_values_start(&v, VS_PQ_FLOAT, 4, VS_PQ_BYTE_STREAM_SPLIT,
                                 (struct vs_str){streams, 12}, NULL),
              VS_OK);
    CHECK_INT(vs_pq_values_fixed(&v, split, 1, NULL), VS_OK);
    CHECK_INT(vs_load_u32le(split), 0xddccbbaau);
    CHECK(vs_pq_values_skip(&v, 1));
    CHECK_INT(vs_pq_values_fixed(&v, split, 1, NULL), VS_OK);
    CHECK_INT(vs_load_u32le(split), 0xd6c5b4a3u);
    CHECK_STATUS(vs_pq_values_fixed(&v, split, 1, NULL), VS_CORRUPT);
    CHECK(!vs_pq_values_skip(&v, 1));
    CHECK_STATUS(vs_pq_values_start(&v, VS_PQ_FLOAT, 4, VS_PQ_BYTE_STREAM_SPLIT,
                                    (struct vs_str){streams, 11}, NULL),
                 VS_CORRUPT);
    // PLAIN strings: a length beyond the page, and one that fits
    CHECK_INT(vs_pq_values_start(&v, VS_PQ_BYTE_ARRAY, 0, VS_PQ_PLAIN,
                                 (struct vs_str){"\2\0\0\0ab\2\0\0\0c", 11}, NULL),
              VS_OK);
    CHECK_INT(vs_pq_values_bytes(&v, &text, NULL), VS_OK);
    CHECK(vs_str_equal(text, VS_STR("ab")));
    CHECK_STATUS(vs_pq_values_bytes(&v, &text, NULL), VS_CORRUPT);
    // what does not go together, and what is too new
    CHECK_STATUS(
        vs_pq_values_start(&v, VS_PQ_FLOAT, 4, VS_PQ_DELTA_BINARY_PACKED, VS_STR("x"), NULL),
        VS_UNSUPPORTED);
    CHECK_STATUS(vs_pq_values_start(&v, VS_PQ_INT32, 4, VS_PQ_DELTA_BYTE_ARRAY, VS_STR("x"), NULL),
                 VS_UNSUPPORTED);
    CHECK_STATUS(vs_pq_values_start(&v, VS_PQ_BOOLEAN, 1, VS_PQ_RLE_DICTIONARY, VS_STR("x"), NULL),
                 VS_UNSUPPORTED);
    struct vs_error err = {0};
    CHECK_STATUS(vs_pq_values_start(&v, VS_PQ_FLOAT, 4, 10, VS_STR("x"), &err), VS_UNSUPPORTED);
    CHECK(strstr(err.message, "ALP") != NULL);
    CHECK_STATUS(vs_pq_values_start(&v, VS_PQ_FLOAT, 4, VS_PQ_RLE_DICTIONARY, VS_STR("\x21"), NULL),
                 VS_CORRUPT);
    vs_pq_values_clear(&v);
}

TEST_MAIN(TEST(case_spec_examples),
          TEST(case_all_widths),
          TEST(case_hostile_runs),
          TEST(case_delta),
          TEST(case_page_values))
