// SPDX-License-Identifier: Apache-2.0
/*
 * Fork-join over threads: runs task(ctx, i) for i in [0, task_count) on at most thread_count
 * threads (the caller is one of them).
 *
 * Tasks are handed out in order, one at a time. After a failure no further task starts; the error
 * of the lowest failed index is returned, so that the outcome does not depend on timing. See
 * docs/internals/base.md.
 */
#ifndef VS_BASE_POOL_H
#define VS_BASE_POOL_H

#include "vecstore/base/env.h"

typedef enum vs_status (*vs_task_fn)(void *ctx, size_t index, struct vs_error *err);

size_t vs_cpu_count(void); // processors this process may use (affinity, cgroup quota); at least 1
enum vs_status vs_pool_run(const struct vs_env *env,
                           size_t thread_count,
                           size_t task_count,
                           vs_task_fn task,
                           void *ctx,
                           struct vs_error *err);

#endif
