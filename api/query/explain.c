// SPDX-License-Identifier: Apache-2.0
#include "api/query/explain.h"

#include <stdio.h>

static void put_count(struct vs_json_writer *w, const char *key, uint64_t value)
{
    vs_jw_key(w, key);
    vs_jw_u64(w, value);
}

static void put_real(struct vs_json_writer *w, const char *key, double value)
{
    vs_jw_key(w, key);
    vs_jw_f64(w, value);
}

static void write_plan(const struct vs_search *search, struct vs_json_writer *w)
{
    const struct vs_view *view = search->view;
    char snapshot[24];
    snprintf(snapshot, sizeof snapshot, "%lld", (long long)view->snapshot_id);
    vs_jw_key(w, "snapshot_id");
    vs_jw_c(w, snapshot);
    vs_jw_key(w, "column");
    vs_jw_str(w, search->contract->column);
    put_count(w, "files", view->file_count);
    put_count(w, "files_covered", view->covered_files);
    put_count(w, "files_scanned", search->scanned_files);
    put_count(w, "files_scanned_from_memory", search->cached_files);
    put_count(w, "segments", search->index_segments);
    vs_jw_key(w, "mask"); // how filter and deletes reach the index
    vs_jw_c(w, search->index_segments == 0
                   ? "none"
                   : (search->masked_segments == 0 ? "all rows" : "bitmap"));
    put_count(w, "segments_masked", search->masked_segments);
    put_count(w, "candidates", search->candidates);
    vs_jw_key(w, "filter");
    if (search->filter != NULL) {
        vs_jw_str(w, search->filter->text);
    } else {
        vs_jw_null(w);
    }
    vs_jw_key(w, "index");
    vs_jw_c(w, search->used_index ? view->index_uuid : "");
    vs_jw_key(w, "index_problem");
    if (search->problem[0] != '\0') {
        vs_jw_c(w, search->problem);
    } else {
        vs_jw_null(w);
    }
}

// What of the index was read so far, in this query and before: null when it is all in memory.
static void write_reads(const struct vs_search *search, struct vs_json_writer *w)
{
    const struct vs_index *index = search->view->index;
    struct vs_index_reads reads = {.complete = true};
    if (index != NULL && search->used_index) {
        reads = vs_index_reads(index);
    }
    vs_jw_key(w, "index_reads");
    if (reads.complete) {
        vs_jw_null(w);
        return;
    }
    vs_jw_object_begin(w);
    put_count(w, "ranges", reads.ranges);
    put_count(w, "rounds", reads.rounds);
    put_count(w, "bytes", reads.bytes);
    put_count(w, "background_bytes", reads.background_bytes);
    put_count(w, "lists_in_memory", reads.resident_lists);
    put_count(w, "lists", reads.list_count);
    vs_jw_object_end(w);
}

static enum vs_status write_document(const struct vs_search *search,
                                     const struct vs_query_stats *stats,
                                     struct vs_buf *out,
                                     struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, out, false);
    vs_jw_object_begin(&w);
    write_plan(search, &w);
    put_count(&w, "nprobe", stats->nprobe);
    put_count(&w, "rerank", stats->rerank);
    put_count(&w, "codes_scanned", stats->codes_scanned);
    write_reads(search, &w);
    vs_jw_key(&w, "ms");
    vs_jw_object_begin(&w);
    put_real(&w, "total", stats->total_ms);
    put_real(&w, "plan", stats->plan_ms);
    put_real(&w, "probe", stats->probe_ms);
    put_real(&w, "scan", stats->scan_ms);
    put_real(&w, "rerank", stats->rerank_ms);
    put_real(&w, "fetch", stats->fetch_ms);
    vs_jw_object_end(&w);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_explain_write(const struct vs_search *search,
                                const struct vs_query_stats *stats,
                                struct vs_arena *arena,
                                struct vs_str *json_out,
                                struct vs_error *err)
{
    struct vs_buf buf;
    vs_buf_init(&buf, arena->env, 1 << 24);
    enum vs_status status = write_document(search, stats, &buf, err);
    if (status == VS_OK) {
        *json_out = vs_arena_copy_str(arena, vs_buf_view(&buf));
        status =
            json_out->ptr == NULL ? vs_fail(err, VS_NO_MEMORY, "explain: out of memory") : VS_OK;
    }
    vs_buf_clear(&buf);
    return status;
}
