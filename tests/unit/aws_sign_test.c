// SPDX-License-Identifier: Apache-2.0
// Signature Version 4 against the examples of the S3 documentation, the test suite that AWS
// published for all other services, and botocore.
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/object/aws_sign.h"

#include <stdlib.h>

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FORM_HASH                                                                                  \
    "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e" // Param1=value1
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// A request with up to four headers ("name:value"), and its signature.
struct vector {
    const char *name, *method, *path, *query;
    const char *headers[5];
    const char *hash; // NULL: of nothing
    const char *signed_headers, *signature;
    const char *token; // NULL: none
};

struct result {
    struct vs_buf text;
    struct vs_pair headers[VS_AWS_SIGNED_HEADERS_MAX];
    size_t count;
};

static struct vs_str header_of(const struct result *result, const char *name)
{
    for (size_t i = 0; i < result->count; i++) {
        if (vs_str_equal_c(result->headers[i].key, name)) {
            return result->headers[i].value;
        }
    }
    return (struct vs_str){NULL, 0};
}

static void check_vector(const struct vector *vector,
                         const struct vs_aws_sign *base,
                         struct vs_aws_credentials credentials)
{
    struct vs_pair headers[4];
    struct vs_aws_sign request = *base;
    struct result result;
    struct vs_error err;
    char expected[600];
    vs_buf_init(&result.text, vs_env_default(), 10000);
    request.method = vector->method;
    request.path = vs_str_from_c(vector->path);
    request.query = vs_str_from_c(vector->query);
    request.payload_sha256 = vs_str_from_c(vector->hash != NULL ? vector->hash : EMPTY_HASH);
    request.headers = headers;
    for (size_t i = 0; vector->headers[i] != NULL; i++) {
        CHECK(vs_str_split(vs_str_from_c(vector->headers[i]), ':', &headers[i].key,
                           &headers[i].value));
        request.header_count = i + 1;
    }
    credentials.session_token = vs_str_from_c(vector->token);
    REQUIRE_OK(
        vs_aws_sign(&request, &credentials, &result.text, result.headers, &result.count, &err),
        err);
    (void)snprintf(expected, sizeof expected,
                   "AWS4-HMAC-SHA256 Credential=%.*s/%s/us-east-1/%.*s/aws4_request, "
                   "SignedHeaders=%s, Signature=%s",
                   VS_STR_ARG(credentials.access_key), request.is_s3 ? "20130524" : "20150830",
                   VS_STR_ARG(request.service), vector->signed_headers, vector->signature);
    struct vs_str actual = header_of(&result, "authorization");
    if (!vs_str_equal_c(actual, expected)) {
        check_report(__FILE__, __LINE__, vector->name);
        fprintf(stderr, "    actual   %.*s\n    expected %s\n", VS_STR_ARG(actual), expected);
    }
    CHECK_INT(result.count, 2 + (request.is_s3 ? 1 : 0) + (vector->token != NULL ? 1 : 0));
    CHECK(vs_str_equal(header_of(&result, "x-amz-security-token"), credentials.session_token));
    vs_buf_clear(&result.text);
}

// "Signature Calculations for the Authorization Header" in the S3 API reference.
static void case_s3_documentation(void)
{
    static const struct vector vectors[] = {
        {.name = "get object",
         .method = "GET",
         .path = "/test.txt",
         .headers = {"Range:bytes=0-9"},
         .signed_headers = "host;range;x-amz-content-sha256;x-amz-date",
         .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {.name = "put object",
         .method = "PUT",
         .path = "/test$file.text",
         .headers = {"Date:Fri, 24 May 2013 00:00:00 GMT",
                     "x-amz-storage-class:REDUCED_REDUNDANCY"},
         .hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
         .signed_headers = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
         .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        {.name = "put object, its '$' encoded on the wire",
         .method = "PUT",
         .path = "/test%24file.text",
         .headers = {"Date:Fri, 24 May 2013 00:00:00 GMT",
                     "x-amz-storage-class:REDUCED_REDUNDANCY"},
         .hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
         .signed_headers = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
         .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        {.name = "bucket lifecycle",
         .method = "GET",
         .path = "/",
         .query = "lifecycle",
         .signed_headers = "host;x-amz-content-sha256;x-amz-date",
         .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {.name = "list objects",
         .method = "GET",
         .path = "/",
         .query = "prefix=J&max-keys=2",
         .signed_headers = "host;x-amz-content-sha256;x-amz-date",
         .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    const struct vs_aws_sign base = {.host = VS_STR("examplebucket.s3.amazonaws.com"),
                                     .is_s3 = true,
                                     .region = VS_STR("us-east-1"),
                                     .service = VS_STR("s3"),
                                     .wall_ms = INT64_C(1369353600000)};
    const struct vs_aws_credentials credentials = {
        VS_STR("AKIAIOSFODNN7EXAMPLE"),
        VS_STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        {NULL, 0}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        check_vector(&vectors[i], &base, credentials);
    }
}

static const char suite_token[] =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfI"
    "eoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0"
    "wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDry"
    "pNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

#define PLAIN "host;x-amz-date"

// The facts of AWS's own suite: one line per case.
static const struct vector suite[] = {
    {"header duplicate",
     "GET",
     "/",
     "",
     {"My-Header1:value2", "My-Header1:value2", "My-Header1:value1"},
     NULL,
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
     NULL},
    {"header value order",
     "GET",
     "/",
     "",
     {"My-Header1:value4", "My-Header1:value1", "My-Header1:value3", "My-Header1:value2"},
     NULL,
     "host;my-header1;x-amz-date",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
     NULL},
    {"header value trim",
     "GET",
     "/",
     "",
     {"My-Header1: value1", "My-Header2: \"a   b   c\" "},
     NULL,
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
     NULL},
    {"unreserved",
     "GET",
     "/" UNRESERVED,
     "",
     {NULL},
     NULL,
     PLAIN,
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
     NULL},
    {"vanilla",
     "GET",
     "/",
     "",
     {NULL},
     NULL,
     PLAIN,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     NULL},
    {"no path",
     "GET",
     "",
     "",
     {NULL},
     NULL,
     PLAIN,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     NULL},
    {"query",
     "GET",
     "/",
     "Param1=value1",
     {NULL},
     NULL,
     PLAIN,
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
     NULL},
    {"query order, same key",
     "GET",
     "/",
     "Param1=value2&Param1=Value1",
     {NULL},
     NULL,
     PLAIN,
     "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
     NULL},
    {"query order, keys",
     "GET",
     "/",
     "Param2=value2&Param1=value1",
     {NULL},
     NULL,
     PLAIN,
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
     NULL},
    {"query order, values",
     "GET",
     "/",
     "Param1=value2&Param1=value1",
     {NULL},
     NULL,
     PLAIN,
     "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
     NULL},
    {"query unreserved",
     "GET",
     "/",
     UNRESERVED "=" UNRESERVED,
     {NULL},
     NULL,
     PLAIN,
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
     NULL},
    {"query utf8",
     "GET",
     "/",
     "\xe1\x88\xb4=bar",
     {NULL},
     NULL,
     PLAIN,
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
     NULL},
    {"query utf8, encoded on the wire",
     "GET",
     "/",
     "%e1%88%B4=bar",
     {NULL},
     NULL,
     PLAIN,
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
     NULL},
    {"post",
     "POST",
     "/",
     "",
     {NULL},
     NULL,
     PLAIN,
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
     NULL},
    {"post header sort",
     "POST",
     "/",
     "",
     {"My-Header1:value1"},
     NULL,
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
     NULL},
    {"post header value case",
     "POST",
     "/",
     "",
     {"My-Header1:VALUE1"},
     NULL,
     "host;my-header1;x-amz-date",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
     NULL},
    {"post query",
     "POST",
     "/",
     "Param1=value1",
     {NULL},
     NULL,
     PLAIN,
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
     NULL},
    {"post form",
     "POST",
     "/",
     "",
     {"Content-Type:application/x-www-form-urlencoded"},
     FORM_HASH,
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
     NULL},
    {"post form, charset",
     "POST",
     "/",
     "",
     {"Content-Type:application/x-www-form-urlencoded; charset=utf8"},
     FORM_HASH,
     "content-type;host;x-amz-date",
     "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
     NULL},
    {"relative",
     "GET",
     "/example/..",
     "",
     {NULL},
     NULL,
     PLAIN,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     NULL},
    {"relative, twice",
     "GET",
     "/example1/example2/../..",
     "",
     {NULL},
     NULL,
     PLAIN,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     NULL},
    {"above the root",
     "GET",
     "/../../a/../",
     "",
     {NULL},
     NULL,
     PLAIN,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     NULL},
    {"slash",
     "GET",
     "//",
     "",
     {NULL},
     NULL,
     PLAIN,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     NULL},
    {"slash dot slash",
     "GET",
     "/./",
     "",
     {NULL},
     NULL,
     PLAIN,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     NULL},
    {"pointless dot",
     "GET",
     "/./example",
     "",
     {NULL},
     NULL,
     PLAIN,
     "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
     NULL},
    {"slashes",
     "GET",
     "//example//",
     "",
     {NULL},
     NULL,
     PLAIN,
     "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
     NULL},
    {"session token",
     "POST",
     "/",
     "",
     {NULL},
     NULL,
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
     suite_token},
};

static const struct vs_aws_sign suite_base = {.host = {"example.amazonaws.com", 21},
                                              .region = {"us-east-1", 9},
                                              .service = {"service", 7},
                                              .wall_ms = INT64_C(1440938160000)};
static const struct vs_aws_credentials suite_credentials = {
    {"AKIDEXAMPLE", 11}, {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40}, {NULL, 0}};

static void case_general_suite(void)
{
    for (size_t i = 0; i < sizeof suite / sizeof suite[0]; i++) {
        check_vector(&suite[i], &suite_base, suite_credentials);
    }
}

static void check_canonical(const struct vs_aws_sign *request, const char *expected)
{
    struct vs_buf text;
    struct vs_error err;
    vs_buf_init(&text, vs_env_default(), 10000);
    CHECK_OK(vs_aws_canonical_request(request, &suite_credentials, &text, &err), err);
    CHECK_TEXT(vs_buf_c_str(&text), expected);
    vs_buf_clear(&text);
}

// S3 takes a path as it is; other services normalise it and encode it once more.
static void case_path_rules(void)
{
    struct vs_aws_sign request = suite_base;
    request.method = "GET";
    request.path = VS_STR("/a//b/../c%20d/%2f~$");
    request.query = VS_STR("&x-id=GetObject&uploads&b=1=2&a%2Bb=");
    request.payload_sha256 = VS_STR("UNSIGNED-PAYLOAD");
    request.host = VS_STR("127.0.0.1:9000");
    request.is_s3 = true;
    check_canonical(&request, "GET\n/a//b/../c%20d/%2F~%24\n"
                              "a%2Bb=&b=1%3D2&uploads=&x-id=GetObject\n"
                              "host:127.0.0.1:9000\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
                              "x-amz-date:20150830T123600Z\n\n"
                              "host;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD");
    request.is_s3 = false;
    check_canonical(&request, "GET\n/a/c%2520d/%252f~%24\n"
                              "a%2Bb=&b=1%3D2&uploads=&x-id=GetObject\n"
                              "host:127.0.0.1:9000\nx-amz-date:20150830T123600Z\n\n"
                              "host;x-amz-date\nUNSIGNED-PAYLOAD");
}

// Names with a common start are ordered as names, not as lines.
static void case_header_order(void)
{
    static const struct vs_pair headers[] = {{{"x-amz-copy-source-range", 23}, {"bytes=0-9", 9}},
                                             {{"X-Amz-Copy-Source", 17}, {"/b/k", 4}}};
    struct vs_aws_sign request = suite_base;
    request.method = "PUT";
    request.path = VS_STR("/k");
    request.payload_sha256 = VS_STR(EMPTY_HASH);
    request.headers = headers;
    request.header_count = 2;
    check_canonical(&request,
                    "PUT\n/k\n\nhost:example.amazonaws.com\nx-amz-copy-source:/b/k\n"
                    "x-amz-copy-source-range:bytes=0-9\nx-amz-date:20150830T123600Z\n\n"
                    "host;x-amz-copy-source;x-amz-copy-source-range;x-amz-date\n" EMPTY_HASH);
}

static void case_refusals(void)
{
    static const struct vs_pair own = {{"X-Amz-Date", 10}, {"now", 3}};
    static const struct vs_pair broken = {{"x", 1}, {"a\nb", 3}};
    struct vs_aws_sign good = suite_base;
    good.method = "GET";
    good.path = VS_STR("/");
    good.payload_sha256 = VS_STR(EMPTY_HASH);
    struct vs_aws_sign bad[9];
    for (size_t i = 0; i < 9; i++) {
        bad[i] = good;
    }
    bad[0].method = "GE T";
    bad[1].region = VS_STR("us/east");
    bad[2].region = VS_STR("");
    bad[3].path = VS_STR("no-slash");
    bad[4].query = VS_STR("a=%2");
    bad[5].headers = &own;
    bad[5].header_count = 1;
    bad[6].headers = &broken;
    bad[6].header_count = 1;
    bad[7].host = VS_STR("a\r\nb");
    bad[8].wall_ms = -1;
    struct result result;
    struct vs_error err;
    vs_buf_init(&result.text, vs_env_default(), 10000);
    for (size_t i = 0; i < 9; i++) {
        CHECK_STATUS(vs_aws_sign(&bad[i], &suite_credentials, &result.text, result.headers,
                                 &result.count, &err),
                     VS_INVALID);
        CHECK(strstr(err.message, "wJalr") == NULL);
    }
    struct vs_aws_credentials credentials = suite_credentials;
    credentials.session_token = VS_STR("a\r\nb");
    CHECK_STATUS(
        vs_aws_sign(&good, &credentials, &result.text, result.headers, &result.count, &err),
        VS_INVALID);
    credentials = (struct vs_aws_credentials){{NULL, 0}, {NULL, 0}, {NULL, 0}}; // anonymous
    CHECK_OK(vs_aws_sign(&bad[0], &credentials, &result.text, result.headers, &result.count, &err),
             err);
    CHECK_INT(result.count, 0);
    vs_buf_clear(&result.text);
}

static void case_out_of_memory(void)
{
    struct vs_aws_sign request = suite_base;
    request.method = "GET";
    request.path = VS_STR("/a/b");
    request.query = VS_STR("b=1&a=2");
    request.payload_sha256 = VS_STR(EMPTY_HASH);
    for (long n = 0; n < 100; n++) {
        struct test_env test;
        struct result result;
        struct vs_error err;
        test_env_init(&test);
        test.fail_at = n;
        test.fail_on = true; // else a buffer tries again with less
        vs_buf_init(&result.text, &test.env, 10000);
        enum vs_status status = vs_aws_sign(&request, &suite_credentials, &result.text,
                                            result.headers, &result.count, &err);

        CHECK(status == VS_OK || (test.failed && status == VS_NO_MEMORY));
        vs_buf_clear(&result.text);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK(n > 2);
            break;
        }
    }
}

// ---- botocore ----

static const char *const wire_paths[] = {"/bucket/plain", "/bucket/a%20b%2Bc%3D%C3%A4/%24x",
                                         "/bucket//two/./dots/../up", "/", "/bucket/~-_.%27%28%29"};
static const char *const wire_queries[] = {"", "uploads=", "partNumber=2&uploadId=a%2Fb%3D",
                                           "list-type=2&prefix=a%20b%2F&delimiter=%2F"};

// Prints the signature that botocore makes for each request, S3 and then general.
static const char botocore_script[] =
    "import sys, datetime\n"
    "try:\n"
    "    import botocore.auth as auth\n"
    "    from botocore.awsrequest import AWSRequest\n"
    "    from botocore.credentials import Credentials\n"
    "except ImportError:\n"
    "    sys.exit(77)\n"
    "now = datetime.datetime(2015, 8, 30, 12, 36, 0)\n"
    "class Clock(datetime.datetime):\n"
    "    @classmethod\n"
    "    def utcnow(cls): return now\n"
    "    @classmethod\n"
    "    def now(cls, tz=None): return now.replace(tzinfo=tz)\n"
    "class Module: pass\n"
    "if hasattr(auth, 'get_current_datetime'): auth.get_current_datetime = lambda *a, **k: now\n"
    "fake = Module(); fake.__dict__.update(datetime.__dict__); fake.datetime = Clock\n"
    "auth.datetime = fake\n"
    "who = Credentials('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY')\n"
    "for line in sys.argv[1].split('\\n'):\n"
    "    kind, url = line.split(' ', 1)\n"
    "    signer = auth.S3SigV4Auth if kind == 's3' else auth.SigV4Auth\n"
    "    request = AWSRequest(method='GET', url=url, data=b'')\n"
    "    request.context['payload_signing_enabled'] = True\n"
    "    signer(who, 's3' if kind == 's3' else 'service', 'us-east-1').add_auth(request)\n"
    "    print(request.headers['Authorization'].split('Signature=')[1])\n";

// The n-th line that botocore was given.
static void check_signature(size_t n, const char *theirs)
{
    size_t kind = n / 20, p = n / 4 % 5, q = n % 4;
    struct vs_aws_sign request = suite_base;
    struct result result;
    struct vs_error err;
    request.method = "GET";
    request.is_s3 = kind == 0;
    request.service = kind == 0 ? VS_STR("s3") : request.service;
    request.path = vs_str_from_c(wire_paths[p]);
    request.query = vs_str_from_c(wire_queries[q]);
    request.payload_sha256 = VS_STR(EMPTY_HASH);
    vs_buf_init(&result.text, vs_env_default(), 10000);
    CHECK_OK(vs_aws_sign(&request, &suite_credentials, &result.text, result.headers, &result.count,
                         &err),
             err);
    if (!vs_str_ends_with(header_of(&result, "authorization"), vs_str_from_c(theirs))) {
        check_report(__FILE__, __LINE__, "the signature of botocore");
        fprintf(stderr, "    kind %zu path %s query %s\n", kind, wire_paths[p], wire_queries[q]);
    }
    vs_buf_clear(&result.text);
}

static void case_botocore_agrees(void)
{
    char lines[4096] = "", command[8192], theirs[128], script[] = "/tmp/vecstore-sign-XXXXXX";
    size_t used = 0;
    if (test_python() == NULL) {
        SKIP("no Python (VECSTORE_PYTHON)");
    }
    for (int kind = 0; kind < 2; kind++) {
        for (size_t p = 0; p < sizeof wire_paths / sizeof wire_paths[0]; p++) {
            for (size_t q = 0; q < sizeof wire_queries / sizeof wire_queries[0]; q++) {
                used += (size_t)snprintf(
                    lines + used, sizeof lines - used, "%s%s http://example.amazonaws.com%s%s%s",
                    used > 0 ? "\n" : "", kind == 0 ? "s3" : "any", wire_paths[p],
                    wire_queries[q][0] != '\0' ? "?" : "", wire_queries[q]);
            }
        }
    }
    REQUIRE(used < sizeof lines);
    int fd = mkstemp(script);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    REQUIRE(file != NULL && fputs(botocore_script, file) >= 0 && fclose(file) == 0);
    (void)snprintf(command, sizeof command, "'%s' %s '%s'", test_python(), script, lines);
    FILE *python = popen(command, "r");
    REQUIRE(python != NULL);
    size_t compared = 0;
    for (; fgets(theirs, sizeof theirs, python) != NULL; compared++) {
        theirs[strcspn(theirs, "\n")] = '\0';
        check_signature(compared, theirs);
    }
    int ended = pclose(python);
    (void)remove(script);
    if (compared == 0 && ended == 77 << 8) {
        SKIP("no botocore");
    }
    CHECK_INT(ended, 0);
    CHECK_INT(compared, 40);
}

TEST_MAIN(TEST(case_s3_documentation),
          TEST(case_general_suite),
          TEST(case_path_rules),
          TEST(case_header_order),
          TEST(case_refusals),
          TEST(case_out_of_memory),
          TEST(case_botocore_agrees))
