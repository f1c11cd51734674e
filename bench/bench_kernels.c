// SPDX-License-Identifier: Apache-2.0
/*
 * Throughput of every kernel table, as JSON lines: first the machine, then the memory bandwidth
 * measured in the same run (the limit that every kernel meets on data that no cache holds), then
 * one line per table, kernel and place of the data (cache: 256 KiB, memory: 256 MiB).
 *
 * Usage: bench_kernels [seconds per measurement, default 0.2]
 */
#include "simd/cpu.h"
#include "simd/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CACHE_BYTES ((size_t)256 << 10)
#define MEMORY_BYTES ((size_t)256 << 20)
#define DIM 768
#define M 96
#define PQ_BLOCK ((size_t)16 * M) // bytes of 32 vectors

struct work {
    const struct vs_kernels *table;
    uint8_t *bytes; // MEMORY_BYTES
    size_t len;     // of them in use
    void *out;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const float *query_f32(void)
{
    static float query[DIM];
    for (size_t j = 0; j < DIM; j++) {
        query[j] = (float)(j % 13) - 6.0f;
    }
    return query;
}

static void run_dot_f32(const struct work *w)
{
    w->table->dot_f32(query_f32(), (const float *)(const void *)w->bytes, DIM,
                      w->len / (sizeof(float) * DIM), w->out);
}

static void run_l2_f32(const struct work *w)
{
    w->table->l2_f32(query_f32(), (const float *)(const void *)w->bytes, DIM,
                     w->len / (sizeof(float) * DIM), w->out);
}

static void run_dot_i8(const struct work *w)
{
    w->table->dot_i8((const int8_t *)w->bytes, (const int8_t *)w->bytes, DIM, DIM, w->len / DIM,
                     w->out);
}

// Rows in an order that no prefetcher follows: a multiplicative walk over all of them.
static void run_dot_i8_rows(const struct work *w)
{
    static uint32_t index[1 << 19];
    static size_t made;
    size_t rows = w->len / DIM;
    if (made != rows) {
        for (size_t i = 0; i < rows; i++) {
            index[i] = (uint32_t)((i * 2654435761u) % rows);
        }
        made = rows;
    }
    w->table->dot_i8_rows((const int8_t *)w->bytes, (const int8_t *)w->bytes, DIM, DIM, index, rows,
                          w->out);
}

static uint8_t lut[PQ_BLOCK];

static void run_pq4_scan(const struct work *w)
{
    w->table->pq4_scan(w->bytes, w->len / PQ_BLOCK, M, lut, w->out);
}

static void run_pq4_select(const struct work *w)
{
    static uint16_t sums[MEMORY_BYTES / M * 2 + 64];
    w->table->pq4_select(w->bytes, w->len / PQ_BLOCK, M, lut, 12000, NULL, w->out, sums);
}

static void run_read(const struct work *w)
{
    const uint64_t *words = (const uint64_t *)(const void *)w->bytes;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i + 8 <= w->len / 8; i += 8) {
        for (size_t lane = 0; lane < 8; lane++) {
            sum[lane] += words[i + lane];
        }
    }
    memcpy(w->out, sum, sizeof sum);
}

// Best of the repetitions that fit into the time: other users of the machine only ever slow a run
// down.
static double best_gbs(void (*run)(const struct work *), const struct work *w, double seconds)
{
    double best = 0.0, end = now() + seconds;
    run(w); // warm up, and make tables
    do {
        double start = now();
        size_t repeats = w->len < MEMORY_BYTES ? 50 : 1;
        for (size_t i = 0; i < repeats; i++) {
            run(w);
        }
        double rate = (double)(repeats * w->len) / (now() - start) * 1e-9;
        best = rate > best ? rate : best;
    } while (now() < end);
    return best;
}

static const struct {
    const char *name;
    void (*run)(const struct work *);
} KERNELS[] = {
    {"dot_f32", run_dot_f32},         {"l2_f32", run_l2_f32},     {"dot_i8", run_dot_i8},
    {"dot_i8_rows", run_dot_i8_rows}, {"pq4_scan", run_pq4_scan}, {"pq4_select", run_pq4_select},
};

static void bench_table(struct work *w, double limit, double seconds)
{
    for (size_t k = 0; k < sizeof KERNELS / sizeof KERNELS[0]; k++) {
        w->len = CACHE_BYTES;
        double cache = best_gbs(KERNELS[k].run, w, seconds);
        w->len = MEMORY_BYTES;
        double memory = best_gbs(KERNELS[k].run, w, seconds);
        printf("{\"kind\":\"kernel\",\"table\":\"%s\",\"kernel\":\"%s\",\"dim\":%d,\"m\":%d,"
               "\"cache_gbs\":%.2f,"
               "\"memory_gbs\":%.2f,\"limit_gbs\":%.2f,\"ratio\":%.3f}\n",
               w->table->name, KERNELS[k].name, DIM, M, cache, memory, limit, memory / limit);
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.2;
    struct work w = {.bytes = malloc(MEMORY_BYTES), .out = malloc(MEMORY_BYTES)};
    if (w.bytes == NULL || w.out == NULL) {
        fprintf(stderr, "bench_kernels: needs 512 MiB of memory\n");
        free(w.bytes);
        free(w.out);
        return 1;
    }
    for (size_t i = 0; i < MEMORY_BYTES; i++) { // floats stay small numbers, int8 within -127..127
        w.bytes[i] = i % 4 == 3 ? 0x3f : (uint8_t)(i * 2654435761u >> 13 & 0x7f);
    }
    memset(w.out, 0, MEMORY_BYTES);
    for (size_t i = 0; i < sizeof lut; i++) {
        lut[i] = (uint8_t)(i * 37 % 256);
    }
    const struct vs_cpu *cpu = vs_cpu_get();
    printf("{\"kind\":\"machine\",\"cpu\":\"%s\",\"family\":%d,\"model\":%d,\"avx2\":%s,"
           "\"avx512bw\":%s,"
           "\"compiler\":\"%s\",\"chosen\":\"%s\"}\n",
           cpu->brand, cpu->family, cpu->model, cpu->avx2 ? "true" : "false",
           cpu->avx512bw ? "true" : "false", __VERSION__, vs_kernels_get()->name);
    w.len = MEMORY_BYTES;
    double limit = best_gbs(run_read, &w, 2 * seconds);
    printf("{\"kind\":\"limit\",\"memory_read_gbs\":%.2f}\n", limit);
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        w.table = *table;
        bench_table(&w, limit, seconds);
    }
    free(w.bytes);
    free(w.out);
    return 0;
}
