// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang_analyzer__ // defined here, so no hints
#    undef vs_fail
#    undef vs_fail_errno
#    undef vs_wrap
#endif

static const char *const status_names[VS_STATUS_COUNT] = {
    [VS_OK] = "OK",
    [VS_INVALID] = "INVALID",
    [VS_NOT_FOUND] = "NOT_FOUND",
    [VS_EXISTS] = "EXISTS",
    [VS_CONFLICT] = "CONFLICT",
    [VS_DENIED] = "DENIED",
    [VS_UNAUTHENTICATED] = "UNAUTHENTICATED",
    [VS_CORRUPT] = "CORRUPT",
    [VS_UNSUPPORTED] = "UNSUPPORTED",
    [VS_LIMIT] = "LIMIT",
    [VS_UNAVAILABLE] = "UNAVAILABLE",
    [VS_TIMEOUT] = "TIMEOUT",
    [VS_CANCELLED] = "CANCELLED",
    [VS_NO_MEMORY] = "NO_MEMORY",
    [VS_INTERNAL] = "INTERNAL",
    [VS_UNKNOWN] = "UNKNOWN",
};

// A message that filled its buffer may end inside a UTF-8 sequence: drop the incomplete one.
static void trim_cut_utf8(char *message, size_t size)
{
    size_t len = strlen(message);
    if (len + 1 < size) {
        return;
    }
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)message[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    if (start == 0 || (unsigned char)message[start - 1] < 0xC0) {
        return;
    }
    unsigned char lead = (unsigned char)message[start - 1];
    size_t want = lead >= 0xF0 ? 4 : (lead >= 0xE0 ? 3 : 2);
    if (len - (start - 1) < want) {
        message[start - 1] = '\0';
    }
}

static void set_message(struct vs_error *err, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void set_message(struct vs_error *err, const char *format, va_list args)
{
    if (vsnprintf(err->message, sizeof err->message, format, args) < 0) {
        err->message[0] = '\0';
    }
    trim_cut_utf8(err->message, sizeof err->message);
}

// Appends ": reason", cut at the end of the buffer.
static void append_reason(struct vs_error *err, const char *reason)
{
    const char *parts[] = {": ", reason};
    size_t len = strlen(err->message);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t room = sizeof err->message - 1 - len;
        size_t n = strnlen(parts[i], room);
        memcpy(err->message + len, parts[i], n);
        len += n;
    }
    err->message[len] = '\0';
    trim_cut_utf8(err->message, sizeof err->message);
}

enum vs_status vs_fail(struct vs_error *err, enum vs_status code, const char *format, ...)
{
    if (err != NULL) {
        // Arguments may borrow from *err, so the text is made aside first.
        struct vs_error fresh = {.code = code, .system_code = 0};
        va_list args;
        va_start(args, format);
        set_message(&fresh, format, args);
        va_end(args);
        *err = fresh;
    }
    return code;
}

static enum vs_status status_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOENT:
        return VS_NOT_FOUND;
    case EEXIST:
        return VS_EXISTS;
    case EACCES:
    case EPERM:
        return VS_DENIED;
    case ENOMEM:
        return VS_NO_MEMORY;
    default:
        return VS_UNAVAILABLE;
    }
}

enum vs_status vs_fail_errno(struct vs_error *err, int errno_value, const char *format, ...)
{
    enum vs_status code = status_of_errno(errno_value);
    if (err != NULL) {
        struct vs_error fresh = {.code = code, .system_code = errno_value};
        va_list args;
        va_start(args, format);
        set_message(&fresh, format, args);
        va_end(args);
        // Static text, safe from any thread, unlike strerror.
        const char *reason = strerrordesc_np(errno_value);
        append_reason(&fresh, reason != NULL ? reason : "unknown system error");
        *err = fresh;
    }
    return code;
}

enum vs_status vs_wrap(struct vs_error *err, enum vs_status code, const char *format, ...)
{
    if (err == NULL) {
        return code;
    }
    struct vs_error fresh = {.code = err->code, .system_code = err->system_code};
    va_list args;
    va_start(args, format);
    set_message(&fresh, format, args);
    va_end(args);
    append_reason(&fresh, err->message);
    *err = fresh;
    return fresh.code;
}

void vs_error_clear(struct vs_error *err)
{
    if (err != NULL) {
        err->code = VS_OK;
        err->system_code = 0;
        err->message[0] = '\0';
    }
}

const char *vs_status_name(enum vs_status code)
{
    unsigned index = (unsigned)code;
    return index < VS_STATUS_COUNT ? status_names[index] : "INVALID_STATUS";
}

bool vs_status_is_retryable(enum vs_status code)
{
    return code == VS_CONFLICT || code == VS_UNAVAILABLE || code == VS_TIMEOUT;
}

enum vs_status vs_status_definite(enum vs_status status, struct vs_error *err)
{
    if (status != VS_UNKNOWN) {
        return status;
    }
    if (err != NULL) {
        err->code = VS_UNAVAILABLE;
    }
    return vs_wrap(err, VS_UNAVAILABLE, "nothing was committed");
}
