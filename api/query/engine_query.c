// SPDX-License-Identifier: Apache-2.0
/*
 * vs_engine_query: resolve, plan, search, fetch, report.
 */
#include "api/query/answer.h"
#include "api/query/explain.h"
#include "api/query/request.h"
#include "api/query/row_values.h"
#include "api/query/search_run.h"
#include "vecstore/base/pool.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_K 10
#define RESCORE_MORE 16 // candidates beyond 2 k that get exact scores

struct job {
    struct vs_engine *engine;
    struct vs_query_options options; // a copy of the size we know
    struct vs_arena arena;
    struct vs_cache_ref view_ref;
    const struct vs_view *view;
    const struct vs_vector_contract *contract;
    struct vs_filter *filter;
    struct vs_selection selection;
    struct vs_search search;
    size_t k;
    bool has_self; // like_id: this row is left out
    bool rescores; // exact scores from the table's vectors
    struct vs_row_ref self;
    float *self_vector;
    int64_t started_ns, planned_ns;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "query: out of memory");
}

static enum vs_status check_bounds(struct job *job, struct vs_error *err)
{
    const struct vs_query_options *o = &job->options;
    job->k = o->k > 0 ? o->k : DEFAULT_K;
    if (job->k > VS_MAX_K) {
        return vs_fail(err, VS_LIMIT, "k is %zu; at most %d rows can be asked for", job->k,
                       VS_MAX_K);
    }
    if (o->vector_count > VS_MAX_BATCH) {
        return vs_fail(err, VS_LIMIT, "%zu vectors in one query; at most %d", o->vector_count,
                       VS_MAX_BATCH);
    }
    bool has_vectors = o->vectors != NULL && o->vector_count > 0;
    if (has_vectors == (o->like_id.len > 0)) {
        return vs_fail(err, VS_INVALID,
                       has_vectors ? "a vector and an id are given; give one of them"
                                   : "nothing to search for: give a vector or the id of a row");
    }
    if (!(o->recall_target >= 0 && o->recall_target <= 1)) {
        return vs_fail(err, VS_INVALID, "recall_target is %g; it must lie between 0 and 1",
                       (double)o->recall_target);
    }
    if (o->has_min_score && o->min_score != o->min_score) {
        return vs_fail(err, VS_INVALID, "min_score is not a number");
    }
    return VS_OK;
}

static enum vs_status find_self(struct job *job, struct vs_error *err)
{
    const struct vs_view *view = job->view;
    struct vs_value id;
    bool found = false, present = false;
    VS_TRY(vs_row_id_parse(view, job->options.like_id, &job->arena, &id, err));
    VS_TRY(vs_row_find(view, &id, job->options.op, &job->self, &found, err));
    if (!found) {
        return vs_fail(err, VS_NOT_FOUND, "table '%s' has no row with id '%.*s' at snapshot %lld",
                       job->options.table, VS_STR_ARG(job->options.like_id),
                       (long long)view->snapshot_id);
    }
    job->self_vector = vs_arena_alloc_array(&job->arena, job->contract->dimension, sizeof(float));
    if (job->self_vector == NULL) {
        return no_memory(err);
    }
    const struct vs_row_fetch fetch = {
        .view = view, .rows = &job->self, .row_count = 1, .op = job->options.op};
    VS_TRY(vs_rows_fetch_vectors(&fetch, job->contract, job->self_vector, &present, err));
    if (!present) {
        return vs_fail(err, VS_NOT_FOUND, "row '%.*s' of table '%s' has no vector in column '%.*s'",
                       VS_STR_ARG(job->options.like_id), job->options.table,
                       VS_STR_ARG(job->contract->column));
    }
    job->has_self = true;
    job->search.queries = job->self_vector;
    job->search.query_count = 1;
    return vs_query_vector_check(job->contract, job->self_vector, job->contract->dimension,
                                 "the row's vector", err);
}

static enum vs_status take_vectors(struct job *job, struct vs_error *err)
{
    const struct vs_query_options *o = &job->options;
    if (o->like_id.len > 0) {
        return find_self(job, err);
    }
    for (size_t i = 0; i < o->vector_count; i++) {
        const float *vector = o->vectors + i * o->dim;
        enum vs_status status =
            vs_query_vector_check(job->contract, vector, o->dim, "the vector", err);
        if (status != VS_OK && o->vector_count > 1) { // which one, now that it matters
            char what[40];
            snprintf(what, sizeof what, "vector %zu", i);
            status = vs_query_vector_check(job->contract, vector, o->dim, what, err);
        }
        VS_TRY(status);
    }
    job->search.queries = o->vectors;
    job->search.query_count = o->vector_count;
    return VS_OK;
}

static enum vs_status plan(struct job *job, struct vs_error *err)
{
    const struct vs_query_options *o = &job->options;
    VS_TRY(check_bounds(job, err));
    VS_TRY(vs_view_get(job->engine, o->table, &o->at, o->op, &job->view_ref, err));
    job->view = (const struct vs_view *)job->view_ref.value;
    VS_TRY(vs_contract_find(job->view->contracts, job->view->contract_count, o->vector_column,
                            &job->contract, err));
    VS_TRY(vs_request_filter(job->view, o->filter, o->filter_json, &job->arena, &job->filter, err));
    VS_TRY(vs_request_selection(job->view, o->select, o->select_count, o->select_none, &job->arena,
                                &job->selection, err));
    VS_TRY(take_vectors(job, err));
    struct vs_search *search = &job->search;
    search->view = job->view;
    search->contract = job->contract;
    search->filter = job->filter;
    search->k = job->k + job->has_self;
    search->rescore = o->rescore && vs_search_stores_vectors(search);
    job->rescores = o->rescore && !search->rescore && !o->exact;
    search->k = job->rescores ? 2 * search->k + RESCORE_MORE : search->k;
    search->nprobe = o->nprobe;
    search->rerank = o->rerank;
    search->recall_target = o->recall_target;
    search->exact = o->exact;
    search->thread_count = job->engine->thread_count;
    search->op = o->op;
    job->planned_ns = vs_monotonic_ns(job->engine->env);
    return VS_OK;
}

// Exact scores for one query's candidates, from their vectors in the table.
static enum vs_status rescore_query(struct job *job, size_t q, float *vectors, struct vs_error *err)
{
    struct vs_search *search = &job->search;
    struct vs_ranking *ranking = &search->rankings[q];
    struct vs_row_ref *rows = vs_arena_alloc_array(&job->arena, ranking->count, sizeof *rows);
    bool *present = vs_arena_alloc_array(&job->arena, ranking->count, sizeof *present);
    if (rows == NULL || present == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < ranking->count; i++) {
        rows[i] = (struct vs_row_ref){ranking->items[i].file, ranking->items[i].position};
    }
    const struct vs_row_fetch fetch = {
        .view = job->view, .rows = rows, .row_count = ranking->count, .op = job->options.op};
    VS_TRY(vs_rows_fetch_vectors(&fetch, job->contract, vectors, present, err));
    return vs_search_rescore(search, q, vectors, present, err);
}

static enum vs_status rescore(struct job *job, struct vs_error *err)
{
    struct vs_search *search = &job->search;
    float *vectors = vs_arena_alloc_array(&job->arena, search->k * (size_t)job->contract->dimension,
                                          sizeof *vectors);
    if (vectors == NULL) {
        return no_memory(err);
    }
    for (size_t q = 0; q < search->query_count; q++) {
        VS_TRY(vs_op_check(job->engine->env, job->options.op, err));
        VS_TRY(rescore_query(job, q, vectors, err));
    }
    return VS_OK;
}

// Leaves out the row itself, rows behind k and rows below min_score. Returns how many min_score
// took.
static size_t trim(const struct job *job, struct vs_ranking *ranking)
{
    size_t kept = 0, dropped = 0;
    for (size_t i = 0; i < ranking->count && kept < job->k; i++) {
        const struct vs_ranked item = ranking->items[i];
        if (job->has_self && item.file == job->self.file && item.position == job->self.position) {
            continue;
        }
        if (job->options.has_min_score && item.score < job->options.min_score) {
            dropped++;
            continue;
        }
        ranking->items[kept++] = item;
    }
    ranking->count = kept;
    return dropped;
}

static struct vs_str explain_shortage(const struct job *job,
                                      struct vs_answer *answer,
                                      size_t found,
                                      size_t dropped)
{
    const struct vs_search *search = &job->search;
    struct vs_str column = job->contract->column;
    unsigned long long candidates = search->candidates;
    if (search->coverage.rows == 0) {
        return vs_arena_printf(&answer->arena, "the table has no rows at this snapshot");
    }
    if (dropped > 0) {
        return vs_arena_printf(&answer->arena, "only %zu rows have a score of at least %g", found,
                               (double)job->options.min_score);
    }
    if (job->filter != NULL && found + job->has_self >= candidates) {
        return vs_arena_printf(&answer->arena,
                               search->coverage.no_vector > 0
                                   ? "only %llu rows match the filter and have a vector"
                                   : "only %llu rows match the filter",
                               candidates);
    }
    if (found + job->has_self >= candidates) {
        return vs_arena_printf(
            &answer->arena, "the table has only %llu rows with a vector in column '%.*s'%s",
            candidates, VS_STR_ARG(column), job->has_self ? ", the row itself among them" : "");
    }
    return vs_arena_printf(&answer->arena,
                           "the approximate search found only %zu of %llu rows; ask with exact",
                           found, candidates);
}

// Rows of all results, one after the other.
struct hits {
    struct vs_row_ref *rows;
    uint32_t *place;
    size_t count;
    float *vectors; // NULL: not asked
    bool *present;
    struct vs_batch batch;
};

static enum vs_status gather_hits(struct job *job,
                                  struct vs_answer *answer,
                                  struct hits *hits,
                                  struct vs_error *err)
{
    struct vs_search *search = &job->search;
    for (size_t q = 0; q < search->query_count; q++) {
        struct vs_ranking *ranking = &search->rankings[q];
        size_t dropped = trim(job, ranking);
        struct vs_result *result = &answer->results[q];
        result->hit_count = ranking->count;
        result->complete = ranking->count == job->k;
        result->reason =
            result->complete ? VS_STR("") : explain_shortage(job, answer, ranking->count, dropped);
        if (result->reason.ptr == NULL) {
            return no_memory(err);
        }
        hits->count += ranking->count;
    }
    hits->rows = vs_arena_alloc_array(&job->arena, hits->count, sizeof *hits->rows);
    hits->place = vs_arena_alloc_array(&job->arena, hits->count, sizeof *hits->place);
    if (hits->rows == NULL || hits->place == NULL) {
        return no_memory(err);
    }
    size_t n = 0;
    for (size_t q = 0; q < search->query_count; q++) {
        for (size_t i = 0; i < search->rankings[q].count; i++) {
            hits->rows[n++] = (struct vs_row_ref){search->rankings[q].items[i].file,
                                                  search->rankings[q].items[i].position};
        }
    }
    return VS_OK;
}

static enum vs_status fetch_hits(struct job *job,
                                 struct vs_answer *answer,
                                 struct hits *hits,
                                 struct vs_error *err)
{
    const struct vs_row_fetch fetch = {
        job->view,  job->selection.fields, job->selection.field_count,
        hits->rows, hits->count,           job->options.op};
    VS_TRY(vs_rows_fetch(&fetch, &hits->batch, hits->place, err));
    if (!job->options.include_vector) {
        return VS_OK;
    }
    hits->vectors =
        vs_arena_alloc_array(&answer->arena, hits->count * job->contract->dimension, sizeof(float));
    hits->present = vs_arena_alloc_array(&job->arena, hits->count, sizeof *hits->present);
    if (hits->vectors == NULL || hits->present == NULL) {
        return no_memory(err);
    }
    return vs_rows_fetch_vectors(&fetch, job->contract, hits->vectors, hits->present, err);
}

static enum vs_status write_hits(struct job *job,
                                 struct vs_answer *answer,
                                 const struct hits *hits,
                                 struct vs_error *err)
{
    size_t n = 0;
    struct vs_row_json *json = vs_arena_alloc_array(&job->arena, hits->count, sizeof *json);
    struct vs_hit *out = vs_arena_alloc_array(&answer->arena, hits->count, sizeof *out);
    if (json == NULL || out == NULL) {
        return no_memory(err);
    }
    VS_TRY(vs_rows_write(&job->selection, &hits->batch, hits->place, hits->count, &answer->arena,
                         json, err));
    for (size_t q = 0; q < answer->result_count; q++) {
        struct vs_result *result = &answer->results[q];
        result->hits = out + n;
        for (size_t i = 0; i < result->hit_count; i++, n++) {
            out[n] =
                (struct vs_hit){json[n].id, job->search.rankings[q].items[i].score, json[n].fields,
                                hits->vectors != NULL && hits->present[n]
                                    ? hits->vectors + n * job->contract->dimension
                                    : NULL};
        }
    }
    return VS_OK;
}

static enum vs_status fill_head(const struct job *job,
                                struct vs_answer *answer,
                                struct vs_error *err)
{
    const struct vs_search *search = &job->search;
    answer->snapshot_id = job->view->snapshot_id;
    answer->exact = search->is_exact;
    answer->coverage = search->coverage;
    answer->stats = search->stats;
    answer->dim = job->contract->dimension;
    answer->metric = vs_arena_copy_str(&answer->arena, job->contract->metric).ptr;
    if (search->used_index) {
        memcpy(answer->index_uuid, job->view->index_uuid, sizeof answer->index_uuid);
    }
    return answer->metric == NULL ? no_memory(err) : VS_OK;
}

static enum vs_status search_task(void *ctx, size_t task, struct vs_error *err)
{
    struct job *job = (struct job *)ctx;
    if (task == 0) {
        return vs_search_run(&job->search, err);
    }
    vs_rows_prefetch(job->view, job->selection.fields, job->selection.field_count, job->options.op);
    return VS_OK;
}

// The first query of an index that is far away: what the fields need travels meanwhile.
static enum vs_status search_and_prefetch(struct job *job, struct vs_error *err)
{
    const struct vs_view *view = job->view;
    bool far = view->index != NULL && vs_store_is_remote(view->store) &&
               !vs_index_reads(view->index).complete;
    return far ? vs_pool_run(job->engine->env, 2, 2, search_task, job, err)
               : vs_search_run(&job->search, err);
}

static enum vs_status answer_job(struct job *job,
                                 struct vs_answer **answer_out,
                                 struct vs_error *err)
{
    const struct vs_env *env = job->engine->env;
    struct vs_store_counters before = {.requests = 0};
    const struct vs_store *store = vs_engine_store(job->engine, job->options.table);
    if (store != NULL) {
        before = vs_store_count(store);
    }
    VS_TRY(plan(job, err));
    if (store != job->view->store) { // first met now: what planning read is not told apart
        store = job->view->store;
        before = vs_store_count(store);
    }
    VS_TRY(search_and_prefetch(job, err));
    if (job->rescores && !job->search.is_exact) {
        VS_TRY(rescore(job, err));
    }
    struct vs_answer *answer = NULL;
    struct hits hits = {0};
    VS_TRY(vs_answer_new(env, job->search.query_count, &answer, err));
    enum vs_status status = fill_head(job, answer, err);
    int64_t fetching_ns = vs_monotonic_ns(env);
    if (status == VS_OK) {
        status = gather_hits(job, answer, &hits, err);
    }
    if (status == VS_OK) {
        status = fetch_hits(job, answer, &hits, err);
    }
    if (status == VS_OK) {
        status = write_hits(job, answer, &hits, err);
    }
    vs_batch_clear(&hits.batch);
    struct vs_store_counters after = vs_store_count(store);
    answer->stats.bytes_read = after.bytes_read - before.bytes_read;
    answer->stats.requests = after.requests - before.requests;
    answer->stats.usd = after.usd - before.usd;
    answer->stats.plan_ms = (double)(job->planned_ns - job->started_ns) / 1e6;
    answer->stats.fetch_ms = vs_ms_since(env, fetching_ns);
    answer->stats.total_ms = vs_ms_since(env, job->started_ns);
    if (status == VS_OK && job->options.explain) {
        status = vs_explain_write(&job->search, &answer->stats, &answer->arena,
                                  &answer->explain_json, err);
    }
    if (status != VS_OK) {
        vs_answer_free(answer);
        return status;
    }
    *answer_out = answer;
    return VS_OK;
}

enum vs_status vs_engine_query(struct vs_engine *engine,
                               const struct vs_query_options *options,
                               struct vs_answer **answer_out,
                               struct vs_error *err)
{
    struct job job = {.engine = engine, .started_ns = vs_monotonic_ns(engine->env)};
    memcpy(&job.options, options,
           options->size > 0 && options->size < sizeof job.options ? options->size
                                                                   : sizeof job.options);
    vs_arena_init(&job.arena, engine->env, 0);
    enum vs_status status = answer_job(&job, answer_out, err);
    vs_search_clear(&job.search);
    vs_arena_clear(&job.arena);
    vs_cache_release(&job.view_ref);
    return status;
}
