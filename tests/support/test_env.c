// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_env.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *counting_resize(void *ctx, void *ptr, size_t size)
{
    struct test_env *test = (struct test_env *)ctx;
    if (size == 0) {
        if (ptr != NULL) {
            atomic_fetch_sub(&test->live, 1);
            free(ptr);
        }
        return NULL;
    }
    long call = atomic_fetch_add(&test->calls, 1);
    if (test->fail_at >= 0 && (call == test->fail_at || (test->fail_on && call > test->fail_at))) {
        atomic_store(&test->failed, true);
        return NULL;
    }
    void *grown = realloc(ptr, size);
    if (grown != NULL && ptr == NULL) {
        atomic_fetch_add(&test->live, 1);
    }
    return grown;
}

static int64_t test_wall_ms(void *ctx)
{
    const struct test_env *test = (const struct test_env *)ctx;
    const struct vs_env *real = vs_env_default();
    return test->now_ms != 0 ? test->now_ms : real->wall_ms(real->ctx);
}

static int64_t test_monotonic_ns(void *ctx)
{
    (void)ctx;
    const struct vs_env *real = vs_env_default();
    return real->monotonic_ns(real->ctx);
}

// splitmix64; the atomic step makes it usable from several threads.
static void test_random_bytes(void *ctx, void *dst, size_t n)
{
    struct test_env *test = (struct test_env *)ctx;
    uint8_t *bytes = (uint8_t *)dst;
    for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
        uint64_t z = __atomic_add_fetch(&test->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        memcpy(bytes + i, &z, n - i < sizeof z ? n - i : sizeof z);
    }
}

void test_env_init(struct test_env *test)
{
    *test = (struct test_env){.fail_at = -1, .seed = 1};
    test->env = (struct vs_env){
        .resize = counting_resize,
        .wall_ms = test_wall_ms,
        .monotonic_ns = test_monotonic_ns,
        .random_bytes = test_random_bytes,
        .ctx = test,
        .log_level = VS_LOG_INFO,
    };
}

void test_dir_make(char *path_out, size_t size)
{
    const char *base = getenv("TMPDIR");
    int len = snprintf(path_out, size, "%s/vecstore-test-XXXXXX",
                       base != NULL && base[0] != '\0' ? base : "/tmp");
    if (len < 0 || (size_t)len >= size || mkdtemp(path_out) == NULL) {
        perror("cannot make a directory for the test");
        exit(1);
    }
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void test_dir_remove(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_python(void)
{
    const char *path = getenv("VECSTORE_PYTHON");
    return path != NULL && path[0] == '/' && access(path, X_OK) == 0 ? path : NULL;
}
