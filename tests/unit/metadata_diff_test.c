// SPDX-License-Identifier: Apache-2.0
// Two documents and the requirements and updates between them, as the REST specification words
// them (open-api/rest-catalog-open-api.yaml, CommitTableRequest).
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/iceberg/metadata_diff.h"

#include <stdlib.h>

#define UUID "0198c9d0-1111-4222-8333-444455556666"
#define SCHEMA0                                                                                    \
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":"     \
    "true,\"type\":\"long\"}]}"
#define SCHEMA1                                                                                    \
    "{\"type\":\"struct\",\"schema-id\":1,\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":"     \
    "true,\"type\":\"long\"},{\"id\":2,\"name\":\"t\",\"required\":false,\"type\":\"string\"}]}"
#define SPEC0 "{\"spec-id\":0,\"fields\":[]}"
#define SPEC1                                                                                      \
    "{\"spec-id\":1,\"fields\":[{\"source-id\":1,\"field-id\":1000,\"transform\":\"bucket[4]\","   \
    "\"name\":\"b\"}]}"
#define ORDER0 "{\"order-id\":0,\"fields\":[]}"
#define ORDER1                                                                                     \
    "{\"order-id\":1,\"fields\":[{\"transform\":\"identity\",\"source-id\":1,\"direction\":"       \
    "\"asc\",\"null-order\":\"nulls-first\"}]}"
#define SNAP7                                                                                      \
    "{\"snapshot-id\":7,\"sequence-number\":1,\"timestamp-ms\":1700000000000,"                     \
    "\"manifest-list\":\"s3://b/t/metadata/7.avro\",\"summary\":{\"operation\":\"append\"},"       \
    "\"schema-id\":0}"
#define SNAP8                                                                                      \
    "{\"snapshot-id\":8,\"parent-snapshot-id\":7,\"sequence-number\":2,"                           \
    "\"timestamp-ms\":1700000001000,\"manifest-list\":\"s3://b/t/metadata/8.avro\","               \
    "\"summary\":{\"operation\":\"append\",\"vecstore.commit-id\":\"x\"},\"schema-id\":0}"
#define STATS7                                                                                     \
    "{\"snapshot-id\":7,\"statistics-path\":\"s3://b/t/metadata/7.stats\","                        \
    "\"file-size-in-bytes\":90,\"file-footer-size-in-bytes\":40,\"blob-metadata\":[]}"
#define PSTATS7                                                                                    \
    "{\"snapshot-id\":7,\"statistics-path\":\"s3://b/t/metadata/7.parquet\","                      \
    "\"file-size-in-bytes\":12}"
#define REF(id) "{\"snapshot-id\":" #id ",\"type\":\"branch\"}"

// A document; what a case leaves NULL has the plain value.
struct doc {
    const char *version, *location, *last_sequence, *last_column, *schema, *schemas;
    const char *spec, *specs, *last_partition, *order, *orders, *properties;
    const char *current, *snapshots, *refs, *statistics, *partition_statistics, *extra;
};

static const char *or_text(const char *text, const char *plain)
{
    return text != NULL ? text : plain;
}

static void render(const struct doc *doc, char *out, size_t size)
{
    int len = snprintf(
        out, size,
        "{\"format-version\":%s,\"table-uuid\":\"" UUID "\",\"location\":\"%s\","
        "\"last-sequence-number\":%s,\"last-updated-ms\":1700000009000,\"last-column-id\":%s,"
        "\"current-schema-id\":%s,\"schemas\":[%s],\"default-spec-id\":%s,"
        "\"partition-specs\":[%s],\"last-partition-id\":%s,\"default-sort-order-id\":%s,"
        "\"sort-orders\":[%s],\"properties\":{%s},\"current-snapshot-id\":%s,\"snapshots\":[%s],"
        "\"refs\":{%s},\"statistics\":[%s],\"partition-statistics\":[%s],\"snapshot-log\":[],"
        "\"metadata-log\":[]%s}",
        or_text(doc->version, "2"), or_text(doc->location, "s3://b/t"),
        or_text(doc->last_sequence, "9"), or_text(doc->last_column, "1"), or_text(doc->schema, "0"),
        or_text(doc->schemas, SCHEMA0), or_text(doc->spec, "0"), or_text(doc->specs, SPEC0),
        or_text(doc->last_partition, "999"), or_text(doc->order, "0"), or_text(doc->orders, ORDER0),
        or_text(doc->properties, ""), or_text(doc->current, "-1"), or_text(doc->snapshots, ""),
        or_text(doc->refs, ""), or_text(doc->statistics, ""),
        or_text(doc->partition_statistics, ""), or_text(doc->extra, ""));
    CHECK(len > 0 && (size_t)len < size);
}

static struct vs_table_metadata *parse(const struct vs_env *env, const struct doc *doc)
{
    struct vs_error err = {0};
    struct vs_table_metadata *m = NULL;
    char text[8192];
    render(doc, text, sizeof text);
    enum vs_status status = vs_table_metadata_parse(env, vs_str_from_c(text), "test", &m, &err);
    if (status != VS_OK && status != VS_NO_MEMORY) {
        CHECK_OK(status, err);
    }
    return m;
}

static enum vs_status diff_text(const struct vs_env *env,
                                const struct vs_table_metadata *base,
                                const struct vs_table_metadata *next,
                                struct vs_buf *text,
                                struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, text, false);
    vs_jw_object_begin(&w);
    enum vs_status status = vs_metadata_diff(env, base, next, &w, err);
    vs_jw_object_end(&w);
    return status == VS_OK ? vs_json_writer_finish(&w, err) : status;
}

struct diff_case {
    const char *name;
    struct doc base, next;
    const char *requirements; // besides assert-table-uuid, with a comma in front
    const char *updates;
};

#define ASSERT_REF(name, id)                                                                       \
    ",{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"" name "\",\"snapshot-id\":" #id "}"
#define SET_MAIN(id)                                                                               \
    "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\","                  \
    "\"snapshot-id\":" #id "}"
#define ADD_SNAP7 "{\"action\":\"add-snapshot\",\"snapshot\":" SNAP7 "}"
#define ADD_SNAP8 "{\"action\":\"add-snapshot\",\"snapshot\":" SNAP8 "}"
#define AT7 .current = "7", .snapshots = SNAP7, .refs = "\"main\":" REF(7)
#define AT8 .current = "8", .snapshots = SNAP7 "," SNAP8, .refs = "\"main\":" REF(8)
#define ONE_BRANCH ASSERT_REF("main", 7)

static const struct diff_case diff_cases[] = {
    {"nothing", {0}, {0}, "", ""},
    {"first append", {0}, {AT7}, ASSERT_REF("main", null), ADD_SNAP7 "," SET_MAIN(7)},
    {"append", {AT7}, {AT8}, ASSERT_REF("main", 7), ADD_SNAP8 "," SET_MAIN(8)},
    {"append with statistics",
     {AT7},
     {AT8, .statistics = "{\"snapshot-id\":8,\"statistics-path\":\"s3://b/t/metadata/i.puffin\","
                         "\"file-size-in-bytes\":900,\"file-footer-size-in-bytes\":40,"
                         "\"blob-metadata\":[]}"},
     ASSERT_REF("main", 7),
     ADD_SNAP8
     "," SET_MAIN(8) ",{\"action\":\"set-statistics\",\"snapshot-id\":8,\"statistics\":{"
                     "\"snapshot-id\":8,\"statistics-path\":\"s3://b/t/metadata/i.puffin\","
                     "\"file-size-in-bytes\":900,\"file-footer-size-in-bytes\":40,"
                     "\"blob-metadata\":[]}}"},
    {"schema",
     {0},
     {.schema = "1", .schemas = SCHEMA0 "," SCHEMA1, .last_column = "2"},
     ",{\"type\":\"assert-last-assigned-field-id\",\"last-assigned-field-id\":1}"
     ",{\"type\":\"assert-current-schema-id\",\"current-schema-id\":0}",
     "{\"action\":\"add-schema\",\"schema\":" SCHEMA1 ",\"last-column-id\":2},"
     "{\"action\":\"set-current-schema\",\"schema-id\":-1}"},
    {"back to an older schema",
     {.schema = "1", .schemas = SCHEMA0 "," SCHEMA1, .last_column = "2"},
     {.schema = "0", .schemas = SCHEMA0 "," SCHEMA1, .last_column = "2"},
     ",{\"type\":\"assert-last-assigned-field-id\",\"last-assigned-field-id\":2}"
     ",{\"type\":\"assert-current-schema-id\",\"current-schema-id\":1}",
     "{\"action\":\"set-current-schema\",\"schema-id\":0}"},
    {"remove a schema",
     {AT7, .schema = "1", .schemas = SCHEMA0 "," SCHEMA1, .last_column = "2"},
     {AT7, .schema = "1", .schemas = SCHEMA1, .last_column = "2"},
     ONE_BRANCH ",{\"type\":\"assert-current-schema-id\",\"current-schema-id\":1}",
     "{\"action\":\"remove-schemas\",\"schema-ids\":[0]}"},
    {"spec",
     {0},
     {.spec = "1", .specs = SPEC0 "," SPEC1, .last_partition = "1000"},
     ",{\"type\":\"assert-last-assigned-partition-id\",\"last-assigned-partition-id\":999}"
     ",{\"type\":\"assert-default-spec-id\",\"default-spec-id\":0}",
     "{\"action\":\"add-spec\",\"spec\":" SPEC1 "},"
     "{\"action\":\"set-default-spec\",\"spec-id\":-1}"},
    {"remove a spec",
     {AT7, .spec = "1", .specs = SPEC0 "," SPEC1, .last_partition = "1000"},
     {AT7, .spec = "1", .specs = SPEC1, .last_partition = "1000"},
     ONE_BRANCH ",{\"type\":\"assert-default-spec-id\",\"default-spec-id\":1}",
     "{\"action\":\"remove-partition-specs\",\"spec-ids\":[0]}"},
    {"sort order",
     {0},
     {.order = "1", .orders = ORDER0 "," ORDER1},
     ",{\"type\":\"assert-default-sort-order-id\",\"default-sort-order-id\":0}",
     "{\"action\":\"add-sort-order\",\"sort-order\":" ORDER1 "},"
     "{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1}"},
    {"back to unsorted",
     {.order = "1", .orders = ORDER0 "," ORDER1},
     {.order = "0", .orders = ORDER0 "," ORDER1},
     ",{\"type\":\"assert-default-sort-order-id\",\"default-sort-order-id\":1}",
     "{\"action\":\"set-default-sort-order\",\"sort-order-id\":0}"},
    {"properties",
     {.properties = "\"a\":\"1\",\"b\":\"2\",\"c\":\"3\""},
     {.properties = "\"c\":\"4\",\"a\":\"1\",\"d\":\"\\u00e9\\\"\""},
     "",
     "{\"action\":\"set-properties\",\"updates\":{\"c\":\"4\",\"d\":\"\xc3\xa9\\\"\"}},"
     "{\"action\":\"remove-properties\",\"removals\":[\"b\"]}"},
    {"location",
     {0},
     {.location = "s3://b/elsewhere"},
     "",
     "{\"action\":\"set-location\",\"location\":\"s3://b/elsewhere\"}"},
    {"upgrade",
     {.version = "1"},
     {.version = "2"},
     "",
     "{\"action\":\"upgrade-format-version\",\"format-version\":2}"},
    {"tag with retention",
     {AT7},
     {.current = "7",
      .snapshots = SNAP7,
      .refs =
          "\"main\":" REF(7) ",\"v1\":{\"snapshot-id\":7,\"type\":\"tag\",\"max-ref-age-ms\":5}"},
     ASSERT_REF("v1", null),
     "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"v1\",\"type\":\"tag\",\"snapshot-id\":7,"
     "\"max-ref-age-ms\":5}"},
    {"retention of a branch",
     {AT7},
     {.current = "7",
      .snapshots = SNAP7,
      .refs = "\"main\":{\"type\":\"branch\",\"max-snapshot-age-ms\":60,\"snapshot-id\":7,"
              "\"min-snapshots-to-keep\":3}"},
     ASSERT_REF("main", 7),
     "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\",\"snapshot-id\":7,"
     "\"min-snapshots-to-keep\":3,\"max-snapshot-age-ms\":60}"},
    {"the same ref, spelled otherwise",
     {AT7},
     {.current = "7",
      .snapshots = SNAP7,
      .refs = "\"main\": { \"type\" : \"branch\", \"snapshot-id\" : 7 }"},
     "",
     ""},
    {"remove a tag",
     {.current = "7",
      .snapshots = SNAP7,
      .refs = "\"main\":" REF(7) ",\"v1\":{\"snapshot-id\":7,\"type\":\"tag\"}"},
     {AT7},
     ASSERT_REF("v1", 7),
     "{\"action\":\"remove-snapshot-ref\",\"ref-name\":\"v1\"}"},
    {"rollback",
     {AT8},
     {.current = "7", .snapshots = SNAP7 "," SNAP8, .refs = "\"main\":" REF(7)},
     ASSERT_REF("main", 8),
     SET_MAIN(7)},
    {"expire",
     {AT8, .statistics = STATS7, .partition_statistics = PSTATS7},
     {.current = "8", .snapshots = SNAP8, .refs = "\"main\":" REF(8)},
     ASSERT_REF("main", 8),
     "{\"action\":\"remove-statistics\",\"snapshot-id\":7},"
     "{\"action\":\"remove-partition-statistics\",\"snapshot-id\":7},"
     "{\"action\":\"remove-snapshots\",\"snapshot-ids\":[7]}"},
    {"replace statistics",
     {AT7, .statistics = STATS7},
     {AT7, .statistics = "{\"snapshot-id\":7,\"statistics-path\":\"s3://b/t/metadata/n.stats\","
                         "\"file-size-in-bytes\":91,\"file-footer-size-in-bytes\":41,"
                         "\"key-metadata\":\"a2V5\",\"blob-metadata\":[]}"},
     "",
     "{\"action\":\"set-statistics\",\"snapshot-id\":7,\"statistics\":{\"snapshot-id\":7,"
     "\"statistics-path\":\"s3://b/t/metadata/n.stats\",\"file-size-in-bytes\":91,"
     "\"file-footer-size-in-bytes\":41,\"key-metadata\":\"a2V5\",\"blob-metadata\":[]}}"},
    {"partition statistics",
     {AT7},
     {AT7, .partition_statistics = PSTATS7},
     "",
     "{\"action\":\"set-partition-statistics\",\"partition-statistics\":" PSTATS7 "}"},
    {"encryption keys",
     {.extra = ",\"encryption-keys\":[{\"key-id\":\"k1\",\"encrypted-key-metadata\":\"aa\"}]"},
     {.extra = ",\"encryption-keys\":[{\"key-id\":\"k2\",\"encrypted-key-metadata\":\"bb\"}]"},
     "",
     "{\"action\":\"add-encryption-key\",\"encryption-key\":{\"key-id\":\"k2\","
     "\"encrypted-key-metadata\":\"bb\"}},"
     "{\"action\":\"remove-encryption-key\",\"key-id\":\"k1\"}"},
    {"everything at once, in the order that servers take",
     {AT7, .properties = "\"a\":\"1\"", .statistics = STATS7},
     {.schema = "1",
      .schemas = SCHEMA0 "," SCHEMA1,
      .last_column = "2",
      .spec = "1",
      .specs = SPEC0 "," SPEC1,
      .last_partition = "1000",
      .order = "1",
      .orders = ORDER0 "," ORDER1,
      .current = "8",
      .snapshots = SNAP8,
      .refs = "\"main\":" REF(8)},
     ASSERT_REF(
         "main",
         7) ",{\"type\":\"assert-last-assigned-field-id\",\"last-assigned-field-id\":1}"
            ",{\"type\":\"assert-current-schema-id\",\"current-schema-id\":0}"
            ",{\"type\":\"assert-last-assigned-partition-id\",\"last-assigned-partition-id\":999}"
            ",{\"type\":\"assert-default-spec-id\",\"default-spec-id\":0}"
            ",{\"type\":\"assert-default-sort-order-id\",\"default-sort-order-id\":0}",
     "{\"action\":\"add-schema\",\"schema\":" SCHEMA1 ",\"last-column-id\":2},"
     "{\"action\":\"set-current-schema\",\"schema-id\":-1},"
     "{\"action\":\"add-spec\",\"spec\":" SPEC1 "},"
     "{\"action\":\"set-default-spec\",\"spec-id\":-1},"
     "{\"action\":\"add-sort-order\",\"sort-order\":" ORDER1 "},"
     "{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1},"
     "{\"action\":\"remove-properties\",\"removals\":[\"a\"]}," ADD_SNAP8
     "," SET_MAIN(8) ","
                     "{\"action\":\"remove-statistics\",\"snapshot-id\":7},"
                     "{\"action\":\"remove-snapshots\",\"snapshot-ids\":[7]}"},
};

static void check_case(const struct diff_case *c)
{
    struct vs_error err = {0};
    struct vs_buf text;
    char expected[8192];
    struct vs_table_metadata *base = parse(vs_env_default(), &c->base);
    struct vs_table_metadata *next = parse(vs_env_default(), &c->next);
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    (void)snprintf(expected, sizeof expected,
                   "{\"requirements\":[{\"type\":\"assert-table-uuid\",\"uuid\":\"" UUID "\"}%s],"
                   "\"updates\":[%s]}",
                   c->requirements, c->updates);
    if (base != NULL && next != NULL) {
        int before = check_failures;
        CHECK_OK(diff_text(vs_env_default(), base, next, &text, &err), err);
        CHECK_TEXT(vs_buf_c_str(&text), expected);
        if (check_failures != before) {
            fprintf(stderr, "    in case \"%s\"\n", c->name);
        }
    }
    vs_buf_clear(&text);
    vs_table_metadata_free(base);
    vs_table_metadata_free(next);
}

static void differences(void)
{
    for (size_t i = 0; i < sizeof diff_cases / sizeof diff_cases[0]; i++) {
        check_case(&diff_cases[i]);
    }
}

static void create_from_nothing(void)
{
    struct vs_error err = {0};
    struct vs_buf text;
    struct doc doc = {.properties = "\"p\":\"q\"",
                      .current = "7",
                      .snapshots = SNAP7,
                      .refs = "\"main\":" REF(7)};
    struct vs_table_metadata *next = parse(vs_env_default(), &doc);
    REQUIRE(next != NULL);
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    CHECK_OK(diff_text(vs_env_default(), NULL, next, &text, &err), err);
    CHECK_TEXT(vs_buf_c_str(&text),
               "{\"requirements\":[{\"type\":\"assert-create\"}],\"updates\":["
               "{\"action\":\"assign-uuid\",\"uuid\":\"" UUID "\"},"
               "{\"action\":\"upgrade-format-version\",\"format-version\":2},"
               "{\"action\":\"add-schema\",\"schema\":" SCHEMA0 ",\"last-column-id\":1},"
               "{\"action\":\"set-current-schema\",\"schema-id\":-1},"
               "{\"action\":\"add-spec\",\"spec\":" SPEC0 "},"
               "{\"action\":\"set-default-spec\",\"spec-id\":-1},"
               "{\"action\":\"add-sort-order\",\"sort-order\":" ORDER0 "},"
               "{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1},"
               "{\"action\":\"set-location\",\"location\":\"s3://b/t\"},"
               "{\"action\":\"set-properties\",\"updates\":{\"p\":\"q\"}}," ADD_SNAP7
               "," SET_MAIN(7) "]}");
    vs_buf_clear(&text);
    vs_table_metadata_free(next);
}

// Version 3: a snapshot's row ids travel with it. Built by hand, so that nothing depends on what
// the reader takes.
static void row_ids(void)
{
    struct vs_error err = {0};
    struct vs_buf text;
    struct doc doc = {0};
    struct vs_pair summary[] = {{VS_STR("operation"), VS_STR("append")}};
    struct vs_snapshot snapshot = {.snapshot_id = 7,
                                   .parent_id = VS_NO_SNAPSHOT,
                                   .sequence_number = 1,
                                   .timestamp_ms = 5,
                                   .manifest_list = VS_STR("s3://b/l"),
                                   .schema_id = 0,
                                   .first_row_id = 0,
                                   .added_rows = 20,
                                   .summary_count = 1,
                                   .summary = summary,
                                   .extra_json = VS_STR("\"key-id\":\"k\"")};
    struct vs_ref ref = {VS_STR("main"), 7, true, VS_STR(REF(7))};
    struct vs_table_metadata *base = parse(vs_env_default(), &doc);
    REQUIRE(base != NULL);
    struct vs_table_metadata v3 = *base, next = *base;
    v3.format_version = next.format_version = 3;
    next.snapshots = &snapshot;
    next.refs = &ref;
    next.snapshot_count = next.ref_count = 1;
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    CHECK_OK(diff_text(vs_env_default(), &v3, &next, &text, &err), err);
    CHECK_TEXT(vs_buf_c_str(&text),
               "{\"requirements\":[{\"type\":\"assert-table-uuid\",\"uuid\":\"" UUID
               "\"}" ASSERT_REF(
                   "main",
                   null) "],\"updates\":[{\"action\":\"add-snapshot\","
                         "\"snapshot\":{\"snapshot-id\":7,\"sequence-number\":1,\"timestamp-ms\":5,"
                         "\"manifest-list\":\"s3://b/l\",\"summary\":{\"operation\":\"append\"},"
                         "\"schema-id\":0,\"first-row-id\":0,\"added-rows\":20,\"key-id\":\"k\"}}"
                         "," SET_MAIN(7) "]}");
    vs_buf_clear(&text);
    vs_table_metadata_free(base);
}

static void refusals(void)
{
    struct vs_error err = {0};
    struct vs_buf text;
    struct doc plain = {0}, other = {.schemas = SCHEMA0}, spec = {.specs = SPEC0 "," SPEC1};
    struct vs_table_metadata *base = parse(vs_env_default(), &plain);
    struct vs_table_metadata *next = parse(vs_env_default(), &other);
    struct vs_table_metadata *with_spec = parse(vs_env_default(), &spec);
    REQUIRE(base != NULL && next != NULL && with_spec != NULL);
    vs_buf_init(&text, vs_env_default(), 1 << 20);
    next->schema_json[0] = VS_STR("{\"type\":\"struct\",\"schema-id\":0,\"fields\":[]}");
    CHECK_STATUS(diff_text(vs_env_default(), base, next, &text, &err), VS_UNSUPPORTED);
    CHECK(strstr(err.message, "schema 0") != NULL);
    next->uuid.bytes[0] ^= 1;
    CHECK_STATUS(diff_text(vs_env_default(), base, next, &text, &err), VS_INVALID);
    base->format_version = 3;
    next->uuid.bytes[0] ^= 1;
    CHECK_STATUS(diff_text(vs_env_default(), base, next, &text, &err), VS_INVALID);
    base->format_version = 2;
    base->partition_specs_json =
        VS_STR("[{\"spec-id\":0,\"fields\":[]},{\"spec-id\":1,\"fields\":[]}]");
    CHECK_STATUS(diff_text(vs_env_default(), base, with_spec, &text, &err), VS_UNSUPPORTED);
    CHECK(strstr(err.message, "partition spec 1") != NULL);
    base->partition_specs_json = VS_STR("{}");
    CHECK_STATUS(diff_text(vs_env_default(), base, with_spec, &text, &err), VS_CORRUPT);
    vs_buf_clear(&text);
    vs_table_metadata_free(base);
    vs_table_metadata_free(next);
    vs_table_metadata_free(with_spec);
}

static void failing_allocations(void)
{
    const struct diff_case *c = &diff_cases[sizeof diff_cases / sizeof diff_cases[0] - 1];
    struct vs_table_metadata *base = parse(vs_env_default(), &c->base);
    struct vs_table_metadata *next = parse(vs_env_default(), &c->next);
    REQUIRE(base != NULL && next != NULL);
    struct vs_error plain_err = {0};
    struct vs_buf plain;
    vs_buf_init(&plain, vs_env_default(), 1 << 20);
    CHECK_OK(diff_text(vs_env_default(), base, next, &plain, &plain_err), plain_err);
    long refused = 0;
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_error err = {0};
        struct vs_buf text;
        test_env_init(&t);
        t.fail_at = n;
        vs_buf_init(&text, &t.env, 1 << 20);
        enum vs_status status = diff_text(&t.env, base, next, &text, &err);
        if (status == VS_OK) { // a parser that cannot shrink its memory goes on
            CHECK(vs_str_equal(vs_buf_view(&text), vs_buf_view(&plain)));
        }
        vs_buf_clear(&text);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK_OK(status, err);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK);
        refused += status == VS_NO_MEMORY;
    }
    CHECK(refused > 10);
    vs_buf_clear(&plain);
    vs_table_metadata_free(base);
    vs_table_metadata_free(next);
}

TEST_MAIN(TEST(differences),
          TEST(create_from_nothing),
          TEST(row_ids),
          TEST(refusals),
          TEST(failing_allocations))
