// SPDX-License-Identifier: Apache-2.0
/*
 * Schema texts written into the headers of manifests and manifest lists (format version 2).
 */
#ifndef VS_ICEBERG_MANIFEST_SCHEMA_H
#define VS_ICEBERG_MANIFEST_SCHEMA_H

#include "vecstore/base/buf.h"

enum vs_manifest_schema {
    VS_MANIFEST_ENTRY_AVRO,
    VS_MANIFEST_ENTRY_ICEBERG,
    VS_MANIFEST_LIST_AVRO,
    VS_MANIFEST_LIST_ICEBERG,
};

// Appends the JSON text.
enum vs_status vs_manifest_schema_format(enum vs_manifest_schema schema,
                                         struct vs_buf *out,
                                         struct vs_error *err);

#endif
