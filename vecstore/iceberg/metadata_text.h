// SPDX-License-Identifier: Apache-2.0
/*
 * Parts of table metadata as JSON text, made when a part is new (parts that were read keep their
 * own text).
 *
 * Ownership: results live in the arena given. Threads: pure.
 */
#ifndef VS_ICEBERG_METADATA_TEXT_H
#define VS_ICEBERG_METADATA_TEXT_H

#include "vecstore/iceberg/iceberg_internal.h"

#define VS_FIRST_PARTITION_ID 1000
#define VS_LAST_COLUMN_ID 2147483447 // ids above are those of metadata columns

enum vs_status vs_metadata_specs_text(struct vs_arena *arena,
                                      const struct vs_partition_spec *specs,
                                      size_t count,
                                      struct vs_str *out,
                                      struct vs_error *err);
enum vs_status vs_metadata_orders_text(struct vs_arena *arena,
                                       const struct vs_sort_order *orders,
                                       size_t count,
                                       struct vs_str *out,
                                       struct vs_error *err);
enum vs_status vs_metadata_schema_text(struct vs_arena *arena,
                                       const struct vs_schema *schema,
                                       struct vs_str *out,
                                       struct vs_error *err);
// The array of a spec's fields.
void vs_metadata_write_spec_fields(struct vs_json_writer *w, const struct vs_partition_spec *spec);

#endif
