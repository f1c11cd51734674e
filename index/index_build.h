// SPDX-License-Identifier: Apache-2.0
/*
 * Builds one index file from rows: choose (tune.h), train (FAISS), assign, encode, measure recall,
 * write. See docs/internals/index-build.md.
 *
 * The rows come from a source that can be rewound: a first pass samples vectors and stores attrs,
 * payload, ids and vectors; a second assigns and encodes. Where memory allows, the first pass keeps
 * the vectors and nothing is read twice; where it does not, encoded rows go to spill files by range
 * of lists. The bytes are the same either way. Segments below the small limit need only the first.
 */
#ifndef VS_INDEX_INDEX_BUILD_H
#define VS_INDEX_INDEX_BUILD_H

#include "index/drift.h"
#include "index/index.h"
#include "index/trainer.h"
#include "index/tune.h"
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

struct vs_index_model;

// Vectors kept in the index besides the int8 rows, for exact scores on request.
// f16: half the bytes, for scores that are nearly exact.
enum vs_store_vectors { VS_STORE_NONE = 0, VS_STORE_F16 = 1, VS_STORE_F32 = 2 };

struct vs_index_build_params {
    struct vs_uuid table_uuid;
    struct vs_uuid index_uuid; // of the new file; all zero: random
    int64_t created_ms;        // 0: now
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
    enum vs_tune_second second_assignment;
    enum vs_store_vectors store_vectors; // of segments with lists; others always keep f32
    size_t small_rows;                   // 0: VS_INDEX_SMALL_ROWS (tests lower it)
    float min_recall; // of recall@10 at the default target; below: VS_LIMIT and nothing is
                      // published. 0: no gate
    const float
        *queries; // optional [query_count][dim] of columns[0], real queries for the measurement
    size_t query_count;
    uint64_t seed; // 0: 1
    size_t thread_count;
    uint64_t memory_bytes; // 0: half of RAM
    const char *spill_dir; // NULL: $TMPDIR, or /tmp
    // NULL: none. Else a build leaves its model and a log of what it encoded there, and one with
    // the same inputs goes on from them, until vs_index_build_forget.
    const char *resume_dir;
    const struct vs_index_model *model; // optional: instead of training, with all that it says
    // With a model: encoded vectors from part files instead of encoding; all of the segment's data
    // files, in any order. The source is asked for the other values only, once; rows may come
    // without vectors where store_vectors is none.
    struct vs_file *const *parts;
    size_t part_count;
    // Blobs of other producers to carry along, already read: type, fields, properties as in *blob;
    // bytes.
    const struct vs_puffin_blob *foreign_blobs;
    const struct vs_str *foreign_bytes;
    size_t foreign_count;
    const struct vs_op *op;
    const struct vs_codebook *const
        *codebooks; // optional [column_count]: used instead of training where not NULL
    const struct vs_drift_baseline
        *baselines;  // optional [column_count]: of the vectors that trained the codebooks given
    bool no_measure; // no recall curve and no canary: those of the codebooks' build hold
};

#define VS_RESUME_PATH_SIZE 1024

struct vs_index_build_result {
    struct vs_uuid index_uuid;
    uint64_t file_size, footer_size, row_count, vector_count;
    uint32_t list_count, m;   // of the first vector column; 0 for small segments
    float recall_at_10;       // measured at the default target; 1 for small segments
    bool resumed_model;       // resume_dir: training was not needed, ...
    uint64_t resumed_vectors; // ... nor encoding of these
    char resume_files[2][VS_RESUME_PATH_SIZE]; // of resume_dir, to be forgotten; "" none
    char summary_json[2048]; // {"train_ms":…,"encode_ms":…,"lists":…,"m":…,"recall":…}
};

// ---- steps of a build that is spread over machines (docs/format/index-parts.md) ----

// Samples and trains, nothing else; the model's file goes to `out` (initialised by the caller).
enum vs_status vs_index_train(const struct vs_env *env,
                              const struct vs_index_build_params *params,
                              const struct vs_index_row_source *source,
                              struct vs_buf *out,
                              struct vs_error *err);
enum vs_status vs_index_model_decode(const struct vs_env *env,
                                     struct vs_str bytes,
                                     const char *what,
                                     struct vs_index_model **model_out,
                                     struct vs_error *err);
void vs_index_model_free(struct vs_index_model *model); // accepts NULL
int64_t vs_index_model_snapshot(const struct vs_index_model *model);
// Encodes the vectors of params->files, some of the snapshot's, with params->model; `out` is
// finished by the caller. Fields that are not embedding columns are not looked at.
enum vs_status vs_index_encode_part(const struct vs_env *env,
                                    const struct vs_index_build_params *params,
                                    const struct vs_index_row_source *source,
                                    struct vs_writer *out,
                                    uint64_t *vector_count_out,
                                    struct vs_error *err);

// Removes what a build left in resume_dir: called when its file is where it belongs, and not
// before, since finishing or publishing it may fail.
void vs_index_build_forget(const struct vs_index_build_result *result);

// Writes the file into `out` (finished by the caller).
enum vs_status vs_index_build(const struct vs_env *env,
                              const struct vs_index_build_params *params,
                              const struct vs_index_row_source *source,
                              struct vs_writer *out,
                              struct vs_index_build_result *result_out,
                              struct vs_error *err);

#endif
