// SPDX-License-Identifier: Apache-2.0
/*
 * Builds one index file from rows: train (FAISS), assign, encode, measure recall, write. See
 * docs/internals/index-build.md.
 *
 * The rows come twice from a source that can be rewound: a first pass samples vectors and stores
 * attrs, payload, ids and f32 vectors; a second assigns and encodes and computes the exact answers
 * for the recall measurement. Segments below the small limit need only the first.
 */
#ifndef VS_INDEX_INDEX_BUILD_H
#define VS_INDEX_INDEX_BUILD_H

#include "index/index.h"
#include "index/trainer.h"
#include "vecstore/format/puffin.h"

#define VS_INDEX_SMALL_ROWS 20000 // below: no lists, exact scan

// Rows in row order: all fields of params->fields as columns. Appends up to max_rows to batch
// (reset by the caller); 0 rows: end.
struct vs_index_row_source {
    enum vs_status (*next)(void *ctx,
                           size_t max_rows,
                           struct vs_batch *batch,
                           struct vs_error *err);
    enum vs_status (*rewind)(void *ctx, struct vs_error *err);
    void *ctx;
};

struct vs_index_build_column {
    size_t field; // index into fields; LIST<FLOAT>
    uint32_t dim;
    enum vs_metric metric;
    bool normalized;
    struct vs_str model; // contract's model name, informational
};

struct vs_index_build_params {
    struct vs_uuid table_uuid;
    struct vs_uuid index_uuid; // of the new file; all zero: random
    int64_t snapshot_id, sequence_number;
    const struct vs_field *fields; // every column of the table that can be read
    size_t field_count;
    size_t id_field; // index into fields, SIZE_MAX: none
    const struct vs_index_build_column *columns;
    size_t column_count;
    const struct vs_index_file_ref *files; // first_row filled in by the caller
    size_t file_count;
    uint32_t list_count; // 0: automatic
    uint32_t m;          // 0: automatic
    enum vs_projection projection;
    bool no_exact_rows; // leave out the f32 vectors
    size_t small_rows;  // 0: VS_INDEX_SMALL_ROWS (tests lower it)
    float min_recall;   // of recall@10 at the default target; below: VS_LIMIT and nothing is
                        // published. 0: no gate
    const float
        *queries; // optional [query_count][dim] of columns[0], real queries for the measurement
    size_t query_count;
    uint64_t seed; // 0: 1
    size_t thread_count;
    uint64_t memory_bytes; // 0: half of RAM
    // Blobs of other producers to carry along, already read: type, fields, properties as in *blob;
    // bytes.
    const struct vs_puffin_blob *foreign_blobs;
    const struct vs_str *foreign_bytes;
    size_t foreign_count;
    const struct vs_op *op;
    const struct vs_codebook *const
        *codebooks; // optional [column_count]: used instead of training where not NULL
};

struct vs_index_build_result {
    struct vs_uuid index_uuid;
    uint64_t file_size, footer_size, row_count, vector_count;
    uint32_t list_count, m;  // of the first vector column; 0 for small segments
    float recall_at_10;      // measured at the default target; 1 for small segments
    char summary_json[2048]; // {"train_ms":…,"encode_ms":…,"lists":…,"m":…,"recall":…}
};

// Writes the file into `out` (finished by the caller).
enum vs_status vs_index_build(const struct vs_env *env,
                              const struct vs_index_build_params *params,
                              const struct vs_index_row_source *source,
                              struct vs_writer *out,
                              struct vs_index_build_result *result_out,
                              struct vs_error *err);

#endif
