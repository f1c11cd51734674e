// SPDX-License-Identifier: Apache-2.0
/*
 * How requests to a REST catalog prove who sends them: rest.auth.type none, basic, oauth2, sigv4.
 *
 * Settings: rest.auth.type (else sigv4 when rest.sigv4-enabled, oauth2 when token or credential are
 * given, none otherwise); rest.auth.basic.username, rest.auth.basic.password; token; credential
 * ("id:secret"), oauth2-server-uri, scope, audience, resource; rest.signing-name,
 * rest.signing-region, rest.access-key-id, rest.secret-access-key, rest.session-token (else the
 * chain of aws_credentials.h). No secret is ever put into a message. Ownership: copies its
 * settings. Threads: may be shared; a token is fetched by one of them while the others wait.
 */
#ifndef VS_CATALOG_REST_AUTH_H
#define VS_CATALOG_REST_AUTH_H

#include "vecstore/object/aws_credentials.h"

struct vs_rest_auth;

// base: of the service, for the default token endpoint. http has to outlive it. No request yet.
enum vs_status vs_rest_auth_new(const struct vs_env *env,
                                struct vs_http_client *http,
                                const char *base,
                                const struct vs_settings *settings,
                                struct vs_rest_auth **auth_out,
                                struct vs_error *err);
void vs_rest_auth_free(struct vs_rest_auth *auth); // accepts NULL

#define VS_REST_AUTH_HEADERS_MAX VS_AWS_SIGNED_HEADERS_MAX

// Adds what the request needs (headers of it that are to be signed are those it has now). text
// holds the values (reset first). `fresh`: the service refused the last token.
enum vs_status vs_rest_auth_headers(struct vs_rest_auth *auth,
                                    const struct vs_http_request *request,
                                    bool fresh,
                                    struct vs_buf *text,
                                    struct vs_pair headers_out[VS_REST_AUTH_HEADERS_MAX],
                                    size_t *count_out,
                                    struct vs_error *err);
// Whether another try with `fresh` can have another outcome.
bool vs_rest_auth_can_refresh(const struct vs_rest_auth *auth);

#endif
