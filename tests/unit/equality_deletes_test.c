// SPDX-License-Identifier: Apache-2.0
/*
 * Equality deletes as positions, over plans put together by hand; the answers are those of a plain
 * loop over the rules of the specification.
 */
#include "tests/support/check.h"
#include "tests/support/delete_table.h"
#include "tests/support/test_env.h"
#include "vecstore/iceberg/delete_schema.h"

#include <math.h>

static struct vs_data_file deletes_of(struct delete_table *t,
                                      const struct vs_field *fields,
                                      size_t field_count,
                                      const int64_t *ids,
                                      size_t count,
                                      int64_t sequence)
{
    struct vs_data_file file =
        delete_table_ids(t, fields, field_count, ids, count, VS_CONTENT_EQUALITY_DELETES, sequence);
    file.equality_ids = vs_arena_alloc_array(&t->arena, field_count, sizeof *file.equality_ids);
    file.equality_count = field_count;
    for (size_t i = 0; i < field_count; i++) {
        file.equality_ids[i] = fields[i].id;
    }
    return file;
}

// Positions deleted in file `f` as text "1,4,9".
static const char *deleted_text(const struct vs_deleted_rows *rows, size_t f)
{
    static char text[4096];
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < rows->counts[f] && n < sizeof text - 24; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%llu", i > 0 ? "," : "",
                              (unsigned long long)rows->positions[f][i]);
    }
    return text;
}

static void read_rows(struct delete_table *t,
                      struct vs_scan_file *files,
                      size_t count,
                      struct vs_deleted_rows *rows)
{
    struct vs_error err = {0};
    struct vs_scan_plan plan = {
        .file_count = count, .files = files, .location = t->metadata.location};
    CHECK_OK(vs_deleted_rows_read(vs_env_default(), t->store, &t->metadata, &plan, rows, &err),
             err);
}

static void case_one_column(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    const int64_t gone[] = {3, 12, 500};
    delete_table_open(&t);
    struct vs_scan_file files[2] = {{.data = delete_table_data(&t, 0, 10, 1)},
                                    {.data = delete_table_data(&t, 10, 10, 1)}};
    struct vs_data_file d = deletes_of(&t, &t.fields[0], 1, gone, 3, 2);
    const struct vs_data_file *list[] = {&d};
    for (size_t i = 0; i < 2; i++) {
        files[i].deletes = list;
        files[i].delete_count = 1;
    }
    read_rows(&t, files, 2, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "3");
    CHECK_TEXT(deleted_text(&rows, 1), "2");
    vs_deleted_rows_clear(&rows);
    delete_table_close(&t);
}

// name and score: null equals null; both columns have to be equal.
static void case_two_columns_and_null(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    const int64_t gone[] = {7, 4}; // (null, 3.5), ("n4", 2.0)
    delete_table_open(&t);
    struct vs_scan_file file = {.data = delete_table_data(&t, 0, 20, 1)};
    struct vs_field keys[] = {t.fields[2], t.fields[1]}; // in another order than in the table
    struct vs_data_file d = deletes_of(&t, keys, 2, gone, 2, 2);
    const struct vs_data_file *list[] = {&d};
    file.deletes = list;
    file.delete_count = 1;
    read_rows(&t, &file, 1, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "4,7");
    vs_deleted_rows_clear(&rows);

    struct vs_data_file names = deletes_of(&t, &t.fields[1], 1, gone, 2, 2); // null and "n4"
    const struct vs_data_file *by_name[] = {&names};
    file.deletes = by_name;
    read_rows(&t, &file, 1, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "3,4,7,11,14,15,19");
    vs_deleted_rows_clear(&rows);
    delete_table_close(&t);
}

// Strictly older data only, per file: the plan lists a newer delete file for the first file alone.
static void case_sequence_and_groups(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    const int64_t early[] = {1, 2}, late[] = {2, 8}, by_score[] = {5};
    delete_table_open(&t);
    struct vs_scan_file files[2] = {{.data = delete_table_data(&t, 0, 10, 1)},
                                    {.data = delete_table_data(&t, 0, 10, 3)}};
    struct vs_data_file d[] = {deletes_of(&t, &t.fields[0], 1, early, 2, 2),
                               deletes_of(&t, &t.fields[0], 1, late, 2, 4),
                               deletes_of(&t, &t.fields[2], 1, by_score, 1, 4)};
    const struct vs_data_file *all[] = {&d[0], &d[1], &d[2]}, *newer[] = {&d[1], &d[2]};
    files[0].deletes = all;
    files[0].delete_count = 3;
    files[1].deletes = newer;
    files[1].delete_count = 2;
    read_rows(&t, files, 2, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "1,2,5,8");
    CHECK_TEXT(deleted_text(&rows, 1), "2,5,8"); // 1 was deleted before these rows came
    vs_deleted_rows_clear(&rows);
    delete_table_close(&t);
}

// A delete file of another partition must not reach over, one of an unpartitioned spec must.
static void case_partitions(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    const int64_t first[] = {1}, second[] = {2}, everywhere[] = {3};
    delete_table_open(&t);
    struct vs_partition_field by = {
        .source_id = 4, .field_id = 1000, .name = VS_STR("p"), .transform = VS_STR("bucket[2]")};
    struct vs_partition_spec specs[] = {{.spec_id = 0},
                                        {.spec_id = 1, .field_count = 1, .fields = &by}};
    t.metadata.specs = specs;
    t.metadata.spec_count = 2;
    struct vs_scan_file files[2] = {{.data = delete_table_data(&t, 0, 10, 1)},
                                    {.data = delete_table_data(&t, 0, 10, 1)}};
    struct vs_data_file d[] = {deletes_of(&t, &t.fields[0], 1, first, 1, 2),
                               deletes_of(&t, &t.fields[0], 1, second, 1, 2),
                               deletes_of(&t, &t.fields[0], 1, everywhere, 1, 2)};
    const struct vs_str keys[] = {VS_STR("partition a"), VS_STR("partition b")};
    for (size_t i = 0; i < 2; i++) {
        files[i].data.spec_id = d[i].spec_id = 1;
        files[i].data.partition_key = d[i].partition_key = keys[i];
        files[i].data.has_partition = d[i].has_partition = true;
    }
    const struct vs_data_file *a[] = {&d[0], &d[2]}, *b[] = {&d[2], &d[1]};
    files[0].deletes = a;
    files[1].deletes = b;
    files[0].delete_count = files[1].delete_count = 2;
    read_rows(&t, files, 2, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "1,3");
    CHECK_TEXT(deleted_text(&rows, 1), "2,3");
    vs_deleted_rows_clear(&rows);
    delete_table_close(&t);
}

// All fields of the partition spec were dropped (version 1 leaves them behind as void): its deletes
// apply everywhere, beside those of the partition.
static void case_void_spec(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    const int64_t of_partition[] = {1}, everywhere[] = {2}, of_other_void[] = {3};
    delete_table_open(&t);
    struct vs_partition_field by[] = {
        {.source_id = 4, .field_id = 1000, .name = VS_STR("p"), .transform = VS_STR("identity")},
        {.source_id = 4, .field_id = 1000, .name = VS_STR("p"), .transform = VS_STR("void")},
        {.source_id = 3, .field_id = 1001, .name = VS_STR("q"), .transform = VS_STR("void")}};
    struct vs_partition_spec specs[] = {{.spec_id = 0, .field_count = 1, .fields = &by[0]},
                                        {.spec_id = 1, .field_count = 1, .fields = &by[1]},
                                        {.spec_id = 2, .field_count = 2, .fields = &by[1]}};
    t.metadata.specs = specs;
    t.metadata.spec_count = 3;
    struct vs_scan_file file = {.data = delete_table_data(&t, 0, 10, 1)};
    struct vs_data_file d[] = {deletes_of(&t, &t.fields[0], 1, of_partition, 1, 2),
                               deletes_of(&t, &t.fields[0], 1, everywhere, 1, 3),
                               deletes_of(&t, &t.fields[0], 1, of_other_void, 1, 4)};
    file.data.partition_key = d[0].partition_key = VS_STR("partition a");
    d[1].partition_key = VS_STR("void");
    d[2].partition_key = VS_STR("void void");
    for (int32_t i = 0; i < 3; i++) {
        d[i].spec_id = i;
        d[i].has_partition = true;
    }
    const struct vs_data_file *list[] = {&d[0], &d[1], &d[2]};
    file.deletes = list;
    file.delete_count = 3;
    read_rows(&t, &file, 1, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "1,2,3");
    vs_deleted_rows_clear(&rows);
    delete_table_close(&t);
}

// The column was dropped, or came later: old files are compared by the old column, newer ones by
// its default or null; an int key in the file is a long of the table.
static void case_schema_evolution(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    const int64_t gone[] = {5}; // old = 15
    const int64_t ids[] = {4, 5, 6};
    delete_table_open(&t);
    struct vs_schema now = {.schema_id = 1, .field_count = 3, .fields = t.fields};
    struct vs_schema both[] = {t.schema, now};
    t.metadata.schemas = both;
    t.metadata.schema_count = 2;
    t.metadata.current_schema_id = 1;
    struct vs_scan_file files[2] = {{.data = delete_table_data(&t, 0, 10, 1)}};
    files[1].data = delete_table_ids(&t, t.fields, 3, ids, 3, VS_CONTENT_DATA, 1); // without `old`
    struct vs_data_file d = deletes_of(&t, &t.fields[3], 1, gone, 1, 2);
    const struct vs_data_file *list[] = {&d};
    for (size_t i = 0; i < 2; i++) {
        files[i].deletes = list;
        files[i].delete_count = 1;
    }
    read_rows(&t, files, 2, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "5");
    CHECK_TEXT(deleted_text(&rows, 1), "");
    vs_deleted_rows_clear(&rows);
    // `old` is back in the schema, as long and with a default that the delete file names
    struct vs_field fields[DELETE_FIELDS];
    memcpy(fields, t.fields, sizeof fields);
    fields[3].kind = VS_KIND_LONG;
    fields[3].initial_default_json = VS_STR("15");
    both[1] = (struct vs_schema){.schema_id = 1, .field_count = 4, .fields = fields};
    read_rows(&t, files, 2, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "5");
    CHECK_TEXT(deleted_text(&rows, 1), "0,1,2");
    vs_deleted_rows_clear(&rows);
    delete_table_close(&t);
}

// As in Java: every NaN equals every NaN, -0.0 and 0.0 differ.
static void case_floats(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    struct vs_error err = {0};
    struct vs_batch batch = {0};
    const double values[] = {0.0, -0.0, (double)NAN, 1.5, -(double)NAN, (double)INFINITY};
    delete_table_open(&t);
    struct vs_field *score = &t.fields[2];
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), score, 1, &err), err);
    for (size_t i = 0; i < 6; i++) {
        const struct vs_value value = {.kind = VS_KIND_DOUBLE, .as.real = values[i]};
        CHECK_OK(vs_column_append(&batch.columns[0], &value, &err), err);
        batch.row_count++;
    }
    struct vs_scan_file file = {.data =
                                    delete_table_write(&t, score, 1, &batch, VS_CONTENT_DATA, 1)};
    vs_batch_reset(&batch);
    const double gone[] = {-0.0, (double)NAN};
    for (size_t i = 0; i < 2; i++) {
        const struct vs_value value = {.kind = VS_KIND_DOUBLE, .as.real = gone[i]};
        CHECK_OK(vs_column_append(&batch.columns[0], &value, &err), err);
        batch.row_count++;
    }
    struct vs_data_file d =
        delete_table_write(&t, score, 1, &batch, VS_CONTENT_EQUALITY_DELETES, 2);
    int32_t id = 3;
    d.equality_ids = &id;
    d.equality_count = 1;
    const struct vs_data_file *list[] = {&d};
    file.deletes = list;
    file.delete_count = 1;
    read_rows(&t, &file, 1, &rows);
    CHECK_TEXT(deleted_text(&rows, 0), "1,2,4");
    vs_deleted_rows_clear(&rows);
    vs_batch_clear(&batch);
    delete_table_close(&t);
}

// Some thousand keys, so that the table of keys grows; against a plain loop.
static void case_many_keys(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    delete_table_open(&t);
    struct vs_scan_file files[3];
    struct vs_data_file d[5];
    const struct vs_data_file *list[] = {&d[0], &d[1], &d[2], &d[3], &d[4]};
    for (size_t i = 0; i < 5; i++) {
        int64_t ids[1000];
        for (size_t k = 0; k < 1000; k++) {
            ids[k] = (int64_t)(i * 1000 + k) * 3;
        }
        d[i] = deletes_of(&t, &t.fields[0], 1, ids, 1000, 2);
    }
    for (size_t f = 0; f < 3; f++) {
        files[f] = (struct vs_scan_file){.data = delete_table_data(&t, (int64_t)f * 1000, 1000, 1),
                                         .deletes = list,
                                         .delete_count = 5};
    }
    read_rows(&t, files, 3, &rows);
    for (size_t f = 0; f < 3; f++) {
        size_t expected = 0;
        for (uint64_t row = 0; row < 1000; row++) {
            if ((f * 1000 + row) % 3 == 0) {
                CHECK(expected < rows.counts[f] && rows.positions[f][expected] == row);
                expected++;
            }
        }
        CHECK_INT(rows.counts[f], expected);
    }
    vs_deleted_rows_clear(&rows);
    delete_table_close(&t);
}

static enum vs_status ignore_row(void *ctx, size_t file, uint64_t position, struct vs_error *err)
{
    (void)file;
    (void)position;
    (void)err;
    ++*(size_t *)ctx;
    return VS_OK;
}

static void case_refusals(void)
{
    struct delete_table t;
    struct vs_error err = {0};
    struct vs_deleted_rows rows = {0};
    const int64_t gone[] = {3};
    size_t calls = 0;
    delete_table_open(&t);
    struct vs_scan_file file = {.data = delete_table_data(&t, 0, 10, 1)};
    struct vs_data_file d = deletes_of(&t, &t.fields[0], 1, gone, 1, 2);
    const struct vs_data_file *list[] = {&d};
    file.deletes = list;
    file.delete_count = 1;
    struct vs_scan_plan plan = {.file_count = 1, .files = &file, .location = t.metadata.location};
    const struct vs_equality_reader reader = {.env = vs_env_default(),
                                              .store = t.store,
                                              .metadata = &t.metadata,
                                              .plan = &plan,
                                              .max_bytes = 100,
                                              .deleted = ignore_row,
                                              .ctx = &calls};
    CHECK_STATUS(vs_equality_deletes_apply(&reader, &err), VS_LIMIT);
    CHECK(strstr(err.message, "more than 100 bytes") != NULL && calls == 0);

    int32_t ids[] = {77};
    d.equality_ids = ids;
    CHECK_STATUS(vs_deleted_rows_read(vs_env_default(), t.store, &t.metadata, &plan, &rows, &err),
                 VS_UNSUPPORTED);
    CHECK(strstr(err.message, "column id 77") != NULL);
    ids[0] = 2; // the delete file has no such column
    t.fields[1].required = true;
    CHECK_STATUS(vs_deleted_rows_read(vs_env_default(), t.store, &t.metadata, &plan, &rows, &err),
                 VS_CORRUPT);
    d.equality_count = 0;
    CHECK_STATUS(vs_deleted_rows_read(vs_env_default(), t.store, &t.metadata, &plan, &rows, &err),
                 VS_CORRUPT);
    delete_table_close(&t);
}

static void case_allocation_failures(void)
{
    struct delete_table t;
    struct vs_deleted_rows rows = {0};
    const int64_t gone[] = {3, 4};
    delete_table_open(&t);
    struct vs_scan_file file = {.data = delete_table_data(&t, 0, 10, 1)};
    struct vs_data_file d[] = {deletes_of(&t, t.fields, 2, gone, 1, 2),
                               deletes_of(&t, &t.fields[0], 1, gone + 1, 1, 2)};
    const struct vs_data_file *list[] = {&d[0], &d[1]};
    file.deletes = list;
    file.delete_count = 2;
    struct vs_scan_plan plan = {.file_count = 1, .files = &file, .location = t.metadata.location};
    for (long n = 0;; n++) {
        struct test_env env;
        test_env_init(&env);
        env.fail_at = n;
        enum vs_status status =
            vs_deleted_rows_read(&env.env, t.store, &t.metadata, &plan, &rows, NULL);
        CHECK(status == VS_OK || (env.failed && status == VS_NO_MEMORY));
        if (status == VS_OK) {
            CHECK_TEXT(deleted_text(&rows, 0), "3,4");
            vs_deleted_rows_clear(&rows);
        }
        CHECK_INT(env.live, 0);
        if (!env.failed) {
            break;
        }
    }
    delete_table_close(&t);
}

TEST_MAIN(TEST(case_one_column),
          TEST(case_two_columns_and_null),
          TEST(case_sequence_and_groups),
          TEST(case_partitions),
          TEST(case_void_spec),
          TEST(case_schema_evolution),
          TEST(case_floats),
          TEST(case_many_keys),
          TEST(case_refusals),
          TEST(case_allocation_failures))
