// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests of format versions 2 and 3, entries and header as Java writes them (iceberg.md
 * 1.5-1.7).
 */
#include "vecstore/base/bytes.h"
#include "vecstore/base/json.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/manifest_schema.h"
#include "vecstore/iceberg/metadata_text.h"
#include "vecstore/iceberg/partition_values.h"
#include "vecstore/iceberg/transform.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
                                .first_row_id = -1,
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

// Head of an optional array; null when it is empty.
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

static enum vs_status put_partition_value(struct vs_buf *out,
                                          const struct vs_field *field,
                                          const struct vs_value *value,
                                          struct vs_error *err)
{
    uint8_t bytes[16];
    VS_TRY(vs_avro_put_long(out, !value->is_null, err));
    if (value->is_null) {
        return VS_OK;
    }
    switch (field->kind) {
    case VS_KIND_BOOLEAN:
        return vs_buf_append_byte(out, value->as.boolean, err);
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_DATE:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        return vs_avro_put_long(out, value->as.integer, err);
    case VS_KIND_FLOAT:
        vs_store_f32le(bytes, (float)value->as.real);
        return vs_buf_append(out, bytes, 4, err);
    case VS_KIND_DOUBLE:
        vs_store_f64le(bytes, value->as.real);
        return vs_buf_append(out, bytes, 8, err);
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
        return vs_avro_put_bytes(out, value->as.text, err);
    case VS_KIND_UUID:
    case VS_KIND_FIXED:
        return vs_buf_append_str(out, value->as.text, err);
    case VS_KIND_DECIMAL: {
        size_t size = vs_manifest_decimal_bytes(field->precision);
        vs_decimal_store_be(value->as.decimal, bytes, size);
        return vs_buf_append(out, bytes, size, err);
    }
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return vs_fail(err, VS_INTERNAL, "a partition value cannot be a %s", vs_kind_name(field->kind));
}

static enum vs_status put_partition(struct vs_buf *out,
                                    const struct vs_manifest_shape *shape,
                                    const struct vs_data_file *f,
                                    struct vs_error *err)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        VS_TRY(put_partition_value(out, &shape->fields[i], &f->partition[i], err));
    }
    return VS_OK;
}

static enum vs_status put_tail(struct vs_buf *out,
                               const struct vs_manifest_shape *shape,
                               const struct vs_data_file *f,
                               struct vs_error *err)
{
    bool v3 = shape->format_version >= 3;
    // New files take their row ids from the manifest list.
    bool has_rows =
        f->content == VS_CONTENT_DATA && f->status != VS_ENTRY_ADDED && f->first_row_id >= 0;
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
    if (v3) {
        VS_TRY(put_optional_long(out, has_rows, f->first_row_id, err));
    }
    VS_TRY(vs_avro_put_long(out, f->referenced_data_file.ptr != NULL, err));
    if (f->referenced_data_file.ptr != NULL) {
        VS_TRY(vs_avro_put_bytes(out, f->referenced_data_file, err));
    }
    if (v3) {
        VS_TRY(put_optional_long(out, f->content_offset >= 0, f->content_offset, err));
        VS_TRY(put_optional_long(out, f->content_size >= 0, f->content_size, err));
    }
    return VS_OK;
}

static enum vs_status put_file(struct vs_buf *out,
                               const struct vs_manifest_shape *shape,
                               const struct vs_data_file *f,
                               struct vs_error *err)
{
    VS_TRY(vs_avro_put_long(out, f->content, err));
    VS_TRY(vs_avro_put_bytes(out, f->path, err));
    VS_TRY(vs_avro_put_bytes(out, f->format, err));
    VS_TRY(put_partition(out, shape, f, err));
    VS_TRY(vs_avro_put_long(out, f->record_count, err));
    VS_TRY(vs_avro_put_long(out, f->file_size, err));
    VS_TRY(put_counts(out, f->column_sizes, f->column_size_count, err));
    VS_TRY(put_counts(out, f->value_counts, f->value_count_count, err));
    VS_TRY(put_counts(out, f->null_counts, f->null_count_count, err));
    VS_TRY(put_counts(out, f->nan_counts, f->nan_count_count, err));
    VS_TRY(put_bounds(out, f->lower_bounds, f->lower_count, err));
    VS_TRY(put_bounds(out, f->upper_bounds, f->upper_count, err));
    return put_tail(out, shape, f, err);
}

static enum vs_status put_entry(struct vs_buf *out,
                                const struct vs_manifest_write *spec,
                                const struct vs_manifest_shape *shape,
                                const struct vs_data_file *f,
                                struct vs_error *err)
{
    // Added entries inherit their sequence numbers from the manifest list, so that a manifest
    // survives retries.
    bool is_explicit = f->status != VS_ENTRY_ADDED;
    VS_TRY(vs_avro_put_long(out, f->status, err));
    VS_TRY(put_optional_long(out, true, is_explicit ? f->snapshot_id : spec->snapshot_id, err));
    bool has_number = is_explicit || spec->data_sequence_number > 0;
    int64_t number = is_explicit ? f->sequence_number : spec->data_sequence_number;
    VS_TRY(put_optional_long(out, has_number, number, err));
    VS_TRY(put_optional_long(out, is_explicit, f->file_sequence_number, err));
    return put_file(out, shape, f, err);
}

// ---- the file ----

// What the entries look like: format version and partition tuple.
static enum vs_status make_shape(const struct vs_manifest_write *w,
                                 struct vs_arena *arena,
                                 struct vs_manifest_shape *shape,
                                 struct vs_error *err)
{
    const struct vs_table_metadata *m = w->metadata;
    const struct vs_partition_spec *spec = vs_table_spec(m, w->spec_id);
    shape->format_version = m->format_version >= 3 ? 3 : 2;
    if (spec == NULL) {
        return vs_fail(err, VS_INVALID, "the table has no partition spec %d", w->spec_id);
    }
    struct vs_field *fields;
    VS_TRY(vs_partition_fields(m, spec, arena, &fields, err));
    for (size_t i = 0; i < spec->field_count; i++) {
        if (fields[i].kind == VS_KIND_OTHER || fields[i].kind == VS_KIND_LIST) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "partition field %.*s has transform %.*s, which cannot be written with; "
                           "write with the engine that made it or change the partition spec",
                           VS_STR_SHORT(fields[i].name), VS_STR_SHORT(spec->fields[i].transform));
        }
    }
    shape->fields = fields;
    shape->field_count = spec->field_count;
    return VS_OK;
}

static bool fits(const struct vs_value *value, const struct vs_field *field)
{
    if (value->is_null) {
        return true;
    }
    size_t size = field->kind == VS_KIND_UUID    ? 16
                  : field->kind == VS_KIND_FIXED ? field->fixed_length
                                                 : SIZE_MAX;
    return value->kind == field->kind && (size == SIZE_MAX || value->as.text.len == size);
}

static enum vs_status check_file(const struct vs_manifest_write *spec,
                                 const struct vs_manifest_shape *shape,
                                 const struct vs_data_file *f,
                                 struct vs_error *err)
{
    if ((f->content != VS_CONTENT_DATA) != spec->is_deletes) {
        return vs_fail(err, VS_INVALID, "%.*s: data and delete files cannot share a manifest",
                       VS_STR_ARG(f->path));
    }
    if (f->content_offset >= 0 && shape->format_version < 3) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%.*s: deletion vectors need a table of format version 3",
                       VS_STR_ARG(f->path));
    }
    bool good = f->partition_count == shape->field_count &&
                (!f->has_partition || f->spec_id == spec->spec_id);
    for (size_t i = 0; good && i < shape->field_count; i++) {
        good = fits(&f->partition[i], &shape->fields[i]);
    }
    return good
               ? VS_OK
               : vs_fail(err, VS_INVALID, "%.*s: its partition values do not fit partition spec %d",
                         VS_STR_ARG(f->path), spec->spec_id);
}

static enum vs_status write_entries(struct vs_avro_writer *writer,
                                    const struct vs_manifest_write *spec,
                                    const struct vs_manifest_shape *shape,
                                    struct vs_error *err)
{
    for (size_t i = 0; i < spec->file_count; i++) {
        VS_TRY(check_file(spec, shape, &spec->files[i], err));
        VS_TRY(put_entry(&writer->block, spec, shape, &spec->files[i], err));
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

// The bare array of fields (iceberg.md 1.5).
static enum vs_status format_spec(const struct vs_manifest_write *write,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    const struct vs_partition_spec *spec = vs_table_spec(write->metadata, write->spec_id);
    struct vs_json_writer w;
    vs_json_writer_init(&w, out, false);
    vs_metadata_write_spec_fields(&w, spec);
    return vs_json_writer_finish(&w, err);
}

struct header_texts {
    struct vs_buf avro, iceberg, spec;
};

static enum vs_status begin_manifest(struct vs_avro_writer *writer,
                                     const struct vs_manifest_write *spec,
                                     const struct vs_manifest_shape *shape,
                                     struct header_texts *texts,
                                     struct vs_buf *out,
                                     struct vs_error *err)
{
    const struct vs_table_metadata *m = spec->metadata;
    char schema_id[VS_MANIFEST_NUMBER_SIZE], spec_id[VS_MANIFEST_NUMBER_SIZE];
    VS_TRY(vs_manifest_schema_format(VS_MANIFEST_ENTRY_AVRO, shape, &texts->avro, err));
    VS_TRY(vs_manifest_schema_format(VS_MANIFEST_ENTRY_ICEBERG, shape, &texts->iceberg, err));
    VS_TRY(format_spec(spec, &texts->spec, err));
    const struct vs_avro_header header[] = {
        {"schema", current_schema_json(m)},
        {"schema-id", vs_manifest_number(schema_id, m->current_schema_id)},
        {"partition-spec", vs_buf_view(&texts->spec)},
        {"partition-spec-id", vs_manifest_number(spec_id, spec->spec_id)},
        {"format-version", shape->format_version >= 3 ? VS_STR("3") : VS_STR("2")},
        {"content", spec->is_deletes ? VS_STR("deletes") : VS_STR("data")},
        {"iceberg.schema", vs_buf_view(&texts->iceberg)},
    };
    return vs_avro_writer_init(writer, out, vs_buf_view(&texts->avro), header,
                               sizeof header / sizeof header[0], err);
}

enum vs_status vs_manifest_write_bytes(const struct vs_env *env,
                                       const struct vs_manifest_write *spec,
                                       struct vs_buf *out,
                                       struct vs_error *err)
{
    struct vs_arena arena;
    struct header_texts texts;
    struct vs_avro_writer writer = {0};
    struct vs_manifest_shape shape = {0};
    vs_arena_init(&arena, env, 0);
    vs_buf_init(&texts.avro, env, VS_METADATA_MAX_BYTES);
    vs_buf_init(&texts.iceberg, env, VS_METADATA_MAX_BYTES);
    vs_buf_init(&texts.spec, env, VS_METADATA_MAX_BYTES);
    enum vs_status status = make_shape(spec, &arena, &shape, err);
    if (status == VS_OK) {
        status = begin_manifest(&writer, spec, &shape, &texts, out, err);
    }
    if (status == VS_OK) {
        status = write_entries(&writer, spec, &shape, err);
    }
    vs_avro_writer_clear(&writer);
    vs_buf_clear(&texts.spec);
    vs_buf_clear(&texts.iceberg);
    vs_buf_clear(&texts.avro);
    vs_arena_clear(&arena);
    return status;
}

// ---- partition summaries ----

// Lowest and highest value of one partition field, and what else there is.
static struct vs_value_range summarize_field(const struct vs_manifest_write *w, size_t field)
{
    struct vs_value_range total = {0};
    for (size_t i = 0; i < w->file_count; i++) {
        struct vs_value_range r = vs_partition_value_range(&w->files[i].partition[field]);
        total.may_be_null = total.may_be_null || r.may_be_null;
        total.may_be_nan = total.may_be_nan || r.may_be_nan;
        if (r.may_be_value &&
            (!total.may_be_value || vs_value_compare(&r.lower, &total.lower) < 0)) {
            total.lower = r.lower;
        }
        if (r.may_be_value &&
            (!total.may_be_value || vs_value_compare(&r.upper, &total.upper) > 0)) {
            total.upper = r.upper;
        }
        total.may_be_value = total.may_be_value || r.may_be_value;
    }
    return total;
}

enum vs_status vs_manifest_summarize(const struct vs_manifest_write *spec,
                                     struct vs_arena *arena,
                                     struct vs_manifest_file *manifest,
                                     struct vs_error *err)
{
    struct vs_manifest_shape shape = {0};
    VS_TRY(make_shape(spec, arena, &shape, err));
    for (size_t i = 0; i < spec->file_count; i++) {
        VS_TRY(check_file(spec, &shape, &spec->files[i], err));
    }
    struct vs_partition_summary *out = vs_arena_alloc_array(arena, shape.field_count, sizeof *out);
    bool encoded = out != NULL;
    for (size_t i = 0; encoded && i < shape.field_count; i++) {
        struct vs_value_range r = summarize_field(spec, i);
        out[i] = (struct vs_partition_summary){.contains_null = r.may_be_null,
                                               .contains_nan = r.may_be_nan};
        encoded = !r.may_be_value ||
                  (vs_bound_encode(&r.lower, &shape.fields[i], arena, &out[i].lower_bound) &&
                   vs_bound_encode(&r.upper, &shape.fields[i], arena, &out[i].upper_bound));
    }
    if (!encoded) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for partition summaries");
    }
    manifest->partitions = out;
    manifest->partition_count = shape.field_count;
    return VS_OK;
}
