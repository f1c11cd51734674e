// SPDX-License-Identifier: Apache-2.0
/*
 * The whole test harness: CHECK macros that print file, line and values, and a main() that runs a
 * table of cases.
 *
 * Usage:  static void case_x(void) { CHECK_INT(1 + 1, 2); }
 *         TEST_MAIN(TEST(case_x), TEST(case_y))
 * A failed check marks the case failed and goes on; REQUIRE returns from the case.  SKIP(reason)
 * ends the case as skipped; when every case is skipped the program exits with 77 (ctest: skipped).
 */
#ifndef VS_TESTS_CHECK_H
#define VS_TESTS_CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int check_failures;
static bool check_skipped;

static inline void check_report(const char *file, int line, const char *text)
{
    check_failures++;
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
}

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            check_report(__FILE__, __LINE__, #cond);                                               \
        }                                                                                          \
    } while (0)
#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            check_report(__FILE__, __LINE__, #cond);                                               \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define CHECK_INT(actual, expected)                                                                \
    do {                                                                                           \
        long long check_a_ = (long long)(actual), check_e_ = (long long)(expected);                \
        if (check_a_ != check_e_) {                                                                \
            check_report(__FILE__, __LINE__, #actual " == " #expected);                            \
            fprintf(stderr, "    actual %lld, expected %lld\n", check_a_, check_e_);               \
        }                                                                                          \
    } while (0)
#define CHECK_NEAR(actual, expected, tolerance)                                                    \
    do {                                                                                           \
        double check_a_ = (double)(actual), check_e_ = (double)(expected);                         \
        if (!(fabs(check_a_ - check_e_) <= (tolerance))) {                                         \
            check_report(__FILE__, __LINE__, #actual " near " #expected);                          \
            fprintf(stderr, "    actual %.9g, expected %.9g\n", check_a_, check_e_);               \
        }                                                                                          \
    } while (0)
#define CHECK_TEXT(actual, expected)                                                               \
    do {                                                                                           \
        const char *check_a_ = (actual), *check_e_ = (expected);                                   \
        if (check_a_ == NULL || strcmp(check_a_, check_e_) != 0) {                                 \
            check_report(__FILE__, __LINE__, #actual " == " #expected);                            \
            fprintf(stderr, "    actual   \"%s\"\n    expected \"%s\"\n",                          \
                    check_a_ ? check_a_ : "(null)", check_e_);                                     \
        }                                                                                          \
    } while (0)
// Status checks print the error's sentence. `err` is a struct vs_error variable.
#define CHECK_OK(expr, err)                                                                        \
    do {                                                                                           \
        enum vs_status check_s_ = (expr);                                                          \
        if (check_s_ != VS_OK) {                                                                   \
            check_report(__FILE__, __LINE__, #expr);                                               \
            fprintf(stderr, "    %s: %s\n", vs_status_name(check_s_), (err).message);              \
        }                                                                                          \
    } while (0)
#define REQUIRE_OK(expr, err)                                                                      \
    do {                                                                                           \
        enum vs_status check_s_ = (expr);                                                          \
        if (check_s_ != VS_OK) {                                                                   \
            check_report(__FILE__, __LINE__, #expr);                                               \
            fprintf(stderr, "    %s: %s\n", vs_status_name(check_s_), (err).message);              \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define CHECK_STATUS(expr, expected)                                                               \
    do {                                                                                           \
        enum vs_status check_s_ = (expr);                                                          \
        if (check_s_ != (expected)) {                                                              \
            check_report(__FILE__, __LINE__, #expr " gives " #expected);                           \
            fprintf(stderr, "    gave %s\n", vs_status_name(check_s_));                            \
        }                                                                                          \
    } while (0)
#define SKIP(reason)                                                                               \
    do {                                                                                           \
        printf("SKIP: %s\n", (reason));                                                            \
        check_skipped = true;                                                                      \
        return;                                                                                    \
    } while (0)

struct test_case {
    const char *name;
    void (*run)(void);
};

#define TEST(fn)                                                                                   \
    {                                                                                              \
#        fn, fn                                                                                    \
    }

// Runs all cases, or only those whose name contains argv[1].
static inline int test_run_all(const struct test_case *cases, size_t count, const char *filter)
{
    size_t failed = 0, skipped = 0, run = 0;
    for (size_t i = 0; i < count; i++) {
        if (filter != NULL && strstr(cases[i].name, filter) == NULL) {
            continue;
        }
        int before = check_failures;
        check_skipped = false;
        cases[i].run();
        run++;
        failed += check_failures != before;
        skipped += check_skipped && check_failures == before;
        printf("%s %s\n", check_failures != before ? "FAIL" : (check_skipped ? "SKIP" : "ok  "),
               cases[i].name);
    }
    printf("%zu cases, %zu failed, %zu skipped\n", run, failed, skipped);
    return failed > 0 ? 1 : (run > 0 && skipped == run ? 77 : 0);
}

#define TEST_MAIN(...)                                                                             \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const struct test_case cases[] = {__VA_ARGS__};                                     \
        return test_run_all(cases, sizeof cases / sizeof cases[0], argc > 1 ? argv[1] : NULL);     \
    }

#endif
