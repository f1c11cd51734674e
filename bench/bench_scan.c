// SPDX-License-Identifier: Apache-2.0
// bench_scan FILE COLUMN PASSES: reads one column of a Parquet file in batches with one thread, and
// prints the seconds of the fastest pass as a line of JSON. bench/scan.sh drives it beside peers.
#include "vecstore/format/parquet_read.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH_ROWS 4096

struct plain_file {
    struct vs_file base;
    int fd;
};

static enum vs_status read_plain(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    struct plain_file *plain = (struct plain_file *)file;
    char *at = (char *)dst;
    while (len > 0) {
        ssize_t n = pread(plain->fd, at, len, (off_t)offset);
        if (n <= 0) {
            return vs_fail(err, VS_UNAVAILABLE, "%s cannot be read", file->name);
        }
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return VS_OK;
}

static void close_plain(struct vs_file *file)
{
    (void)file;
}

static const struct vs_file_vtable plain_vtable = {.read = read_plain, .close = close_plain};

struct outcome {
    uint64_t rows, bytes; // of values in memory
    double check;         // the sum of the first element of each row: peers give the same
};

static void count_batch(const struct vs_column *column, struct outcome *outcome)
{
    for (size_t row = 0; row < column->row_count; row++) {
        size_t count = 0;
        if (column->kind == VS_KIND_LIST && column->child->kind == VS_KIND_FLOAT) {
            const float *floats = vs_column_get_floats(column, row, &count);
            outcome->check += count > 0 ? (double)floats[0] : 0;
        }
    }
    outcome->rows += column->row_count;
    outcome->bytes += column->child != NULL ? column->child->values.len : column->values.len;
}

static enum vs_status scan(struct vs_file *file,
                           const char *name,
                           struct outcome *outcome,
                           struct vs_error *err)
{
    const struct vs_env *env = vs_env_default();
    struct vs_parquet_reader *reader = NULL;
    struct vs_parquet_scan *scan = NULL;
    struct vs_batch batch = {0};
    VS_TRY(vs_parquet_open(env, file, &reader, err));
    size_t column = vs_schema_find(vs_parquet_schema(reader), vs_str_from_c(name));
    enum vs_status status = vs_parquet_scan_open(reader, &column, 1, NULL, &scan, err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, env, &vs_parquet_schema(reader)->fields[column], 1, err);
    }
    while (status == VS_OK) {
        vs_batch_reset(&batch);
        status = vs_parquet_scan_next(scan, BATCH_ROWS, &batch, err);
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        count_batch(&batch.columns[0], outcome);
    }
    vs_batch_clear(&batch);
    vs_parquet_scan_close(scan);
    vs_parquet_close(reader);
    return status;
}

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_scan FILE COLUMN PASSES\n");
        return EXIT_FAILURE;
    }
    struct plain_file file = {.base = {.vtable = &plain_vtable, .name = argv[1]}};
    struct stat facts;
    struct outcome best = {0};
    double seconds = 0, cpu_seconds = 0;
    file.fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (file.fd < 0 || fstat(file.fd, &facts) != 0) {
        fprintf(stderr, "error: %s cannot be opened\n", argv[1]);
        return EXIT_FAILURE;
    }
    file.base.size = (uint64_t)facts.st_size;
    for (long pass = 0; pass < strtol(argv[3], NULL, 10); pass++) {
        struct outcome outcome = {0};
        struct vs_error err = {0};
        double start = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        if (scan(&file.base, argv[2], &outcome, &err) != VS_OK) {
            fprintf(stderr, "error: %s\n", err.message);
            return EXIT_FAILURE;
        }
        double took = now(CLOCK_MONOTONIC) - start;
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        seconds = pass == 0 || took < seconds ? took : seconds;
        cpu_seconds = pass == 0 || cpu < cpu_seconds ? cpu : cpu_seconds;
        best = outcome;
    }
    close(file.fd);
    printf("{\"work_s\": %.6f, \"work_cpu_s\": %.6f, \"rows\": %" PRIu64 ", \"bytes\": %" PRIu64
           ", \"check\": %.6g}\n",
           seconds, cpu_seconds, best.rows, best.bytes, best.check);
    return EXIT_SUCCESS;
}
