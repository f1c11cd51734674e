// SPDX-License-Identifier: Apache-2.0
#include "api/query/filter.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

static struct vs_field fields[] = {
    {.id = 1, .name = {"id", 2}, .kind = VS_KIND_LONG, .required = true},
    {.id = 2, .name = {"lang", 4}, .kind = VS_KIND_STRING},
    {.id = 3, .name = {"score", 5}, .kind = VS_KIND_DOUBLE},
    {.id = 4, .name = {"ok", 2}, .kind = VS_KIND_BOOLEAN},
};
static const struct vs_schema schema = {.field_count = sizeof fields / sizeof fields[0],
                                        .fields = fields};

static void canonical(const char *json, char *out, size_t size)
{
    struct test_env t;
    struct vs_arena arena;
    struct vs_error err = {0};
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    test_env_init(&t);
    vs_arena_init(&arena, &t.env, 0);
    enum vs_status status = vs_filter_parse_json(&t.env, vs_str_from_c(json), &arena, &root, &err);
    if (status == VS_OK) {
        status = vs_filter_bind(root, &schema, &arena, &filter, &err);
    }
    if (status == VS_OK) {
        snprintf(out, size, "%.*s", (int)filter->text.len, filter->text.ptr);
        struct vs_filter_node *again = NULL; // the text form means the same tree
        struct vs_buf buf;
        vs_buf_init(&buf, &t.env, 1 << 20);
        CHECK_OK(vs_filter_parse_text(filter->text, &arena, &again, &err), err);
        if (again != NULL) {
            CHECK_OK(vs_filter_write(again, &buf, &err), err);
            CHECK(vs_str_equal(vs_buf_view(&buf), filter->text));
        }
        vs_buf_clear(&buf);
    } else {
        snprintf(out, size, "%s: %s", vs_status_name(status), err.message);
    }
    vs_arena_clear(&arena);
    CHECK_INT(t.live, 0);
}

static void forms_become_the_same_tree(void)
{
    static const struct {
        const char *json, *expected;
    } table[] = {
        {"{}", "TRUE"},
        {"{\"lang\":\"en\"}", "\"lang\" = 'en'"},
        {"{\"lang\":{\"$eq\":\"en\"},\"id\":{\"$gte\":5,\"$lt\":9}}",
         "\"lang\" = 'en' AND (\"id\" >= 5 AND \"id\" < 9)"},
        {"{\"$or\":[{\"id\":1},{\"id\":{\"$in\":[2,3]}}]}", "\"id\" = 1 OR \"id\" IN (2, 3)"},
        {"{\"$and\":[]}", "TRUE"},
        {"{\"$not\":{\"lang\":\"en\"}}", "NOT \"lang\" = 'en'"},
        {"{\"lang\":{\"$not\":{\"$in\":[\"a\"]}}}", "NOT \"lang\" IN ('a')"},
        {"{\"lang\":{\"$nin\":[\"a\",\"b\"]}}", "NOT \"lang\" IN ('a', 'b')"},
        {"{\"lang\":{\"$exists\":true}}", "NOT \"lang\" IS NULL"},
        {"{\"lang\":{\"$exists\":false}}", "\"lang\" IS NULL"},
        {"{\"score\":{\"$gt\":0.1}}", "\"score\" > 0.1"},
        {"{\"id\":9007199254740993}", "\"id\" = 9007199254740993"},
        {"{\"ok\":true}", "\"ok\" = TRUE"},
        {"{\"lang\":{\"$ne\":\"it's\"}}", "\"lang\" != 'it''s'"},
        {"{\"id\":{\"$in\":[]}}", "\"id\" IN ()"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[1024];
        canonical(table[i].json, text, sizeof text);
        CHECK_TEXT(text, table[i].expected);
    }
}

static void errors_name_the_member(void)
{
    static const struct {
        const char *json, *expected;
    } table[] = {
        {"[]",
         "INVALID: filter: found array; expected an object such as {\"lang\": {\"$eq\": \"en\"}}"},
        {"{\"lang\":null}", "INVALID: filter: column 'lang' is compared with null, which never is "
                            "true; write {\"$exists\": false}"},
        {"{\"lang\":{\"$like\":\"x\"}}",
         "INVALID: filter: unknown operator '$like' of column 'lang'; known are $eq $ne $gt $gte "
         "$lt $lte $in $nin $exists $not"},
        {"{\"$xor\":[]}",
         "INVALID: filter: unknown operator '$xor'; known are $and $or $not, and column names"},
        {"{\"$or\":[]}", "INVALID: filter: $or is empty; expected an array of filters"},
        {"{\"$and\":{}}", "INVALID: filter: $and is object; expected an array of filters"},
        {"{\"lang\":{}}", "INVALID: filter: column 'lang' has an empty object; expected operators: "
                          "$eq $ne $gt $gte $lt $lte $in $nin $exists $not"},
        {"{\"lang\":{\"$in\":\"x\"}}",
         "INVALID: filter: $in of column 'lang' is string; expected an array of values"},
        {"{\"lang\":{\"$exists\":1}}",
         "INVALID: filter: $exists of column 'lang' is number; expected true or false"},
        {"{\"id\":1.5}", "INVALID: filter: column 'id' is long and can never equal 1.5; write a "
                         "whole number, or use < or >"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[1024];
        canonical(table[i].json, text, sizeof text);
        CHECK_TEXT(text, table[i].expected);
    }
}

static void depth_is_bounded(void)
{
    char json[4096] = "", text[1024];
    size_t n = 0;
    for (int i = 0; i < 13; i++) {
        n += (size_t)snprintf(json + n, sizeof json - n, "{\"$not\":");
    }
    n += (size_t)snprintf(json + n, sizeof json - n, "{\"id\":1}");
    for (int i = 0; i < 13; i++) {
        json[n++] = '}';
    }
    json[n] = '\0';
    canonical(json, text, sizeof text);
    CHECK(strncmp(text, "NOT NOT", 7) == 0);
    memmove(json + 8, json, n + 1);
    memcpy(json, "{\"$not\":", 8);
    json[n + 8] = '}';
    json[n + 9] = '\0';
    canonical(json, text, sizeof text);
    CHECK_TEXT(text, "LIMIT: filter: nested deeper than 14 objects");
}

static void every_allocation_may_fail(void)
{
    for (long n = 0; n < 1000; n++) {
        struct test_env t;
        struct vs_arena arena;
        struct vs_filter_node *root = NULL;
        test_env_init(&t);
        t.fail_at = n;
        t.fail_on = true;
        vs_arena_init(&arena, &t.env, 0);
        enum vs_status status =
            vs_filter_parse_json(&t.env,
                                 VS_STR("{\"lang\":{\"$in\":[\"a\",\"b\"]},\"$or\":[{\"id\":{\"$"
                                        "gt\":1}},{\"score\":{\"$not\":{\"$lt\":0.5}}}]}"),
                                 &arena, &root, NULL);
        CHECK_INT(status, t.failed ? VS_NO_MEMORY : VS_OK);
        vs_arena_clear(&arena);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK(n > 0);
            return;
        }
    }
    check_report(__FILE__, __LINE__, "the loop ends");
}

TEST_MAIN(TEST(forms_become_the_same_tree),
          TEST(errors_name_the_member),
          TEST(depth_is_bounded),
          TEST(every_allocation_may_fail))
