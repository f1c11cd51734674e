// SPDX-License-Identifier: Apache-2.0
/*
 * What a request must look like before anything acts on it: pure functions over the raw request
 * target and the headers.
 *
 * The HTTP library below accepts several forms that two parties can read differently (two lengths,
 * a length and chunks, blanks in header names, encoded NULs and slashes). Each of them ends the
 * connection. docs/internals/http.md has the list. Ownership: borrows; messages are literals.
 * Threads: a struct vs_guard belongs to one request.
 */
#ifndef VS_HTTP_GUARD_H
#define VS_HTTP_GUARD_H

#include "vecstore/base/str.h"

#define VS_GUARD_TARGET_BYTES 4096
#define VS_GUARD_HEADER_BYTES 32768

struct vs_guard {
    unsigned content_length_count, transfer_encoding_count, host_count;
    bool bad_name, bad_value, bad_length, not_chunked, foreign_host;
    uint64_t content_length; // 0 when there is none
    size_t header_bytes;
};

struct vs_verdict {
    unsigned code;       // HTTP status, 0: pass
    const char *message; // why
};

// The request target as it stood on the wire, before any decoding.
struct vs_verdict vs_guard_target(struct vs_str target);
// Once per header line; judge after the last one.
void vs_guard_header(struct vs_guard *guard, struct vs_str name, struct vs_str value);
struct vs_verdict vs_guard_judge(const struct vs_guard *guard);

#endif
