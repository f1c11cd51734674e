// SPDX-License-Identifier: Apache-2.0
/*
 * An object store that is far away, simulated over any other store: requests take a time drawn from
 * a lognormal distribution plus the time of their bytes over one stream; requests that are made
 * side by side overlap, at most so many at once. It joins and splits ranges as the S3 store does,
 * and counts requests, bytes and serial rounds (a round starts when a request starts while none is
 * under way).
 *
 * Threads: any, as for stores. A link outlives what was opened over it.
 */
#ifndef VS_TESTS_SLOW_STORE_H
#define VS_TESTS_SLOW_STORE_H

#include "vecstore/object/store.h"

#include <pthread.h>
#include <stdbool.h>

struct slow_options {
    double p50_ms, p99_ms;  // of the first byte; 0: no time passes
    double stream_mb_per_s; // 0: bytes take no time
    size_t parallel;        // requests at once; 0: 64
    uint64_t seed;
    long fail_at; // the request with this number fails (UNAVAILABLE); -1: none
    bool fail_on; // and all after it
};

struct slow_counts {
    uint64_t requests, rounds, bytes, failed;
};

struct slow_link {
    struct slow_options options;
    pthread_mutex_t lock;
    struct slow_counts counts;
    size_t under_way;
    uint64_t state; // of the random source
};

void slow_link_init(struct slow_link *link, const struct slow_options *options);
void slow_link_clear(struct slow_link *link);
struct slow_counts slow_link_count(struct slow_link *link);
void slow_link_reset(struct slow_link *link); // counts

// A file over `inner`, which is closed with it.
enum vs_status slow_file_wrap(struct slow_link *link,
                              const struct vs_env *env,
                              struct vs_file *inner,
                              struct vs_file **file_out,
                              struct vs_error *err);
// A store over `inner`, which is freed with it.
enum vs_status slow_store_wrap(struct slow_link *link,
                               struct vs_store *inner,
                               struct vs_store **store_out,
                               struct vs_error *err);

#endif
