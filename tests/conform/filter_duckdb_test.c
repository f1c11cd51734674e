// SPDX-License-Identifier: Apache-2.0
/*
 * Filters against DuckDB: rows are written to a Parquet file, each filter's matches to a text file;
 * filter_duckdb.py asks DuckDB the same of the file.
 */
#include "api/query/filter.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/format/parquet_write.h"

#define ROWS 3000

static struct vs_field fields[] = {
    {.id = 1, .name = {"n", 1}, .kind = VS_KIND_LONG, .required = true},
    {.id = 2, .name = {"b", 1}, .kind = VS_KIND_BOOLEAN},
    {.id = 3, .name = {"i", 1}, .kind = VS_KIND_INT},
    {.id = 4, .name = {"f", 1}, .kind = VS_KIND_FLOAT},
    {.id = 5, .name = {"d", 1}, .kind = VS_KIND_DOUBLE},
    {.id = 6, .name = {"s", 1}, .kind = VS_KIND_STRING},
    {.id = 7, .name = {"day", 3}, .kind = VS_KIND_DATE},
    {.id = 8, .name = {"ts", 2}, .kind = VS_KIND_TIMESTAMP},
    {.id = 9, .name = {"dec", 3}, .kind = VS_KIND_DECIMAL, .precision = 12, .scale = 2},
    {.id = 10,
     .name = {"tags", 4},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_STRING,
     .element_id = 11},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])
static const struct vs_schema schema = {.field_count = FIELD_COUNT, .fields = fields};

static const struct {
    const char *filter;
    const char *sql; // NULL: the same text
} questions[] = {
    {"b", NULL},
    {"NOT b", NULL},
    {"b = FALSE", NULL},
    {"b IS NULL", NULL},
    {"i = 2", NULL},
    {"i <> 2", NULL},
    {"NOT i = 2", NULL},
    {"i IN (1, 3, -2)", NULL},
    {"i NOT IN (1, 3, -2)", NULL},
    {"i BETWEEN -1 AND 3", NULL},
    {"i NOT BETWEEN -1 AND 3", NULL},
    {"i < 1.5", NULL},
    {"i >= -0.5", NULL},
    {"f = 0.1", "f = CAST(0.1 AS FLOAT)"},
    {"f > 0.1", "f > CAST(0.1 AS FLOAT)"},
    {"d = 0", NULL},
    {"d > 1", NULL},
    {"d <= 1", NULL},
    {"d <> 1", NULL},
    {"NOT d < 1", NULL},
    {"d BETWEEN -1 AND 0.25", NULL},
    {"s = 'ab'", NULL},
    {"s < 'b'", NULL},
    {"s >= 'it''s'", NULL},
    {"s = ''", NULL},
    {"s LIKE 'a%'", NULL},
    {"s LIKE '%b'", NULL},
    {"s LIKE '_b%'", NULL},
    {"s NOT LIKE '%b%'", NULL},
    {"s LIKE '%!%' ESCAPE '!'", "s LIKE '%!%' ESCAPE '!'"},
    {"s LIKE '5\\%'", "s LIKE '5\\%' ESCAPE '\\'"},
    {"s LIKE '_x'", NULL},
    {"s IN ('a', 'it''s')", NULL},
    {"s IS NOT NULL", NULL},
    {"day = DATE '2024-02-29'", NULL},
    {"day > '2024-02-27'", NULL},
    {"day BETWEEN DATE '2024-02-28' AND DATE '2024-03-01'", NULL},
    {"ts = TIMESTAMP '2024-02-29 12:00:00'", NULL},
    {"ts >= '2024-02-29'", NULL},
    {"ts < DATE '2024-03-01'", NULL},
    {"dec = 1.25", NULL},
    {"dec > -0.5", NULL},
    {"dec IN (0, 2.50)", NULL},
    {"tags = 'x'", "list_contains(tags, 'x')"},
    {"tags != 'x'", "NOT list_contains(tags, 'x')"},
    {"tags IN ('x', 'y')", "list_has_any(list_filter(tags, t -> t IS NOT NULL), ['x', 'y'])"},
    {"tags IS NULL", NULL},
    {"i > 0 AND s LIKE 'a%' OR NOT (d > 1 AND b)", NULL},
    {"(i > 0 OR b) AND (s = 'ab' OR day IS NULL)", NULL},
    {"NOT (i > 0 OR s = 'a')", NULL},
    {"TRUE", NULL},
    {"FALSE", NULL},
    {"NOT (TRUE AND i = 1)", NULL},
};

static uint64_t state = 11;

static uint64_t draw(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % n;
}

static enum vs_status put(struct vs_column *column, struct vs_value value, struct vs_error *err)
{
    if (draw(5) == 0) {
        return vs_column_append_null(column, err);
    }
    value.kind = column->kind;
    return vs_column_append(column, &value, err);
}

static enum vs_status put_tags(struct vs_column *column, struct vs_error *err)
{
    static const char *const tags[] = {"x", "y", "z"};
    if (draw(5) == 0) {
        return vs_column_append_null(column, err);
    }
    for (uint64_t left = draw(3); left > 0; left--) {
        VS_TRY(draw(4) == 0 ? vs_column_append_null(column->child, err)
                            : vs_column_append_bytes(column->child, tags[draw(3)], 1, err));
    }
    return vs_column_end_list(column, err);
}

static enum vs_status make_rows(struct vs_batch *batch, struct vs_error *err)
{
    static const double reals[] = {0.0, -0.0, 1, 0.25, -7.5, 1e300, (double)INFINITY, (double)NAN};
    static const char *const words[] = {"",   "a",  "ab",        "abb", "b", "it's",
                                        "5%", "50", "\xC3\xA4x", "!",   "B"};
    struct vs_column *c = batch->columns;
    for (int64_t n = 0; n < ROWS; n++) {
        const char *word = words[draw(11)];
        const struct vs_value number = {.kind = VS_KIND_LONG, .as.integer = n};
        VS_TRY(vs_column_append(&c[0], &number, err));
        VS_TRY(put(&c[1], (struct vs_value){.as.boolean = draw(2) == 0}, err));
        VS_TRY(put(&c[2], (struct vs_value){.as.integer = (int64_t)draw(8) - 3}, err));
        VS_TRY(put(&c[3],
                   (struct vs_value){.as.real = (double)(draw(2) == 0 ? 0.1F : (float)draw(3))},
                   err));
        VS_TRY(put(&c[4], (struct vs_value){.as.real = reals[draw(8)]}, err));
        VS_TRY(put(&c[5], (struct vs_value){.as.text = {word, strlen(word)}}, err));
        VS_TRY(put(&c[6], (struct vs_value){.as.integer = 19779 + (int64_t)draw(6)}, err));
        VS_TRY(put(&c[7],
                   (struct vs_value){.as.integer = (19779 + (int64_t)draw(6)) * 86400000000 +
                                                   (int64_t)draw(3) * 43200000000},
                   err));
        VS_TRY(put(&c[8], (struct vs_value){.as.decimal = (vs_int128)draw(9) * 125 - 500}, err));
        VS_TRY(put_tags(&c[9], err));
    }
    batch->row_count = ROWS;
    return VS_OK;
}

static enum vs_status write_parquet(const struct vs_env *env,
                                    const struct vs_batch *batch,
                                    const char *path,
                                    struct vs_error *err)
{
    struct test_sink sink;
    struct vs_parquet_writer *writer = NULL;
    struct vs_parquet_info info = {0};
    const struct vs_parquet_write_options options = {0};
    test_sink_init(&sink, env);
    enum vs_status status =
        vs_parquet_writer_open(env, &sink.writer, &schema, &options, &writer, err);
    if (status == VS_OK) {
        status = vs_parquet_writer_write(writer, batch, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_finish(writer, &info, err);
    }
    CHECK(test_file_write(path, sink.bytes.data, sink.bytes.len));
    vs_parquet_writer_free(writer);
    vs_parquet_info_clear(&info);
    vs_buf_clear(&sink.bytes);
    return status;
}

// One line: SQL, tab, numbers of the rows that match.
static void write_case(const struct vs_env *env,
                       const struct vs_batch *batch,
                       const char *text,
                       const char *sql,
                       FILE *out)
{
    struct vs_arena arena;
    struct vs_error err = {0};
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    const struct vs_column *columns[FIELD_COUNT];
    uint64_t match[ROWS / 64 + 1];
    vs_arena_init(&arena, env, 0);
    enum vs_status status = vs_filter_parse_text(vs_str_from_c(text), &arena, &root, &err);
    if (status == VS_OK) {
        status = vs_filter_bind(root, &schema, &arena, &filter, &err);
    }
    for (size_t i = 0; status == VS_OK && i < filter->column_count; i++) {
        columns[i] = &batch->columns[filter->columns[i] - fields];
    }
    if (status == VS_OK) {
        status = vs_filter_eval(env, filter, columns, ROWS, match, &err);
    }
    CHECK_OK(status, err);
    fprintf(out, "%s\t", sql != NULL ? sql : text);
    for (size_t i = 0; status == VS_OK && i < ROWS; i++) {
        if ((match[i / 64] >> (i % 64) & 1) != 0) {
            fprintf(out, "%zu ", i);
        }
    }
    fprintf(out, "\n");
    vs_arena_clear(&arena);
}

static void duckdb_agrees(void)
{
    const char *python = test_python();
    if (python == NULL) {
        SKIP("no Python with duckdb (set VECSTORE_PYTHON)");
    }
    struct test_env t;
    struct vs_error err = {0};
    struct vs_batch batch = {0};
    char folder[256], parquet[300], answers[300];
    test_env_init(&t);
    test_dir_make(folder, sizeof folder);
    snprintf(parquet, sizeof parquet, "%s/rows.parquet", folder);
    snprintf(answers, sizeof answers, "%s/answers.tsv", folder);
    CHECK_OK(vs_batch_init(&batch, &t.env, fields, FIELD_COUNT, &err), err);
    CHECK_OK(make_rows(&batch, &err), err);
    CHECK_OK(write_parquet(&t.env, &batch, parquet, &err), err);
    FILE *out = fopen(answers, "w");
    REQUIRE(out != NULL);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        write_case(&t.env, &batch, questions[i].filter, questions[i].sql, out);
    }
    fclose(out);
    char program[1024], script[] = "tests/conform/filter_duckdb.py";
    snprintf(program, sizeof program, "%s", python);
    char *argv[] = {program, script, parquet, answers, NULL};
    CHECK_INT(test_run_program(argv), 0);
    vs_batch_clear(&batch);
    CHECK_INT(t.live, 0);
    test_dir_remove(folder);
}

TEST_MAIN(TEST(duckdb_agrees))
