// SPDX-License-Identifier: Apache-2.0
/*
 * Partition transforms: identity, bucket[N], truncate[W], year, month, day, hour, void.
 *
 * Spec: Iceberg "Partition Transforms" and Appendix B (hashes); test vectors: iceberg.md 1.3.
 * Threads: pure.
 */
#ifndef VS_ICEBERG_TRANSFORM_H
#define VS_ICEBERG_TRANSFORM_H

#include "vecstore/format/column.h"
#include "vecstore/iceberg/predicate.h"
#include "vecstore/iceberg/table_metadata.h"

enum vs_transform_kind {
    VS_TRANSFORM_IDENTITY,
    VS_TRANSFORM_BUCKET,
    VS_TRANSFORM_TRUNCATE,
    VS_TRANSFORM_YEAR,
    VS_TRANSFORM_MONTH,
    VS_TRANSFORM_DAY,
    VS_TRANSFORM_HOUR,
    VS_TRANSFORM_VOID,
    VS_TRANSFORM_UNKNOWN, // carried; never pruned by, never written with
};

struct vs_transform {
    enum vs_transform_kind kind;
    int32_t width; // of bucket and truncate
};

// INVALID for a malformed width; a name that is not known gives VS_TRANSFORM_UNKNOWN.
enum vs_status vs_transform_parse(struct vs_str text,
                                  struct vs_transform *transform_out,
                                  struct vs_error *err);
// Kind of the result for a source kind (day is VS_KIND_DATE; year, month, hour, bucket
// VS_KIND_INT); INVALID names transform and type when they do not fit.
enum vs_status vs_transform_result(const struct vs_transform *transform,
                                   const struct vs_field *source,
                                   struct vs_field *result_out,
                                   struct vs_error *err);
// Null gives null. Text and bytes of the result borrow from value (truncate cuts).
enum vs_status vs_transform_apply(const struct vs_transform *transform,
                                  const struct vs_field *source,
                                  const struct vs_value *value,
                                  struct vs_value *result_out,
                                  struct vs_error *err);
// "2025-01", "3", "lang=en" as it stands in a path of Hive style, percent-encoded.
// `schema` gives the scale of decimals.
enum vs_status vs_partition_path(const struct vs_partition_spec *spec,
                                 const struct vs_schema *schema,
                                 const struct vs_value *values,
                                 struct vs_buf *out,
                                 struct vs_error *err);
// Whether a partition with these values (ranges per partition field, in spec order) can hold a row
// that matches: the predicate is projected onto the transforms.
bool vs_partition_may_match(const struct vs_partition_spec *spec,
                            const struct vs_schema *schema,
                            const struct vs_predicate *predicate,
                            const struct vs_value_range *ranges);
// Single-value serialisation of bounds (iceberg.md 1.7), both ways; int bytes of a long are
// accepted (promotion). False: malformed, or the kind has none.
bool vs_bound_decode(struct vs_str bytes, const struct vs_field *field, struct vs_value *value_out);
bool vs_bound_encode(const struct vs_value *value,
                     const struct vs_field *field,
                     struct vs_arena *arena,
                     struct vs_str *bytes_out);

#endif
