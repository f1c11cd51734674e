// SPDX-License-Identifier: Apache-2.0
// Partition transforms: the specification's vectors, times before 1970, bounds, paths.
#include "tests/support/check.h"
#include "vecstore/iceberg/transform.h"

static struct vs_value apply(const char *transform, enum vs_kind kind, struct vs_value value)
{
    struct vs_error err = {0};
    struct vs_transform t = {0};
    struct vs_value result = {0};
    struct vs_field field = {.name = VS_STR("c"), .kind = kind, .precision = 38, .scale = 2};
    value.kind = kind;
    CHECK_OK(vs_transform_parse(vs_str_from_c(transform), &t, &err), err);
    CHECK_OK(vs_transform_apply(&t, &field, &value, &result, &err), err);
    return result;
}

#define NUMBER(n) ((struct vs_value){.as.integer = (n)})
#define TEXT(t) ((struct vs_value){.as.text = VS_STR(t)})
#define DECIMAL(n) ((struct vs_value){.as.decimal = (n)})

// Hashes of Appendix B, as buckets of the largest width: (hash & INT32_MAX) % INT32_MAX.
static void check_hash(enum vs_kind kind, struct vs_value value, int32_t hash)
{
    CHECK_INT(apply("bucket[2147483647]", kind, value).as.integer,
              ((uint32_t)hash & INT32_MAX) % INT32_MAX);
    CHECK_INT(apply("bucket[16]", kind, value).as.integer, ((uint32_t)hash & INT32_MAX) % 16);
}

static void hashes_of_the_specification(void)
{
    check_hash(VS_KIND_INT, NUMBER(34), 2017239379);
    check_hash(VS_KIND_LONG, NUMBER(34), 2017239379);
    check_hash(VS_KIND_DECIMAL, DECIMAL(1420), -500754589);
    check_hash(VS_KIND_DATE, NUMBER(17486), -653330422);
    check_hash(VS_KIND_TIME, NUMBER(INT64_C(81068000000)), -662762989);
    check_hash(VS_KIND_TIMESTAMP, NUMBER(INT64_C(1510871468000000)), -2047944441);
    check_hash(VS_KIND_TIMESTAMP, NUMBER(INT64_C(1510871468000001)), -1207196810);
    check_hash(VS_KIND_TIMESTAMPTZ, NUMBER(INT64_C(1510871468000000)), -2047944441);
    check_hash(VS_KIND_TIMESTAMP_NS, NUMBER(INT64_C(1510871468000000000)), -2047944441);
    check_hash(VS_KIND_TIMESTAMP_NS, NUMBER(INT64_C(1510871468000001001)), -1207196810);
    check_hash(VS_KIND_TIMESTAMPTZ_NS, NUMBER(INT64_C(1510871468000001001)), -1207196810);
    check_hash(VS_KIND_STRING, TEXT("iceberg"), 1210000089);
    check_hash(VS_KIND_BINARY, TEXT("\x00\x01\x02\x03"), -188683207);
    check_hash(VS_KIND_FIXED, TEXT("\x00\x01\x02\x03"), -188683207);
    check_hash(VS_KIND_UUID,
               TEXT("\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7"),
               1488055340);
}

static void truncation(void)
{
    CHECK_INT(apply("truncate[10]", VS_KIND_INT, NUMBER(1)).as.integer, 0);
    CHECK_INT(apply("truncate[10]", VS_KIND_INT, NUMBER(-1)).as.integer, -10);
    CHECK_INT(apply("truncate[10]", VS_KIND_LONG, NUMBER(-10)).as.integer, -10);
    CHECK_INT(apply("truncate[10]", VS_KIND_LONG, NUMBER(-11)).as.integer, -20);
    CHECK(apply("truncate[50]", VS_KIND_DECIMAL, DECIMAL(1065)).as.decimal == 1050);
    CHECK(apply("truncate[50]", VS_KIND_DECIMAL, DECIMAL(-1)).as.decimal == -50);
    CHECK(vs_str_equal_c(apply("truncate[3]", VS_KIND_STRING, TEXT("iceberg")).as.text, "ice"));
    CHECK(vs_str_equal_c(
        apply("truncate[2]", VS_KIND_STRING, TEXT("\xc3\xa9\xf0\x9f\x98\x80z")).as.text,
        "\xc3\xa9\xf0\x9f\x98\x80"));
    CHECK(vs_str_equal_c(apply("truncate[9]", VS_KIND_STRING, TEXT("ab")).as.text, "ab"));
    CHECK_INT(apply("truncate[2]", VS_KIND_BINARY, TEXT("\xff\xfe\xfd")).as.text.len, 2);
}

static void times_floor(void)
{
    const int64_t second = 1000000, day = 86400 * second;
    CHECK_INT(apply("year", VS_KIND_DATE, NUMBER(17501)).as.integer, 47);
    CHECK_INT(apply("month", VS_KIND_DATE, NUMBER(17501)).as.integer, 575);
    CHECK_INT(apply("day", VS_KIND_DATE, NUMBER(17501)).as.integer, 17501);
    CHECK_INT(apply("year", VS_KIND_DATE, NUMBER(-1)).as.integer, -1);
    CHECK_INT(apply("month", VS_KIND_DATE, NUMBER(-1)).as.integer, -1);
    CHECK_INT(apply("day", VS_KIND_TIMESTAMP, NUMBER(-1)).as.integer, -1);
    CHECK_INT(apply("day", VS_KIND_TIMESTAMP, NUMBER(-day)).as.integer, -1);
    CHECK_INT(apply("day", VS_KIND_TIMESTAMP, NUMBER(-day - 1)).as.integer, -2);
    CHECK_INT(apply("hour", VS_KIND_TIMESTAMPTZ, NUMBER(-1)).as.integer, -1);
    CHECK_INT(apply("hour", VS_KIND_TIMESTAMP, NUMBER(3600 * second)).as.integer, 1);
    CHECK_INT(apply("hour", VS_KIND_TIMESTAMP_NS, NUMBER(-1)).as.integer, -1);
    CHECK_INT(apply("year", VS_KIND_TIMESTAMP, NUMBER(INT64_MIN)).as.integer, -292278);
    CHECK_INT(apply("day", VS_KIND_TIMESTAMP, NUMBER(0)).kind, VS_KIND_DATE);
    CHECK_INT(apply("year", VS_KIND_TIMESTAMP, NUMBER(0)).kind, VS_KIND_INT);
    struct vs_value null = {.is_null = true};
    CHECK(apply("day", VS_KIND_TIMESTAMP, null).is_null);
    CHECK(apply("void", VS_KIND_STRING, TEXT("x")).is_null);
}

static void wrong_transforms_are_refused(void)
{
    struct vs_transform t = {0};
    struct vs_field field = {.name = VS_STR("c"), .kind = VS_KIND_DOUBLE}, result;
    CHECK_STATUS(vs_transform_parse(VS_STR("bucket[0]"), &t, NULL), VS_INVALID);
    CHECK_STATUS(vs_transform_parse(VS_STR("bucket[99999999999]"), &t, NULL), VS_INVALID);
    CHECK_STATUS(vs_transform_parse(VS_STR("truncate[x]"), &t, NULL), VS_INVALID);
    CHECK_STATUS(vs_transform_parse(VS_STR("zorder[3]"), &t, NULL), VS_OK);
    CHECK_INT(t.kind, VS_TRANSFORM_UNKNOWN);
    CHECK_STATUS(vs_transform_result(&t, &field, &result, NULL), VS_INVALID);
    t.kind = VS_TRANSFORM_BUCKET;
    CHECK_STATUS(vs_transform_result(&t, &field, &result, NULL), VS_INVALID);
    t.kind = VS_TRANSFORM_HOUR;
    field.kind = VS_KIND_DATE;
    CHECK_STATUS(vs_transform_result(&t, &field, &result, NULL), VS_INVALID);
    t.kind = VS_TRANSFORM_DAY;
    CHECK_STATUS(vs_transform_result(&t, &field, &result, NULL), VS_OK);
}

static void bounds_of_narrow_files(void)
{
    struct vs_field field = {.kind = VS_KIND_LONG};
    struct vs_value value = {0};
    CHECK(vs_bound_decode((struct vs_str){"\xfe\xff\xff\xff", 4}, &field, &value));
    CHECK_INT(value.as.integer, -2);
    CHECK(!vs_bound_decode((struct vs_str){"\xfe\xff\xff", 3}, &field, &value));
    field.kind = VS_KIND_DOUBLE;
    CHECK(vs_bound_decode((struct vs_str){"\0\0\xc0\x3f", 4}, &field, &value));
    CHECK_NEAR(value.as.real, 1.5, 0);
    CHECK(
        !vs_bound_decode((struct vs_str){"\0\0\xc0\x7f", 4}, &field, &value)); // NaN bounds nothing
    field.kind = VS_KIND_DECIMAL;
    CHECK(vs_bound_decode((struct vs_str){"\xfb\x2e", 2}, &field, &value));
    CHECK(value.as.decimal == -1234);
    CHECK(!vs_bound_decode((struct vs_str){"", 0}, &field, &value));
    field.kind = VS_KIND_UUID;
    CHECK(!vs_bound_decode((struct vs_str){"abc", 3}, &field, &value));
    field.kind = VS_KIND_LIST;
    CHECK(!vs_bound_decode((struct vs_str){"abcd", 4}, &field, &value));
    field.kind = VS_KIND_STRING;
    CHECK(!vs_bound_decode((struct vs_str){NULL, 0}, &field, &value));
    CHECK(vs_bound_decode((struct vs_str){"", 0}, &field, &value));
}

static void paths_are_encoded(void)
{
    struct vs_error err = {0};
    struct vs_field fields[] = {{.id = 1, .kind = VS_KIND_STRING},
                                {.id = 2, .kind = VS_KIND_TIMESTAMP},
                                {.id = 3, .kind = VS_KIND_DECIMAL, .precision = 9, .scale = 2},
                                {.id = 4, .kind = VS_KIND_BINARY}};
    struct vs_schema schema = {.field_count = 4, .fields = fields};
    struct vs_partition_field spec_fields[] = {{1, 1000, VS_STR("a b"), VS_STR("identity")},
                                               {2, 1001, VS_STR("y"), VS_STR("year")},
                                               {2, 1002, VS_STR("m"), VS_STR("month")},
                                               {2, 1003, VS_STR("d"), VS_STR("day")},
                                               {2, 1004, VS_STR("h"), VS_STR("hour")},
                                               {3, 1005, VS_STR("p"), VS_STR("truncate[10]")},
                                               {4, 1006, VS_STR("bin"), VS_STR("identity")},
                                               {1, 1007, VS_STR("k"), VS_STR("bucket[4]")}};
    struct vs_partition_spec spec = {.field_count = 8, .fields = spec_fields};
    struct vs_value values[] = {{.kind = VS_KIND_STRING, .as.text = VS_STR("x/y=\xc3\xa9 *")},
                                {.kind = VS_KIND_INT, .as.integer = -1},
                                {.kind = VS_KIND_INT, .as.integer = -1},
                                {.kind = VS_KIND_DATE, .as.integer = -1},
                                {.kind = VS_KIND_INT, .as.integer = -1},
                                {.kind = VS_KIND_DECIMAL, .as.decimal = -1230},
                                {.kind = VS_KIND_BINARY, .as.text = VS_STR("\xff\xfe\xfd\xfc")},
                                {.kind = VS_KIND_INT, .is_null = true}};
    struct vs_buf out;
    vs_buf_init(&out, vs_env_default(), 4096);
    REQUIRE_OK(vs_partition_path(&spec, &schema, values, &out, &err), err);
    CHECK_TEXT(vs_buf_c_str(&out),
               "a+b=x%2Fy%3D%C3%A9+*/y=1969/m=1969-12/d=1969-12-31/h=1969-12-31-23/p=-12.30/"
               "bin=%2F%2F79%2FA%3D%3D/k=null");
    vs_buf_clear(&out);
}

TEST_MAIN(TEST(hashes_of_the_specification),
          TEST(truncation),
          TEST(times_floor),
          TEST(wrong_transforms_are_refused),
          TEST(bounds_of_narrow_files),
          TEST(paths_are_encoded))
