// SPDX-License-Identifier: Apache-2.0
// True recall of the queries that an index build kept, on the newest snapshot.
#include "api/db.h"
#include "api/index_current.h"
#include "index/index_canary.h"

#include <stdio.h>

#define WORST_LOSS 0.01

// What vs_engine_recall reports.
struct measured {
    double recall, low, high;
    int64_t queries;
    struct vs_str snapshot_id;
};

static enum vs_status read_measured(const struct vs_json *root, struct measured *out)
{
    const struct vs_json *ci = vs_json_get(root, "ci95"), *bound;
    struct vs_json_iter iter;
    bool complete = vs_json_to_f64(vs_json_get(root, "recall"), &out->recall) &&
                    vs_json_to_i64(vs_json_get(root, "queries"), &out->queries);
    vs_json_iter_init(&iter, ci);
    complete = complete && vs_json_iter_next(&iter, NULL, &bound) &&
               vs_json_to_f64(bound, &out->low) && vs_json_iter_next(&iter, NULL, &bound) &&
               vs_json_to_f64(bound, &out->high);
    (void)vs_json_to_str(vs_json_get(root, "snapshot_id"), &out->snapshot_id);
    return complete ? VS_OK : VS_INTERNAL;
}

static enum vs_status write_report(const struct vs_canary_options *options,
                                   const struct vs_index_info *info,
                                   const struct vs_canary *canary,
                                   const struct measured *measured,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    struct vs_json_writer w;
    char uuid[VS_UUID_TEXT_SIZE];
    bool has_fallen = measured->high < (double)canary->recall - WORST_LOSS;
    vs_uuid_format(info->index_uuid, uuid);
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", options->table);
    vs_report_c(&w, "index", uuid);
    vs_report_f64(&w, "recall", measured->recall);
    vs_jw_key(&w, "ci95");
    vs_jw_array_begin(&w);
    vs_jw_f64(&w, measured->low);
    vs_jw_f64(&w, measured->high);
    vs_jw_array_end(&w);
    vs_report_f64(&w, "expected", (double)canary->recall);
    vs_report_u64(&w, "queries", (uint64_t)measured->queries);
    vs_report_c(&w, "kind", canary->given ? "given" : "rows with noise");
    vs_report_u64(&w, "k", canary->k);
    vs_report_str(&w, "snapshot_id", measured->snapshot_id);
    vs_report_c(&w, "advice",
                has_fallen ? "recall has fallen by more than one point since the build: build the "
                             "index anew"
                           : "");
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

static enum vs_status measure(struct vs_db *db,
                              const struct vs_canary_options *options,
                              const struct vs_index *index,
                              size_t column,
                              struct vs_buf *report,
                              struct vs_error *err)
{
    struct vs_canary canary;
    uint8_t *bytes = NULL;
    struct vs_buf answer;
    struct vs_json_doc *doc = NULL;
    struct measured measured = {0};
    char name[256];
    VS_TRY(vs_index_read_canary(index, column, &canary, &bytes, err));
    (void)snprintf(name, sizeof name, "%.*s",
                   VS_STR_ARG(vs_index_info(index)->columns[column].name));
    const struct vs_recall_options recall = {.size = sizeof recall,
                                             .table = options->table,
                                             .vector_column = name,
                                             .k = canary.k,
                                             .recall_target = canary.target,
                                             .op = options->op};
    const struct vs_recall_queries queries = {canary.queries, canary.count, canary.dim};
    vs_buf_init(&answer, db->env, 1 << 20);
    enum vs_status status = vs_engine_recall(db->engine, &recall, &queries, &answer, err);
    if (status == VS_OK) {
        status = vs_json_parse(db->env, vs_buf_view(&answer), "recall", NULL, &doc, err);
    }
    if (status == VS_OK) {
        status = read_measured(vs_json_root(doc), &measured);
    }
    if (status == VS_OK) {
        status = write_report(options, vs_index_info(index), &canary, &measured, report, err);
    }
    vs_json_free(doc);
    vs_buf_clear(&answer);
    vs_free(db->env, bytes);
    return status;
}

enum vs_status vs_db_check_canary(struct vs_db *db,
                                  const struct vs_canary_options *options,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    struct vs_index_current current = {0};
    size_t column = 0;
    enum vs_status status = vs_index_current_open(db, options->table, true, &current, err);
    if (status == VS_OK) {
        status = vs_index_current_column(&current, options->vector_column, &column, err);
    }
    if (status == VS_OK) {
        status = measure(db, options, current.index, column, report, err);
    }
    vs_index_current_close(&current);
    return status;
}
