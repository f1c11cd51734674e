// SPDX-License-Identifier: Apache-2.0
/*
 * Hedged reads: when a GET has not been answered for a while, the same one goes out again, and the
 * first answer counts. Each of the two runs in a thread with memory of its own; the one that nobody
 * waits for any more ends by itself, and the store waits for it before it is freed.
 */
#include "vecstore/object/s3_internal.h"

#include <string.h>
#include <time.h>

struct hedge;

struct runner {
    struct hedge *hedge;
    struct vs_http_response response;
    uint8_t *dst;
    bool started, done;
    enum vs_status status;
    struct vs_error err;
};

// Freed by the last of the caller and the two runners.
struct hedge {
    struct vs_s3_store *store;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    size_t references; // guarded by lock, as are done, status, err, response of the runners
    struct vs_http_request request; // with copies of everything it points at
    char *url;
    struct vs_pair *headers;
    char *texts;
    struct runner runners[2];
};

static void hedge_free(struct hedge *hedge)
{
    const struct vs_env *env = hedge->store->base.env;
    for (size_t i = 0; i < 2; i++) {
        vs_http_response_clear(&hedge->runners[i].response);
        vs_free(env, hedge->runners[i].dst);
    }
    (void)pthread_mutex_destroy(&hedge->lock);
    (void)pthread_cond_destroy(&hedge->ended);
    vs_free(env, hedge->url);
    vs_free(env, hedge->headers);
    vs_free(env, hedge->texts);
    vs_free(env, hedge);
}

// Lock held; gives it back.
static void release(struct hedge *hedge)
{
    bool last = --hedge->references == 0;
    (void)pthread_mutex_unlock(&hedge->lock);
    if (last) {
        hedge_free(hedge);
    }
}

static bool copy_headers(struct hedge *hedge, const struct vs_http_request *request)
{
    const struct vs_env *env = hedge->store->base.env;
    size_t size = 1;
    for (size_t i = 0; i < request->header_count; i++) {
        size += request->headers[i].key.len + request->headers[i].value.len;
    }
    hedge->headers =
        (struct vs_pair *)vs_alloc_zeroed(env, request->header_count + 1, sizeof(struct vs_pair));
    hedge->texts = (char *)vs_alloc(env, size);
    if (hedge->headers == NULL || hedge->texts == NULL) {
        return false;
    }
    char *at = hedge->texts;
    for (size_t i = 0; i < request->header_count; i++) {
        struct vs_str parts[2] = {request->headers[i].key, request->headers[i].value};
        for (size_t k = 0; k < 2; k++) {
            memcpy(at, parts[k].len > 0 ? parts[k].ptr : "", parts[k].len);
            parts[k].ptr = at;
            at += parts[k].len;
        }
        hedge->headers[i] = (struct vs_pair){parts[0], parts[1]};
    }
    return true;
}

static struct hedge *hedge_new(struct vs_s3_store *store,
                               const struct vs_http_request *request,
                               const struct vs_http_response *response)
{
    const struct vs_env *env = store->base.env;
    struct hedge *hedge = (struct hedge *)vs_alloc_zeroed(env, 1, sizeof *hedge);
    if (hedge == NULL) {
        return NULL;
    }
    hedge->store = store;
    hedge->references = 1;
    (void)pthread_mutex_init(&hedge->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&hedge->ended, &attr);
    (void)pthread_condattr_destroy(&attr);
    hedge->url = vs_text_clone(env, vs_str_from_c(request->url));
    bool ok = hedge->url != NULL && copy_headers(hedge, request);
    for (size_t i = 0; i < 2; i++) {
        hedge->runners[i].hedge = hedge;
        hedge->runners[i].dst = (uint8_t *)vs_alloc(env, request->dst_size);
        vs_http_response_init(&hedge->runners[i].response, env, response->body.limit);
        ok = ok && hedge->runners[i].dst != NULL;
    }
    if (!ok) {
        hedge_free(hedge);
        return NULL;
    }
    hedge->request = *request;
    hedge->request.url = hedge->url;
    hedge->request.headers = hedge->headers;
    return hedge;
}

static void *run_request(void *arg)
{
    struct runner *runner = (struct runner *)arg;
    struct hedge *hedge = runner->hedge;
    struct vs_s3_store *store = hedge->store;
    struct vs_http_request request = hedge->request;
    request.dst = runner->dst;
    enum vs_status status = vs_http_send(store->http, &request, &runner->response, &runner->err);
    (void)pthread_mutex_lock(&hedge->lock);
    runner->status = status;
    runner->done = true;
    (void)pthread_cond_broadcast(&hedge->ended);
    release(hedge);
    (void)pthread_mutex_lock(&store->lock);
    store->hedges--;
    (void)pthread_cond_broadcast(&store->hedge_ended);
    (void)pthread_mutex_unlock(&store->lock);
    return NULL;
}

// Lock held.
static bool start(struct hedge *hedge, struct runner *runner)
{
    struct vs_s3_store *store = hedge->store;
    pthread_t thread;
    pthread_attr_t attr;
    hedge->references++;
    (void)pthread_mutex_lock(&store->lock);
    store->hedges++;
    (void)pthread_mutex_unlock(&store->lock);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    runner->started = pthread_create(&thread, &attr, run_request, runner) == 0;
    (void)pthread_attr_destroy(&attr);
    if (!runner->started) {
        hedge->references--;
        (void)pthread_mutex_lock(&store->lock);
        store->hedges--;
        (void)pthread_mutex_unlock(&store->lock);
    }
    return runner->started;
}

static bool is_good(const struct runner *runner)
{
    return runner->done && runner->status == VS_OK &&
           runner->response.outcome == VS_HTTP_ANSWERED && runner->response.status < 500;
}

// Lock held. The first good answer, or the last one when none is; NULL while there is hope.
static struct runner *decided(struct hedge *hedge)
{
    bool waiting = false;
    struct runner *last = NULL;
    for (size_t i = 0; i < 2; i++) {
        struct runner *runner = &hedge->runners[i];
        if (is_good(runner)) {
            return runner;
        }
        waiting = waiting || (runner->started && !runner->done);
        last = runner->done ? runner : last;
    }
    return waiting ? NULL : last;
}

// Lock held.
static struct runner *wait_for_answer(struct hedge *hedge)
{
    struct timespec at;
    int64_t wait_ms = hedge->store->config.hedge_ms;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    at.tv_sec += wait_ms / 1000 + at.tv_nsec / 1000000000L;
    at.tv_nsec %= 1000000000L;
    bool waited = false;
    while (!waited && decided(hedge) == NULL) {
        waited = pthread_cond_timedwait(&hedge->ended, &hedge->lock, &at) != 0;
    }
    if (decided(hedge) == NULL) {
        (void)start(hedge, &hedge->runners[1]); // without it the first one has to do
    }
    while (decided(hedge) == NULL) {
        (void)pthread_cond_wait(&hedge->ended, &hedge->lock);
    }
    return decided(hedge);
}

enum vs_status vs_s3_send_hedged(struct vs_s3_store *store,
                                 const struct vs_http_request *request,
                                 struct vs_http_response *response,
                                 struct vs_error *err)
{
    struct hedge *hedge = hedge_new(store, request, response);
    if (hedge == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory reading from an object store");
    }
    (void)pthread_mutex_lock(&hedge->lock);
    if (!start(hedge, &hedge->runners[0])) {
        release(hedge);
        return vs_http_send(store->http, request, response, err);
    }
    struct runner *winner = wait_for_answer(hedge);
    enum vs_status status = winner->status;
    struct vs_http_response swap = *response;
    *response = winner->response;
    winner->response = swap;
    if (response->dst_len > 0 && response->dst_len <= request->dst_size) {
        memcpy(request->dst, winner->dst, response->dst_len);
    }
    if (status != VS_OK && err != NULL) {
        *err = winner->err;
    }
    if (hedge->runners[1].started) { // the other one was sent and costs too
        vs_store_count_request(&store->base);
        atomic_fetch_add_explicit(&store->base.nano_usd, store->config.get_nano_usd,
                                  memory_order_relaxed);
    }
    release(hedge);
    return status;
}

void vs_s3_wait_for_hedges(struct vs_s3_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    while (store->hedges > 0) {
        (void)pthread_cond_wait(&store->hedge_ended, &store->lock);
    }
    (void)pthread_mutex_unlock(&store->lock);
}
