// SPDX-License-Identifier: Apache-2.0
/*
 * A table for tests of deletes, put together by hand: metadata, files in a memory store and a plan,
 * so that nothing but reading deletes is under test.
 *
 * Rows: id long (1), name string (2), score double (3), old int (4). Ids are what a test says;
 * name is "n<id % 10>", null where id % 4 == 3; score is id / 2, old is id * 3.
 */
#ifndef VS_TESTS_DELETE_TABLE_H
#define VS_TESTS_DELETE_TABLE_H

#include "vecstore/format/parquet_write.h"
#include "vecstore/iceberg/scan.h"
#include "vecstore/object/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELETE_FIELDS 4
#define DELETE_LOCATION "mem://deletes/t"

struct delete_table {
    struct vs_store *store;
    struct vs_table_metadata metadata; // borrowed arrays
    struct vs_schema schema;
    struct vs_field fields[DELETE_FIELDS];
    struct vs_partition_spec spec;
    struct vs_arena arena;
    char location[256];
    size_t file_number;
    struct vs_parquet_write_options options; // of the files
};

static inline void delete_table_open(struct delete_table *t)
{
    *t = (struct delete_table){0};
    struct vs_error err = {0};
    if (vs_store_open_mem(vs_env_default(), "deletes", &t->store, &err) != VS_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    vs_arena_init(&t->arena, vs_env_default(), 0);
    t->fields[0] = (struct vs_field){.id = 1, .name = VS_STR("id"), .kind = VS_KIND_LONG};
    t->fields[1] = (struct vs_field){.id = 2, .name = VS_STR("name"), .kind = VS_KIND_STRING};
    t->fields[2] = (struct vs_field){.id = 3, .name = VS_STR("score"), .kind = VS_KIND_DOUBLE};
    t->fields[3] = (struct vs_field){.id = 4, .name = VS_STR("old"), .kind = VS_KIND_INT};
    t->schema = (struct vs_schema){.field_count = DELETE_FIELDS, .fields = t->fields};
    snprintf(t->location, sizeof t->location, "%s/t", t->store->root_uri);
    t->metadata.format_version = 2;
    t->metadata.location = vs_str_from_c(t->location);
    t->metadata.schemas = &t->schema;
    t->metadata.schema_count = 1;
    t->metadata.specs = &t->spec;
    t->metadata.spec_count = 1;
}

static inline void delete_table_close(struct delete_table *t)
{
    vs_arena_clear(&t->arena);
    vs_store_free(t->store);
}

// A Parquet file with the rows of `batch`; the entry has sequence number `sequence`.
static inline struct vs_data_file delete_table_write(struct delete_table *t,
                                                     const struct vs_field *fields,
                                                     size_t field_count,
                                                     const struct vs_batch *batch,
                                                     enum vs_file_content content,
                                                     int64_t sequence)
{
    const struct vs_env *env = vs_env_default();
    const struct vs_schema schema = {.field_count = field_count,
                                     .fields = (struct vs_field *)(uintptr_t)fields};
    struct vs_data_file file = {0};
    struct vs_writer *writer = NULL;
    struct vs_parquet_writer *parquet = NULL;
    struct vs_parquet_info info = {0};
    struct vs_error err = {0};
    char key[64];
    snprintf(key, sizeof key, "t/data/f%zu.parquet", t->file_number++);
    struct vs_str uri = vs_arena_printf(&t->arena, "%s/%s", t->store->root_uri, key);
    if (vs_writer_open(t->store, key, &writer, &err) != VS_OK ||
        vs_parquet_writer_open(env, writer, &schema, &t->options, &parquet, &err) != VS_OK ||
        vs_parquet_writer_write(parquet, batch, &err) != VS_OK ||
        vs_parquet_writer_finish(parquet, &info, &err) != VS_OK ||
        vs_writer_finish(writer, VS_PUT_IF_ABSENT, &err) != VS_OK ||
        vs_data_file_from_parquet(&t->arena, content, uri, &info, &file, &err) != VS_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    vs_parquet_info_clear(&info);
    vs_parquet_writer_free(parquet);
    vs_writer_free(writer);
    file.sequence_number = sequence;
    file.first_row_id = -1;
    return file;
}

static inline void delete_table_append(struct vs_batch *batch,
                                       const struct vs_field *fields,
                                       int64_t id,
                                       struct vs_error *err)
{
    char name[16];
    int len = snprintf(name, sizeof name, "n%d", (int)(id % 10));
    for (size_t i = 0; i < batch->column_count; i++) {
        struct vs_value value = {.kind = fields[i].kind};
        enum vs_status status = VS_OK;
        switch (fields[i].id) {
        case 1:
            value.as.integer = id;
            break;
        case 2:
            value.is_null = id % 4 == 3;
            value.as.text = (struct vs_str){name, (size_t)len};
            break;
        case 3:
            value.as.real = (double)id / 2;
            break;
        default:
            value.as.integer = id * 3;
            break;
        }
        status = value.is_null ? vs_column_append_null(&batch->columns[i], err)
                               : vs_column_append(&batch->columns[i], &value, err);
        if (status != VS_OK) {
            abort();
        }
    }
    batch->row_count++;
}

// A file with rows of these ids and these fields (of the table, in any order).
static inline struct vs_data_file delete_table_ids(struct delete_table *t,
                                                   const struct vs_field *fields,
                                                   size_t field_count,
                                                   const int64_t *ids,
                                                   size_t id_count,
                                                   enum vs_file_content content,
                                                   int64_t sequence)
{
    struct vs_batch batch = {0};
    struct vs_error err = {0};
    if (vs_batch_init(&batch, vs_env_default(), fields, field_count, &err) != VS_OK) {
        abort();
    }
    for (size_t i = 0; i < id_count; i++) {
        delete_table_append(&batch, fields, ids[i], &err);
    }
    struct vs_data_file file =
        delete_table_write(t, fields, field_count, &batch, content, sequence);
    vs_batch_clear(&batch);
    return file;
}

// A data file with ids first, first + 1, …
static inline struct vs_data_file delete_table_data(struct delete_table *t,
                                                    int64_t first,
                                                    size_t count,
                                                    int64_t sequence)
{
    int64_t ids[1000];
    if (count > 1000) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        ids[i] = first + (int64_t)i;
    }
    return delete_table_ids(t, t->fields, DELETE_FIELDS, ids, count, VS_CONTENT_DATA, sequence);
}

#endif
