// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/io.h"

static void case_bytes_file(void)
{
    struct vs_error err;
    struct test_env test;
    struct vs_file *file = NULL;
    char out[8] = "-------";
    test_env_init(&test);
    REQUIRE_OK(vs_file_open_bytes(&test.env, VS_STR("hello"), "greeting", &file, &err), err);
    CHECK_INT(file->size, 5);
    CHECK_TEXT(file->name, "greeting");
    CHECK_OK(vs_file_read(file, 1, 3, out, &err), err);
    CHECK_TEXT(out, "ell----");
    CHECK_OK(vs_file_read(file, 5, 0, out, &err), err);
    CHECK_STATUS(vs_file_read(file, 3, 3, out, &err), VS_CORRUPT);
    CHECK_TEXT(err.message, "greeting ends at byte 5, but 3 bytes at byte 3 were asked for");
    CHECK_STATUS(vs_file_read(file, UINT64_MAX, 2, out, &err), VS_CORRUPT);
    vs_file_close(file);
    vs_file_close(NULL);
    vs_writer_free(NULL);
    CHECK_INT(test.live, 0);
    test.fail_at = atomic_load(&test.calls);
    CHECK_STATUS(vs_file_open_bytes(&test.env, VS_STR("x"), "x", &file, &err), VS_NO_MEMORY);
}

TEST_MAIN(TEST(case_bytes_file))
