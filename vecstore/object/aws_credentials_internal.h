// SPDX-License-Identifier: Apache-2.0
/*
 * The places that AWS credentials come from, each a function that fills a struct vs_aws_secret.
 *
 * A place that is not set up answers VS_NOT_FOUND and says in a few words what it missed: the next
 * one is asked. One that is set up and fails answers something else and ends the search: going on
 * would work under another identity than the one that was meant.
 *
 * Everything secret lives in memory of the wiping environment, which zeroes a block before it is
 * freed or moved. Here err is never NULL. Threads: one search at a time (aws_credentials.c sees to
 * that).
 */
#ifndef VS_OBJECT_AWS_CREDENTIALS_INTERNAL_H
#define VS_OBJECT_AWS_CREDENTIALS_INTERNAL_H

#include "vecstore/object/aws_credentials.h"

// An allocator that zeroes what it gives back to `inner`.
struct vs_wipe_env {
    struct vs_env env; // to be used in place of inner
    const struct vs_env *inner;
};

void vs_wipe_env_init(struct vs_wipe_env *wipe, const struct vs_env *inner);

#define VS_AWS_SECRET_LIMIT ((size_t)16 << 10) // of one value; session tokens are the longest
#define VS_AWS_ANSWER_LIMIT ((size_t)64 << 10)

struct vs_aws_secret {
    struct vs_buf access_key, secret_key, session_token;
    int64_t expires_ms; // 0: never
};

void vs_aws_secret_init(struct vs_aws_secret *secret, const struct vs_env *env);
void vs_aws_secret_clear(struct vs_aws_secret *secret);
// Copies; INVALID when a value is missing or could not stand in a header. `what` names the place.
enum vs_status vs_aws_secret_set(struct vs_aws_secret *secret,
                                 const struct vs_aws_credentials *values,
                                 int64_t expires_ms,
                                 const char *what,
                                 struct vs_error *err);
struct vs_aws_credentials vs_aws_secret_view(const struct vs_aws_secret *secret);
// {"AccessKeyId", "SecretAccessKey", token_key, "Expiration"}: containers, IMDS and processes
// answer so.
enum vs_status vs_aws_secret_parse(struct vs_aws_secret *secret,
                                   struct vs_str json,
                                   const char *token_key,
                                   const char *what,
                                   struct vs_error *err);

// What a search works with. env is a wiping one.
struct vs_aws_search {
    const struct vs_env *env;
    struct vs_http_client *client;   // for STS; borrowed
    struct vs_http_client *metadata; // for addresses of the host itself: no proxy, 1 s to connect
    struct vs_str region;            // for STS; may be empty
    struct vs_str profile;           // s3.profile or AWS_PROFILE; empty: "default"
    int64_t process_timeout_ms;
};

// An environment variable; ptr == NULL when it is not set or empty.
struct vs_str vs_aws_variable(const char *name);
// A small file as a whole into buf (reset first); NOT_FOUND when it is not there.
enum vs_status vs_aws_read_file(const char *path, struct vs_buf *buf, struct vs_error *err);

// What of a role STS is asked for.
struct vs_aws_role {
    struct vs_str arn, session_name, external_id, duration_seconds, token_file;
};

// AssumeRole signed by `base`; base == NULL: AssumeRoleWithWebIdentity with role->token_file.
enum vs_status vs_aws_assume_role(struct vs_aws_search *search,
                                  const struct vs_aws_role *role,
                                  const struct vs_aws_credentials *base,
                                  struct vs_aws_secret *secret,
                                  struct vs_error *err);

enum vs_status vs_aws_from_environment(struct vs_aws_search *search,
                                       struct vs_aws_secret *secret,
                                       struct vs_error *err);
enum vs_status vs_aws_from_web_identity(struct vs_aws_search *search,
                                        struct vs_aws_secret *secret,
                                        struct vs_error *err);
enum vs_status vs_aws_from_profile(struct vs_aws_search *search,
                                   struct vs_aws_secret *secret,
                                   struct vs_error *err);
enum vs_status vs_aws_from_container(struct vs_aws_search *search,
                                     struct vs_aws_secret *secret,
                                     struct vs_error *err);
enum vs_status vs_aws_from_instance(struct vs_aws_search *search,
                                    struct vs_aws_secret *secret,
                                    struct vs_error *err);
// Runs a credential_process without a shell.
enum vs_status vs_aws_from_process(struct vs_aws_search *search,
                                   struct vs_str command,
                                   struct vs_aws_secret *secret,
                                   struct vs_error *err);

#endif
