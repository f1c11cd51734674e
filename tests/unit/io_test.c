// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/fd.h"
#include "vecstore/base/io.h"

#include <errno.h>

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

static void case_descriptors(void)
{
    static uint8_t bytes[100000], found[100000];
    FILE *file = tmpfile();
    REQUIRE(file != NULL);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 31 >> 3);
    }
    CHECK(vs_fd_write(fileno(file), bytes, sizeof bytes, 12));
    CHECK(vs_fd_read(fileno(file), found, sizeof found, 12));
    CHECK(memcmp(bytes, found, sizeof bytes) == 0);
    CHECK(vs_fd_read(fileno(file), found, 3, 9) && found[0] == 0 && found[2] == 0);
    CHECK(vs_fd_read(fileno(file), found, 0, 1 << 20));
    errno = 0;
    CHECK(!vs_fd_read(fileno(file), found, 2, sizeof bytes + 11)); // one byte is left there
    CHECK_INT(errno, EIO);
    CHECK(!vs_fd_write(-1, bytes, 1, 0));
    CHECK_INT(errno, EBADF);
    fclose(file);
}

TEST_MAIN(TEST(case_bytes_file), TEST(case_descriptors))
