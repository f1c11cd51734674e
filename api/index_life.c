// SPDX-License-Identifier: Apache-2.0
// Refresh, merge and rollback of a table's index. Shapes are documented in vecstore.h.
#include "api/db.h"
#include "api/index_options.h"
#include "ingest/index_refresh.h"
#include "ingest/index_rollback.h"

static void report_uuid(struct vs_json_writer *w, const char *key, struct vs_uuid uuid)
{
    char text[VS_UUID_TEXT_SIZE];
    vs_uuid_format(uuid, text);
    vs_report_c(w, key, text);
}

static void report_drift(struct vs_json_writer *w, const struct vs_refresh_result *result)
{
    vs_jw_key(w, "drift");
    if (result->drift.count == 0) {
        vs_jw_null(w);
        return;
    }
    vs_jw_object_begin(w);
    vs_report_u64(w, "vectors", result->drift.count);
    vs_report_f64(w, "error", (double)result->drift.error);
    vs_report_f64(w, "trained_error", (double)result->baseline.error);
    vs_report_f64(w, "energy", (double)result->drift.energy);
    vs_report_f64(w, "trained_energy", (double)result->baseline.energy);
    vs_report_f64(w, "far_share", (double)result->drift.far_share);
    vs_report_f64(w, "gini", (double)result->drift.gini);
    vs_report_f64(w, "longest_to_mean", (double)result->drift.longest_to_mean);
    vs_jw_object_end(w);
}

static void report_warnings(struct vs_json_writer *w, const struct vs_refresh_result *result)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{VS_DRIFT_ERROR, "codes-less-exact"},
                 {VS_DRIFT_ENERGY, "projection-loses-more"},
                 {VS_DRIFT_FAR, "far-from-lists"}};

    vs_jw_key(w, "warnings");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((result->warnings & names[i].bit) != 0) {
            vs_jw_c(w, names[i].name);
        }
    }
    if (result->outgrown) {
        vs_jw_c(w, "outgrown");
    }
    vs_jw_array_end(w);
}

static enum vs_status report_refresh(const struct vs_refresh_options *options,
                                     const struct vs_refresh_result *result,
                                     double ms,
                                     struct vs_buf *report,
                                     struct vs_error *err)
{
    static const char *const actions[] = {"nothing", "registered", "extended", "joined", "rebuilt"};
    struct vs_json_writer w;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", options->table);
    vs_report_c(&w, "action", actions[result->kind]);
    report_uuid(&w, "index", result->index_uuid);
    vs_report_id(&w, "snapshot_id", result->snapshot_id);
    vs_report_u64(&w, "new_rows", result->new_rows);
    vs_report_u64(&w, "new_files", result->new_files);
    vs_report_u64(&w, "rows", result->rows);
    vs_report_u64(&w, "live_rows", result->live_rows);
    vs_report_u64(&w, "segments", result->segments);
    vs_report_u64(&w, "segments_before", result->segments_before);
    vs_report_u64(&w, "joined", result->joined);
    vs_report_u64(&w, "bytes", result->file_size);
    vs_report_u64(&w, "copied_bytes", result->copied_bytes);
    report_drift(&w, result);
    report_warnings(&w, result);
    vs_report_c(&w, "advice", result->advice);
    vs_report_f64(&w, "ms", ms);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_db_refresh_index(struct vs_db *db,
                                   const struct vs_refresh_options *options,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    const struct vs_refresh_job job = {
        .table = options->table,
        .merge = options->merge,
        .memory_bytes = options->memory_bytes,
        .thread_count = options->thread_count > 0 ? options->thread_count : db->thread_count,
        .spill_dir = options->spill_dir,
        .min_recall = VS_DEFAULT_MIN_RECALL,
        .op = options->op};
    struct vs_refresh_result result;
    int64_t started = vs_monotonic_ns(db->env);
    VS_TRY(vs_refresh_job_run(db->catalog, &job, &result, err));
    return report_refresh(options, &result, (double)(vs_monotonic_ns(db->env) - started) / 1e6,
                          report, err);
}

enum vs_status vs_db_rollback_index(struct vs_db *db,
                                    const struct vs_index_rollback_options *options,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    const struct vs_rollback_job job = {
        .table = options->table, .to = options->to, .op = options->op};
    struct vs_rollback_result result;
    struct vs_json_writer w;
    VS_TRY(vs_rollback_job_run(db->catalog, &job, &result, err));
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", options->table);
    report_uuid(&w, "index", result.index_uuid);
    report_uuid(&w, "former", result.former_uuid);
    vs_report_id(&w, "snapshot_id", result.index_snapshot_id);
    vs_report_u64(&w, "rows", result.rows);
    vs_report_u64(&w, "bytes", result.file_size);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}
