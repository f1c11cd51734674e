// SPDX-License-Identifier: Apache-2.0
#include "vecstore/catalog/rest_client.h"

#include <string.h>
#include <time.h>

#define CONFIG_BODY_MAX ((size_t)4 << 20)
#define AUTH_TEXT_MAX ((size_t)128 << 10)
#define HEADERS_MAX 32 // of one request
#define OWN_HEADERS_MAX 16
#define CALL_TRIES 4
#define BACKOFF_START_MS 50
#define BACKOFF_CAP_MS 5000
#define RETRY_AFTER_CAP_MS 30000
#define URI_MAX 2048

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a request to the REST catalog");
}

// ---- the service's address ----

static bool host_is_loopback(struct vs_str host)
{
    if (vs_str_starts_with(host, VS_STR("[::1]"))) {
        return true;
    }
    struct vs_str name = host, port;
    (void)vs_str_split(host, ':', &name, &port);
    if (vs_str_equal_nocase(name, VS_STR("localhost"))) {
        return true;
    }
    if (!vs_str_starts_with(name, VS_STR("127."))) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) { // an address, not the name "127.example.com"
        if ((name.ptr[i] < '0' || name.ptr[i] > '9') && name.ptr[i] != '.') {
            return false;
        }
    }
    return true;
}

static bool is_plain_text(struct vs_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '?' || c == '#') {
            return false;
        }
    }
    return true;
}

static enum vs_status set_base(struct vs_rest_client *client, const char *uri, struct vs_error *err)
{
    struct vs_str text = vs_str_from_c(uri), host, path;
    bool is_http = vs_str_starts_with(text, VS_STR("http://"));
    size_t scheme_len = is_http ? 7 : 8;
    if (!is_http && !vs_str_starts_with(text, VS_STR("https://"))) {
        return vs_fail(err, VS_INVALID,
                       "a REST catalog needs the address of its service: http://… or https://…");
    }
    while (text.len > scheme_len && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    host = (struct vs_str){text.ptr + scheme_len, text.len - scheme_len};
    (void)vs_str_split(host, '/', &host, &path);
    if (host.len == 0 || text.len > URI_MAX || !is_plain_text(text) ||
        memchr(host.ptr, '@', host.len) != NULL) {
        return vs_fail(err, VS_INVALID,
                       "the address of a REST catalog has to be http(s)://host[:port][/path] "
                       "without user, query or spaces; secrets go into settings (credential, "
                       "token, rest.auth.basic.password)");
    }
    client->base = vs_alloc(client->env, text.len + 1);
    if (client->base == NULL) {
        return no_memory(err);
    }
    memcpy(client->base, text.ptr, text.len);
    client->base[text.len] = '\0';
    client->is_loopback = host_is_loopback(host);
    return VS_OK;
}

// ---- opening ----

static enum vs_status set_headers(struct vs_rest_client *client,
                                  const struct vs_settings *settings,
                                  struct vs_error *err)
{
    struct vs_str prefix = VS_STR("header.");
    client->headers =
        vs_arena_alloc_array(&client->config.arena, OWN_HEADERS_MAX, sizeof *client->headers);
    if (client->headers == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; settings != NULL && i < settings->count; i++) {
        struct vs_str key = settings->items[i].key;
        if (!vs_str_starts_with(key, prefix)) {
            continue;
        }
        if (client->header_count == OWN_HEADERS_MAX) {
            return vs_fail(err, VS_LIMIT, "more than %d header.* settings", OWN_HEADERS_MAX);
        }
        struct vs_str name = {key.ptr + prefix.len, key.len - prefix.len};
        struct vs_pair *header = &client->headers[client->header_count++];
        header->key = vs_arena_copy_str(&client->config.arena, name);
        header->value = vs_arena_copy_str(&client->config.arena, settings->items[i].value);
        if (header->key.ptr == NULL || header->value.ptr == NULL) {
            return no_memory(err);
        }
    }
    return VS_OK;
}

static enum vs_status fetch_config(struct vs_rest_client *client,
                                   const char *warehouse,
                                   const struct vs_settings *settings,
                                   struct vs_error *err)
{
    struct vs_buf url;
    struct vs_http_response response;
    vs_buf_init(&url, client->env, VS_REST_URL_MAX);
    vs_http_response_init(&response, client->env, CONFIG_BODY_MAX);
    enum vs_status status = vs_buf_printf(&url, err, "%s/v1/config", client->base);
    if (status == VS_OK && warehouse != NULL) {
        status = vs_buf_append_c(&url, "?warehouse=", err);
        if (status == VS_OK) {
            status = vs_url_encode(vs_str_from_c(warehouse), false, &url, err);
        }
    }
    struct vs_rest_request request = {
        .method = VS_HTTP_GET, .url = &url, .what = "give its configuration (GET /v1/config)"};
    if (status == VS_OK) {
        status = vs_rest_call(client, &request, &response, err);
    }
    struct vs_rest_config config;
    if (status == VS_OK) {
        status =
            vs_rest_config_parse(client->env, vs_buf_view(&response.body), settings, &config, err);
    }
    if (status == VS_OK) {
        client->config = config;
    }
    vs_http_response_clear(&response);
    vs_buf_clear(&url);
    return status;
}

static enum vs_status open_client(struct vs_rest_client *client,
                                  const char *uri,
                                  const char *warehouse,
                                  const struct vs_settings *settings,
                                  struct vs_error *err)
{
    VS_TRY(set_base(client, uri, err));
    VS_TRY(
        vs_settings_bool(settings, "rest.allow-file-locations", false, &client->allow_files, err));
    VS_TRY(
        vs_settings_i64(settings, "rest.timeout-ms", 60000, 1, 3600000, &client->timeout_ms, err));
    VS_TRY(vs_http_client_new(client->env, settings, &client->http, err));
    VS_TRY(vs_rest_auth_new(client->env, client->http, client->base, settings, &client->auth, err));
    VS_TRY(fetch_config(client, warehouse, settings, err));
    return set_headers(client, settings, err);
}

enum vs_status vs_rest_client_new(const struct vs_env *env,
                                  const char *uri,
                                  const char *warehouse,
                                  const struct vs_settings *settings,
                                  struct vs_rest_client **client_out,
                                  struct vs_error *err)
{
    struct vs_rest_client *client = vs_alloc_zeroed(env, 1, sizeof *client);
    if (client == NULL) {
        return no_memory(err);
    }
    client->env = env;
    enum vs_status status = open_client(client, uri, warehouse, settings, err);
    if (status != VS_OK) {
        vs_rest_client_free(client);
        return status;
    }
    *client_out = client;
    return VS_OK;
}

void vs_rest_client_free(struct vs_rest_client *client)
{
    if (client == NULL) {
        return;
    }
    const struct vs_env *env = client->env;
    vs_rest_config_clear(&client->config);
    vs_rest_auth_free(client->auth);
    vs_http_client_free(client->http);
    vs_free(env, client->base);
    vs_free(env, client);
}

// ---- addresses ----

struct vs_rest_name vs_rest_name_of(const char *name)
{
    struct vs_str text = vs_str_from_c(name);
    for (size_t i = text.len; i > 0; i--) {
        if (text.ptr[i - 1] == '.') {
            return (struct vs_rest_name){{text.ptr, i - 1}, {text.ptr + i, text.len - i}};
        }
    }
    return (struct vs_rest_name){VS_STR("default"), text};
}

// A prefix goes into paths as the service gave it ('/' and '%' are meant), but nothing in it may
// end the path.
static enum vs_status append_prefix(struct vs_str prefix, struct vs_buf *url, struct vs_error *err)
{
    if (prefix.len == 0) {
        return VS_OK;
    }
    VS_TRY(vs_buf_append_byte(url, '/', err));
    for (size_t i = 0; i < prefix.len; i++) {
        unsigned char c = (unsigned char)prefix.ptr[i];
        bool is_plain = c > 0x20 && c < 0x7f && strchr("\"<>?#[]\\^`{|}", c) == NULL;
        if (is_plain) {
            VS_TRY(vs_buf_append_byte(url, c, err));
        } else {
            VS_TRY(vs_buf_printf(url, err, "%%%02X", c));
        }
    }
    return VS_OK;
}

enum vs_status vs_rest_url(const struct vs_rest_client *client,
                           const char *tail,
                           struct vs_buf *url,
                           struct vs_error *err)
{
    vs_buf_reset(url);
    VS_TRY(vs_buf_append_c(url, client->base, err));
    VS_TRY(vs_buf_append_c(url, "/v1", err));
    VS_TRY(append_prefix(client->config.prefix, url, err));
    return vs_buf_append_c(url, tail, err);
}

enum vs_status vs_rest_append_namespace(const struct vs_rest_client *client,
                                        struct vs_str ns,
                                        struct vs_buf *url,
                                        struct vs_error *err)
{
    struct vs_str rest = ns, level;
    bool more = true;
    while (more) {
        level = rest;
        more = vs_str_split(rest, '.', &level, &rest);
        VS_TRY(vs_url_encode(level, false, url, err));
        if (more) {
            VS_TRY(vs_url_encode(client->config.separator, false, url, err));
        }
    }
    return VS_OK;
}

enum vs_status vs_rest_url_namespace(const struct vs_rest_client *client,
                                     struct vs_str ns,
                                     const char *tail,
                                     struct vs_buf *url,
                                     struct vs_error *err)
{
    VS_TRY(vs_rest_url(client, "/namespaces/", url, err));
    VS_TRY(vs_rest_append_namespace(client, ns, url, err));
    return vs_buf_append_c(url, tail, err);
}

enum vs_status vs_rest_url_table(const struct vs_rest_client *client,
                                 const char *name,
                                 const char *tail,
                                 struct vs_buf *url,
                                 struct vs_error *err)
{
    struct vs_rest_name parts = vs_rest_name_of(name);
    VS_TRY(vs_rest_url_namespace(client, parts.ns, "/tables/", url, err));
    VS_TRY(vs_url_encode(parts.table, false, url, err));
    return vs_buf_append_c(url, tail, err);
}

void vs_rest_write_namespace(struct vs_json_writer *w, struct vs_str ns)
{
    struct vs_str rest = ns, level;
    bool more = true;
    vs_jw_array_begin(w);
    while (more) {
        level = rest;
        more = vs_str_split(rest, '.', &level, &rest);
        vs_jw_str(w, level);
    }
    vs_jw_array_end(w);
}

// ---- sending ----

static size_t fill_headers(const struct vs_rest_client *client,
                           const struct vs_rest_request *request,
                           struct vs_pair *headers)
{
    size_t n = 0;
    headers[n++] = (struct vs_pair){VS_STR("Accept"), VS_STR("application/json")};
    if (request->body.len > 0) {
        headers[n++] = (struct vs_pair){VS_STR("Content-Type"), VS_STR("application/json")};
    }
    if (request->wants_credentials) {
        headers[n++] =
            (struct vs_pair){VS_STR("X-Iceberg-Access-Delegation"), VS_STR("vended-credentials")};
    }
    if (request->if_none_match != NULL) {
        headers[n++] =
            (struct vs_pair){VS_STR("If-None-Match"), vs_str_from_c(request->if_none_match)};
    }
    if (request->idempotency_key != NULL && client->config.has_idempotency) {
        headers[n++] =
            (struct vs_pair){VS_STR("Idempotency-Key"), vs_str_from_c(request->idempotency_key)};
    }
    for (size_t i = 0; i < client->header_count; i++) {
        headers[n++] = client->headers[i];
    }
    return n;
}

// The time left for one request; 0 when the deadline has passed.
static int64_t time_left_ms(const struct vs_rest_client *client, const struct vs_op *op)
{
    if (op == NULL || op->deadline_ns == 0) {
        return client->timeout_ms;
    }
    int64_t left = (op->deadline_ns - vs_monotonic_ns(client->env)) / 1000000;
    return left < 1 ? 0 : (left < client->timeout_ms ? left : client->timeout_ms);
}

static enum vs_status send_once(struct vs_rest_client *client,
                                const struct vs_rest_request *request,
                                bool fresh_token,
                                struct vs_http_response *response,
                                struct vs_error *err)
{
    struct vs_pair headers[HEADERS_MAX];
    struct vs_pair auth_headers[VS_REST_AUTH_HEADERS_MAX];
    struct vs_buf auth_text;
    size_t auth_count = 0;
    VS_TRY(vs_op_check(client->env, request->op, err));
    const char *url = vs_buf_c_str(request->url);
    if (url == NULL) {
        return no_memory(err);
    }
    struct vs_http_request http = {.method = request->method,
                                   .url = url,
                                   .headers = headers,
                                   .header_count = fill_headers(client, request, headers),
                                   .body = request->body,
                                   .timeout_ms = time_left_ms(client, request->op),
                                   .fresh_connection = request->fresh_connection};
    if (http.timeout_ms == 0) {
        return vs_fail(err, VS_TIMEOUT, "the deadline passed before the REST catalog was asked");
    }
    vs_buf_init(&auth_text, client->env, AUTH_TEXT_MAX);
    enum vs_status status = vs_rest_auth_headers(client->auth, &http, fresh_token, &auth_text,
                                                 auth_headers, &auth_count, err);
    for (size_t i = 0; status == VS_OK && i < auth_count; i++) {
        headers[http.header_count++] = auth_headers[i];
    }
    if (status == VS_OK) {
        status = vs_http_send(client->http, &http, response, err);
    }
    vs_buf_clear(&auth_text);
    return status;
}

enum vs_status vs_rest_send(struct vs_rest_client *client,
                            const struct vs_rest_request *request,
                            struct vs_http_response *response,
                            struct vs_error *err)
{
    VS_TRY(send_once(client, request, false, response, err));
    if (response->outcome == VS_HTTP_ANSWERED &&
        vs_rest_rule_of(response->status)->retry == VS_REST_RETRY_TOKEN &&
        vs_rest_auth_can_refresh(client->auth)) {
        return send_once(client, request, true, response, err);
    }
    return VS_OK;
}

int64_t vs_rest_retry_after_ms(const struct vs_http_response *response)
{
    struct vs_str text = vs_http_header(response, "retry-after");
    int64_t seconds;
    if (text.ptr == NULL) {
        return -1;
    }
    if (vs_parse_i64(vs_str_trim(text), &seconds, NULL) != VS_OK || seconds < 0) {
        return 1000; // a date: soon, and the service will say so again if it was too soon
    }
    return seconds > RETRY_AFTER_CAP_MS / 1000 ? RETRY_AFTER_CAP_MS : seconds * 1000;
}

bool vs_rest_wait(const struct vs_rest_client *client,
                  const struct vs_op *op,
                  unsigned attempt,
                  int64_t at_least_ms)
{
    int64_t bound = BACKOFF_START_MS;
    for (unsigned i = 0; i < attempt && bound < BACKOFF_CAP_MS; i++) {
        bound *= 2;
    }
    bound = bound < BACKOFF_CAP_MS ? bound : BACKOFF_CAP_MS;
    int64_t wait_ms = (at_least_ms > 0 ? at_least_ms : 0) +
                      (int64_t)(vs_random_u64(client->env) % (uint64_t)bound);
    if (vs_op_check(client->env, op, NULL) != VS_OK) {
        return false;
    }
    if (op != NULL && op->deadline_ns != 0 &&
        vs_monotonic_ns(client->env) + wait_ms * 1000000 >= op->deadline_ns) {
        return false;
    }
    struct timespec left = {(time_t)(wait_ms / 1000), (long)(wait_ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
    return true;
}

enum vs_status vs_rest_fail(const struct vs_rest_client *client,
                            const struct vs_http_response *response,
                            const char *what,
                            struct vs_error *err)
{
    if (response->outcome != VS_HTTP_ANSWERED) {
        return vs_fail(err, VS_UNAVAILABLE, "the REST catalog %.200s could not %s: %s",
                       client->base, what,
                       response->failure[0] != '\0' ? response->failure : "no answer");
    }
    struct vs_rest_error error;
    enum vs_status status = vs_rest_rule_of(response->status)->status;
    if (status == VS_OK) {
        status = VS_UNAVAILABLE; // a 2xx that could not be used
    }
    vs_rest_error_parse(client->env, vs_buf_view(&response->body), &error);
    vs_ignore(vs_fail(err, status, "the REST catalog would not %s: status %d%s%s%s%s", what,
                      response->status, error.type[0] != '\0' ? ", " : "", error.type,
                      error.message[0] != '\0' ? ": " : "", error.message));
    if (err != NULL) {
        err->system_code = response->status;
    }
    return status;
}

static bool is_repeatable(const struct vs_rest_client *client,
                          const struct vs_rest_request *request)
{
    return request->method == VS_HTTP_GET || request->method == VS_HTTP_HEAD ||
           (request->idempotency_key != NULL && client->config.has_idempotency);
}

// Whether the last send may be followed by another one; *wait_ms: not before.
static bool may_repeat(const struct vs_rest_client *client,
                       const struct vs_rest_request *request,
                       const struct vs_http_response *response,
                       int64_t *wait_ms)
{
    bool repeatable = is_repeatable(client, request);
    *wait_ms = -1;
    if (response->outcome == VS_HTTP_NOT_SENT) {
        return true;
    }
    if (response->outcome == VS_HTTP_AMBIGUOUS) {
        return repeatable;
    }
    const struct vs_rest_rule *rule = vs_rest_rule_of(response->status);
    *wait_ms = vs_rest_retry_after_ms(response);
    return rule->retry == VS_REST_RETRY_BACKOFF ||
           (repeatable && rule->commit == VS_OUTCOME_UNKNOWN);
}

enum vs_status vs_rest_call(struct vs_rest_client *client,
                            const struct vs_rest_request *request,
                            struct vs_http_response *response,
                            struct vs_error *err)
{
    bool is_read = request->method == VS_HTTP_GET || request->method == VS_HTTP_HEAD;
    bool may_be_done = false; // an earlier send, or this one, may have been processed
    int64_t wait_ms;
    for (unsigned attempt = 0;; attempt++) {
        VS_TRY(vs_rest_send(client, request, response, err));
        bool is_answered = response->outcome == VS_HTTP_ANSWERED;
        const struct vs_rest_rule *rule = vs_rest_rule_of(response->status);
        if (is_answered && (response->status == 304 || rule->status == VS_OK)) {
            return VS_OK;
        }
        may_be_done = may_be_done || response->outcome == VS_HTTP_AMBIGUOUS ||
                      (is_answered && rule->commit == VS_OUTCOME_UNKNOWN);
        if (attempt + 1 >= CALL_TRIES || !may_repeat(client, request, response, &wait_ms) ||
            !vs_rest_wait(client, request->op, attempt, wait_ms)) {
            break;
        }
    }
    enum vs_status status = vs_rest_fail(client, response, request->what, err);
    if (!is_read && may_be_done) {
        if (err != NULL) {
            err->code = VS_UNKNOWN;
        }
        return vs_wrap(err, VS_UNKNOWN, "it is not known whether the change was made");
    }
    return status;
}
