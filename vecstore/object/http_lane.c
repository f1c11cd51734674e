// SPDX-License-Identifier: Apache-2.0
// The only includer of libcurl (7.81 and later; Debian 12 has 7.88): a lane is a multi handle with
// the connections it keeps alive and the easy handles it needs.
#include "vecstore/object/http_internal.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DEFAULT_TIMEOUT_MS 60000
#define RECEIVE_BUFFER_BYTES (256L << 10)
#define SEND_BUFFER_BYTES (256L << 10)
#define RESERVE_MAX ((size_t)16 << 20) // beyond it a buffer grows with what really comes in
#define STALLED_BYTES_PER_S 64L
#define STALLED_AFTER_S 60L
#define POLL_MS 1000

// One request on its way.
struct slot {
    CURL *easy;
    struct curl_slist *headers;
    const struct vs_http_request *request; // NULL: not in use
    struct vs_http_response *response;
    bool bad_headers;
    enum vs_status failed; // what ends the call: NO_MEMORY or LIMIT
    char reason[CURL_ERROR_SIZE];
};

struct curl_lane {
    struct vs_http_lane base;
    const struct vs_http_options *options;
    CURLM *multi;
    struct slot *slots;
    size_t slot_count;
};

// ---- lanes ----

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void init_global(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum vs_status vs_http_global_init(struct vs_error *err)
{
    if (pthread_once(&global_once, init_global) != 0 || global_result != CURLE_OK) {
        return vs_fail(err, VS_INTERNAL, "libcurl cannot be initialised: %s",
                       curl_easy_strerror(global_result));
    }
    return VS_OK;
}

void vs_http_lane_free(struct vs_http_lane *base)
{
    struct curl_lane *lane = (struct curl_lane *)base;
    if (lane == NULL) {
        return;
    }
    const struct vs_env *env = lane->options->env;
    for (size_t i = 0; i < lane->slot_count; i++) {
        curl_easy_cleanup(lane->slots[i].easy);
    }
    vs_free(env, lane->slots);
    if (lane->multi != NULL) {
        (void)curl_multi_cleanup(lane->multi); // fails only for a handle that is none
    }
    vs_free(env, lane);
}

enum vs_status vs_http_lane_new(const struct vs_http_options *options,
                                struct vs_http_lane **lane_out,
                                struct vs_error *err)
{
    struct curl_lane *lane = (struct curl_lane *)vs_alloc_zeroed(options->env, 1, sizeof *lane);
    if (lane == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an HTTP connection");
    }
    lane->options = options;
    lane->multi = curl_multi_init();
    if (lane->multi == NULL ||
        curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) != CURLM_OK ||
        curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)options->max_connections) !=
            CURLM_OK) {
        vs_http_lane_free(&lane->base);
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an HTTP connection");
    }
    *lane_out = &lane->base;
    return VS_OK;
}

enum vs_status vs_http_lane_reserve(struct vs_http_lane *base, size_t count, struct vs_error *err)
{
    struct curl_lane *lane = (struct curl_lane *)base;
    if (count <= lane->slot_count) {
        return VS_OK;
    }
    struct slot *slots =
        (struct slot *)vs_realloc(lane->options->env, lane->slots, count * sizeof *slots);
    if (slots == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu requests", count);
    }
    lane->slots = slots;
    while (lane->slot_count < count) {
        slots[lane->slot_count++] = (struct slot){.easy = NULL};
    }
    return VS_OK;
}

// ---- what curl calls ----

static bool is_success(int status)
{
    return status >= 200 && status <= 299;
}

// A new status line begins a new answer: after "100 Continue" or a proxy's answer to CONNECT.
static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct slot *slot = (struct slot *)ctx;
    struct vs_buf *headers = &slot->response->headers;
    struct vs_str line = {bytes, size * count}, name, value;
    if (vs_str_starts_with(line, VS_STR("HTTP/"))) {
        vs_buf_reset(headers);
        return line.len;
    }
    if (!vs_str_split(line, ':', &name, &value)) {
        return line.len; // the empty line
    }
    size_t start = headers->len;
    enum vs_status status = vs_buf_append_str(headers, name, NULL);
    for (size_t i = start; i < headers->len; i++) {
        uint8_t c = headers->data[i];
        headers->data[i] = (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    if (status == VS_OK) {
        status = vs_buf_append_c(headers, ": ", NULL);
    }
    if (status == VS_OK) {
        status = vs_buf_append_str(headers, vs_str_trim(value), NULL);
    }
    if (status == VS_OK) {
        status = vs_buf_append_byte(headers, '\n', NULL);
    }
    slot->bad_headers = status == VS_LIMIT;
    slot->failed = status == VS_NO_MEMORY ? VS_NO_MEMORY : slot->failed;
    return status == VS_OK ? line.len : 0;
}

static size_t write_to_dst(struct slot *slot, const char *bytes, size_t n)
{
    const struct vs_http_request *request = slot->request;
    struct vs_http_response *response = slot->response;
    if (n > request->dst_size - response->dst_len) {
        response->more_than_asked = true;
        return 0;
    }
    memcpy((char *)request->dst + response->dst_len, bytes, n);
    response->dst_len += n;
    return n;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct slot *slot = (struct slot *)ctx;
    struct vs_buf *body = &slot->response->body;
    size_t n = size * count;
    long code = 0;
    if (curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &code) != CURLE_OK) {
        return 0;
    }
    if (!is_success((int)code)) { // of the text of an error the beginning will do
        size_t room = body->limit - body->len;
        enum vs_status status = vs_buf_append(body, bytes, n < room ? n : room, NULL);
        slot->failed = status == VS_OK ? slot->failed : status;
        return status == VS_OK ? n : 0;
    }
    if (slot->request->dst != NULL) {
        return write_to_dst(slot, bytes, n);
    }
    curl_off_t length = 0;
    if (body->len == 0 &&
        curl_easy_getinfo(slot->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK &&
        length > 0 && (uint64_t)length <= RESERVE_MAX) {
        vs_ignore(vs_buf_reserve(body, (size_t)length, NULL)); // a hint: the append tells
    }
    enum vs_status status = vs_buf_append(body, bytes, n, NULL);
    slot->failed = status == VS_OK ? slot->failed : status;
    return status == VS_OK ? n : 0;
}

// ---- one request ----

// Headers may carry tokens: no copy of ours stays behind in freed memory. After a failure the
// handle goes as well: libcurl 7.88 keeps its buffers then and refuses to be given their size anew.
static void clear_slot(struct slot *slot, bool keep_handle)
{
    for (struct curl_slist *node = slot->headers; node != NULL; node = node->next) {
        explicit_bzero(node->data, strlen(node->data));
    }
    if (keep_handle) {
        curl_easy_reset(slot->easy); // keeps nothing that points to the request
    } else {
        curl_easy_cleanup(slot->easy);
        slot->easy = NULL;
    }
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    slot->request = NULL;
    slot->response = NULL;
}

static bool append_line(struct slot *slot, const char *line)
{
    struct curl_slist *longer = curl_slist_append(slot->headers, line);
    if (longer == NULL) {
        return false;
    }
    slot->headers = longer;
    return true;
}

static enum vs_status make_headers(const struct vs_env *env,
                                   struct slot *slot,
                                   struct vs_error *err)
{
    const struct vs_http_request *request = slot->request;
    bool has_type = false, has_accept = false, made = true;
    struct vs_buf line;
    vs_buf_init(&line, env, VS_HTTP_HEADER_LINE_LIMIT);
    enum vs_status status = vs_buf_reserve(&line, 512, err);
    for (size_t i = 0; i < request->header_count && status == VS_OK && made; i++) {
        struct vs_str name = request->headers[i].key, value = request->headers[i].value;
        has_type = has_type || vs_str_equal_nocase(name, VS_STR("content-type"));
        has_accept = has_accept || vs_str_equal_nocase(name, VS_STR("accept"));
        if (line.data != NULL) {
            explicit_bzero(line.data, line.len);
        }
        vs_buf_reset(&line);
        status = vs_buf_append_str(&line, name, err);
        if (status == VS_OK) { // "name;" is curl's way to say: with an empty value
            status = vs_buf_append_c(&line, value.len > 0 ? ": " : ";", err);
        }
        if (status == VS_OK) {
            status = vs_buf_append_str(&line, value, err);
        }
        const char *text = status == VS_OK ? vs_buf_c_str(&line) : NULL;
        made = text != NULL && append_line(slot, text);
    }
    // "name:" takes away what curl would add of its own.
    made = made && append_line(slot, "Expect:") &&
           (has_type || append_line(slot, "Content-Type:")) &&
           (has_accept || append_line(slot, "Accept:"));
    if (line.data != NULL) {
        explicit_bzero(line.data, line.capacity);
    }
    vs_buf_clear(&line);
    if (status == VS_OK && !made) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the headers of a request");
    }
    return status;
}

// The first failure of several settings sticks.
#define SET(easy, code, option, value)                                                             \
    do {                                                                                           \
        if ((code) == CURLE_OK) {                                                                  \
            (code) = curl_easy_setopt((easy), (option), (value));                                  \
        }                                                                                          \
    } while (0)

static CURLcode set_body(struct slot *slot)
{
    const struct vs_http_request *request = slot->request;
    CURL *easy = slot->easy;
    CURLcode code = CURLE_OK;
    if (request->method == VS_HTTP_HEAD) {
        SET(easy, code, CURLOPT_NOBODY, 1L);
    } else if (request->method == VS_HTTP_GET) {
        SET(easy, code, CURLOPT_HTTPGET, 1L);
    } else if (request->method == VS_HTTP_DELETE && request->body.len == 0) {
        SET(easy, code, CURLOPT_CUSTOMREQUEST, "DELETE");
    } else {
        // POSTFIELDS is borrowed and not copied; with another verb it serves PUT as well.
        static const char *const verbs[] = {
            [VS_HTTP_PUT] = "PUT", [VS_HTTP_POST] = "POST", [VS_HTTP_DELETE] = "DELETE"};
        SET(easy, code, CURLOPT_POST, 1L);
        SET(easy, code, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        SET(easy, code, CURLOPT_POSTFIELDS, request->body.len > 0 ? request->body.ptr : "");
        SET(easy, code, CURLOPT_CUSTOMREQUEST, verbs[request->method]);
    }
    return code;
}

static CURLcode set_transport(const struct vs_http_options *options, struct slot *slot)
{
    CURL *easy = slot->easy;
    CURLcode code = CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(easy, code, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(easy, code, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(easy, code, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, code, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, code, CURLOPT_PATH_AS_IS, 1L); // what is signed is what is sent
    SET(easy, code, CURLOPT_NOSIGNAL, 1L);
    SET(easy, code, CURLOPT_TCP_NODELAY, 1L);
    SET(easy, code, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(easy, code, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
    SET(easy, code, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER_BYTES);
    SET(easy, code, CURLOPT_LOW_SPEED_LIMIT, STALLED_BYTES_PER_S);
    SET(easy, code, CURLOPT_LOW_SPEED_TIME, STALLED_AFTER_S);
    SET(easy, code, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    SET(easy, code, CURLOPT_USERAGENT,
        options->user_agent != NULL ? options->user_agent : "vecstore/" VECSTORE_VERSION);
    if (options->proxy != NULL) { // "" is: no proxy, whatever the environment says
        SET(easy, code, CURLOPT_PROXY, options->proxy);
    }
    if (options->ca_file != NULL) {
        SET(easy, code, CURLOPT_CAINFO, options->ca_file);
    }
    if (options->ca_path != NULL) {
        SET(easy, code, CURLOPT_CAPATH, options->ca_path);
    }
    SET(easy, code, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, code, CURLOPT_SSL_VERIFYPEER, options->tls_verify ? 1L : 0L);
    SET(easy, code, CURLOPT_SSL_VERIFYHOST, options->tls_verify ? 2L : 0L);
    return code;
}

static enum vs_status set_up(const struct vs_http_options *options,
                             struct slot *slot,
                             struct vs_error *err)
{
    const struct vs_http_request *request = slot->request;
    CURL *easy = slot->easy;
    int64_t timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : DEFAULT_TIMEOUT_MS;
    VS_TRY(make_headers(options->env, slot, err));
    CURLcode code = set_transport(options, slot);
    SET(easy, code, CURLOPT_URL, request->url); // copied
    SET(easy, code, CURLOPT_HTTPHEADER, slot->headers);
    SET(easy, code, CURLOPT_TIMEOUT_MS, (long)(timeout_ms < INT32_MAX ? timeout_ms : INT32_MAX));
    SET(easy, code, CURLOPT_FRESH_CONNECT, request->fresh_connection ? 1L : 0L);
    SET(easy, code, CURLOPT_FORBID_REUSE, request->fresh_connection ? 1L : 0L);
    SET(easy, code, CURLOPT_ERRORBUFFER, slot->reason);
    SET(easy, code, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, code, CURLOPT_HEADERDATA, (void *)slot);
    SET(easy, code, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, code, CURLOPT_WRITEDATA, (void *)slot);
    SET(easy, code, CURLOPT_PRIVATE, (void *)slot);
    if (code == CURLE_OK) {
        code = set_body(slot);
    }
    if (code != CURLE_OK) {
        return vs_fail(err, code == CURLE_OUT_OF_MEMORY ? VS_NO_MEMORY : VS_INTERNAL,
                       "libcurl refuses the settings of a request: %s", curl_easy_strerror(code));
    }
    return VS_OK;
}

// True for failures that come before the first byte of a request. Whether one was sent is counted,
// too: libcurl may try a second connection when a kept one had died.
static bool is_before_request(CURLcode code, CURL *easy)
{
    long sent = -1;
    if (curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK || sent != 0) {
        return false;
    }
    static const CURLcode codes[] = {CURLE_UNSUPPORTED_PROTOCOL,
                                     CURLE_URL_MALFORMAT,
                                     CURLE_COULDNT_RESOLVE_PROXY,
                                     CURLE_COULDNT_RESOLVE_HOST,
                                     CURLE_COULDNT_CONNECT,
                                     CURLE_OPERATION_TIMEDOUT,
                                     CURLE_SSL_CONNECT_ERROR,
                                     CURLE_SSL_CERTPROBLEM,
                                     CURLE_SSL_CIPHER,
                                     CURLE_PEER_FAILED_VERIFICATION,
                                     CURLE_SSL_CACERT_BADFILE,
                                     CURLE_SSL_ISSUER_ERROR,
                                     CURLE_PROXY,
                                     CURLE_OUT_OF_MEMORY};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

static enum vs_status fail_slot(const struct slot *slot, struct vs_error *err)
{
    if (slot->failed == VS_LIMIT) {
        return vs_fail(err, VS_LIMIT, "the answer is larger than the %zu bytes allowed",
                       slot->response->body.limit);
    }
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the answer to a request");
}

// Puts into the response what became of the request.
static enum vs_status finish_slot(struct slot *slot, CURLcode code, struct vs_error *err)
{
    struct vs_http_response *response = slot->response;
    long status = 0;
    if (curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK) {
        response->status = (int)status;
    }
    if (slot->failed != VS_OK) {
        return fail_slot(slot, err);
    }
    if (code == CURLE_OK && status > 0) {
        response->outcome = VS_HTTP_ANSWERED;
        return VS_OK;
    }
    response->outcome = is_before_request(code, slot->easy) ? VS_HTTP_NOT_SENT : VS_HTTP_AMBIGUOUS;
    const char *reason = slot->reason[0] != '\0' ? slot->reason : curl_easy_strerror(code);
    if (response->more_than_asked) {
        (void)snprintf(response->failure, sizeof response->failure,
                       "the answer is larger than the %zu bytes asked for",
                       slot->request->dst_size);
    } else {
        (void)snprintf(response->failure, sizeof response->failure, "%s",
                       slot->bad_headers ? "the headers of the answer are too large" : reason);
    }
    return VS_OK;
}

// ---- a batch of requests on one lane ----

struct run {
    struct curl_lane *lane;
    const struct vs_http_batch *batch;
    size_t started, running;
};

static enum vs_status start_one(struct run *run, struct vs_error *err)
{
    struct slot *slot = run->lane->slots;
    while (slot->request != NULL) { // one is free while fewer than `parallel` run
        slot++;
    }
    if (slot->easy == NULL) {
        slot->easy = curl_easy_init();
    }
    if (slot->easy == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a request");
    }
    slot->request = &run->batch->requests[run->started];
    slot->response = &run->batch->responses[run->started];
    slot->bad_headers = false;
    slot->failed = VS_OK;
    slot->reason[0] = '\0';
    enum vs_status status = set_up(run->lane->options, slot, err);
    if (status == VS_OK && curl_multi_add_handle(run->lane->multi, slot->easy) != CURLM_OK) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory for a request");
    }
    if (status != VS_OK) {
        clear_slot(slot, false);
        return status;
    }
    slot->response->outcome = VS_HTTP_AMBIGUOUS;
    slot->response->failure[0] = '\0';
    run->started++;
    run->running++;
    return VS_OK;
}

static enum vs_status end_one(struct run *run,
                              struct slot *slot,
                              CURLcode code,
                              struct vs_error *err)
{
    CURLMcode removed = curl_multi_remove_handle(run->lane->multi, slot->easy);
    enum vs_status status = finish_slot(slot, code, err);
    clear_slot(slot, code == CURLE_OK);
    run->running--;
    if (removed != CURLM_OK && status == VS_OK) {
        status = vs_fail(err, VS_INTERNAL, "libcurl: %s", curl_multi_strerror(removed));
    }
    return status;
}

static enum vs_status end_finished(struct run *run, struct vs_error *err)
{
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(run->lane->multi, &left)) != NULL) {
        char *slot = NULL;
        CURLcode code = message->data.result; // the message dies with the removal
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot) != CURLE_OK) {
            return vs_fail(err, VS_INTERNAL, "libcurl gives a message that nobody asked for");
        }
        VS_TRY(end_one(run, (struct slot *)(void *)slot, code, err));
    }
    return VS_OK;
}

static enum vs_status drive(struct run *run, struct vs_error *err)
{
    while (run->started < run->batch->count || run->running > 0) {
        while (run->started < run->batch->count && run->running < run->batch->parallel) {
            VS_TRY(start_one(run, err));
        }
        int running = 0;
        CURLMcode code = curl_multi_perform(run->lane->multi, &running);
        if (code == CURLM_OK && (size_t)running == run->running) {
            code = curl_multi_poll(run->lane->multi, NULL, 0, POLL_MS, NULL);
        }
        if (code != CURLM_OK) {
            return vs_fail(err, code == CURLM_OUT_OF_MEMORY ? VS_NO_MEMORY : VS_INTERNAL,
                           "libcurl cannot go on: %s", curl_multi_strerror(code));
        }
        VS_TRY(end_finished(run, err));
    }
    return VS_OK;
}

// After a failure: gives up what still runs, whose outcome nobody knows.
static void abandon(struct run *run)
{
    for (size_t i = 0; i < run->lane->slot_count; i++) {
        struct slot *slot = &run->lane->slots[i];
        if (slot->request != NULL) {
            (void)curl_multi_remove_handle(run->lane->multi, slot->easy);
            (void)snprintf(slot->response->failure, sizeof slot->response->failure,
                           "given up, since another request failed");
            clear_slot(slot, false);
        }
    }
}

// A connection that the other side closed must not end the process: older versions of libcurl
// write to TLS sockets without MSG_NOSIGNAL.
static enum vs_status drive_without_sigpipe(struct run *run, struct vs_error *err)
{
    sigset_t pipe_set, before, pending;
    const struct timespec no_wait = {0, 0};
    (void)sigemptyset(&pipe_set);
    (void)sigaddset(&pipe_set, SIGPIPE);
    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    bool blocked = pthread_sigmask(SIG_BLOCK, &pipe_set, &before) == 0;
    enum vs_status status = drive(run, err);
    if (blocked) {
        if (!was_pending) {
            (void)sigtimedwait(&pipe_set, NULL, &no_wait);
        }
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return status;
}

enum vs_status vs_http_lane_drive(struct vs_http_lane *base,
                                  const struct vs_http_batch *batch,
                                  struct vs_error *err)
{
    struct run run = {.lane = (struct curl_lane *)base, .batch = batch};
    enum vs_status status = drive_without_sigpipe(&run, err);
    if (status != VS_OK) {
        abandon(&run);
    }
    return status;
}
