// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/cancel.h"

#include <time.h>

#define PROGRESS_INTERVAL_NS INT64_C(50000000)

enum vs_status vs_op_check(const struct vs_env *env, const struct vs_op *op, struct vs_error *err)
{
    if (op == NULL) {
        return VS_OK;
    }
    if (op->cancelled != NULL && atomic_load_explicit(op->cancelled, memory_order_relaxed)) {
        return vs_fail(err, VS_CANCELLED, "the operation was cancelled");
    }
    if (op->deadline_ns != 0 && vs_monotonic_ns(env) >= op->deadline_ns) {
        return vs_fail(err, VS_TIMEOUT, "the deadline passed before the operation was done");
    }
    return VS_OK;
}

// The last report of this thread: operations are const and shared, so the rate limit lives here.
struct last_report {
    const struct vs_op *op;
    const char *phase;
    int64_t at_ns;
};

void vs_op_progress(
    const struct vs_op *op, const char *phase, uint64_t done, uint64_t total, const char *unit)
{
    static _Thread_local struct last_report last;
    if (op == NULL || op->progress == NULL) {
        return;
    }
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    bool same = last.op == op && last.phase == phase;
    bool finished = total > 0 && done >= total;
    if (same && !finished && now_ns - last.at_ns < PROGRESS_INTERVAL_NS) {
        return;
    }
    last = (struct last_report){op, phase, now_ns};
    op->progress(op->ctx, phase, done, total, unit);
}

void vs_progress_begin(struct vs_progress *progress,
                       const struct vs_op *op,
                       const char *phase,
                       uint64_t total,
                       const char *unit)
{
    progress->op = op;
    progress->phase = phase;
    progress->unit = unit;
    progress->total = total;
    atomic_init(&progress->done, 0);
    progress->owner = pthread_self();
    vs_op_progress(op, phase, 0, total, unit);
}

void vs_progress_add(struct vs_progress *progress, uint64_t count)
{
    if (progress == NULL) {
        return;
    }
    uint64_t done = atomic_fetch_add_explicit(&progress->done, count, memory_order_relaxed) + count;
    if (pthread_equal(progress->owner, pthread_self())) {
        vs_op_progress(progress->op, progress->phase, done, progress->total, progress->unit);
    }
}
