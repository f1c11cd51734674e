// SPDX-License-Identifier: Apache-2.0
#include "vecstore/object/aws_credentials.h"

#include "vecstore/object/aws_credentials_internal.h"
#include "vecstore/object/aws_shared_files_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define EARLY_MS INT64_C(300000)      // before the end of their life new credentials are asked for
#define RETRY_AFTER_MS INT64_C(10000) // when a refresh failed and the old ones still work
#define FORCE_PAUSE_MS 1000           // credentials younger than this are not asked for again
#define SETTING_LIMIT ((size_t)4096)
#define PLACES_MAX 380

struct vs_aws_provider {
    struct vs_wipe_env wipe;
    struct vs_http_client *client;   // borrowed
    struct vs_http_client *metadata; // ours; made when a search gets so far
    struct vs_aws_secret given;      // by settings; empty: none
    struct vs_buf profile, region;
    int64_t process_timeout_ms;
    bool anonymous;

    pthread_mutex_t lock; // of all that follows
    pthread_cond_t done;  // a refresh has ended
    bool refreshing;
    vs_aws_refresh_fn refresh;
    void *refresh_ctx;
    bool used_given;
    struct vs_aws_secret current; // empty: none yet
    int64_t obtained_ms, due_ms;  // due_ms 0: never
    uint64_t attempts, successes;
    struct vs_error failure; // of the last attempt
};

// ---- settings ----

static enum vs_status read_given(const struct vs_settings *settings,
                                 const char *what,
                                 struct vs_aws_secret *secret,
                                 struct vs_error *err)
{
    const struct vs_aws_credentials values = {
        vs_settings_get(settings, "s3.access-key-id"),
        vs_settings_get(settings, "s3.secret-access-key"),
        vs_settings_get(settings, "s3.session-token"),
    };
    int64_t expires_ms = 0;
    VS_TRY(vs_settings_i64(settings, "s3.session-token-expires-at-ms", 0, 0, INT64_MAX, &expires_ms,
                           err));
    if (values.access_key.len == 0 && values.secret_key.len == 0) {
        return VS_OK;
    }
    return vs_aws_secret_set(secret, &values, expires_ms, what, err);
}

// The first of what settings, environment and profile say.
static enum vs_status read_region(struct vs_aws_provider *provider,
                                  const struct vs_settings *settings,
                                  struct vs_error *err)
{
    const struct vs_str said[] = {
        vs_settings_get(settings, "client.region"), vs_settings_get(settings, "s3.region"),
        vs_aws_variable("AWS_REGION"), vs_aws_variable("AWS_DEFAULT_REGION")};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        if (said[i].len > 0) {
            return vs_buf_append_str(&provider->region, said[i], err);
        }
    }
    struct vs_aws_shared_files files;
    struct vs_str profile = vs_buf_view(&provider->profile);
    enum vs_status status = vs_aws_shared_files_load(&provider->wipe.env, &files, err);
    if (status != VS_OK) { // a file that cannot be read matters when credentials are looked for
        return status == VS_NO_MEMORY ? status : VS_OK;
    }
    struct vs_str region =
        vs_aws_shared_files_get(&files, profile.len > 0 ? profile : VS_STR("default"), "region");
    status = vs_buf_append_str(&provider->region, region, err);
    vs_aws_shared_files_clear(&files);
    return status;
}

static enum vs_status read_settings(struct vs_aws_provider *provider,
                                    const struct vs_settings *settings,
                                    struct vs_error *err)
{
    struct vs_str profile = vs_settings_get(settings, "s3.profile");
    VS_TRY(vs_settings_bool(settings, "s3.anonymous", false, &provider->anonymous, err));
    VS_TRY(vs_settings_i64(settings, "s3.credential-process-timeout-ms", 30000, 10, 600000,
                           &provider->process_timeout_ms, err));
    VS_TRY(read_given(settings, "the settings s3.access-key-id and s3.secret-access-key",
                      &provider->given, err));
    VS_TRY(vs_buf_append_str(&provider->profile, profile, err));
    return read_region(provider, settings, err);
}

enum vs_status vs_aws_provider_new(const struct vs_env *env,
                                   const struct vs_settings *settings,
                                   struct vs_http_client *client,
                                   struct vs_aws_provider **provider_out,
                                   struct vs_error *err)
{
    struct vs_error local = {.code = VS_OK};
    struct vs_aws_provider *provider =
        (struct vs_aws_provider *)vs_alloc_zeroed(env, 1, sizeof *provider);
    if (provider == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for credentials");
    }
    vs_wipe_env_init(&provider->wipe, env);
    provider->client = client;
    vs_aws_secret_init(&provider->given, &provider->wipe.env);
    vs_aws_secret_init(&provider->current, &provider->wipe.env);
    vs_buf_init(&provider->profile, &provider->wipe.env, SETTING_LIMIT);
    vs_buf_init(&provider->region, &provider->wipe.env, SETTING_LIMIT);
    // With default attributes these cannot fail on Linux.
    if (pthread_mutex_init(&provider->lock, NULL) != 0 ||
        pthread_cond_init(&provider->done, NULL) != 0) {
        vs_free(env, provider);
        return vs_fail(err, VS_NO_MEMORY, "out of memory for credentials");
    }
    enum vs_status status = read_settings(provider, settings, &local);
    if (status != VS_OK) {
        vs_aws_provider_free(provider);
        return vs_fail(err, status, "%s", local.message);
    }
    *provider_out = provider;
    return VS_OK;
}

void vs_aws_provider_set_refresh(struct vs_aws_provider *provider,
                                 vs_aws_refresh_fn refresh,
                                 void *ctx)
{
    (void)pthread_mutex_lock(&provider->lock);
    provider->refresh = refresh;
    provider->refresh_ctx = ctx;
    (void)pthread_mutex_unlock(&provider->lock);
}

void vs_aws_provider_free(struct vs_aws_provider *provider)
{
    if (provider == NULL) {
        return;
    }
    vs_http_client_free(provider->metadata);
    vs_aws_secret_clear(&provider->given);
    vs_aws_secret_clear(&provider->current);
    vs_buf_clear(&provider->profile);
    vs_buf_clear(&provider->region);
    (void)pthread_cond_destroy(&provider->done);
    (void)pthread_mutex_destroy(&provider->lock);
    vs_free(provider->wipe.inner, provider);
}

struct vs_str vs_aws_provider_region(struct vs_aws_provider *provider)
{
    struct vs_str region = vs_buf_view(&provider->region);
    return region.len > 0 ? region : (struct vs_str){NULL, 0};
}

// ---- one search through all places ----

typedef enum vs_status (*source_fn)(struct vs_aws_search *search,
                                    struct vs_aws_secret *secret,
                                    struct vs_error *err);

struct source {
    const char *name;
    source_fn find;
    bool skip_with_profile; // a profile that is named in the settings comes before it
};

static const struct source sources[] = {
    {"environment", vs_aws_from_environment, true},
    {"web identity", vs_aws_from_web_identity, true},
    {"profile", vs_aws_from_profile, false},
    {"container", vs_aws_from_container, false},
    {"instance", vs_aws_from_instance, false},
};

// Addresses of the host itself are not asked for through a proxy, and are near or not there.
static enum vs_status make_metadata_client(struct vs_aws_provider *provider, struct vs_error *err)
{
    static const struct vs_pair items[] = {{{"http.proxy", 10}, {"", 0}},
                                           {{"http.connect-timeout-ms", 23}, {"1000", 4}}};
    const struct vs_settings settings = {items, sizeof items / sizeof items[0]};
    return provider->metadata != NULL
               ? VS_OK
               : vs_http_client_new(provider->wipe.inner, &settings, &provider->metadata, err);
}

static enum vs_status search_all(struct vs_aws_provider *provider,
                                 struct vs_aws_secret *secret,
                                 struct vs_error *err)
{
    struct vs_str named = vs_buf_view(&provider->profile);
    struct vs_str profile = named.len > 0 ? named : vs_aws_variable("AWS_PROFILE");
    struct vs_aws_search search = {
        .env = &provider->wipe.env,
        .client = provider->client,
        .region = vs_buf_view(&provider->region),
        .profile = profile.len > 0 ? profile : vs_aws_variable("AWS_DEFAULT_PROFILE"),
        .process_timeout_ms = provider->process_timeout_ms,
    };
    char places[PLACES_MAX] = "settings: no s3.access-key-id";
    size_t used = strlen(places);
    // Where credentials have a source that is set up, the container's and the instance's are not
    // asked: making their client early costs nothing but a little memory.
    VS_TRY(make_metadata_client(provider, err));
    search.metadata = provider->metadata;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        if (sources[i].skip_with_profile && named.len > 0) {
            continue;
        }
        enum vs_status status = sources[i].find(&search, secret, err);
        if (status != VS_NOT_FOUND) {
            return status;
        }
        int more = snprintf(places + used, sizeof places - used, "; %s: %.110s", sources[i].name,
                            err->message);
        used += more > 0 ? (size_t)more : 0;
        used = used < sizeof places ? used : sizeof places - 1;
    }
    return vs_fail(err, VS_DENIED, "no AWS credentials found (%s); s3.anonymous=true does without",
                   places);
}

static enum vs_status call_refresh(vs_aws_refresh_fn refresh,
                                   void *ctx,
                                   struct vs_aws_secret *secret,
                                   struct vs_error *err)
{
    struct vs_settings settings = {NULL, 0};
    VS_TRY(refresh(ctx, &settings, err));
    VS_TRY(read_given(&settings, "the credentials from the catalog", secret, err));
    return secret->access_key.len > 0
               ? VS_OK
               : vs_fail(err, VS_DENIED, "the catalog gives no credentials for the store");
}

static bool is_alive(const struct vs_aws_secret *secret, int64_t now_ms)
{
    return secret->expires_ms == 0 || now_ms < secret->expires_ms;
}

// Runs without the lock: only one thread at a time is here.
static enum vs_status load(struct vs_aws_provider *provider,
                           vs_aws_refresh_fn refresh,
                           void *ctx,
                           struct vs_aws_secret *secret,
                           struct vs_error *err)
{
    const struct vs_aws_secret *given = &provider->given;
    int64_t now_ms = vs_wall_ms(&provider->wipe.env);
    bool has_given = given->access_key.len > 0;
    if (refresh != NULL &&
        (!has_given || provider->used_given || !is_alive(given, now_ms + FORCE_PAUSE_MS))) {
        VS_TRY(call_refresh(refresh, ctx, secret, err));
    } else if (has_given) {
        const struct vs_aws_credentials values = vs_aws_secret_view(given);
        VS_TRY(vs_aws_secret_set(secret, &values, given->expires_ms, "settings", err));
        provider->used_given = true;
    } else {
        VS_TRY(search_all(provider, secret, err));
    }
    return is_alive(secret, now_ms) ? VS_OK
                                    : vs_fail(err, VS_DENIED,
                                              "the credentials expired %" PRId64
                                              " s ago; get new ones, or set the clock",
                                              (now_ms - secret->expires_ms) / 1000);
}

// ---- refresh ----

// When the next refresh is due: five minutes before the end, after three quarters of the life of
// vended ones, and never at once.
static int64_t due_time(const struct vs_aws_secret *secret, int64_t now_ms, bool vended)
{
    if (secret->expires_ms == 0) {
        return 0;
    }
    int64_t life = secret->expires_ms - now_ms;
    if (vended) {
        return now_ms + life / 4 * 3;
    }
    return life > 2 * EARLY_MS ? secret->expires_ms - EARLY_MS : now_ms + life / 2;
}

// With the lock held; leaves it for the time of the search.
static enum vs_status refresh_now(struct vs_aws_provider *provider)
{
    struct vs_aws_secret fresh;
    struct vs_error failure = {.code = VS_OK};
    vs_aws_refresh_fn refresh = provider->refresh;
    void *ctx = provider->refresh_ctx;
    vs_aws_secret_init(&fresh, &provider->wipe.env);
    provider->refreshing = true;
    (void)pthread_mutex_unlock(&provider->lock);
    enum vs_status status = load(provider, refresh, ctx, &fresh, &failure);
    int64_t now_ms = vs_wall_ms(&provider->wipe.env);
    (void)pthread_mutex_lock(&provider->lock);
    provider->refreshing = false;
    provider->attempts++;
    if (status == VS_OK) {
        struct vs_aws_secret old = provider->current;
        provider->current = fresh;
        fresh = old;
        provider->obtained_ms = now_ms;
        provider->due_ms = due_time(&provider->current, now_ms, refresh != NULL);
        provider->successes++;
    } else {
        provider->failure = failure;
        provider->failure.code = status;
        provider->due_ms = now_ms + RETRY_AFTER_MS;
        vs_log(&provider->wipe.env, VS_LOG_WARN, "object", "credentials_refresh_failed",
               "status=%s", vs_status_name(status));
    }
    (void)pthread_cond_broadcast(&provider->done);
    vs_aws_secret_clear(&fresh);
    return status;
}

// With the lock held: brings `current` up to date where that is due.
static enum vs_status bring_up_to_date(struct vs_aws_provider *provider,
                                       bool force,
                                       struct vs_error *err)
{
    uint64_t attempts = provider->attempts, successes = provider->successes;
    for (;;) {
        int64_t now_ms = vs_wall_ms(&provider->wipe.env);
        bool has = provider->current.access_key.len > 0;
        bool usable = has && is_alive(&provider->current, now_ms);
        bool due = provider->due_ms != 0 && now_ms >= provider->due_ms;
        // What was obtained since we came, or a moment ago, is not what the store refused.
        force = force && provider->successes == successes &&
                (!has || now_ms - provider->obtained_ms >= FORCE_PAUSE_MS);
        if (usable && !force && (!due || provider->refreshing)) {
            return VS_OK;
        }
        if (provider->attempts != attempts) { // an attempt since we came has failed
            return usable && !force
                       ? VS_OK
                       : vs_fail(err, provider->failure.code, "%s", provider->failure.message);
        }
        if (provider->refreshing) {
            (void)pthread_cond_wait(&provider->done, &provider->lock);
        } else {
            vs_ignore(refresh_now(provider)); // the next round looks at what came of it
        }
    }
}

// With the lock held.
static enum vs_status copy_current(const struct vs_aws_provider *provider,
                                   struct vs_buf *text,
                                   struct vs_aws_credentials *credentials_out,
                                   struct vs_error *err)
{
    const struct vs_aws_credentials from = vs_aws_secret_view(&provider->current);
    size_t key_len = from.access_key.len, secret_len = from.secret_key.len;
    // At once, so that growing leaves no copy behind.
    VS_TRY(vs_buf_reserve(text, key_len + secret_len + from.session_token.len, err));
    VS_TRY(vs_buf_append_str(text, from.access_key, err));
    VS_TRY(vs_buf_append_str(text, from.secret_key, err));
    VS_TRY(vs_buf_append_str(text, from.session_token, err));
    const char *at = (const char *)text->data;
    *credentials_out =
        (struct vs_aws_credentials){{at, key_len},
                                    {at + key_len, secret_len},
                                    {at + key_len + secret_len, from.session_token.len}};
    return VS_OK;
}

enum vs_status vs_aws_provider_get(struct vs_aws_provider *provider,
                                   bool force,
                                   struct vs_buf *text,
                                   struct vs_aws_credentials *credentials_out,
                                   struct vs_error *err)
{
    if (text->data != NULL) {
        explicit_bzero(text->data, text->len);
    }
    vs_buf_reset(text);
    if (provider->anonymous) {
        *credentials_out = (struct vs_aws_credentials){{"", 0}, {"", 0}, {"", 0}};
        return VS_OK;
    }
    (void)pthread_mutex_lock(&provider->lock);
    enum vs_status status = bring_up_to_date(provider, force, err);
    if (status == VS_OK) {
        status = copy_current(provider, text, credentials_out, err);
    }
    (void)pthread_mutex_unlock(&provider->lock);
    return status;
}
