// SPDX-License-Identifier: Apache-2.0
// The only includer of libmicrohttpd.
#include "api/http/server_mhd.h"

#include "api/http/guard.h"
#include "api/http/http_status.h"
#include "api/http/routes.h"
#include "api/http/watchdog.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CONNECTION_BYTES ((size_t)96 << 10) // head and the part of a body that is at hand
#define CONNECTION_INCREMENT ((size_t)16 << 10)
#define BODY_START_BYTES ((size_t)64 << 10) // reserved on the word of Content-Length alone
#define IDLE_SECONDS 60u                    // between requests
#define REPLY_MS 60000                      // for a peer to read an answer

struct vs_mhd {
    struct vs_service *service;
    struct MHD_Daemon *daemon;
    struct vs_watchdog *watchdog;
    int64_t header_deadline_ns;
    atomic_size_t in_flight;
};

struct connection {
    struct vs_watched watched;
    bool unread; // answered before the body had been read
};

// One request and its reply; MHD carries the pointer from callback to callback.
struct exchange {
    struct vs_mhd *mhd;
    struct vs_arena arena;
    struct vs_http_request request;
    struct vs_reply reply;
    struct vs_buf body;
    struct vs_str target;
    const char *raw_target; // in MHD's buffer
    struct vs_verdict verdict;
    bool has_head, too_large;
    enum vs_status body_status;
    struct vs_str given_id;
};

static int64_t after_ms(const struct vs_mhd *mhd, int64_t ms)
{
    return vs_monotonic_ns(mhd->service->env) + ms * 1000000;
}

// ---- connections ----

static struct connection *connection_of(struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static void open_connection(struct vs_mhd *mhd, struct MHD_Connection *handle, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *connection =
        info != NULL ? vs_alloc_zeroed(mhd->service->env, 1, sizeof *connection) : NULL;
    *context = connection; // NULL: every request on it is refused
    if (connection != NULL) {
        int64_t due = vs_monotonic_ns(mhd->service->env) + mhd->header_deadline_ns;
        vs_watchdog_add(mhd->watchdog, &connection->watched, info->connect_fd, due, true);
    }
}

static void close_connection(struct vs_mhd *mhd, struct connection *connection)
{
    int fd = connection->watched.fd, unread = 0;
    vs_watchdog_remove(mhd->watchdog, &connection->watched);
    if (connection->unread || (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)) {
        int copy = dup(fd);
        if (copy >= 0) {
            vs_watchdog_linger(mhd->watchdog, copy);
        }
    }
    vs_free(mhd->service->env, connection);
}

static void on_connection(void *ctx,
                          struct MHD_Connection *handle,
                          void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct vs_mhd *mhd = ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(mhd, handle, context);
    } else if (*context != NULL) {
        close_connection(mhd, *context);
        *context = NULL;
    }
}

// ---- requests ----

static struct exchange *new_exchange(struct vs_mhd *mhd)
{
    const struct vs_env *env = mhd->service->env;
    struct exchange *exchange = vs_alloc_zeroed(env, 1, sizeof *exchange);
    if (exchange == NULL) {
        return NULL;
    }
    exchange->mhd = mhd;
    vs_arena_init(&exchange->arena, env, 0);
    vs_buf_init(&exchange->body, env, mhd->service->max_body_bytes);
    vs_reply_init(&exchange->reply, env);
    exchange->request = (struct vs_http_request){
        .env = env, .arena = &exchange->arena, .started_ns = vs_monotonic_ns(env)};
    atomic_fetch_add(&mhd->in_flight, 1);
    return exchange;
}

static void free_exchange(struct exchange *exchange)
{
    const struct vs_env *env = exchange->mhd->service->env;
    atomic_fetch_sub(&exchange->mhd->in_flight, 1);
    vs_buf_clear(&exchange->body);
    vs_reply_clear(&exchange->reply);
    vs_arena_clear(&exchange->arena);
    vs_free(env, exchange);
}

// The request line has been read; the target is judged before the library decodes it in place.
static void *on_target(void *ctx, const char *target, struct MHD_Connection *handle)
{
    struct vs_mhd *mhd = ctx;
    struct exchange *exchange = new_exchange(mhd);
    struct connection *connection = connection_of(handle);
    struct vs_str text = vs_str_from_c(target);
    if (exchange == NULL) {
        return NULL;
    }
    exchange->raw_target = target;
    exchange->verdict = vs_guard_target(text);
    exchange->target = exchange->verdict.code == 0 ? vs_arena_copy_str(&exchange->arena, text)
                                                   : (struct vs_str){NULL, text.len};
    bool on_time =
        connection != NULL &&
        vs_watchdog_arm(&connection->watched,
                        vs_monotonic_ns(mhd->service->env) + mhd->header_deadline_ns, true);
    if (!on_time || (exchange->verdict.code == 0 && exchange->target.ptr == NULL)) {
        free_exchange(exchange);
        return NULL; // refused without an answer when the handler is called
    }
    return exchange;
}

static void on_completed(void *ctx,
                         struct MHD_Connection *handle,
                         void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct vs_mhd *mhd = ctx;
    struct connection *connection = connection_of(handle);
    (void)code;
    if (connection != NULL) {
        int64_t due = after_ms(mhd, (int64_t)IDLE_SECONDS * 1000);
        (void)vs_watchdog_arm(&connection->watched, due, false);
    }
    if (*context != NULL) {
        free_exchange(*context);
        *context = NULL;
    }
}

struct head {
    struct exchange *exchange;
    struct vs_guard guard;
    bool expects_continue;
};

static enum MHD_Result on_header(void *ctx,
                                 enum MHD_ValueKind kind,
                                 const char *name,
                                 size_t name_len,
                                 const char *value,
                                 size_t value_len)
{
    struct head *head = ctx;
    struct exchange *exchange = head->exchange;
    struct vs_str key = {name, name_len},
                  text = {value != NULL ? value : "", value != NULL ? value_len : 0};
    (void)kind;
    vs_guard_header(&head->guard, key, text);
    if (vs_str_equal_nocase(key, VS_STR("Content-Type"))) {
        exchange->request.content_type = vs_arena_copy_str(&exchange->arena, vs_media_type(text));
    } else if (vs_str_equal_nocase(key, VS_STR("X-Request-Id"))) {
        exchange->given_id = vs_arena_copy_str(&exchange->arena, text);
    }
    return MHD_YES;
}

// A NUL ends the target in the library's eyes: then the version does not follow where it should.
static bool has_hidden_bytes(const struct exchange *exchange, const char *version)
{
    uintptr_t target = (uintptr_t)exchange->raw_target, behind = (uintptr_t)version;
    return behind > target && behind - target < CONNECTION_BYTES &&
           behind - target != exchange->target.len + 1;
}

static enum MHD_Result send_reply(struct exchange *exchange, struct MHD_Connection *handle)
{
    struct vs_mhd *mhd = exchange->mhd;
    struct vs_reply *reply = &exchange->reply;
    struct connection *connection = connection_of(handle);
    // The exchange outlives the response: on_completed frees it.
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.len, reply->body.data, MHD_RESPMEM_PERSISTENT);
    if (response == NULL || connection == NULL ||
        !vs_watchdog_arm(&connection->watched, after_ms(mhd, REPLY_MS), false)) {
        if (response != NULL) {
            MHD_destroy_response(response);
        }
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Request-Id", exchange->request.id);
    if (reply->allow[0] != '\0') {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    }
    if (reply->retry) { // spread, so that the refused do not come back at once
        char seconds[8];
        snprintf(seconds, sizeof seconds, "%u",
                 (unsigned)(1 + vs_random_u64(mhd->service->env) % 3));
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (reply->close || atomic_load(&mhd->service->stopping)) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    enum MHD_Result queued = MHD_queue_response(handle, reply->code, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct exchange *exchange,
                              struct MHD_Connection *handle,
                              unsigned code,
                              const char *message)
{
    struct connection *connection = connection_of(handle);
    vs_reply_fail(&exchange->reply, code, vs_http_reason(code), message, exchange->request.id);
    exchange->reply.close = true;
    if (connection != NULL) {
        connection->unread = true;
    }
    return send_reply(exchange, handle);
}

static enum MHD_Result refuse_large(struct exchange *exchange, struct MHD_Connection *handle)
{
    char message[96];
    snprintf(message, sizeof message,
             "the body is larger than the bound of %zu bytes; send it in parts",
             exchange->mhd->service->max_body_bytes);
    return refuse(exchange, handle, 413, message);
}

static enum MHD_Result take_head(struct exchange *exchange,
                                 struct MHD_Connection *handle,
                                 const char *method,
                                 const char *version)
{
    struct head head = {.exchange = exchange};
    struct vs_http_request *request = &exchange->request;
    struct vs_error error = {0};
    exchange->has_head = true;
    MHD_get_connection_values_n(handle, MHD_HEADER_KIND, on_header, &head);
    vs_request_set_id(request, exchange->given_id);
    request->method = vs_arena_copy_str(&exchange->arena, vs_str_from_c(method));
    struct vs_verdict verdict = exchange->verdict;
    if (verdict.code == 0 && has_hidden_bytes(exchange, version)) {
        verdict =
            (struct vs_verdict){400, "the request line holds a NUL or more blanks than it should"};
    }
    if (verdict.code == 0) {
        verdict = vs_guard_judge(&head.guard);
    }
    if (verdict.code != 0) {
        return refuse(exchange, handle, verdict.code, verdict.message);
    }
    enum vs_status status = vs_request_set_target(request, exchange->target, &error);
    if (status != VS_OK || request->method.ptr == NULL) {
        return refuse(exchange, handle, vs_http_code(status == VS_OK ? VS_NO_MEMORY : status),
                      error.message);
    }
    if (head.guard.content_length > exchange->mhd->service->max_body_bytes) {
        return refuse_large(exchange, handle);
    }
    size_t expected = (size_t)head.guard.content_length;
    exchange->body_status = vs_buf_reserve(
        &exchange->body, expected < BODY_START_BYTES ? expected : BODY_START_BYTES, NULL);
    return MHD_YES;
}

// After the first failure the rest of the body is dropped, so that the answer can follow it.
static void take_body(struct exchange *exchange, const char *bytes, size_t *size)
{
    if (exchange->body_status == VS_OK) {
        exchange->body_status = vs_buf_append(&exchange->body, bytes, *size, NULL);
    }
    if (exchange->body_status != VS_LIMIT) {
        *size = 0;
        return;
    }
    exchange->too_large = true;
    *size = 0;
}

static void log_answer(const struct exchange *exchange)
{
    const struct vs_http_request *request = &exchange->request;
    const struct vs_env *env = request->env;
    vs_log(env, exchange->reply.code >= 500 ? VS_LOG_WARN : VS_LOG_DEBUG, "http", "request",
           "id=%s method=%.*s path=%.*s code=%u us=%lld", request->id, VS_STR_ARG(request->method),
           VS_STR_ARG(request->path), exchange->reply.code,
           (long long)((vs_monotonic_ns(env) - request->started_ns) / 1000));
}

static enum MHD_Result answer(struct exchange *exchange, struct MHD_Connection *handle)
{
    struct connection *connection = connection_of(handle);
    if (connection == NULL || !vs_watchdog_arm(&connection->watched, 0, false)) {
        return MHD_NO;
    }
    if (exchange->too_large) {
        return refuse_large(exchange, handle);
    }
    if (exchange->body_status != VS_OK) {
        return refuse(exchange, handle, 503, "out of memory for the request");
    }
    exchange->request.body = vs_buf_view(&exchange->body);
    exchange->request.started_ns = vs_monotonic_ns(exchange->request.env);
    vs_service_answer(exchange->mhd->service, &exchange->request, &exchange->reply);
    log_answer(exchange);
    return send_reply(exchange, handle);
}

static enum MHD_Result on_request(void *ctx,
                                  struct MHD_Connection *handle,
                                  const char *url,
                                  const char *method,
                                  const char *version,
                                  const char *bytes,
                                  size_t *size,
                                  void **context)
{
    struct exchange *exchange = *context;
    (void)ctx;
    (void)url; // decoded by the library; the raw target is what counts
    if (exchange == NULL) {
        return MHD_NO;
    }
    if (!exchange->has_head) {
        return take_head(exchange, handle, method, version);
    }
    if (*size > 0) {
        take_body(exchange, bytes, size);
        return MHD_YES;
    }
    return answer(exchange, handle);
}

// ---- life ----

static VS_PRINTF(2, 0) void on_log(void *ctx, const char *format, va_list arguments)
{
    const struct vs_service *service = ctx;
    char text[256];
    int n = vsnprintf(text, sizeof text, format, arguments);
    if (n > 0 && (size_t)n < sizeof text && text[n - 1] == '\n') {
        text[n - 1] = '\0';
    }
    vs_log(service->env, VS_LOG_DEBUG, "http", "library", "%s", text);
}

static struct MHD_Daemon *start_daemon(struct vs_mhd *mhd, const struct vs_mhd_options *options)
{
    unsigned threads = (unsigned)options->thread_count;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    const struct MHD_OptionItem items[] = {
        {MHD_OPTION_LISTEN_SOCKET, options->listen_fd, NULL},
        {MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)options->max_connections, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)options->max_connections_per_ip, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)CONNECTION_BYTES, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (intptr_t)CONNECTION_INCREMENT, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, mhd, MHD_OPTION_EXTERNAL_LOGGER,
                            on_log, mhd->service, MHD_OPTION_ARRAY, items,
                            MHD_OPTION_URI_LOG_CALLBACK, on_target, mhd,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, mhd,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, mhd, MHD_OPTION_END);
}

enum vs_status vs_mhd_start(struct vs_service *service,
                            const struct vs_mhd_options *options,
                            struct vs_mhd **mhd_out,
                            struct vs_error *err)
{
    struct vs_mhd *mhd = vs_alloc_zeroed(service->env, 1, sizeof *mhd);
    if (mhd == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the HTTP server");
    }
    mhd->service = service;
    mhd->header_deadline_ns = options->header_deadline_ms * 1000000;
    enum vs_status status = vs_watchdog_start(service->env, &mhd->watchdog, err);
    if (status == VS_OK) {
        mhd->daemon = start_daemon(mhd, options);
        if (mhd->daemon == NULL) {
            status =
                vs_fail(err, VS_UNAVAILABLE,
                        "the HTTP server does not start: too few threads, descriptors or memory");
        }
    }
    if (status != VS_OK) {
        vs_watchdog_stop(mhd->watchdog);
        vs_free(service->env, mhd);
        return status;
    }
    *mhd_out = mhd;
    return VS_OK;
}

void vs_mhd_quiesce(struct vs_mhd *mhd)
{
    MHD_socket fd = MHD_quiesce_daemon(mhd->daemon);
    if (fd != MHD_INVALID_SOCKET) {
        close(fd);
    }
}

size_t vs_mhd_in_flight(const struct vs_mhd *mhd)
{
    return atomic_load(&mhd->in_flight);
}

void vs_mhd_stop(struct vs_mhd *mhd)
{
    MHD_stop_daemon(mhd->daemon);
    vs_watchdog_stop(mhd->watchdog);
    vs_free(mhd->service->env, mhd);
}
