// SPDX-License-Identifier: Apache-2.0
/*
 * The index library alone: builds an index over base.npy, then searches it with queries.npy on one
 * pinned thread: recall, queries per second, and each stage beside the least time that this machine
 * needs for the bytes (limit.h). One JSON line per measurement.
 *
 * Usage: bench_search FOLDER cosine|ip|l2 [--lists N] [--m N] [--threads N] [--memory MIB]
 *                     [--second on|off] [--queries FILE.npy] [--out FILE] [--build-only]
 * FOLDER holds base.npy, queries.npy (float32) and gt.npy (100 row numbers a query): see
 * bench/peers. --queries are real ones for the build. --memory bounds the build, not the mapped
 * base.
 */
#include "bench/bench_disk.h"
#include "bench/bench_index.h"
#include "index/index_build.h"
#include "vecstore/base/pool.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct options {
    const char *folder, *queries, *out;
    enum vs_metric metric;
    uint32_t lists, m, threads, memory_mib;
    enum vs_tune_second second;
    bool is_build_only;
};

struct disk_writer {
    struct vs_writer base;
    FILE *stream;
};

struct rows {
    struct bench_matrix base;
    size_t next;
};

struct bench {
    const struct vs_env *env;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
    struct bench_matrix queries, truth;
    struct bench_limits limits;
};

static enum vs_status disk_write(struct vs_writer *writer,
                                 const void *bytes,
                                 size_t n,
                                 struct vs_error *err)
{
    struct disk_writer *disk = (struct disk_writer *)writer;
    return fwrite(bytes, 1, n, disk->stream) == n
               ? VS_OK
               : vs_fail(err, VS_UNAVAILABLE, "cannot write %s", writer->name);
}

static enum vs_status disk_finish(struct vs_writer *writer,
                                  enum vs_put_mode mode,
                                  struct vs_error *err)
{
    (void)mode;
    struct disk_writer *disk = (struct disk_writer *)writer;
    return fflush(disk->stream) == 0
               ? VS_OK
               : vs_fail(err, VS_UNAVAILABLE, "cannot write %s", writer->name);
}

static void disk_writer_free(struct vs_writer *writer)
{
    (void)writer;
}

static enum vs_status next_rows(void *ctx,
                                size_t max_rows,
                                struct vs_batch *batch,
                                struct vs_error *err)
{
    struct rows *rows = ctx;
    size_t left = rows->base.rows - rows->next, count = left < max_rows ? left : max_rows;
    for (size_t i = 0; i < count; i++, rows->next++) {
        const float *row = (const float *)rows->base.values + rows->next * rows->base.columns;
        VS_TRY(vs_column_append_floats(&batch->columns[0], row, rows->base.columns, err));
    }
    batch->row_count = count;
    return VS_OK;
}

static enum vs_status rewind_rows(void *ctx, struct vs_error *err)
{
    (void)err;
    ((struct rows *)ctx)->next = 0;
    return VS_OK;
}

static int fail(const struct vs_error *err)
{
    fprintf(stderr, "%s: %s\n", vs_status_name(err->code), err->message);
    return 1;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

// ---- build ----

static int build_index(const struct vs_env *env,
                       const struct options *options,
                       const struct vs_index_build_params *params,
                       struct rows *rows)
{
    static const struct vs_writer_vtable vtable = {
        .write = disk_write, .finish = disk_finish, .free = disk_writer_free};
    struct vs_error err = {0};
    struct vs_index_row_source source = {next_rows, rewind_rows, rows};
    struct disk_writer writer = {.base = {.vtable = &vtable, .name = options->out},
                                 .stream = fopen(options->out, "wb")};
    struct vs_index_build_result result;
    int64_t start = vs_monotonic_ns(env);
    if (writer.stream == NULL) {
        perror(options->out);
        return 1;
    }
    int code = 0;
    if (vs_index_build(env, params, &source, &writer.base, &result, &err) != VS_OK ||
        vs_writer_finish(&writer.base, VS_PUT_ANY, &err) != VS_OK) {
        code = fail(&err);
    } else {
        printf("{\"build_ms\":%" PRId64 ",\"cpu_s\":%.2f,\"file_size\":%" PRIu64
               ",\"lists\":%" PRIu32 ",\"m\":%" PRIu32 ",\"facts\":%s}\n",
               (vs_monotonic_ns(env) - start) / 1000000, cpu_seconds(), result.file_size,
               result.list_count, result.m, result.summary_json);
        (void)fflush(stdout);
    }
    (void)fclose(writer.stream);
    return code;
}

static int build_all(const struct vs_env *env, const struct options *options)
{
    struct rows rows = {.next = 0};
    struct bench_matrix queries = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/base.npy", options->folder);
    if (!bench_matrix_map(path, "<f4", &rows.base) ||
        (options->queries != NULL && !bench_matrix_map(options->queries, "<f4", &queries))) {
        return 2;
    }
    struct vs_field field = {.id = 1,
                             .name = VS_STR("embedding"),
                             .kind = VS_KIND_LIST,
                             .element_kind = VS_KIND_FLOAT,
                             .element_id = 2};
    struct vs_index_build_column column = {.field = 0,
                                           .dim = (uint32_t)rows.base.columns,
                                           .metric = options->metric,
                                           .model = VS_STR("")};
    struct vs_index_file_ref file = {.path = VS_STR("base"), .row_count = rows.base.rows};
    struct vs_index_build_params params = {.fields = &field,
                                           .field_count = 1,
                                           .id_field = SIZE_MAX,
                                           .columns = &column,
                                           .column_count = 1,
                                           .files = &file,
                                           .file_count = 1,
                                           .list_count = options->lists,
                                           .m = options->m,
                                           .second_assignment = options->second,
                                           .queries = queries.values,
                                           .query_count = queries.rows,
                                           .memory_bytes = (uint64_t)options->memory_mib << 20,
                                           .thread_count = options->threads > 0 ? options->threads
                                                                                : vs_cpu_count()};
    return build_index(env, options, &params, &rows);
}

// ---- search ----

struct sums {
    double found;
    struct bench_work work;
    struct vs_index_stats last;
};

static bool run_queries(const struct bench *bench, struct vs_index_query *query, struct sums *sums)
{
    struct vs_error err = {0};
    struct vs_index_hit hits[100];
    for (size_t q = 0; q < bench->queries.rows; q++) {
        const int32_t *truth = (const int32_t *)bench->truth.values + q * bench->truth.columns;
        size_t count = 0;
        query->vector = (const float *)bench->queries.values + q * bench->queries.columns;
        if (vs_index_search(bench->index, query, bench->scratch, hits, &count, &sums->last, &err) !=
            VS_OK) {
            (void)fail(&err);
            return false;
        }
        bench_index_count(bench->index, &sums->last, 1.0, &sums->work);
        for (size_t i = 0; i < count; i++) {
            for (size_t t = 0; t < query->k; t++) {
                sums->found += (int32_t)hits[i].row == truth[t];
            }
        }
    }
    return true;
}

static void print_point(const struct bench *bench,
                        const struct vs_index_query *query,
                        const struct sums *sums,
                        double seconds)
{
    double n = (double)bench->queries.rows, limit_us[BENCH_STAGE_COUNT];
    double limit = bench_limit_us(&bench->limits, &sums->work, limit_us);
    printf("{\"k\":%zu,\"target\":%.3f,\"nprobe\":%" PRIu32 ",\"rerank\":%" PRIu32
           ",\"recall\":%.4f,\"qps\":%.0f,\"codes\":%.0f,\"rows\":%.1f,\"stages\":{",
           query->k, (double)query->recall_target, sums->last.nprobe, sums->last.rerank,
           sums->found / (n * (double)query->k), n / seconds,
           sums->work.code_bytes / n * 2.0 / vs_index_info(bench->index)->columns[0].m,
           sums->work.rows / n);
    for (int stage = 0; stage < BENCH_STAGE_COUNT; stage++) {
        double us = sums->work.stage_ns[stage] * 1e-3 / n;
        printf("\"%s\":{\"us\":%.2f,\"limit_us\":%.2f,\"ratio\":%.2f},",
               bench_stage_name((enum bench_stage)stage), us, limit_us[stage],
               us > 0.0 ? limit_us[stage] / us : 0.0);
    }
    printf("\"all\":{\"us\":%.2f,\"limit_us\":%.2f,\"ratio\":%.2f}}}\n", seconds * 1e6 / n, limit,
           limit / (seconds * 1e6 / n));
    (void)fflush(stdout);
}

// One pass over all queries per round; the best round counts.
static int measure(
    const struct bench *bench, size_t k, float target, uint32_t nprobe, uint32_t rerank)
{
    struct sums best = {0};
    double best_s = 1e9;
    struct vs_index_query query = {
        .k = k, .recall_target = target, .nprobe = nprobe, .rerank = rerank};
    for (int round = 0; round < 3; round++) {
        struct sums sums = {0};
        int64_t start = vs_monotonic_ns(bench->env);
        if (!run_queries(bench, &query, &sums)) {
            return 1;
        }
        double seconds = (double)(vs_monotonic_ns(bench->env) - start) * 1e-9;
        if (seconds < best_s) {
            best_s = seconds;
            best = sums;
        }
    }
    print_point(bench, &query, &best, best_s);
    return 0;
}

static int measure_all(const struct bench *bench)
{
    static const float targets[] = {0.90F, 0.95F, 0.99F};
    static const size_t ks[] = {10, 100};
    int code = 0;
    for (size_t i = 0; i < 2 && code == 0; i++) {
        for (size_t t = 0; t < 3 && code == 0; t++) {
            code = measure(bench, ks[i], targets[t], 0, 0);
        }
    }
    for (uint32_t nprobe = 16; nprobe <= 1024 && code == 0; nprobe *= 2) {
        for (uint32_t rerank = 50; rerank <= 400 && code == 0; rerank *= 2) {
            code = measure(bench, 10, 0.0F, nprobe, rerank);
        }
    }
    return code;
}

static void pin_to_last_core(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)(sysconf(_SC_NPROCESSORS_ONLN) - 1), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
        perror("cannot pin to a core");
    }
}

static int search_all(const struct vs_env *env, const struct options *options)
{
    struct vs_error err = {0};
    struct bench bench = {.env = env};
    struct bench_disk_file file;
    char path[4096];
    snprintf(path, sizeof path, "%s/queries.npy", options->folder);
    if (!bench_matrix_map(path, "<f4", &bench.queries)) {
        return 2;
    }
    snprintf(path, sizeof path, "%s/gt.npy", options->folder);
    if (!bench_truth_load(path, &bench.truth) || bench.truth.columns < 100 ||
        bench.truth.rows < bench.queries.rows || !bench_disk_open(&file, options->out)) {
        fprintf(stderr, "%s: 100 answers a query are needed; %s has to be readable\n", path,
                options->out);
        return 2;
    }
    pin_to_last_core();
    int64_t start = vs_monotonic_ns(env);
    int code = 1;
    if (vs_index_open(env, &file.base, NULL, &bench.index, &err) != VS_OK ||
        vs_index_scratch_new(env, &bench.scratch, &err) != VS_OK) {
        (void)fail(&err);
    } else {
        struct bench_sets sets;
        int64_t opened = vs_monotonic_ns(env);
        bench_index_sets(bench.index, &sets);
        bench_limits_measure(&sets, &bench.limits);
        printf("{\"open_ms\":%" PRId64 ",\"memory\":%" PRIu64
               ",\"memory_gb_s\":%.1f,\"memory2_gb_s\":%.1f,\"l3_gb_s\":%.1f,\"l2_gb_s\":%.1f,"
               "\"row_ns\":%.1f}\n",
               (opened - start) / 1000000, vs_index_info(bench.index)->memory_bytes,
               bench.limits.memory_gb_s, bench.limits.memory2_gb_s, bench.limits.l3_gb_s,
               bench.limits.l2_gb_s, bench.limits.row_ns);
        code = measure_all(&bench);
    }
    vs_index_scratch_free(bench.scratch);
    vs_index_close(bench.index);
    bench_disk_close(&file);
    free((void *)(uintptr_t)bench.truth.values);
    return code;
}

static bool parse_option(struct options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint32_t *place;
    } numbers[] = {{"--lists", &options->lists},
                   {"--m", &options->m},
                   {"--threads", &options->threads},
                   {"--memory", &options->memory_mib}};

    if (strcmp(name, "--queries") == 0) {
        options->queries = value;
        return true;
    }
    if (strcmp(name, "--second") == 0) {
        options->second = strcmp(value, "on") == 0 ? VS_SECOND_ON : VS_SECOND_OFF;
        return true;
    }
    if (strcmp(name, "--out") == 0) {
        options->out = value;
        return true;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].place = (uint32_t)strtoul(value, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    struct vs_error err = {0};
    if (argc < 3 || vs_metric_parse(vs_str_from_c(argv[2]), &options->metric, &err) != VS_OK) {
        return false;
    }
    options->folder = argv[1];
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--build-only") == 0) {
            options->is_build_only = true;
        } else if (i + 1 == argc || !parse_option(options, argv[i], argv[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {.out = NULL};
    if (!parse_options(argc, argv, &options)) {
        fprintf(stderr, "usage: bench_search FOLDER cosine|ip|l2 [--lists N] [--m N] [--threads N] "
                        "[--memory MIB] [--queries FILE.npy] [--out FILE] [--build-only]\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/index.puffin", options.folder);
    if (options.out == NULL) {
        options.out = path;
    }
    const struct vs_env *env = vs_env_default();
    int code = build_all(env, &options);
    return code != 0 || options.is_build_only ? code : search_all(env, &options);
}
