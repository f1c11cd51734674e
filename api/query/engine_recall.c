// SPDX-License-Identifier: Apache-2.0
/*
 * vs_engine_recall: the share of the exact top k that approximate answers find, over the same rows
 * of one snapshot.
 *
 * Queries are rows drawn by seed (each left out of its own answers) or given. The confidence
 * interval is the normal approximation over per-query recalls, mean +- 1.96 s / sqrt(n), cut to [0,
 * 1].
 */
#include "api/query/request.h"
#include "api/query/search_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_NUM 100
#define DEFAULT_K 10
#define MAX_NUM 10000
#define DRAW_TRIES 4 // oversampling for rows whose vector turns out unusable

struct recall_job {
    struct vs_engine *engine;
    struct vs_recall_options options;
    struct vs_arena arena;
    struct vs_cache_ref view_ref;
    const struct vs_view *view;
    const struct vs_vector_contract *contract;
    struct vs_filter *filter;
    size_t k, count;
    float *queries;          // [count][dim]
    struct vs_row_ref *self; // NULL: queries were given
    double *recalls;
    struct vs_search approximate, exact;
    double approximate_ms, exact_ms;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "recall: out of memory");
}

static uint64_t next_random(uint64_t *state) // splitmix64
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

// `room` distinct live rows (all when there are fewer) by selection sampling, then shuffled;
// vectors are not looked at.
static enum vs_status draw_rows(struct recall_job *job,
                                size_t room,
                                struct vs_row_ref *rows,
                                size_t *count_out,
                                struct vs_error *err)
{
    const struct vs_view *view = job->view;
    uint64_t live = view->row_count - view->deleted_rows,
             state = job->options.seed != 0 ? job->options.seed : 1;
    size_t count = 0;
    uint64_t seen = 0;
    for (size_t f = 0; f < view->file_count; f++) {
        VS_TRY(vs_op_check(view->engine->env, job->options.op, err));
        for (uint64_t p = 0, d = 0; p < view->files[f].row_count; p++) {
            if (d < view->files[f].deleted_count && view->files[f].deleted[d] == p) {
                d++;
                continue;
            }
            uint64_t left = live - seen++;
            if (count < room && next_random(&state) % left < room - count) {
                rows[count++] = (struct vs_row_ref){f, p};
            }
        }
    }
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(next_random(&state) % i);
        struct vs_row_ref swap = rows[i - 1];
        rows[i - 1] = rows[j];
        rows[j] = swap;
    }
    *count_out = count;
    return VS_OK;
}

static enum vs_status draw_queries(struct recall_job *job, struct vs_error *err)
{
    size_t wanted = job->count, room = wanted * DRAW_TRIES, drawn = 0,
           dim = job->contract->dimension;
    struct vs_row_ref *rows = vs_arena_alloc_array(&job->arena, room, sizeof *rows);
    job->self = vs_arena_alloc_array(&job->arena, wanted, sizeof *job->self);
    job->queries = vs_arena_alloc_array(&job->arena, wanted * dim, sizeof(float));
    bool *present = vs_arena_alloc_array(&job->arena, wanted, sizeof *present);
    float *vectors = vs_arena_alloc_array(&job->arena, wanted * dim, sizeof(float));
    if (rows == NULL || job->self == NULL || job->queries == NULL || present == NULL ||
        vectors == NULL) {
        return no_memory(err);
    }
    VS_TRY(draw_rows(job, room, rows, &drawn, err));
    job->count = 0;
    for (size_t first = 0; first < drawn && job->count < wanted; first += wanted) {
        size_t n = drawn - first < wanted ? drawn - first : wanted;
        const struct vs_row_fetch fetch = {
            .view = job->view, .rows = rows + first, .row_count = n, .op = job->options.op};
        VS_TRY(vs_rows_fetch_vectors(&fetch, job->contract, vectors, present, err));
        for (size_t i = 0; i < n && job->count < wanted; i++) {
            if (!present[i] || vs_query_vector_check(job->contract, vectors + i * dim, dim, "row",
                                                     NULL) != VS_OK) {
                continue;
            }
            memcpy(job->queries + job->count * dim, vectors + i * dim, dim * sizeof(float));
            job->self[job->count++] = rows[first + i];
        }
    }
    return job->count > 0
               ? VS_OK
               : vs_fail(
                     err, VS_NOT_FOUND,
                     "table '%s' has no rows with a vector in column '%.*s' to draw queries from",
                     job->options.table, VS_STR_ARG(job->contract->column));
}

static enum vs_status take_queries(struct recall_job *job,
                                   const struct vs_recall_queries *given,
                                   struct vs_error *err)
{
    size_t dim = job->contract->dimension, count = given->count;
    const float *queries = given->vectors;
    if (given->dim != dim) {
        return vs_fail(err, VS_INVALID,
                       "the queries have %zu dimensions, vector column '%.*s' has %zu", given->dim,
                       VS_STR_ARG(job->contract->column), dim);
    }
    if (count > MAX_NUM) {
        return vs_fail(err, VS_LIMIT, "recall: %zu queries; at most %d", count, MAX_NUM);
    }
    job->queries = vs_arena_alloc_array(&job->arena, count * dim, sizeof(float));
    if (job->queries == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        char what[32];
        snprintf(what, sizeof what, "query %zu", i);
        VS_TRY(vs_query_vector_check(job->contract, queries + i * dim, dim, what, err));
    }
    memcpy(job->queries, queries, count * dim * sizeof(float));
    job->count = count;
    return VS_OK;
}

static enum vs_status run_search(struct recall_job *job,
                                 struct vs_search *search,
                                 bool exact,
                                 double *ms_out,
                                 struct vs_error *err)
{
    search->view = job->view;
    search->contract = job->contract;
    search->filter = job->filter;
    search->queries = job->queries;
    search->query_count = job->count;
    search->k = job->k + (job->self != NULL);
    search->nprobe = exact ? 0 : job->options.nprobe;
    search->rerank = exact ? 0 : job->options.rerank;
    search->recall_target = job->options.recall_target;
    search->exact = exact;
    search->thread_count =
        exact ? job->engine->thread_count : 1; // the approximate rate is that of one thread
    search->op = job->options.op;
    int64_t start = vs_monotonic_ns(job->engine->env);
    VS_TRY(vs_search_run(search, err));
    *ms_out = vs_ms_since(job->engine->env, start);
    return VS_OK;
}

// The first k of a ranking without the query's own row.
static size_t leave_out(const struct recall_job *job,
                        size_t q,
                        const struct vs_ranking *ranking,
                        struct vs_ranked *out)
{
    size_t count = 0;
    for (size_t i = 0; i < ranking->count && count < job->k; i++) {
        const struct vs_ranked *item = &ranking->items[i];
        if (job->self == NULL || item->file != job->self[q].file ||
            item->position != job->self[q].position) {
            out[count++] = *item;
        }
    }
    return count;
}

static enum vs_status compare_answers(struct recall_job *job, struct vs_error *err)
{
    struct vs_ranked *found = vs_arena_alloc_array(&job->arena, job->k, sizeof *found);
    struct vs_ranked *truth = vs_arena_alloc_array(&job->arena, job->k, sizeof *truth);
    job->recalls = vs_arena_alloc_array(&job->arena, job->count, sizeof *job->recalls);
    if (found == NULL || truth == NULL || job->recalls == NULL) {
        return no_memory(err);
    }
    for (size_t q = 0; q < job->count; q++) {
        size_t found_count = leave_out(job, q, &job->approximate.rankings[q], found);
        size_t truth_count = leave_out(job, q, &job->exact.rankings[q], truth), hits = 0;
        for (size_t i = 0; i < truth_count; i++) {
            for (size_t j = 0; j < found_count; j++) {
                hits += found[j].file == truth[i].file && found[j].position == truth[i].position;
            }
        }
        job->recalls[q] = truth_count > 0 ? (double)hits / (double)truth_count : 1;
    }
    return VS_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void put_real(struct vs_json_writer *w, const char *key, double value)
{
    vs_jw_key(w, key);
    vs_jw_f64(w, value);
}

static enum vs_status write_report(struct recall_job *job,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    double n = (double)job->count, sum = 0, squares = 0;
    for (size_t q = 0; q < job->count; q++) {
        sum += job->recalls[q];
    }
    double mean = sum / n;
    for (size_t q = 0; q < job->count; q++) {
        squares += (job->recalls[q] - mean) * (job->recalls[q] - mean);
    }
    double half = job->count > 1 ? 1.96 * sqrt(squares / (n - 1) / n) : 0;
    qsort(job->recalls, job->count, sizeof *job->recalls, compare_doubles);
    struct vs_json_writer w;
    char snapshot[24];
    snprintf(snapshot, sizeof snapshot, "%lld", (long long)job->view->snapshot_id);
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    put_real(&w, "recall", mean);
    vs_jw_key(&w, "ci95");
    vs_jw_array_begin(&w);
    vs_jw_f64(&w, fmax(0, mean - half));
    vs_jw_f64(&w, fmin(1, mean + half));
    vs_jw_array_end(&w);
    put_real(&w, "p5", job->recalls[(size_t)(0.05 * (n - 1))]);
    vs_jw_key(&w, "k");
    vs_jw_u64(&w, job->k);
    vs_jw_key(&w, "queries");
    vs_jw_u64(&w, job->count);
    vs_jw_key(&w, "asked");
    vs_jw_c(&w, job->self != NULL ? "rows" : "given");
    put_real(&w, "ms_approx", job->approximate_ms / n);
    put_real(&w, "ms_exact", job->exact_ms / n);
    put_real(&w, "qps_approx", job->approximate_ms > 0 ? 1000 * n / job->approximate_ms : 0);
    put_real(&w, "qps_exact", job->exact_ms > 0 ? 1000 * n / job->exact_ms : 0);
    vs_jw_key(&w, "exact");
    vs_jw_bool(&w, job->approximate.is_exact);
    vs_jw_key(&w, "nprobe");
    vs_jw_u64(&w, job->approximate.stats.nprobe);
    vs_jw_key(&w, "rerank");
    vs_jw_u64(&w, job->approximate.stats.rerank);
    vs_jw_key(&w, "snapshot_id");
    vs_jw_c(&w, snapshot);
    vs_jw_key(&w, "index");
    vs_jw_c(&w, job->approximate.used_index ? job->view->index_uuid : "");
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

static enum vs_status run_recall(struct recall_job *job,
                                 const struct vs_recall_queries *given,
                                 struct vs_buf *report,
                                 struct vs_error *err)
{
    const struct vs_recall_options *o = &job->options;
    struct vs_str no_json = {NULL, 0};
    job->k = o->k > 0 ? o->k : DEFAULT_K;
    job->count = o->num > 0 ? o->num : DEFAULT_NUM;
    if (job->k > VS_MAX_K || job->count > MAX_NUM) {
        return vs_fail(err, VS_LIMIT, "recall: %zu queries with k %zu; at most %d queries and k %d",
                       job->count, job->k, MAX_NUM, VS_MAX_K);
    }
    if (!(o->recall_target >= 0 && o->recall_target <= 1)) {
        return vs_fail(err, VS_INVALID, "recall_target is %g; it must lie between 0 and 1",
                       (double)o->recall_target);
    }
    VS_TRY(vs_view_get(job->engine, o->table, &o->at, o->op, &job->view_ref, err));
    job->view = (const struct vs_view *)job->view_ref.value;
    VS_TRY(vs_contract_find(job->view->contracts, job->view->contract_count, o->vector_column,
                            &job->contract, err));
    VS_TRY(vs_request_filter(job->view, o->filter, no_json, &job->arena, &job->filter, err));
    if (given != NULL && given->count > 0) {
        VS_TRY(take_queries(job, given, err));
    } else {
        VS_TRY(draw_queries(job, err));
    }
    VS_TRY(run_search(job, &job->exact, true, &job->exact_ms,
                      err)); // first: it also warms masks and caches
    VS_TRY(run_search(job, &job->approximate, false, &job->approximate_ms, err));
    VS_TRY(compare_answers(job, err));
    return write_report(job, report, err);
}

enum vs_status vs_engine_recall(struct vs_engine *engine,
                                const struct vs_recall_options *options,
                                const struct vs_recall_queries *given,
                                struct vs_buf *report,
                                struct vs_error *err)
{
    struct recall_job job = {.engine = engine};
    memcpy(&job.options, options,
           options->size > 0 && options->size < sizeof job.options ? options->size
                                                                   : sizeof job.options);
    vs_arena_init(&job.arena, engine->env, 0);
    enum vs_status status = run_recall(&job, given, report, err);
    vs_search_clear(&job.exact);
    vs_search_clear(&job.approximate);
    vs_arena_clear(&job.arena);
    vs_cache_release(&job.view_ref);
    return status;
}
