// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors of a data file, read from Parquet: streamed in blocks, or kept whole in the engine's
 * cache (the tail: files that came after the index).
 *
 * A row whose vector is null, has another length than the contract says, holds NaN or Inf, or is
 * zero under cosine has no usable vector: it is left out here and counted as such by callers.
 * Private to api/query.
 */
#ifndef VS_QUERY_VECTOR_SCAN_H
#define VS_QUERY_VECTOR_SCAN_H

#include "api/query/query_view.h"

struct vs_vector_block {
    size_t count;
    const float *rows;         // [count][dim]
    const uint32_t *positions; // ascending
    const float
        *scales; // 1 / norm, to make a dot product a cosine; NULL where the metric does not need it
};

typedef enum vs_status (*vs_vector_fn)(void *ctx,
                                       const struct vs_vector_block *block,
                                       struct vs_error *err);

struct vs_vector_scan {
    const struct vs_view *view;
    const struct vs_vector_contract *contract;
    size_t file;
    const struct vs_op *op;
};

enum vs_status vs_vectors_stream(const struct vs_vector_scan *scan,
                                 vs_vector_fn visit,
                                 void *ctx,
                                 struct vs_error *err);
// Whether the file's vectors are small enough for the cache.
bool vs_vectors_fit(const struct vs_vector_scan *scan);
// ref_out->value is a struct vs_vector_block over the whole file.
enum vs_status vs_vectors_get(const struct vs_vector_scan *scan,
                              struct vs_cache_ref *ref_out,
                              struct vs_error *err);

#endif
