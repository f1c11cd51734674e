// SPDX-License-Identifier: Apache-2.0
// Compaction of data files.
#include "api/db.h"
#include "api/query/filter_predicate.h"
#include "ingest/compact_job.h"

struct filter_binding {
    struct vs_str text;
    struct vs_arena arena; // of the newest binding
};

static enum vs_status bind_filter(void *ctx,
                                  const struct vs_table_metadata *metadata,
                                  const struct vs_predicate **predicate_out,
                                  struct vs_error *err)
{
    struct filter_binding *binding = ctx;
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    vs_arena_clear(&binding->arena);
    VS_TRY(vs_filter_parse_text(binding->text, &binding->arena, &root, err));
    VS_TRY(vs_filter_bind(root, vs_table_current_schema(metadata), &binding->arena, &filter, err));
    return vs_filter_predicate(filter, &binding->arena, predicate_out, err);
}

static enum vs_status report_compaction(const struct vs_compact_options *options,
                                        const struct vs_compact_result *result,
                                        struct vs_buf *report,
                                        struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", options->table);
    vs_report_id(&w, "snapshot_id", result->snapshot_id);
    vs_report_u64(&w, "rewritten_files", result->rewritten_files);
    vs_report_u64(&w, "added_files", result->added_files);
    vs_report_u64(&w, "removed_delete_files", result->removed_delete_files);
    vs_report_u64(&w, "rows", result->rows);
    vs_report_u64(&w, "bytes_before", result->bytes_before);
    vs_report_u64(&w, "bytes_after", result->bytes_after);
    vs_report_c(&w, "index", result->index);
    vs_report_bool(&w, "dry_run", options->dry_run);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_db_compact(struct vs_db *db,
                             const struct vs_compact_options *options,
                             struct vs_buf *report,
                             struct vs_error *err)
{
    struct vs_compact_result result = {0};
    struct vs_compact_job job = {.table = options->table,
                                 .target_bytes = options->target_bytes,
                                 .min_bytes = options->min_bytes,
                                 .min_files = options->min_files,
                                 .dry_run = options->dry_run,
                                 .thread_count = db->thread_count,
                                 .op = options->op};
    struct filter_binding binding = {.text = VS_STR("")};
    vs_arena_init(&binding.arena, db->env, 0);
    if (options->filter != NULL) {
        binding.text = vs_str_from_c(options->filter);
        job.bind = bind_filter;
        job.bind_ctx = &binding;
    }
    enum vs_status status = vs_compact_job_run(db->catalog, &job, &result, err);
    vs_arena_clear(&binding.arena);
    return status == VS_OK ? report_compaction(options, &result, report, err) : status;
}
