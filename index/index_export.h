// SPDX-License-Identifier: Apache-2.0
/*
 * An index as a file that FAISS reads: IndexPreTransform (the projection) over IndexIVFPQ with
 * 4-bit codes, by_residual false (docs/format/faiss-export.md).
 *
 * Codes, centroids and codebooks are ours, number for number; int8 rows, second assignments and
 * values stay behind. Ownership: everything is borrowed. Threads: one caller.
 */
#ifndef VS_INDEX_INDEX_EXPORT_H
#define VS_INDEX_INDEX_EXPORT_H

#include "index/index.h"

struct vs_index_export {
    struct vs_file *file;         // that the index was opened from
    const struct vs_index *index; // may be opened with skip_lists where no segment is flat
    size_t column;
    const uint64_t *const *live; // [segment_count]: bit per row; NULL: every row
    // [segment_count][row_count]: ids of the rows; NULL: rows are numbered through all segments
    const int64_t *const *ids;
    const struct vs_op *op;
};

struct vs_index_export_result {
    uint64_t vector_count, file_size;
    uint32_t list_count, m;
};

// VS_UNSUPPORTED when the column has no codebook.
enum vs_status vs_index_export(const struct vs_env *env,
                               const struct vs_index_export *what,
                               struct vs_writer *out,
                               struct vs_index_export_result *result_out,
                               struct vs_error *err);

#endif
