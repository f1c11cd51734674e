// SPDX-License-Identifier: Apache-2.0
// The reader of S3 documents, on answers as the servers send them and on broken ones.
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/object/s3_xml.h"

struct seen {
    char text[4096];
    int stop_at; // 0: never
};

static enum vs_status see(void *ctx, const struct vs_xml_element *element, struct vs_error *err)
{
    struct seen *seen = (struct seen *)ctx;
    size_t len = strlen(seen->text);
    (void)snprintf(seen->text + len, sizeof seen->text - len, "%zu %.*s/%.*s=%.*s;", element->depth,
                   VS_STR_ARG(element->parent), VS_STR_ARG(element->name),
                   VS_STR_ARG(element->text));
    if (seen->stop_at > 0 && --seen->stop_at == 0) {
        return vs_fail(err, VS_CANCELLED, "enough");
    }
    return VS_OK;
}

static void check_walk(const char *text, const char *expected)
{
    struct vs_error err;
    struct seen seen = {.text = ""};
    CHECK_OK(vs_xml_walk(vs_env_default(), vs_str_from_c(text), see, &seen, &err), err);
    CHECK_TEXT(seen.text, expected);
}

static void case_documents(void)
{
    check_walk("<a/>", "1 /a=;");
    check_walk("\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a x=\"1\">t</a>\n",
               "1 /a=t;");
    check_walk(
        "<Error><Code>NoSuchKey</Code><Message>The key &quot;a&amp;b&quot;</Message></Error>",
        "2 Error/Code=NoSuchKey;2 Error/Message=The key \"a&b\";1 /Error=;");
    check_walk("<s3:R xmlns:s3='u>v'><s3:K>x</s3:K><C><K> y </K></C></s3:R >",
               "2 R/K=x;3 C/K= y ;2 R/C=;1 /R=;");
    check_walk("<a>&#65;&#x42;&#xE9;&#x20AC;&#x1F600;&lt;&gt;&apos;</a>",
               "1 /a=AB\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80<>';");
    check_walk("<a>1<!-- <b> -->2<![CDATA[<&]]>3</a>", "1 /a=12<&3;");
    check_walk("<a> <b>1</b> <b/> tail</a>", "2 a/b=1;2 a/b=;1 /a=;");
}

static void case_broken_documents(void)
{
    static const char *const broken[] = {
        "",
        "text",
        "<a>",
        "<a></b>",
        "<a><b></a></b>",
        "</a>",
        "<a/><b/>",
        "<a>&x;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#;</a>",
        "<a>&#1114112;</a>",
        "<a>&amp</a>",
        "<a",
        "<a x='>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a/>",
        "<a><![CDATA[x</a>",
        "<!-- <a/>",
        "<?xml <a/>",
        "< a/>",
        "<a/>tail",
        "<a>&#12x;</a>",
        "<a>&#x;</a>",
        "<>x</>",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct vs_error err;
        struct seen seen = {.text = ""};
        enum vs_status status =
            vs_xml_walk(vs_env_default(), vs_str_from_c(broken[i]), see, &seen, &err);
        CHECK_STATUS(status, VS_CORRUPT);
        if (status == VS_CORRUPT) {
            CHECK(strncmp(err.message, "malformed XML: ", 15) == 0);
        } else {
            fprintf(stderr, "    document: %s\n", broken[i]);
        }
    }
}

static void case_depth_is_bounded(void)
{
    char text[400] = "";
    struct vs_error err;
    struct seen seen = {.text = ""};
    size_t open = (size_t)VS_XML_DEPTH_MAX * 3;
    for (size_t i = 0; i < VS_XML_DEPTH_MAX; i++) {
        memcpy(text + 3 * i, "<a>", 3);
        memcpy(text + open + 4 * i, "</a>", 4);
    }
    CHECK_OK(vs_xml_walk(vs_env_default(), vs_str_from_c(text), see, &seen, &err), err);
    (void)snprintf(text + open, sizeof text - open, "<a>");
    CHECK_STATUS(vs_xml_walk(vs_env_default(), vs_str_from_c(text), see, &seen, &err), VS_CORRUPT);
}

static void case_visitors_stop(void)
{
    struct vs_error err;
    struct seen seen = {.text = "", .stop_at = 2};
    CHECK_STATUS(vs_xml_walk(vs_env_default(), VS_STR("<a><b/><c/><d/></a>"), see, &seen, &err),
                 VS_CANCELLED);
    CHECK_TEXT(seen.text, "2 a/b=;2 a/c=;");
}

static void case_no_memory(void)
{
    bool done = false;
    for (long n = 0; !done && n < 20; n++) {
        struct test_env test;
        struct vs_error err;
        struct seen seen = {.text = ""};
        test_env_init(&test);
        test.fail_at = n;
        test.fail_on = true; // a buffer asks twice
        enum vs_status status =
            vs_xml_walk(&test.env, VS_STR("<a><b>text</b><b>more text</b></a>"), see, &seen, &err);
        done = !atomic_load(&test.failed);
        CHECK_INT(status, done ? VS_OK : VS_NO_MEMORY);
        CHECK_INT(test.live, 0);
    }
    CHECK(done);
}

static void case_escape(void)
{
    struct vs_error err;
    struct vs_buf buf;
    struct seen seen = {.text = ""};
    vs_buf_init(&buf, vs_env_default(), 1000);
    CHECK_OK(vs_buf_append_c(&buf, "<k>", &err), err);
    CHECK_OK(vs_xml_escape(VS_STR("a&b<c>\"d'\xC3\xA9"), &buf, &err), err);
    CHECK_OK(vs_buf_append_c(&buf, "</k>", &err), err);
    CHECK_TEXT(vs_buf_c_str(&buf), "<k>a&amp;b&lt;c&gt;&quot;d'\xC3\xA9</k>");
    CHECK_OK(vs_xml_walk(vs_env_default(), vs_buf_view(&buf), see, &seen, &err), err);
    CHECK_TEXT(seen.text, "1 /k=a&b<c>\"d'\xC3\xA9;");
    vs_buf_clear(&buf);
}

TEST_MAIN(TEST(case_documents),
          TEST(case_broken_documents),
          TEST(case_depth_is_bounded),
          TEST(case_visitors_stop),
          TEST(case_no_memory),
          TEST(case_escape))
