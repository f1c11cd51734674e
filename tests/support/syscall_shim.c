// SPDX-License-Identifier: Apache-2.0
/*
 * A library for LD_PRELOAD that stops the process, or makes a call fail, at the n-th call that
 * changes files. Calls on the standard streams are not counted.
 *
 * Environment: SHIM_COUNT names a file that gets the number of calls at exit. SHIM_AT is the index
 * of the call at which something happens, SHIM_MODE what: "before" and "after" end the process
 * there; "EIO", "ENOSPC" and "EINTR" fail it; "short" writes half. SHIM_ON=1: from then on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KILLED 137 // as the shell says of a killed process

enum mode { PASS, BEFORE, AFTER, FAIL_EIO, FAIL_ENOSPC, FAIL_EINTR, SHORT };

static atomic_long calls;
static long stop_at = -1;
static bool from_then_on;
static enum mode mode;
static const char *count_path;

__attribute__((constructor)) static void start(void)
{
    static const char *const names[] = {"", "before", "after", "EIO", "ENOSPC", "EINTR", "short"};
    const char *at = getenv("SHIM_AT"), *how = getenv("SHIM_MODE");
    count_path = getenv("SHIM_COUNT");
    from_then_on = getenv("SHIM_ON") != NULL;
    for (size_t i = 1; how != NULL && i < sizeof names / sizeof names[0]; i++) {
        mode = strcmp(how, names[i]) == 0 ? (enum mode)i : mode;
    }
    stop_at = at != NULL && mode != PASS ? strtol(at, NULL, 10) : -1;
}

__attribute__((destructor)) static void end(void)
{
    if (count_path == NULL) {
        return;
    }
    FILE *file = fopen(count_path, "w");
    if (file != NULL) {
        fprintf(file, "%ld", atomic_load(&calls));
        fclose(file);
    }
}

// What is to happen to this call. PASS, AFTER and SHORT: it is made.
static enum mode enter(bool can_be_interrupted, bool is_write)
{
    long call = atomic_fetch_add(&calls, 1);
    if (stop_at < 0 || call < stop_at || (call > stop_at && !from_then_on)) {
        return PASS;
    }
    if (mode == BEFORE) {
        _exit(KILLED);
    }
    bool applies = mode == AFTER || mode == FAIL_EIO ||
                   (mode == FAIL_EINTR && can_be_interrupted) || (mode == SHORT && is_write) ||
                   mode == FAIL_ENOSPC;
    if (!applies) {
        return PASS;
    }
    errno = mode == FAIL_EIO ? EIO : mode == FAIL_ENOSPC ? ENOSPC : EINTR;
    return mode;
}

static bool is_failure(enum mode m)
{
    return m == FAIL_EIO || m == FAIL_ENOSPC || m == FAIL_EINTR;
}

static long leave(enum mode m, long result)
{
    if (m == AFTER) {
        _exit(KILLED);
    }
    return result;
}

// The function of that name behind ours.
static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        abort();
    }
    return found;
}

// The C library's own names of parameters begin with underscores.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)

#define NEXT(type, name)                                                                           \
    static type real;                                                                              \
    if (real == NULL) {                                                                            \
        void *found_ = next(name);                                                                 \
        memcpy(&real, &found_, sizeof real);                                                       \
    }

typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*copy_fn)(int, off_t *, int, off_t *, size_t, unsigned);
typedef int (*fd_fn)(int);
typedef int (*openat_fn)(int, const char *, int, ...);
typedef int (*unlinkat_fn)(int, const char *, int);
typedef int (*mkdirat_fn)(int, const char *, mode_t);
typedef int (*mkdir_fn)(const char *, mode_t);
typedef int (*linkat_fn)(int, const char *, int, const char *, int);
typedef int (*renameat_fn)(int, const char *, int, const char *);

ssize_t write(int fd, const void *bytes, size_t n)
{
    NEXT(write_fn, "write")
    if (fd <= 2) {
        return real(fd, bytes, n);
    }
    enum mode m = enter(true, true);
    if (is_failure(m)) {
        return -1;
    }
    return leave(m, real(fd, bytes, m == SHORT && n > 1 ? n / 2 : n));
}

ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t n, unsigned flags)
{
    NEXT(copy_fn, "copy_file_range")
    enum mode m = enter(true, true);
    if (is_failure(m)) {
        return -1;
    }
    return leave(m, real(from, from_at, to, to_at, m == SHORT && n > 1 ? n / 2 : n, flags));
}

int fsync(int fd)
{
    NEXT(fd_fn, "fsync")
    enum mode m = enter(false, false);
    return is_failure(m) ? -1 : (int)leave(m, real(fd));
}

int close(int fd)
{
    NEXT(fd_fn, "close")
    if (fd <= 2) {
        return real(fd);
    }
    enum mode m = enter(false, false);
    int result = (int)leave(m, real(fd)); // the descriptor is gone also when close reports an error
    if (m == FAIL_EIO || m == FAIL_ENOSPC) {
        errno = m == FAIL_EIO ? EIO : ENOSPC;
        return -1;
    }
    return result;
}

int openat(int dir, const char *path, int flags, ...)
{
    NEXT(openat_fn, "openat")
    va_list list;
    va_start(list, flags);
    mode_t bits = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    if ((flags & O_CREAT) == 0) {
        return real(dir, path, flags, bits);
    }
    enum mode m = enter(true, false);
    return is_failure(m) ? -1 : (int)leave(m, real(dir, path, flags, bits));
}

int unlinkat(int dir, const char *path, int flags)
{
    NEXT(unlinkat_fn, "unlinkat")
    enum mode m = enter(false, false);
    return is_failure(m) ? -1 : (int)leave(m, real(dir, path, flags));
}

int mkdirat(int dir, const char *path, mode_t bits)
{
    NEXT(mkdirat_fn, "mkdirat")
    enum mode m = enter(false, false);
    return is_failure(m) ? -1 : (int)leave(m, real(dir, path, bits));
}

int mkdir(const char *path, mode_t bits)
{
    NEXT(mkdir_fn, "mkdir")
    enum mode m = enter(false, false);
    return is_failure(m) ? -1 : (int)leave(m, real(path, bits));
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    NEXT(linkat_fn, "linkat")
    enum mode m = enter(false, false);
    return is_failure(m) ? -1 : (int)leave(m, real(from_dir, from, to_dir, to, flags));
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    NEXT(renameat_fn, "renameat")
    enum mode m = enter(false, false);
    return is_failure(m) ? -1 : (int)leave(m, real(from_dir, from, to_dir, to));
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)
