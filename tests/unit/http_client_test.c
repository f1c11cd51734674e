// SPDX-License-Identifier: Apache-2.0
// The client against a server that does what it is told, on loopback.
#include "tests/support/check.h"
#include "tests/support/scripted_server.h"
#include "tests/support/test_env.h"
#include "vecstore/object/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// A client and a server with the given steps.
struct rig {
    struct scripted_server *server;
    struct vs_http_client *client;
    struct vs_http_response response;
    char url[256];
    struct vs_error err;
};

static bool rig_open(struct rig *rig, const struct scripted_step *steps, size_t count)
{
    static const struct vs_pair items[] = {{{"http.proxy", 10}, {"", 0}}};
    const struct vs_settings settings = {items, 1};
    const struct vs_env *env = vs_env_default();
    rig->client = NULL;
    rig->server = scripted_start(steps, count);
    vs_http_response_init(&rig->response, env, 1 << 20);
    if (rig->server == NULL ||
        vs_http_client_new(env, &settings, &rig->client, &rig->err) != VS_OK) {
        check_report(__FILE__, __LINE__, rig->err.message);
        return false;
    }
    scripted_url(rig->server, "/key", rig->url, sizeof rig->url);
    return true;
}

static void rig_close(struct rig *rig)
{
    vs_http_response_clear(&rig->response);
    vs_http_client_free(rig->client);
    scripted_stop(rig->server);
}

#define STEPS(...)                                                                                 \
    static const struct scripted_step steps[] = {__VA_ARGS__};                                     \
    struct rig rig;                                                                                \
    REQUIRE(rig_open(&rig, steps, sizeof steps / sizeof steps[0]))

static void send_one(struct rig *rig, const struct vs_http_request *request)
{
    CHECK_OK(vs_http_send(rig->client, request, &rig->response, &rig->err), rig->err);
}

static bool has_body(const struct rig *rig, const char *text)
{
    return vs_str_equal_c(vs_buf_view(&rig->response.body), text);
}

static void case_get(void)
{
    STEPS({.match = "GET /key",
           .headers = "ETag:  \"abc\" \r\nX-Mixed-CASE: Yes\r\n",
           .body = "hello"});
    const struct vs_pair header = {VS_STR("X-Custom"), VS_STR("a value")};
    const struct vs_pair empty = {VS_STR("x-empty"), VS_STR("")};
    const struct vs_pair headers[] = {header, empty};
    char text[256];
    send_one(&rig,
             &(struct vs_http_request){.url = rig.url, .headers = headers, .header_count = 2});
    CHECK_INT(rig.response.outcome, VS_HTTP_ANSWERED);
    CHECK_INT(rig.response.status, 200);
    CHECK(has_body(&rig, "hello"));
    CHECK(vs_str_equal_c(vs_http_header(&rig.response, "etag"), "\"abc\""));
    CHECK(vs_str_equal_c(vs_http_header(&rig.response, "x-mixed-case"), "Yes"));
    CHECK(vs_http_header(&rig.response, "absent").ptr == NULL);
    const struct scripted_request *seen = scripted_request_at(rig.server, 0);
    CHECK(scripted_header(seen, "X-Custom", text, sizeof text));
    CHECK_TEXT(text, "a value");
    CHECK(scripted_header(seen, "X-Empty", text, sizeof text));
    CHECK_TEXT(text, "");
    CHECK(!scripted_header(seen, "Accept", text, sizeof text));
    CHECK(!scripted_header(seen, "Content-Type", text, sizeof text));
    CHECK(scripted_header(seen, "User-Agent", text, sizeof text));
    CHECK(strncmp(text, "vecstore/", 9) == 0);
    rig_close(&rig);
}

// Every verb with what belongs to it; large bodies without "Expect: 100-continue".
static void case_methods_and_bodies(void)
{
    STEPS({.match = "HEAD", .headers = "X-Size: 1\r\n", .body = "seven b"}, {.repeat = true});
    size_t len = (size_t)3 << 20;
    char *large = malloc(len), text[256];
    REQUIRE(large != NULL);
    for (size_t i = 0; i < len; i++) {
        large[i] = (char)(i * 7 + i / 251);
    }
    send_one(&rig, &(struct vs_http_request){.method = VS_HTTP_HEAD, .url = rig.url});
    CHECK_INT(rig.response.outcome, VS_HTTP_ANSWERED);
    CHECK(vs_str_equal_c(vs_http_header(&rig.response, "content-length"), "7"));

    const enum vs_http_method methods[] = {VS_HTTP_PUT,  VS_HTTP_PUT,    VS_HTTP_POST,
                                           VS_HTTP_POST, VS_HTTP_DELETE, VS_HTTP_DELETE};

    static const char *const names[] = {"PUT", "PUT", "POST", "POST", "DELETE", "DELETE"};
    for (size_t i = 0; i < 6; i++) {
        size_t n = i % 2 == 0 ? 0 : len;
        send_one(&rig, &(struct vs_http_request){
                           .method = methods[i], .url = rig.url, .body = {large, n}});
        CHECK_INT(rig.response.outcome, VS_HTTP_ANSWERED);
        const struct scripted_request *seen = scripted_request_at(rig.server, 1 + i);
        REQUIRE(seen != NULL);
        CHECK_TEXT(seen->method, names[i]);
        CHECK_INT(seen->body_len, n);
        CHECK(memcmp(seen->body, large, n) == 0);
        CHECK(!scripted_header(seen, "Expect", text, sizeof text));
        CHECK(!scripted_header(seen, "Content-Type", text, sizeof text));
        CHECK(!scripted_header(seen, "Transfer-Encoding", text, sizeof text));
        CHECK(scripted_header(seen, "Content-Length", text, sizeof text) ||
              methods[i] == VS_HTTP_DELETE);
    }
    CHECK_INT(scripted_connection_count(rig.server), 1);
    free(large);
    rig_close(&rig);
}

static void case_target_is_sent_as_given(void)
{
    STEPS({.repeat = true});
    static const char target[] = "/b//a/../c/./%2F%e4?z=1&a=%20+&uploads";
    char url[256];
    scripted_url(rig.server, target, url, sizeof url);
    send_one(&rig, &(struct vs_http_request){.url = url});
    CHECK_TEXT(scripted_request_at(rig.server, 0)->target, target);
    rig_close(&rig);
}

// Kept connections serve later calls, of other threads too; a fresh one is used once.
static void *get_in_thread(void *ctx)
{
    send_one((struct rig *)ctx, &(struct vs_http_request){.url = ((struct rig *)ctx)->url});
    return NULL;
}

static void case_reuse_and_fresh(void)
{
    STEPS({.body = "x", .repeat = true});
    const struct vs_http_request request = {.url = rig.url};
    const struct vs_http_request fresh = {.url = rig.url, .fresh_connection = true};
    pthread_t thread;
    for (int i = 0; i < 5; i++) {
        send_one(&rig, &request);
    }
    REQUIRE(pthread_create(&thread, NULL, get_in_thread, &rig) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK_INT(scripted_connection_count(rig.server), 1);
    send_one(&rig, &fresh);
    CHECK_INT(scripted_connection_count(rig.server), 2);
    send_one(&rig, &fresh);
    CHECK_INT(scripted_connection_count(rig.server), 3);
    send_one(&rig, &request);
    CHECK_INT(scripted_connection_count(rig.server), 3);
    CHECK_INT(scripted_request_at(rig.server, 8)->connection, 0);
    rig_close(&rig);
}

// The server ends a kept connection when the next request is in: libcurl would send it again.
static void case_fresh_is_never_sent_twice(void)
{
    STEPS({.match = "GET"}, {.match = "POST", .act = SCRIPTED_CLOSE},
          {.match = "POST", .repeat = true});
    send_one(&rig, &(struct vs_http_request){.url = rig.url});
    send_one(&rig, &(struct vs_http_request){.method = VS_HTTP_POST,
                                             .url = rig.url,
                                             .body = VS_STR("commit"),
                                             .fresh_connection = true});
    CHECK_INT(rig.response.outcome, VS_HTTP_AMBIGUOUS);
    CHECK_INT(rig.response.status, 0);
    CHECK(rig.response.failure[0] != '\0');
    CHECK_INT(scripted_request_count(rig.server), 2);
    rig_close(&rig);
}

// That it would: the same without a fresh connection. If libcurl stops doing so, this case tells.
static void case_reused_may_be_sent_twice(void)
{
    STEPS({.match = "GET"}, {.match = "POST", .act = SCRIPTED_CLOSE, .same_socket = true},
          {.match = "POST", .repeat = true});
    send_one(&rig, &(struct vs_http_request){.url = rig.url});
    send_one(&rig, &(struct vs_http_request){
                       .method = VS_HTTP_POST, .url = rig.url, .body = VS_STR("data")});
    CHECK(rig.response.outcome == VS_HTTP_ANSWERED || rig.response.outcome == VS_HTTP_AMBIGUOUS);
    CHECK_INT(scripted_request_count(rig.server), rig.response.outcome == VS_HTTP_ANSWERED ? 3 : 2);
    rig_close(&rig);
}

static int unused_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int port = bind(fd, (const struct sockaddr *)&address, size) == 0 &&
                       getsockname(fd, (struct sockaddr *)&address, &size) == 0
                   ? ntohs(address.sin_port)
                   : 1;
    (void)close(fd);
    return port;
}

static void case_not_sent(void)
{
    STEPS({.repeat = true});
    char refused[64], wrong_tls[64];
    (void)snprintf(refused, sizeof refused, "http://127.0.0.1:%d/", unused_port());
    // The scripted server does not speak TLS: what it gets is no request.
    (void)snprintf(wrong_tls, sizeof wrong_tls, "https://127.0.0.1:%d/", scripted_port(rig.server));
    const char *const urls[] = {refused, "http://no-such-host.invalid/"};
    for (size_t i = 0; i < 2; i++) {
        send_one(&rig, &(struct vs_http_request){.method = VS_HTTP_PUT,
                                                 .url = urls[i],
                                                 .body = VS_STR("x"),
                                                 .timeout_ms = 3000,
                                                 .fresh_connection = i == 0});
        CHECK_INT(rig.response.outcome, VS_HTTP_NOT_SENT);
        CHECK_INT(rig.response.status, 0);
        CHECK(rig.response.failure[0] != '\0');
    }
    send_one(&rig, &(struct vs_http_request){.url = wrong_tls, .timeout_ms = 300});
    CHECK_INT(rig.response.outcome, VS_HTTP_NOT_SENT);
    CHECK_INT(scripted_request_count(rig.server), 0);
    rig_close(&rig);
}

static void case_ambiguous(void)
{
    STEPS({.match = "/stall", .act = SCRIPTED_STALL, .repeat = true},
          {.match = "/close", .act = SCRIPTED_CLOSE, .repeat = true},
          {.match = "/cut", .act = SCRIPTED_CUT, .body = "0123456789", .cut_at = 4, .repeat = true},
          {.match = "/noise", .act = SCRIPTED_RAW, .body = "no HTTP at all\r\n\r\n"},
          {.match = "/chunk",
           .act = SCRIPTED_RAW,
           .body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"});
    static const char *const paths[] = {"/stall", "/close", "/cut", "/noise", "/chunk"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char url[128], dst[10];
        scripted_url(rig.server, paths[i], url, sizeof url);
        struct timespec before, after;
        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        send_one(&rig, &(struct vs_http_request){.url = url, .timeout_ms = 300});
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        CHECK_INT(rig.response.outcome, VS_HTTP_AMBIGUOUS);
        CHECK(rig.response.failure[0] != '\0');
        CHECK(after.tv_sec - before.tv_sec < 3);
        if (i == 2) {
            send_one(&rig,
                     &(struct vs_http_request){.url = url, .dst = dst, .dst_size = sizeof dst});
            CHECK_INT(rig.response.outcome, VS_HTTP_AMBIGUOUS);
            CHECK_INT(rig.response.dst_len, 4);
        }
    }
    rig_close(&rig);
}

static void case_sizes(void)
{
    STEPS({.match = "/ten", .body = "0123456789", .repeat = true},
          {.match = "/error", .status = 503, .body = "0123456789", .repeat = true});
    char ten[128], error[128], dst[12];
    scripted_url(rig.server, "/ten", ten, sizeof ten);
    scripted_url(rig.server, "/error", error, sizeof error);
    struct vs_http_request request = {.url = ten, .dst = dst, .dst_size = 10};
    send_one(&rig, &request);
    CHECK_INT(rig.response.outcome, VS_HTTP_ANSWERED);
    CHECK_INT(rig.response.dst_len, 10);
    CHECK(memcmp(dst, "0123456789", 10) == 0);
    request.dst_size = 12; // shorter than asked for: the caller sees by how much
    send_one(&rig, &request);
    CHECK_INT(rig.response.dst_len, 10);
    request.dst_size = 9;
    memset(dst, '#', sizeof dst);
    send_one(&rig, &request);
    CHECK_INT(rig.response.outcome, VS_HTTP_AMBIGUOUS);
    CHECK_INT(rig.response.status, 200);
    CHECK(rig.response.more_than_asked);
    CHECK(dst[9] == '#');
    request.url = error; // the text of an error never goes to dst
    memset(dst, '#', sizeof dst);
    send_one(&rig, &request);
    CHECK_INT(rig.response.status, 503);
    CHECK(!rig.response.more_than_asked);
    CHECK_INT(rig.response.dst_len, 0);
    CHECK(dst[0] == '#');
    CHECK(has_body(&rig, "0123456789"));

    vs_http_response_clear(&rig.response);
    vs_http_response_init(&rig.response, vs_env_default(), 9);
    request = (struct vs_http_request){.url = ten};
    CHECK_STATUS(vs_http_send(rig.client, &request, &rig.response, &rig.err), VS_LIMIT);
    request.url = error; // of an error the beginning will do
    send_one(&rig, &request);
    CHECK_INT(rig.response.outcome, VS_HTTP_ANSWERED);
    CHECK(has_body(&rig, "012345678"));
    rig_close(&rig);
}

static void case_redirect_is_not_followed(void)
{
    STEPS({.match = "/key", .status = 307, .headers = "Location: /other\r\n"},
          {.match = "/other", .body = "wrong"});
    send_one(&rig, &(struct vs_http_request){.url = rig.url});
    CHECK_INT(rig.response.status, 307);
    CHECK_INT(scripted_request_count(rig.server), 1);
    rig_close(&rig);
}

static void case_interim_answer(void)
{
    STEPS({.act = SCRIPTED_RAW,
           .body = "HTTP/1.1 100 Continue\r\nX-A: interim\r\n\r\n"
                   "HTTP/1.1 201 Created\r\nX-A: final\r\nContent-Length: 2\r\n\r\nok"});
    send_one(&rig, &(struct vs_http_request){.url = rig.url});
    CHECK_INT(rig.response.status, 201);
    CHECK(vs_str_equal_c(vs_http_header(&rig.response, "x-a"), "final"));
    CHECK(has_body(&rig, "ok"));
    rig_close(&rig);
}

static void case_malformed_requests_are_refused(void)
{
    STEPS({.repeat = true});
    static const struct vs_pair bad[] = {{{"X-A", 3}, {"a\r\nX-B: b", 9}},
                                         {{"X-A", 3}, {"a\nb", 3}},
                                         {{"X-A", 3}, {"a\0b", 3}},
                                         {{"X\r\nY", 4}, {"a", 1}},
                                         {{"X: Y", 4}, {"a", 1}},
                                         {{"", 0}, {"a", 1}},
                                         {{"Host", 4}, {"other", 5}},
                                         {{"content-LENGTH", 14}, {"0", 1}},
                                         {{"Transfer-Encoding", 17}, {"chunked", 7}}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct vs_http_request request = {
            .url = rig.url, .headers = &bad[i], .header_count = 1};
        CHECK_STATUS(vs_http_send(rig.client, &request, &rig.response, &rig.err), VS_INVALID);
    }
    static const char *const urls[] = {
        "",          "file:///etc/passwd", "ftp://host/",           "http://",
        "http:///x", "http://a b/",        "http://u:secret@host/", "http://host/\r\nX: y",
        "host/path", "http://host/#part",  "gopher://127.0.0.1/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        const struct vs_http_request request = {.url = urls[i]};
        CHECK_STATUS(vs_http_send(rig.client, &request, &rig.response, &rig.err), VS_INVALID);
        CHECK(strstr(rig.err.message, "secret") == NULL);
    }
    const struct vs_http_request with_body = {.url = rig.url, .body = VS_STR("x")};
    CHECK_STATUS(vs_http_send(rig.client, &with_body, &rig.response, &rig.err), VS_INVALID);
    CHECK_INT(scripted_request_count(rig.server), 0);
    rig_close(&rig);
}

#define MANY 40

static void case_many(void)
{
    STEPS({.match = "/bad", .status = 404, .body = "gone", .repeat = true},
          {.body = "0123456789", .delay_ms = 20, .repeat = true});
    static struct vs_http_request requests[MANY];
    static struct vs_http_response responses[MANY];
    static char urls[MANY][128], dst[MANY][10];
    for (size_t i = 0; i < MANY; i++) {
        scripted_url(rig.server, i % 10 == 3 ? "/bad" : "/good", urls[i], sizeof urls[i]);
        requests[i] = (struct vs_http_request){.url = urls[i], .dst = dst[i], .dst_size = 10};
        vs_http_response_init(&responses[i], vs_env_default(), 100);
    }
    CHECK_OK(vs_http_send_many(rig.client, requests, responses, MANY, 8, &rig.err), rig.err);
    for (size_t i = 0; i < MANY; i++) {
        CHECK_INT(responses[i].outcome, VS_HTTP_ANSWERED);
        CHECK_INT(responses[i].status, i % 10 == 3 ? 404 : 200);
        CHECK_INT(responses[i].dst_len, i % 10 == 3 ? 0 : 10);
        CHECK(i % 10 == 3 || memcmp(dst[i], "0123456789", 10) == 0);
    }
    CHECK_INT(scripted_parallel_peak(rig.server), 8);
    CHECK_INT(scripted_connection_count(rig.server), 8);
    CHECK_INT(scripted_request_count(rig.server), MANY);

    requests[MANY - 1].url = "nonsense"; // nothing is sent when one is malformed
    CHECK_STATUS(vs_http_send_many(rig.client, requests, responses, MANY, 8, &rig.err), VS_INVALID);
    CHECK_INT(scripted_request_count(rig.server), MANY);
    requests[MANY - 1] = (struct vs_http_request){.url = urls[0]};
    vs_http_response_clear(&responses[MANY - 1]);
    vs_http_response_init(&responses[MANY - 1], vs_env_default(), 3);
    CHECK_STATUS(vs_http_send_many(rig.client, requests, responses, MANY, 8, &rig.err), VS_LIMIT);
    CHECK_OK(vs_http_send_many(rig.client, requests, responses, 4, 0, &rig.err), rig.err);
    CHECK_OK(vs_http_send_many(rig.client, requests, responses, 0, 4, &rig.err), rig.err);
    for (size_t i = 0; i < MANY; i++) {
        vs_http_response_clear(&responses[i]);
    }
    rig_close(&rig);
}

#define THREADS 12
#define ROUNDS 20

struct worker {
    struct rig *rig;
    pthread_t thread;
    int wrong;
};

static void *hammer(void *ctx)
{
    struct worker *worker = (struct worker *)ctx;
    struct vs_http_response response;
    vs_http_response_init(&response, vs_env_default(), 100);
    for (int i = 0; i < ROUNDS; i++) {
        const struct vs_http_request request = {.url = worker->rig->url,
                                                .fresh_connection = i % 10 == 9};
        if (vs_http_send(worker->rig->client, &request, &response, NULL) != VS_OK ||
            response.status != 200 || !vs_str_equal_c(vs_buf_view(&response.body), "ok")) {
            worker->wrong++;
        }
    }
    vs_http_response_clear(&response);
    return NULL;
}

// Fewer connections than threads: the others wait for their turn.
static void case_threads_share_a_client(void)
{
    static const struct scripted_step steps[] = {{.body = "ok", .repeat = true}};
    static const struct vs_pair items[] = {{{"http.proxy", 10}, {"", 0}},
                                           {{"http.max-connections", 20}, {"4", 1}}};
    const struct vs_settings settings = {items, 2};
    struct rig rig;
    struct worker workers[THREADS];
    REQUIRE(rig_open(&rig, steps, 1));
    vs_http_client_free(rig.client);
    REQUIRE_OK(vs_http_client_new(vs_env_default(), &settings, &rig.client, &rig.err), rig.err);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.rig = &rig};
        REQUIRE(pthread_create(&workers[i].thread, NULL, hammer, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_join(workers[i].thread, NULL) == 0);
        CHECK_INT(workers[i].wrong, 0);
    }
    CHECK_INT(scripted_request_count(rig.server), THREADS * ROUNDS);
    CHECK(scripted_parallel_peak(rig.server) <= 4);
    CHECK(scripted_connection_count(rig.server) <= 4 + THREADS * ROUNDS / 10);
    rig_close(&rig);
}

// A proxy is given the whole URL; it is used when set and not when set to nothing.
static void case_proxy(void)
{
    static const struct scripted_step steps[] = {{.body = "from the proxy", .repeat = true}};
    struct rig rig;
    REQUIRE(rig_open(&rig, steps, 1));
    const struct vs_pair item = {VS_STR("http.proxy"), vs_str_from_c(rig.url)};
    const struct vs_settings settings = {&item, 1};
    vs_http_client_free(rig.client);
    REQUIRE_OK(vs_http_client_new(vs_env_default(), &settings, &rig.client, &rig.err), rig.err);
    send_one(&rig, &(struct vs_http_request){.url = "http://store.invalid/key"});
    CHECK(has_body(&rig, "from the proxy"));
    CHECK_TEXT(scripted_request_at(rig.server, 0)->target, "http://store.invalid/key");
    rig_close(&rig);
}

static void case_settings(void)
{
    static const struct vs_pair bad[] = {{{"http.tls-verify", 15}, {"maybe", 5}},
                                         {{"http.connect-timeout-ms", 23}, {"0", 1}},
                                         {{"http.max-connections", 20}, {"-1", 2}},
                                         {{"http.user-agent", 15}, {"a\r\nb: c", 7}}};
    struct vs_http_client *client = NULL;
    struct vs_error err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct vs_settings settings = {&bad[i], 1};
        CHECK_STATUS(vs_http_client_new(vs_env_default(), &settings, &client, &err), VS_INVALID);
    }
    static const struct vs_pair off = {{"http.tls-verify", 15}, {"false", 5}};
    const struct vs_settings settings = {&off, 1};
    struct vs_http_response response;
    vs_http_response_init(&response, vs_env_default(), 100);
    REQUIRE_OK(vs_http_client_new(vs_env_default(), &settings, &client, &err), err);
    const char *const urls[] = {"https://s3.amazonaws.com/", "https://127.0.0.1.example.com/",
                                "https://localhost.example.com/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        const struct vs_http_request request = {.url = urls[i]};
        CHECK_STATUS(vs_http_send(client, &request, &response, &err), VS_INVALID);
    }
    vs_http_response_clear(&response);
    vs_http_client_free(client);
    vs_http_client_free(NULL);
}

static void case_url_encode(void)
{
    struct vs_buf out;
    struct vs_error err;
    vs_buf_init(&out, vs_env_default(), 100);
    CHECK_OK(vs_url_encode(VS_STR("a/b c+~\xc3\xa4%"), false, &out, &err), err);
    CHECK(vs_str_equal_c(vs_buf_view(&out), "a%2Fb%20c%2B~%C3%A4%25"));
    vs_buf_reset(&out);
    CHECK_OK(vs_url_encode(VS_STR("/a-b/.._=&"), true, &out, &err), err);
    CHECK(vs_str_equal_c(vs_buf_view(&out), "/a-b/.._%3D%26"));

    static const struct {
        const char *text;
        bool plus_is_blank;
        const char *plain;
    } decoded[] = {
        {"a%2Fb%20c%2b", false, "a/b c+"},
        {"a+b", false, "a+b"},
        {"a+b%2B", true, "a b+"},
        {"%", false, "%"}, // what is no code stays
        {"%4", false, "%4"},
        {"%4g%g4%41", false, "%4g%g4A"},
        {"", false, ""},
    };

    for (size_t n = 0; n < sizeof decoded / sizeof decoded[0]; n++) {
        vs_buf_reset(&out);
        CHECK_OK(
            vs_url_decode(vs_str_from_c(decoded[n].text), decoded[n].plus_is_blank, &out, &err),
            err);
        CHECK_TEXT(vs_buf_c_str(&out), decoded[n].plain);
    }
    vs_buf_clear(&out);
    vs_buf_init(&out, vs_env_default(), 4);
    CHECK_STATUS(vs_url_encode(VS_STR("ab\xff"), false, &out, &err), VS_LIMIT);
    CHECK_INT(out.len, 0);

    vs_buf_clear(&out);
}

static void case_out_of_memory(void)
{
    static const struct scripted_step steps[] = {
        {.headers = "X-A: 1\r\n", .body = "0123456789", .repeat = true}};
    static const struct vs_pair items[] = {{{"http.proxy", 10}, {"", 0}}};
    static const struct vs_pair header = {{"X-B", 3}, {"2", 1}};
    const struct vs_settings settings = {items, 1};
    struct rig rig;
    REQUIRE(rig_open(&rig, steps, 1));
    for (long n = 0; n < 200; n++) {
        struct test_env test;
        struct vs_http_client *client = NULL;
        struct vs_http_response responses[3];
        struct vs_http_request requests[3];
        test_env_init(&test);
        test.fail_at = n;
        for (int i = 0; i < 3; i++) {
            requests[i] =
                (struct vs_http_request){.url = rig.url, .headers = &header, .header_count = 1};
            vs_http_response_init(&responses[i], &test.env, 1000);
        }
        enum vs_status status = vs_http_client_new(&test.env, &settings, &client, &rig.err);
        if (status == VS_OK) {
            status = vs_http_send_many(client, requests, responses, 3, 2, &rig.err);
        }
        CHECK(status == VS_OK || (test.failed && status == VS_NO_MEMORY));
        for (int i = 0; i < 3; i++) {
            vs_http_response_clear(&responses[i]);
        }
        vs_http_client_free(client);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK_STATUS(status, VS_OK);
            CHECK(n > 5);
            break;
        }
    }
    rig_close(&rig);
}

TEST_MAIN(TEST(case_get),
          TEST(case_methods_and_bodies),
          TEST(case_target_is_sent_as_given),
          TEST(case_reuse_and_fresh),
          TEST(case_fresh_is_never_sent_twice),
          TEST(case_reused_may_be_sent_twice),
          TEST(case_not_sent),
          TEST(case_ambiguous),
          TEST(case_sizes),
          TEST(case_redirect_is_not_followed),
          TEST(case_interim_answer),
          TEST(case_malformed_requests_are_refused),
          TEST(case_many),
          TEST(case_threads_share_a_client),
          TEST(case_proxy),
          TEST(case_settings),
          TEST(case_url_encode),
          TEST(case_out_of_memory))
