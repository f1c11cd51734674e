// SPDX-License-Identifier: Apache-2.0
/*
 * Measuring recall while building. The second pass computes exact answers for a few hundred
 * queries; then every query scans its nearest lists once, and from where the true neighbours stand
 * (rank of their list, rank of their code among those scanned) the recall of all settings follows
 * at once.
 */
#include "index/build_internal.h"
#include "vecstore/base/pool.h"

#include <math.h>

#define QUERY_TILE 16
#define TRUTH_ROOM (VS_MEASURE_TOP + 412)
#define EXCLUDED_ROWS 100 // before and after the row that a query was made from
#define PERTURBATION 1.5F
#define SCAN_SHARE_LISTS 4     // at most a quarter of the lists is scanned ...
#define SCAN_MIN_ENTRIES 65536 // ... unless these are few entries

static const uint32_t measured_k[] = {1, 10, VS_MEASURE_TOP};
static const uint32_t rerank_steps[] = {10,  16,  24,  32,  48,   64,   100,  150,  200,
                                        300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800};
#define K_COUNT 3
#define RERANK_COUNT (sizeof rerank_steps / sizeof rerank_steps[0])
#define PROBE_COUNT_MAX 48

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the recall measurement");
}

// ---- queries and exact answers ----

// Adds noise to a query: a random direction, `length` times as long as rows are away from their
// mean. Rows of the table are easier to find than what people ask: with this noise, and without the
// rows around its origin (passages of the same document), the curve agrees with real questions.
static void perturb(
    const float *row, const float *other, size_t dim, float length, uint64_t *random, float *query)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    float apart = 0.0F, norm = 0.0F;
    kernels->l2_f32(row, other, dim, 1, &apart);
    for (size_t d = 0; d < dim;
         d++) { // sums of four uniform numbers: near enough to normal, and the same everywhere
        uint64_t bits = vs_build_random(random);
        int32_t sum = (int32_t)(bits & 0xffff) + (int32_t)(bits >> 16 & 0xffff) +
                      (int32_t)(bits >> 32 & 0xffff) + (int32_t)(bits >> 48);
        query[d] = (float)(sum - 131070);
    }
    kernels->dot_f32(query, query, dim, 1, &norm);
    float scale = norm > 0.0F ? length * sqrtf(0.5F * apart) / sqrtf(norm) : 0.0F;
    for (size_t d = 0; d < dim; d++) {
        query[d] = row[d] + scale * query[d];
    }
}

// Rows of the sample, evenly chosen: plain ones first (near others of their cluster, so that the
// codes have to tell them apart), then perturbed ones (between the clusters, so that many lists
// have to be probed). What counts is the worse half.
static void choose_rows(const struct vs_build_column *column,
                        uint64_t seed,
                        struct vs_measure *measure)
{
    size_t dim = column->spec->dim, half = measure->query_count / 2 / QUERY_TILE * QUERY_TILE;
    uint64_t random = seed ^ 0x71756572696573u;
    measure->plain_count = half;
    for (size_t i = 0; i < measure->query_count; i++) {
        size_t order = i < half ? 2 * i : (i - half < half ? 2 * (i - half) + 1 : i);
        size_t at = order * column->sample_count / measure->query_count;
        size_t other = (size_t)(vs_build_random(&random) % column->sample_count);
        const float *row = column->sample + at * dim;
        float *query = measure->queries + i * dim;
        measure->query_rows[i] = column->sample_rows[at];
        perturb(row, column->sample + other * dim, dim, measure->perturbation, &random, query);
        if (i < half || !vs_build_prepare(vs_kernels_get(), column->spec->metric, query, dim)) {
            memcpy(query, row, dim * sizeof(float));
        }
    }
}

enum vs_status vs_measure_begin(struct vs_build *build,
                                struct vs_build_column *column,
                                const float *given,
                                size_t given_count,
                                struct vs_error *err)
{
    const struct vs_env *env = build->env;
    struct vs_measure *measure = &column->measure;
    size_t dim = column->spec->dim, sampled = column->sample_count < VS_MEASURE_QUERIES
                                                  ? column->sample_count
                                                  : VS_MEASURE_QUERIES;
    measure->given = given_count > 0;
    measure->query_count = given_count > 0 ? given_count : sampled;
    size_t padded = (measure->query_count + QUERY_TILE - 1) / QUERY_TILE * QUERY_TILE;
    measure->queries = vs_alloc_aligned(env, padded * dim * sizeof(float) + 64);
    measure->query_rows = vs_alloc_zeroed(env, padded, sizeof(uint32_t));
    measure->truth = vs_alloc_zeroed(env, padded, sizeof *measure->truth);
    measure->truth_keys = vs_alloc_zeroed(env, padded, TRUTH_ROOM * sizeof(uint32_t));
    measure->truth_ids = vs_alloc_zeroed(env, padded, TRUTH_ROOM * sizeof(uint32_t));
    if (measure->queries == NULL || measure->query_rows == NULL || measure->truth == NULL ||
        measure->truth_keys == NULL || measure->truth_ids == NULL) {
        return no_memory(err);
    }
    memset(measure->queries, 0, padded * dim * sizeof(float));
    for (size_t i = 0; i < padded; i++) {
        vs_reservoir_init(&measure->truth[i], measure->truth_keys + i * TRUTH_ROOM,
                          measure->truth_ids + i * TRUTH_ROOM, VS_MEASURE_TOP, TRUTH_ROOM);
        measure->query_rows[i] = UINT32_MAX;
    }
    if (!measure->given) {
        measure->excluded = EXCLUDED_ROWS;
        measure->perturbation = PERTURBATION;
        choose_rows(column, build->seed, measure);
        return VS_OK;
    }
    memcpy(measure->queries, given, given_count * dim * sizeof(float));
    for (size_t i = 0; i < given_count; i++) {
        if (!vs_build_prepare(vs_kernels_get(), column->spec->metric, measure->queries + i * dim,
                              dim)) {
            return vs_fail(err, VS_INVALID,
                           "query %zu of the recall measurement is not finite or has length zero",
                           i);
        }
    }
    return VS_OK;
}

static bool is_excluded(const struct vs_measure *measure, size_t query, uint32_t row)
{
    uint32_t own = measure->query_rows[query];
    uint32_t distance = row > own ? row - own : own - row;
    return own != UINT32_MAX && distance <= measure->excluded;
}

struct exact_task {
    struct vs_build_column *column;
    const struct vs_build_chunk *chunk;
};

// One tile of queries against all vectors of the chunk; the tile stays in the first-level cache.
static enum vs_status exact_tile(void *ctx, size_t tile, struct vs_error *err)
{
    (void)err;
    const struct exact_task *task = ctx;
    struct vs_measure *measure = &task->column->measure;
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t dim = task->column->spec->dim, first = tile * QUERY_TILE;
    size_t count =
        measure->query_count - first < QUERY_TILE ? measure->query_count - first : QUERY_TILE;
    bool distance = task->column->spec->metric == VS_METRIC_L2;
    const float *queries = measure->queries + first * dim;
    float scores[QUERY_TILE];
    for (size_t i = 0; i < task->chunk->count; i++) {
        (distance ? kernels->l2_f32 : kernels->dot_f32)(task->chunk->vectors + i * dim, queries,
                                                        dim, count, scores);
        for (size_t q = 0; q < count; q++) {
            uint32_t key = vs_topk_key(distance ? -scores[q] : scores[q]);
            struct vs_reservoir *truth = &measure->truth[first + q];
            if (key >= truth->threshold && !is_excluded(measure, first + q, task->chunk->rows[i])) {
                vs_reservoir_push(truth, key, task->chunk->rows[i]);
            }
        }
    }
    return VS_OK;
}

enum vs_status vs_measure_chunk(struct vs_build *build,
                                struct vs_build_column *column,
                                const struct vs_build_chunk *chunk,
                                struct vs_error *err)
{
    int64_t start = vs_monotonic_ns(build->env);
    struct exact_task task = {column, chunk};
    size_t tiles = (column->measure.query_count + QUERY_TILE - 1) / QUERY_TILE;
    VS_TRY(vs_pool_run(build->env, build->thread_count, tiles, exact_tile, &task, err));
    build->measure_ns += vs_monotonic_ns(build->env) - start;
    return VS_OK;
}

// ---- curve ----

// Counts of all queries of one task.
struct tally {
    uint32_t hits[K_COUNT][PROBE_COUNT_MAX][RERANK_COUNT];
    uint32_t wanted[K_COUNT];
    uint64_t scanned[PROBE_COUNT_MAX];
};

struct curve {
    struct vs_build *build;
    struct vs_build_column *column;
    uint32_t probes[PROBE_COUNT_MAX];
    size_t probe_count;
    uint32_t *slot_of_row; // UINT32_MAX: no vector
    struct tally *tallies; // one per task
};

// Where a row's entry stands for one query.
struct place {
    uint32_t list_rank, sum, order; // order: place in the true answer
};

static void choose_probes(struct curve *curve)
{
    uint32_t lists = curve->column->codebook->list_count, most = lists / SCAN_SHARE_LISTS;
    uint64_t mean = curve->column->encoded / lists + 1;
    uint64_t few = SCAN_MIN_ENTRIES / mean;
    most = most > few ? most : (few < lists ? (uint32_t)few : lists);
    most = most > 0 ? most : 1;
    for (uint32_t probe = 1; probe < most && curve->probe_count < PROBE_COUNT_MAX - 1;
         probe += probe < 4 ? 1 : probe / 4) {
        curve->probes[curve->probe_count++] = probe;
    }
    curve->probes[curve->probe_count++] = most;
}

static uint32_t list_of_slot(const struct vs_lists *lists, uint32_t slot)
{
    uint32_t low = 0,
             high = lists->codebook->list_count; // the last list whose first slot is not behind
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (lists->records[middle].first_slot <= slot) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Working memory of one task.
struct workspace {
    struct vs_index_scratch scratch;
    struct vs_coarse coarse;
    float *y, *y_lists, *values;
    uint8_t *table;
    uint32_t *rank_of; // [list_count]
    uint32_t *counts;  // [65536]: entries by sum
    uint32_t *above;   // [65536]: entries with this sum or a greater one
    uint16_t *sums;
    size_t sums_room;
};

static enum vs_status workspace_make(const struct curve *curve,
                                     struct workspace *work,
                                     struct vs_error *err)
{
    const struct vs_codebook *codebook = curve->column->codebook;
    size_t blocks = 0, m = codebook->m, proj = codebook->proj_dim;
    for (uint32_t l = 0; l < codebook->list_count; l++) {
        size_t own = vs_list_blocks(curve->column->records[l].entry_count);
        blocks = own > blocks ? own : blocks;
    }
    size_t bytes = vs_coarse_bytes(codebook) + 2 * VS_SCRATCH_ROUND(proj, 4) +
                   VS_SCRATCH_ROUND(16 * m, 4) + VS_SCRATCH_ROUND(16 * m, 1) +
                   VS_SCRATCH_ROUND(codebook->list_count, 4) + 2 * VS_SCRATCH_ROUND(65536, 4) +
                   VS_SCRATCH_ROUND(blocks * VS_BLOCK_LANES, 2);
    VS_TRY(vs_scratch_reset(curve->build->env, &work->scratch.lists, bytes, err));
    struct vs_scratch_block *block = &work->scratch.lists;
    vs_coarse_init(&work->coarse, codebook, block);
    work->y = vs_scratch_take(block, proj, 4);
    work->y_lists = vs_scratch_take(block, proj, 4);
    work->values = vs_scratch_take(block, 16 * m, 4);
    work->table = vs_scratch_take(block, 16 * m, 1);
    work->rank_of = vs_scratch_take(block, codebook->list_count, 4);
    work->counts = vs_scratch_take(block, 65536, 4);
    work->above = vs_scratch_take(block, 65536, 4);
    work->sums = vs_scratch_take(block, blocks * VS_BLOCK_LANES, 2);
    return VS_OK;
}

static struct place place_of(const struct curve *curve,
                             const struct workspace *work,
                             uint32_t slot,
                             uint32_t order)
{
    const struct vs_lists *lists = &curve->column->lists;
    uint32_t list = list_of_slot(lists, slot);
    uint32_t sum =
        vs_pq_entry_sum(vs_lists_codes(lists, list), slot - lists->records[list].first_slot,
                        curve->column->codebook->m, work->table);
    return (struct place){work->rank_of[list], sum, order};
}

static void count_list(const struct curve *curve, struct workspace *work, uint32_t list)
{
    const struct vs_lists *lists = &curve->column->lists;
    uint32_t entries = lists->records[list].entry_count;
    work->coarse.kernels->pq4_scan(vs_lists_codes(lists, list), vs_list_blocks(entries),
                                   curve->column->codebook->m, work->table, work->sums);
    for (uint32_t i = 0; i < entries; i++) {
        work->counts[work->sums[i]]++;
    }
}

// Where the rows around the query's own stand: they do not count. Returns how many.
static size_t place_excluded(const struct curve *curve,
                             const struct workspace *work,
                             size_t query,
                             struct place *places)
{
    const struct vs_measure *measure = &curve->column->measure;
    uint32_t own = measure->query_rows[query];
    if (own == UINT32_MAX) {
        return 0;
    }
    uint64_t first = own > measure->excluded ? own - measure->excluded : 0,
             end = (uint64_t)own + measure->excluded + 1;
    end = end < curve->build->row_count ? end : curve->build->row_count;
    size_t count = 0;
    for (uint64_t row = first; row < end; row++) {
        if (curve->slot_of_row[row] != UINT32_MAX) {
            places[count++] = place_of(curve, work, curve->slot_of_row[row], 0);
        }
    }
    return count;
}

static void add_hits(struct tally *tally,
                     const struct place *places,
                     size_t count,
                     size_t probe_index,
                     uint32_t probe,
                     const uint32_t *above)
{
    for (size_t t = 0; t < count; t++) {
        if (places[t].list_rank >= probe) {
            continue;
        }
        uint32_t rank =
            above[places[t].sum] - 1; // others with the same sum are taken to come first
        for (size_t r = 0; r < RERANK_COUNT; r++) {
            for (size_t k = 0; k < K_COUNT && rank < rerank_steps[r]; k++) {
                tally->hits[k][probe_index][r] += places[t].order < measured_k[k];
            }
        }
    }
}

static void measure_query(const struct curve *curve,
                          struct workspace *work,
                          size_t query,
                          struct tally *tally)
{
    const struct vs_codebook *codebook = curve->column->codebook;
    struct vs_measure *measure = &curve->column->measure;
    vs_coarse_project(codebook, measure->queries + query * codebook->dim, work->y, work->y_lists);
    vs_pq_table(codebook, curve->column->pq_columns, work->y, work->values, work->table);
    size_t ranked =
        vs_coarse_rank(&work->coarse, codebook, work->y_lists, codebook->list_count, true);
    for (size_t i = 0; i < ranked; i++) {
        work->rank_of[work->coarse.ids[i]] = (uint32_t)i;
    }
    const struct vs_reservoir *truth = &measure->truth[query];
    struct place places[VS_MEASURE_TOP], excluded[2 * EXCLUDED_ROWS + 1];
    size_t excluded_count = place_excluded(curve, work, query, excluded);
    for (size_t t = 0; t < truth->count; t++) {
        places[t] = place_of(curve, work, curve->slot_of_row[truth->ids[t]], (uint32_t)t);
    }
    for (size_t k = 0; k < K_COUNT; k++) {
        tally->wanted[k] += (uint32_t)(truth->count < measured_k[k] ? truth->count : measured_k[k]);
    }
    memset(work->counts, 0, 65536 * sizeof *work->counts);
    uint32_t done = 0, top = 255 * codebook->m;
    uint64_t scanned = 0;
    for (size_t p = 0; p < curve->probe_count; p++) {
        uint32_t probe = curve->probes[p];
        for (uint32_t i = done; i < probe; i++) {
            count_list(curve, work, work->coarse.ids[i]);
            scanned += curve->column->records[work->coarse.ids[i]].entry_count;
        }
        for (size_t i = 0; i < excluded_count; i++) {
            work->counts[excluded[i].sum] -=
                excluded[i].list_rank >= done && excluded[i].list_rank < probe;
        }
        done = probe;
        uint32_t sum = 0;
        for (uint32_t s = top + 1; s-- > 0;) {
            sum += work->counts[s];
            work->above[s] = sum;
        }
        add_hits(tally, places, truth->count, p, probe, work->above);
        tally->scanned[p] += scanned;
    }
}

static enum vs_status curve_task(void *ctx, size_t task, struct vs_error *err)
{
    const struct curve *curve = ctx;
    struct workspace work = {.scratch = {.env = curve->build->env}};
    size_t first = task * QUERY_TILE, queries = curve->column->measure.query_count;
    VS_TRY(workspace_make(curve, &work, err));
    for (size_t q = first; q < first + QUERY_TILE && q < queries; q++) {
        measure_query(curve, &work, q, &curve->tallies[task]);
    }
    vs_free_aligned(curve->build->env, work.scratch.lists.memory);
    return VS_OK;
}

// Recall of one setting: of the plain or of the perturbed queries, whichever is worse.
static float recall_at(const struct tally *sums, size_t k, size_t p, size_t r)
{
    float recall = 1.0F;
    for (size_t group = 0; group < 2; group++) {
        if (sums[group].wanted[k] > 0) {
            float own = (float)sums[group].hits[k][p][r] / (float)sums[group].wanted[k];
            recall = own < recall ? own : recall;
        }
    }
    return recall;
}

// A setting is kept when neither fewer lists nor fewer re-ranked rows do as well.
static void keep_points(const struct curve *curve, const struct tally *sums)
{
    struct vs_measure *measure = &curve->column->measure;
    float entries = (float)measure->query_count * (float)curve->column->encoded;
    for (size_t k = 0; k < K_COUNT; k++) {
        for (size_t p = 0; p < curve->probe_count; p++) {
            for (size_t r = 0; r < RERANK_COUNT; r++) {
                float recall = recall_at(sums, k, p, r);
                bool fewer_lists = p > 0 && recall_at(sums, k, p - 1, r) >= recall;
                bool fewer_rows = r > 0 && rerank_steps[r - 1] >= measured_k[k] &&
                                  recall_at(sums, k, p, r - 1) >= recall;
                if (rerank_steps[r] < measured_k[k] || fewer_lists || fewer_rows || recall < 0.5F) {
                    continue;
                }
                float scanned = (float)(sums[0].scanned[p] + sums[1].scanned[p]) / entries;
                measure->points[measure->point_count++] = (struct vs_recall_point){
                    measured_k[k], curve->probes[p], rerank_steps[r], recall, scanned};
            }
        }
    }
}

static void add_tally(struct tally *sum, const struct tally *more, size_t probe_count)
{
    for (size_t k = 0; k < K_COUNT; k++) {
        sum->wanted[k] += more->wanted[k];
        for (size_t p = 0; p < probe_count; p++) {
            for (size_t r = 0; r < RERANK_COUNT; r++) {
                sum->hits[k][p][r] += more->hits[k][p][r];
            }
        }
    }
    for (size_t p = 0; p < probe_count; p++) {
        sum->scanned[p] += more->scanned[p];
    }
}

static enum vs_status run_curve(struct curve *curve, size_t tasks, struct vs_error *err)
{
    const struct vs_lists *lists = &curve->column->lists;
    struct vs_measure *measure = &curve->column->measure;
    memset(curve->slot_of_row, 0xff, (size_t)curve->build->row_count * sizeof(uint32_t));
    for (uint32_t slot = 0; slot < lists->slot_count; slot++) {
        curve->slot_of_row[lists->facts[slot].row] = slot;
    }
    uint32_t spare_keys[TRUTH_ROOM], spare_ids[TRUTH_ROOM];
    for (size_t q = 0; q < measure->query_count; q++) {
        struct vs_reservoir *truth = &measure->truth[q];
        vs_reservoir_shrink(truth);
        vs_topk_sort(truth->keys, truth->ids, spare_keys, spare_ids, truth->count);
    }
    choose_probes(curve);
    VS_TRY(
        vs_pool_run(curve->build->env, curve->build->thread_count, tasks, curve_task, curve, err));
    struct tally *sums = curve->tallies + tasks; // two more: plain and perturbed queries
    for (size_t t = 0; t < tasks; t++) {
        add_tally(&sums[t * QUERY_TILE < measure->plain_count ? 0 : 1], &curve->tallies[t],
                  curve->probe_count);
    }
    keep_points(curve, sums);
    return VS_OK;
}

enum vs_status vs_measure_curve(struct vs_build *build,
                                struct vs_build_column *column,
                                struct vs_error *err)
{
    int64_t start = vs_monotonic_ns(build->env);
    struct curve curve = {.build = build, .column = column};
    size_t tasks = (column->measure.query_count + QUERY_TILE - 1) / QUERY_TILE;
    if (tasks == 0) {
        return VS_OK;
    }
    curve.slot_of_row = vs_alloc_zeroed(build->env, (size_t)build->row_count, sizeof(uint32_t));
    curve.tallies = vs_alloc_zeroed(build->env, tasks + 2, sizeof *curve.tallies);
    column->measure.points =
        vs_alloc_zeroed(build->env, (size_t)K_COUNT * PROBE_COUNT_MAX * RERANK_COUNT,
                        sizeof *column->measure.points);
    bool made =
        curve.slot_of_row != NULL && curve.tallies != NULL && column->measure.points != NULL;
    enum vs_status status = made ? run_curve(&curve, tasks, err) : no_memory(err);
    vs_free(build->env, curve.slot_of_row);
    vs_free(build->env, curve.tallies);
    build->measure_ns += vs_monotonic_ns(build->env) - start;
    return status;
}

void vs_measure_clear(const struct vs_env *env, struct vs_measure *measure)
{
    vs_free_aligned(env, measure->queries);
    vs_free(env, measure->query_rows);
    vs_free(env, measure->truth);
    vs_free(env, measure->truth_keys);
    vs_free(env, measure->truth_ids);
    vs_free(env, measure->points);
}
