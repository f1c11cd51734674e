// SPDX-License-Identifier: Apache-2.0
#include "bench/bench_disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum vs_status disk_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct bench_disk_file *disk = (const struct bench_disk_file *)file;
    ssize_t got = pread(disk->fd, dst, len, (off_t)offset);
    return got == (ssize_t)len ? VS_OK : vs_fail(err, VS_UNAVAILABLE, "cannot read %s", file->name);
}

static void disk_close(struct vs_file *file)
{
    (void)file;
}

bool bench_disk_open(struct bench_disk_file *file, const char *path)
{
    static const struct vs_file_vtable vtable = {.read = disk_read, .close = disk_close};
    struct stat facts;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &facts) != 0) {
        return false;
    }
    file->base = (struct vs_file){.vtable = &vtable, .name = path, .size = (uint64_t)facts.st_size};
    return true;
}

void bench_disk_close(struct bench_disk_file *file)
{
    (void)close(file->fd);
}

// The header is one line of Python: {'descr': '<f4', 'fortran_order': False, 'shape': (N, D), }.
static bool parse_header(const char *header,
                         const char *type,
                         size_t *rows_out,
                         size_t *columns_out)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "'descr': '%s'", type);
    const char *shape = strstr(header, "'shape': (");
    if (strstr(header, wanted) == NULL || strstr(header, "'fortran_order': False") == NULL ||
        shape == NULL) {
        return false;
    }
    char *end = NULL;
    *rows_out = strtoull(shape + strlen("'shape': ("), &end, 10);
    if (*end != ',') {
        return false;
    }
    *columns_out = strtoull(end + 1, &end, 10);
    return *end == ')' && *rows_out > 0 && *columns_out > 0;
}

static bool parse_matrix(const uint8_t *bytes,
                         size_t size,
                         const char *type,
                         struct bench_matrix *matrix_out)
{
    char header[512] = {0};
    if (size < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0) {
        return false;
    }
    size_t start = bytes[6] == 1 ? 10 : 12;
    size_t length = bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1) {
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (length >= sizeof header || start + length > size) {
        return false;
    }
    memcpy(header, bytes + start, length);
    if (!parse_header(header, type, &matrix_out->rows, &matrix_out->columns)) {
        return false;
    }
    matrix_out->values = bytes + start + length;
    size_t width = strcmp(type, "<i8") == 0 ? 8 : 4;
    return matrix_out->rows <= (size - start - length) / width / matrix_out->columns;
}

static const uint8_t *map_bytes(const char *path, size_t *size_out)
{
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &facts) != 0) {
        perror(path);
        return NULL;
    }
    *size_out = (size_t)facts.st_size;
    void *bytes = mmap(NULL, *size_out, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    (void)close(fd);
    if (bytes == MAP_FAILED) {
        perror(path);
        return NULL;
    }
    return bytes;
}

bool bench_matrix_map(const char *path, const char *type, struct bench_matrix *matrix_out)
{
    size_t size;
    const uint8_t *bytes = map_bytes(path, &size);
    if (bytes == NULL) {
        return false;
    }
    if (!parse_matrix(bytes, size, type, matrix_out)) {
        fprintf(stderr, "%s: not a two-dimensional .npy of %s in row order\n", path, type);
        return false;
    }
    return true;
}

bool bench_truth_load(const char *path, struct bench_matrix *matrix_out)
{
    size_t size;
    struct bench_matrix found;
    const uint8_t *bytes = map_bytes(path, &size);
    if (bytes == NULL) {
        return false;
    }
    bool is_wide = parse_matrix(bytes, size, "<i8", &found);
    if (!is_wide && !parse_matrix(bytes, size, "<i4", &found)) {
        fprintf(stderr, "%s: not a two-dimensional .npy of integers in row order\n", path);
        return false;
    }
    int32_t *values = calloc(found.rows * found.columns, sizeof *values);
    if (values == NULL) {
        perror(path);
        return false;
    }
    const uint8_t *from = found.values;
    for (size_t i = 0; i < found.rows * found.columns; i++) {
        int64_t wide = 0;
        int32_t narrow = 0;
        memcpy(is_wide ? (void *)&wide : (void *)&narrow, from + i * (is_wide ? 8 : 4),
               is_wide ? 8 : 4);
        values[i] = is_wide ? (int32_t)wide : narrow;
    }
    *matrix_out =
        (struct bench_matrix){.values = values, .rows = found.rows, .columns = found.columns};
    return true;
}
