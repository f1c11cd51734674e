// SPDX-License-Identifier: Apache-2.0
#include "vecstore/catalog/rest_answer.h"

#include "vecstore/base/text.h"
#include "vecstore/object/http_client.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MAX_DEPTH 70 // table metadata is two levels down
#define SEPARATOR_DEFAULT "\x1f"
#define SEPARATOR_MAX 8
#define PREFIX_MAX 1024
#define TOKEN_MAX ((size_t)64 << 10)

// ---- status codes (iceberg.md 2.3); the first row that matches counts ----

static const struct vs_rest_rule rules[] = {
    {200, 299, VS_OUTCOME_DONE, VS_OK, VS_REST_RETRY_NEVER},
    {300, 399, VS_OUTCOME_FAILED, VS_UNSUPPORTED, VS_REST_RETRY_NEVER}, // redirects stay unfollowed
    {401, 401, VS_OUTCOME_FAILED, VS_UNAUTHENTICATED, VS_REST_RETRY_TOKEN},
    {403, 403, VS_OUTCOME_FAILED, VS_DENIED, VS_REST_RETRY_NEVER},
    {404, 404, VS_OUTCOME_FAILED, VS_NOT_FOUND, VS_REST_RETRY_NEVER},
    {405, 406, VS_OUTCOME_FAILED, VS_UNSUPPORTED, VS_REST_RETRY_NEVER},
    {408, 408, VS_OUTCOME_UNKNOWN, VS_TIMEOUT, VS_REST_RETRY_NEVER},
    {409, 409, VS_OUTCOME_CONFLICT, VS_CONFLICT, VS_REST_RETRY_NEVER},
    {419, 419, VS_OUTCOME_FAILED, VS_UNAUTHENTICATED, VS_REST_RETRY_TOKEN},
    {429, 429, VS_OUTCOME_FAILED, VS_UNAVAILABLE, VS_REST_RETRY_BACKOFF},
    {400, 499, VS_OUTCOME_FAILED, VS_INVALID, VS_REST_RETRY_NEVER},
    {501, 501, VS_OUTCOME_FAILED, VS_UNSUPPORTED, VS_REST_RETRY_NEVER},
    {503, 503, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, VS_REST_RETRY_AFTER},
    {504, 504, VS_OUTCOME_UNKNOWN, VS_TIMEOUT, VS_REST_RETRY_NEVER},
    {500, 599, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, VS_REST_RETRY_NEVER},
};

const struct vs_rest_rule *vs_rest_rule_of(int http_status)
{
    static const struct vs_rest_rule undefined = {0, 999, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE,
                                                  VS_REST_RETRY_NEVER};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (http_status >= rules[i].first && http_status <= rules[i].last) {
            return &rules[i];
        }
    }
    return &undefined;
}

// ---- errors ----

void vs_rest_error_parse(const struct vs_env *env,
                         struct vs_str body,
                         struct vs_rest_error *error_out)
{
    struct vs_json_doc *doc = NULL;
    struct vs_str text;
    *error_out = (struct vs_rest_error){.type = ""};
    if (vs_json_parse(env, body, "error", NULL, &doc, NULL) != VS_OK) {
        return;
    }
    const struct vs_json *error = vs_json_get(vs_json_root(doc), "error");
    if (vs_json_to_str(vs_json_get(error, "type"), &text)) {
        vs_text_copy_clean(text, error_out->type, sizeof error_out->type);
    }
    if (vs_json_to_str(vs_json_get(error, "message"), &text)) {
        vs_text_copy_clean(text, error_out->message, sizeof error_out->message);
    }
    vs_json_free(doc);
}

// ---- helpers for what is kept in an arena ----

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for an answer of the REST catalog");
}

static enum vs_status keep(struct vs_arena *arena,
                           struct vs_str text,
                           struct vs_str *out,
                           struct vs_error *err)
{
    *out = vs_arena_copy_str(arena, text);
    return out->ptr != NULL ? VS_OK : no_memory(err);
}

// The value of a map of texts; numbers and booleans, which some servers send bare, become text.
static bool value_text(const struct vs_json *value, char buf[32], struct vs_str *out)
{
    int64_t number;
    bool flag;
    if (vs_json_to_str(value, out)) {
        return true;
    }
    if (vs_json_to_i64(value, &number)) {
        int len = snprintf(buf, 32, "%lld", (long long)number);
        *out = (struct vs_str){buf, (size_t)len};
        return true;
    }
    if (vs_json_to_bool(value, &flag)) {
        *out = flag ? VS_STR("true") : VS_STR("false");
        return true;
    }
    return false;
}

typedef bool (*key_filter_fn)(struct vs_str key);

// Appends the members of an object that the filter lets through; `settings` has room for them.
static enum vs_status add_pairs(struct vs_arena *arena,
                                const struct vs_json *object,
                                key_filter_fn filter,
                                struct vs_pair *pairs,
                                size_t *count,
                                struct vs_error *err)
{
    struct vs_json_iter iter;
    struct vs_str key, text;
    const struct vs_json *value;
    char buf[32];
    if (!vs_json_is(object, VS_JSON_OBJECT)) {
        return VS_OK;
    }
    vs_json_iter_init(&iter, object);
    while (vs_json_iter_next(&iter, &key, &value)) {
        if (!value_text(value, buf, &text) || (filter != NULL && !filter(key))) {
            continue;
        }
        VS_TRY(keep(arena, key, &pairs[*count].key, err));
        VS_TRY(keep(arena, text, &pairs[*count].value, err));
        ++*count;
    }
    return VS_OK;
}

static enum vs_status parse_object(const struct vs_env *env,
                                   struct vs_str body,
                                   const char *what,
                                   struct vs_json_doc **doc_out,
                                   struct vs_error *err)
{
    struct vs_json_limits limits = {.max_depth = ANSWER_MAX_DEPTH};
    struct vs_json_doc *doc = NULL;
    enum vs_status status = vs_json_parse(env, body, what, &limits, &doc, err);
    if (status == VS_INVALID ||
        (status == VS_OK && !vs_json_is(vs_json_root(doc), VS_JSON_OBJECT))) {
        vs_json_free(doc);
        return vs_fail(err, VS_UNAVAILABLE,
                       "%s is no JSON object; is the address that of an Iceberg REST catalog?",
                       what);
    }
    if (status == VS_OK) {
        *doc_out = doc;
    }
    return status;
}

// ---- config ----

static bool has_prefix(struct vs_str key, const char *prefix)
{
    return vs_str_starts_with(key, vs_str_from_c(prefix));
}

static bool is_clients_alone(struct vs_str key)
{
    static const char *const names[] = {"token",    "credential", "scope", "oauth2-server-uri",
                                        "audience", "resource",   "uri",   "warehouse"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (vs_str_equal_c(key, names[i])) {
            return true;
        }
    }
    return has_prefix(key, "rest.") || has_prefix(key, "http.") || has_prefix(key, "header.");
}

static bool may_server_set(struct vs_str key)
{
    return !is_clients_alone(key);
}

static enum vs_status merge_settings(struct vs_rest_config *config,
                                     const struct vs_json *root,
                                     const struct vs_settings *client,
                                     struct vs_error *err)
{
    const struct vs_json *defaults = vs_json_get(root, "defaults");
    const struct vs_json *overrides = vs_json_get(root, "overrides");
    size_t most = vs_json_count(defaults) + vs_json_count(overrides);
    size_t own = client != NULL ? client->count : 0, count = 0;
    struct vs_pair *pairs = vs_arena_alloc_array(&config->arena, most + own, sizeof *pairs);
    if (pairs == NULL) {
        return no_memory(err);
    }
    VS_TRY(add_pairs(&config->arena, defaults, may_server_set, pairs, &count, err));
    for (size_t i = 0; i < own; i++) {
        VS_TRY(keep(&config->arena, client->items[i].key, &pairs[count].key, err));
        VS_TRY(keep(&config->arena, client->items[i].value, &pairs[count].value, err));
        count++;
    }
    VS_TRY(add_pairs(&config->arena, overrides, may_server_set, pairs, &count, err));
    config->settings = (struct vs_settings){pairs, count};
    return VS_OK;
}

static enum vs_status set_endpoints(struct vs_rest_config *config,
                                    const struct vs_json *list,
                                    struct vs_error *err)
{
    static const char *const plain[] = {
        "GET /v1/{prefix}/namespaces",
        "POST /v1/{prefix}/namespaces",
        "GET /v1/{prefix}/namespaces/{namespace}",
        "DELETE /v1/{prefix}/namespaces/{namespace}",
        "POST /v1/{prefix}/namespaces/{namespace}/properties",
        "GET /v1/{prefix}/namespaces/{namespace}/tables",
        "POST /v1/{prefix}/namespaces/{namespace}/tables",
        "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "POST /v1/{prefix}/namespaces/{namespace}/register",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
        "POST /v1/{prefix}/tables/rename",
        "POST /v1/{prefix}/transactions/commit",
    };
    size_t plain_count = sizeof plain / sizeof plain[0];
    bool is_given = vs_json_is(list, VS_JSON_ARRAY);
    size_t most = is_given ? vs_json_count(list) : plain_count;
    config->endpoints = vs_arena_alloc_array(&config->arena, most, sizeof *config->endpoints);
    if (config->endpoints == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; !is_given && i < plain_count; i++) {
        config->endpoints[config->endpoint_count++] = vs_str_from_c(plain[i]);
    }
    struct vs_json_iter iter;
    const struct vs_json *item;
    struct vs_str text;
    vs_json_iter_init(&iter, list);
    while (is_given && vs_json_iter_next(&iter, NULL, &item)) {
        if (vs_json_to_str(item, &text)) {
            VS_TRY(keep(&config->arena, text, &config->endpoints[config->endpoint_count], err));
            config->endpoint_count++;
        }
    }
    return VS_OK;
}

// The separator arrives as it goes into URLs ("%1F", "%2E") or as it is (".").
static enum vs_status set_separator(struct vs_rest_config *config, struct vs_error *err)
{
    struct vs_str text = vs_settings_get(&config->settings, "namespace-separator");
    if (text.ptr == NULL) {
        config->separator = VS_STR(SEPARATOR_DEFAULT);
        return VS_OK;
    }
    struct vs_buf plain;
    vs_buf_init(&plain, config->arena.env, SEPARATOR_MAX);
    enum vs_status status = vs_url_decode(text, false, &plain, err);
    if (status == VS_LIMIT || (status == VS_OK && plain.len == 0)) {
        status = vs_fail(err, VS_UNAVAILABLE,
                         "the REST catalog's namespace-separator is empty or too long");
    }
    if (status == VS_OK) {
        status = keep(&config->arena, vs_buf_view(&plain), &config->separator, err);
    }
    vs_buf_clear(&plain);
    return status;
}

static enum vs_status fill_config(struct vs_rest_config *config,
                                  const struct vs_json *root,
                                  const struct vs_settings *client,
                                  struct vs_error *err)
{
    VS_TRY(merge_settings(config, root, client, err));
    VS_TRY(set_endpoints(config, vs_json_get(root, "endpoints"), err));
    VS_TRY(set_separator(config, err));
    config->prefix = vs_settings_get(&config->settings, "prefix");
    if (config->prefix.len > PREFIX_MAX) {
        return vs_fail(err, VS_UNAVAILABLE, "the REST catalog's prefix is longer than %d bytes",
                       PREFIX_MAX);
    }
    struct vs_str lifetime;
    config->has_idempotency =
        vs_json_to_str(vs_json_get(root, "idempotency-key-lifetime"), &lifetime);
    return VS_OK;
}

enum vs_status vs_rest_config_parse(const struct vs_env *env,
                                    struct vs_str body,
                                    const struct vs_settings *client,
                                    struct vs_rest_config *config_out,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_rest_config config = {.endpoint_count = 0};
    VS_TRY(parse_object(env, body, "the answer to GET /v1/config", &doc, err));
    vs_arena_init(&config.arena, env, 0);
    enum vs_status status = fill_config(&config, vs_json_root(doc), client, err);
    vs_json_free(doc);
    if (status != VS_OK) {
        vs_arena_clear(&config.arena);
        return status;
    }
    *config_out = config;
    return VS_OK;
}

void vs_rest_config_clear(struct vs_rest_config *config)
{
    vs_arena_clear(&config->arena);
}

bool vs_rest_config_has(const struct vs_rest_config *config, const char *endpoint)
{
    for (size_t i = 0; i < config->endpoint_count; i++) {
        if (vs_str_equal_c(config->endpoints[i], endpoint)) {
            return true;
        }
    }
    return false;
}

// ---- tables ----

static bool is_table_key(struct vs_str key)
{
    return has_prefix(key, "s3.") || vs_str_equal_c(key, "client.region") ||
           vs_str_equal_c(key, "scan-planning-mode");
}

static bool is_storage_key(struct vs_str key)
{
    return has_prefix(key, "s3.") || vs_str_equal_c(key, "client.region");
}

static enum vs_status parse_settings(struct vs_arena *arena,
                                     const struct vs_json *object,
                                     struct vs_settings *out,
                                     struct vs_error *err)
{
    size_t count = 0;
    struct vs_pair *pairs = vs_arena_alloc_array(arena, vs_json_count(object), sizeof *pairs);
    if (pairs == NULL) {
        return no_memory(err);
    }
    VS_TRY(add_pairs(arena, object, is_table_key, pairs, &count, err));
    *out = (struct vs_settings){pairs, count};
    return VS_OK;
}

static enum vs_status parse_credentials(struct vs_rest_table *table,
                                        const struct vs_json *list,
                                        struct vs_error *err)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    struct vs_str prefix;
    if (!vs_json_is(list, VS_JSON_ARRAY)) {
        return VS_OK;
    }
    table->credentials =
        vs_arena_alloc_array(&table->arena, vs_json_count(list), sizeof *table->credentials);
    if (table->credentials == NULL) {
        return no_memory(err);
    }
    vs_json_iter_init(&iter, list);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        struct vs_rest_credential *c = &table->credentials[table->credential_count];
        if (!vs_json_to_str(vs_json_get(item, "prefix"), &prefix)) {
            continue;
        }
        VS_TRY(keep(&table->arena, prefix, &c->prefix, err));
        VS_TRY(parse_settings(&table->arena, vs_json_get(item, "config"), &c->settings, err));
        table->credential_count++;
    }
    return VS_OK;
}

static enum vs_status parse_metadata(const struct vs_env *env,
                                     const struct vs_json *json,
                                     const char *what,
                                     struct vs_rest_table *table,
                                     struct vs_error *err)
{
    struct vs_buf text;
    vs_buf_init(&text, env, VS_TABLE_METADATA_MAX_BYTES);
    enum vs_status status = vs_json_write_value(json, &text, err);
    if (status == VS_OK) {
        status = vs_table_metadata_parse(env, vs_buf_view(&text), what, &table->metadata, err);
    }
    vs_buf_clear(&text);
    return status;
}

static enum vs_status fill_table(const struct vs_env *env,
                                 const struct vs_json *root,
                                 const char *what,
                                 bool needs_metadata,
                                 struct vs_rest_table *table,
                                 struct vs_error *err)
{
    struct vs_str text;
    const struct vs_json *metadata = vs_json_get(root, "metadata");
    if (vs_json_to_str(vs_json_get(root, "metadata-location"), &text)) {
        VS_TRY(keep(&table->arena, text, &table->metadata_location, err));
    }
    VS_TRY(parse_settings(&table->arena, vs_json_get(root, "config"), &table->config, err));
    VS_TRY(parse_credentials(table, vs_json_get(root, "storage-credentials"), err));
    if (!needs_metadata) {
        return VS_OK;
    }
    if (!vs_json_is(metadata, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_CORRUPT, "%s: the REST catalog's answer has no table metadata",
                       what);
    }
    return parse_metadata(env, metadata, what, table, err);
}

enum vs_status vs_rest_table_parse(const struct vs_env *env,
                                   struct vs_str body,
                                   const char *what,
                                   bool needs_metadata,
                                   struct vs_rest_table *table_out,
                                   struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_rest_table table = {.credential_count = 0};
    VS_TRY(parse_object(env, body, what, &doc, err));
    vs_arena_init(&table.arena, env, 0);
    enum vs_status status = fill_table(env, vs_json_root(doc), what, needs_metadata, &table, err);
    vs_json_free(doc);
    if (status != VS_OK) {
        vs_rest_table_clear(&table);
        return status;
    }
    *table_out = table;
    return VS_OK;
}

void vs_rest_table_clear(struct vs_rest_table *table)
{
    vs_table_metadata_free(table->metadata);
    table->metadata = NULL;
    vs_arena_clear(&table->arena);
}

// s3a and s3n are s3 by other names.
static struct vs_str after_scheme(struct vs_str uri, struct vs_str *scheme_out)
{
    struct vs_str scheme, rest;
    if (!vs_str_split(uri, ':', &scheme, &rest)) {
        *scheme_out = (struct vs_str){uri.ptr, 0};
        return uri;
    }
    bool is_s3 = vs_str_equal_nocase(scheme, VS_STR("s3a")) ||
                 vs_str_equal_nocase(scheme, VS_STR("s3n")) ||
                 vs_str_equal_nocase(scheme, VS_STR("s3"));
    *scheme_out = is_s3 ? VS_STR("s3") : scheme;
    return rest;
}

static bool covers(struct vs_str prefix, struct vs_str location)
{
    struct vs_str scheme, own;
    if (vs_str_equal_nocase(prefix, VS_STR("s3"))) { // by scheme alone
        (void)after_scheme(location, &own);
        return vs_str_equal_c(own, "s3");
    }
    struct vs_str rest = after_scheme(prefix, &scheme);
    struct vs_str path = after_scheme(location, &own);
    struct vs_str folder = {rest.ptr,
                            rest.len > 0 && rest.ptr[rest.len - 1] == '/' ? rest.len - 1 : 0};
    return vs_str_equal(scheme, own) &&
           (vs_str_starts_with(path, rest) || (folder.len > 0 && vs_str_equal(path, folder)));
}

enum vs_status vs_rest_table_settings(struct vs_rest_table *table,
                                      struct vs_str location,
                                      struct vs_settings *settings_out,
                                      struct vs_error *err)
{
    const struct vs_rest_credential *best = NULL;
    for (size_t i = 0; i < table->credential_count; i++) {
        const struct vs_rest_credential *c = &table->credentials[i];
        if (covers(c->prefix, location) && (best == NULL || c->prefix.len > best->prefix.len)) {
            best = c;
        }
    }
    size_t most = table->config.count + (best != NULL ? best->settings.count : 0), count = 0;
    struct vs_pair *pairs = vs_arena_alloc_array(&table->arena, most, sizeof *pairs);
    if (pairs == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < table->config.count; i++) {
        if (is_storage_key(table->config.items[i].key)) {
            pairs[count++] = table->config.items[i];
        }
    }
    for (size_t i = 0; best != NULL && i < best->settings.count; i++) {
        if (is_storage_key(best->settings.items[i].key)) {
            pairs[count++] = best->settings.items[i];
        }
    }
    *settings_out = (struct vs_settings){pairs, count};
    return VS_OK;
}

// ---- tokens ----

enum vs_status vs_rest_token_parse(const struct vs_env *env,
                                   struct vs_str body,
                                   struct vs_arena *arena,
                                   struct vs_rest_token *token_out,
                                   struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_rest_token token = {.expires_in_s = 0};
    struct vs_str text;
    VS_TRY(parse_object(env, body, "the answer of the OAuth2 server", &doc, err));
    const struct vs_json *root = vs_json_root(doc);
    enum vs_status status = VS_OK;
    if (!vs_json_to_str(vs_json_get(root, "access_token"), &text) || text.len == 0 ||
        text.len > TOKEN_MAX) {
        status =
            vs_fail(err, VS_UNAUTHENTICATED, "the answer of the OAuth2 server has no access_token");
    } else {
        status = keep(arena, text, &token.text, err);
    }
    if (status == VS_OK && (!vs_json_to_i64(vs_json_get(root, "expires_in"), &token.expires_in_s) ||
                            token.expires_in_s < 0 || token.expires_in_s > INT32_MAX)) {
        token.expires_in_s = 0;
    }
    vs_json_free(doc);
    if (status == VS_OK) {
        *token_out = token;
    }
    return status;
}
