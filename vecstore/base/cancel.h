// SPDX-License-Identifier: Apache-2.0
/*
 * Cancellation, deadline and progress of a long operation, passed down by pointer (may be NULL
 * everywhere).
 */
#ifndef VS_BASE_CANCEL_H
#define VS_BASE_CANCEL_H

#include "vecstore/base/env.h"

#include <pthread.h>
#include <stdatomic.h>

struct vs_op {
    atomic_bool *cancelled; // NULL: cannot be cancelled
    int64_t deadline_ns;    // monotonic; 0: none
    // Called from the operation's own thread at most ~20 times a second. phase is a short noun
    // phrase ("reading", "training").
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total, const char *unit);
    void *ctx;
};

// VS_CANCELLED or VS_TIMEOUT when the operation has to stop.
enum vs_status vs_op_check(const struct vs_env *env, const struct vs_op *op, struct vs_error *err);
void vs_op_progress(
    const struct vs_op *op, const char *phase, uint64_t done, uint64_t total, const char *unit);

// Progress of work that several threads share: any of them adds, the one that began reports.
struct vs_progress {
    const struct vs_op *op;
    const char *phase, *unit;
    uint64_t total;
    atomic_uint_least64_t done;
    pthread_t owner;
};

void vs_progress_begin(struct vs_progress *progress,
                       const struct vs_op *op,
                       const char *phase,
                       uint64_t total,
                       const char *unit);
void vs_progress_add(struct vs_progress *progress, uint64_t count); // NULL: nothing to tell

#endif
