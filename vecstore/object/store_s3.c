// SPDX-License-Identifier: Apache-2.0
// A store in an S3 bucket: settings, opening, closing. docs/operations/s3.md lists the settings.
#include "vecstore/object/aws_credentials_internal.h"
#include "vecstore/object/s3_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MIB ((int64_t)1 << 20)
#define NANO_PER_USD 1e9

// ---- numbers ----

static enum vs_status read_price(const struct vs_settings *settings,
                                 const char *key,
                                 double fallback,
                                 uint64_t *nano_usd_out,
                                 struct vs_error *err)
{
    struct vs_str text = vs_settings_get(settings, key);
    double usd = fallback;
    if (text.ptr != NULL &&
        (vs_parse_f64(text, &usd, NULL) != VS_OK || !(usd >= 0) || usd > 1000)) {
        return vs_fail(err, VS_INVALID,
                       "setting %s is '%.*s'; it has to be dollars for 1,000 requests", key,
                       VS_STR_SHORT(text));
    }
    *nano_usd_out = (uint64_t)(usd / 1000 * NANO_PER_USD + 0.5);
    return VS_OK;
}

static enum vs_status read_size(const struct vs_settings *settings,
                                const char *key,
                                int64_t fallback,
                                int64_t low,
                                size_t *size_out,
                                struct vs_error *err)
{
    int64_t value = 0;
    VS_TRY(vs_settings_i64(settings, key, fallback, low, 1024 * MIB, &value, err));
    *size_out = (size_t)value;
    return VS_OK;
}

static enum vs_status read_retry(const struct vs_settings *settings,
                                 struct vs_s3_config *config,
                                 struct vs_error *err)
{
    VS_TRY(
        vs_settings_i64(settings, "s3.retry.max-attempts", 8, 1, 100, &config->max_attempts, err));
    VS_TRY(vs_settings_i64(settings, "s3.retry.max-total-ms", 30000, 0, 3600000,
                           &config->retry_total_ms, err));
    VS_TRY(
        vs_settings_i64(settings, "s3.retry.base-ms", 100, 0, 10000, &config->retry_base_ms, err));
    VS_TRY(vs_settings_i64(settings, "s3.request-timeout-ms", 60000, 1, 3600000,
                           &config->request_timeout_ms, err));
    return vs_settings_i64(settings, "s3.hedge-ms", 0, 0, 60000, &config->hedge_ms, err);
}

static enum vs_status read_checksum(const struct vs_settings *settings,
                                    struct vs_s3_config *config,
                                    struct vs_error *err)
{
    struct vs_str text = vs_settings_get(settings, "s3.checksum");
    config->checksum = vs_str_equal_nocase(text, VS_STR("crc32c"));
    if (text.ptr != NULL && !config->checksum && !vs_str_equal_nocase(text, VS_STR("none"))) {
        return vs_fail(err, VS_INVALID, "setting s3.checksum is '%.*s'; known are none and crc32c",
                       VS_STR_SHORT(text));
    }
    return VS_OK;
}

static enum vs_status read_config(const struct vs_settings *settings,
                                  struct vs_s3_config *config,
                                  struct vs_error *err)
{
    int64_t parallel = 0;
    int64_t copy_max = 0;
    VS_TRY(vs_settings_i64(settings, "s3.max-parallel", 16, 1, 256, &parallel, err));
    config->max_parallel = (size_t)parallel;
    VS_TRY(read_size(settings, "s3.part-size-bytes", 8 * MIB, 5 * MIB, &config->part_size, err));
    VS_TRY(read_size(settings, "s3.multipart-threshold-bytes", 16 * MIB, 5 * MIB,
                     &config->multipart_threshold, err));
    VS_TRY(vs_settings_i64(settings, "s3.copy-part-size-bytes", 5120 * MIB, 5 * MIB, 5120 * MIB,
                           &copy_max, err));
    config->copy_max = (uint64_t)copy_max;
    VS_TRY(read_retry(settings, config, err));
    VS_TRY(read_checksum(settings, config, err));
    VS_TRY(read_price(settings, "s3.price.put-usd-per-1000", 0.005, &config->put_nano_usd, err));
    return read_price(settings, "s3.price.get-usd-per-1000", 0.0004, &config->get_nano_usd, err);
}

// ---- texts ----

static enum vs_status clone_text(const struct vs_s3_store *store,
                                 struct vs_str text,
                                 char **out,
                                 struct vs_error *err)
{
    char *copy = vs_text_clone(store->base.env, text);
    if (copy == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening an S3 store");
    }
    *out = copy;
    return VS_OK;
}

static enum vs_status read_sse(struct vs_s3_store *store,
                               const struct vs_settings *settings,
                               struct vs_error *err)
{
    struct vs_str type = vs_settings_get(settings, "s3.sse.type");
    struct vs_str key = vs_settings_get(settings, "s3.sse.key");
    if (type.len == 0 || vs_str_equal_nocase(type, VS_STR("none"))) {
        return VS_OK;
    }
    if (vs_str_equal_nocase(type, VS_STR("s3"))) {
        return clone_text(store, VS_STR("AES256"), &store->sse, err);
    }
    if (!vs_str_equal_nocase(type, VS_STR("kms"))) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "setting s3.sse.type is '%.*s'; known are none, s3 and kms",
                       VS_STR_SHORT(type));
    }
    VS_TRY(clone_text(store, VS_STR("aws:kms"), &store->sse, err));
    return key.len > 0 ? clone_text(store, key, &store->sse_key, err) : VS_OK;
}

static bool is_bucket_name(struct vs_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c != '-' && c != '.' && c != '_') {
            return false;
        }
    }
    return name.len >= 3 && name.len <= 255;
}

// "//bucket/prefix/": slashes at the end count for nothing.
static enum vs_status read_root(struct vs_s3_store *store, struct vs_str rest, struct vs_error *err)
{
    struct vs_str bucket = {NULL, 0};
    struct vs_str prefix = {NULL, 0};
    struct vs_buf uri;
    size_t len = 0;
    if (vs_str_starts_with(rest, VS_STR("//"))) {
        bucket = (struct vs_str){rest.ptr + 2, rest.len - 2};
        (void)vs_str_split(bucket, '/', &bucket, &prefix);
    }
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/') {
        prefix.len--;
    }
    if (!is_bucket_name(bucket)) {
        return vs_fail(err, VS_INVALID,
                       "\"s3:%.*s\" is no warehouse: expected s3://bucket or s3://bucket/prefix",
                       VS_STR_SHORT(rest));
    }
    VS_TRY(clone_text(store, bucket, &store->bucket, err));
    VS_TRY(clone_text(store, prefix, &store->prefix, err));
    if (prefix.len > 0) {
        VS_TRY(vs_key_validate(store->prefix, err));
    }
    vs_buf_init(&uri, store->base.env, SIZE_MAX / 2);
    enum vs_status status = vs_buf_printf(&uri, err, "s3://%s%s%s", store->bucket,
                                          prefix.len > 0 ? "/" : "", store->prefix);
    if (status == VS_OK && vs_buf_c_str(&uri) == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory opening an S3 store");
    }
    if (status == VS_OK) {
        store->base.root_uri = (const char *)vs_buf_take(&uri, &len);
    }
    vs_buf_clear(&uri);
    return status;
}

// ---- where requests go ----

static struct vs_str given_endpoint(const struct vs_settings *settings)
{
    static const char *const names[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"};
    struct vs_str endpoint = vs_settings_get(settings, "s3.endpoint");
    for (size_t i = 0; endpoint.len == 0 && i < 2; i++) {
        endpoint = vs_aws_variable(names[i]);
    }
    return endpoint;
}

// "https://host:port/path", or without a scheme, which then is https.
static enum vs_status take_endpoint(struct vs_s3_store *store,
                                    struct vs_str endpoint,
                                    struct vs_error *err)
{
    struct vs_str rest = endpoint;
    struct vs_str path = {"", 0};
    bool plain = vs_str_starts_with(rest, VS_STR("http://"));
    size_t skip = plain ? 7 : (vs_str_starts_with(rest, VS_STR("https://")) ? 8 : 0);
    rest.ptr += skip;
    rest.len -= skip;
    while (rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
        rest.len--;
    }
    const char *slash = rest.len > 0 ? (const char *)memchr(rest.ptr, '/', rest.len) : NULL;
    if (slash != NULL) {
        path = (struct vs_str){slash, rest.len - (size_t)(slash - rest.ptr)};
        rest.len = (size_t)(slash - rest.ptr);
    }
    bool bad = rest.len == 0 || (skip == 0 && memmem(endpoint.ptr, endpoint.len, "://", 3) != NULL);
    for (size_t i = 0; i < endpoint.len; i++) {
        bad = bad || (unsigned char)endpoint.ptr[i] <= ' ' || endpoint.ptr[i] == '?' ||
              endpoint.ptr[i] == '#' || endpoint.ptr[i] == '@';
    }
    if (bad) {
        return vs_fail(err, VS_INVALID,
                       "setting s3.endpoint is '%.*s'; expected http://host:port or https://host",
                       VS_STR_SHORT(endpoint));
    }
    // The scheme's own port is not sent by clients, so it must not be signed either.
    if (vs_str_ends_with(rest, plain ? VS_STR(":80") : VS_STR(":443"))) {
        rest.len -= plain ? 3 : 4;
    }
    VS_TRY(clone_text(store, plain ? VS_STR("http") : VS_STR("https"), &store->scheme, err));
    VS_TRY(clone_text(store, path, &store->base_path, err));
    return clone_text(store, rest, &store->authority, err);
}

// R2 wants all parts but the last to be of one size, and says so at the completion only.
static bool takes_uneven_parts(const struct vs_s3_store *store)
{
    static const struct vs_str r2 = {".r2.cloudflarestorage.com", 25};
    struct vs_str host = vs_str_from_c(store->authority != NULL ? store->authority : "");
    struct vs_str port;
    (void)vs_str_split(host, ':', &host, &port);
    return host.len < r2.len ||
           !vs_str_equal_nocase((struct vs_str){host.ptr + host.len - r2.len, r2.len}, r2);
}

static enum vs_status read_endpoint(struct vs_s3_store *store,
                                    const struct vs_settings *settings,
                                    struct vs_error *err)
{
    struct vs_str endpoint = given_endpoint(settings);
    bool dotted = strchr(store->bucket, '.') != NULL;
    if (endpoint.len > 0) {
        VS_TRY(take_endpoint(store, endpoint, err));
    } else {
        VS_TRY(clone_text(store, VS_STR("https"), &store->scheme, err));
        VS_TRY(clone_text(store, VS_STR(""), &store->base_path, err));
    }
    VS_TRY(vs_settings_bool(settings, "s3.path-style-access", endpoint.len > 0,
                            &store->config.path_style, err));
    // A dot in the name would not match the certificate of *.s3.….
    store->config.path_style = store->config.path_style || dotted;
    return vs_settings_bool(settings, "s3.copy-ranges", takes_uneven_parts(store),
                            &store->config.copy_ranges, err);
}

static enum vs_status read_region(struct vs_s3_store *store, struct vs_error *err)
{
    struct vs_str region = vs_aws_provider_region(store->provider);
    if (region.len == 0) {
        region = VS_STR("us-east-1"); // another one is learned from the first answer
    }
    for (size_t i = 0; i < region.len; i++) {
        bool plain =
            isalnum((unsigned char)region.ptr[i]) || region.ptr[i] == '-' || region.ptr[i] == '_';
        if (!plain || region.len >= VS_S3_REGION_SIZE) {
            return vs_fail(err, VS_INVALID, "setting client.region is '%.*s', which is no region",
                           VS_STR_SHORT(region));
        }
    }
    (void)snprintf(store->region, sizeof store->region, "%.*s", VS_STR_ARG(region));
    return VS_OK;
}

// ---- the store ----

static void s3_free(struct vs_store *base)
{
    struct vs_s3_store *store = (struct vs_s3_store *)base;
    const struct vs_env *env = base->env;
    char *texts[] = {store->bucket,    store->prefix, store->scheme, store->authority,
                     store->base_path, store->sse,    store->sse_key};
    vs_s3_wait_for_hedges(store);
    vs_aws_provider_free(store->provider);
    vs_http_client_free(store->http);
    (void)pthread_mutex_destroy(&store->lock);
    (void)pthread_cond_destroy(&store->hedge_ended);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        vs_free(env, texts[i]);
    }
    vs_free(env, (void *)(uintptr_t)base->root_uri);
    vs_free(env, store);
}

static const struct vs_store_vtable s3_store_vtable = {
    .open = vs_s3_open,
    .put = vs_s3_put,
    .create = vs_s3_create,
    .list = vs_s3_list,
    .remove = vs_s3_remove,
    .get_tagged = vs_s3_get_tagged,
    .put_match = vs_s3_put_match,
    .remove_many = vs_s3_remove_many,
    .check_writable = vs_s3_check_writable,
    .list_folders = vs_s3_list_folders,
    .exists = vs_s3_exists,
    .copy = vs_s3_copy,
    .open_sized = vs_s3_open_sized,
    .free = s3_free,
};

static enum vs_status set_up(struct vs_s3_store *store,
                             struct vs_str rest,
                             const struct vs_settings *settings,
                             struct vs_error *err)
{
    const struct vs_env *env = store->base.env;
    VS_TRY(read_root(store, rest, err));
    VS_TRY(read_config(settings, &store->config, err));
    VS_TRY(read_sse(store, settings, err));
    VS_TRY(read_endpoint(store, settings, err));
    VS_TRY(vs_http_client_new(env, settings, &store->http, err));
    VS_TRY(vs_aws_provider_new(env, settings, store->http, &store->provider, err));
    return read_region(store, err);
}

enum vs_status vs_store_s3_open(const struct vs_env *env,
                                struct vs_str rest,
                                const struct vs_settings *settings,
                                struct vs_store **store_out,
                                struct vs_error *err)
{
    struct vs_s3_store *store = (struct vs_s3_store *)vs_alloc_zeroed(env, 1, sizeof *store);
    if (store == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening an S3 store");
    }
    store->base.vtable = &s3_store_vtable;
    store->base.env = env;
    store->base.counts_itself = true;
    store->retry_tokens = VS_S3_RETRY_BURST;
    (void)pthread_mutex_init(&store->lock, NULL); // neither can fail on Linux
    (void)pthread_cond_init(&store->hedge_ended, NULL);
    enum vs_status status = set_up(store, rest, settings, err);
    if (status != VS_OK) {
        s3_free(&store->base);
        return status;
    }
    *store_out = &store->base;
    return VS_OK;
}

struct vs_s3_store *vs_s3_of(struct vs_store *store)
{
    return store->vtable == &s3_store_vtable ? (struct vs_s3_store *)store : NULL;
}

struct vs_aws_provider *vs_store_credentials(struct vs_store *store)
{
    struct vs_s3_store *s3 = vs_s3_of(store);
    return s3 != NULL ? s3->provider : NULL;
}
