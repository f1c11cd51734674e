// SPDX-License-Identifier: Apache-2.0
/*
 * An S3 server inside the program with a store on it, shared by the tests of the S3 store.
 */
#ifndef VS_TESTS_STORE_S3_FIXTURE_H
#define VS_TESTS_STORE_S3_FIXTURE_H

#include "tests/support/check.h"
#include "tests/support/mock_s3.h"
#include "tests/support/test_env.h"
#include "vecstore/object/store.h"

#define MIB ((size_t)1 << 20)

struct s3_fixture {
    struct test_env test;
    struct mock_s3 *mock;
    struct vs_store *store;
};

#define S3_PAIRS_MAX 16

// Opens a store with the mock's settings and more, which win. more ends with an empty key.
static inline enum vs_status s3_open_with(struct s3_fixture *f,
                                          const char *uri,
                                          const struct vs_pair *more,
                                          struct vs_store **store_out,
                                          struct vs_error *err)
{
    struct vs_pair pairs[S3_PAIRS_MAX] = {
        {VS_STR("s3.endpoint"), vs_str_from_c(mock_s3_endpoint(f->mock))},
        {VS_STR("s3.access-key-id"), VS_STR(MOCK_S3_ACCESS_KEY)},
        {VS_STR("s3.secret-access-key"), VS_STR(MOCK_S3_SECRET_KEY)},
        {VS_STR("client.region"), VS_STR("us-east-1")},
        {VS_STR("s3.retry.base-ms"), VS_STR("1")},
    };
    size_t count = 5;
    for (size_t i = 0; more != NULL && more[i].key.len > 0 && count < S3_PAIRS_MAX; i++) {
        pairs[count++] = more[i];
    }
    struct vs_settings settings = {pairs, count};
    return vs_store_open_with(&f->test.env, uri, &settings, false, store_out, err);
}

static inline void s3_begin_with(struct s3_fixture *f,
                                 struct mock_s3_options options,
                                 const struct vs_pair *more)
{
    struct vs_error err;
    memset(f, 0, sizeof *f);
    test_env_init(&f->test);
    f->mock = mock_s3_start();
    REQUIRE(f->mock != NULL);
    mock_s3_set(f->mock, options);
    CHECK_OK(s3_open_with(f, "s3://bucket/w", more, &f->store, &err), err);
}

static inline void s3_begin(struct s3_fixture *f)
{
    s3_begin_with(f, (struct mock_s3_options){0}, NULL);
}

static inline void s3_end(struct s3_fixture *f)
{
    vs_store_free(f->store);
    mock_s3_stop(f->mock);
    CHECK_INT(f->test.live, 0);
}

static inline void s3_check_content(struct s3_fixture *f, const char *key, const char *expected)
{
    struct vs_error err;
    struct vs_buf buf;
    vs_buf_init(&buf, &f->test.env, MIB);
    CHECK_OK(vs_store_get(f->store, key, &buf, &err), err);
    CHECK_TEXT(vs_buf_c_str(&buf), expected);
    vs_buf_clear(&buf);
}

// An object of n bytes that are different everywhere.
static inline void s3_fill(uint8_t *bytes, size_t n)
{
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (uint8_t)state;
    }
}

#endif
