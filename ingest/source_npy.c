// SPDX-License-Identifier: Apache-2.0
#include "ingest/npy_header.h"
#include "ingest/source_internal.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"

#include <inttypes.h>
#include <math.h>

struct npy_source {
    struct vs_source base;
    struct vs_source_file file;
    struct vs_arena arena;
    struct vs_npy_header header;
    uint64_t data_at;
    struct vs_source *metadata;       // NULL: none
    struct vs_schema metadata_schema; // what is asked of it
    struct vs_batch metadata_batch;
    size_t *metadata_positions; // where its columns stand in the schema
    size_t vector_position;
    size_t number_position; // SIZE_MAX: no column of row numbers
    struct vs_buf raw;
};

static void npy_close(struct vs_source *base)
{
    struct npy_source *source = (struct npy_source *)base;
    const struct vs_env *env = base->env;
    vs_batch_clear(&source->metadata_batch);
    vs_source_close(source->metadata);
    vs_source_file_close(&source->file);
    vs_buf_clear(&source->raw);
    vs_arena_clear(&source->arena);
    vs_free(env, source);
}

static enum vs_status no_memory(const struct npy_source *source, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", source->base.name);
}

static enum vs_status read_header(struct npy_source *source, struct vs_error *err)
{
    struct vs_file *file = source->file.file;
    const char *what = source->base.name;
    char head[VS_NPY_HEAD_SIZE];
    size_t head_len = file->size < sizeof head ? (size_t)file->size : sizeof head;
    size_t at, len;
    VS_TRY(vs_file_read(file, 0, head_len, head, err));
    VS_TRY(vs_npy_prefix_parse((struct vs_str){head, head_len}, what, &at, &len, err));
    if (!vs_range_fits(at, len, file->size)) {
        return vs_fail(err, VS_CORRUPT, "%s: the .npy header is cut short", what);
    }
    vs_buf_reset(&source->raw);
    VS_TRY(vs_buf_append_zeros(&source->raw, len, err));
    VS_TRY(vs_file_read(file, at, len, source->raw.data, err));
    VS_TRY(vs_npy_header_parse(vs_buf_view(&source->raw), what, &source->header, err));
    source->data_at = at + len;
    uint64_t values, bytes, end;
    if (!vs_mul_u64(source->header.rows, source->header.columns, &values) ||
        !vs_mul_u64(values, source->header.width, &bytes) ||
        !vs_add_u64(source->data_at, bytes, &end)) {
        return vs_fail(err, VS_CORRUPT, "%s: the shape in the .npy header is impossible", what);
    }
    if (end != file->size) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: %s: %" PRIu64 " rows of %" PRIu64 " values need %" PRIu64
                       " bytes, the file has %" PRIu64,
                       what, end > file->size ? "the file is cut short" : "bytes follow the array",
                       source->header.rows, source->header.columns, end, file->size);
    }
    return VS_OK;
}

// Rows whose vectors fill a batch.
static size_t fitting_rows(const struct npy_source *source)
{
    size_t fit = VS_SOURCE_BATCH_BYTES / ((size_t)source->header.columns * sizeof(float));
    fit = fit > 0 ? fit : 1;
    return fit < source->base.max_rows ? fit : source->base.max_rows;
}

// ---- schema ----

static struct vs_field vector_field(struct vs_str name)
{
    return (struct vs_field){.id = -1,
                             .name = name,
                             .kind = VS_KIND_LIST,
                             .element_kind = VS_KIND_FLOAT,
                             .element_id = -1};
}

// With the table's schema: the metadata has to fill all of it but the vectors.
static enum vs_status plan_table(struct npy_source *source,
                                 const struct vs_source_options *options,
                                 struct vs_error *err)
{
    struct vs_str name = vs_source_vector_name(options);
    struct vs_schema *schema = &source->base.schema;
    VS_TRY(vs_schema_clone(options->schema, &source->arena, schema, err));
    source->vector_position = vs_schema_find(schema, name);
    const struct vs_field *field =
        source->vector_position == SIZE_MAX ? NULL : &schema->fields[source->vector_position];
    if (field == NULL || field->kind != VS_KIND_LIST || field->element_kind != VS_KIND_FLOAT) {
        return vs_fail(err, VS_INVALID,
                       "%s: the table has no list<float> column '%.*s' for the vectors; name it "
                       "with --vector-column",
                       source->base.name, VS_STR_ARG(name));
    }
    if (options->metadata == NULL && options->row_number_column.len > 0) {
        source->number_position = vs_schema_find(schema, options->row_number_column);
        if (source->number_position == SIZE_MAX ||
            schema->fields[source->number_position].kind != VS_KIND_LONG) {
            return vs_fail(err, VS_INVALID,
                           "%s: '%.*s' is no long column of the table, so it cannot count the "
                           "rows; give the ids with --metadata",
                           source->base.name, VS_STR_ARG(options->row_number_column));
        }
    }
    return VS_OK;
}

static enum vs_status open_metadata(struct npy_source *source,
                                    const struct vs_source_options *options,
                                    struct vs_error *err)
{
    struct vs_source_options inner = *options;
    inner.metadata = NULL;
    if (options->schema != NULL) {
        struct vs_schema *rest = &source->metadata_schema;
        rest->fields = vs_arena_alloc_array(&source->arena, options->schema->field_count,
                                            sizeof *rest->fields);
        if (rest->fields == NULL) {
            return no_memory(source, err);
        }
        for (size_t i = 0; i < options->schema->field_count; i++) {
            if (i != source->vector_position) {
                rest->fields[rest->field_count++] = source->base.schema.fields[i];
            }
        }
        inner.schema = rest;
    }
    VS_TRY(vs_source_open(source->base.env, options->metadata, &inner, &source->metadata, err));
    source->metadata->max_rows = fitting_rows(source);
    uint64_t rows = source->metadata->row_total;
    if (rows != VS_SOURCE_ROWS_UNKNOWN && rows != source->header.rows) {
        return vs_fail(err, VS_INVALID,
                       "%s has %" PRIu64 " rows, %s has %" PRIu64
                       "; row i of one belongs to row i of the other",
                       source->base.name, source->header.rows, options->metadata, rows);
    }
    return VS_OK;
}

// Without a table: the metadata's columns and the vectors behind them.
static enum vs_status plan_own(struct npy_source *source,
                               const struct vs_source_options *options,
                               struct vs_error *err)
{
    const struct vs_schema *metadata = source->metadata != NULL ? &source->metadata->schema : NULL;
    size_t count = metadata != NULL ? metadata->field_count : 0;
    struct vs_str name = vs_arena_copy_str(&source->arena, vs_source_vector_name(options));
    struct vs_field *fields = vs_arena_alloc_array(&source->arena, count + 2, sizeof *fields);
    if (name.ptr == NULL || fields == NULL) {
        return no_memory(source, err);
    }
    for (size_t i = 0; i < count; i++) {
        fields[i] = metadata->fields[i];
        if (vs_str_equal(fields[i].name, name)) {
            return vs_fail(err, VS_INVALID,
                           "%s has a column '%.*s', as the vectors of %s are called; name these "
                           "with --vector-column",
                           source->metadata->name, VS_STR_ARG(name), source->base.name);
        }
    }
    if (metadata == NULL && options->row_number_column.len > 0) {
        struct vs_str number = vs_arena_copy_str(&source->arena, options->row_number_column);
        if (number.ptr == NULL) {
            return no_memory(source, err);
        }
        source->number_position = count;
        fields[count++] = (struct vs_field){.id = -1, .name = number, .kind = VS_KIND_LONG};
    }
    source->vector_position = count;
    fields[count++] = vector_field(name);
    source->base.schema = (struct vs_schema){.field_count = count, .fields = fields};
    return VS_OK;
}

static enum vs_status plan_metadata(struct npy_source *source, struct vs_error *err)
{
    const struct vs_schema *schema = &source->metadata->schema;
    source->metadata_positions = vs_arena_alloc_array(&source->arena, schema->field_count,
                                                      sizeof *source->metadata_positions);
    if (source->metadata_positions == NULL) {
        return no_memory(source, err);
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        source->metadata_positions[i] =
            vs_schema_find(&source->base.schema, schema->fields[i].name);
        if (source->metadata_positions[i] == SIZE_MAX) {
            return vs_fail(err, VS_INTERNAL, "%s: column '%.*s' is lost", source->base.name,
                           VS_STR_ARG(schema->fields[i].name));
        }
    }
    return vs_batch_init(&source->metadata_batch, source->base.env, schema->fields,
                         schema->field_count, err);
}

static enum vs_status start(struct npy_source *source,
                            const struct vs_source_options *options,
                            struct vs_error *err)
{
    VS_TRY(read_header(source, err));
    source->base.row_total = source->header.rows;
    source->base.bytes_total = source->file.file->size;
    if (options->schema != NULL) {
        VS_TRY(plan_table(source, options, err));
    }
    if (options->metadata != NULL) {
        VS_TRY(open_metadata(source, options, err));
    }
    if (options->schema == NULL) {
        VS_TRY(plan_own(source, options, err));
    }
    return source->metadata != NULL ? plan_metadata(source, err) : VS_OK;
}

// ---- rows ----

static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 31;
    uint32_t fraction = half & 0x3FF;
    uint32_t bits;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f; // zero and subnormals, exactly
        return sign != 0 ? -value : value;
    }
    bits = exponent == 31 ? sign | 0x7F800000 | (fraction << 13)
                          : sign | ((exponent + 112) << 23) | (fraction << 13);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float double_to_float(double value)
{
    // Beyond float's range the conversion is not defined in C; the gate refuses infinities.
    if (value > 0x1.ffffffp127) {
        return INFINITY;
    }
    return value < -0x1.ffffffp127 ? -INFINITY : (float)value;
}

static void convert(const uint8_t *raw, size_t width, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = width == 2 ? half_to_float(vs_load_u16le(raw + 2 * i))
                            : double_to_float(vs_load_f64le(raw + 8 * i));
    }
}

static enum vs_status read_vectors(struct npy_source *source,
                                   size_t rows,
                                   struct vs_column *column,
                                   struct vs_error *err)
{
    struct vs_column *child = column->child;
    size_t dimension = (size_t)source->header.columns, width = source->header.width;
    size_t count = rows * dimension; // at most a batch's worth
    uint64_t offset = source->data_at + source->base.rows_read * dimension * width;
    if (rows == 0) {
        return VS_OK;
    }
    VS_TRY(vs_buf_reserve(&child->values, count * 4, err));
    float *values = (float *)(void *)(child->values.data + child->values.len);
    if (width == 4) {
        VS_TRY(vs_file_read(source->file.file, offset, count * 4, values, err));
    } else {
        vs_buf_reset(&source->raw);
        VS_TRY(vs_buf_reserve(&source->raw, count * width, err));
        VS_TRY(vs_file_read(source->file.file, offset, count * width, source->raw.data, err));
        convert(source->raw.data, width, count, values);
    }
    child->values.len += count * 4;
    // The elements stand there already; end the rows one by one by letting the child grow under
    // them.
    for (size_t row = 0; row < rows; row++) {
        child->row_count += dimension;
        VS_TRY(vs_column_end_list(column, err));
    }
    return VS_OK;
}

static enum vs_status read_metadata(struct npy_source *source,
                                    struct vs_batch *batch,
                                    struct vs_error *err)
{
    struct vs_batch *from = &source->metadata_batch;
    VS_TRY(vs_source_next(source->metadata, from, NULL, err));
    for (size_t i = 0; i < from->column_count; i++) {
        struct vs_column *to = &batch->columns[source->metadata_positions[i]];
        struct vs_column empty = *to; // columns of one kind: trade the memory
        *to = from->columns[i];
        from->columns[i] = empty;
    }
    return VS_OK;
}

// Metadata decides the batch; both have to end together.
static enum vs_status batch_rows(struct npy_source *source,
                                 struct vs_batch *batch,
                                 size_t *rows_out,
                                 struct vs_error *err)
{
    uint64_t left = source->header.rows - source->base.rows_read;
    if (source->metadata == NULL) {
        size_t fit = fitting_rows(source);
        *rows_out = left < fit ? (size_t)left : fit;
        return VS_OK;
    }
    VS_TRY(read_metadata(source, batch, err));
    size_t rows = source->metadata_batch.row_count;
    if (rows > left || (rows == 0 && left > 0)) {
        return vs_fail(err, VS_INVALID,
                       "%s has %s rows than the %" PRIu64
                       " of %s; row i of one belongs to row i of the other",
                       source->metadata->name, rows > left ? "more" : "fewer", source->header.rows,
                       source->base.name);
    }
    *rows_out = rows;
    return VS_OK;
}

static enum vs_status npy_next(struct vs_source *base,
                               struct vs_batch *batch,
                               uint64_t *first_row_out,
                               struct vs_error *err)
{
    struct npy_source *source = (struct npy_source *)base;
    size_t rows = 0;
    (void)first_row_out; // rows are counted from 0, as the caller does
    VS_TRY(batch_rows(source, batch, &rows, err));
    VS_TRY(read_vectors(source, rows, &batch->columns[source->vector_position], err));
    if (source->number_position != SIZE_MAX) {
        struct vs_value number = {.kind = VS_KIND_LONG};
        for (size_t row = 0; row < rows; row++) {
            number.as.integer = (int64_t)(base->rows_read + row);
            VS_TRY(vs_column_append(&batch->columns[source->number_position], &number, err));
        }
    }
    for (size_t i = 0; i < batch->column_count; i++) {
        struct vs_column *column = &batch->columns[i];
        VS_TRY(vs_column_append_nulls(column, rows - column->row_count, err));
    }
    batch->row_count = rows;
    base->bytes_read =
        source->data_at + (base->rows_read + rows) * source->header.columns * source->header.width;
    return VS_OK;
}

enum vs_status vs_source_open_npy(const struct vs_env *env,
                                  struct vs_source_file *file,
                                  const char *name,
                                  const struct vs_source_options *options,
                                  struct vs_source **source_out,
                                  struct vs_error *err)
{
    static const struct vs_source_vtable vtable = {npy_next, npy_close};
    struct npy_source *source = vs_alloc_zeroed(env, 1, sizeof *source);
    if (source == NULL) {
        vs_source_file_close(file);
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", name);
    }
    vs_arena_init(&source->arena, env, 0);
    vs_buf_init(&source->raw, env, (size_t)1 << 32);
    source->base = (struct vs_source){
        .vtable = &vtable, .env = env, .row_word = "row", .max_rows = VS_SOURCE_BATCH_ROWS};
    source->file = *file;
    source->number_position = SIZE_MAX;
    *file = (struct vs_source_file){0};
    source->base.name = vs_arena_copy_c(&source->arena, name);
    enum vs_status status = source->base.name == NULL
                                ? vs_fail(err, VS_NO_MEMORY, "%s: out of memory", name)
                                : start(source, options, err);
    if (status != VS_OK) {
        npy_close(&source->base);
        return status;
    }
    *source_out = &source->base;
    return VS_OK;
}
