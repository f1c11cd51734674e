// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a table from columns and an embedding contract; shared by `table create` and `ingest
 * --create`.
 */
#ifndef VS_API_TABLE_CREATE_H
#define VS_API_TABLE_CREATE_H

#include "api/db.h"

struct vs_new_table {
    const char *name;
    struct vs_field *fields; // changed in place: the id becomes required
    size_t field_count;
    struct vs_str id_column;
    struct vs_str vector_column;
    uint32_t dim;
    const char *metric, *model;
    bool normalized;
    const char *partition_by, *sort_order; // NULL: none
    int format_version;                    // 0: 2
    const struct vs_pair *properties;      // more of them
    size_t property_count;
};

enum vs_status vs_new_table_create(struct vs_db *db,
                                   const struct vs_new_table *spec,
                                   struct vs_table **table_out,
                                   struct vs_error *err);

#endif
