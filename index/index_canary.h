// SPDX-License-Identifier: Apache-2.0
/*
 * Canary queries: a few hundred queries that a build keeps, so that true recall can be measured
 * again on later snapshots (docs/format/index-v1.md, section 10).
 *
 * Ownership: decoded queries point into the bytes given. Threads: pure functions.
 */
#ifndef VS_INDEX_INDEX_CANARY_H
#define VS_INDEX_INDEX_CANARY_H

#include "index/index.h"

#define VS_CANARY_QUERIES 200

struct vs_canary {
    uint32_t count, dim;
    uint32_t k;           // recall is of the nearest k
    float recall;         // that the build measured at `target`
    float target;         // recall target of the settings
    bool given;           // queries came from the caller; else rows with noise
    const float *queries; // [count][dim], prepared
};

// Appends the blob.
enum vs_status vs_canary_encode(const struct vs_canary *canary,
                                struct vs_buf *out,
                                struct vs_error *err);
// bytes: aligned to 4.
enum vs_status vs_canary_decode(struct vs_str bytes,
                                const char *what,
                                struct vs_canary *canary_out,
                                struct vs_error *err);
// Reads the blob of a column; *bytes_out (free with vs_free) holds the queries. VS_NOT_FOUND: the
// build kept none.
enum vs_status vs_index_read_canary(const struct vs_index *index,
                                    size_t column,
                                    struct vs_canary *canary_out,
                                    uint8_t **bytes_out,
                                    struct vs_error *err);

#endif
