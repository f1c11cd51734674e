// SPDX-License-Identifier: Apache-2.0
/*
 * Throughput of every kernel of every table, as JSON lines: first the machine, then what it can
 * read from memory and from its second-level cache, measured in the same run (the limits that every
 * kernel meets), then one line per table and kernel with data in the cache (256 KiB) and in memory
 * (256 MiB).
 *
 * pq4_lists is pq4_select as a search calls it: lists of 20 to 60 entries in random order, about 5
 * % of the entries selected, prefetching the codes of the second list ahead. GB/s count the codes
 * of the entries without padding, so that tables compare.
 *
 * Usage: bench_kernels [seconds per measurement, default 0.2 [table [kernel]]]
 */
#include "simd/cpu.h"
#include "simd/kernels.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define CACHE_BYTES ((size_t)256 << 10)
#define MEMORY_BYTES ((size_t)256 << 20)
#define DIM 768
#define M 96
#define PQ_BLOCK ((size_t)16 * M) // bytes of 32 entries in the pair layout
#define ENTRY_MAX (MEMORY_BYTES / PQ_BLOCK * 32)
#define LIST_MAX (ENTRY_MAX / 32)

struct work {
    const struct vs_kernels *table;
    uint8_t *bytes; // MEMORY_BYTES
    size_t len;     // of them in use
    void *out;      // MEMORY_BYTES
};

static uint32_t next_random(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// ---------------------------------------------------------------- rows

static const float *query_f32(void)
{
    static float query[DIM];
    for (size_t j = 0; j < DIM && query[0] == 0.0f; j++) {
        query[DIM - 1 - j] = (float)(j % 13) - 6.5f; // query[0] last
    }
    return query;
}

static size_t run_dot_f32(const struct work *w)
{
    w->table->dot_f32(query_f32(), (const float *)(const void *)w->bytes, DIM,
                      w->len / (sizeof(float) * DIM), w->out);
    return w->len;
}

static size_t run_l2_f32(const struct work *w)
{
    w->table->l2_f32(query_f32(), (const float *)(const void *)w->bytes, DIM,
                     w->len / (sizeof(float) * DIM), w->out);
    return w->len;
}

static size_t run_dot_f16(const struct work *w)
{
    w->table->dot_f16(query_f32(), (const uint16_t *)(const void *)w->bytes, DIM,
                      w->len / (sizeof(uint16_t) * DIM), w->out);
    return w->len;
}

static size_t run_dot_i8(const struct work *w)
{
    w->table->dot_i8((const int8_t *)w->bytes, (const int8_t *)w->bytes, DIM, DIM, w->len / DIM,
                     w->out);
    return w->len;
}

// Rows in an order that no prefetcher follows: a multiplicative walk over all of them.
static size_t run_dot_i8_rows(const struct work *w)
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
    return w->len;
}

// ---------------------------------------------------------------- 4-bit codes

static uint8_t lut[PQ_BLOCK];
static uint32_t ids[ENTRY_MAX + 64];
#define THRESHOLD 13400 // about 5 % of random entries reach it

static size_t run_pq4_sums(const struct work *w)
{
    w->table->pq4_sums(w->bytes, w->len / PQ_BLOCK * 32, M, lut, w->out);
    return w->len;
}

static size_t run_pq4_select(const struct work *w)
{
    uint32_t *out = w->out;
    const struct vs_pq4_scan scan = {.codes = w->bytes,
                                     .count = w->len / PQ_BLOCK * 32,
                                     .m = M,
                                     .lut = lut,
                                     .threshold = THRESHOLD,
                                     .ids = ids};
    w->table->pq4_select(&scan, out, out + MEMORY_BYTES / 8);
    return w->len;
}

static size_t run_pq4_arrange(const struct work *w)
{
    w->table->pq4_arrange(w->bytes, w->len / PQ_BLOCK * 32, M, w->out);
    return w->len;
}

static struct list {
    uint32_t at, count; // byte / 64 of its codes
} lists[LIST_MAX];

static size_t list_count;

// Lists of 20 to 60 entries, in the table's own layout, then shuffled.
static void make_lists(const struct work *w)
{
    static size_t lanes, len;
    if (lanes == w->table->pq4_lanes && len == w->len) {
        return;
    }
    lanes = w->table->pq4_lanes;
    len = w->len;
    list_count = 0;
    for (size_t at = 0; list_count < LIST_MAX;) {
        uint32_t count = 20 + next_random() % 41;
        size_t bytes = vs_pq4_bytes(w->table, count, M);
        if (at + bytes > len) {
            break;
        }
        lists[list_count++] = (struct list){(uint32_t)(at / 64), count};
        at += bytes;
    }
    for (size_t i = list_count; i > 1; i--) {
        size_t j = next_random() % i;
        struct list other = lists[i - 1];
        lists[i - 1] = lists[j];
        lists[j] = other;
    }
}

#define LISTS_AHEAD 2

static size_t run_pq4_lists(const struct work *w)
{
    make_lists(w);
    uint32_t *out = w->out;
    size_t entries = 0;
    for (size_t i = 0; i < list_count; i++) {
        const struct list *next = i + LISTS_AHEAD < list_count ? &lists[i + LISTS_AHEAD] : NULL;
        const struct vs_pq4_scan scan = {
            .codes = w->bytes + (size_t)lists[i].at * 64,
            .count = lists[i].count,
            .m = M,
            .lut = lut,
            .threshold = THRESHOLD,
            .ids = ids + (size_t)lists[i].at % 4096,
            .ahead = next != NULL ? w->bytes + (size_t)next->at * 64 : NULL,
            .ahead_bytes = next != NULL ? vs_pq4_bytes(w->table, next->count, M) : 0,
        };
        w->table->pq4_select(&scan, out, out + 1024);
        entries += lists[i].count;
    }
    return entries * M / 2;
}

// ---------------------------------------------------------------- keys, encoding, text

static size_t run_keep_keys(const struct work *w)
{
    uint32_t *keys = w->out;
    size_t count = w->len / 8;
    memcpy(keys, w->bytes, count * 4); // keep_keys works in place
    w->table->keep_keys(keys, keys + count, count, 0x3f400000u);
    return count * 8;
}

static size_t run_count_keys(const struct work *w)
{
    uint32_t least = 0x3f400000u;
    *(size_t *)w->out =
        w->table->count_keys((const uint32_t *)(const void *)w->bytes, w->len / 4, least);
    return w->len;
}

// 48 parts of 8 coordinates: the bytes are those of the centroids that it reads.
static size_t run_pq4_encode(const struct work *w)
{
    const float *lanes = (const float *)(const void *)w->bytes;
    size_t done = 0, part = (size_t)48 * 8 * 16 * sizeof(float);
    for (; done + part <= w->len; done += part) {
        w->table->pq4_encode(query_f32(), lanes + done / sizeof(float), 48, 8, w->out);
    }
    return done;
}

#define TEXT_BYTES ((size_t)8192) // 1,536 floats

static size_t run_base64_decode(const struct work *w)
{
    static char text[TEXT_BYTES];
    if (text[0] == '\0') {
        for (size_t i = 0; i < TEXT_BYTES; i++) {
            text[i] = (char)('a' + next_random() % 26);
        }
    }
    size_t done = 0;
    for (; done < w->len; done += TEXT_BYTES) {
        w->table->base64_decode(text, TEXT_BYTES, w->out);
    }
    return done;
}

// ---------------------------------------------------------------- limits

typedef uint64_t u64x8 __attribute__((vector_size(64), aligned(64)));

#define DEFINE_READ(name)                                                                          \
    static void name(const uint8_t *bytes, size_t len, uint64_t *out)                              \
    {                                                                                              \
        const u64x8 *at = (const u64x8 *)(const void *)bytes;                                      \
        u64x8 a = {0}, b = {0}, c = {0}, d = {0};                                                  \
        for (size_t i = 0; i + 4 <= len / 64; i += 4) {                                            \
            a ^= at[i];                                                                            \
            b ^= at[i + 1];                                                                        \
            c ^= at[i + 2];                                                                        \
            d ^= at[i + 3];                                                                        \
        }                                                                                          \
        a ^= b ^ c ^ d;                                                                            \
        memcpy(out, &a, sizeof a);                                                                 \
    }

DEFINE_READ(read_plain)
#if defined(__x86_64__)
__attribute__((target("avx2"))) DEFINE_READ(read_avx2) __attribute__((target("avx512f")))
DEFINE_READ(read_avx512)
#endif

    // The widest loads that run here.
    static size_t run_read(const struct work *w)
{
#if defined(__x86_64__)
    if (vs_cpu_get()->avx512bw) {
        read_avx512(w->bytes, w->len, w->out);
        return w->len;
    }
    if (vs_cpu_get()->avx2) {
        read_avx2(w->bytes, w->len, w->out);
        return w->len;
    }
#endif
    read_plain(w->bytes, w->len, w->out);
    return w->len;
}

// ---------------------------------------------------------------- measuring

// Best of the repetitions that fit into the time: other users of the machine only ever slow a run
// down.
static double best_gbs(size_t (*run)(const struct work *), const struct work *w, double seconds)
{
    double best = 0.0, end = now() + seconds;
    run(w); // warm up, and make tables
    do {
        size_t repeats = w->len < MEMORY_BYTES ? 20 : 1, bytes = 0;
        double start = now();
        for (size_t i = 0; i < repeats; i++) {
            bytes += run(w);
        }
        double rate = (double)bytes / (now() - start) * 1e-9;
        best = rate > best ? rate : best;
    } while (now() < end);
    return best;
}

static const struct {
    const char *name;
    size_t (*run)(const struct work *);
    bool only_cache;
} KERNELS[] = {
    {"dot_f32", run_dot_f32, false},
    {"l2_f32", run_l2_f32, false},
    {"dot_f16", run_dot_f16, false},
    {"dot_i8", run_dot_i8, false},
    {"dot_i8_rows", run_dot_i8_rows, false},
    {"pq4_sums", run_pq4_sums, false},
    {"pq4_select", run_pq4_select, false},
    {"pq4_lists", run_pq4_lists, false},
    {"pq4_arrange", run_pq4_arrange, false},
    {"keep_keys", run_keep_keys, true},
    {"count_keys", run_count_keys, true},
    {"pq4_encode", run_pq4_encode, true},
    {"base64_decode", run_base64_decode, true},
};

static struct {
    double seconds, cache_limit, memory_limit;
    const char *table, *kernel; // NULL: all
} settings = {.seconds = 0.2};

static void bench_table(struct work *w)
{
    for (size_t k = 0; k < sizeof KERNELS / sizeof KERNELS[0]; k++) {
        if (settings.kernel != NULL && strcmp(settings.kernel, KERNELS[k].name) != 0) {
            continue;
        }
        w->len = CACHE_BYTES;
        double cache = best_gbs(KERNELS[k].run, w, settings.seconds);
        printf("{\"kind\":\"kernel\",\"table\":\"%s\",\"kernel\":\"%s\",\"dim\":%d,\"m\":%d,"
               "\"cache_gbs\":%.2f,\"cache_ratio\":%.3f",
               w->table->name, KERNELS[k].name, DIM, M, cache, cache / settings.cache_limit);
        if (!KERNELS[k].only_cache) {
            w->len = MEMORY_BYTES;
            double memory = best_gbs(KERNELS[k].run, w, settings.seconds);
            printf(",\"memory_gbs\":%.2f,\"ratio\":%.3f", memory, memory / settings.memory_limit);
        }
        printf("}\n");
        (void)fflush(stdout);
    }
}

static void fill(const struct work *w)
{
    for (size_t i = 0; i < MEMORY_BYTES; i++) { // floats stay small numbers, int8 within -127..127
        w->bytes[i] = i % 4 == 3 ? 0x3f : (uint8_t)(i * 2654435761u >> 13 & 0x7f);
    }
    memset(w->out, 0, MEMORY_BYTES);
    for (size_t i = 0; i < sizeof lut; i++) {
        lut[i] = (uint8_t)next_random();
    }
}

static void bench_all(struct work *w)
{
    const struct vs_cpu *cpu = vs_cpu_get();
    printf("{\"kind\":\"machine\",\"cpu\":\"%s\",\"family\":%d,\"model\":%d,\"avx2\":%s,"
           "\"avx512bw\":%s,\"avx512vbmi\":%s,\"avx512vnni\":%s,"
           "\"compiler\":\"%s\",\"chosen\":\"%s\"}\n",
           cpu->brand, cpu->family, cpu->model, cpu->avx2 ? "true" : "false",
           cpu->avx512bw ? "true" : "false", cpu->avx512vbmi ? "true" : "false",
           cpu->avx512vnni ? "true" : "false", __VERSION__, vs_kernels_get()->name);
    w->len = MEMORY_BYTES;
    settings.memory_limit = best_gbs(run_read, w, 2 * settings.seconds);
    w->len = CACHE_BYTES;
    settings.cache_limit = best_gbs(run_read, w, settings.seconds);
    printf("{\"kind\":\"limit\",\"memory_read_gbs\":%.2f,\"cache_read_gbs\":%.2f}\n",
           settings.memory_limit, settings.cache_limit);
    for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
        if (settings.table == NULL || strcmp(settings.table, (*table)->name) == 0) {
            w->table = *table;
            bench_table(w);
        }
    }
}

int main(int argc, char **argv)
{
    settings.seconds = argc > 1 ? strtod(argv[1], NULL) : settings.seconds;
    settings.table = argc > 2 ? argv[2] : NULL;
    settings.kernel = argc > 3 ? argv[3] : NULL;
    size_t huge = (size_t)2 << 20;
    struct work w = {.bytes = aligned_alloc(huge, MEMORY_BYTES),
                     .out = aligned_alloc(huge, MEMORY_BYTES)};
    if (w.bytes == NULL || w.out == NULL) {
        fprintf(stderr, "bench_kernels: needs 512 MiB of memory\n");
        free(w.bytes);
        free(w.out);
        return 1;
    }
    (void)madvise(w.bytes, MEMORY_BYTES, MADV_HUGEPAGE);
    (void)madvise(w.out, MEMORY_BYTES, MADV_HUGEPAGE);
    fill(&w);
    bench_all(&w);
    free(w.bytes);
    free(w.out);
    return 0;
}
