// SPDX-License-Identifier: Apache-2.0
#include "vecstore/catalog/rest_auth.h"

#include "vecstore/base/arena.h"
#include "vecstore/base/crypto.h"
#include "vecstore/catalog/rest_answer.h"

#include <pthread.h>
#include <string.h>

#define HEADER_MAX ((size_t)128 << 10)
#define TOKEN_ANSWER_MAX ((size_t)1 << 20)
#define REFRESH_MARGIN_S INT64_C(60) // before a token runs out

enum kind { AUTH_NONE, AUTH_BASIC, AUTH_BEARER, AUTH_SIGV4 };

struct vs_rest_auth {
    const struct vs_env *env;
    struct vs_http_client *http;
    struct vs_arena arena;
    enum kind kind;
    struct vs_str basic;     // "Basic …"
    struct vs_str token;     // fixed, given by the user; empty: none
    struct vs_str form;      // client_credentials request; empty: none
    struct vs_str token_uri; // NUL-terminated
    struct vs_str region, service;
    struct vs_aws_provider *provider;
    pthread_mutex_t lock; // guards what follows
    struct vs_arena token_arena;
    struct vs_str fetched;
    int64_t fetched_ms, refresh_ms; // wall clock; refresh_ms 0: it does not run out
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to authenticate with the REST catalog");
}

static struct vs_str get(const struct vs_settings *settings, const char *key)
{
    return vs_settings_get(settings, key);
}

static enum vs_status keep_buf(struct vs_rest_auth *auth,
                               struct vs_buf *text,
                               enum vs_status status,
                               struct vs_str *out,
                               struct vs_error *err)
{
    if (status == VS_OK) {
        struct vs_str copy = vs_arena_copy_str(&auth->arena, vs_buf_view(text));
        if (copy.ptr != NULL) {
            *out = copy;
        } else {
            status = no_memory(err);
        }
    }
    vs_buf_clear(text);
    return status;
}

// ---- set-up ----

static enum vs_status choose_kind(const struct vs_settings *settings,
                                  enum kind *kind_out,
                                  struct vs_error *err)
{
    static const struct {
        const char *name;
        enum kind kind;
    } known[] = {
        {"none", AUTH_NONE}, {"basic", AUTH_BASIC}, {"oauth2", AUTH_BEARER}, {"sigv4", AUTH_SIGV4}};
    struct vs_str type = get(settings, "rest.auth.type");
    bool signs = false;
    VS_TRY(vs_settings_bool(settings, "rest.sigv4-enabled", false, &signs, err));
    if (type.ptr == NULL) {
        bool has_token =
            get(settings, "token").ptr != NULL || get(settings, "credential").ptr != NULL;
        *kind_out = signs ? AUTH_SIGV4 : (has_token ? AUTH_BEARER : AUTH_NONE);
        return VS_OK;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (vs_str_equal_nocase(type, vs_str_from_c(known[i].name))) {
            *kind_out = known[i].kind;
            return VS_OK;
        }
    }
    return vs_fail(err, VS_UNSUPPORTED,
                   "rest.auth.type '%.*s' is not supported; known are none, basic, oauth2, sigv4",
                   VS_STR_SHORT(type));
}

static enum vs_status set_basic(struct vs_rest_auth *auth,
                                const struct vs_settings *settings,
                                struct vs_error *err)
{
    struct vs_str user = get(settings, "rest.auth.basic.username");
    struct vs_str password = get(settings, "rest.auth.basic.password");
    struct vs_buf text;
    if (user.ptr == NULL || password.ptr == NULL || user.len + password.len > 4096) {
        return vs_fail(err, VS_INVALID,
                       "rest.auth.type basic needs rest.auth.basic.username and "
                       "rest.auth.basic.password (4096 bytes at most)");
    }
    vs_buf_init(&text, auth->env, HEADER_MAX);
    enum vs_status status = vs_buf_append_str(&text, user, err);
    if (status == VS_OK) {
        status = vs_buf_append_byte(&text, ':', err);
    }
    if (status == VS_OK) {
        status = vs_buf_append_str(&text, password, err);
    }
    if (status == VS_OK) {
        char *header = vs_arena_alloc(&auth->arena, VS_BASE64_LEN(text.len) + sizeof "Basic ");
        if (header != NULL) {
            memcpy(header, "Basic ", 6);
            vs_base64_format(text.data, text.len, header + 6);
            auth->basic = vs_str_from_c(header);
        } else {
            status = no_memory(err);
        }
    }
    vs_buf_clear(&text);
    return status;
}

static enum vs_status add_field(struct vs_buf *form,
                                const char *name,
                                struct vs_str value,
                                struct vs_error *err)
{
    if (value.ptr == NULL) {
        return VS_OK;
    }
    if (form->len > 0) {
        VS_TRY(vs_buf_append_byte(form, '&', err));
    }
    VS_TRY(vs_buf_append_c(form, name, err));
    VS_TRY(vs_buf_append_byte(form, '=', err));
    return vs_url_encode(value, false, form, err);
}

static enum vs_status write_form(const struct vs_settings *settings,
                                 struct vs_buf *form,
                                 struct vs_error *err)
{
    struct vs_str credential = get(settings, "credential");
    struct vs_str id = {NULL, 0}, secret = credential;
    struct vs_str scope = get(settings, "scope");
    (void)vs_str_split(credential, ':', &id, &secret);
    VS_TRY(add_field(form, "grant_type", VS_STR("client_credentials"), err));
    VS_TRY(add_field(form, "client_id", id, err));
    VS_TRY(add_field(form, "client_secret", secret, err));
    VS_TRY(add_field(form, "scope", scope.ptr != NULL ? scope : VS_STR("catalog"), err));
    VS_TRY(add_field(form, "audience", get(settings, "audience"), err));
    return add_field(form, "resource", get(settings, "resource"), err);
}

static enum vs_status set_oauth2(struct vs_rest_auth *auth,
                                 const char *base,
                                 const struct vs_settings *settings,
                                 struct vs_error *err)
{
    struct vs_str token = get(settings, "token"), uri = get(settings, "oauth2-server-uri");
    struct vs_buf form;
    if (token.ptr == NULL && get(settings, "credential").ptr == NULL) {
        return vs_fail(err, VS_INVALID, "rest.auth.type oauth2 needs a token or a credential");
    }
    if (token.ptr != NULL) {
        auth->token = vs_arena_copy_str(&auth->arena, token);
        if (auth->token.ptr == NULL) {
            return no_memory(err);
        }
    }
    if (get(settings, "credential").ptr == NULL) {
        return VS_OK;
    }
    auth->token_uri = uri.ptr != NULL ? vs_arena_copy_str(&auth->arena, uri)
                                      : vs_arena_printf(&auth->arena, "%s/v1/oauth/tokens", base);
    if (auth->token_uri.ptr == NULL) {
        return no_memory(err);
    }
    vs_buf_init(&form, auth->env, HEADER_MAX);
    enum vs_status status = write_form(settings, &form, err);
    return keep_buf(auth, &form, status, &auth->form, err);
}

static enum vs_status set_sigv4(struct vs_rest_auth *auth,
                                const struct vs_settings *settings,
                                struct vs_error *err)
{
    static const char *const names[][2] = {{"rest.access-key-id", "s3.access-key-id"},
                                           {"rest.secret-access-key", "s3.secret-access-key"},
                                           {"rest.session-token", "s3.session-token"}};
    size_t own = settings != NULL ? settings->count : 0, count = 0;
    struct vs_str region = get(settings, "rest.signing-region");
    struct vs_str service = get(settings, "rest.signing-name");
    struct vs_pair *pairs = vs_arena_alloc_array(&auth->arena, own + 3, sizeof *pairs);
    if (pairs == NULL) {
        return no_memory(err);
    }
    for (; count < own; count++) {
        pairs[count] = settings->items[count];
    }
    for (size_t i = 0; i < 3; i++) {
        struct vs_str value = get(settings, names[i][0]);
        if (value.ptr != NULL) {
            pairs[count++] = (struct vs_pair){vs_str_from_c(names[i][1]), value};
        }
    }
    struct vs_settings mapped = {pairs, count};
    VS_TRY(vs_aws_provider_new(auth->env, &mapped, auth->http, &auth->provider, err));
    if (region.ptr == NULL) {
        region = vs_aws_provider_region(auth->provider);
    }
    if (region.ptr == NULL) {
        return vs_fail(err, VS_INVALID,
                       "signing requests to the REST catalog needs a region: set "
                       "rest.signing-region");
    }
    auth->region = vs_arena_copy_str(&auth->arena, region);
    auth->service =
        vs_arena_copy_str(&auth->arena, service.ptr != NULL ? service : VS_STR("execute-api"));
    return auth->region.ptr != NULL && auth->service.ptr != NULL ? VS_OK : no_memory(err);
}

enum vs_status vs_rest_auth_new(const struct vs_env *env,
                                struct vs_http_client *http,
                                const char *base,
                                const struct vs_settings *settings,
                                struct vs_rest_auth **auth_out,
                                struct vs_error *err)
{
    enum kind kind;
    VS_TRY(choose_kind(settings, &kind, err));
    struct vs_rest_auth *auth = vs_alloc_zeroed(env, 1, sizeof *auth);
    if (auth == NULL) {
        return no_memory(err);
    }
    auth->env = env;
    auth->http = http;
    auth->kind = kind;
    vs_arena_init(&auth->arena, env, 0);
    vs_arena_init(&auth->token_arena, env, 0);
    (void)pthread_mutex_init(&auth->lock, NULL);
    enum vs_status status = VS_OK;
    switch (kind) {
    case AUTH_NONE:
        break;
    case AUTH_BASIC:
        status = set_basic(auth, settings, err);
        break;
    case AUTH_BEARER:
        status = set_oauth2(auth, base, settings, err);
        break;
    case AUTH_SIGV4:
        status = set_sigv4(auth, settings, err);
        break;
    }
    if (status != VS_OK) {
        vs_rest_auth_free(auth);
        return status;
    }
    *auth_out = auth;
    return VS_OK;
}

void vs_rest_auth_free(struct vs_rest_auth *auth)
{
    if (auth == NULL) {
        return;
    }
    const struct vs_env *env = auth->env;
    vs_aws_provider_free(auth->provider);
    vs_arena_clear(&auth->token_arena);
    vs_arena_clear(&auth->arena);
    (void)pthread_mutex_destroy(&auth->lock);
    vs_free(env, auth);
}

bool vs_rest_auth_can_refresh(const struct vs_rest_auth *auth)
{
    return auth->kind == AUTH_SIGV4 || (auth->kind == AUTH_BEARER && auth->form.len > 0);
}

// ---- tokens ----

static enum vs_status token_refused(const struct vs_rest_auth *auth,
                                    const struct vs_http_response *response,
                                    struct vs_error *err)
{
    if (response->outcome != VS_HTTP_ANSWERED) {
        return vs_fail(err, VS_UNAVAILABLE, "cannot fetch a token from %.200s: %s",
                       auth->token_uri.ptr, response->failure);
    }
    // The body may repeat what was sent: it is not shown.
    bool is_client_fault = response->status >= 400 && response->status < 500;
    return vs_fail(err, is_client_fault ? VS_UNAUTHENTICATED : VS_UNAVAILABLE,
                   "the OAuth2 server %.200s refused the credential (status %d)",
                   auth->token_uri.ptr, response->status);
}

// With the lock held.
static enum vs_status fetch_token(struct vs_rest_auth *auth, struct vs_error *err)
{
    struct vs_pair headers[] = {
        {VS_STR("Content-Type"), VS_STR("application/x-www-form-urlencoded")},
        {VS_STR("Accept"), VS_STR("application/json")}};
    struct vs_http_request request = {.method = VS_HTTP_POST,
                                      .url = auth->token_uri.ptr,
                                      .headers = headers,
                                      .header_count = sizeof headers / sizeof headers[0],
                                      .body = auth->form};
    struct vs_http_response response;
    struct vs_rest_token token;
    struct vs_arena arena;
    vs_http_response_init(&response, auth->env, TOKEN_ANSWER_MAX);
    vs_arena_init(&arena, auth->env, 0);
    enum vs_status status = vs_http_send(auth->http, &request, &response, err);
    if (status == VS_OK && (response.outcome != VS_HTTP_ANSWERED || response.status != 200)) {
        status = token_refused(auth, &response, err);
    }
    if (status == VS_OK) {
        status = vs_rest_token_parse(auth->env, vs_buf_view(&response.body), &arena, &token, err);
    }
    vs_http_response_clear(&response);
    if (status != VS_OK) {
        vs_arena_clear(&arena);
        return status;
    }
    vs_arena_clear(&auth->token_arena);
    auth->token_arena = arena;
    auth->fetched = token.text;
    auth->fetched_ms = vs_wall_ms(auth->env);
    // A minute before its end, or at three quarters of a shorter life.
    int64_t life_s = token.expires_in_s;
    int64_t use_s = life_s > 4 * REFRESH_MARGIN_S ? life_s - REFRESH_MARGIN_S : life_s * 3 / 4;
    auth->refresh_ms = life_s > 0 ? auth->fetched_ms + use_s * 1000 : 0;
    return VS_OK;
}

static enum vs_status append_bearer(struct vs_rest_auth *auth,
                                    bool fresh,
                                    struct vs_buf *text,
                                    struct vs_error *err)
{
    enum vs_status status = VS_OK;
    int64_t asked_ms = vs_wall_ms(auth->env);
    (void)pthread_mutex_lock(&auth->lock);
    bool is_due = auth->fetched.len == 0 ||
                  (auth->refresh_ms != 0 && vs_wall_ms(auth->env) >= auth->refresh_ms);
    // A token that another thread fetched while this one waited is fresh as well.
    bool is_refused = fresh && (auth->fetched.len == 0 || auth->fetched_ms <= asked_ms);
    bool use_given =
        auth->token.len > 0 && auth->fetched.len == 0 && !(fresh && auth->form.len > 0);
    if (!use_given && auth->form.len > 0 && (is_due || is_refused)) {
        status = fetch_token(auth, err);
    }
    struct vs_str token = use_given ? auth->token : auth->fetched;
    if (status == VS_OK) {
        status = vs_buf_append_c(text, "Bearer ", err);
    }
    if (status == VS_OK) {
        status = vs_buf_append_str(text, token, err);
    }
    (void)pthread_mutex_unlock(&auth->lock);
    return status;
}

// ---- signatures ----

static const char *method_name(enum vs_http_method method)
{
    static const char *const names[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
    return names[method];
}

// Host, path and query of "http(s)://host[:port]/path?query".
static void split_url(struct vs_str url, struct vs_aws_sign *sign)
{
    struct vs_str scheme, rest, host, path = {"", 0};
    if (!vs_str_split(url, ':', &scheme, &rest)) {
        rest = url;
    }
    while (rest.len > 0 && rest.ptr[0] == '/') {
        rest = (struct vs_str){rest.ptr + 1, rest.len - 1};
    }
    const char *slash = memchr(rest.ptr, '/', rest.len);
    host = (struct vs_str){rest.ptr, slash != NULL ? (size_t)(slash - rest.ptr) : rest.len};
    if (slash != NULL) {
        path = (struct vs_str){slash, rest.len - host.len};
    }
    sign->host = host;
    sign->path = path.len > 0 ? path : VS_STR("/");
    sign->query = VS_STR("");
    (void)vs_str_split(path, '?', &sign->path, &sign->query);
}

static enum vs_status sign_request(struct vs_rest_auth *auth,
                                   const struct vs_http_request *request,
                                   bool fresh,
                                   struct vs_buf *text,
                                   struct vs_pair *headers_out,
                                   size_t *count_out,
                                   struct vs_error *err)
{
    uint8_t digest[VS_SHA256_SIZE];
    char hex[2 * VS_SHA256_SIZE + 1];
    struct vs_aws_credentials credentials;
    struct vs_buf secrets;
    VS_TRY(vs_sha256(request->body.ptr, request->body.len, digest, err));
    vs_hex_format(digest, sizeof digest, hex);
    struct vs_aws_sign sign = {.method = method_name(request->method),
                               .headers = request->headers,
                               .header_count = request->header_count,
                               .payload_sha256 = {hex, sizeof hex - 1},
                               .is_s3 = false,
                               .region = auth->region,
                               .service = auth->service,
                               .wall_ms = vs_wall_ms(auth->env)};
    split_url(vs_str_from_c(request->url), &sign);
    vs_buf_init(&secrets, auth->env, HEADER_MAX);
    enum vs_status status = vs_aws_provider_get(auth->provider, fresh, &secrets, &credentials, err);
    if (status == VS_OK) {
        status = vs_aws_sign(&sign, &credentials, text, headers_out, count_out, err);
    }
    vs_buf_clear(&secrets);
    return status;
}

enum vs_status vs_rest_auth_headers(struct vs_rest_auth *auth,
                                    const struct vs_http_request *request,
                                    bool fresh,
                                    struct vs_buf *text,
                                    struct vs_pair headers_out[VS_REST_AUTH_HEADERS_MAX],
                                    size_t *count_out,
                                    struct vs_error *err)
{
    vs_buf_reset(text);
    if (auth->kind == AUTH_NONE) {
        *count_out = 0;
        return VS_OK;
    }
    if (auth->kind == AUTH_SIGV4) {
        return sign_request(auth, request, fresh, text, headers_out, count_out, err);
    }
    if (auth->kind == AUTH_BASIC) {
        VS_TRY(vs_buf_append_str(text, auth->basic, err));
    } else {
        VS_TRY(append_bearer(auth, fresh, text, err));
    }
    headers_out[0] = (struct vs_pair){VS_STR("Authorization"), vs_buf_view(text)};
    *count_out = 1;
    return VS_OK;
}
