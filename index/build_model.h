// SPDX-License-Identifier: Apache-2.0
/*
 * Model files: what training leaves for builds on other machines or after a stop. See
 * docs/format/index-parts.md section 1.
 *
 * Ownership: a model owns everything that it names, the codebooks too. Threads: immutable.
 */
#ifndef VS_INDEX_BUILD_MODEL_H
#define VS_INDEX_BUILD_MODEL_H

#include "index/index_build.h"
#include "vecstore/base/arena.h"
#include "vecstore/base/crypto.h"

struct vs_model_column {
    int32_t field_id;
    uint32_t dim;
    enum vs_metric metric;
    bool has_lists, second_assignment;
    uint64_t vector_count;
    size_t sample_count;
    const uint32_t *sample_rows;
    const float *sample;          // [sample_count][dim], prepared
    struct vs_str tuning;         // JSON, may be empty
    struct vs_codebook *codebook; // NULL without lists
};

struct vs_index_model {
    const struct vs_env *env;
    struct vs_arena arena;
    uint8_t name[VS_SHA256_SIZE];
    struct vs_uuid table_uuid;
    int64_t snapshot_id;
    uint64_t seed, row_count;
    enum vs_projection projection;
    struct vs_str trainer; // JSON, may be empty
    size_t column_count;
    struct vs_model_column *columns;
    size_t query_count;
    const float *queries; // as given, of the first column
};

// The file of a model; its name comes with decoding.
enum vs_status vs_index_model_encode(const struct vs_index_model *model,
                                     struct vs_buf *out,
                                     struct vs_error *err);

#endif
