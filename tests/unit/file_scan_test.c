// SPDX-License-Identifier: Apache-2.0
/*
 * Reading one data file as the table's columns: default values, partition values, name mapping, row
 * lineage, promotions, and passing over rows that cannot match a filter.
 */
#include "tests/support/check.h"
#include "tests/support/delete_table.h"
#include "tests/support/test_env.h"
#include "vecstore/iceberg/file_scan_internal.h"

// Reads all rows; the batch has to be cleared.
static enum vs_status read_file(const struct vs_env *env,
                                struct delete_table *t,
                                const struct vs_data_file *data,
                                const struct vs_field *fields,
                                size_t field_count,
                                struct vs_batch *batch,
                                struct vs_error *err)
{
    struct vs_file_scan *scan = NULL;
    uint64_t first = 0;
    size_t before = 1;
    *batch = (struct vs_batch){0};
    enum vs_status status =
        vs_file_scan_open(env, t->store, &t->metadata, data, fields, field_count, &scan, err);
    if (status == VS_OK) {
        status = vs_batch_init(batch, env, fields, field_count, err);
    }
    for (before = SIZE_MAX; status == VS_OK && before != batch->row_count;) {
        before = batch->row_count;
        status = vs_file_scan_next(scan, 3, batch, &first, err);
    }
    vs_file_scan_close(scan);
    return status;
}

static void case_lineage(void)
{
    struct delete_table t;
    struct vs_error err = {0};
    struct vs_batch batch;
    delete_table_open(&t);
    struct vs_data_file data = delete_table_data(&t, 0, 10, 77);
    const struct vs_field fields[] = {
        {.id = VS_ROW_ID_FIELD, .name = VS_STR("_row_id"), .kind = VS_KIND_LONG},
        {.id = 1, .name = VS_STR("id"), .kind = VS_KIND_LONG},
        {.id = VS_ROW_SEQUENCE_FIELD, .name = VS_STR("_seq"), .kind = VS_KIND_LONG}};
    data.first_row_id = 1000;
    CHECK_OK(read_file(vs_env_default(), &t, &data, fields, 3, &batch, &err), err);
    CHECK_INT(batch.row_count, 10);
    for (size_t i = 0; i < batch.row_count; i++) {
        CHECK_INT(vs_column_get(&batch.columns[0], i).as.integer, 1000 + (long long)i);
        CHECK_INT(vs_column_get(&batch.columns[1], i).as.integer, (long long)i);
        CHECK_INT(vs_column_get(&batch.columns[2], i).as.integer, 77);
    }
    vs_batch_clear(&batch);
    data.first_row_id = -1; // a table that never was of version 3
    CHECK_OK(read_file(vs_env_default(), &t, &data, fields, 3, &batch, &err), err);
    CHECK(vs_column_is_null(&batch.columns[0], 4) && vs_column_is_null(&batch.columns[2], 4));
    vs_batch_clear(&batch);

    // a rewritten file stores them; where it has null, the rule for new rows holds
    struct vs_batch stored;
    REQUIRE_OK(vs_batch_init(&stored, vs_env_default(), fields, 3, &err), err);
    for (int64_t i = 0; i < 6; i++) {
        struct vs_value value = {.kind = VS_KIND_LONG, .as.integer = 500 - i};
        const struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = i};
        CHECK_OK(i % 2 == 0 ? vs_column_append(&stored.columns[0], &value, &err)
                            : vs_column_append_null(&stored.columns[0], &err),
                 err);
        CHECK_OK(vs_column_append(&stored.columns[1], &id, &err), err);
        value.as.integer = 3;
        CHECK_OK(i % 3 == 0 ? vs_column_append(&stored.columns[2], &value, &err)
                            : vs_column_append_null(&stored.columns[2], &err),
                 err);
        stored.row_count++;
    }
    data = delete_table_write(&t, fields, 3, &stored, VS_CONTENT_DATA, 77);
    data.first_row_id = 9000;
    CHECK_OK(read_file(vs_env_default(), &t, &data, fields, 3, &batch, &err), err);
    for (size_t i = 0; i < 6; i++) {
        CHECK_INT(vs_column_get(&batch.columns[0], i).as.integer,
                  i % 2 == 0 ? 500 - (int)i : 9000 + (int)i);
        CHECK_INT(vs_column_get(&batch.columns[2], i).as.integer, i % 3 == 0 ? 3 : 77);
        CHECK(!vs_column_is_null(&batch.columns[0], i) && !vs_column_is_null(&batch.columns[2], i));
    }
    vs_batch_clear(&batch);
    vs_batch_clear(&stored);
    delete_table_close(&t);
}

// What a default of every kind reads as, in the program's own text of the value.
static void case_defaults(void)
{
    static const struct {
        struct vs_field field;
        const char *json, *shown; // shown NULL: malformed
    } defaults[] = {
        {{.kind = VS_KIND_BOOLEAN}, "true", "true"},
        {{.kind = VS_KIND_INT}, "-7", "-7"},
        {{.kind = VS_KIND_INT}, "3000000000", NULL},
        {{.kind = VS_KIND_LONG}, "3000000000", "3000000000"},
        {{.kind = VS_KIND_LONG}, "\"3\"", NULL},
        {{.kind = VS_KIND_DOUBLE}, "1.5", "1.5"},
        {{.kind = VS_KIND_FLOAT}, "0.25", "0.25"},
        {{.kind = VS_KIND_STRING}, "\"a \\u00e9\"", "\"a \xc3\xa9\""},
        {{.kind = VS_KIND_STRING}, "5", NULL},
        {{.kind = VS_KIND_DATE}, "\"2017-11-16\"", "\"2017-11-16\""},
        {{.kind = VS_KIND_DATE}, "\"2017-11-36\"", NULL},
        {{.kind = VS_KIND_TIMESTAMP},
         "\"2017-11-16T22:31:08.123456\"",
         "\"2017-11-16T22:31:08.123456\""},
        {{.kind = VS_KIND_UUID},
         "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\"",
         "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\""},
        {{.kind = VS_KIND_DECIMAL, .precision = 6, .scale = 2}, "\"14.20\"", "\"14.20\""},
        {{.kind = VS_KIND_BINARY}, "\"00ffA1\"", "\"AP+h\""},
        {{.kind = VS_KIND_BINARY}, "\"00f\"", NULL},
        {{.kind = VS_KIND_FIXED, .fixed_length = 2}, "\"00ff\"", "\"AP8=\""},
        {{.kind = VS_KIND_FIXED, .fixed_length = 3}, "\"00ff\"", NULL},
        {{.kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT}, "[1, null, 2.5]", "[1,null,2.5]"},
        {{.kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT}, "3", NULL},
        {{.kind = VS_KIND_LONG}, "{", NULL},
    };
    struct delete_table t;
    delete_table_open(&t);
    struct vs_data_file data = delete_table_data(&t, 0, 2, 1);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        struct vs_field field = defaults[i].field;
        struct vs_error err = {0};
        struct vs_batch batch = {0};
        field.id = 50;
        field.name = VS_STR("late");
        field.initial_default_json = vs_str_from_c(defaults[i].json);
        enum vs_status status = read_file(vs_env_default(), &t, &data, &field, 1, &batch, &err);
        CHECK_INT(status, defaults[i].shown != NULL ? VS_OK : VS_CORRUPT);
        if (status == VS_OK && defaults[i].shown != NULL) {
            struct vs_json_writer w;
            struct vs_buf text;
            vs_buf_init(&text, vs_env_default(), 4096);
            vs_json_writer_init(&w, &text, false);
            vs_column_write_json(&w, &batch.columns[0], &field, 1);
            CHECK_OK(vs_json_writer_finish(&w, &err), err);
            CHECK_TEXT(vs_buf_c_str(&text), defaults[i].shown);
            vs_buf_clear(&text);
        }
        vs_batch_clear(&batch);
    }
    delete_table_close(&t);
}

// An identity partition value stands for a column that the file does not have (Hive tables), also
// when the column was promoted since.
static void case_partition_value(void)
{
    struct delete_table t;
    struct vs_error err = {0};
    struct vs_batch batch;
    delete_table_open(&t);
    struct vs_partition_field by = {
        .source_id = 9, .field_id = 1000, .name = VS_STR("p"), .transform = VS_STR("identity")};
    struct vs_value value = {.kind = VS_KIND_INT, .as.integer = 42};
    t.spec = (struct vs_partition_spec){.field_count = 1, .fields = &by};
    struct vs_data_file data = delete_table_data(&t, 0, 5, 1);
    data.has_partition = true;
    data.partition_count = 1;
    data.partition = &value;
    struct vs_field field = {.id = 9,
                             .name = VS_STR("p"),
                             .kind = VS_KIND_LONG,
                             .required = true,
                             .initial_default_json = VS_STR("7")};
    CHECK_OK(read_file(vs_env_default(), &t, &data, &field, 1, &batch, &err), err);
    CHECK(batch.row_count == 5 && vs_column_get(&batch.columns[0], 4).as.integer == 42);
    vs_batch_clear(&batch);
    by.transform = VS_STR("bucket[4]"); // says nothing of the value: the default does
    CHECK_OK(read_file(vs_env_default(), &t, &data, &field, 1, &batch, &err), err);
    CHECK_INT(vs_column_get(&batch.columns[0], 4).as.integer, 7);
    vs_batch_clear(&batch);
    field.initial_default_json = VS_STR("");
    CHECK_STATUS(read_file(vs_env_default(), &t, &data, &field, 1, &batch, &err), VS_CORRUPT);
    vs_batch_clear(&batch);
    field.kind = VS_KIND_STRING;
    by.transform = VS_STR("identity");
    CHECK_STATUS(read_file(vs_env_default(), &t, &data, &field, 1, &batch, &err), VS_UNSUPPORTED);
    vs_batch_clear(&batch);
    delete_table_close(&t);
}

// A date column that became a timestamp: midnight of the day, before 1970 too; days that the
// timestamp cannot hold are an error and not another day.
static void case_date_as_timestamp(void)
{
    static const struct {
        int64_t day, micros;
    } cases[] = {{0, 0},
                 {-1, INT64_C(-86400000000)},
                 {106751991, INT64_C(9223372022400000000)},
                 {-106751991, INT64_C(-9223372022400000000)},
                 {106751992, 0},
                 {INT32_MAX, 0},
                 {INT32_MIN, 0}};

    struct delete_table t;
    struct vs_error err = {0};
    delete_table_open(&t);
    struct vs_field field = {.id = 9, .name = VS_STR("d"), .kind = VS_KIND_DATE};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vs_batch rows = {0}, batch;
        struct vs_value day = {.kind = VS_KIND_DATE, .as.integer = cases[i].day};
        field.kind = VS_KIND_DATE;
        REQUIRE_OK(vs_batch_init(&rows, vs_env_default(), &field, 1, &err), err);
        REQUIRE_OK(vs_column_append(&rows.columns[0], &day, &err), err);
        rows.row_count = 1;
        struct vs_data_file data = delete_table_write(&t, &field, 1, &rows, VS_CONTENT_DATA, 1);
        vs_batch_clear(&rows);
        field.kind = VS_KIND_TIMESTAMP;
        enum vs_status status = read_file(vs_env_default(), &t, &data, &field, 1, &batch, &err);
        bool fits = cases[i].micros != 0 || cases[i].day == 0;
        CHECK_STATUS(status, fits ? VS_OK : VS_UNSUPPORTED);
        if (status == VS_OK && fits) {
            CHECK_INT(vs_column_get(&batch.columns[0], 0).as.integer, cases[i].micros);
        }
        vs_batch_clear(&batch);
    }
    delete_table_close(&t);
}

// Files without field ids: by the mapping when there is one, by name when there is none.
static void case_name_mapping(void)
{
    struct delete_table t;
    struct vs_error err = {0};
    struct vs_batch batch;
    struct vs_field bare[DELETE_FIELDS];
    delete_table_open(&t);
    memcpy(bare, t.fields, sizeof bare);
    struct vs_batch rows;
    REQUIRE_OK(vs_batch_init(&rows, vs_env_default(), t.fields, DELETE_FIELDS, &err), err);
    for (int64_t id = 0; id < 5; id++) {
        delete_table_append(&rows, t.fields, id, &err);
    }
    for (size_t i = 0; i < DELETE_FIELDS; i++) {
        bare[i].id = -1;
    }
    struct vs_data_file data =
        delete_table_write(&t, bare, DELETE_FIELDS, &rows, VS_CONTENT_DATA, 1);
    const struct vs_field fields[] = {{.id = 1, .name = VS_STR("renamed"), .kind = VS_KIND_LONG},
                                      {.id = 3, .name = VS_STR("score"), .kind = VS_KIND_DOUBLE}};
    CHECK_OK(read_file(vs_env_default(), &t, &data, fields, 2, &batch, &err), err);
    CHECK(vs_column_is_null(&batch.columns[0], 2)); // no column has this name
    CHECK_NEAR(vs_column_get(&batch.columns[1], 2).as.real, 1.0, 0.0);
    vs_batch_clear(&batch);
    struct vs_pair property = {
        VS_STR("schema.name-mapping.default"),
        VS_STR("[{\"field-id\":1,\"names\":[\"ident\",\"id\"]},"
               "{\"field-id\":8,\"names\":[\"v\"],\"fields\":[{\"field-id\":9,"
               "\"names\":[\"score\"]}]}]")};
    t.metadata.properties = &property;
    t.metadata.property_count = 1;
    CHECK_OK(read_file(vs_env_default(), &t, &data, fields, 2, &batch, &err), err);
    CHECK_INT(vs_column_get(&batch.columns[0], 2).as.integer, 2);
    CHECK(vs_column_is_null(&batch.columns[1], 2)); // not mapped at the top
    vs_batch_clear(&batch);
    property.value = VS_STR("{}");
    CHECK_STATUS(read_file(vs_env_default(), &t, &data, fields, 2, &batch, &err), VS_CORRUPT);
    vs_batch_clear(&batch);
    vs_batch_clear(&rows);
    delete_table_close(&t);
}

// ---- filter ----

struct filter_case {
    enum vs_predicate_op op;
    int32_t field;
    struct vs_value value;
    size_t most; // rows that may be read at most
};

static bool row_matches(const struct filter_case *c, int64_t id)
{
    double x = c->field == 3 ? (double)id / 2 : (double)id;
    double y = c->field == 3 ? c->value.as.real : (double)c->value.as.integer;
    switch ((int)c->op) {
    case VS_PREDICATE_EQ:
        return c->field == 2 ? c->value.as.text.len == 2 && id % 4 != 3 &&
                                   (int)(id % 10) == c->value.as.text.ptr[1] - '0'
                             : x == y;
    case VS_PREDICATE_LT:
        return x < y;
    case VS_PREDICATE_GE:
        return x >= y;
    case VS_PREDICATE_IS_NULL:
        return c->field == 2 && id % 4 == 3;
    default:
        return false;
    }
}

// Rows that the filter leaves: all that match, and no more than the pages around them.
static void case_filter(void)
{
    enum { ROWS = 1000 };
    struct delete_table t;
    struct vs_error err = {0};
    delete_table_open(&t);
    t.options.page_bytes = 400; // 50 values of eight bytes
    t.options.row_group_bytes = 12000;
    struct vs_data_file data = delete_table_data(&t, 0, ROWS, 1);
    const struct filter_case cases[] = {
        {VS_PREDICATE_EQ, 1, {.kind = VS_KIND_LONG, .as.integer = 500}, 250},
        {VS_PREDICATE_EQ, 1, {.kind = VS_KIND_LONG, .as.integer = 5000}, 0},
        {VS_PREDICATE_LT, 1, {.kind = VS_KIND_LONG, .as.integer = 30}, 250},
        {VS_PREDICATE_GE, 3, {.kind = VS_KIND_DOUBLE, .as.real = 495.0}, 250},
        {VS_PREDICATE_GE, 1, {.kind = VS_KIND_LONG, .as.integer = 0}, ROWS},
        {VS_PREDICATE_EQ, 2, {.kind = VS_KIND_STRING, .as.text = VS_STR("n4")}, ROWS},
        {VS_PREDICATE_EQ, 2, {.kind = VS_KIND_STRING, .as.text = VS_STR("n94")}, ROWS},
        {VS_PREDICATE_IS_NULL, 2, {.is_null = true}, ROWS},
        {VS_PREDICATE_IS_NULL, 1, {.is_null = true}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct vs_predicate predicate = {.op = cases[i].op,
                                               .field_id = cases[i].field,
                                               .value_count = cases[i].value.is_null ? 0 : 1,
                                               .values = &cases[i].value};
        struct vs_file_scan *scan = NULL;
        struct vs_batch batch;
        bool seen[ROWS] = {false};
        size_t read = 0;
        uint64_t first = 0, next = 0;
        REQUIRE_OK(vs_file_scan_open(vs_env_default(), t.store, &t.metadata, &data, t.fields, 2,
                                     &scan, &err),
                   err);
        REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), t.fields, 2, &err), err);
        REQUIRE_OK(vs_file_scan_filter(scan, &predicate, &err), err);
        for (;;) {
            vs_batch_reset(&batch);
            REQUIRE_OK(vs_file_scan_next(scan, 37, &batch, &first, &err), err);
            if (batch.row_count == 0) {
                break;
            }
            CHECK(first >= next);
            for (size_t row = 0; row < batch.row_count; row++) {
                CHECK_INT(vs_column_get(&batch.columns[0], row).as.integer, first + row);
                seen[first + row] = true;
                read++;
            }
            next = first + batch.row_count;
        }
        for (int64_t id = 0; id < ROWS; id++) {
            CHECK(seen[id] || !row_matches(&cases[i], id));
        }
        if (read > cases[i].most) {
            fprintf(stderr, "filter %zu read %zu rows\n", i, read);
            CHECK(read <= cases[i].most);
        }
        vs_batch_clear(&batch);
        vs_file_scan_close(scan);
    }
    delete_table_close(&t);
}

static void case_allocation_failures(void)
{
    struct delete_table t;
    delete_table_open(&t);
    struct vs_data_file data = delete_table_data(&t, 0, 20, 1);
    struct vs_field fields[] = {t.fields[0],
                                {.id = 60,
                                 .name = VS_STR("late"),
                                 .kind = VS_KIND_LIST,
                                 .element_kind = VS_KIND_FLOAT,
                                 .initial_default_json = VS_STR("[1, 2]")}};
    const struct vs_value value = {.kind = VS_KIND_LONG, .as.integer = 5};
    const struct vs_predicate predicate = {
        .op = VS_PREDICATE_EQ, .field_id = 1, .value_count = 1, .values = &value};
    for (long n = 0;; n++) {
        struct test_env env;
        struct vs_file_scan *scan = NULL;
        struct vs_batch batch = {0};
        uint64_t first;
        test_env_init(&env);
        env.fail_at = n;
        enum vs_status status =
            vs_file_scan_open(&env.env, t.store, &t.metadata, &data, fields, 2, &scan, NULL);
        if (status == VS_OK) {
            status = vs_file_scan_filter(scan, &predicate, NULL);
        }
        if (status == VS_OK) {
            status = vs_batch_init(&batch, &env.env, fields, 2, NULL);
        }
        if (status == VS_OK) {
            status = vs_file_scan_next(scan, 100, &batch, &first, NULL);
        }
        CHECK(status == VS_OK || (env.failed && status == VS_NO_MEMORY));
        vs_batch_clear(&batch);
        vs_file_scan_close(scan);
        CHECK_INT(env.live, 0);
        if (!env.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
    }
    delete_table_close(&t);
}

TEST_MAIN(TEST(case_lineage),
          TEST(case_defaults),
          TEST(case_partition_value),
          TEST(case_date_as_timestamp),
          TEST(case_name_mapping),
          TEST(case_filter),
          TEST(case_allocation_failures))
