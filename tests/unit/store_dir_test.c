// SPDX-License-Identifier: Apache-2.0
/*
 * What only the file system has: system calls that fail, links, leftovers. The calls named __wrap_*
 * stand in for those of the C library (linker option --wrap) and fail when told to.
 */
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/object/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int fsync_calls;
    int fsync_fail_at; // -1: never
    int write_errno;   // 0: works
    bool dribble;      // reads and writes move one byte, every other call is interrupted
    unsigned dribble_calls;
    int link_errno;               // 0: works
    bool link_works;              // although it reports link_errno
    int copy_calls, copy_fail_at; // -1: never; then with copy_errno, or 0 bytes when that is 0
    int copy_errno;
} faults;

int __real_fsync(int fd);
ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __real_pread(int fd, void *bytes, size_t n, off_t offset);
int __real_linkat(int old_fd, const char *old_path, int new_fd, const char *new_path, int flags);
ssize_t __real_copy_file_range(
    int from, off_t *from_at, int to, off_t *to_at, size_t n, unsigned flags);
ssize_t __wrap_copy_file_range(
    int from, off_t *from_at, int to, off_t *to_at, size_t n, unsigned flags);
int __wrap_fsync(int fd);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_pread(int fd, void *bytes, size_t n, off_t offset);
int __wrap_linkat(int old_fd, const char *old_path, int new_fd, const char *new_path, int flags);

int __wrap_fsync(int fd)
{
    if (faults.fsync_calls++ == faults.fsync_fail_at) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

static bool interrupted(void)
{
    errno = EINTR;
    return faults.dribble && faults.dribble_calls++ % 2 == 0;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (faults.write_errno != 0) {
        errno = faults.write_errno;
        return -1;
    }
    return interrupted() ? -1 : __real_write(fd, bytes, faults.dribble && n > 1 ? 1 : n);
}

ssize_t __wrap_pread(int fd, void *bytes, size_t n, off_t offset)
{
    return interrupted() ? -1 : __real_pread(fd, bytes, faults.dribble && n > 1 ? 1 : n, offset);
}

// A third at a time, so that there are several calls.
ssize_t __wrap_copy_file_range(
    int from, off_t *from_at, int to, off_t *to_at, size_t n, unsigned flags)
{
    if (faults.copy_calls++ == faults.copy_fail_at) {
        errno = faults.copy_errno;
        return faults.copy_errno != 0 ? -1 : 0;
    }
    return interrupted() ? -1 : __real_copy_file_range(from, from_at, to, to_at, n / 3 + 1, flags);
}

int __wrap_linkat(int old_fd, const char *old_path, int new_fd, const char *new_path, int flags)
{
    int result = 0;
    if (faults.link_errno == 0 || faults.link_works) {
        result = __real_linkat(old_fd, old_path, new_fd, new_path, flags);
    }
    if (faults.link_errno != 0) {
        errno = faults.link_errno;
        return -1;
    }
    return result;
}

struct fixture {
    struct test_env test;
    struct vs_store *store;
    char dir[256];
};

static void fixture_init(struct fixture *f)
{
    struct vs_error err;
    memset(&faults, 0, sizeof faults);
    faults.fsync_fail_at = -1;
    faults.copy_fail_at = -1;
    memset(f, 0, sizeof *f);
    test_env_init(&f->test);
    test_dir_make(f->dir, sizeof f->dir);
    CHECK_OK(vs_store_open(&f->test.env, f->dir, false, &f->store, &err), err);
}

static void fixture_clear(struct fixture *f)
{
    memset(&faults, 0, sizeof faults);
    faults.fsync_fail_at = -1;
    vs_store_free(f->store);
    test_dir_remove(f->dir);
    CHECK_INT(f->test.live, 0);
}

// Names in a directory below the root, staged files included.
static int count_names(const struct fixture *f, const char *sub)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, sub);
    DIR *dir = opendir(path);
    int count = 0;
    if (dir == NULL) {
        return -1;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    (void)closedir(dir);
    return count;
}

static enum vs_status put_by(struct vs_store *store,
                             bool stream,
                             enum vs_put_mode mode,
                             struct vs_error *err)
{
    struct vs_writer *writer = NULL;
    if (!stream) {
        return vs_store_put(store, "a/x", VS_STR("content"), mode, err);
    }
    VS_TRY(vs_writer_open(store, "a/x", &writer, err));
    enum vs_status status = vs_writer_write(writer, "content", 7, err);
    status = status == VS_OK ? vs_writer_finish(writer, mode, err) : status;
    vs_writer_free(writer);
    return status;
}

// Each sync of a put in turn fails: the file is never retried and never left behind, and only the
// sync that follows the publication makes the outcome unknown.
static void case_failed_syncs(void)
{
    for (int variant = 0; variant < 4; variant++) {
        bool stream = variant % 2 == 1;
        enum vs_put_mode mode = variant < 2 ? VS_PUT_IF_ABSENT : VS_PUT_ANY;
        int unknown = 0;
        int unavailable = 0;
        for (int n = 0;; n++) {
            static struct fixture f;
            struct vs_error err;
            bool exists = false;
            fixture_init(&f);
            faults.fsync_calls = 0;
            faults.fsync_fail_at = n;
            enum vs_status status = put_by(f.store, stream, mode, &err);
            int calls = faults.fsync_calls;
            faults.fsync_fail_at = -1;
            if (status != VS_OK) {
                CHECK_INT(err.code, status);
                CHECK_INT(err.system_code, EIO);
                CHECK_INT(calls, n + 1); // nothing is synced again
            }
            CHECK_OK(vs_store_exists(f.store, "a/x", &exists, &err), err);
            CHECK(status == VS_OK || status == VS_UNKNOWN || status == VS_UNAVAILABLE);
            CHECK_INT(exists, status != VS_UNAVAILABLE);
            CHECK(count_names(&f, "a") <= exists);
            unknown += status == VS_UNKNOWN;
            unavailable += status == VS_UNAVAILABLE;
            fixture_clear(&f);
            if (status == VS_OK) {
                CHECK_INT(n, 3); // new directory, file, directory after publication
                break;
            }
        }
        CHECK_INT(unknown, 1);
        CHECK_INT(unavailable, 2);
    }
}

static void case_syncs_of_known_directories_are_spared(void)
{
    static struct fixture f;
    struct vs_error err;
    fixture_init(&f);
    CHECK_OK(vs_store_put(f.store, "a/b/c/x", VS_STR("1"), VS_PUT_ANY, &err), err);
    CHECK_INT(faults.fsync_calls, 5); // three parents, file, directory
    faults.fsync_calls = 0;
    CHECK_OK(vs_store_put(f.store, "a/b/c/y", VS_STR("1"), VS_PUT_ANY, &err), err);
    CHECK_INT(faults.fsync_calls, 2);
    struct vs_store *other = NULL; // another process does not know who made the directories
    CHECK_OK(vs_store_open(&f.test.env, f.dir, false, &other, &err), err);
    faults.fsync_calls = 0;
    CHECK_OK(vs_store_put(other, "a/b/c/z", VS_STR("1"), VS_PUT_ANY, &err), err);
    CHECK_INT(faults.fsync_calls, 5);
    vs_store_free(other);
    fixture_clear(&f);
}

static void case_full_disk(void)
{
    static const int causes[] = {ENOSPC, EDQUOT};
    for (size_t i = 0; i < 4; i++) {
        static struct fixture f;
        struct vs_error err;
        bool exists = true;
        fixture_init(&f);
        faults.write_errno = causes[i % 2];
        CHECK_STATUS(put_by(f.store, i >= 2, VS_PUT_IF_ABSENT, &err), VS_UNAVAILABLE);
        CHECK_INT(err.system_code, causes[i % 2]);
        CHECK(strstr(err.message, "no space left") != NULL);
        CHECK(strstr(err.message, "free space or choose another warehouse") != NULL);
        CHECK(strstr(err.message, "/a/x") != NULL);
        faults.write_errno = 0;
        CHECK_OK(vs_store_exists(f.store, "a/x", &exists, &err), err);
        CHECK(!exists);
        CHECK_INT(count_names(&f, "a"), 0);
        CHECK_OK(put_by(f.store, i >= 2, VS_PUT_IF_ABSENT, &err), err);
        fixture_clear(&f);
    }
}

static void case_writer_after_a_failed_write(void)
{
    static struct fixture f;
    static uint8_t chunk[1200000];
    struct vs_error err;
    struct vs_writer *writer = NULL;
    fixture_init(&f);
    REQUIRE_OK(vs_writer_open(f.store, "a/x", &writer, &err), err);
    faults.write_errno = EIO;
    CHECK_STATUS(vs_writer_write(writer, chunk, sizeof chunk, &err), VS_UNAVAILABLE);
    faults.write_errno = 0;
    CHECK_STATUS(vs_writer_write(writer, chunk, 10, &err), VS_INTERNAL);
    CHECK_STATUS(vs_writer_finish(writer, VS_PUT_ANY, &err), VS_INTERNAL);
    vs_writer_free(writer);
    CHECK_INT(count_names(&f, "a"), 0);
    fixture_clear(&f);
}

static void case_short_and_interrupted_calls(void)
{
    static struct fixture f;
    struct vs_error err;
    struct vs_buf buf;
    fixture_init(&f);
    vs_buf_init(&buf, &f.test.env, 100);
    faults.dribble = true;
    CHECK_OK(vs_store_put(f.store, "x", VS_STR("0123456789"), VS_PUT_ANY, &err), err);
    CHECK_OK(vs_store_get(f.store, "x", &buf, &err), err);
    CHECK_TEXT(vs_buf_c_str(&buf), "0123456789");
    CHECK(faults.dribble_calls >= 40);
    vs_buf_clear(&buf);
    fixture_clear(&f);
}

// Network file systems repeat requests: a link may have happened although it reports failure, even
// "exists".
static enum vs_status copy_with(struct fixture *f, int fail_at, int failure, struct vs_error *err)
{
    struct vs_writer *writer = NULL;
    struct vs_file *file = NULL;
    VS_TRY(vs_file_open(f->store, "from", &file, err));
    enum vs_status status = vs_writer_open(f->store, "a/to", &writer, err);
    faults.copy_calls = 0;
    faults.copy_fail_at = fail_at;
    faults.copy_errno = failure;
    status = status == VS_OK ? vs_writer_write(writer, "<", 1, err) : status;
    status =
        status == VS_OK ? vs_writer_copy(&f->test.env, writer, file, 1, 98, NULL, err) : status;
    if (status == VS_OK) {
        CHECK_OK(vs_writer_write(writer, ">", 1, err), *err);
        status = vs_writer_finish(writer, VS_PUT_ANY, err);
    } else if (status != VS_NO_MEMORY) {
        CHECK_STATUS(vs_writer_finish(writer, VS_PUT_ANY, NULL), VS_INTERNAL);
    }
    faults.copy_fail_at = -1;
    vs_writer_free(writer);
    vs_file_close(file);
    return status;
}

// What the kernel cannot copy is read and written; a disk that is full or broken ends it.
static void case_copies_that_stop(void)
{
    static const int refusals[] = {0, EXDEV, EINVAL, ENOSYS, EOPNOTSUPP};
    static const int failures[] = {EIO, ENOSPC, EDQUOT};
    struct fixture f;
    struct vs_error err;
    char text[101], expected[101];
    fixture_init(&f);
    for (size_t i = 0; i < 100; i++) {
        text[i] = (char)('A' + i % 26);
    }
    memcpy(expected, text, 100);
    expected[0] = '<';
    expected[99] = '>';
    CHECK_OK(vs_store_put(f.store, "from", (struct vs_str){text, 100}, VS_PUT_ANY, &err), err);
    for (size_t i = 0; i < 15; i++) { // five refusals, three ways
        struct vs_buf buf;
        vs_buf_init(&buf, &f.test.env, 1000);
        CHECK_OK(copy_with(&f, (int)(i % 3), refusals[i / 3], &err), err);
        CHECK_OK(vs_store_get(f.store, "a/to", &buf, &err), err);
        CHECK(buf.len == 100 && memcmp(buf.data, expected, 100) == 0);
        vs_buf_clear(&buf);
    }
    CHECK_OK(vs_store_remove(f.store, "a/to", &err), err);
    for (size_t i = 0; i < 6; i++) { // three failures, two ways
        bool exists = true;
        enum vs_status status = copy_with(&f, (int)(i % 2), failures[i / 2], &err);
        CHECK(status == VS_LIMIT || status == VS_UNAVAILABLE);
        CHECK_OK(vs_store_exists(f.store, "a/to", &exists, &err), err);
        CHECK(!exists);
    }
    fixture_clear(&f);
}

static void case_link_that_lies(void)
{
    static const struct {
        int cause;
        bool works;
        bool occupied;
        enum vs_status expected;
    } rows[] = {
        {EEXIST, true, false, VS_OK},
        {EIO, true, false, VS_OK},
        {EIO, false, false, VS_UNAVAILABLE},
        {EEXIST, false, true, VS_EXISTS},
        {EIO, false, true, VS_UNAVAILABLE},
        {EPERM, false, false, VS_OK}, // exclusive rename instead
        {EPERM, false, true, VS_EXISTS},
        {EEXIST, false, false, VS_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct fixture f;
        struct vs_error err;
        bool exists = false;
        fixture_init(&f);
        if (rows[i].occupied) {
            CHECK_OK(vs_store_put(f.store, "a/x", VS_STR("first"), VS_PUT_ANY, &err), err);
        }
        faults.link_errno = rows[i].cause;
        faults.link_works = rows[i].works;
        CHECK_STATUS(put_by(f.store, false, VS_PUT_IF_ABSENT, &err), rows[i].expected);
        CHECK_OK(vs_store_exists(f.store, "a/x", &exists, &err), err);
        CHECK_INT(exists, rows[i].occupied || rows[i].expected == VS_OK);
        CHECK_INT(count_names(&f, "a"), exists);
        fixture_clear(&f);
    }
}

static enum vs_status count_object(void *ctx,
                                   const struct vs_object_info *object,
                                   struct vs_error *err)
{
    (void)object;
    (void)err;
    ++*(int *)ctx;
    return VS_OK;
}

static void case_links_and_leftovers(void)
{
    static struct fixture f;
    struct vs_error err;
    struct vs_buf buf;
    char path[600];
    int count = 0;
    fixture_init(&f);
    vs_buf_init(&buf, &f.test.env, 1000);
    CHECK_OK(vs_store_put(f.store, "a/x", VS_STR("1"), VS_PUT_ANY, &err), err);
    (void)snprintf(path, sizeof path, "%s/a/out", f.dir);
    REQUIRE(symlink("/etc", path) == 0);
    (void)snprintf(path, sizeof path, "%s/a/file", f.dir);
    REQUIRE(symlink("/etc/hostname", path) == 0);
    (void)snprintf(path, sizeof path, "%s/a/inside", f.dir);
    REQUIRE(symlink("x", path) == 0);
    (void)snprintf(path, sizeof path, "%s/a/.vs-staged-0011223344556677", f.dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    (void)close(fd);
    (void)snprintf(path, sizeof path, "%s/a/fifo", f.dir);
    REQUIRE(mkfifo(path, 0600) == 0);
    CHECK_STATUS(vs_store_get(f.store, "a/out/hostname", &buf, &err), VS_DENIED);
    CHECK(strstr(err.message, "symbolic link") != NULL);
    CHECK_STATUS(vs_store_get(f.store, "a/file", &buf, &err), VS_DENIED);
    CHECK_STATUS(vs_store_get(f.store, "a/inside", &buf, &err), VS_DENIED);
    CHECK_STATUS(vs_store_get(f.store, "a/fifo", &buf, &err), VS_NOT_FOUND);
    CHECK_STATUS(vs_store_get(f.store, "a/x/y", &buf, &err), VS_NOT_FOUND);
    CHECK_STATUS(vs_store_put(f.store, "a/out/new", VS_STR("1"), VS_PUT_ANY, &err), VS_DENIED);
    CHECK_STATUS(vs_store_remove(f.store, "a/out/hostname", &err), VS_DENIED);
    CHECK_STATUS(vs_store_put(f.store, "a/inside", VS_STR("1"), VS_PUT_IF_ABSENT, &err), VS_EXISTS);
    CHECK_OK(vs_store_list(f.store, "", count_object, &count, &err), err);
    CHECK_INT(count, 1);
    CHECK_STATUS(vs_store_list(f.store, "a/out/", count_object, &count, &err), VS_DENIED);
    CHECK(vs_store_put(f.store, "a/x/y", VS_STR("1"), VS_PUT_ANY, &err) != VS_OK);
    CHECK_STATUS(vs_store_put(f.store, "a", VS_STR("1"), VS_PUT_ANY, &err), VS_INVALID);
    CHECK_STATUS(vs_store_put(f.store, "a", VS_STR("1"), VS_PUT_IF_ABSENT, &err), VS_EXISTS);
    vs_buf_clear(&buf);
    fixture_clear(&f);
}

static void case_file_cut_while_open(void)
{
    static struct fixture f;
    struct vs_error err;
    struct vs_file *file = NULL;
    char path[600];
    char out[16];
    fixture_init(&f);
    CHECK_OK(vs_store_put(f.store, "x", VS_STR("0123456789"), VS_PUT_ANY, &err), err);
    REQUIRE_OK(vs_file_open(f.store, "x", &file, &err), err);
    (void)snprintf(path, sizeof path, "%s/x", f.dir);
    REQUIRE(truncate(path, 4) == 0);
    CHECK_STATUS(vs_file_read(file, 0, 10, out, &err), VS_CORRUPT);
    CHECK(strstr(err.message, "ends at byte 4") != NULL);
    vs_file_close(file);
    fixture_clear(&f);
}

static void case_names_too_long(void)
{
    static struct fixture f;
    struct vs_error err;
    char key[400];
    fixture_init(&f);
    memset(key, 'n', 300);
    memcpy(key + 300, "/x", 3);
    CHECK_STATUS(vs_store_put(f.store, key, VS_STR("1"), VS_PUT_ANY, &err), VS_INVALID);
    key[300] = '\0';
    CHECK_STATUS(vs_store_put(f.store, key, VS_STR("1"), VS_PUT_ANY, &err), VS_INVALID);
    CHECK_INT(count_names(&f, ""), 0);
    fixture_clear(&f);
}

TEST_MAIN(TEST(case_failed_syncs),
          TEST(case_syncs_of_known_directories_are_spared),
          TEST(case_full_disk),
          TEST(case_writer_after_a_failed_write),
          TEST(case_short_and_interrupted_calls),
          TEST(case_copies_that_stop),
          TEST(case_link_that_lies),
          TEST(case_links_and_leftovers),
          TEST(case_file_cut_while_open),
          TEST(case_names_too_long))
