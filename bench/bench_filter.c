// SPDX-License-Identifier: Apache-2.0
/*
 * Filtered search in an index file: recall and latency of one pinned thread over selectivities and
 * over what a filter has to do with the query, beside one pass over all codes in the same run.
 *
 * Filters: `any` keeps rows by a hash of their number; `near` and `far` keep the rows at either end
 * of an attribute that goes with the vectors: their product with a direction about 45 degrees from
 * the query. Those are other rows for each query, so each gets a mask of its own. Answers are
 * compared with exact ones over the kept rows. One JSON line per filter, and one for the worst.
 *
 * Times are CPU time of the thread, which other work on the machine disturbs least: everything is
 * in memory, so on a quiet machine it is the time that passes.
 *
 * Usage: bench_filter INDEX.puffin FOLDER [--queries N] [--target R] [--passes N]
 *                     [--nprobe N] [--rerank N] [--kept any|near|far]
 * FOLDER holds base.npy and queries.npy (float32; base is what the index was built over).
 */
#include "bench/bench_disk.h"
#include "index/index.h"
#include "simd/kernels.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define K 10
#define SELECTIVITIES 6
#define FILTERS 3

static const double selectivities[SELECTIVITIES] = {1.0, 0.5, 0.1, 0.01, 0.001, 0.0001};
static const char *const filter_names[FILTERS] = {"any", "near", "far"};

struct options {
    const char *index, *folder;
    size_t queries, passes;
    uint32_t nprobe, rerank; // 0: from the target
    float target;
    const char *kept; // NULL: all of filter_names
};

// What was measured under one filter.
struct cell {
    double *search_us; // [queries * passes]
    double *mask_us;   // [queries]
    size_t searches, masks, found, wanted;
    uint64_t scanned, reranked;
};

struct bench {
    const struct vs_env *env;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
    struct bench_matrix base, queries;
    enum vs_metric metric;
    float *scores, *attribute, *sorted; // [rows]
    uint64_t *bits;
    struct cell cells[SELECTIVITIES][FILTERS];
    double *pass_us; // [queries * passes]
    size_t passes;
    uint64_t codes;
};

static void pin(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static void die(const char *what, const struct vs_error *err)
{
    fprintf(stderr, "bench_filter: %s%s%s\n", what, err != NULL ? ": " : "",
            err != NULL ? err->message : "");
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        die("out of memory", NULL);
    }
    return memory;
}

static double cpu_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, compare_doubles);
    size_t at = (size_t)(share * (double)count);
    return count > 0 ? values[at < count ? at : count - 1] : 0.0;
}

static uint64_t hash(uint64_t x)
{
    x = (x + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

// ---- filters ----

// Products with query / |query| + noise of the same length.
static void make_attribute(struct bench *b, const float *query, uint64_t seed)
{
    size_t dim = b->base.columns;
    float *direction = room(dim, sizeof *direction);
    double norm = 0, noise_norm = 0;
    for (size_t i = 0; i < dim; i++) {
        direction[i] = (float)(hash(seed * 100003 + i) >> 40) / 8388608.0F - 1.0F;
        noise_norm += (double)direction[i] * (double)direction[i];
        norm += (double)query[i] * (double)query[i];
    }
    for (size_t i = 0; i < dim; i++) {
        direction[i] = direction[i] / (float)sqrt(noise_norm) + query[i] / (float)sqrt(norm);
    }
    vs_kernels_get()->dot_f32(direction, b->base.values, dim, b->base.rows, b->attribute);
    memcpy(b->sorted, b->attribute, b->base.rows * sizeof *b->sorted);
    qsort(b->sorted, b->base.rows, sizeof *b->sorted, compare_floats);
    free(direction);
}

static bool keeps(const struct bench *b, size_t filter, double share, size_t row)
{
    size_t rows = b->base.rows, kept = (size_t)(share * (double)rows);
    if (filter == 0) {
        return (double)(hash(row) >> 11) < share * 9007199254740992.0;
    }
    return filter == 1 ? b->attribute[row] >= b->sorted[rows - kept]
                       : b->attribute[row] <= b->sorted[kept - 1];
}

// ---- one filter ----

// The K-th best score among kept rows, or the worst when there are fewer; *count_out of them.
static float exact_cut(const struct bench *b, size_t *count_out)
{
    float best[K];
    size_t count = 0;
    for (size_t row = 0; row < b->base.rows; row++) {
        if ((b->bits[row / 64] >> (row % 64) & 1) == 0 ||
            (count == K && b->scores[row] <= best[K - 1])) {
            continue;
        }
        size_t at = count < K ? count++ : K - 1;
        while (at > 0 && best[at - 1] < b->scores[row]) {
            best[at] = best[at - 1];
            at--;
        }
        best[at] = b->scores[row];
    }
    *count_out = count;
    return count > 0 ? best[count - 1] : 0.0F;
}

static void measure(struct bench *b,
                    const struct options *options,
                    const float *vector,
                    const struct vs_index_mask *mask,
                    struct cell *cell)
{
    struct vs_error err = {0};
    struct vs_index_hit hits[K];
    const struct vs_index_query query = {.vector = vector,
                                         .k = K,
                                         .nprobe = options->nprobe,
                                         .rerank = options->rerank,
                                         .recall_target = options->target,
                                         .mask = mask};
    size_t count = 0, wanted = 0;
    float cut = exact_cut(b, &wanted);
    for (size_t pass = 0; pass <= options->passes; pass++) {
        struct vs_index_stats stats = {0};
        double start = cpu_us();
        if (vs_index_search(b->index, &query, b->scratch, hits, &count, &stats, &err) != VS_OK) {
            die("search", &err);
        }
        if (pass > 0) { // the first one warms up
            cell->search_us[cell->searches++] = cpu_us() - start;
            cell->scanned += stats.scanned;
            cell->reranked += stats.reranked;
        }
    }
    cell->wanted += wanted;
    for (size_t i = 0; i < count; i++) {
        cell->found += b->scores[hits[i].row] >= cut;
    }
}

// One pass over all codes: the scanning stage of a search that looks at every list.
static void measure_pass(struct bench *b, const struct options *options, const float *vector)
{
    struct vs_index_hit hits[K];
    const struct vs_index_query query = {.vector = vector,
                                         .k = K,
                                         .nprobe = vs_index_info(b->index)->columns[0].list_count,
                                         .rerank = K};
    for (size_t pass = 0; pass <= options->passes; pass++) {
        struct vs_index_stats stats = {0};
        struct vs_error err = {0};
        size_t count = 0;
        double start = cpu_us();
        if (vs_index_search(b->index, &query, b->scratch, hits, &count, &stats, &err) != VS_OK) {
            die("search", &err);
        }
        double share =
            (double)stats.scan_ns / (double)(stats.probe_ns + stats.scan_ns + stats.rerank_ns + 1);
        if (pass > 0) {
            b->pass_us[b->passes++] = (cpu_us() - start) * share;
        }
        b->codes = stats.scanned;
    }
}

static void run_query(struct bench *b, const struct options *options, size_t q)
{
    const float *vector = (const float *)b->queries.values + q * b->base.columns;
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t rows = b->base.rows, dim = b->base.columns;
    if (b->metric == VS_METRIC_L2) {
        kernels->l2_f32(vector, b->base.values, dim, rows, b->scores);
        for (size_t i = 0; i < rows; i++) {
            b->scores[i] = -b->scores[i];
        }
    } else {
        kernels->dot_f32(vector, b->base.values, dim, rows, b->scores);
    }
    make_attribute(b, vector, q);
    measure_pass(b, options, vector);
    for (size_t s = 0; s < SELECTIVITIES; s++) {
        for (size_t f = 0; f < (s == 0 ? 1 : FILTERS); f++) {
            struct vs_index_mask *mask = NULL;
            struct vs_error err = {0};
            if (s > 0 && options->kept != NULL && strcmp(options->kept, filter_names[f]) != 0) {
                continue;
            }
            memset(b->bits, 0, (rows / 64 + 1) * sizeof *b->bits);
            for (size_t row = 0; row < rows; row++) {
                uint64_t bit = s == 0 || keeps(b, f, selectivities[s], row);
                b->bits[row / 64] |= bit << (row % 64);
            }
            if (s > 0) {
                double start = cpu_us();
                if (vs_index_mask_make(b->index, 0, 0, b->bits, &mask, &err) != VS_OK) {
                    die("mask", &err);
                }
                struct cell *cell = &b->cells[s][f];
                cell->mask_us[cell->masks++] = cpu_us() - start;
            }
            measure(b, options, vector, mask, &b->cells[s][f]);
            vs_index_mask_free(mask);
        }
    }
}

// ---- report ----

struct worst {
    double p99_of_pass, recall, recall_without;
};

static void report_cell(
    struct cell *cell, const char *name, double kept, double pass, uint64_t codes, struct worst *w)
{
    double searches = (double)cell->searches;
    double p50 = quantile(cell->search_us, cell->searches, 0.5),
           p99 = quantile(cell->search_us, cell->searches, 0.99),
           recall = cell->wanted > 0 ? (double)cell->found / (double)cell->wanted : 1.0;
    w->p99_of_pass = p99 / pass > w->p99_of_pass ? p99 / pass : w->p99_of_pass;
    w->recall = recall < w->recall ? recall : w->recall;
    printf("{\"kept\":%g,\"correlation\":\"%s\",\"recall_at_10\":%.4f,\"of_recall_without\":%.3f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p50_of_pass\":%.3f,\"p99_of_pass\":%.3f,"
           "\"scanned_of_codes\":%.4f,\"reranked\":%.0f,\"mask_us\":%.0f}\n",
           kept, name, recall, recall / w->recall_without, p50, p99, p50 / pass, p99 / pass,
           (double)cell->scanned / searches / (double)codes, (double)cell->reranked / searches,
           quantile(cell->mask_us, cell->masks, 0.5));
}

static void report(struct bench *b, size_t queries)
{
    double pass = quantile(b->pass_us, b->passes, 0.5);
    uint64_t codes = b->codes;
    printf("{\"rows\":%zu,\"dim\":%zu,\"lists\":%" PRIu32 ",\"codes\":%" PRIu64
           ",\"pass_us\":%.1f,\"pass_p99_us\":%.1f,\"queries\":%zu,\"kernels\":\"%s\"}\n",
           b->base.rows, b->base.columns, vs_index_info(b->index)->columns[0].list_count, codes,
           pass, quantile(b->pass_us, b->passes, 0.99), queries, vs_kernels_get()->name);
    struct cell *plain = &b->cells[0][0];
    struct worst worst = {.recall = 1.0,
                          .recall_without = (double)plain->found / (double)plain->wanted};
    report_cell(plain, "no filter", 1.0, pass, codes, &worst);
    worst.p99_of_pass = 0.0;
    worst.recall = 1.0;
    for (size_t s = 1; s < SELECTIVITIES; s++) {
        for (size_t f = 0; f < FILTERS; f++) {
            if (b->cells[s][f].searches > 0) {
                report_cell(&b->cells[s][f], filter_names[f], selectivities[s], pass, codes,
                            &worst);
            }
        }
    }
    printf("{\"worst_p99_of_pass\":%.3f,\"worst_recall_at_10\":%.4f,\"recall_without\":%.4f}\n",
           worst.p99_of_pass, worst.recall, worst.recall_without);
}

static struct options parse(int argc, char **argv)
{
    struct options options = {.queries = 50, .passes = 4};
    if (argc < 3 || argc % 2 == 0) {
        die("usage: bench_filter INDEX.puffin FOLDER [--queries N] [--target R] [--passes N]",
            NULL);
    }
    options.index = argv[1];
    options.folder = argv[2];
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--queries") == 0) {
            options.queries = strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--target") == 0) {
            options.target = strtof(argv[i + 1], NULL);
        } else if (strcmp(argv[i], "--passes") == 0) {
            options.passes = strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--nprobe") == 0) {
            options.nprobe = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--rerank") == 0) {
            options.rerank = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--kept") == 0) {
            options.kept = argv[i + 1];
        } else {
            die("unknown option", NULL);
        }
    }
    return options;
}

static void set_up(struct bench *b, struct options *options)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/base.npy", options->folder);
    bool mapped = bench_matrix_map(path, "<f4", &b->base);
    snprintf(path, sizeof path, "%s/queries.npy", options->folder);
    if (!mapped || !bench_matrix_map(path, "<f4", &b->queries)) {
        exit(1);
    }
    const struct vs_index_info *info = vs_index_info(b->index);
    if (info->segment_count != 1 || info->segments[0].is_small ||
        info->segments[0].row_count != b->base.rows || info->columns[0].dim != b->base.columns) {
        die("the index was not built over this base, or has no lists", NULL);
    }
    b->metric = info->columns[0].metric;
    options->queries = options->queries < b->queries.rows ? options->queries : b->queries.rows;
    b->scores = room(b->base.rows, sizeof *b->scores);
    b->attribute = room(b->base.rows, sizeof *b->attribute);
    b->sorted = room(b->base.rows, sizeof *b->sorted);
    b->bits = room(b->base.rows / 64 + 1, sizeof *b->bits);
    b->pass_us = room(options->queries * options->passes, sizeof(double));
    for (size_t s = 0; s < SELECTIVITIES; s++) {
        for (size_t f = 0; f < FILTERS; f++) {
            b->cells[s][f].search_us = room(options->queries * options->passes, sizeof(double));
            b->cells[s][f].mask_us = room(options->queries, sizeof(double));
        }
    }
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct bench b = {.env = vs_env_default()};
    struct bench_disk_file file;
    struct vs_error err = {0};
    const struct vs_index_open_options how = {.thread_count = 2};
    if (!bench_disk_open(&file, options.index)) {
        perror(options.index);
        return 1;
    }
    if (vs_index_open(b.env, &file.base, &how, &b.index, &err) != VS_OK ||
        vs_index_scratch_new(b.env, &b.scratch, &err) != VS_OK) {
        die("open", &err);
    }
    set_up(&b, &options);
    pin();
    for (size_t q = 0; q < options.queries; q++) {
        run_query(&b, &options, q);
    }
    report(&b, options.queries);
    vs_index_scratch_free(b.scratch);
    vs_index_close(b.index);
    bench_disk_close(&file);
    return 0;
}
