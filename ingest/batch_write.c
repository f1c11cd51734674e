// SPDX-License-Identifier: Apache-2.0
#include "ingest/batch_write.h"

#include "ingest/partition_split.h"
#include "vecstore/format/parquet_write.h"
#include "vecstore/iceberg/scan.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_TARGET (UINT64_C(512) << 20)
#define MAX_FILES 65536
#define KEY_LIMIT 4096
#define MAX_OPEN 64 // files at once: each holds a row group in memory

struct open_file {
    struct vs_writer *out; // NULL: the place is free
    struct vs_parquet_writer *parquet;
    size_t partition;
    uint64_t used_at;
    struct vs_str uri;
    const char *key; // NUL-terminated
};

struct vs_batch_writer {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    const struct vs_schema *schema;
    struct vs_schema columns; // of the batches and files: the schema, and row lineage
    vs_rows_placed_fn placed;
    void *placed_ctx;
    struct vs_arena arena;
    uint64_t target_bytes, finished_bytes;
    size_t thread_count;
    struct vs_uuid uuid;
    struct vs_str folder; // URI of the data folder
    bool is_scattered;    // write.object-storage.enabled
    struct vs_partition_split split;
    struct vs_batch part; // the rows of one partition
    struct open_file open[MAX_OPEN];
    uint64_t clock;
    size_t name_count;
    // finished files
    struct vs_data_file *files;
    const char **keys; // of files[i], NUL-terminated
    size_t file_count, capacity;
};

void vs_row_lineage_fields(struct vs_field fields_out[2])
{
    fields_out[0] = (struct vs_field){
        .id = VS_ROW_ID_FIELD, .name = VS_STR("_row_id"), .kind = VS_KIND_LONG, .element_id = -1};
    fields_out[1] = (struct vs_field){.id = VS_ROW_SEQUENCE_FIELD,
                                      .name = VS_STR("_last_updated_sequence_number"),
                                      .kind = VS_KIND_LONG,
                                      .element_id = -1};
}

uint64_t vs_batch_target_bytes(const struct vs_table_metadata *metadata, uint64_t target_file_bytes)
{
    if (target_file_bytes != 0) {
        return target_file_bytes;
    }
    uint64_t bytes = 0;
    struct vs_str text = vs_table_property(metadata, "write.target-file-size-bytes");
    if (text.ptr != NULL && vs_parse_u64(text, &bytes, NULL) == VS_OK && bytes > 0) {
        return bytes;
    }
    return DEFAULT_TARGET;
}

static bool is_true(struct vs_str text)
{
    return vs_str_equal_nocase(text, VS_STR("true"));
}

// Where data files go: properties that would put them where no reader of ours may open them are
// refused.
static enum vs_status choose_folder(struct vs_batch_writer *writer, struct vs_error *err)
{
    static const char *const names[] = {"write.data.path", "write.object-storage.path",
                                        "write.folder-storage.path"};
    const struct vs_table_metadata *m = writer->metadata;
    struct vs_str location = m->location;
    writer->is_scattered = is_true(vs_table_property(m, "write.object-storage.enabled"));
    if (vs_table_property(m, "write.location-provider.impl").len > 0) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "table property write.location-provider.impl names a Java class that places "
                       "data files; it cannot be run, remove the property to write");
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct vs_str path = vs_table_property(m, names[i]);
        while (path.len > 0 && path.ptr[path.len - 1] == '/') {
            path.len--;
        }
        if (path.len == 0) {
            continue;
        }
        if (!vs_str_starts_with(path, location) || path.len <= location.len ||
            path.ptr[location.len] != '/') {
            return vs_fail(err, VS_UNSUPPORTED,
                           "table property %s puts data files at %.*s, outside of the table's "
                           "location %.*s; remove the property to write",
                           names[i], VS_STR_SHORT(path), VS_STR_SHORT(location));
        }
        writer->folder = path;
        return VS_OK;
    }
    writer->folder = vs_arena_printf(&writer->arena, "%.*s/data", VS_STR_ARG(location));
    return writer->folder.ptr != NULL
               ? VS_OK
               : vs_fail(err, VS_NO_MEMORY, "out of memory for a data file writer");
}

static enum vs_status choose_columns(struct vs_batch_writer *writer,
                                     bool row_lineage,
                                     struct vs_error *err)
{
    const struct vs_schema *schema = writer->schema;
    writer->columns = *schema;
    if (!row_lineage) {
        return VS_OK;
    }
    struct vs_field *fields =
        vs_arena_alloc_array(&writer->arena, schema->field_count + 2, sizeof *fields);
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a data file writer");
    }
    memcpy(fields, schema->fields, schema->field_count * sizeof *fields);
    vs_row_lineage_fields(fields + schema->field_count);
    writer->columns.fields = fields;
    writer->columns.field_count = schema->field_count + 2;
    return VS_OK;
}

static enum vs_status open_inner(struct vs_batch_writer *writer,
                                 bool row_lineage,
                                 struct vs_error *err)
{
    VS_TRY(choose_columns(writer, row_lineage, err));
    VS_TRY(choose_folder(writer, err));
    VS_TRY(vs_partition_split_init(&writer->split, writer->env, writer->metadata, err));
    return vs_batch_init(&writer->part, writer->env, writer->columns.fields,
                         writer->columns.field_count, err);
}

enum vs_status vs_batch_writer_open(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    const struct vs_batch_write_options *options,
                                    struct vs_batch_writer **writer_out,
                                    struct vs_error *err)
{
    struct vs_batch_writer *writer = vs_alloc_zeroed(env, 1, sizeof *writer);
    if (writer == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a data file writer");
    }
    writer->env = env;
    writer->store = store;
    writer->metadata = metadata;
    writer->schema = vs_table_current_schema(metadata);
    writer->target_bytes = vs_batch_target_bytes(metadata, options->target_file_bytes);
    writer->placed = options->placed;
    writer->placed_ctx = options->placed_ctx;
    writer->thread_count = options->thread_count;
    writer->uuid = vs_uuid_new_v4(env);
    vs_arena_init(&writer->arena, env, 0);
    enum vs_status status = open_inner(writer, options->row_lineage, err);
    if (status != VS_OK) {
        vs_batch_writer_free(writer, true);
        return status;
    }
    *writer_out = writer;
    return VS_OK;
}

// Twenty bits as folders "0110/1001/0011/10110010", which spread the load of an object store over
// its key ranges.
static void scatter_text(const struct vs_env *env, char text[32])
{
    uint64_t bits = vs_random_u64(env);
    size_t n = 0;
    for (int i = 0; i < 20; i++) {
        text[n++] = (char)('0' + (bits >> i & 1));
        if (i == 3 || i == 7 || i == 11 || i == 19) {
            text[n++] = '/';
        }
    }
    text[n] = 0;
}

// <data folder>/<partition>/00000-<uuid>.parquet as key and URI.
static enum vs_status name_file(struct vs_batch_writer *writer,
                                const struct vs_partition *partition,
                                struct open_file *file,
                                struct vs_error *err)
{
    char uuid[VS_UUID_TEXT_SIZE], scatter[32] = "";
    vs_uuid_format(writer->uuid, uuid);
    if (writer->is_scattered) {
        scatter_text(writer->env, scatter);
    }
    file->uri = vs_arena_printf(&writer->arena, "%.*s/%s%.*s%s%05zu-%s.parquet",
                                VS_STR_ARG(writer->folder), scatter, VS_STR_ARG(partition->path),
                                partition->path.len > 0 ? "/" : "", writer->name_count++, uuid);
    if (file->uri.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory naming a data file");
    }
    struct vs_buf key;
    vs_buf_init(&key, writer->env, KEY_LIMIT);
    enum vs_status status = vs_store_key(writer->store, file->uri, &key, err);
    if (status == VS_OK) {
        file->key = vs_arena_copy_str(&writer->arena, vs_buf_view(&key)).ptr;
        status = file->key != NULL ? VS_OK
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

static enum vs_status begin_file(struct vs_batch_writer *writer,
                                 size_t partition,
                                 struct open_file *file,
                                 struct vs_error *err)
{
    file->partition = partition;
    VS_TRY(name_file(writer, &writer->split.partitions[partition], file, err));
    VS_TRY(vs_writer_open(writer->store, file->key, &file->out, err));
    struct vs_parquet_write_options options = vs_parquet_write_defaults();
    options.thread_count = writer->thread_count;
    for (size_t i = 0; i < writer->metadata->schema_count; i++) {
        if (&writer->metadata->schemas[i] == writer->schema) {
            options.schema_json = writer->metadata->schema_json[i];
        }
    }
    return vs_parquet_writer_open(writer->env, file->out, &writer->columns, &options,
                                  &file->parquet, err);
}

static void close_file(struct open_file *file)
{
    vs_parquet_writer_free(file->parquet);
    vs_writer_free(file->out);
    *file = (struct open_file){0};
}

// No commit names the file yet: whether it is there or not, nothing depends on it.
static enum vs_status store_file(struct vs_batch_writer *writer,
                                 struct open_file *file,
                                 struct vs_error *err)
{
    struct vs_error inner = {0};
    // The name is ours alone: a plain put, which a store may send again when an answer is lost.
    enum vs_status status = vs_writer_finish(file->out, VS_PUT_ANY, &inner);
    if (status != VS_UNKNOWN) {
        return status == VS_OK ? VS_OK : vs_fail(err, status, "%s", inner.message);
    }
    vs_ignore(vs_store_remove(writer->store, file->key, NULL));
    return vs_fail(err, VS_UNAVAILABLE,
                   "data file %s may not be safely stored (%s); nothing was committed, try again",
                   file->key, inner.message);
}

// Bounds of columns that no schema has would only confuse readers.
static void drop_lineage_bounds(struct vs_data_file *file)
{
    struct vs_int_bytes *lists[2] = {file->lower_bounds, file->upper_bounds};
    size_t *counts[2] = {&file->lower_count, &file->upper_count};
    for (size_t l = 0; l < 2; l++) {
        size_t n = 0;
        for (size_t i = 0; i < *counts[l]; i++) {
            if (lists[l][i].key != VS_ROW_ID_FIELD && lists[l][i].key != VS_ROW_SEQUENCE_FIELD) {
                lists[l][n++] = lists[l][i];
            }
        }
        *counts[l] = n;
    }
}

static enum vs_status record_file(struct vs_batch_writer *writer,
                                  const struct open_file *open,
                                  const struct vs_parquet_info *info,
                                  struct vs_error *err)
{
    const struct vs_partition *partition = &writer->split.partitions[open->partition];
    const struct vs_partition_spec *spec = writer->split.spec;
    struct vs_data_file *file = &writer->files[writer->file_count];
    *file = (struct vs_data_file){.path = open->uri};
    writer->keys[writer->file_count] = open->key;
    writer->file_count++; // from here on free() removes it
    writer->finished_bytes += info->file_size;
    VS_TRY(vs_data_file_from_parquet(&writer->arena, VS_CONTENT_DATA, open->uri, info, file, err));
    drop_lineage_bounds(file);
    file->spec_id = spec->spec_id;
    file->has_partition = spec->field_count > 0;
    file->partition_count = spec->field_count;
    file->partition = partition->values;
    file->partition_key = partition->key;
    return VS_OK;
}

static enum vs_status end_file(struct vs_batch_writer *writer,
                               struct open_file *file,
                               struct vs_error *err)
{
    struct vs_parquet_info info = {0};
    VS_TRY(reserve_file(writer, err));
    VS_TRY(vs_parquet_writer_finish(file->parquet, &info, err));
    enum vs_status status = store_file(writer, file, err);
    if (status == VS_OK) {
        status = record_file(writer, file, &info, err);
    }
    vs_parquet_info_clear(&info);
    close_file(file);
    return status;
}

// The partition's open file, or a new one.
static enum vs_status open_for(struct vs_batch_writer *writer,
                               size_t partition,
                               struct open_file **file_out,
                               struct vs_error *err)
{
    struct open_file *place = &writer->open[0];
    for (size_t i = 0; i < MAX_OPEN; i++) {
        struct open_file *file = &writer->open[i];
        if (file->parquet != NULL && file->partition == partition) {
            *file_out = file;
            return VS_OK;
        }
        bool is_free = file->parquet == NULL;
        if (place->parquet != NULL && (is_free || file->used_at < place->used_at)) {
            place = file;
        }
    }
    if (place->parquet != NULL) {
        VS_TRY(end_file(writer, place, err));
    }
    enum vs_status status = begin_file(writer, partition, place, err);
    if (status != VS_OK) {
        close_file(place);
        return status;
    }
    *file_out = place;
    return VS_OK;
}

// rows: which of the caller's batch these are; NULL: all of them.
static enum vs_status write_part(struct vs_batch_writer *writer,
                                 size_t partition,
                                 const struct vs_batch *batch,
                                 const uint32_t *rows,
                                 struct vs_error *err)
{
    struct open_file *file;
    VS_TRY(open_for(writer, partition, &file, err));
    file->used_at = ++writer->clock;
    VS_TRY(vs_parquet_writer_write(file->parquet, batch, err));
    if (writer->placed != NULL) {
        VS_TRY(writer->placed(writer->placed_ctx, file->uri, rows, batch->row_count, err));
    }
    if (vs_parquet_writer_bytes(file->parquet) >= writer->target_bytes) {
        return end_file(writer, file, err);
    }
    return VS_OK;
}

static enum vs_status gather_part(struct vs_batch_writer *writer,
                                  const struct vs_partition *partition,
                                  const struct vs_batch *batch,
                                  struct vs_error *err)
{
    vs_batch_reset(&writer->part);
    for (size_t i = 0; i < writer->part.column_count; i++) {
        VS_TRY(vs_column_gather(&writer->part.columns[i], &batch->columns[i],
                                writer->split.rows + partition->first, partition->count, err));
    }
    writer->part.row_count = partition->count;
    return VS_OK;
}

enum vs_status vs_batch_writer_write(struct vs_batch_writer *writer,
                                     const struct vs_batch *batch,
                                     struct vs_error *err)
{
    struct vs_partition_split *split = &writer->split;
    if (batch->row_count == 0) {
        return VS_OK;
    }
    VS_TRY(vs_partition_split_batch(split, batch, err));
    if (split->touched_count == 1) {
        return write_part(writer, split->touched[0], batch, NULL, err);
    }
    for (size_t i = 0; i < split->touched_count; i++) {
        size_t index = split->touched[i];
        VS_TRY(gather_part(writer, &split->partitions[index], batch, err));
        VS_TRY(write_part(writer, index, &writer->part,
                          split->rows + split->partitions[index].first, err));
    }
    return VS_OK;
}

enum vs_status vs_batch_writer_finish(struct vs_batch_writer *writer,
                                      const struct vs_data_file **files_out,
                                      size_t *count_out,
                                      struct vs_error *err)
{
    for (size_t i = 0; i < MAX_OPEN; i++) {
        if (writer->open[i].parquet != NULL) {
            VS_TRY(end_file(writer, &writer->open[i], err));
        }
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
    for (size_t i = 0; i < MAX_OPEN; i++) {
        close_file(&writer->open[i]);
    }
    for (size_t i = 0; !keep && i < writer->file_count; i++) {
        vs_ignore(vs_store_remove(writer->store, writer->keys[i], NULL));
    }
    vs_batch_clear(&writer->part);
    vs_partition_split_clear(&writer->split);
    vs_free(writer->env, writer->files);
    vs_free(writer->env, writer->keys);
    vs_arena_clear(&writer->arena);
    vs_free(writer->env, writer);
}

uint64_t vs_batch_writer_bytes(const struct vs_batch_writer *writer)
{
    return writer->finished_bytes;
}
