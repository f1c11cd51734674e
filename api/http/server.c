// SPDX-License-Identifier: Apache-2.0
#include "api/http/server.h"

#include "api/http/listen.h"
#include "api/http/server_mhd.h"
#include "api/http/service.h"
#include "vecstore/base/pool.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:8080"
#define DEFAULT_BODY_BYTES ((size_t)8 << 20)
#define DEFAULT_CONNECTIONS 1024
#define DEFAULT_HEADER_MS 10000
#define DEFAULT_TIMEOUT_MS 1000
#define MAX_TIMEOUT_MS 30000
#define MIN_THREADS 2 // so that a long write leaves one for probes
#define MAX_THREADS 256
#define STOP_POLL_NS 5000000L
#define CANCEL_MS 1000 // for operations to notice that they were cancelled
#define DOCUMENT_LIMIT ((size_t)1 << 20)

struct vs_server {
    struct vs_service service;
    struct vs_mhd *mhd;
    char url[VS_LISTEN_URL_SIZE];
};

static size_t or_default(size_t value, size_t fallback)
{
    return value > 0 ? value : fallback;
}

static int64_t or_default_ms(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static size_t count_threads(size_t asked)
{
    size_t count = or_default(asked, vs_cpu_count());
    count = count < MIN_THREADS ? MIN_THREADS : count;
    return count > MAX_THREADS ? MAX_THREADS : count;
}

static enum vs_status listen_and_run(struct vs_server *server,
                                     const struct vs_server_options *options,
                                     struct vs_error *err)
{
    struct vs_listen_address address;
    struct vs_mhd_options mhd = {
        .thread_count = count_threads(options->thread_count),
        .max_connections = or_default(options->max_connections, DEFAULT_CONNECTIONS),
        .max_connections_per_ip = options->max_connections_per_ip,
        .header_deadline_ms = or_default_ms(options->header_deadline_ms, DEFAULT_HEADER_MS),
    };
    mhd.thread_count =
        mhd.thread_count < mhd.max_connections ? mhd.thread_count : mhd.max_connections;
    VS_TRY(vs_listen_parse(
        vs_str_from_c(options->listen != NULL ? options->listen : DEFAULT_LISTEN), &address, err));
    VS_TRY(vs_listen_open(&address, &mhd.listen_fd, server->url, err));
    enum vs_status status = vs_mhd_start(&server->service, &mhd, &server->mhd, err);
    if (status != VS_OK) {
        close(mhd.listen_fd);
    }
    return status;
}

static void free_server(struct vs_server *server)
{
    vs_buf_clear(&server->service.openapi);
    vs_free(server->service.env, server);
}

enum vs_status vs_server_start(const struct vs_env *env,
                               struct vs_db *db,
                               const struct vs_server_options *options,
                               struct vs_server **server_out,
                               struct vs_error *err)
{
    struct vs_server_options known = {0};
    if (options != NULL) {
        memcpy(&known, options,
               options->size > 0 && options->size < sizeof known ? options->size : sizeof known);
    }
    struct vs_server *server = vs_alloc_zeroed(env, 1, sizeof *server);
    if (server == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the HTTP server");
    }
    struct vs_service *service = &server->service;
    service->env = env;
    service->db = db;
    service->max_body_bytes = or_default(known.max_body_bytes, DEFAULT_BODY_BYTES);
    service->max_timeout_ms = or_default_ms(known.max_timeout_ms, MAX_TIMEOUT_MS);
    service->default_timeout_ms = or_default_ms(known.default_timeout_ms, DEFAULT_TIMEOUT_MS);
    vs_buf_init(&service->openapi, env, DOCUMENT_LIMIT);
    enum vs_status status = vs_openapi_write(&service->openapi, err);
    if (status == VS_OK) {
        status = listen_and_run(server, &known, err);
    }
    if (status != VS_OK) {
        free_server(server);
        return status;
    }
    *server_out = server;
    return VS_OK;
}

const char *vs_server_url(const struct vs_server *server)
{
    return server->url;
}

void vs_server_drain(struct vs_server *server)
{
    atomic_store(&server->service.draining, true);
}

static bool wait_idle(const struct vs_server *server, int64_t limit_ms)
{
    int64_t until = vs_monotonic_ns(server->service.env) + limit_ms * 1000000;
    const struct timespec pause = {.tv_nsec = STOP_POLL_NS};
    while (vs_mhd_in_flight(server->mhd) > 0) {
        if (vs_monotonic_ns(server->service.env) >= until) {
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

void vs_server_stop(struct vs_server *server, int64_t grace_ms)
{
    if (server == NULL) {
        return;
    }
    vs_server_drain(server);
    atomic_store(&server->service.stopping, true);
    vs_mhd_quiesce(server->mhd);
    if (!wait_idle(server, grace_ms)) {
        atomic_store(&server->service.cancelled, true);
        wait_idle(server, CANCEL_MS);
    }
    vs_mhd_stop(server->mhd);
    free_server(server);
}
