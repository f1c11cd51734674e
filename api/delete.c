// SPDX-License-Identifier: Apache-2.0
#include "api/db.h"
#include "api/filter_rows.h"
#include "api/id_texts.h"
#include "vecstore/iceberg/contract.h"

static enum vs_status report_delete(const char *table,
                                    const struct vs_delete_result *result,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", table);
    vs_report_id(&w, "snapshot_id", result->snapshot_id);
    vs_report_u64(&w, "deleted", result->deleted);
    vs_report_u64(&w, "not_found", result->not_found);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

static enum vs_status delete_ids(struct vs_db *db,
                                 const struct vs_delete_options *options,
                                 struct vs_delete_result *result_out,
                                 struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct vs_id_set *ids = NULL;
    struct vs_delete_job job = {
        .table = options->table, .op = options->op, .branch = options->branch};
    VS_TRY(vs_catalog_load(db->catalog, options->table, &table, err));
    enum vs_status status =
        vs_id_texts_parse(db->env, table, options->ids, options->id_count, &ids, err);
    if (status == VS_OK) {
        job.ids = ids;
        status = vs_delete_job_run(db->catalog, &job, result_out, err);
    }
    vs_id_set_free(ids);
    vs_table_release(table);
    return status;
}

static enum vs_status delete_matching(struct vs_db *db,
                                      const struct vs_delete_options *options,
                                      struct vs_delete_result *result_out,
                                      struct vs_error *err)
{
    struct vs_filter_rows rows = {
        .engine = db->engine,
        .match = {.filter = options->filter, .filter_json = options->filter_json},
        .op = options->op};
    struct vs_delete_job job = {.table = options->table,
                                .find = vs_filter_rows_find,
                                .find_ctx = &rows,
                                .op = options->op,
                                .branch = options->branch};
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_load(db->catalog, options->table, &table, err));
    rows.match.store = table->store;
    vs_table_release(table);
    return vs_delete_job_run(db->catalog, &job, result_out, err);
}

enum vs_status vs_db_delete(struct vs_db *db,
                            const struct vs_delete_options *options,
                            struct vs_buf *report,
                            struct vs_error *err)
{
    bool has_filter = options->filter != NULL || options->filter_json.len > 0;
    if (has_filter == (options->id_count > 0)) {
        return vs_fail(err, VS_INVALID, "deleting from table %s: give either ids or a filter",
                       options->table);
    }
    struct vs_delete_result result;
    VS_TRY(has_filter ? delete_matching(db, options, &result, err)
                      : delete_ids(db, options, &result, err));
    return report_delete(options->table, &result, report, err);
}
