/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a stage is and how long it will still take, from what it reported over the last seconds:
 * stages start slowly, and pass from cached to cold data.
 *
 * Ownership: plain values. Threads: single owner.
 */
#ifndef VS_CLI_PROGRESS_ESTIMATE_H
#define VS_CLI_PROGRESS_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_ESTIMATE_SAMPLES 32

struct cli_estimate {
    struct {
        int64_t at_ns;
        uint64_t done;
    } samples[CLI_ESTIMATE_SAMPLES], newest; // a ring, the oldest at `first`

    size_t first, count;
};

// A report; one that goes back begins anew.
void cli_estimate_add(struct cli_estimate *estimate, int64_t now_ns, uint64_t done);
// Units a second; 0: not known yet.
double cli_estimate_rate(const struct cli_estimate *estimate);
// Seconds until `total`; false: not known yet.
bool cli_estimate_left(const struct cli_estimate *estimate, uint64_t total, double *seconds_out);
// "about 12 s left", "about 4 min left", "about 2 h 10 min left"
void cli_estimate_text(double seconds, char *text, size_t size);

#endif
