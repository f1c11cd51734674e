// SPDX-License-Identifier: Apache-2.0
/*
 * Words of the options that building an index and its steps share. Private to api/.
 */
#ifndef VS_API_INDEX_OPTIONS_H
#define VS_API_INDEX_OPTIONS_H

#include "ingest/index_job.h"

#define VS_DEFAULT_MIN_RECALL 0.95F

// NULL is the default.
enum vs_status vs_parse_projection(const char *text,
                                   enum vs_projection *projection_out,
                                   struct vs_error *err);
enum vs_status vs_parse_store(const char *text,
                              enum vs_store_vectors *store_out,
                              struct vs_error *err);
enum vs_status vs_parse_second(const char *text,
                               enum vs_tune_second *second_out,
                               struct vs_error *err);

// The report of a build; path: of the file when it was not published, else NULL.
enum vs_status vs_report_index_build(const char *table,
                                     const struct vs_index_job_result *result,
                                     const char *path,
                                     double ms,
                                     struct vs_buf *report,
                                     struct vs_error *err);

#endif
