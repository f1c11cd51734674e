// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/arena.h"

static void case_aligned_zeroed_and_apart(void)
{
    struct test_env test;
    struct vs_arena arena;
    test_env_init(&test);
    vs_arena_init(&arena, &test.env, 0);
    uint8_t *blocks[300];
    for (size_t i = 0; i < 300; i++) {
        size_t size = i * 37 % 2000;
        blocks[i] = (uint8_t *)vs_arena_alloc(&arena, size);
        REQUIRE(blocks[i] != NULL);
        CHECK_INT((uintptr_t)blocks[i] % 16, 0);
        for (size_t j = 0; j < size; j++) {
            CHECK(blocks[i][j] == 0);
        }
        memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < 300; i++) {
        size_t size = i * 37 % 2000;
        CHECK(size == 0 || (blocks[i][0] == (uint8_t)i && blocks[i][size - 1] == (uint8_t)i));
    }
    CHECK(vs_arena_alloc(&arena, 5u << 20) != NULL); // a block of its own
    vs_arena_clear(&arena);
    CHECK_INT(test.live, 0);
    CHECK(vs_arena_alloc(&arena, 8) != NULL); // usable again
    vs_arena_clear(&arena);
    struct vs_arena zeroed = {0};
    vs_arena_clear(&zeroed);
    CHECK_INT(test.live, 0);
}

static void case_limits(void)
{
    struct test_env test;
    struct vs_arena arena;
    test_env_init(&test);
    vs_arena_init(&arena, &test.env, 64);
    CHECK(vs_arena_alloc(&arena, 48) != NULL);
    CHECK(vs_arena_alloc(&arena, 17) == NULL);
    CHECK(vs_arena_alloc(&arena, 16) != NULL);
    CHECK(vs_arena_alloc(&arena, 0) == NULL);
    CHECK_INT(arena.used_bytes, 64);
    CHECK(vs_arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(vs_arena_alloc_array(&arena, SIZE_MAX / 2, 3) == NULL);
    vs_arena_clear(&arena);
    CHECK_INT(arena.used_bytes, 0);
    CHECK_INT(test.live, 0);
}

static void case_texts(void)
{
    struct vs_arena arena;
    vs_arena_init(&arena, vs_env_default(), 0);
    CHECK_TEXT(vs_arena_copy_c(&arena, "abc"), "abc");
    struct vs_str copy = vs_arena_copy_str(&arena, (struct vs_str){"xyz!", 3});
    CHECK_INT(copy.len, 3);
    CHECK_TEXT(copy.ptr, "xyz");
    copy = vs_arena_copy_str(&arena, (struct vs_str){NULL, 0});
    CHECK(copy.ptr != NULL && copy.len == 0 && copy.ptr[0] == '\0');
    copy = vs_arena_printf(&arena, "%d-%s", 42, "answer");
    CHECK_TEXT(copy.ptr, "42-answer");
    CHECK_INT(copy.len, 9);
    vs_arena_clear(&arena);
}

static void case_out_of_memory(void)
{
    struct test_env test;
    for (long n = 0;; n++) {
        struct vs_arena arena;
        test_env_init(&test);
        test.fail_at = n;
        vs_arena_init(&arena, &test.env, 0);
        bool good = vs_arena_alloc(&arena, 10) != NULL && vs_arena_alloc(&arena, 5000) != NULL &&
                    vs_arena_printf(&arena, "%9000d", 1).ptr != NULL;
        CHECK(good != atomic_load(&test.failed));
        vs_arena_clear(&arena);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK_INT(n, 3);
            break;
        }
    }
}

TEST_MAIN(TEST(case_aligned_zeroed_and_apart),
          TEST(case_limits),
          TEST(case_texts),
          TEST(case_out_of_memory))
