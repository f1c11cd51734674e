// SPDX-License-Identifier: Apache-2.0
/*
 * One data file read as the table's columns: matching by field id, name mapping, partition
 * constants, default values, nulls.
 */
#include "vecstore/format/parquet_read.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/partition_key.h"
#include "vecstore/iceberg/scan.h"

#include <string.h>

#define ABSENT SIZE_MAX

struct scan_column {
    size_t file_column; // ABSENT: not in the file
    struct vs_value constant;
};

struct vs_file_scan {
    const struct vs_env *env;
    struct vs_arena arena;
    struct vs_file *file;
    struct vs_parquet_reader *reader;
    struct vs_parquet_scan *scan; // NULL when no asked column is in the file
    const struct vs_field *fields;
    size_t field_count;
    struct scan_column *columns;
    size_t present_count;
    struct vs_column *window; // columns lent by the caller's batch during a read
    uint64_t row_count;
    uint64_t position;
};

struct scan_opener {
    struct vs_file_scan *scan;
    const struct vs_table_metadata *metadata;
    const struct vs_data_file *data;
};

static enum vs_status no_memory(const struct vs_data_file *data, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to read %.*s", VS_STR_ARG(data->path));
}

// ---- matching ----

static bool file_has_ids(const struct vs_schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].id >= 0 ||
            (schema->fields[i].kind == VS_KIND_LIST && schema->fields[i].element_id >= 0)) {
            return true;
        }
    }
    return false;
}

// The column that an entry of the name mapping gives to field `id`.
static size_t mapped_column(const struct vs_json *mapping,
                            const struct vs_schema *schema,
                            int32_t id)
{
    struct vs_json_iter iter, names;
    const struct vs_json *entry, *name;
    vs_json_iter_init(&iter, mapping);
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        int64_t entry_id;
        if (!vs_json_to_i64(vs_json_get(entry, "field-id"), &entry_id) || entry_id != id) {
            continue;
        }
        vs_json_iter_init(&names, vs_json_get(entry, "names"));
        while (vs_json_iter_next(&names, NULL, &name)) {
            struct vs_str text;
            size_t index = vs_json_to_str(name, &text) ? vs_schema_find(schema, text) : SIZE_MAX;
            if (index != SIZE_MAX) {
                return index;
            }
        }
    }
    return ABSENT;
}

static enum vs_status parse_mapping(const struct scan_opener *o,
                                    struct vs_json_doc **doc_out,
                                    struct vs_error *err)
{
    struct vs_str text = vs_table_property(o->metadata, "schema.name-mapping.default");
    if (text.ptr == NULL) {
        return VS_OK;
    }
    struct vs_json_limits limits = {.max_depth = VS_JSON_MAX_DEPTH};
    struct vs_json_doc *doc = NULL;
    enum vs_status status = vs_json_parse(
        o->scan->env, text, "property schema.name-mapping.default", &limits, &doc, err);
    if (status == VS_INVALID ||
        (status == VS_OK && !vs_json_is(vs_json_root(doc), VS_JSON_ARRAY))) {
        vs_json_free(doc);
        return vs_fail(err, VS_CORRUPT,
                       "property schema.name-mapping.default is not a list of mapped fields");
    }
    if (status == VS_OK) {
        *doc_out = doc;
    }
    return status;
}

static enum vs_status match_columns(struct scan_opener *o,
                                    const struct vs_schema *schema,
                                    struct vs_error *err)
{
    struct vs_file_scan *s = o->scan;
    struct vs_json_doc *mapping = NULL;
    bool by_id = file_has_ids(schema);
    if (!by_id) {
        VS_TRY(parse_mapping(o, &mapping, err));
    }
    for (size_t i = 0; i < s->field_count; i++) {
        const struct vs_field *field = &s->fields[i];
        size_t index;
        if (by_id) {
            index = vs_schema_find_id(schema, field->id);
        } else if (mapping != NULL) {
            index = mapped_column(vs_json_root(mapping), schema, field->id);
        } else {
            index = vs_schema_find(schema, field->name);
        }
        s->columns[i].file_column = index;
        s->present_count += index != ABSENT;
    }
    vs_json_free(mapping);
    return VS_OK;
}

// ---- columns that the file does not have ----

// True when partition spec `spec_id` has an identity transform of the field; gives the id of the
// partition field.
static bool identity_source(const struct vs_json *specs,
                            int32_t spec_id,
                            int32_t field_id,
                            int32_t *partition_id_out)
{
    struct vs_json_iter iter, fields;
    const struct vs_json *spec, *field;
    int64_t number;
    vs_json_iter_init(&iter, specs);
    while (vs_json_iter_next(&iter, NULL, &spec)) {
        if (!vs_json_to_i64(vs_json_get(spec, "spec-id"), &number) || number != spec_id) {
            continue;
        }
        vs_json_iter_init(&fields, vs_json_get(spec, "fields"));
        while (vs_json_iter_next(&fields, NULL, &field)) {
            struct vs_str transform;
            int64_t id;
            if (vs_json_to_i64(vs_json_get(field, "source-id"), &number) && number == field_id &&
                vs_json_to_str(vs_json_get(field, "transform"), &transform) &&
                vs_str_equal_c(transform, "identity") &&
                vs_json_to_i64(vs_json_get(field, "field-id"), &id) && id >= 0 && id <= INT32_MAX) {
                *partition_id_out = (int32_t)id;
                return true;
            }
        }
    }
    return false;
}

static enum vs_status partition_constant(const struct scan_opener *o,
                                         const struct vs_field *field,
                                         struct vs_value *value,
                                         bool *found,
                                         struct vs_error *err)
{
    if (!o->data->has_partition) {
        return VS_OK;
    }
    struct vs_json_doc *doc = NULL;
    struct vs_json_limits limits = {.max_depth = VS_JSON_MAX_DEPTH};
    int32_t partition_id = -1;
    VS_TRY(vs_json_parse(o->scan->env, o->metadata->partition_specs_json, "partition-specs",
                         &limits, &doc, err));
    bool is_identity =
        identity_source(vs_json_root(doc), o->data->spec_id, field->id, &partition_id);
    vs_json_free(doc);
    if (!is_identity) {
        return VS_OK;
    }
    if (!vs_partition_key_value(o->data->partition_key, partition_id, field, value)) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "column '%.*s' of %.*s is stored as a partition value that cannot be read",
                       VS_STR_ARG(field->name), VS_STR_ARG(o->data->path));
    }
    *found = true;
    return VS_OK;
}

// Text of a JSON scalar, as the kind's parser reads it.
static enum vs_status scalar_text(const struct vs_json *json,
                                  struct vs_arena *arena,
                                  struct vs_str *out,
                                  struct vs_error *err)
{
    struct vs_str text;
    if (!vs_json_to_str(json, &text)) {
        return vs_json_raw(json, arena->env, arena, out, err);
    }
    *out = vs_arena_copy_str(arena, text);
    return out->ptr != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "no memory for a default value");
}

static enum vs_status find_default(const struct scan_opener *o,
                                   const struct vs_json *schema,
                                   const struct vs_field *field,
                                   struct vs_value *value,
                                   bool *found,
                                   struct vs_error *err)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    int64_t id;
    vs_json_iter_init(&iter, vs_json_get(schema, "fields"));
    while (vs_json_iter_next(&iter, NULL, &item)) {
        const struct vs_json *initial = vs_json_get(item, "initial-default");
        if (!vs_json_to_i64(vs_json_get(item, "id"), &id) || id != field->id || initial == NULL ||
            vs_json_is(initial, VS_JSON_NULL)) {
            continue;
        }
        struct vs_str text;
        if (field->kind == VS_KIND_LIST || field->kind == VS_KIND_BINARY) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "column '%.*s' has a default value of a type that cannot be read",
                           VS_STR_ARG(field->name));
        }
        VS_TRY(scalar_text(initial, &o->scan->arena, &text, err));
        VS_TRY(vs_value_parse(text, field, &o->scan->arena, value, err));
        *found = true;
        return VS_OK;
    }
    return VS_OK;
}

static enum vs_status default_constant(const struct scan_opener *o,
                                       const struct vs_field *field,
                                       struct vs_value *value,
                                       bool *found,
                                       struct vs_error *err)
{
    for (size_t i = 0; i < o->metadata->schema_count && !*found; i++) {
        if (o->metadata->schemas[i].schema_id != o->metadata->current_schema_id) {
            continue;
        }
        struct vs_json_doc *doc = NULL;
        struct vs_json_limits limits = {.max_depth = VS_JSON_MAX_DEPTH};
        VS_TRY(vs_json_parse(o->scan->env, o->metadata->schema_json[i], "table schema", &limits,
                             &doc, err));
        enum vs_status status = find_default(o, vs_json_root(doc), field, value, found, err);
        vs_json_free(doc);
        VS_TRY(status);
    }
    return VS_OK;
}

static enum vs_status fill_absent(const struct scan_opener *o, struct vs_error *err)
{
    struct vs_file_scan *s = o->scan;
    for (size_t i = 0; i < s->field_count; i++) {
        const struct vs_field *field = &s->fields[i];
        struct scan_column *column = &s->columns[i];
        bool found = false;
        if (column->file_column != ABSENT) {
            continue;
        }
        column->constant = (struct vs_value){.kind = field->kind, .is_null = true};
        VS_TRY(partition_constant(o, field, &column->constant, &found, err));
        if (!found) {
            VS_TRY(default_constant(o, field, &column->constant, &found, err));
        }
        if (column->constant.is_null && field->required) {
            return vs_fail(err, VS_CORRUPT,
                           "%.*s has no column for the required field '%.*s' (id %d)",
                           VS_STR_ARG(o->data->path), VS_STR_ARG(field->name), field->id);
        }
    }
    return VS_OK;
}

// ---- opening ----

static enum vs_status open_scan(struct vs_file_scan *s,
                                const struct vs_data_file *data,
                                struct vs_error *err)
{
    size_t *columns = vs_arena_alloc_array(&s->arena, s->present_count, sizeof *columns);
    struct vs_field *as = vs_arena_alloc_array(&s->arena, s->present_count, sizeof *as);
    s->window = vs_arena_alloc_array(&s->arena, s->present_count, sizeof *s->window);
    if (columns == NULL || as == NULL || s->window == NULL) {
        return no_memory(data, err);
    }
    size_t n = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->columns[i].file_column != ABSENT) {
            columns[n] = s->columns[i].file_column;
            as[n++] = s->fields[i];
        }
    }
    return n > 0 ? vs_parquet_scan_open(s->reader, columns, n, as, &s->scan, err) : VS_OK;
}

static enum vs_status check_fields(const struct vs_field *fields,
                                   size_t count,
                                   const struct vs_data_file *data,
                                   struct vs_error *err)
{
    if (!vs_str_equal_nocase(data->format, VS_STR("PARQUET"))) {
        return vs_fail(err, VS_UNSUPPORTED, "%.*s has format %.*s; only Parquet files can be read",
                       VS_STR_ARG(data->path), VS_STR_ARG(data->format));
    }
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind == VS_KIND_OTHER) {
            return vs_fail(err, VS_UNSUPPORTED, "column '%.*s' has type %.*s, which cannot be read",
                           VS_STR_ARG(fields[i].name), VS_STR_ARG(fields[i].other_type));
        }
    }
    return VS_OK;
}

static enum vs_status open_file(struct scan_opener *o, struct vs_store *store, struct vs_error *err)
{
    struct vs_buf key;
    vs_buf_init(&key, o->scan->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_path_key(o->metadata, store, o->data->path, &key, err);
    if (status == VS_OK) {
        const char *text = vs_buf_c_str(&key);
        status =
            text != NULL ? vs_file_open(store, text, &o->scan->file, err) : no_memory(o->data, err);
    }
    if (status == VS_NOT_FOUND) {
        status = vs_fail(err, VS_CORRUPT, "the file %.*s, which the table names, is missing",
                         VS_STR_ARG(o->data->path));
    }
    vs_buf_clear(&key);
    return status;
}

static enum vs_status open_inner(struct scan_opener *o,
                                 struct vs_store *store,
                                 struct vs_error *err)
{
    struct vs_file_scan *s = o->scan;
    VS_TRY(check_fields(s->fields, s->field_count, o->data, err));
    s->columns = vs_arena_alloc_array(&s->arena, s->field_count, sizeof *s->columns);
    if (s->columns == NULL) {
        return no_memory(o->data, err);
    }
    VS_TRY(open_file(o, store, err));
    VS_TRY(vs_parquet_open(s->env, s->file, &s->reader, err));
    s->row_count = vs_parquet_row_count(s->reader);
    if (s->row_count != (uint64_t)o->data->record_count) {
        return vs_fail(err, VS_CORRUPT, "%.*s has %llu rows, but the manifest says %lld",
                       VS_STR_ARG(o->data->path), (unsigned long long)s->row_count,
                       (long long)o->data->record_count);
    }
    VS_TRY(match_columns(o, vs_parquet_schema(s->reader), err));
    VS_TRY(fill_absent(o, err));
    return open_scan(s, o->data, err);
}

enum vs_status vs_file_scan_open(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 const struct vs_data_file *data,
                                 const struct vs_field *fields,
                                 size_t field_count,
                                 struct vs_file_scan **scan_out,
                                 struct vs_error *err)
{
    struct vs_file_scan *scan = vs_alloc_zeroed(env, 1, sizeof *scan);
    if (scan == NULL) {
        return no_memory(data, err);
    }
    scan->env = env;
    vs_arena_init(&scan->arena, env, 0);
    struct vs_field *copy = vs_arena_alloc_array(&scan->arena, field_count, sizeof *copy);
    enum vs_status status = VS_OK;
    if (copy == NULL) {
        status = no_memory(data, err);
    } else {
        if (field_count > 0) {
            memcpy(copy, fields, field_count * sizeof *copy);
        }
        scan->fields = copy;
        scan->field_count = field_count;
        struct scan_opener opener = {.scan = scan, .metadata = metadata, .data = data};
        status = open_inner(&opener, store, err);
    }
    if (status != VS_OK) {
        vs_file_scan_close(scan);
        return status;
    }
    *scan_out = scan;
    return VS_OK;
}

void vs_file_scan_close(struct vs_file_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    const struct vs_env *env = scan->env;
    vs_parquet_scan_close(scan->scan);
    vs_parquet_close(scan->reader);
    vs_file_close(scan->file);
    vs_arena_clear(&scan->arena);
    vs_free(env, scan);
}

// ---- reading ----

// Lends the batch's columns to the Parquet scan, in the scan's order, and takes them back.
static enum vs_status read_present(struct vs_file_scan *s,
                                   size_t max_rows,
                                   struct vs_batch *batch,
                                   size_t *rows_out,
                                   struct vs_error *err)
{
    struct vs_batch window = {
        .row_count = batch->row_count, .column_count = s->present_count, .columns = s->window};
    size_t n = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->columns[i].file_column != ABSENT) {
            s->window[n++] = batch->columns[i];
        }
    }
    enum vs_status status = vs_parquet_scan_next(s->scan, max_rows, &window, err);
    n = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->columns[i].file_column != ABSENT) {
            batch->columns[i] = s->window[n++];
        }
    }
    *rows_out = window.row_count - batch->row_count;
    return status;
}

static enum vs_status append_constants(struct vs_file_scan *s,
                                       size_t rows,
                                       struct vs_batch *batch,
                                       struct vs_error *err)
{
    for (size_t i = 0; i < s->field_count; i++) {
        const struct scan_column *column = &s->columns[i];
        for (size_t row = 0; row < rows && column->file_column == ABSENT; row++) {
            if (column->constant.is_null) {
                VS_TRY(vs_column_append_null(&batch->columns[i], err));
            } else {
                VS_TRY(vs_column_append(&batch->columns[i], &column->constant, err));
            }
        }
    }
    return VS_OK;
}

enum vs_status vs_file_scan_next(struct vs_file_scan *scan,
                                 size_t max_rows,
                                 struct vs_batch *batch,
                                 uint64_t *first_position_out,
                                 struct vs_error *err)
{
    uint64_t left = scan->row_count - scan->position;
    size_t rows = left < max_rows ? (size_t)left : max_rows;
    if (batch->column_count != scan->field_count) {
        return vs_fail(err, VS_INTERNAL, "a batch of %zu columns for a scan of %zu",
                       batch->column_count, scan->field_count);
    }
    if (scan->scan != NULL && rows > 0) {
        VS_TRY(read_present(scan, rows, batch, &rows, err));
        if (rows == 0) {
            return vs_fail(err, VS_CORRUPT, "%s ends before row %llu of %llu", scan->file->name,
                           (unsigned long long)scan->position, (unsigned long long)scan->row_count);
        }
    }
    VS_TRY(append_constants(scan, rows, batch, err));
    batch->row_count += rows;
    *first_position_out = scan->position;
    scan->position += rows;
    return VS_OK;
}

enum vs_status vs_file_scan_seek(struct vs_file_scan *scan, uint64_t position, struct vs_error *err)
{
    if (position > scan->row_count) {
        return vs_fail(err, VS_INVALID, "position %llu lies behind the %llu rows of %s",
                       (unsigned long long)position, (unsigned long long)scan->row_count,
                       scan->file->name);
    }
    if (scan->scan != NULL && position < scan->row_count) {
        VS_TRY(vs_parquet_scan_seek(scan->scan, position, err));
    }
    scan->position = position;
    return VS_OK;
}
