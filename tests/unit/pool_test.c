// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/pool.h"

#include <stdatomic.h>
#include <time.h>

#define TASKS 500

struct job {
    atomic_int done[TASKS];
    atomic_long started;
    size_t bad_from; // tasks from here on that are odd fail
};

static enum vs_status count_task(void *ctx, size_t index, struct vs_error *err)
{
    struct job *job = (struct job *)ctx;
    atomic_fetch_add(&job->started, 1);
    if (index >= job->bad_from && index % 2 == 1) {
        // Lower indexes fail later, so that the order of arrival differs from the order of tasks.
        struct timespec pause = {0, (long)(TASKS - index) * 20000};
        (void)nanosleep(&pause, NULL);
        return vs_fail(err, VS_CORRUPT, "task %zu is bad", index);
    }
    atomic_fetch_add(&job->done[index], 1);
    return VS_OK;
}

static void case_every_task_runs_once(void)
{
    static const size_t threads[] = {0, 1, 2, 7, 64, 5000};
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        static struct job job;
        struct vs_error err;
        memset(&job, 0, sizeof job);
        job.bad_from = TASKS;
        CHECK_OK(vs_pool_run(vs_env_default(), threads[t], TASKS, count_task, &job, &err), err);
        for (size_t i = 0; i < TASKS; i++) {
            CHECK_INT(job.done[i], 1);
        }
    }
    CHECK_STATUS(vs_pool_run(vs_env_default(), 8, 0, count_task, NULL, NULL), VS_OK);
}

static void case_lowest_failure_wins(void)
{
    for (int round = 0; round < 20; round++) {
        for (size_t threads = 1; threads <= 8; threads += 7) {
            static struct job job;
            struct vs_error err = {0};
            memset(&job, 0, sizeof job);
            job.bad_from = 100;
            CHECK_STATUS(vs_pool_run(vs_env_default(), threads, TASKS, count_task, &job, &err),
                         VS_CORRUPT);
            CHECK_TEXT(err.message, "task 101 is bad");
            CHECK_INT(err.code, VS_CORRUPT);
            CHECK(job.started < TASKS); // no task starts after a failure
        }
    }
    static struct job job;
    memset(&job, 0, sizeof job);
    CHECK_STATUS(vs_pool_run(vs_env_default(), 4, TASKS, count_task, &job, NULL), VS_CORRUPT);
}

static void case_cpu_count(void)
{
    size_t count = vs_cpu_count();
    CHECK(count >= 1 && count <= 4096);
}

TEST_MAIN(TEST(case_every_task_runs_once), TEST(case_lowest_failure_wins), TEST(case_cpu_count))
