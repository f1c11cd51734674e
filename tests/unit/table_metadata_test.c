// SPDX-License-Identifier: Apache-2.0
// Table metadata: other writers' documents (the conformance corpus), round trips, refusals, new
// tables (interop failures 8, 12, 16).
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/format/codec.h"
#include "vecstore/iceberg/table_metadata.h"

#define CORPUS "../shared/data/conform/"

static const char minimal[] =
    "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\",\"location\":"
    "\"file:///w/t\",\"last-sequence-number\":3,"
    "\"last-updated-ms\":1602638573590,\"last-column-id\":3,\"current-schema-id\":0,\"schemas\":[{"
    "\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},{\"id\":2,\"name\":\"v\","
    "\"required\":false,\"type\":{\"type\":\"list\","
    "\"element-id\":3,\"element\":\"float\",\"element-required\":false}}]}],\"default-spec-id\":0,"
    "\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],"
    "\"last-partition-id\":999,\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,"
    "\"fields\":[]}]";

static const char with_snapshots[] =
    ",\"current-snapshot-id\":6051729675574597004,\"snapshots\":[{\"snapshot-id\":"
    "3051729675574597004,\"timestamp-ms\":1555100955770,"
    "\"sequence-number\":1,\"manifest-list\":\"file:///w/t/metadata/"
    "a.avro\",\"summary\":{\"operation\":\"append\"},\"other\":[1]},"
    "{\"snapshot-id\":6051729675574597004,\"parent-snapshot-id\":3051729675574597004,\"timestamp-"
    "ms\":1602638573590,\"sequence-number\":3,"
    "\"manifest-list\":\"file:///w/t/metadata/"
    "b.avro\",\"summary\":{\"operation\":\"delete\"},\"schema-id\":0}],"
    "\"snapshot-log\":[{\"snapshot-id\":3051729675574597004,\"timestamp-ms\":1555100955770},{"
    "\"snapshot-id\":6051729675574597004,"
    "\"timestamp-ms\":1602638573590}],\"refs\":{\"main\":{\"snapshot-id\":6051729675574597004,"
    "\"type\":\"branch\",\"max-ref-age-ms\":5},"
    "\"old\":{\"snapshot-id\":3051729675574597004,\"type\":\"tag\"}},\"unknown-part\":{\"a\":null}";

#define SCHEMA_FIELDS                                                                              \
    "\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,"                 \
    "\"type\":\"long\"},{\"id\":2,\"name\":\"at\",\"required\":false,\"type\":\"timestamp\"}]"

// All that version 1 asks for: no uuid, no schema ids, one spec without field ids, no orders.
static const char minimal_v1[] =
    "{\"format-version\":1,\"location\":\"s3://b/t/\",\"last-updated-ms\":5,\"last-column-id\":2,"
    "\"schema\":{" SCHEMA_FIELDS "},\"partition-spec\":[{\"name\":\"at_day\",\"transform\":\"day\","
    "\"source-id\":2},{\"name\":\"b\",\"transform\":\"bucket[4]\",\"source-id\":1}]";

static const char minimal_v3[] =
    "{\"format-version\":3,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\",\"location\":"
    "\"file:///w/t\",\"last-sequence-number\":3,\"last-updated-ms\":1602638573590,"
    "\"last-column-id\":2,\"current-schema-id\":0,\"schemas\":[{\"schema-id\":0," SCHEMA_FIELDS
    "}],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],"
    "\"last-partition-id\":999,\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,"
    "\"fields\":[]}]";

static enum vs_status parse(const struct vs_env *env,
                            const char *head,
                            const char *tail,
                            struct vs_table_metadata **out,
                            struct vs_error *err)
{
    struct vs_buf text;
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    CHECK_OK(vs_buf_printf(&text, err, "%s%s}", head, tail), *err);
    enum vs_status status = vs_table_metadata_parse(env, vs_buf_view(&text), "t.json", out, err);
    vs_buf_clear(&text);
    return status;
}

// Failure 8: the three forms of "no snapshot".
static void empty_tables(void)
{
    static const char *const forms[] = {
        "", ",\"current-snapshot-id\":-1",
        ",\"current-snapshot-id\":null,\"snapshots\":null,\"refs\":{}"};
    for (size_t i = 0; i < 3; i++) {
        struct vs_error err = {0};
        struct vs_table_metadata *m = NULL;
        REQUIRE_OK(parse(vs_env_default(), minimal, forms[i], &m, &err), err);
        CHECK(m->current_snapshot_id == VS_NO_SNAPSHOT);
        CHECK_INT(m->snapshot_count, 0);
        CHECK(!m->is_partitioned);
        CHECK_INT(vs_table_current_schema(m)->fields[1].element_id, 3);
        CHECK_INT(vs_table_current_schema(m)->fields[1].element_kind, VS_KIND_FLOAT);
        vs_table_metadata_free(m);
    }
}

static void whole_document(void)
{
    struct vs_error err = {0};
    struct vs_table_metadata *m = NULL;
    const struct vs_snapshot *snapshot = NULL;
    REQUIRE_OK(parse(vs_env_default(), minimal, with_snapshots, &m, &err), err);
    CHECK(m->current_snapshot_id == 6051729675574597004); // more than a double holds
    CHECK(m->snapshots[1].parent_id == 3051729675574597004);
    CHECK(!vs_table_ref(m, VS_STR("old"))->is_branch);
    CHECK(vs_table_ref(m, VS_STR("none")) == NULL);
    CHECK_OK(vs_table_snapshot_as_of(m, 1555100955771, &snapshot, &err), err);
    CHECK(snapshot->snapshot_id == 3051729675574597004);
    CHECK_OK(vs_table_snapshot_as_of(m, 1602638573590, &snapshot, &err), err);
    CHECK(snapshot->snapshot_id == 6051729675574597004);
    CHECK_STATUS(vs_table_snapshot_as_of(m, 1555100955769, &snapshot, &err), VS_NOT_FOUND);
    CHECK(strstr(err.message, "3051729675574597004") != NULL);
    vs_table_metadata_free(m);
}

// Version 1 says little: the rest is what Java makes of it.
static void version_one(void)
{
    struct vs_error err = {0};
    struct vs_table_metadata *m = NULL;
    REQUIRE_OK(parse(vs_env_default(), minimal_v1,
                     ",\"current-snapshot-id\":7,\"snapshots\":[{\"snapshot-id\":7,"
                     "\"timestamp-ms\":4,\"manifests\":[\"s3://b/t/m.avro\"]}]",
                     &m, &err),
               err);
    CHECK_INT(m->spec_count, 1);
    CHECK_INT(m->specs[0].field_count, 2);
    CHECK_INT(m->specs[0].fields[1].field_id, 1001); // by position
    CHECK(vs_str_equal_c(m->specs[0].fields[1].transform, "bucket[4]"));
    CHECK_INT(m->last_partition_id, 1001);
    CHECK(m->is_partitioned);
    CHECK_INT(m->sort_order_count, 1);
    CHECK_INT(m->last_sequence_number, 0);
    CHECK_INT(m->snapshots[0].sequence_number, 0);
    CHECK_INT(m->next_row_id, -1);
    CHECK(vs_table_ref(m, VS_STR("main")) != NULL); // made of current-snapshot-id
    struct vs_buf text;
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    CHECK_STATUS(vs_table_metadata_format(m, &text, &err), VS_UNSUPPORTED);
    CHECK(strstr(err.message, "--set-format-version 2") != NULL);
    vs_buf_clear(&text);
    vs_table_metadata_free(m);
    m = NULL;
    REQUIRE_OK(parse(vs_env_default(), minimal_v1,
                     ",\"partition-specs\":[{\"spec-id\":3,\"fields\":[]},{\"spec-id\":5,"
                     "\"fields\":[{\"source-id\":1,\"field-id\":1007,\"name\":\"i\","
                     "\"transform\":\"identity\"}]}]",
                     &m, &err),
               err);
    CHECK_INT(m->default_spec_id, 5); // the highest
    CHECK_INT(m->last_partition_id, 1007);
    CHECK(vs_table_spec(m, 4) == NULL);
    vs_table_metadata_free(m);
}

static void version_three(void)
{
    struct vs_error err = {0};
    struct vs_table_metadata *m = NULL, *again = NULL;
    REQUIRE_OK(parse(vs_env_default(), minimal_v3,
                     ",\"next-row-id\":70,\"current-snapshot-id\":7,\"snapshots\":[{\"snapshot-id\""
                     ":7,\"sequence-number\":1,\"timestamp-ms\":4,\"manifest-list\":\"a\","
                     "\"first-row-id\":0,\"added-rows\":70,\"key-id\":\"k\"}],"
                     "\"encryption-keys\":[{\"key-id\":\"k\"}]",
                     &m, &err),
               err);
    CHECK_INT(m->next_row_id, 70);
    CHECK_INT(m->snapshots[0].added_rows, 70);
    CHECK_INT(m->snapshots[0].first_row_id, 0);
    struct vs_buf text;
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    REQUIRE_OK(vs_table_metadata_format(m, &text, &err), err);
    CHECK(strstr(vs_buf_c_str(&text), "\"key-id\":\"k\"}]") != NULL);
    CHECK_OK(vs_table_metadata_parse(vs_env_default(), vs_buf_view(&text), "again", &again, &err),
             err);
    CHECK(again != NULL && again->next_row_id == 70 && again->snapshots[0].added_rows == 70);
    vs_table_metadata_free(again);
    vs_table_metadata_free(m);
    m = NULL;
    vs_buf_reset(&text);
    REQUIRE_OK(parse(vs_env_default(), minimal_v3, "", &m, &err), err); // next-row-id left out
    CHECK_INT(m->next_row_id, 0);
    CHECK_OK(vs_table_metadata_format(m, &text, &err), err);
    CHECK(strstr(vs_buf_c_str(&text), "\"current-snapshot-id\":null") != NULL);
    vs_table_metadata_free(m);
    vs_buf_clear(&text);
}

// What is written is read again, with the parts that are not interpreted.
static void round_trip(void)
{
    struct vs_error err = {0};
    struct vs_table_metadata *m = NULL, *again = NULL;
    struct vs_buf first, second;
    vs_buf_init(&first, vs_env_default(), 1 << 20);
    vs_buf_init(&second, vs_env_default(), 1 << 20);
    REQUIRE_OK(parse(vs_env_default(), minimal, with_snapshots, &m, &err), err);
    REQUIRE_OK(vs_table_metadata_format(m, &first, &err), err);
    REQUIRE_OK(
        vs_table_metadata_parse(vs_env_default(), vs_buf_view(&first), "again", &again, &err), err);
    REQUIRE_OK(vs_table_metadata_format(again, &second, &err), err);
    CHECK_TEXT(vs_buf_c_str(&first), vs_buf_c_str(&second));
    CHECK(strstr(vs_buf_c_str(&first), "\"max-ref-age-ms\":5") != NULL);
    CHECK(strstr(vs_buf_c_str(&first), "\"unknown-part\":{\"a\":null}") != NULL);
    CHECK(strstr(vs_buf_c_str(&first), "\"other\":[1]") != NULL);
    vs_table_metadata_free(again);
    again = NULL;
    // gzip is recognised by its magic
    vs_buf_reset(&second);
    REQUIRE_OK(vs_codec_compress(VS_CODEC_GZIP, 6, first.data, first.len, &second, &err), err);
    CHECK_OK(vs_table_metadata_parse(vs_env_default(), vs_buf_view(&second), "gz", &again, &err),
             err);
    CHECK(again != NULL && again->snapshot_count == 2);
    vs_table_metadata_free(again);
    vs_table_metadata_free(m);
    vs_buf_clear(&first);
    vs_buf_clear(&second);
}

static void refuse(const char *head, const char *tail, enum vs_status expected, const char *reason)
{
    struct vs_error err = {0};
    struct vs_table_metadata *m = NULL;
    CHECK_STATUS(parse(vs_env_default(), head, tail, &m, &err), expected);
    if (strstr(err.message, reason) == NULL) {
        check_report(__FILE__, __LINE__, reason);
        fprintf(stderr, "    %s\n", err.message);
    }
    vs_table_metadata_free(m);
}

static void refusals(void)
{
    refuse("{\"format-version\":4", "", VS_UNSUPPORTED, "format version 4");
    refuse("{\"format-version\":0", "", VS_UNSUPPORTED, "format version 0");
    refuse("{\"format-version\":3", "", VS_CORRUPT, "table-uuid");
    refuse(minimal_v3, ",\"next-row-id\":-1", VS_CORRUPT, "next-row-id");
    refuse(minimal_v1,
           ",\"partition-specs\":[{\"spec-id\":2,\"fields\":[]},{\"spec-id\":2,"
           "\"fields\":[]}]",
           VS_CORRUPT, "listed twice");
    refuse(minimal_v1,
           ",\"partition-specs\":[{\"spec-id\":2,\"fields\":[]}],"
           "\"default-spec-id\":1",
           VS_CORRUPT, "default-spec-id is 1");
    refuse(minimal_v1,
           ",\"sort-orders\":[{\"order-id\":1,\"fields\":[{\"source-id\":1,"
           "\"transform\":\"identity\",\"direction\":\"up\",\"null-order\":"
           "\"nulls-first\"}]}]",
           VS_CORRUPT, "neither asc nor desc");
    refuse("{\"a\":1", "", VS_CORRUPT, "no format-version");
    refuse("{\"format-version\":2", "", VS_CORRUPT, "table-uuid");
    refuse("[1", "]", VS_CORRUPT, "");
    refuse(minimal, ",\"current-snapshot-id\":5", VS_CORRUPT, "not among");
    refuse(minimal, ",\"refs\":{\"main\":{\"snapshot-id\":5,\"type\":\"branch\"}}", VS_CORRUPT,
           "does not have");
    refuse(minimal,
           ",\"snapshots\":[{\"snapshot-id\":7,\"timestamp-ms\":1,\"sequence-number\":1,\"manifest-"
           "list\":\"a\"}],"
           "\"refs\":{\"main\":{\"snapshot-id\":7,\"type\":\"branch\"}}",
           VS_CORRUPT, "branch main");
    refuse(minimal,
           ",\"snapshots\":[{\"snapshot-id\":7,\"timestamp-ms\":1,\"sequence-number\":9,\"manifest-"
           "list\":\"a\"}]",
           VS_CORRUPT, "sequence number 9");
    refuse(minimal, ",\"snapshot-log\":[{\"snapshot-id\":7,\"timestamp-ms\":1602638999999}]",
           VS_CORRUPT, "last-updated-ms");
    refuse(minimal,
           ",\"snapshot-log\":[{\"snapshot-id\":7,\"timestamp-ms\":70000},{\"snapshot-id\":7,"
           "\"timestamp-ms\":1}]",
           VS_CORRUPT, "go back");
    refuse(minimal, ",\"properties\":{\"a\":1}", VS_CORRUPT, "not a string");
    refuse(minimal,
           ",\"statistics\":[{\"snapshot-id\":1,\"statistics-path\":\"x\",\"file-size-in-bytes\":-"
           "1,\"file-footer-size-in-bytes\":1}]",
           VS_CORRUPT, "negative size");
}

// Every cut of a valid document is refused and leaks nothing.
static void cut_documents(void)
{
    struct vs_buf text;
    struct vs_error err = {0};
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    REQUIRE_OK(vs_buf_printf(&text, &err, "%s%s}", minimal, with_snapshots), err);
    for (size_t n = 0; n < text.len; n++) {
        struct test_env t;
        struct vs_table_metadata *m = NULL;
        test_env_init(&t);
        CHECK_STATUS(vs_table_metadata_parse(&t.env, (struct vs_str){(const char *)text.data, n},
                                             "cut", &m, &err),
                     VS_CORRUPT);
        CHECK_INT(t.live, 0);
    }
    vs_buf_clear(&text);
}

static void every_allocation_fails(void)
{
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_error err = {0};
        struct vs_table_metadata *m = NULL;
        struct vs_buf out;
        test_env_init(&t);
        t.fail_at = n;
        vs_buf_init(&out, &t.env, 1 << 20);
        enum vs_status status = parse(&t.env, minimal, with_snapshots, &m, &err);
        if (status == VS_OK) {
            status = vs_table_metadata_format(m, &out, &err);
        }
        vs_buf_clear(&out);
        vs_table_metadata_free(m);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK);
    }
}

static void new_tables(void)
{
    struct vs_error err = {0};
    struct vs_table_metadata *m = NULL;
    int32_t identifier[] = {40};
    struct vs_field fields[] = {
        {.id = 40, .name = VS_STR("id"), .kind = VS_KIND_STRING, .required = true},
        {.id = 41, .name = VS_STR("v"), .kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT},
        {.id = 42, .name = VS_STR("price"), .kind = VS_KIND_DECIMAL, .precision = 12, .scale = 2},
        {.id = 43, .name = VS_STR("w"), .kind = VS_KIND_LIST, .element_kind = VS_KIND_DOUBLE},
    };
    struct vs_schema schema = {
        .field_count = 4, .fields = fields, .identifier_count = 1, .identifier_ids = identifier};
    const struct vs_pair properties[] = {{VS_STR("a"), VS_STR("b")},
                                         {VS_STR("format-version"), VS_STR("2")}};
    struct vs_table_create create = {.location = VS_STR("file:///w/t/"),
                                     .schema = &schema,
                                     .properties = properties,
                                     .property_count = 2};
    REQUIRE_OK(vs_table_metadata_new(vs_env_default(), &create, &m, &err), err);
    const struct vs_schema *s = vs_table_current_schema(m);
    CHECK_INT(s->fields[3].id, 4); // breadth-first: top level, then elements
    CHECK_INT(s->fields[1].element_id, 5);
    CHECK_INT(s->fields[3].element_id, 6);
    CHECK_INT(m->last_column_id, 6);
    CHECK_INT(s->identifier_ids[0], 1);
    CHECK(vs_str_equal_c(m->location, "file:///w/t"));
    CHECK_INT(m->property_count, 1);
    struct vs_buf text;
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    CHECK_OK(vs_table_metadata_format(m, &text, &err), err);
    CHECK(strstr(vs_buf_c_str(&text), "\"type\":\"decimal(12, 2)\"") != NULL);
    CHECK(strstr(vs_buf_c_str(&text), "\"current-snapshot-id\":-1") != NULL);
    vs_buf_clear(&text);
    vs_table_metadata_free(m);
    fields[0].required = false;
    CHECK_STATUS(vs_table_metadata_new(vs_env_default(), &create, &m, &err), VS_INVALID);
    fields[0].required = true;
    fields[2].name = VS_STR("w");
    CHECK_STATUS(vs_table_metadata_new(vs_env_default(), &create, &m, &err), VS_INVALID);
}

// ---- corpus ----

static int64_t number_of(const struct vs_json *object, const char *key)
{
    int64_t value = -1;
    struct vs_str text;
    const struct vs_json *json = vs_json_get(object, key);
    if (vs_json_to_str(json, &text)) {
        CHECK_INT(vs_parse_i64(text, &value, NULL), VS_OK);
    } else {
        (void)vs_json_to_i64(json, &value);
    }
    return value;
}

static void check_written(const struct vs_table_metadata *m, const struct vs_json *written)
{
    CHECK_INT(m->format_version, number_of(written, "format_version"));
    CHECK_INT(m->current_snapshot_id, number_of(written, "current_snapshot_id"));
    CHECK_INT(m->last_column_id, number_of(written, "last_column_id"));
    CHECK_INT(m->snapshot_count, vs_json_count(vs_json_get(written, "snapshots")));
    CHECK_INT(m->statistics_count, number_of(written, "statistics"));
    CHECK_INT(m->property_count, number_of(written, "properties"));
    struct vs_str location;
    CHECK(vs_json_to_str(vs_json_get(written, "location"), &location) &&
          vs_str_equal(location, m->location));
    if (vs_json_is(vs_json_get(written, "partition_specs"), VS_JSON_INT) &&
        number_of(written, "partition_specs") > 0) { // v1 may have the single form instead
        CHECK_INT(m->spec_count, number_of(written, "partition_specs"));
        CHECK_INT(m->sort_order_count,
                  m->format_version == 1 ? 1 : number_of(written, "sort_orders"));
    }
    if (m->format_version >= 2) {
        struct vs_error err = {0};
        struct vs_buf text;
        struct vs_table_metadata *again = NULL;
        vs_buf_init(&text, vs_env_default(), 1 << 24);
        CHECK_OK(vs_table_metadata_format(m, &text, &err), err);
        CHECK_OK(
            vs_table_metadata_parse(vs_env_default(), vs_buf_view(&text), "again", &again, &err),
            err);
        CHECK(again != NULL && again->schema_count == m->schema_count &&
              again->ref_count == m->ref_count);
        vs_table_metadata_free(again);
        vs_buf_clear(&text);
    }
}

static void corpus_documents(void)
{
    struct vs_buf json;
    struct vs_json_doc *doc = NULL;
    struct vs_error err = {0};
    struct vs_json_limits limits = {.max_depth = 64};
    size_t read = 0, refused = 0;
    vs_buf_init(&json, vs_env_default(), (size_t)1 << 30);
    if (!test_file_read(CORPUS "expected.json", &json)) {
        SKIP("the conformance corpus is not here");
    }
    REQUIRE_OK(
        vs_json_parse(vs_env_default(), vs_buf_view(&json), "expected.json", &limits, &doc, &err),
        err);
    struct vs_json_iter iter;
    struct vs_str key, expect;
    const struct vs_json *entry;
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(doc), "metadata"));
    while (vs_json_iter_next(&iter, &key, &entry)) {
        char path[1024];
        struct vs_buf bytes;
        struct vs_table_metadata *m = NULL;
        int before = check_failures;
        snprintf(path, sizeof path, CORPUS "%.*s", VS_STR_ARG(key));
        vs_buf_init(&bytes, vs_env_default(), (size_t)1 << 30);
        CHECK(test_file_read(path, &bytes));
        const struct vs_json *written = vs_json_get(entry, "as_written");
        CHECK(vs_json_to_str(vs_json_get(entry, "expect"), &expect));
        enum vs_status status =
            vs_table_metadata_parse(vs_env_default(), vs_buf_view(&bytes), path, &m, &err);
        if (number_of(written, "format_version") > 3) {
            CHECK_INT(status, VS_UNSUPPORTED);
            refused++;
        } else if (vs_str_equal_c(expect, "error")) {
            CHECK_INT(status, VS_CORRUPT);
            refused++;
        } else {
            CHECK_OK(status, err);
            if (m != NULL) {
                check_written(m, written);
            }
            read++;
        }
        if (check_failures != before) {
            fprintf(stderr, "    in %s\n", path);
        }
        vs_table_metadata_free(m);
        vs_buf_clear(&bytes);
    }
    printf("%zu documents read, %zu refused\n", read, refused);
    CHECK_INT(read + refused, 16);
    vs_json_free(doc);
    vs_buf_clear(&json);
}

TEST_MAIN(TEST(empty_tables),
          TEST(whole_document),
          TEST(version_one),
          TEST(version_three),
          TEST(round_trip),
          TEST(refusals),
          TEST(cut_documents),
          TEST(every_allocation_fails),
          TEST(new_tables),
          TEST(corpus_documents))
