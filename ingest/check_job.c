// SPDX-License-Identifier: Apache-2.0
#include "index/index.h"
#include "ingest/check_internal.h"
#include "ingest/gate.h"
#include "vecstore/iceberg/stats_file.h"

#include <stdio.h>

#define ROWS_PER_READ 4096
#define MAX_REPORTED 100
#define MAX_IDS ((size_t)1 << 26) // beyond that repeated ids are not looked for

// ---- findings ----

void vs_check_report(struct vs_check *check, struct vs_str object, const char *problem)
{
    if (check->result.problems++ >= MAX_REPORTED) {
        return;
    }
    vs_jw_object_begin(check->w);
    vs_jw_key(check->w, "object");
    vs_jw_str(check->w, object);
    vs_jw_key(check->w, "problem");
    vs_jw_c(check->w, problem);
    vs_jw_object_end(check->w);
}

enum vs_status vs_check_finding(struct vs_check *check,
                                struct vs_str object,
                                enum vs_status status,
                                const struct vs_error *problem,
                                struct vs_error *err)
{
    if (status == VS_NO_MEMORY || status == VS_CANCELLED || status == VS_TIMEOUT) {
        return vs_fail(err, status, "%s", problem->message);
    }
    if (status != VS_OK) {
        vs_check_report(check, object, problem->message);
    }
    return VS_OK;
}

enum vs_status vs_check_note(struct vs_id_set *set,
                             struct vs_str path,
                             bool *known_out,
                             struct vs_error *err)
{
    const struct vs_value value = {.kind = VS_KIND_STRING, .as.text = path};
    bool added = false;
    VS_TRY(vs_id_set_add(set, &value, &added, err));
    *known_out = !added;
    return VS_OK;
}

bool vs_check_is_damaged(const struct vs_check *check, struct vs_str path)
{
    const struct vs_value value = {.kind = VS_KIND_STRING, .as.text = path};
    return vs_id_set_find(check->damaged, &value) != SIZE_MAX;
}

// ---- rows ----

struct file_check {
    const struct vs_data_file *data;
    const uint64_t *deleted; // ascending
    size_t deleted_count, next;
    struct vs_file_scan *scan;
    struct vs_gate *gate;
    struct vs_batch batch;
    size_t identifier; // column, or SIZE_MAX
    uint64_t rows, repeated, first_repeated;
};

// Ids of live rows have to differ in the whole table.
static enum vs_status check_ids(struct vs_check *check,
                                struct file_check *f,
                                uint64_t first,
                                struct vs_error *err)
{
    for (size_t row = 0; row < f->batch.row_count; row++) {
        uint64_t position = first + row;
        bool added = false;
        if (f->next < f->deleted_count && f->deleted[f->next] == position) {
            f->next++;
            continue;
        }
        struct vs_value id = vs_column_get(&f->batch.columns[f->identifier], row);
        if (id.is_null || vs_id_set_count(check->ids) >= MAX_IDS) {
            continue;
        }
        VS_TRY(vs_id_set_add(check->ids, &id, &added, err));
        if (!added && f->repeated++ == 0) {
            f->first_repeated = position;
        }
    }
    return VS_OK;
}

static enum vs_status check_batch(struct vs_check *check,
                                  struct file_check *f,
                                  uint64_t first,
                                  struct vs_error *err)
{
    uint8_t accept[ROWS_PER_READ];
    struct vs_gate_reject reject;
    size_t rejected = 0;
    VS_TRY(vs_gate_check(f->gate, &f->batch, accept, &reject, &rejected, err));
    if (rejected > 0) {
        char text[320];
        snprintf(text, sizeof text,
                 "%zu rows break the table's contract, the first is row %llu: %s", rejected,
                 (unsigned long long)first + reject.row, reject.reason);
        vs_check_report(check, f->data->path, text);
    }
    return check->ids != NULL ? check_ids(check, f, first, err) : VS_OK;
}

static enum vs_status check_rows(struct vs_check *check, struct file_check *f, struct vs_error *err)
{
    for (;;) {
        uint64_t first = 0;
        vs_batch_reset(&f->batch);
        VS_TRY(vs_op_check(check->env, check->op, err));
        VS_TRY(vs_file_scan_next(f->scan, ROWS_PER_READ, &f->batch, &first, err));
        if (f->batch.row_count == 0) {
            break;
        }
        VS_TRY(check_batch(check, f, first, err));
        f->rows += f->batch.row_count;
        check->result.rows += f->batch.row_count;
        vs_op_progress(check->op, "reading rows", check->result.rows,
                       check->plan != NULL ? check->plan->record_count : 0, "rows");
    }
    if (f->repeated > 0) {
        char text[200];
        snprintf(text, sizeof text,
                 "%llu rows have the id of another live row, the first is row %llu",
                 (unsigned long long)f->repeated, (unsigned long long)f->first_repeated);
        vs_check_report(check, f->data->path, text);
    }
    if (f->rows != (uint64_t)f->data->record_count) {
        return vs_fail(err, VS_CORRUPT, "holds %llu rows, its manifest says %lld",
                       (unsigned long long)f->rows, (long long)f->data->record_count);
    }
    return VS_OK;
}

// The gate judges rows that are there already by the same rules as new ones, but for ids: these may
// repeat where one of the rows is deleted.
static enum vs_status open_and_check_rows(struct vs_check *check,
                                          struct file_check *f,
                                          struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(check->table->metadata);
    struct vs_schema judged = *schema;
    judged.identifier_count = 0;
    f->identifier = vs_schema_identifier(schema);
    enum vs_status status =
        vs_batch_init(&f->batch, check->env, schema->fields, schema->field_count, err);
    if (status == VS_OK) {
        status = vs_gate_open(check->env, &judged, check->contracts, check->contract_count,
                              &f->gate, err);
    }
    if (status == VS_OK) {
        status = vs_file_scan_open(check->env, check->store, check->table->metadata, f->data,
                                   schema->fields, schema->field_count, &f->scan, err);
    }
    if (status == VS_OK) {
        status = check_rows(check, f, err);
    }
    vs_file_scan_close(f->scan);
    vs_gate_free(f->gate);
    vs_batch_clear(&f->batch);
    return status;
}

static enum vs_status check_file(struct vs_check *check,
                                 const struct vs_data_file *data,
                                 size_t index,
                                 struct vs_error *err)
{
    struct vs_error problem = {0};
    struct file_check file = {.data = data};
    check->result.files++;
    check->result.bytes += (uint64_t)data->file_size;
    if (vs_check_is_damaged(check, data->path)) {
        return VS_OK; // reported already
    }
    if (check->deleted.file_count > index) {
        file.deleted = check->deleted.positions[index];
        file.deleted_count = check->deleted.counts[index];
    }
    enum vs_status status = open_and_check_rows(check, &file, &problem);
    return vs_check_finding(check, data->path, status, &problem, err);
}

static enum vs_status check_files(struct vs_check *check, struct vs_error *err)
{
    if (check->plan != NULL) {
        for (size_t i = 0; i < check->plan->file_count; i++) {
            VS_TRY(check_file(check, &check->plan->files[i].data, i, err));
        }
        return VS_OK;
    }
    const struct vs_data_file *files = (const struct vs_data_file *)(const void *)check->files.data;
    for (size_t i = 0; i < check->files.len / sizeof *files; i++) {
        VS_TRY(check_file(check, &files[i], SIZE_MAX, err));
    }
    return VS_OK;
}

// ---- index ----

static enum vs_status check_index_file(struct vs_check *check,
                                       const struct vs_statistics *entry,
                                       struct vs_error *err)
{
    struct vs_buf key, details;
    struct vs_file *file = NULL;
    vs_buf_init(&key, check->env, 8192);
    vs_buf_init(&details, check->env, SIZE_MAX);
    enum vs_status status = vs_store_key(check->store, entry->path, &key, err);
    if (status == VS_OK) {
        status = vs_file_open(check->store, vs_buf_c_str(&key), &file, err);
    }
    if (status == VS_OK && file->size != entry->file_size) {
        status = vs_fail(err, VS_CORRUPT, "is %llu bytes long, the table says %llu",
                         (unsigned long long)file->size, (unsigned long long)entry->file_size);
    }
    if (status == VS_OK) {
        check->result.bytes += file->size;
        status = vs_index_verify(check->env, file, check->op, &details, err);
    }
    vs_file_close(file);
    vs_buf_clear(&key);
    vs_buf_clear(&details);
    return status;
}

static enum vs_status check_index(struct vs_check *check, struct vs_error *err)
{
    struct vs_statistics entry;
    if (!vs_stats_file_find(check->table->metadata, check->table->metadata->current_snapshot_id,
                            &entry)) {
        return VS_OK;
    }
    struct vs_error problem = {0};
    enum vs_status status = check_index_file(check, &entry, &problem);
    return vs_check_finding(check, entry.path, status, &problem, err);
}

static enum vs_status check_columns(const struct vs_schema *schema, struct vs_error *err)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (!vs_field_is_readable(&schema->fields[i])) {
            return vs_fail(
                err, VS_UNSUPPORTED, "column '%.*s' has type %.*s, which cannot be checked",
                VS_STR_ARG(schema->fields[i].name), VS_STR_ARG(schema->fields[i].other_type));
        }
    }
    return VS_OK;
}

static enum vs_status plan_current(struct vs_check *check, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = check->table->metadata;
    struct vs_error problem = {0};
    uint64_t before = check->result.problems;
    enum vs_status status = vs_scan_plan_make(
        check->env, check->store, metadata, metadata->current_snapshot_id, &check->plan, &problem);
    bool is_ours = status == VS_NO_MEMORY || status == VS_CANCELLED || status == VS_TIMEOUT;
    if (status != VS_OK && (before == 0 || is_ours)) {
        return vs_check_finding(check, vs_str_from_c(check->table->metadata_uri), status, &problem,
                                err);
    }
    return VS_OK; // else what stops planning was named already
}

static enum vs_status make_sets(struct vs_check *check, struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(check->table->metadata);
    size_t identifier = vs_schema_identifier(schema);
    VS_TRY(vs_id_set_new(check->env, VS_KIND_STRING, &check->seen, err));
    VS_TRY(vs_id_set_new(check->env, VS_KIND_STRING, &check->damaged, err));
    VS_TRY(vs_id_set_new(check->env, VS_KIND_STRING, &check->live, err));
    if (identifier != SIZE_MAX) {
        enum vs_kind kind = schema->fields[identifier].kind;
        if (kind == VS_KIND_INT || kind == VS_KIND_LONG || kind == VS_KIND_STRING) {
            return vs_id_set_new(check->env, kind, &check->ids, err);
        }
    }
    return VS_OK;
}

static enum vs_status run(struct vs_check *check, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = check->table->metadata;
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    struct vs_error problem = {0};
    VS_TRY(check_columns(schema, err));
    VS_TRY(make_sets(check, err));
    enum vs_status status = vs_contracts_read(metadata, schema, &check->arena, &check->contracts,
                                              &check->contract_count, &problem);
    VS_TRY(
        vs_check_finding(check, vs_str_from_c(check->table->metadata_uri), status, &problem, err));
    VS_TRY(vs_check_snapshots(check, err));
    VS_TRY(plan_current(check, err));
    if (check->plan != NULL) {
        VS_TRY(vs_check_deletes(check, err));
        check->result.deleted = check->deleted.total;
    }
    if (check->deleted.file_count == 0) { // not known which rows are live
        vs_id_set_free(check->ids);
        check->ids = NULL;
    }
    VS_TRY(check_files(check, err));
    return check_index(check, err);
}

static void report_checked(struct vs_json_writer *w, const struct vs_check_result *result)
{
    vs_jw_key(w, "files");
    vs_jw_u64(w, result->files);
    vs_jw_key(w, "rows");
    vs_jw_u64(w, result->rows);
    vs_jw_key(w, "deleted");
    vs_jw_u64(w, result->deleted);
    vs_jw_key(w, "bytes");
    vs_jw_u64(w, result->bytes);
    vs_jw_key(w, "problem_count");
    vs_jw_u64(w, result->problems);
}

enum vs_status vs_check_job_run(struct vs_catalog *catalog,
                                const struct vs_table *table,
                                const struct vs_op *op,
                                struct vs_json_writer *w,
                                struct vs_check_result *result_out,
                                struct vs_error *err)
{
    struct vs_check check = {
        .env = vs_catalog_env(catalog), .store = table->store, .table = table, .op = op, .w = w};
    vs_arena_init(&check.arena, check.env, 0);
    vs_buf_init(&check.files, check.env, SIZE_MAX / 2);
    vs_jw_key(w, "problems");
    vs_jw_array_begin(w);
    enum vs_status status = run(&check, err);
    vs_jw_array_end(w);
    report_checked(w, &check.result);
    *result_out = check.result;
    vs_deleted_rows_clear(&check.deleted);
    vs_scan_plan_free(check.plan);
    vs_id_set_free(check.seen);
    vs_id_set_free(check.damaged);
    vs_id_set_free(check.live);
    vs_id_set_free(check.ids);
    vs_buf_clear(&check.files);
    vs_arena_clear(&check.arena);
    return status;
}
