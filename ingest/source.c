// SPDX-License-Identifier: Apache-2.0
#include "ingest/source.h"

#include "ingest/source_internal.h"

#include <string.h>

enum file_kind { FILE_PARQUET, FILE_NPY, FILE_JSONL, FILE_UNKNOWN };

static enum file_kind kind_of(struct vs_str name)
{
    if (vs_str_ends_with(name, VS_STR(".parquet"))) {
        return FILE_PARQUET;
    }
    if (vs_str_ends_with(name, VS_STR(".npy"))) {
        return FILE_NPY;
    }
    if (vs_str_ends_with(name, VS_STR(".jsonl")) || vs_str_ends_with(name, VS_STR(".ndjson"))) {
        return FILE_JSONL;
    }
    return FILE_UNKNOWN;
}

// The folder's store and the name in it. The name is a key: it is looked up as it stands.
enum vs_status vs_source_file_open(const struct vs_env *env,
                                   const char *path,
                                   struct vs_source_file *file_out,
                                   struct vs_error *err)
{
    struct vs_source_file opened = {0};
    struct vs_buf folder;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return vs_fail(err, VS_INVALID, "'%s' is a folder; name a .parquet, .npy or .jsonl file",
                       path);
    }
    vs_buf_init(&folder, env, 65536);
    struct vs_str above =
        slash == NULL ? VS_STR(".") : (struct vs_str){path, (size_t)(name - path)};
    enum vs_status status = vs_buf_append_str(&folder, above, err);
    if (status == VS_OK && vs_buf_c_str(&folder) == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory for a path");
    }
    if (status == VS_OK) {
        status = vs_store_open(env, vs_buf_c_str(&folder), false, &opened.store, err);
    }
    if (status == VS_OK) {
        status = vs_file_open(opened.store, name, &opened.file, err);
    }
    vs_buf_clear(&folder);
    if (status != VS_OK) {
        vs_store_free(opened.store);
        return status;
    }
    *file_out = opened;
    return VS_OK;
}

void vs_source_file_close(struct vs_source_file *file)
{
    vs_file_close(file->file);
    vs_store_free(file->store);
    *file = (struct vs_source_file){0};
}

static enum vs_status open_kind(const struct vs_env *env,
                                struct vs_source_file *file,
                                const char *name,
                                const struct vs_source_options *options,
                                struct vs_source **source_out,
                                struct vs_error *err)
{
    static const struct vs_source_options none;
    const struct vs_source_options *chosen = options != NULL ? options : &none;
    switch (kind_of(vs_str_from_c(name))) {
    case FILE_PARQUET:
        return vs_source_open_parquet(env, file, name, chosen, source_out, err);
    case FILE_NPY:
        return vs_source_open_npy(env, file, name, chosen, source_out, err);
    case FILE_JSONL:
        return vs_source_open_jsonl(env, file, name, chosen, source_out, err);
    case FILE_UNKNOWN:
        break;
    }
    vs_source_file_close(file);
    return vs_fail(err, VS_UNSUPPORTED,
                   "'%s': rows are read from .parquet, .npy and .jsonl (.ndjson) files, and from "
                   "standard input ('-') as JSON lines",
                   name);
}

enum vs_status vs_source_open(const struct vs_env *env,
                              const char *path,
                              const struct vs_source_options *options,
                              struct vs_source **source_out,
                              struct vs_error *err)
{
    static const struct vs_source_options none;
    struct vs_source_file file = {0};
    if (strcmp(path, "-") == 0) {
        return vs_source_open_jsonl(env, &file, "standard input", options != NULL ? options : &none,
                                    source_out, err);
    }
    if (kind_of(vs_str_from_c(path)) != FILE_UNKNOWN) {
        VS_TRY(vs_source_file_open(env, path, &file, err));
    }
    return open_kind(env, &file, path, options, source_out, err);
}

enum vs_status vs_source_open_file(const struct vs_env *env,
                                   struct vs_file *file,
                                   const char *name,
                                   const struct vs_source_options *options,
                                   struct vs_source **source_out,
                                   struct vs_error *err)
{
    struct vs_source_file given = {.file = file};
    return open_kind(env, &given, name, options, source_out, err);
}

void vs_source_close(struct vs_source *source)
{
    if (source != NULL) {
        source->vtable->close(source);
    }
}

const struct vs_schema *vs_source_schema(const struct vs_source *source)
{
    return &source->schema;
}

enum vs_status vs_source_next(struct vs_source *source,
                              struct vs_batch *batch,
                              uint64_t *first_row_out,
                              struct vs_error *err)
{
    uint64_t first = source->rows_read;
    if (batch->column_count != source->schema.field_count) {
        return vs_fail(err, VS_INTERNAL, "%s: a batch of %zu columns for a source of %zu",
                       source->name, batch->column_count, source->schema.field_count);
    }
    vs_batch_reset(batch);
    VS_TRY(source->vtable->next(source, batch, &first, err));
    source->rows_read += batch->row_count;
    if (first_row_out != NULL) {
        *first_row_out = first;
    }
    return VS_OK;
}

// ---- shared by the sources ----

struct vs_str vs_source_vector_name(const struct vs_source_options *options)
{
    return options->vector_column.len > 0 ? options->vector_column : VS_STR("embedding");
}

struct vs_str vs_source_target_name(const struct vs_source_options *options, struct vs_str name)
{
    for (size_t i = 0; i < options->rename_count; i++) {
        if (vs_str_equal(options->renames[i].from, name)) {
            return options->renames[i].to;
        }
    }
    return name;
}

enum vs_status vs_column_append_nulls(struct vs_column *column, size_t count, struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_column_append_null(column, err));
    }
    return VS_OK;
}
