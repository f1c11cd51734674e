// SPDX-License-Identifier: Apache-2.0
/*
 * Partitioned tables for tests that other implementations take part in:
 *   write WAREHOUSE TABLE ROWS SPEC [VERSION]        makes a table and appends rows 0 … ROWS-1 in
 *                                                    two batches of shuffled rows
 *   plan ROOT METADATA [COLUMN OP VALUE]…            files left by the comparisons, joined by AND
 *   rows ROOT METADATA                               rows as JSON, deletes applied
 *   transform                                        "TRANSFORM TYPE VALUE" per line of input
 * Rows are functions of their id: see fill_row here and expected_row in partition_test.py.
 */
#include "ingest/batch_write.h"
#include "vecstore/base/json.h"
#include "vecstore/catalog/catalog.h"
#include "vecstore/iceberg/metadata_edit.h"
#include "vecstore/iceberg/transform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 10
#define MAX_LEAVES 16

static struct vs_field fields[FIELDS];

static int fail(const struct vs_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

static void make_fields(void)
{
    static const struct {
        const char *name;
        enum vs_kind kind;
    } columns[FIELDS] = {{"id", VS_KIND_LONG},        {"i", VS_KIND_INT},
                         {"s", VS_KIND_STRING},       {"ts", VS_KIND_TIMESTAMP},
                         {"tz", VS_KIND_TIMESTAMPTZ}, {"dt", VS_KIND_DATE},
                         {"dec", VS_KIND_DECIMAL},    {"b", VS_KIND_BINARY},
                         {"f", VS_KIND_DOUBLE},       {"flag", VS_KIND_BOOLEAN}};

    for (int i = 0; i < FIELDS; i++) {
        fields[i] = (struct vs_field){.id = i + 1,
                                      .name = vs_str_from_c(columns[i].name),
                                      .kind = columns[i].kind,
                                      .precision = 9,
                                      .scale = 2};
    }
}

static enum vs_status fill_row(struct vs_batch *batch, int64_t id, struct vs_error *err)
{
    char text[32];
    const char bytes[2] = {(char)(id % 5), (char)0xff};
    struct vs_value v[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        v[i] = (struct vs_value){.kind = fields[i].kind, .is_null = i > 0 && id % (i + 9) == 0};
    }
    (void)snprintf(text, sizeof text, "n%d/\xc3\xa9 =%d", (int)(id % 13), (int)(id % 3));
    v[0].as.integer = id;
    v[1].as.integer = id * 37 % 100 - 50;
    v[2].as.text = vs_str_from_c(text);
    v[3].as.integer = (id - 100) * INT64_C(7777777777777);
    v[4].as.integer = (id - 50) * INT64_C(1777777777);
    v[5].as.integer = id * 3 - 100;
    v[6].as.decimal = id * 137 - 5000;
    v[7].as.text = (struct vs_str){bytes, 2};
    v[8].as.real = id % 7 == 0 ? (double)NAN : (double)(id % 10) / 4 - 1;
    v[9].as.boolean = id % 2 == 1;
    for (int i = 0; i < FIELDS; i++) {
        VS_TRY(v[i].is_null ? vs_column_append_null(&batch->columns[i], err)
                            : vs_column_append(&batch->columns[i], &v[i], err));
    }
    batch->row_count++;
    return VS_OK;
}

// ---- write ----

static enum vs_status write_rows(struct vs_batch_writer *writer, int64_t rows, struct vs_error *err)
{
    struct vs_batch batch = {0};
    enum vs_status status = vs_batch_init(&batch, vs_env_default(), fields, FIELDS, err);
    for (int half = 0; status == VS_OK && half < 2; half++) {
        vs_batch_reset(&batch);
        for (int64_t k = half; status == VS_OK && k < rows; k += 2) {
            status = fill_row(&batch, k * 7919 % rows, err); // rows is no multiple of the prime
        }
        if (status == VS_OK) {
            status = vs_batch_writer_write(writer, &batch, err);
        }
    }
    vs_batch_clear(&batch);
    return status;
}

static enum vs_status append(struct vs_catalog *catalog,
                             const char *name,
                             int64_t rows,
                             struct vs_error *err)
{
    const struct vs_batch_write_options options = {.thread_count = 1};
    struct vs_table *table = NULL;
    struct vs_batch_writer *writer = NULL;
    const struct vs_data_file *files = NULL;
    size_t count = 0;
    struct vs_commit_result result = {0};
    enum vs_status status = vs_catalog_load(catalog, name, &table, err);
    if (status == VS_OK) {
        status = vs_batch_writer_open(vs_env_default(), vs_catalog_store(catalog), table->metadata,
                                      &options, &writer, err);
    }
    if (status == VS_OK) {
        status = write_rows(writer, rows, err);
    }
    if (status == VS_OK) {
        status = vs_batch_writer_finish(writer, &files, &count, err);
    }
    if (status == VS_OK) {
        const struct vs_intent intent = {
            .operation = "append", .added_data = files, .added_data_count = count};
        status = vs_catalog_commit(catalog, name, &intent, NULL, &result, err);
    }
    vs_batch_writer_free(writer, status == VS_OK);
    vs_table_release(table);
    return status;
}

static int cmd_write(int argc, char **argv)
{
    struct vs_error err = {0};
    struct vs_arena arena;
    struct vs_catalog *catalog = NULL;
    struct vs_table *table = NULL;
    struct vs_partition_spec spec = {0};
    const struct vs_schema schema = {.field_count = FIELDS, .fields = fields};
    if (argc < 6) {
        return 2;
    }
    vs_arena_init(&arena, vs_env_default(), 0);
    struct vs_store *store = NULL;
    struct vs_table_create create = {
        .schema = &schema, .format_version = argc > 6 ? strcmp(argv[6], "3") == 0 ? 3 : 2 : 2};
    enum vs_status status =
        vs_partition_spec_parse(vs_str_from_c(argv[5]), &schema, &arena, &spec, &err);
    create.spec = &spec;
    if (status == VS_OK) {
        status = vs_store_open(vs_env_default(), argv[2], true, &store, &err);
    }
    if (status == VS_OK) {
        status = vs_catalog_open_store(vs_env_default(), store, &catalog, &err);
    }
    if (status == VS_OK) {
        status = vs_catalog_create(catalog, argv[3], &create, &table, &err);
        vs_table_release(table);
    }
    if (status == VS_OK) {
        status = append(catalog, argv[3], strtol(argv[4], NULL, 10), &err);
    }
    vs_catalog_free(catalog);
    vs_arena_clear(&arena);
    return status == VS_OK ? 0 : fail(&err);
}

// ---- plan, rows ----

struct table {
    struct vs_store *store;
    struct vs_table_metadata *metadata;
    struct vs_arena arena;
};

static enum vs_status open_table(struct table *t, char **argv, struct vs_error *err)
{
    struct vs_buf bytes, key;
    vs_arena_init(&t->arena, vs_env_default(), 0);
    vs_buf_init(&bytes, vs_env_default(), (size_t)1 << 30);
    vs_buf_init(&key, vs_env_default(), 4096);
    enum vs_status status = vs_store_open(vs_env_default(), argv[2], false, &t->store, err);
    if (status == VS_OK) {
        status = vs_store_key(t->store, vs_str_from_c(argv[3]), &key, err);
    }
    if (status == VS_OK) {
        status = vs_store_get(t->store, vs_buf_c_str(&key), &bytes, err);
    }
    if (status == VS_OK) {
        status = vs_table_metadata_parse(vs_env_default(), vs_buf_view(&bytes), argv[3],
                                         &t->metadata, err);
    }
    vs_buf_clear(&key);
    vs_buf_clear(&bytes);
    return status;
}

static void close_table(struct table *t)
{
    vs_table_metadata_free(t->metadata);
    vs_store_free(t->store);
    vs_arena_clear(&t->arena);
}

static enum vs_status make_leaf(struct table *t,
                                char **argv,
                                struct vs_predicate *leaf,
                                struct vs_error *err)
{
    static const struct {
        const char *name;
        enum vs_predicate_op op;
    } ops[] = {{"eq", VS_PREDICATE_EQ},
               {"ne", VS_PREDICATE_NE},
               {"lt", VS_PREDICATE_LT},
               {"le", VS_PREDICATE_LE},
               {"gt", VS_PREDICATE_GT},
               {"ge", VS_PREDICATE_GE},
               {"null", VS_PREDICATE_IS_NULL},
               {"nan", VS_PREDICATE_IS_NAN},
               {"start", VS_PREDICATE_STARTS_WITH}};
    const struct vs_schema *schema = vs_table_current_schema(t->metadata);
    size_t at = vs_schema_find(schema, vs_str_from_c(argv[0]));
    if (at == SIZE_MAX) {
        return vs_fail(err, VS_INVALID, "no column %s", argv[0]);
    }
    leaf->field_id = schema->fields[at].id;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(argv[1], ops[i].name) == 0) {
            leaf->op = ops[i].op;
        }
    }
    if (leaf->op == VS_PREDICATE_IS_NULL || leaf->op == VS_PREDICATE_IS_NAN) {
        return VS_OK;
    }
    struct vs_value *value = vs_arena_alloc(&t->arena, sizeof *value);
    if (value == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory");
    }
    leaf->values = value;
    leaf->value_count = 1;
    return vs_value_parse(vs_str_from_c(argv[2]), &schema->fields[at], &t->arena, value, err);
}

static enum vs_status plan_table(struct table *t, int argc, char **argv, struct vs_error *err)
{
    static struct vs_predicate leaves[MAX_LEAVES];
    const struct vs_predicate *children[MAX_LEAVES];
    struct vs_predicate all = {.op = VS_PREDICATE_AND, .children = children};
    for (int i = 4; i + 2 < argc && all.child_count < MAX_LEAVES; i += 3) {
        VS_TRY(make_leaf(t, argv + i, &leaves[all.child_count], err));
        children[all.child_count] = &leaves[all.child_count];
        all.child_count++;
    }
    const struct vs_scan_options options = {.predicate = &all, .thread_count = 2};
    struct vs_scan_plan *plan = NULL;
    struct vs_scan_counts counts = {0};
    VS_TRY(vs_scan_plan_make_with(vs_env_default(), t->store, t->metadata,
                                  t->metadata->current_snapshot_id, &options, &plan, &counts, err));
    printf("%llu %llu %llu\n", (unsigned long long)counts.manifests,
           (unsigned long long)counts.manifests_skipped, (unsigned long long)counts.files_skipped);
    for (size_t i = 0; i < plan->file_count; i++) {
        printf("%.*s\n", VS_STR_ARG(plan->files[i].data.path));
    }
    vs_scan_plan_free(plan);
    return VS_OK;
}

static bool is_deleted(const struct vs_deleted_rows *deleted, size_t file, uint64_t position)
{
    for (size_t i = 0; i < deleted->counts[file]; i++) {
        if (deleted->positions[file][i] == position) {
            return true;
        }
    }
    return false;
}

static enum vs_status print_file(struct table *t,
                                 const struct vs_scan_plan *plan,
                                 const struct vs_deleted_rows *deleted,
                                 size_t file,
                                 struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(t->metadata);
    struct vs_file_scan *scan = NULL;
    struct vs_batch batch = {0};
    uint64_t first = 0;
    enum vs_status status =
        vs_file_scan_open(vs_env_default(), t->store, t->metadata, &plan->files[file].data,
                          schema->fields, schema->field_count, &scan, err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, vs_env_default(), schema->fields, schema->field_count, err);
    }
    while (status == VS_OK) {
        vs_batch_reset(&batch);
        status = vs_file_scan_next(scan, 1000, &batch, &first, err);
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        for (size_t row = 0; status == VS_OK && row < batch.row_count; row++) {
            struct vs_buf text;
            struct vs_json_writer w;
            if (is_deleted(deleted, file, first + row)) {
                continue;
            }
            vs_buf_init(&text, vs_env_default(), (size_t)1 << 24);
            vs_json_writer_init(&w, &text, false);
            vs_jw_array_begin(&w);
            for (size_t c = 0; c < schema->field_count; c++) {
                vs_column_write_json(&w, &batch.columns[c], &schema->fields[c], row);
            }
            vs_jw_array_end(&w);
            status = vs_json_writer_finish(&w, err);
            printf("%.*s\n", (int)text.len, (const char *)text.data);
            vs_buf_clear(&text);
        }
    }
    vs_batch_clear(&batch);
    vs_file_scan_close(scan);
    return status;
}

static enum vs_status print_rows(struct table *t, struct vs_error *err)
{
    struct vs_scan_plan *plan = NULL;
    struct vs_deleted_rows deleted = {0};
    VS_TRY(vs_scan_plan_make(vs_env_default(), t->store, t->metadata,
                             t->metadata->current_snapshot_id, &plan, err));
    enum vs_status status =
        vs_deleted_rows_read(vs_env_default(), t->store, t->metadata, plan, &deleted, err);
    for (size_t i = 0; status == VS_OK && i < plan->file_count; i++) {
        status = print_file(t, plan, &deleted, i, err);
    }
    vs_deleted_rows_clear(&deleted);
    vs_scan_plan_free(plan);
    return status;
}

static int cmd_table(int argc, char **argv)
{
    struct vs_error err = {0};
    struct table t = {0};
    if (argc < 4) {
        return 2;
    }
    enum vs_status status = open_table(&t, argv, &err);
    if (status == VS_OK) {
        status =
            strcmp(argv[1], "plan") == 0 ? plan_table(&t, argc, argv, &err) : print_rows(&t, &err);
    }
    close_table(&t);
    return status == VS_OK ? 0 : fail(&err);
}

// ---- transform ----

static void print_value(const struct vs_value *v)
{
    char text[VS_DECIMAL_TEXT_SIZE];
    if (v->is_null) {
        printf("null\n");
    } else if (v->kind == VS_KIND_DECIMAL) {
        vs_decimal_format(v->as.decimal, 0, text);
        printf("%s\n", text);
    } else if (v->kind == VS_KIND_STRING || v->kind == VS_KIND_BINARY || v->kind == VS_KIND_UUID ||
               v->kind == VS_KIND_FIXED) {
        for (size_t i = 0; i < v->as.text.len; i++) {
            printf("%02x", (unsigned)(uint8_t)v->as.text.ptr[i]);
        }
        printf("\n");
    } else {
        printf("%lld\n", (long long)v->as.integer);
    }
}

static int cmd_transform(void)
{
    char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct vs_error err = {0};
        struct vs_arena arena;
        struct vs_str transform_text, type, text, rest;
        struct vs_transform transform;
        struct vs_value value, result;
        struct vs_field field = {.name = VS_STR("c")};
        struct vs_str all = {line, strcspn(line, "\n")};
        vs_arena_init(&arena, vs_env_default(), 0);
        if (!vs_str_split(all, '\t', &transform_text, &rest) ||
            !vs_str_split(rest, '\t', &type, &text)) {
            return 2;
        }
        enum vs_status status = vs_transform_parse(transform_text, &transform, &err);
        if (status == VS_OK) {
            status = vs_type_parse(type, &field, &err);
        }
        if (status == VS_OK) {
            status = vs_value_parse(text, &field, &arena, &value, &err);
        }
        if (status == VS_OK) {
            status = vs_transform_apply(&transform, &field, &value, &result, &err);
        }
        if (status != VS_OK) {
            return fail(&err);
        }
        print_value(&result);
        vs_arena_clear(&arena);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    make_fields();
    if (strcmp(command, "write") == 0) {
        return cmd_write(argc, argv);
    }
    if (strcmp(command, "plan") == 0 || strcmp(command, "rows") == 0) {
        return cmd_table(argc, argv);
    }
    if (strcmp(command, "transform") == 0) {
        return cmd_transform();
    }
    fprintf(stderr, "scan_tool write|plan|rows|transform\n");
    return 2;
}
