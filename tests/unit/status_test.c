// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/status.h"
#include "vecstore/base/str.h"

#include <errno.h>

static void case_fail_sets_code_and_text(void)
{
    struct vs_error err = {.system_code = 7};
    CHECK_STATUS(vs_fail(&err, VS_CORRUPT, "file %s is %d bytes short", "a.avro", 3), VS_CORRUPT);
    CHECK_INT(err.code, VS_CORRUPT);
    CHECK_INT(err.system_code, 0);
    CHECK_TEXT(err.message, "file a.avro is 3 bytes short");
    CHECK_STATUS(vs_fail(NULL, VS_LIMIT, "nobody listens"), VS_LIMIT);
}

static void case_errno_maps_to_status(void)
{
    static const struct {
        int value;
        enum vs_status code;
        const char *message;
    } rows[] = {
        {ENOENT, VS_NOT_FOUND, "cannot open x: No such file or directory"},
        {EEXIST, VS_EXISTS, "cannot open x: File exists"},
        {EACCES, VS_DENIED, "cannot open x: Permission denied"},
        {EPERM, VS_DENIED, "cannot open x: Operation not permitted"},
        {ENOMEM, VS_NO_MEMORY, "cannot open x: Cannot allocate memory"},
        {EIO, VS_UNAVAILABLE, "cannot open x: Input/output error"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err;
        CHECK_STATUS(vs_fail_errno(&err, rows[i].value, "cannot open %s", "x"), rows[i].code);
        CHECK_INT(err.system_code, rows[i].value);
        CHECK_TEXT(err.message, rows[i].message);
    }
    CHECK_STATUS(vs_fail_errno(NULL, EIO, "x"), VS_UNAVAILABLE);
}

static void case_wrap_puts_context_in_front(void)
{
    struct vs_error err;
    vs_ignore(vs_fail_errno(&err, EIO, "cannot read b"));
    CHECK_STATUS(vs_wrap(&err, VS_CORRUPT, "while reading manifest %s", "m"), VS_UNAVAILABLE);
    CHECK_TEXT(err.message, "while reading manifest m: cannot read b: Input/output error");
    CHECK_INT(err.system_code, EIO);
    CHECK_STATUS(vs_wrap(NULL, VS_CORRUPT, "x"), VS_CORRUPT);
    vs_error_clear(&err);
    CHECK_INT(err.code, VS_OK);
    CHECK_TEXT(err.message, "");
}

static void case_long_text_is_cut_at_a_character(void)
{
    char text[VS_ERROR_MESSAGE_SIZE * 2];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 4 < sizeof text; i += 4) {
            memcpy(text + i, "\xF0\x9F\x98\x80", 5);
        }
        struct vs_error err;
        vs_ignore(vs_fail(&err, VS_INVALID, "%s", text));
        CHECK(strlen(err.message) > VS_ERROR_MESSAGE_SIZE - 5);
        CHECK(vs_utf8_validate(vs_str_from_c(err.message)));
        vs_ignore(vs_wrap(&err, VS_INVALID, "é"));
        CHECK(vs_utf8_validate(vs_str_from_c(err.message)));
        CHECK(strncmp(err.message, "é: ", 4) == 0);
    }
}

static void case_names_and_retryable(void)
{
    CHECK_TEXT(vs_status_name(VS_OK), "OK");
    CHECK_TEXT(vs_status_name(VS_UNKNOWN), "UNKNOWN");
    CHECK_TEXT(vs_status_name((enum vs_status)99), "INVALID_STATUS");
    int retryable = 0;
    for (int code = 0; code < VS_STATUS_COUNT; code++) {
        CHECK(strlen(vs_status_name((enum vs_status)code)) > 1);
        retryable += vs_status_is_retryable((enum vs_status)code);
    }
    CHECK_INT(retryable, 3);
    CHECK(vs_status_is_retryable(VS_CONFLICT) && vs_status_is_retryable(VS_UNAVAILABLE));
    CHECK(vs_status_is_retryable(VS_TIMEOUT) && !vs_status_is_retryable(VS_UNKNOWN));
}

static void case_definite(void)
{
    struct vs_error err = {0};
    CHECK_INT(vs_status_definite(VS_OK, &err), VS_OK);
    CHECK_INT(vs_status_definite(vs_fail(&err, VS_DENIED, "no"), &err), VS_DENIED);
    CHECK_INT(vs_status_definite(vs_fail(&err, VS_UNKNOWN, "sync failed"), &err), VS_UNAVAILABLE);
    CHECK_INT(err.code, VS_UNAVAILABLE);
    CHECK_TEXT(err.message, "nothing was committed: sync failed");
    CHECK_INT(vs_status_definite(VS_UNKNOWN, NULL), VS_UNAVAILABLE);
}

TEST_MAIN(TEST(case_fail_sets_code_and_text),
          TEST(case_errno_maps_to_status),
          TEST(case_wrap_puts_context_in_front),
          TEST(case_definite),
          TEST(case_long_text_is_cut_at_a_character),
          TEST(case_names_and_retryable))
