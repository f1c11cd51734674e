// SPDX-License-Identifier: Apache-2.0
// The cache directory: what comes out of it is what the object holds, whatever happens to it.
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/object/chunk_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE ((size_t)5 * 1024 * 1024 + 12345)

// The object: counts what is asked of it.
struct source {
    struct vs_file base;
    const uint8_t *bytes;
    uint64_t reads, read_bytes;
    uint64_t wrong; // so many reads deliver a wrong first byte
    bool broken;
    bool *closed;
};

static enum vs_status source_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    struct source *source = (struct source *)file;
    if (source->broken) {
        return vs_fail(err, VS_UNAVAILABLE, "%s: away (test)", file->name);
    }
    source->reads++;
    source->read_bytes += len;
    memcpy(dst, source->bytes + offset, len);
    if (source->wrong > 0) {
        source->wrong--;
        *(uint8_t *)dst ^= 1;
    }
    return VS_OK;
}

static void source_close(struct vs_file *file)
{
    bool *closed = ((struct source *)file)->closed;
    if (closed != NULL) {
        *closed = true;
    }
}

static const struct vs_file_vtable source_vtable = {.read = source_read, .close = source_close};

struct rig {
    struct test_env test;
    char dir[256];
    uint8_t *bytes, *out;
    struct source source;
    struct vs_chunk_cache *cache;
    struct vs_file *file;
};

static void fill(uint8_t *bytes, uint64_t seed)
{
    for (size_t i = 0; i < SIZE; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        bytes[i] = (uint8_t)(seed >> 56);
    }
}

static bool open_rig(struct rig *rig, uint64_t limit)
{
    struct vs_error err;
    rig->source = (struct source){.base = {&source_vtable, SIZE, "object"}, .bytes = rig->bytes};
    bool ok = vs_chunk_cache_open(&rig->test.env, rig->dir, limit, &rig->cache, &err) == VS_OK &&
              vs_chunk_cache_wrap(rig->cache, &rig->source.base, VS_STR("mem://x/object"),
                                  &rig->file, &err) == VS_OK;
    if (!ok) {
        fprintf(stderr, "%s\n", err.message);
    }
    return ok;
}

static void close_rig(struct rig *rig)
{
    vs_file_close(rig->file);
    vs_chunk_cache_close(rig->cache);
    rig->file = NULL;
    rig->cache = NULL;
}

static bool begin(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    test_env_init(&rig->test);
    test_dir_make(rig->dir, sizeof rig->dir);
    chmod(rig->dir, 0700);
    rig->bytes = malloc(SIZE);
    rig->out = malloc(SIZE);
    fill(rig->bytes, 1);
    return true;
}

static void end(struct rig *rig)
{
    test_dir_remove(rig->dir);
    free(rig->bytes);
    free(rig->out);
    CHECK_INT(rig->test.live, 0);
}

static bool reads_right(struct rig *rig, uint64_t offset, size_t len)
{
    memset(rig->out, 0xa5, len);
    return vs_file_read(rig->file, offset, len, rig->out, NULL) == VS_OK &&
           memcmp(rig->out, rig->bytes + offset, len) == 0;
}

// Calls visit for each chunk file; returns how many there are.
static size_t each_chunk(const char *dir, void (*visit)(const char *path, void *ctx), void *ctx)
{
    char folder[300], path[700];
    size_t count = 0;
    for (unsigned f = 0; f < 256; f++) {
        snprintf(folder, sizeof folder, "%s/chunks-v1/%02x", dir, f);
        DIR *list = opendir(folder);
        for (struct dirent *entry = list != NULL ? readdir(list) : NULL; entry != NULL;
             entry = readdir(list)) {
            if (entry->d_name[0] != '.') {
                snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
                count++;
                if (visit != NULL) {
                    visit(path, ctx);
                }
            }
        }
        if (list != NULL) {
            closedir(list);
        }
    }
    return count;
}

// ---- cases ----

static void what_was_read_is_not_read_again(void)
{
    struct rig rig;
    REQUIRE(begin(&rig));
    REQUIRE(open_rig(&rig, 0));
    CHECK(reads_right(&rig, 0, SIZE));
    CHECK_INT(rig.source.read_bytes, SIZE);
    CHECK_INT(each_chunk(rig.dir, NULL, NULL), 6);
    close_rig(&rig);
    REQUIRE(open_rig(&rig, 0)); // another process, say
    rig.source.broken = true;
    uint64_t state = 7;
    for (int i = 0; i < 400; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        uint64_t offset = (state >> 33) % SIZE;
        state = state * 6364136223846793005U + 1442695040888963407U;
        size_t len = (size_t)((state >> 33) % (i % 4 == 0 ? SIZE : 40000)) + 1;
        len = offset + len > SIZE ? SIZE - (size_t)offset : len;
        CHECK(reads_right(&rig, offset, len));
    }
    CHECK(reads_right(&rig, SIZE - 1, 1) && reads_right(&rig, 16384, 16384) &&
          reads_right(&rig, 1 << 20, 1 << 20));
    CHECK_INT(rig.source.reads, 0);
    CHECK_INT(vs_chunk_cache_count(rig.cache).misses, 0);
    close_rig(&rig);
    end(&rig);
}

static void small_reads_bring_a_chunk_the_second_time(void)
{
    struct rig rig;
    REQUIRE(begin(&rig));
    REQUIRE(open_rig(&rig, 0));
    CHECK(reads_right(&rig, 100, 1000));
    CHECK_INT(rig.source.read_bytes, 1000);
    CHECK_INT(each_chunk(rig.dir, NULL, NULL), 0);
    CHECK(reads_right(&rig, 5000, 1000));
    CHECK_INT(rig.source.read_bytes, 1000 + (1 << 20));
    CHECK(reads_right(&rig, 100, 1000) && reads_right(&rig, 700000, 99999));
    CHECK_INT(rig.source.read_bytes, 1000 + (1 << 20));
    CHECK(reads_right(&rig, 2 << 20, (1 << 20) - 9)); // most of one: all of it
    CHECK(reads_right(&rig, (3 << 20) - 9, 9));
    CHECK_INT(rig.source.read_bytes, 1000 + (2 << 20));
    const struct vs_range many[] = {{0, 10, rig.out}, {SIZE - 3, 3, rig.out + 10}, {7, 0, NULL}};
    REQUIRE(vs_file_read_many(rig.file, many, 3, NULL) == VS_OK);
    CHECK(memcmp(rig.out, rig.bytes, 10) == 0 &&
          memcmp(rig.out + 10, rig.bytes + SIZE - 3, 3) == 0);
    CHECK_INT(vs_file_read(rig.file, SIZE - 2, 3, rig.out, NULL), VS_CORRUPT);
    close_rig(&rig);
    end(&rig);
}

struct damage {
    size_t at;
    bool cut, other;
};

static void damage_chunk(const char *path, void *ctx)
{
    const struct damage *damage = ctx;
    struct stat facts;
    REQUIRE(stat(path, &facts) == 0);
    if (damage->cut) {
        CHECK(truncate(path, (off_t)((size_t)facts.st_size * damage->at / 8)) == 0);
        return;
    }
    int fd = open(path, O_RDWR);
    uint8_t byte = 0;
    off_t at = (off_t)(damage->at % (size_t)facts.st_size);
    CHECK(pread(fd, &byte, 1, at) == 1);
    byte ^= 1;
    CHECK(pwrite(fd, &byte, 1, at) == 1);
    close(fd);
}

static void damage_is_a_miss(void)
{
    struct rig rig;
    static const struct damage damages[] = {
        {0, false, false},   {45, false, false},  {60, false, false},    {319, false, false},
        {511, false, false}, {512, false, false}, {70001, false, false}, {0, true, false},
        {1, true, false},    {7, true, false}};
    REQUIRE(begin(&rig));
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct damage damage = damages[i];
        REQUIRE(open_rig(&rig, 0));
        CHECK(reads_right(&rig, 0, SIZE));
        CHECK_INT(each_chunk(rig.dir, damage_chunk, &damage), 6);
        rig.source.reads = 0;
        CHECK(reads_right(&rig, 0, SIZE));
        CHECK_INT(vs_chunk_cache_count(rig.cache).damaged, rig.source.reads);
        CHECK_INT(rig.source.reads, 6);
        rig.source.reads = 0;
        CHECK(reads_right(&rig, 0, SIZE)); // mended
        CHECK_INT(rig.source.reads, 0);
        close_rig(&rig);
    }
    end(&rig);
}

// The object gives wrong bytes once: they stay until their reader says so.
static void what_its_reader_finds_wrong_is_forgotten(void)
{
    struct rig rig;
    bool right = true;
    const uint64_t start = 2 << 20;
    REQUIRE(begin(&rig));
    REQUIRE(open_rig(&rig, 0));
    const struct vs_range range = {start + 100, 5000, rig.out};
    const uint32_t crc = vs_crc32c(0, rig.bytes + range.offset, range.len);
    rig.source.wrong = 1;
    CHECK(!reads_right(&rig, start, 1 << 20));
    CHECK(!reads_right(&rig, start, 1 << 20));
    CHECK(vs_file_forget(rig.file, start + 5, 10));
    CHECK(vs_file_forget(rig.file, start + 5, 10)); // not there any more
    CHECK(vs_file_forget(rig.file, 0, 10));         // nor was this
    CHECK(!vs_file_forget(rig.file, SIZE, 1) && !vs_file_forget(rig.file, 0, 0));
    CHECK(reads_right(&rig, start, 1 << 20));
    CHECK_INT(vs_chunk_cache_count(rig.cache).forgotten, 1);
    // Right bytes for who expects others: the copy, then the object, and the answer is no.
    rig.source.reads = 0;
    CHECK_OK(vs_file_read_again(rig.file, &range, crc + 1, &right, NULL), (struct vs_error){0});
    CHECK(!right);
    CHECK_INT(rig.source.reads, 1);
    CHECK_OK(vs_file_read_again(rig.file, &range, crc, &right, NULL), (struct vs_error){0});
    CHECK(right && memcmp(rig.out, rig.bytes + range.offset, range.len) == 0);
    CHECK(!vs_file_forget(&rig.source.base, 0, 10)); // a file without copies
    CHECK_OK(vs_file_read_again(&rig.source.base, &range, crc, &right, NULL), (struct vs_error){0});
    CHECK(!right);
    close_rig(&rig);
    end(&rig);
}

// Another process holds the right to remove: what is stored meanwhile does not look again each
// time.
static void the_directory_is_counted_now_and_then(void)
{
    struct rig rig;
    struct vs_error err;
    char path[400];
    const size_t size = 16384, count = 300;
    REQUIRE(begin(&rig));
    REQUIRE(open_rig(&rig, (uint64_t)1 << 20));
    snprintf(path, sizeof path, "%s/chunks-v1/lock", rig.dir);
    int lock = open(path, O_RDWR | O_CREAT, 0600);
    REQUIRE(lock >= 0 && flock(lock, LOCK_EX) == 0);
    for (size_t i = 0; i < count; i++) {
        char name[40];
        snprintf(name, sizeof name, "mem://x/%zu", i);
        struct source small = {.base = {&source_vtable, size, "small"}, .bytes = rig.bytes};
        struct vs_file *file = NULL;
        REQUIRE_OK(vs_chunk_cache_wrap(rig.cache, &small.base, vs_str_from_c(name), &file, &err),
                   err);
        REQUIRE_OK(vs_file_read(file, 0, size, rig.out, &err), err);
        vs_file_close(file);
        if (i == count - 10) {
            CHECK(vs_chunk_cache_count(rig.cache).counted <= count / 3);
            CHECK_INT(vs_chunk_cache_count(rig.cache).evicted, 0);
            close(lock);
        }
    }
    CHECK(vs_chunk_cache_count(rig.cache).evicted > count - 80);
    CHECK(each_chunk(rig.dir, NULL, NULL) <= (((size_t)1 << 20) + ((size_t)1 << 16)) / size);
    close_rig(&rig);
    end(&rig);
}

// Chunks of one object under the names of another, and objects that share a name but not a size.
static void a_foreign_chunk_is_a_miss(void)
{
    struct rig rig;
    REQUIRE(begin(&rig));
    REQUIRE(open_rig(&rig, 0));
    CHECK(reads_right(&rig, 0, SIZE));
    struct source other = {.base = {&source_vtable, SIZE, "other"}, .bytes = NULL};
    uint8_t *bytes = malloc(SIZE);
    fill(bytes, 2);
    other.bytes = bytes;
    struct vs_file *file = NULL;
    struct vs_error err;
    REQUIRE_OK(vs_chunk_cache_wrap(rig.cache, &other.base, VS_STR("mem://x/other"), &file, &err),
               err);
    REQUIRE_OK(vs_file_read(file, 0, SIZE, rig.out, &err), err);
    CHECK(memcmp(rig.out, bytes, SIZE) == 0);
    vs_file_close(file);
    struct source shorter = {.base = {&source_vtable, SIZE - 100, "object"}, .bytes = bytes};
    REQUIRE_OK(vs_chunk_cache_wrap(rig.cache, &shorter.base, VS_STR("mem://x/object"), &file, &err),
               err);
    REQUIRE_OK(vs_file_read(file, 5 << 20, 100, rig.out, &err), err); // its last chunk differs
    CHECK(memcmp(rig.out, bytes + (5 << 20), 100) == 0);
    vs_file_close(file);
    free(bytes);
    close_rig(&rig);
    end(&rig);
}

static void make_old(const char *path, void *ctx)
{
    const struct timespec *times = ctx;
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static void the_oldest_go_first(void)
{
    struct rig rig;
    struct vs_error err;
    REQUIRE(begin(&rig));
    REQUIRE(open_rig(&rig, (uint64_t)8 << 20));
    CHECK(reads_right(&rig, 0, SIZE));
    struct timespec old[2] = {{.tv_sec = time(NULL) - 5000}, {.tv_sec = time(NULL) - 5000}};
    CHECK_INT(each_chunk(rig.dir, make_old, old), 6);
    CHECK(reads_right(&rig, 3 << 20, 5)); // used now: it stays
    struct source other = {.base = {&source_vtable, SIZE, "other"}, .bytes = rig.bytes};
    struct vs_file *file = NULL;
    REQUIRE_OK(vs_chunk_cache_wrap(rig.cache, &other.base, VS_STR("mem://x/other"), &file, &err),
               err);
    REQUIRE_OK(vs_file_read(file, 0, SIZE, rig.out, &err), err);
    rig.source.reads = other.reads = 0;
    CHECK(vs_chunk_cache_count(rig.cache).evicted >= 3);
    CHECK(each_chunk(rig.dir, NULL, NULL) <= 8);
    REQUIRE_OK(vs_file_read(file, 0, SIZE, rig.out, &err), err);
    CHECK_INT(other.reads, 0);
    CHECK(reads_right(&rig, 3 << 20, 5));
    CHECK_INT(rig.source.reads, 0);
    vs_file_close(file);
    close_rig(&rig);
    end(&rig);
}

static void two_processes_share_it(void)
{
    struct rig rig;
    REQUIRE(begin(&rig));
    pid_t children[3];
    for (int c = 0; c < 3; c++) {
        children[c] = fork();
        if (children[c] == 0) { // small limit: they remove each other's chunks, too
            bool right = open_rig(&rig, (uint64_t)4 << 20);
            uint64_t state = (uint64_t)c + 11;
            for (int i = 0; i < 150 && right; i++) {
                state = state * 6364136223846793005U + 1442695040888963407U;
                uint64_t offset = (state >> 33) % (SIZE - 600000);
                right = reads_right(&rig, offset, i % 3 == 0 ? 600000 : 3000);
            }
            right = right && vs_chunk_cache_count(rig.cache).damaged == 0;
            _exit(right ? 0 : 1);
        }
        CHECK(children[c] > 0);
    }
    for (int c = 0; c < 3; c++) {
        int status = 0;
        CHECK(waitpid(children[c], &status, 0) == children[c]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    REQUIRE(open_rig(&rig, (uint64_t)4 << 20));
    CHECK(reads_right(&rig, 0, SIZE));
    close_rig(&rig);
    end(&rig);
}

// A full disk (here: no file may grow) stores nothing and fails nothing.
static void a_full_disk_is_no_failure(void)
{
    struct rig rig;
    REQUIRE(begin(&rig));
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {300000, 300000};
        signal(SIGXFSZ, SIG_IGN);
        bool right = setrlimit(RLIMIT_FSIZE, &limit) == 0 && open_rig(&rig, 0) &&
                     reads_right(&rig, 0, SIZE) && reads_right(&rig, 0, SIZE) &&
                     vs_chunk_cache_count(rig.cache).failed_stores > 5;
        _exit(right ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_INT(each_chunk(rig.dir, NULL, NULL),
              1); // the last chunk is short enough; nothing is half there
    end(&rig);
}

static void an_untrusted_directory_is_refused(void)
{
    struct rig rig;
    struct vs_error err;
    REQUIRE(begin(&rig));
    chmod(rig.dir, 0777);
    CHECK_STATUS(vs_chunk_cache_open(&rig.test.env, rig.dir, 0, &rig.cache, &err), VS_DENIED);
    chmod(rig.dir, 0700);
    char path[300];
    snprintf(path, sizeof path, "%s/a/b", rig.dir);
    CHECK_STATUS(vs_chunk_cache_open(&rig.test.env, path, 0, &rig.cache, &err), VS_NOT_FOUND);
    // The folder taken away while it is in use: reads go on.
    REQUIRE(open_rig(&rig, 0));
    CHECK(reads_right(&rig, 0, SIZE));
    test_dir_remove(rig.dir);
    CHECK(reads_right(&rig, 0, SIZE));
    CHECK(vs_chunk_cache_count(rig.cache).failed_stores > 0);
    close_rig(&rig);
    end(&rig);
}

static void memory_runs_out(void)
{
    struct rig rig;
    REQUIRE(begin(&rig));
    for (long n = 0; n < 100; n++) {
        struct vs_error err;
        bool closed = false;
        struct source source = {
            .base = {&source_vtable, SIZE, "object"}, .bytes = rig.bytes, .closed = &closed};
        struct vs_chunk_cache *cache = NULL;
        struct vs_file *file = NULL;
        rig.test.calls = 0;
        rig.test.failed = false;
        rig.test.fail_at = n;
        enum vs_status status = vs_chunk_cache_open(&rig.test.env, rig.dir, 0, &cache, &err);
        if (status == VS_OK) {
            status = vs_chunk_cache_wrap(cache, &source.base, VS_STR("mem://x/o"), &file, &err);
        }
        if (status == VS_OK) {
            status = vs_file_read(file, 70, 2 << 20, rig.out, &err);
            CHECK(status != VS_OK || memcmp(rig.out, rig.bytes + 70, 2 << 20) == 0);
        }
        CHECK(status == VS_OK || status == VS_NO_MEMORY);
        bool failed = rig.test.failed;
        rig.test.fail_at = -1;
        CHECK(closed == false);
        vs_file_close(file);
        CHECK(closed == (file != NULL));
        vs_chunk_cache_close(cache);
        CHECK_INT(rig.test.live, 0);
        if (!failed) {
            break;
        }
        test_dir_remove(rig.dir);
        CHECK(mkdir(rig.dir, 0700) == 0);
    }
    end(&rig);
}

TEST_MAIN(TEST(what_was_read_is_not_read_again),
          TEST(small_reads_bring_a_chunk_the_second_time),
          TEST(damage_is_a_miss),
          TEST(what_its_reader_finds_wrong_is_forgotten),
          TEST(the_directory_is_counted_now_and_then),
          TEST(a_foreign_chunk_is_a_miss),
          TEST(the_oldest_go_first),
          TEST(two_processes_share_it),
          TEST(a_full_disk_is_no_failure),
          TEST(an_untrusted_directory_is_refused),
          TEST(memory_runs_out))
