// SPDX-License-Identifier: Apache-2.0
#include "ingest/source_internal.h"
#include "vecstore/format/parquet_read.h"

#include <inttypes.h>

#define FIRST_STEP 64 // rows of the first read, which tells how large a row is

struct parquet_source {
    struct vs_source base;
    struct vs_source_file file;
    struct vs_arena arena;
    struct vs_parquet_reader *reader;
    struct vs_parquet_scan *scan;
    size_t *columns;     // of the file, in scan order
    struct vs_field *as; // the types wanted of them
    size_t *positions;   // where each stands in the schema
    size_t column_count;
    struct vs_batch read; // one column per scanned column
    size_t step;          // rows that fill a batch
};

static void parquet_close(struct vs_source *base)
{
    struct parquet_source *source = (struct parquet_source *)base;
    const struct vs_env *env = base->env;
    vs_batch_clear(&source->read);
    vs_parquet_scan_close(source->scan);
    vs_parquet_close(source->reader);
    vs_source_file_close(&source->file);
    vs_arena_clear(&source->arena);
    vs_free(env, source);
}

static enum vs_status unknown_column(const struct parquet_source *source,
                                     struct vs_str name,
                                     struct vs_error *err)
{
    return vs_fail(err, VS_INVALID,
                   "%s: the table has no column '%.*s'; add it to the table or leave it out of the "
                   "file",
                   source->base.name, VS_STR_ARG(name));
}

// The field as this source gives it: vectors of doubles become floats, nanoseconds microseconds.
static void own_field(const struct vs_source_options *options,
                      const struct vs_field *field,
                      struct vs_field *own)
{
    *own = *field;
    own->required = false;
    own->element_required = false;
    if (field->kind == VS_KIND_LIST && field->element_kind == VS_KIND_DOUBLE &&
        vs_str_equal(field->name, vs_source_vector_name(options))) {
        own->element_kind = VS_KIND_FLOAT;
    }
    // Tables of format version 1 and 2 know no nanoseconds.
    enum vs_kind *kind = field->kind == VS_KIND_LIST ? &own->element_kind : &own->kind;
    if (*kind == VS_KIND_TIMESTAMP_NS || *kind == VS_KIND_TIMESTAMPTZ_NS) {
        *kind = *kind == VS_KIND_TIMESTAMP_NS ? VS_KIND_TIMESTAMP : VS_KIND_TIMESTAMPTZ;
    }
}

static enum vs_status choose_own(struct parquet_source *source,
                                 const struct vs_source_options *options,
                                 struct vs_error *err)
{
    const struct vs_schema *file = vs_parquet_schema(source->reader);
    for (size_t i = 0; i < file->field_count; i++) {
        const struct vs_field *field = &file->fields[i];
        if (field->kind == VS_KIND_OTHER) {
            if (options->skip_unknown) {
                continue;
            }
            return vs_fail(err, VS_UNSUPPORTED,
                           "%s: column '%.*s' has type %.*s, which tables here cannot hold; leave "
                           "it out of the file",
                           source->base.name, VS_STR_ARG(field->name),
                           VS_STR_ARG(field->other_type));
        }
        size_t at = source->column_count++;
        source->columns[at] = i;
        source->positions[at] = at;
        own_field(options, field, &source->as[at]);
    }
    source->base.schema =
        (struct vs_schema){.field_count = source->column_count, .fields = source->as};
    return VS_OK;
}

static enum vs_status choose_table(struct parquet_source *source,
                                   const struct vs_source_options *options,
                                   struct vs_error *err)
{
    const struct vs_schema *file = vs_parquet_schema(source->reader);
    for (size_t i = 0; i < file->field_count; i++) {
        struct vs_str name = vs_source_target_name(options, file->fields[i].name);
        size_t position = vs_schema_find(options->schema, name);
        if (position == SIZE_MAX) {
            if (options->skip_unknown) {
                continue;
            }
            return unknown_column(source, file->fields[i].name, err);
        }
        for (size_t k = 0; k < source->column_count; k++) {
            if (source->positions[k] == position) {
                return vs_fail(err, VS_INVALID, "%s: two columns are to become '%.*s'",
                               source->base.name, VS_STR_ARG(name));
            }
        }
        size_t at = source->column_count++;
        source->columns[at] = i;
        source->positions[at] = position;
        source->as[at] = options->schema->fields[position];
        source->as[at].name = file->fields[i].name;
        source->as[at].required = false; // nulls are the gate's matter
        source->as[at].element_required = false;
    }
    if (source->column_count == 0) {
        return vs_fail(err, VS_INVALID, "%s: no column of the file is a column of the table",
                       source->base.name);
    }
    return vs_schema_clone(options->schema, &source->arena, &source->base.schema, err);
}

static enum vs_status start(struct parquet_source *source,
                            const struct vs_source_options *options,
                            struct vs_error *err)
{
    VS_TRY(vs_parquet_open(source->base.env, source->file.file, &source->reader, err));
    size_t most = vs_parquet_schema(source->reader)->field_count;
    source->columns = vs_arena_alloc_array(&source->arena, most, sizeof *source->columns);
    source->positions = vs_arena_alloc_array(&source->arena, most, sizeof *source->positions);
    source->as = vs_arena_alloc_array(&source->arena, most, sizeof *source->as);
    if (source->columns == NULL || source->positions == NULL || source->as == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for %zu columns", source->base.name,
                       most);
    }
    VS_TRY(options->schema == NULL ? choose_own(source, options, err)
                                   : choose_table(source, options, err));
    source->base.row_total = vs_parquet_row_count(source->reader);
    source->base.bytes_total = source->file.file->size;
    VS_TRY(vs_parquet_scan_open(source->reader, source->columns, source->column_count, source->as,
                                &source->scan, err));
    return vs_batch_init(&source->read, source->base.env, source->as, source->column_count, err);
}

static size_t batch_memory(const struct vs_batch *batch)
{
    size_t bytes = 0;
    for (size_t i = 0; i < batch->column_count; i++) {
        const struct vs_column *column = &batch->columns[i];
        bytes += column->values.len + column->offsets.len + column->valid.len;
        if (column->child != NULL) {
            bytes += column->child->values.len + column->child->offsets.len;
        }
    }
    return bytes;
}

static enum vs_status parquet_next(struct vs_source *base,
                                   struct vs_batch *batch,
                                   uint64_t *first_row_out,
                                   struct vs_error *err)
{
    struct parquet_source *source = (struct parquet_source *)base;
    (void)first_row_out; // rows are counted from 0, as the caller does
    vs_batch_reset(&source->read);
    size_t step = source->step < base->max_rows ? source->step : base->max_rows;
    enum vs_status status = vs_parquet_scan_next(source->scan, step, &source->read, err);
    if (status != VS_OK) {
        return vs_wrap(err, status, "%s: reading rows from %" PRIu64, base->name, base->rows_read);
    }
    size_t rows = source->read.row_count;
    if (rows > 0) {
        size_t fit = VS_SOURCE_BATCH_BYTES / (batch_memory(&source->read) / rows + 1);
        fit = fit > 0 ? fit : 1;
        source->step = fit < VS_SOURCE_BATCH_ROWS ? fit : VS_SOURCE_BATCH_ROWS;
    }
    for (size_t i = 0; i < source->column_count; i++) {
        struct vs_column *to = &batch->columns[source->positions[i]];
        struct vs_column empty = *to; // both are columns of one kind: trade the memory
        *to = source->read.columns[i];
        source->read.columns[i] = empty;
    }
    for (size_t i = 0; i < batch->column_count; i++) {
        struct vs_column *column = &batch->columns[i];
        VS_TRY(vs_column_append_nulls(column, rows - column->row_count, err));
    }
    batch->row_count = rows;
    uint64_t done = base->rows_read + rows;
    base->bytes_read =
        base->row_total == 0 || done >= base->row_total
            ? base->bytes_total
            : (uint64_t)((double)base->bytes_total * (double)done / (double)base->row_total);
    return VS_OK;
}

enum vs_status vs_source_open_parquet(const struct vs_env *env,
                                      struct vs_source_file *file,
                                      const char *name,
                                      const struct vs_source_options *options,
                                      struct vs_source **source_out,
                                      struct vs_error *err)
{
    static const struct vs_source_vtable vtable = {parquet_next, parquet_close};
    struct parquet_source *source = vs_alloc_zeroed(env, 1, sizeof *source);
    if (source == NULL) {
        vs_source_file_close(file);
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", name);
    }
    vs_arena_init(&source->arena, env, 0);
    source->base = (struct vs_source){
        .vtable = &vtable, .env = env, .row_word = "row", .max_rows = VS_SOURCE_BATCH_ROWS};
    source->file = *file;
    source->step = FIRST_STEP;
    *file = (struct vs_source_file){0};
    source->base.name = vs_arena_copy_c(&source->arena, name);
    enum vs_status status = source->base.name == NULL
                                ? vs_fail(err, VS_NO_MEMORY, "%s: out of memory", name)
                                : start(source, options, err);
    if (status != VS_OK) {
        parquet_close(&source->base);
        return status;
    }
    *source_out = &source->base;
    return VS_OK;
}
