// SPDX-License-Identifier: Apache-2.0
/*
 * Errors as values: a code that programs act on and a sentence that people act on.
 *
 * Role: every fallible function returns enum vs_status and takes a caller-owned struct vs_error as
 * its last parameter (may be NULL). Nothing on the failure path allocates or touches thread-local
 * state. Threads: a struct vs_error belongs to one caller. See docs/adr/0001-error-object.md.
 */
#ifndef VS_BASE_STATUS_H
#define VS_BASE_STATUS_H

#include <stdbool.h>

enum vs_status {
    VS_OK = 0,
    VS_INVALID = 1,         // the caller's input is wrong; repeating it cannot help
    VS_NOT_FOUND = 2,       // the named object does not exist
    VS_EXISTS = 3,          // the named object exists already
    VS_CONFLICT = 4,        // lost a commit race; reload and try again
    VS_DENIED = 5,          // not permitted
    VS_UNAUTHENTICATED = 6, // no or bad credentials
    VS_CORRUPT = 7,         // stored bytes contradict their format
    VS_UNSUPPORTED = 8,     // well-formed, but this version cannot honour it
    VS_LIMIT = 9,           // a stated bound is exceeded
    VS_UNAVAILABLE = 10,    // I/O or a service failed; a retry may help
    VS_TIMEOUT = 11,        // the deadline passed
    VS_CANCELLED = 12,      // the caller asked to stop
    VS_NO_MEMORY = 13,      // an allocation failed or the memory budget is spent
    VS_INTERNAL = 14,       // our own mistake
    VS_UNKNOWN =
        15, // a commit whose outcome could not be found out: never delete, never blindly retry
};

#define VS_STATUS_COUNT 16

#define VS_ERROR_MESSAGE_SIZE 512

struct vs_error {
    enum vs_status code;
    int system_code; // errno or HTTP status of the cause, 0 when there is none
    char message[VS_ERROR_MESSAGE_SIZE];
};

#if defined(__GNUC__)
#    define VS_MUST_USE __attribute__((warn_unused_result))
#    define VS_PRINTF(format_index, first_arg)                                                     \
        __attribute__((format(printf, format_index, first_arg)))
#else
#    define VS_MUST_USE
#    define VS_PRINTF(format_index, first_arg)
#endif

// Sets *err (when not NULL) to code and the formatted sentence; returns code, so that raising is
// one line.
enum vs_status vs_fail(struct vs_error *err, enum vs_status code, const char *format, ...)
    VS_PRINTF(3, 4);

// Like vs_fail for a failed system call: appends ": " and the text of errno_value and records it.
// Maps ENOENT to NOT_FOUND, EEXIST to EXISTS, EACCES/EPERM to DENIED, ENOMEM to NO_MEMORY, else
// UNAVAILABLE.
enum vs_status vs_fail_errno(struct vs_error *err, int errno_value, const char *format, ...)
    VS_PRINTF(3, 4);

// Puts "formatted text: " in front of the message of *err on the way up (cut at the end if too
// long); returns its code. With err == NULL returns `code`.
enum vs_status vs_wrap(struct vs_error *err, enum vs_status code, const char *format, ...)
    VS_PRINTF(3, 4);

void vs_error_clear(struct vs_error *err);

// "NOT_FOUND" and so on; stable, used in JSON and logs. Never NULL.
const char *vs_status_name(enum vs_status code);

// True where the same request may succeed later without change (CONFLICT, UNAVAILABLE, TIMEOUT).
bool vs_status_is_retryable(enum vs_status code);

// For an object that nothing names yet: VS_UNKNOWN becomes VS_UNAVAILABLE (nothing was committed,
// at worst the object is an orphan); every other status stays.
enum vs_status vs_status_definite(enum vs_status status, struct vs_error *err);

#ifdef __clang_analyzer__
// The static analyser does not see the bodies of other files: this tells it that a failure is never
// VS_OK, so that it does not follow paths on which a function failed and yet seems to have
// succeeded.
static inline enum vs_status vs_known_failure(enum vs_status result, enum vs_status code)
{
    (void)result;
    return code;
}

#    define vs_fail(err, code, ...) vs_known_failure(vs_fail(err, code, __VA_ARGS__), code)
#    define vs_fail_errno(err, ...)                                                                \
        vs_known_failure(vs_fail_errno(err, __VA_ARGS__), VS_UNAVAILABLE)
#    define vs_wrap(err, code, ...) vs_known_failure(vs_wrap(err, code, __VA_ARGS__), code)
#endif

// States a deliberate ignore of a result.
static inline void vs_ignore(enum vs_status status)
{
    (void)status;
}

// Only in functions that own nothing.
#define VS_TRY(expr)                                                                               \
    do {                                                                                           \
        enum vs_status vs_try_status_ = (expr);                                                    \
        if (vs_try_status_ != VS_OK) {                                                             \
            return vs_try_status_;                                                                 \
        }                                                                                          \
    } while (0)

#endif
