// SPDX-License-Identifier: Apache-2.0
/*
 * What the sources share: opened files and choosing columns by name. Private to ingest/source*.c.
 */
#ifndef VS_INGEST_SOURCE_INTERNAL_H
#define VS_INGEST_SOURCE_INTERNAL_H

#include "ingest/source.h"
#include "vecstore/base/arena.h"
#include "vecstore/object/store.h"

// A file and, when it was opened by path, its store.
struct vs_source_file {
    struct vs_store *store; // NULL: a file given by the caller
    struct vs_file *file;   // NULL: standard input
};

enum vs_status vs_source_file_open(const struct vs_env *env,
                                   const char *path,
                                   struct vs_source_file *file_out,
                                   struct vs_error *err);
void vs_source_file_close(struct vs_source_file *file);

// Each takes *file, on failure too (it is closed then).
enum vs_status vs_source_open_parquet(const struct vs_env *env,
                                      struct vs_source_file *file,
                                      const char *name,
                                      const struct vs_source_options *options,
                                      struct vs_source **source_out,
                                      struct vs_error *err);
enum vs_status vs_source_open_npy(const struct vs_env *env,
                                  struct vs_source_file *file,
                                  const char *name,
                                  const struct vs_source_options *options,
                                  struct vs_source **source_out,
                                  struct vs_error *err);
enum vs_status vs_source_open_jsonl(const struct vs_env *env,
                                    struct vs_source_file *file,
                                    const char *name,
                                    const struct vs_source_options *options,
                                    struct vs_source **source_out,
                                    struct vs_error *err);

struct vs_str vs_source_vector_name(const struct vs_source_options *options); // with its default
struct vs_str vs_source_target_name(
    const struct vs_source_options *options,
    struct vs_str name); // what the schema calls the source's column
enum vs_status vs_column_append_nulls(struct vs_column *column, size_t count, struct vs_error *err);

#endif
