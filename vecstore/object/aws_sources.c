// SPDX-License-Identifier: Apache-2.0
// Credentials from environment variables and from profiles of the shared files.
#include "vecstore/object/aws_credentials_internal.h"
#include "vecstore/object/aws_profile.h"
#include "vecstore/object/aws_shared_files_internal.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHAIN_MAX 5 // of source_profile

enum vs_status vs_aws_from_environment(struct vs_aws_search *search,
                                       struct vs_aws_secret *secret,
                                       struct vs_error *err)
{
    const struct vs_aws_credentials values = {vs_aws_variable("AWS_ACCESS_KEY_ID"),
                                              vs_aws_variable("AWS_SECRET_ACCESS_KEY"),
                                              vs_aws_variable("AWS_SESSION_TOKEN")};
    (void)search;
    if (values.access_key.ptr == NULL && values.secret_key.ptr == NULL) {
        return vs_fail(err, VS_NOT_FOUND, "AWS_ACCESS_KEY_ID is not set");
    }
    return vs_aws_secret_set(secret, &values, 0, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY", err);
}

enum vs_status vs_aws_from_web_identity(struct vs_aws_search *search,
                                        struct vs_aws_secret *secret,
                                        struct vs_error *err)
{
    const struct vs_aws_role role = {.arn = vs_aws_variable("AWS_ROLE_ARN"),
                                     .session_name = vs_aws_variable("AWS_ROLE_SESSION_NAME"),
                                     .token_file = vs_aws_variable("AWS_WEB_IDENTITY_TOKEN_FILE")};
    if (role.token_file.ptr == NULL) {
        return vs_fail(err, VS_NOT_FOUND, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    }
    if (role.arn.ptr == NULL) {
        return vs_fail(err, VS_INVALID, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
    }
    return vs_aws_assume_role(search, &role, NULL, secret, err);
}

// ---- the shared files ----

// $VARIABLE, else ~/.aws/NAME; "~/" at the start of the variable is the home directory.
static enum vs_status append_path(const char *variable,
                                  const char *name,
                                  struct vs_buf *path,
                                  struct vs_error *err)
{
    struct vs_str given = vs_aws_variable(variable), home = vs_aws_variable("HOME");
    bool below_home = given.ptr == NULL || vs_str_starts_with(given, VS_STR("~/"));
    char space[4096];
    if (below_home && home.ptr == NULL) {
        struct passwd entry, *found = NULL;
        if (getpwuid_r(getuid(), &entry, space, sizeof space, &found) == 0 && found != NULL) {
            home = vs_str_from_c(entry.pw_dir);
        }
    }
    if (below_home) {
        VS_TRY(vs_buf_append_str(path, home, err));
        VS_TRY(vs_buf_append_byte(path, '/', err));
    }
    if (given.ptr == NULL) {
        VS_TRY(vs_buf_printf(path, err, ".aws/%s", name));
    } else {
        size_t skip = below_home ? 2 : 0;
        VS_TRY(vs_buf_append(path, given.ptr + skip, given.len - skip, err));
    }
    return vs_buf_append_byte(path, 0, err);
}

static enum vs_status load_file(const char *variable,
                                const char *name,
                                struct vs_buf *path,
                                struct vs_buf *text,
                                struct vs_error *err)
{
    VS_TRY(append_path(variable, name, path, err));
    enum vs_status status = vs_aws_read_file((const char *)path->data, text, err);
    return status == VS_NOT_FOUND ? VS_OK : status;
}

enum vs_status vs_aws_shared_files_load(const struct vs_env *env,
                                        struct vs_aws_shared_files *files,
                                        struct vs_error *err)
{
    vs_buf_init(&files->config_path, env, 8192);
    vs_buf_init(&files->credentials_path, env, 8192);
    vs_buf_init(&files->config, env, VS_AWS_FILE_LIMIT);
    vs_buf_init(&files->credentials, env, VS_AWS_FILE_LIMIT);
    enum vs_status status =
        load_file("AWS_CONFIG_FILE", "config", &files->config_path, &files->config, err);
    if (status == VS_OK) {
        status = load_file("AWS_SHARED_CREDENTIALS_FILE", "credentials", &files->credentials_path,
                           &files->credentials, err);
    }
    if (status != VS_OK) {
        vs_aws_shared_files_clear(files);
    }
    return status;
}

void vs_aws_shared_files_clear(struct vs_aws_shared_files *files)
{
    vs_buf_clear(&files->config_path);
    vs_buf_clear(&files->credentials_path);
    vs_buf_clear(&files->config);
    vs_buf_clear(&files->credentials);
}

struct vs_str vs_aws_shared_files_get(const struct vs_aws_shared_files *files,
                                      struct vs_str profile,
                                      const char *key)
{
    struct vs_str value =
        vs_aws_profile_get(vs_buf_view(&files->credentials), VS_AWS_FILE_CREDENTIALS, profile, key);
    if (value.len == 0) {
        value = vs_aws_profile_get(vs_buf_view(&files->config), VS_AWS_FILE_CONFIG, profile, key);
    }
    return value.len > 0 ? value : (struct vs_str){NULL, 0};
}

// ---- a profile ----

// A search through the profiles that one names.
struct walk {
    struct vs_aws_search *search;
    const struct vs_aws_shared_files *files;
    struct vs_aws_role roles[CHAIN_MAX];
    size_t role_count;
};

static struct vs_str get(const struct walk *walk, struct vs_str profile, const char *key)
{
    return vs_aws_shared_files_get(walk->files, profile, key);
}

static bool exists(const struct walk *walk, struct vs_str profile)
{
    return vs_aws_profile_exists(vs_buf_view(&walk->files->credentials), VS_AWS_FILE_CREDENTIALS,
                                 profile) ||
           vs_aws_profile_exists(vs_buf_view(&walk->files->config), VS_AWS_FILE_CONFIG, profile);
}

// Keys or a process of the profile itself.
static enum vs_status own_credentials(const struct walk *walk,
                                      struct vs_str profile,
                                      struct vs_aws_secret *secret,
                                      struct vs_error *err)
{
    const struct vs_aws_credentials values = {get(walk, profile, "aws_access_key_id"),
                                              get(walk, profile, "aws_secret_access_key"),
                                              get(walk, profile, "aws_session_token")};
    struct vs_str command = get(walk, profile, "credential_process");
    if (values.access_key.ptr != NULL || values.secret_key.ptr != NULL) {
        char what[100];
        (void)snprintf(what, sizeof what, "profile '%.*s'", VS_STR_SHORT(profile));
        return vs_aws_secret_set(secret, &values, 0, what, err);
    }
    if (command.ptr != NULL) {
        return vs_aws_from_process(walk->search, command, secret, err);
    }
    if (get(walk, profile, "sso_session").ptr != NULL ||
        get(walk, profile, "sso_start_url").ptr != NULL) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "profile '%.*s' signs in by SSO, which vecstore does not do itself; give it "
                       "credential_process = aws configure export-credentials --profile %.*s",
                       VS_STR_SHORT(profile), VS_STR_SHORT(profile));
    }
    return vs_fail(err, VS_NOT_FOUND, "profile '%.*s' has no credentials", VS_STR_SHORT(profile));
}

static enum vs_status named_source(const struct walk *walk,
                                   struct vs_str source,
                                   struct vs_aws_secret *secret,
                                   struct vs_error *err)
{
    if (vs_str_equal_c(source, "Environment")) {
        return vs_aws_from_environment(walk->search, secret, err);
    }
    if (vs_str_equal_c(source, "EcsContainer")) {
        return vs_aws_from_container(walk->search, secret, err);
    }
    if (vs_str_equal_c(source, "Ec2InstanceMetadata")) {
        return vs_aws_from_instance(walk->search, secret, err);
    }
    return vs_fail(err, VS_INVALID,
                   "credential_source '%.*s' is none of Environment, EcsContainer and "
                   "Ec2InstanceMetadata",
                   VS_STR_SHORT(source));
}

// Follows source_profile, noting the roles on the way, to the credentials at its end.
static enum vs_status find_base(struct walk *walk,
                                struct vs_aws_secret *secret,
                                struct vs_error *err)
{
    struct vs_str profile = walk->search->profile;
    for (;;) {
        struct vs_aws_role role = {.arn = get(walk, profile, "role_arn"),
                                   .session_name = get(walk, profile, "role_session_name"),
                                   .external_id = get(walk, profile, "external_id"),
                                   .duration_seconds = get(walk, profile, "duration_seconds"),
                                   .token_file = get(walk, profile, "web_identity_token_file")};
        struct vs_str source = get(walk, profile, "source_profile");
        struct vs_str named = get(walk, profile, "credential_source");
        if (role.arn.ptr == NULL) {
            return own_credentials(walk, profile, secret, err);
        }
        if (role.token_file.ptr != NULL) {
            return vs_aws_assume_role(walk->search, &role, NULL, secret, err);
        }
        if (get(walk, profile, "mfa_serial").ptr != NULL) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "profile '%.*s' asks for a second factor (mfa_serial), which nobody can "
                           "type here",
                           VS_STR_SHORT(profile));
        }
        if (walk->role_count == CHAIN_MAX) {
            return vs_fail(err, VS_INVALID, "source_profile goes on through more than %d profiles",
                           CHAIN_MAX);
        }
        walk->roles[walk->role_count++] = role;
        if (named.ptr != NULL) {
            return named_source(walk, named, secret, err);
        }
        if (source.ptr == NULL || !exists(walk, source)) {
            return vs_fail(err, VS_INVALID,
                           "profile '%.*s' has a role_arn, but no source_profile that exists",
                           VS_STR_SHORT(profile));
        }
        if (vs_str_equal(source, profile)) {
            return own_credentials(walk, profile, secret, err);
        }
        profile = source;
    }
}

static enum vs_status assume_all(struct walk *walk,
                                 struct vs_aws_secret *secret,
                                 struct vs_error *err)
{
    struct vs_aws_secret next;
    enum vs_status status = VS_OK;
    vs_aws_secret_init(&next, walk->search->env);
    for (size_t i = walk->role_count; i > 0 && status == VS_OK; i--) {
        const struct vs_aws_credentials base = vs_aws_secret_view(secret);
        status = vs_aws_assume_role(walk->search, &walk->roles[i - 1], &base, &next, err);
        if (status == VS_OK) {
            struct vs_aws_secret used = *secret;
            *secret = next;
            next = used;
        }
    }
    vs_aws_secret_clear(&next);
    return status;
}

static enum vs_status search_profile(struct walk *walk,
                                     bool named,
                                     struct vs_aws_secret *secret,
                                     struct vs_error *err)
{
    struct vs_str profile = walk->search->profile;
    if (!exists(walk, profile)) {
        return vs_fail(err, named ? VS_INVALID : VS_NOT_FOUND,
                       "profile '%.*s' is neither in '%s' nor in '%s'", VS_STR_SHORT(profile),
                       (const char *)walk->files->config_path.data,
                       (const char *)walk->files->credentials_path.data);
    }
    enum vs_status status = find_base(walk, secret, err);
    if (status == VS_NOT_FOUND && (named || walk->role_count > 0)) {
        vs_ignore(vs_wrap(err, VS_INVALID, "profile '%.*s'", VS_STR_SHORT(profile)));
        err->code = VS_INVALID; // it was asked for by name: no other place stands in for it
        return VS_INVALID;
    }
    return status == VS_OK ? assume_all(walk, secret, err) : status;
}

enum vs_status vs_aws_from_profile(struct vs_aws_search *search,
                                   struct vs_aws_secret *secret,
                                   struct vs_error *err)
{
    struct vs_aws_shared_files files;
    struct vs_aws_search local = *search;
    bool named = search->profile.len > 0;
    enum vs_status status = vs_aws_shared_files_load(search->env, &files, err);
    if (status != VS_OK) { // a home directory of somebody else's is as good as none
        return status == VS_DENIED && !named ? VS_NOT_FOUND : status;
    }
    local.profile = named ? search->profile : VS_STR("default");
    struct walk walk = {.search = &local, .files = &files};
    status = search_profile(&walk, named, secret, err);
    vs_aws_shared_files_clear(&files);
    return status;
}
