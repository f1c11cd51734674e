// SPDX-License-Identifier: Apache-2.0
/*
 * Bitmaps of row positions. Golden bytes are laid out by hand from RoaringFormatSpec; the larger
 * ones of other implementations are in deletes_conform_test.
 */
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/bitmap.h"
#include "vecstore/base/bytes.h"

#include <stdlib.h>

struct collected {
    uint64_t values[512];
    size_t count;
};

static bool collect(uint64_t value, void *ctx)
{
    struct collected *c = ctx;
    if (c->count < 512) {
        c->values[c->count] = value;
    }
    c->count++;
    return true;
}

static bool stop_at_once(uint64_t value, void *ctx)
{
    *(uint64_t *)ctx = value;
    return false;
}

static void case_add_and_ask(void)
{
    struct vs_bitmap b;
    struct vs_error err = {0};
    uint64_t value = 0;
    const uint64_t values[] = {7, 3, UINT64_C(5) << 32, 3, (UINT64_C(5) << 32) + 9, 70000};
    vs_bitmap_init(&b, vs_env_default());
    CHECK(!vs_bitmap_min(&b, &value) && !vs_bitmap_max(&b, &value));
    REQUIRE_OK(vs_bitmap_add_many(&b, values, 6, &err), err);
    CHECK_INT(vs_bitmap_cardinality(&b), 5);
    CHECK(vs_bitmap_contains(&b, 70000) && vs_bitmap_contains(&b, UINT64_C(5) << 32));
    CHECK(!vs_bitmap_contains(&b, 4) && !vs_bitmap_contains(&b, UINT64_C(6) << 32));
    CHECK(vs_bitmap_min(&b, &value) && value == 3);
    CHECK(vs_bitmap_max(&b, &value) && value == (UINT64_C(5) << 32) + 9);
    struct collected c = {0};
    CHECK(vs_bitmap_each(&b, collect, &c));
    const uint64_t sorted[] = {3, 7, 70000, UINT64_C(5) << 32, (UINT64_C(5) << 32) + 9};
    CHECK(c.count == 5 && memcmp(c.values, sorted, sizeof sorted) == 0);
    CHECK(!vs_bitmap_each(&b, stop_at_once, &value) && value == 3);
    CHECK_STATUS(vs_bitmap_add(&b, VS_BITMAP_MAX_VALUE + 1, &err), VS_INVALID);
    CHECK_OK(vs_bitmap_add(&b, VS_BITMAP_MAX_VALUE, &err), err);
    CHECK_INT(vs_bitmap_cardinality(&b), 6);
    vs_bitmap_clear(&b);
    CHECK_INT(vs_bitmap_cardinality(&b), 0);
}

static void case_union(void)
{
    struct vs_bitmap a, b;
    struct vs_error err = {0};
    vs_bitmap_init(&a, vs_env_default());
    vs_bitmap_init(&b, vs_env_default());
    CHECK_OK(vs_bitmap_add(&a, 1, &err), err);
    CHECK_OK(vs_bitmap_add(&b, 1, &err), err);
    CHECK_OK(vs_bitmap_add(&b, UINT64_C(1) << 40, &err), err);
    CHECK_OK(vs_bitmap_or(&a, &b, &err), err);
    CHECK_INT(vs_bitmap_cardinality(&a), 2);
    CHECK(vs_bitmap_contains(&a, UINT64_C(1) << 40));
    vs_bitmap_clear(&a);
    vs_bitmap_clear(&b);
}

// {1, 3} and {5 * 2^32 + 2}: two parts, each one array container.
static const uint8_t golden_arrays[] = {
    2,    0,    0, 0, 0, 0, 0, 0, // parts
    0,    0,    0, 0,             // key 0
    0x3a, 0x30, 0, 0, 1, 0, 0, 0, // cookie 12346, one container
    0,    0,    1, 0,             // its key 0, cardinality 2
    16,   0,    0, 0,             // its offset
    1,    0,    3, 0,             // 1, 3
    5,    0,    0, 0,             // key 5
    0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 2, 0};

// {10 … 109}: one run container.
static const uint8_t golden_run[] = {1,    0,    0,  0, 0,  0, 0, 0, 0, 0, 0, 0, // one part, key 0
                                     0x3b, 0x30, 0,  0,         // cookie 12347, one container
                                     1,                         // which has runs
                                     0,    0,    99, 0,         // key 0, cardinality 100
                                     1,    0,    10, 0, 99, 0}; // one run: from 10, 99 more

static void case_golden_bytes(void)
{
    struct vs_bitmap b;
    struct vs_error err = {0};
    struct vs_buf out;
    vs_buf_init(&out, vs_env_default(), SIZE_MAX);
    vs_bitmap_init(&b, vs_env_default());
    const uint64_t values[] = {3, 1, (UINT64_C(5) << 32) + 2};
    REQUIRE_OK(vs_bitmap_add_many(&b, values, 3, &err), err);
    CHECK_OK(vs_bitmap_write(&b, &out, &err), err);
    CHECK(out.len == sizeof golden_arrays && memcmp(out.data, golden_arrays, out.len) == 0);
    vs_bitmap_clear(&b);
    for (uint64_t i = 10; i < 110; i++) {
        CHECK_OK(vs_bitmap_add(&b, i, &err), err);
    }
    vs_bitmap_optimize(&b);
    vs_buf_reset(&out);
    CHECK_OK(vs_bitmap_write(&b, &out, &err), err);
    CHECK(out.len == sizeof golden_run && memcmp(out.data, golden_run, out.len) == 0);
    vs_bitmap_clear(&b);
    struct vs_str run = {(const char *)golden_run, sizeof golden_run};
    REQUIRE_OK(vs_bitmap_read(&b, vs_env_default(), run, "golden", &err), err);
    struct collected c = {0};
    CHECK(vs_bitmap_each(&b, collect, &c));
    CHECK(c.count == 100 && c.values[0] == 10 && c.values[99] == 109);
    vs_bitmap_clear(&b);
    vs_buf_clear(&out);
}

// A change of one byte of a golden form, and the reason that has to be given.
static void case_damage_has_a_reason(void)
{
    static const struct {
        bool run;
        size_t at;
        uint8_t value;
        const char *reason;
    } damages[] = {
        {false, 0, 200, "more parts than its bytes"},
        {false, 12, 0x3c, "no roaring bitmap begins"},
        {false, 18, 2, "more than 65536 containers"},
        {false, 16, 9, "more bytes at"},
        {false, 24, 17, "does not lie at its offset"},
        {false, 28, 3, "not ascending"},
        {false, 32, 0, "parts of the bitmap are not ascending"},
        {false, 35, 0x80, "key above"},
        {false, 0, 1, "bytes follow"},
        {true, 19, 98, "does not have the values it counts"},
        {true, 21, 2, "more bytes at"},
        {true, 24, 0xff, "overlap or leave"},
    };

    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        uint8_t bytes[sizeof golden_arrays];
        size_t n = damages[i].run ? sizeof golden_run : sizeof golden_arrays;
        struct vs_bitmap b;
        struct vs_error err = {0};
        memcpy(bytes, damages[i].run ? golden_run : golden_arrays, n);
        bytes[damages[i].at] = damages[i].value;
        if (damages[i].value == 0xff) {
            bytes[damages[i].at - 1] = bytes[damages[i].at] = 0xff;
        }
        struct vs_str view = {(const char *)bytes, n};
        CHECK_STATUS(vs_bitmap_read(&b, vs_env_default(), view, "bytes", &err), VS_CORRUPT);
        if (strstr(err.message, damages[i].reason) == NULL) {
            fprintf(stderr, "damage %zu: %s\n", i, err.message);
            CHECK(strstr(err.message, damages[i].reason) != NULL);
        }
    }
    for (size_t n = 0; n < sizeof golden_arrays; n++) { // every shorter form
        struct vs_bitmap b;
        struct vs_error err = {0};
        struct vs_str view = {(const char *)golden_arrays, n};
        CHECK_STATUS(vs_bitmap_read(&b, vs_env_default(), view, "bytes", &err), VS_CORRUPT);
    }
}

// Whether the i-th value belongs to the set of a round; each makes another kind of container.
static bool is_member(int round, size_t i, uint64_t random)
{
    switch (round) {
    case 0:
        return random % 1000 == 0;
    case 1:
        return random % 3 == 0;
    case 2:
        return (i / 5000) % 2 == 0;
    case 3:
        return true;
    case 4:
        return i % 2 == 0;
    default:
        return (i > 65536 && i < 131072) || random % 5000 == 0;
    }
}

#define SPAN ((size_t)300000)

static uint64_t value_at(size_t i)
{
    return i + (i >= SPAN / 2 ? UINT64_C(1) << 33 : 0);
}

static void check_round(int round, uint64_t *seed)
{
    static bool members[SPAN];
    struct vs_error err = {0};
    struct vs_bitmap b, again;
    struct vs_buf out;
    uint64_t count = 0;
    size_t wrong = 0;
    vs_bitmap_init(&b, vs_env_default());
    vs_buf_init(&out, vs_env_default(), SIZE_MAX);
    for (size_t i = 0; i < SPAN; i++) {
        *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        members[i] = is_member(round, i, *seed >> 40);
        if (members[i]) {
            count++;
            REQUIRE_OK(vs_bitmap_add(&b, value_at(i), &err), err);
        }
    }
    vs_bitmap_optimize(&b);
    CHECK_OK(vs_bitmap_write(&b, &out, &err), err);
    REQUIRE_OK(vs_bitmap_read(&again, vs_env_default(), vs_buf_view(&out), "copy", &err), err);
    CHECK_INT(vs_bitmap_cardinality(&again), count);
    for (size_t i = 0; i < SPAN; i++) {
        wrong += vs_bitmap_contains(&again, value_at(i)) != members[i];
    }
    CHECK_INT(wrong, 0);
    vs_bitmap_clear(&b);
    vs_bitmap_clear(&again);
    vs_buf_clear(&out);
}

// Sets of every kind of container against a plain array.
static void case_against_bits(void)
{
    uint64_t seed = 42;
    for (int round = 0; round < 6; round++) {
        check_round(round, &seed);
    }
}

// Our own allocations; those inside the library cannot be made to fail.
static void case_allocation_failures(void)
{
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_bitmap b = {0};
        struct vs_buf out;
        test_env_init(&t);
        t.fail_at = n;
        struct vs_str view = {(const char *)golden_arrays, sizeof golden_arrays};
        enum vs_status status = vs_bitmap_read(&b, &t.env, view, "bytes", NULL);
        vs_buf_init(&out, &t.env, SIZE_MAX);
        if (status == VS_OK) {
            status = vs_bitmap_add(&b, UINT64_C(9) << 32, NULL);
        }
        if (status == VS_OK) {
            status = vs_bitmap_write(&b, &out, NULL);
        }
        CHECK(status == VS_OK || (t.failed && status == VS_NO_MEMORY));
        vs_buf_clear(&out);
        vs_bitmap_clear(&b);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
    }
}

TEST_MAIN(TEST(case_add_and_ask),
          TEST(case_union),
          TEST(case_golden_bytes),
          TEST(case_damage_has_a_reason),
          TEST(case_against_bits),
          TEST(case_allocation_failures))
