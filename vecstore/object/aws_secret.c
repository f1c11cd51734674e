// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/datetime.h"
#include "vecstore/base/json.h"
#include "vecstore/object/aws_credentials_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Stands before each block and holds its size; as wide as the strictest alignment.
#define PREFIX_SIZE ((size_t)16)

static void *wiping_resize(void *ctx, void *ptr, size_t size)
{
    const struct vs_wipe_env *wipe = (const struct vs_wipe_env *)ctx;
    const struct vs_env *inner = wipe->inner;
    unsigned char *old = ptr != NULL ? (unsigned char *)ptr - PREFIX_SIZE : NULL;
    unsigned char *fresh = NULL;
    size_t old_size = 0;
    if (old != NULL) {
        memcpy(&old_size, old, sizeof old_size);
    }
    if (size > 0) { // never in place: what it gave back would keep its content
        if (size > SIZE_MAX - PREFIX_SIZE) {
            return NULL;
        }
        fresh = (unsigned char *)inner->resize(inner->ctx, NULL, size + PREFIX_SIZE);
        if (fresh == NULL) {
            return NULL;
        }
        memcpy(fresh, &size, sizeof size);
        if (old != NULL) {
            memcpy(fresh + PREFIX_SIZE, ptr, old_size < size ? old_size : size);
        }
    }
    if (old != NULL) {
        explicit_bzero(old, old_size + PREFIX_SIZE);
        (void)inner->resize(inner->ctx, old, 0);
    }
    return fresh != NULL ? fresh + PREFIX_SIZE : NULL;
}

static void inner_log(
    void *ctx, enum vs_log_level level, const char *subject, const char *event, const char *text)
{
    const struct vs_env *inner = ((const struct vs_wipe_env *)ctx)->inner;
    inner->log(inner->ctx, level, subject, event, text);
}

static int64_t inner_wall_ms(void *ctx)
{
    const struct vs_env *inner = ((const struct vs_wipe_env *)ctx)->inner;
    return inner->wall_ms(inner->ctx);
}

static int64_t inner_monotonic_ns(void *ctx)
{
    const struct vs_env *inner = ((const struct vs_wipe_env *)ctx)->inner;
    return inner->monotonic_ns(inner->ctx);
}

static void inner_random_bytes(void *ctx, void *dst, size_t n)
{
    const struct vs_env *inner = ((const struct vs_wipe_env *)ctx)->inner;
    inner->random_bytes(inner->ctx, dst, n);
}

void vs_wipe_env_init(struct vs_wipe_env *wipe, const struct vs_env *inner)
{
    wipe->inner = inner;
    wipe->env = (struct vs_env){.resize = wiping_resize,
                                .log = inner->log != NULL ? inner_log : NULL,
                                .wall_ms = inner_wall_ms,
                                .monotonic_ns = inner_monotonic_ns,
                                .random_bytes = inner_random_bytes,
                                .ctx = wipe,
                                .log_level = inner->log_level};
}

void vs_aws_secret_init(struct vs_aws_secret *secret, const struct vs_env *env)
{
    vs_buf_init(&secret->access_key, env, VS_AWS_SECRET_LIMIT);
    vs_buf_init(&secret->secret_key, env, VS_AWS_SECRET_LIMIT);
    vs_buf_init(&secret->session_token, env, VS_AWS_SECRET_LIMIT);
    secret->expires_ms = 0;
}

void vs_aws_secret_clear(struct vs_aws_secret *secret)
{
    vs_buf_clear(&secret->access_key);
    vs_buf_clear(&secret->secret_key);
    vs_buf_clear(&secret->session_token);
    secret->expires_ms = 0;
}

static bool is_visible(struct vs_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

enum vs_status vs_aws_secret_set(struct vs_aws_secret *secret,
                                 const struct vs_aws_credentials *values,
                                 int64_t expires_ms,
                                 const char *what,
                                 struct vs_error *err)
{
    if (values->access_key.len == 0 || values->secret_key.len == 0) {
        return vs_fail(err, VS_INVALID, "%s: an access key needs a secret key and the reverse",
                       what);
    }
    if (!is_visible(values->access_key) || !is_visible(values->secret_key) ||
        !is_visible(values->session_token)) {
        return vs_fail(err, VS_INVALID, "%s: blanks or control characters in the credentials",
                       what);
    }
    vs_buf_reset(&secret->access_key);
    vs_buf_reset(&secret->secret_key);
    vs_buf_reset(&secret->session_token);
    secret->expires_ms = expires_ms;
    VS_TRY(vs_buf_append_str(&secret->access_key, values->access_key, err));
    VS_TRY(vs_buf_append_str(&secret->secret_key, values->secret_key, err));
    return vs_buf_append_str(&secret->session_token, values->session_token, err);
}

struct vs_aws_credentials vs_aws_secret_view(const struct vs_aws_secret *secret)
{
    return (struct vs_aws_credentials){vs_buf_view(&secret->access_key),
                                       vs_buf_view(&secret->secret_key),
                                       vs_buf_view(&secret->session_token)};
}

static enum vs_status parse_fields(struct vs_aws_secret *secret,
                                   const struct vs_json *root,
                                   const char *token_key,
                                   const char *what,
                                   struct vs_error *err)
{
    struct vs_aws_credentials values = {.session_token = {NULL, 0}};
    struct vs_str expiration = {NULL, 0};
    int64_t expires_us = 0;
    if (!vs_json_is(root, VS_JSON_OBJECT) ||
        !vs_json_to_str(vs_json_get(root, "AccessKeyId"), &values.access_key) ||
        !vs_json_to_str(vs_json_get(root, "SecretAccessKey"), &values.secret_key)) {
        return vs_fail(err, VS_CORRUPT, "%s: the answer has no AccessKeyId and SecretAccessKey",
                       what);
    }
    const struct vs_json *token = vs_json_get(root, token_key);
    if (token != NULL && !vs_json_is(token, VS_JSON_NULL) &&
        !vs_json_to_str(token, &values.session_token)) {
        return vs_fail(err, VS_CORRUPT, "%s: %s is no text", what, token_key);
    }
    const struct vs_json *end = vs_json_get(root, "Expiration");
    if (end != NULL && !vs_json_is(end, VS_JSON_NULL) &&
        (!vs_json_to_str(end, &expiration) ||
         vs_timestamp_parse(expiration, &expires_us, NULL, NULL) != VS_OK)) {
        return vs_fail(err, VS_CORRUPT, "%s: Expiration is no time", what);
    }
    return vs_aws_secret_set(secret, &values, expires_us / 1000, what, err);
}

enum vs_status vs_aws_secret_parse(struct vs_aws_secret *secret,
                                   struct vs_str json,
                                   const char *token_key,
                                   const char *what,
                                   struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    const struct vs_env *env = secret->access_key.env;
    enum vs_status status = vs_json_parse(env, json, what, NULL, &doc, NULL);
    if (status != VS_OK) { // the parser's message might quote the text
        return vs_fail(err, status == VS_NO_MEMORY ? status : VS_CORRUPT,
                       "%s: the answer is no JSON, or there is no memory for it", what);
    }
    status = parse_fields(secret, vs_json_root(doc), token_key, what, err);
    vs_json_free(doc);
    return status;
}

struct vs_str vs_aws_variable(const char *name)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the library changes the environment
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? vs_str_from_c(value) : (struct vs_str){NULL, 0};
}

static enum vs_status read_all(int fd, const char *path, struct vs_buf *buf, struct vs_error *err)
{
    for (;;) {
        char bytes[4096];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        enum vs_status status = n < 0 ? vs_fail_errno(err, errno, "cannot read '%s'", path)
                                      : (n > 0 ? vs_buf_append(buf, bytes, (size_t)n, err) : VS_OK);
        explicit_bzero(bytes, sizeof bytes);
        if (status != VS_OK || n == 0) {
            return status;
        }
    }
}

enum vs_status vs_aws_read_file(const char *path, struct vs_buf *buf, struct vs_error *err)
{
    vs_buf_reset(buf);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return vs_fail_errno(err, errno, "cannot open '%s'", path);
    }
    enum vs_status status = read_all(fd, path, buf, err);
    (void)close(fd); // only read
    return status;
}
