// SPDX-License-Identifier: Apache-2.0
/*
 * One shared counter behind a mutex. Tasks are handed out in ascending order, so every task below a
 * failed one has been started already and is waited for: the lowest failed index is the same
 * whatever the timing.
 */
#include "vecstore/base/pool.h"

#include "vecstore/base/str.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 1024
#define CGROUP_ROOT "/sys/fs/cgroup"

struct pool {
    vs_task_fn task;
    void *ctx;
    size_t task_count;
    pthread_mutex_t lock;
    size_t next;           // guarded by lock
    bool failed;           // guarded by lock
    size_t failed_index;   // guarded by lock; lowest so far
    enum vs_status status; // guarded by lock
    struct vs_error error; // guarded by lock
};

static bool take_task(struct pool *pool, size_t *index_out)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool taken = !pool->failed && pool->next < pool->task_count;
    if (taken) {
        *index_out = pool->next++;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return taken;
}

static void record_failure(struct pool *pool,
                           size_t index,
                           enum vs_status status,
                           const struct vs_error *error)
{
    (void)pthread_mutex_lock(&pool->lock);
    if (!pool->failed || index < pool->failed_index) {
        pool->failed = true;
        pool->failed_index = index;
        pool->status = status;
        pool->error = *error;
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

static void *run_tasks(void *arg)
{
    struct pool *pool = (struct pool *)arg;
    struct vs_error error;
    size_t index = 0;
    while (take_task(pool, &index)) {
        vs_error_clear(&error);
        enum vs_status status = pool->task(pool->ctx, index, &error);
        if (status != VS_OK) {
            error.code = status;
            record_failure(pool, index, status, &error);
        }
    }
    return NULL;
}

static enum vs_status run_inline(size_t task_count,
                                 vs_task_fn task,
                                 void *ctx,
                                 struct vs_error *err)
{
    for (size_t i = 0; i < task_count; i++) {
        VS_TRY(task(ctx, i, err));
    }
    return VS_OK;
}

enum vs_status vs_pool_run(const struct vs_env *env,
                           size_t thread_count,
                           size_t task_count,
                           vs_task_fn task,
                           void *ctx,
                           struct vs_error *err)
{
    size_t wanted = thread_count < task_count ? thread_count : task_count;
    if (wanted > THREADS_MAX) {
        wanted = THREADS_MAX;
    }
    struct pool pool = {.task = task, .ctx = ctx, .task_count = task_count};
    if (wanted <= 1 || pthread_mutex_init(&pool.lock, NULL) != 0) {
        return run_inline(task_count, task, ctx, err);
    }
    pthread_t threads[THREADS_MAX];
    size_t started = 0;
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, run_tasks, &pool) == 0) {
        started++;
    }
    if (started + 1 < wanted) {
        vs_log(env, VS_LOG_WARN, "base", "pool_threads_missing", "wanted=%zu running=%zu", wanted,
               started + 1);
    }
    (void)run_tasks(&pool);
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)pthread_mutex_destroy(&pool.lock);
    if (pool.failed && err != NULL) {
        *err = pool.error;
    }
    return pool.failed ? pool.status : VS_OK;
}

// Reads the first line of a small file; false when there is none.
static bool read_line(const char *path, char *line_out, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool found = fgets(line_out, (int)size, file) != NULL;
    (void)fclose(file);
    return found;
}

// The line "0::/path" of /proc/self/cgroup is the one of cgroup v2.
static bool find_cgroup(char *path_out, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL) {
        return false;
    }
    bool found = false;
    char line[1024];
    while (!found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) == 0) {
            found = true;
            (void)snprintf(path_out, size, "%s", line + 3);
        }
    }
    (void)fclose(file);
    return found;
}

// "max 100000" or "<quota> <period>": processors, rounded up; 0 when there is no quota.
static size_t quota_of(const char *cpu_max)
{
    struct vs_str quota_text = {NULL, 0};
    struct vs_str period_text = {NULL, 0};
    uint64_t quota = 0;
    uint64_t period = 0;
    if (!vs_str_split(vs_str_trim(vs_str_from_c(cpu_max)), ' ', &quota_text, &period_text) ||
        vs_parse_u64(quota_text, &quota, NULL) != VS_OK ||
        vs_parse_u64(period_text, &period, NULL) != VS_OK || period == 0) {
        return 0;
    }
    return (size_t)(quota / period + (quota % period != 0));
}

// The smallest quota of our cgroup and of all above it; 0 when there is none.
static size_t cgroup_quota(void)
{
    char group[1024];
    size_t least = 0;
    if (!find_cgroup(group, sizeof group)) {
        return 0;
    }
    for (;;) {
        char path[1200];
        char line[128];
        (void)snprintf(path, sizeof path, CGROUP_ROOT "%s/cpu.max", group);
        size_t quota = read_line(path, line, sizeof line) ? quota_of(line) : 0;
        if (quota != 0 && (least == 0 || quota < least)) {
            least = quota;
        }
        char *slash = strrchr(group, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

size_t vs_cpu_count(void)
{
    size_t count = 0;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        count = (size_t)CPU_COUNT(&set);
    } else {
        long online = sysconf(_SC_NPROCESSORS_ONLN); // more processors than cpu_set_t holds
        count = online > 0 ? (size_t)online : 1;
    }
    size_t quota = cgroup_quota();
    if (quota != 0 && quota < count) {
        count = quota;
    }
    return count > 0 ? count : 1;
}
