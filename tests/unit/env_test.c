// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/env.h"

static void case_aligned_blocks(void)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, (4u << 20) - 1, 4u << 20, 9u << 20};
    struct test_env test;
    test_env_init(&test);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *block = (uint8_t *)vs_alloc_aligned(&test.env, sizes[i]);
        REQUIRE(block != NULL);
        CHECK_INT((uintptr_t)block % (sizes[i] >= (4u << 20) ? 2u << 20 : 64), 0);
        memset(block, 0xA5, sizes[i]);
        vs_free_aligned(&test.env, block);
    }
    vs_free_aligned(&test.env, NULL);
    CHECK(vs_alloc_aligned(&test.env, SIZE_MAX - 8) == NULL);
    test.fail_at = atomic_load(&test.calls);
    CHECK(vs_alloc_aligned(&test.env, 100) == NULL);
    CHECK_INT(test.live, 0);
}

static void case_zeroed_and_overflow(void)
{
    const struct vs_env *env = vs_env_default();
    uint8_t *block = (uint8_t *)vs_alloc_zeroed(env, 10, 10);
    REQUIRE(block != NULL);
    int sum = 0;
    for (int i = 0; i < 100; i++) {
        sum += block[i];
    }
    CHECK_INT(sum, 0);
    block = (uint8_t *)vs_realloc(env, block, 1000);
    CHECK(block != NULL);
    vs_free(env, block);
    vs_free(env, NULL);
    CHECK(vs_alloc_zeroed(env, SIZE_MAX / 2, 4) == NULL);
    void *first = vs_alloc(env, 0);
    void *second = vs_alloc(env, 0);
    CHECK(first != NULL && second != NULL && first != second);
    vs_free(env, first);
    vs_free(env, second);
}

static void case_clocks_and_random(void)
{
    const struct vs_env *env = vs_env_default();
    int64_t before = vs_monotonic_ns(env);
    CHECK(vs_wall_ms(env) > INT64_C(1700000000000));
    CHECK(vs_monotonic_ns(env) >= before);
    CHECK(vs_random_u64(env) != vs_random_u64(env));
    uint8_t bytes[600] = {0};
    env->random_bytes(env->ctx, bytes, sizeof bytes);
    bool seen[256] = {false};
    int distinct = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        distinct += !seen[bytes[i]];
        seen[bytes[i]] = true;
    }
    CHECK(distinct > 180);
}

static char logged[256];

static void catch_log(
    void *ctx, enum vs_log_level level, const char *subject, const char *event, const char *text)
{
    (void)ctx;
    (void)snprintf(logged, sizeof logged, "%d %s %s %s", (int)level, subject, event, text);
}

static void case_log_levels(void)
{
    struct test_env test;
    test_env_init(&test);
    vs_log(&test.env, VS_LOG_ERROR, "base", "no_sink", "x=1"); // no sink: nothing happens
    test.env.log = catch_log;
    vs_log(&test.env, VS_LOG_WARN, "object", "retry", "attempt=%d", 3);
    CHECK_TEXT(logged, "1 object retry attempt=3");
    vs_log(&test.env, VS_LOG_DEBUG, "object", "hidden", "x=%d", 1);
    CHECK_TEXT(logged, "1 object retry attempt=3");
}

TEST_MAIN(TEST(case_aligned_blocks),
          TEST(case_zeroed_and_overflow),
          TEST(case_clocks_and_random),
          TEST(case_log_levels))
