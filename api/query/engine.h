// SPDX-License-Identifier: Apache-2.0
/*
 * The query engine: one table at one snapshot, through its index and exact scans, to ranked rows.
 *
 * Keeps a bounded cache of opened tables: per table its newest metadata (checked for currency on
 * each call: strong consistency), per snapshot the plan and deleted rows, the opened index, per
 * (snapshot, predicate) the row masks. Reads run concurrently; entries are reference-counted and
 * swapped whole. See docs/internals/query.md.
 */
#ifndef VS_QUERY_ENGINE_H
#define VS_QUERY_ENGINE_H

#include "api/vecstore.h"
#include "vecstore/catalog/catalog.h"

struct vs_engine;

struct vs_engine_options {
    size_t thread_count;
    uint64_t cache_bytes;
    // Local copies of parts of remote index files (vecstore/object/chunk_cache.h); NULL: none.
    const char *cache_dir;
    uint64_t cache_dir_bytes; // 0: 8 GiB
    bool preload;             // indexes are read whole before the first answer
    bool idle;                // nothing is read that no query asked for
    bool rows_in_file; // int8 rows stay in the (cached) file: an eighth of the memory, slower
};

// Borrows the catalog.
enum vs_status vs_engine_open(struct vs_catalog *catalog,
                              const struct vs_engine_options *options,
                              struct vs_engine **engine_out,
                              struct vs_error *err);
void vs_engine_close(struct vs_engine *engine);

// The contracts documented in vecstore.h:
enum vs_status vs_engine_query(struct vs_engine *engine,
                               const struct vs_query_options *options,
                               struct vs_answer **answer_out,
                               struct vs_error *err);
enum vs_status vs_engine_get(struct vs_engine *engine,
                             const struct vs_get_options *options,
                             struct vs_buf *report,
                             struct vs_error *err);

// Real queries to measure with: vectors[count][dim].
struct vs_recall_queries {
    const float *vectors;
    size_t count, dim;
};
// given: NULL to draw rows of the table.
enum vs_status vs_engine_recall(struct vs_engine *engine,
                                const struct vs_recall_options *options,
                                const struct vs_recall_queries *given,
                                struct vs_buf *report,
                                struct vs_error *err);

// Positions of the live rows of a snapshot of `base` that match a filter, for delete by filter;
// allocated in arena, ascending by path and position.
struct vs_match {
    const char *filter;
    struct vs_str filter_json;
    struct vs_store *store; // of the table's files
    int64_t snapshot_id;    // 0: the current one
};
enum vs_status vs_engine_match(struct vs_engine *engine,
                               const struct vs_table_metadata *base,
                               const struct vs_match *match,
                               const struct vs_op *op,
                               struct vs_arena *arena,
                               struct vs_position_delete **positions_out,
                               size_t *count_out,
                               struct vs_error *err);

// How much of a table's newest snapshot the index covers, for describe and show; NULL index: none
// or unreadable (reason then tells).
struct vs_index_coverage {
    bool has_index;
    char index_uuid[VS_UUID_TEXT_SIZE];
    int64_t index_snapshot_id;
    uint64_t index_rows, covered_files, covered_rows, uncovered_files, uncovered_rows, deleted_rows;
    char problem[VS_ERROR_MESSAGE_SIZE]; // why the named index cannot be used; "" when it can or
                                         // none is named
};
enum vs_status vs_engine_coverage(struct vs_engine *engine,
                                  const char *table,
                                  struct vs_index_coverage *coverage_out,
                                  struct vs_error *err);

#endif
