// SPDX-License-Identifier: Apache-2.0
/*
 * What a REST catalog answers, as data: errors, configuration, loaded tables, tokens; and the one
 * table that tells what a status code means.
 *
 * Spec: open-api/rest-catalog-open-api.yaml of Apache Iceberg; iceberg.md 2.2 and 2.3. Every byte
 * here comes from outside: sizes and depths are bounded, texts for messages are cleaned. Threads:
 * pure functions; results are immutable.
 */
#ifndef VS_CATALOG_REST_ANSWER_H
#define VS_CATALOG_REST_ANSWER_H

#include "vecstore/catalog/catalog_internal.h"

// ---- status codes ----

enum vs_rest_retry {
    VS_REST_RETRY_NEVER,
    VS_REST_RETRY_TOKEN,   // once, with a fresh token: the request was not processed
    VS_REST_RETRY_BACKOFF, // after a while: the request was not processed
    VS_REST_RETRY_AFTER,   // only when the answer says when (Retry-After)
};

struct vs_rest_rule {
    int first, last;        // status codes
    enum vs_outcome commit; // what it means for a commit
    enum vs_status status;  // what it means for any other request
    enum vs_rest_retry retry;
};

// Never NULL: codes that nobody defined are UNKNOWN for a commit.
const struct vs_rest_rule *vs_rest_rule_of(int http_status);

// ---- errors: {"error":{"message","type","code"}} ----

struct vs_rest_error {
    char type[96];     // "NoSuchTableException"; "" when the body does not say
    char message[256]; // without control characters
};

// Cannot fail: a body of another shape gives empty texts.
void vs_rest_error_parse(const struct vs_env *env,
                         struct vs_str body,
                         struct vs_rest_error *error_out);

// ---- GET /v1/config ----

struct vs_rest_config {
    struct vs_arena arena;
    struct vs_settings settings; // defaults < client < overrides
    struct vs_str prefix;        // empty: none
    struct vs_str separator;     // of namespace levels, not encoded
    bool has_idempotency;        // idempotency-key-lifetime is advertised
    size_t endpoint_count;
    struct vs_str *endpoints; // "GET /v1/{prefix}/namespaces"; the default set when absent
};

// What decides where secrets go and which files may be touched (auth, TLS, proxy, uri, rest.*) is
// the client's alone: such keys of the server are left out.
enum vs_status vs_rest_config_parse(const struct vs_env *env,
                                    struct vs_str body,
                                    const struct vs_settings *client,
                                    struct vs_rest_config *config_out,
                                    struct vs_error *err);
void vs_rest_config_clear(struct vs_rest_config *config);
bool vs_rest_config_has(const struct vs_rest_config *config, const char *endpoint);

// ---- LoadTableResult, CommitTableResponse, LoadCredentialsResponse ----

struct vs_rest_credential {
    struct vs_str prefix;
    struct vs_settings settings;
};

struct vs_rest_table {
    struct vs_arena arena;
    struct vs_table_metadata *metadata; // NULL: the answer has none (credentials)
    struct vs_str metadata_location;    // empty: the answer has none
    struct vs_settings config;
    size_t credential_count;
    struct vs_rest_credential *credentials;
};

enum vs_status vs_rest_table_parse(const struct vs_env *env,
                                   struct vs_str body,
                                   const char *what,
                                   bool needs_metadata,
                                   struct vs_rest_table *table_out,
                                   struct vs_error *err);
void vs_rest_table_clear(struct vs_rest_table *table);
// Settings of the store at location: those of the credential with the longest prefix of it win over
// config; only storage keys (s3.*, client.region). count 0: none. In table->arena.
enum vs_status vs_rest_table_settings(struct vs_rest_table *table,
                                      struct vs_str location,
                                      struct vs_settings *settings_out,
                                      struct vs_error *err);

// ---- OAuthTokenResponse ----

struct vs_rest_token {
    struct vs_str text;   // borrowed from the arena given
    int64_t expires_in_s; // 0: not said
};

enum vs_status vs_rest_token_parse(const struct vs_env *env,
                                   struct vs_str body,
                                   struct vs_arena *arena,
                                   struct vs_rest_token *token_out,
                                   struct vs_error *err);

#endif
