// SPDX-License-Identifier: Apache-2.0
/*
 * The two columns of position delete files, with their reserved field ids (iceberg.md 1.8).
 */
#ifndef VS_ICEBERG_DELETE_SCHEMA_H
#define VS_ICEBERG_DELETE_SCHEMA_H

#include "vecstore/format/schema.h"

#define VS_DELETE_FIELD_COUNT 2

// file_path string, pos long; both required.
extern const struct vs_field vs_delete_fields[VS_DELETE_FIELD_COUNT];

#endif
