// SPDX-License-Identifier: Apache-2.0
/*
 * The SQL catalog with the ground giving way: the process dies, or the system call fails, at the
 * n-th write, sync or removal of a commit, in our store as in SQLite; and the n-th allocation
 * fails.
 *
 * The calls are those of this program's own definitions below, which the linker prefers for SQLite
 * too. After every case the table is the old or the new one, each row once, and can be written on.
 */
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEFORE_ROWS 4
#define ADDED_ROWS 3
#define EXIT_STOPPED 42

// ---- system calls ----

enum fault { NONE, DIES, FAILS, FAILS_AFTER };

static enum fault fault;
static long calls_left;
static long calls_seen;

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

// True when this call is to fail.
static bool strikes(void)
{
    if (fault == NONE) {
        return false;
    }
    calls_seen++;
    if (calls_left-- != 0) {
        return false;
    }
    if (fault == DIES) {
        _exit(EXIT_STOPPED);
    }
    return true;
}

#define PWRITE(name)                                                                               \
    ssize_t name(int fd, const void *buf, size_t n, off_t offset);                                 \
    ssize_t name(int fd, const void *buf, size_t n, off_t offset)                                  \
    {                                                                                              \
        union {                                                                                    \
            void *object;                                                                          \
            ssize_t (*call)(int, const void *, size_t, off_t);                                     \
        } f = {real(#name)};                                                                       \
        if (!strikes()) {                                                                          \
            return f.call(fd, buf, n, offset);                                                     \
        }                                                                                          \
        if (fault == FAILS_AFTER) {                                                                \
            (void)f.call(fd, buf, n, offset);                                                      \
        }                                                                                          \
        errno = EIO;                                                                               \
        return -1;                                                                                 \
    }

static int sync_by(const char *name, int fd)
{
    union {
        void *object;
        int (*call)(int);
    } f = {real(name)};

    if (!strikes()) {
        return f.call(fd);
    }
    if (fault == FAILS_AFTER) {
        (void)f.call(fd);
    }
    errno = EIO;
    return -1;
}

PWRITE(pwrite)
PWRITE(pwrite64)

int fsync(int fd)
{
    return sync_by("fsync", fd);
}

int fdatasync(int fildes)
{
    return sync_by("fdatasync", fildes);
}

int unlink(const char *name)
{
    union {
        void *object;
        int (*call)(const char *);
    } f = {real("unlink")};

    if (!strikes()) {
        return f.call(name);
    }
    if (fault == FAILS_AFTER) {
        (void)f.call(name);
    }
    errno = EIO;
    return -1;
}

int linkat(int fromfd, const char *from, int tofd, const char *to, int flags)
{
    union {
        void *object;
        int (*call)(int, const char *, int, const char *, int);
    } f = {real("linkat")};

    if (!strikes()) {
        return f.call(fromfd, from, tofd, to, flags);
    }
    if (fault == FAILS_AFTER) {
        (void)f.call(fromfd, from, tofd, to, flags);
    }
    errno = EIO;
    return -1;
}

// ---- the table ----

static enum vs_status open_sql(const struct vs_env *env,
                               const char *dir,
                               struct vs_catalog **catalog_out,
                               struct vs_error *err)
{
    const struct vs_catalog_options options = {
        .kind = "sql", .warehouse = dir, .create_warehouse = true};
    return vs_catalog_open(env, &options, catalog_out, err);
}

static enum vs_status append(
    const struct vs_env *env, const char *dir, int64_t first, size_t count, struct vs_error *err)
{
    struct vs_catalog *catalog = NULL;
    struct vs_commit_result result = {0};
    VS_TRY(open_sql(env, dir, &catalog, err));
    enum vs_status status = test_table_append(catalog, "n.t", first, count, NULL, &result, err);
    vs_table_release(result.table);
    vs_catalog_free(catalog);
    return status;
}

static void make_base(const char *dir)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    REQUIRE_OK(open_sql(vs_env_default(), dir, &catalog, &err), err);
    CHECK_OK(test_table_create(catalog, "n.t", &err), err);
    vs_catalog_free(catalog);
    CHECK_OK(append(vs_env_default(), dir, 0, BEFORE_ROWS, &err), err);
}

static size_t live_rows(const char *dir)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    CHECK_OK(open_sql(vs_env_default(), dir, &catalog, &err), err);
    if (catalog == NULL) {
        return 0;
    }
    CHECK_OK(vs_catalog_load(catalog, "n.t", &table, &err), err);
    if (table != NULL) {
        CHECK_OK(test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id,
                                 &rows, &err),
                 err);
    }
    for (size_t i = 0; i < rows.count; i++) {
        CHECK_INT(rows.ids[i], (int64_t)i); // each once
    }
    size_t count = rows.count;
    free(rows.ids);
    vs_table_release(table);
    vs_catalog_free(catalog);
    return count;
}

static void check_after(const char *dir, size_t *old_state, size_t *new_state)
{
    struct vs_error err = {0};
    size_t rows = live_rows(dir);
    CHECK(rows == BEFORE_ROWS || rows == BEFORE_ROWS + ADDED_ROWS);
    *old_state += rows == BEFORE_ROWS;
    *new_state += rows == BEFORE_ROWS + ADDED_ROWS;
    CHECK_OK(append(vs_env_default(), dir, (int64_t)rows, 1, &err), err);
    CHECK_INT(live_rows(dir), rows + 1);
}

static void dies_at_every_call(void)
{
    size_t old_state = 0, new_state = 0;
    long n = 0;
    for (bool stopped = true; stopped; n++) {
        char dir[256];
        int status = 0;
        test_dir_make(dir, sizeof dir);
        make_base(dir);
        pid_t child = fork();
        if (child == 0) {
            fault = DIES;
            calls_left = n;
            vs_ignore(append(vs_env_default(), dir, BEFORE_ROWS, ADDED_ROWS, NULL));
            _exit(0);
        }
        REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status));
        stopped = WEXITSTATUS(status) == EXIT_STOPPED;
        check_after(dir, &old_state, &new_state);
        test_dir_remove(dir);
    }
    printf("%ld points: %zu left the old state, %zu the new one\n", n, old_state, new_state);
    CHECK(old_state > 10);
    CHECK(new_state > 0);
}

static void fails_at_every_call(void)
{
    size_t done = 0, not_done = 0, unknown = 0;
    for (enum fault kind = FAILS; kind <= FAILS_AFTER; kind++) {
        for (long n = 0;; n++) {
            char dir[256];
            size_t old_state = 0, new_state = 0;
            struct test_env t;
            struct vs_error err = {0};
            test_dir_make(dir, sizeof dir);
            test_env_init(&t);
            make_base(dir);
            fault = kind;
            calls_left = n;
            calls_seen = 0;
            enum vs_status status = append(&t.env, dir, BEFORE_ROWS, ADDED_ROWS, &err);
            bool struck = calls_left < 0;
            fault = NONE;
            CHECK_INT(t.live, 0);
            check_after(dir, &old_state, &new_state);
            if (status == VS_OK) {
                CHECK_INT(new_state, 1);
            } else if (status != VS_UNKNOWN) {
                CHECK_INT(old_state, 1);
            }
            done += status == VS_OK;
            unknown += status == VS_UNKNOWN;
            not_done += status != VS_OK && status != VS_UNKNOWN;
            test_dir_remove(dir);
            if (!struck) {
                CHECK_OK(status, err);
                break;
            }
        }
    }
    printf("%zu commits done, %zu not, %zu unknown\n", done, not_done, unknown);
    CHECK(not_done > 10);
}

static void every_allocation_fails(void)
{
    long n = 0, step = getenv("VECSTORE_TORTURE_ALL") != NULL ? 1 : 29;
    for (;; n += n < 20 ? 1 : step) {
        char dir[256];
        size_t old_state = 0, new_state = 0;
        struct test_env t;
        test_dir_make(dir, sizeof dir);
        make_base(dir);
        test_env_init(&t);
        t.fail_at = n;
        enum vs_status status = append(&t.env, dir, BEFORE_ROWS, ADDED_ROWS, NULL);
        CHECK_INT(t.live, 0);
        check_after(dir, &old_state, &new_state);
        if (status == VS_OK) {
            CHECK_INT(new_state, 1);
        } else if (status != VS_UNKNOWN) {
            CHECK_INT(old_state, 1);
        }
        test_dir_remove(dir);
        if (!t.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
    }
    printf("%ld allocations, every %ldth beyond 20 failed once\n", n, step);
}

TEST_MAIN(TEST(dies_at_every_call), TEST(fails_at_every_call), TEST(every_allocation_fails))
