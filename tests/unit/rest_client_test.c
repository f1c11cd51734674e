// SPDX-License-Identifier: Apache-2.0
// Answers of a REST catalog as data, and requests to one: what each status means, configuration,
// addresses, tokens.
#include "tests/support/check.h"
#include "tests/support/rest_service.h"
#include "tests/support/test_env.h"
#include "vecstore/catalog/rest_client.h"

#include <pthread.h>
#include <stdlib.h>

#define SECRET "s3cr3t-of-the-test"

// ---- data ----

static void status_table(void)
{
    static const struct {
        int code;
        enum vs_outcome commit;
        enum vs_status status;
        enum vs_rest_retry retry;
    } rows[] = {
        // iceberg.md 2.3
        {200, VS_OUTCOME_DONE, VS_OK, VS_REST_RETRY_NEVER},
        {204, VS_OUTCOME_DONE, VS_OK, VS_REST_RETRY_NEVER},
        {302, VS_OUTCOME_FAILED, VS_UNSUPPORTED, VS_REST_RETRY_NEVER},
        {400, VS_OUTCOME_FAILED, VS_INVALID, VS_REST_RETRY_NEVER},
        {401, VS_OUTCOME_FAILED, VS_UNAUTHENTICATED, VS_REST_RETRY_TOKEN},
        {403, VS_OUTCOME_FAILED, VS_DENIED, VS_REST_RETRY_NEVER},
        {404, VS_OUTCOME_FAILED, VS_NOT_FOUND, VS_REST_RETRY_NEVER},
        {406, VS_OUTCOME_FAILED, VS_UNSUPPORTED, VS_REST_RETRY_NEVER},
        {408, VS_OUTCOME_UNKNOWN, VS_TIMEOUT, VS_REST_RETRY_NEVER},
        {409, VS_OUTCOME_CONFLICT, VS_CONFLICT, VS_REST_RETRY_NEVER},
        {419, VS_OUTCOME_FAILED, VS_UNAUTHENTICATED, VS_REST_RETRY_TOKEN},
        {422, VS_OUTCOME_FAILED, VS_INVALID, VS_REST_RETRY_NEVER},
        {429, VS_OUTCOME_FAILED, VS_UNAVAILABLE, VS_REST_RETRY_BACKOFF},
        {500, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, VS_REST_RETRY_NEVER},
        {501, VS_OUTCOME_FAILED, VS_UNSUPPORTED, VS_REST_RETRY_NEVER},
        {502, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, VS_REST_RETRY_NEVER},
        {503, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, VS_REST_RETRY_AFTER},
        {504, VS_OUTCOME_UNKNOWN, VS_TIMEOUT, VS_REST_RETRY_NEVER},
        {599, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, VS_REST_RETRY_NEVER},
        {100, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, VS_REST_RETRY_NEVER},
        {0, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, VS_REST_RETRY_NEVER},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct vs_rest_rule *rule = vs_rest_rule_of(rows[i].code);
        if (rule->commit != rows[i].commit || rule->status != rows[i].status ||
            rule->retry != rows[i].retry) {
            fprintf(stderr, "    status %d\n", rows[i].code);
            CHECK_INT(rule->commit, rows[i].commit);
            CHECK_INT(rule->status, rows[i].status);
            CHECK_INT(rule->retry, rows[i].retry);
        }
    }
}

static void error_bodies(void)
{
    struct vs_rest_error error;
    char body[2000];
    vs_rest_error_parse(vs_env_default(),
                        VS_STR("{\"error\":{\"message\":\"no\\nsuch \\u001b[31mtable\",\"type\":"
                               "\"NoSuchTableException\",\"code\":404,\"stack\":[\"a\"]}}"),
                        &error);
    CHECK_TEXT(error.type, "NoSuchTableException");
    CHECK_TEXT(error.message, "no such  [31mtable");
    static const char *const others[] = {
        "", "<html>", "{}", "[]", "{\"error\":7}", "{\"error\":{\"message\":null,\"type\":[]}}"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        vs_rest_error_parse(vs_env_default(), vs_str_from_c(others[i]), &error);
        CHECK_TEXT(error.type, "");
        CHECK_TEXT(error.message, "");
    }
    int len = snprintf(body, sizeof body, "{\"error\":{\"message\":\"");
    while (len < 1500) {
        len += snprintf(body + len, sizeof body - (size_t)len, "\xc3\xa9");
    }
    (void)snprintf(body + len, sizeof body - (size_t)len, "\"}}");
    vs_rest_error_parse(vs_env_default(), vs_str_from_c(body), &error);
    CHECK(strlen(error.message) > 200);
    CHECK(vs_utf8_validate(vs_str_from_c(error.message)));
}

static void check_setting(const struct vs_rest_config *config, const char *key, const char *value)
{
    struct vs_str text = vs_settings_get(&config->settings, key);
    if (value == NULL) {
        CHECK(text.ptr == NULL);
        return;
    }
    CHECK_TEXT(text.ptr, value);
}

static void configuration(void)
{
    struct vs_error err = {0};
    struct vs_rest_config config;
    struct vs_pair own[] = {{VS_STR("b"), VS_STR("client")},
                            {VS_STR("c"), VS_STR("client")},
                            {VS_STR("token"), VS_STR("mine")}};
    struct vs_settings client = {own, 3};
    REQUIRE_OK(vs_rest_config_parse(
                   vs_env_default(),
                   VS_STR("{\"defaults\":{\"a\":\"default\",\"b\":\"default\",\"flag\":true,"
                          "\"rest.allow-file-locations\":\"true\",\"s3.endpoint\":\"http://e\"},"
                          "\"overrides\":{\"c\":\"override\",\"prefix\":\"p q/r\",\"n\":7,"
                          "\"token\":\"theirs\",\"oauth2-server-uri\":\"http://evil\","
                          "\"http.proxy\":\"http://evil\",\"namespace-separator\":\"%2E\"},"
                          "\"endpoints\":[\"GET /v1/x\"],\"idempotency-key-lifetime\":\"PT30M\"}"),
                   &client, &config, &err),
               err);
    check_setting(&config, "a", "default");
    check_setting(&config, "b", "client");
    check_setting(&config, "c", "override");
    check_setting(&config, "n", "7");
    check_setting(&config, "flag", "true");
    check_setting(&config, "s3.endpoint", "http://e");
    check_setting(&config, "token", "mine");
    check_setting(&config, "oauth2-server-uri", NULL);
    check_setting(&config, "http.proxy", NULL);
    check_setting(&config, "rest.allow-file-locations", NULL);
    CHECK_TEXT(config.prefix.ptr, "p q/r");
    CHECK_TEXT(config.separator.ptr, ".");
    CHECK(config.has_idempotency);
    CHECK(vs_rest_config_has(&config, "GET /v1/x"));
    CHECK(!vs_rest_config_has(&config, "GET /v1/{prefix}/namespaces"));
    vs_rest_config_clear(&config);

    REQUIRE_OK(vs_rest_config_parse(vs_env_default(), VS_STR("{}"), NULL, &config, &err), err);
    CHECK(config.prefix.len == 0 && !config.has_idempotency);
    CHECK(vs_str_equal(config.separator, VS_STR("\x1f")));
    CHECK(vs_rest_config_has(&config, "POST /v1/{prefix}/transactions/commit"));
    CHECK(!vs_rest_config_has(
        &config, "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials"));
    vs_rest_config_clear(&config);
    CHECK_STATUS(vs_rest_config_parse(vs_env_default(), VS_STR("<html>"), NULL, &config, &err),
                 VS_UNAVAILABLE);
    CHECK(strstr(err.message, "Iceberg REST catalog") != NULL);
}

static void longest_prefix_wins(void)
{
    static const struct {
        const char *location, *key;
    } rows[] = {{"s3://b/t/deep", "deep"},     {"s3a://b/t/deep/er", "deep"},
                {"s3://b/t/other", "folder"},  {"s3://b/t", "folder"},
                {"s3://b/x", "bucket"},        {"s3://c/t/deep", "plain"},
                {"file:///b/t/deep", "plain"}, {"s3://b/t2", "bucket"}};
    struct vs_error err = {0};
    struct vs_rest_table table;
    REQUIRE_OK(
        vs_rest_table_parse(
            vs_env_default(),
            VS_STR("{\"config\":{\"s3.access-key-id\":\"plain\",\"client.region\":\"r\","
                   "\"http.proxy\":\"http://evil\"},\"storage-credentials\":["
                   "{\"prefix\":\"s3://b\",\"config\":{\"s3.access-key-id\":\"bucket\"}},"
                   "{\"prefix\":\"s3://b/t/deep\",\"config\":{\"s3.access-key-id\":\"deep\"}},"
                   "{\"prefix\":\"s3://b/t/\",\"config\":{\"s3.access-key-id\":\"folder\"}},"
                   "{\"prefix\":7},{}]}"),
            "test", false, &table, &err),
        err);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_settings settings;
        REQUIRE_OK(vs_rest_table_settings(&table, vs_str_from_c(rows[i].location), &settings, &err),
                   err);
        CHECK_TEXT(vs_settings_get(&settings, "s3.access-key-id").ptr, rows[i].key);
        CHECK_TEXT(vs_settings_get(&settings, "client.region").ptr, "r");
        CHECK(vs_settings_get(&settings, "http.proxy").ptr == NULL);
    }
    vs_rest_table_clear(&table);
    CHECK_STATUS(vs_rest_table_parse(vs_env_default(), VS_STR("{\"metadata-location\":\"x\"}"),
                                     "test", true, &table, &err),
                 VS_CORRUPT);
}

static void failing_allocations(void)
{
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_error err = {0};
        struct vs_rest_config config;
        struct vs_rest_table table;
        struct vs_settings settings;
        test_env_init(&t);
        t.fail_at = n;
        enum vs_status status = vs_rest_config_parse(
            &t.env, VS_STR("{\"defaults\":{\"prefix\":\"a\"},\"endpoints\":[\"GET /v1/x\"]}"), NULL,
            &config, &err);
        if (status == VS_OK) {
            vs_rest_config_clear(&config);
            status = vs_rest_table_parse(
                &t.env,
                VS_STR("{\"metadata-location\":\"m\",\"config\":{\"s3.endpoint\":\"e\"},"
                       "\"storage-credentials\":[{\"prefix\":\"s3\",\"config\":{}}]}"),
                "test", false, &table, &err);
            if (status == VS_OK) {
                status = vs_rest_table_settings(&table, VS_STR("s3://b/t"), &settings, &err);
                vs_rest_table_clear(&table);
            }
        }
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK_OK(status, err);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK);
    }
}

// ---- requests ----

struct fake {
    struct rest_service *service;
    const char *config;  // body of GET /v1/config
    int status[16];      // of further requests, one after the other; 0: 200
    const char *headers; // of them
    int requests, tokens, configs;
    int expires_in;
    char last_target[4096], last_authorization[256], last_form[1024], seen_header[256];
};

static void answer(void *ctx, const struct rest_seen *seen, struct rest_reply *reply)
{
    struct fake *f = ctx;
    if (strstr(seen->target, "/v1/config") != NULL) {
        f->configs++;
        (void)snprintf(f->last_target, sizeof f->last_target, "%s", seen->target);
        (void)snprintf(reply->body, sizeof reply->body, "%s", f->config);
        return;
    }
    if (strstr(seen->target, "/oauth/tokens") != NULL) {
        (void)snprintf(f->last_form, sizeof f->last_form, "%.1000s", seen->body);
        (void)snprintf(reply->body, sizeof reply->body,
                       "{\"access_token\":\"token-%d\",\"token_type\":\"bearer\","
                       "\"expires_in\":%d}",
                       ++f->tokens, f->expires_in);
        return;
    }
    (void)snprintf(f->last_target, sizeof f->last_target, "%s", seen->target);
    if (!rest_seen_header(seen, "authorization", f->last_authorization,
                          sizeof f->last_authorization)) {
        f->last_authorization[0] = '\0';
    }
    if (!rest_seen_header(seen, "x-own", f->seen_header, sizeof f->seen_header)) {
        f->seen_header[0] = '\0';
    }
    int status = f->requests < 16 ? f->status[f->requests] : 0;
    f->requests++;
    if (status == -1) {
        reply->drop = true;
        return;
    }
    reply->status = status == 0 ? 200 : status;
    (void)snprintf(reply->headers, sizeof reply->headers, "%s",
                   f->headers != NULL ? f->headers : "");
    (void)snprintf(reply->body, sizeof reply->body,
                   reply->status == 200 ? "{}"
                                        : "{\"error\":{\"message\":\"because\",\"type\":\"Bad\"}}");
}

static bool start(struct fake *f)
{
    f->service = rest_service_start(answer, f);
    return f->service != NULL;
}

static enum vs_status connect_to(struct fake *f,
                                 const struct vs_settings *settings,
                                 const char *warehouse,
                                 struct vs_rest_client **client_out,
                                 struct vs_error *err)
{
    char uri[64];
    (void)snprintf(uri, sizeof uri, "http://127.0.0.1:%d/api/", rest_service_port(f->service));
    return vs_rest_client_new(vs_env_default(), uri, warehouse, settings, client_out, err);
}

static enum vs_status call(struct vs_rest_client *client,
                           enum vs_http_method method,
                           const char *key,
                           struct vs_error *err)
{
    struct vs_buf url;
    struct vs_http_response response;
    vs_buf_init(&url, vs_env_default(), VS_REST_URL_MAX);
    vs_http_response_init(&response, vs_env_default(), 1 << 20);
    struct vs_rest_request request = {.method = method,
                                      .url = &url,
                                      .body = method == VS_HTTP_POST ? VS_STR("{}") : VS_STR(""),
                                      .idempotency_key = key,
                                      .what = "do something"};
    enum vs_status status = vs_rest_url_table(client, "a.b.tab", "?x=1", &url, err);
    if (status == VS_OK) {
        status = vs_rest_call(client, &request, &response, err);
    }
    vs_http_response_clear(&response);
    vs_buf_clear(&url);
    return status;
}

static void addresses(void)
{
    struct vs_error err = {0};
    struct fake f = {.config = "{\"defaults\":{\"prefix\":\"pre fix/%2f?x\"}}"};
    struct vs_rest_client *client = NULL;
    struct vs_pair own[] = {{VS_STR("header.X-Own"), VS_STR("yes")}};
    struct vs_settings settings = {own, 1};
    REQUIRE(start(&f));
    REQUIRE_OK(connect_to(&f, &settings, "s3://w h/x?", &client, &err), err);
    CHECK_TEXT(f.last_target, "/api/v1/config?warehouse=s3%3A%2F%2Fw%20h%2Fx%3F");
    CHECK_OK(call(client, VS_HTTP_GET, NULL, &err), err);
    CHECK_TEXT(f.last_target, "/api/v1/pre%20fix/%2f%3Fx/namespaces/a%1Fb/tables/tab?x=1");
    CHECK_TEXT(f.seen_header, "yes");
    CHECK_TEXT(f.last_authorization, "");
    vs_rest_client_free(client);

    f.config = "{\"overrides\":{\"namespace-separator\":\".\"}}";
    REQUIRE_OK(connect_to(&f, NULL, NULL, &client, &err), err);
    CHECK_TEXT(f.last_target, "/api/v1/config");
    CHECK_OK(call(client, VS_HTTP_GET, NULL, &err), err);
    CHECK_TEXT(f.last_target, "/api/v1/namespaces/a.b/tables/tab?x=1");
    CHECK(client->is_loopback);
    vs_rest_client_free(client);
    rest_service_stop(f.service);
}

static void bad_addresses(void)
{
    static const char *const uris[] = {"",          "ftp://h",        "h:80",       "file:///etc",
                                       "http://",   "http://u:p@h/x", "http://h x", "http://h/?a=b",
                                       "http://h#x"};
    struct vs_error err = {0};
    struct vs_rest_client *client = NULL;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        CHECK_STATUS(vs_rest_client_new(vs_env_default(), uris[i], NULL, NULL, &client, &err),
                     VS_INVALID);
        CHECK(strstr(err.message, "p@h") == NULL);
    }
}

static void statuses_become_sentences(void)
{
    static const struct {
        int code;
        enum vs_status status;
        int requests;
    } rows[] = {
        {400, VS_INVALID, 1},         {401, VS_UNAUTHENTICATED, 1}, {403, VS_DENIED, 1},
        {404, VS_NOT_FOUND, 1},       {406, VS_UNSUPPORTED, 1},     {409, VS_CONFLICT, 1},
        {419, VS_UNAUTHENTICATED, 1}, {429, VS_UNAVAILABLE, 4},     {500, VS_UNAVAILABLE, 4},
        {502, VS_UNAVAILABLE, 4},     {503, VS_UNAVAILABLE, 4},     {504, VS_TIMEOUT, 4},
        {302, VS_UNSUPPORTED, 1},     {-1, VS_UNAVAILABLE, 4}};
    struct vs_error err = {0};
    struct fake f = {.config = "{}", .headers = "Retry-After: 0\r\nLocation: http://evil/\r\n"};
    struct vs_rest_client *client = NULL;
    REQUIRE(start(&f));
    REQUIRE_OK(connect_to(&f, NULL, NULL, &client, &err), err);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int k = 0; k < 16; k++) {
            f.status[k] = rows[i].code;
        }
        f.requests = 0;
        err = (struct vs_error){0};
        CHECK_STATUS(call(client, VS_HTTP_GET, NULL, &err), rows[i].status);
        CHECK_INT(f.requests, rows[i].requests);
        if (rows[i].code > 0) {
            CHECK_INT(err.system_code, rows[i].code);
            CHECK(strstr(err.message, "Bad: because") != NULL);
        }
        CHECK(strstr(err.message, "do something") != NULL);
    }
    // Changes are repeated only when nothing was processed.
    f = (struct fake){.service = f.service, .config = "{}", .status = {500}};
    CHECK_STATUS(call(client, VS_HTTP_POST, "key", &err), VS_UNKNOWN);
    CHECK_INT(f.requests, 1);
    f = (struct fake){.service = f.service, .config = "{}", .status = {-1}};
    CHECK_STATUS(call(client, VS_HTTP_POST, NULL, &err), VS_UNKNOWN);
    CHECK_INT(f.requests, 1);
    f = (struct fake){.service = f.service, .config = "{}", .status = {429, 429, 200}};
    CHECK_OK(call(client, VS_HTTP_POST, NULL, &err), err);
    CHECK_INT(f.requests, 3);
    vs_rest_client_free(client);
    // With an idempotency key that the service knows, they are.
    f = (struct fake){.service = f.service,
                      .config = "{\"idempotency-key-lifetime\":\"PT1M\"}",
                      .status = {500, -1, 200}};
    REQUIRE_OK(connect_to(&f, NULL, NULL, &client, &err), err);
    CHECK_OK(call(client, VS_HTTP_POST, "key", &err), err);
    CHECK_INT(f.requests, 3);
    vs_rest_client_free(client);
    rest_service_stop(f.service);
}

static void nobody_there(void)
{
    struct vs_error err = {0};
    struct fake f = {.config = "{}"};
    struct vs_rest_client *client = NULL;
    char uri[64];
    REQUIRE(start(&f));
    (void)snprintf(uri, sizeof uri, "http://127.0.0.1:%d", rest_service_port(f.service));
    rest_service_stop(f.service);
    CHECK_STATUS(vs_rest_client_new(vs_env_default(), uri, NULL, NULL, &client, &err),
                 VS_UNAVAILABLE);
    CHECK(strstr(err.message, uri) != NULL);
}

// ---- tokens ----

static void token_is_refreshed_once(void)
{
    struct vs_error err = {0};
    struct fake f = {.config = "{}", .expires_in = 3600, .status = {401}};
    struct vs_rest_client *client = NULL;
    struct vs_pair own[] = {{VS_STR("credential"), VS_STR("the id:" SECRET "&x=1")},
                            {VS_STR("scope"), VS_STR("PRINCIPAL_ROLE:ALL")}};
    struct vs_settings settings = {own, 2};
    REQUIRE(start(&f));
    REQUIRE_OK(connect_to(&f, &settings, NULL, &client, &err), err);
    CHECK_INT(f.tokens, 1); // the configuration needs it already
    CHECK_TEXT(f.last_form, "grant_type=client_credentials&client_id=the%20id&client_secret=" SECRET
                            "%26x%3D1&scope=PRINCIPAL_ROLE%3AALL");
    CHECK_OK(call(client, VS_HTTP_GET, NULL, &err), err); // 401, then with a fresh token
    CHECK_INT(f.requests, 2);
    CHECK_INT(f.tokens, 2);
    CHECK_TEXT(f.last_authorization, "Bearer token-2");
    f.requests = 0;
    f.status[0] = f.status[1] = 419; // both refused: no third try
    CHECK_STATUS(call(client, VS_HTTP_GET, NULL, &err), VS_UNAUTHENTICATED);
    CHECK_INT(f.requests, 2);
    CHECK(strstr(err.message, SECRET) == NULL && strstr(err.message, "token-") == NULL);
    vs_rest_client_free(client);
    rest_service_stop(f.service);
}

static void token_is_refreshed_before_its_end(void)
{
    struct vs_error err = {0};
    struct test_env t;
    struct fake f = {.config = "{}", .expires_in = 600};
    struct vs_rest_client *client = NULL;
    char uri[64];
    struct vs_pair own[] = {{VS_STR("credential"), VS_STR("id:" SECRET)}};
    struct vs_settings settings = {own, 1};
    REQUIRE(start(&f));
    test_env_init(&t);
    t.now_ms = 1700000000000;
    (void)snprintf(uri, sizeof uri, "http://127.0.0.1:%d", rest_service_port(f.service));
    REQUIRE_OK(vs_rest_client_new(&t.env, uri, NULL, &settings, &client, &err), err);
    CHECK_OK(call(client, VS_HTTP_GET, NULL, &err), err);
    CHECK_INT(f.tokens, 1);
    t.now_ms += 541000; // less than a minute left
    CHECK_OK(call(client, VS_HTTP_GET, NULL, &err), err);
    CHECK_INT(f.tokens, 2);
    vs_rest_client_free(client);
    CHECK_INT(t.live, 0);
    rest_service_stop(f.service);
}

struct racer {
    struct vs_rest_client *client;
    enum vs_status status;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    r->status = call(r->client, VS_HTTP_GET, NULL, NULL);
    return NULL;
}

static void one_refresh_at_a_time(void)
{
    struct vs_error err = {0};
    struct fake f = {.config = "{}", .expires_in = 1};
    struct vs_rest_client *client = NULL;
    struct vs_pair own[] = {{VS_STR("credential"), VS_STR("id:" SECRET)}};
    struct vs_settings settings = {own, 1};
    struct racer racers[8];
    pthread_t threads[8];
    struct test_env t;
    char uri[64];
    REQUIRE(start(&f));
    test_env_init(&t);
    t.now_ms = 1700000000000;
    f.expires_in = 600;
    (void)snprintf(uri, sizeof uri, "http://127.0.0.1:%d", rest_service_port(f.service));
    REQUIRE_OK(vs_rest_client_new(&t.env, uri, NULL, &settings, &client, &err), err);
    t.now_ms += 599000;
    for (int i = 0; i < 8; i++) {
        racers[i] = (struct racer){.client = client};
        REQUIRE(pthread_create(&threads[i], NULL, race, &racers[i]) == 0);
    }
    for (int i = 0; i < 8; i++) {
        (void)pthread_join(threads[i], NULL);
        CHECK_INT(racers[i].status, VS_OK);
    }
    CHECK_INT(f.tokens, 2);
    vs_rest_client_free(client);
    rest_service_stop(f.service);
}

static void other_ways_to_authenticate(void)
{
    struct vs_error err = {0};
    struct fake f = {.config = "{}"};
    struct vs_rest_client *client = NULL;
    struct vs_pair token[] = {{VS_STR("token"), VS_STR(SECRET)}};
    struct vs_pair basic[] = {{VS_STR("rest.auth.type"), VS_STR("basic")},
                              {VS_STR("rest.auth.basic.username"), VS_STR("Aladdin")},
                              {VS_STR("rest.auth.basic.password"), VS_STR("open sesame")}};
    struct vs_pair sign[] = {{VS_STR("rest.sigv4-enabled"), VS_STR("true")},
                             {VS_STR("rest.signing-name"), VS_STR("glue")},
                             {VS_STR("rest.signing-region"), VS_STR("eu-west-1")},
                             {VS_STR("rest.access-key-id"), VS_STR("AKIDEXAMPLE")},
                             {VS_STR("rest.secret-access-key"), VS_STR(SECRET)}};
    struct vs_pair google[] = {{VS_STR("rest.auth.type"), VS_STR("google")}};
    struct vs_settings settings = {token, 1};
    REQUIRE(start(&f));
    REQUIRE_OK(connect_to(&f, &settings, NULL, &client, &err), err);
    f.status[0] = 401; // a fixed token cannot be refreshed
    CHECK_STATUS(call(client, VS_HTTP_GET, NULL, &err), VS_UNAUTHENTICATED);
    CHECK_INT(f.requests, 1);
    CHECK_TEXT(f.last_authorization, "Bearer " SECRET);
    CHECK(strstr(err.message, SECRET) == NULL);
    vs_rest_client_free(client);

    settings = (struct vs_settings){basic, 3}; // RFC 7617's example
    REQUIRE_OK(connect_to(&f, &settings, NULL, &client, &err), err);
    CHECK_OK(call(client, VS_HTTP_GET, NULL, &err), err);
    CHECK_TEXT(f.last_authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    vs_rest_client_free(client);

    settings = (struct vs_settings){sign, 5};
    REQUIRE_OK(connect_to(&f, &settings, NULL, &client, &err), err);
    CHECK_OK(call(client, VS_HTTP_POST, NULL, &err), err);
    CHECK(strstr(f.last_authorization, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") != NULL);
    CHECK(strstr(f.last_authorization, "/eu-west-1/glue/aws4_request") != NULL);
    CHECK(strstr(f.last_authorization, "content-type;") != NULL);
    vs_rest_client_free(client);

    settings = (struct vs_settings){google, 1};
    CHECK_STATUS(connect_to(&f, &settings, NULL, &client, &err), VS_UNSUPPORTED);
    CHECK(strstr(err.message, "google") != NULL);
    rest_service_stop(f.service);
}

TEST_MAIN(TEST(status_table),
          TEST(error_bodies),
          TEST(configuration),
          TEST(longest_prefix_wins),
          TEST(failing_allocations),
          TEST(addresses),
          TEST(bad_addresses),
          TEST(statuses_become_sentences),
          TEST(nobody_there),
          TEST(token_is_refreshed_once),
          TEST(token_is_refreshed_before_its_end),
          TEST(one_refresh_at_a_time),
          TEST(other_ways_to_authenticate))
