// SPDX-License-Identifier: Apache-2.0
#include "ingest/source.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/format/parquet_write.h"

#define ROWS 3000

static const struct vs_field file_fields[] = {
    {.id = 1, .name = {"id", 2}, .kind = VS_KIND_INT},
    {.id = 2,
     .name = {"vec", 3},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_DOUBLE,
     .element_id = 5},
    {.id = 3, .name = {"title", 5}, .kind = VS_KIND_STRING},
    {.id = 4, .name = {"score", 5}, .kind = VS_KIND_FLOAT},
};

static enum vs_status fill(struct vs_batch *batch, struct vs_error *err)
{
    for (int i = 0; i < ROWS; i++) {
        struct vs_value id = {.kind = VS_KIND_INT, .as.integer = i},
                        score = {.kind = VS_KIND_FLOAT, .as.real = i * 0.5};
        char title[32];
        snprintf(title, sizeof title, "title %d", i);
        VS_TRY(vs_column_append(&batch->columns[0], &id, err));
        for (int k = 0; k < 4; k++) {
            struct vs_value real = {.kind = VS_KIND_DOUBLE, .as.real = i + k * 0.25};
            VS_TRY(vs_column_append(batch->columns[1].child, &real, err));
        }
        VS_TRY(vs_column_end_list(&batch->columns[1], err));
        VS_TRY(vs_column_append_bytes(&batch->columns[2], title, strlen(title), err));
        VS_TRY(i % 3 == 0 ? vs_column_append_null(&batch->columns[3], err)
                          : vs_column_append(&batch->columns[3], &score, err));
    }
    batch->row_count = ROWS;
    return VS_OK;
}

static bool make_file(struct test_sink *sink)
{
    const struct vs_schema schema = {.field_count = 4,
                                     .fields = (struct vs_field *)(uintptr_t)file_fields};
    struct vs_parquet_write_options options = vs_parquet_write_defaults();
    struct vs_parquet_writer *writer = NULL;
    struct vs_parquet_info info = {0};
    struct vs_batch batch = {0};
    struct vs_error err = {0};
    options.row_group_bytes = 60000;
    options.page_bytes = 8192;
    test_sink_init(sink, vs_env_default());
    CHECK_OK(
        vs_parquet_writer_open(vs_env_default(), &sink->writer, &schema, &options, &writer, &err),
        err);
    CHECK_OK(vs_batch_init(&batch, vs_env_default(), file_fields, 4, &err), err);
    CHECK_OK(fill(&batch, &err), err);
    CHECK_OK(vs_parquet_writer_write(writer, &batch, &err), err);
    CHECK_OK(vs_parquet_writer_finish(writer, &info, &err), err);
    vs_parquet_writer_free(writer);
    vs_parquet_info_clear(&info);
    vs_batch_clear(&batch);
    return check_failures == 0;
}

static enum vs_status open_sink(const struct vs_env *env,
                                struct vs_str bytes,
                                const struct vs_source_options *options,
                                struct vs_source **source_out,
                                struct vs_error *err)
{
    struct vs_file *file = NULL;
    VS_TRY(vs_file_open_bytes(env, bytes, "t.parquet", &file, err));
    return vs_source_open_file(env, file, "t.parquet", options, source_out, err);
}

static void own_columns(void)
{
    struct test_env t;
    struct test_sink sink;
    struct vs_source *source = NULL;
    struct vs_source_options options = {.vector_column = VS_STR("vec")};
    struct vs_batch batch;
    struct vs_error err = {0};
    uint64_t first = 0;
    size_t rows = 0;
    test_env_init(&t);
    REQUIRE(make_file(&sink));
    REQUIRE_OK(open_sink(&t.env, vs_buf_view(&sink.bytes), &options, &source, &err), err);
    const struct vs_schema *schema = vs_source_schema(source);
    CHECK_INT(schema->field_count, 4);
    CHECK_INT(schema->fields[1].element_kind,
              VS_KIND_FLOAT); // doubles of the vector column become floats
    CHECK_INT(source->row_total, ROWS);
    REQUIRE_OK(vs_batch_init(&batch, &t.env, schema->fields, 4, &err), err);
    do {
        REQUIRE_OK(vs_source_next(source, &batch, &first, &err), err);
        CHECK_INT(first, rows);
        for (size_t i = 0; i < batch.row_count; i++) {
            size_t count = 0, row = rows + i;
            char title[32];
            snprintf(title, sizeof title, "title %zu", row);
            const float *floats = vs_column_get_floats(&batch.columns[1], i, &count);
            CHECK(count == 4 && floats[3] == (float)row + 0.75f);
            CHECK(vs_column_get(&batch.columns[0], i).as.integer == (int64_t)row);
            CHECK(vs_str_equal_c(vs_column_get_bytes(&batch.columns[2], i), title));
            CHECK(vs_column_is_null(&batch.columns[3], i) == (row % 3 == 0));
        }
        rows += batch.row_count;
    } while (batch.row_count > 0);
    CHECK_INT(rows, ROWS);
    CHECK_INT(source->bytes_read, sink.bytes.len);
    vs_batch_clear(&batch);
    vs_source_close(source);
    vs_buf_clear(&sink.bytes);
    CHECK_INT(t.live, 0);
}

static struct vs_field table_fields[] = {
    {.id = 1, .name = {"extra", 5}, .kind = VS_KIND_STRING},
    {.id = 2, .name = {"embedding", 9}, .kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT},
    {.id = 3, .name = {"id", 2}, .kind = VS_KIND_LONG, .required = true},
    {.id = 4, .name = {"title", 5}, .kind = VS_KIND_STRING},
};

// By name, in the table's order, promoted, renamed; what the file lacks is null; what the table
// lacks is an error.
static void into_a_table(void)
{
    const struct vs_schema schema = {.field_count = 4, .fields = table_fields};
    static const struct vs_source_rename renames[] = {{{"vec", 3}, {"embedding", 9}}};
    struct vs_source_options options = {.schema = &schema, .renames = renames, .rename_count = 1};
    struct test_sink sink;
    struct vs_source *source = NULL;
    struct vs_batch batch;
    struct vs_error err = {0};
    REQUIRE(make_file(&sink));
    CHECK_STATUS(open_sink(vs_env_default(), vs_buf_view(&sink.bytes), &options, &source, &err),
                 VS_INVALID);
    CHECK(strstr(err.message, "no column 'score'") != NULL);
    options.skip_unknown = true;
    REQUIRE_OK(open_sink(vs_env_default(), vs_buf_view(&sink.bytes), &options, &source, &err), err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), table_fields, 4, &err), err);
    REQUIRE_OK(vs_source_next(source, &batch, NULL, &err), err);
    REQUIRE(batch.row_count > 2);
    size_t count = 0;
    CHECK(vs_column_is_null(&batch.columns[0], 2));
    CHECK(vs_column_get_floats(&batch.columns[1], 2, &count)[1] == 2.25f && count == 4);
    CHECK_INT(vs_column_get(&batch.columns[2], 2).as.integer, 2);
    CHECK(vs_str_equal_c(vs_column_get_bytes(&batch.columns[3], 2), "title 2"));
    vs_batch_clear(&batch);
    vs_source_close(source);
    source = NULL;
    options.rename_count = 0;
    table_fields[3].kind = VS_KIND_DATE; // a string cannot become a date
    CHECK(open_sink(vs_env_default(), vs_buf_view(&sink.bytes), &options, &source, &err) != VS_OK);
    CHECK(strstr(err.message, "title") != NULL);
    table_fields[3].kind = VS_KIND_STRING;
    vs_source_close(source);
    vs_buf_clear(&sink.bytes);
}

static enum vs_status read_all(const struct vs_env *env, struct vs_str bytes, struct vs_error *err)
{
    struct vs_source *source = NULL;
    struct vs_batch batch = {0};
    VS_TRY(open_sink(env, bytes, NULL, &source, err));
    const struct vs_schema *schema = vs_source_schema(source);
    enum vs_status status = vs_batch_init(&batch, env, schema->fields, schema->field_count, err);
    while (status == VS_OK) {
        status = vs_source_next(source, &batch, NULL, err);
        if (batch.row_count == 0) {
            break;
        }
    }
    vs_batch_clear(&batch);
    vs_source_close(source);
    return status;
}

static void damaged_files(void)
{
    struct test_sink sink;
    struct vs_error err = {0};
    REQUIRE(make_file(&sink));
    for (size_t n = 0; n < sink.bytes.len; n += 1 + n / 7) { // truncated
        struct vs_str cut = {(const char *)sink.bytes.data, n};
        CHECK_STATUS(read_all(vs_env_default(), cut, &err), VS_CORRUPT);
        CHECK(strstr(err.message, "t.parquet") != NULL);
    }
    sink.bytes.data[sink.bytes.len / 2] ^= 0x40; // a page: its checksum tells
    CHECK_STATUS(read_all(vs_env_default(), vs_buf_view(&sink.bytes), &err), VS_CORRUPT);
    vs_buf_clear(&sink.bytes);
}

static void failures(void)
{
    struct test_sink sink;
    REQUIRE(make_file(&sink));
    for (long n = 0;; n += 1 + n / 40) {
        struct test_env t;
        test_env_init(&t);
        t.fail_at = n;
        enum vs_status status = read_all(&t.env, vs_buf_view(&sink.bytes), NULL);
        CHECK(status == VS_OK || (t.failed && status == VS_NO_MEMORY)); // buffers try twice
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK(n > 30);
            break;
        }
    }
    vs_buf_clear(&sink.bytes);
}

TEST_MAIN(TEST(own_columns), TEST(into_a_table), TEST(damaged_files), TEST(failures))
