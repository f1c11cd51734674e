// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/cancel.h"

static void case_check(void)
{
    const struct vs_env *env = vs_env_default();
    struct vs_error err;
    atomic_bool stop = false;
    struct vs_op op = {.cancelled = &stop};
    CHECK_OK(vs_op_check(env, NULL, &err), err);
    CHECK_OK(vs_op_check(env, &op, &err), err);
    op.deadline_ns = vs_monotonic_ns(env) + INT64_C(3600000000000);
    CHECK_OK(vs_op_check(env, &op, &err), err);
    op.deadline_ns = vs_monotonic_ns(env);
    CHECK_STATUS(vs_op_check(env, &op, &err), VS_TIMEOUT);
    atomic_store(&stop, true);
    CHECK_STATUS(vs_op_check(env, &op, &err), VS_CANCELLED);
}

static int calls;
static uint64_t last_done;

static void count_progress(
    void *ctx, const char *phase, uint64_t done, uint64_t total, const char *unit)
{
    (void)ctx;
    (void)phase;
    (void)total;
    (void)unit;
    calls++;
    last_done = done;
}

static void case_progress_is_limited(void)
{
    const struct vs_env *env = vs_env_default();
    struct vs_op op = {.progress = count_progress};
    int64_t start = vs_monotonic_ns(env);
    vs_op_progress(NULL, "reading", 0, 10, "rows");
    for (uint64_t i = 0; i < 100000; i++) {
        vs_op_progress(&op, "reading", i, 100000, "rows");
    }
    int64_t elapsed_ms = (vs_monotonic_ns(env) - start) / 1000000;
    CHECK(calls >= 1 && calls <= 2 + elapsed_ms / 50);
    int before = calls;
    vs_op_progress(&op, "reading", 100000, 100000, "rows"); // the last report always arrives
    CHECK_INT(calls, before + 1);
    CHECK_INT(last_done, 100000);
    vs_op_progress(&op, "training", 0, 10, "rounds"); // so does the first of a new phase
    CHECK_INT(calls, before + 2);
}

TEST_MAIN(TEST(case_check), TEST(case_progress_is_limited))
