// SPDX-License-Identifier: Apache-2.0
/*
 * Environments for tests: one that counts live allocations and can fail the n-th, a seeded random
 * source and a settable clock.
 *
 * Torture loop:  for (long n = 0;; n++) { test_env_init(&t); t.fail_at = n; run(&t.env);
 * CHECK_INT(t.live, 0); if (!t.failed) break; }
 */
#ifndef VS_TESTS_TEST_ENV_H
#define VS_TESTS_TEST_ENV_H

#include "vecstore/base/env.h"

#include <stdatomic.h>

struct test_env {
    struct vs_env env;
    atomic_long live;   // allocations not yet freed
    atomic_long calls;  // allocations asked for so far
    long fail_at;       // index of the allocation that fails; -1: none
    bool fail_on;       // keep failing from then on
    atomic_bool failed; // the failure has been delivered
    uint64_t seed;      // state of the random source
    int64_t now_ms;     // wall clock; 0: the system's
};

void test_env_init(struct test_env *test); // fail_at = -1, seed 1
// Makes a fresh empty directory under $TMPDIR (or /tmp) and writes its path; removed by
// test_dir_remove.
void test_dir_make(char *path_out, size_t size);
void test_dir_remove(const char *path); // the directory and all below it
// Absolute path of the Python for cross-checks ($VECSTORE_PYTHON), NULL when there is none.
const char *test_python(void);

#endif
