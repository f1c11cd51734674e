// SPDX-License-Identifier: Apache-2.0
#include "api/http/guard.h"
#include "api/http/http_request.h"
#include "api/http/listen.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <unistd.h>

static unsigned judge_target(const char *target)
{
    return vs_guard_target(vs_str_from_c(target)).code;
}

static void case_targets(void)
{
    static const struct {
        const char *target;
        unsigned code;
    } list[] = {
        {"/livez", 0},
        {"/v1/tables/docs.p%C3%A4ssages", 0},
        {"/a?filter=x%2Fy%20%3D%20'..'", 0},
        {"/v1/tables/a..b", 0},
        {"", 400},
        {"livez", 400},
        {"*", 400},
        {"http://h/", 400},
        {"/a b", 400},
        {"/a\tb", 400},
        {"/a\x01", 400},
        {"/a\x7f", 400},
        {"/a\xff", 400},
        {"/a#b", 400},
        {"/a\\b", 400},
        {"/%00", 400},
        {"/a?b=%00", 400},
        {"/%2f", 400},
        {"/%2F", 400},
        {"/%5c", 400},
        {"/%2e", 400},
        {"/%2E%2e/", 400},
        {"/%25", 400},
        {"/%0a", 400},
        {"/%7f", 400},
        {"/%", 400},
        {"/%4", 400},
        {"/%4g", 400},
        {"/a?b=%", 400},
        {"/a?b=%zz", 400},
        {"/..", 400},
        {"/../a", 400},
        {"/a/.", 400},
        {"/a/./b", 400},
        {"/a/../b", 400},
        {"/...", 0},
        {"/a?b=../c", 0},
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        unsigned code = judge_target(list[i].target);
        CHECK_INT(code, list[i].code);
        if (code != list[i].code) {
            fprintf(stderr, "    target %s\n", list[i].target);
        }
    }
}

static void case_long_target(void)
{
    char target[VS_GUARD_TARGET_BYTES + 2];
    memset(target, 'a', sizeof target);
    target[0] = '/';
    CHECK_INT(vs_guard_target((struct vs_str){target, VS_GUARD_TARGET_BYTES}).code, 0);
    CHECK_INT(vs_guard_target((struct vs_str){target, VS_GUARD_TARGET_BYTES + 1}).code, 414);
    CHECK_INT(vs_guard_target((struct vs_str){"/a\0b", 4}).code, 400);
}

static unsigned judge_headers(const char *const *pairs)
{
    struct vs_guard guard = {0};
    for (; pairs[0] != NULL; pairs += 2) {
        vs_guard_header(&guard, vs_str_from_c(pairs[0]), vs_str_from_c(pairs[1]));
    }
    return vs_guard_judge(&guard).code;
}

#define HEADERS(...) judge_headers((const char *const[]){__VA_ARGS__, NULL})

static void case_headers(void)
{
    CHECK_INT(HEADERS("Host", "localhost:8080", "Content-Length", "12", "X-A", "b\tc"), 0);
    CHECK_INT(HEADERS("Transfer-Encoding", "chunked"), 0);
    CHECK_INT(HEADERS("transfer-encoding", "CHUNKED"), 0);
    CHECK_INT(HEADERS("Content-Length", "3", "content-length", "3"), 400);
    CHECK_INT(HEADERS("Content-Length", "3", "Transfer-Encoding", "chunked"), 400);
    CHECK_INT(HEADERS("Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"), 400);
    CHECK_INT(HEADERS("Transfer-Encoding", "gzip, chunked"), 400);
    CHECK_INT(HEADERS("Host", "localhost", "Host", "localhost"), 400);
    CHECK_INT(HEADERS("Content-Length ", "3"), 400);
    CHECK_INT(HEADERS("X Y", "3"), 400);
    CHECK_INT(HEADERS("", "3"), 400);
    CHECK_INT(HEADERS("X\x01", "3"), 400);
    CHECK_INT(HEADERS("X(", "3"), 400);
    CHECK_INT(HEADERS("X", "a\x01"), 400);
    CHECK_INT(HEADERS("X", "a\x7f"), 400);
    CHECK_INT(HEADERS("Content-Length", "+3"), 400);
    CHECK_INT(HEADERS("Content-Length", ""), 400);
    CHECK_INT(HEADERS("Content-Length", "3 "), 400);
    CHECK_INT(HEADERS("Content-Length", "99999999999999999999"), 400);
}

static void case_hosts(void)
{
    CHECK_INT(HEADERS("Host", "LOCALHOST"), 0);
    CHECK_INT(HEADERS("Host", "127.0.0.1:65535"), 0);
    CHECK_INT(HEADERS("Host", "[::1]:80"), 0);
    CHECK_INT(HEADERS("Host", "[::1]"), 0);
    CHECK_INT(HEADERS("Host", "[::2]"), 421);
    CHECK_INT(HEADERS("Host", ""), 421);
    CHECK_INT(HEADERS("Host", "localhost.evil.example"), 421);
    CHECK_INT(HEADERS("Host", "localhost:80@evil"), 421);
    CHECK_INT(HEADERS("Host", "127.0.0.1.evil"), 421);
}

static void case_header_bytes(void)
{
    static char value[VS_GUARD_HEADER_BYTES];
    struct vs_guard guard = {0};
    memset(value, 'a', sizeof value);
    vs_guard_header(&guard, VS_STR("X"), (struct vs_str){value, VS_GUARD_HEADER_BYTES - 5});
    CHECK_INT(vs_guard_judge(&guard).code, 0);
    vs_guard_header(&guard, VS_STR("Y"), VS_STR(""));
    CHECK_INT(vs_guard_judge(&guard).code, 431);
}

static void case_request_target(void)
{
    struct vs_arena arena;
    struct vs_error err = {0};
    vs_arena_init(&arena, vs_env_default(), 0);
    struct vs_http_request request = {.env = vs_env_default(), .arena = &arena};
    REQUIRE_OK(
        vs_request_set_target(&request, VS_STR("/v1/p%C3%A4/x+y?a=1%262&b=x+y%2Bz&&c&d="), &err),
        err);
    CHECK(vs_str_equal_c(request.path, "/v1/p\xc3\xa4/x+y"));
    CHECK_INT(request.param_count, 4);
    CHECK(vs_str_equal_c(vs_request_param(&request, "a"), "1&2"));
    CHECK(vs_str_equal_c(vs_request_param(&request, "b"), "x y+z"));
    CHECK(vs_request_param(&request, "c").ptr != NULL && vs_request_param(&request, "c").len == 0);
    CHECK(vs_request_param(&request, "e").ptr == NULL);
    static const char *const known[] = {"a", "b", "c", "delta"};
    CHECK_STATUS(vs_request_check_params(&request, known, 4, &err), VS_INVALID);
    struct vs_http_request twice = {.env = vs_env_default(), .arena = &arena};
    CHECK_STATUS(vs_request_set_target(&twice, VS_STR("/?a=1&a=2"), &err), VS_INVALID);
    CHECK_STATUS(vs_request_set_target(&twice, VS_STR("/%ff"), &err), VS_INVALID);
    vs_arena_clear(&arena);
}

static void case_request_id(void)
{
    struct vs_http_request request = {.env = vs_env_default()};
    vs_request_set_id(&request, VS_STR("Abc-1.2_z"));
    CHECK_TEXT(request.id, "Abc-1.2_z");
    vs_request_set_id(&request, VS_STR("a\r\nb"));
    CHECK_INT(strlen(request.id), 36);
    char text[VS_REQUEST_ID_SIZE];
    memset(text, 'a', sizeof text);
    vs_request_set_id(&request, (struct vs_str){text, sizeof text});
    CHECK_INT(strlen(request.id), 36);
    vs_request_set_id(&request, (struct vs_str){text, sizeof text - 1});
    CHECK_INT(strlen(request.id), 64);
}

static void case_listen_addresses(void)
{
    static const struct {
        const char *text;
        enum vs_status status;
    } list[] = {
        {"127.0.0.1:8080", VS_OK},      {"[::1]:0", VS_OK},
        {"localhost:1", VS_OK},         {":8080", VS_OK},
        {"0.0.0.0:80", VS_DENIED},      {"[::]:80", VS_DENIED},
        {"192.0.2.1:80", VS_DENIED},    {"127.0.0.1", VS_INVALID},
        {"::1:80", VS_INVALID},         {"127.0.0.1:", VS_INVALID},
        {"127.0.0.1:x", VS_INVALID},    {"127.0.0.1:65536", VS_INVALID},
        {"example.org:80", VS_INVALID}, {"[::1:80", VS_INVALID},
        {"[::1]", VS_INVALID},          {"", VS_INVALID},
        {"127.0.0.1:-1", VS_INVALID},
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct vs_listen_address address;
        struct vs_error err = {0};
        CHECK_STATUS(vs_listen_parse(vs_str_from_c(list[i].text), &address, &err), list[i].status);
        CHECK(list[i].status == VS_OK || err.message[0] != '\0');
    }
}

static void case_port_in_use(void)
{
    struct vs_listen_address address = {.port = 0};
    struct vs_error err = {0};
    char url[VS_LISTEN_URL_SIZE], second_url[VS_LISTEN_URL_SIZE];
    int fd = -1, second = -1;
    REQUIRE_OK(vs_listen_open(&address, &fd, url, &err), err);
    unsigned port = 0;
    // NOLINTNEXTLINE(cert-err34-c): our own text
    REQUIRE(sscanf(url, "http://127.0.0.1:%u", &port) == 1 && port > 0);
    address.port = (uint16_t)port;
    CHECK_STATUS(vs_listen_open(&address, &second, second_url, &err), VS_EXISTS);
    char text[16];
    snprintf(text, sizeof text, "%u", port);
    CHECK(strstr(err.message, text) != NULL && strstr(err.message, "--listen") != NULL);
    close(fd);
}

TEST_MAIN(TEST(case_targets),
          TEST(case_long_target),
          TEST(case_headers),
          TEST(case_hosts),
          TEST(case_header_bytes),
          TEST(case_request_target),
          TEST(case_request_id),
          TEST(case_listen_addresses),
          TEST(case_port_in_use))
