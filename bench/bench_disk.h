// SPDX-License-Identifier: Apache-2.0
/*
 * Files of the benchmarks: one opened for random reads as the index library wants it, and .npy
 * matrices mapped into memory.
 *
 * Ownership: close what was opened; the mapping of a matrix lives as long as the process. Threads:
 * both may be shared.
 */
#ifndef VS_BENCH_BENCH_DISK_H
#define VS_BENCH_BENCH_DISK_H

#include "vecstore/base/io.h"

#include <stdbool.h>

struct bench_disk_file {
    struct vs_file base;
    int fd;
};

// False: the reason is in errno. `path` has to outlive the file.
bool bench_disk_open(struct bench_disk_file *file, const char *path);
void bench_disk_close(struct bench_disk_file *file);

// A two-dimensional little-endian .npy in row order: float32 ("<f4"), int32 ("<i4") or int64
// ("<i8").
struct bench_matrix {
    const void *values;
    size_t rows, columns;
};

// Prints the reason to standard error and returns false when it is something else.
bool bench_matrix_map(const char *path, const char *type, struct bench_matrix *matrix_out);
// Row numbers of either integer type as int32; the values are the caller's, by free.
bool bench_truth_load(const char *path, struct bench_matrix *matrix_out);

#endif
