// SPDX-License-Identifier: Apache-2.0
/*
 * An Iceberg schema with all its nesting: what struct vs_schema, which is flat, cannot say.
 *
 * Ownership: the tree lives in the caller's arena. Threads: pure functions. Spec: Iceberg table
 * specification, Appendix C "Schemas".
 */
#ifndef VS_ICEBERG_TYPE_JSON_H
#define VS_ICEBERG_TYPE_JSON_H

#include "vecstore/format/type.h"

// The schema's JSON (vs_table_metadata.schema_json) as a STRUCT whose children are the columns. Ids
// are unique in the whole tree; what is no type that can be read is a PRIMITIVE of VS_KIND_OTHER.
// geometry and geography are BINARY, as they are stored.
enum vs_status vs_iceberg_type_parse(const struct vs_env *env,
                                     struct vs_str schema_json,
                                     const char *what,
                                     struct vs_arena *arena,
                                     struct vs_type *type_out,
                                     struct vs_error *err);

#endif
