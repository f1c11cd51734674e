// SPDX-License-Identifier: Apache-2.0
/*
 * The promises of vecstore/object/store.h, asked of every implementation: memory, file system, a
 * hook around memory, and S3 with the server of tests/support/mock_s3.h. With
 * VECSTORE_TEST_S3_ENDPOINT (and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * VECSTORE_TEST_S3_BUCKET, "vecstore-test" without it) a real server is asked too.
 */
#include "tests/support/check.h"
#include "tests/support/mock_s3.h"
#include "tests/support/test_env.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/uuid.h"
#include "vecstore/object/store.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS 8

static enum vs_status allow(void *ctx, const char *op, const char *key, struct vs_error *err)
{
    (void)err;
    CHECK(op[0] != '\0' && key != NULL);
    atomic_fetch_add((atomic_long *)ctx, 1);
    return VS_OK;
}

struct fixture {
    struct test_env test;
    struct vs_store *store;
    char dir[256];
    atomic_long hook_calls;
    struct mock_s3 *mock;
    bool s3; // reads cost requests only where nothing is at hand
};

static const char *const kinds[] = {"mem", "dir", "hook", "s3", "live"};
#define KINDS (sizeof kinds / sizeof kinds[0])

static bool has_kind(size_t kind)
{
    return strcmp(kinds[kind], "live") != 0 || getenv("VECSTORE_TEST_S3_ENDPOINT") != NULL;
}

static enum vs_status open_mock(struct fixture *f, struct vs_error *err)
{
    const struct vs_pair pairs[] = {
        {VS_STR("s3.endpoint"), vs_str_from_c(mock_s3_endpoint(f->mock))},
        {VS_STR("s3.access-key-id"), VS_STR(MOCK_S3_ACCESS_KEY)},
        {VS_STR("s3.secret-access-key"), VS_STR(MOCK_S3_SECRET_KEY)},
        {VS_STR("client.region"), VS_STR("us-east-1")},
    };
    struct vs_settings settings = {pairs, sizeof pairs / sizeof pairs[0]};
    return vs_store_open_with(&f->test.env, "s3://bucket/ware house", &settings, false, &f->store,
                              err);
}

// A prefix of its own for every case.
static enum vs_status open_live(struct fixture *f, struct vs_error *err)
{
    const char *bucket = getenv("VECSTORE_TEST_S3_BUCKET");
    const struct vs_pair pairs[] = {
        {VS_STR("s3.endpoint"), vs_str_from_c(getenv("VECSTORE_TEST_S3_ENDPOINT"))}};
    struct vs_settings settings = {pairs, 1};
    char id[VS_UUID_TEXT_SIZE];
    char uri[200];
    vs_uuid_format(vs_uuid_new_v4(vs_env_default()), id);
    (void)snprintf(uri, sizeof uri, "s3://%s/%s", bucket != NULL ? bucket : "vecstore-test", id);
    return vs_store_open_with(&f->test.env, uri, &settings, false, &f->store, err);
}

static enum vs_status fixture_open(struct fixture *f, size_t kind, struct vs_error *err)
{
    struct vs_store *inner = NULL;
    if (f->s3) {
        return f->mock != NULL ? open_mock(f, err) : open_live(f, err);
    }
    if (strcmp(kinds[kind], "dir") == 0) {
        return vs_store_open(&f->test.env, f->dir, false, &f->store, err);
    }
    VS_TRY(vs_store_open_mem(&f->test.env, "conform", &inner, err));
    if (strcmp(kinds[kind], "mem") == 0) {
        f->store = inner;
        return VS_OK;
    }
    enum vs_status status = vs_store_wrap_hook(inner, allow, &f->hook_calls, &f->store, err);
    if (status != VS_OK) {
        vs_store_free(inner);
    }
    return status;
}

static void fixture_init(struct fixture *f, size_t kind)
{
    memset(f, 0, sizeof *f);
    test_env_init(&f->test);
    if (strcmp(kinds[kind], "dir") == 0) {
        test_dir_make(f->dir, sizeof f->dir);
    }
    f->s3 = strcmp(kinds[kind], "s3") == 0 || strcmp(kinds[kind], "live") == 0;
    f->mock = strcmp(kinds[kind], "s3") == 0 ? mock_s3_start() : NULL;
}

static void fixture_clear(struct fixture *f)
{
    vs_store_free(f->store);
    f->store = NULL;
    if (f->mock != NULL) {
        mock_s3_stop(f->mock);
    }
    if (f->dir[0] != '\0') {
        test_dir_remove(f->dir);
    }
    CHECK_INT(f->test.live, 0);
}

// Runs `body` on a fresh store of each kind.
static void on_every_store(void (*body)(struct fixture *f))
{
    for (size_t kind = 0; kind < KINDS && has_kind(kind); kind++) {
        struct vs_error err;
        static struct fixture f;
        int before = check_failures;
        fixture_init(&f, kind);
        CHECK_OK(fixture_open(&f, kind, &err), err);
        if (f.store != NULL) {
            body(&f);
        }
        fixture_clear(&f);
        if (check_failures != before) {
            fprintf(stderr, "    store: %s\n", kinds[kind]);
        }
    }
}

static void check_content(struct fixture *f, const char *key, const char *expected)
{
    struct vs_error err;
    struct vs_buf buf;
    vs_buf_init(&buf, &f->test.env, 1u << 20);
    CHECK_OK(vs_store_get(f->store, key, &buf, &err), err);
    CHECK_TEXT(vs_buf_c_str(&buf), expected);
    vs_buf_clear(&buf);
}

// ---- put and get ----

static void body_put_get(struct fixture *f)
{
    struct vs_error err;
    bool exists = true;
    struct vs_buf buf;
    vs_buf_init(&buf, &f->test.env, 100);
    CHECK_OK(vs_store_exists(f->store, "ns/t/a", &exists, &err), err);
    CHECK(!exists);
    CHECK_STATUS(vs_store_get(f->store, "ns/t/a", &buf, &err), VS_NOT_FOUND);
    CHECK_OK(vs_store_put(f->store, "ns/t/a", VS_STR("one"), VS_PUT_IF_ABSENT, &err), err);
    check_content(f, "ns/t/a", "one");
    CHECK_STATUS(vs_store_put(f->store, "ns/t/a", VS_STR("two"), VS_PUT_IF_ABSENT, &err),
                 VS_EXISTS);
    check_content(f, "ns/t/a", "one");
    CHECK_OK(vs_store_put(f->store, "ns/t/a", VS_STR("three"), VS_PUT_ANY, &err), err);
    check_content(f, "ns/t/a", "three");
    CHECK_OK(vs_store_exists(f->store, "ns/t/a", &exists, &err), err);
    CHECK(exists);
    CHECK_OK(vs_store_exists(f->store, "ns/t", &exists, &err), err);
    CHECK(!exists); // a directory is no object
    CHECK_OK(vs_store_put(f->store, "empty", VS_STR(""), VS_PUT_IF_ABSENT, &err), err);
    check_content(f, "empty", "");
    CHECK_OK(vs_store_remove(f->store, "ns/t/a", &err), err);
    CHECK_OK(vs_store_remove(f->store, "ns/t/a", &err), err);
    CHECK_OK(vs_store_remove(f->store, "no/such/dir/x", NULL), err);
    CHECK_STATUS(vs_store_get(f->store, "ns/t/a", &buf, &err), VS_NOT_FOUND);
    CHECK_OK(vs_store_put(f->store, "ns/t/a", VS_STR("again"), VS_PUT_IF_ABSENT, &err), err);
    check_content(f, "ns/t/a", "again");
    vs_buf_clear(&buf);
    vs_buf_init(&buf, &f->test.env, 4);
    CHECK_STATUS(vs_store_get(f->store, "ns/t/a", &buf, &err), VS_LIMIT);
    vs_buf_clear(&buf);
}

static void case_put_get(void)
{
    on_every_store(body_put_get);
}

// ---- random reads ----

static void body_reads(struct fixture *f)
{
    struct vs_error err;
    struct vs_file *file = NULL;
    char out[8] = "";
    CHECK_OK(vs_store_put(f->store, "d/x", VS_STR("0123456789"), VS_PUT_ANY, &err), err);
    CHECK_STATUS(vs_file_open(f->store, "d/y", &file, &err), VS_NOT_FOUND);
    REQUIRE_OK(vs_file_open(f->store, "d/x", &file, &err), err);
    CHECK_INT(file->size, 10);
    CHECK_TEXT(file->name, "d/x");
    CHECK_OK(vs_file_read(file, 3, 4, out, &err), err);
    CHECK_TEXT(out, "3456");
    CHECK_OK(vs_file_read(file, 10, 0, out, &err), err);
    CHECK_STATUS(vs_file_read(file, 8, 3, out, &err), VS_CORRUPT);
    CHECK(strstr(err.message, "ends at byte 10") != NULL);
    CHECK_STATUS(vs_file_read(file, UINT64_MAX - 1, 4, out, &err), VS_CORRUPT);
    // An open file keeps its bytes when the object is replaced or removed.
    CHECK_OK(vs_store_put(f->store, "d/x", VS_STR("ABCDEFGHIJ"), VS_PUT_ANY, &err), err);
    CHECK_OK(vs_file_read(file, 0, 2, out, &err), err);
    CHECK(memcmp(out, "01", 2) == 0);
    CHECK_OK(vs_store_remove(f->store, "d/x", &err), err);
    CHECK_OK(vs_file_read(file, 9, 1, out, &err), err);
    CHECK_INT(out[0], '9');
    vs_file_close(file);
}

static void case_reads(void)
{
    on_every_store(body_reads);
}

// ---- writers ----

static enum vs_status count_object(void *ctx,
                                   const struct vs_object_info *object,
                                   struct vs_error *err)
{
    (void)object;
    (void)err;
    ++*(int *)ctx;
    return VS_OK;
}

static int count_objects(struct fixture *f)
{
    struct vs_error err;
    int count = 0;
    CHECK_OK(vs_store_list(f->store, "", count_object, &count, &err), err);
    return count;
}

static void body_writers(struct fixture *f)
{
    static uint8_t chunk[300000];
    static uint8_t back[300000];
    struct vs_error err;
    struct vs_writer *writer = NULL;
    struct vs_file *file = NULL;
    bool exists = true;
    for (size_t i = 0; i < sizeof chunk; i++) {
        chunk[i] = (uint8_t)(i * 31 >> 3);
    }
    REQUIRE_OK(vs_writer_open(f->store, "a/b/big", &writer, &err), err);
    static const size_t sizes[] = {1, 300000, 7, 0, 300000, 299999, 300000, 300000, 100};
    uint64_t total = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CHECK_OK(vs_writer_write(writer, chunk, sizes[i], &err), err);
        total += sizes[i];
    }
    CHECK_INT(writer->written, total);
    CHECK_OK(vs_store_exists(f->store, "a/b/big", &exists, &err), err);
    CHECK(!exists);
    CHECK_INT(count_objects(f), 0);
    CHECK_OK(vs_writer_finish(writer, VS_PUT_IF_ABSENT, &err), err);
    CHECK_STATUS(vs_writer_finish(writer, VS_PUT_IF_ABSENT, &err), VS_INTERNAL);
    CHECK_STATUS(vs_writer_write(writer, "x", 1, &err), VS_INTERNAL);
    vs_writer_free(writer);
    REQUIRE_OK(vs_file_open(f->store, "a/b/big", &file, &err), err);
    CHECK_INT(file->size, total);
    uint64_t offset = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CHECK_OK(vs_file_read(file, offset, sizes[i], back, &err), err);
        CHECK(memcmp(back, chunk, sizes[i]) == 0);
        offset += sizes[i];
    }
    vs_file_close(file);
    REQUIRE_OK(vs_writer_open(f->store, "a/b/big", &writer, &err), err);
    CHECK_OK(vs_writer_write(writer, "loser", 5, &err), err);
    CHECK_STATUS(vs_writer_finish(writer, VS_PUT_IF_ABSENT, &err), VS_EXISTS);
    vs_writer_free(writer);
    REQUIRE_OK(vs_writer_open(f->store, "a/b/big", &writer, &err), err);
    CHECK_OK(vs_writer_write(writer, "winner", 6, &err), err);
    CHECK_OK(vs_writer_finish(writer, VS_PUT_ANY, &err), err);
    vs_writer_free(writer);
    check_content(f, "a/b/big", "winner");
    REQUIRE_OK(vs_writer_open(f->store, "a/b/nothing", &writer, &err), err);
    CHECK_OK(vs_writer_finish(writer, VS_PUT_ANY, &err), err);
    vs_writer_free(writer);
    check_content(f, "a/b/nothing", "");
    CHECK_INT(count_objects(f), 2);
}

static void case_writers(void)
{
    on_every_store(body_writers);
}

static void body_abandoned(struct fixture *f)
{
    static uint8_t chunk[3000000];
    struct vs_error err;
    struct vs_writer *writer = NULL;
    REQUIRE_OK(vs_writer_open(f->store, "x/left", &writer, &err), err);
    CHECK_OK(vs_writer_write(writer, chunk, sizeof chunk, &err), err);
    vs_writer_free(writer);
    CHECK_INT(count_objects(f), 0);
    CHECK_OK(vs_store_put(f->store, "x/left", VS_STR("free"), VS_PUT_IF_ABSENT, &err), err);
    CHECK_INT(count_objects(f), 1);
}

static void case_abandoned_writers_leave_nothing(void)
{
    on_every_store(body_abandoned);
}

// ---- races ----

struct racer {
    struct vs_store *store;
    int number;
    bool stream;
    pthread_barrier_t *barrier;
    enum vs_status status;
};

static enum vs_status race_once(const struct racer *racer, struct vs_str text)
{
    struct vs_writer *writer = NULL;
    if (!racer->stream) {
        return vs_store_put(racer->store, "race/x", text, VS_PUT_IF_ABSENT, NULL);
    }
    VS_TRY(vs_writer_open(racer->store, "race/x", &writer, NULL));
    enum vs_status status = vs_writer_write(writer, text.ptr, text.len, NULL);
    if (status == VS_OK) {
        status = vs_writer_finish(writer, VS_PUT_IF_ABSENT, NULL);
    }
    vs_writer_free(writer);
    return status;
}

static void *run_racer(void *arg)
{
    struct racer *racer = (struct racer *)arg;
    char text[32];
    int len = snprintf(text, sizeof text, "racer %d", racer->number);
    (void)pthread_barrier_wait(racer->barrier);
    racer->status = race_once(racer, (struct vs_str){text, (size_t)len});
    return NULL;
}

static void body_race(struct fixture *f)
{
    for (int round = 0; round < 20; round++) {
        pthread_barrier_t barrier;
        pthread_t threads[THREADS];
        struct racer racers[THREADS];
        struct vs_error err;
        int winner = -1;
        CHECK_INT(pthread_barrier_init(&barrier, NULL, THREADS), 0);
        for (int i = 0; i < THREADS; i++) {
            racers[i] = (struct racer){f->store, i, (round + i) % 2 == 1, &barrier, VS_INTERNAL};
            REQUIRE(pthread_create(&threads[i], NULL, run_racer, &racers[i]) == 0);
        }
        for (int i = 0; i < THREADS; i++) {
            (void)pthread_join(threads[i], NULL);
            CHECK(racers[i].status == VS_OK || racers[i].status == VS_EXISTS);
            CHECK(racers[i].status != VS_OK || winner < 0); // at most one
            winner = racers[i].status == VS_OK ? i : winner;
        }
        (void)pthread_barrier_destroy(&barrier);
        REQUIRE(winner >= 0);
        char expected[32];
        (void)snprintf(expected, sizeof expected, "racer %d", winner);
        check_content(f, "race/x", expected);
        CHECK_INT(count_objects(f), 1);
        CHECK_OK(vs_store_remove(f->store, "race/x", &err), err);
    }
}

static void case_one_of_many_wins(void)
{
    on_every_store(body_race);
}

// ---- lists ----

struct seen {
    char text[2048];
    size_t sizes;
    int stop_after; // 0: never
};

static enum vs_status see(void *ctx, const struct vs_object_info *object, struct vs_error *err)
{
    struct seen *seen = (struct seen *)ctx;
    size_t len = strlen(seen->text);
    (void)snprintf(seen->text + len, sizeof seen->text - len, "%.*s;", VS_STR_ARG(object->key));
    seen->sizes += object->size;
    CHECK(object->modified_ms > INT64_C(1600000000000));
    if (seen->stop_after > 0 && --seen->stop_after == 0) {
        return vs_fail(err, VS_CANCELLED, "seen enough");
    }
    return VS_OK;
}

static void check_list(struct fixture *f, const char *prefix, const char *expected)
{
    struct vs_error err;
    static struct seen seen;
    memset(&seen, 0, sizeof seen);
    CHECK_OK(vs_store_list(f->store, prefix, see, &seen, &err), err);
    CHECK_TEXT(seen.text, expected);
}

static void body_lists(struct fixture *f)
{
    static const char *const keys[] = {"a/b",   "a-b",        "a.b",     "a0",     "ab/c",
                                       "a/b.c", "ab-",        "b/x/y/z", "b/x/y-", "b/x",
                                       "Z",     "\xC3\xA9/1", ".hidden", "a/.crc", "a b"};
    struct vs_error err;
    CHECK_INT(count_objects(f), 0);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        bool twice = strcmp(keys[i], "b/x") == 0; // a file where a directory is: not on every store
        if (!twice) {
            CHECK_OK(vs_store_put(f->store, keys[i], VS_STR("12"), VS_PUT_IF_ABSENT, &err), err);
        }
    }
    check_list(f, "",
               ".hidden;Z;a b;a-b;a.b;a/.crc;a/b;a/b.c;a0;ab-;ab/c;b/x/y-;b/x/y/z;\xC3\xA9/1;");
    check_list(f, "a", "a b;a-b;a.b;a/.crc;a/b;a/b.c;a0;ab-;ab/c;");
    check_list(f, "a/", "a/.crc;a/b;a/b.c;");
    check_list(f, "a/b", "a/b;a/b.c;");
    check_list(f, "b/x/y", "b/x/y-;b/x/y/z;");
    check_list(f, "b/x/y/", "b/x/y/z;");
    check_list(f, "b/x/y/z", "b/x/y/z;");
    check_list(f, "b/x/y/z/", "");
    check_list(f, "c", "");
    check_list(f, "no/such/", "");
    struct seen seen = {.stop_after = 3};
    CHECK_STATUS(vs_store_list(f->store, "", see, &seen, &err), VS_CANCELLED);
    CHECK_TEXT(err.message, "seen enough");
    CHECK_TEXT(seen.text, ".hidden;Z;a b;");
    CHECK_STATUS(vs_store_list(f->store, "../", see, &seen, &err), VS_INVALID);
    CHECK_STATUS(vs_store_list(f->store, "/", see, &seen, &err), VS_INVALID);
}

static void case_lists_are_sorted(void)
{
    on_every_store(body_lists);
}

static enum vs_status remove_seen(void *ctx,
                                  const struct vs_object_info *object,
                                  struct vs_error *err)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%.*s", VS_STR_ARG(object->key));
    return vs_store_remove((struct vs_store *)ctx, key, err);
}

static void body_remove_in_list(struct fixture *f)
{
    struct vs_error err;
    for (int i = 0; i < 30; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "d%d/k%d", i % 3, i);
        CHECK_OK(vs_store_put(f->store, key, VS_STR("x"), VS_PUT_ANY, &err), err);
    }
    CHECK_OK(vs_store_list(f->store, "", remove_seen, f->store, &err), err);
    CHECK_INT(count_objects(f), 0);
}

static void case_visitors_may_use_the_store(void)
{
    on_every_store(body_remove_in_list);
}

// ---- keys ----

static void body_keys(struct fixture *f)
{
    static const char *const bad[] = {"",     "/",     "/a",   "a/",           "a//b",
                                      ".",    "..",    "a/..", "../a",         "a/./b",
                                      "a\nb", "a\x7F", "\x01", ".vs-staged-1", "a/.vs-staged-x/b"};
    static const char *const good[] = {"a%20b", "a b",  "a%2Fb", "caf\xC3\xA9",
                                       "...",   ".a",   "a..b",  "k=v/x=%3A",
                                       "a:b",   "a\\b", "~",     "*?[]{}'\"&;"};
    static char text[1026];
    struct vs_error err;
    struct vs_file *file = NULL;
    struct vs_writer *writer = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_STATUS(vs_store_put(f->store, bad[i], VS_STR("x"), VS_PUT_ANY, &err), VS_INVALID);
        CHECK_STATUS(vs_file_open(f->store, bad[i], &file, &err), VS_INVALID);
        CHECK_STATUS(vs_writer_open(f->store, bad[i], &writer, &err), VS_INVALID);
        CHECK_STATUS(vs_store_remove(f->store, bad[i], &err), VS_INVALID);
    }
    CHECK_INT(count_objects(f), 0);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct vs_buf uri;
        struct vs_buf key;
        vs_buf_init(&uri, &f->test.env, 10000);
        vs_buf_init(&key, &f->test.env, 10000);
        CHECK_OK(vs_store_put(f->store, good[i], vs_str_from_c(good[i]), VS_PUT_IF_ABSENT, &err),
                 err);
        check_content(f, good[i], good[i]);
        CHECK_OK(vs_store_uri(f->store, good[i], &uri, &err), err);
        CHECK_OK(vs_store_key(f->store, vs_buf_view(&uri), &key, &err), err);
        CHECK_TEXT((const char *)key.data, good[i]);
        vs_buf_clear(&uri);
        vs_buf_clear(&key);
    }
    CHECK_INT(count_objects(f), sizeof good / sizeof good[0]);
    memset(text, 'k', 1025);
    CHECK_STATUS(vs_store_put(f->store, text, VS_STR("x"), VS_PUT_ANY, &err), VS_INVALID);
    for (size_t i = 100; i < 1024; i += 101) {
        text[i] = '/';
    }
    text[1024] = '\0';
    CHECK_OK(vs_store_put(f->store, text, VS_STR("deep"), VS_PUT_ANY, &err), err);
    check_content(f, text, "deep");
}

static void case_keys(void)
{
    on_every_store(body_keys);
}

static void body_counters(struct fixture *f)
{
    struct vs_error err;
    CHECK_OK(vs_store_put(f->store, "a", VS_STR("12345"), VS_PUT_ANY, &err), err);
    check_content(f, "a", "12345");
    struct vs_store_counters counters = vs_store_count(f->store);
    CHECK_INT(counters.requests, f->s3 ? 2 : 3); // put, open, read; or put, get
    CHECK(f->s3 ? counters.usd > 0 : counters.usd == 0);
    CHECK_INT(counters.bytes_written, 5);
    CHECK_INT(counters.bytes_read, 5);
    if (atomic_load(&f->hook_calls) != 0) {
        CHECK_INT(f->hook_calls, 3);
    }
}

static void case_counters(void)
{
    on_every_store(body_counters);
}

// ---- what a store may have of its own ----

static void body_tags(struct fixture *f)
{
    struct vs_error err;
    struct vs_buf buf;
    char etag[VS_ETAG_SIZE];
    vs_buf_init(&buf, &f->test.env, 1000);
    CHECK_STATUS(vs_store_get_tagged(f->store, "h", &buf, etag, &err), VS_NOT_FOUND);
    CHECK_OK(vs_store_check_writable(f->store, "t/metadata", &err), err);
    CHECK_INT(count_objects(f), 0); // it leaves nothing
    CHECK_OK(vs_store_put(f->store, "h", VS_STR("1"), VS_PUT_IF_ABSENT, &err), err);
    CHECK_OK(vs_store_get_tagged(f->store, "h", &buf, etag, &err), err);
    CHECK_TEXT(vs_buf_c_str(&buf), "1");
    CHECK_OK(vs_store_put_match(f->store, "h", VS_STR("2"), etag, &err), err);
    check_content(f, "h", "2");
    if (etag[0] != '\0') {
        CHECK_STATUS(vs_store_put_match(f->store, "h", VS_STR("3"), etag, &err), VS_CONFLICT);
        check_content(f, "h", "2");
    }
    vs_buf_clear(&buf);
}

static void case_tags(void)
{
    on_every_store(body_tags);
}

static void body_remove_many(struct fixture *f)
{
    static const char *const keys[] = {"a", "b/c d&<", "b/never", "\xC3\xA9+", "left"};
    static const char *const bad[] = {"a", "../b"};
    struct vs_error err;
    for (size_t i = 0; i < 5; i++) {
        if (i != 2) {
            CHECK_OK(vs_store_put(f->store, keys[i], VS_STR("x"), VS_PUT_ANY, &err), err);
        }
    }
    CHECK_STATUS(vs_store_remove_many(f->store, bad, 2, &err), VS_INVALID);
    CHECK_OK(vs_store_remove_many(f->store, keys, 4, &err), err);
    CHECK_OK(vs_store_remove_many(f->store, keys, 0, &err), err);
    check_list(f, "", "left;");
}

static void case_remove_many(void)
{
    on_every_store(body_remove_many);
}

// Large enough for several parts and pieces.
static void body_large(struct fixture *f)
{
    const size_t size = ((size_t)21 << 20) + 5;
    struct vs_error err;
    struct vs_writer *writer = NULL;
    struct vs_file *file = NULL;
    uint8_t *bytes = (uint8_t *)malloc(size);
    uint8_t *back = (uint8_t *)malloc(size);
    uint8_t near[30];
    if (bytes == NULL || back == NULL) {
        free(bytes);
        free(back);
        REQUIRE(false);
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)((i * 2654435761u) >> 13);
    }
    REQUIRE_OK(vs_writer_open(f->store, "l/a b", &writer, &err), err);
    CHECK_OK(vs_writer_write(writer, bytes, size, &err), err);
    CHECK_OK(vs_writer_finish(writer, VS_PUT_IF_ABSENT, &err), err);
    vs_writer_free(writer);
    REQUIRE_OK(vs_writer_open(f->store, "l/a b", &writer, &err), err);
    CHECK_OK(vs_writer_write(writer, bytes, size, &err), err);
    CHECK_STATUS(vs_writer_finish(writer, VS_PUT_IF_ABSENT, &err), VS_EXISTS);
    vs_writer_free(writer);
    CHECK_OK(vs_store_copy(f->store, "l/a b", "l/copy", &err), err);
    REQUIRE_OK(vs_file_open(f->store, "l/copy", &file, &err), err);
    CHECK_INT(file->size, size);
    CHECK_OK(vs_file_read(file, 0, size, back, &err), err);
    CHECK(memcmp(bytes, back, size) == 0);
    struct vs_range ranges[3] = {{20u << 20, 10, near}, {100, 10, near + 10}, {150, 10, near + 20}};
    CHECK_OK(vs_file_read_many(file, ranges, 3, &err), err);
    for (size_t i = 0; i < 3; i++) {
        CHECK(memcmp(near + 10 * i, bytes + ranges[i].offset, 10) == 0);
    }
    vs_file_close(file);
    CHECK_STATUS(vs_store_copy(f->store, "l/none", "l/x", &err), VS_NOT_FOUND);
    CHECK_INT(count_objects(f), 2);
    free(bytes);
    free(back);
}

static void case_large_objects(void)
{
    on_every_store(body_large);
}

// Bytes, ranges of another object, bytes: in any order and size. What the store can move itself
// does not come through here.
static void body_ranges(struct fixture *f)
{
    static const struct {
        size_t offset, len;
    } ranges[] = {{7, (size_t)12 << 20},
                  {100, 60},
                  {0, 0},
                  {(size_t)1 << 20, (size_t)6 << 20},
                  {(size_t)15 << 20, ((size_t)6 << 20) + 5}};

    const size_t size = ((size_t)21 << 20) + 5;
    struct vs_error err;
    struct vs_writer *writer = NULL;
    struct vs_file *file = NULL;
    struct vs_buf expected, back;
    uint8_t *bytes = (uint8_t *)malloc(size);
    REQUIRE(bytes != NULL);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)((i * 2654435761u) >> 13);
    }
    vs_buf_init(&expected, &f->test.env, SIZE_MAX);
    vs_buf_init(&back, &f->test.env, SIZE_MAX);
    CHECK_OK(
        vs_store_put(f->store, "r/from", (struct vs_str){(char *)bytes, size}, VS_PUT_ANY, &err),
        err);
    CHECK_OK(vs_file_open(f->store, "r/from", &file, &err), err);
    CHECK_OK(vs_writer_open(f->store, "r/to", &writer, &err), err);
    uint64_t before = vs_store_count(f->store).bytes_read;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        CHECK_OK(vs_writer_write(writer, "between", 7, &err), err);
        CHECK_OK(vs_buf_append(&expected, "between", 7, &err), err);
        struct vs_copied copied = {.all_read = true};
        CHECK_OK(vs_writer_copy(&f->test.env, writer, file, ranges[i].offset, ranges[i].len,
                                &copied, &err),
                 err);
        CHECK(!copied.all_read ||
              copied.crc == vs_crc32c(0, bytes + ranges[i].offset, ranges[i].len));
        CHECK(copied.all_read || f->s3 || f->dir[0] != '\0');
        CHECK_OK(vs_buf_append(&expected, bytes + ranges[i].offset, ranges[i].len, &err), err);
    }
    if (f->s3 || f->dir[0] != '\0') {
        CHECK(vs_store_count(f->store).bytes_read - before < (size_t)18 << 20);
    }
    CHECK_INT(writer->written, expected.len);
    CHECK_STATUS(vs_writer_copy(&f->test.env, writer, file, size - 5, 6, NULL, &err), VS_CORRUPT);
    CHECK_STATUS(vs_writer_copy(&f->test.env, writer, file, UINT64_MAX, 2, NULL, &err), VS_CORRUPT);
    CHECK_OK(vs_writer_write(writer, "end", 3, &err), err);
    CHECK_OK(vs_buf_append(&expected, "end", 3, &err), err);
    CHECK_OK(vs_writer_finish(writer, VS_PUT_IF_ABSENT, &err), err);
    vs_writer_free(writer);
    vs_file_close(file);
    CHECK_OK(vs_store_get(f->store, "r/to", &back, &err), err);
    CHECK(vs_str_equal(vs_buf_view(&back), vs_buf_view(&expected)));
    vs_buf_clear(&expected);
    vs_buf_clear(&back);
    free(bytes);
}

static void case_ranges_are_copied(void)
{
    on_every_store(body_ranges);
}

// The cases above ask the real server too; this one says by name that there is none.
static void case_live_server(void)
{
    static struct fixture f;
    struct vs_error err;
    if (!has_kind(KINDS - 1)) {
        SKIP("VECSTORE_TEST_S3_ENDPOINT names no S3 server");
    }
    fixture_init(&f, KINDS - 1);
    REQUIRE_OK(fixture_open(&f, KINDS - 1, &err), err);
    CHECK_OK(vs_store_check_writable(f.store, "", &err), err);
    CHECK(vs_store_count(f.store).requests >= 8);
    fixture_clear(&f);
}

// ---- faults ----

struct fault {
    const char *op;
    int nth; // counts down; fails at 0
};

static enum vs_status fail_nth(void *ctx, const char *op, const char *key, struct vs_error *err)
{
    struct fault *fault = (struct fault *)ctx;
    if (strcmp(op, fault->op) == 0 && fault->nth-- == 0) {
        return vs_fail(err, VS_UNAVAILABLE, "cannot write %s: no space left on the device", key);
    }
    return VS_OK;
}

static void case_full_disk(void)
{
    struct test_env test;
    struct vs_error err;
    struct vs_store *inner = NULL;
    struct vs_store *store = NULL;
    struct vs_writer *writer = NULL;
    struct fault fault = {"write", 1};
    bool exists = true;
    test_env_init(&test);
    REQUIRE_OK(vs_store_open_mem(&test.env, "full", &inner, &err), err);
    REQUIRE_OK(vs_store_wrap_hook(inner, fail_nth, &fault, &store, &err), err);
    REQUIRE_OK(vs_writer_open(store, "a/b", &writer, &err), err);
    CHECK_OK(vs_writer_write(writer, "one", 3, &err), err);
    CHECK_STATUS(vs_writer_write(writer, "two", 3, &err), VS_UNAVAILABLE);
    CHECK_TEXT(err.message, "cannot write a/b: no space left on the device");
    vs_writer_free(writer);
    CHECK_OK(vs_store_exists(store, "a/b", &exists, &err), err);
    CHECK(!exists);
    static const char *const ops[] = {"open", "read", "put", "create", "finish", "list", "remove"};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        struct vs_buf buf;
        int count = 0;
        fault = (struct fault){ops[i], 0};
        vs_buf_init(&buf, &test.env, 100);
        enum vs_status status = vs_store_put(store, "k", VS_STR("v"), VS_PUT_ANY, &err);
        status = status == VS_OK ? vs_store_get(store, "k", &buf, &err) : status;
        status = status == VS_OK ? vs_store_list(store, "", count_object, &count, &err) : status;
        status = status == VS_OK ? vs_store_remove(store, "k", &err) : status;
        if (status == VS_OK && vs_writer_open(store, "w", &writer, &err) == VS_OK) {
            status = vs_writer_finish(writer, VS_PUT_ANY, &err);
            vs_writer_free(writer);
        } else if (status == VS_OK) {
            status = VS_UNAVAILABLE;
        }
        CHECK_INT(status, VS_UNAVAILABLE);
        CHECK_INT(fault.nth, -1);
        vs_buf_clear(&buf);
    }
    vs_store_free(store);
    CHECK_INT(test.live, 0);
}

static enum vs_status do_everything(struct fixture *f, struct vs_error *err)
{
    struct vs_writer *writer = NULL;
    struct vs_buf buf;
    int count = 0;
    VS_TRY(vs_store_put(f->store, "a/b", VS_STR("12345"), VS_PUT_ANY, err));
    VS_TRY(vs_store_list(f->store, "", count_object, &count, err));
    vs_buf_init(&buf, &f->test.env, 100);
    enum vs_status status = vs_store_get(f->store, "a/b", &buf, err);
    status = status == VS_OK ? vs_store_uri(f->store, "a/b", &buf, err) : status;
    vs_buf_clear(&buf);
    VS_TRY(status);
    VS_TRY(vs_writer_open(f->store, "c/d", &writer, err));
    status = vs_writer_write(writer, "xyz", 3, err);
    status = status == VS_OK ? vs_writer_finish(writer, VS_PUT_ANY, err) : status;
    vs_writer_free(writer);
    return status;
}

static void case_every_allocation_may_fail(void)
{
    for (size_t kind = 0; kind < KINDS && strcmp(kinds[kind], "live") != 0; kind++) {
        int failures = 0;
        for (long n = 0; n < 500; n++) {
            static struct fixture f;
            struct vs_error err;
            fixture_init(&f, kind);
            f.test.fail_at = n;
            enum vs_status status = fixture_open(&f, kind, &err);
            status = status == VS_OK ? do_everything(&f, &err) : status;
            CHECK(status == VS_OK || (status == VS_NO_MEMORY && f.test.failed));
            failures += status != VS_OK;
            bool done = !atomic_load(&f.test.failed);
            fixture_clear(&f);
            if (done) {
                break;
            }
        }
        CHECK(failures > 8 && failures < 400);
    }
}

TEST_MAIN(TEST(case_put_get),
          TEST(case_reads),
          TEST(case_writers),
          TEST(case_abandoned_writers_leave_nothing),
          TEST(case_one_of_many_wins),
          TEST(case_lists_are_sorted),
          TEST(case_visitors_may_use_the_store),
          TEST(case_keys),
          TEST(case_counters),
          TEST(case_tags),
          TEST(case_remove_many),
          TEST(case_large_objects),
          TEST(case_ranges_are_copied),
          TEST(case_live_server),
          TEST(case_full_disk),
          TEST(case_every_allocation_may_fail))
