// SPDX-License-Identifier: Apache-2.0
/*
 * One column of one data file, read whole from Parquet; kept in the engine's cache for small files.
 * Private to api/query.
 */
#ifndef VS_QUERY_FILE_COLUMN_H
#define VS_QUERY_FILE_COLUMN_H

#include "api/query/query_view.h"

// column_out is zeroed storage; cleared by the caller, also after a failure.
enum vs_status vs_file_column_read(const struct vs_view *view,
                                   size_t file,
                                   const struct vs_field *field,
                                   const struct vs_op *op,
                                   struct vs_column *column_out,
                                   struct vs_error *err);
// Whether the file is so small that decoding whole columns is cheaper than seeking for a few rows
// again and again.
bool vs_file_column_fits(const struct vs_view *view, size_t file);
// ref_out->value is a struct vs_column.
enum vs_status vs_file_column(const struct vs_view *view,
                              size_t file,
                              const struct vs_field *field,
                              const struct vs_op *op,
                              struct vs_cache_ref *ref_out,
                              struct vs_error *err);

#endif
