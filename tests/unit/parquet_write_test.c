// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/json.h"
#include "vecstore/format/parquet_encode.h"
#include "vecstore/format/parquet_meta.h"
#include "vecstore/format/parquet_stats.h"
#include "vecstore/format/parquet_write.h"

#include <inttypes.h>

// Columns of the file that tests/support/verify_parquet.py computes a second time.
enum { COLUMN_COUNT = 24 };

static const struct vs_field all_fields[COLUMN_COUNT] = {
    {.id = 1, .name = {"id", 2}, .kind = VS_KIND_LONG, .required = true},
    {.id = 2, .name = {"flag", 4}, .kind = VS_KIND_BOOLEAN},
    {.id = 3, .name = {"i", 1}, .kind = VS_KIND_INT},
    {.id = 4, .name = {"l", 1}, .kind = VS_KIND_LONG},
    {.id = 5, .name = {"f", 1}, .kind = VS_KIND_FLOAT},
    {.id = 6, .name = {"d", 1}, .kind = VS_KIND_DOUBLE},
    {.id = 7, .name = {"word", 4}, .kind = VS_KIND_STRING},
    {.id = 8, .name = {"text", 4}, .kind = VS_KIND_STRING},
    {.id = 9, .name = {"day", 3}, .kind = VS_KIND_DATE},
    {.id = 10, .name = {"ts", 2}, .kind = VS_KIND_TIMESTAMP},
    {.id = 11, .name = {"tz", 2}, .kind = VS_KIND_TIMESTAMPTZ},
    {.id = 12, .name = {"bin", 3}, .kind = VS_KIND_BINARY},
    {.id = 13, .name = {"u", 1}, .kind = VS_KIND_UUID},
    {.id = 14, .name = {"dec9", 4}, .kind = VS_KIND_DECIMAL, .precision = 9, .scale = 2},
    {.id = 15, .name = {"dec18", 5}, .kind = VS_KIND_DECIMAL, .precision = 18, .scale = 4},
    {.id = 16, .name = {"dec38", 5}, .kind = VS_KIND_DECIMAL, .precision = 38, .scale = 10},
    {.id = 17,
     .name = {"embedding", 9},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_FLOAT,
     .element_id = 21},
    {.id = 18,
     .name = {"tags", 4},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_STRING,
     .element_id = 22},
    {.id = 19,
     .name = {"longs", 5},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_LONG,
     .element_id = 23},
    {.id = 20,
     .name = {"must", 4},
     .kind = VS_KIND_LIST,
     .required = true,
     .element_kind = VS_KIND_FLOAT,
     .element_id = 24,
     .element_required = true},
    {.id = 25, .name = {"clock", 5}, .kind = VS_KIND_TIME},
    {.id = 26, .name = {"fix", 3}, .kind = VS_KIND_FIXED, .fixed_length = 5},
    {.id = 27, .name = {"tns", 3}, .kind = VS_KIND_TIMESTAMP_NS},
    {.id = 28, .name = {"tzns", 4}, .kind = VS_KIND_TIMESTAMPTZ_NS},
};

static const struct vs_schema all_schema = {.field_count = COLUMN_COUNT,
                                            .fields = (struct vs_field *)(uintptr_t)all_fields};

static bool is_null(int64_t row, int64_t id)
{
    return id != 1 && id != 20 && (row * 7 + id * 3) % 11 == 0;
}

static int64_t number_of(int64_t row)
{
    return row * 1000003 % 2000000011 - 1000000000;
}

static struct vs_value value_of(int64_t row, const struct vs_field *field, char text[64])
{
    struct vs_value value = {.kind = field->kind};
    value.as.integer = number_of(row);
    switch (field->id) {
    case 1:
        value.as.integer = row;
        break;
    case 2:
        value.as.boolean = row % 3 == 0;
        break;
    case 4:
        value.as.integer = number_of(row) * 4000000007;
        break;
    case 5:
        value.as.real = row % 13 == 5 ? (double)NAN : (double)(row - 500) * 0.25;
        break;
    case 6:
        value.as.real = row % 17 == 3 ? -0.0 : (double)row * 0.125;
        break;
    case 7:
    case 8:
        snprintf(text, 64,
                 field->id == 7 ? "word %d" : "text %d \xc3\xa9\xe6\xbc\xa2 and more words",
                 (int)(field->id == 7 ? row % 7 : row));
        value.as.text = vs_str_from_c(text);
        break;
    case 9:
        value.as.integer = row * 13 % 40000 - 20000;
        break;
    case 12:
        memset(text, (int)(row % 256), 20);
        value.as.text = (struct vs_str){text, (size_t)(row % 20)};
        break;
    case 13:
        for (int i = 0; i < 16; i++) {
            text[i] = (char)((row * 31 + (int64_t)i * 7) % 256);
        }
        value.as.text = (struct vs_str){text, 16};
        break;
    case 14:
        value.as.decimal = number_of(row) % 1000000000;
        break;
    case 15:
        value.as.decimal = (vs_int128)number_of(row) * 1000000;
        break;
    case 16:
        value.as.decimal = (vs_int128)number_of(row) * 1000000000000000 * 1000000000000;
        break;
    case 25:
        value.as.integer = row * 7000003 % 86400000000;
        break;
    case 26:
        for (int i = 0; i < 5; i++) {
            text[i] = (char)((row * 3 + (int64_t)i * 50) % 256);
        }
        value.as.text = (struct vs_str){text, 5};
        break;
    case 27:
    case 28:
        value.as.integer = number_of(row) * 1000000007;
        break;
    default:
        break;
    }
    return value;
}

static enum vs_status append_list(struct vs_column *column,
                                  const struct vs_field *field,
                                  int64_t row,
                                  struct vs_error *err)
{
    size_t count = (row + field->id) % 5 == 0 ? 0 : (size_t)(row % 4) + 1;
    count = field->id == 17 || field->id == 20 ? 8 : count;
    for (size_t i = 0; i < count; i++) {
        char text[64];
        struct vs_value value = {.kind = field->element_kind};
        int64_t number = row * 8 + (int64_t)i;
        if (!field->element_required && field->id != 17 && number % 6 == 0) {
            VS_TRY(vs_column_append_null(column->child, err));
            continue;
        }
        value.as.integer = number;
        if (field->element_kind == VS_KIND_FLOAT) {
            value.as.real = (double)((float)(number % 997) * 0.001f);
        } else if (field->element_kind == VS_KIND_STRING) {
            snprintf(text, sizeof text, "t%d", (int)(number % 100));
            value.as.text = vs_str_from_c(text);
        }
        VS_TRY(vs_column_append(column->child, &value, err));
    }
    return vs_column_end_list(column, err);
}

static enum vs_status fill(struct vs_batch *batch,
                           const struct vs_schema *schema,
                           int64_t first,
                           int64_t count,
                           struct vs_error *err)
{
    for (int64_t row = first; row < first + count; row++) {
        for (size_t c = 0; c < schema->field_count; c++) {
            const struct vs_field *field = &schema->fields[c];
            char text[64];
            if (is_null(row, field->id)) {
                VS_TRY(vs_column_append_null(&batch->columns[c], err));
            } else if (field->kind == VS_KIND_LIST) {
                VS_TRY(append_list(&batch->columns[c], field, row, err));
            } else {
                struct vs_value value = value_of(row, field, text);
                VS_TRY(vs_column_append(&batch->columns[c], &value, err));
            }
        }
    }
    batch->row_count += (size_t)count;
    return VS_OK;
}

static enum vs_status write_rows(const struct vs_env *env,
                                 struct vs_parquet_writer *writer,
                                 const struct vs_schema *schema,
                                 int64_t rows,
                                 int64_t step,
                                 struct vs_error *err)
{
    struct vs_batch batch = {0};
    enum vs_status status = vs_batch_init(&batch, env, schema->fields, schema->field_count, err);
    for (int64_t row = 0; row < rows && status == VS_OK; row += step) {
        vs_batch_reset(&batch);
        status = fill(&batch, schema, row, rows - row < step ? rows - row : step, err);
        if (status == VS_OK) {
            status = vs_parquet_writer_write(writer, &batch, err);
        }
    }
    vs_batch_clear(&batch);
    return status;
}

static enum vs_status write_file(const struct vs_env *env,
                                 struct test_sink *sink,
                                 int64_t rows,
                                 int64_t step,
                                 const struct vs_parquet_write_options *options,
                                 struct vs_parquet_info *info_out,
                                 struct vs_error *err)
{
    struct vs_parquet_writer *writer = NULL;
    VS_TRY(vs_parquet_writer_open(env, &sink->writer, &all_schema, options, &writer, err));
    enum vs_status status = write_rows(env, writer, &all_schema, rows, step, err);
    if (status == VS_OK) {
        status = vs_parquet_writer_finish(writer, info_out, err);
    }
    vs_parquet_writer_free(writer);
    return status;
}

static void jw_hex(struct vs_json_writer *w, const char *key, const struct vs_buf *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char text[160];
    size_t n = 0;
    for (size_t i = 0; i < bytes->len && i < 72; i++) {
        text[n++] = digits[bytes->data[i] >> 4];
        text[n++] = digits[bytes->data[i] & 15];
    }
    vs_jw_key(w, key);
    vs_jw_str(w, (struct vs_str){text, n});
}

// The facts for manifests as JSON, for the script to compare with its own.
static void write_facts(const struct vs_parquet_info *info, struct vs_buf *out)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, out, true);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "rows");
    vs_jw_u64(&w, info->row_count);
    vs_jw_key(&w, "size");
    vs_jw_u64(&w, info->file_size);
    vs_jw_key(&w, "splits");
    vs_jw_array_begin(&w);
    for (size_t i = 0; i < info->split_count; i++) {
        vs_jw_i64(&w, info->split_offsets[i]);
    }
    vs_jw_array_end(&w);
    vs_jw_key(&w, "columns");
    vs_jw_array_begin(&w);
    for (size_t i = 0; i < info->column_count; i++) {
        const struct vs_parquet_column_stats *c = &info->columns[i];
        vs_jw_object_begin(&w);
        vs_jw_key(&w, "id");
        vs_jw_i64(&w, c->field_id);
        vs_jw_key(&w, "size");
        vs_jw_u64(&w, c->column_size);
        if (c->has_counts) {
            vs_jw_key(&w, "values");
            vs_jw_u64(&w, c->value_count);
            vs_jw_key(&w, "nulls");
            vs_jw_u64(&w, c->null_count);
        }
        if (c->has_nan_count) {
            vs_jw_key(&w, "nans");
            vs_jw_u64(&w, c->nan_count);
        }
        if (c->has_bounds) {
            jw_hex(&w, "lower", &c->lower);
            jw_hex(&w, "upper", &c->upper);
        }
        vs_jw_object_end(&w);
    }
    vs_jw_array_end(&w);
    vs_jw_object_end(&w);
    CHECK(vs_json_writer_finish(&w, NULL) == VS_OK);
}

static char *writable(const char *text)
{
    return (char *)(uintptr_t)text; // execv takes its words without const and leaves them alone
}

static void verify(const char *name, int64_t rows, const struct vs_parquet_write_options *options)
{
    struct test_sink sink;
    struct vs_parquet_info info = {0};
    struct vs_error err = {0};
    struct vs_buf facts;
    char dir[256], path[320], facts_path[320], count[32];
    test_sink_init(&sink, vs_env_default());
    vs_buf_init(&facts, vs_env_default(), 1 << 24);
    CHECK_OK(write_file(vs_env_default(), &sink, rows, 777, options, &info, &err), err);
    CHECK_INT(info.file_size, sink.bytes.len);
    write_facts(&info, &facts);
    test_dir_make(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/%s.parquet", dir, name);
    snprintf(facts_path, sizeof facts_path, "%s/facts.json", dir);
    snprintf(count, sizeof count, "%" PRId64, rows);
    CHECK(test_file_write(path, sink.bytes.data, sink.bytes.len));
    CHECK(test_file_write(facts_path, facts.data, facts.len));
    char *argv[] = {writable(test_python()),
                    writable("tests/support/verify_parquet.py"),
                    path,
                    facts_path,
                    count,
                    NULL};
    CHECK_INT(test_run_program(argv), 0);
    test_dir_remove(dir);
    vs_parquet_info_clear(&info);
    vs_buf_clear(&facts);
    vs_buf_clear(&sink.bytes);
}

static void read_by_others(void)
{
    struct vs_parquet_write_options small = vs_parquet_write_defaults();
    small.page_bytes = 2048;
    small.row_group_bytes = 300000;
    small.thread_count = 2;
    small.schema_json = VS_STR("{\"type\":\"struct\"}");
    if (test_python() == NULL) {
        SKIP("no Python with pyarrow and duckdb (VECSTORE_PYTHON)");
    }
    verify("small_pages", 5000, &small);
    small.byte_stream_split = false;
    verify("plain", 5000, &small);
    verify("defaults", 3000, NULL);
    verify("one_row", 1, NULL);
    verify("empty", 0, NULL);
}

static void same_bytes_for_every_thread_count(void)
{
    struct test_sink sinks[3];
    for (size_t i = 0; i < 3; i++) {
        struct vs_parquet_write_options options = vs_parquet_write_defaults();
        struct vs_parquet_info info = {0};
        struct vs_error err = {0};
        struct test_env t;
        test_env_init(&t);
        options.thread_count = i == 0 ? 1 : i * 4;
        options.page_bytes = 4096;
        options.row_group_bytes = 500000;
        test_sink_init(&sinks[i], vs_env_default());
        CHECK_OK(write_file(&t.env, &sinks[i], 6000, 6000, &options, &info, &err), err);
        vs_parquet_info_clear(&info);
        CHECK_INT(t.live, 0);
    }
    for (size_t i = 1; i < 3; i++) {
        CHECK_INT(sinks[i].bytes.len, sinks[0].bytes.len);
        CHECK(sinks[i].bytes.len == sinks[0].bytes.len &&
              memcmp(sinks[i].bytes.data, sinks[0].bytes.data, sinks[0].bytes.len) == 0);
        vs_buf_clear(&sinks[i].bytes);
    }
    vs_buf_clear(&sinks[0].bytes);
}

// Nothing but NaN: no bounds and no column index. Nothing but null: a null page, no bounds.
static void columns_without_bounds(void)
{
    struct vs_field fields[] = {{.id = 1, .name = VS_STR("f"), .kind = VS_KIND_FLOAT},
                                {.id = 2, .name = VS_STR("s"), .kind = VS_KIND_STRING}};
    const struct vs_schema schema = {.field_count = 2, .fields = fields};
    const struct vs_value nan = {.kind = VS_KIND_FLOAT, .as.real = (double)NAN};
    struct vs_parquet_writer *writer = NULL;
    struct vs_parquet_info info = {0};
    struct vs_pq_file_meta meta = {0};
    struct vs_arena arena;
    struct test_sink sink;
    struct vs_batch batch;
    struct vs_error err = {0};
    test_sink_init(&sink, vs_env_default());
    vs_arena_init(&arena, vs_env_default(), 0);
    REQUIRE_OK(vs_parquet_writer_open(vs_env_default(), &sink.writer, &schema, NULL, &writer, &err),
               err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), fields, 2, &err), err);
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(vs_column_append(&batch.columns[0], &nan, &err), err);
        CHECK_OK(vs_column_append_null(&batch.columns[1], &err), err);
    }
    batch.row_count = 3;
    CHECK_OK(vs_parquet_writer_write(writer, &batch, &err), err);
    REQUIRE_OK(vs_parquet_writer_finish(writer, &info, &err), err);
    CHECK(!info.columns[0].has_bounds && info.columns[0].nan_count == 3 &&
          info.columns[0].null_count == 0);
    CHECK(!info.columns[1].has_bounds && info.columns[1].null_count == 3 &&
          !info.columns[1].has_nan_count);
    size_t footer = vs_load_u32le(sink.bytes.data + sink.bytes.len - 8);
    REQUIRE_OK(vs_pq_file_meta_parse(sink.bytes.data + sink.bytes.len - 8 - footer, footer, "sink",
                                     &arena, &meta, &err),
               err);
    const struct vs_pq_column_chunk *chunks = meta.row_groups[0].columns;
    CHECK(chunks[0].column_index_offset == 0 && chunks[0].offset_index_offset > 0 &&
          !chunks[0].statistics.has_min);
    CHECK(chunks[1].column_index_offset > 0 && !chunks[1].statistics.has_min &&
          chunks[1].statistics.null_count == 3);
    struct vs_pq_column_index index = {0};
    REQUIRE_OK(vs_pq_column_index_parse(sink.bytes.data + chunks[1].column_index_offset,
                                        (size_t)chunks[1].column_index_length, "sink", &arena,
                                        &index, &err),
               err);
    CHECK(index.page_count == 1 && index.null_pages[0] && index.min_values[0].len == 0 &&
          index.null_counts[0] == 3);
    vs_parquet_writer_free(writer);
    vs_parquet_info_clear(&info);
    vs_batch_clear(&batch);
    vs_arena_clear(&arena);
    vs_buf_clear(&sink.bytes);
}

static void rejects(void)
{
    struct test_sink sink;
    struct vs_error err = {0};
    struct vs_parquet_writer *writer = NULL;
    struct vs_batch batch;
    struct vs_field field = {.id = 1, .name = VS_STR("id"), .kind = VS_KIND_LONG, .required = true};
    struct vs_field odd = {.id = 1,
                           .name = VS_STR("m"),
                           .kind = VS_KIND_OTHER,
                           .other_type = VS_STR("map<string,long>")};
    struct vs_schema schema = {.field_count = 1, .fields = &odd};
    struct vs_value value = {.kind = VS_KIND_LONG, .as.integer = 4};
    test_sink_init(&sink, vs_env_default());
    CHECK_STATUS(
        vs_parquet_writer_open(vs_env_default(), &sink.writer, &schema, NULL, &writer, &err),
        VS_UNSUPPORTED);
    CHECK(strstr(err.message, "map<string,long>") != NULL);
    schema.fields = &field;
    REQUIRE_OK(vs_parquet_writer_open(vs_env_default(), &sink.writer, &schema, NULL, &writer, &err),
               err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), &field, 1, &err), err);
    CHECK_OK(vs_column_append(&batch.columns[0], &value, &err), err);
    CHECK_OK(vs_column_append_null(&batch.columns[0], &err), err);
    batch.row_count = 2;
    CHECK_STATUS(vs_parquet_writer_write(writer, &batch, &err), VS_INVALID);
    CHECK(strstr(err.message, "row 1") != NULL && strstr(err.message, "'id'") != NULL);
    batch.row_count = 3;
    CHECK_STATUS(vs_parquet_writer_write(writer, &batch, &err), VS_INVALID);
    vs_batch_clear(&batch);
    vs_parquet_writer_free(writer);
    vs_buf_clear(&sink.bytes);
}

static void failures(void)
{
    struct vs_parquet_write_options options = vs_parquet_write_defaults();
    options.page_bytes = 512;
    options.row_group_bytes = 4000;
    long n = 0;
    for (bool done = false; !done; n++) { // the n-th allocation
        struct test_env t;
        struct test_sink sink;
        struct vs_parquet_info info = {0};
        test_env_init(&t);
        t.fail_at = n;
        test_sink_init(&sink, vs_env_default());
        enum vs_status status = write_file(&t.env, &sink, 60, 25, &options, &info, NULL);
        CHECK(status == VS_OK || (t.failed && status == VS_NO_MEMORY)); // buffers try twice
        done = !t.failed;
        vs_parquet_info_clear(&info);
        vs_buf_clear(&sink.bytes);
        CHECK_INT(t.live, 0);
    }
    CHECK(n > 100);
    for (n = 0;; n++) { // the n-th write
        struct test_env t;
        struct test_sink sink;
        struct vs_parquet_info info = {0};
        test_env_init(&t);
        test_sink_init(&sink, vs_env_default());
        sink.writes_left = n;
        enum vs_status status = write_file(&t.env, &sink, 60, 25, &options, &info, NULL);
        vs_parquet_info_clear(&info);
        vs_buf_clear(&sink.bytes);
        CHECK_INT(t.live, 0);
        if (status == VS_OK) {
            break;
        }
        CHECK_INT(status, VS_UNAVAILABLE);
    }
    CHECK(n > 50);
}

// ---- encoders ----

static void rle_known_bytes(void)
{
    static const uint8_t packed[] = {0x03, 0x88, 0xC6,
                                     0xFA};          // 0..7 at 3 bits: the example of Encodings.md
    static const uint8_t run[] = {0xC8, 0x01, 0x04}; // 4 repeated 100 times
    struct vs_buf out;
    struct vs_rle_encoder encoder;
    vs_buf_init(&out, vs_env_default(), 1000);
    vs_rle_encoder_init(&encoder, &out, 3);
    for (uint32_t i = 0; i < 8; i++) {
        CHECK(vs_rle_encoder_put(&encoder, i, 1, NULL) == VS_OK);
    }
    CHECK(vs_rle_encoder_finish(&encoder, NULL) == VS_OK);
    CHECK(out.len == sizeof packed && memcmp(out.data, packed, sizeof packed) == 0);
    vs_buf_reset(&out);
    vs_rle_encoder_init(&encoder, &out, 3);
    CHECK(vs_rle_encoder_put(&encoder, 4, 60, NULL) == VS_OK);
    CHECK(vs_rle_encoder_put(&encoder, 4, 40, NULL) == VS_OK);
    CHECK(vs_rle_encoder_finish(&encoder, NULL) == VS_OK);
    CHECK(out.len == sizeof run && memcmp(out.data, run, sizeof run) == 0);
    vs_buf_clear(&out);
}

static void check_bound(
    enum vs_kind kind, enum vs_bound_form form, bool upper, const char *text, const char *expected)
{
    const struct vs_bound_type type = {.kind = kind, .form = form};
    struct vs_column column;
    struct vs_leaf_stats stats;
    struct vs_bound_bytes stored = {0};
    vs_column_init(&column, vs_env_default(), kind);
    CHECK(vs_column_append_bytes(&column, text, strlen(text), NULL) == VS_OK);
    vs_leaf_stats_scan(&column, 0, 1, &stats);
    bool has = vs_bound_store(&type, upper, &stats.max, &stored);
    CHECK_INT(has, expected != NULL);
    if (has && expected != NULL) {
        CHECK(stored.len == strlen(expected) && memcmp(stored.bytes, expected, stored.len) == 0);
        CHECK_INT(stored.exact, strcmp(text, expected) == 0);
    }
    vs_column_clear(&column);
}

#define X16 "\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBF"

static void bounds_of_texts(void)
{
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, true, "short", "short");
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, true, "0123456789abcdef", "0123456789abcdef");
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, true, "0123456789abcdefg", "0123456789abcdeg");
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, false, "0123456789abcdefg", "0123456789abcdef");
    // 16 characters, not bytes; U+D7FF is followed by U+E000; U+007F by a longer form
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, false,
                "\xc3\xa9"
                "23456789abcdefgh",
                "\xc3\xa9"
                "23456789abcdefg");
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, true, "0123456789abcde\xed\x9f\xbfz",
                "0123456789abcde\xee\x80\x80");
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, true, "0123456789abcde\x7fz",
                "0123456789abcde\xc2\x80");
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, true, "a" X16 X16 X16 X16 "z", "b");
    check_bound(VS_KIND_STRING, VS_BOUND_ICEBERG, true, X16 X16 X16 X16 "z", NULL);
    check_bound(VS_KIND_BINARY, VS_BOUND_ICEBERG, true, "0123456789abcd\xff\xff\xff",
                "0123456789abce");
    check_bound(VS_KIND_BINARY, VS_BOUND_PARQUET, true, "0123456789abcd\xff\xff\xff",
                "0123456789abcd\xff\xff\xff");
}

static void bounds_of_reals(void)
{
    static const double values[] = {(double)NAN, 0.0, (double)NAN};
    const struct vs_bound_type type = {.kind = VS_KIND_DOUBLE, .form = VS_BOUND_ICEBERG};
    struct vs_column column;
    struct vs_leaf_stats stats;
    struct vs_bound_bytes stored;
    vs_column_init(&column, vs_env_default(), VS_KIND_DOUBLE);
    for (size_t i = 0; i < 3; i++) {
        struct vs_value value = {.kind = VS_KIND_DOUBLE, .as.real = values[i]};
        CHECK(vs_column_append(&column, &value, NULL) == VS_OK);
    }
    vs_leaf_stats_scan(&column, 0, 1, &stats);
    CHECK(!stats.has_range && stats.nan_count == 1); // nothing but NaN: no bounds
    vs_leaf_stats_scan(&column, 0, 3, &stats);
    CHECK(stats.has_range && stats.nan_count == 2);
    CHECK(vs_bound_store(&type, false, &stats.min, &stored));
    CHECK(stored.len == 8 && vs_load_u64le(stored.bytes) == 0x8000000000000000u);
    CHECK(vs_bound_store(&type, true, &stats.max, &stored));
    CHECK(stored.len == 8 && vs_load_u64le(stored.bytes) == 0);
    vs_column_clear(&column);
}

static void decimal_widths(void)
{
    // Smallest n with 2^(8n-1) - 1 >= 10^p - 1, from the table in Parquet's LogicalTypes.md.
    static const struct {
        uint8_t precision, width;
    } cases[] = {{1, 1}, {2, 1},  {3, 2},  {4, 2},  {5, 3},  {6, 3},
                 {9, 4}, {10, 5}, {18, 8}, {19, 9}, {20, 9}, {38, 16}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_INT(vs_decimal_byte_width(cases[i].precision), cases[i].width);
    }
}

TEST_MAIN(TEST(rle_known_bytes),
          TEST(bounds_of_texts),
          TEST(bounds_of_reals),
          TEST(decimal_widths),
          TEST(rejects),
          TEST(columns_without_bounds),
          TEST(same_bytes_for_every_thread_count),
          TEST(failures),
          TEST(read_by_others))
