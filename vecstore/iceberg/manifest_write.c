// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests of unpartitioned version 2 tables, entries and header as Java writes them
 * (iceberg.md 1.5-1.7).
 */
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/manifest_schema.h"

#include <stdio.h>

// ---- facts of a Parquet file ----

static enum vs_status copy_bytes(struct vs_arena *arena,
                                 const struct vs_buf *bytes,
                                 struct vs_str *out)
{
    *out = vs_arena_copy_str(arena, vs_buf_view(bytes));
    return out->ptr != NULL ? VS_OK : VS_NO_MEMORY;
}

static enum vs_status add_column(struct vs_arena *arena,
                                 const struct vs_parquet_column_stats *column,
                                 struct vs_data_file *file)
{
    int32_t id = column->field_id;
    file->column_sizes[file->column_size_count++] =
        (struct vs_int_long){id, (int64_t)column->column_size};
    if (column->has_counts) {
        file->value_counts[file->value_count_count++] =
            (struct vs_int_long){id, (int64_t)column->value_count};
        file->null_counts[file->null_count_count++] =
            (struct vs_int_long){id, (int64_t)column->null_count};
    }
    if (column->has_counts && column->has_nan_count) {
        file->nan_counts[file->nan_count_count++] =
            (struct vs_int_long){id, (int64_t)column->nan_count};
    }
    if (column->has_bounds) {
        // An upper bound that could not be cut upwards is absent on its own.
        struct vs_int_bytes *lower = &file->lower_bounds[file->lower_count];
        struct vs_int_bytes *upper = &file->upper_bounds[file->upper_count];
        lower->key = upper->key = id;
        VS_TRY(copy_bytes(arena, &column->lower, &lower->value));
        VS_TRY(copy_bytes(arena, &column->upper, &upper->value));
        file->lower_count++;
        file->upper_count++;
    }
    return VS_OK;
}

static enum vs_status fill_from_parquet(struct vs_arena *arena,
                                        const struct vs_parquet_info *info,
                                        struct vs_data_file *file)
{
    size_t n = info->column_count;
    file->column_sizes = vs_arena_alloc_array(arena, n, sizeof *file->column_sizes);
    file->value_counts = vs_arena_alloc_array(arena, n, sizeof *file->value_counts);
    file->null_counts = vs_arena_alloc_array(arena, n, sizeof *file->null_counts);
    file->nan_counts = vs_arena_alloc_array(arena, n, sizeof *file->nan_counts);
    file->lower_bounds = vs_arena_alloc_array(arena, n, sizeof *file->lower_bounds);
    file->upper_bounds = vs_arena_alloc_array(arena, n, sizeof *file->upper_bounds);
    file->split_offsets =
        vs_arena_alloc_array(arena, info->split_count, sizeof *file->split_offsets);
    if (file->column_sizes == NULL || file->value_counts == NULL || file->null_counts == NULL ||
        file->nan_counts == NULL || file->lower_bounds == NULL || file->upper_bounds == NULL ||
        file->split_offsets == NULL) {
        return VS_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        VS_TRY(add_column(arena, &info->columns[i], file));
    }
    for (size_t i = 0; i < info->split_count; i++) {
        file->split_offsets[file->split_count++] = info->split_offsets[i];
    }
    return VS_OK;
}

enum vs_status vs_data_file_from_parquet(struct vs_arena *arena,
                                         enum vs_file_content content,
                                         struct vs_str uri,
                                         const struct vs_parquet_info *info,
                                         struct vs_data_file *file_out,
                                         struct vs_error *err)
{
    struct vs_data_file file = {.content = content,
                                .format = VS_STR("PARQUET"),
                                .record_count = (int64_t)info->row_count,
                                .file_size = (int64_t)info->file_size,
                                .sort_order_id = content == VS_CONTENT_DATA ? 0 : -1,
                                .content_offset = -1,
                                .content_size = -1,
                                .status = VS_ENTRY_ADDED,
                                .snapshot_id = VS_NO_SNAPSHOT};
    file.path = vs_arena_copy_str(arena, uri);
    if (file.path.ptr == NULL || fill_from_parquet(arena, info, &file) != VS_OK) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for the manifest entry of %.*s",
                       VS_STR_ARG(uri));
    }
    *file_out = file;
    return VS_OK;
}

// ---- one entry ----

static enum vs_status put_optional_long(struct vs_buf *out,
                                        bool present,
                                        int64_t value,
                                        struct vs_error *err)
{
    VS_TRY(vs_avro_put_long(out, present, err));
    return present ? vs_avro_put_long(out, value, err) : VS_OK;
}

// Head of an optional array; false in *more when there is nothing to follow.
static enum vs_status put_array_head(struct vs_buf *out, size_t count, struct vs_error *err)
{
    VS_TRY(vs_avro_put_long(out, count > 0, err));
    return count > 0 ? vs_avro_put_long(out, (int64_t)count, err) : VS_OK;
}

static enum vs_status put_array_end(struct vs_buf *out, size_t count, struct vs_error *err)
{
    return count > 0 ? vs_avro_put_long(out, 0, err) : VS_OK;
}

static enum vs_status put_counts(struct vs_buf *out,
                                 const struct vs_int_long *items,
                                 size_t count,
                                 struct vs_error *err)
{
    VS_TRY(put_array_head(out, count, err));
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_avro_put_long(out, items[i].key, err));
        VS_TRY(vs_avro_put_long(out, items[i].value, err));
    }
    return put_array_end(out, count, err);
}

static enum vs_status put_bounds(struct vs_buf *out,
                                 const struct vs_int_bytes *items,
                                 size_t count,
                                 struct vs_error *err)
{
    VS_TRY(put_array_head(out, count, err));
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_avro_put_long(out, items[i].key, err));
        VS_TRY(vs_avro_put_bytes(out, items[i].value, err));
    }
    return put_array_end(out, count, err);
}

static enum vs_status put_tail(struct vs_buf *out,
                               const struct vs_data_file *f,
                               struct vs_error *err)
{
    VS_TRY(vs_avro_put_long(out, 0, err)); // key_metadata
    VS_TRY(put_array_head(out, f->split_count, err));
    for (size_t i = 0; i < f->split_count; i++) {
        VS_TRY(vs_avro_put_long(out, f->split_offsets[i], err));
    }
    VS_TRY(put_array_end(out, f->split_count, err));
    VS_TRY(put_array_head(out, f->equality_count, err));
    for (size_t i = 0; i < f->equality_count; i++) {
        VS_TRY(vs_avro_put_long(out, f->equality_ids[i], err));
    }
    VS_TRY(put_array_end(out, f->equality_count, err));
    VS_TRY(put_optional_long(out, f->sort_order_id >= 0, f->sort_order_id, err));
    VS_TRY(vs_avro_put_long(out, f->referenced_data_file.ptr != NULL, err));
    return f->referenced_data_file.ptr != NULL
               ? vs_avro_put_bytes(out, f->referenced_data_file, err)
               : VS_OK;
}

static enum vs_status put_file(struct vs_buf *out,
                               const struct vs_data_file *f,
                               struct vs_error *err)
{
    VS_TRY(vs_avro_put_long(out, f->content, err));
    VS_TRY(vs_avro_put_bytes(out, f->path, err));
    VS_TRY(vs_avro_put_bytes(out, f->format, err));
    // partition: an empty record takes no bytes
    VS_TRY(vs_avro_put_long(out, f->record_count, err));
    VS_TRY(vs_avro_put_long(out, f->file_size, err));
    VS_TRY(put_counts(out, f->column_sizes, f->column_size_count, err));
    VS_TRY(put_counts(out, f->value_counts, f->value_count_count, err));
    VS_TRY(put_counts(out, f->null_counts, f->null_count_count, err));
    VS_TRY(put_counts(out, f->nan_counts, f->nan_count_count, err));
    VS_TRY(put_bounds(out, f->lower_bounds, f->lower_count, err));
    VS_TRY(put_bounds(out, f->upper_bounds, f->upper_count, err));
    return put_tail(out, f, err);
}

static enum vs_status put_entry(struct vs_buf *out,
                                const struct vs_manifest_write *spec,
                                const struct vs_data_file *f,
                                struct vs_error *err)
{
    // Added entries inherit their sequence numbers from the manifest list, so that a manifest
    // survives retries.
    bool is_explicit = f->status != VS_ENTRY_ADDED;
    VS_TRY(vs_avro_put_long(out, f->status, err));
    VS_TRY(put_optional_long(out, true, is_explicit ? f->snapshot_id : spec->snapshot_id, err));
    VS_TRY(put_optional_long(out, is_explicit, f->sequence_number, err));
    VS_TRY(put_optional_long(out, is_explicit, f->file_sequence_number, err));
    return put_file(out, f, err);
}

// ---- the file ----

static enum vs_status check_files(const struct vs_manifest_write *spec, struct vs_error *err)
{
    if (spec->metadata->is_partitioned) {
        return vs_fail(
            err, VS_UNSUPPORTED,
            "the table is partitioned; manifests are written for unpartitioned tables only");
    }
    for (size_t i = 0; i < spec->file_count; i++) {
        const struct vs_data_file *f = &spec->files[i];
        if ((f->content != VS_CONTENT_DATA) != spec->is_deletes) {
            return vs_fail(err, VS_INVALID, "%.*s: data and delete files cannot share a manifest",
                           VS_STR_ARG(f->path));
        }
        if (f->content_offset >= 0 || f->has_partition) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "%.*s: deletion vectors and partitioned files cannot be written",
                           VS_STR_ARG(f->path));
        }
    }
    return VS_OK;
}

static enum vs_status write_entries(struct vs_avro_writer *writer,
                                    const struct vs_manifest_write *spec,
                                    struct vs_error *err)
{
    for (size_t i = 0; i < spec->file_count; i++) {
        VS_TRY(put_entry(&writer->block, spec, &spec->files[i], err));
        VS_TRY(vs_avro_writer_end_record(writer, err));
    }
    return vs_avro_writer_finish(writer, err);
}

static struct vs_str current_schema_json(const struct vs_table_metadata *m)
{
    for (size_t i = 0; i < m->schema_count; i++) {
        if (m->schemas[i].schema_id == m->current_schema_id) {
            return m->schema_json[i];
        }
    }
    return VS_STR("{}");
}

static struct vs_str number_text(char *text, size_t size, int64_t value)
{
    int len = snprintf(text, size, "%lld", (long long)value);
    return (struct vs_str){text, len > 0 ? (size_t)len : 0};
}

enum vs_status vs_manifest_write_bytes(const struct vs_env *env,
                                       const struct vs_manifest_write *spec,
                                       struct vs_buf *out,
                                       struct vs_error *err)
{
    VS_TRY(check_files(spec, err));
    const struct vs_table_metadata *m = spec->metadata;
    char schema_id[24], spec_id[24];
    struct vs_buf avro, iceberg;
    struct vs_avro_writer writer = {0};
    vs_buf_init(&avro, env, VS_METADATA_MAX_BYTES);
    vs_buf_init(&iceberg, env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_manifest_schema_format(VS_MANIFEST_ENTRY_AVRO, &avro, err);
    if (status == VS_OK) {
        status = vs_manifest_schema_format(VS_MANIFEST_ENTRY_ICEBERG, &iceberg, err);
    }
    if (status == VS_OK) {
        const struct vs_avro_header header[] = {
            {"schema", current_schema_json(m)},
            {"schema-id", number_text(schema_id, sizeof schema_id, m->current_schema_id)},
            {"partition-spec", VS_STR("[]")},
            {"partition-spec-id", number_text(spec_id, sizeof spec_id, m->default_spec_id)},
            {"format-version", VS_STR("2")},
            {"content", spec->is_deletes ? VS_STR("deletes") : VS_STR("data")},
            {"iceberg.schema", vs_buf_view(&iceberg)},
        };
        status = vs_avro_writer_init(&writer, out, vs_buf_view(&avro), header,
                                     sizeof header / sizeof header[0], err);
    }
    if (status == VS_OK) {
        status = write_entries(&writer, spec, err);
    }
    vs_avro_writer_clear(&writer);
    vs_buf_clear(&iceberg);
    vs_buf_clear(&avro);
    return status;
}
