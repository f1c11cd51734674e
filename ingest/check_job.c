// SPDX-License-Identifier: Apache-2.0
#include "ingest/check_job.h"

#include "index/index.h"
#include "ingest/gate.h"
#include "vecstore/iceberg/contract.h"
#include "vecstore/iceberg/stats_file.h"

#include <stdio.h>

#define ROWS_PER_READ 4096
#define MAX_REPORTED 100

struct check {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table *table;
    const struct vs_op *op;
    struct vs_json_writer *w;
    struct vs_arena arena;
    struct vs_scan_plan *plan;
    struct vs_deleted_rows deleted;
    struct vs_vector_contract *contracts;
    size_t contract_count;
    struct vs_check_result result;
};

static void report(struct check *check, struct vs_str object, const char *problem)
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

// A failure that says nothing about the table (no memory, stopped) ends the check; any other is a
// finding about `object`.
static enum vs_status finding(struct check *check,
                              struct vs_str object,
                              enum vs_status status,
                              const struct vs_error *problem,
                              struct vs_error *err)
{
    if (status == VS_NO_MEMORY || status == VS_CANCELLED || status == VS_TIMEOUT) {
        return vs_fail(err, status, "%s", problem->message);
    }
    if (status != VS_OK) {
        report(check, object, problem->message);
    }
    return VS_OK;
}

// The gate judges rows that are there already by the same rules as new ones; ids may repeat across
// files only when one is deleted, which needs the whole table: here they are checked within a file.
static enum vs_status check_rows(struct check *check,
                                 const struct vs_data_file *data,
                                 struct vs_file_scan *scan,
                                 struct vs_gate *gate,
                                 struct vs_batch *batch,
                                 struct vs_error *err)
{
    uint64_t rows = 0;
    uint8_t accept[ROWS_PER_READ];
    for (;;) {
        uint64_t first = 0;
        vs_batch_reset(batch);
        VS_TRY(vs_op_check(check->env, check->op, err));
        VS_TRY(vs_file_scan_next(scan, ROWS_PER_READ, batch, &first, err));
        if (batch->row_count == 0) {
            break;
        }
        struct vs_gate_reject reject;
        size_t rejected = 0;
        VS_TRY(vs_gate_check(gate, batch, accept, &reject, &rejected, err));
        if (rejected > 0) {
            char text[320];
            snprintf(text, sizeof text,
                     "%zu rows break the table's contract, the first is row %llu: %s", rejected,
                     (unsigned long long)first + reject.row, reject.reason);
            report(check, data->path, text);
        }
        rows += batch->row_count;
        check->result.rows += batch->row_count;
        vs_op_progress(check->op, "reading rows", check->result.rows, check->plan->record_count,
                       "rows");
    }
    if (rows != (uint64_t)data->record_count) {
        return vs_fail(err, VS_CORRUPT, "holds %llu rows, its manifest says %lld",
                       (unsigned long long)rows, (long long)data->record_count);
    }
    return VS_OK;
}

static enum vs_status open_and_check_rows(struct check *check,
                                          const struct vs_data_file *data,
                                          struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(check->table->metadata);
    struct vs_file_scan *scan = NULL;
    struct vs_gate *gate = NULL;
    struct vs_batch batch = {0};
    enum vs_status status =
        vs_batch_init(&batch, check->env, schema->fields, schema->field_count, err);
    if (status == VS_OK) {
        status =
            vs_gate_open(check->env, schema, check->contracts, check->contract_count, &gate, err);
    }
    if (status == VS_OK) {
        status = vs_file_scan_open(check->env, check->store, check->table->metadata, data,
                                   schema->fields, schema->field_count, &scan, err);
    }
    if (status == VS_OK) {
        status = check_rows(check, data, scan, gate, &batch, err);
    }
    vs_file_scan_close(scan);
    vs_gate_free(gate);
    vs_batch_clear(&batch);
    return status;
}

static enum vs_status check_size(struct check *check,
                                 const struct vs_data_file *data,
                                 struct vs_error *err)
{
    struct vs_buf key;
    struct vs_file *file = NULL;
    vs_buf_init(&key, check->env, 8192);
    enum vs_status status = vs_store_key(check->store, data->path, &key, err);
    if (status == VS_OK) {
        status = vs_file_open(check->store, vs_buf_c_str(&key), &file, err);
    }
    if (status == VS_OK && file->size != (uint64_t)data->file_size) {
        status = vs_fail(err, VS_CORRUPT, "is %llu bytes long, its manifest says %lld",
                         (unsigned long long)file->size, (long long)data->file_size);
    }
    vs_file_close(file);
    vs_buf_clear(&key);
    return status;
}

static enum vs_status check_file(struct check *check, size_t index, struct vs_error *err)
{
    const struct vs_data_file *data = &check->plan->files[index].data;
    struct vs_error problem = {0};
    check->result.files++;
    check->result.bytes += (uint64_t)data->file_size;
    enum vs_status status = check_size(check, data, &problem);
    if (status == VS_OK) {
        status = open_and_check_rows(check, data, &problem);
    }
    VS_TRY(finding(check, data->path, status, &problem, err));
    size_t count = check->deleted.file_count > index ? check->deleted.counts[index] : 0;
    if (count > 0 && check->deleted.positions[index][count - 1] >= (uint64_t)data->record_count) {
        report(check, data->path, "a delete file names a position beyond its last row");
    }
    return VS_OK;
}

static enum vs_status check_index_file(struct check *check,
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

static enum vs_status check_index(struct check *check, struct vs_error *err)
{
    struct vs_statistics entry;
    if (!vs_stats_file_find(check->table->metadata, check->table->metadata->current_snapshot_id,
                            &entry)) {
        return VS_OK;
    }
    struct vs_error problem = {0};
    enum vs_status status = check_index_file(check, &entry, &problem);
    return finding(check, entry.path, status, &problem, err);
}

static enum vs_status run(struct check *check, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = check->table->metadata;
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    const struct vs_str metadata_name = vs_str_from_c(check->table->metadata_uri);
    struct vs_error problem = {0};
    for (size_t i = 0; i < schema->field_count; i++) {
        if (!vs_field_is_readable(&schema->fields[i])) {
            return vs_fail(
                err, VS_UNSUPPORTED, "column '%.*s' has type %.*s, which cannot be checked",
                VS_STR_ARG(schema->fields[i].name), VS_STR_ARG(schema->fields[i].other_type));
        }
    }
    enum vs_status status = vs_contracts_read(metadata, schema, &check->arena, &check->contracts,
                                              &check->contract_count, &problem);
    VS_TRY(finding(check, metadata_name, status, &problem, err));
    status = vs_scan_plan_make(check->env, check->store, metadata, metadata->current_snapshot_id,
                               &check->plan, &problem);
    if (status != VS_OK) { // without the manifests there is nothing more to look at
        return finding(check, metadata_name, status, &problem, err);
    }
    status = vs_deleted_rows_read(check->env, check->store, check->table->metadata, check->plan,
                                  &check->deleted, &problem);
    VS_TRY(finding(check, metadata_name, status, &problem, err));
    check->result.deleted = check->deleted.total;
    for (size_t i = 0; i < check->plan->file_count; i++) {
        VS_TRY(check_file(check, i, err));
    }
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
    struct check check = {.env = vs_catalog_env(catalog),
                          .store = table->store,
                          .table = table,
                          .op = op,
                          .w = w};
    vs_arena_init(&check.arena, check.env, 0);
    vs_jw_key(w, "problems");
    vs_jw_array_begin(w);
    enum vs_status status = run(&check, err);
    vs_jw_array_end(w);
    report_checked(w, &check.result);
    *result_out = check.result;
    vs_deleted_rows_clear(&check.deleted);
    vs_scan_plan_free(check.plan);
    vs_arena_clear(&check.arena);
    return status;
}
