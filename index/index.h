// SPDX-License-Identifier: Apache-2.0
/*
 * An opened index file: what it covers, search, values of rows. It knows nothing of Iceberg: data
 * files are opaque (path, count, sequence number).
 *
 * Rows of a segment are numbered in row order: the rows of its data files one after the other
 * (file.first_row + position). All rows of a covered file are in the index, also those deleted when
 * it was built: callers mask by snapshot. Opening verifies every section it keeps in memory
 * (codebook, hot, lists, rows, ids; small segments: vectors); attrs, payload and f32 vectors are
 * read and verified on demand. Threads: an opened index is immutable for its users (on-demand parts
 * are guarded inside); scratch has one owner. Ownership: takes nothing; the file must outlive the
 * index. Layout: docs/format/index-v1.md.
 */
#ifndef VS_INDEX_INDEX_H
#define VS_INDEX_INDEX_H

#include "index/codebook.h"
#include "vecstore/base/cancel.h"
#include "vecstore/base/io.h"
#include "vecstore/base/uuid.h"
#include "vecstore/format/column.h"

struct vs_index;

struct vs_index_file_ref {
    struct vs_str path; // as in the table
    uint64_t row_count;
    int64_t sequence_number;
    uint64_t first_row; // in the segment
};

// Positions of a data file that are rows of a segment, one after the other.
struct vs_index_run {
    uint32_t segment, first_row;
    uint32_t position, count; // in the data file
};

// A data file that was written anew from rows of the segments (format version 2).
struct vs_index_moved_file {
    struct vs_str path;
    uint64_t row_count;
    int64_t sequence_number;
    size_t run_count;
    const struct vs_index_run *runs; // by position; they cover the file
};

// One measured point: on the sample of held-out queries, (nprobe, rerank) gave this mean recall@k.
struct vs_recall_point {
    uint32_t k, nprobe, rerank;
    float recall, scanned_fraction;
    float gap;    // lists whose score is further behind the best list's are left out; 0: none is
    bool rescore; // with scores from the stored float vectors
};

struct vs_index_column {
    int32_t field_id;
    struct vs_str name;
    uint32_t dim;
    enum vs_metric metric;
    bool normalized;     // the table's contract says vectors are unit length
    struct vs_str model; // the contract's model name, informational
    struct vs_str model_id;
    uint32_t list_count, m, proj_dim; // 0 where all segments are small
    size_t recall_count;
    const struct vs_recall_point *recall; // by k, then nprobe
    uint32_t open_lists; // looked at when lists are ranked, those of the nearest super-clusters;
                         // 0: all
    bool has_exact_rows; // f32 vectors stored
    bool has_half_rows;  // binary16 vectors stored (in segments with lists); never with the above
};

struct vs_index_segment {
    uint64_t row_count;
    bool is_small; // no lists, no codes: vectors are scanned exactly
    size_t file_count;
    const struct vs_index_file_ref *files;
};

struct vs_index_info {
    int format_version;
    struct vs_uuid table_uuid, index_uuid;
    int64_t snapshot_id; // of the build
    int64_t created_ms;
    size_t segment_count;
    const struct vs_index_segment *segments;
    size_t moved_count; // no row of a segment belongs to two of them
    const struct vs_index_moved_file *moved;
    size_t column_count;
    const struct vs_index_column *columns;
    size_t field_count;
    const struct vs_field *fields; // stored scalar and list columns (attrs and payload)
    int32_t id_field_id;           // -1: the table has no identifier
    struct vs_str build_json;      // facts of the build, as JSON
    uint64_t file_size, memory_bytes;
};

struct vs_index_open_options {
    const struct vs_uuid *table_uuid; // not NULL: another table's index is VS_INVALID with both ids
    bool skip_lists;                  // metadata, attrs, payload and ids only (get, show)
    size_t thread_count;
    // Reads the end of the file only; lists and rows are read when a query needs them, and the rest
    // by a thread after the first query unless `idle` says no.
    bool lazy;
    bool rows_in_file;        // lazy: int8 rows stay in the file and are read by position
    bool idle;                // lazy: nothing is read that no query asked for
    uint64_t background_rate; // bytes per second of that thread; 0: as fast as it goes
    size_t tail_bytes;        // lazy: so much of the end is read first; 0: guessed
};

// What an index opened lazily has read so far.
struct vs_index_reads {
    uint64_t ranges, rounds, bytes; // for queries; a round is what travels side by side
    uint64_t background_bytes;
    uint64_t resident_lists, list_count; // codes in memory, over segments and columns
    bool complete;                       // nothing is left to read for a search
};

enum vs_status vs_index_open(const struct vs_env *env,
                             struct vs_file *file,
                             const struct vs_index_open_options *options,
                             struct vs_index **index_out,
                             struct vs_error *err);
void vs_index_close(struct vs_index *index); // accepts NULL
const struct vs_index_info *vs_index_info(const struct vs_index *index);
struct vs_index_reads vs_index_reads(const struct vs_index *index); // zeros where nothing is lazy
// Waits until an index opened lazily has everything in memory that it ever will (warm-up).
enum vs_status vs_index_preload(const struct vs_index *index,
                                const struct vs_op *op,
                                struct vs_error *err);

// Whether the vectors of a column lie in lists in this segment; else they are scanned exactly.
bool vs_index_has_lists(const struct vs_index *index, size_t segment, size_t column);

// Allowed rows of a segment for one vector column, turned from row order into list order once;
// reusable by many queries.
struct vs_index_mask;
enum vs_status vs_index_mask_make(const struct vs_index *index,
                                  size_t segment,
                                  size_t column,
                                  const uint64_t *row_bits,
                                  struct vs_index_mask **mask_out,
                                  struct vs_error *err);

// The same where it is known that allowed rows are in these lists only (a bit per list; NULL: any):
// the others are not looked at, and not read where they are not in memory. CORRUPT when a row
// turns out to lie elsewhere. `op` ends the reading.
struct vs_index_allowed {
    size_t segment, column;
    const uint64_t *row_bits, *list_bits;
    const struct vs_op *op;
};
enum vs_status vs_index_mask_make_in(const struct vs_index *index,
                                     const struct vs_index_allowed *allowed,
                                     struct vs_index_mask **mask_out,
                                     struct vs_error *err);
// What the lists hold of the stored fields (index/list_summary.h), borrowed; NULL where the file
// has no summary. Read when first asked for; a damaged one is reported by the first call and absent
// afterwards.
struct vs_list_summary;
enum vs_status vs_index_list_summary(const struct vs_index *index,
                                     size_t segment,
                                     size_t column,
                                     const struct vs_list_summary **summary_out,
                                     struct vs_error *err);
size_t vs_index_mask_memory(const struct vs_index_mask *mask); // bytes held; 0 for NULL
void vs_index_mask_free(struct vs_index_mask *mask);

// A segment with lists that takes part in a search.
struct vs_index_target {
    size_t segment;
    const struct vs_index_mask *mask; // NULL: every row with a vector
};

struct vs_index_query {
    size_t segment, column;
    // Several segments with lists at once: the query is projected, lists are ranked and the table
    // is made once for all. 0: `segment` and `mask` alone.
    const struct vs_index_target *targets;
    size_t target_count;
    const float *vector; // [dim], finite; not zero for cosine
    size_t k;
    uint32_t nprobe, rerank; // 0: from the recall curve for recall_target
    float gap;               // with nprobe given: 0: exactly nprobe lists
    float recall_target;     // 0: 0.95
    // Scores from the f32 vectors (VS_UNSUPPORTED when the index has none), not from int8 rows.
    // Settings from the recall curve may ask for it too.
    bool rescore;
    bool exact; // scan all f32 vectors (VS_UNSUPPORTED when the index has none and the segment is
                // not small)
    const struct vs_index_mask *mask; // NULL: every row with a vector
    const struct vs_op *op;           // deadline; may be NULL
};

struct vs_index_hit {
    uint32_t row; // row order
    float score;  // cosine or inner product: higher is nearer; L2: minus the squared distance
    uint32_t segment;
};

struct vs_index_stats {
    uint64_t scanned;   // codes looked at (or vectors, when exact)
    uint64_t reranked;  // rows scored from int8 or f32
    uint64_t centroids; // of super-clusters and lists, scored from int8
    uint32_t nprobe, rerank;
    int64_t probe_ns, scan_ns, rerank_ns;
    bool exact; // the answer is exact
};

// Per-thread working memory; grows to what queries need.
struct vs_index_scratch;
enum vs_status vs_index_scratch_new(const struct vs_env *env,
                                    struct vs_index_scratch **scratch_out,
                                    struct vs_error *err);
void vs_index_scratch_free(struct vs_index_scratch *scratch);

// Best k by descending score, ties to the lower row. Fewer than k only when fewer rows are allowed
// (probing goes on until k are found or all lists are done).
enum vs_status vs_index_search(const struct vs_index *index,
                               const struct vs_index_query *query,
                               struct vs_index_scratch *scratch,
                               struct vs_index_hit *hits_out,
                               size_t *hit_count_out,
                               struct vs_index_stats *stats_out,
                               struct vs_error *err);

// The same for many queries: query->vector is [count][dim], the answers are hits_out[count][k] and
// hit_counts_out[count]. Lists that several queries want are scanned for all
// of them while they are in the cache. stats_out: sums, and the mean of nprobe.
enum vs_status vs_index_search_batch(const struct vs_index *index,
                                     const struct vs_index_query *query,
                                     size_t count,
                                     struct vs_index_scratch *scratch,
                                     struct vs_index_hit *hits_out,
                                     size_t *hit_counts_out,
                                     struct vs_index_stats *stats_out,
                                     struct vs_error *err);

// Values of stored fields. Whole column in row order (attrs directly, payload by decoding all
// blocks):
enum vs_status vs_index_load_column(const struct vs_index *index,
                                    size_t segment,
                                    int32_t field_id,
                                    struct vs_column *column_out,
                                    struct vs_error *err);
// What vs_index_fetch will need of these fields whatever the rows are; so that it travels
// meanwhile.
enum vs_status vs_index_prefetch(const struct vs_index *index,
                                 size_t segment,
                                 const int32_t *field_ids,
                                 size_t field_count,
                                 const struct vs_op *op,
                                 struct vs_error *err);
// A few rows of some fields, appended to batch (columns as field_ids).
enum vs_status vs_index_fetch(const struct vs_index *index,
                              size_t segment,
                              const int32_t *field_ids,
                              size_t field_count,
                              const uint32_t *rows,
                              size_t count,
                              struct vs_batch *batch,
                              struct vs_error *err);
// f32 vectors of rows as the table stores them: out[count][dim]; present_out[i] false where the row
// has none. VS_UNSUPPORTED where the segment has none, or rounded ones only (half rows).
enum vs_status vs_index_fetch_vectors(const struct vs_index *index,
                                      size_t segment,
                                      size_t column,
                                      const uint32_t *rows,
                                      size_t count,
                                      float *out,
                                      bool *present_out,
                                      struct vs_error *err);
// Rows with this id in the segment (borrowed, ascending).
enum vs_status vs_index_find_id(const struct vs_index *index,
                                size_t segment,
                                const struct vs_value *id,
                                const uint32_t **rows_out,
                                size_t *count_out,
                                struct vs_error *err);
// Rows in each list of a segment (duplicates of a second assignment counted):
// sizes_out[list_count]. VS_UNSUPPORTED for small segments.
enum vs_status vs_index_list_sizes(const struct vs_index *index,
                                   size_t segment,
                                   size_t column,
                                   uint32_t *sizes_out,
                                   struct vs_error *err);
// Bit per row: the row has a vector in this column. row_bits has (row_count + 63) / 64 words,
// overwritten.
enum vs_status vs_index_vector_rows(const struct vs_index *index,
                                    size_t segment,
                                    size_t column,
                                    uint64_t *row_bits,
                                    struct vs_error *err);

// Reads every byte and checks everything that can be checked; problems are counted and the first is
// put into err. report_out: JSON {"blobs":[{type,bytes,crc_ok,…}],"rows":N,"problems":[…]};
// VS_CORRUPT when there is any problem.
enum vs_status vs_index_verify(const struct vs_env *env,
                               struct vs_file *file,
                               const struct vs_op *op,
                               struct vs_buf *report_out,
                               struct vs_error *err);

#endif
