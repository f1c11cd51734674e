// SPDX-License-Identifier: Apache-2.0
/*
 * Partition tuples as canonical bytes, so that two can be compared and one value can be taken out
 * again.
 *
 * Layout per field: int32 field id, byte tag, then for INT 8 bytes, BITS32 4, BITS64 8, BYTES
 * uint32 length and the bytes, NONE nothing; all little-endian. Reals are BITS64 and decimals
 * minimal bytes, so that a widened type keeps its keys. In memory only, never stored.
 */
#ifndef VS_ICEBERG_PARTITION_KEY_H
#define VS_ICEBERG_PARTITION_KEY_H

#include "vecstore/format/column.h"

// Appends the key of a tuple; values in the order of `fields`, whose ids are partition field ids.
enum vs_status vs_partition_key_encode(struct vs_buf *out,
                                       const struct vs_field *fields,
                                       const struct vs_value *values,
                                       size_t count,
                                       struct vs_error *err);
// The value of partition field `field_id` as a value of `field`'s kind (strings borrow from key).
// False when the key has no such field or its form does not fit the kind.
bool vs_partition_key_value(struct vs_str key,
                            int32_t field_id,
                            const struct vs_field *field,
                            struct vs_value *value_out);

#endif
