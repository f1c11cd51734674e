// SPDX-License-Identifier: Apache-2.0
/*
 * First queries of an index file that is far away: a simulated store (tests/support/slow_store.h)
 * with lognormal latency over the local file. One JSON line per situation:
 *
 *   nothing      nothing is known but the file's name and size: open and first query
 *   second       another query right after it, before anything else was read
 *   hot_cached   a new process that finds the end of the file in the cache directory
 *   whole        how long until everything is in memory, and a query then
 *   local_lazy   the file is on this machine: open, and open and first query
 *   local_eager  the same, read whole
 *
 * limit_ms: rounds x p50 + the bytes of a round over the streams that its requests are. recall is
 * that of the same settings everywhere, so it is left to the other benchmarks.
 *
 * Usage: bench_cold FILE.puffin QUERIES.npy [--runs N] [--p50 MS] [--p99 MS] [--stream MB/S]
 *                   [--parallel N] [--k K] [--target R] [--cache DIR] [--only SITUATION]
 */
#include "bench/bench_disk.h"
#include "index/index.h"
#include "tests/support/slow_store.h"
#include "vecstore/object/chunk_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS_MAX 1000
#define USD_PER_REQUEST 0.0000004

struct bench {
    const struct vs_env *env;
    const char *path, *cache_dir;
    struct bench_matrix queries;
    struct slow_options far;
    unsigned runs, k;
    float target;
    const char *only; // NULL: all situations
};

// One opened index and what it stands on.
struct stand {
    struct slow_link link;
    struct bench_disk_file disk;
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
};

struct sample {
    double open_ms[RUNS_MAX], total_ms[RUNS_MAX];
    double open_cpu_ms;        // sum
    struct slow_counts counts; // sums
    unsigned runs;
};

static void die(const char *what, const struct vs_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err != NULL ? err->message : "");
    exit(1);
}

static double cpu_ms(void)
{
    struct timespec spent;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (double)spent.tv_sec * 1e3 + (double)spent.tv_nsec * 1e-6;
}

static double now_ms(const struct bench *bench)
{
    return (double)vs_monotonic_ns(bench->env) * 1e-6;
}

// ---- the file, far or near ----

static void open_far(const struct bench *bench, struct stand *stand, struct vs_chunk_cache *cache)
{
    struct vs_error err;
    slow_link_init(&stand->link, &bench->far);
    if (!bench_disk_open(&stand->disk, bench->path)) {
        die(bench->path, NULL);
    }
    if (slow_file_wrap(&stand->link, bench->env, &stand->disk.base, &stand->file, &err) != VS_OK ||
        (cache != NULL && vs_chunk_cache_wrap(cache, stand->file, vs_str_from_c(bench->path),
                                              &stand->file, &err) != VS_OK)) {
        die(bench->path, &err);
    }
}

static void open_index(const struct bench *bench,
                       struct stand *stand,
                       const struct vs_index_open_options *options)
{
    struct vs_error err;
    struct vs_file *file = stand->file != NULL ? stand->file : &stand->disk.base;
    if (vs_index_open(bench->env, file, options, &stand->index, &err) != VS_OK ||
        vs_index_scratch_new(bench->env, &stand->scratch, &err) != VS_OK) {
        die(bench->path, &err);
    }
}

static void close_stand(struct stand *stand)
{
    vs_index_scratch_free(stand->scratch);
    vs_index_close(stand->index);
    if (stand->file != NULL) {
        vs_file_close(stand->file);
        slow_link_clear(&stand->link);
    }
    bench_disk_close(&stand->disk);
    memset(stand, 0, sizeof *stand);
}

static void ask(const struct bench *bench, const struct stand *stand, size_t number)
{
    struct vs_error err;
    struct vs_index_hit hits[100];
    struct vs_index_stats stats;
    size_t count = 0;
    const float *values = bench->queries.values;
    const struct vs_index_query query = {.vector = values + number % bench->queries.rows *
                                                                bench->queries.columns,
                                         .k = bench->k,
                                         .recall_target = bench->target};
    if (vs_index_search(stand->index, &query, stand->scratch, hits, &count, &stats, &err) !=
        VS_OK) {
        die("search", &err);
    }
}

// ---- reports ----

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double *values, unsigned count, double share)
{
    qsort(values, count, sizeof *values, ascending);
    return values[(size_t)((double)(count - 1) * share + 0.5)];
}

static void add(struct sample *sample, double open_ms, double total_ms, struct slow_counts counts)
{
    sample->open_ms[sample->runs] = open_ms;
    sample->total_ms[sample->runs++] = total_ms;
    sample->counts.requests += counts.requests;
    sample->counts.rounds += counts.rounds;
    sample->counts.bytes += counts.bytes;
}

static void report(const struct bench *bench, const char *name, struct sample *sample)
{
    double n = sample->runs, requests = (double)sample->counts.requests / n,
           rounds = (double)sample->counts.rounds / n, bytes = (double)sample->counts.bytes / n;
    double streams = rounds > 0 ? requests / rounds : 1;
    double limit = rounds * bench->far.p50_ms;
    if (bench->far.stream_mb_per_s > 0 && streams > 0) {
        limit += bytes / (bench->far.stream_mb_per_s * 1e3 * streams);
    }
    printf("{\"bench\":\"cold\",\"situation\":\"%s\",\"runs\":%u,\"k\":%u,\"recall_target\":%.3g,"
           "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"open_p50_ms\":%.2f,\"open_cpu_ms\":%.2f,\"requests\":"
           "%.1f,\"rounds\":%.2f,"
           "\"bytes\":%.0f,\"usd\":%.8f,\"limit_ms\":%.1f,\"store\":{\"p50_ms\":%g,\"p99_ms\":%g,"
           "\"stream_mb_per_s\":%g,\"parallel\":%zu}}\n",
           name, sample->runs, bench->k, (double)bench->target,
           percentile(sample->total_ms, sample->runs, 0.5),
           percentile(sample->total_ms, sample->runs, 0.99),
           percentile(sample->open_ms, sample->runs, 0.5), sample->open_cpu_ms / n, requests,
           rounds, bytes, requests * USD_PER_REQUEST, limit, bench->far.p50_ms, bench->far.p99_ms,
           bench->far.stream_mb_per_s, bench->far.parallel);
    (void)fflush(stdout);
}

// ---- situations ----

static const struct vs_index_open_options idle = {.lazy = true, .idle = true};

static void run_nothing(struct bench *bench)
{
    static struct sample first, second;
    for (unsigned r = 0; r < bench->runs; r++) {
        struct stand stand = {0};
        bench->far.seed = r + 1;
        open_far(bench, &stand, NULL);
        double start = now_ms(bench), cpu = cpu_ms();
        open_index(bench, &stand, &idle);
        double opened = now_ms(bench);
        first.open_cpu_ms += cpu_ms() - cpu;
        ask(bench, &stand, 2 * (size_t)r);
        add(&first, opened - start, now_ms(bench) - start, slow_link_count(&stand.link));
        slow_link_reset(&stand.link);
        start = now_ms(bench);
        ask(bench, &stand, 2 * (size_t)r + 1);
        add(&second, 0, now_ms(bench) - start, slow_link_count(&stand.link));
        close_stand(&stand);
    }
    report(bench, "nothing", &first);
    report(bench, "second", &second);
}

static void run_cached(struct bench *bench)
{
    static struct sample sample;
    struct vs_error err;
    struct vs_chunk_cache *cache = NULL;
    if (vs_chunk_cache_open(bench->env, bench->cache_dir, 0, &cache, &err) != VS_OK) {
        die(bench->cache_dir, &err);
    }
    for (unsigned r = 0; r <= bench->runs; r++) { // the first fills the cache
        struct stand stand = {0};
        bench->far.seed = r + 77;
        open_far(bench, &stand, cache);
        double start = now_ms(bench);
        open_index(bench, &stand, &idle);
        double opened = now_ms(bench);
        if (r > 0) {
            ask(bench, &stand, 2 * (size_t)r);
            add(&sample, opened - start, now_ms(bench) - start, slow_link_count(&stand.link));
        }
        close_stand(&stand);
    }
    vs_chunk_cache_close(cache);
    report(bench, "hot_cached", &sample);
}

static void run_whole(struct bench *bench)
{
    static const struct vs_index_open_options lazy = {.lazy = true};
    static struct sample sample;
    struct stand stand = {0};
    open_far(bench, &stand, NULL);
    double start = now_ms(bench);
    open_index(bench, &stand, &lazy);
    ask(bench, &stand, 0);
    while (!vs_index_reads(stand.index).complete && now_ms(bench) - start < 600e3) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    double whole = now_ms(bench) - start;
    slow_link_reset(&stand.link);
    for (unsigned r = 0; r < bench->runs; r++) {
        start = now_ms(bench);
        ask(bench, &stand, r + 1);
        add(&sample, whole, now_ms(bench) - start, slow_link_count(&stand.link));
    }
    close_stand(&stand);
    report(bench, "whole", &sample);
}

static void run_local(struct bench *bench, const char *name, bool lazily)
{
    static struct sample samples[2];
    struct sample *sample = &samples[lazily];
    const struct vs_index_open_options options = {.lazy = lazily, .tail_bytes = 65536};
    unsigned runs = lazily ? bench->runs : 3;
    for (unsigned r = 0; r < runs; r++) {
        struct stand stand = {0};
        if (!bench_disk_open(&stand.disk, bench->path)) {
            die(bench->path, NULL);
        }
        double start = now_ms(bench), cpu = cpu_ms();
        open_index(bench, &stand, &options);
        double opened = now_ms(bench);
        sample->open_cpu_ms += cpu_ms() - cpu;
        ask(bench, &stand, r);
        add(sample, opened - start, now_ms(bench) - start, (struct slow_counts){0});
        close_stand(&stand);
    }
    report(bench, name, sample);
}

static bool is_asked(const struct bench *bench, const char *situation)
{
    return bench->only == NULL || strcmp(bench->only, situation) == 0;
}

static double number_of(const char *name, const char *text)
{
    char *end = NULL;
    double value = text != NULL ? strtod(text, &end) : -1;
    if (end == text || end == NULL || *end != '\0' || value < 0) {
        fprintf(stderr, "%s wants a number\n", name);
        exit(2);
    }
    return value;
}

// A count of at least one and at most `most`.
static unsigned count_of(double number, unsigned most)
{
    if (number < 1) {
        return 1;
    }
    return number < most ? (unsigned)number : most;
}

static void take_option(struct bench *bench, const char *name, const char *value)
{
    if (strcmp(name, "--cache") == 0) {
        bench->cache_dir = value;
    } else if (strcmp(name, "--only") == 0) {
        bench->only = value;
    } else if (strcmp(name, "--runs") == 0) {
        bench->runs = count_of(number_of(name, value), RUNS_MAX);
    } else if (strcmp(name, "--p50") == 0) {
        bench->far.p50_ms = number_of(name, value);
    } else if (strcmp(name, "--p99") == 0) {
        bench->far.p99_ms = number_of(name, value);
    } else if (strcmp(name, "--stream") == 0) {
        bench->far.stream_mb_per_s = number_of(name, value);
    } else if (strcmp(name, "--parallel") == 0) {
        bench->far.parallel = (size_t)number_of(name, value);
    } else if (strcmp(name, "--k") == 0) {
        bench->k = count_of(number_of(name, value), 100);
    } else if (strcmp(name, "--target") == 0) {
        bench->target = (float)number_of(name, value);
    } else {
        fprintf(stderr, "unknown option %s\n", name);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {.env = vs_env_default(),
                          .far = {.p50_ms = 60,
                                  .p99_ms = 78,
                                  .stream_mb_per_s = 80,
                                  .parallel = 64,
                                  .seed = 1,
                                  .fail_at = -1},
                          .runs = 30,
                          .k = 10,
                          .target = 0.95F};
    if (argc < 3) {
        fprintf(stderr, "usage: bench_cold FILE.puffin QUERIES.npy [options]\n");
        return 2;
    }
    bench.path = argv[1];
    for (int i = 3; i < argc; i += 2) {
        take_option(&bench, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
    }
    if (!bench_matrix_map(argv[2], "<f4", &bench.queries)) {
        return 1;
    }
    if (is_asked(&bench, "nothing")) {
        run_nothing(&bench);
    }
    if (bench.cache_dir != NULL && is_asked(&bench, "hot_cached")) {
        run_cached(&bench);
    }
    if (is_asked(&bench, "whole")) {
        run_whole(&bench);
    }
    if (is_asked(&bench, "local_lazy")) {
        run_local(&bench, "local_lazy", true);
    }
    if (is_asked(&bench, "local_eager")) {
        run_local(&bench, "local_eager", false);
    }
    return 0;
}
