// SPDX-License-Identifier: Apache-2.0
/*
 * Partition tuples as canonical bytes, so that two can be compared and one value can be taken out
 * again.
 *
 * Layout per field: int32 field id, byte tag, then for INT 8 bytes, BITS32 4, BITS64 8, BYTES
 * uint32 length and the bytes, NONE nothing; all little-endian. In memory only, never stored.
 */
#ifndef VS_ICEBERG_PARTITION_KEY_H
#define VS_ICEBERG_PARTITION_KEY_H

#include "vecstore/format/avro_file.h"
#include "vecstore/format/column.h"

// `partition` is an Avro record; UNSUPPORTED when it holds anything but scalars.
enum vs_status vs_partition_key_encode(struct vs_arena *arena,
                                       const struct vs_avro_value *partition,
                                       const char *what,
                                       struct vs_str *key_out,
                                       struct vs_error *err);
// The value of partition field `field_id` as a value of `field`'s kind (strings borrow from key).
// False when the key has no such field or its form does not fit the kind.
bool vs_partition_key_value(struct vs_str key,
                            int32_t field_id,
                            const struct vs_field *field,
                            struct vs_value *value_out);

#endif
