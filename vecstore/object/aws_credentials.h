// SPDX-License-Identifier: Apache-2.0
/*
 * Where credentials come from: settings, environment, web identity, shared files, container, IMDSv2
 * (iceberg.md 6.4), refreshed before they expire.
 *
 * Ownership: a provider copies what it is given. Threads: may be shared; a refresh happens once.
 */
#ifndef VS_OBJECT_AWS_CREDENTIALS_H
#define VS_OBJECT_AWS_CREDENTIALS_H

#include "vecstore/object/aws_sign.h"
#include "vecstore/object/http_client.h"

struct vs_aws_provider;

// Settings: s3.access-key-id, s3.secret-access-key, s3.session-token,
// s3.session-token-expires-at-ms, s3.anonymous, s3.profile. Nothing is asked before the first get.
enum vs_status vs_aws_provider_new(const struct vs_env *env,
                                   const struct vs_settings *settings,
                                   struct vs_http_client *client,
                                   struct vs_aws_provider **provider_out,
                                   struct vs_error *err);
// A catalog that vends credentials: refresh is called when those at hand are used up by more than
// three quarters of their life, and gives new settings (s3.access-key-id, …) that live until the
// next call.
typedef enum vs_status (*vs_aws_refresh_fn)(void *ctx,
                                            struct vs_settings *settings_out,
                                            struct vs_error *err);
void vs_aws_provider_set_refresh(struct vs_aws_provider *provider,
                                 vs_aws_refresh_fn refresh,
                                 void *ctx);
void vs_aws_provider_free(struct vs_aws_provider *provider); // accepts NULL

// Credentials that are valid now, copied into text (reset first). DENIED tells every place that was
// looked at and why it gave none. `force`: the store refused the last ones as expired.
enum vs_status vs_aws_provider_get(struct vs_aws_provider *provider,
                                   bool force,
                                   struct vs_buf *text,
                                   struct vs_aws_credentials *credentials_out,
                                   struct vs_error *err);
// Region from settings (client.region, s3.region), AWS_REGION, AWS_DEFAULT_REGION, the profile;
// ptr == NULL when none says. Lives as long as the provider.
struct vs_str vs_aws_provider_region(struct vs_aws_provider *provider);

#endif
