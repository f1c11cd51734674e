// SPDX-License-Identifier: Apache-2.0
/*
 * Searches a built table, one query per call, on one thread pinned to one core, in this process.
 *
 *   bench_query api   WAREHOUSE TABLE  QUERIES.f32 TRUTH.i64 DIM     vs_db_query with ids, as a
 * user calls it bench_query index FILE.puffin FIELD QUERIES.f32 TRUTH.i64 DIM    vs_index_search
 * alone
 *
 * Input lines "k nprobe rerank target queries passes" (zeros: the default; target is used without
 * nprobe), one JSON line each: recall@k, and of the fastest pass QPS, p50, p99, stages, and the
 * cores that others used meanwhile; cpu_us, the own CPU time, is what other work disturbs least.
 * TRUTH holds 100 ids a query. bench/measure_search.py drives it.
 */
#include "api/vecstore.h"
#include "index/index.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRUTH_K 100

struct point {
    unsigned k, nprobe, rerank, queries, passes;
    float target;
};

struct answer {
    int64_t ids[TRUTH_K];
    size_t count;
    double probe_us, scan_us, rerank_us, scanned;
    uint32_t nprobe, rerank;
};

struct disk_file {
    struct vs_file base;
    int fd;
};

struct bench {
    const struct vs_env *env;
    const float *queries;
    const int64_t *truth;
    size_t query_count, dim;
    bool is_api;
    struct vs_db *db;
    const char *table;
    struct disk_file file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
    struct vs_column ids;
};

struct pass {
    double seconds, cpu_us, p50_us, p99_us, foreign_cores, probe_us, scan_us, rerank_us, scanned;
    size_t found;
    uint32_t nprobe, rerank;
};

static void die(const char *what, const struct vs_error *err)
{
    if (err != NULL) {
        fprintf(stderr, "%s: %s: %s\n", what, vs_status_name(err->code), err->message);
    } else {
        perror(what);
    }
    exit(1);
}

static const void *map_file(const char *path, size_t *size_out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts) != 0) {
        die(path, NULL);
    }
    void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED) {
        die(path, NULL);
    }
    close(fd);
    *size_out = (size_t)facts.st_size;
    return bytes;
}

// ---- the two layers ----

static enum vs_status disk_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct disk_file *disk = (const struct disk_file *)file;
    ssize_t got = pread(disk->fd, dst, len, (off_t)offset);
    return got == (ssize_t)len ? VS_OK : vs_fail(err, VS_UNAVAILABLE, "cannot read %s", file->name);
}

static void disk_close(struct vs_file *file)
{
    (void)file;
}

static void open_index(struct bench *bench, const char *path, const char *field)
{
    static const struct vs_file_vtable vtable = {.read = disk_read, .close = disk_close};
    struct vs_error err;
    struct stat facts;
    bench->file.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (bench->file.fd < 0 || fstat(bench->file.fd, &facts) != 0) {
        die(path, NULL);
    }
    bench->file.base =
        (struct vs_file){.vtable = &vtable, .name = path, .size = (uint64_t)facts.st_size};
    if (vs_index_open(bench->env, &bench->file.base, NULL, &bench->index, &err) != VS_OK ||
        vs_index_scratch_new(bench->env, &bench->scratch, &err) != VS_OK) {
        die(path, &err);
    }
    const struct vs_index_info *info = vs_index_info(bench->index);
    for (size_t i = 0; i < info->field_count; i++) {
        const struct vs_field *f = &info->fields[i];
        if (vs_str_equal_c(f->name, field)) {
            if (f->kind != VS_KIND_LONG ||
                vs_column_init_field(&bench->ids, bench->env, f, &err) != VS_OK ||
                vs_index_load_column(bench->index, 0, f->id, &bench->ids, &err) != VS_OK) {
                die(field, &err);
            }
            return;
        }
    }
    fprintf(stderr, "%s stores no field %s\n", path, field);
    exit(1);
}

static void open_db(struct bench *bench, const char *warehouse)
{
    struct vs_error err;
    struct vs_db_options options = {
        .size = sizeof options, .warehouse = warehouse, .thread_count = 1};
    if (vs_db_open(bench->env, &options, &bench->db, &err) != VS_OK) {
        die(warehouse, &err);
    }
}

static void ask_index(const struct bench *bench,
                      const struct point *p,
                      const float *vector,
                      struct answer *answer)
{
    struct vs_error err;
    struct vs_index_hit hits[TRUTH_K];
    struct vs_index_stats stats;
    struct vs_index_query query = {.vector = vector,
                                   .k = p->k,
                                   .nprobe = p->nprobe,
                                   .rerank = p->rerank,
                                   .recall_target = p->target};
    if (vs_index_search(bench->index, &query, bench->scratch, hits, &answer->count, &stats, &err) !=
        VS_OK) {
        die("search", &err);
    }
    const int64_t *ids = (const int64_t *)(const void *)bench->ids.values.data;
    for (size_t i = 0; i < answer->count; i++) {
        answer->ids[i] = ids[hits[i].row];
    }
    answer->nprobe = stats.nprobe;
    answer->rerank = stats.rerank;
    answer->scanned = (double)stats.scanned;
    answer->probe_us = (double)stats.probe_ns * 1e-3;
    answer->scan_us = (double)stats.scan_ns * 1e-3;
    answer->rerank_us = (double)stats.rerank_ns * 1e-3;
}

static void ask_db(const struct bench *bench,
                   const struct point *p,
                   const float *vector,
                   struct answer *answer)
{
    struct vs_error err;
    struct vs_answer *reply = NULL;
    struct vs_query_options options = {.size = sizeof options,
                                       .table = bench->table,
                                       .vectors = vector,
                                       .vector_count = 1,
                                       .dim = bench->dim,
                                       .k = p->k,
                                       .select_none = true,
                                       .nprobe = p->nprobe,
                                       .rerank = p->rerank,
                                       .recall_target = p->target};
    if (vs_db_query(bench->db, &options, &reply, &err) != VS_OK) {
        die("query", &err);
    }
    const struct vs_result *result = vs_answer_result(reply, 0);
    const struct vs_query_stats *stats = vs_answer_stats(reply);
    answer->count = result->hit_count;
    for (size_t i = 0; i < result->hit_count; i++) {
        char text[24] = {0};
        memcpy(text, result->hits[i].id_json.ptr,
               result->hits[i].id_json.len < 23 ? result->hits[i].id_json.len : 23);
        answer->ids[i] = strtoll(text, NULL, 10);
    }
    answer->nprobe = stats->nprobe;
    answer->rerank = stats->rerank;
    answer->scanned = (double)stats->codes_scanned;
    answer->probe_us = stats->probe_ms * 1e3;
    answer->scan_us = stats->scan_ms * 1e3;
    answer->rerank_us = stats->rerank_ms * 1e3;
    vs_answer_free(reply);
}

// ---- measuring ----

static double busy_seconds(void)
{
    unsigned long long t[8] = {0};
    FILE *stat = fopen("/proc/stat", "r");
    if (stat == NULL) {
        return 0.0;
    }
    // NOLINTNEXTLINE(cert-err34-c): numbers of the kernel
    int got = fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
                     &t[3], &t[4], &t[5], &t[6], &t[7]);
    (void)fclose(stat);
    unsigned long long busy = t[0] + t[1] + t[2] + t[5] + t[6] + t[7];
    return got == 8 ? (double)busy / (double)sysconf(_SC_CLK_TCK) : 0.0;
}

static double own_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// After the clock has stopped: found holds k ids a query, -1 where there were fewer.
static size_t count_found(const struct bench *bench, const struct point *p, const int64_t *found)
{
    size_t hits = 0;
    for (size_t q = 0; q < p->queries; q++) {
        for (size_t i = 0; i < p->k; i++) {
            for (size_t t = 0; t < p->k; t++) {
                hits += found[q * p->k + i] == bench->truth[q * TRUTH_K + t];
            }
        }
    }
    return hits;
}

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void run_queries(const struct bench *bench,
                        const struct point *p,
                        double *times,
                        int64_t *found,
                        struct pass *pass)
{
    for (size_t q = 0; q < p->queries; q++) {
        struct answer answer;
        int64_t start = vs_monotonic_ns(bench->env);
        (bench->is_api ? ask_db : ask_index)(bench, p, bench->queries + q * bench->dim, &answer);
        times[q] = (double)(vs_monotonic_ns(bench->env) - start) * 1e-3;
        pass->seconds += times[q] * 1e-6;
        for (size_t i = 0; i < p->k; i++) {
            found[q * p->k + i] = i < answer.count ? answer.ids[i] : -1;
        }
        pass->probe_us += answer.probe_us;
        pass->scan_us += answer.scan_us;
        pass->rerank_us += answer.rerank_us;
        pass->scanned += answer.scanned;
        pass->nprobe = answer.nprobe;
        pass->rerank = answer.rerank;
    }
}

static void run_pass(const struct bench *bench,
                     const struct point *p,
                     double *times,
                     int64_t *found,
                     struct pass *pass)
{
    double busy = busy_seconds(), own = own_seconds(), cpu = thread_seconds();
    int64_t begin = vs_monotonic_ns(bench->env);
    *pass = (struct pass){0};
    run_queries(bench, p, times, found, pass);
    pass->cpu_us = (thread_seconds() - cpu) * 1e6 / p->queries;
    double wall = (double)(vs_monotonic_ns(bench->env) - begin) * 1e-9;
    double others = busy_seconds() - busy - (own_seconds() - own);
    pass->foreign_cores = others > 0.0 ? others / wall : 0.0;
    pass->found = count_found(bench, p, found);
    qsort(times, p->queries, sizeof *times, by_value);
    pass->p50_us = times[p->queries / 2];
    pass->p99_us = times[p->queries * 99 / 100];
}

static void run_point(const struct bench *bench,
                      const struct point *p,
                      double *times,
                      int64_t *found)
{
    struct pass best = {.seconds = 1e30}, pass;
    for (unsigned i = 0; i < p->passes; i++) {
        run_pass(bench, p, times, found, &pass);
        best = pass.seconds < best.seconds ? pass : best;
    }
    double n = (double)p->queries;
    printf("{\"k\":%u,\"target\":%.3f,\"nprobe\":%" PRIu32 ",\"rerank\":%" PRIu32
           ",\"recall\":%.4f,\"qps\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"cpu_us\":%.1f,"
           "\"scanned\":%.0f,"
           "\"probe_us\":%.1f,\"scan_us\":%.1f,\"rerank_us\":%.1f,\"foreign_cores\":%.2f}\n",
           p->k, (double)p->target, best.nprobe, best.rerank,
           (double)best.found / (n * (double)p->k), n / best.seconds, best.p50_us, best.p99_us,
           best.cpu_us, best.scanned / n, best.probe_us / n, best.scan_us / n, best.rerank_us / n,
           best.foreign_cores);
    (void)fflush(stdout);
}

static void serve_points(const struct bench *bench)
{
    char line[256];
    double *times = calloc(bench->query_count, sizeof *times);
    int64_t *found = calloc(bench->query_count * TRUTH_K, sizeof *found);
    if (times == NULL || found == NULL) {
        die("memory", NULL);
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct point p;
        // NOLINTNEXTLINE(cert-err34-c): of our own driver
        if (sscanf(line, "%u %u %u %f %u %u", &p.k, &p.nprobe, &p.rerank, &p.target, &p.queries,
                   &p.passes) != 6 ||
            p.k == 0 || p.k > TRUTH_K) {
            fprintf(stderr, "not \"k nprobe rerank target queries passes\": %s", line);
            exit(2);
        }
        if (p.queries == 0 || p.queries > bench->query_count) {
            p.queries = (unsigned)bench->query_count;
        }
        p.passes = p.passes == 0 ? 1 : p.passes;
        run_point(bench, &p, times, found);
    }
    free(times);
    free(found);
}

int main(int argc, char **argv)
{
    if (argc != 7 || (strcmp(argv[1], "api") != 0 && strcmp(argv[1], "index") != 0)) {
        fprintf(stderr, "usage: bench_query api WAREHOUSE TABLE | index FILE.puffin ID-FIELD  "
                        "QUERIES.f32 TRUTH.i64 DIM\n");
        return 2;
    }
    struct bench bench = {.env = vs_env_default(), .is_api = strcmp(argv[1], "api") == 0};
    size_t query_bytes, truth_bytes;
    bench.table = argv[3];
    bench.queries = map_file(argv[4], &query_bytes);
    bench.truth = map_file(argv[5], &truth_bytes);
    bench.dim = (size_t)strtoul(argv[6], NULL, 10);
    bench.query_count = bench.dim > 0 ? query_bytes / (bench.dim * sizeof(float)) : 0;
    if (bench.query_count == 0 ||
        truth_bytes != bench.query_count * TRUTH_K * sizeof *bench.truth) {
        fprintf(stderr, "%s and %s do not fit together\n", argv[4], argv[5]);
        return 2;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)(sysconf(_SC_NPROCESSORS_ONLN) - 1), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
        die("cannot pin to a core", NULL);
    }
    int64_t start = vs_monotonic_ns(bench.env);
    bench.is_api ? open_db(&bench, argv[2]) : open_index(&bench, argv[2], argv[3]);
    printf("{\"open_ms\":%.1f,\"queries\":%zu}\n",
           (double)(vs_monotonic_ns(bench.env) - start) * 1e-6, bench.query_count);
    (void)fflush(stdout);
    serve_points(&bench);
    if (bench.is_api) {
        vs_db_close(bench.db);
    } else {
        vs_column_clear(&bench.ids);
        vs_index_scratch_free(bench.scratch);
        vs_index_close(bench.index);
        close(bench.file.fd);
    }
    return 0;
}
