// SPDX-License-Identifier: Apache-2.0
#include "api/cli/progress_estimate.h"

#include <stdio.h>

#define SECOND_NS INT64_C(1000000000)
#define WINDOW_NS (8 * SECOND_NS)
#define SPACING_NS (WINDOW_NS / CLI_ESTIMATE_SAMPLES)
#define LEAST_NS (SECOND_NS / 5) // a rate over less says nothing

static void drop_old(struct cli_estimate *e, int64_t now_ns)
{
    while (e->count > 1) {
        size_t second = (e->first + 1) % CLI_ESTIMATE_SAMPLES;
        if (now_ns - e->samples[second].at_ns < WINDOW_NS && e->count < CLI_ESTIMATE_SAMPLES) {
            return;
        }
        e->first = second;
        e->count--;
    }
}

void cli_estimate_add(struct cli_estimate *e, int64_t now_ns, uint64_t done)
{
    if (e->count > 0 && (done < e->newest.done || now_ns < e->newest.at_ns)) {
        *e = (struct cli_estimate){.count = 0};
    }
    e->newest.at_ns = now_ns;
    e->newest.done = done;
    size_t last = (e->first + e->count + CLI_ESTIMATE_SAMPLES - 1) % CLI_ESTIMATE_SAMPLES;
    if (e->count > 0 && now_ns - e->samples[last].at_ns < SPACING_NS) {
        return;
    }
    drop_old(e, now_ns);
    size_t next = (e->first + e->count) % CLI_ESTIMATE_SAMPLES;
    e->samples[next].at_ns = now_ns;
    e->samples[next].done = done;
    e->count++;
}

double cli_estimate_rate(const struct cli_estimate *e)
{
    int64_t span = e->count > 0 ? e->newest.at_ns - e->samples[e->first].at_ns : 0;
    if (span < LEAST_NS) {
        return 0;
    }
    uint64_t done = e->newest.done - e->samples[e->first].done;
    return (double)done / ((double)span / (double)SECOND_NS);
}

bool cli_estimate_left(const struct cli_estimate *e, uint64_t total, double *seconds_out)
{
    double rate = cli_estimate_rate(e);
    if (!(rate > 0) || e->newest.done >= total) {
        return false;
    }
    *seconds_out = (double)(total - e->newest.done) / rate;
    return true;
}

void cli_estimate_text(double seconds, char *text, size_t size)
{
    if (!(seconds < 3600.0 * 1000)) {
        snprintf(text, size, "more than 1,000 h left");
    } else if (seconds >= 3570) {
        unsigned minutes = (unsigned)(seconds / 60 + 0.5);
        snprintf(text, size, "about %u h %u min left", minutes / 60, minutes % 60);
    } else if (seconds >= 90) {
        snprintf(text, size, "about %u min left", (unsigned)(seconds / 60 + 0.5));
    } else {
        unsigned whole = (unsigned)(seconds + 0.5);
        snprintf(text, size, "about %u s left", whole > 0 ? whole : 1);
    }
}
