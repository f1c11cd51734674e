// SPDX-License-Identifier: Apache-2.0
/*
 * What goes back: a status, a JSON body, and the few headers that depend on the answer.
 *
 * Ownership: the reply owns its body until vs_reply_clear. Threads: belongs to one request.
 */
#ifndef VS_HTTP_RESPOND_H
#define VS_HTTP_RESPOND_H

#include "vecstore/base/buf.h"

#define VS_REPLY_LIMIT ((size_t)256 << 20) // most bytes of one answer
#define VS_ALLOW_SIZE 32

struct vs_reply {
    unsigned code;
    struct vs_buf body;        // JSON
    bool close;                // "Connection: close"
    bool retry;                // "Retry-After"
    char allow[VS_ALLOW_SIZE]; // "Allow" of a 405; empty: none
};

void vs_reply_init(struct vs_reply *reply, const struct vs_env *env);
void vs_reply_clear(struct vs_reply *reply);

// Replaces the reply by {"error":{"code","message","reason","request_id"}}. When even that cannot
// be allocated the body is empty.
void vs_reply_fail(struct vs_reply *reply,
                   unsigned code,
                   enum vs_status reason,
                   const char *message,
                   const char *request_id);
// The same from an error of the library.
void vs_reply_error(struct vs_reply *reply,
                    enum vs_status status,
                    const struct vs_error *error,
                    const char *request_id);

#endif
