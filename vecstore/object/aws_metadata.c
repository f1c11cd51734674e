// SPDX-License-Identifier: Apache-2.0
// Credentials that the machine itself hands out: containers (ECS, EKS Pod Identity) and instances
// (EC2, IMDSv2). Asked without a proxy.
#include "vecstore/object/aws_credentials_internal.h"

#include <string.h>
#include <time.h>

#define ATTEMPTS 3
#define FIRST_PAUSE_MS 100
#define TIMEOUT_MS 5000
#define TOKEN_TIMEOUT_MS 1000
#define ROLE_MAX 256

static const char CREDENTIALS_PATH[] = "/latest/meta-data/iam/security-credentials/";

static bool is_transient(const struct vs_http_response *response)
{
    return response->outcome != VS_HTTP_ANSWERED || response->status >= 500 ||
           response->status == 429;
}

static enum vs_status fetch(struct vs_aws_search *search,
                            const struct vs_http_request *request,
                            int attempts,
                            struct vs_http_response *response,
                            struct vs_error *err)
{
    for (int i = 0; i < attempts; i++) {
        const struct timespec pause = {0, (long)(FIRST_PAUSE_MS << i) * 1000000};
        if (i > 0) {
            (void)nanosleep(&pause, NULL);
        }
        VS_TRY(vs_http_send(search->metadata, request, response, err));
        if (!is_transient(response)) {
            break;
        }
    }
    return VS_OK;
}

static enum vs_status refused(const char *what,
                              const struct vs_http_response *response,
                              struct vs_error *err)
{
    if (response->outcome != VS_HTTP_ANSWERED) {
        return vs_fail(err, VS_UNAVAILABLE, "%s: no answer: %s", what, response->failure);
    }
    return vs_fail(err, is_transient(response) ? VS_UNAVAILABLE : VS_DENIED,
                   "%s: refused with status %d", what, response->status);
}

// ---- containers ----

static bool is_numeric_loopback(struct vs_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9')) {
            return false;
        }
    }
    return vs_str_starts_with(host, VS_STR("127."));
}

// A token goes over plain HTTP only to the host itself and to the addresses of AWS's own agents.
static bool is_trusted_uri(struct vs_str uri)
{
    static const char *const hosts[] = {"localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                        "[fd00:ec2::23]"};
    const struct vs_str plain = VS_STR("http://");
    if (vs_str_starts_with(uri, VS_STR("https://"))) {
        return true;
    }
    if (!vs_str_starts_with(uri, plain)) {
        return false;
    }
    struct vs_str host = {uri.ptr + plain.len, uri.len - plain.len};
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] == '/' || host.ptr[i] == '?') {
            host.len = i;
        }
    }
    const char *close = host.len > 0 ? memchr(host.ptr, ']', host.len) : NULL;
    size_t from = close != NULL ? (size_t)(close - host.ptr) : 0;
    const char *colon = host.len > 0 ? memchr(host.ptr + from, ':', host.len - from) : NULL;
    host.len = colon != NULL ? (size_t)(colon - host.ptr) : host.len;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (vs_str_equal_c(host, hosts[i])) {
            return true;
        }
    }
    return is_numeric_loopback(host);
}

static enum vs_status container_uri(struct vs_buf *uri, struct vs_error *err)
{
    struct vs_str relative = vs_aws_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct vs_str full = vs_aws_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative.ptr == NULL && full.ptr == NULL) {
        return vs_fail(err, VS_NOT_FOUND, "no container variables");
    }
    if (relative.ptr != NULL) {
        if (relative.ptr[0] != '/') {
            return vs_fail(err, VS_INVALID,
                           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not start with '/'");
        }
        VS_TRY(vs_buf_append_c(uri, "http://169.254.170.2", err));
        VS_TRY(vs_buf_append_str(uri, relative, err));
    } else {
        if (!is_trusted_uri(full)) {
            return vs_fail(err, VS_DENIED,
                           "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of "
                           "the host or its agents");
        }
        VS_TRY(vs_buf_append_str(uri, full, err));
    }
    return vs_buf_append_byte(uri, 0, err);
}

static enum vs_status container_token(struct vs_buf *token, struct vs_error *err)
{
    struct vs_str path = vs_aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (path.ptr == NULL) {
        return vs_buf_append_str(token, vs_aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"), err);
    }
    enum vs_status status = vs_aws_read_file(path.ptr, token, err); // NUL-terminated: from getenv
    return status == VS_NOT_FOUND
               ? vs_fail(err, VS_INVALID,
                         "the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE does not exist")
               : status;
}

enum vs_status vs_aws_from_container(struct vs_aws_search *search,
                                     struct vs_aws_secret *secret,
                                     struct vs_error *err)
{
    static const char what[] = "container credentials";
    struct vs_buf uri, token;
    struct vs_http_response response;
    vs_buf_init(&uri, search->env, 4096);
    vs_buf_init(&token, search->env, VS_AWS_SECRET_LIMIT);
    vs_http_response_init(&response, search->env, VS_AWS_ANSWER_LIMIT);
    enum vs_status status = container_uri(&uri, err);
    if (status == VS_OK) {
        status = container_token(&token, err);
    }
    if (status == VS_OK) {
        const struct vs_pair header = {VS_STR("authorization"), vs_str_trim(vs_buf_view(&token))};
        const struct vs_http_request request = {.method = VS_HTTP_GET,
                                                .url = (const char *)uri.data,
                                                .headers = &header,
                                                .header_count = header.value.len > 0,
                                                .timeout_ms = TIMEOUT_MS};
        status = fetch(search, &request, ATTEMPTS, &response, err);
    }
    if (status == VS_OK) {
        status = response.outcome == VS_HTTP_ANSWERED && response.status == 200
                     ? vs_aws_secret_parse(secret, vs_buf_view(&response.body), "Token", what, err)
                     : refused(what, &response, err);
    }
    vs_http_response_clear(&response);
    vs_buf_clear(&token);
    vs_buf_clear(&uri);
    return status;
}

// ---- instances ----

static enum vs_status instance_url(const char *path,
                                   struct vs_str tail,
                                   struct vs_buf *url,
                                   struct vs_error *err)
{
    struct vs_str base = vs_aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (base.ptr == NULL) {
        bool ipv6 = vs_str_equal_nocase(vs_aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
                                        VS_STR("ipv6"));
        base = ipv6 ? VS_STR("http://[fd00:ec2::254]") : VS_STR("http://169.254.169.254");
    }
    while (base.len > 0 && base.ptr[base.len - 1] == '/') {
        base.len--;
    }
    vs_buf_reset(url);
    VS_TRY(vs_buf_append_str(url, base, err));
    VS_TRY(vs_buf_append_c(url, path, err));
    VS_TRY(vs_url_encode(tail, false, url, err));
    return vs_buf_append_byte(url, 0, err);
}

// IMDSv2 only: a service that hands out credentials without a token can be talked into handing
// them to others.
static enum vs_status instance_token(struct vs_aws_search *search,
                                     struct vs_buf *url,
                                     struct vs_http_response *response,
                                     struct vs_buf *token,
                                     struct vs_error *err)
{
    const struct vs_pair header = {VS_STR("x-aws-ec2-metadata-token-ttl-seconds"), VS_STR("21600")};
    VS_TRY(instance_url("/latest/api/token", (struct vs_str){NULL, 0}, url, err));
    const struct vs_http_request request = {.method = VS_HTTP_PUT,
                                            .url = (const char *)url->data,
                                            .headers = &header,
                                            .header_count = 1,
                                            .timeout_ms = TOKEN_TIMEOUT_MS};
    VS_TRY(fetch(search, &request, 1, response, err));
    if (response->outcome != VS_HTTP_ANSWERED) {
        return vs_fail(err, VS_NOT_FOUND, "no instance metadata service");
    }
    if (response->status != 200) {
        return vs_fail(err, VS_NOT_FOUND, "the instance metadata service gives no token (%d)",
                       response->status);
    }
    return vs_buf_append_str(token, vs_str_trim(vs_buf_view(&response->body)), err);
}

static enum vs_status get_with_token(struct vs_aws_search *search,
                                     const char *url,
                                     const struct vs_buf *token,
                                     struct vs_http_response *response,
                                     struct vs_error *err)
{
    const struct vs_pair header = {VS_STR("x-aws-ec2-metadata-token"), vs_buf_view(token)};
    const struct vs_http_request request = {.method = VS_HTTP_GET,
                                            .url = url,
                                            .headers = &header,
                                            .header_count = 1,
                                            .timeout_ms = TIMEOUT_MS};
    return fetch(search, &request, ATTEMPTS, response, err);
}

static enum vs_status ask_instance(struct vs_aws_search *search,
                                   struct vs_buf *url,
                                   struct vs_buf *token,
                                   struct vs_http_response *response,
                                   struct vs_aws_secret *secret,
                                   struct vs_error *err)
{
    static const char what[] = "instance metadata";
    char role[ROLE_MAX];
    VS_TRY(instance_token(search, url, response, token, err));
    VS_TRY(instance_url(CREDENTIALS_PATH, (struct vs_str){NULL, 0}, url, err));
    VS_TRY(get_with_token(search, (const char *)url->data, token, response, err));
    if (response->outcome == VS_HTTP_ANSWERED && response->status == 404) {
        return vs_fail(err, VS_NOT_FOUND, "the instance has no role");
    }
    struct vs_str name = vs_str_trim(vs_buf_view(&response->body)), rest;
    (void)vs_str_split(name, '\n', &name, &rest);
    if (response->outcome != VS_HTTP_ANSWERED || response->status != 200 || name.len == 0 ||
        name.len > sizeof role) {
        return refused(what, response, err);
    }
    memcpy(role, name.ptr, name.len);
    VS_TRY(instance_url(CREDENTIALS_PATH, (struct vs_str){role, name.len}, url, err));
    VS_TRY(get_with_token(search, (const char *)url->data, token, response, err));
    if (response->outcome != VS_HTTP_ANSWERED || response->status != 200) {
        return refused(what, response, err);
    }
    return vs_aws_secret_parse(secret, vs_buf_view(&response->body), "Token", what, err);
}

enum vs_status vs_aws_from_instance(struct vs_aws_search *search,
                                    struct vs_aws_secret *secret,
                                    struct vs_error *err)
{
    struct vs_buf url, token;
    struct vs_http_response response;
    if (vs_str_equal_nocase(vs_aws_variable("AWS_EC2_METADATA_DISABLED"), VS_STR("true"))) {
        return vs_fail(err, VS_NOT_FOUND, "instance metadata is disabled");
    }
    vs_buf_init(&url, search->env, 4096);
    vs_buf_init(&token, search->env, VS_AWS_SECRET_LIMIT);
    vs_http_response_init(&response, search->env, VS_AWS_ANSWER_LIMIT);
    enum vs_status status = ask_instance(search, &url, &token, &response, secret, err);
    vs_http_response_clear(&response);
    vs_buf_clear(&token);
    vs_buf_clear(&url);
    return status;
}
