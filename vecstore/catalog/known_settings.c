// SPDX-License-Identifier: Apache-2.0
/*
 * The settings that this program knows, so that a misspelt one is refused instead of being without
 * effect. Those of a service without a prefix of ours ("token", "header.x") pass.
 */
#include "vecstore/catalog/catalog.h"

static const char *const known[] = {
    "client.region",
    "http.ca-file",
    "http.ca-path",
    "http.connect-timeout-ms",
    "http.max-connections",
    "http.proxy",
    "http.tls-verify",
    "http.user-agent",
    "rest.access-key-id",
    "rest.allow-file-locations",
    "rest.auth.basic.password",
    "rest.auth.basic.username",
    "rest.auth.type",
    "rest.drop-purge",
    "rest.secret-access-key",
    "rest.session-token",
    "rest.signing-name",
    "rest.signing-region",
    "rest.sigv4-enabled",
    "rest.timeout-ms",
    "s3.access-key-id",
    "s3.anonymous",
    "s3.checksum",
    "s3.copy-part-size-bytes",
    "s3.copy-ranges",
    "s3.credential-process-timeout-ms",
    "s3.endpoint",
    "s3.hedge-ms",
    "s3.max-parallel",
    "s3.multipart-threshold-bytes",
    "s3.part-size-bytes",
    "s3.path-style-access",
    "s3.price.get-usd-per-1000",
    "s3.price.put-usd-per-1000",
    "s3.profile",
    "s3.region",
    "s3.request-timeout-ms",
    "s3.retry.base-ms",
    "s3.retry.max-attempts",
    "s3.retry.max-total-ms",
    "s3.secret-access-key",
    "s3.session-token",
    "s3.session-token-expires-at-ms",
    "s3.sse.key",
    "s3.sse.type",
};
#define KNOWN_COUNT (sizeof known / sizeof known[0])

static bool is_ours(struct vs_str key)
{
    static const char *const prefixes[] = {"client.", "http.", "rest.", "s3."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (vs_str_starts_with(key, vs_str_from_c(prefixes[i]))) {
            return true;
        }
    }
    return false;
}

static size_t common_prefix(struct vs_str a, const char *b)
{
    size_t n = 0;
    while (n < a.len && b[n] != '\0' && a.ptr[n] == b[n]) {
        n++;
    }
    return n;
}

static enum vs_status check_key(struct vs_str key, struct vs_error *err)
{
    const char *nearest = known[0];
    size_t most = 0;
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (vs_str_equal_c(key, known[i])) {
            return VS_OK;
        }
        size_t n = common_prefix(key, known[i]);
        if (n > most) {
            most = n;
            nearest = known[i];
        }
    }
    return vs_fail(err, VS_INVALID,
                   "there is no setting '%.*s'; did you mean %s? All are in docs/operations/s3.md "
                   "and catalogs.md",
                   VS_STR_SHORT(key), nearest);
}

enum vs_status vs_settings_check_known(const struct vs_settings *settings, struct vs_error *err)
{
    for (size_t i = 0; settings != NULL && i < settings->count; i++) {
        if (is_ours(settings->items[i].key)) {
            VS_TRY(check_key(settings->items[i].key, err));
        }
    }
    return VS_OK;
}
