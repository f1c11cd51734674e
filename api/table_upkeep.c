// SPDX-License-Identifier: Apache-2.0
// Expiry of snapshots and removal of orphan files.
#include "api/db.h"
#include "ingest/expire_job.h"
#include "ingest/orphan_job.h"
#include "vecstore/base/datetime.h"

#include <stdio.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define DEFAULT_ORPHAN_AGE_MS (3 * DAY_MS)

// "7d", "12h", "30m", "10s", "2w": milliseconds; false for other texts.
static bool read_age(struct vs_str text, int64_t *ms_out)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', DAY_MS}, {'w', 7 * DAY_MS}};

    uint64_t number;
    if (text.len < 2 ||
        vs_parse_u64((struct vs_str){text.ptr, text.len - 1}, &number, NULL) != VS_OK ||
        number > 1000000000) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text.ptr[text.len - 1] == units[i].unit) {
            *ms_out = (int64_t)number * units[i].ms;
            return true;
        }
    }
    return false;
}

// A date, a timestamp (UTC) or an age before now -> wall clock.
static enum vs_status read_time(const struct vs_env *env,
                                const char *text,
                                int64_t *wall_ms_out,
                                struct vs_error *err)
{
    int64_t age, micros;
    if (read_age(vs_str_from_c(text), &age)) {
        *wall_ms_out = vs_wall_ms(env) - age;
    } else if (vs_timestamp_parse(vs_str_from_c(text), &micros, NULL, NULL) == VS_OK) {
        *wall_ms_out = micros / 1000;
    } else {
        return vs_fail(err, VS_INVALID,
                       "'%.60s' is no time: give a date (2025-01-31), a timestamp in UTC or an age "
                       "as in 7d, 12h, 30m, 0s",
                       text);
    }
    if (*wall_ms_out <= 0) {
        return vs_fail(err, VS_INVALID, "'%.60s' lies before 1970", text);
    }
    return VS_OK;
}

// ---- expire ----

static void write_removed(struct vs_json_writer *w, const struct vs_expire_result *result)
{
    static const char *const names[VS_TABLE_FILE_KINDS] = {"manifest_lists",   "manifests",
                                                           "data_files",       "delete_files",
                                                           "statistics_files", "metadata_files"};
    vs_jw_key(w, "removed");
    vs_jw_object_begin(w);
    for (size_t i = 0; i < VS_TABLE_FILE_KINDS; i++) {
        vs_report_u64(w, names[i], result->removed[i]);
    }
    vs_report_u64(w, "bytes", result->bytes);
    vs_jw_object_end(w);
}

static enum vs_status report_expire(const struct vs_expire_options *options,
                                    const struct vs_expire_result *result,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", options->table);
    vs_jw_key(&w, "expired");
    vs_jw_array_begin(&w);
    for (size_t i = 0; i < result->expired_count; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)result->expired[i]);
        vs_jw_c(&w, text);
    }
    vs_jw_array_end(&w);
    vs_report_u64(&w, "dropped_refs", result->dropped_refs);
    write_removed(&w, result);
    vs_report_bool(&w, "dry_run", options->dry_run);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_db_expire(struct vs_db *db,
                            const struct vs_expire_options *options,
                            struct vs_buf *report,
                            struct vs_error *err)
{
    struct vs_expire_job job = {.table = options->table,
                                .retain_last = options->retain_last,
                                .snapshot_ids = options->snapshot_ids,
                                .snapshot_id_count = options->snapshot_id_count,
                                .dry_run = options->dry_run,
                                .op = options->op};
    struct vs_expire_result result;
    if (options->older_than != NULL) {
        VS_TRY(read_time(db->env, options->older_than, &job.older_than_ms, err));
    }
    VS_TRY(vs_expire_job_run(db->catalog, &job, &result, err));
    enum vs_status status = report_expire(options, &result, report, err);
    vs_expire_result_clear(&result);
    return status;
}

// ---- orphans ----

static enum vs_status report_orphans(const struct vs_orphan_options *options,
                                     const struct vs_orphan_result *result,
                                     struct vs_buf *report,
                                     struct vs_error *err)
{
    struct vs_buf uri;
    struct vs_json_writer w;
    enum vs_status status = VS_OK;
    vs_buf_init(&uri, report->env, SIZE_MAX / 2);
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", options->table);
    vs_jw_key(&w, "orphans");
    vs_jw_array_begin(&w);
    for (size_t i = 0; status == VS_OK && i < result->count; i++) {
        const struct vs_orphan *orphan = &result->orphans[i];
        vs_buf_reset(&uri);
        status = vs_buf_printf(&uri, err, "%s/%s", result->root_uri, orphan->key);
        vs_jw_object_begin(&w);
        vs_report_str(&w, "path", vs_buf_view(&uri));
        vs_report_u64(&w, "bytes", orphan->bytes);
        vs_report_time(&w, "modified", orphan->modified_ms);
        vs_jw_object_end(&w);
    }
    vs_jw_array_end(&w);
    vs_report_u64(&w, "bytes", result->bytes);
    vs_report_u64(&w, "removed", result->removed);
    vs_report_bool(&w, "dry_run", !options->remove);
    vs_jw_object_end(&w);
    vs_buf_clear(&uri);
    return status == VS_OK ? vs_json_writer_finish(&w, err) : status;
}

enum vs_status vs_db_remove_orphans(struct vs_db *db,
                                    const struct vs_orphan_options *options,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    int64_t now_ms = vs_wall_ms(db->env);
    struct vs_orphan_job job = {.table = options->table,
                                .older_than_ms = now_ms - DEFAULT_ORPHAN_AGE_MS,
                                .remove = options->remove,
                                .op = options->op};
    struct vs_orphan_result result;
    if (options->older_than != NULL) {
        VS_TRY(read_time(db->env, options->older_than, &job.older_than_ms, err));
    }
    if (job.older_than_ms > now_ms - DAY_MS && !options->force) {
        return vs_fail(err, VS_INVALID,
                       "table %s: files younger than one day may belong to a write under way; say "
                       "--force when no writer is at work",
                       options->table);
    }
    VS_TRY(vs_orphan_job_run(db->catalog, &job, &result, err));
    enum vs_status status = report_orphans(options, &result, report, err);
    vs_orphan_result_clear(&result);
    return status;
}
