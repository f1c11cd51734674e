// SPDX-License-Identifier: Apache-2.0
// Rows of a table into a file: planned with the filter, read file by file, written as they come.
#include "api/db.h"
#include "api/export_sink.h"
#include "api/query/filter_key.h"
#include "api/query/filter_predicate.h"
#include "api/query/query_view.h"
#include "api/query/row_bits.h"
#include "vecstore/iceberg/record_scan.h"
#include "vecstore/iceberg/type_json.h"

#include <string.h>

#define BATCH_ROWS 1024
#define SEEK_GAP 65536 // rows of nested columns that are read over rather than sought

struct export_job {
    const struct vs_env *env;
    const struct vs_export_options *options;
    struct vs_table *table;
    const struct vs_schema *schema;
    int64_t snapshot_id;
    struct vs_arena arena;
    struct vs_filter *filter;             // NULL: every row
    const struct vs_predicate *predicate; // NULL: prunes nothing
    struct vs_scan_plan *plan;
    struct vs_deleted_rows deleted;
    struct vs_export_column *columns;
    size_t column_count;
    struct vs_field *fields; // of the batches: flat columns and those of the filter
    size_t field_count;
    size_t *filter_columns; // where the filter's columns stand in a batch
    struct vs_type record;  // the nested columns
    struct vs_batch batch;
    struct vs_export_sink sink;
};

// One data file.
struct file_rows {
    struct export_job *job;
    struct vs_file_scan *scan;
    struct vs_record_scan *records; // NULL: no nested columns
    const struct vs_datum *rows;    // of the records at hand
    size_t count;
    uint64_t first;          // position of rows[0]
    uint64_t batch_position; // of the batch's first row
    const uint64_t *deleted;
    size_t deleted_count, next_deleted;
};

static enum vs_status no_memory(const struct export_job *job, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "exporting table %s: out of memory", job->options->table);
}

// ---- columns ----

// Of the batches; adds the field when it is new.
static size_t batch_column(struct export_job *job, const struct vs_field *field)
{
    for (size_t i = 0; i < job->field_count; i++) {
        if (job->fields[i].id == field->id) {
            return i;
        }
    }
    job->fields[job->field_count] = *field;
    return job->field_count++;
}

static const struct vs_type *find_type(const struct vs_type *tree, int32_t id)
{
    for (size_t i = 0; i < tree->child_count; i++) {
        if (tree->children[i].id == id) {
            return &tree->children[i];
        }
    }
    return NULL;
}

static enum vs_status add_nested(struct export_job *job,
                                 const struct vs_type *tree,
                                 struct vs_export_column *column,
                                 struct vs_error *err)
{
    const struct vs_field *field = &column->field;
    const struct vs_type *type = find_type(tree, field->id);
    bool is_known =
        type != NULL && (type->shape != VS_TYPE_PRIMITIVE || type->kind != VS_KIND_OTHER);
    if (!is_known || job->sink.format != VS_EXPORT_JSONL) {
        return vs_fail(
            err, VS_UNSUPPORTED,
            "column '%.*s' is of type %.*s, which %s; choose other columns with --select",
            VS_STR_ARG(field->name), VS_STR_SHORT(field->other_type),
            !is_known ? "cannot be read"
                      : "only a .jsonl export can hold, since the others are flat");
    }
    column->column = SIZE_MAX;
    column->member = job->record.child_count;
    job->record.children[job->record.child_count++] = *type;
    column->type = &job->record.children[column->member];
    return VS_OK;
}

static enum vs_status add_column(struct export_job *job,
                                 const struct vs_type *tree,
                                 const struct vs_field *field,
                                 struct vs_error *err)
{
    struct vs_export_column *column = &job->columns[job->column_count];
    for (size_t i = 0; i < job->column_count; i++) {
        if (job->columns[i].field.id == field->id) {
            return vs_fail(err, VS_INVALID, "select: column '%.*s' is named twice",
                           VS_STR_ARG(field->name));
        }
    }
    *column = (struct vs_export_column){.field = *field};
    if (field->kind == VS_KIND_OTHER) {
        VS_TRY(add_nested(job, tree, column, err));
    } else {
        column->column = batch_column(job, field);
    }
    job->column_count++;
    return VS_OK;
}

static bool is_vector(const struct vs_field *field)
{
    return field->kind == VS_KIND_LIST && field->element_kind == VS_KIND_FLOAT;
}

// An array holds one column: the one selected, or the only one there is.
static enum vs_status check_vector(const struct export_job *job, struct vs_error *err)
{
    if (job->column_count == 1 && is_vector(&job->columns[0].field)) {
        return VS_OK;
    }
    return vs_fail(err, VS_INVALID,
                   "an .npy file holds one column of vectors (list<float>); name it with --select");
}

static enum vs_status choose_columns(struct export_job *job,
                                     const struct vs_type *tree,
                                     struct vs_error *err)
{
    const struct vs_export_options *options = job->options;
    bool is_npy = job->sink.format == VS_EXPORT_NPY;
    for (size_t i = 0; options->select_count == 0 && i < job->schema->field_count; i++) {
        const struct vs_field *field = &job->schema->fields[i];
        if (!is_npy || is_vector(field)) {
            VS_TRY(add_column(job, tree, field, err));
        }
    }
    for (size_t i = 0; i < options->select_count; i++) {
        struct vs_str name = vs_str_from_c(options->select[i]);
        size_t at = vs_schema_find(job->schema, name);
        if (at == SIZE_MAX) {
            return vs_unknown_column(job->schema, name, "select", err);
        }
        VS_TRY(add_column(job, tree, &job->schema->fields[at], err));
    }
    return is_npy ? check_vector(job, err) : VS_OK;
}

static enum vs_status plan_columns(struct export_job *job, struct vs_error *err)
{
    const struct vs_table_metadata *m = job->table->metadata;
    size_t filter_count = job->filter != NULL ? job->filter->column_count : 0;
    size_t most = job->schema->field_count + job->options->select_count + filter_count + 1;
    struct vs_type tree;
    job->columns = vs_arena_alloc_array(&job->arena, most, sizeof *job->columns);
    job->fields = vs_arena_alloc_array(&job->arena, most, sizeof *job->fields);
    job->filter_columns = vs_arena_alloc_array(&job->arena, most, sizeof *job->filter_columns);
    job->record = (struct vs_type){.id = -1, .shape = VS_TYPE_STRUCT, .required = true};
    job->record.children = vs_arena_alloc_array(&job->arena, most, sizeof *job->record.children);
    if (job->columns == NULL || job->fields == NULL || job->filter_columns == NULL ||
        job->record.children == NULL) {
        return no_memory(job, err);
    }
    VS_TRY(vs_iceberg_type_parse(job->env, m->schema_json[job->schema - m->schemas],
                                 job->options->table, &job->arena, &tree, err));
    VS_TRY(choose_columns(job, &tree, err));
    for (size_t i = 0; i < filter_count; i++) {
        job->filter_columns[i] = batch_column(job, job->filter->columns[i]);
    }
    return vs_batch_init(&job->batch, job->env, job->fields, job->field_count, err);
}

// ---- planning ----

static enum vs_status bind_filter(struct export_job *job, struct vs_error *err)
{
    struct vs_filter_node *root = NULL;
    if (job->options->filter == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_filter_parse_text(vs_str_from_c(job->options->filter), &job->arena, &root, err));
    VS_TRY(vs_filter_bind(root, job->schema, &job->arena, &job->filter, err));
    if (!vs_filter_fits(job->filter, vs_table_current_schema(job->table->metadata))) {
        return VS_OK;
    }
    return vs_filter_predicate(job->filter, &job->arena, &job->predicate, err);
}

static enum vs_status make_plan(struct export_job *job, size_t thread_count, struct vs_error *err)
{
    const struct vs_table_metadata *m = job->table->metadata;
    VS_TRY(vs_view_resolve(m, &job->options->at, &job->snapshot_id, &job->schema, err));
    VS_TRY(bind_filter(job, err));
    VS_TRY(plan_columns(job, err));
    const struct vs_scan_options scan = {.predicate = job->predicate, .thread_count = thread_count};
    VS_TRY(vs_scan_plan_make_with(job->env, job->table->store, m, job->snapshot_id, &scan,
                                  &job->plan, NULL, err));
    return vs_deleted_rows_read(job->env, job->table->store, m, job->plan, &job->deleted, err);
}

// ---- rows ----

static enum vs_status get_record(void *ctx,
                                 uint32_t row,
                                 const struct vs_datum **datum_out,
                                 struct vs_error *err)
{
    struct file_rows *f = (struct file_rows *)ctx;
    uint64_t position = f->batch_position + row;
    if (position > f->first + f->count + SEEK_GAP) {
        VS_TRY(vs_record_scan_seek(f->records, position, err));
        f->count = 0;
        f->first = position;
    }
    while (position >= f->first + f->count) {
        VS_TRY(vs_record_scan_next(f->records, BATCH_ROWS, &f->rows, &f->count, &f->first, err));
        if (f->count == 0) {
            return vs_fail(err, VS_CORRUPT, "table %s: a data file ends before row %llu",
                           f->job->options->table, (unsigned long long)position);
        }
    }
    *datum_out = &f->rows[position - f->first];
    return VS_OK;
}

// The rows of the batch at hand that match and live.
static enum vs_status choose_rows(struct file_rows *f,
                                  uint32_t rows[BATCH_ROWS],
                                  size_t *count_out,
                                  struct vs_error *err)
{
    struct export_job *job = f->job;
    const struct vs_column *columns[VS_MAX_FILTER_TERMS] = {NULL};
    uint64_t match[BATCH_ROWS / 64];
    size_t count = 0, total = job->batch.row_count;
    memset(match, 0xFF, sizeof match);
    if (job->filter != NULL) {
        for (size_t i = 0; i < job->filter->column_count; i++) {
            columns[i] = &job->batch.columns[job->filter_columns[i]];
        }
        VS_TRY(vs_filter_eval(job->env, job->filter, columns, total, match, err));
    }
    for (size_t i = 0; i < total; i++) {
        uint64_t position = f->batch_position + i;
        while (f->next_deleted < f->deleted_count && f->deleted[f->next_deleted] < position) {
            f->next_deleted++; // a row that was passed over
        }
        bool is_deleted =
            f->next_deleted < f->deleted_count && f->deleted[f->next_deleted] == position;
        if (!is_deleted && vs_bits_test(match, i)) {
            rows[count++] = (uint32_t)i;
        }
    }
    *count_out = count;
    return VS_OK;
}

static enum vs_status read_batches(struct file_rows *f, uint64_t *counted, struct vs_error *err)
{
    struct export_job *job = f->job;
    uint32_t rows[BATCH_ROWS];
    for (;;) {
        struct vs_export_rows chosen = {.batch = &job->batch, .rows = rows, .ctx = f};
        chosen.record = f->records != NULL ? get_record : NULL;
        vs_batch_reset(&job->batch);
        VS_TRY(vs_op_check(job->env, job->options->op, err));
        VS_TRY(vs_file_scan_next(f->scan, BATCH_ROWS, &job->batch, &f->batch_position, err));
        if (job->batch.row_count == 0) {
            return VS_OK;
        }
        VS_TRY(choose_rows(f, rows, &chosen.count, err));
        if (counted != NULL) {
            *counted += chosen.count;
        } else {
            VS_TRY(vs_export_write(&job->sink, &chosen, err));
            vs_op_progress(job->options->op, "writing", job->sink.rows, job->plan->record_count,
                           "rows");
        }
    }
}

// counted: only counts the rows.
static enum vs_status read_file(struct export_job *job,
                                size_t index,
                                uint64_t *counted,
                                struct vs_error *err)
{
    const struct vs_table_metadata *m = job->table->metadata;
    const struct vs_data_file *data = &job->plan->files[index].data;
    struct file_rows f = {.job = job,
                          .deleted = job->deleted.positions[index],
                          .deleted_count = job->deleted.counts[index]};
    enum vs_status status = vs_file_scan_open(job->env, job->table->store, m, data, job->fields,
                                              job->field_count, &f.scan, err);
    if (status == VS_OK && job->predicate != NULL) {
        status = vs_file_scan_filter(f.scan, job->predicate, err);
    }
    if (status == VS_OK && job->record.child_count > 0 && counted == NULL) {
        status = vs_record_scan_open(job->env, job->table->store, m, data, &job->record, &f.records,
                                     err);
    }
    if (status == VS_OK) {
        status = read_batches(&f, counted, err);
    }
    vs_record_scan_close(f.records);
    vs_file_scan_close(f.scan);
    return status;
}

// An array says in its first bytes how many rows follow.
static enum vs_status count_rows(struct export_job *job, struct vs_error *err)
{
    uint64_t *total = &job->sink.row_total;
    if (job->filter == NULL) {
        *total = job->plan->record_count - job->deleted.total;
        return VS_OK;
    }
    for (size_t i = 0; i < job->plan->file_count; i++) {
        VS_TRY(read_file(job, i, total, err));
    }
    return VS_OK;
}

static enum vs_status run(struct export_job *job, size_t thread_count, struct vs_error *err)
{
    VS_TRY(make_plan(job, thread_count, err));
    if (job->sink.format == VS_EXPORT_NPY) {
        VS_TRY(count_rows(job, err));
    }
    job->sink.columns = job->columns;
    job->sink.column_count = job->column_count;
    VS_TRY(vs_export_open(&job->sink, err));
    for (size_t i = 0; i < job->plan->file_count; i++) {
        VS_TRY(read_file(job, i, NULL, err));
    }
    return vs_export_finish(&job->sink, err);
}

static enum vs_status report_export(const struct export_job *job,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", job->options->table);
    vs_report_id(&w, "snapshot_id", job->snapshot_id);
    vs_report_u64(&w, "rows", job->sink.rows);
    vs_report_u64(&w, "bytes", job->sink.bytes);
    vs_report_c(&w, "path", job->sink.is_stdout ? "-" : job->options->path);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_db_export(struct vs_db *db,
                            const struct vs_export_options *options,
                            struct vs_buf *report,
                            struct vs_error *err)
{
    struct export_job job = {.env = db->env, .options = options, .snapshot_id = VS_NO_SNAPSHOT};
    struct vs_error reason = {0};
    job.sink.env = db->env;
    job.sink.path = options->path;
    VS_TRY(vs_export_format_of(options->path, &job.sink.format, err));
    VS_TRY(vs_catalog_load(db->catalog, options->table, &job.table, err));
    vs_arena_init(&job.arena, db->env, 0);
    enum vs_status status = run(&job, db->thread_count, &reason);
    if (status != VS_OK) {
        status = vs_fail(err, status, "exporting table %s: %s", options->table, reason.message);
    }
    vs_export_clear(&job.sink);
    vs_batch_clear(&job.batch);
    vs_deleted_rows_clear(&job.deleted);
    vs_scan_plan_free(job.plan);
    if (status == VS_OK) {
        status = report_export(&job, report, err);
    }
    vs_arena_clear(&job.arena);
    vs_table_release(job.table);
    return status;
}
