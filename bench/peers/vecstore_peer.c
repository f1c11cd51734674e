// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/vecstore_peer.h"

#include "api/vecstore.h"
#include "bench/bench_disk.h"
#include "bench/bench_index.h"
#include "index/index.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_K 1000
#define MAX_THREADS 16
#define MAX_SEGMENTS 64

struct vecstore_peer {
    const struct vs_env *env;
    // by the public interface
    struct vs_db *db;
    char *table;
    size_t dim;
    // by the index library
    char *path;
    struct bench_disk_file file;
    bool is_open;
    struct vs_index *index;
    struct vs_index_scratch *scratch[MAX_THREADS];
    struct vs_index_target targets[MAX_SEGMENTS];
    size_t target_count;

    struct vs_index_query setting;
    struct vecstore_peer_counts counts;
    struct bench_limits limits;
    bool is_measured;
};

struct worker {
    struct vecstore_peer *peer;
    const float *vectors;
    uint32_t first, step, count, k;
    int64_t *ids;
    unsigned number;
    int result;
    char message[2048];
};

static _Thread_local char last_error[2048];

static int fail(const char *what, const struct vs_error *err)
{
    snprintf(last_error, sizeof last_error, "%s: %s", what,
             err != NULL ? err->message : strerror(errno));
    return -1;
}

const char *vecstore_peer_error(void)
{
    return last_error;
}

// ---- build ----

static enum vs_status build_table(struct vs_db *db,
                                  const struct vs_ingest_options *ingest,
                                  const struct vs_index_options *build,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    VS_TRY(vs_buf_append_c(report, "{\"ingest\":", err));
    VS_TRY(vs_db_ingest(db, ingest, report, err));
    VS_TRY(vs_buf_append_c(report, ",\"index\":", err));
    VS_TRY(vs_db_build_index(db, build, report, err));
    return vs_buf_append_c(report, "}", err);
}

int vecstore_peer_build(const char *warehouse,
                        const char *table,
                        const char *npy,
                        const char *queries,
                        unsigned thread_count,
                        char *report,
                        size_t size)
{
    const struct vs_env *env = vs_env_default();
    struct vs_error err = {0};
    struct vs_db *db = NULL;
    struct vs_buf text;
    struct vs_db_options options = {.size = sizeof options,
                                    .warehouse = warehouse,
                                    .create = true,
                                    .thread_count = thread_count};
    struct vs_ingest_options ingest = {
        .size = sizeof ingest, .table = table, .files = &npy, .file_count = 1, .create = true};
    struct vs_index_options build = {.size = sizeof build,
                                     .table = table,
                                     .thread_count = thread_count,
                                     .min_recall = -1.0F,
                                     .queries = queries};
    int result = 0;
    vs_buf_init(&text, env, 1 << 20);
    if (vs_db_open(env, &options, &db, &err) != VS_OK ||
        build_table(db, &ingest, &build, &text, &err) != VS_OK) {
        result = fail(npy, &err);
    } else {
        snprintf(report, size, "%s", vs_buf_c_str(&text));
    }
    vs_buf_clear(&text);
    vs_db_close(db);
    return result;
}

// ---- opening ----

static struct vecstore_peer *new_peer(void)
{
    struct vecstore_peer *peer = calloc(1, sizeof *peer);
    if (peer != NULL) {
        peer->env = vs_env_default();
    }
    return peer;
}

static bool open_index(struct vecstore_peer *peer, const char *path)
{
    struct vs_error err = {0};
    peer->path = strdup(path);
    if (peer->path == NULL || !bench_disk_open(&peer->file, peer->path)) {
        (void)fail(path, NULL);
        return false;
    }
    peer->is_open = true;
    if (vs_index_open(peer->env, &peer->file.base, NULL, &peer->index, &err) != VS_OK) {
        (void)fail(path, &err);
        return false;
    }
    const struct vs_index_info *info = vs_index_info(peer->index);
    peer->dim = info->columns[0].dim;
    for (size_t i = 0; i < info->segment_count; i++) {
        if (!info->segments[i].is_small && peer->target_count < MAX_SEGMENTS) {
            peer->targets[peer->target_count++] = (struct vs_index_target){.segment = i};
        }
    }
    for (size_t i = 0; i < MAX_THREADS; i++) {
        if (vs_index_scratch_new(peer->env, &peer->scratch[i], &err) != VS_OK) {
            (void)fail(path, &err);
            return false;
        }
    }
    return true;
}

struct vecstore_peer *vecstore_peer_open_index(const char *path)
{
    struct vecstore_peer *peer = new_peer();
    if (peer == NULL || !open_index(peer, path)) {
        vecstore_peer_close(peer);
        return NULL;
    }
    return peer;
}

struct vecstore_peer *vecstore_peer_open_table(const char *warehouse,
                                               const char *table,
                                               unsigned dim)
{
    struct vecstore_peer *peer = new_peer();
    struct vs_error err = {0};
    struct vs_db_options options = {
        .size = sizeof options, .warehouse = warehouse, .thread_count = 1};
    if (peer == NULL || (peer->table = strdup(table)) == NULL) {
        (void)fail(table, NULL);
        vecstore_peer_close(peer);
        return NULL;
    }
    peer->dim = dim;
    if (vs_db_open(peer->env, &options, &peer->db, &err) != VS_OK) {
        (void)fail(warehouse, &err);
        vecstore_peer_close(peer);
        return NULL;
    }
    return peer;
}

void vecstore_peer_close(struct vecstore_peer *peer)
{
    if (peer == NULL) {
        return;
    }
    for (size_t i = 0; i < MAX_THREADS; i++) {
        vs_index_scratch_free(peer->scratch[i]);
    }
    vs_index_close(peer->index);
    if (peer->is_open) {
        bench_disk_close(&peer->file);
    }
    vs_db_close(peer->db);
    free(peer->table);
    free(peer->path);
    free(peer);
}

int vecstore_peer_facts(const struct vecstore_peer *peer, struct vecstore_peer_facts *facts_out)
{
    if (peer->index == NULL) {
        snprintf(last_error, sizeof last_error, "opened as a table: no facts of the index");
        return -1;
    }
    const struct vs_index_info *info = vs_index_info(peer->index);
    const struct vs_index_column *column = &info->columns[0];
    *facts_out = (struct vecstore_peer_facts){.memory_bytes = (double)info->memory_bytes,
                                              .entries = bench_index_entries(peer->index),
                                              .dim = column->dim,
                                              .list_count = column->list_count,
                                              .m = column->m,
                                              .proj_dim = column->proj_dim,
                                              .segments = (uint32_t)info->segment_count,
                                              .recall_points = (uint32_t)column->recall_count};
    for (size_t i = 0; i < info->segment_count; i++) {
        facts_out->rows += (double)info->segments[i].row_count;
    }
    return 0;
}

int vecstore_peer_points(const struct vecstore_peer *peer,
                         struct vecstore_peer_point *points_out,
                         unsigned room)
{
    if (peer->index == NULL) {
        return 0;
    }
    const struct vs_index_column *column = &vs_index_info(peer->index)->columns[0];
    unsigned count = 0;
    for (size_t i = 0; i < column->recall_count && count < room; i++) {
        const struct vs_recall_point *point = &column->recall[i];
        points_out[count++] = (struct vecstore_peer_point){.k = point->k,
                                                           .nprobe = point->nprobe,
                                                           .rerank = point->rerank,
                                                           .gap = point->gap,
                                                           .recall = point->recall};
    }
    return (int)count;
}

// ---- searching ----

void vecstore_peer_use(
    struct vecstore_peer *peer, uint32_t nprobe, uint32_t rerank, float gap, float recall_target)
{
    peer->setting = (struct vs_index_query){
        .nprobe = nprobe, .rerank = rerank, .gap = gap, .recall_target = recall_target};
    peer->counts = (struct vecstore_peer_counts){0};
}

static struct vs_index_query index_query(const struct vecstore_peer *peer,
                                         const float *vector,
                                         uint32_t k)
{
    struct vs_index_query query = peer->setting;
    query.vector = vector;
    query.k = k;
    query.targets = peer->target_count > 0 ? peer->targets : NULL;
    query.target_count = peer->target_count;
    return query;
}

static void count_stats(struct vecstore_peer_counts *counts,
                        const struct vs_index_stats *stats,
                        double queries)
{
    counts->queries += queries;
    counts->scanned += (double)stats->scanned;
    counts->reranked += (double)stats->reranked;
    counts->centroids += (double)stats->centroids;
    counts->probe_ns += (double)stats->probe_ns;
    counts->scan_ns += (double)stats->scan_ns;
    counts->rerank_ns += (double)stats->rerank_ns;
    counts->nprobe = stats->nprobe;
    counts->rerank = stats->rerank;
}

// Rows of a table made from one .npy are numbered as its ids.
static int take_hits(const struct vs_index_hit *hits, size_t count, uint32_t k, int64_t *ids_out)
{
    for (uint32_t i = 0; i < k; i++) {
        ids_out[i] = i < count ? (int64_t)hits[i].row : -1;
    }
    return (int)count;
}

static int search_index(struct vecstore_peer *peer,
                        unsigned thread,
                        const float *vector,
                        uint32_t k,
                        int64_t *ids_out,
                        struct vs_index_stats *stats_out)
{
    struct vs_error err = {0};
    struct vs_index_hit hits[MAX_K];
    struct vs_index_query query = index_query(peer, vector, k);
    size_t count = 0;
    if (vs_index_search(peer->index, &query, peer->scratch[thread], hits, &count, stats_out,
                        &err) != VS_OK) {
        return fail("search", &err);
    }
    return take_hits(hits, count, k, ids_out);
}

static int64_t id_of(const struct vs_hit *hit)
{
    char text[24] = {0};
    size_t len = hit->id_json.len < sizeof text - 1 ? hit->id_json.len : sizeof text - 1;
    memcpy(text, hit->id_json.ptr, len);
    return strtoll(text, NULL, 10);
}

static int search_table(struct vecstore_peer *peer,
                        const float *vectors,
                        uint32_t count,
                        uint32_t k,
                        int64_t *ids_out,
                        struct vs_index_stats *stats_out)
{
    struct vs_error err = {0};
    struct vs_answer *answer = NULL;
    struct vs_query_options options = {.size = sizeof options,
                                       .table = peer->table,
                                       .vectors = vectors,
                                       .vector_count = count,
                                       .dim = peer->dim,
                                       .k = k,
                                       .select_none = true,
                                       .nprobe = peer->setting.nprobe,
                                       .rerank = peer->setting.rerank,
                                       .recall_target = peer->setting.recall_target};
    if (vs_db_query(peer->db, &options, &answer, &err) != VS_OK) {
        return fail(peer->table, &err);
    }
    for (uint32_t q = 0; q < count; q++) {
        const struct vs_result *result = vs_answer_result(answer, q);
        for (uint32_t i = 0; i < k; i++) {
            ids_out[q * k + i] = i < result->hit_count ? id_of(&result->hits[i]) : -1;
        }
    }
    const struct vs_query_stats *stats = vs_answer_stats(answer);
    *stats_out = (struct vs_index_stats){.scanned = stats->codes_scanned,
                                         .nprobe = stats->nprobe,
                                         .rerank = stats->rerank,
                                         .probe_ns = (int64_t)(stats->probe_ms * 1e6),
                                         .scan_ns = (int64_t)(stats->scan_ms * 1e6),
                                         .rerank_ns = (int64_t)(stats->rerank_ms * 1e6)};
    vs_answer_free(answer);
    return (int)count;
}

static int search_one(struct vecstore_peer *peer,
                      unsigned thread,
                      const float *vector,
                      uint32_t k,
                      int64_t *ids_out,
                      struct vs_index_stats *stats_out)
{
    return peer->index != NULL ? search_index(peer, thread, vector, k, ids_out, stats_out)
                               : search_table(peer, vector, 1, k, ids_out, stats_out);
}

int vecstore_peer_search(struct vecstore_peer *peer,
                         const float *vector,
                         uint32_t k,
                         int64_t *ids_out)
{
    struct vs_index_stats stats = {0};
    if (k > MAX_K) {
        errno = EINVAL;
        return fail("more than 1,000 neighbours", NULL);
    }
    int got = search_one(peer, 0, vector, k, ids_out, &stats);
    count_stats(&peer->counts, &stats, 1.0);
    return got;
}

static int batch_index(struct vecstore_peer *peer,
                       const float *vectors,
                       uint32_t count,
                       uint32_t k,
                       int64_t *ids_out,
                       struct vs_index_stats *stats_out)
{
    struct vs_error err = {0};
    struct vs_index_query query = index_query(peer, vectors, k);
    struct vs_index_hit *hits = calloc((size_t)count * k, sizeof *hits);
    size_t *counts = calloc(count, sizeof *counts);
    int result = (int)count;
    if (hits == NULL || counts == NULL) {
        result = fail("batch", NULL);
    } else if (vs_index_search_batch(peer->index, &query, count, peer->scratch[0], hits, counts,
                                     stats_out, &err) != VS_OK) {
        result = fail("batch", &err);
    } else {
        for (size_t q = 0; q < count; q++) {
            (void)take_hits(hits + q * k, counts[q], k, ids_out + q * k);
        }
    }
    free(hits);
    free(counts);
    return result;
}

int vecstore_peer_search_batch(
    struct vecstore_peer *peer, const float *vectors, uint32_t count, uint32_t k, int64_t *ids_out)
{
    struct vs_index_stats stats = {0};
    int got = peer->index != NULL ? batch_index(peer, vectors, count, k, ids_out, &stats)
                                  : search_table(peer, vectors, count, k, ids_out, &stats);
    count_stats(&peer->counts, &stats, (double)count);
    return got;
}

static void *run_worker(void *ctx)
{
    struct worker *worker = ctx;
    struct vs_index_stats stats;
    for (uint32_t i = worker->first; i < worker->count && worker->result >= 0; i += worker->step) {
        worker->result =
            search_one(worker->peer, worker->number, worker->vectors + i * worker->peer->dim,
                       worker->k, worker->ids + (size_t)i * worker->k, &stats);
    }
    snprintf(worker->message, sizeof worker->message, "%s", last_error);
    return NULL;
}

int vecstore_peer_search_threads(struct vecstore_peer *peer,
                                 const float *vectors,
                                 uint32_t count,
                                 uint32_t k,
                                 unsigned thread_count,
                                 int64_t *ids_out)
{
    struct worker workers[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    unsigned started = 0, wanted = thread_count < MAX_THREADS ? thread_count : MAX_THREADS;
    int result = (int)count;
    for (; started < wanted; started++) {
        workers[started] = (struct worker){.peer = peer,
                                           .vectors = vectors,
                                           .first = started,
                                           .step = wanted,
                                           .count = count,
                                           .k = k,
                                           .ids = ids_out,
                                           .number = started};
        if (pthread_create(&threads[started], NULL, run_worker, &workers[started]) != 0) {
            result = fail("thread", NULL);
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        if (workers[i].result < 0) {
            snprintf(last_error, sizeof last_error, "%s", workers[i].message);
            result = -1;
        }
    }
    return result;
}

// ---- counting ----

void vecstore_peer_counts(const struct vecstore_peer *peer, struct vecstore_peer_counts *counts_out)
{
    *counts_out = peer->counts;
}

int vecstore_peer_limit(struct vecstore_peer *peer, struct vecstore_peer_limit *limit_out)
{
    if (peer->index == NULL) {
        snprintf(last_error, sizeof last_error, "opened as a table: stages are not counted");
        return -1;
    }
    if (!peer->is_measured) {
        struct bench_sets sets;
        bench_index_sets(peer->index, &sets);
        bench_limits_measure(&sets, &peer->limits);
        peer->is_measured = true;
    }
    const struct vecstore_peer_counts *counts = &peer->counts;
    const struct bench_limits *limits = &peer->limits;
    struct vs_index_stats stats = {.scanned = (uint64_t)counts->scanned,
                                   .reranked = (uint64_t)counts->reranked,
                                   .centroids = (uint64_t)counts->centroids};
    struct bench_work work = {0};
    bench_index_count(peer->index, &stats, counts->queries, &work);
    double queries = counts->queries > 0.0 ? counts->queries : 1.0;
    *limit_out = (struct vecstore_peer_limit){.time_us = {counts->probe_ns * 1e-3 / queries,
                                                          counts->scan_ns * 1e-3 / queries,
                                                          counts->rerank_ns * 1e-3 / queries},
                                              .l2_gb_s = limits->l2_gb_s,
                                              .l3_gb_s = limits->l3_gb_s,
                                              .memory_gb_s = limits->memory_gb_s,
                                              .memory2_gb_s = limits->memory2_gb_s,
                                              .projection_gb_s = limits->projection_gb_s,
                                              .centroid_gb_s = limits->centroid_gb_s,
                                              .code_gb_s = limits->code_gb_s,
                                              .row_ns = limits->row_ns};
    limit_out->limit_sum_us = bench_limit_us(limits, &work, limit_out->limit_us);
    return 0;
}
