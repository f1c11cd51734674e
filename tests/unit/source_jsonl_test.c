// SPDX-License-Identifier: Apache-2.0
#include "ingest/line_reader.h"
#include "ingest/source.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/json.h"
#include "vecstore/base/uuid.h"

#include <stdlib.h>

#define GOLDEN "tests/golden/ingest/"

static struct vs_field table_fields[] = {
    {.id = 1, .name = {"id", 2}, .kind = VS_KIND_LONG, .required = true},
    {.id = 2, .name = {"embedding", 9}, .kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT},
    {.id = 3, .name = {"n", 1}, .kind = VS_KIND_INT},
    {.id = 4, .name = {"f", 1}, .kind = VS_KIND_FLOAT},
    {.id = 5, .name = {"ok", 2}, .kind = VS_KIND_BOOLEAN},
    {.id = 6, .name = {"s", 1}, .kind = VS_KIND_STRING},
    {.id = 7, .name = {"day", 3}, .kind = VS_KIND_DATE},
    {.id = 8, .name = {"ts", 2}, .kind = VS_KIND_TIMESTAMPTZ},
    {.id = 9, .name = {"u", 1}, .kind = VS_KIND_UUID},
    {.id = 10, .name = {"price", 5}, .kind = VS_KIND_DECIMAL, .precision = 10, .scale = 2},
    {.id = 11, .name = {"raw", 3}, .kind = VS_KIND_BINARY},
    {.id = 12, .name = {"tags", 4}, .kind = VS_KIND_LIST, .element_kind = VS_KIND_STRING},
};
static const struct vs_schema table_schema = {.field_count = 12, .fields = table_fields};
static const struct vs_source_options table_options = {.schema = &table_schema};

static enum vs_status open_text(const struct vs_env *env,
                                const char *text,
                                const struct vs_source_options *options,
                                struct vs_source **source_out,
                                struct vs_error *err)
{
    struct vs_file *file = NULL;
    VS_TRY(vs_file_open_bytes(env, vs_str_from_c(text), "t.jsonl", &file, err));
    return vs_source_open_file(env, file, "t.jsonl", options, source_out, err);
}

// All rows of a text in one batch (small texts); the batch is the caller's to clear.
static enum vs_status read_text(const struct vs_env *env,
                                const char *text,
                                const struct vs_source_options *options,
                                struct vs_batch *batch,
                                struct vs_error *err)
{
    struct vs_source *source = NULL;
    struct vs_batch read = {0};
    VS_TRY(open_text(env, text, options, &source, err));
    const struct vs_schema *schema = vs_source_schema(source);
    enum vs_status status = vs_batch_init(&read, env, schema->fields, schema->field_count, err);
    if (status == VS_OK) {
        status = vs_source_next(source, &read, NULL, err);
    }
    vs_source_close(source);
    if (status != VS_OK) {
        vs_batch_clear(&read);
        return status;
    }
    *batch = read;
    return VS_OK;
}

static void every_type(void)
{
    static const char text[] =
        "{\"id\":7,\"embedding\":[1, -2.5 "
        ",3e-1],\"n\":-5,\"f\":0.1,\"ok\":true,\"s\":\"a\\u00e9\\n\",\"day\":\"2025-01-31\","
        "\"ts\":\"2025-01-31T10:20:30.5+02:00\",\"u\":\"f79c3e09-677c-4bbd-a479-3f349cb785e7\","
        "\"price\":\"-12.5\",\"raw\":\"AAEC\","
        "\"tags\":[\"x\",null,\"y\"]}\r\n"
        "{\"embedding\":\"AACAPwAAAMA=\",\"id\":8,\"tags\":[],\"s\":null}";
    struct test_env t;
    struct vs_batch batch = {0};
    struct vs_error err = {0};
    size_t count = 0, first = 0;
    test_env_init(&t);
    REQUIRE_OK(read_text(&t.env, text, &table_options, &batch, &err), err);
    REQUIRE(batch.row_count == 2);
    CHECK_INT(vs_column_get(&batch.columns[0], 0).as.integer, 7);
    const float *floats = vs_column_get_floats(&batch.columns[1], 0, &count);
    CHECK(count == 3 && floats[0] == 1.0f && floats[1] == -2.5f && floats[2] == 0.3f);
    floats = vs_column_get_floats(&batch.columns[1], 1, &count);
    CHECK(count == 2 && floats[0] == 1.0f && floats[1] == -2.0f);
    CHECK_INT(vs_column_get(&batch.columns[2], 0).as.integer, -5);
    CHECK(vs_column_get(&batch.columns[3], 0).as.real == (double)0.1f);
    CHECK(vs_column_get(&batch.columns[4], 0).as.boolean);
    CHECK(vs_str_equal_c(vs_column_get_bytes(&batch.columns[5], 0), "a\xc3\xa9\n"));
    CHECK_INT(vs_column_get(&batch.columns[6], 0).as.integer, 20119);
    CHECK_INT(vs_column_get(&batch.columns[7], 0).as.integer, 1738311630500000);
    struct vs_uuid uuid;
    CHECK(vs_uuid_parse(VS_STR("f79c3e09-677c-4bbd-a479-3f349cb785e7"), &uuid, NULL) == VS_OK);
    CHECK(memcmp(vs_column_get_bytes(&batch.columns[8], 0).ptr, uuid.bytes, 16) == 0);
    CHECK_INT(vs_column_get(&batch.columns[9], 0).as.decimal, -1250);
    CHECK(vs_str_equal(vs_column_get_bytes(&batch.columns[10], 0), (struct vs_str){"\0\1\2", 3}));
    vs_column_get_list(&batch.columns[11], 0, &first, &count);
    CHECK(count == 3 && vs_column_is_null(batch.columns[11].child, first + 1));
    vs_column_get_list(&batch.columns[11], 1, &first, &count);
    CHECK(count == 0 && !vs_column_is_null(&batch.columns[11], 1));
    CHECK(vs_column_is_null(&batch.columns[5], 1) && vs_column_is_null(&batch.columns[2], 1));
    vs_batch_clear(&batch);
    CHECK_INT(t.live, 0);
}

static void bad_lines(void)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"{\"id\":1}\n{\"id\":2", "line 2"},
        {"\n\n{\"id\":}", "line 3"},
        {"[1]", "a row is an object"},
        {"{\"id\":1,\"idd\":2}", "key 'idd' is no column"},
        {"{\"id\":1,\"id\":2}", "line 1"},
        {"{\"id\":\"1\"}", "key 'id': a string where an integer is expected"},
        {"{\"id\":1.5}", "an integer is expected"},
        {"{\"id\":9223372036854775808}", "does not fit a long"},
        {"{\"n\":2147483648}", "key 'n'"},
        {"{\"s\":1}", "a text is expected"},
        {"{\"day\":20250131}", "2025-01-31"},
        {"{\"day\":\"2025-02-30\"}", "key 'day'"},
        {"{\"u\":\"x\"}", "key 'u'"},
        {"{\"price\":\"1.234\"}", "key 'price'"},
        {"{\"price\":1.5}", "a decimal as text"},
        {"{\"raw\":\"A\"}", "key 'raw'"},
        {"{\"embedding\":[1,\"x\"]}", "key 'embedding': element 1"},
        {"{\"embedding\":[1,2", "line 1"},
        {"{\"embedding\":[1,NaN]}", "line 1"},
        {"{\"embedding\":[01]}", "line 1"},
        {"{\"embedding\":[1.]}", "line 1"},
        {"{\"embedding\":[1,]}", "line 1"},
        {"{\"embedding\":[[1]]}", "key 'embedding': element 0"},
        {"{\"embedding\":{}}", "base64 of float32"},
        {"{\"embedding\":\"AAA=\"}", "not a multiple of 4"},
        {"{\"embedding\":[1],\"embedding\":[2]}", "line 1"},
        {"{\"tags\":\"x\"}", "an array is expected"},
        {"{\"tags\":[1]}", "element 0"},
        {"\xff\xfe{", "line 1"},
        {"{\"s\":\"\xff\"}", "line 1"},
        {"{\"id\":1} x", "line 1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct test_env t;
        struct vs_batch batch = {0};
        struct vs_error err = {0};
        test_env_init(&t);
        enum vs_status status = read_text(&t.env, cases[i].text, &table_options, &batch, &err);
        CHECK(status == VS_INVALID || status == VS_CORRUPT);
        if (strstr(err.message, cases[i].reason) == NULL ||
            strstr(err.message, "t.jsonl: line") == NULL) {
            CHECK_TEXT(err.message, cases[i].reason);
        }
        vs_batch_clear(&batch);
        CHECK_INT(t.live, 0);
    }
}

static void unknown_and_renamed_keys(void)
{
    static const struct vs_source_rename renames[] = {{{"doc", 3}, {"id", 2}},
                                                      {{"vec", 3}, {"embedding", 9}}};
    struct vs_source_options options = {
        .schema = &table_schema, .renames = renames, .rename_count = 2, .skip_unknown = true};
    struct vs_batch batch = {0};
    struct vs_error err = {0};
    size_t count = 0;
    REQUIRE_OK(read_text(vs_env_default(), "{\"doc\":3,\"x\":{\"y\":[\"]\\\"\"]},\"vec\":[1,2]}",
                         &options, &batch, &err),
               err);
    CHECK_INT(vs_column_get(&batch.columns[0], 0).as.integer, 3);
    CHECK(vs_column_get_floats(&batch.columns[1], 0, &count) != NULL && count == 2);
    vs_batch_clear(&batch);
}

// Numbers of many spellings become the floats that NumPy makes of them, bit by bit.
static void numbers_as_numpy(void)
{
    struct vs_buf bits;
    struct vs_source *source = NULL;
    struct vs_batch batch;
    struct vs_error err = {0};
    uint64_t first = 0;
    size_t at = 0;
    vs_buf_init(&bits, vs_env_default(), 1 << 20);
    CHECK(test_file_read(GOLDEN "floats.f32", &bits));
    REQUIRE_OK(vs_source_open(vs_env_default(), GOLDEN "floats.jsonl", NULL, &source, &err), err);
    REQUIRE(vs_source_schema(source)->field_count == 2);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), vs_source_schema(source)->fields, 2, &err),
               err);
    REQUIRE_OK(vs_source_next(source, &batch, &first, &err), err);
    CHECK_INT(first, 1);
    CHECK_INT(batch.row_count * 32, bits.len);
    for (size_t row = 0; row < batch.row_count; row++) {
        size_t count = 0;
        const float *floats = vs_column_get_floats(&batch.columns[1], row, &count);
        CHECK_INT(count, 8);
        for (size_t i = 0; i < count; i++, at += 4) {
            if (memcmp(&floats[i], bits.data + at, 4) != 0) {
                fprintf(stderr, "line %zu, number %zu: %.9g\n", row + 1, i, (double)floats[i]);
                CHECK(false);
            }
        }
    }
    REQUIRE_OK(vs_source_next(source, &batch, &first, &err), err);
    CHECK_INT(batch.row_count, 0);
    CHECK_INT(source->bytes_read, source->bytes_total);
    vs_batch_clear(&batch);
    vs_source_close(source);
    vs_buf_clear(&bits);
}

static void check_inferred(const char *text, const char *expected)
{
    struct vs_source *source = NULL;
    struct vs_error err = {0};
    struct vs_buf out;
    vs_buf_init(&out, vs_env_default(), 4096);
    REQUIRE_OK(open_text(vs_env_default(), text, NULL, &source, &err), err);
    const struct vs_schema *schema = vs_source_schema(source);
    for (size_t i = 0; i < schema->field_count; i++) {
        CHECK(vs_buf_printf(&out, NULL, "%s%.*s ", i > 0 ? ", " : "",
                            VS_STR_ARG(schema->fields[i].name)) == VS_OK);
        CHECK(vs_type_format(&schema->fields[i], &out, NULL) == VS_OK);
    }
    CHECK_TEXT(vs_buf_c_str(&out), expected);
    vs_source_close(source);
    vs_buf_clear(&out);
}

static void inference(void)
{
    check_inferred(
        "{\"id\":1,\"a\":1,\"b\":true,\"c\":\"2025-01-01\",\"d\":null,\"embedding\":[1,2]}\n{\"a\":"
        "2.5,\"e\":[1],\"id\":2}\n",
        "id long, a double, b boolean, c string, d string, embedding list<float>, e list<long>");
    check_inferred("{\"embedding\":\"AACAPw==\",\"x\":[],\"y\":[null,1.5],\"z\":[\"a\"]}",
                   "embedding list<float>, x list<string>, y list<double>, z list<string>");
    check_inferred("\n\n", "");

    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"{\"a\":1}\n{\"a\":\"x\"}", "t.jsonl: line 2: key 'a': a text here, a number in line 1"},
        {"{\"a\":{\"b\":1}}", "an object within an object"},
        {"{\"a\":[[1]]}", "an array within an array"},
        {"{\"a\":[1,\"x\"]}", "among elements of another type"},
        {"{\"a\":18446744073709551615}", "above the range of a long"},
        {"{\"a\":1", "t.jsonl: line 1"},
        {"3", "a row is an object"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vs_source *source = NULL;
        struct vs_error err = {0};
        CHECK(open_text(vs_env_default(), cases[i].text, NULL, &source, &err) != VS_OK);
        if (strstr(err.message, cases[i].reason) == NULL) {
            CHECK_TEXT(err.message, cases[i].reason);
        }
    }
}

// A gap of blank lines ends a batch, so that first row + i is always the line; a type that the
// sample did not show is an error later on.
static void line_numbers(void)
{
    struct vs_source *source = NULL;
    struct vs_batch batch;
    struct vs_error err = {0};
    uint64_t first = 0;
    REQUIRE_OK(open_text(vs_env_default(), "{\"a\":1}\n{\"a\":2}\n\n  \n{\"a\":3}\n\n", NULL,
                         &source, &err),
               err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), vs_source_schema(source)->fields, 1, &err),
               err);
    CHECK_OK(vs_source_next(source, &batch, &first, &err), err);
    CHECK(batch.row_count == 2 && first == 1);
    CHECK_OK(vs_source_next(source, &batch, &first, &err), err);
    CHECK(batch.row_count == 1 && first == 5);
    CHECK_OK(vs_source_next(source, &batch, &first, &err), err);
    CHECK_INT(batch.row_count, 0);
    vs_batch_clear(&batch);
    vs_source_close(source);
}

static void long_lines_and_many(void)
{
    struct vs_buf text;
    struct vs_source *source = NULL;
    struct vs_batch batch;
    struct vs_error err = {0};
    uint64_t first = 0;
    size_t rows = 0;
    vs_buf_init(&text, vs_env_default(), 64 << 20);
    for (int i = 0; i < 20000; i++) {
        CHECK(vs_buf_printf(&text, NULL, "{\"id\":%d,\"t\":\"%0*d\"}\n", i, i % 700, i) == VS_OK);
    }
    REQUIRE_OK(open_text(vs_env_default(), vs_buf_c_str(&text), NULL, &source, &err), err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), vs_source_schema(source)->fields, 2, &err),
               err);
    do {
        REQUIRE_OK(vs_source_next(source, &batch, &first, &err), err);
        CHECK(batch.row_count <= VS_SOURCE_BATCH_ROWS);
        for (size_t i = 0; i < batch.row_count; i++) {
            CHECK(vs_column_get(&batch.columns[0], i).as.integer == (int64_t)(rows + i));
            CHECK(first + i == rows + i + 1);
        }
        rows += batch.row_count;
    } while (batch.row_count > 0);
    CHECK_INT(rows, 20000);
    vs_batch_clear(&batch);
    vs_source_close(source);
    source = NULL;
    vs_buf_reset(&text);
    CHECK(vs_buf_append_c(&text, "{\"a\":1}\n{\"a\":\"", NULL) == VS_OK);
    CHECK(vs_buf_append_zeros(&text, VS_LINE_MAX_BYTES, NULL) == VS_OK);
    memset(text.data + text.len - VS_LINE_MAX_BYTES, 'x', VS_LINE_MAX_BYTES);
    CHECK_STATUS(open_text(vs_env_default(), vs_buf_c_str(&text), NULL, &source, &err), VS_LIMIT);
    CHECK(strstr(err.message, "line 2 is longer than 16 MiB") != NULL);
    vs_buf_clear(&text);
}

static void wrong_files(void)
{
    struct vs_source *source = NULL;
    struct vs_error err = {0};
    CHECK_STATUS(vs_source_open(vs_env_default(), "rows.csv", NULL, &source, &err), VS_UNSUPPORTED);
    CHECK(strstr(err.message, "rows.csv") != NULL && strstr(err.message, ".jsonl") != NULL);
    CHECK_STATUS(vs_source_open(vs_env_default(), GOLDEN "none.jsonl", NULL, &source, &err),
                 VS_NOT_FOUND);
    CHECK_STATUS(vs_source_open(vs_env_default(), "no/such/folder/a.npy", NULL, &source, &err),
                 VS_NOT_FOUND);
}

static void failures(void)
{
    static const char text[] =
        "{\"id\":7,\"embedding\":[1,2.5],\"s\":\"a\",\"raw\":\"AAEC\",\"tags\":[\"x\",null]}\n"
        "{\"id\":8,\"embedding\":[1e30,null]}\n";
    for (int infer = 0; infer < 2; infer++) {
        for (long n = 0;; n++) {
            struct test_env t;
            struct vs_batch batch = {0};
            test_env_init(&t);
            t.fail_at = n;
            enum vs_status status =
                read_text(&t.env, text, infer ? NULL : &table_options, &batch, NULL);
            CHECK(status == VS_OK || (t.failed && status == VS_NO_MEMORY)); // buffers try twice
            vs_batch_clear(&batch);
            CHECK_INT(t.live, 0);
            if (!t.failed) {
                CHECK(n > 10);
                break;
            }
        }
    }
}

TEST_MAIN(TEST(every_type),
          TEST(bad_lines),
          TEST(unknown_and_renamed_keys),
          TEST(numbers_as_numpy),
          TEST(inference),
          TEST(line_numbers),
          TEST(long_lines_and_many),
          TEST(wrong_files),
          TEST(failures))
