// SPDX-License-Identifier: Apache-2.0
/*
 * Partition tuples with the types that a spec gives them: from Avro, as keys, as ranges.
 *
 * Ownership: results live in the arena given. Threads: pure.
 */
#ifndef VS_ICEBERG_PARTITION_VALUES_H
#define VS_ICEBERG_PARTITION_VALUES_H

#include "vecstore/format/avro_file.h"
#include "vecstore/iceberg/manifest.h"
#include "vecstore/iceberg/predicate.h"

// The column that a partition field is made of: from the current schema, else from the newest
// schema that has it (it may have been dropped); NULL when none does.
const struct vs_field *vs_partition_source(const struct vs_table_metadata *metadata,
                                           int32_t source_id);
// One field per field of the spec: name, partition field id and the type of its values; kind
// VS_KIND_OTHER where transform or source column are not known.
enum vs_status vs_partition_fields(const struct vs_table_metadata *metadata,
                                   const struct vs_partition_spec *spec,
                                   struct vs_arena *arena,
                                   struct vs_field **fields_out,
                                   struct vs_error *err);
// A value as the field's kind (OTHER: the kind that its Avro type suggests); borrows from `value`,
// but for a UUID written as text, which is decoded into arena. False: it does not fit.
bool vs_partition_value_from_avro(const struct vs_avro_value *value,
                                  const struct vs_field *field,
                                  struct vs_arena *arena,
                                  struct vs_value *value_out);
// What is known of one field of the partition of a file.
struct vs_value_range vs_partition_value_range(const struct vs_value *value);
// The same of a manifest.
struct vs_value_range vs_partition_summary_range(const struct vs_partition_summary *summary,
                                                 const struct vs_field *field);

#endif
