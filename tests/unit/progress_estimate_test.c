// SPDX-License-Identifier: Apache-2.0
// Times are given, so nothing here depends on the clock.
#include "api/cli/progress_estimate.h"
#include "tests/support/check.h"

#include <math.h>

#define MS INT64_C(1000000)

// Reports every step_ms from *now_ms to end_ms, `rate` units a second.
static void report(struct cli_estimate *e,
                   int64_t *now_ms,
                   int64_t end_ms,
                   int64_t step_ms,
                   double *done,
                   double rate)
{
    for (; *now_ms < end_ms; *now_ms += step_ms) {
        cli_estimate_add(e, *now_ms * MS, (uint64_t)*done);
        *done += rate * (double)step_ms / 1000;
    }
}

static void steady_rate(void)
{
    static const int64_t steps[] = {1, 50, 400, 3000, 20000}; // up to one longer than the window
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct cli_estimate e = {.count = 0};
        int64_t now = 1000;
        double done = 0, left = 0;
        report(&e, &now, 1000 + 40 * 1000, steps[i], &done, 2000);
        CHECK(fabs(cli_estimate_rate(&e) - 2000) < 1);
        REQUIRE(cli_estimate_left(&e, e.newest.done + 24000, &left));
        CHECK(fabs(left - 12) < 0.01);
    }
}

// Ten times slower after half a minute: only the last seconds count.
static void follows_changes(void)
{
    struct cli_estimate e = {.count = 0};
    int64_t now = 0;
    double done = 0;
    report(&e, &now, 30000, 50, &done, 10000);
    CHECK(fabs(cli_estimate_rate(&e) - 10000) < 10);
    report(&e, &now, 34000, 50, &done, 1000);
    double mixed = cli_estimate_rate(&e);
    CHECK(mixed > 2000 && mixed < 9000);
    report(&e, &now, 40000, 50, &done, 1000);
    CHECK(fabs(cli_estimate_rate(&e) - 1000) < 10);
}

static void not_known_yet(void)
{
    struct cli_estimate e = {.count = 0};
    double left = -7;
    CHECK(cli_estimate_rate(&e) <= 0);
    CHECK(!cli_estimate_left(&e, 10, &left));
    cli_estimate_add(&e, 0, 0);
    cli_estimate_add(&e, 100 * MS, 5); // too short a time
    CHECK(!cli_estimate_left(&e, 10, &left));
    cli_estimate_add(&e, 300 * MS, 5);
    REQUIRE(cli_estimate_left(&e, 10, &left));
    CHECK(fabs(left - 0.3) < 1e-9);
    CHECK(!cli_estimate_left(&e, 5, &left)); // done
    CHECK(!cli_estimate_left(&e, 4, &left));
    e = (struct cli_estimate){.count = 0};
    cli_estimate_add(&e, 0, 3);
    cli_estimate_add(&e, 5000 * MS, 3); // stands still
    left = -7;
    CHECK(!cli_estimate_left(&e, 10, &left));
    CHECK(left < -6); // untouched
}

static void begins_anew(void)
{
    struct cli_estimate e = {.count = 0};
    int64_t now = 0;
    double done = 0;
    report(&e, &now, 5000, 100, &done, 1000);
    cli_estimate_add(&e, now * MS, 0); // another column
    CHECK(cli_estimate_rate(&e) <= 0);
    done = 0;
    report(&e, &now, now + 2000, 100, &done, 50);
    CHECK(fabs(cli_estimate_rate(&e) - 50) < 3);
}

static void texts(void)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {0, "about 1 s left"},
        {12.4, "about 12 s left"},
        {89.4, "about 89 s left"},
        {90, "about 2 min left"},
        {149, "about 2 min left"},
        {3569, "about 59 min left"},
        {3570, "about 1 h 0 min left"},
        {7799, "about 2 h 10 min left"},
        {1e300, "more than 1,000 h left"},
        {(double)INFINITY, "more than 1,000 h left"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        cli_estimate_text(cases[i].seconds, text, sizeof text);
        CHECK_TEXT(text, cases[i].text);
    }
}

TEST_MAIN(
    TEST(steady_rate), TEST(follows_changes), TEST(not_known_yet), TEST(begins_anew), TEST(texts))
