// SPDX-License-Identifier: Apache-2.0
/*
 * Small tables for tests of vecstore/iceberg and vecstore/catalog: create, append, delete, read
 * back.
 *
 * Rows are a function of their id: text "row <id>" (null where id % 5 == 0), embedding of four
 * floats id + k / 2 (null where id % 7 == 0), score id / 4, day 18000 + id.
 * tests/conform/verify_iceberg.py knows the same rules.
 */
#ifndef VS_TESTS_ICEBERG_TABLE_H
#define VS_TESTS_ICEBERG_TABLE_H

#include "vecstore/catalog/catalog.h"
#include "vecstore/format/parquet_write.h"
#include "vecstore/object/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_FIELDS 5

static inline struct vs_schema test_schema(struct vs_field fields[TEST_FIELDS],
                                           int32_t identifier[1])
{
    fields[0] =
        (struct vs_field){.id = 1, .name = VS_STR("id"), .kind = VS_KIND_LONG, .required = true};
    fields[1] = (struct vs_field){.id = 2, .name = VS_STR("text"), .kind = VS_KIND_STRING};
    fields[2] = (struct vs_field){
        .id = 3, .name = VS_STR("embedding"), .kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT};
    fields[3] = (struct vs_field){.id = 4, .name = VS_STR("score"), .kind = VS_KIND_DOUBLE};
    fields[4] = (struct vs_field){.id = 5, .name = VS_STR("day"), .kind = VS_KIND_DATE};
    identifier[0] = 1;
    return (struct vs_schema){.field_count = TEST_FIELDS,
                              .fields = fields,
                              .identifier_count = 1,
                              .identifier_ids = identifier};
}

static inline enum vs_status test_table_create(struct vs_catalog *catalog,
                                               const char *name,
                                               struct vs_error *err)
{
    struct vs_field fields[TEST_FIELDS];
    int32_t identifier[1];
    struct vs_schema schema = test_schema(fields, identifier);
    const struct vs_pair properties[] = {
        {VS_STR("vecstore.vector.embedding.dimension"), VS_STR("4")}};
    struct vs_table_create create = {
        .schema = &schema, .properties = properties, .property_count = 1};
    struct vs_table *table = NULL;
    enum vs_status status = vs_catalog_create(catalog, name, &create, &table, err);
    vs_table_release(table);
    return status;
}

static inline enum vs_status test_add_row(struct vs_batch *batch, int64_t id, struct vs_error *err)
{
    char text[32];
    float vector[4];
    int len = snprintf(text, sizeof text, "row %lld", (long long)id);
    for (int k = 0; k < 4; k++) {
        vector[k] = (float)id + (float)k / 2;
    }
    const struct vs_value key = {.kind = VS_KIND_LONG, .as.integer = id};
    const struct vs_value score = {.kind = VS_KIND_DOUBLE, .as.real = (double)id / 4};
    const struct vs_value day = {.kind = VS_KIND_DATE, .as.integer = 18000 + id % 10000};
    VS_TRY(vs_column_append(&batch->columns[0], &key, err));
    if (id % 5 == 0) {
        VS_TRY(vs_column_append_null(&batch->columns[1], err));
    } else {
        VS_TRY(vs_column_append_bytes(&batch->columns[1], text, (size_t)len, err));
    }
    if (id % 7 == 0) {
        VS_TRY(vs_column_append_null(&batch->columns[2], err));
    } else {
        VS_TRY(vs_column_append_floats(&batch->columns[2], vector, 4, err));
    }
    VS_TRY(vs_column_append(&batch->columns[3], &score, err));
    VS_TRY(vs_column_append(&batch->columns[4], &day, err));
    batch->row_count++;
    return VS_OK;
}

// Writes a data file with rows [first, first + count) below the table's data folder.
static inline enum vs_status test_data_file(struct vs_store *store,
                                            const struct vs_env *env,
                                            const struct vs_table_metadata *m,
                                            int64_t first,
                                            size_t count,
                                            struct vs_arena *arena,
                                            struct vs_data_file *out,
                                            struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(m);
    const struct vs_parquet_write_options options = {.page_bytes = 2048};
    char uuid[VS_UUID_TEXT_SIZE];
    struct vs_buf key;
    struct vs_batch batch = {0};
    struct vs_writer *writer = NULL;
    struct vs_parquet_writer *parquet = NULL;
    struct vs_parquet_info info = {0};
    vs_uuid_format(vs_uuid_new_v4(env), uuid);
    struct vs_str uri =
        vs_arena_printf(arena, "%.*s/data/%s.parquet", VS_STR_ARG(m->location), uuid);
    vs_buf_init(&key, env, 4096);
    enum vs_status status = uri.ptr != NULL ? vs_store_key(store, uri, &key, err) : VS_NO_MEMORY;
    if (status == VS_OK) {
        status = vs_writer_open(store, vs_buf_c_str(&key), &writer, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_open(env, writer, schema, &options, &parquet, err);
    }
    if (status == VS_OK) {
        status = vs_batch_init(&batch, env, schema->fields, schema->field_count, err);
    }
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        status = test_add_row(&batch, first + (int64_t)i, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_write(parquet, &batch, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_finish(parquet, &info, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(writer, VS_PUT_IF_ABSENT, err);
    }
    if (status == VS_OK) {
        status = vs_data_file_from_parquet(arena, VS_CONTENT_DATA, uri, &info, out, err);
    }
    vs_parquet_info_clear(&info);
    vs_batch_clear(&batch);
    vs_parquet_writer_free(parquet);
    vs_writer_free(writer);
    vs_buf_clear(&key);
    return status;
}

// Appends rows [first, first + count) in one commit. statistics may be NULL.
static inline enum vs_status test_table_append(struct vs_catalog *catalog,
                                               const char *name,
                                               int64_t first,
                                               size_t count,
                                               const struct vs_statistics *statistics,
                                               struct vs_commit_result *result,
                                               struct vs_error *err)
{
    const struct vs_env *env = vs_catalog_env(catalog);
    struct vs_arena arena;
    struct vs_table *table = NULL;
    struct vs_data_file file;
    vs_arena_init(&arena, env, 0);
    enum vs_status status = vs_catalog_load(catalog, name, &table, err);
    if (status == VS_OK) {
        status =
            test_data_file(table->store, env, table->metadata, first, count, &arena, &file, err);
    }
    if (status == VS_OK) {
        const struct vs_intent intent = {.operation = "append",
                                         .added_data = &file,
                                         .added_data_count = 1,
                                         .statistics = statistics};
        status = vs_catalog_commit(catalog, name, &intent, NULL, result, err);
    }
    vs_table_release(table);
    vs_arena_clear(&arena);
    return status;
}

// What a reader sees of a snapshot: the live ids, ascending.
struct test_rows {
    int64_t *ids; // malloc
    size_t count;
    uint64_t deleted;
};

static inline int test_compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static inline enum vs_status test_read_file(const struct vs_env *env,
                                            struct vs_store *store,
                                            const struct vs_table_metadata *m,
                                            const struct vs_scan_plan *plan,
                                            const struct vs_deleted_rows *deleted,
                                            size_t f,
                                            struct test_rows *rows,
                                            struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(m);
    struct vs_file_scan *scan = NULL;
    struct vs_batch batch = {0};
    size_t next_deleted = 0;
    enum vs_status status = vs_file_scan_open(env, store, m, &plan->files[f].data, schema->fields,
                                              schema->field_count, &scan, err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, env, schema->fields, schema->field_count, err);
    }
    while (status == VS_OK) {
        uint64_t first = 0;
        vs_batch_reset(&batch);
        status = vs_file_scan_next(scan, 100, &batch, &first, err);
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        for (size_t row = 0; row < batch.row_count; row++) {
            if (next_deleted < deleted->counts[f] &&
                deleted->positions[f][next_deleted] == first + row) {
                next_deleted++;
                continue;
            }
            int64_t *grown = realloc(rows->ids, (rows->count + 1) * sizeof *grown);
            if (grown == NULL) {
                abort();
            }
            rows->ids = grown;
            rows->ids[rows->count++] = vs_column_get(&batch.columns[0], row).as.integer;
        }
    }
    vs_batch_clear(&batch);
    vs_file_scan_close(scan);
    return status;
}

static inline enum vs_status test_table_rows(struct vs_catalog *catalog,
                                             const struct vs_table_metadata *m,
                                             int64_t snapshot_id,
                                             struct test_rows *rows,
                                             struct vs_error *err)
{
    const struct vs_env *env = vs_catalog_env(catalog);
    struct vs_store *store = vs_catalog_store(catalog);
    struct vs_scan_plan *plan = NULL;
    struct vs_deleted_rows deleted = {0};
    *rows = (struct test_rows){0};
    enum vs_status status = vs_scan_plan_make(env, store, m, snapshot_id, &plan, err);
    if (status == VS_OK) {
        status = vs_deleted_rows_read(env, store, m, plan, &deleted, err);
    }
    for (size_t f = 0; status == VS_OK && f < plan->file_count; f++) {
        status = test_read_file(env, store, m, plan, &deleted, f, rows, err);
    }
    rows->deleted = deleted.total;
    if (rows->count > 1) {
        qsort(rows->ids, rows->count, sizeof *rows->ids, test_compare_ids);
    }
    vs_deleted_rows_clear(&deleted);
    vs_scan_plan_free(plan);
    return status;
}

// Deletes the rows with these ids in one commit (only data files of rows written by
// test_table_append are searched).
static inline enum vs_status test_table_delete(struct vs_catalog *catalog,
                                               const char *name,
                                               const int64_t *ids,
                                               size_t id_count,
                                               struct vs_commit_result *result,
                                               struct vs_error *err)
{
    const struct vs_env *env = vs_catalog_env(catalog);
    struct vs_store *store = vs_catalog_store(catalog);
    struct vs_table *table = NULL;
    struct vs_scan_plan *plan = NULL;
    struct vs_arena arena;
    struct vs_position_delete *deletes = NULL;
    size_t count = 0;
    vs_arena_init(&arena, env, 0);
    enum vs_status status = vs_catalog_load(catalog, name, &table, err);
    if (status == VS_OK) {
        status = vs_scan_plan_make(env, store, table->metadata,
                                   table->metadata->current_snapshot_id, &plan, err);
    }
    if (status == VS_OK) {
        deletes = vs_arena_alloc_array(&arena, id_count * plan->file_count, sizeof *deletes);
        status = deletes != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "no memory");
    }
    for (size_t f = 0; status == VS_OK && f < plan->file_count; f++) {
        const struct vs_field field = vs_table_current_schema(table->metadata)->fields[0];
        struct vs_file_scan *scan = NULL;
        struct vs_batch batch = {0};
        uint64_t first = 0;
        status = vs_file_scan_open(env, store, table->metadata, &plan->files[f].data, &field, 1,
                                   &scan, err);
        if (status == VS_OK) {
            status = vs_batch_init(&batch, env, &field, 1, err);
        }
        if (status == VS_OK) {
            status = vs_file_scan_next(scan, 1000000, &batch, &first, err);
        }
        for (size_t row = 0; status == VS_OK && row < batch.row_count; row++) {
            int64_t id = vs_column_get(&batch.columns[0], row).as.integer;
            for (size_t i = 0; i < id_count; i++) {
                if (ids[i] == id) {
                    deletes[count++] = (struct vs_position_delete){plan->files[f].data.path, row};
                }
            }
        }
        vs_batch_clear(&batch);
        vs_file_scan_close(scan);
    }
    struct vs_data_file *files = NULL;
    size_t file_count = 0;
    if (status == VS_OK) {
        status = vs_position_deletes_write(store, table->metadata, deletes, count, &arena, &files,
                                           &file_count, err);
    }
    if (status == VS_OK) {
        const struct vs_intent intent = {
            .operation = "delete", .added_deletes = files, .added_delete_count = file_count};
        status = vs_catalog_commit(catalog, name, &intent, NULL, result, err);
    }
    vs_scan_plan_free(plan);
    vs_table_release(table);
    vs_arena_clear(&arena);
    return status;
}

#endif
