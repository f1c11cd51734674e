// SPDX-License-Identifier: Apache-2.0
/*
 * Sending with repair and retry. Repaired once each, since the server says that it did not process
 * the request: a wrong region, a clock that is off, expired credentials. Retried, where repeating
 * does no harm: a lost connection, 408, 429, 500, 502, 503, 504. Every retry costs a token that
 * ten requests earn, so that many clients do not hold down a store that is just getting up.
 */
#include "vecstore/base/datetime.h"
#include "vecstore/object/s3_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BACKOFF_MAX_MS 8000

struct attempts {
    int64_t deadline_ns;
    bool region_tried, clock_tried, refresh_tried;
    bool refresh; // for the next attempt
};

void vs_s3_answer_init(struct vs_s3_answer *answer, const struct vs_env *env)
{
    *answer = (struct vs_s3_answer){0};
    vs_http_response_init(&answer->http, env, VS_S3_XML_MAX);
    answer->http.outcome = VS_HTTP_NOT_SENT;
}

void vs_s3_answer_clear(struct vs_s3_answer *answer)
{
    vs_http_response_clear(&answer->http);
}

// ---- repair ----

// "Sat, 21 Nov 2026 14:57:30 GMT"
static bool parse_http_date(struct vs_str text, int64_t *ms_out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "", iso[40];
    int64_t micros = 0;
    if (text.len < 25 || text.ptr[3] != ',') { // the parts have fixed places
        return false;
    }
    memcpy(month, text.ptr + 8, 3);
    const char *at = strlen(month) == 3 ? strstr(months, month) : NULL;
    if (at == NULL) {
        return false;
    }
    (void)snprintf(iso, sizeof iso, "%.4s-%02d-%.2sT%.8sZ", text.ptr + 12,
                   (int)((at - months) / 3) + 1, text.ptr + 5, text.ptr + 17);
    if (vs_timestamp_parse(vs_str_from_c(iso), &micros, NULL, NULL) != VS_OK) {
        return false;
    }
    *ms_out = micros / 1000;
    return true;
}

static bool repair_clock(struct vs_s3_store *store, const struct vs_s3_answer *answer)
{
    int64_t server_ms = 0;
    if (!vs_s3_has_code(answer, "RequestTimeTooSkewed") ||
        !parse_http_date(vs_http_header(&answer->http, "date"), &server_ms)) {
        return false;
    }
    int64_t skew = server_ms - vs_wall_ms(store->base.env);
    atomic_store_explicit(&store->skew_ms, skew, memory_order_relaxed);
    vs_log(store->base.env, VS_LOG_WARN, "object", "s3_clock_skew", "skew_ms=%lld bucket=%s",
           (long long)skew, store->bucket);
    return true;
}

static bool is_region_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len == strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
}

static bool repair_region(struct vs_s3_store *store, const struct vs_s3_answer *answer)
{
    int status = answer->http.status;
    const char *region = answer->error.region;
    if ((status != 301 && status != 307 && status != 400 && status != 403) ||
        !is_region_name(region)) {
        return false;
    }
    (void)pthread_mutex_lock(&store->lock);
    bool other = strcmp(store->region, region) != 0;
    if (other) {
        (void)snprintf(store->region, sizeof store->region, "%s", region);
    }
    (void)pthread_mutex_unlock(&store->lock);
    if (other) {
        vs_log(store->base.env, VS_LOG_INFO, "object", "s3_region", "region=%s bucket=%s", region,
               store->bucket);
    }
    return true; // when it is the store's already, another thread has just learned it
}

static bool is_expired(const struct vs_s3_answer *answer)
{
    return vs_s3_has_code(answer, "ExpiredToken") ||
           vs_s3_has_code(answer, "ExpiredTokenException") ||
           vs_s3_has_code(answer, "TokenRefreshRequired");
}

// True when the next attempt may go better; the answer says that this one was not processed.
static bool repair(struct vs_s3_store *store,
                   const struct vs_s3_answer *answer,
                   struct attempts *state)
{
    if (!state->clock_tried && repair_clock(store, answer)) {
        state->clock_tried = true;
        return true;
    }
    if (!state->refresh_tried && is_expired(answer)) {
        atomic_store_explicit(&store->proven, false, memory_order_relaxed);
        state->refresh_tried = true;
        state->refresh = true;
        return true;
    }
    if (!state->region_tried && repair_region(store, answer)) {
        state->region_tried = true;
        return true;
    }
    return false;
}

// ---- retry ----

static bool is_transient(const struct vs_s3_request *request, const struct vs_s3_answer *answer)
{
    if (answer->http.outcome == VS_HTTP_ANSWERED && answer->http.status == 409) {
        return vs_s3_has_code(answer, "ConditionalRequestConflict") ||
               vs_s3_has_code(answer, "OperationAborted"); // told apart from "it is there": 412
    }
    if (request->once || vs_s3_is_more_than_asked(answer)) {
        return false;
    }
    switch (answer->http.outcome == VS_HTTP_ANSWERED ? answer->http.status : 503) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return true;
    default:
        return vs_s3_has_code(answer, "RequestTimeout");
    }
}

static void earn_tokens(struct vs_s3_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    if (store->retry_tokens < VS_S3_RETRY_BURST) {
        store->retry_tokens++;
    }
    (void)pthread_mutex_unlock(&store->lock);
}

static bool spend_tokens(struct vs_s3_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    bool enough = store->retry_tokens >= VS_S3_TOKENS_PER_RETRY;
    store->retry_tokens -= enough ? VS_S3_TOKENS_PER_RETRY : 0;
    (void)pthread_mutex_unlock(&store->lock);
    return enough;
}

// Full jitter, but not before the server wants it.
static int64_t backoff_ms(const struct vs_s3_store *store, const struct vs_s3_answer *answer)
{
    int64_t most = store->config.retry_base_ms;
    int64_t asked = 0;
    for (int64_t i = 1; i < answer->attempts && most < BACKOFF_MAX_MS; i++) {
        most *= 2;
    }
    most = most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS;
    int64_t delay = (int64_t)(vs_random_u64(store->base.env) % (uint64_t)(most + 1));
    struct vs_str header = vs_http_header(&answer->http, "retry-after");
    if (header.ptr != NULL && vs_parse_i64(header, &asked, NULL) == VS_OK && asked >= 0 &&
        asked < 86400 && asked * 1000 > delay) {
        delay = asked * 1000;
    }
    return delay;
}

static void sleep_ms(int64_t ms)
{
    struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000L};
    (void)nanosleep(&rest, NULL);
}

// Waits and says true when there is an attempt, time and a token left.
static bool wait_to_retry(struct vs_s3_store *store,
                          const struct vs_s3_answer *answer,
                          const struct attempts *state)
{
    int64_t delay = backoff_ms(store, answer);
    if (answer->attempts >= store->config.max_attempts ||
        vs_monotonic_ns(store->base.env) + delay * 1000000 > state->deadline_ns ||
        !spend_tokens(store)) {
        return false;
    }
    sleep_ms(delay);
    return true;
}

// ---- sending ----

// A document with status 200 may still say that the operation failed.
static void look_for_error_in_ok(const struct vs_env *env, struct vs_s3_answer *answer)
{
    vs_s3_read_error(env, answer);
    if (answer->error.code[0] != '\0') {
        bool slow =
            vs_s3_has_code(answer, "SlowDown") || vs_s3_has_code(answer, "ServiceUnavailable");
        bool lost = vs_s3_has_code(answer, "PreconditionFailed");
        answer->http.status = lost ? 412 : (slow ? 503 : 500);
    }
}

static enum vs_status send_http(struct vs_s3_store *store,
                                const struct vs_s3_request *request,
                                const struct vs_http_request *http,
                                struct vs_s3_answer *answer,
                                struct vs_error *err)
{
    bool hedge = store->config.hedge_ms > 0 && request->method == VS_HTTP_GET &&
                 request->dst != NULL && request->dst_size <= VS_S3_PIECE_SIZE;
    return hedge ? vs_s3_send_hedged(store, http, &answer->http, err)
                 : vs_http_send(store->http, http, &answer->http, err);
}

static enum vs_status attempt(struct vs_s3_store *store,
                              const struct vs_s3_request *request,
                              bool refresh,
                              struct vs_s3_wire *wire,
                              struct vs_s3_answer *answer,
                              struct vs_error *err)
{
    const struct vs_env *env = store->base.env;
    VS_TRY(vs_s3_wire_make(store, request, refresh, wire, err));
    vs_http_response_clear(&answer->http);
    vs_http_response_init(&answer->http, env,
                          request->body_limit > 0 ? request->body_limit : VS_S3_XML_MAX);
    answer->http.outcome = VS_HTTP_NOT_SENT;
    answer->attempts++;
    answer->error = (struct vs_s3_error){0};
    memcpy(answer->access_key, wire->access_key, sizeof answer->access_key);
    earn_tokens(store);
    enum vs_status status = send_http(store, request, &wire->http, answer, err);
    vs_s3_count(store, request, &answer->http);
    bool certain = !request->once || answer->http.outcome == VS_HTTP_NOT_SENT;
    if (status != VS_OK && certain) {
        return status;
    }
    if (status != VS_OK) { // the request was on its way
        return vs_wrap(err, VS_UNKNOWN, "it is not known whether %s was written", request->key);
    }
    if (vs_s3_is_ok(answer)) {
        atomic_store_explicit(&store->proven, true, memory_order_relaxed);
        if (request->error_in_ok) {
            look_for_error_in_ok(env, answer);
        }
    } else if (answer->http.outcome == VS_HTTP_ANSWERED) {
        vs_s3_read_error(env, answer);
    }
    return VS_OK;
}

enum vs_status vs_s3_send(struct vs_s3_store *store,
                          const struct vs_s3_request *request,
                          struct vs_s3_answer *answer,
                          struct vs_error *err)
{
    struct vs_s3_wire wire;
    struct attempts state = {.deadline_ns = vs_monotonic_ns(store->base.env) +
                                            store->config.retry_total_ms * 1000000};
    enum vs_status status = VS_OK;
    bool again = true;
    vs_s3_wire_init(&wire, store->base.env);
    while (again) {
        status = attempt(store, request, state.refresh, &wire, answer, err);
        state.refresh = false;
        again = status == VS_OK && !vs_s3_is_ok(answer) &&
                ((answer->http.outcome == VS_HTTP_ANSWERED && repair(store, answer, &state)) ||
                 (is_transient(request, answer) && wait_to_retry(store, answer, &state)));
    }
    vs_s3_wire_clear(&wire);
    return status;
}

enum vs_status vs_s3_call(struct vs_s3_store *store,
                          const struct vs_s3_request *request,
                          struct vs_s3_answer *answer,
                          struct vs_error *err)
{
    VS_TRY(vs_s3_send(store, request, answer, err));
    return vs_s3_is_ok(answer) ? VS_OK : vs_s3_fail(store, request, answer, err);
}
