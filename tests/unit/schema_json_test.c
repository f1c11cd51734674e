// SPDX-License-Identifier: Apache-2.0
// Column types and default values in Iceberg's schema JSON, read and written back.
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/json.h"
#include "vecstore/iceberg/iceberg_internal.h"

static const char schema_json[] =
    "{\"type\":\"struct\",\"schema-id\":3,\"fields\":["
    "{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"time\"},"
    "{\"id\":2,\"name\":\"b\",\"required\":false,\"type\":\"fixed[16]\","
    "\"initial-default\":\"00\",\"write-default\":\"0f\"},"
    "{\"id\":3,\"name\":\"c\",\"required\":false,\"type\":\"timestamp_ns\"},"
    "{\"id\":4,\"name\":\"d\",\"required\":false,\"type\":\"timestamptz_ns\"},"
    "{\"id\":5,\"name\":\"e\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":6,"
    "\"element\":\"fixed[3]\",\"element-required\":true}},"
    "{\"id\":7,\"name\":\"f\",\"required\":false,\"type\":\"int\",\"doc\":\"x\","
    "\"initial-default\":5}]}";

static enum vs_status round_trip(const struct vs_env *env,
                                 struct vs_arena *arena,
                                 struct vs_schema *schema,
                                 struct vs_buf *text,
                                 struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_writer w;
    VS_TRY(vs_json_parse(env, vs_str_from_c(schema_json), "schema", NULL, &doc, err));
    enum vs_status status =
        vs_iceberg_schema_parse(vs_json_root(doc), "schema", arena, schema, err);
    vs_json_free(doc);
    if (status == VS_OK) {
        vs_json_writer_init(&w, text, false);
        vs_iceberg_schema_write(&w, schema);
        status = vs_json_writer_finish(&w, err);
    }
    return status;
}

static void case_kinds_and_defaults(void)
{
    struct vs_arena arena;
    struct vs_buf text;
    struct vs_schema schema = {0}, copy = {0};
    struct vs_error err = {0};
    vs_arena_init(&arena, vs_env_default(), 0);
    vs_buf_init(&text, vs_env_default(), 1 << 16);
    REQUIRE_OK(round_trip(vs_env_default(), &arena, &schema, &text, &err), err);
    CHECK_INT(schema.field_count, 6);
    CHECK_INT(schema.fields[0].kind, VS_KIND_TIME);
    CHECK_INT(schema.fields[1].kind, VS_KIND_FIXED);
    CHECK_INT(schema.fields[1].fixed_length, 16);
    CHECK(vs_str_equal_c(schema.fields[1].initial_default_json, "\"00\""));
    CHECK(vs_str_equal_c(schema.fields[1].write_default_json, "\"0f\""));
    CHECK_INT(schema.fields[2].kind, VS_KIND_TIMESTAMP_NS);
    CHECK_INT(schema.fields[3].kind, VS_KIND_TIMESTAMPTZ_NS);
    CHECK_INT(schema.fields[4].element_kind, VS_KIND_FIXED);
    CHECK_INT(schema.fields[4].fixed_length, 3);
    CHECK_INT(schema.fields[0].initial_default_json.len, 0);
    CHECK(strstr(vs_buf_c_str(&text), "\"type\":\"fixed[16]\",\"initial-default\":\"00\","
                                      "\"write-default\":\"0f\"}") != NULL);
    CHECK(strstr(vs_buf_c_str(&text), "\"element\":\"fixed[3]\"") != NULL);
    CHECK(strstr(vs_buf_c_str(&text), "\"doc\":\"x\",\"initial-default\":5}") != NULL);
    CHECK_OK(vs_schema_clone(&schema, &arena, &copy, &err), err);
    CHECK(vs_str_equal_c(copy.fields[5].initial_default_json, "5"));
    vs_buf_clear(&text);
    vs_arena_clear(&arena);
}

static void case_allocations(void)
{
    for (long at = 0;; at++) {
        struct test_env t;
        struct vs_arena arena;
        struct vs_buf text;
        struct vs_schema schema = {0};
        test_env_init(&t);
        t.fail_at = at;
        t.fail_on = true;
        vs_arena_init(&arena, &t.env, 0);
        vs_buf_init(&text, &t.env, 1 << 16);
        enum vs_status status = round_trip(&t.env, &arena, &schema, &text, NULL);
        vs_buf_clear(&text);
        vs_arena_clear(&arena);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
        CHECK_INT(status, VS_NO_MEMORY);
    }
}

TEST_MAIN(TEST(case_kinds_and_defaults), TEST(case_allocations))
