// SPDX-License-Identifier: Apache-2.0
// The Security Token Service: AssumeRole and AssumeRoleWithWebIdentity.
#include "vecstore/base/crypto.h"
#include "vecstore/base/datetime.h"
#include "vecstore/object/aws_credentials_internal.h"
#include "vecstore/object/s3_xml.h"

#include <string.h>
#include <time.h>

#define ATTEMPTS 3
#define FIRST_PAUSE_MS 100
#define REASON_MAX 160

// What an answer says, copied out of the walk.
struct sts_answer {
    struct vs_buf access_key, secret_key, session_token, expiration, code, message;
};

static enum vs_status on_element(void *ctx,
                                 const struct vs_xml_element *element,
                                 struct vs_error *err)
{
    struct sts_answer *answer = (struct sts_answer *)ctx;

    const struct {
        const char *parent, *name;
        struct vs_buf *out;
    } wanted[] = {{"Credentials", "AccessKeyId", &answer->access_key},
                  {"Credentials", "SecretAccessKey", &answer->secret_key},
                  {"Credentials", "SessionToken", &answer->session_token},
                  {"Credentials", "Expiration", &answer->expiration},
                  {"Error", "Code", &answer->code},
                  {"Error", "Message", &answer->message}};

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (vs_str_equal_c(element->parent, wanted[i].parent) &&
            vs_str_equal_c(element->name, wanted[i].name)) {
            vs_buf_reset(wanted[i].out);
            return vs_buf_append_str(wanted[i].out, vs_str_trim(element->text), err);
        }
    }
    return VS_OK;
}

static void init_answer(struct sts_answer *answer, const struct vs_env *env)
{
    struct vs_buf *all[] = {&answer->access_key, &answer->secret_key, &answer->session_token,
                            &answer->expiration, &answer->code,       &answer->message};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vs_buf_init(all[i], env, VS_AWS_SECRET_LIMIT);
    }
}

static void clear_answer(struct sts_answer *answer)
{
    struct vs_buf *all[] = {&answer->access_key, &answer->secret_key, &answer->session_token,
                            &answer->expiration, &answer->code,       &answer->message};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vs_buf_clear(all[i]);
    }
}

static enum vs_status append_field(struct vs_buf *body,
                                   const char *name,
                                   struct vs_str value,
                                   struct vs_error *err)
{
    if (value.len == 0) {
        return VS_OK;
    }
    VS_TRY(vs_buf_printf(body, err, "&%s=", name));
    return vs_url_encode(value, false, body, err);
}

static enum vs_status append_form(const struct vs_aws_search *search,
                                  const struct vs_aws_role *role,
                                  struct vs_buf *token, // NULL: AssumeRole
                                  struct vs_buf *body,
                                  struct vs_error *err)
{
    VS_TRY(vs_buf_printf(body, err, "Action=%s&Version=2011-06-15",
                         token != NULL ? "AssumeRoleWithWebIdentity" : "AssumeRole"));
    VS_TRY(append_field(body, "RoleArn", role->arn, err));
    if (role->session_name.len > 0) {
        VS_TRY(append_field(body, "RoleSessionName", role->session_name, err));
    } else {
        VS_TRY(vs_buf_printf(body, err, "&RoleSessionName=vecstore-%lld",
                             (long long)vs_wall_ms(search->env)));
    }
    VS_TRY(append_field(body, "DurationSeconds", role->duration_seconds, err));
    VS_TRY(append_field(body, "ExternalId", role->external_id, err));
    return token != NULL
               ? append_field(body, "WebIdentityToken", vs_str_trim(vs_buf_view(token)), err)
               : VS_OK;
}

// https://sts.REGION.amazonaws.com/ or what AWS_ENDPOINT_URL_STS says; NUL-terminated.
static enum vs_status append_endpoint(const struct vs_aws_search *search,
                                      struct vs_buf *url,
                                      struct vs_error *err)
{
    struct vs_str own = vs_aws_variable("AWS_ENDPOINT_URL_STS");
    own = own.ptr != NULL ? own : vs_aws_variable("AWS_ENDPOINT_URL");
    if (own.ptr != NULL) {
        while (own.len > 0 && own.ptr[own.len - 1] == '/') {
            own.len--;
        }
        VS_TRY(vs_buf_append_str(url, own, err));
    } else if (search->region.len > 0) {
        bool china = vs_str_starts_with(search->region, VS_STR("cn-"));
        VS_TRY(vs_buf_printf(url, err, "https://sts.%.*s.amazonaws.com%s",
                             VS_STR_SHORT(search->region), china ? ".cn" : ""));
    } else {
        VS_TRY(vs_buf_append_c(url, "https://sts.amazonaws.com", err));
    }
    VS_TRY(vs_buf_append_byte(url, '/', err));
    return vs_buf_append_byte(url, 0, err);
}

// The parts of "scheme://host/path\0" that a signature needs.
static struct vs_str host_of(struct vs_str url, struct vs_str *path_out)
{
    const char *start = memchr(url.ptr, ':', url.len);
    size_t skip = start != NULL ? (size_t)(start - url.ptr) + 3 : url.len;
    struct vs_str host = {url.ptr + (skip < url.len ? skip : url.len),
                          skip < url.len ? url.len - skip : 0};
    const char *slash = host.len > 0 ? memchr(host.ptr, '/', host.len) : NULL;
    *path_out = (struct vs_str){NULL, 0};
    if (slash != NULL) {
        size_t host_len = (size_t)(slash - host.ptr);
        *path_out = (struct vs_str){slash, host.len - host_len};
        host.len = host_len;
    }
    return host;
}

static enum vs_status sign(
    const struct vs_aws_search *search,
    struct vs_http_request *request,
    const struct vs_aws_credentials *base,
    struct vs_buf *text,
    struct vs_pair *headers, // one is there, VS_AWS_SIGNED_HEADERS_MAX follow
    struct vs_error *err)
{
    uint8_t digest[VS_SHA256_SIZE];
    char hash[2 * VS_SHA256_SIZE + 1];
    struct vs_str path, region = search->region;
    struct vs_str host = host_of(vs_str_from_c(request->url), &path);
    size_t added = 0;
    VS_TRY(vs_sha256(request->body.ptr, request->body.len, digest, err));
    vs_hex_format(digest, sizeof digest, hash);
    const struct vs_aws_sign to_sign = {.method = "POST",
                                        .host = host,
                                        .path = path,
                                        .headers = headers,
                                        .header_count = 1,
                                        .payload_sha256 = {hash, sizeof hash - 1},
                                        .region = region.len > 0 ? region : VS_STR("us-east-1"),
                                        .service = VS_STR("sts"),
                                        .wall_ms = vs_wall_ms(search->env)};
    VS_TRY(vs_aws_sign(&to_sign, base, text, headers + 1, &added, err));
    request->header_count = 1 + added;
    return VS_OK;
}

static bool is_transient(const struct vs_http_response *response)
{
    return response->outcome != VS_HTTP_ANSWERED || response->status >= 500 ||
           response->status == 429;
}

static enum vs_status send_form(struct vs_aws_search *search,
                                const char *url,
                                struct vs_str body,
                                const struct vs_aws_credentials *base,
                                struct vs_http_response *response,
                                struct vs_error *err)
{
    struct vs_pair headers[1 + VS_AWS_SIGNED_HEADERS_MAX] = {
        {VS_STR("content-type"), VS_STR("application/x-www-form-urlencoded; charset=utf-8")}};
    struct vs_http_request request = {.method = VS_HTTP_POST,
                                      .url = url,
                                      .headers = headers,
                                      .header_count = 1,
                                      .body = body,
                                      .timeout_ms = 10000};
    struct vs_buf text;
    enum vs_status status = VS_OK;
    vs_buf_init(&text, search->env, VS_AWS_ANSWER_LIMIT);
    for (int i = 0; i < ATTEMPTS; i++) {
        const struct timespec pause = {0, (long)(FIRST_PAUSE_MS << i) * 1000000};
        if (i > 0) {
            (void)nanosleep(&pause, NULL);
        }
        if (base != NULL) {
            status = sign(search, &request, base, &text, headers, err);
        }
        if (status == VS_OK) {
            status = vs_http_send(search->client, &request, response, err);
        }
        if (status != VS_OK || !is_transient(response)) {
            break;
        }
    }
    vs_buf_clear(&text);
    return status;
}

// Only printable characters of what the service says, and not too many.
static struct vs_str tame(struct vs_buf *text)
{
    text->len = text->len > REASON_MAX ? REASON_MAX : text->len;
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] < ' ' || text->data[i] > '~') {
            text->data[i] = '?';
        }
    }
    return vs_buf_view(text);
}

static enum vs_status read_answer(const struct vs_aws_search *search,
                                  const struct vs_http_response *response,
                                  struct sts_answer *answer,
                                  struct vs_aws_secret *secret,
                                  struct vs_error *err)
{
    static const char what[] = "the token service (STS)";
    if (response->outcome != VS_HTTP_ANSWERED) {
        return vs_fail(err, VS_UNAVAILABLE, "%s gives no answer: %s", what, response->failure);
    }
    enum vs_status walked =
        vs_xml_walk(search->env, vs_buf_view(&response->body), on_element, answer, NULL);
    if (walked == VS_NO_MEMORY) {
        return vs_fail(err, walked, "%s: out of memory", what);
    }
    if (response->status != 200) {
        struct vs_str code = tame(&answer->code), message = tame(&answer->message);
        return vs_fail(err, is_transient(response) ? VS_UNAVAILABLE : VS_DENIED,
                       "%s refuses with status %d %.*s: %.*s", what, response->status,
                       VS_STR_ARG(code), VS_STR_ARG(message));
    }
    struct vs_str expiration = vs_buf_view(&answer->expiration);
    int64_t expires_us = 0;
    if (walked != VS_OK || answer->access_key.len == 0 || answer->session_token.len == 0 ||
        vs_timestamp_parse(expiration, &expires_us, NULL, NULL) != VS_OK) {
        return vs_fail(err, VS_CORRUPT, "%s gives an answer without credentials", what);
    }
    const struct vs_aws_credentials values = {vs_buf_view(&answer->access_key),
                                              vs_buf_view(&answer->secret_key),
                                              vs_buf_view(&answer->session_token)};
    return vs_aws_secret_set(secret, &values, expires_us / 1000, what, err);
}

static enum vs_status read_token(const struct vs_aws_role *role,
                                 struct vs_buf *path,
                                 struct vs_buf *token,
                                 struct vs_error *err)
{
    VS_TRY(vs_buf_append_str(path, role->token_file, err));
    VS_TRY(vs_buf_append_byte(path, 0, err));
    enum vs_status status = vs_aws_read_file((const char *)path->data, token, err);
    return status == VS_NOT_FOUND // the role is asked for: its token must be there
               ? vs_fail(err, VS_INVALID, "the web identity token file '%s' does not exist",
                         (const char *)path->data)
               : status;
}

enum vs_status vs_aws_assume_role(struct vs_aws_search *search,
                                  const struct vs_aws_role *role,
                                  const struct vs_aws_credentials *base,
                                  struct vs_aws_secret *secret,
                                  struct vs_error *err)
{
    struct vs_buf path, token, url, body;
    struct vs_http_response response;
    struct sts_answer answer;
    vs_buf_init(&path, search->env, 4096);
    vs_buf_init(&token, search->env, VS_AWS_SECRET_LIMIT);
    vs_buf_init(&url, search->env, 4096);
    vs_buf_init(&body, search->env, VS_AWS_ANSWER_LIMIT);
    vs_http_response_init(&response, search->env, VS_AWS_ANSWER_LIMIT);
    init_answer(&answer, search->env);
    enum vs_status status = base == NULL ? read_token(role, &path, &token, err) : VS_OK;
    if (status == VS_OK) {
        status = append_form(search, role, base == NULL ? &token : NULL, &body, err);
    }
    if (status == VS_OK) {
        status = append_endpoint(search, &url, err);
    }
    if (status == VS_OK) {
        status =
            send_form(search, (const char *)url.data, vs_buf_view(&body), base, &response, err);
    }
    if (status == VS_OK) {
        status = read_answer(search, &response, &answer, secret, err);
    }
    clear_answer(&answer);
    vs_http_response_clear(&response);
    vs_buf_clear(&body);
    vs_buf_clear(&url);
    vs_buf_clear(&token);
    vs_buf_clear(&path);
    return status;
}
