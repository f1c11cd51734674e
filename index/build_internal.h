// SPDX-License-Identifier: Apache-2.0
/*
 * State of one index build, shared by index_build.c, build_rows.c, build_encode.c and
 * build_measure.c, nobody else.
 *
 * Ownership: the build owns everything here until vs_index_build returns. Threads: tasks of
 * vs_pool_run write disjoint parts.
 */
#ifndef VS_INDEX_BUILD_INTERNAL_H
#define VS_INDEX_BUILD_INTERNAL_H

#include "index/attrs.h"
#include "index/index_build.h"
#include "index/index_format.h"
#include "index/index_write.h"
#include "index/lists.h"
#include "index/topk.h"

#define VS_MEASURE_QUERIES 384
#define VS_MEASURE_TOP 100

// Queries of the recall measurement, their exact answers, and the settings tried.
struct vs_measure {
    bool given;
    size_t query_count, plain_count; // the first plain_count are rows as they are
    float *queries;                  // [query_count][dim], prepared
    uint32_t *query_rows;            // the row a query was made from; UINT32_MAX: none
    struct vs_reservoir *truth;      // [query_count]: best VS_MEASURE_TOP rows
    uint32_t *truth_keys, *truth_ids;
    size_t excluded; // rows before and after query_rows that do not count
    float perturbation;
    struct vs_recall_point *points;
    size_t point_count;
};

struct vs_build_column {
    const struct vs_index_build_column *spec;
    const struct vs_field *field;
    bool store_vectors, has_lists;
    uint64_t vector_count;
    // first pass
    uint64_t *presence;
    uint32_t *row_crcs;
    float *sample;
    uint32_t *sample_rows;
    size_t sample_room, sample_count;
    uint64_t random;
    // training
    struct vs_codebook trained;
    const struct vs_codebook *codebook;
    float *pq_columns;
    // second pass, by order of arrival; then rows and facts in slot order
    size_t encoded;
    uint32_t *list_of;
    uint8_t *codes;   // [vector_count][m / 2]
    float *distances; // squared, to the centroid
    uint8_t *rows;    // [vector_count][stride]
    struct vs_row_fact *facts;
    struct vs_list_record *records;
    uint32_t *first_block;
    uint8_t *sections;
    uint64_t sections_length;
    struct vs_lists lists;
    struct vs_measure measure;
};

// Vectors of one column in one batch: those present, prepared, with their rows.
struct vs_build_chunk {
    float *vectors;
    uint32_t *rows;
    size_t count;
};

struct vs_build {
    const struct vs_env *env;
    const struct vs_index_build_params *params;
    const struct vs_index_row_source *source;
    struct vs_index_writer writer;
    uint64_t row_count;
    bool is_large; // at least small_rows: lists where a column has enough vectors
    size_t thread_count, batch_rows;
    uint64_t seed;
    struct vs_build_column *columns;
    enum vs_field_place *places; // [field_count]; unused for fields that are not stored
    bool *stored;
    bool has_payload;
    struct vs_column *attrs; // [field_count], accumulated
    struct vs_field *payload_fields;
    size_t payload_field_count;
    struct vs_buf payload; // finished blocks
    struct vs_payload_writer *payload_writer;
    struct vs_batch batch;
    struct vs_batch payload_batch;
    struct vs_build_chunk chunk;
    int64_t train_ns, encode_ns, rows_ns, measure_ns;
};

// build_rows.c: what a pass over the rows does.
enum vs_build_pass {
    VS_PASS_ROWS = 1,
    VS_PASS_VECTORS = 2,
    VS_PASS_ENCODE = 4,
    VS_PASS_PAYLOAD = 8
};
// vector_column: whose f32 vectors are written (VS_PASS_VECTORS).
enum vs_status vs_build_run_pass(struct vs_build *build,
                                 unsigned pass,
                                 size_t vector_column,
                                 struct vs_error *err);
enum vs_status vs_build_put_attrs(struct vs_build *build,
                                  struct vs_arena *arena,
                                  struct vs_segment_parts *parts,
                                  struct vs_error *err);
void vs_build_rows_clear(struct vs_build *build);

// build_encode.c
enum vs_status vs_build_encode_begin(struct vs_build *build,
                                     struct vs_build_column *column,
                                     struct vs_error *err);
enum vs_status vs_build_encode_chunk(struct vs_build *build,
                                     struct vs_build_column *column,
                                     const struct vs_build_chunk *chunk,
                                     struct vs_error *err);
enum vs_status vs_build_arrange(struct vs_build *build,
                                struct vs_build_column *column,
                                struct vs_error *err);
enum vs_status vs_build_put_lists(struct vs_build *build,
                                  struct vs_build_column *column,
                                  struct vs_error *err);
enum vs_status vs_build_put_hot(struct vs_build *build,
                                struct vs_build_column *column,
                                struct vs_error *err);
void vs_build_column_clear(struct vs_build *build, struct vs_build_column *column);

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
