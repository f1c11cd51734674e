// SPDX-License-Identifier: Apache-2.0
/*
 * Requests to one REST catalog: addresses, headers, authentication, repeats, sentences for what
 * fails.
 *
 * A request goes out once (vs_rest_send: at most twice, when a token was refused and so nothing was
 * processed), or under the rules for requests that are no commits (vs_rest_call). Ownership: a
 * client owns its HTTP client, configuration and tokens. Threads: may be shared.
 */
#ifndef VS_CATALOG_REST_CLIENT_H
#define VS_CATALOG_REST_CLIENT_H

#include "vecstore/catalog/rest_answer.h"
#include "vecstore/catalog/rest_auth.h"

#define VS_REST_URL_MAX ((size_t)16 << 10)
#define VS_REST_BODY_MAX ((size_t)1 << 30) // requests and answers with table metadata

struct vs_rest_client {
    const struct vs_env *env;
    struct vs_http_client *http;
    struct vs_rest_auth *auth;
    struct vs_rest_config config;
    char *base;       // "https://host/path", no trailing slash
    bool is_loopback; // of base
    bool allow_files; // rest.allow-file-locations
    int64_t timeout_ms;
    size_t header_count; // header.* of the settings, in config.arena
    struct vs_pair *headers;
};

// Asks the service for its configuration. uri: "http(s)://host[:port][/path]"; warehouse may be
// NULL.
enum vs_status vs_rest_client_new(const struct vs_env *env,
                                  const char *uri,
                                  const char *warehouse,
                                  const struct vs_settings *settings,
                                  struct vs_rest_client **client_out,
                                  struct vs_error *err);
void vs_rest_client_free(struct vs_rest_client *client); // accepts NULL

// ---- addresses ----

struct vs_rest_name { // "a.b.table": namespace "a.b" of two levels, table "table"
    struct vs_str ns, table;
};

struct vs_rest_name vs_rest_name_of(const char *name); // without a dot: namespace "default"
// "<base>/v1[/prefix]" and tail, into url (reset first).
enum vs_status vs_rest_url(const struct vs_rest_client *client,
                           const char *tail,
                           struct vs_buf *url,
                           struct vs_error *err);
// "<base>/v1[/prefix]/namespaces/<ns>" and tail.
enum vs_status vs_rest_url_namespace(const struct vs_rest_client *client,
                                     struct vs_str ns,
                                     const char *tail,
                                     struct vs_buf *url,
                                     struct vs_error *err);
enum vs_status vs_rest_url_table(const struct vs_rest_client *client,
                                 const char *name,
                                 const char *tail,
                                 struct vs_buf *url,
                                 struct vs_error *err);
// Appends the levels joined by the separator, percent-encoded.
enum vs_status vs_rest_append_namespace(const struct vs_rest_client *client,
                                        struct vs_str ns,
                                        struct vs_buf *url,
                                        struct vs_error *err);
// ["a","b"] of "a.b".
void vs_rest_write_namespace(struct vs_json_writer *w, struct vs_str ns);

// ---- requests ----

struct vs_rest_request {
    enum vs_http_method method;
    struct vs_buf *url;          // NUL-terminated by the sender
    struct vs_str body;          // JSON; empty: none
    const char *if_none_match;   // ETag; NULL: none
    const char *idempotency_key; // sent only where the service advertises it; NULL: none
    bool wants_credentials;      // X-Iceberg-Access-Delegation
    bool fresh_connection;       // commits (R2)
    const struct vs_op *op;      // bounds the waiting; may be NULL
    const char *what;            // "load table 'a.b'": for messages
};

// Sends once; again with a fresh token when that was refused.
enum vs_status vs_rest_send(struct vs_rest_client *client,
                            const struct vs_rest_request *request,
                            struct vs_http_response *response,
                            struct vs_error *err);
// Sends until there is an answer: reads (GET, HEAD), and what carries an idempotency key that the
// service knows, again after failures; others only where nothing was processed. VS_OK: 2xx or 304.
// UNKNOWN: a change that may have been made.
enum vs_status vs_rest_call(struct vs_rest_client *client,
                            const struct vs_rest_request *request,
                            struct vs_http_response *response,
                            struct vs_error *err);
// The sentence for an answer that is no success, with the status of the rule table.
enum vs_status vs_rest_fail(const struct vs_rest_client *client,
                            const struct vs_http_response *response,
                            const char *what,
                            struct vs_error *err);
// Milliseconds to wait that Retry-After asks for (at most 30 s); -1 when it is absent.
int64_t vs_rest_retry_after_ms(const struct vs_http_response *response);
// Full jitter; false when the deadline of op would pass (then without waiting) or it is cancelled.
bool vs_rest_wait(const struct vs_rest_client *client,
                  const struct vs_op *op,
                  unsigned attempt,
                  int64_t at_least_ms);

#endif
