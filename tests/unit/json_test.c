// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/json.h"

static struct vs_json_doc *parse(const char *text)
{
    struct vs_json_doc *doc = NULL;
    struct vs_error err;
    enum vs_status status =
        vs_json_parse(vs_env_default(), vs_str_from_c(text), "test", NULL, &doc, &err);
    CHECK_OK(status, err);
    return doc;
}

static void case_types_and_reads(void)
{
    static const char text[] =
        "{\"a\":1,\"b\":-2,\"c\":18446744073709551615,\"d\":1.0,\"e\":\"x\\u0000\\u00e9\",\"f\":[1,"
        "[],{}],"
        "\"g\":null,\"h\":true,\"i\":9223372036854775807,\"j\":9223372036854775808,"
        "\"k\":-9223372036854775808,\"l\":3051729675574597004}";
    struct vs_json_doc *doc = parse(text);
    REQUIRE(doc != NULL);
    const struct vs_json *root = vs_json_root(doc);

    static const struct {
        const char *key;
        enum vs_json_type type;
        const char *name;
    } rows[] = {
        {"a", VS_JSON_INT, "number"},    {"b", VS_JSON_INT, "number"},
        {"c", VS_JSON_UINT, "number"},   {"d", VS_JSON_REAL, "number"},
        {"e", VS_JSON_STRING, "string"}, {"f", VS_JSON_ARRAY, "array"},
        {"g", VS_JSON_NULL, "null"},     {"h", VS_JSON_BOOL, "boolean"},
        {"i", VS_JSON_INT, "number"},    {"j", VS_JSON_UINT, "number"},
        {"k", VS_JSON_INT, "number"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct vs_json *value = vs_json_get(root, rows[i].key);
        CHECK(vs_json_is(value, rows[i].type));
        CHECK_TEXT(vs_json_type_name(value), rows[i].name);
    }
    int64_t integer = 5;
    double real = 5;
    bool flag = false;
    struct vs_str string = {NULL, 0};
    CHECK(vs_json_to_i64(vs_json_get(root, "l"), &integer) && integer == 3051729675574597004);
    CHECK(vs_json_to_i64(vs_json_get(root, "k"), &integer) && integer == INT64_MIN);
    CHECK(!vs_json_to_i64(vs_json_get(root, "c"), &integer) && integer == INT64_MIN);
    CHECK(!vs_json_to_i64(vs_json_get(root, "d"), &integer) && !vs_json_to_i64(NULL, &integer));
    CHECK(vs_json_to_f64(vs_json_get(root, "b"), &real) && real == -2);
    CHECK(vs_json_to_f64(vs_json_get(root, "c"), &real) && real == 18446744073709551615.0);
    CHECK(!vs_json_to_f64(vs_json_get(root, "e"), &real) && !vs_json_to_f64(NULL, &real));
    CHECK(vs_json_to_bool(vs_json_get(root, "h"), &flag) && flag);
    CHECK(!vs_json_to_bool(vs_json_get(root, "g"), &flag));
    CHECK(vs_json_to_str(vs_json_get(root, "e"), &string) && string.len == 4);
    CHECK(memcmp(string.ptr, "x\0\xC3\xA9", 4) == 0);
    CHECK(vs_json_get(root, "zz") == NULL && vs_json_get(NULL, "a") == NULL);
    CHECK(vs_json_get(vs_json_get(root, "f"), "a") == NULL && !vs_json_is(NULL, VS_JSON_NULL));
    CHECK_INT(vs_json_count(root), 12);
    CHECK_INT(vs_json_count(vs_json_get(root, "f")), 3);
    CHECK_INT(vs_json_count(vs_json_get(root, "a")), 0);
    vs_json_free(doc);
    vs_json_free(NULL);
}

static void case_iteration_keeps_order(void)
{
    struct vs_json_doc *doc = parse("{\"b\":[10,[20,21],{\"x\":30},40],\"a\":{},\"c\":7}");
    REQUIRE(doc != NULL);
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value = NULL;
    char keys[8] = "";
    size_t n = 0;
    vs_json_iter_init(&iter, vs_json_root(doc));
    while (vs_json_iter_next(&iter, &key, &value)) {
        keys[n++] = key.ptr[0];
    }
    CHECK_TEXT(keys, "bac");
    CHECK(vs_json_is(value, VS_JSON_INT));
    static const size_t counts[] = {0, 2, 1, 0};
    n = 0;
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(doc), "b"));
    while (vs_json_iter_next(&iter, NULL, &value)) {
        CHECK_INT(vs_json_count(value), counts[n]);
        n++;
    }
    CHECK_INT(n, 4);
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(doc), "a"));
    CHECK(!vs_json_iter_next(&iter, &key, &value));
    vs_json_iter_init(&iter, NULL);
    CHECK(!vs_json_iter_next(&iter, &key, &value));
    vs_json_free(doc);
}

static void case_refused_texts(void)
{
    static const struct {
        const char *text;
        enum vs_status status;
        const char *part; // of the message
    } rows[] = {
        {"", VS_INVALID, "empty"},
        {"   ", VS_INVALID, "JSON"},
        {"{", VS_INVALID, "byte 1"},
        {"[1,]", VS_INVALID, "byte"},
        {"[1 2]", VS_INVALID, "byte 3"},
        {"{\"a\":1,}", VS_INVALID, "byte"},
        {"{a:1}", VS_INVALID, "byte 1"},
        {"[1]]", VS_INVALID, "byte 3"},
        {"[1] x", VS_INVALID, "byte 4"},
        {"'a'", VS_INVALID, "byte 0"},
        {"NaN", VS_INVALID, "byte 0"},
        {"[Infinity]", VS_INVALID, "byte 1"},
        {"[-Infinity]", VS_INVALID, "byte"},
        {"1e999", VS_INVALID, "byte"},
        {"01", VS_INVALID, "byte"},
        {"1.", VS_INVALID, "byte"},
        {"+1", VS_INVALID, "byte 0"},
        {"// c\n1", VS_INVALID, "byte"},
        {"\"a\nb\"", VS_INVALID, "byte"},
        {"\"\\ud800\"", VS_INVALID, "byte"},
        {"\"\xFF\"", VS_INVALID, "byte"},
        {"\"\xED\xA0\x80\"", VS_INVALID, "byte"},
        {"\"abc", VS_INVALID, "byte"},
        {"\"abc\\", VS_INVALID, "byte"},
        {"\xEF\xBB\xBF{}", VS_INVALID, "byte"},
        {"{\"a\":1,\"b\":2,\"a\":3}", VS_INVALID, "duplicate key \"a\" in an object at byte 14"},
        {"[{\"x\":{\"k\":1,\"\\u006b\":2}}]", VS_INVALID, "duplicate key \"k\""},
        {"{\"\":1,\"\":2}", VS_INVALID, "duplicate key \"\""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_env test;
        struct vs_error err;
        struct vs_json_doc *doc = NULL;
        test_env_init(&test);
        enum vs_status status =
            vs_json_parse(&test.env, vs_str_from_c(rows[i].text), "body", NULL, &doc, &err);
        CHECK_INT(status, rows[i].status);
        if (status == VS_OK || strstr(err.message, rows[i].part) == NULL ||
            strncmp(err.message, "body: ", 6) != 0) {
            fprintf(stderr, "text %s: %s\n", rows[i].text, status == VS_OK ? "ok" : err.message);
            CHECK(false);
        }
        CHECK(doc == NULL);
        CHECK_INT(test.live, 0);
    }
}

static void fill_nested(char *text, size_t depth)
{
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
}

static void case_depth_and_value_limits(void)
{
    static char text[2000002];
    struct vs_error err;
    struct vs_json_doc *doc = NULL;
    const struct vs_env *env = vs_env_default();
    fill_nested(text, 32);
    CHECK_OK(vs_json_parse(env, vs_str_from_c(text), "t", NULL, &doc, &err), err);
    vs_json_free(doc);
    fill_nested(text, 33);
    CHECK_STATUS(vs_json_parse(env, vs_str_from_c(text), "t", NULL, &doc, &err), VS_LIMIT);
    fill_nested(text, 1000000);
    CHECK_STATUS(vs_json_parse(env, vs_str_from_c(text), "t", NULL, &doc, &err), VS_LIMIT);
    struct vs_json_limits deep = {.max_depth = 2000000};
    CHECK_OK(vs_json_parse(env, vs_str_from_c(text), "t", &deep, &doc, &err), err);
    vs_json_free(doc);
    // Brackets inside strings do not count, and quotes inside strings do not end them.
    CHECK_OK(vs_json_parse(env, VS_STR("\"[[[[\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""), "t",
                           NULL, &doc, &err),
             err);
    vs_json_free(doc);
    struct vs_json_limits few = {.max_values = 5};

    static const struct {
        const char *text;
        bool fits;
    } rows[] = {
        {"[1,2,3,4]", true},
        {"[1,2,3,4,5]", false},
        {"{\"a\":[],\"b\":{},\"c\":[ ],\"d\":0}", true},
        {"[[[[[]]]]]", true},
        {"[[[[[[]]]]]]", false},
        {"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}}}", false},
        {"[\",,,,,,,,\"]", true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        doc = NULL;
        CHECK_STATUS(vs_json_parse(env, vs_str_from_c(rows[i].text), "t", &few, &doc, &err),
                     rows[i].fits ? VS_OK : VS_LIMIT);
        vs_json_free(doc);
    }
}

// Large objects are checked in n log n: 200,000 keys of equal length, then with one of them twice.
static void case_many_keys(void)
{
    struct vs_error err;
    struct vs_buf text;
    struct vs_json_doc *doc = NULL;
    vs_buf_init(&text, vs_env_default(), 64u << 20);
    CHECK_OK(vs_buf_append_c(&text, "{", &err), err);
    for (int i = 0; i < 200000; i++) {
        CHECK_OK(
            vs_buf_printf(&text, &err, "%s\"key-%08d\":%d", i > 0 ? "," : "", i * 7919 % 200000, i),
            err);
    }
    size_t without_end = text.len;
    CHECK_OK(vs_buf_append_c(&text, "}", &err), err);
    CHECK_OK(vs_json_parse(vs_env_default(), vs_buf_view(&text), "big", NULL, &doc, &err), err);
    vs_json_free(doc);
    text.len = without_end;
    CHECK_OK(vs_buf_append_c(&text, ",\"key-00123456\":0}", &err), err);
    CHECK_STATUS(vs_json_parse(vs_env_default(), vs_buf_view(&text), "big", NULL, &doc, &err),
                 VS_INVALID);
    CHECK(strstr(err.message, "\"key-00123456\"") != NULL);
    vs_buf_clear(&text);
}

static void case_needed_members(void)
{
    struct vs_json_doc *doc =
        parse("{\"i\":5,\"s\":\"x\",\"u\":18446744073709551615,\"r\":1.5,\"a\":[]}");
    REQUIRE(doc != NULL);
    const struct vs_json *root = vs_json_root(doc);
    const struct vs_json *value = NULL;
    struct vs_error err;
    int64_t integer = 0;
    struct vs_str string = {NULL, 0};
    CHECK_OK(vs_json_need_i64(root, "i", "doc", &integer, &err), err);
    CHECK_INT(integer, 5);
    CHECK_OK(vs_json_need_str(root, "s", "doc", &string, &err), err);
    CHECK_STATUS(vs_json_need_i64(root, "s", "doc", &integer, &err), VS_INVALID);
    CHECK_TEXT(err.message, "doc: field 's' is a string, expected an integer");
    CHECK_STATUS(vs_json_need_i64(root, "x", "doc", &integer, &err), VS_INVALID);
    CHECK_TEXT(err.message, "doc: field 'x' is missing, expected an integer");
    CHECK_STATUS(vs_json_need_i64(root, "r", "doc", &integer, &err), VS_INVALID);
    CHECK_TEXT(err.message, "doc: field 'r' is a number, expected an integer");
    CHECK_STATUS(vs_json_need_i64(root, "u", "doc", &integer, &err), VS_INVALID);
    CHECK_TEXT(err.message, "doc: field 'u' is above 9223372036854775807, expected an integer");
    CHECK_STATUS(vs_json_need_str(root, "a", "doc", &string, &err), VS_INVALID);
    CHECK_TEXT(err.message, "doc: field 'a' is an array, expected a string");
    CHECK_OK(vs_json_need(root, "i", VS_JSON_REAL, "doc", &value, &err), err);
    CHECK_OK(vs_json_need(root, "i", VS_JSON_UINT, "doc", &value, &err), err);
    CHECK_OK(vs_json_need(root, "a", VS_JSON_ARRAY, "doc", &value, &err), err);
    CHECK_STATUS(vs_json_need(root, "a", VS_JSON_OBJECT, "doc", &value, &err), VS_INVALID);
    CHECK_STATUS(vs_json_need(value, "k", VS_JSON_OBJECT, "doc", &value, &err), VS_INVALID);
    CHECK_TEXT(err.message, "doc: is an array, expected an object with field 'k'");
    vs_json_free(doc);
}

static void case_every_allocation_may_fail(void)
{
    static const char text[] =
        "{\"a\":1,\"b\":[1,2,{\"c\":\"d\\n\"}],\"e1\":1,\"e2\":1,\"e3\":1,\"e4\":1,"
        "\"e5\":1,\"e6\":1,\"e7\":1,\"e8\":1,\"e9\":1,\"f0\":1,\"f1\":1,\"f2\":1}";
    int failures = 0;
    for (long n = 0; n < 100; n++) {
        struct test_env test;
        struct vs_error err;
        struct vs_json_doc *doc = NULL;
        struct vs_buf out;
        test_env_init(&test);
        test.fail_at = n;
        vs_buf_init(&out, &test.env, 1000);
        enum vs_status status =
            vs_json_parse(&test.env, vs_str_from_c(text), "t", NULL, &doc, &err);
        if (status == VS_OK) {
            status = vs_json_write_value(vs_json_root(doc), &out, &err);
        }
        // Where less memory does as well, a failed allocation need not fail the call.
        CHECK(status == VS_OK || (status == VS_NO_MEMORY && test.failed));
        failures += status != VS_OK;
        if (status == VS_OK) {
            CHECK_TEXT(vs_buf_c_str(&out), text);
        }
        vs_json_free(doc);
        vs_buf_clear(&out);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK(failures >= 4);
            return;
        }
    }
    CHECK(false);
}

TEST_MAIN(TEST(case_types_and_reads),
          TEST(case_iteration_keeps_order),
          TEST(case_refused_texts),
          TEST(case_depth_and_value_limits),
          TEST(case_many_keys),
          TEST(case_needed_members),
          TEST(case_every_allocation_may_fail))
