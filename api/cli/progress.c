// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

#include <string.h>

#define BAR_WIDTH 24
#define REDRAW_NS (INT64_C(60) * 1000 * 1000)

static struct {
    char phase[48];
    int64_t phase_started_ns, drawn_ns;
    bool visible;
} bar;

static void put_eta(double seconds)
{
    if (seconds >= 90) {
        fprintf(stderr, "  ETA %.0f min", seconds / 60);
    } else {
        fprintf(stderr, "  ETA %.0f s", seconds);
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

static void draw(uint64_t done, uint64_t total, const char *unit, double elapsed)
{
    double rate = elapsed > 0.2 ? (double)done / elapsed : 0;
    fprintf(stderr, "\r\033[K%-14s ", bar.phase);
    if (total > 0) {
        put_bar(done >= total ? 1 : (double)done / (double)total);
    }
    render_count(stderr, (int64_t)done);
    if (total > 0) {
        fputc('/', stderr);
        render_count(stderr, (int64_t)total);
    }
    fprintf(stderr, " %s", unit);
    if (rate > 0) {
        fputs("  ", stderr);
        render_count(stderr, (int64_t)rate);
        fprintf(stderr, "/s");
        if (total > done) {
            put_eta((double)(total - done) / rate);
        }
    }
    (void)fflush(stderr);
    bar.visible = true;
}

void cli_progress(void *ctx, const char *phase, uint64_t done, uint64_t total, const char *unit)
{
    (void)ctx;
    int64_t now = vs_monotonic_ns(vs_env_default());
    if (strcmp(bar.phase, phase) != 0) {
        snprintf(bar.phase, sizeof bar.phase, "%s", phase);
        bar.phase_started_ns = now;
        bar.drawn_ns = 0;
    }
    if (now - bar.drawn_ns < REDRAW_NS) {
        return;
    }
    bar.drawn_ns = now;
    draw(done, total, unit, (double)(now - bar.phase_started_ns) / 1e9);
}

void cli_progress_end(void)
{
    if (bar.visible) {
        fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        bar.visible = false;
    }
}
