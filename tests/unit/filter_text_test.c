// SPDX-License-Identifier: Apache-2.0
#include "api/query/filter.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>

static struct vs_field fields[] = {
    {.id = 1, .name = {"id", 2}, .kind = VS_KIND_LONG, .required = true},
    {.id = 2, .name = {"lang", 4}, .kind = VS_KIND_STRING},
    {.id = 3, .name = {"year", 4}, .kind = VS_KIND_INT},
    {.id = 4, .name = {"price", 5}, .kind = VS_KIND_DECIMAL, .precision = 10, .scale = 2},
    {.id = 5, .name = {"day", 3}, .kind = VS_KIND_DATE},
    {.id = 6, .name = {"seen", 4}, .kind = VS_KIND_TIMESTAMPTZ},
    {.id = 7, .name = {"ok", 2}, .kind = VS_KIND_BOOLEAN},
    {.id = 8,
     .name = {"tags", 4},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_STRING,
     .element_id = 9},
    {.id = 10, .name = {"odd name", 8}, .kind = VS_KIND_DOUBLE},
    {.id = 11, .name = {"blob", 4}, .kind = VS_KIND_OTHER, .other_type = {"struct<a int>", 13}},
};
static const struct vs_schema schema = {.field_count = sizeof fields / sizeof fields[0],
                                        .fields = fields};

// Canonical text of a filter, or "STATUS: sentence".
static void canonical(const char *text, char *out, size_t size)
{
    struct test_env t;
    struct vs_arena arena;
    struct vs_error err = {0};
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    test_env_init(&t);
    vs_arena_init(&arena, &t.env, 0);
    enum vs_status status = vs_filter_parse_text(vs_str_from_c(text), &arena, &root, &err);
    if (status == VS_OK) {
        status = vs_filter_bind(root, &schema, &arena, &filter, &err);
    }
    if (status == VS_OK) {
        snprintf(out, size, "%.*s", (int)filter->text.len, filter->text.ptr);
    } else {
        snprintf(out, size, "%s: %s", vs_status_name(status), err.message);
    }
    vs_arena_clear(&arena);
    CHECK_INT(t.live, 0);
}

static void forms_have_one_canonical_text(void)
{
    static const struct {
        const char *text, *expected;
    } table[] = {
        {"lang = 'en'", "\"lang\" = 'en'"},
        {" lang=='en' ", "\"lang\" = 'en'"},
        {"lang<>'it''s'", "\"lang\" != 'it''s'"},
        {"\"odd name\" >= -1.5e3", "\"odd name\" >= -1.5e3"},
        {"lang IN ('a','b') and not year not in (1, 2)",
         "\"lang\" IN ('a', 'b') AND NOT NOT \"year\" IN (1, 2)"},
        {"a1 = 1", "INVALID: filter: unknown column 'a1'. The columns are id, lang, year, price, "
                   "day, seen, ok, tags, odd name, blob"},
        {"id=1 or id=2 and id=3", "\"id\" = 1 OR (\"id\" = 2 AND \"id\" = 3)"},
        {"(id=1 or id=2) and id=3", "(\"id\" = 1 OR \"id\" = 2) AND \"id\" = 3"},
        {"NOT ok", "NOT \"ok\" = TRUE"},
        {"ok AND lang IS NOT NULL", "\"ok\" = TRUE AND NOT \"lang\" IS NULL"},
        {"TRUE", "TRUE"},
        {"false", "NOT TRUE"},
        {"day BETWEEN '2024-01-01' AND DATE '2024-12-31'",
         "\"day\" BETWEEN '2024-01-01' AND DATE '2024-12-31'"},
        {"seen > TIMESTAMP '2024-01-01 10:00:00'", "\"seen\" > TIMESTAMP '2024-01-01 10:00:00'"},
        {"lang LIKE 'a!%b%' ESCAPE '!'", "\"lang\" LIKE 'a\\%b%'"},
        {"lang LIKE 'a\\\\b' ESCAPE ''", "\"lang\" LIKE 'a\\\\\\\\b'"},
        {"lang NOT LIKE 'x_'", "NOT \"lang\" LIKE 'x_'"},
        {"tags = 'x' AND tags IN ()", "\"tags\" = 'x' AND \"tags\" IN ()"},
        {"price = 12.50", "\"price\" = 12.50"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[1024], again[1024];
        canonical(table[i].text, text, sizeof text);
        CHECK_TEXT(text, table[i].expected);
        if (strncmp(text, "INVALID", 7) != 0) { // the canonical text is its own canonical text
            canonical(text, again, sizeof again);
            CHECK_TEXT(again, text);
        }
    }
}

static void errors_give_place_and_expectation(void)
{
    static const struct {
        const char *text, *expected;
    } table[] = {
        {"", "INVALID: filter: at the end, expected a column name, NOT or ("},
        {"lang = ", "INVALID: filter: at the end, expected a value: a number, 'text', TRUE, FALSE, "
                    "DATE '…' or TIMESTAMP '…'"},
        {"lang = en", "INVALID: filter: at character 8, expected a value: a number, 'text', TRUE, "
                      "FALSE, DATE '…' or TIMESTAMP '…', found en"},
        {"lang = NULL", "INVALID: filter: at character 8, expected a value (a comparison with NULL "
                        "is never true: write IS NULL or IS NOT NULL), found NULL"},
        {"lang 'en'", "INVALID: filter: at character 6, expected an operator (= != < <= > >= IN "
                      "LIKE BETWEEN IS NULL), found 'en'"},
        {"(id = 1", "INVALID: filter: at the end, expected AND, OR or )"},
        {"id = 1)",
         "INVALID: filter: at character 7, expected AND, OR or the end of the filter, found )"},
        {"lang = 'en", "INVALID: filter: the ' opened at character 8 is never closed"},
        {"\xC3\xA4 ; 1", "INVALID: filter: at character 3, expected a column name, a value or an "
                         "operator, found ;"},
        {"id BETWEEN 1, 2",
         "INVALID: filter: at character 13, expected AND and the upper end of BETWEEN, found ,"},
        {"id = 12abc", "INVALID: filter: at character 6, expected a column name, a value or an "
                       "operator, found 12abc"},
        {"lnag = 'x'", "INVALID: filter: unknown column 'lnag', did you mean 'lang'? The columns "
                       "are id, lang, year, price, day, seen, ok, tags, odd name, blob"},
        {"LANG = 'x'", "INVALID: filter: unknown column 'LANG', did you mean 'lang'? The columns "
                       "are id, lang, year, price, day, seen, ok, tags, odd name, blob"},
        {"id = 3.5", "INVALID: filter: column 'id' is long and can never equal 3.5; write a whole "
                     "number, or use < or >"},
        {"id = 'x'",
         "INVALID: filter: column 'id' is long, but 'x' is a text; write it without quotes"},
        {"lang = 5", "INVALID: filter: column 'lang' is string, but '5' is a number; write it in "
                     "single quotes"},
        {"ok = 1",
         "INVALID: filter: column 'ok' is boolean, but '1' is a number; write TRUE or FALSE"},
        {"year = 3000000000",
         "INVALID: filter: 3000000000 is out of the range of column 'year', which is int"},
        {"tags < 'x'",
         "INVALID: filter: column 'tags' is list, which has no order; use =, !=, IN or IS NULL"},
        {"year LIKE '1%'", "INVALID: filter: LIKE needs a string column; 'year' is int"},
        {"blob IS NULL",
         "UNSUPPORTED: filter: column 'blob' has a type that cannot be filtered (struct<a int>)"},
        {"lang", "INVALID: filter: column 'lang' is string, but 'true' is a truth value; write it "
                 "in single quotes"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[1024];
        canonical(table[i].text, text, sizeof text);
        CHECK_TEXT(text, table[i].expected);
    }
}

static void literals_that_lose_digits_are_refused(void)
{
    static const char *const bad[] = {
        "price = 12.345", "day = 'yesterday'",    "seen > '2024-13-01'", "price = 123456789012.00",
        "year < 1e300",   "\"odd name\" = 1e999", "day = 20240101"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[1024];
        canonical(bad[i], text, sizeof text);
        CHECK(strncmp(text, "INVALID: filter: ", 17) == 0);
    }
}

static void bounds_hold(void)
{
    static char text[200000];
    static char out[200000];
    size_t n = 0;
    for (int i = 0; i < 31; i++) {
        text[n++] = '(';
    }
    n += (size_t)snprintf(text + n, 32, "id = 1");
    memset(text + n, ')', 31);
    text[n + 31] = '\0';
    canonical(text, out, sizeof out);
    CHECK_TEXT(out, "\"id\" = 1");
    n = strlen(text);
    memmove(text + 1, text, n);
    text[n + 1] = ')';
    text[n + 2] = '\0';
    canonical(text, out, sizeof out);
    CHECK_TEXT(out, "LIMIT: filter: nested deeper than 32 levels");
    n = (size_t)snprintf(text, sizeof text, "id = 0");
    for (int i = 1; i < 256; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, " OR id = %d", i);
    }
    canonical(text, out, sizeof out);
    CHECK(strncmp(out, "\"id\" = 0 OR \"id\" = 1", 20) == 0);
    snprintf(text + n, sizeof text - n, " OR id = 256");
    canonical(text, out, sizeof out);
    CHECK_TEXT(out, "LIMIT: filter: more than 256 terms; use IN (…) for lists of values");
    n = (size_t)snprintf(text, sizeof text, "id IN (0");
    for (int i = 1; i <= 4096; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, ",%d", i);
    }
    snprintf(text + n, sizeof text - n, ")");
    canonical(text, out, sizeof out);
    CHECK_TEXT(out, "LIMIT: filter: more than 4096 values; ask in several queries");
}

static void every_allocation_may_fail(void)
{
    for (long n = 0; n < 1000; n++) {
        struct test_env t;
        struct vs_arena arena;
        struct vs_filter_node *root = NULL;
        struct vs_filter *filter = NULL;
        test_env_init(&t);
        t.fail_at = n;
        t.fail_on = true;
        vs_arena_init(&arena, &t.env, 0);
        enum vs_status status =
            vs_filter_parse_text(VS_STR("lang IN ('a','b') AND (year BETWEEN 1 AND 2 OR NOT tags = "
                                        "'x') AND lang LIKE 'a%'"),
                                 &arena, &root, NULL);
        if (status == VS_OK) {
            status = vs_filter_bind(root, &schema, &arena, &filter, NULL);
        }
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

TEST_MAIN(TEST(forms_have_one_canonical_text),
          TEST(errors_give_place_and_expectation),
          TEST(literals_that_lose_digits_are_refused),
          TEST(bounds_hold),
          TEST(every_allocation_may_fail))
