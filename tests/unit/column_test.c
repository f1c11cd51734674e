// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/json.h"
#include "vecstore/format/column.h"

static struct vs_field field_of(const char *type)
{
    struct vs_field field = {.id = 1, .name = VS_STR("c")};
    struct vs_error err = {0};
    CHECK_OK(vs_type_parse(vs_str_from_c(type), &field, &err), err);
    return field;
}

static void check_json(const struct vs_column *column,
                       const struct vs_field *field,
                       size_t row,
                       const char *expected)
{
    struct vs_buf text;
    struct vs_json_writer w;
    struct vs_error err = {0};
    vs_buf_init(&text, vs_env_default(), 1000);
    vs_json_writer_init(&w, &text, false);
    vs_column_write_json(&w, column, field, row);
    CHECK_OK(vs_json_writer_finish(&w, &err), err);
    CHECK_TEXT(vs_buf_c_str(&text), expected);
    vs_buf_clear(&text);
}

// Text to value to column to JSON, for every kind; a null row in between.
static void case_text_to_json(void)
{
    static const struct {
        const char *type, *text, *json;
    } cases[] = {
        {"boolean", "true", "true"},
        {"boolean", "False", "false"},
        {"int", "-2147483648", "-2147483648"},
        {"long", "9223372036854775807", "9223372036854775807"},
        {"float", "0.1", "0.1"},
        {"double", "-2.5", "-2.5"},
        {"string", "a \"b\"", "\"a \\\"b\\\"\""},
        {"date", "1969-12-31", "\"1969-12-31\""},
        {"timestamp", "2025-01-31T10:20:30.5", "\"2025-01-31T10:20:30.500000\""},
        {"timestamptz", "2025-01-31T10:20:30+02:00", "\"2025-01-31T08:20:30Z\""},
        {"time", "10:20:30", "\"10:20:30\""},
        {"time", "23:59:59.999999", "\"23:59:59.999999\""},
        {"timestamp_ns", "2025-01-31T10:20:30.123456789", "\"2025-01-31T10:20:30.123456789\""},
        {"timestamptz_ns", "2025-01-31T10:20:30.5+02:00", "\"2025-01-31T08:20:30.500000000Z\""},
        {"fixed[4]", "AAEC/w==", "\"AAEC/w==\""},
        {"binary", "AAEC/w==", "\"AAEC/w==\""},
        {"binary", "", "\"\""},
        {"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7",
         "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\""},
        {"decimal(10,2)", "-12.5", "\"-12.50\""},
        {"decimal(38,0)", "99999999999999999999999999999999999999",
         "\"99999999999999999999999999999999999999\""},
    };
    struct vs_arena arena;
    vs_arena_init(&arena, vs_env_default(), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vs_field field = field_of(cases[i].type);
        struct vs_column column;
        struct vs_value value, again;
        struct vs_error err = {0};
        vs_column_init(&column, vs_env_default(), field.kind);
        CHECK_OK(vs_value_parse(vs_str_from_c(cases[i].text), &field, &arena, &value, &err), err);
        CHECK_OK(vs_column_append(&column, &value, &err), err);
        CHECK_OK(vs_column_append_null(&column, &err), err);
        CHECK_OK(vs_column_append(&column, &value, &err), err);
        CHECK_INT(column.row_count, 3);
        check_json(&column, &field, 0, cases[i].json);
        check_json(&column, &field, 1, "null");
        check_json(&column, &field, 2, cases[i].json);
        again = vs_column_get(&column, 2);
        CHECK_INT(vs_value_compare(&value, &again), 0);
        vs_column_clear(&column);
    }
    vs_arena_clear(&arena);
}

static void case_bad_text(void)
{
    static const struct {
        const char *type, *text;
    } cases[] = {{"boolean", "yes"},
                 {"int", "2147483648"},
                 {"int", "1.0"},
                 {"int", ""},
                 {"float", "1e39"},
                 {"date", "2025-13-01"},
                 {"binary", "A"},
                 {"binary", "AAE"},
                 {"binary", "AB=="},
                 {"binary", "A==="},
                 {"binary", "AA=A"},
                 {"uuid", "f79c"},
                 {"decimal(3,1)", "1.23"},
                 {"decimal(3,1)", "123.4"},
                 {"timestamp", "2025-01-31T10:20:30Z"},
                 {"timestamp", "2025-01-31T10:20:30.123456789"},
                 {"timestamp_ns", "2025-01-31T10:20:30Z"},
                 {"timestamp_ns", "2263-01-01T00:00:00"},
                 {"time", "24:00:00"},
                 {"time", "10:20:30.1234567"},
                 {"time", "10:20:30Z"},
                 {"fixed[4]", "AAEC"},
                 {"list<int>", "1"}};
    struct vs_arena arena;
    vs_arena_init(&arena, vs_env_default(), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vs_field field = field_of(cases[i].type);
        struct vs_value value = {.kind = VS_KIND_OTHER};
        CHECK_STATUS(vs_value_parse(vs_str_from_c(cases[i].text), &field, &arena, &value, NULL),
                     VS_INVALID);
        CHECK_INT(value.kind, VS_KIND_OTHER);
    }
    vs_arena_clear(&arena);
}

static void case_lists(void)
{
    struct vs_field field = field_of("list<float>");
    struct vs_column column, copy, picked;
    struct vs_error err = {0};
    const float a[3] = {1, 2, 3};
    REQUIRE_OK(vs_column_init_field(&column, vs_env_default(), &field, &err), err);
    REQUIRE_OK(vs_column_init_field(&copy, vs_env_default(), &field, &err), err);
    REQUIRE_OK(vs_column_init_field(&picked, vs_env_default(), &field, &err), err);
    CHECK_OK(vs_column_append_floats(&column, a, 3, &err), err);
    CHECK_OK(vs_column_append_null(&column, &err), err);
    CHECK_OK(vs_column_append_floats(&column, NULL, 0, &err), err);
    struct vs_value half = {.kind = VS_KIND_FLOAT, .as.real = 0.5};
    CHECK_OK(vs_column_append(column.child, &half, &err), err);
    CHECK_OK(vs_column_append_null(column.child, &err), err);
    CHECK_OK(vs_column_end_list(&column, &err), err);
    CHECK_OK(vs_column_append_floats(&column, a, 2, &err), err);
    static const char *const rows[] = {"[1,2,3]", "null", "[]", "[0.5,null]", "[1,2]"};
    size_t count = 9;
    CHECK_INT(column.row_count, 5);
    CHECK(vs_column_get_floats(&column, 1, &count) == NULL && count == 0);
    CHECK(memcmp(vs_column_get_floats(&column, 4, &count), a, 8) == 0 && count == 2);
    CHECK_OK(vs_column_append_rows(&copy, &column, 3, 2, &err), err);
    CHECK_OK(vs_column_append_rows(&copy, &column, 0, 5, &err), err);
    CHECK_OK(vs_column_append_rows(&copy, &column, 5, 0, &err), err);
    CHECK_STATUS(vs_column_append_rows(&copy, &column, 4, 2, &err), VS_INTERNAL);
    for (size_t i = 0; i < 7; i++) {
        check_json(&copy, &field, i, rows[i < 2 ? i + 3 : i - 2]);
    }
    const uint32_t order[] = {4, 1, 2, 3, 3, 0};
    CHECK_OK(vs_column_gather(&picked, &column, order, 6, &err), err);
    for (size_t i = 0; i < 6; i++) {
        check_json(&picked, &field, i, rows[order[i]]);
    }
    CHECK(vs_column_memory(&column) >= 5 * 4 + 7 * 4);
    vs_column_reset(&column);
    CHECK_INT(column.row_count, 0);
    CHECK_OK(vs_column_append_floats(&column, a, 1, &err), err);
    check_json(&column, &field, 0, "[1]");
    vs_column_clear(&column);
    vs_column_clear(&column);
    vs_column_clear(&copy);
    vs_column_clear(&picked);
}

static void case_dictionary_is_resolved(void)
{
    struct vs_field field = field_of("string");
    struct vs_column column, words, out;
    struct vs_error err = {0};
    const uint32_t codes[] = {1, 0, 1, 1};
    vs_column_init(&column, vs_env_default(), VS_KIND_STRING);
    vs_column_init(&words, vs_env_default(), VS_KIND_STRING);
    vs_column_init(&out, vs_env_default(), VS_KIND_STRING);
    CHECK_OK(vs_column_append_bytes(&words, "red", 3, &err), err);
    CHECK_OK(vs_column_append_bytes(&words, "green", 5, &err), err);
    CHECK_OK(vs_buf_append(&column.values, codes, sizeof codes, &err), err);
    CHECK_OK(vs_buf_append(&column.valid, "\1\1\0\1", 4, &err), err);
    column.row_count = 4;
    column.dictionary = &words;
    CHECK_OK(vs_column_append_rows(&out, &column, 0, 4, &err), err);
    check_json(&column, &field, 0, "\"green\"");
    check_json(&out, &field, 0, "\"green\"");
    check_json(&out, &field, 1, "\"red\"");
    check_json(&out, &field, 2, "null");
    check_json(&out, &field, 3, "\"green\"");
    column.dictionary = NULL;
    vs_column_clear(&column);
    vs_column_clear(&words);
    vs_column_clear(&out);
}

static void case_wrong_kinds(void)
{
    struct vs_column column;
    struct vs_value value = {.kind = VS_KIND_LONG, .as.integer = 1};
    vs_column_init(&column, vs_env_default(), VS_KIND_INT);
    CHECK_STATUS(vs_column_append(&column, &value, NULL), VS_INVALID);
    value.kind = VS_KIND_INT;
    value.as.integer = 1ll << 31;
    CHECK_STATUS(vs_column_append(&column, &value, NULL), VS_INVALID);
    CHECK_STATUS(vs_column_append_bytes(&column, "x", 1, NULL), VS_INTERNAL);
    CHECK_STATUS(vs_column_end_list(&column, NULL), VS_INTERNAL);
    vs_column_init(&column, vs_env_default(), VS_KIND_UUID);
    CHECK_STATUS(vs_column_append_bytes(&column, "x", 1, NULL), VS_INVALID);
    vs_column_init(&column, vs_env_default(), VS_KIND_OTHER);
    CHECK_STATUS(vs_column_append_null(&column, NULL), VS_UNSUPPORTED);
    CHECK_INT(column.row_count, 0);
    vs_column_clear(&column);
}

static void case_compare(void)
{
    const double order[] = {-HUGE_VAL, -1, -0.0, 0.5, HUGE_VAL, (double)NAN};
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 6; k++) {
            struct vs_value a = {.kind = VS_KIND_DOUBLE, .as.real = order[i]},
                            b = {.kind = VS_KIND_DOUBLE, .as.real = order[k]};
            CHECK_INT(vs_value_compare(&a, &b), (i > k) - (i < k));
        }
    }
    struct vs_value zero = {.kind = VS_KIND_DOUBLE, .as.real = 0.0},
                    minus = {.kind = VS_KIND_DOUBLE, .as.real = -0.0};
    CHECK_INT(vs_value_compare(&zero, &minus), 0);
    struct vs_value ab = {.kind = VS_KIND_STRING, .as.text = VS_STR("ab")},
                    b = {.kind = VS_KIND_STRING, .as.text = VS_STR("b")};
    CHECK_INT(vs_value_compare(&ab, &b), -1);
    CHECK_INT(vs_value_compare(&b, &ab), 1);
}

static void case_types(void)
{
    static const char *const good[] = {"boolean",     "int",
                                       "long",        "float",
                                       "double",      "string",
                                       "date",        "timestamp",
                                       "timestamptz", "binary",
                                       "uuid",        "decimal(38,10)",
                                       "time",        "timestamp_ns",
                                       "fixed[16]",   "timestamptz_ns",
                                       "list<time>",  "list<fixed[3]>",
                                       "list<float>", "list<decimal(9,2)>"};
    static const char *const bad[] = {"",
                                      "bigint",
                                      "decimal",
                                      "decimal(39,1)",
                                      "decimal(0,0)",
                                      "decimal(2,3)",
                                      "decimal(2)",
                                      "list<>",
                                      "list<list<int>>",
                                      "list<int",
                                      "other",
                                      "list",
                                      "fixed",
                                      "fixed[0]",
                                      "fixed[x]",
                                      "fixed[3",
                                      "fixed[4294967296]",
                                      "struct<a:int>"};
    struct vs_buf text;
    vs_buf_init(&text, vs_env_default(), 100);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct vs_field field = field_of(good[i]);
        vs_buf_reset(&text);
        CHECK_INT(vs_type_format(&field, &text, NULL), VS_OK);
        CHECK_TEXT(vs_buf_c_str(&text), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct vs_field field = {.kind = VS_KIND_UUID};
        struct vs_error err = {0};
        CHECK_STATUS(vs_type_parse(vs_str_from_c(bad[i]), &field, &err), VS_INVALID);
        CHECK(strstr(err.message, "timestamptz") != NULL);
        CHECK_INT(field.kind, VS_KIND_UUID);
    }
    vs_buf_clear(&text);
}

static void case_schema(void)
{
    struct vs_field fields[2] = {field_of("long"), field_of("list<float>")};
    int32_t ids[1] = {7};
    fields[0].id = 7;
    fields[1].id = 9;
    fields[1].name = VS_STR("embedding");
    struct vs_schema schema = {.schema_id = 3,
                               .field_count = 2,
                               .fields = fields,
                               .identifier_count = 1,
                               .identifier_ids = ids};
    CHECK_INT(vs_schema_find(&schema, VS_STR("embedding")), 1);
    CHECK(vs_schema_find(&schema, VS_STR("Embedding")) == SIZE_MAX);
    CHECK_INT(vs_schema_find_id(&schema, 7), 0);
    CHECK(vs_schema_find_id(&schema, 8) == SIZE_MAX);
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_arena arena;
        struct vs_schema copy = {0};
        test_env_init(&test);
        test.fail_at = n;
        vs_arena_init(&arena, &test.env, 0);
        enum vs_status status = vs_schema_clone(&schema, &arena, &copy, NULL);
        if (status == VS_OK) {
            CHECK(copy.fields != schema.fields &&
                  copy.fields[1].name.ptr != schema.fields[1].name.ptr);
            CHECK(vs_str_equal(copy.fields[1].name, VS_STR("embedding")) &&
                  copy.identifier_ids[0] == 7 && copy.schema_id == 3);
        } else {
            CHECK_INT(status, VS_NO_MEMORY);
        }
        vs_arena_clear(&arena);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
    }
}

static enum vs_status fill_batch(const struct vs_env *env)
{
    struct vs_field fields[3] = {field_of("string"), field_of("list<long>"),
                                 field_of("decimal(5,1)")};
    struct vs_batch batch = {0};
    struct vs_column copy = {0};
    enum vs_status status = vs_batch_init(&batch, env, fields, 3, NULL);
    for (int i = 0; status == VS_OK && i < 50; i++) {
        struct vs_value number = {.kind = VS_KIND_LONG, .as.integer = i};
        status = i % 3 == 0 ? vs_column_append_null(&batch.columns[0], NULL)
                            : vs_column_append_bytes(&batch.columns[0], "abcdef", 6, NULL);
        status = status == VS_OK ? vs_column_append(batch.columns[1].child, &number, NULL) : status;
        status = status == VS_OK ? vs_column_end_list(&batch.columns[1], NULL) : status;
        status = status == VS_OK ? vs_column_append_null(&batch.columns[2], NULL) : status;
    }
    status = status == VS_OK ? vs_column_init_field(&copy, env, &fields[1], NULL) : status;
    status =
        status == VS_OK ? vs_column_append_rows(&copy, &batch.columns[1], 10, 30, NULL) : status;
    if (status == VS_OK) {
        CHECK_INT(vs_column_get(copy.child, 29).as.integer, 39);
    }
    vs_column_clear(&copy);
    vs_batch_clear(&batch);
    return status;
}

static void case_allocation_failures(void)
{
    for (long n = 0;; n++) {
        struct test_env test;
        test_env_init(&test);
        test.fail_at = n;
        test.fail_on = true;
        enum vs_status status = fill_batch(&test.env);
        CHECK_INT(test.live, 0);
        CHECK_INT(status, test.failed ? VS_NO_MEMORY : VS_OK);
        if (!test.failed) {
            break;
        }
    }
}

TEST_MAIN(TEST(case_text_to_json),
          TEST(case_bad_text),
          TEST(case_lists),
          TEST(case_dictionary_is_resolved),
          TEST(case_wrong_kinds),
          TEST(case_compare),
          TEST(case_types),
          TEST(case_schema),
          TEST(case_allocation_failures))
