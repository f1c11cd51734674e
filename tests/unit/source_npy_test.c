// SPDX-License-Identifier: Apache-2.0
#include "ingest/npy_header.h"
#include "ingest/source.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/base/bytes.h"

#define GOLDEN "tests/golden/ingest/"
#define DATA "../shared/data/"

static enum vs_status open_bytes(const struct vs_env *env,
                                 struct vs_str bytes,
                                 const struct vs_source_options *options,
                                 struct vs_source **source_out,
                                 struct vs_error *err)
{
    struct vs_file *file = NULL;
    VS_TRY(vs_file_open_bytes(env, bytes, "t.npy", &file, err));
    return vs_source_open_file(env, file, "t.npy", options, source_out, err);
}

// The array equals the raw float32 file that NumPy wrote of it.
static void check_array(const char *path, const char *raw_path, size_t dimension)
{
    struct vs_source *source = NULL;
    struct vs_batch batch;
    struct vs_error err = {0};
    struct vs_buf raw;
    size_t at = 0;
    vs_buf_init(&raw, vs_env_default(), 1 << 20);
    CHECK(test_file_read(raw_path, &raw));
    REQUIRE_OK(vs_source_open(vs_env_default(), path, NULL, &source, &err), err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), vs_source_schema(source)->fields, 1, &err),
               err);
    REQUIRE_OK(vs_source_next(source, &batch, NULL, &err), err);
    CHECK_INT(batch.row_count, source->row_total);
    CHECK_INT(batch.row_count * dimension * 4, raw.len);
    for (size_t row = 0; row < batch.row_count; row++) {
        size_t count = 0;
        const float *floats = vs_column_get_floats(&batch.columns[0], row, &count);
        CHECK_INT(count, dimension);
        CHECK(memcmp(floats, raw.data + at, count * 4) == 0);
        at += count * 4;
    }
    REQUIRE_OK(vs_source_next(source, &batch, NULL, &err), err);
    CHECK_INT(batch.row_count, 0);
    CHECK_INT(source->bytes_read, source->bytes_total);
    vs_batch_clear(&batch);
    vs_source_close(source);
    vs_buf_clear(&raw);
}

static void arrays_as_numpy(void)
{
    check_array(GOLDEN "f4_v1.npy", GOLDEN "vectors.f32", 12);
    check_array(GOLDEN "f4_v2.npy", GOLDEN "vectors.f32", 12);
    check_array(GOLDEN "f4_v3.npy", GOLDEN "vectors.f32", 12);
    check_array(GOLDEN "f8.npy", GOLDEN "vectors.f32", 12);
    check_array(GOLDEN "f2.npy", GOLDEN "halves.f32", 8);
}

static void refused_arrays(void)
{
    static const struct {
        const char *file;
        enum vs_status status;
        const char *reason;
    } cases[] = {
        {"bad_big_endian.npy", VS_UNSUPPORTED, "big-endian values ('>f4')"},
        {"bad_fortran.npy", VS_UNSUPPORTED, "Fortran order"},
        {"bad_one_dimension.npy", VS_UNSUPPORTED, "an array of 1 dimensions"},
        {"bad_three_dimensions.npy", VS_UNSUPPORTED, "an array of 3 dimensions"},
        {"bad_int64.npy", VS_UNSUPPORTED, "'<i8'"},
        {"bad_structured.npy", VS_UNSUPPORTED, "structured"},
        {"bad_objects.npy", VS_UNSUPPORTED, "Python objects"},
        {"bad_no_columns.npy", VS_UNSUPPORTED, "vectors of 0 values"},
        {"vectors.npy", VS_NOT_FOUND, "vectors.npy"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vs_source *source = NULL;
        struct vs_error err = {0};
        char path[256];
        snprintf(path, sizeof path, GOLDEN "%s", cases[i].file);
        CHECK_STATUS(vs_source_open(vs_env_default(), path, NULL, &source, &err), cases[i].status);
        if (strstr(err.message, cases[i].reason) == NULL) {
            CHECK_TEXT(err.message, cases[i].reason);
        }
    }
}

static void every_truncation(void)
{
    struct vs_buf bytes;
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    CHECK(test_file_read(GOLDEN "f4_v1.npy", &bytes));
    for (size_t n = 0; n <= bytes.len; n++) {
        struct vs_source *source = NULL;
        struct vs_error err = {0};
        enum vs_status status = open_bytes(
            vs_env_default(), (struct vs_str){(const char *)bytes.data, n}, NULL, &source, &err);
        CHECK_INT(status, n == bytes.len ? VS_OK : VS_CORRUPT);
        CHECK(status == VS_OK || strstr(err.message, "t.npy") != NULL);
        vs_source_close(source);
    }
    CHECK(vs_buf_append_byte(&bytes, 0, NULL) == VS_OK);
    struct vs_source *source = NULL;
    struct vs_error err = {0};
    CHECK_STATUS(open_bytes(vs_env_default(), vs_buf_view(&bytes), NULL, &source, &err),
                 VS_CORRUPT);
    CHECK(strstr(err.message, "bytes follow the array") != NULL);
    vs_buf_clear(&bytes);
}

static void headers(void)
{
    static const struct {
        const char *text;
        enum vs_status status;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", VS_OK},
        {"{\"shape\":(3,4),\"descr\":\"<f2\",\"fortran_order\":False}\n", VS_OK},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 4)}", VS_OK},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616, 4)}",
         VS_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}", VS_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)", VS_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3 4)}", VS_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False}", VS_CORRUPT},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (3, 4)}", VS_CORRUPT},
        {"{'descr': '<f4', 'x': 1}", VS_CORRUPT},
        {"{'descr': '<f4", VS_CORRUPT},
        {"{'descr': 4}", VS_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': 0}", VS_CORRUPT},
        {"", VS_CORRUPT},
        {"{}", VS_CORRUPT},
        {"{'descr': '', 'fortran_order': False, 'shape': (3, 4)}", VS_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", VS_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2000000)}", VS_UNSUPPORTED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vs_npy_header header = {0};
        struct vs_error err = {0};
        enum vs_status status =
            vs_npy_header_parse(vs_str_from_c(cases[i].text), "t.npy", &header, &err);
        if (status != cases[i].status) {
            fprintf(stderr, "%s: %s\n", cases[i].text, err.message);
            CHECK_INT(status, cases[i].status);
        }
    }
}

// The vectors and their metadata beside them give what is in the Parquet file of the same rows.
static void check_metadata(const char *metadata)
{
    struct vs_source_options options = {.metadata = metadata, .vector_column = VS_STR("embedding")};
    struct vs_source *joined = NULL;
    struct vs_batch batch;
    struct vs_error err = {0};
    uint64_t first = 9;
    REQUIRE_OK(vs_source_open(vs_env_default(), DATA "docs_small.npy", &options, &joined, &err),
               err);
    const struct vs_schema *schema = vs_source_schema(joined);
    size_t vector = vs_schema_find(schema, VS_STR("embedding")),
           text = vs_schema_find(schema, VS_STR("text"));
    size_t id = vs_schema_find(schema, VS_STR("id"));
    REQUIRE(vector != SIZE_MAX && text != SIZE_MAX && id != SIZE_MAX);
    CHECK_INT(schema->fields[id].kind, VS_KIND_LONG);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), schema->fields, schema->field_count, &err),
               err);
    size_t rows = 0;
    do {
        REQUIRE_OK(vs_source_next(joined, &batch, &first, &err), err);
        CHECK_INT(first, rows);
        for (size_t i = 0; i < batch.row_count; i++) {
            size_t count = 0;
            const float *floats = vs_column_get_floats(&batch.columns[vector], i, &count);
            double norm = 0;
            for (size_t k = 0; k < count; k++) {
                norm += (double)floats[k] * (double)floats[k];
            }
            CHECK_INT(count, 384);
            CHECK_NEAR(norm, 1.0, 1e-3);
            CHECK(vs_column_get_bytes(&batch.columns[text], i).len > 0);
        }
        rows += batch.row_count;
    } while (batch.row_count > 0);
    CHECK_INT(rows, 1000);
    vs_batch_clear(&batch);
    vs_source_close(joined);
}

static void metadata_beside(void)
{
    struct vs_buf probe;
    vs_buf_init(&probe, vs_env_default(), 1 << 24);
    bool there = test_file_read(DATA "docs_small.npy", &probe);
    vs_buf_clear(&probe);
    if (!there) {
        SKIP("no " DATA "docs_small.npy");
    }
    check_metadata(DATA "docs_small.jsonl");
}

static struct vs_field table_fields[] = {
    {.id = 1, .name = {"v", 1}, .kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT},
    {.id = 2, .name = {"id", 2}, .kind = VS_KIND_LONG, .required = true},
    {.id = 3, .name = {"title", 5}, .kind = VS_KIND_STRING},
};

static void into_a_table(void)
{
    const struct vs_schema schema = {.field_count = 3, .fields = table_fields};
    struct vs_source_options options = {
        .schema = &schema, .vector_column = VS_STR("v"), .row_number_column = VS_STR("id")};
    struct vs_source *source = NULL;
    struct vs_batch batch;
    struct vs_error err = {0};
    REQUIRE_OK(vs_source_open(vs_env_default(), GOLDEN "f4_v1.npy", &options, &source, &err), err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), table_fields, 3, &err), err);
    REQUIRE_OK(vs_source_next(source, &batch, NULL, &err), err);
    CHECK_INT(batch.row_count, 20);
    CHECK_INT(vs_column_get(&batch.columns[1], 19).as.integer, 19);
    CHECK(vs_column_is_null(&batch.columns[2], 3));
    vs_batch_clear(&batch);
    vs_source_close(source);
    options.vector_column = VS_STR("title");
    CHECK_STATUS(vs_source_open(vs_env_default(), GOLDEN "f4_v1.npy", &options, &source, &err),
                 VS_INVALID);
    CHECK(strstr(err.message, "no list<float> column 'title'") != NULL);
}

static enum vs_status read_pair(const struct vs_env *env,
                                const char *metadata,
                                const struct vs_source_options *base,
                                size_t *rows_out,
                                struct vs_error *err)
{
    struct vs_source_options options = *base;
    struct vs_source *source = NULL;
    struct vs_batch batch = {0};
    options.metadata = metadata;
    *rows_out = 0;
    VS_TRY(vs_source_open(env, GOLDEN "f4_v1.npy", &options, &source, err));
    const struct vs_schema *schema = vs_source_schema(source);
    enum vs_status status = vs_batch_init(&batch, env, schema->fields, schema->field_count, err);
    while (status == VS_OK) {
        status = vs_source_next(source, &batch, NULL, err);
        *rows_out += batch.row_count;
        if (batch.row_count == 0) {
            break;
        }
    }
    vs_batch_clear(&batch);
    vs_source_close(source);
    return status;
}

static void counts_must_agree(void)
{
    const struct vs_schema schema = {.field_count = 3, .fields = table_fields};
    struct vs_source_options options = {.schema = &schema, .vector_column = VS_STR("v")};
    char dir[256], path[320], text[2048];
    test_dir_make(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/m.jsonl", dir);
    for (int rows = 19; rows <= 21; rows++) {
        struct vs_error err = {0};
        size_t used = 0, read = 0;
        for (int i = 0; i < rows; i++) {
            used += (size_t)snprintf(text + used, sizeof text - used,
                                     "{\"id\":%d,\"title\":\"t\"}\n", i);
        }
        CHECK(test_file_write(path, text, used));
        enum vs_status status = read_pair(vs_env_default(), path, &options, &read, &err);
        CHECK_INT(status, rows == 20 ? VS_OK : VS_INVALID);
        CHECK(rows == 20 ? read == 20
                         : strstr(err.message, rows < 20 ? "fewer rows" : "more rows") != NULL);
    }
    for (long n = 0;; n++) { // the n-th allocation
        struct test_env t;
        size_t read;
        test_env_init(&t);
        t.fail_at = n;
        enum vs_status status = read_pair(&t.env, path, &options, &read, NULL);
        CHECK(status == VS_INVALID ||
              (t.failed && status == VS_NO_MEMORY)); // 21 rows; buffers try twice
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK(n > 20);
            break;
        }
    }
    test_dir_remove(dir);
}

TEST_MAIN(TEST(arrays_as_numpy),
          TEST(refused_arrays),
          TEST(every_truncation),
          TEST(headers),
          TEST(metadata_beside),
          TEST(into_a_table),
          TEST(counts_must_agree))
