// SPDX-License-Identifier: Apache-2.0
/*
 * Schema texts written into the headers of manifests and manifest lists (format versions 2 and 3).
 */
#ifndef VS_ICEBERG_MANIFEST_SCHEMA_H
#define VS_ICEBERG_MANIFEST_SCHEMA_H

#include "vecstore/format/schema.h"

enum vs_manifest_schema {
    VS_MANIFEST_ENTRY_AVRO,
    VS_MANIFEST_ENTRY_ICEBERG,
    VS_MANIFEST_LIST_AVRO,
    VS_MANIFEST_LIST_ICEBERG,
};

struct vs_manifest_shape {
    int format_version;
    const struct vs_field *fields; // of the partition tuple: ids are partition field ids
    size_t field_count;
};

// Appends the JSON text.
enum vs_status vs_manifest_schema_format(enum vs_manifest_schema schema,
                                         const struct vs_manifest_shape *shape,
                                         struct vs_buf *out,
                                         struct vs_error *err);
// A number as header values have it, in the caller's buffer.
#define VS_MANIFEST_NUMBER_SIZE 24
struct vs_str vs_manifest_number(char text[VS_MANIFEST_NUMBER_SIZE], int64_t value);
// Bytes of the Avro fixed that holds a decimal of this precision.
size_t vs_manifest_decimal_bytes(int precision);

#endif
