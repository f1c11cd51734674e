// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP requests to object stores and catalogs; libcurl is known to http_lane.c alone.
 *
 * One client keeps connections alive and drives any number of requests side by side (curl's multi
 * interface). A request is sent at most once by this layer, whatever happens: retries are the
 * caller's, who knows what may be repeated (iceberg.md 2.3; libcurl re-sends by itself on a reused
 * connection that dies, which `fresh_connection` rules out). Redirects are never followed.
 * Protocols: http and https only. Ownership: everything in a request is borrowed until it returns;
 * response buffers are the caller's. Threads: a client may be shared.
 */
#ifndef VS_OBJECT_HTTP_CLIENT_H
#define VS_OBJECT_HTTP_CLIENT_H

#include "vecstore/base/buf.h"
#include "vecstore/base/env.h"
#include "vecstore/base/settings.h"

struct vs_http_client;

// Settings: http.proxy (else the usual environment variables), http.ca-file, http.ca-path,
// http.tls-verify (false only for tests on loopback), http.connect-timeout-ms (5000),
// http.max-connections (64), http.user-agent.
enum vs_status vs_http_client_new(const struct vs_env *env,
                                  const struct vs_settings *settings,
                                  struct vs_http_client **client_out,
                                  struct vs_error *err);
void vs_http_client_free(struct vs_http_client *client); // accepts NULL

enum vs_http_method { VS_HTTP_GET, VS_HTTP_HEAD, VS_HTTP_PUT, VS_HTTP_POST, VS_HTTP_DELETE };

struct vs_http_request {
    enum vs_http_method method;
    const char *url;               // as it goes on the wire: already percent-encoded
    const struct vs_pair *headers; // besides Host and Content-Length; CR or LF in one is INVALID
    size_t header_count;
    struct vs_str body;
    int64_t timeout_ms;    // of the whole request; 0: 60,000
    bool fresh_connection; // commits (R2)
    // Where the body of an answer with status 200..299 goes: either a caller's memory of exactly
    // this size (range reads) or the response's buffer.
    void *dst;
    size_t dst_size;
};

// What became of it, as far as the transport can tell.
enum vs_http_outcome {
    VS_HTTP_ANSWERED,  // an answer came in whole: look at status
    VS_HTTP_NOT_SENT,  // certainly nothing reached the server (no connection, name, proxy, TLS)
    VS_HTTP_AMBIGUOUS, // the request may have arrived; no (whole) answer came back
};

struct vs_http_response {
    enum vs_http_outcome outcome;
    int status;            // 0 without an answer
    struct vs_buf headers; // "name: value\n" lines, names in lower case
    struct vs_buf body;    // up to its limit, which the caller sets by vs_buf_init
    size_t dst_len;        // bytes written to dst
    bool more_than_asked;  // ambiguous since a body came that is longer than dst_size
    char failure[256];     // why there is no answer ("Connection refused"); "" otherwise
};

void vs_http_response_init(struct vs_http_response *response,
                           const struct vs_env *env,
                           size_t body_limit);
void vs_http_response_clear(struct vs_http_response *response);
// The value of a header (name in lower case); ptr == NULL when absent. Borrowed.
struct vs_str vs_http_header(const struct vs_http_response *response, const char *name);

// Sends and waits. A status code is no error here: VS_OK whenever the outcome could be told; only
// INVALID (a malformed request), NO_MEMORY and LIMIT (body larger than its buffer allows) fail.
enum vs_status vs_http_send(struct vs_http_client *client,
                            const struct vs_http_request *request,
                            struct vs_http_response *response,
                            struct vs_error *err);
// Many side by side, at most `parallel` at a time; responses[i] belongs to requests[i].
enum vs_status vs_http_send_many(struct vs_http_client *client,
                                 const struct vs_http_request *requests,
                                 struct vs_http_response *responses,
                                 size_t count,
                                 size_t parallel,
                                 struct vs_error *err);

// Percent-encodes everything but A-Z a-z 0-9 - . _ ~ (and '/' when keep_slash), upper-case hex.
enum vs_status vs_url_encode(struct vs_str text,
                             bool keep_slash,
                             struct vs_buf *out,
                             struct vs_error *err);
// Takes percent-encoding away; what is none stays as it is. plus_is_blank: as in a form.
enum vs_status vs_url_decode(struct vs_str text,
                             bool plus_is_blank,
                             struct vs_buf *out,
                             struct vs_error *err);

#endif
