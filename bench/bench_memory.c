// SPDX-License-Identifier: Apache-2.0
/*
 * Reading speed of one pinned core: 512 MiB (main memory) and 4 MiB (caches), best of several
 * passes, as one JSON line. The lower bound of a search's time is the bytes that it reads over
 * these figures.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// Eight independent sums, so that the loads and not the additions decide.
static uint64_t read_all(const uint64_t *words, size_t count)
{
    uint64_t sum[32] = {0};
    for (size_t i = 0; i < count; i += 32) {
        for (size_t j = 0; j < 32; j++) {
            sum[j] += words[i + j];
        }
    }
    for (size_t j = 1; j < 32; j++) {
        sum[0] += sum[j];
    }
    return sum[0];
}

static double gb_per_s(size_t bytes, unsigned passes, uint64_t *sum)
{
    uint64_t *words = aligned_alloc(4096, bytes);
    if (words == NULL) {
        perror("memory");
        exit(1);
    }
    memset(words, 1, bytes);
    double best = 1e9;
    for (unsigned pass = 0; pass < passes; pass++) {
        double start = now_s();
        *sum += read_all(words, bytes / sizeof *words);
        double seconds = now_s() - start;
        best = seconds < best ? seconds : best;
    }
    free(words);
    return (double)bytes / best * 1e-9;
}

int main(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)(sysconf(_SC_NPROCESSORS_ONLN) - 1), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
        perror("cannot pin to a core");
        return 1;
    }
    uint64_t sum = 0;
    double memory = gb_per_s((size_t)512 << 20, 8, &sum),
           cached = gb_per_s((size_t)4 << 20, 400, &sum);
    printf("{\"memory_gb_s\":%.1f,\"cached_gb_s\":%.1f,\"sum\":%llu}\n", memory, cached,
           (unsigned long long)sum);
    return 0;
}
