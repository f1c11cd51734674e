// SPDX-License-Identifier: Apache-2.0
/*
 * Objects named by paths that stand in a table's metadata: a path has to lie inside of the table's
 * location (VS_DENIED), and tables that were moved are followed (vs_table_metadata.moved_from).
 */
#ifndef VS_ICEBERG_TABLE_PATHS_H
#define VS_ICEBERG_TABLE_PATHS_H

#include "vecstore/iceberg/table_metadata.h"
#include "vecstore/object/store.h"

// Opens a data or delete file named by a path of the metadata; CORRUPT when it is missing.
enum vs_status vs_table_file_open(const struct vs_env *env,
                                  struct vs_store *store,
                                  const struct vs_table_metadata *metadata,
                                  struct vs_str uri,
                                  struct vs_file **file_out,
                                  struct vs_error *err);
// Reads a whole object named by a path of the metadata; `what` describes it in errors.
enum vs_status vs_table_object_read(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    struct vs_str uri,
                                    const char *what,
                                    struct vs_buf *bytes_out,
                                    struct vs_error *err);
// Whether such a file is there.
enum vs_status vs_table_file_exists(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    struct vs_str uri,
                                    bool *exists_out,
                                    struct vs_error *err);

#endif
