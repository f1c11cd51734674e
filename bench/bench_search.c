// SPDX-License-Identifier: Apache-2.0
/*
 * Builds an index over raw float32 files and searches it: build time, then recall and queries per
 * second of one thread, for recall targets and for chosen (nprobe, rerank). Input is made by
 * bench/prepare.py; output is one JSON line per measurement.
 *
 * Usage: bench_search PREFIX DIM METRIC [lists] [m]
 */
#include "index/index.h"
#include "index/index_build.h"
#include "vecstore/base/pool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GT_K 100

struct mapped {
    const void *bytes;
    size_t size;
};

struct disk_writer {
    struct vs_writer base;
    FILE *stream;
};

struct disk_file {
    struct vs_file base;
    int fd;
};

struct rows {
    const float *vectors;
    size_t count, dim, next;
};

static bool map_file(const char *prefix, const char *suffix, struct mapped *mapped_out)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", prefix, suffix);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts) != 0) {
        perror(path);
        return false;
    }
    mapped_out->size = (size_t)facts.st_size;
    mapped_out->bytes = mmap(NULL, mapped_out->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    return mapped_out->bytes != MAP_FAILED;
}

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

static enum vs_status disk_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    struct disk_file *disk = (struct disk_file *)file;
    ssize_t got = pread(disk->fd, dst, len, (off_t)offset);
    return got == (ssize_t)len ? VS_OK : vs_fail(err, VS_UNAVAILABLE, "cannot read %s", file->name);
}

static void disk_close(struct vs_file *file)
{
    (void)file;
}

static enum vs_status next_rows(void *ctx,
                                size_t max_rows,
                                struct vs_batch *batch,
                                struct vs_error *err)
{
    struct rows *rows = ctx;
    size_t count = rows->count - rows->next < max_rows ? rows->count - rows->next : max_rows;
    for (size_t i = 0; i < count; i++, rows->next++) {
        VS_TRY(vs_column_append_floats(&batch->columns[0], rows->vectors + rows->next * rows->dim,
                                       rows->dim, err));
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

struct bench {
    const struct vs_env *env;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
    const float *queries;
    const int32_t *truth;
    size_t query_count, dim;
};

// One pass over all queries per round; the best round counts.
static int measure(
    const struct bench *bench, size_t k, float target, uint32_t nprobe, uint32_t rerank)
{
    struct vs_error err = {0};
    struct vs_index_hit hits[GT_K] = {0};
    struct vs_index_stats stats = {0};
    double best_s = 1e9, scanned = 0.0, probe = 0.0, scan = 0.0, rescore = 0.0;
    size_t found = 0;
    for (int round = 0; round < 3; round++) {
        found = 0;
        scanned = probe = scan = rescore = 0.0;
        int64_t start = vs_monotonic_ns(bench->env);
        for (size_t q = 0; q < bench->query_count; q++) {
            struct vs_index_query query = {.vector = bench->queries + q * bench->dim,
                                           .k = k,
                                           .recall_target = target,
                                           .nprobe = nprobe,
                                           .rerank = rerank};
            size_t count = 0;
            if (vs_index_search(bench->index, &query, bench->scratch, hits, &count, &stats, &err) !=
                VS_OK) {
                return fail(&err);
            }
            scanned += (double)stats.scanned;
            probe += (double)stats.probe_ns;
            scan += (double)stats.scan_ns;
            rescore += (double)stats.rerank_ns;
            for (size_t i = 0; i < count; i++) {
                for (size_t t = 0; t < k; t++) {
                    found += (int32_t)hits[i].row == bench->truth[q * GT_K + t];
                }
            }
        }
        double seconds = (double)(vs_monotonic_ns(bench->env) - start) * 1e-9;
        best_s = seconds < best_s ? seconds : best_s;
    }
    double n = (double)bench->query_count;
    printf("{\"k\":%zu,\"target\":%.3f,\"nprobe\":%" PRIu32 ",\"rerank\":%" PRIu32
           ",\"recall\":%.4f,\"qps\":%.0f,\"scanned\":%.0f,"
           "\"us\":{\"probe\":%.1f,\"scan\":%.1f,\"rerank\":%.1f}}\n",
           k, (double)target, stats.nprobe, stats.rerank, (double)found / (n * (double)k),
           n / best_s, scanned / n, probe / n / 1e3, scan / n / 1e3, rescore / n / 1e3);
    return 0;
}

static int build_index(const struct vs_env *env,
                       const char *path,
                       struct rows *rows,
                       enum vs_metric metric,
                       uint32_t lists,
                       uint32_t m)
{
    static const struct vs_writer_vtable writer_vtable = {disk_write, disk_finish,
                                                          disk_writer_free};
    struct vs_error err = {0};
    struct vs_field field = {.id = 1,
                             .name = VS_STR("embedding"),
                             .kind = VS_KIND_LIST,
                             .element_kind = VS_KIND_FLOAT,
                             .element_id = 2};
    struct vs_index_build_column column = {
        .field = 0, .dim = (uint32_t)rows->dim, .metric = metric, .model = VS_STR("")};
    struct vs_index_file_ref file = {.path = VS_STR("base"), .row_count = rows->count};
    struct vs_index_build_params params = {.fields = &field,
                                           .field_count = 1,
                                           .id_field = SIZE_MAX,
                                           .columns = &column,
                                           .column_count = 1,
                                           .files = &file,
                                           .file_count = 1,
                                           .list_count = lists,
                                           .m = m,
                                           .thread_count = vs_cpu_count()};
    struct vs_index_row_source source = {next_rows, rewind_rows, rows};
    struct disk_writer writer = {.base = {.vtable = &writer_vtable, .name = path},
                                 .stream = fopen(path, "wb")};
    struct vs_index_build_result result;
    int64_t start = vs_monotonic_ns(env);
    if (writer.stream == NULL) {
        perror(path);
        return 1;
    }
    if (vs_index_build(env, &params, &source, &writer.base, &result, &err) != VS_OK ||
        vs_writer_finish(&writer.base, VS_PUT_ANY, &err) != VS_OK) {
        return fail(&err);
    }
    (void)fclose(writer.stream);
    printf("{\"build_ms\":%" PRId64 ",\"file_size\":%" PRIu64 ",\"facts\":%s}\n",
           (vs_monotonic_ns(env) - start) / 1000000, result.file_size, result.summary_json);
    return 0;
}

static int search_all(const struct vs_env *env, const char *path, struct bench *bench)
{
    static const struct vs_file_vtable file_vtable = {.read = disk_read, .close = disk_close};
    struct vs_error err = {0};
    struct stat facts;
    struct disk_file file = {.base = {.vtable = &file_vtable, .name = path},
                             .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (file.fd < 0 || fstat(file.fd, &facts) != 0) {
        perror(path);
        return 1;
    }
    file.base.size = (uint64_t)facts.st_size;
    int64_t start = vs_monotonic_ns(env);
    if (vs_index_open(env, &file.base, NULL, &bench->index, &err) != VS_OK ||
        vs_index_scratch_new(env, &bench->scratch, &err) != VS_OK) {
        return fail(&err);
    }
    printf("{\"open_ms\":%" PRId64 ",\"memory\":%" PRIu64 "}\n",
           (vs_monotonic_ns(env) - start) / 1000000, vs_index_info(bench->index)->memory_bytes);
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
    vs_index_scratch_free(bench->scratch);
    vs_index_close(bench->index);
    close(file.fd);
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench_search PREFIX DIM cosine|ip|l2 [lists] [m]\n");
        return 2;
    }
    const struct vs_env *env = vs_env_default();
    struct mapped base, queries, truth;
    enum vs_metric metric = VS_METRIC_COSINE;
    struct vs_error err = {0};
    size_t dim = (size_t)strtoul(argv[2], NULL, 10);
    if (dim == 0 || vs_metric_parse(vs_str_from_c(argv[3]), &metric, &err) != VS_OK ||
        !map_file(argv[1], ".base.f32", &base) || !map_file(argv[1], ".queries.f32", &queries) ||
        !map_file(argv[1], ".gt.i32", &truth)) {
        return 2;
    }
    uint32_t lists = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0,
             m = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0;
    struct rows rows = {
        .vectors = base.bytes, .count = base.size / (dim * sizeof(float)), .dim = dim};
    struct bench bench = {.env = env,
                          .queries = queries.bytes,
                          .truth = truth.bytes,
                          .query_count = queries.size / (dim * sizeof(float)),
                          .dim = dim};
    char path[4096];
    snprintf(path, sizeof path, "%s.puffin", argv[1]);
    int code = build_index(env, path, &rows, metric, lists, m);
    return code != 0 ? code : search_all(env, path, &bench);
}
