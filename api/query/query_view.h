// SPDX-License-Identifier: Apache-2.0
/*
 * A view: one table at one snapshot, planned. Which files it has, which rows are deleted, which
 * files the index covers.
 *
 * A data file is covered by the index when path, record count and sequence number agree; the rest
 * is scanned exactly. The rows of a covered file are one run of a segment's rows, or, after
 * compaction, many runs of one or several segments. An index that is missing, corrupt or of another
 * table never fails a view: view->problem says why it is not used. Rows of files that a segment
 * covers but the snapshot does not have are masked out (row_set.h). Ownership: a view owns its plan
 * and retains its table and index; it is kept in the engine's cache. Threads: immutable once made.
 */
#ifndef VS_QUERY_QUERY_VIEW_H
#define VS_QUERY_QUERY_VIEW_H

#include "api/query/engine_internal.h"
#include "vecstore/iceberg/contract.h"
#include "vecstore/iceberg/stats_file.h"

struct vs_view_file {
    const struct vs_data_file *data;
    uint64_t row_count;
    const uint64_t *deleted; // ascending positions below row_count
    size_t deleted_count;
    size_t run_count;                // 0: not covered
    const struct vs_index_run *runs; // by position, they cover the file
    struct vs_index_run one;         // of a file that the segments have as it is
};

struct vs_segment_run { // rows of a segment that a file of the snapshot holds
    uint32_t first_row, count;
    uint32_t file, position;
};

struct vs_view_segment {
    size_t file_count; // of the snapshot, with rows in the segment
    size_t *files;     // ascending
    size_t run_count;
    struct vs_segment_run *runs; // by first_row, apart from each other
    uint64_t covered_rows;
    size_t last_file; // while the lists are made
    bool used;        // covers a file of the snapshot
};

struct vs_view {
    struct vs_engine *engine;
    struct vs_store *store; // of the table's files
    struct vs_arena arena;
    struct vs_table *table; // NULL: the caller keeps the metadata
    const struct vs_table_metadata *metadata;
    const struct vs_schema *schema;
    int64_t snapshot_id;
    struct vs_scan_plan *plan;
    struct vs_deleted_rows deleted;
    struct vs_vector_contract *contracts;
    size_t contract_count;
    size_t id_field; // SIZE_MAX: none
    size_t file_count;
    struct vs_view_file *files; // by sequence number, then path: later files are newer
    uint64_t row_count, deleted_rows;
    struct vs_cache_ref index_ref;
    const struct vs_index *index; // NULL: none
    const struct vs_index_info *info;
    char index_uuid[VS_UUID_TEXT_SIZE];
    size_t segment_count;
    struct vs_view_segment *segments;
    uint64_t covered_files, covered_rows;
    bool retry_index; // the index could not be reached now
    char problem[VS_ERROR_MESSAGE_SIZE];
};

// The snapshot that `at` names. *schema_out: the snapshot's own for a past state, else the newest.
// NOT_FOUND tells what there is.
enum vs_status vs_view_resolve(const struct vs_table_metadata *metadata,
                               const struct vs_at *at,
                               int64_t *snapshot_id_out,
                               const struct vs_schema **schema_out,
                               struct vs_error *err);
// From the cache, or made. ref_out->value is the view.
enum vs_status vs_view_get(struct vs_engine *engine,
                           const char *table,
                           const struct vs_at *at,
                           const struct vs_op *op,
                           struct vs_cache_ref *ref_out,
                           struct vs_error *err);
// Not cached, of metadata that the caller keeps.
enum vs_status vs_view_make(struct vs_engine *engine,
                            struct vs_store *store,
                            const struct vs_table_metadata *metadata,
                            int64_t snapshot_id,
                            const struct vs_schema *schema,
                            const struct vs_op *op,
                            struct vs_view **view_out,
                            struct vs_error *err);
void vs_view_free(struct vs_view *view); // accepts NULL

// Opens the index; only NO_MEMORY, TIMEOUT and CANCELLED fail. Nothing else may use view->arena
// meanwhile.
enum vs_status vs_view_open_index(struct vs_view *view,
                                  const struct vs_op *op,
                                  struct vs_error *err);
// Maps the files, which are known by now, to its segments.
enum vs_status vs_view_map_index(struct vs_view *view, struct vs_error *err);
// Column of the index for this contract, SIZE_MAX when it has none that fits (*reason_out tells).
size_t vs_view_index_column(const struct vs_view *view,
                            const struct vs_vector_contract *contract,
                            const char **reason_out);
// Whether the index stores this field as the schema has it.
bool vs_view_stores_field(const struct vs_view *view, const struct vs_field *field);
// The file and position of a segment's row; false when the snapshot does not have the file.
bool vs_view_locate(const struct vs_view *view,
                    size_t segment,
                    uint64_t row,
                    size_t *file_out,
                    uint64_t *position_out);
// The run of a covered file that holds the position.
const struct vs_index_run *vs_view_run(const struct vs_view_file *file, uint64_t position);
bool vs_view_is_deleted(const struct vs_view_file *file, uint64_t position);

#endif
