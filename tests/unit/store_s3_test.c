// SPDX-License-Identifier: Apache-2.0
/*
 * The S3 store when things go wrong: refusals, lost answers, brown-outs, wrong regions and clocks,
 * expired credentials, stores that do not keep conditions. What it does when all is well is asked
 * by tests/conform/store_conform_test.c.
 */
#include "tests/support/store_s3_fixture.h"
#include "vecstore/object/aws_credentials.h"

#include <time.h>

// ---- settings ----

static void check_open(struct s3_fixture *f,
                       const char *uri,
                       const char *key,
                       const char *value,
                       enum vs_status expected,
                       const char *needle)
{
    struct vs_error err = {0};
    struct vs_store *store = NULL;
    struct vs_pair more[] = {{vs_str_from_c(key), vs_str_from_c(value)}, {{NULL, 0}, {NULL, 0}}};
    enum vs_status status = s3_open_with(f, uri, more, &store, &err);
    CHECK_INT(status, expected);
    if (status != VS_OK && strstr(err.message, needle) == NULL) {
        CHECK_TEXT(err.message, needle);
    }
    if (status == VS_OK) {
        vs_store_free(store);
    }
}

static void case_settings(void)
{
    struct s3_fixture f;
    s3_begin(&f);
    check_open(&f, "s3://", "", "", VS_INVALID, "is no warehouse");
    check_open(&f, "s3:bucket", "", "", VS_INVALID, "is no warehouse");
    check_open(&f, "s3://b", "", "", VS_INVALID, "is no warehouse");
    check_open(&f, "s3://bu cket/x", "", "", VS_INVALID, "is no warehouse");
    check_open(&f, "s3://bucket/a//b", "", "", VS_INVALID, "empty part");
    check_open(&f, "s3://bucket/../b", "", "", VS_INVALID, "\"..\" part");
    check_open(&f, "s3://bucket", "", "", VS_OK, "");
    check_open(&f, "s3://bucket/", "", "", VS_OK, "");
    check_open(&f, "s3a://bucket/x/", "", "", VS_OK, "");
    check_open(&f, "s3n://bucket/x", "", "", VS_OK, "");
    check_open(&f, "s3://bucket", "s3.sse.type", "custom", VS_UNSUPPORTED, "s3.sse.type");
    check_open(&f, "s3://bucket", "s3.sse.type", "kms", VS_OK, "");
    check_open(&f, "s3://bucket", "s3.checksum", "md5", VS_INVALID, "s3.checksum");
    check_open(&f, "s3://bucket", "s3.max-parallel", "0", VS_INVALID, "s3.max-parallel");
    check_open(&f, "s3://bucket", "s3.part-size-bytes", "1000", VS_INVALID, "s3.part-size-bytes");
    check_open(&f, "s3://bucket", "s3.price.put-usd-per-1000", "x", VS_INVALID, "dollars");
    check_open(&f, "s3://bucket", "s3.endpoint", "ftp://host", VS_INVALID, "s3.endpoint");
    check_open(&f, "s3://bucket", "s3.endpoint", "http://", VS_INVALID, "s3.endpoint");
    check_open(&f, "s3://bucket", "s3.endpoint", "http://a b", VS_INVALID, "s3.endpoint");
    check_open(&f, "s3://bucket", "s3.path-style-access", "maybe", VS_INVALID, "path-style");
    check_open(&f, "s3://bucket", "client.region", "a/b", VS_INVALID, "client.region");
    CHECK_INT(mock_s3_count(f.mock, ""), 0); // opening asks nothing
    s3_end(&f);
}

static void case_uris(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_buf buf;
    struct vs_store *root = NULL;
    s3_begin(&f);
    vs_buf_init(&buf, &f.test.env, 10000);
    static const char *const uris[] = {"s3://bucket/w/a%20b", "s3a://bucket/w/a%20b",
                                       "S3N://bucket/w/a%20b"};
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(vs_store_key(f.store, vs_str_from_c(uris[i]), &buf, &err), err);
        CHECK_TEXT((const char *)buf.data, "a%20b");
    }
    static const char *const outside[] = {"s3://bucket/w2/a", "s3://other/w/a", "s3://bucket/w",
                                          "file:///bucket/w/a", "s3://bucket/w/../x"};
    for (size_t i = 0; i < 5; i++) {
        CHECK_STATUS(vs_store_key(f.store, vs_str_from_c(outside[i]), &buf, &err), VS_DENIED);
    }
    CHECK_OK(vs_store_uri(f.store, "x/y", &buf, &err), err);
    CHECK_TEXT((const char *)buf.data, "s3://bucket/w/x/y");
    REQUIRE_OK(s3_open_with(&f, "s3a://bucket", NULL, &root, &err), err);
    CHECK_OK(vs_store_key(root, VS_STR("s3://bucket/w/x"), &buf, &err), err);
    CHECK_TEXT((const char *)buf.data, "w/x");
    CHECK_OK(vs_store_put(root, "w/seen", VS_STR("1"), VS_PUT_ANY, &err), err);
    s3_check_content(&f, "seen", "1"); // the same object through both roots
    CHECK(vs_store_credentials(root) != NULL);
    vs_store_free(root);
    REQUIRE_OK(vs_store_open_mem(&f.test.env, "m", &root, &err), err);
    CHECK(vs_store_credentials(root) == NULL);
    vs_store_free(root);
    vs_buf_clear(&buf);
    s3_end(&f);
}

static void case_keys_on_the_wire(void)
{
    struct s3_fixture f;
    struct vs_error err;
    s3_begin(&f);
    CHECK_OK(vs_store_put(f.store, "k=v%3A/a b+\xC3\xA9~", VS_STR("1"), VS_PUT_ANY, &err), err);
    CHECK_INT(mock_s3_count(f.mock, "PUT /bucket/w/k%3Dv%253A/a%20b%2B%C3%A9~ 200"), 1);
    char headers[4000];
    mock_s3_last_headers(f.mock, "PUT", headers, sizeof headers);
    CHECK(strstr(headers, "x-amz-meta-vecstore:" VECSTORE_VERSION "\n") != NULL);
    CHECK(strstr(headers, "expect:") == NULL);
    s3_end(&f);
}

// ---- retries of what may be repeated ----

static void case_retries(void)
{
    static const struct mock_fault faults[] = {
        {.kind = MOCK_STATUS, .status = 500, .code = "InternalError"},
        {.kind = MOCK_STATUS, .status = 502},
        {.kind = MOCK_STATUS, .status = 503, .code = "SlowDown"},
        {.kind = MOCK_STATUS, .status = 504},
        {.kind = MOCK_STATUS, .status = 429},
        {.kind = MOCK_STATUS, .status = 400, .code = "RequestTimeout"},
        {.kind = MOCK_STATUS_DONE, .status = 500, .code = "InternalError"},
        {.kind = MOCK_DROP_BEFORE},
        {.kind = MOCK_DROP_AFTER},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct s3_fixture f;
        struct vs_error err;
        struct vs_buf buf;
        bool exists = false;
        s3_begin(&f);
        struct mock_fault fault = faults[i];
        fault.times = 2;
        vs_buf_init(&buf, &f.test.env, MIB);
        mock_s3_fault(f.mock, fault);
        CHECK_OK(vs_store_put(f.store, "a", VS_STR("one"), VS_PUT_ANY, &err), err);
        CHECK_INT(mock_s3_count(f.mock, "PUT"), 3);
        mock_s3_fault(f.mock, fault);
        CHECK_OK(vs_store_get(f.store, "a", &buf, &err), err);
        CHECK_TEXT(vs_buf_c_str(&buf), "one");
        mock_s3_fault(f.mock, fault);
        CHECK_OK(vs_store_exists(f.store, "a", &exists, &err), err);
        CHECK(exists);
        mock_s3_fault(f.mock, fault);
        CHECK_OK(vs_store_remove(f.store, "a", &err), err);
        vs_buf_clear(&buf);
        s3_end(&f);
    }
}

static void case_no_retry_of_refusals(void)
{
    static const struct {
        int status;
        const char *code;
        enum vs_status expected;
        const char *needle;
    } rows[] = {
        {403, "AccessDenied", VS_DENIED, "access key id mock-key needs the permission to read"},
        {403, "InvalidAccessKeyId", VS_DENIED, "mock-key is not accepted"},
        {403, "SignatureDoesNotMatch", VS_DENIED, "secret key does not belong"},
        {404, "NoSuchKey", VS_NOT_FOUND, "s3://bucket/w/a does not exist"},
        {404, NULL, VS_NOT_FOUND, "does not exist"},
        {404, "NoSuchBucket", VS_INVALID, "check that the bucket exists"},
        {404, "XAdminUserNotFound", VS_DENIED, "mock-key is not accepted"},
        {400, "InvalidArgument", VS_INVALID, "InvalidArgument"},
        {400, "EntityTooLarge", VS_LIMIT, "EntityTooLarge"},
        {400, "InvalidToken", VS_DENIED, "not accepted"},
        {301, "PermanentRedirect", VS_INVALID, "set client.region"},
        {501, "NotImplemented", VS_UNSUPPORTED, "does not offer"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s3_fixture f;
        struct vs_error err;
        struct vs_buf buf;
        s3_begin(&f);
        vs_buf_init(&buf, &f.test.env, MIB);
        mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_STATUS,
                                                  .times = 100,
                                                  .status = rows[i].status,
                                                  .code = rows[i].code});
        CHECK_STATUS(vs_store_get(f.store, "a", &buf, &err), rows[i].expected);
        if (strstr(err.message, rows[i].needle) == NULL) {
            CHECK_TEXT(err.message, rows[i].needle);
        }
        CHECK(strstr(err.message, MOCK_S3_SECRET_KEY) == NULL);
        CHECK_INT(mock_s3_count(f.mock, "GET"), 1);
        vs_buf_clear(&buf);
        s3_end(&f);
    }
}

static void case_attempts_are_bounded(void)
{
    struct s3_fixture f;
    struct vs_error err;
    s3_begin(&f);
    mock_s3_fault(f.mock,
                  (struct mock_fault){.kind = MOCK_STATUS, .times = 1000000, .status = 503});
    CHECK_STATUS(vs_store_remove(f.store, "a", &err), VS_UNAVAILABLE);
    CHECK_INT(err.system_code, 503);
    CHECK_INT(mock_s3_count(f.mock, "DELETE"), 8);
    // A brown-out is not amplified: when the burst is spent, ten requests earn one retry.
    for (int i = 0; i < 400; i++) {
        CHECK_STATUS(vs_store_remove(f.store, "a", &err), VS_UNAVAILABLE);
    }
    size_t sent = mock_s3_count(f.mock, "DELETE");
    CHECK(sent >= 401 + 50 && sent <= 401 * 10 / 9 + 50 + 10);
    s3_end(&f);
}

static void case_retry_after_is_honoured(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct timespec before;
    struct timespec after;
    s3_begin(&f);
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_STATUS,
                                              .times = 1,
                                              .status = 503,
                                              .header = "retry-after: 1\r\n"});
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_OK(vs_store_put(f.store, "a", VS_STR("1"), VS_PUT_ANY, &err), err);
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9 >=
          0.99);
    // Longer than the whole budget: no point in waiting.
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_STATUS,
                                              .times = 1,
                                              .status = 503,
                                              .header = "retry-after: 3000\r\n"});
    CHECK_STATUS(vs_store_put(f.store, "a", VS_STR("1"), VS_PUT_ANY, &err), VS_UNAVAILABLE);
    s3_end(&f);
}

static void case_nobody_listens(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_store *store = NULL;
    struct vs_pair more[] = {{VS_STR("s3.endpoint"), VS_STR("http://127.0.0.1:1")},
                             {{NULL, 0}, {NULL, 0}}};
    s3_begin(&f);
    REQUIRE_OK(s3_open_with(&f, "s3://bucket", more, &store, &err), err);
    CHECK_STATUS(vs_store_put(store, "a", VS_STR("1"), VS_PUT_IF_ABSENT, &err), VS_UNAVAILABLE);
    CHECK(strstr(err.message, "check s3.endpoint") != NULL);
    CHECK_STATUS(vs_store_remove(store, "a", &err), VS_UNAVAILABLE);
    CHECK(strstr(err.message, "after 8 attempts") != NULL);
    vs_store_free(store);
    s3_end(&f);
}

// ---- conditional puts ----

// One request, one fault: the outcome of create and of replace, the number of requests, and whether
// the object is there afterwards.
static void check_conditional(struct mock_fault fault,
                              enum vs_status expected,
                              size_t requests,
                              bool applied)
{
    for (int match = 0; match < 2; match++) {
        struct s3_fixture f;
        struct vs_error err;
        struct vs_buf buf;
        char etag[VS_ETAG_SIZE];
        s3_begin(&f);
        vs_buf_init(&buf, &f.test.env, MIB);
        if (match) {
            mock_s3_put(f.mock, "w/a", "old");
            CHECK_OK(vs_store_get_tagged(f.store, "a", &buf, etag, &err), err);
        }
        fault.method = "PUT";
        mock_s3_fault(f.mock, fault);
        enum vs_status status =
            match ? vs_store_put_match(f.store, "a", VS_STR("new"), etag, &err)
                  : vs_store_put(f.store, "a", VS_STR("new"), VS_PUT_IF_ABSENT, &err);
        CHECK_INT(status, expected);
        CHECK_INT(mock_s3_count(f.mock, "PUT"), requests);
        if (match || applied) {
            s3_check_content(&f, "a", applied ? "new" : "old");
        } else {
            CHECK_STATUS(vs_store_get(f.store, "a", &buf, &err), VS_NOT_FOUND);
        }
        vs_buf_clear(&buf);
        s3_end(&f);
    }
}

static void case_conditional_outcomes(void)
{
    static const struct {
        struct mock_fault fault;
        enum vs_status expected;
        size_t requests;
        bool applied;
    } rows[] = {
        {{.times = 0}, VS_OK, 1, true},
        {{.kind = MOCK_DROP_BEFORE, .times = 9}, VS_UNKNOWN, 1, false},
        {{.kind = MOCK_DROP_AFTER, .times = 9}, VS_UNKNOWN, 1, true},
        {{.kind = MOCK_STATUS, .status = 500, .times = 9}, VS_UNKNOWN, 1, false},
        {{.kind = MOCK_STATUS_DONE, .status = 500, .times = 9}, VS_UNKNOWN, 1, true},
        {{.kind = MOCK_STATUS_DONE, .status = 502, .times = 9}, VS_UNKNOWN, 1, true},
        {{.kind = MOCK_STATUS_DONE, .status = 504, .times = 9}, VS_UNKNOWN, 1, true},
        {{.kind = MOCK_STATUS, .status = 503, .code = "SlowDown", .times = 9},
         VS_UNKNOWN,
         1,
         false},
        {{.kind = MOCK_STATUS, .status = 429, .times = 9}, VS_UNKNOWN, 1, false},
        {{.kind = MOCK_STATUS, .status = 400, .code = "RequestTimeout", .times = 9},
         VS_UNKNOWN,
         1,
         false},
        {{.kind = MOCK_STATUS, .status = 409, .code = "ConditionalRequestConflict", .times = 2},
         VS_OK,
         3,
         true},
        {{.kind = MOCK_STATUS, .status = 409, .code = "ConditionalRequestConflict", .times = 99},
         VS_UNAVAILABLE,
         8,
         false},
        {{.kind = MOCK_STATUS, .status = 403, .code = "AccessDenied", .times = 9},
         VS_DENIED,
         1,
         false},
        {{.kind = MOCK_STATUS, .status = 400, .code = "InvalidArgument", .times = 9},
         VS_INVALID,
         1,
         false},
        {{.kind = MOCK_STATUS, .status = 404, .code = "NoSuchBucket", .times = 9},
         VS_INVALID,
         1,
         false},
        {{.kind = MOCK_STATUS, .status = 501, .code = "NotImplemented", .times = 9},
         VS_UNSUPPORTED,
         1,
         false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int before = check_failures;
        check_conditional(rows[i].fault, rows[i].expected, rows[i].requests, rows[i].applied);
        if (check_failures != before) {
            fprintf(stderr, "    row %zu\n", i);
        }
    }
}

static void case_conditions(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_buf buf;
    char etag[VS_ETAG_SIZE];
    s3_begin(&f);
    vs_buf_init(&buf, &f.test.env, MIB);
    CHECK_OK(vs_store_put(f.store, "a", VS_STR("1"), VS_PUT_IF_ABSENT, &err), err);
    CHECK_STATUS(vs_store_put(f.store, "a", VS_STR("2"), VS_PUT_IF_ABSENT, &err), VS_EXISTS);
    CHECK_TEXT(err.message, "s3://bucket/w/a exists already");
    CHECK_OK(vs_store_get_tagged(f.store, "a", &buf, etag, &err), err);
    CHECK_OK(vs_store_put_match(f.store, "a", VS_STR("3"), etag, &err), err);
    CHECK_STATUS(vs_store_put_match(f.store, "a", VS_STR("4"), etag, &err), VS_CONFLICT);
    s3_check_content(&f, "a", "3");
    CHECK_OK(vs_store_remove(f.store, "a", &err), err);
    CHECK_STATUS(vs_store_put_match(f.store, "a", VS_STR("4"), etag, &err), VS_CONFLICT);
    CHECK_STATUS(vs_store_put_match(f.store, "a", VS_STR("4"), "", &err), VS_INVALID);
    vs_buf_clear(&buf);
    s3_end(&f);
}

// ---- repair ----

static void case_region_is_learned(void)
{
    struct s3_fixture f;
    struct vs_error err;
    s3_begin_with(&f, (struct mock_s3_options){.region = "eu-west-1"}, NULL);
    CHECK_OK(vs_store_put(f.store, "a", VS_STR("1"), VS_PUT_IF_ABSENT, &err), err);
    CHECK_INT(mock_s3_count(f.mock, " 400"), 1);
    CHECK_OK(vs_store_put(f.store, "b", VS_STR("1"), VS_PUT_ANY, &err), err);
    CHECK_INT(mock_s3_count(f.mock, " 400"), 1); // remembered
    mock_s3_fault(f.mock, (struct mock_fault){.kind = MOCK_STATUS,
                                              .times = 1,
                                              .status = 301,
                                              .code = "PermanentRedirect",
                                              .header = "x-amz-bucket-region: us-east-1\r\n"});
    bool exists = false; // the answer to HEAD has the header alone; then it is wrong again
    CHECK_OK(vs_store_exists(f.store, "a", &exists, &err), err);
    CHECK(exists);
    s3_end(&f);
}

static void case_clock_is_repaired(void)
{
    static const int64_t skews[] = {7200000, -7200000, 900000000000};
    for (size_t i = 0; i < 3; i++) {
        struct s3_fixture f;
        struct vs_error err;
        s3_begin_with(&f, (struct mock_s3_options){.clock_ms = skews[i]}, NULL);
        CHECK_OK(vs_store_put(f.store, "a", VS_STR("1"), VS_PUT_IF_ABSENT, &err), err);
        CHECK_OK(vs_store_put(f.store, "b", VS_STR("1"), VS_PUT_ANY, &err), err);
        CHECK_INT(mock_s3_count(f.mock, " 403"), 1); // remembered
        s3_end(&f);
    }
}

struct vending {
    int calls;
    struct vs_pair pairs[4];
};

static enum vs_status vend(void *ctx, struct vs_settings *settings_out, struct vs_error *err)
{
    (void)err;
    struct vending *vending = (struct vending *)ctx;
    vending->calls++;
    vending->pairs[0] = (struct vs_pair){VS_STR("s3.access-key-id"), VS_STR(MOCK_S3_ACCESS_KEY)};
    vending->pairs[1] =
        (struct vs_pair){VS_STR("s3.secret-access-key"), VS_STR(MOCK_S3_SECRET_KEY)};
    vending->pairs[2] = (struct vs_pair){VS_STR("s3.session-token"), VS_STR("token-2")};
    *settings_out = (struct vs_settings){vending->pairs, 3};
    return VS_OK;
}

static void case_expired_token_is_refreshed_once(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vending vending = {0};
    struct vs_pair more[] = {{VS_STR("s3.session-token"), VS_STR("token-1")},
                             {{NULL, 0}, {NULL, 0}}};
    s3_begin_with(&f, (struct mock_s3_options){.token = "token-1"}, more);
    vs_aws_provider_set_refresh(vs_store_credentials(f.store), vend, &vending);
    CHECK_OK(vs_store_put(f.store, "first", VS_STR("1"), VS_PUT_IF_ABSENT, &err), err);
    CHECK_INT(vending.calls, 0);
    mock_s3_set(f.mock, (struct mock_s3_options){.token = "token-2"});
    f.test.now_ms = vs_wall_ms(vs_env_default()) + 10000; // fresh credentials are not refreshed
    CHECK_OK(vs_store_put(f.store, "a", VS_STR("1"), VS_PUT_IF_ABSENT, &err), err);
    CHECK_INT(vending.calls, 1);
    CHECK_INT(mock_s3_count(f.mock, "PUT"), 3);
    mock_s3_set(f.mock, (struct mock_s3_options){.token = "token-3"});
    CHECK_STATUS(vs_store_put(f.store, "b", VS_STR("1"), VS_PUT_IF_ABSENT, &err), VS_DENIED);
    CHECK(strstr(err.message, "ExpiredToken") != NULL);
    CHECK_INT(mock_s3_count(f.mock, "PUT"), 5); // not for ever
    s3_end(&f);
}

static void case_absent_or_unknown_user(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_store *store = NULL;
    bool exists = true;
    struct vs_pair more[] = {{VS_STR("s3.access-key-id"), VS_STR("nobody")},
                             {{NULL, 0}, {NULL, 0}}};
    s3_begin_with(&f, (struct mock_s3_options){.users_unknown_404 = true}, NULL);
    REQUIRE_OK(s3_open_with(&f, "s3://bucket/w", more, &store, &err), err);
    CHECK_STATUS(vs_store_exists(store, "a", &exists, &err), VS_DENIED);
    CHECK(strstr(err.message, "nobody") != NULL && exists);
    vs_store_free(store);
    // Good credentials: asked twice until something has succeeded, once from then on.
    CHECK_OK(vs_store_exists(f.store, "a", &exists, &err), err);
    CHECK(!exists);
    size_t before = mock_s3_count(f.mock, "");
    CHECK_OK(vs_store_put(f.store, "b", VS_STR("1"), VS_PUT_ANY, &err), err);
    CHECK_OK(vs_store_exists(f.store, "a", &exists, &err), err);
    CHECK(!exists);
    CHECK_INT(mock_s3_count(f.mock, "") - before, 2);
    // Another bucket: not "absent" either.
    REQUIRE_OK(s3_open_with(&f, "s3://elsewhere/w", NULL, &store, &err), err);
    CHECK_STATUS(vs_store_exists(store, "a", &exists, &err), VS_INVALID);
    CHECK(strstr(err.message, "NoSuchBucket") != NULL);
    vs_store_free(store);
    s3_end(&f);
}

static void case_anonymous(void)
{
    struct s3_fixture f;
    struct vs_error err;
    struct vs_pair more[] = {{VS_STR("s3.anonymous"), VS_STR("true")}, {{NULL, 0}, {NULL, 0}}};
    char headers[4000];
    struct vs_store *store = NULL;
    s3_begin(&f);
    REQUIRE_OK(s3_open_with(&f, "s3://bucket/w", more, &store, &err), err);
    CHECK_STATUS(vs_store_put(store, "a", VS_STR("1"), VS_PUT_ANY, &err), VS_DENIED);
    CHECK(strstr(err.message, "anonymous") != NULL);
    mock_s3_last_headers(f.mock, "PUT", headers, sizeof headers);
    CHECK(headers[0] != '\0' && strstr(headers, "authorization:") == NULL);
    mock_s3_set(f.mock, (struct mock_s3_options){.no_check = true});
    CHECK_OK(vs_store_put(store, "a", VS_STR("1"), VS_PUT_ANY, &err), err);
    vs_store_free(store);
    s3_end(&f);
}

// ---- the start-up test ----

static void check_probe(struct mock_s3_options options, enum vs_status expected, const char *needle)
{
    struct s3_fixture f;
    struct vs_error err = {0};
    s3_begin_with(&f, options, NULL);
    CHECK_STATUS(vs_store_check_writable(f.store, "ns/t/metadata", &err), expected);
    if (expected != VS_OK && strstr(err.message, needle) == NULL) {
        CHECK_TEXT(err.message, needle);
    }
    CHECK_INT(mock_s3_objects(f.mock), 0);
    size_t before = mock_s3_count(f.mock, "");
    CHECK(before > 0 &&
          mock_s3_count(f.mock, "/bucket/w/ns/t/metadata/.vecstore-probe-") == before);
    CHECK_STATUS(vs_store_check_writable(f.store, "other", &err), expected);
    CHECK(expected != VS_OK || mock_s3_count(f.mock, "") == before); // proved once
    s3_end(&f);
}

static void case_probe(void)
{
    check_probe((struct mock_s3_options){0}, VS_OK, "");
    check_probe((struct mock_s3_options){.ignore_conditions = true}, VS_UNSUPPORTED,
                "although its If-Match names another state");
    check_probe((struct mock_s3_options){.ignore_on_overwrite = true}, VS_UNSUPPORTED,
                "for an object that was overwritten");
    check_probe((struct mock_s3_options){.always_ok = true}, VS_UNSUPPORTED,
                "although its If-Match names another state");
    check_probe((struct mock_s3_options){.ignore_match = true}, VS_UNSUPPORTED,
                "although its If-Match names another state");
    check_probe((struct mock_s3_options){.region = "xx-1", .clock_ms = 86400000}, VS_OK, "");
}

TEST_MAIN(TEST(case_settings),
          TEST(case_uris),
          TEST(case_keys_on_the_wire),
          TEST(case_retries),
          TEST(case_no_retry_of_refusals),
          TEST(case_attempts_are_bounded),
          TEST(case_retry_after_is_honoured),
          TEST(case_nobody_listens),
          TEST(case_conditional_outcomes),
          TEST(case_conditions),
          TEST(case_region_is_learned),
          TEST(case_clock_is_repaired),
          TEST(case_expired_token_is_refreshed_once),
          TEST(case_absent_or_unknown_user),
          TEST(case_anonymous),
          TEST(case_probe))
