// SPDX-License-Identifier: Apache-2.0
#include "api/http/http_status.h"
#include "api/http/routes.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/json.h"

static void case_find(void)
{
    static const struct {
        const char *method, *path, *operation, *table, *allow;
    } list[] = {
        {"GET", "/livez", "livez", "", ""},
        {"HEAD", "/livez", "livez", "", ""},
        {"POST", "/livez", NULL, "", "GET, HEAD"},
        {"get", "/livez", NULL, "", "GET, HEAD"},
        {"GET", "/v1/tables", "listTables", "", ""},
        {"POST", "/v1/tables", "createTable", "", ""},
        {"PUT", "/v1/tables", NULL, "", "GET, HEAD, POST"},
        {"GET", "/v1/tables/docs.a", "describeTable", "docs.a", ""},
        {"DELETE", "/v1/tables/docs.a", "dropTable", "docs.a", ""},
        {"POST", "/v1/tables/docs.a", NULL, "", "GET, HEAD, DELETE"},
        {"POST", "/v1/tables/a/query", "query", "a", ""},
        {"POST", "/v1/tables/a/rows", "insertRows", "a", ""},
        {"POST", "/v1/tables/rows/rows/get", "getRows", "rows", ""},
        {"POST", "/v1/tables/a/rows/delete", "deleteRows", "a", ""},
        {"GET", "/v1/tables/a/snapshots", "listSnapshots", "a", ""},
        {"GET", "/v1/tables/a/indexes", "listIndexes", "a", ""},
        {"GET", "/", NULL, "", ""},
        {"GET", "", NULL, "", ""},
        {"GET", "/v1/tables/", NULL, "", ""},
        {"GET", "/v1/tables//snapshots", NULL, "", ""},
        {"POST", "/v1/tables/a/query/", NULL, "", ""},
        {"GET", "/livez/x", NULL, "", ""},
        {"GET", "/LIVEZ", NULL, "", ""},
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct vs_route_match match;
        vs_route_find(vs_str_from_c(list[i].method), vs_str_from_c(list[i].path), &match);
        CHECK((match.route != NULL) == (list[i].operation != NULL));
        if (match.route != NULL && list[i].operation != NULL) {
            CHECK_TEXT(match.route->operation, list[i].operation);
        }
        CHECK(vs_str_equal_c(match.table, list[i].table));
        CHECK_TEXT(match.allow, list[i].allow);
    }
}

struct exchange {
    struct vs_service service;
    struct vs_arena arena;
    struct vs_http_request request;
    struct vs_reply reply;
    struct vs_json_doc *doc;
};

static void ask(struct exchange *exchange, const char *method, const char *path, const char *body)
{
    const struct vs_env *env = vs_env_default();
    *exchange = (struct exchange){
        .service = {.env = env, .default_timeout_ms = 1000, .max_timeout_ms = 30000}};
    vs_arena_init(&exchange->arena, env, 0);
    exchange->request = (struct vs_http_request){.env = env,
                                                 .arena = &exchange->arena,
                                                 .method = vs_str_from_c(method),
                                                 .path = vs_str_from_c(path),
                                                 .body = vs_str_from_c(body),
                                                 .id = "the-id"};
    vs_reply_init(&exchange->reply, env);
    vs_service_answer(&exchange->service, &exchange->request, &exchange->reply);
    CHECK_STATUS(
        vs_json_parse(env, vs_buf_view(&exchange->reply.body), "reply", NULL, &exchange->doc, NULL),
        VS_OK);
}

static void end(struct exchange *exchange)
{
    vs_json_free(exchange->doc);
    vs_reply_clear(&exchange->reply);
    vs_arena_clear(&exchange->arena);
}

static void check_error(const struct exchange *exchange,
                        unsigned code,
                        const char *word,
                        const char *reason)
{
    const struct vs_json *error = vs_json_get(vs_json_root(exchange->doc), "error");
    struct vs_str text;
    CHECK_INT(exchange->reply.code, code);
    CHECK(vs_json_to_str(vs_json_get(error, "code"), &text) && vs_str_equal_c(text, word));
    CHECK(vs_json_to_str(vs_json_get(error, "reason"), &text) && vs_str_equal_c(text, reason));
    CHECK(vs_json_to_str(vs_json_get(error, "request_id"), &text) &&
          vs_str_equal_c(text, "the-id"));
    CHECK(vs_json_to_str(vs_json_get(error, "message"), &text) && text.len > 0);
    CHECK_INT(vs_json_count(error), 4);
}

static void case_answers(void)
{
    struct exchange exchange;
    ask(&exchange, "GET", "/livez", "");
    CHECK_INT(exchange.reply.code, 200);
    CHECK(vs_str_equal_c(vs_buf_view(&exchange.reply.body), "{\"status\":\"ok\"}"));
    end(&exchange);
    ask(&exchange, "GET", "/nosuch", "");
    check_error(&exchange, 404, "not_found", "NOT_FOUND");
    end(&exchange);
    ask(&exchange, "POST", "/livez", "");
    check_error(&exchange, 405, "method_not_allowed", "INVALID");
    CHECK_TEXT(exchange.reply.allow, "GET, HEAD");
    end(&exchange);
    ask(&exchange, "GET", "/livez", "x");
    check_error(&exchange, 400, "bad_request", "INVALID");
    end(&exchange);
    ask(&exchange, "POST", "/v1/tables/a/query", "{\"id\":1,\"k\":1001}");
    check_error(&exchange, 422, "over_limit", "LIMIT");
    end(&exchange);
    ask(&exchange, "POST", "/v1/tables", "{\"name\":\"a.b\"}");
    check_error(&exchange, 400, "bad_request", "INVALID");
    end(&exchange);
}

static void case_draining(void)
{
    struct exchange exchange;
    ask(&exchange, "GET", "/livez", "");
    struct vs_error err = {0};
    atomic_store(&exchange.service.draining, true);
    vs_buf_reset(&exchange.reply.body);
    exchange.request.path = VS_STR("/readyz");
    vs_service_answer(&exchange.service, &exchange.request, &exchange.reply);
    CHECK_INT(exchange.reply.code, 503);
    CHECK(exchange.reply.retry);
    CHECK_STATUS(vs_handle_readyz(&exchange.service, &exchange.request, &exchange.reply, &err),
                 VS_UNAVAILABLE);
    end(&exchange);
}

static void case_codes(void)
{
    for (int status = 1; status < VS_STATUS_COUNT; status++) {
        unsigned code = vs_http_code((enum vs_status)status);
        CHECK(code >= 400 && code <= 504);
        CHECK(strcmp(vs_http_word(code), "error") != 0);
    }
    CHECK_INT(vs_http_code(VS_CONFLICT), 409);
    CHECK_INT(vs_http_code(VS_UNKNOWN), 500);
    CHECK_INT(vs_http_code(VS_TIMEOUT), 504);
    CHECK_INT(vs_http_code(VS_NO_MEMORY), 503);
    CHECK_INT(vs_http_reason(413), VS_LIMIT);
}

static void case_document(void)
{
    struct vs_buf text;
    struct vs_json_doc *doc = NULL;
    struct vs_error err = {0};
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    REQUIRE_OK(vs_openapi_write(&text, &err), err);
    REQUIRE_OK(vs_json_parse(vs_env_default(), vs_buf_view(&text), "document", NULL, &doc, &err),
               err);
    const struct vs_json *root = vs_json_root(doc), *paths = vs_json_get(root, "paths");
    const struct vs_json *schemas = vs_json_get(vs_json_get(root, "components"), "schemas");
    for (size_t i = 0; i < vs_route_count; i++) {
        CHECK(vs_json_get(paths, vs_routes[i].pattern) != NULL);
        CHECK(vs_json_get(schemas, vs_routes[i].response_schema) != NULL);
        CHECK(vs_routes[i].takes_body == (vs_routes[i].request_schema != NULL));
        CHECK(vs_routes[i].request_schema == NULL ||
              vs_json_get(schemas, vs_routes[i].request_schema) != NULL);
    }
    vs_json_free(doc);
    vs_buf_clear(&text);
}

TEST_MAIN(
    TEST(case_find), TEST(case_answers), TEST(case_draining), TEST(case_codes), TEST(case_document))
