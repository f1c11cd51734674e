// SPDX-License-Identifier: Apache-2.0
#include "ingest/batch_write.h"

#include "vecstore/format/parquet_write.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_TARGET (UINT64_C(512) << 20)
#define MAX_FILES 65536
#define KEY_LIMIT 4096

struct vs_batch_writer {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    const struct vs_schema *schema;
    struct vs_arena arena;
    uint64_t target_bytes, finished_bytes;
    size_t thread_count;
    struct vs_uuid uuid;
    // the open file
    struct vs_writer *out;
    struct vs_parquet_writer *parquet;
    // finished files
    struct vs_data_file *files;
    const char **keys; // of files[i], NUL-terminated
    size_t file_count, capacity;
};

static uint64_t target_of(const struct vs_table_metadata *metadata,
                          const struct vs_batch_write_options *options)
{
    if (options->target_file_bytes != 0) {
        return options->target_file_bytes;
    }
    uint64_t bytes = 0;
    struct vs_str text = vs_table_property(metadata, "write.target-file-size-bytes");
    if (text.ptr != NULL && vs_parse_u64(text, &bytes, NULL) == VS_OK && bytes > 0) {
        return bytes;
    }
    return DEFAULT_TARGET;
}

enum vs_status vs_batch_writer_open(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    const struct vs_batch_write_options *options,
                                    struct vs_batch_writer **writer_out,
                                    struct vs_error *err)
{
    if (metadata->is_partitioned) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the table is partitioned; writing to partitioned tables is not supported "
                       "yet, write with another engine");
    }
    struct vs_batch_writer *writer = vs_alloc_zeroed(env, 1, sizeof *writer);
    if (writer == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a data file writer");
    }
    writer->env = env;
    writer->store = store;
    writer->metadata = metadata;
    writer->schema = vs_table_current_schema(metadata);
    writer->target_bytes = target_of(metadata, options);
    writer->thread_count = options->thread_count;
    writer->uuid = vs_uuid_new_v4(env);
    vs_arena_init(&writer->arena, env, 0);
    *writer_out = writer;
    return VS_OK;
}

// <table location>/data/00000-<uuid>.parquet as key and URI.
static enum vs_status name_file(struct vs_batch_writer *writer,
                                const char **key_out,
                                struct vs_str *uri_out,
                                struct vs_error *err)
{
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(writer->uuid, uuid);
    *uri_out = vs_arena_printf(&writer->arena, "%.*s/data/%05zu-%s.parquet",
                               VS_STR_ARG(writer->metadata->location), writer->file_count, uuid);
    if (uri_out->ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory naming a data file");
    }
    struct vs_buf key;
    vs_buf_init(&key, writer->env, KEY_LIMIT);
    enum vs_status status = vs_store_key(writer->store, *uri_out, &key, err);
    if (status == VS_OK) {
        *key_out = vs_arena_copy_str(&writer->arena, vs_buf_view(&key)).ptr;
        status = *key_out != NULL ? VS_OK
                                  : vs_fail(err, VS_NO_MEMORY, "out of memory naming a data file");
    }
    vs_buf_clear(&key);
    return status;
}

static enum vs_status reserve_file(struct vs_batch_writer *writer, struct vs_error *err)
{
    if (writer->file_count < writer->capacity) {
        return VS_OK;
    }
    if (writer->file_count >= MAX_FILES) {
        return vs_fail(err, VS_LIMIT,
                       "more than %d data files in one commit; ingest in smaller parts or raise "
                       "write.target-file-size-bytes",
                       MAX_FILES);
    }
    size_t capacity = writer->capacity == 0 ? 8 : writer->capacity * 2;
    struct vs_data_file *files = vs_realloc(writer->env, writer->files, capacity * sizeof *files);
    if (files == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu data files", capacity);
    }
    writer->files = files;
    const char **keys = vs_realloc(writer->env, writer->keys, capacity * sizeof *keys);
    if (keys == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu data files", capacity);
    }
    writer->keys = keys;
    writer->capacity = capacity;
    return VS_OK;
}

static enum vs_status begin_file(struct vs_batch_writer *writer, struct vs_error *err)
{
    struct vs_str uri;
    VS_TRY(reserve_file(writer, err));
    VS_TRY(name_file(writer, &writer->keys[writer->file_count], &uri, err));
    writer->files[writer->file_count] = (struct vs_data_file){.path = uri};
    VS_TRY(vs_writer_open(writer->store, writer->keys[writer->file_count], &writer->out, err));
    struct vs_parquet_write_options options = vs_parquet_write_defaults();
    options.thread_count = writer->thread_count;
    for (size_t i = 0; i < writer->metadata->schema_count; i++) {
        if (&writer->metadata->schemas[i] == writer->schema) {
            options.schema_json = writer->metadata->schema_json[i];
        }
    }
    return vs_parquet_writer_open(writer->env, writer->out, writer->schema, &options,
                                  &writer->parquet, err);
}

static enum vs_status end_file(struct vs_batch_writer *writer, struct vs_error *err)
{
    struct vs_parquet_info info = {0};
    VS_TRY(vs_parquet_writer_finish(writer->parquet, &info, err));
    enum vs_status status = vs_writer_finish(writer->out, VS_PUT_IF_ABSENT, err);
    if (status == VS_OK) {
        struct vs_data_file *file = &writer->files[writer->file_count];
        struct vs_str uri = file->path;
        writer->file_count++; // from here on free() removes it
        writer->finished_bytes += info.file_size;
        status = vs_data_file_from_parquet(&writer->arena, VS_CONTENT_DATA, uri, &info, file, err);
    }
    vs_parquet_info_clear(&info);
    vs_parquet_writer_free(writer->parquet);
    vs_writer_free(writer->out);
    writer->parquet = NULL;
    writer->out = NULL;
    return status;
}

enum vs_status vs_batch_writer_write(struct vs_batch_writer *writer,
                                     const struct vs_batch *batch,
                                     struct vs_error *err)
{
    if (batch->row_count == 0) {
        return VS_OK;
    }
    if (writer->parquet == NULL) {
        VS_TRY(begin_file(writer, err));
    }
    VS_TRY(vs_parquet_writer_write(writer->parquet, batch, err));
    if (vs_parquet_writer_bytes(writer->parquet) >= writer->target_bytes) {
        return end_file(writer, err);
    }
    return VS_OK;
}

enum vs_status vs_batch_writer_finish(struct vs_batch_writer *writer,
                                      const struct vs_data_file **files_out,
                                      size_t *count_out,
                                      struct vs_error *err)
{
    if (writer->parquet != NULL) {
        VS_TRY(end_file(writer, err));
    }
    *files_out = writer->files;
    *count_out = writer->file_count;
    return VS_OK;
}

void vs_batch_writer_free(struct vs_batch_writer *writer, bool keep)
{
    if (writer == NULL) {
        return;
    }
    vs_parquet_writer_free(writer->parquet);
    vs_writer_free(writer->out);
    for (size_t i = 0; !keep && i < writer->file_count; i++) {
        vs_ignore(vs_store_remove(writer->store, writer->keys[i], NULL));
    }
    vs_free(writer->env, writer->files);
    vs_free(writer->env, writer->keys);
    vs_arena_clear(&writer->arena);
    vs_free(writer->env, writer);
}

uint64_t vs_batch_writer_bytes(const struct vs_batch_writer *writer)
{
    return writer->finished_bytes;
}
