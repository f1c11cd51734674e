// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/buf.h"

static void case_appends(void)
{
    struct vs_error err;
    struct vs_buf buf;
    vs_buf_init(&buf, vs_env_default(), 100000);
    CHECK_INT(vs_buf_view(&buf).len, 0);
    CHECK_OK(vs_buf_append_c(&buf, "ab", &err), err);
    CHECK_OK(vs_buf_append_str(&buf, VS_STR("cd"), &err), err);
    CHECK_OK(vs_buf_append_byte(&buf, 'e', &err), err);
    CHECK_OK(vs_buf_append(&buf, NULL, 0, &err), err);
    CHECK_OK(vs_buf_printf(&buf, &err, "-%04d-", 7), err);
    CHECK_TEXT(vs_buf_c_str(&buf), "abcde-0007-");
    CHECK_INT(buf.len, 11);
    CHECK_OK(vs_buf_printf(&buf, &err, "%5000d", 1), err); // longer than the short-text buffer
    CHECK_INT(buf.len, 5011);
    CHECK_INT(buf.data[5010], '1');
    CHECK_OK(vs_buf_append_zeros(&buf, 3, &err), err);
    CHECK_INT(buf.data[5012], 0);
    vs_buf_reset(&buf);
    CHECK_TEXT(vs_buf_c_str(&buf), "");
    vs_buf_clear(&buf);
    vs_buf_clear(&buf);
    struct vs_buf zeroed = {0};
    vs_buf_clear(&zeroed);
}

static void case_limit_is_hard(void)
{
    struct vs_error err;
    struct test_env test;
    struct vs_buf buf;
    test_env_init(&test);
    vs_buf_init(&buf, &test.env, 10);
    CHECK_OK(vs_buf_append_c(&buf, "0123456789", &err), err);
    CHECK_STATUS(vs_buf_append_byte(&buf, 'x', &err), VS_LIMIT);
    CHECK_STATUS(vs_buf_append_c(&buf, "x", &err), VS_LIMIT);
    CHECK_STATUS(vs_buf_printf(&buf, &err, "%d", 1), VS_LIMIT);
    CHECK_STATUS(vs_buf_append_zeros(&buf, SIZE_MAX, &err), VS_LIMIT);
    CHECK_STATUS(vs_buf_reserve(&buf, 1, NULL), VS_LIMIT);
    CHECK_TEXT(vs_buf_c_str(&buf), "0123456789"); // the NUL is not content
    CHECK_STATUS(vs_buf_append_byte(&buf, 'x', &err), VS_LIMIT);
    CHECK_INT(buf.len, 10);
    vs_buf_clear(&buf);
    CHECK_INT(test.live, 0);
}

static void case_take(void)
{
    struct vs_error err;
    struct test_env test;
    struct vs_buf buf;
    size_t len = 0;
    test_env_init(&test);
    vs_buf_init(&buf, &test.env, 100);
    CHECK_OK(vs_buf_append_c(&buf, "abc", &err), err);
    uint8_t *bytes = vs_buf_take(&buf, &len);
    CHECK_INT(len, 3);
    CHECK(bytes != NULL && memcmp(bytes, "abc", 3) == 0);
    CHECK(buf.len == 0 && buf.data == NULL);
    vs_free(&test.env, bytes);
    vs_buf_clear(&buf);
    CHECK_INT(test.live, 0);
}

static void case_out_of_memory_changes_nothing(void)
{
    struct vs_error err;
    struct test_env test;
    struct vs_buf buf;
    test_env_init(&test);
    vs_buf_init(&buf, &test.env, SIZE_MAX);
    CHECK_OK(vs_buf_append_c(&buf, "abc", &err), err);
    test.fail_at = atomic_load(&test.calls);
    test.fail_on = true;
    CHECK_STATUS(vs_buf_append_zeros(&buf, 1000, &err), VS_NO_MEMORY);
    CHECK_STATUS(vs_buf_printf(&buf, &err, "%1000d", 1), VS_NO_MEMORY);
    CHECK_INT(buf.len, 3);
    CHECK(memcmp(buf.data, "abc", 3) == 0);
    vs_buf_clear(&buf);
    CHECK_INT(test.live, 0);
}

TEST_MAIN(TEST(case_appends),
          TEST(case_limit_is_hard),
          TEST(case_take),
          TEST(case_out_of_memory_changes_nothing))
