// SPDX-License-Identifier: Apache-2.0
// A client is a stack of lanes (http_lane.c). A call takes one for itself, drives its requests on
// the caller's thread and puts it back. So no handle is ever used by two threads, there is no
// thread of our own and no hand-over between threads, and the lane taken next is the one put back
// last, whose connections are warm. The number of requests under way is bounded over all lanes.
#include "vecstore/object/http_client.h"

#include "vecstore/base/text.h"
#include "vecstore/object/http_internal.h"

#include <pthread.h>
#include <stdio.h>

struct vs_http_client {
    const struct vs_env *env;
    pthread_mutex_t lock;
    pthread_cond_t freed;      // some of max_connections have become free
    struct vs_http_lane *idle; // the one put back last comes first
    size_t in_use;
    struct vs_http_options options;
};

// ---- the client ----

// A setting as a C string; absent: NULL.
static enum vs_status copy_setting(const struct vs_env *env,
                                   const struct vs_settings *settings,
                                   const char *key,
                                   char **text_out,
                                   struct vs_error *err)
{
    struct vs_str value = vs_settings_get(settings, key);
    if (value.ptr == NULL) {
        return VS_OK;
    }
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7F) {
            return vs_fail(err, VS_INVALID, "setting %s has a control character in it", key);
        }
    }
    char *text = vs_text_clone(env, value);
    if (text == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the setting %s", key);
    }
    *text_out = text;
    return VS_OK;
}

static enum vs_status read_settings(struct vs_http_options *options,
                                    const struct vs_settings *settings,
                                    struct vs_error *err)
{
    const struct vs_env *env = options->env;
    int64_t connections = 0;
    VS_TRY(copy_setting(env, settings, "http.proxy", &options->proxy, err));
    VS_TRY(copy_setting(env, settings, "http.ca-file", &options->ca_file, err));
    VS_TRY(copy_setting(env, settings, "http.ca-path", &options->ca_path, err));
    VS_TRY(copy_setting(env, settings, "http.user-agent", &options->user_agent, err));
    VS_TRY(vs_settings_bool(settings, "http.tls-verify", true, &options->tls_verify, err));
    VS_TRY(vs_settings_i64(settings, "http.connect-timeout-ms", 5000, 1, 600000,
                           &options->connect_timeout_ms, err));
    VS_TRY(vs_settings_i64(settings, "http.max-connections", 64, 1, 4096, &connections, err));
    options->max_connections = (size_t)connections;
    return VS_OK;
}

void vs_http_client_free(struct vs_http_client *client)
{
    if (client == NULL) {
        return;
    }
    while (client->idle != NULL) {
        struct vs_http_lane *lane = client->idle;
        client->idle = lane->next;
        vs_http_lane_free(lane);
    }
    const struct vs_http_options *options = &client->options;
    char *texts[] = {options->proxy, options->ca_file, options->ca_path, options->user_agent};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        vs_free(client->env, texts[i]);
    }
    (void)pthread_cond_destroy(&client->freed);
    (void)pthread_mutex_destroy(&client->lock);
    vs_free(client->env, client);
}

enum vs_status vs_http_client_new(const struct vs_env *env,
                                  const struct vs_settings *settings,
                                  struct vs_http_client **client_out,
                                  struct vs_error *err)
{
    VS_TRY(vs_http_global_init(err));
    struct vs_http_client *client =
        (struct vs_http_client *)vs_alloc_zeroed(env, 1, sizeof *client);
    if (client == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an HTTP client");
    }
    client->env = env;
    client->options.env = env;
    // With default attributes these cannot fail on Linux.
    if (pthread_mutex_init(&client->lock, NULL) != 0 ||
        pthread_cond_init(&client->freed, NULL) != 0) {
        vs_free(env, client);
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an HTTP client");
    }
    enum vs_status status = read_settings(&client->options, settings, err);
    if (status != VS_OK) {
        vs_http_client_free(client);
        return status;
    }
    *client_out = client;
    return VS_OK;
}

// ---- lanes ----

// Waits until a request may start; gives up to `wanted` of them. A single call never takes all
// that is free while there is more than one, so that a commit need not wait for a long read.
static size_t take_connections(struct vs_http_client *client, size_t wanted)
{
    (void)pthread_mutex_lock(&client->lock);
    while (client->in_use >= client->options.max_connections) {
        (void)pthread_cond_wait(&client->freed, &client->lock);
    }
    size_t most = client->options.max_connections - client->in_use;
    most -= most / 4;
    size_t taken = wanted < most ? wanted : most;
    client->in_use += taken;
    (void)pthread_mutex_unlock(&client->lock);
    return taken;
}

static void give_connections(struct vs_http_client *client, size_t count)
{
    (void)pthread_mutex_lock(&client->lock);
    client->in_use -= count;
    (void)pthread_cond_broadcast(&client->freed);
    (void)pthread_mutex_unlock(&client->lock);
}

// The idle lane that has the connections for this many requests with the fewest to spare, else the
// one with most; NULL when there is none.
static struct vs_http_lane *pick_idle(struct vs_http_client *client, size_t count)
{
    struct vs_http_lane **best = NULL;
    (void)pthread_mutex_lock(&client->lock);
    for (struct vs_http_lane **at = &client->idle; *at != NULL; at = &(*at)->next) {
        size_t peak = (*at)->peak, best_peak = best != NULL ? (*best)->peak : 0;
        bool better = best_peak < count ? peak > best_peak : peak >= count && peak < best_peak;
        if (best == NULL || better) {
            best = at;
        }
    }
    struct vs_http_lane *lane = best != NULL ? *best : NULL;
    if (lane != NULL) {
        *best = lane->next;
    }
    (void)pthread_mutex_unlock(&client->lock);
    return lane;
}

static enum vs_status take_lane(struct vs_http_client *client,
                                size_t count,
                                struct vs_http_lane **lane_out,
                                struct vs_error *err)
{
    struct vs_http_lane *lane = pick_idle(client, count);
    if (lane == NULL) {
        VS_TRY(vs_http_lane_new(&client->options, &lane, err));
    }
    enum vs_status status = vs_http_lane_reserve(lane, count, err);
    if (status != VS_OK) {
        vs_http_lane_free(lane);
        return status;
    }
    lane->peak = count > lane->peak ? count : lane->peak;
    *lane_out = lane;
    return VS_OK;
}

static void give_lane(struct vs_http_client *client, struct vs_http_lane *lane)
{
    (void)pthread_mutex_lock(&client->lock);
    lane->next = client->idle;
    client->idle = lane;
    (void)pthread_mutex_unlock(&client->lock);
}

// ---- the interface ----

enum vs_status vs_http_send_many(struct vs_http_client *client,
                                 const struct vs_http_request *requests,
                                 struct vs_http_response *responses,
                                 size_t count,
                                 size_t parallel,
                                 struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_http_check_request(&requests[i], client->options.tls_verify, err));
    }
    if (count == 0) {
        return VS_OK;
    }
    for (size_t i = 0; i < count; i++) { // a response may be used again
        struct vs_http_response *response = &responses[i];
        vs_buf_reset(&response->headers);
        vs_buf_reset(&response->body);
        response->outcome = VS_HTTP_NOT_SENT;
        response->status = 0;
        response->dst_len = 0;
        response->more_than_asked = false;
        (void)snprintf(response->failure, sizeof response->failure, "not sent");
    }
    struct vs_http_lane *lane = NULL;
    struct vs_http_batch batch = {.requests = requests, .responses = responses, .count = count};
    size_t wanted = parallel < 1 ? 1 : parallel < count ? parallel : count;
    batch.parallel = take_connections(client, wanted);
    enum vs_status status = take_lane(client, batch.parallel, &lane, err);
    if (status == VS_OK) {
        status = vs_http_lane_drive(lane, &batch, err);
        give_lane(client, lane);
    }
    give_connections(client, batch.parallel);
    return status;
}

enum vs_status vs_http_send(struct vs_http_client *client,
                            const struct vs_http_request *request,
                            struct vs_http_response *response,
                            struct vs_error *err)
{
    return vs_http_send_many(client, request, response, 1, 1, err);
}
