// SPDX-License-Identifier: Apache-2.0
// The only includer of libcurl (7.81 and later; Debian 12 has 7.88).
//
// A client is a stack of lanes. A lane is a curl multi handle with the connections it keeps alive
// and the easy handles it needs; a call takes one for itself, drives its requests on the caller's
// thread and puts it back. So no handle is ever used by two threads, there is no thread of our own
// and no hand-over between threads, and the lane taken next is the one put back last, whose
// connections are warm. The number of requests under way is bounded over all lanes.
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
    bool too_large, bad_headers;
    enum vs_status failed; // what ends the call: NO_MEMORY or LIMIT
    char reason[CURL_ERROR_SIZE];
};

struct lane {
    struct lane *next;
    CURLM *multi;
    struct slot *slots;
    size_t slot_count;
    size_t peak; // most connections it may have kept
};

struct vs_http_client {
    const struct vs_env *env;
    pthread_mutex_t lock;
    pthread_cond_t freed; // some of max_connections have become free
    struct lane *idle;    // the one put back last comes first
    size_t in_use, max_connections;
    int64_t connect_timeout_ms;
    bool tls_verify;
    char *proxy, *ca_file, *ca_path, *user_agent; // NULL: as curl has it
};

// ---- the client ----

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void init_global(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

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
    char *text = (char *)vs_alloc(env, value.len + 1);
    if (text == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the setting %s", key);
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    *text_out = text;
    return VS_OK;
}

static enum vs_status read_settings(struct vs_http_client *client,
                                    const struct vs_settings *settings,
                                    struct vs_error *err)
{
    const struct vs_env *env = client->env;
    int64_t connections = 0;
    VS_TRY(copy_setting(env, settings, "http.proxy", &client->proxy, err));
    VS_TRY(copy_setting(env, settings, "http.ca-file", &client->ca_file, err));
    VS_TRY(copy_setting(env, settings, "http.ca-path", &client->ca_path, err));
    VS_TRY(copy_setting(env, settings, "http.user-agent", &client->user_agent, err));
    VS_TRY(vs_settings_bool(settings, "http.tls-verify", true, &client->tls_verify, err));
    VS_TRY(vs_settings_i64(settings, "http.connect-timeout-ms", 5000, 1, 600000,
                           &client->connect_timeout_ms, err));
    VS_TRY(vs_settings_i64(settings, "http.max-connections", 64, 1, 4096, &connections, err));
    client->max_connections = (size_t)connections;
    return VS_OK;
}

static void free_lane(const struct vs_env *env, struct lane *lane)
{
    for (size_t i = 0; i < lane->slot_count; i++) {
        curl_easy_cleanup(lane->slots[i].easy);
    }
    vs_free(env, lane->slots);
    if (lane->multi != NULL) {
        (void)curl_multi_cleanup(lane->multi); // fails only for a handle that is none
    }
    vs_free(env, lane);
}

void vs_http_client_free(struct vs_http_client *client)
{
    if (client == NULL) {
        return;
    }
    while (client->idle != NULL) {
        struct lane *lane = client->idle;
        client->idle = lane->next;
        free_lane(client->env, lane);
    }
    char *texts[] = {client->proxy, client->ca_file, client->ca_path, client->user_agent};
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
    if (pthread_once(&global_once, init_global) != 0 || global_result != CURLE_OK) {
        return vs_fail(err, VS_INTERNAL, "libcurl cannot be initialised: %s",
                       curl_easy_strerror(global_result));
    }
    struct vs_http_client *client =
        (struct vs_http_client *)vs_alloc_zeroed(env, 1, sizeof *client);
    if (client == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an HTTP client");
    }
    client->env = env;
    // With default attributes these cannot fail on Linux.
    if (pthread_mutex_init(&client->lock, NULL) != 0 ||
        pthread_cond_init(&client->freed, NULL) != 0) {
        vs_free(env, client);
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an HTTP client");
    }
    enum vs_status status = read_settings(client, settings, err);
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
    while (client->in_use >= client->max_connections) {
        (void)pthread_cond_wait(&client->freed, &client->lock);
    }
    size_t most = client->max_connections - client->in_use;
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
static struct lane *pick_idle(struct vs_http_client *client, size_t count)
{
    struct lane **best = NULL;
    (void)pthread_mutex_lock(&client->lock);
    for (struct lane **at = &client->idle; *at != NULL; at = &(*at)->next) {
        size_t peak = (*at)->peak, best_peak = best != NULL ? (*best)->peak : 0;
        bool better = best_peak < count ? peak > best_peak : peak >= count && peak < best_peak;
        if (best == NULL || better) {
            best = at;
        }
    }
    struct lane *lane = best != NULL ? *best : NULL;
    if (lane != NULL) {
        *best = lane->next;
    }
    (void)pthread_mutex_unlock(&client->lock);
    return lane;
}

static enum vs_status grow_slots(const struct vs_env *env,
                                 struct lane *lane,
                                 size_t count,
                                 struct vs_error *err)
{
    if (count <= lane->slot_count) {
        return VS_OK;
    }
    struct slot *slots = (struct slot *)vs_realloc(env, lane->slots, count * sizeof *slots);
    if (slots == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu requests", count);
    }
    lane->slots = slots;
    while (lane->slot_count < count) {
        slots[lane->slot_count++] = (struct slot){.easy = NULL};
    }
    return VS_OK;
}

static enum vs_status take_lane(struct vs_http_client *client,
                                size_t count,
                                struct lane **lane_out,
                                struct vs_error *err)
{
    struct lane *lane = pick_idle(client, count);
    if (lane == NULL) {
        lane = (struct lane *)vs_alloc_zeroed(client->env, 1, sizeof *lane);
        if (lane == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for an HTTP connection");
        }
        lane->multi = curl_multi_init();
        if (lane->multi == NULL ||
            curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) !=
                CURLM_OK ||
            curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)client->max_connections) !=
                CURLM_OK) {
            free_lane(client->env, lane);
            return vs_fail(err, VS_NO_MEMORY, "out of memory for an HTTP connection");
        }
    }
    enum vs_status status = grow_slots(client->env, lane, count, err);
    if (status != VS_OK) {
        free_lane(client->env, lane);
        return status;
    }
    lane->peak = count > lane->peak ? count : lane->peak;
    *lane_out = lane;
    return VS_OK;
}

static void give_lane(struct vs_http_client *client, struct lane *lane)
{
    (void)pthread_mutex_lock(&client->lock);
    lane->next = client->idle;
    client->idle = lane;
    (void)pthread_mutex_unlock(&client->lock);
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
        slot->too_large = true;
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

static CURLcode set_transport(const struct vs_http_client *client, struct slot *slot)
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
    SET(easy, code, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    SET(easy, code, CURLOPT_USERAGENT,
        client->user_agent != NULL ? client->user_agent : "vecstore/" VECSTORE_VERSION);
    if (client->proxy != NULL) { // "" is: no proxy, whatever the environment says
        SET(easy, code, CURLOPT_PROXY, client->proxy);
    }
    if (client->ca_file != NULL) {
        SET(easy, code, CURLOPT_CAINFO, client->ca_file);
    }
    if (client->ca_path != NULL) {
        SET(easy, code, CURLOPT_CAPATH, client->ca_path);
    }
    SET(easy, code, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, code, CURLOPT_SSL_VERIFYPEER, client->tls_verify ? 1L : 0L);
    SET(easy, code, CURLOPT_SSL_VERIFYHOST, client->tls_verify ? 2L : 0L);
    return code;
}

static enum vs_status set_up(const struct vs_http_client *client,
                             struct slot *slot,
                             struct vs_error *err)
{
    const struct vs_http_request *request = slot->request;
    CURL *easy = slot->easy;
    int64_t timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : DEFAULT_TIMEOUT_MS;
    VS_TRY(make_headers(client->env, slot, err));
    CURLcode code = set_transport(client, slot);
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
    if (slot->too_large) {
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

struct batch {
    struct vs_http_client *client;
    struct lane *lane;
    const struct vs_http_request *requests;
    struct vs_http_response *responses;
    size_t count, parallel;
    size_t started, running;
};

static enum vs_status start_one(struct batch *batch, struct vs_error *err)
{
    struct slot *slot = batch->lane->slots;
    while (slot->request != NULL) { // one is free while fewer than `parallel` run
        slot++;
    }
    if (slot->easy == NULL) {
        slot->easy = curl_easy_init();
    }
    if (slot->easy == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a request");
    }
    slot->request = &batch->requests[batch->started];
    slot->response = &batch->responses[batch->started];
    slot->too_large = false;
    slot->bad_headers = false;
    slot->failed = VS_OK;
    slot->reason[0] = '\0';
    enum vs_status status = set_up(batch->client, slot, err);
    if (status == VS_OK && curl_multi_add_handle(batch->lane->multi, slot->easy) != CURLM_OK) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory for a request");
    }
    if (status != VS_OK) {
        clear_slot(slot, false);
        return status;
    }
    slot->response->outcome = VS_HTTP_AMBIGUOUS;
    slot->response->failure[0] = '\0';
    batch->started++;
    batch->running++;
    return VS_OK;
}

static enum vs_status end_one(struct batch *batch,
                              struct slot *slot,
                              CURLcode code,
                              struct vs_error *err)
{
    CURLMcode removed = curl_multi_remove_handle(batch->lane->multi, slot->easy);
    enum vs_status status = finish_slot(slot, code, err);
    clear_slot(slot, code == CURLE_OK);
    batch->running--;
    if (removed != CURLM_OK && status == VS_OK) {
        status = vs_fail(err, VS_INTERNAL, "libcurl: %s", curl_multi_strerror(removed));
    }
    return status;
}

static enum vs_status end_finished(struct batch *batch, struct vs_error *err)
{
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(batch->lane->multi, &left)) != NULL) {
        char *slot = NULL;
        CURLcode code = message->data.result; // the message dies with the removal
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot) != CURLE_OK) {
            return vs_fail(err, VS_INTERNAL, "libcurl gives a message that nobody asked for");
        }
        VS_TRY(end_one(batch, (struct slot *)(void *)slot, code, err));
    }
    return VS_OK;
}

static enum vs_status drive(struct batch *batch, struct vs_error *err)
{
    while (batch->started < batch->count || batch->running > 0) {
        while (batch->started < batch->count && batch->running < batch->parallel) {
            VS_TRY(start_one(batch, err));
        }
        int running = 0;
        CURLMcode code = curl_multi_perform(batch->lane->multi, &running);
        if (code == CURLM_OK && (size_t)running == batch->running) {
            code = curl_multi_poll(batch->lane->multi, NULL, 0, POLL_MS, NULL);
        }
        if (code != CURLM_OK) {
            return vs_fail(err, code == CURLM_OUT_OF_MEMORY ? VS_NO_MEMORY : VS_INTERNAL,
                           "libcurl cannot go on: %s", curl_multi_strerror(code));
        }
        VS_TRY(end_finished(batch, err));
    }
    return VS_OK;
}

// After a failure: gives up what still runs, whose outcome nobody knows.
static void abandon(struct batch *batch)
{
    for (size_t i = 0; i < batch->lane->slot_count; i++) {
        struct slot *slot = &batch->lane->slots[i];
        if (slot->request != NULL) {
            (void)curl_multi_remove_handle(batch->lane->multi, slot->easy);
            (void)snprintf(slot->response->failure, sizeof slot->response->failure,
                           "given up, since another request failed");
            clear_slot(slot, false);
        }
    }
}

// A connection that the other side closed must not end the process: older versions of libcurl
// write to TLS sockets without MSG_NOSIGNAL.
static enum vs_status drive_without_sigpipe(struct batch *batch, struct vs_error *err)
{
    sigset_t pipe_set, before, pending;
    const struct timespec no_wait = {0, 0};
    (void)sigemptyset(&pipe_set);
    (void)sigaddset(&pipe_set, SIGPIPE);
    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    bool blocked = pthread_sigmask(SIG_BLOCK, &pipe_set, &before) == 0;
    enum vs_status status = drive(batch, err);
    if (blocked) {
        if (!was_pending) {
            (void)sigtimedwait(&pipe_set, NULL, &no_wait);
        }
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return status;
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
        VS_TRY(vs_http_check_request(&requests[i], client->tls_verify, err));
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
        (void)snprintf(response->failure, sizeof response->failure, "not sent");
    }
    struct batch batch = {
        .client = client, .requests = requests, .responses = responses, .count = count};
    size_t wanted = parallel < 1 ? 1 : parallel < count ? parallel : count;
    batch.parallel = take_connections(client, wanted);
    enum vs_status status = take_lane(client, batch.parallel, &batch.lane, err);
    if (status == VS_OK) {
        status = drive_without_sigpipe(&batch, err);
        if (status != VS_OK) {
            abandon(&batch);
        }
        give_lane(client, batch.lane);
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
