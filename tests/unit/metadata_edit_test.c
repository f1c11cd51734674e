// SPDX-License-Identifier: Apache-2.0
// Edits of table metadata: what they change, what they refuse, and that the result is a document
// that passes our own reader's checks. tests/conform/metadata_edit_test.py has PyIceberg read it.
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/iceberg/metadata_edit.h"

#include <stdlib.h>

#define S(text) VS_STR(text)
#define HOUR ((int64_t)3600 * 1000)
#define DAY (24 * HOUR)
#define NOW ((int64_t)1790000000000)

static const char head[] =
    "{\"format-version\":%d,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\",\"location\":"
    "\"file:///w/t\",\"last-sequence-number\":9,%s\"last-updated-ms\":%lld,\"last-column-id\":9,"
    "\"current-schema-id\":3,\"schemas\":[{\"type\":\"struct\",\"schema-id\":3,"
    "\"identifier-field-ids\":[1],\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"v\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":3,"
    "\"element\":\"float\",\"element-required\":false}},"
    "{\"id\":4,\"name\":\"lang\",\"required\":true,\"type\":\"string\"},"
    "{\"id\":5,\"name\":\"n\",\"required\":false,\"type\":\"int\"},"
    "{\"id\":6,\"name\":\"price\",\"required\":false,\"type\":\"decimal(9, 2)\"},"
    "{\"id\":7,\"name\":\"at\",\"required\":false,\"type\":\"timestamptz\"},"
    "{\"id\":8,\"name\":\"score\",\"required\":false,\"type\":\"float\"}]}],"
    "\"default-spec-id\":1,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]},{\"spec-id\":1,"
    "\"fields\":[{\"name\":\"id_bucket\",\"transform\":\"bucket[16]\",\"source-id\":1,\"field-id\":"
    "1000}]}],\"last-partition-id\":1000,\"default-sort-order-id\":0,\"sort-orders\":[{\"order-"
    "id\":"
    "0,\"fields\":[]}],\"properties\":{\"vecstore.vector.v.dimension\":\"3\","
    "\"vecstore.vector.v.metric\":\"l2\",\"write.metadata.metrics.column.lang\":\"full\","
    "\"schema.name-mapping.default\":\"[{\\\"field-id\\\":1,\\\"names\\\":[\\\"id\\\"]},{\\\"field-"
    "id\\\":4,\\\"names\\\":[\\\"lang\\\",\\\"language\\\"]}]\"}";

struct fixture {
    struct vs_table_metadata *base;
    struct vs_arena arena;
    struct vs_metadata_edit edit;
};

// A chain of `count` snapshots 101, 102, …, one a day, the last one made an hour and a half ago.
static enum vs_status append_snapshots(struct vs_buf *text, int count, struct vs_error *err)
{
    VS_TRY(vs_buf_printf(text, err, ",\"current-snapshot-id\":%d,\"snapshots\":[", 100 + count));
    for (int i = 1; i <= count; i++) {
        long long at = (long long)(NOW - (count - i) * DAY - HOUR * 3 / 2);
        VS_TRY(vs_buf_printf(text, err,
                             "%s{\"snapshot-id\":%d,\"sequence-number\":%d,\"timestamp-ms\":%lld,"
                             "\"manifest-list\":\"file:///w/t/metadata/%d.avro\",\"summary\":{"
                             "\"operation\":\"append\"}",
                             i > 1 ? "," : "", 100 + i, i, at, i));
        VS_TRY(i > 1 ? vs_buf_printf(text, err, ",\"parent-snapshot-id\":%d}", 99 + i)
                     : vs_buf_printf(text, err, "}"));
    }
    VS_TRY(vs_buf_printf(text, err, "],\"snapshot-log\":["));
    for (int i = 1; i <= count; i++) {
        long long at = (long long)(NOW - (count - i) * DAY - HOUR * 3 / 2);
        VS_TRY(vs_buf_printf(text, err, "%s{\"snapshot-id\":%d,\"timestamp-ms\":%lld}",
                             i > 1 ? "," : "", 100 + i, at));
    }
    return vs_buf_printf(
        text, err,
        "],\"statistics\":[{\"snapshot-id\":101,\"statistics-path\":\"a\",\"file-size-in-bytes\":1,"
        "\"file-footer-size-in-bytes\":1,\"blob-metadata\":[]}],\"partition-statistics\":[{"
        "\"snapshot-id\":101,\"statistics-path\":\"p\",\"file-size-in-bytes\":1},{\"snapshot-id\":"
        "%d,\"statistics-path\":\"q\",\"file-size-in-bytes\":1}]",
        100 + count);
}

static enum vs_status make(struct fixture *f,
                           const struct vs_env *env,
                           int version,
                           int snapshots,
                           const char *tail,
                           struct vs_error *err)
{
    struct vs_buf text;
    *f = (struct fixture){0};
    vs_arena_init(&f->arena, env, 0);
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    const char *rows = version == 3 ? "\"next-row-id\":5," : "";
    enum vs_status status = vs_buf_printf(&text, err, head, version, rows, (long long)(NOW - HOUR));
    if (status == VS_OK && snapshots > 0) {
        status = append_snapshots(&text, snapshots, err);
    }
    if (status == VS_OK) {
        status = vs_buf_printf(&text, err, "%s}", tail);
    }
    if (status == VS_OK) {
        status = vs_table_metadata_parse(env, vs_buf_view(&text), "base", &f->base, err);
    }
    vs_buf_clear(&text);
    if (status == VS_OK) {
        vs_metadata_edit_begin(&f->edit, env, &f->arena, f->base, NOW);
    }
    return status;
}

// The edited document passes the checks of a reader.
static void finish(struct fixture *f)
{
    struct vs_error err = {0};
    struct vs_buf text;
    struct vs_table_metadata *again = NULL;
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    if (f->base != NULL && f->edit.next.format_version >= 2) {
        CHECK_OK(vs_table_metadata_format(&f->edit.next, &text, &err), err);
        CHECK_OK(
            vs_table_metadata_parse(vs_env_default(), vs_buf_view(&text), "next", &again, &err),
            err);
    }
    vs_table_metadata_free(again);
    vs_buf_clear(&text);
    vs_arena_clear(&f->arena);
    vs_table_metadata_free(f->base);
}

static struct test_env clock_env;

static const struct vs_env *env_at_now(void)
{
    test_env_init(&clock_env);
    clock_env.now_ms = NOW;
    return &clock_env.env;
}

static const struct vs_schema *schema_of(const struct fixture *f)
{
    return vs_table_current_schema(&f->edit.next);
}

static bool has_property(const struct fixture *f, const char *key, const char *value)
{
    struct vs_str found = vs_table_property(&f->edit.next, key);
    return value == NULL ? found.ptr == NULL : vs_str_equal_c(found, value);
}

// ---- schema ----

static void adding_columns(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 2, 0, "", &err), err);
    const struct vs_column_add tags = {
        .name = S("tags"), .type = S("list<string>"), .doc = S("labels"), .after = S("id")};
    const struct vs_column_add plain = {.name = S("z"), .type = S("date")};
    CHECK_OK(vs_edit_add_column(&f.edit, &tags, &err), err);
    CHECK_OK(vs_edit_add_column(&f.edit, &plain, &err), err);
    CHECK_INT(f.edit.next.schema_count, 2); // two calls, one schema
    CHECK_INT(f.edit.next.current_schema_id, 4);
    CHECK_INT(f.edit.next.last_column_id, 12);
    CHECK_INT(f.base->schema_count, 1);
    const struct vs_schema *schema = schema_of(&f);
    CHECK_INT(schema->field_count, 9);
    CHECK(vs_str_equal_c(schema->fields[1].name, "tags"));
    CHECK_INT(schema->fields[1].id, 10);
    CHECK_INT(schema->fields[1].element_id, 11);
    CHECK_INT(schema->fields[8].id, 12);
    CHECK(!schema->fields[8].required);
    CHECK_INT(schema->identifier_ids[0], 1);
    struct vs_str mapping = vs_table_property(&f.edit.next, "schema.name-mapping.default");
    CHECK(strstr(mapping.ptr, "{\"field-id\":10,\"names\":[\"tags\"],\"fields\":[{\"field-id\":11,"
                              "\"names\":[\"element\"]}]}") != NULL);
    CHECK_STATUS(vs_edit_add_column(&f.edit, &tags, &err), VS_EXISTS);
    const struct vs_column_add clash = {.name = S("id_bucket"), .type = S("int")};
    CHECK_STATUS(vs_edit_add_column(&f.edit, &clash, &err), VS_EXISTS);
    const struct vs_column_add nowhere = {.name = S("q"), .type = S("int"), .after = S("none")};
    CHECK_STATUS(vs_edit_add_column(&f.edit, &nowhere, &err), VS_NOT_FOUND);
    const struct vs_column_add odd = {.name = S("q"), .type = S("strnig")};
    CHECK_STATUS(vs_edit_add_column(&f.edit, &odd, &err), VS_INVALID);
    const struct vs_column_add given = {.name = S("q"), .type = S("int"), .default_json = S("7")};
    CHECK_STATUS(vs_edit_add_column(&f.edit, &given, &err), VS_INVALID);
    CHECK(strstr(err.message, "version 3") != NULL);
    finish(&f);
}

static void defaults_in_version_three(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 3, 0, "", &err), err);
    const struct vs_column_add good[] = {
        {.name = S("a"), .type = S("int"), .default_json = S("7")},
        {.name = S("b"), .type = S("string"), .default_json = S("\"x\"")},
        {.name = S("c"), .type = S("date"), .default_json = S("\"2025-01-31\"")},
        {.name = S("d"), .type = S("decimal(6,2)"), .default_json = S("\"1.25\"")},
        {.name = S("e"), .type = S("boolean"), .default_json = S("true")},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK_OK(vs_edit_add_column(&f.edit, &good[i], &err), err);
        const struct vs_schema *schema = schema_of(&f);
        const struct vs_field *field = &schema->fields[schema->field_count - 1];
        CHECK(vs_str_equal(field->initial_default_json, good[i].default_json));
        CHECK(vs_str_equal(field->write_default_json, good[i].default_json));
    }
    const struct vs_column_add bad[] = {
        {.name = S("q"), .type = S("int"), .default_json = S("\"7\"")},
        {.name = S("q"), .type = S("int"), .default_json = S("3000000000")},
        {.name = S("q"), .type = S("date"), .default_json = S("\"2025-13-31\"")},
        {.name = S("q"), .type = S("string"), .default_json = S("7")},
        {.name = S("q"), .type = S("list<int>"), .default_json = S("[]")},
        {.name = S("q"), .type = S("binary"), .default_json = S("\"0g\"")},
        {.name = S("q"), .type = S("int"), .default_json = S("{")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(vs_edit_add_column(&f.edit, &bad[i], &err) != VS_OK);
    }
    finish(&f);
}

static void dropping_columns(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 2, 0, "", &err), err);
    CHECK_STATUS(vs_edit_drop_column(&f.edit, S("id"), &err), VS_INVALID); // identifies rows
    CHECK_STATUS(vs_edit_drop_column(&f.edit, S("none"), &err), VS_NOT_FOUND);
    CHECK_OK(vs_edit_set_sort_order(&f.edit, S("at desc"), &err), err);
    CHECK_STATUS(vs_edit_drop_column(&f.edit, S("at"), &err), VS_INVALID); // sorted by
    CHECK_OK(vs_edit_set_spec(&f.edit, S("lang"), &err), err);
    CHECK_STATUS(vs_edit_drop_column(&f.edit, S("lang"), &err), VS_INVALID); // partitioned by
    CHECK_OK(vs_edit_drop_column(&f.edit, S("v"), &err), err);
    CHECK(has_property(&f, "vecstore.vector.v.dimension", NULL)); // its contract went along
    CHECK(has_property(&f, "vecstore.vector.v.metric", NULL));
    CHECK_INT(f.edit.next.last_column_id, 9); // ids are not used again
    const struct vs_column_add again = {.name = S("v"), .type = S("int")};
    CHECK_OK(vs_edit_add_column(&f.edit, &again, &err), err);
    CHECK_INT(schema_of(&f)->fields[6].id, 10);
    CHECK_INT(f.edit.next.schema_count, 2);
    finish(&f);
}

static void renaming_and_moving(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 2, 0, "", &err), err);
    CHECK_OK(vs_edit_rename_column(&f.edit, S("v"), S("a.vector"), &err), err);
    CHECK(has_property(&f, "vecstore.vector.v.dimension", NULL));
    CHECK(has_property(&f, "vecstore.vector.a.vector.dimension", "3"));
    CHECK_OK(vs_edit_rename_column(&f.edit, S("lang"), S("tongue"), &err), err);
    CHECK(has_property(&f, "write.metadata.metrics.column.tongue", "full"));
    struct vs_str mapping = vs_table_property(&f.edit.next, "schema.name-mapping.default");
    CHECK(strstr(mapping.ptr, "\"names\":[\"lang\",\"language\",\"tongue\"]") != NULL);
    CHECK_STATUS(vs_edit_rename_column(&f.edit, S("n"), S("score"), &err), VS_EXISTS);
    CHECK_STATUS(vs_edit_rename_column(&f.edit, S("n"), S(""), &err), VS_INVALID);
    CHECK_OK(vs_edit_move_column(&f.edit, S("score"), S(""), &err), err);
    CHECK_INT(schema_of(&f)->fields[0].id, 8);
    CHECK_OK(vs_edit_move_column(&f.edit, S("score"), S("tongue"), &err), err);
    CHECK_INT(schema_of(&f)->fields[2].id, 4);
    CHECK_INT(schema_of(&f)->fields[3].id, 8);
    CHECK_STATUS(vs_edit_move_column(&f.edit, S("n"), S("n"), &err), VS_INVALID);
    // back where it was: the schema that the table has already
    CHECK_OK(vs_edit_move_column(&f.edit, S("score"), S("at"), &err), err);
    CHECK_OK(vs_edit_rename_column(&f.edit, S("tongue"), S("lang"), &err), err);
    CHECK_OK(vs_edit_rename_column(&f.edit, S("a.vector"), S("v"), &err), err);
    CHECK_INT(f.edit.next.current_schema_id, 3);
    CHECK_INT(f.edit.next.schema_count, 1);
    finish(&f);
}

static void changing_types(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 2, 0, "", &err), err);
    CHECK_OK(vs_edit_widen_column(&f.edit, S("n"), S("long"), &err), err);
    CHECK_INT(schema_of(&f)->fields[3].kind, VS_KIND_LONG);
    CHECK_OK(vs_edit_widen_column(&f.edit, S("score"), S("double"), &err), err);
    CHECK_OK(vs_edit_widen_column(&f.edit, S("price"), S("decimal(18,2)"), &err), err);
    CHECK_INT(schema_of(&f)->fields[4].precision, 18);
    CHECK_STATUS(vs_edit_widen_column(&f.edit, S("price"), S("decimal(18,3)"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_widen_column(&f.edit, S("price"), S("decimal(9,2)"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_widen_column(&f.edit, S("n"), S("int"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_widen_column(&f.edit, S("lang"), S("binary"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_widen_column(&f.edit, S("v"), S("list<double>"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_make_optional(&f.edit, S("id"), &err), VS_INVALID);
    CHECK_OK(vs_edit_make_optional(&f.edit, S("lang"), &err), err);
    CHECK(!schema_of(&f)->fields[2].required);
    CHECK_OK(vs_edit_set_doc(&f.edit, S("n"), S("a count"), &err), err);
    CHECK(vs_str_equal_c(schema_of(&f)->fields[3].doc, "a count"));
    CHECK(vs_table_current_schema(f.base)->fields[3].doc.len == 0); // the base is left alone
    finish(&f);
}

// ---- partitioning and order ----

static void specs(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 2, 0, "", &err), err);
    CHECK_OK(vs_edit_set_spec(&f.edit, S("lang, bucket(16, id), day(at)"), &err), err);
    const struct vs_partition_spec *spec = vs_table_spec(&f.edit.next, 2);
    REQUIRE(spec != NULL && spec->field_count == 3);
    CHECK_INT(f.edit.next.default_spec_id, 2);
    CHECK(vs_str_equal_c(spec->fields[0].name, "lang"));
    CHECK_INT(spec->fields[0].field_id, 1001);
    CHECK_INT(spec->fields[1].field_id, 1000); // of spec 1: the same source and transform
    CHECK(vs_str_equal_c(spec->fields[1].name, "id_bucket"));
    CHECK(vs_str_equal_c(spec->fields[2].name, "at_day"));
    CHECK_INT(f.edit.next.last_partition_id, 1002);
    CHECK_OK(vs_edit_set_spec(&f.edit, S("bucket(32, id)"), &err), err);
    spec = vs_table_spec(&f.edit.next, 3);
    REQUIRE(spec != NULL);
    CHECK(vs_str_equal_c(spec->fields[0].name, "id_bucket_32")); // id_bucket means another field
    CHECK_OK(vs_edit_set_spec(&f.edit, S("none"), &err), err);
    CHECK_INT(f.edit.next.default_spec_id, 0);
    CHECK(!f.edit.next.is_partitioned);
    CHECK_OK(vs_edit_set_spec(&f.edit, S("bucket(id, 16)"), &err), err);
    CHECK_INT(f.edit.next.default_spec_id, 1);
    CHECK_INT(f.edit.next.spec_count, 4);
    static const char *const bad[] = {"nothing",       "day(lang)",         "bucket(0, id)",
                                      "lang lang",     "lang, lang",        "year(at), day(at)",
                                      "bucket(id)",    "sum(id)",           "lang,",
                                      "bucket(16, id", "identity(v)",       "truncate(2, at)",
                                      "\"lang",        "bucket(4, id) id2", "(lang)"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (vs_edit_set_spec(&f.edit, vs_str_from_c(bad[i]), &err) == VS_OK) {
            check_report(__FILE__, __LINE__, bad[i]);
        }
    }
    CHECK_INT(f.edit.next.spec_count, 4);
    finish(&f);
    REQUIRE_OK(make(&f, env_at_now(), 1, 0, "", &err), err);
    CHECK_STATUS(vs_edit_set_spec(&f.edit, S("lang"), &err), VS_UNSUPPORTED);
    finish(&f);
}

static void orders(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 2, 0, "", &err), err);
    CHECK_OK(vs_edit_set_sort_order(&f.edit, S("lang, at desc, bucket(4,id) nulls last"), &err),
             err);
    CHECK_INT(f.edit.next.default_sort_order_id, 1);
    const struct vs_sort_order *order = &f.edit.next.sort_orders[1];
    CHECK_INT(order->field_count, 3);
    CHECK(!order->fields[0].descending && !order->fields[0].nulls_last);
    CHECK(order->fields[1].descending && order->fields[1].nulls_last);
    CHECK(!order->fields[2].descending && order->fields[2].nulls_last);
    CHECK(vs_str_equal_c(order->fields[2].transform, "bucket[4]"));
    CHECK_OK(vs_edit_set_sort_order(&f.edit, S(""), &err), err);
    CHECK_INT(f.edit.next.default_sort_order_id, 0);
    CHECK_OK(vs_edit_set_sort_order(
                 &f.edit, S("lang ASC NULLS FIRST, `at` DESC, bucket(4,id) nulls last"), &err),
             err);
    CHECK_INT(f.edit.next.default_sort_order_id, 1);
    CHECK_INT(f.edit.next.sort_order_count, 2);
    CHECK_STATUS(vs_edit_set_sort_order(&f.edit, S("lang nulls"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_set_sort_order(&f.edit, S("lang, lang desc"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_set_sort_order(&f.edit, S("lang up"), &err), VS_INVALID);
    finish(&f);
}

// ---- properties, version ----

static void properties_and_version(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 1, 0, "", &err), err);
    CHECK_OK(vs_edit_set_property(&f.edit, S("a"), S("1"), &err), err);
    CHECK_OK(vs_edit_set_property(&f.edit, S("a"), S("2"), &err), err);
    CHECK(has_property(&f, "a", "2"));
    CHECK_OK(vs_edit_remove_property(&f.edit, S("a"), &err), err);
    CHECK_OK(vs_edit_remove_property(&f.edit, S("never there"), &err), err);
    CHECK(has_property(&f, "a", NULL));
    CHECK_STATUS(vs_edit_set_property(&f.edit, S("current-schema"), S("2"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_set_property(&f.edit, S("vecstore.last-commit-id"), S("2"), &err),
                 VS_INVALID);
    CHECK_STATUS(vs_edit_set_property(&f.edit, S("a"), S("\xff"), &err), VS_INVALID);
    CHECK_OK(vs_edit_set_property(&f.edit, S("format-version"), S("2"), &err), err);
    CHECK_INT(f.edit.next.format_version, 2);
    CHECK_STATUS(vs_edit_upgrade(&f.edit, 1, &err), VS_INVALID);
    CHECK_STATUS(vs_edit_upgrade(&f.edit, 4, &err), VS_UNSUPPORTED);
    CHECK_INT(f.edit.next.next_row_id, -1);
    CHECK_OK(vs_edit_upgrade(&f.edit, 3, &err), err);
    CHECK_INT(f.edit.next.next_row_id, 0);
    CHECK_INT(f.base->format_version, 1);
    finish(&f);
}

// ---- refs ----

static void branches_and_tags(void)
{
    struct vs_error err = {0};
    struct fixture f;
    const struct vs_ref_retention keep = {
        .max_ref_age_ms = 5 * DAY, .max_snapshot_age_ms = 2 * DAY, .min_snapshots_to_keep = 3};
    REQUIRE_OK(make(&f, env_at_now(), 2, 4, "", &err), err);
    CHECK_OK(vs_edit_set_ref(&f.edit, S("dev"), true, 102, &keep, &err), err);
    const struct vs_ref *dev = vs_table_ref(&f.edit.next, S("dev"));
    REQUIRE(dev != NULL);
    CHECK(strstr(dev->json.ptr, "\"min-snapshots-to-keep\":3") != NULL);
    CHECK_OK(vs_edit_set_ref(&f.edit, S("dev"), true, 103, NULL, &err), err);
    dev = vs_table_ref(&f.edit.next, S("dev"));
    CHECK_INT(dev->snapshot_id, 103);
    CHECK(strstr(dev->json.ptr, "\"max-ref-age-ms\":432000000") != NULL); // kept
    CHECK_STATUS(vs_edit_set_ref(&f.edit, S("dev"), false, 103, NULL, &err), VS_EXISTS);
    CHECK_STATUS(vs_edit_set_ref(&f.edit, S("t"), false, 103, &keep, &err), VS_INVALID);
    CHECK_STATUS(vs_edit_set_ref(&f.edit, S("t"), false, 99, NULL, &err), VS_NOT_FOUND);
    CHECK_STATUS(vs_edit_set_ref(&f.edit, S("main"), false, 103, NULL, &err), VS_INVALID);
    CHECK_STATUS(vs_edit_set_ref(&f.edit, S("main"), true, 103, &keep, &err), VS_INVALID);
    CHECK_STATUS(vs_edit_remove_ref(&f.edit, S("main"), &err), VS_INVALID);
    CHECK_STATUS(vs_edit_remove_ref(&f.edit, S("t"), &err), VS_NOT_FOUND);
    CHECK_OK(vs_edit_set_ref(&f.edit, S("t"), false, 101, NULL, &err), err);
    CHECK_OK(vs_edit_remove_ref(&f.edit, S("dev"), &err), err);
    CHECK(vs_table_ref(&f.edit.next, S("dev")) == NULL);
    CHECK_INT(f.edit.next.current_snapshot_id, 104);
    CHECK_INT(f.edit.next.snapshot_log_count, 4); // main did not move
    finish(&f);
}

static void rollback(void)
{
    struct vs_error err = {0};
    struct fixture f;
    REQUIRE_OK(make(&f, env_at_now(), 2, 4, "", &err), err);
    CHECK_OK(vs_edit_rollback(&f.edit, 102, false, &err), err);
    CHECK_INT(f.edit.next.current_snapshot_id, 102);
    CHECK_INT(vs_table_ref(&f.edit.next, S("main"))->snapshot_id, 102);
    CHECK_INT(f.edit.next.snapshot_log_count, 5);
    CHECK_INT(f.edit.next.snapshot_log[4].snapshot_id, 102);
    CHECK_STATUS(vs_edit_rollback(&f.edit, 104, false, &err), VS_INVALID); // not an ancestor now
    CHECK_OK(vs_edit_rollback(&f.edit, 104, true, &err), err);
    CHECK_STATUS(vs_edit_rollback(&f.edit, 99, true, &err), VS_NOT_FOUND);
    finish(&f);
}

// ---- expiry ----

static void expire(struct fixture *f,
                   const struct vs_expire *ask,
                   const int64_t *expected,
                   size_t expected_count)
{
    struct vs_error err = {0};
    int64_t *removed = NULL;
    size_t count = 0;
    CHECK_OK(vs_edit_expire(&f->edit, ask, &removed, &count, &err), err);
    CHECK_INT(count, expected_count);
    for (size_t i = 0; i < count && i < expected_count; i++) {
        CHECK_INT(removed[i], expected[i]);
        CHECK(vs_table_snapshot(&f->edit.next, expected[i]) == NULL);
    }
    CHECK_INT(f->edit.next.snapshot_count + count, f->base->snapshot_count);
}

static void expiry_by_age(void)
{
    struct vs_error err = {0};
    struct fixture f;
    const struct vs_expire all = {.older_than_ms = NOW + DAY};
    REQUIRE_OK(make(&f, env_at_now(), 2, 8, "", &err), err);
    expire(&f, &(struct vs_expire){0}, (const int64_t[]){101, 102, 103}, 3); // older than 5 days
    CHECK_INT(f.edit.next.snapshot_log_count, 5);
    CHECK_INT(f.edit.next.statistics_count, 0);
    CHECK(strstr(f.edit.next.partition_statistics_json.ptr, ":101,") == NULL);
    CHECK(strstr(f.edit.next.partition_statistics_json.ptr, ":108,") != NULL);
    finish(&f);
    REQUIRE_OK(make(&f, env_at_now(), 2, 4, "", &err), err);
    expire(&f, &(struct vs_expire){.older_than_ms = NOW - DAY, .retain_last = 3},
           (const int64_t[]){101}, 1);
    finish(&f);
    // a tag keeps its snapshot, a branch its own rule; the log before a removed snapshot goes
    REQUIRE_OK(make(&f, env_at_now(), 2, 6, "", &err), err);
    const struct vs_ref_retention keep = {.min_snapshots_to_keep = 2};
    CHECK_OK(vs_edit_set_ref(&f.edit, S("t"), false, 101, NULL, &err), err);
    CHECK_OK(vs_edit_set_ref(&f.edit, S("b"), true, 104, &keep, &err), err);
    expire(&f, &all, (const int64_t[]){102, 105}, 2);
    CHECK_INT(f.edit.next.snapshot_log_count, 1);
    finish(&f);
    // an expired ref goes, and what only it kept with it
    REQUIRE_OK(make(&f, env_at_now(), 2, 6, "", &err), err);
    const struct vs_ref_retention brief = {.max_ref_age_ms = 2 * DAY};
    CHECK_OK(vs_edit_set_ref(&f.edit, S("t"), false, 101, &brief, &err), err);
    expire(&f, &all, (const int64_t[]){101, 102, 103, 104, 105}, 5);
    CHECK(vs_table_ref(&f.edit.next, S("t")) == NULL);
    finish(&f);
}

// Rule R6: what a commit in flight may look for stays, whoever asks.
static void expiry_keeps_lineage(void)
{
    struct vs_error err = {0};
    struct fixture f;
    int64_t *removed = NULL;
    size_t count = 0;
    const struct vs_expire all = {.older_than_ms = NOW + DAY};
    const int64_t ids[] = {104};
    const struct vs_expire named = {.snapshot_ids = ids, .snapshot_id_count = 1};
    REQUIRE_OK(make(&f, env_at_now(), 2, 5, "", &err), err);
    expire(&f, &named, ids, 1);
    const int64_t current[] = {105}, unknown[] = {7};
    const struct vs_expire bad[] = {{.snapshot_ids = current, .snapshot_id_count = 1},
                                    {.snapshot_ids = unknown, .snapshot_id_count = 1}};
    CHECK_STATUS(vs_edit_expire(&f.edit, &bad[0], &removed, &count, &err), VS_INVALID);
    CHECK_STATUS(vs_edit_expire(&f.edit, &bad[1], &removed, &count, &err), VS_NOT_FOUND);
    finish(&f);
    // 26 hours: the snapshots of the last two days are younger than that
    REQUIRE_OK(make(&f, env_at_now(), 2, 5, "", &err), err);
    CHECK_OK(vs_edit_set_property(&f.edit, S("vecstore.expire.min-age-ms"), S("93600000"), &err),
             err);
    CHECK_STATUS(vs_edit_expire(&f.edit, &named, &removed, &count, &err), VS_INVALID);
    CHECK(strstr(err.message, "under way") != NULL);
    expire(&f, &all, (const int64_t[]){101, 102, 103}, 3);
    finish(&f);
    REQUIRE_OK(make(&f, env_at_now(), 2, 5, "", &err), err);
    CHECK_OK(vs_edit_set_property(&f.edit, S("gc.enabled"), S("false"), &err), err);
    CHECK_STATUS(vs_edit_expire(&f.edit, &all, &removed, &count, &err), VS_INVALID);
    finish(&f);
}

// ---- memory ----

static enum vs_status every_edit(struct fixture *f, struct vs_error *err)
{
    struct vs_metadata_edit *e = &f->edit;
    const struct vs_column_add add = {
        .name = S("tags"), .type = S("list<string>"), .doc = S("d"), .after = S("id")};
    const struct vs_column_add given = {
        .name = S("d"), .type = S("date"), .default_json = S("\"2025-01-31\"")};
    const struct vs_ref_retention keep = {.min_snapshots_to_keep = 2};
    const struct vs_expire old = {.older_than_ms = NOW};
    int64_t *removed;
    size_t count;
    VS_TRY(vs_edit_upgrade(e, 3, err));
    VS_TRY(vs_edit_add_column(e, &add, err));
    VS_TRY(vs_edit_add_column(e, &given, err));
    VS_TRY(vs_edit_rename_column(e, S("v"), S("w"), err));
    VS_TRY(vs_edit_widen_column(e, S("n"), S("long"), err));
    VS_TRY(vs_edit_make_optional(e, S("lang"), err));
    VS_TRY(vs_edit_set_doc(e, S("n"), S("a count"), err));
    VS_TRY(vs_edit_move_column(e, S("at"), S(""), err));
    VS_TRY(vs_edit_drop_column(e, S("score"), err));
    VS_TRY(vs_edit_set_spec(e, S("lang, day(at)"), err));
    VS_TRY(vs_edit_set_sort_order(e, S("lang desc"), err));
    VS_TRY(vs_edit_set_property(e, S("a"), S("b"), err));
    VS_TRY(vs_edit_remove_property(e, S("a"), err));
    VS_TRY(vs_edit_set_ref(e, S("dev"), true, 102, &keep, err));
    VS_TRY(vs_edit_set_ref(e, S("old"), false, 101, NULL, err));
    VS_TRY(vs_edit_remove_ref(e, S("old"), err));
    VS_TRY(vs_edit_rollback(e, 103, false, err));
    return vs_edit_expire(e, &old, &removed, &count, err);
}

static void every_allocation_fails(void)
{
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_error err = {0};
        struct fixture f;
        test_env_init(&t);
        t.fail_at = n;
        t.now_ms = NOW;
        enum vs_status status = make(&f, &t.env, 2, 4, "", &err);
        if (status == VS_OK) {
            status = every_edit(&f, &err);
        }
        vs_arena_clear(&f.arena);
        vs_table_metadata_free(f.base);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK_OK(status, err);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK); // arenas try a smaller block
    }
}

TEST_MAIN(TEST(adding_columns),
          TEST(defaults_in_version_three),
          TEST(dropping_columns),
          TEST(renaming_and_moving),
          TEST(changing_types),
          TEST(specs),
          TEST(orders),
          TEST(properties_and_version),
          TEST(branches_and_tags),
          TEST(rollback),
          TEST(expiry_by_age),
          TEST(expiry_keeps_lineage),
          TEST(every_allocation_fails))
