// SPDX-License-Identifier: Apache-2.0
#include "ingest/row_change.h"
#include "ingest/table_rows.h"
#include "tests/support/id_table.h"

#define FILES 3
static const size_t sizes[FILES] = {70, 1, 250};

// All rows of all files in the plan's order, deleted ones too; ids tell which file it is.
static void check_all(void *rows, const struct vs_scan_plan *plan, size_t step)
{
    struct vs_field fields[2];
    struct vs_batch batch = {0};
    struct vs_error err = {0};
    int64_t next = 0;
    size_t file = 0, of_file = 0;
    id_fields(VS_KIND_LONG, fields);
    REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), fields, 2, &err), err);
    for (;;) {
        vs_batch_reset(&batch);
        REQUIRE_OK(vs_table_rows_next(rows, step, &batch, &err), err);
        if (batch.row_count == 0) {
            break;
        }
        CHECK(batch.row_count <= step);
        for (size_t i = 0; i < batch.row_count; i++) {
            if (of_file == (size_t)plan->files[file].data.record_count) {
                file++;
                of_file = 0;
            }
            next = of_file == 0 ? vs_column_get(&batch.columns[0], i).as.integer : next + 1;
            CHECK_INT(next % 1000, of_file); // file f begins at id f * 1000
            CHECK_INT(vs_column_get(&batch.columns[0], i).as.integer, next);
            CHECK_INT(vs_column_get(&batch.columns[1], i).as.integer, next);
            of_file++;
        }
    }
    CHECK_INT(file, FILES - 1);
    CHECK_INT(of_file, plan->files[FILES - 1].data.record_count);
    CHECK_OK(vs_table_rows_next(rows, step, &batch, &err), err); // the end stays the end
    CHECK_INT(batch.row_count, 0);
    vs_batch_clear(&batch);
}

static void order_and_rewind(void)
{
    struct test_env env;
    struct id_table t;
    struct vs_error err = {0};
    struct vs_field fields[2];
    struct vs_scan_plan *plan = NULL;
    struct vs_table_rows *rows = NULL;
    struct vs_id_set *set = NULL;
    struct vs_delete_result result;
    test_env_init(&env);
    id_fields(VS_KIND_LONG, fields);
    REQUIRE_OK(id_table_open(&t, &env.env, VS_KIND_LONG, &err), err);
    for (size_t f = 0; f < FILES; f++) {
        char name[8];
        snprintf(name, sizeof name, "f%zu", f);
        REQUIRE_OK(id_table_append(&t, name, VS_KIND_LONG, (int64_t)f * 1000, sizes[f], &err), err);
    }
    REQUIRE_OK(vs_id_set_new(&env.env, VS_KIND_LONG, &set, &err), err);
    const struct vs_value gone = {.kind = VS_KIND_LONG, .as.integer = 2005};
    bool added;
    REQUIRE_OK(vs_id_set_add(set, &gone, &added, &err), err);
    const struct vs_delete_job job = {.table = ID_TABLE, .ids = set};
    REQUIRE_OK(vs_delete_job_run(t.catalog, &job, &result, &err), err);
    vs_id_set_free(set);
    REQUIRE_OK(id_table_reload(&t, &err), err);
    const struct vs_table_metadata *m = t.table->metadata;
    REQUIRE_OK(vs_scan_plan_make(&env.env, t.store, m, m->current_snapshot_id, &plan, &err), err);
    REQUIRE_OK(vs_table_rows_open(&env.env, t.store, m, plan, fields, 2, &rows, &err), err);
    static const size_t steps[] = {1, 7, 64, 1000};
    for (size_t i = 0; i < 4; i++) {
        check_all(rows, plan, steps[i]);
        REQUIRE_OK(vs_table_rows_rewind(rows, &err), err);
    }
    struct vs_batch batch = {0}; // rewound in the middle of a file
    REQUIRE_OK(vs_batch_init(&batch, &env.env, fields, 2, &err), err);
    REQUIRE_OK(vs_table_rows_next(rows, 30, &batch, &err), err);
    REQUIRE_OK(vs_table_rows_rewind(rows, &err), err);
    check_all(rows, plan, 30);
    // A manifest that counts other rows than the file holds: refused, row numbers would shift.
    REQUIRE_OK(vs_table_rows_rewind(rows, &err), err);
    plan->files[1].data.record_count++;
    enum vs_status status = VS_OK;
    for (int i = 0; status == VS_OK && i < 100; i++) {
        vs_batch_reset(&batch);
        status = vs_table_rows_next(rows, 1000, &batch, &err);
    }
    CHECK_INT(status, VS_CORRUPT);
    CHECK(strstr(err.message, ".parquet") != NULL && strstr(err.message, "manifest") != NULL);
    vs_batch_clear(&batch);
    vs_table_rows_close(rows);
    vs_table_rows_close(NULL);
    vs_scan_plan_free(plan);
    id_table_close(&t);
    CHECK_INT(env.live, 0);
}

TEST_MAIN(TEST(order_and_rewind))
