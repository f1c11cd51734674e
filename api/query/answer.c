// SPDX-License-Identifier: Apache-2.0
#include "api/query/answer.h"

#include "vecstore/base/json.h"

#include <stdio.h>

enum vs_status vs_answer_new(const struct vs_env *env,
                             size_t result_count,
                             struct vs_answer **answer_out,
                             struct vs_error *err)
{
    struct vs_answer *answer = vs_alloc_zeroed(env, 1, sizeof *answer);
    if (answer == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "answer: out of memory");
    }
    answer->env = env;
    vs_arena_init(&answer->arena, env, 0);
    answer->results = vs_arena_alloc_array(&answer->arena, result_count, sizeof *answer->results);
    if (answer->results == NULL) {
        vs_answer_free(answer);
        return vs_fail(err, VS_NO_MEMORY, "answer: out of memory");
    }
    answer->result_count = result_count;
    *answer_out = answer;
    return VS_OK;
}

void vs_answer_free(struct vs_answer *answer)
{
    if (answer == NULL) {
        return;
    }
    const struct vs_env *env = answer->env;
    vs_arena_clear(&answer->arena);
    vs_free(env, answer);
}

size_t vs_answer_result_count(const struct vs_answer *answer)
{
    return answer->result_count;
}

const struct vs_result *vs_answer_result(const struct vs_answer *answer, size_t index)
{
    return index < answer->result_count ? &answer->results[index] : NULL;
}

int64_t vs_answer_snapshot_id(const struct vs_answer *answer)
{
    return answer->snapshot_id;
}

const char *vs_answer_index_uuid(const struct vs_answer *answer)
{
    return answer->index_uuid;
}

bool vs_answer_is_exact(const struct vs_answer *answer)
{
    return answer->exact;
}

const struct vs_coverage *vs_answer_coverage(const struct vs_answer *answer)
{
    return &answer->coverage;
}

const struct vs_query_stats *vs_answer_stats(const struct vs_answer *answer)
{
    return &answer->stats;
}

static void write_hit(struct vs_json_writer *w, const struct vs_hit *hit, size_t dim)
{
    vs_jw_object_begin(w);
    vs_jw_key(w, "id");
    vs_jw_raw(w, hit->id_json);
    vs_jw_key(w, "score");
    vs_jw_f32(w, hit->score);
    vs_jw_key(w, "fields");
    vs_jw_raw(w, hit->fields_json);
    if (hit->vector != NULL) {
        vs_jw_key(w, "vector");
        vs_jw_array_begin(w);
        for (size_t i = 0; i < dim; i++) {
            vs_jw_f32(w, hit->vector[i]);
        }
        vs_jw_array_end(w);
    }
    vs_jw_object_end(w);
}

static void write_result(struct vs_json_writer *w, const struct vs_result *result, size_t dim)
{
    vs_jw_object_begin(w);
    vs_jw_key(w, "hits");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < result->hit_count; i++) {
        write_hit(w, &result->hits[i], dim);
    }
    vs_jw_array_end(w);
    vs_jw_key(w, "complete");
    vs_jw_bool(w, result->complete);
    if (!result->complete) {
        vs_jw_key(w, "reason");
        vs_jw_str(w, result->reason);
    }
    vs_jw_object_end(w);
}

static void write_count(struct vs_json_writer *w, const char *key, uint64_t value)
{
    vs_jw_key(w, key);
    vs_jw_u64(w, value);
}

static void write_real(struct vs_json_writer *w, const char *key, double value)
{
    vs_jw_key(w, key);
    vs_jw_f64(w, value);
}

static void write_coverage(struct vs_json_writer *w, const struct vs_coverage *coverage)
{
    vs_jw_key(w, "coverage");
    vs_jw_object_begin(w);
    write_count(w, "rows", coverage->rows);
    write_count(w, "indexed", coverage->indexed);
    write_count(w, "scanned", coverage->scanned);
    write_count(w, "deleted", coverage->deleted);
    write_count(w, "filtered", coverage->filtered);
    write_count(w, "no_vector", coverage->no_vector);
    vs_jw_object_end(w);
}

static void write_stats(struct vs_json_writer *w, const struct vs_query_stats *stats)
{
    vs_jw_key(w, "stats");
    vs_jw_object_begin(w);
    vs_jw_key(w, "ms");
    vs_jw_object_begin(w);
    write_real(w, "total", stats->total_ms);
    write_real(w, "plan", stats->plan_ms);
    write_real(w, "probe", stats->probe_ms);
    write_real(w, "scan", stats->scan_ms);
    write_real(w, "rerank", stats->rerank_ms);
    write_real(w, "fetch", stats->fetch_ms);
    vs_jw_object_end(w);
    write_count(w, "bytes_read", stats->bytes_read);
    write_count(w, "requests", stats->requests);
    write_real(w, "usd", stats->usd);
    write_count(w, "nprobe", stats->nprobe);
    write_count(w, "rerank", stats->rerank);
    write_count(w, "codes_scanned", stats->codes_scanned);
    vs_jw_object_end(w);
}

enum vs_status vs_answer_write_json(const struct vs_answer *answer,
                                    struct vs_buf *json_out,
                                    struct vs_error *err)
{
    struct vs_json_writer w;
    char snapshot[24];
    vs_json_writer_init(&w, json_out, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "snapshot_id");
    if (answer->snapshot_id < 0) {
        vs_jw_null(&w); // an empty table
    } else {
        snprintf(snapshot, sizeof snapshot, "%lld", (long long)answer->snapshot_id);
        vs_jw_c(&w, snapshot);
    }
    vs_jw_key(&w, "index");
    vs_jw_c(&w, answer->index_uuid);
    vs_jw_key(&w, "metric");
    vs_jw_c(&w, answer->metric);
    vs_jw_key(&w, "exact");
    vs_jw_bool(&w, answer->exact);
    vs_jw_key(&w, "results");
    vs_jw_array_begin(&w);
    for (size_t i = 0; i < answer->result_count; i++) {
        write_result(&w, &answer->results[i], answer->dim);
    }
    vs_jw_array_end(&w);
    write_coverage(&w, &answer->coverage);
    write_stats(&w, &answer->stats);
    if (answer->explain_json.len > 0) {
        vs_jw_key(&w, "explain");
        vs_jw_raw(&w, answer->explain_json);
    }
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}
