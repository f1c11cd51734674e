// SPDX-License-Identifier: Apache-2.0
/*
 * The embedding contract of a table, kept in its properties:
 * vecstore.vector.<column>.{dimension,metric,normalized,model,model-version} (DESIGN.md section 5).
 */
#ifndef VS_ICEBERG_CONTRACT_H
#define VS_ICEBERG_CONTRACT_H

#include "vecstore/iceberg/table_metadata.h"

struct vs_vector_contract {
    struct vs_str column;
    int32_t field_id;
    size_t field; // index in the schema
    uint32_t dimension;
    struct vs_str metric; // "cosine", "ip", "l2"
    bool normalized;
    struct vs_str model, model_version; // may be empty
};

// Contracts of the schema's vector columns, in schema order, in arena. A contract that names a
// missing or non-list<float> column, a dimension outside 1..16384 or an unknown metric is
// VS_CORRUPT by name.
enum vs_status vs_contracts_read(const struct vs_table_metadata *metadata,
                                 const struct vs_schema *schema,
                                 struct vs_arena *arena,
                                 struct vs_vector_contract **contracts_out,
                                 size_t *count_out,
                                 struct vs_error *err);
// The one named (NULL: the only one). INVALID lists the vector columns when the name is unknown or
// missing and there are several.
enum vs_status vs_contract_find(const struct vs_vector_contract *contracts,
                                size_t count,
                                const char *column,
                                const struct vs_vector_contract **contract_out,
                                struct vs_error *err);
// Index of the identifier field, SIZE_MAX when the table has none.
size_t vs_schema_identifier(const struct vs_schema *schema);

#endif
