// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP service over an opened warehouse. A client of api/vecstore.h only.
 *
 * Loopback addresses need no token; any other address is refused until tokens exist (VS_DENIED with
 * the sentence why). Threads: start and stop from one thread; the server runs its own.
 */
#ifndef VS_HTTP_SERVER_H
#define VS_HTTP_SERVER_H

#include "api/vecstore.h"

struct vs_server;

struct vs_server_options {
    size_t size;
    const char *listen;            // "127.0.0.1:8080" (NULL), "[::1]:8080"; port 0 picks a free one
    size_t thread_count;           // 0: all processors
    size_t max_body_bytes;         // 0: 8 MiB
    size_t max_connections;        // 0: 1024
    size_t max_connections_per_ip; // 0: 128 (loopback: max_connections)
    int64_t header_deadline_ms;    // whole request head and body must have arrived; 0: 10,000
    int64_t default_timeout_ms;    // of a query; 0: 1,000
    int64_t max_timeout_ms;        // 0: 30,000
};

// Borrows env, db. Listens when it returns.
enum vs_status vs_server_start(const struct vs_env *env,
                               struct vs_db *db,
                               const struct vs_server_options *options,
                               struct vs_server **server_out,
                               struct vs_error *err);
// "http://127.0.0.1:8080"; lives as long as the server.
const char *vs_server_url(const struct vs_server *server);
// /readyz answers 503 from now on; requests are still served.
void vs_server_drain(struct vs_server *server);
// Stops accepting, finishes what is in flight, at most grace_ms; frees. Accepts NULL.
void vs_server_stop(struct vs_server *server, int64_t grace_ms);

#endif
