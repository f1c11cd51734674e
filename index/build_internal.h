// SPDX-License-Identifier: Apache-2.0
/*
 * State of one index build, shared by index_build.c and the build_*.c, nobody else.
 *
 * Ownership: the build owns everything here until vs_index_build returns. Threads: tasks of
 * vs_pool_run write disjoint parts.
 */
#ifndef VS_INDEX_BUILD_INTERNAL_H
#define VS_INDEX_BUILD_INTERNAL_H

#include "index/attrs.h"
#include "index/codebook_assign.h"
#include "index/drift.h"
#include "index/index_build.h"
#include "index/index_format.h"
#include "index/index_write.h"
#include "index/lists.h"
#include "index/measure_truth.h"
#include "index/topk.h"

#define VS_MEASURE_QUERIES 384
#define VS_MEASURE_SAMPLE ((uint64_t)4 * VS_MEASURE_QUERIES) // rows that it chooses from

// Queries of the recall measurement, their true answers, and the settings worth to be kept.
struct vs_measure {
    bool given;
    size_t query_count;
    struct vs_truth truth;
    size_t excluded; // rows before and after a query's own that do not count
    float perturbation;
    struct vs_recall_point *points;
    size_t point_count;
    uint32_t open_lists; // see struct vs_index_column
};

// What the index keeps of the vectors of one column in one batch, in row order. They may have been
// encoded by an earlier run or on another machine.
struct vs_build_chunk {
    size_t count;
    struct vs_assignment *assigned;
    uint8_t *codes;  // [count][m / 2]
    int8_t *rows_i8; // [count][stride]
    struct vs_row_fact *facts;
};

// The second entry of a vector: it refers to the slot first_slot[primary] + rank.
struct vs_build_second {
    uint32_t list, primary, rank;
};

// Encoded vectors in order of arrival: all of a column, or those of a range of lists.
struct vs_build_set {
    size_t count, room;
    uint32_t *list_of;
    uint8_t *codes; // [room][m / 2]
    int8_t *values; // [room][stride]
    struct vs_row_fact *facts;
    size_t second_count, second_room;
    struct vs_build_second *seconds;
    uint8_t *second_codes; // [second_room][m / 2]
};

// Vectors as int8 rows, each with its scale, squared length and row number.
struct vs_build_rows {
    int8_t *values; // `stride` bytes each
    struct vs_row_fact *facts;
};

struct vs_build_spill;
struct vs_build_replay;
struct vs_build_log;
struct vs_build_resume;

struct vs_build_column {
    const struct vs_index_build_column *spec;
    const struct vs_field *field;
    bool store_vectors, has_lists;
    bool is_flat; // is known to get no lists
    bool half;    // its vectors are written as binary16
    uint64_t vector_count;
    size_t stride; // of an int8 row
    // first pass
    uint64_t *presence;
    uint32_t *row_crcs;
    uint32_t *present; // [batch_rows]: rows of the batch that have a vector
    uint32_t *place;   // [batch_rows]: their places in the sample
    size_t present_count;
    struct vs_build_rows kept;    // all vectors; NULL: they are read again
    struct vs_build_rows sampled; // NULL: the sample is among those kept
    uint32_t *sample_at;          // [sample_room]: numbers of the vectors in the sample
    size_t sample_room, sample_count;
    uint64_t random;
    float *sample; // [sample_count][dim]: what is left of it for the measurement
    uint32_t *sample_rows;
    // training
    struct vs_tune_choice choice;
    bool second_assignment;
    struct vs_codebook trained;
    const struct vs_codebook *codebook;
    // second pass
    size_t encoded;
    uint64_t done_row; // rows before are in the replayed part of a log
    struct vs_build_chunk chunk;
    struct vs_build_set set;
    struct vs_build_spill *spill;   // NULL: everything is in the set
    struct vs_list_record *records; // slot_count: vectors so far
    uint32_t *second_counts;        // [list_count]
    struct vs_drift *drifts;        // one a slice of the batch
    size_t drift_count;
    struct vs_drift drift;
    // lists, arranged; facts in slot order
    uint64_t entry_count;
    struct vs_row_fact *facts;
    struct vs_list_layout layout;
    const uint8_t *sections; // the lists blob; may be a map of a spill file
    uint64_t sections_length;
    struct vs_codebook ranked; // a view of the codebook, with the measured open_lists
    struct vs_lists lists;     // without int8 rows: those are written and gone
    struct vs_measure measure;
};

struct vs_build {
    const struct vs_env *env;
    const struct vs_index_build_params *params;
    const struct vs_index_row_source *source;
    struct vs_index_writer writer;
    uint64_t row_count;
    bool is_large; // at least small_rows: lists where a column has enough vectors
    size_t thread_count, batch_bytes, batch_rows;
    uint64_t seed;
    struct vs_build_column *columns;
    enum vs_field_place *places; // [field_count]; unused for fields that are not stored
    bool *stored;
    bool has_payload, payload_done;
    struct vs_column *attrs; // [field_count], accumulated
    struct vs_field *payload_fields;
    size_t payload_field_count;
    struct vs_buf payload; // finished blocks
    struct vs_payload_writer *payload_writer;
    struct vs_batch batches[2]; // one is worked on while the other is read
    struct vs_batch payload_batch;
    const struct vs_index_model *model; // given or taken up; NULL: trained here
    struct vs_index_model *own_model;   // to be freed
    struct vs_build_replay *replay;     // NULL: nothing was encoded before
    struct vs_build_log *log;           // NULL: encoded vectors are not written to a part
    struct vs_build_resume *resume;     // NULL: nothing is left behind
    bool resumed_model;                 // of an earlier run, ...
    uint64_t resumed_vectors;           // ... as are these
    bool only_part, only_train;         // nothing else is made
    bool skip_vectors;                  // of the rows: parts bring them
    float *raw; // [batch_rows][widest dim]: vectors on their way into their blob
    bool keep_vectors;
    uint64_t memory_limit;
    int64_t train_ns, encode_ns, rows_ns, measure_ns, arrange_ns;
};

// build_setup.c
enum vs_status vs_build_set_up(struct vs_build *build, struct vs_error *err);
void vs_build_train_params(const struct vs_build *build, size_t c, struct vs_train_params *train);

// index_build.c: the codebook of a column, the choice of second assignment, and the sample of the
// measurement.
enum vs_status vs_build_train_column(struct vs_build *build, size_t c, struct vs_error *err);
void vs_build_clear(struct vs_build *build);

// build_steps.c: the columns as a model that is given has them; a model of what was trained.
enum vs_status vs_build_take_model(struct vs_build *build, struct vs_error *err);
enum vs_status vs_build_model_bytes(const struct vs_build *build,
                                    struct vs_buf *out,
                                    struct vs_error *err);

// build_rows.c: what a pass over the rows does.
enum vs_build_pass {
    VS_PASS_ROWS = 1,
    VS_PASS_VECTORS = 2,
    VS_PASS_ENCODE = 4,
    VS_PASS_PAYLOAD = 8,
    VS_PASS_SAMPLE = 16 // counts and checks vectors, samples them, keeps them (build_sample.c)
};
// vector_column: whose f32 vectors are written (VS_PASS_VECTORS).
enum vs_status vs_build_run_pass(struct vs_build *build,
                                 unsigned pass,
                                 size_t vector_column,
                                 struct vs_error *err);
// Encodes the vectors that the first pass kept.
enum vs_status vs_build_encode_kept(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err);
enum vs_status vs_build_put_attrs(struct vs_build *build,
                                  struct vs_arena *arena,
                                  struct vs_segment_parts *parts,
                                  struct vs_error *err);
void vs_build_rows_clear(struct vs_build *build);

// Copies the vector of a row out of its batch, checked and prepared.
enum vs_status vs_build_take_vector(const struct vs_build_column *column,
                                    const struct vs_column *values,
                                    size_t at,
                                    uint64_t row,
                                    float *vector_out,
                                    struct vs_error *err);

// build_sample.c: one batch of VS_PASS_SAMPLE; slices in any order.
void vs_build_sample_begin(struct vs_build_column *column, const struct vs_batch *batch);
enum vs_status vs_build_sample_slice(const struct vs_build *build,
                                     struct vs_build_column *column,
                                     const struct vs_batch *batch,
                                     uint64_t first_row,
                                     size_t slice,
                                     struct vs_error *err);
void vs_build_sample_end(struct vs_build_column *column);
// The sample for training, and afterwards the small part that the measurement gets.
struct vs_train_rows vs_build_sample_rows(const struct vs_build_column *column);
enum vs_status vs_build_sample_thin(const struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err);
enum vs_status vs_build_rows_make(const struct vs_env *env,
                                  size_t count,
                                  size_t stride,
                                  struct vs_build_rows *rows,
                                  struct vs_error *err);
void vs_build_rows_free(const struct vs_env *env, struct vs_build_rows *rows);
// The int8 row of a prepared vector; returns its scale.
float vs_build_round(
    const float *vector, size_t dim, size_t stride, int8_t *values_out, float *norm_out);

// build_vectors.c: the blob of vectors, one part a batch. binary16 where that was asked for and
// lists are possible; it may turn out later that there are none (place_columns).
enum vs_status vs_build_vectors_begin(struct vs_build *build,
                                      struct vs_build_column *column,
                                      struct vs_error *err);
enum vs_status vs_build_vectors_write(struct vs_build *build,
                                      struct vs_build_column *column,
                                      const struct vs_batch *batch,
                                      uint64_t first_row,
                                      struct vs_error *err);
enum vs_status vs_build_vectors_end(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err);

// build_encode.c: the batch is cut into slices, which the pool encodes in any order.
#define VS_BUILD_SLICE 256
enum vs_status vs_build_encode_begin(struct vs_build *build,
                                     struct vs_build_column *column,
                                     struct vs_error *err);
// Makes room in the set for `count` vectors.
enum vs_status vs_build_chunk_room(const struct vs_build *build,
                                   struct vs_build_column *column,
                                   size_t count,
                                   struct vs_error *err);
// The same for the vectors of a batch but those of rows that are done.
enum vs_status vs_build_chunk_begin(const struct vs_build *build,
                                    struct vs_build_column *column,
                                    const struct vs_batch *batch,
                                    uint64_t first_row,
                                    struct vs_error *err);
// batch NULL: the kept vectors that come next.
enum vs_status vs_build_encode_slice(struct vs_build *build,
                                     struct vs_build_column *column,
                                     const struct vs_batch *batch,
                                     uint64_t first_row,
                                     size_t slice,
                                     struct vs_error *err);
// All slices are done: counts, second entries, drift, measurement; and the log, which then reaches
// up to end_row (0: what was replayed is not logged again).
enum vs_status vs_build_chunk_end(struct vs_build *build,
                                  struct vs_build_column *column,
                                  uint64_t end_row,
                                  struct vs_error *err);
enum vs_status vs_build_set_make(const struct vs_env *env,
                                 const struct vs_build_column *column,
                                 size_t room,
                                 size_t second_room,
                                 struct vs_build_set *set,
                                 struct vs_error *err);
void vs_build_set_clear(const struct vs_env *env, struct vs_build_set *set);
void vs_build_chunk_free(const struct vs_env *env, struct vs_build_column *column);
void vs_build_column_clear(struct vs_build *build, struct vs_build_column *column);
enum vs_status vs_build_no_memory(const struct vs_build_column *column, struct vs_error *err);

// build_lists.c: from order of arrival to lists. put_rows arranges everything and writes the rows
// blob.
enum vs_status vs_build_put_rows(struct vs_build *build,
                                 struct vs_build_column *column,
                                 struct vs_error *err);
enum vs_status vs_build_put_lists(struct vs_build *build,
                                  struct vs_build_column *column,
                                  struct vs_error *err);
enum vs_status vs_build_put_hot(struct vs_build *build,
                                struct vs_build_column *column,
                                struct vs_error *err);

// build_summary.c: what the lists hold of the attributes; nothing when there is nothing to say.
enum vs_status vs_build_put_summary(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err);

// build_describe.c: everything but the blobs.
enum vs_status vs_build_describe(struct vs_build *build,
                                 struct vs_arena *arena,
                                 struct vs_descriptor *d,
                                 struct vs_error *err);

// build_measure.c
enum vs_status vs_measure_begin(struct vs_build *build,
                                struct vs_build_column *column,
                                const float *given,
                                size_t given_count,
                                struct vs_error *err);
enum vs_status vs_measure_chunk(struct vs_build *build,
                                struct vs_build_column *column,
                                const struct vs_build_chunk *chunk,
                                struct vs_error *err);
// measure_open.c: before the curve, measure.open_lists.
enum vs_status vs_measure_open(struct vs_build *build,
                               struct vs_build_column *column,
                               struct vs_error *err);
enum vs_status vs_measure_curve(struct vs_build *build,
                                struct vs_build_column *column,
                                struct vs_error *err);
void vs_measure_clear(const struct vs_env *env, struct vs_measure *measure);

// Prepares a vector in place: unit length for cosine. False when that cannot be done (length zero
// or not finite).
bool vs_build_prepare(const struct vs_kernels *kernels,
                      enum vs_metric metric,
                      float *vector,
                      size_t dim);

static inline uint64_t vs_build_random(uint64_t *state) // splitmix64
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
