// SPDX-License-Identifier: Apache-2.0
#include "api/db.h"
#include "ingest/check_job.h"

static enum vs_status check_loaded(struct vs_db *db,
                                   const struct vs_table *table,
                                   const struct vs_op *op,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    struct vs_json_writer w;
    struct vs_check_result result;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", table->name);
    vs_report_id(&w, "snapshot_id", table->metadata->current_snapshot_id);
    VS_TRY(vs_check_job_run(db->catalog, table, op, &w, &result, err));
    vs_report_bool(&w, "ok", result.problems == 0);
    vs_jw_object_end(&w);
    VS_TRY(vs_json_writer_finish(&w, err));
    if (result.problems > 0) {
        return vs_fail(err, VS_CORRUPT, "table %s has %llu problems; the report names each object",
                       table->name, (unsigned long long)result.problems);
    }
    return VS_OK;
}

enum vs_status vs_db_check_table(struct vs_db *db,
                                 const char *table_name,
                                 const struct vs_op *op,
                                 struct vs_buf *report,
                                 struct vs_error *err)
{
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_load(db->catalog, table_name, &table, err));
    enum vs_status status = check_loaded(db, table, op, report, err);
    vs_table_release(table);
    return status;
}
