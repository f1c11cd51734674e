// SPDX-License-Identifier: Apache-2.0
// The places that credentials come from, with servers of our own in the part of AWS.
#include "tests/support/check.h"
#include "tests/support/scripted_server.h"
#include "tests/support/test_env.h"
#include "vecstore/object/aws_credentials.h"
#include "vecstore/object/aws_credentials_internal.h"
#include "vecstore/object/aws_profile.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define NOW_MS INT64_C(1700000000000) // 2023-11-14T22:13:20Z
#define SOON "2023-11-14T23:13:20Z"   // in an hour
#define HOUR_MS INT64_C(3600000)

#define IDENTITY(key)                                                                              \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" key "\",\"SecretAccessKey\":\"sec-" key             \
    "\",\"Token\":\"tok-" key "\",\"Expiration\":\"" SOON "\"}"
#define STS(action, key)                                                                           \
    "<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action             \
    "Result><Credentials><AccessKeyId>" key "</AccessKeyId><SecretAccessKey>sec-" key              \
    "</SecretAccessKey><SessionToken>tok-" key "</SessionToken><Expiration>" SOON                  \
    "</Expiration></Credentials></" action "Result></" action "Response>"

static const char *const VARIABLES[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_DEFAULT_PROFILE",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_CONFIG_FILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"};

// A directory as home, a server, a client, and no AWS variable of the outside.
struct rig {
    struct test_env test;
    char dir[200], url[256];
    struct scripted_server *server;
    struct vs_http_client *client;
    struct vs_aws_provider *provider;
    struct vs_buf text;
    struct vs_aws_credentials got;
    struct vs_error err;
};

static void rig_open(struct rig *rig, const struct scripted_step *steps, size_t count)
{
    static const struct vs_pair items[] = {{{"http.proxy", 10}, {"", 0}}};
    const struct vs_settings settings = {items, 1};
    *rig = (struct rig){.server = scripted_start(steps, count)};
    test_env_init(&rig->test);
    rig->test.now_ms = NOW_MS;
    vs_buf_init(&rig->text, &rig->test.env, 1 << 16);
    test_dir_make(rig->dir, sizeof rig->dir);
    for (size_t i = 0; i < sizeof VARIABLES / sizeof VARIABLES[0]; i++) {
        (void)unsetenv(VARIABLES[i]);
    }
    (void)setenv("HOME", rig->dir, 1);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    if (rig->server == NULL ||
        vs_http_client_new(&rig->test.env, &settings, &rig->client, &rig->err) != VS_OK) {
        fprintf(stderr, "no rig: %s\n", rig->err.message);
        abort();
    }
    scripted_url(rig->server, "", rig->url, sizeof rig->url);
    (void)setenv("AWS_ENDPOINT_URL_STS", rig->url, 1);
}

static void rig_close(struct rig *rig)
{
    vs_aws_provider_free(rig->provider);
    vs_buf_clear(&rig->text);
    vs_http_client_free(rig->client);
    scripted_stop(rig->server);
    test_dir_remove(rig->dir);
    CHECK_INT(rig->test.live, 0);
}

#define RIG(...)                                                                                   \
    static const struct scripted_step steps[] = {__VA_ARGS__};                                     \
    struct rig rig;                                                                                \
    rig_open(&rig, steps, sizeof steps / sizeof steps[0])

static void write_file(const struct rig *rig, const char *name, const char *text)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/.aws", rig->dir);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/%s", rig->dir, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

static enum vs_status open_provider(struct rig *rig, const struct vs_settings *settings)
{
    vs_aws_provider_free(rig->provider);
    rig->provider = NULL;
    return vs_aws_provider_new(&rig->test.env, settings, rig->client, &rig->provider, &rig->err);
}

static enum vs_status get(struct rig *rig, bool force)
{
    return vs_aws_provider_get(rig->provider, force, &rig->text, &rig->got, &rig->err);
}

// A new provider with these settings finds "KEY", "sec-KEY" and "tok-KEY" (or no token).
static void check_found(struct rig *rig,
                        const struct vs_settings *settings,
                        const char *key,
                        bool token)
{
    char secret[100], session[100];
    (void)snprintf(secret, sizeof secret, "sec-%s", key);
    (void)snprintf(session, sizeof session, "tok-%s", key);
    REQUIRE_OK(open_provider(rig, settings), rig->err);
    REQUIRE_OK(get(rig, false), rig->err);
    CHECK(vs_str_equal_c(rig->got.access_key, key));
    CHECK(vs_str_equal_c(rig->got.secret_key, secret));
    CHECK(vs_str_equal_c(rig->got.session_token, token ? session : ""));
}

static void check_refused(struct rig *rig,
                          const struct vs_settings *settings,
                          enum vs_status expected,
                          const char *reason)
{
    REQUIRE_OK(open_provider(rig, settings), rig->err);
    CHECK_STATUS(get(rig, false), expected);
    if (strstr(rig->err.message, reason) == NULL) {
        CHECK_TEXT(rig->err.message, reason);
    }
    CHECK(strstr(rig->err.message, "sec-") == NULL && strstr(rig->err.message, "tok-") == NULL);
}

static void case_settings_and_environment(void)
{
    RIG({.repeat = true});
    static const struct vs_pair keys[] = {{{"s3.access-key-id", 16}, {"SET", 3}},
                                          {{"s3.secret-access-key", 20}, {"sec-SET", 7}},
                                          {{"s3.session-token", 16}, {"tok-SET", 7}}};
    static const struct vs_pair anonymous = {{"s3.anonymous", 12}, {"true", 4}};
    const struct vs_settings with_token = {keys, 3}, without = {keys, 2}, half = {keys, 1};
    const struct vs_settings nobody = {&anonymous, 1};
    (void)setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    check_refused(&rig, NULL, VS_INVALID, "needs a secret key");
    (void)setenv("AWS_SECRET_ACCESS_KEY", "sec-ENV", 1);
    check_found(&rig, NULL, "ENV", false);
    (void)setenv("AWS_SESSION_TOKEN", "tok-ENV", 1);
    check_found(&rig, NULL, "ENV", true);
    check_found(&rig, &with_token, "SET", true);
    check_found(&rig, &without, "SET", false);
    CHECK_STATUS(open_provider(&rig, &half), VS_INVALID);
    CHECK_OK(open_provider(&rig, &nobody), rig.err);
    CHECK_OK(get(&rig, false), rig.err);
    CHECK_INT(rig.got.access_key.len, 0);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "sec\nENV", 1);
    check_refused(&rig, NULL, VS_INVALID, "control characters");
    rig_close(&rig);
}

static void case_nowhere(void)
{
    RIG({.repeat = true});
    check_refused(&rig, NULL, VS_DENIED, "settings: no s3.access-key-id");
    static const char *const places[] = {
        "AWS_ACCESS_KEY_ID is not set",    "AWS_WEB_IDENTITY_TOKEN_FILE is not set",
        "profile 'default' is neither in", "no container variables",
        "instance metadata is disabled",   "s3.anonymous"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (strstr(rig.err.message, places[i]) == NULL) {
            CHECK_TEXT(rig.err.message, places[i]);
        }
    }
    rig_close(&rig);
}

static void case_region(void)
{
    RIG({.repeat = true});
    static const struct vs_pair pairs[] = {{{"s3.region", 9}, {"from-s3", 7}},
                                           {{"client.region", 13}, {"from-client", 11}},
                                           {{"s3.profile", 10}, {"other", 5}}};
    const struct vs_settings both = {pairs, 2}, one = {pairs, 1}, profile = {pairs + 2, 1};
    CHECK_OK(open_provider(&rig, NULL), rig.err);
    CHECK(vs_aws_provider_region(rig.provider).ptr == NULL);
    write_file(&rig, ".aws/config", "[default]\nregion = from-file\n[profile other]\nregion=x-1\n");
    CHECK_OK(open_provider(&rig, NULL), rig.err);
    CHECK(vs_str_equal_c(vs_aws_provider_region(rig.provider), "from-file"));
    CHECK_OK(open_provider(&rig, &profile), rig.err);
    CHECK(vs_str_equal_c(vs_aws_provider_region(rig.provider), "x-1"));
    (void)setenv("AWS_DEFAULT_REGION", "from-default", 1);
    CHECK_OK(open_provider(&rig, NULL), rig.err);
    CHECK(vs_str_equal_c(vs_aws_provider_region(rig.provider), "from-default"));
    (void)setenv("AWS_REGION", "from-env", 1);
    CHECK_OK(open_provider(&rig, NULL), rig.err);
    CHECK(vs_str_equal_c(vs_aws_provider_region(rig.provider), "from-env"));
    CHECK_OK(open_provider(&rig, &one), rig.err);
    CHECK(vs_str_equal_c(vs_aws_provider_region(rig.provider), "from-s3"));
    CHECK_OK(open_provider(&rig, &both), rig.err);
    CHECK(vs_str_equal_c(vs_aws_provider_region(rig.provider), "from-client"));
    rig_close(&rig);
}

static void case_profile_syntax(void)
{
    static const char config[] = "# a comment\r\n"
                                 "[default]\r\n"
                                 "Region = eu-1 ; why\r\n"
                                 "s3 =\r\n"
                                 "    region = nested\r\n"
                                 "[profile two words]\n"
                                 "a=1\n"
                                 "a = 2 # two\n"
                                 "b = x#y\n"
                                 "no equals sign\n"
                                 "[ profile \"quoted one\" ]\n"
                                 "a = q\n"
                                 "[sso-session two words]\n"
                                 "a = wrong\n"
                                 "[profiles]\n"
                                 "a = wrong\n"
                                 "[plain]\n"
                                 "a = plain\n"
                                 "[profile two words]\n"
                                 "c = = 3\n"
                                 "[profile unclosed\n"
                                 "a = wrong\n"
                                 "[profile last]\n"
                                 "a = end";

    static const struct {
        const char *profile, *key, *value;
        enum vs_aws_file file;
    } expected[] = {{"default", "region", "eu-1", VS_AWS_FILE_CONFIG},
                    {"default", "s3", "", VS_AWS_FILE_CONFIG},
                    {"two words", "A", "2", VS_AWS_FILE_CONFIG},
                    {"two words", "b", "x#y", VS_AWS_FILE_CONFIG},
                    {"two words", "c", "= 3", VS_AWS_FILE_CONFIG},
                    {"quoted one", "a", "q", VS_AWS_FILE_CONFIG},
                    {"plain", "a", NULL, VS_AWS_FILE_CONFIG},
                    {"plain", "a", "plain", VS_AWS_FILE_CREDENTIALS},
                    {"s", "a", NULL, VS_AWS_FILE_CONFIG},
                    {"unclosed", "a", NULL, VS_AWS_FILE_CONFIG},
                    {"last", "a", "end", VS_AWS_FILE_CONFIG},
                    {"default", "a", NULL, VS_AWS_FILE_CONFIG}};

    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct vs_str profile = vs_str_from_c(expected[i].profile);
        struct vs_str value =
            vs_aws_profile_get(VS_STR(config), expected[i].file, profile, expected[i].key);
        bool right = expected[i].value == NULL
                         ? value.ptr == NULL
                         : value.ptr != NULL && vs_str_equal_c(value, expected[i].value);
        if (!right) {
            check_report(__FILE__, __LINE__, expected[i].profile);
            fprintf(stderr, "    %s is '%.*s'\n", expected[i].key, VS_STR_ARG(value));
        }
    }
    CHECK(vs_aws_profile_exists(VS_STR(config), VS_AWS_FILE_CONFIG, VS_STR("last")));
    CHECK(!vs_aws_profile_exists(VS_STR(config), VS_AWS_FILE_CONFIG, VS_STR("plain")));
    CHECK(!vs_aws_profile_exists(VS_STR(""), VS_AWS_FILE_CONFIG, VS_STR("default")));
}

static void case_profiles(void)
{
    RIG({.repeat = true});
    static const struct vs_pair named = {{"s3.profile", 10}, {"work", 4}};
    static const struct vs_pair absent = {{"s3.profile", 10}, {"nobody", 6}};
    const struct vs_settings work = {&named, 1}, nobody = {&absent, 1};
    write_file(&rig, ".aws/credentials",
               "[default]\naws_access_key_id = DEF\naws_secret_access_key = sec-DEF\n"
               "[work]\naws_access_key_id=WORK\naws_secret_access_key=sec-WORK\n"
               "aws_session_token=tok-WORK\n[half]\naws_access_key_id=H\n");
    write_file(&rig, ".aws/config",
               "[default]\naws_access_key_id = CONF\naws_secret_access_key = sec-CONF\n"
               "[profile conf]\naws_access_key_id=CONF\naws_secret_access_key=sec-CONF\n"
               "[profile sso]\nsso_session = x\n[profile none]\nregion = a\n"
               "[profile mfa]\nrole_arn = r\nmfa_serial = m\nsource_profile = work\n"
               "[profile lost]\nrole_arn = r\nsource_profile = nobody\n");
    check_found(&rig, NULL, "DEF", false); // the credentials file comes first
    (void)setenv("AWS_PROFILE", "conf", 1);
    check_found(&rig, NULL, "CONF", false);
    check_found(&rig, &work, "WORK", true);
    check_refused(&rig, &nobody, VS_INVALID, "profile 'nobody' is neither in");

    static const struct {
        const char *profile, *reason;
        enum vs_status status;
    } bad[] = {{"half", "needs a secret key", VS_INVALID},
               {"sso", "export-credentials", VS_UNSUPPORTED},
               {"none", "has no credentials", VS_INVALID},
               {"mfa", "second factor", VS_UNSUPPORTED},
               {"lost", "no source_profile that exists", VS_INVALID}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)setenv("AWS_PROFILE", bad[i].profile, 1);
        check_refused(&rig, NULL, bad[i].status, bad[i].reason);
    }
    (void)setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "sec-ENV", 1);
    check_found(&rig, NULL, "ENV", false);  // before the profile of the environment
    check_found(&rig, &work, "WORK", true); // not before the one of the settings
    write_file(&rig, "elsewhere", "[default]\naws_access_key_id=E\naws_secret_access_key=sec-E\n");
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    (void)unsetenv("AWS_SECRET_ACCESS_KEY");
    (void)unsetenv("AWS_PROFILE");
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "~/elsewhere", 1);
    check_found(&rig, NULL, "E", false);
    rig_close(&rig);
}

static void case_assume_role(void)
{
    RIG({.match = "POST /", .status = 500}, {.match = "POST /", .body = STS("AssumeRole", "MID")},
        {.match = "POST /", .body = STS("AssumeRole", "END")});
    char text[1000];
    write_file(&rig, ".aws/config",
               "[default]\nrole_arn = arn:aws:iam::1:role/end\nsource_profile = mid\n"
               "external_id = ex&t\nduration_seconds = 900\nregion = eu-central-1\n"
               "[profile mid]\nrole_arn = arn:aws:iam::1:role/mid\nsource_profile = base\n"
               "role_session_name = me\n"
               "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = sec-BASE\n");
    check_found(&rig, NULL, "END", true);
    REQUIRE(scripted_request_count(rig.server) == 3); // the first was tried again
    const struct scripted_request *mid = scripted_request_at(rig.server, 1);
    CHECK_TEXT(mid->body, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3A"
                          "role%2Fmid&RoleSessionName=me");
    CHECK(scripted_header(mid, "Authorization", text, sizeof text));
    CHECK(strstr(text, "Credential=BASE/20231114/eu-central-1/sts/aws4_request") != NULL);
    const struct scripted_request *end = scripted_request_at(rig.server, 2);
    CHECK_TEXT(end->body, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3A"
                          "role%2Fend&RoleSessionName=vecstore-1700000000000&DurationSeconds=900&"
                          "ExternalId=ex%26t");
    CHECK(scripted_header(end, "Authorization", text, sizeof text));
    CHECK(strstr(text, "Credential=MID/") != NULL);
    CHECK(scripted_header(end, "X-Amz-Security-Token", text, sizeof text));
    CHECK_TEXT(text, "tok-MID");
    rig_close(&rig);
}

static void case_role_chain_has_an_end(void)
{
    RIG({.repeat = true});
    write_file(&rig, ".aws/config",
               "[default]\nrole_arn = a\nsource_profile = b\n"
               "[profile b]\nrole_arn = b\nsource_profile = default\n");
    check_refused(&rig, NULL, VS_INVALID, "source_profile goes on");
    write_file(&rig, ".aws/config", "[default]\nrole_arn = a\ncredential_source = Elsewhere\n");
    check_refused(&rig, NULL, VS_INVALID, "credential_source 'Elsewhere'");
    CHECK_INT(scripted_request_count(rig.server), 0);
    rig_close(&rig);
}

static void case_web_identity(void)
{
    RIG({.match = "POST /",
         .status = 403,
         .body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not "
                 "you\x01</Message></Error></ErrorResponse>"},
        {.match = "POST /",
         .status = 403,
         .body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not "
                 "you</Message></Error></ErrorResponse>"},
        {.match = "POST /", .body = "<html>"},
        {.match = "POST /", .body = STS("AssumeRoleWithWebIdentity", "WEB")});
    char path[300], text[100];
    (void)snprintf(path, sizeof path, "%s/token", rig.dir);
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
    check_refused(&rig, NULL, VS_INVALID, "AWS_ROLE_ARN is not");
    (void)setenv("AWS_ROLE_ARN", "arn:r", 1);
    check_refused(&rig, NULL, VS_INVALID, "does not exist");
    write_file(&rig, "token", "tok-web+/=\n");
    check_refused(&rig, NULL, VS_DENIED, "refuses with status 403");
    check_refused(&rig, NULL, VS_DENIED, "AccessDenied: not you");
    check_refused(&rig, NULL, VS_CORRUPT, "without credentials");
    (void)setenv("AWS_ROLE_SESSION_NAME", "s", 1);
    check_found(&rig, NULL, "WEB", true);
    const struct scripted_request *seen = scripted_request_at(rig.server, 3);
    CHECK_TEXT(seen->body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Ar&"
                           "RoleSessionName=s&WebIdentityToken=tok-web%2B%2F%3D");
    CHECK(!scripted_header(seen, "Authorization", text, sizeof text));
    rig_close(&rig);
}

static void case_process(void)
{
    RIG({.repeat = true});
    char config[2000];

    static const struct {
        const char *command, *reason;
        enum vs_status status;
    } bad[] = {{"/nonexistent/program x", "cannot be started", VS_INVALID},
               {"sh -c 'exit 3'", "failed", VS_DENIED},
               {"sh -c 'echo {}'", "\"Version\": 1", VS_CORRUPT},
               {"sh -c 'echo \"{\\\"Version\\\": 1}\"'", "no AccessKeyId", VS_CORRUPT},
               {"sh -c 'echo sec-X tok-X'", "\"Version\": 1", VS_CORRUPT},
               {"sh -c 'exit", "quote is not closed", VS_INVALID},
               {"sh -c 'sleep 20 & wait'", "in time", VS_TIMEOUT},
               {"sh -c 'while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done'", "too much",
                VS_LIMIT}};
    static const struct vs_pair short_time = {{"s3.credential-process-timeout-ms", 32},
                                              {"1500", 4}};
    const struct vs_settings settings = {&short_time, 1};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(config, sizeof config, "[default]\ncredential_process = %s\n",
                       bad[i].command);
        write_file(&rig, ".aws/config", config);
        check_refused(&rig, &settings, bad[i].status, bad[i].reason);
    }
    // No shell: what would be its syntax is text.
    write_file(&rig, ".aws/config",
               "[default]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"%s\","
               "\"SecretAccessKey\":\"%s\",\"SessionToken\":\"%s\",\"Expiration\":\"" SOON
               "\"}' \"PRO\" sec\\-PRO tok-'PRO'\n");
    check_found(&rig, NULL, "PRO", true);
    write_file(&rig, ".aws/config",
               "[default]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"A\","
               "\"SecretAccessKey\":\"%s\"}' $HOME;id\n");
    REQUIRE_OK(open_provider(&rig, NULL), rig.err);
    REQUIRE_OK(get(&rig, false), rig.err);
    CHECK(vs_str_equal_c(rig.got.secret_key, "$HOME;id"));
    rig_close(&rig);
}

static void case_container(void)
{
    RIG({.match = "GET /creds", .status = 503}, {.match = "GET /creds", .body = IDENTITY("CON")},
        {.match = "GET /creds", .body = IDENTITY("CON")},
        {.match = "GET /creds", .body = "{\"sec-X\":"},
        {.match = "GET /creds", .status = 401, .body = "sec-X"});
    char url[300], path[300], text[100];
    scripted_url(rig.server, "/creds", url, sizeof url);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    check_found(&rig, NULL, "CON", true);
    CHECK(!scripted_header(scripted_request_at(rig.server, 1), "Authorization", text, sizeof text));
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong", 1);
    (void)snprintf(path, sizeof path, "%s/token", rig.dir);
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
    check_refused(&rig, NULL, VS_INVALID, "TOKEN_FILE does not exist");
    write_file(&rig, "token", "Basic right\n");
    check_found(&rig, NULL, "CON", true);
    CHECK(scripted_header(scripted_request_at(rig.server, 2), "Authorization", text, sizeof text));
    CHECK_TEXT(text, "Basic right");
    check_refused(&rig, NULL, VS_CORRUPT, "no JSON");
    check_refused(&rig, NULL, VS_DENIED, "status 401");
    static const char *const foreign[] = {"http://example.com/",
                                          "http://127.0.0.1.example.com/",
                                          "http://169.254.170.2.example.com/",
                                          "ftp://localhost/",
                                          "http://[::1].example.com/",
                                          "http://169.254.169.254/",
                                          "http://localhost@example.com/"};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", foreign[i], 1);
        check_refused(&rig, NULL, VS_DENIED, "neither https nor");
    }
    (void)setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "no-slash", 1);
    check_refused(&rig, NULL, VS_INVALID, "start with '/'");
    rig_close(&rig);
}

#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"

static void case_instance(void)
{
    RIG({.match = "PUT /latest/api/token", .status = 403},
        {.match = "PUT /latest/api/token", .body = "tok-imds", .repeat = true},
        {.match = "GET " ROLE_PATH "my%2Frole", .body = IDENTITY("INST")},
        {.match = "GET " ROLE_PATH, .status = 404},
        {.match = "GET " ROLE_PATH, .body = "my/role\n"});
    char text[100];
    (void)unsetenv("AWS_EC2_METADATA_DISABLED");
    (void)setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", rig.url, 1);
    check_refused(&rig, NULL, VS_DENIED, "gives no token (403)"); // no way back to version 1
    check_refused(&rig, NULL, VS_DENIED, "the instance has no role");
    check_found(&rig, NULL, "INST", true);
    const struct scripted_request *put = scripted_request_at(rig.server, 3);
    CHECK_TEXT(put->method, "PUT");
    CHECK(scripted_header(put, "X-aws-ec2-metadata-token-ttl-seconds", text, sizeof text));
    CHECK(scripted_header(scripted_request_at(rig.server, 5), "X-aws-ec2-metadata-token", text,
                          sizeof text));
    CHECK_TEXT(text, "tok-imds");
    // Nothing there: told within a moment.
    (void)setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", 1);
    check_refused(&rig, NULL, VS_DENIED, "no instance metadata service");
    rig_close(&rig);
}

// Before the end of their life credentials are asked for again; old ones serve while they last.
static void case_refresh(void)
{
    RIG({.match = "GET /creds", .body = IDENTITY("ONE")}, {.match = "GET /creds", .status = 400},
        {.match = "GET /creds", .status = 400}, {.match = "GET /creds", .status = 400},
        {.match = "GET /creds",
         .body = "{\"AccessKeyId\":\"TWO\",\"SecretAccessKey\":\"sec-TWO\","
                 "\"Token\":\"tok-TWO\",\"Expiration\":\"2023-11-15T23:13:20Z\"}"},
        {.match = "GET /creds", .body = IDENTITY("LATE")});
    char url[300];
    scripted_url(rig.server, "/creds", url, sizeof url);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    check_found(&rig, NULL, "ONE", true);
    rig.test.now_ms = NOW_MS + HOUR_MS - 301000; // more than five minutes left
    CHECK_OK(get(&rig, false), rig.err);
    CHECK_INT(scripted_request_count(rig.server), 1);
    rig.test.now_ms = NOW_MS + HOUR_MS - 299000;
    CHECK_OK(get(&rig, false), rig.err); // fails: the old ones
    CHECK(vs_str_equal_c(rig.got.access_key, "ONE"));
    CHECK_INT(scripted_request_count(rig.server), 2);
    CHECK_OK(get(&rig, false), rig.err); // not asked again at once
    CHECK_INT(scripted_request_count(rig.server), 2);
    CHECK_STATUS(get(&rig, true), VS_DENIED); // the store refused the old ones
    CHECK_INT(scripted_request_count(rig.server), 3);
    rig.test.now_ms = NOW_MS + HOUR_MS + 1000; // the old ones have ended
    CHECK_STATUS(get(&rig, false), VS_DENIED);
    CHECK_INT(scripted_request_count(rig.server), 4);
    CHECK_OK(get(&rig, false), rig.err);
    CHECK(vs_str_equal_c(rig.got.access_key, "TWO"));
    CHECK_OK(get(&rig, true), rig.err); // a moment old: not what the store refused
    CHECK_INT(scripted_request_count(rig.server), 5);
    rig.test.now_ms += 2000;
    CHECK_STATUS(get(&rig, true), VS_DENIED); // what comes has expired already
    CHECK(strstr(rig.err.message, "expired") != NULL);
    rig_close(&rig);
}

struct vending {
    struct vs_pair pairs[4];
    char expires[32];
    int calls;
    bool fail;
    struct rig *rig;
};

static enum vs_status vend(void *ctx, struct vs_settings *settings_out, struct vs_error *err)
{
    struct vending *vending = (struct vending *)ctx;
    vending->calls++;
    if (vending->fail) {
        return vs_fail(err, VS_UNAVAILABLE, "the catalog is away");
    }
    const int64_t expires_ms = vending->rig->test.now_ms + HOUR_MS;
    (void)snprintf(vending->expires, sizeof vending->expires, "%lld", (long long)expires_ms);
    vending->pairs[0] = (struct vs_pair){VS_STR("s3.access-key-id"), VS_STR("VENDED")};
    vending->pairs[1] = (struct vs_pair){VS_STR("s3.secret-access-key"), VS_STR("sec-VENDED")};
    vending->pairs[2] = (struct vs_pair){VS_STR("s3.session-token"), VS_STR("tok-VENDED")};
    vending->pairs[3] =
        (struct vs_pair){VS_STR("s3.session-token-expires-at-ms"), vs_str_from_c(vending->expires)};
    *settings_out = (struct vs_settings){vending->pairs, 4};
    return VS_OK;
}

static void case_vended(void)
{
    RIG({.repeat = true});
    struct vending vending = {.rig = &rig};
    static const struct vs_pair pairs[] = {
        {{"s3.access-key-id", 16}, {"FIRST", 5}},
        {{"s3.secret-access-key", 20}, {"sec-FIRST", 9}},
        {{"s3.session-token-expires-at-ms", 30}, {"1700003600000", 13}}};
    const struct vs_settings settings = {pairs, 3};
    REQUIRE_OK(open_provider(&rig, &settings), rig.err);
    vs_aws_provider_set_refresh(rig.provider, vend, &vending);
    CHECK_OK(get(&rig, false), rig.err);
    CHECK(vs_str_equal_c(rig.got.access_key, "FIRST"));
    rig.test.now_ms = NOW_MS + HOUR_MS / 4 * 3 - 1000;
    CHECK_OK(get(&rig, false), rig.err);
    CHECK_INT(vending.calls, 0);
    rig.test.now_ms += 2000; // three quarters of their life are over
    vending.fail = true;
    CHECK_OK(get(&rig, false), rig.err);
    CHECK_INT(vending.calls, 1);
    CHECK(vs_str_equal_c(rig.got.access_key, "FIRST"));
    vending.fail = false;
    rig.test.now_ms += 11000;
    CHECK_OK(get(&rig, false), rig.err);
    CHECK(vs_str_equal_c(rig.got.access_key, "VENDED"));
    CHECK(vs_str_equal_c(rig.got.session_token, "tok-VENDED"));
    CHECK_INT(vending.calls, 2);
    rig.test.now_ms += 2 * HOUR_MS;
    vending.fail = true;
    CHECK_STATUS(get(&rig, false), VS_UNAVAILABLE);
    CHECK(strstr(rig.err.message, "the catalog is away") != NULL);

    // Without a catalog to ask, an end is an end.
    REQUIRE_OK(open_provider(&rig, &settings), rig.err);
    CHECK_STATUS(get(&rig, false), VS_DENIED);
    CHECK(strstr(rig.err.message, "expired") != NULL);
    rig_close(&rig);
}

struct asker {
    struct rig *rig;
    pthread_t thread;
    bool right;
};

static void *ask(void *ctx)
{
    struct asker *asker = (struct asker *)ctx;
    struct vs_buf text;
    struct vs_aws_credentials got;
    vs_buf_init(&text, vs_env_default(), 1000);
    asker->right = vs_aws_provider_get(asker->rig->provider, false, &text, &got, NULL) == VS_OK &&
                   vs_str_equal_c(got.access_key, "ONE");
    vs_buf_clear(&text);
    return NULL;
}

static void case_threads_ask_once(void)
{
    RIG({.match = "GET /creds", .body = IDENTITY("ONE"), .delay_ms = 100, .repeat = true});
    struct asker askers[8];
    char url[300];
    scripted_url(rig.server, "/creds", url, sizeof url);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    REQUIRE_OK(open_provider(&rig, NULL), rig.err);
    for (int i = 0; i < 8; i++) {
        askers[i] = (struct asker){.rig = &rig};
        REQUIRE(pthread_create(&askers[i].thread, NULL, ask, &askers[i]) == 0);
    }
    for (int i = 0; i < 8; i++) {
        REQUIRE(pthread_join(askers[i].thread, NULL) == 0);
        CHECK(askers[i].right);
    }
    CHECK_INT(scripted_request_count(rig.server), 1);
    rig_close(&rig);
}

// ---- memory ----

static const char *forbidden; // must not be in a block that is given back
static int leaks;

static void *watching_resize(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    const size_t *block = ptr != NULL ? (const size_t *)ptr - 2 : NULL;
    if (block != NULL && memmem(ptr, block[0], forbidden, strlen(forbidden)) != NULL) {
        leaks++;
    }
    if (size == 0) {
        free(ptr != NULL ? (size_t *)ptr - 2 : NULL);
        return NULL;
    }
    size_t *fresh = realloc(ptr != NULL ? (size_t *)ptr - 2 : NULL, size + 2 * sizeof(size_t));
    if (fresh == NULL) {
        return NULL;
    }
    fresh[0] = size;
    return fresh + 2;
}

static int64_t fixed_wall_ms(void *ctx)
{
    (void)ctx;
    return NOW_MS;
}

// No block that the library gives back holds a secret key, whatever the source.
static void case_secrets_are_wiped(void)
{
    RIG({.match = "GET /creds", .body = IDENTITY("MEM")});
    struct vs_env env = *vs_env_default();
    struct vs_buf text;
    struct vs_aws_credentials got;
    struct vs_aws_provider *provider = NULL;
    char url[300];
    env.resize = watching_resize;
    env.wall_ms = fixed_wall_ms;
    forbidden = "sec-MEM";
    leaks = 0;
    scripted_url(rig.server, "/creds", url, sizeof url);
    vs_buf_init(&text, vs_env_default(), 1000);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(vs_aws_provider_new(&env, NULL, rig.client, &provider, &rig.err), rig.err);
        CHECK_OK(vs_aws_provider_get(provider, false, &text, &got, &rig.err), rig.err);
        CHECK(vs_str_equal_c(got.secret_key, forbidden));
        vs_aws_provider_free(provider);
        write_file(&rig, ".aws/credentials",
                   "[default]\naws_access_key_id = MEM\naws_secret_access_key = sec-MEM\n");
        // The second time through the file, which comes before the container.
    }
    CHECK_INT(leaks, 0);
    void *block = env.resize(NULL, NULL, 16); // that the watch would see one
    REQUIRE(block != NULL);
    memcpy(block, "xx sec-MEM xx", 14);
    (void)env.resize(NULL, block, 0);
    CHECK_INT(leaks, 1);
    vs_buf_clear(&text);
    rig_close(&rig);
}

static void case_out_of_memory(void)
{
    RIG({.match = "POST /", .body = STS("AssumeRole", "STS"), .repeat = true},
        {.match = "GET /creds", .body = IDENTITY("CON"), .repeat = true});
    char url[300];
    scripted_url(rig.server, "/creds", url, sizeof url);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    for (int round = 0; round < 2; round++) {
        for (long n = 0; n < 2000; n++) {
            struct test_env test;
            struct vs_aws_provider *provider = NULL;
            struct vs_buf text;
            test_env_init(&test);
            test.now_ms = NOW_MS;
            test.fail_at = n;
            vs_buf_init(&text, &test.env, 1000);
            enum vs_status status =
                vs_aws_provider_new(&test.env, NULL, rig.client, &provider, &rig.err);
            if (status == VS_OK) {
                status = vs_aws_provider_get(provider, false, &text, &rig.got, &rig.err);
            }
            if (status != VS_OK && status != VS_NO_MEMORY) {
                CHECK_TEXT(rig.err.message, "out of memory");
            }
            CHECK(status == VS_OK || test.failed);
            vs_aws_provider_free(provider);
            vs_buf_clear(&text);
            CHECK_INT(test.live, 0);
            if (!test.failed) {
                CHECK(n > 10);
                break;
            }
        }
        write_file(&rig, ".aws/config",
                   "[default]\nrole_arn = r\nsource_profile = p\n[profile p]\n"
                   "credential_process = printf '{\"Version\":1,\"AccessKeyId\":\"A\","
                   "\"SecretAccessKey\":\"B\"}'\n");
    }
    rig_close(&rig);
}

TEST_MAIN(TEST(case_settings_and_environment),
          TEST(case_nowhere),
          TEST(case_region),
          TEST(case_profile_syntax),
          TEST(case_profiles),
          TEST(case_assume_role),
          TEST(case_role_chain_has_an_end),
          TEST(case_web_identity),
          TEST(case_process),
          TEST(case_container),
          TEST(case_instance),
          TEST(case_refresh),
          TEST(case_vended),
          TEST(case_threads_ask_once),
          TEST(case_secrets_are_wiped),
          TEST(case_out_of_memory))
