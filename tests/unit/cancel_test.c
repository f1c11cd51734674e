// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/cancel.h"
#include "vecstore/base/pool.h"

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

struct teller {
    struct vs_progress progress;
    pthread_t caller;
    int elsewhere; // reports from other threads
    uint64_t most;
};

static void told(void *ctx, const char *phase, uint64_t done, uint64_t total, const char *unit)
{
    struct teller *teller = ctx;
    CHECK_TEXT(phase, "training");
    CHECK_TEXT(unit, "vectors");
    CHECK_INT(total, 5000);
    teller->elsewhere += !pthread_equal(pthread_self(), teller->caller);
    CHECK(done >= teller->most);
    teller->most = done;
}

static enum vs_status add_five(void *ctx, size_t index, struct vs_error *err)
{
    struct teller *teller = ctx;
    (void)index;
    (void)err;
    vs_progress_add(&teller->progress, 5);
    return VS_OK;
}

static void case_shared_progress(void)
{
    struct vs_error err;
    struct teller teller = {.caller = pthread_self()};
    struct vs_op op = {.progress = told, .ctx = &teller};
    vs_progress_begin(&teller.progress, &op, "training", 5000, "vectors");
    CHECK_OK(vs_pool_run(vs_env_default(), 4, 1000, add_five, &teller, &err), err);
    CHECK_INT(atomic_load(&teller.progress.done), 5000);
    CHECK_INT(teller.elsewhere, 0);
    vs_progress_begin(&teller.progress, NULL, "training", 5000, "vectors"); // nobody listens
    vs_progress_add(&teller.progress, 7);
    vs_progress_add(NULL, 7);
    CHECK_INT(atomic_load(&teller.progress.done), 7);
}

TEST_MAIN(TEST(case_check), TEST(case_progress_is_limited), TEST(case_shared_progress))
