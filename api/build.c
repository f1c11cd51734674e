// SPDX-License-Identifier: Apache-2.0
#include "api/db.h"
#include "api/index_options.h"
#include "ingest/index_job.h"

#include <stddef.h>
#include <string.h>

#define MAX_QUERY_BYTES ((size_t)4 << 30)

enum vs_status vs_parse_projection(const char *text,
                                   enum vs_projection *projection_out,
                                   struct vs_error *err)
{
    if (text == NULL || strcmp(text, "pca") == 0) {
        *projection_out = VS_PROJECTION_PCA;
    } else if (strcmp(text, "opq") == 0) {
        *projection_out = VS_PROJECTION_OPQ;
    } else if (strcmp(text, "none") == 0) {
        *projection_out = VS_PROJECTION_NONE;
    } else {
        return vs_fail(err, VS_INVALID, "unknown projection '%s'; known are pca, opq and none",
                       text);
    }
    return VS_OK;
}

enum vs_status vs_parse_store(const char *text,
                              enum vs_store_vectors *store_out,
                              struct vs_error *err)
{
    if (text == NULL || strcmp(text, "none") == 0) {
        *store_out = VS_STORE_NONE;
    } else if (strcmp(text, "f16") == 0) {
        *store_out = VS_STORE_F16;
    } else if (strcmp(text, "f32") == 0) {
        *store_out = VS_STORE_F32;
    } else {
        return vs_fail(err, VS_INVALID,
                       "unknown kind of stored vectors '%s'; known are none, f16 and f32", text);
    }
    return VS_OK;
}

enum vs_status vs_parse_second(const char *text,
                               enum vs_tune_second *second_out,
                               struct vs_error *err)
{
    if (text == NULL || strcmp(text, "auto") == 0) {
        *second_out = VS_SECOND_CHOOSE;
    } else if (strcmp(text, "on") == 0) {
        *second_out = VS_SECOND_ON;
    } else if (strcmp(text, "off") == 0) {
        *second_out = VS_SECOND_OFF;
    } else {
        return vs_fail(err, VS_INVALID, "second assignment '%s'; known are auto, on and off", text);
    }
    return VS_OK;
}

enum vs_status vs_report_index_build(const char *table,
                                     const struct vs_index_job_result *result,
                                     const char *path,
                                     double ms,
                                     struct vs_buf *report,
                                     struct vs_error *err)
{
    const struct vs_index_build_result *build = &result->build;
    char uuid[VS_UUID_TEXT_SIZE];
    struct vs_json_writer w;
    vs_uuid_format(build->index_uuid, uuid);
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", table);
    vs_report_c(&w, "index", uuid);
    vs_report_id(&w, "snapshot_id", result->snapshot_id);
    vs_report_u64(&w, "rows", build->row_count);
    vs_report_u64(&w, "vectors", build->vector_count);
    vs_report_u64(&w, "bytes", build->file_size);
    vs_jw_key(&w, "recall_at_10");
    vs_jw_f32(&w, build->recall_at_10);
    vs_report_u64(&w, "lists", build->list_count);
    vs_report_u64(&w, "m", build->m);
    vs_report_bool(&w, "published", path == NULL);
    if (path != NULL) {
        vs_report_c(&w, "path", path);
    }
    if (build->resumed_model) {
        vs_report_u64(&w, "resumed_vectors", build->resumed_vectors);
    }
    vs_report_f64(&w, "ms", ms);
    vs_jw_key(&w, "phases");
    vs_jw_raw(&w,
              build->summary_json[0] != '\0' ? vs_str_from_c(build->summary_json) : VS_STR("{}"));
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

static enum vs_status run_job(struct vs_db *db,
                              const struct vs_index_options *options,
                              const struct vs_buf *queries,
                              size_t query_count,
                              size_t query_dim,
                              struct vs_buf *report,
                              struct vs_error *err)
{
    struct vs_index_job job = {
        .table = options->table,
        .list_count = options->list_count,
        .code_bytes = options->code_bytes,
        .spill_dir = options->spill_dir,
        .resume_dir = options->size > offsetof(struct vs_index_options, resume_dir)
                          ? options->resume_dir
                          : NULL,
        .min_recall = options->min_recall < 0
                          ? 0
                          : (options->min_recall > 0 ? options->min_recall : VS_DEFAULT_MIN_RECALL),
        .queries = (const float *)(const void *)queries->data,
        .query_count = query_count,
        .query_dim = query_dim,
        .seed = options->seed,
        .memory_bytes = options->memory_bytes,
        .thread_count = options->thread_count > 0 ? options->thread_count : db->thread_count,
        .op = options->op,
    };
    struct vs_index_job_result result;
    int64_t started = vs_monotonic_ns(db->env);
    VS_TRY(vs_parse_projection(options->projection, &job.projection, err));
    VS_TRY(vs_parse_store(options->store_vectors, &job.store_vectors, err));
    VS_TRY(vs_parse_second(options->second_assignment, &job.second_assignment, err));
    VS_TRY(vs_index_job_run(db->catalog, &job, &result, err));
    return vs_report_index_build(options->table, &result, NULL,
                                 (double)(vs_monotonic_ns(db->env) - started) / 1e6, report, err);
}

enum vs_status vs_db_build_index(struct vs_db *db,
                                 const struct vs_index_options *options,
                                 struct vs_buf *report,
                                 struct vs_error *err)
{
    struct vs_buf queries;
    size_t count = 0, dim = 0;
    enum vs_status status = VS_OK;
    vs_buf_init(&queries, db->env, MAX_QUERY_BYTES);
    if (options->queries != NULL) {
        status = vs_vectors_read(db->env, options->queries, NULL, &queries, &count, &dim, err);
    }
    if (status == VS_OK) {
        status = run_job(db, options, &queries, count, dim, report, err);
    }
    vs_buf_clear(&queries);
    return status;
}
