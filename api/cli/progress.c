// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"
#include "api/cli/progress_estimate.h"

#include <string.h>

#define BAR_WIDTH 24
#define REDRAW_NS (INT64_C(60) * 1000 * 1000)

static struct {
    char phase[48];
    struct cli_estimate estimate;
    int64_t drawn_ns;
    const char *const *stages;
    bool visible;
} bar;

static void put_stage(void)
{
    size_t count = 0, at = 0;
    for (; bar.stages != NULL && bar.stages[count] != NULL; count++) {
        if (strncmp(bar.phase, bar.stages[count], strlen(bar.stages[count])) == 0) {
            at = count + 1;
        }
    }
    if (at > 0) {
        fprintf(stderr, "[%zu/%zu] ", at, count);
    }
}

static void put_bar(double share)
{
    int full = (int)(share * BAR_WIDTH);
    fputc('[', stderr);
    for (int i = 0; i < BAR_WIDTH; i++) {
        fputc(i < full ? '#' : '.', stderr);
    }
    fprintf(stderr, "] %3.0f %%  ", share * 100);
}

static void draw(uint64_t done, uint64_t total, const char *unit)
{
    double rate = cli_estimate_rate(&bar.estimate), seconds;
    fputs("\r\033[K", stderr);
    put_stage();
    fprintf(stderr, "%-14s ", bar.phase);
    if (total > 0) {
        put_bar(done >= total ? 1 : (double)done / (double)total);
    }
    render_count(stderr, (int64_t)done);
    if (total > 0) {
        fputc('/', stderr);
        render_count(stderr, (int64_t)total);
    }
    fprintf(stderr, " %s", unit);
    if (rate >= 1) {
        fputs("  ", stderr);
        render_count(stderr, (int64_t)rate);
        fputs("/s", stderr);
    }
    if (cli_estimate_left(&bar.estimate, total, &seconds)) {
        char text[48];
        cli_estimate_text(seconds, text, sizeof text);
        fprintf(stderr, "  %s", text);
    }
    (void)fflush(stderr);
    bar.visible = true;
}

void cli_progress_stages(const char *const *stages)
{
    bar.stages = stages;
}

void cli_progress(void *ctx, const char *phase, uint64_t done, uint64_t total, const char *unit)
{
    (void)ctx;
    int64_t now = vs_monotonic_ns(vs_env_default());
    if (strcmp(bar.phase, phase) != 0) {
        snprintf(bar.phase, sizeof bar.phase, "%s", phase);
        bar.estimate = (struct cli_estimate){.count = 0};
        bar.drawn_ns = 0;
    }
    cli_estimate_add(&bar.estimate, now, done);
    if (now - bar.drawn_ns < REDRAW_NS) {
        return;
    }
    bar.drawn_ns = now;
    draw(done, total, unit);
}

void cli_progress_end(void)
{
    if (bar.visible) {
        fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        bar.visible = false;
    }
}
