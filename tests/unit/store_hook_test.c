// SPDX-License-Identifier: Apache-2.0
// The store with a hook, over the S3 store: every operation is asked for by its name and handed on
// as the one operation it is.
#include "tests/support/store_s3_fixture.h"

#include <stdio.h>
#include <string.h>

struct recorder {
    char text[1000];     // "op key;" of every call
    const char *fail_op; // NULL: none fails
    const char *fail_key;
};

static enum vs_status record(void *ctx, const char *op, const char *key, struct vs_error *err)
{
    struct recorder *r = ctx;
    size_t len = strlen(r->text);
    (void)snprintf(r->text + len, sizeof r->text - len, "%s %s;", op, key);
    if (r->fail_op != NULL && strcmp(r->fail_op, op) == 0 && strcmp(r->fail_key, key) == 0) {
        return vs_fail(err, VS_UNAVAILABLE, "no %s of %s", op, key);
    }
    return VS_OK;
}

static void begin(struct s3_fixture *f, struct mock_s3_options options, struct recorder *r)
{
    struct vs_error err;
    struct vs_store *hooked = NULL;
    s3_begin_with(f, options, NULL);
    memset(r, 0, sizeof *r);
    REQUIRE_OK(vs_store_wrap_hook(f->store, record, r, &hooked, &err), err);
    f->store = hooked;
}

// Since the last call.
static void check_asked(struct recorder *r, const char *expected)
{
    CHECK_TEXT(r->text, expected);
    r->text[0] = '\0';
}

static void case_reads(void)
{
    struct s3_fixture f;
    struct recorder r;
    struct vs_error err;
    struct vs_buf buf;
    char etag[VS_ETAG_SIZE];
    bool exists = true;
    begin(&f, (struct mock_s3_options){0}, &r);
    mock_s3_put(f.mock, "w/a/b", "one");
    vs_buf_init(&buf, &f.test.env, 100);
    CHECK_OK(vs_store_get_tagged(f.store, "a/b", &buf, etag, &err), err);
    CHECK_TEXT(vs_buf_c_str(&buf), "one");
    CHECK(etag[0] != '\0');
    check_asked(&r, "open a/b;read a/b;");
    CHECK_INT(mock_s3_count(f.mock, "GET /bucket/w/a/b"), 1);
    CHECK_INT(vs_store_count(f.store).requests, 1);
    CHECK_INT(vs_store_count(f.store).bytes_read, 3);

    CHECK_OK(vs_store_put_match(f.store, "a/b", VS_STR("two"), etag, &err), err);
    CHECK_STATUS(vs_store_put_match(f.store, "a/b", VS_STR("three"), etag, &err), VS_CONFLICT);
    check_asked(&r, "put a/b;put a/b;");
    s3_check_content(&f, "a/b", "two");
    check_asked(&r, "open a/b;read a/b;");

    CHECK_OK(vs_store_exists(f.store, "a/b", &exists, &err), err);
    CHECK(exists);
    CHECK_OK(vs_store_exists(f.store, "a/c", &exists, &err), err);
    CHECK(!exists);
    check_asked(&r, "exists a/b;exists a/c;");
    CHECK_INT(mock_s3_count(f.mock, "HEAD /bucket/w/a/b"), 1);
    vs_buf_clear(&buf);
    s3_end(&f);
}

static void case_copies(void)
{
    struct s3_fixture f;
    struct recorder r;
    struct vs_error err;
    begin(&f, (struct mock_s3_options){0}, &r);
    mock_s3_put(f.mock, "w/from", "bytes");
    CHECK_OK(vs_store_copy(f.store, "from", "to", &err), err);
    check_asked(&r, "copy to;");
    CHECK_INT(mock_s3_count(f.mock, "GET /bucket/w/from"), 0); // the bytes stay there
    CHECK_INT(mock_s3_count(f.mock, "PUT /bucket/w/to"), 1);
    s3_check_content(&f, "to", "bytes");
    s3_end(&f);
}

static void case_removals(void)
{
    static const char *const keys[] = {"a", "b", "c"};
    struct s3_fixture f;
    struct recorder r;
    struct vs_error err;
    begin(&f, (struct mock_s3_options){0}, &r);
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(vs_store_put(f.store, keys[i], VS_STR("x"), VS_PUT_ANY, &err), err);
    }
    check_asked(&r, "put a;put b;put c;");
    r.fail_op = "remove";
    r.fail_key = "b"; // what comes before is gone, what follows is not
    CHECK_STATUS(vs_store_remove_many(f.store, keys, 3, &err), VS_UNAVAILABLE);
    CHECK_TEXT(err.message, "no remove of b");
    check_asked(&r, "remove a;remove b;");
    CHECK_INT(mock_s3_objects(f.mock), 2);
    r.fail_op = NULL;
    CHECK_OK(vs_store_remove_many(f.store, keys, 3, &err), err);
    check_asked(&r, "remove a;remove b;remove c;");
    CHECK_INT(mock_s3_objects(f.mock), 0);
    CHECK_INT(mock_s3_count(f.mock, "POST /bucket"), 2);
    CHECK_INT(mock_s3_count(f.mock, "DELETE "), 0);
    s3_end(&f);
}

static void case_proof_of_writing(void)
{
    struct s3_fixture f;
    struct recorder r;
    struct vs_error err;
    begin(&f, (struct mock_s3_options){.ignore_conditions = true}, &r);
    CHECK_STATUS(vs_store_check_writable(f.store, "t/", &err), VS_UNSUPPORTED);
    check_asked(&r, "check t/;");
    mock_s3_set(f.mock, (struct mock_s3_options){0});
    CHECK_OK(vs_store_check_writable(f.store, "t/", &err), err);
    CHECK_OK(vs_store_check_writable(f.store, "t/", &err), err); // is remembered
    check_asked(&r, "check t/;");
    s3_end(&f);
}

// A hook that says no: nothing arrives at the server.
static void case_refusals(void)
{
    static const char *const ops[] = {"open", "read", "put", "exists", "copy", "check"};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        struct s3_fixture f;
        struct recorder r;
        struct vs_error err;
        struct vs_buf buf;
        char etag[VS_ETAG_SIZE];
        bool exists = false;
        begin(&f, (struct mock_s3_options){0}, &r);
        vs_buf_init(&buf, &f.test.env, 100);
        r.fail_op = ops[i];
        r.fail_key = "k";
        enum vs_status status = VS_OK;
        switch (i) {
        case 0:
        case 1:
            status = vs_store_get_tagged(f.store, "k", &buf, etag, &err);
            break;
        case 2:
            status = vs_store_put_match(f.store, "k", VS_STR("v"), "\"tag\"", &err);
            break;
        case 3:
            status = vs_store_exists(f.store, "k", &exists, &err);
            break;
        case 4:
            status = vs_store_copy(f.store, "from", "k", &err);
            break;
        default:
            status = vs_store_check_writable(f.store, "k", &err);
            break;
        }
        CHECK_INT(status, VS_UNAVAILABLE);
        CHECK_INT(mock_s3_count(f.mock, "/bucket"), 0);
        vs_buf_clear(&buf);
        s3_end(&f);
    }
}

TEST_MAIN(TEST(case_reads),
          TEST(case_copies),
          TEST(case_removals),
          TEST(case_proof_of_writing),
          TEST(case_refusals))
