// SPDX-License-Identifier: Apache-2.0
/*
 * The lower limit of a query's time on this machine: the bytes of each stage over the speed at
 * which one core can read them, and the rows to re-rank times what a random row costs.
 *
 *   T_limit = projection / BW + centroids / BW + codes / BW + rows * t_row
 *
 * Every speed is measured here at start (about a second), over a buffer as large as what the stage
 * chooses from: a projection that fits into L2 is read from L2, codes that fit into L3 from there.
 * So the limit does not flatter small sets. Threads: measure on the pinned thread that will search;
 * memory2_gb_s starts a second one.
 */
#ifndef VS_BENCH_LIMIT_H
#define VS_BENCH_LIMIT_H

#include <stddef.h>
#include <stdint.h>

// As the search times them: probe is projection, ranking of the lists and the table.
enum bench_stage { BENCH_STAGE_PROBE, BENCH_STAGE_SCAN, BENCH_STAGE_RERANK, BENCH_STAGE_COUNT };

const char *bench_stage_name(enum bench_stage stage);

// What an index holds, in bytes: the sets that the stages read from.
struct bench_sets {
    size_t projection, centroids, codes, rows;
    size_t row_bytes; // of one row
};

struct bench_limits {
    double l2_gb_s, l3_gb_s;
    double memory_gb_s, memory2_gb_s; // one thread, two threads together
    double projection_gb_s, centroid_gb_s, code_gb_s;
    double row_ns; // one random row of the set, prefetched
};

// What queries read, counted by the search itself, and the time that it took; sums over queries.
struct bench_work {
    double queries;
    double projection_bytes, centroid_bytes, code_bytes, rows;
    double stage_ns[BENCH_STAGE_COUNT];
};

void bench_limits_measure(const struct bench_sets *sets, struct bench_limits *limits_out);
// Microseconds a query: stage_us_out[BENCH_STAGE_COUNT]; returns their sum.
double bench_limit_us(const struct bench_limits *limits,
                      const struct bench_work *work,
                      double *stage_us_out);

#endif
