// SPDX-License-Identifier: Apache-2.0
/*
 * Tables of other writers (the conformance corpus): the rows of every snapshot, or a clear refusal
 * (interop failures 8-10, 14, 16, 20).
 *
 * A snapshot that is read must give the corpus's digest exactly. What is refused must be on the
 * list below, for its reason.
 */
#include "tests/support/check.h"
#include "tests/support/parquet_render.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/base/json.h"
#include "vecstore/iceberg/scan.h"

#include <limits.h>
#include <stdlib.h>

#define CORPUS "../shared/data/conform"

struct refusal {
    const char *where; // part of "table/metadata file"
    enum vs_status status;
    const char *reason; // part of the message
};

static const struct refusal refusals[] = {
    {"big_query_error/v0", VS_CORRUPT, "no format-version"},
    {"big_query_error/v1749025517", VS_DENIED, "outside of its location"},
    {"add_columns_with_defaults/", VS_UNSUPPORTED, "type time"},
    {"column_mapping/", VS_UNSUPPORTED, "\"map\""},
    {"equality_deletes/", VS_UNSUPPORTED, "equality deletes"},
    {"equality_deletes/", VS_CORRUPT, "is missing"},
    {"iceberg_v1_deprecated/", VS_UNSUPPORTED, "inside the metadata file"},
    {"00004-v3-upgraded-v1-null-counts", VS_UNSUPPORTED, "format version 3"},
    {"legacy_bare_deletion_vector/warehouse/default/legacy_bare_deletion_vector/00002",
     VS_UNSUPPORTED, "format version 3"},
    {"name_mapping/warehouse_1/mydb/t1/v3.2", VS_CORRUPT, "required field 'a'"},
    {"partition_time", VS_UNSUPPORTED, "type time"},
};

static size_t answers_equal, answers_refused, plans_equal;

static bool is_expected_refusal(const char *where, enum vs_status status, const char *message)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (strstr(where, refusals[i].where) != NULL && status == refusals[i].status &&
            strstr(message, refusals[i].reason) != NULL) {
            return true;
        }
    }
    return false;
}

static void check_status(const char *where, enum vs_status status, const struct vs_error *err)
{
    if (is_expected_refusal(where, status, err->message)) {
        answers_refused++;
    } else {
        check_report(where, 0, err->message);
    }
}

// ---- rendering ----

static void put(struct vs_buf *out, const void *bytes, size_t n)
{
    if (vs_buf_append(out, bytes, n, NULL) != VS_OK) {
        abort();
    }
}

static void put_text(struct vs_buf *out, const char *text)
{
    put(out, text, strlen(text));
}

static void put_value(struct vs_buf *out, const struct vs_value *value)
{
    char text[VS_DECIMAL_TEXT_SIZE + 24];
    if (value->is_null) {
        put_text(out, "\\N");
        return;
    }
    switch (value->kind) {
    case VS_KIND_BOOLEAN:
        put_text(out, value->as.boolean ? "true" : "false");
        return;
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_DATE:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        snprintf(text, sizeof text, "%" PRId64, value->as.integer);
        put_text(out, text);
        return;
    case VS_KIND_FLOAT: {
        float narrow = (float)value->as.real;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        snprintf(text, sizeof text, "%08" PRIx32, narrow != narrow ? 0x7fc00000u : bits);
        put_text(out, text);
        return;
    }
    case VS_KIND_DOUBLE: {
        uint64_t bits;
        memcpy(&bits, &value->as.real, sizeof bits);
        snprintf(text, sizeof text, "%016" PRIx64,
                 value->as.real != value->as.real ? 0x7ff8000000000000u : bits);
        put_text(out, text);
        return;
    }
    case VS_KIND_DECIMAL:
        vs_decimal_format(value->as.decimal, 0, text);
        put_text(out, text);
        return;
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
    case VS_KIND_UUID:
        snprintf(text, sizeof text, "%zu:", value->as.text.len);
        put_text(out, text);
        put(out, value->as.text.ptr, value->as.text.len);
        return;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    abort();
}

static void put_row(struct vs_buf *out, const struct vs_batch *batch, size_t row)
{
    put_text(out, "(");
    for (size_t c = 0; c < batch->column_count; c++) {
        const struct vs_column *column = &batch->columns[c];
        if (c > 0) {
            put_text(out, ",");
        }
        if (column->kind != VS_KIND_LIST) {
            struct vs_value value = vs_column_get(column, row);
            put_value(out, &value);
        } else if (vs_column_is_null(column, row)) {
            put_text(out, "\\N");
        } else {
            size_t first, count;
            vs_column_get_list(column, row, &first, &count);
            put_text(out, "[");
            for (size_t i = first; i < first + count; i++) {
                struct vs_value value = vs_column_get(column->child, i);
                put_text(out, i > first ? "," : "");
                put_value(out, &value);
            }
            put_text(out, "]");
        }
    }
    put_text(out, ")");
}

struct rows {
    struct vs_buf text;
    size_t *ends; // end of each rendering in text
    size_t count;
};

static const struct rows *sorted_rows;

static struct vs_str row_text(const struct rows *rows, size_t i)
{
    size_t begin = i == 0 ? 0 : rows->ends[i - 1];
    return (struct vs_str){(const char *)rows->text.data + begin, rows->ends[i] - begin};
}

static int compare_rows(const void *a, const void *b)
{
    return vs_str_compare(row_text(sorted_rows, *(const size_t *)a),
                          row_text(sorted_rows, *(const size_t *)b));
}

static enum vs_status read_file(const struct vs_env *env,
                                struct vs_store *store,
                                const struct vs_table_metadata *m,
                                const struct vs_scan_file *file,
                                const struct vs_schema *schema,
                                struct rows *rows,
                                struct vs_error *err)
{
    struct vs_file_scan *scan = NULL;
    struct vs_batch batch = {0};
    enum vs_status status = vs_file_scan_open(env, store, m, &file->data, schema->fields,
                                              schema->field_count, &scan, err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, env, schema->fields, schema->field_count, err);
    }
    while (status == VS_OK) {
        uint64_t first = 0;
        vs_batch_reset(&batch);
        status = vs_file_scan_next(scan, 1000, &batch, &first, err);
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        for (size_t row = 0; row < batch.row_count; row++) {
            size_t *grown = realloc(rows->ends, (rows->count + 1) * sizeof *grown);
            if (grown == NULL) {
                abort();
            }
            rows->ends = grown;
            put_row(&rows->text, &batch, row);
            rows->ends[rows->count++] = rows->text.len;
        }
    }
    vs_batch_clear(&batch);
    vs_file_scan_close(scan);
    return status;
}

// Takes out the deleted rows of a file whose first row is rows->ends[base].
static void drop_deleted(struct rows *rows, size_t base, const uint64_t *positions, size_t count)
{
    size_t kept = base, next = 0, from = base > 0 ? rows->ends[base - 1] : 0, to = from;
    for (size_t i = base; i < rows->count; i++) {
        size_t end = rows->ends[i];
        if (next < count && positions[next] == i - base) {
            next++;
        } else {
            memmove(rows->text.data + to, rows->text.data + from, end - from);
            to += end - from;
            rows->ends[kept++] = to;
        }
        from = end;
    }
    CHECK_INT(next, count);
    rows->count = kept;
    rows->text.len = to;
}

static uint64_t sorted_digest(const struct rows *rows)
{
    size_t *order = malloc((rows->count + 1) * sizeof *order);
    uint64_t digest = FNV_BASIS;
    if (order == NULL) {
        abort();
    }
    for (size_t i = 0; i < rows->count; i++) {
        order[i] = i;
    }
    sorted_rows = rows;
    qsort(order, rows->count, sizeof *order, compare_rows);
    for (size_t i = 0; i < rows->count; i++) {
        struct vs_str text = row_text(rows, order[i]);
        digest = fnv_text(fnv_add(digest, text.ptr, text.len), "\n");
    }
    free(order);
    return digest;
}

// ---- one answer ----

static int64_t number_of(const struct vs_json *object, const char *key)
{
    int64_t value = -1;
    struct vs_str text;
    const struct vs_json *json = vs_json_get(object, key);
    if (vs_json_to_str(json, &text)) {
        uint64_t wide = 0; // some ids are above INT64_MAX
        CHECK_INT(vs_parse_u64(text, &wide, NULL), VS_OK);
        value = (int64_t)wide;
    } else {
        (void)vs_json_to_i64(json, &value);
    }
    return value;
}

static void check_answer(const char *where,
                         const struct vs_env *env,
                         struct vs_store *store,
                         const struct vs_table_metadata *m,
                         const struct vs_json *answer)
{
    struct vs_error err = {0};
    struct vs_scan_plan *plan = NULL;
    int64_t id = number_of(answer, "snapshot_id");
    const struct vs_snapshot *snapshot = vs_table_snapshot(m, id);
    if (snapshot == NULL) {
        check_report(where, 0, "snapshot is missing");
        return;
    }
    enum vs_status status = vs_scan_plan_make(env, store, m, id, &plan, &err);
    if (status != VS_OK) {
        check_status(where, status, &err);
        return;
    }
    const struct vs_json *counts = vs_json_get(answer, "plan");
    if (vs_json_is(counts, VS_JSON_OBJECT)) {
        CHECK_INT(plan->file_count, number_of(counts, "data_files"));
        CHECK_INT(plan->record_count, number_of(counts, "file_rows"));
        plans_equal++;
    }
    struct vs_str digest;
    if (!vs_json_to_str(vs_json_get(answer, "digest"), &digest)) {
        // only the plan is known; a mapping or a file that is not here may still stop the reading
        struct rows none = {0};
        vs_buf_init(&none.text, env, (size_t)1 << 30);
        status = plan->file_count > 0 ? read_file(env, store, m, &plan->files[0],
                                                  vs_table_current_schema(m), &none, &err)
                                      : VS_OK;
        if (status != VS_CORRUPT && status != VS_DENIED && status != VS_OK) {
            check_report(where, 0, err.message);
        }
        vs_buf_clear(&none.text);
        free(none.ends);
        vs_scan_plan_free(plan);
        return;
    }
    struct rows rows = {0};
    vs_buf_init(&rows.text, env, (size_t)1 << 30);
    const struct vs_schema *schema =
        id == m->current_snapshot_id ? vs_table_current_schema(m) : vs_table_schema_of(m, snapshot);
    struct vs_deleted_rows deleted = {0};
    status = vs_deleted_rows_read(env, store, m, plan, &deleted, &err);
    for (size_t i = 0; status == VS_OK && i < plan->file_count; i++) {
        size_t base = rows.count;
        status = read_file(env, store, m, &plan->files[i], schema, &rows, &err);
        if (status == VS_OK) {
            drop_deleted(&rows, base, deleted.positions[i], deleted.counts[i]);
        }
    }
    vs_deleted_rows_clear(&deleted);
    if (status != VS_OK) {
        check_status(where, status, &err);
    } else {
        char hex[24];
        snprintf(hex, sizeof hex, "%016" PRIx64, sorted_digest(&rows));
        CHECK_INT(rows.count, number_of(answer, "rows"));
        if (!vs_str_equal_c(digest, hex)) {
            check_report(where, 0, "the digest of the rows differs");
            fprintf(stderr, "%.*s\n", (int)(rows.text.len > 600 ? 600 : rows.text.len),
                    rows.text.data);
        }
        answers_equal++;
    }
    vs_buf_clear(&rows.text);
    free(rows.ends);
    vs_scan_plan_free(plan);
}

static void check_metadata_file(const char *table,
                                const struct vs_json *entry,
                                struct vs_str name,
                                const struct vs_json *expected,
                                const char *root,
                                struct vs_store *store)
{
    char path[PATH_MAX], where[2048], moved_to[PATH_MAX];
    struct test_env t;
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_table_metadata *m = NULL;
    struct vs_str recorded = VS_STR(""), actual = VS_STR("");
    test_env_init(&t);
    snprintf(where, sizeof where, "%s/%.*s", table, VS_STR_ARG(name));
    snprintf(path, sizeof path, "%s/%s/metadata/%.*s", root, table, VS_STR_ARG(name));
    vs_buf_init(&bytes, &t.env, (size_t)1 << 30);
    if (!test_file_read(path, &bytes)) {
        check_report(path, 0, "cannot be read");
    }
    enum vs_status status = vs_table_metadata_parse(&t.env, vs_buf_view(&bytes), where, &m, &err);
    if (status != VS_OK) {
        check_status(where, status, &err);
    } else {
        (void)vs_json_to_str(vs_json_get(entry, "recorded_prefix"), &recorded);
        (void)vs_json_to_str(vs_json_get(entry, "actual_prefix"), &actual);
        snprintf(moved_to, sizeof moved_to, "%s/%.*s", root, VS_STR_ARG(actual));
        m->moved_from = recorded;
        m->moved_to = vs_str_from_c(moved_to);
        struct vs_json_iter iter;
        const struct vs_json *answer;
        vs_json_iter_init(&iter, vs_json_get(expected, "snapshots"));
        while (vs_json_iter_next(&iter, NULL, &answer)) {
            check_answer(where, &t.env, store, m, answer);
        }
    }
    vs_table_metadata_free(m);
    vs_buf_clear(&bytes);
    CHECK_INT(t.live, 0);
}

static void corpus_tables(void)
{
    char root[PATH_MAX];
    struct vs_buf json;
    struct vs_json_doc *doc = NULL;
    struct vs_store *store = NULL;
    struct vs_error err = {0};
    struct vs_json_limits limits = {.max_depth = 64};
    vs_buf_init(&json, vs_env_default(), (size_t)1 << 30);
    if (realpath(CORPUS, root) == NULL || !test_file_read(CORPUS "/expected.json", &json)) {
        SKIP("the conformance corpus is not here");
    }
    REQUIRE_OK(
        vs_json_parse(vs_env_default(), vs_buf_view(&json), "expected.json", &limits, &doc, &err),
        err);
    REQUIRE_OK(vs_store_open(vs_env_default(), root, false, &store, &err), err);
    struct vs_json_iter tables, files;
    struct vs_str key, name;
    const struct vs_json *entry, *expected;
    vs_json_iter_init(&tables, vs_json_get(vs_json_root(doc), "iceberg"));
    while (vs_json_iter_next(&tables, &key, &entry)) {
        char table[1024];
        snprintf(table, sizeof table, "%.*s", VS_STR_ARG(key));
        vs_json_iter_init(&files, vs_json_get(entry, "metadata_files"));
        while (vs_json_iter_next(&files, &name, &expected)) {
            check_metadata_file(table, entry, name, expected, root, store);
        }
    }
    printf("%zu answers equal, %zu refused as listed, %zu plans equal\n", answers_equal,
           answers_refused, plans_equal);
    CHECK(answers_equal >= 35);
    vs_store_free(store);
    vs_json_free(doc);
    vs_buf_clear(&json);
}

// ---- a table that PyIceberg wrote, with a position delete file over two data files
// (tests/golden/iceberg/make_table.py) ----

#define GOLDEN "tests/golden/iceberg/pyiceberg"

static struct vs_table_metadata *load_golden(struct vs_store **store_out)
{
    static char root[PATH_MAX];
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_table_metadata *m = NULL;
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    CHECK(realpath(GOLDEN, root) != NULL);
    CHECK(test_file_read(GOLDEN "/g/t/metadata/00099-aaaaaaaa.metadata.json", &bytes));
    CHECK_OK(vs_table_metadata_parse(vs_env_default(), vs_buf_view(&bytes), "golden", &m, &err),
             err);
    CHECK_OK(vs_store_open(vs_env_default(), root, false, store_out, &err), err);
    vs_buf_clear(&bytes);
    if (m != NULL) {
        m->moved_from = VS_STR("file:///tmp/vecstore-golden");
        m->moved_to = vs_str_from_c(root);
    }
    return m;
}

// Renders the live rows of a snapshot, one per line, in file and row order.
static void render_live(struct vs_store *store,
                        const struct vs_table_metadata *m,
                        int64_t snapshot_id,
                        const struct vs_schema *schema,
                        struct vs_buf *out)
{
    struct vs_error err = {0};
    struct vs_scan_plan *plan = NULL;
    struct vs_deleted_rows deleted = {0};
    REQUIRE_OK(vs_scan_plan_make(vs_env_default(), store, m, snapshot_id, &plan, &err), err);
    CHECK_OK(vs_deleted_rows_read(vs_env_default(), store, m, plan, &deleted, &err), err);
    for (size_t f = 0; f < plan->file_count && deleted.counts != NULL; f++) {
        struct rows rows = {0};
        size_t next = 0;
        vs_buf_init(&rows.text, vs_env_default(), 1 << 24);
        CHECK_OK(read_file(vs_env_default(), store, m, &plan->files[f], schema, &rows, &err), err);
        for (size_t i = 0; i < rows.count; i++) {
            if (next < deleted.counts[f] && deleted.positions[f][next] == i) {
                next++;
                continue;
            }
            struct vs_str text = row_text(&rows, i);
            put(out, text.ptr, text.len);
            put_text(out, "\n");
        }
        vs_buf_clear(&rows.text);
        free(rows.ends);
    }
    vs_deleted_rows_clear(&deleted);
    vs_scan_plan_free(plan);
}

// Schema changes (rename, int to long, a new column), copy-on-write and position deletes; what
// PyIceberg said: make_table.py prints it.
static void pyiceberg_table(void)
{
    struct vs_store *store = NULL;
    struct vs_table_metadata *m = load_golden(&store);
    struct vs_buf text;
    REQUIRE(m != NULL && store != NULL);
    vs_buf_init(&text, vs_env_default(), 1 << 24);
    const struct vs_schema *schema = vs_table_current_schema(m);
    CHECK_INT(schema->fields[0].kind, VS_KIND_LONG);
    CHECK(vs_str_equal_c(schema->fields[1].name, "title"));
    render_live(store, m, m->current_snapshot_id, schema, &text);
    CHECK_TEXT(vs_buf_c_str(&text), "(1,2:n1,[3f800000],\\N)\n"
                                    "(2,2:n2,[40000000,80000000],\\N)\n"
                                    "(4,\\N,[],\\N)\n"
                                    "(5,2:n5,[40a00000],\\N)\n"
                                    "(6,2:n6,[40c00000,80000000],\\N)\n"
                                    "(7,2:n7,[40e00000,80000000,\\N],\\N)\n"
                                    "(8,\\N,[],\\N)\n"
                                    "(9,2:n9,[41100000],\\N)\n"
                                    "(10,3:n10,[41200000,80000000],\\N)\n"
                                    "(11,3:n11,[41300000,80000000,\\N],\\N)\n"
                                    "(13,3:n13,[41500000],\\N)\n"
                                    "(14,3:n14,[41600000,80000000],\\N)\n"
                                    "(20,\\N,[],1:x)\n"
                                    "(22,3:n22,[41b00000,80000000],1:x)\n"
                                    "(23,3:n23,[41b80000,80000000,\\N],1:x)\n"
                                    "(24,\\N,[],1:x)\n");
    // the tag, with the schema of its time; it is older than the deletes
    const struct vs_ref *tag = vs_table_ref(m, VS_STR("before"));
    REQUIRE(tag != NULL && !tag->is_branch);
    const struct vs_schema *old = vs_table_schema_of(m, vs_table_snapshot(m, tag->snapshot_id));
    CHECK_INT(old->fields[0].kind, VS_KIND_INT);
    vs_buf_reset(&text);
    render_live(store, m, tag->snapshot_id, old, &text);
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n';
    }
    CHECK_INT(lines, 14);
    CHECK(strncmp(vs_buf_c_str(&text), "(0,\\N,[])\n", 10) == 0);
    vs_buf_clear(&text);
    vs_table_metadata_free(m);
    vs_store_free(store);
}

// Seeking, a projection that the file has none of, and a data file whose row count contradicts the
// manifest.
static void one_file(void)
{
    struct vs_store *store = NULL;
    struct vs_table_metadata *m = load_golden(&store);
    struct vs_error err = {0};
    struct vs_scan_plan *plan = NULL;
    struct vs_file_scan *scan = NULL;
    struct vs_batch batch = {0};
    uint64_t first = 99;
    REQUIRE(m != NULL && store != NULL);
    REQUIRE_OK(vs_scan_plan_make(vs_env_default(), store, m, m->current_snapshot_id, &plan, &err),
               err);
    const struct vs_field *fields = vs_table_current_schema(m)->fields;
    const struct vs_data_file *data = &plan->files[0].data; // ten rows, without column `extra`
    REQUIRE_OK(vs_file_scan_open(vs_env_default(), store, m, data, &fields[0], 1, &scan, &err),
               err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), &fields[0], 1, &err), err);
    CHECK_OK(vs_file_scan_seek(scan, 7, &err), err);
    CHECK_OK(vs_file_scan_next(scan, 2, &batch, &first, &err), err);
    CHECK_INT(first, 7);
    CHECK_INT(batch.row_count, 2);
    CHECK_INT(vs_column_get(&batch.columns[0], 0).as.integer, 7);
    CHECK_OK(vs_file_scan_next(scan, 100, &batch, &first, &err), err); // appends
    CHECK_INT(batch.row_count, 3);
    CHECK_INT(vs_column_get(&batch.columns[0], 2).as.integer, 9);
    CHECK_STATUS(vs_file_scan_seek(scan, 11, &err), VS_INVALID);
    vs_file_scan_close(scan);
    vs_batch_clear(&batch);
    REQUIRE_OK(vs_file_scan_open(vs_env_default(), store, m, data, &fields[3], 1, &scan, &err),
               err);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), &fields[3], 1, &err), err);
    CHECK_OK(vs_file_scan_next(scan, 100, &batch, &first, &err), err);
    CHECK_INT(batch.row_count, 10);
    CHECK(vs_column_is_null(&batch.columns[0], 9));
    vs_file_scan_close(scan);
    vs_batch_clear(&batch);
    struct vs_data_file wrong = *data;
    wrong.record_count = 11;
    CHECK_STATUS(vs_file_scan_open(vs_env_default(), store, m, &wrong, fields, 1, &scan, &err),
                 VS_CORRUPT);
    // failure 17 and hostile paths: nothing outside of the location is opened
    static const char *const outside[] = {"file:///tmp/vecstore-golden/g/t/../../x",
                                          "file:///etc/passwd",
                                          "/etc/passwd",
                                          "s3://b/k",
                                          "file:///tmp/vecstore-golden/g/tt/x",
                                          ""};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        wrong = *data;
        wrong.path = vs_str_from_c(outside[i]);
        CHECK_STATUS(vs_file_scan_open(vs_env_default(), store, m, &wrong, fields, 1, &scan, &err),
                     VS_DENIED);
    }
    CHECK_STATUS(vs_scan_plan_make(vs_env_default(), store, m, 12345, &plan, &err), VS_NOT_FOUND);
    vs_scan_plan_free(plan);
    vs_table_metadata_free(m);
    vs_store_free(store);
}

// A column added with a default value reads as that value in files that are older.
static void default_values(void)
{
    static const char name[] = "\"name\": \"extra\"";
    struct vs_error err = {0};
    struct vs_buf bytes, changed, text;
    struct vs_store *store = NULL;
    struct vs_table_metadata *original = load_golden(&store), *m = NULL;
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    vs_buf_init(&changed, vs_env_default(), 1 << 24);
    vs_buf_init(&text, vs_env_default(), 1 << 24);
    REQUIRE(original != NULL &&
            test_file_read(GOLDEN "/g/t/metadata/00099-aaaaaaaa.metadata.json", &bytes));
    const char *at = strstr(vs_buf_c_str(&bytes), name);
    REQUIRE(at != NULL);
    put(&changed, bytes.data, (size_t)(at - (const char *)bytes.data));
    put_text(&changed, "\"initial-default\": \"zz\", ");
    put_text(&changed, at);
    REQUIRE_OK(
        vs_table_metadata_parse(vs_env_default(), vs_buf_view(&changed), "changed", &m, &err), err);
    m->moved_from = original->moved_from;
    m->moved_to = original->moved_to;
    render_live(store, m, m->current_snapshot_id, vs_table_current_schema(m), &text);
    CHECK(strncmp(vs_buf_c_str(&text), "(1,2:n1,[3f800000],2:zz)\n", 25) == 0);
    CHECK(strstr(vs_buf_c_str(&text), "(24,\\N,[],1:x)\n") != NULL); // stored values stay
    vs_table_metadata_free(m);
    vs_table_metadata_free(original);
    vs_store_free(store);
    vs_buf_clear(&bytes);
    vs_buf_clear(&changed);
    vs_buf_clear(&text);
}

TEST_MAIN(TEST(corpus_tables), TEST(pyiceberg_table), TEST(one_file), TEST(default_values))
