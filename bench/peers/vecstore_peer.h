// SPDX-License-Identifier: Apache-2.0
/*
 * vecstore for the harness of peers: a small shared library that Python calls through ctypes
 * (vecstore_binding.py), one call per query as every peer gets it.
 *
 * Two ways in: an index file by the index library, and a table by the public interface. Functions
 * that return int answer a count, or -1 with the reason in vecstore_peer_error. Threads: one
 * caller; vecstore_peer_search_threads starts its own.
 */
#ifndef VS_BENCH_VECSTORE_PEER_H
#define VS_BENCH_VECSTORE_PEER_H

#include <stddef.h>
#include <stdint.h>

struct vecstore_peer;

// Sums over the queries since vecstore_peer_use.
struct vecstore_peer_counts {
    double queries, scanned, reranked, centroids;
    double probe_ns, scan_ns, rerank_ns;
    uint32_t nprobe, rerank; // of the last query
};

struct vecstore_peer_facts {
    double rows, memory_bytes, entries; // entries: codes in all lists, second assignments too
    uint32_t dim, list_count, m, proj_dim, segments, recall_points;
};

struct vecstore_peer_point {
    uint32_t k, nprobe, rerank;
    float gap, recall;
};

// Microseconds a query; 0 where nothing was counted.
struct vecstore_peer_limit {
    double limit_us[3], time_us[3]; // probe, scan, rerank
    double limit_sum_us;
    double l2_gb_s, l3_gb_s, memory_gb_s, memory2_gb_s, projection_gb_s, centroid_gb_s, code_gb_s,
        row_ns;
};

const char *vecstore_peer_error(void);
// Ingests a .npy into a new table and builds its index; queries: a .npy of real ones, or NULL. The
// reports of both, as {"ingest":…,"index":…}, go to report[size].
int vecstore_peer_build(const char *warehouse,
                        const char *table,
                        const char *npy,
                        const char *queries,
                        unsigned thread_count,
                        char *report,
                        size_t size);

struct vecstore_peer *vecstore_peer_open_index(const char *path);
struct vecstore_peer *vecstore_peer_open_table(const char *warehouse,
                                               const char *table,
                                               unsigned dim);
void vecstore_peer_close(struct vecstore_peer *peer);
int vecstore_peer_facts(const struct vecstore_peer *peer, struct vecstore_peer_facts *facts_out);
int vecstore_peer_points(const struct vecstore_peer *peer,
                         struct vecstore_peer_point *points_out,
                         unsigned room);

// For the calls that follow; zeros: the default. gap counts with nprobe only.
void vecstore_peer_use(
    struct vecstore_peer *peer, uint32_t nprobe, uint32_t rerank, float gap, float recall_target);
// Ids of the best k; fewer than k are filled up with -1.
int vecstore_peer_search(struct vecstore_peer *peer,
                         const float *vector,
                         uint32_t k,
                         int64_t *ids_out);
// ids_out[count][k]. batch: one call of the library for all; threads: each one query per call.
int vecstore_peer_search_batch(
    struct vecstore_peer *peer, const float *vectors, uint32_t count, uint32_t k, int64_t *ids_out);
int vecstore_peer_search_threads(struct vecstore_peer *peer,
                                 const float *vectors,
                                 uint32_t count,
                                 uint32_t k,
                                 unsigned thread_count,
                                 int64_t *ids_out);

void vecstore_peer_counts(const struct vecstore_peer *peer,
                          struct vecstore_peer_counts *counts_out);
// Measures this machine at the first call (about a second), then the limit of the counted queries.
int vecstore_peer_limit(struct vecstore_peer *peer, struct vecstore_peer_limit *limit_out);

#endif
