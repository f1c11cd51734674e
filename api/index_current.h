// SPDX-License-Identifier: Apache-2.0
/*
 * The current index of a table, opened for a report or an export.
 */
#ifndef VS_API_INDEX_CURRENT_H
#define VS_API_INDEX_CURRENT_H

#include "api/db.h"
#include "index/index.h"

struct vs_index_current {
    struct vs_table *table;
    struct vs_statistics entry;
    struct vs_file *file;
    struct vs_index *index; // NULL until opened
};

enum vs_status vs_index_current_file(struct vs_db *db,
                                     const char *table,
                                     struct vs_index_current *current,
                                     struct vs_error *err);
// The same, and the index in it.
enum vs_status vs_index_current_open(struct vs_db *db,
                                     const char *table,
                                     bool skip_lists,
                                     struct vs_index_current *current,
                                     struct vs_error *err);
void vs_index_current_close(struct vs_index_current *current); // accepts a zeroed one
// The vector column named; NULL: the only one. INVALID lists them otherwise.
enum vs_status vs_index_current_column(const struct vs_index_current *current,
                                       const char *name,
                                       size_t *column_out,
                                       struct vs_error *err);

#endif
