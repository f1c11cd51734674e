// SPDX-License-Identifier: Apache-2.0
// One request as it goes on the wire: URL, headers, signature, and what it costs.
#include "vecstore/base/crypto.h"
#include "vecstore/object/s3_internal.h"

#include <stdio.h>
#include <string.h>

#define URL_SIZE_MAX ((size_t)64 << 10)
#define LARGE_BODY ((size_t)64 << 10)
#define SLOWEST_BYTES_PER_MS 1000 // large bodies get more time

void vs_s3_wire_init(struct vs_s3_wire *wire, const struct vs_env *env)
{
    *wire = (struct vs_s3_wire){0};
    vs_buf_init(&wire->url, env, URL_SIZE_MAX);
    vs_buf_init(&wire->auth, env, URL_SIZE_MAX);
    vs_buf_init(&wire->credentials, env, URL_SIZE_MAX);
}

void vs_s3_wire_clear(struct vs_s3_wire *wire)
{
    vs_buf_clear(&wire->url);
    vs_buf_clear(&wire->auth);
    vs_buf_clear(&wire->credentials);
}

void vs_s3_add_header(struct vs_s3_request *request, const char *name, struct vs_str value)
{
    if (request->header_count < VS_S3_HEADERS_MAX) {
        request->headers[request->header_count++] = (struct vs_pair){vs_str_from_c(name), value};
    }
}

void vs_s3_add_sse_headers(const struct vs_s3_store *store, struct vs_s3_request *request)
{
    if (store->sse != NULL) {
        vs_s3_add_header(request, "x-amz-server-side-encryption", vs_str_from_c(store->sse));
    }
    if (store->sse_key != NULL) {
        vs_s3_add_header(request, "x-amz-server-side-encryption-aws-kms-key-id",
                         vs_str_from_c(store->sse_key));
    }
}

enum vs_status vs_s3_full_key(const struct vs_s3_store *store,
                              const char *key,
                              struct vs_buf *out,
                              struct vs_error *err)
{
    if (store->prefix[0] != '\0') {
        VS_TRY(vs_buf_append_c(out, store->prefix, err));
        VS_TRY(vs_buf_append_byte(out, '/', err));
    }
    return vs_buf_append_c(out, key, err);
}

// Host and port that requests go to, appended.
static enum vs_status append_host(const struct vs_s3_store *store,
                                  const char *region,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    if (!store->config.path_style) {
        VS_TRY(vs_buf_append_c(out, store->bucket, err));
        VS_TRY(vs_buf_append_byte(out, '.', err));
    }
    if (store->authority != NULL) {
        return vs_buf_append_c(out, store->authority, err);
    }
    const char *domain = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
    return vs_buf_printf(out, err, "s3.%s.%s", region, domain);
}

static enum vs_status append_path(const struct vs_s3_store *store,
                                  const char *key,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    VS_TRY(vs_buf_append_c(out, store->base_path, err));
    VS_TRY(vs_buf_append_byte(out, '/', err));
    if (store->config.path_style) {
        VS_TRY(vs_buf_append_c(out, store->bucket, err));
        if (key != NULL) {
            VS_TRY(vs_buf_append_byte(out, '/', err));
        }
    }
    if (key == NULL) {
        return VS_OK;
    }
    if (store->prefix[0] != '\0') {
        VS_TRY(vs_url_encode(vs_str_from_c(store->prefix), true, out, err));
        VS_TRY(vs_buf_append_byte(out, '/', err));
    }
    return vs_url_encode(vs_str_from_c(key), true, out, err);
}

struct url_parts {
    size_t host, path, query, end; // offsets into the URL
};

static enum vs_status make_url(const struct vs_s3_store *store,
                               const struct vs_s3_request *request,
                               const char *region,
                               struct vs_buf *url,
                               struct url_parts *parts,
                               struct vs_error *err)
{
    vs_buf_reset(url);
    VS_TRY(vs_buf_printf(url, err, "%s://", store->scheme));
    parts->host = url->len;
    VS_TRY(append_host(store, region, url, err));
    parts->path = url->len;
    VS_TRY(append_path(store, request->key, url, err));
    parts->query = url->len;
    if (request->query != NULL) {
        VS_TRY(vs_buf_append_byte(url, '?', err));
        VS_TRY(vs_buf_append_c(url, request->query, err));
    }
    parts->end = url->len;
    if (vs_buf_c_str(url) == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory making a request");
    }
    return VS_OK;
}

// The hash is left out where TLS protects the body and computing it would cost time.
static enum vs_status payload_hash(const struct vs_s3_store *store,
                                   struct vs_str body,
                                   char text_out[2 * VS_SHA256_SIZE + 1],
                                   struct vs_error *err)
{
    uint8_t digest[VS_SHA256_SIZE];
    if (body.len > LARGE_BODY && strcmp(store->scheme, "https") == 0) {
        (void)snprintf(text_out, 2 * VS_SHA256_SIZE + 1, "UNSIGNED-PAYLOAD");
        return VS_OK;
    }
    VS_TRY(vs_sha256(body.ptr, body.len, digest, err));
    vs_hex_format(digest, sizeof digest, text_out);
    return VS_OK;
}

static const char *method_name(enum vs_http_method method)
{
    switch (method) {
    case VS_HTTP_GET:
        return "GET";
    case VS_HTTP_HEAD:
        return "HEAD";
    case VS_HTTP_PUT:
        return "PUT";
    case VS_HTTP_POST:
        return "POST";
    case VS_HTTP_DELETE:
        return "DELETE";
    default:
        return "";
    }
}

// Appends the signature's headers to those of the request.
static enum vs_status sign(struct vs_s3_store *store,
                           const struct vs_s3_request *request,
                           const char *region,
                           const struct url_parts *parts,
                           const struct vs_aws_credentials *credentials,
                           struct vs_s3_wire *wire,
                           struct vs_error *err)
{
    char hash[2 * VS_SHA256_SIZE + 1];
    const char *url = (const char *)wire->url.data;
    size_t query = parts->query + (parts->end > parts->query);
    size_t added = 0;
    VS_TRY(payload_hash(store, request->body, hash, err));
    struct vs_aws_sign what = {
        .method = method_name(request->method),
        .host = {url + parts->host, parts->path - parts->host},
        .path = {url + parts->path, parts->query - parts->path},
        .query = {url + query, parts->end - query},
        .headers = request->headers,
        .header_count = request->header_count,
        .payload_sha256 = vs_str_from_c(hash),
        .is_s3 = true,
        .region = vs_str_from_c(region),
        .service = VS_STR("s3"),
        .wall_ms = vs_wall_ms(store->base.env) +
                   atomic_load_explicit(&store->skew_ms, memory_order_relaxed),
    };
    for (size_t i = 0; i < request->header_count; i++) {
        wire->headers[i] = request->headers[i];
    }
    VS_TRY(vs_aws_sign(&what, credentials, &wire->auth, wire->headers + request->header_count,
                       &added, err));
    wire->http.headers = wire->headers;
    wire->http.header_count = request->header_count + added;
    return VS_OK;
}

enum vs_status vs_s3_wire_make(struct vs_s3_store *store,
                               const struct vs_s3_request *request,
                               bool refresh,
                               struct vs_s3_wire *wire,
                               struct vs_error *err)
{
    struct vs_aws_credentials credentials = {0};
    struct url_parts parts = {0};
    char region[VS_S3_REGION_SIZE];
    VS_TRY(vs_aws_provider_get(store->provider, refresh, &wire->credentials, &credentials, err));
    (void)pthread_mutex_lock(&store->lock);
    memcpy(region, store->region, sizeof region);
    (void)pthread_mutex_unlock(&store->lock);
    VS_TRY(make_url(store, request, region, &wire->url, &parts, err));
    VS_TRY(sign(store, request, region, &parts, &credentials, wire, err));
    (void)snprintf(wire->access_key, sizeof wire->access_key, "%.*s",
                   VS_STR_ARG(credentials.access_key));
    wire->http.method = request->method;
    wire->http.url = (const char *)wire->url.data;
    wire->http.body = request->body;
    wire->http.timeout_ms =
        store->config.request_timeout_ms +
        (int64_t)((request->body.len + request->dst_size) / SLOWEST_BYTES_PER_MS);
    wire->http.fresh_connection = request->once;
    wire->http.dst = request->dst;
    wire->http.dst_size = request->dst_size;
    return VS_OK;
}

void vs_s3_count(struct vs_s3_store *store,
                 const struct vs_s3_request *request,
                 const struct vs_http_response *response)
{
    bool list = request->key == NULL && request->method == VS_HTTP_GET;
    bool read = request->method == VS_HTTP_GET || request->method == VS_HTTP_HEAD;
    uint64_t price = read && !list ? store->config.get_nano_usd : store->config.put_nano_usd;
    if (response->outcome == VS_HTTP_NOT_SENT) {
        return;
    }
    vs_store_count_request(&store->base);
    if (request->method != VS_HTTP_DELETE) {
        atomic_fetch_add_explicit(&store->base.nano_usd, price, memory_order_relaxed);
    }
    if (read && !list) {
        vs_store_count_read(&store->base, response->dst_len + response->body.len);
    } else if (request->key != NULL && response->status >= 200 && response->status < 300 &&
               request->method == VS_HTTP_PUT) {
        vs_store_count_written(&store->base, request->body.len);
    }
}
