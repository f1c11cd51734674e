// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by spec_text.c (texts of specs and orders, see metadata_edit.h) and edit_spec.c only.
 */
#ifndef VS_ICEBERG_SPEC_TEXT_H
#define VS_ICEBERG_SPEC_TEXT_H

#include "vecstore/iceberg/metadata_edit.h"
#include "vecstore/iceberg/metadata_text.h"
#include "vecstore/iceberg/transform.h"

// The n-th proposal for a partition field's name (0: the one that Java gives); ptr == NULL: out of
// memory.
struct vs_str vs_partition_field_name(const struct vs_schema *schema,
                                      const struct vs_partition_field *field,
                                      unsigned n,
                                      struct vs_arena *arena);

#endif
