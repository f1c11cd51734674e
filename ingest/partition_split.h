// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of a batch by the partition that the table's default spec puts them into.
 *
 * Ownership: partitions live in the splitter until clear; borrows metadata. Threads: single owner.
 * Spec: Iceberg "Partitioning".
 */
#ifndef VS_INGEST_PARTITION_SPLIT_H
#define VS_INGEST_PARTITION_SPLIT_H

#include "vecstore/iceberg/transform.h"

struct vs_partition {
    struct vs_value *values;   // in the order of the spec's fields
    struct vs_str key;         // as vs_data_file.partition_key
    struct vs_str path;        // "lang=en/day=2025-01-31"
    size_t next, first, count; // of the batch at hand: rows[first, first + count)
};

struct split_column {
    struct vs_transform transform;
    size_t column; // of the schema
};

struct vs_partition_split {
    const struct vs_env *env;
    const struct vs_schema *schema;
    const struct vs_partition_spec *spec;
    struct vs_arena arena;
    struct vs_field *fields;      // results of the transforms
    struct split_column *columns; // of the spec's fields
    struct vs_value *values;      // of one row
    struct vs_buf key, path;
    struct vs_partition *partitions;
    size_t count, capacity;
    uint32_t *slots; // open addressing by key; index + 1
    size_t slot_count;
    uint32_t *owners, *rows; // per row of the batch: its partition; rows grouped by partition
    size_t row_capacity;
    uint32_t *touched; // partitions of the batch at hand, in order of first appearance
    size_t touched_count;
};

// UNSUPPORTED names a transform of the spec that is not known. Clear in every case.
enum vs_status vs_partition_split_init(struct vs_partition_split *split,
                                       const struct vs_env *env,
                                       const struct vs_table_metadata *metadata,
                                       struct vs_error *err);
void vs_partition_split_clear(struct vs_partition_split *split);
// Groups the rows: split->touched, then per partition rows[first, first + count), in batch order.
enum vs_status vs_partition_split_batch(struct vs_partition_split *split,
                                        const struct vs_batch *batch,
                                        struct vs_error *err);

#endif
