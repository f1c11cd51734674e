// SPDX-License-Identifier: Apache-2.0
#include "bench/limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define LARGEST (256 * MIB) // larger sets cost the same as this one
#define AHEAD 8             // rows prefetched before they are read

// 64 bytes, in as many registers as the instruction set needs.
typedef uint64_t line_words __attribute__((vector_size(64)));
typedef uint64_t (*read_fn)(const void *bytes, size_t size);

static volatile uint64_t sink; // so that no reading is optimised away

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// Eight sums side by side, so that the loads and not the additions decide. size: a multiple of 512.
#define READ_LINES                                                                                 \
    const line_words *lines = bytes;                                                               \
    line_words sum[8] = {{0}};                                                                     \
    for (size_t i = 0; i < size / sizeof *lines; i += 8) {                                         \
        for (size_t j = 0; j < 8; j++) {                                                           \
            sum[j] += lines[i + j];                                                                \
        }                                                                                          \
    }                                                                                              \
    uint64_t total = 0;                                                                            \
    for (size_t j = 0; j < 8; j++) {                                                               \
        for (size_t k = 0; k < 8; k++) {                                                           \
            total += sum[j][k];                                                                    \
        }                                                                                          \
    }                                                                                              \
    return total

static uint64_t read_plain(const void *bytes, size_t size)
{
    READ_LINES;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t read_avx2(const void *bytes, size_t size)
{
    READ_LINES;
}

__attribute__((target("avx512f"))) static uint64_t read_avx512(const void *bytes, size_t size)
{
    READ_LINES;
}
#endif

static read_fn choose_read(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        return read_avx512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return read_avx2;
    }
#endif
    return read_plain;
}

// Large pages where the system has them, as the allocator of the library asks for.
static void *take(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("memory of the calibration");
        exit(1);
    }
    (void)madvise(memory, size, MADV_HUGEPAGE);
    memset(memory, 1, size);
    return memory;
}

// Best of passes within the time: other work only ever makes it slower.
static double read_gb_s(const void *memory, size_t size, double seconds)
{
    read_fn read_lines = choose_read();
    size_t rounds = size < 32 * MIB ? 32 * MIB / size : 1;
    double best = 1e30, end = now_s() + seconds;
    do {
        double start = now_s();
        for (size_t round = 0; round < rounds; round++) {
            sink += read_lines(memory, size);
        }
        double took = now_s() - start;
        best = took < best ? took : best;
    } while (now_s() < end);
    return (double)size * (double)rounds / best * 1e-9;
}

struct reader {
    const void *memory;
    size_t size;
    atomic_int *waiting;
    double seconds;
};

static void *read_side(void *ctx)
{
    struct reader *reader = ctx;
    atomic_fetch_sub(reader->waiting, 1);
    while (atomic_load(reader->waiting) > 0) {
    }
    double start = now_s();
    for (int pass = 0; pass < 4; pass++) {
        sink += choose_read()(reader->memory, reader->size);
    }
    reader->seconds = now_s() - start;
    return NULL;
}

// Both halves of the memory at once, each by a thread that may run on any core.
static double read_two_gb_s(const uint8_t *memory, size_t size)
{
    atomic_int waiting = 2;
    struct reader readers[2] = {{memory, size / 2, &waiting, 0.0},
                                {memory + size / 2, size / 2, &waiting, 0.0}};
    pthread_attr_t attributes;
    pthread_t threads[2];
    cpu_set_t all;
    CPU_ZERO(&all);
    for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
        CPU_SET((size_t)cpu, &all);
    }
    pthread_attr_init(&attributes);
    (void)pthread_attr_setaffinity_np(&attributes, sizeof all, &all);
    double gb_s = 0.0;
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1 &&
        pthread_create(&threads[0], &attributes, read_side, &readers[0]) == 0) {
        if (pthread_create(&threads[1], &attributes, read_side, &readers[1]) != 0) {
            atomic_store(&waiting, 0);
            readers[1].seconds = 0.0;
            pthread_join(threads[0], NULL);
        } else {
            pthread_join(threads[0], NULL);
            pthread_join(threads[1], NULL);
            double slower =
                readers[0].seconds > readers[1].seconds ? readers[0].seconds : readers[1].seconds;
            gb_s = 4.0 * (double)size / slower * 1e-9;
        }
    }
    pthread_attr_destroy(&attributes);
    return gb_s;
}

static size_t wrapped(size_t place, size_t span)
{
    return place < span ? place : place - span;
}

// Rows at random places, each prefetched AHEAD rows before it is read: nanoseconds a row.
static double random_row_ns(const uint8_t *memory, size_t size, size_t row_bytes, double seconds)
{
    enum { ROWS = 8192 };

    size_t places[ROWS], count = size / row_bytes, span = count * row_bytes;
    uint64_t state = 88172645463325252U, sum = 0;
    for (size_t i = 0; i < ROWS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        places[i] = (size_t)(state % count) * row_bytes;
    }
    double best = 1e30, end = now_s() + seconds;
    do {
        // Other rows in every pass, so that the last pass has not left these in a cache.
        size_t shift = (size_t)(state++ * 2654435761U % count) * row_bytes;
        double start = now_s();
        for (size_t i = 0; i < ROWS; i++) {
            const uint8_t *ahead = memory + wrapped(places[(i + AHEAD) % ROWS] + shift, span);
            for (size_t at = 0; at < row_bytes; at += 64) {
                __builtin_prefetch(ahead + at);
            }
            const uint8_t *row = memory + wrapped(places[i] + shift, span);
            for (size_t at = 0; at < row_bytes; at += 64) {
                sum += *(const uint64_t *)(const void *)(row + at);
            }
        }
        double took = now_s() - start;
        best = took < best ? took : best;
    } while (now_s() < end);
    sink += sum;
    return best / ROWS * 1e9;
}

static size_t clamp(size_t size, size_t least)
{
    size = size < least ? least : size > LARGEST ? LARGEST : size;
    return size & ~(size_t)4095;
}

static size_t cache_size(int name, size_t otherwise)
{
    long size = sysconf(name);
    return size > 0 ? (size_t)size : otherwise;
}

const char *bench_stage_name(enum bench_stage stage)
{
    static const char *const names[BENCH_STAGE_COUNT] = {"probe", "scan", "rerank"};
    return names[stage];
}

void bench_limits_measure(const struct bench_sets *sets, struct bench_limits *limits_out)
{
    uint8_t *memory = take(LARGEST);
    size_t row_bytes = ((sets->row_bytes > 0 ? sets->row_bytes : 64) + 63) & ~(size_t)63;
    *limits_out = (struct bench_limits){
        .l2_gb_s = read_gb_s(memory, clamp(cache_size(_SC_LEVEL2_CACHE_SIZE, MIB) / 2, 4096), 0.1),
        .l3_gb_s =
            read_gb_s(memory, clamp(cache_size(_SC_LEVEL3_CACHE_SIZE, 32 * MIB) / 4, 4096), 0.1),
        .memory_gb_s = read_gb_s(memory, LARGEST, 0.15),
        .memory2_gb_s = read_two_gb_s(memory, LARGEST),
        .projection_gb_s = read_gb_s(memory, clamp(sets->projection, 4096), 0.1),
        .centroid_gb_s = read_gb_s(memory, clamp(sets->centroids, 4096), 0.1),
        .code_gb_s = read_gb_s(memory, clamp(sets->codes, 4096), 0.1),
        .row_ns = random_row_ns(memory, clamp(sets->rows, 64 * row_bytes), row_bytes, 0.15)};
    (void)munmap(memory, LARGEST);
}

double bench_limit_us(const struct bench_limits *limits,
                      const struct bench_work *work,
                      double *stage_us_out)
{
    double queries = work->queries > 0.0 ? work->queries : 1.0;
    stage_us_out[BENCH_STAGE_PROBE] = (work->projection_bytes / limits->projection_gb_s +
                                       work->centroid_bytes / limits->centroid_gb_s) *
                                      1e-3 / queries;
    stage_us_out[BENCH_STAGE_SCAN] = work->code_bytes / limits->code_gb_s * 1e-3 / queries;
    stage_us_out[BENCH_STAGE_RERANK] = work->rows * limits->row_ns * 1e-3 / queries;
    double sum = 0.0;
    for (int stage = 0; stage < BENCH_STAGE_COUNT; stage++) {
        sum += stage_us_out[stage];
    }
    return sum;
}
