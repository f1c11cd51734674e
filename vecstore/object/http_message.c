// SPDX-License-Identifier: Apache-2.0
// Requests before they go out and responses as they are kept: nothing here knows libcurl.
#include "vecstore/object/http_internal.h"

#include <string.h>

#define RESPONSE_HEADERS_LIMIT ((size_t)64 << 10)
#define VALUE_MAX (VS_HTTP_HEADER_LINE_LIMIT - 1024) // of a header; the rest is for its name

static bool is_token(struct vs_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return name.len > 0;
}

static enum vs_status check_header(const struct vs_pair *header, struct vs_error *err)
{
    static const char *const own_names[] = {"host", "content-length", "transfer-encoding", "expect",
                                            "connection"};
    if (!is_token(header->key)) {
        return vs_fail(err, VS_INVALID, "'%.*s' is no name of a header", VS_STR_SHORT(header->key));
    }
    for (size_t i = 0; i < sizeof own_names / sizeof own_names[0]; i++) {
        if (vs_str_equal_nocase(header->key, vs_str_from_c(own_names[i]))) {
            return vs_fail(err, VS_INVALID, "the header %s is set by the HTTP client",
                           own_names[i]);
        }
    }
    for (size_t i = 0; i < header->value.len; i++) {
        unsigned char c = (unsigned char)header->value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7F) {
            return vs_fail(err, VS_INVALID,
                           "the value of the header '%.*s' has a control character in it",
                           VS_STR_SHORT(header->key));
        }
    }
    return header->value.len <= VALUE_MAX
               ? VS_OK
               : vs_fail(err, VS_INVALID, "the value of the header '%.*s' is too long",
                         VS_STR_SHORT(header->key));
}

// The authority of an http(s) URL; false for everything else.
static bool find_authority(struct vs_str url, struct vs_str *authority_out)
{
    size_t start = vs_str_starts_with(url, VS_STR("http://"))    ? 7
                   : vs_str_starts_with(url, VS_STR("https://")) ? 8
                                                                 : 0;
    size_t end = start;
    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?') {
        end++;
    }
    *authority_out = (struct vs_str){url.ptr + start, end - start};
    return start > 0 && end > start;
}

static bool is_loopback(struct vs_str authority)
{
    const struct vs_str hosts[] = {VS_STR("127.0.0.1"), VS_STR("localhost"), VS_STR("[::1]")};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (vs_str_starts_with(authority, hosts[i]) &&
            (authority.len == hosts[i].len || authority.ptr[hosts[i].len] == ':')) {
            return true;
        }
    }
    return false;
}

enum vs_status vs_http_check_request(const struct vs_http_request *request,
                                     bool tls_verify,
                                     struct vs_error *err)
{
    struct vs_str url = vs_str_from_c(request->url), authority;
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] <= ' ' || url.ptr[i] > '~' || url.ptr[i] == '#') {
            return vs_fail(err, VS_INVALID, "the URL '%.*s' has characters that have to be encoded",
                           VS_STR_SHORT(url));
        }
    }
    if (!find_authority(url, &authority)) {
        return vs_fail(err, VS_INVALID, "'%.*s' is no http or https URL", VS_STR_SHORT(url));
    }
    if (memchr(authority.ptr, '@', authority.len) != NULL) {
        return vs_fail(err, VS_INVALID, "a URL may not carry a user name or password");
    }
    if (!tls_verify && !is_loopback(authority)) {
        return vs_fail(err, VS_INVALID,
                       "http.tls-verify=false is for tests on loopback only, not for '%.*s'; give "
                       "the certificate authority by http.ca-file",
                       VS_STR_SHORT(authority));
    }
    for (size_t i = 0; i < request->header_count; i++) {
        VS_TRY(check_header(&request->headers[i], err));
    }
    if (request->body.len > 0 &&
        (request->method == VS_HTTP_GET || request->method == VS_HTTP_HEAD)) {
        return vs_fail(err, VS_INVALID, "a GET or HEAD request has no body");
    }
    return VS_OK;
}

void vs_http_response_init(struct vs_http_response *response,
                           const struct vs_env *env,
                           size_t body_limit)
{
    *response = (struct vs_http_response){.outcome = VS_HTTP_NOT_SENT};
    vs_buf_init(&response->headers, env, RESPONSE_HEADERS_LIMIT);
    vs_buf_init(&response->body, env, body_limit);
}

void vs_http_response_clear(struct vs_http_response *response)
{
    vs_buf_clear(&response->headers);
    vs_buf_clear(&response->body);
}

struct vs_str vs_http_header(const struct vs_http_response *response, const char *name)
{
    struct vs_str rest = vs_buf_view(&response->headers), line, after, key, value;
    while (vs_str_split(rest, '\n', &line, &after)) {
        if (vs_str_split(line, ':', &key, &value) && vs_str_equal_c(key, name)) {
            return vs_str_trim(value);
        }
        rest = after;
    }
    return (struct vs_str){NULL, 0};
}
