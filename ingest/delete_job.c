// SPDX-License-Identifier: Apache-2.0
#include "ingest/row_change.h"

static enum vs_status commit_deletes(struct vs_catalog *catalog,
                                     const struct vs_delete_job *job,
                                     struct vs_row_change *change,
                                     struct vs_delete_result *result,
                                     struct vs_error *err)
{
    struct vs_intent intent = {
        .operation = "delete", .rebase = vs_row_change_rebase, .rebase_ctx = change};
    struct vs_commit_result committed = {0};
    VS_TRY(vs_catalog_commit(catalog, job->table, &intent, job->op, &committed, err));
    result->snapshot_id = committed.snapshot_id;
    result->deleted = change->deleted_rows;
    vs_table_release(committed.table);
    return VS_OK;
}

enum vs_status vs_delete_job_run(struct vs_catalog *catalog,
                                 const struct vs_delete_job *job,
                                 struct vs_delete_result *result_out,
                                 struct vs_error *err)
{
    struct vs_row_change change;
    struct vs_delete_result result = {.snapshot_id = VS_NO_SNAPSHOT};
    struct vs_error reason = {0};
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_load(catalog, job->table, &table, err)); // for the store of its files
    vs_row_change_init(&change, vs_catalog_env(catalog), table->store, VS_ROW_CHANGE_DELETE);
    vs_table_release(table);
    change.ids = job->ids;
    change.find = job->find;
    change.find_ctx = job->find_ctx;
    change.op = job->op;
    change.branch = job->branch;
    enum vs_status status = commit_deletes(catalog, job, &change, &result, &reason);
    uint64_t found_ids = change.distinct_ids;
    bool nothing_left = change.nothing_left;
    vs_row_change_clear(&change, status);
    if (status != VS_OK && !nothing_left) {
        return vs_fail(err, status, "deleting from table %s: %s", job->table, reason.message);
    }
    result.not_found = job->ids != NULL ? vs_id_set_count(job->ids) - found_ids : 0;
    *result_out = result;
    return VS_OK;
}
