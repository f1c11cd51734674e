// SPDX-License-Identifier: Apache-2.0
#include "api/query/search_run.h"

#include "api/query/row_bits.h"
#include "api/query/row_set.h"
#include "api/query/vector_scan.h"
#include "simd/kernels.h"
#include "vecstore/base/pool.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCORE_ROWS 256 // rows scored at a time

struct unit { // a segment searched through the index
    size_t segment;
    struct vs_cache_ref set;
    bool has_lists;
};

struct query_stats {
    int64_t probe_ns, scan_ns, rerank_ns;
    uint64_t codes;
    uint32_t nprobe, rerank;
    bool approximate;
};

struct run {
    struct vs_search *search;
    size_t column; // of the index
    size_t unit_count;
    struct unit *units;
    struct vs_index_target *targets; // units with lists, searched together
    size_t target_count;
    size_t batch;    // queries a task takes
    bool *scan_file; // per file of the view: scanned exactly
    enum vs_metric metric;
    const float *prepared; // unit vectors for cosine, else the queries; NULL: not yet needed
    float *owned;
    struct query_stats *per_query;
    void *block; // all of these
};

// One block of vectors against the queries.
struct block_task {
    struct run *run;
    const struct vs_vector_block *block;
    const uint64_t *bits;
    uint32_t file;
};

bool vs_is_damage(enum vs_status status)
{
    return status == VS_CORRUPT || status == VS_UNAVAILABLE || status == VS_NOT_FOUND ||
           status == VS_UNSUPPORTED;
}

enum vs_status vs_query_vector_check(const struct vs_vector_contract *contract,
                                     const float *vector,
                                     size_t dim,
                                     const char *what,
                                     struct vs_error *err)
{
    if (dim != contract->dimension) {
        return vs_fail(err, VS_INVALID,
                       "%s has %zu dimensions, column '%.*s' has %u; embed the question with the "
                       "table's model",
                       what, dim, VS_STR_ARG(contract->column), contract->dimension);
    }
    float squares = 0;
    vs_kernels_get()->dot_f32(vector, vector, dim, 1, &squares);
    if (squares > 0 && isfinite(squares)) { // so is every element, and one is not zero
        return VS_OK;
    }
    bool all_zero = true;
    for (size_t i = 0; i < dim; i++) {
        if (!isfinite(vector[i])) {
            return vs_fail(err, VS_INVALID,
                           "%s: element %zu is %s; every element must be a finite number", what, i,
                           isnan(vector[i]) ? "NaN" : "infinite");
        }
        all_zero = all_zero && vector[i] == 0;
    }
    if (all_zero && vs_str_equal_c(contract->metric, "cosine")) {
        return vs_fail(err, VS_INVALID,
                       "%s is zero, which has no direction: cosine is not defined for it", what);
    }
    return VS_OK;
}

// ---- planning ----

static bool segment_is_searchable(const struct vs_search *search, size_t segment, size_t column)
{
    const struct vs_view *view = search->view;
    return view->segments[segment].used &&
           (!search->exact || view->info->segments[segment].is_small ||
            view->info->columns[column].has_exact_rows);
}

// A moved file may have rows in several segments: it is scanned as a whole or not at all.
static bool segments_are_searchable(const struct vs_search *search, size_t column)
{
    const struct vs_view *view = search->view;
    for (size_t s = 0; view->info->moved_count > 0 && s < view->segment_count; s++) {
        if (view->segments[s].used && !segment_is_searchable(search, s, column)) {
            return false;
        }
    }
    return true;
}

static enum vs_status plan_units(struct run *run, struct vs_error *err)
{
    struct vs_search *search = run->search;
    const struct vs_view *view = search->view;
    for (size_t i = 0; i < view->file_count; i++) {
        run->scan_file[i] = true;
    }
    bool by_index = run->column != SIZE_MAX && segments_are_searchable(search, run->column);
    for (size_t s = 0; by_index && s < view->segment_count; s++) {
        if (!segment_is_searchable(search, s, run->column)) {
            continue;
        }
        struct unit *unit = &run->units[run->unit_count];
        VS_TRY(vs_op_check(view->engine->env, search->op, err));
        VS_TRY(vs_row_set_get(view, search->filter, s, run->column, search->op, &unit->set, err));
        unit->segment = s;
        run->unit_count++;
        const struct vs_row_set *set = (const struct vs_row_set *)unit->set.value;
        unit->has_lists = !search->exact && vs_index_has_lists(view->index, s, run->column);
        if (unit->has_lists && set->with_vector > 0) {
            run->targets[run->target_count++] = (struct vs_index_target){s, set->mask};
        }
        search->coverage.indexed += view->segments[s].covered_rows;
        search->coverage.filtered += set->live - set->matched;
        search->coverage.no_vector += set->matched - set->with_vector;
        search->masked_segments += set->mask != NULL;
        for (size_t i = 0; i < view->segments[s].file_count; i++) {
            run->scan_file[view->segments[s].files[i]] = false;
        }
    }
    search->used_index = run->unit_count > 0;
    search->index_segments = run->unit_count;
    return VS_OK;
}

// Queries as the exact scan wants them: unit length for cosine. Nothing where they are there.
static enum vs_status prepare_queries(struct run *run, struct vs_error *err)
{
    struct vs_search *search = run->search;
    size_t dim = search->contract->dimension;
    if (run->prepared != NULL || run->metric != VS_METRIC_COSINE) {
        run->prepared = run->prepared != NULL ? run->prepared : search->queries;
        return VS_OK;
    }
    run->owned =
        vs_alloc_aligned(search->view->engine->env, search->query_count * dim * sizeof(float) + 1);
    if (run->owned == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query: out of memory");
    }
    for (size_t q = 0; q < search->query_count; q++) {
        const float *x = search->queries + q * dim;
        double sum = 0;
        for (size_t i = 0; i < dim; i++) {
            sum += (double)x[i] * (double)x[i];
        }
        double scale = sum > 0 ? 1 / sqrt(sum) : 0;
        for (size_t i = 0; i < dim; i++) {
            run->owned[q * dim + i] = (float)((double)x[i] * scale);
        }
    }
    run->prepared = run->owned;
    return VS_OK;
}

// ---- through the index ----

static enum vs_status push_index_hits(const struct run *run,
                                      const struct vs_index_hit *hits,
                                      size_t count,
                                      struct vs_ranking *ranking,
                                      struct vs_error *err)
{
    const struct vs_view *view = run->search->view;
    for (size_t i = 0; i < count; i++) {
        size_t file;
        uint64_t position;
        if (!vs_view_locate(view, hits[i].segment, hits[i].row, &file, &position)) {
            return vs_fail(err, VS_CORRUPT,
                           "index %s: row %u of segment %u belongs to no file of the snapshot",
                           view->index_uuid, hits[i].row, hits[i].segment);
        }
        const struct vs_ranked item = {hits[i].score, (uint32_t)file, (uint32_t)position};
        vs_ranking_push(ranking, &item);
    }
    return VS_OK;
}

static void add_index_stats(struct query_stats *into, const struct vs_index_stats *stats)
{
    into->probe_ns += stats->probe_ns;
    into->scan_ns += stats->scan_ns;
    into->rerank_ns += stats->rerank_ns;
    into->codes += stats->scanned;
    into->nprobe = stats->nprobe > into->nprobe ? stats->nprobe : into->nprobe;
    into->rerank = stats->rerank > into->rerank ? stats->rerank : into->rerank;
    into->approximate = into->approximate || !stats->exact;
}

static struct vs_index_query query_of(const struct run *run)
{
    const struct vs_search *search = run->search;
    return (struct vs_index_query){.column = run->column,
                                   .k = search->k,
                                   .nprobe = search->nprobe,
                                   .rerank = search->rerank,
                                   .recall_target = search->recall_target,
                                   .exact = search->exact,
                                   .op = search->op};
}

// Queries [first, first + count) in all units with lists at once.
static enum vs_status search_targets(struct run *run,
                                     size_t first,
                                     size_t count,
                                     struct vs_index_hit *hits,
                                     size_t *counts,
                                     struct vs_index_scratch *scratch,
                                     struct vs_error *err)
{
    struct vs_search *search = run->search;
    struct vs_index_query query = query_of(run);
    struct vs_index_stats stats = {0};
    query.targets = run->targets;
    query.target_count = run->target_count;
    query.rescore = search->rescore;
    query.vector = search->queries + first * search->contract->dimension;
    VS_TRY(vs_index_search_batch(search->view->index, &query, count, scratch, hits, counts, &stats,
                                 err));
    add_index_stats(&run->per_query[first], &stats);
    for (size_t i = 0; i < count; i++) {
        VS_TRY(push_index_hits(run, hits + i * search->k, counts[i], &search->rankings[first + i],
                               err));
    }
    return VS_OK;
}

// One query in the units without lists, or exactly, one after the other.
static enum vs_status search_flat(struct run *run,
                                  size_t q,
                                  struct vs_index_hit *hits,
                                  struct vs_index_scratch *scratch,
                                  struct vs_error *err)
{
    struct vs_search *search = run->search;
    for (size_t u = 0; u < run->unit_count; u++) {
        const struct vs_row_set *set = (const struct vs_row_set *)run->units[u].set.value;
        if (set->with_vector == 0 || run->units[u].has_lists) {
            continue;
        }
        struct vs_index_query query = query_of(run);
        struct vs_index_stats stats = {0};
        size_t count = 0;
        query.segment = run->units[u].segment;
        query.mask = set->mask;
        query.vector = search->queries + q * search->contract->dimension;
        VS_TRY(vs_index_search(search->view->index, &query, scratch, hits, &count, &stats, err));
        VS_TRY(push_index_hits(run, hits, count, &search->rankings[q], err));
        add_index_stats(&run->per_query[q], &stats);
    }
    return VS_OK;
}

static enum vs_status search_some(void *ctx, size_t task, struct vs_error *err)
{
    struct run *run = (struct run *)ctx;
    struct vs_search *search = run->search;
    struct vs_engine *engine = search->view->engine;
    size_t first = task * run->batch, left = search->query_count - first;
    size_t count = left < run->batch ? left : run->batch;
    struct vs_engine_scratch *scratch = NULL;
    size_t *counts =
        vs_alloc(engine->env, count * (sizeof *counts + search->k * sizeof(struct vs_index_hit)));
    struct vs_index_hit *hits = counts != NULL ? (struct vs_index_hit *)(counts + count) : NULL;
    enum vs_status status = counts != NULL ? vs_engine_take_scratch(engine, &scratch, err)
                                           : vs_fail(err, VS_NO_MEMORY, "query: out of memory");
    if (status == VS_OK && run->target_count > 0) {
        status = search_targets(run, first, count, hits, counts, scratch->scratch, err);
    }
    for (size_t q = first; status == VS_OK && q < first + count; q++) {
        status = search_flat(run, q, hits, scratch->scratch, err);
    }
    vs_engine_give_scratch(engine, scratch);
    vs_free(engine->env, counts);
    return status;
}

// Each thread takes a share of the queries; what several of them look at is looked at together.
static enum vs_status search_index(struct run *run, struct vs_error *err)
{
    struct vs_search *search = run->search;
    size_t threads = search->query_count > 1 ? search->thread_count : 1;
    if (search->query_count == 0) {
        return VS_OK;
    }
    run->batch = (search->query_count + threads - 1) / threads;
    size_t tasks = (search->query_count + run->batch - 1) / run->batch;
    return vs_pool_run(search->view->engine->env, threads, tasks, search_some, run, err);
}

// ---- exact scans ----

static void score_rows(
    const struct run *run, const float *query, const float *rows, size_t count, float *scores)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t dim = run->search->contract->dimension;
    if (run->metric == VS_METRIC_L2) {
        kernels->l2_f32(query, rows, dim, count, scores);
    } else {
        kernels->dot_f32(query, rows, dim, count, scores);
    }
}

static void push_score(const struct block_task *task,
                       size_t row,
                       float score,
                       struct vs_ranking *ranking)
{
    if (task->block->scales != NULL) {
        score *= task->block->scales[row];
    }
    if (task->run->metric == VS_METRIC_L2) {
        score = -score;
    }
    if (isnan(score)) { // overflow of huge elements
        score = -FLT_MAX;
    }
    if (score < vs_ranking_least(ranking)) {
        return;
    }
    const struct vs_ranked item = {score, task->file, task->block->positions[row]};
    vs_ranking_push(ranking, &item);
}

static void score_some(const struct block_task *task,
                       const float *query,
                       size_t first,
                       size_t count,
                       struct vs_ranking *ranking)
{
    const struct vs_vector_block *block = task->block;
    size_t dim = task->run->search->contract->dimension, allowed = 0;
    uint16_t rows[SCORE_ROWS] = {0};
    float scores[SCORE_ROWS];
    for (size_t i = 0; i < count; i++) {
        rows[allowed] = (uint16_t)i;
        allowed += vs_bits_test(task->bits, block->positions[first + i]);
    }
    if (allowed * 4 > count * 3) { // nearly all: one call
        score_rows(task->run, query, block->rows + first * dim, count, scores);
        for (size_t i = 0; i < allowed; i++) {
            push_score(task, first + rows[i], scores[rows[i]], ranking);
        }
        return;
    }
    for (size_t i = 0; i < allowed; i++) {
        score_rows(task->run, query, block->rows + (first + rows[i]) * dim, 1, scores);
        push_score(task, first + rows[i], scores[0], ranking);
    }
}

static enum vs_status score_block(void *ctx, size_t q, struct vs_error *err)
{
    const struct block_task *task = (const struct block_task *)ctx;
    struct vs_search *search = task->run->search;
    const float *query = task->run->prepared + q * search->contract->dimension;
    for (size_t first = 0; first < task->block->count; first += SCORE_ROWS) {
        if (first % ((size_t)SCORE_ROWS * 64) == 0) {
            VS_TRY(vs_op_check(search->view->engine->env, search->op, err));
        }
        size_t left = task->block->count - first;
        score_some(task, query, first, left < SCORE_ROWS ? left : SCORE_ROWS, &search->rankings[q]);
    }
    return VS_OK;
}

static enum vs_status visit_block(void *ctx,
                                  const struct vs_vector_block *block,
                                  struct vs_error *err)
{
    struct block_task *task = (struct block_task *)ctx;
    struct vs_search *search = task->run->search;
    uint64_t candidates = 0;
    for (size_t i = 0; i < block->count; i++) {
        candidates += vs_bits_test(task->bits, block->positions[i]);
    }
    search->candidates += candidates;
    search->stats.codes_scanned += candidates;
    task->block = block;
    return vs_pool_run(search->view->engine->env,
                       search->query_count > 1 ? search->thread_count : 1,
                       candidates > 0 ? search->query_count : 0, score_block, task, err);
}

static enum vs_status scan_file(struct run *run, size_t f, struct vs_error *err)
{
    struct vs_search *search = run->search;
    const struct vs_view *view = search->view;
    const struct vs_env *env = view->engine->env;
    const struct vs_view_file *file = &view->files[f];
    const struct vs_vector_scan scan = {view, search->contract, f, search->op};
    uint64_t *bits = vs_alloc_zeroed(env, vs_bits_words(file->row_count) + 1, sizeof *bits);
    struct vs_cache_ref ref = {0};
    enum vs_status status =
        bits == NULL ? vs_fail(err, VS_NO_MEMORY, "query: out of memory") : VS_OK;
    if (status == VS_OK) {
        status = vs_file_rows(view, search->filter, f, search->op, bits, err);
    }
    uint64_t matched = status == VS_OK ? vs_bits_count(bits, file->row_count) : 0,
             before = search->candidates;
    struct block_task task = {.run = run, .bits = bits, .file = (uint32_t)f};
    if (status == VS_OK && matched > 0 && vs_vectors_fit(&scan)) {
        status = vs_vectors_get(&scan, &ref, err);
        if (status == VS_OK) {
            search->cached_files++;
            status = visit_block(&task, (const struct vs_vector_block *)ref.value, err);
        }
    } else if (status == VS_OK && matched > 0) {
        status = vs_vectors_stream(&scan, visit_block, &task, err);
    }
    vs_cache_release(&ref);
    vs_free(env, bits);
    search->scanned_files++;
    search->coverage.scanned += file->row_count;
    search->coverage.filtered += file->row_count - file->deleted_count - matched;
    search->coverage.no_vector += matched - (search->candidates - before);
    return status;
}

static enum vs_status scan_files(struct run *run, struct vs_error *err)
{
    const struct vs_search *search = run->search;
    for (size_t f = 0; f < search->view->file_count; f++) {
        if (run->scan_file[f]) {
            VS_TRY(vs_op_check(search->view->engine->env, search->op, err));
            VS_TRY(prepare_queries(run, err));
            VS_TRY(scan_file(run, f, err));
        }
    }
    return VS_OK;
}

// ---- the whole ----

static enum vs_status run_all(struct run *run, struct vs_error *err)
{
    struct vs_search *search = run->search;
    const struct vs_env *env = search->view->engine->env;
    VS_TRY(vs_metric_parse(search->contract->metric, &run->metric, err));
    VS_TRY(plan_units(run, err));
    for (size_t u = 0; u < run->unit_count; u++) {
        search->candidates += ((const struct vs_row_set *)run->units[u].set.value)->with_vector;
    }
    if (run->unit_count > 0) {
        VS_TRY(search_index(run, err));
    }
    int64_t start = vs_monotonic_ns(env);
    VS_TRY(scan_files(run, err));
    search->stats.scan_ms += vs_ms_since(env, start);
    return VS_OK;
}

static void sum_up(struct run *run)
{
    struct vs_search *search = run->search;
    search->is_exact = true;
    for (size_t q = 0; q < search->query_count; q++) {
        const struct query_stats *stats = &run->per_query[q];
        search->stats.probe_ms += (double)stats->probe_ns / 1e6;
        search->stats.scan_ms += (double)stats->scan_ns / 1e6;
        search->stats.rerank_ms += (double)stats->rerank_ns / 1e6;
        search->stats.codes_scanned += stats->codes;
        search->stats.nprobe =
            stats->nprobe > search->stats.nprobe ? stats->nprobe : search->stats.nprobe;
        search->stats.rerank =
            stats->rerank > search->stats.rerank ? stats->rerank : search->stats.rerank;
        search->is_exact = search->is_exact && !stats->approximate;
        vs_ranking_finish(&search->rankings[q]);
    }
}

static void reset_answer(struct vs_search *search)
{
    const struct vs_view *view = search->view;
    search->coverage = (struct vs_coverage){.rows = view->row_count, .deleted = view->deleted_rows};
    search->candidates = 0;
    search->stats = (struct vs_query_stats){0};
    search->used_index = search->is_exact = false;
    search->index_segments = search->masked_segments = search->scanned_files =
        search->cached_files = 0;
    for (size_t q = 0; q < search->query_count; q++) {
        search->rankings[q] =
            (struct vs_ranking){.items = search->items + q * search->k, .room = search->k};
    }
}

// One zeroed block for what a run needs; its counts are those of things in memory.
static bool make_room(struct run *run)
{
    const struct vs_search *search = run->search;
    size_t segments = search->view->segment_count, files = search->view->file_count;
    size_t fixed = segments * (sizeof *run->units + sizeof *run->targets) +
                   search->query_count * sizeof *run->per_query;
    run->block = vs_alloc_zeroed(search->view->engine->env, fixed + files + 1, 1);
    if (run->block == NULL) {
        return false;
    }
    run->per_query = run->block;
    run->units = (struct unit *)(run->per_query + search->query_count);
    run->targets = (struct vs_index_target *)(run->units + segments);
    run->scan_file = (bool *)(run->targets + segments);
    return true;
}

static enum vs_status try_run(struct vs_search *search, size_t column, struct vs_error *err)
{
    const struct vs_env *env = search->view->engine->env;
    struct run run = {.search = search, .column = column};
    reset_answer(search);
    enum vs_status status =
        make_room(&run) ? run_all(&run, err) : vs_fail(err, VS_NO_MEMORY, "query: out of memory");
    if (status == VS_OK) {
        sum_up(&run);
    }
    for (size_t u = 0; run.block != NULL && u < search->view->segment_count; u++) {
        vs_cache_release(&run.units[u].set);
    }
    vs_free(env, run.block);
    vs_free_aligned(env, run.owned);
    return status;
}

enum vs_status vs_search_run(struct vs_search *search, struct vs_error *err)
{
    const struct vs_view *view = search->view;
    const struct vs_env *env = view->engine->env;
    search->rankings = vs_alloc_zeroed(env, search->query_count + 1, sizeof *search->rankings);
    search->items = vs_alloc(env, (search->query_count * search->k + 1) * sizeof *search->items);
    if (search->rankings == NULL || search->items == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query: out of memory");
    }
    const char *reason = "";
    size_t column = vs_view_index_column(view, search->contract, &reason);
    if (reason[0] != '\0') {
        snprintf(search->problem, sizeof search->problem, "%s", reason);
    }
    struct vs_error why = {0};
    enum vs_status status = try_run(search, column, &why);
    if (vs_is_damage(status) && column != SIZE_MAX) {
        vs_log(env, VS_LOG_WARN, "query", "index_search_failed",
               "index=%s reason=\"%s\" effect=\"exact scans\"", view->index_uuid, why.message);
        snprintf(search->problem, sizeof search->problem, "%s", why.message);
        status = try_run(search, SIZE_MAX, &why);
    }
    return status == VS_OK ? VS_OK : vs_fail(err, status, "%s", why.message);
}

bool vs_search_stores_vectors(const struct vs_search *search)
{
    const char *reason = "";
    size_t column = vs_view_index_column(search->view, search->contract, &reason);
    return column != SIZE_MAX && search->view->info->columns[column].has_exact_rows;
}

// As the exact scan scores: both scaled to unit length for cosine.
static float exact_score(enum vs_metric metric, const float *query, const float *vector, size_t dim)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    float score = 0, length = 0;
    if (metric == VS_METRIC_L2) {
        kernels->l2_f32(query, vector, dim, 1, &score);
        return -score;
    }
    kernels->dot_f32(query, vector, dim, 1, &score);
    if (metric == VS_METRIC_COSINE) {
        kernels->dot_f32(vector, vector, dim, 1, &length);
        score = length > 0 ? score / sqrtf(length) : 0;
        kernels->dot_f32(query, query, dim, 1, &length);
        score = length > 0 ? score / sqrtf(length) : 0;
    }
    return score;
}

enum vs_status vs_search_rescore(struct vs_search *search,
                                 size_t q,
                                 const float *vectors,
                                 const bool *present,
                                 struct vs_error *err)
{
    struct vs_ranking *ranking = &search->rankings[q];
    size_t dim = search->contract->dimension, count = ranking->count;
    enum vs_metric metric;
    VS_TRY(vs_metric_parse(search->contract->metric, &metric, err));
    ranking->count = 0;
    ranking->is_heap = false;
    for (size_t i = 0; i < count; i++) { // i items never reach beyond item i
        struct vs_ranked item = ranking->items[i];
        if (present[i]) {
            item.score = exact_score(metric, search->queries + q * dim, vectors + i * dim, dim);
        }
        vs_ranking_push(ranking, &item);
    }
    vs_ranking_finish(ranking);
    return VS_OK;
}

void vs_search_clear(struct vs_search *search)
{
    if (search->view != NULL) {
        vs_free(search->view->engine->env, search->rankings);
        vs_free(search->view->engine->env, search->items);
    }
    search->rankings = NULL;
    search->items = NULL;
}
