// SPDX-License-Identifier: Apache-2.0
/*
 * A writer into memory for tests of file formats, files on disk, and running a program.
 */
#ifndef VS_TESTS_TEST_IO_H
#define VS_TESTS_TEST_IO_H

#include "vecstore/base/buf.h"
#include "vecstore/base/io.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

// Collects what is written; can fail at the n-th write.
struct test_sink {
    struct vs_writer writer;
    struct vs_buf bytes;
    long writes_left; // negative: no limit
};

static inline enum vs_status test_sink_write(struct vs_writer *writer,
                                             const void *bytes,
                                             size_t n,
                                             struct vs_error *err)
{
    struct test_sink *sink = (struct test_sink *)writer;
    if (sink->writes_left == 0) {
        return vs_fail(err, VS_UNAVAILABLE, "%s: disk full (test)", writer->name);
    }
    sink->writes_left--;
    return vs_buf_append(&sink->bytes, bytes, n, err);
}

static inline enum vs_status test_sink_finish(struct vs_writer *writer,
                                              enum vs_put_mode mode,
                                              struct vs_error *err)
{
    (void)writer;
    (void)mode;
    (void)err;
    return VS_OK;
}

static inline void test_sink_free(struct vs_writer *writer)
{
    (void)writer;
}

static inline void test_sink_init(struct test_sink *sink, const struct vs_env *env)
{
    static const struct vs_writer_vtable vtable = {
        .write = test_sink_write, .finish = test_sink_finish, .free = test_sink_free};
    *sink = (struct test_sink){.writer = {.vtable = &vtable, .name = "sink"}, .writes_left = -1};
    vs_buf_init(&sink->bytes, env, (size_t)1 << 32);
}

static inline bool test_file_write(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return false;
    }
    bool ok = fwrite(bytes, 1, n, file) == n;
    return fclose(file) == 0 && ok;
}

// Appends the file to buf; false when it cannot be read.
static inline bool test_file_read(const char *path, struct vs_buf *buf)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    char piece[65536];
    size_t n;
    bool ok = true;
    while (ok && (n = fread(piece, 1, sizeof piece, file)) > 0) {
        ok = vs_buf_append(buf, piece, n, NULL) == VS_OK;
    }
    ok = ok && ferror(file) == 0;
    fclose(file);
    return ok;
}

// Runs a program and waits; its exit status, or -1.
static inline int test_run_program(char *const argv[])
{
    int state = 0;
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    if (child == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &state, 0) != child || !WIFEXITED(state)) {
        return -1;
    }
    return WEXITSTATUS(state);
}

#endif
