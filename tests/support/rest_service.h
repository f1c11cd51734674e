// SPDX-License-Identifier: Apache-2.0
/*
 * A catalog service in this process, for tests: each request goes to a handler, which answers,
 * or drops the connection. One thread, one request per connection, loopback.
 */
#ifndef VS_TESTS_REST_SERVICE_H
#define VS_TESTS_REST_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#define REST_BODY_MAX 65536

struct rest_seen { // one request
    char method[16];
    char target[4096];  // path and query, as on the wire
    char headers[8192]; // "name: value\r\n" lines, names in lower case
    char body[REST_BODY_MAX];
    size_t body_len;
};

struct rest_reply {
    int status;
    char headers[1024]; // further lines, each with \r\n
    char body[REST_BODY_MAX];
    bool drop; // no answer: the connection is closed
};

typedef void (*rest_handler_fn)(void *ctx, const struct rest_seen *seen, struct rest_reply *reply);

struct rest_service;

// NULL when no socket can be had. Requests are handled on a thread of its own.
struct rest_service *rest_service_start(rest_handler_fn handler, void *ctx);
int rest_service_port(const struct rest_service *service);
void rest_service_stop(struct rest_service *service);
// The value of a header (name in lower case) into out; false when absent.
bool rest_seen_header(const struct rest_seen *seen, const char *name, char *out, size_t size);

#endif
