// SPDX-License-Identifier: Apache-2.0
/*
 * Tables of two columns (id, n) in memory for tests of ingest: the id is long or string, data files
 * may hold it as int.
 */
#ifndef VS_TESTS_ID_TABLE_H
#define VS_TESTS_ID_TABLE_H

#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/catalog/catalog.h"
#include "vecstore/format/parquet_write.h"

#define ID_TABLE "t.ids"

struct id_table {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    struct vs_store *store;
    struct vs_table *table; // newest
    enum vs_kind kind;      // of the id
};

static inline void id_fields(enum vs_kind kind, struct vs_field fields[2])
{
    fields[0] = (struct vs_field){.id = 1, .name = VS_STR("id"), .kind = kind, .required = true};
    fields[1] = (struct vs_field){.id = 2, .name = VS_STR("n"), .kind = VS_KIND_LONG};
}

static inline enum vs_status id_table_reload(struct id_table *t, struct vs_error *err)
{
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_load(t->catalog, ID_TABLE, &table, err));
    vs_table_release(t->table);
    t->table = table;
    return VS_OK;
}

static inline enum vs_status id_table_open(struct id_table *t,
                                           const struct vs_env *env,
                                           enum vs_kind kind,
                                           struct vs_error *err)
{
    struct vs_field fields[2];
    int32_t identifier[1] = {1};
    const struct vs_schema schema = {
        .field_count = 2, .fields = fields, .identifier_count = 1, .identifier_ids = identifier};
    const struct vs_table_create create = {.schema = &schema};
    id_fields(kind, fields);
    *t = (struct id_table){.env = env, .kind = kind};
    VS_TRY(vs_store_open_mem(env, "ids", &t->store, err));
    enum vs_status status = vs_catalog_open_store(env, t->store, &t->catalog, err);
    return status == VS_OK ? vs_catalog_create(t->catalog, ID_TABLE, &create, &t->table, err)
                           : status;
}

static inline void id_table_close(struct id_table *t)
{
    vs_table_release(t->table);
    vs_catalog_free(t->catalog);
}

// The id of number i; text is used for string ids ("id-000012").
static inline struct vs_value id_value(enum vs_kind kind, int64_t i, char text[32])
{
    struct vs_value value = {.kind = kind, .as.integer = i};
    if (kind == VS_KIND_STRING) {
        int len = snprintf(text, 32, "id-%06lld", (long long)i);
        value.as.text = (struct vs_str){text, (size_t)len};
    }
    return value;
}

static inline enum vs_status id_file_rows(struct id_table *t,
                                          struct vs_parquet_writer *parquet,
                                          const struct vs_field fields[2],
                                          int64_t first,
                                          size_t count,
                                          struct vs_error *err)
{
    struct vs_batch batch = {0};
    char text[32];
    enum vs_status status = vs_batch_init(&batch, t->env, fields, 2, err);
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        struct vs_value id = id_value(fields[0].kind, first + (int64_t)i, text);
        struct vs_value n = {.kind = VS_KIND_LONG, .as.integer = first + (int64_t)i};
        status = vs_column_append(&batch.columns[0], &id, err);
        if (status == VS_OK) {
            status = vs_column_append(&batch.columns[1], &n, err);
        }
        batch.row_count++;
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_write(parquet, &batch, err);
    }
    vs_batch_clear(&batch);
    return status;
}

// Commits a data file named data/<name>.parquet of rows [first, first + count) whose id column is
// of file_kind.
static inline enum vs_status id_table_append(struct id_table *t,
                                             const char *name,
                                             enum vs_kind file_kind,
                                             int64_t first,
                                             size_t count,
                                             struct vs_error *err)
{
    struct vs_field fields[2];
    const struct vs_schema schema = {.field_count = 2, .fields = fields};
    const struct vs_parquet_write_options options = {.schema_json = {"", 0}};
    struct vs_arena arena;
    struct vs_buf key;
    struct vs_writer *writer = NULL;
    struct vs_parquet_writer *parquet = NULL;
    struct vs_parquet_info info = {0};
    struct vs_data_file file;
    id_fields(file_kind, fields);
    vs_arena_init(&arena, t->env, 0);
    vs_buf_init(&key, t->env, 4096);
    struct vs_str uri = vs_arena_printf(&arena, "%.*s/data/%s.parquet",
                                        VS_STR_ARG(t->table->metadata->location), name);
    enum vs_status status = vs_store_key(t->store, uri, &key, err);
    if (status == VS_OK) {
        status = vs_writer_open(t->store, vs_buf_c_str(&key), &writer, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_open(t->env, writer, &schema, &options, &parquet, err);
    }
    if (status == VS_OK) {
        status = id_file_rows(t, parquet, fields, first, count, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_finish(parquet, &info, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(writer, VS_PUT_IF_ABSENT, err);
    }
    if (status == VS_OK) {
        status = vs_data_file_from_parquet(&arena, VS_CONTENT_DATA, uri, &info, &file, err);
    }
    if (status == VS_OK) {
        const struct vs_intent intent = {
            .operation = "append", .added_data = &file, .added_data_count = 1};
        struct vs_commit_result result = {0};
        status = vs_catalog_commit(t->catalog, ID_TABLE, &intent, NULL, &result, err);
        vs_table_release(result.table);
    }
    vs_parquet_info_clear(&info);
    vs_parquet_writer_free(parquet);
    vs_writer_free(writer);
    vs_buf_clear(&key);
    vs_arena_clear(&arena);
    return status == VS_OK ? id_table_reload(t, err) : status;
}

// Removes the bytes of data/<name>.parquet, so that opening it fails.
static inline enum vs_status id_table_lose(struct id_table *t,
                                           const char *name,
                                           struct vs_error *err)
{
    char uri[512];
    struct vs_buf key;
    snprintf(uri, sizeof uri, "%.*s/data/%s.parquet", VS_STR_ARG(t->table->metadata->location),
             name);
    vs_buf_init(&key, t->env, 4096);
    enum vs_status status = vs_store_key(t->store, vs_str_from_c(uri), &key, err);
    if (status == VS_OK) {
        status = vs_store_remove(t->store, vs_buf_c_str(&key), err);
    }
    vs_buf_clear(&key);
    return status;
}

// Name of a data file, without folder and ending, of a URI.
static inline bool id_file_is(struct vs_str path, const char *name)
{
    char end[64];
    snprintf(end, sizeof end, "/data/%s.parquet", name);
    return vs_str_ends_with(path, vs_str_from_c(end));
}

#endif
