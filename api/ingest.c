// SPDX-License-Identifier: Apache-2.0
// vs_db_ingest and vs_db_insert: from files or request bodies to one commit.
#include "api/filter_rows.h"
#include "api/ingest_feed.h"
#include "api/table_create.h"
#include "vecstore/iceberg/contract.h"

#include <string.h>

#define MAX_INSERT_BYTES ((size_t)1 << 30)

struct ingest {
    struct vs_db *db;
    const struct vs_ingest_options *options;
    struct vs_arena arena;
    struct vs_table *table;
    bool created;
    struct vs_ingest_feed *feeds;
    struct vs_row_feed *views;
    size_t feed_count;
    struct vs_source_rename renames[2];
    size_t rename_count;
    int64_t started_ns;
};

// ---- the table: load it, or make it from the first file ----

static const struct vs_field *find_field(const struct vs_schema *schema, struct vs_str name)
{
    size_t i = vs_schema_find(schema, name);
    return i == SIZE_MAX ? NULL : &schema->fields[i];
}

static enum vs_status choose_vector(const struct vs_schema *schema,
                                    const char *asked,
                                    const char *path,
                                    struct vs_str *name_out,
                                    struct vs_error *err)
{
    const struct vs_field *found = NULL;
    size_t count = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct vs_field *field = &schema->fields[i];
        bool is_vector = field->kind == VS_KIND_LIST && (field->element_kind == VS_KIND_FLOAT ||
                                                         field->element_kind == VS_KIND_DOUBLE);
        if (!is_vector || (asked != NULL && !vs_str_equal_c(field->name, asked))) {
            continue;
        }
        if (found == NULL || vs_str_equal_c(field->name, "embedding")) {
            found = field;
        }
        count++;
    }
    if (found == NULL) {
        return vs_fail(
            err, VS_INVALID,
            "%s has no column%s%s of vectors (a list of floats); name it with --vector-column",
            path, asked != NULL ? " " : "", asked != NULL ? asked : "");
    }
    if (count > 1 && !vs_str_equal_c(found->name, "embedding")) {
        return vs_fail(
            err, VS_INVALID,
            "%s has %zu columns that could hold the vectors; name one with --vector-column", path,
            count);
    }
    *name_out = found->name;
    return VS_OK;
}

static enum vs_status choose_dimension(const struct vs_batch *batch,
                                       size_t column,
                                       const char *path,
                                       uint32_t *dim_out,
                                       struct vs_error *err)
{
    for (size_t row = 0; row < batch->row_count; row++) {
        size_t first, count;
        if (!vs_column_is_null(&batch->columns[column], row)) {
            vs_column_get_list(&batch->columns[column], row, &first, &count);
            *dim_out = (uint32_t)(count <= UINT32_MAX ? count : UINT32_MAX);
            return VS_OK;
        }
    }
    return vs_fail(err, VS_INVALID,
                   "%s: the first %zu rows have no vector, so the dimension cannot be told; make "
                   "the table first with vecstore table create",
                   path, batch->row_count);
}

// The first source's schema becomes the table's. Columns of types that tables cannot have are
// refused by name, not dropped.
static enum vs_status copy_fields(struct ingest *ingest,
                                  const struct vs_schema *schema,
                                  struct vs_schema *copy_out,
                                  struct vs_error *err)
{
    VS_TRY(vs_schema_clone(schema, &ingest->arena, copy_out, err));
    for (size_t i = 0; i < copy_out->field_count; i++) {
        struct vs_field *field = &copy_out->fields[i];
        if (!vs_field_is_readable(field)) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "column '%.*s' has type %.*s, which a table here cannot have; leave it "
                           "out of the file",
                           VS_STR_ARG(field->name), VS_STR_ARG(field->other_type));
        }
        field->required = false;
        field->element_required = false;
    }
    return VS_OK;
}

static enum vs_status read_first_batch(struct ingest *ingest,
                                       struct vs_ingest_feed *feed,
                                       struct vs_error *err)
{
    struct vs_source_options options = {
        .vector_column = vs_str_from_c(ingest->options->vector_column),
        .row_number_column =
            vs_str_from_c(ingest->options->id_column != NULL ? ingest->options->id_column : "id"),
        .metadata = ingest->options->metadata,
    };
    VS_TRY(vs_source_open(ingest->db->env, feed->path, &options, &feed->source, err));
    const struct vs_schema *schema = vs_source_schema(feed->source);
    VS_TRY(
        vs_batch_init(&feed->pending, ingest->db->env, schema->fields, schema->field_count, err));
    return vs_source_next(feed->source, &feed->pending, &feed->pending_first, err);
}

static enum vs_status create_table(struct ingest *ingest, struct vs_error *err)
{
    const struct vs_ingest_options *options = ingest->options;
    struct vs_ingest_feed *feed = &ingest->feeds[0];
    VS_TRY(vs_table_name_check(options->table, err));
    VS_TRY(read_first_batch(ingest, feed, err));
    if (feed->pending.row_count == 0) {
        return vs_fail(err, VS_INVALID, "%s has no rows, so a table cannot be made from it",
                       feed->path);
    }
    struct vs_schema schema;
    VS_TRY(copy_fields(ingest, vs_source_schema(feed->source), &schema, err));
    struct vs_new_table spec = {
        .name = options->table,
        .fields = schema.fields,
        .field_count = schema.field_count,
        .id_column = vs_str_from_c(options->id_column != NULL ? options->id_column : "id"),
        .metric = options->metric != NULL ? options->metric : "cosine",
        .model = options->model,
    };
    VS_TRY(choose_vector(&schema, options->vector_column, feed->path, &spec.vector_column, err));
    size_t vector = vs_schema_find(&schema, spec.vector_column);
    VS_TRY(choose_dimension(&feed->pending, vector, feed->path, &spec.dim, err));
    if (find_field(&schema, spec.id_column) == NULL) {
        return vs_fail(err, VS_INVALID,
                       "%s has no column '%.*s' to be the id; name the id column with --id-column",
                       feed->path, VS_STR_ARG(spec.id_column));
    }
    VS_TRY(vs_new_table_create(ingest->db, &spec, &ingest->table, err));
    ingest->created = true;
    return VS_OK;
}

// ---- an existing table ----

static enum vs_status set_renames(struct ingest *ingest, struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(ingest->table->metadata);
    size_t id = vs_schema_identifier(schema);
    if (ingest->options->id_column != NULL && id != SIZE_MAX) {
        ingest->renames[ingest->rename_count++] = (struct vs_source_rename){
            vs_str_from_c(ingest->options->id_column), schema->fields[id].name};
    }
    if (ingest->options->vector_column == NULL) {
        return VS_OK;
    }
    struct vs_vector_contract *contracts;
    const struct vs_vector_contract *contract = NULL;
    size_t count;
    VS_TRY(vs_contracts_read(ingest->table->metadata, schema, &ingest->arena, &contracts, &count,
                             err));
    for (size_t i = 0; i < count; i++) { // the table's own name needs no rename
        contract = vs_str_equal_c(contracts[i].column, ingest->options->vector_column)
                       ? &contracts[i]
                       : contract;
    }
    if (contract == NULL) {
        VS_TRY(vs_contract_find(contracts, count, NULL, &contract, err));
    }
    ingest->renames[ingest->rename_count++] =
        (struct vs_source_rename){vs_str_from_c(ingest->options->vector_column), contract->column};
    return VS_OK;
}

static enum vs_status vector_name(struct ingest *ingest,
                                  struct vs_str *name_out,
                                  struct vs_error *err)
{
    struct vs_vector_contract *contracts;
    const struct vs_vector_contract *contract;
    size_t count;
    VS_TRY(vs_contracts_read(ingest->table->metadata,
                             vs_table_current_schema(ingest->table->metadata), &ingest->arena,
                             &contracts, &count, err));
    VS_TRY(vs_contract_find(contracts, count, count == 1 ? NULL : ingest->options->vector_column,
                            &contract, err));
    *name_out = contract->column;
    return VS_OK;
}

static enum vs_status set_options(struct ingest *ingest, struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(ingest->table->metadata);
    size_t id = vs_schema_identifier(schema);
    struct vs_source_options options = {.schema = schema, .metadata = ingest->options->metadata};
    if (!ingest->created) { // the names of the file that made the table are the table's
        VS_TRY(set_renames(ingest, err));
        options.renames = ingest->renames;
        options.rename_count = ingest->rename_count;
    }
    VS_TRY(vector_name(ingest, &options.vector_column, err));
    if (id != SIZE_MAX && schema->fields[id].kind == VS_KIND_LONG) {
        options.row_number_column = schema->fields[id].name;
    }
    for (size_t i = 0; i < ingest->feed_count; i++) {
        ingest->feeds[i].options = options;
        ingest->views[i] = vs_ingest_feed_view(&ingest->feeds[i]);
    }
    return VS_OK;
}

static enum vs_status load_or_create(struct ingest *ingest, struct vs_error *err)
{
    struct vs_error reason = {0};
    enum vs_status status =
        vs_catalog_load(ingest->db->catalog, ingest->options->table, &ingest->table, &reason);
    if (status == VS_NOT_FOUND && ingest->options->create) {
        return create_table(ingest, err);
    }
    if (status == VS_NOT_FOUND) {
        return vs_fail(err, status, "%s; --create makes it from the file's columns",
                       reason.message);
    }
    return status == VS_OK ? VS_OK : vs_fail(err, status, "%s", reason.message);
}

// ---- report ----

static enum vs_status report_write(const struct ingest *ingest,
                                   const struct vs_write_result *result,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    double ms = (double)(vs_monotonic_ns(ingest->db->env) - ingest->started_ns) / 1e6;
    struct vs_json_writer w;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", ingest->options->table);
    vs_report_bool(&w, "created", ingest->created);
    vs_report_id(&w, "snapshot_id", result->snapshot_id);
    vs_report_u64(&w, "rows", result->rows);
    vs_report_u64(&w, "replaced", result->replaced);
    vs_report_u64(&w, "rejected", result->rejected);
    vs_report_c(&w, "quarantine",
                result->quarantine_uri[0] != '\0' ? result->quarantine_uri : NULL);
    vs_report_u64(&w, "files", result->file_count);
    vs_report_u64(&w, "bytes", result->bytes);
    vs_report_f64(&w, "ms", ms);
    vs_report_f64(&w, "rows_per_second", ms > 0 ? (double)result->rows / ms * 1000 : 0);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

static enum vs_status write_rows(struct ingest *ingest,
                                 struct vs_write_result *result_out,
                                 struct vs_error *err)
{
    const char *overwrite = ingest->options->overwrite;
    struct vs_filter_rows rows = {.engine = ingest->db->engine,
                                  .match = {.filter = overwrite, .store = ingest->table->store},
                                  .op = ingest->options->op};
    struct vs_write_job job = {
        .table = ingest->options->table,
        .loaded = ingest->table,
        .feeds = ingest->views,
        .feed_count = ingest->feed_count,
        .upsert = ingest->options->upsert,
        .quarantine = ingest->options->quarantine,
        .thread_count = ingest->db->thread_count,
        .op = ingest->options->op,
        .branch = ingest->options->branch,
        .everything = overwrite != NULL && strcmp(overwrite, "*") == 0,
    };
    if (overwrite != NULL && !job.everything) {
        job.find = vs_filter_rows_find;
        job.find_ctx = &rows;
    }
    return vs_write_job_run(ingest->db->catalog, &job, result_out, err);
}

// Dropping the new table here could take another writer's rows with it, so it stays.
static enum vs_status tell_created(const struct ingest *ingest,
                                   enum vs_status status,
                                   struct vs_error *err)
{
    if (status == VS_OK || !ingest->created || err == NULL) {
        return status;
    }
    struct vs_error cause = *err;
    return vs_fail(err, status,
                   "%.*s. The new table %s is empty; remove it with vecstore table drop %s --yes",
                   380, cause.message, ingest->options->table, ingest->options->table);
}

static enum vs_status run(struct ingest *ingest, struct vs_buf *report, struct vs_error *err)
{
    const struct vs_ingest_options *options = ingest->options;
    struct vs_write_result result;
    ingest->feeds =
        vs_arena_alloc_array(&ingest->arena, options->file_count, sizeof *ingest->feeds);
    ingest->views =
        vs_arena_alloc_array(&ingest->arena, options->file_count, sizeof *ingest->views);
    if (ingest->feeds == NULL || ingest->views == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu files", options->file_count);
    }
    ingest->feed_count = options->file_count;
    for (size_t i = 0; i < options->file_count; i++) {
        ingest->feeds[i].env = ingest->db->env;
        ingest->feeds[i].path = options->files[i];
    }
    VS_TRY(load_or_create(ingest, err));
    VS_TRY(set_options(ingest, err));
    enum vs_status status = write_rows(ingest, &result, err);
    return status == VS_OK ? report_write(ingest, &result, report, err)
                           : tell_created(ingest, status, err);
}

static void clear(struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->feed_count; i++) {
        vs_ingest_feed_clear(&ingest->feeds[i]);
    }
    vs_table_release(ingest->table);
    vs_arena_clear(&ingest->arena);
}

enum vs_status vs_db_ingest(struct vs_db *db,
                            const struct vs_ingest_options *options,
                            struct vs_buf *report,
                            struct vs_error *err)
{
    if (options->file_count == 0) {
        return vs_fail(err, VS_INVALID,
                       "name at least one file to ingest, or '-' for standard input");
    }
    struct ingest ingest = {.db = db, .options = options, .started_ns = vs_monotonic_ns(db->env)};
    vs_arena_init(&ingest.arena, db->env, 0);
    enum vs_status status = run(&ingest, report, err);
    clear(&ingest);
    return status;
}

// ---- rows out of a request body ----

static enum vs_status append_lines(const struct vs_json *rows,
                                   struct vs_buf *lines,
                                   struct vs_error *err)
{
    const struct vs_json *row;
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, rows);
    while (vs_json_iter_next(&iter, NULL, &row)) {
        if (!vs_json_is(row, VS_JSON_OBJECT)) {
            return vs_fail(err, VS_INVALID,
                           "a row is a %s; rows are objects with column names as keys",
                           vs_json_type_name(row));
        }
        VS_TRY(vs_json_write_value(row, lines, err));
        VS_TRY(vs_buf_append_byte(lines, '\n', err));
    }
    return VS_OK;
}

// One JSON document (rows in an array, or under "rows") becomes lines; anything else is taken as
// lines already.
static enum vs_status to_lines(const struct vs_env *env,
                               struct vs_str text,
                               struct vs_buf *lines,
                               struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    if (vs_json_parse(env, text, "rows", NULL, &doc, NULL) != VS_OK) {
        return vs_buf_append_str(lines, text, err);
    }
    const struct vs_json *root = vs_json_root(doc), *rows = vs_json_get(root, "rows");
    enum vs_status status;
    if (vs_json_is(root, VS_JSON_ARRAY)) {
        status = append_lines(root, lines, err);
    } else if (vs_json_is(rows, VS_JSON_ARRAY)) {
        status = append_lines(rows, lines, err);
    } else {
        status = vs_buf_append_str(lines, text, err);
    }
    vs_json_free(doc);
    return status;
}

static enum vs_status insert_lines(struct ingest *ingest,
                                   struct vs_str lines,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_write_result result;
    struct vs_ingest_feed feed = {.env = ingest->db->env, .path = "rows.jsonl"};
    struct vs_row_feed view;
    ingest->feeds = &feed;
    ingest->views = &view;
    ingest->feed_count = 1;
    enum vs_status status =
        vs_catalog_load(ingest->db->catalog, ingest->options->table, &ingest->table, err);
    if (status == VS_OK) {
        status = set_options(ingest, err);
    }
    if (status == VS_OK) {
        status = vs_file_open_bytes(ingest->db->env, lines, "rows", &file, err);
    }
    if (status == VS_OK) {
        status = vs_source_open_file(ingest->db->env, file, "rows.jsonl", &feed.options,
                                     &feed.source, err);
    }
    if (status == VS_OK) {
        view.name = "the request";
        status = write_rows(ingest, &result, err);
    }
    if (status == VS_OK) {
        status = report_write(ingest, &result, report, err);
    }
    clear(ingest);
    return status;
}

enum vs_status vs_db_insert(struct vs_db *db,
                            const struct vs_insert_options *options,
                            struct vs_buf *report,
                            struct vs_error *err)
{
    struct vs_ingest_options as_ingest = {.table = options->table,
                                          .upsert = options->upsert,
                                          .quarantine = options->quarantine,
                                          .op = options->op};
    struct ingest ingest = {
        .db = db, .options = &as_ingest, .started_ns = vs_monotonic_ns(db->env)};
    struct vs_buf lines;
    vs_arena_init(&ingest.arena, db->env, 0);
    vs_buf_init(&lines, db->env, MAX_INSERT_BYTES);
    enum vs_status status = to_lines(db->env, options->rows, &lines, err);
    if (status == VS_OK && lines.len == 0) {
        status = vs_fail(err, VS_INVALID, "the request holds no rows");
    }
    if (status == VS_OK) {
        status = insert_lines(&ingest, vs_buf_view(&lines), report, err);
    }
    vs_buf_clear(&lines);
    return status;
}
