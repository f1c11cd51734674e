// SPDX-License-Identifier: Apache-2.0
/*
 * What the client (http_client.c: settings, lanes, how many requests may be under way), its
 * transport (http_lane.c: libcurl) and http_message.c (what a request and an answer consist of)
 * share; included by these alone. Threads: a lane is used by one thread at a time.
 */
#ifndef VS_OBJECT_HTTP_INTERNAL_H
#define VS_OBJECT_HTTP_INTERNAL_H

#include "vecstore/object/http_client.h"

#define VS_HTTP_HEADER_LINE_LIMIT ((size_t)64 << 10) // name and value

// INVALID for what must not go on the wire: other schemes, user names in URLs, line breaks and
// other control characters, headers that the transport sets, TLS without verification beyond
// loopback.
enum vs_status vs_http_check_request(const struct vs_http_request *request,
                                     bool tls_verify,
                                     struct vs_error *err);

// The settings of a client. The texts are owned by it; NULL: as the transport has it.
struct vs_http_options {
    const struct vs_env *env;
    size_t max_connections;
    int64_t connect_timeout_ms;
    bool tls_verify;
    char *proxy, *ca_file, *ca_path, *user_agent;
};

// Connections kept alive, and what drives requests on them.
struct vs_http_lane {
    struct vs_http_lane *next;
    size_t peak; // most connections it may have kept
};

struct vs_http_batch {
    const struct vs_http_request *requests;
    struct vs_http_response *responses; // reset; they say "not sent"
    size_t count, parallel;
};

enum vs_status vs_http_global_init(struct vs_error *err); // as often as one likes, from any thread
// options are borrowed until free.
enum vs_status vs_http_lane_new(const struct vs_http_options *options,
                                struct vs_http_lane **lane_out,
                                struct vs_error *err);
void vs_http_lane_free(struct vs_http_lane *base); // accepts NULL
// Room for so many requests side by side: as many as `parallel` of the next batch.
enum vs_status vs_http_lane_reserve(struct vs_http_lane *base, size_t count, struct vs_error *err);
// Sends and waits (vs_http_send_many). After a failure nothing is under way any more.
enum vs_status vs_http_lane_drive(struct vs_http_lane *base,
                                  const struct vs_http_batch *batch,
                                  struct vs_error *err);

#endif
